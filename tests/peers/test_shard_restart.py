"""A shard of a cluster whose two nodes both end, at once or one after the other, and both come back with their append-only
files: what was acknowledged is there, and the role changes hands only where the other node has more.

Environment: SHARD_ROUNDS, how many ends for each (50 for the long run); CRASH_SEED.
"""
import os
import random
import re
import time

import pytest
from conftest import wait_for
from exchange import Conn
from prefix import Writer

ROUNDS = int(os.environ.get("SHARD_ROUNDS", "1"))
SEED = int(os.environ.get("CRASH_SEED", "1"))
WRITERS = 3
CASES = [("busy", "always"), ("idle", "everysec"), ("busy", "everysec"), ("idle", "always")][:2 if ROUNDS == 1 else 4]
OPTIONS = ("--cluster-enabled", "yes", "--cluster-node-timeout", "15000", "--repl-diskless-sync-delay", "0",
           "--save", "", "--appendonly", "yes", "--cluster-replica-validity-factor", "0")


def field(port, section, name):
    text = Conn(port).value("INFO", section).decode()
    return next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith(name + ":")), None)


def in_step(primary, replica):
    return (field(replica.port, "replication", "master_link_status") == "up"
            and field(primary.port, "replication", "master_repl_offset") == field(replica.port, "replication", "slave_repl_offset"))


def shard(servers, fsync):
    """A cluster of one primary with all slots, and its replica."""
    primary, replica = (servers("redan", *OPTIONS, "--appendfsync", fsync) for _ in range(2))
    assert Conn(primary.port).value("CLUSTER", "ADDSLOTSRANGE", 0, 16383) == b"OK"
    assert Conn(replica.port).value("CLUSTER", "MEET", "127.0.0.1", primary.port) == b"OK"
    name = Conn(primary.port).value("CLUSTER", "MYID")
    wait_for(lambda: Conn(replica.port).value("CLUSTER", "REPLICATE", name) == b"OK", 20, "it follows")
    wait_for(lambda: in_step(primary, replica), 20, "in step")
    return primary, replica


LACKS = re.compile(r"\(data offset (\d+) there, (\d+) here\): handing over")


def role(server):
    return field(server.port, "replication", "role")


def log_of(server):
    with open(os.path.join(server.dir, "log"), errors="replace") as log:
        return log.read()


def serves(port):
    return Conn(port).ask("SET", "probe", "1")[0] == b"+OK\r\n"


@pytest.mark.parametrize("how,fsync", CASES)
def test_both_come_back(servers, fsync, how):
    chance = random.Random(f"{SEED}:{fsync}:{how}")
    primary, replica = shard(servers, fsync)
    # Each writer's keys are in one slot.
    writers = [Writer(f"{{{index}}}", SEED) for index in range(WRITERS)]
    handed = 0
    for round_ in range(ROUNDS):
        for writer in writers:
            writer.start(primary.port)
        before = [writer.done for writer in writers]
        wait_for(lambda: all(writer.done > done for writer, done in zip(writers, before)), 30, "all write")
        for server in (primary, replica):
            if chance.random() < 0.4:
                Conn(server.port).value("BGREWRITEAOF")
            Conn(server.port).value("CONFIG", "SET", "repl-ping-replica-period", chance.choice((1, 10)))
        for index in range(20):
            Conn(primary.port).value("SET", f"short:{index}", "1", "PX", chance.randrange(1, 1500))
        time.sleep(chance.uniform(0, 0.3))
        if how == "idle":
            # All are silent before the end.
            for writer in writers:
                writer.refused = b"enough"
            for writer in writers:
                writer.join()
            wait_for(lambda: in_step(primary, replica), 20, "in step")
            time.sleep(chance.uniform(0, 0.1))
        both = [primary, replica]
        chance.shuffle(both)
        for server in both:
            server.kill() if chance.random() < 0.7 or how == "busy" else server.stop()
        for writer in writers:
            writer.join()
        chance.shuffle(both)
        for server in both:
            server.start()
        leader = wait_for(lambda: next((server for server in both if role(server) == "master" and serves(server.port)), None),
                          60, "somebody serves")
        if leader is replica:
            handed += 1
            there, here = map(int, LACKS.findall(log_of(primary))[-1])
            print(f"{how} {fsync}, round {round_}: {there} there, {here} here")
            assert there > here > 0
            primary, replica = replica, primary
        wait_for(lambda: in_step(primary, replica), 60, "in step")
        for writer in writers:
            writer.check(primary.port)
    print(f"{how} {fsync}: {ROUNDS} rounds, {handed} handed over")
    if how == "idle":
        assert handed == 0
