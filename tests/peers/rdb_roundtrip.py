#!/usr/bin/env python3
"""RDB files between the originals and redan, with the real servers on the other end.

  rdb_roundtrip.py                       fill a server, SAVE, read and write the file by redan's codec, check it with
                                         the peer's checker, load it into the peer, compare DEBUG DIGEST-VALUE
  rdb_roundtrip.py --golden FILE         fill a server and keep its dump.rdb as FILE (crates/wire/tests/golden)
  --server PATH                          another server than redis-server (valkey-server)
"""
import argparse, os, shutil, socket, subprocess, sys, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEADLINE_MS = 4102444800123


def dataset():
    """The commands that fill a server; crates/wire/tests/it/main.rs expects exactly these keys."""
    for name, value in [("int8", "12"), ("int8min", "-128"), ("int16", "300"), ("int16min", "-32768"),
                        ("int32", "70000"), ("int32min", "-2147483648"), ("int64", "123456789012"),
                        ("raw", "hello"), ("empty", ""), ("packed", "ab" * 200), ("42", "answer"),
                        ("packed:" + "k" * 60, "x"), ("long", "".join(chr(33 + i * i % 90) for i in range(500)))]:
        yield ["SET", name, value]
    yield ["SET", "deadline", "soon", "PXAT", str(DEADLINE_MS)]
    yield ["HSET", "small", "a", "1", "b", "two", "c", "-70000", "d", "12345678901"]
    yield ["HSET", "big"] + [text for i in range(600) for text in (f"field:{i}", f"value:{i}")]
    yield ["HSET", "wide", "text", "w" * 100]
    yield ["SELECT", "5"]
    yield ["SET", "other", "five"]
    yield ["PEXPIREAT", "other", str(DEADLINE_MS)]
    yield ["SELECT", "0"]


class Client:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.sock.makefile("rb")

    def call(self, *args):
        out = b"*%d\r\n" % len(args)
        for arg in args:
            arg = arg.encode()
            out += b"$%d\r\n%s\r\n" % (len(arg), arg)
        self.sock.sendall(out)
        return self.reply()

    def reply(self):
        line = self.file.readline()[:-2]
        kind, text = line[:1], line[1:]
        if kind == b"-":
            raise RuntimeError(text.decode())
        if kind == b"$":
            return self.file.read(int(text) + 2)[:-2] if int(text) >= 0 else None
        if kind == b"*":
            return [self.reply() for _ in range(int(text))]
        return text


class Server:
    def __init__(self, path, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [path, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--logfile", "log",
             "--enable-debug-command", "yes"])
        end = time.monotonic() + 10
        while True:
            try:
                self.client = Client(port)
                self.client.call("PING")
                return
            except (OSError, RuntimeError):
                if time.monotonic() > end or self.process.poll() is not None:
                    raise SystemExit(f"{path} does not start: see {folder}/log")
                time.sleep(0.05)

    def digest(self):
        """Digest and deadline of every key: DEBUG DIGEST alone leaves the values of deadlines out."""
        found = {}
        for db in ("0", "5"):
            self.client.call("SELECT", db)
            for key in sorted(self.client.call("KEYS", "*")):
                key = key.decode()
                found[db, key] = (self.client.call("DEBUG", "DIGEST-VALUE", key), self.client.call("PEXPIRETIME", key))
        return found

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def filled(path, folder):
    server = Server(path, folder)
    for command in dataset():
        server.client.call(*command)
    server.client.call("SAVE")
    return server


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", default="redis-server")
    parser.add_argument("--golden")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        first, second = os.path.join(folder, "first"), os.path.join(folder, "second")
        os.mkdir(first), os.mkdir(second)
        server = filled(options.server, first)
        before = server.digest()
        server.stop()
        dump = os.path.join(first, "dump.rdb")
        if options.golden:
            shutil.copy(dump, options.golden)
            return
        copy = os.path.join(second, "dump.rdb")
        subprocess.run(["cargo", "run", "-q", "-p", "wire", "--example", "rdb_copy", dump, copy], cwd=ROOT, check=True)
        checker = shutil.which("redis-check-rdb")
        if checker:
            done = subprocess.run([checker, copy], capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(f"redis-check-rdb refuses the file:\n{done.stdout}")
        server = Server(options.server, second)
        after = server.digest()
        server.stop()
        if before != after:
            different = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
            sys.exit(f"not the same after the round trip: {different}")
        sizes = os.path.getsize(dump), os.path.getsize(copy)
        print(f"ok: {len(after)} keys are the same; {sizes[0]} bytes by the peer, {sizes[1]} by redan")


main()
