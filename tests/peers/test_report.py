"""What a server leaves in its log when it dies by its own fault, and when it stands still."""
import re

import pytest
import redis
from conftest import wait_for


def start(servers, *options):
    server = servers("redan", "--save", "", "--enable-debug-command", "yes", "--logfile", "server.log", *options)
    return server, lambda: open(f"{server.dir}/server.log").read()


@pytest.mark.parametrize("word, options, code", [
    ("segfault", [], -11), ("panic", [], -6), ("assert", ["--use-exit-on-panic", "yes"], 1),
    ("segfault", ["--crash-log-enabled", "no"], -11),
])
def test_a_crash_leaves_a_report_and_the_originals_exit_code(servers, word, options, code):
    server, log = start(servers, *options)
    # More clients than there is room for.
    clients = [server.client(client_name="x" * 100) for _ in range(110)]
    assert all(client.ping() for client in clients)
    with pytest.raises(redis.ConnectionError):
        server.client(retry=None).execute_command("DEBUG", word)
    assert server.process.wait(30) == code
    text = log()
    if options:
        assert "BUG REPORT" not in text
        assert ("ASSERTION FAILED" in text) == (code == 1)
        return
    marks = ["=== REDIS BUG REPORT START: Cut & paste starting from here ===", f"crashed by signal: {-code}",
             "------ STACK TRACE ------", "------ REGISTERS ------", "------ INFO OUTPUT ------",
             "------ CLIENT LIST OUTPUT ------", "------ CURRENT CLIENT INFO ------",
             "=== REDIS BUG REPORT END. Make sure to include from START to END. ==="]
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)
    *lines, note = text[places[5]:places[6]].strip().splitlines()[1:]
    assert all(re.fullmatch("id=.* tot-cmds=[0-9]+", line) for line in lines), lines
    # That which ran the request comes first, and twice in no list.
    more = re.fullmatch(r"\(([0-9]+) clients more\)", note)
    assert 30 < len(lines) < 100 and more and len(lines) + int(more[1]) >= 111, note
    stack = text[places[2]:places[3]]
    assert len(re.findall(r"\[0x[0-9a-f]+\]", stack)) > 5, stack


def test_the_watchdog_shows_a_turn_that_takes_too_long(servers):
    server, log = start(servers)
    client = server.client(socket_timeout=30)
    client.config_set("watchdog-period", 200)
    client.execute_command("DEBUG", "SLEEP", "1.5")
    wait_for(lambda: "--- WATCHDOG TIMER EXPIRED ---" in log(), 30, "the watchdog's report")
    assert "------ STACK TRACE ------" in log() and ":signal-handler (" in log()
    assert client.ping()
    client.config_set("watchdog-period", 0)
    count = log().count("WATCHDOG")
    client.execute_command("DEBUG", "SLEEP", "0.5")
    assert client.ping() and log().count("WATCHDOG") == count
