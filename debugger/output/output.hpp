// SPDX-License-Identifier: GPL-3.0-or-later
// Where text goes. Results and what scripts print are `text`, verbatim; what Ringside itself has to
// say is a `diagnostic` (specification MSG-1). Callers that know more of what they say than its
// text say it as a Finding, an EventRecord or a HaltRecord, for outputs that keep the parts apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ringside::output {

/// An error or a warning of a command, taken apart.
struct Finding {
    bool is_warning = false;
    std::string_view text;              ///< without "err, " or "warn, "
    std::string_view command;           ///< what was typed, empty if unknown
    std::optional<std::size_t> column;  ///< byte offset into command of the word at fault
    std::string_view hint;              ///< without "hint: "; empty for none
    std::string_view rendered;          ///< all of it as a person reads it
};

/// Something an event said.
struct EventRecord {
    enum class Kind {
        kMessage,     ///< its scripts' text, verbatim
        kLost,        ///< `count` messages were dropped here
        kDiagnostic,  ///< an error of its script or code, or a notice about it
    };
    Kind kind = Kind::kMessage;
    std::uint32_t core = 0;
    std::uint32_t pid = 0;
    std::uint64_t tag = 0;
    std::uint64_t event = 0;  ///< number that 'events' shows
    std::uint64_t time_ns = 0;
    std::uint64_t seq = 0;  ///< per core, grows by one for each record
    std::uint64_t count = 0;
    std::string_view text;  ///< as a person reads it
};

/// Where and why a machine halted, or which core is looked at now.
struct HaltRecord {
    std::string_view
        reason;  ///< "event", "script", "request", "step", "breakpoint", "switch", "task"
    std::uint32_t core = 0;
    std::uint32_t pid = 0;
    std::uint32_t tid = 0;
    std::optional<std::uint32_t> event;       ///< number that 'events' shows
    std::string_view stage;                   ///< "pre", "post"; empty without an event
    std::optional<std::uint32_t> breakpoint;  ///< number that 'bl' shows
    std::uint64_t rip = 0;
    std::string_view symbol;       ///< "vmlinux!default_idle+0xb"; empty if none is known
    std::string_view instruction;  ///< "cli"; empty where memory cannot be read
    std::string_view text;         ///< all of it as a person reads it, with line ends
};

class Output {
public:
    virtual ~Output() = default;

    /// Bytes as they are: no prefix, no line end added.
    virtual void text(std::string_view bytes) = 0;

    /// One message, possibly of several lines; it starts with "err, ", "warn, " or "notice: ". A
    /// line end is added.
    virtual void diagnostic(std::string_view message) = 0;

    virtual void finding(const Finding& finding) { diagnostic(finding.rendered); }

    virtual void event(const EventRecord& record) {
        if (record.kind == EventRecord::Kind::kMessage)
            text(record.text);
        else
            diagnostic(record.text);
    }

    virtual void halt(const HaltRecord& record) { text(record.text); }
};

}  // namespace ringside::output
