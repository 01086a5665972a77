// SPDX-License-Identifier: GPL-2.0-or-later
// One algorithm that builds and splits page tables of the x86 shape; a format supplies the bits.
#pragma once

#include "base/address.hpp"
#include "base/result.hpp"
#include "memory/physical_window.hpp"
#include "x86/paging.hpp"

namespace ringside::memory {

/// Where tables come from: zeroed pages, physically one page each.
class PageSource {
public:
    /// A zeroed page's physical address, or 0.
    virtual u64 take_page() = 0;

protected:
    ~PageSource() = default;
};

/// Root mode's own page table (CR3). Leaf bits of `rights` are x86::page bits.
struct HostFormat {
    static constexpr u64 kTable = x86::page::kPresent | x86::page::kWritable;
    static constexpr u64 kPresent = x86::page::kPresent;
    static constexpr u64 kLarge = x86::page::kLarge;
    static constexpr u64 leaf(u64 rights) { return rights | kPresent; }
};

/// A page table of format `Format`, built on the kernel's side, read by the processor.
template <class Format>
class PageTable {
public:
    /// `root`: the zeroed top-level page. `encryption` is or-ed into every address.
    PageTable(PageSource& source, PhysicalWindow window, Hpa root, u32 levels)
        : source_{source}, window_{window}, root_{root}, levels_{levels} {}

    /// Maps [address, address + bytes) to `target` with leaves no larger than `max_level` allows.
    /// Addresses and size are multiples of 4 KiB. Existing leaves on the way are split.
    /// `is_device`: the target is no memory, so no encryption bit in its leaves.
    Result<void> map(u64 address, u64 bytes, Hpa target, u64 rights, u32 max_level,
                     bool is_device = false) {
        while (bytes) {
            u32 level = max_level;
            while (level > 1 && ((address | target.value()) & (x86::page::span(level) - 1) ||
                                 bytes < x86::page::span(level)))
                --level;
            auto slot = entry(address, level);
            if (!slot)
                return slot.error();
            **slot = target.value() | (is_device ? 0 : window_.encryption()) |
                     Format::leaf(rights) | (level > 1 ? Format::kLarge : 0);
            const u64 step = x86::page::span(level);
            address += step;
            target = target + step;
            bytes -= step;
        }
        return {};
    }

    /// The entry of `level` for `address`; tables down to it are made, larger leaves split.
    Result<u64*> entry(u64 address, u32 level) {
        auto* table = static_cast<u64*>(window_.at_own(root_));
        for (u32 at = levels_; at > level; --at) {
            u64* slot = table + x86::page::index(address, at);
            if (!(*slot & Format::kPresent)) {
                const u64 page = source_.take_page();
                if (!page)
                    return Error{RS_ERR_CANNOT_CREATE, address};
                *slot = page | window_.encryption() | Format::kTable;
            } else if (at <= 3 && *slot & Format::kLarge) {
                RS_TRY(split(slot, at));
            }
            table = static_cast<u64*>(
                window_.at_own(Hpa{*slot & x86::page::kAddress & ~window_.encryption()}));
        }
        return table + x86::page::index(address, level);
    }

private:
    Result<void> split(u64* slot, u32 level) {
        const u64 page = source_.take_page();
        if (!page)
            return Error{RS_ERR_CANNOT_CREATE};
        const u64 old = *slot;
        auto* children = static_cast<u64*>(window_.at_own(Hpa{page}));
        const u64 large = level - 1 > 1 ? Format::kLarge : 0;
        for (u64 i = 0; i < 512; ++i)
            children[i] = (old & ~Format::kLarge) + i * x86::page::span(level - 1) + large;
        *slot = page | window_.encryption() | Format::kTable;
        return {};
    }

    PageSource& source_;
    PhysicalWindow window_;
    Hpa root_;
    u32 levels_;
};

}  // namespace ringside::memory
