"""Which differences between two replies are none, and which are meant."""

import re

# Replies without an order of their own: compared as multisets of their parts. The number is the size of a part.
UNORDERED = {
    b"SMEMBERS": 1, b"SINTER": 1, b"SUNION": 1, b"SDIFF": 1, b"HKEYS": 1, b"HVALS": 1, b"HGETALL": 2, b"KEYS": 1, b"SPOP": 1,
    b"SRANDMEMBER": 1, b"SSCAN": 1, b"SCAN": 1, b"HSCAN": 2, b"ZSCAN": 2, b"HRANDFIELD": 1, b"ZRANDMEMBER": 1,
    b"PUBSUB": 1, b"CONFIG": 2,
}
# Random replies: only their shape counts.
SHAPE = {b"RANDOMKEY"}
# Replies that hold spans of time: how many of their units are in a millisecond.
NEAR = {
    b"TTL": 0.001, b"PTTL": 1, b"HTTL": 0.001, b"HPTTL": 1, b"EXPIRETIME": 0.001, b"PEXPIRETIME": 1, b"HEXPIRETIME": 0.001, b"HPEXPIRETIME": 1,
}
# How far apart the two servers may have run a command.
apart_ms = 50

# Error texts that differ from Redis 7.0's, because the command takes more since then: names, ours, its.
TEXTS = [
    ({b"BITCOUNT"}, rb"ERR value is not an integer or out of range", rb"ERR syntax error"),
    ({b"BITCOUNT", b"BITPOS"}, rb"ERR .*", rb"WRONGTYPE .*"),
]

# Error texts of Valkey 9.1 that differ from Redis 7.0's, which are ours.
TEXTS_VALKEY = [
    ({b"XREAD", b"XREADGROUP"}, rb"ERR Unbalanced XREAD\w* list of streams.*", rb"ERR Unbalanced 'xread\w*' list of streams.*"),
    ({b"XREADGROUP"}, rb"ERR Invalid stream ID specified .*", rb"ERR The \+ ID is meaningless in the context of XREADGROUP.*"),
    ({b"XREADGROUP"}, rb"UNBLOCKED the stream key no longer exists", rb"NOGROUP No such key .*"),
    ({b"GEOSEARCH", b"GEOSEARCHSTORE", b"GEORADIUSBYMEMBER", b"GEORADIUSBYMEMBER_RO"}, rb"ERR could not decode requested zset member", rb"ERR member .* does not exist"),
    ({b"XSETID"}, rb"ERR The ID specified in XSETID is smaller than the target stream top item", rb"ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"),
    ({b"GETEX"}, rb"WRONGTYPE .*", rb"ERR (invalid expire time in 'getex' command|value is not an integer or out of range)"),
    ({b"SHUTDOWN"}, rb"ERR Command not allowed inside a transaction", rb"ERR Command 'shutdown' not allowed inside a transaction"),
]

# In which layouts the references differ from each other: ours are those of Redis 7.2 and Valkey.
ENCODINGS = [{b"quicklist", b"listpack"}, {b"hashtable", b"listpack"}, {b"hashtable", b"intset"}, {b"listpack", b"skiplist"}]
# From which length on a string is raw depends in Valkey 9 on its key and deadline; HSET counts a field that is named twice as two.
# A short list is a listpack to it, a quicklist to Redis 7.0.
ENCODINGS_VALKEY = [{b"raw", b"embstr"}, {b"hashtable", b"listpack"}, {b"quicklist", b"listpack"}, {b"listpack", b"skiplist"}]


def same_but_for_ties(ours, theirs):
    """SORT by texts of which some are equal, of what the references keep in an order of chance: each element, its text
    and a third value. The texts come in the same order, and all threes are the same ones."""
    mine, others = getattr(ours, "content", None), getattr(theirs, "content", None)
    if not isinstance(mine, list) or not isinstance(others, list) or len(mine) != len(others) or len(mine) % 3:
        return False
    threes = [sorted(repr(content[at : at + 3]) for at in range(0, len(content), 3)) for content in (mine, others)]
    return mine[1::3] == others[1::3] and threes[0] == threes[1]


def same_fact(what, ours, theirs, redis7):
    """True when two facts about a key are the same, as far as it matters."""
    if what == b"ENCODING":
        return same([b"OBJECT", b"ENCODING"], ours, theirs, redis7)
    if what == b"PEXPIRETIME":
        return is_near(ours, theirs, 1 + apart_ms)
    return False


def is_beyond(payload, redis7):
    """True for a value that the reference cannot read: Redis 7.0 knows no sets in listpacks, which came with 7.2."""
    return redis7 and payload[:1] == b"\x14"


def spelt_alike(ours, theirs):
    """The same, but for floats: 17 digits here, as in Redis 7.0; in Valkey the fewest that say the same number."""
    if type(ours) is not type(theirs):
        return False
    if isinstance(getattr(ours, "content", None), list):
        return ours.kind == theirs.kind and len(ours.content) == len(theirs.content) and all(map(spelt_alike, ours.content, theirs.content))
    if ours == theirs:
        return True
    try:
        # Sorted sets lose the sign of a zero in listpacks, and Valkey makes a table at once where it sees that it will be one.
        number = float(theirs.content)
        return ours.kind == theirs.kind and ours.kind in "$," and ours.content in (b"%.17g" % number, b"%.17g" % (number + 0.0))
    except (ValueError, AttributeError):
        return False


def served_with_nothing(words, reply):
    """Redis 7.0 serves a waiting reader with no entries, where all that came is deleted again."""
    return words[0] in (b"XREAD", b"XREADGROUP") and re.fullmatch(rb"[*%]1\r\n(\*2\r\n)?\$\d+\r\n\w+\r\n\*0\r\n", reply) is not None


def in_one_spelling(reply):
    """A reply with all numbers spelt alike."""
    content = getattr(reply, "content", None)
    if isinstance(content, list):
        return type(reply)(reply.kind, list(map(in_one_spelling, content)))
    try:
        return type(reply)(reply.kind, b"%r" % (float(content) + 0.0))
    except (TypeError, ValueError, AttributeError):
        return reply


def without_minus(reply):
    """A reply with plain zeros. SORT makes a table of a small sorted set in the references, and tables keep the sign of a zero."""
    content = getattr(reply, "content", None)
    if isinstance(content, list):
        return type(reply)(reply.kind, list(map(without_minus, content)))
    return type(reply)(reply.kind, b"0") if content == b"-0" else reply


def same_events(ours, theirs, redis7):
    """True when the notifications are the same, as far as it matters."""
    if redis7:
        return False

    def known(told):
        """Valkey tells of consumers that came with a request that read nothing, and of `expired` where 7.0 says `del`."""
        for parts in told:
            if len(parts) != 2:
                yield parts
            elif b"xgroup-createconsumer" not in (parts[0][-21:], parts[1]):
                yield tuple(re.sub(rb"(^|:)expired$", rb"\1del", part) for part in parts)

    return list(known(ours)) == list(known(theirs))


def is_error(reply):
    return getattr(reply, "kind", None) in ("-", "!")


def canonical(reply, part):
    """A reply whose order does not count, in one order."""
    content = getattr(reply, "content", None)
    if not isinstance(content, list):
        return reply
    # SCAN and its kind: cursor, then the list.
    if len(content) == 2 and isinstance(getattr(content[1], "content", None), list) and not isinstance(getattr(content[0], "content", None), list):
        return (reply.kind, repr(content[0]), canonical(content[1], part))
    if reply.kind == "%":
        part = 2
    if content and all(isinstance(getattr(item, "content", None), list) for item in content):
        part = 1
    parts = [content[at : at + part] for at in range(0, len(content), part)]
    return (reply.kind, sorted(map(repr, parts)))


def is_near(one, other, span, least=3):
    """Equal, but for integers from `least` on that are `span` apart."""
    if type(one) is not type(other):
        return False
    if isinstance(getattr(one, "content", None), list):
        return one.kind == other.kind and len(one.content) == len(other.content) and all(is_near(a, b, span, least) for a, b in zip(one.content, other.content))
    if getattr(one, "kind", None) == ":" and other.kind == ":":
        a, b = int(one.content), int(other.content)
        return a == b or (min(a, b) >= least and abs(a - b) <= span)
    return one == other


def without(reply, names):
    """A reply without the pairs of these names."""
    content = getattr(reply, "content", None)
    if not isinstance(content, list):
        return reply
    kept, at = [], 0
    while at < len(content):
        if getattr(content[at], "content", None) in names and at + 1 < len(content):
            at += 2
        else:
            kept.append(without(content[at], names))
            at += 1
    return type(reply)(reply.kind, kept)


def inactive_alike(reply):
    """What XINFO tells of consumers, with the same time for all that have been active."""
    content = getattr(reply, "content", None)
    if not isinstance(content, list):
        return reply
    kept = list(map(inactive_alike, content))
    for at, item in enumerate(content[:-1]):
        if getattr(item, "content", None) == b"inactive" and kept[at + 1].kind == ":" and kept[at + 1].content != b"-1":
            kept[at + 1] = type(reply)(":", b"0")
    return type(reply)(reply.kind, kept)


def idle_alike(reply):
    """What XPENDING tells of entries, with the same idle time for all."""
    content = getattr(reply, "content", None)
    if not isinstance(content, list):
        return reply
    if len(content) == 4 and getattr(content[2], "kind", None) == ":":
        content = [*content[:2], type(content[2])(":", b"0"), content[3]]
    return type(reply)(reply.kind, list(map(idle_alike, content)))


def same(words, ours, theirs, redis7):
    """True when the replies to a command are the same, as far as it matters."""
    if ours == theirs:
        return True
    name = words[0].upper()
    if redis7 and name == b"XREAD" and b"+" in words:
        # The last entry: newer than 7.0.
        return is_error(theirs)
    if is_error(ours) and is_error(theirs):
        if name == b"SCAN" and not redis7:
            # It has a look at TYPE before it finds fault with what follows.
            return theirs.content.startswith(b"ERR unknown type name")
        return any(
            name in names and re.fullmatch(mine, ours.content, re.S) and re.fullmatch(other, theirs.content, re.S)
            for names, mine, other in (TEXTS if redis7 else TEXTS_VALKEY)
        )
    if is_error(ours) != is_error(theirs):
        if redis7 and name == b"BITCOUNT" and len(words) == 3:
            # A start without an end: newer than 7.0, where it is an error if the key is there.
            return True
        if redis7 and name in (b"SORT", b"SORT_RO"):
            # 7.0 looks at an error number that an earlier command has left.
            return is_error(theirs) and theirs.content.startswith(b"ERR One or more scores")
        if redis7:
            # Since 7.2 these look at their arguments before they look for the key.
            return name in (b"BITCOUNT", b"BITPOS") and is_error(ours)
        if name == b"SORT" and is_error(theirs) and theirs.content.startswith(b"ERR One or more scores"):
            # No text at all is 0 to Redis 7.0, and no number to Valkey 9.1.
            return any(getattr(item, "content", None) == b"" for item in ours.content)
        if name == b"GETEX":
            # Valkey 9.1 reads the time before it looks for the key, Redis 7.0 and redan after it.
            return is_error(theirs) and repr(ours).startswith("Null")
        # An unknown type is an error in Valkey 9.1; here, as in Redis 7.0, no key is of it.
        return name == b"SCAN" and is_error(theirs) and theirs.content.startswith(b"ERR unknown type name")
    if name in (b"SORT", b"SORT_RO") and b"BY" in words and b"ALPHA" in words and not words[1].startswith(b"w"):
        return same_but_for_ties(ours, theirs)
    if not redis7 and name.startswith((b"Z", b"BZ", b"GEO")) and spelt_alike(ours, theirs):
        return True
    if name in SHAPE:
        return type(ours) is type(theirs) and getattr(ours, "kind", None) == getattr(theirs, "kind", None)
    if name in UNORDERED:
        part = UNORDERED[name]
        if name == b"HSCAN" and words[-1].upper() == b"NOVALUES":
            part = 1
        if name in (b"HRANDFIELD", b"ZRANDMEMBER"):
            if len(words) == 2:
                return type(ours) is type(theirs)
            part = 2 if words[-1].upper() in (b"WITHVALUES", b"WITHSCORES") else 1
        if not redis7 and name in (b"ZRANDMEMBER", b"ZSCAN"):
            ours, theirs = in_one_spelling(ours), in_one_spelling(theirs)
        return canonical(ours, part) == canonical(theirs, part)
    if name == b"XINFO":
        # 7.2 tells more of consumers. To 7.0 one is seen when it gets something, to later ones when it asks.
        # Where entries were deleted Valkey 9.1 counts what was read, and the lag, in another way than 7.0.
        spans = (b"idle", b"inactive", b"active-time") if redis7 else (b"idle", b"seen-time", b"lag", b"entries-read")
        ours, theirs = (inactive_alike(without(reply, spans)) for reply in (ours, theirs))
        # What is left of time is points of it: counts are the same.
        return is_near(ours, theirs, 1 + apart_ms, 10**9)
    if name == b"XPENDING":
        return idle_alike(ours) == idle_alike(theirs)
    if name in NEAR:
        return is_near(ours, theirs, 1 + apart_ms * NEAR[name])
    if name == b"OBJECT" and words[1:2] and words[1].upper() == b"ENCODING":
        return {getattr(ours, "content", None), getattr(theirs, "content", None)} in (ENCODINGS if redis7 else ENCODINGS_VALKEY)
    return False
