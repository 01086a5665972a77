// SPDX-License-Identifier: GPL-2.0-or-later
// The interrupted guest as scripts see it: registers through the backend, memory through the
// guest's own page tables with every step checked, the current task through the kernel's per-CPU
// pointer.
#pragma once

#include "memory/guest_page_walk.hpp"
#include "script/guest_access.hpp"
#include "vcpu/vcpu.hpp"

namespace ringside::vcpu {

/// One exit's view. Root mode, own vCPU. Nothing of root's memory, no device register and no absent
/// page can be reached.
class GuestView final : public script::GuestAccess {
public:
    explicit GuestView(Vcpu& vcpu) : vcpu_{vcpu}, machine_{*vcpu.machine} {}

    u64 read_register(Register which) override;
    bool write_register(Register which, u64 value) override;
    bool read_memory(Gva from, void* to, usize count) override;
    bool write_memory(Gva to, const void* from, usize count) override;
    bool read_physical(Gpa from, void* to, usize count) override;
    bool write_physical(Gpa to, const void* from, usize count) override;
    bool compare_exchange(Gva address, u32 size, u64& expected, u64 desired) override;
    bool translate(Gva address, Gpa& physical) override;
    u64 physical_to_virtual(Gpa address) override;
    bool inject(const script::Injection& event) override;
    u64 task_value(script::TaskValue which) override;
    u64 tsc() override;
    u64 stand() override;
    u32 core() override { return vcpu_.core; }
    /// CR3 of the running process with the kernel's half in it, which user mode's may hide.
    u64 kernel_cr3();

private:
    memory::Translation walk(Gva address);
    /// RAM the guest may see, or nullptr.
    u8* reachable(Hpa address);
    /// The same for a translated byte that is to be written.
    u8* writable(const memory::Translation& found);
    /// The kernel's memory behind an address of its direct map or its idle task.
    const u8* task_memory(u64 address);
    u64 task_word(u64 task, u32 offset);
    bool physical_range(u64 address, usize count);

    Vcpu& vcpu_;
    Machine& machine_;
};

}  // namespace ringside::vcpu
