# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's counts from kick, the script's counts from the debugger, and their comparison."""

import re
from collections import defaultdict


def kernel_counts(text):
    """kick's 'snap' or 'mark' answer as {core: {(name, vectors): count}}."""
    cores = defaultdict(dict)
    for line in text.splitlines():
        words = line.split()
        if words[0] == "mark":
            continue
        core, name, first, second, count = words
        vectors = (int(first, 16),) if second == "00" else (int(first, 16), int(second, 16))
        cores[int(core)][(name, vectors)] = int(count)
    return dict(cores)


def marks(text):
    """The 'mark' lines: {core: (markers sent, is the last one exact)}."""
    return {int(core): (int(tries), word == "exact")
            for core, tries, word in re.findall(r"^mark (\d+) (\d+) (exact|loose)$", text, re.M)}


def growth_by_vectors(before, after):
    """What each group of vectors grew by, per core. Sources with one vector in common (interrupt
    lines that had it on different cores) are summed."""
    grown = {}
    for core, sources in after.items():
        groups = defaultdict(int)
        for source, count in sources.items():
            groups[source[1]] += count - before[core].get(source, 0)
        grown[core] = dict(groups)
    return grown


def counting_commands(vectors, cores, marker):
    """Commands that count each vector on each core, and keep a core's counts at each marker. A
    marker prints nothing: what it takes to send that away is interrupts, too.
    """
    def per_core(body):
        text = ""
        for core in range(cores):
            text += f"{'if' if core == 0 else 'elsif'} ($core == {core:x}) {{ {body(core)} }} "
        return text

    names = [f".n{core}_{vector:02x}" for core in range(cores) for vector in vectors]
    commands = ["? " + " ".join(f"{name} = 0;" for name in names)]
    for vector in vectors:
        if vector == marker:
            continue
        commands.append(
            f"!interrupt {vector:x} script {{ {per_core(lambda c: f'.n{c}_{vector:02x}++;')}}}")

    def keep(core):
        return f".n{core}_{marker:02x}++; " + "".join(
            f".k{core}_{vector:02x} = .n{core}_{vector:02x}; " for vector in vectors)

    commands.append(f"!interrupt {marker:x} script {{ {per_core(keep)}}}")
    return commands


def print_kept(vectors, cores, marker):
    """A command that prints what each core's last marker kept: 'count CORE NUMBER VECTOR VALUE', all
    hexadecimal; NUMBER counts the core's markers from 1."""
    return "? { " + "".join(
        f'printf("count {core:x} %llx {vector:02x} %llx\\n", .k{core}_{marker:02x}, '
        f".k{core}_{vector:02x}); "
        for core in range(cores) for vector in vectors) + "}"


def script_counts(lines):
    """{core: {marker number: {vector: count}}}"""
    cores = defaultdict(lambda: defaultdict(dict))
    for line in lines:
        found = re.fullmatch(r"count ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)", line)
        if found:
            core, number, vector, count = (int(word, 16) for word in found.groups())
            cores[core][number][vector] = count
    return cores
