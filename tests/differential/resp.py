"""Replies as values: a small reader of RESP 2 and 3 over one blocking socket."""

import socket


class Null:
    """A null reply; which of the forms it had counts."""

    def __init__(self, form):
        self.form = form

    def __repr__(self):
        return f"Null({self.form!r})"

    def __eq__(self, other):
        return isinstance(other, Null) and self.form == other.form


class Tagged(tuple):
    """Any other reply: its type byte, and its content."""

    def __new__(cls, kind, content):
        return super().__new__(cls, (kind, content))

    kind = property(lambda self: self[0])
    content = property(lambda self: self[1])


def encode(words):
    """A request."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


def parse(data, at):
    """The reply at `at`, and where the next one begins. The bytes are complete."""
    end = data.index(b"\r\n", at)
    kind, line, at = chr(data[at]), data[at + 1 : end], end + 2
    if kind in "+-:,#(":
        return Tagged(kind, line), at
    if kind == "_":
        return Null("_"), at
    size = int(line)
    if size < 0:
        return Null(f"{kind}-1"), at
    if kind in "$=!":
        return Tagged(kind, data[at : at + size]), at + size + 2
    items = []
    for _ in range(size * 2 if kind in "%|" else size):
        item, at = parse(data, at)
        items.append(item)
    if kind == "|":
        return parse(data, at)
    return Tagged(kind, items), at


class Peer:
    """A connection to a server."""

    def __init__(self, port):
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=600)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.nonce = 0

    def close(self):
        self.socket.close()

    def send(self, requests):
        """Sends requests and a mark behind them."""
        self.nonce += 1
        self.mark = b"mark-%08d" % self.nonce
        self.socket.sendall(b"".join(requests) + encode([b"echo", self.mark]))

    def receive(self, end=None):
        """All bytes of the replies up to the mark."""
        end = end or b"$%d\r\n%s\r\n" % (len(self.mark), self.mark)
        data = bytearray()
        while not data.endswith(end):
            piece = self.socket.recv(1 << 20)
            if not piece:
                raise EOFError(f"the server on port {self.port} has closed the connection after {bytes(data)[-200:]!r}")
            data += piece
        return bytes(data[: -len(end)])

    def receive_pong(self, protocol):
        """All bytes that came before the reply to a PING, on a connection that listens to channels."""
        self.nonce += 1
        mark = b"mark-%08d" % self.nonce
        self.socket.sendall(encode([b"ping", mark]))
        end = encode([b"pong", mark]) if protocol == 2 else b"$%d\r\n%s\r\n" % (len(mark), mark)
        return self.receive(end)

    def ask(self, *words):
        """One request, one reply."""
        self.send([encode([word if isinstance(word, bytes) else str(word).encode() for word in words])])
        return parse(self.receive(), 0)[0]
