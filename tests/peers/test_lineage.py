"""Who goes on where after a restart, and who is not overwritten. With real Redis 7.0 and Valkey in each role."""
import os
import time

import pytest
from conftest import wait_for

PAIRS = [("redan", "redan"), ("redis", "redan"), ("redan", "valkey")]
# No PING: with it a replica is a little ahead of the file that its primary has saved.
USUAL = ("--save", "3600 1000000", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "3600")


def link_is_up(server):
    return server.info("replication")["master_link_status"] == "up"


def in_step(primary, replica):
    return link_is_up(replica) and (primary.info("replication")["master_repl_offset"]
                                    == replica.info("replication")["slave_repl_offset"])


def pair(servers, leads, follows, *options):
    """A primary with 100 keys, and its replica."""
    primary = servers(leads, *USUAL, *options)
    for index in range(100):
        primary.client().set(f"key{index}", index)
    replica = servers(follows, *USUAL, "--replicaof", f"127.0.0.1 {primary.port}")
    wait_for(lambda: in_step(primary, replica), 15, "in step")
    primary.client().set("late", 1)
    wait_for(lambda: in_step(primary, replica), 15, "in step")
    return primary, replica


def lose_the_data(server):
    server.kill()
    try:
        os.remove(os.path.join(server.dir, "dump.rdb"))
    except FileNotFoundError:
        pass


def refusal(replica):
    return wait_for(lambda: replica.info("replication").get("master_full_sync_refused"), 15, "refused")


@pytest.mark.parametrize("leads,follows", PAIRS)
def test_whoever_restarts_goes_on_with_what_it_has(servers, leads, follows):
    primary, replica = pair(servers, leads, follows)
    primary.stop()
    primary.start()
    wait_for(lambda: in_step(primary, replica), 15, "in step after the primary's restart")
    stats = primary.info("stats")
    assert (stats["sync_full"], stats["sync_partial_ok"]) == (0, 1)
    primary.client().set("more", 2)
    wait_for(lambda: in_step(primary, replica), 15, "in step")
    replica.stop()
    primary.client().set("more", 3)
    replica.start()
    wait_for(lambda: in_step(primary, replica), 15, "in step after the replica's restart")
    stats = primary.info("stats")
    assert (stats["sync_full"], stats["sync_partial_ok"]) == (0, 2)
    assert replica.client().dbsize() == 102 and replica.client().get("more") == "3"


@pytest.mark.parametrize("first,middle,last", [("redis", "redan", "valkey"), ("redan", "valkey", "redan")])
def test_a_chain_follows_a_promotion_without_a_full_sync(servers, first, middle, last):
    primary, replica = pair(servers, first, middle)
    sub = servers(last, *USUAL, "--replicaof", f"127.0.0.1 {replica.port}")
    wait_for(lambda: in_step(replica, sub), 15, "the chain stands")
    fulls = replica.info("stats")["sync_full"]
    replica.client().execute_command("replicaof", "no", "one")
    replica.client().set("new", 1)
    primary.client().execute_command("replicaof", "127.0.0.1", str(replica.port))
    wait_for(lambda: in_step(replica, sub) and in_step(replica, primary), 15, "all follow")
    assert replica.info("stats")["sync_full"] == fulls
    assert sub.client().get("new") == primary.client().get("new") == "1"
    assert sub.info("replication")["master_replid"] == replica.info("replication")["master_replid"]


@pytest.mark.parametrize("leads", ["redan", "redis"])
def test_a_primary_that_comes_back_empty_wipes_nobody(servers, leads):
    primary, replica = pair(servers, leads, "redan")
    lose_the_data(primary)
    primary.start()
    assert refusal(replica) == "primary-is-empty"
    primary.client().set("other", 1)
    time.sleep(1.5)
    assert replica.client().dbsize() == 101
    assert replica.info("replication")["master_link_status"] == "down"
    assert primary.info("stats")["sync_full"] == 0
    with open(os.path.join(replica.dir, "log")) as log:
        assert "FULL SYNCHRONIZATION REFUSED: the primary came back without its data" in log.read()
    # The operator knows better.
    assert replica.client().execute_command("replicaof", "full", "sync")
    wait_for(lambda: in_step(primary, replica), 15, "the primary's data is taken")
    assert replica.client().keys() == ["other"]
    assert "master_full_sync_refused" not in replica.info("replication")


@pytest.mark.parametrize("leads", ["redan", "valkey"])
def test_a_primary_that_comes_back_with_an_old_file_wipes_nobody(servers, leads):
    primary, replica = pair(servers, leads, "redan")
    primary.client().save()
    primary.client().set("newest", 1)
    wait_for(lambda: in_step(primary, replica), 15, "in step")
    primary.kill()
    # The replica comes back as well, and still knows.
    replica.client().save()
    replica.kill()
    primary.start()
    replica.start()
    assert refusal(replica) == "primary-is-older"
    assert (replica.client().get("newest"), primary.client().get("newest")) == ("1", None)
    # It leads, and nothing is lost.
    replica.client().execute_command("replicaof", "no", "one")
    primary.client().execute_command("replicaof", "127.0.0.1", str(replica.port))
    wait_for(lambda: in_step(replica, primary), 15, "the other way round")
    assert primary.client().get("newest") == "1"


def test_what_nobody_can_doubt_is_as_ever(servers):
    """A primary with a log of its own, another primary, and no guard."""
    primary, replica = pair(servers, "redis", "redan", "--appendonly", "yes", "--appendfsync", "always")
    lose_the_data(primary)
    primary.start()
    wait_for(lambda: link_is_up(replica), 15, "the log holds all")
    assert replica.client().dbsize() == 101
    other = servers("redis", *USUAL)
    replica.client().execute_command("replicaof", "127.0.0.1", str(other.port))
    wait_for(lambda: link_is_up(replica), 15, "another primary is another order")
    assert replica.client().dbsize() == 0
    other.client().set("key", 1)
    wait_for(lambda: in_step(other, replica), 15, "in step")
    replica.client().config_set("replica-full-sync-guard", "no")
    lose_the_data(other)
    other.start()
    wait_for(lambda: link_is_up(replica) and replica.client().dbsize() == 0, 15, "the guard is off")


def test_full_syncs_wait_at_the_gate(servers):
    primary = servers("redan", *USUAL, "--repl-full-syncs-max", "1")
    pipe = primary.client().pipeline()
    for index in range(20_000):
        pipe.set(f"key{index}", "x" * 100)
    pipe.execute()
    replicas = [servers(kind, *USUAL, "--replicaof", f"127.0.0.1 {primary.port}")
                for kind in ("redan", "redis", "redan")]
    most = 0

    def all_are_up():
        nonlocal most
        links = primary.info("replication")
        states = [links[name]["state"] for name in links if name.startswith("slave") and name != "slaves"]
        most = max(most, states.count("send_bulk"))
        return len(states) == 3 and all(in_step(primary, replica) for replica in replicas)
    wait_for(all_are_up, 30, "all are in step")
    assert most <= 1
    assert primary.info("stats")["sync_full"] == 3


@pytest.mark.parametrize("load,leads", [("disabled", "redis"), ("swapdb", "valkey")])
def test_a_primary_that_dies_on_the_way_costs_nothing(servers, load, leads):
    slow = ("--rdb-key-save-delay", "20000") if leads != "redan" else ()
    primary = servers(leads, "--repl-diskless-sync-delay", "0", "--save", "", *slow)
    primary.client().mset({f"key{index}": "x" * 20_000 for index in range(300)})
    replica = servers("redan", "--save", "", "--repl-diskless-load", load)
    replica.client().mset({f"own{index}": index for index in range(10)})
    replica.client().replicaof("127.0.0.1", primary.port)
    if slow:
        wait_for(lambda: replica.info("replication")["master_sync_in_progress"]
                 and replica.info("replication")["master_sync_read_bytes"] > 0, 15, "it receives")
        if load == "swapdb":
            wait_for(lambda: replica.info("persistence")["loading"], 15, "it loads")
        primary.kill()
        wait_for(lambda: not replica.info("replication")["master_sync_in_progress"], 15, "the end of it")
        assert replica.client().dbsize() == 10 and replica.client().get("own3") == "3"
        assert not replica.info("persistence")["loading"]
        primary.options = [option for option in primary.options if option not in slow]
        primary.start()
        primary.client().set("key", 1)
    wait_for(lambda: in_step(primary, replica), 15, "in step")
    assert replica.client().dbsize() == primary.client().dbsize()
    assert not [name for name in os.listdir(replica.dir) if name.startswith("temp-sync")]


def test_the_file_of_the_configuration_keeps_the_primary(servers, tmp_path):
    primary = servers("redis", *USUAL)
    config = tmp_path / "replica.conf"
    config.write_text("save 3600 1000000\n")
    replica = servers("redan")
    replica.stop()
    replica.command = [*replica.command, str(config)]
    replica.start()
    replica.client().replicaof("127.0.0.1", primary.port)
    wait_for(lambda: in_step(primary, replica), 15, "in step")
    address = f"127.0.0.1 {primary.port}"
    assert replica.client().config_get("replicaof") == {"replicaof": address}
    replica.client().config_rewrite()
    assert f"replicaof {address}\n" in config.read_text()
    replica.client().execute_command("replicaof", "no", "one")
    replica.client().config_rewrite()
    assert "replicaof" not in config.read_text()


def with_log(servers, *options):
    """As `pair`, with append-only files on both."""
    return pair(servers, "redan", "redan", "--appendonly", "yes", *options)


def log_files(server):
    folder = os.path.join(server.dir, "appendonlydir")
    return {name: os.path.join(folder, name) for name in os.listdir(folder)}


def is_kept(primary, replica):
    """The replica's data stays what it was, and the way out is open."""
    time.sleep(1.5)
    assert replica.client().dbsize() == 103 and replica.client().get("newest") == "1"
    assert primary.info("stats")["sync_full"] == 0
    replica.client().execute_command("replicaof", "no", "one")
    primary.client().execute_command("replicaof", "127.0.0.1", str(replica.port))
    wait_for(lambda: in_step(replica, primary), 15, "the other way round")
    assert primary.client().get("newest") == "1" and primary.client().dbsize() == 103


@pytest.mark.parametrize("state", ["empty", "older", "torn"])
def test_a_log_that_lacks_something_wipes_nobody(servers, state):
    primary, replica = with_log(servers)
    client = primary.client()
    # A base of this moment, and what comes behind it.
    client.bgrewriteaof()
    wait_for(lambda: not primary.info("persistence")["aof_rewrite_in_progress"], 15, "the rewrite is done")
    client.set("late", 2)
    wait_for(lambda: in_step(primary, replica), 15, "in step")
    old = {name: open(path, "rb").read() for name, path in log_files(primary).items()}
    # Two commands of one append.
    pipe = client.pipeline(transaction=False)
    pipe.set("newest", 1).set("behind it", 1).execute()
    wait_for(lambda: in_step(primary, replica), 15, "in step")
    primary.kill()
    files = log_files(primary)
    for name, path in files.items():
        if state == "empty":
            os.remove(path)
        elif state == "older":
            open(path, "wb").write(old[name])
        elif name.endswith("incr.aof"):
            # Within the last command: the one before it has no mark behind it.
            data = open(path, "rb").read()
            os.truncate(path, data.rindex(b"behind it") + 3)
    primary.start()
    if state == "empty":
        primary.client().set("other", 1)
    assert refusal(replica) == ("primary-is-empty" if state == "empty" else "primary-is-older")
    is_kept(primary, replica)


def test_a_torn_log_of_a_replica_still_knows_whom_it_came_from(servers):
    primary, _ = pair(servers, "redan", "redan")
    replica = servers("redan", *USUAL, "--appendonly", "yes", "--replicaof", f"127.0.0.1 {primary.port}")
    wait_for(lambda: in_step(primary, replica), 15, "in step")
    # Its log begins with what it got.
    wait_for(lambda: not replica.info("persistence")["aof_rewrite_in_progress"], 15, "the log stands")
    primary.client().set("newest", 1)
    wait_for(lambda: in_step(primary, replica), 15, "in step")
    wait_for(lambda: any(b"newest" in open(path, "rb").read() for path in log_files(replica).values()), 15, "it is filed")
    replica.kill()
    path = next(path for name, path in log_files(replica).items() if name.endswith("incr.aof"))
    data = open(path, "rb").read()
    os.truncate(path, data.rindex(b"newest") + 3)
    lose_the_data(primary)
    primary.start()
    replica.start()
    assert refusal(replica) == "primary-is-empty"
    assert replica.client().dbsize() == 101
