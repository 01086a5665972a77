// SPDX-License-Identifier: GPL-3.0-or-later
// The processes the user works with ('.attach'): one of them may be the active one, to which event
// commands are limited by default (MOD-9). They go on running.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "base/types.hpp"

namespace ringside::commands {

struct AttachedProcess {
    u32 pid;
    std::string name;  ///< of its program, at most 15 bytes
    bool is_32bit;
    u64 start_ns;  ///< tells it from a later one of the same pid
};

class Processes {
public:
    /// In the order of '.attach'.
    const std::vector<AttachedProcess>& list() const { return list_; }
    /// Null if none is.
    const AttachedProcess* active() const { return find(active_); }
    const AttachedProcess* find(u32 pid) const {
        const auto found = std::ranges::find(list_, pid, &AttachedProcess::pid);
        return found == list_.end() ? nullptr : &*found;
    }

    /// Adds a process that is not there yet and makes it the active one.
    void attach(AttachedProcess process) {
        active_ = process.pid;
        list_.push_back(std::move(process));
    }
    /// One that is there.
    void activate(u32 pid) { active_ = pid; }
    /// Takes the active one out; none is active then.
    void detach() {
        std::erase_if(list_,
                      [this](const AttachedProcess& process) { return process.pid == active_; });
        active_ = kNone;
    }
    void clear() {
        list_.clear();
        active_ = kNone;
    }

private:
    static constexpr u32 kNone = ~u32{0};
    std::vector<AttachedProcess> list_;
    u32 active_ = kNone;
};

}  // namespace ringside::commands
