// SPDX-License-Identifier: GPL-3.0-or-later
// Machine code of a script in this process: writable first, executable then, never both.
#pragma once

#include <span>
#include <vector>

#include "script/machine_code.hpp"

namespace ringside::language {

class Executable {
public:
    Executable() = default;
    ~Executable() { release(); }
    Executable(const Executable&) = delete;
    Executable& operator=(const Executable&) = delete;

    /// Translates a verified, linked program. False: there is no memory for it, or none that may be
    /// executed; there is no code then.
    bool make(const script::ProgramView& program);
    void release();
    bool is_empty() const { return memory_ == nullptr; }
    script::MachineCode code() const { return {static_cast<const u8*>(memory_), offsets_.data()}; }

private:
    void* memory_ = nullptr;
    usize bytes_ = 0;
    std::vector<u32> offsets_;
};

}  // namespace ringside::language
