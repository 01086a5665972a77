// SPDX-License-Identifier: GPL-3.0-or-later
// The log of a session (AUX-2): what goes to the user goes to a file as well.
#pragma once

#include <string>

#include "output/output.hpp"

namespace ringside::output {

class Log final : public Output {
public:
    /// `to` is where the user looks.
    explicit Log(Output& to) : to_{to} {}
    ~Log() override { close(); }
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    /// Creates or empties the file, for its owner alone. @return errno, 0 if it is open
    int open(const std::string& path);
    /// False if none was open.
    bool close();
    bool is_open() const { return file_ >= 0; }

    void text(std::string_view bytes) override;
    void diagnostic(std::string_view message) override;
    void finding(const Finding& finding) override;
    void event(const EventRecord& record) override;
    void halt(const HaltRecord& record) override;

    /// A command as it was typed behind its prompt; the user has seen it.
    void command(std::string_view prompt, std::string_view command);
    /// What the user does not want to see now (MSG-9).
    void event_unseen(const EventRecord& record);

private:
    void write(std::string_view bytes);
    /// A line of its own.
    void write_line(std::string_view line);

    Output& to_;
    std::string path_;
    int file_ = -1;
    bool line_is_open_ = false;
};

}  // namespace ringside::output
