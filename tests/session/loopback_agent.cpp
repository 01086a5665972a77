// SPDX-License-Identifier: GPL-3.0-or-later
// A debuggee for session tests that needs no kernel: the real agent in front of the real event
// engine, with a timer interrupt (vector 0xec) and a reschedule interrupt (0xfd) raised on every
// core at a given rate. Connect to it with '.connect 127.0.0.1 PORT'.
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/agent.hpp"
#include "support/engine_module.hpp"
#include "support/visible_machine.hpp"

namespace {

using namespace ringside;

constexpr std::uint8_t kTimerVector = 0xec;
constexpr std::uint8_t kRescheduleVector = 0xfd;
// What there is of memory: dots.
constexpr std::uint64_t kMemory = 0x10000;
constexpr std::size_t kMemoryBytes = 0x100;
constexpr auto kUsage =
    "usage: loopback_agent (--key-file FILE | --no-key) [--port N | --serial PATH] [--cores N]\n"
    "                      [--rate HZ]\n"
    "Prints 'port N' (0 for a line) when it listens; ends at SIGTERM.\n";

struct Arguments {
    std::string key_file;
    bool no_key = false;
    std::uint16_t port = 0;
    std::string serial;
    std::uint32_t cores = 2;
    unsigned rate = 100;  ///< interrupts a second on each core
};

bool parse(int count, char** values, Arguments& to) {
    for (int index = 1; index < count; ++index) {
        const std::string_view word = values[index];
        if (word == "--no-key") {
            to.no_key = true;
            continue;
        }
        if (++index == count)
            return false;
        const unsigned long number = std::strtoul(values[index], nullptr, 10);
        if (word == "--key-file")
            to.key_file = values[index];
        else if (word == "--port" && number <= 0xffff)
            to.port = static_cast<std::uint16_t>(number);
        else if (word == "--serial")
            to.serial = values[index];
        else if (word == "--cores" && number >= 1 && number <= 64)
            to.cores = static_cast<std::uint32_t>(number);
        else if (word == "--rate" && number <= 100'000)
            to.rate = static_cast<unsigned>(number);
        else
            return false;
    }
    return to.no_key == to.key_file.empty();
}

/// Raises the interrupts of all cores, and itself again.
class Ticks {
public:
    Ticks(asio::io_context& context, test::EngineModule& module, const Arguments& arguments)
        : timer_{context},
          module_{module},
          cores_{arguments.cores},
          period_{std::chrono::microseconds{1'000'000} / arguments.rate} {
        timer_.expires_after(period_);
        wait();
    }

private:
    void wait() {
        timer_.async_wait([this](const std::error_code& error) {
            if (error)
                return;
            for (std::uint32_t core = 0; core < cores_; ++core) {
                module_.arrive(core, kTimerVector, core % 2);
                module_.arrive(core, kRescheduleVector, core % 2);
            }
            timer_.expires_at(timer_.expiry() + period_);
            wait();
        });
    }

    asio::steady_timer timer_;
    test::EngineModule& module_;
    std::uint32_t cores_;
    std::chrono::microseconds period_;
};

}  // namespace

int main(int count, char** values) {
    Arguments arguments;
    if (!parse(count, values, arguments)) {
        std::fputs(kUsage, stderr);
        return 2;
    }
    agent::Options options;
    options.address = "127.0.0.1";
    options.port = arguments.port;
    if (!arguments.no_key) {
        auto key = transport::read_key(arguments.key_file);
        if (!key.error.empty()) {
            std::fprintf(stderr, "err, %s\n", key.error.c_str());
            return 1;
        }
        options.key = std::move(key.key);
    }
    options.log = [](const std::string& line) {
        std::fprintf(stderr, "loopback: %s\n", line.c_str());
    };
    transport::Loop loop;
    test::EngineModule module{arguments.cores};
    test::VisibleMachine machine;
    machine.put(kMemory, std::string(kMemoryBytes, '.'));
    options.open_device = machine.opener(module.opener());
    std::optional<agent::Agent> agent;
    std::optional<agent::LineAgent> line_agent;
    asio::signal_set signals{loop.context(), SIGTERM, SIGINT};
    signals.async_wait([&loop](const std::error_code&, int) { loop.stop(); });
    if (arguments.serial.empty()) {
        agent.emplace(loop, std::move(options));
        if (agent->listen() != 0) {
            std::fputs("err, cannot listen\n", stderr);
            return 1;
        }
    } else {
        auto line = transport::open_serial(arguments.serial);
        if (!line.descriptor) {
            std::fprintf(stderr, "err, %s\n", line.error.c_str());
            return 1;
        }
        line_agent.emplace(loop, std::move(line), std::move(options), [&loop] { loop.stop(); });
    }
    std::printf("port %u\n", agent ? agent->port() : 0u);
    std::fflush(stdout);
    std::optional<Ticks> ticks;
    if (arguments.rate != 0)
        ticks.emplace(loop.context(), module, arguments);
    loop.run();
    return 0;
}
