// SPDX-License-Identifier: GPL-3.0-or-later
#include "sandbox/sandbox.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <vector>

#include "support/fake_processor.hpp"
#include "support/sandbox_machine.hpp"
#include "x86/control_registers.hpp"
#include "x86/msr.hpp"

extern "C" const ringside::u8 rs_sandbox_left[];

namespace ringside::sandbox {
namespace {

using event::CodeEnd;
using test::SandboxMachine;

constexpr u64 kTf = x86::rflags::TF;
constexpr u64 kSingleStep = 1 << 14;
constexpr u64 kBuffer = 0xffff'8880'1234'5000, kVector = 0x25;

struct FakeGuest final : Guest {
    u64 read_register(rs_script_full_register which) override { return registers[which]; }
    bool write_register(rs_script_full_register which, u64 value) override {
        if (which == RS_FULL_RSP && !x86::is_canonical(value, 4))
            return false;
        registers[which] = value;
        ++writes;
        return true;
    }
    bool read_msr(u32 msr, u64& value) override {
        if (!msrs.contains(msr))
            return false;
        value = msrs[msr];
        return true;
    }
    bool read_counter(u32 counter, u64& value) override {
        value = 0x1'0000'0002;
        return counter == 1;
    }
    u16 table_limit(rs_script_full_register table) override {
        return table == RS_FULL_GDTR ? 0x7f : 0xfff;
    }
    u64 kernel_cr3() override { return cr3; }

    std::map<rs_script_full_register, u64> registers;
    std::map<u32, u64> msrs;
    u64 cr3 = 0;
    u32 writes = 0;
};

/// What the code does is told step by step: `script` is its run, and leaves it with an exit.
struct SandboxRun : testing::Test {
    SandboxRun() {
        processor.msrs = {{x86::IA32_FS_BASE, 7}, {x86::IA32_GS_BASE, 8}};
        processor.cr[2] = 0xc2;
        processor.dr[6] = 0xffff'0ff1;
        processor.dr[7] = 0x401;
        machine.core.kernel_gs = 0xffff'8880'0001'0000;
        machine.core.gdt = {0x3f, 0x1000};
        guest.cr3 = machine.guest.paging().cr3;
        code_page = machine.guest.take_page();
        machine.core.vectors = machine.guest.host(machine.guest.take_page());
        for (u32 i = 0; i < RS_FULL_REGISTER_COUNT; ++i)
            guest.registers[rs_script_full_register(i)] = 0x1000 + i;
        processor.on_user_code = [this](Entry& entry) {
            entry.return_rsp = 0x7777;
            trap = {.general = {},
                    .vector = 0,
                    .error_code = 0,
                    .rip = entry.rip,
                    .cs = RS_USER_CODE_SELECTOR,
                    .rflags = entry.rflags,
                    .rsp = entry.rsp,
                    .ss = RS_USER_DATA_SELECTOR};
            trap.general[0] = entry.rax;
            trap.general[1] = entry.rcx;
            trap.general[2] = entry.rdx;
            trap.general[8] = entry.r8;
            trap.general[9] = entry.r9;
            entered = entry;
            script();
            EXPECT_TRUE(has_left()) << "the code would run on";
        };
    }

    event::CodeResult run(std::vector<u8> bytes, bool is_condition = false) {
        bytes.push_back(0xc3);
        std::copy(bytes.begin(), bytes.end(), machine.guest.host(code_page));
        const event::Code code{
            .bytes = RootPointer<const u8>::from_root(machine.guest.host(code_page)),
            .length = u32(bytes.size() - 1),
            .traits = traits};
        const Memory memory{machine.guest.window(), machine.owned.get(),
                            machine.guest.window_base(), 4};
        Sandbox sandbox{machine.core, memory, guest};
        return sandbox.run({code, is_condition, kBuffer, kVector, deadline_tsc});
    }
    /// An exception at `offset` in the code.
    void raise(u8 vector, u64 offset, u64 error_code = 0) {
        trap.vector = vector;
        trap.error_code = error_code;
        trap.rip = kCodeBase + offset;
        machine.core.running->on_trap(trap);
    }
    void page_fault(u64 offset, u64 address, u64 error_code) {
        processor.cr[2] = address;
        raise(14, offset, error_code);
    }
    void step(u64 offset) {
        processor.dr[6] |= kSingleStep;
        raise(1, offset);
    }
    void finish() {
        trap.vector = kExitVector;
        trap.rip = kExitPage + 2;
        machine.core.running->on_trap(trap);
    }
    bool has_left() const { return trap.rip == reinterpret_cast<u64>(rs_sandbox_left); }
    u64& block(u32 offset) {
        return *reinterpret_cast<u64*>(machine.guest.host(machine.core.space.register_page()) +
                                       offset);
    }

    SandboxMachine machine;
    test::FakeProcessor processor;
    FakeGuest guest;
    Hpa code_page;
    x86::CodeTraits traits;
    u64 deadline_tsc = ~u64{0};
    Trap trap = {};
    Entry entered = {};
    std::function<void()> script = [this] { finish(); };
};

TEST_F(SandboxRun, EntersActionsByTheirConvention) {  // CTX-3, CTX-4
    run({0x90});
    EXPECT_EQ(entered.rip, kSteppedEntry);
    EXPECT_EQ(entered.rcx, kBuffer);
    EXPECT_EQ(entered.rdx, kRegisterPage);
    EXPECT_EQ(entered.r8, kVector);
    EXPECT_EQ(entered.r9, 0u);
    EXPECT_EQ(entered.rax, 1u);
    EXPECT_EQ(entered.rsp % 16, 8u);
    EXPECT_GE(kStackBase + kStackBytes - entered.rsp, 8u + 32u);
    EXPECT_GE(entered.rsp - kStackBase, 4096u);
    EXPECT_FALSE(entered.rflags & (1 << 10)) << "DF";
    EXPECT_FALSE(entered.rflags & x86::rflags::IF);
    EXPECT_EQ(entered.rflags >> 12 & 3, 0u) << "IOPL";
    EXPECT_EQ(processor.msrs[x86::IA32_GS_BASE], machine.core.kernel_gs);
    EXPECT_EQ(processor.msrs[x86::IA32_FS_BASE], 0u);
    EXPECT_EQ(processor.gdt_limit, 0x3f);
}

TEST_F(SandboxRun, EntersConditionsByTheirConvention) {  // CTX-2
    run({0x90}, true);
    EXPECT_EQ(entered.rcx, kRegisterPage);
    EXPECT_EQ(entered.rdx, kVector);
    EXPECT_EQ(entered.rax, 1u);
}

TEST_F(SandboxRun, LeadsARetToTheExit) {
    script = [this] {
        EXPECT_EQ(*reinterpret_cast<u64*>(machine.guest.host(machine.walk(entered.rsp).address)),
                  kExitPage);
        finish();
    };
    EXPECT_EQ(run({0x90}).end, CodeEnd::kReturned);
}

TEST_F(SandboxRun, ShowsTheRegistersInTheirOrder) {  // CTX-6
    script = [this] {
        const std::pair<u32, rs_script_full_register> kOffsets[] = {
            {0x00, RS_FULL_RAX}, {0x08, RS_FULL_RCX}, {0x10, RS_FULL_RDX}, {0x18, RS_FULL_RBX},
            {0x20, RS_FULL_RSP}, {0x28, RS_FULL_RBP}, {0x30, RS_FULL_RSI}, {0x38, RS_FULL_RDI},
            {0x40, RS_FULL_R8},  {0x48, RS_FULL_R9},  {0x50, RS_FULL_R10}, {0x58, RS_FULL_R11},
            {0x60, RS_FULL_R12}, {0x68, RS_FULL_R13}, {0x70, RS_FULL_R14}, {0x78, RS_FULL_R15}};
        for (const auto& [offset, which] : kOffsets) {
            EXPECT_EQ(block(offset), 0x1000u + which);
            block(offset) = 0x2000u + which;
        }
        finish();
    };
    run({0x90});
    for (const auto which :
         {RS_FULL_RAX, RS_FULL_RCX, RS_FULL_RDX, RS_FULL_RBX, RS_FULL_RSP, RS_FULL_RBP, RS_FULL_RSI,
          RS_FULL_RDI, RS_FULL_R8, RS_FULL_R9, RS_FULL_R10, RS_FULL_R11, RS_FULL_R12, RS_FULL_R13,
          RS_FULL_R14, RS_FULL_R15})
        EXPECT_EQ(guest.registers[which], 0x2000u + which);
}

TEST_F(SandboxRun, WritesOnlyWhatTheCodeChanged) {
    script = [this] {
        block(0x18) = 5;
        finish();
    };
    run({0x90});
    EXPECT_EQ(guest.writes, 1u);
    EXPECT_EQ(guest.registers[RS_FULL_RBX], 5u);
}

TEST_F(SandboxRun, TellsWhatTheCodeReturned) {
    script = [this] {
        trap.general[0] = 0x123;
        finish();
    };
    const event::CodeResult result = run({0x90});
    EXPECT_EQ(result.end, CodeEnd::kReturned);
    EXPECT_EQ(result.value, 0x123u);
}

TEST_F(SandboxRun, EndsCodeThatFaultsAndChangesNothing) {  // CTX-9
    script = [this] {
        block(0) = 99;
        raise(6, 3);
        EXPECT_EQ(trap.cs, 0x10u);
        EXPECT_EQ(trap.ss, 0x18u);
        EXPECT_EQ(trap.rsp, 0x7777u);
        EXPECT_EQ(trap.rflags, 2u);
    };
    const event::CodeResult result = run({0x90, 0x90, 0x90, 0x0f, 0x0b});
    EXPECT_EQ(result.end, CodeEnd::kFault);
    EXPECT_EQ(result.vector, 6);
    EXPECT_EQ(result.offset, 3u);
    EXPECT_EQ(guest.writes, 0u);
}

TEST_F(SandboxRun, NamesTheInstructionATrapLiesBehind) {
    const std::vector<u8> kCode = {0xcc, 0xcd, 0x03, 0xf1, 0xcd, 0x04};
    for (const auto& [vector, behind, at] :
         {std::tuple{3, 1, 0}, {3, 3, 1}, {1, 4, 3}, {4, 6, 4}}) {
        processor.dr[6] = 0xffff'0ff0;
        script = [this, vector = vector, behind = behind] { raise(u8(vector), u64(behind)); };
        const event::CodeResult result = run(kCode);
        EXPECT_EQ(result.vector, vector);
        EXPECT_EQ(result.offset, u64(at));
    }
}

TEST_F(SandboxRun, CountsTheExitElsewhereAsAFault) {
    script = [this] { raise(kExitVector, 2); };
    const event::CodeResult result = run({0xcd, 0x81});
    EXPECT_EQ(result.end, CodeEnd::kFault);
    EXPECT_EQ(result.vector, 13);
    EXPECT_EQ(result.error_code, 0x81u * 8 + 2);
    EXPECT_EQ(result.offset, 0u);
}

TEST_F(SandboxRun, TellsWhichAddressFaulted) {
    script = [this] { page_fault(0, 0x1234, 4); };
    const event::CodeResult result = run({0x90});
    EXPECT_EQ(result.end, CodeEnd::kFault);
    EXPECT_EQ(result.vector, 14);
    EXPECT_EQ(result.error_code, 4u);
    EXPECT_EQ(result.address, 0x1234u);
}

TEST_F(SandboxRun, ShowsTheKernelsMemoryForOneRunOnly) {
    constexpr u64 kPage = SandboxMachine::kKernelPage.value();
    script = [this] {
        page_fault(0, kPage + 8, 4);
        EXPECT_FALSE(has_left());
        EXPECT_EQ(trap.rip, kCodeBase);
        EXPECT_TRUE(machine.walk(kPage).ok);
        EXPECT_EQ(processor.dropped_translations, std::vector<u64>{kPage + 8});
        finish();
    };
    EXPECT_EQ(run({0x90}).end, CodeEnd::kReturned);
    EXPECT_FALSE(machine.walk(kPage).ok);
}

TEST_F(SandboxRun, EndsAccessesThatNoPageCanHelp) {
    constexpr u64 kPage = SandboxMachine::kKernelPage.value();
    // Present and read; an instruction fetch; a reserved bit; a protection key.
    for (const u64 error_code : {5u, 20u, 12u, 36u}) {
        script = [this, error_code] { page_fault(0, kPage, error_code); };
        EXPECT_EQ(run({0x90}).end, CodeEnd::kFault) << error_code;
    }
}

TEST_F(SandboxRun, RunsStraightCodeAtSpeedOnAStackItCannotWrite) {
    traits.is_straight = true;
    script = [this] {
        EXPECT_FALSE(trap.rflags & kTf);
        EXPECT_EQ(entered.rip, kCodeBase);
        EXPECT_FALSE(machine.walk(entered.rsp).writable);
        page_fault(0, entered.rsp, 7);
    };
    const event::CodeResult result = run({0x90});
    EXPECT_EQ(result.vector, 14);
    traits.is_straight = false;
    script = [this] {
        EXPECT_TRUE(machine.walk(entered.rsp).writable);
        finish();
    };
    run({0x90});
}

TEST_F(SandboxRun, TakesAStepOfStraightCodeForItsOwn) {
    traits.is_straight = true;
    script = [this] { step(1); };
    EXPECT_EQ(run({0x90}).vector, 1);
}

TEST_F(SandboxRun, GivesVectorRegistersBackAfterAFaultOnly) {  // CTX-7, CTX-9
    traits.may_use_vectors = true;
    processor.vectors = 1;
    script = [this] {
        processor.vectors = 2;
        finish();
    };
    run({0x90});
    EXPECT_EQ(processor.vectors, 2u);
    script = [this] {
        processor.vectors = 3;
        raise(6, 0);
    };
    run({0x90});
    EXPECT_EQ(processor.vectors, 2u);
}

TEST_F(SandboxRun, LeavesTheGuestsDebugAndFaultRegisters) {
    script = [this] {
        EXPECT_EQ(processor.dr[7] & 0xff, 0u) << "the guest's breakpoints are armed";
        processor.dr[6] = 0xffff'4ff0;
        page_fault(0, 0x1234, 4);
    };
    run({0x90});
    EXPECT_EQ(processor.cr[2], 0xc2u);
    EXPECT_EQ(processor.dr[6], 0xffff'0ff1u);
    EXPECT_EQ(processor.dr[7], 0x401u);
}

TEST_F(SandboxRun, EndsALoopWhenItsTimeIsOver) {  // CTX-10
    constexpr u32 kMany = 100'000;
    u32 steps = 0;
    script = [&] {
        for (steps = 0; steps < kMany && !has_left(); ++steps)
            step(0);
        if (!has_left())
            finish();
    };
    EXPECT_EQ(run({0xeb, 0xfe}).end, CodeEnd::kReturned);
    EXPECT_EQ(steps, kMany);
    guest.writes = 0;
    deadline_tsc = 1;
    const event::CodeResult result = run({0xeb, 0xfe});
    EXPECT_EQ(result.end, CodeEnd::kTimeout);
    EXPECT_EQ(steps, 1u);
    EXPECT_EQ(result.offset, 0u);
    EXPECT_EQ(guest.writes, 0u);
}

TEST_F(SandboxRun, StepsOnThroughCodeThatClearsTheFlag) {
    script = [this] {
        EXPECT_TRUE(trap.rflags & kTf);
        trap.rflags &= ~kTf;  // POPF
        step(1);
        EXPECT_TRUE(trap.rflags & kTf);
        finish();
    };
    EXPECT_EQ(run({0x9d}).end, CodeEnd::kReturned);
}

TEST_F(SandboxRun, StepsIntoNoInstructionThatWouldShowRootModesTables) {
    script = [this] {
        step(0);  // STR EBX; SLDT ECX; NOP
        EXPECT_EQ(trap.general[3], 0x1000u + RS_FULL_TR);
        EXPECT_EQ(trap.general[1], 0x1000u + RS_FULL_LDTR);
        EXPECT_EQ(trap.rip, kCodeBase + 6);
        finish();
    };
    EXPECT_EQ(run({0x0f, 0x00, 0xcb, 0x0f, 0x00, 0xc1, 0x90}).end, CodeEnd::kReturned);
}

TEST_F(SandboxRun, StepsIntoNoInstructionThatWaits) {
    script = [this] { step(1); };
    const event::CodeResult result = run({0x90, 0x0f, 0x01, 0xfb});
    EXPECT_EQ(result.vector, 6);
    EXPECT_EQ(result.offset, 1u);
}

TEST_F(SandboxRun, EndsCodeThatFaultsForEver) {
    deadline_tsc = 1;
    script = [this] { page_fault(0, SandboxMachine::kKernelPage.value(), 4); };
    EXPECT_EQ(run({0x90}).end, CodeEnd::kTimeout);
}

TEST_F(SandboxRun, RefusesAStackPointerThatIsNone) {
    script = [this] {
        block(0x00) = 1;
        block(0x20) = 1ull << 62;
        finish();
    };
    const event::CodeResult result = run({0x90});
    EXPECT_EQ(result.end, CodeEnd::kFault);
    EXPECT_EQ(result.vector, 12);
    EXPECT_EQ(guest.writes, 0u);
}

TEST_F(SandboxRun, ReadsControlRegistersOfTheGuest) {  // CTX-8
    script = [this] {
        raise(13, 0);
        EXPECT_EQ(trap.general[15], 0x1000u + RS_FULL_CR3);
        EXPECT_EQ(trap.rip, kCodeBase + 4);
        finish();
    };
    EXPECT_EQ(run({0x41, 0x0f, 0x20, 0xdf}).end, CodeEnd::kReturned);
}

TEST_F(SandboxRun, ReadsIntoItsStackPointer) {
    script = [this] {
        raise(13, 0);
        EXPECT_EQ(trap.rsp, 0x1000u + RS_FULL_CR0);
        finish();
    };
    run({0x0f, 0x20, 0xc4});
}

TEST_F(SandboxRun, ReadsMsrsOfTheGuest) {
    guest.msrs[0xc0000082] = 0xffff'ffff'8123'4567;
    script = [this] {
        trap.general[1] = 0xffff'ffff'c000'0082;
        raise(13, 0);
        EXPECT_EQ(trap.general[0], 0x8123'4567u);
        EXPECT_EQ(trap.general[2], 0xffff'ffffu);
        trap.general[1] = 0x999;
        raise(13, 0);
    };
    const event::CodeResult result = run({0x0f, 0x32});
    EXPECT_EQ(result.end, CodeEnd::kFault);
    EXPECT_EQ(result.vector, 13);
}

TEST_F(SandboxRun, StoresTheGuestsDescriptorTablesInMemory) {
    script = [this] {
        trap.general[2] = kRegisterPage;
        raise(13, 0);
        EXPECT_FALSE(has_left());
        EXPECT_EQ(block(0) & 0xffff, 0x7fu);
        EXPECT_EQ(block(0) >> 16 | block(8) << 48, 0x1000u + RS_FULL_GDTR);
        finish();
    };
    EXPECT_EQ(run({0x0f, 0x01, 0x02}).end, CodeEnd::kReturned);
}

TEST_F(SandboxRun, FaultsWhereATableCannotBeStored) {
    script = [this] {
        trap.general[2] = kStackBase - 4;
        raise(13, 0);
    };
    const event::CodeResult result = run({0x0f, 0x01, 0x02});
    EXPECT_EQ(result.vector, 14);
    EXPECT_EQ(result.address, kStackBase - 4);
}

TEST_F(SandboxRun, WritesHalfARegisterAsTheProcessorDoes) {
    guest.registers[RS_FULL_CR0] = 0x1'8005'0033;
    script = [this] {
        trap.general[0] = ~u64{0};
        raise(13, 0);
        EXPECT_EQ(trap.general[0], 0x8005'0033u);
        trap.general[1] = ~u64{0};
        raise(13, 3);
        EXPECT_EQ(trap.general[1], 0xffff'ffff'ffff'0033u);
        finish();
    };
    run({0x0f, 0x01, 0xe0, 0x66, 0x0f, 0x01, 0xe1});
}

TEST_F(SandboxRun, GoesOverCliAndSti) {
    script = [this] {
        raise(13, 0);
        EXPECT_EQ(trap.rip, kCodeBase + 1);
        raise(13, 1);
        EXPECT_EQ(trap.rip, kCodeBase + 2);
        EXPECT_FALSE(trap.rflags & x86::rflags::IF);
        finish();
    };
    EXPECT_EQ(run({0xfa, 0xfb}).end, CodeEnd::kReturned);
}

TEST_F(SandboxRun, CarriesOutNothingOutsideOfTheCode) {
    script = [this] { raise(13, u64{0} - 0x5000); };
    EXPECT_EQ(run({0xfa}).end, CodeEnd::kFault);
}

}  // namespace
}  // namespace ringside::sandbox
