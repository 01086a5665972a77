// SPDX-License-Identifier: GPL-3.0-or-later
// Meaning of the tree: names, types, constants, misplaced statements, warnings. Script language
// sections 4, 5, 7, 10 and 14.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "language/ast.hpp"
#include "language/diagnostic.hpp"
#include "language/global.hpp"

namespace ringside::language {

/// Where `module!name` is looked up; implemented over the symbol table by the debuggee.
class SymbolResolver {
public:
    virtual std::optional<u64> find_symbol(std::string_view name) const = 0;

protected:
    ~SymbolResolver() = default;
};

struct CheckOptions {
    bool in_event = false;
    std::span<const KnownGlobal> known_globals;
    const SymbolResolver* symbols = nullptr;  ///< may be null: no symbol is known
};

/// A local variable; its number is its place in the list.
struct LocalVariable {
    std::string_view name;
    Type type = kUnsignedLongType;
    bool is_typed = false;        ///< declared with a type
    bool address_taken = false;   ///< memory functions may change it
    std::optional<Type> pointee;  ///< what its address, if it holds one, points to
    u32 slot = 0;                 ///< first of its virtual registers
};

/// The script itself, or a function of the user.
struct CheckedFunction {
    std::vector<LocalVariable> locals;  ///< parameters first
    u32 slots = 0;                      ///< virtual registers they take
};

struct CheckResult {
    std::vector<CheckedFunction> functions;     ///< [0] is the script
    std::vector<u8> data;                       ///< first values of the 'static' variables
    std::vector<u8> percore;                    ///< of one copy of the 'percore' ones
    std::vector<std::string> globals;           ///< all that are used
    std::vector<KnownGlobal> globals_assigned;  ///< those this script assigns
};

/// Fills in the tree. Worth using only if nothing was reported as an error.
CheckResult check(Script& script, const CheckOptions& options, DiagnosticList& diagnostics);

}  // namespace ringside::language
