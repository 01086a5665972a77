# SPDX-License-Identifier: GPL-3.0-or-later
"""Load, arm, unload, again and again; and clients that die in between."""

import re

import pytest

from debuggee import Background, Session

WARM_UP = 2
COUNT_ALL = ("? .all = 0;", "!interrupt script { .all++; }")
SLACK_KB = 4096  # free memory wobbles by this much without us


def free_memory_kb(lab):
    """Memory not in use, with caches dropped and nothing of a load left. Each CPU keeps some freed
    pages to itself, up to 27 MB here, which the kernel does not count as free: they are added."""
    text = lab.out("sync; echo 3 >/proc/sys/vm/drop_caches; cat /proc/meminfo /proc/zoneinfo")
    numbers = dict(re.findall(r"^(\w+): +(\d+)", text, re.M))
    kept_pages = sum(int(count) for count in re.findall(r"^ +count: +(\d+)", text, re.M))
    return int(numbers["MemFree"]) + 4 * kept_pages, int(numbers["VmallocUsed"]), int(numbers["SUnreclaim"])


def cycle(lab):
    lab.debugger("? .ticks = 0; .first = 0;", '!interrupt ec script { .ticks++; }',
                 '!interrupt fd core 1 script { if ($pid == 1) { .first++; } }',
                 "sleep 14", "events c all", "unload")


# Load, arm, unload, plain and with nested paging in turn, by the program inside: prints how often the
# timer's script ran in each round.
CYCLES = """
for round in $(seq {number}); do
    for npt in off on; do
        ringside -c '.connect local' -c "load vmm npt=$npt" -c '? .ticks = 0; .ones = 0;' \\
            -c '!interrupt ec script {{ .ticks++; }}' \\
            -c '!interrupt fb script {{ if ($pid == 1) {{ .ones++; }} }}' \\
            -c 'sleep 14' -c 'print .ticks' -c 'events c all' -c unload >/tmp/cycle || exit
        grep -x '[0-9a-f]*' /tmp/cycle
    done
done
"""


def cycles(lab, number):
    """Twice `number` times."""
    ticks = lab.out(CYCLES.format(number=number), timeout=120).split()
    assert len(ticks) == 2 * number and all(int(count, 16) > 0 for count in ticks), ticks


def cycles_under_load(lab, number, load_seconds):
    cycles(lab, WARM_UP)
    before = free_memory_kb(lab)
    load = Background(lab, f"workload mixed {load_seconds}")
    cycles(lab, number)
    load.finish(load_seconds + 120)
    after = free_memory_kb(lab)
    assert before[0] - after[0] < SLACK_KB, f"free memory fell from {before[0]} to {after[0]} kB"
    assert after[1] - before[1] < SLACK_KB, f"vmalloc grew from {before[1]} to {after[1]} kB"
    assert after[2] - before[2] < SLACK_KB, f"slab grew from {before[2]} to {after[2]} kB"


def test_cycles_under_load_leave_no_trace(any_lab):
    cycles_under_load(any_lab, *((3, 2) if any_lab.is_vmx() else (8, 6)))


@pytest.mark.full
def test_two_hundred_cycles_under_load_leave_no_trace(any_lab):
    cycles_under_load(any_lab, 100, 120)


def test_the_module_can_be_removed_and_put_back(lab):
    cycle(lab)
    lab.out("rmmod ringside && insmod /lib/modules/ringside.ko")
    cycle(lab)


def test_a_killed_debugger_leaves_the_debuggee_running_and_its_events_cleared(lab):
    with Session(lab, *COUNT_ALL) as session:
        session.kill()
    listed = lab.debugger("events", "unload").stdout
    assert "!interrupt" not in listed


def test_a_killed_agent_leaves_the_debuggee_running_and_comes_back(lab_svm):
    lab = lab_svm
    with Session(lab, *COUNT_ALL) as session:
        lab.out("kill -9 $(pidof ringside)")
        session.finish("events")
        assert session.process.returncode == 3
    lab.out("until grep -q ':C350 [0-9A-F]*:[0-9A-F]* 0A ' /proc/net/tcp; do usleep 10000; done")
    listed = lab.debugger("events", "unload").stdout
    assert "!interrupt" not in listed
