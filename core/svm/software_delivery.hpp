// SPDX-License-Identifier: GPL-2.0-or-later
// Delivers a maskable interrupt to a 64-bit guest without the hardware's help: what the processor
// does on vectoring through an interrupt gate. Used only under QEMU's TCG, whose event injection
// can deliver an interrupt a second time (docs/decisions); silicon gets EVENTINJ.
// Source: Intel SDM vol. 3A §6.14 "Exception and Interrupt Handling in 64-bit Mode"; AMD APM vol. 2
// §8.9 "Long-Mode Interrupt Control Transfers".
#pragma once

#include "base/memory.hpp"
#include "memory/owned_pages.hpp"
#include "memory/walk_cache.hpp"
#include "svm/vmcb.hpp"
#include "vcpu/injection.hpp"

namespace ringside::svm {

/// How a guest address is reached while an event is delivered.
class DeliveryMemory {
public:
    DeliveryMemory(memory::WalkCache& walks, const memory::PhysicalWindow& window,
                   memory::PagingState paging, bool smap)
        : walks_{walks}, window_{window}, paging_{paging}, smap_{smap} {}

    /// The host pointer of a guest byte for a supervisor access, nullptr with `fault` set to the
    /// page fault the processor would raise. Valid to the end of the page.
    u8* supervisor(Gva address, bool write, vcpu::PendingEvent& fault) const {
        const memory::WalkCache::Page& page = walks_.find(window_, paging_, address);
        const memory::Translation& to = page.translation;
        if (!page.host || (write && !to.writable) || (smap_ && to.user)) [[unlikely]] {
            fault = page_fault(address, to.ok, write);
            return nullptr;
        }
        if (write && !page.is_dirty)
            memory::mark_accessed(to, true);
        return page.host + address.page_offset();
    }
    /// Reads `count` bytes that may cross a page.
    bool read_bytes(Gva address, void* to, u32 count, vcpu::PendingEvent& fault) const;
    /// Reads one object, in one piece unless it crosses a page.
    template <class T>
    bool read(Gva address, T& to, vcpu::PendingEvent& fault) const {
        if (address.page_offset() + sizeof to > kPageSize) [[unlikely]]
            return read_bytes(address, &to, sizeof to, fault);
        const u8* from = supervisor(address, false, fault);
        if (!from) [[unlikely]]
            return false;
        if constexpr (sizeof to % 8 == 0)
            for (u32 i = 0; i < sizeof to / 8; ++i)
                reinterpret_cast<u64*>(&to)[i] = load_u64(from + u64{i} * 8);
        else
            copy_bytes(&to, from, sizeof to);
        return true;
    }

    u32 levels() const { return paging_.levels; }

private:
    static vcpu::PendingEvent page_fault(Gva address, bool present, bool write);

    memory::WalkCache& walks_;
    const memory::PhysicalWindow& window_;
    memory::PagingState paging_;
    bool smap_;
};

/// Delivers `vector` into the state in `vmcb`. True: the guest is at its handler's first
/// instruction. False: nothing was written, and `fault` is what hardware would have raised instead.
bool deliver_interrupt(Vmcb& vmcb, const DeliveryMemory& memory, u8 vector,
                       vcpu::PendingEvent& fault);

}  // namespace ringside::svm
