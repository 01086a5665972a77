// SPDX-License-Identifier: GPL-2.0-or-later
// What all vCPUs share. Lives in memory both sides see; root mode reads it, the kernel's side fills
// it before the first launch and changes nothing but the members that say so.
#pragma once

#include "apic/short_circuit.hpp"
#include "memory/guest_page_walk.hpp"
#include "memory/owned_pages.hpp"
#include "memory/physical_window.hpp"
#include "sandbox/sandbox.hpp"
#include "vcpu/exit.hpp"
#include "x86/lapic.hpp"

namespace ringside::vcpu {

struct Vcpu;

/// Handles one exit. Root mode, interrupts off, own vCPU.
using ExitHandler = After (*)(Vcpu&, const Exit&);

/// Told of an interrupt that is about to be delivered. It may change the guest.
using CommitHandler = void (*)(Vcpu&, u8 vector);

/// Told of an NMI of the guest's that an event asks for. False: the guest does not get it.
using NmiHandler = bool (*)(Vcpu&);

/// One handler a reason; monitor/ fills it.
struct ExitTable {
    CommitHandler commit = nullptr;
    NmiHandler nmi = nullptr;
    ExitHandler handlers[u32(ExitReason::kCount)] = {};
};

/// Where things are in the guest kernel's task_struct, and how its addresses lead to memory.
struct TaskLayout {
    u64 direct_map = 0;  ///< guest virtual address of physical 0
    u64 init_task = 0;   ///< the boot CPU's idle task is no part of the direct map
    Hpa init_task_physical;
    u32 pid = 0, tgid = 0, comm = 0, group_leader = 0, mm = 0, fs_base = 0;
    u32 tasks = 0;        ///< links the thread groups' leaders
    u32 signal = 0;       ///< leads to the group's signal_struct
    u32 thread_node = 0;  ///< links a group's threads
    u32 thread_head = 0;  ///< in signal_struct: begins their list
    u32 mm_pgd = 0;       ///< in mm_struct: address of the top-level page table
};

inline constexpr u32 kMaxCores = 256;

/// Why root mode left a core by itself, for the kernel's log; one report for all cores. Written by
/// the core that took it, read when that core has left.
struct LeaveReport {
    static constexpr usize kBytes = 0x1800;
    u32 is_taken = 0;
    char text[kBytes] = {};
};

/// Which core has the others stand still. See rendezvous.hpp.
struct Rendezvous {
    u32 is_taken = 0;
    u32 ticket = 0;  ///< 0: nobody has to stand
    u32 last_ticket = 0;
};

inline constexpr u32 kMaxIoApics = 16;

struct Machine {
    memory::RamMap ram;
    memory::OwnedPages owned;
    memory::PhysicalWindow window;  ///< as root mode sees it
    x86::LocalApic apic;
    ExitTable exits;
    TaskLayout tasks;
    apic::Settings short_circuit;
    Rendezvous rendezvous;
    u64 io_apics[kMaxIoApics] = {};           ///< root addresses
    u64 io_apic_addresses[kMaxIoApics] = {};  ///< physical
    u32 io_apic_count = 0;
    u64 window_base = 0;
    u32 core_count = 0;
    u32 page_table_isolation = 0;
    u32 forward_hypercalls = 0;  ///< run under another hypervisor: VMMCALLs of the guest are for it
    u32 is_intel = 0;            ///< which hypercall instruction that takes
    u32 emergency_log = 0;       ///< port 0xe9 exists (QEMU, Bochs)
    u32 abandoned[kMaxCores] = {};  ///< root mode left this core by itself
    LeaveReport report;
    sandbox::Memory sandbox;      ///< what user code reaches memory by
    u32 wakeups[kMaxCores] = {};  ///< root asked for an NMI on this core to wake the readers
    Vcpu* vcpus[kMaxCores] = {};  ///< root addresses; nullptr where no CPU is possible
};

}  // namespace ringside::vcpu
