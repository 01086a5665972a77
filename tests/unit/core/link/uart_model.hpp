// SPDX-License-Identifier: GPL-3.0-or-later
// A PC16550D as its data sheet has it, register by register; the line is two queues.
// Source: National Semiconductor PC16550D data sheet §8 "Registers".
#pragma once

#include <deque>
#include <vector>

#include "link/uart.hpp"

namespace ringside::test {

class UartModel final : public link::PortIo {
public:
    enum class Kind { k16550A, k16450 };
    explicit UartModel(u16 base, Kind kind = Kind::k16550A) : base_{base}, kind_{kind} {}

    std::vector<u8> sent;           ///< what the line has carried away
    int accesses = 0;               ///< of any port
    int accesses_with_divisor = 0;  ///< of THR or RBR while DLAB is set: always a mistake

    u16 divisor() const { return static_cast<u16>(dll_ | dlm_ << 8); }
    u8 line_control() const { return lcr_; }
    u8 modem_control() const { return mcr_; }
    u8 interrupt_enable() const { return ier_; }
    u8 fifo_control() const { return fcr_; }
    u8 scratch() const { return scr_; }
    usize received() const { return receive_.size(); }

    /// A byte comes in over the line, with these error bits of LSR.
    void receive(u8 byte, u8 errors = 0) {
        if (receive_.size() >= fifo_bytes()) {
            lsr_errors_ |= 0x02;  // overrun: the byte is lost
            return;
        }
        receive_.push_back(byte);
        lsr_errors_ |= errors;
        has_timed_out_ = false;
    }
    /// Nothing has come for the time of four bytes.
    void pass_four_bytes() { has_timed_out_ = !receive_.empty(); }
    /// The line carries up to `count` bytes away.
    void transmit(usize count) {
        while (count-- != 0 && !transmit_.empty()) {
            sent.push_back(transmit_.front());
            transmit_.pop_front();
            if (transmit_.empty())
                is_empty_pending_ = true;
        }
    }
    void change_modem_status() { msr_ |= 0x01; }
    /// The level of the port's interrupt line behind OUT2.
    bool is_interrupt_raised() const { return (mcr_ & 0x08) != 0 && (pending() & 1) == 0; }

    u8 in(u16 port) override {
        ++accesses;
        if (port < base_ || port > base_ + 7)
            return 0xff;
        switch (port - base_) {
            case 0:
                if ((lcr_ & 0x80) != 0) {
                    ++accesses_with_divisor;
                    return dll_;
                }
                if (receive_.empty())
                    return 0;
                else {
                    const u8 byte = receive_.front();
                    receive_.pop_front();
                    has_timed_out_ = false;
                    return byte;
                }
            case 1:
                return (lcr_ & 0x80) != 0 ? dlm_ : ier_;
            case 2: {
                const u8 value = pending();
                if ((value & 0x0f) == 0x02)
                    is_empty_pending_ = false;  // table IV: reading IIR, if it is the source
                return value;
            }
            case 3:
                return lcr_;
            case 4:
                return mcr_;
            case 5: {
                const u8 value = static_cast<u8>((receive_.empty() ? 0 : 0x01) | lsr_errors_ |
                                                 (transmit_.empty() ? 0x60 : 0));
                lsr_errors_ = 0;
                return value;
            }
            case 6: {
                const u8 value = msr_;
                msr_ &= 0xf0;
                return value;
            }
            default:
                return scr_;
        }
    }

    void out(u16 port, u8 value) override {
        ++accesses;
        if (port < base_ || port > base_ + 7)
            return;
        switch (port - base_) {
            case 0:
                if ((lcr_ & 0x80) != 0) {
                    dll_ = value;
                } else {
                    is_empty_pending_ = false;
                    if (transmit_.size() < fifo_bytes())
                        transmit_.push_back(value);  // else the byte is lost
                }
                break;
            case 1:
                if ((lcr_ & 0x80) != 0) {
                    dlm_ = value;
                } else {
                    // Enabled while the transmitter is empty: pending at once.
                    if ((value & ~ier_ & 0x02) != 0 && transmit_.empty())
                        is_empty_pending_ = true;
                    ier_ = value & 0x0f;
                }
                break;
            case 2:
                if (kind_ == Kind::k16450)
                    break;
                if (((value ^ fcr_) & 0x01) != 0 || (value & 0x02) != 0)
                    receive_.clear();
                if (((value ^ fcr_) & 0x01) != 0 || (value & 0x04) != 0)
                    transmit_.clear();
                fcr_ = value & 0xc9;
                break;
            case 3:
                lcr_ = value;
                break;
            case 4:
                mcr_ = value & 0x1f;
                break;
            case 7:
                scr_ = value;
                break;
            default:
                break;
        }
    }

private:
    /// Table V: receiver FIFO trigger levels.
    usize trigger() const {
        constexpr usize kLevels[] = {1, 4, 8, 14};
        return (fcr_ & 0x01) != 0 ? kLevels[fcr_ >> 6] : 1;
    }
    usize fifo_bytes() const { return (fcr_ & 0x01) != 0 ? 16 : 1; }
    /// IIR. §8.6, table IV: in the order of priority.
    u8 pending() const {
        const u8 fifos = (fcr_ & 0x01) != 0 ? 0xc0 : 0;
        if ((ier_ & 0x04) != 0 && lsr_errors_ != 0)
            return fifos | 0x06;
        if ((ier_ & 0x01) != 0 && receive_.size() >= trigger())
            return fifos | 0x04;
        if ((ier_ & 0x01) != 0 && has_timed_out_)
            return fifos | 0x0c;
        if ((ier_ & 0x02) != 0 && is_empty_pending_)
            return fifos | 0x02;
        if ((ier_ & 0x08) != 0 && (msr_ & 0x0f) != 0)
            return fifos | 0x00;
        return fifos | 0x01;
    }

    u16 base_;
    Kind kind_;
    std::deque<u8> receive_;
    std::deque<u8> transmit_;
    u8 dll_ = 0x0c;
    u8 dlm_ = 0;
    u8 ier_ = 0;
    u8 fcr_ = 0;
    u8 lcr_ = 0;
    u8 mcr_ = 0;
    u8 lsr_errors_ = 0;
    u8 msr_ = 0xb0;
    u8 scr_ = 0x77;
    bool is_empty_pending_ = false;
    bool has_timed_out_ = false;
};

}  // namespace ringside::test
