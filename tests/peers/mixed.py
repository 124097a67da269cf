"""A cluster of several products, a load on it, and what must be true after each failover."""
import subprocess
import threading
import time

import redis
from conftest import REDAN, REDIS, Server, free_ports, valkey_server, wait_for
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.retry import Retry

COMMANDS = {"redan": [REDAN, "server"], "redis": [REDIS], "valkey": [valkey_server()]}
SLOTS = 16384
NODE_TIMEOUT_MS = 2000
# Four node timeouts, and the time that an election takes.
REDIS_ELECTION_PAUSE = 4 * NODE_TIMEOUT_MS / 1000 + 4
# CI machines stand still for seconds; the figures that are printed tell what is usual.
PATIENCE = 60


def cli(port, *words):
    """The real redis-cli: its exit code and all that it says."""
    run = subprocess.run(["redis-cli", "-p", str(port), *words], capture_output=True, text=True, timeout=120)
    return run.returncode, run.stdout + run.stderr


def tag_of(slot):
    """A short text whose slot it is."""
    return next(f"t{number}" for number in range(1_000_000) if key_slot(f"t{number}".encode()) == slot)


class Node(Server):
    """A cluster node of any product."""

    def __init__(self, kind, directory, *options):
        self.kind = kind
        super().__init__(
            COMMANDS[kind], directory, "--cluster-enabled", "yes", "--cluster-node-timeout", NODE_TIMEOUT_MS,
            "--repl-diskless-sync-delay", "0", "--save", "", *options, port=free_ports(1))
        self.id = self.client().execute_command("cluster", "myid")

    def __repr__(self):
        return f"{self.kind}:{self.port}"

    @property
    def is_running(self):
        return self.process.poll() is None

    def role(self):
        return self.info("replication")["role"]

    def offset(self):
        facts = self.info("replication")
        return facts["master_repl_offset"] if facts["role"] == "master" else facts["slave_repl_offset"]

    def view(self):
        """The cluster as this node sees it: what must be equal on all nodes, and what must not be there."""
        nodes, ills = [], []
        for line in self.nodes_lines():
            id_, address, flags, primary, _, _, epoch, link, *slots = line.split(" ")
            flags = flags.split(",")
            role = "master" if "master" in flags else "slave"
            slots = [slot for slot in slots if not slot.startswith("[")]
            nodes.append((id_, address.split(",")[0], role, primary, int(epoch), tuple(slots)))
            bad = {"handshake", "fail", "fail?", "noaddr", "nofailover"} & set(flags)
            if bad or link != "connected":
                ills.append((address, sorted(bad), link))
        return tuple(sorted(nodes)), ills

    def nodes_lines(self):
        client = self.client()
        # The client would take the lines apart in its own way.
        client.response_callbacks.clear()
        return client.execute_command("cluster", "nodes").strip().splitlines()

    def syncs(self):
        """Full and partial synchronisations that this node has served."""
        stats = self.info("stats")
        return stats["sync_full"], stats["sync_partial_ok"]


class Mixed:
    """A running cluster; shard `i` is `nodes[i]`, `nodes[i + shards]` and so on."""

    def __init__(self, directory, primaries, replicas, *options):
        """`primaries` and `replicas`: kinds. Replica `i` belongs to primary `i % len(primaries)`."""
        self.nodes, self.shards = [], len(primaries)
        self.led_at = {}
        try:
            for index, kind in enumerate([*primaries, *replicas]):
                self.nodes.append(Node(kind, f"{directory}/{index}-{kind}", *options))
            self.form()
        except BaseException:
            self.stop()
            raise

    def form(self):
        primaries = self.nodes[:self.shards]
        for index, node in enumerate(primaries):
            client = node.client()
            client.execute_command("cluster", "set-config-epoch", index + 1)
            first, after = SLOTS * index // self.shards, SLOTS * (index + 1) // self.shards
            client.execute_command("cluster", "addslotsrange", first, after - 1)
        for node in self.nodes[1:]:
            node.client().execute_command("cluster", "meet", "127.0.0.1", self.nodes[0].port)
        wait_for(lambda: all(len(node.view()[0]) == len(self.nodes) and not node.view()[1] for node in self.nodes),
                 PATIENCE, "all have met")
        for index, node in enumerate(self.nodes[self.shards:]):
            primary = primaries[index % self.shards]
            wait_for(lambda: node.client().execute_command("cluster", "replicate", primary.id), 10, "replicate")
        self.wait_whole()

    def shard(self, index):
        return self.nodes[index::self.shards]

    def primary(self, shard):
        """The node that leads; none for as long as nobody does."""
        return next((node for node in self.shard(shard) if node.is_running and node.role() == "master"), None)

    def replicas(self, shard):
        return [node for node in self.shard(shard) if node.is_running and node.role() == "slave"]

    def slot(self, shard):
        """A slot of the shard."""
        return SLOTS * shard // self.shards + 7

    def whole(self):
        """Nothing when all is well: one view, nobody stuck, all replicas in sync. Else the first that is not."""
        running = [node for node in self.nodes if node.is_running]
        views = {node: node.view() for node in running}
        for node, (_, ills) in views.items():
            if ills:
                return f"{node} sees {ills}"
        if len({view for view, _ in views.values()}) != 1:
            return f"the views differ: {views}"
        for node in running:
            if node.client().cluster("info")["cluster_state"] != "ok":
                return f"{node}: cluster_state is not ok"
            facts = node.info("replication")
            if facts["role"] == "slave" and facts["master_link_status"] != "up":
                return f"{node} has no link"
        for shard in range(self.shards):
            primary = self.primary(shard)
            if primary is None:
                return f"nobody leads shard {shard}"
            for replica in self.replicas(shard):
                if replica.info("replication")["master_port"] != primary.port:
                    return f"{replica} follows another than {primary}"
        return None

    def wait_whole(self, seconds=PATIENCE):
        """The time that it took."""
        started, last = time.time(), None
        while time.time() - started < seconds:
            try:
                last = self.whole()
                if last is None:
                    return time.time() - started
            except (redis.RedisError, OSError) as error:
                last = repr(error)
            time.sleep(0.05)
        raise AssertionError(f"not one whole cluster within {seconds} s: {last}")

    def check(self):
        """The real tool is content, asked at a node of each product."""
        for node in {node.kind: node for node in self.nodes if node.is_running}.values():
            code, text = cli(node.port, "--cluster", "check", f"127.0.0.1:{node.port}")
            assert code == 0, text
            assert "[OK] All nodes agree about slots configuration." in text, text
            assert "[OK] All 16384 slots covered." in text, text
            assert "[ERR]" not in text and "[WARNING]" not in text, text

    def rest(self, node):
        """Call before `node` shall lead. Redis 7.0 counts the votes of its last election again when it is asked to
        stand for another within this time, and takes the slots under its old epoch: the cluster puts it right, and
        the failover has failed. It does so among its own kind as well."""
        pause = REDIS_ELECTION_PAUSE if node.kind == "redis" else 0
        time.sleep(max(0.0, self.led_at.get(node, 0) + pause - time.time()))
        self.led_at[node] = time.time()

    def equal_offsets(self, shard):
        """Waits until all replicas of a shard are where its primary is."""
        wait_for(lambda: len({node.offset() for node in self.shard(shard) if node.is_running}) == 1, PATIENCE,
                 f"equal offsets in shard {shard}")

    def stop(self):
        for node in self.nodes:
            node.stop()


class Load:
    """Writes keys of one slot without a pause and remembers which writes were acknowledged, and when.

    It follows redirections itself and repeats nothing: an error is an answer that the writer does not trust, so
    the key is written again under the next number.
    """

    def __init__(self, cluster, shard, name="0"):
        self.cluster, self.name, self.tag = cluster, name, tag_of(cluster.slot(shard))
        self.acknowledged, self.errors = [], []
        self.at, self.index, self.stopping = None, 0, False
        self.may_run, self.is_idle = threading.Event(), threading.Event()
        self.may_run.set()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        client = None
        while not self.stopping:
            if not self.may_run.is_set():
                self.is_idle.set()
                self.may_run.wait(1)
                continue
            self.index += 1
            try:
                client = client or self.find()
                client.set(self.key(self.index), self.index)
                self.acknowledged.append((time.time(), self.index))
            except redis.exceptions.MovedError as moved:
                client = self.connect(moved.port)
            except (redis.RedisError, OSError) as error:
                self.errors.append((time.time(), repr(error)))
                client = None
                time.sleep(0.005)
        self.is_idle.set()

    def key(self, number):
        return f"{{{self.tag}}}:{self.name}:{number}"

    def find(self):
        for node in self.cluster.nodes:
            client = self.connect(node.port)
            try:
                client.get(self.key(0))
                return client
            except redis.exceptions.MovedError as moved:
                return self.connect(moved.port)
            except (redis.RedisError, OSError):
                continue
        raise redis.ConnectionError("no node serves the slot")

    @staticmethod
    def connect(port):
        return redis.Redis(port=port, socket_timeout=0.5, socket_connect_timeout=0.5, decode_responses=True,
                           retry=Retry(NoBackoff(), 0))

    def pause(self):
        """No write is under way when it returns."""
        self.is_idle.clear()
        self.may_run.clear()
        assert self.is_idle.wait(30)

    def resume(self):
        self.may_run.set()

    def count(self):
        return len(self.acknowledged)

    def wait_written(self, more=100):
        """Waits until the load has had so many more acknowledgements."""
        target = self.count() + more
        wait_for(lambda: self.count() >= target, PATIENCE, f"the load runs; errors: {self.errors[-3:]}")

    def gap_after(self, moment):
        """The longest time without an acknowledged write since `moment`."""
        times = [moment, *(at for at, _ in self.acknowledged if at > moment)]
        return max((after - before for before, after in zip(times, times[1:])), default=0.0)

    def lost(self, node):
        """Acknowledged writes that a node does not have."""
        client, found = node.client(), []
        numbers = [number for _, number in self.acknowledged]
        for first in range(0, len(numbers), 1000):
            some = numbers[first:first + 1000]
            pipe = client.pipeline(transaction=False)
            for number in some:
                pipe.get(self.key(number))
            found += [number for number, value in zip(some, pipe.execute()) if value != str(number)]
        return found

    def stop(self):
        self.stopping = True
        self.may_run.set()
        self.thread.join()
