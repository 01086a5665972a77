// SPDX-License-Identifier: GPL-3.0-or-later
// Runs of a verified script image, for the targets that make such images.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "language/executable.hpp"
#include "script/globals.hpp"
#include "script/vm.hpp"
#include "support/script_guest.hpp"

namespace ringside::fuzz {

inline constexpr u64 kMemory = 0x1000;
inline constexpr u64 kBudget = 20'000;

/// What a run leaves that another one must leave as well.
struct Traces {
    script::RunResult result;
    std::string text;
    std::vector<u64> slots;
    std::vector<u8> memory;
};

inline Traces run(std::vector<u8> image, bool by_machine_code) {
    static script::GlobalTable table;
    static script::Frame frame;
    static language::Executable executable;
    Traces traces;
    traces.slots.resize(RS_SCRIPT_MAX_GLOBALS);
    table.clear();
    if (!script::link(image, table))
        return traces;
    test::ScriptGuest guest;
    guest.map(kMemory, std::vector<u8>(kPageSize, u8{'a'}));
    for (u64& value : guest.registers)
        value = kMemory;
    test::RecordingHooks hooks;
    script::RunContext context;
    context.budget = kBudget;
    context.lock_limit_ticks = 100;
    context.in_event = true;
    frame.run_number = 0;
    const script::ProgramView program{image.data()};
    const script::GlobalStore globals{traces.slots.data(), table.count()};
    if (by_machine_code && executable.make(program))
        traces.result = script::run_machine_code(executable.code(), program, frame, context, guest,
                                                 hooks, globals);
    else
        traces.result = script::run(program, frame, context, guest, hooks, globals);
    traces.text = hooks.text;
    traces.memory = guest.area(kMemory);
    // The last instruction may be one of the expensive ones.
    constexpr u64 kMostExpensive = 0x20'000;
    if (traces.result.operations > kBudget + kMostExpensive) {
        std::fprintf(stderr, "%llu operations\n",
                     static_cast<unsigned long long>(traces.result.operations));
        std::abort();
    }
    return traces;
}

/// Scripts that look at a clock differ from run to run.
inline bool reads_clock(const std::vector<u8>& image) {
    const script::ProgramView program{image.data()};
    for (u32 i = 0; i < program.code_count(); ++i) {
        const rs_script_instruction& in = program.code()[i];
        if ((in.op == RS_OP_CALL_BUILTIN &&
             (in.c == RS_BUILTIN_RDTSC || in.c == RS_BUILTIN_MICROSLEEP ||
              in.c == RS_BUILTIN_SPINLOCK_LOCK || in.c == RS_BUILTIN_SPINLOCK_LOCK_CUSTOM_WAIT)) ||
            (in.op == RS_OP_READ_PSEUDO && (in.b == RS_PSEUDO_DATE || in.b == RS_PSEUDO_TIME)))
            return true;
    }
    return false;
}

/// Runs a verified image by the interpreter and by machine code; what they leave must be the same.
inline void run_both(const std::vector<u8>& image) {
    const Traces one = run(image, false), other = run(image, true);
    if (reads_clock(image))
        return;
    if (one.result.error != other.result.error || one.result.pc != other.result.pc ||
        one.result.value != other.result.value ||
        one.result.operations != other.result.operations ||
        one.result.last_value != other.result.last_value || one.text != other.text ||
        one.slots != other.slots || one.memory != other.memory) {
        std::fprintf(stderr, "interpreter: error %u pc %u, machine code: error %u pc %u\n",
                     one.result.error, one.result.pc, other.result.error, other.result.pc);
        std::abort();
    }
}

}  // namespace ringside::fuzz
