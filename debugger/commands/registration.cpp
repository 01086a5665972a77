// SPDX-License-Identifier: GPL-3.0-or-later
// !interrupt and !exception: hook external interrupts, exceptions (specification section 2, 14).
#include <fmt/format.h>

#include "commands/assembly.hpp"
#include "commands/event_command.hpp"
#include "commands/script_file.hpp"
#include "commands/session.hpp"
#include "commands/symbol_names.hpp"
#include "debuggee/event_image.hpp"
#include "language/compiler.hpp"

namespace ringside::commands {
namespace {

std::string help_hint(const Invocation& invocation) {
    return fmt::format("see '.help {}'", invocation.spec.name);
}

bool is_code(const EventBlock& block) {
    return block.kind == BlockKind::kCode || block.kind == BlockKind::kAsmCode;
}

/// Turns a block of assembly into machine code; false with the error told.
bool assemble_block(Session& session, const Invocation& invocation, EventBlock& block,
                    std::size_t most_bytes, const char* too_large) {
    auto code = assemble(block.text, &session.debuggee());
    if (const auto* error = std::get_if<assembler::Error>(&code)) {
        (void)session.fail(invocation, {error->text, block.offset + error->at,
                                        error->hint.empty() ? help_hint(invocation) : error->hint});
        return false;
    }
    block.bytes = std::move(std::get<std::vector<u8>>(code));
    if (block.bytes.size() <= most_bytes)
        return true;
    (void)session.fail(invocation, {too_large, block.offset - 1, {}});
    return false;
}

/// Compiles every script of the command and assembles its assembly; one output an action, empty for
/// code. Nothing with the error told.
std::optional<std::vector<language::CompileOutput>> compile_actions(Session& session,
                                                                    const Invocation& invocation,
                                                                    EventCommand& command) {
    if (command.condition && command.condition->kind == BlockKind::kAsmCondition &&
        !assemble_block(session, invocation, *command.condition, RS_MAX_CONDITION_BYTES,
                        "condition too large (c0000041)"))
        return std::nullopt;
    std::vector<language::CompileOutput> scripts;
    // A global that one block assigns is known to the next.
    std::vector<language::KnownGlobal> globals = session.known_globals();
    const DebuggeeSymbols symbols{session};
    for (EventBlock& block : command.actions) {
        if (block.kind == BlockKind::kAsmCode &&
            !assemble_block(session, invocation, block, RS_MAX_ACTION_BYTES,
                            "action too large (c0000047)"))
            return std::nullopt;
        if (is_code(block)) {
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
        options.load_file = language::script_files(options.file_name);
        options.known_globals = globals;
        options.symbols = &symbols;
        language::CompileOutput script = language::compile(text, options);
        session.show_compiler_messages(script);
        if (!script.ok)
            return std::nullopt;
        language::add_globals(globals, script.globals_assigned);
        scripts.push_back(std::move(script));
    }
    return scripts;
}

u32 stage_bits(Stage stage) {
    return stage == Stage::kPre    ? RS_STAGE_PRE
           : stage == Stage::kPost ? RS_STAGE_POST
                                   : RS_STAGE_ALL;
}

debuggee::EventImage build_image(const EventSource& source, const EventCommand& command,
                                 std::string_view text,
                                 const std::vector<language::CompileOutput>& scripts, u64 cookie) {
    debuggee::EventImage image{source.event_type};
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
        if (is_code(command.actions[i]))
            image.add_code(std::as_bytes(std::span{command.actions[i].bytes}), command.immediate);
        else
            image.add_script(std::as_bytes(std::span{scripts[i].image}),
                             scripts[i].instruction_count(), command.immediate);
    if (scripts.empty())
        image.add_break();
    return image;
}

Outcome registration_failed(Session& session, const Invocation& invocation,
                            const EventCommand& command, const debuggee::Failure& failure) {
    const bool refused = failure.kind == debuggee::Failure::Kind::kRefused;
    if (refused && failure.code == RS_ERR_BAD_PID)
        return session.fail(invocation,
                            {"no such process; pids are hex, prefix 0n for decimal (c000001e)",
                             command.pid_at, help_hint(invocation)});
    if (refused && failure.code == RS_ERR_BAD_CORE)
        return session.fail(invocation,
                            {failure.text(), command.core_at, "'status' tells how many there are"});
    if (refused && failure.code == RS_ERR_NOT_LOADED)
        return session.fail(invocation, {"vmm not loaded; use 'load vmm'", {}, {}});
    return session.request_failed(failure, help_hint(invocation));
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\r\n";
    const std::size_t first = text.find_first_not_of(kBlanks);
    return first == std::string_view::npos
               ? std::string_view{}
               : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

/// The rows of section 2.1 for 'output { ... }'; false with the error told.
bool check_outputs(Session& session, const Invocation& invocation, const EventCommand& command) {
    for (std::size_t i = 0; i < command.outputs.size(); ++i) {
        const std::string& name = command.outputs[i];
        const output::NamedOutput* found = session.outputs().find(name);
        const bool is_closed = found != nullptr && found->state == output::OutputState::kClosed;
        if (found != nullptr && !is_closed)
            continue;
        const std::string quoted = in_quotes(name);
        (void)session.fail(invocation, {is_closed ? "output " + quoted + " is closed"
                                                  : "no such output " + quoted +
                                                        "; create it with 'output create'",
                                        command.outputs_at[i], help_hint(invocation)});
        return false;
    }
    return true;
}

void tell_unopened_outputs(Session& session, const EventCommand& command) {
    for (const std::string& name : command.outputs) {
        const output::NamedOutput* found = session.outputs().find(name);
        if (found != nullptr && found->state == output::OutputState::kNotOpened)
            session.notice(fmt::format(
                "output '{}' is not open yet, nothing will be forwarded until it is", name));
    }
}

/// Whose handler is one of the kernel's own, so that ignoring it hurts (INT-21).
void tell_system_vector(Session& session, const EventCommand& command) {
    if (!command.short_circuit || !command.vector)
        return;
    const auto table = session.debuggee().idt(*command.vector, 1);
    const auto symbol = table ? session.debuggee().symbol_at(table->handler[0])
                              : debuggee::Reply<std::string>{table.failure()};
    constexpr std::string_view kEntry = "asm_";
    if (!symbol || !symbol->starts_with("asm_sysvec_"))
        return;
    session.notice(fmt::format(
        "vector 0x{:x} is {}; ignoring or stopping it can stall the machine", *command.vector,
        std::string_view{*symbol}.substr(kEntry.size(), symbol->find('+') - kEntry.size())));
}

Outcome register_event(Session& session, const Invocation& invocation, const EventSource& source) {
    auto parsed = parse_event_command(source, invocation.words);
    if (const Problem* problem = std::get_if<Problem>(&parsed))
        return session.fail(invocation, *problem);
    EventCommand& command = std::get<EventCommand>(parsed);
    auto scripts = compile_actions(session, invocation, command);
    if (!scripts || !check_outputs(session, invocation, command))
        return Outcome::kFailed;
    const bool can_break = session.debuggee().is_debug_link();
    if (scripts->empty() && !can_break)
        return session.fail(invocation,
                            {"this event would break, which needs Debugger Mode; give it a script "
                             "or code in VMI Mode",
                             {},
                             help_hint(invocation)});
    if (const Outcome ready = session.require_vmm(invocation); ready != Outcome::kOk)
        return ready;
    const bool is_limited = !command.pid_given && session.processes().active() != nullptr;
    if (is_limited) {  // MOD-9, MOD-10: settled here and now
        const AttachedProcess& active = *session.processes().active();
        const auto process = session.debuggee().process(active.pid);
        if (!process && process.failure().code != RS_ERR_BAD_PID)
            return session.request_failed(process.failure());
        if (!process || process->start_ns != active.start_ns)
            return session.fail(
                invocation,
                {fmt::format("the active process {:x} ({}) has ended", active.pid, active.name),
                 {},
                 "'.detach' lets go of it; 'pid all' means the whole system"});
        command.pid = active.pid;
    }

    EventScripts& known = session.event_scripts();
    const u64 cookie = known.next_cookie();
    const auto image = build_image(source, command, trimmed(invocation.text), *scripts, cookie);
    // Messages may come before the answer does.
    std::vector<language::LineTable> lines;
    for (const language::CompileOutput& script : *scripts)
        lines.push_back(script.lines);
    known.add(cookie, std::move(lines));
    if (!command.outputs.empty())
        session.outputs().set_route(cookie, command.outputs);
    const auto tag = session.debuggee().register_event(image);
    if (!tag) {
        known.forget(cookie);
        session.outputs().forget_route(cookie);
        return registration_failed(session, invocation, command, tag.failure());
    }
    known.set_tag(cookie, *tag);
    for (const language::CompileOutput& script : *scripts)
        session.add_globals(script.globals_assigned);
    session.add_known_event(*tag - RS_TAG_BASE);
    if (session.settings().is_on(Setting::kAutoUnpause))
        session.resume();  // MSG-9
    if (!command.vector)
        session.notice(source.covers_all);
    if (is_limited)
        session.notice(fmt::format(
            "event limited to process {:x}; add 'pid all' for the whole system", *command.pid));
    if (source.event_type == RS_EVENT_EXTERNAL_INTERRUPT)
        tell_system_vector(session, command);
    tell_unopened_outputs(session, command);
    return Outcome::kOk;
}

Outcome run_interrupt(Session& session, const Invocation& invocation) {
    return register_event(session, invocation, kInterrupts);
}

Outcome run_exception(Session& session, const Invocation& invocation) {
    return register_event(session, invocation, kExceptions);
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
         "VECTOR is 20 to ff; without it the event covers all of them. 0 to 1f are exceptions, "
         "see\n"
         "'!exception'.\n"
         "The words may come in any order; several scripts run in the order written. Numbers are\n"
         "hexadecimal, 0n in front makes them decimal. pid 0 is the idle task of a core.\n"
         "An event without script and code stops the debuggee, which needs Debugger Mode.\n"
         "Assembly is in Intel syntax and its numbers are decimal unless 0x stands in front;\n"
         "<symbol+10> in it is an address, as everywhere else.\n\n"
         "examples:\n"
         "    !interrupt 25                            (break)\n"
         "    !interrupt 25 pid 0n490                  (break, in one process only)\n"
         "    !interrupt ec core 1 script { printf(\"tick, rip %llx\\n\", @rip); }\n"
         "    !interrupt fd script { printf(\"core %x was running %s\\n\", $core, $pname); }\n"
         "    !interrupt script { if ($context != ec) { printf(\"vector %x\\n\", $context); } }\n"
         "    !interrupt ec pid 0 script { file:~/idle.ds }\n"
         "    !interrupt 2f asm code { inc qword ptr [rcx] } buffer 8\n"
         "    !interrupt 25 script { printf(\"%x\\n\", $pid); } output { nic_log, siem }\n"
         "    !interrupt 31 sc on stage pre script { if ($pid == 4d2) { event_sc(0); } }\n",
     .keywords = "pid core imm sc stage buffer script condition code asm output all yes no on off "
                 "pre post",
     .is_free_form = true,
     .run = run_interrupt},
    {.name = "!exception",
     .syntax =
         "!exception [ENTRY] [pid PID|all] [core CORE|all] [imm yes|no] [sc on|off]\n"
         "           [stage pre|post|all] [buffer SIZE] [script { SCRIPT }]\n"
         "           [script { file:PATH }] [[asm] condition { CODE }] [[asm] code { CODE }]\n"
         "           [output { NAME, ... }]",
     .summary = "hooks exceptions",
     .help =
         "ENTRY is 0 to 1f; without it the event covers all of them. Only what is named is "
         "caught:\n"
         "interrupts and other exceptions cost nothing. Everything else is as with '!interrupt',\n"
         "which is for 20 to ff; with sc on the exception is not given to the debuggee: its\n"
         "instruction runs again, and 'int3' or 'into' is passed over.\n\n"
         "examples:\n"
         "    !exception e                             (break)\n"
         "    !exception e pid 0n490 script { printf(\"at %llx, page %llx\\n\", @rip, @cr2); }\n"
         "    !exception 3 script { printf(\"breakpoint in %s\\n\", $pname); }\n"
         "    !exception 0 script { printf(\"division at %llx\\n\", @rip); }\n"
         "    !exception 6 asm code { inc qword ptr [rcx] } buffer 8\n"
         "    !exception d stage post script { .n++; }\n",
     .keywords = "pid core imm sc stage buffer script condition code asm output all yes no on off "
                 "pre post",
     .is_free_form = true,
     .run = run_exception},
};

}  // namespace

std::span<const CommandSpec> registration_commands() {
    return kCommands;
}

}  // namespace ringside::commands
