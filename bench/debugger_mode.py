#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast Debugger Mode is (specification BRK-1): halts, steps, memory and messages over shared
memory and over a serial line, beside VMI Mode over an agent and gdb at QEMU's gdbstub, all on one
lab, one after the other in each round.

usage: bench/debugger_mode.py [--rounds N] [--seconds N] [--halts N] [--build DIR]

Prints the median of the rounds, of times also the worst, and ratios to shared memory (above 1: it
is that much faster). QEMU only: in Bochs time depends on instructions. Its TSC is the host's, so
the debuggee's times and ours are one clock's.
"""

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAM_STEPS = 500

# Name, its lines in the table, whether it is a time.
MEASURES = [
    ("pause-to-report", "pause to report, ms", True),
    ("break-to-stand", "break to all cores stand, ms", True),
    ("break-to-report", "break to report, ms", True),
    ("requests", "requests (all registers) a second", False),
    ("step-i", "steps 'i' a second", False),
    ("step-t", "steps 't' a second", False),
    ("program-i", "steps 'i' a second, program and text", False),
    ("memory", "memory read, KB a second", False),
    ("memory-16", "memory read, 16 bytes each, a second", False),
    ("messages", "messages a second", False),
]
WAYS = ["shmem", "serial", "vmi", "gdb"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2, help="of each rate")
    parser.add_argument("--halts", type=int, default=50, help="of each kind a round")
    parser.add_argument("--build", default=str(ROOT / "build"))
    return parser.parse_args()


class Results:
    """What was measured: (way, measure) to a value a round, and the worst of the times."""

    def __init__(self):
        self.values = {}
        self.worst = {}

    def add(self, way, measure, value, worst=0.0):
        self.values.setdefault((way, measure), []).append(value)
        self.worst[way, measure] = max(worst, self.worst.get((way, measure), 0))

    def median(self, way, measure):
        return statistics.median(self.values[way, measure]) if (way, measure) in self.values else None

    def cell(self, way, measure, is_time):
        value = self.median(way, measure)
        if value is None:
            return "-"
        if is_time:
            return f"{1000 * value:.2f} / {1000 * self.worst[way, measure]:.1f}"
        return f"{value / 1000:.0f}" if measure == "memory" else f"{value:.0f}"

    def ratio(self, way, measure, is_time):
        """How much faster shared memory is."""
        first, other = self.median("shmem", measure), self.median(way, measure)
        if not first or not other:
            return "-"
        return f"{other / first if is_time else first / other:.2f}"

    def show(self):
        print(f"{'':38}" + "".join(f"{way:>15}" for way in WAYS) +
              "".join(f"{'shmem:' + way:>14}" for way in WAYS[1:]))
        for measure, text, is_time in MEASURES:
            print(f"{text:38}" + "".join(f"{self.cell(way, measure, is_time):>15}" for way in WAYS) +
                  "".join(f"{self.ratio(way, measure, is_time):>14}" for way in WAYS[1:]))


class Gdbstub:
    """The debugger's end of gdb's remote protocol."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(60)
        self.received = b""
        self.ask("qSupported:multiprocess+;vContSupported+;swbreak+")
        self.send("QStartNoAckMode")
        self.answer()
        self.ask("?")

    def send(self, text):
        self.socket.sendall(b"$%s#%02x" % (text.encode(), sum(text.encode()) % 256))

    def answer(self):
        while not (match := re.search(rb"\$([^#]*)#..", self.received)):
            got = self.socket.recv(0x10000)
            assert got, "the gdbstub has hung up"
            self.received += got
        self.received = self.received[match.end():]
        return match[1].decode()

    def ask(self, text):
        self.send(text)
        return self.answer()

    def interrupt(self):
        self.socket.sendall(b"\x03")
        return self.answer()

    def close(self):
        self.ask("D;1")
        self.socket.close()


def rate(seconds, work):
    """How often `work` is done a second; what it returns is added up, or counted."""
    began = time.monotonic()
    done = 0
    while time.monotonic() - began < seconds:
        done += work() or 1
    return done / (time.monotonic() - began)


def stepping_rate(program):
    """Steps a second of a program that is given a number of steps, without its start."""
    start = min(program(1) for _ in range(2))
    return PROGRAM_STEPS / max(program(PROGRAM_STEPS) - start, 1e-3)


def measure_gdb(lab, options, results, text_address):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monitor(lab, f"gdbserver tcp:127.0.0.1:{port}")
    stub = Gdbstub(port)
    pauses = []
    for i in range(options.halts):
        stub.send("vCont;c")
        time.sleep((5 + i % 7) / 1000)
        began = time.monotonic()
        stub.interrupt()
        pauses.append(time.monotonic() - began)
    results.add("gdb", "pause-to-report", statistics.median(pauses), max(pauses))

    def read(length):
        answer = stub.ask(f"m{text_address:x},{length:x}")
        assert len(answer) == 2 * length, answer
        return length
    results.add("gdb", "requests", rate(options.seconds, lambda: len(stub.ask("g")) and 1))
    results.add("gdb", "step-i", rate(options.seconds, lambda: stub.ask("vCont;s:p1.1") and 1))
    results.add("gdb", "step-t", rate(options.seconds, lambda: stub.ask("vCont;s:p1.1;c") and 1))
    results.add("gdb", "memory", rate(options.seconds, lambda: read(0x7f0)))  # its packets hold 0x1000
    results.add("gdb", "memory-16", rate(options.seconds, lambda: read(16) and 1))
    stub.close()
    if shutil.which("gdb"):
        def program(steps):
            began = time.monotonic()
            subprocess.run(["gdb", "-nx", "-batch", "-ex", "set arch i386:x86-64", "-ex",
                            "set style enabled off", "-ex", "display/i $pc",
                            "-ex", f"target remote 127.0.0.1:{port}", "-ex", "set scheduler-locking on",
                            *["-ex", "stepi"] * steps, "-ex", "detach"],
                           capture_output=True, check=True, timeout=120)
            return time.monotonic() - began
        results.add("gdb", "program-i", stepping_rate(program))
    monitor(lab, "gdbserver none")


def monitor(lab, command):
    """One command for QEMU's monitor."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(lab.path("root log").parent / "qmp"))
        stream = connection.makefile("rw")
        stream.readline()
        for execute in ({"execute": "qmp_capabilities"},
                        {"execute": "human-monitor-command", "arguments": {"command-line": command}}):
            stream.write(json.dumps(execute) + "\n")
            stream.flush()
            while not {"return", "error"} & (answer := json.loads(stream.readline())).keys():
                pass
            assert "return" in answer, answer


def measure(options, results, way, words):
    """Runs the driver over one link."""
    said = subprocess.run([f"{options.build}/bench/debugger_mode", *words, "--seconds", str(options.seconds),
                           "--halts", str(options.halts)], stdout=subprocess.PIPE, text=True, check=True,
                          timeout=600).stdout
    for line in said.splitlines():
        name, *values = line.split()
        is_time = any(name == known and is_time for known, _, is_time in MEASURES)
        results.add(way, name, float(values[0]), float(values[1]) if is_time else 0)


def measure_program(lab, debuggee, results):
    def program(steps):
        began = time.monotonic()
        said = debuggee.run("--lab", lab.name, "--debug", "-c", f"i 0n{steps}")
        assert said.returncode == 0, said.stderr
        return time.monotonic() - began
    results.add("shmem", "program-i", stepping_rate(program))


def one_round(lab, debuggee, options, results):
    def inside(*commands):
        return lab.out("ringside --batch " + " ".join(f"-c '{command}'" for command in commands))
    memory, line = lab.path("debug memory"), lab.path("debug socket")
    inside(".debug prepare shmem ttyS1")
    measure(options, results, "shmem", ["--memory", memory, "--bell", line])
    measure_program(lab, debuggee, results)
    inside(".connect local", ".debug close")
    inside(".debug prepare serial 115200 ttyS1")
    measure(options, results, "serial", ["--line", line])
    inside(".connect local", ".debug close", "unload vmm")
    port = re.search(r"agent \S+:(\d+)", lab.status().stdout)[1]
    measure(options, results, "vmi", ["--agent", port, "--key", lab.path("key")])
    lab.shell("ringside -c '.connect local' -c 'unload vmm'")
    measure_gdb(lab, options, results, int(lab.out("grep ' _text$' /proc/kallsyms").split()[0], 16))


def main():
    options = arguments()
    os.environ["RINGSIDE_BUILD"] = options.build
    sys.path.insert(0, str(ROOT / "tests" / "lab"))
    import debuggee  # pylint: disable=import-outside-toplevel
    lab = debuggee.Lab("bench-debugger")
    lab.start("--smp", "2")
    results = Results()
    try:
        # Busy cores: an idle one halts more easily, and interrupts no script.
        lab.out("for core in 0 1; do spin $core 3600 >/dev/null & done")
        for _ in range(options.rounds):
            one_round(lab, debuggee, options, results)
    finally:
        lab.stop()
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{os.cpu_count()} processors, load {load}; median of {options.rounds} rounds, times / worst of "
          f"{options.rounds * options.halts}")
    results.show()


if __name__ == "__main__":
    main()
