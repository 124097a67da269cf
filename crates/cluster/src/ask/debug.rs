//! DEBUG subcommands about the bus, for tests: frames that get lost, links that break.

use super::{Answer, Question, number, shown};
use crate::{Cluster, Turn};
use alloc::format;
use wire::bus::Kind;

/// What DEBUG has set. Nothing, on a node that serves people.
#[derive(Debug, Default)]
pub(crate) struct Tampering {
    /// Frames of this kind are dropped when they come in.
    pub drops: Option<Kind>,
    /// The link of a dropped frame is closed.
    pub closes: bool,
}

impl Cluster {
    /// DEBUG DROP-CLUSTER-PACKET-FILTER: the number of a kind; any other number drops nothing.
    pub(super) fn debug_drop(&mut self, _: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        let kind = number(ask.args.at(0))?;
        self.tampering.drops = u16::try_from(kind).ok().and_then(Kind::from_number);
        ask.reply.ok();
        Ok(())
    }

    /// DEBUG CLOSE-CLUSTER-LINK-ON-PACKET-DROP.
    pub(super) fn debug_close(&mut self, _: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        self.tampering.closes = number(ask.args.at(0))? != 0;
        ask.reply.ok();
        Ok(())
    }

    /// DEBUG CLUSTERLINK KILL direction node-id.
    pub(super) fn debug_link(&mut self, turn: &mut Turn<'_>, ask: &mut Question<'_, '_>) -> Answer {
        if !ask.args.at(0).eq_ignore_ascii_case(b"kill") {
            return Err("ERR syntax error".into());
        }
        let index = self.known(ask.args.at(2))?;
        let node = self.view.node(index);
        let (inbound, outbound) = (node.inbound, node.link);
        let doomed = match ask.args.at(1).to_ascii_lowercase().as_slice() {
            b"from" => [inbound, None],
            b"to" => [None, outbound],
            b"all" => [inbound, outbound],
            _ => return Err(format!("ERR Unknown direction {}", shown(ask.args.at(1)))),
        };
        doomed.into_iter().flatten().for_each(|conn| self.close_link(turn, conn));
        ask.reply.ok();
        Ok(())
    }
}
