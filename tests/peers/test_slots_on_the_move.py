"""A slot on the move is known to the replicas, and outlives a failover: with redan and Valkey at both ends of the stream."""
import signal
import time

import pytest
import redis
from conftest import wait_for
from mixed import COMMANDS, PATIENCE, Mixed


@pytest.fixture
def mixed(tmp_path):
    started = []

    def start(primaries, replicas):
        for kind in {*primaries, *replicas}:
            if not COMMANDS[kind][0]:
                pytest.skip(f"{kind} is not installed")
        cluster = Mixed(tmp_path / "mixed", primaries, replicas)
        started.append(cluster)
        return cluster

    yield start
    for cluster in started:
        cluster.stop()


def moves(node):
    """The arrows of a node's own line."""
    own = next(line for line in node.nodes_lines() if "myself" in line)
    return sorted(word for word in own.split() if word.startswith("["))


def set_slot(node, *words):
    wait_for(lambda: node.client().execute_command("cluster", "setslot", *words), PATIENCE, f"setslot {words}")


def leads(node):
    """Asks a replica to lead, and waits for a while."""
    deadline = time.time() + 8
    if node.role() != "master":
        node.client().execute_command("cluster", "failover")
    while node.role() != "master" and time.time() < deadline:
        time.sleep(0.05)
    return node.role() == "master"


def a_replica_that_stands_still(source, heir, slot, target):
    """SETSLOT waits for it, and is not done without it."""
    words = ("cluster", "setslot", slot + 3, "migrating", target.id, "timeout")
    before = moves(source)
    heir.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(redis.ResponseError, match="NOREPLICAS Not enough good replicas to write."):
            source.client().execute_command(*words, 200)
    finally:
        heir.process.send_signal(signal.SIGCONT)
    assert moves(source) == before
    assert source.client().execute_command(*words, 0) in ("OK", b"OK", True)
    assert moves(source) == moves(heir) != before
    assert source.client().execute_command("cluster", "setslot", slot + 3, "stable")
    assert moves(source) == moves(heir) == before


@pytest.mark.parametrize("primary, replica, is_told", [
    ("redan", "redan", True), ("redan", "valkey", True), ("valkey", "redan", True), ("redan", "redis", False)])
def test_a_move_is_known_to_the_replicas(mixed, primary, replica, is_told):
    cluster = mixed([primary, "redan", "redan"], [replica])
    source, target, heir = cluster.nodes[0], cluster.nodes[1], cluster.nodes[3]
    slot = cluster.slot(0)
    set_slot(target, slot, "importing", source.id)
    set_slot(source, slot, "migrating", target.id)
    set_slot(source, slot + 1, "migrating", target.id)
    set_slot(source, slot + 1, "stable")
    arrow = f"[{slot}->-{target.id}]"
    assert moves(source) == [arrow]
    expected = [arrow] if is_told else []
    if primary == "redan" and is_told:
        assert moves(heir) == expected, "the answer came when the replica knew"
        a_replica_that_stands_still(source, heir, slot, target)
    wait_for(lambda: moves(heir) == expected, PATIENCE, "the replica knows the moves")
    # The stream goes on: none of it was an error to the replica.
    source.client().execute_command("cluster", "setslot", slot + 2, "stable")
    cluster.wait_whole()
    if primary == "redan":
        # A replica that comes later, or again, is told what no snapshot holds.
        heir.client().execute_command("cluster", "reset", "soft")
        heir.client().execute_command("cluster", "meet", "127.0.0.1", source.port)
        wait_for(lambda: heir.client().execute_command("cluster", "replicate", source.id), PATIENCE, "replicate")
        wait_for(lambda: moves(heir) == expected, PATIENCE, "the replica knows the moves again")
        cluster.wait_whole()
    wait_for(lambda: leads(heir), PATIENCE, "the replica leads")
    cluster.wait_whole()
    assert moves(heir) == expected
    wait_for(lambda: moves(target) == [f"[{slot}-<-{heir.id}]"], PATIENCE, "the import goes over")
