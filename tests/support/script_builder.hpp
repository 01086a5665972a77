// SPDX-License-Identifier: GPL-3.0-or-later
// Script images for tests, instruction by instruction.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/bits.hpp"
#include "base/types.hpp"
#include "ringside/bytecode.h"

namespace ringside::test {

class ScriptBuilder {
public:
    explicit ScriptBuilder(u32 registers = 16) : registers_{registers} {}

    ScriptBuilder& op(rs_script_opcode code, u32 a = 0, u32 b = 0, u32 c = 0) {
        code_.push_back({.op = static_cast<u16>(code),
                         .a = static_cast<u16>(a),
                         .b = static_cast<u16>(b),
                         .c = static_cast<u16>(c)});
        return *this;
    }
    /// printf of `text`, a format, with `count` arguments from register `first` on.
    ScriptBuilder& printf(std::string_view text, u32 count = 0, u32 first = 0) {
        return op(RS_OP_PRINTF, first, count, add(strings_, text, 2));
    }
    ScriptBuilder& immediate(u32 to, u32 value) {
        return op(RS_OP_IMMEDIATE, to, value & 0xffff, value >> 16);
    }
    ScriptBuilder& call(rs_script_builtin builtin, u32 first = 0) {
        return op(RS_OP_CALL_BUILTIN, 0, first, builtin);
    }
    /// Adds to a global variable.
    ScriptBuilder& add_to_global(std::string_view name, u32 amount) {
        return op(RS_OP_GLOBAL_ADD_I, add(globals_, name, 0), amount);
    }
    /// Runs for ever.
    ScriptBuilder& loop() { return op(RS_OP_JUMP, static_cast<u32>(code_.size())); }
    /// Ends with a run-time error: a store to an address that is not mapped.
    ScriptBuilder& fail() { return immediate(0, 0).op(RS_OP_STORE64, 0, 0); }

    u32 instruction_count() const { return static_cast<u32>(code_.size()) + 1; }

    /// The image, with a RETURN at the end.
    std::vector<u8> build() const {
        std::vector<rs_script_instruction> code = code_;
        code.push_back({.op = RS_OP_RETURN, .a = 0, .b = 0, .c = 0});
        const std::vector<rs_script_function> functions{{.first = 0,
                                                         .count = static_cast<u32>(code.size()),
                                                         .registers = registers_,
                                                         .parameters = 0}};
        std::vector<u8> image(sizeof(rs_script_image));
        rs_script_image header = {};
        header.magic = RS_SCRIPT_MAGIC;
        header.version = RS_SCRIPT_VERSION;
        header.code = append(image, code);
        header.functions = append(image, functions);
        header.constants = append(image, std::vector<u64>{});
        header.strings = append(image, strings_);
        header.globals = append(image, globals_);
        header.bytes = append(image, std::vector<char>{bytes_.begin(), bytes_.end()});
        header.data = append(image, std::vector<u8>{});
        header.total_len = static_cast<u32>(image.size());
        std::memcpy(image.data(), &header, sizeof header);
        return image;
    }

private:
    u32 add(std::vector<rs_script_string>& to, std::string_view text, u32 zeroes) {
        to.push_back(
            {.offset = static_cast<u32>(bytes_.size()), .length = static_cast<u32>(text.size())});
        bytes_.append(text).append(zeroes, '\0');
        return static_cast<u32>(to.size() - 1);
    }

    template <class T>
    static rs_script_section append(std::vector<u8>& image, const std::vector<T>& elements) {
        const rs_script_section section{.offset = static_cast<u32>(image.size()),
                                        .count = static_cast<u32>(elements.size())};
        const usize bytes = elements.size() * sizeof(T);
        image.resize(align_up(image.size() + bytes, 8));
        if (bytes != 0)
            std::memcpy(image.data() + section.offset, elements.data(), bytes);
        return section;
    }

    u32 registers_;
    std::vector<rs_script_instruction> code_;
    std::vector<rs_script_string> strings_;
    std::vector<rs_script_string> globals_;
    std::string bytes_;
};

}  // namespace ringside::test
