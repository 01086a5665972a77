# SPDX-License-Identifier: GPL-3.0-or-later
"""The link over the debuggee's second serial line, which the emulator holds at a unix socket."""

import re
import subprocess

import pytest

from debuggee import PROGRAM, run

TICK = '!interrupt ec script { printf("tick %x\\n", $core); }'
FLOOD = '!interrupt script { printf("vector %x on core %x, and more text to fill a line\\n", ' \
        '$context, $core); }'


@pytest.fixture
def lab(lab_svm):
    """These are about QEMU."""
    return lab_svm


class Line:
    """An agent on the debuggee's ttyS1, and the way to it from here."""

    LOG = "/tmp/serial-agent.log"

    def __init__(self, lab):
        self.lab = lab
        self.words = [str(PROGRAM), "--key-file", str(lab.path("key")), "-c",
                      f".connect serial {lab.path('debug socket')}"]
        # It says so when it has the line.
        self.pid = lab.out(
            f"rm -f {self.LOG}; ringside agent --serial ttyS1 --key-file /etc/ringside.key "
            f"</dev/null >{self.LOG} 2>&1 & pid=$!; "
            f"until grep -q listening {self.LOG}; do kill -0 $pid || exit; usleep 20000; done; "
            "echo $pid").strip()

    def with_commands(self, *commands):
        return self.words + [word for command in commands for word in ("-c", command)]

    def debugger(self, *commands, timeout=120):
        result = run(*self.with_commands(*commands)[1:], timeout=timeout)
        assert result.returncode == 0, f"{result.stdout}{result.stderr}\nagent: {self.log()}"
        return result.stdout

    def killed_debugger(self, *commands):
        """A debugger that dies when it has shown the first text of its events."""
        child = subprocess.Popen(self.with_commands(*commands, "sleep 0n600000"), text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        seen = []
        for line in child.stdout:
            seen.append(line)
            if re.match("tick|vector", line):
                break
        child.kill()
        child.communicate()
        assert re.match("tick|vector", seen[-1]), "".join(seen) + self.log()

    def log(self):
        return self.lab.out(f"cat {self.LOG}")

    def stop(self):
        self.lab.out(f"kill {self.pid}; while kill -0 {self.pid} 2>/dev/null; do usleep 20000; done")


@pytest.fixture
def line(lab):
    one = Line(lab)
    yield one
    one.stop()


def test_interrupts_are_shown_over_the_line(line):
    said = line.debugger("load vmm", TICK, "sleep 0n1500", "events d all", "sleep 0n500",
                         "events stat all", "unload")
    assert "connected to serial " in said
    shown = len(re.findall("^tick [01]$", said, re.M))
    counted = int(re.search(r"messages +(\d+)", said).group(1))
    assert re.search(r"lost messages +0$", said, re.M)
    assert shown == counted > 100


def test_debuggers_come_and_go(line):
    for _ in range(3):
        assert "vmm loaded            no" in line.debugger("status")
    assert line.log().splitlines() == (
        ["listening on serial line /dev/ttyS1"] +
        3 * ["a debugger is connected", "link ended: the debugger left"])


def test_a_debugger_that_is_killed_leaves_nothing_behind(line):
    for event in (TICK, FLOOD):
        line.killed_debugger("load vmm", event)
        assert line.debugger("events").endswith("no events\n")
    assert "link ended: another debugger came" in line.log()
    line.debugger("unload")


def test_commands_go_through_while_more_is_printed_than_the_line_carries(line):
    said = line.debugger("load vmm", FLOOD, FLOOD, FLOOD, "sleep 0n3000", "events c all", "events",
                         "unload")
    assert said.count("vector ec on core 0") > 50
    assert "no events\n" in said
    assert said.endswith("vmm: unloaded\n")
