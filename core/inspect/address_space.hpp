// SPDX-License-Identifier: GPL-2.0-or-later
// Memory as one process, or the interrupted context, sees it, with a reason where there is none.
#pragma once

#include "memory/guest_page_walk.hpp"
#include "vcpu/vcpu.hpp"

namespace ringside::inspect {

/// One byte's memory, up to the end of its page.
struct Reach {
    u8* host = nullptr;    ///< nullptr: cannot be reached, see failed_*
    u32 failed_level = 0;  ///< level of the entry that is missing; 0: the page is there, and is no
                           ///< RAM, or root mode's, or read-only
    u64 failed_entry = 0;
    u64* leaf = nullptr;  ///< of a virtual address
};

/// The entries an address is translated by, as far as they may be told.
struct Walk {
    memory::Translation found;  ///< of the very byte
    memory::WalkTrace trace;    ///< nothing of a table that is root mode's
    u32 failed_level = 0;       ///< if not found.ok
    u64 failed_entry = 0;
};

/// Root mode, own vCPU. Every entry is distrusted; nothing is kept between two calls.
class AddressSpace {
public:
    /// That of the context: what the guest itself would reach now, and the kernel's half always.
    explicit AddressSpace(vcpu::Vcpu& vcpu);

    /// That of another process, by the address of its top-level table in the direct map; 0: it has
    /// none, and only the kernel's half is there.
    void use_page_table(u64 page_table);
    /// Physical addresses instead.
    void use_physical() { is_physical_ = true; }

    /// @param for_writing  read-only pages count as absent; physical ones never are
    Reach reach(u64 address, bool for_writing) const;
    Walk walk(u64 address) const;
    /// The tables `address` leads through: their CR3 (0: there are none), and levels.
    memory::PagingState paging(u64 address) const;

    /// Reads the kernel's memory, whatever process this is for. False: not all of it is there.
    bool read_kernel(u64 address, void* to, usize count) const;

private:
    u8* ram(Hpa address) const;

    const vcpu::Machine& machine_;
    u32 levels_;
    u64 kernel_cr3_;
    u64 user_cr3_;
    bool has_user_ = true;
    bool is_physical_ = false;
};

}  // namespace ringside::inspect
