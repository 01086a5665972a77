# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the session tests."""

import os
import pathlib
import secrets
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import terminal  # noqa: E402  (found through the line above)


@pytest.fixture
def home(tmp_path):
    return tmp_path


@pytest.fixture
def at_prompt(home):
    """Opens the program at a terminal; closes what the test leaves open."""
    opened = []

    def start(*arguments):
        opened.append(terminal.Terminal(home, *arguments))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


class Loopback:
    """A debuggee without a kernel: the real agent and event engine, two interrupts on each core."""

    def __init__(self, folder, *arguments):
        self.key_file = folder / "loopback.key"
        with open(os.open(self.key_file, os.O_WRONLY | os.O_CREAT, 0o600), "w",
                  encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
        self.child = subprocess.Popen(
            [terminal.BUILD / "tests/session/loopback_agent", "--key-file", self.key_file, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = int(self.child.stdout.readline().split()[1])
        self.options = ["--connect", f"127.0.0.1:{self.port}", "--key-file", str(self.key_file)]
        self.prompt = f"[127.0.0.1:{self.port}] Ringside> "

    def kill(self):
        self.child.kill()
        self.child.wait()


@pytest.fixture
def loopback(tmp_path):
    started = []

    def start(*arguments):
        started.append(Loopback(tmp_path, *arguments))
        return started[-1]

    yield start
    for one in started:
        one.kill()
