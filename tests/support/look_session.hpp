// SPDX-License-Identifier: GPL-3.0-or-later
// A session with a machine to look at, for the tests of the commands that do.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "commands/session.hpp"
#include "support/engine_module.hpp"
#include "support/session_recorder.hpp"
#include "support/visible_machine.hpp"

namespace ringside::test {

class LookSession : public testing::Test {
protected:
    LookSession() {
        machine_.symbols = {
            {0xffff'ffff'8100'0000, "vmlinux!schedule", 0x40},
            {0xffff'ffff'8100'0040, "vmlinux!default_idle", 0x20},
            {0xffff'ffff'82a0'6c00, "vmlinux!jiffies", 0x8, 'D'},
            {0xffff'ffff'c000'1000, "nvme!nvme_irq", 0x100, 't'},
        };
    }

    /// Runs a command that must succeed and returns what it printed.
    std::string run(std::string_view command) {
        recorder_.printed.clear();
        recorder_.told.clear();
        EXPECT_EQ(session_.execute(command), commands::Outcome::kOk)
            << command << ": " << recorder_.told;
        return recorder_.printed;
    }
    /// Runs a command that must fail and returns what was told; what it printed before stays in
    /// the recorder.
    std::string fail(std::string_view command) {
        recorder_.printed.clear();
        recorder_.told.clear();
        EXPECT_EQ(session_.execute(command), commands::Outcome::kFailed) << command;
        return recorder_.told;
    }

    void connect_and_load() {
        ASSERT_TRUE(session_.debuggee().connect_local(machine_.opener(module_.opener())).ok());
        run("load vmm");
    }
    void halt() {
        connect_and_load();
        session_.set_halted(true);
    }

    EngineModule module_;
    VisibleMachine machine_;
    transport::Loop loop_;
    Recorder recorder_;
    NoEnvironment environment_;
    commands::Session session_{loop_, recorder_, environment_};
};

}  // namespace ringside::test
