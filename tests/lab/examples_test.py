# SPDX-License-Identifier: GPL-3.0-or-later
"""Every script of examples/ on a debuggee: it succeeds, and prints what its head promises.

A head has lines '# prints: RE' and, for a script that takes arguments, '# arguments: WORDS'.
"""

import re

import pytest

from debuggee import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.ds"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
@pytest.mark.neutral
def test_an_example_prints_what_it_promises(lab, path):
    head = path.read_text()
    arguments = " ".join(re.findall(r"^# arguments: (.*)$", head, re.M)).split()
    result = lab.run_script(path, *arguments)
    said = result.stdout + result.stderr
    assert result.returncode == 0, said
    assert "err, " not in said
    for promise in re.findall(r"^# prints: (.*)$", head, re.M):
        assert re.search(f"^{promise}$", result.stdout, re.M), f"no '{promise}' in:\n{said}"
