#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that each source file names its licence on one of its first lines, and the right one.

usage: tools/check_spdx.py [--root DIR]
"""

import argparse
import os
import re
import sys

from source_files import ROOT, source_files

PROGRAM = "GPL-3.0-or-later"
KERNEL = "GPL-2.0-or-later"
SHARED = "(GPL-2.0-or-later WITH Linux-syscall-note) OR MIT"

# First match wins: path prefix (a folder ends in '/'), licences allowed there.
RULES = [
    ("uapi/ringside/", [SHARED]),
    ("uapi/", [KERNEL]),
    ("core/", [KERNEL]),
    ("linux/", [KERNEL]),
    ("cmake/", [PROGRAM, KERNEL]),   # the files that build core/ and linux/ go with them
    ("tests/lab/kick/", [KERNEL]),  # linked into the kernel
    ("", [PROGRAM]),
]

SUFFIXES = (".h", ".hpp", ".c", ".cpp", ".S", ".cmake", ".py", ".sh", ".in", ".ds", ".clang-format",
            ".clang-tidy")
NAMES = ("CMakeLists.txt", "Kbuild", "Makefile")
DATA = ("tests/language/scripts/", "tests/fuzz/seeds/")  # inputs of tests, exact to the byte
TAG = re.compile(r"SPDX-License-Identifier: *(.*?) *(?:\*/)?$", re.MULTILINE)


def needs_tag(path, head):
    if path.startswith(DATA):
        return False
    name = os.path.basename(path)
    return name.endswith(SUFFIXES) or name in NAMES or head.startswith("#!")


def check_file(root, path):
    """What is wrong with one file, or None."""
    with open(os.path.join(root, path), "rb") as source:
        head = source.read(400).decode("utf-8", "replace")
    if not needs_tag(path, head):
        return None
    allowed = next(licences for prefix, licences in RULES if path.startswith(prefix))
    found = TAG.search("\n".join(head.split("\n")[:3]))
    if not found:
        return f"{path}:1: no SPDX-License-Identifier in the first three lines"
    if found.group(1) not in allowed:
        return f"{path}:1: licence is '{found.group(1)}', here it must be '{allowed[0]}'"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=ROOT, help="tree to check")
    root = os.path.abspath(parser.parse_args().root)
    errors = [error for path in source_files(root) if (error := check_file(root, path))]
    for error in errors:
        print(error, file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
