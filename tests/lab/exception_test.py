# SPDX-License-Identifier: GPL-3.0-or-later
"""`!exception`, `!idt` and the active process on a live machine."""

import re

from debuggee import Background, Session
from interrupts_test import core_rows
from words_test import counter


def counters(session, event, *names):
    return tuple(counter(session, event, name) for name in names)


def test_exceptions_trigger_and_reach_their_handlers_row_5_7_54(lab):
    """Counted one by one, and no interrupt exits for their sake."""
    with Session(lab, "!exception 3 script { .n++; }",
                 "!exception 0 core all stage all script { .stages = .stages + $event_stage; }",
                 '!exception 6 script { if ($context == 6) { printf("ud %x\\n", $context); } }',
                 "!exception 1f script { .never = 1; }",
                 '!exception 2 script { printf("nmi on %x\\n", $core); }') as session:
        assert lab.kick("nmi 0 5") == lab.kick("nmi 1 5") == "5 5\n"
        assert counters(session, 4, "arrivals", "triggers (pre)") == (10, 10)  # none of root mode's own
        assert lab.out("faults int3 50; faults div 20; faults ud2 3") == "50\n20\n3\n"
        assert counters(session, 0, "arrivals", "triggers (pre)") == (50, 50)
        assert counters(session, 1, "triggers (pre)", "triggers (post)") == (20, 20)
        assert counters(session, 3, "arrivals") == (0,)
        assert session.lines.count("ud 6") == 3
        for row in core_rows(session).values():
            assert row[0] == 0 and row[5] == 0, "an interrupt exited"
        session.finish("events c all", "unload")


def test_page_faults_show_their_address_and_are_served(lab):
    """CR2 as the handler finds it, one fault a page; the pages are there afterwards."""
    first, pages = 0x600000000000, 300
    with Session(lab, "? .hits = 0; .strange = 0;",
                 f"!exception e script {{ if ($context != e) {{ .strange++; }} "
                 f"if (@cr2 >= {first:x} && @cr2 < {first + pages * 0x1000:x}) {{ .hits++; }} }}") as session:
        assert lab.out(f"faults page {pages}") == "0\n"
        assert counter(session, 0, "triggers (pre)") >= pages
        del session.lines[:]
        session.do("print .hits", "print .strange")
        assert [int(line, 16) for line in session.lines] == [pages, 0]
        session.finish("events c all", "unload")
    assert lab.out("echo fine") == "fine\n"


def test_an_ignored_exception_is_raised_again_or_passed_over(lab):
    """Row 19's like: a fault that is not given comes again, int3 is passed over."""
    with Session(lab, "? .u = 0;",
                 "!exception 6 sc on script { .u++; if (.u > 5) { event_sc(0); } }",
                 "!exception 3 sc on script { .n++; }") as session:
        assert lab.out("faults ud2 1; faults int3 40") == "1\n0\n"
        assert counters(session, 0, "arrivals", "ignored") == (6, 5)
        assert counters(session, 1, "arrivals", "ignored") == (40, 40)
        session.finish("events c all", "unload")


def test_the_active_process_limits_events_row_12_13(lab):
    """MOD-9, MOD-10; and `!idt` names the vectors' handlers."""
    pid, other = (Background(lab, "spin 1 600").first_line() for _ in range(2))
    hit = 'script { if ($pid) { printf("%s %x\\n", $pname, $pid); } }'
    with Session(lab, f".attach pid {pid}", f"!interrupt ec core 1 {hit}") as session:
        assert f"notice: event limited to process {pid}; add 'pid all' for the whole system" in session.lines
        lab.out("sleep 1")
        session.do("events c all")
        only = {line for line in session.lines if line.startswith("spin ")}
        assert only == {f"spin {pid}"}
        del session.lines[:]
        session.do(f"!interrupt ec core 1 pid all {hit}")
        lab.out("sleep 1")
        session.do("events c all", ".detach")
        assert len({line for line in session.lines if line.startswith("spin ")}) == 2
        del session.lines[:]
        session.do("!idt ec", "!idt fb", "!idt 3")
        lines = session.finish("unload")
    lab.out(f"kill $((0x{pid})) $((0x{other}))")
    if lab.is_vmx():
        return  # reading the kernel's own list takes half a minute there
    text = lab.out("grep -E ' asm_(sysvec_apic_timer_interrupt|sysvec_call_function_single|exc_int3)$' /proc/kallsyms")
    for line in text.splitlines():
        address, _, name = line.split()
        entry = rf"IDT\[0x[0-9a-f]+:\d+\] *: {address[:8]}`{address[8:]} +vmlinux!{name}"
        assert any(re.fullmatch(entry, shown) for shown in lines), (entry, lines)
    assert len(text.splitlines()) == 3
