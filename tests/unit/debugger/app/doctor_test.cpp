// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/doctor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace ringside::app {
namespace {

using testing::HasSubstr;

/// A machine on which everything is right.
Facts good_machine() {
    Facts facts;
    facts.cpu_vendor = "AuthenticAMD";
    facts.cpu_model = "AMD EPYC";
    facts.has_svm = true;
    facts.firmware_allows = true;
    facts.lockdown = "none";
    facts.secure_boot = false;
    facts.is_root = true;
    facts.kernel_release = "6.1.0-1-amd64";
    facts.has_headers = true;
    facts.module_loaded = true;
    facts.module_version = "0.1.0";
    facts.device_present = true;
    facts.kvm_device_usable = true;
    return facts;
}

Check find(const std::vector<Check>& checks, std::string_view name) {
    const auto found = std::find_if(checks.begin(), checks.end(),
                                    [&](const Check& check) { return check.name == name; });
    if (found != checks.end())
        return *found;
    ADD_FAILURE() << "no check called " << name;
    return {};
}

TEST(Doctor, IsContentWithAGoodMachine) {
    const auto checks = examine(good_machine());
    for (const Check& check : checks)
        EXPECT_EQ(check.verdict, Verdict::kOk) << check.name << ": " << check.sentence;
    EXPECT_TRUE(can_virtualize(checks));
    EXPECT_THAT(report(checks), HasSubstr("\nThis machine can be virtualized.\n"));
}

/// One thing that is wrong: how, which check says so, what it says, and whether it rules the
/// machine out.
struct Trouble {
    std::function<void(Facts&)> change;
    std::string check;
    Verdict verdict;
    std::string says;
    bool can_virtualize;
};

class DoctorTrouble : public testing::TestWithParam<Trouble> {};

TEST_P(DoctorTrouble, IsNamed) {
    const Trouble& trouble = GetParam();
    Facts facts = good_machine();
    trouble.change(facts);
    const auto checks = examine(facts);
    const Check check = find(checks, trouble.check);
    EXPECT_EQ(check.verdict, trouble.verdict);
    EXPECT_THAT(check.sentence, HasSubstr(trouble.says));
    EXPECT_EQ(can_virtualize(checks), trouble.can_virtualize);
}

const Trouble kTroubles[] = {
    {[](Facts& f) { f.has_svm = false; }, "processor", Verdict::kNo, "neither SVM nor VMX", false},
    {[](Facts& f) {
         f.has_svm = false;
         f.runs_virtualized = true;
     },
     "processor", Verdict::kNo, "virtual machine", false},
    {[](Facts& f) {
         f.has_svm = false;
         f.has_vmx = true;
     },
     "processor", Verdict::kOk, "Intel VMX", true},
    {[](Facts& f) { f.firmware_allows = false; }, "firmware", Verdict::kNo, "switched off", false},
    {[](Facts& f) { f.firmware_allows.reset(); }, "firmware", Verdict::kUnknown, "modprobe msr",
     true},
    {[](Facts& f) {
         f.firmware_allows.reset();
         f.is_root = false;
     },
     "firmware", Verdict::kUnknown, "only root", true},
    {[](Facts& f) {
         f.kvm_module = "kvm_amd";
         f.kvm_users = 2;
     },
     "other hypervisors", Verdict::kNo, "modprobe -r kvm_amd", false},
    {[](Facts& f) {
         f.kvm_module = "kvm_amd";
         f.kvm_users = 0;
     },
     "other hypervisors", Verdict::kOk, "unused", true},
    {[](Facts& f) { f.kvm_module = "kvm_amd"; }, "other hypervisors", Verdict::kUnknown,
     "cannot be counted", true},
    {[](Facts& f) { f.lockdown = "integrity"; }, "kernel lockdown", Verdict::kNo, "'integrity'",
     false},
    {[](Facts& f) { f.lockdown.reset(); }, "kernel lockdown", Verdict::kUnknown, "not readable",
     true},
    {[](Facts& f) { f.secure_boot = true; }, "secure boot", Verdict::kNo, "signed", true},
    {[](Facts& f) { f.is_root = false; }, "permission", Verdict::kUnknown, "not root", true},
    {[](Facts& f) { f.module_version = "9.9.9"; }, "module", Verdict::kNo, "9.9.9", false},
    {[](Facts& f) { f.module_loaded = false; }, "module", Verdict::kUnknown, "insmod", true},
    {[](Facts& f) { f.device_present = false; }, "module", Verdict::kNo, "missing", false},
    {[](Facts& f) { f.has_headers = false; }, "kernel headers", Verdict::kNo,
     "linux-headers-6.1.0-1-amd64", true},
    {[](Facts& f) { f.kvm_device_usable = false; }, "/dev/kvm", Verdict::kNo, "emulates", true},
    {[](Facts& f) {
         f.lab_missing = {"busybox", "qemu"};
     },
     "lab", Verdict::kNo, "busybox, qemu", true},
};
INSTANTIATE_TEST_SUITE_P(Table, DoctorTrouble, testing::ValuesIn(kTroubles));

TEST(Doctor, SendsWhoCannotBeVirtualizedToTheLab) {
    EXPECT_THAT(report(examine(Facts{})), HasSubstr("This machine cannot be virtualized. A lab"));
}

TEST(Doctor, SaysWhenItIsNotSure) {
    Facts facts = good_machine();
    facts.lockdown.reset();
    EXPECT_THAT(report(examine(facts)), HasSubstr("Nothing found speaks against"));
}

TEST(Doctor, ReadsTheMachineItRunsOn) {
    const Facts facts = gather_facts();
    EXPECT_FALSE(facts.cpu_model.empty());
    EXPECT_FALSE(facts.kernel_release.empty());
    EXPECT_FALSE(facts.has_svm && facts.has_vmx);
}

}  // namespace
}  // namespace ringside::app
