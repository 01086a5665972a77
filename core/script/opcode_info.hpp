// SPDX-License-Identifier: GPL-2.0-or-later
// The opcode and builtin tables of bytecode.h as data, for verifier, linker and disassembler.
#pragma once

#include "base/types.hpp"
#include "ringside/bytecode.h"

namespace ringside::script {

struct OpcodeInfo {
    const char* name;
    rs_script_operand operand[3];  ///< kinds of a, b, c
    const char* meaning;
};

inline constexpr OpcodeInfo kOpcodes[] = {
#define RS_SCRIPT_ROW(name, a, b, c, text) \
    {#name, {RS_OPERAND_##a, RS_OPERAND_##b, RS_OPERAND_##c}, text},
    RS_SCRIPT_OPCODE_TABLE(RS_SCRIPT_ROW)
#undef RS_SCRIPT_ROW
};
static_assert(sizeof(kOpcodes) / sizeof(kOpcodes[0]) == RS_OPCODE_COUNT);

struct BuiltinInfo {
    const char* name;  ///< upper case; the language's name in lower case
    u8 arguments;
    const char* meaning;
};

inline constexpr BuiltinInfo kBuiltins[] = {
#define RS_SCRIPT_ROW(name, arguments, text) {#name, arguments, text},
    RS_SCRIPT_BUILTIN_TABLE(RS_SCRIPT_ROW)
#undef RS_SCRIPT_ROW
};
static_assert(sizeof(kBuiltins) / sizeof(kBuiltins[0]) == RS_BUILTIN_COUNT);

/// Operands of an instruction by index 0 to 2.
constexpr u16 operand(const rs_script_instruction& instruction, u32 index) {
    return index == 0 ? instruction.a : index == 1 ? instruction.b : instruction.c;
}

}  // namespace ringside::script
