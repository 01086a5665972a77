// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/halted_memory.hpp"

namespace ringside::debug {

void HaltedMemory::leave(void* memory, usize bytes, bool is_for_user) {
    auto* const leftover = static_cast<Leftover*>(memory);
    *leftover = {.next = *parts_.leftovers, .bytes = bytes, .is_for_user = is_for_user};
    *parts_.leftovers = leftover;
}

void HaltedMemory::mark(void* memory, usize bytes, bool is_owned) {
    const u64 start = reinterpret_cast<u64>(memory) - parts_.direct_map;
    for (u64 offset = 0; offset < bytes; offset += kPageSize)
        parts_.owned->set(Hpa{start + offset}, is_owned, parts_.direct_map);
}

void HaltedMemory::release(void* memory, usize bytes) {
    if (parts_.reserve->contains(memory))
        parts_.reserve->release(memory, bytes);
    else
        leave(memory, bytes, false);
}

void* HaltedMemory::allocate_for_user(usize bytes) {
    void* const memory = parts_.reserve->allocate(bytes);
    if (memory != nullptr)
        mark(memory, bytes, false);
    return memory;
}

void HaltedMemory::release_for_user(void* memory, usize bytes) {
    if (!parts_.reserve->contains(memory))
        return leave(memory, bytes, true);
    mark(memory, bytes, true);
    parts_.reserve->release(memory, bytes);
}

u8* HaltedMemory::allocate_code(usize bytes) {
    return parts_.code_pool == nullptr ? nullptr : parts_.code_pool->allocate(bytes);
}

void HaltedMemory::release_code(u8* code, usize bytes) {
    parts_.code_pool->release(code, bytes);
}

u64 HaltedMemory::code_in_root(const u8* code) {
    return parts_.code_base + static_cast<u64>(code - parts_.code_pool->memory());
}

}  // namespace ringside::debug
