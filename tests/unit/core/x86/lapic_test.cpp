// SPDX-License-Identifier: GPL-3.0-or-later
// The memory-mapped interface, on a page that is only memory: a command is never pending in it.
#include "x86/lapic.hpp"

#include <gtest/gtest.h>

#include <vector>

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

TEST(LocalApic, KnowsItsMode) {
    EXPECT_TRUE((LocalApic{true, 0}.is_x2apic()));
    EXPECT_FALSE(LocalApic{}.is_x2apic());
}

}  // namespace
}  // namespace ringside::x86
