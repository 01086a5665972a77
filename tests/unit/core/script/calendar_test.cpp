// SPDX-License-Identifier: GPL-3.0-or-later
#include "script/calendar.hpp"

#include <gtest/gtest.h>
#include <time.h>

namespace ringside::script {
namespace {

std::string date(s64 milliseconds) {
    char text[16];
    write_date(milliseconds, text);
    return text;
}

std::string time_of(s64 milliseconds) {
    char text[16];
    write_time(milliseconds, text);
    return text;
}

TEST(Calendar, KnowsDates) {
    EXPECT_EQ(date(0), "1970-01-01");
    EXPECT_EQ(date(-1), "1969-12-31");
    EXPECT_EQ(date(951'782'400'000), "2000-02-29");
    EXPECT_EQ(date(4'107'542'399'999), "2100-02-28");
    EXPECT_EQ(time_of(86'399'999), "23:59:59.999");
    EXPECT_EQ(time_of(-1), "23:59:59.999");
}

TEST(Calendar, AgreesWithTheCLibrary) {
    for (s64 day = -100'000; day < 100'000; ++day) {
        const s64 seconds = day * 86'400 + (day * 7919 % 86'400 + 86'400) % 86'400;
        const time_t now = seconds;
        tm fields{};
        gmtime_r(&now, &fields);
        char wanted[32];
        strftime(wanted, sizeof wanted, "%Y-%m-%d %H:%M:%S.000", &fields);
        ASSERT_EQ(date(seconds * 1000) + ' ' + time_of(seconds * 1000), wanted) << day;
    }
}

}  // namespace
}  // namespace ringside::script
