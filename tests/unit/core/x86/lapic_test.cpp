// SPDX-License-Identifier: GPL-3.0-or-later
// Both interfaces: a page that is only memory, in which no command is ever pending, and MSRs.
#include "x86/lapic.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "support/fake_processor.hpp"

namespace ringside::x86 {
namespace {

TEST(LocalApic, SendsAnNmiAndPutsTheGuestsDestinationBack) {
    std::vector<u32> registers(1024);
    const LocalApic apic{false, reinterpret_cast<u64>(registers.data())};
    registers[0x310 / 4] = 0x0300'0000;  // the guest has chosen CPU 3

    apic.send_nmi(5);

    EXPECT_EQ(registers[0x310 / 4], 0x0300'0000u);
    EXPECT_EQ(registers[0x300 / 4], 0x4400u);  // NMI, level assert, physical, to ICR's destination
}

TEST(LocalApic, RaisesAVectorOnItsOwnProcessorAndEndsIt) {
    std::vector<u32> registers(1024);
    const LocalApic apic{false, reinterpret_cast<u64>(registers.data())};
    apic.send_to_self(5, 0x31);
    EXPECT_EQ(registers[0x300 / 4], 0x4031u);
    registers[0xb0 / 4] = 7;
    apic.end_of_interrupt();
    EXPECT_EQ(registers[0xb0 / 4], 0u);
}

TEST(LocalApic, UsesMsrsInX2apicMode) {
    test::FakeProcessor processor;
    processor.msrs = {{0x830, 0}, {0x80b, 7}};
    const LocalApic apic{true, 0};
    apic.send_nmi(0x123);
    EXPECT_EQ(processor.msrs[0x830], 0x123'0000'4400u);  // 32 bits of destination
    apic.send_to_self(5, 0x31);
    EXPECT_EQ(processor.msrs[0x830], 0x5'0000'4031u);
    apic.end_of_interrupt();
    EXPECT_EQ(processor.msrs[0x80b], 0u);  // any other value raises #GP
}

TEST(LocalApic, KnowsItsMode) {
    EXPECT_TRUE((LocalApic{true, 0}.is_x2apic()));
    EXPECT_FALSE(LocalApic{}.is_x2apic());
}

}  // namespace
}  // namespace ringside::x86
