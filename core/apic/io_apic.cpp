// SPDX-License-Identifier: GPL-2.0-or-later
#include "apic/io_apic.hpp"

namespace ringside::apic {
namespace {

constexpr u32 kIdIndex = 0;
constexpr u32 kVersionIndex = 1;
constexpr u32 kEntryIndex = 0x10;  ///< low half of pin 0; two indices a pin
constexpr u32 kVersionWithEoi = 0x20;
constexpr u32 kRemappable = 1u << 16;  ///< in the high half: bit 48 of the entry

/// Whatever index the guest has written, it finds it again.
class Window {
public:
    Window(Hardware& hardware, u32 io_apic)
        : hardware_{hardware},
          io_apic_{io_apic},
          guest_index_{hardware.read_io_apic(io_apic, IoApicRegister::kIndex)} {}
    ~Window() { select(guest_index_); }
    Window(const Window&) = delete;
    Window& operator=(const Window&) = delete;

    u32 read(u32 index) {
        select(index);
        return hardware_.read_io_apic(io_apic_, IoApicRegister::kData);
    }
    void write(u32 index, u32 value) {
        select(index);
        hardware_.write_io_apic(io_apic_, IoApicRegister::kData, value);
    }
    u32 low(u32 pin) { return read(kEntryIndex + 2 * pin); }
    u32 high(u32 pin) { return read(kEntryIndex + 2 * pin + 1); }
    void set_low(u32 pin, u32 value) { write(kEntryIndex + 2 * pin, value); }
    u32 version() { return read(kVersionIndex) & 0xff; }
    u64 entry(u32 pin) { return u64{high(pin)} << 32 | low(pin); }
    u32 pin_count() { return (read(kVersionIndex) >> 16 & 0xff) + 1; }

private:
    void select(u32 index) { hardware_.write_io_apic(io_apic_, IoApicRegister::kIndex, index); }

    Hardware& hardware_;
    u32 io_apic_;
    u32 guest_index_;
};

/// What of an entry is the guest's; remote IRR and delivery status are the IO-APIC's own.
constexpr u32 written_part(u32 low) {
    constexpr u32 kDeliveryStatus = 1u << 12;
    return low & ~(u32(redirection::RemoteIrr::kMask) | kDeliveryStatus);
}

}  // namespace

void Pins::add(Pin pin, u32 low_half) {
    for (u32 i = 0; i < count; ++i)
        if (pins[i].io_apic == pin.io_apic && pins[i].number == pin.number)
            return;
    if (count == kMax)
        return;
    pins[count] = pin;
    low[count++] = low_half;
}

Pins find_in_service(Hardware& hardware, u8 vector) {
    Pins found;
    for (u32 io_apic = 0; io_apic < hardware.io_apic_count(); ++io_apic) {
        Window window{hardware, io_apic};
        const u32 count = window.pin_count();
        for (u32 pin = 0; pin < count && found.count < Pins::kMax; ++pin) {
            const u32 low = window.low(pin);
            if (!redirection::Level::test(low) || !redirection::RemoteIrr::test(low))
                continue;
            if (redirection::Vector::get(low) != vector && !(window.high(pin) & kRemappable))
                continue;
            found.add({u8(io_apic), u8(pin)}, low);
        }
    }
    return found;
}

Pins mask(Hardware& hardware, const Pins& pins) {
    Pins masked;
    for (u32 i = 0; i < pins.count; ++i) {
        if (redirection::Masked::test(pins.low[i]))
            continue;
        Window{hardware, pins.pins[i].io_apic}.set_low(
            pins.pins[i].number, written_part(pins.low[i]) | u32(redirection::Masked::kMask));
        masked.add(pins.pins[i], pins.low[i]);
    }
    return masked;
}

void unmask(Hardware& hardware, const Pins& pins) {
    for (u32 i = 0; i < pins.count; ++i) {
        Window window{hardware, pins.pins[i].io_apic};
        const u32 ours = written_part(pins.low[i]);
        const u32 now = written_part(window.low(pins.pins[i].number));
        if (now == (ours | u32(redirection::Masked::kMask)))
            window.set_low(pins.pins[i].number, ours);
    }
}

void rewrite(Hardware& hardware, u8 vector) {
    for (u32 io_apic = 0; io_apic < hardware.io_apic_count(); ++io_apic) {
        Window window{hardware, io_apic};
        const u32 count = window.pin_count();
        for (u32 pin = 0; pin < count; ++pin) {
            const u32 low = window.low(pin);
            if (redirection::Level::test(low) && redirection::Vector::get(low) == vector)
                window.set_low(pin, written_part(low));
        }
    }
}

Contents read_contents(Hardware& hardware, u32 io_apic, std::span<u64> entries) {
    Window window{hardware, io_apic};
    const Contents contents{.id = window.read(kIdIndex), .version = window.read(kVersionIndex)};
    const u32 count = window.pin_count();
    for (u32 pin = 0; pin < count && pin < entries.size(); ++pin)
        entries[pin] = window.entry(pin);
    return contents;
}

Traits read_traits(Hardware& hardware) {
    Traits traits{.are_known = true, .have_eoi_registers = hardware.io_apic_count() != 0};
    for (u32 io_apic = 0; io_apic < hardware.io_apic_count(); ++io_apic) {
        Window window{hardware, io_apic};
        traits.have_eoi_registers &= window.version() >= kVersionWithEoi;
        const u32 count = window.pin_count();
        for (u32 pin = 0; pin < count; ++pin)
            traits.are_remapped |= !redirection::Masked::test(window.low(pin)) &&
                                   (window.high(pin) & kRemappable) != 0;
    }
    return traits;
}

void end(Hardware& hardware, const Pins& pins) {
    for (u32 i = 0; i < pins.count; ++i) {
        const Pin pin = pins.pins[i];
        Window window{hardware, pin.io_apic};
        const u32 low = window.low(pin.number);
        if (!redirection::RemoteIrr::test(low))
            continue;
        if (window.version() >= kVersionWithEoi) {
            hardware.write_io_apic(pin.io_apic, IoApicRegister::kEoi,
                                   u32(redirection::Vector::get(low)));
            continue;
        }
        // Masked for as long: an edge on the line must not be delivered twice.
        const u32 ours = written_part(low);
        window.set_low(pin.number,
                       (ours | u32(redirection::Masked::kMask)) & ~u32(redirection::Level::kMask));
        window.set_low(pin.number, ours);
    }
}

void end_by_register(Hardware& hardware, const Pins& pins) {
    for (u32 i = 0; i < pins.count; ++i)
        hardware.write_io_apic(pins.pins[i].io_apic, IoApicRegister::kEoi,
                               u32(redirection::Vector::get(pins.low[i])));
}

void end_by_register(Hardware& hardware, u8 vector) {
    for (u32 io_apic = 0; io_apic < hardware.io_apic_count(); ++io_apic)
        hardware.write_io_apic(io_apic, IoApicRegister::kEoi, vector);
}

}  // namespace ringside::apic
