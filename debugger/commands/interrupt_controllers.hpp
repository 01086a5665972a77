// SPDX-License-Identifier: GPL-3.0-or-later
// How '!apic' and '!ioapic' print. Pure; the lines are HyperDbg's. Register numbers: Intel SDM
// vol. 3 section 10.4.1 "The Local APIC Block Diagram", table 10-1.
#pragma once

#include <string>

#include "base/types.hpp"
#include "ringside/debug.h"

namespace ringside::commands {

std::string local_apic_text(const rs_lapic& apic);

/// The IO-APIC and a line for each of its inputs.
std::string io_apic_text(const rs_io_apic& apic);

}  // namespace ringside::commands
