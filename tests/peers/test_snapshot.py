"""A snapshot of large values that are written to while it is taken: it is the state at its beginning, to real servers, too."""
import random
import shutil
import time

from conftest import REDIS, valkey_server, wait_for

ELEMENTS = 4_000


def fill(client):
    """Values of all types, large and small; what is to be written to them."""
    pipe = client.pipeline(transaction=False)
    for key in ("one", "two"):
        for at in range(0, ELEMENTS, 100):
            span = range(at, at + 100)
            pipe.hset(f"hash:{key}", mapping={f"field:{n:020}": f"value {n}" for n in span})
            pipe.sadd(f"set:{key}", *(f"member:{n:020}" for n in span))
            pipe.zadd(f"zset:{key}", {f"member:{n:020}": n * 7 % 1_000 for n in span})
            pipe.rpush(f"list:{key}", *(f"element:{n:030}" for n in span))
        for n in range(ELEMENTS):
            pipe.xadd(f"stream:{key}", {"field": f"value:{n:020}"})
        # One is worth packing, the other is not.
        pipe.set(f"text:{key}", random.Random(1).randbytes(400_000) if key == "one" else "again " * 70_000)
    for n in range(500):
        pipe.set(f"string:{n}", "x" * n)
    pipe.execute()


def write(pipe, chance):
    n, other, key = chance.randrange(ELEMENTS + 1_000), chance.randrange(ELEMENTS), chance.choice(("one", "two"))
    pipe.hset(f"hash:{key}", f"field:{n:020}", "changed").hdel(f"hash:{key}", f"field:{other:020}")
    pipe.sadd(f"set:{key}", f"member:{n:020}").srem(f"set:{key}", f"member:{other:020}")
    pipe.zadd(f"zset:{key}", {f"member:{n:020}": chance.randrange(2_000)}).zrem(f"zset:{key}", f"member:{other:020}")
    pipe.lpush(f"list:{key}", "new").rpop(f"list:{key}").lset(f"list:{key}", chance.randrange(1_000), "changed")
    pipe.xadd(f"stream:{key}", {"another": "x"}).xtrim(f"stream:{key}", maxlen=ELEMENTS, approximate=False)
    pipe.set(f"string:{n % 600}", "changed")
    pipe.setrange(f"text:{key}", n * 80, "changed").append(f"text:{key}", "x").setbit(f"text:{key}", other * 800, 1)


def test_large_values_are_saved_as_they_were(servers):
    options = ("--enable-debug-command", "yes", "--save", "")
    # A pause before each key has the walker make the smallest steps.
    server = servers("redan", *options, "--rdb-key-save-delay", "200")
    client, chance = server.client(), random.Random(7)
    fill(client)
    digest = client.execute_command("DEBUG", "DIGEST")
    client.bgsave()
    rounds, deadline = 0, time.time() + 60
    while client.info("persistence")["rdb_bgsave_in_progress"]:
        assert time.time() < deadline, "the save does not come to an end"
        pipe = client.pipeline(transaction=False)
        for _ in range(10):
            write(pipe, chance)
        if rounds == 3:
            pipe.delete("hash:one").rename("zset:one", "zset:three").copy("set:one", "set:two", replace=True)
        pipe.execute()
        rounds += 1
    assert client.info("persistence")["rdb_last_bgsave_status"] == "ok"
    assert client.execute_command("DEBUG", "DIGEST") != digest
    for kind in ("redan", *(["redis"] if REDIS else []), *(["valkey"] if valkey_server() else [])):
        reader = servers(kind, *options)
        shutil.copy(f"{server.dir}/dump.rdb", f"{reader.dir}/dump.rdb")
        reader.kill()
        reader.start()
        wait_for(lambda: reader.client().info("persistence")["loading"] == 0, 30, "the file is loaded")
        assert reader.client().execute_command("DEBUG", "DIGEST") == digest, kind
