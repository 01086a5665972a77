// SPDX-License-Identifier: GPL-3.0-or-later
// Everything the program says as NDJSON, one object a line ('--json', docs/json.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "output/output.hpp"

namespace ringside::output {

/// Value of "schema" in every line. It grows when a field changes its meaning or goes, not when one
/// is added.
inline constexpr std::string_view kJsonSchema = "ringside/1";

/// Appends `bytes` as a JSON string, quotes included. Valid UTF-8 stays as it is but for what JSON
/// wants escaped. Bytes that are not valid UTF-8 as a whole become one character each, U+0000 to
/// U+00FF (Latin-1), so that none is lost and every parser takes the line.
/// @return true if they were UTF-8
bool append_json_string(std::string& line, std::string_view bytes);

/// Writes each line to the text of another output.
class JsonOutput final : public Output {
public:
    explicit JsonOutput(Output& lines) : lines_{lines} {}

    /// "result"
    void text(std::string_view bytes) override;
    /// "error", "warning" or "notice", by the word it starts with
    void diagnostic(std::string_view message) override;
    /// "error" or "warning"
    void finding(const Finding& finding) override;
    /// "message", "lost" or "diagnostic"
    void event(const EventRecord& record) override;
    /// "halt"
    void halt(const HaltRecord& record) override;

private:
    void begin(std::string_view kind);
    void add_string(std::string_view name, std::string_view value);
    /// null for an empty one
    void add_string_or_null(std::string_view name, std::string_view value);
    void add_number_or_null(std::string_view name, std::optional<std::uint64_t> value);
    void end();

    Output& lines_;
    std::string line_;  ///< kept, so that a line costs no allocation
};

}  // namespace ringside::output
