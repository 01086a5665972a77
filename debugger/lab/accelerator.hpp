// SPDX-License-Identifier: GPL-3.0-or-later
// Which accelerator to use. A /dev/kvm proves little: it may lack nested virtualization, or be
// unable to run an unmodified kernel. So it is tried, once a boot of this machine.
#pragma once

#include <filesystem>
#include <string>

#include "lab/kernel.hpp"
#include "lab/lab.hpp"

namespace ringside::lab {

/// `use_kvm` and, when it is false for Accelerator::kAuto, why.
struct AcceleratorChoice {
    bool use_kvm = false;
    std::string reason = {};
};

/// Decides for `options`; the probe boots `kernel` with `archive` for at most ten seconds, in
/// `scratch` (an existing folder of the lab's own).
AcceleratorChoice choose_accelerator(const Options& options, const Kernel& kernel,
                                     const std::filesystem::path& archive,
                                     const std::filesystem::path& scratch,
                                     const Progress& progress);

}  // namespace ringside::lab
