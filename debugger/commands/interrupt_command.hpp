// SPDX-License-Identifier: GPL-3.0-or-later
// The command line of !interrupt as a plain structure (specification section 2). Pure: it reads no
// file and asks no debuggee.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/types.hpp"
#include "commands/problem.hpp"
#include "commands/token.hpp"

namespace ringside::commands {

enum class BlockKind { kScript, kScriptFile, kCode, kAsmCode, kCondition, kAsmCondition };

/// One { } block of the command.
struct EventBlock {
    BlockKind kind = BlockKind::kScript;
    std::string text;        ///< script or assembly source; the path for kScriptFile
    std::vector<u8> bytes;   ///< kCode, kCondition
    std::size_t offset = 0;  ///< of the block's first byte behind the brace, in the command
};

enum class Stage { kPre, kPost, kAll };

struct InterruptCommand {
    std::optional<u32> vector;  ///< 0x20 to 0xff; absent: all
    std::optional<u32> pid;     ///< absent: all
    std::optional<u32> core;    ///< absent: all
    std::size_t pid_at = 0;     ///< where the value of pid stands in the command; core_at likewise
    std::size_t core_at = 0;
    bool immediate = true;
    bool short_circuit = false;
    Stage stage = Stage::kPre;
    u32 buffer_bytes = 0;
    std::optional<EventBlock> condition;
    std::vector<EventBlock> actions;  ///< in the order written (INT-17)
    std::vector<std::string> outputs;
    std::vector<std::size_t> outputs_at;  ///< where each stands in the command
    /// First word of the command that this version understands but cannot do yet, and where it
    /// stands.
    std::optional<std::pair<std::string, std::size_t>> later;
};

/// Parses the words behind "!interrupt". Words are checked left to right, then combinations; the
/// first problem wins (INT-19). Values of pid and core that no machine has are kept, cut to 32
/// bits, so that the module gives the answer it gives for any other number that does not exist.
std::variant<InterruptCommand, Problem> parse_interrupt(std::span<const Token> words);

/// Bytes of a hexadecimal code block (INT-11); on failure the text of the error, without "err, ".
std::variant<std::vector<u8>, std::string> parse_hex_bytes(std::string_view text);

}  // namespace ringside::commands
