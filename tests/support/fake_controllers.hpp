// SPDX-License-Identifier: GPL-3.0-or-later
// One core's local APIC, some IO-APICs and the two 8259s, as far as their manuals say what an
// accepted interrupt and an EOI do. Lines stay asserted until the test releases them.
#pragma once

#include <set>
#include <vector>

#include "apic/hardware.hpp"

namespace ringside::test {

class FakeControllers : public apic::Hardware {
public:
    virtual ~FakeControllers() = default;

    struct IoApic {
        struct Pin {
            u64 entry = 0x1'0000;  ///< masked, as after reset
            bool is_asserted = false;
        };
        u32 id = 0;
        u32 version = 0x20;
        u32 index = 0;
        std::vector<Pin> pins = std::vector<Pin>(24);
    };
    struct Pic {
        u8 in_service = 0;
        bool shows_in_service = false;
    };

    // What the test arranges.
    bool is_enabled = true;
    bool can_suppress = false;  ///< version register, bit 24
    u32 spurious = 0x1ff;       ///< APIC on, vector 0xff
    u32 lvt_timer = 0x1'0000;
    u32 timer_count = 0;
    u64 deadline = 0;
    u64 now = 0;
    bool others_come = true;
    std::vector<IoApic> io_apics;
    Pic master, slave;

    // What it looks at.
    std::multiset<u8> requested;
    std::set<u8> in_service;
    std::set<u8> level;  ///< the trigger-mode register
    u32 local_eois = 0;
    std::vector<u8> raised;
    u32 meetings = 0;               ///< times all others stood still
    u32 indexed_alone = 0;          ///< index registers written while others ran
    std::vector<u8> register_eois;  ///< written to EOI registers

    static constexpr u64 kLevelEntry = 1 << 15;

    /// A level-triggered pin that sends `vector` to this core.
    void route(u32 io_apic, u32 pin, u8 vector) {
        io_apics[io_apic].pins[pin].entry = kLevelEntry | vector;
    }
    void assert_line(u32 io_apic, u32 pin, bool on = true) {
        io_apics[io_apic].pins[pin].is_asserted = on;
        serve_lines();
    }
    u64& entry(u32 io_apic, u32 pin) { return io_apics[io_apic].pins[pin].entry; }
    bool is_masked(u32 io_apic, u32 pin) { return entry(io_apic, pin) >> 16 & 1; }
    bool has_remote_irr(u32 io_apic, u32 pin) { return entry(io_apic, pin) >> 14 & 1; }
    void send_edge(u8 vector) {
        requested.insert(vector);
        level.erase(vector);
    }
    /// As the processor does: the highest requested, if it is above what is in service. -1: none.
    s32 accept() {
        if (requested.empty())
            return -1;
        const u8 vector = *requested.rbegin();
        if (!in_service.empty() && vector >> 4 <= *in_service.rbegin() >> 4)
            return -1;
        requested.erase(vector);
        in_service.insert(vector);
        return vector;
    }

    bool has_local_apic() override { return is_enabled; }
    u32 read_local(x86::LapicRegister which, u32 offset) override {
        using enum x86::LapicRegister;
        switch (which) {
            case kVersion:
                return 0x50014 | u32{can_suppress} << 24;
            case kSpurious:
                return spurious;
            case kInService:
                return word_of(in_service, offset / 0x10);
            case kTriggerMode:
                return word_of(level, offset / 0x10);
            case kLvtTimer:
                return lvt_timer;
            case kTimerCurrentCount:
                return timer_count;
            default:
                return 0;
        }
    }
    void write_local(x86::LapicRegister which, u32 value) override {
        if (which == x86::LapicRegister::kSpurious)
            spurious = value;
        if (which == x86::LapicRegister::kEoi)
            end_local();
    }
    u64 tsc() override { return now; }
    u64 tsc_deadline() override { return deadline; }
    void raise(u8 vector) override {
        raised.push_back(vector);
        send_edge(vector);
    }

    u32 io_apic_count() override { return u32(io_apics.size()); }
    u32 read_io_apic(u32 number, apic::IoApicRegister which) override {
        IoApic& io = io_apics[number];
        if (which == apic::IoApicRegister::kIndex)
            return io.index;
        if (io.index == 0)
            return io.id;
        if (io.index == 1)
            return io.version | u32(io.pins.size() - 1) << 16;
        const u64 whole = io.pins[(io.index - 0x10) / 2].entry;
        return u32(io.index % 2 == 0 ? whole : whole >> 32);
    }
    void write_io_apic(u32 number, apic::IoApicRegister which, u32 value) override {
        IoApic& io = io_apics[number];
        if (which == apic::IoApicRegister::kIndex) {
            io.index = value;
            indexed_alone += is_meeting ? 0 : 1;
        } else if (which == apic::IoApicRegister::kEoi) {
            register_eois.push_back(u8(value));
            if (io.version >= 0x20)
                end_entries(io, u8(value));
        } else {
            write_entry(io, value);
        }
        serve_lines();
    }

    u8 read_port(u16 port) override {
        const Pic& pic = port == 0x20 ? master : slave;
        return pic.shows_in_service ? pic.in_service : 0;
    }
    void write_port(u16 port, u8 value) override {
        Pic& pic = port == 0x20 ? master : slave;
        if (value == 0x0a || value == 0x0b)
            pic.shows_in_service = value == 0x0b;
        if ((value & 0xf8) == 0x60)
            pic.in_service &= u8(~(1u << (value & 7)));
    }

    using Hardware::while_others_stand;
    bool while_others_stand(void (*work)(void*), void* argument) override {
        if (!others_come)
            return false;
        ++meetings;
        is_meeting = true;
        work(argument);
        is_meeting = false;
        return true;
    }

private:
    static u32 word_of(const std::set<u8>& vectors, u32 word) {
        u32 bits = 0;
        for (const u8 vector : vectors)
            if (vector / 32u == word)
                bits |= 1u << (vector % 32);
        return bits;
    }
    void end_local() {
        ++local_eois;
        if (in_service.empty())
            return;
        const u8 vector = *in_service.rbegin();
        in_service.erase(vector);
        const bool suppressed = spurious >> 12 & 1;
        if (level.contains(vector) && !suppressed)
            for (IoApic& io : io_apics)
                end_entries(io, vector);
        serve_lines();
    }
    void end_entries(IoApic& io, u8 vector) {
        for (IoApic::Pin& pin : io.pins)
            if (u8(pin.entry) == vector)
                pin.entry &= ~(u64{1} << 14);
    }
    void write_entry(IoApic& io, u32 value) {
        if (io.index < 0x10)
            return;
        u64& entry = io.pins[(io.index - 0x10) / 2].entry;
        if (io.index % 2 != 0) {
            entry = (entry & 0xffffffff) | u64{value} << 32;
            return;
        }
        constexpr u32 kReadOnly = 1u << 14 | 1u << 12;
        entry = (entry & ~u64{0xffffffff & ~kReadOnly}) | (value & ~kReadOnly);
        if (!(entry & kLevelEntry))
            entry &= ~(u64{1} << 14);  // edge-triggered entries have no remote IRR
    }
    void serve_lines() {
        for (IoApic& io : io_apics)
            for (IoApic::Pin& pin : io.pins) {
                constexpr u64 kHeldBack = 1 << 16 | 1 << 14;
                if (!pin.is_asserted || pin.entry & kHeldBack || !(pin.entry & kLevelEntry))
                    continue;
                pin.entry |= 1 << 14;
                const u8 vector = delivered_vector(pin);
                requested.insert(vector);
                level.insert(vector);
            }
    }
    /// A remapped entry names a table entry in its vector field; the table here adds 0x20.
    static u8 delivered_vector(const IoApic::Pin& pin) {
        return u8(pin.entry >> 48 & 1 ? u8(pin.entry) + 0x20 : u8(pin.entry));
    }

    bool is_meeting = false;
};

}  // namespace ringside::test
