// SPDX-License-Identifier: GPL-3.0-or-later
#include "output/json_output.hpp"

#include <fmt/format.h>

#include <iterator>

namespace ringside::output {
namespace {

/// Length of the UTF-8 sequence at the start of `bytes`, 0 if there is none. Source: The Unicode
/// Standard, table 3-7 "Well-Formed UTF-8 Byte Sequences".
std::size_t utf8_length(std::string_view bytes) {
    const auto byte = [&](std::size_t i) {
        return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u;
    };
    const auto is_between = [&](std::size_t i, unsigned first, unsigned last) {
        return byte(i) >= first && byte(i) <= last;
    };
    const unsigned lead = byte(0);
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return is_between(1, 0x80, 0xbf) ? 2 : 0;
    if (lead >= 0xe0 && lead <= 0xef) {
        const bool second = is_between(1, lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf);
        return second && is_between(2, 0x80, 0xbf) ? 3 : 0;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        const bool second = is_between(1, lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf);
        return second && is_between(2, 0x80, 0xbf) && is_between(3, 0x80, 0xbf) ? 4 : 0;
    }
    return 0;
}

bool is_utf8(std::string_view bytes) {
    while (!bytes.empty()) {
        const std::size_t length = utf8_length(bytes);
        if (length == 0)
            return false;
        bytes.remove_prefix(length);
    }
    return true;
}

void append_escaped(std::string& line, unsigned char c) {
    switch (c) {
        case '"':
            line += "\\\"";
            break;
        case '\\':
            line += "\\\\";
            break;
        case '\n':
            line += "\\n";
            break;
        case '\t':
            line += "\\t";
            break;
        default:
            fmt::format_to(std::back_inserter(line), "\\u{:04x}", c);
    }
}

std::string_view without_prefix(std::string_view text, std::string_view prefix) {
    return text.substr(text.substr(0, prefix.size()) == prefix ? prefix.size() : 0);
}

}  // namespace

bool append_json_string(std::string& line, std::string_view bytes) {
    const bool result = is_utf8(bytes);
    line.push_back('"');
    std::size_t plain = 0;  // where the part begins that needs no escape
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto c = static_cast<unsigned char>(bytes[i]);
        if (c >= ' ' && c != '"' && c != '\\' && c != 0x7f && (result || c < 0x80))
            continue;
        line.append(bytes, plain, i - plain);
        append_escaped(line, c);
        plain = i + 1;
    }
    line.append(bytes, plain, bytes.size() - plain);
    line.push_back('"');
    return result;
}

void JsonOutput::begin(std::string_view kind) {
    line_.clear();
    fmt::format_to(std::back_inserter(line_), R"({{"schema":"{}","kind":"{}")", kJsonSchema, kind);
}

void JsonOutput::add_string(std::string_view name, std::string_view value) {
    fmt::format_to(std::back_inserter(line_), R"(,"{}":)", name);
    if (!append_json_string(line_, value))
        fmt::format_to(std::back_inserter(line_), R"(,"{}_encoding":"latin-1")", name);
}

void JsonOutput::add_string_or_null(std::string_view name, std::string_view value) {
    if (value.empty())
        fmt::format_to(std::back_inserter(line_), R"(,"{}":null)", name);
    else
        add_string(name, value);
}

void JsonOutput::add_number_or_null(std::string_view name, std::optional<std::uint64_t> value) {
    fmt::format_to(std::back_inserter(line_), R"(,"{}":{})", name,
                   value ? fmt::to_string(*value) : "null");
}

void JsonOutput::end() {
    line_ += "}\n";
    lines_.text(line_);
}

void JsonOutput::text(std::string_view bytes) {
    if (bytes.empty())
        return;
    begin("result");
    add_string("text", bytes);
    end();
}

void JsonOutput::diagnostic(std::string_view message) {
    constexpr std::string_view kError = "err, ";
    constexpr std::string_view kWarning = "warn, ";
    constexpr std::string_view kHint = "\nhint: ";
    const bool is_error = message.substr(0, kError.size()) == kError;
    if (is_error || message.substr(0, kWarning.size()) == kWarning) {
        const std::size_t hint = message.find(kHint);
        Finding parts;
        parts.is_warning = !is_error;
        parts.text = without_prefix(message.substr(0, hint), is_error ? kError : kWarning);
        if (hint != std::string_view::npos)
            parts.hint = message.substr(hint + kHint.size());
        return finding(parts);
    }
    begin("notice");
    add_string("text", without_prefix(message, "notice: "));
    end();
}

void JsonOutput::finding(const Finding& finding) {
    begin(finding.is_warning ? "warning" : "error");
    add_string("text", finding.text);
    add_string_or_null("command", finding.command);
    add_number_or_null("column", finding.column ? std::optional<std::uint64_t>{*finding.column + 1}
                                                : std::nullopt);
    add_string_or_null("hint", finding.hint);
    end();
}

void JsonOutput::event(const EventRecord& record) {
    begin(record.kind == EventRecord::Kind::kMessage ? "message"
          : record.kind == EventRecord::Kind::kLost  ? "lost"
                                                     : "diagnostic");
    fmt::format_to(std::back_inserter(line_),
                   R"(,"core":{},"pid":{},"tag":{},"event":{},"time_ns":{},"seq":{})", record.core,
                   record.pid, record.tag, record.event, record.time_ns, record.seq);
    if (record.kind == EventRecord::Kind::kLost)
        fmt::format_to(std::back_inserter(line_), R"(,"count":{})", record.count);
    add_string("text", record.text);
    end();
}

void JsonOutput::halt(const HaltRecord& record) {
    begin("halt");
    add_string("reason", record.reason);
    fmt::format_to(std::back_inserter(line_), R"(,"core":{},"pid":{},"tid":{})", record.core,
                   record.pid, record.tid);
    add_number_or_null("event", record.event);
    add_string_or_null("stage", record.stage);
    add_number_or_null("breakpoint", record.breakpoint);
    // A string: few readers of JSON keep 64 bits of a number.
    fmt::format_to(std::back_inserter(line_), R"(,"rip":"0x{:016x}")", record.rip);
    add_string_or_null("symbol", record.symbol);
    add_string_or_null("instruction", record.instruction);
    add_string("text", record.text);
    end();
}

}  // namespace ringside::output
