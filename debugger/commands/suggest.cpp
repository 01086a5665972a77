// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/suggest.hpp"

#include <algorithm>
#include <vector>

#include "commands/token.hpp"

namespace ringside::commands {

std::size_t edit_distance(std::string_view left, std::string_view right) {
    const std::string a = lower_case(left);
    const std::string b = lower_case(right);
    // Optimal string alignment; rows are prefixes of a, columns prefixes of b.
    std::vector<std::vector<std::size_t>> cost(a.size() + 1,
                                               std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i)
        cost[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j)
        cost[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replace = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, replace});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    }
    return cost[a.size()][b.size()];
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
    std::string_view best;
    std::size_t best_distance = word.size() <= 3 ? 1 : word.size() <= 6 ? 2 : 3;
    if (word.empty() || word.size() > 40)
        return best;
    for (const std::string_view candidate : candidates) {
        // A word that shares no letter with the candidate is not a slip of the finger.
        if (candidate.size() <= best_distance && candidate.size() != word.size() &&
            candidate.size() < 3)
            continue;
        const std::size_t distance = edit_distance(word, candidate);
        if (distance < std::max(word.size(), candidate.size()) &&
            (distance < best_distance || (distance == best_distance && best.empty()))) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

}  // namespace ringside::commands
