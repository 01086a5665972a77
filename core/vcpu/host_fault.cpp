// SPDX-License-Identifier: GPL-2.0-or-later
// A fault in root mode: an access that may fault goes on behind it, everything else is our own bug.
#include "base/assert.hpp"
#include "vcpu/emergency_log.hpp"
#include "vcpu/vcpu.hpp"

namespace ringside::vcpu {
namespace {

struct Fixup {
    u64 instruction;
    u64 target;
};

/// As the stubs in x86/host_vectors.S push it.
struct HostFaultFrame {
    u64 vector, error_code, rip, cs, rflags, rsp, ss;
};

constexpr u64 kDebugException = 1;

}  // namespace

[[noreturn]] void stop_machine() {
    for (;;)
        asm volatile("cli; hlt");
}

[[noreturn]] void reset_machine() {
    x86::out_byte(0xcf9, 0x02);  // reset control register: hard reset
    x86::out_byte(0xcf9, 0x06);
    const x86::DescriptorTable none{};
    asm volatile("lidt %0; int3" : : "m"(none));
    stop_machine();
}

namespace {

[[noreturn]] void report_and_stop(const Vcpu& vcpu, const HostFaultFrame& frame) {
    EmergencyLog log{vcpu.machine->emergency_log != 0};
    log.text("ringside: fault in root mode, vector ").hex(frame.vector);
    log.text(" error ").hex(frame.error_code).text(" rip ").hex(frame.rip);
    log.text(" cr2 ").hex(x86::read_cr<2>()).text(" rsp ").hex(frame.rsp);
    log.text(" core ").hex(vcpu.core).end();
    stop_machine();
}

}  // namespace

extern "C" {
extern const Fixup rs_fixups[];
extern const Fixup rs_fixups_end[];

/// An exception at CPL 3, which is user code. The processor's own troubles are no fault of it.
void rs_sandbox_trap(sandbox::Trap* trap) {
    constexpr u64 kDoubleFault = 8, kMachineCheck = 18;
    const Vcpu& vcpu = block_of(reinterpret_cast<u64>(trap)).vcpu;
    if (trap->vector == kDoubleFault || trap->vector == kMachineCheck)
        report_and_stop(vcpu, {trap->vector, trap->error_code, trap->rip, trap->cs, trap->rflags,
                               trap->rsp, trap->ss});
    vcpu.sandbox->running->on_trap(*trap);
}

void rs_host_fault(HostFaultFrame* frame) {
    // Breakpoints of the guest stay armed in root mode on some emulators; they mean nothing here.
    if (frame->vector == kDebugException) {
        frame->rflags &= ~(u64{1} << 8);
        return;
    }
    for (const Fixup* fixup = rs_fixups; fixup != rs_fixups_end; ++fixup) {
        if (fixup->instruction == frame->rip) {
            frame->rip = fixup->target;
            return;
        }
    }
    report_and_stop(block_of(reinterpret_cast<u64>(frame)).vcpu, *frame);
}
}  // extern "C"

}  // namespace ringside::vcpu

namespace ringside {

void assertion_failed(const char* condition, const char* file, int line) {
    vcpu::EmergencyLog log{true};
    log.text("ringside: assertion failed: ").text(condition).text(" at ").text(file);
    log.text(":").hex(u64(line)).end();
    vcpu::stop_machine();
}

}  // namespace ringside
