#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast messages leave root mode: 'imm yes', 'imm no' and the mapped ring in one run of one boot,
as ratios to 'imm yes' (specification MSG-3, API-13).

usage: bench/message_rate.py [--vmx] [--seconds N] [--build DIR]
"""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vmx", action="store_true", help="Bochs instead of QEMU")
    parser.add_argument("--seconds", type=int, default=5, help="of each way")
    parser.add_argument("--build", default=str(ROOT / "build"))
    options = parser.parse_args()
    os.environ["RINGSIDE_BUILD"] = options.build
    sys.path.insert(0, str(ROOT / "tests" / "lab"))
    import debuggee  # pylint: disable=import-outside-toplevel
    lab = debuggee.Lab("bench-messages")
    lab.start("--smp", "2", *(["--vmx"] if options.vmx else []))
    try:
        said = lab.out(f"spin 0 {20 * options.seconds} >/dev/null & "
                       f"message_rate {options.seconds}; status=$?; killall spin; exit $status",
                       timeout=60 + 10 * options.seconds)
    finally:
        lab.stop()
    rows = [line.split() for line in said.splitlines()]
    base = float(rows[0][1])
    print(f"{'':10}{'prints/s':>12}{'bytes/s':>12}{'lost':>12}{'ratio':>8}")
    for name, prints, size, lost in rows:
        print(f"{name:10}{prints:>12}{size:>12}{lost:>12}{float(prints) / base:8.2f}")


if __name__ == "__main__":
    main()
