// SPDX-License-Identifier: GPL-3.0-or-later
// "Did you mean": shared by the prompt and the program's options.
#pragma once

#include <span>
#include <string_view>

namespace ringside::commands {

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other,
/// letter case aside.
std::size_t edit_distance(std::string_view left, std::string_view right);

/// The candidate nearest to `word`, or an empty view if none is near enough to be what was meant.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace ringside::commands
