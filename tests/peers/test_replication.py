"""Replication with real Redis 7.0 and Valkey in each role."""
import random
import socket
import threading
import time

import pytest
from conftest import free_ports, wait_for

PAIRS = [("redan", "redan"), ("redis", "redan"), ("redan", "redis"), ("valkey", "redan"), ("redan", "valkey")]
NO_DELAY = ("--repl-diskless-sync-delay", "0")


def digest(client):
    """All data of database 0 and 9, with deadlines."""
    found = {}
    for database in (0, 9):
        client.execute_command("select", database)
        keys, pipe = sorted(client.keys("*")), client.pipeline(transaction=False)
        for key in keys:
            pipe.type(key)
        kinds = pipe.execute()
        for key, kind in zip(keys, kinds):
            (pipe.get if kind == "string" else pipe.hgetall)(key)
            pipe.expiretime(key)
        replies = pipe.execute(raise_on_error=False)
        for index, (key, kind) in enumerate(zip(keys, kinds)):
            found[database, key] = kind, replies[2 * index], replies[2 * index + 1]
    return found


def write(client, count, seed):
    """Writes strings, hashes and deadlines, deletes some."""
    chance = random.Random(seed)
    for index in range(count):
        client.execute_command("select", chance.choice([0, 9]))
        key = f"k{chance.randrange(500)}"
        match chance.randrange(9):
            case 0 | 1 | 2:
                client.set(key, "x" * chance.randrange(200))
            case 3:
                client.set(key, chance.randrange(10**12), px=chance.randrange(20, 100_000))
            case 4:
                client.delete(key)
            case 5 | 6:
                if client.type(key) not in ("hash", "none"):
                    client.delete(key)
                pipe = client.pipeline(transaction=False)
                for _ in range(chance.randrange(1, 40)):
                    pipe.hset(key, f"f{chance.randrange(300)}", "y" * chance.randrange(90))
                pipe.execute()
            case 7:
                client.pexpire(key, chance.randrange(1, 100_000))
            case 8:
                pipe = client.pipeline(transaction=True)
                pipe.set(f"{key}:a", index).incr(f"{key}:n")
                pipe.execute()


class Cut:
    """A forwarder whose connections can be cut."""

    def __init__(self, target):
        self.target, self.port, self.pairs = target, free_ports(1), []
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.target))
            self.pairs.append((near, far))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self.copy, args=(one, other), daemon=True).start()

    @staticmethod
    def copy(one, other):
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        for pair in self.pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.pairs.clear()


def equal_data(primary, replica):
    """Waits until both hold the same; else shows what differs."""
    def difference():
        # What expires while we read is no difference.
        soon = time.time() + 15
        ours, theirs = (
            {key: entry for key, entry in digest(server.client()).items() if entry[2] == -1 or entry[2] > soon}
            for server in (primary, replica))
        return {key: (ours.get(key), theirs.get(key)) for key in ours.keys() | theirs.keys()
                if ours.get(key) != theirs.get(key)}
    try:
        wait_for(lambda: not difference(), 10, "equal data")
    except AssertionError:
        assert difference() == {}


def in_step(primary, replica):
    ours, theirs = primary.info("replication"), replica.info("replication")
    return (theirs["master_link_status"] == "up"
            and ours["master_repl_offset"] == theirs["slave_repl_offset"] == theirs["master_repl_offset"])


@pytest.mark.parametrize("leads,follows", PAIRS)
def test_full_sync_stream_and_partial_resync(servers, leads, follows):
    primary = servers(leads, "--save", "", "--repl-diskless-sync", "yes", *NO_DELAY)
    replica = servers(follows, "--save", "")
    client = primary.client()
    write(client, 2000, 1)
    client.execute_command("select", 0)
    client.hset("big", mapping={f"field{index}": "v" * 100 for index in range(2000)})
    link = Cut(primary.port)
    replica.client().replicaof("127.0.0.1", link.port)
    writer = threading.Thread(target=write, args=(primary.client(), 1500, 2))
    writer.start()
    wait_for(lambda: replica.info("replication")["master_link_status"] == "up", 60, "the first synchronisation")
    writer.join()
    wait_for(lambda: in_step(primary, replica), 60, "offsets are equal")
    full_before = primary.info("stats")["sync_full"]
    for round_ in range(3):
        writer = threading.Thread(target=write, args=(primary.client(), 600, 10 + round_))
        writer.start()
        time.sleep(0.05)
        link.cut()
        writer.join()
        wait_for(lambda: in_step(primary, replica), 60, "in step after the cut")
    stats = primary.info("stats")
    assert stats["sync_full"] == full_before, "a cut link is resumed, not synchronised from nothing"
    assert stats["sync_partial_ok"] >= 3
    equal_data(primary, replica)
    # A ping may be on its way.
    wait_for(lambda: in_step(primary, replica), 60, "in step")


@pytest.mark.parametrize("leads,follows", [("redan", "redan"), ("redan", "redis"), ("redis", "redan")])
def test_wait_counts_replicas(servers, leads, follows):
    primary = servers(leads, "--save", "", *NO_DELAY)
    replica = servers(follows, "--save", "")
    replica.client().replicaof("127.0.0.1", primary.port)
    wait_for(lambda: replica.info("replication")["master_link_status"] == "up", 15, "link")
    client = primary.client()
    client.set("a", 1)
    assert client.wait(1, 2000) == 1
    client.set("a", 2)
    started = time.time()
    assert client.wait(2, 200) == 1
    assert 0.15 < time.time() - started < 1


def test_a_promoted_replica_is_followed_without_full_sync(servers):
    first = servers("redan", "--save", "", *NO_DELAY)
    second, third = servers("redan", "--save", "", *NO_DELAY), servers("redan", "--save", "", *NO_DELAY)
    for replica in (second, third):
        replica.client().replicaof("127.0.0.1", first.port)
    for replica in (second, third):
        wait_for(lambda: replica.info("replication")["master_link_status"] == "up", 15, "link")
    write(first.client(), 300, 5)
    wait_for(lambda: in_step(first, second) and in_step(first, third), 10, "in step")
    second.client().replicaof("no", "one")
    third.client().replicaof("127.0.0.1", second.port)
    wait_for(lambda: in_step(second, third), 15, "the other replica follows")
    assert second.info("stats")["sync_full"] == 0
    write(second.client(), 100, 6)
    wait_for(lambda: in_step(second, third), 10, "in step")
    equal_data(second, third)


def test_what_redan_does_not_have_ends_replication_loudly(servers):
    # A renamed command goes down the stream under its new name.
    primary = servers("redis", "--save", "", "--rename-command", "append", "annex", *NO_DELAY)
    replica = servers("redan", "--save", "")
    client = primary.client()
    client.set("kept", 1)
    replica.client().replicaof("127.0.0.1", primary.port)
    wait_for(lambda: in_step(primary, replica), 60, "link")
    client.execute_command("annex", "kept", 2)
    wait_for(lambda: replica.info("replication")["master_link_status"] == "down", 10, "the link ends")
    time.sleep(0.5)
    with open(replica.dir + "/log") as log:
        text = log.read().lower()
    assert "annex" in text
    assert replica.info("replication")["master_link_status"] == "down"
    assert replica.client().get("kept") in ("1", b"1")


@pytest.mark.parametrize("writer,reader", [("redan", "redis"), ("redis", "redan"), ("redan", "valkey"), ("redan", "redan")])
def test_dump_files_move_between_servers(servers, writer, reader):
    import shutil
    one = servers(writer, "--save", "")
    write(one.client(), 1500, 3)
    one.client().execute_command("select", 0)
    one.client().hset("big", mapping={f"field{index}": "v" * 100 for index in range(1000)})
    one.client().persist("big")
    one.client().save()
    expected = digest(one.client())
    two = servers(reader, "--save", "")
    two.stop()
    shutil.copy(one.dir + "/dump.rdb", two.dir + "/dump.rdb")
    two.start()
    found = digest(two.client())
    # What expires while we read is no difference.
    now = time.time()
    living = {key: entry for key, entry in expected.items() if entry[2] in (-1,) or entry[2] > now + 1}
    assert {key: found.get(key) for key in living} == living


@pytest.mark.parametrize("leads", ["redan", "redis"])
def test_an_operator_kills_the_link_to_the_primary(servers, leads):
    primary, replica = servers(leads, "--save", "", *NO_DELAY), servers("redan", "--save", "")
    client = replica.client()
    client.replicaof("127.0.0.1", primary.port)
    wait_for(lambda: in_step(primary, replica), 60, "in step")
    remote = f"127.0.0.1:{primary.port}"
    for words, answer in ((remote,), "OK"), (("addr", remote), 1), (("type", "master"), 1):
        before = primary.info("stats")["sync_partial_ok"]
        assert client.execute_command("client", "kill", *words) == answer
        wait_for(lambda: primary.info("stats")["sync_partial_ok"] == before + 1, 30, "the link is made anew")
        wait_for(lambda: in_step(primary, replica), 60, "in step again")
    assert client.execute_command("client", "kill", "addr", "127.0.0.1:1") == 0
    assert primary.info("stats")["sync_full"] == 1
