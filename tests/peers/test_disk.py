"""Trouble with the disk: saves fail and say so, reads go on, old files stay in force, and all is well again without a
restart when the trouble ends. The first test needs a limit of the process alone, the others root and a mount of their own."""
import os
import resource
import shutil
import subprocess
import time

import pytest
from conftest import REDAN, free_ports, wait_for
from exchange import Conn

FILLER = "x" * 1000


class Node:
    """A server that may live in a mount namespace of its own, with a small file system as its directory."""

    def __init__(self, folder, *arguments, size=None):
        self.port = free_ports(1)
        self.folder = str(folder)
        self.out = open(os.path.join(self.folder, "..", f"out-{self.port}"), "ab")
        command = [REDAN, "server", "--port", str(self.port), "--dir", self.folder, "--save", "3600 1000000", *arguments]
        if size:
            mount = f'mount -t tmpfs -o size={size} none "{self.folder}" && exec "$@"'
            command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount, "sh", *command]
        self.process = subprocess.Popen(command, stdout=self.out, stderr=self.out)
        wait_for(lambda: Conn(self.port).ask("PING")[0] == b"+PONG\r\n", 10, "it answers")
        self.conn = Conn(self.port)

    def path(self, name):
        """A file as the server sees it."""
        return f"/proc/{self.process.pid}/root{self.folder}/{name}"

    def ask(self, *words):
        return self.conn.ask(*words)[0]

    def status(self):
        text = self.ask("INFO", "persistence").decode()
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        return fields["rdb_bgsave_in_progress"] == "0" and fields["rdb_last_bgsave_status"]

    def bgsave(self, status):
        assert self.ask("BGSAVE").startswith(b"+Background saving started")
        wait_for(lambda: self.status() == status, 10, f"a save that ends {status}")

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.out.close()


@pytest.fixture
def node(tmp_path):
    nodes = []

    def start(*arguments, size=None):
        folder = tmp_path / f"data{len(nodes)}"
        folder.mkdir()
        nodes.append(Node(folder, *arguments, size=size))
        return nodes[-1]

    yield start
    for each in nodes:
        each.stop()


def can_mount():
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("nsenter"):
        return False
    probe = ["unshare", "--mount", "--propagation", "private", "sh", "-c", "mount -t tmpfs none /mnt"]
    return subprocess.run(probe, capture_output=True).returncode == 0


needs_mount = pytest.mark.skipif(not can_mount(), reason="needs root and mounts")


def check_trouble(server, begin, end):
    """Saves, has the trouble, is refused, reads, and writes again after the trouble's end."""
    assert server.ask("SET", "a", "1") == b"+OK\r\n"
    server.bgsave("ok")
    before = open(server.path("dump.rdb"), "rb").read()
    for index in range(300):
        assert server.ask("SET", f"key:{index}", FILLER + str(index)) == b"+OK\r\n"
    begin()
    server.bgsave("err")
    assert server.ask("SET", "a", "2").startswith(b"-MISCONF Redis is configured to save RDB snapshots")
    assert server.ask("GET", "a") == b"$1\r\n1\r\n"
    assert open(server.path("dump.rdb"), "rb").read() == before
    assert server.process.poll() is None
    end()
    server.bgsave("ok")
    assert server.ask("SET", "a", "2") == b"+OK\r\n"
    assert open(server.path("dump.rdb"), "rb").read() != before
    assert sorted(name for name in os.listdir(server.path(".")) if name.startswith("temp")) == []


def limit(server, length):
    _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (length, hard))


def test_a_file_that_may_not_grow(node):
    server = node("--rdbcompression", "no")
    check_trouble(server, lambda: limit(server, 64 << 10), lambda: limit(server, resource.RLIM_INFINITY))


def test_the_cluster_configuration_can_not_be_saved(node):
    server = node("--cluster-enabled", "yes")
    name = "nodes.conf"
    assert server.ask("CLUSTER", "ADDSLOTSRANGE", "0", "100") == b"+OK\r\n"
    wait_for(lambda: b" 0-100\n" in open(server.path(name), "rb").read(), 10, "the slots are in the file")
    before = open(server.path(name), "rb").read()
    limit(server, 0)
    server.ask("CLUSTER", "ADDSLOTSRANGE", "200", "300")
    time.sleep(0.3)
    assert server.process.poll() is None and server.ask("PING") == b"+PONG\r\n"
    assert open(server.path(name), "rb").read() == before
    limit(server, resource.RLIM_INFINITY)

    def is_saved():
        server.ask("CLUSTER", "SAVECONFIG")
        return b" 200-300" in open(server.path(name), "rb").read()

    wait_for(is_saved, 10, "the new slots are in the file")


@needs_mount
def test_a_full_disk(node):
    server = node("--rdbcompression", "no", size="1m")
    ballast = server.path("ballast")

    def fill():
        with open(ballast, "wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)) == 4096:
                    pass
            except OSError:
                pass

    check_trouble(server, fill, lambda: os.unlink(ballast))


@needs_mount
def test_a_file_system_that_is_read_only(node):
    server = node(size="4m")

    def remount(how):
        subprocess.run(["nsenter", "--target", str(server.process.pid), "--mount", "mount", "-o", f"remount,{how}",
                        server.folder], check=True)

    check_trouble(server, lambda: remount("ro"), lambda: remount("rw"))
