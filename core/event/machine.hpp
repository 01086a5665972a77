// SPDX-License-Identifier: GPL-2.0-or-later
// What registration asks about the machine.
#pragma once

#include "base/types.hpp"

namespace ringside::event {

/// Guest context only.
class Machine {
public:
    /// Whether the core is online and virtualized.
    virtual bool core_exists(u32 core) = 0;
    /// Whether a thread group has this id in the initial pid namespace; 0 (idle) always exists.
    virtual bool pid_exists(u32 pid) = 0;

protected:
    ~Machine() = default;
};

}  // namespace ringside::event
