# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes and threads of a machine that stands (specification 14): which runs, and halting where
another one does."""

import re

from commands_test import MODULE, mapped_files
from debuggee import BUILD
from halted_test import busy, said
from long_halt_test import HaltingSession

NOTICE = "notice: this command lets the debuggee run for a moment"


def running(session):
    """The pid of who is halted, hexadecimal; .process and $pid agree."""
    lines = said(session, ".process", r'? printf("pid %x\n", $pid);')
    pid = re.fullmatch("process id: ([0-9a-f]+)", lines[0])[1]
    assert lines[-1] == f"pid {pid}"
    return pid


def test_the_machine_halts_where_a_process_is_switched_to(lab_svm):
    """Two that share a core, in turn; and one that shares another with nobody."""
    with busy(lab_svm, 1, 1, 0) as (first, second, alone), HaltingSession(lab_svm) as session:
        for _ in range(10):
            for pid in (first, second):
                lines = said(session, f".process pid {pid}")
                assert f"now in process {pid}" in lines, lines
                assert running(session) == pid
                assert said(session, "~") == ["operating core: 0x1"]
        assert f"now in process {alone}" in said(session, f".process pid {alone}")
        assert said(session, "~") == ["operating core: 0x0"]
        assert running(session) == alone
        # It stands there now.
        lines = said(session, f".process pid {alone}")
        assert f"now in process {alone}" in lines and NOTICE not in lines
        session.finish("g")
    assert lab_svm.answers()


def test_the_machine_halts_where_a_thread_is_switched_to(lab_svm):
    """A thread of the kernel that sleeps most of the time, by its number and its task_struct."""
    pid = int(lab_svm.out("pidof rcu_preempt"))
    with HaltingSession(lab_svm) as session:
        lines = said(session, f".thread tid 0n{pid}")
        assert f"now in thread {pid:x} of process {pid:x}" in lines, lines
        assert "process name (16-Byte): rcu_preempt" in said(session, ".thread")
        assert any("vmlinux!rcu_gp_kthread" in line for line in said(session, "k"))
        task = next(line.split()[-1] for line in said(session, ".thread") if line.startswith("thread (task"))
        session.do(".thread tid 0")
        lines = said(session, f".thread thread {task}")
        assert f"now in thread {pid:x} of process {pid:x}" in lines, lines
        assert running(session) == f"{pid:x}"
        assert "err, no such process" in said(session, ".process pid 7fffffff")
        session.finish("g")
    assert lab_svm.answers()


def test_files_of_processes_are_listed_while_the_machine_stands(lab_svm):
    """Of one that is named, of the one that is halted, and of the kernel's, which have none."""
    with busy(lab_svm, 1) as (pid,):
        known = {process: mapped_files(lab_svm, int(process, 16)) for process in (pid, "1")}
        with HaltingSession(lab_svm) as session:
            for process, files in known.items():
                assert MODULE.findall("\n".join(said(session, f"lm um pid {process}"))) == files
            session.do(f".process pid {pid}")
            assert MODULE.findall("\n".join(said(session, "lm um"))) == known[pid]
            session.do(".thread tid 0")
            assert any("err, this process has no user memory" in line for line in said(session, "lm um"))
            session.finish("g")
    assert lab_svm.answers()


def test_a_breakpoint_comes_before_the_process_that_is_waited_for(lab_svm):
    with busy(lab_svm, 0) as (pid,), HaltingSession(lab_svm) as session:
        # At the very place: the user's own is the better news.
        session.do("bp vmlinux!finish_task_switch.isra.0 core 1")
        lines = said(session, ".process pid 1")
        assert "breakpoint 0x1 hit" in lines and "notice: process 1 has not run meanwhile" in lines, lines
        # One that is not meant does not hide it.
        session.do("bc all", "bp vmlinux!finish_task_switch.isra.0 pid 7fffffff", ".thread tid 0")
        lines = said(session, f".process pid {pid}")
        assert f"now in process {pid}" in lines, lines
        session.finish("bc all", "g")
    assert lab_svm.answers()


def test_symbols_of_files_name_what_runs(lab_svm):
    """A program's, checked by where its process stands; a module's, checked against the kernel's."""
    kick = BUILD / "tests/lab/kick/kick.ko"
    lab_svm.kick("count")
    known = dict(reversed(line.split()[:3:2]) for line in lab_svm.out("grep '\\[kick\\]' /proc/kallsyms").splitlines()
                 if line.split()[1] in "tT")
    base = min(int(address, 16) for address in known.values()) & ~0xfff
    with busy(lab_svm, 1) as (pid,), HaltingSession(lab_svm) as session:
        lines = said(session, f".process pid {pid}", f".sym add base 400000 path {BUILD}/tests/lab/bin/spin",
                     f"bp spin!main pid {pid}", "bl")
        assert any(line.endswith("spin!main") for line in lines), lines
        session.do(f".sym add base {base:x} path {kick}")
        shown = {line.split("!")[1]: line.split()[0].replace("`", "") for line in said(session, "x kick!*")
                 if "kick!" in line}
        same = [name for name, address in known.items() if shown.get(name) == address]
        assert len(same) > 3 and len(same) == len(known.keys() & shown.keys()), (known, shown)
        session.finish("bc all", "g")
