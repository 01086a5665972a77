# SPDX-License-Identifier: GPL-3.0-or-later
"""The program at a terminal, and the program without one."""

import os
import pathlib
import re
import socket
import subprocess

import pexpect

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("RINGSIDE_BUILD", SOURCE / "build"))
PROGRAM = BUILD / "ringside"

# What readline and the terminal add: bracketed paste, colours, cursor movements.
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def environment(home):
    """A user of our own: no history, no key, no colour, a plain terminal."""
    result = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    result.update(HOME=str(home), TERM="xterm", NO_COLOR="1", COLUMNS="200", LINES="50")
    result.pop("RINGSIDE_DEVICE", None)
    return result


def run(home, *arguments, stdin=None, timeout=30):
    """Runs the program without a terminal; the result has returncode, stdout and stderr."""
    source = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
    return subprocess.run([str(PROGRAM), *arguments], env=environment(home), capture_output=True,
                          text=True, timeout=timeout, check=False, **source)


def free_port():
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Terminal:
    """The program's prompt at a pty."""

    def __init__(self, home, *arguments):
        self.child = pexpect.spawn(str(PROGRAM), list(arguments), env=environment(home),
                                   encoding="utf-8", timeout=10, dimensions=(50, 200))

    def prompt(self, text="Ringside> "):
        """Waits for the prompt and returns what was printed before it."""
        self.child.expect_exact(text)
        return CONTROL.sub("", self.child.before)

    def type(self, text):
        self.child.send(text)

    def enter(self, line):
        self.child.send(line + "\r")

    def command(self, line):
        """Types a line at the prompt and returns what it printed."""
        self.enter(line)
        printed = self.prompt()
        # The terminal's echo is the first line.
        return printed.split("\n", 1)[1] if "\n" in printed else ""

    def leave(self):
        """Ctrl+D; returns the exit code."""
        self.child.sendeof()
        return self.end()

    def end(self):
        self.child.expect(pexpect.EOF)
        self.child.close()
        return self.child.exitstatus if self.child.exitstatus is not None else -self.child.signalstatus

    def close(self):
        self.child.close(force=True)
