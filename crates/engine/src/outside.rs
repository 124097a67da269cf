//! Outside: what the engine asks of the parts that it does not know (replication, snapshots, cluster).
//!
//! A handler turns its request into a [`Question`]; whoever runs the engine answers at once, within the same
//! call, so no request runs between question and answer and the reply stands in its order.

use crate::Shared;
use base::{Now, Span};
use machine::{ConnId, Outbox, Peer};
use spec::Refusal;
use wire::batch::Args;
use wire::reply::Reply;

/// Whoever runs the engine: `node`, or a test.
pub trait Outside {
    /// Answers a question of a connection. What the client is to read is written to `reply`.
    fn ask(&mut self, asked: &mut Asked<'_>, question: Question<'_>, reply: &mut Reply<'_>) -> Answer;
}

/// Who asks, and what may be touched for the answer.
pub struct Asked<'a> {
    /// The present.
    pub now: Now,
    /// Whose request it is. During [`crate::Engine::apply`] this is the primary's link.
    pub conn: ConnId,
    /// The two ends of that connection.
    pub peer: &'a Peer,
    /// The database that the connection has selected.
    pub db: u32,
    /// The engine's state that other parts work on too.
    pub shared: &'a mut Shared,
    /// For outputs of one's own. What the connection was answered before is put out before a [`Question::Psync`].
    pub out: &'a mut Outbox,
}

/// A request that the engine can not answer alone.
#[derive(Debug)]
pub enum Question<'a> {
    /// CLUSTER with this subcommand and arguments (`args[0]` is `cluster`). KEYSLOT, COUNTKEYSINSLOT and
    /// GETKEYSINSLOT are answered by the engine itself. With [`Answer::Block`] the reply comes by
    /// [`crate::Engine::unblock`].
    Cluster {
        /// The whole request.
        args: Args<'a>,
        /// False within a transaction.
        may_wait: bool,
    },
    /// PSYNC or SYNC. With [`Answer::Link`] the connection belongs to replication: the engine has put out
    /// all earlier replies, and puts out what is in `reply` at once.
    Psync(Args<'a>),
    /// REPLCONF.
    Replconf(Args<'a>),
    /// REPLICAOF or SLAVEOF (never in cluster mode).
    Replicaof(Args<'a>),
    /// FAILOVER.
    Failover(Args<'a>),
    /// ROLE.
    Role,
    /// WAIT: with [`Answer::Block`] the reply comes by [`crate::Engine::unblock`].
    Wait {
        /// How many replicas.
        replicas: u64,
        /// The journal offset that they are to acknowledge: that of the connection's last write.
        offset: u64,
        /// How long; none: for ever; zero: answer what is known now (a transaction does not wait).
        timeout: Option<Span>,
    },
    /// WAITAOF: as WAIT, for the append-only files.
    WaitAof {
        /// On this server's disk, too.
        here: bool,
        /// On the disks of how many replicas.
        replicas: u64,
        /// The journal offset of the connection's last write.
        offset: u64,
        /// As for WAIT.
        timeout: Option<Span>,
    },
    /// SAVE.
    Save,
    /// BGSAVE.
    Bgsave {
        /// Wait for a running rewrite instead of refusing.
        schedule: bool,
        /// It begins behind the transaction: that is what the client reads.
        in_exec: bool,
    },
    /// BGREWRITEAOF.
    RewriteAof {
        /// It begins behind the transaction: that is what the client reads.
        in_exec: bool,
    },
    /// DEBUG LOADAOF: as [`Question::Reload`], from the append-only file.
    ReloadAof,
    /// LASTSAVE.
    Lastsave,
    /// SHUTDOWN. With [`Answer::Done`] and an empty `reply` nothing is said.
    Shutdown(Shutdown),
    /// INFO: fill in what the engine does not know.
    Info(&'a mut spec::Facts),
    /// CONFIG SET has changed directives in `asked.shared.config`: apply what is yours. What the world can refuse leaves
    /// the connection blocked until it has answered.
    ConfigChanged {
        /// Which, in the order of the request.
        changed: &'a [spec::DirectiveId],
        /// The configuration before.
        before: &'a spec::Config,
        /// False within a transaction: it takes the change for granted, and a refusal is only told to the log.
        may_wait: bool,
    },
    /// CONFIG REWRITE: bring the configuration file up to date.
    RewriteConfig {
        /// Which values it mentions.
        extent: spec::config::Extent,
        /// As above.
        may_wait: bool,
    },
    /// DEBUG MALLCTL and MALLCTL-STR. The reply comes by [`crate::Engine::unblock`].
    Allocator {
        /// Which of the allocator's controls.
        name: &'a [u8],
        /// What it becomes.
        value: Option<&'a [u8]>,
        /// It is a text.
        is_text: bool,
    },
    /// CONFIG RESETSTAT: your counters too.
    ResetStats,
    /// PUBLISH in cluster mode: pass it on over the bus.
    Publish {
        /// The channel.
        channel: &'a [u8],
        /// The message.
        message: &'a [u8],
        /// A sharded channel.
        is_sharded: bool,
    },
    /// DEBUG RELOAD: with [`Answer::Block`] the reply comes by [`crate::Engine::unblock`], and nobody's request
    /// runs before it.
    Reload {
        /// Write the file first.
        saves: bool,
        /// Drop the data before the load.
        flushes: bool,
        /// A key of the file takes the place of one that is there.
        merges: bool,
    },
    /// CLIENT UNBLOCK: end the WAIT of this connection, with an error or as if its time were over. `1` is
    /// written where it waited, `0` where it did not.
    Unblock {
        /// Who waits.
        conn: ConnId,
        /// It is told that it was unblocked.
        with_error: bool,
    },
    /// CLIENT KILL: cut the link to the primary. [`Refusal::NoSuchClient`] where there is none that is meant.
    CutPrimary {
        /// Only if this is its address.
        remote: Option<&'a [u8]>,
    },
    /// DEBUG REPLICATE: send this to the replicas.
    Replicate {
        /// The words.
        args: Args<'a>,
    },
    /// DEBUG CHANGE-REPL-ID: begin a new history.
    ChangeReplid,
    /// All data was removed on purpose (FLUSHALL): a save in the background is to end, and where there are save points the
    /// file is to be as empty as the data. With [`Answer::Block`] the client waits for that.
    FlushedAll {
        /// It can: no transaction, no stream.
        may_wait: bool,
    },
}

/// The options of SHUTDOWN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shutdown {
    /// SAVE or NOSAVE, where one was given.
    pub save: Option<bool>,
    /// NOW: do not wait for lagging replicas.
    pub now: bool,
    /// FORCE: stop even if saving fails.
    pub force: bool,
    /// ABORT: cancel a shutdown that waits.
    pub abort: bool,
}

/// What a question leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The reply is written; go on.
    Done,
    /// The request is refused; nothing is in `reply`.
    Refused(Refusal),
    /// The reply is written, but the next request of anyone must wait until the caller has applied something:
    /// `run` returns `Ran::Yield`.
    Yield,
    /// No reply yet: the connection's requests wait for [`crate::Engine::unblock`].
    Block,
    /// Within a transaction, whose requests all run at once: the answer is OK, unless [`crate::Engine::settle`] says otherwise of
    /// this number. The transaction's reply waits for that.
    Later(u64),
    /// The connection is a replica's link from now on; it gets no pushes and no output limits of a client.
    Link,
}
