// SPDX-License-Identifier: GPL-2.0-or-later
#include "script/machine_code.hpp"

#include "script/machine_registers.hpp"
#include "script/machine_state.hpp"

namespace ringside::script {

namespace {

/// Instructions between two looks at the clock.
constexpr u64 kTimeCheckInterval = 2048;

/// Whole operations so far, without the extra cost, which `remaining` knows of already.
u64 used(const MachineState& state) {
    return state.next_check - static_cast<u64>(state.remaining);
}

u32 helper_step(MachineState* state, u64* registers, u32 pc) {
    RunState& run = *state->run;
    const u64 cost = run.extra_cost;
    const rs_script_error error = step(run, state->global_store, run.program.code()[pc], registers);
    state->remaining -= static_cast<s64>(run.extra_cost - cost);
    return error;
}

u32 helper_limits(MachineState* state) {
    const u64 operations = used(*state);
    if (operations > state->budget)
        return state->run->fail(RS_SCRIPT_BUDGET, state->budget);
    if (const rs_script_error error = check_time(*state->run); error != RS_SCRIPT_OK)
        return error;
    state->next_check = state->budget - operations < kTimeCheckInterval
                            ? state->budget + 1
                            : operations + kTimeCheckInterval;
    state->remaining = static_cast<s64>(state->next_check - operations);
    return RS_SCRIPT_OK;
}

u32 helper_load(MachineState* state, u64* to, u64 address, u32 bytes) {
    RunState& run = *state->run;
    run.error_value = address;
    u64 value = 0;
    const rs_script_error error = run.memory.read(address, &value, bytes);
    if (error == RS_SCRIPT_OK)
        *to = value;
    return error;
}

u64 helper_pseudo(MachineState* state, u32 which) {
    return read_pseudo(*state->run, which);
}

u64 helper_register(MachineState* state, u32 which) {
    return read_machine_register(state->run->guest, which);
}

u32 helper_call(MachineState* state, u64* registers, u32 pc) {
    RunState& run = *state->run;
    const rs_script_instruction& in = run.program.code()[pc];
    const rs_script_function& function = run.program.function(in.c);
    const u32 base = static_cast<u32>(registers - run.frame.registers);
    const u32 new_base = base + in.b;
    if (state->depth == RS_SCRIPT_MAX_CALLS ||
        new_base + function.registers > RS_SCRIPT_MAX_REGISTERS)
        return run.fail(RS_SCRIPT_STACK, state->depth);
    run.frame.calls[state->depth++] = {pc + 1, static_cast<u16>(base), in.a};
    registers += in.b;
    for (u32 i = function.parameters; i < function.registers; ++i)
        registers[i] = 0;
    run.frame.top = new_base + function.registers;
    state->registers = registers;
    return RS_SCRIPT_OK;
}

const u8* helper_return(MachineState* state, u64* registers, u64 value) {
    if (state->depth == 0)
        return nullptr;
    RunState& run = *state->run;
    const Frame::Call& call = run.frame.calls[--state->depth];
    run.frame.top = static_cast<u32>(registers - run.frame.registers);
    state->registers = run.frame.registers + call.base;
    state->registers[call.to] = value;
    return state->code->code + state->code->offsets[call.return_pc];
}

}  // namespace

// A sanitizer that looks for a function's type in front of it finds none before machine code.
#if defined(__clang__)
__attribute__((no_sanitize("function")))
#endif
RunResult
run_machine_code(const MachineCode& machine_code, const ProgramView& program, Frame& frame,
                 const RunContext& context, GuestAccess& guest, EventHooks& hooks,
                 GlobalStore globals) {
    static const u32 never = 0;
    // By the order of Helper.
    static void* const helpers[] = {
        reinterpret_cast<void*>(helper_step),     reinterpret_cast<void*>(helper_limits),
        reinterpret_cast<void*>(helper_load),     reinterpret_cast<void*>(helper_pseudo),
        reinterpret_cast<void*>(helper_register), reinterpret_cast<void*>(helper_call),
        reinterpret_cast<void*>(helper_return)};
    static_assert(sizeof helpers / sizeof helpers[0] == static_cast<usize>(Helper::kCount));
    RunResult result;
    if (program.empty() || !program.is_linked()) {
        result.error = RS_SCRIPT_BAD_PROGRAM;
        return result;
    }
    RunState run{program, frame, context, guest, hooks, {program, frame, guest, globals}};
    begin_run(program, frame);
    MachineState state;  // field by field: compilers zero all of it first for an initializer
    state.registers = frame.registers;
    state.globals = globals.slots;
    state.stop = context.stop != nullptr ? context.stop : &never;
    state.pc = 0;
    state.value = 0;
    state.has_value = 0;
    state.helpers = helpers;
    state.run = &run;
    state.global_store = globals;
    state.code = &machine_code;
    state.next_check =
        context.budget + 1 < kTimeCheckInterval ? context.budget + 1 : kTimeCheckInterval;
    state.budget = context.budget;
    state.depth = 0;
    state.remaining = static_cast<s64>(state.next_check);
    const auto entry =
        reinterpret_cast<u32 (*)(MachineState*)>(reinterpret_cast<u64>(machine_code.code));
    const auto error = static_cast<rs_script_error>(entry(&state));
    if (state.has_value != 0)
        run.error_value = state.value;
    return end_run(run,
                   {.error = error, .pc = static_cast<u32>(state.pc), .operations = used(state)});
}

}  // namespace ringside::script
