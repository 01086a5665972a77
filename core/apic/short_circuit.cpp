// SPDX-License-Identifier: GPL-2.0-or-later
#include "apic/short_circuit.hpp"

namespace ringside::apic {

using x86::LapicRegister;
namespace lapic = x86::lapic;

namespace {

/// The local APIC's EOI without the broadcast that goes with it: the IO-APIC goes on waiting.
void retire_silently(Hardware& hardware, const Accepted& accepted) {
    const u32 guest = hardware.read_local(LapicRegister::kSpurious);
    hardware.write_local(LapicRegister::kSpurious, guest | u32(lapic::SuppressBroadcast::kMask));
    retire(hardware, accepted);
    hardware.write_local(LapicRegister::kSpurious, guest);
}

bool can_suppress_broadcasts(Hardware& hardware) {
    return lapic::CanSuppressBroadcast::test(hardware.read_local(LapicRegister::kVersion));
}

}  // namespace

Outcome ShortCircuit::on_ignored(Hardware& hardware, const Settings& settings,
                                 const IgnoredArrival& arrival) {
    is_used_ = true;
    const Accepted accepted = identify(hardware, arrival.vector, settings.pic_base);
    if (accepted.is_level) {
        ignored_.add(arrival.vector);
        levels_.add(arrival.vector);
        ignored_by_[arrival.vector] = arrival.event;
        return retire_level(hardware, settings, accepted, arrival);
    }
    retire(hardware, accepted);
    if (accepted.origin == Origin::kLocalApic || accepted.origin == Origin::kPic) {
        levels_.remove(arrival.vector);
        ignored_.add(arrival.vector);
        ignored_by_[arrival.vector] = arrival.event;
    }
    return Outcome::kRetired;
}

void ShortCircuit::forget(u8 vector) {
    ignored_.remove(vector);
    if (Hold* const hold = find_hold(vector)) {
        storm_.forget();
        if (hold->state == State::kOver)
            hold->state = State::kFree;
    }
}

Outcome ShortCircuit::retire_level(Hardware& hardware, const Settings& settings,
                                   const Accepted& accepted, const IgnoredArrival& arrival) {
    const u64 now = hardware.tsc();
    Hold* const known = find_hold(arrival.vector);
    if (known != nullptr && known->state == State::kOver) {
        if (now - known->until <= kSameStormMs * settings.ticks_per_ms)
            return hold(hardware, settings, accepted, arrival);
        known->state = State::kFree;
    }
    if (storm_.add(arrival.rip, now, settings.ticks_per_ms)) {
        if (settings.delivers_storms.load(std::memory_order_relaxed) ||
            hardware.io_apic_count() == 0) {
            storm_.forget();
            return Outcome::kDeliver;
        }
        return hold(hardware, settings, accepted, arrival);
    }
    end_level(hardware, accepted, arrival);
    return Outcome::kRetired;
}

/// Both EOIs: the local APIC's, and the IO-APIC's where that one does not lead to it.
void ShortCircuit::end_level(Hardware& hardware, const Accepted& accepted,
                             const IgnoredArrival& arrival) {
    const bool is_known = learn(hardware);
    const bool is_told = !suppresses_broadcasts(hardware) && !traits_.are_remapped;
    if (is_told || hardware.io_apic_count() == 0) {
        retire(hardware, accepted);
        return;
    }
    const auto end_both = [&] {
        const Pins pins = find_in_service(hardware, arrival.vector);
        retire(hardware, accepted);
        end(hardware, pins);
    };
    if (hardware.while_others_stand(end_both))
        return;
    retire(hardware, accepted);
    if (is_known && traits_.have_eoi_registers && !traits_.are_remapped) {
        end_by_register(hardware, arrival.vector);
        return;
    }
    // At the next occasion.
    Hold* const owed = find_hold(arrival.vector) ? nullptr : free_hold();
    if (owed == nullptr)
        return;
    *owed = {.state = State::kHeld,
             .vector = arrival.vector,
             .is_masked = false,
             .event = arrival.event,
             .until = hardware.tsc(),
             .length = 0,
             .pins = {}};
    ++hold_count_;
}

Outcome ShortCircuit::hold(Hardware& hardware, const Settings& settings, const Accepted& accepted,
                           const IgnoredArrival& arrival) {
    Hold* known = find_hold(arrival.vector);
    if (known == nullptr)
        known = free_hold();
    const bool was_held = known != nullptr && known->state == State::kHeld;
    Pins held;
    bool is_masked = false;
    const auto begin = [&] {
        traits_ = read_traits(hardware);
        const Pins pins = find_in_service(hardware, arrival.vector);
        is_masked = was_held ? known->is_masked
                             : !traits_.have_eoi_registers || !can_suppress_broadcasts(hardware);
        if (!is_masked) {
            held = pins;
            retire_silently(hardware, accepted);
            return;
        }
        held = mask(hardware, pins);
        retire(hardware, accepted);
        if (suppresses_broadcasts(hardware) || traits_.are_remapped)
            end(hardware, pins);
    };
    if (known == nullptr || !hardware.while_others_stand(begin)) {
        // It comes again at once, and so does the occasion.
        end_level(hardware, accepted, arrival);
        return Outcome::kRetired;
    }
    if (was_held)
        for (u32 i = 0; i < known->pins.count; ++i)
            held.add(known->pins.pins[i], known->pins.low[i]);
    if (held.count == 0) {
        // Not asserted any more, or of an IO-APIC nobody told us of.
        if (known->state == State::kOver)
            known->state = State::kFree;
        return Outcome::kRetired;
    }
    const u64 length = known->state == State::kFree         ? kFirstHoldMs
                       : known->length * 2 > kLongestHoldMs ? kLongestHoldMs
                                                            : known->length * 2;
    *known = {.state = State::kHeld,
              .vector = arrival.vector,
              .is_masked = is_masked,
              .event = arrival.event,
              .until = hardware.tsc() + length * settings.ticks_per_ms,
              .length = length,
              .pins = held};
    storm_.forget();
    if (was_held)
        return Outcome::kRetired;
    ++hold_count_;
    return Outcome::kHeld;
}

/// @return false: not possible now, to be tried again.
bool ShortCircuit::release(Hardware& hardware, Hold& hold, bool at_any_cost) {
    if (!hold.is_masked && hold.pins.count != 0) {
        end_by_register(hardware, hold.pins);
        return true;
    }
    const auto let_go = [&] {
        if (hold.is_masked)
            unmask(hardware, hold.pins);
        else
            end(hardware, find_in_service(hardware, hold.vector));
    };
    if (hardware.while_others_stand(let_go))
        return true;
    if (at_any_cost)
        let_go();
    return at_any_cost;
}

ShortCircuit::Hold* ShortCircuit::find_hold(u8 vector) {
    for (Hold& hold : holds_)
        if (hold.state != State::kFree && hold.vector == vector)
            return &hold;
    return nullptr;
}

ShortCircuit::Hold* ShortCircuit::free_hold() {
    Hold* found = nullptr;
    for (Hold& hold : holds_)
        if (hold.state == State::kFree || (hold.state == State::kOver && found == nullptr))
            found = &hold;
    if (found != nullptr)
        found->state = State::kFree;
    return found;
}

bool ShortCircuit::learn(Hardware& hardware) {
    if (!traits_.are_known)
        hardware.while_others_stand([&] { traits_ = read_traits(hardware); });
    return traits_.are_known;
}

/// Whether the guest would wait for ever for what was ignored: for a timer that was set once and is
/// over, or for who does not ask twice: a device, the sender of a queue that is not empty.
bool ShortCircuit::wants_replay(Hardware& hardware, const Settings& settings, u8 vector) {
    if (!hardware.has_local_apic())
        return false;
    const u32 timer = hardware.read_local(LapicRegister::kLvtTimer);
    if (lapic::TimerVector::get(timer) != vector || lapic::TimerMasked::test(timer))
        return settings.replayed.contains(vector);
    switch (lapic::Timer(lapic::TimerMode::get(timer))) {
        case lapic::Timer::kOneShot:
            return hardware.read_local(LapicRegister::kTimerCurrentCount) == 0;
        case lapic::Timer::kTscDeadline:
            return hardware.tsc_deadline() == 0;
        default:
            return false;
    }
}

}  // namespace ringside::apic
