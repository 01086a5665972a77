// SPDX-License-Identifier: GPL-2.0-or-later
// Interlocked operations and spin locks: script language section 10.4.
#include "script/run_state.hpp"

namespace ringside::script {

namespace {

u64 combined(u32 builtin, u64 old, const u64* arguments) {
    switch (builtin) {
        case RS_BUILTIN_INTERLOCKED_INCREMENT:
            return old + 1;
        case RS_BUILTIN_INTERLOCKED_DECREMENT:
            return old - 1;
        case RS_BUILTIN_INTERLOCKED_EXCHANGE_ADD:
            return old + arguments[1];
        case RS_BUILTIN_INTERLOCKED_COMPARE_EXCHANGE:
            return old == arguments[2] ? arguments[1] : old;
        default:
            return arguments[1];
    }
}

void pause_processor() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

}  // namespace

rs_script_error interlocked(RunState& run, u32 builtin, const u64* arguments, u64& value) {
    u64 old = 0;
    for (u64 attempt = 0;; ++attempt) {
        const u64 expected = old;
        const u64 desired = combined(builtin, expected, arguments);
        const rs_script_error error = run.memory.compare_exchange(arguments[0], 8, old, desired);
        if (error != RS_SCRIPT_OK)
            return run.fail(error, arguments[0]);
        if (old == expected) {
            const bool wants_new = builtin == RS_BUILTIN_INTERLOCKED_INCREMENT ||
                                   builtin == RS_BUILTIN_INTERLOCKED_DECREMENT;
            value = wants_new ? desired : old;
            return RS_SCRIPT_OK;
        }
        if (attempt % 64 == 63)
            if (const rs_script_error late = check_time(run); late != RS_SCRIPT_OK)
                return late;
    }
}

rs_script_error lock(RunState& run, u64 address, u64 longest_pause) {
    if (run.frame.held_lock_count == Frame::kMaxHeldLocks)
        return run.fail(RS_SCRIPT_TOO_MANY_LOCKS, address);
    const u64 start = run.guest.tsc();
    for (u64 pauses = 1;; pauses = pauses * 2 < longest_pause ? pauses * 2 : longest_pause) {
        u64 old = 0;
        const rs_script_error error = run.memory.compare_exchange(address, 4, old, 1);
        if (error != RS_SCRIPT_OK)
            return run.fail(error, address);
        if (old == 0) {
            run.frame.held_locks[run.frame.held_lock_count++] = address;
            return RS_SCRIPT_OK;
        }
        if (run.guest.tsc() - start > run.context.lock_limit_ticks)
            return run.fail(RS_SCRIPT_LOCK_LIMIT, address);
        if (const rs_script_error late = check_time(run); late != RS_SCRIPT_OK)
            return late;
        for (u64 i = 0; i < pauses; ++i)
            pause_processor();
    }
}

rs_script_error unlock(RunState& run, u64 address) {
    u64 old = 1;
    for (u64 expected = 2; expected != old;) {
        expected = old;
        const rs_script_error error = run.memory.compare_exchange(address, 4, old, 0);
        if (error != RS_SCRIPT_OK)
            return run.fail(error, address);
    }
    Frame& frame = run.frame;
    for (u32 i = 0; i < frame.held_lock_count; ++i)
        if (frame.held_locks[i] == address) {
            frame.held_locks[i] = frame.held_locks[--frame.held_lock_count];
            break;
        }
    return RS_SCRIPT_OK;
}

void release_locks(RunState& run) {
    while (run.frame.held_lock_count > 0)
        if (unlock(run, run.frame.held_locks[run.frame.held_lock_count - 1]) != RS_SCRIPT_OK)
            --run.frame.held_lock_count;
}

}  // namespace ringside::script
