# SPDX-License-Identifier: GPL-3.0-or-later
"""The prompt: editing, history, completion, several lines, Ctrl+C, Ctrl+D."""

import os
import signal
import stat


def test_shows_the_prompt_and_leaves_with_exit(at_prompt):
    session = at_prompt()
    assert session.prompt() == ""
    session.enter("exit")
    assert session.end() == 0


def test_leaves_with_ctrl_d(at_prompt):
    session = at_prompt()
    session.prompt()
    assert session.leave() == 0


def test_empty_enter_shows_a_new_prompt(at_prompt):
    session = at_prompt()
    session.prompt()
    assert session.command("") == ""
    assert session.command("   ") == ""
    assert session.leave() == 0


def test_an_error_has_a_caret_and_a_hint(at_prompt):
    session = at_prompt()
    session.prompt()
    assert session.command("!interrupt 25 foo") == (
        "err, unexpected parameter 'foo'\n"
        "!interrupt 25 foo\n"
        "              ^\n"
        "hint: see '.help !interrupt'\n")


def test_completes_commands(at_prompt):
    session = at_prompt()
    session.prompt()
    session.type("!int\t")
    session.child.expect_exact("!interrupt ")
    session.type("\x15unl\t")
    session.child.expect_exact("unload ")
    session.type("\x15")
    assert session.leave() == 0


def test_completes_keywords_and_names_inside_a_script(at_prompt):
    session = at_prompt()
    session.prompt()
    session.type("!interrupt ec scr\t")
    session.child.expect_exact("script ")
    session.type("{ print($cont\t")
    session.child.expect_exact("$context")
    session.type("); @rfl\t")
    session.child.expect_exact("@rflags")
    session.child.sendintr()
    session.prompt()
    assert session.leave() == 0


def test_offers_all_candidates_at_the_second_tab(at_prompt):
    session = at_prompt()
    session.prompt()
    session.type("load vmm n\t")
    session.child.expect_exact("pt=o")
    session.type("\t\t")
    session.child.expect_exact("off")
    session.child.expect_exact("on")


def test_an_open_brace_continues_on_the_next_line(at_prompt):
    session = at_prompt()
    session.prompt()
    session.enter("? {")
    session.child.expect_exact("\n")
    session.prompt("> ")
    session.enter("print(2+2);")
    session.prompt("> ")
    session.enter("}")
    assert session.prompt().endswith("4\n")


def test_ctrl_c_abandons_the_unfinished_command(at_prompt):
    session = at_prompt()
    session.prompt()
    session.enter("? {")
    session.child.expect_exact("\n")
    session.prompt("> ")
    session.child.sendintr()
    session.prompt()
    assert session.command("sleep zz").startswith("err, bad number 'zz'\n")


def test_ctrl_c_forgets_the_line_being_typed(at_prompt):
    session = at_prompt()
    session.prompt()
    session.type("nonsense")
    session.child.expect_exact("nonsense")
    session.child.sendintr()
    assert "^C" in session.prompt()
    assert session.command("") == ""
    assert session.leave() == 0


def test_ctrl_c_ends_a_sleep_and_the_prompt_returns(at_prompt):
    session = at_prompt()
    session.prompt()
    session.enter("sleep 0n600000")
    session.child.expect_exact("\n")
    session.child.sendintr()
    session.prompt()
    assert session.leave() == 0


def test_history_is_kept_between_sessions_with_commands_of_several_lines(at_prompt, home):
    first = at_prompt()
    first.prompt()
    first.enter("? {")
    first.child.expect_exact("\n")
    first.prompt("> ")
    first.enter("print(0n41+1); }")
    first.prompt()
    assert first.command(".help sleep").startswith("sleep:")
    assert first.leave() == 0
    file = home / ".local/state/ringside/history"
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600

    second = at_prompt()
    second.prompt()
    second.type("\x1b[A\x1b[A\r")
    assert second.prompt().endswith("2a\n")
    assert second.leave() == 0


def test_a_command_repeated_is_one_entry_of_the_history(at_prompt, home):
    session = at_prompt()
    session.prompt()
    for _ in range(3):
        session.command(".cls")
    session.leave()
    text = (home / ".local/state/ringside/history").read_text()
    assert text.count(".cls") == 1


def test_pasted_documentation_runs_unchanged(at_prompt):
    session = at_prompt()
    session.prompt()
    assert session.command("HyperDbg> .help sleep").startswith("sleep:")
    assert session.command("0: kHyperDbg> .help sleep").startswith("sleep:")
    session.enter("[192.168.1.10:50000] Ringside> .help sleep")
    session.prompt()  # the echo of what was pasted
    assert "\nsleep: " in session.prompt()


def test_a_bracketed_paste_of_several_lines_runs_line_by_line(at_prompt):
    session = at_prompt()
    session.prompt()
    session.type("\x1b[200~Ringside> ? {\n> print(5+5);\n> }\n.help pause\x1b[201~\r")
    session.child.expect("\ra\r\n")
    session.child.expect_exact("pause: ")
    session.prompt()
    assert session.leave() == 0


def test_sigterm_ends_the_program_and_restores_the_terminal(at_prompt):
    session = at_prompt()
    session.prompt()
    session.child.kill(signal.SIGTERM)
    assert session.end() == 1


def test_intro_prints_three_commands_above_the_prompt(at_prompt):
    session = at_prompt("--intro")
    lines = [line for line in session.prompt().split("\n") if line.startswith("    ")]
    assert len(lines) == 3
    assert all(line.startswith("    !interrupt ") for line in lines)


def test_empty_enter_goes_on_with_memory(at_prompt, loopback):  # LEX-10
    debuggee = loopback("--rate", "0")
    session = at_prompt(*debuggee.options, "--load")
    session.prompt(debuggee.prompt)

    def command(line):
        session.enter(line)
        session.child.expect_exact("\n")
        return session.prompt(debuggee.prompt)

    assert command("dd 10000 l 8") == "00000000`00010000  2E2E2E2E 2E2E2E2E\n"
    assert command("") == "00000000`00010008  2E2E2E2E 2E2E2E2E\n"
    assert command("  ") == "00000000`00010010  2E2E2E2E 2E2E2E2E\n"
    assert command("print 1") == "1\n"
    assert command("") == ""
    assert session.leave() == 0
