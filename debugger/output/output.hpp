// SPDX-License-Identifier: GPL-3.0-or-later
// Where text goes. Results and what scripts print are `text`, verbatim; what Ringside itself has to
// say is a `diagnostic` (specification MSG-1).
#pragma once

#include <string_view>

namespace ringside::output {

class Output {
public:
    virtual ~Output() = default;

    /// Bytes as they are: no prefix, no line end added.
    virtual void text(std::string_view bytes) = 0;

    /// One message, possibly of several lines; it starts with "err, ", "warn, " or "notice: ". A
    /// line end is added.
    virtual void diagnostic(std::string_view message) = 0;
};

}  // namespace ringside::output
