# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab as the tests see it: started, asked, looked at, stopped."""

import os
import re
import shlex
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("RINGSIDE_BUILD", ROOT / "build"))
PROGRAM = BUILD / "ringside"


def run(*words, timeout=120, **options):
    """The program with these words; stdout and stderr as text."""
    return subprocess.run(
        [PROGRAM, *words], capture_output=True, text=True, timeout=timeout, **options)


def runtime_folder():
    return Path(os.environ["XDG_RUNTIME_DIR"]) / "ringside"


def has_ended(pid):
    """Gone, or a zombie whose starter's parent has not collected it yet."""
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until(condition, what, limit_s=30):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.05)


class Lab:
    """One debuggee by its name. `start` takes the words of 'ringside lab start'."""

    def __init__(self, name):
        self.name = name
        self.start_words = ()
        self.started_in_s = None
        self.said = ""

    def start(self, *words, timeout=240):
        began = time.monotonic()
        self.start_words = words
        result = run("lab", "start", "--name", self.name, *words, timeout=timeout)
        assert result.returncode == 0, f"no lab:\n{result.stdout}{result.stderr}"
        self.started_in_s = time.monotonic() - began
        self.said = result.stdout
        return self.said

    def stop(self):
        return run("lab", "stop", "--name", self.name)

    def status(self):
        return run("lab", "status", "--name", self.name)

    def patience(self):
        """What a time limit is multiplied by: Bochs is slow, and another may run beside it."""
        return 4 if self.runs_in_bochs() else 1

    def shell(self, command, timeout=60):
        return run("lab", "shell", "--name", self.name, command, timeout=timeout * self.patience())

    def out(self, command, timeout=60):
        """What a command prints inside; it must succeed."""
        result = self.shell(command, timeout)
        assert result.returncode == 0, f"{command}: {result.returncode}\n{result.stdout}{result.stderr}"
        return result.stdout

    def answers(self):
        try:
            return self.shell("true", timeout=20).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def runs_in_bochs(self):
        return "--vmx" in self.start_words

    def debugger_words(self, words, load=True):
        """The program with these words, connected to the debuggee: from here or, in Bochs, whose
        serial line has tests of its own and takes its time, from inside."""
        if not self.runs_in_bochs():
            return [str(PROGRAM), "--lab", self.name, *(["--load"] if load else []), *words]
        inside = ["ringside", *(["--load"] if load else ["-c", ".connect local"]), *words]
        return [str(PROGRAM), "lab", "shell", "--name", self.name, shlex.join(inside)]

    def debugger(self, *commands, load=True, timeout=120, check=True):
        """Runs commands in one session of the program; what it printed."""
        words = [word for command in commands for word in ("-c", command)]
        result = subprocess.run(self.debugger_words(words, load), capture_output=True, text=True,
                                timeout=timeout * self.patience())
        if check:
            assert result.returncode == 0, \
                f"status {result.returncode} of {commands}\n{result.stdout}{result.stderr}"
        return result

    def run_script(self, path, *arguments, timeout=120):
        """Runs a file of commands with the hypervisor loaded."""
        name = str(path)
        if self.runs_in_bochs():
            name = f"/tmp/{path.name}"
            self.out(f"cat >{name} <<'END'\n{path.read_text()}\nEND")
        return subprocess.run(self.debugger_words(["--script", name, *arguments]),
                              capture_output=True, text=True, timeout=timeout * self.patience())

    def kick(self, command, timeout=60):
        """One command for the kick module (tests/lab/kick/kick.h)."""
        return self.out(
            "[ -e /proc/kick ] || insmod /lib/modules/kick.ko || exit; "
            f"echo {command} >/proc/kick && cat /proc/kick", timeout)

    def is_vmx(self):
        return "vmx" in self.out("grep -m1 flags /proc/cpuinfo").split()

    def cores(self):
        return int(self.out("nproc"))

    def path(self, what):
        """'key', 'console log', 'root log', 'debug memory' or 'debug socket'."""
        return Path(re.search(rf"^{what}: (.*)$", self.status().stdout, re.M).group(1))

    def console(self):
        return self.path("console log").read_text(errors="replace")

    def pid(self):
        return int(re.search(r"pid (\d+)$", self.status().stdout, re.M).group(1))

    def trouble(self):
        """What the console shows of lock-ups, stalls, clock trouble, oopses: lines, or none."""
        text = self.status().stdout
        assert "console: " in text, f"lab '{self.name}' is gone:\n{text}"
        return [] if "console: clean" in text else re.findall(r"^  (.*)$", text, re.M)


class Session:
    """A session of the program that runs beside the test and is given its commands one by one;
    its output is collected in `lines`. 'with Session(...)' ends it in order."""

    def __init__(self, lab, *commands, load=True):
        self.lab = lab
        self.patience = lab.patience()
        if lab.runs_in_bochs():
            lab.out(f"rm -f {self.PIPE}; mkfifo {self.PIPE}")
            first = "load vmm" if load else "status"
            self.process = self.start([
                PROGRAM, "lab", "shell", "--name", lab.name,
                f"exec 3<>{self.PIPE}; ringside <&3 2>&1"])
            self.give(".connect local", first)
        else:
            self.process = self.start(lab.debugger_words([], load))
        self.lines = []
        self.synchronized = 0
        self.do(*commands)

    PIPE = "/tmp/session"  # what a session inside reads its commands from

    @staticmethod
    def start(words):
        return subprocess.Popen(words, text=True, bufsize=1, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def give(self, *commands):
        text = "".join(f"{command}\n" for command in commands)
        if self.lab.runs_in_bochs():
            self.lab.out(f"cat >{self.PIPE} <<'END'\n{text}END")
            return
        try:
            self.process.stdin.write(text)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended; who reads its output sees that

    def do(self, *commands):
        """Gives commands and waits until all are done."""
        self.synchronized += 1
        mark = f"done {self.synchronized:x}"
        self.give(*commands, f'? printf("{mark}\\n");')
        for line in self.process.stdout:
            if line.rstrip("\n") == mark:
                return
            self.lines.append(line.rstrip("\n"))
        raise AssertionError(f"the session ended in {commands}:\n" + "\n".join(self.lines))

    def finish(self, *commands, timeout=120):
        """Gives last commands and reads to the end; all lines."""
        self.give(*commands, *(["exit"] if self.lab.runs_in_bochs() else []))
        text, _ = self.process.communicate(timeout=timeout * self.patience)
        self.lines += text.splitlines()
        return self.lines

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.kill()


class Background:
    """A command that runs inside meanwhile; `finish` says how it ended."""

    def __init__(self, lab, command):
        self.command = command
        self.patience = lab.patience()
        self.process = subprocess.Popen([PROGRAM, "lab", "shell", "--name", lab.name, command],
                                        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def first_line(self):
        return self.process.stdout.readline().rstrip("\n")

    def finish(self, timeout=180):
        text, _ = self.process.communicate(timeout=timeout * self.patience)
        assert self.process.returncode == 0, f"{self.command}: {self.process.returncode}\n{text}"
        return text
