// SPDX-License-Identifier: GPL-2.0-or-later
// What is waiting to be given to the guest, and the one function that decides what the next VM
// entry gives it. Pure; both vendors use it, so that two events can never meet in one entry.
#pragma once

#include "base/bits.hpp"
#include "base/types.hpp"

namespace ringside::vcpu {

/// The kinds of events an entry can deliver; the numbers are both vendors' encoding of the type.
/// Source: AMD APM vol. 2 §15.20 "Event Injection"; Intel SDM vol. 3C §24.8.3 "VM-Entry Controls
/// for Event Injection".
enum class EventType : u8 {
    kExternalInterrupt = 0,
    kNmi = 2,
    kException = 3,
    kSoftwareInterrupt = 4,
    kPrivilegedSoftwareException = 5,  ///< INT1
    kSoftwareException = 6,            ///< INT3, INTO
};

/// Whether the event is an instruction's doing: delivering it needs that instruction's length.
constexpr bool is_software(EventType type) {
    return type >= EventType::kSoftwareInterrupt;
}

/// What an exception met while another was being delivered comes to.
/// Source: Intel SDM vol. 3A table 6-5 "Conditions for Generating a Double Fault"; AMD APM vol. 2
/// §8.2.9 "#DF—Double-Fault Exception".
enum class Meeting : u8 {
    kSecond,       ///< the second alone; the first is raised again by its instruction
    kDoubleFault,  ///< #DF
    kShutdown,     ///< a triple fault
};
constexpr Meeting meeting_of(u8 first, u8 second) {
    constexpr u32 kContributory = 1u << 0 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 21;
    constexpr u32 kPageFaults = 1u << 14 | 1u << 20;
    constexpr u8 kDoubleFault = 8;
    const auto is_in = [](u8 vector, u32 set) { return vector < 32 && (set >> vector & 1) != 0; };
    const bool is_serious = is_in(second, kContributory) || is_in(second, kPageFaults);
    if (first == kDoubleFault && is_serious)
        return Meeting::kShutdown;
    if ((is_in(first, kPageFaults) && is_serious) ||
        (is_in(first, kContributory) && is_in(second, kContributory)))
        return Meeting::kDoubleFault;
    return Meeting::kSecond;
}

/// One event. `address` is CR2 for a page fault of ours, `instruction_length` counts for software
/// types.
struct PendingEvent {
    EventType type = EventType::kExternalInterrupt;
    u8 vector = 0;
    bool valid = false;
    bool has_error_code = false;
    u8 instruction_length = 0;
    u32 error_code = 0;
    u64 address = 0;
};

/// Accepted interrupts of one core that wait. Touched by its own core in root mode only.
///
/// A vector can be in it more than once: an EOI of the guest's ends whatever is highest in service,
/// and while it is meant for a handler that runs, that may be a vector accepted since then. The
/// APIC passes that one on again. Each acceptance is a bit in service that only the EOI of one more
/// handler takes away, so each has to be given (DLV-1, DLV-3). Bits in service bound their number.
class PendingSet {
public:
    constexpr void add(u8 vector) {
        if (contains(vector)) {
            ++again_[vector];
            ++again_count_;
        }
        words_[vector / 64] |= u64{1} << (vector % 64);
    }
    /// Takes one away; nothing if there is none.
    constexpr void remove(u8 vector) {
        if (again_count_ != 0 && again_[vector] != 0) [[unlikely]] {
            --again_[vector];
            --again_count_;
            return;
        }
        words_[vector / 64] &= ~(u64{1} << (vector % 64));
    }
    constexpr bool contains(u8 vector) const { return words_[vector / 64] >> (vector % 64) & 1; }
    constexpr bool empty() const { return (words_[0] | words_[1] | words_[2] | words_[3]) == 0; }
    /// The highest vector, which goes first; the set is not empty.
    constexpr u8 highest() const {
        for (int word = 3; word > 0; --word)
            if (words_[word])
                return u8(word * 64 + 63 - __builtin_clzll(words_[word]));
        return u8(63 - __builtin_clzll(words_[0] | 1));
    }
    constexpr u32 count() const {
        u32 sum = again_count_;
        for (u64 word : words_)
            for (; word; word &= word - 1)
                ++sum;
        return sum;
    }

private:
    u64 words_[4] = {};
    u32 again_count_ = 0;
    u32 again_[256] = {};  ///< beyond the first
};

/// Events that scripts have asked for, in that order; one goes into an entry.
class InjectionQueue {
public:
    static constexpr u32 kCapacity = 8;
    /// False: full.
    constexpr bool push(const PendingEvent& event) {
        if (count_ == kCapacity)
            return false;
        events_[(first_ + count_++) % kCapacity] = event;
        return true;
    }
    /// The queue is not empty.
    constexpr PendingEvent pop() {
        const PendingEvent event = events_[first_];
        first_ = (first_ + 1) % kCapacity;
        --count_;
        return event;
    }
    constexpr bool empty() const { return count_ == 0; }

private:
    PendingEvent events_[kCapacity];
    u32 first_ = 0;
    u32 count_ = 0;
};

/// Everything that waits on one vCPU. `in_flight` is an event whose delivery was cut short by an
/// exit: always first, exactly as reported.
struct WaitingEvents {
    PendingEvent in_flight;
    PendingEvent exception;
    InjectionQueue injections;
    bool nmi = false;          ///< one latched guest NMI, as the hardware keeps one
    bool nmi_blocked = false;  ///< the guest is in its NMI handler
    PendingSet interrupts;
    PendingSet posts;  ///< interrupts whose delivery an event wants to see committed, once each
};

/// What the guest can take now.
struct Interruptibility {
    bool interrupt_flag = false;  ///< RFLAGS.IF
    bool shadow = false;          ///< STI or MOV SS shadow
    bool nmi_shadow = false;      ///< it holds NMIs back, too: MOV SS, and STI where it does
    u8 task_priority = 0;         ///< CR8: classes up to this one are held back
};

/// The decision for one entry.
struct EntryPlan {
    PendingEvent inject;            ///< .valid: give this to the guest now
    bool interrupt_window = false;  ///< exit when IF and shadow allow an interrupt
    bool nmi_window = false;        ///< exit when the guest leaves its NMI handler
    bool priority_window = false;   ///< exit when the guest lowers CR8
};

/// The interrupt the next entry would deliver as things are, -1 if it delivers none.
constexpr s32 deliverable_interrupt(const WaitingEvents& waiting, Interruptibility guest) {
    const bool is_behind_others = waiting.in_flight.valid || waiting.exception.valid ||
                                  !waiting.injections.empty() ||
                                  (waiting.nmi && !waiting.nmi_blocked && !guest.nmi_shadow);
    if (is_behind_others || waiting.interrupts.empty() || !guest.interrupt_flag || guest.shadow)
        return -1;
    const u8 vector = waiting.interrupts.highest();
    return vector >> 4 > guest.task_priority ? vector : -1;
}

/// Decides what the next entry injects and takes it out of `waiting`. Called once, after all other
/// work of an exit. Order: an event in flight, an exception, an NMI, then the highest interrupt
/// whose class is above the guest's task priority (DLV-2, DLV-4 to DLV-6).
constexpr EntryPlan prepare_entry(WaitingEvents& waiting, Interruptibility guest) {
    EntryPlan plan;
    if (waiting.in_flight.valid) {
        plan.inject = waiting.in_flight;
        waiting.in_flight = {};
    } else if (waiting.exception.valid) {
        plan.inject = waiting.exception;
        waiting.exception = {};
    } else if (!waiting.injections.empty()) [[unlikely]] {
        plan.inject = waiting.injections.pop();
    } else if (waiting.nmi && !waiting.nmi_blocked && !guest.nmi_shadow) {
        plan.inject = {.type = EventType::kNmi, .vector = 2, .valid = true};
        waiting.nmi = false;
        waiting.nmi_blocked = true;
    }
    if (!waiting.interrupts.empty()) {
        const u8 vector = waiting.interrupts.highest();
        const bool priority_allows = vector >> 4 > guest.task_priority;
        if (!priority_allows) {
            plan.priority_window = true;
        } else if (!plan.inject.valid && guest.interrupt_flag && !guest.shadow) {
            plan.inject = {.type = EventType::kExternalInterrupt, .vector = vector, .valid = true};
            waiting.interrupts.remove(vector);
            plan.interrupt_window = !waiting.interrupts.empty();
        } else {
            plan.interrupt_window = true;
        }
    }
    // The next of a script's events follows when the guest can be interrupted again.
    if (!waiting.injections.empty()) [[unlikely]]
        plan.interrupt_window = true;
    plan.nmi_window = waiting.nmi_blocked || waiting.nmi;
    return plan;
}

}  // namespace ringside::vcpu
