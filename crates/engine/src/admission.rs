//! Admission: whether a request may run, in one function, in the order of the original's checks.

use crate::call::Call;
use crate::evict::{Maker, Room};
use crate::keys::is_due;
use crate::routes::{MYSELF, NOBODY, Routes};
use crate::session::Session;
use crate::settings::DebugCommand;
use crate::table::Row;
use alloc::boxed::Box;
use alloc::string::ToString;
use data::EntryRef;
use machine::{Address, Listener};
use spec::command::Access;
use spec::{Flags, Refusal};
use wire::batch::Args;

/// What becomes of a request.
#[derive(Debug)]
pub enum Verdict {
    /// It runs.
    Run,
    /// It is queued in the open transaction.
    Queue,
    /// It is refused.
    Refuse(Refusal),
}

/// The checks that need no look at keys: number of arguments and protected commands.
pub fn shape(row: &Row, args: Args<'_>, session: &Session, debug: DebugCommand) -> Option<Refusal> {
    if !row.spec().arity.fits(args.len()) {
        return Some(Refusal::Arity(row.full_name.to_string()));
    }
    if row.spec().name == "debug" && row.container.is_none() {
        let allowed = match debug {
            DebugCommand::Yes => true,
            DebugCommand::No => false,
            DebugCommand::Local => is_local(session),
        };
        if !allowed {
            return Some(Refusal::DebugNotAllowed);
        }
    }
    None
}

/// True for a client on this machine.
pub fn is_local(session: &Session) -> bool {
    match (&session.listener, &session.peer.remote) {
        (Listener::Unix, _) | (_, Address::Unix(_)) => true,
        (_, Address::Inet(ip, _)) => ip.is_loopback(),
        (_, Address::Name(..)) => false,
    }
}

/// Decides over the request of `call`. All checks but those on scripts, which do not exist yet.
pub fn verdict(call: &mut Call<'_>) -> Verdict {
    let row = call.table.row(call.row);
    let spec = row.spec();
    match refusal(call) {
        Some(refusal) => {
            if let Some(multi) = &mut call.session.multi {
                multi.is_aborted = true;
            }
            if spec.name == "exec" && !is_redirect(&refusal) {
                // The transaction is over, and nothing is watched any more.
                call.session.multi = None;
                call.keys.watch.clear(call.session.conn);
                call.session.settle();
                let text = refusal.to_string();
                let text = text.strip_prefix("ERR ").unwrap_or(&text);
                return Verdict::Refuse(Refusal::ExecAbortedBy(text.into()));
            }
            Verdict::Refuse(refusal)
        }
        None if call.session.multi.is_some() && !runs_in_multi(row) => Verdict::Queue,
        None => Verdict::Run,
    }
}

/// Commands that Redis answers in an open transaction, and that break it in Valkey.
fn is_refused_by_valkey(row: &Row) -> bool {
    matches!(&*row.full_name, "multi" | "watch" | "client|reply")
}

/// Commands that run at once although a transaction is open.
fn runs_in_multi(row: &Row) -> bool {
    // LATENCY RESET and its like are other commands.
    row.container.is_none()
        && matches!(row.spec().name, "exec" | "discard" | "multi" | "watch" | "quit" | "reset")
}

/// Commands that a subscribed RESP2 client may run.
fn runs_subscribed(row: &Row) -> bool {
    let is_one = matches!(
        row.spec().name,
        "ping"
            | "subscribe"
            | "ssubscribe"
            | "unsubscribe"
            | "sunsubscribe"
            | "psubscribe"
            | "punsubscribe"
            | "quit"
            | "reset"
    );
    is_one && row.container.is_none()
}

fn refusal(call: &mut Call<'_>) -> Option<Refusal> {
    let row = call.table.row(call.row);
    let spec = row.spec();
    let lacks_auth = !call.session.is_authenticated && !spec.flags.has(Flags::NO_AUTH);
    if lacks_auth && call.core.settings.is_valkey {
        return Some(Refusal::NoAuth);
    }
    if let Some(refusal) = shape(row, call.args, call.session, call.core.settings.debug) {
        return Some(refusal);
    }
    let is_exec = spec.name == "exec" && row.container.is_none();
    let mut flags = spec.flags;
    if is_exec && let Some(multi) = &call.session.multi {
        flags = flags.and(multi.flags);
    }
    if lacks_auth {
        return Some(Refusal::NoAuth);
    }
    // A transaction is one step, and a move is none: it waits for another server.
    let is_move = spec.name == "migrate";
    if call.session.multi.is_some() {
        let is_refused = is_move || spec.flags.has(Flags::NO_MULTI);
        if call.core.settings.is_valkey && (is_refused || is_refused_by_valkey(row)) {
            return Some(Refusal::CommandNotInMulti(row.full_name.to_string()));
        }
        if is_refused {
            return Some(Refusal::NotInMulti);
        }
    }
    if call.keys.shared.routes.enabled
        && !call.session.is_stream
        && let Some(refusal) = misrouted(call, is_exec)
    {
        if is_exec {
            call.session.multi = None;
            call.keys.watch.clear(call.session.conn);
            call.session.settle();
        }
        return Some(refusal);
    }
    by_memory(call, flags, is_exec).or_else(|| by_state(call, flags, is_exec))
}

/// Makes room under `maxmemory`; what would need more memory is refused where there is none to be made.
fn by_memory(call: &mut Call<'_>, flags: Flags, is_exec: bool) -> Option<Refusal> {
    if crate::evict::is_room(call.core, call.keys.shared) {
        return None;
    }
    let mut maker = Maker {
        core: call.core,
        shared: call.keys.shared,
        watch: call.keys.watch,
        out: call.out,
        now_ms: call.keys.now_ms,
    };
    let room = maker.make_room();
    let is_over = !crate::evict::is_room(call.core, call.keys.shared);
    call.core.stats.note_limit(is_over, call.now.mono);
    // A replica that refused a part of its primary's stream would be a wrong copy.
    if room != Room::None || call.session.is_stream {
        return None;
    }
    // Queued requests take memory without a bound, whatever they are.
    let queues = call.session.multi.is_some() && !is_exec && !runs_in_multi(call.table.row(call.row));
    (queues || flags.has(Flags::DENY_OOM)).then_some(Refusal::OutOfMemory)
}

/// What the state of the server forbids.
fn by_state(call: &mut Call<'_>, flags: Flags, is_exec: bool) -> Option<Refusal> {
    let row = call.table.row(call.row);
    let spec = row.spec();
    let standing = &call.keys.shared.standing;
    let settings = &call.core.settings;
    let must_obey = call.session.is_stream;
    let is_write = flags.has(Flags::WRITE);
    if standing.save_failed && !must_obey && !standing.is_replica && (is_write || spec.name == "ping") {
        return Some(Refusal::MisconfRdb);
    }
    if let Some(error) = &standing.aof_error
        && !must_obey
        && !standing.is_replica
        && (is_write || spec.name == "ping")
    {
        return Some(Refusal::MisconfAof(error.clone()));
    }
    if is_write && standing.lacks_replicas && !standing.is_replica && !must_obey {
        return Some(Refusal::NoReplicas);
    }
    if standing.is_replica
        && call.session.follows_redirects
        && !must_obey
        && !call.keys.shared.routes.enabled
        && (is_write || flags.has(Flags::READONLY) && !call.session.is_readonly)
        && let Some((host, port)) = call.keys.shared.config.replicaof()
    {
        return Some(Refusal::Redirect { host: host.into(), port });
    }
    if standing.is_replica && settings.replica_read_only && !must_obey && is_write {
        return Some(Refusal::ReadOnly);
    }
    if call.session.is_subscribed() && !call.session.resp3 && !runs_subscribed(row) {
        return Some(Refusal::SubscribedContext(row.full_name.to_string()));
    }
    // A container's flags, and EXEC's with those of its requests, stand for what may run while stale or loading.
    let all_have = |flag: Flags| {
        if is_exec {
            call.session.multi.as_ref().is_none_or(|multi| multi.all_flags.has(flag))
        } else {
            spec.flags.has(flag)
        }
    };
    if standing.is_replica && !standing.link_up && !settings.serve_stale && !all_have(Flags::STALE) {
        return Some(Refusal::PrimaryDown);
    }
    let must_wait = standing.loads_beside && spec.flags.has(Flags::NO_ASYNC_LOADING);
    if (standing.loading && !must_obey && !all_have(Flags::LOADING)) || must_wait {
        return Some(Refusal::Loading);
    }
    if (call.session.is_replica || call.session.is_monitor)
        && flags.has_any(Flags::WRITE.and(Flags::READONLY).and(Flags::MAY_REPLICATE))
    {
        return Some(Refusal::Text("ERR Replica can't interact with the keyspace"));
    }
    None
}

/// Where a request's keys lie, as far as it was looked.
#[derive(Default)]
struct Placed {
    slot: Option<u16>,
    is_crossed: bool,
    keys: u32,
    missing: u32,
}

/// What sends the client elsewhere reads the same for EXEC as for any command.
fn is_redirect(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::CrossSlot
            | Refusal::SlotNotServed
            | Refusal::ClusterDown
            | Refusal::ClusterDownReadOnly
            | Refusal::TryAgain
            | Refusal::Ask { .. }
            | Refusal::Moved { .. }
    )
}

/// Cluster: why the request can not be served here.
fn misrouted(call: &mut Call<'_>, is_exec: bool) -> Option<Refusal> {
    let spec = call.table.row(call.row).spec();
    if spec.keys.count() == 0 && !is_exec {
        return None;
    }
    let placed = place(call, is_exec);
    let slot = placed.slot?;
    let routes = &call.keys.shared.routes;
    let route = routes.slot(slot);
    // In the original's order: the slot of the first key, then the other keys.
    if route.owner == NOBODY {
        return Some(Refusal::SlotNotServed);
    }
    if placed.is_crossed {
        return Some(Refusal::CrossSlot);
    }
    let mut flags = spec.flags;
    if is_exec && let Some(multi) = &call.session.multi {
        flags = flags.and(multi.flags);
    }
    let is_write = flags.has_any(Flags::WRITE.and(Flags::MAY_REPLICATE));
    // Sharded channels: no key can be missing, and every node of the shard serves them.
    let is_pubsub = flags.has(Flags::PUBSUB);
    if !routes.ok && is_pubsub && !routes.pubsub_when_down {
        return Some(Refusal::ClusterDown);
    }
    if !routes.ok && !is_pubsub {
        if !routes.reads_when_down {
            return Some(Refusal::ClusterDown);
        }
        if is_write {
            return Some(Refusal::ClusterDownReadOnly);
        }
    }
    let is_asking = call.session.is_asking || spec.flags.has(Flags::ASKING);
    let here = (route.owner == MYSELF, route.migrating_to, route.importing_from);
    match here {
        // MIGRATE speaks of what is here, while the slot is open.
        (_, to, from) if spec.name == "migrate" && (to != NOBODY || from != NOBODY) => return None,
        (true, to, _) if to != NOBODY && placed.missing > 0 && !is_pubsub => {
            // The missing keys may have moved already; with all of them missing the other node knows.
            if placed.missing < placed.keys {
                return Some(Refusal::TryAgain);
            }
            let endpoint = Box::from(routes.endpoint(to));
            return Some(Refusal::Ask { slot, endpoint });
        }
        (true, ..) => return None,
        (false, _, from) if from != NOBODY && is_asking => {
            let lacks_some = placed.keys > 1 && placed.missing > 0 && !is_pubsub;
            return lacks_some.then_some(Refusal::TryAgain);
        }
        (false, ..) => {}
    }
    let reads_here =
        (call.session.is_readonly || is_pubsub) && routes.primary != NOBODY && routes.primary == route.owner;
    if reads_here && !is_write {
        return None;
    }
    Some(Refusal::Moved { slot, endpoint: Box::from(routes.endpoint(route.owner)) })
}

/// Cluster: why one who waits for a key in `slot` waits in vain here. `spec` is its command.
pub fn waits_in_vain(
    routes: &Routes,
    slot: u16,
    session: &Session,
    spec: Option<&spec::Spec>,
) -> Option<Refusal> {
    let is_write = spec.is_none_or(|spec| spec.flags.has(Flags::WRITE));
    let route = routes.slot(slot);
    if !routes.ok && (is_write || !routes.reads_when_down) {
        return Some(Refusal::ClusterDown);
    }
    if route.owner == NOBODY {
        return Some(Refusal::SlotNotServed);
    }
    let reads_here = session.is_readonly && !is_write && routes.primary == route.owner;
    let is_here = route.owner == MYSELF || route.importing_from != NOBODY || reads_here;
    let elsewhere = || Refusal::Moved { slot, endpoint: Box::from(routes.endpoint(route.owner)) };
    (!is_here).then(elsewhere)
}

/// Finds the request's keys (EXEC: those of all its requests), their slot, and how many are missing here
/// while the slot moves.
fn place(call: &mut Call<'_>, is_exec: bool) -> Placed {
    let mut placed = Placed::default();
    let shared = &*call.keys.shared;
    let mut note = |key: &[u8], access: Access| {
        let hash = call.keys.hash_of(key);
        let slot = hash.slot();
        match placed.slot {
            None => placed.slot = Some(slot),
            Some(first) if first != slot => placed.is_crossed = true,
            Some(_) => {}
        }
        let route = shared.routes.slot(slot);
        placed.keys += 1;
        let moves = route.migrating_to != NOBODY || route.importing_from != NOBODY;
        let is_there = |entry: EntryRef<'_>| !is_due(&entry, call.keys.now_ms);
        let is_key = !access.has(Access::NOT_KEY);
        if moves && is_key && !shared.keyspace.find(call.keys.db, key, hash).is_some_and(is_there) {
            placed.missing += 1;
        }
    };
    if is_exec {
        let Some(multi) = &call.session.multi else { return placed };
        for index in 0..multi.len() {
            let (row, args) = multi.request(index);
            let spec = call.table.row(row).spec();
            spec.keys.places(args.len(), |at| args.at(at), |at, access| note(args.at(at), access));
        }
    } else {
        let args = call.args;
        let keys = call.table.row(call.row).spec().keys;
        keys.places(args.len(), |at| args.at(at), |at, access| note(args.at(at), access));
    }
    placed
}
