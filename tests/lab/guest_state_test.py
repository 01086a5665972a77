# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guest sees of its processor is the same with root mode below it as without."""

import re

import pytest

from debuggee import Session

ALL_VECTORS = ("? .all = 0;", "!interrupt script { .all++; }")


def processor(lab, core):
    """Registers, CPUID, and what instructions do that may exit, as one core has them."""
    on_core = f"taskset {1 << core:x} cpuid"
    others = lab.out(f"{on_core} others")
    # SVME stays set below the guest, so VMRUN is privileged (#GP) for user mode and not unknown (#UD).
    others = re.sub(r"^vmrun signal (4|11)$", "vmrun refused", others, flags=re.M)
    return (lab.kick(f"state {core}"), lab.out(f"{on_core} leaves"), others)


@pytest.mark.parametrize("nested_paging", ["off", "on"])
def test_the_processor_is_the_same_below_root_mode_and_after_it(lab, nested_paging):
    cores = range(lab.cores())
    lab.kick("snap")
    before = [processor(lab, core) for core in cores]
    with Session(lab, f"load vmm npt={nested_paging}", *ALL_VECTORS, load=False) as session:
        for core in cores:
            assert lab.kick(f"send f1 {core} 200 1") == "200 200\n"
        below = [processor(lab, core) for core in cores]
        session.finish("events c all", "unload")
    after = [processor(lab, core) for core in cores]
    for core in cores:
        assert below[core] == before[core], f"core {core} below root mode"
        assert after[core] == before[core], f"core {core} after root mode"


def test_pairs_raised_with_interrupts_off_come_later_and_in_order(lab):
    """DLV-2 to DLV-5: 200 pairs of vectors of different classes on each core."""
    cores = range(lab.cores())
    lab.kick("snap")
    for core in cores:
        assert lab.kick(f"queue {core} 100") == "200 0 0 0\n", "on the bare machine"
    with Session(lab, *ALL_VECTORS) as session:
        for core in cores:
            assert lab.kick(f"queue {core} 200") == "400 0 0 0\n"
        lines = session.finish("events stat", "events c all", "unload")
    rows = [line.split() for line in lines if re.match(r"^\d+\s+\d+\s+\d+", line)]
    for row in rows:
        arrivals, delivered, ignored, pending = (int(word) for word in row[1:5])
        assert arrivals == delivered + ignored + pending, row
        assert arrivals >= 400, row
