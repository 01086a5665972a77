// SPDX-License-Identifier: GPL-3.0-or-later
// Which check an entry fails. Source: Intel SDM vol. 3C §26.3.1 "Checks on the Guest State Area";
// each row below violates one sentence of it.
#include "vmx/entry_report.hpp"

#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "unit/core/vmx/guest.hpp"

namespace ringside::vmx {
namespace {

using enum VmcsField;

struct Field {
    VmcsField field;
    u64 value;
};
struct Violation {
    const char* check;
    std::vector<Field> fields;
};

constexpr u64 kNotCanonical = 0x0000'8000'0000'0000;

const Violation kRegisterChecks[] = {
    {"CR0: PE, NE and PG must be set", {{kGuestCr0, 0x8005'0032}}},
    {"CR0: PE, NE and PG must be set", {{kGuestCr0, 0x8005'0013}}},
    {"CR0: PE, NE and PG must be set", {{kGuestCr0, 0x0005'0033}}},
    {"CR4: VMXE and PAE must be set", {{kGuestCr4, 0x37'06f0}}},
    {"CR4: VMXE and PAE must be set", {{kGuestCr4, 0x37'26d0}}},
    {"CR4: CET needs CR0.WP", {{kGuestCr4, 0xb7'26f0}, {kGuestCr0, 0x8004'0033}}},
    {"DR7: bits 63:32 must be 0", {{kGuestDr7, 0x1'0000'0400}}},
    {"SYSENTER_ESP and SYSENTER_EIP must be canonical", {{kGuestSysenterEsp, kNotCanonical}}},
    {"SYSENTER_ESP and SYSENTER_EIP must be canonical", {{kGuestSysenterEip, kNotCanonical}}},
    {"EFER: LME and LMA must be set for a 64-bit guest", {{kGuestEfer, 0x901}}},
    {"EFER: LME and LMA must be set for a 64-bit guest", {{kGuestEfer, 0xc01}}},
};

const Violation kSegmentChecks[] = {
    {"TR: must be a busy 64-bit TSS", {{kGuestTrRights, 0x89}}},      // available
    {"TR: must be a busy 64-bit TSS", {{kGuestTrRights, 0x0b}}},      // not present
    {"TR: must be a busy 64-bit TSS", {{kGuestTrRights, 0x9b}}},      // no system segment
    {"TR: must be a busy 64-bit TSS", {{kGuestTrRights, 0x1'008b}}},  // unusable
    {"TR: selector must not be in the LDT", {{kGuestTr, 0x44}}},
    {"TR: base must be canonical", {{kGuestTrBase, kNotCanonical}}},
    {"LDTR: must be a present LDT outside of itself",
     {{kGuestLdtr, 0x50}, {kGuestLdtrRights, 0x89}}},
    {"LDTR: must be a present LDT outside of itself",
     {{kGuestLdtr, 0x50}, {kGuestLdtrRights, 0x02}}},
    {"LDTR: must be a present LDT outside of itself",
     {{kGuestLdtr, 0x54}, {kGuestLdtrRights, 0x82}}},
    {"LDTR: base must be canonical",
     {{kGuestLdtr, 0x50}, {kGuestLdtrRights, 0x82}, {kGuestLdtrBase, kNotCanonical}}},
    {"CS: must be an accessed code segment", {{kGuestCsRights, 0xa093}}},  // data
    {"CS: must be an accessed code segment", {{kGuestCsRights, 0xa09a}}},
    {"CS: must be present and usable", {{kGuestCsRights, 0xa08b}}},  // a system segment
    {"CS: must be present and usable", {{kGuestCsRights, 0xa01b}}},
    {"CS: must be present and usable", {{kGuestCsRights, 0x1'a09b}}},
    {"CS: D must be 0 with L set", {{kGuestCsRights, 0xe09b}}},
    {"SS: must be an accessed, writable data segment", {{kGuestSsRights, 0xc091}}},
    {"SS: must be an accessed, writable data segment", {{kGuestSsRights, 0xc092}}},
    {"SS: must be an accessed, writable data segment", {{kGuestSsRights, 0xc09b}}},
    {"SS: DPL must be CS's", {{kGuestSsRights, 0xc0f3}}},
    {"SS: DPL must be CS's", {{kGuestCsRights, 0xa0fb}}},
    {"SS: RPL must be CS's and its own DPL", {{kGuestSs, 0x1b}}},
    {"SS: RPL must be CS's and its own DPL", {{kGuestCs, 0x13}}},
    {"SS: RPL must be CS's and its own DPL", {{kGuestSs, 0x1b}, {kGuestCs, 0x13}}},
    {"DS, ES, FS, GS: must be accessed", {{kGuestDsRights, 0xc0f2}}},
    {"DS, ES, FS, GS: must be accessed", {{kGuestEsRights, 0xc0f2}}},
    {"DS, ES, FS, GS: must be accessed", {{kGuestFsRights, 0xc0f2}}},
    {"DS, ES, FS, GS: must be accessed", {{kGuestGsRights, 0xc0f2}}},
    {"DS, ES, FS, GS: must be present data or readable code", {{kGuestDsRights, 0xc073}}},
    {"DS, ES, FS, GS: must be present data or readable code", {{kGuestEsRights, 0xc0e3}}},
    {"DS, ES, FS, GS: must be present data or readable code", {{kGuestFsRights, 0xc0f9}}},
    {"FS, GS: base must be canonical", {{kGuestFsBase, kNotCanonical}}},
    {"FS, GS: base must be canonical", {{kGuestGsBase, kNotCanonical}}},
};

const Violation kPointerChecks[] = {
    {"GDTR, IDTR: base must be canonical", {{kGuestGdtrBase, kNotCanonical}}},
    {"GDTR, IDTR: base must be canonical", {{kGuestIdtrBase, kNotCanonical}}},
    {"GDTR, IDTR: limit has 16 bits", {{kGuestGdtrLimit, 0x1'0000}}},
    {"GDTR, IDTR: limit has 16 bits", {{kGuestIdtrLimit, 0x1'0000}}},
    {"RIP: must be canonical, and of 32 bits without CS.L", {{kGuestRip, kNotCanonical}}},
    {"RIP: must be canonical, and of 32 bits without CS.L", {{kGuestCsRights, 0xc09b}}},
    {"RFLAGS: reserved bit or VM", {{kGuestRflags, 0x244}}},
    {"RFLAGS: reserved bit or VM", {{kGuestRflags, 0x8246}}},
    {"RFLAGS: reserved bit or VM", {{kGuestRflags, 0x2'0246}}},
    {"RFLAGS: reserved bit or VM", {{kGuestRflags, 0x40'0246}}},
};

const Violation kOtherChecks[] = {
    {"activity state: no such state", {{kActivity, 4}}},
    {"activity state: halted needs CPL 0",
     {{kActivity, 1},
      {kGuestCs, 0x33},
      {kGuestCsRights, 0xa0fb},
      {kGuestSs, 0x2b},
      {kGuestSsRights, 0xc0f3}}},
    {"activity state: must be active in the shadow of STI or MOV SS",
     {{kActivity, 1}, {kInterruptibility, 1}}},
    {"activity state: must be active in the shadow of STI or MOV SS",
     {{kActivity, 1}, {kInterruptibility, 2}}},
    {"interruptibility: reserved bit", {{kInterruptibility, 0x20}}},
    {"interruptibility: STI and MOV SS at once", {{kInterruptibility, 3}}},
    {"interruptibility: shadow of STI with IF clear",
     {{kInterruptibility, 1}, {kGuestRflags, 0x46}}},
    {"injection: an interrupt the guest cannot take",
     {{kEntryInterruption, 0x8000'0031}, {kGuestRflags, 0x46}}},
    {"injection: an interrupt the guest cannot take",
     {{kEntryInterruption, 0x8000'0031}, {kInterruptibility, 1}}},
    {"injection: an interrupt the guest cannot take",
     {{kEntryInterruption, 0x8000'0031}, {kInterruptibility, 2}}},
    {"injection: an NMI while NMIs are blocked",
     {{kEntryInterruption, 0x8000'0202}, {kInterruptibility, 8}}},
    {"injection: an NMI while NMIs are blocked",
     {{kEntryInterruption, 0x8000'0202}, {kInterruptibility, 2}}},
    {"pending debug exceptions: BS must follow TF in a shadow",
     {{kInterruptibility, 1}, {kGuestRflags, 0x346}}},
    {"pending debug exceptions: BS must follow TF in a shadow",
     {{kInterruptibility, 2}, {kPendingDebug, 0x4000}}},
    {"pending debug exceptions: BS must follow TF in a shadow",
     {{kActivity, 1}, {kGuestRflags, 0x346}}},
    {"pending debug exceptions: BS must follow TF in a shadow",
     {{kInterruptibility, 2}, {kGuestRflags, 0x346}, {kGuestDebugctl, 2}, {kPendingDebug, 0x4000}}},
    {"VMCS link pointer: must be all ones", {{kVmcsLinkPointer, 0}}},
};

std::string failed_check(const std::vector<Field>& fields) {
    test::FakeVmcs vmcs;
    fill_linux_guest(vmcs);
    for (const Field& field : fields)
        vmcs[field.field] = field.value;
    const char* const check = first_failed_check();
    return check ? check : "";
}

template <usize kRows>
void expect_named(const Violation (&violations)[kRows], const char* kind) {
    for (usize row = 0; row < kRows; ++row)
        EXPECT_EQ(failed_check(violations[row].fields), violations[row].check) << kind << row;
}

TEST(FirstFailedCheck, NamesEachOneForAStateThatViolatesJustThis) {
    expect_named(kRegisterChecks, "registers, row ");
    expect_named(kSegmentChecks, "segments, row ");
    expect_named(kPointerChecks, "pointers, row ");
    expect_named(kOtherChecks, "other state, row ");
}

TEST(FirstFailedCheck, FindsNothingWrongWithALinuxGuest) {
    const std::vector<Field> states[] = {
        {},
        {{kGuestRflags, 0x46}, {kActivity, 0}, {kInterruptibility, 8}},  // its NMI handler
        {{kActivity, 1}},                                                // idle
        {{kActivity, 1}, {kEntryInterruption, 0x8000'00ec}},
        {{kInterruptibility, 1}},
        {{kInterruptibility, 1}, {kEntryInterruption, 0x8000'0306}},
        {{kInterruptibility, 2}, {kGuestRflags, 0x346}, {kPendingDebug, 0x4000}},
        {{kGuestRflags, 0x346}},
        {{kEntryInterruption, 0x0000'0031}, {kGuestRflags, 0x46}},  // not valid
        {{kGuestCr4, 0xb7'26f0}},
        {{kGuestLdtr, 0x50}, {kGuestLdtrRights, 0x82}, {kGuestLdtrBase, 0xffff'8880'0000'0000}},
        // A 64-bit program, a 32-bit program, and a null SS behind a gate
        {{kGuestCs, 0x33}, {kGuestCsRights, 0xa0fb}, {kGuestSs, 0x2b}, {kGuestSsRights, 0xc0f3}},
        {{kGuestCs, 0x23},
         {kGuestCsRights, 0xc0fb},
         {kGuestSs, 0x2b},
         {kGuestSsRights, 0xc0f3},
         {kGuestDs, 0x2b},
         {kGuestDsRights, 0xc0f3},
         {kGuestEs, 0x2b},
         {kGuestEsRights, 0xc0f3},
         {kGuestGs, 0x63},
         {kGuestGsRights, 0xd0f3},
         {kGuestRip, 0xf7f0'1234}},
        {{kGuestSs, 0}, {kGuestSsRights, 0x1'0000}},
        // Five levels of tables
        {{kGuestCr4, 0x37'36f0}, {kGuestGsBase, kNotCanonical}},
    };
    for (usize row = 0; row < std::size(states); ++row)
        EXPECT_EQ(failed_check(states[row]), "") << "row " << row;
}

TEST(InstructionError, HasAText) {
    EXPECT_STREQ(instruction_error_text(4), "VMLAUNCH with a VMCS that is not clear");
    EXPECT_STREQ(instruction_error_text(5), "VMRESUME with a VMCS that was not launched");
    EXPECT_STREQ(instruction_error_text(7), "invalid control fields");
    EXPECT_STREQ(instruction_error_text(8), "invalid host-state fields");
    EXPECT_STREQ(instruction_error_text(26), "events blocked by MOV SS");
    EXPECT_STREQ(instruction_error_text(1), "another error number");
}

TEST(DumpVmcs, ListsEveryFieldOnce) {
    test::FakeVmcs vmcs;
    for (const NamedField& named : kNamedFields)
        vmcs[named.field] = u64(named.field) + 1;
    std::vector<char> text(0x4000);
    vcpu::EmergencyLog log{false, text.data(), text.size()};
    dump_vmcs(log);

    std::map<std::string, std::string> values;
    std::istringstream lines{text.data()};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words{line};
        std::string word;
        words >> word;
        EXPECT_EQ(word, "VMCS:");
        u32 count = 0;
        for (; words >> word; ++count) {
            const auto equals = word.find('=');
            EXPECT_TRUE(values.emplace(word.substr(0, equals), word.substr(equals + 1)).second)
                << word;
        }
        EXPECT_LE(count, 4u);
    }
    EXPECT_EQ(values.size(), std::size(kNamedFields));
    for (const NamedField& named : kNamedFields) {
        std::ostringstream expected;
        expected << std::hex << u64(named.field) + 1;
        EXPECT_EQ(values[named.name], expected.str()) << named.name;
    }
    EXPECT_EQ(*(std::string(text.data()).end() - 1), '\n');
}

/// What is said before it takes less than a KiB.
TEST(DumpVmcs, FitsIntoAReport) {
    test::FakeVmcs vmcs;
    for (const NamedField& named : kNamedFields)
        vmcs[named.field] = width_of(named.field) == FieldWidth::k16   ? 0xffff
                            : width_of(named.field) == FieldWidth::k32 ? 0xffff'ffff
                                                                       : ~u64{0};
    std::vector<char> text(vcpu::LeaveReport::kBytes - 0x400);
    vcpu::EmergencyLog log{false, text.data(), text.size()};
    dump_vmcs(log);
    const std::string dump = text.data();
    EXPECT_LT(dump.size(), text.size() - 1);
    EXPECT_EQ(dump.back(), '\n');
}

}  // namespace
}  // namespace ringside::vmx
