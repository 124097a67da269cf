"""`redan backup` and `redan restore`: one node, clusters of other sizes, the real Redis at both ends, damaged files."""
import json
import os
import subprocess
import time

import redis
import s3
from conftest import REDAN, wait_for

NODE = ["--save", "", "--repl-diskless-sync-delay", "0"]


def run(*arguments, code=0):
    done = subprocess.run([REDAN, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stderr


def at(server):
    return f"127.0.0.1:{server.port}"


def fill(client, count=300):
    """Keys of each type, some with a deadline, spread over the slots."""
    for index in range(count):
        client.set(f"s:{index}", f"value {index}" * (index % 7))
    for index in range(20):
        client.rpush(f"l:{index}", *range(index + 1))
        client.sadd(f"t:{index}", *range(index + 1))
        client.sadd(f"w:{index}", *[f"word {item}" for item in range(index * 10 + 1)])
        client.hset(f"h:{index}", mapping={f"field {item}": item for item in range(index * 10 + 1)})
        client.zadd(f"z:{index}", {f"member {item}": item / 3 for item in range(index * 10 + 1)})
        client.xadd(f"x:{index}", {"a": index}, id="5-1")
        client.set(f"e:{index}", "with a deadline", pxat=4_000_000_000_000 + index)
    client.set("gone", "soon", px=1)


def contents(clients):
    """What is there: key -> (value, deadline); no key may be in two nodes."""
    found = {}
    for client in clients:
        keys = list(client.scan_iter(count=1000))
        many = client.pipeline(transaction=False)
        for key in keys:
            many.type(key)
        kinds = many.execute()
        read = {b"string": many.get, b"hash": many.hgetall, b"set": many.smembers,
                b"list": lambda key: many.lrange(key, 0, -1),
                b"zset": lambda key: many.zrange(key, 0, -1, withscores=True), b"stream": many.xrange}
        for key, kind in zip(keys, kinds):
            read[kind](key)
            many.pexpiretime(key)
        values = many.execute()
        for at, key in enumerate(keys):
            assert key not in found, f"{key} is in two nodes"
            found[key] = (values[2 * at], values[2 * at + 1])
    return found


def cluster(servers, count, *kinds):
    nodes = [servers(kinds[index % len(kinds)], "--cluster-enabled", "yes", *NODE) for index in range(count)]
    words = [at(node) for node in nodes]
    subprocess.run([REDAN, "cli", "--cluster", "create", *words, "--cluster-yes"], check=True, capture_output=True,
                   timeout=120)
    wait_for(lambda: all(node.client().cluster("info")["cluster_state"] == "ok" for node in nodes), 60, "the cluster is ok")
    return nodes


def cluster_client(nodes):
    return redis.RedisCluster(host="127.0.0.1", port=nodes[0].port)


def raw(nodes):
    return [node.client(decode_responses=False) for node in nodes]


def test_a_node_comes_back_in_another(servers, tmp_path):
    for source_kind, target_kind in [("redan", "redis"), ("redis", "redan")]:
        source = servers(source_kind, *NODE)
        fill(source.client())
        source.client(db=3).set("in database 3", "x")
        place = tmp_path / f"from-{source_kind}"
        time.sleep(0.01)
        run("backup", "--from", at(source), "--to", place, "--quiet")
        manifest = json.loads((place / "manifest.json").read_text())
        assert not manifest["cluster"] and len(manifest["nodes"]) == 1
        assert manifest["nodes"][0]["bytes"] == os.path.getsize(place / manifest["nodes"][0]["file"])
        run("restore", "--from", place, "--check")
        target = servers(target_kind, *NODE)
        text = run("restore", "--from", place, "--to", at(target))
        assert "keys restored" in text
        assert contents(raw([target])) == contents(raw([source]))
        assert target.client(db=3).get("in database 3") == "x"
        # A target with data is refused, keys that are there too, unless asked for.
        assert "holds data already" in run("restore", "--from", place, "--to", at(target), code=1)
        assert "--replace overwrites" in run("restore", "--from", place, "--to", at(target), "--force", code=1)
        target.client().set("s:1", "other")
        run("restore", "--from", place, "--to", at(target), "--replace")
        assert contents(raw([target])) == contents(raw([source]))


def test_a_cluster_comes_back_in_other_sizes(servers, tmp_path):
    nodes = cluster(servers, 3, "redan", "redis")
    fill(cluster_client(nodes))
    before = contents(raw(nodes))
    place = tmp_path / "backup"
    run("backup", "--from", at(nodes[1]), "--to", place)
    manifest = json.loads((place / "manifest.json").read_text())
    assert manifest["cluster"] and len(manifest["nodes"]) == 3
    alone = servers("redan", *NODE)
    run("restore", "--from", place, "--to", at(alone))
    assert contents(raw([alone])) == before
    five = cluster(servers, 5, "redan")
    run("restore", "--from", place, "--to", at(five[3]))
    assert contents(raw(five)) == before
    assert all(node.client().dbsize() > 0 for node in five)


def test_keys_of_other_slots_and_slots_on_the_move(servers, tmp_path):
    nodes = cluster(servers, 3, "redan")
    fill(cluster_client(nodes), 50)
    before = contents(raw(nodes))
    clients = [node.client() for node in nodes]
    slot = clients[0].cluster("keyslot", "s:1")
    owner = next(client for client in clients if client.cluster("countkeysinslot", slot))
    other = next(client for client in clients if client is not owner)
    owner_id, other_id = (client.execute_command("CLUSTER MYID") for client in (owner, other))
    other.cluster("setslot", slot, "importing", owner_id)
    owner.cluster("setslot", slot, "migrating", other_id)
    text = run("backup", "--from", at(nodes[0]), "--to", tmp_path / "a", "--attempts", 1, code=1)
    assert "on the move" in text
    assert not (tmp_path / "a" / "manifest.json").exists()
    # When the move is called off while it tries again, the copy is made.
    late = subprocess.Popen([REDAN, "backup", "--from", at(nodes[0]), "--to", tmp_path / "b", "--attempts", "20"],
                            stderr=subprocess.PIPE, text=True)
    assert "on the move" in late.stderr.readline()
    for client in (owner, other):
        client.cluster("setslot", slot, "stable")
    assert late.wait(120) == 0, late.stderr.read()
    late.stderr.close()
    alone = servers("redan", *NODE)
    run("restore", "--from", tmp_path / "b", "--to", at(alone))
    assert contents(raw([alone])) == before


def test_a_damaged_backup_is_refused(servers, tmp_path):
    source, target = servers("redan", *NODE), servers("redan", *NODE)
    fill(source.client(), 50)
    place = tmp_path / "backup"
    run("backup", "--from", at(source), "--to", place)
    assert "is not empty" in run("backup", "--from", at(source), "--to", place, code=1)
    file = place / json.loads((place / "manifest.json").read_text())["nodes"][0]["file"]
    sound = file.read_bytes()
    file.write_bytes(sound[:100] + bytes([sound[100] ^ 1]) + sound[101:])
    assert "is damaged: its SHA-256" in run("restore", "--from", place, "--to", at(target), code=1)
    file.write_bytes(sound[:-1])
    assert "is damaged: it has" in run("restore", "--from", place, "--to", at(target), code=1)
    file.unlink()
    assert "No such file" in run("restore", "--from", place, "--check", code=1)
    (place / "manifest.json").write_text("{")
    assert "manifest.json is damaged" in run("restore", "--from", place, "--check", code=1)
    assert target.client().dbsize() == 0
    assert "Connection refused" in run("backup", "--from", "127.0.0.1:1", "--to", tmp_path / "none", code=1)


def test_an_object_store_holds_a_backup(servers, monkeypatch):
    source, target = servers("redan", *NODE), servers("redan", *NODE)
    fill(source.client(), 50)
    # 24 MiB that can not be packed: two parts.
    for index in range(3):
        source.client(decode_responses=False).set(f"big:{index}", os.urandom(8 << 20))
    store = s3.ObjectStore()
    try:
        for name, value in store.environment().items():
            monkeypatch.setenv(name, value)
        store.failures = 1
        run("backup", "--from", at(source), "--to", "s3://bucket/some place")
        assert sorted(name.rpartition(".")[2] for name in store.files) == ["json", "rdb"]
        assert not store.uploads and any("partNumber=2" in request for request in store.requests)
        run("restore", "--from", "s3://bucket/some place", "--to", at(target))
        assert contents(raw([target])) == contents(raw([source]))
        assert "is not empty" in run("backup", "--from", at(source), "--to", "s3://bucket/some place", code=1)
        file = next(name for name in store.files if name.endswith(".rdb"))
        store.files[file] = store.files[file][:-1] + b"x"
        assert "is damaged" in run("restore", "--from", "s3://bucket/some place", "--check", code=1)
        assert "NoSuchKey" in run("restore", "--from", "s3://bucket/other", "--check", code=1)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        assert "SignatureDoesNotMatch" in run("backup", "--from", at(source), "--to", "s3://bucket/b", code=1)
    finally:
        store.end()
