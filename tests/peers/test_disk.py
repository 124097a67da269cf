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


def can_inject():
    words = ["strace", "-o", "/dev/null", "-e", "inject=close:delay_enter=1", "true"]
    return shutil.which("strace") and subprocess.run(words, capture_output=True).returncode == 0


needs_strace = pytest.mark.skipif(not can_inject(), reason="needs strace")
LOG = ("--appendonly", "yes", "--appendfsync")


class Trouble:
    """The disk's calls of a running server fail, or take long, until it is ended. strace does it from outside."""

    def __init__(self, server, calls, fault):
        words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={calls}:{fault}"]
        # Writes go to sockets, too: only those to the files are meant, with those that a rewrite would make.
        if calls == "write":
            folder, pid = os.path.join(server.folder, "appendonlydir"), server.process.pid
            names = [f"appendonly.aof.{number}.{kind}" for number in range(1, 30) for kind in ("incr.aof", "base.rdb", "incr.aof.tmp")]
            paths = [os.path.join(folder, name) for name in (*names, "appendonly.aof.manifest.tmp")]
            words += [part for path in (*paths, os.path.join(server.folder, f"temp-rewriteaof-bg-{pid}.aof")) for part in ("-P", path)]
        self.process = subprocess.Popen([*words, "-p", str(server.process.pid)], stderr=subprocess.DEVNULL)
        status = f"/proc/{server.process.pid}/task"
        wait_for(lambda: all("TracerPid:\t0\n" not in open(f"{status}/{task}/status").read() for task in os.listdir(status)),
                 20, "strace holds all threads")

    def end(self):
        self.process.terminate()
        self.process.wait(20)


def persistence(server):
    text = server.ask("INFO", "persistence").decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def acknowledged(server, start):
    """Writes numbers one by one until a write is refused or stays unanswered; the last that was acknowledged."""
    conn, number, last = Conn(server.port), start, start
    conn.socket.settimeout(3)
    for number in range(start + 1, start + 40):
        reply = conn.ask("SET", "number", number)[0]
        if reply != b"+OK\r\n":
            break
        last = number
        time.sleep(0.02)
    conn.close()
    return last, number


def takes_writes(server):
    conn = Conn(server.port)
    conn.socket.settimeout(2)
    reply = conn.ask("SET", "again", 1)[0]
    conn.close()
    return reply == b"+OK\r\n"


def comes_back_with(server, least, most, options):
    """Killed and started again, the server has what it acknowledged."""
    server.process.kill()
    server.process.wait()
    again = Node(server.folder, *options)
    try:
        assert least <= int(Conn(again.port).value("GET", "number")) <= most
    finally:
        again.stop()


@needs_strace
@pytest.mark.parametrize("fsync", ["always", "everysec"])
@pytest.mark.parametrize("calls", ["fdatasync,fsync", "write"])
def test_a_log_on_a_disk_with_errors(node, calls, fsync):
    """EIO: writes are refused, reads go on, nothing that was acknowledged is lost, and all ends with the trouble."""
    server = node(*LOG, fsync)
    assert server.ask("SET", "number", 0) == b"+OK\r\n"
    before, _ = acknowledged(server, 0)
    trouble = Trouble(server, calls, "error=EIO")
    try:
        last, asked = acknowledged(server, before)
        time.sleep(1.2)
        assert Conn(server.port).ask("SET", "other", 1)[0].startswith(b"-MISCONF Errors writing to the AOF file")
        assert int(Conn(server.port).value("GET", "number")) >= last
        assert persistence(server)["aof_last_write_status"] == "err"
        assert server.process.poll() is None
    finally:
        trouble.end()
    wait_for(lambda: takes_writes(server), 20, "it takes writes again")
    wait_for(lambda: persistence(server)["aof_last_write_status"] == "ok", 20, "it says so")
    end, most = acknowledged(server, max(asked, last))
    assert end > asked
    comes_back_with(server, end, most, (*LOG, fsync))


@needs_strace
def test_a_rewrite_that_fails_leaves_the_old_files(node):
    server = node(*LOG, "always")
    for index in range(50):
        assert server.ask("SET", f"key:{index}", FILLER) == b"+OK\r\n"
    folder = server.path("appendonlydir")
    manifest = open(os.path.join(folder, "appendonly.aof.manifest")).read()
    trouble = Trouble(server, "rename", "error=EIO")
    try:
        assert server.ask("BGREWRITEAOF").startswith(b"+Background append only file rewriting")
        wait_for(lambda: persistence(server)["aof_last_bgrewrite_status"] == "err", 20, "the rewrite has failed")
        assert open(os.path.join(folder, "appendonly.aof.manifest")).read() == manifest
        assert server.ask("SET", "number", 5) == b"+OK\r\n"
    finally:
        trouble.end()
    assert server.ask("BGREWRITEAOF").startswith(b"+Background append only file rewriting")
    wait_for(lambda: persistence(server)["aof_last_bgrewrite_status"] == "ok"
             and persistence(server)["aof_rewrite_in_progress"] == "0", 20, "the next one is well")
    assert open(os.path.join(folder, "appendonly.aof.manifest")).read() != manifest
    comes_back_with(server, 5, 5, (*LOG, "always"))


@needs_strace
@pytest.mark.parametrize("fsync", ["always", "everysec"])
def test_a_slow_sync_holds_nobody_who_does_not_wait_for_it(node, fsync):
    """3 s for a sync: under `everysec` nobody notices. Under `always`, where replies wait for it, one serves many writes."""
    server = node(*LOG, fsync)
    assert server.ask("SET", "number", 0) == b"+OK\r\n"
    trouble = Trouble(server, "fdatasync", f"delay_enter={3_000_000 if fsync == 'everysec' else 400_000}")
    try:
        ended, slowest = time.time() + (4 if fsync == "everysec" else 1.5), 0
        writer, reader = Conn(server.port), Conn(server.port)
        count = 0
        while time.time() < ended:
            begun = time.time()
            if fsync == "always":
                writer.send(("INCR", "number"))
            else:
                assert writer.ask("INCR", "number")[0].startswith(b":")
            count += 1
            if fsync == "everysec":
                assert reader.ask("GET", "number")[0].startswith(b"$")
            slowest = max(slowest, time.time() - begun)
            time.sleep(0.01)
        assert slowest < 2, slowest
    finally:
        trouble.end()
    if fsync == "always":
        for number in range(1, count + 1):
            assert writer.read()[0] == b":%d\r\n" % number
    comes_back_with(server, count, count, (*LOG, fsync))


def can_loop():
    if not can_mount() or not shutil.which("mkfs.ext4"):
        return False
    return subprocess.run(["losetup", "-f"], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_loop(), reason="needs root and loop devices")
@pytest.mark.parametrize("fsync", ["always", "everysec"])
def test_a_log_on_a_file_system_that_is_full(node, tmp_path, fsync):
    """A small ext4: writes are refused with the original's error, reads go on, and room ends it, without a restart."""
    image, place = tmp_path / "image", tmp_path / "place"
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(12 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
    try:
        data = place / "data"
        data.mkdir()
        options = (*LOG, fsync)
        server = Node(data, *options)
        try:
            with open(place / "ballast", "wb", buffering=0) as ballast:
                room = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
                ballast.write(bytes(max(room - (300 << 10), 0)))
                os.fsync(ballast.fileno())
            conn, last = Conn(server.port), 0
            conn.socket.settimeout(5)
            for number in range(1, 3000):
                reply = conn.ask("SET", "number", f"{number:08}" + FILLER)[0]
                if reply != b"+OK\r\n":
                    break
                last = number
            assert reply.startswith(b"-MISCONF Errors writing to the AOF file") or reply == b"<no reply>", reply
            assert last > 100
            wait_for(lambda: Conn(server.port).ask("SET", "x", 1)[0].startswith(b"-MISCONF"), 10, "writes are refused")
            assert int(Conn(server.port).value("GET", "number")[:8]) >= last
            assert Conn(server.port).ask("BGREWRITEAOF")[0].startswith((b"+", b"-"))
            time.sleep(1.5)
            assert server.process.poll() is None
            os.unlink(place / "ballast")
            wait_for(lambda: takes_writes(server), 20, "it takes writes again")
        finally:
            server.stop()
        again = Node(data, *options)
        try:
            found = int(Conn(again.port).value("GET", "number")[:8])
            assert last <= found <= number
            assert Conn(again.port).value("GET", "again") == b"1"
        finally:
            again.stop()
    finally:
        subprocess.run(["umount", str(place)], check=True)
