// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmx/ept.hpp"

namespace ringside::vmx {

using x86::page::span;

Result<void> map_identity(memory::PageTable<EptFormat>& table, const memory::Mtrrs& types, u64 end,
                          u32 max_level) {
    for (u64 address = 0; address < end;) {
        u32 level = max_level;
        memory::Mtrrs::Answer answer;
        for (;; --level) {
            if (address & (span(level) - 1) || end - address < span(level))
                continue;
            answer = types.type_of(address, span(level));
            if (answer.is_uniform || level == 1)
                break;
        }
        RS_TRY(
            table.map(address, span(level), Hpa{address}, EptFormat::rights(answer.type), level));
        address += span(level);
    }
    return {};
}

}  // namespace ringside::vmx
