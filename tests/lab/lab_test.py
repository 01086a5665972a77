# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab itself: boots, answers, ends, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from debuggee import PROGRAM, Background, Lab, has_ended, run, runtime_folder, wait_until

BOOT_LIMIT_S = 120  # a stalled machine may take long; the measured time is printed


@pytest.fixture
def lab(lab_svm):
    """These are about QEMU."""
    return lab_svm


@pytest.fixture
def bare_lab():
    """A small debuggee of the test's own."""
    lab = Lab("test-own")
    yield lab
    lab.stop()


def start_bare(lab):
    return lab.start("--no-agent", "--smp", "1", "--memory", "256", "--timeout", str(BOOT_LIMIT_S))


def test_boots_and_shows_its_progress(lab):
    print(f"boot to agent: {lab.started_in_s:.1f} s")
    for stage in ("kernel", "drivers", "network", "shell", "agent", "ready"):
        assert f"boot: {stage} ... " in lab.said
    assert f"lab '{lab.name}' is up after" in lab.said
    assert lab.trouble() == []
    assert lab.cores() == 2


def test_boots_debians_stock_kernel_with_svm_and_sources_of_interrupts(lab):
    assert lab.out("uname -sr").startswith("Linux 6.1.0-")
    assert "svm" in lab.out("grep -m1 flags /proc/cpuinfo").split()
    interrupts = lab.out("cat /proc/interrupts")
    assert "virtio" in interrupts and "IO-APIC" in interrupts and "PCI-MSI" in interrupts
    assert lab.out("dd if=/dev/vda bs=1M count=1 2>/dev/null | wc -c").strip() == "1048576"


def test_shell_separates_output_errors_and_status(lab):
    result = lab.shell("echo out; echo err >&2; exit 7")
    assert (result.stdout, result.stderr, result.returncode) == ("out\n", "err\n", 7)


def test_shell_takes_words_and_awkward_bytes(lab):
    result = run("lab", "shell", "--name", lab.name, "echo", "-n", "'a  b'")
    assert result.stdout == "a  b"
    assert len(lab.out("head -c 3000000 /dev/zero | tr '\\0' x")) == 3_000_000


def test_shell_commands_run_side_by_side(lab):
    slow = Background(lab, "echo started; while [ ! -e /tmp/go ]; do usleep 10000; done; echo went")
    assert slow.first_line() == "started"
    lab.out("touch /tmp/go")
    assert slow.finish() == "went\n"
    lab.out("rm /tmp/go")


def test_shell_ends_its_command_when_the_client_goes(lab):
    slow = Background(lab, "echo $$; exec sleep 1000")
    pid = slow.first_line()
    slow.process.kill()
    slow.process.communicate()
    wait_until(lambda: lab.shell(f"kill -0 {pid} 2>/dev/null").returncode != 0, "the command's end")


def test_shell_answers_within_five_seconds_under_load(lab):
    load = Background(lab, "workload mixed 4")
    began = time.monotonic()
    assert "load average" in lab.out("uptime")
    assert time.monotonic() - began < 5
    load.finish()


def test_shell_refuses_a_wrong_key(lab):
    key_file = lab.path("key")
    right = key_file.read_text()
    key_file.write_text("0" * 64 + "\n")
    try:
        result = lab.shell("true")
    finally:
        key_file.write_text(right)
    assert result.returncode == 5 and "err, the debuggee's shell did not answer" in result.stderr


def test_key_is_secret(lab):
    key_file = lab.path("key")
    assert key_file.stat().st_mode & 0o777 == 0o600
    key = key_file.read_text().strip()
    assert len(key) == 64
    assert key not in lab.out("cat /proc/cmdline")
    assert key not in Path(f"/proc/{lab.pid()}/cmdline").read_bytes().decode()
    assert lab.out("stat -c %a /etc/ringside.key").strip() == "600"


def test_the_debug_memory_is_seen_from_both_sides(lab):
    """QEMU's ivshmem device: its BAR 2 is the file."""
    memory = lab.path("debug memory")
    assert memory.stat().st_size == 4 << 20 and memory.stat().st_mode & 0o777 == 0o600
    device = lab.out("ivshmem").split()[0]
    assert lab.out(f"cd /sys/bus/pci/devices/{device}; cat vendor device") == "0x1af4\n0x1110\n"
    assert lab.out("ivshmem").split()[1] == str(4 << 20)
    with memory.open("r+b", buffering=0) as file:
        for offset, text in ((0, b"first bytes"), ((4 << 20) - 10, b"last bytes")):
            file.seek(offset)
            file.write(text)
            assert lab.out(f"ivshmem read {offset} {len(text)}") == text.decode()
            lab.out(f"ivshmem write {offset} {text.decode().upper().replace(' ', '-')}")
            file.seek(offset)
            assert file.read(len(text)) == text.upper().replace(b" ", b"-")


def test_com2_is_a_line_to_the_debug_socket(lab):
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(60)
        line.connect(str(lab.path("debug socket")))
        inside = Background(lab, "exec 3<>/dev/ttyS1; stty -F /dev/ttyS1 raw -echo; echo open; "
                                 "head -c 7 <&3; echo answer >&3")
        assert inside.first_line() == "open"
        line.sendall(b"request")
        received = b""
        while len(received) < 7:
            received += line.recv(100)
        assert received == b"answer\n"
        assert inside.finish() == "request"


def test_a_killed_machine_is_noticed_and_cleaned_and_its_log_kept(bare_lab):
    start_bare(bare_lab)
    pid = bare_lab.pid()
    os.kill(pid, signal.SIGKILL)
    # The last of its threads takes its files along, a moment after the first has ended.
    wait_until(lambda: bare_lab.status().returncode == 3, "QEMU's end")
    assert has_ended(pid)
    assert not (runtime_folder() / "lab-test-own").exists()
    kept = Path(os.environ["XDG_STATE_HOME"]) / "ringside/lab-test-own/console.log"
    assert "ringside-lab: ready" in kept.read_text()


def test_a_second_lab_of_the_same_name_is_refused(lab):
    result = run("lab", "start", "--name", lab.name)
    assert result.returncode == 1
    assert f"err, lab '{lab.name}' runs already" in result.stderr


def test_two_labs_run_side_by_side_and_a_stopped_one_leaves_nothing(lab, bare_lab):
    start_bare(bare_lab)
    lab.out("echo first >/tmp/who")
    bare_lab.out("echo second >/tmp/who")
    assert lab.out("cat /tmp/who").strip() == "first"
    assert bare_lab.out("cat /tmp/who").strip() == "second"
    names = [line.split(":")[0] for line in run("lab", "list").stdout.splitlines()]
    assert {lab.name, "test-own"} <= set(names)
    pid = bare_lab.pid()
    assert bare_lab.stop().returncode == 0
    assert not (runtime_folder() / "lab-test-own").exists()
    assert has_ended(pid)
    result = bare_lab.status()
    assert result.returncode == 3 and "err, no lab 'test-own' runs" in result.stderr
    assert lab.answers()


def start_in_background(lab, machine):
    return subprocess.Popen([PROGRAM, "lab", "start", "--name", lab.name, "--no-agent", *machine],
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


both_machines = pytest.mark.parametrize("machine", [[], ["--vmx"]], ids=["qemu", "bochs"])


@both_machines
def test_an_interrupted_start_leaves_nothing_behind(bare_lab, machine):
    starter = start_in_background(bare_lab, machine)
    folder = runtime_folder() / "lab-test-own"
    wait_until(lambda: (folder / "pid").exists(), "the emulator's start")
    pid = int((folder / "pid").read_text())
    starter.send_signal(signal.SIGINT)
    _, errors = starter.communicate(timeout=30)
    assert starter.returncode == 130 and "err, the boot was interrupted" in errors
    assert not folder.exists() and has_ended(pid)


@both_machines
def test_the_machine_of_a_killed_starter_is_cleaned_away(bare_lab, machine):
    starter = start_in_background(bare_lab, machine)
    folder = runtime_folder() / "lab-test-own"
    wait_until(lambda: (folder / "pid").exists(), "the emulator's start")
    pid = int((folder / "pid").read_text())
    starter.kill()
    starter.communicate()
    assert bare_lab.status().returncode == 3
    assert not folder.exists()
    wait_until(lambda: has_ended(pid), "the emulator's end")


@both_machines
def test_a_time_out_says_what_was_awaited_and_where_the_log_is(bare_lab, machine):
    result = run("lab", "start", "--name", bare_lab.name, "--no-agent", "--timeout", "1", *machine)
    assert result.returncode == 5
    assert "err, no boot within 1 s: waited for the kernel" in result.stderr
    log = result.stderr.split("console log: ")[1].strip()
    assert Path(log).exists()
    assert not (runtime_folder() / "lab-test-own").exists()


def test_a_kernel_panic_ends_the_start_with_its_line(bare_lab):
    result = run("lab", "start", "--name", bare_lab.name, "--no-agent", "--append", "rdinit=/nothing")
    assert result.returncode == 1
    assert "err, the debuggee's kernel died: " in result.stderr


@pytest.mark.parametrize("words, complaint", [
    (["--smp", "0"], "cannot make a machine of 0 cores"),
    (["--memory", "16"], "16 MB of memory are too few"),
    (["--icount", "--smp", "2"], "--icount counts the instructions of one emulated core"),
    (["--name", "a/b"], "bad lab name 'a/b'"),
    (["--accel", "magic"], "--accel"),
    (["--cpu", "no-such-cpu", "--name", "test-own"], "QEMU ended during the boot"),
])
def test_start_refuses_what_it_cannot_make(words, complaint):
    result = run("lab", "start", *words)
    assert result.returncode in (1, 2)
    assert complaint in result.stderr


@pytest.mark.full
def test_icount_counts_instructions(bare_lab):
    bare_lab.start("--icount", "--no-agent")
    assert bare_lab.cores() == 1
    # One second inside is 10^9 instructions, however long that takes outside.
    assert bare_lab.out("sleep 1 && echo slept") == "slept\n"
