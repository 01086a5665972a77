// SPDX-License-Identifier: GPL-3.0-or-later
#include "script/verifier.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "script/opcode_info.hpp"
#include "support/program_builder.hpp"

namespace ringside::script {
namespace {

using test::ProgramBuilder;

VerifyResult verdict(const ProgramBuilder& builder, const Limits& limits = {}) {
    return verify(builder.build(), limits);
}

/// An accepted image with its header changed by `change`.
template <class Change>
Rule rule_with_header(Change change) {
    ProgramBuilder builder;
    builder.string("text");
    builder.global("name");
    builder.constant(5);
    std::vector<u8> image = builder.op(RS_OP_RETURN).build();
    change(*reinterpret_cast<rs_script_image*>(image.data()));
    return verify(image, {}).rule;
}

TEST(Verifier, AcceptsAPlainProgram) {
    const VerifyResult result = verdict(ProgramBuilder{}.set(0, 5).op(RS_OP_RETURN));
    EXPECT_TRUE(result) << rule_text(result.rule);
}

TEST(Verifier, RefusesWrongHeaders) {
    using Image = rs_script_image;
    EXPECT_EQ(verify({}, {}).rule, Rule::kTooShort);
    EXPECT_EQ(rule_with_header([](Image& i) { ++i.magic; }), Rule::kBadMagic);
    EXPECT_EQ(rule_with_header([](Image& i) { ++i.version; }), Rule::kBadVersion);
    EXPECT_EQ(rule_with_header([](Image& i) { i.flags = RS_SCRIPTF_LINKED; }), Rule::kBadFlags);
    EXPECT_EQ(rule_with_header([](Image& i) { i.flags = 0x80; }), Rule::kBadFlags);
    EXPECT_EQ(rule_with_header([](Image& i) { ++i.total_len; }), Rule::kBadLength);
    EXPECT_EQ(rule_with_header([](Image& i) { i.reserved = 1; }), Rule::kBadReserved);
    EXPECT_EQ(rule_with_header([](Image& i) { i.code.offset = 4; }), Rule::kBadSection);
    EXPECT_EQ(rule_with_header([](Image& i) { i.code.offset += 4; }), Rule::kBadSection);
    EXPECT_EQ(rule_with_header([](Image& i) { i.code.count = ~0u; }), Rule::kBadSection);
    EXPECT_EQ(rule_with_header([](Image& i) { i.bytes.count += 8; }), Rule::kBadSection);
    EXPECT_EQ(rule_with_header([](Image& i) { i.constants.offset = ~7u; }), Rule::kBadSection);
    EXPECT_EQ(rule_with_header([](Image& i) { i.functions.count = 0; }), Rule::kBadFunction);
}

TEST(Verifier, RefusesSectionsOverTheCode) {
    // Linking rewrites the code: names that lie in it would change after they were checked.
    EXPECT_EQ(rule_with_header([](rs_script_image& i) { i.globals.offset = i.code.offset; }),
              Rule::kBadSection);
    EXPECT_EQ(rule_with_header([](rs_script_image& i) { i.bytes = i.code; }), Rule::kBadSection);
}

TEST(Verifier, RefusesWrongNamesAndStrings) {
    ProgramBuilder bad_name;
    bad_name.global("1st");
    EXPECT_EQ(verdict(bad_name.op(RS_OP_RETURN)).rule, Rule::kBadName);
    ProgramBuilder empty_name;
    empty_name.global("");
    EXPECT_EQ(verdict(empty_name.op(RS_OP_RETURN)).rule, Rule::kBadName);
    ProgramBuilder unterminated;
    unterminated.string("text");
    std::vector<u8> image = unterminated.op(RS_OP_RETURN).build();
    const ProgramView program{image.data()};
    image[program.header().bytes.offset + 5] = 'x';
    EXPECT_EQ(verify(image, {}).rule, Rule::kBadString);
}

TEST(Verifier, RefusesProgramsWithoutEnd) {
    EXPECT_EQ(verdict(ProgramBuilder{}.set(0, 1)).rule, Rule::kFallsOffTheEnd);
    EXPECT_EQ(verdict(ProgramBuilder{}.op(RS_OP_JZ, 0, 0)).rule, Rule::kFallsOffTheEnd);
    EXPECT_TRUE(verdict(ProgramBuilder{}.op(RS_OP_JUMP, 0)));
    EXPECT_EQ(verdict(ProgramBuilder{}).rule, Rule::kBadFunction);
}

TEST(Verifier, NamesTheInstruction) {
    const VerifyResult result =
        verdict(ProgramBuilder{}.set(0, 1).op(RS_OP_ADD, 0, 1, 8).op(RS_OP_RETURN));
    EXPECT_EQ(result.rule, Rule::kBadRegister);
    EXPECT_EQ(result.instruction, 1u);
    EXPECT_STREQ(rule_text(result.rule), "virtual register out of range");
}

struct BadInstruction {
    rs_script_instruction instruction;
    Rule rule;
};

TEST(Verifier, RefusesEveryKindOfWrongOperand) {
    // The program has 8 virtual registers, 1 constant, 1 string ("%d"), 1 global, 2 instructions.
    const BadInstruction kCases[] = {
        {{RS_OPCODE_COUNT, 0, 0, 0}, Rule::kUnknownOpcode},
        {{0xffff, 0, 0, 0}, Rule::kUnknownOpcode},
        {{RS_OP_RETURN, 1, 0, 0}, Rule::kUnusedOperand},
        {{RS_OP_NEG, 0, 0, 1}, Rule::kUnusedOperand},
        {{RS_OP_ADD, 8, 0, 0}, Rule::kBadRegister},
        {{RS_OP_ADD, 0, 0xffff, 0}, Rule::kBadRegister},
        {{RS_OP_JUMP, 2, 0, 0}, Rule::kBadTarget},
        {{RS_OP_JEQ, 0, 0, 0xffff}, Rule::kBadTarget},
        {{RS_OP_CONSTANT, 0, 1, 0}, Rule::kBadConstant},
        {{RS_OP_LOAD_GLOBAL, 0, 1, 0}, Rule::kBadGlobal},
        {{RS_OP_GLOBAL_ADD, 4096, 0, 0}, Rule::kBadGlobal},
        {{RS_OP_ADDRESS_STRING, 0, 1, 0}, Rule::kBadStringIndex},
        {{RS_OP_PRINTF, 0, 0, 0}, Rule::kBadFormat},
        {{RS_OP_PRINTF, 0, 2, 0}, Rule::kBadFormat},
        {{RS_OP_PRINTF, 8, 1, 0}, Rule::kBadRegister},
        {{RS_OP_READ_REGISTER, 0, RS_REGISTER_COUNT, 0}, Rule::kBadMachineRegister},
        {{RS_OP_WRITE_REGISTER, RS_REG_EFER, 0, 0}, Rule::kFixedRegister},
        {{RS_OP_READ_PSEUDO, 0, RS_PSEUDO_COUNT, 0}, Rule::kBadPseudoRegister},
        {{RS_OP_CALL, 0, 0, 0}, Rule::kBadCall},
        {{RS_OP_CALL, 0, 0, 1}, Rule::kBadCall},
        {{RS_OP_ATOMIC_ADD, 0, 0, 2}, Rule::kBadWidth},
        {{RS_OP_TRUNC_S, 0, 0, 65}, Rule::kBadWidth},
        {{RS_OP_TRUNC_U, 0, 0, 0}, Rule::kBadWidth},
        {{RS_OP_ELEMENTS, 0, 0, 0}, Rule::kBadWidth},
        {{RS_OP_ZERO, 4, 5, 0}, Rule::kBadRegister},
        {{RS_OP_CALL_BUILTIN, 0, 0, RS_BUILTIN_COUNT}, Rule::kBadBuiltin},
        {{RS_OP_CALL_BUILTIN, 0, 6, RS_BUILTIN_MEMCPY}, Rule::kBadRegister},
        {{RS_OP_CALL_BUILTIN, 8, 0, RS_BUILTIN_RDTSC}, Rule::kBadRegister},
        {{RS_OP_SHL_I, 0, 0, 64}, Rule::kBadShiftCount},
    };
    for (const BadInstruction& bad : kCases) {
        ProgramBuilder builder;
        builder.constant(1);
        builder.string("%d");
        builder.global("g");
        const auto& in = bad.instruction;
        const VerifyResult result = verdict(builder.op(in.op, in.a, in.b, in.c).op(RS_OP_RETURN));
        EXPECT_EQ(result.rule, bad.rule)
            << in.op << ' ' << in.a << ' ' << in.b << ' ' << in.c << ": " << rule_text(result.rule);
    }
}

TEST(Verifier, AllowsShortCircuitOnlyInEvents) {
    const auto program =
        ProgramBuilder{}.op(RS_OP_CALL_BUILTIN, 0, 0, RS_BUILTIN_EVENT_SC).op(RS_OP_RETURN);
    EXPECT_TRUE(verdict(program, {.in_event = true}));
    EXPECT_EQ(verdict(program, {.in_event = false}).rule, Rule::kNotInThisContext);
}

TEST(Verifier, HoldsConditionsToTheirPromise) {
    ProgramBuilder builder;
    const u32 slot = builder.global("g");
    std::vector<u8> image = builder.op(RS_OP_GLOBAL_ADD_I, slot, 1).op(RS_OP_RETURN).build();
    reinterpret_cast<rs_script_image*>(image.data())->flags = RS_SCRIPTF_CONDITION;
    EXPECT_EQ(verify(image, {}).rule, Rule::kNotACondition);
}

TEST(Verifier, BoundsItsOwnWork) {
    ProgramBuilder builder;
    const u32 format = builder.string(std::string(60000, 'x'));
    for (u32 i = 0; i < 100; ++i)
        builder.op(RS_OP_PRINTF, 0, 0, format);
    EXPECT_EQ(verdict(builder.op(RS_OP_RETURN)).rule, Rule::kTooLarge);
    EXPECT_EQ(verdict(ProgramBuilder{}.op(RS_OP_RETURN).registers(4097)).rule,
              Rule::kTooManyRegisters);
    EXPECT_EQ(verdict(ProgramBuilder{}.set(0, 1).op(RS_OP_RETURN), {.max_instructions = 1}).rule,
              Rule::kTooLarge);
}

TEST(Verifier, SurvivesRandomBytes) {
    std::mt19937_64 random{1};
    for (u32 round = 0; round < 20000; ++round) {
        std::vector<u8> image(random() % 512);
        for (u8& byte : image)
            byte = static_cast<u8>(random());
        if (image.size() >= sizeof(rs_script_image)) {
            auto& header = *reinterpret_cast<rs_script_image*>(image.data());
            header.magic = RS_SCRIPT_MAGIC;
            header.version = RS_SCRIPT_VERSION;
            header.flags = 0;
            header.total_len = static_cast<u32>(image.size());
        }
        verify(image, {});
    }
}

}  // namespace
}  // namespace ringside::script
