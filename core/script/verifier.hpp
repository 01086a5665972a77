// SPDX-License-Identifier: GPL-2.0-or-later
// Decides whether a script image may run. Trusts nothing in it; linear in its size. Script
// language section 17 "Execution model in root mode".
#pragma once

#include <span>

#include "base/types.hpp"
#include "ringside/bytecode.h"
#include "script/program.hpp"

namespace ringside::script {

/// X(enumerator, what the image violates)
#define RS_SCRIPT_RULE_TABLE(X)                                                 \
    X(kAccepted, "accepted")                                                    \
    X(kTooShort, "shorter than its header")                                     \
    X(kBadMagic, "not a script image")                                          \
    X(kBadVersion, "made for another version")                                  \
    X(kBadFlags, "unknown or forbidden flag")                                   \
    X(kBadLength, "length differs from the bytes given")                        \
    X(kBadReserved, "reserved field is not zero")                               \
    X(kBadSection, "section outside of the image or misaligned")                \
    X(kTooLarge, "larger than the limits allow")                                \
    X(kBadFunction, "functions do not share the code, or have wrong arguments") \
    X(kTooManyRegisters, "too many virtual registers")                          \
    X(kBadString, "string outside of its section or not terminated")            \
    X(kBadName, "name of a global is empty, too long or has a wrong character") \
    X(kUnknownOpcode, "unknown opcode")                                         \
    X(kUnusedOperand, "operand that is not used is not zero")                   \
    X(kBadRegister, "virtual register out of range")                            \
    X(kBadTarget, "jump out of the function")                                   \
    X(kBadConstant, "constant out of range")                                    \
    X(kBadGlobal, "global out of range")                                        \
    X(kBadStringIndex, "string out of range")                                   \
    X(kBadFormat, "arguments do not fit the format")                            \
    X(kBadMachineRegister, "unknown register")                                  \
    X(kFixedRegister, "register that cannot be written")                        \
    X(kBadPseudoRegister, "unknown pseudo-register")                            \
    X(kBadBuiltin, "unknown builtin")                                           \
    X(kNotInThisContext, "builtin not allowed here")                            \
    X(kBadCall, "unknown function")                                             \
    X(kBadWidth, "width that the instruction does not have")                    \
    X(kBadShiftCount, "shift count out of range")                               \
    X(kNotACondition, "a condition may not print or store")                     \
    X(kFallsOffTheEnd, "runs past the end of the function")

enum class Rule : u32 {
#define RS_SCRIPT_ENUM(name, text) name,
    RS_SCRIPT_RULE_TABLE(RS_SCRIPT_ENUM)
#undef RS_SCRIPT_ENUM
};

/// The sentence of the table.
const char* rule_text(Rule rule);

/// What the receiver allows.
struct Limits {
    u32 max_instructions = RS_SCRIPT_MAX_INSTRUCTIONS;
    u32 max_constant_bytes = RS_SCRIPT_MAX_CONSTANT_BYTES;
    u32 max_globals = RS_SCRIPT_MAX_GLOBALS;
    bool in_event = true;  ///< event_sc() is allowed
};

struct VerifyResult {
    Rule rule = Rule::kAccepted;
    u32 instruction = 0;  ///< index of the offending instruction, 0 for rules of the header
    explicit operator bool() const { return rule == Rule::kAccepted; }
};

/// Checks `image` (any bytes, aligned to 8) completely. The caller must own the bytes: they may not
/// change between this call and the last run. Accepted: `ProgramView{image.data()}` can be linked.
VerifyResult verify(std::span<const u8> image, const Limits& limits);

}  // namespace ringside::script
