// SPDX-License-Identifier: GPL-3.0-or-later
// Which variables are surely assigned at a place of the script, for warnings.
#pragma once

#include <optional>
#include <vector>

#include "base/types.hpp"

namespace ringside::language {

class Flow {
public:
    bool is_reachable = true;

    void assign(u32 variable) {
        if (variable >= assigned_.size())
            assigned_.resize(variable + 1);
        assigned_[variable] = true;
    }
    bool is_assigned(u32 variable) const {
        return !is_reachable || (variable < assigned_.size() && assigned_[variable]);
    }
    /// Two ways lead here: what holds on both.
    void join(const Flow& other) {
        if (!other.is_reachable)
            return;
        if (!is_reachable) {
            *this = other;
            return;
        }
        if (assigned_.size() > other.assigned_.size())
            assigned_.resize(other.assigned_.size());
        for (usize i = 0; i < assigned_.size(); ++i)
            assigned_[i] = assigned_[i] && other.assigned_[i];
    }
    static Flow unreachable() {
        Flow flow;
        flow.is_reachable = false;
        return flow;
    }

private:
    std::vector<bool> assigned_;
};

/// Where `break` and `continue` of one loop lead.
struct LoopFlow {
    Flow at_break = Flow::unreachable();
    Flow at_continue = Flow::unreachable();
    bool has_break = false;
};

}  // namespace ringside::language
