//! Rest: all of a node but its engine; it answers the engine's questions.

use crate::asks::Asks;
use crate::boot::Boot;
use crate::handover::Handover;
use crate::replication;
use crate::settings;
use crate::waits::{self, Waits};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base::{Now, Random, Span, Time};
use cluster::Cluster;
use engine::{Answer, Asked, Outside, Question, Shared, Shutdown};
use hashbrown::HashSet;
use journal::{Journal, ShutdownWish, Turn};
use machine::{Address, ConnId, Dialer, DiskNumbers, HostFacts, HostSetting, Level, Outbox, Output};
use spec::Refusal;
use spec::directive::id;
use wire::batch::Args;
use wire::reply::Reply;

/// What the program knows of its process, for INFO.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The process id.
    pub process_id: u32,
    /// The system's name, release and machine.
    pub os: String,
    /// Path of the program.
    pub executable: String,
    /// Path of the configuration file; empty when there is none.
    pub config_file: String,
    /// The name that the program was called by, for the title of the process.
    pub called_as: String,
}

/// What the engine does not know.
pub(crate) struct Rest {
    pub(crate) journal: Journal,
    /// None on a server without `cluster-enabled`, and until the data is loaded.
    pub(crate) cluster: Option<Cluster>,
    pub(crate) is_clustered: bool,
    pub(crate) boot: Boot,
    pub(crate) dialer: Dialer,
    pub(crate) numbers: DiskNumbers,
    pub(crate) random: Random,
    /// Consequences that wait for `settle`.
    pub(crate) journal_acts: Vec<journal::Act>,
    pub(crate) cluster_acts: Vec<cluster::Act>,
    /// Connections of the bus, in both directions.
    pub(crate) buses: HashSet<ConnId>,
    pub(crate) host: HostFacts,
    pub(crate) identity: Identity,
    /// Full synchronisations that were begun as a replica.
    pub(crate) full_syncs: u64,
    pub(crate) started: Now,
    /// Requests wait until then for the data of a primary that is coming in, if it is small.
    pub(crate) door_until: Time,
    /// A shutdown is under way.
    pub(crate) stopping: Option<Stopping>,
    /// Clients whose SHUTDOWN was aborted and who are still to be told.
    pub(crate) turned_away: Vec<ConnId>,
    /// Something besides clients' requests has come, or one of them asked something: the next seal is a whole one.
    pub(crate) is_stirred: bool,
    /// Changes of data that the journal was told of.
    pub(crate) changes_told: u64,
    /// The units that the journal knows.
    units_told: u64,
    /// FAILOVER is under way.
    pub(crate) handover: Option<Handover>,
    /// Clients' writes are held until then (a manual failover).
    pub(crate) paused_until: Option<Time>,
    /// DEBUG RELOAD is under way: no request runs.
    pub(crate) reload: Option<crate::reload::Reload>,
    /// Directives whose change another part must hear of.
    pub(crate) settings_changed: bool,
    /// Questions to the host that wait for their answers.
    pub(crate) asks: Asks,
    /// The role that the host was told last: a replica.
    pub(crate) role_told: Option<bool>,
    /// How many replicas had come in step when the slots on the move were last told.
    pub(crate) joined_told: u64,
    /// When they are told next, and how often they were told since the last replica came.
    pub(crate) moves_due: Option<(Time, usize)>,
    /// Clients that wait for the end of a CLUSTER subcommand.
    pub(crate) waits: Waits,
    /// The primary that `replicaof` of the configuration names since the role changed last.
    pub(crate) primary_told: Option<machine::Address>,
}

/// A shutdown that is under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stopping {
    pub(crate) wish: ShutdownWish,
    /// Clients that wait for its outcome. Bound: they are blocked.
    pub(crate) askers: Vec<ConnId>,
    /// The journal was told.
    pub(crate) is_begun: bool,
}

impl Rest {
    pub(crate) fn new(shared: &Shared, identity: Identity, mut random: Random) -> Rest {
        let settings = settings::journal(&shared.config);
        Rest {
            journal: Journal::new(settings, random.fork(), Now::default()),
            cluster: None,
            is_clustered: settings::is_clustered(&shared.config),
            boot: Boot::NotBegun,
            dialer: Dialer::default(),
            numbers: DiskNumbers::of(identity.process_id),
            random,
            journal_acts: Vec::new(),
            cluster_acts: Vec::new(),
            buses: HashSet::new(),
            host: HostFacts::default(),
            identity,
            full_syncs: 0,
            started: Now::default(),
            door_until: Time::START,
            stopping: None,
            turned_away: Vec::new(),
            is_stirred: true,
            changes_told: 0,
            units_told: 0,
            handover: None,
            paused_until: None,
            reload: None,
            settings_changed: false,
            asks: Asks::default(),
            role_told: None,
            joined_told: 0,
            moves_due: None,
            waits: Waits::default(),
            primary_told: None,
        }
    }

    pub(crate) fn is_bus(&self, conn: ConnId) -> bool {
        self.buses.contains(&conn)
    }

    pub(crate) fn forget_bus(&mut self, conn: ConnId) -> bool {
        self.buses.remove(&conn)
    }

    /// The number of a bus connection that is gone may be used again. (The journal gives its own back itself.)
    pub(crate) fn give_back(&mut self, conn: ConnId) {
        if conn.is_outbound() {
            self.dialer.closed(conn);
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    /// Who asks for a second time waits with the others; what is asked more urgently begins anew.
    pub(crate) fn begin_shutdown(&mut self, wish: ShutdownWish, asker: Option<ConnId>) {
        let stopping = self.stopping.get_or_insert_with(|| Stopping { wish, ..Stopping::default() });
        if wish.now || wish.force {
            stopping.wish = wish;
            stopping.is_begun = false;
        }
        stopping.askers.extend(asker);
    }

    /// Lends the journal what it needs for one call. Whatever the call asks, the journal's end is right: the effects of
    /// the commands so far are its own before (a role that ends in this turn takes none of them with it).
    pub(crate) fn turn<'a>(
        &'a mut self,
        now: Now,
        shared: &'a mut Shared,
        out: &'a mut Outbox,
    ) -> (&'a mut Journal, Turn<'a>) {
        self.is_stirred = true;
        self.pass_effects_on(&mut shared.feed);
        let Rest { journal, dialer, numbers, journal_acts, .. } = self;
        (journal, Turn { now, dialer, numbers, keyspace: &mut shared.keyspace, out, acts: journal_acts })
    }

    /// The effects of commands become the journal's.
    fn pass_effects_on(&mut self, feed: &mut engine::Feed) {
        if !feed.bytes.is_empty() {
            let bytes = core::mem::take(&mut feed.bytes);
            assert!(
                self.journal.primary().is_none(),
                "effects on a replica: {} {}",
                feed.enabled,
                String::from_utf8_lossy(&bytes)
            );
            let units = feed.units - core::mem::replace(&mut self.units_told, feed.units);
            feed.bytes = self.journal.append(bytes, units);
        }
        self.note_changes(feed);
    }

    /// The journal counts changes, whoever listens.
    pub(crate) fn note_changes(&mut self, feed: &engine::Feed) {
        let changes = feed.changes - self.changes_told;
        if changes > 0 {
            self.changes_told = feed.changes;
            self.journal.changed(changes);
        }
    }

    /// A question whose answer may have consequences: they are carried out before the next request.
    fn yielding(&self) -> Answer {
        if self.journal_acts.is_empty() && self.cluster_acts.is_empty() && !self.has_pending_work() {
            Answer::Done
        } else {
            Answer::Yield
        }
    }

    fn has_pending_work(&self) -> bool {
        self.settings_changed || self.stopping.as_ref().is_some_and(|stopping| !stopping.is_begun)
    }

    fn on_cluster(
        &mut self,
        asked: &mut Asked<'_>,
        args: Args<'_>,
        may_wait: bool,
        reply: &mut Reply<'_>,
    ) -> Answer {
        let Some(cluster) = &mut self.cluster else {
            let text = if self.is_clustered {
                "LOADING Redis is loading the dataset in memory"
            } else {
                "ERR This instance has cluster support disabled"
            };
            reply.error(text);
            return Answer::Done;
        };
        let keys = replication::KeysOf(&asked.shared.keyspace);
        // Clients come in; what goes out and asks is the link to our primary.
        let is_stream = asked.conn.is_outbound();
        if may_wait && !is_stream && waits::is_set_slot(args) && self.journal.replicas_know_slots() {
            return match cluster.check_set_slot(args, &keys) {
                Ok(patience) => {
                    self.waits.begin_set_slot(asked.conn, args, patience);
                    Answer::Block
                }
                Err(text) => {
                    reply.error(text);
                    Answer::Done
                }
            };
        }
        let asker = cluster::Asker { is_stream, may_wait: may_wait && !is_stream, ..Default::default() };
        let at = reply.out().len();
        let write = cluster.ask(asked.now, args, asker, &keys, reply, &mut self.cluster_acts);
        let is_done = reply.out().get(at) == Some(&b'+');
        if is_done && !is_stream && waits::is_set_slot(args) && self.journal.replicas_know_slots() {
            self.waits.tell(args);
        }
        match write {
            Some(write) => {
                self.waits.save(asked.conn, write);
                Answer::Block
            }
            None => self.yielding(),
        }
    }

    fn on_psync(&mut self, asked: &mut Asked<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Answer {
        if self.cluster.as_ref().is_some_and(Cluster::refuses_psync) {
            reply.error("NOMASTERLINK this primary may lack data that its replica has; ask again");
            return Answer::Done;
        }
        if self.is_clustered && args.len() > 3 {
            reply.error("ERR PSYNC FAILOVER is not part of a cluster: CLUSTER FAILOVER is");
            return Answer::Done;
        }
        let (conn, peer) = (asked.conn, asked.peer);
        let (journal, mut turn) = self.turn(asked.now, asked.shared, asked.out);
        match journal.psync(conn, peer, args, &mut turn) {
            Ok(()) => {
                if asked.shared.config.yes(id::REPL_DISABLE_TCP_NODELAY) {
                    asked.out.put(Output::Host(HostSetting::Gather(conn)));
                }
                Answer::Link
            }
            Err(text) => {
                reply.error(text);
                self.yielding()
            }
        }
    }

    fn on_replconf(&mut self, asked: &mut Asked<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Answer {
        let conn = asked.conn;
        let (journal, mut turn) = self.turn(asked.now, asked.shared, asked.out);
        match journal.replconf(conn, args, &mut turn) {
            journal::Replconf::Ok => reply.ok(),
            journal::Replconf::Silent => {}
            journal::Replconf::Refused(text) => reply.error(text),
        }
        self.yielding()
    }

    fn on_replicaof(&mut self, asked: &mut Asked<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Answer {
        let (Some(host), Some(port)) = (args.get(1), args.get(2)) else {
            reply.error("ERR syntax error");
            return Answer::Done;
        };
        if self.handover.is_some() {
            reply.error("ERR REPLICAOF not allowed while failing over.");
            return Answer::Done;
        }
        if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
            if self.journal.primary().is_some() {
                let peer = asked.peer.remote.to_string();
                asked.out.log(
                    Level::Notice,
                    alloc::format!("MASTER MODE enabled (user request from 'addr={peer}')"),
                );
                let (journal, mut turn) = self.turn(asked.now, asked.shared, asked.out);
                journal.lead(&mut turn);
            }
            reply.ok();
            return Answer::Yield;
        }
        if host.eq_ignore_ascii_case(b"full") && port.eq_ignore_ascii_case(b"sync") {
            let (journal, mut turn) = self.turn(asked.now, asked.shared, asked.out);
            let text =
                if journal.accept_full_sync(&mut turn) { "OK" } else { "OK No data of a primary is refused" };
            reply.simple(text);
            return Answer::Yield;
        }
        let Some(address) = settings::primary_address(host, port) else {
            reply.error("ERR Invalid master port");
            return Answer::Done;
        };
        if self.journal.primary() == Some(&address) {
            reply.simple("OK Already connected to specified master");
            return Answer::Done;
        }
        let peer = asked.peer.remote.to_string();
        asked.out.log(
            Level::Notice,
            alloc::format!("REPLICAOF {address} enabled (user request from 'addr={peer}')"),
        );
        // Within a transaction: what it has changed stays here and is nobody else's history.
        let has_changed = asked.shared.feed.drop_unit();
        let (journal, mut turn) = self.turn(asked.now, asked.shared, asked.out);
        if has_changed {
            journal.change_replid();
        }
        journal.follow(address, &mut turn);
        reply.ok();
        Answer::Yield
    }

    /// A message goes to the other nodes as well.
    fn on_publish(&mut self, asked: &Asked<'_>, event: cluster::Event<'_>) -> Answer {
        if let Some(cluster) = &mut self.cluster {
            cluster.handle(asked.now, event, &mut self.dialer, &mut self.cluster_acts);
        }
        self.yielding()
    }

    fn on_cut_primary(&mut self, asked: &mut Asked<'_>, remote: Option<&[u8]>) -> Answer {
        let is_meant =
            |primary: &Address| remote.is_none_or(|remote| primary.to_string().as_bytes() == remote);
        if !self.journal.primary().is_some_and(is_meant) {
            return Answer::Refused(Refusal::NoSuchClient);
        }
        let (journal, mut turn) = self.turn(asked.now, asked.shared, asked.out);
        if journal.cut_primary(&mut turn) { self.yielding() } else { Answer::Refused(Refusal::NoSuchClient) }
    }

    fn on_save(&mut self, asked: &Asked<'_>, reply: &mut Reply<'_>) -> Answer {
        match self.journal.save(Some(asked.conn)) {
            Ok(()) => Answer::Block,
            Err(text) => {
                reply.error(text);
                Answer::Done
            }
        }
    }

    fn on_bgsave(&mut self, schedule: bool, in_exec: bool, reply: &mut Reply<'_>) -> Answer {
        let started = match (schedule, in_exec) {
            (true, false) => Ok(self.journal.schedule_save()),
            (_, true) => self.journal.save_behind_exec().map(|()| false).map_err(String::from),
            (false, false) => self.journal.save(None).map(|()| true),
        };
        match started {
            Ok(true) => reply.simple("Background saving started"),
            Ok(false) => reply.simple("Background saving scheduled"),
            Err(text) => reply.error(text),
        }
        Answer::Done
    }

    fn on_shutdown(&mut self, asked: &mut Asked<'_>, wish: Shutdown, reply: &mut Reply<'_>) -> Answer {
        if wish.abort {
            let Some(stopping) = self.stopping.take() else {
                reply.error("ERR No shutdown in progress.");
                return Answer::Done;
            };
            if stopping.is_begun {
                self.journal.abort_shutdown();
            }
            asked.out.log(Level::Notice, "Shutdown manually aborted.");
            self.turned_away = stopping.askers;
            reply.ok();
            // Those who wait for it are answered right behind this request.
            return Answer::Yield;
        }
        asked.out.log(Level::Warning, "User requested shutdown...");
        let wish = ShutdownWish { save: wish.save, now: wish.now, force: wish.force, is_signal: false };
        self.begin_shutdown(wish, Some(asked.conn));
        Answer::Block
    }

    fn on_wait(
        &mut self,
        asked: &Asked<'_>,
        replicas: u64,
        offset: u64,
        timeout: Option<Span>,
        reply: &mut Reply<'_>,
    ) -> Answer {
        match self.journal.wait(asked.conn, offset, replicas, timeout, asked.now) {
            Some(acked) => {
                reply.integer(i64::from(acked));
                Answer::Done
            }
            None => Answer::Block,
        }
    }

    fn on_wait_aof(
        &mut self,
        asked: &Asked<'_>,
        (here, replicas): (bool, u64),
        offset: u64,
        timeout: Option<Span>,
        reply: &mut Reply<'_>,
    ) -> Answer {
        match self.journal.wait_aof(asked.conn, offset, (here, replicas), timeout, asked.now) {
            Ok(Some((is_local, acked))) => replication::wait_aof_answer(reply, is_local, acked),
            Ok(None) => return Answer::Block,
            Err(text) => reply.error(text),
        }
        Answer::Done
    }

    fn on_rewrite_aof(&mut self, in_exec: bool, reply: &mut Reply<'_>) -> Answer {
        match self.journal.rewrite_aof(in_exec) {
            Ok(text) => reply.simple(text),
            Err(text) => reply.error(text),
        }
        Answer::Done
    }
}

impl Rest {
    fn on_role(&mut self, asked: &Asked<'_>, reply: &mut Reply<'_>) -> Answer {
        self.journal.role(asked.now, reply);
        Answer::Done
    }
}

impl Outside for Rest {
    fn ask(&mut self, asked: &mut Asked<'_>, question: Question<'_>, reply: &mut Reply<'_>) -> Answer {
        self.is_stirred = true;
        match question {
            Question::Cluster { args, may_wait } => self.on_cluster(asked, args, may_wait, reply),
            Question::Psync(args) => self.on_psync(asked, args, reply),
            Question::Replconf(args) => self.on_replconf(asked, args, reply),
            Question::Replicaof(args) => self.on_replicaof(asked, args, reply),
            Question::Failover(args) => self.on_failover(asked, args, reply),
            Question::Role => self.on_role(asked, reply),
            Question::Wait { replicas, offset, timeout } => {
                self.on_wait(asked, replicas, offset, timeout, reply)
            }
            Question::Save => self.on_save(asked, reply),
            Question::Bgsave { schedule, in_exec } => self.on_bgsave(schedule, in_exec, reply),
            Question::WaitAof { here, replicas, offset, timeout } => {
                self.on_wait_aof(asked, (here, replicas), offset, timeout, reply)
            }
            Question::ReloadAof => self.on_reload_aof(asked, reply),
            Question::RewriteAof { in_exec } => self.on_rewrite_aof(in_exec, reply),
            Question::Lastsave => {
                reply.integer(self.journal.last_save().as_seconds() as i64);
                Answer::Done
            }
            Question::Shutdown(wish) => self.on_shutdown(asked, wish, reply),
            Question::Info(facts) => {
                self.fill(asked.now, &asked.shared.config, facts);
                Answer::Done
            }
            Question::ConfigChanged { changed, before, may_wait } => {
                self.on_config_changed(asked, changed, before, may_wait)
            }
            Question::Allocator { name, value, is_text } => self.on_allocator(asked, name, value, is_text),
            Question::RewriteConfig { extent, may_wait } => {
                self.on_config_rewrite(asked, extent, may_wait, reply)
            }
            Question::ResetStats => {
                self.journal.reset_stats();
                Answer::Done
            }
            Question::Publish { channel, message, is_sharded } => {
                self.on_publish(asked, cluster::Event::Publish { channel, message, is_sharded })
            }
            Question::Reload { saves, flushes, merges } => {
                self.on_reload(asked, saves, flushes, merges, reply)
            }
            Question::Unblock { conn, with_error } => {
                let waited = self.journal.unblock(conn, with_error, &mut self.journal_acts);
                reply.integer(i64::from(waited));
                self.yielding()
            }
            Question::CutPrimary { remote } => self.on_cut_primary(asked, remote),
            Question::Replicate { args } => {
                self.waits.tell(args);
                reply.ok();
                Answer::Done
            }
            Question::ChangeReplid => {
                self.journal.change_replid();
                reply.ok();
                Answer::Done
            }
            Question::FlushedAll { may_wait } => {
                match self.journal.flushed_all(may_wait.then_some(asked.conn)) {
                    true => Answer::Block,
                    false => Answer::Done,
                }
            }
        }
    }
}

/// The reason of a refusal as a client reads it.
pub(crate) fn shutdown_refused() -> String {
    String::from("ERR Errors trying to SHUTDOWN. Check logs.")
}
