// SPDX-License-Identifier: GPL-3.0-or-later
// Symbols of files that the user has named ('.sym add'), beside those of the debuggee's kernel.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "debuggee/look.hpp"
#include "symbols/elf_symbols.hpp"

namespace ringside::commands {

class AddedSymbols {
public:
    /// In place of what that module had.
    void add(symbols::SymbolFile file);
    void clear() { files_.clear(); }
    const std::vector<symbols::SymbolFile>& files() const { return files_; }

    /// @param name  "module!name"
    std::optional<u64> find(std::string_view name) const;
    /// What stands at an address: the symbol and the name of its module.
    struct Place {
        const symbols::SymbolFile& file;
        const symbols::FileSymbol& symbol;
    };
    std::optional<Place> at(u64 address) const;
    /// Those that match "module!pattern", with '*' and '?'.
    std::vector<debuggee::Symbol> matching(std::string_view pattern) const;

private:
    std::vector<symbols::SymbolFile> files_;
};

/// '*' stands for anything, '?' for one character.
bool matches_pattern(std::string_view pattern, std::string_view text);

}  // namespace ringside::commands
