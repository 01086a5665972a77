// SPDX-License-Identifier: GPL-3.0-or-later
// Images that no compiler makes. The input's first byte splits the instructions behind it, four
// bytes each, into functions; an operand's byte is brought into the range of its kind unless it is
// one of the last sixteen. Whatever the verifier accepts must run within its limits, by the
// interpreter and by machine code alike.
#include "fuzz/script_runs.hpp"
#include "language/image_builder.hpp"
#include "script/opcode_info.hpp"
#include "script/verifier.hpp"

namespace {

using namespace ringside;

constexpr u32 kRegisters = 12;
constexpr u32 kConstants = 6;
constexpr u32 kStrings = 3;
constexpr u32 kGlobals = 2;
constexpr u32 kDataBytes = 64;
constexpr u8 kFirstHostile = 0xf0;

u32 operand_of(rs_script_operand kind, u8 byte, u32 instructions, u32 functions) {
    if (byte >= kFirstHostile)
        return 0xff00u | byte;
    switch (kind) {
        case RS_OPERAND_NONE:
            return 0;
        case RS_OPERAND_TO:
        case RS_OPERAND_FROM:
        case RS_OPERAND_FIRST:
            return byte % kRegisters;
        case RS_OPERAND_IMM:
        case RS_OPERAND_LOW:
            return static_cast<u16>(static_cast<s8>(byte));
        case RS_OPERAND_HIGH:
            return byte & 1 ? 0xffff : 0;
        case RS_OPERAND_COUNT:
        case RS_OPERAND_MACHINE:
        case RS_OPERAND_PSEUDO:
            return byte;
        case RS_OPERAND_TARGET:
            return byte % instructions;
        case RS_OPERAND_CONSTANT:
            return byte % kConstants;
        case RS_OPERAND_GLOBAL:
            return byte % kGlobals;
        case RS_OPERAND_STRING:
        case RS_OPERAND_FORMAT:
            return byte % kStrings;
        case RS_OPERAND_BUILTIN:
            return byte % RS_BUILTIN_COUNT;
        case RS_OPERAND_FUNCTION:
            return byte % functions;
    }
    return byte;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    if (size < 5)
        return 0;
    const auto count = static_cast<u32>((size - 1) / 4 < 256 ? (size - 1) / 4 : 256);
    const u32 functions = 1 + data[0] % 3;
    const u32 length = (count + functions - 1) / functions;
    language::ImageBuilder builder;
    for (const u64 value :
         {u64{0}, u64{1}, ~u64{0}, u64{fuzz::kMemory}, u64{1} << 63, u64{0x4009'21fb'5444'2d18}})
        builder.constant(value);
    for (const char* text : {"", "%d %s", "plain"})
        builder.string(text);
    builder.set_data(std::vector<u8>(kDataBytes, u8{7}));
    // Each function takes its part and returns behind it, so that its end is well-formed.
    u32 taken = 0;
    for (u32 function = 0; function < functions; ++function) {
        builder.begin_function(function);
        for (u32 i = 0; i < length && taken < count; ++i, ++taken) {
            const u8* in = data + 1 + usize{taken} * 4;
            const u32 op = in[0] >= kFirstHostile ? in[0] : in[0] % RS_OPCODE_COUNT;
            u32 operands[3] = {in[1], in[2], in[3]};
            if (op < RS_OPCODE_COUNT)
                for (u32 k = 0; k < 3; ++k)
                    operands[k] = operand_of(script::kOpcodes[op].operand[k], in[1 + k],
                                             count + functions, functions);
            builder.emit(static_cast<rs_script_opcode>(op), operands[0], operands[1], operands[2]);
        }
        builder.emit(RS_OP_RETURN);
        builder.end_function(kRegisters);
    }
    const std::vector<u8> image = builder.build({"one", "two"});
    if (script::verify(image, {}))
        fuzz::run_both(image);
    return 0;
}
