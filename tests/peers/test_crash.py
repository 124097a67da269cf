"""kill -9 at random moments under load, with rewrites and saves going on: nothing that was acknowledged is lost, neither
under `appendfsync always` nor under `everysec`, and no transaction is there in part.

Environment: CRASH_ROUNDS, how many kills for each (200 for the long run); CRASH_SEED.
"""
import os
import random
import threading
import time

import pytest
from conftest import wait_for
from exchange import Conn
from prefix import Writer

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "4"))
SEED = int(os.environ.get("CRASH_SEED", "1"))
WRITERS = 6
# A kill leaves what was being made; the next start removes it.
LEFT_MAX = 4


def disturb(port, chance, ended):
    """Rewrites, saves and changes of settings, at random, until the server is gone."""
    conn = Conn(port)
    while not ended.wait(chance.uniform(0.005, 0.15)):
        words = chance.choice((
            ["BGREWRITEAOF"], ["BGREWRITEAOF"], ["BGSAVE"], ["BGSAVE", "SCHEDULE"],
            ["CONFIG", "SET", "aof-use-rdb-preamble", chance.choice(("yes", "no"))],
            ["CONFIG", "SET", "auto-aof-rewrite-min-size", chance.choice(("20kb", "64mb"))],
            ["CONFIG", "SET", "no-appendfsync-on-rewrite", chance.choice(("yes", "no"))],
            ["CONFIG", "SET", "aof-timestamp-enabled", chance.choice(("yes", "no"))],
            ["PING"]))
        if conn.ask(*words)[1][0] == b"?":
            break
    conn.close()


def come_back(server, chance):
    """Starts the server; sometimes it is killed while it starts."""
    while chance.random() < 0.2:
        server.answers = lambda: True
        server.start()
        time.sleep(chance.uniform(0, 0.06))
        server.kill()
    server.answers = lambda: type(server).answers(server)
    server.start()


@pytest.mark.parametrize("fsync", ["always", "everysec"])
def test_a_kill_costs_nothing(servers, fsync):
    chance = random.Random(f"{SEED}:{fsync}")
    server = servers("redan", "--appendonly", "yes", "--save", "", "--appendfsync", fsync,
                     "--auto-aof-rewrite-percentage", "50", "--rdb-key-save-delay", "20")
    conn = Conn(server.port)
    for index in range(300):
        conn.value("HSET", f"ballast:{index}", *(f"{field}" * 3 for field in range(40)))
    conn.close()
    writers, began = [Writer(index, SEED) for index in range(WRITERS)], time.time()
    for round_ in range(ROUNDS):
        ended = threading.Event()
        other = threading.Thread(target=disturb, args=(server.port, random.Random(chance.random()), ended))
        other.start()
        for writer in writers:
            writer.start(server.port)
        before = [writer.done for writer in writers]
        wait_for(lambda: all(writer.done > done for writer, done in zip(writers, before)), 30, "all write")
        time.sleep(chance.choice((0.02, 0.1, 0.4, 1.2)) * chance.random())
        server.kill()
        ended.set()
        for writer in writers:
            writer.join()
            assert not writer.refused, (round_, writer.refused)
        other.join()
        come_back(server, chance)
        for writer in writers:
            writer.check(server.port)
        assert Conn(server.port).value("HLEN", "ballast:299") == 20
        left = [name for name in os.listdir(server.dir) if name.startswith("temp")]
        left += [name for name in os.listdir(os.path.join(server.dir, "appendonlydir")) if "temp" in name or ".tmp" in name]
        assert len(left) <= LEFT_MAX, left
    print(f"{fsync}: {ROUNDS} kills in {time.time() - began:.0f} s, {sum(writer.done for writer in writers)} steps, none lost")
