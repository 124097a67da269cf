"""Lists beside Redis 7.0.15: the same requests get the same bytes, values go from one to the other, and clients that
wait are served in the same order with the same effects.

Environment: SEED, and REQUESTS, how many requests are drawn for each size of nodes.
"""
import os
import random

import pytest
import redis
from conftest import REDAN, REDIS, Server, wait_for
from exchange import Conn

SEED = int(os.environ.get("SEED", "1"))
REQUESTS = int(os.environ.get("REQUESTS", "1500"))
BATCH = 100
KEYS = ["a", "b", "c"]


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    common = ["--save", "", "--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0"]
    real = Server([REDIS], tmp_path_factory.mktemp("real"), *common)
    ours = Server([REDAN, "server"], tmp_path_factory.mktemp("ours"), *common)
    yield real, ours
    ours.kill()
    real.kill()


class Draw:
    """Requests from a seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, *choices):
        return self.random.choice(choices)

    def key(self):
        return self.pick(*KEYS)

    def text(self):
        number = self.random.randrange(8)
        return self.pick(str(number), f"v{number}", "x" * self.random.randrange(200), str(number * 10**self.random.randrange(18)))

    def index(self):
        return self.pick("0", "-1", "1", str(self.random.randrange(-60, 60)), "x" if self.random.random() < 0.05 else "2")

    def end(self):
        return self.pick("LEFT", "right")

    def several(self):
        keys = [self.key() for _ in range(self.random.randrange(1, 4))]
        return [str(len(keys)), *keys]

    def request(self):
        texts = [self.text() for _ in range(self.random.randrange(1, 6))]
        count = self.pick([], [self.pick("0", "1", "3", "50", "-1", "x")])
        return self.pick(
            ["LPUSH", self.key(), *texts], ["RPUSH", self.key(), *texts], ["RPUSH", self.key(), *texts * 3],
            ["LPUSHX", self.key(), *texts], ["RPUSHX", self.key(), *texts], ["LPOP", self.key(), *count], ["RPOP", self.key(), *count],
            ["LLEN", self.key()], ["LINDEX", self.key(), self.index()], ["LSET", self.key(), self.index(), self.text()],
            ["LINSERT", self.key(), self.pick("BEFORE", "after", "AFTER"), self.text(), self.text()],
            ["LREM", self.key(), self.pick("0", "1", "-1", "2", "-3"), self.text()],
            ["LTRIM", self.key(), self.pick("0", "1", self.index()), self.pick("-1", "-2", self.index())],
            ["LPOS", self.key(), self.text(), *self.pick([], ["RANK", self.pick("1", "-1", "2", "-2", "0")]),
             *self.pick([], ["COUNT", self.pick("0", "1", "3", "-1")]), *self.pick([], ["MAXLEN", self.pick("0", "5", "-1")])],
            ["LMOVE", self.key(), self.key(), self.end(), self.end()], ["RPOPLPUSH", self.key(), self.key()],
            ["LMPOP", *self.several(), self.end(), *self.pick([], ["COUNT", self.pick("0", "1", "7")])],
            ["BLPOP", self.key(), self.key(), "0.01"], ["BLMPOP", "0.01", *self.several(), self.end()],
            ["BLMOVE", self.key(), self.key(), self.end(), self.end(), "0.01"], ["BRPOPLPUSH", self.key(), self.key(), "-1"],
            ["LRANGE", self.key(), self.index(), self.index()], ["LRANGE", self.key(), "0", "-1"],
            ["COPY", self.key(), self.key(), "REPLACE"], ["DEBUG", "DIGEST-VALUE", self.key()], ["OBJECT", "ENCODING", self.key()])


@pytest.mark.parametrize("size, depth", [("-2", "0"), ("4", "1"), ("-1", "2")])
def test_the_same_requests_get_the_same_bytes(servers, size, depth):
    conns = [Conn(server.port) for server in servers]
    for conn in conns:
        conn.ask("FLUSHALL")
        conn.ask("CONFIG", "SET", "list-max-listpack-size", size, "list-compress-depth", depth)
    draw = Draw(f"{SEED} {size}")
    for _ in range(REQUESTS // BATCH):
        batch = [draw.request() for _ in range(BATCH)]
        for conn in conns:
            conn.send(*batch)
        for request in batch:
            real, ours = (conn.read()[0] for conn in conns)
            assert real == ours, f"seed {SEED}: {request}"
    real, ours = (redis.Redis(port=server.port, socket_timeout=5) for server in servers)
    for key in KEYS:
        for source, target in ((real, ours), (ours, real)):
            dump = source.dump(key)
            if dump:
                target.restore("restored", 0, dump, replace=True)
                assert source.lrange(key, 0, -1) == target.lrange("restored", 0, -1)
                target.delete("restored")


def test_clients_that_wait_are_served_in_the_same_order(servers):
    seen = []
    for server in servers:
        asker = server.client()
        asker.flushall()
        waits = [["BLPOP", "a", "b", 0], ["BLMOVE", "b", "c", "LEFT", "RIGHT", 0], ["BRPOP", "c", 0], ["BLMPOP", 0, 2, "b", "a", "RIGHT", "COUNT", 5]]
        conns = []
        for count, wait in enumerate(waits, 1):
            conns.append(Conn(server.port))
            conns[-1].send([str(word) for word in wait])
            wait_for(lambda: int(asker.info("clients")["blocked_clients"]) == count, 5, "a client that waits")
        asker.rpush("b", 1, 2, 3, 4)
        replies = [conn.read()[0] for conn in conns]
        pipe = asker.pipeline(transaction=True)
        pipe.rpush("b", 5).lrange("b", 0, -1).lrange("c", 0, -1)
        seen.append((replies, pipe.execute()))
        assert int(asker.info("clients")["blocked_clients"]) == 0
    assert seen[0] == seen[1]


@pytest.mark.parametrize("primary", [0, 1], ids=["from redis", "from redan"])
def test_what_waiting_clients_take_is_replicated(servers, primary):
    source, target = servers[primary], servers[1 - primary]
    one, other = source.client(), target.client()
    one.flushall()
    one.rpush("old", *range(3000))
    other.replicaof("127.0.0.1", source.port)
    try:
        wait_for(lambda: other.info("replication")["master_link_status"] == "up", 20, "the replica in step")
        waiting = [Conn(source.port) for _ in range(3)]
        for count, conn in enumerate(waiting, 1):
            conn.send(["BLMOVE", "new", "moved", "LEFT", "LEFT", "0"] if count < 3 else ["BLPOP", "moved", "new", "0"])
            wait_for(lambda: int(one.info("clients")["blocked_clients"]) == count, 5, "a client that waits")
        one.rpush("new", "x", "y", "z", *["w" * 9000] * 3)
        for conn in waiting:
            conn.read()
        assert one.wait(1, 5000) == 1
        for key in ("old", "new", "moved"):
            assert one.lrange(key, 0, -1) == other.lrange(key, 0, -1), key
    finally:
        other.replicaof("no", "one")
