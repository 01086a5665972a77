// SPDX-License-Identifier: GPL-2.0-or-later
// Dates and times of day as text: $date and $time (script language section 11.2).
#pragma once

#include "base/types.hpp"

namespace ringside::script {

/// `milliseconds` since 1970-01-01, local time. Writes "YYYY-MM-DD" and a zero: 11 bytes.
void write_date(s64 milliseconds, char* to);
/// Writes "HH:MM:SS.mmm" and a zero: 13 bytes.
void write_time(s64 milliseconds, char* to);

}  // namespace ringside::script
