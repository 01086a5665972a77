// SPDX-License-Identifier: GPL-3.0-or-later
// From the checked tree to bytecode. Local variables live in the first virtual registers,
// temporaries behind them like a stack.
#pragma once

#include "language/ast.hpp"
#include "language/checker.hpp"
#include "language/diagnostic.hpp"
#include "language/image_builder.hpp"

namespace ringside::language {

/// The number of virtual registers the code needs; the code is in `builder`.
u32 generate(const Script& script, const CheckResult& checked, const Source& source,
             ImageBuilder& builder);

}  // namespace ringside::language
