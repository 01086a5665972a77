// SPDX-License-Identifier: GPL-3.0-or-later
// What the debuggee's console says: stages of the boot, and trouble.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringside::lab {

/// What a boot has reached, from the marker lines of guest/init.sh.
class BootProgress {
public:
    /// `console`: the whole log so far. Returns the descriptions of the stages that are new since
    /// the last call, in order ("kernel", "drivers", ...).
    std::vector<std::string> advance(std::string_view console);

    bool ready() const;
    bool agent() const;

    /// A sentence when the boot cannot succeed any more (kernel panic, agent or shell missing).
    std::optional<std::string> defeat() const;

    /// What comes next: "the kernel", "the agent" ...
    std::string awaited() const;

private:
    void take(std::string_view marker, std::vector<std::string>& news);

    std::size_t taken_ = 0;
    std::vector<std::string> markers_;
    std::optional<std::string> defeat_;
};

/// See lab.hpp.
std::vector<std::string> trouble_in(std::string_view console_text);

}  // namespace ringside::lab
