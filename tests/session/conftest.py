# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the session tests."""

import pathlib
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
