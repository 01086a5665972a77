# SPDX-License-Identifier: GPL-3.0-or-later
"""The script language in root mode: its own tests and the conformance cases, as events' scripts on a
kicked vector. What needs registers or memory that an interrupt does not bring stays on the host."""

import json
import re
from pathlib import Path

import pytest

from debuggee import ROOT, Session

CASES = ROOT.parent / "shared" / "conformance" / "script" / "cases.jsonl"
SCRIPTS = sorted((ROOT / "tests" / "language" / "scripts").glob("*.ds"))
# A register with or without its sign, a pseudo-register, memory or a symbol the host's tests set up.
NEEDS_A_GUEST = re.compile(r"[@$!]\w|\b[re]?(ax|bx|cx|dx|si|di|bp|sp|ip)\b|\br(8|9|1[0-5])[dwl]?\b|"
                           r"\b(zf|cf|sf|of|pf|af)\b|_pa\(|check_address|\bpause\(|event_|#include")
A_BATCH = 28  # scripts and as many marks: less than a vector takes events


class Script:
    def __init__(self, name, text, output, fails):
        self.name, self.text, self.output, self.fails = name, text, output, fails


def own_scripts():
    """Those of tests/language, by their comments."""
    for path in SCRIPTS:
        text = path.read_text()
        if "// refused: " in text or NEEDS_A_GUEST.search(re.sub(r"//.*|\"[^\"]*\"", "", text)):
            continue
        output = "".join(f"{line}\n" for line in re.findall(r"// expect: (.*)", text))
        yield Script(path.stem, text, output, "// expect error: " in text)


def conformance():
    if not CASES.exists():
        return
    for line in CASES.read_text().splitlines():
        case = json.loads(line)
        text = case["script"]
        if case["env"] == "long" or "needs" in case or NEEDS_A_GUEST.search(re.sub(r"\"[^\"]*\"", "", text)):
            continue
        if case["kind"] == "output":
            yield Script(case["id"], text, case["expect"], False)
        elif case["kind"] == "runtime-error":
            yield Script(case["id"], text, None, True)
        elif case["kind"] == "value":
            # What the harness records is printed here.
            yield Script(case["id"], text.replace("test_statement(", "print("),
                         f"{int(case['expect'], 16):x}\n", False)


def balanced(text):
    """As it stands between the braces of the command."""
    return text if text.endswith("\n") else text + "\n"


def run_batch(lab, session, scripts):
    for number, script in enumerate(scripts):
        session.give(f"!interrupt f1 core 1 script {{\n{balanced(script.text)}}}",
                     f'!interrupt f1 core 1 script {{ printf("\\n@@{number:x}\\n"); }}')
    session.do()
    del session.lines[:]
    assert lab.kick("self f1 1 1") == "1 1 0\n"
    session.do(f'? printf("waiting\\n");', "sleep 20")
    while f"@@{len(scripts) - 1:x}" not in session.lines:
        session.do("sleep 20")
    said = "\n".join(session.lines)
    session.do("events c all", "flush")
    for number, script in enumerate(scripts):
        begin = f"\n@@{number - 1:x}\n" if number else ""
        text = said[said.index(begin) + len(begin):said.index(f"\n@@{number:x}\n" if number + 1 < len(scripts)
                                                             else f"\n@@{number:x}")]
        text = text.replace("waiting\n", "")
        errors = re.findall(r"^err, .*\n?", text, re.M)
        text = re.sub(r"^err, .*\n?", "", text, flags=re.M)
        assert bool(errors) == script.fails, f"{script.name}: {errors}"
        if script.output is not None:
            assert text.strip("\n") == script.output.strip("\n") or \
                (script.name.startswith("semantic") and text.endswith(script.output)), \
                f"{script.name}:\n{script.text}"


@pytest.mark.neutral
def test_scripts_do_in_root_mode_what_they_do_on_the_host(lab):
    lab.kick("snap")
    scripts = [*own_scripts(), *conformance()]
    if lab.is_vmx():
        scripts = scripts[:A_BATCH]
    print(f"{len(scripts)} scripts")
    with Session(lab) as session:
        for begin in range(0, len(scripts), A_BATCH):
            run_batch(lab, session, scripts[begin:begin + A_BATCH])
        session.finish("unload")
