//! CLUSTER: the operator's commands, with the originals' replies and error texts.
//!
//! Each subcommand is a row of the table; its arguments after the subcommand's name are counted before it runs.

mod debug;
mod info;
mod moves;
mod stats;
mod topology;

pub(crate) use debug::Tampering;

use crate::event::{Act, Asker, Keys};
use crate::{Cluster, Turn};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::Now;
use machine::WriteId;
use wire::{Args, Reply};

/// What a subcommand works with.
struct Question<'a, 'b> {
    /// Everything behind `CLUSTER <subcommand>`.
    args: Args<'a>,
    asker: Asker,
    keys: &'a dyn Keys,
    reply: &'a mut Reply<'b>,
    /// The answer waits for this write of nodes.conf.
    write: Option<WriteId>,
}

/// A refusal: the text behind the `-`.
type Answer = Result<(), String>;

struct Row {
    name: &'static str,
    /// Least and most arguments.
    arity: (usize, usize),
    run: fn(&mut Cluster, &mut Turn<'_>, &mut Question<'_, '_>) -> Answer,
}

const ANY: usize = usize::MAX;

static TABLE: &[Row] = &[
    Row { name: "addslots", arity: (1, ANY), run: Cluster::ask_add_slots },
    Row { name: "addslotsrange", arity: (2, ANY), run: Cluster::ask_add_slots_range },
    Row { name: "bumpepoch", arity: (0, 0), run: Cluster::ask_bump_epoch },
    Row { name: "count-failure-reports", arity: (1, 1), run: Cluster::ask_failure_reports },
    Row { name: "countkeysinslot", arity: (1, 1), run: Cluster::ask_count_keys },
    Row { name: "delslots", arity: (1, ANY), run: Cluster::ask_del_slots },
    Row { name: "delslotsrange", arity: (2, ANY), run: Cluster::ask_del_slots_range },
    Row { name: "failover", arity: (0, 1), run: Cluster::ask_failover },
    Row { name: "flushslots", arity: (0, 0), run: Cluster::ask_flush_slots },
    Row { name: "forget", arity: (1, 1), run: Cluster::ask_forget },
    Row { name: "getkeysinslot", arity: (2, 2), run: Cluster::ask_get_keys },
    Row { name: "help", arity: (0, 0), run: Cluster::ask_help },
    Row { name: "info", arity: (0, 0), run: Cluster::ask_info },
    Row { name: "keyslot", arity: (1, 1), run: Cluster::ask_key_slot },
    Row { name: "links", arity: (0, 0), run: Cluster::ask_links },
    Row { name: "meet", arity: (2, 3), run: Cluster::ask_meet },
    Row { name: "myid", arity: (0, 0), run: Cluster::ask_my_id },
    Row { name: "myshardid", arity: (0, 0), run: Cluster::ask_my_shard_id },
    Row { name: "nodes", arity: (0, 0), run: Cluster::ask_nodes },
    Row { name: "replicas", arity: (1, 1), run: Cluster::ask_replicas },
    Row { name: "replicate", arity: (1, 1), run: Cluster::ask_replicate },
    Row { name: "reset", arity: (0, 1), run: Cluster::ask_reset },
    Row { name: "saveconfig", arity: (0, 0), run: Cluster::ask_save_config },
    Row { name: "set-config-epoch", arity: (1, 1), run: Cluster::ask_set_config_epoch },
    Row { name: "setslot", arity: (2, 5), run: Cluster::ask_set_slot },
    Row { name: "shards", arity: (0, 0), run: Cluster::ask_shards },
    Row { name: "slot-stats", arity: (2, ANY), run: Cluster::ask_slot_stats },
    Row { name: "slaves", arity: (1, 1), run: Cluster::ask_replicas },
    Row { name: "slots", arity: (0, 0), run: Cluster::ask_slots },
];

/// DEBUG subcommands that the engine passes on.
static DEBUG: &[Row] = &[
    Row { name: "close-cluster-link-on-packet-drop", arity: (1, 1), run: Cluster::debug_close },
    Row { name: "clusterlink", arity: (3, 3), run: Cluster::debug_link },
    Row { name: "drop-cluster-packet-filter", arity: (1, 1), run: Cluster::debug_drop },
];

impl Cluster {
    /// Answers `CLUSTER ...`, and `DEBUG ...` where it is about the bus. `args` is the whole request, the word CLUSTER
    /// included. Exactly one reply is written; none if a write is returned: then the answer is OK once that is durable,
    /// and what [`Cluster::save_refused`] makes of its failure.
    ///
    /// Acts that need a connection come with the next tick, which is due at once (`wake_at`).
    pub fn ask(
        &mut self,
        now: Now,
        args: Args<'_>,
        asker: Asker,
        keys: &dyn Keys,
        reply: &mut Reply<'_>,
        acts: &mut Vec<Act>,
    ) -> Option<WriteId> {
        let mut turn = Turn { now, acts };
        let name = args.get(1).unwrap_or(b"");
        let is_debug = args.get(0).is_some_and(|word| word.eq_ignore_ascii_case(b"debug"));
        let row = if is_debug { DEBUG } else { TABLE }
            .iter()
            .find(|row| row.name.as_bytes().eq_ignore_ascii_case(name));
        let args = args.from(2);
        let mut write = None;
        let answer = match row {
            None => {
                let shown = &name[..name.len().min(128)];
                Err(format!("ERR unknown subcommand '{}'. Try CLUSTER HELP.", String::from_utf8_lossy(shown)))
            }
            Some(row) if args.len() < row.arity.0 || args.len() > row.arity.1 => {
                Err(format!("ERR wrong number of arguments for 'cluster|{}' command", row.name))
            }
            Some(row) => {
                let mut question = Question { args, asker, keys, reply: &mut *reply, write: None };
                let answer = (row.run)(self, &mut turn, &mut question);
                write = question.write;
                answer
            }
        };
        if let Err(text) = answer {
            reply.error(text);
        }
        self.end_turn(&mut turn);
        write
    }
}

/// An argument as text for an error.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn number(bytes: &[u8]) -> Result<i64, String> {
    base::number::parse_i64(bytes).ok_or_else(|| "ERR value is not an integer or out of range".into())
}

fn slot(bytes: &[u8]) -> Result<u16, String> {
    let slot = base::number::parse_i64(bytes).and_then(valid_slot);
    slot.ok_or_else(|| "ERR Invalid or out of range slot".into())
}

fn valid_slot(number: i64) -> Option<u16> {
    u16::try_from(number).ok().filter(|&slot| usize::from(slot) < crate::SLOTS)
}
