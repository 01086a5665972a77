// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/line_table.hpp"

#include <fmt/format.h>

#include "script/vm.hpp"

namespace ringside::language {

namespace {

enum class ValueForm : u8 { NONE, ADDRESS, NUMBER };

struct Row {
    rs_script_error error;
    ValueForm value;
};
constexpr Row kRows[] = {
#define RS_LANGUAGE_ROW(name, code, text, value) {RS_SCRIPT_##name, ValueForm::value},
    RS_SCRIPT_ERROR_TABLE(RS_LANGUAGE_ROW)
#undef RS_LANGUAGE_ROW
};

std::string value_text(const RuntimeErrorReport& report) {
    for (const Row& row : kRows)
        if (row.error == report.error && row.value != ValueForm::NONE)
            return row.value == ValueForm::ADDRESS ? fmt::format(" {:016x}", report.value)
                                                   : fmt::format(" {:x}", report.value);
    return {};
}

}  // namespace

std::string describe_runtime_error(const RuntimeErrorReport& report, const LineTable& lines) {
    const char* text = script::error_text(report.error);
    std::string out = "script stopped: ";
    out += *text != '\0' ? text : "unknown error";
    out += value_text(report);
    if (report.pc < lines.places.size()) {
        const CodePlace& place = lines.places[report.pc];
        if (*place.function != '\0')
            out += fmt::format(" in {}()", place.function);
        if (place.line != 0)
            out += fmt::format(" at line {}, column {}", place.line, place.column);
        if (place.file != 0 && place.file < lines.files.size())
            out += " of " + lines.files[place.file];
    }
    if (report.in_event)
        out += fmt::format(" (event {:#x}, core {})", report.event_id, report.core);
    return out;
}

}  // namespace ringside::language
