"""Moving keys: DUMP and RESTORE, MIGRATE, resharding, between redan and the real ones."""
import random
import signal
import subprocess
import threading

import pytest
import redis

from conftest import wait_for
from exchange import Conn
from test_cluster_commands import sides  # noqa: F401

# `python -m pytest tests/peers/test_move.py`; conftest.py starts the servers.

FILL = [
    ("set", "empty", ""), ("set", "text", "hello"), ("set", "long", "x" * 3000), ("set", "small", "12"),
    ("set", "negative", "-129"), ("set", "big", "3000000000"), ("set", "max", "9223372036854775807"),
    ("set", "nearly", "012"), ("set", "bytes", bytes(range(256)) * 3), ("append", "appended", "77"),
    ("hset", "pairs", "field", "value", "n", "17", "long", "y" * 60),
    ("hset", "wide", "field", "z" * 200),
    ("hset", "table", *[str(text) for number in range(700) for text in (f"f{number}", number * 1000)]),
]


def raw(server):
    return redis.Redis(port=server.port, socket_timeout=10)


def fill(client):
    for request in FILL:
        client.execute_command(*request)


def content(client):
    def value(key):
        return client.hgetall(key) if client.type(key) == b"hash" else client.get(key)
    return {key: value(key) for key in client.keys("*")}


@pytest.mark.parametrize("other", ["redis", "valkey"])
def test_payloads_are_understood_both_ways(servers, other):
    ours, theirs = raw(servers("redan")), raw(servers(other))
    fill(theirs)
    keys = [request[1] for request in FILL]
    for compression in ("no", "yes"):
        for client in (ours, theirs):
            client.config_set("rdbcompression", compression)
        for key in keys:
            payload = theirs.dump(key)
            ours.restore(key, 0, payload, replace=True)
            # What was read is written again; version 10 is what every other server takes.
            back = ours.dump(key)
            theirs.restore(f"back:{key}", 0, back, replace=True)
            # How a text is packed is free, and so is the order in a table.
            if other == "redis" and compression == "no" and key != "table":
                assert back == payload, key
    assert content(ours) == {key: value for key, value in content(theirs).items() if not key.startswith(b"back:")}
    for key in keys:
        assert theirs.type(key) == theirs.type(f"back:{key}")
        same = theirs.hgetall if theirs.type(key) == b"hash" else theirs.get
        assert same(key) == same(f"back:{key}"), key
        assert ours.object("encoding", key) == theirs.object("encoding", key), key


def test_refusals_read_as_the_originals(servers):
    ours, theirs = raw(servers("redan")), raw(servers("redis"))
    theirs.set("x", "1")
    payload = theirs.dump("x")
    requests = [
        ("restore", "k", 0, payload), ("restore", "k", 0, payload), ("restore", "k", 0, payload, "replace"),
        ("restore", "k", -1, payload, "replace"), ("restore", "k", "a", payload, "replace"),
        ("restore", "l", 0, payload[:-1]), ("restore", "l", 0, b""), ("restore", "l", 0, payload, "odd"),
        ("restore", "l", 0, payload, "idletime", "-1"), ("restore", "l", 0, payload, "freq", "256"),
        ("restore", "l", 0, payload, "idletime", "x"), ("restore", "l", 0, payload, "idletime", "1", "freq", "1"),
        ("restore", "l", 1, payload, "absttl"), ("exists", "l"), ("restore", "k", 1, payload, "absttl", "replace"),
        ("exists", "k"), ("restore", "i", 0, payload, "idletime", "1000"), ("object", "idletime", "i"),
        ("dump", "nothing"), ("restore", "k"), ("restore-asking", "m", 0, payload), ("get", "m"),
        ("restore", "t", 5_000_000, payload),
    ]
    for request in requests:
        answers = []
        for client in (ours, theirs):
            try:
                answers.append(client.execute_command(*request))
            except redis.ResponseError as error:
                answers.append(str(error))
        assert answers[0] == answers[1], request
    assert abs(ours.pttl("t") - theirs.pttl("t")) < 60_000


def test_damaged_payloads_do_no_harm(servers):
    ours, theirs = raw(servers("redan")), raw(servers("redis"))
    fill(theirs)
    chance = random.Random(7)
    for request in FILL:
        payload = theirs.dump(request[1])
        for _ in range(20):
            damaged = bytearray(payload)
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
            with pytest.raises(redis.ResponseError):
                ours.restore("k", 0, bytes(damaged))
    assert ours.dbsize() == 0


def test_restored_keys_reach_replicas(servers):
    ours, theirs, source = servers("redan"), servers("redis"), raw(servers("valkey"))
    raw(theirs).replicaof("127.0.0.1", ours.port)
    assert source.set("x", "value") and source.hset("h", "f", "v")
    client, replica = raw(ours), raw(theirs)
    wait_for(lambda: replica.info("replication")["master_link_status"] == "up", 20, "the replica is in step")
    # Valkey's payloads are of a version that Redis 7.0 does not read: its replica gets others.
    client.restore("x", 100_000, source.dump("x"))
    client.restore("h", 0, source.dump("h"))
    client.wait(1, 5_000)
    assert replica.get("x") == b"value" and replica.hgetall("h") == {b"f": b"v"}
    assert replica.execute_command("pexpiretime", "x") == client.execute_command("pexpiretime", "x")


PAIRS = [("redan", "redan"), ("redan", "redis"), ("redis", "redan"), ("redan", "valkey"), ("valkey", "redan")]


@pytest.mark.parametrize("source,target", PAIRS)
def test_keys_move(servers, source, target):
    there = servers(target, "--requirepass", "word")
    here = raw(servers(source))
    far = redis.Redis(port=there.port, password="word", socket_timeout=10)
    fill(here)
    here.pexpire("text", 1_000_000)
    before = content(here)
    names = [request[1] for request in FILL]
    address = ("migrate", "127.0.0.1", there.port)
    with pytest.raises(redis.ResponseError, match="Target instance replied with error: NOAUTH"):
        here.execute_command(*address, "text", 0, 5000)
    assert here.execute_command(*address, "text", 0, 5000, "AUTH", "word") == b"OK"
    assert 900_000 < far.pttl("text") <= 1_000_000 and not here.exists("text")
    assert here.execute_command(*address, "long", 0, 5000, "COPY", "AUTH2", "default", "word") == b"OK"
    with pytest.raises(redis.ResponseError, match="Target instance replied with error: BUSYKEY"):
        here.execute_command(*address, "long", 0, 5000, "AUTH", "word")
    assert here.exists("long")
    every = ("", 0, 5000, "REPLACE", "AUTH", "word", "KEYS", "missing", *names)
    assert here.execute_command(*address, *every) == b"OK"
    assert here.dbsize() == 0 and content(far) == before
    assert here.execute_command(*address, "text", 0, 5000) == b"NOKEY"
    with pytest.raises(redis.ResponseError, match="DB index is out of range"):
        here.set("x", "1")
        here.execute_command(*address, "x", 99, 5000, "AUTH", "word")
    assert here.get("x") == b"1"
    assert here.execute_command(*address, "x", 7, 5000, "AUTH", "word") == b"OK"
    assert redis.Redis(port=there.port, password="word", db=7).get("x") == b"1"
    assert here.info("stats")["migrate_cached_sockets"] == 1


def test_a_dead_or_silent_target(servers):
    here, there = servers("redan"), servers("redan")
    client = raw(here)
    for name in "abc":
        client.set(name, "1")
    address = ("migrate", "127.0.0.1", there.port)
    assert client.execute_command(*address, "a", 0, 5000) == b"OK"
    # The kept connection is dead, and noticed to be: a new one is made.
    there.stop()
    there.start()
    assert client.execute_command(*address, "b", 0, 5000) == b"OK"
    there.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(redis.RedisError, match="IOERR error or timeout reading to target instance"):
            client.execute_command(*address, "c", 0, 100)
    finally:
        there.process.send_signal(signal.SIGCONT)
    there.stop()
    with pytest.raises(redis.RedisError, match="IOERR error or timeout writing to target instance"):
        client.execute_command(*address, "c", 0, 5000)
    assert client.get("c") == b"1"
    there.start()


def reshard(tool_arguments):
    """The real redis-cli."""
    done = subprocess.run(["redis-cli", "--cluster", *map(str, tool_arguments)], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


# Redis 7.0 takes no payload of Valkey's; it gives them.
RESHARDS = [("redan", "redan", True), ("redan", "redis", True), ("redan", "valkey", True), ("valkey", "redan", True)]


@pytest.mark.parametrize("first,second,back", RESHARDS)
def test_the_real_tool_moves_slots_under_load(servers, first, second, back):
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "15000", "--save", "")
    nodes = [servers(kind, *options) for kind in (first, second, first)]
    clients = [raw(node) for node in nodes]
    addresses = [f"127.0.0.1:{node.port}" for node in nodes]
    reshard(["create", *addresses, "--cluster-yes"])
    ids = [client.execute_command("cluster", "myid").decode() for client in clients]
    cluster = redis.RedisCluster(host="127.0.0.1", port=nodes[0].port, socket_timeout=10)
    wrote = {}
    for number in range(3000):
        wrote[f"k{number}"] = str(number)
        cluster.set(f"k{number}", number)
    for number in range(100):
        cluster.hset(f"h{number}", mapping={"f": number})
    stop, errors, counts = threading.Event(), [], {}

    def load(worker):
        own = redis.RedisCluster(host="127.0.0.1", port=nodes[0].port, socket_timeout=10)
        chance, name = random.Random(worker), None
        while not stop.is_set():
            name = f"n{worker}:{chance.randrange(300)}"
            try:
                value = own.incr(name)
            except (redis.RedisError, OSError) as error:
                errors.append(repr(error))
                return
            counts[name] = counts.get(name, 0) + 1
            if value != counts[name]:
                errors.append(f"{name} is {value}, not {counts[name]}")
                return

    workers = [threading.Thread(target=load, args=(worker,)) for worker in range(2)]
    for worker in workers:
        worker.start()
    try:
        moves = [(0, 1), (1, 0)] if back else [(0, 1)]
        for source, target in moves:
            reshard(["reshard", addresses[2], "--cluster-from", ids[source], "--cluster-to", ids[target],
                     "--cluster-slots", 150, "--cluster-yes", "--cluster-pipeline", 20])
        # Out of balance on purpose, and back by the tool.
        reshard(["rebalance", addresses[0], "--cluster-weight", f"{ids[0]}=1.2", "--cluster-threshold", 1,
                 "--cluster-pipeline", 50])
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    assert not errors, errors
    for name, value in wrote.items():
        assert cluster.get(name) == value.encode(), name
    for number in range(100):
        assert cluster.hget(f"h{number}", "f") == str(number).encode()
    for name, value in counts.items():
        assert cluster.get(name) == str(value).encode(), name
    assert sum(client.dbsize() for client in clients) == 3100 + len(counts)
    assert "[OK] All 16384 slots covered" in reshard(["check", addresses[0]])


def test_an_open_slot_answers_as_the_original(sides):
    both = sides(2)
    logs = []
    for side in both:
        side.join()
        first, second = (Conn(node.port) for node in side.nodes)
        # The slot of "a" (15495) belongs to the second node, that of "b" (3300) to the first.
        first.ask("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
        second.ask("CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
        for node in side.nodes:
            wait_for(lambda: b"cluster_state:ok" in Conn(node.port).value("CLUSTER", "INFO"), 15, "ok")
            wait_for(lambda: len(Conn(node.port).value("CLUSTER", "SLOTS")) == 2, 15, "both ranges")
        ids, to = side.ids, ("MIGRATE", "127.0.0.1", side.nodes[1].port)
        payload = redis.Redis(port=side.nodes[0].port)
        payload.set("b", "1")
        payload = payload.dump("b")
        log = []
        for number, (conn, *request) in enumerate([
            (first, "SET", "{b}1", "1"), (first, "SET", "{b}2", "1"),
            (first, *to, "a", 0, 5000), (first, *to, "", 0, 5000, "KEYS", "b", "c"),
            (first, *to, "b", 0, 5000), (first, "EXISTS", "b"),
            (second, "CLUSTER", "SETSLOT", 3300, "IMPORTING", ids[0]),
            (first, "CLUSTER", "SETSLOT", 3300, "MIGRATING", ids[1]),
            (first, *to, "", 0, 5000, "KEYS", "b", "{b}none"), (first, *to, "{b}none", 0, 5000),
            (first, "GET", "b"), (first, "MGET", "b", "{b}1"), (first, "SET", "b", "2"), (first, "DEL", "b", "{b}1"),
            (first, "GET", "{b}1"),
            (second, "GET", "b"), (second, "ASKING"), (second, "GET", "b"), (second, "ASKING"),
            (second, "MGET", "b", "{b}1"), (second, *to, "{b}none", 0, 5000),
            (second, "RESTORE", "{b}5", 0, payload), (second, "RESTORE-ASKING", "{b}5", 0, payload),
            (second, "RESTORE-ASKING", "{b}5", 0, payload), (second, "RESTORE-ASKING", "{c}5", 0, payload),
            (second, "CLUSTER", "COUNTKEYSINSLOT", 3300), (first, "CLUSTER", "COUNTKEYSINSLOT", 3300),
            (first, "CLUSTER", "SETSLOT", 3300, "NODE", ids[1]),
            (first, *to, "", 0, 5000, "REPLACE", "KEYS", "{b}1", "{b}2"),
            (first, "CLUSTER", "GETKEYSINSLOT", 3300, 10),
            (second, "CLUSTER", "SETSLOT", 3300, "NODE", ids[1]), (first, "CLUSTER", "SETSLOT", 3300, "NODE", ids[1]),
            (second, "MGET", "b", "{b}1", "{b}2", "{b}5"), (first, "GET", "b"), (first, *to, "b", 0, 5000),
            (second, "CLUSTER", "COUNTKEYSINSLOT", 3300),
        ]):
            log.append((number, request[0], side.masked(conn.ask(*request)[0])))
        epoch = {node: Conn(node.port).value("CLUSTER", "INFO").split(b"cluster_my_epoch:")[1].split()[0]
                 for node in side.nodes}
        assert int(epoch[side.nodes[1]]) > int(epoch[side.nodes[0]]), "the claim of the new owner is the newer one"
        logs.append(log)
    for ours, theirs in zip(*logs):
        assert ours == theirs
