// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/global.hpp"

#include <algorithm>

namespace ringside::language {

void add_globals(std::vector<KnownGlobal>& known, const std::vector<KnownGlobal>& more) {
    for (const KnownGlobal& global : more) {
        const auto found = std::ranges::find(known, global.name, &KnownGlobal::name);
        if (found == known.end())
            known.push_back(global);
        else if (!found->type)
            found->type = global.type;
    }
}

}  // namespace ringside::language
