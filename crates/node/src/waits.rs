//! Waits: CLUSTER subcommands whose answers come later.
//!
//! ```text
//!   SAVECONFIG   nodes.conf is written --durable--> OK
//!                                      --failed---> the error
//!   SETSLOT      told to the replicas --all have it--> done here, and its answer
//!                                     --too late-----> NOREPLICAS, nothing is done here
//! ```
//!
//! SETSLOT goes that way when all replicas execute it. Whichever of them takes over then knows of it, whatever happens
//! to this node after the answer.

use crate::node::Node;
use crate::outside::Rest;
use crate::replication::KeysOf;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use base::{Now, Span};
use cluster::{Asker, Cluster};
use engine::{Answer, Asked};
use machine::{ConnId, Disk, WriteId};
use spec::Refusal;
use wire::reply::Reply;
use wire::{Args, Batch};

/// Who waits for what. Bound: one entry per client.
#[derive(Default)]
pub(crate) struct Waits {
    saves: BTreeMap<WriteId, ConnId>,
    set_slots: BTreeMap<ConnId, SetSlot>,
}

/// A SETSLOT that the replicas are to know first.
struct SetSlot {
    request: Batch,
    replicas: u32,
}

impl Waits {
    /// The client waits until this write is durable.
    pub(crate) fn save(&mut self, conn: ConnId, write: WriteId) {
        self.saves.insert(write, conn);
    }

    /// The client is gone, or waits no more.
    pub(crate) fn forget(&mut self, conn: ConnId) {
        self.saves.retain(|_, waiting| *waiting != conn);
        self.set_slots.remove(&conn);
    }

    /// All who wait were answered otherwise.
    pub(crate) fn clear(&mut self) {
        self.saves.clear();
        self.set_slots.clear();
    }
}

/// True for CLUSTER SETSLOT.
pub(crate) fn is_set_slot(args: Args<'_>) -> bool {
    args.get(1).is_some_and(|name| name.eq_ignore_ascii_case(b"setslot"))
}

impl Rest {
    /// Tells the replicas of a SETSLOT that was checked, and waits for them.
    pub(crate) fn begin_set_slot(
        &mut self,
        asked: &mut Asked<'_>,
        args: Args<'_>,
        patience: Option<Span>,
    ) -> Answer {
        let words: Vec<&[u8]> = args.iter().collect();
        asked.shared.feed.effect(asked.db, words.iter().copied());
        let (conn, replicas) = (asked.conn, self.journal.replicas_online());
        let offset = asked.shared.feed.offset;
        let request = [words.as_slice()].into_iter().collect();
        self.waits.set_slots.insert(conn, SetSlot { request, replicas });
        if let Some(acked) = self.journal.wait(conn, offset, u64::from(replicas), patience, asked.now) {
            // Nobody is in step: whoever comes in step is told anew.
            self.journal_acts.push(journal::Act::WaitDone { conn, acked });
        }
        Answer::Block
    }
}

impl Node {
    /// The replicas of a client that waits have acknowledged, or its time is over. False when it waits for nothing here.
    pub(crate) fn end_set_slot(&mut self, now: Now, conn: ConnId, acked: u32) -> bool {
        let Some(wait) = self.rest.waits.set_slots.remove(&conn) else { return false };
        let Some(cluster) = &mut self.rest.cluster else { return false };
        let mut bytes = Vec::new();
        let mut reply = Reply::new(&mut bytes, false);
        if acked >= wait.replicas {
            let keys = KeysOf(&self.engine.shared.keyspace);
            let args = wait.request.request(0);
            cluster.ask(now, args, Asker::default(), &keys, &mut reply, &mut self.rest.cluster_acts);
        } else {
            reply.error_display(Refusal::NoReplicas);
        }
        self.engine.unblock(conn, |reply| reply.raw(&bytes));
        true
    }

    /// A write of nodes.conf has ended.
    pub(crate) fn end_saves(&mut self, disk: &Disk) {
        let Some(conn) = self.rest.waits.saves.remove(&disk.write) else { return };
        self.engine.unblock(conn, |reply| match &disk.result {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(Cluster::save_refused(&alloc::format!("{error}"))),
        });
    }
}
