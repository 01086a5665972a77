#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts a JUnit file of ctest or pytest.

usage: tools/junit_summary.py FILE

Prints 'PASSED FAILED SKIPPED', then a line 'failed NAME' or 'skipped NAME: reason' for each test
that did not pass. A missing or broken file counts as one failure: the runner died.
"""

import sys
import xml.etree.ElementTree as ElementTree


def summarize(path):
    """(passed, [failed names], [(skipped name, reason)]) of the JUnit file at `path`."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        return 0, [f"{path}: {error}"], []
    passed, failed, skipped = 0, [], []
    for case in root.iter("testcase"):
        name = case.get("name", "?")
        if case.get("classname") not in (None, "", name):
            name = f"{case.get('classname')}::{name}"
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(name)
        elif skip is not None or case.get("status") in ("notrun", "disabled"):
            reason = (skip.get("message") if skip is not None else None) or "not run"
            skipped.append((name, reason.split("\n")[0]))
        else:
            passed += 1
    return passed, failed, skipped


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    passed, failed, skipped = summarize(sys.argv[1])
    print(passed, len(failed), len(skipped))
    for name in failed:
        print("failed", name)
    for name, reason in skipped:
        print(f"skipped {name}: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
