"""Loss of power: the calls of a running server are recorded, and what a disk would hold at random moments is loaded again.

`always` loses nothing that was acknowledged, `everysec` nothing that WAITAOF has confirmed, a server without a log
nothing that SAVE has.

Environment: POWER_CUTS, how many moments for each (1,000 for the long run: 400, 400 and 200); POWER_SEED.
"""
import os
import random
import shutil
import signal
import subprocess
import threading
import time

import power
import pytest
from conftest import REDAN, START_SECONDS, free_ports, wait_for
from exchange import Conn, encode
from prefix import Writer

CUTS = int(os.environ.get("POWER_CUTS", "12"))
SEED = int(os.environ.get("POWER_SEED", "1"))
SECONDS = float(os.environ.get("POWER_SECONDS", "2"))


def can_trace():
    return shutil.which("strace") and subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not can_trace(), reason="needs strace")


class Node:
    """A server, recorded or not."""

    def __init__(self, folder, *options, trace=None, port=None, more=""):
        self.port, self.folder = port or free_ports(1), str(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.log = self.folder.rstrip("/") + ".log"
        words = [REDAN, "server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder, "--save", "", *options]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(power.command(trace, *words, more=more) if trace else words, stdout=log, stderr=log)
        wait_for(self.answers, max(60, START_SECONDS), f"it answers; see {self.log}")

    def answers(self):
        assert self.process.poll() is None, open(self.log).read()[-2000:]
        return Conn(self.port).ask("PING")[0] == b"+PONG\r\n"

    def kill(self):
        """Ends the server, not the recorder, which ends with it."""
        info = Conn(self.port).value("INFO", "server").decode()
        os.kill(int(info.split("process_id:")[1].split()[0]), signal.SIGKILL)
        self.process.wait(30)

    def end(self):
        self.process.kill()
        self.process.wait()


class Confirming(Writer):
    """A writer that keeps when which of its steps was safe."""

    def __init__(self, name, seed, asks=None):
        super().__init__(name, seed)
        self.asks, self.history = asks, []

    def batch(self, conn, depth):
        super().batch(conn, depth)
        if self.asks and not self.refused:
            if self.chance.random() < 0.7:
                return
            conn.sendall(encode(self.asks))
            reply = b""
            while not reply.endswith(b"\n") or reply.startswith(b"*2") and reply.count(b"\n") < 3:
                more = conn.recv(1 << 16)
                if not more:
                    raise ConnectionError
                reply += more
            if reply.startswith(b"-ERR Background save") or b"in progress" in reply:
                return
            assert reply.startswith((b"*2\r\n:1\r\n", b"+OK", b":1")), reply
        self.history.append((time.time(), self.acknowledged))

    def least(self, cut):
        return max((count for at, count in self.history if at <= cut), default=0)


class Reader:
    """Somebody who reads what a writer counts, and keeps when it saw what."""

    def __init__(self, writer, port):
        self.writer, self.history = writer, [(0, 0)]
        self.thread = threading.Thread(target=self.read, args=(Conn(port),))
        self.thread.start()

    def read(self, conn):
        while True:
            kind, value = conn.ask("GET", f"n{self.writer.name}")[1]
            if kind != b"$":
                return
            if value and int(value) > self.history[-1][1]:
                self.history.append((time.time(), int(value)))

    def seen(self, cut):
        return max(count for at, count in self.history if at <= cut)


def rewrite(port, ended, chance, words):
    conn = Conn(port)
    while not ended.wait(chance.uniform(0.02, 0.3)):
        conn.ask(*chance.choice(words))
    conn.close()


KINDS = {
    "always": (["--appendonly", "yes", "--appendfsync", "always"], None, [["BGREWRITEAOF"], ["BGSAVE"]]),
    "everysec": (["--appendonly", "yes", "--appendfsync", "everysec"], ["WAITAOF", 1, 0, 0], [["BGREWRITEAOF"]]),
    "save": (["--appendonly", "no"], ["SAVE"], [["BGSAVE"]]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_loss_of_power_costs_nothing_that_was_confirmed(tmp_path, kind):
    options, asks, others = KINDS[kind]
    chance = random.Random(f"{SEED}:{kind}")
    folder, trace = tmp_path / "recorded", str(tmp_path / "trace")
    node = Node(folder, *options, trace=trace)
    writers = [Confirming(index, SEED, asks) for index in range(3)]
    ended = threading.Event()
    other = threading.Thread(target=rewrite, args=(node.port, ended, random.Random(SEED), others))
    other.start()
    for writer in writers:
        writer.start(node.port, 6)
    # Under `always` nobody sees what a loss of power takes back.
    readers = [Reader(writer, node.port) for writer in writers if kind == "always"]
    time.sleep(SECONDS)
    wait_for(lambda: all(writer.history for writer in writers), 60, "all have something confirmed")
    node.kill()
    ended.set()
    other.join()
    for writer in writers:
        writer.join()
        assert not writer.refused, writer.refused
    for reader in readers:
        reader.thread.join()
    record = power.Record(trace, folder)
    asked = [writer.asked for writer in writers]
    port, most = free_ports(1), 0
    for index in range(CUTS):
        cut = record.moment(chance)
        target = tmp_path / "left"
        record.leave(cut, chance, target)
        node = Node(target, *options, port=port)
        for writer, limit in zip(writers, asked):
            writer.asked = limit
            least = writer.least(cut)
            most = max(most, least)
            found = writer.check(node.port, least)
            for reader in readers:
                assert reader.writer is not writer or found >= reader.seen(cut), (found, reader.seen(cut))
        node.end()
    looks = sum(len(reader.history) for reader in readers)
    print(f"{kind}: {CUTS} cuts through {record.end - record.begin:.1f} s, {len(record.names)} names, up to {most} steps confirmed, "
          f"{looks} looks")
    assert most > 0


def test_a_manifest_names_only_files_that_are_durable(tmp_path):
    """Whenever a list of files takes its place, the name of each of them was synced before."""
    folder, trace = tmp_path / "recorded", str(tmp_path / "trace")
    node = Node(folder, *KINDS["always"][0], trace=trace)
    conn = Conn(node.port)
    on = lambda: b"aof_rewrite_in_progress:0" in conn.value("INFO", "persistence")
    for words in (["BGREWRITEAOF"], ["CONFIG", "SET", "appendonly", "no"], ["CONFIG", "SET", "appendonly", "yes"], ["BGREWRITEAOF"]):
        assert conn.ask("SET", "a", words[0])[0].startswith(b"+OK")
        conn.ask(*words)
        wait_for(on, 30, "it is rewritten")
    conn.close()
    node.kill()
    record = power.Record(trace, folder)
    lists = [(op, change[3]) for op, _, change in record.names if change[0] == "rename" and change[2].endswith(b".manifest")]
    assert len(lists) > 4
    for op, file in lists:
        durable = max(start for path, start, end in record.directory_syncs if path.endswith(b"dir") and end <= op.start)
        made = {change[2] if change[0] == "rename" else change[1] for made, _, change in record.names if made.end <= durable}
        made = {os.path.basename(name).decode() for name in made}
        content = power.apply([change for change in file.changes if change[0] < op.start]).decode()
        named = [line.split()[1] for line in content.splitlines() if not line.endswith("type h")]
        assert named and set(named) <= made, (named, made)


def test_a_primary_that_comes_back_with_less_costs_nothing(tmp_path):
    """The replica keeps what it has, whatever a loss of power has left of its primary."""
    chance = random.Random(f"{SEED}:lineage")
    folder, trace = tmp_path / "recorded", str(tmp_path / "trace")
    options = ["--repl-diskless-sync-delay", "0", "--save", "1 1", "--repl-timeout", "5"]
    primary = Node(folder, *options, trace=trace)
    replica = Node(tmp_path / "replica", *options, "--replicaof", f"127.0.0.1 {primary.port}")

    def replication(name):
        text = Conn(replica.port).value("INFO", "replication").decode()
        return next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith(name + ":")), None)

    wait_for(lambda: replication("master_link_status") == "up", 30, "in step")
    writer = Confirming(0, SEED, ["WAIT", 1, 0])
    writer.start(primary.port, 6)
    time.sleep(SECONDS)
    wait_for(lambda: len(writer.history) > 3, 60, "something is confirmed")
    persistence = Conn(primary.port)
    wait_for(lambda: b"rdb_saves:0" not in persistence.value("INFO", "persistence"), 60, "something is saved")
    primary.kill()
    writer.join()
    record = power.Record(trace, folder)
    refused = 0
    for index in range(max(3, CUTS // 5)):
        target = tmp_path / "left"
        # The first comes back with nothing at all.
        record.leave(record.moment(chance) if index else record.begin, chance, target)
        back = Node(target, *options, port=primary.port)
        wait_for(lambda: replication("master_full_sync_refused") or replication("master_link_status") == "up", 30, "it is seen")
        refused += replication("master_full_sync_refused") is not None
        limit = writer.asked
        assert writer.check(replica.port, writer.history[-1][1]) > 0
        writer.asked = limit
        back.end()
        wait_for(lambda: replication("master_link_status") == "down", 30, "it is gone")
        time.sleep(0.1)
    replica.end()
    print(f"lineage: {index + 1} returns, {refused} refused, {writer.done} steps kept")
    assert refused > 0


def vars_of(folder):
    """The line of nodes.conf that holds the promises."""
    for line in open(os.path.join(folder, "nodes.conf")).read().splitlines():
        if line.startswith("vars "):
            words = line.split()[1:]
            return {name: int(value) for name, value in zip(words[::2], words[1::2])}
    raise AssertionError("no vars in nodes.conf")


VOTE = 6


def test_a_vote_is_on_disk_before_anyone_hears_of_it(tmp_path):
    """Manual failovers, there and back; one voter is recorded. Behind each of its votes it may lose its power."""
    chance = random.Random(f"{SEED}:votes")
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "5000", "--repl-diskless-sync-delay", "0"]
    folder, trace = tmp_path / "voter", str(tmp_path / "trace")
    voter = Node(folder, *options, trace=trace, more=",sendto,sendmsg")
    others = [Node(tmp_path / f"other{index}", *options) for index in range(3)]
    nodes = [voter, *others]
    for index, node in enumerate(nodes[:3]):
        first = index * 5461
        assert Conn(node.port).value("CLUSTER", "ADDSLOTSRANGE", first, 16383 if index == 2 else first + 5460) == b"OK"
        Conn(node.port).value("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
    for node in nodes[1:]:
        assert Conn(voter.port).value("CLUSTER", "MEET", "127.0.0.1", node.port) == b"OK"
    everybody = lambda: all(f"cluster_known_nodes:{len(nodes)}" in Conn(node.port).value("CLUSTER", "INFO").decode()
                            and "cluster_state:ok" in Conn(node.port).value("CLUSTER", "INFO").decode() for node in nodes)
    wait_for(everybody, 30, "all know all")
    one, other = nodes[2:]
    assert Conn(other.port).value("CLUSTER", "REPLICATE", Conn(one.port).value("CLUSTER", "MYID")) == b"OK"
    rounds = max(2, CUTS // 8)
    for _ in range(rounds):
        wait_for(lambda: b"master_link_status:up" in Conn(other.port).value("INFO", "replication"), 30, "in step")
        wait_for(lambda: Conn(other.port).value("CLUSTER", "FAILOVER") == b"OK", 10, "it begins")
        wait_for(lambda: b"role:master" in Conn(other.port).value("INFO", "replication"), 30, "it has taken over")
        wait_for(lambda: b"role:slave" in Conn(one.port).value("INFO", "replication"), 30, "the other follows")
        one, other = other, one
    voter.kill()
    for node in others:
        node.end()
    votes = []

    def on_send(op):
        for data in op.texts():
            at = data.find(b"RCmb")
            while at >= 0:
                if int.from_bytes(data[at + 12:at + 14], "big") == VOTE:
                    votes.append((op.start, int.from_bytes(data[at + 16:at + 24], "big")))
                at = data.find(b"RCmb", at + 4)

    record = power.Record(trace, folder, on_send)
    # Two of three are a majority: not each takeover needs this one.
    assert votes
    for at, epoch in votes:
        for _ in range(10):
            record.leave(at, chance, tmp_path / "left")
            found = vars_of(tmp_path / "left")
            assert found["lastVoteEpoch"] >= epoch and found["currentEpoch"] >= epoch, (found, epoch)
    print(f"votes: {len(votes)} votes, each with 10 losses of power right behind it")


def test_a_cluster_configuration_that_was_saved_is_there(tmp_path):
    chance = random.Random(f"{SEED}:nodes")
    folder, trace = tmp_path / "recorded", str(tmp_path / "trace")
    options = ["--cluster-enabled", "yes"]
    node = Node(folder, *options, trace=trace)
    conn, history = Conn(node.port), []
    myself = conn.value("CLUSTER", "MYID")
    history.append((time.time(), 0))
    for index in range(1, 60):
        assert conn.value("CLUSTER", "ADDSLOTS", index - 1) == b"OK"
        if index % 3 == 0:
            assert conn.value("CLUSTER", "SAVECONFIG") == b"OK"
            history.append((time.time(), index))
    node.kill()
    record = power.Record(trace, folder)
    port = free_ports(1)
    for _ in range(CUTS):
        cut = record.moment(chance)
        record.leave(cut, chance, tmp_path / "left")
        least = max((count for at, count in history if at <= cut), default=None)
        node = Node(tmp_path / "left", *options, port=port)
        conn = Conn(node.port)
        if least is not None:
            assert conn.value("CLUSTER", "MYID") == myself
            slots = conn.value("CLUSTER", "SLOTS")
            assert sum(part[1] - part[0] + 1 for part in slots) >= least, (slots, least)
        node.end()
