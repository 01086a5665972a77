// SPDX-License-Identifier: GPL-2.0-or-later
// RS_NR_LAPIC and RS_NR_IO_APIC: the interrupt controllers' registers.
#include "apic/io_apic.hpp"
#include "inspect/request.hpp"
#include "vcpu/interrupt_controllers.hpp"

extern "C" int rs_safe_read_msr(ringside::u32 msr, ringside::u64* value);

namespace ringside::inspect {
namespace {

/// When a register of the local APIC can be read without harm: one that is not there would be noted
/// as an error in the ESR, or raise #GP.
/// Source: Intel SDM vol. 3A §10.4.1 "The Local APIC Block Diagram" (table "Local APIC Register
/// Address Map"), §10.12.1.2 "x2APIC Register Address Space"; AMD APM vol. 2 §16.3.
enum class There : u8 {
    kAlways,
    kMapped,  ///< not in x2APIC mode
    kLvt,     ///< if the local vector table has as many entries
};
struct LocalRegister {
    u16 offset;
    There there = There::kAlways;
    u8 lvt_entries = 0;  ///< needed: "Max LVT Entry" + 1
    u8 count = 1;        ///< 0x10 apart
};
constexpr LocalRegister kLocalRegisters[] = {
    {.offset = 0x20},                                           // ID
    {.offset = 0x30},                                           // version
    {.offset = 0x80},                                           // task priority
    {.offset = 0xa0},                                           // processor priority
    {.offset = 0xd0},                                           // logical destination
    {.offset = 0xe0, .there = There::kMapped},                  // destination format
    {.offset = 0xf0},                                           // spurious interrupt
    {.offset = 0x100, .count = 8},                              // in service
    {.offset = 0x180, .count = 8},                              // trigger mode
    {.offset = 0x200, .count = 8},                              // requested
    {.offset = 0x280},                                          // error status
    {.offset = 0x2f0, .there = There::kLvt, .lvt_entries = 7},  // corrected machine check
    {.offset = 0x300},                                          // command, low half
    {.offset = 0x310, .there = There::kMapped},                 // command, high half
    {.offset = 0x320},                                          // timer
    {.offset = 0x330, .there = There::kLvt, .lvt_entries = 6},  // thermal sensor
    {.offset = 0x340, .there = There::kLvt, .lvt_entries = 5},  // performance counters
    {.offset = 0x350},                                          // LINT0
    {.offset = 0x360},                                          // LINT1
    {.offset = 0x370, .there = There::kLvt, .lvt_entries = 4},  // error
    {.offset = 0x380},                                          // timer: initial count
    {.offset = 0x390},                                          // timer: current count
    {.offset = 0x3e0},                                          // timer: divide
};

class LocalReader {
public:
    LocalReader(const vcpu::Machine& machine, u64 base_msr)
        : apic_{machine.apic.in_mode_of(base_msr)} {}

    bool is_x2apic() const { return apic_.is_x2apic(); }
    u32 read(u32 offset) const {
        if (!apic_.is_x2apic())
            return apic_.read(x86::LapicRegister(offset));
        u64 value = 0;
        return rs_safe_read_msr(x86::IA32_X2APIC_FIRST + offset / 0x10, &value) == 0 ? u32(value)
                                                                                     : 0;
    }

private:
    x86::LocalApic apic_;
};

}  // namespace

u32 answer_local_apic(vcpu::Vcpu& vcpu, rs_lapic& fields) {
    fields = {.size = fields.size, .core = vcpu.core};
    u64 base = 0;
    if (rs_safe_read_msr(x86::IA32_APIC_BASE, &base) != 0)
        return RS_ERR_NO_SUCH_DEVICE;
    fields.base_msr = base;
    if (!x86::apic_base::GlobalEnable::test(base))
        return RS_ERR_NO_SUCH_DEVICE;
    const LocalReader apic{*vcpu.machine, base};
    fields.is_x2apic = apic.is_x2apic();
    const u32 lvt_entries =
        u32(x86::lapic::MaxLvtEntry::get(apic.read(u32(x86::LapicRegister::kVersion)))) + 1;
    for (const LocalRegister& row : kLocalRegisters) {
        if ((row.there == There::kMapped && apic.is_x2apic()) ||
            (row.there == There::kLvt && lvt_entries < row.lvt_entries))
            continue;
        for (u32 i = 0; i < row.count; ++i)
            fields.value[row.offset / 0x10 + i] = apic.read(row.offset + 0x10 * i);
    }
    return RS_OK;
}

u32 answer_io_apic(vcpu::Vcpu& vcpu, rs_io_apic& fields, Others others) {
    const u32 index = fields.index;
    fields = {.size = fields.size, .index = index, .count = vcpu.machine->io_apic_count};
    if (index >= fields.count)
        return RS_ERR_NO_SUCH_DEVICE;
    fields.address = vcpu.machine->io_apic_addresses[index];
    vcpu::InterruptControllers hardware{vcpu};
    const auto read = [&] {
        const apic::Contents head = apic::read_contents(
            hardware, index, {reinterpret_cast<u64*>(fields.entry), RS_IO_APIC_ENTRIES});
        fields.id = head.id;
        fields.version = head.version;
    };
    if (others == Others::kStand)
        read();
    else if (!hardware.while_others_stand(read))
        return RS_ERR_CORES_NOT_HALTED;
    return RS_OK;
}

}  // namespace ringside::inspect
