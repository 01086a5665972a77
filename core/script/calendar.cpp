// SPDX-License-Identifier: GPL-2.0-or-later
#include "script/calendar.hpp"

namespace ringside::script {

namespace {

constexpr s64 kDayMs = 86'400'000;

char* put(char* to, u64 value, u32 digits, char behind) {
    for (u32 i = digits; i-- > 0; value /= 10)
        to[i] = static_cast<char>('0' + value % 10);
    to[digits] = behind;
    return to + digits + 1;
}

s64 floor_divide(s64 value, s64 by) {
    return value / by - (value % by < 0);
}

}  // namespace

void write_date(s64 milliseconds, char* to) {
    // Years that begin in March have their leap day at the end; 400 of them have 146097 days.
    const s64 days = floor_divide(milliseconds, kDayMs) + 719'468;  // since 0000-03-01
    const s64 era = floor_divide(days, 146'097);
    const u64 day_of_era = static_cast<u64>(days - era * 146'097);
    const u64 year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
    const u64 day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const u64 month_from_march = (5 * day_of_year + 2) / 153;
    const u64 day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    const u64 month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    const s64 year = static_cast<s64>(year_of_era) + era * 400 + (month <= 2);
    to = put(to, static_cast<u64>(year), 4, '-');
    to = put(to, month, 2, '-');
    put(to, day, 2, '\0');
}

void write_time(s64 milliseconds, char* to) {
    const auto of_day =
        static_cast<u64>(milliseconds - floor_divide(milliseconds, kDayMs) * kDayMs);
    to = put(to, of_day / 3'600'000, 2, ':');
    to = put(to, of_day / 60'000 % 60, 2, ':');
    to = put(to, of_day / 1000 % 60, 2, '.');
    put(to, of_day % 1000, 3, '\0');
}

}  // namespace ringside::script
