// SPDX-License-Identifier: GPL-3.0-or-later
// Script images by hand, for tests of the verifier and the VM that want no compiler.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "base/bits.hpp"
#include "ringside/bytecode.h"

namespace ringside::test {

class ProgramBuilder {
public:
    ProgramBuilder& op(u32 opcode, u32 a = 0, u32 b = 0, u32 c = 0) {
        code_.push_back({static_cast<u16>(opcode), static_cast<u16>(a), static_cast<u16>(b),
                         static_cast<u16>(c)});
        return *this;
    }
    /// a = a signed 32-bit number.
    ProgramBuilder& set(u32 a, s32 value) {
        const auto bits = static_cast<u32>(value);
        return op(RS_OP_IMMEDIATE, a, bits & 0xffff, bits >> 16);
    }
    /// a = any 64-bit number.
    ProgramBuilder& load(u32 a, u64 value) { return op(RS_OP_CONSTANT, a, constant(value)); }
    u32 constant(u64 value) {
        constants_.push_back(value);
        return static_cast<u32>(constants_.size() - 1);
    }
    u32 string(const std::string& text) {
        strings_.push_back({static_cast<u32>(bytes_.size()), static_cast<u32>(text.size())});
        bytes_ += text + std::string(2, '\0');
        return static_cast<u32>(strings_.size() - 1);
    }
    u32 global(const std::string& name) {
        globals_.push_back({static_cast<u32>(bytes_.size()), static_cast<u32>(name.size())});
        bytes_ += name;
        return static_cast<u32>(globals_.size() - 1);
    }
    ProgramBuilder& registers(u32 count) {
        register_count_ = count;
        return *this;
    }

    std::vector<u8> build() const {
        std::vector<u8> image(sizeof(rs_script_image));
        rs_script_image header{};
        header.magic = RS_SCRIPT_MAGIC;
        header.version = RS_SCRIPT_VERSION;
        const rs_script_function main{0, static_cast<u32>(code_.size()), register_count_, 0};
        header.code = add(image, code_.data(), code_.size());
        header.functions = add(image, &main, 1);
        header.constants = add(image, constants_.data(), constants_.size());
        header.strings = add(image, strings_.data(), strings_.size());
        header.globals = add(image, globals_.data(), globals_.size());
        header.bytes = add(image, bytes_.data(), bytes_.size());
        header.data = add(image, bytes_.data(), 0);
        header.total_len = static_cast<u32>(image.size());
        std::memcpy(image.data(), &header, sizeof header);
        return image;
    }

private:
    template <class T>
    static rs_script_section add(std::vector<u8>& image, const T* elements, usize count) {
        const rs_script_section section{static_cast<u32>(image.size()), static_cast<u32>(count)};
        image.resize(align_up(image.size() + count * sizeof(T), 8));
        if (count > 0)
            std::memcpy(image.data() + section.offset, elements, count * sizeof(T));
        return section;
    }

    std::vector<rs_script_instruction> code_;
    std::vector<u64> constants_;
    std::vector<rs_script_string> strings_;
    std::vector<rs_script_string> globals_;
    std::string bytes_;
    u32 register_count_ = 8;
};

}  // namespace ringside::test
