# SPDX-License-Identifier: GPL-3.0-or-later
"""Debugger Mode as the user has it: `ringside --lab NAME --debug` (specification 5.1, 13.2)."""

import os
import re
import signal
import subprocess

import pexpect
import pytest

from debuggee import PROGRAM, run
from halted_test import check_steps, places

PLACE = r"(?:\w+![\w.]+(?:\+0x[0-9a-f]+)?:\n)?[0-9a-f`]{17}    [0-9A-F]+ +\S.*\n"
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


@pytest.fixture
def debugged(lab):
    yield lab
    lab.shell("debug-prepare close")  # in Bochs its line is the agent's again


@pytest.fixture
def debugged_svm(lab_svm):
    yield lab_svm


def debug(lab, *commands, options=(), status=0):
    """Runs commands in Debugger Mode; what was said below the lines of the connection."""
    result = run("--lab", lab.name, "--debug", *options,
                 *[word for command in commands for word in ("-c", command)], timeout=240)
    assert result.returncode == status, f"status {result.returncode}\n{result.stdout}{result.stderr}"
    connected = re.match(rf"debuggee connected: \S+, debuggee\nRingside .*, \d+ cores, (SVM|VMX)\n{PLACE}",
                         result.stdout)
    assert connected, result.stdout
    return result.stdout[connected.end():], result.stderr


def test_the_transcript_of_the_specification(debugged):
    """5.1, with the local timer's vector, which comes by itself."""
    for _ in range(2):  # the second debugger finds the machine prepared
        said, told = debug(debugged, "!interrupt ec core 1 stage all", "events", "g",
                           r'? printf("%llx %x %x\n", $context, $event_stage, $core);', "g", "events c 0",
                           "events c all", "g", status=1)
        match = re.fullmatch(
            r"([0-9a-f]+)\t\(enabled\)\t    !interrupt ec core 1 stage all\n"
            "running...\n"
            rf"event 0x\1 triggered \(pre\)\n({PLACE})"
            "ec 0 1\n"
            "running...\n"
            rf"event 0x\1 triggered \(post\)\n({PLACE})"
            "running...\n", said)
        assert match, said + told
        # Delivered to the place that it interrupted; VMX takes it at an exit where the guest may not
        # be able to, and delivers it further on (docs/decisions/0009).
        assert match.group(2) == match.group(3) or debugged.runs_in_bochs()
    # Its events are gone, and the machine runs.
    assert "no events\n" in debugged.out("ringside -c '.connect local' -c events")


def test_steps_from_the_interrupt_into_its_handler_and_on(debugged):
    """BRK-4 on both vendors."""
    said, told = debug(debugged, "!interrupt ec core 1", "g", "t", "i 4", "events c all", "t 4", "p 4", "r rflags",
                       "gu", "g")
    assert told == ""
    walk = places(said.splitlines())[1:]  # behind the break
    assert len(walk) == 14
    assert walk[0].text == "clac" or walk[0].text.startswith("endbr")
    check_steps(walk[:13])
    flags = int(re.search("^rflags=(.*)$", said, re.M)[1], 16)
    assert flags & 0x100 == 0, "the trap flag is seen"
    assert debugged.answers()


def test_a_halt_that_does_not_come_ends_it_with_5(debugged_svm):
    said, told = debug(debugged_svm, "g", "k", "k", options=("--wait", "2"), status=5)
    assert said == "running...\n"
    assert told == "err, the debuggee did not halt within 2 s\nhint: 'pause' or Ctrl+C halts it\n"
    assert debugged_svm.answers()


def test_sleep_and_pause_do_not_wait(debugged_svm):
    said, told = debug(debugged_svm, '!interrupt ec core 1 script { printf("tick %x\\n", $core); }', "g",
                       "sleep 0n500", "pause", "~ 1", "test", options=("--wait", "0"))
    assert told == ""
    match = re.fullmatch(rf"running...\n(?:tick 1\n)+{PLACE}(?:tick 1\n)*operating core is now 0x1\n{PLACE}"
                         r"(?:.* ok\n)+\d passed, 0 failed\n", said)
    assert match, said


def test_commands_of_a_file_and_json(debugged_svm, tmp_path):
    file = tmp_path / "commands"
    file.write_text("!interrupt $arg1 core 1\ng\nr rip\n")
    result = run("--lab", debugged_svm.name, "--debug", "--json", "--batch", "--script", file, "ec")
    assert result.returncode == 0, result.stdout
    assert '"kind":"halt","reason":"request",' in result.stdout
    assert '"kind":"halt","reason":"event","core":1,' in result.stdout


def test_a_debugger_that_is_killed_leaves_the_machine_to_the_next(debugged_svm):
    child = subprocess.Popen([PROGRAM, "--lab", debugged_svm.name, "--debug"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    for _ in range(3):
        child.stdout.readline()  # the third comes with the halt
    child.kill()
    child.communicate()
    said, _ = debug(debugged_svm, "test query")  # the machine still stands: no shell answers
    assert "core 0x0: operates\n" in said
    assert debugged_svm.answers()


class Prompt:
    def __init__(self, lab, *options):
        environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
        self.child = pexpect.spawn(str(PROGRAM), ["--lab", lab.name, "--debug", *options], encoding="utf-8",
                                   env=environment, timeout=120, dimensions=(50, 200))

    def prompt(self, core="[01]"):
        self.child.expect(f"({core}): kRingside> ")
        return CONTROL.sub("", self.child.before)

    def command(self, line, core="[01]"):
        self.child.send(line + "\r")
        self.child.expect_exact("\n")
        return self.prompt(core)

    def runs(self):
        self.child.send("g\r")
        self.child.expect_exact("running...\r\n")

    def close(self):
        self.child.close(force=True)

    def ends_with(self, status):
        self.child.expect(pexpect.EOF)
        self.child.close()
        assert self.child.exitstatus == status


@pytest.fixture
def at_prompt(debugged_svm):
    """Opens prompts. One that a failing test leaves open would leave the machine halted."""
    opened = []

    def start(*options):
        opened.append(Prompt(debugged_svm, *options))
        return opened[-1]

    yield start
    for one in opened:
        if one.child.isalive():
            one.child.kill(signal.SIGTERM)
            one.child.expect(pexpect.EOF)
        one.close()


def test_at_the_prompt_g_runs_and_ctrl_c_halts(debugged_svm, at_prompt):
    one = at_prompt("--intro")
    intro = one.prompt()
    commands = re.findall("^    (.*)$", intro, re.M)
    assert len(commands) == 3 and "'g' lets it run, Ctrl+C halts it" in intro
    # What the intro offers does what it says.
    assert one.command(commands[0]) == ""
    assert re.fullmatch(rf"running...\nevent 0x[0-9a-f]+ triggered \(pre\)\n{PLACE}", one.command("g", core="1"))
    assert one.command(commands[1]).startswith("[")  # a line of the stack, whatever was interrupted
    assert re.fullmatch(r"core 1 was running \S+ \(pid [0-9a-f]+\), vector ec\n", one.command(commands[2]))
    assert one.command("events c all") == ""
    # What scripts print is shown while it runs.
    assert one.command('!interrupt ec script { printf("tick %x\\n", $core); }') == ""
    one.runs()
    for core in ("0", "1"):
        one.child.expect_exact(f"tick {core}\r\n")
    one.child.sendintr()
    assert re.search(f"\n{PLACE}$", one.prompt())
    one.child.sendintr()
    assert "paused" not in one.prompt()
    one.child.sendeof()
    one.ends_with(0)
    assert debugged_svm.answers()


@pytest.mark.parametrize("is_running", [False, True])
def test_sigterm_lets_the_machine_run(debugged_svm, at_prompt, is_running):
    one = at_prompt()
    one.prompt()
    if is_running:
        one.runs()
    one.child.kill(signal.SIGTERM)
    one.ends_with(1)
    assert debugged_svm.answers()


def test_vmi_mode_works_behind_it(debugged):
    """Over the agent's line too, which Debugger Mode had in Bochs."""
    debug(debugged, "!interrupt ec core 1", "g", "k")
    result = run("--lab", debugged.name, "--load", "-c", "events", "-c", "unload", timeout=240)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.endswith("no events\nvmm: unloaded\n")
