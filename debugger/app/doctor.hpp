// SPDX-License-Identifier: GPL-3.0-or-later
// 'ringside doctor': says beforehand whether this machine can be virtualized, and why not. Facts
// are gathered in one place and judged in another, so that the judgement can be tested.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/types.hpp"

namespace ringside::app {

/// What was found out about this machine; nothing where it could not be.
struct Facts {
    std::string cpu_vendor;  ///< "AuthenticAMD", "GenuineIntel" ...
    std::string cpu_model;
    bool has_svm = false;
    bool has_vmx = false;
    bool runs_virtualized = false;          ///< CPUID says that a hypervisor is below us
    std::optional<bool> firmware_allows;    ///< VM_CR.SVMDIS / IA32_FEATURE_CONTROL, from the MSRs
    std::optional<std::string> kvm_module;  ///< "kvm_amd" or "kvm_intel" when loaded
    std::optional<u64> kvm_users;           ///< its use count
    std::optional<std::string> lockdown;    ///< "none", "integrity", "confidentiality"
    std::optional<bool> secure_boot;
    bool is_root = false;
    std::string kernel_release;
    bool has_headers = false;    ///< /lib/modules/RELEASE/build/Makefile
    bool module_loaded = false;  ///< /sys/module/ringside
    std::optional<std::string> module_version;
    bool device_present = false;  ///< /dev/ringside
    bool kvm_device_usable = false;
    std::vector<std::string> lab_missing;  ///< programs the lab needs and this machine lacks
};

enum class Verdict { kOk, kNo, kUnknown };

struct Check {
    std::string name;
    Verdict verdict = Verdict::kUnknown;
    std::string sentence;
    bool is_required = true;  ///< for virtualizing this machine; a lab needs none of those
};

/// The table of checks, in the order they are printed. Pure.
std::vector<Check> examine(const Facts& facts);

/// True when no required check says no.
bool can_virtualize(const std::vector<Check>& checks);

/// The table as text, with the closing sentence. Pure.
std::string report(const std::vector<Check>& checks);

/// Reads this machine: /proc, /sys, CPUID, and MSRs where permitted.
Facts gather_facts();

/// Runs 'ringside doctor'.
/// @return 0 if this machine can be virtualized, 4 if not (LEX-11)
int doctor();

}  // namespace ringside::app
