# SPDX-License-Identifier: GPL-3.0-or-later
"""Debugger Mode from the debugger's side, against a debuggee that only pretends (specification 5.1,
13.2); and its commands without a link."""

import json
import signal
import time

import pytest

from fake_debuggee import EVENT, NR_PAUSE, NR_SETTINGS, NR_SWITCH_CORE, POST, TASK, FakeDebuggee
from terminal import run

CONNECTED = ("waiting for a debuggee ...\n"
             "debuggee connected: 6.1.0-fake, guest\n"
             "Ringside 0.1.0 — debuggee: Linux 6.1.0-fake, 2 cores, SVM\n")
PLACE = ("vmlinux!default_idle+0xb:\n"
         "ffffffff`81c3a2cb    F4                                  hlt\n")
BREAK = {"reason": EVENT, "core": 1, "event": 3}


@pytest.fixture
def debuggee(tmp_path):
    started = []

    def start(*halts):
        started.append(FakeDebuggee(tmp_path, halts))
        return started[-1]

    yield start
    for one in started:
        one.close()


def commands(one, *words, verb="pause "):
    """Options that connect and run these."""
    return [word for command in (f".debug remote {verb}namedpipe {one.path}", *words)
            for word in ("-c", command)]


@pytest.mark.parametrize("command, told", [
    (".debug", "wrong use of '.debug'"),
    (".debug nonsense", "wrong use of '.debug'"),
    (".debug remote", "wrong use of '.debug'"),
    (".debug remote pause", "wrong use of '.debug'"),
    (".debug remote prepare serial 115200 ttyS0", "wrong use of '.debug'"),
    (".debug prepare pause serial 115200 ttyS0", "wrong use of '.debug'"),
    (".debug remote serial 115201 ttyS0", "bad baud rate"),
    (".debug prepare serial 0x1c200 ttyS0", "bad baud rate"),
    (".debug remote serial 9600 nonsense", "bad serial port"),
    (".debug prepare serial 9600 ttyS4", "bad serial port"),
    (".debug prepare shmem /tmp/x", "bad serial port"),
    (".debug close now", "wrong use of '.debug'"),
    (".debug close", "not connected to a debuggee"),
    ("g", "not connected to a debuggee"),
    ("pause", "not connected to a debuggee"),
    ("g now", "wrong use of 'g'"),
    ("~", "only in Debugger Mode, while the debuggee is halted"),
    ("~ 1", "only in Debugger Mode, while the debuggee is halted"),
    ("~ 1 2", "wrong use of '~'"),
    ("test", "only in Debugger Mode, while the debuggee is halted"),
    ("test query", "only in Debugger Mode, while the debuggee is halted"),
    ("prealloc", "wrong use of 'prealloc'"),
    ("prealloc nonsense 10", "unknown pool type 'nonsense'"),
    ("prealloc regular-event zz", "bad count 'zz'"),
    ("prealloc regular-event 0", "bad count '0'"),
    ("prealloc regular-event 10", "not connected to a debuggee"),
])
def test_without_a_debuggee_each_says_what_is_missing(home, command, told):
    result = run(home, "-c", command)
    assert result.returncode == 1
    assert result.stderr.splitlines()[0] == f"err, {told}"
    assert result.stdout == ""


def test_a_way_that_is_not_there_ends_with_3(home):
    for where in ("namedpipe /nonexistent/socket", "shmem /nonexistent/memory"):
        result = run(home, "-c", f".debug remote {where}")
        assert result.returncode == 3
        assert "/nonexistent/" in result.stderr


def test_in_vmi_mode_they_say_so(home, loopback):
    agent = loopback("--rate", "0")
    result = run(home, *agent.options, "--load", "-c", "prealloc regular-event 10", "-c", "~", "-c", "test",
                 "-c", "events sc on", "-c", "!interrupt ec", "-c", "pause", "-c", "g", "-c", ".status")
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "notice: in VMI Mode memory is taken when it is needed; nothing has to be reserved",
        "err, only in Debugger Mode, while the debuggee is halted",
        "err, only in Debugger Mode, while the debuggee is halted",
        "err, only in Debugger Mode",
        "events sc on",
        "       ^",
        "err, this event would break, which needs Debugger Mode; give it a script or code in VMI Mode",
        "hint: see '.help !interrupt'"]
    assert result.stdout.splitlines()[-2:] == ["paused", f"remote, VMI Mode, 127.0.0.1:{agent.port}"]


def test_a_command_behind_g_waits_for_the_halt(home, debuggee):
    one = debuggee(BREAK, {**BREAK, "stage": POST}, None)
    result = run(home, *commands(one, "~", "g", "~", "g", "~", "g"))
    assert result.stderr == ""
    assert result.stdout == (
        f"{CONNECTED}{PLACE}operating core: 0x0\n"
        f"running...\nevent 0x3 triggered (pre)\n{PLACE}operating core: 0x1\n"
        f"running...\nevent 0x3 triggered (post)\n{PLACE}operating core: 0x1\n"
        "running...\n")
    assert result.returncode == 0
    assert one.has_said_bye
    assert one.requests.count(NR_SETTINGS) == 1 and NR_PAUSE not in one.requests


@pytest.mark.parametrize("batch", [[], ["--batch"]])
def test_a_halt_that_does_not_come_ends_it_with_5(home, debuggee, batch):
    one = debuggee(None)
    began = time.monotonic()
    result = run(home, *batch, "--wait", "1", *commands(one, "g", "~", "~", ".help g"))
    assert time.monotonic() - began < 8
    assert result.returncode == 5
    assert result.stderr == ("err, the debuggee did not halt within 1 s\n"
                             "hint: 'pause' or Ctrl+C halts it\n")
    assert result.stdout.endswith("running...\n")
    assert one.has_said_bye


def test_a_script_ends_with_it_too(home, debuggee, tmp_path):
    file = tmp_path / "commands"
    file.write_text("g\n~\n~\n")
    result = run(home, "--wait", "0", *commands(debuggee(), f".script {file}", "~"))
    assert result.returncode == 5
    assert result.stderr.count("err, ") == 1
    assert result.stdout.endswith("running...\nkRingside (running)> ~\n")


def test_pause_sleep_and_status_do_not_wait(home, debuggee):
    one = debuggee()
    result = run(home, "--wait", "0", *commands(one, "g", "sleep 10", ".help g", ".status", "pause", "~",
                                                "pause", "status"))
    assert (result.returncode, result.stderr) == (0, "")
    shown = result.stdout[result.stdout.index("running...\n"):]
    assert "\ndebugger, Debugger Mode\n" + PLACE + "operating core: 0x0\n" in shown
    assert f"{PLACE}operating core: 0x0\ndebuggee, Debugger Mode\n" in shown
    assert one.requests.count(NR_PAUSE) == 1


def test_without_pause_the_machine_runs_until_it_is_wanted(home, debuggee):
    one = debuggee()
    result = run(home, *commands(one, "pause", "~", ".disconnect", ".status", verb=""))
    assert result.stdout == CONNECTED + PLACE + "operating core: 0x0\ndisconnected\n"
    assert result.stderr.startswith("err, not connected to a debuggee")
    assert one.requests.count(NR_SETTINGS) == 1


def test_another_core_operates(home, debuggee):
    result = run(home, *commands(debuggee(), "~ 1", "~", "~ 1", "~ zz"))
    assert result.returncode == 1
    now = f"operating core is now 0x1\n{PLACE}"
    assert result.stdout == f"{CONNECTED}{PLACE}{now}operating core: 0x1\n{now}"
    assert result.stderr.startswith("err, no such core\n")


def test_halts_are_records_of_their_own(home, debuggee):
    result = run(home, "--json", *commands(debuggee(BREAK), "g", "~ 0"))
    assert (result.returncode, result.stderr) == (0, "")
    asked, triggered, switched = [one for one in map(json.loads, result.stdout.splitlines())
                                  if one["kind"] == "halt"]
    place = {"schema": "ringside/1", "kind": "halt", "core": 0, "pid": 0x2a, "tid": 0x2b, "event": None,
             "stage": None, "breakpoint": None, "rip": "0xffffffff81c3a2cb",
             "symbol": "vmlinux!default_idle+0xb", "instruction": "hlt", "text": PLACE}
    assert asked == {**place, "reason": "request"}
    assert triggered == {**place, "reason": "event", "core": 1, "event": 3, "stage": "pre",
                         "text": "event 0x3 triggered (pre)\n" + PLACE}
    assert switched == {**place, "reason": "switch", "text": "operating core is now 0x0\n" + PLACE}


def test_the_log_has_halts(home, debuggee, tmp_path):
    log = tmp_path / "log"
    run(home, *commands(debuggee(BREAK), f".logopen {log}", "g", "~"))
    assert log.read_text() == (f"0: kRingside> g\nrunning...\nkRingside (running)> ~\n"
                               f"event 0x3 triggered (pre)\n{PLACE}operating core: 0x1\n")


def test_a_pipe_takes_the_same_commands(home, debuggee):
    one = debuggee(BREAK)
    result = run(home, stdin=f".debug remote pause namedpipe {one.path}\ng\n~\n")
    assert result.returncode == 0
    assert result.stdout.endswith("running...\nevent 0x3 triggered (pre)\n" + PLACE + "operating core: 0x1\n")


def test_a_debuggee_that_dies_ends_it_with_3(home, debuggee):
    one = debuggee({"reason": 99})
    one.halts_now = lambda **how: (one.dies() if how.get("reason") == 99 else
                                   FakeDebuggee.halts_now(one, **how))
    result = run(home, *commands(one, "g", "~"))
    assert result.returncode == 3
    assert result.stderr.startswith("err, the connection was lost\n")


class Prompt:
    """A prompt that has just become the debugger of a halted machine."""

    def __init__(self, at_prompt, one):
        self.session = at_prompt()
        self.session.prompt()
        self.session.enter(f".debug remote pause namedpipe {one.path}")
        assert PLACE in self.session.prompt("0: kRingside> ")

    def command(self, line, prompt="0: kRingside> "):
        self.session.enter(line)
        self.session.child.expect_exact("\n")
        return self.session.prompt(prompt)

    def runs(self):
        self.session.enter("g")
        self.session.child.expect_exact("running...\r\n")


def test_the_prompt_comes_back_with_the_halt(at_prompt, debuggee):
    prompt = Prompt(at_prompt, debuggee(BREAK))
    assert prompt.command("g", "1: kRingside> ") == "running...\nevent 0x3 triggered (pre)\n" + PLACE
    assert prompt.command("~", "1: kRingside> ") == "operating core: 0x1\n"
    assert prompt.session.leave() == 0


def test_ctrl_c_halts_a_machine_that_runs_and_clears_a_line_where_it_stands(at_prompt, debuggee):
    one = debuggee()
    prompt = Prompt(at_prompt, one)
    for pauses in (1, 2):
        prompt.runs()
        prompt.session.child.sendintr()
        assert prompt.session.prompt("0: kRingside> ") == "^C\n" + PLACE
        assert one.requests.count(NR_PAUSE) == pauses
    # A key that Ctrl+C takes away again must not be waited for.
    for text in ("", *["nonsense"] * 10):
        prompt.session.type(text)
        prompt.session.child.sendintr()
        assert "paused" not in prompt.session.prompt("0: kRingside> ")
    assert one.requests.count(NR_PAUSE) == 2
    assert prompt.session.leave() == 0
    assert one.has_said_bye


def test_sigterm_ends_it_in_order(at_prompt, debuggee):
    one = debuggee()
    prompt = Prompt(at_prompt, one)
    prompt.runs()
    prompt.session.child.kill(signal.SIGTERM)
    assert prompt.session.end() == 1
    assert one.has_said_bye and NR_PAUSE not in one.requests


def test_at_the_prompt_a_lost_debuggee_leaves_the_program(at_prompt, debuggee):
    one = debuggee()
    prompt = Prompt(at_prompt, one)
    prompt.runs()
    one.dies()
    assert prompt.session.prompt("Ringside> ").startswith("err, the connection was lost\n")
    assert prompt.session.command("print 1") == "1\n"
    assert prompt.session.leave() == 0


def test_the_intro_of_debugger_mode_needs_a_lab(home):
    assert run(home, "--debug").returncode == 2
    result = run(home, "--lab", "nosuch", "--debug", "--intro")
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.startswith("err, no lab named 'nosuch' is running\n")
    for wrong in ("5s", "0x5", "-1"):
        assert run(home, "--wait", wrong).returncode == 2


SWITCHED = "notice: this command lets the debuggee run for a moment\n"
RUN_TO_PROCESS, RUN_TO_THREAD = 5, 6


@pytest.mark.parametrize("command, text, run_to", [
    (".process pid 1ddc", "process 1ddc", (RUN_TO_PROCESS, 0x1ddc)),
    (".thread tid 1ddd", "thread 1ddd of process 1ddc", (RUN_TO_THREAD, 0x1ddd)),
])
def test_a_halted_machine_runs_until_a_task_does(home, debuggee, command, text, run_to):
    one = debuggee({"reason": TASK, "core": 1, "pid": 0x1ddc, "tid": 0x1ddd})
    one.tasks = [(1, 1), (0x1ddc, 0x1ddc), (0x1ddc, 0x1ddd)]
    one.on_cores = [(1, 1), (0, 0)]
    result = run(home, *commands(one, command, "~"))
    assert result.stderr == SWITCHED  # CMD-1
    assert result.stdout == f"{CONNECTED}{PLACE}now in {text}\n{PLACE}operating core: 0x1\n"
    assert result.returncode == 0
    assert one.runs[0] == (run_to[0], 0xffffffff81200000, run_to[1])


def test_a_task_that_runs_already_is_switched_to(home, debuggee):
    one = debuggee()
    one.tasks = [(5, 5), (5, 6)]
    one.on_cores = [(0, 0), (5, 6)]
    result = run(home, *commands(one, ".process pid 5", ".process pid 5"))
    assert result.stderr == ""
    assert result.stdout == f"{CONNECTED}{PLACE}" + f"now in process 5\n{PLACE}" * 2
    assert one.requests.count(NR_SWITCH_CORE) == 1
    assert one.runs == []


def test_another_halt_ends_the_waiting_for_a_task(home, debuggee):
    one = debuggee(BREAK)
    one.tasks = [(5, 5)]
    result = run(home, *commands(one, ".process pid 5", "~"))
    assert result.stdout.endswith(f"{PLACE}event 0x3 triggered (pre)\n{PLACE}operating core: 0x1\n")
    assert result.stderr == SWITCHED + "notice: process 5 has not run meanwhile\n"


def test_a_task_that_does_not_run_ends_it_with_5(home, debuggee):
    one = debuggee(None)
    one.tasks = [(5, 5)]
    result = run(home, "--wait", "1", *commands(one, ".thread tid 5", "~"))
    assert result.stderr == SWITCHED + ("err, the debuggee did not halt within 1 s\n"
                                        "hint: 'pause' or Ctrl+C halts it\n")
    assert result.returncode == 5
