// SPDX-License-Identifier: GPL-3.0-or-later
#include "script/vm.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "script/globals.hpp"
#include "script/verifier.hpp"
#include "support/program_builder.hpp"
#include "support/script_guest.hpp"

namespace ringside::script {
namespace {

using test::ProgramBuilder;

constexpr u64 kSmallest = 0x8000'0000'0000'0000;

class Vm : public testing::Test {
protected:
    /// Verifies, links and runs.
    RunResult run(const ProgramBuilder& builder) {
        image_ = builder.build();
        const VerifyResult verdict = verify(image_, {});
        EXPECT_TRUE(verdict) << rule_text(verdict.rule);
        EXPECT_TRUE(link(image_, *table_));
        return run_again();
    }
    RunResult run_again() {
        return script::run(ProgramView{image_.data()}, *frame_, context_, guest_, hooks_,
                           {slots_.data(), table_->count()});
    }
    u64 global(u32 slot) const { return slots_[slot]; }
    u64 r(u32 index) const { return frame_->registers[index]; }
    /// r2 after `op r2, r0, r1`.
    u64 binary(rs_script_opcode op, u64 left, u64 right) {
        const RunResult result =
            run(ProgramBuilder{}.load(0, left).load(1, right).op(op, 2, 0, 1).op(RS_OP_RETURN));
        EXPECT_EQ(result.error, RS_SCRIPT_OK);
        return r(2);
    }
    rs_script_error error_of(rs_script_opcode op, u64 left, u64 right) {
        const RunResult result =
            run(ProgramBuilder{}.load(0, left).load(1, right).op(op, 2, 0, 1).op(RS_OP_RETURN));
        EXPECT_EQ(result.pc, 2u);
        return result.error;
    }
    u64 unary(rs_script_opcode op, u64 value) {
        run(ProgramBuilder{}.load(0, value).op(op, 2, 0).op(RS_OP_RETURN));
        return r(2);
    }
    /// Whether `op r0, r1, target` jumps.
    bool jumps(rs_script_opcode op, u64 left, u64 right) {
        run(ProgramBuilder{}
                .load(0, left)
                .load(1, right)
                .op(op, 0, 1, 4)
                .op(RS_OP_RETURN)
                .set(2, 1)
                .op(RS_OP_RETURN));
        return r(2) == 1;
    }
    bool jumps_immediate(rs_script_opcode op, u64 left, s16 right) {
        run(ProgramBuilder{}
                .load(0, left)
                .op(op, 0, static_cast<u16>(right), 3)
                .op(RS_OP_RETURN)
                .set(2, 1)
                .op(RS_OP_RETURN));
        return r(2) == 1;
    }
    ProgramBuilder endless() { return ProgramBuilder{}.op(RS_OP_ADD_I, 0, 0, 1).op(RS_OP_JUMP, 0); }

    std::unique_ptr<GlobalTable> table_ = std::make_unique<GlobalTable>();
    std::vector<u64> slots_ = std::vector<u64>(RS_SCRIPT_MAX_GLOBALS);
    std::unique_ptr<Frame> frame_ = std::make_unique<Frame>();
    std::vector<u8> image_;
    RunContext context_;
    test::ScriptGuest guest_;
    test::RecordingHooks hooks_;
};

TEST_F(Vm, ComputesIn64Bits) {
    EXPECT_EQ(binary(RS_OP_ADD, ~u64{0}, 2), 1u);
    EXPECT_EQ(binary(RS_OP_SUB, 1, 2), ~u64{0});
    EXPECT_EQ(binary(RS_OP_MUL, 1u << 20, u64{1} << 50), u64{1} << 50 << 20);
    EXPECT_EQ(binary(RS_OP_AND, 0xf0, 0x3c), 0x30u);
    EXPECT_EQ(binary(RS_OP_OR, 0xf0, 0x0c), 0xfcu);
    EXPECT_EQ(binary(RS_OP_XOR, 0xf0, 0x3c), 0xccu);
    EXPECT_EQ(binary(RS_OP_DIV_U, ~u64{0}, 2), ~u64{0} >> 1);
    EXPECT_EQ(binary(RS_OP_DIV_S, static_cast<u64>(-7), 2), static_cast<u64>(-3));
    EXPECT_EQ(binary(RS_OP_MOD_S, static_cast<u64>(-7), 2), static_cast<u64>(-1));
    EXPECT_EQ(binary(RS_OP_MOD_U, 17, 5), 2u);
    EXPECT_EQ(binary(RS_OP_SHL, 1, 63), kSmallest);
    EXPECT_EQ(binary(RS_OP_SHR, kSmallest, 63), 1u);
    EXPECT_EQ(binary(RS_OP_SAR, kSmallest, 63), ~u64{0});
}

TEST_F(Vm, WrapsAndExtendsIn32Bits) {
    constexpr u64 kMinus1 = ~u64{0};
    EXPECT_EQ(binary(RS_OP_ADD_S32, 0x7fff'ffff, 1), 0xffff'ffff'8000'0000u);
    EXPECT_EQ(binary(RS_OP_ADD_U32, 0xffff'ffff, 1), 0u);
    EXPECT_EQ(binary(RS_OP_SUB_S32, 0, 1), kMinus1);
    EXPECT_EQ(binary(RS_OP_SUB_U32, 0, 1), 0xffff'ffffu);
    EXPECT_EQ(binary(RS_OP_MUL_S32, 0x10000, 0x8000), 0xffff'ffff'8000'0000u);
    EXPECT_EQ(binary(RS_OP_MUL_U32, 0x10000, 0x10001), 0x10000u);
    EXPECT_EQ(binary(RS_OP_DIV_S32, static_cast<u64>(-9), 2), static_cast<u64>(-4));
    EXPECT_EQ(binary(RS_OP_MOD_S32, static_cast<u64>(-9), 2), kMinus1);
    EXPECT_EQ(binary(RS_OP_SHL_S32, 1, 31), 0xffff'ffff'8000'0000u);
    EXPECT_EQ(binary(RS_OP_SHL_U32, 3, 31), 0x8000'0000u);
    EXPECT_EQ(binary(RS_OP_SAR_S32, static_cast<u64>(-8), 1), static_cast<u64>(-4));
    EXPECT_EQ(binary(RS_OP_SHR_U32, 0x8000'0000, 31), 1u);
}

TEST_F(Vm, StopsAtWrongOperands) {
    EXPECT_EQ(error_of(RS_OP_DIV_U, 5, 0), RS_SCRIPT_DIVISION_BY_ZERO);
    EXPECT_EQ(error_of(RS_OP_MOD_U, 5, 0), RS_SCRIPT_DIVISION_BY_ZERO);
    EXPECT_EQ(error_of(RS_OP_DIV_S, 5, 0), RS_SCRIPT_DIVISION_BY_ZERO);
    EXPECT_EQ(error_of(RS_OP_DIV_S, kSmallest, ~u64{0}), RS_SCRIPT_DIVISION_OVERFLOW);
    EXPECT_EQ(error_of(RS_OP_MOD_S, kSmallest, ~u64{0}), RS_SCRIPT_DIVISION_OVERFLOW);
    EXPECT_EQ(error_of(RS_OP_DIV_S32, 0xffff'ffff'8000'0000, ~u64{0}), RS_SCRIPT_DIVISION_OVERFLOW);
    EXPECT_EQ(error_of(RS_OP_SHL, 1, 64), RS_SCRIPT_SHIFT_COUNT);
    EXPECT_EQ(error_of(RS_OP_SHR, 1, ~u64{0}), RS_SCRIPT_SHIFT_COUNT);
    EXPECT_EQ(error_of(RS_OP_SHL_S32, 1, 32), RS_SCRIPT_SHIFT_COUNT);
}

TEST_F(Vm, HasImmediateForms) {
    const auto immediate = [this](rs_script_opcode op, u64 left, s32 right) {
        run(ProgramBuilder{}.load(0, left).op(op, 2, 0, static_cast<u16>(right)).op(RS_OP_RETURN));
        return r(2);
    };
    EXPECT_EQ(immediate(RS_OP_ADD_I, 5, -7), static_cast<u64>(-2));
    EXPECT_EQ(immediate(RS_OP_MUL_I, 5, -7), static_cast<u64>(-35));
    EXPECT_EQ(immediate(RS_OP_AND_I, 0x1234, -16), 0x1230u);
    EXPECT_EQ(immediate(RS_OP_OR_I, 1, 6), 7u);
    EXPECT_EQ(immediate(RS_OP_XOR_I, 0, -1), ~u64{0});
    EXPECT_EQ(immediate(RS_OP_SHL_I, 1, 63), kSmallest);
    EXPECT_EQ(immediate(RS_OP_SHR_I, kSmallest, 62), 2u);
    EXPECT_EQ(immediate(RS_OP_SAR_I, kSmallest, 62), static_cast<u64>(-2));
    EXPECT_EQ(immediate(RS_OP_EQ_I, static_cast<u64>(-2), -2), 1u);
    EXPECT_EQ(immediate(RS_OP_NE_I, 2, -2), 1u);
}

TEST_F(Vm, ConvertsWidths) {
    constexpr u64 kBits = 0x1234'5678'89ab'cdef;
    EXPECT_EQ(unary(RS_OP_SEXT8, kBits), static_cast<u64>(-0x11));
    EXPECT_EQ(unary(RS_OP_SEXT16, kBits), 0xffff'ffff'ffff'cdefu);
    EXPECT_EQ(unary(RS_OP_SEXT32, kBits), 0xffff'ffff'89ab'cdefu);
    EXPECT_EQ(unary(RS_OP_ZEXT8, kBits), 0xefu);
    EXPECT_EQ(unary(RS_OP_ZEXT16, kBits), 0xcdefu);
    EXPECT_EQ(unary(RS_OP_ZEXT32, kBits), 0x89ab'cdefu);
    EXPECT_EQ(unary(RS_OP_BOOL, kBits), 1u);
    EXPECT_EQ(unary(RS_OP_NEG, 5), static_cast<u64>(-5));
    EXPECT_EQ(unary(RS_OP_NOT, 5), ~u64{5});
    EXPECT_EQ(unary(RS_OP_MOVE, 5), 5u);
}

TEST_F(Vm, ComparesSignedAndUnsigned) {
    constexpr u64 kMinus1 = ~u64{0};
    EXPECT_EQ(binary(RS_OP_LT_S, kMinus1, 0), 1u);
    EXPECT_EQ(binary(RS_OP_LT_U, kMinus1, 0), 0u);
    EXPECT_EQ(binary(RS_OP_LE_S, 3, 3), 1u);
    EXPECT_EQ(binary(RS_OP_LE_U, 4, 3), 0u);
    EXPECT_EQ(binary(RS_OP_EQ, 3, 3), 1u);
    EXPECT_EQ(binary(RS_OP_NE, 3, 3), 0u);
    EXPECT_TRUE(jumps(RS_OP_JLT_S, kMinus1, 0));
    EXPECT_FALSE(jumps(RS_OP_JLT_U, kMinus1, 0));
    EXPECT_TRUE(jumps(RS_OP_JLE_S, kMinus1, kMinus1));
    EXPECT_TRUE(jumps(RS_OP_JLE_U, 3, 3));
    EXPECT_TRUE(jumps(RS_OP_JEQ, 3, 3));
    EXPECT_FALSE(jumps(RS_OP_JNE, 3, 3));
    EXPECT_TRUE(jumps_immediate(RS_OP_JEQ_I, kMinus1, -1));
    EXPECT_TRUE(jumps_immediate(RS_OP_JNE_I, 5, -1));
    EXPECT_TRUE(jumps_immediate(RS_OP_JLT_SI, kMinus1, 0));
    EXPECT_FALSE(jumps_immediate(RS_OP_JLT_UI, kMinus1, 0));
    EXPECT_TRUE(jumps_immediate(RS_OP_JGE_SI, 0, -1));
    EXPECT_FALSE(jumps_immediate(RS_OP_JGE_UI, 0, -1));
}

TEST_F(Vm, JumpsOnZero) {
    for (const u64 value : {u64{0}, u64{1}}) {
        run(ProgramBuilder{}
                .load(0, value)
                .op(RS_OP_JZ, 0, 3)
                .set(2, 1)
                .op(RS_OP_JNZ, 0, 5)
                .set(3, 1)
                .op(RS_OP_RETURN));
        EXPECT_EQ(r(2), value);
        EXPECT_EQ(r(3), 1 - value);
    }
}

TEST_F(Vm, ZeroesItsRegistersAtEachRun) {
    const auto program = ProgramBuilder{}.op(RS_OP_ADD_I, 0, 0, 5).op(RS_OP_RETURN);
    run(program);
    run_again();
    EXPECT_EQ(r(0), 5u);
}

TEST_F(Vm, KeepsGlobalsBetweenRuns) {
    ProgramBuilder builder;
    const u32 g = builder.global("g");
    builder.op(RS_OP_GLOBAL_ADD_I, g, 3)
        .op(RS_OP_LOAD_GLOBAL, 0, g)
        .op(RS_OP_GLOBAL_ADD, g, 0)
        .op(RS_OP_RETURN);
    run(builder);
    EXPECT_EQ(global(0), 6u);
    run_again();
    EXPECT_EQ(global(0), 18u);
    ProgramBuilder bits;
    const u32 same = bits.global("g");
    run(bits.set(0, 0x16)
            .op(RS_OP_STORE_GLOBAL, same, 0)
            .set(0, 0x1c)
            .op(RS_OP_GLOBAL_AND, same, 0)
            .set(0, 0x61)
            .op(RS_OP_GLOBAL_OR, same, 0)
            .set(0, 0x0f)
            .op(RS_OP_GLOBAL_XOR, same, 0)
            .op(RS_OP_RETURN));
    EXPECT_EQ(global(0), ((0x16u & 0x1c) | 0x61) ^ 0x0f);
}

TEST_F(Vm, EndsAtTheBudgetExactly) {
    context_.budget = 1000;
    const RunResult result = run(endless());
    EXPECT_EQ(result.error, RS_SCRIPT_BUDGET);
    EXPECT_EQ(result.operations, 1002u) << "noticed at the first backward jump beyond";
    context_.budget = 1'000'000;
    EXPECT_EQ(run_again().error, RS_SCRIPT_BUDGET);
}

TEST_F(Vm, CountsInstructionsThatRan) {
    // Ten rounds of three instructions, and two around them.
    const RunResult result = run(ProgramBuilder{}
                                     .set(0, 10)
                                     .op(RS_OP_ADD_I, 1, 1, 2)
                                     .op(RS_OP_ADD_I, 0, 0, 0xffff)
                                     .op(RS_OP_JNZ, 0, 1)
                                     .op(RS_OP_RETURN));
    EXPECT_EQ(result.operations, 32u);
    EXPECT_EQ(r(1), 20u);
}

TEST_F(Vm, EndsAtItsDeadline) {
    context_.deadline_tsc = 5;  // the clock moves by one each time it is looked at
    context_.budget = 1'000'000;
    const RunResult result = run(endless());
    EXPECT_EQ(result.error, RS_SCRIPT_TIME);
    EXPECT_LT(result.operations, 20'000u);
}

TEST_F(Vm, EndsOnRequest) {
    volatile u32 stop = 1;
    context_.stop = &stop;
    const RunResult result = run(endless());
    EXPECT_EQ(result.error, RS_SCRIPT_STOPPED);
    EXPECT_EQ(result.operations, 2u);
}

TEST_F(Vm, RunsLinkedProgramsOnly) {
    image_ = ProgramBuilder{}.op(RS_OP_RETURN).build();
    EXPECT_EQ(run_again().error, RS_SCRIPT_BAD_PROGRAM);
}

TEST_F(Vm, ReportsPlaceAndValueOfAnError) {
    const RunResult result =
        run(ProgramBuilder{}.set(0, 0x1234).op(RS_OP_LOAD64, 1, 0).op(RS_OP_RETURN));
    EXPECT_EQ(result.error, RS_SCRIPT_INVALID_ADDRESS);
    EXPECT_EQ(result.pc, 1u);
    EXPECT_EQ(result.value, 0x1234u);
    EXPECT_STREQ(error_text(result.error), "invalid address");
    EXPECT_STREQ(error_text(RS_SCRIPT_OK), "");
}

TEST_F(Vm, ReadsAndWritesGuestMemory) {
    guest_.map(0x10000, std::vector<u8>{1, 2, 3, 4, 5, 6, 7, 8});
    run(ProgramBuilder{}
            .set(0, 0x10000)
            .op(RS_OP_LOAD8, 1, 0)
            .op(RS_OP_LOAD16, 2, 0)
            .op(RS_OP_LOAD32, 3, 0)
            .op(RS_OP_LOAD64, 4, 0)
            .op(RS_OP_EDIT16, 5, 0, 4)
            .op(RS_OP_STORE64, 0, 5)
            .op(RS_OP_RETURN));
    EXPECT_EQ(r(1), 1u);
    EXPECT_EQ(r(2), 0x201u);
    EXPECT_EQ(r(3), 0x4030201u);
    EXPECT_EQ(r(4), 0x807060504030201u);
    EXPECT_EQ(r(5), 1u);
    EXPECT_EQ(guest_.area(0x10000)[0], 1u);
    EXPECT_EQ(guest_.area(0x10000)[7], 0u) << "the quad word store";
}

TEST_F(Vm, ReadsAndWritesPhysicalMemory) {
    guest_.physical_offset = 0x10000;
    guest_.map(0x10000, std::vector<u8>{1, 2, 3, 4, 5, 6, 7, 8});
    const RunResult result = run(ProgramBuilder{}
                                     .op(RS_OP_LOAD8_PA, 1, 0)
                                     .op(RS_OP_LOAD16_PA, 2, 0)
                                     .op(RS_OP_LOAD32_PA, 3, 0)
                                     .op(RS_OP_LOAD64_PA, 4, 0)
                                     .op(RS_OP_EDIT8_PA, 5, 0, 4)
                                     .op(RS_OP_EDIT16_PA, 5, 0, 3)
                                     .op(RS_OP_EDIT32_PA, 5, 0, 7)
                                     .op(RS_OP_EDIT64_PA, 5, 0, 7)
                                     .set(0, 0x7000'0000)
                                     .op(RS_OP_EDIT64_PA, 6, 0, 7)
                                     .op(RS_OP_LOAD64_PA, 7, 0)
                                     .op(RS_OP_RETURN));
    EXPECT_EQ(r(1), 1u);
    EXPECT_EQ(r(2), 0x201u);
    EXPECT_EQ(r(3), 0x4030201u);
    EXPECT_EQ(r(4), 0x807060504030201u);
    EXPECT_EQ(r(5), 1u);
    EXPECT_EQ(r(6), 0u);
    EXPECT_EQ(guest_.area(0x10000)[1], 0u);
    EXPECT_EQ(result.error, RS_SCRIPT_INVALID_ADDRESS);
}

TEST_F(Vm, GivesPseudoRegisters) {
    guest_.task = {{TaskValue::kPid, 1},       {TaskValue::kTid, 2},  {TaskValue::kTask, 3},
                   {TaskValue::kLeader, 4},    {TaskValue::kComm, 5}, {TaskValue::kMm, 6},
                   {TaskValue::kUserFsBase, 7}};
    guest_.registers[RS_FULL_RIP] = 8;
    guest_.core_number = 9;
    context_.buffer = 10;
    context_.context = 11;
    context_.event_id = 12;
    context_.stage = 1;
    context_.in_event = true;
    const std::pair<rs_script_pseudo, u64> kExpected[] = {
        {RS_PSEUDO_PID, 1},     {RS_PSEUDO_TID, 2},         {RS_PSEUDO_THREAD, 3},
        {RS_PSEUDO_PROC, 4},    {RS_PSEUDO_PNAME, 5},       {RS_PSEUDO_MM, 6},
        {RS_PSEUDO_TEB, 7},     {RS_PSEUDO_IP, 8},          {RS_PSEUDO_CORE, 9},
        {RS_PSEUDO_BUFFER, 10}, {RS_PSEUDO_CONTEXT, 11},    {RS_PSEUDO_EVENT_ID, 12},
        {RS_PSEUDO_PEB, 0},     {RS_PSEUDO_EVENT_STAGE, 1}, {RS_PSEUDO_EVENT_TAG, 0x100000c}};
    for (const auto& [pseudo, value] : kExpected) {
        run(ProgramBuilder{}.op(RS_OP_READ_PSEUDO, 0, pseudo).op(RS_OP_RETURN));
        EXPECT_EQ(r(0), value) << pseudo;
    }
}

TEST_F(Vm, StopsWhenARegisterIsRefused) {
    guest_.refuse_writes_of(RS_FULL_CR0);
    const RunResult result =
        run(ProgramBuilder{}.set(0, 5).op(RS_OP_WRITE_REGISTER, RS_REG_CR0, 0).op(RS_OP_RETURN));
    EXPECT_EQ(result.error, RS_SCRIPT_REGISTER_REFUSED);
    EXPECT_EQ(result.value, 5u);
}

}  // namespace
}  // namespace ringside::script
