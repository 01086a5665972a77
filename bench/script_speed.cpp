// SPDX-License-Identifier: GPL-3.0-or-later
// How fast scripts are: nanoseconds an iteration of the cases of the language's specification, in
// the debugger, each the best of several runs.
//
// usage: script_speed [--cases RE] [--rounds N]
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstring>
#include <regex>

#include "language/evaluator.hpp"

namespace ringside {
namespace {

using Clock = std::chrono::steady_clock;

/// One page of memory and nothing else.
class OnePage : public language::ScratchGuest {
public:
    static constexpr u64 kAddress = 0x10000;
    bool read_memory(Gva from, void* to, usize count) override {
        if (!holds(from, count))
            return false;
        std::memcpy(to, page_ + (from.value() - kAddress), count);
        return true;
    }
    bool write_memory(Gva to, const void* from, usize count) override {
        if (!holds(to, count))
            return false;
        std::memcpy(page_ + (to.value() - kAddress), from, count);
        return true;
    }

private:
    static bool holds(Gva address, usize count) {
        return address.value() >= kAddress && address.value() - kAddress + count <= kPageSize;
    }
    u8 page_[kPageSize] = {};
};

struct Case {
    const char* name;
    u64 iterations;  ///< of one run
    const char* script;
};

constexpr Case kCases[] = {
    {"arithmetic loop", 2'000'000,
     "sum = 0; for (i = 0; i < 0n2000000; i++) { sum = sum + i*3 ^ 5; }"},
    {"branchy loop", 1'000'000,
     "x = 0; for (i = 0; i < 0n1000000; i++) { if (i & 1) { x += 3; } elsif (i % 3 == 0) { x ^= i; "
     "} else "
     "{ x -= 1; } }"},
    {"recursive fib(20), a call", 21'891,
     "long fib(long n) { if (n < 2) { return n; } return fib(n - 1) + fib(n - 2); } x = "
     "fib(0n20);"},
    {"checked memory read, modify, write", 500'000,
     "for (i = 0; i < 0n500000; i++) { eq(10000 + (i & 0f8), dq(10000 + (i & 0f8)) + 1); }"},
    {"filter that does not match", 1, "if ($pid == 4d2 && @rax == 5) { .hits++; }"},
    {"printf of three numbers", 10'000,
     "for (i = 0; i < 0n10000; i++) { printf(\"%x %d %llx\\n\", i, i * 3, i << 20); }"},
};

template <class Work>
double best_ns(u32 rounds, u64 iterations, Work work) {
    double best = 1e99;
    for (u32 round = 0; round < rounds; ++round) {
        const auto begin = Clock::now();
        work();
        const std::chrono::duration<double, std::nano> took = Clock::now() - begin;
        best = std::min(best, took.count() / static_cast<double>(iterations));
    }
    return best;
}

int run(int argc, char** argv) {
    std::string wanted;
    u32 rounds = 7;
    CLI::App app{"Nanoseconds an iteration of scripts.", "script_speed"};
    app.add_option("--cases", wanted, "only those whose name matches")->option_text("RE");
    app.add_option("--rounds", rounds, "runs of which the best counts (7)");
    CLI11_PARSE(app, argc, argv);
    const std::regex pattern{wanted};
    fmt::print("{:36}{:>14}{:>14}\n", "nanoseconds", "interpreter", "machine code");
    for (const Case& each : kCases) {
        if (!std::regex_search(each.name, pattern))
            continue;
        fmt::print("{:36}", each.name);
        for (const bool is_machine_code : {false, true}) {
            OnePage guest;
            language::Evaluator evaluator;
            if (each.iterations == 1)
                (void)evaluator.evaluate(".hits = 0;", guest);
            language::EvaluateOptions options;
            options.machine_code = is_machine_code;
            const auto first = evaluator.evaluate(each.script, guest, options);
            if (!first.ok) {
                fmt::print(stderr, "err, {}: {}\n", each.name, first.error);
                return 1;
            }
            // What is over at once is run many times.
            const u64 runs = each.iterations > 1 ? 1 : 100'000;
            const double ns = best_ns(rounds, each.iterations * runs, [&] {
                for (u64 i = 0; i < runs; ++i)
                    (void)evaluator.run_again(guest);
            });
            fmt::print("{:14.2f}", ns);
        }
        fmt::print("\n");
    }
    if (std::regex_search("compile time of one line", pattern))
        fmt::print("{:36}{:14.0f}\n", "compile time of one line", best_ns(rounds, 100, [] {
                       for (u32 i = 0; i < 100; ++i)
                           (void)language::compile(
                               "if ($pid == 4d2) { printf(\"%x %llx\\n\", $core, @rip); }", {});
                   }));
    return 0;
}

}  // namespace
}  // namespace ringside

int main(int argc, char** argv) {
    return ringside::run(argc, argv);
}
