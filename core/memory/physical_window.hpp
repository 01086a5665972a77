// SPDX-License-Identifier: GPL-2.0-or-later
// Physical memory as one side sees it: root mode through its own map, the kernel's side through
// the kernel's direct map, tests through a buffer. Only RAM is reachable; what is no RAM (device
// registers, holes) gives no pointer.
#pragma once

#include "base/address.hpp"
#include "base/types.hpp"

namespace ringside::memory {

/// A range of RAM, [start, end), page-aligned.
struct RamRange {
    u64 start;
    u64 end;
};

/// The machine's RAM. Fixed at launch; ranges ascending and disjoint.
struct RamMap {
    static constexpr u32 kMaxRanges = 128;
    u32 count = 0;
    u32 reserved = 0;
    RamRange ranges[kMaxRanges] = {};

    constexpr bool contains(Hpa address) const {
        for (u32 i = 0; i < count; ++i)
            if (address.value() - ranges[i].start < ranges[i].end - ranges[i].start)
                return true;
        return false;
    }
    /// End of the highest range.
    constexpr u64 end() const { return count ? ranges[count - 1].end : 0; }
};

/// Turns physical addresses of RAM into pointers of the current context.
class PhysicalWindow {
public:
    constexpr PhysicalWindow() = default;
    /// `base` is where physical address 0 would be; `encryption` are the bits of a page-table entry
    /// that are no address (AMD SME's C-bit), 0 if none.
    constexpr PhysicalWindow(u64 base, const RamMap* ram, u64 encryption = 0)
        : base_{base}, ram_{ram}, encryption_{encryption} {}

    /// The page holding `address`, or nullptr if it is not RAM. Valid to the end of that page.
    void* at(Hpa address) const {
        if (!ram_->contains(address))
            return nullptr;
        return reinterpret_cast<void*>(base_ + address.value());
    }
    /// The same without the check, for addresses that come from our own allocator.
    void* at_own(Hpa address) const { return reinterpret_cast<void*>(base_ + address.value()); }
    Hpa address_of(const void* pointer) const {
        return Hpa{reinterpret_cast<u64>(pointer) - base_};
    }
    u64 encryption() const { return encryption_; }

private:
    u64 base_ = 0;
    const RamMap* ram_ = nullptr;
    u64 encryption_ = 0;
};

}  // namespace ringside::memory
