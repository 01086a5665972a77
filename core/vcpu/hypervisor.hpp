// SPDX-License-Identifier: GPL-2.0-or-later
// Puts root mode under the running system and takes it out again, all CPUs or none.
#pragma once

#include "platform.hpp"
#include "vcpu/vendor.hpp"

namespace ringside::vcpu {

/// The steps of a launch, by the number a test can make fail (rs_load.fail_step).
enum class LaunchStep : u32 {
    kNone = 0,
    kMachineMemory,
    kHostTables,
    kCoreMemory,
    kVendorTables,
    kLaunch,
    kEntry,  ///< the processor refuses the guest state
};

struct ShortCircuitSwitches {
    bool replays;          ///< what was ignored last is raised anew when its event ends
    bool delivers_storms;  ///< a level storm's 17th interrupt is delivered, not held
};

/// Kernel context; the caller serialises. One object for the life of the module.
class Hypervisor {
public:
    /// Prepares memory and tables for every possible CPU; nothing runs in root mode yet.
    Result<void> prepare(Vendor& vendor, const rs_platform& platform, const rs_kernel_facts& facts,
                         const rs_load& request, const ExitTable& exits);
    /// Tells root mode about the event engine; between prepare() and launch().
    void attach_core(u32 core, event::CoreState* state_in_root);
    /// Goes under every online CPU. On failure all CPUs are as before; call release().
    /// @param failed_core  the CPU that could not be virtualized.
    Result<void> launch(u32& failed_core);
    /// Devirtualizes every CPU. Memory stays until release().
    Result<void> stop();
    void release();

    /// One CPU, the one this runs on; interrupts off.
    Result<void> launch_here();
    Result<void> stop_here();
    /// The same when nothing may wait any more (panic, restart): leaves if this CPU is virtualized.
    void leave_here_now();

    /// Asks root mode on the CPU this runs on.
    u64 hypercall_here(Hypercall operation, u64 a = 0, u64 b = 0);
    /// The like from any context; false: the CPU this runs on is not virtualized.
    bool ask_here(Hypercall operation, u64 a = 0, u64 b = 0, u64* answer = nullptr);
    /// The like on `core`; false also if that is not online. An interrupt takes it there.
    bool ask_on(u32 core, Hypercall operation, u64 a, u64 b = 0);
    /// Maps device memory at kRootSharedBase for root mode, once a load; it stays until release().
    Result<void> map_shared_memory(Hpa address, u64 bytes);
    /// Of all vCPUs; root mode's and ours.
    Machine& machine() { return *machine_; }
    /// Makes all virtualized cores adopt what was published, from any virtualized CPU.
    void signal_adoption();

    /// What root asked for the NMI for that just came to `core`: kWakeReaders ...; 0: it did not.
    /// NMI context.
    u32 take_wakeup(u32 core);

    RootMemory& memory() { return memory_; }
    bool is_virtualized(u32 core) const { return core < core_count_ && virtualized_[core]; }
    /// Whether root mode left this core by itself, which the processor forced it to do; asked once.
    /// Its report goes to the log.
    bool take_abandoned(u32 core);
    u32 core_count() const { return core_count_; }
    /// SC-9, SC-11; effective at once.
    void set_short_circuit(ShortCircuitSwitches switches);
    ShortCircuitSwitches short_circuit() const;

    u32 virtualized_count() const;

private:
    Result<void> copy_facts(const rs_kernel_facts& facts, const ExitTable& exits);
    void copy_interrupt_facts(const rs_kernel_facts& facts, const rs_load& request);
    Result<void> map_devices(memory::PageTable<memory::HostFormat>& table);
    Result<void> build_host_tables(const rs_kernel_facts& facts);
    Result<void> copy_image(memory::PageTable<memory::HostFormat>& table,
                            const rs_kernel_facts& facts);
    Result<void> prepare_sandboxes(const rs_kernel_facts& facts);
    Result<void> prepare_block(u32 core);
    Result<void> hide_private_pages();
    bool fails_at(LaunchStep step, u32 core = 0) const {
        return fail_step_ == u32(step) && (step < LaunchStep::kLaunch || fail_core_ == core);
    }
    LaunchContext context();
    void log_report();

    Vendor* vendor_ = nullptr;
    const rs_platform* platform_ = nullptr;
    RootMemory memory_;
    Machine* machine_ = nullptr;
    VcpuBlock* blocks_[kMaxCores] = {};
    sandbox::Core* sandboxes_[kMaxCores] = {};  ///< given back with the pages of tables
    u64 current_slots_[kMaxCores] = {};
    u64 kernel_gs_[kMaxCores] = {};
    event::CoreState* core_states_[kMaxCores] = {};  ///< root addresses
    bool virtualized_[kMaxCores] = {};
    u32 core_count_ = 0;
    void* host_idt_ = nullptr;
    Hpa io_apics_[kMaxIoApics] = {};
    Hpa host_cr3_;
    u64 encryption_ = 0;
    u32 paging_levels_ = 4;
    bool nested_paging_ = false;
    u32 fail_step_ = 0;
    u32 fail_core_ = 0;
};

}  // namespace ringside::vcpu
