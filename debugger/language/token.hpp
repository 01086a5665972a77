// SPDX-License-Identifier: GPL-3.0-or-later
// Tokens of the script language: section 2 "Lexical rules".
#pragma once

#include <string>
#include <string_view>

#include "base/types.hpp"

namespace ringside::language {

/// X(enumerator, spelling)
#define RS_PUNCTUATION_TABLE(X) \
    X(kPlus, "+")               \
    X(kMinus, "-")              \
    X(kStar, "*")               \
    X(kSlash, "/")              \
    X(kPercent, "%")            \
    X(kAmpersand, "&")          \
    X(kPipe, "|")               \
    X(kCaret, "^")              \
    X(kTilde, "~")              \
    X(kBang, "!")               \
    X(kShiftLeft, "<<")         \
    X(kShiftRight, ">>")        \
    X(kAndAnd, "&&")            \
    X(kOrOr, "||")              \
    X(kEqual, "==")             \
    X(kNotEqual, "!=")          \
    X(kLess, "<")               \
    X(kGreater, ">")            \
    X(kLessEqual, "<=")         \
    X(kGreaterEqual, ">=")      \
    X(kAssign, "=")             \
    X(kPlusAssign, "+=")        \
    X(kMinusAssign, "-=")       \
    X(kStarAssign, "*=")        \
    X(kSlashAssign, "/=")       \
    X(kPercentAssign, "%=")     \
    X(kAmpersandAssign, "&=")   \
    X(kPipeAssign, "|=")        \
    X(kCaretAssign, "^=")       \
    X(kShiftLeftAssign, "<<=")  \
    X(kShiftRightAssign, ">>=") \
    X(kIncrement, "++")         \
    X(kDecrement, "--")         \
    X(kArrow, "->")             \
    X(kPoint, ".")              \
    X(kComma, ",")              \
    X(kSemicolon, ";")          \
    X(kLeftParen, "(")          \
    X(kRightParen, ")")         \
    X(kLeftBrace, "{")          \
    X(kRightBrace, "}")         \
    X(kLeftBracket, "[")        \
    X(kRightBracket, "]")

/// X(enumerator, spelling): words of the grammar and of types.
#define RS_KEYWORD_TABLE(X)  \
    X(kIf, "if")             \
    X(kElsif, "elsif")       \
    X(kElse, "else")         \
    X(kFor, "for")           \
    X(kWhile, "while")       \
    X(kDo, "do")             \
    X(kBreak, "break")       \
    X(kContinue, "continue") \
    X(kReturn, "return")     \
    X(kStruct, "struct")     \
    X(kTypedef, "typedef")   \
    X(kSizeof, "sizeof")     \
    X(kStatic, "static")     \
    X(kPercore, "percore")   \
    X(kVoid, "void")         \
    X(kBool, "bool")         \
    X(kChar, "char")         \
    X(kShort, "short")       \
    X(kInt, "int")           \
    X(kLong, "long")         \
    X(kUnsigned, "unsigned") \
    X(kSigned, "signed")     \
    X(kFloat, "float")       \
    X(kDouble, "double")     \
    X(kUnion, "union")       \
    X(kEnum, "enum")         \
    X(kSwitch, "switch")     \
    X(kCase, "case")         \
    X(kDefault, "default")   \
    X(kGoto, "goto")         \
    X(kConst, "const")       \
    X(kInclude, "#include")

enum class TokenKind : u8 {
    kEnd,
    kError,       ///< reported already
    kNumber,      ///< value
    kReal,        ///< floating-point number, text
    kWord,        ///< variable or function name, text
    kSymbol,      ///< module!name, text
    kGlobal,      ///< text without the point
    kRegister,    ///< value: enum rs_script_register; text with or without @
    kPseudo,      ///< value: enum rs_script_pseudo
    kString,      ///< bytes
    kWideString,  ///< bytes: UTF-16LE units
#define RS_TOKEN_ENUM(name, text) name,
    RS_PUNCTUATION_TABLE(RS_TOKEN_ENUM) RS_KEYWORD_TABLE(RS_TOKEN_ENUM)
#undef RS_TOKEN_ENUM
};

struct Token {
    TokenKind kind = TokenKind::kEnd;
    u32 offset = 0;  ///< of its first byte in the source
    u32 length = 0;
    u64 value = 0;
    std::string_view text;  ///< the spelling, without '@', '$' or the point of a global
    std::string bytes;      ///< strings: what they hold, without the final zero
    bool is_bare_register = false;
    bool starts_line = false;  ///< first token of its line
};

/// The spelling of punctuation and keywords, a description of the rest ("number", "name").
std::string describe(TokenKind kind);
/// The same for a token: `'foo'`.
std::string describe(const Token& token);
bool is_type_word(TokenKind kind);

}  // namespace ringside::language
