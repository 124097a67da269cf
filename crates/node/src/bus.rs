//! The cluster's consequences: its acts become outputs, a role, a route table, keys to drop.

use crate::node::{Node, drained};
use crate::settings;
use alloc::vec::Vec;
use base::Now;
use cluster::{Act, Event, Facts};
use machine::{Closing, ConnId, Disk, DiskOp, Level, Outbox, Output, Peer};
use wire::Mode;

impl Node {
    /// Gives the bus machine one event.
    pub(crate) fn bus(&mut self, now: Now, event: Event<'_>) {
        let facts = self.bus_facts();
        let rest = &mut self.rest;
        if let Some(cluster) = &mut rest.cluster {
            cluster.observe(facts);
            cluster.handle(now, event, &mut rest.dialer, &mut rest.cluster_acts);
        }
    }

    /// What the bus needs to know of data and replication.
    pub(crate) fn bus_facts(&self) -> Facts {
        let journal = &self.rest.journal;
        let primary = journal.primary().is_some();
        Facts {
            offset: journal.offset(),
            data_offset: journal.data_offset(),
            is_empty: self.engine.shared.keyspace.is_empty(),
            is_link_up: primary && journal.is_linked(),
            heard_at: if primary { journal.heard_at() } else { None },
            primary_lacks: journal.primary_lacks().is_some(),
        }
    }

    /// Called in every seal: a manual failover may wait for an offset.
    pub(crate) fn observe(&mut self, now: Now, out: &mut Outbox) {
        let facts = self.bus_facts();
        let Some(cluster) = &mut self.rest.cluster else { return };
        self.rest.journal.trust_primary(cluster.has_kindred_primary());
        cluster.observe(facts);
        if cluster.wake_at() <= now.mono {
            self.bus(now, Event::Tick);
            self.settle(now, out);
        }
    }

    pub(crate) fn on_bus_opened(&mut self, now: Now, conn: ConnId, peer: &Peer, out: &mut Outbox) {
        if self.rest.cluster.is_none() {
            // Still loading, or no cluster node at all: the other side tries again.
            out.put(Output::Close { conn, closing: Closing::Now });
            return;
        }
        self.rest.buses.insert(conn);
        self.bus(now, Event::Accepted { conn, peer });
        self.settle(now, out);
    }

    pub(crate) fn on_connected(
        &mut self,
        now: Now,
        conn: ConnId,
        result: Result<Peer, alloc::string::String>,
        out: &mut Outbox,
    ) {
        let has_failed = result.is_err();
        if self.rest.is_bus(conn) {
            let told = result.as_ref().map_err(|text| text.as_str());
            self.bus(now, Event::Connected { conn, result: told });
            if has_failed {
                self.rest.forget_bus(conn);
                self.rest.give_back(conn);
            }
        } else if self.rest.journal.owns_conn(conn) {
            self.with_turn(now, out, |journal, turn| journal.on_connected(conn, result, turn));
        } else if self.engine.owns_move(conn) {
            self.engine.on_move_connected(now, conn, !has_failed, &mut self.rest.dialer);
        }
        self.settle(now, out);
    }

    pub(crate) fn on_disk(&mut self, now: Now, disk: Disk, out: &mut Outbox) {
        if cluster::Cluster::owns_write(disk.write) {
            self.end_saves(&disk);
            let is_done = disk.result.is_ok();
            if let Err(error) = disk.result {
                out.log(
                    Level::Warning,
                    alloc::format!("The cluster configuration can not be saved: {error}"),
                );
            }
            self.bus(now, Event::Written { write: disk.write, is_done });
            self.named(is_done, out);
        } else {
            self.with_turn(now, out, |journal, turn| journal.on_disk(&disk, turn));
        }
        self.settle(now, out);
    }

    /// Carries the bus machine's acts out. True if there were any.
    pub(crate) fn settle_cluster(&mut self, now: Now, out: &mut Outbox) -> bool {
        let acts = drained(&mut self.rest.cluster_acts);
        let had_some = !acts.is_empty();
        for act in acts {
            self.carry_out(now, act, out);
        }
        had_some
    }

    fn carry_out(&mut self, now: Now, act: Act, out: &mut Outbox) {
        match act {
            Act::Connect { conn, to } => {
                self.rest.buses.insert(conn);
                out.put(Output::Connect { conn, to, mode: Mode::Bus });
            }
            Act::Send { conn, bytes, after } => out.put(Output::Send { conn, bytes, after }),
            Act::Close { conn } => out.put(Output::Close { conn, closing: Closing::Now }),
            Act::SaveConf { write, bytes } => {
                let path = settings::nodes_conf(&self.engine.shared.config);
                out.put(Output::Disk(DiskOp::Replace { write, path, bytes }));
            }
            Act::RoutesChanged => self.take_routes(out),
            Act::Follow { ip, port, .. } => self.follow(now, &ip, port, out),
            Act::Promote => {
                if self.rest.journal.primary().is_some() {
                    self.with_turn(now, out, |journal, turn| journal.lead(turn));
                }
                self.note_standing(now);
            }
            Act::KeepKeys(slots) => {
                let keyspace = &self.engine.shared.keyspace;
                let kept: Vec<u16> = slots.into_iter().filter(|slot| keyspace.slot_len(*slot) > 0).collect();
                if !kept.is_empty() {
                    self.bus(now, Event::KeysKept { slots: &kept });
                }
            }
            Act::PauseClients { until } => {
                self.rest.paused_until = Some(until);
                self.rest.journal.hold_pings(true);
                self.engine.hold_writes(until);
            }
            Act::ResumeClients => {
                self.rest.paused_until = None;
                self.rest.journal.hold_pings(false);
                self.engine.resume_writes();
            }
            Act::Deliver { channel, message, is_sharded: true } => {
                self.engine.publish_sharded(&channel, &message, out);
            }
            Act::Deliver { channel, message, is_sharded: false } => {
                self.engine.publish(&channel, &message, out);
            }
            Act::FlushData => self.engine.drop_data(),
            Act::Log { level, text } => out.log(level, text),
        }
    }

    fn follow(&mut self, now: Now, ip: &str, port: u16, out: &mut Outbox) {
        let Some(address) = settings::primary_address(ip.as_bytes(), alloc::format!("{port}").as_bytes())
        else {
            return;
        };
        if self.rest.journal.primary() == Some(&address) {
            return;
        }
        self.with_turn(now, out, |journal, turn| journal.follow(address, turn));
        self.note_standing(now);
        self.engine.on_demoted();
        self.rest.waits.clear();
    }
}
