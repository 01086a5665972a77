// SPDX-License-Identifier: GPL-2.0-or-later
// Registers as scripts name them: parts of full machine registers, read and written through
// GuestAccess. Script language section 11.1 "Registers".
#pragma once

#include "base/types.hpp"
#include "script/guest_access.hpp"

namespace ringside::script {

struct RegisterInfo {
    const char* name;
    FullRegister full;
    u8 shift;
    u8 width;
    rs_script_register_kind kind;
};

inline constexpr RegisterInfo kRegisters[] = {
#define RS_SCRIPT_ROW(name, text, full, shift, width, kind) \
    {text, RS_FULL_##full, shift, width, RS_KIND_##kind},
    RS_SCRIPT_REGISTER_TABLE(RS_SCRIPT_ROW)
#undef RS_SCRIPT_ROW
};
static_assert(sizeof(kRegisters) / sizeof(kRegisters[0]) == RS_REGISTER_COUNT);

/// Value of the register or part `id` (enum rs_script_register), zero-extended.
u64 read_machine_register(GuestAccess& guest, u32 id);

/// Writes the part and keeps all other bits. A flag bit becomes 1 for every value but 0; other
/// parts take the low bits of `value`. False: refused.
bool write_machine_register(GuestAccess& guest, u32 id, u64 value);

}  // namespace ringside::script
