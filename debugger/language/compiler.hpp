// SPDX-License-Identifier: GPL-3.0-or-later
// The whole way from text to a script image: tokens, tree, check, code.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "language/checker.hpp"
#include "language/diagnostic.hpp"
#include "language/line_table.hpp"
#include "ringside/bytecode.h"
#include "ringside/event.h"

namespace ringside::language {

/// An included file.
struct IncludedFile {
    std::string name;   ///< the same for the same file, however it was reached; for messages
    std::string text;   ///< empty if there is an error
    std::string error;  ///< why it cannot be read, or ""
};
/// `path` as written, backslashes made slashes; `from`: name of the file it stands in.
using FileLoader = std::function<IncludedFile(const std::string& path, const std::string& from)>;
/// Looks beside the including file, then beside the main script (its path, or "": the current
/// folder), then in the folders of $RINGSIDE_SCRIPTS (script language section 13).
FileLoader script_files(std::string main);

struct CompileOptions {
    std::string file_name;  ///< for messages, may be empty
    bool in_event = false;  ///< event_sc() is allowed; the image must fit in an event's action
    std::span<const KnownGlobal> known_globals;  ///< of the session
    const SymbolResolver* symbols = nullptr;     ///< null: no symbol is known
    u32 max_image_bytes = RS_MAX_ACTION_BYTES;
    /// Finds the file of an '#include'; null: there are none.
    FileLoader load_file;
};

struct CompileOutput {
    bool ok = false;
    std::vector<u8> image;                ///< struct rs_script_image and its sections; empty if !ok
    std::vector<Diagnostic> diagnostics;  ///< errors by place, then warnings by place
    LineTable lines;                      ///< for describe_runtime_error()
    std::vector<KnownGlobal> globals_assigned;  ///< join the session's known globals

    /// Instructions in the image: rs_action.script_pointer.
    u32 instruction_count() const { return static_cast<u32>(lines.places.size()); }
    /// All messages as text, a line feed after each; "" if there is none.
    std::string text() const;
};

/// Compiles a whole script, braces around it optional. Any bytes are answered with an image or
/// with errors. Sources above 1 MiB are refused.
CompileOutput compile(std::string_view text, const CompileOptions& options);

}  // namespace ringside::language
