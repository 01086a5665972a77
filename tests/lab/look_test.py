# SPDX-License-Identifier: GPL-3.0-or-later
"""What root mode says of the machine is what the machine says itself (specification section 14)."""

import re

import pytest


@pytest.mark.parametrize("paging", ["", "npt"])
def test_what_root_mode_sees_is_what_there_is(lab, paging):
    """Memory, page walks, MSRs, interrupt controllers, tasks, mappings and names; the program compares."""
    result = lab.shell(f"look {paging}", timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"^\d{2} checks hold, 0 do not\n", result.stdout, re.M), result.stdout
