# SPDX-License-Identifier: GPL-3.0-or-later
"""The program without a terminal: -c, --script, pipes, exit codes (specification LEX-11)."""

import os
import signal
import subprocess

import pytest

from terminal import PROGRAM, SOURCE, environment, free_port, run


def test_commands_run_in_order_and_succeed(home):
    result = run(home, "-c", "print 1", "-c", "print 2")
    assert (result.returncode, result.stdout, result.stderr) == (0, "1\n2\n", "")


def test_a_failing_command_does_not_stop_the_rest(home):
    result = run(home, "-c", "xyz", "-c", "print 2")
    assert (result.returncode, result.stdout) == (1, "2\n")
    assert result.stderr == "err, no such command: 'xyz'\nxyz\n^\nhint: see '.help'\n"


def test_batch_stops_at_the_first_failure(home):
    result = run(home, "--batch", "-c", "xyz", "-c", "print 2")
    assert (result.returncode, result.stdout) == (1, "")


def test_exit_ends_the_list(home):
    result = run(home, "-c", "print 1", "-c", "exit", "-c", "print 2")
    assert (result.returncode, result.stdout) == (0, "1\n")


def test_a_pipe_gives_one_command_a_line_and_braces_span_lines(home):
    result = run(home, stdin="print 1\n? {\n print(2);\n}\nprint 3")
    assert (result.returncode, result.stdout, result.stderr) == (0, "1\n2\n3\n", "")


def test_a_file_on_stdin_works_like_a_pipe(home, tmp_path):
    file = tmp_path / "commands"
    file.write_text("print 1\r\nprint 2\n")
    with open(file, encoding="utf-8") as stdin:
        result = subprocess.run([PROGRAM], stdin=stdin, env=environment(home), capture_output=True,
                                text=True, timeout=30, check=False)
    assert (result.returncode, result.stdout) == (0, "1\n2\n")


def test_an_unfinished_command_at_the_end_is_an_error(home):
    result = run(home, stdin="? {\nprint(1);\n")
    assert result.returncode == 1
    assert result.stderr.startswith("err, '{' without '}'\n? {\n  ^")


def test_closed_stdin_is_no_commands(home):
    assert run(home).returncode == 0


def test_a_script_file_takes_arguments_and_comments(home, tmp_path):
    file = tmp_path / "demo.ds"
    file.write_text("# a comment of the command layer\n? printf(\"%x\", $arg1);\nprint $arg2\n")
    result = run(home, "--script", str(file), "10", "20")
    assert (result.returncode, result.stdout) == (0, "1020\n")


@pytest.mark.parametrize("path,reason", [("/nonexistent/x", "No such file or directory"),
                                         ("/", "Is a directory")])
def test_a_script_file_that_cannot_be_read(home, path, reason):
    result = run(home, "--script", path)
    assert result.returncode == 1
    assert result.stderr == f"err, cannot read '{path}': {reason}\n"


@pytest.mark.parametrize("arguments", [["--nope"], ["-c"], ["--script"], ["nope"],
                                       ["--connect", "1.2.3.4:99999", "-c", "events"],
                                       ["-c", "events", "--script", "x"],
                                       ["--connect", "local", "--lab"],
                                       ["--no-key", "--key-file", "x"]])
def test_wrong_options_end_with_2(home, arguments):
    result = run(home, *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("err, ")
    assert result.stdout == ""


def test_a_mistyped_option_gets_a_suggestion(home):
    assert "did you mean '--connect'?" in run(home, "--conect=1.2.3.4").stderr


def test_help_and_version(home):
    assert run(home, "--version").stdout == "ringside 0.1.0\n"
    text = run(home, "--help")
    assert text.returncode == 0
    for word in ["-c", "--script", "--batch", "--connect", "--lab", "doctor", "agent", "exit codes"]:
        assert word in text.stdout


def test_nobody_listening_ends_with_3(home):
    result = run(home, "--connect", f"127.0.0.1:{free_port()}", "-c", "events")
    assert result.returncode == 3
    assert "Connection refused" in result.stderr


def test_a_connect_command_that_fails_ends_with_3(home):
    result = run(home, "-c", f".connect 127.0.0.1 0n{free_port()}", "-c", "print 1")
    assert result.returncode == 1, "a port is decimal without prefix"
    result = run(home, "-c", f".connect 127.0.0.1 {free_port()}", "-c", "print 1")
    assert (result.returncode, result.stdout) == (3, "1\n")


def test_no_module_ends_with_3(home):
    if os.path.exists("/dev/ringside"):
        pytest.skip("this machine has the module loaded")
    result = run(home, "-c", ".connect local")
    assert result.returncode == 3
    assert result.stderr.startswith("err, cannot open /dev/ringside: No such file or directory\nhint: ")


def test_a_lab_that_does_not_run_ends_with_3(home):
    result = run(home, "--lab", "no-such-lab", "-c", "events")
    assert result.returncode == 3
    assert result.stderr.startswith("err, no lab named 'no-such-lab' is running\nhint: ")


def test_ctrl_c_ends_with_130_and_runs_nothing_more(home):
    child = subprocess.Popen([PROGRAM, "-c", "print 1", "-c", "sleep 0n600000", "-c", "print 2"],
                             env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
    assert child.stdout.readline() == "1\n"  # printed: the sleep is next
    # The signal handler is in place from the start, so the moment does not matter.
    child.send_signal(signal.SIGINT)
    output, errors = child.communicate(timeout=20)
    assert (child.returncode, output, errors) == (130, "", "")


def test_a_reader_that_goes_away_ends_the_program_quietly(home):
    child = subprocess.Popen([PROGRAM], env=environment(home), stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    child.stdout.close()
    try:
        child.stdin.write("print 1\n" * 5000)
        child.stdin.close()
    except BrokenPipeError:
        pass
    assert child.wait(timeout=20) == 0
    assert child.stderr.read() == ""


def test_not_connected_is_said_by_every_command_that_needs_it(home):
    for command in ["events", "events c all", "status", ".status", "load vmm", "unload", "g", "pause",
                    ".disconnect", "!interrupt ec script { print(1); }"]:
        result = run(home, "-c", command)
        assert result.returncode == 1, command
        assert result.stderr.startswith("err, not connected to a debuggee\n"), command


@pytest.mark.parametrize("command,message", [
    (".connect nonsense", "err, bad ip address"),
    (".connect 127.0.0.1 99999", "err, bad port"),
    (".connect 127.0.0.1 0", "err, bad port"),
    (".connect", "err, wrong use of '.connect'"),
    (".connect a b c", "err, wrong use of '.connect'"),
    (".connect local 5", "err, wrong use of '.connect'"),
    (".connect serial", "err, wrong use of '.connect'"),
    (".connect serial nonsense", "err, bad serial port"),
    (".connect serial com5", "err, bad serial port"),
    (".connect serial ttyS0 115200", "err, wrong use of '.connect'"),
    (".listen serial", "err, wrong use of '.listen'"),
    (".listen serial nonsense", "err, bad serial port"),
    (".listen serial ttyS0 1", "err, wrong use of '.listen'"),
    (".listen serial /dev/null", "err, cannot open serial line /dev/null: it is neither a terminal "
                                 "line nor a unix socket"),
    (".listen 50000 50001", "err, wrong use of '.listen'"),
    ("events x", "err, wrong use of 'events'"),
    ("events e", "err, wrong use of 'events'"),
    ("events e zz", "err, bad event number 'zz'"),
    ("load", "err, wrong use of 'load'"),
    ("load kd", "err, 'kd' is not available in this version"),
    ("load vmm npt=maybe", "err, 'npt' takes on or off"),
    ("load vmm msg_ring_kb=3", "err, 'msg_ring_kb' takes a power of two from 40 to 1000 (hex)"),
    ("load vmm foo", "err, unexpected parameter 'foo'"),
    ("sleep", "err, wrong use of 'sleep'"),
    ("sleep 10000000000000000", "err, number too large: '10000000000000000'"),
    (".help nope", "err, no help for 'nope'"),
    ("!interrupt ec script {", "err, '{' without '}'"),
    ("!interrupt 25", "err, this event would break, which needs Debugger Mode; give it a script or code "
                      "in VMI Mode"),
    ("!interrupt script {file:/nope}", "err, cannot read '/nope': No such file or directory"),
    ("!interrupt script {file:/}", "err, cannot read '/': Is a directory"),
    ("? nope(", "line 1, column "),
    ("!interrupt script { @nope = 1; }", "line 1, column "),
])
def test_bad_input_gets_its_sentence(home, command, message):
    result = run(home, "-c", command)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith(message)
    assert "\n" in result.stderr


def test_a_script_with_an_error_is_told_with_its_place_and_not_accepted(home):
    result = run(home, "-c", "!interrupt ec script {\n print(1);\n nope = qqq;\n}")
    assert result.returncode == 1
    assert "line 3, column " in result.stderr
    assert result.stderr.endswith("err, script not accepted\n")


def test_every_command_has_help_with_an_example(home):
    overview = run(home, "-c", ".help").stdout
    names = [line.split()[0] for line in overview.split("\n\n")[0].splitlines()]
    assert "!interrupt" in names and "exit" in names
    for name in names:
        text = run(home, "-c", f".help {name}")
        assert text.returncode == 0
        assert text.stdout.startswith(f"{name}: ")
        assert "syntax:" in text.stdout and "example" in text.stdout


def test_help_of_interrupt_has_six_examples_and_the_range(home):
    text = run(home, "-c", ".help !interrupt").stdout
    assert text.count("\n    !interrupt ") >= 7  # the syntax line and six examples
    assert "20 to ff" in text


def test_doctor_ends_with_0_or_4_and_says_why(home):
    result = run(home, "doctor")
    assert result.returncode in (0, 4)
    assert result.stdout.startswith("processor ")
    assert ("cannot be virtualized" in result.stdout) == (result.returncode == 4)


PAGE_NAMES = {"?": "evaluate", "~": "core", ".switch": "attach", ".detach": "attach", ".logopen": "log", ".logclose": "log",
              **dict.fromkeys(["u2", "!u2"], "u"), **dict.fromkeys(["kd", "kq"], "k"),
              **dict.fromkeys(["x", "lm", ".sym"], "symbols"), ".thread": "process",
              **dict.fromkeys(["rdmsr", "wrmsr"], "msr"), "!ioapic": "apic",
              **dict.fromkeys(["!va2pa", "!pa2va"], "pte"),
              **dict.fromkeys(["t", "tr", "p", "pr", "i", "ir", "gu"], "step"),
              **dict.fromkeys(["bp", "bl", "be", "bd", "bc"], "breakpoints"),
              **dict.fromkeys([mark + what + unit for mark in ("", "!") for what in "des"
                               for unit in ("bcdq" if what == "d" else "bdq")], "memory")}


def test_every_command_has_a_page_with_its_syntax_and_examples(home):
    overview = run(home, "-c", ".help").stdout
    for name in [line.split()[0] for line in overview.split("\n\n")[0].splitlines()]:
        page = SOURCE / "docs/commands" / (PAGE_NAMES.get(name, name.lstrip(".!")) + ".md")
        text = page.read_text(encoding="utf-8")
        shown = run(home, "-c", f".help {name}").stdout
        for line in shown.splitlines():
            if line.startswith("    "):
                assert line.strip() in text, f"{page.name}: {line.strip()}"
