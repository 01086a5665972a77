# SPDX-License-Identifier: GPL-3.0-or-later
"""The description for syzkaller (API-5) has every request of the interface, with its number."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def request_numbers():
    """Name and number of each RS_IOC_*, from the headers as text."""
    headers = "".join(path.read_text() for path in sorted((ROOT / "uapi/ringside").glob("*.h")))
    numbers = {name: int(value, 16)
               for name, value in re.findall(r"#define RS_NR_(\w+) (0x[0-9a-f]+)u", headers)}
    sizes = {name: int(value, 0) for name, value in
             re.findall(r"struct (rs_\w+)\s*\{\s*/\* (0x[0-9a-f]+|\d+) bytes", headers)}
    requests = re.findall(r"#define RS_IOC_(\w+) RS_IOC\(RS_NR_(\w+), struct (\w+)\)", headers)
    return {name: 3 << 30 | sizes[struct] << 16 | 0xD7 << 8 | numbers[number]
            for name, number, struct in requests}


def test_each_request_is_described_with_its_number():
    text = (ROOT / "tests/fuzz/syzkaller/ringside.txt").read_text()
    described = {name: int(value, 16) for name, value in
                 re.findall(r"ioctl\$RINGSIDE_(\w+)\(fd fd_ringside, cmd const\[(0x[0-9a-f]+)\]", text)}
    wanted = request_numbers()
    assert len(wanted) >= 15
    assert described == wanted
