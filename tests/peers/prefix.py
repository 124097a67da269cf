"""Writers whose server may die at any moment, and who know afterwards what must be there.

Each writes steps on its own connection, in pipelines of random depth:

    INCR n   SET u<step mod SLOTS> step   RPUSH l step   LTRIM l -100 -1   MULTI  INCR a  INCR b  EXEC

A server that comes back must hold, for each writer, what some beginning of its steps leaves: not less than was
acknowledged, not more than was asked for, a transaction whole or not at all.
"""
import random
import socket
import threading

from exchange import Conn, encode

SLOTS = 200
# Lines of the replies to one step; the first is INCR's.
LINES = 10
TAIL = 100


class Writer:
    """One connection's steps."""

    def __init__(self, name, seed):
        self.name, self.chance = name, random.Random(f"{seed}:{name}")
        self.done = self.asked = self.acknowledged = 0
        self.refused = None
        self.thread = None

    def step(self, number):
        name = self.name
        return b"".join(encode(words) for words in (
            ("INCR", f"n{name}"), ("SET", f"u{name}:{number % SLOTS}", number), ("RPUSH", f"l{name}", number),
            ("LTRIM", f"l{name}", -TAIL, -1), ("MULTI",), ("INCR", f"a{name}"), ("INCR", f"b{name}"), ("EXEC",)))

    def start(self, port, depth_max=16):
        """Writes until the server is gone, or refuses."""
        self.refused = None
        self.thread = threading.Thread(target=self.write, args=(port, depth_max))
        self.thread.start()

    def write(self, port, depth_max):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=30) as conn:
                while not self.refused:
                    self.batch(conn, self.chance.randint(1, depth_max))
        except OSError:
            return

    def batch(self, conn, depth):
        """Sends steps and reads what is answered; a refusal ends the writer."""
        first = self.asked + 1
        self.asked += depth
        conn.sendall(b"".join(self.step(number) for number in range(first, self.asked + 1)))
        lines, rest = 0, b""
        while lines < depth * LINES:
            more = conn.recv(1 << 16)
            if not more:
                raise ConnectionError
            parts = (rest + more).split(b"\n")
            rest = parts.pop()
            for part in parts:
                if part.startswith(b"-"):
                    self.refused = part
                    return
            lines += len(parts)
            # A step whose INCR was answered counts; those behind it in the same step need not be there.
            self.acknowledged = first - 1 + (lines + LINES - 1) // LINES
            self.done = first - 1 + lines // LINES

    def join(self):
        self.thread.join()

    def check(self, port, least=None):
        """What the server holds is a beginning of the steps, at least up to `least`; goes on from there."""
        conn, name = Conn(port), self.name
        n, a, b = (int(conn.value("GET", f"{kind}{name}") or 0) for kind in "nab")
        listed = [int(item) for item in conn.value("LRANGE", f"l{name}", 0, -1)]
        slots = [int(value or 0) for value in conn.value("MGET", *(f"u{name}:{slot}" for slot in range(SLOTS)))]
        conn.close()
        what = dict(name=name, n=n, a=a, b=b, last=listed[-1:], acknowledged=self.acknowledged, done=self.done, asked=self.asked)
        low, high = (self.acknowledged, self.done) if least is None else (least, least)
        assert low <= n <= self.asked, what
        assert a == b, what
        assert a in (n, n - 1) and a >= high, what
        last = listed[-1] if listed else 0
        assert last in (n, n - 1) and last >= a, what
        assert listed == list(range(max(1, last - len(listed) + 1), last + 1)) and len(listed) <= TAIL + 1, what
        set_to = max(slots)
        assert set_to in (n, n - 1) and set_to >= last, what
        for slot, value in enumerate(slots):
            wanted = set_to - (set_to - slot) % SLOTS
            assert value == max(wanted, 0), (what, slot, value, wanted)
        self.done = self.asked = self.acknowledged = n
        if a != n:
            self.mend(port, n)
        return n

    def mend(self, port, n):
        """Completes the step that was cut off, so that the next one starts from an even state."""
        conn = Conn(port)
        conn.value("SET", f"u{self.name}:{n % SLOTS}", n)
        conn.value("SET", f"a{self.name}", n)
        conn.value("SET", f"b{self.name}", n)
        if conn.value("LINDEX", f"l{self.name}", -1) != str(n).encode():
            conn.value("RPUSH", f"l{self.name}", n)
        conn.value("LTRIM", f"l{self.name}", -TAIL, -1)
        conn.close()
