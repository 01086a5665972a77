// SPDX-License-Identifier: GPL-2.0-or-later
// Memory as a script addresses it: the guest's, plus the window that holds the script's own
// variables and strings (script language section 5.4 "Script memory and addresses"). A window
// address is not canonical, so the two can never be confused, and it is bounds-checked.
#pragma once

#include "base/types.hpp"
#include "ringside/bytecode.h"
#include "script/environment.hpp"
#include "script/guest_access.hpp"
#include "script/program.hpp"
#include "script/vm.hpp"

namespace ringside::script {

constexpr u64 window_address(rs_script_window_kind kind, u32 instance, u64 offset) {
    return RS_SCRIPT_WINDOW << RS_SCRIPT_WINDOW_SHIFT |
           static_cast<u64>(kind) << RS_SCRIPT_WINDOW_KIND_SHIFT |
           static_cast<u64>(instance & 0xfff) << RS_SCRIPT_WINDOW_INSTANCE_SHIFT | offset;
}

class ScriptMemory {
public:
    ScriptMemory(const ProgramView& program, Frame& frame, GuestAccess& guest, GlobalStore globals)
        : program_{program}, frame_{frame}, guest_{guest}, globals_{globals} {}

    u64 address_of_global(u32 slot) const {
        return window_address(RS_WINDOW_GLOBAL, 0, u64{slot} * 8);
    }
    u64 address_of_local(u32 index) const {
        return window_address(RS_WINDOW_LOCAL, frame_.run_number, u64{index} * 8);
    }
    u64 address_of_data(u64 offset) const { return window_address(RS_WINDOW_DATA, 0, offset); }
    u64 address_of_string(u32 index) const {
        return window_address(RS_WINDOW_STRING, 0, program_.string(index).offset);
    }

    /// RS_SCRIPT_OK, RS_SCRIPT_INVALID_ADDRESS or RS_SCRIPT_DEAD_VARIABLE. Failed reads leave `to`
    /// undefined, failed writes change nothing.
    rs_script_error read(u64 address, void* to, usize count);
    rs_script_error write(u64 address, const void* from, usize count);
    /// Atomic, `size` 4 or 8; also RS_SCRIPT_MISALIGNED. `expected` becomes the old value.
    rs_script_error compare_exchange(u64 address, u32 size, u64& expected, u64 desired);
    /// Reads what can be read at once, at most `limit` bytes: up to the end of the page or of the
    /// script's object. 0: the first byte is unreadable.
    u32 read_some(u64 address, void* to, u32 limit);

    GuestAccess& guest() { return guest_; }

private:
    /// Where a window address points; nullptr with the reason in `error`.
    u8* resolve(u64 address, usize count, bool to_write, rs_script_error& error, u64& available);

    const ProgramView& program_;
    Frame& frame_;
    GuestAccess& guest_;
    GlobalStore globals_;
};

}  // namespace ringside::script
