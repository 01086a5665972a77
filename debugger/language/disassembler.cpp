// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/disassembler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "script/machine_registers.hpp"
#include "script/opcode_info.hpp"
#include "script/verifier.hpp"

namespace ringside::language {

namespace {

constexpr const char* kPseudoNames[] = {
#define RS_LANGUAGE_ROW(name, text) text,
    RS_SCRIPT_PSEUDO_TABLE(RS_LANGUAGE_ROW)
#undef RS_LANGUAGE_ROW
};

std::string quoted(const script::ProgramView& program, u32 index) {
    const rs_script_string& string = program.string(index);
    std::string out = "\"";
    for (u32 i = 0; i < string.length; ++i) {
        const char c = program.bytes()[string.offset + i];
        if (c == '\n')
            out += "\\n";
        else if (std::isprint(static_cast<unsigned char>(c)) != 0)
            out += c;
        else
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    return out + '"';
}

std::string global_name(const script::ProgramView& program, u16 value) {
    if (program.is_linked())
        return fmt::format("slot {}", value);
    const rs_script_string& name = program.global(value);
    return "." + std::string{program.bytes() + name.offset, name.length};
}

std::string operand_text(const script::ProgramView& program,
                         const rs_script_instruction& instruction, u32 index) {
    const u16 value = script::operand(instruction, index);
    switch (script::kOpcodes[instruction.op].operand[index]) {
        case RS_OPERAND_NONE:
        case RS_OPERAND_HIGH:
            return {};
        case RS_OPERAND_TO:
        case RS_OPERAND_FROM:
        case RS_OPERAND_FIRST:
            return fmt::format("r{}", value);
        case RS_OPERAND_IMM:
            return std::to_string(static_cast<s16>(value));
        case RS_OPERAND_COUNT:
            return std::to_string(value);
        case RS_OPERAND_LOW:
            return fmt::format("{:#x}", static_cast<u64>(s64{static_cast<s32>(
                                            value | static_cast<u32>(instruction.c) << 16)}));
        case RS_OPERAND_TARGET:
            return fmt::format("-> {}", value);
        case RS_OPERAND_CONSTANT:
            return fmt::format("{:#x}", program.constants()[value]);
        case RS_OPERAND_GLOBAL:
            return global_name(program, value);
        case RS_OPERAND_STRING:
        case RS_OPERAND_FORMAT:
            return quoted(program, value);
        case RS_OPERAND_MACHINE:
            return std::string{"@"} + script::kRegisters[value].name;
        case RS_OPERAND_PSEUDO:
            return std::string{"$"} + kPseudoNames[value];
        case RS_OPERAND_FUNCTION:
            return fmt::format("function {}", value);
        case RS_OPERAND_BUILTIN: {
            std::string name = script::kBuiltins[value].name;
            std::transform(name.begin(), name.end(), name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
            return name + "()";
        }
    }
    return {};
}

}  // namespace

std::string disassemble(const script::ProgramView& program, u32 index) {
    const rs_script_instruction& instruction = program.code()[index];
    std::string operands;
    for (u32 i = 0; i < 3; ++i) {
        const std::string text = operand_text(program, instruction, i);
        if (!text.empty())
            operands += (operands.empty() ? "" : ", ") + text;
    }
    if (operands.empty())
        return script::kOpcodes[instruction.op].name;
    return fmt::format("{:<14} {}", script::kOpcodes[instruction.op].name, operands);
}

std::string disassemble(std::span<const u8> image) {
    if (const script::VerifyResult verdict = script::verify(image, {}); !verdict)
        return fmt::format("refused at instruction {}: {}\n", verdict.instruction,
                           script::rule_text(verdict.rule));
    const script::ProgramView program{image.data()};
    std::string out;
    for (u32 i = 0; i < program.code_count(); ++i)
        out += fmt::format("{:5}  {}\n", i, disassemble(program, i));
    return out;
}

}  // namespace ringside::language
