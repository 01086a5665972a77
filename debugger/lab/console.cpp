// SPDX-License-Identifier: GPL-3.0-or-later
#include "lab/console.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "lab/lab.hpp"

namespace ringside::lab {
namespace {

constexpr std::string_view kMarker = "ringside-lab: ";

struct Stage {
    std::string_view marker;
    std::string_view name;     ///< shown when it is reached
    std::string_view awaited;  ///< said when it is not
};

constexpr Stage kStages[] = {
    {"init", "kernel", "the kernel to start its first process"},
    {"modules", "drivers", "the drivers"},
    {"network", "network", "the network"},
    {"module", "ringside.ko", "ringside.ko to load"},
    {"shell", "shell", "the shell server"},
    {"agent", "agent", "the agent to listen"},
    {"ready", "ready", "the end of the boot"},
};

/// Substrings, not patterns: each is the fixed part of a message of Linux 5.10 to 6.12.
constexpr std::string_view kTrouble[] = {
    "soft lockup",
    "hard LOCKUP",
    "Hard LOCKUP",
    "detected stalls",
    "self-detected stall",
    "rcu_preempt kthread starved",
    "rcu_preempt kthread timer wakeup didn't happen",
    "blocked for more than",
    "Marking clocksource",
    "as unstable",
    "clocksource: Long readout interval",
    "BUG:",
    "WARNING: CPU",
    "Oops",
    "Kernel panic",
    "general protection",
    "unable to handle",
    "double fault",
    "Call Trace:",
    "do_IRQ:",
    "No irq handler for vector",
    "nobody cared",
    "Spurious interrupt",
    "NOHZ tick-stop error",
    "Uhhuh. NMI received",
    "segfault at",
    "Out of memory",
    "page allocation failure",
    "NETDEV WATCHDOG",
    "unchecked MSR access",
    "invalid opcode",
    "trap divide error",
};

std::string_view trim_line(std::string_view line) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' '))
        line.remove_suffix(1);
    return line;
}

/// Calls `use` with each complete line of `text`; returns how much of it they were.
template <class Use>
std::size_t for_each_line(std::string_view text, Use use) {
    std::size_t begin = 0;
    for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n', begin)) {
        use(trim_line(text.substr(begin, end - begin)));
        begin = end + 1;
    }
    return begin;
}

}  // namespace

std::vector<std::string> BootProgress::advance(std::string_view console) {
    std::vector<std::string> news;
    taken_ += for_each_line(console.substr(taken_), [&](std::string_view line) {
        if (const auto at = line.find(kMarker); at != std::string_view::npos)
            take(line.substr(at + kMarker.size()), news);
        else if (line.find("Kernel panic") != std::string_view::npos && !defeat_)
            defeat_ = fmt::format("the debuggee's kernel died: {}", line);
    });
    return news;
}

void BootProgress::take(std::string_view marker, std::vector<std::string>& news) {
    markers_.emplace_back(marker);
    const std::string_view word = marker.substr(0, marker.find(' '));
    for (const Stage& stage : kStages) {
        if (stage.marker != word)
            continue;
        if (marker == word) {
            news.emplace_back(stage.name);
        } else if (word == "agent") {
            // "agent ended with status N"
            defeat_ = fmt::format("inside the debuggee the {}", marker);
        } else {
            // "module refused", "module absent": the boot goes on without it.
            news.push_back(fmt::format("{} {}", stage.name, marker.substr(word.size() + 1)));
        }
    }
}

bool BootProgress::ready() const {
    return std::find(markers_.begin(), markers_.end(), "ready") != markers_.end();
}

bool BootProgress::agent() const {
    return std::find(markers_.begin(), markers_.end(), "agent") != markers_.end();
}

std::optional<std::string> BootProgress::defeat() const {
    return defeat_;
}

std::string BootProgress::awaited() const {
    for (const Stage& stage : kStages) {
        const auto reached = [&](const std::string& marker) {
            return marker.substr(0, marker.find(' ')) == stage.marker;
        };
        if (std::none_of(markers_.begin(), markers_.end(), reached))
            return std::string{stage.awaited};
    }
    return "nothing";
}

std::vector<std::string> trouble_in(std::string_view console_text) {
    std::vector<std::string> lines;
    for_each_line(console_text, [&](std::string_view line) {
        for (const std::string_view sign : kTrouble)
            if (line.find(sign) != std::string_view::npos) {
                lines.emplace_back(line);
                return;
            }
    });
    return lines;
}

}  // namespace ringside::lab
