"""Sets and SORT beside Redis 7.0.15: the same requests, drawn from a seed, get the same replies.

Environment: SEED, and REQUESTS, how many requests of each kind are drawn.
"""
import os
import random

import pytest
from conftest import REDAN, REDIS, Server
from exchange import Conn

SEED = int(os.environ.get("SEED", "1"))
REQUESTS = int(os.environ.get("REQUESTS", "1500"))
BATCH = 100
KEYS = ["a", "b", "c", "d"]
# Their replies have no order.
UNORDERED = {"SMEMBERS", "SINTER", "SUNION", "SDIFF", "SPOP", "SRANDMEMBER", "SSCAN"}


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    common = ["--save", "", "--enable-debug-command", "yes", "--set-max-intset-entries", "16"]
    real = Server([REDIS], tmp_path_factory.mktemp("real"), *common)
    ours = Server([REDAN, "server"], tmp_path_factory.mktemp("ours"), *common)
    yield real, ours
    ours.kill()
    real.kill()


class Draw:
    """Requests from a seed."""

    def __init__(self, seed, names):
        self.random, self.names = random.Random(seed), names

    def pick(self, *choices):
        return self.random.choice(choices)

    def key(self):
        return self.pick(*KEYS)

    def keys(self):
        return [self.key() for _ in range(self.random.randrange(1, 5))]

    def member(self):
        number = self.random.randrange(self.names)
        return self.pick(str(number), str(number), f"m{number}", str(number * 100_000_007), f"0{number}", "x" * 70)

    def members(self):
        return [self.member() for _ in range(self.random.randrange(1, 8))]

    def some(self, *words):
        return [word for word in words if self.random.random() < 0.4]

    def change(self):
        return self.pick(
            ["SADD", self.key(), *self.members()], ["SADD", self.key(), self.member()],
            ["SADD", self.key(), *(str(self.random.randrange(-9, 30)) for _ in range(6))],
            ["SREM", self.key(), *self.members()], ["SMOVE", self.key(), self.key(), self.member()],
            ["SINTERSTORE", self.key(), *self.keys()], ["SUNIONSTORE", self.key(), *self.keys()],
            ["SDIFFSTORE", self.key(), *self.keys()], ["SPOP", self.key(), self.pick("1000", "0", "-1", "x")],
            ["COPY", self.key(), self.key(), "REPLACE"], ["DEL", self.key()], ["SADD", "text", "x"],
            ["SINTERSTORE", self.key(), self.key(), "text"], ["RENAME", self.key(), self.key()])

    def question(self):
        several = self.keys()
        return self.pick(
            ["SISMEMBER", self.key(), self.member()], ["SMISMEMBER", self.key(), *self.members()],
            ["SCARD", self.key()], ["SMEMBERS", self.key()], ["SINTER", *several], ["SUNION", *several],
            ["SDIFF", *several], ["SUNION", "text", *several], ["SSCAN", self.key(), "0", "COUNT", "1000"],
            ["SSCAN", self.key(), "0", "MATCH", "m*", "COUNT", "1000"], ["SSCAN", self.key(), "x"],
            ["SINTERCARD", self.pick("0", "x", "9", str(len(several))), *several,
             *self.pick([], ["LIMIT", "2"], ["LIMIT", "-1"], ["LIMIT"])],
            ["SRANDMEMBER", self.key(), self.pick("1000", "0", "x", "-9223372036854775808")],
            ["DEBUG", "DIGEST-VALUE", self.key()], ["TYPE", self.key()])

    def sort_change(self):
        number = lambda: self.pick(str(self.random.randrange(-20, 20)), f"{self.random.uniform(-9, 9):.2f}")
        return self.pick(
            ["SADD", "a", number(), number()], ["RPUSH", "b", number(), number()], ["ZADD", "c", number(), number()],
            ["SREM", "a", number()], ["SADD", "a", self.pick("1", "1", "1", "word")], ["LTRIM", "b", "0", "20"],
            ["SET", f"w{number()}", self.pick(number(), number(), "text")], ["HSET", f"h{number()}", "f", number()],
            ["ZREMRANGEBYRANK", "c", "20", "-1"], ["SREM", "a", "word"], ["DEL", "d", f"w{number()}"])

    def sort(self):
        words = [word for words in self.random.sample([
            ["BY", self.pick("w*", "h*->f", "h*->", "nosort", "*", "#", "w*x")], ["DESC"], ["ASC"], ["ALPHA"],
            ["LIMIT", self.pick("0", "1", "-1", "100"), self.pick("0", "3", "-1", "1000")],
            ["GET", self.pick("#", "w*", "h*->f", "x")], ["GET", "#"], self.pick(["STORE", "d"], ["LIMIT", "1"])],
            self.random.randrange(4)) for word in words]
        # A set without an order of its own, and equal texts of other keys, come in any order.
        key = self.pick("a", "b", "c", "none", "text2")
        if "BY" in words and ("ALPHA" in words or key == "a"):
            words = ["DESC"]
        return self.pick(["SORT", key, *words], ["SORT_RO", key, *words], ["LRANGE", "d", "0", "-1"])


def ordered(request, tree):
    """The reply without its order, where it has none."""
    kind, value = tree
    if request[0] == "SSCAN" and isinstance(value, list):
        return kind, value[0], sorted(map(repr, value[1][1]))
    if request[0] in UNORDERED and isinstance(value, list):
        return kind, sorted(map(repr, value))
    return tree


def compare(servers, requests, resp):
    connections = [Conn(server.port, resp) for server in servers]
    for start in range(0, len(requests), BATCH):
        part = requests[start:start + BATCH]
        for connection in connections:
            connection.send(*part)
        for at, request in enumerate(part):
            real, ours = (ordered(request, connection.read()[1]) for connection in connections)
            before = requests[:start + at]
            assert ours == real, f"{' '.join(request)}\nreal {real}\nours {ours}\nafter {before[-12:]}"
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("limit", [128, 0])
def test_sets(servers, resp, limit):
    ours = Conn(servers[1].port)
    ours.ask("CONFIG", "SET", "set-max-listpack-entries", str(limit))
    ours.close()
    draw = Draw(SEED * 10 + resp + limit, 40)
    requests = [["FLUSHALL"], ["SET", "text", "x"]]
    for _ in range(REQUESTS):
        requests.append(draw.change())
        requests.append(draw.question())
        # Without listpacks the layouts are those of 7.0 too.
        if limit == 0:
            requests.append(["OBJECT", "ENCODING", draw.key()])
    compare(servers, requests, resp)


@pytest.mark.parametrize("resp", [2, 3])
def test_sort(servers, resp):
    draw = Draw(SEED * 10 + resp, 20)
    requests = [["FLUSHALL"], ["SET", "text2", "x"]]
    for _ in range(REQUESTS):
        requests.append(draw.sort_change())
        requests.append(draw.sort())
    compare(servers, requests, resp)


def test_payloads(servers):
    real, ours = (Conn(server.port) for server in servers)
    for connection in (real, ours):
        connection.ask("FLUSHALL")
        connection.ask("SADD", "ints", 1, -5, 70000)
        connection.ask("SADD", "small", "a", "b", 12345678901, "", "01")
        connection.ask("SADD", "large", *(f"member:{at}" for at in range(300)), *range(100))
    for key in ("ints", "small", "large"):
        digest = ours.value("DEBUG", "DIGEST-VALUE", key)
        assert real.value("DEBUG", "DIGEST-VALUE", key) == digest
        for one, other in ((real, ours), (ours, real)):
            other.ask("RESTORE", key, 0, one.value("DUMP", key), "REPLACE")
            assert other.value("DEBUG", "DIGEST-VALUE", key) == digest
    assert real.value("DUMP", "ints") == ours.value("DUMP", "ints")
    real.close()
    ours.close()
