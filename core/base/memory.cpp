// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/memory.hpp"

namespace ringside {

void copy_bytes(void* destination, const void* source, usize count) {
    auto* to = static_cast<u8*>(destination);
    const auto* from = static_cast<const u8*>(source);
#if defined(__x86_64__)
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
#else
    while (count--)
        *to++ = *from++;
#endif
}

void fill_bytes(void* destination, u8 value, usize count) {
    auto* to = static_cast<u8*>(destination);
#if defined(__x86_64__)
    asm volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(value) : "memory");
#else
    while (count--)
        *to++ = value;
#endif
}

bool equal_bytes(const void* left, const void* right, usize count) {
    const auto* a = static_cast<const u8*>(left);
    const auto* b = static_cast<const u8*>(right);
    for (; count; --count)
        if (*a++ != *b++)
            return false;
    return true;
}

}  // namespace ringside
