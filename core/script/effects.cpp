// SPDX-License-Identifier: GPL-2.0-or-later
#include "script/effects.hpp"

namespace ringside::script {

bool has_effect(const rs_script_instruction& instruction) {
    switch (instruction.op) {
        case RS_OP_STORE_GLOBAL:
        case RS_OP_GLOBAL_ADD:
        case RS_OP_GLOBAL_ADD_I:
        case RS_OP_GLOBAL_AND:
        case RS_OP_GLOBAL_OR:
        case RS_OP_GLOBAL_XOR:
        case RS_OP_WRITE_REGISTER:
        case RS_OP_STORE8:
        case RS_OP_STORE16:
        case RS_OP_STORE32:
        case RS_OP_STORE64:
        case RS_OP_ATOMIC_ADD:
        case RS_OP_ATOMIC_AND:
        case RS_OP_ATOMIC_OR:
        case RS_OP_ATOMIC_XOR:
        case RS_OP_EDIT8:
        case RS_OP_EDIT16:
        case RS_OP_EDIT32:
        case RS_OP_EDIT64:
        case RS_OP_EDIT8_PA:
        case RS_OP_EDIT16_PA:
        case RS_OP_EDIT32_PA:
        case RS_OP_EDIT64_PA:
        case RS_OP_PRINTF:
            return true;
        case RS_OP_CALL_BUILTIN:
            switch (instruction.c) {
                case RS_BUILTIN_TEST_STATEMENT:
                case RS_BUILTIN_CHECK_ADDRESS:
                case RS_BUILTIN_VIRTUAL_TO_PHYSICAL:
                case RS_BUILTIN_PHYSICAL_TO_VIRTUAL:
                case RS_BUILTIN_MEMCMP:
                case RS_BUILTIN_STRLEN:
                case RS_BUILTIN_WCSLEN:
                case RS_BUILTIN_STRCMP:
                case RS_BUILTIN_STRNCMP:
                case RS_BUILTIN_WCSCMP:
                case RS_BUILTIN_WCSNCMP:
                case RS_BUILTIN_WCSLEN32:
                case RS_BUILTIN_WCSCMP32:
                case RS_BUILTIN_WCSNCMP32:
                case RS_BUILTIN_DISASSEMBLE_LEN:
                case RS_BUILTIN_DISASSEMBLE_LEN32:
                case RS_BUILTIN_MICROSLEEP:
                case RS_BUILTIN_RDTSC:
                    return false;
                default:
                    return true;
            }
        default:
            return false;
    }
}

}  // namespace ringside::script
