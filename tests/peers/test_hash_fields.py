"""Hashes with fields that expire, between redan and a real Valkey 9."""
import pytest
from conftest import valkey_server, wait_for

pytestmark = pytest.mark.skipif(valkey_server() is None, reason="no valkey-server")

PAIRS = [("valkey", "redan"), ("redan", "valkey"), ("redan", "redan")]
# Far in the future, in milliseconds.
LATER = 4_000_000_000_000


def fields(client, key):
    """The fields of a hash with their values and deadlines."""
    pairs = client.hgetall(key)
    names = sorted(pairs)
    if not names:
        return []
    deadlines = client.execute_command("hpexpiretime", key, "FIELDS", len(names), *names)
    return [(name, pairs[name], deadline) for name, deadline in zip(names, deadlines)]


@pytest.mark.parametrize("leads,follows", PAIRS)
def test_a_full_sync_and_the_stream_carry_deadlines_of_fields(servers, leads, follows):
    primary = servers(leads, "--save", "", "--repl-diskless-sync-delay", "0")
    one = primary.client()
    one.hset("small", mapping={"a": 1, "b": "x", "c": ""})
    one.execute_command("hpexpireat", "small", LATER, "FIELDS", 2, "a", "c")
    one.hset("big", mapping={f"f{index}": index for index in range(600)})
    one.execute_command("hpexpireat", "big", LATER + 1, "FIELDS", 300, *[f"f{index}" for index in range(0, 600, 2)])

    replica = servers(follows, "--replicaof", "127.0.0.1", primary.port)
    two = replica.client()
    wait_for(lambda: two.info("replication")["master_link_status"] == "up", 20, "the link is up")
    assert one.info("stats")["sync_full"] == 1
    for key in ("small", "big"):
        assert fields(two, key) == fields(one, key) != []

    one.execute_command("hsetex", "small", "PXAT", LATER + 2, "FIELDS", 1, "d", "new")
    one.execute_command("hpersist", "small", "FIELDS", 1, "a")
    one.execute_command("hgetex", "small", "PXAT", LATER + 3, "FIELDS", 1, "b")
    one.execute_command("hgetdel", "small", "FIELDS", 1, "c")
    one.hincrby("small", "b2", 5)
    # Past already: the primary removes them, and says so.
    one.execute_command("hpexpireat", "big", 1, "FIELDS", 2, "f0", "f1")
    one.execute_command("hsetex", "gone", "PX", 1, "FIELDS", 1, "f", "v")
    wait_for(lambda: one.exists("gone") == 0, 20, "a field expires, and with it its key")
    one.set("last", 1)
    wait_for(lambda: two.get("last"), 20, "the stream has arrived")
    for key in ("small", "big", "gone"):
        assert fields(two, key) == fields(one, key)
    assert two.exists("gone") == 0
    assert two.info("keyspace")["db0"]["keys_with_volatile_items"] == one.info("keyspace")["db0"]["keys_with_volatile_items"] == 2
