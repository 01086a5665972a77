// SPDX-License-Identifier: GPL-3.0-or-later
#include "script/machine_registers.hpp"

#include <gtest/gtest.h>

#include "support/script_guest.hpp"

namespace ringside::script {
namespace {

constexpr u64 kPattern = 0x1122'3344'5566'7788;

TEST(MachineRegisters, ReadParts) {
    test::ScriptGuest guest;
    guest.registers[RS_FULL_RAX] = kPattern;
    EXPECT_EQ(read_machine_register(guest, RS_REG_RAX), kPattern);
    EXPECT_EQ(read_machine_register(guest, RS_REG_EAX), 0x5566'7788u);
    EXPECT_EQ(read_machine_register(guest, RS_REG_AX), 0x7788u);
    EXPECT_EQ(read_machine_register(guest, RS_REG_AH), 0x77u);
    EXPECT_EQ(read_machine_register(guest, RS_REG_AL), 0x88u);
}

TEST(MachineRegisters, WritingAPartKeepsTheOtherBits) {
    test::ScriptGuest guest;
    guest.registers[RS_FULL_R9] = kPattern;
    EXPECT_TRUE(write_machine_register(guest, RS_REG_R9H, 0x1aa));
    EXPECT_EQ(guest.registers[RS_FULL_R9], 0x1122'3344'5566'aa88u);
    EXPECT_TRUE(write_machine_register(guest, RS_REG_R9D, 0));
    EXPECT_EQ(guest.registers[RS_FULL_R9], 0x1122'3344'0000'0000u);
}

TEST(MachineRegisters, AnyValueButZeroSetsAFlag) {
    test::ScriptGuest guest;
    EXPECT_TRUE(write_machine_register(guest, RS_REG_ZF, 8));
    EXPECT_TRUE(write_machine_register(guest, RS_REG_IOPL, 2));
    EXPECT_EQ(guest.registers[RS_FULL_RFLAGS], 0x2040u);
    EXPECT_EQ(read_machine_register(guest, RS_REG_ZF), 1u);
    EXPECT_EQ(read_machine_register(guest, RS_REG_IOPL), 2u);
    EXPECT_TRUE(write_machine_register(guest, RS_REG_ZF, 0));
    EXPECT_EQ(guest.registers[RS_FULL_RFLAGS], 0x2000u);
}

TEST(MachineRegisters, PassOnARefusal) {
    test::ScriptGuest guest;
    guest.refuse_writes_of(RS_FULL_CR4);
    EXPECT_FALSE(write_machine_register(guest, RS_REG_CR4, 1));
    EXPECT_FALSE(write_machine_register(guest, RS_REG_EFER, 1)) << "never writable";
}

TEST(MachineRegisters, TableStaysInsideOfItsRegisters) {
    for (const RegisterInfo& info : kRegisters) {
        EXPECT_LE(info.shift + info.width, 64) << info.name;
        EXPECT_LT(info.full, RS_FULL_REGISTER_COUNT) << info.name;
    }
}

}  // namespace
}  // namespace ringside::script
