"""Malformed input gets the original's bytes; garbage on the bus port changes nothing."""
import random
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

MALFORMED = {
    "negative multibulk is nothing": b"*-10\r\nPING\r\n",
    "bad multibulk length": b"*x\r\n",
    "huge multibulk length": b"*1048577\r\n",
    "plus in length": b"*+1\r\n$4\r\nPING\r\n",
    "no dollar": b"*1\r\nfoo\r\n",
    "bad bulk length": b"*1\r\n$x\r\n",
    "negative bulk length": b"*1\r\n$-5\r\n",
    "huge bulk length": b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$2000000000\r\n",
    "unbalanced quotes": b'set "foo\r\n',
    "inline after array": b"*1\r\n$4\r\nPING\r\nPING\r\n",
    "quotes": b"set \"a\\x41b\" 'c d'\r\nget aAb\r\n",
    "empty lines": b"\r\n\r\nPING\r\n",
    "long inline": b"x" * 70000,
    "long header": b"*" + b"1" * 70000,
    "long bulk header": b"*1\r\n$" + b"1" * 70000,
    "unknown command": b"*2\r\n$5\r\nhello\r\n$1\r\n9\r\n",
    "unknown with arguments": b"*3\r\n$4\r\nnope\r\n$3\r\none\r\n$3\r\ntwo\r\n",
    "arity": b"*1\r\n$3\r\nGET\r\n",
    "replies before the error": b"PING\r\nPING\r\n*1\r\nx",
    "post": b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
    "lf only": b"PING\n",
    "nul": b"\0\0\0\r\n",
}


def exchange(port, data, password=None):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        try:
            connection.sendall(data)
            connection.settimeout(1)
        except OSError:
            pass
        received, closed = b"", False
        while True:
            try:
                part = connection.recv(65536)
            except TimeoutError:
                break
            except OSError:
                closed = True
                break
            if not part:
                closed = True
                break
            received += part
        return received, closed


@pytest.mark.parametrize("password", [False, True])
def test_malformed_requests_get_the_originals_bytes(servers, password):
    options = ["--save", ""] + (["--requirepass", "secret"] if password else [])
    ours, theirs = servers("redan", *options), servers("redis", *options)
    cases = dict(MALFORMED)
    if password:
        cases = {
            "unauthenticated multibulk": b"*11\r\n",
            "unauthenticated bulk": b"*1\r\n$16385\r\n",
            "ten are allowed": b"*10\r\n" + b"$1\r\nx\r\n" * 10,
            "noauth": b"*1\r\n$4\r\nPING\r\n",
            "auth then more": b"AUTH secret\r\n*11\r\n" + b"$1\r\nx\r\n" * 11,
            "auth wrong": b"AUTH wrong\r\nPING\r\n",
        }
    # All at once: whether a connection is closed shows by waiting alone.
    with ThreadPoolExecutor(2 * len(cases)) as pool:
        asked = {name: [pool.submit(exchange, port, data) for port in (ours.port, theirs.port)]
                 for name, data in cases.items()}
    for name, (mine, other) in asked.items():
        assert mine.result() == other.result(), name


def test_garbage_on_the_bus_port_changes_nothing(up):
    set_up = up()
    set_up.wait_ok()
    set_up.wait_whole()
    shape = set_up.shape(set_up.port)
    chance = random.Random(7)
    for round_ in range(60):
        port = chance.choice(set_up.ports) + 10000
        garbage = chance.randbytes(chance.randrange(1, 5000))
        if round_ % 2:
            length = chance.choice([0, 1, 16, 2256, 2300, 2**31, 2**32 - 1])
            garbage = b"RCmb" + length.to_bytes(4, "big") + b"\0\1" + garbage
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            try:
                connection.sendall(garbage)
                connection.settimeout(0.05)
                connection.recv(100)
            except OSError:
                pass
    # Whoever was upset would tell the others with its next pings.
    set_up.wait_whole()
    assert set_up.shape(set_up.port) == shape
    assert all(set_up.client(port).ping() for port in set_up.ports)
