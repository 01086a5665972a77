# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that test.sh gives to pytest.

--name-filter RE keeps the tests whose id matches, as 'ctest -R' does. Tests marked 'full' take
minutes: they run with --full-run only, and are reported as skipped otherwise. So are those marked
'neutral' on the slower of two machines: what they look at knows no vendor.
"""

import re

import pytest


def pytest_addoption(parser):
    parser.addoption("--name-filter", default="", help="regular expression on the test's id")
    parser.addoption("--emulator", choices=("qemu", "bochs"), help="only lab tests in this one")
    parser.addoption("--full-run", action="store_true", help="also run tests marked 'full'")


def pytest_configure(config):
    config.addinivalue_line("markers", "full: takes minutes, only with ./test.sh --full")
    config.addinivalue_line("markers", "neutral: no vendor matters, in Bochs only with ./test.sh --full")


def pytest_collection_modifyitems(config, items):
    pattern = config.getoption("--name-filter")
    if pattern:
        chosen = [item for item in items if re.search(pattern, item.nodeid)]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen
    if not config.getoption("--full-run"):
        for item in items:
            if item.get_closest_marker("full") or (item.get_closest_marker("neutral") and "vmx" in item.name):
                item.add_marker(pytest.mark.skip(reason="only with --full"))
