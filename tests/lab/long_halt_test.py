# SPDX-License-Identifier: GPL-3.0-or-later
"""BRK-6: what watches over the kernel's time reports nothing after the machine stood still for long,
and no interrupt is lost or counted twice over halts."""

import re
import subprocess
import time

import pytest

from conftest import Keeper, unload
from counts import counting_commands, kernel_counts, print_kept, script_counts
from debuggee import PROGRAM, Background, Session, wait_until
from interrupts_test import MARKER, compare

# Whoever looks at the clock finds these limits far behind after a halt.
APPEND = "rcupdate.rcu_cpu_stall_timeout=5"
WATCHDOG_S = 2  # soft lockup: twice that
HUNG_TASK_S = 8
SHORT_S = 12
HELD_BACK_BY_US = 4  # core/vcpu/watchdogs.hpp
GRACE_S = 30

# A task that waits uninterruptibly: the detector of hung tasks sees it waiting, for it looks every 2
# seconds at first, and has patience again before it looks for a second time.
BLOCKED_TASK = ("echo 2 >/proc/sys/kernel/hung_task_timeout_secs; sleep 2; "
                "(echo stay 900 >/proc/kick &) ; usleep 20000; (echo count >/proc/kick &) ; usleep 1900000; "
                f"echo {HUNG_TASK_S} >/proc/sys/kernel/hung_task_timeout_secs")


class HaltingSession(Session):
    """The program at the debug link of a debuggee in QEMU. Commands for the halted machine only may
    be waited for."""

    def __init__(self, lab):
        assert lab.shell("debug-prepare").returncode == 0, "it cannot be made a debuggee"
        self.lab = lab
        self.patience = lab.patience()
        self.process = self.start([PROGRAM])
        self.lines = []
        self.synchronized = 0
        self.do(f".debug remote pause shmem {lab.path('debug memory')} {lab.path('debug socket')}")

    def pause(self):
        self.do("pause")

    def go(self):
        self.give("g")


@pytest.fixture
def watched_lab(own_folders):
    """A debuggee whose watchdogs have little patience, of its own: their settings are none that
    another test would want."""
    keeper = Keeper("test-halt", "--smp", "2", "--append", APPEND)
    lab = keeper.get()
    try:
        yield lab
        keeper.check()
        unload(lab)
        keeper.check()
    finally:
        keeper.drop()


def nmis(lab):
    """As the kernel counts them, by core."""
    return [int(word) for word in re.findall(r"\d+", lab.out("grep NMI: /proc/interrupts"))]


def stall_suppression(lab):
    return int(lab.out("cat /sys/module/rcupdate/parameters/rcu_cpu_stall_suppress"))


def halt_under_load(lab, halt_s, load_s):
    """Halts a machine that works, and lets it work on."""
    lab.kick("count")
    lab.out(f"echo {WATCHDOG_S} >/proc/sys/kernel/watchdog_thresh")
    # By the debuggee's clock, which the halt may pass by: an HPET wraps after 43 s.
    load = [Background(lab, "workload mixed 20"), *(Background(lab, f"spin {core} 18") for core in (0, 1))]
    with HaltingSession(lab) as session:
        session.go()
        lab.out(BLOCKED_TASK)
        blocked = lab.out("ps -o stat | grep -c ^D").strip()
        before = nmis(lab)
        session.pause()
        time.sleep(halt_s)
        session.go()
        after = nmis(lab)
        resumed = time.monotonic()
        assert stall_suppression(lab) == HELD_BACK_BY_US
        wait_until(lambda: lab.shell("ps -o stat | grep -q ^D").returncode != 0, "the blocked task")
        for work in load:
            work.finish(halt_s + 120)
        lab.out(f"workload mixed {load_s}", timeout=load_s + 60)
        wait_until(lambda: stall_suppression(lab) == 0, "stalls to be reported again", 2 * GRACE_S)
        assert time.monotonic() - resumed > GRACE_S - 5
        session.finish()
    assert int(blocked) >= 1, "nobody waited"
    assert after == [count + 1 for count in before], "one NMI on each core"


def test_nobody_reports_a_halt_of_12_s(watched_lab):
    halt_under_load(watched_lab, SHORT_S, 10)


@pytest.mark.full
def test_nobody_reports_a_halt_of_10_min(watched_lab):
    halt_under_load(watched_lab, 600, 60)


def test_short_halts_cost_no_nmi_each(lab_svm):
    """Each core gets one when it has stood for 200 ms in all."""
    before = nmis(lab_svm)
    began = time.monotonic()
    with HaltingSession(lab_svm) as session:
        for _ in range(50):
            session.go()
            session.pause()
        session.go()
        session.finish()
    stood_s = time.monotonic() - began
    for first, last in zip(before, nmis(lab_svm)):
        assert last - first <= min(stood_s / 0.2, 25)


def test_interrupts_are_counted_exactly_over_halts(lab_svm):
    """INT-2, DLV-1: as many as the kernel handled, over twenty short halts and one of 3 s."""
    cores = lab_svm.cores()
    groups = {group for core in kernel_counts(lab_svm.kick("snap")).values() for _, group in core}
    vectors = sorted({vector for group in groups for vector in group})
    with HaltingSession(lab_svm) as session:
        session.do(*counting_commands(vectors, cores, MARKER))
        session.go()
        first = lab_svm.kick("mark")
        load = Background(lab_svm, "workload mixed 11")
        session.pause()
        session.do(print_kept(vectors, cores, MARKER))
        for cycle in range(20):
            session.go()
            time.sleep(0.2)
            session.pause()
            if cycle == 10:
                time.sleep(3)
        session.go()
        load.finish()
        last = lab_svm.kick("mark")
        session.pause()
        session.do(print_kept(vectors, cores, MARKER), "events c all")
        session.go()
        lines = session.finish()
    total = compare(cores, first, last, script_counts(lines), lines)
    print(f"{total} interrupts")
    assert total > 2000
