// SPDX-License-Identifier: GPL-3.0-or-later
// A guest whose instructions are carried out one by one, as far as the trap flag, the interrupt
// flag and the shadows of STI and MOV SS matter to them: under real steps, the real exit loop and
// the real handlers of exits.
// Source: Intel SDM vol. 3B §17.3.1.4 "Single-Step Exception Condition", vol. 3A §6.8 "Enabling and
// Disabling Interrupts", vol. 2 "SYSCALL", "POPF/POPFD/POPFQ", "REP/REPE/REPZ/REPNE/REPNZ".
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "ringside/debug.h"
#include "support/fake_machine.hpp"
#include "support/guest_memory.hpp"
#include "vcpu/halt.hpp"
#include "vcpu/step.hpp"
#include "x86/control_registers.hpp"
#include "x86/msr.hpp"

namespace ringside::test {

/// The processor in guest mode. Gates clear IF; their handlers are a page's first bytes, 16 each.
class SteppedCpu final : public FakeBackend {
public:
    static constexpr Gva kHandlers{0xffff'ffff'8000'0000};
    static constexpr Gva kKernelStack{0xffff'ffff'8001'0000};  ///< its page's first byte
    static constexpr u64 kSystemCall = 0xffff'ffff'8002'0000;
    static constexpr u64 kTrap = 1u << 14;  ///< DR6.BS
    static constexpr u16 kKernelCode = 0x10, kUserCode = 0x33;

    SteppedCpu(GuestMemory& memory, vcpu::GuestRegisters& general)
        : memory_{memory}, general_{general} {
        memory.map(kHandlers).map(kKernelStack).map(Gva{kSystemCall});
        for (u32 vector = 0; vector < 256; ++vector)
            set_code(handler(u8(vector)), {0x48, 0xcf});  // IRETQ
        registers[RS_FULL_CR3] = memory.paging().cr3;
        registers[RS_FULL_CR4] = 0x20;
        registers[RS_FULL_RFLAGS] = 0x202;
        registers[RS_FULL_RSP] = kKernelStack.value() + 0x800;
        msrs[x86::IA32_FMASK] = x86::rflags::TF | x86::rflags::IF;
    }

    static u64 handler(u8 vector) { return kHandlers.value() + 16 * vector; }
    void set_code(u64 address, std::initializer_list<u8> code) {
        for (const u8 byte : code)
            *memory_.at(Gva{address++}) = byte;
    }
    u64& rip() { return registers[RS_FULL_RIP]; }
    u64& flags() { return registers[RS_FULL_RFLAGS]; }
    u64& rsp() { return registers[RS_FULL_RSP]; }
    u64 stack(u32 word) { return memory_.get<u64>(Gva{rsp() + 8 * word}); }

    bool takes_interrupts_out = false;  ///< they exit
    bool has_shadow = false;            ///< the next instruction comes first
    std::function<void()> on_handler;   ///< once, at the first instruction of the next handler
    std::function<void()> on_return;    ///< once, at the next IRET
    std::vector<u8> handled;            ///< vectors whose handlers were entered
    u64 executed = 0;

    /// Enters the guest, and comes back with the exit.
    void run() {
        deliver_injected();
        if (std::exchange(exits_behind_, false))
            return leave(vcpu::ExitReason::kTimer);
        for (u32 i = 0; i < 1000; ++i)
            if (boundary() || execute())
                return;
        ADD_FAILURE() << "the guest does not come back";
        leave(vcpu::ExitReason::kTripleFault);
    }

    vcpu::Interruptibility interruptibility() override {
        return {.interrupt_flag = is_set(x86::rflags::IF),
                .shadow = has_shadow,
                .nmi_shadow = has_shadow,
                .task_priority = 0};
    }
    void intercept_interrupts(bool on) override { takes_interrupts_out = on; }
    bool write_register(vcpu::Register which, u64 value) override {
        if (which == RS_FULL_RIP)
            has_shadow = holds_trap_ = false;
        return FakeBackend::write_register(which, value);
    }
    void make_runnable() override { has_shadow = holds_trap_ = false; }
    /// By the length the last exit told, and that is one only if an instruction caused it.
    void skip_instruction(u32) override {
        rip() += exit_length_;
        has_shadow = false;
    }
    vcpu::Injected inject(const vcpu::PendingEvent& event, vcpu::PendingEvent& fault) override {
        has_delivered_ = false;
        const auto result = FakeBackend::inject(event, fault);
        if (delivery_is_at_once && event.type == vcpu::EventType::kExternalInterrupt) {
            deliver_injected();
            has_delivered_ = true;
        }
        return result;
    }
    bool delivers_at_once() override { return has_delivered_; }
    void exit_behind_injection() override { exits_behind_ = true; }

private:
    static constexpr u32 kNoLength = 0x1000;

    bool is_set(u64 flag) { return (flags() & flag) != 0; }
    void leave(vcpu::ExitReason reason, u32 length = kNoLength) {
        next_exit = {.reason = reason};
        exit_length_ = length;
    }
    u8* reach(u64 address) {
        const memory::Translation found = memory_.walk(Gva{address});
        return found.ok
                   ? memory_.host(Hpa{found.address.value() & ~kPageMask}) + (address & kPageMask)
                   : nullptr;
    }
    void push(u64 value) {
        rsp() -= 8;
        memory_.set(Gva{rsp()}, value);
    }
    u64 pop() {
        rsp() += 8;
        return memory_.get<u64>(Gva{rsp() - 8});
    }

    void deliver(const vcpu::PendingEvent& event) {
        const u64 stack = rsp();
        if (level != 0)
            rsp() = kKernelStack.value() + 0x400;
        push(0);
        push(stack);
        push(flags());
        push(level != 0 ? kUserCode : kKernelCode);
        push(rip() + (vcpu::is_software(event.type) ? event.instruction_length : 0));
        flags() &= ~(x86::rflags::TF | x86::rflags::IF);
        has_shadow = holds_trap_ = false;
        level = 0;
        rip() = handler(event.vector);
        handled.push_back(event.vector);
        if (const auto act = std::exchange(on_handler, nullptr))
            act();
    }
    void deliver_injected() {
        while (seen_ < injected.size())
            deliver(injected[seen_++]);
    }
    /// @return whether it exits
    bool raise(const vcpu::PendingEvent& event) {
        if (exceptions >> event.vector & 1) {
            exception = event;
            leave(vcpu::ExitReason::kException);
            return true;
        }
        if (event.vector == 1)
            registers[RS_FULL_DR6] = event.address;
        deliver(event);
        return false;
    }
    bool fault(u8 vector, u64 address = 0) {
        return raise({.type = vcpu::EventType::kException,
                      .vector = vector,
                      .valid = true,
                      .address = address});
    }

    /// Between two instructions.
    bool boundary() {
        if (!is_set(x86::rflags::IF) || has_shadow)
            return false;
        if (windows.interrupt_window) {
            leave(vcpu::ExitReason::kInterruptWindow);
            return true;
        }
        if (interrupts.empty())
            return false;
        if (takes_interrupts_out) {
            leave(vcpu::ExitReason::kExternalInterrupt);
            return true;
        }
        deliver({.vector = u8(take_interrupt()), .valid = true});
        return false;
    }

    bool execute() {
        u8 code[3] = {};
        for (u32 i = 0; i < sizeof code; ++i)
            if (const u8* const byte = reach(rip() + i))
                code[i] = *byte;
            else if (i == 0)
                return fault(14, rip());
        const u64 before = flags();
        const bool had_shadow = has_shadow;
        bool traps = (before & x86::rflags::TF) != 0;
        has_shadow = holds_trap_ = false;
        ++executed;
        switch (code[0]) {
            case 0x90:
                rip() += 1;
                break;
            case 0x9c:  // PUSHF
                push(before);
                rip() += 1;
                break;
            case 0x9d:  // POPF: without the privilege IF stays
                flags() = pop() | 2;
                if (level != 0)
                    flags() = (flags() & ~x86::rflags::IF) | (before & x86::rflags::IF);
                rip() += 1;
                break;
            case 0xfa:
            case 0xfb:
            case 0xf4:
                if (level != 0)
                    return fault(13);
                if (code[0] == 0xfb)
                    has_shadow = (before & x86::rflags::IF) == 0;
                if (code[0] != 0xf4)
                    flags() =
                        code[0] == 0xfb ? before | x86::rflags::IF : before & ~x86::rflags::IF;
                else if (!traps && interrupts.empty())
                    ADD_FAILURE() << "the guest sleeps for ever";
                rip() += 1;
                break;
            case 0x8e:  // MOV SS, AX
                EXPECT_EQ(code[1], 0xd0);
                rip() += 2;
                has_shadow = holds_trap_ = true;
                break;
            case 0x8a: {  // MOV AL, [RAX]
                const u64 address = registers[RS_FULL_RAX];
                if (reach(address) == nullptr) {
                    has_shadow = had_shadow;
                    return fault(14, address);
                }
                rip() += 2;
                break;
            }
            case 0xf3:  // REP STOSB: a trap behind each byte
                EXPECT_EQ(code[1], 0xaa);
                if (general_.rcx != 0) {
                    *memory_.at(Gva{general_.rdi++}) = u8(registers[RS_FULL_RAX]);
                    --general_.rcx;
                }
                if (general_.rcx == 0)
                    rip() += 2;
                break;
            case 0x48:
            case 0x0f:
                return execute_long(code, traps);
            case 0xcc:
                return raise({.type = vcpu::EventType::kSoftwareException,
                              .vector = 3,
                              .valid = true,
                              .instruction_length = 1});
            default:
                ADD_FAILURE() << "no such instruction: " << u32(code[0]);
                leave(vcpu::ExitReason::kTripleFault);
                return true;
        }
        return end_instruction(traps);
    }

    bool execute_long(const u8* code, bool traps) {
        const u32 prefixes = code[0] == 0x48 ? 1 : 0;
        if (code[prefixes] == 0xcf) {  // IRETQ
            if (const auto act = std::exchange(on_return, nullptr))
                act();
            rip() = pop();
            level = u8(pop() & 3);
            flags() = pop() | 2;
            const u64 stack = pop();
            rsp() = stack;
            return end_instruction(traps);
        }
        const u32 length = prefixes + 2;
        switch (code[prefixes + 1]) {
            case 0x05:  // SYSCALL
                general_.rcx = rip() + length;
                general_.r11 = flags();
                flags() &= ~msrs[x86::IA32_FMASK];
                rip() = kSystemCall;
                level = 0;
                return end_instruction(is_set(x86::rflags::TF));
            case 0x07:  // SYSRET
                rip() = general_.rcx;
                flags() = general_.r11 | 2;
                level = 3;
                return end_instruction(is_set(x86::rflags::TF));
            case 0x34:  // SYSENTER takes IF, and leaves TF
                flags() &= ~x86::rflags::IF;
                rip() = kSystemCall;
                level = 0;
                return end_instruction(traps);
            case 0xa2:
                leave(vcpu::ExitReason::kCpuid, length);
                return true;
            default:
                ADD_FAILURE() << "no such instruction: 0f " << u32(code[prefixes + 1]);
                leave(vcpu::ExitReason::kTripleFault);
                return true;
        }
    }

    bool end_instruction(bool traps) {
        return traps && !holds_trap_ && fault(1, registers[RS_FULL_DR6] | kTrap);
    }

    GuestMemory& memory_;
    vcpu::GuestRegisters& general_;
    usize seen_ = 0;  ///< of what was injected
    u32 exit_length_ = kNoLength;
    bool holds_trap_ = false;  ///< behind MOV SS
    bool exits_behind_ = false;
    bool has_delivered_ = false;
};

/// One core that is stepped, with a debugger that gives its orders beforehand.
struct SteppedMachine : FakeMachine {
    static constexpr Gva kCode{0xffff'ffff'8100'0000};
    static constexpr Gva kUserCode{0x40'0000};
    static constexpr Gva kUserStack{0x50'0000};

    /// Where it halted.
    struct Place {
        u64 rip = 0;
        u64 flags = 0;
        u32 reason = 0;
    };

    explicit SteppedMachine(u32 cores = 1) : FakeMachine{cores} {
        machine->ram = memory_of_guest.ram();
        machine->window_base = memory_of_guest.window_base();
        machine->window = {memory_of_guest.window_base(), &machine->ram};
        memory_of_guest.map(kCode);
        memory_of_guest.map(kUserCode, kUserData).map(kUserStack, kUserData);
        machine->short_circuit.ticks_per_ms = 2'000'000;
        machine->has_link = 1;
        machine->debugger = this;
        machine->exits.tend_link = [](vcpu::Vcpu&, bool) { return false; };
        machine->exits.operate = [](vcpu::Vcpu& vcpu) { of(vcpu).operate(vcpu); };
        machine->exits.hidden_step_done = [](vcpu::Vcpu& vcpu) { ++of(vcpu).hidden_done; };
        machine->exits.debug_exception = [](vcpu::Vcpu& vcpu, const vcpu::PendingEvent& exception) {
            return vcpu::take_step_trap(vcpu, exception) == vcpu::StepTrap::kTaken;
        };
        vcpu().backend = &cpu;
        for (const auto& other : vcpus)
            other->current_slot = &current;
        cpu.rip() = kCode.value();
    }

    void set_code(std::initializer_list<u8> code) { cpu.set_code(cpu.rip(), code); }
    /// Goes on in user mode.
    void enter_user() {
        cpu.level = 3;
        cpu.rip() = kUserCode.value();
        cpu.rsp() = kUserStack.value() + 0x800;
    }

    /// Halts it, and steps as it is told to.
    std::vector<Place> step(std::vector<vcpu::StepKind> kinds) {
        orders = {kinds.begin(), kinds.end()};
        places.clear();
        is_over = false;
        vcpu::HaltReason reason{.reason = RS_HALT_REQUEST};
        EXPECT_TRUE(vcpu::halt_machine(vcpu(), reason));
        vcpu::settle_entry(vcpu());
        run_until([&] { return is_over; });
        places.erase(places.begin());
        EXPECT_EQ(places.size(), kinds.size());
        places.resize(kinds.size());
        return places;
    }
    Place step(vcpu::StepKind kind) { return step(std::vector{kind}).front(); }
    /// The guest runs on.
    template <class Condition>
    void run_until(Condition is_enough) {
        for (u32 exits = 0; !is_enough(); ++exits) {
            ASSERT_LT(exits, 100u) << "at " << std::hex << cpu.rip();
            cpu.run();
            ASSERT_NE(cpu.next_exit.reason, vcpu::ExitReason::kTripleFault);
            ASSERT_EQ(vcpu::handle_exit(vcpu()), nullptr);
        }
    }

    GuestMemory memory_of_guest;
    u64 current = 0xffff'8880'0123'0000;  ///< the task
    SteppedCpu cpu{memory_of_guest, *registers[0]};
    u32 hidden_done = 0;
    std::vector<Place> places;
    bool is_over = false;
    std::deque<vcpu::StepKind> orders;

private:
    static SteppedMachine& of(vcpu::Vcpu& vcpu) {
        return *static_cast<SteppedMachine*>(vcpu.machine->debugger);
    }
    void operate(vcpu::Vcpu& vcpu) {
        places.push_back({vcpu.backend->read_register(RS_FULL_RIP),
                          vcpu.backend->read_register(RS_FULL_RFLAGS), vcpu.halt_reason->reason});
        vcpu::cancel_steps(*machine);
        if (orders.empty()) {
            is_over = true;
            return vcpu::end_halt(vcpu, false);
        }
        const vcpu::StepKind kind = orders.front();
        orders.pop_front();
        vcpu::begin_step(vcpu, kind);
        vcpu::end_halt(vcpu, kind == vcpu::StepKind::kHold);
    }
};

}  // namespace ringside::test
