"""Sharded publish and subscribe over the bus of a real cluster: one shard of two products."""
import pytest
from conftest import REDAN, REDIS, Server, valkey_server, wait_for
from exchange import Conn

COMMANDS = {"redan": [REDAN, "server"], "redis": [REDIS], "valkey": [valkey_server()]}
OPTIONS = ("--save", "", "--cluster-enabled", "yes", "--cluster-node-timeout", "5000")


def info(server):
    return Conn(server.port).value("CLUSTER", "INFO")


@pytest.fixture
def shard(tmp_path):
    """A primary with all slots and its replica."""
    started = []

    def start(*kinds):
        if not all(COMMANDS[kind][0] for kind in kinds):
            pytest.skip("a server is not installed")
        for index, kind in enumerate(kinds):
            started.append(Server(COMMANDS[kind], tmp_path / f"{kind}{index}", *OPTIONS))
        first, second = (Conn(server.port) for server in started)
        assert first.value("CLUSTER", "ADDSLOTSRANGE", 0, 16383) == b"OK"
        assert first.value("CLUSTER", "MEET", "127.0.0.1", started[1].port) == b"OK"
        wait_for(lambda: all(b"cluster_known_nodes:2" in info(server) for server in started), 20, "they have met")
        id_ = first.value("CLUSTER", "MYID")
        wait_for(lambda: second.value("CLUSTER", "REPLICATE", id_) == b"OK", 20, "the second follows")
        wait_for(lambda: started[1].info("replication").get("master_link_status") == "up", 20, "the link stands")
        wait_for(lambda: all(b"cluster_state:ok" in info(server) for server in started), 20, "the cluster is ok")
        # The primary must know its replica: it sends to the nodes of its shard.
        wait_for(lambda: b"slave" in first.value("CLUSTER", "NODES"), 20, "the primary knows its replica")
        return started

    yield start
    for server in started:
        server.stop()


@pytest.mark.parametrize("kinds", [("redan", "redan"), ("redan", "redis"), ("redis", "redan"), ("valkey", "redan"),
                                   ("redan", "valkey")], ids="-".join)
def test_messages_cross_within_the_shard(shard, kinds):
    servers = shard(*kinds)
    for listens, speaks in (servers, servers[::-1]):
        listener, speaker = Conn(listens.port), Conn(speaks.port)
        assert listener.ask("SSUBSCRIBE", "news")[0] == b"*3\r\n$10\r\nssubscribe\r\n$4\r\nnews\r\n:1\r\n"
        listener.socket.settimeout(0.2)
        got = []

        def arrives():
            speaker.ask("SPUBLISH", "news", "hello")
            reply = listener.read()[0]
            if b"smessage" in reply:
                got.append(reply)
            return got
        wait_for(arrives, 20, "a message crosses the bus")
        assert got[0] == b"*3\r\n$8\r\nsmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n"
        listener.close()


def test_a_deleted_slot_ends_its_subscriptions(tmp_path):
    replies = []
    for kind in ("redan", "redis"):
        server = Server(COMMANDS[kind], tmp_path / kind, *OPTIONS)
        try:
            conn, other = Conn(server.port), Conn(server.port)
            conn.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            wait_for(lambda: b"cluster_state:ok" in info(server), 20, "the cluster is ok")
            said = [conn.ask("SSUBSCRIBE", "foo")[0], other.ask("SSUBSCRIBE", "foo", "bar")[0]]
            said.append(other.ask("CLUSTER", "DELSLOTS", 12182)[0])
            said.append(conn.read()[0])
            said.append(conn.ask("SSUBSCRIBE", "foo")[0])
            replies.append(said)
        finally:
            server.stop()
    assert replies[0] == replies[1]
