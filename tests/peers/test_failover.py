"""FAILOVER: the role of the primary changes hands, between redan and the real servers in both directions."""
import signal
import threading

import pytest
import redis
from conftest import wait_for

PAIRS = [("redan", "redan"), ("redis", "redan"), ("redan", "redis"), ("valkey", "redan"), ("redan", "valkey")]
OPTIONS = ("--save", "", "--repl-diskless-sync-delay", "0")


def pair(servers, kinds):
    """A primary and its replica, in step."""
    primary, replica = (servers(kind, *OPTIONS) for kind in kinds)
    replica.client().replicaof("127.0.0.1", primary.port)
    wait_for(lambda: replica.info("replication")["master_link_status"] == "up", 20, "the replica is in step")
    wait_for(lambda: primary.info("replication")["slave0"]["state"] == "online", 20, "the replica is online")
    return primary, replica


def state(primary):
    return primary.info("replication")["master_failover_state"]


@pytest.mark.parametrize("kinds", PAIRS, ids="-".join)
def test_failover(servers, kinds):
    primary, replica = pair(servers, kinds)
    one, other = primary.client(), replica.client()
    with pytest.raises(redis.ResponseError, match="is not a replica"):
        one.execute_command("FAILOVER", "TO", "127.0.0.1", 1)
    with pytest.raises(redis.ResponseError, match="No failover in progress"):
        one.execute_command("FAILOVER", "ABORT")
    # A writer that goes on meanwhile loses nothing that was acknowledged.
    done, acknowledged = threading.Event(), []

    def write():
        client = primary.client()
        while not done.is_set():
            try:
                client.set(f"key:{len(acknowledged)}", "x")
            except redis.RedisError:
                return
            acknowledged.append(f"key:{len(acknowledged)}")

    writer = threading.Thread(target=write)
    writer.start()
    wait_for(lambda: len(acknowledged) > 100, 20, "the writer writes")
    assert one.execute_command("FAILOVER", "TO", "127.0.0.1", replica.port, "TIMEOUT", 20000)
    wait_for(lambda: replica.info("replication")["role"] == "master", 30, "the replica leads")
    wait_for(lambda: primary.info("replication")["role"] == "slave", 30, "the primary follows")
    wait_for(lambda: primary.info("replication")["master_link_status"] == "up", 30, "the primary is in step")
    wait_for(lambda: primary.info("replication")["master_failover_state"] == "no-failover", 30, "it is over")
    done.set()
    writer.join(20)
    assert not writer.is_alive()
    missing = [key for key in acknowledged if not other.exists(key)]
    assert missing == []
    assert other.info("stats")["sync_partial_ok"] >= 1
    other.set("after", "1")
    wait_for(lambda: one.get("after") == "1", 20, "the stream flows the other way")


def test_a_replica_that_never_is_in_step(servers):
    primary, replica = pair(servers, ("redan", "redan"))
    one = primary.client()
    replica.process.send_signal(signal.SIGSTOP)
    try:
        one.set("a", "1")
        one.execute_command("FAILOVER", "TO", "127.0.0.1", replica.port, "TIMEOUT", 300)
        wait_for(lambda: state(primary) == "no-failover", 20, "it gives up")
        assert primary.info("replication")["role"] == "master"
        one.set("a", "2")
        one.execute_command("FAILOVER")
        assert state(primary) == "waiting-for-sync"
        one.execute_command("FAILOVER", "ABORT")
        assert state(primary) == "no-failover"
        one.set("a", "3")
    finally:
        replica.process.send_signal(signal.SIGCONT)
