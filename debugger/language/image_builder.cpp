// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/image_builder.hpp"

#include <algorithm>
#include <cstring>

#include "base/bits.hpp"
#include "script/effects.hpp"
#include "script/opcode_info.hpp"

namespace ringside::language {

namespace {

u16& target_operand(rs_script_instruction& instruction) {
    const script::OpcodeInfo& info = script::kOpcodes[instruction.op];
    if (info.operand[0] == RS_OPERAND_TARGET)
        return instruction.a;
    return info.operand[1] == RS_OPERAND_TARGET ? instruction.b : instruction.c;
}

/// Appends elements as one section, aligned to 8.
template <class T>
rs_script_section append(std::vector<u8>& image, const T* elements, usize count) {
    const rs_script_section section{static_cast<u32>(image.size()), static_cast<u32>(count)};
    image.resize(align_up(image.size() + count * sizeof(T), 8));
    if (count > 0)
        std::memcpy(image.data() + section.offset, elements, count * sizeof(T));
    return section;
}

}  // namespace

void ImageBuilder::emit(rs_script_opcode op, u32 a, u32 b, u32 c) {
    code_.push_back(
        {static_cast<u16>(op), static_cast<u16>(a), static_cast<u16>(b), static_cast<u16>(c)});
    places_.push_back(place_);
}

void ImageBuilder::emit_jump(rs_script_opcode op, Label& target, u32 a, u32 b) {
    if (op == RS_OP_JUMP)
        emit(op);
    else
        emit(op, a, b);
    if (target.at == Label::kUnbound)
        target.jumps.push_back(position() - 1);
    else
        target_operand(code_.back()) = static_cast<u16>(target.at);
}

void ImageBuilder::bind(Label& label) {
    label.at = position();
    for (const u32 jump : label.jumps)
        target_operand(code_[jump]) = static_cast<u16>(label.at);
    label.jumps.clear();
}

void ImageBuilder::begin_function(u32 parameters) {
    functions_.push_back({position(), 0, 0, parameters});
}

void ImageBuilder::end_function(u32 registers) {
    functions_.back().count = position() - functions_.back().first;
    functions_.back().registers = registers;
}

u32 ImageBuilder::constant(u64 value) {
    const auto [found, is_new] =
        constant_numbers_.try_emplace(value, static_cast<u32>(constants_.size()));
    if (is_new)
        constants_.push_back(value);
    return found->second;
}

u32 ImageBuilder::string(std::string_view bytes) {
    const auto [found, is_new] =
        string_numbers_.try_emplace(std::string{bytes}, static_cast<u32>(strings_.size()));
    if (is_new) {
        strings_.push_back({static_cast<u32>(bytes_.size()), static_cast<u32>(bytes.size())});
        bytes_ += bytes;
        bytes_ += std::string_view{"\0\0", 2};  // the zero unit, wide or not
    }
    return found->second;
}

std::string_view ImageBuilder::overflow() const {
    if (code_.size() > RS_SCRIPT_MAX_INSTRUCTIONS)
        return "script is too large: too many instructions";
    if (constants_.size() * 8 + bytes_.size() > RS_SCRIPT_MAX_CONSTANT_BYTES)
        return "script is too large: too many constants and strings";
    for (const rs_script_function& function : functions_)
        if (function.registers > RS_SCRIPT_MAX_REGISTERS)
            return "script needs too many temporaries";
    return {};
}

std::vector<u8> ImageBuilder::build(const std::vector<std::string>& globals) const {
    std::string bytes = bytes_;
    std::vector<rs_script_string> names;
    for (const std::string& name : globals) {
        names.push_back({static_cast<u32>(bytes.size()), static_cast<u32>(name.size())});
        bytes += name;
    }
    rs_script_image header{};
    header.magic = RS_SCRIPT_MAGIC;
    header.version = RS_SCRIPT_VERSION;
    if (std::none_of(code_.begin(), code_.end(), script::has_effect))
        header.flags = RS_SCRIPTF_CONDITION;
    std::vector<u8> image(sizeof header);
    header.code = append(image, code_.data(), code_.size());
    header.functions = append(image, functions_.data(), functions_.size());
    header.constants = append(image, constants_.data(), constants_.size());
    header.strings = append(image, strings_.data(), strings_.size());
    header.globals = append(image, names.data(), names.size());
    header.bytes = append(image, bytes.data(), bytes.size());
    header.data = append(image, data_.data(), data_.size());
    header.total_len = static_cast<u32>(image.size());
    std::memcpy(image.data(), &header, sizeof header);
    return image;
}

}  // namespace ringside::language
