// SPDX-License-Identifier: GPL-3.0-or-later
#include "assembler/check.hpp"

#include <Zydis/Zydis.h>
#include <fmt/format.h>

#include <vector>

#include "assembler/statements.hpp"

namespace ringside::assembler {
namespace {

struct Written {
    std::string_view text;
    std::optional<i128> value;
};

/// Whether `value` is what the instruction has in `bits` bits, read as signed or as unsigned.
bool fits(i128 value, u64 encoded, unsigned bits) {
    const i128 limit = i128{1} << bits;
    return value >= -limit / 2 && value < limit &&
           ((static_cast<u64>(value) ^ encoded) & static_cast<u64>(limit - 1)) == 0;
}

std::optional<Misfit> misfit_of(const Written& written, const ZydisDecodedOperand& immediate,
                                unsigned bits) {
    if (!written.value || immediate.imm.is_relative != 0 ||
        fits(*written.value, immediate.imm.value.u, bits))
        return std::nullopt;
    const unsigned room = immediate.size < bits ? immediate.size : bits;
    return Misfit{fmt::format("value {} does not fit in {} bits", written.text, room), written.text,
                  room == 32 ? "'movabs' takes 64 bits into a register" : ""};
}

std::optional<Misfit> misfit_of_displacement(const Written& written,
                                             const ZydisDecodedOperand& memory,
                                             unsigned address_bits) {
    const auto encoded = static_cast<u64>(memory.mem.disp.value);
    if (!written.value)
        return std::nullopt;
    const u64 cut = address_bits == 32 ? 0xffffffffU : ~u64{0};
    if (((static_cast<u64>(*written.value) ^ encoded) & cut) == 0)
        return std::nullopt;
    return Misfit{fmt::format("the displacement of {} does not fit in 32 bits", written.text),
                  written.text, "go through a register, as in 'movabs rax, name; mov rax, [rax]'"};
}

}  // namespace

std::optional<Misfit> find_misfit(std::string_view instruction, std::span<const u8> code,
                                  const Values& values) {
    std::vector<Written> numbers, places;
    for (const std::string_view text : operands_of(instruction)) {
        const Operand operand = read_operand(text, values);
        if (operand.kind == Operand::Kind::kNumber)
            numbers.push_back({text, operand.value});
        else if (operand.kind == Operand::Kind::kMemory)
            places.push_back({text, operand.value});
    }
    if (numbers.empty() && places.empty())
        return std::nullopt;
    ZydisDecoder decoder;
    ZydisDecodedInstruction decoded;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!ZYAN_SUCCESS(
            ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) ||
        !ZYAN_SUCCESS(
            ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &decoded, operands)))
        return std::nullopt;
    std::vector<const ZydisDecodedOperand*> immediates, memories;
    for (unsigned i = 0; i < decoded.operand_count_visible; ++i) {
        if (operands[i].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
            immediates.push_back(&operands[i]);
        else if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
            memories.push_back(&operands[i]);
    }
    // Another number of them: a form that has none of its own, as 'shl eax, 1'.
    if (immediates.size() == numbers.size())
        for (std::size_t i = 0; i < numbers.size(); ++i)
            if (auto found = misfit_of(numbers[i], *immediates[i], operands[0].size))
                return found;
    if (memories.size() == 1 && places.size() == 1)
        return misfit_of_displacement(places[0], *memories[0], decoded.address_width);
    return std::nullopt;
}

}  // namespace ringside::assembler
