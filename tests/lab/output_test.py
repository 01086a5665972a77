# SPDX-License-Identifier: GPL-3.0-or-later
"""Event forwarding (OUT-4 to OUT-8, rows 30 and 41): one event, four outputs and a twin on the console."""

import re
import os
import socket
import threading

from debuggee import Session, wait_until

VECTOR = "f1"
HALF = 200


class Capture(threading.Thread):
    """Reads all that comes from a FIFO, or from the first who connects to a socket."""

    def __init__(self, fifo=None, listener=None):
        super().__init__(daemon=True)
        self.fifo = fifo
        self.listener = listener
        self.peer = None
        self.bytes = b""
        self.start()

    def run(self):
        if self.fifo:
            with open(self.fifo, "rb", buffering=0) as pipe:
                while chunk := pipe.read(65536):
                    self.bytes += chunk
            return
        self.peer, _ = self.listener.accept()
        while chunk := self.peer.recv(65536):
            self.bytes += chunk

    def vanish(self):
        """Hangs up as a killed process does."""
        self.peer.shutdown(socket.SHUT_RDWR)
        self.peer.close()
        self.join()


def listen(family, address):
    listener = socket.socket(family)
    listener.bind(address)
    listener.listen()
    return listener


def test_four_outputs_get_what_the_console_would_and_outlive_one_of_them_row_30_41(lab_svm, tmp_path):
    log, fifo, path = tmp_path / "log", tmp_path / "fifo", tmp_path / "socket"
    os.mkfifo(fifo, 0o600)
    tcp_listener = listen(socket.AF_INET, ("127.0.0.1", 0))
    captures = {"fifo": Capture(fifo=fifo),
                "unix": Capture(listener=listen(socket.AF_UNIX, str(path))),
                "tcp": Capture(listener=tcp_listener)}
    say = 'printf("message %x of %s on core %x\\n", .n, $pname, $core);'
    commands = [f"output create log file {log}", f"output create fifo namedpipe {fifo}",
                f"output create unix namedpipe {path}",
                f"output create tcp tcp 127.0.0.1:{tcp_listener.getsockname()[1]}",
                *(f"output open {name}" for name in ("log", *captures)),
                f"!interrupt {VECTOR} core 1 script {{ .n = .n + 1; {say} }} "
                "output { log, fifo, unix, tcp }",
                f"!interrupt {VECTOR} core 1 script {{ {say} }}"]

    def lines(capture):
        return capture.bytes.count(b"\n")

    def send():
        assert lab_svm.kick(f"send {VECTOR} 1 {HALF} 1") == f"{HALF} {HALF}\n"

    with Session(lab_svm, "? .n = 0;", *commands) as session:
        send()
        wait_until(lambda: all(lines(one) == HALF for one in captures.values()), "the first half")
        captures["unix"].vanish()
        send()
        wait_until(lambda: lines(captures["tcp"]) == lines(captures["fifo"]) == 2 * HALF,
                   "the second half")
        session.do("output")
        said = session.finish("events c all", "unload")

    twin = "".join(line + "\n" for line in said if line.startswith("message ")).encode()
    assert twin.count(b"\n") == 2 * HALF
    assert log.read_bytes() == captures["fifo"].bytes == captures["tcp"].bytes == twin
    assert captures["unix"].bytes == b"".join(twin.splitlines(keepends=True)[:HALF])
    (warning,) = [line for line in said if line.startswith(("err, ", "warn, "))]
    assert re.fullmatch(r"warn, output 'unix' failed: Broken pipe(; bytes not taken: [1-9]\d*)?", warning)
    states = [line for line in said if line.endswith(("\tlog", "\tfifo", "\tunix", "\ttcp"))]
    assert states == ["1  file        opened    \tlog", "2  namedpipe   opened    \tfifo",
                      "3  namedpipe   failed    \tunix", "4  tcp         opened    \ttcp"]
