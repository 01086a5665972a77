// SPDX-License-Identifier: GPL-2.0-or-later
// The requests about names, answered from a table. Context: root mode.
#pragma once

#include <span>

#include "ringside/debug.h"
#include "ringside/ioctl.h"
#include "symbols/symbol_table.hpp"

namespace ringside::symbols {

/// RS_NR_SYMBOL, with the text that the kernel's sprint_symbol() makes: "name+0x2/0x40 [module]".
/// @return RS_OK; RS_ERR_BAD_IMAGE: a name without an end or a reserved field that is not 0;
///         RS_ERR_NO_SYMBOL: there is none, or its text is longer than the field. Left in
///         request.error too.
u32 answer_symbol(const SymbolTable& table, rs_symbol& request);

/// RS_NR_SYMBOL_LIST: as many whole entries as there is room for, and where to go on.
/// @param image  the request with the room behind it: `total_len` bytes of it are used
/// @return RS_OK; RS_ERR_BAD_IMAGE: its sizes do not fit together, the pattern has no end, a
///         reserved field is not 0, or not a single entry finds room. Left in the header's error
///         too, if there is a header.
u32 answer_list(const SymbolTable& table, std::span<u8> image);

}  // namespace ringside::symbols
