// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/doctor.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "ringside/version.h"

namespace ringside::app {
namespace {

Check check_processor(const Facts& facts) {
    if (facts.has_svm)
        return {"processor", Verdict::kOk, fmt::format("{}, AMD SVM", facts.cpu_model)};
    if (facts.has_vmx)
        return {"processor", Verdict::kOk, fmt::format("{}, Intel VMX", facts.cpu_model)};
    if (facts.runs_virtualized)
        return {
            "processor", Verdict::kNo,
            fmt::format("{} shows neither SVM nor VMX; this is a virtual machine without nested "
                        "virtualization",
                        facts.cpu_model)};
    return {"processor", Verdict::kNo,
            fmt::format("{} shows neither SVM nor VMX; it lacks them, or the firmware hides them",
                        facts.cpu_model)};
}

Check check_firmware(const Facts& facts) {
    if (!facts.has_svm && !facts.has_vmx)
        return {"firmware", Verdict::kUnknown, "nothing to ask without SVM or VMX"};
    if (!facts.firmware_allows)
        return {"firmware", Verdict::kUnknown,
                facts.is_root ? "the MSRs cannot be read; try 'modprobe msr'"
                              : "only root can read the MSRs that tell"};
    return *facts.firmware_allows ? Check{"firmware", Verdict::kOk, "virtualization is enabled"}
                                  : Check{"firmware", Verdict::kNo,
                                          "virtualization is switched off; look for SVM or VT-x in "
                                          "the firmware's set-up"};
}

Check check_other_hypervisor(const Facts& facts) {
    if (!facts.kvm_module)
        return {"other hypervisors", Verdict::kOk, "no KVM module is loaded"};
    if (!facts.kvm_users)
        return {"other hypervisors", Verdict::kUnknown,
                fmt::format("{} is loaded; its users cannot be counted", *facts.kvm_module)};
    if (*facts.kvm_users > 0)
        return {"other hypervisors", Verdict::kNo,
                fmt::format("{} is in use by {}; end the virtual machines, then 'modprobe -r {}'",
                            *facts.kvm_module, *facts.kvm_users, *facts.kvm_module)};
    return {"other hypervisors", Verdict::kOk,
            fmt::format("{} is loaded but unused; if loading is refused, 'modprobe -r {}'",
                        *facts.kvm_module, *facts.kvm_module)};
}

Check check_lockdown(const Facts& facts) {
    if (!facts.lockdown)
        return {"kernel lockdown", Verdict::kUnknown, "/sys/kernel/security is not readable"};
    if (*facts.lockdown == "none")
        return {"kernel lockdown", Verdict::kOk, "off"};
    return {
        "kernel lockdown", Verdict::kNo,
        fmt::format("'{}': the device refuses to open; it goes with secure boot", *facts.lockdown)};
}

Check check_secure_boot(const Facts& facts) {
    if (!facts.secure_boot)
        return {"secure boot", Verdict::kUnknown, "the firmware's variable is not readable", false};
    return *facts.secure_boot
               ? Check{"secure boot", Verdict::kNo,
                       "on: the module must be signed with a key the firmware knows (MOK)", false}
               : Check{"secure boot", Verdict::kOk, "off", false};
}

Check check_root(const Facts& facts) {
    return facts.is_root ? Check{"permission", Verdict::kOk, "running as root"}
                         : Check{"permission", Verdict::kUnknown,
                                 "not root; loading the module and the hypervisor needs it", false};
}

Check check_module(const Facts& facts) {
    if (facts.module_loaded && facts.module_version && *facts.module_version != RS_RELEASE)
        return {"module", Verdict::kNo,
                fmt::format("version {} is loaded, this program is {}; load the matching one",
                            *facts.module_version, RS_RELEASE)};
    if (facts.module_loaded && facts.device_present)
        return {"module", Verdict::kOk, "loaded, /dev/ringside is there"};
    if (facts.module_loaded)
        return {"module", Verdict::kNo, "loaded, but /dev/ringside is missing"};
    return {"module", Verdict::kUnknown, "not loaded; 'insmod ringside.ko' does it", false};
}

Check check_headers(const Facts& facts) {
    return facts.has_headers
               ? Check{"kernel headers", Verdict::kOk, "there, for " + facts.kernel_release, false}
               : Check{"kernel headers", Verdict::kNo,
                       fmt::format("none for the running kernel {}; install linux-headers-{}",
                                   facts.kernel_release, facts.kernel_release),
                       false};
}

Check check_kvm_device(const Facts& facts) {
    return facts.kvm_device_usable
               ? Check{"/dev/kvm", Verdict::kOk, "usable; the lab may run faster", false}
               : Check{"/dev/kvm", Verdict::kNo, "not usable; the lab emulates", false};
}

Check check_lab(const Facts& facts) {
    if (facts.lab_missing.empty())
        return {"lab", Verdict::kOk, "its programs are installed; 'ringside lab start'", false};
    std::string missing;
    for (const std::string& program : facts.lab_missing)
        missing += (missing.empty() ? "" : ", ") + program;
    return {"lab", Verdict::kNo, "missing: " + missing, false};
}

std::string_view verdict_word(Verdict verdict) {
    return verdict == Verdict::kOk ? "ok" : verdict == Verdict::kNo ? "no" : "unknown";
}

}  // namespace

std::vector<Check> examine(const Facts& facts) {
    return {check_processor(facts), check_firmware(facts),    check_other_hypervisor(facts),
            check_lockdown(facts),  check_secure_boot(facts), check_root(facts),
            check_module(facts),    check_headers(facts),     check_kvm_device(facts),
            check_lab(facts)};
}

bool can_virtualize(const std::vector<Check>& checks) {
    for (const Check& check : checks)
        if (check.is_required && check.verdict == Verdict::kNo)
            return false;
    return true;
}

std::string report(const std::vector<Check>& checks) {
    std::string text;
    bool is_sure = true;
    for (const Check& check : checks) {
        text +=
            fmt::format("{:<19}{:<9}{}\n", check.name, verdict_word(check.verdict), check.sentence);
        is_sure = is_sure && !(check.is_required && check.verdict == Verdict::kUnknown);
    }
    if (!can_virtualize(checks))
        return text +
               "\nThis machine cannot be virtualized. A lab needs none of it: "
               "'ringside lab start'.\n";
    return text + (is_sure ? "\nThis machine can be virtualized.\n"
                           : "\nNothing found speaks against virtualizing this machine; what is "
                             "unknown shows at 'load vmm'.\n");
}

int doctor() {
    constexpr int kCannotVirtualize = 4;
    const auto checks = examine(gather_facts());
    const std::string text = report(checks);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return can_virtualize(checks) ? 0 : kCannotVirtualize;
}

}  // namespace ringside::app
