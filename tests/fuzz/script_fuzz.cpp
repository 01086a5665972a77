// SPDX-License-Identifier: GPL-3.0-or-later
// The way of a script with hostile text, and with a hostile image. The input's first byte is a
// number of changes, three bytes each (offset in two, then a value), made to the image compiled
// from the text behind them. What the compiler made must be accepted unchanged; whatever the
// verifier accepts must run within its limits, by the interpreter and by machine code alike.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "fuzz/script_runs.hpp"
#include "language/compiler.hpp"
#include "script/verifier.hpp"

using namespace ringside;

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
        fuzz::run_both(image);
    return 0;
}
