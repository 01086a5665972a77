// SPDX-License-Identifier: GPL-2.0-or-later
// Looking at the machine and changing it: the requests of uapi debug.h marked LOOK, answered in
// root mode on one core. Used twice: in VMI Mode by hypercall from the device's ioctl, and by the
// debug link while the machine is halted.
#pragma once

#include <span>

#include "ringside/ioctl.h"
#include "vcpu/vcpu.hpp"

namespace ringside::inspect {

/// What the other cores do meanwhile.
enum class Others : u8 {
    kRun,    ///< the guest; where none may be between two accesses they are made to stand
    kStand,  ///< nothing: the machine is halted
};

/// Whether `number` (RS_NR_*) is one of those requests.
bool is_look(u32 number);

/// Answers request `number` on `image` in place: a structure of debug.h, with its data behind it
/// where it has some. The image is root's own copy, which nobody changes meanwhile; its contents
/// are checked here. Reaches RAM the guest may see, never a device's registers but those of the
/// interrupt controllers, never root mode's memory.
///
/// The time it takes is bounded: RS_MAX_MEM_BYTES copied, RS_MAX_MEM_SEARCH searched, kMaxSteps
/// (tasks.hpp) steps in the kernel's lists.
///
/// @param image  aligned to 8 bytes
/// @return RS_OK or RS_ERR_*, which is also left in the structure's 'error'; RS_ERR_BAD_IMAGE:
///         malformed, RS_ERR_UNKNOWN_FIELDS: of a later version, RS_ERR_CORES_NOT_HALTED: another
///         core did not come in time, try again; others stand at the structures
/// Context: root mode, own vCPU, interrupts off, between an exit and the next entry.
u32 answer(vcpu::Vcpu& vcpu, u32 number, std::span<u8> image, Others others = Others::kRun);

/// What the hypercall kInspect is given.
struct Inspection {
    u32 number = 0;       ///< RS_NR_*
    u32 result = 0;       ///< out: as of answer()
    u64 bytes = 0;        ///< of the image
    u8* image = nullptr;  ///< root address
};

}  // namespace ringside::inspect
