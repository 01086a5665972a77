// SPDX-License-Identifier: GPL-3.0-or-later
#include "memory/owned_pages.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <vector>

namespace ringside::memory {
namespace {

constexpr u64 kChunk = 128ull << 20;

/// Maps are taken from a buffer whose first page is physical address 0x1000.
struct Owned {
    std::unique_ptr<OwnedPages> pages = std::make_unique<OwnedPages>();
    std::vector<u64> maps = std::vector<u64>(16 * 512);
    u64 base = reinterpret_cast<u64>(maps.data()) - 0x1000;
    u64 taken = 0;

    void mark(Hpa address, bool is_owned = true) {
        if (pages->needs_map(address))
            pages->adopt_map(address, Hpa{0x1000 + taken++ * kPageSize});
        pages->set(address, is_owned, base);
    }
    bool contains(u64 address) const { return pages->contains(Hpa{address}, base); }
};

TEST(OwnedPages, OwnsNothingAtFirst) {
    const Owned owned;
    EXPECT_FALSE(owned.contains(0));
    EXPECT_FALSE(owned.contains(kChunk * 100));
}

TEST(OwnedPages, OwnsWholePages) {
    Owned owned;
    owned.mark(Hpa{0x5000});
    EXPECT_FALSE(owned.contains(0x4fff));
    EXPECT_TRUE(owned.contains(0x5000));
    EXPECT_TRUE(owned.contains(0x5fff));
    EXPECT_FALSE(owned.contains(0x6000));
}

TEST(OwnedPages, GivesPagesBack) {
    Owned owned;
    owned.mark(Hpa{0x5000});
    owned.mark(Hpa{0x6000});
    owned.mark(Hpa{0x5000}, false);
    EXPECT_FALSE(owned.contains(0x5000));
    EXPECT_TRUE(owned.contains(0x6000));
}

TEST(OwnedPages, KeepsTheTwoSidesOfAChunkBoundaryApart) {
    Owned owned;
    owned.mark(Hpa{kChunk - kPageSize});
    EXPECT_TRUE(owned.contains(kChunk - 1));
    EXPECT_FALSE(owned.contains(kChunk));
    owned.mark(Hpa{kChunk});
    EXPECT_TRUE(owned.contains(kChunk));
    EXPECT_EQ(owned.taken, 2u);
}

TEST(OwnedPages, AsksForAMapOnceAChunk) {
    Owned owned;
    EXPECT_TRUE(owned.pages->needs_map(Hpa{0x5000}));
    owned.mark(Hpa{0x5000});
    EXPECT_FALSE(owned.pages->needs_map(Hpa{kChunk - 1}));
    EXPECT_TRUE(owned.pages->needs_map(Hpa{kChunk}));
    EXPECT_EQ(owned.pages->map_of(0), 0x1000u);
    EXPECT_EQ(owned.pages->map_of(1), 0u);
}

TEST(OwnedPages, CoversOneTebibyte) {
    constexpr u64 kEnd = 1ull << 40;
    Owned owned;
    EXPECT_TRUE(memory::OwnedPages::covers(Hpa{kEnd - 1}));
    EXPECT_FALSE(memory::OwnedPages::covers(Hpa{kEnd}));
    EXPECT_TRUE(owned.pages->needs_map(Hpa{kEnd - 1}));
    owned.mark(Hpa{kEnd - kPageSize});
    EXPECT_TRUE(owned.contains(kEnd - 1));
    EXPECT_FALSE(owned.contains(kEnd));
    EXPECT_FALSE(owned.pages->needs_map(Hpa{kEnd}));
    owned.pages->set(Hpa{kEnd}, true, owned.base);  // outside: nothing is touched
    EXPECT_FALSE(owned.contains(kEnd));
}

TEST(OwnedPages, SetsNothingInAChunkWithoutMap) {
    Owned owned;
    owned.pages->set(Hpa{0x5000}, true, owned.base);
    EXPECT_FALSE(owned.contains(0x5000));
}

RC_GTEST_PROP(OwnedPages, AgreesWithASetOfPages, ()) {
    Owned owned;
    std::set<u64> expected;
    const auto steps = *rc::gen::container<std::vector<std::pair<u32, bool>>>(
        rc::gen::pair(rc::gen::inRange<u32>(0, 8 * 32768), rc::gen::arbitrary<bool>()));
    for (const auto& [number, is_owned] : steps) {
        owned.mark(Hpa{u64{number} * kPageSize}, is_owned);
        is_owned ? (void)expected.insert(number) : (void)expected.erase(number);
        for (u32 near = number ? number - 1 : 0; near <= number + 1; ++near)
            RC_ASSERT(owned.contains(u64{near} * kPageSize + 7) == (expected.count(near) != 0));
    }
}

}  // namespace
}  // namespace ringside::memory
