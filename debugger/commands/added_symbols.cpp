// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/added_symbols.hpp"

#include <algorithm>

namespace ringside::commands {
namespace {

/// "busybox" and "main" of "busybox!main".
struct SplitName {
    std::string_view module;
    std::string_view name;
};
std::optional<SplitName> split(std::string_view text) {
    const std::size_t mark = text.find('!');
    if (mark == std::string_view::npos)
        return std::nullopt;
    return SplitName{text.substr(0, mark), text.substr(mark + 1)};
}

/// How far a symbol without a size reaches if none follows it.
constexpr u64 kLastBytes = 0x1000;

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view text) {
    // Behind a '*' that did not fit, it is tried one character further.
    std::size_t at = 0, in_text = 0, star = std::string_view::npos, behind = 0;
    while (in_text < text.size()) {
        if (at < pattern.size() && pattern[at] == '*') {
            star = at++;
            behind = in_text;
        } else if (at < pattern.size() && (pattern[at] == '?' || pattern[at] == text[in_text])) {
            ++at;
            ++in_text;
        } else if (star != std::string_view::npos) {
            at = star + 1;
            in_text = ++behind;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

void AddedSymbols::add(symbols::SymbolFile file) {
    std::erase_if(files_,
                  [&](const symbols::SymbolFile& each) { return each.module == file.module; });
    files_.push_back(std::move(file));
}

std::optional<u64> AddedSymbols::find(std::string_view name) const {
    const auto wanted = split(name);
    for (const symbols::SymbolFile& file : files_) {
        if (!wanted || file.module != wanted->module)
            continue;
        const auto found =
            std::ranges::find(file.symbols, wanted->name, &symbols::FileSymbol::name);
        if (found != file.symbols.end())
            return found->address;
    }
    return std::nullopt;
}

std::optional<AddedSymbols::Place> AddedSymbols::at(u64 address) const {
    for (const symbols::SymbolFile& file : files_) {
        auto next =
            std::ranges::upper_bound(file.symbols, address, {}, &symbols::FileSymbol::address);
        if (next == file.symbols.begin())
            continue;
        // Of several at one address the one that has a size.
        auto found = std::prev(next);
        while (found->size == 0 && found != file.symbols.begin() &&
               std::prev(found)->address == found->address)
            --found;
        const u64 end = found->size != 0             ? found->address + found->size
                        : next != file.symbols.end() ? next->address
                                                     : found->address + kLastBytes;
        if (address < end)
            return Place{file, *found};
    }
    return std::nullopt;
}

std::vector<debuggee::Symbol> AddedSymbols::matching(std::string_view pattern) const {
    std::vector<debuggee::Symbol> found;
    const auto wanted = split(pattern);
    for (const symbols::SymbolFile& file : files_) {
        if (!wanted || !matches_pattern(wanted->module, file.module))
            continue;
        for (const symbols::FileSymbol& symbol : file.symbols)
            if (matches_pattern(wanted->name, symbol.name))
                found.push_back({.address = symbol.address,
                                 .name = file.module + "!" + symbol.name,
                                 .type = symbol.type});
    }
    return found;
}

}  // namespace ringside::commands
