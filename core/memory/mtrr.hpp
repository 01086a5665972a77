// SPDX-License-Identifier: GPL-2.0-or-later
// Memory types by physical address, as the memory-type range registers say. Nested page tables of
// Intel repeat them: an identity map that says write-back everywhere would break device registers.
// Source: Intel SDM vol. 3A §11.11 "Memory Type Range Registers (MTRRs)".
#pragma once

#include "base/bits.hpp"
#include "base/types.hpp"

namespace ringside::memory {

enum class MemoryType : u8 {
    kUncacheable = 0,
    kWriteCombining = 1,
    kWriteThrough = 4,
    kWriteProtected = 5,
    kWriteBack = 6,
};

/// The registers as read. Pure; filled by whoever may read MSRs.
struct Mtrrs {
    static constexpr u32 kMaxVariable = 32;
    static constexpr u32 kFixedRegisters = 11;  ///< one of 64 KiB, two of 16 KiB, eight of 4 KiB
    static constexpr u64 kFixedEnd = 0x100000;

    using DefaultType = Bits<0, 7>;
    using FixedEnabled = Bits<10>;
    using Enabled = Bits<11>;
    using MaskValid = Bits<11>;

    u64 default_type = 0;  ///< IA32_MTRR_DEF_TYPE
    u32 variable_count = 0;
    u64 base[kMaxVariable] = {};
    u64 mask[kMaxVariable] = {};
    u64 fixed[kFixedRegisters] = {};

    struct Answer {
        bool is_uniform = false;  ///< else a smaller block must be asked about
        MemoryType type = MemoryType::kUncacheable;
    };
    /// The type of the block of `bytes` (a power of two, at least 4 KiB) at `address`, a multiple
    /// of `bytes`.
    Answer type_of(u64 address, u64 bytes) const;

private:
    MemoryType fixed_type(u64 address) const;
};

}  // namespace ringside::memory
