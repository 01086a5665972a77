// SPDX-License-Identifier: GPL-3.0-or-later
// Counts local-timer interrupts through libringside's C++ header: a script as the action, and its
// first message.
//
// usage: library_ticks_cpp [SECONDS]
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "ringside/ringside.hpp"

namespace {

int failed(const std::error_code& error) {
    std::fprintf(stderr, "err, %s\n", error.message().c_str());
    return 1;
}

}  // namespace

int main(int count, char** words) {
    std::error_code error;
    auto connection = ringside::Connection::open(error);
    if (error || (error = connection.load()))
        return failed(error);
    const auto image = connection.compile(
        "if (.told == 0) { .told = 1; printf(\"first on core %x\\n\", $core); }", error);
    if (error)
        return failed(error);
    ringside::Event event;  // cleared when it goes
    event.vector(0xec).add_script(image);
    if ((error = event.commit(connection)))
        return failed(error);
    if (const auto message = connection.next_message(std::chrono::seconds{10}))
        std::printf("%.*s", static_cast<int>(message.payload().size()), message.payload().data());
    std::this_thread::sleep_for(std::chrono::seconds{count > 1 ? std::atoi(words[1]) : 10});
    const rs_stat stat = event.stat(error);
    if (error)
        return failed(error);
    std::printf("event %#llx: %llu ticks\n", static_cast<unsigned long long>(event.tag()),
                static_cast<unsigned long long>(stat.triggers_pre));
}
