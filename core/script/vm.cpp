// SPDX-License-Identifier: GPL-2.0-or-later
// The interpreter loop. One label an opcode, jumped to through a table of labels; the module is
// built without jump tables for switches, this table is plain read-only data.
#include "script/vm.hpp"

#include "script/calendar.hpp"
#include "script/floating.hpp"
#include "script/machine_registers.hpp"
#include "script/machine_state.hpp"
#include "script/run_state.hpp"

namespace ringside::script {

namespace {

/// Instructions between two looks at the clock.
constexpr u64 kTimeCheckInterval = 2048;

struct ErrorRow {
    rs_script_error code;
    const char* text;
};
constexpr ErrorRow kErrors[] = {
#define RS_SCRIPT_ROW(name, code, text, value) {RS_SCRIPT_##name, text},
    RS_SCRIPT_ERROR_TABLE(RS_SCRIPT_ROW)
#undef RS_SCRIPT_ROW
};

constexpr s64 as_signed(u64 value) {
    return static_cast<s64>(value);
}
constexpr u64 extend(s32 value) {
    return static_cast<u64>(s64{value});
}
constexpr u32 low32(u64 value) {
    return static_cast<u32>(value);
}
constexpr u64 immediate16(u16 value) {
    return static_cast<u64>(s64{static_cast<s16>(value)});
}

constexpr s64 kSmallest64 = -0x7fff'ffff'ffff'ffff - 1;
constexpr s32 kSmallest32 = -0x7fff'ffff - 1;

/// Puts today's date or the time of day where the script can read it; its address.
u64 write_clock(RunState& run, bool is_time) {
    const RunContext& context = run.context;
    const auto now = static_cast<u64>(
        static_cast<unsigned __int128>(run.guest.tsc()) * context.nanoseconds_per_tick >> 32);
    char* const text = run.frame.clock_text[is_time];
    const s64 local_ms = (static_cast<s64>(now) + context.local_less_tsc_ns) / 1'000'000;
    is_time ? write_time(local_ms, text) : write_date(local_ms, text);
    return window_address(RS_WINDOW_CLOCK, 0, is_time * sizeof run.frame.clock_text[0]);
}

/// A read-modify-write of 4 or 8 bytes anywhere a script may write. `operation` gives the new
/// value.
template <class Operation>
rs_script_error update_atomically(RunState& run, u64 address, u32 size, Operation operation) {
    run.error_value = address;
    u64 old = 0;
    if (const rs_script_error error = run.memory.read(address, &old, size); error != RS_SCRIPT_OK)
        return error;
    for (;;) {
        u64 found = old;
        const rs_script_error error =
            run.memory.compare_exchange(address, size, found, operation(old));
        if (error != RS_SCRIPT_OK || found == old)
            return error;
        old = found;
        if (const rs_script_error late = check_time(run); late != RS_SCRIPT_OK)
            return late;
    }
}

/// Runs from the first instruction of `code` to a RETURN or an error.
Ending interpret(RunState& run, GlobalStore globals, const rs_script_instruction* const code,
                 u64* r) {
    static const void* const labels[] = {
#define RS_SCRIPT_ROW(name, a, b, c, text) &&op_##name,
        RS_SCRIPT_OPCODE_TABLE(RS_SCRIPT_ROW)
#undef RS_SCRIPT_ROW
    };
    const u64* const constants = run.program.constants();
    u32 depth = 0;
    const u64 budget = run.context.budget;
    const rs_script_instruction* pc = code;
    // Instructions are counted by stretches: `block` is where the current straight stretch began.
    const rs_script_instruction* block = pc;
    u64 operations = 0;
    u64 next_check = budget + 1 < kTimeCheckInterval ? budget + 1 : kTimeCheckInterval;
    rs_script_instruction in;
    rs_script_error error = RS_SCRIPT_OK;
    u64 returned = 0;

// The loop's grammar: fetch and go on; go on at a target; stop with an error.
#define NEXT                 \
    do {                     \
        in = *pc++;          \
        goto* labels[in.op]; \
    } while (false)
#define FAIL(code_, value_)                          \
    do {                                             \
        error = run.fail(RS_SCRIPT_##code_, value_); \
        goto stopped;                                \
    } while (false)
#define CHECK(expression)                       \
    do {                                        \
        error = (expression);                   \
        if (error != RS_SCRIPT_OK) [[unlikely]] \
            goto stopped;                       \
    } while (false)
#define GO(target_)                                         \
    do {                                                    \
        const rs_script_instruction* to = code + (target_); \
        operations += static_cast<u64>(pc - block);         \
        block = to;                                         \
        if (to < pc) {                                      \
            pc = to;                                        \
            goto backward;                                  \
        }                                                   \
        pc = to;                                            \
        NEXT;                                               \
    } while (false)
#define A r[in.a]
#define B r[in.b]
#define C r[in.c]
#define BINARY(name, expression)  \
    op_##name : A = (expression); \
    NEXT
#define SHIFT(name, width, expression)                               \
    op_##name : if (C >= (width)) [[unlikely]] FAIL(SHIFT_COUNT, C); \
    A = (expression);                                                \
    NEXT
#define DIVIDE(name, type, smallest, operator_, convert)                             \
    op_##name : {                                                                    \
        const auto divisor = static_cast<type>(C);                                   \
        const auto dividend = static_cast<type>(B);                                  \
        if (divisor == 0) [[unlikely]]                                               \
            FAIL(DIVISION_BY_ZERO, B);                                               \
        if (divisor == static_cast<type>(-1) && dividend == (smallest)) [[unlikely]] \
            FAIL(DIVISION_OVERFLOW, B);                                              \
        A = convert(dividend operator_ divisor);                                     \
        NEXT;                                                                        \
    }
#define BRANCH(name, condition, target_)    \
    op_##name : if (condition) GO(target_); \
    NEXT
#define LOAD(name, type)                                         \
    op_##name : {                                                \
        type loaded = 0;                                         \
        const u64 address = B;                                   \
        run.error_value = address;                               \
        CHECK(run.memory.read(address, &loaded, sizeof loaded)); \
        A = loaded;                                              \
        NEXT;                                                    \
    }
#define STORE(name, size)                 \
    op_##name : run.error_value = A;      \
    CHECK(run.memory.write(A, &B, size)); \
    NEXT;
#define UPDATE(name, expression)                                                             \
    op_##name : CHECK(update_atomically(run, A, in.c, [&](u64 old) { return expression; })); \
    NEXT;
#define FLOATING(name, expression)      \
    op_##name : {                       \
        u64 result = 0;                 \
        if (!(expression)) [[unlikely]] \
            FAIL(FLOAT, 0);             \
        A = result;                     \
        NEXT;                           \
    }
#define LOAD_PA(name, type)                                                        \
    op_##name : {                                                                  \
        type loaded = 0;                                                           \
        if (!run.guest.read_physical(Gpa{B}, &loaded, sizeof loaded)) [[unlikely]] \
            FAIL(INVALID_ADDRESS, B);                                              \
        A = loaded;                                                                \
        NEXT;                                                                      \
    }
#define EDIT(name, type)                                                 \
    op_##name : {                                                        \
        const auto stored = static_cast<type>(C);                        \
        A = run.memory.write(B, &stored, sizeof stored) == RS_SCRIPT_OK; \
        NEXT;                                                            \
    }
#define EDIT_PA(name, type)                                           \
    op_##name : {                                                     \
        const auto stored = static_cast<type>(C);                     \
        A = run.guest.write_physical(Gpa{B}, &stored, sizeof stored); \
        NEXT;                                                         \
    }
#define ATOMIC(name, function, value_)                                    \
    op_##name : function(&globals.slots[in.a], value_, __ATOMIC_SEQ_CST); \
    NEXT

    NEXT;

backward:
    if (run.context.stop != nullptr && *run.context.stop != 0) [[unlikely]]
        FAIL(STOPPED, 0);
    if (operations + run.extra_cost >= next_check) [[unlikely]] {
    limits:
        const u64 used = operations + run.extra_cost;
        if (used > budget)
            FAIL(BUDGET, budget);
        CHECK(check_time(run));
        next_check = budget - used < kTimeCheckInterval ? budget + 1 : used + kTimeCheckInterval;
    }
    NEXT;

op_RETURN:
    returned = 0;
    goto back;
op_RETURN_VALUE:
    returned = A;
back:
    if (depth == 0)
        goto stopped;
    {
        const Frame::Call& call = run.frame.calls[--depth];
        operations += static_cast<u64>(pc - block);
        run.frame.top = static_cast<u32>(r - run.frame.registers);
        r = run.frame.registers + call.base;
        r[call.to] = returned;
        pc = code + call.return_pc;
        block = pc;
        NEXT;
    }
op_CALL : {
    const rs_script_function& function = run.program.function(in.c);
    const u32 base = static_cast<u32>(r - run.frame.registers);
    const u32 new_base = base + in.b;
    if (depth == RS_SCRIPT_MAX_CALLS || new_base + function.registers > RS_SCRIPT_MAX_REGISTERS)
        FAIL(STACK, depth);
    run.frame.calls[depth++] = {static_cast<u32>(pc - code), static_cast<u16>(base), in.a};
    operations += static_cast<u64>(pc - block);
    r += in.b;
    for (u32 i = function.parameters; i < function.registers; ++i)
        r[i] = 0;
    run.frame.top = new_base + function.registers;
    pc = code + function.first;
    block = pc;
    goto backward;
}
op_IMMEDIATE:
    A = extend(static_cast<s32>(in.b | static_cast<u32>(in.c) << 16));
    NEXT;
op_CONSTANT:
    A = constants[in.b];
    NEXT;
    BINARY(MOVE, B);
    BINARY(ADD, B + C);
    BINARY(SUB, B - C);
    BINARY(MUL, B * C);
    BINARY(AND, B & C);
    BINARY(OR, B | C);
    BINARY(XOR, B ^ C);
    DIVIDE(DIV_S, s64, kSmallest64, /, static_cast<u64>)
    DIVIDE(MOD_S, s64, kSmallest64, %, static_cast<u64>)
    DIVIDE(DIV_S32, s32, kSmallest32, /, extend)
    DIVIDE(MOD_S32, s32, kSmallest32, %, extend)
op_DIV_U:
    if (C == 0) [[unlikely]]
        FAIL(DIVISION_BY_ZERO, B);
    A = B / C;
    NEXT;
op_MOD_U:
    if (C == 0) [[unlikely]]
        FAIL(DIVISION_BY_ZERO, B);
    A = B % C;
    NEXT;
    SHIFT(SHL, 64, B << C);
    SHIFT(SHR, 64, B >> C);
    SHIFT(SAR, 64, static_cast<u64>(as_signed(B) >> C));
    BINARY(ADD_S32, extend(static_cast<s32>(low32(B) + low32(C))));
    BINARY(SUB_S32, extend(static_cast<s32>(low32(B) - low32(C))));
    BINARY(MUL_S32, extend(static_cast<s32>(low32(B) * low32(C))));
    SHIFT(SHL_S32, 32, extend(static_cast<s32>(low32(B) << C)));
    SHIFT(SAR_S32, 32, extend(static_cast<s32>(B) >> C));
    BINARY(ADD_U32, low32(B) + low32(C));
    BINARY(SUB_U32, low32(B) - low32(C));
    BINARY(MUL_U32, low32(B) * low32(C));
    SHIFT(SHL_U32, 32, low32(B) << C);
    SHIFT(SHR_U32, 32, low32(B) >> C);
    BINARY(ADD_I, B + immediate16(in.c));
    BINARY(MUL_I, B * immediate16(in.c));
    BINARY(AND_I, B & immediate16(in.c));
    BINARY(OR_I, B | immediate16(in.c));
    BINARY(XOR_I, B ^ immediate16(in.c));
    BINARY(SHL_I, B << in.c);
    BINARY(SHR_I, B >> in.c);
    BINARY(SAR_I, static_cast<u64>(as_signed(B) >> in.c));
    BINARY(NEG, 0 - B);
    BINARY(NOT, ~B);
    BINARY(BOOL, B != 0);
    BINARY(SEXT8, static_cast<u64>(s64{static_cast<s8>(B)}));
    BINARY(SEXT16, static_cast<u64>(s64{static_cast<s16>(B)}));
    BINARY(SEXT32, extend(static_cast<s32>(B)));
    BINARY(ZEXT8, B & 0xff);
    BINARY(ZEXT16, B & 0xffff);
    BINARY(ZEXT32, low32(B));
    BINARY(EQ, B == C);
    BINARY(NE, B != C);
    BINARY(LT_S, as_signed(B) < as_signed(C));
    BINARY(LE_S, as_signed(B) <= as_signed(C));
    BINARY(LT_U, B < C);
    BINARY(LE_U, B <= C);
    BINARY(EQ_I, B == immediate16(in.c));
    BINARY(NE_I, B != immediate16(in.c));
op_JUMP:
    GO(in.a);
    BRANCH(JZ, A == 0, in.b);
    BRANCH(JNZ, A != 0, in.b);
    BRANCH(JEQ, A == B, in.c);
    BRANCH(JNE, A != B, in.c);
    BRANCH(JLT_S, as_signed(A) < as_signed(B), in.c);
    BRANCH(JLE_S, as_signed(A) <= as_signed(B), in.c);
    BRANCH(JLT_U, A < B, in.c);
    BRANCH(JLE_U, A <= B, in.c);
    BRANCH(JEQ_I, A == immediate16(in.b), in.c);
    BRANCH(JNE_I, A != immediate16(in.b), in.c);
    BRANCH(JLT_SI, as_signed(A) < as_signed(immediate16(in.b)), in.c);
    BRANCH(JGE_SI, as_signed(A) >= as_signed(immediate16(in.b)), in.c);
    BRANCH(JLT_UI, A < immediate16(in.b), in.c);
    BRANCH(JGE_UI, A >= immediate16(in.b), in.c);
    BINARY(LOAD_GLOBAL, __atomic_load_n(&globals.slots[in.b], __ATOMIC_SEQ_CST));
op_STORE_GLOBAL:
    // x86 order: a plain store may pass no later locked operation, and needs no fence of its own.
    __atomic_store_n(&globals.slots[in.a], B, __ATOMIC_RELEASE);
    NEXT;
    ATOMIC(GLOBAL_ADD, __atomic_fetch_add, B);
    ATOMIC(GLOBAL_ADD_I, __atomic_fetch_add, immediate16(in.b));
    ATOMIC(GLOBAL_AND, __atomic_fetch_and, B);
    ATOMIC(GLOBAL_OR, __atomic_fetch_or, B);
    ATOMIC(GLOBAL_XOR, __atomic_fetch_xor, B);
    BINARY(ADDRESS_GLOBAL, run.memory.address_of_global(in.b));
    BINARY(ADDRESS_LOCAL,
           run.memory.address_of_local(in.b + static_cast<u32>(r - run.frame.registers)));
    BINARY(ADDRESS_STRING, run.memory.address_of_string(in.b));
    BINARY(READ_REGISTER, read_machine_register(run.guest, in.b));
op_WRITE_REGISTER:
    if (!write_machine_register(run.guest, in.a, B)) [[unlikely]]
        FAIL(REGISTER_REFUSED, B);
    NEXT;
    BINARY(READ_PSEUDO, read_pseudo(run, in.b));
    LOAD(LOAD8, u8)
    LOAD(LOAD16, u16)
    LOAD(LOAD32, u32)
    LOAD(LOAD64, u64)
    LOAD_PA(LOAD8_PA, u8)
    LOAD_PA(LOAD16_PA, u16)
    LOAD_PA(LOAD32_PA, u32)
    LOAD_PA(LOAD64_PA, u64)
    STORE(STORE8, 1)
    STORE(STORE16, 2)
    STORE(STORE32, 4)
    STORE(STORE64, 8)
    UPDATE(ATOMIC_ADD, old + B)
    UPDATE(ATOMIC_AND, old & B)
    UPDATE(ATOMIC_OR, old | B)
    UPDATE(ATOMIC_XOR, old ^ B)
    BINARY(ADDRESS_DATA, run.memory.address_of_data(in.b | static_cast<u32>(in.c) << 16));
op_ZERO:
    for (u32 i = 0; i < in.b; ++i)
        (&A)[i] = 0;
    run.extra_cost += in.b / 8;
    NEXT;
op_CHECK_INDEX:
    if (A >= in.b) [[unlikely]]
        FAIL(INDEX, A);
    NEXT;
op_ELEMENTS : {
    const s64 elements = as_signed(B) / in.c;
    if (elements * in.c != as_signed(B)) [[unlikely]]
        FAIL(INDEX, B);
    A = static_cast<u64>(elements);
    NEXT;
}
    FLOATING(FADD, add(B, C, result))
    FLOATING(FSUB, subtract(B, C, result))
    FLOATING(FMUL, multiply(B, C, result))
    FLOATING(FDIV, divide(B, C, result))
    BINARY(FEQ, is_equal(B, C));
    BINARY(FLT, is_less(B, C));
    BINARY(FLE, is_less(B, C) || is_equal(B, C));
    BINARY(DOUBLE_S, double_from(B, true));
    BINARY(DOUBLE_U, double_from(B, false));
    BINARY(FLOAT_S, single_from(B, true));
    BINARY(FLOAT_U, single_from(B, false));
    FLOATING(TRUNC_S, truncate(B, true, in.c, result))
    FLOATING(TRUNC_U, truncate(B, false, in.c, result))
    BINARY(WIDEN, widen(low32(B)));
    FLOATING(ROUND, round(B, result))
    EDIT(EDIT8, u8)
    EDIT(EDIT16, u16)
    EDIT(EDIT32, u32)
    EDIT(EDIT64, u64)
    EDIT_PA(EDIT8_PA, u8)
    EDIT_PA(EDIT16_PA, u16)
    EDIT_PA(EDIT32_PA, u32)
    EDIT_PA(EDIT64_PA, u64)
op_CALL_BUILTIN : {
    u64 value = 0;
    CHECK(call_builtin(run, in.c, &B, value));
    A = value;
    goto expensive;
}
op_PRINTF:
    CHECK(print_formatted(run, in.c, &A));
    goto expensive;

expensive:
    operations += static_cast<u64>(pc - block);
    block = pc;
    if (operations + run.extra_cost >= next_check) [[unlikely]]
        goto limits;
    NEXT;

stopped:
    operations += static_cast<u64>(pc - block);
    return {error, static_cast<u32>(pc - code - 1), operations + run.extra_cost};

#undef NEXT
#undef FAIL
#undef CHECK
#undef GO
#undef A
#undef B
#undef C
#undef BINARY
#undef SHIFT
#undef DIVIDE
#undef BRANCH
#undef LOAD
#undef LOAD_PA
#undef STORE
#undef UPDATE
#undef FLOATING
#undef EDIT
#undef EDIT_PA
#undef ATOMIC
}

}  // namespace

u64 read_pseudo(RunState& run, u32 which) {
    switch (which) {
        case RS_PSEUDO_PID:
            return run.guest.task_value(TaskValue::kPid);
        case RS_PSEUDO_TID:
            return run.guest.task_value(TaskValue::kTid);
        case RS_PSEUDO_CORE:
            return run.guest.core();
        case RS_PSEUDO_PNAME:
            return run.guest.task_value(TaskValue::kComm);
        case RS_PSEUDO_PROC:
            return run.guest.task_value(TaskValue::kLeader);
        case RS_PSEUDO_THREAD:
            return run.guest.task_value(TaskValue::kTask);
        case RS_PSEUDO_MM:
            return run.guest.task_value(TaskValue::kMm);
        case RS_PSEUDO_TEB:
            return run.guest.task_value(TaskValue::kUserFsBase);
        case RS_PSEUDO_IP:
            return run.guest.read_register(RS_FULL_RIP);
        case RS_PSEUDO_DATE:
        case RS_PSEUDO_TIME:
            return write_clock(run, which == RS_PSEUDO_TIME);
        case RS_PSEUDO_BUFFER:
            return run.context.buffer;
        case RS_PSEUDO_CONTEXT:
            return run.context.context;
        case RS_PSEUDO_EVENT_ID:
            return run.context.event_id;
        case RS_PSEUDO_EVENT_TAG:
            return run.context.in_event ? 0x1000000 + run.context.event_id : 0;
        case RS_PSEUDO_EVENT_STAGE:
            return run.context.stage;
        default:
            return 0;
    }
}

rs_script_error check_time(RunState& run) {
    run.stood_ticks += run.guest.stand();
    if (run.context.stop != nullptr && *run.context.stop != 0)
        return RS_SCRIPT_STOPPED;
    const u64 ran_until = run.guest.tsc() - run.stood_ticks;
    return ran_until >= run.context.deadline_tsc ? RS_SCRIPT_TIME : RS_SCRIPT_OK;
}

RunResult run(const ProgramView& program, Frame& frame, const RunContext& context,
              GuestAccess& guest, EventHooks& hooks, GlobalStore globals) {
    RunResult result;
    if (program.empty() || !program.is_linked()) {
        result.error = RS_SCRIPT_BAD_PROGRAM;
        return result;
    }
    begin_run(program, frame);
    RunState state{program, frame, context, guest, hooks, {program, frame, guest, globals}};
    return end_run(state, interpret(state, globals, program.code(), frame.registers));
}

rs_script_error step(RunState& run, GlobalStore globals, const rs_script_instruction& instruction,
                     u64* registers) {
    // The end of the run follows it: the interpreter's loop ends behind it.
    const rs_script_instruction code[2] = {instruction, {RS_OP_RETURN, 0, 0, 0}};
    return interpret(run, globals, code, registers).error;
}

const char* error_text(rs_script_error error) {
    for (const ErrorRow& row : kErrors)
        if (row.code == error)
            return row.text;
    return "";
}

}  // namespace ringside::script
