// SPDX-License-Identifier: GPL-2.0-or-later
// One virtual CPU: everything root mode keeps for one logical processor.
#pragma once

#include <atomic>
#include <cstddef>

#include "event/engine_state.hpp"
#include "memory/walk_cache.hpp"
#include "sandbox/sandbox.hpp"
#include "vcpu/backend.hpp"
#include "vcpu/machine.hpp"
#include "x86/host_stack.h"
#include "x86/segments.hpp"

namespace ringside::vcpu {

struct HaltReason;

/// Own segments and task state of root mode on this CPU. The selectors are Linux's, so that none
/// has to change between launch and first exit.
struct HostTables {
    alignas(16) u64 gdt[8];
    x86::TaskStateSegment tss;
};

/// What becomes of interrupts that can be delivered before the instruction of a step runs.
enum class StepKind : u8 {
    kOver,   ///< their handlers run; the step ends behind one instruction of the interrupted code
    kEnter,  ///< the first one is delivered, as soon as the guest can take it, and the step ends at
             ///< its handler's first instruction
    kHold,   ///< they wait; an exception's handler is entered
};

/// Instructions that show or change what a step does to the flags.
enum class StepInstruction : u8 {
    kPlain,
    kPushFlags,         ///< PUSHF
    kSwitchInterrupts,  ///< CLI, STI
    kLoadFlags,         ///< POPF, IRET
    kLoadSomeFlags,     ///< the same where IF stays as it is: without the privilege
    kSystemEnter,       ///< SYSENTER clears IF
    kSystemCall,        ///< SYSCALL: R11 holds the flags, FMASK takes some away
    kSystemReturn,      ///< SYSRET: the flags come from R11
    kHalt,
};

/// The step of a core. See step.hpp.
struct Step {
    bool is_active = false;
    bool is_armed = false;         ///< the guest's flags, R11 and FMASK are ours for this entry
    bool is_in_handler = false;    ///< of the guest's; the flag is in the frame it returns by
    bool awaits_window = false;    ///< an interrupt, which the guest cannot take yet
    bool awaits_delivery = false;  ///< of an event, behind which the entry exits
    bool is_done = false;
    bool is_hidden = false;  ///< nobody waits for it: an instruction below a breakpoint
    bool hides_interrupt_flag = false;
    bool has_mask = false;  ///< `mask` is the guest's FMASK
    bool has_r11 = false;   ///< `r11` is the guest's R11
    StepKind kind = StepKind::kOver;
    StepInstruction instruction = StepInstruction::kPlain;
    u64 task = 0;       ///< the guest's task that is stepped; 0: whatever runs (hidden)
    u64 own_flags = 0;  ///< the guest's
    u64 exit_rip = 0;   ///< where the last exit found it
    u64 mask = 0;
    u64 r11 = 0;
};

/// Pointers are root addresses. Written by its own core in root mode; `owed_nmi` also by others.
struct Vcpu {
    u32 nmi_count = 0;   ///< NMIs taken in root mode; grown by the NMI stub
    u32 nmi_seen = 0;    ///< how many of them were looked at
    u32 keeps_nmis = 0;  ///< the next NMI taken in root mode leaves NMIs blocked behind it
    u32 core = 0;
    GuestRegisters* registers = nullptr;
    Backend* backend = nullptr;
    Machine* machine = nullptr;
    event::CoreState* core_state = nullptr;
    u32 apic_id = 0;
    const u64* current_slot = nullptr;  ///< the guest's per-CPU pointer to the running task
    WaitingEvents waiting;
    bool is_virtualized = false;
    bool has_adopted = false;       ///< a snapshot, since the launch
    bool wants_interrupts = false;  ///< an enabled event asks for this core's interrupts
    bool intercepts_interrupts = false;
    u32 owed_nmi = 0;         ///< an NMI of ours is on its way: not 0 until it was seen
    u32 stands_for = 0;       ///< the ticket this core stood still for last
    u32 halted_for = 0;       ///< the halt this core stood in last
    u32 is_asleep = 0;        ///< stands in a halt, and an NMI has to tell it when it is over
    bool has_slept = false;   ///< NMIs came meanwhile that are done with
    bool has_stood = false;   ///< in a halt, since it was last looked at
    bool has_tended = false;  ///< the link, of whose NMI nobody has taken notice yet
    Step step = {};
    Step outer_step = {};               ///< the one that a hidden step is taken within
    u64 stood_ticks = 0;                ///< that the guest's watchdogs were not told of
    HaltReason* halt_reason = nullptr;  ///< of the halt this core has brought about
    u32 intercepted_exceptions = 0;     ///< bit n: exception n exits
    u64 exits = 0;
    sandbox::Core* sandbox = nullptr;
    HostTables host = {};
    memory::WalkCache walks = {};
    apic::ShortCircuit short_circuit = {};
};
static_assert(offsetof(Vcpu, nmi_count) == RS_VCPU_NMI_COUNT);
static_assert(offsetof(Vcpu, nmi_seen) == RS_VCPU_NMI_SEEN);
static_assert(offsetof(Vcpu, keeps_nmis) == RS_VCPU_KEEPS_NMIS);
static_assert(offsetof(Vcpu, registers) == RS_VCPU_REGISTERS);

/// One CPU's private memory: 64 KiB, aligned to its size on both sides, so that any stack address
/// leads to its vCPU.
struct VcpuBlock {
    static constexpr u64 kBytes = 0x10000;
    static constexpr u64 kStackBytes = 0x4000;

    alignas(kPageSize) u8 vendor_pages[3][kPageSize];  ///< VMCB, host VMCB, host save area
    u8 nmi_stack[kPageSize];
    u8 double_fault_stack[kPageSize];
    u8 machine_check_stack[kPageSize];
    u8 debug_stack[kPageSize];
    u8 vendor_state[kPageSize];  ///< the backend object
    u8 stack[kStackBytes];
    Vcpu vcpu;
};
static_assert(sizeof(VcpuBlock) <= VcpuBlock::kBytes);

/// The block any address inside belongs to.
inline VcpuBlock& block_of(u64 address) {
    return *reinterpret_cast<VcpuBlock*>(address & ~(VcpuBlock::kBytes - 1));
}

/// Task-state indices of the stacks (IST 1 to 4).
enum class Ist : u8 { kNone = 0, kNmi = 1, kDoubleFault = 2, kMachineCheck = 3, kDebug = 4 };

}  // namespace ringside::vcpu
