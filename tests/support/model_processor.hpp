// SPDX-License-Identifier: GPL-3.0-or-later
// A processor that runs a guest under the real exit loop: the same CPU and local APIC as bare
// hardware (literal_hardware.hpp), and the manuals' rules of guest mode on top. It leaves the guest
// when an intercept says so, checks every entry as the processor does, and can cut the delivery of
// an event short. To the exit loop it is a backend.
// Source: Intel SDM vol. 3C §25.2 "Other Causes of VM Exits", §26.3.1.5 "Checks on Guest
// Non-Register State", §26.6 "Event Injection", §27.2.4 "Information for VM Exits During Event
// Delivery"; AMD APM vol. 2 §15.20 "Event Injection", §15.21 "Interrupt and Local APIC Support".
#pragma once

#include "support/literal_hardware.hpp"
#include "vcpu/vcpu.hpp"

namespace ringside::test {

/// How the guest is left for an interrupt.
enum class Scheme : u8 {
    /// VMX, acknowledged at the exit: also while the guest cannot take it.
    kVmx,
    /// VMX, not acknowledged at the exit: while the guest cannot take it, interrupts stop exiting
    /// and the interrupt window is waited for instead.
    kVmxAtWindow,
    /// SVM without V_INTR_MASKING: the guest's own flag holds interrupts back.
    kSvm,
};
const char* to_text(Scheme scheme);

/// What the manuals leave to the processor.
struct Variety {
    bool interrupts_exit_in_shadow = true;  ///< VMX: also behind STI and MOV SS
    bool nmis_ignore_sti = false;           ///< NMIs and their window pass the shadow of STI
};

/// Mistakes of prepare_entry() and of the loop around it, made where they can be made from outside.
/// Whoever compares has to notice each of them.
enum class Fault : u8 {
    kNone,
    kDropPending,
    kMergePending,
    kLowestFirst,
    kIgnoreFlag,
    kIgnoreShadow,
    kIgnorePriority,
    kForgetInFlight,
    kRedeliverTwice,
    kForgetNmiBlocking,
    kDropNmi,
    kForgetInterruptWindow,
    kForgetNmiWindow,
    kForgetPriorityWindow,
    kCount,
};
const char* to_text(Fault fault);

/// The same event in the program's words.
Given given_of(const vcpu::PendingEvent& event);

/// Who looks on. All calls come from within ModelProcessor.
class Watcher {
public:
    /// Root mode is at work; the moment to let something arrive.
    virtual void in_root() = 0;
    /// The guest is between two instructions, nothing is being delivered.
    virtual void at_boundary() = 0;
    /// The local APIC has passed the vector on: it is in service, nobody has seen it.
    virtual void accepted(u8 vector) = 0;
    /// NMIs that were held back for the entry have been taken after all.
    virtual void looks_again() = 0;
    /// What the guest gets next is settled.
    virtual void committed() = 0;
    /// The guest is at the first instruction of a handler.
    virtual void given(const Given& given) = 0;

protected:
    ~Watcher() = default;
};

/// What happened how often.
struct ModelCounts {
    u64 exits = 0;
    u64 by_reason[u32(vcpu::ExitReason::kCount)] = {};
    u64 given[4] = {};    ///< by Cause
    u64 early = 0;        ///< interrupts accepted while the guest could not take them
    u64 deferred = 0;     ///< kVmxAtWindow: exits that left the interrupt where it was
    u64 cut = 0;          ///< deliveries that ended in an exit
    u64 left = 0;         ///< times root mode was left for good
    u64 windows = 0;      ///< entries with an interrupt window
    u64 nmi_windows = 0;  ///< entries with an NMI window
    u64 priority_windows = 0;
    u64 delayed = 0;  ///< interrupts that had to wait because root mode held another one

    ModelCounts& operator+=(const ModelCounts& other);
};

class ModelProcessor final : public vcpu::Backend {
public:
    ModelProcessor(vcpu::Vcpu& vcpu, Scheme scheme, Variety variety, Watcher& watcher);
    virtual ~ModelProcessor() = default;

    // The guest's side.
    LiteralCpu cpu;
    LiteralApic apic;
    /// Goes on until the guest is about to execute an instruction, or is halted for now.
    void run_to_instruction();
    void execute(const Instruction& instruction);

    // The outside.
    void send_nmi();
    /// So many deliveries from now on end in an exit, and have to be repeated.
    void cut_deliveries(u32 times) { cuts_ = times; }
    void relaunch();

    bool is_virtualized() const { return is_virtualized_; }
    bool is_in_root() const { return is_in_root_; }
    bool holds_nmis() const { return nmis_held_; }
    bool has_nmi() const { return has_nmi_; }
    Scheme scheme() const { return scheme_; }
    /// Whether an interrupt would leave the guest at this boundary, if it was intercepted.
    bool lets_interrupts_out() const {
        return scheme_ == Scheme::kVmx ? !cpu.shadowed() || variety_.interrupts_exit_in_shadow
                                       : cpu.can_take_interrupt();
    }
    /// What went wrong first; empty: nothing.
    const std::string& failure() const { return failure_; }
    void fail(const std::string& text);
    void note(const std::string& text);

    Fault fault = Fault::kNone;
    ModelCounts counts;
    std::string* trace = nullptr;  ///< a line for everything that happens
    u32* apic_command = nullptr;   ///< where root mode writes its APIC commands

    vcpu::Exit decode_exit(vcpu::PendingEvent& in_flight) override;
    u64 read_register(vcpu::Register which) override;
    bool write_register(vcpu::Register which, u64 value) override;
    u16 table_limit(vcpu::Register) override { return 0; }
    bool runs_64bit_code() override { return true; }
    u8 privilege_level() override { return 0; }
    void skip_instruction(u32 length) override;
    void intercept_interrupts(bool on) override;
    void intercept_exceptions(u32) override {}
    vcpu::PendingEvent read_exception() override { return {}; }
    s32 take_interrupt() override;
    s32 halt() override { return -1; }
    vcpu::Interruptibility interruptibility() override;
    vcpu::Injected inject(const vcpu::PendingEvent& event, vcpu::PendingEvent& fault) override;
    void make_runnable() override {}
    bool delivers_at_once() override { return false; }
    void exit_behind_injection() override {}
    void set_windows(const vcpu::EntryPlan& plan) override;
    bool write_control_register(u32 number, u64 value) override;
    bool read_msr(u32 msr, u64& value) override;
    bool write_msr(u32 msr, u64 value, bool& leave) override;
    void block_nmis() override;
    void unblock_nmis() override;
    void report_entry_failure(vcpu::EmergencyLog&) override {}
    void* prepare_devirtualize() override { return this; }

private:
    static constexpr u32 kGoodMsr = 0x10;

    bool is_vmx() const { return scheme_ != Scheme::kSvm; }
    bool event_at_boundary();
    bool vmx_event();
    bool svm_event();
    bool bare_event();
    bool take_directly();
    bool finish_return();
    void execute_return();
    void exit(vcpu::ExitReason reason) { exit(vcpu::Exit{.reason = reason}); }
    void exit(const vcpu::Exit& what);
    void enter();
    void check_entry();
    void check_vmx_entry();
    void leave_root_mode();
    void deliver(const vcpu::PendingEvent& event);
    void take_nmi();
    void accept(u8 vector);
    void look_around() { watcher_.in_root(); }
    void corrupt_decision();

    vcpu::Vcpu& vcpu_;
    Scheme scheme_;
    Variety variety_;
    Watcher& watcher_;
    std::string failure_;

    bool is_virtualized_ = true;
    bool is_in_root_ = false;
    bool has_nmi_ = false;    ///< the processor's own latch
    bool nmis_held_ = false;  ///< root mode has them held back
    u32 cuts_ = 0;
    u64 rax_ = 0;
    u64 calls_ = 0;  ///< of the decision, for faults that happen now and then

    // What guest mode was entered with, and what it was left for.
    bool interrupts_exit_ = false;
    vcpu::EntryPlan windows_;
    bool returns_exit_ = false;     ///< SVM: IRET intercept
    bool nmis_passed_sti_ = false;  ///< this exit shows that the shadow of STI holds no NMIs
    bool is_deferring_ = false;     ///< kVmxAtWindow
    vcpu::PendingEvent injected_;
    vcpu::Exit exit_;
    vcpu::PendingEvent in_flight_;   ///< cut short by the last exit
    vcpu::PendingEvent redelivery_;  ///< has to come back unchanged
    vcpu::PendingEvent repeated_;    ///< kRedeliverTwice
    s32 acknowledged_ = -1;          ///< kVmx: exit interruption information
    bool has_skipped_ = false;
    u64 given_ = 0;
};

}  // namespace ringside::test
