// SPDX-License-Identifier: GPL-2.0-or-later
// The last words of root mode: bytes to port 0xe9, which QEMU and Bochs write to a file, and to
// memory where somebody will still read them. No lock, no driver, nothing of the guest.
#pragma once

#include "x86/instructions.hpp"

namespace ringside::vcpu {

struct Vcpu;

class EmergencyLog {
public:
    /// @param available  port 0xe9 is there
    /// @param text       takes the words, too, zero-terminated and cut at `bytes`; may be null
    explicit EmergencyLog(bool available, char* text = nullptr, usize bytes = 0)
        : text_{text}, room_{bytes}, available_{available} {}
    EmergencyLog& text(const char* words) {
        while (*words)
            put(u8(*words++));
        return *this;
    }
    EmergencyLog& hex(u64 value) {
        for (int shift = 60; shift >= 0; shift -= 4)
            if (value >> shift || shift == 0)
                put(u8("0123456789abcdef"[value >> shift & 15]));
        return *this;
    }
    void end() { put('\n'); }

private:
    void put(u8 byte) {
        if (available_)
            x86::out_byte(0xe9, byte);
        if (room_ > 1) {
            *text_++ = char(byte);
            *text_ = '\0';
            --room_;
        }
    }
    char* text_;
    usize room_;
    bool available_;
};

/// A log that outlives root mode on this core: the kernel's side prints it.
EmergencyLog lasting_log(Vcpu& vcpu);

/// Stops this core for good. Others stop at their next exit only if they need it.
[[noreturn]] void stop_machine();
/// Resets the machine as a triple fault would.
[[noreturn]] void reset_machine();

}  // namespace ringside::vcpu
