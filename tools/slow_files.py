#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which steps of the last build took longest, from ninja's log.

usage: tools/slow_files.py [BUILD_FOLDER [COUNT]]      (default: build 15)
"""

import os
import sys


def steps(path):
    """(milliseconds, output) of each output's latest step, longest first."""
    latest = {}
    with open(path, encoding="utf-8") as log:
        for line in log:
            if not line.startswith("#"):
                start, end, _, output, _ = line.rstrip("\n").split("\t")
                latest[output] = int(end) - int(start)
    return sorted(((time, output) for output, time in latest.items()), reverse=True)


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else "build"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 15
    path = os.path.join(folder, ".ninja_log")
    if not os.path.isfile(path):
        print(f"err, no build in '{folder}'", file=sys.stderr)
        return 1
    rows = steps(path)
    print(f"{sum(time for time, _ in rows) / 1000:.1f} s in {len(rows)} steps")
    for time, output in rows[:count]:
        print(f"{time / 1000:6.1f} s  {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
