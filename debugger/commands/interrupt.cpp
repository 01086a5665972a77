// SPDX-License-Identifier: GPL-3.0-or-later
// !interrupt: hooks external interrupts (specification section 2).
#include <fmt/format.h>

#include "commands/interrupt_command.hpp"
#include "commands/script_file.hpp"
#include "commands/session.hpp"
#include "debuggee/event_image.hpp"
#include "language/compiler.hpp"

namespace ringside::commands {
namespace {

/// Compiles every script of the command; one output an action, empty for code. Nothing with the
/// error told.
std::optional<std::vector<language::CompileOutput>> compile_actions(
    Session& session, const Invocation& invocation, const InterruptCommand& command) {
    std::vector<language::CompileOutput> scripts;
    // A global that one block assigns is known to the next.
    std::vector<std::string> globals = session.known_globals();
    for (const EventBlock& block : command.actions) {
        if (block.kind == BlockKind::kCode) {
            scripts.emplace_back();
            continue;
        }
        std::string text = block.text;
        language::CompileOptions options;
        if (block.kind == BlockKind::kScriptFile) {
            auto content = read_script_file(block.text);
            if (const auto* error = std::get_if<ScriptFileError>(&content)) {
                (void)session.fail(invocation, {error->text, block.offset - 1, {}});
                return std::nullopt;
            }
            text = std::get<std::string>(std::move(content));
            options.file_name = block.text;
        }
        options.in_event = true;
        options.known_globals = globals;
        language::CompileOutput script = language::compile(text, options);
        session.show_compiler_messages(script);
        if (!script.ok)
            return std::nullopt;
        globals.insert(globals.end(), script.globals_assigned.begin(),
                       script.globals_assigned.end());
        scripts.push_back(std::move(script));
    }
    return scripts;
}

u32 stage_bits(Stage stage) {
    return stage == Stage::kPre    ? RS_STAGE_PRE
           : stage == Stage::kPost ? RS_STAGE_POST
                                   : RS_STAGE_ALL;
}

debuggee::EventImage build_image(const InterruptCommand& command, std::string_view text,
                                 const std::vector<language::CompileOutput>& scripts, u64 cookie) {
    debuggee::EventImage image;
    image.vector(command.vector ? *command.vector : RS_VECTOR_ALL)
        .core(command.core.value_or(RS_ANY))
        .process(command.pid.value_or(RS_ANY))
        .stage(stage_bits(command.stage))
        .flags(command.short_circuit ? RS_EVF_SHORT_CIRCUIT : 0)
        .safe_buffer(command.buffer_bytes)
        .cookie(cookie)
        .command(text.substr(0, RS_MAX_COMMAND_BYTES));
    if (command.condition)
        image.condition(std::as_bytes(std::span{command.condition->bytes}));
    for (std::size_t i = 0; i < scripts.size(); ++i)
        if (command.actions[i].kind == BlockKind::kCode)
            image.add_code(std::as_bytes(std::span{command.actions[i].bytes}), command.immediate);
        else
            image.add_script(std::as_bytes(std::span{scripts[i].image}),
                             scripts[i].instruction_count(), command.immediate);
    return image;
}

Outcome registration_failed(Session& session, const Invocation& invocation,
                            const InterruptCommand& command, const debuggee::Failure& failure) {
    const bool refused = failure.kind == debuggee::Failure::Kind::kRefused;
    if (refused && failure.code == RS_ERR_BAD_PID)
        return session.fail(invocation,
                            {"no such process; pids are hex, prefix 0n for decimal (c000001e)",
                             command.pid_at, "see '.help !interrupt'"});
    if (refused && failure.code == RS_ERR_BAD_CORE)
        return session.fail(invocation,
                            {failure.text(), command.core_at, "'status' tells how many there are"});
    if (refused && failure.code == RS_ERR_NOT_LOADED)
        return session.fail(invocation, {"vmm not loaded; use 'load vmm'", {}, {}});
    return session.request_failed(failure, "see '.help !interrupt'");
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\r\n";
    const std::size_t first = text.find_first_not_of(kBlanks);
    return first == std::string_view::npos
               ? std::string_view{}
               : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

Outcome run_interrupt(Session& session, const Invocation& invocation) {
    const auto parsed = parse_interrupt(invocation.words);
    if (const Problem* problem = std::get_if<Problem>(&parsed))
        return session.fail(invocation, *problem);
    const InterruptCommand& command = std::get<InterruptCommand>(parsed);
    auto scripts = compile_actions(session, invocation, command);
    if (!scripts)
        return Outcome::kFailed;
    if (scripts->empty())
        return session.fail(invocation,
                            {"this event would break, which needs Debugger Mode; give it a script "
                             "or code in VMI Mode",
                             {},
                             "see '.help !interrupt'"});
    if (const Outcome ready = session.require_vmm(invocation); ready != Outcome::kOk)
        return ready;

    EventScripts& known = session.event_scripts();
    const u64 cookie = known.next_cookie();
    const auto image = build_image(command, trimmed(invocation.text), *scripts, cookie);
    // Messages may come before the answer does.
    std::vector<language::LineTable> lines;
    for (const language::CompileOutput& script : *scripts)
        lines.push_back(script.lines);
    known.add(cookie, std::move(lines));
    const auto tag = session.debuggee().register_event(image);
    if (!tag) {
        known.forget(cookie);
        return registration_failed(session, invocation, command, tag.failure());
    }
    known.set_tag(cookie, *tag);
    for (const language::CompileOutput& script : *scripts)
        session.add_globals(script.globals_assigned);
    session.add_known_event(*tag - RS_TAG_BASE);
    session.resume();  // a new event ends the paused state (MSG-9)
    if (!command.vector)
        session.notice("this event covers all external interrupts (0x20-0xff)");
    return Outcome::kOk;
}

constexpr CommandSpec kCommands[] = {
    {.name = "!interrupt",
     .syntax =
         "!interrupt [VECTOR] [pid PID|all] [core CORE|all] [imm yes|no] [sc on|off]\n"
         "           [stage pre|post|all] [buffer SIZE] [script { SCRIPT }]\n"
         "           [script { file:PATH }] [[asm] condition { CODE }] [[asm] code { CODE }]\n"
         "           [output { NAME, ... }]",
     .summary = "hooks external interrupts",
     .help =
         "VECTOR is 20 to ff; without it the event covers all of them. (0 to 1f are exceptions.)\n"
         "The words may come in any order; several scripts run in the order written. Numbers are\n"
         "hexadecimal, 0n in front makes them decimal. pid 0 is the idle task of a core.\n"
         "An event without script and code stops the debuggee, which needs Debugger Mode.\n"
         "Not in this version: Debugger Mode, asm, output.\n\n"
         "examples:\n"
         "    !interrupt 25                            (break)\n"
         "    !interrupt 25 pid 0n490                  (break, in one process only)\n"
         "    !interrupt ec core 1 script { printf(\"tick, rip %llx\\n\", @rip); }\n"
         "    !interrupt fd script { printf(\"core %x was running %s\\n\", $core, $pname); }\n"
         "    !interrupt script { if ($context != ec) { printf(\"vector %x\\n\", $context); } }\n"
         "    !interrupt ec pid 0 script { file:~/idle.ds }\n"
         "    !interrupt 2f asm code { inc qword ptr [rcx] } buffer 8\n"
         "    !interrupt 31 sc on stage pre script { if ($pid == 4d2) { event_sc(0); } }\n",
     .keywords = "pid core imm sc stage buffer script condition code asm output all yes no on off "
                 "pre post",
     .is_free_form = true,
     .run = run_interrupt},
};

}  // namespace

std::span<const CommandSpec> interrupt_commands() {
    return kCommands;
}

}  // namespace ringside::commands
