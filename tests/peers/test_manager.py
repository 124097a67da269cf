"""The cluster manager beside the real one: two clusters prepared alike, one driven by redis-cli, one by `redan cli`; what they
print and their exit codes are compared, with node ids and ports replaced by the node's number."""
import functools
import os
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from conftest import QUICK, REDAN, REDIS, free_ports, valkey_server, wait_for
from redis.crc import key_slot

REAL = shutil.which("redis-cli")
pytestmark = pytest.mark.skipif(not REAL or not REDIS, reason="redis-cli and redis-server are needed")
KINDS = {"redis": [REDIS], "valkey": [valkey_server()], "redan": [REDAN, "server"]}
TOOLS = {"real": [REAL], "ours": [REDAN, "cli"]}


# Lines about nodes come in the order of the asked node's hash table: runs of the same kind are sorted.
ORDERLESS = re.compile(r" *M: | *S: |<node \d+>[: ]|\*\*\* New timeout|Moving slot |    Moving slot |\[WARNING\] Node|\*\*\* Found keys"
                       r"|    <node|>>> Node|>>> Covering slot|>>> <node|SYNC sent|Transfer")


def ordered(text):
    """`text` with every run of lines of one kind sorted; a line's deeper indented successors go with it."""
    blocks = []
    for line in text.splitlines(keepends=True):
        if blocks and line.startswith("   ") and not ORDERLESS.match(line):
            blocks[-1] += line
        else:
            blocks.append(line)
    out, run = [], []
    for block in [*blocks, ""]:
        match = ORDERLESS.match(block)
        kind = match and match.group()[:5].strip(" MS")
        if run and kind != run[0][0]:
            out += sorted(block for _, block in run)
            run = []
        if match:
            run.append((kind, block))
        else:
            out.append(block)
    return "".join(out)


class Node:
    """One node on a loopback address of its own choice."""

    def __init__(self, directory, kind, host, port, *options):
        self.host, self.port, self.dir = host, port, str(directory)
        self.password = options[options.index("--requirepass") + 1] if "--requirepass" in options else None
        os.makedirs(self.dir, exist_ok=True)
        self.log = open(os.path.join(self.dir, "log"), "ab")
        # A file, so that CONFIG REWRITE has one.
        config = os.path.join(self.dir, "node.conf")
        with open(config, "w", encoding="utf8") as file:
            file.write(f"port {port}\nbind {host}\ndir {self.dir}\ncluster-enabled yes\ncluster-node-timeout 5000\n"
                       f"save \"\"\nrepl-diskless-sync-delay 0\ncluster-announce-ip {host}\n")
        self.process = subprocess.Popen([*KINDS[kind], config, *options], stdout=self.log, stderr=self.log)
        wait_for(lambda: self.client().ping(), 20, f"{kind} answers; see {self.dir}/log")

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def client(self):
        return redis.Redis(self.host, self.port, password=self.password, socket_timeout=5, decode_responses=True, retry=QUICK)

    def call(self, *words):
        """A reply as it is: redis-py would make something of CLUSTER's."""
        with self.client() as client:
            connection = client.connection_pool.get_connection()
            connection.send_command(*words)
            return connection.read_response()

    def id(self):
        return self.call("CLUSTER", "MYID")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Side:
    """Some nodes and the tool that drives them."""

    def __init__(self, directory, tool, kinds, hosts, *options):
        self.tool, self.dir, self.kind, self.options, self.nodes, self.ids = tool, directory, kinds, options, [], []
        self.add(kinds, hosts)

    def add(self, kinds, hosts):
        first = free_ports(len(hosts))
        for index, host in enumerate(hosts):
            kind = kinds if isinstance(kinds, str) else kinds[index]
            node = Node(self.dir / f"{self.tool}-{len(self.nodes)}", kind, host, first + index, *self.options)
            self.nodes.append(node)
            self.ids.append(node.id())

    def plain(self, text):
        for index, (node, name) in enumerate(zip(self.nodes, self.ids)):
            text = text.replace(node.address, f"<node {index}>").replace(f"{node.host} {node.port}", f"<node {index}>")
            text = text.replace(name, f"<id {index}>").replace(name[:8], f"<id {index}>").replace(str(node.port), f"<port {index}>")
        return ordered(text.replace(str(self.dir), "<dir>"))

    def run(self, words, answers="", tool=None, before=(), term="dumb"):
        """Runs the tool; `{2}` in a word is the address of node 2, `{id2}` its id."""
        names = {f"id{index}": name for index, name in enumerate(self.ids)}
        words = [word.format(*[node.address for node in self.nodes], **names, tool=self.tool, dir=self.dir) for word in words]
        command = tool or [*TOOLS[self.tool], *before, "--cluster"]
        run = subprocess.run([*command, *words], input=answers, capture_output=True, text=True, timeout=120,
                             env={"TERM": term, "PATH": os.environ["PATH"]}, check=False)
        return run.returncode, self.plain(run.stdout), self.plain(run.stderr)

    def get(self, key):
        """The value at the node that serves the key's slot."""
        for node in self.nodes:
            try:
                if "slave" not in node.call("ROLE")[0]:
                    return node.call("GET", key)
            except redis.exceptions.MovedError:
                pass
        raise AssertionError(f"nobody serves {key}")

    def stop(self):
        for node in self.nodes:
            node.stop()


class Pair:
    """The same cluster twice."""

    def __init__(self, directory, kinds, hosts, *options):
        self.sides = [Side(directory, tool, kinds, hosts, *options) for tool in TOOLS]
        self.dir = directory

    def each(self, act):
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(act, self.sides))

    def same(self, line, answers="", keep=None, **how):
        """Both tools print and return the same; the outcome."""
        self.settle()
        real, ours = self.each(lambda side: side.run(line.split(" "), answers, **how))
        if keep:
            real, ours = [(code, keep(out), err) for code, out, err in (real, ours)]
        assert ours == real, f"{line}\n--- real\n{real[1]}{real[2]}\n--- ours\n{ours[1]}{ours[2]}"
        return real

    def settle(self):
        """Waits until every node of each side sees the same."""
        def settled(side):
            def shape(node):
                lines = [line.split(" ") for line in node.call("CLUSTER", "NODES").splitlines()]
                # Open slots stand in a node's own line only.
                return sorted((line[0], line[2].replace("myself,", ""), line[3],
                               *[word for word in line[8:] if word[0] != "["]) for line in lines)
            def shapes():
                found = [shape(node) for node in side.nodes if node.process.poll() is None]
                return {str(lines) for lines in found if len(lines) > 1}
            wait_for(lambda: len(shapes()) < 2, 20, "agreement")
        self.each(settled)

    def call(self, node, *words):
        """The same command to the same node of both sides; `id2` is the id of node 2."""
        for side in self.sides:
            names = {f"id{index}": name for index, name in enumerate(side.ids)}
            side.nodes[node].call(*[names.get(word, word) for word in words])


def nobody_owns(side, *slots):
    """Takes the slots from everyone's view. A ping of a node that was not told yet puts them back: then once more."""
    def gone():
        for node in side.nodes:
            for slot in slots:
                try:
                    node.call("CLUSTER", "DELSLOTS", slot)
                except redis.ResponseError:
                    pass  # Unassigned there already.
        time.sleep(0.2)
        left = f"cluster_slots_assigned:{16384 - len(slots)}\r"
        return all(left in node.call("CLUSTER", "INFO") for node in side.nodes)
    wait_for(gone, 20, f"nobody owns {slots}")


HOSTS = ["127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.3"]
ALL = "{0} {1} {2} {3} {4} {5}"


@pytest.fixture
def pair(tmp_path):
    pairs = []

    def make(*options, hosts=HOSTS):
        # By hand: MANAGER_KIND=redan, or valkey.
        pairs.append(Pair(tmp_path, os.environ.get("MANAGER_KIND", "redis"), hosts, *options))
        return pairs[-1]

    yield make
    for made in pairs:
        for side in made.sides:
            side.stop()


def sorted_lines(text):
    return sorted(text.splitlines())


def findings(text):
    """What a check finds, without the list of the nodes."""
    return text[text.index("[OK] All nodes agree"):]


def no_dots(text):
    """Without the dots that count seconds of waiting."""
    return re.sub(r"(Waiting for the cluster to join\n)\.*\n", r"\1", text)


@functools.cache
def tag_of(slot):
    return next(tag for tag in range(10 ** 6) if key_slot(str(tag).encode()) == slot)


def key_of(slot, number=0):
    """A key in `slot`."""
    return f"k{number}{{{tag_of(slot)}}}"


def test_words_that_are_no_job(pair):
    nodes = pair(hosts=HOSTS[:4])
    assert nodes.same("frob {0}")[0] == 1
    assert nodes.same("check")[2].startswith("[ERR] Wrong number of arguments")
    assert nodes.same("add-node {0}")[0] == 1
    assert nodes.same("check 127.0.0.1")[2].startswith("[ERR] Invalid arguments")
    assert nodes.same("info 127.0.0.1 1")[2].startswith("Could not connect to Redis at 127.0.0.1:1")
    assert nodes.same("create {0} {1} {2} {3} --cluster-replicas 1")[0] == 1
    assert nodes.same("create {0} 127.0.0.1")[2] == "Invalid address format: 127.0.0.1\n"
    assert nodes.same("set-timeout {0} 99")[0] == 1
    assert nodes.same("import {0}")[0] == 1
    # Its sentences are our own; commands, arguments and options are those of the original.
    nodes.same("help", keep=lambda text: [line for line in text.splitlines() if line.startswith("  ") and "--cluster-yes" not in line])
    plain = free_ports(1)
    server = subprocess.Popen([REDIS, "--port", str(plain), "--save", "", "--dir", str(nodes.dir)], stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: redis.Redis(port=plain, retry=QUICK).ping(), 10, "the plain server answers")
        assert "is not configured as a cluster node." in nodes.same(f"check 127.0.0.1:{plain}")[1]
    finally:
        server.kill()
        server.wait()


def test_a_cluster_is_made_looked_after_and_taken_apart(pair):
    nodes = pair()
    assert nodes.same(f"create {ALL} --cluster-replicas 1", "no\n")[0] == 0
    made = nodes.same(f"create {ALL} --cluster-replicas 1", "yes\n", keep=no_dots)
    assert made[0] == 0 and "[OK] All 16384 slots covered." in made[1]
    assert nodes.same(f"create {ALL} --cluster-replicas 1")[0] == 1
    assert nodes.same("check {1}")[0] == 0
    nodes.each(is_ok)
    nodes.same("info {0}")
    nodes.same("call {0} config get maxmemory-policy --cluster-only-masters", keep=sorted_lines)
    nodes.same("call {0} dbsize --cluster-only-replicas")
    nodes.same("call {0} frob", keep=sorted_lines)
    assert "6 OK, 0 ERR" in nodes.same("set-timeout {2} 4000")[1]

    # No slot moves twice: Redis 7.0 may forget the owner of one that was on its way shortly before (a late message of the old
    # owner), and what is compared here would be chance.
    for slot in (10923, 10924, 10925, 10926, 10950):
        for number in range(15):
            nodes.call(4, "SET", key_of(slot, number), number)
    assert nodes.same("reshard {0} --cluster-from {id4} --cluster-to {id2} --cluster-slots 4 --cluster-yes")[0] == 0
    for line in ("--cluster-from x --cluster-to {id2}", "--cluster-from {id1} --cluster-to {id2}", "--cluster-from {id2} --cluster-to {id2}"):
        assert nodes.same(f"reshard {{0}} --cluster-slots 4 --cluster-yes {line}")[0] == 1
    assert nodes.same("reshard {0} --cluster-from all --cluster-to {id0} --cluster-slots 7", "no\n")[0] == 1
    assert nodes.same("reshard {0} --cluster-from all --cluster-to {id0} --cluster-slots 7", "yes\n")[0] == 0
    for side in nodes.sides:
        assert [side.get(key_of(10924, number)) for number in range(15)] == [str(number) for number in range(15)]
    nodes.same("info {0}")

    # Two more nodes, a primary and a replica of it; the primary gets its share.
    for side in nodes.sides:
        side.add(side.kind, ["127.0.0.4", "127.0.0.4"])
    assert nodes.same("add-node {6} {0}", keep=no_dots)[0] == 0
    wait_for(lambda: all(len(side.nodes[0].call("CLUSTER", "NODES").splitlines()) == 7 for side in nodes.sides), 10, "node 6 is known")
    nodes.each(lambda side: wait_for(lambda: "handshake" not in "".join(node.call("CLUSTER", "NODES") for node in side.nodes), 10, "met"))
    nodes.each(lambda side: wait_for(lambda: all(side.ids[6] in node.call("CLUSTER", "NODES") for node in side.nodes[:7]), 10, "known"))
    assert nodes.same("add-node {7} {0} --cluster-slave --cluster-master-id {id0}", keep=no_dots)[0] == 0
    assert nodes.same("add-node {7} {0}", keep=no_dots)[0] == 1
    nodes.each(is_ok)
    assert nodes.same("rebalance {0}")[1].count("No rebalancing needed") == 1
    assert nodes.same("rebalance {0} --cluster-use-empty-masters --cluster-simulate --verbose", keep=sorted_lines)[0] == 0
    assert nodes.same("rebalance {0} --cluster-weight {id6}=0.01 --cluster-use-empty-masters", keep=sorted_lines)[0] == 0
    assert nodes.same("check {0}")[0] == 0
    assert nodes.same("del-node {0} {id6}")[0] == 1
    assert nodes.same("del-node {0} 1234")[0] == 1
    assert nodes.same("del-node {0} {id7}")[0] == 0
    nodes.each(lambda side: wait_for(lambda: all(side.ids[7] not in node.call("CLUSTER", "NODES") for node in side.nodes[:7]), 10, "forgotten"))
    assert nodes.same("check {0}")[0] == 0


def make(nodes, **how):
    """A cluster on both sides, by each side's own tool."""
    count = len(nodes.sides[0].nodes)
    words = " ".join(f"{{{index}}}" for index in range(count))
    replicas = 1 if count >= 6 else 0
    nodes.each(lambda side: side.run(f"create {words} --cluster-replicas {replicas} --cluster-yes".split(" "), **how))
    nodes.settle()
    nodes.each(is_ok)


def is_ok(side):
    """Waits until every node of `side` takes commands."""
    wait_for(lambda: all("cluster_state:ok" in node.call("CLUSTER", "INFO") for node in side.nodes), 20, "the cluster is ok")


def test_keys_that_are_at_the_target_already(pair):
    nodes = pair("--enable-debug-command", "yes", hosts=HOSTS[:3])
    make(nodes)
    for number in range(12):
        nodes.call(0, "SET", key_of(0, number), "same")
    nodes.each(lambda side: stray_key(side, 0, "same", node=1))
    move = "reshard {0} --cluster-from {id0} --cluster-to {id1} --cluster-slots 1 --cluster-yes"
    moved = nodes.same(move)
    assert moved[0] == 0 and "*** Replacing target keys..." in moved[1]
    nodes.call(0, "SET", key_of(1), "one value")
    nodes.each(is_ok)
    nodes.each(lambda side: stray_key(side, 1, "another", node=1))
    moved = nodes.same(move)
    assert moved[0] == 1 and "having different values" in moved[1]
    for node in (0, 1):
        nodes.call(node, "CLUSTER", "SETSLOT", 1, "STABLE")
    assert nodes.same(move + " --cluster-replace")[0] == 0
    assert [side.get(key_of(1)) for side in nodes.sides] == ["one value", "one value"]
    # Ours reads one answer a line, so that they may come all at once.
    answers = "0\n2\n\n{id1}\n{id1}\n{id0}\ndone\nyes\n"
    for number, name in enumerate(nodes.sides[1].ids):
        answers = answers.replace(f"{{id{number}}}", name)
    asked = nodes.sides[1].run(["reshard", "{0}"], answers)
    assert asked[0] == 0 and "Ready to move 2 slots." in asked[1] and "not possible to use the target" in asked[1], asked
    assert nodes.sides[1].run(["reshard", "{0}"], "2\n")[0] == 1


def test_a_password_and_colours(pair):
    nodes = pair("--requirepass", "secret", "--masterauth", "secret", hosts=HOSTS[:3])
    assert "NOAUTH" in nodes.same("check {0}")[1]
    nodes.same("create {0} {1} {2}", before=["-a", "wrong", "--no-auth-warning"])
    how = {"before": ["-a", "secret", "--no-auth-warning"]}
    make(nodes, **how)
    for number in range(12):
        nodes.call(0, "SET", key_of(0, number), number)
    moved = nodes.same("reshard {0} --cluster-from {id0} --cluster-to {id1} --cluster-slots 2 --cluster-yes", **how)
    assert moved[0] == 0 and "............\n" in moved[1]
    how["before"] = ["--user", "default", "--pass", "secret", "--no-auth-warning"]
    assert nodes.same("reshard {0} --cluster-from {id0} --cluster-to {id2} --cluster-slots 2 --cluster-yes", **how)[0] == 0
    assert [side.get(key_of(0, 3)) for side in nodes.sides] == ["3", "3"]
    how["term"] = "xterm-256color"
    coloured = nodes.same("check {0}", **how)
    assert "\x1b[32;1m[OK] All 16384 slots covered.\n\x1b[0m" in coloured[1]
    nodes.same("call {0} ping", keep=sorted_lines, **how)
    nodes.same("create {0} {1} {2} --cluster-replicas 1", **how)
    nodes.same("reshard {0} --cluster-from x --cluster-to {id1} --cluster-slots 2 --cluster-yes", **how)


def test_what_is_broken_is_mended(pair):
    nodes = pair("--enable-debug-command", "yes", hosts=HOSTS[:3])
    make(nodes)
    for slot in (7, 8):
        for number in range(3):
            nodes.call(0, "SET", key_of(slot, number), number)
    assert nodes.same("fix {0}")[0] == 0

    # Case 1: a move that was begun.
    nodes.call(0, "CLUSTER", "SETSLOT", 7, "MIGRATING", "id1")
    nodes.call(1, "CLUSTER", "SETSLOT", 7, "IMPORTING", "id0")
    assert nodes.same("check {1}")[0] == 1
    assert nodes.same("reshard {1} --cluster-slots 1 --cluster-from all --cluster-to {id1} --cluster-yes")[0] == 1
    assert nodes.same("rebalance {1}")[0] == 1
    assert "Case 1" in nodes.same("fix {1}")[1]
    assert [side.get(key_of(7, 1)) for side in nodes.sides] == ["1", "1"]
    # Case 2: nobody gives. Case 4: nobody takes.
    nodes.call(2, "CLUSTER", "SETSLOT", 8, "IMPORTING", "id0")
    assert "Case 2" in nodes.same("fix {2}")[1]
    nodes.call(0, "CLUSTER", "SETSLOT", 8, "MIGRATING", "id2")
    assert "Case 4" in nodes.same("fix {2}")[1]
    # Case 3: two take.
    nodes.call(0, "CLUSTER", "SETSLOT", 8, "MIGRATING", "id2")
    nodes.call(1, "CLUSTER", "SETSLOT", 8, "IMPORTING", "id0")
    nodes.call(2, "CLUSTER", "SETSLOT", 8, "IMPORTING", "id0")
    assert "Case 3" in nodes.same("fix {2}")[1]
    assert [side.get(key_of(8, 2)) for side in nodes.sides] == ["2", "2"]

    # Slots that nobody owns: one without keys (which node gets it is chance), one with.
    nodes.each(lambda side: nobody_owns(side, 100, 8))
    assert "[ERR] Not all 16384 slots are covered by nodes." in nodes.same("check {0}")[1]
    assert nodes.same("fix {0}", "no\nno\n")[0] == 1
    chance = lambda text: re.sub(r"(Covering slot 100 with <node )\d", r"\1x", text)
    assert nodes.same("fix {0}", "yes\nyes\n", keep=chance)[0] == 0
    # Keys of a slot in a node that does not own it.
    nodes.each(lambda side: stray_key(side))
    found = nodes.same("check {0} --cluster-search-multiple-owners", keep=findings)
    assert found[0] == 1 and "[WARNING] Slot 200 has 2 owners:" in found[1]
    assert nodes.same("fix {0} --cluster-search-multiple-owners", keep=findings)[0] == 0
    assert [side.get(key_of(200)) for side in nodes.sides] == ["stray", "stray"]

    # A primary that is away makes fixing dangerous.
    for side in nodes.sides:
        side.nodes[1].stop()
    assert "--cluster-fix-with-unreachable-masters" in nodes.same("fix {0}", keep=findings)[1]


def rdb_is_sound(path):
    return subprocess.run(["redis-check-rdb", path], capture_output=True, check=False).returncode == 0


def stray_key(side, slot=200, value="stray", node=2):
    """Node 0 owns the slot, another node has a key in it too."""
    is_ok(side)
    node = side.nodes[node]
    node.call("CLUSTER", "SETSLOT", slot, "IMPORTING", side.ids[0])
    with node.client() as client:
        connection = client.connection_pool.get_connection()
        for words in (["ASKING"], ["SET", key_of(slot), value]):
            connection.send_command(*words)
            connection.read_response()
    node.call("CLUSTER", "SETSLOT", slot, "STABLE")


def test_keys_come_in_and_backups_go_out(pair, tmp_path):
    nodes = pair(hosts=HOSTS[:3])
    make(nodes)
    port = free_ports(1)
    sources = []
    for host in ("127.0.0.5", "127.0.0.6"):
        sources.append(subprocess.Popen([REDIS, "--port", str(port), "--bind", host, "--save", "", "--dir", str(tmp_path),
                                         "--requirepass", "secret"], stdout=subprocess.DEVNULL))
    try:
        for side, host in zip(nodes.sides, ("127.0.0.5", "127.0.0.6")):
            side.host = host
            client = redis.Redis(host, port, password="secret", retry=QUICK)
            wait_for(client.ping, 10, "the source answers")
            for number in range(40):
                client.set(f"key:{number}", number)
            client.set("blank key", "x")
        def same(line):
            def run(side):
                words = [word.replace("SOURCE", f"{side.host}:{port}") for word in line.split(" ")]
                code, out, err = side.run(words)
                # Which key comes first is chance.
                out = re.sub(r"Migrating .* to <node \d>: Source", "Migrating x: Source", out)
                return code, sorted_lines(out.replace(side.host, "<source>")), err.replace(side.host, "<source>")
            real, ours = nodes.each(run)
            assert ours == real, line
            return real
        assert same("import {0} --cluster-from SOURCE")[0] == 1
        assert same("import {0} --cluster-from SOURCE --cluster-from-pass wrong")[0] == 1
        assert same("import {0} --cluster-from SOURCE --cluster-from-pass secret --cluster-copy")[0] == 0
        assert same("import {0} --cluster-from SOURCE --cluster-from-pass secret")[0] == 1
        assert same("import {0} --cluster-from SOURCE --cluster-from-pass secret --cluster-replace")[0] == 0
        assert same("import {0} --cluster-from {1}")[0] == 1
    finally:
        for source in sources:
            source.kill()
            source.wait()
    for side in nodes.sides:
        assert side.get("key:7") == "7" and side.get("blank key") == "x"
        (side.dir / side.tool).mkdir()
    def plain(text):
        return re.sub(r"writing \d+ bytes", "writing n bytes", text)
    real, ours = nodes.each(lambda side: side.run(["backup", "{0}", "{dir}/{tool}"]))
    told = [[sorted_lines(plain(text.replace("/real", "/x").replace("/ours", "/x"))) for text in side[1:]] for side in (real, ours)]
    assert told[0] == told[1] and real[0] == ours[0] == 0
    for side in nodes.sides:
        files = sorted(os.listdir(side.dir / side.tool))
        assert len(files) == 4
        # Debian's tool knows no file of Valkey.
        assert side.kind == "valkey" or all(rdb_is_sound(side.dir / side.tool / name) for name in files[1:])
    layouts = [sorted(side.plain((side.dir / side.tool / "nodes.json").read_text()).split("},")) for side in nodes.sides]
    trimmed = [sorted(part.strip("[] \n}") for part in layout) for layout in layouts]
    assert trimmed[0] == trimmed[1]


def test_the_old_tool_and_all_kinds_of_nodes(tmp_path):
    """redis-trib.rb's syntax on a cluster of Redis, Valkey and redan nodes; then the real tool on the same cluster."""
    kinds = ["redis", "valkey", "redan", "redan", "redis", "valkey"]
    if not KINDS["valkey"][0]:
        pytest.skip("valkey-server is not installed")
    side = Side(tmp_path, "ours", kinds, HOSTS)
    try:
        trib = [REDAN, "cluster"]
        made = side.run(["create", "--replicas", "1", *ALL.split(" ")], "yes\n", tool=trib)
        assert made[0] == 0 and made[1].startswith(">>> Creating cluster\n>>> Performing hash slots allocation on 6 nodes...\n")
        assert "Using 3 masters:\n" in made[1] and "slots:0-5460 (5461 slots) master\n" in made[1]
        assert "[OK] All 16384 slots covered." in made[1]
        is_ok(side)
        wait_for(lambda: side.run(["check", "{1}"], tool=[REAL, "--cluster"])[0] == 0, 20, "the real tool is content")
        assert side.run(["check", "{2}"], tool=trib)[0] == 0
        assert "0 keys in 3 masters." in side.run(["info", "{3}"], tool=trib)[1]
        # `redan cluster` takes today's options as well.
        assert side.run(["call", "{0}", "ping", "--cluster-only-masters"], tool=trib)[1].count("PONG") == 3
        assert "<node 0>: PONG" in side.run(["call", "{0}", "ping"], tool=trib)[1]
        assert "6 OK, 0 ERR" in side.run(["set-timeout", "{0}", "6000"], tool=trib)[1]
        # Keys go from Redis to redan and from redan to Redis, by ours and by the real tool.
        keys = [(4, slot) for slot in range(10923, 10928)] + [(2, slot) for slot in range(5461, 5480)]
        for node, slot in keys:
            for number in range(12):
                side.nodes[node].call("SET", key_of(slot, number), f"{slot}-{number}")
        moved = side.run(["reshard", "--from", "{id4}", "--to", "{id2}", "--slots", "10", "--yes", "{0}"], tool=trib)
        assert moved[0] == 0, moved
        assert "Unknown option 'frob'" in side.run(["reshard", "--frob", "1", "{0}"], tool=trib)[1]
        wait_for(lambda: side.run(["check", "{5}"])[0] == 0, 20, "our tool is content")
        assert side.run(["rebalance", "--threshold", "0.01", "{0}"], tool=trib)[0] == 0
        wait_for(lambda: side.run(["check", "{5}"])[0] == 0, 20, "our tool is content")
        moved = side.run(["reshard", "{0}", "--cluster-from", "{id2}", "--cluster-to", "{id0}", "--cluster-slots", "8",
                          "--cluster-yes"], tool=[REAL, "--cluster"])
        assert moved[0] == 0, moved
        wait_for(lambda: side.run(["check", "{4}"], tool=[REAL, "--cluster"])[0] == 0, 20, "the real tool is content")
        (tmp_path / "backup").mkdir()
        assert side.run(["backup", "{0}", "{dir}/backup"])[0] == 0
        files = sorted(os.listdir(tmp_path / "backup"))
        assert len(files) == 4 and all(rdb_is_sound(tmp_path / "backup" / name) for name in files[1:])
        for _, slot in keys:
            assert [side.get(key_of(slot, number)) for number in range(12)] == [f"{slot}-{number}" for number in range(12)]
    finally:
        side.stop()
