"""The upstream test suite: Debian's source package of Redis, and a tree of it with our binary inside.

The package is fetched by apt with a sources list of its own, so nothing of the machine's configuration
changes. It is kept in .cache/ outside git.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "redis-source"
VERSION = "7.0.15"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SUITES = [
    ("http://deb.debian.org/debian", "bookworm"),
    ("http://deb.debian.org/debian-security", "bookworm-security"),
]
VALKEY_CACHE = ROOT / ".cache" / "valkey-source"
VALKEY_SUITES = [("http://deb.debian.org/debian", "sid")]
# Programs that the suite calls beside the server. Ours are used where redan has them.
TOOLS = ["redis-cli", "redis-benchmark", "redis-check-rdb", "redis-check-aof", "redis-sentinel"]
# What these files do with scripts outside of a test would end them there; the tests behind it are wanted. Tests that use
# scripts themselves are left as they are.
LOAD = rb"\n *(?:\$master|\$replica|r) function load (?:replace )?\{#!lua name=test.*?\n *\}\n"
WITHOUT_SCRIPTS = [
    ("integration/replication.tcl", LOAD, b"\n"),
    ("integration/replication-4.tcl", LOAD.replace(b"function", b"FUNCTION"), b"\n"),
    # The legacy suite ends a file at its first failure.
    ("cluster/tests/00-base.tcl", rb'test "(?:Function|Script) no-cluster flag" \{.*?\n\}\n', b""),
    ("cluster/tests/04-resharding.tcl", rb'\$cluster eval \{redis.call\("rpush",KEYS\[1\],ARGV\[1\]\)\} 1', b"$cluster rpush"),
    ("cluster/tests/10-manual-failover.tcl", rb'\$cluster eval \{redis.call\("rpush",KEYS\[1\],ARGV\[1\]\)\} 1', b"$cluster rpush"),
]


class Missing(Exception):
    """What is not there, so that the suite cannot run."""


def unpacked(package, cache, tree, suites):
    """The unpacked source of a package at `tree`, from the cache or from Debian."""
    if (tree / "tests" / "test_helper.tcl").exists():
        return tree
    for tool, home in [("apt-get", "apt"), ("tclsh", "tcl")]:
        if not shutil.which(tool):
            raise Missing(f"{tool} (Debian's package {home})")
    lists = cache / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    sources = cache / "sources.list"
    sources.write_text("".join(f"deb-src [signed-by={KEYRING}] {url} {suite} main\n" for url, suite in suites))
    options = [
        f"-oDir::Etc::sourcelist={sources}",
        "-oDir::Etc::sourceparts=/dev/null",
        f"-oDir::State::lists={lists}",
        f"-oDir::Cache={cache / 'cache'}",
        "-oAPT::Sandbox::User=root",
    ]
    try:
        subprocess.run(["apt-get", "-q", *options, "update"], check=True, cwd=cache, timeout=300)
        subprocess.run(["apt-get", "-q", *options, "source", "--download-only", package], check=True, cwd=cache, timeout=300)
        [archive] = cache.glob(f"{package}_*.orig.tar.gz")
        tree.mkdir(exist_ok=True)
        subprocess.run(["tar", "xzf", archive, "--strip-components=1", "-C", tree], check=True, timeout=300)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise Missing(f"the source package of {package}: {error}") from error
    shutil.rmtree(lists, ignore_errors=True)
    return tree


def fetch():
    """The unpacked source of the suite of Redis, from the cache or from Debian."""
    return unpacked("redis", CACHE, CACHE / f"redis-{VERSION}", SUITES)


def fetch_valkey():
    """The same of Valkey, in whatever version Debian's newest suite has."""
    return unpacked("valkey", VALKEY_CACHE, VALKEY_CACHE / "tree", VALKEY_SUITES)


def prepare_valkey(run_dir, server):
    """A tree of Valkey's suite below `run_dir` whose programs are links to redan, or Valkey's own if `server` says so."""
    source = fetch_valkey()
    tree = Path(run_dir)
    shutil.copytree(source / "tests", tree / "tests")
    for name in ["valkey.conf", "sentinel.conf", "utils"]:
        os.symlink(source / name, tree / name)
    for folder in ["src", "bin"]:
        (tree / folder).mkdir()
        if Path(server).name == "valkey-server":
            for program in Path(server).parent.iterdir():
                os.symlink(program, tree / folder / program.name)
        else:
            subprocess.run([server, "links", tree / folder], check=True, stdout=subprocess.DEVNULL)
    return tree


def prepare(run_dir, redan, real_tools, legacy_port=None):
    """A tree of the suite below `run_dir`, whose src/ holds `redan` under the originals' names, or the
    real servers if `redan` is None. The tools in `real_tools` are the real ones in any case."""
    source = fetch()
    tree = Path(run_dir)
    shutil.copytree(source / "tests", tree / "tests")
    for name in ["redis.conf", "sentinel.conf", "utils"]:
        os.symlink(source / name, tree / name)
    programs = tree / "src"
    programs.mkdir()
    if redan:
        subprocess.run([redan, "links", programs], check=True, stdout=subprocess.DEVNULL)
    for name in TOOLS + ([] if redan else ["redis-server"]):
        if redan and name not in real_tools:
            continue
        real = shutil.which(name)
        link = programs / name
        link.unlink(missing_ok=True)
        if real:
            os.symlink(os.path.realpath(real) if name != "redis-sentinel" else real, link)
    if redan:
        # Sets of few members are listpacks as in Redis 7.2; the suite of 7.0 expects its hash tables.
        with open(tree / "tests" / "assets" / "default.conf", "a") as config:
            config.write("\nset-max-listpack-entries 0\n")
    if redan:
        for name, pattern, text in WITHOUT_SCRIPTS:
            path = tree / "tests" / name
            path.write_bytes(re.sub(pattern, text, path.read_bytes(), flags=re.S))
    if legacy_port:
        # The older suite has no option for its ports.
        text = tree / "tests" / "instances.tcl"
        text.write_text(text.read_text().replace("set ::redis_base_port 30000", f"set ::redis_base_port {legacy_port}"))
    return tree
