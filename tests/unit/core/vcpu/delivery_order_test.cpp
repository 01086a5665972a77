// SPDX-License-Identifier: GPL-3.0-or-later
// The same guest and the same devices twice: on a literal local APIC and CPU, and with root mode
// accepting every interrupt and giving it through prepare_entry(). The guest sees the same events
// in the same order. Handlers behave as Linux' do: interrupts stay off until the EOI.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "vcpu/injection.hpp"

namespace ringside::vcpu {
namespace {

/// A local APIC: requests, what is in service, the task priority.
struct Apic {
    std::set<u8> requested, in_service;
    u8 task_priority = 0;

    u8 processor_class() const {
        const u8 service = in_service.empty() ? u8{0} : u8(*in_service.rbegin() >> 4);
        return std::max(task_priority, service);
    }
    std::optional<u8> offered() const {
        if (requested.empty() || *requested.rbegin() >> 4 <= processor_class())
            return {};
        return *requested.rbegin();
    }
    u8 acknowledge() {
        const u8 vector = *requested.rbegin();
        requested.erase(vector);
        in_service.insert(vector);
        return vector;
    }
    void end_of_interrupt() { in_service.erase(*in_service.rbegin()); }
};

enum class Kind { kException, kNmi, kInterrupt };

struct Frame {
    Kind kind;
    bool had_interrupts_enabled;
};

/// A CPU as its program sees it; `seen` is what it was given.
struct Cpu {
    bool interrupt_flag = true, shadow = false, nmi_blocked = false;
    std::vector<Frame> frames;
    std::vector<std::string> seen;

    bool is_in(Kind kind) const {
        for (const Frame& frame : frames)
            if (frame.kind == kind)
                return true;
        return false;
    }
    void take(Kind kind, u8 vector) {
        frames.push_back({kind, interrupt_flag});
        interrupt_flag = false;
        seen.push_back((kind == Kind::kException ? "exception "
                        : kind == Kind::kNmi     ? "nmi "
                                                 : "interrupt ") +
                       std::to_string(vector));
    }
    /// The end of the innermost handler; true if it was an interrupt's, which wants an EOI.
    bool leave() {
        const Frame frame = frames.back();
        frames.pop_back();
        interrupt_flag = frame.had_interrupts_enabled;
        return frame.kind == Kind::kInterrupt;
    }
};

/// AMD APM vol. 2 §8.5 "Priorities": at an instruction boundary an exception of the instruction,
/// then an NMI, then an interrupt.
struct Bare {
    Cpu cpu;
    Apic apic;
    std::optional<u8> exception;
    bool nmi = false;

    void boundary() {
        if (exception) {
            cpu.take(Kind::kException, *exception);
            exception.reset();
        } else if (nmi && !cpu.nmi_blocked && !cpu.shadow) {
            nmi = false;
            cpu.nmi_blocked = true;
            cpu.take(Kind::kNmi, 2);
        } else if (cpu.interrupt_flag && !cpu.shadow && apic.offered()) {
            cpu.take(Kind::kInterrupt, apic.acknowledge());
        }
        cpu.shadow = false;
    }
};

struct UnderRoot {
    Cpu cpu;
    Apic apic;
    WaitingEvents waiting;
    std::optional<PendingEvent> again;  ///< its delivery was cut short
    u64 accepted = 0, delivered = 0;

    /// Root takes what the APIC offers, whether the guest could have it now or not.
    void accept() {
        while (apic.offered()) {
            waiting.interrupts.add(apic.acknowledge());
            ++accepted;
        }
    }
    /// One entry; `is_cut`: its delivery ends in an exit, and is repeated by the next entry.
    void enter(bool is_cut) {
        const bool was_empty = waiting.interrupts.empty();
        if (again)
            waiting.in_flight = *again;
        const EntryPlan plan = prepare_entry(waiting, {.interrupt_flag = cpu.interrupt_flag,
                                                       .shadow = cpu.shadow,
                                                       .task_priority = apic.task_priority});
        const PendingEvent& event = plan.inject;
        if (again) {
            RC_ASSERT(event.valid);
            RC_ASSERT(event.type == again->type);
            RC_ASSERT(event.vector == again->vector);
            RC_ASSERT(event.error_code == again->error_code);
        }
        again.reset();
        if (event.valid && is_cut)
            again = event;
        else if (event.valid)
            give(event);
        // DLV-4: a window is armed exactly while something waits for it.
        RC_ASSERT((plan.interrupt_window || plan.priority_window) == !waiting.interrupts.empty());
        RC_ASSERT(!was_empty || !plan.interrupt_window);
        RC_ASSERT(plan.nmi_window == (waiting.nmi || waiting.nmi_blocked));
    }
    void give(const PendingEvent& event) {
        switch (event.type) {
            case EventType::kException:
                cpu.take(Kind::kException, event.vector);
                break;
            case EventType::kNmi:
                cpu.take(Kind::kNmi, event.vector);
                break;
            default:
                RC_ASSERT(cpu.interrupt_flag && !cpu.shadow);
                RC_ASSERT(event.vector >> 4 > apic.task_priority);
                cpu.take(Kind::kInterrupt, event.vector);
                ++delivered;
        }
    }
    bool is_idle() const { return !again; }
};

/// Both machines, driven by the same numbers.
class Twins {
public:
    void step(u32 number) {
        act(number % 12, u8(number >> 8));
        bare_.boundary();
        // Root may accept early (VMX) and must when the guest could take it (both vendors).
        if ((number >> 16 & 1) || (root_.cpu.interrupt_flag && !root_.cpu.shadow))
            root_.accept();
        // A delivery cut short is repeated before the guest executes anything.
        bool is_cut = (number >> 17 & 7) == 0;
        do {
            root_.enter(is_cut);
            is_cut = false;
        } while (!root_.is_idle());
        root_.cpu.shadow = false;
        RC_ASSERT(root_.cpu.seen == bare_.cpu.seen);
        RC_ASSERT(root_.accepted == root_.delivered + root_.waiting.interrupts.count());
        root_.cpu.seen.clear();
        bare_.cpu.seen.clear();
    }
    /// Lets everything come to its end.
    void drain() {
        set_task_priority(0);
        for (u32 i = 0; i < 2000; ++i)
            step(bare_.cpu.frames.empty() ? 10 : 9);
        RC_ASSERT(root_.waiting.interrupts.empty());
        RC_ASSERT(root_.apic.requested.empty() && bare_.apic.requested.empty());
        RC_ASSERT(root_.accepted == root_.delivered);
    }

private:
    void act(u32 what, u8 parameter) {
        switch (what) {
            case 0:
            case 1:
            case 2:
                raise(parameter);
                break;
            case 3:
                bare_.exception = u8(parameter % 2 ? 14 : 6);
                root_.waiting.exception = {
                    .type = EventType::kException, .vector = *bare_.exception, .valid = true};
                break;
            case 4:
                bare_.nmi = root_.waiting.nmi = true;
                break;
            case 5:
                set_task_priority(parameter % 16);
                break;
            case 6:
                set_task_priority(0);
                break;
            case 7:  // CLI
                if (bare_.cpu.frames.empty())
                    bare_.cpu.interrupt_flag = root_.cpu.interrupt_flag = false;
                break;
            case 8:  // STI; inside of an NMI or exception handler that interrupted no other handler
                if (!bare_.cpu.is_in(Kind::kInterrupt)) {
                    bare_.cpu.shadow = root_.cpu.shadow = !bare_.cpu.interrupt_flag;
                    bare_.cpu.interrupt_flag = root_.cpu.interrupt_flag = true;
                }
                break;
            case 9:
            case 11:
                leave();
                break;
            default:
                if (bare_.cpu.frames.empty())
                    bare_.cpu.interrupt_flag = root_.cpu.interrupt_flag = true;
        }
    }
    /// A device's interrupt. Not in a class of which root holds one: that is in service already, so
    /// the next waits for its EOI, while bare hardware would merge or reorder the two.
    void raise(u8 vector) {
        for (u32 held = vector & 0xf0u; held <= (vector | 0xfu); ++held)
            if (vector < 16 || root_.waiting.interrupts.contains(u8(held)))
                return;
        bare_.apic.requested.insert(vector);
        root_.apic.requested.insert(vector);
    }
    void set_task_priority(u8 priority) {
        bare_.apic.task_priority = root_.apic.task_priority = priority;
    }
    void leave() {
        if (bare_.cpu.frames.empty())
            return;
        bare_.cpu.nmi_blocked = root_.waiting.nmi_blocked = false;  // any IRET ends it
        if (bare_.cpu.leave())
            bare_.apic.end_of_interrupt();
        if (root_.cpu.leave())
            root_.apic.end_of_interrupt();
    }

    Bare bare_;
    UnderRoot root_;
};

// RapidCheck runs a hundred of these: 100,000 steps.
RC_GTEST_PROP(DeliveryOrder, IsThatOfBareHardware, ()) {
    const auto numbers = *rc::gen::container<std::vector<u32>>(1000, rc::gen::arbitrary<u32>());
    Twins twins;
    for (const u32 number : numbers)
        twins.step(number);
    twins.drain();
}

}  // namespace
}  // namespace ringside::vcpu
