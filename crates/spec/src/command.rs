//! The command table's types: everything that is known of a command without running it.
//!
//! COMMAND, COMMAND DOCS, GETKEYS, ACL categories, cluster routing, the proxy's splitting rules and the
//! command line's hints are derived from a [`Spec`]. The handlers live in `engine`, beside their specs.

use core::fmt;

/// What is known of one command (or of one subcommand of a container).
#[derive(Debug)]
pub struct Spec {
    /// Lower case; a subcommand's own word (`get` of `config`).
    pub name: &'static str,
    /// One sentence for COMMAND DOCS.
    pub summary: &'static str,
    /// The version of Redis that brought it.
    pub since: &'static str,
    /// The chapter of the documentation.
    pub group: Group,
    /// Its complexity.
    pub cost: &'static str,
    /// Its arguments in the usual notation: `key value [NX | XX] [field value ...]`.
    pub syntax: &'static str,
    /// How many arguments, its name (and its container's) included.
    pub arity: Arity,
    /// When it may run and what it does.
    pub flags: Flags,
    /// ACL categories that do not follow from the flags.
    pub acl: Acl,
    /// Hints for clients and proxies.
    pub tips: &'static [&'static str],
    /// Where its keys stand.
    pub keys: Keys,
}

impl Spec {
    /// The usual values of what most entries do not state: no tips, no keys, no flags.
    pub const USUAL: Spec = Spec {
        name: "",
        summary: "",
        since: "1.0.0",
        group: Group::Generic,
        cost: "O(1)",
        syntax: "",
        arity: Arity::AtLeast(1),
        flags: Flags::NONE,
        acl: Acl::NONE,
        tips: &[],
        keys: Keys::None,
    };

    /// All its ACL categories: the stated ones and those that follow from the flags.
    pub const fn acl_all(&self) -> Acl {
        let mut acl = self.acl;
        if self.flags.has(Flags::WRITE) {
            acl = acl.and(Acl::WRITE);
        }
        // A container's own flags say nothing of what its subcommands do to data.
        if self.flags.has(Flags::READONLY) && !acl.has(Acl::SCRIPTING) {
            acl = acl.and(Acl::READ);
        }
        if self.flags.has(Flags::ADMIN) {
            acl = acl.and(Acl::ADMIN).and(Acl::DANGEROUS);
        }
        if self.flags.has(Flags::PUBSUB) {
            acl = acl.and(Acl::PUBSUB);
        }
        if self.flags.has(Flags::BLOCKING) {
            acl = acl.and(Acl::BLOCKING);
        }
        if self.flags.has(Flags::FAST) { acl.and(Acl::FAST) } else { acl.and(Acl::SLOW) }
    }
}

/// How many arguments a request has, the command's name (and its container's) included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// This many.
    Exactly(u16),
    /// This many or more.
    AtLeast(u16),
}

impl Arity {
    /// True when a request with `count` arguments fits.
    #[inline]
    pub const fn fits(self, count: usize) -> bool {
        match self {
            Arity::Exactly(exact) => count == exact as usize,
            Arity::AtLeast(least) => count >= least as usize,
        }
    }

    /// As COMMAND INFO shows it: negative for "at least".
    pub const fn wire(self) -> i64 {
        match self {
            Arity::Exactly(exact) => exact as i64,
            Arity::AtLeast(least) => -(least as i64),
        }
    }
}

/// Defines a set of named bits with its constants, its union and its names on the wire.
macro_rules! bits {
    ($(#[$doc:meta])* $set:ident: $word:ty { $($(#[$about:meta])* $name:ident = $bit:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $set($word);

        impl $set {
            /// The empty set.
            pub const NONE: $set = $set(0);
            $($(#[$about])* pub const $name: $set = $set(1 << $bit);)*
            const NAMES: &'static [($set, &'static str)] = &[$(($set::$name, $text)),*];

            /// Both sets together.
            #[must_use]
            pub const fn and(self, other: $set) -> $set {
                $set(self.0 | other.0)
            }

            /// What both sets have.
            #[must_use]
            pub const fn common(self, other: $set) -> $set {
                $set(self.0 & other.0)
            }

            /// The set without what `other` has.
            #[must_use]
            pub const fn without(self, other: $set) -> $set {
                $set(self.0 & !other.0)
            }

            /// True when everything of `other` is in it.
            #[inline]
            pub const fn has(self, other: $set) -> bool {
                self.0 & other.0 == other.0
            }

            /// True when something of `other` is in it.
            #[inline]
            pub const fn has_any(self, other: $set) -> bool {
                self.0 & other.0 != 0
            }

            /// How many.
            pub const fn count(self) -> usize {
                self.0.count_ones() as usize
            }

            /// The names on the wire, in the original's order.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                $set::NAMES.iter().filter(move |(bit, _)| self.has(*bit)).map(|(_, text)| *text)
            }

            /// The set of the one that is called `text`, in any case.
            pub fn named(text: &[u8]) -> Option<$set> {
                $set::NAMES.iter().find(|(_, name)| name.as_bytes().eq_ignore_ascii_case(text)).map(|(bit, _)| *bit)
            }
        }
    };
}

bits! {
    /// When a command may run and what it does.
    Flags: u32 {
        /// Changes data.
        WRITE = 0, "write";
        /// Reads data and changes none.
        READONLY = 1, "readonly";
        /// Is refused when memory is full.
        DENY_OOM = 2, "denyoom";
        /// Is for operators.
        ADMIN = 3, "admin";
        /// Belongs to publish and subscribe.
        PUBSUB = 4, "pubsub";
        /// May not be called by a script.
        NO_SCRIPT = 5, "noscript";
        /// May wait for something.
        BLOCKING = 6, "blocking";
        /// May run while data is loaded.
        LOADING = 7, "loading";
        /// May run on a replica whose data is stale.
        STALE = 8, "stale";
        /// Is not shown to MONITOR.
        SKIP_MONITOR = 9, "skip_monitor";
        /// Never enters the slow log.
        SKIP_SLOWLOG = 10, "skip_slowlog";
        /// Implies ASKING in a cluster.
        ASKING = 11, "asking";
        /// Costs constant or logarithmic time.
        FAST = 12, "fast";
        /// Needs no authentication.
        NO_AUTH = 13, "no_auth";
        /// Is no write, yet may be passed to replicas.
        MAY_REPLICATE = 14, "may_replicate";
        /// May be called without any key.
        NO_MANDATORY_KEYS = 15, "no_mandatory_keys";
        /// May not run while a replica loads beside its old data.
        NO_ASYNC_LOADING = 16, "no_async_loading";
        /// May not stand in a transaction.
        NO_MULTI = 17, "no_multi";
        /// Its keys depend on more than the first key specification's range.
        MOVABLE_KEYS = 18, "movablekeys";
        /// May run while a script is over its time.
        ALLOW_BUSY = 19, "allow_busy";
    }
}

bits! {
    /// ACL categories.
    Acl: u32 {
        /// Keys whatever their type.
        KEYSPACE = 0, "keyspace";
        /// Reads data.
        READ = 1, "read";
        /// Changes data.
        WRITE = 2, "write";
        /// Sets.
        SET = 3, "set";
        /// Sorted sets.
        SORTED_SET = 4, "sortedset";
        /// Lists.
        LIST = 5, "list";
        /// Hashes.
        HASH = 6, "hash";
        /// Strings.
        STRING = 7, "string";
        /// Bitmaps.
        BITMAP = 8, "bitmap";
        /// HyperLogLogs.
        HYPERLOGLOG = 9, "hyperloglog";
        /// Geospatial indexes.
        GEO = 10, "geo";
        /// Streams.
        STREAM = 11, "stream";
        /// Publish and subscribe.
        PUBSUB = 12, "pubsub";
        /// For operators.
        ADMIN = 13, "admin";
        /// Constant or logarithmic time.
        FAST = 14, "fast";
        /// All the others.
        SLOW = 15, "slow";
        /// May wait.
        BLOCKING = 16, "blocking";
        /// Can do harm.
        DANGEROUS = 17, "dangerous";
        /// About the connection itself.
        CONNECTION = 18, "connection";
        /// Transactions.
        TRANSACTION = 19, "transaction";
        /// Scripts and functions.
        SCRIPTING = 20, "scripting";
    }
}

bits! {
    /// What a command does with the keys of one specification.
    Access: u16 {
        /// Reads the value and writes it.
        RW = 0, "RW";
        /// Reads.
        RO = 1, "RO";
        /// Overwrites without a look at the old value.
        OW = 2, "OW";
        /// Removes.
        RM = 3, "RM";
        /// Shows or copies user data of the value.
        SHOWS = 4, "access";
        /// Changes the data of the value.
        UPDATES = 5, "update";
        /// Only adds data.
        INSERTS = 6, "insert";
        /// Removes data of the value.
        DELETES = 7, "delete";
        /// Is no key, but is routed like one.
        NOT_KEY = 8, "not_key";
        /// The specification does not find all keys.
        INCOMPLETE = 9, "incomplete";
        /// Depends on other arguments.
        VARIABLE = 10, "variable_flags";
    }
}

impl Access {
    /// Looks at metadata alone (EXISTS, TTL).
    pub const LOOK: Access = Access::RO;
    /// Reads the value (GET).
    pub const READ: Access = Access::RO.and(Access::SHOWS);
    /// Sets the value whatever it was (MSET).
    pub const OVERWRITE: Access = Access::OW.and(Access::UPDATES);
    /// Reads and changes the value (INCR).
    pub const CHANGE: Access = Access::RW.and(Access::SHOWS).and(Access::UPDATES);
    /// Changes the value without showing it (HSET, EXPIRE).
    pub const UPDATE: Access = Access::RW.and(Access::UPDATES);
    /// Adds to the value (APPEND, SETNX).
    pub const INSERT: Access = Access::RW.and(Access::INSERTS);
    /// Removes a part of the value (HDEL).
    pub const DELETE: Access = Access::RW.and(Access::DELETES);
    /// Shows the value and removes it (GETDEL).
    pub const TAKE: Access = Access::RW.and(Access::SHOWS).and(Access::DELETES);
    /// Removes the key (DEL).
    pub const REMOVE: Access = Access::RM.and(Access::DELETES);
}

/// Where the keys of a request stand.
#[derive(Clone, Copy, Debug)]
pub enum Keys {
    /// It has none.
    None,
    /// One, at this argument.
    One {
        /// Its place.
        at: u16,
        /// What is done with it.
        access: Access,
    },
    /// From `first` to `last` (negative: from the end), each `step`.
    Range {
        /// Place of the first.
        first: u16,
        /// Place of the last; -1 is the last argument.
        last: i16,
        /// From one to the next.
        step: u16,
        /// What is done with them.
        access: Access,
    },
    /// Several specifications, or an unusual one.
    Specs(&'static [KeySpec]),
}

/// One key specification, as COMMAND INFO shows it.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// A remark for readers of COMMAND INFO.
    pub notes: &'static str,
    /// What is done with the keys.
    pub access: Access,
    /// Where the search begins.
    pub begin: Begin,
    /// Which arguments from there on are keys.
    pub find: Find,
}

/// Where the search for keys begins.
#[derive(Clone, Copy, Debug)]
pub enum Begin {
    /// At this argument.
    Index(u16),
    /// After this word, looked for from `from` on (negative: backwards from the end).
    Keyword {
        /// The word, in any case.
        word: &'static str,
        /// Where to look first.
        from: i16,
    },
    /// It can not be said.
    Unknown,
}

/// Which arguments are keys.
#[derive(Clone, Copy, Debug)]
pub enum Find {
    /// A range. `last` counts from the begin; negative: from the end of the request, where `limit` over 1
    /// is the fraction of the rest that is looked at.
    Range {
        /// The last key.
        last: i16,
        /// From one to the next.
        step: u16,
        /// The fraction (0 and 1: all).
        limit: u16,
    },
    /// A count stands at `count_at`, keys from `first` on; both count from the begin.
    Counted {
        /// Where the count stands.
        count_at: u16,
        /// The first key.
        first: u16,
        /// From one to the next.
        step: u16,
    },
    /// It can not be said.
    Unknown,
}

impl Keys {
    /// How many key specifications there are.
    pub const fn count(&self) -> usize {
        match self {
            Keys::None => 0,
            Keys::One { .. } | Keys::Range { .. } => 1,
            Keys::Specs(specs) => specs.len(),
        }
    }

    /// Key specification number `index`, where there is one.
    pub const fn spec(&self, index: usize) -> Option<KeySpec> {
        match *self {
            Keys::None => None,
            Keys::One { at, access } if index == 0 => Some(KeySpec {
                notes: "",
                access,
                begin: Begin::Index(at),
                find: Find::Range { last: 0, step: 1, limit: 0 },
            }),
            Keys::Range { first, last, step, access } if index == 0 => Some(KeySpec {
                notes: "",
                access,
                begin: Begin::Index(first),
                find: Find::Range { last: if last < 0 { last } else { last - first as i16 }, step, limit: 0 },
            }),
            Keys::One { .. } | Keys::Range { .. } => None,
            Keys::Specs(specs) => {
                if index < specs.len() {
                    Some(specs[index])
                } else {
                    None
                }
            }
        }
    }

    /// All key specifications.
    pub fn specs(self) -> impl Iterator<Item = KeySpec> {
        (0..self.count()).filter_map(move |index| self.spec(index))
    }

    /// First key, last key and step as clients older than key specifications read them (zeros: no keys there).
    pub fn legacy(&self) -> (i64, i64, i64) {
        let (mut first, mut last, mut step) = (0, 0, 0);
        for spec in self.specs() {
            let (Begin::Index(at), Find::Range { last: end, step: stride, limit }) = (spec.begin, spec.find)
            else {
                continue;
            };
            let (at, stride) = (i64::from(at), i64::from(stride));
            let end = if end < 0 { i64::from(end) } else { at + i64::from(end) };
            if first == 0 {
                (first, last, step) = (at, end, stride);
            } else if stride == 1 && step == 1 && limit == 0 && last >= 0 && at == last + 1 {
                last = end;
            }
        }
        (first, last, step)
    }

    /// The places of the keys in a request of `len` arguments that `arg` returns, each with its access.
    /// Places that lie outside of the request are left out.
    pub fn places<'a>(
        &self,
        len: usize,
        arg: impl Fn(usize) -> &'a [u8],
        mut found: impl FnMut(usize, Access),
    ) {
        // What a keyword opens is not all: such a command (MIGRATE) has its keys in one place or in the other.
        let listed = |spec: &KeySpec| {
            matches!(spec.begin, Begin::Keyword { .. }) && spec.access.has(Access::INCOMPLETE)
        };
        if let Some(access) = self.specs().find(listed).map(|spec| spec.access) {
            let access = access.without(Access::INCOMPLETE);
            return migrated(len, arg).for_each(|at| found(at, access));
        }
        for spec in self.specs() {
            // Only SORT writes to a key that no rule finds.
            if matches!(spec.begin, Begin::Unknown) && spec.access.has(Access::OW) {
                if let Some(at) = stored(len, &arg) {
                    found(at, spec.access);
                }
                continue;
            }
            let Some((first, last, step)) = spec.span(len, &arg) else { continue };
            let mut at = first;
            while at <= last && at < len {
                found(at, spec.access);
                at += step.max(1);
            }
        }
    }

    /// False where a specification leads out of the request, or to no key at all.
    pub fn fit<'a>(&self, len: usize, arg: impl Fn(usize) -> &'a [u8]) -> bool {
        let mut specs = self.specs().filter(|spec| !spec.access.has(Access::INCOMPLETE));
        specs.all(|spec| spec.span(len, &arg).is_none_or(|(first, last, _)| first <= last && last < len))
    }
}

impl KeySpec {
    /// The places of the first and of the last key in a request, and how far apart they are. The last comes before the first
    /// where there are none.
    fn span<'a>(&self, len: usize, arg: &impl Fn(usize) -> &'a [u8]) -> Option<(usize, usize, usize)> {
        let begin = match self.begin {
            Begin::Index(at) => usize::from(at),
            Begin::Keyword { word, from } => keyword(len, arg, word, from)? + 1,
            Begin::Unknown => return None,
        };
        match self.find {
            Find::Range { last, step, limit } => {
                let last = if last >= 0 {
                    begin + usize::from(last.unsigned_abs())
                } else if limit <= 1 {
                    len.wrapping_sub(usize::from(last.unsigned_abs()))
                } else {
                    begin + len.saturating_sub(begin) / usize::from(limit) - 1
                };
                Some((begin, last, usize::from(step)))
            }
            Find::Counted { count_at, first, step } => {
                let at = begin + usize::from(count_at);
                let count = if at < len { decimal(arg(at)) } else { None };
                let (first, step) = (begin + usize::from(first), usize::from(step));
                match count.unwrap_or(0) {
                    0 => Some((first, first - 1, step)),
                    count => Some((first, first.saturating_add((count - 1).saturating_mul(step)), step)),
                }
            }
            Find::Unknown => None,
        }
    }
}

fn keyword<'a>(len: usize, arg: &impl Fn(usize) -> &'a [u8], word: &str, from: i16) -> Option<usize> {
    let is_word = |at: &usize| arg(*at).eq_ignore_ascii_case(word.as_bytes());
    let distance = usize::from(from.unsigned_abs());
    if from >= 0 {
        (distance.max(1)..len).find(is_word)
    } else {
        (1..=len.checked_sub(distance)?).rev().find(is_word)
    }
}

/// The places of the keys of MIGRATE: argument 3, or what follows KEYS where that argument is empty. Both at once
/// are for the handler to refuse.
fn migrated<'a>(len: usize, arg: impl Fn(usize) -> &'a [u8]) -> core::ops::Range<usize> {
    let mut at = 6;
    while at < len {
        let word = arg(at);
        if word.eq_ignore_ascii_case(b"keys") {
            return if arg(3).is_empty() { at + 1..len } else { 0..0 };
        }
        at += match word {
            _ if word.eq_ignore_ascii_case(b"auth") => 2,
            _ if word.eq_ignore_ascii_case(b"auth2") => 3,
            _ => 1,
        };
    }
    3..len.min(4)
}

/// The place of the key that SORT stores at: that of the last STORE.
fn stored<'a>(len: usize, arg: &impl Fn(usize) -> &'a [u8]) -> Option<usize> {
    let (mut at, mut found) = (2, None);
    while at < len {
        let is = |word: &str| arg(at).eq_ignore_ascii_case(word.as_bytes());
        at += match () {
            () if is("limit") => 3,
            () if is("get") || is("by") => 2,
            () if is("store") && at + 1 < len => {
                found = Some(at + 1);
                2
            }
            () => 1,
        };
    }
    found
}

fn decimal(text: &[u8]) -> Option<usize> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

/// The chapter of the documentation that a command stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Keys whatever their type.
    Generic,
    /// Strings.
    String,
    /// Hashes.
    Hash,
    /// Lists.
    List,
    /// Sets.
    Set,
    /// Sorted sets.
    SortedSet,
    /// Streams.
    Stream,
    /// Bitmaps.
    Bitmap,
    /// Geospatial indexes.
    Geo,
    /// HyperLogLogs.
    HyperLogLog,
    /// Publish and subscribe.
    PubSub,
    /// Transactions.
    Transactions,
    /// Scripts and functions.
    Scripting,
    /// The connection itself.
    Connection,
    /// The server.
    Server,
    /// The cluster.
    Cluster,
    /// The sentinel.
    Sentinel,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::Hash => "hash",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Stream => "stream",
            Group::Bitmap => "bitmap",
            Group::Geo => "geo",
            Group::HyperLogLog => "hyperloglog",
            Group::PubSub => "pubsub",
            Group::Transactions => "transactions",
            Group::Scripting => "scripting",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Cluster => "cluster",
            Group::Sentinel => "sentinel",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn places(keys: Keys, request: &str) -> Vec<usize> {
        let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let mut found = Vec::new();
        keys.places(args.len(), |at| args[at], |at, _| found.push(at));
        found
    }

    #[test]
    fn keys_are_found() {
        let all = Keys::Range { first: 1, last: -1, step: 2, access: Access::OVERWRITE };
        assert_eq!(places(all, "mset a 1 b 2"), [1, 3]);
        assert_eq!(places(Keys::One { at: 1, access: Access::READ }, "get a"), [1]);
        assert_eq!(places(Keys::One { at: 1, access: Access::READ }, "get"), []);
        const COUNTED: KeySpec = KeySpec {
            notes: "",
            access: Access::READ,
            begin: Begin::Index(2),
            find: Find::Counted { count_at: 0, first: 1, step: 1 },
        };
        assert_eq!(places(Keys::Specs(&[COUNTED]), "eval x 2 a b c"), [3, 4]);
        assert_eq!(places(Keys::Specs(&[COUNTED]), "eval x 99999999999999999999 a"), []);
        assert_eq!(places(Keys::Specs(&[COUNTED]), "eval x 9 a"), [3]);
    }

    #[test]
    fn a_request_without_the_keys_that_it_should_have_does_not_fit() {
        const COUNTED: KeySpec = KeySpec {
            notes: "",
            access: Access::READ,
            begin: Begin::Index(1),
            find: Find::Counted { count_at: 0, first: 1, step: 1 },
        };
        let fit = |keys: Keys, request: &str| {
            let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
            keys.fit(args.len(), |at| args[at])
        };
        let rest = Keys::Range { first: 2, last: -1, step: 1, access: Access::READ };
        assert!(fit(rest, "pfmerge a b"));
        assert!(!fit(rest, "pfmerge a"));
        for (request, fits) in
            [("x 2 a b", true), ("x 0 a", false), ("x 3 a b", false), ("x -1 a", false), ("x n a", false)]
        {
            assert_eq!(fit(Keys::Specs(&[COUNTED]), request), fits, "{request}");
        }
    }

    #[test]
    fn the_keys_of_migrate_stand_in_one_of_two_places() {
        const LISTED: KeySpec = KeySpec {
            notes: "",
            access: Access::TAKE.and(Access::INCOMPLETE),
            begin: Begin::Keyword { word: "KEYS", from: -2 },
            find: Find::Range { last: -1, step: 1, limit: 0 },
        };
        let keys = Keys::Specs(&[LISTED]);
        assert_eq!(places(keys, "migrate host port key 0 1000 copy"), [3]);
        assert_eq!(places(keys, "migrate host port  0 1000 replace keys a keys"), [8, 9]);
        assert_eq!(places(keys, "migrate host port  0 1000 auth keys keys a"), [9]);
        assert_eq!(places(keys, "migrate host port key 0 1000 keys a"), []);
        assert_eq!(places(keys, "migrate host"), []);
    }

    #[test]
    fn sort_stores_at_a_key() {
        const UNKNOWN: KeySpec =
            KeySpec { notes: "", access: Access::OVERWRITE, begin: Begin::Unknown, find: Find::Unknown };
        let keys = Keys::Specs(&[UNKNOWN]);
        assert_eq!(places(keys, "sort a by store get store limit 0 1 store b desc"), [10]);
        assert_eq!(places(keys, "sort a store b store c"), [5]);
        assert_eq!(places(keys, "sort a by x store"), []);
    }

    #[test]
    fn the_old_form_of_key_places() {
        assert_eq!(Keys::Range { first: 1, last: -1, step: 2, access: Access::READ }.legacy(), (1, -1, 2));
        assert_eq!(Keys::None.legacy(), (0, 0, 0));
    }
}
