// SPDX-License-Identifier: GPL-3.0-or-later
// printf with any format: the first eight bytes make the arguments, the rest is the format. What
// is printed of integers must be what the C library's printf prints of them (script language
// section 12 gives the differences).
#include <cstring>

#include "fuzz/script_runs.hpp"
#include "language/image_builder.hpp"
#include "script/format.hpp"
#include "script/verifier.hpp"

namespace {

using namespace ringside;
using script::Conversion;
using script::ConversionKind;

u64 cut(const Conversion& piece, u64 value) {
    const u32 above = 64u - piece.bits;
    return piece.kind == ConversionKind::kSigned
               ? static_cast<u64>(static_cast<s64>(value << above) >> above)
               : value << above >> above;
}

const char* letter_of(ConversionKind kind) {
    switch (kind) {
        case ConversionKind::kSigned:
            return "d";
        case ConversionKind::kUnsigned:
            return "u";
        case ConversionKind::kOctal:
            return "o";
        case ConversionKind::kHex:
            return "x";
        case ConversionKind::kHexUpper:
            return "X";
        default:
            return nullptr;
    }
}

/// What the C library prints of an integer.
std::string printed(const Conversion& piece, u64 value) {
    std::string format = "%";
    for (const auto& [set, flag] :
         {std::pair{piece.left, '-'}, std::pair{piece.zero, '0'}, std::pair{piece.alternate, '#'},
          std::pair{piece.plus, '+'}, std::pair{piece.space, ' '}})
        if (set)
            format += flag;
    if (piece.width != 0)
        format += std::to_string(piece.width);
    format += "ll";
    format += letter_of(piece.kind);
    char buffer[256];
    std::snprintf(buffer, sizeof buffer, format.c_str(), cut(piece, value));
    return buffer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    if (size < 8)
        return 0;
    u64 seed = 0;
    std::memcpy(&seed, data, sizeof seed);
    const std::string format{reinterpret_cast<const char*>(data) + 8,
                             size - 8 < 1024 ? size - 8 : 1024};
    const auto length = static_cast<u32>(format.size());
    const u32 arguments = script::count_arguments(format.data(), length);

    language::ImageBuilder builder;
    const u32 text = builder.string(format);
    builder.begin_function(0);
    std::string expected;
    bool is_known = true;  // integers and plain text only
    script::FormatParser parser{format.data(), length};
    Conversion piece;
    for (u32 i = 0; parser.next(piece);) {
        if (piece.kind == ConversionKind::kText) {
            expected.append(format, piece.start, piece.length);
            continue;
        }
        // Addresses must be good for a text to be printed at all.
        const bool is_text =
            piece.kind == ConversionKind::kString || piece.kind == ConversionKind::kWideString;
        const u64 value = is_text ? fuzz::kMemory + seed % 8192 : seed * (i + 1);
        if (i < RS_SCRIPT_MAX_ARGUMENTS)
            builder.emit(RS_OP_CONSTANT, i, builder.constant(value));
        ++i;
        if (letter_of(piece.kind) == nullptr || piece.has_precision)
            is_known = false;
        else
            expected += printed(piece, value);
    }
    builder.emit(RS_OP_PRINTF, 0, arguments, text);
    builder.emit(RS_OP_RETURN);
    builder.end_function(RS_SCRIPT_MAX_ARGUMENTS);
    const std::vector<u8> image = builder.build({});
    const bool is_accepted = static_cast<bool>(script::verify(image, {}));
    if (is_accepted != (arguments <= RS_SCRIPT_MAX_ARGUMENTS))
        std::abort();
    if (!is_accepted)
        return 0;
    fuzz::run_both(image);
    const std::string told = fuzz::run(image, false).text;
    if (told.size() > RS_SCRIPT_MAX_TEXT_BYTES)
        std::abort();
    if (is_known && expected.size() <= RS_SCRIPT_MAX_TEXT_BYTES && told != expected) {
        std::fprintf(stderr, "printed '%s', expected '%s'\n", told.c_str(), expected.c_str());
        std::abort();
    }
    return 0;
}
