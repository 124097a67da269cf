"""Damaged files: one byte changed, or an end cut off, in what Redis 7.0.15, Valkey 9.1 and redan have written, of every type
and encoding. A server that starts on them serves, or ends with an error that says where; so do the checkers.

Environment: CORRUPT_COUNT, how many damages in the server's code on simulated disks (10,000 for the long run), a tenth of
them also with the program itself; CORRUPT_SEED; SIM, the simulator.
"""
import os
import random
import re
import shutil
import subprocess
import time

import everything
import pytest
from conftest import REDAN, ROOT, free_ports, port_is_free
from exchange import Conn
from test_exchange import BASIC, FORMS, save

COUNT = int(os.environ.get("CORRUPT_COUNT", "400"))
SEED = int(os.environ.get("CORRUPT_SEED", "1"))
SIM = os.environ.get("SIM", os.path.join(ROOT, "target/release/sim"))


@pytest.fixture
def directories(servers, tmp_path):
    """Data directories of all three, in all forms."""
    made = []
    for kind in ("redis", "valkey", "redan"):
        for form, options in FORMS.items():
            if form == "plain rdb" and kind != "redan":
                continue
            server = servers(kind, *BASIC, *options)
            everything.fill(server.port, kind, kind != "redan")
            save(server, form)
            server.stop()
            target = tmp_path / f"{kind} {form}".replace(" ", "-")
            target.mkdir()
            for name in ("dump.rdb", "appendonlydir"):
                source = os.path.join(server.dir, name)
                if os.path.isdir(source):
                    shutil.copytree(source, target / name)
                elif os.path.exists(source) and "aof" not in form:
                    shutil.copy(source, target / name)
            made.append(str(target))
    return made


def test_no_damage_is_a_crash_or_a_riddle(directories):
    if not os.path.exists(SIM):
        pytest.skip("the simulator is not built")
    words = [SIM, "corrupt", *directories, "--seeds", str(COUNT), "--first-seed", str(SEED)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60 + COUNT)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]


def damage(folder, chance):
    """Damages one file; its path."""
    paths = [os.path.join(root, name) for root, _, names in os.walk(folder) for name in names]
    path = chance.choice(sorted(path for path in paths if os.path.getsize(path)))
    data = bytearray(open(path, "rb").read())
    at = chance.randrange(len(data))
    if chance.random() < 0.3:
        at %= 300
    if path.endswith("rdb") and chance.random() < 0.6:
        data[-8:] = bytes(8)
    if chance.random() < 0.3:
        del data[at:]
    else:
        data[at] = chance.choice((data[at] ^ 1 << chance.randrange(8), chance.randrange(256)))
    open(path, "wb").write(data)
    return path


PLACE = re.compile(r"(byte|offset|line) \d+|ok_up_to=\d+|No such file|0x +[0-9a-f]+")
SERVES = "Ready to accept connections"


def start(folder, port, has_log):
    """Starts the program on the files; what it says until it serves or ends."""
    words = [REDAN, "server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "",
             "--appendonly", "yes" if has_log else "no"]
    log = os.path.join(folder, "..", "log")
    with open(log, "wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out)
    until = time.time() + 60
    while True:
        text = open(log, errors="replace").read()
        if SERVES in text or process.poll() is not None:
            break
        assert time.time() < until, f"it neither serves nor ends: {text}"
        time.sleep(0.01)
    try:
        if process.poll() is None:
            conn = Conn(port)
            # All of it is read once.
            for words in (("DBSIZE",), ("SAVE",)):
                reply = conn.ask(*words)[1]
                assert reply[0] in (b":", b"+"), (words, reply)
            conn.close()
    finally:
        code = process.poll()
        process.kill()
        process.wait()
    return code, open(log, errors="replace").read()


def check(applet, path):
    """The checker ends, and says where it stops; never by a signal."""
    done = subprocess.run([REDAN, applet, path], capture_output=True, text=True, errors="replace", timeout=60, input="n\n")
    assert done.returncode in (0, 1), (applet, path, done.returncode, done.stderr)
    assert done.returncode == 0 or PLACE.search(done.stdout), (applet, path, done.stdout[-1000:])


def test_the_program_and_its_checkers(directories, tmp_path):
    chance = random.Random(SEED)
    served = refused = 0
    port = free_ports(1)
    for number in range(max(20, COUNT // 10)):
        source = chance.choice(directories)
        folder = tmp_path / "damaged" / "data"
        shutil.rmtree(tmp_path / "damaged", ignore_errors=True)
        shutil.copytree(source, folder)
        path = damage(folder, chance)
        has_log = "aof" in os.path.basename(source)
        if has_log:
            check("check-aof", os.path.join(folder, "appendonlydir", "appendonly.aof.manifest"))
        if path.endswith(".rdb"):
            check("check-rdb", path)
        if not port_is_free(port):
            port = free_ports(1)
        code, text = start(str(folder), port, has_log)
        assert code in (None, 1), (source, path, code, text[-2000:])
        if code is None:
            served += 1
        else:
            refused += 1
            assert PLACE.search(text), (source, path, text[-2000:])
    print(f"{number + 1} starts: {served} served, {refused} refused with the place")
