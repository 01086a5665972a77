# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's machine code in root mode: its contract, and that nothing in it gets out (CTX)."""

import os
import re
import subprocess

import pytest

KNOWN = 0x1122334455667700  # what kick registers puts into register 0
SEED = int(os.environ.get("RINGSIDE_SEED", "20"))


@pytest.fixture(scope="session")
def assemble(tmp_path_factory):
    """Intel syntax to hexadecimal, by the assembler the build uses."""
    folder = tmp_path_factory.mktemp("code")

    def hexadecimal(text):
        source, built, flat = (folder / name for name in ("a.s", "a.o", "a.bin"))
        source.write_text(f".intel_syntax noprefix\n{text}\n")
        subprocess.run(["as", "-o", built, source], check=True)
        subprocess.run(["objcopy", "-O", "binary", "-j", ".text", built, flat], check=True)
        return flat.read_bytes().hex()

    return hexadecimal


def run_code(lab, *words, timeout=120):
    lab.kick("snap")  # the module is there
    return lab.out(f"code {' '.join(words)}", timeout=timeout).splitlines()


def symbols(lab, *names):
    return dict(zip(names, (int(line, 16) for line in lab.out(f"symbol {' '.join(names)}").split())))


# Each of these is ended: text, vector, offset; (AMD's, Intel's) where they differ.
ESCAPES = [
    ("int3", 3, 0),
    ("int 3", 3, 0),
    ("ud2", 6, 0),
    ("hlt", 13, 0),
    ("cli; hlt", 13, 1),
    (".byte 0xff", 14, -1),
    ("mov rax, [0]", 14, 0),
    ("mov rax, [0xffff]", 14, 0),
    ("xor eax, eax; div eax", 0, 2),
    ("mov cr0, rax", 13, 0),
    ("mov cr3, rax", 13, 0),
    ("mov cr4, rax", 13, 0),
    ("mov dr7, rax", 13, 0),
    ("lgdt [rdx]", 13, 0),
    ("lidt [rdx]", 13, 0),
    ("ltr ax", 13, 0),
    ("lldt ax", 13, 0),
    ("clts", 13, 0),
    ("invlpg [rdx]", 13, 0),
    ("wbinvd", 13, 0),
    ("swapgs", 13, 0),
    ("mov ecx, 0xc0000082; wrmsr", 13, 5),
    ("xor ecx, ecx; xsetbv", 13, 2),
    ("in al, 0x60", 13, 0),
    ("mov dx, 0xcf9; mov al, 6; out dx, al", 13, 6),
    ("vmrun rax", (13, 6), 0),
    ("vmmcall", 6, 0),
    ("stgi", (13, 6), 0),
    ("clgi", (13, 6), 0),
    ("vmxoff", (6, 13), 0),
    ("vmcall", (6, 13), 0),
    ("syscall", 6, 0),
    ("sysenter", (6, 13), 0),
    ("int 2", 13, 0),
    ("int 0x20", 13, 0),
    ("int 0x80", 13, 0),
    ("int 0x81", 13, 0),
    (".byte 0xf1", (6, 1), 0),  # QEMU knows no INT1
    ("mov eax, 0x23; mov ss, ax; int 0x81", 13, 7),
    ("mov eax, 0x4b; mov ds, ax", 13, 5),
    ("mov eax, 0x2b; mov ds, ax", 13, 5),
    ("push 0x4002; popfq; iretq", 13, 6),
    ("push 0x10; lea rax, 1f[rip]; push rax; retfq; 1: hlt", (14, 13), 10),  # QEMU reads as CPL 0
    ("xor esp, esp; push rax", 14, 2),
    ("l: call l", 14, 0),
    ("mov rax, [rsp-0x4000]", 14, 0),
    ("mov rax, 0x123456789abcdef0; mov rax, [rax]", 13, 10),
    ("movabs rax, 0x100000100000; mov rax, [rax]", 14, 10),  # root mode's memory
    ("movabs rax, 0x080000000000; mov rax, [rax]", 14, 10),  # root mode's local APIC
    ("lea rax, [rip]; mov [rax], rax", 14, 7),  # itself
    ("movabs rax, 0x200000040000; mov [rax], rax", 14, 10),  # the exit
    ("movabs rax, 0x200000063000; jmp rax", 14, -1),  # the stack
    ("mov rax, 0xffffffffff600000; mov rax, [rax]", 14, 7),  # a page user mode may read
    ("wrgsbase rax; mov rax, gs:[0]", 14, 5),
    ("xor eax, eax; xor ecx, ecx; xor edx, edx; wrpkru", 6, 6),
    ("movups xmm0, [rdx]; ud2", 6, 3),
]

LOOPS = ["l: jmp l", "l: push 2; popfq; jmp l", "mov ecx, 0xffffffff; l: loop l",
         "lea rdi, [rsp-0x3000]; l: mov ecx, 0x3000; mov rsi, rdi; rep lodsb; jmp l",
         "l: cli; sti; mov rax, cr0; jmp l", "l: mov rax, gs:[0]; jmp l",
         "lea rax, l[rip]; l: push rax; ret"]


def test_code_that_faults_is_ended(lab, assemble):
    """CTX-9: each of the ways out ends in its exception, and the machine goes on."""
    is_vmx = lab.is_vmx()
    expected, pieces = [], []
    for text, vector, offset in ESCAPES:
        if isinstance(vector, tuple):
            vector = vector[is_vmx]
        piece = assemble(text)
        pieces.append(piece)
        expected.append((text, f"{piece}: vector {vector} at {offset} "))
    lines = run_code(lab, "action", *pieces)
    assert len(lines) == len(expected), "\n".join(lines)
    for line, (text, begin) in zip(lines, expected):
        assert line.startswith(begin), f"{text}: {line}"


def test_code_that_does_not_end_is_ended(any_lab, assemble):
    """CTX-10, with two cores and with one."""
    pieces = [assemble(text) for text in LOOPS]
    for kind in ("action", "condition"):
        for text, line in zip(LOOPS, run_code(any_lab, kind, *pieces)):
            assert ": timeout at " in line, f"{text}: {line}"


def test_kernel_memory_is_as_the_kernel_has_it(lab, assemble):
    """CTX-8: readable as the kernel's tables allow, its text neither written nor run."""
    at = symbols(lab, "_text", "jiffies", "this_cpu_off")
    module = int(re.search(r"0x[0-9a-f]+", lab.out("grep ^ringside /proc/modules")).group(), 16)
    text, jiffies, per_cpu = at["_text"], at["jiffies"], at["this_cpu_off"]
    pieces = {
        "read text": (f"movabs rax, {text:#x}; mov rax, [rax]", "done"),
        "write text": (f"movabs rax, {text:#x}; mov [rax], al", f"vector 14 at 10 address {text:x}"),
        "run text": (f"movabs rax, {text:#x}; jmp rax", f"vector 14 at -1 address {text:x}"),
        "write data": (f"movabs rax, {jiffies:#x}; lock add dword ptr [rax], 0", "done"),
        "root's image": (f"movabs rax, {module:#x}; mov rax, [rax]",
                         f"vector 14 at 10 address {module:x}"),
        "per-CPU data": (f"mov rax, gs:[{per_cpu:#x}]; rdgsbase rbx; cmp rax, rbx; je 1f; ud2; 1:",
                         "done"),
        # More pages than are shown at a time, from the kernel's image on.
        "many pages": (f"movabs rax, {text:#x}; mov ecx, 450; l: mov rbx, [rax]; "
                       "add rax, 0x1000; dec ecx; jnz l", "done"),
        "no user memory": ("mov eax, 0x400000; mov rax, [rax]", "vector 14 at 5 address 400000"),
    }
    lines = run_code(lab, "action", *(assemble(text) for text, _ in pieces.values()))
    for (name, (_, expected)), line in zip(pieces.items(), lines):
        assert line.split(": ", 1)[1] == expected, name


def changes(line):
    return [int(word) for word in line.split(": ", 1)[1].split()]


def test_registers_are_shown_and_written_back_row_33_42(lab, assemble):
    """CTX-2, CTX-3, CTX-6, CTX-12: what code adds to its registers the interrupted code finds."""
    each = "; ".join(f"add qword ptr [rdx+{8 * i}], {-64 if i == 4 else i + 1}" for i in range(16))
    expected = [-64 if i == 4 else i + 1 for i in range(16)]
    lines = run_code(lab, "registers action", *map(assemble, [
        "nop", "inc qword ptr [rdx]", each, "add [rdx], r8; add [rdx+8], rcx; add [rdx+16], r9",
        "lea rax, [rsp+8]; and eax, 15; add [rdx], rax",
        "inc qword ptr [rdx]; ud2",
        "mov qword ptr [rdx+0x20], 1; ror qword ptr [rdx+0x20], 4; inc qword ptr [rdx]"]))
    assert changes(lines[0]) == [0] * 16
    assert changes(lines[1]) == [1] + [0] * 15
    assert changes(lines[2]) == expected
    assert changes(lines[3]) == [0xf1] + [0] * 15
    assert changes(lines[4]) == [0] * 16, "the stack is misaligned"
    assert "vector 6 at 3" in lines[5]
    assert "vector 12" in lines[6], "a stack pointer that is none"
    lines = run_code(lab, "registers condition",
                     *map(assemble, ["inc qword ptr [rcx]", "add [rcx], rdx"]))
    assert [changes(line)[0] for line in lines] == [1, 0xf1]


def test_privileged_reads_show_the_guest_row_43(lab, assemble):
    """CTX-8, against what the kernel reads on the same core."""
    names = {"CR0": "mov rax, cr0", "CR4": "mov rax, cr4", "DR7": "mov rax, dr7",
             "EFER": 0xc0000080, "STAR": 0xc0000081, "LSTAR": 0xc0000082, "CSTAR": 0xc0000083,
             "SYSCALL_MASK": 0xc0000084, "SYSENTER_CS": 0x174, "SYSENTER_ESP": 0x175,
             "SYSENTER_EIP": 0x176, "GS_BASE": 0xc0000101, "PAT": 0x277, "DEBUGCTL": 0x1d9, "APIC_BASE": 0x1b,
             "LDT": "sldt eax", "TR": "str eax"}
    pieces, keys = [], []
    for _ in range(2):  # pieces go to the cores in turn
        for name, how in names.items():
            if isinstance(how, int):
                how = f"mov r10, rdx; mov ecx, {how:#x}; rdmsr; shl rdx, 32; or rax, rdx; mov rdx, r10"
            pieces.append(assemble(f"{how}; mov [rdx], rax"))
            keys.append(name)
    state = [dict(line.split(maxsplit=1) for line in lab.kick(f"state {core}").splitlines())
             for core in range(2)]
    lines = run_code(lab, "registers action", *pieces)
    for index, (name, line) in enumerate(zip(keys, lines)):
        value = (changes(line)[0] + KNOWN) & 0xffffffffffffffff
        expected = int(state[index % 2][name].split()[0], 16)
        assert value == expected, f"{name}: {value:x}, {expected:x} in the kernel"
    limit, base = (int(word, 16) for word in reversed(state[0]["GDT"].split()))
    line = run_code(lab, "registers action", assemble("sgdt [rdx]"))[0]
    rax = (changes(line)[0] + KNOWN) & 0xffffffffffffffff
    assert (rax & 0xffff, rax >> 16) == (limit, base & 0xffffffffffff)


def random_code(lab, kind, count):
    print(f"seed {SEED} (RINGSIDE_SEED)")
    lines = run_code(lab, "random", kind, str(SEED), str(count), timeout=60 + count // 5)
    print(lines[0])
    numbers = [int(word) for word in re.findall(r": (\d+)|done (\d+)", lines[0]) for word in word if word]
    assert sum(numbers) == count, lines


@pytest.mark.parametrize("kind", ["action", "condition"])
def test_random_bytes_are_contained(lab, kind):
    random_code(lab, kind, 40 if lab.is_vmx() else 200)  # Bochs takes half a second for each
    lab.kick("snap")
    assert lab.kick("send f1 0 100 1") == "100 100\n"
    assert lab.kick("send f1 1 100 1") == "100 100\n"


@pytest.mark.full
@pytest.mark.parametrize("kind", ["action", "condition"])
def test_many_random_bytes_are_contained(lab, kind):
    random_code(lab, kind, 1000 if lab.is_vmx() else 10000)
