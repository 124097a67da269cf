"""The usual tutorial, under the original names: six configuration files, six `redis-server NNNN.conf`, then one cluster of them, by
redis-trib.rb and by hand; and on three hosts (network namespaces) with two nodes each."""
import os
import shutil
import signal
import subprocess

import pytest
from conftest import REDAN, free_ports, wait_for

CONFIGURATION = """\
port {port}
bind {bind}
daemonize yes
pidfile {dir}/{port}/redis_{port}.pid
logfile {dir}/{port}/redis_{port}.log
dir {dir}/{port}
dbfilename dump_{port}.rdb
cluster-enabled yes
cluster-config-file nodes_{port}.conf
cluster-node-timeout 5000
"""


class Tutorial:
    """The files, and the programs under their original names."""

    def __init__(self, directory, first_port, hosts):
        self.dir = str(directory)
        self.bin = os.path.join(self.dir, "bin")
        os.makedirs(self.bin)
        subprocess.run([REDAN, "links", self.bin], check=True, capture_output=True)
        self.nodes = [(host, first_port + index, space) for index, (host, space) in enumerate(hosts)]
        for host, port, space in self.nodes:
            os.makedirs(os.path.join(self.dir, str(port)))
            with open(os.path.join(self.dir, f"{port}.conf"), "w", encoding="utf8") as file:
                file.write(CONFIGURATION.format(port=port, bind=host, dir=self.dir))
                # Without a password, since Redis 6.2 other hosts are refused even where `bind` is set.
                file.write("protected-mode no\n" if space else "")

    def run(self, name, *words, space=None, answers="", check=True):
        """Runs a program by its original name, in a network namespace if one is given."""
        within = ["ip", "netns", "exec", space] if space else []
        run = subprocess.run([*within, os.path.join(self.bin, name), *map(str, words)], input=answers, cwd=self.dir,
                             capture_output=True, text=True, timeout=90, check=False, env={**os.environ, "TERM": "dumb"})
        if check:
            assert run.returncode == 0, f"{name} {words}: {run.stdout}{run.stderr}"
        return run.stdout

    def start(self):
        for host, port, space in self.nodes:
            # It returns when the server is in the background.
            self.run("redis-server", f"{port}.conf", space=space)
        for index, (_, port, _) in enumerate(self.nodes):
            wait_for(lambda index=index: self.cli(index, "ping", check=False).strip() == "PONG", 20, f"{port} answers")
            pid = self.pid(port)
            assert os.path.exists(f"/proc/{pid}")
            assert os.path.getsize(os.path.join(self.dir, str(port), f"redis_{port}.log")) > 0

    def pid(self, port):
        with open(os.path.join(self.dir, str(port), f"redis_{port}.pid"), encoding="utf8") as file:
            return int(file.read())

    def cli(self, index, *words, check=True):
        host, port, space = self.nodes[index]
        return self.run("redis-cli", "-h", host, "-p", port, *words, space=space, check=check)

    def wait_ok(self):
        for index in range(len(self.nodes)):
            wait_for(lambda index=index: "cluster_state:ok" in self.cli(index, "cluster", "info"), 30, "the cluster is ok")

    def use(self):
        """The client follows the cluster from any node."""
        for number in range(20):
            assert self.cli(number % 6, "-c", "set", f"name{number}", number).strip() == "OK"
        assert [self.cli((number + 1) % 6, "-c", "get", f"name{number}").strip() for number in range(20)] == [
            str(number) for number in range(20)]

    def stop(self):
        for _, port, _ in self.nodes:
            try:
                os.kill(self.pid(port), signal.SIGKILL)
            except (OSError, ValueError):
                pass


@pytest.fixture
def tutorial(tmp_path):
    made = []

    def make(hosts=(("127.0.0.1", None),) * 6, first_port=None):
        made.append(Tutorial(tmp_path / f"redis-cluster{len(made)}", first_port or free_ports(6), hosts))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.stop()


def test_six_files_and_redis_trib(tutorial):
    nodes = tutorial()
    addresses = [f"{host}:{port}" for host, port, _ in nodes.nodes]
    assert "CLUSTERDOWN" in nodes.cli(0, "set", "name", "1")
    told = nodes.run("redis-trib.rb", "create", "--replicas", 1, *addresses, answers="yes\n")
    assert told.startswith(">>> Creating cluster\n")
    assert "[OK] All nodes agree about slots configuration." in told and "[OK] All 16384 slots covered." in told
    nodes.wait_ok()
    nodes.use()
    assert "[OK] All 16384 slots covered." in nodes.run("redis-trib.rb", "check", addresses[3])
    assert "[OK] 20 keys in 3 masters." in nodes.run("redis-trib.rb", "info", addresses[5])

    # Back to six single nodes, and once more.
    for index in range(6):
        nodes.cli(index, "flushall", check=False)
    for index in range(6):
        assert nodes.cli(index, "cluster", "reset").strip() == "OK"
    for index in range(6):
        wait_for(lambda index=index: nodes.cli(index, "dbsize").strip() == "0", 10, "the node is empty")
    told = nodes.run("redis-cli", "--cluster", "create", *addresses, "--cluster-replicas", 1, answers="yes\n")
    assert "[OK] All 16384 slots covered." in told
    nodes.wait_ok()
    nodes.use()


def test_six_files_and_by_hand(tutorial):
    nodes = tutorial()
    _, first, _ = nodes.nodes[0]
    for host, port, _ in nodes.nodes[1:]:
        assert nodes.cli(0, "cluster", "meet", host, port).strip() == "OK"
    for index in range(6):
        wait_for(lambda index=index: len(nodes.cli(index, "cluster", "nodes").splitlines()) == 6, 20, "all have met")
    # Before the slots are assigned.
    assert "cluster_state:fail" in nodes.cli(0, "cluster", "info")
    assert "CLUSTERDOWN Hash slot not served" in nodes.cli(0, "set", "name", "1")
    # As the shell expands {0..5460}.
    for index, (low, high) in enumerate(((0, 5460), (5461, 10922), (10923, 16383))):
        assert nodes.cli(index, "cluster", "addslots", *range(low, high + 1)).strip() == "OK"
    nodes.wait_ok()
    for index in range(3):
        primary = nodes.cli(index, "cluster", "myid").strip()
        assert nodes.cli(index + 3, "cluster", "replicate", primary).strip() == "OK"
    for index in range(3, 6):
        wait_for(lambda index=index: "master_link_status:up" in nodes.cli(index, "info", "replication"), 20, "replicas are in sync")
    nodes.use()
    assert "[OK] All 16384 slots covered." in nodes.run("redis-cli", "--cluster", "check", f"127.0.0.1:{first}")


@pytest.fixture
def spaces():
    """Three hosts on one network."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("network namespaces need root and iproute2")
    tag = f"rd{os.getpid() % 10000}"
    bridge, names = f"{tag}b", [f"{tag}h{index}" for index in range(3)]

    def ip(*words, check=True):
        return subprocess.run(["ip", *words], capture_output=True, text=True, check=check)

    try:
        if ip("link", "add", bridge, "type", "bridge", check=False).returncode != 0:
            pytest.skip("this kernel makes no bridges")
        ip("link", "set", bridge, "up")
        for index, name in enumerate(names):
            ip("netns", "add", name)
            ip("link", "add", f"{tag}v{index}", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", f"{tag}v{index}", "master", bridge, "up")
            ip("-n", name, "addr", "add", f"10.99.0.{index + 1}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for index, name in enumerate(names):
            ip("netns", "del", name, check=False)
            ip("link", "del", f"{tag}v{index}", check=False)
        ip("link", "del", bridge, check=False)


def test_three_hosts_with_two_nodes_each(tutorial, spaces):
    hosts = [(f"10.99.0.{index + 1}", spaces[index]) for index in range(3) for _ in range(2)]
    nodes = tutorial(hosts)
    addresses = [f"{host}:{port}" for host, port, _ in nodes.nodes]
    told = nodes.run("redis-trib.rb", "create", "--replicas", 1, *addresses, space=spaces[0], answers="yes\n")
    assert "[OK] All 16384 slots covered." in told
    nodes.wait_ok()
    nodes.use()
    # Every replica stands on another host than its primary.
    def view():
        return [line.split(" ") for line in nodes.cli(0, "cluster", "nodes").splitlines()]
    wait_for(lambda: len([line for line in view() if line[3] != "-"]) == 3, 20, "three replicas are known")
    host_of = {line[0]: line[1].split(":")[0] for line in view()}
    replicas = [line for line in view() if line[3] != "-"]
    assert all(host_of[line[0]] != host_of[line[3]] for line in replicas)
    assert len({host_of[line[0]] for line in replicas}) == 3
