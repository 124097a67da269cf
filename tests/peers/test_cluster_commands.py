"""Cluster mode without a bus conversation: redirects and CLUSTER subcommands, compared with Redis 7.0.15.

Each side has two nodes of one kind. They never meet: what one knows of the other comes from MEET alone
where a test needs a second node, and is compared with the ids and ports masked.
"""
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import REDIS, Server, free_ports, wait_for
from exchange import NEWER, OURS, Conn, Difference, Side, parse, report, same, walk
from test_commands import COMMANDS, tolerated

OPTIONS = ("--save", "", "--cluster-enabled", "yes", "--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0")


class Lone:
    """A cluster of one node, or of two that have met."""

    def __init__(self, kind, root, count):
        # Both sides need no equal ports: the ports in replies are masked.
        first = free_ports(count)
        self.nodes = [Server(COMMANDS[kind], root / f"{kind}{index}", *OPTIONS, port=first + index)
                      for index in range(count)]
        self.port = self.nodes[0].port
        self.ids = [Conn(node.port).value("CLUSTER", "MYID") for node in self.nodes]

    def join(self):
        conn = Conn(self.port)
        assert conn.value("CLUSTER", "MEET", "127.0.0.1", self.nodes[1].port) == b"OK"
        for node in self.nodes:
            wait_for(lambda: b"cluster_known_nodes:2" in Conn(node.port).value("CLUSTER", "INFO"), 10, "they have met")

    def stop(self):
        for node in self.nodes:
            node.stop()

    def masked(self, raw):
        for index, (node, id_) in enumerate(zip(self.nodes, self.ids)):
            raw = raw.replace(id_, b"<id%d>" % index).replace(b"%d" % node.port, b"<port%d>" % index)
            # When a node last heard of itself: redan says now, the original nothing until it has met others.
            raw = re.sub(rb"(myself,\w+ - 0) \d+ ", rb"\1 0 ", raw)
            raw = raw.replace(b"@%d" % (node.port + 10000), b"@<bus%d>" % index)
        return re.sub(rb"([$=])\d+\r\n", rb"\1", NEWER.sub(b"", raw))


def each(sides, act):
    """Brings both sides to where they are compared, at the same time: most of it is waiting."""
    with ThreadPoolExecutor(len(sides)) as pool:
        list(pool.map(act, sides))


@pytest.fixture
def sides(tmp_path):
    started = []

    def start(count):
        if not REDIS:
            pytest.skip("redis-server is not installed")
        started.extend([Lone(OURS, tmp_path / "ours", count), Lone("redis", tmp_path / "theirs", count)])
        return started

    yield start
    for side in started:
        side.stop()


def compare(sides, script, node=0, resp=2):
    """Runs a script on the same node of both sides; ids and ports are masked. $idN in it is a node's id."""
    # As exchange.run, with a text for each side.
    found, texts = [], []
    for side in sides:
        text = script
        for index, (server, id_) in enumerate(zip(side.nodes, side.ids)):
            text = text.replace(f"$node{index}", id_.decode()).replace(f"$port{index}", str(server.port))
        texts.append(text)
    masks = {id(side.nodes[node]): side for side in sides}
    ends = [Side(side.nodes[node], resp) for side in sides]
    try:
        for mine, other in zip(*(text.strip().splitlines() for text in texts)):
            if not mine.strip() or mine.startswith("//"):
                continue
            replies = []
            for end, line in zip(ends, (mine, other)):
                name, mode, count, raw, request = parse(line.strip())
                conn = end.conn(name)
                if mode == "walk":
                    replies.append([walk(conn, request)])
                    continue
                conn.send(request)
                replies.append([conn.read() for _ in range(count)])
            for one, two in zip(*replies):
                if mode in ("", "walk"):
                    raws = [masks[id(end.server)].masked(reply[0]) for end, reply in zip(ends, (one, two))]
                    equal = raws[0] == raws[1]
                else:
                    raws, equal = [one[0], two[0]], same(mode, one, two)
                if not equal and not tolerated(request, one[0], two[0]):
                    found.append(Difference(request, raws[0], raws[1], resp, mine.strip()[:200]))
    finally:
        for end in ends:
            end.close()
    return found


ERRORS = r"""
CLUSTER
CLUSTER nosuch
CLUSTER nosuch x
CLUSTER HELP
CLUSTER HELP x
CLUSTER MYID
CLUSTER MYID x
CLUSTER INFO x
CLUSTER NODES x
CLUSTER SLOTS x
CLUSTER SHARDS x
CLUSTER KEYSLOT a
CLUSTER KEYSLOT foo{bar}baz
CLUSTER KEYSLOT foo{}baz
CLUSTER KEYSLOT {}
CLUSTER KEYSLOT {a
CLUSTER KEYSLOT "{}{a}"
CLUSTER KEYSLOT "{\x00}"
CLUSTER KEYSLOT ""
CLUSTER KEYSLOT <x*1000>
CLUSTER KEYSLOT
CLUSTER KEYSLOT a b
CLUSTER COUNTKEYSINSLOT 0
CLUSTER COUNTKEYSINSLOT 16383
CLUSTER COUNTKEYSINSLOT 16384
CLUSTER COUNTKEYSINSLOT -1
CLUSTER COUNTKEYSINSLOT x
CLUSTER COUNTKEYSINSLOT
CLUSTER GETKEYSINSLOT 0 10
CLUSTER GETKEYSINSLOT 0 -1
CLUSTER GETKEYSINSLOT 0 x
CLUSTER GETKEYSINSLOT 16384 1
CLUSTER GETKEYSINSLOT -1 1
CLUSTER GETKEYSINSLOT x 1
CLUSTER GETKEYSINSLOT 0
CLUSTER ADDSLOTS
CLUSTER ADDSLOTS x
CLUSTER ADDSLOTS 16384
CLUSTER ADDSLOTS -1
CLUSTER ADDSLOTS 1 1
CLUSTER ADDSLOTS 1 x
CLUSTER ADDSLOTSRANGE
CLUSTER ADDSLOTSRANGE 1
CLUSTER ADDSLOTSRANGE 5 1
CLUSTER ADDSLOTSRANGE 1 16384
CLUSTER ADDSLOTSRANGE x 1
CLUSTER ADDSLOTSRANGE 1 5 3
CLUSTER ADDSLOTSRANGE 1 5 3 8
CLUSTER DELSLOTS
CLUSTER DELSLOTS x
CLUSTER DELSLOTS 16384
CLUSTER DELSLOTS 1
CLUSTER DELSLOTS 1 1
CLUSTER DELSLOTSRANGE 1 5
CLUSTER DELSLOTSRANGE 5 1
CLUSTER DELSLOTSRANGE 1
CLUSTER SETSLOT
CLUSTER SETSLOT 1
CLUSTER SETSLOT x STABLE
CLUSTER SETSLOT 16384 STABLE
CLUSTER SETSLOT -1 STABLE
CLUSTER SETSLOT 1 bad
CLUSTER SETSLOT 1 bad x
CLUSTER SETSLOT 1 STABLE
CLUSTER SETSLOT 1 STABLE x
CLUSTER SETSLOT 1 MIGRATING
CLUSTER SETSLOT 1 MIGRATING x
CLUSTER SETSLOT 1 MIGRATING 0123456789012345678901234567890123456789
CLUSTER SETSLOT 1 IMPORTING x
CLUSTER SETSLOT 1 IMPORTING $node0
CLUSTER SETSLOT 1 NODE x
CLUSTER SETSLOT 1 NODE
CLUSTER MEET
CLUSTER MEET 127.0.0.1
CLUSTER MEET 127.0.0.1 x
CLUSTER MEET 127.0.0.1 0
CLUSTER MEET 127.0.0.1 70000
CLUSTER MEET nosuch 7000
CLUSTER MEET 127.0.0.1 7000 x
CLUSTER MEET 127.0.0.1 60000
CLUSTER MEET 1 2 3 4
CLUSTER FORGET
CLUSTER FORGET x
CLUSTER FORGET $node0
CLUSTER REPLICATE
CLUSTER REPLICATE x
CLUSTER REPLICATE $node0
CLUSTER REPLICAS
CLUSTER REPLICAS x
CLUSTER REPLICAS $node0
CLUSTER SLAVES $node0
CLUSTER SLAVES x
CLUSTER COUNT-FAILURE-REPORTS x
CLUSTER COUNT-FAILURE-REPORTS $node0
CLUSTER COUNT-FAILURE-REPORTS
CLUSTER FAILOVER
CLUSTER FAILOVER bad
CLUSTER FAILOVER FORCE
CLUSTER FAILOVER TAKEOVER
CLUSTER FAILOVER FORCE x
CLUSTER SET-CONFIG-EPOCH
CLUSTER SET-CONFIG-EPOCH x
CLUSTER SET-CONFIG-EPOCH -1
CLUSTER SET-CONFIG-EPOCH 0
CLUSTER SET-CONFIG-EPOCH 5
CLUSTER SET-CONFIG-EPOCH 6
CLUSTER BUMPEPOCH
CLUSTER BUMPEPOCH
CLUSTER SAVECONFIG
CLUSTER SAVECONFIG x
CLUSTER FLUSHSLOTS
CLUSTER FLUSHSLOTS x
CLUSTER RESET bad
CLUSTER RESET SOFT x
CLUSTER LINKS
CLUSTER LINKS x
CLUSTER SLOTS
CLUSTER SHARDS
CLUSTER NODES
=names CLUSTER INFO
SELECT 0
SELECT 1
SELECT x
REPLICAOF 127.0.0.1 6379
REPLICAOF NO ONE
SLAVEOF NO ONE
SWAPDB 0 1
FAILOVER
READONLY x
READWRITE x
ASKING x
"""

DOWN = r"""
GET a
SET a 1
MGET a b
MGET {a}1 {a}2
MSET a 1 b 2
DEL a b
PING
ECHO x
DBSIZE
KEYS *
FLUSHALL
SCAN 0
RANDOMKEY
READONLY
GET a
SET a 1
READWRITE
ASKING
GET a
PUBLISH a b
WATCH a
WATCH a b
MULTI
GET a
PING
EXEC
MULTI
PING
EXEC
GET
MSET a
nosuch a
OBJECT ENCODING a
COMMAND GETKEYS GET a
EXISTS a
SUBSCRIBE x
UNSUBSCRIBE x
CONFIG SET cluster-allow-reads-when-down yes
GET a
SET a 1
MGET a b
CONFIG SET cluster-allow-reads-when-down no
CONFIG SET cluster-require-full-coverage no
CLUSTER ADDSLOTS 15495
"""

# Slot 15495 is that of "a", 3300 that of "b".
WHOLE = r"""
GET a
SET a 1
SET b 2
MGET a b
MSET a 1 b 2
MSET {t}a 1 {t}b 2
MGET {t}a {t}b
DEL a b
EXISTS a b
TOUCH a b
UNLINK a b
RENAME a b
RENAME {t}a {t}c
RENAMENX {t}c b
MSETNX a 1 b 2
WATCH a b
WATCH a
MULTI
GET b
SET a 2
EXEC
MULTI
MGET a b
EXEC
MULTI
MSET a
EXEC
EXISTS a a
SET {b}1 1
SET {b}2 1
HSET {b}h f v
CLUSTER COUNTKEYSINSLOT 3300
=~ CLUSTER GETKEYSINSLOT 3300 10
=~ CLUSTER GETKEYSINSLOT 3300 100
=? CLUSTER GETKEYSINSLOT 3300 1
CLUSTER GETKEYSINSLOT 3300 0
CLUSTER GETKEYSINSLOT 5 10
DEL {b}1
CLUSTER COUNTKEYSINSLOT 3300
SET {b}2 1 PXAT 1
EXISTS {b}2
CLUSTER COUNTKEYSINSLOT 3300
DBSIZE
=walk SCAN
=walk SCAN COUNT 1
=~ KEYS *
=~ KEYS {b}*
=? RANDOMKEY
CLUSTER ADDSLOTS 0
CLUSTER ADDSLOTSRANGE 0 10
CLUSTER SLOTS
CLUSTER NODES
CLUSTER SHARDS
FLUSHSLOTS
CLUSTER FLUSHSLOTS
CLUSTER RESET
CLUSTER RESET HARD
CLUSTER SETSLOT 3300 NODE $node0
CLUSTER SETSLOT 3300 MIGRATING $node0
CLUSTER SETSLOT 3300 IMPORTING $node0
CLUSTER SETSLOT 3300 STABLE
CLUSTER SET-CONFIG-EPOCH 7
FLUSHALL
DBSIZE
CLUSTER COUNTKEYSINSLOT 3300
CLUSTER DELSLOTS 3300
CLUSTER INFO
GET b
GET a
CLUSTER ADDSLOTS 3300
"""


@pytest.mark.parametrize("resp", [2, 3])
def test_errors_and_subcommands_of_a_lone_node(sides, resp):
    found = compare(sides(1), ERRORS, resp=resp)
    assert not found, report(found)


@pytest.mark.parametrize("resp", [2, 3])
def test_a_cluster_that_is_down(sides, resp):
    found = compare(sides(1), DOWN, resp=resp)
    assert not found, report(found)


@pytest.mark.parametrize("resp", [2, 3])
def test_one_node_with_all_slots(sides, resp):
    both = sides(1)

    def take_all(side):
        Conn(side.port).ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        wait_for(lambda: b"cluster_state:ok" in Conn(side.port).value("CLUSTER", "INFO"), 30, "ok")

    each(both, take_all)
    found = compare(both, WHOLE, resp=resp)
    assert not found, report(found)


def test_redirects_between_two_nodes(sides):
    both = sides(2)

    def share(side):
        side.join()
        # The slot of "a" (15495) belongs to the second node, that of "b" (3300) to the first.
        Conn(side.nodes[0].port).ask("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
        Conn(side.nodes[1].port).ask("CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
        for node in side.nodes:
            wait_for(lambda: b"cluster_state:ok" in Conn(node.port).value("CLUSTER", "INFO"), 30, "ok")
            wait_for(lambda: Conn(node.port).value("CLUSTER", "SLOTS").__len__() == 2, 30, "both ranges")

    each(both, share)
    found = []
    for node, script in [
        (0, """
GET a
SET a 1
GET b
SET b 1
MGET a {a}x
MGET a b
MULTI
GET a
EXEC
MULTI
SET b 2
GET a
EXEC
WATCH a
READONLY
GET a
READWRITE
ASKING
GET a
EXISTS a
CLUSTER COUNTKEYSINSLOT 15495
CLUSTER GETKEYSINSLOT 15495 10
CLUSTER SETSLOT 15495 MIGRATING $node1
CLUSTER SETSLOT 3300 IMPORTING $node1
CLUSTER SETSLOT 15495 IMPORTING $node0
CLUSTER SETSLOT 3300 MIGRATING $node0
CLUSTER FORGET $node0
CLUSTER REPLICATE $node0
CLUSTER REPLICATE $node1
CLUSTER ADDSLOTS 15495
CLUSTER DELSLOTS 99 99
SET {b}1 one
CLUSTER SETSLOT 3300 MIGRATING $node1
GET b
GET {b}1
GET {b}2
SET {b}2 x
MGET {b}1 {b}2
MGET {b}1 b
MGET {b}3 {b}4
MSET {b}1 x {b}9 y
DEL {b}2
DEL {b}1 {b}2
EXISTS {b}1 {b}2
SET {b}1 one
MULTI
GET {b}1
GET {b}2
EXEC
MULTI
MGET {b}1 {b}2
EXEC
=~ CLUSTER GETKEYSINSLOT 3300 10
CLUSTER SETSLOT 3300 NODE $node1
"""),
        (1, """
GET b
GET {b}1
CLUSTER SETSLOT 3300 IMPORTING $node0
GET b
ASKING
GET b
GET b
ASKING
SET {b}2 two
GET {b}2
ASKING
MGET {b}2 {b}3
ASKING
MGET {b}2
ASKING
MGET {b}2 {b}2
ASKING
MULTI
GET {b}2
EXEC
MULTI
ASKING
GET {b}2
EXEC
ASKING
PING
GET b
READONLY
ASKING
GET b
GET b
CLUSTER SETSLOT 3300 STABLE
GET {b}2
ASKING
GET {b}2
CLUSTER SETSLOT 3300 IMPORTING $node0
CLUSTER SETSLOT 3300 NODE $node1
GET {b}2
"""),
    ]:
        found += compare(both, script, node)
    # When the new owner's claim comes is chance.
    each(both, lambda side: wait_for(
        lambda: Conn(side.nodes[0].port).ask("GET", "b")[0].startswith(b"-MOVED 3300 "), 30, "the claim"))
    # The claim takes the slot's keys with it, there; here they are kept, and the slot is imported.
    counts = [Conn(side.nodes[0].port).ask("CLUSTER", "COUNTKEYSINSLOT", "3300")[0] for side in both]
    assert sorted(counts) == [b":0\r\n", b":2\r\n"], counts
    found += compare(both, """
CLUSTER SETSLOT 3300 STABLE
DEL {b}1
CLUSTER SETSLOT 3300 NODE $node1
GET b
FLUSHALL
READONLY
GET b
""", 0)
    assert not found, report(found)


def test_a_replica_redirects_and_reads(sides):
    both = sides(2)

    def replicate(side):
        primary, replica = side.nodes
        side.join()
        Conn(primary.port).ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        Conn(primary.port).ask("SET", "a", "1")
        for node in side.nodes:
            wait_for(lambda: b"cluster_state:ok" in Conn(node.port).value("CLUSTER", "INFO"), 30, "ok")
        assert Conn(replica.port).value("CLUSTER", "REPLICATE", side.ids[0]) == b"OK"
        wait_for(lambda: replica.info("replication")["master_link_status"] == "up", 30, "link")
        wait_for(lambda: b"slave" in Conn(side.port).value("CLUSTER", "NODES"), 30, "the primary knows")
        Conn(primary.port).ask("SET", "a", "1")
        wait_for(lambda: replica.info("replication")["master_repl_offset"] > 0, 30, "offset")
        wait_for(lambda: Conn(replica.port).value("CLUSTER", "COUNTKEYSINSLOT", 15495) == 1, 30, "the key")

    each(both, replicate)
    found = compare(both, """
GET a
SET a 2
READONLY
GET a
SET a 2
DEL a
EXISTS a
MGET a a
MULTI
GET a
EXEC
MULTI
SET a 3
EXEC
MULTI
GET a
SET a 3
EXEC
WATCH a
UNWATCH
EVAL_NONE a
READWRITE
GET a
MULTI
GET a
EXEC
CLUSTER SLOTS
CLUSTER REPLICAS $node0
CLUSTER ADDSLOTS 5
CLUSTER REPLICATE $node1
CLUSTER REPLICATE $node0
CLUSTER SETSLOT 5 STABLE
CLUSTER SETSLOT 5 MIGRATING $node0
CLUSTER MYID
FLUSHALL
CLUSTER SET-CONFIG-EPOCH 9
CLUSTER FAILOVER bad
CLUSTER COUNT-FAILURE-REPORTS $node0
CLUSTER FORGET $node0
PUBLISH a b
KEYS *
DBSIZE
SAVE
WAIT 0 0
EXPIRE a 100
RENAME a {a}b
FLUSHDB
REPLICAOF NO ONE
""".replace("CLUSTER REPLICAS $node0\n", ""), 1)
    assert not found, report(found)
