// SPDX-License-Identifier: GPL-3.0-or-later
// Expressions in the words of a command (LEX-6), and what stands around them: "db ADDR l LEN".
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "commands/session.hpp"

namespace ringside::commands {

/// Runs `text` in root mode if there is a hypervisor to do it, else here; `value` is that of its
/// last print() or test_statement(). Problems are told.
Outcome run_once(Session& session, std::string_view text, u64& value);

/// The value of an expression of the script language. A name without '!' that is nothing else is a
/// symbol of the kernel. Numbers and symbols alone ask for nothing to be run.
/// @param words  of the invocation, at least one; blanks may stand inside
Outcome evaluate(Session& session, const Invocation& invocation, std::span<const Token> words,
                 u64& value);

/// The words of a command, split at its keywords: each begins a part that reaches to the next.
class Parts {
public:
    /// @param keywords  with a word behind each at least, each once, in any order
    /// Nothing with the error told.
    static std::optional<Parts> split(Session& session, const Invocation& invocation,
                                      std::initializer_list<std::string_view> keywords);

    /// What stands before the first keyword.
    std::span<const Token> front() const { return front_; }
    /// What stands behind one; empty if it was not given.
    std::span<const Token> behind(std::string_view keyword) const;

private:
    struct Part {
        std::string_view keyword;
        std::span<const Token> words;
    };
    std::span<const Token> front_;
    std::vector<Part> parts_;
};

/// A number that is a literal; nothing with the error told: "bad NAME 'x'", or that it must be
/// `least` to `most`.
std::optional<u64> read_number(Session& session, const Invocation& invocation, const Token& word,
                               std::string_view name, u64 least, u64 most);

/// Whose memory is meant. In Debugger Mode that of the process that was halted, and 'pid' gets a
/// notice; else 'pid P', or the active process ('.attach'), or RS_ANY.
struct ProcessChoice {
    u32 pid = RS_ANY;
    const Token* word = nullptr;  ///< where it stands, null if it was not given
};
std::optional<ProcessChoice> read_process(Session& session, const Invocation& invocation,
                                          const Parts& parts);

/// Tells why a request about a process's memory failed, at its number where that is at fault.
Outcome memory_request_failed(Session& session, const Invocation& invocation,
                              const ProcessChoice& process, const debuggee::Failure& failure);

/// "cannot read ffffffff`81000000: no page table entry at level 2 (entry 0)"; without "err, ".
std::string stop_text(std::string_view verb, const debuggee::MemoryStop& stop, bool is_physical);

}  // namespace ringside::commands
