// SPDX-License-Identifier: GPL-3.0-or-later
// k, kd, kq: who called whom, and what lies on the stack.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "commands/evaluation.hpp"
#include "commands/stack.hpp"
#include "commands/symbol_names.hpp"
#include "commands/unwind.hpp"

namespace ringside::commands {
namespace {

constexpr u64 kUsualBytes = 0x100;
constexpr u64 kMostBytes = 0x10000;
constexpr std::size_t kMostFrames = 64;
constexpr u64 kKernelHalf = u64{1} << 63;
// The stacks of one task and its interrupts lie nearer to each other than this, or are others.
constexpr u64 kFarAway = 0x100000;

/// Memory of the halted context, read in blocks, since a line may be slow.
class StackMemory {
public:
    explicit StackMemory(debuggee::Debuggee& debuggee) : debuggee_{debuggee} {}

    /// As many bytes from `address` on as can be read.
    std::size_t read_some(u64 address, std::span<std::byte> into) {
        std::size_t done = 0;
        while (done < into.size()) {
            const u64 at = address + done;
            const std::vector<std::byte>& block = block_at(at / kBlock * kBlock);
            const std::size_t offset = at % kBlock;
            if (block.size() <= offset)
                break;
            const std::size_t count = std::min(block.size() - offset, into.size() - done);
            std::memcpy(into.data() + done, block.data() + offset, count);
            done += count;
        }
        return done;
    }

    ReadMemory reader() {
        return [this](u64 address, std::span<std::byte> into) {
            return read_some(address, into) == into.size();
        };
    }

    /// The call instruction in front of a return address; 0 if there is none.
    u64 call_before(u64 address, bool is_long_mode) {
        std::array<std::byte, 8> code{};
        if (address < code.size() || read_some(address - code.size(), code) != code.size())
            return 0;
        const std::size_t length = call_length_before(code, is_long_mode);
        return length == 0 ? 0 : address - length;
    }

private:
    static constexpr u64 kBlock = 256;

    const std::vector<std::byte>& block_at(u64 address) {
        auto block = blocks_.find(address);
        if (block == blocks_.end()) {
            const auto memory = debuggee_.read_memory(address, kBlock);
            block =
                blocks_.emplace(address, memory ? memory->bytes : std::vector<std::byte>{}).first;
        }
        return block->second;
    }

    debuggee::Debuggee& debuggee_;
    std::map<u64, std::vector<std::byte>> blocks_;
};

/// What the commands share.
struct Stack {
    rs_registers registers{};
    StackMemory memory;
    AddressNames names;
    u64 base = 0;  ///< where the stack is looked at from
    u64 length = kUsualBytes;
    bool has_base = false;
    bool has_length = false;
    bool is_long_mode = true;

    u64 value(u32 which) const { return registers.value[which]; }
};

/// "[$+020] ", or where it lies if that is another stack.
std::string place_text(const Stack& stack, u64 slot) {
    const u64 distance = slot - stack.base;
    return distance < kFarAway ? fmt::format("[$+{:03x}]", distance)
                               : fmt::format("[{}]", address_text(slot));
}

std::string code_text(u64 address, bool is_long_mode) {
    return is_long_mode ? address_text(address) : fmt::format("{:08x}", address);
}

/// "vmlinux!f+0x10 " in front of "<addr>".
std::string name_text(Stack& stack, u64 address) {
    const std::string name = stack.names.text(address);
    return name.empty() ? name : name + " ";
}

std::string frame_line(Stack& stack, u64 slot, u64 address) {
    const std::string shown = code_text(address, stack.is_long_mode);
    return fmt::format("{}   {}    (from {}<{}>)\n", place_text(stack, slot), shown,
                       name_text(stack, address), shown);
}

/// The kernel's tables; none if its symbols do not tell where they are.
OrcTables find_tables(debuggee::Debuggee& debuggee) {
    OrcTables tables;
    const auto addresses = debuggee.address_of("__start_orc_unwind_ip");
    const auto end = debuggee.address_of("__stop_orc_unwind_ip");
    const auto entries = debuggee.address_of("__start_orc_unwind");
    if (!addresses || !end || !entries)
        return tables;
    tables.addresses = *addresses;
    tables.addresses_end = *end;
    tables.entries = *entries;
    tables.format = orc_format(debuggee.identity().kernel);
    return tables;
}

Backtrace trace_of(Session& session, Stack& stack, std::size_t most_frames) {
    const bool is_kernel = stack.value(RS_FULL_RIP) >= kKernelHalf;
    Unwinder unwinder{stack.memory.reader(),
                      is_kernel ? find_tables(session.debuggee()) : OrcTables{},
                      [&stack, is_kernel](u64 address) {
                          // Most words are numbers; these are not even asked for.
                          return address >= (is_kernel ? kKernelHalf : 0x1000) &&
                                 stack.memory.call_before(address, stack.is_long_mode) != 0;
                      }};
    return unwinder.unwind({.rip = stack.value(RS_FULL_RIP),
                            .rsp = stack.value(RS_FULL_RSP),
                            .rbp = stack.value(RS_FULL_RBP),
                            .r10 = stack.value(RS_FULL_R10),
                            .r13 = stack.value(RS_FULL_R13),
                            .rdi = stack.value(RS_FULL_RDI),
                            .rdx = stack.value(RS_FULL_RDX)},
                           most_frames);
}

std::string frames_text(Session& session, Stack& stack) {
    const Backtrace trace = trace_of(session, stack, kMostFrames);
    std::string text;
    for (const StackFrame& frame : std::span{trace.frames}.subspan(1)) {
        if (stack.has_length && frame.slot - stack.base >= stack.length)
            return text;
        const u64 call =
            frame.is_interrupted ? 0 : stack.memory.call_before(frame.address, stack.is_long_mode);
        text += frame_line(stack, frame.slot, call != 0 ? call : frame.address);
    }
    if (trace.used_frame_pointers)
        text += "(partly by frame pointers, for want of unwind information)\n";
    if (trace.used_guesses)
        text += "(partly guessed from return addresses, for want of unwind information)\n";
    if (trace.end != UnwindEnd::kComplete && trace.end != UnwindEnd::kUser)
        text += fmt::format("(ends: {})\n", describe(trace.end));
    return text;
}

/// Words of the stack, `unit` bytes each. Only return addresses, or all of them.
Outcome show_words(Session& session, const Invocation& invocation, Stack& stack, std::size_t unit,
                   bool shows_all) {
    std::vector<std::byte> bytes(stack.length);
    bytes.resize(stack.memory.read_some(stack.base, bytes));
    std::string text;
    for (std::size_t at = 0; at + unit <= bytes.size(); at += unit) {
        u64 value = 0;
        std::memcpy(&value, bytes.data() + at, unit);
        // What a process's words point at is asked for only if it is the process that halted.
        const bool may_be_code = unit == 4 || value >= kKernelHalf ||
                                 (stack.value(RS_FULL_RIP) < kKernelHalf && value >= 0x1000);
        const u64 call = may_be_code ? stack.memory.call_before(value, unit == 8) : 0;
        const std::string shown = code_text(value, unit == 8);
        if (call != 0)
            text += frame_line(stack, stack.base + at, call);
        else if (shows_all && !stack.names.text(value).empty())
            text += fmt::format("{}      {} (addr {}<{}>)\n", place_text(stack, stack.base + at),
                                shown, name_text(stack, value), shown);
        else if (shows_all)
            text += fmt::format("{}      {}\n", place_text(stack, stack.base + at), shown);
    }
    session.output().text(text);
    if (bytes.size() < stack.length)
        return session.fail(invocation, {fmt::format("cannot read the stack at {}",
                                                     address_text(stack.base + bytes.size())),
                                         {},
                                         {}});
    return Outcome::kOk;
}

Outcome run_stack(Session& session, const Invocation& invocation) {
    const auto parts = Parts::split(session, invocation, {"base", "l"});
    if (!parts)
        return Outcome::kFailed;
    if (!parts->front().empty())
        return session.wrong_use(invocation, &parts->front()[0]);
    const std::span<const Token> base = parts->behind("base");
    const std::span<const Token> length_words = parts->behind("l");
    if (length_words.size() > 1)
        return session.wrong_use(invocation, &length_words[1]);
    if (!session.require_halted(invocation))
        return Outcome::kFailed;
    Stack stack{.memory = StackMemory{session.debuggee()}, .names = AddressNames{session}};
    if (!length_words.empty()) {
        const auto length =
            read_number(session, invocation, length_words[0], "length", 1, kMostBytes);
        if (!length)
            return Outcome::kFailed;
        stack.length = *length;
        stack.has_length = true;
    }
    const auto registers = session.debuggee().registers();
    if (!registers)
        return session.request_failed(registers.failure());
    stack.registers = *registers;
    stack.base = stack.value(RS_FULL_RSP);
    stack.is_long_mode = registers->is_long_mode != 0;
    if (!base.empty()) {
        stack.has_base = true;
        const Outcome found = evaluate(session, invocation, base, stack.base);
        if (found != Outcome::kOk)
            return found;
    }
    const char kind = invocation.spec.name.back();
    if (kind == 'd')
        return show_words(session, invocation, stack, 4, true);
    if (kind == 'q')
        return show_words(session, invocation, stack, 8, true);
    if (stack.has_base || !stack.is_long_mode)
        return show_words(session, invocation, stack, stack.is_long_mode ? 8 : 4, false);
    session.output().text(frames_text(session, stack));
    return Outcome::kOk;
}

constexpr CommandSpec kCommands[] = {
    {.name = "k",
     .syntax = "k [base ADDR] [l LEN]",
     .summary = "shows who called whom",
     .help =
         "Only while the debuggee is halted in Debugger Mode. Each line has the distance from\n"
         "the stack pointer and the call that goes on there. In the kernel its own unwind\n"
         "tables (ORC) find the frames; in modules frame pointers or guesses do, which is told.\n"
         "With 'base' the LEN bytes from ADDR on (100 if it is left out) are looked through\n"
         "for return addresses instead.\n\n"
         "examples:\n    k\n    k l 200\n    k base @rsp+40 l 100\n",
     .keywords = "base l",
     .is_free_form = true,
     .run = run_stack},
    {.name = "kd",
     .syntax = "kd [base ADDR] [l LEN]",
     .summary = "shows the stack as 4-byte words",
     .help = "As 'kq', for 32-bit programs.\n\nexample:\n    kd l 40\n",
     .keywords = "base l",
     .is_free_form = true,
     .run = run_stack},
    {.name = "kq",
     .syntax = "kq [base ADDR] [l LEN]",
     .summary = "shows the stack as 8-byte words",
     .help = "With the names of what they point at; return addresses show their calls. LEN is in\n"
             "bytes, 100 if it is left out.\n\nexamples:\n    kq\n    kq base @rbp l 40\n",
     .keywords = "base l",
     .is_free_form = true,
     .run = run_stack},
};

}  // namespace

std::span<const CommandSpec> stack_commands() {
    return kCommands;
}

std::optional<u64> caller_of(Session& session) {
    const auto registers = session.debuggee().registers();
    if (!registers)
        return std::nullopt;
    Stack stack{.registers = *registers,
                .memory = StackMemory{session.debuggee()},
                .names = AddressNames{session},
                .base = registers->value[RS_FULL_RSP],
                .is_long_mode = registers->is_long_mode != 0};
    constexpr std::size_t kCaller = 2;
    const Backtrace trace = trace_of(session, stack, kCaller);
    return trace.frames.size() < kCaller ? std::nullopt : std::optional{trace.frames[1].address};
}

}  // namespace ringside::commands
