// SPDX-License-Identifier: GPL-3.0-or-later
// The command line of !interrupt and !exception as a plain structure (specification section 2).
// Pure: it reads no file and asks no debuggee.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/types.hpp"
#include "commands/problem.hpp"
#include "commands/token.hpp"
#include "ringside/event.h"

namespace ringside::commands {

/// What a command hooks: the two differ in nothing else.
struct EventSource {
    std::string_view command;  ///< "!interrupt"
    u32 event_type;            ///< RS_EVENT_*
    u32 first;                 ///< vectors
    u32 last;
    std::string_view range;       ///< the error about another vector
    std::string_view covers_all;  ///< the notice where no vector is named
};

inline constexpr EventSource kInterrupts{
    "!interrupt",
    RS_EVENT_EXTERNAL_INTERRUPT,
    RS_VECTOR_FIRST,
    RS_VECTOR_LAST,
    "vector must be 0x20 to 0xff (use '!exception' for 0x0 to 0x1f)",
    "this event covers all external interrupts (0x20-0xff)"};

inline constexpr EventSource kExceptions{
    "!exception",
    RS_EVENT_EXCEPTION,
    0,
    RS_VECTOR_FIRST - 1,
    "entry must be 0x0 to 0x1f (use '!interrupt' for 0x20 to 0xff)",
    "this event covers all exceptions (0x0-0x1f)"};

enum class BlockKind { kScript, kScriptFile, kCode, kAsmCode, kCondition, kAsmCondition };

/// One { } block of the command.
struct EventBlock {
    BlockKind kind = BlockKind::kScript;
    std::string text;        ///< script or assembly source; the path for kScriptFile
    std::vector<u8> bytes;   ///< machine code; empty while it is assembly
    std::size_t offset = 0;  ///< of the block's first byte behind the brace, in the command
};

enum class Stage { kPre, kPost, kAll };

struct EventCommand {
    std::optional<u32> vector;  ///< absent: all of the source
    std::optional<u32> pid;     ///< absent: all, or not said
    bool pid_given = false;     ///< 'pid all' stands in the command, or a number
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
};

/// Parses the words behind the command's name. Words are checked left to right, then combinations;
/// the first problem wins (INT-19). Values of pid and core that no machine has are kept, cut to 32
/// bits, so that the module gives the answer it gives for any other number that does not exist.
std::variant<EventCommand, Problem> parse_event_command(const EventSource& source,
                                                        std::span<const Token> words);

/// Bytes of a hexadecimal code block (INT-11); on failure the text of the error, without "err, ".
std::variant<std::vector<u8>, std::string> parse_hex_bytes(std::string_view text);

}  // namespace ringside::commands
