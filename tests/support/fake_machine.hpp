// SPDX-License-Identifier: GPL-3.0-or-later
// Some vCPUs over fake backends, with the real exit handlers and a real event engine behind them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "event/adoption.hpp"
#include "event/engine.hpp"
#include "monitor/monitor.hpp"
#include "support/fake_backend.hpp"
#include "support/fake_shared_memory.hpp"
#include "vcpu/exit_loop.hpp"

namespace ringside::test {

struct FakeMachine {
    explicit FakeMachine(u32 cores = 1) {
        EXPECT_TRUE(engine->open(
            memory,
            {.core_count = cores, .tsc_khz = 1'000'000, .ring_bytes = ring::kMinimumBytes}));
        monitor::fill(machine->exits);
        machine->core_count = cores;
        machine->window = {0, &machine->ram};  // no RAM: scripts find neither task nor memory
        machine->apic = {false, reinterpret_cast<u64>(apic_registers.data())};
        for (u32 core = 0; core < cores; ++core) {
            vcpus.push_back(std::make_unique<vcpu::Vcpu>());
            backends.push_back(std::make_unique<FakeBackend>());
            registers.push_back(std::make_unique<vcpu::GuestRegisters>());
            vcpu::Vcpu& vcpu = *vcpus.back();
            vcpu.core = core;
            vcpu.apic_id = 0x10 + core;
            vcpu.backend = backends.back().get();
            vcpu.machine = machine.get();
            vcpu.core_state = engine->core(core).in_root();
            vcpu.registers = registers.back().get();
            vcpu.current_slot = &no_task;
            vcpu.is_virtualized = true;
            machine->vcpus[core] = &vcpu;
            engine->set_participating(core, true);
            event::adopt(*vcpu.core_state);
        }
    }
    ~FakeMachine() { engine->close(); }
    FakeMachine(const FakeMachine&) = delete;
    FakeMachine& operator=(const FakeMachine&) = delete;

    vcpu::Vcpu& vcpu(u32 core = 0) { return *vcpus[core]; }
    FakeBackend& backend(u32 core = 0) { return *backends[core]; }
    const event::CoreStats& stats(u32 core = 0) { return *vcpus[core]->core_state->stats; }

    /// One exit and the way back; true if the guest goes on under root mode.
    bool exit(vcpu::ExitReason reason, u32 core = 0) {
        backends[core]->next_exit = {.reason = reason};
        return vcpu::handle_exit(*vcpus[core]) == nullptr;
    }
    /// `vector` arrives.
    bool arrive(u8 vector, u32 core = 0) {
        backends[core]->interrupts.push_back(vector);
        return exit(vcpu::ExitReason::kExternalInterrupt, core);
    }
    /// An NMI is taken by root mode's own handler.
    void take_nmi(u32 core = 0) { ++vcpus[core]->nmi_count; }
    /// The last NMI command: destination is gone again, so only whether there was one.
    bool take_nmi_command() {
        const bool was_sent = apic_registers[0x300 / 4] == 0x4400;
        apic_registers[0x300 / 4] = 0;
        return was_sent;
    }

    const u64 no_task = 0;
    FakeSharedMemory memory;
    std::unique_ptr<event::Engine> engine = std::make_unique<event::Engine>();
    std::unique_ptr<vcpu::Machine> machine = std::make_unique<vcpu::Machine>();
    std::vector<u32> apic_registers = std::vector<u32>(1024);
    std::vector<std::unique_ptr<vcpu::Vcpu>> vcpus;
    std::vector<std::unique_ptr<FakeBackend>> backends;
    std::vector<std::unique_ptr<vcpu::GuestRegisters>> registers;
};

}  // namespace ringside::test
