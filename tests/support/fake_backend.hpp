// SPDX-License-Identifier: GPL-3.0-or-later
// A vCPU without a processor: registers in an array, exits from a list, and a note of all it was
// told to do.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vcpu/backend.hpp"
#include "vcpu/emergency_log.hpp"

namespace ringside::test {

class FakeBackend : public vcpu::Backend {
public:
    virtual ~FakeBackend() = default;

    // What the test arranges.
    vcpu::Exit next_exit;
    std::optional<vcpu::PendingEvent> next_in_flight;
    std::vector<s32> interrupts;  ///< what the local APIC offers, in this order
    vcpu::Interruptibility guest{
        .interrupt_flag = true, .shadow = false, .nmi_shadow = false, .task_priority = 0};
    std::optional<vcpu::PendingEvent> next_refusal;  ///< of the next interrupt
    vcpu::PendingEvent exception;                    ///< of a kException exit
    u64 registers[RS_FULL_REGISTER_COUNT] = {};
    u8 level = 0;
    bool is_64bit = true;
    bool delivery_is_at_once = false;
    std::map<u32, u64> msrs;               ///< others raise #GP
    std::map<u32, u64> control_registers;  ///< others raise #GP
    u32 leaving_msr = 0;
    std::function<void()> on_block_nmis;

    // What the test looks at.
    std::vector<vcpu::PendingEvent> injected;
    vcpu::EntryPlan windows;
    std::vector<bool> intercept_calls;
    u32 exceptions = 0;  ///< those that exit
    u32 skipped_bytes = 0;
    u32 exits_behind_injection = 0;
    bool nmis_are_blocked = false;
    u32 last_looks = 0;  ///< times NMIs were held back
    bool has_left = false;

    vcpu::Exit decode_exit(vcpu::PendingEvent& in_flight) override {
        nmis_are_blocked = false;
        if (next_in_flight)
            in_flight = *next_in_flight;
        next_in_flight.reset();
        return next_exit;
    }
    u64 read_register(vcpu::Register which) override { return registers[which]; }
    bool write_register(vcpu::Register which, u64 value) override {
        registers[which] = value;
        return true;
    }
    u16 table_limit(vcpu::Register) override { return 0xfff; }
    bool runs_64bit_code() override { return is_64bit; }
    u8 privilege_level() override { return level; }
    void skip_instruction(u32 length) override {
        skipped_bytes += length;
        registers[RS_FULL_RIP] += length;
    }
    s32 halt() override { return take_interrupt(); }
    void intercept_interrupts(bool on) override { intercept_calls.push_back(on); }
    void intercept_exceptions(u32 mask) override { exceptions = mask; }
    vcpu::PendingEvent read_exception() override { return exception; }
    s32 take_interrupt() override {
        if (interrupts.empty())
            return -1;
        const s32 vector = interrupts.front();
        interrupts.erase(interrupts.begin());
        return vector;
    }
    vcpu::Interruptibility interruptibility() override { return guest; }
    vcpu::Injected inject(const vcpu::PendingEvent& event, vcpu::PendingEvent& fault) override {
        if (next_refusal && event.type == vcpu::EventType::kExternalInterrupt) {
            fault = *next_refusal;
            next_refusal.reset();
            return vcpu::Injected::kRefused;
        }
        injected.push_back(event);
        return vcpu::Injected::kDone;
    }
    void make_runnable() override { guest.shadow = guest.nmi_shadow = false; }
    bool delivers_at_once() override { return delivery_is_at_once; }
    void exit_behind_injection() override { ++exits_behind_injection; }
    void set_windows(const vcpu::EntryPlan& plan) override { windows = plan; }
    bool write_control_register(u32 number, u64 value) override {
        if (!control_registers.contains(number))
            return false;
        control_registers[number] = value;
        return true;
    }
    bool read_msr(u32 msr, u64& value) override {
        const auto found = msrs.find(msr);
        if (found == msrs.end())
            return false;
        value = found->second;
        return true;
    }
    bool write_msr(u32 msr, u64 value, bool& leave) override {
        if (!msrs.contains(msr))
            return false;
        msrs[msr] = value;
        leave = msr == leaving_msr;
        return true;
    }
    void block_nmis() override {
        ++last_looks;
        nmis_are_blocked = true;
        if (const auto act = std::exchange(on_block_nmis, nullptr))
            act();
    }
    void unblock_nmis() override { nmis_are_blocked = false; }
    void report_entry_failure(vcpu::EmergencyLog& log) override { log.text("the state").end(); }
    void* prepare_devirtualize() override {
        has_left = true;
        return this;
    }
};

}  // namespace ringside::test
