"""Scripts of requests over raw sockets, and the comparison of two servers' replies to them.

A script is text, one request a line:

    SET key "a\\x00b"            the reply must have the same bytes
    =~ KEYS *                   the same elements in any order
    =pairs HGETALL h            the same pairs in any order (RESP2 and RESP3)
    =? RANDOMKEY                the same types, whatever they hold
    =# CLIENT ID                the same bytes when each number counts as N
    =near PTTL key              integers within two seconds of each other
    =names INFO server          the same field names
    =walk SCAN MATCH a*         all elements of a whole walk over the cursor, as a set
    @2 PUBLISH channel x        on a second connection
    @2 <                        one more reply on a connection, without a request
    +3 SUBSCRIBE a b c          so many replies (default 1; 0 where none is due: a stray one shows with the next)
    raw PING\\r\\n                bytes as they are

`<x*500>` stands for 500 times x; $id2 and $addr2 for a connection's client id and address. At the end
each connection gets RESET, so that what is left over, or missing, is compared as well.
"""
import os
import re
import socket
from collections import Counter

OURS = os.environ.get("OURS", "redan")
TIMEOUT = float(os.environ.get("REPLY_TIMEOUT", "5"))
ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.S)
ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b", b"0": b"\0"}
WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
REPEAT = re.compile(r"<(.)\*(\d+)>")


class Gone(Exception):
    """The server closed the connection, or did not answer in time."""


class Conn:
    """One connection; replies come as (raw bytes, tree)."""

    def __init__(self, port, resp=2, password=None, host="127.0.0.1", path=None):
        if path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(TIMEOUT)
            self.socket.connect(path)
        else:
            self.socket = socket.create_connection((host, port), timeout=TIMEOUT)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.at = b"", 0
        if password:
            self.ask("AUTH", password)
        if resp == 3:
            self.ask("HELLO", 3)

    def send(self, *requests):
        try:
            self.socket.sendall(b"".join(encode(request) for request in requests))
        except OSError:
            pass  # The reply tells: it does not come.

    def send_raw(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # As above.

    def fill(self):
        try:
            part = self.socket.recv(1 << 22)
        except TimeoutError:
            raise Gone("no reply") from None
        except OSError:
            raise Gone("closed") from None
        if not part:
            raise Gone("closed")
        self.buffer, self.at = self.buffer[self.at:] + part, 0

    def line(self):
        while True:
            end = self.buffer.find(b"\r\n", self.at)
            if end >= 0:
                line, self.at = self.buffer[self.at:end], end + 2
                return line
            self.fill()

    def exactly(self, count):
        while len(self.buffer) - self.at < count:
            self.fill()
        found = self.buffer[self.at:self.at + count]
        self.at += count
        return found

    def tree(self, raw):
        line = self.line()
        raw.append(line + b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind in b"$=!" and rest != b"-1":
            body = self.exactly(int(rest) + 2)
            raw.append(body)
            return kind, body[:-2]
        if kind in b"*~>%|" and rest != b"-1":
            count = int(rest) * (2 if kind in b"%|" else 1)
            return kind, [self.tree(raw) for _ in range(count)]
        if kind in b"$*":
            return kind, None
        return kind, rest

    def read(self):
        """The next reply. A lost connection is a reply too, of its own kind."""
        raw = []
        try:
            tree = self.tree(raw)
        except Gone as gone:
            tree = b"?", str(gone).encode()
            raw = [*raw, b"<" + tree[1] + b">"]
        return b"".join(raw), tree

    def ask(self, *request):
        self.send(request)
        return self.read()

    def value(self, *request):
        """A reply as a plain value."""
        return plain(self.ask(*request)[1])

    def close(self):
        self.socket.close()


def encode(request):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in request]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def plain(tree):
    kind, body = tree
    if isinstance(body, list):
        return [plain(child) for child in body]
    return int(body) if kind == b":" else body


def unescape(text):
    return ESCAPE.sub(lambda match: bytes([int(match[1][1:], 16)]) if match[1][:1] == b"x" and len(match[1]) == 3
                      else ESCAPES.get(match[1], match[1]), text.encode("latin-1"))


def words(text):
    text = REPEAT.sub(lambda match: match[1] * int(match[2]), text)
    return [unescape(quoted) if bare is None or bare == "" else bare.encode()
            for quoted, bare in ((match[1], match[2]) for match in WORD.finditer(text))]


# How two replies are compared. Each function makes of a reply what must be equal.

def exact(reply):
    return reply[0]


def unordered(reply):
    kind, body = reply[1]
    return (kind, sorted(map(repr, body))) if isinstance(body, list) else reply[0]


def pairs(reply):
    kind, body = reply[1]
    if not isinstance(body, list):
        return reply[0]
    if body and body[0][0] == b"*" and len(body[0][1] or []) == 2:
        return kind, sorted(map(repr, body))
    return kind, sorted(repr(pair) for pair in zip(body[::2], body[1::2]))


def shape(reply):
    def of(tree):
        kind, body = tree
        return repr((kind, sorted({of(child) for child in body}))) if isinstance(body, list) else repr(kind)
    return of(reply[1])


def numbers(reply):
    # The length of a bulk string follows from its numbers.
    return re.sub(rb"\d+", b"N", re.sub(rb"\$\d+\r\n", b"$", reply[0]))


# Lines of CLUSTER INFO that Valkey 9.1 has and Redis 7.0 has not.
NEWER = re.compile(rb"cluster_(?:(?:voting_)?nodes_p?fail|stats_\w*bytes_(?:sent|received)):\d+\r\n")


def names(reply):
    body = reply[1][1]
    if not isinstance(body, bytes):
        return reply[0]
    return [line.split(b":")[0] for line in NEWER.sub(b"", body).replace(b"\r\n", b"\n").split(b"\n")]


def near(ours, theirs):
    one, other = plain(ours[1]), plain(theirs[1])
    if isinstance(one, int) and isinstance(other, int) and one >= 0 and other >= 0:
        return abs(one - other) <= 2000
    return ours[0] == theirs[0]


MODES = {"": exact, "~": unordered, "pairs": pairs, "?": shape, "#": numbers, "names": names}


def same(mode, ours, theirs):
    if mode == "near":
        return near(ours, theirs)
    return MODES[mode](ours) == MODES[mode](theirs)


class Difference:
    """One reply of ours that is not the other server's."""

    def __init__(self, request, ours, theirs, resp=2, line=None):
        self.request, self.ours, self.theirs, self.resp, self.line = request, ours, theirs, resp, line

    def __str__(self):
        text = b" ".join(self.request)
        return (f"RESP{self.resp}: {self.line or text[:300]!r}\n"
                f"    expected {self.theirs[:1500]!r}\n    got      {self.ours[:1500]!r}")


class Side:
    """One server's side of a script: its connections."""

    def __init__(self, server, resp):
        self.server, self.resp, self.conns, self.facts = server, resp, {}, {}

    def conn(self, name):
        if name not in self.conns:
            conn = self.conns[name] = Conn(self.server.port, self.resp)
            self.facts["$id" + name] = str(conn.value("CLIENT", "ID"))
            self.facts["$addr" + name] = "%s:%d" % conn.socket.getsockname()
            self.facts["$port" + name] = str(self.server.port)
        return self.conns[name]

    def fill_in(self, request):
        return [self.facts.get(word.decode("latin-1"), word) if word[:1] == b"$" else word for word in request]

    def close(self):
        for conn in self.conns.values():
            conn.close()


def walk(conn, request):
    """All replies of a whole walk over a cursor: as a reply with sorted, distinct elements."""
    at = 1 if request[0].upper() == b"SCAN" else 2
    cursor, found, step = b"0", [], 1
    for _ in range(100_000):
        raw, (_, body) = conn.ask(*request[:at], cursor, *request[at:])
        if not isinstance(body, list):
            return raw, (b"-", raw)
        cursor = body[0][1]
        items = [child[1] for child in body[1][1]]
        step = 2 if request[0].upper() == b"HSCAN" else 1
        found += [tuple(items[index:index + step]) for index in range(0, len(items), step)]
        if cursor == b"0":
            text = repr(sorted(set(found))).encode()
            return text, (b"$", text)
    return b"<endless>", (b"?", b"endless")


def parse(line):
    """(connection, mode, count of replies, raw, words) of a line."""
    name, mode, count, raw = "1", "", 1, False
    while True:
        head, _, rest = line.partition(" ")
        if re.fullmatch(r"@\w+", head):
            name = head[1:]
        elif re.fullmatch(r"\+\d+", head):
            count = int(head[1:])
        elif re.fullmatch(r"=(~|\?|#|pairs|near|names|walk)?", head):
            mode = head[1:]
        elif head == "raw":
            raw = True
        elif head == "<":
            return name, mode, count, raw, None
        else:
            return name, mode, count, raw, unescape(line) if raw else words(line)
        line = rest.strip()


def run(script, ours, theirs, resp=2, tolerated=lambda request, ours, theirs: False):
    """Runs a script on both servers and lists the differences."""
    found, sides = [], [Side(ours, resp), Side(theirs, resp)]
    try:
        for line in script.strip().splitlines():
            line = line.strip()
            if not line or line.startswith("//"):
                continue
            name, mode, count, raw, request = parse(line)
            conns = [side.conn(name) for side in sides]
            if mode == "walk":
                replies = [[walk(conn, request)] for conn in conns]
                mode = ""
            else:
                for side, conn in zip(sides, conns):
                    if raw:
                        conn.send_raw(request)
                    elif request is not None:
                        conn.send(side.fill_in(request))
                replies = [[conn.read() for _ in range(count)] for conn in conns]
            asked = [request] if raw else request or [b"<"]
            broken = False
            for mine, other in zip(*replies):
                if not same(mode, mine, other) and not tolerated(asked, mine[0], other[0]):
                    found.append(Difference(asked, mine[0], other[0], resp, line if len(line) < 300 else None))
                    broken |= (mine[1][0] == b"?") != (other[1][0] == b"?")
            if broken:
                return found
        for name in sides[0].conns:
            left = []
            for side in sides:
                conn, replies = side.conns[name], []
                conn.send((b"RESET",))
                while True:
                    raw, tree = conn.read()
                    replies.append(raw)
                    if raw == b"+RESET\r\n" or tree[0] == b"?":
                        break
                left.append(b"".join(replies))
            if left[0] != left[1]:
                found.append(Difference([b"(what is left over on connection %s)" % name.encode()], *left, resp))
    finally:
        for side in sides:
            side.close()
    return found


def report(found):
    """The text of a failed comparison; each kind of request once."""
    seen, lines = Counter(), []
    for difference in found:
        key = str(difference)
        seen[key] += 1
        if seen[key] == 1:
            lines.append(key)
    return f"{len(found)} differences\n" + "\n".join(lines[:200])
