"""The old library with StrictRedisCluster against a cluster: strict_cluster.py PORT KEY-PREFIX

Runs in a virtual environment of its own: it needs a redis-py of its time.
"""
import json
import sys
import threading
import time

import redis
from rediscluster import StrictRedisCluster

PORT, PREFIX = int(sys.argv[1]), sys.argv[2]
KEYS = [f"{PREFIX}:{index}" for index in range(1000)]


def connect(**options):
    return StrictRedisCluster(startup_nodes=[{"host": "127.0.0.1", "port": PORT}], decode_responses=True,
                              socket_timeout=2, **options)


def raises(error, call, *arguments):
    try:
        call(*arguments)
    except error:
        return
    raise AssertionError(f"no {error.__name__}")


def commands(client):
    # These two go key by key in this library: any keys will do.
    assert client.mset({f"{PREFIX}m1": 1, f"{PREFIX}m2": 2})
    assert client.mget([f"{PREFIX}m1", f"{PREFIX}m2", f"{PREFIX}none"]) == ["1", "2", None]
    assert client.delete(f"{PREFIX}m1", f"{PREFIX}m2") == 2
    tag = f"{{{PREFIX}}}"
    assert client.incr(tag + "n", 5) == 5 and client.setex(tag + "e", 100, "x") and client.ttl(tag + "e") > 0
    assert client.hset(tag + "h", "name", "redan") == 1 and client.hmset(tag + "h", {"size": 6, "x": "y"})
    assert client.hgetall(tag + "h") == {"name": "redan", "size": "6", "x": "y"}
    assert client.hincrby(tag + "h", "size", 2) == 8 and client.hmget(tag + "h", "x", "none") == ["y", None]
    assert dict(client.hscan_iter(tag + "h")) == client.hgetall(tag + "h")
    assert client.incrbyfloat(tag + "f", 1.5) == 1.5 and client.append(tag + "f", "0") == 4
    assert client.set(tag + "s", "x", px=60_000, nx=True) and not client.set(tag + "s", "y", nx=True)
    assert client.msetnx({f"{PREFIX}m1": 1, f"{PREFIX}m2": 2}) and client.exists(f"{PREFIX}m1")
    raises(redis.ResponseError, client.hget, tag + "s", "x")
    # DUMP and RESTORE in this library, and a payload is no text.
    raw = StrictRedisCluster(startup_nodes=[{"host": "127.0.0.1", "port": PORT}], socket_timeout=2)
    assert raw.rename(tag + "e", PREFIX + "renamed") and client.get(PREFIX + "renamed") == "x"


def every_node(client):
    nodes = list(client.connection_pool.nodes.all_nodes())
    assert len(nodes) == 6 and len(list(client.connection_pool.nodes.all_masters())) == 3, nodes
    assert client.ping() == {node["name"]: True for node in nodes}
    assert {info["redis_mode"] for info in client.info().values()} == {"cluster"}
    assert {info["cluster_state"] for info in client.cluster_info().values()} == {"ok"}
    assert len(client.cluster_nodes()) == 6
    assert len(client.cluster_slots()) == 3
    assert set(KEYS) <= set(client.scan_iter(match=PREFIX + ":*", count=200))
    reader = connect(readonly_mode=True)
    deadline = time.time() + 10
    # Asynchronous replication: a replica may be a moment behind.
    while [reader.get(key) for key in KEYS[:50]] != ["value of " + key for key in KEYS[:50]]:
        assert time.time() < deadline


def pipelines(client):
    with client.pipeline() as pipe:
        for key in KEYS:
            pipe.set("pipe:" + key, key)
        assert pipe.execute() == [True] * len(KEYS)
        for key in KEYS:
            pipe.get("pipe:" + key)
        pipe.hset("pipe:" + PREFIX, "field", 1).hgetall("pipe:" + PREFIX)
        assert pipe.execute() == KEYS + [1, {"field": "1"}]
        pipe.set("pipe:" + PREFIX + "s", "x").hset("pipe:" + PREFIX + "s", "field", 1)
        replies = pipe.execute(raise_on_error=False)
        assert replies[0] is True and isinstance(replies[1], redis.ResponseError)


def pubsub(client):
    listener = client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(PREFIX + "news")
    listener.psubscribe(PREFIX + "p*")
    expected = {("message", PREFIX + "news", "hello"), ("pmessage", PREFIX + "pattern", "hi")}
    received, deadline = set(), time.time() + 10
    while received != expected:
        assert time.time() < deadline, received
        client.publish(PREFIX + "news", "hello")
        client.publish(PREFIX + "pattern", "hi")
        while True:
            message = listener.get_message(timeout=0.05)
            if not message:
                break
            received.add((message["type"], message["channel"], message["data"]))
    listener.close()


def failover(client):
    errors, stopping = [], threading.Event()

    def load():
        index = 0
        while not stopping.is_set():
            try:
                client.set(f"load:{index}", "x")
            except Exception as error:
                errors.append(repr(error))
                time.sleep(0.01)
            index += 1

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    print("ready", flush=True)
    sys.stdin.readline()
    started = time.time()
    for key in KEYS:
        while True:
            try:
                assert client.set("after:" + key, key)
                break
            except Exception as error:
                errors.append(repr(error))
                assert time.time() - started < 30, errors[-10:]
                time.sleep(0.05)
    seconds = time.time() - started
    stopping.set()
    thread.join()
    lost = sum(client.get(key) != "value of " + key for key in KEYS)
    print(json.dumps({"seconds": seconds, "errors": len(errors), "lost": lost}), flush=True)


def main():
    client = connect()
    for key in KEYS:
        assert client.set(key, "value of " + key)
    assert all(client.get(key) == "value of " + key for key in KEYS)
    commands(client)
    every_node(client)
    pipelines(client)
    pubsub(client)
    failover(client)


main()
