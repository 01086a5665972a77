# SPDX-License-Identifier: GPL-3.0-or-later
"""`sc on`: what is ignored never reaches a handler, and nothing else suffers (specification section 6)."""

import re

from debuggee import Background, Session, wait_until


def ignored(session, event=0):
    """Arrivals and ignored of an event by now."""
    before = len(session.lines)
    session.do(f"events stat {event:x}")
    text = "\n".join(session.lines[before:])
    return tuple(int(re.search(rf"^\s*{name}\s+(\d+)$", text, re.M).group(1))
                 for name in ("arrivals", "ignored"))


def in_service(lab, core):
    return re.search(r"^ISR(.*)$", lab.kick(f"apic {core}"), re.M).group(1).split()


def ignore_a_thousand(lab, session, vector, event):
    assert lab.kick(f"self {vector} 1 1000", timeout=120) == "1000 0 0\n"
    assert ignored(session, event) == (1000, 1000)
    assert in_service(lab, 1) == []
    assert lab.kick("send fd 1 20 1") == "20 20\n"  # the same class
    lab.out("taskset 2 sleep 0.1")  # ec: a lower class


def test_ignored_interrupts_reach_no_handler_and_block_nothing_row_19_32(lab):
    """SC-7."""
    lab.kick("snap")
    with Session(lab, "!interrupt f1 core 1 sc on script { .n++; }") as session:
        ignore_a_thousand(lab, session, "f1", 0)
        assert lab.kick("self f1 0 20") == "20 20 0\n"  # another core
        session.do("events c all")
        assert lab.kick("self f1 1 20") == "20 20 0\n"  # none of the ignored ones came later
        session.finish("unload")


def test_the_spurious_vector_has_an_eoi_when_it_was_sent(lab_svm):
    """SC-7. In Bochs a core that is sent it takes no interrupts any more, with us or without."""
    lab_svm.kick("snap")
    with Session(lab_svm, "!interrupt ff core 1 sc on script { .n++; }") as session:
        ignore_a_thousand(lab_svm, session, "ff", 0)
        session.finish("events c all", "unload")


def rounds(lab):
    return int(lab.out("spin 1 1").splitlines()[-1])


def device_runs(lab, core):
    """Runs of the device's handler on a core."""
    return sum(int(line.split()[2]) for line in lab.kick("count").splitlines()
               if not line.startswith("f1") and int(line.split()[1]) == core)


def test_a_line_nobody_serves_is_held_and_the_core_goes_on(lab_svm):
    """SC-8, SC-9, EVT-2: QEMU's edu keeps its line asserted until its handler acknowledges."""
    lab = lab_svm
    lab.kick("line on")
    try:
        vector = lab.kick("assert 1").split()[0]
        before = device_runs(lab, 1)
        with Session(lab, f"!interrupt {vector} core 1 sc on script {{ .n++; }}") as session:
            ratios = []
            while not ratios or (ratios[-1] < 0.9 and len(ratios) < 4):
                free = rounds(lab)
                if not ratios:
                    assert lab.kick("assert 1").split() == [vector, "1"]
                    arrivals = ignored(session)[0]
                held = rounds(lab)
                ratios.append(held / free)
            assert max(ratios) > 0.9, ratios
            grown = ignored(session)[0] - arrivals
            assert 0 < grown < 2000, "in about a second, or a few"
            arrived, gone = ignored(session)
            assert arrived == gone > 16
            del session.lines[:]
            session.do("events")
            assert session.lines[0].endswith("[held]"), session.lines
            assert device_runs(lab, 1) == before
            session.do("events c all")
            wait_until(lambda: device_runs(lab, 1) == before + 1, "the driver's handler")
            assert in_service(lab, 1) == []
            assert lab.kick("raise 5").split()[3] == "5"
            session.finish("unload")
    finally:
        lab.kick("line off")


def test_a_held_line_is_told_once_and_let_go_at_unload(lab_svm):
    lab = lab_svm
    lab.kick("line on")
    try:
        vector = lab.kick("assert 1").split()[0]
        before = device_runs(lab, 1)
        with Session(lab, f"!interrupt {vector} core 1 sc on script {{ .n++; }}") as session:
            lab.kick("assert 1")
            wait_until(lambda: ignored(session)[0] > 20, "some holds")
            lines = session.finish("unload")
        assert [line for line in lines if line.startswith("notice: vector")] == [
            f"notice: vector 0x{vector} is level-triggered and still asserted; throttled"]
        wait_until(lambda: device_runs(lab, 1) == before + 1, "the driver's handler")
    finally:
        lab.kick("line off")


def test_a_swallowed_timer_goes_on_when_its_event_ends(lab):
    """SC-11."""
    with Session(lab, "!interrupt ec core 1 sc on script { .n++; }") as session:
        sleeper = Background(lab, "taskset 2 sleep 1")
        wait_until(lambda: ignored(session)[1] > 0, "a tick to swallow")
        lab.out("taskset 1 sleep 2")
        assert sleeper.process.poll() is None, "core 1 has no time"
        session.do("events c all")
        sleeper.finish(30)
        lab.out("taskset 2 sleep 0.1", timeout=30)
        session.finish("unload")


def test_all_interrupts_of_all_cores_can_be_swallowed_for_a_while(lab):
    """SC-11: control never rides on the guest's interrupts. The event ends itself after a second
    of a busy process's IPIs."""
    lab.kick("snap")
    busy = Background(lab, "tap 0 f1 1 4")
    said = lab.out(
        "sleep 0.5; ringside --load -c '? .k = 0; .n = 0;' -c '!interrupt sc on script { .n++; "
        "if ($context == 0xf1) { .k++; if (.k == 0n100) { event_clear($event_id); } } }' "
        "-c 'sleep 200' -c events -c '? print(.k);' -c '? print(.n);' -c unload 2>&1", timeout=60)
    busy.finish(60)
    lines = said.splitlines()
    assert "no events" in lines and "64" in lines, said
    assert lab.out("taskset 1 sleep 0.1; taskset 2 sleep 0.1; echo fine", timeout=30) == "fine\n"
    assert lab.kick("send f1 1 20 1") == "20 20\n"


def test_who_ignores_everything_may_go_at_once(lab):
    """EVT-12, EVT-13, SC-11: the client ends, and what it loaded, with its event in force."""
    lab.out("ringside --load -c '!interrupt sc on script { .n++; }' 2>&1", timeout=60)
    assert lab.out("taskset 1 sleep 0.1; taskset 2 sleep 0.1; echo fine", timeout=30) == "fine\n"
