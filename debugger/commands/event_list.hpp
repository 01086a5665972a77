// SPDX-License-Identifier: GPL-3.0-or-later
// How 'events' and 'events stat' print (EVT-3, EVT-14). Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/types.hpp"
#include "ringside/event.h"

namespace ringside::commands {

/// One line of 'events', without a line end: id in hex, tab, state, tab and four blanks, the
/// command with newlines shown as blanks and cut at 70 characters plus "...", then marks.
std::string event_line(const rs_event_entry& entry, std::string_view command);

/// The table of 'events stat': one block an event.
std::string event_counters(const rs_event_stat& stat);

/// The table of 'events stat' without an id: one row a core, `cores[i]` being that of core i.
std::string core_counters(std::span<const rs_event_stat> cores);

}  // namespace ringside::commands
