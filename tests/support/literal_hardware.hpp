// SPDX-License-Identifier: GPL-3.0-or-later
// A local APIC and a processor, taken literally from the manuals, as far as the delivery of events
// goes: what bare hardware gives to a program at each instruction boundary. The standard root mode
// is measured against; nothing here knows of virtualization.
// Source: Intel SDM vol. 3A §6.8 "Enabling and Disabling Interrupts", §6.9 "Prioritization of
// Concurrent Events", §10.8 "Handling Interrupts"; AMD APM vol. 2 §8.5 "Priorities".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/types.hpp"

namespace ringside::test {

/// A 256-bit register of the local APIC.
class VectorSet {
public:
    void add(u8 vector) { words_[vector / 64] |= u64{1} << vector % 64; }
    void remove(u8 vector) { words_[vector / 64] &= ~(u64{1} << vector % 64); }
    bool contains(u8 vector) const { return words_[vector / 64] >> vector % 64 & 1; }
    bool has_class(u32 priority) const {
        return (words_[priority / 4] >> priority % 4 * 16 & 0xffff) != 0;
    }
    bool empty() const { return !(words_[0] | words_[1] | words_[2] | words_[3]); }
    u32 count() const;
    /// -1: empty.
    s32 highest() const;
    bool operator==(const VectorSet&) const = default;

private:
    u64 words_[4] = {};
};

/// Fixed, edge-triggered interrupts; priorities are classes, a vector's upper four bits.
struct LiteralApic {
    VectorSet requested;   ///< IRR
    VectorSet in_service;  ///< ISR
    u8 task_priority = 0;  ///< CR8

    u8 processor_priority() const;
    /// The vector it has for the processor: the highest request above the processor's priority; -1
    /// if there is none.
    s32 offered() const;
    /// The processor takes what is offered.
    u8 acknowledge();
    /// Whatever is highest in service ends; the guest cannot say which one it means.
    void end_of_interrupt();
};

enum class Cause : u8 { kInterrupt, kNmi, kException, kSoftwareInterrupt };

/// One event a program is given.
struct Given {
    Cause cause = Cause::kInterrupt;
    u8 vector = 0;
    bool operator==(const Given&) const = default;
};
std::string to_text(const Given& given);

enum class Op : u8 {
    kNop,
    kCli,
    kSti,
    kMoveToSs,
    kMoveToCr8,  ///< operand: the new task priority
    kHalt,
    kReturn,          ///< IRET
    kEndOfInterrupt,  ///< a write to the APIC
    kFault,           ///< operand selects one of kFaults
    kSoftwareInterrupt,
    kSendToSelf,  ///< operand: the vector
    kWriteMsr,    ///< operand 0: a good one, 1: #GP(0). Under root mode it always exits
    kUndefined,   ///< an instruction of the virtualization extensions: #UD
    kHypercall,   ///< operand: what is asked for; does nothing to the state modelled here
    kCount,
};
struct Instruction {
    Op op = Op::kNop;
    u8 operand = 0;
};
std::string to_text(const Instruction& instruction);

/// #DE has a trap gate, so that interrupts stay on in its handler, the others interrupt gates.
inline constexpr u8 kFaults[] = {0, 6, 13, 14};
/// What the instruction raises by itself.
std::optional<Given> raised_by(const Instruction& instruction);

/// A handler that runs.
struct Frame {
    Given given;
    bool interrupt_flag = false;  ///< to be restored by IRET
    bool owes_end = false;        ///< it has not written its EOI yet
    bool is_over = false;  ///< SVM: it stands at its IRET, and an NMI was given on top (see there)
};

/// The state of a processor that decides about events, and what events and instructions do to it.
struct LiteralCpu {
    bool interrupt_flag = true;
    bool sti_shadow = false;
    bool mov_ss_shadow = false;
    bool nmi_blocked = false;
    bool halted = false;
    bool nmis_ignore_sti = false;  ///< manuals leave open whether the shadow of STI holds NMIs back
    std::vector<Frame> frames;

    bool shadowed() const { return sti_shadow || mov_ss_shadow; }
    bool can_take_interrupt() const { return interrupt_flag && !shadowed(); }
    bool holds_nmis() const { return mov_ss_shadow || (sti_shadow && !nmis_ignore_sti); }
    bool can_take_nmi() const { return !nmi_blocked && !holds_nmis(); }
    void give(const Given& given);
    /// An instruction that raises nothing.
    void execute(const Instruction& instruction, LiteralApic& apic);
    void leave_shadow() { sti_shadow = mov_ss_shadow = false; }
    /// Whether some handler has not written its EOI.
    bool owes_end() const;
    bool in_nmi_handler() const;
};

/// Bare hardware.
struct BareMachine {
    LiteralCpu cpu;
    LiteralApic apic;
    bool nmi = false;  ///< one is latched

    /// Gives the program what is due at this instruction boundary, if anything is. To be asked
    /// again: an NMI may come before the first instruction of an exception's handler.
    std::optional<Given> take();
    /// Executes; what the instruction raises is given at once.
    std::optional<Given> execute(const Instruction& instruction);
};

}  // namespace ringside::test
