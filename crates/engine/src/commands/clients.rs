//! Which clients CLIENT LIST shows and CLIENT KILL closes: all that every filter of the request accepts.

use crate::call::Call;
use crate::commands::client::{Class, class_of, flags_of};
use crate::commands::text;
use crate::session::Session;
use crate::watch::Watch;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use base::{Time, number};
use machine::Address;
use spec::Refusal;
use wire::batch::Args;

/// The letters of the field `flags` that clients of Redis and Valkey know.
const FLAGS: &[u8] = b"ABEIMNOPRSTUbcdeirtux";

/// A fact about a client.
enum Fact<'a> {
    Ids(Vec<u64>),
    /// None: the link to the primary, which is none of the engine's clients.
    Class(Option<Class>),
    /// There is one user as yet.
    DefaultUser,
    Remote(&'a [u8]),
    Local(&'a [u8]),
    Ip(&'a [u8]),
    Name(&'a [u8]),
    LibraryName(&'a [u8]),
    LibraryVersion(&'a [u8]),
    Flags(&'a [u8]),
    Db(u32),
    /// CLIENT CAPA of all these letters.
    Capable(&'a [u8]),
    /// Connected for so many seconds at least.
    Age(u64),
    /// Silent for so many seconds at least.
    Idle(u64),
}

/// The filters of a request.
pub struct Filter<'a> {
    /// Each with whether it must hold, or must not.
    facts: Vec<(bool, Fact<'a>)>,
    /// SKIPME, where it is given.
    pub skips_me: Option<bool>,
}

impl<'a> Filter<'a> {
    /// The filter of CLIENT KILL's old form: an address.
    pub fn at(address: &'a [u8]) -> Filter<'a> {
        Filter { facts: [(true, Fact::Remote(address))].into(), skips_me: Some(false) }
    }

    /// Reads pairs of option and value. `bad_id` is what a wrong id is answered.
    pub fn parse(call: &Call<'_>, args: Args<'a>, bad_id: &Refusal) -> Result<Filter<'a>, Refusal> {
        let mut filter = Filter { facts: Vec::new(), skips_me: None };
        let mut at = 0;
        while let Some(word) = args.get(at) {
            let value = args.get(at + 1).ok_or(Refusal::Syntax)?;
            at += 2;
            let word = word.to_ascii_lowercase();
            let (holds, name) = match word.strip_prefix(b"not-") {
                Some(name) => (false, name),
                None => (true, word.as_slice()),
            };
            let fact = match name {
                b"id" => {
                    let mut ids = Vec::new();
                    let id = number::parse_i64(value);
                    if id.is_none() && call.core.settings.is_valkey {
                        return Err(Refusal::Syntax);
                    }
                    let id = id.and_then(|id| u64::try_from(id).ok()).filter(|id| *id > 0);
                    ids.push(id.ok_or_else(|| bad_id.clone())?);
                    while let Some(number) = args.get(at).and_then(number::parse_i64) {
                        ids.push(
                            u64::try_from(number).ok().filter(|id| *id > 0).ok_or_else(|| bad_id.clone())?,
                        );
                        at += 1;
                    }
                    Fact::Ids(ids)
                }
                b"skipme" if holds => {
                    filter.skips_me = Some(match value.to_ascii_lowercase().as_slice() {
                        b"yes" => true,
                        b"no" => false,
                        _ => return Err(Refusal::Syntax),
                    });
                    continue;
                }
                b"maxage" if holds => Fact::Age(seconds(value, "maxage")?),
                b"idle" if holds => Fact::Idle(seconds(value, "idle")?),
                _ => fact(call, name, value)?,
            };
            filter.put(holds, fact, call.core.settings.is_valkey);
        }
        Ok(filter)
    }

    /// Adds a filter. In Valkey's manner ids add up; of everything else the last one counts.
    fn put(&mut self, holds: bool, fact: Fact<'a>, adds_up: bool) {
        let is_same = |other: &&mut (bool, Fact<'a>)| {
            other.0 == holds && core::mem::discriminant(&other.1) == core::mem::discriminant(&fact)
        };
        match (self.facts.iter_mut().find(is_same), fact) {
            (Some((_, Fact::Ids(ids))), Fact::Ids(more)) if adds_up => ids.extend(more),
            (Some((_, other)), fact) => *other = fact,
            (None, fact) => self.facts.push((holds, fact)),
        }
    }

    /// The address that the link to the primary must have (none: any), where the filters can accept it at all. It has no
    /// id, user or name here.
    pub fn of_primary(&self) -> Option<Option<&'a [u8]>> {
        let mut remote = None;
        for fact in &self.facts {
            match fact {
                (true, Fact::Class(None)) | (false, Fact::Class(Some(_))) => {}
                (true, Fact::Remote(address)) => remote = Some(*address),
                _ => return None,
            }
        }
        Some(remote)
    }

    /// True for a client that all filters accept.
    pub fn accepts(&self, session: &Session, watch: &Watch, now: Time) -> bool {
        self.facts.iter().all(|(holds, fact)| fact.is_true(session, watch, now) == *holds)
    }
}

/// A number of seconds, at least one.
fn seconds(value: &[u8], name: &str) -> Result<u64, Refusal> {
    let refuse = |what: &str| Refusal::Owned(format!("ERR {name} {what}").into());
    let seconds = number::parse_i64(value).ok_or_else(|| refuse("is not an integer or out of range"))?;
    u64::try_from(seconds)
        .ok()
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| refuse("should be greater than 0"))
}

/// The filters that may also be turned round.
fn fact<'a>(call: &Call<'_>, name: &[u8], value: &'a [u8]) -> Result<Fact<'a>, Refusal> {
    let unknown = |what: &str| {
        Refusal::Owned(format!("ERR Unknown {what} found in the provided filter: {}", text(value)).into())
    };
    Ok(match name {
        b"type" => Fact::Class(Class::named(value).ok_or_else(|| Refusal::UnknownClientType(text(value)))?),
        b"user" if value == b"default" => Fact::DefaultUser,
        b"user" => return Err(Refusal::NoSuchUser(text(value))),
        b"addr" => Fact::Remote(value),
        b"laddr" => Fact::Local(value),
        b"ip" => Fact::Ip(value),
        b"name" => Fact::Name(value),
        b"lib-name" => Fact::LibraryName(value),
        b"lib-ver" => Fact::LibraryVersion(value),
        b"flags" if value.iter().all(|letter| FLAGS.contains(letter)) => Fact::Flags(value),
        b"flags" => return Err(unknown("flags")),
        b"capa" if value.iter().all(|letter| *letter == b'r') => Fact::Capable(value),
        b"capa" => return Err(unknown("capa")),
        b"db" => {
            let db =
                number::parse_i64(value).ok_or(Refusal::Text("ERR DB is not an integer or out of range"))?;
            let databases = call.keys.shared.keyspace.databases();
            let db = u32::try_from(db).ok().filter(|db| *db < databases).ok_or_else(|| {
                let text = format!("ERR DB number should be between 0 and {}", databases - 1);
                Refusal::Owned(text.into())
            })?;
            Fact::Db(db)
        }
        _ => return Err(Refusal::Syntax),
    })
}

impl Fact<'_> {
    fn is_true(&self, session: &Session, watch: &Watch, now: Time) -> bool {
        match self {
            Fact::Ids(ids) => ids.contains(&session.id),
            Fact::Class(class) => *class == Some(class_of(session)),
            Fact::DefaultUser => true,
            Fact::Remote(address) => session.peer.remote.to_string().as_bytes() == *address,
            Fact::Local(address) => session.peer.local.to_string().as_bytes() == *address,
            Fact::Ip(wanted) => match &session.peer.remote {
                Address::Inet(ip, _) => ip.to_string().as_bytes() == *wanted,
                Address::Name(..) | Address::Unix(_) => false,
            },
            Fact::Name(name) => session.name == *name,
            Fact::LibraryName(name) => session.library_name == *name,
            Fact::LibraryVersion(version) => session.library_version == *version,
            Fact::Flags(letters) => {
                let flags = flags_of(session, watch);
                letters.iter().all(|letter| flags.as_bytes().contains(letter))
            }
            Fact::Db(db) => session.db == *db,
            Fact::Capable(letters) => letters.is_empty() || session.follows_redirects,
            Fact::Age(seconds) => now.since(session.created).as_seconds() >= *seconds,
            Fact::Idle(seconds) => now.since(session.active).as_seconds() >= *seconds,
        }
    }
}
