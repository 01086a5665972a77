// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/unwind.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace ringside::commands {
namespace {

// ORC_REG_* of orc_types.h, the same in all versions.
enum : unsigned {
    kUndefined = 0,
    kPreviousSp = 1,
    kDx = 2,
    kDi = 3,
    kBp = 4,
    kSp = 5,
    kR10 = 6,
    kR13 = 7,
    kBpIndirect = 8,
    kSpIndirect = 9,
};

// struct pt_regs, by words; the processor's own part begins at rip.
constexpr u64 kWord = 8;
constexpr u64 kSavedR13 = 2 * kWord, kSavedRbp = 4 * kWord, kSavedR10 = 7 * kWord,
              kSavedRdx = 12 * kWord, kSavedRdi = 14 * kWord, kSavedRip = 16 * kWord;
constexpr u64 kFrameCs = 1 * kWord, kFrameRsp = 3 * kWord;  // from rip on

// Of the tables, read at once: a search ends in one of them, and a line may be slow.
constexpr u64 kBlock = 256;

constexpr u64 kKernelHalf = u64{1} << 63;

// Words looked at for a return address where nothing tells where it is.
constexpr u64 kMostGuessed = 64;

unsigned decimal_at(std::string_view& text) {
    unsigned value = 0;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9' && value < 100'000) {
        value = value * 10 + static_cast<unsigned>(text.front() - '0');
        text.remove_prefix(1);
    }
    return value;
}

u64 plus(u64 base, s16 offset) {
    return base + static_cast<u64>(static_cast<s64>(offset));
}

}  // namespace

OrcFormat orc_format(std::string_view release) {
    const unsigned major = decimal_at(release);
    if (!release.empty())
        release.remove_prefix(1);
    const unsigned version = major * 1000 + decimal_at(release);
    return version >= 6004   ? OrcFormat::kTypes
           : version == 6003 ? OrcFormat::kSignalBit
                             : OrcFormat::kEndBit;
}

OrcEntry decode_orc(std::span<const std::byte, kOrcEntryBytes> bytes, OrcFormat format) {
    OrcEntry entry;
    std::memcpy(&entry.sp_offset, bytes.data(), 2);
    std::memcpy(&entry.bp_offset, bytes.data() + 2, 2);
    const auto registers = static_cast<unsigned>(bytes[4]);
    const auto rest = static_cast<unsigned>(bytes[5]);
    entry.sp_register = registers & 0xf;
    entry.bp_register = registers >> 4;
    if (format == OrcFormat::kTypes) {
        constexpr OrcType kTypes[] = {OrcType::kUndefined,      OrcType::kEnd,
                                      OrcType::kCall,           OrcType::kRegisters,
                                      OrcType::kInterruptFrame, OrcType::kUndefined,
                                      OrcType::kUndefined,      OrcType::kUndefined};
        entry.type = kTypes[rest & 7];
        entry.is_signal = (rest & 8) != 0;
        return entry;
    }
    constexpr OrcType kTypes[] = {OrcType::kCall, OrcType::kRegisters, OrcType::kInterruptFrame,
                                  OrcType::kUndefined};
    const bool has_signal = format == OrcFormat::kSignalBit;
    const bool is_end = (rest & (has_signal ? 8 : 4)) != 0;
    entry.type = kTypes[rest & 3];
    entry.is_signal = has_signal ? (rest & 4) != 0 : entry.type != OrcType::kCall;
    if (entry.sp_register == kUndefined)
        entry.type = is_end ? OrcType::kEnd : OrcType::kUndefined;
    return entry;
}

std::string_view describe(UnwindEnd end) {
    switch (end) {
        case UnwindEnd::kComplete:
            return "end of the stack";
        case UnwindEnd::kUser:
            return "user mode";
        case UnwindEnd::kLimit:
            return "more frames follow";
        case UnwindEnd::kNoTable:
            return "no unwind information for this address, and no return address on the stack";
        case UnwindEnd::kUndefined:
            return "the kernel's unwind tables end here";
        case UnwindEnd::kUnreadable:
            return "the stack cannot be read";
        case UnwindEnd::kNoCode:
            return "what lies where the return address should be is none";
        case UnwindEnd::kNoProgress:
            return "the stack goes round";
        case UnwindEnd::kLostRegister:
            return "the caller's frame lies by a register that is not known any more";
    }
    return "";
}

struct Unwinder::State {
    u64 rip = 0, rsp = 0, rbp = 0;
    bool is_exact = true;  ///< rip is no return address
    /// r10, r13, rdi, rdx: known in the first frame and behind saved registers.
    std::optional<u64> r10, r13, rdi, rdx;
};

Unwinder::Unwinder(ReadMemory read, OrcTables tables, std::function<bool(u64)> is_code)
    : read_{std::move(read)}, tables_{tables}, is_code_{std::move(is_code)} {}

std::optional<u64> Unwinder::word(u64 address) {
    u64 value = 0;
    if (!read_(address, std::as_writable_bytes(std::span{&value, 1})))
        return std::nullopt;
    return value;
}

/// The tables are some megabytes, of which searches touch a few places again and again.
bool Unwinder::read_cached(u64 address, std::span<std::byte> into) {
    for (std::size_t done = 0; done < into.size();) {
        const u64 at = address + done;
        const u64 begin = at / kBlock * kBlock;
        auto block = blocks_.find(begin);
        if (block == blocks_.end()) {
            std::vector<std::byte> bytes(kBlock);
            if (!read_(begin, bytes))
                bytes.clear();
            block = blocks_.emplace(begin, std::move(bytes)).first;
        }
        if (block->second.empty())  // at the edge of what can be read: just these bytes
            return read_(at, into.subspan(done));
        const std::size_t count = std::min<std::size_t>(into.size() - done, kBlock - (at - begin));
        std::memcpy(into.data() + done, block->second.data() + (at - begin), count);
        done += count;
    }
    return true;
}

/// The table holds distances from its own elements.
std::optional<u64> Unwinder::code_address(u64 index) {
    s32 distance = 0;
    const u64 at = tables_.addresses + index * sizeof(distance);
    if (!read_cached(at, std::as_writable_bytes(std::span{&distance, 1})))
        return std::nullopt;
    return at + static_cast<u64>(static_cast<s64>(distance));
}

std::optional<OrcEntry> Unwinder::find(u64 address) {
    if (!tables_.is_there())
        return std::nullopt;
    u64 low = 0, high = (tables_.addresses_end - tables_.addresses) / sizeof(s32);
    // low: entries known to begin at or before the address
    while (low < high) {
        const u64 middle = low + (high - low) / 2;
        const auto begins = code_address(middle);
        if (!begins)
            return std::nullopt;
        if (*begins <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return std::nullopt;
    std::array<std::byte, kOrcEntryBytes> bytes{};
    if (!read_cached(tables_.entries + (low - 1) * kOrcEntryBytes, bytes))
        return std::nullopt;
    return decode_orc(bytes, tables_.format);
}

/// What is left where no table is, as in modules: "push rbp; mov rbp, rsp" at the function's
/// beginning, else the next return address that lies on the stack.
std::optional<UnwindEnd> Unwinder::step_without_table(State& state, Backtrace& trace) {
    const auto go_to = [&](u64 caller, u64 slot, u64 rbp) {
        trace.frames.push_back({caller, slot, false});
        state = {.rip = caller,
                 .rsp = slot + kWord,
                 .rbp = rbp,
                 .is_exact = false,
                 .r10 = {},
                 .r13 = {},
                 .rdi = {},
                 .rdx = {}};
    };
    if (!is_code_)
        return UnwindEnd::kNoTable;
    const auto caller_bp = word(state.rbp);
    const auto caller = word(state.rbp + kWord);
    if (state.rbp >= state.rsp && caller_bp && caller && is_code_(*caller)) {
        trace.used_frame_pointers = true;
        go_to(*caller, state.rbp + kWord, *caller_bp);
        return std::nullopt;
    }
    for (u64 slot = state.rsp; slot < state.rsp + kMostGuessed * kWord; slot += kWord) {
        const auto value = word(slot);
        if (!value)
            break;
        if (!is_code_(*value))
            continue;
        trace.used_guesses = true;
        go_to(*value, slot, state.rbp);
        return std::nullopt;
    }
    return UnwindEnd::kNoTable;
}

/// Goes to the caller; the reason if there is none to go to.
std::optional<UnwindEnd> Unwinder::step(State& state, Backtrace& trace) {
    // A return address may be that of the next function if the call never comes back.
    const auto found = find(state.is_exact ? state.rip : state.rip - 1);
    const bool is_known = found && found->type != OrcType::kUndefined;
    if (!is_known)
        return step_without_table(state, trace);
    const OrcEntry& entry = *found;
    if (entry.type == OrcType::kEnd)
        return UnwindEnd::kComplete;

    std::optional<u64> base;
    switch (entry.sp_register) {
        case kSp:
            base = plus(state.rsp, entry.sp_offset);
            break;
        case kBp:
            base = plus(state.rbp, entry.sp_offset);
            break;
        case kSpIndirect:
            if (!(base = word(state.rsp)))
                return UnwindEnd::kUnreadable;
            base = plus(*base, entry.sp_offset);
            break;
        case kBpIndirect:
            if (!(base = word(plus(state.rbp, entry.sp_offset))))
                return UnwindEnd::kUnreadable;
            break;
        case kR10:
            base = state.r10;
            break;
        case kR13:
            base = state.r13;
            break;
        case kDi:
            base = state.rdi;
            break;
        case kDx:
            base = state.rdx;
            break;
        default:
            return UnwindEnd::kUndefined;
    }
    if (!base)
        return UnwindEnd::kLostRegister;

    State caller{.rip = 0,
                 .rsp = 0,
                 .rbp = state.rbp,
                 .is_exact = entry.is_signal,
                 .r10 = {},
                 .r13 = {},
                 .rdi = {},
                 .rdx = {}};
    u64 slot = 0;
    if (entry.type == OrcType::kCall) {
        slot = *base - kWord;
        const auto address = word(slot);
        if (!address)
            return UnwindEnd::kUnreadable;
        if (*address < kKernelHalf)  // only an interrupt or a system call comes from elsewhere
            return UnwindEnd::kNoCode;
        caller.rip = *address;
        caller.rsp = *base;
    } else {
        // All registers, or those the processor saves itself.
        const bool is_full = entry.type == OrcType::kRegisters;
        slot = is_full ? *base + kSavedRip : *base;
        const auto address = word(slot);
        const auto cs = word(slot + kFrameCs);
        const auto rsp = word(slot + kFrameRsp);
        if (!address || !cs || !rsp)
            return UnwindEnd::kUnreadable;
        caller.rip = *address;
        caller.rsp = *rsp;
        if (is_full) {
            caller.rbp = word(*base + kSavedRbp).value_or(0);
            caller.r10 = word(*base + kSavedR10);
            caller.r13 = word(*base + kSavedR13);
            caller.rdi = word(*base + kSavedRdi);
            caller.rdx = word(*base + kSavedRdx);
        }
        if ((*cs & 3) != 0) {
            trace.frames.push_back({caller.rip, slot, true});
            return UnwindEnd::kUser;
        }
    }
    if (entry.bp_register == kPreviousSp || entry.bp_register == kBp) {
        const auto rbp = word(plus(entry.bp_register == kBp ? state.rbp : *base, entry.bp_offset));
        if (!rbp)
            return UnwindEnd::kUnreadable;
        caller.rbp = *rbp;
    }
    // Of one stack the caller's part lies above; only an interrupt changes stacks.
    if (entry.type == OrcType::kCall && entry.sp_register == kSp && caller.rsp <= state.rsp)
        return UnwindEnd::kNoProgress;
    if (caller.rip == state.rip && caller.rsp == state.rsp)
        return UnwindEnd::kNoProgress;
    trace.frames.push_back({caller.rip, slot, caller.is_exact});
    state = caller;
    return std::nullopt;
}

Backtrace Unwinder::unwind(const UnwindStart& start, std::size_t most_frames) {
    Backtrace trace;
    trace.frames.push_back({start.rip, 0, true});
    State state{.rip = start.rip,
                .rsp = start.rsp,
                .rbp = start.rbp,
                .is_exact = true,
                .r10 = start.r10,
                .r13 = start.r13,
                .rdi = start.rdi,
                .rdx = start.rdx};
    while (trace.frames.size() < most_frames) {
        if (const auto end = step(state, trace)) {
            trace.end = *end;
            return trace;
        }
    }
    trace.end = UnwindEnd::kLimit;
    return trace;
}

}  // namespace ringside::commands
