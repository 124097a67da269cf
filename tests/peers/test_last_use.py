"""When and how often keys were used goes with the data: through files and full synchronisations, to and from the originals."""
import os
import shutil

import pytest
from conftest import wait_for

COUNTS, IDLES = {"often": 200, "rarely": 3}, {"lately": 5, "long ago": 100_000}
BASIC = ("--save", "", "--lfu-decay-time", "0", "--repl-diskless-sync-delay", "0", "--enable-debug-command", "yes")
KINDS = ["redan", "redis", "valkey"]


def policy(name):
    return ("--maxmemory-policy", f"allkeys-{name}", "--maxmemory", "1gb")


def fill(server, name):
    """Keys of some types, large ones among them, with uses set by RESTORE."""
    client = server.client()
    client.rpush("list", *range(3000))
    client.hset("hash", mapping={f"field{index}": "x" * 20 for index in range(3000)})
    client.set("string", "value")
    raw = server.client(decode_responses=False)
    for kind in ("list", "hash", "string"):
        payload = raw.dump(kind)
        for uses, count in (COUNTS if name == "lfu" else IDLES).items():
            word = "FREQ" if name == "lfu" else "IDLETIME"
            deadline = 4_000_000_000_000 if kind == "string" else 0
            raw.execute_command("RESTORE", f"{kind}:{uses}", deadline, payload, "ABSTTL", word, count)


def check(server, name):
    client = server.client()
    for kind in ("list", "hash", "string"):
        for uses, count in (COUNTS if name == "lfu" else IDLES).items():
            found = client.object("freq" if name == "lfu" else "idletime", f"{kind}:{uses}")
            assert (found == count if name == "lfu" else count <= found < count + 60), (kind, uses, found)
        assert (client.pttl(f"{kind}:{uses}") > 0) == (kind == "string")


def move(one, other, name):
    one.stop()
    other.stop()
    source, target = os.path.join(one.dir, name), os.path.join(other.dir, name)
    shutil.rmtree(target, ignore_errors=True)
    (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, target)
    other.start()


@pytest.mark.parametrize("name", ["lfu", "lru"])
@pytest.mark.parametrize("kind", KINDS)
def test_uses_go_there_and_back(servers, kind, name):
    ours, theirs = (servers(which, *BASIC, *policy(name)) for which in ("redan", kind))
    fill(ours, name)
    ours.client().save()
    move(ours, theirs, "dump.rdb")
    check(theirs, name)
    # Over the wire, and into a log.
    ours.start()
    ours.client().flushall()
    ours.client().config_set("appendonly", "yes")
    ours.client().replicaof("127.0.0.1", theirs.port)
    wait_for(lambda: ours.info("replication")["master_link_status"] == "up", 20, "in step")
    check(ours, name)
    wait_for(lambda: not ours.info("persistence")["aof_rewrite_in_progress"], 20, "the log stands")
    ours.stop()
    ours.start("--appendonly", "yes")
    check(ours, name)


def test_a_start_is_no_reason_to_be_forgotten(servers):
    """Without a policy nothing is written, and keys are as new as the start."""
    server = servers("redan", *BASIC)
    server.client().set("key", 1)
    server.client().save()
    with open(os.path.join(server.dir, "dump.rdb"), "rb") as file:
        plain = len(file.read())
    for name, option in (("lru", "idletime"), ("lfu", "freq")):
        server.stop()
        server.start(*policy(name))
        assert server.client().object(option, "key") in ((0, 1, 2) if name == "lru" else (5,))
        server.client().save()
        with open(os.path.join(server.dir, "dump.rdb"), "rb") as file:
            assert len(file.read()) == plain + 2
        assert server.client().object(option, "key") is not None
