"""Runs one file of the suite and tells what became of each test.

The newer suite is a server that hands files to clients and collects what they report. `run_file` is that
server for one client: it knows which test is under way when the client hangs, and goes on behind it in
another run. The older cluster suite prints lines; `run_legacy_file` reads them.
"""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

# A test that reports nothing for so long hangs. The slowest one of the real server takes half of it.
SILENCE_S = 60
# A file whose tests hang is run again so many times, each time without those that hung.
AGAIN_MAX = 3


class Result:
    """What became of the tests of one file: name -> (status, detail), in order of appearance."""

    def __init__(self, name):
        self.name = name
        self.tests = {}
        self.notes = []
        self.seconds = 0.0

    def record(self, test, status, detail=""):
        # A name that appears twice passes if it passes each time.
        if self.tests.get(test, ("ok",))[0] in ("ok", "ignored", "not run"):
            self.tests[test] = (status, detail)

    def passed(self):
        return [test for test, (status, _) in self.tests.items() if status == "ok"]


def elements(text):
    """The elements of a Tcl list."""
    found, at = [], 0
    while at < len(text):
        if text[at].isspace():
            at += 1
        elif text[at] == "{":
            start, depth = at + 1, 0
            while at < len(text):
                if text[at] == "\\":
                    at += 1
                elif text[at] == "{":
                    depth += 1
                elif text[at] == "}":
                    depth -= 1
                    if depth == 0:
                        break
                at += 1
            found.append(text[start:at])
            at += 1
        else:
            start = at
            while at < len(text) and not text[at].isspace():
                at += 2 if text[at] == "\\" else 1
            found.append(re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t", "r": "\r"}.get(m[1], m[1]), text[start:at], flags=re.S))
    return found


class Client:
    """One Tcl process that runs files, and its connection to us."""

    def __init__(self, tree, base_port, port_count, options, log):
        listener = socket.create_server(("127.0.0.1", 0))
        command = ["tclsh", "tests/test_helper.tcl", "--durable", "--clients", "1", "--no-latency"]
        command += ["--client", str(listener.getsockname()[1])]
        command += ["--baseport", str(base_port), "--portcount", str(port_count), *options]
        self.tree = tree
        self.process = subprocess.Popen(
            command, cwd=tree, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        listener.settimeout(30)
        self.link, _ = listener.accept()
        # It stays open: a test looks for a port that is in use.
        self.listener = listener
        self.pending = b""
        self.raw = b""

    def send(self, payload):
        self.link.sendall(b"%d\n%s" % (len(payload), payload.encode("latin-1")))

    def packet(self, deadline):
        """The next report, or None at the deadline or when the process is gone."""
        while True:
            head, newline, rest = self.pending.partition(b"\n")
            if newline and len(rest) >= int(head):
                self.pending = rest[int(head):]
                return elements(rest[: int(head)].decode("latin-1"))
            self.link.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self.link.recv(65536)
            except OSError:
                return None
            if not data:
                return None
            # Tcl writes line ends as CR LF on sockets, also within what it counted as one character.
            data = self.raw + data
            keep = len(data) - data.endswith(b"\r")
            self.pending += data[:keep].replace(b"\r\n", b"\n")
            self.raw = data[keep:]

    def end(self):
        self.link.close()
        self.listener.close()
        end_group(self.process, self.tree)


def end_group(process, tree):
    """Ends the process, its children, and whatever daemon it left that works in `tree`."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.readlink(entry / "cwd").startswith(str(tree)):
                    os.kill(int(entry.name), signal.SIGKILL)
            except OSError:
                pass  # It ended meanwhile, or it is not ours.


def run_file(tree, name, ports, limit_s, options=()):
    """Runs `name` in a tree that nobody else uses."""
    result = Result(name)
    started = time.monotonic()
    hung = []
    with open(Path(tree) / "output", "ab") as log:
        for _ in range(1 + AGAIN_MAX):
            skips = [word for test in hung for word in ("--skiptest", test)]
            client = Client(tree, *ports, [*options, *skips], log)
            try:
                stuck = follow(client, result, started + limit_s)
            finally:
                client.end()
            if stuck is None or time.monotonic() > started + limit_s:
                break
            hung.append(stuck)
    result.seconds = time.monotonic() - started
    return result


def follow(client, result, end):
    """Reads reports until the file is done. Returns the test that hung, or None."""
    under_way = None
    while True:
        packet = client.packet(min(end, time.monotonic() + SILENCE_S))
        if packet is None:
            result.notes.append(f"stopped in: {under_way}")
            if under_way is not None:
                result.record(under_way, "hung")
            return under_way
        status, data = packet[0], packet[1]
        if status == "ready":
            client.send(f"run {result.name} 0")
        elif status == "testing":
            under_way = data
        elif status == "ok":
            result.record(data, "ok")
            under_way = None
        elif status == "err":
            lines = data.split("\n")
            test, sep, _ = lines[0].partition(f" in tests/{result.name}.tcl")
            if sep:
                result.record(test, "err", " ".join(lines[1:])[:400])
            else:
                result.notes.append(" ".join(lines)[:600])
            under_way = None
        elif status == "ignore":
            result.record(data.rpartition(": Tag")[0] or data, "ignored")
        elif status == "exception":
            result.notes.append(" ".join(data.split("\n"))[:600])
            if under_way is not None:
                result.record(under_way, "err", "exception")
            return None
        elif status == "done":
            return None


LEGACY_LINE = re.compile(r"^\d\d:\d\d:\d\d> (.*?): (OK|FAILED: .*)?$")


def run_legacy_file(tree, name, limit_s):
    """Runs one file of the older cluster suite (`cluster/NAME`)."""
    result = Result(name)
    started = time.monotonic()
    output = Path(tree) / "output"
    with open(output, "wb") as log:
        process = subprocess.Popen(
            ["tclsh", "tests/cluster/run.tcl", "--single", name.partition("/")[2] + ".tcl"],
            cwd=tree, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            result.notes.append("out of time")
        end_group(process, tree)
    open_test = None
    for line in re.sub(r"\x1b\[[0-9;]*m", "", output.read_text(errors="replace")).split("\n"):
        match = re.match(r"^\d\d:\d\d:\d\d> (.*)$", line)
        if match:
            text = match[1]
            if text.endswith(": OK"):
                result.record(text[: -len(": OK")], "ok")
                open_test = None
            elif ": FAILED: " in text:
                test, _, detail = text.partition(": FAILED: ")
                result.record(test, "err", detail[:400])
                open_test = None
            else:
                # Some tests print lines of their own before the verdict.
                open_test = text.partition(": ")[0] if ": " in text else text.rstrip(": ")
        elif open_test and line.endswith("OK"):
            result.record(open_test, "ok")
            open_test = None
        elif open_test and "FAILED: " in line:
            result.record(open_test, "err", line.partition("FAILED: ")[2][:400])
            open_test = None
        elif "caught an error" in line or line.startswith(("WARNING: Abort", ">>>>")):
            result.notes.append(line[:400])
    if open_test:
        result.record(open_test, "err" if process.returncode == 1 else "hung")
    result.seconds = time.monotonic() - started
    return result
