#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an interrupt costs under Ringside.

instructions   boots a lab whose clock counts instructions (one core) and prints the extra guest
               instructions and VM entries an interrupt for a fixed job interrupted at 10 kHz:
               with nothing hooked, another vector hooked, this vector hooked and false, counting,
               printing every 100th
time           boots an ordinary lab and prints ratios of wall time, absent : loaded : armed,
               interleaved in one boot, minimum of the rounds

usage: bench/interrupt_cost.py [instructions|time] [--vmx] [--rate HZ] [--rounds N] [--build DIR]

--vmx takes the Intel machine in Bochs, whose clock counts instructions, too: how many nanoseconds
each is worth is measured first.
"""

import argparse
import os
import re
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KERNEL_COST = 1627  # instructions of the kernel's own handling of one tick of this job
TIMER = "ec"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["instructions", "time"], default="instructions")
    parser.add_argument("--vmx", action="store_true", help="Bochs instead of QEMU")
    parser.add_argument("--rate", type=int, default=10000, help="interrupts a second")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--millions", type=int, default=80, help="iterations of the job, in millions")
    parser.add_argument("--build", default=str(ROOT / "build"))
    return parser.parse_args()


def job(lab, rate, millions):
    """(nanoseconds, interrupts) of one run."""
    elapsed, interrupts = lab.out(f"interrupt_job {rate} {millions}", timeout=300).split()
    return int(elapsed), int(interrupts)


def nanoseconds_an_instruction(lab, millions):
    """From the job's loop of two instructions, interrupted by the kernel's own tick only."""
    return median([job(lab, 0, millions)[0] for _ in range(3)]) / (2e6 * millions)


def median(values):
    return sorted(values)[len(values) // 2]


def core_counts(lines):
    """(arrivals, exits) of core 0 from the last 'events stat'."""
    rows = [line.split() for line in lines if re.match(r"^0\s+\d+\s+\d+", line)]
    return int(rows[-1][1]), int(rows[-1][5])


def on_other_vectors(count):
    """That many events, at most 64 a vector, none of them on the timer's."""
    return [f"!interrupt {0x30 + i // 64:x} script {{ .other++; }}" for i in range(count)]


COUNTING = f"!interrupt {TIMER} script {{ .ticks++; }}"

VARIANTS = [
    ("loaded, nothing hooked", []),
    ("armed, another vector hooked", ["!interrupt 81 script { .other++; }"]),
    ("hooked, condition false",
     [f"!interrupt {TIMER} script {{ if (@rax == 123456789abcdef) {{ .hits++; }} }}"]),
    ("hooked, count and print every 100th",
     [f"!interrupt {TIMER} script {{ .t++; if (.t % 64 == 0) {{ printf(\"%x\\n\", .t); }} }}"]),
    ("hooked, 16 false conditions",
     [f"!interrupt {TIMER} script {{ if (@rax == 123456789abcdef) {{ .hits++; }} }}"] * 16),
    *((f"armed, {count} events on other vectors", on_other_vectors(count))
      for count in (1, 10, 64, 100, 1000)),
    *((f"hooked, {count} counting", [COUNTING] * count) for count in (1, 8, 64)),
]


def instructions(options, debuggee):
    lab = debuggee.Lab("bench")
    lab.start(*(["--vmx", "--smp", "1"] if options.vmx else ["--icount"]))
    try:
        scale = nanoseconds_an_instruction(lab, options.millions)
        base = median([job(lab, options.rate, options.millions) for _ in range(options.rounds)])
        print(f"job: {options.millions} M iterations at {options.rate} Hz: "
              f"{base[0] / scale:.0f} instructions, {base[1]} interrupts")
        print(f"{'':40}{'instructions':>14}{'VM entries':>12}")
        for name, commands in VARIANTS:
            with debuggee.Session(lab, *commands) as session:
                session.do("events stat")
                before = core_counts(session.lines)
                runs = [job(lab, options.rate, options.millions) for _ in range(options.rounds)]
                session.do("events stat")
                after = core_counts(session.lines)
                session.finish("events c all", "unload")
            elapsed, interrupts = median(runs)
            extra = ((elapsed - base[0]) / scale - (interrupts - base[1]) * KERNEL_COST) / interrupts
            arrivals = after[0] - before[0]
            entries = (after[1] - before[1]) / arrivals if arrivals else 0
            print(f"{name:40}{extra:14.0f}{entries:12.3f}")
            sys.stdout.flush()
    finally:
        lab.stop()


# A fixed amount of work: its wall time is what is compared.
WORK = ("loop, 1 kHz timer", "interrupt_job 1000 60")


def wall_time(options, debuggee):
    lab = debuggee.Lab("bench")
    lab.start()
    seconds = {"absent": [], "loaded": [], "armed": []}
    name, command = WORK
    try:
        def measure(state):
            began = time.monotonic()
            lab.out(command, timeout=300)
            seconds[state].append(time.monotonic() - began)
        for _ in range(options.rounds):
            measure("absent")
            with debuggee.Session(lab) as session:
                measure("loaded")
                session.do("!interrupt script { .all++; }")
                measure("armed")
                session.finish("events c all", "unload")
        absent = min(seconds["absent"])
        print(f"{name:30} absent 1.00  loaded {min(seconds['loaded']) / absent:.2f}  "
              f"armed {min(seconds['armed']) / absent:.2f}")
    finally:
        lab.stop()


def main():
    options = arguments()
    os.environ["RINGSIDE_BUILD"] = options.build
    sys.path.insert(0, str(ROOT / "tests" / "lab"))
    import debuggee
    if options.what == "instructions":
        instructions(options, debuggee)
    else:
        wall_time(options, debuggee)


if __name__ == "__main__":
    main()
