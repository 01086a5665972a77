// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/symbol_names.hpp"

#include <fmt/format.h>

#include <charconv>

#include "commands/session.hpp"

namespace ringside::commands {
namespace {

// The lower half is processes', which have no names in the kernel.
constexpr u64 kKernelHalf = u64{1} << 63;

/// The number at the front of "0x10/0x40".
u64 hex_at(std::string_view& text) {
    u64 value = 0;
    if (text.starts_with("0x"))
        text.remove_prefix(2);
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
    return value;
}

}  // namespace

std::string SymbolPlace::text() const {
    return offset == 0 ? name : fmt::format("{}+0x{:x}", name, offset);
}

SymbolPlace parse_symbol(std::string_view symbol) {
    const std::size_t open = symbol.find('[');
    const std::string_view module =
        open == std::string_view::npos ? "vmlinux"
                                       : symbol.substr(open + 1, symbol.find(']', open) - open - 1);
    SymbolPlace place;
    std::string_view rest = symbol.substr(0, symbol.find(' '));
    const std::size_t plus = rest.rfind("+0x");
    place.name = fmt::format("{}!{}", module, rest.substr(0, plus));
    if (plus != std::string_view::npos) {
        rest.remove_prefix(plus + 1);
        place.offset = hex_at(rest);
        if (rest.starts_with('/')) {
            rest.remove_prefix(1);
            place.size = hex_at(rest);
        }
    }
    return place;
}

std::string kernel_name(std::string_view name) {
    const std::size_t mark = name.find('!');
    if (mark == std::string_view::npos)
        return std::string{name};
    const std::string_view module = name.substr(0, mark);
    const std::string_view symbol = name.substr(mark + 1);
    const bool is_kernel = module == "vmlinux" || module == "nt" || module == "kernel";
    return is_kernel ? std::string{symbol} : fmt::format("{}:{}", module, symbol);
}

AddressNames::AddressNames(Session& session)
    : session_{session}, is_on_{session.settings().is_on(Setting::kAddressConversion)} {}

const SymbolPlace* AddressNames::at(u64 address) {
    if (!is_on_)
        return nullptr;
    auto known = known_.find(address);
    if (known == known_.end())
        known = known_.emplace(address, ask(address)).first;
    return known->second ? &*known->second : nullptr;
}

std::optional<SymbolPlace> AddressNames::ask(u64 address) {
    if (const auto added = session_.added_symbols().at(address))
        return SymbolPlace{.name = fmt::format("{}!{}", added->file.module, added->symbol.name),
                           .offset = address - added->symbol.address,
                           .size = added->symbol.size};
    if (address < kKernelHalf)
        return std::nullopt;
    const auto symbol = session_.debuggee().symbol_at(address);
    return symbol ? std::optional{parse_symbol(*symbol)} : std::nullopt;
}

std::string AddressNames::text(u64 address) {
    const SymbolPlace* place = at(address);
    return place != nullptr ? place->text() : "";
}

SymbolNamer AddressNames::namer() {
    return [this](u64 address) { return text(address); };
}

debuggee::Reply<u64> address_of_name(Session& session, std::string_view name) {
    if (const auto added = session.added_symbols().find(name))
        return *added;
    return session.debuggee().address_of(kernel_name(name));
}

std::optional<u64> DebuggeeSymbols::find_symbol(std::string_view name) const {
    const auto address = address_of_name(session_, name);
    return address ? std::optional<u64>{*address} : std::nullopt;
}

}  // namespace ringside::commands
