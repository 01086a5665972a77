// SPDX-License-Identifier: GPL-3.0-or-later
// Who called whom in the kernel: its ORC tables say for every address where the caller's frame is.
// Pure, over a way to read memory. Linux' Documentation/x86/orc-unwinder.rst; the layout is that of
// arch/x86/include/asm/orc_types.h.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/types.hpp"

namespace ringside::commands {

/// Fills `into` from `address` on; false if a byte of it cannot be read.
using ReadMemory = std::function<bool(u64 address, std::span<std::byte> into)>;

/// What the bits behind the two registers of an entry mean.
enum class OrcFormat {
    kEndBit,     ///< to 6.2: type:2, end:1
    kSignalBit,  ///< 6.3: type:2, signal:1, end:1
    kTypes,      ///< from 6.4 on: type:3, signal:1
};

/// That of a kernel, by its release ("6.1.0-49-amd64").
OrcFormat orc_format(std::string_view release);

enum class OrcType { kUndefined, kEnd, kCall, kRegisters, kInterruptFrame };

struct OrcEntry {
    s16 sp_offset = 0;
    s16 bp_offset = 0;
    unsigned sp_register = 0;  ///< ORC_REG_*
    unsigned bp_register = 0;
    OrcType type = OrcType::kUndefined;
    bool is_signal = false;  ///< the address of the frame above is that of an instruction to come
};

inline constexpr std::size_t kOrcEntryBytes = 6;
OrcEntry decode_orc(std::span<const std::byte, kOrcEntryBytes> bytes, OrcFormat format);

/// The kernel's tables: where its symbols say they are.
struct OrcTables {
    u64 addresses = 0;      ///< __start_orc_unwind_ip
    u64 addresses_end = 0;  ///< __stop_orc_unwind_ip
    u64 entries = 0;        ///< __start_orc_unwind
    OrcFormat format = OrcFormat::kEndBit;

    bool is_there() const { return addresses != 0 && addresses < addresses_end && entries != 0; }
};

struct StackFrame {
    u64 address = 0;              ///< where it goes on; of the first, where the core stands
    u64 slot = 0;                 ///< stack address this was read from; 0 of the first
    bool is_interrupted = false;  ///< `address` is no return address
};

/// Registers of the frame to begin with; the last four are known in it alone.
struct UnwindStart {
    u64 rip = 0, rsp = 0, rbp = 0;
    u64 r10 = 0, r13 = 0, rdi = 0, rdx = 0;
};

enum class UnwindEnd {
    kComplete,     ///< the bottom of the stack
    kUser,         ///< user mode called
    kLimit,        ///< as many frames as were asked for
    kNoTable,      ///< no ORC entry, no frame pointer, and no return address on the stack
    kUndefined,    ///< the tables say that there is nothing to go by
    kUnreadable,   ///< the stack, or the tables
    kNoCode,       ///< what should be a return address is none
    kNoProgress,   ///< it would go round
    kLostRegister  ///< the tables go by a register that is not known any more
};

struct Backtrace {
    std::vector<StackFrame> frames;
    UnwindEnd end = UnwindEnd::kComplete;
    bool used_frame_pointers = false;
    bool used_guesses = false;  ///< the next return address on the stack was taken
};

/// A sentence without "err, ".
std::string_view describe(UnwindEnd end);

class Unwinder {
public:
    /// @param is_code  whether a return address may be this one: where no table tells
    Unwinder(ReadMemory read, OrcTables tables, std::function<bool(u64)> is_code);

    Backtrace unwind(const UnwindStart& start, std::size_t most_frames);

    /// The entry that covers `address`; nothing if none does or the tables cannot be read.
    std::optional<OrcEntry> find(u64 address);

private:
    struct State;
    std::optional<u64> word(u64 address);
    bool read_cached(u64 address, std::span<std::byte> into);
    std::optional<u64> code_address(u64 index);
    std::optional<UnwindEnd> step(State& state, Backtrace& trace);
    std::optional<UnwindEnd> step_without_table(State& state, Backtrace& trace);

    ReadMemory read_;
    OrcTables tables_;
    std::function<bool(u64)> is_code_;
    std::map<u64, std::vector<std::byte>> blocks_;  ///< of the tables
};

}  // namespace ringside::commands
