"""Random command sequences: a grammar of all commands with their options, over few keys, so that they meet.

A command is a line of tokens:
    word           as it is                      {key}          a value drawn by the function of that name
    a|b|c          one of them                   ?token         half of the time
    token*         one to five times             x,y            several words (x and then y), also within the others
"""

import struct
from bisect import bisect
from itertools import accumulate

# Names are few, so that commands meet; their first letters say what they mostly hold.
KINDS = {"s": "string", "l": "list", "e": "set", "z": "zset", "h": "hash", "x": "stream", "b": "bitmap", "p": "hll", "g": "geo"}
# Valkey 9.1 reads numbers without strtod: it refuses hexadecimal floats and blanks, and SORT takes subnormal ones.
NOT_IN_VALKEY = {b"0x1p3", b"0x10", b" 1", b"5e-324", b"4.9406564584124654e-324"}
FAR = 4102444800  # 2100-01-01: deadlines that never pass


class Values:
    """Draws values from a seed."""

    def __init__(self, random, newer=False):
        self.random, self.newer = random, newer

    def draw(self, first, end=None):
        """An integer from `first` on and below `end`; with one number from 0 on and below it."""
        if end is None:
            first, end = 0, first
        return first + int(self.random.random() * (end - first))

    def pick(self, items):
        while True:
            item = items[int(self.random.random() * len(items))]
            if not self.newer or type(item) is not bytes or item not in NOT_IN_VALKEY:
                return item

    def key(self, kind):
        # One in twelve is another type's: WRONGTYPE is a reply, too.
        if self.random.random() < 0.08:
            kind = self.pick("slehxbpy" if kind == "y" else "slezhxbpg")
        return f"{kind}{self.draw(4)}".encode()

    def s(self):
        return self.key("s")

    def l(self):
        return self.key("l")

    def e(self):
        return self.key("e")

    def z(self):
        return self.key("z")

    def h(self):
        return self.key("h")

    def x(self):
        return self.key("x")

    def b(self):
        return self.key("b")

    def p(self):
        return self.key("p")

    def y(self):
        """A sorted set of equal scores: ranges by bytes of others are not defined."""
        return b"y%d" % self.draw(4)

    def g(self):
        """Places. A score below zero is none: what C makes of it is not defined, so no other sorted set is drawn."""
        return self.key("g").replace(b"z", b"g")

    def w(self):
        """A list that came about by pushes: the order of its elements is known."""
        return b"w%d" % self.draw(2)

    def hf(self):
        """A hash that SORT's patterns find."""
        return b"h" + self.f()

    def ez(self):
        return self.key(self.pick("eez"))

    def les(self):
        return self.key(self.pick("llez"))

    def k(self):
        return self.key(self.pick("slezhxbpg"))

    def t(self):
        """Short texts: LCS takes time and memory by the product of the lengths."""
        return b"t%d" % self.draw(2)

    def lt(self):
        return self.key("l") if self.random.random() < 0.08 else self.t()

    def channel(self):
        return self.pick([b"news", b"news.1", b"", b"*", b"t\x00\xff"])

    def integer(self):
        roll = self.random.random()
        if roll < 0.7:
            return b"%d" % self.draw(-20, 20)
        if roll < 0.9:
            return b"%d" % self.draw(-(1 << 40), 1 << 40)
        return self.pick([b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"-9223372036854775809", b"0", b"-0", b"+1", b" 1", b"1 ", b"01", b"", b"abc", b"1.5", b"32767", b"32768", b"-32769", b"2147483648", b"1e3", b"0x10"])

    def count(self):
        # LREM of Redis 7.0 negates the least of all numbers, which C does not define; later versions refuse it.
        text = b"%d" % self.draw(-3, 12) if self.random.random() < 0.93 else self.integer()
        return b"-7" if text == b"-9223372036854775808" else text

    def index(self):
        # Valkey 9.1 takes a far index of LSET for another one: none is drawn for it.
        return b"%d" % self.draw(-8, 9) if self.newer or self.random.random() < 0.95 else self.integer()

    def skip(self):
        """The offset of LIMIT. A negative one is none to Valkey 9.1, and gives nothing in Redis 7.0."""
        text = self.index()
        return text.replace(b"-", b"") if self.newer else text

    def offset(self):
        return b"%d" % self.draw(0, 300) if self.random.random() < 0.95 else self.pick([b"-1", b"4294967296", b"x", b"500000"])

    def short(self):
        return b"%d" % self.draw(0, 40) if self.random.random() < 0.95 else self.pick([b"-1", b"-40", b"536870912", b"x", b""])

    def float(self):
        roll = self.random.random()
        if roll < 0.5:
            return b"%d" % self.draw(-10, 10)
        if roll < 0.8:
            return repr(round(self.random.uniform(-100, 100), self.draw(0, 8))).encode()
        if roll < 0.9:
            return repr(self.random.uniform(-1, 1) * 10 ** self.draw(-10, 18)).encode()
        return self.pick([b"inf", b"-inf", b"+inf", b"nan", b"1e5", b"1e400", b"0.1", b"3.0", b"-0", b"1.7976931348623157e308", b"5e-324", b"abc", b"", b" 1", b"1 ", b"0x1p3", b"infinity", b".5", b"5.", b"1e-7"])

    def finite(self):
        """A number as INCRBYFLOAT is given it."""
        roll = self.random.random()
        if roll < 0.7:
            return (b"%d" % self.draw(-1000, 1000) if roll < 0.3 else ("%.*f" % (self.draw(1, 12), self.random.uniform(-1000, 1000))).encode())
        if roll < 0.8:
            return repr(self.random.uniform(-1, 1) * 10 ** self.draw(-18, 30)).encode()
        if roll < 0.9:
            # More digits than a double has.
            digits = "".join(self.random.choice("0123456789") for _ in range(self.draw(1, 24)))
            at = self.draw(0, len(digits) + 1)
            return f"{digits[:at] or 0}.{digits[at:] or 0}".encode()
        return self.pick([b"1e4000", b"1e-4950", b"9223372036854775807", b"18446744073709551616", b"0x1p3", b" 1", b"1 ", b"", b"-0", b"1e10", b"5.0e3", b"1e-5", b"inf", b"nan", b"x", b"1e400", b"0.1", b"-0.1", b"3.0e-3"])

    def element(self):
        roll = self.random.random()
        if roll < 0.35:
            return b"m%d" % self.draw(12)
        if roll < 0.6:
            return b"%d" % self.draw(-5, 40)
        if roll < 0.7:
            return self.integer()
        if roll < 0.8:
            # No zero bytes: SORT ALPHA of the original stops at them.
            return bytes(self.draw(1, 256) for _ in range(self.draw(0, 6)))
        if roll < 0.9:
            # Around the limits of embstr, listpack values and listpack lengths.
            return b"%c" % self.draw(97, 100) * self.pick([1, 20, 43, 44, 45, 63, 64, 65, 66, 127, 128])
        return self.float()

    def v(self):
        if self.random.random() < 0.03:
            return b"%c" % self.draw(97, 123) * self.draw(0, 5000)
        return self.element()

    def f(self):
        return b"f%d" % self.draw(10) if self.random.random() < 0.85 else self.element()

    def ttl(self):
        return b"%d" % self.draw(100, 100000) if self.random.random() < 0.93 else self.pick([b"0", b"-1", b"x", b"9223372036854775807", b"-9223372036854775808", b"9223372036854775", b""])

    def ttlms(self):
        return b"%d" % self.draw(100_000, 100_000_000) if self.random.random() < 0.93 else self.pick([b"0", b"-1", b"x", b"9223372036854775807", b"-9223372036854775808", b""])

    def at(self):
        return b"%d" % (FAR + self.draw(100)) if self.random.random() < 0.9 else self.pick([b"1", b"0", b"-1", b"x", b"9223372036854775807"])

    def coming(self):
        """As `at`; but Valkey 9.1 removes at once what Redis 7.0 keeps until somebody looks at it: no past times for it."""
        text = self.at()
        return b"-1" if self.newer and text == b"1" else text

    def comingms(self):
        text = self.atms()
        return b"-1" if self.newer and text == b"1" else text

    def atms(self):
        return b"%d" % ((FAR + self.draw(100)) * 1000) if self.random.random() < 0.9 else self.pick([b"1", b"0", b"-1", b"x", b"9223372036854775807"])

    def score(self):
        return self.float()

    def min(self):
        return self.pick([b"-inf", b"(-5", b"0", b"(0", b"-3", b"5"]) if self.random.random() < 0.7 else self.pick([b"(", b""]) + self.float()

    def max(self):
        return self.pick([b"+inf", b"(5", b"10", b"(10", b"3", b"inf"]) if self.random.random() < 0.7 else self.pick([b"(", b""]) + self.float()

    def lexmin(self):
        return self.pick([b"-", b"+", b"[a", b"(m3", b"[m1", b"(", b"[", b"m1", b"[5"])

    def lexmax(self):
        return self.pick([b"+", b"-", b"[z", b"(m9", b"[m7", b"(z", b"m9", b"[8"])

    def pattern(self):
        return self.pick([b"*", b"f*", b"m*", b"?1", b"[a-f]*", b"*5*", b"", b"\\*", b"[^m]*", b"m[0-3]", b"a**b"])

    def id(self):
        roll = self.random.random()
        if roll < 0.6:
            return b"%d-%d" % (self.draw(1, 60), self.draw(0, 3))
        if roll < 0.75:
            return b"%d" % self.draw(1, 60)
        return self.pick([b"-", b"+", b"0", b"0-0", b"0-1", b"(5", b"(5-1", b"18446744073709551615-18446744073709551615", b"18446744073709551616", b"x", b"5-x", b"", b"-1", b"$", b"5-"])

    def addid(self):
        self.last = getattr(self, "last", 0) + self.draw(0, 2)
        roll = self.random.random()
        if roll < 0.8:
            return b"%d-%d" % (self.last + 1, self.draw(0, 4))
        if roll < 0.9:
            return b"%d-*" % (self.last + 1)
        return self.id()

    def setid(self):
        """Valkey 9.1 takes no id below that of the last deleted entry, which 7.0 does: one that is above all."""
        if not self.newer:
            return self.id()
        self.last = max(getattr(self, "last", 0), 60) + 1
        return b"%d-%d" % (self.last, self.draw(0, 3))

    def few(self):
        """A count for which the originals ask for memory at once."""
        return self.pick([b"1", b"2", b"5", b"10", b"100", b"0", b"-1", b"x", b""])

    def group(self):
        return b"g%d" % self.draw(2)

    def consumer(self):
        return b"c%d" % self.draw(3)

    def lon(self):
        return repr(round(self.random.uniform(-20, 20), 4)).encode() if self.random.random() < 0.95 else self.pick([b"181", b"-180", b"x"])

    def lat(self):
        return repr(round(self.random.uniform(-20, 20), 4)).encode() if self.random.random() < 0.95 else self.pick([b"86", b"-85.05112878", b"x"])

    def radius(self):
        return b"%d" % self.draw(1, 3000)

    def bits(self):
        return self.pick([b"u8", b"i8", b"u1", b"i5", b"u63", b"i64", b"u64", b"u16", b"i0", b"i32", b"x"])

    def bitoffset(self):
        return self.pick([b"0", b"1", b"7", b"#1", b"#2", b"100", b"33", b"-1", b"#x"])

    def zero_to_two(self):
        return self.pick([b"0", b"1", b"0", b"1", b"0", b"1", b"2", b"x"])

    def numkeys(self):
        return self.pick([b"1", b"2", b"2", b"2", b"3", b"0", b"-1", b"x"])

    def weight(self):
        return self.float()

    def many(self):
        return self.pick([b"1000", b"5000"])

    def f32(self):
        return struct.pack("<f", self.random.random())


# What both references have. The number is the weight.
REDIS = {
    "string": [
        (6, "SET {s} {v} ?NX|XX ?GET ?EX,{ttl}|PX,{ttlms}|EXAT,{coming}|PXAT,{comingms}|KEEPTTL"),
        (4, "GET {s}"), (1, "GETSET {s} {v}"), (1, "GETDEL {s}"), (1, "GETEX {s} ?EX,{ttl}|PX,{ttlms}|EXAT,{coming}|PXAT,{comingms}|PERSIST"),
        (1, "SETNX {s} {v}"), (1, "SETEX {s} {ttl} {v}"), (1, "PSETEX {s} {ttlms} {v}"), (2, "MGET {s}*"), (2, "MSET {s},{v}*"),
        (1, "MSETNX {s},{v}*"), (2, "INCR {s}"), (1, "DECR {s}"), (2, "INCRBY {s} {integer}"), (1, "DECRBY {s} {integer}"),
        (3, "INCRBYFLOAT {s} {finite}"), (3, "APPEND {s} {v}"), (1, "STRLEN {s}"), (2, "SETRANGE {s} {offset} {v}"),
        (2, "GETRANGE {s} {index} {index}"), (1, "SUBSTR {s} {index} {index}"), (1, "LCS {t} {lt} ?LEN|IDX ?MINMATCHLEN,{count} ?WITHMATCHLEN"), (0.5, "SET {t} {element}"), (0.5, "APPEND {t} {element}"),
    ],
    "bitmap": [
        (4, "SETBIT {b} {offset} {zero_to_two}"), (2, "GETBIT {b} {offset}"), (2, "BITCOUNT {b} ?{index},{index} ?BYTE|BIT"),
        (2, "BITPOS {b} {zero_to_two} ?{index} ?{index} ?BYTE|BIT"), (2, "BITOP AND|OR|XOR|NOT {b} {b}*"),
        (3, "BITFIELD {b} ?OVERFLOW,WRAP|OVERFLOW,SAT|OVERFLOW,FAIL SET,{bits},{bitoffset},{integer}|INCRBY,{bits},{bitoffset},{integer}|GET,{bits},{bitoffset}* ?GET,{bits},{bitoffset}"),
        (1, "BITFIELD_RO {b} GET,{bits},{bitoffset}*"), (1, "SET {b} {v}"),
    ],
    "hll": [(4, "PFADD {p} {element}*"), (3, "PFCOUNT {p}*"), (2, "PFMERGE {p} {p}*"), (1, "STRLEN {p}"), (1, "GET {p}"), (1, "PFADD {p}"), (0.5, "PFDEBUG DECODE|ENCODING {p}"), (0.05, "PFDEBUG GETREG|TODENSE {p}")],
    "hash": [
        (6, "HSET {h} {f},{v}*"), (1, "HMSET {h} {f},{v}*"), (3, "HGET {h} {f}"), (2, "HMGET {h} {f}*"), (2, "HGETALL {h}"), (2, "HDEL {h} {f}*"),
        (1, "HLEN {h}"), (1, "HEXISTS {h} {f}"), (1, "HKEYS {h}"), (1, "HVALS {h}"), (2, "HINCRBY {h} {f} {integer}"), (2, "HINCRBYFLOAT {h} {f} {finite}"),
        (1, "HSETNX {h} {f} {v}"), (1, "HSTRLEN {h} {f}"), (1, "HRANDFIELD {h} ?{many} ?WITHVALUES"), (1, "HSCAN {h} 0 ?MATCH,{pattern} COUNT {many}"),
    ],
    "list": [
        (4, "LPUSH {l} {v}*"), (4, "RPUSH {l} {v}*"), (1, "LPUSHX {l} {v}*"), (1, "RPUSHX {l} {v}*"), (2, "LPOP {l} ?{count}"), (2, "RPOP {l} ?{count}"),
        (1, "LLEN {l}"), (4, "LRANGE {l} {index} {index}"), (2, "LINDEX {l} {index}"), (2, "LSET {l} {index} {v}"), (2, "LINSERT {l} BEFORE|AFTER {element} {v}"),
        (2, "LREM {l} {count} {element}"), (1, "LTRIM {l} {index} {index}"), (2, "LPOS {l} {element} ?RANK,{index} ?COUNT,{count} ?MAXLEN,{count}"),
        (2, "LMOVE {l} {l} LEFT|RIGHT LEFT|RIGHT"), (1, "RPOPLPUSH {l} {l}"), (1, "LMPOP {numkeys} {l} {l} LEFT|RIGHT ?COUNT,{count}"),
        (1, "BLPOP {l} {l} 0.001"), (1, "BRPOP {l} 0.001"), (1, "BLMOVE {l} {l} LEFT|RIGHT LEFT|RIGHT 0.001"), (1, "BLMPOP 0.001 {numkeys} {l} {l} LEFT|RIGHT ?COUNT,{count}"),
        (1, "BRPOPLPUSH {l} {l} 0.001"),
    ],
    "set": [
        (6, "SADD {e} {element}*"), (2, "SREM {e} {element}*"), (2, "SISMEMBER {e} {element}"), (1, "SMISMEMBER {e} {element}*"), (1, "SCARD {e}"), (3, "SMEMBERS {e}"),
        (1, "SPOP {e} {many}"), (1, "SRANDMEMBER {e} {many}"), (1, "SMOVE {e} {e} {element}"), (2, "SINTER {e}*"), (2, "SINTERSTORE {e} {e}*"),
        (1, "SINTERCARD {numkeys} {e} {e} ?LIMIT,{count}"), (2, "SUNION {e}*"), (1, "SUNIONSTORE {e} {e}*"), (2, "SDIFF {e}*"), (1, "SDIFFSTORE {e} {e}*"),
        (1, "SSCAN {e} 0 ?MATCH,{pattern} COUNT {many}"),
    ],
    "sort": [
        (3, "SORT {les} ?LIMIT,{index},{count} ?ASC|DESC ALPHA"), (2, "SORT {l} ?DESC"), (1, "SORT_RO {les} ALPHA"), (1, "SORT {l} ALPHA STORE {l}"),
        (1, "SORT {les} BY nosort GET s*"), (1, "SORT {les} BY h*->f1 ALPHA ?DESC GET # GET h*->f1 GET h*->f2"), (1, "SORT {w} BY h*->f1 ALPHA ?DESC GET # GET h*->f1"),
        (1, "SORT {w} ?DESC BY h*->f1 GET # GET h*->f1"), (1, "SORT {w} ALPHA ?DESC"), (2, "RPUSH {w} {f}*"), (1, "RPUSH {w} {element}*"), (0.5, "DEL {w}"), (2, "HSET {hf} f1 {v}"),
        (1, "HSET {hf} f1 {score}"),
    ],
    "zset": [
        (8, "ZADD {z} ?NX|XX ?GT|LT ?CH {score},{element}*"), (1, "ZADD {z} ?NX|XX ?GT|LT INCR {score} {element}"), (2, "ZINCRBY {z} {score} {element}"), (2, "ZREM {z} {element}*"),
        (1, "ZCARD {z}"), (2, "ZSCORE {z} {element}"), (1, "ZMSCORE {z} {element}*"), (1, "ZRANK {z} {element}"), (1, "ZREVRANK {z} {element}"), (2, "ZCOUNT {z} {min} {max}"),
        (1, "ZLEXCOUNT {y} {lexmin} {lexmax}"), (3, "ZRANGE {z} {index} {index} ?REV ?WITHSCORES"), (2, "ZRANGE {z} {min} {max} BYSCORE ?REV ?LIMIT,{skip},{count} ?WITHSCORES"),
        (1, "ZRANGE {y} {lexmin} {lexmax} BYLEX ?REV ?LIMIT,{skip},{count}"), (1, "ZRANGE {z} {index} {index} ?BYSCORE ?LIMIT,{skip},{count} ?WITHSCORES"), (3, "ZADD {y} 0,{element}*"), (0.3, "ZRANGEBYLEX {hf} {lexmin} {lexmax}"), (0.1, "ZLEXCOUNT {hf} {lexmin} {lexmax}"),
        (1, "ZRANGESTORE {z} {z} {index} {index} ?REV"), (1, "ZRANGESTORE {z} {z} {min} {max} BYSCORE ?LIMIT,{skip},{count}"), (1, "ZREVRANGE {z} {index} {index} ?WITHSCORES"),
        (2, "ZRANGEBYSCORE {z} {min} {max} ?WITHSCORES ?LIMIT,{skip},{count}"), (1, "ZREVRANGEBYSCORE {z} {max} {min} ?WITHSCORES ?LIMIT,{skip},{count}"),
        (1, "ZRANGEBYLEX {y} {lexmin} {lexmax} ?LIMIT,{skip},{count}"), (1, "ZREVRANGEBYLEX {y} {lexmax} {lexmin} ?LIMIT,{skip},{count}"),
        (1, "ZREMRANGEBYRANK {z} {index} {index}"), (1, "ZREMRANGEBYSCORE {z} {min} {max}"), (1, "ZREMRANGEBYLEX {y} {lexmin} {lexmax}"),
        (1, "ZUNION {numkeys} {ez} {ez} ?WEIGHTS,{weight},{weight} ?AGGREGATE,SUM|AGGREGATE,MIN|AGGREGATE,MAX ?WITHSCORES"),
        (1, "ZINTER {numkeys} {ez} {ez} ?WEIGHTS,{weight},{weight} ?AGGREGATE,SUM|AGGREGATE,MIN|AGGREGATE,MAX ?WITHSCORES"), (1, "ZDIFF {numkeys} {ez} {ez} ?WITHSCORES"),
        (1, "ZUNIONSTORE {z} {numkeys} {ez} {ez} ?WEIGHTS,{weight},{weight} ?AGGREGATE,SUM|AGGREGATE,MIN|AGGREGATE,MAX"),
        (1, "ZINTERSTORE {z} {numkeys} {ez} {ez} ?AGGREGATE,SUM|AGGREGATE,MIN|AGGREGATE,MAX"), (1, "ZDIFFSTORE {z} {numkeys} {ez} {ez}"), (1, "ZINTERCARD {numkeys} {ez} {ez} ?LIMIT,{count}"),
        (1, "ZPOPMIN {z} ?{count}"), (1, "ZPOPMAX {z} ?{count}"), (1, "ZMPOP {numkeys} {z} {z} MIN|MAX ?COUNT,{count}"), (1, "BZPOPMIN {z} 0.001"), (1, "BZPOPMAX {z} {z} 0.001"),
        (1, "BZMPOP 0.001 {numkeys} {z} {z} MIN|MAX ?COUNT,{count}"), (1, "ZRANDMEMBER {z} ?{many} ?WITHSCORES"), (1, "ZSCAN {z} 0 ?MATCH,{pattern} COUNT {many}"),
    ],
    "geo": [
        (5, "GEOADD {g} ?NX|XX ?CH {lon},{lat},{element}*"), (1, "GEODIST {g} {element} {element} ?m|km|ft|mi|x"), (1, "GEOHASH {g} {element}*"), (1, "GEOPOS {g} {element}*"),
        (2, "GEOSEARCH {g} FROMLONLAT,{lon},{lat}|FROMMEMBER,{element} BYRADIUS,{radius},km|BYBOX,{radius},{radius},km ASC|DESC ?WITHDIST ?WITHCOORD ?WITHHASH"),
        (1, "GEOSEARCH {g} FROMLONLAT,{lon},{lat} BYRADIUS,{radius},km COUNT {count} ASC|DESC"), (1, "GEOSEARCHSTORE {z} {g} FROMLONLAT,{lon},{lat} BYRADIUS,{radius},km ASC"),
        # STOREDIST is left out: the last bit of a stored distance depends on the library's sine.
        (1, "GEORADIUS {g} {lon} {lat} {radius} km ?WITHDIST ?WITHCOORD ASC"), (1, "GEORADIUSBYMEMBER {g} {element} {radius} km ?WITHDIST DESC"), (1, "GEORADIUS_RO {g} {lon} {lat} {radius} km ASC"), (0.5, "GEORADIUSBYMEMBER_RO {g} {element} {radius} km ASC ?COUNT,{count}"),
        (1, "ZRANGE {g} 0 -1 WITHSCORES"),
    ],
    "stream": [
        (8, "XADD {x} ?NOMKSTREAM ?MAXLEN,{count}|MAXLEN,=,{count}|MAXLEN,~,{many}|MINID,{id} {addid} {f},{v}*"), (1, "XLEN {x}"), (3, "XRANGE {x} {id} {id} ?COUNT,{count}"), (1, "XRANGE {x} - +"),
        (1, "XREVRANGE {x} {id} {id} ?COUNT,{count}"), (2, "XDEL {x} {id}*"), (1, "XTRIM {x} MAXLEN|MINID ?= {count}"), (1, "XTRIM {x} MINID {id}"), (2, "XREAD ?COUNT,{count} STREAMS {x} {id}"),
        (1, "XREAD COUNT 2 STREAMS {x} {x} {id} {id}"), (1, "XREAD BLOCK 1 STREAMS {x} $"), (4, "XGROUP CREATE {x} {group} {id} ?MKSTREAM ?ENTRIESREAD,{count}"), (1, "XGROUP CREATECONSUMER {x} {group} {consumer}"),
        (1, "XGROUP DELCONSUMER {x} {group} {consumer}"), (1, "XGROUP DESTROY {x} {group}"), (1, "XGROUP SETID {x} {group} {id} ?ENTRIESREAD,{count}"),
        (5, "XREADGROUP GROUP {group} {consumer} ?COUNT,{count} ?NOACK STREAMS {x} >|{id}"), (2, "XACK {x} {group} {id}*"), (2, "XCLAIM {x} {group} {consumer} 0 {id}* ?JUSTID"), (1, "XCLAIM {x} {group} {consumer} 0 {id}* RETRYCOUNT {count} ?FORCE ?JUSTID"),
        (1, "XAUTOCLAIM {x} {group} {consumer} 0 {id} ?COUNT,{few} ?JUSTID"), (2, "XPENDING {x} {group}"), (1, "XPENDING {x} {group} - + 10 ?{consumer}"), (1, "XINFO STREAM {x}"),
        (1, "XINFO GROUPS {x}"), (1, "XINFO CONSUMERS {x} {group}"), (1, "XINFO STREAM {x} FULL ?COUNT,{count}"), (1, "XSETID {x} {setid} ?ENTRIESADDED,{count},MAXDELETEDID,{id}"),
    ],
    "keys": [
        (2, "DEL {k}*"), (1, "UNLINK {k}*"), (2, "EXISTS {k}*"), (2, "TYPE {k}"), (1, "TOUCH {k}*"), (2, "RENAME {k} {k}"), (1, "RENAMENX {k} {k}"), (2, "EXPIRE {k} {ttl} ?NX|XX|GT|LT"), (1, "PEXPIRE {k} {ttlms} ?NX|XX|GT|LT"),
        (2, "EXPIREAT {k} {at} ?NX|XX|GT|LT"), (1, "PEXPIREAT {k} {atms} ?NX|XX|GT|LT"), (1, "TTL {k}"), (1, "PTTL {k}"), (1, "EXPIRETIME {k}"), (1, "PEXPIRETIME {k}"), (2, "PERSIST {k}"),
        (1, "KEYS {pattern}"), (1, "SCAN 0 ?MATCH,{pattern} COUNT {many} ?TYPE,string|TYPE,list|TYPE,hash|TYPE,nosuch"), (1, "DBSIZE"), (2, "COPY {k} {k} ?REPLACE"), (1, "COPY {k} {k} DB 1 ?REPLACE"),
        (1, "MOVE {k} 1"), (1, "SWAPDB 0 1"), (0.3, "DUMP none"), (0.3, "RENAME {k} gone"), (2, "OBJECT ENCODING {k}"), (1, "DEBUG DIGEST-VALUE {k}*"), (0.05, "FLUSHDB"), (1, "RANDOMKEY"),
    ],
    # What is about the server, as far as it does not depend on it.
    "server": [
        (2, "COMMAND GETKEYS MSET|SINTER|PFMERGE|XREAD|GET|SORT|nosuch {k}*"), (2, "COMMAND GETKEYS ZUNIONSTORE|ZINTER|SINTERCARD|LMPOP|BZMPOP {numkeys} {numkeys} {k}*"), (1, "COMMAND GETKEYSANDFLAGS SET|MSET|COPY|LMOVE|SMOVE {k}*"),
        (1, "COMMAND INFO nosuch"), (1, "COMMAND LIST FILTERBY PATTERN xrev*|lpos|none*"), (1, "COMMAND NOSUCH"), (1, "CONFIG GET maxmemory-policy|hz|nosuch|list-compress-depth|lfu-*"), (1, "CONFIG SET nosuch|hz|lfu-log-factor {integer}"),
        (1, "CLIENT SETNAME {f}|{element}"), (1, "CLIENT GETNAME"), (1, "CLIENT NO-EVICT on|off|x"), (1, "CLIENT UNBLOCK {integer} ?TIMEOUT|ERROR|x"), (1, "CLIENT NOSUCH"), (1, "CLIENT GETREDIR"), (1, "CLIENT TRACKINGINFO"),
        (1, "CLIENT CACHING YES|NO|x"), (1, "CLUSTER KEYSLOT {k}"), (1, "CLUSTER MYID|INFO|NODES"), (1, "READONLY"), (1, "READWRITE"), (1, "ASKING"), (1, "AUTH {f} ?{f}"), (1, "HELLO 1|9|x ?AUTH,{f},{f} ?SETNAME,{f}"), (1, "REPLICAOF NO ONE"), (1, "FAILOVER ABORT|x"),
        (1, "WAIT 0|-1|x 0|-1|x"), (1, "OBJECT REFCOUNT none"), (1, "OBJECT nosuch {k}"), (1, "OBJECT FREQ {k}"), (1, "MEMORY NOSUCH|USAGE"), (1, "MEMORY USAGE none SAMPLES {integer}"), (1, "SLOWLOG GET x"), (1, "LATENCY RESET nosuch"), (1, "LATENCY NOSUCH"),
        (1, "PUBLISH {channel} {v}"), (1, "SPUBLISH {channel} {v}"), (1, "PUBSUB NUMSUB {channel}*"), (1, "PUBSUB NUMPAT"), (1, "PUBSUB CHANNELS ?{pattern}"), (1, "PUBSUB SHARDNUMSUB {channel}"), (1, "PUBSUB SHARDCHANNELS"),
        (1, "SHUTDOWN x"), (1, "SELECT -1|x|99999"), (1, "SWAPDB 0|x 99999|-1|x"), (1, "MIGRATE x"), (1, "RESTORE {k} {ttlms} {v} ?REPLACE ?ABSTTL ?IDLETIME,{count} ?FREQ,{count}"), (1, "DEBUG NOSUCH"), (1, "FLUSHALL x"), (1, "FLUSHDB x"),
    ],
    "multi": [(3, "MULTI"), (5, "EXEC"), (1, "DISCARD"), (1, "WATCH {k}*"), (1, "UNWATCH"), (1, "NOSUCH {v}"), (1, "GET"), (0.3, "SELECT 0"), (1, "ECHO {v}"), (1, "PING ?{v}")],
}

# What Valkey 9.1 has beyond it.
NEWER = {
    "string": [(2, "SET {s} {v} IFEQ {v} ?GET ?EX,{ttl}|KEEPTTL"), (1, "DELIFEQ {s} {v}"), (1, "MSETEX {numkeys} {s} {v} {s} {v} ?NX|XX ?EX,{ttl}|PX,{ttlms}|EXAT,{coming}|KEEPTTL")],
    "hash": [
        (2, "HEXPIREAT {h} {at} ?NX|XX|GT|LT FIELDS 2 {f} {f}"), (1, "HPEXPIREAT {h} {atms} ?NX|XX|GT|LT FIELDS 1 {f}"), (1, "HEXPIRE {h} {ttl} FIELDS 1 {f}"), (1, "HPEXPIRE {h} {ttlms} FIELDS 2 {f} {f}"),
        (1, "HTTL {h} FIELDS 2 {f} {f}"), (1, "HPTTL {h} FIELDS 1 {f}"), (2, "HEXPIRETIME {h} FIELDS 2 {f} {f}"), (1, "HPEXPIRETIME {h} FIELDS 1 {f}"), (1, "HPERSIST {h} FIELDS 2 {f} {f}"),
        (1, "HGETEX {h} ?EXAT,{at}|PXAT,{atms}|PERSIST FIELDS 2 {f} {f}"), (2, "HSETEX {h} ?NX|XX|FNX|FXX ?EXAT,{at}|PXAT,{atms}|KEEPTTL FIELDS 2 {f} {v} {f} {v}"), (1, "HGETDEL {h} FIELDS 2 {f} {f}"),
        (1, "HSCAN {h} 0 COUNT {many} NOVALUES"),
    ],
    "geo": [
        (2, "GEOSEARCH {g} BYPOLYGON 3 {lon},{lat},{lon},{lat},{lon},{lat} ASC|DESC ?WITHDIST ?WITHCOORD ?WITHHASH"), (1, "GEOSEARCH {g} BYPOLYGON {numkeys} {lon},{lat},{lon},{lat},{lon},{lat} ?COUNT,{count} ASC"),
        (1, "GEOSEARCH {g} BYPOLYGON 5 {lon},{lat},{lon},{lat},{lon},{lat},{lon},{lat},{lon},{lat} ?COUNT,{count} ASC"), (1, "GEOSEARCHSTORE {z} {g} BYPOLYGON 4 {lon},{lat},{lon},{lat},{lon},{lat},{lon},{lat} ASC"),
    ],
    "zset": [(1, "ZRANK {z} {element} WITHSCORE"), (1, "ZREVRANK {z} {element} WITHSCORE")],
}


# What other connections wait in.
BLOCKING = {
    "list": ["BLPOP {l} {l} 0", "BRPOP {l} 0", "BLMOVE {l} {l} LEFT|RIGHT LEFT|RIGHT 0", "BLMPOP 0 2 {l} {l} LEFT|RIGHT ?COUNT,3", "BRPOPLPUSH {l} {l} 0"],
    "zset": ["BZPOPMIN {z} 0", "BZPOPMAX {z} {z} 0", "BZMPOP 0 2 {z} {z} MIN|MAX ?COUNT,3"],
    "stream": ["XREAD BLOCK 0 STREAMS {x} $", "XREAD COUNT 1 BLOCK 0 STREAMS x0|x1 x2|x3 $ $", "XREADGROUP GROUP {group} {consumer} BLOCK 0 STREAMS {x} >"],
}

# What another connection does to watched keys, between WATCH and MULTI. An LTRIM that takes nothing away counts as a change
# in Redis 7.0 and here, not in Valkey 9.1: it is not among them.
MEDDLING = {
    "string": ["SET {s} {v}", "APPEND {s} {v}", "INCR {s}", "DEL {s}*", "GET {s}", "EXPIRE {s} {ttl}", "SETRANGE {s} 0 {v}"],
    "hash": ["HSET {h} {f} {v}", "HDEL {h} {f}*", "HGET {h} {f}", "HINCRBY {h} {f} {integer}"],
    "list": ["RPUSH {l} {v}", "LPOP {l}", "LREM {l} 0 {element}", "LINSERT {l} BEFORE {element} {v}", "LTRIM {l} 1 -1"],
    "set": ["SADD {e} {element}", "SREM {e} {element}*", "SMOVE {e} {e} {element}", "SDIFFSTORE {e} {e}*"],
    "zset": ["ZADD {z} {score} {element}", "ZADD {z} GT {score} {element}", "ZREM {z} {element}*", "ZREMRANGEBYRANK {z} 0 0"],
    "stream": ["XADD {x} {addid} {f} {v}", "XDEL {x} {id}*", "XTRIM {x} MAXLEN {count}", "XACK {x} {group} {id}", "XREADGROUP GROUP {group} c0 COUNT 1 STREAMS {x} >"],
    "hll": ["PFADD {p} {element}", "PFCOUNT {p}", "PFMERGE {p} {p}"],
    "bitmap": ["SETBIT {b} 3 0|1", "BITOP NOT {b} {b}", "BITFIELD {b} INCRBY u8 0 1"],
    "keys": ["DEL {k}*", "RENAME {k} {k}", "COPY {k} {k} REPLACE", "PERSIST {k}", "EXPIRE {k} {ttl}", "FLUSHDB", "SWAPDB 0 1", "MOVE {k} 1", "TOUCH {k}"],
}

# Digests hold scores as text, which Valkey spells in its own way (see `Run.compare_data`); without a cluster it answers what 7.0 refuses.
NOT_BESIDE_VALKEY = ("DEBUG DIGEST", "READONLY", "READWRITE", "CLUSTER")
# Commands that choose at random unless they are asked for more than there is.
RANDOM = {b"SPOP", b"SRANDMEMBER", b"HRANDFIELD", b"ZRANDMEMBER"}
# What would wait for ever where a timeout is lost: they stay as they are.
WAITING = (b"BL", b"BR", b"BZ", b"XREAD")
# They write into strings of any kind.
WRITERS = {"string", "bitmap"}


def names_consumer(words):
    """Since 7.2 these make the consumer even if there is nothing to read or to claim: the request that does so in 7.0, too."""
    if words[0] in (b"XCLAIM", b"XAUTOCLAIM"):
        return [b"XGROUP", b"CREATECONSUMER", *words[1:4]]
    if words[0] == b"XREADGROUP" and b"STREAMS" in words[:-1]:
        return [b"XGROUP", b"CREATECONSUMER", words[words.index(b"STREAMS") + 1], *words[2:4]]
    return None


def compiled(line):
    """The tokens of a line: whether each may be left out, whether it repeats, and the choices that it has. A choice is a
    list of words: bytes, or the name of the function of `Values` that draws one."""
    tokens = []
    for token in line.split(" "):
        choices = [
            [word[1:-1] if word.startswith("{") else word.encode() for word in choice.split(",")]
            for choice in token.removeprefix("?").removesuffix("*").split("|")
        ]
        tokens.append((token.startswith("?"), token.endswith("*") and len(token) > 1, choices))
    return tokens


class Generator:
    """Commands from a seed, out of the families that are asked for."""

    def __init__(self, random, families, newer):
        self.random = random
        self.values = Values(random, newer)
        self.templates, weights = [], []
        for family in families:
            # Every family has its share; its newer commands come on top.
            lines = REDIS[family] + (NEWER.get(family, []) if newer else [])
            total = sum(weight for weight, _ in lines)
            share = {"keys": 0.7, "multi": 0.25, "server": 0.1}.get(family, 1)
            for weight, line in lines:
                if newer and line.startswith(NOT_BESIDE_VALKEY):
                    continue
                if line.startswith("PFADD") and not WRITERS.isdisjoint(families):
                    # A damaged one refuses an element; the originals keep those before it, without telling their replicas.
                    line = line.replace("*", "")
                # What is about the server does other things with a word more or less.
                self.templates.append((family != "server", compiled(line)))
                weights.append(weight / total * share)
        self.weights = list(accumulate(weights))
        # A waiting XREADGROUP makes its consumer anew in Valkey, each time it is tried again. To 7.0 the key that was ready
        # first counts, since 7.2 the first of a waiter's keys that is not empty: they differ after a transaction.
        left_out = "XREADGROUP" if newer else ("BLPOP {l} {l}", "BLMPOP", "BZPOPMAX {z} {z}", "BZMPOP", "XREAD COUNT")
        waiting = [line for family in families for line in BLOCKING.get(family, []) if not line.startswith(left_out)]
        self.waiting = list(map(compiled, waiting))
        # What another connection does between WATCH and EXEC.
        self.meddling = [compiled(line) for family in families for line in MEDDLING.get(family, [])]

    def command(self):
        """The words of a command."""
        is_free, tokens = self.templates[bisect(self.weights, self.random.random() * self.weights[-1])]
        words = self.expand(tokens)
        if is_free and self.random.random() < 0.01 and self.is_free(words[0]):
            # A word too many, or one too few.
            if self.random.random() < 0.5 or len(words) < 2:
                words.append(self.values.v())
            else:
                words.pop()
        return words

    def is_free(self, name):
        # ZRANK takes a word more since 7.2, so in MULTI it is queued.
        return not (name in RANDOM or name.startswith(WAITING) or (not self.values.newer and name in (b"ZRANK", b"ZREVRANK")))

    def commands(self, count):
        """So many commands from the grammar. Those with a word in parentheses before them are another connection's:
        of one that waits until the window ends, or of one that meddles."""
        chosen = []
        for _ in range(count):
            if self.random.random() < 0.004:
                self.on_others(chosen)
            self.put(chosen, self.command())
        return chosen

    def put(self, chosen, words, *connection):
        if self.values.newer and names_consumer(words):
            chosen.append([*connection, *names_consumer(words)])
        chosen.append([*connection, *words])

    def on_others(self, chosen):
        """Something that needs more than one connection."""
        if self.waiting and self.random.random() < 0.5:
            for waiter in range(self.values.draw(1, 4)):
                chosen.append([b"(%d)" % waiter, *self.expand(self.values.pick(self.waiting))])
        elif self.meddling:
            chosen.append([b"WATCH", *(self.values.k() for _ in range(self.values.draw(1, 6)))])
            for _ in range(self.values.draw(1, 3)):
                self.put(chosen, self.expand(self.values.pick(self.meddling)), b"(other)")
            chosen.append([b"MULTI"])
            for _ in range(self.values.draw(1, 5)):
                self.put(chosen, self.command())
            chosen.append([b"EXEC"])

    def expand(self, tokens):
        """The words of one command of this form."""
        words, chance, values = [], self.random.random, self.values
        for is_optional, is_repeated, choices in tokens:
            if is_optional and chance() < 0.5:
                continue
            times = 1
            if is_repeated:
                # At times over the limits of the small layouts.
                times = values.draw(1, 6) if chance() > 0.015 else values.draw(100, 300)
            for _ in range(times):
                choice = choices[0] if len(choices) == 1 else choices[int(chance() * len(choices))]
                for word in choice:
                    words.append(word if type(word) is bytes else getattr(values, word)())
        return words
