// SPDX-License-Identifier: GPL-2.0-or-later
#include "apic/retire.hpp"

namespace ringside::apic {
namespace {

using x86::LapicRegister;
namespace lapic = x86::lapic;

// Source: Intel 8259A datasheet, "Operation Command Words".
constexpr u16 kMasterPort = 0x20, kSlavePort = 0xa0;
constexpr u8 kReadRequested = 0x0a, kReadInService = 0x0b;  ///< OCW3; what a read of the port shows
constexpr u8 kSpecificEoi = 0x60;                           ///< OCW2, with the line
constexpr u8 kCascadeLine = 2, kSlaveSpuriousLine = 15, kLines = 16;

/// The highest vector in service, 0 if there is none.
u8 highest_in_service(Hardware& hardware) {
    for (u32 word = 8; word-- > 0;) {
        const u32 bits = hardware.read_local(LapicRegister::kInService, word * 0x10);
        if (bits != 0)
            return u8(word * 32 + 31 - u32(__builtin_clz(bits)));
    }
    return 0;
}

bool is_level(Hardware& hardware, u8 vector) {
    const u32 bits = hardware.read_local(LapicRegister::kTriggerMode, u32{vector} / 32 * 0x10);
    return (bits >> (vector % 32) & 1) != 0;
}

/// The 8259 shows what is requested before and after: that is what this kernel leaves it at.
u8 pic_in_service(Hardware& hardware, u16 port) {
    hardware.write_port(port, kReadInService);
    const u8 bits = hardware.read_port(port);
    hardware.write_port(port, kReadRequested);
    return bits;
}

Accepted identify_pic_line(Hardware& hardware, u8 line) {
    const bool is_slave = line >= 8;
    const u8 bits = pic_in_service(hardware, is_slave ? kSlavePort : kMasterPort);
    if ((bits >> (line % 8) & 1) != 0)
        return {.origin = Origin::kPic, .line = line};
    if (line == kSlaveSpuriousLine &&
        (pic_in_service(hardware, kMasterPort) >> kCascadeLine & 1) != 0)
        return {.origin = Origin::kPicCascade, .line = line};
    return {};
}

}  // namespace

Accepted identify(Hardware& hardware, u8 vector, u8 pic_base) {
    if (hardware.has_local_apic()) {
        if (highest_in_service(hardware) == vector)
            return {.origin = Origin::kLocalApic, .is_level = is_level(hardware, vector)};
        if (lapic::SpuriousVector::get(hardware.read_local(LapicRegister::kSpurious)) == vector)
            return {};
    }
    if (pic_base == 0 || vector < pic_base || vector - pic_base >= kLines)
        return {};
    return identify_pic_line(hardware, u8(vector - pic_base));
}

void retire(Hardware& hardware, const Accepted& accepted) {
    switch (accepted.origin) {
        case Origin::kNone:
            break;
        case Origin::kLocalApic:
            hardware.write_local(LapicRegister::kEoi, 0);
            break;
        case Origin::kPic:
            if (accepted.line >= 8) {
                hardware.write_port(kSlavePort, u8(kSpecificEoi | accepted.line % 8));
                hardware.write_port(kMasterPort, kSpecificEoi | kCascadeLine);
            } else {
                hardware.write_port(kMasterPort, kSpecificEoi | accepted.line);
            }
            break;
        case Origin::kPicCascade:
            hardware.write_port(kMasterPort, kSpecificEoi | kCascadeLine);
            break;
    }
}

bool suppresses_broadcasts(Hardware& hardware) {
    return lapic::SuppressBroadcast::test(hardware.read_local(LapicRegister::kSpurious));
}

}  // namespace ringside::apic
