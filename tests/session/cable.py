# SPDX-License-Identifier: GPL-3.0-or-later
"""A serial cable: a pty for the agent, a unix socket or another pty for the debugger.

At the socket it is what a lab's relay is: it serves one debugger at a time, does not tell the agent
who comes and goes, and drops what the agent says while nobody is there.
"""

import os
import selectors
import socket
import threading
import tty


class Cable:
    def __init__(self, folder, at_pty=False):
        self.agent_end, self.agent_slave = os.openpty()
        tty.setraw(self.agent_slave)
        self.agent_path = os.ttyname(self.agent_slave)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.agent_end, selectors.EVENT_READ, self.from_agent)
        self.listener = self.debugger_end = None
        if at_pty:
            self.debugger_end, self.debugger_slave = os.openpty()
            tty.setraw(self.debugger_slave)
            self.debugger_path = os.ttyname(self.debugger_slave)
            self.selector.register(self.debugger_end, selectors.EVENT_READ, self.from_debugger)
        else:
            self.debugger_path = str(folder / "line")
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(self.debugger_path)
            self.listener.listen(4)
            self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        self.wake, self.woken = os.pipe()
        self.selector.register(self.wake, selectors.EVENT_READ)
        self.is_open = True
        self.thread = threading.Thread(target=self.carry)
        self.thread.start()

    def carry(self):
        while self.is_open:
            for key, _ in self.selector.select():
                if key.data:
                    key.data()

    def accept(self):
        connection, _ = self.listener.accept()
        self.selector.unregister(self.listener)
        self.debugger_end = connection.detach()
        self.selector.register(self.debugger_end, selectors.EVENT_READ, self.from_debugger)

    def from_agent(self):
        self.pass_on(os.read(self.agent_end, 4096))

    def pass_on(self, data):
        while data and self.debugger_end is not None:
            try:
                data = data[os.write(self.debugger_end, data):]
            except OSError:
                self.hang_up()

    def from_debugger(self):
        try:
            data = os.read(self.debugger_end, 4096)
        except OSError:
            data = b""
        if not data:
            self.hang_up()
        while data:
            data = data[os.write(self.agent_end, data):]

    def hang_up(self):
        self.selector.unregister(self.debugger_end)
        os.close(self.debugger_end)
        self.debugger_end = None
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)

    def close(self):
        self.is_open = False
        os.write(self.woken, b".")
        self.thread.join()
        self.selector.close()
        if self.listener:
            self.listener.close()
        else:
            os.close(self.debugger_slave)
        for descriptor in (self.agent_end, self.agent_slave, self.debugger_end, self.wake,
                           self.woken):
            if descriptor is not None:
                os.close(descriptor)
