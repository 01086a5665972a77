// SPDX-License-Identifier: GPL-3.0-or-later
// 'ringside agent': the agent as a program of its own.
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

#include "agent/agent.hpp"

namespace ringside::agent {
namespace {

void log_to_stderr(Options& options) {
    if (!options.log) {
        options.log = [](const std::string& line) {
            std::fprintf(stderr, "agent: %s\n", line.c_str());
        };
    }
}

}  // namespace

int run(Options options) {
    log_to_stderr(options);
    const auto where = options.address + ":" + std::to_string(options.port);
    transport::Loop loop;
    Agent agent{loop, std::move(options)};
    // Before the first line that says we are here: who reads it may send a signal at once.
    asio::signal_set signals{loop.context(), SIGTERM, SIGINT};
    signals.async_wait([&agent](const std::error_code& error, int) {
        if (!error)
            agent.stop();  // the loop ends when the debugger has been told
    });
    if (const int error_number = agent.listen()) {
        std::fprintf(stderr, "err, cannot listen on %s: %s\n", where.c_str(),
                     std::strerror(error_number));
        return 1;
    }
    loop.run();
    return 0;
}

int run_on_line(const std::string& path, Options options) {
    log_to_stderr(options);
    transport::Loop loop;
    transport::SerialLine line = transport::open_serial(path);
    if (!line.descriptor) {
        std::fprintf(stderr, "err, %s\n", line.error.c_str());
        return 1;
    }
    std::optional<LineAgent> agent;
    asio::signal_set signals{loop.context(), SIGTERM, SIGINT};
    signals.async_wait([&agent](const std::error_code& error, int) {
        if (!error)
            agent->stop();
    });
    int status = 0;
    agent.emplace(loop, std::move(line), std::move(options), [&] {
        status = 1;
        signals.cancel();  // nothing is left to wait for
    });
    loop.run();
    return status;
}

}  // namespace ringside::agent
