"""Several databases in a cluster, and CLUSTERSCAN, beside Valkey 9.1 and in one cluster with it."""
import subprocess

import pytest
from conftest import REDAN, valkey_server, wait_for
from exchange import Conn
from mixed import PATIENCE, SLOTS, Mixed, Node
from redis.crc import key_slot

OPTIONS = ("--cluster-databases", "4", "--enable-debug-command", "yes")

# All in one slot: 15495. No reply holds a cursor within a slot, which nobody else can read.
SCRIPT = """
CONFIG GET databases
CONFIG GET cluster-databases
CONFIG SET cluster-databases 3
SELECT 4
SELECT -1
SELECT x
SELECT 1
SET a 1
SET b{a} 2
DBSIZE
CLUSTER COUNTKEYSINSLOT 15495
CLUSTER GETKEYSINSLOT 15495 10
CLUSTER GETKEYSINSLOT 15495 -1
SELECT 0
CLUSTER COUNTKEYSINSLOT 15495
CLUSTER GETKEYSINSLOT 15495 10
DBSIZE
SET a 0
COPY a c{a} DB 1
SELECT 1
MOVE a 2
MOVE a 2
MOVE a 9
COPY b{a} a DB 3
COPY b{a} b{a} DB 3 REPLACE
COPY b{a} z DB 3 REPLACE
COPY b{a} z{a} DB 4 REPLACE
SWAPDB 0 1
SWAPDB 0 9
INFO keyspace
CLUSTERSCAN 0
CLUSTERSCAN
CLUSTERSCAN ''
CLUSTERSCAN x
CLUSTERSCAN 00
CLUSTERSCAN 1
CLUSTERSCAN 0 SLOT 15495
CLUSTERSCAN 0 SLOT 16384
CLUSTERSCAN 0 SLOT -1
CLUSTERSCAN 0 SLOT x
CLUSTERSCAN 0 SLOT
CLUSTERSCAN 0 COUNT 0
CLUSTERSCAN 0 COUNT x
CLUSTERSCAN 0 MATCH
CLUSTERSCAN 0 NOSUCH x
CLUSTERSCAN 0 TYPE STRING SLOT 5
CLUSTERSCAN 0 SLOT x COUNT x
CLUSTERSCAN y SLOT x COUNT x
CLUSTERSCAN y COUNT x
CLUSTERSCAN y TYPE nosuch
CLUSTERSCAN 0-{06S}-0 COUNT 1000
CLUSTERSCAN 0-{a}-0 COUNT 1000
CLUSTERSCAN 0-{a}-0 COUNT 100 COUNT 50 SLOT 15495
CLUSTERSCAN 0-{a}-0 SLOT 1
CLUSTERSCAN 0-{a}-0 MATCH b* COUNT 100 SLOT 15495
CLUSTERSCAN 0-{a}-0 TYPE string COUNT 100 SLOT 015495
CLUSTERSCAN 0-{a}-0 TYPE list COUNT 100 SLOT 15495
CLUSTERSCAN 0-{a}-0 TYPE nosuch COUNT 100 SLOT 15495
CLUSTERSCAN 0-{a}-0 TYPE nosuch SLOT x
CLUSTERSCAN 0-{a}-0 TYPE string NOVALUES
CLUSTERSCAN 0-{a}-0 COUNT x SLOT x
CLUSTERSCAN 0-{a}-0 SLOT x COUNT x
CLUSTERSCAN 0-{a}-0 SLOT 15495 SLOT 15495
CLUSTERSCAN 0-{a}-0 SLOT 15495 SLOT x
CLUSTERSCAN 0-{a}-0 SLOT 15495 SLOT
CLUSTERSCAN 0-{a}-0 SLOT 15495 NOSUCH
CLUSTERSCAN 0-{a}-0 NOSUCH SLOT x
CLUSTERSCAN 0-{a}-x
CLUSTERSCAN 0-{a}--1
CLUSTERSCAN 0-{a}-
CLUSTERSCAN 0-{a}-00
CLUSTERSCAN 0-{a}-+1
CLUSTERSCAN 0-{a}-18446744073709551615
CLUSTERSCAN 0-{a}-18446744073709551616
CLUSTERSCAN 0-{a}x-0
CLUSTERSCAN 0-x{a}-0
CLUSTERSCAN 0-{a-0
CLUSTERSCAN 0-{}-0
CLUSTERSCAN 0-a-0
CLUSTERSCAN 0--0
CLUSTERSCAN -{a}-0
CLUSTERSCAN 0-{06S}-5-5
CLUSTERSCAN abcdef-{a}-5 COUNT 100
COMMAND GETKEYS CLUSTERSCAN 0-{a}-0
COMMAND INFO CLUSTERSCAN
KEYS *
SCAN 0 COUNT 100
FLUSHDB
KEYS *
INFO keyspace
SELECT 0
MULTI
SELECT 2
SET q{a} 1
SWAPDB 0 1
EXEC
KEYS *
MOVE q{a} 0
FLUSHALL
INFO keyspace
"""


@pytest.fixture(autouse=True)
def valkey():
    if not valkey_server():
        pytest.skip("valkey-server is not installed")


def test_databases_and_cursors_are_those_of_valkey(tmp_path):
    nodes = [Node(kind, tmp_path / kind, *OPTIONS) for kind in ("redan", "valkey")]
    try:
        for node in nodes:
            node.client().execute_command("cluster", "addslotsrange", 0, SLOTS - 1)
            wait_for(lambda: "cluster_state:ok" in Conn(node.port).value("CLUSTER", "INFO").decode(), PATIENCE, "ok")
        conns = [Conn(node.port) for node in nodes]
        found = []
        for line in SCRIPT.strip().splitlines():
            words = [word.replace("''", "") for word in line.split(" ")]
            ours, theirs = [conn.ask(*words)[0] for conn in conns]
            if ours != theirs:
                found.append((line, ours, theirs))
        assert not found
    finally:
        for node in nodes:
            node.kill()
            node.stop()


def walked(nodes, db):
    """All keys of a database as CLUSTERSCAN finds them: it starts at the first node and goes where it is sent."""
    by_port, keys, cursor, at = {node.port: node for node in nodes}, [], b"0", nodes[0].port
    conns = {port: Conn(port) for port in by_port}
    for conn in conns.values():
        assert conn.value("SELECT", db) == b"OK"
    for _ in range(10_000):
        kind, body = conns[at].ask("CLUSTERSCAN", cursor, "COUNT", 20)[1]
        if kind == b"-":
            error, slot, address = body.decode().split(" ")
            assert error == "MOVED" and int(slot) == key_slot(cursor), body
            at = int(address.split(":")[1])
            continue
        (_, cursor), (_, page) = body
        keys += [key for _, key in page]
        if cursor == b"0":
            return keys
    raise AssertionError("the walk does not end")


def test_slots_move_with_all_their_databases(tmp_path):
    """Two products in one cluster: a walk goes over both, and `redan cli` moves the keys of each database."""
    cluster = Mixed(tmp_path, ["valkey", "redan"], [], *OPTIONS)
    try:
        nodes = cluster.nodes
        # The first slots are Valkey's, those from 8192 on redan's.
        slots = [*range(40), *range(8192, 8232)]
        tags, values = {key_slot(b"t%d" % number): f"t{number}" for number in range(200_000)}, {}
        for db in (0, 1, 3):
            for slot in slots:
                for number in range(3):
                    values[db, f"{{{tags[slot]}}}{number}"] = f"{db}-{slot}-{number}"
        clients = [{db: node.client(db=db) for db in (0, 1, 3)} for node in nodes]
        for (db, key), value in values.items():
            clients[0 if key_slot(key.encode()) < 8192 else 1][db].set(key, value)

        def check(counts):
            assert [of_node[3].dbsize() for of_node in clients] == counts
            for db in (0, 1, 3):
                found = [(key, of_node[db].get(key)) for of_node in clients for key in of_node[db].keys()]
                assert sorted(found) == sorted((key, value) for (at, key), value in values.items() if at == db)

        check([120, 120])
        assert sorted(walked(nodes, 1)) == sorted(key.encode() for db, key in values if db == 1)
        for source, target, counts in ((0, 1, [0, 240]), (1, 0, [120, 120])):
            tool = [REDAN, "cli", "--cluster", "reshard", f"127.0.0.1:{nodes[0].port}", "--cluster-from", nodes[source].id,
                    "--cluster-to", nodes[target].id, "--cluster-slots", "40", "--cluster-yes"]
            run = subprocess.run(tool, capture_output=True, text=True, timeout=300, check=False)
            assert run.returncode == 0, run.stdout[-2000:] + run.stderr
            check(counts)
    finally:
        for node in cluster.nodes:
            node.kill()
        cluster.stop()
