// SPDX-License-Identifier: GPL-3.0-or-later
#include "support/inspected_machine.hpp"
#include "x86/instructions.hpp"

namespace ringside::inspect {
namespace {

using Inspect = test::InspectedMachine;

TEST_F(Inspect, KnowsItsRequests) {
    for (const u32 number : {RS_NR_MEM, RS_NR_REGISTERS, RS_NR_MSR, RS_NR_CPUID, RS_NR_LAPIC,
                             RS_NR_IO_APIC, RS_NR_PAGE_WALK, RS_NR_TASKS, RS_NR_MAPPINGS})
        EXPECT_TRUE(is_look(number)) << number;
    for (const u32 number : {RS_NR_VERSION, RS_NR_EVAL, RS_NR_SYMBOL_LIST, RS_NR_RUN, 0xffffffffu})
        EXPECT_FALSE(is_look(number)) << number;
    rs_registers request{};
    EXPECT_EQ(ask(RS_NR_EVAL, request), u32{RS_ERR_BAD_IMAGE});
}

TEST_F(Inspect, GivesEveryRegister) {
    for (u32 i = 0; i < RS_FULL_REGISTER_COUNT; ++i)
        backend.registers[i] = 0x1000 + i;
    registers.rcx = 7;
    registers.r15 = 15;
    backend.is_64bit = false;
    rs_registers request{};
    EXPECT_EQ(ask(RS_NR_REGISTERS, request), u32{RS_OK});
    EXPECT_EQ(request.core, 1u);
    EXPECT_EQ(request.is_long_mode, 0u);
    EXPECT_EQ(request.value[RS_FULL_RCX], 7u);
    EXPECT_EQ(request.value[RS_FULL_R15], 15u);
    EXPECT_EQ(request.value[RS_FULL_RAX], 0x1000u + RS_FULL_RAX);
    EXPECT_EQ(request.value[RS_FULL_CPL], 0x1000u + RS_FULL_CPL);
}

TEST_F(Inspect, ChecksTheSizeOfAStructure) {
    std::vector<u8> image(sizeof(rs_registers) + 8);
    const auto ask_with = [&](u32 size, usize bytes) {
        std::memcpy(image.data(), &size, 4);
        return answer(vcpu, RS_NR_REGISTERS, {image.data(), bytes});
    };
    EXPECT_EQ(ask_with(sizeof(rs_registers), sizeof(rs_registers)), u32{RS_OK});
    EXPECT_EQ(ask_with(sizeof(rs_registers) + 8, image.size()), u32{RS_OK});
    image.back() = 1;  // a field of a later version
    EXPECT_EQ(ask_with(sizeof(rs_registers) + 8, image.size()), u32{RS_ERR_UNKNOWN_FIELDS});
    EXPECT_EQ(ask_with(sizeof(rs_registers) - 8, image.size()), u32{RS_ERR_BAD_IMAGE});
    EXPECT_EQ(ask_with(sizeof(rs_registers) + 4, image.size()), u32{RS_ERR_BAD_IMAGE});
    EXPECT_EQ(ask_with(sizeof(rs_registers) + 16, image.size()), u32{RS_ERR_BAD_IMAGE});
    EXPECT_EQ(ask_with(sizeof(rs_registers), sizeof(rs_registers) - 1), u32{RS_ERR_BAD_IMAGE});
    EXPECT_EQ(ask_with(0, 7), u32{RS_ERR_BAD_IMAGE});
    EXPECT_EQ(answer(vcpu, RS_NR_REGISTERS, {}), u32{RS_ERR_BAD_IMAGE});
}

TEST_F(Inspect, ChecksTheLengthOfAnImage) {
    std::vector<u8> image(sizeof(rs_tasks) + sizeof(rs_task));
    rs_tasks request{.size = sizeof(rs_tasks)};
    const auto ask_with = [&](u64 total) {
        request.total_len = total;
        std::memcpy(image.data(), &request, sizeof request);
        return answer(vcpu, RS_NR_TASKS, image);
    };
    EXPECT_EQ(ask_with(image.size()), u32{RS_OK});
    EXPECT_EQ(ask_with(~u64{0}), u32{RS_OK});  // more room than there is here
    EXPECT_EQ(ask_with(sizeof(rs_tasks) - 1), u32{RS_ERR_BAD_IMAGE});
    EXPECT_EQ(ask_with(sizeof(rs_tasks)), u32{RS_ERR_BAD_IMAGE});  // no room for a task
}

TEST_F(Inspect, WalksPages) {
    guest.map(kFirst);
    rs_page_walk request{};
    request.address = kFirst.value() + 0x123;
    request.process_id = RS_ANY;
    request.depth = 99;  // of an earlier answer
    EXPECT_EQ(ask(RS_NR_PAGE_WALK, request), u32{RS_OK});
    EXPECT_EQ(request.is_present, 1u);
    EXPECT_EQ(request.levels, 4u);
    EXPECT_EQ(request.depth, 4u);
    EXPECT_EQ(request.physical, guest.physical(kFirst).value() + 0x123);
    EXPECT_EQ(request.page_bytes, 0x1000u);
    EXPECT_EQ(request.cr3, guest.paging().cr3);
    EXPECT_EQ(request.entry[3], guest.entry(kFirst, 1));
    EXPECT_EQ(request.entry_address[3],
              machine->window.address_of(&guest.entry(kFirst, 1)).value());
}

TEST_F(Inspect, WalksAsFarAsThereAreEntries) {
    guest.map(kFirst).unmap(kFirst);
    rs_page_walk request{};
    request.address = kFirst.value();
    request.process_id = RS_ANY;
    EXPECT_EQ(ask(RS_NR_PAGE_WALK, request), u32{RS_OK});
    EXPECT_EQ(request.is_present, 0u);
    EXPECT_EQ(request.depth, 4u);
    EXPECT_EQ(request.physical, 0u);
    guest.entry(kFirst, 2) = 0;
    EXPECT_EQ(ask(RS_NR_PAGE_WALK, request), u32{RS_OK});
    EXPECT_EQ(request.depth, 3u);
    request.process_id = 4711;
    EXPECT_EQ(ask(RS_NR_PAGE_WALK, request), u32{RS_ERR_BAD_PID});
}

TEST_F(Inspect, KnowsLargePages) {
    guest.map(kFirst, Hpa{0x20'0000}, test::kKernelData, 2);
    rs_page_walk request{};
    request.address = kFirst.value();
    request.process_id = RS_ANY;
    EXPECT_EQ(ask(RS_NR_PAGE_WALK, request), u32{RS_OK});
    EXPECT_EQ(request.page_bytes, 0x20'0000u);
    EXPECT_EQ(request.depth, 3u);
    EXPECT_EQ(request.physical, 0x20'0000u + (kFirst.value() & 0x1f'ffff));
}

TEST_F(Inspect, ReadsAndWritesMsrs) {
    backend.msrs[0xc0000082] = 0xffff'ffff'8180'0000;
    rs_msr request{.core = RS_ANY, .msr = 0xc0000082, .value = 99};
    EXPECT_EQ(ask(RS_NR_MSR, request), u32{RS_OK});
    EXPECT_EQ(request.value, 0xffff'ffff'8180'0000u);
    EXPECT_EQ(request.core, 1u);
    request = {.core = 1, .flags = RS_MSRF_WRITE, .msr = 0xc0000082, .value = 5};
    EXPECT_EQ(ask(RS_NR_MSR, request), u32{RS_OK});
    EXPECT_EQ(backend.msrs[0xc0000082], 5u);
    request = {.core = RS_ANY, .msr = 0x12345};
    EXPECT_EQ(ask(RS_NR_MSR, request), u32{RS_ERR_BAD_MSR});
    request = {.core = 2, .msr = 0xc0000082};
    EXPECT_EQ(ask(RS_NR_MSR, request), u32{RS_ERR_BAD_CORE});
    request = {.core = RS_ANY, .flags = 2, .msr = 0xc0000082};
    EXPECT_EQ(ask(RS_NR_MSR, request), u32{RS_ERR_BAD_IMAGE});
}

TEST_F(Inspect, TellsCpuidAsTheGuestReadsIt) {
    constexpr u32 kOsxsave = 1u << 27, kOspke = 1u << 4;
    rs_cpuid request{.core = RS_ANY, .leaf = 1, .subleaf = 0};
    backend.registers[RS_FULL_CR4] = 1 << 18;
    EXPECT_EQ(ask(RS_NR_CPUID, request), u32{RS_OK});
    EXPECT_EQ(request.core, 1u);
    EXPECT_EQ(request.eax, x86::cpuid(1).eax);
    EXPECT_EQ(request.edx, x86::cpuid(1).edx);
    EXPECT_EQ(request.ecx & kOsxsave, kOsxsave);
    backend.registers[RS_FULL_CR4] = 0;
    request = {.core = 1, .leaf = 1};
    EXPECT_EQ(ask(RS_NR_CPUID, request), u32{RS_OK});
    EXPECT_EQ(request.ecx & kOsxsave, 0u);
    request = {.core = RS_ANY, .leaf = 7};
    EXPECT_EQ(ask(RS_NR_CPUID, request), u32{RS_OK});
    EXPECT_EQ(request.ecx & kOspke, 0u);
    backend.registers[RS_FULL_CR4] = 1 << 22;
    request = {.core = RS_ANY, .leaf = 7};
    EXPECT_EQ(ask(RS_NR_CPUID, request), u32{RS_OK});
    EXPECT_EQ(request.ecx & kOspke, kOspke);
    request = {.core = 2, .leaf = 1};
    EXPECT_EQ(ask(RS_NR_CPUID, request), u32{RS_ERR_BAD_CORE});
    request = {.core = RS_ANY, .leaf = 1, .reserved = 1};
    EXPECT_EQ(ask(RS_NR_CPUID, request), u32{RS_ERR_BAD_IMAGE});
}

TEST_F(Inspect, KnowsTheMsrsThatAreRegisters) {
    backend.registers[RS_FULL_KGSBASE] = 0xffff'8880'3dc0'0000;
    rs_msr request{.core = RS_ANY, .msr = 0xc0000102};
    EXPECT_EQ(ask(RS_NR_MSR, request), u32{RS_OK});
    EXPECT_EQ(request.value, 0xffff'8880'3dc0'0000u);
    request = {.core = RS_ANY, .flags = RS_MSRF_WRITE, .msr = 0xc0000100, .value = 0x7f00};
    EXPECT_EQ(ask(RS_NR_MSR, request), u32{RS_OK});
    EXPECT_EQ(backend.registers[RS_FULL_FSBASE], 0x7f00u);
}

TEST_F(Inspect, WritesNoMsrRootModeStandsOn) {
    for (const u32 msr : {0x1bu, 0x3au, 0x6a2u, 0xc0010114u, 0xc0010117u}) {
        backend.msrs[msr] = 0x900;
        rs_msr request{.core = RS_ANY, .flags = RS_MSRF_WRITE, .msr = msr, .value = 0};
        EXPECT_EQ(ask(RS_NR_MSR, request), u32{RS_ERR_BAD_MSR}) << std::hex << msr;
        EXPECT_EQ(backend.msrs[msr], 0x900u);
        request = {.core = RS_ANY, .msr = msr};
        EXPECT_EQ(ask(RS_NR_MSR, request), u32{RS_OK});
    }
    backend.msrs[0xc0000080] = backend.leaving_msr = 0xc0000080;
    rs_msr request{.core = RS_ANY, .flags = RS_MSRF_WRITE, .msr = 0xc0000080, .value = 0};
    EXPECT_EQ(ask(RS_NR_MSR, request), u32{RS_ERR_BAD_MSR});
}

/// The local APIC's page, and one of an IO-APIC.
class InspectControllers : public test::InspectedMachine {
protected:
    InspectControllers() {
        for (u32 i = 0; i < 0x40; ++i)
            page[i * 4] = 0xa000 + i;
        page[0x30 / 4] = 0x0005'0014;  // six entries of the local vector table
        machine->apic = {false, reinterpret_cast<u64>(page)};
        machine->io_apics[0] = reinterpret_cast<u64>(io_apic);
        machine->io_apic_addresses[0] = 0xfec0'0000;
        machine->io_apic_count = 1;
        processor.msrs[0x1b] = 0xfee0'0900;
    }
    alignas(16) u32 page[0x100] = {};
    alignas(16) u32 io_apic[0x10] = {};
    rs_lapic local{};
};

TEST_F(InspectControllers, ReadTheMappedRegistersThatExist) {
    EXPECT_EQ(ask(RS_NR_LAPIC, local), u32{RS_OK});
    EXPECT_EQ(local.is_x2apic, 0u);
    EXPECT_EQ(local.base_msr, 0xfee0'0900u);
    EXPECT_EQ(local.core, 1u);
    EXPECT_EQ(local.value[0x02], 0xa002u);
    EXPECT_EQ(local.value[0x17], 0xa017u);
    EXPECT_EQ(local.value[0x31], 0xa031u);
    EXPECT_EQ(local.value[0x33], 0xa033u);
    EXPECT_EQ(local.value[0x2f], 0u);  // needs a seventh entry
    EXPECT_EQ(local.value[0x00], 0u);
    EXPECT_EQ(local.value[0x0b], 0u);  // EOI: write only
}

TEST_F(InspectControllers, ReadTheMsrsOfX2apicMode) {
    processor.msrs[0x1b] = 0xfee0'0d00;
    for (u32 i = 0; i < 0x40; ++i)
        processor.msrs[0x800 + i] = 0xffff'0000'b000 + i;
    processor.msrs[0x803] = 0x0006'0014;
    processor.msrs.erase(0x833);  // one that should be there raises #GP
    EXPECT_EQ(ask(RS_NR_LAPIC, local), u32{RS_OK});
    EXPECT_EQ(local.is_x2apic, 1u);
    EXPECT_EQ(local.value[0x02], 0xb002u);
    EXPECT_EQ(local.value[0x2f], 0xb02fu);
    EXPECT_EQ(local.value[0x30], 0xb030u);
    EXPECT_EQ(local.value[0x31], 0u);  // neither the command's high half
    EXPECT_EQ(local.value[0x0e], 0u);  // nor the destination format
    EXPECT_EQ(local.value[0x33], 0u);
}

TEST_F(InspectControllers, SayThatTheLocalOneIsOff) {
    processor.msrs[0x1b] = 0xfee0'0100;
    EXPECT_EQ(ask(RS_NR_LAPIC, local), u32{RS_ERR_NO_SUCH_DEVICE});
}

TEST_F(InspectControllers, ReadAnIoApicAndPutItsIndexBack) {
    io_apic[0] = 0x17;
    io_apic[4] = 0x0017'0020;  // whatever the index is
    for (const Others others : {Others::kRun, Others::kStand}) {
        rs_io_apic request{};
        EXPECT_EQ(ask(RS_NR_IO_APIC, request, others), u32{RS_OK});
        EXPECT_EQ(request.count, 1u);
        EXPECT_EQ(request.address, 0xfec0'0000u);
        EXPECT_EQ(request.version, 0x0017'0020u);
        EXPECT_EQ(request.entry[0x17], 0x0017'0020'0017'0020u);
        EXPECT_EQ(request.entry[0x18], 0u);
        EXPECT_EQ(io_apic[0], 0x17u);
        EXPECT_EQ(machine->rendezvous.last_ticket, 1u);  // only the first had to meet
    }
    rs_io_apic request{.index = 1};
    EXPECT_EQ(ask(RS_NR_IO_APIC, request), u32{RS_ERR_NO_SUCH_DEVICE});
    EXPECT_EQ(request.count, 1u);
    machine->rendezvous.is_taken = 1;
    request.index = 0;
    EXPECT_EQ(ask(RS_NR_IO_APIC, request), u32{RS_ERR_CORES_NOT_HALTED});
}

}  // namespace
}  // namespace ringside::inspect
