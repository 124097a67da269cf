"""The bus beside Redis 7.0 and Valkey 9.1 in one cluster: names, shards, messages and forgotten nodes."""
import pytest
from conftest import REDIS, valkey_server, wait_for
from mixed import PATIENCE, Node

KINDS = ["redan", "valkey", "redis", "valkey", "redan"]


@pytest.fixture
def nodes(tmp_path):
    if not REDIS or not valkey_server():
        pytest.skip("redis-server or valkey-server is not installed")
    started = []
    try:
        for index, kind in enumerate(KINDS):
            names = ["--cluster-announce-hostname", f"host{index}.example"] if index % 2 == 0 else []
            names += ["--cluster-announce-human-nodename", f"name{index}"] if kind != "redis" else []
            names += ["--availability-zone", f"zone{index}"] if kind == "valkey" else []
            started.append(Node(kind, tmp_path / f"{kind}{index}", *names))
        yield started
    finally:
        for node in started:
            node.stop()


def ask(node, *words):
    client = node.client()
    client.response_callbacks.clear()
    return client.execute_command(*words)


def form(nodes):
    """Three primaries, and replicas of the first two."""
    for index, node in enumerate(nodes[:3]):
        first, last = [(0, 5460), (5461, 10922), (10923, 16383)][index]
        ask(node, "cluster", "addslotsrange", first, last)
    for node in nodes[1:]:
        ask(nodes[0], "cluster", "meet", "127.0.0.1", node.port)
    known = f"cluster_known_nodes:{len(nodes)}"
    wait_for(lambda: all(known in ask(node, "cluster", "info") for node in nodes), PATIENCE, "all know all")
    for index, node in enumerate(nodes[3:]):
        wait_for(lambda: knows_primary(node, nodes[index].id), PATIENCE, "the primary is known as one")
        ask(node, "cluster", "replicate", nodes[index].id)
    wait_for(lambda: all("cluster_state:ok" in ask(node, "cluster", "info") for node in nodes), PATIENCE, "ok")


def knows_primary(node, id_):
    return any(line.startswith(id_) and "master" in line for line in ask(node, "cluster", "nodes").splitlines())


def addresses(node):
    """Each node's address with the host name that it goes by."""
    lines = ask(node, "cluster", "nodes").splitlines()
    return {line.split(" ")[0]: line.split(" ")[1] for line in lines}


def roles(node):
    """Who has what, without times and flags of the moment."""
    fields = [line.split(" ") for line in ask(node, "cluster", "nodes").splitlines()]
    return sorted((line[0], "master" in line[2], line[3], line[6], *line[8:]) for line in fields)


def saved(node):
    with open(f"{node.dir}/nodes.conf") as file:
        return file.read()


def test_names_shards_messages_and_forgotten_nodes(nodes):
    form(nodes)
    wait_for(lambda: all(roles(node) == roles(nodes[0]) for node in nodes), PATIENCE, "one view")

    # Valkey tells its host name to nodes that say that they read extensions; a redan node is always told.
    for index in [0, 2, 4]:
        named = f",host{index}.example"
        for node in [nodes[0], nodes[1], nodes[4]]:
            wait_for(lambda: addresses(node)[nodes[index].id].endswith(named), PATIENCE, "host name")

    # Replicas have the shard of their primary, whoever asks.
    shard = {index: ask(nodes[index], "cluster", "myshardid") for index in [0, 1]}
    wait_for(lambda: ask(nodes[3], "cluster", "myshardid") == shard[0], PATIENCE, "shard of the first")
    wait_for(lambda: ask(nodes[4], "cluster", "myshardid") == shard[1], PATIENCE, "shard of the second")
    line = f"availability-zone=zone3,tls-port=0,nodename=name3,shard-id={shard[0]} slave"
    wait_for(lambda: line in saved(nodes[0]), PATIENCE, "a line as Valkey writes it")

    # Under the full header and under the light one.
    listeners = [node.client().pubsub() for node in nodes]
    for listener in listeners:
        listener.subscribe("news")
        wait_for(lambda: listener.get_message(), PATIENCE, "subscribed")
    for index, node in enumerate(nodes):
        ask(node, "publish", "news", f"from {index}")
        for listener in listeners:
            message = listener.get_message(ignore_subscribe_messages=True, timeout=PATIENCE)
            assert message and message["data"] == f"from {index}"

    # A node that one member is told to forget is forgotten by all that know the extension.
    gone = nodes[3]
    gone.kill()
    ask(nodes[4], "cluster", "forget", gone.id)
    for node in [nodes[0], nodes[1]]:
        wait_for(lambda: gone.id not in ask(node, "cluster", "nodes"), PATIENCE, "forgotten")
