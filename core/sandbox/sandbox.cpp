// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/sandbox.hpp"

#include "base/memory.hpp"
#include "x86/control_registers.hpp"
#include "x86/msr.hpp"
#include "x86/segments.hpp"

extern "C" {
/// Runs user code until leave() has it come back.
void rs_sandbox_enter(ringside::sandbox::Entry* entry);
extern const ringside::u8 rs_sandbox_left[];
}

namespace ringside::sandbox {

using event::CodeEnd;
namespace rflags = x86::rflags;

namespace {

constexpr u8 kDebug = 1, kBreakpoint = 3, kOverflow = 4, kUndefined = 6, kStackFault = 12,
             kGeneralProtection = 13, kPageFault = 14;

/// The order of CTX-6, which is that of the encoding.
constexpr rs_script_full_register kOrder[16] = {RS_FULL_RAX, RS_FULL_RCX, RS_FULL_RDX, RS_FULL_RBX,
                                                RS_FULL_RSP, RS_FULL_RBP, RS_FULL_RSI, RS_FULL_RDI,
                                                RS_FULL_R8,  RS_FULL_R9,  RS_FULL_R10, RS_FULL_R11,
                                                RS_FULL_R12, RS_FULL_R13, RS_FULL_R14, RS_FULL_R15};
constexpr u32 kRsp = 4;

/// DR6 with nothing in it, and DR7 with all breakpoints off.
constexpr u64 kNoDebugEvent = 0xffff'0ff0, kNoBreakpoints = 0x400;
constexpr u64 kSingleStep = 1 << 14;

}  // namespace

event::CodeResult Sandbox::run(const event::CodeCall& call) {
    code_ = &call.code;
    deadline_tsc_ = call.deadline_tsc;
    const memory::PhysicalWindow& window = memory_.window;
    Space& space = core_.space;
    space.map_code(window, window.address_of(call.code.bytes.in_root()), u64{call.code.length} + 1);
    // Straight code ends by itself, if it cannot change where its RET leads.
    space.set_stack_writable(window, !call.code.traits.is_straight);
    load_registers();
    *reinterpret_cast<u64*>(static_cast<u8*>(window.at_own(space.stack_page())) +
                            (kEntryStack & kPageMask)) = kExitPage;
    entry_ = {.rip = call.code.traits.is_straight ? kCodeBase : kSteppedEntry,
              .rsp = kEntryStack,
              .rflags = rflags::Fixed1 | (call.code.traits.is_straight ? 0 : rflags::TF),
              .rax = 1,
              .rcx = call.is_condition ? kRegisterPage : call.buffer,
              .rdx = call.is_condition ? call.context : kRegisterPage,
              .r8 = call.is_condition ? 0 : call.context,
              .r9 = 0,
              .table = space.table().value() | window.encryption(),
              .host_table = core_.host_cr3,
              .rsp0 = core_.rsp0,
              .return_rsp = 0};
    // On one vendor these are the guest's own while root mode runs.
    const u64 cr2 = x86::read_cr<2>();
    const u64 dr6 = x86::read_dr<6>();
    const u64 dr7 = x86::read_dr<7>();
    x86::write_dr<7>(kNoBreakpoints);
    x86::write_dr<6>(kNoDebugEvent);
    // A VM exit of one vendor leaves a limit behind which there is other memory.
    x86::load_gdt(core_.gdt);
    x86::write_msr(x86::IA32_FS_BASE, 0);
    x86::write_msr(x86::IA32_GS_BASE, core_.kernel_gs);
    const bool keeps_vectors = call.code.traits.may_use_vectors;
    if (keeps_vectors)
        x86::save_vectors(core_.vectors);
    core_.running = this;
    rs_sandbox_enter(&entry_);
    core_.running = nullptr;
    if (keeps_vectors && result_.end != CodeEnd::kReturned)
        x86::restore_vectors(core_.vectors);
    x86::write_dr<6>(dr6);
    x86::write_dr<7>(dr7);
    x86::write_cr<2>(cr2);
    if (space.has_guest_pages())
        space.drop_guest_pages(window);
    if (result_.end == CodeEnd::kReturned && !store_registers()) {
        result_ = {.end = CodeEnd::kFault, .vector = kStackFault, .offset = call.code.length};
    }
    return result_;
}

void Sandbox::load_registers() {
    auto* block = static_cast<u64*>(memory_.window.at_own(core_.space.register_page()));
    for (u32 i = 0; i < 16; ++i)
        block[i] = loaded_[i] = guest_.read_register(kOrder[i]);
}

/// False: RSP is no address; nothing changed.
bool Sandbox::store_registers() {
    const auto* block = static_cast<const u64*>(memory_.window.at_own(core_.space.register_page()));
    if (block[kRsp] != loaded_[kRsp] && !guest_.write_register(RS_FULL_RSP, block[kRsp]))
        return false;
    for (u32 i = 0; i < 16; ++i)
        if (i != kRsp && block[i] != loaded_[i])
            guest_.write_register(kOrder[i], block[i]);
    return true;
}

void Sandbox::on_trap(Trap& trap) {
    if (trap.vector == kDebug)
        return on_debug(trap);
    if (trap.vector == kExitVector) {
        if (trap.rip == kExitPage + sizeof kExitInstruction) {
            result_.value = trap.general[0];
            return leave(trap, CodeEnd::kReturned);
        }
        // As if no gate let it through.
        return fault(trap, kGeneralProtection, kExitVector * 8 + 2,
                     trap.rip - sizeof kExitInstruction);
    }
    if (ended_late(trap))
        return;
    if (trap.vector == kPageFault)
        return on_page_fault(trap);
    if (trap.vector == kGeneralProtection && carry_out(trap))
        return;
    fault(trap, u8(trap.vector), trap.error_code, instruction_of(trap));
}

bool Sandbox::ended_late(Trap& trap) {
    if (x86::read_tsc() <= deadline_tsc_)
        return false;
    result_.offset = trap.rip - kCodeBase;
    leave(trap, CodeEnd::kTimeout);
    return true;
}

void Sandbox::on_debug(Trap& trap) {
    const u64 dr6 = x86::read_dr<6>();
    if (!(dr6 & kSingleStep) || code_->traits.is_straight)
        return fault(trap, kDebug, 0, instruction_of(trap));
    x86::write_dr<6>(kNoDebugEvent);
    if (ended_late(trap))
        return;
    // What clears the flag is still followed by this trap.
    trap.rflags |= rflags::TF;
    look_ahead(trap);
}

/// Some processors let CPL 3 read root mode's tables, and let it wait for what never comes.
/// Straight code has no such instruction.
void Sandbox::look_ahead(Trap& trap) {
    using Kind = Privileged::Kind;
    usize count = 0;
    for (const u8* bytes; (bytes = code_at(trap.rip, count)) != nullptr;) {
        switch (decode_privileged(bytes, count).kind) {
            case Kind::kReadStatus:
            case Kind::kStoreGdt:
            case Kind::kStoreIdt:
            case Kind::kStoreLdt:
            case Kind::kStoreTask:
                if (!carry_out(trap))
                    return;
                break;
            case Kind::kWait:
                return fault(trap, kUndefined, 0, trap.rip);
            default:
                return;
        }
    }
}

void Sandbox::on_page_fault(Trap& trap) {
    constexpr u64 kPresent = 1, kWrite = 2, kUser = 4;
    const u64 address = x86::read_cr<2>();
    const bool is_write = trap.error_code & kWrite;
    // Present and read: no right to it. Anything but a plain access: nothing that is filled in.
    const bool is_plain = !(trap.error_code & ~(kPresent | kWrite | kUser)) &&
                          (is_write || !(trap.error_code & kPresent));
    if (is_plain && fill(Gva{address}, is_write))
        return;
    fault(trap, kPageFault, trap.error_code, trap.rip, address);
}

bool Sandbox::fill(Gva address, bool is_write) {
    bool dropped = false;
    const FillSource source{.window = memory_.window,
                            .owned = memory_.owned,
                            .window_base = memory_.window_base,
                            .live_cr3 = guest_.kernel_cr3()};
    if (!core_.space.fill(source, address, is_write, dropped))
        return false;
    if (dropped)
        x86::reload_page_table();
    else
        x86::drop_translation(address.value());
    return true;
}

/// A trap behind an instruction belongs to that instruction.
u64 Sandbox::instruction_of(const Trap& trap) const {
    if (trap.vector != kBreakpoint && trap.vector != kDebug && trap.vector != kOverflow)
        return trap.rip;
    usize count = 0;
    constexpr u8 kInt3 = 0xcc, kInt1 = 0xf1, kInt = 0xcd;
    const u8* before = code_at(trap.rip - 1, count);
    if (before && (*before == kInt3 || *before == kInt1))
        return trap.rip - 1;
    before = code_at(trap.rip - 2, count);
    return before && *before == kInt ? trap.rip - 2 : trap.rip;
}

const u8* Sandbox::code_at(u64 rip, usize& count) const {
    const u64 offset = rip - kCodeBase;
    const u64 bytes = u64{code_->length} + 1;
    if (offset >= bytes)
        return nullptr;
    count = bytes - offset;
    return code_->bytes.in_root() + offset;
}

bool Sandbox::carry_out(Trap& trap) {
    usize count = 0;
    const u8* bytes = code_at(trap.rip, count);
    if (!bytes || trap.error_code != 0)
        return false;
    const Privileged found = decode_privileged(bytes, count);
    using Kind = Privileged::Kind;
    u64 value = 0;
    if (found.kind == Kind::kNone || !read_privileged(trap, found, value))
        return false;
    if (found.kind == Kind::kReadMsr || found.kind == Kind::kReadCounter) {
        trap.general[0] = u32(value);
        trap.general[2] = value >> 32;
    } else if (found.kind == Kind::kStoreGdt || found.kind == Kind::kStoreIdt) {
        const auto table = found.kind == Kind::kStoreGdt ? RS_FULL_GDTR : RS_FULL_IDTR;
        const x86::DescriptorTable stored{guest_.table_limit(table), value};
        if (!store(trap, found, reinterpret_cast<const u8*>(&stored), sizeof stored))
            return true;
    } else if (found.is_memory) {
        if (!store(trap, found, reinterpret_cast<const u8*>(&value), found.operand_bytes))
            return true;
    } else if (found.kind != Kind::kNothing) {
        u64& target = found.operand == kRsp ? trap.rsp : trap.general[found.operand];
        if (found.operand_bytes == 2)
            target = (target & ~u64{0xffff}) | (value & 0xffff);
        else
            target = found.operand_bytes == 4 ? u32(value) : value;
    }
    trap.rip += found.length;
    return true;
}

bool Sandbox::read_privileged(Trap& trap, const Privileged& found, u64& value) {
    using Kind = Privileged::Kind;
    constexpr rs_script_full_register kDebugRegisters[] = {RS_FULL_DR0, RS_FULL_DR1, RS_FULL_DR2,
                                                           RS_FULL_DR3, RS_FULL_RAX, RS_FULL_RAX,
                                                           RS_FULL_DR6, RS_FULL_DR7};
    switch (found.kind) {
        case Kind::kNothing:
            return true;
        case Kind::kReadControl:
            value = guest_.read_register(found.number == 0   ? RS_FULL_CR0
                                         : found.number == 2 ? RS_FULL_CR2
                                         : found.number == 3 ? RS_FULL_CR3
                                         : found.number == 4 ? RS_FULL_CR4
                                                             : RS_FULL_CR8);
            return true;
        case Kind::kReadDebug:
            value = guest_.read_register(kDebugRegisters[found.number]);
            return true;
        case Kind::kReadStatus:
            value = guest_.read_register(RS_FULL_CR0);
            return true;
        case Kind::kReadMsr:
            return guest_.read_msr(u32(trap.general[1]), value);
        case Kind::kReadCounter:
            return guest_.read_counter(u32(trap.general[1]), value);
        case Kind::kStoreGdt:
            value = guest_.read_register(RS_FULL_GDTR);
            return true;
        case Kind::kStoreIdt:
            value = guest_.read_register(RS_FULL_IDTR);
            return true;
        case Kind::kStoreLdt:
            value = guest_.read_register(RS_FULL_LDTR);
            return true;
        case Kind::kStoreTask:
            value = guest_.read_register(RS_FULL_TR);
            return true;
        case Kind::kNone:
        case Kind::kWait:
            break;
    }
    return false;
}

u64 Sandbox::operand_address(const Trap& trap, const Privileged& found) {
    const auto value_of = [&](u8 number) {
        return number == kRsp ? trap.rsp : trap.general[number];
    };
    u64 address = u64(s64(found.displacement));
    if (found.base == Privileged::kRip)
        address += trap.rip + found.length;
    else if (found.base != Privileged::kNoRegister)
        address += value_of(found.base);
    if (found.index != Privileged::kNoRegister)
        address += value_of(found.index) * found.scale;
    if (found.is_short)
        address = u32(address);
    constexpr u8 kFs = 0x64, kGs = 0x65;
    if (found.segment == kFs)
        address += x86::read_msr(x86::IA32_FS_BASE);
    else if (found.segment == kGs)
        address += x86::read_msr(x86::IA32_GS_BASE);
    return address;
}

u8* Sandbox::writable(u64 address) {
    for (u32 tries = 0; tries < 2; ++tries) {
        const memory::Translation found = memory::walk_guest_page(
            memory_.window, {core_.space.table().value(), memory_.levels}, Gva{address});
        if (found.ok && found.user && found.writable)
            return static_cast<u8*>(memory_.window.at_own(found.address));
        if (!fill(Gva{address}, true))
            break;
    }
    return nullptr;
}

bool Sandbox::store(Trap& trap, const Privileged& found, const u8* bytes, u32 count) {
    const u64 address = operand_address(trap, found);
    constexpr u64 kUserWrite = 6;
    for (u32 i = 0; i < count; ++i) {
        if (writable(address + i))
            continue;
        fault(trap, kPageFault, kUserWrite, trap.rip, address + i);
        return false;
    }
    for (u32 i = 0; i < count; ++i)
        if (u8* target = writable(address + i))
            *target = bytes[i];
    return true;
}

void Sandbox::fault(Trap& trap, u8 vector, u64 error_code, u64 rip, u64 address) {
    result_.vector = vector;
    result_.error_code = u32(error_code);
    result_.offset = rip - kCodeBase;
    result_.address = address;
    leave(trap, CodeEnd::kFault);
}

void Sandbox::leave(Trap& trap, CodeEnd end) {
    result_.end = end;
    trap.rip = reinterpret_cast<u64>(rs_sandbox_left);
    trap.cs = x86::kHostCodeSelector;
    trap.rflags = rflags::Fixed1;
    trap.rsp = entry_.return_rsp;
    trap.ss = x86::kHostDataSelector;
}

}  // namespace ringside::sandbox
