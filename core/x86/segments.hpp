// SPDX-License-Identifier: GPL-2.0-or-later
// Segment descriptors, gates and the 64-bit TSS.
// Source: Intel SDM vol. 3A §3.4.5 "Segment Descriptors", §6.14.1 "64-Bit Mode IDT", §7.7 "Task
// Management in 64-bit Mode"; AMD APM vol. 2 §4.8 "Long-Mode Segment Descriptors".
#pragma once

#include "base/bits.hpp"
#include "base/types.hpp"

namespace ringside::x86 {

/// Root mode's own code and data segments.
inline constexpr u16 kHostCodeSelector = 0x10;
inline constexpr u16 kHostDataSelector = 0x18;

/// An 8-byte code or data descriptor.
namespace descriptor {
using Type = Bits<40, 43>;
using System = Bits<44>;  // 0: system segment
using Dpl = Bits<45, 46>;
using Present = Bits<47>;
using Long = Bits<53>;
using Default = Bits<54>;
using Granularity = Bits<55>;

/// The attributes in the packed form both vendors' save areas use: type, S, DPL, P in bits 0-7,
/// AVL, L, D/B, G in bits 8-11.
constexpr u16 packed_attributes(u64 raw) {
    return u16((raw >> 40 & 0xff) | (raw >> 52 & 0xf) << 8);
}
/// The limit in bytes.
constexpr u32 limit(u64 raw) {
    const u32 field = u32((raw & 0xffff) | (raw >> 32 & 0xf0000));
    return Granularity::test(raw) ? field << 12 | 0xfff : field;
}
constexpr u64 base(u64 raw) {
    return (raw >> 16 & 0xffffff) | (raw >> 32 & 0xff000000);
}

inline constexpr u64 kKernelCode = 0x00af9b000000ffff;
inline constexpr u64 kKernelData = 0x00cf93000000ffff;
inline constexpr u64 kUserCode = 0x00affb000000ffff;
inline constexpr u64 kUserData = 0x00cff3000000ffff;
static_assert(packed_attributes(kKernelCode) == 0xa9b && limit(kKernelCode) == 0xffffffff);
}  // namespace descriptor

/// A 16-byte IDT gate.
struct Gate {
    u64 low = 0;
    u64 high = 0;

    using Ist = Bits<32, 34>;
    using Type = Bits<40, 43>;
    using Dpl = Bits<45, 46>;
    using Present = Bits<47>;
    using Selector = Bits<16, 31>;

    static constexpr u64 kInterruptGate = 0xe;
    static constexpr u64 kTrapGate = 0xf;

    /// `dpl`: the least privileged level whose INT instructions may use it.
    static constexpr Gate interrupt(u64 handler, u16 selector, u8 ist, u8 dpl = 0) {
        return {(handler & 0xffff) | Selector::make(selector) | Ist::make(ist) | Dpl::make(dpl) |
                    Type::make(kInterruptGate) | Present::make(1) | (handler >> 16 & 0xffff) << 48,
                handler >> 32};
    }
    constexpr u64 offset() const { return (low & 0xffff) | (low >> 32 & 0xffff0000) | high << 32; }
    constexpr bool is_system_clear() const { return (low >> 44 & 1) == 0; }
};
static_assert(sizeof(Gate) == 16);
static_assert(Gate::interrupt(0xffffffffc0123456, 0x10, 1).offset() == 0xffffffffc0123456);

struct [[gnu::packed]] TaskStateSegment {
    u32 reserved0;    // 0x00
    u64 rsp[3];       // 0x04
    u64 reserved1;    // 0x1c
    u64 ist[7];       // 0x24
    u64 reserved2;    // 0x5c
    u16 reserved3;    // 0x64
    u16 io_map_base;  // 0x66
};
static_assert(sizeof(TaskStateSegment) == 0x68);

/// The two words of a 64-bit TSS descriptor (available).
constexpr u64 tss_descriptor_low(u64 base, u32 limit) {
    return (limit & 0xffff) | (base & 0xffffff) << 16 | 0x89ull << 40 |
           u64(limit >> 16 & 0xf) << 48 | (base >> 24 & 0xff) << 56;
}
constexpr u64 tss_descriptor_high(u64 base) {
    return base >> 32;
}

}  // namespace ringside::x86
