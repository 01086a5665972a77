// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/memory.hpp"

namespace ringside {

void copy_bytes(void* destination, const void* source, usize count) {
    auto* to = static_cast<u8*>(destination);
    const auto* from = static_cast<const u8*>(source);
#if defined(__x86_64__)
    // Most of it in words: an emulator takes as long for each byte as for eight.
    usize words = count / 8;
    count %= 8;
    if (words != 0)
        asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    if (count != 0)
        asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
#else
    while (count--)
        *to++ = *from++;
#endif
}

void fill_bytes(void* destination, u8 value, usize count) {
    auto* to = static_cast<u8*>(destination);
#if defined(__x86_64__)
    usize words = count / 8;
    count %= 8;
    const u64 word = 0x0101'0101'0101'0101 * value;
    if (words != 0)
        asm volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(word) : "memory");
    if (count != 0)
        asm volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(word) : "memory");
#else
    while (count--)
        *to++ = value;
#endif
}

bool equal_bytes(const void* left, const void* right, usize count) {
    const auto* a = static_cast<const u8*>(left);
    const auto* b = static_cast<const u8*>(right);
    for (; count >= 8 && load_u64(a) == load_u64(b); count -= 8) {
        a += 8;
        b += 8;
    }
    for (; count; --count)
        if (*a++ != *b++)
            return false;
    return true;
}

}  // namespace ringside
