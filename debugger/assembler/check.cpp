// SPDX-License-Identifier: GPL-3.0-or-later
#include "assembler/check.hpp"

#include <Zydis/Zydis.h>
#include <fmt/format.h>

#include <charconv>
#include <vector>

#include "assembler/statements.hpp"

namespace ringside::assembler {
namespace {

struct Literal {
    std::string_view text;
    u64 magnitude;
    bool is_negative;
};

/// A number as the assembler reads it: 0x hexadecimal, 0b binary, 0 octal, else decimal.
std::optional<Literal> literal(std::string_view operand) {
    Literal result{operand, 0, operand.starts_with('-')};
    std::string_view digits = operand.substr(result.is_negative || operand.starts_with('+'));
    int base = 10;
    if (digits.starts_with("0x") || digits.starts_with("0X"))
        base = 16;
    else if (digits.starts_with("0b") || digits.starts_with("0B"))
        base = 2;
    else if (digits.size() > 1 && digits.starts_with('0'))
        base = 8;
    if (base == 16 || base == 2)
        digits.remove_prefix(2);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), result.magnitude, base);
    if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size())
        return std::nullopt;
    return result;
}

bool fits(const Literal& number, u64 encoded, unsigned bits) {
    const u64 value = number.is_negative ? 0 - number.magnitude : number.magnitude;
    if (value == encoded || bits >= 64)
        return value == encoded;
    const u64 limit = 1ull << bits;
    const bool is_in_range =
        number.is_negative ? number.magnitude <= limit / 2 : number.magnitude < limit;
    return is_in_range && ((value ^ encoded) & (limit - 1)) == 0;
}

}  // namespace

std::optional<Misfit> find_misfit(std::string_view instruction, std::span<const u8> code) {
    std::vector<Literal> written;
    for (const std::string_view operand : operands_of(instruction))
        if (const auto number = literal(operand))
            written.push_back(*number);
    if (written.empty())
        return std::nullopt;
    ZydisDecoder decoder;
    ZydisDecodedInstruction decoded;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!ZYAN_SUCCESS(
            ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) ||
        !ZYAN_SUCCESS(
            ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &decoded, operands)))
        return std::nullopt;
    std::vector<const ZydisDecodedOperand*> immediates;
    for (unsigned i = 0; i < decoded.operand_count_visible; ++i)
        if (operands[i].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
            immediates.push_back(&operands[i]);
    if (immediates.size() != written.size())
        return std::nullopt;  // an address, or a form that has no number of its own
    for (std::size_t i = 0; i < written.size(); ++i) {
        if (immediates[i]->imm.is_relative)
            continue;
        const unsigned bits = operands[0].size;
        if (!fits(written[i], immediates[i]->imm.value.u, bits))
            return Misfit{fmt::format("value {} does not fit in {} bits", written[i].text,
                                      immediates[i]->size < bits ? immediates[i]->size : bits),
                          written[i].text};
    }
    return std::nullopt;
}

}  // namespace ringside::assembler
