// SPDX-License-Identifier: GPL-3.0-or-later
#include "event/reserve.hpp"

#include <gtest/gtest.h>

#include <random>

#include "base/address.hpp"

namespace ringside::event {
namespace {

struct ReserveTest : testing::Test {
    void SetUp() override {
        for (int i = 0; i < 3; ++i) {
            memory.push_back(std::make_unique<u8[]>(Reserve::kChunkBytes));
            std::memset(memory.back().get(), 0xee, Reserve::kChunkBytes);
            ASSERT_TRUE(reserve->add_chunk(memory.back().get()));
        }
    }
    std::vector<std::unique_ptr<u8[]>> memory;
    std::unique_ptr<Reserve> reserve = std::make_unique<Reserve>();
};

TEST_F(ReserveTest, PiecesAreZeroedAndApart) {
    auto* const first = static_cast<u8*>(reserve->allocate(1));
    auto* const second = static_cast<u8*>(reserve->allocate(kPageSize + 1));
    ASSERT_TRUE(first && second);
    EXPECT_TRUE(std::all_of(second, second + 2 * kPageSize, [](u8 byte) { return byte == 0; }));
    EXPECT_GE(second - first, static_cast<std::ptrdiff_t>(kPageSize));
    EXPECT_EQ(reserve->free_bytes(), reserve->total_bytes() - 3 * kPageSize);
}

TEST_F(ReserveTest, NothingIsGivenBeyondAChunkOrOnceAllIsTaken) {
    EXPECT_EQ(reserve->allocate(0), nullptr);
    EXPECT_EQ(reserve->allocate(Reserve::kChunkBytes + 1), nullptr);
    for (int i = 0; i < 3; ++i)
        EXPECT_NE(reserve->allocate(Reserve::kChunkBytes), nullptr);
    EXPECT_EQ(reserve->allocate(1), nullptr);
    EXPECT_EQ(reserve->free_bytes(), 0u);
}

TEST_F(ReserveTest, KnowsItsOwn) {
    u8 stranger = 0;
    EXPECT_FALSE(reserve->contains(&stranger));
    EXPECT_TRUE(reserve->contains(memory[2].get() + Reserve::kChunkBytes - 1));
}

TEST_F(ReserveTest, PiecesTakenAndGivenBackAtRandomNeverOverlap) {
    std::mt19937 random{7};
    struct Piece {
        u8* at;
        usize bytes;
        u8 mark;
    };
    std::vector<Piece> pieces;
    for (int step = 0; step < 4000; ++step) {
        if (random() % 3 != 0 || pieces.empty()) {
            const usize bytes = 1 + random() % (random() % 8 == 0 ? 200'000 : 20'000);
            auto* const at = static_cast<u8*>(reserve->allocate(bytes));
            if (at == nullptr)
                continue;
            const auto mark = static_cast<u8>(1 + random() % 255);
            std::memset(at, mark, bytes);
            pieces.push_back({at, bytes, mark});
        } else {
            const usize which = random() % pieces.size();
            const Piece piece = pieces[which];
            EXPECT_TRUE(std::all_of(piece.at, piece.at + piece.bytes,
                                    [&](u8 byte) { return byte == piece.mark; }));
            reserve->release(piece.at, piece.bytes);
            pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(which));
        }
    }
    for (const Piece& piece : pieces)
        reserve->release(piece.at, piece.bytes);
    EXPECT_EQ(reserve->free_bytes(), reserve->total_bytes());
}

}  // namespace
}  // namespace ringside::event
