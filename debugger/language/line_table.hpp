// SPDX-License-Identifier: GPL-3.0-or-later
// From an instruction back to the script: kept by the front end for run-time messages (script
// language section 15).
#pragma once

#include <string>
#include <vector>

#include "base/types.hpp"
#include "ringside/bytecode.h"

namespace ringside::language {

/// Where an instruction comes from.
struct CodePlace {
    u32 line = 0;               ///< from 1, 0: unknown
    u32 column = 0;             ///< from 1
    u32 file = 0;               ///< in LineTable::files; 0: the script itself
    const char* function = "";  ///< name of the language's function it belongs to, or ""
};

struct LineTable {
    std::vector<CodePlace> places;   ///< one an instruction
    std::vector<std::string> files;  ///< names of the script, which may be empty, and its includes
};

/// What the front end knows of a run that failed.
struct RuntimeErrorReport {
    rs_script_error error = RS_SCRIPT_OK;
    u32 pc = 0;
    u64 value = 0;
    bool in_event = false;
    u64 event_id = 0;
    u32 core = 0;
};

/// The sentence behind `err, `: "script stopped: invalid address ffffffff00000000 in dq() at
/// line 4, column 9 (event 0x2, core 3)". Without an event the part in parentheses is left out; an
/// instruction outside of the table has no line; one of an included file has "of lib.ds" behind.
std::string describe_runtime_error(const RuntimeErrorReport& report, const LineTable& lines);

}  // namespace ringside::language
