// SPDX-License-Identifier: GPL-2.0-or-later
// Functions of the language that are not single instructions: script language section 10.
#include "ringside/event.h"
#include "script/format.hpp"
#include "script/run_state.hpp"
#include "x86/exception.hpp"
#include "x86/instruction_length.hpp"

namespace ringside::script {

namespace {

void print_value(RunState& run, u64 value) {
    TextWriter out{run.frame.text, RS_SCRIPT_MAX_TEXT_BYTES};
    out.number({.kind = ConversionKind::kHex, .bits = 64}, value);
    out.put('\n');
    run.hooks.emit(run.frame.text, out.finish());
    run.extra_cost += 16;
}

u64 to_physical(RunState& run, u64 address) {
    Gpa physical;
    return run.guest.translate(Gva{address}, physical) ? physical.value() : 0;
}

u64 can_read(RunState& run, u64 address) {
    u8 byte = 0;
    return run.memory.read(address, &byte, 1) == RS_SCRIPT_OK;
}

/// Of the instruction at an address, which may begin in one page and end in the next.
u32 length_of(RunState& run, u64 address, bool is_64_bit) {
    u8 bytes[x86::kMaxInstructionBytes];
    u32 count = 0;
    while (count < sizeof bytes) {
        const u32 got = run.memory.read_some(address + count, bytes + count,
                                             static_cast<u32>(sizeof bytes) - count);
        if (got == 0)
            break;
        count += got;
    }
    return x86::instruction_length(bytes, count, is_64_bit);
}

/// Whether an event of this type, vector and error code exists (EVT-10, EVT-11).
/// Source: Intel SDM vol. 3A table 6-1 "Protected-Mode Exceptions and Interrupts".
bool is_valid(u64 type, u64 vector, bool has_error_code, u64 error_code) {
    constexpr u64 kDebug = 1, kNmi = 2, kBreakpoint = 3, kOverflow = 4;
    if (vector > 0xff || error_code > 0xffff)
        return false;
    const bool pushes_code = type == 3 && x86::has_error_code(static_cast<u8>(vector));
    if (has_error_code != pushes_code)
        return false;
    switch (type) {
        case 0:
            return vector >= RS_VECTOR_FIRST;
        case 2:
            return vector == kNmi;
        case 3:
            return vector < 32 && vector != kNmi;
        case 4:
            return true;
        case 5:
            return vector == kDebug;
        case 6:
            return vector == kBreakpoint || vector == kOverflow;
        default:
            return false;
    }
}

rs_script_error inject(RunState& run, const u64* arguments, bool has_error_code) {
    const u64 error_code = has_error_code ? arguments[2] : 0;
    if (!is_valid(arguments[0], arguments[1], has_error_code, error_code) ||
        !run.guest.inject({.type = static_cast<u32>(arguments[0]),
                           .vector = static_cast<u8>(arguments[1]),
                           .has_error_code = has_error_code,
                           .error_code = static_cast<u32>(error_code)}))
        return run.fail(RS_SCRIPT_INJECTION, arguments[1]);
    return RS_SCRIPT_OK;
}

/// The core does nothing else meanwhile; a stop request and the deadline end it early.
rs_script_error sleep(RunState& run, u64 microseconds) {
    constexpr u64 kMostInEvent = 10'000;
    const u64 most = run.context.in_event ? kMostInEvent - run.slept_us : ~u64{0} >> 32;
    if (microseconds > most)
        return run.fail(RS_SCRIPT_LENGTH, microseconds);
    run.slept_us += run.context.in_event ? microseconds : 0;
    const u64 begin = run.guest.tsc();
    const u64 ticks = microseconds / 1000 * run.context.ticks_per_ms +
                      microseconds % 1000 * run.context.ticks_per_ms / 1000;
    while (run.guest.tsc() - begin < ticks) {
        if (const rs_script_error error = check_time(run); error != RS_SCRIPT_OK)
            return error;
        __builtin_ia32_pause();
    }
    return RS_SCRIPT_OK;
}

constexpr u64 kLongestPause = 65536;  ///< back-off limit of spinlock_lock

}  // namespace

rs_script_error call_builtin(RunState& run, u32 builtin, const u64* arguments, u64& value) {
    value = 0;
    switch (builtin) {
        case RS_BUILTIN_PRINT:
            print_value(run, arguments[0]);
            [[fallthrough]];
        case RS_BUILTIN_TEST_STATEMENT:
            run.last_value = arguments[0];
            run.has_value = true;
            return RS_SCRIPT_OK;
        case RS_BUILTIN_CHECK_ADDRESS:
            value = can_read(run, arguments[0]);
            return RS_SCRIPT_OK;
        case RS_BUILTIN_VIRTUAL_TO_PHYSICAL:
            value = to_physical(run, arguments[0]);
            return RS_SCRIPT_OK;
        case RS_BUILTIN_PHYSICAL_TO_VIRTUAL:
            value = run.guest.physical_to_virtual(Gpa{arguments[0]});
            return RS_SCRIPT_OK;
        case RS_BUILTIN_MEMCPY:
            return copy_memory(run, arguments[0], arguments[1], arguments[2]);
        case RS_BUILTIN_MEMCPY_PA:
            return copy_physical(run, arguments[0], arguments[1], arguments[2]);
        case RS_BUILTIN_MEMCMP:
            if (arguments[2] > 0x10000)
                return run.fail(RS_SCRIPT_LENGTH, arguments[2]);
            value = static_cast<u64>(compare_memory(run, arguments[0], arguments[1], arguments[2]));
            return RS_SCRIPT_OK;
        case RS_BUILTIN_STRLEN:
            value = string_length(run, arguments[0], 1);
            return RS_SCRIPT_OK;
        case RS_BUILTIN_WCSLEN:
            value = string_length(run, arguments[0], 2);
            return RS_SCRIPT_OK;
        case RS_BUILTIN_STRCMP:
            value = static_cast<u64>(compare_strings(run, arguments[0], arguments[1], ~u64{0}, 1));
            return RS_SCRIPT_OK;
        case RS_BUILTIN_STRNCMP:
            value =
                static_cast<u64>(compare_strings(run, arguments[0], arguments[1], arguments[2], 1));
            return RS_SCRIPT_OK;
        case RS_BUILTIN_WCSCMP:
            value = static_cast<u64>(compare_strings(run, arguments[0], arguments[1], ~u64{0}, 2));
            return RS_SCRIPT_OK;
        case RS_BUILTIN_WCSNCMP:
            value =
                static_cast<u64>(compare_strings(run, arguments[0], arguments[1], arguments[2], 2));
            return RS_SCRIPT_OK;
        case RS_BUILTIN_INTERLOCKED_INCREMENT:
        case RS_BUILTIN_INTERLOCKED_DECREMENT:
        case RS_BUILTIN_INTERLOCKED_EXCHANGE:
        case RS_BUILTIN_INTERLOCKED_EXCHANGE_ADD:
        case RS_BUILTIN_INTERLOCKED_COMPARE_EXCHANGE:
            return interlocked(run, builtin, arguments, value);
        case RS_BUILTIN_SPINLOCK_LOCK:
            return lock(run, arguments[0], kLongestPause);
        case RS_BUILTIN_SPINLOCK_LOCK_CUSTOM_WAIT:
            return lock(run, arguments[0],
                        arguments[1] < kLongestPause ? arguments[1] : kLongestPause);
        case RS_BUILTIN_SPINLOCK_UNLOCK:
            return unlock(run, arguments[0]);
        case RS_BUILTIN_RDTSC:
            value = run.guest.tsc();
            return RS_SCRIPT_OK;
        case RS_BUILTIN_EVENT_ENABLE:
            run.hooks.event_enable(arguments[0]);
            return RS_SCRIPT_OK;
        case RS_BUILTIN_EVENT_DISABLE:
            run.hooks.event_disable(arguments[0]);
            return RS_SCRIPT_OK;
        case RS_BUILTIN_EVENT_CLEAR:
            run.hooks.event_clear(arguments[0]);
            return RS_SCRIPT_OK;
        case RS_BUILTIN_EVENT_SC:
            run.hooks.event_sc(arguments[0] != 0);
            return RS_SCRIPT_OK;
        case RS_BUILTIN_WCSLEN32:
            value = string_length(run, arguments[0], 4);
            return RS_SCRIPT_OK;
        case RS_BUILTIN_WCSCMP32:
            value = static_cast<u64>(compare_strings(run, arguments[0], arguments[1], ~u64{0}, 4));
            return RS_SCRIPT_OK;
        case RS_BUILTIN_WCSNCMP32:
            value =
                static_cast<u64>(compare_strings(run, arguments[0], arguments[1], arguments[2], 4));
            return RS_SCRIPT_OK;
        case RS_BUILTIN_DISASSEMBLE_LEN:
        case RS_BUILTIN_DISASSEMBLE_LEN32:
            value = length_of(run, arguments[0], builtin == RS_BUILTIN_DISASSEMBLE_LEN);
            return RS_SCRIPT_OK;
        case RS_BUILTIN_MICROSLEEP:
            return sleep(run, arguments[0]);
        case RS_BUILTIN_FLUSH:
            run.hooks.flush();
            return RS_SCRIPT_OK;
        case RS_BUILTIN_PAUSE:
            run.hooks.pause();
            return RS_SCRIPT_OK;
        case RS_BUILTIN_EVENT_INJECT:
            return inject(run, arguments, false);
        case RS_BUILTIN_EVENT_INJECT_ERROR_CODE:
            return inject(run, arguments, true);
        default:
            return run.fail(RS_SCRIPT_BAD_PROGRAM, builtin);
    }
}

}  // namespace ringside::script
