"""Sorted sets and places beside Redis 7.0.15: the same requests, drawn from a seed, get the same bytes.

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
# All its scores are equal: else ranges of names have no meaning.
EQUAL = "e"
UNITS = ["m", "km", "ft", "mi"]


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    common = ["--save", "", "--enable-debug-command", "yes"]
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

    def member(self):
        number = self.random.randrange(self.names)
        return self.pick(str(number), f"m{number}", f"member:{number:08}")

    def score(self):
        return self.pick(
            str(self.random.randrange(-20, 20)), f"{self.random.uniform(-10, 10):.3f}", "inf", "-inf", "0", "-0",
            "1e-7", "1.5e300", "3.0", "0x10", repr(self.random.uniform(-1e6, 1e6)))

    def bound(self):
        return self.pick("", "(") + self.pick("-inf", "+inf", "x", "", str(self.random.randrange(-20, 20)),
                                              f"{self.random.uniform(-10, 10):.2f}")

    def name_bound(self):
        return self.pick("-", "+", "[" + self.member(), "(" + self.member(), "[" + self.member(), "x")

    def rank(self):
        return str(self.random.randrange(-self.names - 3, self.names + 3))

    def some(self, *words):
        return [word for word in words if self.random.random() < 0.4]

    def limit(self):
        return self.pick([], ["LIMIT", self.pick("0", "1", "-1", "5"), self.pick("-1", "0", "1", "3", "10")])

    def several(self):
        keys = [self.key() for _ in range(self.random.randrange(1, 4))]
        return [str(len(keys)), *keys]

    def combination(self):
        several = self.several()
        words = []
        if self.random.random() < 0.4:
            words += ["WEIGHTS", *(self.pick("1", "2", "-1.5", "0", "inf", "x") for _ in several[1:])]
        if self.random.random() < 0.4:
            words += ["AGGREGATE", self.pick("SUM", "min", "MAX", "avg")]
        return several, words

    def change(self):
        several, words = self.combination()
        return self.pick(
            ["ZADD", self.key(), *self.some("NX"), *self.some("XX"), *self.some("GT"), *self.some("CH"),
             self.score(), self.member()],
            ["ZADD", self.key(), *(word for _ in range(5) for word in (self.score(), self.member()))],
            ["ZADD", EQUAL, *(word for _ in range(5) for word in ("1", self.member()))],
            ["ZADD", self.key(), self.pick("LT", "GT", "INCR", "CH"), "INCR", self.score(), self.member()],
            ["ZINCRBY", self.key(), self.score(), self.member()],
            ["ZREM", self.key(), self.member(), self.member()],
            ["ZREMRANGEBYRANK", self.key(), self.rank(), self.pick("1", self.rank())],
            ["ZREMRANGEBYSCORE", self.key(), self.bound(), self.bound()],
            ["ZREMRANGEBYLEX", EQUAL, self.name_bound(), self.name_bound()],
            ["ZPOPMIN", self.key(), *self.some(self.pick("0", "2", "-1", "x"))],
            ["ZPOPMAX", self.key(), *self.some(self.pick("0", "2", "-1", "x"))],
            ["ZMPOP", *self.several(), self.pick("MIN", "max", "mid"), *self.some("COUNT"), "2"],
            ["BZPOPMIN", "a", "b", "0.01"], ["BZMPOP", "0.01", *self.several(), "MAX"],
            ["ZUNIONSTORE", self.key(), *several, *words], ["ZINTERSTORE", self.key(), *several, *words],
            ["ZDIFFSTORE", self.key(), *several],
            ["ZRANGESTORE", self.key(), self.key(), self.rank(), self.rank()],
            ["ZRANGESTORE", self.key(), self.key(), self.bound(), self.bound(), "BYSCORE", *self.limit()],
            ["SADD", "plain", self.member(), self.member()], ["ZUNIONSTORE", self.key(), "2", "plain", self.key()],
            ["COPY", self.key(), self.key(), "REPLACE"], ["DEL", self.key()])

    def question(self):
        several, words = self.combination()
        start, end = self.rank(), self.rank()
        return self.pick(
            ["ZSCORE", self.key(), self.member()], ["ZMSCORE", self.key(), self.member(), self.member()],
            ["ZRANK", self.key(), self.member()], ["ZREVRANK", self.key(), self.member()], ["ZCARD", self.key()],
            ["ZCOUNT", self.key(), self.bound(), self.bound()],
            ["ZLEXCOUNT", EQUAL, self.name_bound(), self.name_bound()],
            ["ZRANGE", self.key(), start, end, *self.some("WITHSCORES", "REV"), *self.limit()],
            ["ZRANGE", self.key(), self.bound(), self.bound(), "BYSCORE", *self.some("WITHSCORES", "REV"),
             *self.limit()],
            ["ZRANGE", EQUAL, self.name_bound(), self.name_bound(), "BYLEX", *self.some("REV"), *self.limit()],
            ["ZREVRANGE", self.key(), start, end, *self.some("WITHSCORES")],
            ["ZRANGEBYSCORE", self.key(), self.bound(), self.bound(), *self.some("WITHSCORES"), *self.limit()],
            ["ZREVRANGEBYSCORE", self.key(), self.bound(), self.bound(), *self.some("WITHSCORES"), *self.limit()],
            ["ZRANGEBYLEX", EQUAL, self.name_bound(), self.name_bound(), *self.limit()],
            ["ZREVRANGEBYLEX", EQUAL, self.name_bound(), self.name_bound(), *self.limit()],
            ["ZUNION", *several, *words, *self.some("WITHSCORES")], ["ZINTER", *several, *words, *self.some("WITHSCORES")],
            ["ZDIFF", *several, *self.some("WITHSCORES")],
            ["ZINTERCARD", *several, *self.some("LIMIT"), self.pick("0", "2", "-1")],
            ["OBJECT", "ENCODING", self.key()], ["DEBUG", "DIGEST-VALUE", self.key()], ["TYPE", self.key()],
            ["ZRANDMEMBER", self.key(), "0"], ["ZSCAN", "nothing", "0"])

    def place(self):
        return [f"{self.random.uniform(-180, 180):.6f}", f"{self.random.uniform(-85, 85):.6f}"]

    def near(self):
        return [f"{self.random.uniform(12, 14):.6f}", f"{self.random.uniform(37, 39):.6f}"]

    def area(self):
        size = f"{self.random.uniform(0, 10 ** self.random.randrange(1, 5)):.3f}"
        return self.pick(["BYRADIUS", size, self.pick(*UNITS)],
                         ["BYBOX", size, f"{self.random.uniform(1, 1000):.2f}", self.pick(*UNITS)])

    def geo(self):
        options = [*self.some("WITHDIST", "WITHCOORD", "WITHHASH"), *self.pick([], ["ASC"], ["DESC"]),
                   *self.pick([], [], ["COUNT", "3"], ["COUNT", "4", "ANY"], ["ANY"])]
        center = self.pick(["FROMLONLAT", *self.near()], ["FROMLONLAT", *self.place()], ["FROMMEMBER", self.member()])
        radius = [f"{self.random.uniform(0, 300):.2f}", self.pick("km", "mi", "xx")]
        return self.pick(
            ["GEOADD", self.key(), *self.some("NX", "CH"), *self.near(), self.member()],
            ["GEOADD", self.key(), *(word for _ in range(4) for word in (*self.place(), self.member()))],
            ["GEOADD", self.key(), "200", "100", self.member()], ["GEODIST", self.key(), self.member(), self.member()],
            ["GEODIST", self.key(), self.member(), self.member(), self.pick(*UNITS, "xx")],
            ["GEOPOS", self.key(), self.member(), self.member()], ["GEOHASH", self.key(), self.member(), self.member()],
            ["GEOSEARCH", self.key(), *center, *self.area(), *options],
            ["GEOSEARCHSTORE", self.key(), self.key(), *center, *self.area(), *options, *self.some("STOREDIST")],
            ["GEORADIUS", self.key(), *self.near(), *radius, *options, *self.pick([], [], ["STORE", "d"])],
            ["GEORADIUS_RO", self.key(), *self.near(), *radius, *options],
            ["GEORADIUSBYMEMBER", self.key(), self.member(), *radius, *options, *self.pick([], [], ["STOREDIST", "d"])],
            ["GEORADIUSBYMEMBER_RO", self.key(), self.member(), *radius, *options], ["DEL", self.key()])


def compare(servers, requests, resp):
    connections = [Conn(server.port, resp) for server in servers]
    for start in range(0, len(requests), BATCH):
        part = requests[start:start + BATCH]
        for connection in connections:
            connection.send(*part)
        for at, request in enumerate(part):
            real, ours = (connection.read()[0] for connection in connections)
            before = requests[:start + at]
            assert ours == real, f"{' '.join(request)}\nreal {real}\nours {ours}\nafter {before[-12:]}"
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("limit", [128, 0])
def test_sorted_sets(servers, resp, limit):
    draw = Draw(SEED * 10 + resp + limit, 30)
    requests = [["FLUSHALL"], ["CONFIG", "SET", "zset-max-listpack-entries", str(limit)]]
    for _ in range(REQUESTS):
        requests.append(draw.change())
        requests.append(draw.question())
    compare(servers, requests, resp)


@pytest.mark.parametrize("resp", [2, 3])
def test_geo(servers, resp):
    draw = Draw(SEED * 10 + resp, 20)
    compare(servers, [["FLUSHALL"]] + [draw.geo() for _ in range(2 * REQUESTS)], resp)


def test_payloads(servers):
    real, ours = (Conn(server.port) for server in servers)
    for connection in (real, ours):
        connection.ask("FLUSHALL")
        connection.ask("CONFIG", "SET", "zset-max-listpack-entries", "128")
        connection.ask("ZADD", "small", 1, "a", "2.5", "b", "-inf", "c", 12345678901, "12", "0", "")
        connection.ask("ZADD", "large", *(word for at in range(300) for word in (at / 3, f"member:{at}")))
    for key in ("small", "large"):
        digest = ours.value("DEBUG", "DIGEST-VALUE", key)
        assert real.value("DEBUG", "DIGEST-VALUE", key) == digest
        for one, other in ((real, ours), (ours, real)):
            other.ask("RESTORE", key, 0, one.value("DUMP", key), "REPLACE")
            assert other.value("DEBUG", "DIGEST-VALUE", key) == digest
    real.close()
    ours.close()
