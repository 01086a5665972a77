# SPDX-License-Identifier: GPL-3.0-or-later
"""All CPUs or none: launches that fail half-way, many in a row, CPUs that come and go."""

import re

from cycles_test import SLACK_KB, free_memory_kb
from debuggee import Background, Lab, Session


def test_a_launch_that_fails_leaves_every_core_as_it_was(lab):
    lab.out("launch fail", timeout=120)
    if not lab.is_vmx():
        return  # docs/emulators.md: a refused VMRUN cannot be shown
    # An entry the processor refuses is explained, on each core it was tried on.
    log = lab.out("dmesg")
    for core in range(lab.cores()):
        assert f"ringside: VM entry refused on core {core}, code 80000021" in log
    assert "ringside: failed check: activity state: no such state" in log
    assert re.search(r"ringside: VMCS: .*GuestRip=ffffffff[0-9a-f]{8}\b", log)


def test_a_launch_that_fails_on_the_last_of_four_cores_is_rolled_back(lab4):
    lab4.out("launch fail", timeout=120)


def test_many_launches_under_load_leave_no_memory_behind(lab):
    lab.out("launch cycle 4")
    before = free_memory_kb(lab)
    load = Background(lab, f"workload mixed {3 if lab.is_vmx() else 8}")
    lab.out(f"launch cycle {10 if lab.is_vmx() else 100}", timeout=180)
    load.finish(150)
    assert before[0] - free_memory_kb(lab)[0] < SLACK_KB


def test_nested_paging_hides_nothing_the_guest_needs(lab):
    with Session(lab, "load vmm npt=on", "? .all = 0;", "!interrupt script { .all++; }",
                 load=False) as session:
        lab.out("workload timers 1")
        session.do("print .all")
        counted = int(session.lines[-1], 16)
        session.finish("events c all", "unload")
    assert counted > 100


# Bochs' MONITOR misses stores of a core under nested paging, and a core just back has no timer yet
# that would wake it (docs/emulators.md): a latency of 0 makes the idle loop look at its flag instead.
AWAKE = "exec 4<>/dev/cpu_dma_latency; printf '\\0\\0\\0\\0' >&4"


def test_a_core_that_goes_and_comes_back_is_hooked_again(lab):
    first = AWAKE if lab.runs_in_bochs() else "true"
    with Session(lab, '!interrupt ec core 1 script { printf("hit %x\\n", $core); }') as session:
        for _ in range(5):
            assert lab.out(f"{first}; cd /sys/devices/system/cpu; echo 0 >cpu1/online; cat online") == "0\n"
            assert lab.out(f"{first}; cd /sys/devices/system/cpu; echo 1 >cpu1/online; cat online") == "0-1\n"
        seen = session.lines.count("hit 1")
        lab.out("taskset 2 workload cpu 1")
        session.do("events")
        assert session.lines.count("hit 1") > seen + 10
        session.finish("events c all", "unload")


def test_suspend_is_refused_with_a_sentence(lab):
    with Session(lab) as session:
        assert lab.shell("echo mem >/sys/power/state").returncode != 0
        assert "suspend refused while the hypervisor is loaded" in lab.out("dmesg | tail -n 5")
        session.finish("unload")


def test_removing_the_module_takes_a_loaded_hypervisor_out(lab):
    with Session(lab, "? .all = 0;", "!interrupt script { .all++; }") as session:
        session.kill()
    # Without force: with it the kernel takes the code away from under a client that still ends.
    lab.out("until rmmod ringside; do usleep 100000; done", timeout=20)
    assert lab.out("echo alive") == "alive\n"
    lab.out("insmod /lib/modules/ringside.ko")
    said = lab.debugger("status", load=False).stdout
    assert "vmm loaded            no" in said


def test_a_machine_without_svm_and_vmx_is_told_so_row_53(own_folders):
    """API-1; that a stock kernel is enough the whole lab shows."""
    lab = Lab("test-none")
    lab.start("--smp", "1", "--qemu", "-cpu", "--qemu", "qemu64,-svm")
    try:
        told = lab.debugger("load vmm", "status", load=False, check=False)
        assert told.returncode != 0 and "no virtualization" in told.stdout
        assert "err, this processor has neither AMD SVM nor Intel VMX" in told.stderr
        assert lab.out("echo fine") == "fine\n" and not lab.trouble()
    finally:
        lab.stop()
