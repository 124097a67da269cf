//! CLUSTER subcommands about nodes, roles and epochs.

use super::{Answer, Question, number, shown};
use crate::event::Act;
use crate::view::Node;
use crate::{Cluster, Turn};
use alloc::format;
use alloc::string::{String, ToString};
use base::Id;
use core::net::IpAddr;
use machine::Level;
use wire::bus::Flags;

impl Cluster {
    pub(super) fn ask_meet(&mut self, turn: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        let args = ask.args;
        let port = base::number::parse_i64(args.at(1))
            .ok_or_else(|| format!("ERR Invalid TCP base port specified: {}", shown(args.at(1))))?;
        let bus_port = match args.get(2) {
            Some(text) => base::number::parse_i64(text)
                .ok_or_else(|| format!("ERR Invalid TCP bus port specified: {}", shown(text)))?,
            None => port.saturating_add(10_000),
        };
        let ip = core::str::from_utf8(args.at(0)).ok().and_then(|text| text.parse::<IpAddr>().ok());
        let valid = |port: i64| u16::try_from(port).ok().filter(|port| *port != 0);
        let (Some(ip), Some(port), Some(bus_port)) = (ip, valid(port), valid(bus_port)) else {
            return Err(format!(
                "ERR Invalid node address specified: {}:{}",
                shown(args.at(0)),
                shown(args.at(1))
            ));
        };
        let ip = ip.to_string();
        if !self.is_handshaking_with(&ip, bus_port) && self.view.count() < crate::view::NODES_MAX {
            let flags = Flags::HANDSHAKE.with(Flags::MEET);
            let mut node = Node::new(Id::random(&mut self.random), flags, turn.now.mono);
            node.ip = ip;
            (node.port, node.bus_port) = (port, bus_port);
            self.view.add(node);
            self.hurry = true;
        }
        ask.reply.ok();
        Ok(())
    }

    pub(super) fn ask_forget(&mut self, turn: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        let index = self.known(ask.args.at(0))?;
        if index == self.view.me {
            return Err("ERR I tried hard but I can't forget myself...".into());
        }
        if !self.view.me().is_primary() && self.view.me().primary == Some(index) {
            return Err("ERR Can't forget my master!".into());
        }
        self.banned.insert(self.view.node(index).id, turn.now.mono + self.settings.ban);
        self.forget(turn, index);
        ask.reply.ok();
        Ok(())
    }

    pub(super) fn ask_replicate(&mut self, turn: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        let index = self.known(ask.args.at(0))?;
        if index == self.view.me {
            return Err("ERR Can't replicate myself".into());
        }
        if !self.view.node(index).is_primary() {
            return Err("ERR I can only replicate a master, not a replica.".into());
        }
        let me = self.view.me();
        if me.is_primary() && (me.slot_count != 0 || !ask.keys.is_empty()) {
            return Err("ERR To set a master the node must be empty and without assigned slots.".into());
        }
        self.follow(turn, index);
        // The others need not wait for the next ping to learn it.
        self.broadcast_pong(turn, |_, _| true);
        ask.reply.ok();
        Ok(())
    }

    pub(super) fn ask_failover(&mut self, turn: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        let (is_forced, takes_over) = match ask.args.get(0).map(<[u8]>::to_ascii_lowercase).as_deref() {
            None => (false, false),
            Some(b"force") => (true, false),
            Some(b"takeover") => (true, true),
            Some(_) => return Err("ERR syntax error".into()),
        };
        if self.view.me().is_primary() {
            return Err("ERR You should send CLUSTER FAILOVER to a replica".into());
        }
        let Some(primary) = self.view.me().primary else {
            return Err("ERR I'm a replica but my master is unknown to me".into());
        };
        // A link that is only coming up is enough: the primary is asked as soon as it stands.
        let is_up = !self.view.node(primary).is_failed() && self.view.node(primary).link.is_some();
        if !is_forced && !is_up {
            return Err("ERR Master is down or failed, please use CLUSTER FAILOVER FORCE".into());
        }
        self.begin_manual(turn, is_forced);
        if takes_over {
            turn.log(Level::Warning, "Taking over the master (user request).");
            self.bump_epoch(turn);
            self.replace_primary(turn);
        } else {
            let how = if is_forced {
                "Forced failover user request accepted."
            } else {
                "Manual failover user request accepted."
            };
            turn.log(Level::Warning, how);
        }
        ask.reply.ok();
        Ok(())
    }

    pub(super) fn ask_reset(&mut self, turn: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        let is_hard = match ask.args.get(0).map(<[u8]>::to_ascii_lowercase).as_deref() {
            None | Some(b"soft") => false,
            Some(b"hard") => true,
            Some(_) => return Err("ERR syntax error".into()),
        };
        let me = self.view.me;
        if self.view.me().is_primary() && !ask.keys.is_empty() {
            return Err("ERR CLUSTER RESET can't be called with master nodes containing keys".into());
        }
        if !self.view.me().is_primary() {
            self.make_primary(me);
            turn.acts.push(Act::FlushData);
        }
        self.reset_manual(turn);
        self.election.reset();
        self.probation = None;
        self.view.migrating.clear();
        self.view.importing.clear();
        (0..crate::SLOTS as u16).for_each(|slot| self.view.set_owner(slot, None));
        self.view.me_mut().shard = Some(Id::random(&mut self.random));
        for index in self.view.indexes().into_iter().filter(|index| *index != me) {
            self.forget(turn, index);
        }
        if is_hard {
            (self.view.current_epoch, self.view.last_vote_epoch) = (0, 0);
            self.view.me_mut().config_epoch = 0;
            let old = self.my_id();
            let id = Id::random(&mut self.random);
            self.view.rename(me, id);
            turn.log(
                Level::Warning,
                format!("configEpoch set to 0 and node id changed from {old} to {id} after a hard reset"),
            );
        }
        self.mark_changed();
        self.promise(turn);
        ask.reply.ok();
        Ok(())
    }

    pub(super) fn ask_save_config(&mut self, turn: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        if !ask.asker.may_wait && self.saving.is_broken {
            // The last write's failure is what can be told without waiting for this one.
            return Err(Cluster::save_refused("the last write has failed"));
        }
        let write = self.save(turn);
        if ask.asker.may_wait {
            ask.write = Some(write);
        } else {
            ask.reply.ok();
        }
        Ok(())
    }

    /// The answer to a SAVECONFIG whose write has failed.
    pub fn save_refused(why: &str) -> String {
        format!("ERR error saving the cluster node config: {why}")
    }

    pub(super) fn ask_bump_epoch(&mut self, turn: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        let word = if self.bump_epoch(turn) { "BUMPED" } else { "STILL" };
        ask.reply.simple(&format!("{word} {}", self.view.me().config_epoch));
        Ok(())
    }

    pub(super) fn ask_set_config_epoch(&mut self, turn: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        let value = number(ask.args.at(0))?;
        let epoch =
            u64::try_from(value).map_err(|_| format!("ERR Invalid config epoch specified: {value}"))?;
        if self.view.count() > 1 {
            return Err(
                "ERR The user can assign a config epoch only when the node does not know any other node."
                    .into(),
            );
        }
        if self.view.me().config_epoch != 0 {
            return Err("ERR Node config epoch is already non-zero".into());
        }
        self.view.me_mut().config_epoch = epoch;
        self.view.current_epoch = self.view.current_epoch.max(epoch);
        turn.log(Level::Warning, format!("configEpoch set to {epoch} via CLUSTER SET-CONFIG-EPOCH"));
        self.mark_changed();
        self.promise(turn);
        ask.reply.ok();
        Ok(())
    }
}
