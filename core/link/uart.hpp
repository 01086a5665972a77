// SPDX-License-Identifier: GPL-2.0-or-later
// A serial port as a byte stream: the 16550 of a PC, driven without waiting.
// Source: National Semiconductor PC16550D data sheet §8 "Registers".
#pragma once

#include "base/types.hpp"
#include "link/byte_stream.hpp"

namespace ringside::link {

/// The I/O ports of the machine, or a test's.
class PortIo {
public:
    virtual u8 in(u16 port) = 0;
    virtual void out(u16 port, u8 value) = 0;

protected:
    ~PortIo() = default;
};

/// The baud rates a user may name (MOD-4).
inline constexpr u32 kBaudRates[] = {110,   300,   600,   1200,  2400,   4800,   9600,  14400,
                                     19200, 38400, 56000, 57600, 115200, 128000, 256000};

/// Whether a number is one of them.
constexpr bool is_baud_rate(u32 baud) {
    for (const u32 rate : kBaudRates)
        if (rate == baud)
            return true;
    return false;
}

/// What a PC's UART does with divisor 1: its clock of 1.8432 MHz, 16 periods a bit.
inline constexpr u32 kFastestBaud = 115200;

/// What a PC's UART divides kFastestBaud by: the nearest it has. 56000 becomes 57600, which other
/// UARTs accept (3 %). 128000 and 256000 are not exact on that clock: they become its fastest,
/// 115200, which suits a line that has no speed of its own (an emulator's), or another end that
/// does the same.
///
/// @param baud  one of kBaudRates
/// Source: PC16550D §8.3 "Programmable Baud Generator".
constexpr u16 baud_divisor(u32 baud) {
    const u32 divisor = (kFastestBaud + baud / 2) / baud;
    return divisor == 0 ? u16{1} : static_cast<u16>(divisor);
}

/// How many bytes have to wait in the FIFO before the port interrupts; fewer do when no more come
/// for the time of four. Source: PC16550D §8.5 "FIFO Control Register", §8.4.1 "FIFO Interrupt Mode
/// Operation".
enum class ReceiveTrigger : u8 { kOneByte = 0x00, kEightBytes = 0x80 };

/// One serial port, polled. It is for us alone: whatever drove it before must have let go of it.
///
/// Everything but open() and close() may be called while it is closed, and does nothing. Context:
/// one caller at a time, root mode included. Each call takes a bounded number of port accesses;
/// none waits for the line.
class Uart final : public ByteStream {
public:
    /// Sets the port up: 8 data bits, no parity, 1 stop bit, FIFOs on where there are some,
    /// interrupts for received bytes. What had been received before is dropped.
    ///
    /// @param io    outlives the open port
    /// @param base  the first of its 8 I/O ports: 0x3f8 for COM1
    /// @param baud  one of kBaudRates, see baud_divisor()
    /// @param trigger  kEightBytes where frames come. QEMU: takes as many bytes at a time from
    ///                 whoever sends them, and the next when they were read.
    /// @return false, and the port stays closed: no UART answers there, or no such baud rate
    bool open(PortIo& io, u16 base, u32 baud, ReceiveTrigger trigger = ReceiveTrigger::kOneByte);
    /// Turns its interrupts off, at the source and towards the interrupt controller (OUT2). Bytes
    /// in the transmit FIFO still go out.
    void close();
    bool is_open() const { return io_ != nullptr; }

    /// Fills the transmit FIFO if it is empty: 16 bytes at most, a single one without FIFOs.
    usize write(const u8* from, usize count) override;
    /// Takes what has been received.
    usize read(u8* to, usize count) override;

    /// Answers the interrupts that the port has pending, except the one for received bytes, which
    /// only reading them ends: after read() has given them all, ask again until it says false.
    /// Otherwise the line stays raised, and an edge-triggered controller sees no further interrupt.
    ///
    /// @return whether one was pending
    bool take_interrupt();

    /// Asks for an interrupt whenever the transmit FIFO has become empty, for as long as bytes wait
    /// to be written; at once if it is empty already.
    void want_transmit_interrupt(bool is_wanted);

    /// Keeps its interrupts back while somebody looks at it all the time. One that is due when that
    /// ends comes then.
    void mute(bool is_muted);

    /// Bytes that were lost or came damaged, as the port tells: overruns, framing errors, breaks.
    u32 line_errors() const { return line_errors_; }

private:
    u8 in(u16 offset) { return io_->in(static_cast<u16>(base_ + offset)); }
    void out(u16 offset, u8 value) { io_->out(static_cast<u16>(base_ + offset), value); }
    bool is_there();
    u8 line_status();
    void enable_interrupts();

    PortIo* io_ = nullptr;
    u16 base_ = 0;
    u8 transmit_bytes_ = 1;  ///< that fit when the transmitter is empty
    u8 interrupts_ = 0;      ///< those that are wanted
    bool is_muted_ = false;
    u32 line_errors_ = 0;
};

}  // namespace ringside::link
