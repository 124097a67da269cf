"""The process around the keyspace: arguments, files, signals, limits. Each test runs the same on Redis 7.0.15,
so that what it demands is what the original does; where redan differs on purpose, the test says so."""
import gc
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import redis
from conftest import QUICK, REDAN, REDIS, Server, free_ports, valkey_server, wait_for
from exchange import Conn, report, run
from test_commands import COMMANDS, OURS, tolerated

KINDS = sorted({OURS, "redis"})
both = pytest.mark.parametrize("kind", KINDS)


def only_redan(kind):
    return kind == "redan"


class Run(Server):
    """A server that the test itself starts and watches; its output is in `output()`."""

    def __init__(self, kind, directory, *arguments, port=None, config=None, client_path=None, wait=True, bare=False):
        self.kind, self.arguments, self.bare = kind, [str(word) for word in arguments], bare
        self.config, self.wait = config, wait
        super().__init__(COMMANDS[kind], directory, port=port)

    def start(self, *more):
        self.log = open(os.path.join(self.dir, "log"), "ab")
        words = list(self.command)
        if self.config is not None:
            path = os.path.join(self.dir, "redis.conf")
            with open(path, "w") as file:
                file.write(self.config)
            words.append(path)
        if not self.bare:
            words += ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.dir]
        self.process = subprocess.Popen([*words, *self.arguments, *more], stdout=self.log, stderr=self.log, cwd=self.dir)
        if self.wait:
            wait_for(self.answers, 10, f"{words} answers; see {self.dir}/log")

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"ended with {self.process.returncode}: {self.output()}")
        try:
            return super().answers()
        except redis.ResponseError as error:
            return "NOAUTH" in str(error)

    def output(self):
        with open(os.path.join(self.dir, "log"), errors="replace") as file:
            return file.read()

    def ended(self, seconds=10):
        return self.process.wait(seconds)


@pytest.fixture
def start(tmp_path):
    started = []

    def begin(kind, *arguments, **options):
        if not COMMANDS[kind][0]:
            pytest.skip(f"{kind} is not installed")
        server = Run(kind, tmp_path / f"{kind}{len(started)}", *arguments, **options)
        started.append(server)
        return server

    yield begin
    for server in started:
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGCONT)
            server.process.kill()
            server.process.wait()
        server.log.close()


def refused(kind, *arguments, config=None, cwd="/tmp"):
    """Runs a server that must not come up: (exit code, all it said)."""
    words = [*COMMANDS[kind], *arguments]
    run_ = subprocess.run(words, capture_output=True, text=True, timeout=10, cwd=cwd)
    return run_.returncode, run_.stdout, run_.stderr


# Configuration.

@both
def test_file_and_arguments_together(start, kind):
    server = start(kind, "--maxclients", "77", "--save", "", config="""
# A comment, an empty line, and values in quotes.

timeout 300
maxclients 55
save 900 1
save 300 10
requirepass "a secret\\x21"
  tcp-keepalive   100
HZ 20
""")
    client = server.client(password="a secret!")
    assert client.config_get("timeout") == {"timeout": "300"}
    assert client.config_get("maxclients") == {"maxclients": "77"}
    assert client.config_get("save") == {"save": ""}
    assert client.config_get("tcp-keepalive") == {"tcp-keepalive": "100"}
    assert client.config_get("hz") == {"hz": "20"}
    assert client.info("server")["config_file"].endswith("redis.conf")


@both
def test_an_included_file_counts(start, kind, tmp_path):
    part = tmp_path / "part.conf"
    part.write_text("timeout 123\n")
    server = start(kind, "--save", "", config=f"timeout 5\ninclude {part}\n")
    assert server.client().config_get("timeout") == {"timeout": "123"}


@both
def test_configuration_comes_from_standard_input(tmp_path, kind):
    port = free_ports(1)
    process = subprocess.Popen([*COMMANDS[kind], "-", "--save", ""], stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    try:
        process.stdin.write(b"port %d\nbind 127.0.0.1\ntimeout 321\n" % port)
        process.stdin.close()
        client = redis.Redis(port=port, decode_responses=True)
        wait_for(client.ping, 10, "it answers")
        assert client.config_get("timeout") == {"timeout": "321"}
    finally:
        process.kill()
        process.wait()


BAD = {
    "an unknown directive": (["--nosuch-directive", "5"], "nosuch-directive"),
    "a bad number": (["--timeout", "x"], "timeout"),
    "a number out of range": (["--timeout", "-1"], "timeout"),
    "a bad word": (["--loglevel", "loud"], "loglevel"),
    "a bad yes": (["--daemonize", "maybe"], "daemonize"),
    "a missing value": (["--timeout"], "timeout"),
    "too many values": (["--timeout", "1", "2"], "timeout"),
    "a bad memory size": (["--maxmemory", "1xb"], "maxmemory"),
    "a bad save": (["--save", "x y"], "save"),
    "a bad port": (["--port", "70000"], "port"),
    "unbalanced quotes": (["--timeout", "\"1"], "timeout"),
}


@pytest.mark.parametrize("name", BAD)
@both
def test_a_fatal_error_of_the_configuration(kind, name):
    arguments, word = BAD[name]
    status, out, error = refused(kind, *arguments)
    assert status == 1, (out, error)
    assert out == "", "nothing on standard output"
    assert "*** FATAL CONFIG FILE ERROR" in error
    assert word in error


@pytest.mark.parametrize("arguments", [entry[0] for entry in BAD.values()], ids=list(BAD))
def test_the_fatal_error_reads_as_the_originals(arguments):
    if not REDIS:
        pytest.skip("redis-server is not installed")
    version = re.compile(r"\((Redis|redan|Redan) [0-9.]+\)")
    ours, theirs = (refused(kind, *arguments) for kind in (OURS, "redis"))
    # 7.2 knows one more log level.
    ours = ours[0], ours[1], ours[2].replace("warning, nothing", "warning")
    assert (ours[0], version.sub("(V)", ours[2])) == (theirs[0], version.sub("(V)", theirs[2]))


@both
def test_a_bad_line_of_a_file_is_named(kind, tmp_path):
    path = tmp_path / "bad.conf"
    path.write_text("timeout 5\n\nnosuch 1\n")
    status, _, error = refused(kind, str(path))
    assert status == 1
    assert "line 3" in error and "'nosuch 1'" in error and "Bad directive or wrong number of arguments" in error


@both
def test_a_missing_file_is_fatal(kind):
    status, out, error = refused(kind, "/nosuch/redis.conf")
    assert status == 1
    assert "/nosuch/redis.conf" in out + error


@pytest.mark.skipif(OURS != "redan", reason="the originals have these")
@pytest.mark.parametrize("name,value", [
    ("tls-port", "1"), ("tls-replication", "yes"), ("aclfile", "/x.acl"),
    ("loadmodule", "/x.so"), ("user", "alice on")])
def test_what_is_not_there_yet_is_refused_by_name(name, value):
    status, _, error = refused("redan", f"--{name}", *value.split())
    assert status == 1, error
    assert name in error


@both
def test_no_effect_directives_are_kept(start, kind):
    server = start(kind, "--save", "", "--io-threads", "2")
    assert server.client().config_get("io-threads") == {"io-threads": "2"}
    if only_redan(kind):
        assert "io-threads" in server.output(), "one warning at start names it"


@both
def test_version_and_help(kind):
    status, out, _ = refused(kind, "--version")
    assert status == 0
    assert re.search(r"\bv=\d+\.\d+\.\d+", out) and "bits=64" in out
    status, out, error = refused(kind, "-v")
    assert status == 0 and "v=" in out
    _, out, error = refused(kind, "--help")
    assert "usage" in (out + error).lower()


# Start.

@both
def test_a_taken_port_ends_the_start(start, kind, tmp_path):
    first = start(kind, "--save", "")
    run_ = subprocess.run([*COMMANDS[kind], "--port", str(first.port), "--bind", "127.0.0.1"], capture_output=True,
                          text=True, timeout=10, cwd=tmp_path)
    assert run_.returncode == 1
    said = run_.stdout + run_.stderr
    assert "Failed listening on port" in said and str(first.port) in said
    assert first.client().ping()


@both
def test_the_log_says_what_tools_look_for(start, kind):
    server = start(kind, "--save", "")
    assert re.search(r"Ready to accept connections", server.output())
    assert f"{server.process.pid}:M " in server.output()
    assert re.search(r"Server initialized", server.output())
    assert re.search(rf"PID: {server.process.pid}\b", server.output()) or re.search(rf"pid={server.process.pid}\b", server.output())


@both
def test_pidfile_logfile_and_unix_socket(start, kind, tmp_path):
    pid, log = tmp_path / "x.pid", tmp_path / "x.log"
    # The original cuts an address of more than 77 bytes off.
    short = tempfile.TemporaryDirectory(prefix="s")
    path = Path(short.name) / "x.sock"
    server = start(kind, "--save", "", "--pidfile", pid, "--logfile", log, "--unixsocket", path, "--unixsocketperm", "700")
    assert pid.read_text().strip() == str(server.process.pid)
    assert "Ready to accept connections" in log.read_text()
    assert oct(os.stat(path).st_mode & 0o777) == "0o700"
    conn = Conn(0, path=str(path))
    assert conn.ask("PING")[0] == b"+PONG\r\n"
    assert f"addr={path}:0".encode() in conn.value("CLIENT", "INFO")
    server.process.terminate()
    assert server.ended() == 0
    assert not pid.exists()
    assert not path.exists()


@both
def test_port_zero_is_unix_only(tmp_path, kind):
    path = tmp_path / "only.sock"
    process = subprocess.Popen([*COMMANDS[kind], "--port", "0", "--unixsocket", str(path), "--save", ""],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    try:
        wait_for(path.exists, 10, "the socket is there")
        conn = Conn(0, path=str(path))
        wait_for(lambda: conn.ask("PING")[0] == b"+PONG\r\n", 10, "the data is loaded")
        assert conn.value("CONFIG", "GET", "port") == [b"port", b"0"]
    finally:
        process.kill()
        process.wait()


@both
def test_daemonize(tmp_path, kind):
    port, pid = free_ports(1), tmp_path / "d.pid"
    run_ = subprocess.run([*COMMANDS[kind], "--port", str(port), "--daemonize", "yes", "--pidfile", str(pid), "--save", "",
                           "--dir", str(tmp_path), "--logfile", str(tmp_path / "d.log")],
                          capture_output=True, text=True, timeout=10, cwd=tmp_path)
    assert run_.returncode == 0, run_.stderr
    client = redis.Redis(port=port)
    wait_for(client.ping, 10, "the daemon answers")
    assert int(pid.read_text()) == client.info("server")["process_id"]
    try:
        client.shutdown(nosave=True)
    except redis.ConnectionError:
        pass
    wait_for(lambda: not pid.exists(), 5, "it ended")


@both
def test_bind_to_several_addresses(tmp_path, kind):
    port = free_ports(1)
    process = subprocess.Popen([*COMMANDS[kind], "--port", str(port), "--bind", "127.0.0.1", "127.0.0.2", "-::1", "--save", ""],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    try:
        for host in ("127.0.0.1", "127.0.0.2"):
            wait_for(redis.Redis(host=host, port=port, retry=QUICK).ping, 10, host)
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.3", port), timeout=1)
    finally:
        process.kill()
        process.wait()


# End.

@both
def test_sigterm_with_save_points_writes_the_dump(start, kind):
    server = start(kind, "--save", "3600 1")
    server.client().set("kept", "yes")
    server.process.terminate()
    assert server.ended() == 0
    assert os.path.exists(server.dir + "/dump.rdb")
    assert "bye bye" in server.output()
    server.start()
    assert server.client().get("kept") == "yes"


@both
def test_sigterm_without_save_points_writes_nothing(start, kind):
    server = start(kind, "--save", "")
    server.client().set("lost", "yes")
    server.process.terminate()
    assert server.ended() == 0
    assert not os.path.exists(server.dir + "/dump.rdb")


@both
def test_sigint_is_a_clean_stop_too(start, kind):
    server = start(kind, "--save", "3600 1")
    server.client().set("kept", "yes")
    server.process.send_signal(signal.SIGINT)
    assert server.ended() == 0
    assert os.path.exists(server.dir + "/dump.rdb")


@pytest.mark.parametrize("words,save,file", [
    (["NOSAVE"], "3600 1", False), (["SAVE"], "", True), ([], "", False), ([], "3600 1", True), (["NOSAVE", "NOW", "FORCE"], "3600 1", False)])
@both
def test_shutdown(start, kind, words, save, file):
    server = start(kind, "--save", save)
    conn = Conn(server.port)
    conn.ask("SET", "a", "1")
    raw, tree = conn.ask("SHUTDOWN", *words)
    assert tree == (b"?", b"closed")
    assert server.ended() == 0
    assert os.path.exists(server.dir + "/dump.rdb") == file


@both
def test_killed_and_loaded_again(start, kind):
    server = start(kind, "--save", "3600 1")
    client = server.client()
    client.mset({f"key:{index}": index for index in range(1000)})
    client.hset("h", mapping={"a": 1, "b": 2})
    client.set("late", 1, pxat=33177117420000)
    client.set("soon", 1, px=50)
    client.save()
    client.set("after", 1)
    server.kill()
    time.sleep(0.06)
    server.start()
    client = server.client()
    assert client.dbsize() == 1002
    assert client.get("key:999") == "999" and client.hgetall("h") == {"a": "1", "b": "2"}
    assert client.pexpiretime("late") == 33177117420000
    assert client.exists("after", "soon") == 0
    assert client.info("persistence")["rdb_changes_since_last_save"] == 0


@both
def test_a_damaged_dump_is_not_loaded(start, kind):
    server = start(kind, "--save", "3600 1")
    server.client().set("a", "x" * 1000)
    server.client().save()
    server.kill()
    path = server.dir + "/dump.rdb"
    data = bytearray(open(path, "rb").read())
    data[-1] ^= 1
    open(path, "wb").write(data)
    server.wait = False
    server.start()
    assert server.ended() == 1
    assert open(path, "rb").read() == bytes(data), "the damaged file stays as it is"


@both
def test_a_foreign_file_is_not_loaded(start, kind):
    server = start(kind, "--save", "3600 1")
    server.kill()
    with open(server.dir + "/dump.rdb", "wb") as file:
        file.write(b"GIF89a this is no dump")
    server.wait = False
    server.start()
    assert server.ended() == 1


@both
def test_bgsave_and_save_points(start, kind):
    server = start(kind, "--save", "1 1")
    client = server.client()
    before = client.lastsave()
    time.sleep(1.1)
    client.set("a", 1)
    wait_for(lambda: client.lastsave() > before, 10, "the save point")
    assert client.info("persistence")["rdb_last_bgsave_status"] == "ok"
    assert client.execute_command("BGSAVE") in (True, "Background saving started", b"Background saving started")
    wait_for(lambda: client.info("persistence")["rdb_bgsave_in_progress"] == 0, 10, "the background save")


# Files that can not be written.

@both
def test_misconf_when_the_dump_can_not_be_written(start, kind):
    server = start(kind, "--save", "3600 1")
    client = server.client()
    client.set("a", 1)
    # Root may write anywhere: a directory in the file's place stops it.
    os.mkdir(server.dir + "/dump.rdb")
    conn = Conn(server.port)
    # The original says "-ERR" and no more; redan names the file and the error.
    assert conn.ask("SAVE")[0].startswith(b"-ERR")
    client.bgsave()
    wait_for(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", 10, "the failed save")
    refused_ = conn.ask("SET", "a", "2")[0]
    assert refused_ == (b"-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. "
                        b"Commands that may modify the data set are disabled, because this instance is configured to report "
                        b"errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check "
                        b"the Redis logs for details about the RDB error.\r\n")
    assert conn.ask("GET", "a")[0] == b"$1\r\n1\r\n"
    assert conn.ask("PING")[0].startswith(b"-MISCONF")
    assert conn.ask("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")[0] == b"+OK\r\n"
    assert conn.ask("SET", "a", "2")[0] == b"+OK\r\n"
    assert conn.ask("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")[0] == b"+OK\r\n"
    assert conn.ask("MULTI")[0] == b"+OK\r\n"
    assert conn.ask("SET", "a", "3")[0].startswith(b"-MISCONF")
    assert conn.ask("EXEC")[0].startswith(b"-EXECABORT")
    # SHUTDOWN refuses to lose data; SIGTERM too.
    assert conn.ask("SHUTDOWN")[0] == b"-ERR Errors trying to SHUTDOWN. Check logs.\r\n"
    server.process.terminate()
    time.sleep(0.5)
    assert server.process.poll() is None and conn.ask("GET", "a")[0] == b"$1\r\n2\r\n"
    os.rmdir(server.dir + "/dump.rdb")
    assert conn.ask("SAVE")[0] == b"+OK\r\n"
    assert conn.ask("SET", "a", "3")[0] == b"+OK\r\n"


@both
def test_config_set_dir(start, kind, tmp_path):
    server = start(kind, "--save", "", "--enable-protected-configs", "yes")
    conn = Conn(server.port)
    assert conn.ask("CONFIG", "SET", "dir", "/nosuch")[0] == (
        b"-ERR CONFIG SET failed (possibly related to argument 'dir') - No such file or directory\r\n")
    (tmp_path / "file").write_text("x")
    assert conn.ask("CONFIG", "SET", "dir", str(tmp_path / "file"))[0] == (
        b"-ERR CONFIG SET failed (possibly related to argument 'dir') - Not a directory\r\n")
    (tmp_path / "other").mkdir()
    assert conn.ask("CONFIG", "SET", "dir", str(tmp_path / "other"))[0] == b"+OK\r\n"
    assert conn.ask("CONFIG", "SET", "dbfilename", "x/y")[0].startswith(b"-ERR CONFIG SET failed")
    assert conn.ask("CONFIG", "SET", "dbfilename", "other.rdb")[0] == b"+OK\r\n"
    assert conn.ask("SAVE")[0] == b"+OK\r\n"
    assert (tmp_path / "other" / "other.rdb").exists()


@both
def test_protected_configs_are_protected(start, kind):
    server = start(kind, "--save", "")
    conn = Conn(server.port)
    assert conn.ask("CONFIG", "SET", "dir", "/tmp")[0] == (
        b"-ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config\r\n")
    assert conn.ask("DEBUG", "SLEEP", "0")[0] == (
        b"-ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a "
        b"local connection, otherwise you need to set this option in the configuration file, and then restart the server.\r\n")
    assert conn.ask("CONFIG", "SET", "enable-debug-command", "yes")[0].startswith(b"-ERR CONFIG SET failed")


# Connections.

@both
def test_maxclients(start, kind):
    server = start(kind, "--save", "", "--maxclients", "3")
    gc.collect()  # Closes the connections that waiting for the start has left.
    first = Conn(server.port)
    wait_for(lambda: b"connected_clients:1\r" in first.value("INFO", "clients"), 5, "no others")
    conns = [first, Conn(server.port), Conn(server.port)]
    for conn in conns:
        assert conn.ask("PING")[0] == b"+PONG\r\n"
    late = Conn(server.port)
    assert late.read()[0] == b"-ERR max number of clients reached\r\n"
    assert late.read()[1] == (b"?", b"closed")
    assert conns[0].ask("CONFIG", "SET", "maxclients", "4")[0] == b"+OK\r\n"
    wait_for(lambda: Conn(server.port).ask("PING")[0] == b"+PONG\r\n", 2, "one more is let in")
    assert b"rejected_connections:" in conns[0].value("INFO", "stats")


@both
def test_timeout_closes_idle_clients(start, kind):
    server = start(kind, "--save", "", "--timeout", "1")
    idle, busy, listens = Conn(server.port), Conn(server.port), Conn(server.port)
    idle.ask("PING")
    listens.ask("SUBSCRIBE", "x")
    begin = time.time()
    while time.time() < begin + 3:
        assert busy.ask("PING")[0] == b"+PONG\r\n"
        time.sleep(0.1)
    assert idle.read()[1] == (b"?", b"closed")
    assert listens.ask("PING")[0] == b"*2\r\n$4\r\npong\r\n$0\r\n\r\n", "subscribers are not idle"


def own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError:
            return None


@both
def test_protected_mode(tmp_path, kind):
    address = own_address()
    if not address or address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    port = free_ports(1)
    process = subprocess.Popen([*COMMANDS[kind], "--port", str(port), "--save", "", "--bind", "*"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    try:
        near = redis.Redis(port=port)
        wait_for(near.ping, 10, "it answers")
        far = Conn(port, host=address)
        said = far.read()[0]
        assert said.startswith(b"-DENIED Redis is running in protected mode because protected mode is enabled")
        assert far.read()[1] == (b"?", b"closed")
        near.config_set("protected-mode", "no")
        assert Conn(port, host=address).ask("PING")[0] == b"+PONG\r\n"
        near.config_set("protected-mode", "yes")
        near.config_set("requirepass", "x")
        assert Conn(port, host=address).ask("PING")[0].startswith(b"-NOAUTH")
    finally:
        process.kill()
        process.wait()


AUTH = r"""
PING
GET a
SET a 1
nosuch
GET
COMMAND COUNT
MULTI
EXEC
SUBSCRIBE a
INFO
HELLO
HELLO 2
HELLO 3 AUTH default wrong
HELLO 3 AUTH nobody secret
AUTH
AUTH wrong
AUTH nobody secret
AUTH default wrong
AUTH a b c
AUTH ""
CLIENT ID
RESET
ECHO x
AUTH secret
PING
AUTH wrong
PING
AUTH default secret
GET a
RESET
PING
=? HELLO 3 AUTH default secret SETNAME me
CLIENT GETNAME
CONFIG GET requirepass
CONFIG SET requirepass other
PING
@2 QUIT
AUTH secret
AUTH other
CONFIG SET requirepass ""
AUTH other
AUTH default anything
RESET
PING
CONFIG SET requirepass secret
"""


def test_requirepass_as_the_original(start):
    if not REDIS:
        pytest.skip("redis-server is not installed")
    servers = [start(kind, "--save", "", "--requirepass", "secret") for kind in (OURS, "redis")]
    # The ids of connections can not be asked for before AUTH; no line uses them.
    found = run(AUTH, *servers, tolerated=tolerated)
    assert not found, report(found)


# Standstill.

@both
def test_a_stopped_process_goes_on(start, kind):
    server = start(kind, "--save", "")
    conn = Conn(server.port)
    conn.ask("SET", "short", "1", "PX", "300")
    conn.ask("SET", "long", "1", "PX", "30000")
    server.process.send_signal(signal.SIGSTOP)
    conn.send(("GET", "short"), ("GET", "long"))
    time.sleep(0.5)
    server.process.send_signal(signal.SIGCONT)
    assert conn.read()[0] == b"$-1\r\n"
    assert conn.read()[0] == b"$1\r\n1\r\n"


@both
def test_debug_sleep_stops_everything(start, kind):
    server = start(kind, "--save", "", "--enable-debug-command", "yes")
    sleeper, other = Conn(server.port), Conn(server.port)
    other.ask("PING")
    begin = time.time()
    sleeper.send(("DEBUG", "SLEEP", "0.5"))
    time.sleep(0.05)
    assert other.ask("PING")[0] == b"+PONG\r\n"
    assert time.time() - begin > 0.45
    assert sleeper.read()[0] == b"+OK\r\n"


@both
def test_expired_keys_go_by_themselves(start, kind):
    server = start(kind, "--save", "")
    client = server.client()
    pipe = client.pipeline(transaction=False)
    for index in range(5000):
        pipe.set(f"k{index}", "v", px=100)
    pipe.set("stays", 1)
    pipe.execute()
    wait_for(lambda: client.dbsize() == 1, 3, "expired keys are gone without a read")
    assert client.info("stats")["expired_keys"] == 5000


@both
def test_output_limits_close_a_slow_subscriber(start, kind):
    server = start(kind, "--save", "", "--client-output-buffer-limit", "pubsub", "1mb", "256kb", "1")
    slow = Conn(server.port)
    slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.ask("SUBSCRIBE", "x")
    client = server.client()
    client.ping()
    for _ in range(200):
        if client.publish("x", "y" * 100_000) == 0:
            break
    assert client.publish("x", "y") == 0, "the subscriber that did not read is gone"


@both
def test_a_reader_that_stops_does_not_stop_others(start, kind):
    server = start(kind, "--save", "")
    slow = Conn(server.port)
    slow.ask("SET", "big", "x" * 1_000_000)
    slow.send(*(("GET", "big") for _ in range(100)))
    time.sleep(0.2)
    client = server.client()
    begin = time.time()
    for _ in range(100):
        client.ping()
    assert time.time() - begin < 2
    expected = 100 * len("$1000000\r\n") + 100 * 1_000_002
    received = 0
    while received < expected:
        received += len(slow.socket.recv(1 << 20))
    assert received == expected


@both
def test_large_values_go_and_come(start, kind):
    server = start(kind, "--save", "")
    client = server.client()
    value = "0123456789" * 3_000_000
    client.set("large", value)
    assert client.get("large") == value
    assert client.strlen("large") == 30_000_000
    client.append("large", "end")
    assert client.getrange("large", 29_999_998, -1) == "89end"
    client.save()
    server.kill()
    server.start()
    assert server.client().getrange("large", -5, -1) == "89end"


@both
def test_proto_max_bulk_len(start, kind):
    server = start(kind, "--save", "", "--proto-max-bulk-len", "1mb")
    conn = Conn(server.port)
    conn.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1048577\r\n")
    assert conn.read()[0] == b"-ERR Protocol error: invalid bulk length\r\n"
    assert conn.read()[1] == (b"?", b"closed")
    conn = Conn(server.port)
    assert conn.ask("SET", "a", "x" * 1048576)[0] == b"+OK\r\n"
    assert conn.ask("APPEND", "a", "x")[0] == b"-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"
    assert conn.ask("SETRANGE", "a", "1048576", "x")[0] == b"-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"


@both
def test_the_process_survives_sigpipe_and_hangups(start, kind):
    server = start(kind, "--save", "")
    for _ in range(50):
        conn = Conn(server.port)
        conn.send(*(("PING",) for _ in range(1000)))
        conn.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        conn.close()
    server.process.send_signal(signal.SIGHUP)
    server.process.send_signal(signal.SIGPIPE)
    assert server.client().ping()
