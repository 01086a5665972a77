// SPDX-License-Identifier: GPL-2.0-or-later
#include "link/uart.hpp"

namespace ringside::link {
namespace {

// Offsets of the registers. Source: PC16550D §8 "Registers", table II "Summary of Registers".
constexpr u16 RBR = 0;  // receiver buffer, read
constexpr u16 THR = 0;  // transmitter holding, written
constexpr u16 DLL = 0;  // divisor, low byte, while LCR.DLAB is set
constexpr u16 IER = 1;  // interrupt enable
constexpr u16 DLM = 1;  // divisor, high byte, while LCR.DLAB is set
constexpr u16 IIR = 2;  // interrupt identification, read
constexpr u16 FCR = 2;  // FIFO control, written
constexpr u16 LCR = 3;  // line control
constexpr u16 MCR = 4;  // modem control
constexpr u16 LSR = 5;  // line status
constexpr u16 MSR = 6;  // modem status
constexpr u16 SCR = 7;  // scratch

constexpr u8 kReceivedData = 1 << 0;      // IER
constexpr u8 kTransmitterEmpty = 1 << 1;  // IER
// FCR: FIFOs on, both cleared; bits 7:6 are the trigger level. §8.5 "FIFO Control Register".
constexpr u8 kFreshFifos = 0x07;
// IIR. §8.6 "Interrupt Identification Register", table IV "Interrupt Control Functions".
constexpr u8 kNonePending = 1 << 0;
constexpr u8 kSourceMask = 0x0f;
constexpr u8 kModemStatus = 0x00;
constexpr u8 kTransmitter = 0x02;
constexpr u8 kLineStatus = 0x06;
constexpr u8 kAlwaysZero = 0x30;
constexpr u8 kFifosOn = 0xc0;
// LCR. §8.1 "Line Control Register".
constexpr u8 kEightBits = 0x03;
constexpr u8 DLAB = 0x80;
// MCR. §8.8 "Modem Control Register"; on a PC OUT2 lets the interrupt through.
constexpr u8 DTR = 1 << 0;
constexpr u8 RTS = 1 << 1;
constexpr u8 OUT2 = 1 << 3;
// LSR. §8.4 "Line Status Register".
constexpr u8 DR = 1 << 0;
constexpr u8 kErrors = 0x1e;  // overrun, parity, framing, break
constexpr u8 THRE = 1 << 5;
// Without parity its error bit is never set: this is a bus on which nobody answers.
constexpr u8 kNobody = 0xff;

constexpr u8 kScratchPatterns[] = {0x5a, 0xa5};
constexpr u8 kFifoBytes = 16;
constexpr int kMostStaleBytes = 64;  // the largest FIFO of a relative, 16750
constexpr int kMostInterrupts = 8;   // two rounds of the four sources

}  // namespace

/// Whether the ports behave like a UART's. Leaves them as they were.
bool Uart::is_there() {
    const u8 before = in(SCR);
    bool is_kept = true;
    for (const u8 value : kScratchPatterns) {
        out(SCR, value);
        // Another value on the bus: where nobody is, it may keep the one written last.
        (void)in(LCR);
        is_kept = is_kept && in(SCR) == value;
    }
    out(SCR, before);
    return is_kept && (in(IIR)&kAlwaysZero) == 0 && in(LSR) != kNobody;
}

bool Uart::open(PortIo& io, u16 base, u32 baud, ReceiveTrigger trigger) {
    close();
    if (!is_baud_rate(baud))
        return false;
    io_ = &io;
    base_ = base;
    if (!is_there()) {
        io_ = nullptr;
        return false;
    }
    const u16 divisor = baud_divisor(baud);
    out(LCR, kEightBits);
    out(IER, 0);
    out(LCR, DLAB | kEightBits);
    out(DLL, static_cast<u8>(divisor));
    out(DLM, static_cast<u8>(divisor >> 8));
    out(LCR, kEightBits);
    out(FCR, 0);
    out(FCR, static_cast<u8>(kFreshFifos | static_cast<u8>(trigger)));
    // An 8250, 16450 or the first 16550, whose FIFOs do not work, says something else.
    transmit_bytes_ = (in(IIR)&kFifosOn) == kFifosOn ? kFifoBytes : u8{1};
    out(MCR, DTR | RTS | OUT2);
    for (int i = 0; i < kMostStaleBytes && (in(LSR)&DR) != 0; ++i)
        (void)in(RBR);
    (void)in(MSR);
    line_errors_ = 0;
    interrupts_ = kReceivedData;
    is_muted_ = false;
    enable_interrupts();
    return true;
}

void Uart::close() {
    if (!is_open())
        return;
    interrupts_ = 0;
    out(IER, 0);
    out(MCR, DTR | RTS);
    io_ = nullptr;
}

/// Line status, without "data ready" if nobody answers. Reading it clears its error bits: they are
/// counted here.
u8 Uart::line_status() {
    const u8 status = in(LSR);
    if (status == kNobody)
        return 0;
    if ((status & kErrors) != 0)
        ++line_errors_;
    return status;
}

usize Uart::write(const u8* from, usize count) {
    if (!is_open() || count == 0 || (line_status() & THRE) == 0)
        return 0;
    const usize taken = count < transmit_bytes_ ? count : transmit_bytes_;
    for (usize i = 0; i < taken; ++i)
        out(THR, from[i]);
    return taken;
}

usize Uart::read(u8* to, usize count) {
    if (!is_open())
        return 0;
    usize given = 0;
    while (given < count && (line_status() & DR) != 0)
        to[given++] = in(RBR);
    return given;
}

bool Uart::take_interrupt() {
    if (!is_open())
        return false;
    for (int taken = 0; taken < kMostInterrupts; ++taken) {
        const u8 identification = in(IIR);
        if ((identification & kNonePending) != 0)
            return taken != 0;
        switch (identification & kSourceMask) {
            case kLineStatus:
                (void)line_status();
                break;
            case kModemStatus:
                (void)in(MSR);
                break;
            case kTransmitter:  // reading IIR was its answer
                break;
            default:  // received data, or a character time-out
                return true;
        }
    }
    return true;
}

void Uart::want_transmit_interrupt(bool is_wanted) {
    if (!is_open())
        return;
    const u8 interrupts = is_wanted ? kReceivedData | kTransmitterEmpty : kReceivedData;
    if (interrupts == interrupts_)
        return;
    interrupts_ = interrupts;
    enable_interrupts();
}

void Uart::mute(bool is_muted) {
    if (!is_open() || is_muted == is_muted_)
        return;
    is_muted_ = is_muted;
    enable_interrupts();
}

void Uart::enable_interrupts() {
    out(IER, is_muted_ ? u8{0} : interrupts_);
}

}  // namespace ringside::link
