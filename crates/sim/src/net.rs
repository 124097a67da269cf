//! Net: connections between hosts, with delay, windows, partitions and loss.
//!
//! A connection behaves as TCP does: bytes arrive in order or not at all; a partition delays them until it
//! heals; an end that dies silently is noticed only by who sends to it.

use base::Random;
use machine::ConnId;
use std::collections::{BTreeSet, VecDeque};

/// Place of a host in the world.
pub type HostIndex = usize;

/// Bytes that one direction of a connection carries unacknowledged, as a socket's buffers do.
pub const WINDOW_BYTES: usize = 64 << 10;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The host.
    pub host: HostIndex,
    /// Which life of it: a restarted host has none of its connections.
    pub life: u32,
    /// The connection's number there.
    pub conn: ConnId,
}

/// One connection.
#[derive(Debug)]
pub struct Link {
    /// The dialer's end, and once accepted the other.
    pub ends: [Option<End>; 2],
    /// Bytes on their way to end 0 and to end 1: with the time of arrival.
    pub on_the_way: [VecDeque<(u64, Vec<u8>)>; 2],
    /// Bytes on their way, summed.
    pub bytes: [usize; 2],
    /// The last byte to each end arrives then: order is kept.
    pub arrives_us: [u64; 2],
    /// An arrival for that end is in the world's queue.
    pub is_scheduled: [bool; 2],
    /// That end has been closed by its host; the other hears of it after the last byte.
    pub is_closed: [bool; 2],
}

impl Link {
    /// A connection that is being dialled.
    pub fn dialled(end: End) -> Link {
        Link {
            ends: [Some(end), None],
            on_the_way: Default::default(),
            bytes: [0; 2],
            arrives_us: [0; 2],
            is_scheduled: [false; 2],
            is_closed: [false; 2],
        }
    }
}

/// What the wires are like.
#[derive(Clone, Debug)]
pub struct Net {
    /// Shortest way, in microseconds.
    pub delay_min_us: u64,
    /// Longest way, in microseconds; one in a hundred takes ten times as long.
    pub delay_max_us: u64,
    /// Directions that let nothing through.
    blocked: BTreeSet<(HostIndex, HostIndex)>,
}

impl Net {
    /// A net whose delays are drawn from `random`: from one rack to two towns.
    pub fn draw(random: &mut Random) -> Net {
        let delay_min_us = random.between(20, 2_000);
        Net { delay_min_us, delay_max_us: delay_min_us + random.between(10, 5_000), blocked: BTreeSet::new() }
    }

    /// How long the next segment takes.
    pub fn delay_us(&self, random: &mut Random) -> u64 {
        let delay = random.between(self.delay_min_us, self.delay_max_us);
        if random.chance(1, 100) { delay * 10 } else { delay }
    }

    /// Lets nothing through from one host to another.
    pub fn block(&mut self, from: HostIndex, to: HostIndex) {
        self.blocked.insert((from, to));
    }

    /// Cuts the hosts of `side` off from all `others`, in both directions or in one.
    pub fn partition(&mut self, side: &[HostIndex], others: &[HostIndex], out: bool, back: bool) {
        for &one in side {
            for &other in others {
                if out {
                    self.block(one, other);
                }
                if back {
                    self.block(other, one);
                }
            }
        }
    }

    /// Ends all partitions.
    pub fn heal(&mut self) {
        self.blocked.clear();
    }

    /// True when nothing gets from one to the other.
    pub fn is_blocked(&self, from: HostIndex, to: HostIndex) -> bool {
        self.blocked.contains(&(from, to))
    }
}
