// SPDX-License-Identifier: GPL-3.0-or-later
// A guest's RAM with root mode's page table in it, and a sandbox's address space over both.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "memory/owned_pages.hpp"
#include "platform.hpp"
#include "sandbox/sandbox.hpp"
#include "support/guest_memory.hpp"

namespace ringside::test {

struct SandboxMachine final : memory::PageSource {
    static constexpr u64 kImage = 0xffff'ffff'c012'3000;  ///< two pages of root mode's
    static constexpr Gva kKernelPage{0xffff'8880'0000'5000};

    explicit SandboxMachine(u32 levels = 4, u64 encryption = 0) : guest{levels, encryption, 1024} {
        host_table = guest.take_page();
        memory::PageTable<memory::HostFormat> host{*this, guest.window(), host_table, levels};
        namespace page = x86::page;
        EXPECT_TRUE(host.map(kRootWindowBase + guest.kRamStart, 0x20'0000, Hpa{guest.kRamStart},
                             page::kWritable | page::kNoExecute, 1));
        EXPECT_TRUE(host.map(kImage, kPageSize, guest.take_page(), 0, 1));
        EXPECT_TRUE(host.map(kImage + kPageSize, kPageSize, guest.take_page(),
                             page::kWritable | page::kNoExecute, 1));
        guest.map(kKernelPage, kernel_page = guest.take_page(), kKernelData | page::kDirty);
        owned_map = guest.take_page();
        owned->adopt_map(Hpa{guest.kRamStart}, owned_map);
        const sandbox::SpaceSource source{.pages = *this,
                                          .window = guest.window(),
                                          .host_table = host_table,
                                          .levels = levels,
                                          .exit_page = exit_page = guest.take_page(),
                                          .kernel_cr3 = guest.paging().cr3};
        EXPECT_TRUE(core.space.build(source));
        EXPECT_TRUE(core.space.map_image(source, kImage, 2 * kPageSize));
    }

    u64 take_page() override { return guest.take_page().value(); }

    sandbox::FillSource fill_source() const {
        return {.window = guest.window(),
                .owned = owned.get(),
                .window_base = guest.window_base(),
                .live_cr3 = guest.paging().cr3};
    }
    /// What the processor would find in the sandbox's table.
    memory::Translation walk(u64 address) const {
        return memory::walk_guest_page(
            guest.window(), {core.space.table().value(), guest.paging().levels}, Gva{address});
    }
    void own(Hpa target) { owned->set(target, true, guest.window_base()); }
    bool fill(Gva address, bool is_write = false) {
        return core.space.fill(fill_source(), address, is_write, was_dropped);
    }

    GuestMemory guest;
    Hpa host_table, kernel_page, exit_page, owned_map;
    std::unique_ptr<memory::OwnedPages> owned = std::make_unique<memory::OwnedPages>();
    sandbox::Core core;
    bool was_dropped = false;
};

}  // namespace ringside::test
