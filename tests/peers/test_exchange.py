"""Directories with every type and encoding go from Redis 7.0.15 and Valkey 9.1 to redan and back, and a chain of all three
is equal at its end after a load of writes of all types."""
import os
import random
import shutil
import threading

import everything
import pytest
from conftest import wait_for
from exchange import Conn

SECONDS = float(os.environ.get("EXCHANGE_SECONDS", "2"))
BASIC = ["--save", "", "--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0"]
FORMS = {
    "rdb": [],
    "plain rdb": ["--rdbcompression", "no", "--rdbchecksum", "no"],
    "aof": ["--appendonly", "yes", "--aof-use-rdb-preamble", "yes"],
    "aof commands": ["--appendonly", "yes", "--aof-use-rdb-preamble", "no"],
}


def save(server, form):
    """What the server has goes to the disk; with a log, part of it into the increments."""
    conn = Conn(server.port)
    if "aof" in form:
        assert conn.value("BGREWRITEAOF").startswith(b"Background append only file rewriting")
        wait_for(lambda: server.info("persistence")["aof_rewrite_in_progress"] == 0
                 and server.info("persistence")["aof_rewrite_scheduled"] == 0, 30, "the rewrite is done")
        conn.value("RPUSH", "behind", "the", "rewrite")
        conn.value("XADD", "stream:set", "*", "behind", "the rewrite")
        conn.value("HSET", "hash:table", "behind", "the rewrite")
    else:
        assert conn.value("SAVE") == b"OK"
    conn.close()


def move(one, other):
    """The other server starts with the first one's files."""
    one.stop()
    other.stop()
    for name in ("dump.rdb", "appendonlydir"):
        source, target = os.path.join(one.dir, name), os.path.join(other.dir, name)
        if os.path.isdir(target):
            shutil.rmtree(target)
        elif os.path.exists(target):
            os.remove(target)
        if os.path.isdir(source):
            shutil.copytree(source, target)
        elif os.path.exists(source):
            shutil.copy(source, target)
    other.start()


def equal(server, before, has_fields):
    after = everything.picture(server.port, has_fields)
    assert everything.difference(before, after) == {}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_a_directory_goes_there_and_back(servers, kind, form):
    options, has_fields = [*BASIC, *FORMS[form]], kind == "valkey"
    theirs = servers(kind, *options)
    everything.fill(theirs.port, kind, True)
    save(theirs, form)
    before = everything.picture(theirs.port, has_fields)
    assert len(before) > 40
    ours = servers("redan", *options)
    move(theirs, ours)
    equal(ours, before, has_fields)
    # And back, as redan writes it.
    save(ours, form)
    functions = before["functions"]
    before = {**everything.picture(ours.port, has_fields), "functions": functions}
    move(ours, theirs)
    equal(theirs, before, has_fields)


@pytest.mark.parametrize("form", FORMS)
def test_what_redan_has_made_itself_loads_in_valkey(servers, form):
    options = [*BASIC, *FORMS[form]]
    ours = servers("redan", *options)
    everything.fill(ours.port, "redan")
    save(ours, form)
    before = everything.picture(ours.port, True)
    theirs = servers("valkey", *options)
    move(ours, theirs)
    equal(theirs, before, True)


@pytest.mark.parametrize("form", ["rdb", "aof commands"])
@pytest.mark.parametrize("first,second", [("redis", "redan"), ("redan", "redis"), ("valkey", "redan"), ("redan", "valkey")])
def test_scores_keep_every_bit(servers, first, second, form):
    """Valkey's digest writes them otherwise than that of Redis: the values themselves are compared."""
    options = [*BASIC, *FORMS[form]]
    one, other = servers(first, *options), servers(second, *options)
    for index, score in enumerate(everything.FLOATS):
        one.client().zadd("small", {f"m{index}": score})
        one.client().zadd("big", {f"{number}": score * number for number in range(index * 100, index * 100 + 100)})
    scores = {key: one.client().zrange(key, 0, -1, withscores=True) for key in ("small", "big")}
    save(one, form)
    move(one, other)
    assert scores == {key: other.client().zrange(key, 0, -1, withscores=True) for key in scores}


def write(port, seed, ended, databases=(0, 9)):
    """Changes values of all types, until told to stop."""
    chance, conn = random.Random(seed), Conn(port)
    count = 0
    while not ended.is_set():
        number = chance.randrange(40)
        word, score = f"w{chance.randrange(2000)}", chance.randrange(-1000, 1000) / 4
        words = chance.choice((
            ("SET", f"s{number}", word * chance.randrange(20)), ("APPEND", f"s{number}", word), ("INCR", f"n{number}"),
            ("INCRBYFLOAT", f"fl{number}", score), ("SETBIT", f"b{number}", chance.randrange(9000), 1), ("SETRANGE", f"s{number}", 9, word),
            ("PFADD", f"p{number}", *(f"{word}{index}" for index in range(9))), ("PEXPIRE", f"s{number}", chance.randrange(1, 60_000)),
            ("RPUSH", f"l{number}", word, word * 50), ("LPUSH", f"l{number}", 7), ("LTRIM", f"l{number}", 1, 400), ("LPOP", f"l{number}", 3),
            ("LMOVE", f"l{number}", f"l{39 - number}", "LEFT", "RIGHT"), ("LINSERT", f"l{number}", "BEFORE", 7, "new"),
            ("SADD", f"i{number}", *(chance.randrange(3000) for _ in range(5))), ("SADD", f"m{number}", word), ("SPOP", f"m{number}", 2),
            ("SPOP", f"i{number}"), ("SUNIONSTORE", f"u{number}", f"i{number}", f"m{number}"),
            ("ZADD", f"z{number}", score, word), ("ZINCRBY", f"z{number}", 0.25, word), ("ZPOPMIN", f"z{number}"),
            ("ZREMRANGEBYSCORE", f"z{number}", -9, 9), ("GEOADD", f"g{number}", score / 10, score / 20, word),
            ("HSET", f"h{number}", word, word * 9, "n", number), ("HINCRBY", f"hn{number}", "n", 3), ("HDEL", f"h{number}", word),
            ("XADD", f"x{number}", "MAXLEN", "~", 300, "*", "f", word), ("XGROUP", "CREATE", f"x{number}", "g", "0", "MKSTREAM"),
            ("XREADGROUP", "GROUP", "g", word[:3], "COUNT", 3, "STREAMS", f"x{number}", ">"),
            ("XAUTOCLAIM", f"x{number}", "g", "other", 0, "0", "COUNT", 2), ("XTRIM", f"x{number}", "MAXLEN", 100),
            ("DEL", f"l{number}"), ("COPY", f"z{number}", f"zz{number}", "REPLACE"), ("RENAME", f"h{number}", f"hh{number}"),
            ("MULTI",), ("SELECT", chance.choice(databases)),
            ("EVAL", "redis.call('SET', KEYS[1], ARGV[1]); return redis.call('RPUSH', KEYS[2], ARGV[1])", 2, f"e{number}", f"el{number}", word),
            ("FCALL", "one_get", 1, f"n{number}"), ("BITOP", "XOR", f"b{number}", f"b{number}", f"b{39 - number}"),
        ))
        if words == ("MULTI",):
            for part in (words, ("INCR", f"n{number}"), ("HSET", f"h{number}", "in", "one"), ("EXEC",)):
                conn.ask(*part)
        elif conn.ask(*words)[1][0] == b"?":
            break
        count += 1
    conn.close()
    return count


@pytest.mark.parametrize("chain", [("redis", "redan", "valkey"), ("valkey", "redan", "valkey"), ("redan", "redis", "redan", "valkey")])
def test_a_chain_under_load_is_equal_at_its_end(servers, chain):
    members = [servers(chain[0], *BASIC)]
    everything.fill(members[0].port, "redis", chain[0] != "redan")
    ended = threading.Event()
    writers = [threading.Thread(target=write, args=(members[0].port, seed, ended)) for seed in range(3)]
    for writer in writers:
        writer.start()
    for kind in chain[1:]:
        members.append(servers(kind, *BASIC, "--replicaof", f"127.0.0.1 {members[-1].port}"))
        wait_for(lambda: members[-1].info("replication")["master_link_status"] == "up", 60, "the link is up")
    ended.wait(SECONDS)
    ended.set()
    for writer in writers:
        writer.join()

    def all_have_the_same_offset():
        offsets = {member.info("replication")["master_repl_offset"] for member in members}
        return len(offsets) == 1

    # Keys that expire while one looks are made to stay.
    conn = Conn(members[0].port)
    for database in (0, 9):
        conn.value("SELECT", database)
        for key in conn.value("KEYS", "*"):
            conn.value("PERSIST", key)
    conn.value("PERSIST", "x")
    wait_for(all_have_the_same_offset, 60, "all are in step")
    first, *others = (everything.picture(member.port, False, everything.LOCAL) for member in members)
    assert len(first) > 200
    for kind, other in zip(chain[1:], others):
        assert everything.difference(first, other) == {}, kind
