"""Redan nodes and real ones in one cluster: failovers of every kind, to redan and back.

MIXED_ROUNDS=10 is the long run; CI makes one round of each.
"""
import os
import time

import pytest
from conftest import wait_for
from mixed import COMMANDS, PATIENCE, Load, Mixed

ROUNDS = int(os.environ.get("MIXED_ROUNDS", "1"))


@pytest.fixture
def mixed(tmp_path):
    started = []

    def start(primaries, replicas):
        for kind in {*primaries, *replicas}:
            if not COMMANDS[kind][0]:
                pytest.skip(f"{kind} is not installed")
        cluster = Mixed(tmp_path / f"mixed{len(started)}", primaries, replicas)
        started.append(cluster)
        return cluster

    yield start
    for cluster in started:
        cluster.stop()


class Figures:
    """What was measured."""

    def __init__(self):
        self.gaps, self.wholes, self.full, self.partial, self.writes, self.lost = {}, [], 0, 0, 0, 0

    def __str__(self):
        gaps = ", ".join(
            f"{kind} {len(all_)}x median {sorted(all_)[len(all_) // 2]:.2f} max {max(all_):.2f} s"
            for kind, all_ in self.gaps.items())
        return (f"{self.writes} acknowledged writes, {self.lost} lost; gaps: {gaps}; one view again after at most "
                f"{max(self.wholes):.1f} s; after manual failovers {self.partial} partial and {self.full} full resyncs")


def settle(cluster, shard, load, figures, kind, moment):
    """After a failover: the load goes on, all agree, nothing is lost, the real tool is content."""
    load.wait_written()
    figures.gaps.setdefault(kind, []).append(load.gap_after(moment))
    figures.wholes.append(cluster.wait_whole())
    cluster.check()
    load.pause()
    cluster.equal_offsets(shard)
    for node in cluster.shard(shard):
        lost = load.lost(node) if node.role() == "master" else []
        figures.lost += len(lost)
        assert not lost, f"{kind}: {len(lost)} of {load.count()} acknowledged writes are lost on {node}: {lost[:5]}"
        keys = {node.client().dbsize() for node in cluster.shard(shard)}
        assert len(keys) == 1, f"{kind}: {keys}"
    load.resume()


def automatic(cluster, shard, load, figures):
    """The primary is killed, its replica leads, it comes back and follows."""
    old, new = cluster.primary(shard), cluster.replicas(shard)[0]
    cluster.rest(new)
    load.wait_written()
    if old.kind != "redan":
        # The originals answer the client before the replica has the write: only equal offsets promise anything.
        load.pause()
        cluster.equal_offsets(shard)
    moment = time.time()
    old.kill()
    load.resume()
    wait_for(lambda: cluster.primary(shard), PATIENCE, "a replica leads")
    load.wait_written()
    old.start()
    settle(cluster, shard, load, figures, f"killed {old.kind}", moment)
    assert old.role() == "slave"


def manual(cluster, shard, load, figures, how=()):
    """The replica takes over when it is told to; the old primary goes on as a replica without a full resync."""
    old, new = cluster.primary(shard), cluster.replicas(shard)[0]
    cluster.rest(new)
    load.wait_written()
    if how:
        # FORCE and TAKEOVER do not wait for the primary's last writes.
        load.pause()
        cluster.equal_offsets(shard)
    before, moment = new.syncs(), time.time()
    new.client().execute_command("cluster", "failover", *how)
    wait_for(lambda: new.role() == "master", PATIENCE, f"{new} leads")
    if how:
        # Until the old primary has heard of it, it acknowledges writes that the new one never sees.
        wait_for(lambda: old.role() == "slave", PATIENCE, f"{old} follows")
    load.resume()
    settle(cluster, shard, load, figures, f"{' '.join(how) or 'asked'} {old.kind}->{new.kind}", moment)
    assert new.role() == "master" and old.role() == "slave"
    full, partial = (after - earlier for earlier, after in zip(before, new.syncs()))
    figures.full, figures.partial = figures.full + full, figures.partial + partial
    assert full == 0, f"{how}: {old} was synchronised from nothing by {new}"


def forced(cluster, shard, load, figures):
    manual(cluster, shard, load, figures, ("force",))


def taken(cluster, shard, load, figures):
    manual(cluster, shard, load, figures, ("takeover",))


@pytest.mark.parametrize("replicas", ["redan", "real"])
@pytest.mark.parametrize("real", ["valkey", "redis"])
def test_failover_to_redan_and_back(mixed, real, replicas):
    kinds = (real, "redan") if replicas == "redan" else ("redan", real)
    cluster = mixed([kinds[0]] * 3, [kinds[1]] * 3)
    cluster.check()
    figures = Figures()
    for round_ in range(ROUNDS):
        for index, step in enumerate((automatic, manual, forced, taken)):
            shard = (round_ + index) % 3
            load = Load(cluster, shard, f"{round_}:{index}")
            try:
                for _ in ("there", "and back"):
                    step(cluster, shard, load, figures)
            finally:
                load.stop()
            figures.writes += load.count()
    print(f"\n{kinds[0]} primaries, {kinds[1]} replicas, {ROUNDS} rounds: {figures}")


@pytest.mark.parametrize("real", ["valkey", "redis"])
def test_a_primary_back_without_data_makes_a_real_replica_lead(mixed, real):
    cluster = mixed(["redan"] * 3, [real] * 3)
    old, load = cluster.primary(0), Load(cluster, 0)
    try:
        load.wait_written()
        load.pause()
        cluster.equal_offsets(0)
        moment = time.time()
        # Back long before anybody misses it, and empty: there are no save points.
        old.kill()
        old.start()
        load.resume()
        load.wait_written()
        gap = load.gap_after(moment)
        cluster.wait_whole()
        cluster.check()
        load.pause()
        cluster.equal_offsets(0)
        assert old.role() == "slave"
        for node in cluster.shard(0):
            if node.role() == "master":
                assert not load.lost(node)
        print(f"\n{real} replica: {load.count()} writes, none lost, {gap:.2f} s without a write")
    finally:
        load.stop()
