# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of tools/: that they pass what is right and name what is wrong."""

import io
import os
import re
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))

import check_includes  # noqa: E402
import check_spdx  # noqa: E402
import junit_summary  # noqa: E402
import source_files  # noqa: E402


def tree(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(folder)


BASE = {
    "uapi/ringside/event.h": "#include <linux/types.h>\n",
    "core/base/types.hpp": "#include <cstdint>\n",
    "core/x86/msr.hpp": '#include "base/types.hpp"\n',
    "core/vcpu/backend.hpp": '#include "x86/msr.hpp"\n#include "ringside/event.h"\n',
    "core/core_api.h": '#include "ringside/event.h"\n',
    "debugger/transport/link.hpp": "#include <string>\n",
    "debugger/language/lexer.hpp": "#include <vector>\n",
}


def includes(folder, extra):
    report = io.StringIO()
    check_includes.check(tree(folder, {**BASE, **extra}), out=report)
    return report.getvalue().splitlines()


def test_downward_includes_are_fine(tmp_path):
    assert includes(tmp_path, {
        "core/svm/vmcb.hpp": '#include "base/types.hpp"\n#include "vcpu/backend.hpp"\n',
        "linux/module.c": '#include <linux/module.h>\n#include "core_api.h"\n',
        "debugger/commands/events.cpp": '#include "language/lexer.hpp"\n#include <unistd.h>\n',
        "debugger/agent/agent.cpp": '#include "transport/link.hpp"\n',
        "debugger/lab/image.cpp": '#include "lab/init.hpp"\n',
        "debugger/lab/guest/init.hpp.in": "",
        "tests/unit/core/x86/msr_test.cpp": '#include <gtest/gtest.h>\n#include "x86/msr.hpp"\n',
    }) == []


@pytest.mark.parametrize("path, text, expected", [
    ("core/x86/cpuid.hpp", '\n\n#include "vcpu/backend.hpp"\n',
     'core/x86/cpuid.hpp:3: core/x86 may not include "vcpu/backend.hpp" of core/vcpu'),
    ("core/svm/a.cpp", '#include "../vmx/vmcs.hpp"\n',
     'core/svm/a.cpp:1: core/svm may not include "../vmx/vmcs.hpp" of core/vmx'),
    ("core/monitor/a.cpp", "#include <linux/slab.h>\n",
     "core/monitor/a.cpp:1: <linux/slab.h>: needs an operating system (core/ is freestanding)"),
    ("core/base/a.cpp", "#include <cstring>\n",
     "core/base/a.cpp:1: <cstring>: needs an operating system (core/ is freestanding)"),
    ("linux/a.c", '#include "base/types.hpp"\n',
     'linux/a.c:1: linux may not include "base/types.hpp" of core/base'),
    ("linux/a.c", "#include <stdio.h>\n",
     "linux/a.c:1: <stdio.h>: the shim includes Linux headers only"),
    ("debugger/language/a.cpp", '#include "transport/link.hpp"\n',
     'debugger/language/a.cpp:1: debugger/language may not include "transport/link.hpp" of '
     'debugger/transport'),
    ("debugger/lab/a.cpp", '#include "transport/link.hpp"\n',
     'debugger/lab/a.cpp:1: debugger/lab may not include "transport/link.hpp" of '
     'debugger/transport'),
    ("debugger/language/b.cpp", '#include "vcpu/backend.hpp"\n',
     'debugger/language/b.cpp:1: debugger/language may not include "vcpu/backend.hpp" of '
     'core/vcpu'),
    ("core/ring/a.cpp", '#include "no_such.hpp"\n',
     'core/ring/a.cpp:1: "no_such.hpp": no such file in the project'),
    ("core/new_folder/a.cpp", "\n",
     "core/new_folder/a.cpp:1: core/new_folder/a.cpp is in no folder of the include table "
     "(tools/check_includes.py)"),
    ("CONTRIBUTING.md", "no table\n",
     "CONTRIBUTING.md:1: its include table differs from 'tools/check_includes.py --table'"),
])
def test_a_violation_is_named_with_file_and_line(tmp_path, path, text, expected):
    assert includes(tmp_path, {"core/vmx/vmcs.hpp": "", path: text}) == [expected]


def test_the_printed_table_is_accepted(tmp_path):
    assert includes(tmp_path, {"CONTRIBUTING.md": "# x\n" + check_includes.markdown()}) == []


@pytest.mark.parametrize("path, text, expected", [
    ("core/a.hpp", "// SPDX-License-Identifier: GPL-2.0-or-later\n", None),
    ("core/a.hpp", "// SPDX-License-Identifier: GPL-3.0-or-later\n",
     "core/a.hpp:1: licence is 'GPL-3.0-or-later', here it must be 'GPL-2.0-or-later'"),
    ("uapi/ringside/a.h",
     "/* SPDX-License-Identifier: (GPL-2.0-or-later WITH Linux-syscall-note) OR MIT */\n", None),
    ("debugger/a.cpp", "#include <string>\n",
     "debugger/a.cpp:1: no SPDX-License-Identifier in the first three lines"),
    ("tool", "#!/bin/sh\n# SPDX-License-Identifier: GPL-3.0-or-later\n", None),
    ("tool", "#!/bin/sh\necho\n", "tool:1: no SPDX-License-Identifier in the first three lines"),
    ("README.md", "text\n", None),
    ("tests/language/scripts/a.ds", "x = 1;\n", None),
])
def test_licence_of_a_file(tmp_path, path, text, expected):
    assert check_spdx.check_file(tree(tmp_path, {path: text}), path) == expected


def test_files_are_found_without_git(tmp_path, monkeypatch):
    root = tree(tmp_path, {"core/a.hpp": "", "build/b.hpp": "", ".git/c": ""})
    monkeypatch.setenv("PATH", "/nonexistent")
    assert source_files.source_files(root) == ["core/a.hpp"]


def test_junit_files_are_counted(tmp_path):
    path = tmp_path / "x.xml"
    path.write_text("""<testsuites><testsuite>
        <testcase name="a" classname="a"/>
        <testcase name="b" classname="lab.x"><failure message="no"/></testcase>
        <testcase name="c" classname="c"><skipped message="no qemu&#10;more"/></testcase>
        <testcase name="d" classname="d" status="notrun"/>
        </testsuite></testsuites>""")
    assert junit_summary.summarize(str(path)) == (
        1, ["lab.x::b"], [("c", "no qemu"), ("d", "not run")])


def test_a_missing_junit_file_is_a_failure(tmp_path):
    passed, failed, skipped = junit_summary.summarize(str(tmp_path / "none.xml"))
    assert (passed, len(failed), skipped) == (0, 1, [])


def test_setup_lists_packages_without_touching_the_machine():
    out = subprocess.run([os.path.join(ROOT, "tools/setup.sh"), "--list", "lab"], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    assert "qemu-system-x86" in out and "bochs" in out and "g++" not in out


def test_setup_refuses_an_unknown_group():
    result = subprocess.run([os.path.join(ROOT, "tools/setup.sh"), "everything"], text=True,
                            stderr=subprocess.PIPE, check=False)
    assert result.returncode == 2
    assert "unknown word 'everything'" in result.stderr


def test_setup_names_the_packages_on_another_system(tmp_path):
    # A PATH without dpkg-query and apt-get is what another distribution looks like.
    for tool in ("bash", "cat", "sed", "id", "env"):
        (tmp_path / tool).symlink_to(os.path.join("/usr/bin", tool))
    result = subprocess.run(["/bin/bash", os.path.join(ROOT, "tools/setup.sh"), "lab"], text=True,
                            stderr=subprocess.PIPE, check=False, env={"PATH": str(tmp_path)})
    assert result.returncode == 1
    assert "not a Debian system" in result.stderr
    assert "cpio" in result.stderr and "RINGSIDE_SETUP=skip" in result.stderr


def test_a_lab_test_carries_each_row_of_the_reference_page():
    """Specification 18."""
    names = []
    for folder, _, files in os.walk(os.path.join(ROOT, "tests", "lab")):
        for file in files:
            if file.endswith("_test.py"):
                with open(os.path.join(folder, file), encoding="utf-8") as text:
                    names += re.findall(r"^def test_\w+?_row((?:_\d+)+)\(", text.read(), re.M)
    carried = {int(row) for rows in names for row in rows.split("_") if row}
    assert carried == set(range(1, 56))
