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
use machine::{ConnId, Disk, Outbox, WriteId};
use spec::Refusal;
use wire::reply::Reply;
use wire::{Args, Batch};

/// Who waits for what. Bound: one entry per client.
#[derive(Default)]
pub(crate) struct Waits {
    saves: BTreeMap<WriteId, ConnId>,
    set_slots: BTreeMap<ConnId, SetSlot>,
    /// SETSLOTs for the replicas at the end of this turn. They are no effects: a file must not repeat them.
    pub(crate) untold: Vec<u8>,
    /// Those whose SETSLOT is among these.
    fresh: Vec<ConnId>,
}

/// A SETSLOT that the replicas are to know first.
struct SetSlot {
    request: Batch,
    patience: Option<Span>,
    replicas: u32,
}

impl Waits {
    /// The client waits until this write is durable.
    pub(crate) fn save(&mut self, conn: ConnId, write: WriteId) {
        self.saves.insert(write, conn);
    }

    /// The replicas hear of a SETSLOT.
    pub(crate) fn tell(&mut self, args: Args<'_>) {
        let words: Vec<&[u8]> = args.iter().collect();
        wire::request(&mut self.untold, &words);
    }

    /// The replicas hear of a SETSLOT that was checked; the client waits for them.
    pub(crate) fn begin_set_slot(&mut self, conn: ConnId, args: Args<'_>, patience: Option<Span>) {
        self.tell(args);
        let words: Vec<&[u8]> = args.iter().collect();
        let request = [words.as_slice()].into_iter().collect();
        self.set_slots.insert(conn, SetSlot { request, patience, replicas: 0 });
        self.fresh.push(conn);
    }

    /// The client is gone, or waits no more.
    pub(crate) fn forget(&mut self, conn: ConnId) {
        self.saves.retain(|_, waiting| *waiting != conn);
        self.set_slots.remove(&conn);
    }

    /// All who wait were answered otherwise.
    pub(crate) fn clear(&mut self) {
        *self = Waits::default();
    }
}

/// True for CLUSTER SETSLOT.
pub(crate) fn is_set_slot(args: Args<'_>) -> bool {
    args.get(1).is_some_and(|name| name.eq_ignore_ascii_case(b"setslot"))
}

impl Node {
    /// Puts this turn's SETSLOTs behind its effects, and begins to wait for who has them.
    pub(crate) fn tell_set_slots(&mut self, now: Now, out: &mut Outbox) {
        if self.rest.waits.untold.is_empty() {
            return;
        }
        let bytes = core::mem::take(&mut self.rest.waits.untold);
        self.with_turn(now, out, |journal, _| journal.tell_replicas(bytes));
        let Rest { journal, waits, journal_acts, .. } = &mut self.rest;
        let (offset, replicas) = (journal.offset(), journal.replicas_online());
        for conn in core::mem::take(&mut waits.fresh) {
            let Some(wait) = waits.set_slots.get_mut(&conn) else { continue };
            wait.replicas = replicas;
            if let Some(acked) = journal.wait(conn, offset, u64::from(replicas), wait.patience, now) {
                // Nobody is in step: whoever comes in step is told anew.
                journal_acts.push(journal::Act::WaitDone { conn, acked });
            }
        }
    }

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
