"""Data of every type in every encoding, and what two servers must agree on about it."""
import random

from exchange import Conn

LATER = 4102444800123
LIBRARY = b"""#!lua name=%s
redis.register_function('%s_get', function(keys, args) return redis.call('GET', keys[1]) end)
redis.register_function{function_name='%s_ro', callback=function() return 7 end, flags={'no-writes'}}
"""


def noise(chance, length):
    return bytes(chance.randrange(256) for _ in range(length))


# Scores that all write alike in a digest; `FLOATS` they do not.
FLOATS = (1e300, -0.1, 1 / 3, 4.9e-324, 123456789.123456789)


def strings(chance):
    for name, value in [("zero", "0"), ("int8", "-128"), ("int16", "-32768"), ("int32", "2147483647"),
                        ("int64", "-9223372036854775808"), ("almost", "007"), ("empty", ""), ("short", "hello"),
                        ("44", "x" * 44), ("45", "y" * 45), ("packed", "ab" * 5000), ("float", "3.0e-7")]:
        yield "SET", f"string:{name}", value
    yield "SET", "string:noise", noise(chance, 30_000)
    yield "SET", b"string:\x00\xff\r\n", b"\x00\r\n\xff"
    yield "SET", "string:later", "x", "PXAT", LATER
    yield "SETBIT", "string:bits", 70_000, 1
    yield "APPEND", "string:grown", "one"
    yield "APPEND", "string:grown", "two"
    for index in range(30):
        yield "PFADD", "hll:sparse", f"e{index}"
    for start in range(0, 6000, 1000):
        yield "PFADD", "hll:dense", *(f"e{index}" for index in range(start, start + 1000))


def lists(chance):
    yield "RPUSH", "list:small", "one", 2, -3, 70000, "", "x" * 300
    yield "RPUSH", "list:one", noise(chance, 200)
    for start in range(0, 3000, 500):
        yield "RPUSH", "list:nodes", *(f"{index}" * (index % 9) for index in range(start, start + 500))
    yield "RPUSH", "list:big", "first", "z" * 20_000, noise(chance, 9000), "ab" * 8192, "last"
    yield "LPUSH", "list:big", "w" * 50_000


def sets(chance):
    yield "SADD", "set:16", *range(-50, 50)
    yield "SADD", "set:32", *range(100_000, 100_100)
    yield "SADD", "set:64", *(index << 40 for index in range(60))
    yield "SADD", "set:ints", *range(900)
    yield "SADD", "set:listpack", "a", "b", 3, "x" * 60
    yield "SADD", "set:table", *(f"member:{index}" for index in range(700))
    yield "SADD", "set:wide", "short", noise(chance, 900)


def sorted_sets(chance):
    yield "ZADD", "zset:listpack", 1, "one", 1.5, "half", "-inf", "low", "+inf", "high", -0.25, "minus", 1 << 53, "far"
    yield "ZADD", "zset:skiplist", *(word for index in range(500) for word in (index / 8, f"m{index}"))
    yield "ZADD", "zset:wide", 17, "w" * 100, 3, noise(chance, 70)
    yield "GEOADD", "zset:geo", 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"


def hashes(chance):
    yield "HSET", "hash:listpack", "a", 1, "b", "two", "c", -70000, "", "empty"
    yield "HSET", "hash:table", *(word for index in range(700) for word in (f"f{index}", f"value:{index}"))
    yield "HSET", "hash:wide", "field", "w" * 500, noise(chance, 80), noise(chance, 80)


def streams(chance):
    for index in range(1, 250):
        yield "XADD", "stream:nodes", f"{index}-{index % 3}", "field", index, "other", "x" * (index % 40)
    yield "XDEL", "stream:nodes", "4-1", "5-2", "249-0", "1-1"
    for index in range(1, 30):
        fields = [word for number in range(index % 5 + 1) for word in (f"f{number}", noise(chance, index))]
        yield "XADD", "stream:fields", f"{index * 1000}-1", *fields
    for key in ("stream:nodes", "stream:fields"):
        yield "XGROUP", "CREATE", key, "idle", "0"
        yield "XGROUP", "CREATE", key, "busy", "0", "ENTRIESREAD", 3
        yield "XREADGROUP", "GROUP", "busy", "alice", "COUNT", 7, "STREAMS", key, ">"
        yield "XREADGROUP", "GROUP", "busy", "bob", "COUNT", 5, "STREAMS", key, ">"
        yield "XREADGROUP", "GROUP", "idle", "carol", "NOACK", "COUNT", 2, "STREAMS", key, ">"
        yield "XGROUP", "CREATECONSUMER", key, "idle", "nobody"
    yield "XACK", "stream:fields", "busy", "1000-1", "8000-1"
    yield "XCLAIM", "stream:fields", "busy", "carol", 0, "2000-1", "TIME", 1_600_000_000_000, "RETRYCOUNT", 9
    yield "XGROUP", "CREATE", "stream:empty", "group", "$", "MKSTREAM"
    yield "XADD", "stream:gone", "7-7", "a", "b"
    yield "XDEL", "stream:gone", "7-7"
    yield "XADD", "stream:set", "1-1", "a", "b"
    yield "XSETID", "stream:set", "99-0", "ENTRIESADDED", 50, "MAXDELETEDID", "42-0"


def commands(kind, has_functions):
    """What fills a server of this kind."""
    chance = random.Random(5)
    for part in (strings, lists, sets, sorted_sets, hashes, streams):
        yield from part(chance)
    for key in ("list:nodes", "set:16", "zset:skiplist", "hash:table", "stream:fields"):
        yield "PEXPIREAT", key, LATER + len(key)
    yield "SELECT", 9
    yield "SET", "other", "database"
    yield "HSET", "hash", "a", "b"
    yield "SELECT", 0
    if has_functions:
        for name in (b"one", b"two"):
            yield "FUNCTION", "LOAD", LIBRARY.replace(b"%s", name)
    if kind != "redis":
        yield "HSET", "fields:small", "a", 1, "b", 2, "c", "stays"
        yield "HPEXPIREAT", "fields:small", LATER, "FIELDS", 2, "a", "b"
        yield "HSET", "fields:big", *(word for index in range(600) for word in (f"f{index}", index))
        for index in range(0, 600, 7):
            yield "HPEXPIREAT", "fields:big", LATER + index, "FIELDS", 1, f"f{index}"


def fill(port, kind, has_functions=False):
    """Fills a server, with values in the forms that thresholds give them."""
    conn = Conn(port)
    for words in (("CONFIG", "SET", "list-compress-depth", 1), *commands(kind, has_functions)):
        reply = conn.ask(*words)[1]
        assert reply[0] not in (b"-", b"?"), (words[:3], reply)
    conn.close()


TIMES = {b"active-time", b"seen-time", b"radix-tree-keys", b"radix-tree-nodes"}
# What the originals' own replicas do not have as their primaries do, nor consumers to whom nothing is pending.
LOCAL = TIMES | {b"entries-read", b"lag"}


def without(value, names):
    """A reply without these fields."""
    if not isinstance(value, list):
        return value
    out, skips = [], False
    for part in value:
        if skips:
            skips = False
        elif isinstance(part, bytes) and part in names:
            skips = True
        else:
            out.append(without(part, names))
    if names is LOCAL and b"consumers" in out:
        at = out.index(b"consumers") + 1
        out[at] = [consumer for consumer in out[at] if consumer[-1]]
    return out


def picture(port, has_fields, names=TIMES):
    """Everything that must be equal: the digest, deadlines, groups of streams, deadlines of fields, functions."""
    conn, found = Conn(port), {}
    found["digest"] = conn.value("DEBUG", "DIGEST")
    for database in (0, 9):
        conn.value("SELECT", database)
        for key in sorted(conn.value("KEYS", "*")):
            kind = conn.value("TYPE", key)
            about = [kind, conn.value("PEXPIRETIME", key), conn.value("DEBUG", "DIGEST-VALUE", key)]
            if kind == b"stream":
                about.append(without(conn.value("XINFO", "STREAM", key, "FULL", "COUNT", 0), names))
            if kind == b"zset":
                about.append(conn.value("ZRANGE", key, 0, -1, "WITHSCORES"))
            if kind == b"hash" and has_fields:
                fields = sorted(conn.value("HKEYS", key))
                about.append(conn.value("HPEXPIRETIME", key, "FIELDS", len(fields), *fields))
            found[database, key] = about
    listed = conn.value("FUNCTION", "LIST", "WITHCODE")
    # A server that executes no functions keeps them in its files.
    found["functions"] = sorted(library[-1] for library in listed) if isinstance(listed, list) else None
    conn.close()
    return found


def difference(one, other):
    """What is not equal; functions only where both show them."""
    keys = one.keys() | other.keys()
    if None in (one["functions"], other["functions"]):
        keys -= {"functions"}
    return {key: where(one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)}


def where(one, other, path=()):
    """The first part that is not equal, and the way to it."""
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other)):
            if left != right:
                return where(left, right, (*path, one[index - 1] if index and isinstance(one[index - 1], bytes) else index))
    return path, one, other
