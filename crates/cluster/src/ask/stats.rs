//! CLUSTER SLOT-STATS of Valkey 8: figures of each slot of this shard. The one figure that there is is the count of keys,
//! which is what Valkey shows as well unless `cluster-slot-stats-enabled` is set.

use super::{Answer, Question, slot};
use crate::{Cluster, Turn};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use wire::Args;

/// What ORDERBY asks for besides the metric.
#[derive(Default)]
struct Order {
    limit: Option<usize>,
    is_ascending: Option<bool>,
}

impl Order {
    /// Reads `[LIMIT n] [ASC | DESC]`.
    fn parse(args: Args<'_>) -> Result<Order, String> {
        const TWICE: &str = "ERR Multiple filters of the same type are disallowed.";
        let mut order = Order::default();
        let mut at = 0;
        while let Some(word) = args.get(at) {
            let value = args.get(at + 1);
            match (word.to_ascii_lowercase().as_slice(), value) {
                (b"limit", Some(value)) => {
                    let number =
                        base::number::parse_i64(value).and_then(|number| usize::try_from(number).ok());
                    let number = number.filter(|number| (1..=crate::SLOTS).contains(number));
                    let limit = number
                        .ok_or("ERR Limit has to lie in between 1 and 16384 (maximum number of slots).")?;
                    if order.limit.replace(limit).is_some() {
                        return Err(TWICE.into());
                    }
                    at += 1;
                }
                (word @ (b"asc" | b"desc"), _) => {
                    if order.is_ascending.replace(word == b"asc").is_some() {
                        return Err(TWICE.into());
                    }
                }
                (_, _) => return Err("ERR syntax error".into()),
            }
            at += 1;
        }
        Ok(order)
    }
}

impl Cluster {
    pub(super) fn ask_slot_stats(&mut self, _: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        let args = ask.args;
        let mine = self.view.primary_of(self.view.me);
        let is_mine = |slot: &u16| self.view.owner(*slot) == Some(mine);
        let counted = |slot: u16| (slot, ask.keys.count_in_slot(slot));
        let found: Vec<(u16, u64)> = match (args.at(0).to_ascii_lowercase().as_slice(), args.len()) {
            (b"slotsrange", 3) => {
                let (first, last) = (slot(args.at(1))?, slot(args.at(2))?);
                if first > last {
                    return Err(format!(
                        "ERR Start slot number {first} is greater than end slot number {last}"
                    ));
                }
                (first..=last).filter(is_mine).map(counted).collect()
            }
            (b"orderby", _) => {
                if !args.at(1).eq_ignore_ascii_case(b"key-count") {
                    return Err("ERR Unrecognized sort metric for ORDERBY.".into());
                }
                let order = Order::parse(args.from(2))?;
                let mut all: Vec<(u16, u64)> =
                    (0..crate::SLOTS as u16).filter(is_mine).map(counted).collect();
                // Equal slots stay in order of their numbers.
                if order.is_ascending == Some(true) {
                    all.sort_by_key(|(_, keys)| *keys);
                } else {
                    all.sort_by_key(|(_, keys)| core::cmp::Reverse(*keys));
                }
                all.truncate(order.limit.unwrap_or(crate::SLOTS));
                all
            }
            _ => {
                return Err(
                    "ERR unknown subcommand or wrong number of arguments for 'SLOT-STATS'. Try CLUSTER HELP."
                        .into(),
                );
            }
        };
        ask.reply.array(found.len());
        for (slot, keys) in found {
            ask.reply.array(2);
            ask.reply.integer(i64::from(slot));
            ask.reply.map(1);
            ask.reply.bulk(b"key-count");
            ask.reply.integer(keys as i64);
        }
        Ok(())
    }
}
