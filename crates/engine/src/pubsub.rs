//! Publish and subscribe: channels, patterns, and who listens to them.

use crate::session::Sessions;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use base::glob;
use machine::{ConnId, Outbox};
use wire::reply::Reply;

/// What one client listens to.
#[derive(Debug, Default)]
pub struct Subscriptions {
    /// Channels by name.
    pub channels: BTreeSet<Box<[u8]>>,
    /// Patterns.
    pub patterns: BTreeSet<Box<[u8]>>,
}

impl Subscriptions {
    /// Channels and patterns together.
    pub fn count(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }
}

/// Who listens to what.
#[derive(Debug, Default)]
pub struct PubSub {
    /// Subscribers by channel; no channel without one.
    pub channels: BTreeMap<Box<[u8]>, Vec<ConnId>>,
    /// Subscribers by pattern; no pattern without one.
    pub patterns: BTreeMap<Box<[u8]>, Vec<ConnId>>,
}

/// The connection whose request is running: what it is sent goes straight behind its replies.
pub struct Running<'a, 'b> {
    /// Its number.
    pub conn: ConnId,
    /// Its reply writer.
    pub reply: &'a mut Reply<'b>,
}

impl PubSub {
    /// `conn` listens to a channel or pattern from now on. False when it did already.
    pub fn add(map: &mut BTreeMap<Box<[u8]>, Vec<ConnId>>, conn: ConnId, name: &[u8]) {
        map.entry(name.into()).or_default().push(conn);
    }

    /// `conn` listens no more.
    pub fn drop(map: &mut BTreeMap<Box<[u8]>, Vec<ConnId>>, conn: ConnId, name: &[u8]) {
        if let Some(conns) = map.get_mut(name) {
            conns.retain(|other| *other != conn);
            if conns.is_empty() {
                map.remove(name);
            }
        }
    }

    /// A connection is gone, or wants nothing any more.
    pub fn forget(&mut self, conn: ConnId, subscriptions: &Subscriptions) {
        for channel in &subscriptions.channels {
            PubSub::drop(&mut self.channels, conn, channel);
        }
        for pattern in &subscriptions.patterns {
            PubSub::drop(&mut self.patterns, conn, pattern);
        }
    }

    /// Delivers a message. Returns how many times.
    pub fn publish(
        &self,
        sessions: &mut Sessions,
        mut running: Option<Running<'_, '_>>,
        needed: u64,
        channel: &[u8],
        message: &[u8],
        out: &mut Outbox,
    ) -> usize {
        let mut delivered = 0;
        let mut deliver = |conn: ConnId, pattern: Option<&[u8]>| {
            let write = |reply: &mut Reply<'_>| {
                reply.push(if pattern.is_some() { 4 } else { 3 });
                match pattern {
                    Some(pattern) => {
                        reply.bulk(b"pmessage");
                        reply.bulk(pattern);
                    }
                    None => reply.bulk(b"message"),
                }
                reply.bulk(channel);
                reply.bulk(message);
            };
            match &mut running {
                Some(running) if running.conn == conn => write(running.reply),
                _ => {
                    sessions.write(conn, needed, Some(&mut *out), write);
                }
            }
            delivered += 1;
        };
        for conn in self.channels.get(channel).into_iter().flatten() {
            deliver(*conn, None);
        }
        for (pattern, conns) in &self.patterns {
            if glob::matches(pattern, channel) {
                for conn in conns {
                    deliver(*conn, Some(pattern));
                }
            }
        }
        delivered
    }
}
