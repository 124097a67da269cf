"""RESTORE of damaged payloads: the server lives, answers in bounded time, and what it takes it can use, write and read again.

RESTORE_SECONDS=600 SEED=7 for a long run of another kind; the seed is fixed otherwise.
"""
import os
import random
import socket
import struct
import time



SECONDS = float(os.environ.get("RESTORE_SECONDS", "6"))
SEED = int(os.environ.get("SEED", "1"))
# No answer takes longer, on a slow machine either.
PATIENCE_SECONDS = 30
LATER = 4_000_000_000_000

CRC_TABLE = []
for _byte in range(256):
    _crc = _byte
    for _ in range(8):
        _crc = _crc >> 1 ^ (0x95AC9329AC4BC9B5 if _crc & 1 else 0)
    CRC_TABLE.append(_crc)


def crc64(data):
    crc = 0
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc


def sealed(body, version=None):
    """A body with a sound footer."""
    if version is None:
        version = 80 if body[:1] == b"\x16" else 10
    data = body + struct.pack("<H", version)
    return data + struct.pack("<Q", crc64(data))


class Refused(Exception):
    """An error reply."""


class Wire:
    """A connection that sends many commands at once and keeps errors as values."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self.reader = self.socket.makefile("rb")

    def close(self):
        self.reader.close()
        self.socket.close()

    def many(self, commands):
        out = []
        for command in commands:
            out.append(b"*%d\r\n" % len(command))
            for part in command:
                part = part if isinstance(part, bytes) else str(part).encode()
                out.append(b"$%d\r\n%s\r\n" % (len(part), part))
        self.socket.sendall(b"".join(out))
        return [self.reply() for _ in commands]

    def one(self, *command):
        return self.many([command])[0]

    def reply(self):
        line = self.reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server is gone")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            return Refused(rest)
        if kind in b"+":
            return rest
        if kind == b":":
            return int(rest)
        count = int(rest)
        if count < 0:
            return None
        if kind == b"$":
            return self.reader.read(count + 2)[:-2]
        assert kind == b"*", line
        return [self.reply() for _ in range(count)]


def originals(wire):
    """Values of every type and layout; their payloads."""
    chance = random.Random(5)
    commands = []

    def add(*command):
        commands.append(command)

    long = "long " * 30
    add("SET", "s:int", 12345)
    add("SET", "s:short", "hello")
    add("SET", "s:raw", "x1y2" * 40)
    add("SET", "s:lzf", "a" * 2000)
    add("PFADD", "s:hll", *range(40))
    add("PFADD", "s:hll:large", *range(3000))
    add("RPUSH", "l:small", 1, "two", 300, -70000, 1 << 40, "")
    add("RPUSH", "l:large", *[f"{index}:{'v' * (index % 90)}" for index in range(400)])
    add("RPUSH", "l:numbers", *range(0, 3000, 7))
    add("SADD", "t:ints16", *range(-5, 30))
    add("SADD", "t:ints64", 1, 1 << 20, 1 << 40, -(1 << 50))
    add("SADD", "t:small", "a", "bb", "17", "ccc", long[:60])
    add("SADD", "t:table", *[f"member:{index}" for index in range(200)], long)
    add("ZADD", "z:small", 1, "a", 2.5, "b", "inf", "c", "-inf", "d", -0.0, "e", 1e300, "f", 17, 17)
    add("ZADD", "z:tree", "inf", "i", "-inf", "j", *[part for index in range(300) for part in (index / 7, f"m{index}")])
    add("GEOADD", "z:geo", 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")
    add("HSET", "h:small", "f", "v", "n", 12, "17", long[:50], "", "")
    add("HSET", "h:table", *[part for index in range(300) for part in (f"f{index}", index)], long, long)
    add("HSET", "h:due", *[part for index in range(12) for part in (f"f{index}", f"v{index}")])
    add("HPEXPIREAT", "h:due", LATER, "FIELDS", 3, "f0", "f5", "f7")
    add("HPEXPIREAT", "h:due", LATER + 5, "FIELDS", 1, "f9")
    for index in range(1, 8):
        add("XADD", "x:small", f"{index}-{index}", "f", index, "g", "v" * index)
    add("XADD", "x:small", "9-0", "other", "fields")
    add("XDEL", "x:small", "3-3", "9-0")
    for index in range(250):
        add("XADD", "x:large", f"{1000 + index * 3}-{index % 4}", *(["a", index, "b", "x"] if index % 5 else ["c", index]))
    for index in chance.sample(range(250), 40):
        add("XDEL", "x:large", f"{1000 + index * 3}-{index % 4}")
    for stream in ("x:small", "x:large"):
        for group in ("g1", "g2"):
            add("XGROUP", "CREATE", stream, group, "0")
            for consumer in ("alice", "bob", "carol"):
                add("XREADGROUP", "GROUP", group, consumer, "COUNT", 3, "STREAMS", stream, ">")
        add("XGROUP", "CREATECONSUMER", stream, "g2", "idle")
        add("XACK", stream, "g1", "1-1", "1000-0")
        add("XGROUP", "CREATE", stream, "g3", "$", "ENTRIESREAD", 3)
    add("XADD", "x:empty", "5-5", "f", "v")
    add("XDEL", "x:empty", "5-5")
    add("XGROUP", "CREATE", "x:empty", "g", "0")
    for reply in wire.many(commands):
        assert not isinstance(reply, Refused), reply
    keys = sorted(wire.one("KEYS", "*"))
    return [wire.one("DUMP", key)[:-10] for key in keys]


def length(value):
    if value < 64:
        return bytes([value])
    if value < 16384:
        return bytes([0x40 | value >> 8, value & 0xFF])
    return b"\x80" + struct.pack(">I", value)


def text(data):
    return length(len(data)) + data


def back_length(count):
    return bytes([count]) if count < 128 else bytes([count >> 7, count & 0x7F | 0x80])


def listpack(elements):
    """Numbers become integers of some width, the rest texts."""
    body = b""
    for element in elements:
        if isinstance(element, int):
            wrapped = (element + (1 << 63)) % (1 << 64) - (1 << 63)
            small = bytes([wrapped]) if 0 <= wrapped < 128 else b"\xf4" + struct.pack("<q", wrapped)
            body += small + back_length(len(small))
            continue
        data = bytes([0x80 | len(element)]) + element if len(element) < 64 else bytes(
            [0xE0 | len(element) >> 8, len(element) & 0xFF]) + element
        body += data + back_length(len(data))
    return struct.pack("<IH", len(body) + 7, len(elements)) + body + b"\xff"


def ziplist(elements):
    body, before, tail = b"", 0, 10
    for element in elements:
        tail = 10 + len(body)
        entry = (bytes([before]) if before < 254 else b"\xfe" + struct.pack("<I", before)) + (
            bytes([len(element)]) if len(element) < 64 else bytes([0x40 | len(element) >> 8, len(element) & 0xFF])) + element
        before = len(entry)
        body += entry
    return struct.pack("<IIH", len(body) + 11, tail, len(elements)) + body + b"\xff"


def zipmap(pairs):
    body = b"".join(bytes([len(f)]) + f + bytes([len(v), 0]) + v for f, v in pairs)
    return bytes([len(pairs)]) + body + b"\xff"


def old_encodings():
    """Payloads of types that no present server writes, or writes only sometimes."""
    score = struct.pack
    inner = ziplist([b"one", b"two", b"three"])
    scored = [b"a", b"1", b"b", b"2.5", b"c", b"inf"]
    return [
        b"\x01" + length(3) + text(b"a") + b"\xc0\x07" + text(b"c"),
        b"\x02" + length(3) + text(b"a") + b"\xc0\x07" + text(b"c"),
        b"\x03" + length(3) + text(b"a") + b"\x031.5" + text(b"b") + b"\xfe" + text(b"c") + b"\xff",
        b"\x04" + length(2) + text(b"a") + text(b"1") + text(b"b") + text(b"2"),
        b"\x05" + length(3) + text(b"a") + score("<d", 1.5) + text(b"b") + score("<d", float("inf")) + text(b"c") + score("<d", -0.0),
        b"\x09" + text(zipmap([(b"a", b"1"), (b"b", b"2")])),
        b"\x0a" + text(inner),
        b"\x0b" + text(struct.pack("<IIhhh", 2, 3, -4, 1, 100)),
        b"\x0c" + text(ziplist(scored)),
        b"\x0d" + text(ziplist([b"a", b"1", b"b", b"2"])),
        b"\x0e" + length(2) + text(inner) + text(inner),
        b"\x10" + text(listpack([b"a", b"1", b"b", b"2"])),
        b"\x11" + text(listpack(scored)),
        b"\x11" + text(listpack([b"b", b"2", b"a", b"1", b"c", b"-inf"])),
        b"\x12" + length(3) + b"\x01" + text(b"plain") + b"\x02" + text(listpack([b"a", b"b"])) + b"\x02" + text(listpack([b"c"])),
        b"\x14" + text(listpack([b"a", b"b", b"17"])),
        b"\x16" + length(2) + text(b"a") + text(b"1") + score("<q", LATER) + text(b"b") + text(b"2") + score("<q", -1),
    ]


NUMBERS = [b"0", b"-0", b"1", b"17", b"1.5", b"nan", b"-nan", b"inf", b"-inf", b"Infinity", b"1e400", b"-1e400", b"1e-400", b"5e-324", b"0x10", b" 1",
           b"1 ", b"", b"+1", b"1_0", b"9223372036854775808", b"1.7976931348623157e308", b"x", 0, 1, -1, 17, 1 << 62, -(1 << 63)]
NAMES = [b"a", b"b", b"c", b"", b"17", 17, b"-1", -1, b"f0", b"m5", b"017", 1 << 40, b"1099511627776", b"x" * 70, b"Palermo"]


def flat(chance):
    """A sound listpack with odd contents, as a hash, a set, a sorted set or a list."""
    count = chance.choice((1, 2, 3, 5, 8, 40, 140))
    kind = chance.choice(b"\x10\x11\x11\x14\x12")
    names = chance.sample(NAMES, min(count, len(NAMES))) if chance.random() < 0.8 else chance.choices(NAMES, k=count)
    if count > len(NAMES):
        names += [b"n%d" % index for index in range(count)]
    second = NUMBERS[:1] + [1, b"2.5", b"inf", 17] if chance.random() < 0.6 else NUMBERS
    elements = names
    if kind in b"\x10\x11":
        elements = [part for name in names for part in (name, chance.choice(second))]
    if chance.random() < 0.1:
        elements.pop()
    pack = listpack(elements)
    if chance.random() < 0.05:
        pack = pack[:4] + b"\xff\xff" + pack[6:]
    return bytes([kind]) + (b"\x01\x02" if kind == 0x12 else b"") + text(pack)


def identifier(chance):
    return chance.choice(((0, 1), (1, 1), (2, 2), (5, 0), (5, 7), (7, 1), (1003, 1), (1 << 62, 3), (1 << 63, 0), ((1 << 64) - 1, (1 << 64) - 1),
                          (chance.randrange(20), chance.randrange(3))))


def rare(chance, usual, odds=0.04):
    """The usual number, and now and then another."""
    return chance.choice((0, 1, -1, 2, 3, 127, 1 << 31, 1 << 62, -(1 << 63), usual + 1, usual - 1)) if chance.random() < odds else usual


def node_of_stream(chance, ms):
    """The id and the listpack of a node, and how many entries are there; the last id."""
    odds = chance.choice((0, 0, 0.02))
    count, fields = chance.choice((1, 2, 4, 9)), chance.randrange(4)
    live, entries, seq, last = 0, [], 0, ms
    for index in range(count):
        flags = chance.choice((2, 2, 0, 3, 1))
        live += not flags & 1
        last = ms + index // 2 if chance.random() < 0.97 else ms + chance.randrange(-3, 9)
        entry = [rare(chance, flags, odds), rare(chance, last - ms, odds), rare(chance, seq + index, odds)]
        if flags & 2:
            entry += [b"v"] * rare_count(chance, fields, odds)
        else:
            own = chance.randrange(4)
            entry += [rare(chance, own, odds)] + [chance.choice(NAMES) for _ in range(2 * rare_count(chance, own, odds))]
        entries += entry + [rare(chance, len(entry), odds)]
    master = [rare(chance, live, odds), rare(chance, count - live, odds), rare(chance, fields, odds)]
    master += [b"f%d" % index for index in range(rare_count(chance, fields, odds))] + [rare(chance, 0, odds)]
    return (ms, 0), listpack(master + entries), live, last


def rare_count(chance, usual, odds):
    return max(0, usual + chance.choice((-1, 1))) if chance.random() < odds else usual


def raw(identity):
    return struct.pack(">QQ", *identity)


def stream(chance):
    """A stream whose parts are sound for the most part, each on its own."""
    odds = chance.choice((0, 0, 0, 0.05))
    kind = chance.choice((15, 19, 21))
    nodes, total, ms = [], 0, chance.choice((0, 1, 1000))
    for _ in range(chance.randrange(4)):
        identity, pack, live, ms = node_of_stream(chance, ms)
        nodes.append(text(raw(identity)) + text(pack))
        total, ms = total + live, max(ms + chance.choice((1, 1, 1, 0, 5)), 0)
    def number(value):
        return b"\x81" + struct.pack(">Q", value & (1 << 64) - 1)
    def id_of(usual):
        identity = identifier(chance) if chance.random() < max(odds, 0.02) else usual
        return number(identity[0]) + number(identity[1])
    last = (ms + 5, 9)
    body = bytes([kind]) + length(len(nodes)) + b"".join(nodes) + number(rare(chance, total, odds)) + id_of(last)
    if kind > 15:
        body += id_of((0, 1)) + id_of((0, 0)) + number(rare(chance, total, 0.1))
    groups = [b"g1", b"g2", b"g3"][:chance.randrange(4)]
    if groups and chance.random() < odds:
        groups[-1] = b"g1"
    body += length(len(groups))
    for name in groups:
        pending = sorted({identifier(chance) for _ in range(chance.randrange(5))})
        if chance.random() < odds:
            chance.shuffle(pending)
        body += text(name) + id_of(last) + (number(rare(chance, 0, 0.3)) if kind > 15 else b"") + length(len(pending))
        for identity in pending:
            body += raw(identity) + struct.pack("<q", rare(chance, 5, 0.2)) + number(rare(chance, 1, 0.2))
        consumers = [b"alice", b"bob", b"carol"][:chance.randrange(1, 4)]
        body += length(len(consumers))
        owned = [[] for _ in consumers]
        for identity in pending:
            chance.choice(owned).append(identity)
            if chance.random() < odds:
                chance.choice(owned).append(identity)
        for consumer, ids in zip(consumers, owned):
            body += text(consumer) + struct.pack("<q", rare(chance, 5, 0.2))
            body += struct.pack("<q", rare(chance, 5, 0.2)) if kind == 21 else b""
            body += length(len(ids)) + b"".join(raw(identity) for identity in ids)
    return body


def hyperloglog(chance):
    """A string that says that it is one."""
    dense = chance.random() < 0.3
    codes = bytes(chance.choice((0, 0x3F, 0x40, 0x7F, 0x80, 0xFF, chance.randrange(256))) for _ in range(chance.choice((1, 30, 300))))
    if dense:
        codes = bytes(chance.randrange(256) for _ in range(chance.choice((12288, 12288, 12287, 12289))))
    elif chance.random() < 0.5:
        codes += b"\x7f\xff" * chance.choice((1, 2))
    head = b"HYLL" + bytes([rare(chance, 0 if dense else 1) & 0xFF, 0, 0, 0]) + struct.pack("<Q", rare(chance, 1 << 63, 0.3) & (1 << 64) - 1)
    return b"\x00" + text(head + codes)


INTERESTING = [0, 1, 2, 3, 0x3F, 0x40, 0x7F, 0x80, 0x81, 0xBF, 0xC0, 0xC3, 0xDF, 0xE0, 0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xFD, 0xFE, 0xFF]
WORDS = [0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]


def mutate(chance, body, others):
    """A payload's body with some damage."""
    data = bytearray(body)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        at = chance.randrange(len(data)) if data else 0
        # Half of all damage is done near the start, where lengths and layouts are.
        if chance.random() < 0.5:
            at = min(at, chance.randrange(40))
        match chance.randrange(12):
            case 0 if data:
                data[at] ^= 1 << chance.randrange(8)
            case 1 if data:
                data[at] = chance.randrange(256)
            case 2 | 3 if data:
                data[at] = chance.choice(INTERESTING)
            case 4 if data:
                data[at] = (data[at] + chance.choice((-1, 1))) & 0xFF
            case 5:
                form = chance.choice(("<H", "<I", "<Q", ">I", ">Q"))
                word = struct.pack(form, chance.choice(WORDS) & (1 << 8 * struct.calcsize(form)) - 1)
                data[at:at + len(word)] = word
            case 6:
                del data[at:at + chance.randrange(1, 9)]
            case 7:
                count = chance.randrange(1, 40)
                data[at:at] = data[at:at + count]
            case 8:
                count, to = chance.randrange(1, 20), chance.randrange(len(data) + 1)
                data[to:to + count] = data[at:at + count]
            case 9 if chance.random() < 0.3:
                del data[at:]
            case 10 if data:
                data[0] = chance.choice((0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23))
            case 11:
                other = chance.choice(others)
                cut = chance.randrange(len(other))
                data[at:] = other[cut:]
            case _:
                pass
        if not data:
            data = bytearray(b"\x00")
    return bytes(data)


def uses(key, other):
    """Commands of all types on a key, first those that read."""
    reading = [
        ("TYPE", key), ("OBJECT", "ENCODING", key), ("OBJECT", "FREQ", key), ("MEMORY", "USAGE", key, "SAMPLES", 0), ("SORT", key, "ALPHA"),
        ("SORT", key, "BY", "nosort", "LIMIT", 0, 5), ("STRLEN", key), ("GET", key), ("GETRANGE", key, 0, -1), ("GETBIT", key, 100),
        ("BITCOUNT", key), ("BITPOS", key, 1), ("PFCOUNT", key), ("LRANGE", key, 0, -1), ("LINDEX", key, -1), ("LINDEX", key, 1),
        ("LPOS", key, "a", "RANK", -1), ("LLEN", key), ("SMEMBERS", key), ("SISMEMBER", key, "17"), ("SRANDMEMBER", key, -5),
        ("SSCAN", key, 0, "COUNT", 100), ("SINTERCARD", 1, key), ("ZRANGE", key, 0, -1, "WITHSCORES"), ("ZREVRANGE", key, 0, -1),
        ("ZRANGEBYSCORE", key, "-inf", "(inf"), ("ZRANGEBYLEX", key, "-", "+"), ("ZCOUNT", key, 1, 2), ("ZRANK", key, "b"),
        ("ZSCORE", key, "a"), ("ZSCAN", key, 0), ("ZRANDMEMBER", key, -3, "WITHSCORES"), ("GEOPOS", key, "Palermo", "a"),
        ("GEOSEARCH", key, "FROMLONLAT", 15, 37, "BYRADIUS", 2000, "km", "ASC", "WITHDIST"), ("HGETALL", key), ("HGET", key, "17"),
        ("HRANDFIELD", key, -4, "WITHVALUES"), ("HSCAN", key, 0), ("HPEXPIRETIME", key, "FIELDS", 2, "f0", "a"), ("XLEN", key),
        ("XRANGE", key, "-", "+"), ("XREVRANGE", key, "+", "-"), ("XRANGE", key, "4", "(7-1"), ("XINFO", "STREAM", key),
        ("XINFO", "STREAM", key, "FULL", "COUNT", 0), ("XINFO", "GROUPS", key), ("XINFO", "CONSUMERS", key, "g1"),
        ("XPENDING", key, "g1"), ("XPENDING", key, "g1", "-", "+", 100), ("XREAD", "STREAMS", key, "0"),
        ("COPY", key, other, "REPLACE"), ("DEBUG", "OBJECT", key),
    ]
    changing = [
        ("APPEND", key, "tail"), ("SETRANGE", key, 3, "mid"), ("SETBIT", key, 9, 1), ("PFADD", key, "x", "y"), ("PFMERGE", key, key),
        ("LPUSH", key, "front"), ("RPUSH", key, "back"), ("LINSERT", key, "BEFORE", "two", "new"), ("LSET", key, 1, "set"),
        ("LREM", key, 0, "1"), ("LTRIM", key, 1, -2), ("LPOP", key), ("RPOP", key, 2), ("LMOVE", key, key, "LEFT", "RIGHT"),
        ("SADD", key, "a", "new", 1 << 33), ("SREM", key, "bb", 5), ("SPOP", key), ("SMOVE", key, key, "ccc"),
        ("SUNIONSTORE", other, key), ("ZADD", key, 7, "a", -1, "new", 3, "m9"), ("ZINCRBY", key, 1.5, "b"), ("ZREM", key, "d", "m5"),
        ("ZPOPMIN", key), ("ZPOPMAX", key), ("ZREMRANGEBYRANK", key, 1, 2), ("ZREMRANGEBYSCORE", key, 2, 3),
        ("ZUNIONSTORE", other, 2, key, key), ("ZRANGESTORE", other, key, 0, -1), ("HSET", key, "f", "changed", "new", "field", "f0", 1),
        ("HINCRBY", key, "n", 3), ("HDEL", key, "17", "f5"), ("HPEXPIREAT", key, LATER + 9, "FIELDS", 2, "f1", "a"),
        ("HPERSIST", key, "FIELDS", 1, "f7"), ("HGETDEL", key, "FIELDS", 1, "b"),
        ("XREADGROUP", "GROUP", "g1", "bob", "COUNT", 2, "STREAMS", key, ">"), ("XREADGROUP", "GROUP", "g1", "bob", "STREAMS", key, "0"),
        ("XCLAIM", key, "g1", "carol", 0, "2-2", "1003-1", "FORCE"), ("XAUTOCLAIM", key, "g2", "dave", 0, "0", "COUNT", 3),
        ("XACK", key, "g2", "2-2", "1006-2"), ("XDEL", key, "4-4", "1015-1"), ("XADD", key, "*", "f", "v"), ("XADD", key, "*", "q", "v"),
        ("XTRIM", key, "MAXLEN", 5), ("XTRIM", key, "MINID", "~", 1100), ("XGROUP", "DELCONSUMER", key, "g1", "alice"),
        ("XGROUP", "SETID", key, "g2", "0"), ("XGROUP", "DESTROY", key, "g3"), ("XSETID", key, "99999999999999-1"),
    ]
    return reading, changing


def picture(wire, key):
    """What a key holds, for comparisons; times of consumers aside. None: nothing."""
    digest = wire.one("DEBUG", "DIGEST-VALUE", key)
    kind = wire.one("TYPE", key)
    if kind == b"none":
        return None
    if kind == b"hash":
        # Without fields that are past their deadlines: they may go at any time, the last one with its key.
        pairs = wire.one("HGETALL", key)
        fields = pairs[::2]
        deadlines = wire.one("HPEXPIRETIME", key, "FIELDS", len(fields), *fields) if fields else []
        return (sorted(zip(fields, pairs[1::2], deadlines)), kind, None) if fields else None
    if kind == b"zset":
        # A small one has no sign at zero, as the original's.
        return [b"0" if part == b"-0" else part for part in wire.one("ZRANGE", key, 0, -1, "WITHSCORES")], kind, None
    if kind == b"stream":
        full = wire.one("XINFO", "STREAM", key, "FULL", "COUNT", 0)
        assert not isinstance(full, Refused), full
        return digest, kind, without_times(full)
    return digest, kind, None


def without_times(value):
    if not isinstance(value, list):
        return value
    out, skips = [], False
    for part in value:
        if skips:
            skips = False
            continue
        if isinstance(part, bytes) and part in (b"active-time", b"seen-time", b"radix-tree-keys", b"radix-tree-nodes"):
            skips = True
            continue
        out.append(without_times(part))
    return out


def comes_back(wire, key, where):
    """DUMP and RESTORE again give the same value."""
    dump = wire.one("DUMP", key)
    if dump is None:
        return
    assert isinstance(dump, bytes), (where, dump)
    reply = wire.one("RESTORE", "again", 0, dump, "REPLACE")
    assert reply == b"OK", (where, reply, dump)
    one, two = picture(wire, key), picture(wire, "again")
    assert one == two, (where, one, two)


class Fuzz:
    """One run against one server."""

    def __init__(self, server, seed):
        self.server, self.chance = server, random.Random(seed)
        self.wire = Wire(server.port)
        self.taken = self.tried = self.reloads = 0
        assert self.wire.one("FLUSHALL") == b"OK"
        self.bodies = originals(self.wire) + old_encodings()
        self.last = None

    def whole_ones_are_taken(self):
        for body in self.bodies:
            self.last = body
            reply = self.wire.one("RESTORE", "k", 0, sealed(body), "REPLACE")
            assert reply == b"OK", (reply, body)
            comes_back(self.wire, "k", body)

    def round(self):
        self.tried += 1
        if self.chance.random() < 0.4:
            body = self.chance.choice((flat, stream, stream, hyperloglog))(self.chance)
        else:
            body = mutate(self.chance, self.chance.choice(self.bodies), self.bodies)
        self.last = body
        key = f"k{self.chance.randrange(20)}"
        reply = self.wire.one("RESTORE", key, 0, sealed(body), "REPLACE")
        if isinstance(reply, Refused):
            assert reply.args[0] == b"ERR Bad data format", (reply, body)
            return
        assert reply == b"OK", reply
        if self.wire.one("EXISTS", key) == 0:
            # All of its fields were past their deadlines.
            return
        self.taken += 1
        comes_back(self.wire, key, body)
        reading, changing = uses(key, "other")
        self.wire.many(reading)
        for command in changing:
            self.chance.random()
        self.chance.shuffle(changing)
        self.wire.many(changing)
        if self.wire.one("EXISTS", key):
            comes_back(self.wire, key, body)
            self.wire.many(reading)
        match self.chance.randrange(4):
            case 0:
                self.wire.one("DEL", key)
            case 1:
                self.wire.one("UNLINK", key)
            case 2:
                # Another time around with what came of it.
                self.wire.one("COPY", key, "kept", "REPLACE")
            case _:
                pass
        if self.taken % 50 == 0:
            self.reload()

    def reload(self):
        self.reloads += 1
        keys = sorted(self.wire.one("KEYS", "*"))
        before = [picture(self.wire, key) for key in keys]
        reply = self.wire.one("DEBUG", "RELOAD")
        assert reply == b"OK", reply
        after = [picture(self.wire, key) for key in keys]
        for key, one, two in zip(keys, before, after):
            assert one == two, (key, one, two)

    def run(self, seconds):
        until = time.time() + seconds
        try:
            self.whole_ones_are_taken()
            while time.time() < until:
                self.round()
            self.reload()
            assert self.server.process.poll() is None
        except (AssertionError, OSError, ValueError):
            print(f"seed {SEED}, try {self.tried}, payload {self.last!r}")
            raise
        finally:
            self.wire.close()
        print(f"{self.tried} payloads, {self.taken} taken, {self.reloads} reloads")


def test_damaged_payloads_do_no_harm(servers):
    server = servers("redan", "--save", "", "--enable-debug-command", "yes", "--hash-max-listpack-entries", 64)
    fuzz = Fuzz(server, SEED)
    fuzz.run(SECONDS)
    assert fuzz.taken > 0


def test_lists_with_squeezed_nodes_do_no_harm(servers):
    server = servers("redan", "--save", "", "--enable-debug-command", "yes", "--list-compress-depth", 1,
                     "--list-max-listpack-size", 3, "--zset-max-listpack-entries", 2, "--set-max-intset-entries", 3,
                     "--stream-node-max-entries", 3)
    fuzz = Fuzz(server, SEED + 1)
    fuzz.run(SECONDS / 3)
    assert fuzz.taken > 0
