// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/names.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "language/fold.hpp"
#include "language/type.hpp"
#include "script/opcode_info.hpp"

namespace ringside::language {
namespace {

TEST(Names, FindsWhatTheLanguageBringsAlong) {
    EXPECT_EQ(find_register("r8d"), RS_REG_R8D);
    EXPECT_EQ(find_register("R8D"), std::nullopt) << "the language is case-sensitive";
    EXPECT_EQ(find_pseudo("core"), RS_PSEUDO_CORE);
    EXPECT_EQ(find_keyword("elsif"), TokenKind::kElsif);
    EXPECT_EQ(find_function("poi")->code, RS_OP_LOAD64);
    EXPECT_EQ(find_function("nothing"), nullptr);
    const auto names = all_names();
    for (const char* name : {"@rax", "$pid", "printf", "while"})
        EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
}

TEST(Names, FunctionsAgreeWithTheBuiltinTable) {
    for (const Function& function : functions())
        if (function.form == FunctionForm::kBuiltin) {
            EXPECT_EQ(std::string_view{function.arguments}.size(),
                      script::kBuiltins[function.code].arguments)
                << function.name;
        }
}

TEST(Names, SuggestsTheNearest) {
    const std::vector<std::string> names{"print", "printf", "poi"};
    EXPECT_EQ(nearest("pritn", names), "print");
    EXPECT_EQ(nearest("printff", names), "printf");
    EXPECT_EQ(nearest("xyz", names), std::nullopt);
    EXPECT_EQ(nearest("", names), std::nullopt);
}

TEST(Type, FollowsTheUsualConversions) {
    constexpr Type kChar{TypeKind::kInteger, 1, true};
    constexpr Type kShort{TypeKind::kInteger, 2, false};
    EXPECT_EQ(promote(kChar), kIntType);
    EXPECT_EQ(common_type(kChar, kShort), kIntType);
    EXPECT_EQ(common_type(kIntType, kUnsignedIntType), kUnsignedIntType);
    EXPECT_EQ(common_type(kUnsignedIntType, kLongType), kLongType);
    EXPECT_EQ(common_type(kLongType, kUnsignedLongType), kUnsignedLongType);
    EXPECT_EQ(convert_constant(0x1ff, kChar), ~u64{0});
    EXPECT_EQ(convert_constant(~u64{0}, kUnsignedIntType), 0xffff'ffffu);
    EXPECT_EQ(convert_constant(5, kBoolType), 1u);
    EXPECT_TRUE(holds_all_of(kIntType, kShort));
    EXPECT_FALSE(holds_all_of(kUnsignedIntType, kChar));
    EXPECT_EQ(type_name(kShort), "unsigned short");
}

TEST(Fold, FollowsTheTypes) {
    const u64 minus = ~u64{0};
    EXPECT_EQ(fold_binary(TokenKind::kLess, minus, 0, kLongType).value, 1u);
    EXPECT_EQ(fold_binary(TokenKind::kLess, minus, 0, kUnsignedLongType).value, 0u);
    EXPECT_EQ(fold_binary(TokenKind::kPlus, 0x7fff'ffff, 1, kIntType).value,
              0xffff'ffff'8000'0000u);
    EXPECT_EQ(fold_binary(TokenKind::kSlash, 1, 0, kLongType).error, FoldError::kDivisionByZero);
    EXPECT_EQ(fold_binary(TokenKind::kSlash, 0xffff'ffff'8000'0000, minus, kIntType).error,
              FoldError::kDivisionOverflow);
    EXPECT_EQ(fold_binary(TokenKind::kShiftLeft, 1, 32, kIntType).error, FoldError::kShiftCount);
    EXPECT_EQ(fold_unary(TokenKind::kTilde, 0, kUnsignedIntType), 0xffff'ffffu);
    EXPECT_EQ(fold_unary(TokenKind::kBang, 0, kIntType), 1u);
    EXPECT_TRUE(is_comparison(TokenKind::kGreaterEqual));
    EXPECT_FALSE(is_comparison(TokenKind::kAssign));
}

}  // namespace
}  // namespace ringside::language
