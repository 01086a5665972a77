// SPDX-License-Identifier: GPL-3.0-or-later
// Reads the file of script { file:PATH } (INT-10).
#pragma once

#include <string>
#include <variant>

namespace ringside::commands {

/// Why a script file cannot be used; `text` without "err, ".
struct ScriptFileError {
    std::string text;
};

/// "~/" in front stands for the home folder.
std::string expand_home(const std::string& path);

/// Reads a script file: at most 1 MiB, not empty. "~/" in front stands for the home folder.
std::variant<std::string, ScriptFileError> read_script_file(const std::string& path);

}  // namespace ringside::commands
