// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/diagnostic.hpp"

#include <algorithm>
#include <tuple>

namespace ringside::language {

const char* code_text(Code code) {
    static constexpr const char* kText[] = {
#define RS_LANGUAGE_ROW(name, text) text,
        RS_LANGUAGE_CODE_TABLE(RS_LANGUAGE_ROW)
#undef RS_LANGUAGE_ROW
    };
    return kText[static_cast<usize>(code)];
}

bool is_warning(Code code) {
    return code >= Code::kBareRegister;
}

std::string Diagnostic::text() const {
    std::string out = "line " + std::to_string(line) + ", column " + std::to_string(column);
    if (!file.empty())
        out += " (" + file + ")";
    out += is_error() ? ": " : ": warning: ";
    out += message;
    out += "\n " + source_line + "\n ";
    for (usize i = 0; i + 1 < column && i < source_line.size(); ++i) {
        const auto c = static_cast<unsigned char>(source_line[i]);
        if ((c & 0xc0) == 0x80)
            continue;  // one column for a character of several bytes
        out += c == '\t' ? '\t' : ' ';
    }
    return out + '^';
}

usize Source::add_view(std::string_view text, std::string_view file) {
    const u32 begin =
        files_.empty() ? 0 : files_.back().begin + static_cast<u32>(files_.back().text.size()) + 1;
    File added{text, std::string{file}, begin, {0}};
    for (usize i = 0; i < text.size(); ++i)
        if (text[i] == '\n')
            added.line_starts.push_back(static_cast<u32>(i + 1));
    files_.push_back(std::move(added));
    return files_.size() - 1;
}

usize Source::file_at(u32 offset) const {
    const auto after = std::ranges::upper_bound(files_, offset, {}, &File::begin);
    return static_cast<usize>(after - files_.begin()) - 1;
}

u32 Source::line_of(u32 offset) const {
    const File& file = files_[file_at(offset)];
    const auto after = std::ranges::upper_bound(file.line_starts, offset - file.begin);
    return static_cast<u32>(after - file.line_starts.begin());
}

u32 Source::column_of(u32 offset) const {
    const File& file = files_[file_at(offset)];
    return offset - file.begin - file.line_starts[line_of(offset) - 1] + 1;
}

std::string_view Source::line_text(u32 offset) const {
    const File& file = files_[file_at(offset)];
    const usize start = file.line_starts[line_of(offset) - 1];
    usize end = file.text.find('\n', start);
    if (end == std::string_view::npos)
        end = file.text.size();
    std::string_view result = file.text.substr(start, end - start);
    if (!result.empty() && result.back() == '\r')
        result.remove_suffix(1);
    return result;
}

void DiagnosticList::report(Code code, u32 offset, std::string message) {
    const u32 line = source_.line_of(offset);
    const u32 column = source_.column_of(offset);
    if (!is_warning(code)) {
        if (is_full())
            return;
        for (const Diagnostic& earlier : list_)
            if (earlier.is_error() && earlier.line == line && earlier.column == column &&
                earlier.file == source_.name(source_.file_at(offset)))
                return;
        ++error_count_;
    } else if (++warning_count_ > kMaxWarnings) {
        return;
    }
    list_.push_back({code, std::move(message), line, column, source_.name(source_.file_at(offset)),
                     std::string{source_.line_text(offset)}});
}

std::vector<Diagnostic> DiagnosticList::take() {
    std::stable_sort(list_.begin(), list_.end(), [](const Diagnostic& a, const Diagnostic& b) {
        return std::make_tuple(!a.is_error(), a.line, a.column) <
               std::make_tuple(!b.is_error(), b.line, b.column);
    });
    return std::move(list_);
}

}  // namespace ringside::language
