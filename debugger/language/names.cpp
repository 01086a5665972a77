// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/names.hpp"

#include <algorithm>
#include <unordered_map>

namespace ringside::language {

namespace {

using enum FunctionForm;
constexpr auto kNone = FunctionValue::kNone;
constexpr auto kUnsigned = FunctionValue::kUnsigned;
constexpr auto kSigned = FunctionValue::kSigned;

// Script language sections 9 and 10, in their order.
constexpr Function kFunctions[] = {
    {"poi", kLoad, RS_OP_LOAD64, kUnsigned, "n"},
    {"dq", kLoad, RS_OP_LOAD64, kUnsigned, "n"},
    {"dd", kLoad, RS_OP_LOAD32, kUnsigned, "n"},
    {"dw", kLoad, RS_OP_LOAD16, kUnsigned, "n"},
    {"db", kLoad, RS_OP_LOAD8, kUnsigned, "n"},
    {"low", kLow, RS_OP_LOAD64, kUnsigned, "n"},
    {"hi", kHigh, RS_OP_LOAD64, kUnsigned, "n"},
    {"poi_pa", kLoad, RS_OP_LOAD64_PA, kUnsigned, "n"},
    {"dq_pa", kLoad, RS_OP_LOAD64_PA, kUnsigned, "n"},
    {"dd_pa", kLoad, RS_OP_LOAD32_PA, kUnsigned, "n"},
    {"dw_pa", kLoad, RS_OP_LOAD16_PA, kUnsigned, "n"},
    {"db_pa", kLoad, RS_OP_LOAD8_PA, kUnsigned, "n"},
    {"low_pa", kLow, RS_OP_LOAD64_PA, kUnsigned, "n"},
    {"hi_pa", kHigh, RS_OP_LOAD64_PA, kUnsigned, "n"},
    {"reference", kReference, 0, kUnsigned, "v"},
    {"ref", kReference, 0, kUnsigned, "v"},
    {"not", kNot, 0, kUnsigned, "n"},
    {"neg", kNeg, 0, kUnsigned, "n"},

    {"print", kBuiltin, RS_BUILTIN_PRINT, kNone, "n"},
    {"printf", kPrintf, 0, kNone, ""},
    {"formats", kBuiltin, RS_BUILTIN_PRINT, kNone, "n"},
    {"test_statement", kBuiltin, RS_BUILTIN_TEST_STATEMENT, kNone, "n"},
    {"flush", kBuiltin, RS_BUILTIN_FLUSH, kNone, ""},

    {"eb", kEdit, RS_OP_EDIT8, kUnsigned, "nn"},
    {"ew", kEdit, RS_OP_EDIT16, kUnsigned, "nn"},
    {"ed", kEdit, RS_OP_EDIT32, kUnsigned, "nn"},
    {"eq", kEdit, RS_OP_EDIT64, kUnsigned, "nn"},
    {"eb_pa", kEdit, RS_OP_EDIT8_PA, kUnsigned, "nn"},
    {"ew_pa", kEdit, RS_OP_EDIT16_PA, kUnsigned, "nn"},
    {"ed_pa", kEdit, RS_OP_EDIT32_PA, kUnsigned, "nn"},
    {"eq_pa", kEdit, RS_OP_EDIT64_PA, kUnsigned, "nn"},
    {"check_address", kBuiltin, RS_BUILTIN_CHECK_ADDRESS, kUnsigned, "n"},
    {"memcpy", kBuiltin, RS_BUILTIN_MEMCPY, kNone, "nnn"},
    {"memcpy_pa", kBuiltin, RS_BUILTIN_MEMCPY_PA, kNone, "nnn"},
    {"memcmp", kBuiltin, RS_BUILTIN_MEMCMP, kSigned, "ssn"},
    {"virtual_to_physical", kBuiltin, RS_BUILTIN_VIRTUAL_TO_PHYSICAL, kUnsigned, "n"},
    {"physical_to_virtual", kBuiltin, RS_BUILTIN_PHYSICAL_TO_VIRTUAL, kUnsigned, "n"},

    {"strlen", kBuiltin, RS_BUILTIN_STRLEN, kUnsigned, "s"},
    {"wcslen", kBuiltin, RS_BUILTIN_WCSLEN, kUnsigned, "w"},
    {"strcmp", kBuiltin, RS_BUILTIN_STRCMP, kSigned, "ss"},
    {"strncmp", kBuiltin, RS_BUILTIN_STRNCMP, kSigned, "ssn"},
    {"wcscmp", kBuiltin, RS_BUILTIN_WCSCMP, kSigned, "ww"},
    {"wcsncmp", kBuiltin, RS_BUILTIN_WCSNCMP, kSigned, "wwn"},
    {"wcslen32", kBuiltin, RS_BUILTIN_WCSLEN32, kUnsigned, "w"},
    {"wcscmp32", kBuiltin, RS_BUILTIN_WCSCMP32, kSigned, "ww"},
    {"wcsncmp32", kBuiltin, RS_BUILTIN_WCSNCMP32, kSigned, "wwn"},

    {"interlocked_increment", kBuiltin, RS_BUILTIN_INTERLOCKED_INCREMENT, kUnsigned, "v"},
    {"interlocked_decrement", kBuiltin, RS_BUILTIN_INTERLOCKED_DECREMENT, kUnsigned, "v"},
    {"interlocked_exchange", kBuiltin, RS_BUILTIN_INTERLOCKED_EXCHANGE, kUnsigned, "vn"},
    {"interlocked_exchange_add", kBuiltin, RS_BUILTIN_INTERLOCKED_EXCHANGE_ADD, kUnsigned, "vn"},
    {"interlocked_compare_exchange", kBuiltin, RS_BUILTIN_INTERLOCKED_COMPARE_EXCHANGE, kUnsigned,
     "vnn"},
    {"spinlock_lock", kBuiltin, RS_BUILTIN_SPINLOCK_LOCK, kNone, "v"},
    {"spinlock_lock_custom_wait", kBuiltin, RS_BUILTIN_SPINLOCK_LOCK_CUSTOM_WAIT, kNone, "vn"},
    {"spinlock_unlock", kBuiltin, RS_BUILTIN_SPINLOCK_UNLOCK, kNone, "v"},

    {"event_enable", kBuiltin, RS_BUILTIN_EVENT_ENABLE, kNone, "n"},
    {"enable_event", kBuiltin, RS_BUILTIN_EVENT_ENABLE, kNone, "n"},
    {"event_disable", kBuiltin, RS_BUILTIN_EVENT_DISABLE, kNone, "n"},
    {"disable_event", kBuiltin, RS_BUILTIN_EVENT_DISABLE, kNone, "n"},
    {"event_clear", kBuiltin, RS_BUILTIN_EVENT_CLEAR, kNone, "n"},
    {"event_sc", kBuiltin, RS_BUILTIN_EVENT_SC, kNone, "n", true},
    {"event_inject", kBuiltin, RS_BUILTIN_EVENT_INJECT, kNone, "nn"},
    {"event_inject_error_code", kBuiltin, RS_BUILTIN_EVENT_INJECT_ERROR_CODE, kNone, "nnn"},
    {"pause", kBuiltin, RS_BUILTIN_PAUSE, kNone, ""},
    {"event_trace_step", kNotYet, 0, kNone, ""},
    {"event_trace_step_in", kNotYet, 0, kNone, ""},
    {"event_trace_step_out", kNotYet, 0, kNone, ""},
    {"event_trace_instrumentation_step", kNotYet, 0, kNone, ""},
    {"event_trace_instrumentation_step_in", kNotYet, 0, kNone, ""},

    {"rdtsc", kBuiltin, RS_BUILTIN_RDTSC, kUnsigned, ""},
    {"rdtscp", kBuiltin, RS_BUILTIN_RDTSC, kUnsigned, ""},
    {"microsleep", kBuiltin, RS_BUILTIN_MICROSLEEP, kNone, "n"},
    {"disassemble_len", kBuiltin, RS_BUILTIN_DISASSEMBLE_LEN, kUnsigned, "n"},
    {"disassemble_len64", kBuiltin, RS_BUILTIN_DISASSEMBLE_LEN, kUnsigned, "n"},
    {"disassemble_len32", kBuiltin, RS_BUILTIN_DISASSEMBLE_LEN32, kUnsigned, "n"},
    {"lbr_save", kZero, 0, kUnsigned, ""},
    {"lbr_print", kZero, 0, kUnsigned, ""},
    {"lbr_dump", kZero, 0, kUnsigned, ""},
    {"lbr_restore", kZero, 0, kUnsigned, ""},
    {"lbr_restore_by_filter", kZero, 0, kUnsigned, "n"},
    {"lbr_check", kZero, 0, kUnsigned, ""},
};

constexpr const char* kRegisterNames[] = {
#define RS_LANGUAGE_ROW(name, text, full, shift, width, kind) text,
    RS_SCRIPT_REGISTER_TABLE(RS_LANGUAGE_ROW)
#undef RS_LANGUAGE_ROW
};

constexpr const char* kPseudoNames[] = {
#define RS_LANGUAGE_ROW(name, text) text,
    RS_SCRIPT_PSEUDO_TABLE(RS_LANGUAGE_ROW)
#undef RS_LANGUAGE_ROW
};

struct KeywordRow {
    const char* text;
    TokenKind kind;
};
constexpr KeywordRow kKeywords[] = {
#define RS_LANGUAGE_ROW(name, text) {text, TokenKind::name},
    RS_KEYWORD_TABLE(RS_LANGUAGE_ROW)
#undef RS_LANGUAGE_ROW
};

template <class Rows>
std::unordered_map<std::string_view, u32> index_of(const Rows& rows) {
    std::unordered_map<std::string_view, u32> map;
    u32 index = 0;
    for (const char* name : rows)
        map.emplace(name, index++);
    return map;
}

std::optional<u32> look_up(const std::unordered_map<std::string_view, u32>& map,
                           std::string_view name) {
    const auto found = map.find(name);
    return found == map.end() ? std::nullopt : std::optional{found->second};
}

/// Number of letters to change, insert, delete or exchange with their neighbour; `limit` + 1 if it
/// is certainly more than `limit`.
usize edit_distance(std::string_view a, std::string_view b, usize limit) {
    if (std::max(a.size(), b.size()) - std::min(a.size(), b.size()) > limit)
        return limit + 1;
    std::vector<usize> before(b.size() + 1);
    std::vector<usize> last(b.size() + 1);
    std::vector<usize> row(b.size() + 1);
    for (usize j = 0; j <= b.size(); ++j)
        last[j] = j;
    for (usize i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (usize j = 1; j <= b.size(); ++j) {
            row[j] = std::min({last[j - 1] + (a[i - 1] != b[j - 1]), last[j] + 1, row[j - 1] + 1});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = std::min(row[j], before[j - 2] + 1);
        }
        std::swap(before, last);
        std::swap(last, row);
    }
    return last.back();
}

}  // namespace

std::optional<u32> find_register(std::string_view name) {
    static const auto map = index_of(kRegisterNames);
    return look_up(map, name);
}

std::optional<u32> find_pseudo(std::string_view name) {
    static const auto map = index_of(kPseudoNames);
    return look_up(map, name);
}

std::optional<TokenKind> find_keyword(std::string_view name) {
    for (const KeywordRow& row : kKeywords)
        if (name == row.text)
            return row.kind;
    return std::nullopt;
}

std::span<const Function> functions() {
    return kFunctions;
}

const Function* find_function(std::string_view name) {
    static const auto map = [] {
        std::unordered_map<std::string_view, const Function*> result;
        for (const Function& function : kFunctions)
            result.emplace(function.name, &function);
        return result;
    }();
    const auto found = map.find(name);
    return found == map.end() ? nullptr : found->second;
}

std::vector<std::string> all_names() {
    std::vector<std::string> names;
    for (const KeywordRow& row : kKeywords)
        names.emplace_back(row.text);
    for (const Function& function : kFunctions)
        names.emplace_back(function.name);
    for (const char* name : kRegisterNames)
        names.push_back(std::string{"@"} + name);
    for (const char* name : kPseudoNames)
        names.push_back(std::string{"$"} + name);
    return names;
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates) {
    if (word.size() > 64)
        return std::nullopt;
    usize best = word.size() <= 4 ? 1 : word.size() <= 8 ? 2 : 3;
    std::optional<std::string> result;
    for (const std::string& candidate : candidates) {
        const usize distance = edit_distance(word, candidate, best);
        if (distance <= best && distance < word.size() && candidate != word) {
            if (!result || distance < best)
                result = candidate;
            best = distance;
        }
    }
    return result;
}

}  // namespace ringside::language
