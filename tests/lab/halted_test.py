# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that stands: nothing of it moves (EVT-18, BRK-1), steps and breakpoints end where the
code goes (BRK-4), and it runs on as if nothing had been (BRK-6)."""

import contextlib
import hashlib
import json
import re
import socket

import pytest

from debuggee import Background
from long_halt_test import HaltingSession

LINE = re.compile(r"^([0-9a-f]{8})`([0-9a-f]{8})    ([0-9A-F]+) +(\S.*)$")
PAGE = 4096
HASHED_FROM, HASHED_BYTES = 0x4000000, 64 << 20
# What need not go on behind itself.
BRANCHES = re.compile(r"(j|call|ret|iret|sys|loop|rep|hlt|int|ud2)")


class Place:
    def __init__(self, match):
        self.address = int(match[1] + match[2], 16)
        self.length = len(match[3]) // 2
        self.text = match[4]


@contextlib.contextmanager
def busy(lab, *cores):
    """Somebody works on each of the cores meanwhile; gives their process identifiers, hex."""
    load = [Background(lab, f"exec spin {core} 900") for core in cores]
    try:
        yield [work.first_line() for work in load]
    finally:
        lab.out("killall spin")
        for work in load:
            work.process.communicate(timeout=60 * work.patience)


def places(lines):
    """Where it halted, of each halt and step."""
    return [Place(match) for match in map(LINE.match, lines) if match]


def said(session, *commands):
    """What commands print."""
    before = len(session.lines)
    session.do(*commands)
    return session.lines[before:]


def memory_hashes(lab):
    """One for each page of 64 MiB, as the emulator sees them."""
    target = lab.path("root log").parent / "memory"
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.connect(str(lab.path("root log").parent / "qmp"))
        stream = monitor.makefile("rw")
        stream.readline()

        def ask(command, **arguments):
            stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
            stream.flush()
            while True:
                answer = json.loads(stream.readline())
                if "return" in answer or "error" in answer:
                    assert "return" in answer, answer
                    return

        ask("qmp_capabilities")
        ask("pmemsave", val=HASHED_FROM, size=HASHED_BYTES, filename=str(target))
    content = target.read_bytes()
    target.unlink()
    assert len(content) == HASHED_BYTES
    return [hashlib.sha1(content[at:at + PAGE]).digest() for at in range(0, HASHED_BYTES, PAGE)]


def all_registers(session, cores):
    """Of every core, with what the busy loops have counted in theirs."""
    return [line for core in range(cores) for line in said(session, f"~ {core:x}", "r")]


def is_root_mode_own(session, page):
    """Root mode's own memory, which it works in, shows nothing of itself."""
    before = len(session.lines)
    session.do(f"!db {HASHED_FROM + page * PAGE:x} l 10")
    return any("cannot read" in line for line in session.lines[before:])


def test_nothing_moves_while_twenty_events_are_made_and_cleared_row_36_52(lab_svm):
    cores = lab_svm.cores()
    with busy(lab_svm, *range(cores)), HaltingSession(lab_svm) as session:
        session.do("~ 0")
        registers = all_registers(session, cores)
        memory = memory_hashes(lab_svm)
        for vector in range(20):
            session.do(f"!interrupt {0x30 + vector:x} script {{ .n{vector} = .n{vector} + 1; }}")
        assert len([line for line in said(session, "events") if "(enabled)" in line]) == 20
        session.do("events c 3", "!interrupt 33 core 1 script { .n3 = 1; }", "events d 4", "events e 4",
                   "events c all")
        assert said(session, "events") == ["no events"]
        assert all_registers(session, cores) == registers
        changed = [page for page, (old, new) in enumerate(zip(memory, memory_hashes(lab_svm))) if old != new]
        foreign = [page for page in changed if not is_root_mode_own(session, page)]
        assert foreign == [], "pages of the guest's have changed"
        assert said(session, "test")[-1] == "5 passed, 0 failed"
        session.finish("g")


STANDING = {"core 0x0: operates", "core 0x0: halted", "core 0x1: operates", "core 0x1: halted"}


def all_stand(session):
    return len(STANDING & set(said(session, "test query"))) == 2


def test_cores_stand_whatever_they_do_brk_1(lab_svm):
    """With interrupts off for seconds, and in a long script; in HLT they stand in most other tests."""
    lab_svm.kick("snap")
    with HaltingSession(lab_svm) as session:
        session.go()
        work = Background(lab_svm, "echo hold 1 5000000 >/proc/kick && cat /proc/kick")
        for _ in range(50):
            session.pause()
            assert all_stand(session)
            if "flag 0" in said(session, "~ 1", r'? printf("flag %x\n", @rflags >> 9 & 1);'):
                break
            session.go()
        else:
            assert False, "it never had interrupts off"
        session.do("!interrupt ec script { for (i = 0; i < 0n20000; i += 1) { } }")
        session.go()
        work.finish(60)
        for _ in range(10):
            session.pause()
            assert all_stand(session)
            session.go()
        session.pause()
        assert any("(enabled)" in line for line in said(session, "events"))
        session.finish("events c all", "g")
    assert lab_svm.answers()


def test_a_break_is_for_its_process_only_row_37_38(lab_svm):
    """`!interrupt V pid P`: at each of 20 halts that process runs."""
    with busy(lab_svm, 1, 1) as (pid, _), HaltingSession(lab_svm) as session:
        session.do(f"!interrupt ec core 1 pid {pid}")
        for _ in range(20):
            lines = said(session, "g", r'? printf("pid %x\n", $pid);')
            assert f"pid {pid}" in lines, lines
            assert any("triggered (pre)" in line for line in lines)
        session.finish("events c all", "g")


def kicking(lab, count):
    """Core 1 gives itself vector f1 meanwhile; says how many were sent, handled and left over."""
    return Background(lab, f"echo self f1 1 {count} >/proc/kick && cat /proc/kick")


def heading(lines):
    return [line for line in lines if line.startswith("event 0x")]


def test_a_verdict_while_halted_drops_just_that_interrupt_row_21(lab_svm):
    """SC-6: `events sc on` at one of five halts."""
    lab_svm.kick("snap")
    with HaltingSession(lab_svm) as session:
        session.do("!interrupt f1 core 1")
        session.go()
        work = kicking(lab_svm, 5)
        for halt in range(5):
            assert heading(said(session, "events sc on" if halt == 2 else "~")) == \
                (["event 0x0 triggered (pre)"] if halt == 0 else [])
            if halt < 4:
                assert heading(said(session, "g")) == ["event 0x0 triggered (pre)"]
        session.finish("events c all", "g")
    assert work.finish() == "5 4 0\n"


def test_conditions_and_scripts_choose_when_to_break_row_34_35_46(lab_svm):
    """CTX-2, SCR-6, BRK-3."""
    lab_svm.kick("snap")
    where = r'? printf("%x %x %x\n", $event_id, $event_stage, $context);'
    with HaltingSession(lab_svm) as session:
        session.do("? .n = 0;",
                   "!interrupt f1 core 1 condition {31 c0}",
                   "!interrupt f1 core 1 condition {31c0 81faf1000000 0f94c0}",
                   "!interrupt f1 core 1 asm condition { cmp rdx, 0xf2; sete al; movzx eax, al }",
                   "!interrupt f1 core 1 condition {31 c0} script { pause(); }",
                   '!interrupt f1 core 1 buffer 8 code {48 ff 01} '
                   'script { .n = dq($buffer); if (.n == 2) { pause(); printf("ran to its end\\n"); } }')
        session.go()
        work = kicking(lab_svm, 3)
        halts = []
        for _ in range(4):
            halts += [said(session, where)[-1]]
            assert ("ran to its end" in session.lines) == ("4 0 f1" in halts)
            session.give("g")
        assert work.finish() == "3 3 0\n"
        session.finish("pause", "print .n", "events c all", "g")
        assert "3" in session.lines
    # Of the second interrupt both; who registered first comes first.
    assert halts == ["1 0 f1", "1 0 f1", "4 0 f1", "1 0 f1"]


def steps(session, command, count):
    return places(said(session, *[command] * count))


def check_steps(walk, may_jump=()):
    """Each instruction that is no branch goes on behind itself."""
    wrong = [f"{one.address:x} {one.text} -> {following.address:x}"
             for one, following in zip(walk, walk[1:])
             if not BRANCHES.match(one.text) and following.address != one.address + one.length
             and following.address not in may_jump]
    assert wrong == []


@pytest.mark.parametrize("count", [60, pytest.param(500, marks=pytest.mark.full)])
def test_steps_through_entry_and_return_brk_4(lab_svm, count):
    """Into the timer's handler, through it and back; and over handlers, which run to their end."""
    with busy(lab_svm, *range(lab_svm.cores())), HaltingSession(lab_svm) as session:
        session.do("!interrupt ec core 1", "g")
        handler = places(said(session, "t"))[-1]
        assert handler.text == "clac" or handler.text.startswith("endbr")
        session.do("events c all")
        walk = steps(session, f"i {count:x}", 1)
        assert len(walk) == count
        check_steps([handler, *walk])
        # Over interrupts: they are taken in between, and nobody steps into them.
        walk = steps(session, f"t {count:x}", 1)
        assert len(walk) == count
        check_steps(walk)
        flags = said(session, "r rflags")[-1]
        assert int(flags.split("=")[1], 16) & 0x100 == 0, "the trap flag is seen"
        session.finish("g")
    assert lab_svm.answers()


def test_p_runs_calls_and_gu_returns(lab_svm):
    with HaltingSession(lab_svm) as session:
        session.do("bp vmlinux!ksys_read")
        session.go()
        work = Background(lab_svm, "cat /proc/uptime")
        lines = said(session, "bl")
        assert "breakpoint 0x1 hit" in session.lines
        assert re.match(r"01   .*  enabled   1  .* vmlinux!ksys_read$", lines[-1]), lines
        session.do("bc 1")
        walk = steps(session, "p", 16)
        start = walk[0].address & ~0xfff
        assert all(abs(one.address - start) < 0x2000 for one in walk), "calls are run through"
        caller = places(said(session, "gu"))[-1]
        stack = said(session, "k")
        assert any("do_syscall_64" in line or "x64_sys_call" in line for line in [session.lines[-1], *stack,
                                                                                *session.lines[-8:]])
        assert caller.address not in [one.address for one in walk]
        session.finish("g")
    work.finish(60)


def test_functions_of_the_entry_return_with_a_deeper_stack(lab_svm):
    """`error_entry` saves all registers above its return address."""
    with HaltingSession(lab_svm) as session:
        session.do("!interrupt ec core 1", "g")
        start = [steps(session, "t", 1)[0]]
        while not start[-1].text.startswith("call vmlinux!error_entry"):
            assert len(start) < 8
            start += steps(session, "p", 1)
        over = steps(session, "p", 1)[0]
        assert over.address == start[-1].address + start[-1].length
        session.do("g")
        while not places(said(session, "t"))[-1].text.startswith("call vmlinux!error_entry"):
            pass
        inside = steps(session, "t", 1)[0]
        out = steps(session, "gu", 1)[0]
        assert out.address == over.address != inside.address
        session.finish("events c all", "g")
    assert lab_svm.answers()


def test_a_step_ends_where_other_cores_pass_all_the_time(lab_svm):
    """Who is led past the breakpoint that ends a step opens it to nobody else."""
    with busy(lab_svm, *range(lab_svm.cores())), HaltingSession(lab_svm) as session:
        # The instruction itself, not the NOP at the entry, which is passed without taking it out.
        session.do("!interrupt ec core 1", "bp vmlinux!sysvec_apic_timer_interrupt+5 core 7",
                   "bp vmlinux!update_process_times+5 core 7")
        for _ in range(12):
            session.do("g")
            while not (at := steps(session, "t", 1)[0]).text.startswith("call vmlinux!error_entry"):
                pass
            assert steps(session, "p", 1)[0].address == at.address + at.length
        session.finish("bc all", "events c all", "g")
    assert lab_svm.answers()


def test_a_breakpoint_counts_all_its_hits_and_leaves_no_trace(lab_svm):
    with HaltingSession(lab_svm) as session:
        before = said(session, "db vmlinux!__x64_sys_getppid l 10")
        session.do("bp vmlinux!__x64_sys_getppid pid 7fffffff")  # nobody's: passed each time
        assert said(session, "db vmlinux!__x64_sys_getppid l 10") == before
        session.go()
        lab_svm.out("workload mixed 3")
        session.do("pause", "bc all")
        assert said(session, "bl") == ["no breakpoints"]
        session.finish("g")
    assert lab_svm.answers()


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.full)])
def test_breaks_on_the_timer_go_on(lab_svm, rounds):
    """Each goes on, none is lost, and the console stays clean (the fixture looks)."""
    cores = lab_svm.cores()
    with busy(lab_svm, *range(cores)), HaltingSession(lab_svm) as session:
        session.do("!interrupt ec")
        count = 0
        for _ in range(rounds):
            lines = said(session, *["g"] * 50)
            count += sum("event 0x" in line and "triggered (pre)" in line for line in lines)
        assert count == 50 * rounds
        session.finish("events c all", "g")
    assert lab_svm.answers()


REGISTERS = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split()


def test_registers_are_what_a_program_put_there_and_finds_again(lab_svm):
    """`r`, held against the program itself: all it loaded, all that is changed."""
    known = {name: 0x1111000022220000 * (i % 7 + 1) + i for i, name in enumerate(REGISTERS) if name != "rsp"}
    work = Background(lab_svm, "exec registers 1")
    pid = work.first_line()
    with HaltingSession(lab_svm) as session:
        session.do(f"!interrupt ec core 1 pid {pid}")
        for _ in range(20):  # one of its first may still be before the loop
            session.do("g")
            lines = said(session, "r", "u @rip l 1")
            if int(re.search(r"RBX=(\w+)", "\n".join(lines))[1], 16) == known["rbx"]:
                break
        block = dict(re.findall(r"\b(R\w+) *=([0-9a-f]{16})", "\n".join(lines)))
        assert {name: int(block[name.upper()], 16) for name in known} == known
        assert "RIP" in block and int(block["RIP"], 16) < 1 << 47
        changed = {name: value ^ 0xff00ff for name, value in known.items()}
        session.do("events c all", *(f"r {name} = {value:x}" for name, value in changed.items()))
        assert said(session, "r r15")[-1] == f"r15={changed['r15']:016x}"
        session.finish("g")
    assert [int(word, 16) for word in work.process.communicate(timeout=60)[0].split()] == list(changed.values())


STACK_LINE = re.compile(r"^\[\$\+([0-9a-f]{3})\] +([0-9a-f`]+)(    \(from (vmlinux!\S+ )?<)?")


def stack_words(lines):
    """Of kq, kd and 'k base': what stands at which distance, and whether it was pushed by a call."""
    found = (STACK_LINE.match(line) for line in lines)
    return {int(one[1], 16): (int(one[2].replace("`", ""), 16), one[3] is not None) for one in found if one}


def test_words_of_the_stack_are_what_is_in_memory(lab_svm):
    """kq and kd against dq and dd; 'k base' has the same return addresses. So near its top, which is at
    a place drawn for each system call, the stack has no more words for sure."""
    with HaltingSession(lab_svm) as session:
        session.do("bp vmlinux!ksys_read")
        session.go()
        work = Background(lab_svm, "cat /proc/uptime")
        assert "breakpoint 0x1 hit" in said(session, "bc 1", "~") + session.lines
        for show, dump, size in (("kq", "dq", 8), ("kd", "dd", 4)):
            rows = [line.split("  ", 1)[1] for line in said(session, f"{dump} @rsp l 80")]
            memory = [int(word.replace("`", ""), 16) for row in rows for word in row.split()]
            shown = stack_words(said(session, f"{show} l 80"))
            assert list(shown) == list(range(0, 0x80, size)) and len(memory) == len(shown)
            for (value, is_call), word in zip(shown.values(), memory):
                assert 2 <= word - value <= 8 if is_call else value == word
            if show == "kq":
                calls = {distance: word for distance, word in shown.items() if word[1]}
                assert 0 in calls and len(calls) >= 2
                assert stack_words(said(session, "k base @rsp l 80")) == calls
                above = stack_words(said(session, "k base @rsp+40 l 40"))
                assert above == {at - 0x40: word for at, word in calls.items() if 0x40 <= at < 0x80}
                assert 0 in stack_words(said(session, "k l 8")) and len(said(session, "k l 8")) == 1
        session.finish("g")
    work.finish(60)


def test_the_stack_is_what_the_kernel_says_it_is(lab_svm):
    """`k`, held against /proc/PID/stack: a task on its way to sleep, and asleep."""
    with HaltingSession(lab_svm) as session:
        session.do("bp vmlinux!do_nanosleep")
        session.go()
        work = Background(lab_svm, "sleep 5")
        callers = re.findall(r"\(from vmlinux!(\S+) <", "\n".join(said(session, "k")))
        (pid,) = re.findall(r"^process id: (\w+)$", "\n".join(said(session, ".process")), re.M)
        session.do("bc all")
        session.give("g")
        asleep = lab_svm.out(f"cat /proc/$((0x{pid}))/stack")
        session.finish("pause", "g")
    kernel = re.findall(r"^\[<0>\] (\S+)/0x\w+$", asleep, re.M)
    assert len(kernel) >= 4  # it leaves the scheduler's part out
    for ours, theirs in zip(callers, kernel):  # the call itself, where the kernel has what is behind it
        (name, call), (their_name, behind) = ours.split("+"), theirs.split("+")
        assert name == their_name and 2 <= int(behind, 16) - int(call, 16) <= 7, (callers, kernel)
    work.finish(60)
