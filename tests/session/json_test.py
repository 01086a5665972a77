# SPDX-License-Identifier: GPL-3.0-or-later
"""The program's output for programs, `--json`: each line is read back with a JSON library."""

import json
import subprocess

from terminal import PROGRAM, environment, run


def lines_of(result):
    """stdout as objects; every line is one, and says which schema it has."""
    assert result.stderr == ""
    objects = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(one["schema"] == "ringside/1" for one in objects)
    return objects


def test_commands_give_results_and_errors(home):
    result = run(home, "--json", "-c", "print 2 + 2", "-c", "sleep 1 2", "-c", "output create x y z")
    assert result.returncode == 1
    good, wrong, unknown = lines_of(result)
    assert good == {"schema": "ringside/1", "kind": "result", "text": "4\n"}
    assert wrong == {"schema": "ringside/1", "kind": "error", "text": "wrong use of 'sleep'",
                     "command": "sleep 1 2", "column": 9, "hint": "see '.help sleep'"}
    assert unknown["text"] == "unknown output type 'y'"
    assert unknown["command"][unknown["column"] - 1:].startswith("y z")


def test_compiler_messages_say_where(home):
    result = run(home, "--json", "-c", "? { x = 1;\n y = nosuch(x); }")
    first, last = lines_of(result)
    assert (first["kind"], first["command"][first["column"] - 1:][:6]) == ("error", "nosuch")
    assert last["text"] == "script not accepted"


def test_bytes_that_are_no_utf8_come_back_whole(home):
    script = b'? printf("\xc3\xa4\xff\\"\\n");'
    result = subprocess.run([PROGRAM, "--json"], input=script + b"\n" + b'? printf("\xc3\xa4");',
                            env=environment(home), capture_output=True, timeout=30, check=False)
    broken, sound = [json.loads(line) for line in result.stdout.splitlines()]
    assert broken["text"].encode(broken["text_encoding"]) == b'\xc3\xa4\xff"\n'
    assert sound["text"] == "\u00e4" and "text_encoding" not in sound


def test_a_missing_debuggee_is_an_error_with_its_exit_code(home):
    result = run(home, "--json", "--connect", "127.0.0.1:1", "--no-key", "-c", "status")
    assert result.returncode == 3
    assert [one["kind"] for one in lines_of(result)] == ["error"]


def test_events_say_where_their_text_came_from(home, loopback):
    agent = loopback()
    result = run(home, *agent.options, "--json", "--load", "-c",
                 '!interrupt ec core 1 script { printf("tick \\"%x\\"\\n", $core); }', "-c",
                 "!interrupt fd core 0 script {\n x = dq(0);\n}", "-c", "sleep 0n400")
    assert result.returncode == 0
    objects = lines_of(result)
    ticks = [one for one in objects if one["kind"] == "message"]
    assert ticks and all(one["text"] == 'tick "1"\n' and one["core"] == 1 and one["event"] == 0
                         for one in ticks)
    assert [one["seq"] for one in ticks] == sorted({one["seq"] for one in ticks})
    assert [one["time_ns"] for one in ticks] == sorted(one["time_ns"] for one in ticks)
    faults = [one for one in objects if one["kind"] == "diagnostic"]
    assert faults and faults[0]["event"] == 1 and faults[0]["text"].startswith("err, ")


def test_forwarded_text_is_not_in_the_lines(home, loopback):
    agent = loopback()
    log = home / "log"
    result = run(home, *agent.options, "--json", "--load", "-c", f"output create log file {log}",
                 "-c", '!interrupt ec script { printf("tick\\n"); } output {log}',
                 "-c", "output open log", "-c", "output", "-c", "sleep 0n400")
    assert result.returncode == 0
    kinds = [one["kind"] for one in lines_of(result)]
    assert "notice" in kinds
    # What came between the event and the opening of its output was shown.
    assert log.read_text() == "tick\n" * log.read_text().count("\n") != ""
