// SPDX-License-Identifier: GPL-2.0-or-later
// What a running script sees of the guest. Root mode implements it over guest state and the
// checked memory accessor; the debugger over a register set; tests over fakes.
#pragma once

#include "base/address.hpp"
#include "base/types.hpp"
#include "ringside/bytecode.h"

namespace ringside::script {

/// A full machine register. Parts of registers are made from these by the VM.
using FullRegister = rs_script_full_register;

/// What the interrupted task is asked for.
enum class TaskValue : u32 {
    kPid,         ///< thread-group id, initial pid namespace
    kTid,         ///< thread id
    kTask,        ///< address of the task_struct
    kLeader,      ///< address of the thread-group leader's task_struct
    kComm,        ///< address of the leader's comm: 16 bytes, zero-terminated
    kMm,          ///< address of the mm_struct, 0 for kernel threads
    kUserFsBase,  ///< FS base of user mode, 0 for kernel threads
};

/// An event a script wants the guest to get, in the encoding of both vendors' injection fields.
struct Injection {
    u32 type = 0;  ///< 0 external interrupt, 2 NMI, 3 exception, 4 to 6 software
    u8 vector = 0;
    bool has_error_code = false;
    u32 error_code = 0;
};

/// The interrupted guest context. Nothing here faults, sleeps or changes the guest except the
/// writes; every address is checked by the implementation. Virtual addresses are taken in the
/// guest's current address space.
class GuestAccess {
public:
    /// Value of the whole register, zero-extended (selectors: 16 bits; gdtr, idtr: base).
    virtual u64 read_register(FullRegister which) = 0;
    /// False: refused (reserved bits, non-canonical, not writable here); nothing was changed.
    virtual bool write_register(FullRegister which, u64 value) = 0;

    /// Reads `count` bytes; false if any of them cannot be read (then `to` is undefined).
    virtual bool read_memory(Gva from, void* to, usize count) = 0;
    /// Writes `count` bytes; false if any of them cannot be written (then none was).
    virtual bool write_memory(Gva to, const void* from, usize count) = 0;
    virtual bool read_physical(Gpa from, void* to, usize count) = 0;
    virtual bool write_physical(Gpa to, const void* from, usize count) = 0;
    /// Atomic compare-and-exchange of `size` (4 or 8) bytes at a naturally aligned address: if it
    /// holds `expected` it becomes `desired`; `expected` becomes the old value in both cases.
    /// False: not accessible, nothing was changed.
    virtual bool compare_exchange(Gva address, u32 size, u64& expected, u64 desired) = 0;

    /// Walks the guest's page tables; false if nothing is mapped.
    virtual bool translate(Gva address, Gpa& physical) = 0;
    /// Address in the guest's direct map, 0 if the frame is not RAM.
    virtual u64 physical_to_virtual(Gpa address) = 0;

    /// Has the guest get an event when it runs next on this core, one an entry. The event is valid.
    /// False: too many wait already, or there is no guest that could get it.
    virtual bool inject(const Injection& event) = 0;

    virtual u64 task_value(TaskValue which) = 0;
    /// Time-stamp counter, the one deadlines are counted in.
    virtual u64 tsc() = 0;
    /// Asked now and then by what runs long: stands still while the whole machine is halted.
    /// @return ticks of tsc() that took
    virtual u64 stand() { return 0; }
    /// Number of the logical CPU.
    virtual u32 core() = 0;

protected:
    ~GuestAccess() = default;
};

}  // namespace ringside::script
