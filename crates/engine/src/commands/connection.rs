//! The connection itself: authentication, protocol, database.

use crate::call::Call;
use crate::commands::{arity, client, text};
use crate::session::Replies;
use crate::table::Command;
use base::number;
use spec::command::{Acl, Arity, Flags, Group};
use spec::directive::id;
use spec::info::VALKEY_VERSION;
use spec::{Refusal, Spec};

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "auth",
            summary: "Authenticates the connection.",
            group: Group::Connection,
            cost: "O(N)",
            syntax: "[username] password",
            arity: Arity::AtLeast(2),
            flags: Flags::NO_SCRIPT
                .and(Flags::LOADING)
                .and(Flags::STALE)
                .and(Flags::FAST)
                .and(Flags::NO_AUTH)
                .and(Flags::ALLOW_BUSY),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: auth,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "hello",
            summary: "Introduces the client: protocol version, authentication, name.",
            since: "6.0.0",
            group: Group::Connection,
            syntax: "[protover [AUTH username password] [SETNAME clientname]]",
            arity: Arity::AtLeast(1),
            flags: Flags::NO_SCRIPT
                .and(Flags::LOADING)
                .and(Flags::STALE)
                .and(Flags::FAST)
                .and(Flags::NO_AUTH)
                .and(Flags::ALLOW_BUSY),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: hello,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "ping",
            summary: "Answers PONG, or the message.",
            group: Group::Connection,
            syntax: "[message]",
            arity: Arity::AtLeast(1),
            flags: Flags::FAST,
            acl: Acl::CONNECTION,
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            ..Spec::USUAL
        },
        run: ping,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "echo",
            summary: "Returns the message.",
            group: Group::Connection,
            syntax: "message",
            arity: Arity::Exactly(2),
            flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: echo,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "select",
            summary: "Selects the database.",
            group: Group::Connection,
            syntax: "index",
            arity: Arity::Exactly(2),
            flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: select,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "quit",
            summary: "Closes the connection.",
            group: Group::Connection,
            arity: Arity::AtLeast(1),
            flags: Flags::NO_SCRIPT
                .and(Flags::LOADING)
                .and(Flags::STALE)
                .and(Flags::FAST)
                .and(Flags::NO_AUTH)
                .and(Flags::ALLOW_BUSY),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: quit,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "reset",
            summary: "Brings the connection back to how it began.",
            since: "6.2.0",
            group: Group::Connection,
            arity: Arity::Exactly(1),
            flags: Flags::NO_SCRIPT
                .and(Flags::LOADING)
                .and(Flags::STALE)
                .and(Flags::FAST)
                .and(Flags::NO_AUTH)
                .and(Flags::ALLOW_BUSY),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: reset,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "time",
            summary: "Returns the time of the server.",
            since: "2.6.0",
            group: Group::Server,
            arity: Arity::Exactly(1),
            flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
            tips: &["nondeterministic_output"],
            ..Spec::USUAL
        },
        run: time,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "readonly",
            summary: "Lets a cluster replica answer reads of its primary's slots.",
            since: "3.0.0",
            group: Group::Cluster,
            arity: Arity::Exactly(1),
            flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: readonly,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "readwrite",
            summary: "Ends READONLY.",
            since: "3.0.0",
            group: Group::Cluster,
            arity: Arity::Exactly(1),
            flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: readwrite,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "asking",
            summary: "Lets the next request reach a slot that is being imported.",
            since: "3.0.0",
            group: Group::Cluster,
            arity: Arity::Exactly(1),
            flags: Flags::FAST,
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: asking,
        subcommands: &[],
    },
];

/// The version of Redis whose behaviour clients may count on.
pub const REDIS_VERSION: &str = "7.2.4";

/// True when both are equal; takes the same time wherever they differ.
fn is_same(secret: &[u8], given: &[u8]) -> bool {
    let mut difference = secret.len() ^ given.len();
    for (at, byte) in given.iter().enumerate() {
        difference |= usize::from(byte ^ secret.get(at).copied().unwrap_or(0));
    }
    difference == 0
}

/// Authenticates as `user`, of whom there is only `default` as yet.
fn log_in(call: &mut Call<'_>, user: &[u8], password: &[u8]) -> Result<(), Refusal> {
    let secret = &call.core.settings.password;
    if user != b"default" || !(secret.is_empty() || is_same(secret, password)) {
        call.core.stats.auth_denied += 1;
        return Err(Refusal::WrongPass);
    }
    call.session.is_authenticated = true;
    call.session.settle();
    Ok(())
}

fn auth(call: &mut Call<'_>) -> Result<(), Refusal> {
    match call.args.len() {
        2 if call.core.settings.password.is_empty() => return Err(Refusal::AuthWithoutPassword),
        2 => log_in(call, b"default", call.args.at(1))?,
        3 => log_in(call, call.args.at(1), call.args.at(2))?,
        _ => return Err(Refusal::Syntax),
    }
    call.reply.ok();
    Ok(())
}

fn hello(call: &mut Call<'_>) -> Result<(), Refusal> {
    let version = match call.args.get(1) {
        None => None,
        Some(word) => match number::parse_i64(word).ok_or(Refusal::ProtocolNotInteger)? {
            version @ 2..=3 => Some(version),
            _ => return Err(Refusal::NoProto),
        },
    };
    let (mut login, mut name) = (None, None);
    let mut at = 2;
    while let Some(word) = call.args.get(at) {
        let rest = call.args.from(at + 1);
        if word.eq_ignore_ascii_case(b"auth") && rest.len() >= 2 {
            login = Some((rest.at(0), rest.at(1)));
            at += 3;
        } else if word.eq_ignore_ascii_case(b"setname") && !rest.is_empty() {
            client::check_name(rest.at(0))?;
            name = Some(rest.at(0));
            at += 2;
        } else {
            return Err(Refusal::HelloSyntax(text(word)));
        }
    }
    if let Some((user, password)) = login {
        log_in(call, user, password)?;
    }
    if !call.session.is_authenticated {
        return Err(Refusal::HelloNoAuth);
    }
    if let Some(name) = name {
        call.session.name = name.to_vec();
    }
    if let Some(version) = version {
        call.session.resp3 = version == 3;
        call.reply.set_resp3(call.session.resp3);
        call.session.settle();
    }
    introduce(call);
    Ok(())
}

fn introduce(call: &mut Call<'_>) {
    let shared = &call.keys.shared;
    let mode = if shared.routes.enabled { "cluster" } else { "standalone" };
    let role = if shared.standing.is_replica { "replica" } else { "master" };
    let (version, id) = (if call.session.resp3 { 3 } else { 2 }, call.session.id as i64);
    let reply = &mut call.reply;
    let zone = shared.config.text(id::AVAILABILITY_ZONE);
    reply.map(7 + usize::from(!zone.is_empty()));
    reply.bulk(b"server");
    let is_valkey = call.core.settings.is_valkey;
    let (name, version_text) = if is_valkey { ("valkey", VALKEY_VERSION) } else { ("redis", REDIS_VERSION) };
    reply.bulk(name.as_bytes());
    reply.bulk(b"version");
    reply.bulk(version_text.as_bytes());
    reply.bulk(b"proto");
    reply.integer(version);
    reply.bulk(b"id");
    reply.integer(id);
    reply.bulk(b"mode");
    reply.bulk(mode.as_bytes());
    reply.bulk(b"role");
    reply.bulk(role.as_bytes());
    reply.bulk(b"modules");
    reply.array(0);
    if !zone.is_empty() {
        reply.bulk(b"availability_zone");
        reply.bulk(zone);
    }
}

fn ping(call: &mut Call<'_>) -> Result<(), Refusal> {
    if call.args.len() > 2 {
        return Err(arity(call));
    }
    let message = call.args.get(1);
    if call.session.is_subscribed() && !call.session.resp3 {
        call.reply.array(2);
        call.reply.bulk(b"pong");
        call.reply.bulk(message.unwrap_or_default());
    } else if let Some(message) = message {
        call.reply.bulk(message);
    } else {
        call.reply.simple("PONG");
    }
    Ok(())
}

fn echo(call: &mut Call<'_>) -> Result<(), Refusal> {
    call.reply.bulk(call.args.at(1));
    Ok(())
}

fn select(call: &mut Call<'_>) -> Result<(), Refusal> {
    let index = number::parse_i64(call.args.at(1)).ok_or(Refusal::NotInteger)?;
    let index = i32::try_from(index).map_err(|_| Refusal::OutOfIntRange)?;
    let databases = call.keys.shared.keyspace.databases();
    if call.keys.shared.routes.enabled && databases == 1 && index != 0 {
        return Err(Refusal::SelectInCluster);
    }
    match u32::try_from(index).ok().filter(|index| *index < databases) {
        Some(db) => call.session.db = db,
        None => return Err(Refusal::DbIndexOutOfRange),
    }
    call.reply.ok();
    Ok(())
}

fn quit(call: &mut Call<'_>) -> Result<(), Refusal> {
    call.session.is_closing = true;
    call.reply.ok();
    Ok(())
}

fn reset(call: &mut Call<'_>) -> Result<(), Refusal> {
    let session = &mut *call.session;
    call.keys.watch.clear(session.conn);
    if let Some(subscriptions) = session.subscriptions.take() {
        call.core.pubsub.forget(session.conn, &subscriptions);
    }
    if let Some(tracking) = session.tracking.take() {
        call.keys.watch.untrack(session.conn, &tracking);
    }
    if core::mem::take(&mut session.is_monitor) {
        call.core.monitors.retain(|monitor| *monitor != session.conn);
    }
    session.multi = None;
    session.db = 0;
    session.resp3 = false;
    session.name.clear();
    session.is_authenticated = call.core.settings.password.is_empty();
    session.is_asking = false;
    session.is_readonly = false;
    session.follows_redirects = false;
    session.is_import_source = false;
    session.no_evict = false;
    session.no_touch = false;
    session.replies = Replies::On;
    session.settle();
    call.reply.set_resp3(false);
    call.reply.simple("RESET");
    Ok(())
}

fn time(call: &mut Call<'_>) -> Result<(), Refusal> {
    let now = call.now.unix.as_us();
    call.reply.array(2);
    call.reply.bulk_display(now / 1_000_000);
    call.reply.bulk_display(now % 1_000_000);
    Ok(())
}

fn readonly(call: &mut Call<'_>) -> Result<(), Refusal> {
    set_readonly(call, true)
}

fn readwrite(call: &mut Call<'_>) -> Result<(), Refusal> {
    set_readonly(call, false)
}

/// Outside of a cluster it matters to clients that follow redirects alone; Redis knows none.
fn set_readonly(call: &mut Call<'_>, is_readonly: bool) -> Result<(), Refusal> {
    if !call.core.settings.is_valkey && !call.session.follows_redirects {
        require_cluster(call)?;
    }
    call.session.is_readonly = is_readonly;
    call.session.settle();
    call.reply.ok();
    Ok(())
}

fn asking(call: &mut Call<'_>) -> Result<(), Refusal> {
    require_cluster(call)?;
    call.session.is_asking = true;
    call.session.settle();
    call.reply.ok();
    Ok(())
}

fn require_cluster(call: &Call<'_>) -> Result<(), Refusal> {
    if call.keys.shared.routes.enabled { Ok(()) } else { Err(Refusal::ClusterDisabled) }
}
