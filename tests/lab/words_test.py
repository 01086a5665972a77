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


def test_stages_conditions_code_and_buffers(lab):
    """Rows 17, 22 to 28, 31, 34, 35, 45: STG-1 to 3, CTX-1, CTX-2, CTX-4, EVT-16, MSG-3."""
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


def test_scripts_vote_on_each_interrupt(lab):
    """Row 21: an allow list, then a block list (SC-2), and post that is too late (SC-5)."""
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


def test_assembly_counts_as_its_bytes_do_and_is_contained(lab):
    """Rows 29, 34, 35: INT-12, INT-14, CTX-9, CTX-10."""
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


def test_the_pages_examples_paste_with_their_prompts(lab):
    """Rows 2, 38, 39, 44, 45, 55: LEX-1, LEX-3, LEX-7, INT-2, INT-17."""
    lab.kick("snap")
    with Session(lab, *PAGE.strip().splitlines()) as session:
        assert lab.kick("self f1 1 4") == "4 4 0\n"
        assert [counter(session, event, "triggers (pre)") for event in range(3)] == [4, 4, 4]
        assert all(counter(session, event, "triggers (pre)") >= 4 for event in (3, 4))
        lines = session.finish("events c all", "unload")
    starts = [line.split(" ")[0] for line in lines]
    assert (starts.count("event"), lines.count("gathered f1"), lines.count("touching")) == (4 + 5, 4, 4)
    assert lines.count("notice: this event covers all external interrupts (0x20-0xff)") == 2


def test_scripts_come_from_files(lab):
    """Row 40: blanks and quotes around the path, '~', and what cannot be read (INT-10)."""
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
