# SPDX-License-Identifier: GPL-3.0-or-later
"""The system ends while every interrupt is hooked: the machine resets or stops, and never hangs."""

import time

import pytest

from debuggee import Lab, Session

ENDS = {
    "reboot": "reboot -f",
    "power off": "poweroff -f",
    "emergency restart": "echo b >/proc/sysrq-trigger",
    "panic": "echo c >/proc/sysrq-trigger",
}


@pytest.mark.parametrize("way", [
    pytest.param(way, marks=[] if way in ("reboot", "panic") else [pytest.mark.full])
    for way in ENDS
])
def test_the_machine_ends_as_it_would_without_us(own_folders, way):
    lab = Lab("test-end")
    lab.start("--smp", "2")
    try:
        with Session(lab, "? .all = 0;", "!interrupt script { .all++; }") as session:
            root_log = lab.path("root log")
            lab.shell(ENDS[way], timeout=60)
            deadline = time.monotonic() + 60
            while lab.status().returncode == 0 and time.monotonic() < deadline:
                time.sleep(0.2)
            assert lab.status().returncode != 0, f"still there after: {ENDS[way]}"
            if root_log.exists():
                assert root_log.read_text() == "", "root mode had something to say"
            session.kill()
    finally:
        if lab.status().returncode == 0:
            lab.stop()
