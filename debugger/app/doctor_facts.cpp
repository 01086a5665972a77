// SPDX-License-Identifier: GPL-3.0-or-later
// What 'ringside doctor' can find out about this machine.
#include <cpuid.h>
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "app/doctor.hpp"

namespace ringside::app {
namespace {

std::optional<std::string> read_text(const std::string& path) {
    std::ifstream file{path, std::ios::binary};
    if (!file)
        return std::nullopt;
    std::ostringstream text;
    text << file.rdbuf();
    if (file.bad())
        return std::nullopt;
    std::string content = text.str();
    while (!content.empty() && (content.back() == '\n' || content.back() == ' '))
        content.pop_back();
    return content;
}

std::optional<u64> read_msr(u32 index) {
    const int descriptor = ::open("/dev/cpu/0/msr", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return std::nullopt;
    u64 value = 0;
    const bool ok = ::pread(descriptor, &value, sizeof value, index) == sizeof value;
    ::close(descriptor);
    return ok ? std::optional{value} : std::nullopt;
}

void read_processor(Facts& facts) {
    u32 a = 0;
    u32 b = 0;
    u32 c = 0;
    u32 d = 0;
    if (__get_cpuid(0, &a, &b, &c, &d) != 0) {
        char vendor[13] = {};
        std::memcpy(vendor, &b, 4);
        std::memcpy(vendor + 4, &d, 4);
        std::memcpy(vendor + 8, &c, 4);
        facts.cpu_vendor = vendor;
    }
    if (__get_cpuid(1, &a, &b, &c, &d) != 0) {
        facts.has_vmx = (c & (1u << 5)) != 0;            // Intel SDM vol. 2A "CPUID": ECX.VMX
        facts.runs_virtualized = (c & (1u << 31)) != 0;  // reserved for hypervisors
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d) != 0)
        facts.has_svm = (c & (1u << 2)) != 0;  // AMD APM vol. 3 appendix E.4.2: ECX.SVM
    char model[49] = {};
    for (u32 leaf = 0; leaf < 3; ++leaf) {
        u32 words[4] = {};
        if (__get_cpuid(0x80000002 + leaf, &words[0], &words[1], &words[2], &words[3]) == 0)
            break;
        std::memcpy(model + leaf * 16, words, 16);
    }
    facts.cpu_model = model;
    const std::size_t first = facts.cpu_model.find_first_not_of(' ');
    facts.cpu_model.erase(0, first == std::string::npos ? facts.cpu_model.size() : first);
    facts.cpu_model.erase(facts.cpu_model.find_last_not_of(' ') + 1);
    if (facts.cpu_model.empty())
        facts.cpu_model = facts.cpu_vendor.empty() ? "this processor" : facts.cpu_vendor;
}

void read_firmware(Facts& facts) {
    if (facts.has_svm) {
        constexpr u32 VM_CR = 0xc0010114;  // AMD APM vol. 2 §15.30.1 "VM_CR MSR"
        constexpr u64 kSvmDisabled = 1u << 4;
        if (const auto value = read_msr(VM_CR))
            facts.firmware_allows = (*value & kSvmDisabled) == 0;
    } else if (facts.has_vmx) {
        constexpr u32 IA32_FEATURE_CONTROL = 0x3a;  // Intel SDM vol. 3C §23.7 "Enabling VMX"
        if (const auto value = read_msr(IA32_FEATURE_CONTROL))
            facts.firmware_allows = (*value & 1) == 0 || (*value & 4) != 0;
    }
}

void read_kvm(Facts& facts) {
    for (const char* name : {"kvm_amd", "kvm_intel"}) {
        const std::string folder = std::string{"/sys/module/"} + name;
        std::error_code ignored;
        if (!std::filesystem::exists(folder, ignored))
            continue;
        facts.kvm_module = name;
        // Built into the kernel it has no count.
        if (const auto count = read_text(folder + "/refcnt"))
            facts.kvm_users = std::strtoull(count->c_str(), nullptr, 10);
    }
    facts.kvm_device_usable = ::access("/dev/kvm", R_OK | W_OK) == 0;
}

void read_security(Facts& facts) {
    if (const auto text = read_text("/sys/kernel/security/lockdown")) {
        const std::size_t open = text->find('[');
        const std::size_t close = text->find(']');
        if (open != std::string::npos && close != std::string::npos && open < close)
            facts.lockdown = text->substr(open + 1, close - open - 1);
    }
    std::error_code ignored;
    if (!std::filesystem::exists("/sys/firmware/efi", ignored)) {
        facts.secure_boot = false;  // no UEFI, no secure boot
    } else if (const auto value = read_text("/sys/firmware/efi/efivars/SecureBoot-"
                                            "8be4df61-93ca-11d2-aa0d-00e098032b8c")) {
        // Four bytes of attributes, then the value.
        facts.secure_boot = value->size() > 4 && (*value)[4] == 1;
    }
}

bool is_on_path(const char* program) {
    const char* path = std::getenv("PATH");
    std::istringstream folders{path != nullptr ? path : "/usr/bin:/bin"};
    for (std::string folder; std::getline(folders, folder, ':');)
        if (::access((folder + "/" + program).c_str(), X_OK) == 0)
            return true;
    return false;
}

}  // namespace

Facts gather_facts() {
    Facts facts;
    read_processor(facts);
    read_firmware(facts);
    read_kvm(facts);
    read_security(facts);
    facts.is_root = ::geteuid() == 0;
    utsname names{};
    if (::uname(&names) == 0)
        facts.kernel_release = names.release;
    facts.has_headers =
        ::access(("/lib/modules/" + facts.kernel_release + "/build/Makefile").c_str(), R_OK) == 0;
    std::error_code ignored;
    facts.module_loaded = std::filesystem::exists("/sys/module/ringside", ignored);
    facts.module_version = read_text("/sys/module/ringside/version");
    facts.device_present = std::filesystem::exists("/dev/ringside", ignored);
    for (const char* program :
         {"qemu-system-x86_64", "bochs-bin", "busybox", "dpkg-deb", "apt-get"})
        if (!is_on_path(program))
            facts.lab_missing.emplace_back(program);
    return facts;
}

}  // namespace ringside::app
