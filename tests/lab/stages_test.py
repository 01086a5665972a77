# SPDX-License-Identifier: GPL-3.0-or-later
"""Delivery under events of every stage, machine code and NMIs: nothing lost, nothing twice, in order
(specification section 8)."""

import os
import random
import re

import pytest

from debuggee import Session
from interrupts_test import core_rows
from words_test import counter

SEED = int(os.environ.get("RINGSIDE_SEED", "20"))

# What kick answers on the bare machine; the mix is drawn from these.
SEQUENCES = [
    (r"queue {core} {number}", r"{twice} 0 0 0\n"),
    (r"order {core} device f1", r"f1 [0-9a-f]{{2}}\n"),
    (r"order {core} f1 device", r"f1 [0-9a-f]{{2}}\n"),
    (r"shadow sti {core}", r"-?1\n"),
    (r"shadow movss {core}", r"(?!0\n)-?\d+\n"),
    (r"cr8 {core} 15", r"0 1 1\n"),
    (r"cr8 {core} 14", r"1 0 1\n"),
    (r"self f1 {core} {number}", r"{number} {number} 0\n"),
    (r"send f1 {core} {number} 1", r"{number} {number}\n"),
    (r"raise {number}", r".* {number} {number}\n"),
    (r"nmi {core} {number}", r"{number} {number}\n"),
]

EVENTS = [
    "? .pre = 0; .post = 0;",
    "!interrupt stage all script { if ($event_stage) { .post++; } else { .pre++; } }",
    "!interrupt f1 stage pre condition {31c0 81faf1000000 0f94c0} code {48 ff 01} buffer 8",
    "!interrupt f1 stage post code { b9 05 00 00 00 e2 fe }",  # stepped: mov ecx, 5; l: loop l
    "!interrupt f0 sc on stage pre script { .never++; }",
]


def run_mix(lab, rounds):
    draw = random.Random(SEED)
    print(f"seed {SEED} (RINGSIDE_SEED)")
    with Session(lab, *EVENTS) as session:
        for _ in range(rounds):
            number = draw.choice([1, 3, 10, 25])
            command, expected = draw.choice(SEQUENCES)
            values = {"core": draw.randrange(lab.cores()), "number": number, "twice": 2 * number}
            said = lab.kick(command.format(**values))
            assert re.fullmatch(expected.format(**values), said), (command.format(**values), said)
        assert counter(session, 0, "ignored") == 0
        at_pre, at_post = (counter(session, 1, f"triggers ({stage})") for stage in ("pre", "post"))
        assert counter(session, 1, "code faults") == counter(session, 2, "code faults") == 0
        assert (at_pre > 0, at_post) == (True, 0)
        assert counter(session, 2, "triggers (post)") == at_pre
        session.do("events d all")
        assert counter(session, 0, "triggers (pre)") == counter(session, 0, "triggers (post)")
        for row in core_rows(session).values():
            assert row[0] == row[1] + row[2] + row[3] and row[3] == 0, row
        session.finish("events c all", "unload")


def test_a_random_mix_under_all_stages_is_delivered_as_on_the_bare_machine(lab):
    """DLV-1 to DLV-9, STG-1 to STG-4."""
    lab.kick("snap")
    run_mix(lab, 25 if lab.is_vmx() else 60)


@pytest.mark.full
def test_a_long_random_mix_under_all_stages(lab):
    lab.kick("snap")
    run_mix(lab, 400 if lab.is_vmx() else 3000)


def test_nmis_come_through_while_events_run(lab):
    """DLV-9, CTX-9: none is lost and none comes twice, in scripts, in machine code at speed and in
    code that is stepped."""
    lab.kick("snap")
    number = 50 if lab.is_vmx() else 300
    for event in ("script { for (i = 0; i < 0n400; i++) { .n++; } }",
                  "code {" + " 90" * 1000 + "}",
                  "code { b9 40 00 00 00 e2 fe }"):
        with Session(lab, f"!interrupt ec {event}", f"!interrupt f1 {event}") as session:
            for core in range(lab.cores()):
                assert lab.kick(f"nmi {core} {number}", timeout=120) == f"{number} {number}\n"
            assert counter(session, 0, "triggers (pre)") > 0
            assert counter(session, 0, "code faults") == 0
            session.finish("events c all", "unload")
