# SPDX-License-Identifier: GPL-3.0-or-later
"""A debuggee behind an agent: events, messages above the prompt, the link lost."""

import os
import re
import signal
import subprocess

from terminal import CONTROL, PROGRAM, environment, free_port, run

TICK = '!interrupt ec script { printf("tick core %x vector %x\\n", $core, $context); }'


def test_the_story_of_the_first_page(home, loopback):
    debuggee = loopback()
    result = run(home, *debuggee.options, "--load", "-c", TICK, "-c", "sleep 0n500", "-c", "events",
                 "-c", "events c all", "-c", "events", "-c", "unload")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == f"connected to 127.0.0.1:{debuggee.port}"
    assert re.fullmatch(r"Ringside \S+ — debuggee: Linux \S+, 2 cores, \w+", lines[1])
    assert lines[3] == "vmm: loaded"
    assert "tick core 0 vector ec" in lines and "tick core 1 vector ec" in lines
    assert f"0\t(enabled)\t    {TICK[:70]}..." in lines
    assert "no events" in lines
    assert lines[-1] == "vmm: unloaded"


def test_messages_already_printed_by_scripts_are_shown_before_the_exit(home, loopback):
    result = run(home, *loopback("--rate", "1000").options, "--load", "-c", TICK, "-c", "sleep 64")
    assert result.returncode == 0
    assert result.stdout.count("tick core") >= 2
    assert result.stdout.endswith("\n")


def test_the_prompt_names_the_debuggee(at_prompt, loopback):
    debuggee = loopback()
    session = at_prompt(*debuggee.options)
    assert "debuggee: Linux" in session.prompt(debuggee.prompt)
    session.enter(".disconnect")
    session.prompt(debuggee.prompt[-10:])
    session.enter("status")
    session.child.expect_exact("err, not connected to a debuggee")
    session.prompt()
    assert session.leave() == 0


def test_text_of_events_goes_above_the_prompt_and_keeps_what_is_typed(at_prompt, loopback):
    debuggee = loopback("--rate", "5")
    session = at_prompt(*debuggee.options, "--load")
    session.prompt(debuggee.prompt)
    session.enter(TICK)
    session.child.expect("tick core [01] vector ec\r\n")
    session.type("pri")
    for _ in range(4):
        session.child.expect("tick core [01] vector ec\r\n")
    session.type("nt 40+2\r")
    session.child.expect("\r42\r\n")
    session.enter("exit")
    assert session.end() == 0


def test_ctrl_c_pauses_the_output_and_g_goes_on(at_prompt, loopback):
    debuggee = loopback("--rate", "20")
    session = at_prompt(*debuggee.options, "--load")
    session.prompt(debuggee.prompt)
    session.enter(TICK)
    session.child.expect("tick core [01] vector ec\r\n")
    session.child.sendintr()
    session.child.expect_exact("paused")
    session.prompt(debuggee.prompt)
    session.enter("sleep 0n500")
    session.child.expect_exact("sleep 0n500")
    assert "tick" not in session.prompt(debuggee.prompt)
    session.enter("g")
    session.child.expect("tick core [01] vector ec\r\n")
    session.enter("exit")
    assert session.end() == 0


def test_a_link_lost_at_the_prompt_is_told_and_the_prompt_goes_back(at_prompt, loopback):
    debuggee = loopback("--rate", "0")
    session = at_prompt(*debuggee.options, "--load")
    session.prompt(debuggee.prompt)
    debuggee.kill()
    session.child.expect_exact("err, ")
    session.child.expect("[^]] ?Ringside> ")
    session.enter("status")
    session.child.expect_exact("err, not connected to a debuggee")
    session.prompt()
    assert session.leave() == 0


def test_a_link_lost_in_a_batch_ends_with_3(home, loopback):
    debuggee = loopback("--rate", "50")
    child = subprocess.Popen([PROGRAM, *debuggee.options, "--load", "-c", TICK,
                              "-c", "sleep 0n600000"],
                             env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
    while "tick" not in child.stdout.readline():
        pass
    debuggee.kill()
    _, errors = child.communicate(timeout=20)
    assert child.returncode == 3
    assert errors.startswith("err, ")
    assert errors.count("err, ") == 1


def test_a_debugger_that_is_killed_leaves_no_event_behind(home, loopback):
    debuggee = loopback("--rate", "50")
    child = subprocess.Popen([PROGRAM, *debuggee.options, "--load", "-c", TICK,
                              "-c", "sleep 0n600000"],
                             env=environment(home), stdout=subprocess.PIPE, text=True)
    while "tick" not in child.stdout.readline():
        pass
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=20)
    result = run(home, *debuggee.options, "--load", "-c", "events")
    assert result.returncode == 0
    assert result.stdout.endswith("no events\n")


def test_another_key_is_refused_with_a_hint(home, loopback, tmp_path):
    debuggee = loopback()
    other = tmp_path / "other.key"
    other.write_text("00" * 32 + "\n")
    other.chmod(0o600)
    result = run(home, "--connect", f"127.0.0.1:{debuggee.port}", "--key-file", str(other),
                 "-c", "events")
    assert result.returncode == 3
    assert "key" in result.stderr and "hint: " in result.stderr
    result = run(home, "--connect", f"127.0.0.1:{debuggee.port}", "--no-key", "-c", "events")
    assert result.returncode == 3


def test_ids_of_events_are_completed(at_prompt, loopback):
    debuggee = loopback("--rate", "0")
    session = at_prompt(*debuggee.options, "--load")
    session.prompt(debuggee.prompt)
    session.enter("!interrupt ec script { print(1); }")
    session.prompt(debuggee.prompt)
    session.type("events stat \t\t")
    session.child.expect_exact("all")
    assert "0" in CONTROL.sub("", session.child.before)


def test_an_error_in_a_running_script_is_told_with_its_place(home, loopback):
    result = run(home, *loopback("--rate", "20").options, "--load", "-c",
                 "!interrupt ec core 0 script {\n x = dq(0);\n}", "-c", "sleep 0n400")
    assert result.returncode == 0
    assert "err, script stopped: invalid address 0000000000000000 in dq() at line 2, column 6 " \
           "(event 0x0, core 0)" in result.stderr


def test_evaluation_runs_at_the_debuggee(home, loopback):
    result = run(home, *loopback("--rate", "0").options, "--load", "-c", "? printf(\"%x\\n\", 2*4);",
                 "-c", "print 1+1")
    assert result.returncode == 0
    assert result.stdout.endswith("8\n2\n")


def test_listen_serves_until_ctrl_c(home):
    child = subprocess.Popen([PROGRAM, "-c", f".listen {free_port()}", "-c", "print 1"],
                             env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
    port = int(re.fullmatch(r"listening on port (\d+)\n", child.stdout.readline())[1])
    # The other side of the same user: same key. Whether there is a module is not asked here.
    result = run(home, "--connect", f"127.0.0.1:{port}", "-c", "status")
    if not os.path.exists("/dev/ringside"):
        assert result.returncode == 3
        assert "No such file or directory\nhint: " in result.stderr
    child.send_signal(signal.SIGINT)
    output, _ = child.communicate(timeout=20)
    assert (child.returncode, output) == (130, "")


def test_agent_ends_with_0_at_sigterm(home):
    child = subprocess.Popen([PROGRAM, "agent", "--address", "127.0.0.1", "--port", "0"],
                             env=environment(home), stderr=subprocess.PIPE, text=True)
    assert "listening on 127.0.0.1:" in child.stderr.readline()
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=20) == 0
