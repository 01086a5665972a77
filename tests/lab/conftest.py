# SPDX-License-Identifier: GPL-3.0-or-later
"""Debuggees for the tests: booted once a run, looked after between tests.

A test gets a debuggee that answers, and fails when its console shows trouble afterwards. The
runtime and state folders are the run's own, so a user's labs are not touched; console logs are
copied to the build folder's test-logs.

--emulator qemu|bochs (../conftest.py) keeps the tests of one emulator, so that two runs side by side do them all:
a debuggee in Bochs keeps one core of the host busy and waits for nothing.
"""

import os
import shutil
import signal

import pytest

from debuggee import BUILD, PROGRAM, Lab, has_ended, run, runtime_folder

LOGS = BUILD / "test-logs"

BOCHS_FIXTURES = {"lab_vmx", "lab_vmx1", "keeper_of_vmx", "keeper_of_vmx1"}


def wants_bochs(item):
    """Whether a test's debuggee, or any of them, runs in Bochs."""
    machine = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return (not BOCHS_FIXTURES.isdisjoint(item.fixturenames) or item.module.__name__ == "vmx_lab_test"
            or any(word in ("vmx", "vmx1", "bochs") for word in machine if isinstance(word, str)))


def pytest_collection_modifyitems(config, items):
    emulator = config.getoption("--emulator")
    if emulator:
        chosen = [item for item in items if wants_bochs(item) == (emulator == "bochs")]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory):
    if not PROGRAM.exists():
        pytest.exit(f"no {PROGRAM}: build first", returncode=1)
    for variable in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        os.environ[variable] = str(tmp_path_factory.mktemp(variable.lower()))
    LOGS.mkdir(exist_ok=True)
    yield
    left = run("lab", "list").stdout
    for line in left.splitlines():
        run("lab", "stop", "--name", line.split(":")[0])
    assert left == "", f"labs left behind:\n{left}"


class Keeper:
    """A debuggee that is booted when first wanted, and again when a test has lost it. A
    `sleepy` one is stopped between the tests that use it."""

    def __init__(self, name, *words, sleepy=False):
        self.lab = Lab(name)
        self.words = words
        self.sleepy = sleepy
        self.known_trouble = 0

    def get(self):
        self.wake()
        if self.lab.status().returncode != 0 or not self.lab.answers():
            self.drop()
            self.lab.start(*self.words)
        self.known_trouble = len(self.lab.trouble())
        return self.lab

    def check(self):
        assert self.lab.status().returncode == 0, "the debuggee has died; " + self.keep_log()
        new = self.lab.trouble()[self.known_trouble:]
        assert not new, "the console shows trouble:\n" + "\n".join(new)
        assert self.lab.answers(), "the debuggee does not answer any more; " + self.keep_log()

    def wake(self):
        if self.sleepy and self.lab.status().returncode == 0:
            os.kill(self.lab.pid(), signal.SIGCONT)

    def sleep(self):
        # Bochs: an idle machine runs ahead of the clock on the wall, on a whole core of the host.
        if self.sleepy and self.lab.status().returncode == 0:
            os.kill(self.lab.pid(), signal.SIGSTOP)

    def keep_log(self):
        source = (self.lab.path("console log") if self.lab.status().returncode == 0 else
                  os.path.join(os.environ["XDG_STATE_HOME"], "ringside", f"lab-{self.lab.name}",
                               "console.log"))
        target = LOGS / f"{self.lab.name}-console.log"
        if os.path.exists(source):
            shutil.copy(source, target)
        return f"console log: {target}"

    def drop(self):
        if self.lab.status().returncode == 0:
            self.keep_log()
            pid = self.lab.pid()
            stopped = self.lab.stop()
            assert stopped.returncode == 0, stopped.stderr
            assert has_ended(pid) and not (runtime_folder() / f"lab-{self.lab.name}").exists()


@pytest.fixture(scope="session")
def keeper_of_two(own_folders):
    keeper = Keeper("test-2", "--smp", "2")
    yield keeper
    keeper.drop()


@pytest.fixture(scope="session")
def keeper_of_four(own_folders):
    keeper = Keeper("test-4", "--smp", "4")
    yield keeper
    keeper.drop()


@pytest.fixture(scope="session")
def keeper_of_vmx(own_folders):
    keeper = Keeper("test-vmx-2", "--vmx", "--smp", "2", sleepy=True)
    yield keeper
    keeper.drop()


@pytest.fixture(scope="session")
def keeper_of_vmx1(own_folders):
    keeper = Keeper("test-vmx-1", "--vmx", "--smp", "1", sleepy=True)
    yield keeper
    keeper.drop()


KEEPERS = {"svm": "keeper_of_two", "vmx": "keeper_of_vmx", "vmx1": "keeper_of_vmx1"}


@pytest.fixture(params=["svm", "vmx"])
def lab(request):
    """A debuggee with two cores, of each vendor in turn; the hypervisor is unloaded before and after
    the test."""
    yield from looked_after(request.getfixturevalue(KEEPERS[request.param]))


@pytest.fixture(params=["svm", "vmx", "vmx1"])
def any_lab(request):
    """The like, and one with a single core."""
    yield from looked_after(request.getfixturevalue(KEEPERS[request.param]))


@pytest.fixture
def lab_svm(keeper_of_two):
    """The AMD machine with two cores, in QEMU."""
    yield from looked_after(keeper_of_two)


@pytest.fixture
def lab4(keeper_of_four):
    """The like with four cores."""
    yield from looked_after(keeper_of_four)


@pytest.fixture
def lab_vmx(keeper_of_vmx):
    """An Intel machine with two cores, in Bochs."""
    yield from looked_after(keeper_of_vmx)


@pytest.fixture
def lab_vmx1(keeper_of_vmx1):
    """The like with one core."""
    yield from looked_after(keeper_of_vmx1)


def looked_after(keeper):
    lab = keeper.get()
    try:
        unload(lab)
        yield lab
        keeper.check()
        unload(lab)
        keeper.check()
    finally:
        keeper.sleep()


def unload(lab):
    """Takes the hypervisor out if a test left it in; without a module there is nothing to do. By the
    program inside: a link over a serial line takes its time."""
    lab.shell("grep -q ^ringside /proc/modules && "
              "ringside -c '.connect local' -c 'events c all' -c unload")
