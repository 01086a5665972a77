// SPDX-License-Identifier: GPL-2.0-or-later
// Runs the user's machine code in root mode at CPL 3, in an address space of its own, and ends it
// when it faults or takes too long. Specification section 4 "Context and code conventions".
#pragma once

#include <cstddef>

#include "event/code.hpp"
#include "sandbox/guest.hpp"
#include "sandbox/privileged.hpp"
#include "sandbox/space.hpp"
#include "x86/host_stack.h"
#include "x86/instructions.hpp"

namespace ringside::sandbox {

/// What an exception, or the end of the code, finds; written by the stubs in x86/host_vectors.S.
/// `general` is indexed by the encoding of registers; RSP's place there means nothing.
struct Trap {
    u64 general[16];
    u64 vector, error_code, rip, cs, rflags, rsp, ss;
};

/// What x86/host_vectors.S loads to start the code, and what it needs to come back.
struct Entry {
    u64 rip, rsp, rflags;
    u64 rax, rcx, rdx, r8, r9;
    u64 table;       ///< CR3 for the code
    u64 host_table;  ///< CR3 for root mode
    u8* rsp0;        ///< where the task state keeps the stack of exceptions
    u64 return_rsp;  ///< out: root mode's stack
};
static_assert(offsetof(Entry, rsp) == RS_SANDBOX_RSP && offsetof(Entry, rax) == RS_SANDBOX_RAX);
static_assert(offsetof(Entry, table) == RS_SANDBOX_TABLE);
static_assert(offsetof(Entry, host_table) == RS_SANDBOX_HOST_TABLE);
static_assert(offsetof(Entry, rsp0) == RS_SANDBOX_RSP0);
static_assert(offsetof(Entry, return_rsp) == RS_SANDBOX_RETURN_RSP);

class Sandbox;

/// One core's share, in one zeroed page both sides see. `running` is root mode's.
struct Core {
    Space space;
    Sandbox* running = nullptr;
    u64 kernel_gs = 0;              ///< GS base of the guest's kernel on this core
    x86::DescriptorTable gdt = {};  ///< root mode's, with its true limit
    u8* rsp0 = nullptr;             ///< root address
    u64 host_cr3 = 0;
    u8* vectors = nullptr;  ///< root address of a page for x87, SSE and AVX registers
};
static_assert(sizeof(Core) <= kPageSize);

/// What is the same for all runs on a machine. Root addresses.
struct Memory {
    memory::PhysicalWindow window;
    const memory::OwnedPages* owned = nullptr;
    u64 window_base = 0;
    u32 levels = 4;
};

/// Root mode, own core, interrupts off, NMIs open. Cheap to construct.
class Sandbox final : public event::CodeRunner {
public:
    Sandbox(Core& core, const Memory& memory, Guest& guest)
        : core_{core}, memory_{memory}, guest_{guest} {}

    /// The guest's registers change only when the code returns (CTX-9).
    event::CodeResult run(const event::CodeCall& call) override;

    /// An exception at CPL 3, or the end of the code: has the code go on as `trap` says then, or
    /// makes `trap` lead back to run().
    void on_trap(Trap& trap);

private:
    void load_registers();
    bool store_registers();
    void on_debug(Trap& trap);
    /// What is to be done about instructions that would not be trapped.
    void look_ahead(Trap& trap);
    void on_page_fault(Trap& trap);
    /// False: not an instruction that is carried out here.
    bool carry_out(Trap& trap);
    bool read_privileged(Trap& trap, const Privileged& found, u64& value);
    /// Puts a result where the instruction wants it; false: the code was ended.
    bool store(Trap& trap, const Privileged& found, const u8* bytes, u32 count);
    u64 operand_address(const Trap& trap, const Privileged& found);
    u8* writable(u64 address);
    bool fill(Gva address, bool is_write);
    /// Whether the code's time was over, and it is ended. Every trap looks: straight code ends by
    /// itself, other code traps behind each instruction.
    bool ended_late(Trap& trap);
    void fault(Trap& trap, u8 vector, u64 error_code, u64 rip, u64 address = 0);
    void leave(Trap& trap, event::CodeEnd end);
    u64 instruction_of(const Trap& trap) const;
    /// The byte of the code at `rip`, and how many follow with it; nullptr: not in the code.
    const u8* code_at(u64 rip, usize& count) const;

    Core& core_;
    const Memory& memory_;
    Guest& guest_;
    const event::Code* code_ = nullptr;
    u64 deadline_tsc_ = 0;
    Entry entry_ = {};
    event::CodeResult result_;
    u64 loaded_[16] = {};
};

}  // namespace ringside::sandbox
