# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that look at a live machine, against what it says itself (specification section 14)."""

import re
import subprocess

import pytest

# What the lab's processors have and its kernel leaves out: one thread a core; in Bochs, as the log there says,
# "Disabled fast string operations" and "TSC_DEADLINE disabled due to Errata".
UNUSED_FEATURES = {"ht"}
UNUSED_FEATURES_OF_BOCHS = {"erms", "tsc_deadline_timer"}

ADDRESS = r"[0-9a-f]{8}`[0-9a-f]{8}"


def address_of(lab, name):
    """As /proc/kallsyms has it."""
    return int(lab.out(f"grep -m1 ' {name}$' /proc/kallsyms").split()[0], 16)


def text_of(address):
    return f"{address >> 32:08x}`{address & 0xffffffff:08x}"


def output(lab, *commands):
    return lab.debugger(*commands).stdout


@pytest.mark.neutral
def test_memory_is_shown_by_name_and_by_number(lab):
    """The kernel's banner, in bytes and in words, through an expression, and physically."""
    banner = address_of(lab, "linux_banner")
    version = lab.out("cat /proc/version")
    text = output(lab, "db linux_banner l 40", f"db {banner:x} l 40", "db vmlinux!linux_banner+10 l 30")
    rows = [line for line in text.splitlines() if re.match(ADDRESS, line)]
    assert rows[:4] == rows[4:8] and rows[1:4] == rows[8:11]
    assert rows[0].startswith(f"{text_of(banner)}  {version[:16].encode().hex(' ').upper()}  ")
    assert "".join(row[-16:] for row in rows[:4]) == version[:64]
    physical = re.search(ADDRESS, output(lab, "!va2pa linux_banner")).group().replace("`", "")
    assert f"#\t{text_of(int(physical, 16))}  {version[:4].encode().hex(' ').upper()} " in \
        output(lab, f"!db {physical} l 4")
    back = output(lab, f"!pa2va {physical}")
    assert version[:16] in output(lab, f"db {re.search(ADDRESS, back).group()} l 10")
    found = output(lab, f"sb {banner:x} l 100 {version[:9].encode().hex(' ')}")
    assert f"{text_of(banner)}\n" in found


@pytest.mark.neutral
def test_memory_that_is_not_there_says_so(lab):
    result = lab.debugger("dq 1000", "eb 1000 1", check=False)
    assert result.returncode == 1
    assert re.search(r"err, cannot read 00000000`00001000: no page table entry at level \d \(entry 0\)", result.stderr)
    assert re.search(r"err, cannot write 00000000`00001000: no page table entry at level \d \(entry 0\)", result.stderr)


@pytest.mark.neutral
def test_code_is_shown_with_names(lab):
    schedule = address_of(lab, "schedule")
    lines = output(lab, "u schedule l 30").splitlines()
    at = lines.index("vmlinux!schedule:")
    assert lines[at + 1].startswith(text_of(schedule) + "    ")
    assert re.search(r"call vmlinux!\S+ \(0xffffffff[0-9a-f]+\)", output(lab, "u schedule l 100"))
    assert "(bad)" not in output(lab, "u schedule l 1000")


# What objdump calls otherwise.
SAME = {"movabs": "mov", "cs": "nop", "data16": "nop", "xchg": "nop", "jae": "jnb", "ja": "jnbe", "jge": "jnl",
        "jg": "jnle", "je": "jz", "jne": "jnz", "sete": "setz", "setne": "setnz", "ds": "notrack"}


@pytest.mark.neutral
def test_code_is_what_objdump_makes_of_it(lab, tmp_path):
    """Where instructions begin and what they are, in a few KiB of the kernel's scheduler."""
    rows = re.findall(rf"^{ADDRESS}    ([0-9A-F]+) +(\S+)", output(lab, "u __schedule l 800"), re.M)
    file = tmp_path / "code"
    file.write_bytes(bytes.fromhex("".join(code for code, _ in rows)))
    listing = subprocess.run(["objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "-w", file],
                             capture_output=True, text=True, check=True).stdout
    theirs = re.findall(r"^ +[0-9a-f]+:\t((?:[0-9a-f]{2} )+) *\t(\S+)", listing, re.M)
    assert len(theirs) > 200
    assert [code.replace(" ", "").upper() for code, _ in theirs] == [code for code, _ in rows]
    other = [(ours, name) for (_, ours), (_, name) in zip(rows, theirs)
             if ours not in (name, SAME.get(name, name), name.rstrip("q"))]
    assert other == []


@pytest.mark.neutral
def test_symbols_and_modules(lab):
    assert f"{text_of(address_of(lab, 'schedule'))}  vmlinux!schedule\n" in output(lab, "x schedule")
    shown = set(re.findall(rf"^({ADDRESS})  vmlinux!(\S+)$", output(lab, "x vmlinux!*_interrupt"), re.M))
    known = {(text_of(int(line.split()[0], 16)), line.split()[2])
             for line in lab.out("grep '_interrupt$' /proc/kallsyms").splitlines()}
    assert len(known) > 20 and shown == known
    modules = output(lab, "lm")
    assert re.search(rf"^{ADDRESS}\t[0-9a-f]+\tvmlinux", modules, re.M)
    for line in lab.out("cat /proc/modules").splitlines():
        assert re.search(rf"^{ADDRESS}\t[0-9a-f]+\t{line.split()[0]} ", modules, re.M)
    # Every name there is, but those of code made at run time, which belongs to no module.
    kept = int(lab.out(r"grep -vc '\[\(bpf\|__builtin__[a-z]*\)\]$' /proc/kallsyms"))
    counted = int(re.search(r"(\d+) symbols of \d+ modules", output(lab, ".sym reload")).group(1))
    assert counted == kept


def test_registers_of_the_processor(lab):
    """MSRs of each core; one that faults is told."""
    entry = address_of(lab, "entry_SYSCALL_64")
    text = output(lab, "rdmsr c0000082")
    for core in range(lab.cores()):
        assert f"core : 0x{core:x} - msr[c0000082] = {text_of(entry)}\n" in text
    strange = lab.debugger("rdmsr 12345678", check=False)  # emulators have every MSR, and 0 in it
    assert "err, msr 12345678 not readable (c0001030)" in strange.stderr or \
        "core : 0x0 - msr[12345678] = 00000000`00000000\n" in strange.stdout


def test_an_address_that_is_none_is_no_entry_point(lab):
    """The processor would refuse it with #GP; an emulator may not."""
    before = output(lab, "rdmsr c0000082")
    for msr in ("c0000082", "c0000083", "176", "c0000102"):
        result = lab.debugger(f"wrmsr {msr} 8000000000000000 core 0", check=False)
        assert f"err, msr {msr} not writable with this value (c0001030)" in result.stderr
    assert output(lab, "rdmsr c0000082") == before


def test_the_processor(lab):
    """Vendor, name and features as the kernel has them. It leaves features out that it was told not to
    use or cannot use; everything else it shows is shown here, or is of the kernel's own making."""
    text = output(lab, "cpu")
    kernel = lab.out("cat /proc/cpuinfo")

    def of_kernel(field):
        return re.search(rf"^{field}\s*: (.*)$", kernel, re.M).group(1)

    assert f"vendor: {of_kernel('vendor_id')}\n" in text
    assert f"brand: {of_kernel('model name').strip()}\n" in text
    assert f"family {int(of_kernel('cpu family')):#x} " in text
    assert f"model {int(of_kernel('model')):#x} " in text
    assert f"stepping {int(of_kernel('stepping')):#x} " in text
    shown = set(re.search(r"^features:(.*)", text, re.M | re.S).group(1).split())
    flags = set(of_kernel("flags").split())
    unused = UNUSED_FEATURES | (UNUSED_FEATURES_OF_BOCHS if lab.runs_in_bochs() else set())
    assert shown - flags <= unused, shown - flags
    assert len(shown & flags) > 50


def test_interrupt_controllers(lab):
    text = output(lab, "!apic", "!ioapic")
    assert re.search(r"^\*\*\*  \(X2?APIC Mode\) PHYSICAL LAPIC ID = \d+, .*\(SW: 'Enabled'\)$", text, re.M)
    assert re.search(r"LVT_TMR  = 0x[0-9a-f]*ec,", text)
    assert "IoApic @ fec00000" in text
    assert re.search(r"^Inti00\.: ", text, re.M)


@pytest.mark.neutral
def test_tasks(lab):
    text = output(lab, ".process list")
    names = re.findall(r"Process Id: ([0-9a-f]+)\tPage Table: \S+\tImage: (.*)", text)
    assert ("0001", lab.out("cat /proc/1/comm").strip()) in names
    assert ("0002", "kthreadd") in names
    task = re.search(rf"PROCESS\t({ADDRESS})\n\tProcess Id: 0001\t", text).group(1)
    assert f"\tTHREAD\t{task} (1.1)\t" in output(lab, f".thread list process {task}")
    assert re.search(r"^process id: [0-9a-f]+\nprocess \(task_struct\): ", output(lab, ".process"), re.M)


def mapped_files(lab, pid):
    """What /proc/PID/maps has of files, as 'lm um' shows it; none if the process has ended."""
    files = {}
    for line in lab.shell(f"cat /proc/{pid}/maps").stdout.splitlines():
        place, _, _, _, inode, *path = line.split(maxsplit=5)
        if inode != "0":
            start, end = (int(address, 16) for address in place.split("-"))
            files[path[0]] = (files.get(path[0], (start,))[0], end)
    return [(text_of(start), f"{end - start:x}", path.rsplit("/", 1)[1], path) for path, (start, end) in files.items()]


MODULE = re.compile(rf"^({ADDRESS})\t([0-9a-f]+)\t(\S+) *\t(\S+)$", re.M)


@pytest.mark.neutral
def test_modules_of_processes(lab):
    """Of every process, against its /proc/PID/maps."""
    pids = [pid for pid in lab.out("ls /proc").split() if pid.isdigit()]
    before = {pid: files for pid in pids if (files := mapped_files(lab, pid))}
    text = output(lab, *[f"lm um pid 0n{pid}" for pid in before])
    shown = dict(zip(before, re.split(r"^user mode\n.*\n\n", text, flags=re.M)[1:]))
    assert "1" in before and len(shown) == len(before)
    for pid, files in before.items():
        assert MODULE.findall(shown[pid]) == files, pid
    name = before["1"][0][2]
    assert MODULE.findall(output(lab, f"lm um m {name[1:]} pid 1")) == before["1"][:1]
    # The current process: the program, or the agent.
    assert "ringside" in [row[2] for row in MODULE.findall(output(lab, "lm um"))]
    result = lab.debugger("lm um pid 2", "lm um pid 7fffffff", check=False)
    assert "err, this process has no user memory: it is the kernel's, or has ended (c000103e)" in result.stderr
    assert "err, no such process" in result.stderr


@pytest.mark.neutral
def test_scripts_know_symbols(lab):
    assert f"{address_of(lab, 'schedule'):x}\n" in output(lab, "print vmlinux!schedule")
