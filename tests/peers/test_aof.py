"""The append-only file beside Redis 7.0.15 and Valkey 9.1: a directory goes from one to the other and back, nothing that
was acknowledged is lost to a kill, and files that end early or make no sense are treated as theirs.

Environment: AOF_ROUNDS, how many kills.
"""
import os
import random
import re
import shutil
import subprocess
import threading
import time

import pytest
import redis
from conftest import REDAN, Server, wait_for
from redis.backoff import NoBackoff
from redis.retry import Retry

ROUNDS = int(os.environ.get("AOF_ROUNDS", "3"))
ON = ["--appendonly", "yes", "--save", "", "--enable-debug-command", "yes"]


def fill(client):
    """Something of every type, in two databases, with and without deadlines."""
    for index in range(300):
        client.set(f"s{index}", "v" * (index % 90))
    client.set("counter", 5)
    client.incr("counter")
    client.rpush("list", *range(200))
    client.sadd("ints", *range(100))
    client.sadd("set", *(f"m{index}" for index in range(700)))
    client.zadd("zset", {f"z{index}": index / 8 for index in range(300)})
    client.hset("hash", mapping={f"f{index}": "x" * index for index in range(150)})
    for index in range(20):
        client.xadd("stream", {"a": index})
    client.xgroup_create("stream", "group", "0")
    client.xreadgroup("group", "me", {"stream": ">"}, count=5)
    client.pexpire("s7", 10_000_000)
    pipe = client.pipeline(transaction=True)
    pipe.set("in", "one").lpush("list", "front").delete("s8")
    pipe.execute()
    client.execute_command("SELECT", 3)
    client.set("other", "database")
    client.execute_command("SELECT", 0)


def digest(server):
    return server.client().execute_command("DEBUG", "DIGEST")


def single(server):
    """A client on one connection."""
    return redis.Redis(port=server.port, single_connection_client=True, socket_timeout=10, decode_responses=True,
                       retry=Retry(NoBackoff(), 0))


def folder(server):
    return os.path.join(server.dir, "appendonlydir")


def manifest(server):
    return open(os.path.join(folder(server), "appendonly.aof.manifest")).read().splitlines()


def last_file(server):
    return os.path.join(folder(server), manifest(server)[-1].split()[1])


def log_of(server):
    return open(os.path.join(server.dir, "log")).read()


def rewritten(server):
    client = server.client()
    before = client.info("persistence")["aof_rewrites"]
    client.bgrewriteaof()
    wait_for(lambda: client.info("persistence")["aof_rewrites"] > before, 20, "the rewrite is done")
    wait_for(lambda: not any(line.endswith("type h") for line in manifest(server)), 10, "the old files are gone")


@pytest.mark.parametrize("preamble", ["yes", "no"])
@pytest.mark.parametrize("first,second", [
    ("redan", "redan"), ("redan", "redis"), ("redan", "valkey"), ("redis", "redan"), ("valkey", "redan")])
def test_a_directory_moves_from_one_to_the_other_and_back(servers, first, second, preamble):
    options = [*ON, "--aof-use-rdb-preamble", preamble]
    one = servers(first, *options)
    client = single(one)
    fill(client)
    client.bgrewriteaof()
    fill_more(client)
    wait_for(lambda: one.info("persistence")["aof_rewrite_in_progress"] == 0, 20, "the rewrite is done")
    fill_more(client)
    before = digest(one)
    one.stop()
    two = servers(second, *options)
    two.stop()
    shutil.rmtree(folder(two))
    shutil.copytree(folder(one), folder(two))
    two.start()
    assert digest(two) == before
    client = single(two)
    fill_more(client)
    if first != "redan" or second != "redan":
        rewritten(two)
    fill_more(client)
    before = digest(two)
    two.stop()
    shutil.rmtree(folder(one))
    shutil.copytree(folder(two), folder(one))
    one.start()
    assert digest(one) == before


def fill_more(client):
    for index in range(100):
        client.incr("counter")
        client.rpush("list", index)
        client.spop("set")
    client.execute_command("SELECT", 5)
    client.append("grows", "x")
    client.execute_command("SELECT", 0)


def test_it_is_turned_on_and_off_while_the_server_runs(servers):
    server = servers("redan", *ON[2:])
    client = single(server)
    fill(client)
    assert client.info("persistence")["aof_enabled"] == 0
    client.config_set("appendonly", "yes")
    fill_more(client)
    wait_for(lambda: server.info("persistence")["aof_rewrite_in_progress"] == 0, 20, "it is on")
    fill_more(client)
    before = digest(server)
    client.execute_command("DEBUG", "LOADAOF")
    assert digest(server) == before
    client.config_set("appendonly", "no")
    client.set("not in", "the file")
    client.config_set("appendonly", "yes")
    wait_for(lambda: server.info("persistence")["aof_rewrite_in_progress"] == 0, 20, "it is on again")
    before = digest(server)
    server.kill()
    server.start("--appendonly", "yes")
    assert digest(server) == before


@pytest.mark.parametrize("fsync", ["always", "everysec"])
def test_what_was_acknowledged_survives_a_kill(servers, fsync):
    server = servers("redan", *ON, "--appendfsync", fsync, "--auto-aof-rewrite-min-size", "20kb")
    draw = random.Random(7)
    for _ in range(ROUNDS):
        acknowledged, threads = [0] * 4, []

        def write(index):
            client = single(server)
            value = int(client.get(f"n{index}") or 0)
            try:
                while True:
                    value = client.incr(f"n{index}")
                    acknowledged[index] = value
            except (redis.RedisError, OSError):
                return

        for index in range(4):
            threads.append(threading.Thread(target=write, args=[index]))
            threads[-1].start()
        time.sleep(draw.uniform(0.05, 0.5))
        server.kill()
        [thread.join() for thread in threads]
        server.start()
        client = single(server)
        for index in range(4):
            assert int(client.get(f"n{index}") or 0) >= acknowledged[index]


def test_a_torn_tail_is_cut_off_or_refused(servers):
    server = servers("redan", *ON)
    client = single(server)
    client.set("a", 1)
    client.set("b", 2)
    server.stop()
    size = os.path.getsize(last_file(server))
    with open(last_file(server), "ab") as file:
        file.write(b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n9\r\n*2\r\n$3")
    server.process = None
    with pytest.raises(AssertionError):
        server.answers = lambda: server.process.poll() is not None or Server.answers(server)
        server.start("--aof-load-truncated", "no")
        assert server.process.poll() is None
    assert "Unexpected end of file reading the append only file" in log_of(server)
    server.answers = lambda: Server.answers(server)
    server.start()
    assert single(server).mget("a", "b") == ["1", "2"]
    assert os.path.getsize(last_file(server)) == size
    assert re.search("Truncating the AOF .* at offset", log_of(server))
    single(server).set("c", 3)
    server.kill()
    server.start()
    assert single(server).get("c") == "3"


def test_an_old_single_file_is_taken_over(servers):
    server = servers("redan", *ON)
    server.stop()
    shutil.rmtree(folder(server))
    with open(os.path.join(server.dir, "appendonly.aof"), "wb") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n9\r\n")
    server.start()
    assert single(server).get("a") == "9"
    assert "Successfully migrated an old-style AOF" in log_of(server)
    single(server).set("b", "2")
    server.kill()
    server.start()
    assert single(server).mget("a", "b") == ["9", "2"]


def test_waitaof_waits_for_the_disks(servers):
    primary = servers("redan", *ON, "--repl-diskless-sync-delay", "0")
    replica = servers("redan", *ON, "--replicaof", f"127.0.0.1 {primary.port}")
    wait_for(lambda: replica.info("replication")["master_link_status"] == "up", 20, "in step")
    wait_for(lambda: replica.info("persistence")["aof_rewrite_in_progress"] == 0, 20, "its file is on")
    client = single(primary)
    client.set("a", 1)
    assert client.execute_command("WAITAOF", 1, 1, 5_000) == [1, 1]
    client.config_set("appendfsync", "always")
    client.set("a", 2)
    assert client.execute_command("WAITAOF", 1, 0, 0)[0] == 1
    client.config_set("appendonly", "no")
    with pytest.raises(redis.ResponseError, match="appendonly is disabled"):
        client.execute_command("WAITAOF", 1, 0, 0)
    replica.client().config_set("appendonly", "no")


def test_a_valkey_replica_says_what_it_has_on_disk(servers):
    primary = servers("redan", *ON, "--repl-diskless-sync-delay", "0")
    replica = servers("valkey", *ON, "--replicaof", f"127.0.0.1 {primary.port}")
    wait_for(lambda: replica.info("replication")["master_link_status"] == "up", 20, "in step")
    wait_for(lambda: replica.info("persistence")["aof_rewrite_in_progress"] == 0, 20, "its file is on")
    client = single(primary)
    client.set("a", 1)
    assert client.execute_command("WAITAOF", 1, 1, 5_000) == [1, 1]


def test_the_checker_finds_what_the_original_finds_and_repairs_it(servers, tmp_path):
    server = servers("redan", *ON, "--aof-timestamp-enabled", "yes")
    client = single(server)
    fill(client)
    server.stop()
    path = os.path.join(folder(server), "appendonly.aof.manifest")

    def check(program, *options):
        done = subprocess.run([*program, *options, path], capture_output=True, text=True, input="y\n")
        lines = [line for line in done.stdout.splitlines() if not line.startswith(("[", "0x"))]
        return done.returncode, lines

    ours, theirs = [REDAN, "check-aof"], [shutil.which("redis-check-aof")]
    if not theirs[0]:
        pytest.skip("redis-check-aof is not installed")
    assert check(ours) == check(theirs) and check(ours)[0] == 0
    with open(last_file(server), "ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$1\r\n")
    code, lines = check(ours)
    assert code == 1 and lines[-1] == check(theirs)[1][-1]
    code, lines = check(ours, "--fix")
    assert code == 0 and lines[-1] == "All AOF files and manifest are valid"
    assert check(ours) == check(theirs) and check(ours)[0] == 0
    assert check(ours, "--truncate-to-timestamp", "1")[0] == 1


def in_step(primary, replica):
    theirs, ours = primary.info("replication"), replica.info("replication")
    return ours["master_link_status"] == "up" and theirs["master_repl_offset"] == ours["slave_repl_offset"]


def is_filed(server):
    persistence = server.info("persistence")
    return persistence["aof_rewrite_in_progress"] == 0 and persistence["aof_rewrite_scheduled"] == 0


def syncs(primary):
    stats = primary.info("stats")
    return stats["sync_full"], stats["sync_partial_ok"]


@pytest.mark.parametrize("leads,follows", [("redan", "redan"), ("valkey", "redan"), ("redan", "redis")])
def test_a_restart_from_the_files_goes_on_where_they_end(servers, leads, follows):
    primary = servers(leads, *ON, "--repl-ping-replica-period", "1")
    fill(primary.client())
    replica = servers(follows, *ON, "--replicaof", f"127.0.0.1 {primary.port}")
    wait_for(lambda: in_step(primary, replica), 20, "in step")
    fill_more(primary.client())
    # Until the files have a base of the primary's data, a start finds those of the time before, as in the originals.
    wait_for(lambda: is_filed(replica), 20, "the replica's files are written")
    if follows == "redan":
        for end in [replica.kill]:
            wait_for(lambda: in_step(primary, replica), 20, "in step")
            before = syncs(primary)
            end()
            primary.client().incr("counter")
            replica.start()
            wait_for(lambda: in_step(primary, replica), 20, "in step after the replica's restart")
            assert syncs(primary) == (before[0], before[1] + 1)
    if leads == "redan":
        for end in [primary.kill, primary.stop]:
            primary.client().incr("counter")
            wait_for(lambda: in_step(primary, replica), 20, "in step")
            end()
            primary.start()
            wait_for(lambda: in_step(primary, replica), 20, "in step after the primary's restart")
            full, partial = syncs(primary)
            assert full == 0 and partial > 0
    primary.client().incr("counter")
    wait_for(lambda: in_step(primary, replica), 20, "in step")
    assert digest(primary) == digest(replica)
    # The originals pass over the notes.
    noted = replica if follows == "redan" else primary
    assert b"#REDAN-P:" in open(last_file(noted), "rb").read()
    noted.stop()
    other = servers("redis", *ON)
    other.stop()
    shutil.rmtree(folder(other))
    shutil.copytree(folder(noted), folder(other))
    checked = subprocess.run(["redis-check-aof", os.path.join(folder(other), "appendonly.aof.manifest")],
                             capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    other.start()
    rest = primary if noted is replica else replica
    wait_for(lambda: rest.client().ping(), 10, "it answers")
    assert digest(other) == digest(rest)


def test_checksums_find_damage_anywhere(servers):
    server = servers("redan", *ON, "--aof-checksums", "yes")
    fill(server.client())
    before = digest(server)
    server.kill()
    path, name = last_file(server), os.path.basename(last_file(server))
    whole = open(path, "rb").read()
    # The original passes over the lines.
    other = servers("redis", *ON)
    other.stop()
    shutil.rmtree(folder(other))
    shutil.copytree(folder(server), folder(other))
    other.start()
    assert digest(other) == before
    checker = [REDAN, "check-aof", os.path.join(folder(server), "appendonly.aof.manifest")]
    assert subprocess.run(checker, capture_output=True).returncode == 0
    # A value in the middle is another one, in the same shape: only the sum can tell.
    at = whole.index(b"vvvvvvvvvv")
    open(path, "wb").write(whole[:at] + b"w" + whole[at + 1:])
    checked = subprocess.run(checker, capture_output=True, text=True)
    assert checked.returncode == 1 and "length and checksum" in checked.stdout, checked.stdout
    start = [REDAN, "server", "--port", str(server.port), "--bind", "127.0.0.1", "--dir", server.dir, *ON]
    failed = subprocess.run(start, capture_output=True, text=True, timeout=20)
    assert failed.returncode == 1
    assert re.search(rf"{name} makes no sense at byte \d+: length and checksum", failed.stdout), failed.stdout
    open(path, "wb").write(whole)
    server.start()
    assert digest(server) == before


def test_a_load_tells_how_far_it_is(servers):
    server = servers("redan", *ON, "--key-load-delay", "2000")
    client = server.client()
    client.mset({f"key:{index}": "x" * 100 for index in range(1_000)})
    client.bgrewriteaof()
    wait_for(lambda: not server.info("persistence")["aof_rewrite_in_progress"], 15, "the base is there")
    client.set("behind", "the base")
    server.stop()
    sizes = [os.path.getsize(os.path.join(folder(server), name)) for name in os.listdir(folder(server)) if "manifest" not in name]
    server.answers = lambda: True
    server.start()
    found = wait_for(lambda: (lambda info: info["loading"] and info["loading_loaded_bytes"] > 10_000 and info)
                     (server.info("persistence")), 20, "it loads")
    assert found["loading_total_bytes"] == sum(sizes) and len(sizes) == 2
    assert 10_000 < found["loading_loaded_bytes"] < sum(sizes)
    assert abs(found["loading_loaded_perc"] - 100 * found["loading_loaded_bytes"] / sum(sizes)) < 1
    assert 0 <= found["loading_eta_seconds"] < 60 and found["loading_rdb_used_mem"] > 100_000
    wait_for(lambda: not server.info("persistence")["loading"], 30, "it is loaded")
    assert server.client().dbsize() == 1_001
