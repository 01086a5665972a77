// SPDX-License-Identifier: GPL-3.0-or-later
#include "support/model_processor.hpp"

#include "vcpu/exit_loop.hpp"
#include "vcpu/hypercall.hpp"
#include "x86/exception.hpp"

namespace ringside::test {

using vcpu::EventType;
using vcpu::ExitReason;
using vcpu::PendingEvent;

namespace {

constexpr u32 kNmiCommand = 0x4400;  ///< what LocalApic::send_nmi() writes

constexpr const char* kReasons[] = {"external interrupt",
                                    "NMI",
                                    "exception",
                                    "interrupt window",
                                    "HLT",
                                    "NMI window",
                                    "hypercall",
                                    "RDMSR",
                                    "WRMSR",
                                    "#UD",
                                    "CPUID",
                                    "MOV to CR",
                                    "XSETBV",
                                    "INVD",
                                    "timer",
                                    "INIT",
                                    "nested page fault",
                                    "triple fault",
                                    "bad entry",
                                    "unknown"};
static_assert(std::size(kReasons) == u32(ExitReason::kCount));

/// What the processor delivers by itself.
PendingEvent event_of(const Given& given) {
    constexpr EventType kTypes[] = {EventType::kExternalInterrupt, EventType::kNmi,
                                    EventType::kException, EventType::kSoftwareInterrupt};
    const bool has_code = given.cause == Cause::kException && x86::has_error_code(given.vector);
    return {.type = kTypes[u32(given.cause)],
            .vector = given.vector,
            .valid = true,
            .has_error_code = has_code,
            .error_code = has_code ? 0x50u + given.vector : 0,
            .address = 0};
}

bool is_same(const PendingEvent& one, const PendingEvent& other) {
    return one.type == other.type && one.vector == other.vector && one.valid == other.valid &&
           one.has_error_code == other.has_error_code && one.error_code == other.error_code;
}

}  // namespace

Given given_of(const PendingEvent& event) {
    switch (event.type) {
        case EventType::kExternalInterrupt:
            return {Cause::kInterrupt, event.vector};
        case EventType::kNmi:
            return {Cause::kNmi, event.vector};
        case EventType::kException:
            return {Cause::kException, event.vector};
        default:
            return {Cause::kSoftwareInterrupt, event.vector};
    }
}

const char* to_text(Scheme scheme) {
    constexpr const char* kNames[] = {"VMX, acknowledged at the exit", "VMX, taken at the window",
                                      "SVM"};
    return kNames[u32(scheme)];
}

const char* to_text(Fault fault) {
    constexpr const char* kNames[] = {"none",
                                      "drop a pending interrupt",
                                      "merge a vector with itself",
                                      "lowest vector first",
                                      "ignore IF",
                                      "ignore the shadow",
                                      "ignore the task priority",
                                      "overwrite the event in flight",
                                      "redeliver twice",
                                      "forget that NMIs are blocked",
                                      "drop a latched NMI",
                                      "forget the interrupt window",
                                      "forget the NMI window",
                                      "forget the priority window"};
    static_assert(std::size(kNames) == u32(Fault::kCount));
    return kNames[u32(fault)];
}

ModelCounts& ModelCounts::operator+=(const ModelCounts& other) {
    exits += other.exits;
    for (usize i = 0; i < std::size(by_reason); ++i)
        by_reason[i] += other.by_reason[i];
    for (usize i = 0; i < std::size(given); ++i)
        given[i] += other.given[i];
    early += other.early;
    deferred += other.deferred;
    cut += other.cut;
    left += other.left;
    windows += other.windows;
    nmi_windows += other.nmi_windows;
    priority_windows += other.priority_windows;
    delayed += other.delayed;
    return *this;
}

ModelProcessor::ModelProcessor(vcpu::Vcpu& vcpu, Scheme scheme, Variety variety, Watcher& watcher)
    : vcpu_{vcpu}, scheme_{scheme}, variety_{variety}, watcher_{watcher} {
    cpu.nmis_ignore_sti = variety.nmis_ignore_sti;
}

void ModelProcessor::fail(const std::string& text) {
    if (!failure_.empty())
        return;
    failure_ = text;
    note("FAILED: " + text);
}

void ModelProcessor::note(const std::string& text) {
    if (trace)
        *trace += text + '\n';
}

// The guest.

void ModelProcessor::run_to_instruction() {
    constexpr u32 kMost = 200;
    for (u32 passes = 0; failure_.empty(); ++passes) {
        if (passes == kMost)
            return fail("no progress: the guest is left again and again at one instruction");
        watcher_.at_boundary();
        if (!event_at_boundary() && !finish_return())
            return;
    }
}

/// One exit or delivery that is due between two instructions; false: there is none.
bool ModelProcessor::event_at_boundary() {
    if (!is_virtualized_)
        return bare_event();
    return is_vmx() ? vmx_event() : svm_event();
}

/// In the order of the SDM's priorities. With virtual NMIs a physical one exits whether the guest
/// is in its NMI handler or not.
bool ModelProcessor::vmx_event() {
    if (windows_.nmi_window && cpu.can_take_nmi()) {
        nmis_passed_sti_ = cpu.sti_shadow;
        exit(ExitReason::kNmiUnblocked);
    } else if (has_nmi_ && !cpu.holds_nmis()) {
        take_nmi();
        nmis_passed_sti_ = cpu.sti_shadow;
        exit(ExitReason::kNmi);
    } else if ((windows_.interrupt_window || is_deferring_) && cpu.can_take_interrupt()) {
        exit(ExitReason::kInterruptWindow);
    } else if (apic.offered() < 0 || is_deferring_) {
        return false;
    } else if (!interrupts_exit_) {
        return take_directly();
    } else if (scheme_ == Scheme::kVmx && !lets_interrupts_out()) {
        return false;
    } else {
        if (scheme_ == Scheme::kVmx) {
            counts.early += !cpu.can_take_interrupt();
            acknowledged_ = apic.acknowledge();
            accept(u8(acknowledged_));
        }
        exit(ExitReason::kExternalInterrupt);
    }
    return true;
}

/// A physical interrupt comes before the detector of the window.
bool ModelProcessor::svm_event() {
    if (has_nmi_ && !cpu.holds_nmis()) {
        take_nmi();
        nmis_passed_sti_ = cpu.sti_shadow;
        exit(ExitReason::kNmi);
    } else if (!cpu.can_take_interrupt()) {
        return false;
    } else if (apic.offered() >= 0) {
        if (!interrupts_exit_)
            return take_directly();
        exit(ExitReason::kExternalInterrupt);
    } else if (windows_.interrupt_window) {
        exit(ExitReason::kInterruptWindow);
    } else {
        return false;
    }
    return true;
}

bool ModelProcessor::bare_event() {
    if (has_nmi_ && cpu.can_take_nmi()) {
        has_nmi_ = false;
        deliver(event_of({Cause::kNmi, 2}));
        return true;
    }
    return apic.offered() >= 0 && take_directly();
}

/// The guest takes what the APIC offers without an exit.
bool ModelProcessor::take_directly() {
    if (!cpu.can_take_interrupt())
        return false;
    const u8 vector = apic.acknowledge();
    accept(vector);
    deliver(event_of({Cause::kInterrupt, vector}));
    return true;
}

void ModelProcessor::accept(u8 vector) {
    note("  accepted " + std::to_string(vector));
    watcher_.accepted(vector);
}

void ModelProcessor::execute(const Instruction& instruction) {
    note(to_text(instruction));
    const u64 given_before = given_;
    has_skipped_ = false;
    const bool exits =
        is_virtualized_ && (instruction.op == Op::kWriteMsr || instruction.op == Op::kHypercall ||
                            instruction.op == Op::kUndefined);
    if (exits) {
        vcpu_.registers->rcx = instruction.operand;
        if (instruction.op == Op::kWriteMsr) {
            vcpu_.registers->rcx = instruction.operand == 0 ? kGoodMsr : 0xbad;
            exit(ExitReason::kWriteMsr);
        } else if (instruction.op == Op::kHypercall) {
            rax_ = vcpu::kHypercallMagic;
            vcpu_.registers->rdx = 0;
            exit(ExitReason::kHypercall);
        } else {
            exit(ExitReason::kVirtualizationInstruction);
        }
        if (has_skipped_ == raised_by(instruction).has_value())
            fail("an instruction that exits was neither done nor refused");
    } else if (is_virtualized_ && instruction.op == Op::kMoveToCr8 && windows_.priority_window) {
        exit({.reason = ExitReason::kWriteControlRegister,
              .address = 8,
              .detail = instruction.operand});
    } else if (const auto raised = raised_by(instruction)) {
        deliver(event_of(*raised));
    } else if (instruction.op == Op::kReturn) {
        execute_return();
    } else {
        cpu.execute(instruction, apic);
    }
    if (raised_by(instruction) && given_ == given_before)
        fail("what an instruction raised was not given");
}

/// SVM: an IRET that is intercepted has not been executed at the exit. If an NMI is given there,
/// the handler about to return lies below it and returns afterwards. A program sees the same as on
/// bare hardware, where the NMI comes right after the IRET, but for what is on its stack.
void ModelProcessor::execute_return() {
    constexpr u32 kMost = 200;
    for (u32 tries = 0; is_virtualized_ && returns_exit_ && failure_.empty(); ++tries) {
        if (tries == kMost)
            return fail("no progress: IRET exits again and again");
        const usize depth = cpu.frames.size();
        const u64 given_before = given_;
        exit(ExitReason::kNmiUnblocked);
        if (given_ != given_before) {
            cpu.frames[depth - 1].is_over = true;
            return;
        }
    }
    cpu.execute({Op::kReturn, 0}, apic);
}

bool ModelProcessor::finish_return() {
    if (cpu.frames.empty() || !cpu.frames.back().is_over)
        return false;
    cpu.frames.back().is_over = false;
    execute_return();
    return true;
}

/// Vectoring. What the instruction boundary held is over with it, whether it ends well or not.
void ModelProcessor::deliver(const PendingEvent& event) {
    if (cuts_ > 0 && is_virtualized_) {
        --cuts_;
        ++counts.cut;
        note("  cut short: " + to_text(given_of(event)));
        watcher_.committed();
        cpu.leave_shadow();
        cpu.halted = false;
        if (event.type == EventType::kNmi && is_vmx())
            cpu.nmi_blocked = true;
        in_flight_ = event;
        exit(ExitReason::kNestedPageFault);
        return;
    }
    const Given given = given_of(event);
    note("  given " + to_text(given));
    ++counts.given[u32(given.cause)];
    ++given_;
    cpu.give(given);
    watcher_.given(given);
}

// The way to root mode and back.

void ModelProcessor::exit(const vcpu::Exit& what) {
    const ExitReason reason = what.reason;
    if (!failure_.empty())
        return;
    note(std::string{"  exit: "} + kReasons[u32(reason)]);
    ++counts.exits;
    ++counts.by_reason[u32(reason)];
    exit_ = what;
    if (!is_vmx())
        cpu.halted = false;  // there is no such state in a VMCB
    injected_ = {};
    is_in_root_ = true;
    if (has_nmi_)
        take_nmi();  // nothing holds it back in root mode
    const bool leaves = vcpu::handle_exit(vcpu_) != nullptr;
    nmis_passed_sti_ = false;
    is_in_root_ = false;
    nmis_held_ = false;
    if (!failure_.empty())
        return;
    if (leaves)
        leave_root_mode();
    else
        enter();
}

void ModelProcessor::enter() {
    counts.windows += windows_.interrupt_window;
    counts.nmi_windows += windows_.nmi_window;
    counts.priority_windows += windows_.priority_window;
    check_entry();
    if (!failure_.empty())
        return;
    if (redelivery_.valid && !is_same(redelivery_, injected_))
        return fail("the event in flight was not delivered again as reported");
    redelivery_ = {};
    if (injected_.valid)
        deliver(injected_);
}

void ModelProcessor::check_entry() {
    if (!injected_.valid)
        return is_vmx() ? check_vmx_entry() : void();
    const bool code_is_right =
        injected_.has_error_code ==
        (injected_.type == EventType::kException && x86::has_error_code(injected_.vector));
    if (!code_is_right)
        fail("entry with a wrong error code");
    if (injected_.type == EventType::kNmi && injected_.vector != 2)
        fail("entry with an NMI of another vector");
    if (injected_.type == EventType::kException && injected_.vector > 31)
        fail("entry with an exception above 31");
    if (injected_.type == EventType::kExternalInterrupt && injected_.vector < 16)
        fail("entry with an interrupt no local APIC has");
    if (is_vmx())
        check_vmx_entry();
}

void ModelProcessor::check_vmx_entry() {
    if (cpu.sti_shadow && (!cpu.interrupt_flag || cpu.mov_ss_shadow))
        fail("entry with an impossible shadow");
    if (cpu.halted && cpu.shadowed())
        fail("entry of a halted guest in a shadow");
    if (!injected_.valid)
        return;
    if (injected_.type == EventType::kExternalInterrupt && !cpu.can_take_interrupt())
        fail("entry with an interrupt the guest cannot take");
    if (injected_.type == EventType::kNmi && cpu.shadowed())
        fail("entry with an NMI in a shadow");
    if (injected_.type == EventType::kNmi && cpu.nmi_blocked)
        fail("entry with an NMI in the guest's NMI handler");
    const bool wakes =
        injected_.type == EventType::kExternalInterrupt || injected_.type == EventType::kNmi;
    if (cpu.halted && !wakes)
        fail("entry of a halted guest with an event that cannot be then");
}

void ModelProcessor::leave_root_mode() {
    note("  left root mode");
    ++counts.left;
    is_virtualized_ = false;
    // An NMI root mode sends to its own core waits in the latch until the guest can take it.
    if (apic_command && *apic_command == kNmiCommand)
        has_nmi_ = true;
    if (apic_command)
        *apic_command = 0;
}

void ModelProcessor::relaunch() {
    note("launched");
    is_virtualized_ = true;
    interrupts_exit_ = returns_exit_ = is_deferring_ = false;
    windows_ = {};
    vcpu_.waiting = {};
    vcpu_.nmi_seen = vcpu_.nmi_count;
    vcpu_.owed_nmi = 0;
    vcpu_.intercepts_interrupts = false;
    vcpu_.is_virtualized = true;
}

// NMIs. The stub in root mode does nothing but count them.

void ModelProcessor::send_nmi() {
    has_nmi_ = true;
    if (is_in_root_ && !nmis_held_)
        take_nmi();
}

void ModelProcessor::take_nmi() {
    has_nmi_ = false;
    ++vcpu_.nmi_count;
}

void ModelProcessor::block_nmis() {
    look_around();
    nmis_held_ = true;
    look_around();
}

void ModelProcessor::unblock_nmis() {
    nmis_held_ = false;
    if (has_nmi_)
        take_nmi();
    watcher_.looks_again();
}

}  // namespace ringside::test
