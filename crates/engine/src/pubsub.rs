//! Publish and subscribe: channels, patterns, and who listens to them.

use crate::names::Names;
use crate::session::Sessions;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use base::glob;
use machine::{ConnId, Outbox};
use wire::reply::Reply;

/// What one client listens to.
#[derive(Debug, Default)]
pub struct Subscriptions {
    /// Channels by name.
    pub channels: Names,
    /// Patterns.
    pub patterns: Names,
    /// Sharded channels.
    pub shards: Names,
}

impl Subscriptions {
    /// Channels and patterns together.
    pub fn count(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }

    /// Memory of all names.
    pub fn memory_bytes(&self) -> usize {
        self.channels.memory_bytes() + self.patterns.memory_bytes() + self.shards.memory_bytes()
    }

    /// True when nothing is listened to.
    pub fn is_empty(&self) -> bool {
        self.count() + self.shards.len() == 0
    }
}

/// Who listens to what.
#[derive(Debug, Default)]
pub struct PubSub {
    /// Subscribers by channel; no channel without one.
    pub channels: BTreeMap<Box<[u8]>, Vec<ConnId>>,
    /// Subscribers by pattern; no pattern without one.
    pub patterns: BTreeMap<Box<[u8]>, Vec<ConnId>>,
    /// Subscribers by sharded channel; no channel without one.
    pub shards: BTreeMap<Box<[u8]>, Vec<ConnId>>,
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
        for channel in &subscriptions.shards {
            PubSub::drop(&mut self.shards, conn, channel);
        }
    }

    /// Delivers a message on a sharded channel. Returns how many times.
    pub fn publish_sharded(
        &self,
        sessions: &mut Sessions,
        mut running: Option<Running<'_, '_>>,
        needed: u64,
        channel: &[u8],
        message: &[u8],
        out: &mut Outbox,
    ) -> usize {
        let Some(conns) = self.shards.get(channel) else { return 0 };
        for &conn in conns {
            let write = |reply: &mut Reply<'_>| {
                reply.push(3);
                reply.bulk(b"smessage");
                reply.bulk(channel);
                reply.bulk(message);
            };
            match &mut running {
                Some(running) if running.conn == conn => write(running.reply),
                _ => {
                    sessions.write(conn, needed, Some(&mut *out), write);
                }
            }
        }
        conns.len()
    }

    /// Ends the subscriptions to all sharded channels that `is_served` does not name: their slot is another shard's
    /// now. Each subscriber is told.
    pub fn drop_unserved(
        &mut self,
        sessions: &mut Sessions,
        needed: u64,
        is_served: impl Fn(&[u8]) -> bool,
        out: &mut Outbox,
    ) {
        let gone: Vec<Box<[u8]>> = self.shards.keys().filter(|name| !is_served(name)).cloned().collect();
        for channel in gone {
            for conn in self.shards.remove(&channel).unwrap_or_default() {
                let Some(connection) = sessions.at_mut(conn) else { continue };
                let session = &mut connection.session;
                let Some(all) = &mut session.subscriptions else { continue };
                all.shards.remove(&channel);
                let left = all.shards.len();
                if all.is_empty() {
                    session.subscriptions = None;
                    session.settle();
                }
                sessions.write(conn, needed, Some(&mut *out), |reply| {
                    reply.push(3);
                    reply.bulk(b"sunsubscribe");
                    reply.bulk(&channel);
                    reply.integer(left as i64);
                });
            }
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
