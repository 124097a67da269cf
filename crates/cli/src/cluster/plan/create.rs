//! Who becomes a primary with which slots, and who follows whom, when a cluster is made.
//!
//! Nodes are grouped by host and taken in turn from each host: the first ones are the primaries, so that they stand on as
//! many hosts as there are. Each primary then gets the first free node of another host as its replica. What is left over
//! after every primary has its number is shared out, one each.

use super::super::slots::SLOTS;

/// What is to be done, in the order in which it is told.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Layout {
    /// Each primary (a position in the list of nodes) and its first and last slot.
    pub primaries: Vec<(usize, u16, u16)>,
    /// Each replica and its primary.
    pub replicas: Vec<(usize, usize)>,
    /// From here on `replicas` holds those beyond the number that was asked for; `None`: there were none left over.
    pub extra_from: Option<usize>,
}

/// So many primaries there will be.
pub fn primaries_count(nodes: usize, replicas: usize) -> usize {
    nodes / (replicas + 1)
}

/// Lays out nodes, given by their hosts, with `replicas` for each primary.
pub fn layout(hosts: &[&str], replicas: usize) -> Layout {
    let order = in_turn(hosts);
    let count = primaries_count(hosts.len(), replicas);
    let (primaries, free) = order.split_at(count);
    // Moved round by one: often that alone puts replicas on other hosts.
    let mut free = free.to_vec();
    if !free.is_empty() {
        free.rotate_left(1);
    }
    let mut layout = Layout { primaries: shares(primaries), ..Layout::default() };
    for &primary in primaries {
        for _ in 0..replicas {
            layout.replicas.extend(take_replica(&mut free, hosts, primary));
        }
    }
    if !free.is_empty() {
        layout.extra_from = Some(layout.replicas.len());
        for &primary in primaries.iter().filter(|_| replicas > 0) {
            layout.replicas.extend(take_replica(&mut free, hosts, primary));
        }
    }
    layout
}

/// The nodes, one of each host in turn, hosts in the order in which they first stand.
fn in_turn(hosts: &[&str]) -> Vec<usize> {
    let mut groups: Vec<(&str, Vec<usize>)> = Vec::new();
    for (at, host) in hosts.iter().enumerate() {
        match groups.iter_mut().find(|(known, _)| known == host) {
            Some((_, group)) => group.push(at),
            None => groups.push((host, vec![at])),
        }
    }
    let longest = groups.iter().map(|(_, group)| group.len()).max().unwrap_or(0);
    (0..longest)
        .flat_map(|round| groups.iter().filter_map(move |(_, group)| group.get(round).copied()))
        .collect()
}

/// Equal shares of the slots, with the originals' rounding (single precision, half away from zero).
fn shares(primaries: &[usize]) -> Vec<(usize, u16, u16)> {
    let share = f32::from(SLOTS) / primaries.len() as f32;
    let mut first = 0;
    let mut cursor = 0.0f32;
    let mut shares = Vec::new();
    for (index, &primary) in primaries.iter().enumerate() {
        let rounded = (cursor + share - 1.0).round() as u16;
        let last = if index + 1 == primaries.len() { SLOTS - 1 } else { rounded.clamp(first, SLOTS - 1) };
        shares.push((primary, first, last));
        first = (last + 1).min(SLOTS - 1);
        cursor += share;
    }
    shares
}

/// The first free node on another host than the primary's, else the first free one.
fn take_replica(free: &mut Vec<usize>, hosts: &[&str], primary: usize) -> Option<(usize, usize)> {
    if free.is_empty() {
        return None;
    }
    let elsewhere = free.iter().position(|&node| hosts[node] != hosts[primary]);
    Some((free.remove(elsewhere.unwrap_or(0)), primary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_primaries_have_the_usual_shares() {
        let made = layout(&["a"; 6], 1);
        assert_eq!(made.primaries, [(0, 0, 5460), (1, 5461, 10922), (2, 10923, 16383)]);
        assert_eq!(made.replicas, [(4, 0), (5, 1), (3, 2)]);
        assert_eq!(made.extra_from, None);
    }

    #[test]
    fn two_nodes_on_each_of_three_hosts_watch_over_each_other() {
        let made = layout(&["a", "a", "b", "b", "c", "c"], 1);
        let primaries: Vec<usize> = made.primaries.iter().map(|(node, ..)| *node).collect();
        assert_eq!(primaries, [0, 2, 4]);
        assert_eq!(made.replicas, [(3, 0), (5, 2), (1, 4)]);
    }

    #[test]
    fn nodes_left_over_are_shared_out() {
        let made = layout(&["a"; 7], 1);
        assert_eq!(made.replicas, [(4, 0), (5, 1), (6, 2), (3, 0)]);
        assert_eq!(made.extra_from, Some(3));
    }

    #[test]
    fn no_replicas_are_wanted() {
        let made = layout(&["a"; 4], 0);
        assert_eq!(made.primaries.len(), 4);
        assert_eq!((made.primaries[3].2, made.replicas.len(), made.extra_from), (16383, 0, None));
    }

    #[test]
    fn every_slot_is_in_one_share() {
        for count in [3, 5, 7, 11, 100, 1000] {
            let made = layout(&vec!["a"; count], 0);
            assert_eq!(made.primaries[0].1, 0);
            assert_eq!(made.primaries.last().unwrap().2, SLOTS - 1);
            assert!(made.primaries.windows(2).all(|pair| pair[0].2 + 1 == pair[1].1), "{count}");
        }
    }
}
