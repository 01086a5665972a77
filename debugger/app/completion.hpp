// SPDX-License-Identifier: GPL-3.0-or-later
// What the Tab key offers. Pure: made from the command table, the language's names and the events
// known.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/line_editor.hpp"
#include "base/types.hpp"

namespace ringside::app {

/// Candidates for the word that ends at the end of `text`.
///
/// @param pending       earlier lines of the same command, empty for the first
/// @param text          this line up to the cursor
/// @param event_ids     ids offered where a command takes an event
/// @param script_names  keywords, functions, registers ("@rax") and pseudo-registers ("$pid")
LineEditor::Completion complete(std::string_view pending, std::string_view text,
                                std::span<const u64> event_ids,
                                std::span<const std::string> script_names);

}  // namespace ringside::app
