// SPDX-License-Identifier: GPL-3.0-or-later
#include "vcpu/emergency_log.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/fake_machine.hpp"
#include "support/fake_processor.hpp"

namespace ringside::vcpu {
namespace {

TEST(EmergencyLog, WritesWordsAndNumbersToThePort) {
    test::FakeProcessor processor;
    EmergencyLog log{true};
    log.text("rip ").hex(0xffff'ffff'8100'0000).text(" code ").hex(0).text(" ").hex(0x30a).end();
    EXPECT_EQ(processor.debug_port, "rip ffffffff81000000 code 0 30a\n");
}

TEST(EmergencyLog, TouchesNoPortThatIsNotThere) {
    test::FakeProcessor processor;
    char text[16] = {};
    EmergencyLog log{false, text, sizeof text};
    log.text("words").end();
    EXPECT_EQ(processor.debug_port, "");
    EXPECT_STREQ(text, "words\n");
}

TEST(EmergencyLog, CutsWhatHasNoRoomAndTerminatesIt) {
    std::vector<char> text(12, '#');
    EmergencyLog log{false, text.data(), 8};
    log.text("seven b").text("ytes fit").hex(0x123);
    EXPECT_STREQ(text.data(), "seven b");
    EXPECT_EQ(std::string(text.begin() + 8, text.end()), "####");
}

TEST(EmergencyLog, IsTerminatedAfterEveryByte) {
    std::vector<char> text(8, '#');
    EmergencyLog log{false, text.data(), text.size()};
    log.text("a");
    EXPECT_STREQ(text.data(), "a");
    log.text("b");
    EXPECT_STREQ(text.data(), "ab");
}

TEST(EmergencyLog, WritesNothingIntoNoMemory) {
    char text = '#';
    EmergencyLog log{false, &text, 0};
    log.text("words").end();
    EXPECT_EQ(text, '#');
}

TEST(LastingLog, IsOneCoresUntilItWasRead) {
    test::FakeMachine machine{2};
    LeaveReport& report = machine.machine->report;
    lasting_log(machine.vcpu(1)).text("core 1");
    lasting_log(machine.vcpu(0)).text("core 0");
    EXPECT_STREQ(report.text, "core 1");
    EXPECT_EQ(report.is_taken, 1u);

    report.is_taken = 0;  // as the kernel's side does when it has printed it
    lasting_log(machine.vcpu(0)).text("core 0");
    EXPECT_STREQ(report.text, "core 0");
}

TEST(LastingLog, GoesToThePortInAnyCase) {
    test::FakeProcessor processor;
    test::FakeMachine machine;
    machine.machine->emergency_log = 1;
    lasting_log(machine.vcpu()).text("first ");
    lasting_log(machine.vcpu()).text("second");
    EXPECT_EQ(processor.debug_port, "first second");
}

}  // namespace
}  // namespace ringside::vcpu
