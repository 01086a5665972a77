// SPDX-License-Identifier: GPL-2.0-or-later
// What launching needs of a vendor, on the kernel's side; root mode's side is backend.hpp.
#pragma once

#include "platform.hpp"
#include "vcpu/hypercall.hpp"
#include "vcpu/vcpu.hpp"

namespace ringside::vcpu {

/// What is the same for all cores while the hypervisor is being put in place. Kernel addresses.
struct LaunchContext {
    RootMemory& memory;
    Machine& machine;
    Hpa host_cr3;      ///< root mode's page table
    u64 host_idt = 0;  ///< root address
    u64 encryption = 0;
    u32 paging_levels = 4;
    bool nested_paging = false;
    bool breaks_entry = false;  ///< for tests: the first entry is one the processor refuses

    /// Physical memory as the kernel's side sees it.
    memory::PhysicalWindow kernel_window() const {
        return {memory.direct_map(), &machine.ram, encryption};
    }
};

class Vendor {
public:
    /// Whether this CPU can be virtualized and nobody else does it already. Any CPU.
    virtual Result<void> probe() = 0;
    /// Memory and tables shared by all cores.
    virtual Result<void> prepare_machine(LaunchContext& context) = 0;
    /// Hides root mode's pages from the guest; after everything else was allocated.
    virtual Result<void> hide(LaunchContext& context, Hpa page) = 0;
    /// One core's memory; may run on any CPU. The block is zeroed but for `vcpu` and the stacks.
    virtual Result<void> prepare_core(LaunchContext& context, VcpuBlock& block) = 0;
    /// Goes under the CPU this runs on, with interrupts off. True: it came back as a guest.
    /// False: the processor refused; the CPU is as it was.
    virtual bool launch(LaunchContext& context, VcpuBlock& block) = 0;
    /// Asks root mode on this CPU, which is virtualized.
    virtual u64 hypercall(Hypercall operation, u64 a, u64 b) = 0;
    /// Tidies up the CPU this runs on after root mode has left it.
    virtual void left() = 0;
    /// Gives back what prepare_machine() took.
    virtual void release_machine(LaunchContext& context) = 0;

protected:
    ~Vendor() = default;
};

}  // namespace ringside::vcpu
