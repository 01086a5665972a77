// SPDX-License-Identifier: GPL-3.0-or-later
// The way of a script with hostile text, and with a hostile image. The input's first byte is a
// number of changes, three bytes each (offset in two, then a value), made to the image compiled
// from the text behind them. What the compiler made must be accepted unchanged; whatever the
// verifier accepts must run within its limits.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "language/compiler.hpp"
#include "script/globals.hpp"
#include "script/verifier.hpp"
#include "script/vm.hpp"
#include "support/script_guest.hpp"

namespace {

using namespace ringside;

constexpr u64 kMemory = 0x1000;
constexpr u64 kBudget = 20'000;

void run(std::vector<u8>& image) {
    static script::GlobalTable table;
    static u64 slots[RS_SCRIPT_MAX_GLOBALS];
    static script::Frame frame;
    table.clear();
    if (!script::link(image, table))
        return;
    test::ScriptGuest guest;
    guest.map(kMemory, std::vector<u8>(kPageSize, u8{'a'}));
    for (u64& value : guest.registers)
        value = kMemory;
    test::RecordingHooks hooks;
    script::RunContext context;
    context.budget = kBudget;
    context.lock_limit_ticks = 100;
    context.in_event = true;
    const auto result = script::run(script::ProgramView{image.data()}, frame, context, guest, hooks,
                                    {slots, table.count()});
    // The last instruction may be one of the expensive ones.
    constexpr u64 kMostExpensive = 0x20'000;
    if (result.operations > kBudget + kMostExpensive) {
        std::fprintf(stderr, "%llu operations\n",
                     static_cast<unsigned long long>(result.operations));
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    if (size == 0)
        return 0;
    const usize changes = data[0] % 16;
    const usize changes_end = 1 + changes * 3;
    if (size < changes_end)
        return 0;
    const std::string_view text{reinterpret_cast<const char*>(data) + changes_end,
                                size - changes_end};
    language::CompileOptions options;
    options.in_event = true;
    const auto output = language::compile(text, options);
    if (!output.ok) {
        if (output.text().empty())
            std::abort();  // refused without a word
        return 0;
    }
    std::vector<u8> image = output.image;
    if (const auto verdict = script::verify(image, {}); !verdict) {
        std::fprintf(stderr, "compiled, but refused: %s at %u\n", script::rule_text(verdict.rule),
                     verdict.instruction);
        std::abort();
    }
    for (usize i = 0; i < changes; ++i) {
        const u8* change = data + 1 + i * 3;
        image[(change[0] | usize{change[1]} << 8) % image.size()] = change[2];
    }
    if (script::verify(image, {}))
        run(image);
    return 0;
}
