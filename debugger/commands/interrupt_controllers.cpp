// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/interrupt_controllers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "commands/disassembly.hpp"

namespace ringside::commands {
namespace {

/// Local APIC registers, by their offset divided by 0x10.
enum Register : unsigned {
    kId = 0x2,
    kVersion = 0x3,
    kTpr = 0x8,
    kPpr = 0xa,
    kLdr = 0xd,
    kSvr = 0xf,
    kIsr = 0x10,
    kTmr = 0x18,
    kIrr = 0x20,
    kError = 0x28,
    kLvtCmci = 0x2f,
    kLvtTimer = 0x32,
    kLvtThermal = 0x33,
    kLvtPerformance = 0x34,
    kLvtLint0 = 0x35,
    kLvtLint1 = 0x36,
    kLvtError = 0x37,
    kInitialCount = 0x38,
    kCurrentCount = 0x39,
    kDivide = 0x3e,
};

/// "ISR : 0x30 0xec", of eight registers of 32 vectors each.
std::string vector_list(std::string_view name, const rs_lapic& apic, unsigned first) {
    std::string text = fmt::format("{} :", name);
    for (unsigned vector = 0; vector < 256; ++vector)
        if ((apic.value[first + vector / 32] >> vector % 32 & 1) != 0)
            text += fmt::format(" 0x{:02x}", vector);
    return text + "\n";
}

constexpr std::string_view kDelivery[] = {"FixedDel", "LowestDl", "SMI     ", "res011  ",
                                          "NMI     ", "INIT    ", "res110  ", "ExtINTA "};

/// A redirection entry: Intel 82093AA IO-APIC data sheet section 3.2.4 "IOREDTBL".
std::string redirection(unsigned input, u64 entry) {
    const auto bit = [&](unsigned number) { return (entry >> number & 1) != 0; };
    std::string text = fmt::format("Inti{:02X}.: {}  Vec:{:02X}  {}  ", input, address_text(entry),
                                   entry & 0xff, kDelivery[entry >> 8 & 7]);
    text += bit(11) ? fmt::format("Lg:{:02X}      ", entry >> 56)
                    : fmt::format("PhysDest:{:02X}", entry >> 56);
    text += fmt::format("{}  {}  {}  {}", bit(12) ? "-Pend" : "     ", bit(15) ? "level" : "edge ",
                        bit(14) ? "rirr" : "    ", bit(16) ? "masked" : "");
    text.resize(text.find_last_not_of(' ') + 1);
    return text + "\n";
}

}  // namespace

std::string local_apic_text(const rs_lapic& apic) {
    const auto value = [&](Register which) { return apic.value[which]; };
    const bool is_x2 = apic.is_x2apic != 0;
    std::string text = fmt::format(
        "***  ({} Mode) PHYSICAL LAPIC ID = {}, Ver = 0x{:x}, MaxLvtEntry = {}, "
        "DirectedEOI = P{}/E{}, (SW: '{}')\n",
        is_x2 ? "X2APIC" : "XAPIC", is_x2 ? value(kId) : value(kId) >> 24, value(kVersion),
        value(kVersion) >> 16 & 0xff, value(kVersion) >> 24 & 1, value(kSvr) >> 12 & 1,
        (value(kSvr) & 0x100) != 0 ? "Enabled" : "Disabled");
    text += fmt::format("     -> TPR = 0x{:08x},  PPR = 0x{:08x}\n", value(kTpr), value(kPpr));
    text += fmt::format("     -> LDR = 0x{:08x},  SVR = 0x{:08x},  Err = 0x{:08x}\n", value(kLdr),
                        value(kSvr), value(kError));
    text += fmt::format("     -> LVT_INT0 = 0x{:08x},  LVT_INT1 = 0x{:08x}\n", value(kLvtLint0),
                        value(kLvtLint1));
    text += fmt::format("     -> LVT_CMCI = 0x{:08x},  LVT_PMCR = 0x{:08x}\n", value(kLvtCmci),
                        value(kLvtPerformance));
    text += fmt::format("     -> LVT_TMR  = 0x{:08x},  LVT_TSR  = 0x{:08x}\n", value(kLvtTimer),
                        value(kLvtThermal));
    text += fmt::format("     -> LVT_ERR  = 0x{:08x}\n", value(kLvtError));
    text += fmt::format(
        "     -> InitialCount = 0x{:08x}, CurrentCount = 0x{:08x}, DivideConfig = 0x{:08x}\n",
        value(kInitialCount), value(kCurrentCount), value(kDivide));
    return text + vector_list("ISR", apic, kIsr) + vector_list("TMR", apic, kTmr) +
           vector_list("IRR", apic, kIrr);
}

std::string io_apic_text(const rs_io_apic& apic) {
    std::string text = fmt::format("IoApic @ {:08x}  ID:{:x} ({:x})\n", apic.address,
                                   apic.id >> 24 & 0xf, apic.version & 0xff);
    const u32 inputs = std::min((apic.version >> 16 & 0xff) + 1, RS_IO_APIC_ENTRIES);
    for (u32 input = 0; input < inputs; ++input)
        text += redirection(input, apic.entry[input]);
    return text;
}

}  // namespace ringside::commands
