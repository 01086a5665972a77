// SPDX-License-Identifier: GPL-2.0-or-later
// The end of an interrupt whose handler will not run (SC-7, SC-8): what it was accepted by is told,
// and nothing else.
#pragma once

#include "apic/hardware.hpp"

namespace ringside::apic {

/// Which controller has an accepted vector in service.
enum class Origin : u8 {
    kNone,       ///< none: the spurious vector, of the local APIC or of the 8259
    kLocalApic,  ///< highest in service there
    kPic,        ///< in service in the 8259 (ExtINT), on `line`
    kPicCascade  ///< the slave's spurious line 15: only the master has something in service
};

struct Accepted {
    Origin origin = Origin::kNone;
    bool is_level = false;  ///< local APIC: the IO-APIC waits for an EOI, too
    u8 line = 0;            ///< 8259: 0 to 15
};

/// Finds out who has `vector`, which was accepted last, in service. Before any EOI.
/// @param pic_base  vector of the 8259's line 0, 0: there is no 8259 in use.
Accepted identify(Hardware& hardware, u8 vector, u8 pic_base);

/// Ends it where it is in service: one EOI of the local APIC, or specific EOIs of the 8259s.
void retire(Hardware& hardware, const Accepted& accepted);

/// Whether the guest has EOIs of level-triggered interrupts kept from the IO-APICs.
bool suppresses_broadcasts(Hardware& hardware);

}  // namespace ringside::apic
