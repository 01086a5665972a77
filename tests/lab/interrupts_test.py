# SPDX-License-Identifier: GPL-3.0-or-later
"""`!interrupt` against what the kernel itself counted."""

import re

import pytest

from counts import (counting_commands, growth_by_vectors, kernel_counts, marks, print_kept,
                    script_counts)
from debuggee import Background, Session, wait_until

MARKER = 0xf2


def count_under_load(lab, seconds):
    """Counts all vectors in use by scripts while the mixed load runs, between two markers."""
    cores = lab.cores()
    groups = {group for core in kernel_counts(lab.kick("snap")).values() for _, group in core}
    vectors = sorted({vector for group in groups for vector in group})
    with Session(lab, *counting_commands(vectors, cores, MARKER)) as session:
        load = Background(lab, f"workload mixed {seconds}")
        first = lab.kick("mark")
        session.do(print_kept(vectors, cores, MARKER))
        load.finish(seconds + 120)
        last = lab.kick("mark")
        session.do(print_kept(vectors, cores, MARKER))
        lines = session.finish("events c all", "unload")
    return first, last, script_counts(lines), lines


def compare(cores, first, last, counted, lines):
    """Every group of vectors on every core: exactly as often counted as handled."""
    grown = growth_by_vectors(kernel_counts(first), kernel_counts(last))
    begin, end = marks(first), marks(last)
    total = 0
    for core in range(cores):
        assert begin[core][1] and end[core][1], "no quiet moment for a marker"
        # Markers number from 1 since the scripts began: the last of the first mark's is exact.
        from_marker = begin[core][0]
        to_marker = from_marker + end[core][0]
        assert from_marker in counted[core] and to_marker in counted[core], \
            f"core {core}: markers {sorted(counted[core])}\n" + "\n".join(lines[-5:])
        at_begin, at_end = counted[core][from_marker], counted[core][to_marker]
        for group, expected in grown[core].items():
            got = sum(at_end[vector] - at_begin[vector] for vector in group)
            name = "+".join(f"{vector:x}" for vector in group)
            assert got == expected, f"core {core}, vector {name}: {got} counted, {expected} handled"
            total += got
    return total


def test_counts_equal_the_kernels_on_two_cores_row_9_15_20_50(lab):
    """INT-2, DLV-1."""
    total = compare(2, *count_under_load(lab, 3 if lab.is_vmx() else 8))
    print(f"{total} interrupts")
    assert total > (800 if lab.is_vmx() else 2000)


def test_counts_equal_the_kernels_on_four_cores(lab4):
    total = compare(4, *count_under_load(lab4, 6))
    print(f"{total} interrupts")
    assert total > 2000


@pytest.mark.full
def test_counts_equal_the_kernels_for_long_on_two_cores_row_50(lab):
    assert compare(2, *count_under_load(lab, 60 if lab.is_vmx() else 600)) > 20000


@pytest.mark.full
def test_counts_equal_the_kernels_for_a_minute_on_four_cores(lab4):
    assert compare(4, *count_under_load(lab4, 60)) > 20000


def hits_while(lab, event, action):
    """Lines an event printed while `action` ran."""
    with Session(lab, event) as session:
        action()
        lines = session.finish("events c all", "unload")
    return [line for line in lines if line.startswith("hit ")]


def send_to_both(lab):
    assert lab.kick("send f1 0 40 1") == "40 40\n"
    assert lab.kick("send f1 1 60 1") == "60 60\n"


def test_each_interrupt_of_a_vector_triggers_once_row_3_8_25_27(lab):
    """TRG-1, INT-1, INT-9."""
    lab.kick("snap")
    hits = hits_while(lab, '!interrupt f1 script { printf("hit %x\\n", $core); }',
                      lambda: send_to_both(lab))
    assert (hits.count("hit 0"), hits.count("hit 1")) == (40, 60)


def test_core_filter_lets_only_that_core_through_row_14(lab):
    """INT-4."""
    lab.kick("snap")
    hits = hits_while(lab, '!interrupt f1 core 1 script { printf("hit %x\\n", $core); }',
                      lambda: send_to_both(lab))
    assert hits == ["hit 1"] * 60


def test_pid_filter_lets_only_that_process_through_row_10(lab):
    """INT-3, TRG-6."""
    spinner = Background(lab, "spin 1 6")
    other = Background(lab, "spin 1 6")
    pid = spinner.first_line()
    assert other.first_line() != pid
    before = kernel_counts(lab.kick("snap"))
    hits = hits_while(
        lab,
        f'!interrupt ec pid {pid} script {{ printf("hit %x %x %s\\n", $core, $pid, $pname); }}',
        lambda: lab.out("sleep 2"))
    ticks = growth_by_vectors(before, kernel_counts(lab.kick("snap")))[1][(0xec,)]
    spinner.finish()
    other.finish()
    assert set(hits) == {f"hit 1 {pid} spin"}
    assert 10 < len(hits) < ticks, "two busy processes share the core's ticks"


def test_pid_seen_by_a_script_is_the_interrupted_process_row_11(lab):
    """INT-3, TRG-6."""
    spinner = Background(lab, "spin 1 4")
    pid = spinner.first_line()
    hits = hits_while(
        lab, "!interrupt ec core 1 "
        'script { if ((@cs & 3) == 3) { printf("hit %x %s\\n", $pid, $pname); } }',
        lambda: lab.out("sleep 1"))
    spinner.finish()
    assert len(hits) > 10
    # Whatever else ran in user mode for a moment, the busy process had nearly all ticks.
    assert hits.count(f"hit {pid} spin") > 0.8 * len(hits)


def test_an_interrupt_instruction_of_user_space_does_not_trigger_row_3(lab):
    """TRG-1."""
    before = kernel_counts(lab.kick("snap"))
    hits = hits_while(lab, '!interrupt 25 core 1 script { printf("hit %x\\n", $context); }',
                      lambda: lab.out("taskset 2 int25 500"))
    grown = growth_by_vectors(before, kernel_counts(lab.kick("snap")))
    assert len(hits) <= sum(count for group, count in grown[1].items() if 0x25 in group)


@pytest.mark.parametrize("command, expected", [
    ("order 0 device f1", r"f1 [0-9a-f]{2}\n"), ("order 1 f1 device", r"f1 [0-9a-f]{2}\n"),
    ("cr8 1 15", r"0 1 1\n"), ("cr8 0 14", r"1 0 1\n"), ("raise 50", r".* 50 50\n"),
    ("shadow movss 1", r"(?!0\n)-?\d+\n"),
])
def test_hooked_vectors_arrive_as_on_the_bare_machine_row_49(lab, command, expected):
    """DLV-2 to DLV-5."""
    lab.kick("snap")
    with Session(lab, "? .all = 0;", "!interrupt script { .all++; }") as session:
        assert re.fullmatch(expected, lab.kick(command))
        session.finish("events c all", "unload")


def test_interrupts_off_for_long_delay_and_lose_nothing_row_49(lab):
    """DLV-3, DLV-4."""
    lab.kick("snap")
    hits = hits_while(lab, '!interrupt f1 script { printf("hit %x\\n", $core); }', lambda: (
        lab.kick("hold 1 200000"), send_to_both(lab)))
    assert len(hits) == 100


def core_rows(session):
    """{core: (arrivals, delivered, ignored, pending, exits, interrupt exits, NMI exits)} by now."""
    del session.lines[:]
    session.do("events stat")
    rows = [[int(word) for word in line.split()] for line in session.lines
            if re.fullmatch(r"\d+(\s+\d+){7}", line)]
    return {row[0]: tuple(row[1:]) for row in rows}


def test_only_cores_with_an_enabled_event_exit_for_interrupts_row_6(lab):
    """TRG-8."""
    lab.kick("snap")
    with Session(lab, "!interrupt f1 core 1 script { .n++; }") as session:
        send_to_both(lab)
        rows = core_rows(session)
        assert rows[0][5] == 0 and rows[1][5] >= 60, rows
        session.do("events d all")
        # One that still waits for its guest holds the exit on for those behind it.
        wait_until(lambda: core_rows(session)[1][3] == 0, "what waits to be delivered")
        quiet = core_rows(session)
        send_to_both(lab)
        assert core_rows(session)[1][5] == quiet[1][5], quiet
        session.do("events e all")
        send_to_both(lab)
        assert core_rows(session)[1][5] >= quiet[1][5] + 60
        session.finish("events c all", "unload")
