// SPDX-License-Identifier: GPL-3.0-or-later
// Assembly against the connected machine.
#pragma once

#include "assembler/assembler.hpp"
#include "debuggee/debuggee.hpp"

namespace ringside::commands {

/// Assembles `source` with the kernel's symbols of `debuggee`; null: there are none.
inline std::variant<std::vector<u8>, assembler::Error> assemble(std::string_view source,
                                                                debuggee::Debuggee* debuggee) {
    return assembler::assemble(source, [debuggee](const std::string& name) -> std::optional<u64> {
        if (debuggee == nullptr)
            return std::nullopt;
        const auto address = debuggee->address_of(name);
        return address ? std::optional{*address} : std::nullopt;
    });
}

}  // namespace ringside::commands
