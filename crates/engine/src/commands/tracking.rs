//! CLIENT TRACKING, TRACKINGINFO, CACHING and GETREDIR: rows of the table in [`super::client`].

use crate::call::Call;
use crate::commands::text;
use crate::table::Command;
use crate::tracking::Tracking;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;
use base::number;
use machine::ConnId;
use spec::command::{Acl, Arity, Flags, Group};
use spec::{Refusal, Spec};

const STEERS: Flags = Flags::NO_SCRIPT.and(Flags::LOADING).and(Flags::STALE);

/// CLIENT TRACKING.
pub const TRACKING: Command = Command {
    spec: Spec {
        name: "tracking",
        summary: "Tells the client when keys that it has read change.",
        since: "6.0.0",
        group: Group::Connection,
        syntax: "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
        arity: Arity::AtLeast(3),
        flags: STEERS,
        acl: Acl::CONNECTION,
        ..Spec::USUAL
    },
    run: client_tracking,
    subcommands: &[],
};

/// CLIENT TRACKINGINFO.
pub const TRACKINGINFO: Command = Command {
    spec: Spec {
        name: "trackinginfo",
        summary: "Describes the connection's tracking.",
        since: "6.2.0",
        group: Group::Connection,
        arity: Arity::Exactly(2),
        flags: STEERS,
        acl: Acl::CONNECTION,
        ..Spec::USUAL
    },
    run: client_trackinginfo,
    subcommands: &[],
};

/// CLIENT CACHING.
pub const CACHING: Command = Command {
    spec: Spec {
        name: "caching",
        summary: "Says whether the keys of the next request are tracked.",
        since: "6.0.0",
        group: Group::Connection,
        syntax: "<YES | NO>",
        arity: Arity::Exactly(3),
        flags: STEERS,
        acl: Acl::CONNECTION,
        ..Spec::USUAL
    },
    run: client_caching,
    subcommands: &[],
};

/// CLIENT GETREDIR.
pub const GETREDIR: Command = Command {
    spec: Spec {
        name: "getredir",
        summary: "Returns the client that is told of changes in this one's stead.",
        since: "6.0.0",
        group: Group::Connection,
        arity: Arity::Exactly(2),
        flags: STEERS,
        acl: Acl::CONNECTION,
        ..Spec::USUAL
    },
    run: client_getredir,
    subcommands: &[],
};

/// The options of CLIENT TRACKING, as they are given.
#[derive(Default)]
struct Wanted {
    tracking: Tracking,
    prefixes: Vec<Box<[u8]>>,
}

impl Wanted {
    fn parse(call: &Call<'_>) -> Result<Wanted, Refusal> {
        let mut wanted = Wanted::default();
        let tracking = &mut wanted.tracking;
        let mut words = call.args.from(3).iter().peekable();
        while let Some(word) = words.next() {
            match word.to_ascii_lowercase().as_slice() {
                b"redirect" if words.peek().is_some() => {
                    if tracking.redirect.is_some() {
                        return Err(Refusal::Text("ERR A client can only redirect to a single other client"));
                    }
                    let id = number::parse_i64(words.next().unwrap_or_default());
                    let id = id.ok_or(Refusal::NotInteger)?;
                    let conn = connection(call, id)
                        .ok_or(Refusal::Text("ERR The client ID you want redirect to does not exist"))?;
                    tracking.redirect = Some((id as u64, conn));
                }
                b"prefix" if words.peek().is_some() => {
                    wanted.prefixes.push(words.next().unwrap_or_default().into());
                }
                b"bcast" => tracking.is_broadcast = true,
                b"optin" => tracking.is_optin = true,
                b"optout" => tracking.is_optout = true,
                b"noloop" => tracking.is_noloop = true,
                _ => return Err(Refusal::Syntax),
            }
        }
        Ok(wanted)
    }

    /// The rules between the options, and those between them and what is on already.
    fn check(&self, before: Option<&Tracking>) -> Result<(), Refusal> {
        let wanted = &self.tracking;
        if !wanted.is_broadcast && !self.prefixes.is_empty() {
            return Err(Refusal::Text("ERR PREFIX option requires BCAST mode to be enabled"));
        }
        if before.is_some_and(|before| before.is_broadcast != wanted.is_broadcast) {
            return Err(Refusal::Text(
                "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then \
                 re-enabling it with a different mode.",
            ));
        }
        if wanted.is_broadcast && (wanted.is_optin || wanted.is_optout) {
            return Err(Refusal::Text("ERR OPTIN and OPTOUT are not compatible with BCAST"));
        }
        if wanted.is_optin && wanted.is_optout {
            return Err(Refusal::Text("ERR You can't specify both OPTIN mode and OPTOUT mode"));
        }
        let switches = |before: &Tracking| {
            (wanted.is_optin && before.is_optout) || (wanted.is_optout && before.is_optin)
        };
        if before.is_some_and(switches) {
            return Err(Refusal::Text(
                "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then \
                 re-enabling it with a different mode.",
            ));
        }
        self.check_prefixes(before)
    }

    fn check_prefixes(&self, before: Option<&Tracking>) -> Result<(), Refusal> {
        const RULE: &str = "Prefixes for a single client must not overlap.";
        let overlap = |one: &[u8], other: &[u8]| one.starts_with(other) || other.starts_with(one);
        for (at, prefix) in self.prefixes.iter().enumerate() {
            let old = before.and_then(|before| before.prefixes.iter().find(|old| overlap(old, prefix)));
            if let Some(old) = old {
                let (new, old) = (text(prefix), text(old));
                let text = format!("ERR Prefix '{new}' overlaps with an existing prefix '{old}'. {RULE}");
                return Err(Refusal::Owned(text.into()));
            }
            if let Some(other) = self.prefixes[at + 1..].iter().find(|other| overlap(other, prefix)) {
                let (new, other) = (text(prefix), text(other));
                let text =
                    format!("ERR Prefix '{new}' overlaps with another provided prefix '{other}'. {RULE}");
                return Err(Refusal::Owned(text.into()));
            }
        }
        Ok(())
    }
}

/// The connection of the client with this id.
fn connection(call: &Call<'_>, id: i64) -> Option<ConnId> {
    let id = u64::try_from(id).ok()?;
    if id == call.session.id {
        return Some(call.session.conn);
    }
    call.core.sessions.iter().find(|other| other.session.id == id).map(|other| other.session.conn)
}

fn client_tracking(call: &mut Call<'_>) -> Result<(), Refusal> {
    let mut wanted = Wanted::parse(call)?;
    let switch = call.args.at(2);
    if switch.eq_ignore_ascii_case(b"on") {
        let before = call.session.tracking.take();
        if let Err(refusal) = wanted.check(before.as_deref()) {
            call.session.tracking = before;
            return Err(refusal);
        }
        let mut tracking = wanted.tracking;
        if tracking.is_broadcast {
            // Without a prefix it is the empty one: all keys.
            if wanted.prefixes.is_empty() {
                wanted.prefixes.push(Box::default());
            }
            tracking.prefixes = wanted.prefixes.into_iter().collect();
        }
        if let Some(before) = &before {
            tracking.prefixes.extend(before.prefixes.iter().cloned());
        }
        call.keys.watch.track(call.session.conn, before.is_some(), &tracking);
        call.session.tracking = Some(Box::new(tracking));
    } else if switch.eq_ignore_ascii_case(b"off") {
        if let Some(before) = call.session.tracking.take() {
            call.keys.watch.untrack(call.session.conn, &before);
        }
    } else {
        return Err(Refusal::Syntax);
    }
    call.session.settle();
    call.reply.ok();
    Ok(())
}

fn client_caching(call: &mut Call<'_>) -> Result<(), Refusal> {
    let Some(tracking) = &mut call.session.tracking else {
        return Err(Refusal::Text(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode \
             enabled",
        ));
    };
    match call.args.at(2).to_ascii_lowercase().as_slice() {
        b"yes" if tracking.is_optin => tracking.is_caching_given = true,
        b"yes" => {
            return Err(Refusal::Text(
                "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            ));
        }
        b"no" if tracking.is_optout => tracking.is_caching_given = true,
        b"no" => {
            return Err(Refusal::Text(
                "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            ));
        }
        _ => return Err(Refusal::Syntax),
    }
    call.reply.ok();
    Ok(())
}

/// The client that is told in this one's stead: 0 for none, -1 while tracking is off.
pub fn redirect_id(tracking: Option<&Tracking>) -> i64 {
    tracking.map_or(-1, |tracking| tracking.redirect.map_or(0, |(id, _)| id as i64))
}

fn client_getredir(call: &mut Call<'_>) -> Result<(), Refusal> {
    call.reply.integer(redirect_id(call.session.tracking.as_deref()));
    Ok(())
}

fn client_trackinginfo(call: &mut Call<'_>) -> Result<(), Refusal> {
    let tracking = call.session.tracking.as_deref();
    let (mut flags, mut prefixes): (Vec<&str>, BTreeSet<Box<[u8]>>) = (Vec::new(), BTreeSet::new());
    match tracking {
        None => flags.push("off"),
        Some(tracking) => {
            let has = |is_set: bool, name: &'static str| Some(name).filter(|_| is_set);
            let given = tracking.is_caching_given;
            flags.push("on");
            flags.extend(has(tracking.is_broadcast, "bcast"));
            flags.extend(has(tracking.is_optin, "optin"));
            flags.extend(has(tracking.is_optin && given, "caching-yes"));
            flags.extend(has(tracking.is_optout, "optout"));
            flags.extend(has(tracking.is_optout && given, "caching-no"));
            flags.extend(has(tracking.is_noloop, "noloop"));
            flags.extend(has(tracking.is_redirect_broken, "broken_redirect"));
            prefixes.clone_from(&tracking.prefixes);
        }
    }
    let redirect = redirect_id(tracking);
    call.reply.map(3);
    call.reply.bulk(b"flags");
    call.reply.set(flags.len());
    flags.iter().for_each(|flag| call.reply.bulk(flag.as_bytes()));
    call.reply.bulk(b"redirect");
    call.reply.integer(redirect);
    call.reply.bulk(b"prefixes");
    call.reply.array(prefixes.len());
    prefixes.iter().for_each(|prefix| call.reply.bulk(prefix));
    Ok(())
}
