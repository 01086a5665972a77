// SPDX-License-Identifier: GPL-2.0-or-later
#include "vcpu/hypervisor.hpp"

#include "base/memory.hpp"
#include "x86/control_registers.hpp"
#include "x86/cpuid.hpp"
#include "x86/msr.hpp"

#include <new>

extern "C" const ringside::u8 rs_host_stubs[];

namespace ringside::vcpu {

namespace page = x86::page;

namespace {
constexpr u64 kHostRights = page::kWritable | page::kAccessed | page::kDirty;

/// What happened is an error, the long list of values behind it is not; the log has our name.
void log_line(const rs_platform& platform, const char* line) {
    constexpr char kOurName[] = "ringside: ";
    for (usize i = 0; line[i] == kOurName[i];)
        if (kOurName[++i] == '\0')
            return platform.log(RS_LOG_ERROR, line + i);
    platform.log(RS_LOG_INFO, line);
}

/// QEMU and Bochs answer reads of their debug port with its number; elsewhere nobody does.
bool has_emergency_port() {
    constexpr u8 kPort = 0xe9;
    return x86::in_byte(kPort) == kPort;
}
}  // namespace

LaunchContext Hypervisor::context() {
    return {.memory = memory_,
            .machine = *machine_,
            .host_cr3 = host_cr3_,
            .host_idt = reinterpret_cast<u64>(memory_.to_root(static_cast<u8*>(host_idt_))),
            .encryption = encryption_,
            .paging_levels = paging_levels_,
            .nested_paging = nested_paging_};
}

Result<void> Hypervisor::prepare(Vendor& vendor, const rs_platform& platform,
                                 const rs_kernel_facts& facts, const rs_load& request,
                                 const ExitTable& exits) {
    vendor_ = &vendor;
    platform_ = &platform;
    core_count_ = facts.core_count < kMaxCores ? facts.core_count : kMaxCores;
    encryption_ = facts.encryption_mask;
    paging_levels_ = x86::paging_levels(x86::read_cr<4>());
    nested_paging_ = request.flags & RS_LOADF_NPT;
    fail_step_ = request.fail_step;
    fail_core_ = request.fail_core;
    for (u32 core = 0; core < core_count_; ++core) {
        current_slots_[core] = facts.current_slot[core];
        kernel_gs_[core] = facts.kernel_gs[core];
        sandboxes_[core] = nullptr;
        virtualized_[core] = false;
    }
    memory_.init(platform, facts.direct_map, nullptr);
    machine_ = static_cast<Machine*>(memory_.allocate(sizeof(Machine)));
    if (!machine_ || fails_at(LaunchStep::kMachineMemory))
        return Error{RS_ERR_CANNOT_CREATE};
    memory_.init(platform, facts.direct_map, &machine_->owned);
    RS_TRY(copy_facts(facts, exits));
    copy_interrupt_facts(facts, request);
    RS_TRY(build_host_tables(facts));
    if (fails_at(LaunchStep::kHostTables))
        return Error{RS_ERR_CANNOT_CREATE};
    for (u32 core = 0; core < core_count_; ++core) {
        if (!current_slots_[core])
            continue;
        blocks_[core] = static_cast<VcpuBlock*>(memory_.allocate(VcpuBlock::kBytes));
        if (!blocks_[core] || fails_at(LaunchStep::kCoreMemory))
            return Error{RS_ERR_CANNOT_CREATE, core};
    }
    RS_TRY(prepare_sandboxes(facts));
    LaunchContext here = context();
    RS_TRY(vendor_->prepare_machine(here));
    if (fails_at(LaunchStep::kVendorTables))
        return Error{RS_ERR_CANNOT_CREATE};
    return hide_private_pages();
}

Result<void> Hypervisor::copy_facts(const rs_kernel_facts& facts, const ExitTable& exits) {
    Machine& machine = *machine_;
    if (facts.ram_count > memory::RamMap::kMaxRanges)
        return Error{RS_ERR_UNSUPPORTED_STATE, facts.ram_count};
    machine.ram.count = facts.ram_count;
    for (u32 i = 0; i < facts.ram_count; ++i)
        machine.ram.ranges[i] = {facts.ram[i].start, facts.ram[i].end};
    machine.window_base = kRootWindowBase;
    machine.window = {kRootWindowBase, memory_.to_root(&machine.ram), facts.encryption_mask};
    const u64 apic = x86::read_msr(x86::IA32_APIC_BASE);
    machine.apic = {x86::apic_base::X2apicEnable::test(apic), kRootLapicBase};
    machine.exits = exits;
    machine.tasks.direct_map = facts.direct_map;
    machine.tasks.init_task = facts.init_task;
    machine.tasks.init_task_physical = Hpa{facts.init_task_physical};
    machine.tasks.pid = facts.task_pid;
    machine.tasks.tgid = facts.task_tgid;
    machine.tasks.comm = facts.task_comm;
    machine.tasks.group_leader = facts.task_group_leader;
    machine.tasks.mm = facts.task_mm;
    machine.tasks.fs_base = facts.task_fs_base;
    machine.tasks.tasks = facts.task_tasks;
    machine.tasks.signal = facts.task_signal;
    machine.tasks.thread_node = facts.task_thread_node;
    machine.tasks.thread_head = facts.signal_thread_head;
    machine.tasks.mm_pgd = facts.mm_pgd;
    const rs_mapping_layout& areas = facts.mappings;
    machine.mappings = {
        .has_tree = areas.has_tree != 0,
        .mm_areas = areas.mm_areas,
        .area_start = areas.area_start,
        .area_end = areas.area_end,
        .area_file = areas.area_file,
        .area_next = areas.area_next,
        .file_dentry = areas.file_dentry,
        .file_mount = areas.file_mount,
        .file_inode = areas.file_inode,
        .mount_root = areas.mount_root,
        .dentry_parent = areas.dentry_parent,
        .dentry_name = areas.dentry_name,
        .dentry_name_len = areas.dentry_name_len,
        .range = {areas.range_pivots, areas.range_slots, areas.range_count},
        .gap_range = {areas.gap_range_pivots, areas.gap_range_slots, areas.gap_range_count}};
    machine.stall_suppression = facts.stall_suppression;
    machine.core_count = core_count_;
    machine.page_table_isolation = facts.page_table_isolation;
    machine.forward_hypercalls = x86::runs_under_hypervisor() && !x86::is_qemu_tcg();
    machine.is_intel = x86::has_vmx();
    machine.emergency_log = has_emergency_port();
    return {};
}

void Hypervisor::set_short_circuit(ShortCircuitSwitches switches) {
    machine_->short_circuit.replays.store(switches.replays, std::memory_order_relaxed);
    machine_->short_circuit.delivers_storms.store(switches.delivers_storms,
                                                  std::memory_order_relaxed);
}

ShortCircuitSwitches Hypervisor::short_circuit() const {
    return {
        .replays = machine_->short_circuit.replays.load(std::memory_order_relaxed),
        .delivers_storms = machine_->short_circuit.delivers_storms.load(std::memory_order_relaxed)};
}

void Hypervisor::copy_interrupt_facts(const rs_kernel_facts& facts, const rs_load& request) {
    Machine& machine = *machine_;
    apic::Settings& settings = *new (&machine.short_circuit) apic::Settings{};
    if (facts.tsc_khz)
        settings.ticks_per_ms = facts.tsc_khz;
    set_short_circuit({.replays = !(request.flags & RS_LOADF_SC_NO_REPLAY),
                       .delivers_storms = (request.flags & RS_LOADF_SC_DELIVER) != 0});
    settings.pic_base = u8(facts.pic_base);
    for (u32 vector = 0; vector < 256; ++vector)
        if (facts.replay_vectors[vector / 64] >> (vector % 64) & 1)
            settings.replayed.add(u8(vector));
    machine.io_apic_count = facts.io_apic_count < kMaxIoApics ? facts.io_apic_count : kMaxIoApics;
    for (u32 i = 0; i < machine.io_apic_count; ++i) {
        io_apics_[i] = Hpa{facts.io_apic[i]};
        machine.io_apic_addresses[i] = facts.io_apic[i];
        machine.io_apics[i] = kRootIoApicBase + i * kPageSize + facts.io_apic[i] % kPageSize;
    }
}

/// The registers of the interrupt controllers, uncached.
Result<void> Hypervisor::map_devices(memory::PageTable<memory::HostFormat>& table) {
    const auto map = [&](u64 at, u64 physical) {
        return table.map(at, kPageSize, Hpa{physical & ~(kPageSize - 1)},
                         kHostRights | page::kNoExecute | page::kCacheDisable | page::kWriteThrough,
                         1, true);
    };
    RS_TRY(map(kRootLapicBase, x86::apic_base::Base::kMask & x86::read_msr(x86::IA32_APIC_BASE)));
    for (u32 i = 0; i < machine_->io_apic_count; ++i)
        RS_TRY(map(kRootIoApicBase + i * kPageSize, io_apics_[i].value()));
    return {};
}

Result<void> Hypervisor::build_host_tables(const rs_kernel_facts& facts) {
    host_idt_ = memory_.allocate(kPageSize);
    const u64 root = memory_.take_page();
    if (!host_idt_ || !root)
        return Error{RS_ERR_CANNOT_CREATE};
    host_cr3_ = Hpa{root};
    auto* gates = static_cast<x86::Gate*>(host_idt_);
    for (u32 vector = 0; vector < 256; ++vector) {
        Ist ist = Ist::kNone;
        if (vector == 1)
            ist = Ist::kDebug;
        else if (vector == 2)
            ist = Ist::kNmi;
        else if (vector == 8)
            ist = Ist::kDoubleFault;
        else if (vector == 18)
            ist = Ist::kMachineCheck;
        // What user code may say: INT3, INTO, and the end.
        const bool is_open = vector == 3 || vector == 4 || vector == sandbox::kExitVector;
        gates[vector] =
            x86::Gate::interrupt(reinterpret_cast<u64>(rs_host_stubs) + u64{vector} * RS_STUB_BYTES,
                                 x86::kHostCodeSelector, u8(ist), is_open ? 3 : 0);
    }
    const memory::PhysicalWindow window{memory_.direct_map(), &machine_->ram, encryption_};
    memory::PageTable<memory::HostFormat> table{memory_, window, host_cr3_, paging_levels_};
    // RAM only: a device's registers mapped write-back could be read by speculation.
    for (u32 i = 0; i < machine_->ram.count; ++i) {
        const memory::RamRange& range = machine_->ram.ranges[i];
        // Once where no address of the kernel's is, once where the kernel has it: what both sides
        // work on holds the kernel's pointers.
        for (const u64 base : {kRootWindowBase, memory_.direct_map()})
            RS_TRY(table.map(base + range.start, range.end - range.start, Hpa{range.start},
                             kHostRights | page::kNoExecute, 2));
    }
    RS_TRY(map_devices(table));
    // Without it scripts are interpreted.
    if (const u8* pool = memory_.open_code_pool())
        RS_TRY(table.map(kRootCodeBase, kCodePoolBytes, memory_.physical(pool),
                         page::kAccessed | page::kDirty, 1));
    return copy_image(table, facts);
}

/// Root mode runs from a copy of the module, at the module's own addresses: unloading by force,
/// patching and tracing of the guest's copy cannot reach it.
Result<void> Hypervisor::copy_image(memory::PageTable<memory::HostFormat>& table,
                                    const rs_kernel_facts& facts) {
    for (u32 i = 0; i < facts.image_count; ++i) {
        const rs_image_range& range = facts.image[i];
        const u64 rights = page::kAccessed | page::kDirty |
                           (range.rights & RS_IMAGE_WRITE ? page::kWritable : 0) |
                           (range.rights & RS_IMAGE_EXECUTE ? 0 : page::kNoExecute);
        for (u64 offset = 0; offset < range.bytes; offset += kPageSize) {
            const u64 copy = memory_.take_page();
            if (!copy)
                return Error{RS_ERR_CANNOT_CREATE};
            copy_bytes(memory_.from_physical<void>(Hpa{copy}),
                       reinterpret_cast<const void*>(range.address + offset), kPageSize);
            RS_TRY(table.map(range.address + offset, kPageSize, Hpa{copy}, rights, 1));
        }
    }
    return {};
}

/// The address spaces of user code. In a process's kernel context: its top-level table shows where
/// the kernel's half lies.
Result<void> Hypervisor::prepare_sandboxes(const rs_kernel_facts& facts) {
    machine_->sandbox = {.window = machine_->window,
                         .owned = memory_.to_root(&machine_->owned),
                         .window_base = kRootWindowBase,
                         .levels = paging_levels_};
    const Hpa exit_page{memory_.take_page()};
    if (exit_page.value() == 0)
        return Error{RS_ERR_CANNOT_CREATE};
    copy_bytes(memory_.from_physical<void>(exit_page), sandbox::kExitInstruction,
               sizeof sandbox::kExitInstruction);
    copy_bytes(memory_.from_physical<u8>(exit_page) + (sandbox::kSteppedEntry & kPageMask),
               sandbox::kEntryInstruction, sizeof sandbox::kEntryInstruction);
    const sandbox::SpaceSource source{.pages = memory_,
                                      .window = {memory_.direct_map(), &machine_->ram, encryption_},
                                      .host_table = host_cr3_,
                                      .levels = paging_levels_,
                                      .exit_page = exit_page,
                                      .kernel_cr3 = x86::read_cr<3>()};
    for (u32 core = 0; core < core_count_; ++core) {
        if (!blocks_[core])
            continue;
        const Hpa page{memory_.take_page()};
        if (page.value() == 0)
            return Error{RS_ERR_CANNOT_CREATE, core};
        auto* mine = ::new (memory_.from_physical<void>(page)) sandbox::Core;
        sandboxes_[core] = mine;
        RS_TRY(mine->space.build(source));
        const Hpa vectors{memory_.take_page()};
        if (vectors.value() == 0)
            return Error{RS_ERR_CANNOT_CREATE, core};
        mine->vectors = memory_.to_root(memory_.from_physical<u8>(vectors));
        for (u32 i = 0; i < facts.image_count; ++i)
            RS_TRY(mine->space.map_image(source, facts.image[i].address, facts.image[i].bytes));
    }
    return {};
}

Result<void> Hypervisor::prepare_block(u32 core) {
    VcpuBlock& block = *blocks_[core];
    fill_bytes(&block, 0, VcpuBlock::kBytes);
    Vcpu& vcpu = block.vcpu;
    vcpu.core = core;
    vcpu.machine = memory_.to_root(machine_);
    vcpu.core_state = core_states_[core];
    vcpu.current_slot = reinterpret_cast<const u64*>(kRootWindowBase + current_slots_[core]);
    vcpu.sandbox = memory_.to_root(sandboxes_[core]);

    const auto stack_top = [&](u8* stack) {
        auto* words = reinterpret_cast<u64*>(stack + kPageSize - 16);
        words[0] = reinterpret_cast<u64>(memory_.to_root(&vcpu));
        return reinterpret_cast<u64>(memory_.to_root(words));
    };
    x86::TaskStateSegment& tss = vcpu.host.tss;
    tss.ist[u32(Ist::kNmi) - 1] = stack_top(block.nmi_stack);
    tss.ist[u32(Ist::kDoubleFault) - 1] = stack_top(block.double_fault_stack);
    tss.ist[u32(Ist::kMachineCheck) - 1] = stack_top(block.machine_check_stack);
    tss.ist[u32(Ist::kDebug) - 1] = stack_top(block.debug_stack);
    tss.rsp[0] = reinterpret_cast<u64>(memory_.to_root(block.stack + sizeof block.stack));
    tss.io_map_base = sizeof tss;  // beyond the limit: no port for CPL 3
    const u64 tss_address = reinterpret_cast<u64>(memory_.to_root(&tss));
    vcpu.host.gdt[2] = x86::descriptor::kKernelCode;
    vcpu.host.gdt[3] = x86::descriptor::kKernelData;
    vcpu.host.gdt[RS_USER_DATA_SELECTOR / 8] = x86::descriptor::kUserData;
    vcpu.host.gdt[RS_USER_CODE_SELECTOR / 8] = x86::descriptor::kUserCode;
    vcpu.host.gdt[5] = x86::tss_descriptor_low(tss_address, sizeof tss - 1);
    vcpu.host.gdt[6] = x86::tss_descriptor_high(tss_address);
    machine_->vcpus[core] = memory_.to_root(&vcpu);
    sandbox::Core& mine = *sandboxes_[core];
    mine.kernel_gs = kernel_gs_[core];
    mine.gdt = {u16(sizeof vcpu.host.gdt - 1),
                reinterpret_cast<u64>(memory_.to_root(&vcpu.host.gdt))};
    mine.rsp0 = memory_.to_root(reinterpret_cast<u8*>(&tss) + offsetof(x86::TaskStateSegment, rsp));
    mine.host_cr3 = host_cr3_.value() | encryption_;
    LaunchContext here = context();
    return vendor_->prepare_core(here, block);
}

Result<void> Hypervisor::hide_private_pages() {
    if (!nested_paging_)
        return {};
    LaunchContext here = context();
    for (u32 core = 0; core < core_count_; ++core)
        for (u64 offset = 0; blocks_[core] && offset < VcpuBlock::kBytes; offset += kPageSize)
            RS_TRY(vendor_->hide(here, memory_.physical(blocks_[core]) + offset));
    RS_TRY(vendor_->hide(here, memory_.physical(host_idt_)));
    // Hiding splits large leaves, which takes new table pages that want hiding too.
    Error failed;
    for (u64 hidden = 0; hidden != memory_.table_page_count() && failed.code == RS_OK;) {
        hidden = memory_.table_page_count();
        memory_.for_each_table_page([&](Hpa table) {
            if (auto done = vendor_->hide(here, table); !done)
                failed = done.error();
        });
    }
    return failed.code == RS_OK ? Result<void>{} : Result<void>{failed};
}

void Hypervisor::attach_core(u32 core, event::CoreState* state_in_root) {
    core_states_[core] = state_in_root;
}

Result<void> Hypervisor::launch_here() {
    const u32 core = platform_->this_cpu();
    if (core >= core_count_ || !blocks_[core])
        return Error{RS_ERR_BAD_CORE, core};
    if (fails_at(LaunchStep::kLaunch, core))
        return Error{RS_ERR_LAUNCH_FAILED, core};
    RS_TRY(vendor_->probe());
    RS_TRY(prepare_block(core));
    VcpuBlock& block = *blocks_[core];
    block.vcpu.apic_id = x86::local_apic_id();
    block.vcpu.is_virtualized = true;
    LaunchContext here = context();
    here.breaks_entry = fails_at(LaunchStep::kEntry, core);
    if (!vendor_->launch(here, block)) {
        block.vcpu.is_virtualized = false;
        return Error{RS_ERR_LAUNCH_FAILED, core};
    }
    virtualized_[core] = true;  // from here on only stop_here() may give the memory back
    if (vendor_->hypercall(Hypercall::kPing, 0, 0) != kPingAnswer + core)
        return Error{RS_ERR_LAUNCH_FAILED, core};
    return {};
}

Result<void> Hypervisor::stop_here() {
    const u32 core = platform_->this_cpu();
    if (!is_virtualized(core))
        return {};
    if (vendor_->hypercall(Hypercall::kDevirtualize, 0, 0) != kLeft)
        return Error{RS_ERR_CORES_NOT_HALTED, core};
    vendor_->left();
    virtualized_[core] = false;
    return {};
}

void Hypervisor::leave_here_now() {
    const u32 core = platform_->this_cpu();
    if (!is_virtualized(core))
        return;
    vendor_->hypercall(Hypercall::kDevirtualize, 1, 0);
    virtualized_[core] = false;
}

Result<void> Hypervisor::launch(u32& failed_core) {
    struct Job {
        Hypervisor* self;
        Result<void> result;
    };
    for (u32 core = 0; core < core_count_; ++core) {
        if (!platform_->core_online(core))
            continue;
        Job job{this, {}};
        const int ran = platform_->run_on(
            core,
            [](void* argument) {
                auto& work = *static_cast<Job*>(argument);
                work.result = work.self->launch_here();
            },
            &job);
        if (ran != 0)
            continue;  // went offline in between
        if (!job.result) {
            failed_core = core;
            log_report();
            RS_TRY(stop());
            return job.result.error();
        }
    }
    return {};
}

Result<void> Hypervisor::stop() {
    struct Job {
        Hypervisor* self;
        Result<void> result;
    };
    Result<void> all;
    for (u32 core = 0; core < core_count_; ++core) {
        // An accepted interrupt may still wait to be delivered; it is, as soon as the core takes
        // interrupts again.
        for (u32 tries = 0; is_virtualized(core); ++tries) {
            Job job{this, {}};
            const int ran = platform_->run_on(
                core,
                [](void* argument) {
                    auto& work = *static_cast<Job*>(argument);
                    work.result = work.self->stop_here();
                },
                &job);
            if (ran != 0 || job.result)
                break;
            constexpr u32 kMaxTries = 1'000'000;
            if (tries == kMaxTries) {
                all = job.result;
                break;
            }
            platform_->relax();
        }
        if (is_virtualized(core) && all.ok())
            all = Error{RS_ERR_CORES_NOT_HALTED, core};  // its memory must stay
    }
    return all;
}

void Hypervisor::release() {
    if (!machine_)
        return;
    LaunchContext here = context();
    vendor_->release_machine(here);
    for (u32 core = 0; core < core_count_; ++core) {
        if (blocks_[core])
            memory_.release(blocks_[core], VcpuBlock::kBytes);
        blocks_[core] = nullptr;
        core_states_[core] = nullptr;
    }
    if (host_idt_)
        memory_.release(host_idt_, kPageSize);
    host_idt_ = nullptr;
    memory_.close_code_pool();
    memory_.release_pages();
    for (u32 i = 0; i < memory::OwnedPages::kMaxChunks; ++i)
        if (const u64 map = machine_->owned.map_of(i))
            platform_->release(memory_.from_physical<void>(Hpa{map}), kPageSize);
    memory_.init(*platform_, memory_.direct_map(), nullptr);
    memory_.release(machine_, sizeof(Machine));
    machine_ = nullptr;
}

u64 Hypervisor::hypercall_here(Hypercall operation, u64 a, u64 b) {
    return vendor_->hypercall(operation, a, b);
}

bool Hypervisor::ask_here(Hypercall operation, u64 a, u64 b, u64* answer) {
    struct Job {
        Hypervisor* self;
        Hypercall operation;
        u64 a;
        u64 b;
        u64 answer;
        bool is_done;
    } job{this, operation, a, b, 0, false};
    platform_->run_here(
        [](void* argument) {
            auto& work = *static_cast<Job*>(argument);
            work.is_done = work.self->is_virtualized(work.self->platform_->this_cpu());
            if (work.is_done)
                work.answer = work.self->hypercall_here(work.operation, work.a, work.b);
        },
        &job);
    if (answer)
        *answer = job.answer;
    return job.is_done;
}

Result<void> Hypervisor::map_shared_memory(Hpa address, u64 bytes) {
    const memory::PhysicalWindow window{memory_.direct_map(), &machine_->ram, encryption_};
    memory::PageTable<memory::HostFormat> table{memory_, window, host_cr3_, paging_levels_};
    return table.map(kRootSharedBase, bytes, address, kHostRights | page::kNoExecute, 2, true);
}

bool Hypervisor::ask_on(u32 core, Hypercall operation, u64 a, u64 b) {
    struct Job {
        Hypervisor* self;
        Hypercall operation;
        u64 a;
        u64 b;
        bool is_done;
    } job{this, operation, a, b, false};
    if (!is_virtualized(core))
        return false;
    const int ran = platform_->run_on(
        core,
        [](void* argument) {
            auto& work = *static_cast<Job*>(argument);
            work.is_done = work.self->is_virtualized(work.self->platform_->this_cpu());
            if (work.is_done)
                work.self->hypercall_here(work.operation, work.a, work.b);
        },
        &job);
    return ran == 0 && job.is_done;
}

void Hypervisor::signal_adoption() {
    // From the CPU this runs on if it can be: no interrupt is needed for that, and an event may be
    // swallowing them.
    if (ask_here(Hypercall::kAdopt))
        return;
    for (u32 core = 0; core < core_count_; ++core)
        if (is_virtualized(core) &&
            platform_->run_on(
                core,
                [](void* self) {
                    static_cast<Hypervisor*>(self)->hypercall_here(Hypercall::kAdopt);
                },
                this) == 0)
            return;
}

u32 Hypervisor::take_wakeup(u32 core) {
    if (core >= core_count_)
        return 0;
    if (const u32 wanted = std::atomic_ref<u32>(machine_->wakeups[core]).exchange(0))
        return wanted;
    // It came too late to find root mode on this core.
    const bool is_stray = !virtualized_[core] && blocks_[core] &&
                          std::atomic_ref<u32>(blocks_[core]->vcpu.owed_nmi).exchange(0) != 0;
    return is_stray ? kStrayNmi : 0;
}

bool Hypervisor::take_abandoned(u32 core) {
    // Not in the vCPU's block, which nested paging hides from this side.
    if (!is_virtualized(core) || std::atomic_ref<u32>(machine_->abandoned[core]).exchange(0) == 0)
        return false;
    virtualized_[core] = false;
    // It says so a moment before it is out; what runs there proves that it is.
    platform_->run_on(
        core, [](void*) {}, nullptr);
    log_report();
    return true;
}

void Hypervisor::log_report() {
    char* line = machine_->report.text;
    while (*line) {
        char* end = line;
        while (*end && *end != '\n')
            ++end;
        const bool is_last = *end == '\0';
        *end = '\0';
        log_line(*platform_, line);
        if (is_last)
            break;
        line = end + 1;
    }
    machine_->report.text[0] = '\0';
    std::atomic_ref<u32>(machine_->report.is_taken).store(0);
}

u32 Hypervisor::virtualized_count() const {
    u32 count = 0;
    for (u32 core = 0; core < core_count_; ++core)
        count += virtualized_[core];
    return count;
}

}  // namespace ringside::vcpu
