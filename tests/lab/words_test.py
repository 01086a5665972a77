# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of `!interrupt` on a live machine: stages, conditions, code, buffers, gathered text, votes."""

import os
import shlex
from pathlib import Path

from debuggee import Session


def counter(session, event, name):
    before = len(session.lines)
    session.do(f"events stat {event:x}")
    for line in session.lines[before:]:
        words = line.rsplit(maxsplit=1)
        if len(words) == 2 and words[0].strip() == name:
            return int(words[1])
    raise AssertionError(f"no counter '{name}' in:\n" + "\n".join(session.lines[before:]))


def test_stages_conditions_code_and_buffers_row_17_22_23_24_25_26_27_28_31_34_35_45_46(lab):
    """STG-1 to 3, CTX-1, CTX-2, CTX-4, EVT-16, MSG-3."""
    lab.kick("snap")
    with Session(lab,
                 '!interrupt f1 core 1 stage all script { printf("s %x %x\\n", $event_stage, $context); }',
                 '!interrupt stage post core 1 f1 imm no script { printf("gathered\\n"); }',
                 '!interrupt f1 core 1 condition {31 c0} script { printf("never\\n"); }',
                 '!interrupt f1 core 1 buffer 8 code {48 ff 01} script { printf("b %x\\n", dq($buffer)); }',
                 "!interrupt f1 core 1 code {90 90 90} condition {90 90 90}",
                 "!interrupt f1 core 1 condition {31c0 81faf1000000 0f94c0} code {90}",
                 ) as session:
        assert lab.kick("self f1 1 3") == "3 3 0\n"
        triggers = [(counter(session, event, "triggers (pre)"), counter(session, event, "triggers (post)"))
                    for event in range(6)]
        assert triggers == [(3, 3), (0, 3), (0, 0), (3, 0), (3, 0), (3, 0)]
        assert counter(session, 2, "condition false") == 3
        lines = session.finish("events c all", "unload")
    assert [line for line in lines if line.startswith("s ")] == ["s 0 f1", "s 1 f1"] * 3
    assert [line for line in lines if line.startswith("b ")] == ["b 1", "b 2", "b 3"]
    assert lines.count("gathered") == 3 and "never" not in lines


def test_each_stage_reads_and_changes_registers_and_memory_row_22_23_33(lab):
    """STG-1, STG-2, TRG-4, SC-4: a script of stage pre, then one of stage post, once what was pending
    with interrupts off is given to the guest."""
    lab.kick("snap")
    word = lab.out("symbol kick_stack").strip()
    with Session(lab, "? .posts = 0; .early = 0;",
                 f"!interrupt f1 core 1 script {{ @rax += 5; eq({word}, 0x111); }}",
                 f"!interrupt f1 core 1 stage post script {{ @rbx += dq({word}); .posts++; "
                 "if (@if == 0) { .early++; } }") as session:
        assert lab.kick("registers 1").split() == ["5", "0", "0", str(0x111)] + ["0"] * 12
        assert lab.kick("order 1 f1 device").startswith("f1 ")
        del session.lines[:]
        session.do("print .posts", "print .early")
        assert session.lines == ["2", "0"]
        # What is ignored has no stage post.
        session.do("!interrupt f1 core 1 sc on script { .n++; }")
        assert lab.kick("self f1 1 5") == "5 0 0\n"
        del session.lines[:]
        session.do("print .posts")
        assert session.lines == ["2"]
        session.finish("events c all", "unload")


def test_the_command_has_help_and_makes_events_row_1_51(lab):
    """INT-20, EVT-1 to EVT-6: listed, disabled, enabled and cleared."""
    lab.kick("snap")

    def said(session, *commands):
        del session.lines[:]
        session.do(*commands)
        return session.lines

    with Session(lab) as session:
        assert said(session, ".help !interrupt")[0].startswith("!interrupt")
        said(session, '!interrupt f1 core 1 script { printf("here\\n"); }')
        for command, runs, state in (("events", 3, "(enabled)"), ("events d 0", 0, "(disabled)"),
                                     ("events e 0", 3, "(enabled)")):
            said(session, command)
            (listed,) = said(session, "events")
            assert state in listed and listed.endswith('!interrupt f1 core 1 script { printf("here\\n"); }')
            assert lab.kick("self f1 1 3") == "3 3 0\n"
            assert said(session, "sleep 10").count("here") == runs
        assert said(session, "events c 0", "events")[-1] == "no events"
        assert lab.kick("self f1 1 3") == "3 3 0\n"
        assert "here" not in session.finish("unload")


def test_scripts_vote_on_each_interrupt_row_21_33(lab):
    """An allow list, then a block list (SC-2), and post that is too late (SC-5)."""
    lab.kick("snap")
    with Session(lab, "? .n = 0;",
                 "!interrupt f1 core 1 sc on script { if (.n < 5) { .n++; event_sc(0); } }") as session:
        assert lab.kick("self f1 1 8") == "8 5 0\n"
        session.do("events c all", "? .n = 0;",
                   "!interrupt f1 core 1 script { if (.n < 5) { .n++; event_sc(1); } }",
                   "!interrupt f1 core 1 stage post script { event_sc(1); }")
        assert lab.kick("self f1 1 8") == "8 3 0\n"
        lines = session.finish("events c all", "unload")
    warnings = [line for line in lines if "event_sc() does nothing in stage post" in line]
    assert len(warnings) == 1


def test_assembly_counts_as_its_bytes_do_and_is_contained_row_29_34_35(lab):
    """INT-12, INT-14, CTX-9, CTX-10."""
    lab.kick("snap")
    ends = ["mov rax, [0]", "l: jmp l"]
    with Session(lab,
                 '!interrupt f1 core 1 buffer 8 asm code { inc qword ptr [rcx] } script { printf("a %x\\n", dq($buffer)); }',
                 '!interrupt f1 core 1 buffer 8 code {48 ff 01} script { printf("h %x\\n", dq($buffer)); }',
                 "!interrupt f1 core 1 asm condition { cmp rdx, 0xf1; sete al; movzx eax, al } script { .n++; }",
                 "!interrupt f1 core 1 asm condition { cmp rdx, 0xf2; sete al; movzx eax, al } asm code { nop }",
                 # The kernel's symbols; a few lines in one block.
                 "!interrupt f1 core 1 buffer 8 asm code {\n"
                 "  mov rax, [jiffies]  # now\n  test rax, rax\n  jz none\n"
                 "  mov rdx, <linux_banner>; cmp dword ptr [rdx], 0x756e694c; jne none\n"
                 "  inc qword ptr [rcx]\nnone:\n}",
                 *(f"!interrupt f1 core 1 asm code {{ {text} }}" for text in ends)) as session:
        assert lab.kick("self f1 1 3") == "3 3 0\n"
        assert [counter(session, event, "triggers (pre)") for event in range(5)] == [3, 3, 3, 0, 3]
        before = len(session.lines)
        session.do("events")
        assert [line.endswith("[faulted]") for line in session.lines[before:] if "abled)" in line] == \
            [False] * 5 + [True] * 2
        lines = session.finish("events c all", "unload")
    for name in "ah":
        assert [line for line in lines if line.startswith(f"{name} ")] == [f"{name} {n}" for n in (1, 2, 3)]
    assert lab.out("echo fine") == "fine\n"


PAGE = r"""
HyperDbg> !interrupt f1 script {
> printf("event on f1 at %llx\n", @rip);
> }
2: kHyperDbg> !interrupt f1 script { printf("gathered %x\n", $context); } imm no
Ringside> !interrupt 0xf1 core 0n1 pid all SCRIPT{printf("touching\n");}imm yes // a comment
[192.168.1.10:50000] Ringside> !interrupt code {90 90 90}
0: kRingside> !interrupt code {90 90 90} condition {90 90 90}
"""


def test_the_pages_examples_paste_with_their_prompts_row_2_38_39_44_45_55(lab):
    """LEX-1, LEX-3, LEX-7, INT-2, INT-17."""
    lab.kick("snap")
    with Session(lab, *PAGE.strip().splitlines()) as session:
        assert lab.kick("self f1 1 4") == "4 4 0\n"
        assert [counter(session, event, "triggers (pre)") for event in range(3)] == [4, 4, 4]
        assert all(counter(session, event, "triggers (pre)") >= 4 for event in (3, 4))
        lines = session.finish("events c all", "unload")
    starts = [line.split(" ")[0] for line in lines]
    assert (starts.count("event"), lines.count("gathered f1"), lines.count("touching")) == (4 + 5, 4, 4)
    assert lines.count("notice: this event covers all external interrupts (0x20-0xff)") == 2


def test_scripts_come_from_files_row_40(lab):
    """Blanks and quotes around the path, '~', and what cannot be read (INT-10)."""
    lab.kick("snap")
    folder = "/root" if lab.runs_in_bochs() else os.environ["HOME"]
    name = f"{folder}/ringside test {os.getpid()}.ds"
    text = 'printf("from a file %x\\n", $context);\n'
    if lab.runs_in_bochs():
        lab.out(f"cat >{shlex.quote(name)} <<'END'\n{text}END")
    else:
        Path(name).write_text(text)
    try:
        with Session(lab, f'!interrupt f1 core 1 script {{ file: "{name}" }}',
                     f"!interrupt f1 core 1 script {{file:~{name.removeprefix(folder)}}}",
                     "!interrupt f1 script {file:/nope}") as session:
            assert lab.kick("self f1 1 2") == "2 2 0\n"
            lines = session.finish("events c all", "unload")
        assert lines.count("from a file f1") == 4
        assert "err, cannot read '/nope': No such file or directory" in lines
    finally:
        if not lab.runs_in_bochs():
            Path(name).unlink()
