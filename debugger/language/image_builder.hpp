// SPDX-License-Identifier: GPL-3.0-or-later
// Collects instructions, constants and strings and lays them out as a script image (bytecode.h).
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/types.hpp"
#include "language/line_table.hpp"
#include "ringside/bytecode.h"

namespace ringside::language {

/// A place in the code that jumps lead to, known or not yet.
struct Label {
    static constexpr u32 kUnbound = ~u32{0};
    u32 at = kUnbound;
    std::vector<u32> jumps;  ///< instructions that wait for it
};

class ImageBuilder {
public:
    /// Place and function of the instructions emitted from here on.
    void set_place(const CodePlace& place) { place_ = place; }
    const CodePlace& place() const { return place_; }

    void emit(rs_script_opcode op, u32 a = 0, u32 b = 0, u32 c = 0);
    /// A jump: the operand of kind TARGET is filled in when the label is bound.
    void emit_jump(rs_script_opcode op, Label& target, u32 a = 0, u32 b = 0);
    void bind(Label& label);
    u32 position() const { return static_cast<u32>(code_.size()); }

    /// The code from here on is a function's, until the next one begins.
    void begin_function(u32 parameters);
    void end_function(u32 registers);
    void set_data(std::vector<u8> data) { data_ = std::move(data); }

    u32 constant(u64 value);
    u32 string(std::string_view bytes);

    /// What is over a limit ("too many instructions"), or "".
    std::string_view overflow() const;
    std::vector<u8> build(const std::vector<std::string>& globals) const;
    /// One place an instruction.
    std::vector<CodePlace> take_places() { return std::move(places_); }

private:
    std::vector<rs_script_instruction> code_;
    std::vector<rs_script_function> functions_;
    std::vector<u8> data_;
    std::vector<CodePlace> places_;
    std::vector<u64> constants_;
    std::unordered_map<u64, u32> constant_numbers_;
    std::vector<rs_script_string> strings_;
    std::unordered_map<std::string, u32> string_numbers_;
    std::string bytes_;
    CodePlace place_;
};

}  // namespace ringside::language
