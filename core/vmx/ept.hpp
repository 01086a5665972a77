// SPDX-License-Identifier: GPL-2.0-or-later
// Extended page tables: all physical memory at its own address, with the types the MTRRs give it.
// Source: Intel SDM vol. 3C §28.3 "The Extended Page Table Mechanism (EPT)".
#pragma once

#include "memory/mtrr.hpp"
#include "memory/page_table.hpp"

namespace ringside::vmx {

/// Bits of an EPT entry. Rights given to PageTable::map() are made by rights().
struct EptFormat {
    static constexpr u64 kRead = 1, kWrite = 2, kExecute = 4;
    using Type = Bits<3, 5>;
    static constexpr u64 kTable = kRead | kWrite | kExecute;
    static constexpr u64 kPresent = kRead;
    static constexpr u64 kLarge = 1 << 7;
    static constexpr u64 leaf(u64 rights) { return rights | kTable; }
    static constexpr u64 rights(memory::MemoryType type) { return Type::make(u64(type)); }
};

inline constexpr u32 kEptLevels = 4;

/// The EPT pointer for tables at `root`: write-back tables, four levels.
constexpr u64 ept_pointer(Hpa root) {
    constexpr u64 kWriteBackTables = 6;
    return root.value() | kWriteBackTables | (kEptLevels - 1) << 3;
}
static_assert(ept_pointer(Hpa{0x1000}) == 0x101e);

/// Maps [0, end) to itself in the largest leaves that have one memory type each.
/// @param max_level  3: 1 GiB leaves, 2: 2 MiB leaves
Result<void> map_identity(memory::PageTable<EptFormat>& table, const memory::Mtrrs& types, u64 end,
                          u32 max_level);

/// Tables needed at most for `end` bytes of identity map must stay affordable.
/// @return the end of what is mapped: all of `physical_bits`, 0 if that takes too much memory.
constexpr u64 identity_end(u32 physical_bits, bool has_1g_leaves) {
    // 256 TiB in 1 GiB leaves take 2 MiB of tables; 512 GiB in 2 MiB leaves take as much.
    const u32 most = has_1g_leaves ? 48 : 39;
    if (!has_1g_leaves && physical_bits > most)
        return 0;
    return u64{1} << (physical_bits < most ? physical_bits : most);
}

}  // namespace ringside::vmx
