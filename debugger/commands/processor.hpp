// SPDX-License-Identifier: GPL-3.0-or-later
// What CPUID tells of a processor, as the 'cpu' command shows it.
#pragma once

#include <functional>
#include <string>

#include "ringside/debug.h"

namespace ringside::commands {

/// One CPUID; eax to edx of the answer count.
using ReadCpuid = std::function<rs_cpuid(__u32 leaf, __u32 subleaf)>;

/// Vendor, brand, family, and the features that are there. Asks only for leaves the processor has.
std::string processor_text(const ReadCpuid& read);

}  // namespace ringside::commands
