// SPDX-License-Identifier: GPL-3.0-or-later
// A guest's RAM in a buffer, with page tables of 4 or 5 levels that a test builds by hand.
#pragma once

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>

#include "memory/guest_page_walk.hpp"
#include "memory/physical_window.hpp"
#include "x86/paging.hpp"

namespace ringside::test {

inline constexpr u64 kReadOnly = 0;
inline constexpr u64 kKernelData = x86::page::kWritable;
inline constexpr u64 kUserData = x86::page::kWritable | x86::page::kUser;

/// RAM is one range that starts at 1 MiB, so that physical address 0 is none. Pages for tables are
/// taken from it as they are needed.
class GuestMemory {
public:
    static constexpr u64 kRamStart = 0x10'0000;

    /// `encryption` is set in CR3 and in every entry made.
    explicit GuestMemory(u32 levels = 4, u64 encryption = 0, u64 pages = 512)
        : buffer_{static_cast<u8*>(std::aligned_alloc(kPageSize, pages * kPageSize))},
          encryption_{encryption} {
        std::memset(buffer_.get(), 0, pages * kPageSize);
        ram_.count = 1;
        ram_.ranges[0] = {kRamStart, kRamStart + pages * kPageSize};
        paging_.levels = levels;
        paging_.cr3 = take_page().value() | encryption;
    }
    GuestMemory(const GuestMemory&) = delete;
    GuestMemory& operator=(const GuestMemory&) = delete;

    /// A zeroed page nobody uses yet.
    Hpa take_page() {
        const Hpa page{kRamStart + used_++ * kPageSize};
        if (page.value() >= ram_.ranges[0].end)
            throw std::length_error{"the guest of this test has too little RAM"};
        return page;
    }

    /// Maps the page (4 KiB, or the leaf size of `level`) at `address` with exactly `rights`; the
    /// levels above grant everything.
    GuestMemory& map(Gva address, Hpa target, u64 rights = kKernelData, u32 level = 1) {
        entry(address, level) = target.value() | rights | x86::page::kPresent | encryption_ |
                                (level > 1 ? x86::page::kLarge : 0);
        if (level == 1 && ram_.contains(target))
            mapped_[address.page().value()] = target.value();
        return *this;
    }
    /// Maps a fresh page.
    GuestMemory& map(Gva address, u64 rights = kKernelData) {
        return map(address, take_page(), rights);
    }
    GuestMemory& unmap(Gva address) {
        entry(address, 1) = 0;
        return *this;
    }

    /// The entry of `level` (1: page table) for `address`, tables above it made as needed.
    u64& entry(Gva address, u32 level) {
        u64 table = paging_.cr3 & x86::page::kAddress & ~encryption_;
        for (u32 at = paging_.levels;; --at) {
            u64& slot = reinterpret_cast<u64*>(host(Hpa{table}))[index(address, at)];
            if (at == level)
                return slot;
            if (!(slot & x86::page::kPresent))
                slot = take_page().value() | x86::page::kPresent | kUserData | encryption_;
            table = slot & x86::page::kAddress & ~encryption_;
        }
    }

    u8* host(Hpa physical) { return buffer_.get() + (physical.value() - kRamStart); }
    /// The byte behind an address mapped by map(), whatever its rights are by now.
    u8* at(Gva address) {
        return host(Hpa{mapped_.at(address.page().value()) + address.page_offset()});
    }
    template <class T>
    T get(Gva address) {
        T value;
        for (usize i = 0; i < sizeof value; ++i)
            reinterpret_cast<u8*>(&value)[i] = *at(address + i);
        return value;
    }
    template <class T>
    void set(Gva address, const T& value) {
        for (usize i = 0; i < sizeof value; ++i)
            *at(address + i) = reinterpret_cast<const u8*>(&value)[i];
    }
    Hpa physical(Gva address) const {
        return Hpa{mapped_.at(address.page().value()) + address.page_offset()};
    }

    u64 window_base() const { return reinterpret_cast<u64>(buffer_.get()) - kRamStart; }
    memory::PhysicalWindow window() const { return {window_base(), &ram_, encryption_}; }
    memory::PagingState paging() const { return paging_; }
    const memory::RamMap& ram() const { return ram_; }
    u64 ram_end() const { return ram_.ranges[0].end; }

    memory::Translation walk(Gva address) const {
        return memory::walk_guest_page(window(), paging_, address);
    }

private:
    struct Free {
        void operator()(u8* memory) const { std::free(memory); }
    };
    static u64 index(Gva address, u32 level) {
        return address.value() >> (12 + 9 * (level - 1)) & 511;
    }

    std::unique_ptr<u8, Free> buffer_;
    u64 encryption_;
    u64 used_ = 0;
    memory::RamMap ram_;
    memory::PagingState paging_;
    std::map<u64, u64> mapped_;
};

}  // namespace ringside::test
