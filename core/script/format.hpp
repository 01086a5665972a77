// SPDX-License-Identifier: GPL-2.0-or-later
// printf formats (script language section 12): one parser for compiler, verifier and VM, and the
// output of numbers into a fixed buffer.
#pragma once

#include "base/types.hpp"

namespace ringside::script {

/// What a conversion takes and prints.
enum class ConversionKind : u8 {
    kText,        ///< no conversion: a run of plain characters
    kSigned,      ///< d i
    kUnsigned,    ///< u
    kOctal,       ///< o
    kHex,         ///< x
    kHexUpper,    ///< X
    kCharacter,   ///< c
    kPointer,     ///< p
    kString,      ///< s
    kWideString,  ///< ws ls
    kFloat,       ///< f
};

/// One piece of a format.
struct Conversion {
    ConversionKind kind = ConversionKind::kText;
    u8 bits = 32;  ///< integers: how many low bits count
    bool left = false, zero = false, alternate = false, plus = false, space = false;
    u8 width = 0;
    bool has_precision = false;
    u8 precision = 0;
    u32 start = 0;   ///< of the piece in the format
    u32 length = 0;  ///< bytes of the format it takes; kText: bytes to print ("%%" prints one)
};

/// Splits a format into pieces.
class FormatParser {
public:
    FormatParser(const char* format, u32 length) : format_{format}, length_{length} {}
    /// The next piece; false at the end. A '%' that starts no valid conversion is text.
    bool next(Conversion& piece);

private:
    const char* format_;
    u32 length_;
    u32 at_ = 0;
};

/// Number of arguments a format takes.
u32 count_arguments(const char* format, u32 length);

/// Collects the text of one print in a fixed buffer. Longer text is cut and ends with "...".
class TextWriter {
public:
    TextWriter(char* buffer, u32 capacity) : buffer_{buffer}, capacity_{capacity} {}
    void put(char c);
    void put(const char* text, u32 length);
    void fill(char c, u32 count);
    /// An integer by its conversion (kSigned to kPointer).
    void number(const Conversion& conversion, u64 value);
    /// A binary64 value (kFloat).
    void floating(const Conversion& conversion, u64 value);
    /// Text with width, flags and precision applied.
    void padded(const Conversion& conversion, const char* text, u32 length);
    bool is_full() const { return cut_; }
    /// Ends the text (adds the "..." of a cut one); returns its length.
    u32 finish();

private:
    char* buffer_;
    u32 capacity_;
    u32 length_ = 0;
    bool cut_ = false;
};

}  // namespace ringside::script
