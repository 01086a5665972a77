// SPDX-License-Identifier: GPL-3.0-or-later
// The guest of one core in tests of the event engine: counts what it is asked, and lets a test act
// whenever the clock is looked at.
#pragma once

#include <functional>

#include "support/script_guest.hpp"

namespace ringside::test {

class FakeGuest final : public ScriptGuest {
public:
    explicit FakeGuest(u32 core = 0, u64 pid = 1) {
        core_number = core;
        task[script::TaskValue::kPid] = pid;
    }

    u32 task_questions = 0;
    std::function<void()> on_tsc;

    u64 task_value(script::TaskValue which) override {
        ++task_questions;
        return ScriptGuest::task_value(which);
    }
    u64 tsc() override {
        if (on_tsc)
            on_tsc();
        return ScriptGuest::tsc();
    }
};

}  // namespace ringside::test
