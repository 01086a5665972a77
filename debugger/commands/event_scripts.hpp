// SPDX-License-Identifier: GPL-3.0-or-later
// What the debugger remembers of the events it registered: their scripts' lines, so that an error
// in root mode can be told with line and column. Events are found by the cookie that their messages
// carry.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/types.hpp"
#include "language/line_table.hpp"
#include "ringside/event.h"

namespace ringside::commands {

class EventScripts {
public:
    /// A cookie that no other event of this session has.
    u64 next_cookie() { return ++last_cookie_; }

    /// Keeps the line tables of an event's script actions, in order, before it is registered.
    void add(u64 cookie, std::vector<language::LineTable> actions);
    /// Notes the tag that the module gave it, or forgets it because there was none.
    void set_tag(u64 cookie, u64 tag);
    void forget(u64 cookie);

    /// Tags of the events registered, oldest first. Some may have been cleared since.
    std::vector<u64> tags() const;

    void clear() { events_.clear(); }

    /// The sentence for a script's run-time error (script-language section 15) or a fault of
    /// machine code (CTX-9), with its "err, "; or a notice.
    std::string describe(const rs_msg& message, const rs_diagnostic& diagnostic) const;

private:
    std::string describe_script_error(const rs_msg& message, const rs_diagnostic& diagnostic) const;

    struct Event {
        u64 tag = 0;
        std::vector<language::LineTable> actions;
    };
    std::map<u64, Event> events_;
    u64 last_cookie_ = 0;
};

}  // namespace ringside::commands
