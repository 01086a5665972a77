// SPDX-License-Identifier: GPL-2.0-or-later
// Walks the guest's page tables as they are, 4 or 5 levels, every entry distrusted.
#pragma once

#include "base/address.hpp"
#include "memory/physical_window.hpp"
#include "x86/paging.hpp"

namespace ringside::memory {

/// Where a guest virtual address leads, with the rights all levels together grant.
struct Translation {
    Hpa address;    ///< byte address; GPA and HPA are identical here
    u32 level = 0;  ///< 1: 4 KiB, 2: 2 MiB, 3: 1 GiB leaf; of the missing entry if not ok
    bool ok = false;
    bool writable = false;
    bool user = false;
    bool executable = false;
    u64* leaf = nullptr;  ///< the leaf entry, for its A and D bits
};

/// The guest's paging state that a walk needs.
struct PagingState {
    u64 cr3 = 0;
    u32 levels = 4;
};

/// The entries a walk read, top level first.
struct WalkTrace {
    u32 depth = 0;
    u64* slots[5] = {};
    u64 values[5] = {};
};

/// Translates `address`. Nothing is written: A and D bits stay as they are.
/// @param trace  if given, is told each entry as it was read.
Translation walk_guest_page(const PhysicalWindow& window, PagingState paging, Gva address,
                            WalkTrace* trace = nullptr);

/// Sets the accessed bit, and for a write the dirty bit, of a translated page's leaf, with a locked
/// compare-exchange as the processor does it.
void mark_accessed(const Translation& translation, bool written);

}  // namespace ringside::memory
