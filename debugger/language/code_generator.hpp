// SPDX-License-Identifier: GPL-3.0-or-later
// From the checked tree to bytecode. Local variables live in the first virtual registers,
// temporaries behind them like a stack.
#pragma once

#include "language/ast.hpp"
#include "language/checker.hpp"
#include "language/diagnostic.hpp"
#include "language/image_builder.hpp"

namespace ringside::language {

/// The code and the data are in `builder`.
void generate(const Script& script, const CheckResult& checked, const Source& source,
              ImageBuilder& builder);

}  // namespace ringside::language
