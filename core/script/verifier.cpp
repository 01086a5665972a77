// SPDX-License-Identifier: GPL-2.0-or-later
#include "script/verifier.hpp"

#include "script/effects.hpp"
#include "script/format.hpp"
#include "script/machine_registers.hpp"
#include "script/opcode_info.hpp"

namespace ringside::script {

namespace {

constexpr const char* kRuleText[] = {
#define RS_SCRIPT_ROW(name, text) text,
    RS_SCRIPT_RULE_TABLE(RS_SCRIPT_ROW)
#undef RS_SCRIPT_ROW
};

bool is_name_character(char c, bool first) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

class Verifier {
public:
    Verifier(std::span<const u8> image, const Limits& limits)
        : image_{image}, limits_{limits}, program_{image.data()} {}

    VerifyResult run() {
        if (const Rule rule = check_header(); rule != Rule::kAccepted)
            return {rule, 0};
        if (const Rule rule = check_strings(); rule != Rule::kAccepted)
            return {rule, 0};
        for (u32 i = 0; i < program_.function_count(); ++i)
            if (const VerifyResult result = check_function(program_.function(i)); !result)
                return result;
        return {};
    }

private:
    VerifyResult check_function(const rs_script_function& function) {
        for (u32 i = 0; i < function.count; ++i)
            if (const Rule rule = check_instruction(function, i); rule != Rule::kAccepted)
                return {rule, function.first + i};
        const u16 last = program_.code()[function.first + function.count - 1].op;
        if (last != RS_OP_RETURN && last != RS_OP_RETURN_VALUE && last != RS_OP_JUMP)
            return {Rule::kFallsOffTheEnd, function.first + function.count - 1};
        return {};
    }

    Rule check_header() const {
        if (image_.size() < sizeof(rs_script_image) ||
            reinterpret_cast<u64>(image_.data()) % 8 != 0)
            return Rule::kTooShort;
        const rs_script_image& header = program_.header();
        if (header.magic != RS_SCRIPT_MAGIC)
            return Rule::kBadMagic;
        if (header.version != RS_SCRIPT_VERSION)
            return Rule::kBadVersion;
        if ((header.flags & ~RS_SCRIPTF_CONDITION) != 0)
            return Rule::kBadFlags;
        if (header.total_len != image_.size())
            return Rule::kBadLength;
        if (header.reserved != 0)
            return Rule::kBadReserved;
        if (!is_inside(header.code, sizeof(rs_script_instruction)) ||
            !is_inside(header.functions, sizeof(rs_script_function)) ||
            !is_inside(header.constants, sizeof(u64)) ||
            !is_inside(header.strings, sizeof(rs_script_string)) ||
            !is_inside(header.globals, sizeof(rs_script_string)) || !is_inside(header.bytes, 1) ||
            !is_inside(header.data, 1) || !are_apart(header))
            return Rule::kBadSection;
        // No overflow: every count was checked against the image's length.
        if (header.code.count > limits_.max_instructions ||
            header.constants.count * 8 + header.bytes.count > limits_.max_constant_bytes ||
            header.globals.count > limits_.max_globals || header.strings.count > 0xffff ||
            header.data.count > RS_SCRIPT_MAX_DATA_BYTES)
            return Rule::kTooLarge;
        return check_functions(header);
    }

    /// One after the other, and together all of the code.
    Rule check_functions(const rs_script_image& header) const {
        if (header.functions.count == 0 || header.functions.count > RS_SCRIPT_MAX_FUNCTIONS)
            return Rule::kBadFunction;
        u32 next = 0;
        for (u32 i = 0; i < header.functions.count; ++i) {
            const rs_script_function& function = program_.function(i);
            if (function.first != next || function.count == 0 ||
                function.count > header.code.count - next ||
                function.parameters > (i == 0 ? 0 : RS_SCRIPT_MAX_PARAMETERS) ||
                function.parameters > function.registers)
                return Rule::kBadFunction;
            if (function.registers > RS_SCRIPT_MAX_REGISTERS)
                return Rule::kTooManyRegisters;
            next += function.count;
        }
        return next == header.code.count ? Rule::kAccepted : Rule::kBadFunction;
    }

    bool is_inside(const rs_script_section& section, u64 element) const {
        return section.offset % 8 == 0 && section.offset >= sizeof(rs_script_image) &&
               section.offset <= image_.size() &&
               section.count <= (image_.size() - section.offset) / element;
    }

    /// In the order of the header, none over another: linking rewrites the code, and must not
    /// change with it what was checked here.
    static bool are_apart(const rs_script_image& header) {
        const auto end = [](const rs_script_section& section, u64 element) {
            return section.offset + section.count * element;
        };
        return end(header.code, sizeof(rs_script_instruction)) <= header.functions.offset &&
               end(header.functions, sizeof(rs_script_function)) <= header.constants.offset &&
               end(header.constants, sizeof(u64)) <= header.strings.offset &&
               end(header.strings, sizeof(rs_script_string)) <= header.globals.offset &&
               end(header.globals, sizeof(rs_script_string)) <= header.bytes.offset &&
               end(header.bytes, 1) <= header.data.offset;
    }

    /// A string lies in the byte section with a zero unit (two bytes, for wide ones) behind it.
    bool is_string(const rs_script_string& string, u32 zero_bytes) const {
        const u32 bytes = program_.byte_count();
        if (string.offset > bytes || string.length > bytes - string.offset ||
            bytes - string.offset - string.length < zero_bytes)
            return false;
        for (u32 i = 0; i < zero_bytes; ++i)
            if (program_.bytes()[string.offset + string.length + i] != 0)
                return false;
        return true;
    }

    Rule check_strings() const {
        for (u32 i = 0; i < program_.header().strings.count; ++i)
            if (!is_string(program_.string(i), 2))
                return Rule::kBadString;
        for (u32 i = 0; i < program_.global_count(); ++i) {
            const rs_script_string& name = program_.global(i);
            if (!is_string(name, 0))
                return Rule::kBadString;
            if (name.length == 0 || name.length > RS_SCRIPT_MAX_NAME_BYTES)
                return Rule::kBadName;
            for (u32 j = 0; j < name.length; ++j)
                if (!is_name_character(program_.bytes()[name.offset + j], j == 0))
                    return Rule::kBadName;
        }
        return Rule::kAccepted;
    }

    Rule check_instruction(const rs_script_function& function, u32 index) {
        const rs_script_instruction& instruction = program_.code()[function.first + index];
        if (instruction.op >= RS_OPCODE_COUNT)
            return Rule::kUnknownOpcode;
        const OpcodeInfo& info = kOpcodes[instruction.op];
        for (u32 i = 0; i < 3; ++i) {
            const Rule rule = check_operand(function, info.operand[i], operand(instruction, i));
            if (rule != Rule::kAccepted)
                return rule;
        }
        if ((program_.header().flags & RS_SCRIPTF_CONDITION) != 0 && has_effect(instruction))
            return Rule::kNotACondition;
        return check_special(function, instruction);
    }

    Rule check_operand(const rs_script_function& function, rs_script_operand kind,
                       u16 value) const {
        const rs_script_image& header = program_.header();
        switch (kind) {
            case RS_OPERAND_NONE:
                return value == 0 ? Rule::kAccepted : Rule::kUnusedOperand;
            case RS_OPERAND_TO:
            case RS_OPERAND_FROM:
                return value < function.registers ? Rule::kAccepted : Rule::kBadRegister;
            case RS_OPERAND_FIRST:  // with its count in check_special
            case RS_OPERAND_IMM:
            case RS_OPERAND_COUNT:
            case RS_OPERAND_LOW:
            case RS_OPERAND_HIGH:
                return Rule::kAccepted;
            case RS_OPERAND_TARGET:
                return value >= function.first && value - function.first < function.count
                           ? Rule::kAccepted
                           : Rule::kBadTarget;
            case RS_OPERAND_CONSTANT:
                return value < header.constants.count ? Rule::kAccepted : Rule::kBadConstant;
            case RS_OPERAND_GLOBAL:
                return value < header.globals.count ? Rule::kAccepted : Rule::kBadGlobal;
            case RS_OPERAND_STRING:
            case RS_OPERAND_FORMAT:
                return value < header.strings.count ? Rule::kAccepted : Rule::kBadStringIndex;
            case RS_OPERAND_MACHINE:
                return value < RS_REGISTER_COUNT ? Rule::kAccepted : Rule::kBadMachineRegister;
            case RS_OPERAND_PSEUDO:
                return value < RS_PSEUDO_COUNT ? Rule::kAccepted : Rule::kBadPseudoRegister;
            case RS_OPERAND_FUNCTION:
                return value > 0 && value < header.functions.count ? Rule::kAccepted
                                                                   : Rule::kBadCall;
            case RS_OPERAND_BUILTIN:
                return value < RS_BUILTIN_COUNT ? Rule::kAccepted : Rule::kBadBuiltin;
        }
        return Rule::kUnknownOpcode;
    }

    /// Rules that look at several operands at once.
    Rule check_special(const rs_script_function& function,
                       const rs_script_instruction& instruction) {
        switch (instruction.op) {
            case RS_OP_SHL_I:
            case RS_OP_SHR_I:
            case RS_OP_SAR_I:
                return instruction.c < 64 ? Rule::kAccepted : Rule::kBadShiftCount;
            case RS_OP_WRITE_REGISTER:
                return kRegisters[instruction.a].kind != RS_KIND_FIXED ? Rule::kAccepted
                                                                       : Rule::kFixedRegister;
            case RS_OP_CALL:
                return check_run(function, instruction.b,
                                 program_.function(instruction.c).parameters);
            case RS_OP_ZERO:
                return check_run(function, instruction.a, instruction.b);
            case RS_OP_ATOMIC_ADD:
            case RS_OP_ATOMIC_AND:
            case RS_OP_ATOMIC_OR:
            case RS_OP_ATOMIC_XOR:
                return instruction.c == 4 || instruction.c == 8 ? Rule::kAccepted : Rule::kBadWidth;
            case RS_OP_TRUNC_S:
            case RS_OP_TRUNC_U:
                return instruction.c >= 1 && instruction.c <= 64 ? Rule::kAccepted
                                                                 : Rule::kBadWidth;
            case RS_OP_ELEMENTS:
                return instruction.c != 0 ? Rule::kAccepted : Rule::kBadWidth;
            case RS_OP_CALL_BUILTIN:
                if (instruction.c == RS_BUILTIN_EVENT_SC && !limits_.in_event)
                    return Rule::kNotInThisContext;
                return check_run(function, instruction.b, kBuiltins[instruction.c].arguments);
            case RS_OP_PRINTF: {
                const rs_script_string& format = program_.string(instruction.c);
                format_bytes_ += format.length;
                if (format_bytes_ > kMaxFormatBytes)
                    return Rule::kTooLarge;
                if (!has_arguments(format, instruction.b))
                    return Rule::kBadFormat;
                return check_run(function, instruction.a, instruction.b);
            }
            default:
                return Rule::kAccepted;
        }
    }

    Rule check_run(const rs_script_function& function, u32 first, u32 count) const {
        return first <= function.registers && count <= function.registers - first
                   ? Rule::kAccepted
                   : Rule::kBadRegister;
    }

    /// Takes exactly `arguments` values.
    bool has_arguments(const rs_script_string& format, u32 arguments) const {
        if (arguments > RS_SCRIPT_MAX_ARGUMENTS)
            return false;
        FormatParser parser{program_.bytes() + format.offset, format.length};
        Conversion piece;
        u32 count = 0;
        while (parser.next(piece))
            count += piece.kind != ConversionKind::kText;
        return count == arguments;
    }

    /// Formats are parsed at each use; this bounds the work of many uses of a long one.
    static constexpr u64 kMaxFormatBytes = 0x100000;

    std::span<const u8> image_;
    const Limits& limits_;
    ProgramView program_;
    u64 format_bytes_ = 0;
};

}  // namespace

const char* rule_text(Rule rule) {
    const auto index = static_cast<u32>(rule);
    return index < sizeof(kRuleText) / sizeof(kRuleText[0]) ? kRuleText[index] : "unknown rule";
}

VerifyResult verify(std::span<const u8> image, const Limits& limits) {
    return Verifier{image, limits}.run();
}

}  // namespace ringside::script
