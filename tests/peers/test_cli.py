"""`redan cli` against Debian's redis-cli: the same arguments on the same server give the same bytes.

Every case runs with both clients on a freshly filled server, first a real one, then redan. What differs on purpose
stands in DIFFERENCES with its reason; it must differ, so that the list stays true.
"""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from conftest import REDAN, wait_for

REDIS_CLI = shutil.which("redis-cli")
pytestmark = pytest.mark.skipif(not REDIS_CLI, reason="redis-cli is not installed")
# A port where nobody listens.
CLOSED = "1"

# Commands whose replies show every type, and errors. On redan those that it lacks are errors: shown alike too.
COMMANDS = [
    "ping", "ping hello", "get missing", "get text", "get number", "get bytes", "get empty", "set new value",
    "set new value nx get", "incr number", "incrbyfloat number 1.5", "incr text", "strlen text", "exists text missing",
    "del text missing", "mget text missing number", "append text more", "getrange bytes 0 3", "type hash", "ttl text",
    "expire text 100", "hgetall hash", "hgetall missing", "hget hash a", "hmget hash a missing b", "hkeys hash",
    "hincrby hash n 5", "hscan hash 0", "lrange list 0 -1", "lrange missing 0 -1", "lpop list 2", "lpop missing",
    "smembers one", "sismember one a", "zrange sorted 0 -1 withscores", "zscore sorted a", "zscore sorted missing",
    "xrange stream - +", "xinfo stream stream", "object encoding number", "object help", "config get maxmemory*",
    "config get nothing-like-this", "command count", "command getkeys mset a 1 b 2", "command info get nothing", "echo é\x7f",
    "dbsize", "select 99", "select 3", "get", "nothing such", "foo", "eval return{1,{2,{3,{}}},'x'} 0",
    "eval return{ok='fine'} 0", "eval return{err='bad'} 0", "eval return\\ {1,nil,3} 0", "debug protocol string",
    "debug protocol integer", "debug protocol double", "debug protocol null", "debug protocol array",
    "debug protocol set", "debug protocol map", "debug protocol verbatim", "debug protocol true",
    "debug protocol false", "debug protocol push", "debug protocol attrib", "debug protocol bignum", "debug jmap",
    "cluster info", "multi", "exec", "discard", "wait 0 10", "role", "hello 9", "reset", "lolwut version 1",
    "keys number", "swapdb 0 1", "client getname", "client no-evict on", "memory doctor", "latency doctor",
    "latency graph x", "function list", "geopos missing a", "zrandmember sorted 2 withscores",
]
FORMATS = [[], ["--no-raw"], ["--csv"], ["--json"], ["--quoted-json"], ["-3"], ["-3", "--no-raw"], ["-3", "--csv"],
           ["-2", "--json"], ["-3", "--raw", "-d", "|", "-D", "#\n"]]


def case(*arguments, stdin=b"", **env):
    return [word if isinstance(word, bytes) else word.encode() for word in arguments], stdin, env


def option_cases(port):
    """Options, input from stdin, the environment, special modes, and what goes wrong."""
    p = ["-p", str(port)]
    unix = ["set", "k"]
    lines = b"set a 1\nget a\n\nget missing\nlpush l 1 2 3\nlrange l 0 -1\n"
    hostile = b"get \"open\nget 'a' \"b\\x00c\"\n0 ping\n-1 ping\n99999999999999999999 ping\n3 incr n\nhelp\n"
    settings = b":set hints\n:set nothing\n:nothing\nrestart\nquit\nping\n"
    states = b"select 2\nget text\nmulti\nset a 1\nget a\nexec\nmulti\nselect 5\ndiscard\nselect 99\nreset\nget text\n"
    yield from (case(*p, *words) for words in [
        ["-r", "3", "incr", "n"], ["-r", "2", "-i", "0.01", "ping"], ["-r", "0", "ping"], ["-n", "3", "dbsize"],
        ["-n", "77", "get", "text"], ["-e", "incr", "text"], ["-e", "get", "text"], ["-e", "--no-raw", "foo"],
        ["-a", "x", "ping"], ["--pass", "x", "--no-auth-warning", "ping"], ["--user", "u", "ping"],
        ["--user", "u", "--pass", "x", "--no-auth-warning", "ping"], ["--user", "default", "-a", "nopass", "get", "text"],
        ["--quoted-input", "set", '"a\\x00b"', "'c d'"], ["--quoted-input", "set", '"open', "x"],
        ["--quoted-input", "get", "a b"], ["--raw", "--no-raw", "get", "text"], ["--csv", "--raw", "get", "text"],
        ["--bad-option"], ["-h"], ["-p"], ["-n"], ["-r"], ["--pattern"], ["--eval"], ["-2", "-3", "ping"], ["-c", "-s", "/x", "ping"],
        ["--ldb", "ping"], ["-x", "-X", "tag", "set", "a", "tag"], ["--rdb", "a", "--functions-rdb", "b"],
        ["--show-pushes", "maybe", "ping"], ["--show-pushes", "no", "-3", "ping"], ["--show-pushes", "yes", "-3", "debug", "protocol", "push"],
        ["--verbose", "ping"], ["-u", "redis://127.0.0.1:%d/2" % port, "dbsize"], ["-u", "http://x"], ["-u", "redis://"],
        ["-u", "redis://%%zz@127.0.0.1:%d" % port, "ping"], ["-u", "redis://%4@h", "ping"], ["-u", "rediss://h", "ping"],
        ["-u", "redis://%4:a@h", "ping"], ["-u", "redis://%@h", "ping"], ["-u", "redis://u:p@127.0.0.1:%d/1" % port, "dbsize"], ["-u", "redis://p%%40@127.0.0.1:%d/1" % port, "dbsize"],
        ["--version"], ["-v"], ["--scan", "--pattern", "nu*"], ["--scan", "--pattern", "none*"], ["--no-raw", "--scan", "--pattern", "by*"],
        ["--scan", "--quoted-pattern", '"by\\x74*"'], ["--scan", "--quoted-pattern", '"open'], ["--scan", "-i", "0.01", "--pattern", "text"],
        ["--bigkeys"], ["--memkeys"], ["--memkeys-samples", "3"], ["--hotkeys"], ["--bigkeys", "--pattern", "no such"],
        ["help"], ["help", "get"], ["help", "@transactions"], ["help", "config"], ["help", "config", "get"], ["help", "nothing"], ["?"],
        ["-3", "--no-raw", "get", "text"], ["-c", "get", "text"], ["subscribe"], ["--csv", "psubscribe"],
        ["monitor", "x"], ["psync", "a"], ["-d", "::", "mget", "text", "number"], ["-D", "", "get", "text"],
        ["--no-raw", "-d", "::", "mget", "text", "number"], ["--intrinsic-latency"], ["--type", "hash"],
        ["--scan", "--type", "hash"], ["--scan", "--count", "1", "--pattern", "text"], ["shutdown", "x"],
        ["--cluster"], ["--help"],
    ])
    for text in [b"", b"x", b"line\n", b"\x00\xff\r\n"]:
        yield case(*p, "-x", *unix, stdin=text)
        yield case(*p, "-X", "tag", "set", "tag", "tag", stdin=text)
    yield case(*p, "-X", "tag", "set", "a", "b", stdin=b"x")
    yield case(*p, "-x", "-e", "getex", stdin=b"text")
    for flags in [[], ["--no-raw"], ["--json"], ["-3", "--no-raw"], ["--csv"], ["-e"], ["-n", "2"]]:
        for text in [lines, hostile, settings, states]:
            yield case(*p, *flags, stdin=text)
        yield case(*p, *flags, stdin=lines, FAKETTY="1")
    yield case(*p, "get", "text", FAKETTY="1")
    yield case(*p, "hgetall", "hash", FAKETTY="1")
    yield case(*p, "get", "text", REDISCLI_AUTH="wrong")
    yield case(*p, "--no-auth-warning", "-a", "other", "get", "text", REDISCLI_AUTH="wrong")
    yield case(*p, stdin=b"ping\nauth wrong\nping\n", REDISCLI_AUTH="wrong")
    yield case(*p, stdin=b"connect 127.0.0.1 1\nping\nconnect 127.0.0.1 %d\nping\n" % port)
    for words in [["ping"], [], ["-n", "3", "get", "a"], ["--scan"], ["--pipe"], ["--stat"], ["--latency"], ["help", "get", "x"]]:
        yield case("-p", CLOSED, *words, stdin=b"ping\nget a\n")
    yield case("-p", CLOSED, "--tls", "ping")
    yield case("-p", CLOSED, "--cacert", "/nowhere", "--tls", "ping")
    yield case("-s", "/nowhere/socket", "ping")
    yield case("-s", "/nowhere/socket", stdin=b"ping\n")
    yield case("-h", "not a host", "ping")
    yield case(*p, "--eval", "/nowhere.lua")
    tracking = b"client tracking on\nget text\nset text 1\nget text\nmget text number\nflushall\nget text\n"
    for flags in [["-3"], ["-3", "--show-pushes", "yes"], ["-3", "--no-raw", "--show-pushes", "yes"],
                  ["-3", "--json", "--show-pushes", "yes"], ["-3", "--csv", "--show-pushes", "yes"]]:
        yield case(*p, *flags, stdin=tracking)
    yield case(*p, "-3", stdin=tracking, FAKETTY="1")
    yield case(*p, "--askpass", "ping", stdin=b"secret\n")
    yield case(*p, "--askpass", "--user", "default", stdin=b"secret\nping\n", REDISCLI_AUTH="x")
    for number in ["0", "70000", "-1", "x"]:
        yield case("-p", number, "ping")
        yield case("-p", number, stdin=b"ping\n")
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "keys.lua")
    for words in [["a", "b", ",", "c"], ["a", ",", ",", "c"], [",", "x"], ["a", "b"], []]:
        yield case(*p, "--eval", script, *words)
        yield case(*p, "--no-raw", "-r", "2", "--eval", script, *words)
    pipes = [b"", b"PING\r\n", b"*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n", b"*2\r\n$3\r\nGET\r\n$4\r\nhash\r\nFOO\r\nPING\r\n",
             b"SET x 1\r\n" * 5000]
    for text in pipes:
        yield case(*p, "--pipe", stdin=text)


# Words of a case that differs, and why.
DIFFERENCES = [
    ("-3 .*debug protocol bignum", "redis-cli 7.0 does not know big numbers and gives up; ours shows them"),
    ("(?<!-2 )--(quoted-)?json debug protocol bignum", "the same: --json speaks RESP3"),
    ("-3 .*debug protocol attrib", "redis-cli 7.0 does not know attributes and gives up; ours reads over them"),
    ("(?<!-2 )--(quoted-)?json debug protocol attrib", "the same: --json speaks RESP3"),
    ("--help$| -h$|--cluster$", "the same options in our own words"),
    ("rediss://|--tls|--cacert", "TLS is not built in: refused in our words"),
    ("^-p (70000|-1)", "a port that does not exist: the original takes its last 16 bits, ours none"),
    ("--type|--count", "options of later versions, which 7.0 does not have"),
]


def seed(client):
    pipe = client.pipeline(transaction=False)
    pipe.flushall()
    pipe.mset({"text": "some text", "number": 41, "bytes": b"\x00\x01\xff\"\\\r\n\t\x07\x08", "empty": ""})
    pipe.hset("hash", mapping={"a": "1", "b": "two words", "c": b"\xff"})
    for words in [("rpush", "list", "a", "b", "c d"), ("sadd", "one", "a"), ("zadd", "sorted", "1", "a", "2.5", "b"),
                  ("xadd", "stream", "1-1", "f", "v")]:
        pipe.execute_command(*words)
    pipe.execute()


def run(command, arguments, stdin, env):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("REDISCLI")}
    environment.update(env, HOME="/nonexistent", TERM="dumb")
    done = subprocess.run([*command, *arguments], input=stdin, env=environment, timeout=60, capture_output=True)
    return done.returncode, done.stdout, done.stderr


def steady(output):
    """Without what differs from run to run of one client."""
    code, out, err = output
    # How long a slow command took, on a busy machine.
    out = re.sub(rb"(?m)^\(\d+\.\d\ds\)\n", b"", out)
    return code, out, re.sub(rb"Try \S+ --help", b"Try --help", err)


def cases_of(port, formats):
    """`formats` gives those in which a command of that number is asked for."""
    made = [case("-p", str(port), *flags, *re.sub(r"\\ ", "\x00", words).replace(" ", "\x01").replace("\x00", " ").split("\x01"))
            for number, words in enumerate(COMMANDS) for flags in formats(number)]
    return made + list(option_cases(port))


def outputs(server, cases):
    """What both clients say in each case, from the same state of the server."""
    with redis.Redis(port=server.port) as client:
        said = []
        for arguments, stdin, env in cases:
            seed(client)
            theirs = steady(run([REDIS_CLI], arguments, stdin, env))
            seed(client)
            said.append((theirs, steady(run([REDAN, "cli"], arguments, stdin, env))))
        return said


def compare(servers, formats):
    """Every case on one of the servers; these work at the same time."""
    parts = [cases_of(server.port, formats)[first::len(servers)] for first, server in enumerate(servers)]
    with ThreadPoolExecutor(len(servers)) as pool:
        said = [one for part in pool.map(outputs, servers, parts) for one in part]
    cases = [one for part in parts for one in part]
    differing, agreeing = [], []
    for (arguments, stdin, env), (their, our) in zip(cases, said, strict=True):
        name = b" ".join(arguments).decode(errors="replace")
        reason = next((why for words, why in DIFFERENCES if re.search(words, name, re.S)), None)
        if our != their and not reason:
            differing.append((name, stdin[:80], env, their, our))
        elif our == their and reason:
            agreeing.append(name)
    text = "\n".join(f"{name} {stdin!r} {env}\n  redis-cli {their}\n  ours      {our}"
                     for name, stdin, env, their, our in differing)
    assert not differing, f"{len(differing)} of {len(cases)} differ:\n{text}"
    assert len(cases) >= 300
    return agreeing


def test_every_invocation_gives_the_same_bytes_on_redis(servers):
    options = ["--save", "", "--enable-debug-command", "yes", "--activerehashing", "no"]
    agreeing = compare([servers("redis", *options) for _ in range(2)], lambda number: FORMATS)
    assert not agreeing, f"listed as different, and equal: {agreeing}"


def test_every_invocation_gives_the_same_bytes_on_redan(servers):
    # Three formats of each command, other ones for the next.
    formats = lambda number: [FORMATS[(number * 3 + step) % len(FORMATS)] for step in range(3)]  # noqa: E731
    compare([servers("redan", "--save", "") for _ in range(2)], formats)


def usage(argument):
    """An argument of COMMAND DOCS as text."""
    kind, flags = argument["type"], argument.get("flags", [])
    inner = [usage(one) for one in argument.get("arguments", [])]
    token = argument["token"] or '""' if "token" in argument else ""
    body = {"oneof": "|".join(inner), "block": " ".join(inner), "pure-token": ""}.get(
        kind, argument.get("display_text", argument["name"]) or '""')
    token += " " if token and body else ""
    text = token + body
    if "multiple" in flags:
        text += f" [{token if 'multiple_token' in flags else ''}{body} ...]"
    return f"[{text}]" if "optional" in flags else text


def test_the_own_table_has_all_arguments_of_valkey(servers, tmp_path):
    """Without a server the hints come from our own table: it is compared with what Valkey documents."""
    server = servers("valkey", "--save", "")
    ours = tmp_path / "valkey-cli"
    ours.symlink_to(os.path.abspath(REDAN))
    code, out, _ = run([REDAN, "cli"], ["-p", str(server.port), "-3", "--json", "command", "docs"], b"", {})
    assert code == 0
    commands = json.loads(out)
    rows = [(name, docs) for top, command in commands.items()
            for name, docs in [(top, command), *command.get("subcommands", {}).items()]]
    assert len(rows) > 390
    different = []
    for name, docs in rows:
        expected = " ".join(usage(argument) for argument in docs.get("arguments", []))
        _, out, _ = run([str(ours)], ["-p", CLOSED, "--test_hint", name.replace("|", " ") + " "], b"", {})
        if out.decode() != expected + "\n":
            different.append((name, expected, out))
    assert not different


def test_cases_of_hints_pass(servers, tmp_path):
    """A file of hints in the upstream's form; HINT_SUITE names the upstream's own, if it is there."""
    cases = tmp_path / "hints"
    cases.write_text('''# Typed so far, and what is hinted.
"SET " "key value [NX|XX] [GET] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL]"
"HSET k f " "value [field value ...]"
"EXPIRE k 5 " "[NX|XX|GT|LT]"
"OBJECT ENCODING " "key"
"nothing " ""
''')
    server = servers("redan", "--save", "")
    for file in filter(None, [str(cases), os.environ.get("HINT_SUITE")]):
        for port in [CLOSED, str(server.port)]:
            code, out, err = run([REDAN, "cli"], ["-p", port, "--test_hint_file", file], b"", {})
            assert code == 0 and out.startswith(b"SUCCESS"), err
    cases.write_text('"GET " "wrong"\n')
    code, out, _ = run([REDAN, "cli"], ["-p", CLOSED, "--test_hint_file", str(cases)], b"", {})
    assert (code, out) == (1, b"FAILURE: 0/1 passed\n")


class Terminal:
    """A client on a terminal of its own."""

    def __init__(self, command, *arguments, **env):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("REDISCLI")}
        environment.update({"TERM": "xterm", "HOME": "/nonexistent", "COLUMNS": "200", "LINES": "50"}, **env)
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            # Without a width redis-cli asks the terminal for the place of its cursor, and waits for the answer.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
            os.execve(command[0], [*command, *map(str, arguments)], environment)
        self.output = b""

    def text(self):
        """What was shown, without colours and movements of the cursor."""
        return re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\r", b"", self.output).decode(errors="replace")

    def expect(self, pattern, seconds=20):
        """Waits until `pattern` is shown; what is shown so far is forgotten."""
        deadline = time.time() + seconds
        while not (found := re.search(pattern, self.text(), re.S)):
            ready, _, _ = select.select([self.terminal], [], [], max(0, deadline - time.time()))
            assert ready, f"not shown: {pattern!r}; shown: {self.text()!r}"
            try:
                data = os.read(self.terminal, 65536)
            except OSError:
                data = b""
            assert data, f"ended before {pattern!r}; shown: {self.text()!r}"
            self.output += data
        self.output = b""
        return found

    def type(self, text):
        os.write(self.terminal, text.encode())

    def line(self, text, pattern):
        self.type(text + "\r")
        return self.expect(pattern)

    def end(self):
        """Waits for the end; the exit code."""
        while True:
            try:
                if not os.read(self.terminal, 65536):
                    break
            except OSError:
                break
        os.close(self.terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


CLIENTS = {"ours": [REDAN, "cli"], "redis-cli": [REDIS_CLI]}


@pytest.mark.parametrize("client", CLIENTS)
def test_the_prompt_follows_the_session(servers, client, tmp_path):
    """The same dialogue with both clients: the prompt shows place, database and transaction."""
    server = servers("redan", "--save", "", "--enable-debug-command", "yes")
    history = tmp_path / "history"
    settings = tmp_path / "settings"
    settings.write_text(":set nohints\n\n:set nothing\n:what\n")
    client = Terminal(CLIENTS[client], "-p", server.port, REDISCLI_HISTFILE=str(history), REDISCLI_RCFILE=str(settings))
    place = f"127.0.0.1:{server.port}"
    client.expect(rf".redisclirc: unknown redis-cli preference 'nothing'\n"
                  rf".redisclirc: unknown redis-cli internal command ':what'\n.*{place}> ")
    client.line("set a 'x y'", rf"OK\n{place}> ")
    client.line("get a", rf'"x y"\n{place}> ')
    client.line("select 2", rf"OK\n{place}\[2\]> ")
    client.line("multi", rf"OK\n{place}\[2\]\(TX\)> ")
    client.line("incr n", rf"QUEUED\n{place}\[2\]\(TX\)> ")
    client.line("select 3", rf"QUEUED\n{place}.*> ")
    client.line("exec", rf"1\) \(integer\) 1\n2\) OK\n{place}(\[\d\])?> ")
    client.line("2 ping", rf"PONG\nPONG\n{place}")
    client.line('get "open', rf"Invalid argument\(s\)\n{place}")
    client.line(":set nohints", rf"\n{place}")
    client.line("auth secret word", rf"WRONGPASS.*\n{place}")
    client.line("help @nothing", rf"\n{place}")
    client.line("connect 127.0.0.1 1", r"Could not connect to Redis at 127.0.0.1:1: Connection refused\nnot connected> ")
    client.line(f"connect 127.0.0.1 {server.port}", rf"\n{place}")
    client.line("debug sleep 0.6", rf"OK\n\(\d+\.\d\ds\)\n{place}")
    client.type("quit\r")
    assert client.end() == 0
    lines = history.read_text().split("\n")
    assert lines[:3] == ["set a 'x y'", "get a", "select 2"] and lines[-3:] == ["debug sleep 0.6", "quit", ""]
    assert "2 ping" in lines and 'get "open' in lines and not any("secret" in line for line in lines)
    # The other client goes on with the same history.
    for command in CLIENTS.values():
        client = Terminal(command, "-p", CLOSED, REDISCLI_HISTFILE=str(history))
        client.expect("not connected> ")
        client.type("\x1b[A\x1b[A")
        client.expect("debug sleep 0.6")
        client.type("\x03")
        assert client.end() == 0


@pytest.mark.parametrize("client", CLIENTS)
def test_a_lost_connection_comes_back(servers, client):
    server = servers("redan", "--save", "")
    client = Terminal(CLIENTS[client], "-p", server.port)
    place = f"127.0.0.1:{server.port}"
    client.expect(f"{place}> ")
    client.line("ping", rf"PONG\n{place}> ")
    server.stop()
    client.line("ping", r"Error: Server closed the connection\nnot connected> ")
    client.line("ping", rf"Could not connect to Redis at {place}: Connection refused\nnot connected> ")
    server.start()
    client.line("ping", rf"PONG\n{place}> ")
    client.type("\x04")
    assert client.end() == 0


@pytest.mark.parametrize("client", CLIENTS)
def test_messages_are_shown_until_ctrl_c(servers, client):
    server = servers("redis", "--save", "")
    client = Terminal(CLIENTS[client], "-p", server.port)
    place = f"127.0.0.1:{server.port}"
    client.expect(f"{place}> ")
    client.line("subscribe news", r'Reading messages.*1\) "subscribe"\n2\) "news"\n3\) \(integer\) 1\n')
    assert server.client().publish("news", "hello") == 1
    client.expect(r'1\) "message"\n2\) "news"\n3\) "hello"\n')
    client.type("\x03")
    client.expect(rf"\^C{place}> ")
    client.line("monitor", "OK\n")
    server.client().get("watched")
    client.expect(r'"GET" "watched"\n')
    client.type("\x03")
    client.expect(rf"\^C{place}> ")
    client.line("ping", rf"PONG\n{place}> ")
    client.type("exit\r")
    assert client.end() == 0


def test_completion_and_hints_are_there():
    client = Terminal(CLIENTS["ours"], "-p", CLOSED)
    client.expect("not connected> ")
    client.type("getra")
    client.type("\t")
    client.expect("GETRANGE")
    client.type(" k ")
    client.expect("start end")
    client.type("\x03")
    assert client.end() == 0


def test_ours_follows_a_cluster(servers):
    """MOVED from one node to another, at the prompt and for one command."""
    first, second = (servers("redan", "--save", "", "--cluster-enabled", "yes") for _ in range(2))
    first.client().execute_command("cluster", "addslotsrange", 0, 8191)
    second.client().execute_command("cluster", "addslotsrange", 8192, 16383)
    first.client().execute_command("cluster", "meet", "127.0.0.1", second.port)
    for node in (first, second):
        wait_for(lambda: node.client().cluster("info")["cluster_state"] == "ok", 20, "the cluster is ok")
    # "foo" is in slot 12182.
    for command in CLIENTS.values():
        assert run(command, ["-c", "-p", str(first.port), "set", "foo", "x"], b"", {}) == (0, b"OK\n", b"")
        code, out, _ = run(command, ["-p", str(first.port), "get", "foo"], b"", {})
        assert out == b"MOVED 12182 127.0.0.1:%d\n\n" % second.port and code == 0
        _, out, _ = run(command, ["-c", "-p", str(first.port)], b"get foo\nget foo\n", {})
        assert out == b"-> Redirected to slot [12182] located at 127.0.0.1:%d\nx\nx\n" % second.port


@pytest.mark.parametrize("kind", ["redis", "redan"])
def test_a_snapshot_and_the_stream_of_replication_are_fetched(servers, kind, tmp_path):
    server = servers(kind, "--save", "", "--repl-diskless-sync-delay", 0)
    for name, command in CLIENTS.items():
        server.client().set("key", "value")
        file = tmp_path / f"{name}.rdb"
        code, out, err = run(command, ["-p", str(server.port), "--rdb", str(file)], b"", {})
        assert (code, out) == (0, b"") and b"Transfer finished with success" in err, err
        data = file.read_bytes()
        assert data.startswith(b"REDIS00") and b"value" in data
        replica = subprocess.Popen([*command, "-p", str(server.port), "--replica"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=dict(os.environ, HOME="/nonexistent"))
        try:
            wait_for(lambda: server.client().info("replication")["connected_slaves"] == 1
                     and server.client().info("replication")["slave0"]["state"] == "online", 20, "the replica is online")
            server.client().set("key", "streamed")
            seen = b""
            deadline = time.time() + 20
            while b'"SET","key","streamed"' not in seen and time.time() < deadline:
                seen += os.read(replica.stdout.fileno(), 65536)
            assert b'"SET","key","streamed"' in seen
        finally:
            replica.kill()
            replica.wait()


def test_figures_are_printed_by_the_line(servers):
    server = servers("redan", "--save", "")
    lines = {}
    for name, command in CLIENTS.items():
        for mode in ["--stat", "--latency-history", "--latency-dist"]:
            process = subprocess.Popen([*command, "-p", str(server.port), mode, "-i", "0.1"], stdout=subprocess.PIPE,
                                       env=dict(os.environ, HOME="/nonexistent"))
            seen, deadline = b"", time.time() + 20
            while seen.count(b"\n") < 12 and time.time() < deadline:
                # The original's own buffer is full late when it writes into a pipe: one look is enough.
                if name == "redis-cli" and mode != "--latency-dist":
                    break
                seen += os.read(process.stdout.fileno(), 65536)
            process.send_signal(signal.SIGKILL)
            process.wait()
            lines[name, mode] = seen.split(b"\n")
    assert lines["ours", "--stat"][0].startswith(b"------- data ------")
    assert re.fullmatch(rb"\d+ +[\d.]+[BKMG] +\d+ +\d+ +\d+ \(\+\d+\) +\d+ *", lines["ours", "--stat"][3])
    assert re.fullmatch(rb"\d+ \d+ [\d.]+ \d+", lines["ours", "--latency-history"][0])
    assert lines["ours", "--latency-dist"][:7] == lines["redis-cli", "--latency-dist"][:7]
