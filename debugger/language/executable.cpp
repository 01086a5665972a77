// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/executable.hpp"

#include <sys/mman.h>

namespace ringside::language {

bool Executable::make(const script::ProgramView& program) {
    release();
    offsets_.resize(program.code_count());
    const usize room = script::translate(program, {}, offsets_);
    void* memory = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    memory_ = memory;
    bytes_ = room;
    (void)script::translate(program, {static_cast<u8*>(memory), room}, offsets_);
    if (mprotect(memory, room, PROT_READ | PROT_EXEC) != 0) {
        release();
        return false;
    }
    return true;
}

void Executable::release() {
    if (memory_ != nullptr)
        munmap(memory_, bytes_);
    memory_ = nullptr;
}

}  // namespace ringside::language
