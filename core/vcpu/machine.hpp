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
struct PendingEvent;

/// Handles one exit. Root mode, interrupts off, own vCPU.
using ExitHandler = After (*)(Vcpu&, const Exit&);

/// Told of an interrupt that is about to be delivered. It may change the guest.
using CommitHandler = void (*)(Vcpu&, u8 vector);

/// Told of an NMI of the guest's that an event asks for. False: the guest does not get it.
using NmiHandler = bool (*)(Vcpu&);

/// Called on the core that operates while the machine is halted; returns when it does no more, or
/// nothing is halted any more.
using OperateHandler = void (*)(Vcpu&);

/// Looks whether the debugger at the end of a link says something, and carries messages to it.
/// `has_nmi`: an NMI came that may have been the link's. True: it was, or might have been.
using LinkHandler = bool (*)(Vcpu&, bool has_nmi);

/// Told of an exception before events are. True: it was the debugger's own.
using DebugExceptionHandler = bool (*)(Vcpu&, const PendingEvent& exception);

/// Guest context asks for something about the link (debug/debugger.hpp). Gives RS_OK or RS_ERR_*.
using LinkRequestHandler = u32 (*)(Vcpu&, u64 operation, void* debugger);

/// One handler a reason; monitor/ fills it.
struct ExitTable {
    CommitHandler commit = nullptr;
    NmiHandler nmi = nullptr;
    OperateHandler operate = nullptr;
    LinkHandler tend_link = nullptr;
    DebugExceptionHandler debug_exception = nullptr;
    OperateHandler hidden_step_done = nullptr;  ///< a core has passed a breakpoint
    LinkRequestHandler request_link = nullptr;
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

/// A kind of node in a maple tree. Source: Linux, include/linux/maple_tree.h.
struct MapleLayout {
    u32 pivots = 0, slots = 0;  ///< where they begin
    u32 count = 0;              ///< of slots; there is one pivot less
};

/// Where the kernel keeps the mappings of a process, and the files they are of.
struct MappingLayout {
    bool has_tree = false;  ///< mappings are in a maple tree, else in a list
    u32 mm_areas = 0;       ///< in mm_struct: the tree's root, or the list's first vm_area_struct
    u32 area_start = 0, area_end = 0, area_file = 0;
    u32 area_next = 0;  ///< without a tree
    u32 file_dentry = 0, file_mount = 0, file_inode = 0;
    u32 mount_root = 0;
    u32 dentry_parent = 0, dentry_name = 0, dentry_name_len = 0;
    MapleLayout range, gap_range;  ///< maple_range_64, maple_arange_64
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

/// The halt of the whole machine. See halt.hpp.
struct Halt {
    u32 is_taken = 0;    ///< HaltKind
    u32 generation = 0;  ///< of the halt in effect; 0: the machine runs
    u32 last_generation = 0;
    u32 operating_core = 0;
    u32 released_core = 0;  ///< a core that runs alone meanwhile, + 1; 0: none
    u32 missing = 0;        ///< cores that did not stand in time
    u64 halts = 0;          ///< so far
    u64 lost_breaks = 0;    ///< that found no debugger
    u64 halted_tsc = 0;     ///< when all cores stood
    u64 resumed_tsc = 0;    ///< when they were let go last
};

/// Tasks of the guest that have a step's trap flag, in their registers or in a frame. Changed while
/// the machine is halted, and by who takes the trap.
struct StepTasks {
    static constexpr u32 kMax = 8;
    u64 current = 0;       ///< task_struct of the one whose trap ends the step, 0: none
    u64 stale[kMax] = {};  ///< of steps that nobody waits for any more
};

inline constexpr u32 kMaxIoApics = 16;

/// Why root mode has the guest take an NMI; bits of Machine::wakeups, RS_WAKEUP_* to the shim.
inline constexpr u32 kWakeReaders = 1 << 0;
inline constexpr u32 kTellWatchdogs = 1 << 1;  ///< this core stood for long
inline constexpr u32 kStrayNmi = 1 << 2;       ///< one of ours that found no root mode any more

struct Machine {
    memory::RamMap ram;
    memory::OwnedPages owned;
    memory::PhysicalWindow window;  ///< as root mode sees it
    x86::LocalApic apic;
    ExitTable exits;
    TaskLayout tasks;
    MappingLayout mappings;
    apic::Settings short_circuit;
    Rendezvous rendezvous;
    Halt halt;
    StepTasks step_tasks;
    u32 debug_exceptions = 0;  ///< bit n: exception n exits on every core for the debugger's sake
    u32 breakpoint_count = 0;  ///< of the debugger's, enabled
    u32 has_link = 0;          ///< Debugger Mode: a debugger may be at the end of a link
    void* debugger = nullptr;  ///< what the link's handlers work on
    u64 io_apics[kMaxIoApics] = {};           ///< root addresses
    u64 io_apic_addresses[kMaxIoApics] = {};  ///< physical
    u32 io_apic_count = 0;
    u64 window_base = 0;
    u64 stall_suppression = 0;  ///< physical, of the kernel's word; 0: unknown. See watchdogs.hpp
    u32 core_count = 0;
    u32 page_table_isolation = 0;
    u32 forward_hypercalls = 0;  ///< run under another hypervisor: VMMCALLs of the guest are for it
    u32 is_intel = 0;            ///< which hypercall instruction that takes
    u32 emergency_log = 0;       ///< port 0xe9 exists (QEMU, Bochs)
    u32 abandoned[kMaxCores] = {};  ///< root mode left this core by itself
    LeaveReport report;
    sandbox::Memory sandbox;      ///< what user code reaches memory by
    u32 wakeups[kMaxCores] = {};  ///< what root asked for an NMI on this core for: kWakeReaders ...
    Vcpu* vcpus[kMaxCores] = {};  ///< root addresses; nullptr where no CPU is possible
};

}  // namespace ringside::vcpu
