// SPDX-License-Identifier: GPL-3.0-or-later
// Registers of the guest: what is seen, what may be written, and that the guest can still be
// entered. Source: Intel SDM vol. 3C §26.3.1 "Checks on the Guest State Area", vol. 3A §2.5
// "Control Registers", §4.10.4.1 "Operations that Invalidate TLBs".
#include <tuple>

#include "unit/core/vmx/guest.hpp"

namespace ringside::vmx {
namespace {

using enum VmcsField;
using Invalidations = std::vector<std::pair<u64, u16>>;

const Invalidations kOwnContext{{1, 1}};  // single context, VPID 1

TEST(VmxRegisters, AreReadWhereTheyLive) {
    Guest guest;
    guest.saved.rax = 0x11;
    guest.vmcs[kGuestDs] = 0x2b;
    guest.vmcs[kGuestEs] = 0x33;
    guest.vmcs[kGuestFs] = 0x3b;
    guest.vmcs[kGuestGs] = 0x43;
    guest.vmcs[kGuestLdtr] = 0x50;
    guest.vmcs[kGuestFsBase] = 0x7f00'0000'1000;
    guest.processor.cr[2] = 0x22;
    guest.processor.cr[8] = 3;
    guest.processor.dr[6] = 0xffff'0ff0;
    guest.processor.msrs[0xc000'0102] = 0x7f00'0000'2000;
    const std::pair<u32, u64> expected[] = {
        {RS_FULL_RAX, 0x11},
        {RS_FULL_RSP, 0xffff'c900'0001'0000},
        {RS_FULL_RIP, 0xffff'ffff'8110'0000},
        {RS_FULL_RFLAGS, 0x246},
        {RS_FULL_CR2, 0x22},
        {RS_FULL_CR3, 0x10'2003},
        {RS_FULL_CR8, 3},
        {RS_FULL_CS, 0x10},
        {RS_FULL_SS, 0x18},
        {RS_FULL_DS, 0x2b},
        {RS_FULL_ES, 0x33},
        {RS_FULL_FS, 0x3b},
        {RS_FULL_GS, 0x43},
        {RS_FULL_LDTR, 0x50},
        {RS_FULL_TR, 0x40},
        {RS_FULL_GDTR, 0xffff'fe12'3456'5000},
        {RS_FULL_IDTR, 0xffff'fe00'0000'0000},
        {RS_FULL_DR6, 0xffff'0ff0},
        {RS_FULL_DR7, 0x400},
        {RS_FULL_FSBASE, 0x7f00'0000'1000},
        {RS_FULL_GSBASE, 0xffff'8880'3fc0'0000},
        {RS_FULL_KGSBASE, 0x7f00'0000'2000},
        {RS_FULL_EFER, 0xd01},
        {RS_FULL_CPL, 0},
    };
    for (const auto& [which, value] : expected)
        EXPECT_EQ(guest.backend.read_register(vcpu::Register(which)), value) << which;
}

TEST(VmxRegisters, ShowControlRegistersAsTheGuestWroteThem) {
    Guest guest;
    EXPECT_EQ(guest.backend.read_register(RS_FULL_CR4), 0x37'06f0u);  // VMXE is root mode's
    EXPECT_EQ(guest.backend.read_register(RS_FULL_CR0), 0x8005'0033u);
    guest.vmcs[kCr0Shadow] = 0x8005'0013;  // NE clear, which VMX operation does not allow
    guest.vmcs[kGuestCr0] = 0x8005'003b;   // TS, which the guest set without an exit
    EXPECT_EQ(guest.backend.read_register(RS_FULL_CR0), 0x8005'001bu);
    guest.vmcs[kCr4Shadow] = 0x2000;
    EXPECT_EQ(guest.backend.read_register(RS_FULL_CR4), 0x37'26f0u);
}

TEST(VmxRegisters, TellThePrivilegeLevelBySs) {
    Guest guest;
    EXPECT_EQ(guest.backend.privilege_level(), 0);
    guest.vmcs[kGuestSsRights] = 0xc0f3;
    EXPECT_EQ(guest.backend.privilege_level(), 3);
    guest.vmcs[kGuestSsRights] = 0x1'0000;  // null behind a gate that came from CPL 3
    EXPECT_EQ(guest.backend.privilege_level(), 0);
}

TEST(VmxRegisters, TakeNoValueTheGuestCouldNotBeEnteredWith) {
    Guest guest;
    const auto refuses = [&](vcpu::Register which, u64 value) {
        guest.vmcs.writes.clear();
        const bool taken = guest.backend.write_register(which, value);
        return !taken && guest.vmcs.writes.empty();
    };
    EXPECT_TRUE(refuses(RS_FULL_RIP, 0x0000'8000'0000'0000));
    EXPECT_TRUE(refuses(RS_FULL_RSP, 0x0000'8000'0000'0000));
    EXPECT_TRUE(refuses(RS_FULL_FSBASE, 0x8000'0000'0000'0000));
    EXPECT_TRUE(refuses(RS_FULL_GSBASE, 0x8000'0000'0000'0000));
    EXPECT_TRUE(refuses(RS_FULL_KGSBASE, 0x8000'0000'0000'0000));
    EXPECT_TRUE(refuses(RS_FULL_RFLAGS, 0x244));     // bit 1 must be set
    EXPECT_TRUE(refuses(RS_FULL_RFLAGS, 0x20246));   // VM does not exist in long mode
    EXPECT_TRUE(refuses(RS_FULL_RFLAGS, 0x8246));    // bit 15 must be clear
    EXPECT_TRUE(refuses(RS_FULL_CR0, 0x0005'0033));  // paging off
    EXPECT_TRUE(refuses(RS_FULL_CR0, 0xa005'0033));  // NW without CD
    EXPECT_TRUE(refuses(RS_FULL_CR0, 0x1'8005'0033));
    EXPECT_TRUE(refuses(RS_FULL_CR3, 0xfee0'0000));  // no RAM
    EXPECT_TRUE(refuses(RS_FULL_CR4, 0x37'16f0));    // LA57 cannot change
    EXPECT_TRUE(refuses(RS_FULL_CR4, 0x37'06d0));    // nor PAE
    EXPECT_TRUE(refuses(RS_FULL_CR4, 0x37'26f0));    // nor VMXE
    EXPECT_TRUE(refuses(RS_FULL_CR8, 16));
    EXPECT_TRUE(refuses(RS_FULL_DR6, u64{1} << 32));
    EXPECT_TRUE(refuses(RS_FULL_DR7, u64{1} << 32));
    EXPECT_TRUE(refuses(RS_FULL_CS, 0x10));
    EXPECT_TRUE(refuses(RS_FULL_EFER, 0xd01));
    EXPECT_TRUE(guest.vmcs.invalidations.empty());
}

TEST(VmxRegisters, TakeWhatIsAllowed) {
    Guest guest;
    guest.processor.msrs[0xc000'0102] = 0;
    const std::tuple<u32, VmcsField, u64> plain[] = {
        {RS_FULL_RSP, kGuestRsp, 0xffff'c900'0002'0000},
        {RS_FULL_RIP, kGuestRip, 0xffff'ffff'8120'0000},
        {RS_FULL_RFLAGS, kGuestRflags, 0x2c7},
        {RS_FULL_CR3, kGuestCr3, 0x20'0000},
        {RS_FULL_FSBASE, kGuestFsBase, 0x7f00'0000'1000},
        {RS_FULL_GSBASE, kGuestGsBase, 0xffff'8000'0000'0000},
    };
    for (const auto& [which, field, value] : plain) {
        EXPECT_TRUE(guest.backend.write_register(vcpu::Register(which), value)) << which;
        EXPECT_EQ(guest.vmcs[field], value) << which;
    }
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_RAX, 5));
    EXPECT_EQ(guest.saved.rax, 5u);
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_CR2, 0x1234));
    EXPECT_EQ(guest.processor.cr[2], 0x1234u);
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_CR8, 15));
    EXPECT_EQ(guest.processor.cr[8], 15u);
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_DR6, 0xffff'0ff1));
    EXPECT_EQ(guest.processor.dr[6], 0xffff'0ff1u);
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_DR3, 0x1000));
    EXPECT_EQ(guest.processor.dr[3], 0x1000u);
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_DR7, 0x3));
    EXPECT_EQ(guest.vmcs[kGuestDr7], 0x403u);  // bit 10 is always set
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_KGSBASE, 0x7f00'0000'3000));
    EXPECT_EQ(guest.processor.msrs[0xc000'0102], 0x7f00'0000'3000u);
}

TEST(VmxRegisters, FollowThePagingModeInWhatIsCanonical) {
    Guest guest;
    guest.vmcs[kGuestCr4] |= 1 << 12;  // LA57
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_RIP, 0x0000'8000'0000'0000));
    EXPECT_FALSE(guest.backend.write_register(RS_FULL_RIP, 0x0100'0000'0000'0000));
}

TEST(VmxRegisters, LeaveShadowAndHaltBehindWithRip) {
    for (const u32 blocking : {0x1u, 0x2u}) {
        Guest guest;
        guest.vmcs[kInterruptibility] = blocking | 8;
        guest.vmcs[kActivity] = 0;
        guest.exit(7);
        EXPECT_TRUE(guest.backend.write_register(RS_FULL_RIP, 0xffff'ffff'8120'0000));
        EXPECT_EQ(guest.vmcs[kInterruptibility], 8u);
        EXPECT_FALSE(guest.backend.interruptibility().shadow);
    }
    Guest guest;
    guest.vmcs[kActivity] = 1;
    guest.exit(1);
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_RIP, 0xffff'ffff'8120'0000));
    EXPECT_EQ(guest.vmcs[kActivity], 0u);
}

TEST(VmxRegisters, EndAnStiShadowWithItsFlag) {
    Guest guest;
    guest.vmcs[kInterruptibility] = 0x9;
    guest.exit(7);
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_RFLAGS, 0x246));
    EXPECT_EQ(guest.vmcs[kInterruptibility], 0x9u);
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_RFLAGS, 0x46));
    EXPECT_EQ(guest.vmcs[kInterruptibility], 0x8u);

    guest.vmcs[kInterruptibility] = 0x2;  // behind MOV SS the flag does not matter
    guest.exit(7);
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_RFLAGS, 0x46));
    EXPECT_EQ(guest.vmcs[kInterruptibility], 0x2u);
}

/// In a shadow and in HLT the processor is entered only if its pending single step says what TF
/// says (§26.3.1.5).
TEST(VmxRegisters, KeepThePendingSingleStepInStepWithTf) {
    for (const auto& [blocking, activity] :
         {std::pair{0x1u, 0u}, std::pair{0x2u, 0u}, std::pair{0u, 1u}}) {
        Guest guest;
        guest.vmcs[kInterruptibility] = blocking;
        guest.vmcs[kActivity] = activity;
        guest.exit(7);
        EXPECT_TRUE(guest.backend.write_register(RS_FULL_RFLAGS, 0x346));
        EXPECT_EQ(guest.vmcs[kPendingDebug], 0x4000u);
        EXPECT_TRUE(guest.backend.write_register(RS_FULL_RFLAGS, 0x246));
        EXPECT_EQ(guest.vmcs[kPendingDebug], 0u);
        guest.vmcs[kGuestDebugctl] = 2;  // steps are taken at branches only
        EXPECT_TRUE(guest.backend.write_register(RS_FULL_RFLAGS, 0x346));
        EXPECT_EQ(guest.vmcs[kPendingDebug], 0u);
    }
    Guest guest;
    guest.exit(7);
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_RFLAGS, 0x346));
    EXPECT_EQ(guest.vmcs[kPendingDebug], 0u);  // it comes behind the next instruction
}

TEST(VmxRegisters, GiveA32BitProgramA32BitRip) {
    Guest guest;
    guest.vmcs[kGuestCsRights] = 0xc0fb;
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_RIP, 0xffff'f000));
    EXPECT_FALSE(guest.backend.write_register(RS_FULL_RIP, 0x1'0000'0000));
    EXPECT_FALSE(guest.backend.write_register(RS_FULL_RIP, 0xffff'ffff'8120'0000));
}

TEST(VmxRegisters, DropTranslationsWithCr3AndWhatChangesThem) {
    Guest guest;
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_CR3, 0x20'0000));
    EXPECT_EQ(guest.vmcs.invalidations, kOwnContext);
    guest.vmcs.invalidations.clear();
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_CR4, 0x37'06f4));  // TSD
    EXPECT_TRUE(guest.vmcs.invalidations.empty());
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_CR4, 0x37'0674));  // PGE off
    EXPECT_EQ(guest.vmcs.invalidations, kOwnContext);
}

TEST(VmxRegisters, DropNothingWithoutTags) {
    Guest guest{{.pin = 0x3e, .processor = 0x1400'6172, .exit = 0x0033'efff, .entry = 0x93ff}};
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_CR3, 0x20'0000));
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_CR4, 0x37'0670));
    EXPECT_TRUE(guest.vmcs.invalidations.empty());
}

TEST(VmxMoveToCr0, KeepsWhatVmxOperationFixes) {
    Guest guest;
    EXPECT_TRUE(guest.backend.write_control_register(0, 0x8004'001b));  // NE and AM off, TS on
    EXPECT_EQ(guest.vmcs[kGuestCr0], 0x8004'003bu);
    EXPECT_EQ(guest.vmcs[kCr0Shadow] & 0x8000'0021, 0x8000'0001u);
    EXPECT_EQ(guest.backend.read_register(RS_FULL_CR0), 0x8004'001bu);
}

TEST(VmxMoveToCr0, IsRefusedWhereTheProcessorRefusesIt) {
    Guest guest;
    for (const u64 value : {0x0005'0033ull,     // PG off in 64-bit mode
                            0x8005'0032ull,     // PE off under paging
                            0xa005'0033ull,     // NW without CD
                            0x1'8005'0033ull})  // the upper half
        EXPECT_FALSE(guest.backend.write_control_register(0, value)) << value;
    EXPECT_TRUE(guest.vmcs.writes.empty());
}

TEST(VmxMoveToCr4, KeepsVmxeOnAndShowsWhatWasWritten) {
    Guest guest;
    EXPECT_TRUE(guest.backend.write_control_register(4, 0x37'26f0));  // as KVM does
    EXPECT_EQ(guest.backend.read_register(RS_FULL_CR4), 0x37'26f0u);
    EXPECT_TRUE(guest.backend.write_control_register(4, 0x37'06f4));
    EXPECT_EQ(guest.vmcs[kGuestCr4], 0x37'26f4u);
    EXPECT_EQ(guest.backend.read_register(RS_FULL_CR4), 0x37'06f4u);
}

TEST(VmxMoveToCr4, IsRefusedWhereTheProcessorRefusesIt) {
    Guest guest;
    for (const u64 value : {0x37'06d0ull,       // PAE off in long mode
                            0x37'16f0ull,       // LA57 changes in long mode
                            0x77'06f0ull,       // PKE, which this processor does not have
                            0x1'0037'06f0ull})  // the upper half
        EXPECT_FALSE(guest.backend.write_control_register(4, value)) << value;
    guest.vmcs[kGuestCr4] = 0x35'26f0;  // PCIDE off; it needs CR3 with context 0 to go on
    EXPECT_FALSE(guest.backend.write_control_register(4, 0x37'06f0));
    EXPECT_TRUE(guest.vmcs.writes.empty());
    guest.vmcs[kGuestCr3] = 0x10'2000;
    EXPECT_TRUE(guest.backend.write_control_register(4, 0x37'06f0));
}

TEST(VmxMoveToCr4, DropsTranslationsAsTheProcessorDoes) {
    for (const u64 bit : {7, 17, 20, 21}) {  // PGE, PCIDE, SMEP, SMAP
        Guest guest;
        EXPECT_TRUE(guest.backend.write_control_register(4, 0x37'06f0 ^ u64{1} << bit)) << bit;
        EXPECT_EQ(guest.vmcs.invalidations, kOwnContext) << bit;
    }
    Guest guest;
    EXPECT_TRUE(guest.backend.write_control_register(4, 0x37'06f0 ^ 1 << 8));  // PCE
    EXPECT_TRUE(guest.vmcs.invalidations.empty());
}

/// CR4.CET and a clear CR0.WP exclude each other (§26.3.1.1), and the processor refuses the moves.
TEST(VmxMoveToCr, KeepsWpWithCet) {
    Guest guest{Controls{}, 0x1bf7'6fff};  // a processor that has CET
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_CR0, 0x8004'0033));
    EXPECT_FALSE(guest.backend.write_control_register(4, 0xb7'06f0));
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_CR0, 0x8005'0033));
    EXPECT_TRUE(guest.backend.write_control_register(4, 0xb7'06f0));
    EXPECT_FALSE(guest.backend.write_register(RS_FULL_CR0, 0x8004'0033));
    EXPECT_FALSE(guest.backend.write_control_register(0, 0x8004'0033));
    EXPECT_TRUE(guest.backend.write_register(RS_FULL_CR0, 0x8005'003b));
}

TEST(VmxMoveToCr8, SetsThePriorityOfTheApic) {
    Guest guest;
    EXPECT_TRUE(guest.backend.write_control_register(8, 9));
    EXPECT_EQ(guest.processor.cr[8], 9u);
    EXPECT_FALSE(guest.backend.write_control_register(8, 16));
    EXPECT_EQ(guest.processor.cr[8], 9u);
}

TEST(VmxSkipInstruction, GoesByTheLengthOfTheProcessor) {
    Guest guest;
    guest.vmcs[kExitInstructionLength] = 4;  // a prefix that does nothing
    guest.exit(10);
    guest.backend.skip_instruction(2);
    EXPECT_EQ(guest.vmcs[kGuestRip], 0xffff'ffff'8110'0004u);
}

TEST(VmxSkipInstruction, EndsAShadowAndNothingElse) {
    Guest guest;
    guest.vmcs[kInterruptibility] = 0x9;
    guest.exit(10);
    guest.backend.skip_instruction(2);
    EXPECT_EQ(guest.vmcs[kInterruptibility], 0x8u);
    EXPECT_FALSE(guest.backend.interruptibility().shadow);
    EXPECT_EQ(guest.vmcs[kPendingDebug], 0u);
}

TEST(VmxSkipInstruction, CompletesASingleStep) {
    Guest guest;
    guest.vmcs[kGuestRflags] = 0x346;  // TF
    guest.vmcs[kPendingDebug] = 0x1;   // a data breakpoint met on the way
    guest.exit(10);
    guest.backend.skip_instruction(2);
    EXPECT_EQ(guest.vmcs[kPendingDebug], 0x4001u);

    guest.vmcs[kPendingDebug] = 0;
    guest.vmcs[kGuestDebugctl] = 2;  // BTF: this instruction is no branch
    guest.backend.skip_instruction(2);
    EXPECT_EQ(guest.vmcs[kPendingDebug], 0u);
}

TEST(VmxMsrs, ThatAnExitLoadsAreTheGuestsOwn) {
    Guest guest;
    u64 value = 0;
    bool leave = true;
    EXPECT_TRUE(guest.backend.read_msr(0xc0000080, value));
    EXPECT_EQ(value, 0xd01u);
    EXPECT_TRUE(guest.backend.write_msr(0xc0000080, 0xd00, leave));  // SCE off
    EXPECT_FALSE(leave);
    EXPECT_EQ(guest.vmcs[kGuestEfer], 0xd00u);
    EXPECT_FALSE(guest.backend.write_msr(0xc0000080, 0x801, leave));  // long mode stays
    EXPECT_TRUE(guest.backend.write_msr(0x176, 0xffff'ffff'8123'4560, leave));
    EXPECT_EQ(guest.vmcs[kGuestSysenterEip], 0xffff'ffff'8123'4560u);
    EXPECT_FALSE(guest.backend.write_msr(0x175, 0x8000'0000'0000'0000, leave));  // not canonical
    EXPECT_FALSE(guest.backend.write_msr(0xc0000082, 0x8000'0000'0000'0000, leave));
    EXPECT_FALSE(guest.backend.write_msr(0x174, u64{1} << 32, leave));
    EXPECT_TRUE(guest.backend.write_msr(0x1d9, 2, leave));  // single-step on branches
    EXPECT_EQ(guest.vmcs[kGuestDebugctl], 2u);
    EXPECT_FALSE(guest.backend.write_msr(0x1d9, 1 << 6, leave));  // trace messages
    EXPECT_EQ(guest.vmcs[kGuestDebugctl], 2u);
}

TEST(VmxRegisters, KnowWhichCodeA64BitSegmentHolds) {
    Guest guest;
    EXPECT_TRUE(guest.backend.runs_64bit_code());
    guest.vmcs[kGuestCsRights] = 0xc0fb;  // CPL 3, D
    EXPECT_FALSE(guest.backend.runs_64bit_code());
}

TEST(VmxMsrs, AreTheProcessors) {
    Guest guest;
    guest.processor.msrs[0x1a0] = 0x85'0089;
    u64 value = 0;
    bool leave = true;
    EXPECT_TRUE(guest.backend.read_msr(0x1a0, value));
    EXPECT_EQ(value, 0x85'0089u);
    EXPECT_FALSE(guest.backend.read_msr(0x1a1, value));
    EXPECT_TRUE(guest.backend.write_msr(0x1a0, 1, leave));
    EXPECT_FALSE(leave);
    EXPECT_EQ(guest.processor.msrs[0x1a0], 1u);
    EXPECT_FALSE(guest.backend.write_msr(0x1a1, 1, leave));
}

}  // namespace
}  // namespace ringside::vmx
