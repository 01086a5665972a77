// SPDX-License-Identifier: GPL-3.0-or-later
// How fast Debugger Mode is over one debug link, without the debugger's commands and their text:
// halts, steps, memory, messages; and what of that VMI Mode has, over an agent.
// debugger_mode.py prepares the machine and runs this.
//
// usage: debugger_mode (--line PATH | --memory PATH --bell PATH | --agent PORT --key FILE)
//                      [--seconds N] [--halts N] [--read-mb N]
//                      [--only halts|requests|steps|memory|messages]
// prints a measure a line: name, values in seconds, bytes a second, or a second
#include <fmt/format.h>
#include <x86intrin.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <vector>

#include "debuggee/debuggee.hpp"
#include "language/compiler.hpp"

namespace ringside {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kPatience{30'000};
constexpr u32 kTimerVector = 0xec;  // the kernel's local timer

double since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Ticks of this machine's TSC a second.
double tick_rate() {
    const auto begin = Clock::now();
    const u64 ticks = __rdtsc();
    while (since(begin) < 0.1) {
    }
    return static_cast<double>(__rdtsc() - ticks) / since(begin);
}

template <class T>
T must(debuggee::Reply<T> reply, const char* what) {
    if (!reply)
        throw std::runtime_error(fmt::format("{}: {}", what, reply.failure().text()));
    return *std::move(reply);
}

void print_times(const char* name, std::vector<double> seconds) {
    std::ranges::sort(seconds);
    fmt::print("{} {:.9f} {:.9f} {}\n", name, seconds[seconds.size() / 2], seconds.back(),
               seconds.size());
}

class Bench {
public:
    Bench(double seconds, u32 halts, u64 read_bytes)
        : seconds_{seconds}, halts_{halts}, read_bytes_{read_bytes} {
        debuggee_.on_halt([this](const rs_halt& halt) {
            halt_ = halt;
            halt_ticks_ = __rdtsc();
        });
        debuggee_.on_message([this](const debuggee::Message& message) {
            if (const auto lost = message.lost_count())
                lost_ += *lost;
            else
                text_bytes_ += message.text().size();
        });
    }

    void connect(const debuggee::DebugOptions& options) {
        if (const auto failure = debuggee_.connect_debug(options); !failure)
            throw std::runtime_error("connect: " + failure.text);
        halt();
    }
    /// VMI Mode: it runs all the time.
    void connect(u16 port, const std::string& key_file) {
        const auto key = transport::read_key(key_file);
        if (const auto failure = debuggee_.connect_tcp("localhost", port, {.key = key.key});
            !failure)
            throw std::runtime_error("connect: " + failure.text);
        must(debuggee_.load(), "load");
    }

    /// @param only  a word of the usage; empty: all
    void run(const std::string& only) {
        const bool halts = debuggee_.is_debug_link();
        const auto is_wanted = [&](const char* what) { return only.empty() || only == what; };
        if (halts && is_wanted("halts")) {
            measure_pauses();
            measure_breaks();
        }
        if (is_wanted("requests"))
            print_rate("requests", [&] { must(debuggee_.registers(), "registers"); });
        if (halts && is_wanted("steps")) {
            measure_steps("step-i", RS_RUN_STEP_CORE);
            measure_steps("step-t", RS_RUN_STEP);
        }
        if (is_wanted("memory"))
            measure_memory();
        if (is_wanted("messages"))
            measure_messages();
        if (halts)
            must(debuggee_.run({.how = RS_RUN_GO}), "g");
    }

private:
    void await_halt() {
        if (loop_.wait_until([&] { return halt_.has_value(); }, kPatience) !=
            transport::Wait::kDone)
            throw std::runtime_error("the machine did not halt");
    }

    void go(u32 how = RS_RUN_GO) {
        halt_.reset();
        must(debuggee_.run({.how = how}), "run");
    }

    void halt() {
        halt_.reset();
        must(debuggee_.pause(), "pause");
        await_halt();
    }

    /// From the request to the report, in this machine's time. The debuggee's TSC is this one's
    /// and a difference, which these halts give bounds of: the request comes behind its being sent,
    /// the report behind the halt.
    void measure_pauses() {
        std::vector<double> seconds;
        for (u32 i = 0; i < halts_; ++i) {
            go();
            (void)loop_.wait_for(milliseconds{5 + i % 7});
            const auto begin = Clock::now();
            const u64 ticks = __rdtsc();
            halt();
            seconds.push_back(since(begin));
            if (halt_->reason != RS_HALT_REQUEST)
                throw std::runtime_error("something else has halted the machine");
            most_ = std::min(most_, static_cast<s64>(halt_->trigger_tsc - ticks));
            least_ = std::max(least_, static_cast<s64>(halt_->halted_tsc - halt_ticks_));
        }
        print_times("pause-to-report", seconds);
    }

    /// From the interrupt that an event breaks at, in the debuggee's time.
    void measure_breaks() {
        debuggee::EventImage image;
        const u64 tag =
            must(debuggee_.register_event(image.vector(kTimerVector).core(0).add_break()), "event");
        std::vector<double> stand, report;
        const double rate = tick_rate();
        for (u32 i = 0; i < halts_; ++i) {
            go();
            await_halt();
            if (halt_->reason != RS_HALT_EVENT)
                throw std::runtime_error("something else has halted the machine");
            const u64 trigger = halt_->trigger_tsc;
            stand.push_back(static_cast<double>(halt_->halted_tsc - trigger) / rate);
            const s64 now = static_cast<s64>(halt_ticks_) + (least_ + most_) / 2;
            report.push_back(static_cast<double>(now - static_cast<s64>(trigger)) / rate);
        }
        must(debuggee_.modify_event(tag, RS_MODIFY_CLEAR), "clear");
        print_times("break-to-stand", stand);
        print_times("break-to-report", report);
        fmt::print("clock-error {:.9f}\n", static_cast<double>(most_ - least_) / 2 / rate);
    }

    /// Counts what is done until the time is up.
    template <class Work>
    void print_rate(const char* name, Work work) {
        const auto begin = Clock::now();
        u64 count = 0;
        for (; since(begin) < seconds_; ++count)
            work();
        fmt::print("{} {:.1f}\n", name, static_cast<double>(count) / since(begin));
    }

    void measure_steps(const char* name, u32 how) {
        print_rate(name, [&] {
            go(how);
            await_halt();
        });
    }

    /// The kernel's code, from where it lies in memory on.
    void measure_memory() {
        const u64 text = must(debuggee_.address_of("_text"), "_text");
        const auto begin = Clock::now();
        u64 done = 0;
        constexpr u64 kPiece = 0x100000;
        while (done < read_bytes_ && since(begin) < 4 * seconds_) {
            const u64 piece = std::min(kPiece, read_bytes_ - done);
            const auto read = must(debuggee_.read_memory(text, piece), "memory");
            if (read.bytes.size() != piece)
                throw std::runtime_error("the kernel's code is not there");
            done += piece;
        }
        fmt::print("memory {:.0f}\n", static_cast<double>(done) / since(begin));
        print_rate("memory-16", [&] { must(debuggee_.read_memory(text, 16), "memory"); });
    }

    /// 1024 prints of 16 bytes each time the timer interrupts.
    void measure_messages() {
        constexpr double kPrintBytes = 16;
        const auto script = language::compile(
            "for (i = 0; i < 0n1024; i += 1) { printf(\"%015llx\\n\", i); }", {.in_event = true});
        if (!script.ok)
            throw std::runtime_error(script.text());
        debuggee::EventImage image;
        const u64 tag =
            must(debuggee_.register_event(image.vector(kTimerVector)
                                              .core(0)
                                              .add_script(std::as_bytes(std::span{script.image}),
                                                          script.instruction_count())),
                 "event");
        if (debuggee_.is_debug_link())
            go();
        (void)loop_.wait_for(milliseconds{300});
        text_bytes_ = lost_ = 0;
        const auto begin = Clock::now();
        (void)loop_.wait_for(milliseconds{static_cast<s64>(1000 * seconds_)});
        const double took = since(begin);
        const u64 bytes = text_bytes_, lost = lost_;
        if (debuggee_.is_debug_link())
            halt();
        must(debuggee_.modify_event(tag, RS_MODIFY_CLEAR), "clear");
        fmt::print("messages {:.0f} {:.0f}\n", static_cast<double>(bytes) / kPrintBytes / took,
                   static_cast<double>(lost) / took);
    }

    const double seconds_;
    const u32 halts_;
    const u64 read_bytes_;
    transport::Loop loop_;
    debuggee::Debuggee debuggee_{loop_};
    std::optional<rs_halt> halt_;
    u64 halt_ticks_ = 0;
    s64 most_ = INT64_MAX, least_ = INT64_MIN;  ///< of the debuggee's TSC less this one's
    u64 text_bytes_ = 0, lost_ = 0;
};

int run(int argc, char** argv) {
    debuggee::DebugOptions options;
    options.timeout = kPatience;
    u16 agent = 0;
    std::string key, only;
    double seconds = 2;
    u32 halts = 50;
    u64 read_mb = 64;
    CLI::App app{"How fast Debugger Mode is over one link.", "debugger_mode"};
    app.add_option("--line", options.line, "socket of a serial line");
    app.add_option("--memory", options.memory, "shared memory");
    app.add_option("--bell", options.bell, "its bell");
    app.add_option("--agent", agent, "port of an agent");
    app.add_option("--key", key, "its key file");
    app.add_option("--seconds", seconds, "of each rate (2)");
    app.add_option("--halts", halts, "how often it halts (50)");
    app.add_option("--read-mb", read_mb, "memory to be read at most (64)");
    app.add_option("--only", only, "halts, requests, steps, memory or messages");
    CLI11_PARSE(app, argc, argv);
    try {
        Bench bench{seconds, halts, read_mb << 20};
        if (agent != 0)
            bench.connect(agent, key);
        else
            bench.connect(options);
        bench.run(only);
    } catch (const std::exception& error) {
        fmt::print(stderr, "err, {}\n", error.what());
        return 1;
    }
    return 0;
}

}  // namespace
}  // namespace ringside

int main(int argc, char** argv) {
    return ringside::run(argc, argv);
}
