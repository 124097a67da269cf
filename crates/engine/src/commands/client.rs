//! CLIENT: who is connected, and what a client wants of its connection.

use crate::call::{Call, Core, Flow};
use crate::commands::clients::Filter;
use crate::commands::{container, help, pause, text, tracking};
use crate::outside::{Answer, Question};
use crate::session::{Connection, Inbox, Outgoing, Replies, Session};
use crate::slow::wire_len;
use crate::table::{Command, Table};
use crate::tracking::Tracking;
use crate::watch::Watch;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base::Time;
use core::fmt::Write;
use machine::{ConnId, Listener};
use spec::command::{Acl, Arity, Flags, Group};
use spec::{Refusal, Spec};
use wire::batch::Args;

/// 2 s: what was read longer ago is no longer shown as a connection's.
const READ_OF_LATE_S: u64 = 2;

pub static COMMANDS: &[Command] = &[Command {
    spec: Spec {
        name: "client",
        summary: "Shows and steers client connections.",
        since: "2.4.0",
        group: Group::Connection,
        arity: Arity::AtLeast(2),
        ..Spec::USUAL
    },
    run: container,
    subcommands: CLIENT,
}];

static CLIENT: &[Command] = &[
    Command {
        spec: Spec {
            name: "id",
            summary: "Returns the id of the connection.",
            since: "5.0.0",
            group: Group::Connection,
            arity: Arity::Exactly(2),
            flags: Flags::NO_SCRIPT.and(Flags::LOADING).and(Flags::STALE),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: client_id,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "getname",
            summary: "Returns the name of the connection.",
            since: "2.6.9",
            group: Group::Connection,
            arity: Arity::Exactly(2),
            flags: Flags::NO_SCRIPT.and(Flags::LOADING).and(Flags::STALE),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: client_getname,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "setname",
            summary: "Names the connection.",
            since: "2.6.9",
            group: Group::Connection,
            syntax: "connection-name",
            arity: Arity::Exactly(3),
            flags: Flags::NO_SCRIPT.and(Flags::LOADING).and(Flags::STALE),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: client_setname,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "setinfo",
            summary: "Tells which library the client uses.",
            since: "7.2.0",
            group: Group::Connection,
            syntax: "<LIB-NAME libname | LIB-VER libver>",
            arity: Arity::Exactly(4),
            flags: Flags::NO_SCRIPT.and(Flags::LOADING).and(Flags::STALE),
            acl: Acl::CONNECTION,
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            ..Spec::USUAL
        },
        run: client_setinfo,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "capa",
            summary: "Tells what the client can do: follow redirects.",
            since: "8.0.0",
            group: Group::Connection,
            syntax: "capability [capability ...]",
            arity: Arity::AtLeast(3),
            flags: Flags::NO_SCRIPT.and(Flags::LOADING).and(Flags::STALE),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: client_capa,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "import-source",
            summary: "Says whether the connection brings data while the server is in import mode.",
            since: "8.1.0",
            group: Group::Connection,
            syntax: "<ON | OFF>",
            arity: Arity::Exactly(3),
            flags: Flags::NO_SCRIPT.and(Flags::LOADING).and(Flags::STALE),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: client_import_source,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "list",
            summary: "Lists connections.",
            since: "2.4.0",
            group: Group::Connection,
            cost: "O(N)",
            syntax: "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]",
            arity: Arity::AtLeast(2),
            flags: Flags::ADMIN.and(Flags::NO_SCRIPT).and(Flags::LOADING).and(Flags::STALE),
            acl: Acl::CONNECTION,
            tips: &["nondeterministic_output"],
            ..Spec::USUAL
        },
        run: client_list,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "info",
            summary: "Describes the connection.",
            since: "6.2.0",
            group: Group::Connection,
            arity: Arity::Exactly(2),
            flags: Flags::NO_SCRIPT.and(Flags::LOADING).and(Flags::STALE),
            acl: Acl::CONNECTION,
            tips: &["nondeterministic_output"],
            ..Spec::USUAL
        },
        run: client_info,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "kill",
            summary: "Closes connections.",
            since: "2.4.0",
            group: Group::Connection,
            cost: "O(N)",
            syntax: "<ip:port | <<[ID client-id] | [TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] | [USER username] | [ADDR ip:port] | [LADDR ip:port] | [SKIPME <YES | NO>]> ...>>",
            arity: Arity::AtLeast(3),
            flags: Flags::ADMIN.and(Flags::NO_SCRIPT).and(Flags::LOADING).and(Flags::STALE),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: client_kill,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "reply",
            summary: "Says which replies the client wants.",
            since: "3.2.0",
            group: Group::Connection,
            syntax: "<ON | OFF | SKIP>",
            arity: Arity::Exactly(3),
            flags: Flags::NO_SCRIPT.and(Flags::LOADING).and(Flags::STALE),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: client_reply,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "no-evict",
            summary: "Protects the connection from client eviction.",
            since: "7.0.0",
            group: Group::Connection,
            syntax: "<ON | OFF>",
            arity: Arity::Exactly(3),
            flags: Flags::ADMIN.and(Flags::NO_SCRIPT).and(Flags::LOADING).and(Flags::STALE),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: client_no_evict,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "no-touch",
            summary: "Lets the connection's requests not count as use of their keys.",
            since: "7.2.0",
            group: Group::Connection,
            syntax: "<ON | OFF>",
            arity: Arity::Exactly(3),
            flags: Flags::NO_SCRIPT.and(Flags::LOADING).and(Flags::STALE),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: client_no_touch,
        subcommands: &[],
    },
    tracking::TRACKING,
    tracking::TRACKINGINFO,
    tracking::CACHING,
    tracking::GETREDIR,
    pause::PAUSE,
    pause::UNPAUSE,
    pause::UNBLOCK,
    Command {
        spec: Spec {
            name: "help",
            summary: "Lists the subcommands.",
            since: "5.0.0",
            group: Group::Connection,
            arity: Arity::Exactly(2),
            flags: Flags::LOADING.and(Flags::STALE),
            acl: Acl::CONNECTION,
            ..Spec::USUAL
        },
        run: client_help,
        subcommands: &[],
    },
];

/// The classes of clients, in the order of `client-output-buffer-limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// An ordinary client.
    Normal,
    /// The link of a replica.
    Replica,
    /// A subscriber.
    PubSub,
}

impl Class {
    /// The class that a request names; none within for the link to the primary.
    pub fn named(word: &[u8]) -> Option<Option<Class>> {
        match word.to_ascii_lowercase().as_slice() {
            b"normal" => Some(Some(Class::Normal)),
            b"slave" | b"replica" => Some(Some(Class::Replica)),
            b"pubsub" => Some(Some(Class::PubSub)),
            // The link to the primary is none of the engine's clients.
            b"master" | b"primary" => Some(None),
            _ => None,
        }
    }
}

/// The class of a client.
pub fn class_of(session: &Session) -> Class {
    if session.is_replica {
        Class::Replica
    } else if session.is_subscribed() {
        Class::PubSub
    } else {
        Class::Normal
    }
}

/// Refuses names with blanks and special characters.
pub fn check_name(name: &[u8]) -> Result<(), Refusal> {
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        Ok(())
    } else {
        Err(Refusal::ClientNameInvalid)
    }
}

fn client_id(call: &mut Call<'_>) -> Result<(), Refusal> {
    call.reply.integer(call.session.id as i64);
    Ok(())
}

fn client_getname(call: &mut Call<'_>) -> Result<(), Refusal> {
    let name = &call.session.name;
    call.reply.bulk_or_null(Some(name.as_slice()).filter(|name| !name.is_empty()));
    Ok(())
}

fn client_setname(call: &mut Call<'_>) -> Result<(), Refusal> {
    check_name(call.args.at(2))?;
    call.session.name = call.args.at(2).to_vec();
    call.reply.ok();
    Ok(())
}

fn client_setinfo(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (name, value) = (call.args.at(2), call.args.at(3));
    let field = match name.to_ascii_lowercase().as_slice() {
        b"lib-name" => &mut call.session.library_name,
        b"lib-ver" => &mut call.session.library_version,
        _ => return Err(Refusal::ClientInfoUnknown(text(name))),
    };
    if check_name(value).is_err() {
        return Err(Refusal::ClientInfoInvalid(text(name).to_ascii_lowercase()));
    }
    *field = value.to_vec();
    call.reply.ok();
    Ok(())
}

/// What a line of CLIENT LIST is made of.
struct Line<'a> {
    session: &'a Session,
    /// None for the connection whose request runs: they are borrowed by it.
    buffers: Option<(&'a Inbox, &'a Outgoing)>,
    table: &'a Table,
    watch: &'a Watch,
    now: Time,
    /// The request that runs, of its connection alone.
    request: Option<Args<'a>>,
    /// The fields stand in Valkey's order.
    is_valkey: bool,
    /// Names are nobody's business.
    hides_names: bool,
}

impl Line<'_> {
    fn write(&self, out: &mut String) {
        let session = self.session;
        let flags = flags_of(session, self.watch);
        let since = |time: Time| self.now.since(time).as_seconds();
        let (channels, patterns, shards) = session
            .subscriptions
            .as_ref()
            .map_or((0, 0, 0), |all| (all.channels.len(), all.patterns.len(), all.shards.len()));
        let multi = session.multi.as_ref().map_or(-1, |multi| multi.len() as i64);
        let multi_memory = session.multi.as_ref().map_or(0, |multi| multi.memory_bytes());
        let inbox = self.buffers.map_or(0, |(inbox, _)| inbox.query_bytes());
        // What is read lies in buffers of a pool: shown is what a connection has had of them of late.
        let is_recent = since(session.active) < READ_OF_LATE_S;
        let read_bytes = if is_recent { session.read_bytes.saturating_sub(inbox) } else { 0 };
        // Valkey has taken the request out of the buffer before it runs.
        let query = self.request.filter(|_| !self.is_valkey).map_or(inbox, wire_len);
        let args: usize = self.request.map_or(0, |args| args.iter().map(<[u8]>::len).sum());
        let reply_bytes = self.buffers.map_or(0, |(_, outgoing)| outgoing.bytes.capacity());
        let pending = self.buffers.map_or(0, |(_, outgoing)| outgoing.pending());
        let held = self.buffers.map_or(0, |(_, outgoing)| outgoing.held.len());
        let command = session.last_row.map_or("NULL", |row| &*self.table.row(row).full_name);
        // The replies of this turn are on their way: they count once the world says that it could not send them.
        let buffers = self.buffers.map_or(0, |(inbox, outgoing)| {
            inbox.memory_bytes() + outgoing.memory_bytes() - outgoing.bytes.capacity()
        });
        let total = size_of::<Connection>() + buffers + session.memory_bytes();
        let (name, library) = (text(&session.name), text(&session.library_name));
        let (name, user) =
            if self.hides_names { (String::from("*redacted*"), "*redacted*") } else { (name, "default") };
        let capa = format!(" capa={}", if session.follows_redirects { "r" } else { "" });
        let watch = format!(" watch={}", self.watch.count(session.conn));
        // Redis has neither: its tools may take the fields by their order.
        let late = if self.is_valkey { String::new() } else { format!("{capa}{watch}") };
        let (capa, watch) = if self.is_valkey { (capa, watch) } else { (String::new(), String::new()) };
        let done = writeln!(
            out,
            "id={} addr={} laddr={} fd={} name={name} age={} idle={} flags={flags}{capa} db={} sub={channels} \
             psub={patterns} ssub={shards} multi={multi}{watch} qbuf={query} qbuf-free={read_bytes} argv-mem={args} \
             multi-mem={multi_memory} rbs={reply_bytes} rbp=0 obl={pending} oll={held} omem={pending} tot-mem={total} events=r cmd={command} \
             user={user} redir={} resp={} lib-name={library} lib-ver={}{late} \
             tot-net-in={} tot-net-out={} tot-cmds={}",
            session.id,
            session.peer.remote,
            session.peer.local,
            // Not the system's number, which only the host knows; unique among the open ones all the same.
            session.conn.place() + 8,
            since(session.created),
            since(session.active),
            session.db,
            tracking::redirect_id(session.tracking.as_deref()),
            if session.resp3 { 3 } else { 2 },
            text(&session.library_version),
            session.input_bytes,
            session.output_bytes,
            // One that waits is not over; nor is the one that asks.
            session.requests - u64::from(session.is_blocked),
        );
        done.expect("a string takes all text");
    }
}

/// The letters of what is special about a client.
pub fn flags_of(session: &Session, watch: &Watch) -> String {
    let watches = watch.count(session.conn) > 0;
    let is_touched = watches && watch.is_broken(session.conn, |_, _| false);
    let tracks = |has: fn(&Tracking) -> bool| session.tracking.as_deref().is_some_and(has);
    let letters = [
        (session.is_monitor, 'O'),
        (session.is_replica, 'S'),
        (session.is_subscribed(), 'P'),
        (session.multi.is_some(), 'x'),
        (session.is_blocked || session.is_held, 'b'),
        (is_touched, 'd'),
        (session.is_closing, 'c'),
        (session.tracking.is_some(), 't'),
        (tracks(|tracking| tracking.is_redirect_broken), 'R'),
        (tracks(|tracking| tracking.is_broadcast), 'B'),
        (session.listener == Listener::Unix, 'U'),
        (session.is_readonly, 'r'),
        (session.no_evict, 'e'),
        (session.no_touch, 'T'),
        (session.is_import_source, 'I'),
    ];
    let flags: String = letters.iter().filter(|(is_set, _)| *is_set).map(|(_, letter)| *letter).collect();
    if flags.is_empty() { "N".to_string() } else { flags }
}

/// Lines of all connections that `wanted` accepts, in order of their ids.
fn lines(call: &Call<'_>, wanted: impl Fn(&Session) -> bool) -> String {
    let others = others(call.core, call.table, call.keys.watch, call.now.mono);
    let mut lines: Vec<Line<'_>> =
        others.chain([own(call)]).filter(|line| !line.session.is_stream && wanted(line.session)).collect();
    lines.sort_by_key(|line| line.session.id);
    let mut out = String::new();
    for line in lines {
        line.write(&mut out);
    }
    out
}

/// The connections in the table: all but the one whose request runs.
fn others<'a>(
    core: &'a Core,
    table: &'a Table,
    watch: &'a Watch,
    now: Time,
) -> impl Iterator<Item = Line<'a>> {
    core.sessions.iter().map(move |other| Line {
        session: &other.session,
        buffers: Some((&other.inbox, &other.outgoing)),
        table,
        watch,
        now,
        request: None,
        is_valkey: core.settings.is_valkey,
        hides_names: false,
    })
}

/// The connection whose request runs.
fn own<'a>(call: &'a Call<'_>) -> Line<'a> {
    Line {
        session: call.session,
        buffers: None,
        table: call.table,
        watch: call.keys.watch,
        now: call.now.mono,
        request: Some(call.args),
        is_valkey: call.core.settings.is_valkey,
        hides_names: false,
    }
}

/// 100: clients that a crash report shows.
const PORTRAIT_CLIENTS_MAX: usize = 100;
/// 31 KiB: the bytes of their lines. A report has room for 32, and a note follows.
const PORTRAIT_BYTES_MAX: usize = 31 << 10;

/// Lines of clients for the report of a crash.
pub fn portrait(core: &Core, table: &Table, watch: &Watch, now: Time) -> String {
    let hides_names = core.settings.hides_user_data;
    let mut out = String::new();
    let mut left_out = 0;
    for (shown, line) in others(core, table, watch, now).enumerate() {
        if left_out > 0 || shown == PORTRAIT_CLIENTS_MAX {
            left_out += 1;
            continue;
        }
        let before = out.len();
        Line { hides_names, ..line }.write(&mut out);
        if out.len() > PORTRAIT_BYTES_MAX {
            out.truncate(before);
            left_out = 1;
        }
    }
    if left_out > 0 {
        let _ = writeln!(out, "({left_out} clients more)");
    }
    out
}

/// The client whose request runs, and the request, for the report of a crash. Of arguments that are nobody's business it
/// gives the length.
pub fn portrait_of_own(call: &Call<'_>) -> String {
    let hides_user_data = call.core.settings.hides_user_data;
    let mut out = String::new();
    Line { hides_names: hides_user_data, ..own(call) }.write(&mut out);
    let _ = writeln!(out, "argc: {}", call.args.len());
    for (index, arg) in call.args.iter().take(PORTRAIT_ARGS_MAX).enumerate() {
        let shown = &arg[..arg.len().min(PORTRAIT_ARG_BYTES_MAX)];
        let shown = match hides_user_data && index > 0 {
            true => format!("{} bytes", arg.len()),
            false => text(&base::words::quoted(shown)),
        };
        let _ = writeln!(out, "argv[{index}]: {shown}");
    }
    out
}

/// 32: arguments that a crash report shows, as in the originals; and 128 bytes of each.
const PORTRAIT_ARGS_MAX: usize = 32;
const PORTRAIT_ARG_BYTES_MAX: usize = 128;

fn client_capa(call: &mut Call<'_>) -> Result<(), Refusal> {
    // What is not known is none of this server's business.
    call.session.follows_redirects |=
        call.args.from(2).iter().any(|word| word.eq_ignore_ascii_case(b"redirect"));
    call.session.settle();
    call.reply.ok();
    Ok(())
}

fn client_import_source(call: &mut Call<'_>) -> Result<(), Refusal> {
    let is_on = call.args.at(2).eq_ignore_ascii_case(b"on");
    if !is_on && !call.args.at(2).eq_ignore_ascii_case(b"off") {
        return Err(Refusal::Syntax);
    }
    if is_on && !call.core.settings.is_importing {
        return Err(Refusal::Text("ERR Server is not in import mode"));
    }
    call.session.is_import_source = is_on;
    call.reply.ok();
    Ok(())
}

fn client_list(call: &mut Call<'_>) -> Result<(), Refusal> {
    let bad_id =
        if call.core.settings.is_valkey { Refusal::ClientIdNotPositive } else { Refusal::InvalidClientId };
    let filter = Filter::parse(call, call.args.from(2), &bad_id)?;
    let (own, watch, now) = (call.session.id, &*call.keys.watch, call.now.mono);
    let skips_me = filter.skips_me.unwrap_or(false);
    let list = lines(call, |session| filter.accepts(session, watch, now) && !(skips_me && session.id == own));
    call.reply.verbatim("txt", list.as_bytes());
    Ok(())
}

fn client_info(call: &mut Call<'_>) -> Result<(), Refusal> {
    let id = call.session.id;
    let line = lines(call, |session| session.id == id);
    call.reply.verbatim("txt", line.as_bytes());
    Ok(())
}

fn client_kill(call: &mut Call<'_>) -> Result<(), Refusal> {
    let is_old_form = call.args.len() == 3;
    let args = call.args;
    let filter = if is_old_form {
        Filter::at(args.at(2))
    } else {
        Filter::parse(call, args.from(2), &Refusal::ClientIdNotPositive)?
    };
    let (watch, now) = (&*call.keys.watch, call.now.mono);
    let others: Vec<ConnId> = call
        .core
        .sessions
        .iter_mut()
        .filter(|other| !other.session.is_closing && filter.accepts(&other.session, watch, now))
        .map(|other| {
            other.session.is_closing = true;
            other.session.conn
        })
        .collect();
    for conn in &others {
        call.out.close_now(*conn);
    }
    let mut killed = others.len();
    if !filter.skips_me.unwrap_or(true) && filter.accepts(call.session, watch, now) {
        call.session.is_closing = true;
        killed += 1;
    }
    if let Some(remote) = filter.of_primary() {
        match call.put(Question::CutPrimary { remote }) {
            Answer::Refused(_) => {}
            answer => {
                killed += 1;
                if answer == Answer::Yield {
                    call.flow = Flow::Yield;
                }
            }
        }
    }
    match (is_old_form, killed) {
        (true, 0) => return Err(Refusal::NoSuchClient),
        (true, _) => call.reply.ok(),
        (false, _) => call.reply.integer(killed as i64),
    }
    Ok(())
}

fn client_reply(call: &mut Call<'_>) -> Result<(), Refusal> {
    match call.args.at(2).to_ascii_lowercase().as_slice() {
        b"on" => {
            call.session.replies = Replies::On;
            call.reply.ok();
        }
        b"off" => call.session.replies = Replies::Off,
        b"skip" if call.session.replies == Replies::Off => {}
        b"skip" => call.session.replies = Replies::SkipNext,
        _ => return Err(Refusal::Syntax),
    }
    call.session.settle();
    Ok(())
}

/// ON or OFF.
fn switch(word: &[u8]) -> Result<bool, Refusal> {
    match word.to_ascii_lowercase().as_slice() {
        b"on" => Ok(true),
        b"off" => Ok(false),
        _ => Err(Refusal::Syntax),
    }
}

fn client_no_evict(call: &mut Call<'_>) -> Result<(), Refusal> {
    call.session.no_evict = switch(call.args.at(2))?;
    call.reply.ok();
    Ok(())
}

fn client_no_touch(call: &mut Call<'_>) -> Result<(), Refusal> {
    call.session.no_touch = switch(call.args.at(2))?;
    call.reply.ok();
    Ok(())
}

fn client_help(call: &mut Call<'_>) -> Result<(), Refusal> {
    help(
        call,
        "CLIENT",
        &[
            "CAPA <capability> [<capability> ...]",
            "    Tell what the client can do: REDIRECT.",
            "GETNAME",
            "    Return the name of the connection.",
            "ID",
            "    Return the id of the connection.",
            "IMPORT-SOURCE (ON|OFF)",
            "    In import mode: let the connection see keys whose time is over.",
            "INFO",
            "    Describe the connection.",
            "KILL <ip:port>",
            "    Close the connection from <ip:port>.",
            "KILL <option> <value> [<option> <value> ...]",
            "    Close the connections that all options describe: ID <id> [<id> ...], ADDR, LADDR, IP, TYPE, USER, NAME,",
            "    LIB-NAME, LIB-VER, FLAGS, DB, CAPA, each also with NOT- before it; MAXAGE, IDLE; SKIPME (yes|no).",
            "LIST [<option> <value> ...]",
            "    List the connections that all options describe: those of KILL.",
            "NO-EVICT (ON|OFF)",
            "    Protect the connection from client eviction.",
            "NO-TOUCH (ON|OFF)",
            "    Let the connection's requests not count as use of their keys.",
            "PAUSE <milliseconds> [WRITE|ALL]",
            "    Hold all requests, or writes alone, for so long.",
            "REPLY (ON|OFF|SKIP)",
            "    Say which replies the client wants.",
            "SETINFO <option> <value>",
            "    Tell which library the client uses: LIB-NAME, LIB-VER.",
            "SETNAME <name>",
            "    Name the connection.",
            "UNBLOCK <id> [TIMEOUT|ERROR]",
            "    End the wait of a client, as if its time were over or with an error.",
            "UNPAUSE",
            "    End PAUSE.",
        ],
    );
    Ok(())
}
