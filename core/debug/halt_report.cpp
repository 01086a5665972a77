// SPDX-License-Identifier: GPL-2.0-or-later
// What the debugger is told of a halt.
#include "base/memory.hpp"
#include "debug/debugger.hpp"
#include "vcpu/guest_view.hpp"
#include "x86/instructions.hpp"

namespace ringside::debug {
namespace {

/// As many bytes of an instruction as there are: those of its page if the next one is not there.
u32 read_code(vcpu::GuestView& guest, u64 rip, u8* to, u32 room) {
    const u64 in_page = kPageSize - Gva{rip}.page_offset();
    if (guest.read_memory(Gva{rip}, to, room))
        return room;
    const u32 count = in_page < room ? u32(in_page) : 0;
    return count != 0 && guest.read_memory(Gva{rip}, to, count) ? count : 0;
}

/// "module!name" of what stands at `address`.
/// @return where that begins, 0 if nothing is known
template <usize kRoom>
u64 name_of(const symbols::SymbolTable& table, u64 address, char (&to)[kRoom]) {
    const auto found = table.find(address);
    if (!found)
        return 0;
    usize used = 0;
    const auto append = [&](const char* text) {
        for (; *text != '\0' && used + 1 < kRoom; ++text)
            to[used++] = *text;
    };
    append(found->module);
    append("!");
    append(found->name);
    to[used] = '\0';
    return found->address;
}

}  // namespace

void Debugger::fill_halt(vcpu::Vcpu& vcpu, rs_halt& report) {
    vcpu::GuestView guest{vcpu};
    const vcpu::Halt& halt = vcpu.machine->halt;
    report.core = vcpu.core;
    report.generation = halt.halts;
    report.missing_cores = halt.missing;
    report.halted_tsc = halt.halted_tsc;
    report.rip = guest.read_register(RS_FULL_RIP);
    report.rflags = guest.read_register(RS_FULL_RFLAGS);
    report.is_long_mode = vcpu.backend->runs_64bit_code();
    report.code_len = read_code(guest, report.rip, report.code, sizeof report.code);
    report.pid = u32(guest.task_value(script::TaskValue::kPid));
    report.tid = u32(guest.task_value(script::TaskValue::kTid));
    if (setup.symbols)
        report.symbol_address = name_of(*setup.symbols.in_root(), report.rip, report.symbol);
    const vcpu::HaltReason* reason = vcpu.halt_reason;
    report.reason = RS_HALT_SWITCH;
    if (reason == nullptr)
        return;
    report.reason = reason->reason;
    report.trigger_tsc = reason->tsc;
    report.breakpoint = reason->breakpoint;
    if (reason->occasion == nullptr)
        return;
    report.event_id = reason->occasion->event.id;
    report.stage = reason->occasion->stage;
    report.context = reason->occasion->context;
}

}  // namespace ringside::debug
