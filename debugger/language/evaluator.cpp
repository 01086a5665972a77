// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/evaluator.hpp"

#include <x86intrin.h>

#include <algorithm>

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
    std::string take() { return std::move(text_); }

private:
    static bool no_event(u64) { return false; }
    std::string text_;
};

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
    compile_options.symbols = options.symbols;
    compile_options.load_file = script_files(options.file_name);
    compile_options.max_image_bytes = ~u32{0};
    output.compiled = compile(text, compile_options);
    if (!output.compiled.ok) {
        output.error = output.compiled.text();
        return output;
    }
    std::vector<u8> image = output.compiled.image;
    if (const auto linked = script::link(image, memory_->table); !linked) {
        output.error = "too many global variables";
        return output;
    }
    for (const std::string& name : output.compiled.globals_assigned)
        if (std::find(known_globals_.begin(), known_globals_.end(), name) == known_globals_.end())
            known_globals_.push_back(name);
    Collector collector;
    script::RunContext context;
    context.budget = options.budget;
    context.stop = options.stop;
    output.result = script::run(script::ProgramView{image.data()}, memory_->frame, context, guest,
                                collector, {memory_->slots, memory_->table.count()});
    output.text = collector.take();
    output.ok = output.result.error == RS_SCRIPT_OK;
    if (!output.ok)
        output.error = describe_runtime_error(
            {.error = output.result.error, .pc = output.result.pc, .value = output.result.value},
            output.compiled.lines);
    return output;
}

}  // namespace ringside::language
