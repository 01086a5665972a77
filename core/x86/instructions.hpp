// SPDX-License-Identifier: GPL-2.0-or-later
// Every privileged instruction of the core that is not in an entry.S. Nothing else below core/
// needs ring 0. Tests, which do not have it, link a processor of their own instead
// (tests/support/fake_processor.cpp).
#pragma once

#include "base/types.hpp"

namespace ringside::x86 {

#if RS_FREESTANDING

inline u64 read_msr(u32 msr) {
    u32 low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return u64{high} << 32 | low;
}

inline void write_msr(u32 msr, u64 value) {
    asm volatile("wrmsr" : : "c"(msr), "a"(u32(value)), "d"(u32(value >> 32)) : "memory");
}

template <unsigned kNumber>
inline u64 read_cr() {
    u64 value;
    if constexpr (kNumber == 0)
        asm volatile("mov %%cr0, %0" : "=r"(value));
    else if constexpr (kNumber == 2)
        asm volatile("mov %%cr2, %0" : "=r"(value));
    else if constexpr (kNumber == 3)
        asm volatile("mov %%cr3, %0" : "=r"(value));
    else if constexpr (kNumber == 4)
        asm volatile("mov %%cr4, %0" : "=r"(value));
    else {
        static_assert(kNumber == 8);
        asm volatile("mov %%cr8, %0" : "=r"(value));
    }
    return value;
}

template <unsigned kNumber>
inline void write_cr(u64 value) {
    if constexpr (kNumber == 0)
        asm volatile("mov %0, %%cr0" : : "r"(value) : "memory");
    else if constexpr (kNumber == 2)
        asm volatile("mov %0, %%cr2" : : "r"(value) : "memory");
    else if constexpr (kNumber == 4)
        asm volatile("mov %0, %%cr4" : : "r"(value) : "memory");
    else {
        static_assert(kNumber == 8);
        asm volatile("mov %0, %%cr8" : : "r"(value) : "memory");
    }
}

template <unsigned kNumber>
inline u64 read_dr() {
    u64 value;
    if constexpr (kNumber == 0)
        asm volatile("mov %%db0, %0" : "=r"(value));
    else if constexpr (kNumber == 1)
        asm volatile("mov %%db1, %0" : "=r"(value));
    else if constexpr (kNumber == 2)
        asm volatile("mov %%db2, %0" : "=r"(value));
    else if constexpr (kNumber == 3)
        asm volatile("mov %%db3, %0" : "=r"(value));
    else if constexpr (kNumber == 6)
        asm volatile("mov %%db6, %0" : "=r"(value));
    else {
        static_assert(kNumber == 7);
        asm volatile("mov %%db7, %0" : "=r"(value));
    }
    return value;
}

template <unsigned kNumber>
inline void write_dr(u64 value) {
    if constexpr (kNumber == 0)
        asm volatile("mov %0, %%db0" : : "r"(value));
    else if constexpr (kNumber == 1)
        asm volatile("mov %0, %%db1" : : "r"(value));
    else if constexpr (kNumber == 2)
        asm volatile("mov %0, %%db2" : : "r"(value));
    else if constexpr (kNumber == 3)
        asm volatile("mov %0, %%db3" : : "r"(value));
    else if constexpr (kNumber == 6)
        asm volatile("mov %0, %%db6" : : "r"(value));
    else {
        static_assert(kNumber == 7);
        asm volatile("mov %0, %%db7" : : "r"(value));
    }
}

inline void out_byte(u16 port, u8 value) {
    asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

/// Registers of a device in memory.
inline u32 read_device(u64 address) {
    return *reinterpret_cast<const volatile u32*>(address);
}
inline void write_device(u64 address, u32 value) {
    *reinterpret_cast<volatile u32*>(address) = value;
}

inline u8 in_byte(u16 port) {
    u8 value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

/// Writes every modified cache line back to memory and empties the caches.
inline void write_back_caches() {
    asm volatile("wbinvd" : : : "memory");
}

/// x87, SSE and AVX registers and PKRU to and from a page of memory, zeroed before its first use.
/// What the operating system does not use stays out, and the tiles of AMX.
/// Source: Intel SDM vol. 1 §13.4 "XSAVE Area", §13.5 "XSAVE-Managed State".
inline constexpr u32 kSavedVectors = 0x2e7;
inline bool has_xsave() {
    u64 cr4;
    asm volatile("mov %%cr4, %0" : "=r"(cr4));
    constexpr u64 kOsXsave = 1ull << 18;
    return cr4 & kOsXsave;
}
inline void save_vectors(void* to) {
    if (has_xsave())
        asm volatile("xsave64 (%0)" : : "r"(to), "a"(kSavedVectors), "d"(0) : "memory");
    else
        asm volatile("fxsave64 (%0)" : : "r"(to) : "memory");
}
inline void restore_vectors(const void* from) {
    if (has_xsave())
        asm volatile("xrstor64 (%0)" : : "r"(from), "a"(kSavedVectors), "d"(0) : "memory");
    else
        asm volatile("fxrstor64 (%0)" : : "r"(from) : "memory");
}

/// Drops the translation of one page.
inline void drop_translation(u64 address) {
    asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}

/// Drops every translation of the address space that is not global.
inline void reload_page_table() {
    u64 table;
    asm volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(table) : : "memory");
}

#else

void save_vectors(void* to);
void restore_vectors(const void* from);
void drop_translation(u64 address);
void reload_page_table();
u64 read_msr(u32 msr);
void write_msr(u32 msr, u64 value);
u64 read_control_register(u32 number);
void write_control_register(u32 number, u64 value);
u64 read_debug_register(u32 number);
void write_debug_register(u32 number, u64 value);
void out_byte(u16 port, u8 value);
u8 in_byte(u16 port);
u32 read_device(u64 address);
void write_device(u64 address, u32 value);
void write_back_caches();

template <unsigned kNumber>
u64 read_cr() {
    return read_control_register(kNumber);
}
template <unsigned kNumber>
void write_cr(u64 value) {
    write_control_register(kNumber, value);
}
template <unsigned kNumber>
u64 read_dr() {
    return read_debug_register(kNumber);
}
template <unsigned kNumber>
void write_dr(u64 value) {
    write_debug_register(kNumber, value);
}

#endif

inline u64 read_tsc() {
    u32 low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return u64{high} << 32 | low;
}

struct [[gnu::packed]] DescriptorTable {
    u16 limit;
    u64 base;
};

#if RS_FREESTANDING
inline void load_gdt(const DescriptorTable& table) {
    asm volatile("lgdt %0" : : "m"(table));
}
#else
void load_gdt(const DescriptorTable& table);
#endif

inline DescriptorTable read_gdtr() {
    DescriptorTable table;
    asm volatile("sgdt %0" : "=m"(table));
    return table;
}

inline DescriptorTable read_idtr() {
    DescriptorTable table;
    asm volatile("sidt %0" : "=m"(table));
    return table;
}

inline u16 read_tr() {
    u16 selector;
    asm volatile("str %0" : "=r"(selector));
    return selector;
}
inline u16 read_ldtr() {
    u16 selector;
    asm volatile("sldt %0" : "=r"(selector));
    return selector;
}
inline u16 read_fs() {
    u16 selector;
    asm volatile("mov %%fs, %0" : "=r"(selector));
    return selector;
}
inline u16 read_gs() {
    u16 selector;
    asm volatile("mov %%gs, %0" : "=r"(selector));
    return selector;
}
inline u16 read_cs() {
    u16 selector;
    asm volatile("mov %%cs, %0" : "=r"(selector));
    return selector;
}
inline u16 read_ss() {
    u16 selector;
    asm volatile("mov %%ss, %0" : "=r"(selector));
    return selector;
}
inline u16 read_ds() {
    u16 selector;
    asm volatile("mov %%ds, %0" : "=r"(selector));
    return selector;
}
inline u16 read_es() {
    u16 selector;
    asm volatile("mov %%es, %0" : "=r"(selector));
    return selector;
}

struct CpuidResult {
    u32 eax, ebx, ecx, edx;
};

inline CpuidResult cpuid(u32 leaf, u32 subleaf = 0) {
    CpuidResult result{leaf, 0, subleaf, 0};
    asm volatile("cpuid" : "+a"(result.eax), "=b"(result.ebx), "+c"(result.ecx), "=d"(result.edx));
    return result;
}

/// Drops every translation of the current address space, global ones and those of other process
/// contexts included. Source: Intel SDM vol. 3A §4.10.4.1 "Operations that Invalidate TLBs and
/// Paging-Structure Caches".
inline void flush_all_translations() {
    constexpr u64 kGlobalPages = 1ull << 7;
    const u64 cr4 = read_cr<4>();
    write_cr<4>(cr4 ^ kGlobalPages);
    write_cr<4>(cr4);
}

/// Keeps the compiler from moving accesses across; orders nothing in the processor.
inline void compiler_barrier() {
    asm volatile("" : : : "memory");
}

}  // namespace ringside::x86
