# SPDX-License-Identifier: GPL-3.0-or-later
"""The link over a serial line (MOD-2): debuggers come and go, the line does not tell."""

import os
import re
import signal
import subprocess

import pytest

from cable import Cable
from terminal import PROGRAM, environment, run

TICK = '!interrupt ec script { printf("tick core %x vector %x\\n", $core, $context); }'


@pytest.fixture
def cable(tmp_path):
    laid = Cable(tmp_path)
    yield laid
    laid.close()


class Line:
    """The loopback agent at one end of a cable, and how to get to it from the other."""

    def __init__(self, loopback, cable, *arguments):
        self.agent = loopback("--serial", cable.agent_path, *arguments)
        self.words = ["--key-file", str(self.agent.key_file)]
        self.connect = f".connect serial {cable.debugger_path}"

    def run(self, home, *commands):
        words = [word for command in (self.connect, *commands) for word in ("-c", command)]
        return run(home, *self.words, *words)


def test_the_story_over_a_line(home, loopback, cable):
    result = Line(loopback, cable).run(home, "load vmm", TICK, "sleep 0n500", "events c all",
                                       "status", "unload")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == f"connected to serial {cable.debugger_path}"
    assert re.fullmatch(r"Ringside \S+ — debuggee: Linux \S+, 2 cores, \w+", lines[1])
    assert "tick core 0 vector ec" in lines and "tick core 1 vector ec" in lines
    assert f"remote, VMI Mode, serial {cable.debugger_path}" in lines
    assert lines[-1] == "vmm: unloaded"


def test_a_terminal_line_at_both_ends(home, loopback, tmp_path):
    cable = Cable(tmp_path, at_pty=True)
    try:
        line = Line(loopback, cable)
        for _ in range(2):
            result = line.run(home, "load vmm", TICK, "sleep 0n300", "unload")
            assert (result.returncode, result.stderr) == (0, "")
            assert "tick core 0 vector ec" in result.stdout
    finally:
        cable.close()


def test_the_prompt_names_the_line(at_prompt, loopback, cable):
    line = Line(loopback, cable)
    session = at_prompt(*line.words)
    session.prompt()
    session.enter(line.connect)
    assert "connected to serial" in session.prompt("[serial line] Ringside> ")
    session.enter(".disconnect")
    session.prompt("disconnected")
    session.prompt()
    assert session.leave() == 0


def test_a_debugger_that_is_killed_leaves_no_event_behind(home, loopback, cable):
    line = Line(loopback, cable, "--rate", "500")
    for _ in range(3):
        child = subprocess.Popen([PROGRAM, *line.words, "-c", line.connect, "-c", "load vmm",
                                  "-c", TICK, "-c", "sleep 0n600000"],
                                 env=environment(home), stdout=subprocess.PIPE, text=True)
        while "tick" not in child.stdout.readline():
            pass
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=20)
        result = line.run(home, "load vmm", "events")
        assert result.stdout.endswith("no events\n"), result.stderr


def test_messages_already_printed_by_scripts_are_shown_before_the_exit(home, loopback, cable):
    result = Line(loopback, cable, "--rate", "1000").run(home, "load vmm", TICK, "sleep 64")
    assert result.returncode == 0
    assert result.stdout.count("tick core") >= 2
    assert result.stdout.endswith("\n")


def test_another_key_is_refused_with_a_hint(home, loopback, cable, tmp_path):
    line = Line(loopback, cable)
    other = tmp_path / "other.key"
    other.write_text("00" * 32 + "\n")
    other.chmod(0o600)
    result = run(home, "--key-file", str(other), "-c", line.connect)
    assert result.returncode == 3
    assert result.stderr.startswith(
        f"err, cannot connect to serial {cable.debugger_path}: the keys differ\nhint: ")
    result = run(home, "--no-key", "-c", line.connect)
    assert result.returncode == 3
    assert line.run(home, "status").returncode == 0


def test_a_path_that_is_no_line_is_said(home):
    result = run(home, "-c", ".connect serial /dev/null", "-c", ".connect serial /nowhere/port")
    assert result.returncode == 3
    assert result.stderr == (
        "err, cannot open serial line /dev/null: it is neither a terminal line nor a unix socket\n"
        "err, cannot open serial line /nowhere/port: No such file or directory\n")


@pytest.mark.full
def test_a_dead_line_is_given_up(home, cable):
    result = run(home, "-c", f".connect serial {cable.debugger_path}", timeout=120)
    assert result.returncode == 3
    assert result.stderr == (
        f"err, cannot connect to serial {cable.debugger_path}: no answer from an agent\n")


def test_ctrl_c_ends_the_wait_for_an_agent(home, cable):
    child = subprocess.Popen([PROGRAM, "-c", f".connect serial {cable.debugger_path}"],
                             env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
    # Its HELLO at the other end says that it waits.
    assert os.read(cable.agent_slave, 4) == b"RSLK"
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)
    assert child.returncode == 130


def test_listen_serves_a_line_until_ctrl_c(home, cable):
    child = subprocess.Popen([PROGRAM, "-c", f".listen serial {cable.agent_path}"],
                             env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
    assert child.stdout.readline() == f"listening on serial line {cable.agent_path}\n"
    # The other side of the same user: same key. Whether there is a module is not asked here.
    result = run(home, "-c", f".connect serial {cable.debugger_path}")
    if not os.path.exists("/dev/ringside"):
        assert result.returncode == 3
        assert "No such file or directory\nhint: " in result.stderr
    child.send_signal(signal.SIGINT)
    output, _ = child.communicate(timeout=20)
    assert (child.returncode, output) == (130, "")


def test_agent_on_a_line_ends_with_0_at_sigterm(home, cable):
    child = subprocess.Popen([PROGRAM, "agent", "--serial", cable.agent_path],
                             env=environment(home), stderr=subprocess.PIPE, text=True)
    assert child.stderr.readline() == f"listening on serial line {cable.agent_path}\n"
    second = run(home, "agent", "--serial", cable.agent_path)
    assert second.returncode == 1
    assert second.stderr.startswith(
        f"err, cannot open serial line {cable.agent_path}: another program uses it\n")
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=20) == 0


@pytest.mark.parametrize("words", [("--serial", "nonsense"), ("--serial", "ttyS0", "--port", "1"),
                                   ("--serial", "ttyS0", "--address", "::1")])
def test_agent_refuses_lines_that_are_none_and_two_places(home, words):
    result = run(home, "agent", *words)
    assert result.returncode == 2
    assert result.stderr.startswith("err, ")
