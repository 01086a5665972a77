// SPDX-License-Identifier: GPL-3.0-or-later
// What is done to the text of a block before the assembler proper sees it. Pure.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "assembler/assembler.hpp"

namespace ringside::assembler {

/// One statement: labels, then an instruction or a directive, or labels alone.
struct Statement {
    std::string text;  ///< not empty; without comments, <symbol+expression> replaced by its value
    /// Per byte of `text`: the byte of the source it stands for.
    std::vector<std::size_t> source_of;

    /// Where byte `index` of the text came from; behind its end, the last one's place.
    std::size_t source_at(std::size_t index) const;
};

/// Splits a block and refuses what the assembler would take and the user cannot have meant:
/// brackets that do not pair, directives that reach outside.
std::variant<std::vector<Statement>, Error> split_statements(std::string_view source,
                                                             const SymbolLookup& symbols);

/// The text of an error: what is wrong, and with which statement (`index` counts from 0).
std::string in_statement(std::string_view what, std::size_t index);

/// `text` of a statement behind its labels.
std::string_view without_labels(std::string_view text);

/// The operands of an instruction, trimmed: "mov rax, [rbx]" has "rax" and "[rbx]".
std::vector<std::string_view> operands_of(std::string_view instruction);

bool is_name_character(char c);
std::string_view trim(std::string_view text);
std::string lower(std::string_view text);

/// First place in `text` where `name` stands as a whole word, or npos.
std::size_t find_word(std::string_view text, std::string_view name);

}  // namespace ringside::assembler
