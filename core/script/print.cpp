// SPDX-License-Identifier: GPL-2.0-or-later
// printf: script language section 12.
#include "script/format.hpp"
#include "script/run_state.hpp"

namespace ringside::script {

namespace {

constexpr u64 kPrintCost = 16;
constexpr u64 kBytesPerOperation = 16;

/// Reads the text of a %s (`unit_bytes` 1) or %ws (2) and hands its characters to `put` until the
/// zero unit, the precision or the first unreadable page. False: the first unit is unreadable.
template <class Put>
bool read_text(RunState& run, const Conversion& piece, u64 address, u32 unit_bytes, Put put) {
    const u32 limit = piece.has_precision ? piece.precision : RS_SCRIPT_MAX_TEXT_BYTES + 1;
    alignas(8) u8 buffer[128];
    u32 have = 0;  // bytes in the buffer that make no whole unit yet
    for (u32 units = 0; units < limit;) {
        const u32 room = static_cast<u32>(sizeof buffer) - have;
        const u32 count = run.memory.read_some(address, buffer + have, room);
        if (count == 0)
            return units > 0;
        address += count;
        have += count;
        u32 at = 0;
        for (; at + unit_bytes <= have && units < limit; at += unit_bytes, ++units) {
            const u32 unit =
                unit_bytes == 1 ? buffer[at] : buffer[at] | static_cast<u32>(buffer[at + 1]) << 8;
            if (unit == 0)
                return true;
            put(unit_bytes == 2 && unit > 0x7f ? '?' : static_cast<char>(unit));
        }
        if (at < have)
            buffer[0] = buffer[at];
        have -= at < have ? at : have;
    }
    return true;
}

/// A text with a width is measured first, so that it can be padded on the left.
bool print_text(RunState& run, TextWriter& out, const Conversion& piece, u64 address) {
    const u32 unit_bytes = piece.kind == ConversionKind::kWideString ? 2 : 1;
    u32 length = 0;
    if (piece.width > 0 && !piece.left) {
        if (!read_text(run, piece, address, unit_bytes, [&](char) { ++length; }))
            return false;
        out.fill(' ', length < piece.width ? piece.width - length : 0);
        length = 0;
    }
    const bool readable = read_text(run, piece, address, unit_bytes, [&](char c) {
        out.put(c);
        ++length;
    });
    if (piece.left)
        out.fill(' ', length < piece.width ? piece.width - length : 0);
    return readable;
}

}  // namespace

rs_script_error print_formatted(RunState& run, u32 format, const u64* arguments) {
    const rs_script_string& string = run.program.string(format);
    const char* text = run.program.bytes() + string.offset;
    TextWriter out{run.frame.text, RS_SCRIPT_MAX_TEXT_BYTES};
    FormatParser parser{text, string.length};
    Conversion piece;
    while (parser.next(piece)) {
        switch (piece.kind) {
            case ConversionKind::kText:
                out.put(text + piece.start, piece.length);
                break;
            case ConversionKind::kCharacter: {
                const auto c = static_cast<char>(*arguments++);
                out.padded(piece, &c, 1);
                break;
            }
            case ConversionKind::kString:
            case ConversionKind::kWideString:
                if (!print_text(run, out, piece, *arguments))
                    return run.fail(RS_SCRIPT_INVALID_ADDRESS, *arguments);
                ++arguments;
                break;
            case ConversionKind::kFloat:
                out.floating(piece, *arguments++);
                break;
            default:
                out.number(piece, *arguments++);
                break;
        }
    }
    const u32 length = out.finish();
    run.extra_cost += kPrintCost - 1 + length / kBytesPerOperation;
    run.hooks.emit(run.frame.text, length);
    return RS_SCRIPT_OK;
}

}  // namespace ringside::script
