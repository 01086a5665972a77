// SPDX-License-Identifier: GPL-2.0-or-later
#include "script/machine_registers.hpp"

namespace ringside::script {

namespace {

constexpr u64 part_mask(const RegisterInfo& part) {
    return part.width == 64 ? ~u64{0} : (u64{1} << part.width) - 1;
}

}  // namespace

u64 read_machine_register(GuestAccess& guest, u32 id) {
    const RegisterInfo& part = kRegisters[id];
    return (guest.read_register(part.full) >> part.shift) & part_mask(part);
}

bool write_machine_register(GuestAccess& guest, u32 id, u64 value) {
    const RegisterInfo& part = kRegisters[id];
    if (part.kind == RS_KIND_FIXED)
        return false;
    if (part.width == 64)
        return guest.write_register(part.full, value);
    if (part.width == 1)
        value = value != 0;
    const u64 mask = part_mask(part) << part.shift;
    const u64 old = guest.read_register(part.full);
    return guest.write_register(part.full, (old & ~mask) | ((value << part.shift) & mask));
}

}  // namespace ringside::script
