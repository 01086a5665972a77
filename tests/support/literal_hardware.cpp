// SPDX-License-Identifier: GPL-3.0-or-later
#include "support/literal_hardware.hpp"

#include <algorithm>
#include <bit>

namespace ringside::test {

u32 VectorSet::count() const {
    u32 sum = 0;
    for (const u64 word : words_)
        sum += u32(std::popcount(word));
    return sum;
}

s32 VectorSet::highest() const {
    for (s32 word = 3; word >= 0; --word)
        if (words_[word])
            return word * 64 + 63 - std::countl_zero(words_[word]);
    return -1;
}

u8 LiteralApic::processor_priority() const {
    return std::max(task_priority, u8(std::max(in_service.highest(), 0) >> 4));
}

s32 LiteralApic::offered() const {
    const s32 vector = requested.highest();
    return vector >> 4 > processor_priority() ? vector : -1;
}

u8 LiteralApic::acknowledge() {
    const u8 vector = u8(offered());
    requested.remove(vector);
    in_service.add(vector);
    return vector;
}

void LiteralApic::end_of_interrupt() {
    if (!in_service.empty())
        in_service.remove(u8(in_service.highest()));
}

std::string to_text(const Given& given) {
    constexpr const char* kNames[] = {"interrupt", "NMI", "exception", "software interrupt"};
    return std::string{kNames[u32(given.cause)]} + ' ' + std::to_string(given.vector);
}

std::string to_text(const Instruction& instruction) {
    constexpr const char* kNames[] = {"nop",      "cli",   "sti",   "mov ss", "mov cr8",
                                      "hlt",      "iret",  "eoi",   "fault",  "int",
                                      "self-ipi", "wrmsr", "vmrun", "vmcall"};
    static_assert(std::size(kNames) == u32(Op::kCount));
    return std::string{kNames[u32(instruction.op)]} + ' ' + std::to_string(instruction.operand);
}

std::optional<Given> raised_by(const Instruction& instruction) {
    switch (instruction.op) {
        case Op::kFault:
            return Given{Cause::kException, kFaults[instruction.operand % std::size(kFaults)]};
        case Op::kSoftwareInterrupt:
            return Given{Cause::kSoftwareInterrupt, 0x80};
        case Op::kWriteMsr:
            if (instruction.operand == 0)
                return {};
            return Given{Cause::kException, 13};
        case Op::kUndefined:
            return Given{Cause::kException, 6};
        default:
            return {};
    }
}

void LiteralCpu::give(const Given& given) {
    frames.push_back({.given = given,
                      .interrupt_flag = interrupt_flag,
                      .owes_end = given.cause == Cause::kInterrupt,
                      .is_over = false});
    constexpr Given kThroughTrapGate{Cause::kException, 0};
    if (given != kThroughTrapGate)
        interrupt_flag = false;
    leave_shadow();
    halted = false;
    nmi_blocked |= given.cause == Cause::kNmi;
}

void LiteralCpu::execute(const Instruction& instruction, LiteralApic& apic) {
    leave_shadow();
    switch (instruction.op) {
        case Op::kCli:
            interrupt_flag = false;
            break;
        case Op::kSti:
            sti_shadow = !interrupt_flag;
            interrupt_flag = true;
            break;
        case Op::kMoveToSs:
            mov_ss_shadow = true;
            break;
        case Op::kMoveToCr8:
            apic.task_priority = instruction.operand;
            break;
        case Op::kHalt:
            halted = true;
            break;
        case Op::kReturn:
            interrupt_flag = frames.back().interrupt_flag;
            nmi_blocked = false;
            frames.pop_back();
            break;
        case Op::kEndOfInterrupt:
            frames.back().owes_end = false;
            apic.end_of_interrupt();
            break;
        default:
            break;
    }
}

bool LiteralCpu::owes_end() const {
    return std::ranges::any_of(frames, &Frame::owes_end);
}

bool LiteralCpu::in_nmi_handler() const {
    return std::ranges::any_of(frames,
                               [](const Frame& frame) { return frame.given.cause == Cause::kNmi; });
}

std::optional<Given> BareMachine::take() {
    Given given;
    if (nmi && cpu.can_take_nmi()) {
        nmi = false;
        given = {Cause::kNmi, 2};
    } else if (cpu.can_take_interrupt() && apic.offered() >= 0) {
        given = {Cause::kInterrupt, apic.acknowledge()};
    } else {
        return {};
    }
    cpu.give(given);
    return given;
}

std::optional<Given> BareMachine::execute(const Instruction& instruction) {
    const std::optional<Given> raised = raised_by(instruction);
    if (raised)
        cpu.give(*raised);
    else
        cpu.execute(instruction, apic);
    return raised;
}

}  // namespace ringside::test
