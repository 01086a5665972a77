// SPDX-License-Identifier: GPL-3.0-or-later
// Global variables that scripts of a session share: script language section 5.2 "Globals".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "language/type.hpp"

namespace ringside::language {

struct KnownGlobal {
    std::string name;          ///< without the point
    std::optional<Type> type;  ///< number it was declared as; none: untyped, or a pointer
};

/// Adds those of `more` that are new to `known`. A type once declared stays.
void add_globals(std::vector<KnownGlobal>& known, const std::vector<KnownGlobal>& more);

}  // namespace ringside::language
