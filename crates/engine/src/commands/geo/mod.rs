//! Geo: places in a sorted set, whose scores are geohashes of 52 bits.

mod search;

use crate::call::Call;
use crate::commands::sorted_sets::change::{self, Options};
use crate::commands::sorted_sets::read;
use crate::table::Command;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::geohash::Point;
use base::number;
use data::SortedSet;
use search::{georadius, georadius_ro, georadiusbymember, georadiusbymember_ro, geosearch, geosearchstore};
use spec::command::{Access, Acl, Arity, Begin, Find, Flags, Group, KeySpec, Keys};
use spec::{Refusal, Spec};
use wire::reply::Reply;

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "geoadd",
            summary: "Adds places to a geospatial index.",
            since: "3.2.0",
            group: Group::Geo,
            cost: "O(log(N))",
            syntax: "key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]",
            arity: Arity::AtLeast(5),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::GEO,
            keys: Keys::One { at: 1, access: Access::UPDATE },
            ..Spec::USUAL
        },
        run: geoadd,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "geodist",
            summary: "Returns the distance of two places.",
            since: "3.2.0",
            group: Group::Geo,
            cost: "O(log(N))",
            syntax: "key member1 member2 [M | KM | FT | MI]",
            arity: Arity::AtLeast(4),
            flags: Flags::READONLY,
            acl: Acl::GEO,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: geodist,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "geohash",
            summary: "Returns places as geohash strings.",
            since: "3.2.0",
            group: Group::Geo,
            cost: "O(log(N))",
            syntax: "key [member [member ...]]",
            arity: Arity::AtLeast(2),
            flags: Flags::READONLY,
            acl: Acl::GEO,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: geohash,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "geopos",
            summary: "Returns the longitude and latitude of places.",
            since: "3.2.0",
            group: Group::Geo,
            cost: "O(N)",
            syntax: "key [member [member ...]]",
            arity: Arity::AtLeast(2),
            flags: Flags::READONLY,
            acl: Acl::GEO,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: geopos,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "georadius",
            summary: "Finds places around a point, and may store them.",
            since: "3.2.0",
            group: Group::Geo,
            cost: "O(N+log(M))",
            syntax: "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC] [STORE key | STOREDIST key]",
            arity: Arity::AtLeast(6),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::MOVABLE_KEYS),
            acl: Acl::GEO,
            keys: Keys::Specs(&[
                KeySpec {
                    notes: "",
                    access: Access::READ,
                    begin: Begin::Index(1),
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
                KeySpec {
                    notes: "",
                    access: Access::OVERWRITE,
                    begin: Begin::Keyword { word: "STORE", from: 6 },
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
                KeySpec {
                    notes: "",
                    access: Access::OVERWRITE,
                    begin: Begin::Keyword { word: "STOREDIST", from: 6 },
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
            ]),
            ..Spec::USUAL
        },
        run: georadius,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "georadius_ro",
            summary: "Finds places around a point.",
            since: "3.2.10",
            group: Group::Geo,
            cost: "O(N+log(M))",
            syntax: "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]",
            arity: Arity::AtLeast(6),
            flags: Flags::READONLY,
            acl: Acl::GEO,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: georadius_ro,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "georadiusbymember",
            summary: "Finds places around another, and may store them.",
            since: "3.2.0",
            group: Group::Geo,
            cost: "O(N+log(M))",
            syntax: "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC] [STORE key | STOREDIST key]",
            arity: Arity::AtLeast(5),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::MOVABLE_KEYS),
            acl: Acl::GEO,
            keys: Keys::Specs(&[
                KeySpec {
                    notes: "",
                    access: Access::READ,
                    begin: Begin::Index(1),
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
                KeySpec {
                    notes: "",
                    access: Access::OVERWRITE,
                    begin: Begin::Keyword { word: "STORE", from: 5 },
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
                KeySpec {
                    notes: "",
                    access: Access::OVERWRITE,
                    begin: Begin::Keyword { word: "STOREDIST", from: 5 },
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
            ]),
            ..Spec::USUAL
        },
        run: georadiusbymember,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "georadiusbymember_ro",
            summary: "Finds places around another.",
            since: "3.2.10",
            group: Group::Geo,
            cost: "O(N+log(M))",
            syntax: "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]",
            arity: Arity::AtLeast(5),
            flags: Flags::READONLY,
            acl: Acl::GEO,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: georadiusbymember_ro,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "geosearch",
            summary: "Finds places in a circle, a box or a polygon.",
            since: "6.2.0",
            group: Group::Geo,
            cost: "O(N+log(M))",
            syntax: "key <FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI>> [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
            arity: Arity::AtLeast(7),
            flags: Flags::READONLY,
            acl: Acl::GEO,
            keys: Keys::One { at: 1, access: Access::READ },
            ..Spec::USUAL
        },
        run: geosearch,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "geosearchstore",
            summary: "Finds places in an area and stores them.",
            since: "6.2.0",
            group: Group::Geo,
            cost: "O(N+log(M))",
            syntax: "destination source <FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI>> [ASC | DESC] [COUNT count [ANY]] [STOREDIST]",
            arity: Arity::AtLeast(8),
            flags: Flags::WRITE.and(Flags::DENY_OOM),
            acl: Acl::GEO,
            keys: Keys::Specs(&[
                KeySpec {
                    notes: "",
                    access: Access::OVERWRITE,
                    begin: Begin::Index(1),
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
                KeySpec {
                    notes: "",
                    access: Access::READ,
                    begin: Begin::Index(2),
                    find: Find::Range { last: 0, step: 1, limit: 0 },
                },
            ]),
            ..Spec::USUAL
        },
        run: geosearchstore,
        subcommands: &[],
    },
];

const UNKNOWN_UNIT: Refusal = Refusal::Text("ERR unsupported unit provided. please use M, KM, FT, MI");

/// Metres of a unit.
fn unit(word: &[u8]) -> Result<f64, Refusal> {
    let units: [(&[u8], f64); 4] = [(b"m", 1.0), (b"km", 1_000.0), (b"ft", 0.3048), (b"mi", 1_609.34)];
    let found = units.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
    found.map(|(_, metres)| metres).ok_or(UNKNOWN_UNIT)
}

/// A point from two arguments.
fn point(longitude: &[u8], latitude: &[u8]) -> Result<Point, Refusal> {
    let degrees = |text| number::parse_f64(text).ok_or(Refusal::NotFloat);
    let point = Point { longitude: degrees(longitude)?, latitude: degrees(latitude)? };
    if point.is_valid() {
        return Ok(point);
    }
    let Point { longitude, latitude } = point;
    Err(Refusal::Owned(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}").into()))
}

/// The place of a member.
fn place(set: &SortedSet, member: &[u8]) -> Option<Point> {
    set.score(member).map(Point::of_score)
}

/// Replies with a distance: four digits behind the point.
fn say_distance(reply: &mut Reply<'_>, distance: f64) {
    // Scaled and rounded first, as the original does: the last digit may differ from that of the exact value.
    let scaled = libm::rint(distance * 1e4) as i64;
    let text = format!("{}.{:04}", scaled / 10_000, scaled % 10_000);
    reply.bulk(text.as_bytes());
}

/// Replies with a point: 17 digits behind the point, without zeros at the end.
fn say_point(reply: &mut Reply<'_>, point: Point) {
    reply.array(2);
    for degrees in [point.longitude, point.latitude] {
        let text: String = format!("{degrees:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        let text = if text == "-0" { "0" } else { text };
        if reply.is_resp3() {
            reply.raw(b",");
            reply.raw(text.as_bytes());
            reply.raw(b"\r\n");
        } else {
            reply.bulk(text.as_bytes());
        }
    }
}

fn geoadd(call: &mut Call<'_>) -> Result<(), Refusal> {
    let args = call.args;
    let mut options = Options::default();
    let mut first = 2;
    while let Some(word) = args.get(first)
        && options.take_of_geo(word)
    {
        first += 1;
    }
    let places = args.from(first);
    if !places.len().is_multiple_of(3) || options.is_contradictory() {
        return Err(Refusal::Syntax);
    }
    let mut pairs: Vec<(f64, &[u8])> = Vec::with_capacity(places.len() / 3);
    for at in (0..places.len()).step_by(3) {
        let bits = point(places.at(at), places.at(at + 1))?.bits();
        pairs.push((bits as f64, places.at(at + 2)));
    }
    if pairs.is_empty() {
        return Err(Refusal::Syntax);
    }
    // Replicas get what it comes to: a ZADD.
    let texts: Vec<_> = pairs.iter().map(|(score, _)| number::integer_text(*score as i64)).collect();
    let mut effect: Vec<&[u8]> = Vec::with_capacity(first + pairs.len() * 2);
    effect.push(b"ZADD");
    effect.extend((1..first).map(|at| args.at(at)));
    for (text, (_, member)) in texts.iter().zip(&pairs) {
        effect.extend([&**text, *member]);
    }
    change::put(call, options, pairs.iter().copied(), |call| call.effect(&effect))
}

fn geopos(call: &mut Call<'_>) -> Result<(), Refusal> {
    let set = read(&mut call.keys, call.args.at(1))?;
    let members = call.args.from(2);
    call.reply.array(members.len());
    for member in members.iter() {
        match set.and_then(|set| place(set, member)) {
            Some(point) => say_point(&mut call.reply, point),
            None => call.reply.null_array(),
        }
    }
    Ok(())
}

fn geohash(call: &mut Call<'_>) -> Result<(), Refusal> {
    let set = read(&mut call.keys, call.args.at(1))?;
    let members = call.args.from(2);
    call.reply.array(members.len());
    for member in members.iter() {
        match set.and_then(|set| place(set, member)) {
            Some(point) => call.reply.bulk(&point.text()),
            None => call.reply.null(),
        }
    }
    Ok(())
}

fn geodist(call: &mut Call<'_>) -> Result<(), Refusal> {
    let metres = match call.args.get(4) {
        _ if call.args.len() > 5 => return Err(Refusal::Syntax),
        Some(word) => unit(word)?,
        None => 1.0,
    };
    let set = read(&mut call.keys, call.args.at(1))?;
    let places = set.and_then(|set| Some((place(set, call.args.at(2))?, place(set, call.args.at(3))?)));
    match places {
        Some((one, other)) => say_distance(&mut call.reply, one.distance(other) / metres),
        None => call.reply.null(),
    }
    Ok(())
}
