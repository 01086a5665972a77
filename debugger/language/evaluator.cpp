// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/evaluator.hpp"

#include <time.h>
#include <x86intrin.h>

#include <algorithm>
#include <chrono>

#include "script/verifier.hpp"

namespace ringside::language {

namespace {

/// Collects what a run prints; there are no events to change.
class Collector : public script::EventHooks {
public:
    virtual ~Collector() = default;
    void emit(const char* text, usize length) override { text_.append(text, length); }
    bool event_enable(u64 id) override { return no_event(id); }
    bool event_disable(u64 id) override { return no_event(id); }
    bool event_clear(u64 id) override { return no_event(id); }
    void event_sc(bool) override {}
    void flush() override {}  // nothing waits: what is printed is shown when the run has ended
    void pause() override {
        text_ += "warn, pause() does nothing here: no debugger holds the machine\n";
    }
    std::string take() { return std::move(text_); }

private:
    static bool no_event(u64) { return false; }
    std::string text_;
};

/// Of the time-stamp counter, measured once.
u64 ticks_per_ms() {
    static const u64 ticks = [] {
        const auto begin = std::chrono::steady_clock::now();
        const u64 first = __rdtsc();
        while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds{2}) {
        }
        return (__rdtsc() - first) / 2;
    }();
    return ticks;
}

/// 32 bits of it are a fraction.
u64 nanoseconds_per_tick() {
    static const u64 nanoseconds = (u64{1'000'000} << 32) / ticks_per_ms();
    return nanoseconds;
}

s64 local_time_ns() {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    tm local{};
    localtime_r(&now.tv_sec, &local);
    return (now.tv_sec + local.tm_gmtoff) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

u64 ScratchGuest::tsc() {
    return __rdtsc();
}

struct Evaluator::Memory {
    script::GlobalTable table;
    u64 slots[RS_SCRIPT_MAX_GLOBALS] = {};
    script::Frame frame;
};

Evaluator::Evaluator() : memory_{std::make_unique<Memory>()} {}
Evaluator::~Evaluator() = default;

EvaluateOutput Evaluator::evaluate(std::string_view text, script::GuestAccess& guest,
                                   const EvaluateOptions& options) {
    EvaluateOutput output;
    CompileOptions compile_options;
    compile_options.file_name = options.file_name;
    compile_options.known_globals = known_globals_;
    compile_options.in_event = options.in_event;
    compile_options.symbols = options.symbols;
    compile_options.load_file = script_files(options.file_name);
    compile_options.max_image_bytes = ~u32{0};
    output.compiled = compile(text, compile_options);
    if (!output.compiled.ok) {
        output.error = output.compiled.text();
        return output;
    }
    image_ = output.compiled.image;
    if (const auto linked = script::link(image_, memory_->table); !linked) {
        output.error = "too many global variables";
        return output;
    }
    add_globals(known_globals_, output.compiled.globals_assigned);
    context_.ticks_per_ms = ticks_per_ms();
    context_.nanoseconds_per_tick = nanoseconds_per_tick();
    context_.local_less_tsc_ns =
        local_time_ns() -
        static_cast<s64>(
            static_cast<unsigned __int128>(guest.tsc()) * context_.nanoseconds_per_tick >> 32);
    context_.budget = options.budget;
    context_.stop = options.stop;
    context_.in_event = options.in_event;
    if (options.machine_code)
        (void)executable_.make(script::ProgramView{image_.data()});
    else
        executable_.release();
    Collector collector;
    output.result = run(guest, collector);
    output.text = collector.take();
    output.ok = output.result.error == RS_SCRIPT_OK;
    if (!output.ok)
        output.error = describe_runtime_error(
            {.error = output.result.error, .pc = output.result.pc, .value = output.result.value},
            output.compiled.lines);
    return output;
}

script::RunResult Evaluator::run_again(script::GuestAccess& guest) {
    Collector collector;
    return run(guest, collector);
}

script::RunResult Evaluator::run(script::GuestAccess& guest, script::EventHooks& hooks) {
    const script::ProgramView program{image_.data()};
    const script::GlobalStore globals{memory_->slots, memory_->table.count()};
    return executable_.is_empty()
               ? script::run(program, memory_->frame, context_, guest, hooks, globals)
               : script::run_machine_code(executable_.code(), program, memory_->frame, context_,
                                          guest, hooks, globals);
}

}  // namespace ringside::language
