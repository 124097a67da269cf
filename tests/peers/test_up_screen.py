"""The live display of `redan up` on a terminal: what it shows, and what its keys do."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import threading

import pyte
import pytest
import redis
from conftest import REDAN, free_ports, wait_for

COLUMNS, LINES = 150, 40


class Display:
    """`redan up` on a terminal of its own."""

    def __init__(self, directory):
        self.port = free_ports(6)
        self.screen = pyte.Screen(COLUMNS, LINES)
        self.stream = pyte.ByteStream(self.screen)
        self.lock = threading.Lock()
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen(
            [REDAN, "up", "--dir", str(directory), "--port", str(self.port), "--node-timeout", "1000"],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color"})
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while self.process.poll() is None or select.select([self.master], [], [], 0)[0]:
            if not select.select([self.master], [], [], 0.2)[0]:
                continue
            bytes_read = os.read(self.master, 65536)
            with self.lock:
                self.stream.feed(bytes_read)

    def text(self):
        with self.lock:
            return "\n".join(line.rstrip() for line in self.screen.display)

    def wait(self, pattern, seconds=30):
        try:
            return wait_for(lambda: re.search(pattern, self.text(), re.M), seconds, pattern)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text()}") from None

    def press(self, keys):
        os.write(self.master, keys.encode())

    def role(self, port):
        return redis.Redis(port=port, socket_timeout=2, decode_responses=True).info("replication")["role"]

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(30)
        self.reader.join(5)
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def display(tmp_path):
    made = Display(tmp_path / "data")
    yield made
    made.close()


def test_people_see_it_heal(display):
    first, replica = display.port, display.port + 3
    display.wait(r"whole: every slot served, every replica in sync")
    display.wait(rf"> {first} +pid \d+ +primary of 0-5460 +5461 ")
    display.wait(rf"{replica} +pid \d+ +replica of {first} +\d+ +\d+ B")

    # Killed and held down: the replica takes over, and the history says after how long.
    display.press("h")
    display.wait(rf"{first} +held down +does not answer")
    display.wait(rf"{replica} took over from {first} after \d+\.\d+ s")
    display.wait(rf"{replica} +pid \d+ +primary of 0-5460")
    display.press("h")
    display.wait(rf"{first} +pid \d+ +replica of {replica}")
    display.wait(r"whole: every slot served, every replica in sync")

    # And back, by hand, from the row of the replica.
    for _ in range(4):
        # A takeover that is asked for before the nodes have found each other again runs out after 5 s, as in the original.
        display.press("f")
        try:
            display.wait(rf"{first} took over from {replica}, which was alive", 8)
            break
        except AssertionError:
            continue
    wait_for(lambda: display.role(first) == "master", 10, "the first node leads again")
    display.wait(r"whole: every slot served, every replica in sync")

    # Killed: it is back at once, in whichever role.
    pid = re.search(rf"{replica} +pid (\d+)", display.text()).group(1)
    display.press("4k")
    display.wait(rf"{replica}: kill -9, by hand")
    display.wait(rf"{replica} started, pid \d+")
    display.wait(rf"{replica} +pid (?!{pid}\b)\d+ ")

    # Stopped: the terminal is as it was, and the history stays on it.
    display.press("q")
    assert display.process.wait(30) == 0
    display.reader.join(5)
    assert termios.tcgetattr(display.slave)[3] == display.before[3]
    assert "took over" in display.text() and "stopped" in display.text()
