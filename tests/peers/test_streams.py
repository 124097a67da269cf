"""Streams with groups, replicated between redan and the real servers: by a snapshot first, then by the stream of writes.

Environment: STREAM_WRITES (commands before and again after the replica comes; 500), SEED.
"""
import os
import random
import shutil

import pytest
import redis
from conftest import wait_for

WRITES = int(os.environ.get("STREAM_WRITES", "500"))
PAIRS = [("redan", "redis"), ("redis", "redan"), ("redan", "valkey"), ("valkey", "redan"), ("redan", "redan")]
OPTIONS = ("--save", "", "--repl-diskless-sync-delay", "0", "--enable-debug-command", "yes")


class Writer:
    """Random commands on a few streams."""

    def __init__(self, client, seed):
        self.client, self.chance = client, random.Random(seed)

    def do(self, *words):
        try:
            return self.client.execute_command(*map(str, words))
        except redis.ResponseError as error:
            # Groups and keys that are missing, ids that are too low: part of the game.
            assert str(error).split()[0] in ("NOGROUP", "BUSYGROUP", "The", "no"), error
            return None

    def some_id(self, key):
        found = self.do("XRANGE", key, "-", "+", "COUNT", 60) or []
        return self.chance.choice(found)[0] if found else "5-5"

    def write(self):
        chance = self.chance
        key, group, consumer = f"s{chance.randrange(4)}", f"g{chance.randrange(3)}", f"c{chance.randrange(4)}"
        reader = ("XREADGROUP", "GROUP", group, consumer, "COUNT", chance.randrange(1, 20))
        match chance.randrange(26):
            case 0 | 1:
                self.do("XGROUP", "CREATE", key, group, chance.choice(["0", "$"]), "MKSTREAM")
            case 2 | 3 | 4 | 5:
                self.do(*reader, "STREAMS", key, ">")
            case 6:
                self.do(*reader, "NOACK", "STREAMS", key, ">")
            case 7:
                # The original does not tell replicas of a consumer that comes by reading what it has.
                self.do("XGROUP", "CREATECONSUMER", key, group, consumer)
                self.do(*reader, "STREAMS", key, "0")
            case 8 | 9:
                self.do("XACK", key, group, self.some_id(key), self.some_id(key))
            case 10:
                self.do("XCLAIM", key, group, consumer, 0, self.some_id(key), *chance.choice([(), ("FORCE",), ("JUSTID",)]))
            case 11:
                self.do("XAUTOCLAIM", key, group, consumer, 0, "0", "COUNT", chance.randrange(1, 9))
            case 12:
                self.do("XDEL", key, self.some_id(key), self.some_id(key))
            case 13:
                self.do("XTRIM", key, "MAXLEN", chance.choice("=~"), chance.randrange(20, 200))
            case 14:
                self.do("XTRIM", key, "MINID", chance.choice("=~"), self.some_id(key))
            case 15:
                self.do("XADD", key, "MAXLEN", "~", 100, "*", "only", chance.randrange(1000))
            case 16 if chance.random() < 0.3:
                self.do("XGROUP", "DELCONSUMER", key, group, consumer)
            case 17 if chance.random() < 0.1:
                self.do("XGROUP", "DESTROY", key, group)
            case 18 if chance.random() < 0.3:
                self.do("XGROUP", "SETID", key, group, self.some_id(key))
            case 19 if chance.random() < 0.1:
                self.do("DEL", key)
            case 20:
                self.do("XSETID", key, "18446744073709551614-0") if chance.random() < 0.01 else None
            case 21:
                pipe = self.client.pipeline(transaction=True)
                pipe.execute_command("XADD", key, "*", "in", "one", "step", "x" * chance.randrange(200))
                pipe.execute_command("COPY", key, f"copy{chance.randrange(2)}", "REPLACE")
                pipe.execute(raise_on_error=False)
            case _:
                for _ in range(chance.randrange(1, 6)):
                    fields = [f"f{at}" for at in range(chance.randrange(1, 4))]
                    self.do("XADD", key, "*", *sum(([field, chance.choice(["17", "text", "y" * 90])] for field in fields), []))


def mapped(flat):
    return flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2]))


def sight(server):
    """What is equal on primary and replica: entries, and who has which of them. How often and when a consumer was shown an
    entry again, and how many a group has read, are not told to replicas."""
    client = redis.Redis(port=server.port, socket_timeout=10, decode_responses=True)
    client.response_callbacks.clear()
    found = {"digest": client.execute_command("DEBUG", "DIGEST")}
    for key in sorted(client.execute_command("KEYS", "*")):
        stream = mapped(client.execute_command("XINFO", "STREAM", key, "FULL", "COUNT", "0"))
        names = ("length", "last-generated-id", "max-deleted-entry-id", "entries-added", "recorded-first-entry-id", "entries")
        groups = []
        for group in map(mapped, stream["groups"]):
            consumers = [mapped(consumer) for consumer in group["consumers"]]
            groups.append((group["name"], group["last-delivered-id"], [pending[:2] for pending in group["pending"]],
                           [(consumer["name"], [pending[0] for pending in consumer["pending"]]) for consumer in consumers]))
        found[key] = [stream[name] for name in names], groups
    return found


def check(server, other, idle_too=True):
    """The same on both; one part at a time, so that a difference is shown in short. Without `idle_too` consumers that have
    nothing do not count: Valkey does not tell its replicas of one that asked and was given nothing."""
    busy = lambda consumers: [consumer for consumer in consumers if idle_too or consumer[1]]
    found, expected = sight(server), sight(other)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        if key == "digest":
            assert found[key] == value
            continue
        assert found[key][0] == value[0], key
        for one, two in zip(found[key][1], value[1], strict=True):
            assert one[:2] == two[:2], key
            assert one[2] == two[2], (key, one[0])
            assert busy(one[3]) == busy(two[3]), (key, one[0])


def in_step(primary, replica):
    ours, theirs = primary.info("replication"), replica.info("replication")
    return theirs.get("master_link_status") == "up" and ours["master_repl_offset"] == theirs["master_repl_offset"]


@pytest.mark.parametrize("kinds", PAIRS, ids="-".join)
def test_replicated(servers, kinds):
    seed = int(os.environ.get("SEED", random.randrange(10**9)))
    print("seed", seed)
    primary = servers(kinds[0], *OPTIONS)
    client = primary.client()
    client.response_callbacks.clear()
    writer = Writer(client, seed)
    for _ in range(WRITES):
        writer.write()
    replica = servers(kinds[1], *OPTIONS, "--replicaof", "127.0.0.1", primary.port)
    wait_for(lambda: in_step(primary, replica), 30, "the replica has the snapshot")
    check(replica, primary, idle_too=kinds[0] != "valkey")
    for _ in range(WRITES):
        writer.write()
    wait_for(lambda: in_step(primary, replica), 30, "the replica has what came since")
    check(replica, primary, idle_too=kinds[0] != "valkey")


@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_payloads_go_both_ways(servers, kind):
    """What one dumps the other restores, groups and all."""
    ours, theirs = servers("redan", *OPTIONS), servers(kind, *OPTIONS)
    for source, target in ((ours, theirs), (theirs, ours)):
        client = source.client()
        client.response_callbacks.clear()
        client.execute_command("FLUSHALL")
        target.client().flushall()
        writer = Writer(client, 7)
        for _ in range(WRITES // 2):
            writer.write()
        raw = redis.Redis(port=source.port, socket_timeout=10)
        other = redis.Redis(port=target.port, socket_timeout=10)
        # Redis 7.0 does not take what a newer server dumps; the redan in between writes for it.
        for key in raw.keys("*"):
            other.restore(key, 0, raw.dump(key))
        check(target, source)


# A last id below that of an entry that was deleted: Redis 7.0 takes it, Valkey refuses it, from its primary too.
BACK = [("XADD", "s", "5-0", "a", 1), ("XADD", "s", "10-0", "a", 1), ("XDEL", "s", "10-0"), ("XSETID", "s", "8-0")]


@pytest.mark.parametrize("kind,manner,stays_equal", [("redis", (), False), ("redan", (), False),
                                                    ("redan", ("--extended-redis-compatibility", "no"), True)])
def test_a_last_id_that_goes_back_parts_valkey_from_its_primary(servers, kind, manner, stays_equal):
    primary = servers(kind, *OPTIONS, *manner)
    replica = servers("valkey", *OPTIONS, "--replicaof", "127.0.0.1", primary.port)
    wait_for(lambda: in_step(primary, replica), 30, "the replica has the snapshot")
    replies = primary.client().pipeline(transaction=False)
    for words in (*BACK, ("XADD", "s", "9-0", "a", 1), ("XADD", "s", "11-0", "a", 1)):
        replies.execute_command(*words)
    replies.execute(raise_on_error=False)
    wait_for(lambda: in_step(primary, replica), 30, "the replica has what came since")
    one, other = (server.client().execute_command("DEBUG", "DIGEST") for server in (primary, replica))
    assert (one == other) == stays_equal


@pytest.mark.parametrize("preamble", ["yes", "no"])
@pytest.mark.parametrize("first,second", [("redis", "redan"), ("redan", "redan"), ("redan", "redis"), ("redan", "valkey")])
def test_a_last_id_that_went_back_is_kept_in_files(servers, first, second, preamble):
    options = (*OPTIONS, "--appendonly", "yes", "--aof-use-rdb-preamble", preamble)
    one, other = servers(first, *options), servers(second, *options)
    client = one.client()
    for words in BACK:
        client.execute_command(*words)
    client.execute_command("BGREWRITEAOF")
    idle = lambda info: not info["aof_rewrite_in_progress"] and not info["aof_rewrite_scheduled"]
    wait_for(lambda: idle(one.info("persistence")), 30, "the rewrite is done")
    digest = client.execute_command("DEBUG", "DIGEST")
    one.stop()
    other.stop()
    shutil.rmtree(os.path.join(other.dir, "appendonlydir"))
    shutil.copytree(os.path.join(one.dir, "appendonlydir"), os.path.join(other.dir, "appendonlydir"))
    other.start()
    client = other.client()
    assert client.execute_command("DEBUG", "DIGEST") == digest
    assert client.xinfo_stream("s")["last-generated-id"] == "8-0"
