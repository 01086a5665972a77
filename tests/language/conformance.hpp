// SPDX-License-Identifier: GPL-3.0-or-later
// Runs cases of the script language as the conformance files describe them: each in a session of
// its own, with the environment it names.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/types.hpp"
#include "ringside/bytecode.h"

namespace ringside::language {

struct CaseOutcome {
    bool compiled = false;
    bool lacks_feature = false;  ///< the compiler says "not available yet"
    rs_script_error error = RS_SCRIPT_OK;
    u64 value = 0;
    std::string text;
    std::string messages;
};

/// `test_case`: one object of a cases file.
CaseOutcome run_case(const nlohmann::json& test_case);
bool is_expected(const nlohmann::json& test_case, const CaseOutcome& outcome);

}  // namespace ringside::language
