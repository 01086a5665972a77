# SPDX-License-Identifier: GPL-3.0-or-later
"""The test rig against the bare kernel: what kick says must be true before it can judge others."""

import pytest

from counts import growth_by_vectors, kernel_counts, marks


def test_paced_interrupts_are_all_handled_where_they_were_sent(lab):
    before = kernel_counts(lab.kick("snap"))
    assert lab.kick("send f1 1 500 1") == "500 500\n"
    assert lab.kick("send f1 0 300 1") == "300 300\n"
    grown = growth_by_vectors(before, kernel_counts(lab.kick("snap")))
    assert (grown[0][(0xf1,)], grown[1][(0xf1,)]) == (300, 500)


def test_the_device_interrupts_as_often_as_it_is_asked(lab):
    vector, core, raised, handled = lab.kick("raise 100").split()
    assert (raised, handled) == ("100", "100")
    assert int(core) < lab.cores() and int(vector, 16) >= 0x20


@pytest.mark.parametrize("core", [0, 1])
@pytest.mark.parametrize("first, second", [("f1", "device"), ("device", "f1")])
def test_of_two_pending_vectors_the_higher_is_handled_first(lab, core, first, second):
    assert lab.kick(f"order {core} {first} {second}").startswith("f1 ")


@pytest.mark.parametrize("core", [0, 1])
def test_interrupts_are_held_for_one_instruction_after_sti(lab, core):
    assert lab.kick(f"shadow sti {core}") == "1\n"


@pytest.mark.parametrize("core", [0, 1])
def test_interrupts_are_held_for_one_instruction_after_mov_ss(lab, core):
    assert lab.kick(f"shadow movss {core}") != "0\n"


@pytest.mark.parametrize("priority, expected", [(15, "0 1 1"), (14, "1 0 1"), (0, "1 0 1")])
def test_the_task_priority_holds_lower_classes_back(lab, priority, expected):
    assert lab.kick(f"cr8 1 {priority}").strip() == expected


def test_marks_become_exact(lab):
    assert all(exact for _, exact in marks(lab.kick("mark")).values())


@pytest.mark.parametrize("command", ["nonsense", "send 10 0 1 0", "send f1 99 1 0", "send f1 0",
                                     "shadow none 0", "cr8 0 16", "snap 1 2 3 4 5 6 7 8"])
def test_bad_commands_are_refused(lab, command):
    lab.kick("snap")
    assert lab.shell(f"echo {command} >/proc/kick").returncode != 0


def test_user_space_cannot_raise_a_vector_by_an_instruction(lab):
    assert lab.out("int25 200") == "200\n"
