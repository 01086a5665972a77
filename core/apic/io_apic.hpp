// SPDX-License-Identifier: GPL-2.0-or-later
// Redirection entries of IO-APICs: found by what is in service, masked and let go again, and ended
// where the local APIC's EOI does not reach them.
// Source: Intel 82093AA datasheet §3.2 "IOAPIC Registers"; ICH9 datasheet §13.5 "Advanced
// Programmable Interrupt Controller".
#pragma once

#include <span>

#include "apic/hardware.hpp"

namespace ringside::apic {

/// The low half of a redirection entry.
namespace redirection {
using Vector = Bits<0, 7>;
using RemoteIrr = Bits<14>;  ///< accepted by a local APIC, no EOI yet; level-triggered entries
using Level = Bits<15>;
using Masked = Bits<16>;
}  // namespace redirection

/// One redirection entry.
struct Pin {
    u8 io_apic = 0;
    u8 number = 0;
};

/// Pins that were found to have an interrupt in service.
struct Pins {
    static constexpr u32 kMax = 4;
    u32 count = 0;
    Pin pins[kMax] = {};
    u32 low[kMax] = {};  ///< low half of the entry as it was found

    /// Nothing if it is there already, or if there is no room.
    void add(Pin pin, u32 low_half);
};

/// An IO-APIC's registers beside its entries, as they are read.
struct Contents {
    u32 id = 0;
    u32 version = 0;
};

// All calls but end_by_register(): within Hardware::while_others_stand(). The index register is as
// before when they return.

/// Level-triggered entries that deliver `vector` and have it in service. Where the entry does not
/// tell (interrupt remapping: it names a table entry), every one that has something in service.
Pins find_in_service(Hardware& hardware, u8 vector);

/// Masks those pins that are not, and returns them.
Pins mask(Hardware& hardware, const Pins& pins);
/// Lets pins go that mask() returned. An entry the guest has changed meanwhile is left as it is.
void unmask(Hardware& hardware, const Pins& pins);

/// Writes the level-triggered entries of `vector` as they are. An IO-APIC whose line is still
/// asserted has sent it again when it saw the EOI; Bochs's does so when an entry is written.
void rewrite(Hardware& hardware, u8 vector);

/// Reads all of one IO-APIC, and as many of its entries as it has and `entries` has room for.
Contents read_contents(Hardware& hardware, u32 io_apic, std::span<u64> entries);

/// What of the IO-APICs never changes while the system runs.
struct Traits {
    bool are_known = false;
    bool have_eoi_registers = false;  ///< all of them: version 0x20 and later
    bool are_remapped = false;  ///< entries name a remapping table's entry instead of a vector
};
Traits read_traits(Hardware& hardware);

/// Clears the remote IRR of the pins as an EOI would: by the EOI register, or where there is none
/// by making the entry edge-triggered for a moment.
void end(Hardware& hardware, const Pins& pins);

/// The like by the EOI registers, which all IO-APICs must have: needs no index register. By the
/// vector alone: in every IO-APIC, for entries that are not remapped.
void end_by_register(Hardware& hardware, const Pins& pins);
void end_by_register(Hardware& hardware, u8 vector);

}  // namespace ringside::apic
