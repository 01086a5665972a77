// SPDX-License-Identifier: GPL-2.0-or-later
// Stands where nothing can run user code yet: the code faults, and its event is disabled.
#pragma once

#include "event/code.hpp"

namespace ringside::monitor {

class NoCode final : public event::CodeRunner {
public:
    event::CodeResult run(const event::CodeCall&) override {
        return {.end = event::CodeEnd::kFault};
    }
};

}  // namespace ringside::monitor
