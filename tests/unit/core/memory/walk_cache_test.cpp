// SPDX-License-Identifier: GPL-3.0-or-later
#include "memory/walk_cache.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <memory>

#include "support/guest_memory.hpp"

namespace ringside::memory {
namespace {

using test::GuestMemory;

void expect_same(WalkCache& walks, GuestMemory& guest, Gva address) {
    const auto window = guest.window();
    const Translation walked = walk_guest_page(window, guest.paging(), address);
    const WalkCache::Page& found = walks.find(window, guest.paging(), address);
    ASSERT_EQ(found.translation.ok, walked.ok);
    if (!walked.ok)
        return;
    EXPECT_EQ(found.translation.address, walked.address.page());
    EXPECT_EQ(found.translation.writable, walked.writable);
    EXPECT_EQ(found.translation.user, walked.user);
    EXPECT_EQ(found.translation.leaf, walked.leaf);
    EXPECT_EQ(found.host, window.at(walked.address.page()));
    const bool is_dirty = (~*walked.leaf & (x86::page::kAccessed | x86::page::kDirty)) == 0;
    EXPECT_EQ(found.is_dirty, is_dirty);
}

TEST(WalkCache, FindsWhatAWalkFindsTheFirstAndTheSecondTime) {
    GuestMemory guest;
    guest.map(Gva{0xffff'8880'0000'1000});
    WalkCache walks{};
    for (int time = 0; time < 2; ++time)
        for (u64 offset : {0x0, 0x7, 0xfff})
            expect_same(walks, guest, Gva{0xffff'8880'0000'1000 + offset});
}

TEST(WalkCache, SeesAChangeAtEveryLevelAtOnce) {
    const Gva address{0xffff'8880'0000'1000};
    for (u32 level = 1; level <= 4; ++level) {
        GuestMemory guest;
        guest.map(address);
        WalkCache walks{};
        expect_same(walks, guest, address);
        guest.entry(address, level) &= ~x86::page::kWritable;
        expect_same(walks, guest, address);
        guest.entry(address, level) = 0;
        EXPECT_FALSE(walks.find(guest.window(), guest.paging(), address).translation.ok);
    }
}

TEST(WalkCache, FollowsAnotherTopLevelTableThatSharesTheTablesBelow) {
    GuestMemory guest;
    const Gva address{0xffff'8880'0000'1000};
    guest.map(address);
    const Hpa second = guest.take_page();
    auto* entries = reinterpret_cast<u64*>(guest.host(second));
    const u32 index = x86::page::index(address.value(), 4);
    entries[index] = guest.entry(address, 4);
    WalkCache walks{};
    const auto window = guest.window();
    const u8* first = walks.find(window, guest.paging(), address).host;
    PagingState other = guest.paging();
    other.cr3 = second.value();
    EXPECT_EQ(walks.find(window, other, address).host, first);
    entries[index] = 0;
    EXPECT_FALSE(walks.find(window, other, address).translation.ok);
    EXPECT_EQ(walks.find(window, guest.paging(), address).host, first);
    other.cr3 = 0xfee0'0000;  // no RAM
    EXPECT_FALSE(walks.find(window, other, address).translation.ok);
}

TEST(WalkCache, SeesTheDirtyBitAppear) {
    GuestMemory guest;
    const Gva address{0xffff'8880'0000'1000};
    guest.map(address);
    WalkCache walks{};
    expect_same(walks, guest, address);
    guest.entry(address, 1) |= x86::page::kAccessed | x86::page::kDirty;
    expect_same(walks, guest, address);
    EXPECT_TRUE(walks.find(guest.window(), guest.paging(), address).is_dirty);
}

TEST(WalkCache, KeepsNothingThatIsNoRam) {
    GuestMemory guest;
    guest.map(Gva{0x1000}, Hpa{0xfee0'0000}, test::kKernelData);
    WalkCache walks{};
    const WalkCache::Page& found = walks.find(guest.window(), guest.paging(), Gva{0x1000});
    EXPECT_TRUE(found.translation.ok);
    EXPECT_EQ(found.host, nullptr);
}

RC_GTEST_PROP(WalkCache, NeverDiffersFromAWalk, ()) {
    const u32 levels = *rc::gen::element(4u, 5u);
    GuestMemory guest{levels, 0, 4096};
    auto walks = std::make_unique<WalkCache>();
    const auto steps = *rc::gen::container<std::vector<u32>>(64, rc::gen::inRange(0u, 1u << 16));
    for (const u32 step : steps) {
        const Gva address{0xffff'8000'0000'0000 + u64{step & 7} * 0x20'1000};
        switch (step >> 3 & 3) {
            case 0:
                guest.map(address);
                break;
            case 1:
                guest.unmap(address);
                break;
            default:
                break;
        }
        const auto window = guest.window();
        const Translation walked = walk_guest_page(window, guest.paging(), address);
        const WalkCache::Page& found = walks->find(window, guest.paging(), address);
        RC_ASSERT(found.translation.ok == walked.ok);
        const bool same_page = !walked.ok || found.host == window.at(walked.address.page());
        RC_ASSERT(same_page);
    }
}

}  // namespace
}  // namespace ringside::memory
