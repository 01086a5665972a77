# SPDX-License-Identifier: GPL-3.0-or-later
"""run.sh from outside: which lab it uses, what it leaves behind, and its exit status.

The build and the program are replaced by scripts that write down how they were called; the lab is
a file that exists while it "runs".
"""

import os
import shutil
import signal
import subprocess
import time

import pexpect
import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

PROGRAM = """#!/bin/bash
echo "$*" >> calls
case "$1 $2" in
"lab status") test -f lab-runs ;;
"lab start") test ! -f lab-fails || exit 5; touch lab-runs ;;
"lab stop") rm -f lab-runs ;;
*) trap 'echo got TERM >> calls; exit 143' TERM
   trap 'exit 143' HUP
   trap 'echo got INT >> calls; exit 130' INT
   touch program-runs
   while [ -f program-blocks ]; do sleep 0.02; done
   exit "$(cat program-status 2>/dev/null || echo 0)" ;;
esac
"""


def take_signals():
    """A job in the background or under nohup has signals ignored, and a shell cannot trap those."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


class Run:
    """A copy of run.sh with a program that only takes notes."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("run.sh", "tools/build.sh", "tools/setup.sh"):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(os.path.join(ROOT, name), folder / name)
        (folder / "bin").mkdir()
        for name in ("ninja", "cmake"):
            self.script(f"bin/{name}", f"#!/bin/bash\necho {name} \"$@\" >> calls\n"
                        + ('touch build/build.ninja\n' if name == "cmake" else ""))
        (folder / "build").mkdir()
        self.script("build/ringside", PROGRAM)
        self.environment = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}",
                            "RINGSIDE_SETUP": "skip"}

    def script(self, name, text):
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def start(self, *arguments):
        return subprocess.Popen([str(self.folder / "run.sh"), *arguments], cwd="/", text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=self.environment,
                                preexec_fn=take_signals)

    def __call__(self, *arguments):
        process = self.start(*arguments)
        process.out, process.err = process.communicate(timeout=20)
        return process

    def touch(self, name, text=""):
        (self.folder / name).write_text(text)

    def exists(self, name):
        return (self.folder / name).exists()

    def wait_for(self, name):
        deadline = time.monotonic() + 20
        while not self.exists(name):
            assert time.monotonic() < deadline, f"no {name}"
            time.sleep(0.01)

    def calls(self, first):
        """What was called, of the calls that start with `first`."""
        text = (self.folder / "calls").read_text() if self.exists("calls") else ""
        return [line for line in text.splitlines() if line.startswith(first)]


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def test_starts_a_lab_runs_the_commands_and_stops_it(run):
    assert run("-c", "events", "-c", "unload").returncode == 0
    assert run.calls("lab") == ["lab status", "lab start", "lab stop"]
    assert run.calls("--lab") == ["--lab default --load --intro -c events -c unload"]
    assert not run.exists("lab-runs")


def test_uses_a_lab_that_runs_and_leaves_it_running(run):
    run.touch("lab-runs")
    assert run("-c", "events").returncode == 0
    assert run.calls("lab") == ["lab status"]
    assert run.exists("lab-runs")


def test_keep_leaves_its_own_lab_running(run):
    result = run("--keep", "-c", "events")
    assert result.returncode == 0
    assert run.exists("lab-runs")
    assert "lab stop" in result.err


def test_keep_holds_when_a_signal_ends_the_program(run):
    run.touch("program-blocks")
    process = run.start("--keep", "-c", "events")
    run.wait_for("program-runs")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 143
    assert run.exists("lab-runs")


@pytest.mark.parametrize("status", [1, 3, 4, 5, 130])
def test_ends_with_the_status_of_the_commands(run, status):
    run.touch("program-status", str(status))
    assert run("-c", "nonsense").returncode == status
    assert not run.exists("lab-runs")


def test_lab_options_go_to_the_lab_that_is_started(run):
    run("--smp", "4", "--memory", "2048", "--name", "b", "-c", "events")
    assert run.calls("lab start") == ["lab start --name b --smp 4 --memory 2048"]
    assert run.calls("lab stop") == ["lab stop --name b"]
    assert run.calls("--lab") == ["--lab b --load --intro -c events"]


def test_vmx_is_a_lab_of_its_own_name(run):
    assert run("--vmx", "-c", "events").returncode == 0
    assert run.calls("lab") == ["lab status --name vmx", "lab start --name vmx --vmx",
                                "lab stop --name vmx"]
    assert run.calls("--lab") == ["--lab vmx --load --intro -c events"]


def test_vmx_uses_the_lab_that_runs_and_the_name_that_is_given(run):
    run.touch("lab-runs")
    assert "no effect" not in run("--vmx", "-c", "events").err
    assert "'--vmx --smp 1' has no effect" in run("--vmx", "--smp", "1", "-c", "events").err
    assert "'--vmx' has no effect" in run("--vmx", "--name", "b", "-c", "events").err
    assert run.calls("lab start") == []
    assert run.calls("lab status") == ["lab status --name vmx"] * 2 + ["lab status --name b"]


def test_a_lab_that_does_not_start_ends_it(run):
    run.touch("lab-fails")
    assert run("-c", "events").returncode == 5
    assert run.calls("--lab") == []


@pytest.mark.parametrize("arguments", [[], ["--vmi"]])
def test_without_terminal_and_commands_it_shows_three(run, arguments):
    result = run(*arguments)
    assert result.returncode == 0
    calls = run.calls("--lab")
    assert len(calls) == 3
    for call in calls:
        command = call.split(" -c ")[1]
        assert command.startswith("!interrupt") and call.startswith("--lab default --load -c ")
        assert f"> {command}\n" in result.out


def test_a_signal_ends_the_show(run):
    run.touch("program-blocks")
    process = run.start()
    run.wait_for("program-runs")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 143
    assert len(run.calls("--lab")) == 1
    assert not run.exists("lab-runs")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_the_program_and_its_lab(run, number):
    run.touch("program-blocks")
    process = run.start("-c", "events")
    run.wait_for("program-runs")
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == (130 if number == signal.SIGINT else 143)
    assert not run.exists("lab-runs")


def test_ctrl_c_at_a_terminal_reaches_the_program_once(run):
    run.touch("program-blocks")
    terminal = pexpect.spawn(str(run.folder / "run.sh"), env=run.environment, timeout=20)
    run.wait_for("program-runs")
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
    assert run.calls("got") == ["got INT"]
    assert run.calls("--lab") == ["--lab default --debug --intro"]
    assert not run.exists("lab-runs")


@pytest.mark.parametrize("arguments, called", [
    ([], "--lab default --debug --intro"),
    (["--vmi"], "--lab default --load --intro"),
    (["--debug"], "--lab default --debug --intro"),
    (["--wait", "5"], "--lab default --debug --intro --wait 5"),
    (["--vmx"], "--lab vmx --debug --intro"),
    (["--vmx", "--vmi"], "--lab vmx --load --intro"),
    (["-c", "events"], "--lab default --load --intro -c events"),
])
def test_a_terminal_gets_debugger_mode_unless_commands_are_given(run, arguments, called):
    terminal = pexpect.spawn(str(run.folder / "run.sh"), arguments, env=run.environment, timeout=20)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    assert run.calls("--lab") == [called]
    assert not run.exists("lab-runs")


@pytest.mark.parametrize("arguments, called", [
    (["--debug", "-c", "g", "--wait", "010"], "--lab default --debug --intro -c g --wait 010"),
    (["-c", "g", "--debug", "--batch"], "--lab default --debug --intro -c g --batch"),
    (["--script", "file", "--debug"], "--lab default --debug --intro --script file"),
    (["--script", "file"], "--lab default --load --intro --script file"),
    (["--vmi", "-c", "events"], "--lab default --load --intro -c events"),
    (["--vmx", "--debug", "-c", "k"], "--lab vmx --debug --intro -c k"),
    (["--debug"], "--lab default --debug --intro"),
    (["--debug", "--debug", "--wait", "0"], "--lab default --debug --intro --wait 0"),
])
def test_without_terminal_debugger_mode_has_to_be_asked_for(run, arguments, called):
    assert run(*arguments).returncode == 0
    assert run.calls("--lab") == [called]


def test_configures_only_once(run):
    run("-c", "events")
    run("-c", "events")
    assert run.calls("cmake") == ["cmake --preset release"]
    assert len(run.calls("ninja")) == 2


@pytest.mark.parametrize("arguments, message", [
    (["--frobnicate"], "unknown option '--frobnicate'"),
    (["-c"], "'-c' needs a value"),
    (["--wait"], "'--wait' needs a value"),
    (["--wait", "5s"], "bad number of seconds '5s'"),
    (["--wait", "0x5"], "bad number of seconds '0x5'"),
    (["--wait", ""], "bad number of seconds ''"),
    (["--vmi", "--debug"], "'--vmi' and '--debug' exclude each other"),
    (["--debug", "-c", "g", "--vmi"], "'--vmi' and '--debug' exclude each other"),
])
def test_wrong_options(run, arguments, message):
    result = run(*arguments)
    assert result.returncode == 2
    assert message in result.err
    assert run.calls("") == []


def test_help_names_every_option(run):
    out = run("--help").out
    for option in ("-c", "--keep", "--name", "--smp", "--memory", "--batch", "--script",
                   "--vmx", "--vmi", "--debug", "--wait"):
        assert option in out
    assert "set -uo" not in out and out.endswith("with --vmx 512)\n")
