# SPDX-License-Identifier: GPL-3.0-or-later
"""pytest plugin: --name-filter RE keeps the tests whose id matches, as 'ctest -R' does."""

import re


def pytest_addoption(parser):
    parser.addoption("--name-filter", default="", help="regular expression on the test's id")


def pytest_collection_modifyitems(config, items):
    pattern = config.getoption("--name-filter")
    if not pattern:
        return
    keep = [item for item in items if re.search(pattern, item.nodeid)]
    config.hook.pytest_deselected(items=[item for item in items if item not in keep])
    items[:] = keep
