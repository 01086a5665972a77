// SPDX-License-Identifier: GPL-3.0-or-later
#include "script/globals.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "script/effects.hpp"
#include "script/verifier.hpp"
#include "support/program_builder.hpp"

namespace ringside::script {
namespace {

std::span<const char> chars(const std::string& text) {
    return {text.data(), text.size()};
}

TEST(GlobalTable, KeepsTheSlotOfAName) {
    const auto table = std::make_unique<GlobalTable>();
    EXPECT_EQ(*table->find_or_add(chars("first")), 0u);
    EXPECT_EQ(*table->find_or_add(chars("second")), 1u);
    EXPECT_EQ(*table->find_or_add(chars("first")), 0u);
    EXPECT_EQ(table->find(chars("second")), 1u);
    EXPECT_EQ(table->find(chars("sec")), GlobalTable::kNotFound);
    EXPECT_EQ(table->count(), 2u);
    EXPECT_EQ(std::string(table->name(1).begin(), table->name(1).end()), "second");
    table->clear();
    EXPECT_EQ(table->find(chars("first")), GlobalTable::kNotFound);
}

TEST(GlobalTable, RefusesMoreThanItsCapacity) {
    const auto table = std::make_unique<GlobalTable>();
    for (u32 i = 0; i < GlobalTable::kCapacity; ++i)
        ASSERT_TRUE(table->find_or_add(chars("g" + std::to_string(i))));
    const auto refused = table->find_or_add(chars("one_more"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, RS_ERR_TOO_MANY_GLOBALS);
    EXPECT_TRUE(table->find_or_add(chars("g17")));
    EXPECT_FALSE(table->has_room(1, 1));
    EXPECT_TRUE(table->has_room(0, 0));
}

TEST(GlobalTable, RefusesNamesBeyondItsMemory) {
    const auto table = std::make_unique<GlobalTable>();
    u32 count = 0;
    while (table->find_or_add(chars(std::string(120, 'x') + std::to_string(1000 + count))))
        ++count;
    EXPECT_EQ(count, GlobalTable::kNameBytes / 124);
    EXPECT_FALSE(table->find_or_add(chars(std::string(129, 'y'))));
}

TEST(Link, GivesGlobalsTheirSlots) {
    const auto table = std::make_unique<GlobalTable>();
    ASSERT_TRUE(table->find_or_add(chars("other")));
    test::ProgramBuilder builder;
    const u32 hits = builder.global("hits");
    const u32 other = builder.global("other");
    builder.op(RS_OP_LOAD_GLOBAL, 0, other)
        .op(RS_OP_STORE_GLOBAL, hits, 0)
        .op(RS_OP_ADDRESS_GLOBAL, 1, hits)
        .op(RS_OP_RETURN);
    std::vector<u8> image = builder.build();
    ASSERT_TRUE(verify(image, {}));
    ASSERT_TRUE(link(image, *table));
    const ProgramView program{image.data()};
    EXPECT_TRUE(program.is_linked());
    EXPECT_EQ(program.code()[0].b, 0u) << "other";
    EXPECT_EQ(program.code()[1].a, 1u) << "hits";
    EXPECT_EQ(program.code()[2].b, 1u);
    EXPECT_EQ(verify(image, {}).rule, Rule::kBadFlags) << "a linked image does not come in again";
}

TEST(Link, ChangesNothingWhenThereIsNoRoom) {
    const auto table = std::make_unique<GlobalTable>();
    for (u32 i = 0; i + 1 < GlobalTable::kCapacity; ++i)
        ASSERT_TRUE(table->find_or_add(chars("g" + std::to_string(i))));
    test::ProgramBuilder builder;
    builder.global("new_one");
    builder.global("new_two");
    builder.op(RS_OP_GLOBAL_ADD_I, 1, 1).op(RS_OP_RETURN);
    std::vector<u8> image = builder.build();
    const std::vector<u8> before = image;
    ASSERT_TRUE(verify(image, {}));
    const auto refused = link(image, *table);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, RS_ERR_TOO_MANY_GLOBALS);
    EXPECT_EQ(image, before);
    EXPECT_EQ(table->find(chars("new_one")), GlobalTable::kNotFound);
}

TEST(Effects, TellStoresFromReads) {
    EXPECT_TRUE(has_effect({RS_OP_STORE_GLOBAL, 0, 0, 0}));
    EXPECT_TRUE(has_effect({RS_OP_PRINTF, 0, 0, 0}));
    EXPECT_TRUE(has_effect({RS_OP_CALL_BUILTIN, 0, 0, RS_BUILTIN_EVENT_SC}));
    EXPECT_FALSE(has_effect({RS_OP_CALL_BUILTIN, 0, 0, RS_BUILTIN_STRCMP}));
    EXPECT_FALSE(has_effect({RS_OP_ADD, 0, 0, 0}));
}

}  // namespace
}  // namespace ringside::script
