# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the project, as the checks see them.

usage: tools/source_files.py --c++ | --shell      prints C and C++ files, or shell scripts
"""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def git_files(root):
    """What git tracks or would track below `root`; None if it is no checkout or there is no git."""
    try:
        listing = subprocess.run(
            ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    except FileNotFoundError:
        return None
    if listing.returncode != 0:
        return None
    return [name for name in listing.stdout.decode().split("\0") if name]


def source_files(root=ROOT):
    """Paths relative to `root`, sorted: what git tracks or would track; without git, all but builds."""
    names = git_files(root)
    if names is None:
        names = []
        for folder, folders, files in os.walk(root):
            folders[:] = [f for f in folders if f != ".git" and not f.startswith("build")]
            names += [os.path.relpath(os.path.join(folder, name), root) for name in files]
    return sorted(name for name in set(names) if os.path.isfile(os.path.join(root, name)))


def is_shell_script(path):
    with open(os.path.join(ROOT, path), "rb") as source:
        return source.readline() in (b"#!/bin/bash\n", b"#!/bin/sh\n")


def main():
    if sys.argv[1:] == ["--c++"]:
        chosen = [name for name in source_files() if name.endswith((".cpp", ".hpp", ".h", ".c"))]
    elif sys.argv[1:] == ["--shell"]:
        chosen = [name for name in source_files() if is_shell_script(name)]
    else:
        print(__doc__, file=sys.stderr)
        return 2
    print("\n".join(chosen))
    return 0


if __name__ == "__main__":
    sys.exit(main())
