# SPDX-License-Identifier: GPL-3.0-or-later
"""The Intel lab: the same debuggee in Bochs, its agent on the second serial line."""

import os
import re
import socket
import stat
from pathlib import Path

import pytest

from debuggee import Background, Lab, has_ended, run, runtime_folder, wait_until


def listening_addresses(pid):
    """Local addresses, as /proc/net/tcp has them, of the TCP sockets on which a process listens."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        inodes.update(re.findall(r"socket:\[(\d+)\]", os.readlink(link)))
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in inodes:
                found.append(words[1].split(":")[0])
    return found


def test_boots_the_stock_kernel_with_vmx_and_shows_its_progress(lab_vmx):
    print(f"boot to agent: {lab_vmx.started_in_s:.1f} s")
    assert "machine: 2 cores, 512 MB, Bochs (broadwell_ult)" in lab_vmx.said
    for stage in ("kernel", "drivers", "network", "shell", "agent", "ready"):
        assert f"boot: {stage} ... " in lab_vmx.said
    assert lab_vmx.trouble() == []
    assert lab_vmx.cores() == 2
    assert lab_vmx.out("uname -sr").startswith("Linux 6.1.0-")
    flags = lab_vmx.out("grep -m1 ^flags /proc/cpuinfo").split()
    assert "vmx" in flags and "svm" not in flags


def test_has_a_device_with_a_level_triggered_line(lab_vmx):
    assert re.search(r"IO-APIC +\d+-fasteoi +eth0", lab_vmx.out("cat /proc/interrupts"))


def test_shell_works_as_in_the_other_lab(lab_vmx):
    result = lab_vmx.shell("echo out; echo err >&2; exit 7")
    assert (result.stdout, result.stderr, result.returncode) == ("out\n", "err\n", 7)
    assert len(lab_vmx.out("head -c 200000 /dev/zero | tr '\\0' x")) == 200_000
    slow = Background(lab_vmx, "echo started; while [ ! -e /tmp/go ]; do usleep 10000; done; echo went")
    assert slow.first_line() == "started"
    lab_vmx.out("touch /tmp/go")
    assert slow.finish() == "went\n"
    lab_vmx.out("rm /tmp/go")


def test_key_is_secret(lab_vmx):
    key = lab_vmx.path("key").read_text().strip()
    assert len(key) == 64
    assert lab_vmx.out("cat /etc/ringside.key").strip() == key
    assert lab_vmx.out("stat -c %a /etc/ringside.key").strip() == "600"
    assert key not in lab_vmx.out("cat /proc/cmdline")
    # What is read at every start holds the key: the disk, for the owner only.
    folder = runtime_folder() / f"lab-{lab_vmx.name}"
    assert (folder / "boot.disk").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_status_names_the_machine_and_the_serial_line(lab_vmx):
    serial = runtime_folder() / f"lab-{lab_vmx.name}" / "serial"
    expected = f"2 cores, bochs, agent {serial}, pid {lab_vmx.pid()}"
    assert expected in lab_vmx.status().stdout
    assert expected in run("lab", "list").stdout
    assert stat.S_ISSOCK(serial.stat().st_mode)
    assert "Bochs" in lab_vmx.path("root log").read_text()


def test_nothing_listens_to_other_machines(lab_vmx):
    assert listening_addresses(lab_vmx.pid()) == ["0100007F"]  # the shell's, on 127.0.0.1


def test_debuggers_come_one_after_the_other(lab_vmx):
    for _ in range(2):
        text = run("--lab", lab_vmx.name, "-c", "status").stdout
        assert f"lab-{lab_vmx.name}/serial" in text and "2 cores" in text


def test_a_second_debugger_is_turned_away(lab_vmx):
    path = str(runtime_folder() / f"lab-{lab_vmx.name}" / "serial")
    with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        first.connect(path)
        second.settimeout(30)
        second.connect(path)
        assert second.recv(1) == b""
    result = run("--lab", lab_vmx.name, "-c", "status")
    assert "2 cores" in result.stdout, result.stderr


def test_the_agent_leaves_the_line_to_debugger_mode_and_comes_back(lab_vmx):
    status = lab_vmx.status().stdout
    assert "debug memory" not in status
    assert lab_vmx.path("debug socket") == runtime_folder() / f"lab-{lab_vmx.name}" / "serial"
    users = "ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c /dev/ttyS1"
    assert lab_vmx.shell(users).stdout.strip() != "0"
    lab_vmx.out("touch /run/debug-line; kill $(cat /run/agent.pid); "
                "until [ -e /run/agent-waits ]; do usleep 20000; done")
    assert lab_vmx.shell(users).stdout.strip() == "0"
    lab_vmx.out("rm /run/debug-line; until [ -e /run/agent.pid ]; do usleep 20000; done")
    assert "2 cores" in run("--lab", lab_vmx.name, "-c", "status").stdout


def test_two_machines_side_by_side_and_one_that_is_switched_off(lab_vmx):
    other = Lab("test-own")
    said = other.start("--vmx", "--no-agent", "--smp", "1", "--memory", "256", "--cpu",
                       "corei7_ivy_bridge_3770k", "--append", "lab.word=given")
    try:
        assert "boot: agent" not in said
        assert other.cores() == 1
        assert "i7-3770K" in other.out("grep -m1 'model name' /proc/cpuinfo")
        assert "lab.word=given" in other.out("cat /proc/cmdline").split()
        assert 150 < int(other.out("free -m | awk '/^Mem/{print $2}'")) < 256
        other.out("echo second >/tmp/who")
        lab_vmx.out("echo first >/tmp/who")
        assert other.out("cat /tmp/who") == "second\n"
        assert lab_vmx.out("cat /tmp/who") == "first\n"
        folder = runtime_folder() / "lab-test-own"
        pids = [int((folder / name).read_text()) for name in ("pid", "relay.pid")]
        other.shell("poweroff -f")
        wait_until(lambda: other.status().returncode == 3, "the machine's end")
        assert not folder.exists()
        for pid in pids:
            wait_until(lambda pid=pid: has_ended(pid), "the end of Bochs and its relay")
        kept = Path(os.environ["XDG_STATE_HOME"]) / "ringside/lab-test-own"
        assert "reboot: Power down" in (kept / "console.log").read_text()
        assert (kept / "bochs.log").exists()
    finally:
        other.stop()


def start_with_another_bochs(folder, script):
    """'lab start --vmx' with a program of the test's own in Bochs' place."""
    program = folder / "bochs-bin"
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    return run("lab", "start", "--vmx", "--no-agent", "--name", "test-own", "--timeout", "1",
               env=environment)


def test_bochs_gets_another_port_when_the_first_one_is_taken(tmp_path):
    result = start_with_another_bochs(tmp_path, f"""
        cat bochs.net >>{tmp_path}/networks
        if [ "$(wc -l <{tmp_path}/networks)" = 2 ]; then
            echo "0e[SLIRP0] could not set up host forwarding rule '...'" >&2
        fi
        echo '1i[BIOS  ] $Revision: 1 $' >&2
        exec sleep 1000
        """)
    networks = (tmp_path / "networks").read_text().splitlines()
    assert len(networks) == 4 and networks[1] != networks[3]
    assert result.returncode == 5 and "err, no boot within 1 s" in result.stderr
    assert not (runtime_folder() / "lab-test-own").exists()


def test_bochs_that_does_not_start_is_quoted(tmp_path):
    result = start_with_another_bochs(tmp_path, "echo 'out of luck' >&2; echo ==== >&2; exit 1")
    assert result.returncode == 1
    assert "err, Bochs did not start: out of luck" in result.stderr
    assert not (runtime_folder() / "lab-test-own").exists()


@pytest.mark.parametrize("words, complaint", [
    (["--smp", "4"], "a VMX lab has 1 or 2 cores, not 4"),
    (["--memory", "4096"], "a VMX lab has at most 2048 MB of memory"),
    (["--cpu", "EPYC"], "a VMX lab has no processor model 'EPYC'"),
    (["--accel", "kvm"], "--accel chooses how QEMU runs"),
    (["--icount"], "--icount counts instructions in QEMU"),
    (["--qemu", "-s"], "--qemu is for QEMU"),
    (["--disk", "16"], "a VMX lab has no scratch disk"),
])
def test_refuses_what_bochs_cannot_make(words, complaint):
    result = run("lab", "start", "--vmx", *words)
    assert result.returncode == 2
    assert f"err, {complaint}" in result.stderr and "hint: " in result.stderr
