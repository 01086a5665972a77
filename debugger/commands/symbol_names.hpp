// SPDX-License-Identifier: GPL-3.0-or-later
// The debuggee's symbols as commands and scripts use them: names of addresses, addresses of names.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "commands/disassembly.hpp"
#include "debuggee/debuggee.hpp"
#include "language/checker.hpp"

namespace ringside::commands {

class Session;

/// What the kernel says of an address, taken apart.
struct SymbolPlace {
    std::string name;  ///< "vmlinux!schedule", without a distance
    u64 offset = 0;    ///< of the address from where it begins
    u64 size = 0;      ///< of what the name stands for, 0 if unknown

    /// "vmlinux!schedule+0x10"
    std::string text() const;
};

/// Reads the kernel's "irq+0x10/0x40 [nvme]".
SymbolPlace parse_symbol(std::string_view symbol);

/// "nvme:irq" of "nvme!irq", "jiffies" of "vmlinux!jiffies", "nt!jiffies", "kernel!jiffies" and
/// "jiffies": as Debuggee::address_of() wants it.
std::string kernel_name(std::string_view name);

/// Names of addresses, each asked for once.
class AddressNames {
public:
    explicit AddressNames(Session& session);

    /// Nothing if nothing known stands there, or the user wants no names ('addressconversion').
    const SymbolPlace* at(u64 address);
    /// The same as text, empty for none.
    std::string text(u64 address);
    SymbolNamer namer();

private:
    std::optional<SymbolPlace> ask(u64 address);

    Session& session_;
    bool is_on_;
    std::map<u64, std::optional<SymbolPlace>> known_;
};

/// Where "module!name" stands: the user's own, else the debuggee's; c000100d if nowhere.
debuggee::Reply<u64> address_of_name(Session& session, std::string_view name);

/// `module!name` of scripts.
class DebuggeeSymbols final : public language::SymbolResolver {
public:
    explicit DebuggeeSymbols(Session& session) : session_{session} {}
    std::optional<u64> find_symbol(std::string_view name) const override;

private:
    Session& session_;
};

}  // namespace ringside::commands
