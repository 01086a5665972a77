# SPDX-License-Identifier: GPL-3.0-or-later
"""'ringside script' and the conformance runner (script language section 20)."""

import json
import subprocess

import pytest

from terminal import PROGRAM, run

RUNNER = PROGRAM.parent / "ringside-conformance"


def test_a_script_runs_with_registers_and_memory(home):
    result = run(home, "script", "run", "--set", "rax=5", "--memory", "1000=48656c6c6f",
                 "-e", 'printf("%d %s\\n", @rax + 1, 1000);')
    assert (result.returncode, result.stdout, result.stderr) == (0, "6 Hello\n", "")


def test_pieces_of_memory_lie_in_common_pages(home):
    result = run(home, "script", "run", "--memory", "1ff8=11", "--memory", "1ffc=22", "--memory", "2000=33", "-e",
                 'printf("%llx %llx\\n", dq(1ff8), dq(1ffc)); x = dq(2ffc);')
    assert result.stdout == "2200000011 3300000022\n"
    assert "invalid address 0000000000002ffc" in result.stderr


@pytest.mark.parametrize("words", [[], ["--interpreter"]])
def test_errors_have_their_place_and_exit_code(home, words):
    result = run(home, "script", "run", *words, "-e", "print(1);\nx = dq(10);")
    assert (result.returncode, result.stdout) == (1, "1\n")
    assert result.stderr == "err, script stopped: invalid address 0000000000000010 in dq() at line 2, column 5\n"
    result = run(home, "script", "run", *words, "--budget", "0n100", "-e", "while (1) { }")
    assert result.returncode == 1 and "instruction budget used up" in result.stderr


def test_a_file_is_checked_and_its_includes_are_found(home, tmp_path):
    (tmp_path / "lib.ds").write_text("long two() { return 2; }\n")
    script = tmp_path / "main.ds"
    script.write_text('#include "lib.ds"\nprint(two());\n')
    assert run(home, "script", "check", str(script)).returncode == 0
    assert run(home, "script", "run", str(script)).stdout == "2\n"
    (tmp_path / "lib.ds").write_text("\nlong two() { return dq(2); }\n")
    assert f"in dq() at line 2, column 21 of {tmp_path / 'lib.ds'}\n" in run(home, "script", "run", str(script)).stderr
    script.write_text("x = nope;\n")
    result = run(home, "script", "check", str(script))
    assert result.returncode == 1
    assert result.stderr == f"line 1, column 5 ({script}): unresolved variable 'nope'\n x = nope;\n     ^\n"


def test_findings_are_json_lines_if_asked(home):
    result = run(home, "script", "run", "--json", "-e", "print(1); rbx = 1; x = dq(0);")
    kinds = [json.loads(line)["kind"] for line in result.stdout.splitlines()]
    assert (result.returncode, kinds, result.stderr) == (1, ["warning", "result", "error"], "")


def test_instructions_are_shown_and_speed_is_measured(home):
    assert "RETURN" in run(home, "script", "dump", "-e", "x = 1;").stdout
    assert "million operations a second" in run(home, "script", "bench", "--runs", "16", "-e", "x = 1;").stdout


@pytest.mark.parametrize("words", [["run"], ["run", "-e", "x=1;", "--set", "nope=1"], ["check", "/nope"], ["fly"],
                                   ["run", "-e", "x=1;", "--memory", "10=abc"]])
def test_wrong_options_are_told(home, words):
    result = run(home, "script", *words)
    assert result.returncode == 2 and result.stderr.startswith("err, ")


def test_the_conformance_runner_judges_each_case(tmp_path):
    cases = tmp_path / "cases.jsonl"
    case = {"env": "std", "group": "own", "source": "own", "reference": "none"}
    cases.write_text("".join(json.dumps({**case, **each}) + "\n" for each in (
        {"id": "one", "script": 'printf("%d", @rdx);', "kind": "output", "expect": "3"},
        {"id": "two", "script": "test_statement(0ff);", "kind": "value", "expect": "FE"},
        {"id": "three", "script": "x = ;", "kind": "compile-error"},
        {"id": "four", "script": '#include "lib"\ntest_statement(two());', "kind": "value", "expect": "2",
         "needs": {"include": {"lib": "long two() { return 2; }"}}})))
    result = subprocess.run([RUNNER, cases], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1] == "3 passed, 1 failed"
    assert result.stdout.startswith('two: expected value "FE", got ran, value FF')
    result = subprocess.run([RUNNER, "--filter", "one|four", "--report", tmp_path / "report", cases],
                            capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "2 passed, 0 failed\n")
    assert [json.loads(line)["passed"] for line in (tmp_path / "report").read_text().splitlines()] == [True, True]
    assert subprocess.run([RUNNER, tmp_path / "none"], capture_output=True).returncode == 2
