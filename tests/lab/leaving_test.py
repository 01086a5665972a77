# SPDX-License-Identifier: GPL-3.0-or-later
"""The system ends while every interrupt is hooked: the machine resets or stops, and never hangs."""

import re
import time

import pytest

from debuggee import Lab, Session

ENDS = {
    "reboot": "reboot -f",
    "power off": "poweroff -f",
    "emergency restart": "echo b >/proc/sysrq-trigger",
    "panic": "echo c >/proc/sysrq-trigger",
}


# Root mode's word on the way out of a kernel that ends by a triple fault, which Bochs' does.
LAST_WORDS = r"ringside: triple fault of the guest, core [01] rip .*"


def machine_of(keeper):
    """A debuggee that may end: of the test's own, or in Bochs, where each takes half a minute, the
    one at hand."""
    if keeper:
        return keeper.get()
    lab = Lab("test-end")
    lab.start("--smp", "2")
    return lab


@pytest.mark.parametrize("machine", ["svm", "vmx"])
@pytest.mark.parametrize("way", [
    pytest.param(way, marks=[] if way in ("reboot", "panic") else [pytest.mark.full])
    for way in ENDS
])
def test_the_machine_ends_as_it_would_without_us(own_folders, request, way, machine):
    lab = machine_of(request.getfixturevalue("keeper_of_vmx") if machine == "vmx" else None)
    try:
        with Session(lab, "? .all = 0;", "!interrupt script { .all++; }") as session:
            root_log = lab.path("root log")
            lab.shell(ENDS[way], timeout=60)
            deadline = time.monotonic() + 60
            while lab.status().returncode == 0 and time.monotonic() < deadline:
                time.sleep(0.2)
            assert lab.status().returncode != 0, f"still there after: {ENDS[way]}"
            if root_log.exists():
                said = re.findall(r"^ringside: .*", root_log.read_text(), re.M)
                allowed = LAST_WORDS if machine == "vmx" else "nothing"
                assert all(re.fullmatch(allowed, line) for line in said), said
            session.kill()
    finally:
        if lab.status().returncode == 0:
            lab.stop()
