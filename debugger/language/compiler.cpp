// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/compiler.hpp"

#include "language/code_generator.hpp"
#include "language/image_builder.hpp"
#include "language/lexer.hpp"
#include "language/parser.hpp"
#include "script/verifier.hpp"

namespace ringside::language {

namespace {

constexpr usize kMaxSourceBytes = 0x100000;

/// Fills in the image unless a limit is exceeded.
void build(const Script& script, const CheckResult& checked, const CompileOptions& options,
           const Source& source, DiagnosticList& diagnostics, CompileOutput& output) {
    ImageBuilder builder;
    const u32 registers = generate(script, checked, source, builder);
    if (const std::string_view overflow = builder.overflow(); !overflow.empty())
        return diagnostics.report(Code::kTooLarge, 0, std::string{overflow});
    if (registers > RS_SCRIPT_MAX_REGISTERS)
        return diagnostics.report(Code::kTooLarge, 0, "script needs too many temporaries");
    std::vector<u8> image = builder.build(checked.globals, registers);
    if (image.size() > options.max_image_bytes)
        return diagnostics.report(Code::kTooLarge, 0, "script is too large for one event");
    // What is refused here would be refused by the kernel side, with less to say about it.
    const script::Limits limits{.in_event = options.in_event};
    if (const script::VerifyResult verdict = script::verify(image, limits); !verdict)
        return diagnostics.report(
            Code::kTooLarge, 0,
            std::string{"the compiled script is refused: "} + script::rule_text(verdict.rule));
    output.image = std::move(image);
    output.lines = builder.take_lines();
    output.globals_assigned = checked.globals_assigned;
    output.ok = true;
}

}  // namespace

std::string CompileOutput::text() const {
    std::string out;
    for (const Diagnostic& diagnostic : diagnostics)
        out += diagnostic.text() + '\n';
    return out;
}

CompileOutput compile(std::string_view text, const CompileOptions& options) {
    const bool is_too_long = text.size() > kMaxSourceBytes;
    const Source source{is_too_long ? std::string_view{} : text, options.file_name};
    DiagnosticList diagnostics{source};
    CompileOutput output;
    if (is_too_long)
        diagnostics.report(Code::kTooLarge, 0, "script is longer than 1 MiB");
    const std::vector<Token> tokens = tokenize(source, diagnostics);
    Script script = parse(tokens, diagnostics);
    if (!diagnostics.has_errors()) {
        const CheckOptions check_options{options.in_event, options.known_globals, options.symbols};
        const CheckResult checked = check(script, check_options, diagnostics);
        if (!diagnostics.has_errors())
            build(script, checked, options, source, diagnostics, output);
    }
    output.diagnostics = diagnostics.take();
    return output;
}

}  // namespace ringside::language
