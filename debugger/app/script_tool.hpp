// SPDX-License-Identifier: GPL-3.0-or-later
// 'ringside script': scripts tried at the desk, without a debuggee (script language section 20).
#pragma once

#include <string>
#include <vector>

namespace ringside::app {

/// `arguments`: what stands behind 'script'. Exit code: 0 the script is accepted and ran to its
/// end, 1 it was refused or stopped by an error, 2 wrong options or a file that cannot be read, 130
/// ended by Ctrl+C.
int script_tool(const std::vector<std::string>& arguments);

}  // namespace ringside::app
