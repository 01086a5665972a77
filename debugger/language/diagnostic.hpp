// SPDX-License-Identifier: GPL-3.0-or-later
// Messages of the compiler: script language section 14 "Compile-time checks and messages".
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"

namespace ringside::language {

/// X(enumerator, stable code)
#define RS_LANGUAGE_CODE_TABLE(X)                                                      \
    X(kSyntax, "S001")            /* the text does not follow the grammar */           \
    X(kBadNumber, "S002")         /* number out of range or with wrong digits */       \
    X(kBadString, "S003")         /* unclosed string, unknown escape */                \
    X(kBadCharacter, "S004")      /* byte that belongs to no token */                  \
    X(kUnclosedComment, "S005")   /* */                                                \
    X(kNotAvailable, "S006")      /* part of the language that is not available yet */ \
    X(kNotSupported, "S007")      /* reserved word */                                  \
    X(kUnresolved, "S008")        /* unknown variable, global or symbol */             \
    X(kUnknownRegister, "S009")   /* unknown register or pseudo-register */            \
    X(kHexName, "S010")           /* hexadecimal number used as a name */              \
    X(kArguments, "S011")         /* wrong number or kind of arguments */              \
    X(kNotAssignable, "S012")     /* assignment to something that is no variable */    \
    X(kConstantOperation, "S013") /* constant division by zero */                      \
    X(kFormat, "S014")            /* printf format and arguments differ */             \
    X(kMisplaced, "S015")         /* break, continue, return, event function */        \
    X(kType, "S016")              /* types do not fit */                               \
    X(kTooLarge, "S017")          /* limits exceeded */                                \
    X(kDuplicate, "S018")         /* defined twice */                                  \
    X(kInclude, "S019")           /* file that cannot be included */                   \
    X(kBareRegister, "S101")      /* warnings from here on */                          \
    X(kMaybeUnassigned, "S102")                                                        \
    X(kUnsignedCompare, "S103")                                                        \
    X(kAddressCompare, "S104")                                                         \
    X(kNotAtomic, "S105")                                                              \
    X(kEndlessLoop, "S106")                                                            \
    X(kUnreachable, "S107")                                                            \
    X(kNarrowed, "S108")                                                               \
    X(kAlwaysZero, "S109")                                                             \
    X(kRedeclared, "S110")                                                             \
    X(kShiftCount, "S111")                                                             \
    X(kNote, "S112")                                                                   \
    X(kFloatCut, "S113")                                                               \
    X(kFallsOff, "S114")

enum class Code : u8 {
#define RS_LANGUAGE_ENUM(name, code) name,
    RS_LANGUAGE_CODE_TABLE(RS_LANGUAGE_ENUM)
#undef RS_LANGUAGE_ENUM
};

/// "S001" ...
const char* code_text(Code code);
bool is_warning(Code code);

struct Diagnostic {
    Code code = Code::kSyntax;
    std::string message;
    u32 line = 0;    ///< from 1
    u32 column = 0;  ///< from 1, in bytes
    std::string file;
    std::string source_line;

    bool is_error() const { return !is_warning(code); }
    /// The three lines: place and message, source line, marker; no line feed at the end. A warning
    /// says so before its message.
    std::string text() const;
};

/// A text to compile and what it includes, with the way from byte offsets to lines. Offsets count
/// through all files, in the order they were added, with one between them.
class Source {
public:
    Source(std::string_view text, std::string_view file) { add_view(text, file); }
    /// Keeps an included text; its number.
    usize add(std::string text, std::string_view file) {
        texts_.push_back(std::move(text));
        return add_view(texts_.back(), file);
    }
    usize count() const { return files_.size(); }
    std::string_view text(usize file = 0) const { return files_[file].text; }
    u32 begin(usize file) const { return files_[file].begin; }
    usize file_at(u32 offset) const;
    const std::string& name(usize file) const { return files_[file].name; }
    u32 line_of(u32 offset) const;    ///< from 1
    u32 column_of(u32 offset) const;  ///< from 1
    std::string_view line_text(u32 offset) const;

private:
    struct File {
        std::string_view text;
        std::string name;
        u32 begin;
        std::vector<u32> line_starts;
    };
    usize add_view(std::string_view text, std::string_view file);

    std::deque<std::string> texts_;
    std::vector<File> files_;
};

/// Collects messages; errors beyond the first 20 are left out, and so is a second error at the
/// same place.
class DiagnosticList {
public:
    static constexpr usize kMaxErrors = 20;
    static constexpr usize kMaxWarnings = 100;

    explicit DiagnosticList(const Source& source) : source_{source} {}
    void report(Code code, u32 offset, std::string message);
    bool has_errors() const { return error_count_ > 0; }
    bool is_full() const { return error_count_ >= kMaxErrors; }
    /// Errors by place, then warnings by place.
    std::vector<Diagnostic> take();

private:
    const Source& source_;
    std::vector<Diagnostic> list_;
    usize error_count_ = 0;
    usize warning_count_ = 0;
};

}  // namespace ringside::language
