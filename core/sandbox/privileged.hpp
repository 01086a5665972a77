// SPDX-License-Identifier: GPL-2.0-or-later
// The privileged instructions user code may use: those that only read, and CLI and STI. Root mode
// carries them out with what the guest has. Also those that wait at any privilege level, which
// nothing in root mode would end.
// Source: Intel SDM vol. 2 appendix A "Opcode Map", chapter 2 "Instruction Format".
#pragma once

#include "base/types.hpp"

namespace ringside::sandbox {

/// One such instruction.
struct Privileged {
    enum class Kind : u8 {
        kNone,         ///< not one of them
        kNothing,      ///< CLI, STI
        kReadControl,  ///< MOV from CR`number`
        kReadDebug,    ///< MOV from DR`number`
        kReadStatus,   ///< SMSW
        kReadMsr,      ///< RDMSR
        kReadCounter,  ///< RDPMC
        kStoreGdt,     ///< SGDT
        kStoreIdt,     ///< SIDT
        kStoreLdt,     ///< SLDT
        kStoreTask,    ///< STR
        kWait,         ///< MWAITX, UMWAIT, TPAUSE
    };
    Kind kind = Kind::kNone;
    u8 length = 0;           ///< bytes of the whole instruction
    u8 number = 0;           ///< of the register read
    u8 operand = 0;          ///< general register that takes the result, by its encoding
    u8 operand_bytes = 8;    ///< how much of it is written: 2, 4 (the rest becomes 0) or 8
    bool is_memory = false;  ///< the result goes to memory: see the members below

    // The memory operand: base + index * scale + displacement; kNoRegister: without.
    static constexpr u8 kNoRegister = 0xff, kRip = 0xfe;
    u8 base = kNoRegister;
    u8 index = kNoRegister;
    u8 scale = 1;
    s32 displacement = 0;
    bool is_short = false;  ///< a 32-bit address
    u8 segment = 0;         ///< its prefix byte, 0x64 FS or 0x65 GS; 0: none that counts
};

/// Decodes the instruction at `bytes`, of which `count` may be read.
Privileged decode_privileged(const u8* bytes, usize count);

}  // namespace ringside::sandbox
