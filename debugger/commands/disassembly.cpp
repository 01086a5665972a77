// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/disassembly.hpp"

#include <Zycore/Format.h>
#include <Zydis/Zydis.h>
#include <fmt/format.h>

#include <array>

#include "commands/token.hpp"

namespace ringside::commands {
namespace {

struct Instruction {
    ZydisDecodedInstruction head;
    std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands;
};

bool decode(std::span<const std::byte> bytes, bool is_long_mode, Instruction& instruction) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder,
                     is_long_mode ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
                     is_long_mode ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes.data(), bytes.size(),
                                               &instruction.head, instruction.operands.data()));
}

/// A formatter whose absolute addresses go through a namer.
struct NamingFormatter {
    ZydisFormatter formatter{};
    ZydisFormatterFunc usual = nullptr;
    const SymbolNamer* name_of = nullptr;
    Syntax syntax = Syntax::kIntel;
    u64 at = 0;  ///< of the instruction; MASM's formatter forgets it
};

/// Whether what an operand says is an address: behind fs and gs it is a distance.
bool is_address(const ZydisDecodedOperand& operand) {
    return operand.type != ZYDIS_OPERAND_TYPE_MEMORY ||
           (operand.mem.segment != ZYDIS_REGISTER_FS && operand.mem.segment != ZYDIS_REGISTER_GS);
}

/// 0ffffffff81c3a2e0h: a number begins with a digit.
std::string masm_number(u64 value) {
    const std::string digits = fmt::format("{:x}", value);
    return (digits.front() >= 'a' ? "0" : "") + digits + "h";
}

ZyanStatus append(ZydisFormatterBuffer* buffer, ZydisTokenType token, const std::string& text) {
    ZYAN_CHECK(ZydisFormatterBufferAppend(buffer, token));
    ZyanString* string = nullptr;
    ZYAN_CHECK(ZydisFormatterBufferGetString(buffer, &string));
    return ZyanStringAppendFormat(string, "%s", text.c_str());
}

ZyanStatus print_address(const ZydisFormatter* formatter, ZydisFormatterBuffer* buffer,
                         ZydisFormatterContext* context) {
    const auto& naming = *static_cast<const NamingFormatter*>(context->user_data);
    ZyanU64 address = 0;
    if (!ZYAN_SUCCESS(
            ZydisCalcAbsoluteAddress(context->instruction, context->operand, naming.at, &address)))
        return naming.usual(formatter, buffer, context);
    const std::string name = *naming.name_of != nullptr && is_address(*context->operand)
                                 ? (*naming.name_of)(address)
                                 : "";
    if (!name.empty())
        return append(buffer, ZYDIS_TOKEN_SYMBOL, fmt::format("{} (0x{:x})", name, address));
    // Zydis' own form counts from the instruction: "$+15h".
    if (naming.syntax == Syntax::kMasm)
        return append(buffer, ZYDIS_TOKEN_ADDRESS_ABS, masm_number(address));
    return naming.usual(formatter, buffer, context);
}

ZydisFormatterStyle style_of(Syntax syntax) {
    switch (syntax) {
        case Syntax::kAtt:
            return ZYDIS_FORMATTER_STYLE_ATT;
        case Syntax::kMasm:
            return ZYDIS_FORMATTER_STYLE_INTEL_MASM;
        case Syntax::kIntel:
            break;
    }
    return ZYDIS_FORMATTER_STYLE_INTEL;
}

std::string text_of(const Instruction& instruction, u64 address, Syntax syntax,
                    const SymbolNamer& name_of) {
    NamingFormatter naming;
    ZydisFormatterInit(&naming.formatter, style_of(syntax));
    ZydisFormatterSetProperty(&naming.formatter, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE);
    const void* hook = reinterpret_cast<const void*>(&print_address);
    ZydisFormatterSetHook(&naming.formatter, ZYDIS_FORMATTER_FUNC_PRINT_ADDRESS_ABS, &hook);
    naming.usual = reinterpret_cast<ZydisFormatterFunc>(const_cast<void*>(hook));
    naming.name_of = &name_of;
    naming.syntax = syntax;
    naming.at = address;
    std::array<char, 512> text{};
    if (!ZYAN_SUCCESS(ZydisFormatterFormatInstruction(
            &naming.formatter, &instruction.head, instruction.operands.data(),
            instruction.head.operand_count_visible, text.data(), text.size(), address, &naming)))
        return "(bad)";
    return text.data();
}

}  // namespace

Syntax syntax_called(std::string_view word) {
    return same_word(word, "att")    ? Syntax::kAtt
           : same_word(word, "masm") ? Syntax::kMasm
                                     : Syntax::kIntel;
}

std::size_t instruction_length(std::span<const std::byte> bytes, bool is_long_mode) {
    Instruction instruction;
    return decode(bytes, is_long_mode, instruction) ? instruction.head.length : 0;
}

bool runs_to_next(std::span<const std::byte> bytes, bool is_long_mode) {
    Instruction instruction;
    if (!decode(bytes, is_long_mode, instruction))
        return false;
    constexpr ZydisInstructionAttributes kRepeated =
        ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE;
    const auto category = instruction.head.meta.category;
    return category == ZYDIS_CATEGORY_CALL || category == ZYDIS_CATEGORY_SYSCALL ||
           (instruction.head.attributes & kRepeated) != 0;
}

std::optional<u64> direct_target(u64 address, std::span<const std::byte> bytes, bool is_long_mode) {
    Instruction instruction;
    if (!decode(bytes, is_long_mode, instruction))
        return std::nullopt;
    const ZydisDecodedOperand& first = instruction.operands[0];
    ZyanU64 target = 0;
    if (instruction.head.operand_count_visible == 0 || first.type != ZYDIS_OPERAND_TYPE_IMMEDIATE ||
        first.imm.is_relative == 0 ||
        !ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&instruction.head, &first, address, &target)))
        return std::nullopt;
    return target;
}

std::size_t call_length_before(std::span<const std::byte> bytes, bool is_long_mode) {
    // Direct calls are the most frequent by far; then the shorter, which fit by chance the less.
    for (const std::size_t length : {5u, 2u, 3u, 4u, 6u, 7u, 8u}) {
        if (bytes.size() < length)
            continue;
        Instruction instruction;
        if (decode(bytes.last(length), is_long_mode, instruction) &&
            instruction.head.length == length &&
            instruction.head.meta.category == ZYDIS_CATEGORY_CALL)
            return length;
    }
    return 0;
}

std::string instruction_text(u64 address, std::span<const std::byte> bytes, bool is_long_mode,
                             Syntax syntax, const SymbolNamer& name_of) {
    Instruction instruction;
    return decode(bytes, is_long_mode, instruction) ? text_of(instruction, address, syntax, name_of)
                                                    : "(bad)";
}

std::string instruction_line(u64 address, std::span<const std::byte> bytes, bool is_long_mode,
                             Syntax syntax, const SymbolNamer& name_of) {
    Instruction instruction;
    const bool is_good = decode(bytes, is_long_mode, instruction);
    const std::size_t length = is_good ? instruction.head.length : bytes.empty() ? 0 : 1;
    std::string code;
    for (const std::byte byte : bytes.first(length))
        code += fmt::format("{:02X}", static_cast<unsigned>(byte));
    return fmt::format("{}    {:<36}{}", address_text(address), code,
                       is_good ? text_of(instruction, address, syntax, name_of) : "(bad)");
}

std::string symbol_line(u64 address, const SymbolNamer& name_of) {
    const std::string name = name_of ? name_of(address) : "";
    return name.empty() ? name : name + ":";
}

std::string address_text(u64 address) {
    return fmt::format("{:08x}`{:08x}", address >> 32, address & 0xffff'ffff);
}

}  // namespace ringside::commands
