"""Many slots full of keys move under load, by the real tool: between redan nodes, to Valkey and back.

RESHARD_SLOTS=4000 RESHARD_KEYS=1000000 is the long run.
"""
import os
import random
import subprocess
import threading
import time

import pytest
import redis
from conftest import wait_for
from mixed import cli
from redis.crc import key_slot

SLOTS = int(os.environ.get("RESHARD_SLOTS", "200"))
KEYS = int(os.environ.get("RESHARD_KEYS", "20000"))
# A pipeline of the test's own reads and writes.
PART = 5000


def owners(nodes):
    """Which node has which slot, as the first node tells."""
    found, by_port = {}, {node.port: node.client() for node in nodes}
    client = nodes[0].client()
    # As it comes: what the client makes of it differs between its versions.
    client.response_callbacks.clear()
    for first, last, (_, port, *_), *_ in client.execute_command("cluster", "slots"):
        for slot in range(first, last + 1):
            found[slot] = by_port[port]
    return found


def by_owner(nodes, names):
    """Parts of `names`, each with the client of the node that owns them."""
    slots, groups = owners(nodes), {}
    for name in names:
        client = slots[key_slot(name.encode())]
        groups.setdefault(client, []).append(name)
    for client, all_ in groups.items():
        for at in range(0, len(all_), PART):
            yield client, all_[at:at + PART]


def fill(nodes):
    for client, names in by_owner(nodes, (f"key:{number}" for number in range(KEYS))):
        pipe = client.pipeline(transaction=False)
        for name in names:
            pipe.set(name, name[4:])
        pipe.execute()


def wrong(nodes, expected):
    """Keys whose value at their slot's owner is not the expected one."""
    found = []
    for client, names in by_owner(nodes, expected):
        pipe = client.pipeline(transaction=False)
        for name in names:
            pipe.get(name)
        found += [(name, value) for name, value in zip(names, pipe.execute(raise_on_error=False))
                  if value != expected[name]]
    return found


class Clients:
    """Cluster clients that read and write all the time; any error and any wrong value is kept."""

    def __init__(self, port, count):
        self.port, self.stopping, self.errors, self.counts, self.done = port, False, [], {}, 0
        self.threads = [threading.Thread(target=self.run, args=(worker,)) for worker in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, worker):
        client = redis.RedisCluster(host="127.0.0.1", port=self.port, socket_timeout=10, decode_responses=True)
        chance = random.Random(worker)
        while not self.stopping and not self.errors:
            try:
                number = chance.randrange(KEYS)
                if chance.random() < 0.5:
                    found, wanted = client.get(f"key:{number}"), str(number)
                else:
                    name = f"count:{worker}:{chance.randrange(2000)}"
                    wanted = self.counts[name] = self.counts.get(name, 0) + 1
                    found = client.incr(name)
                if found != wanted:
                    self.errors.append(f"{number}: {found!r}, not {wanted!r}")
                self.done += 1
            except (redis.RedisError, OSError) as error:
                self.errors.append(repr(error))

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join()


def tool(*words):
    """The real tool; it takes its time in a long run."""
    run = subprocess.run(["redis-cli", "--cluster", *map(str, words)], capture_output=True, text=True,
                         timeout=120 + SLOTS)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]


@pytest.mark.parametrize("first,second", [("redan", "redan"), ("redan", "valkey")])
def test_resharding_under_load_loses_and_doubles_nothing(servers, first, second):
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "15000", "--save", "")
    nodes = [servers(kind, *options) for kind in (first, second, first)]
    addresses = [f"127.0.0.1:{node.port}" for node in nodes]
    tool("create", *addresses, "--cluster-yes")
    wait_for(lambda: all(node.client().cluster("info")["cluster_state"] == "ok" for node in nodes), 30, "ok")
    ids = [node.client().execute_command("cluster", "myid") for node in nodes]
    fill(nodes)
    clients, seconds = Clients(nodes[2].port, 2), []
    try:
        for source, target in ((0, 1), (1, 0)):
            started = time.time()
            tool("reshard", addresses[2], "--cluster-from", ids[source], "--cluster-to", ids[target],
                 "--cluster-slots", SLOTS, "--cluster-yes", "--cluster-pipeline", 100)
            seconds.append(time.time() - started)
            assert not clients.errors, clients.errors
    finally:
        clients.stop()
    assert not clients.errors, clients.errors
    expected = {f"key:{number}": str(number) for number in range(KEYS)}
    expected.update((name, str(value)) for name, value in clients.counts.items())
    bad = wrong(nodes, expected)
    assert not bad, f"{len(bad)} keys are wrong: {bad[:5]}"
    assert sum(node.client().dbsize() for node in nodes) == len(expected), "a key is doubled or left behind"
    code, text = cli(nodes[0].port, "--cluster", "check", addresses[0])
    assert code == 0 and "[OK] All 16384 slots covered." in text and "[WARNING]" not in text, text
    print(f"\n{first} -> {second} -> {first}: {SLOTS} slots of {KEYS} keys in {seconds[0]:.1f} and {seconds[1]:.1f} s, "
          f"{clients.done} requests meanwhile, no error")
