#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks every #include against the table of who may include whom.

usage: tools/check_includes.py [--table | --root DIR]

The table below is the only place where the rule stands; CONTRIBUTING.md prints it (--table), and
this check fails when the two differ. Exit status: 0 fine, 1 a violation, 2 wrong options.
"""

import argparse
import os
import re
import sys

from source_files import ROOT, source_files

# Places ("rooms") are folders, or single files that are their own room. A row: room, rooms it may
# include besides itself, kind of <system> headers it may include.
FREESTANDING = "freestanding"
HOSTED = "hosted"
LINUX = "linux"
NONE = "none"

DEBUGGER_CORE = ["uapi", "core/base", "core/x86", "core/ring", "core/script"]
DEBUGGER_LEAVES = ["language", "symbols", "disasm", "output", "transport"]


def debugger(*folders):
    return DEBUGGER_CORE + ["debugger/" + folder for folder in folders]


TABLE = [
    ("uapi", [], NONE),
    ("core/base", ["uapi"], FREESTANDING),
    ("core/x86", ["core/base"], FREESTANDING),
    ("core/ring", ["core/base", "uapi"], FREESTANDING),
    ("core/script", ["core/base", "core/x86", "uapi"], FREESTANDING),
    ("core/event", ["core/base", "core/x86", "core/ring", "core/script", "uapi"], FREESTANDING),
    ("core/memory", ["core/base", "core/x86"], FREESTANDING),
    ("core/apic", ["core/base", "core/x86"], FREESTANDING),
    ("core/platform.hpp", ["core/base", "core/memory", "core/event", "core/core_api.h", "uapi"],
     FREESTANDING),
    ("core/platform.cpp", ["core/base", "core/memory", "core/event", "core/core_api.h", "uapi",
                           "core/platform.hpp"], FREESTANDING),
    ("core/sandbox", ["core/base", "core/x86", "core/memory", "core/event", "uapi"], FREESTANDING),
    ("core/vcpu", ["core/base", "core/x86", "core/apic", "core/memory", "core/script", "core/event",
                   "core/sandbox", "uapi", "core/platform.hpp"], FREESTANDING),
    ("core/inspect", ["core/base", "core/x86", "core/apic", "core/memory", "core/script", "core/vcpu",
                      "uapi"], FREESTANDING),
    ("core/svm", ["core/base", "core/x86", "core/memory", "core/vcpu"], FREESTANDING),
    ("core/vmx", ["core/base", "core/x86", "core/memory", "core/vcpu"], FREESTANDING),
    ("core/monitor", ["core/base", "core/x86", "core/apic", "core/memory", "core/event", "core/vcpu",
                      "core/inspect", "uapi"], FREESTANDING),
    ("core/debug", ["core/base", "core/x86", "core/ring", "core/script", "core/event",
                    "core/memory", "core/vcpu", "core/inspect", "core/monitor", "uapi",
                    "core/platform.hpp"], FREESTANDING),
    ("core/session", ["core/base", "core/x86", "core/ring", "core/script", "core/event",
                      "core/memory", "core/vcpu", "core/inspect", "core/monitor", "uapi",
                      "core/platform.hpp", "core/core_api.h"], FREESTANDING),
    ("core/core_api.h", ["uapi"], NONE),
    ("core/core_api.cpp", ["core/*", "uapi"], FREESTANDING),
    ("linux", ["uapi", "core/core_api.h"], LINUX),
    ("debugger/language", debugger(), HOSTED),
    ("debugger/symbols", debugger(), HOSTED),
    ("debugger/disasm", debugger(), HOSTED),
    ("debugger/assembler", debugger(), HOSTED),
    ("debugger/output", debugger(), HOSTED),
    ("debugger/transport", debugger(), HOSTED),
    ("debugger/debuggee", debugger(*DEBUGGER_LEAVES), HOSTED),
    ("debugger/commands", debugger("assembler", "debuggee", *DEBUGGER_LEAVES), HOSTED),
    ("debugger/api", debugger("assembler", "commands", "debuggee", *DEBUGGER_LEAVES), HOSTED),
    ("debugger/agent", debugger("transport"), HOSTED),
    ("debugger/lab", DEBUGGER_CORE, HOSTED),
    ("debugger/app", ["debugger/*"] + DEBUGGER_CORE, HOSTED),
    ("tests", ["*"], HOSTED),
    ("bench", ["*"], HOSTED),
    ("examples", ["debugger/api", "uapi"], HOSTED),
]

# Where an #include "name" is looked up besides the including file's own folder, per part.
SEARCH = {
    "uapi": ["uapi"],
    "core": ["core", "uapi"],
    "linux": ["core", "uapi"],
    "debugger": ["debugger", "debugger/api", "core", "uapi"],
    "tests": ["tests", "debugger", "debugger/api", "core", "uapi"],
    "bench": ["bench", "tests", "debugger", "debugger/api", "core", "uapi"],
    "examples": ["debugger/api", "uapi"],
}

# Usable without an operating system below, with gcc and clang.
FREESTANDING_HEADERS = frozenset("""
algorithm array atomic bit climits compare concepts cstdarg cstddef cstdint initializer_list
iterator limits new numeric optional ratio span string_view tuple type_traits utility version
stdarg.h stddef.h stdint.h limits.h
""".split())

# uapi headers compile for the kernel, for C and for C++: fixed-width types come by these alone.
UAPI_SYSTEM_HEADERS = frozenset(["linux/types.h", "linux/ioctl.h", "stdint.h", "stddef.h",
                                 "cstdint", "cstddef", "sys/ioctl.h"])

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
SUFFIXES = (".h", ".hpp", ".c", ".cpp", ".S")


def room_of(path):
    """The room a file belongs to: its row's name, longest match first; None if no row has it."""
    best = None
    for room, _, _ in TABLE:
        if (path == room or path.startswith(room + "/")) and (best is None or len(room) > len(best)):
            best = room
    return best


def allows(allowed, room):
    return any(entry in ("*", room) or (entry.endswith("/*") and room.startswith(entry[:-1]))
               for entry in allowed)


def resolve(root, includer, name):
    """The project file an #include "name" means, or None."""
    part = includer.split("/", 1)[0]
    folders = [os.path.dirname(includer)] + SEARCH.get(part, [])
    for folder in folders:
        path = os.path.normpath(os.path.join(folder, name))
        if os.path.isfile(os.path.join(root, path)):
            return path
    return None


def is_generated(root, room, name):
    """Whether a header of that name is made in the build folder from a NAME.in of the same room."""
    return any(path.startswith(room + "/") and os.path.basename(path) == os.path.basename(name) + ".in"
               for path in source_files(root))


def system_header_error(room, kind, name):
    if kind == NONE and not (room == "uapi" and name in UAPI_SYSTEM_HEADERS):
        return f"<{name}>: no system header here"
    if kind == FREESTANDING and name not in FREESTANDING_HEADERS:
        return f"<{name}>: needs an operating system (core/ is freestanding)"
    if kind == LINUX and not name.startswith(("linux/", "asm/", "generated/", "uapi/")):
        return f"<{name}>: the shim includes Linux headers only"
    return None


def check_file(root, path):
    """Violations of one file, each as 'line: text'."""
    with open(os.path.join(root, path), encoding="utf-8") as source:
        text = source.read()
    room = room_of(path)
    if room is None:
        return [f"1: {path} is in no folder of the include table (tools/check_includes.py)"]
    _, allowed, kind = next(row for row in TABLE if row[0] == room)
    errors = []
    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        quoted, system = match.groups()
        name = quoted or system
        target = resolve(root, path, name)
        if target is None or (system and not target.startswith("uapi/")):
            # <...> names a system header unless it is one of our shared headers.
            error = (system_header_error(room, kind, name) if system
                     else f'"{name}": no such file in the project')
            if error and not (quoted and is_generated(root, room, name)):
                errors.append(f"{line}: {error}")
            continue
        target_room = room_of(target)
        if target_room is None:
            errors.append(f'{line}: "{name}" is in no folder of the include table')
        elif target_room != room and not allows(allowed, target_room):
            errors.append(f'{line}: {room} may not include "{name}" of {target_room}')
        elif path.endswith((".h", ".c")) and target.endswith(".hpp"):
            errors.append(f'{line}: "{name}" is C++, and this file is C')
    return errors


def markdown():
    """The table for CONTRIBUTING.md."""
    system = {NONE: "none", FREESTANDING: "freestanding standard headers",
              HOSTED: "any", LINUX: "Linux headers"}
    lines = ["| Folder | May include, besides itself | System headers |", "|---|---|---|"]
    for room, allowed, kind in TABLE:
        names = ", ".join(f"`{name}`" if name != "*" else "all" for name in allowed) or "nothing"
        lines.append(f"| `{room}` | {names} | {system[kind]} |")
    return "\n".join(lines) + "\n"


def check(root, out=sys.stderr):
    """Number of violations below `root`; each is written to `out`."""
    count = 0
    for path in source_files(root):
        if path.endswith(SUFFIXES) and path.split("/", 1)[0] in SEARCH:
            for error in check_file(root, path):
                print(f"{path}:{error}", file=out)
                count += 1
    guide = os.path.join(root, "CONTRIBUTING.md")
    if os.path.isfile(guide):
        with open(guide, encoding="utf-8") as text:
            if markdown() not in text.read():
                print("CONTRIBUTING.md:1: its include table differs from 'tools/check_includes.py "
                      "--table'", file=out)
                count += 1
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="print the table as Markdown")
    parser.add_argument("--root", default=ROOT, help="tree to check")
    options = parser.parse_args()
    if options.table:
        sys.stdout.write(markdown())
        return 0
    return 1 if check(os.path.abspath(options.root)) else 0


if __name__ == "__main__":
    sys.exit(main())
