# SPDX-License-Identifier: GPL-3.0-or-later
"""A debuggee in Debugger Mode without a machine: root mode's side of the debug link (uapi packet.h)
at a unix socket. It halts when it is told to, and has no symbols, memory or events.
"""

import socket
import struct
import threading
import zlib

HELLO, REQUEST, REPLY, MESSAGES, PING, PONG, BYE, DEBUGGEE, HALT = 1, 5, 6, 7, 8, 9, 10, 12, 13
NR_VERSION, NR_SETTINGS, NR_RUN, NR_PAUSE, NR_SWITCH_CORE = 0x00, 0x24, 0x41, 0x42, 0x43
NR_TASKS, NR_SYMBOL_LIST = 0x3a, 0x3b
LINKF_PAUSE = 1 << 2
EVENT, REQUESTED, SWITCH, TASK = 1, 3, 6, 7
TASKS_ON_CORES, TASKS_ONE = 3, 4
PRE, POST = 1, 2
ENOENT, ESRCH = 2, 3
HEADER = struct.Struct("<IHBBIII")  # without header_crc

VERSION = struct.pack("<6IQ32s64s48sQQ", 0xc0, 1, 1, 2, 2, 1, 0, b"0.1.0", b"6.1.0-fake", b"guest", 0, 0)


def halt(generation, reason=REQUESTED, core=0, event=0, stage=0, rip=0xffffffff81c3a2cb, pid=0x2a, tid=0x2b):
    """rs_halt: stands at a 'hlt' in default_idle, whose eleventh byte it is."""
    return struct.pack("<4I3QII16s4IQQ208sQQQQ", reason, core, event, stage, 0xec, rip, 0x202, 1, 1,
                       b"\xf4", pid, tid, 0, 0, generation, rip - 0xb, b"vmlinux!default_idle",
                       0, 0, 0, 0)


def task(pid, tid):
    """rs_task."""
    return struct.pack("<4QII16s", 0xffff888000000000 + tid, 0xffff888000000000 + pid, 0, 0, tid, pid, b"task")


class FakeDebuggee:
    """`halts`: what follows each 'g', one after the other: keywords of halt(), or None for a machine
    that goes on running; so it does when they are used up."""

    symbols = [(0xffffffff81100000, b"vmlinux!finish_task_switch.isra.0.cold"),
               (0xffffffff81200000, b"vmlinux!finish_task_switch.isra.0")]

    def __init__(self, folder, halts=()):
        self.path = str(folder / "debuggee")
        self.halts = list(halts)
        self.requests = []  # numbers, as they came
        self.tasks = []  # (pid, tid) of each thread
        self.on_cores = []  # the same of what each core runs
        self.runs = []  # (how, until, id) of each time it was let run
        self.is_halted = False
        self.generation = 0
        self.core = 0
        self.has_said_bye = False
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(1)
        self.debugger = None
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        self.debugger, _ = self.listener.accept()
        self.sequence = 0
        data = b""
        while True:
            try:
                chunk = self.debugger.recv(65536)
            except OSError:
                return
            if not chunk:
                return
            data += chunk
            while len(data) >= 24:
                _, _, kind, _, length, _, _ = HEADER.unpack_from(data)
                if len(data) < 24 + length:
                    break
                self.take(kind, data[24:24 + length])
                data = data[24 + length:]

    def send(self, kind, payload=b""):
        head = HEADER.pack(0x4b4c5352, 1, kind, 0, len(payload), self.sequence, zlib.crc32(payload))
        self.sequence += 1
        self.debugger.sendall(head + struct.pack("<I", zlib.crc32(head)) + payload)

    def halts_now(self, **how):
        self.generation += how.get("reason") != SWITCH
        self.is_halted = True
        self.core = how.get("core", 0)
        self.send(HALT, halt(self.generation, **how))

    def take(self, kind, payload):
        if kind == HELLO:
            flags = struct.unpack_from("<I", payload, 8)[0]
            self.send(DEBUGGEE, struct.pack("<4I", 1, 1, 0, 1) + payload[16:48] + VERSION + bytes(0x80))
            if flags & LINKF_PAUSE:
                self.halts_now()
        elif kind == PING:
            self.send(PONG, payload)
        elif kind == BYE:
            self.has_said_bye = True
            self.send(BYE)
        elif kind == REQUEST:
            self.take_request(*struct.unpack_from("<4I", payload), payload[16:])

    def take_request(self, number, _service, request, size, argument):
        request &= 0xff
        self.requests.append(request)
        argument = argument.ljust(size, b"\0")
        if request == NR_TASKS:
            return self.list_tasks(number, argument)
        if request == NR_SYMBOL_LIST:
            return self.list_symbols(number, argument)
        known = (NR_VERSION, NR_SETTINGS, NR_RUN, NR_PAUSE, NR_SWITCH_CORE)
        answer = VERSION if request == NR_VERSION else argument
        self.send(REPLY, struct.pack("<4I", number, 0 if request in known else ENOENT, 0, 0) + answer)
        if request == NR_RUN:
            self.runs.append(struct.unpack_from("<I4xQI", argument, 8))
            self.is_halted = False
            following = self.halts.pop(0) if self.halts else None
            if following is not None:
                self.halts_now(**following)
        elif request == NR_PAUSE and not self.is_halted:
            self.halts_now(core=self.core)
        elif request == NR_SWITCH_CORE:
            self.halts_now(reason=SWITCH, core=struct.unpack_from("<I", argument, 8)[0])

    def reply(self, number, answer, error=0):
        self.send(REPLY, struct.pack("<4I", number, error, 0, 0) + answer)

    def list_tasks(self, number, argument):
        which, wanted = struct.unpack_from("<II", argument, 0x10)
        found = self.on_cores if which == TASKS_ON_CORES else [one for one in self.tasks if one[1] == wanted]
        assert which in (TASKS_ON_CORES, TASKS_ONE)
        error = 0xc000001e if which == TASKS_ONE and not found else 0
        self.reply(number, struct.pack("<IIQIIQIIQ", 0x30, error, len(argument), which, wanted, 0, len(found), 0, 0)
                   + b"".join(task(*one) for one in found), ESRCH if error else 0)

    def list_symbols(self, number, argument):
        entries = b""
        for address, name in self.symbols:
            entries += struct.pack("<QII", address, len(name), ord("t")) + name.ljust((len(name) + 7) // 8 * 8, b"\0")
        self.reply(number, struct.pack("<IIQQII", 0x128, 0, len(argument), 0, len(self.symbols), len(entries))
                   + argument[0x20:0x128] + entries)

    def dies(self):
        self.debugger.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()
        if self.debugger:
            self.debugger.close()
