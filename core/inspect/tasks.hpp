// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel's lists of tasks, walked from root mode without its locks.
#pragma once

#include "inspect/address_space.hpp"
#include "ringside/debug.h"

namespace ringside::inspect {

/// Steps a request takes in the kernel's lists at most: far more than there are tasks.
inline constexpr u32 kMaxSteps = 0x40000;

/// Makes `space` that of the process `process_id` (its tgid; RS_ANY: it stays that of the context).
/// A process whose first thread has ended is found by one of the others.
/// @return RS_ERR_BAD_PID: there is none
u32 use_process(vcpu::Vcpu& vcpu, AddressSpace& space, u32 process_id);

/// The mm_struct of the process `process_id` (RS_ANY: of the task that is interrupted); 0: it has
/// none.
/// @return RS_ERR_BAD_PID: there is no such process
u32 find_mm(vcpu::Vcpu& vcpu, u32 process_id, u64& mm);

}  // namespace ringside::inspect
