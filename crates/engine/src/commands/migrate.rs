//! MIGRATE: asks for a move of keys to another server. `moves` carries it out.

use crate::call::Call;
use crate::moves::Order;
use crate::table::Command;
use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use base::{Span, number};
use core::net::IpAddr;
use machine::Address;
use spec::command::{Access, Acl, Arity, Begin, Find, Flags, KeySpec, Keys};
use spec::{Refusal, Spec};
use wire::batch::Args;

pub static COMMANDS: &[Command] = &[Command {
    spec: Spec {
        name: "migrate",
        summary: "Moves keys to another server.",
        since: "2.6.0",
        cost: "O(N)",
        syntax: "host port <key | \"\"> destination-db timeout [COPY] [REPLACE] \
                 [AUTH password | AUTH2 username password] [KEYS key [key ...]]",
        arity: Arity::AtLeast(6),
        flags: Flags::WRITE.and(Flags::MOVABLE_KEYS),
        acl: Acl::KEYSPACE.and(Acl::DANGEROUS),
        tips: &["nondeterministic_output"],
        keys: Keys::Specs(&[
            KeySpec {
                notes: "",
                access: Access::TAKE,
                begin: Begin::Index(3),
                find: Find::Range { last: 0, step: 1, limit: 0 },
            },
            KeySpec {
                notes: "",
                access: Access::TAKE.and(Access::INCOMPLETE),
                begin: Begin::Keyword { word: "KEYS", from: -2 },
                find: Find::Range { last: -1, step: 1, limit: 0 },
            },
        ]),
        ..Spec::USUAL
    },
    run: migrate,
    subcommands: &[],
}];

/// 1 s: the timeout where the request gives none (the original's choice).
const TIMEOUT: Span = Span::seconds(1);

/// What follows the timeout.
#[derive(Default)]
struct Options<'a> {
    copy: bool,
    replace: bool,
    auth: Vec<&'a [u8]>,
    /// Place of the first key after KEYS.
    keys_at: Option<usize>,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>) -> Result<Options<'a>, Refusal> {
        let mut options = Options::default();
        let mut at = 6;
        while at < args.len() {
            let word = args.at(at);
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            let left = args.len() - 1 - at;
            if is(b"copy") {
                options.copy = true;
            } else if is(b"replace") {
                options.replace = true;
            } else if is(b"auth") && left >= 1 {
                options.auth = Vec::from([args.at(at + 1)]);
                at += 1;
            } else if is(b"auth2") && left >= 2 {
                options.auth = Vec::from([args.at(at + 1), args.at(at + 2)]);
                at += 2;
            } else if is(b"keys") {
                if !args.at(3).is_empty() {
                    return Err(Refusal::Text(
                        "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                    ));
                }
                options.keys_at = Some(at + 1);
                break;
            } else {
                return Err(Refusal::Syntax);
            }
            at += 1;
        }
        Ok(options)
    }
}

fn migrate(call: &mut Call<'_>) -> Result<(), Refusal> {
    let args = call.args;
    let options = Options::parse(args)?;
    let timeout_ms = number::parse_i64(args.at(5)).ok_or(Refusal::NotInteger)?;
    let target_db = number::parse_i64(args.at(4)).ok_or(Refusal::NotInteger)?;
    let timeout = u64::try_from(timeout_ms).ok().filter(|ms| *ms > 0).map_or(TIMEOUT, Span::ms);
    let named: Vec<&[u8]> = match options.keys_at {
        Some(at) => args.from(at).iter().collect(),
        None => Vec::from([args.at(3)]),
    };
    let mut keys: Vec<Box<[u8]>> = Vec::new();
    for key in named {
        if call.keys.read(key).is_some() {
            keys.push(key.into());
        }
    }
    if keys.is_empty() {
        call.reply.simple("NOKEY");
        return Ok(());
    }
    let id = call.core.moves.next_id();
    for key in &keys {
        call.keys.shared.in_flight.add(key, id);
    }
    let order = Order {
        target: address(args.at(1), args.at(2)),
        target_db,
        timeout,
        copy: options.copy,
        replace: options.replace,
        auth: options.auth.into_iter().map(Box::from).collect(),
        keys,
    };
    let is_replica = call.keys.shared.standing.is_replica;
    call.core.moves.begin(order, call.session.conn, call.keys.db, is_replica, call.now);
    call.session.is_blocked = true;
    call.session.moving = Some(id);
    Ok(())
}

fn address(host: &[u8], port: &[u8]) -> Option<Address> {
    let host = core::str::from_utf8(host).ok()?;
    let port: u16 = core::str::from_utf8(port).ok()?.parse().ok()?;
    Some(match host.parse::<IpAddr>() {
        Ok(ip) => Address::Inet(ip, port),
        Err(_) => Address::Name(host.to_string(), port),
    })
}
