// SPDX-License-Identifier: GPL-2.0-or-later
// Strings and memory ranges: script language sections 10.2 "Memory" and 10.3 "Strings".
#include "base/memory.hpp"
#include "script/run_state.hpp"

namespace ringside::script {

namespace {

constexpr u64 kMaxRead = 0x10000;  ///< no string function reads more
constexpr u64 kMaxCopyInEvent = 0x10000;
constexpr u64 kMaxCopy = 0xffff'ffff;
constexpr u64 kBytesPerOperation = 64;
constexpr u64 kUnitsPerOperation = 16;

/// Reads bytes one after the other, a small buffer at a time.
class ByteReader {
public:
    ByteReader(ScriptMemory& memory, u64 address) : memory_{memory}, address_{address} {}
    /// False: unreadable.
    bool next(u8& byte) {
        if (at_ == count_) {
            count_ = memory_.read_some(address_, buffer_, sizeof buffer_);
            address_ += count_;
            at_ = 0;
            if (count_ == 0)
                return false;
        }
        byte = buffer_[at_++];
        return true;
    }
    bool next_unit(u32 unit_bytes, u32& unit) {
        unit = 0;
        for (u32 i = 0; i < unit_bytes; ++i) {
            u8 byte = 0;
            if (!next(byte))
                return false;
            unit |= static_cast<u32>(byte) << 8 * i;
        }
        return true;
    }

private:
    ScriptMemory& memory_;
    u64 address_;
    u32 at_ = 0;
    u32 count_ = 0;
    alignas(8) u8 buffer_[128];
};

s64 order(u32 left, u32 right) {
    return left < right ? -1 : left > right;
}

rs_script_error check_length(RunState& run, u64 bytes) {
    const u64 limit = run.context.in_event ? kMaxCopyInEvent : kMaxCopy;
    if (bytes == 0 || bytes > limit)
        return run.fail(RS_SCRIPT_LENGTH, bytes);
    run.extra_cost += bytes / kBytesPerOperation;
    return RS_SCRIPT_OK;
}

/// Every page of the range can be read and, if `to_write`, written. A write is tried by storing an
/// aligned word's own value with compare-and-exchange, which changes nothing.
rs_script_error probe(RunState& run, u64 address, u64 bytes, bool to_write) {
    const u64 last = address + bytes - 1;
    if (last < address)
        return run.fail(RS_SCRIPT_INVALID_ADDRESS, address);
    for (u64 at = address;;) {
        u64 word = 0;
        const u64 word_at = at & ~u64{3};
        rs_script_error error =
            to_write ? run.memory.read(word_at, &word, 4) : run.memory.read(at, &word, 1);
        if (error == RS_SCRIPT_OK && to_write)
            error = run.memory.compare_exchange(word_at, 4, word, word);
        if (error != RS_SCRIPT_OK)
            return run.fail(error, at);
        const u64 next = (at & ~kPageMask) + kPageSize;
        if (next > last || next == 0)
            break;
        at = next;
    }
    // The ends too: objects of the script end inside of a page.
    u8 byte = 0;
    if (const rs_script_error error = run.memory.read(last, &byte, 1); error != RS_SCRIPT_OK)
        return run.fail(error, last);
    return RS_SCRIPT_OK;
}

rs_script_error probe_physical(RunState& run, u64 address, u64 bytes) {
    const u64 last = address + bytes - 1;
    if (last < address)
        return run.fail(RS_SCRIPT_INVALID_ADDRESS, address);
    for (u64 at = address;;) {
        u8 byte = 0;
        if (!run.guest.read_physical(Gpa{at}, &byte, 1))
            return run.fail(RS_SCRIPT_INVALID_ADDRESS, at);
        const u64 next = (at & ~kPageMask) + kPageSize;
        if (next > last || next == 0)
            return RS_SCRIPT_OK;
        at = next;
    }
}

/// Copies in pieces that fit the frame's scratch memory, from the end when the areas overlap with
/// the destination above.
template <class Piece>
rs_script_error copy_in_pieces(RunState& run, u64 to, u64 from, u64 bytes, Piece copy_piece) {
    const bool backwards = to > from && to - from < bytes;
    for (u64 done = 0; done < bytes;) {
        const u64 left = bytes - done;
        const u64 count = left < sizeof run.frame.scratch ? left : sizeof run.frame.scratch;
        const u64 at = backwards ? left - count : done;
        if (!copy_piece(to + at, from + at, count))
            return run.fail(RS_SCRIPT_INVALID_ADDRESS, to + at);
        done += count;
        if (const rs_script_error error = check_time(run); error != RS_SCRIPT_OK)
            return error;
    }
    return RS_SCRIPT_OK;
}

}  // namespace

u64 string_length(RunState& run, u64 address, u32 unit_bytes) {
    ByteReader reader{run.memory, address};
    const u64 limit = kMaxRead / unit_bytes;
    u64 length = 0;
    for (; length < limit; ++length) {
        u32 unit = 0;
        if (!reader.next_unit(unit_bytes, unit)) {
            length = 0;
            break;
        }
        if (unit == 0)
            break;
    }
    run.extra_cost += length / kUnitsPerOperation;
    return length;
}

s64 compare_strings(RunState& run, u64 left, u64 right, u64 units, u32 unit_bytes) {
    ByteReader left_reader{run.memory, left};
    ByteReader right_reader{run.memory, right};
    const u64 limit = units < kMaxRead / unit_bytes ? units : kMaxRead / unit_bytes;
    for (u64 i = 0; i < limit; ++i) {
        u32 left_unit = 0;
        u32 right_unit = 0;
        run.extra_cost += i % kUnitsPerOperation == kUnitsPerOperation - 1;
        if (!left_reader.next_unit(unit_bytes, left_unit) ||
            !right_reader.next_unit(unit_bytes, right_unit))
            return 2;
        if (left_unit != right_unit)
            return order(left_unit, right_unit);
        if (left_unit == 0)
            return 0;
    }
    return 0;
}

s64 compare_memory(RunState& run, u64 left, u64 right, u64 bytes) {
    ByteReader left_reader{run.memory, left};
    ByteReader right_reader{run.memory, right};
    for (u64 i = 0; i < bytes; ++i) {
        u8 left_byte = 0;
        u8 right_byte = 0;
        run.extra_cost += i % kBytesPerOperation == kBytesPerOperation - 1;
        if (!left_reader.next(left_byte) || !right_reader.next(right_byte))
            return 2;
        if (left_byte != right_byte)
            return order(left_byte, right_byte);
    }
    return 0;
}

rs_script_error copy_memory(RunState& run, u64 to, u64 from, u64 bytes) {
    if (const rs_script_error error = check_length(run, bytes); error != RS_SCRIPT_OK)
        return error;
    if (const rs_script_error error = probe(run, from, bytes, false); error != RS_SCRIPT_OK)
        return error;
    if (const rs_script_error error = probe(run, to, bytes, true); error != RS_SCRIPT_OK)
        return error;
    return copy_in_pieces(run, to, from, bytes, [&](u64 target, u64 source, u64 count) {
        return run.memory.read(source, run.frame.scratch, count) == RS_SCRIPT_OK &&
               run.memory.write(target, run.frame.scratch, count) == RS_SCRIPT_OK;
    });
}

rs_script_error copy_physical(RunState& run, u64 to, u64 from, u64 bytes) {
    if (const rs_script_error error = check_length(run, bytes); error != RS_SCRIPT_OK)
        return error;
    if (const rs_script_error error = probe_physical(run, from, bytes); error != RS_SCRIPT_OK)
        return error;
    if (const rs_script_error error = probe_physical(run, to, bytes); error != RS_SCRIPT_OK)
        return error;
    return copy_in_pieces(run, to, from, bytes, [&](u64 target, u64 source, u64 count) {
        return run.guest.read_physical(Gpa{source}, run.frame.scratch, count) &&
               run.guest.write_physical(Gpa{target}, run.frame.scratch, count);
    });
}

}  // namespace ringside::script
