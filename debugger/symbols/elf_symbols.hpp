// SPDX-License-Identifier: GPL-3.0-or-later
// The symbols of an ELF file that is mapped somewhere: a program, a library, a kernel module.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/types.hpp"

namespace ringside::symbols {

struct FileSymbol {
    u64 address = 0;
    u64 size = 0;  ///< 0: unknown
    std::string name;
    char type = 't';  ///< as in kallsyms: 't' code, 'd' data; upper case if it is global
};

struct SymbolFile {
    std::string module;  ///< "libc" of "/usr/lib/libc.so.6", "nvme_core" of "nvme-core.ko"
    std::vector<FileSymbol> symbols;  ///< ascending addresses
};

/// Reads `path`, whose first loaded byte is at `base`. Of a file to be linked, such as a module of
/// the kernel, only the code is known to lie as it does here: its symbols alone are given.
/// @return or a sentence without "err, "
std::variant<SymbolFile, std::string> read_symbols(const std::string& path, u64 base);

/// The name symbols of this file have in front of '!'.
std::string module_name(std::string_view path);

}  // namespace ringside::symbols
