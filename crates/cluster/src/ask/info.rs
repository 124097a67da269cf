//! CLUSTER subcommands that only look.

use super::{Answer, Question, number, shown, valid_slot};
use crate::event::EndpointType;
use crate::view::unix_at;
use crate::{Cluster, NodeIndex, Turn};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::Id;
use core::fmt::Write;
use wire::bus::{Flags, Kind};

/// The text of CLUSTER HELP.
const HELP: &[&str] = &[
    "CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ADDSLOTS <slot> [<slot> ...]",
    "    Assign slots to current node.",
    "ADDSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
    "    Assign slots which are between <start-slot> and <end-slot> to current node.",
    "BUMPEPOCH",
    "    Advance the cluster config epoch.",
    "COUNT-FAILURE-REPORTS <node-id>",
    "    Return number of failure reports for <node-id>.",
    "COUNTKEYSINSLOT <slot>",
    "    Return the number of keys in <slot>.",
    "DELSLOTS <slot> [<slot> ...]",
    "    Delete slots information from current node.",
    "DELSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
    "    Delete slots information which are between <start-slot> and <end-slot> from current node.",
    "FAILOVER [FORCE|TAKEOVER]",
    "    Promote current replica node to being a master.",
    "FLUSHSLOTS",
    "    Delete current node own slots information.",
    "FORGET <node-id>",
    "    Remove a node from the cluster.",
    "GETKEYSINSLOT <slot> <count>",
    "    Return key names stored by current node in a slot.",
    "INFO",
    "    Return information about the cluster.",
    "KEYSLOT <key>",
    "    Return the hash slot for <key>.",
    "LINKS",
    "    Return information about all network links between this node and its peers.",
    "MEET <ip> <port> [<bus-port>]",
    "    Connect nodes into a working cluster.",
    "MYID",
    "    Return the node id.",
    "MYSHARDID",
    "    Return the shard id of the node.",
    "NODES",
    "    Return cluster configuration seen by node. Output format:",
    "    <id> <ip:port> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...",
    "REPLICAS <node-id>",
    "    Return <node-id> replicas.",
    "REPLICATE <node-id>",
    "    Configure current node as replica to <node-id>.",
    "RESET [HARD|SOFT]",
    "    Reset current node (default: soft).",
    "SAVECONFIG",
    "    Force saving cluster configuration on disk.",
    "SET-CONFIG-EPOCH <epoch>",
    "    Set config epoch of current node.",
    "SETSLOT <slot> (IMPORTING <node-id>|MIGRATING <node-id>|STABLE|NODE <node-id>)",
    "    Set slot state.",
    "SHARDS",
    "    Return information about slot range mappings and the nodes associated with them.",
    "SLOTS",
    "    Return information about slots range mappings. Each range is made of:",
    "    start, end, master and replicas IP addresses, ports and ids",
    "HELP",
    "    Print this help.",
];

impl Cluster {
    pub(super) fn ask_help(&mut self, _: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        ask.reply.array(HELP.len());
        HELP.iter().for_each(|line| ask.reply.simple(line));
        Ok(())
    }

    pub(super) fn ask_my_id(&mut self, _: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        ask.reply.bulk(self.my_id().as_bytes());
        Ok(())
    }

    pub(super) fn ask_my_shard_id(&mut self, _: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        ask.reply.bulk(self.view.shard_of(self.view.me).as_bytes());
        Ok(())
    }

    pub(super) fn ask_nodes(&mut self, turn: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        let mut text = String::new();
        for index in self.view.indexes() {
            self.conf_node(turn.now, index, !ask.asker.is_tls).show(&mut text);
            text.push('\n');
        }
        ask.reply.verbatim("txt", text.as_bytes());
        Ok(())
    }

    pub(super) fn ask_replicas(&mut self, turn: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        let index = self.known(ask.args.at(0))?;
        if !self.view.node(index).is_primary() {
            return Err("ERR The specified node is not a master".into());
        }
        let replicas = self.view.replicas_of(index);
        ask.reply.array(replicas.len());
        for replica in replicas {
            let mut text = String::new();
            self.conf_node(turn.now, replica, !ask.asker.is_tls).show(&mut text);
            ask.reply.bulk(text.as_bytes());
        }
        Ok(())
    }

    pub(super) fn known(&self, id: &[u8]) -> Result<u32, String> {
        let found = Id::parse(id).and_then(|id| self.view.find(id));
        found.ok_or_else(|| format!("ERR Unknown node {}", shown(id)))
    }

    /// CLUSTER INFO's text.
    pub fn info_text(&self) -> String {
        let (mut assigned, mut ok, mut pfail, mut fail) = (0, 0, 0, 0);
        // Nodes that are suspected and that have failed; of these, those that vote.
        let [mut suspected, mut failed, mut suspected_voters, mut failed_voters] = [0u64; 4];
        for (_, node) in self.view.nodes.iter() {
            assigned += node.slot_count;
            let is_suspected = node.flags.has(Flags::PFAIL);
            suspected += u64::from(is_suspected);
            suspected_voters += u64::from(is_suspected && node.is_voter());
            failed += u64::from(node.is_failed());
            failed_voters += u64::from(node.is_failed() && node.is_voter());
            match node.flags {
                flags if flags.has(Flags::FAIL) => fail += node.slot_count,
                flags if flags.has(Flags::PFAIL) => pfail += node.slot_count,
                _ => ok += node.slot_count,
            }
        }
        let mut text = String::new();
        let mut put = |name: &str, value: u64| {
            // Writing to a String does not fail.
            let _ = write!(text, "{name}:{value}\r\n");
        };
        put("cluster_slots_assigned", u64::from(assigned));
        put("cluster_slots_ok", u64::from(ok));
        put("cluster_slots_pfail", u64::from(pfail));
        put("cluster_slots_fail", u64::from(fail));
        put("cluster_nodes_pfail", suspected);
        put("cluster_nodes_fail", failed);
        put("cluster_voting_nodes_pfail", suspected_voters);
        put("cluster_voting_nodes_fail", failed_voters);
        put("cluster_known_nodes", self.view.count() as u64);
        put("cluster_size", self.view.size() as u64);
        put("cluster_current_epoch", self.view.current_epoch);
        put("cluster_my_epoch", self.view.node(self.view.primary_of(self.view.me)).config_epoch);
        for (traffic, way) in [(&self.sent, "sent"), (&self.received, "received")] {
            let counts = &traffic.frames;
            for (number, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                let kind = Kind::from_number(number as u16).expect("a counter for each kind");
                put(&format!("cluster_stats_messages_{}_{way}", kind.name()), count);
            }
            put(&format!("cluster_stats_messages_{way}"), counts.iter().sum());
        }
        for (part, bytes) in [
            ("", [self.sent.bytes, self.received.bytes]),
            ("pubsub_", [self.sent.publish_bytes, self.received.publish_bytes]),
            ("module_", [self.sent.module_bytes, self.received.module_bytes]),
        ] {
            put(&format!("cluster_stats_{part}bytes_sent"), bytes[0]);
            put(&format!("cluster_stats_{part}bytes_received"), bytes[1]);
        }
        put("total_cluster_links_buffer_limit_exceeded", self.links_over_limit);
        format!("cluster_state:{}\r\n{text}", if self.state.is_ok { "ok" } else { "fail" })
    }

    pub(super) fn ask_info(&mut self, _: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        ask.reply.verbatim("txt", self.info_text().as_bytes());
        Ok(())
    }

    pub(super) fn ask_slots(&mut self, _: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        let mut runs: Vec<(u16, u16, u32)> = Vec::new();
        for slot in 0..crate::SLOTS as u16 {
            match (self.view.owner(slot), runs.last_mut()) {
                (Some(owner), Some((_, last, before))) if *before == owner && *last + 1 == slot => {
                    *last = slot
                }
                (Some(owner), _) => runs.push((slot, slot, owner)),
                (None, _) => {}
            }
        }
        ask.reply.array(runs.len());
        for (first, last, owner) in runs {
            let replicas = self.view.replicas_of(owner).into_iter();
            let replicas: Vec<u32> = replicas.filter(|index| self.is_useful_replica(*index)).collect();
            ask.reply.array(3 + replicas.len());
            ask.reply.integer(i64::from(first));
            ask.reply.integer(i64::from(last));
            self.put_endpoint(ask, owner);
            replicas.into_iter().for_each(|replica| self.put_endpoint(ask, replica));
        }
        Ok(())
    }

    /// A replica that has begun to replicate.
    fn is_useful_replica(&self, index: u32) -> bool {
        !self.view.node(index).is_failed() && self.offset_of(index) != 0
    }

    fn offset_of(&self, index: u32) -> u64 {
        if index == self.view.me { self.facts.offset } else { self.view.node(index).offset }
    }

    /// Address, port, id and further names of a node, as CLUSTER SLOTS has them.
    fn put_endpoint(&self, ask: &mut Question<'_, '_>, index: u32) {
        let endpoint = self.endpoint(NodeIndex(index)).expect("an index in use has its node");
        ask.reply.array(4);
        self.put_host(ask, &endpoint.host);
        let port = if ask.asker.is_tls { endpoint.tls_port } else { endpoint.port };
        ask.reply.integer(i64::from(port));
        ask.reply.bulk(endpoint.id.as_bytes());
        let hostname = self.hostname(index);
        let has_ip = self.settings.endpoint != EndpointType::Ip;
        let has_name = self.settings.endpoint != EndpointType::Hostname && !hostname.is_empty();
        // Of Valkey's nodes, as Valkey shows it.
        let zone = &self.view.node(index).zone;
        ask.reply.map(usize::from(has_ip) + usize::from(has_name) + usize::from(!zone.is_empty()));
        if has_ip {
            ask.reply.bulk(b"ip");
            ask.reply.bulk(endpoint.ip.as_bytes());
        }
        if has_name {
            ask.reply.bulk(b"hostname");
            ask.reply.bulk(hostname.as_bytes());
        }
        if !zone.is_empty() {
            ask.reply.bulk(b"availability-zone");
            ask.reply.bulk(zone.as_bytes());
        }
    }

    fn put_host(&self, ask: &mut Question<'_, '_>, host: &str) {
        if self.settings.endpoint == EndpointType::Unknown {
            ask.reply.null();
        } else {
            ask.reply.bulk(host.as_bytes());
        }
    }

    fn hostname(&self, index: u32) -> &str {
        if index == self.view.me { &self.settings.announce_hostname } else { &self.view.node(index).hostname }
    }

    pub(super) fn ask_shards(&mut self, _: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        let primaries: Vec<u32> =
            self.view.indexes().into_iter().filter(|index| self.view.node(*index).is_primary()).collect();
        ask.reply.array(primaries.len());
        for primary in primaries {
            ask.reply.map(2);
            ask.reply.bulk(b"slots");
            let ranges: Vec<(u16, u16)> = self.view.node(primary).slots.ranges().collect();
            ask.reply.array(ranges.len() * 2);
            for (first, last) in ranges {
                ask.reply.integer(i64::from(first));
                ask.reply.integer(i64::from(last));
            }
            ask.reply.bulk(b"nodes");
            let replicas = self.view.replicas_of(primary);
            ask.reply.array(1 + replicas.len());
            self.put_shard_node(ask, primary);
            replicas.into_iter().for_each(|replica| self.put_shard_node(ask, replica));
        }
        Ok(())
    }

    fn put_shard_node(&self, ask: &mut Question<'_, '_>, index: u32) {
        let endpoint = self.endpoint(NodeIndex(index)).expect("an index in use has its node");
        let node = self.view.node(index);
        let hostname = self.hostname(index);
        let ports = [("port", endpoint.port), ("tls-port", endpoint.tls_port)];
        let ports = ports.into_iter().filter(|(_, port)| *port != 0);
        let names = usize::from(!hostname.is_empty()) + usize::from(!node.zone.is_empty());
        ask.reply.map(6 + ports.clone().count() + names);
        ask.reply.bulk(b"id");
        ask.reply.bulk(endpoint.id.as_bytes());
        for (name, port) in ports {
            ask.reply.bulk(name.as_bytes());
            ask.reply.integer(i64::from(port));
        }
        ask.reply.bulk(b"ip");
        ask.reply.bulk(endpoint.ip.as_bytes());
        ask.reply.bulk(b"endpoint");
        self.put_host(ask, &endpoint.host);
        if !hostname.is_empty() {
            ask.reply.bulk(b"hostname");
            ask.reply.bulk(hostname.as_bytes());
        }
        ask.reply.bulk(b"role");
        ask.reply.bulk(if node.is_primary() { b"master" } else { b"replica" });
        ask.reply.bulk(b"replication-offset");
        ask.reply.integer(i64::try_from(self.offset_of(index)).unwrap_or(i64::MAX));
        ask.reply.bulk(b"health");
        ask.reply.bulk(match (node.is_failed(), node.is_primary() || self.offset_of(index) != 0) {
            (true, _) => b"fail",
            (false, true) => b"online",
            (false, false) => b"loading",
        });
        if !node.zone.is_empty() {
            ask.reply.bulk(b"availability-zone");
            ask.reply.bulk(node.zone.as_bytes());
        }
    }

    pub(super) fn ask_links(&mut self, turn: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        let links = self.links.values().filter_map(|link| Some((link, self.view.nodes.at(link.node?)?)));
        let links: Vec<_> = links.collect();
        ask.reply.array(links.len());
        for (link, node) in links {
            ask.reply.map(6);
            ask.reply.bulk(b"direction");
            ask.reply.bulk(if link.is_inbound { b"from" } else { b"to" });
            ask.reply.bulk(b"node");
            ask.reply.bulk(node.id.as_bytes());
            ask.reply.bulk(b"create-time");
            ask.reply.integer(unix_at(turn.now, link.created_at).as_ms() as i64);
            ask.reply.bulk(b"events");
            ask.reply.bulk(if link.is_connecting { b"w" } else { b"r" });
            for name in ["send-buffer-allocated", "send-buffer-used"] {
                ask.reply.bulk(name.as_bytes());
                ask.reply.integer(link.unsent_bytes as i64);
            }
        }
        Ok(())
    }

    pub(super) fn ask_key_slot(&mut self, _: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        ask.reply.integer(i64::from(base::crc16::slot_of(ask.args.at(0))));
        Ok(())
    }

    pub(super) fn ask_count_keys(&mut self, _: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        let slot = valid_slot(number(ask.args.at(0))?).ok_or("ERR Invalid slot")?;
        ask.reply.integer(ask.keys.count_in_slot(slot) as i64);
        Ok(())
    }

    pub(super) fn ask_get_keys(&mut self, _: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        let (slot, count) = (number(ask.args.at(0))?, number(ask.args.at(1))?);
        let both = valid_slot(slot).zip(u64::try_from(count).ok());
        let (slot, count) = both.ok_or("ERR Invalid slot or number of keys")?;
        let mut keys: Vec<Vec<u8>> = Vec::new();
        ask.keys.keys_in_slot(slot, count, &mut |key| keys.push(key.into()));
        ask.reply.array(keys.len());
        keys.iter().for_each(|key| ask.reply.bulk(key));
        Ok(())
    }

    pub(super) fn ask_failure_reports(&mut self, turn: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        let index = self.known(ask.args.at(0))?;
        let count = self.report_count(turn.now.mono, index);
        ask.reply.integer(count as i64);
        Ok(())
    }
}
