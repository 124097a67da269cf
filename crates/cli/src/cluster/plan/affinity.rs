//! Anti-affinity: replicas stand on other hosts than their primary, and than each other.
//!
//! A layout has a score: 10,000 for each replica on its primary's host, 1 for each of several replicas of one primary that
//! share a host. Random swaps of two replicas' primaries are kept unless they make it worse; a good layout may need several.

use base::Random;
use std::collections::BTreeMap;

/// A replica on its primary's host weighs so much that nothing else can outweigh it.
const WITH_PRIMARY: usize = 10_000;
/// So many swaps are tried for each node.
const TRIES_PER_NODE: usize = 500;

/// One node: its host, and its primary (a position in the list) if it is a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Where it runs.
    pub host: &'a str,
    /// Whom it follows.
    pub primary: Option<usize>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was nothing to improve.
    WasPerfect,
    /// Every replica is elsewhere now.
    Perfect,
    /// A replica stands on its primary's host.
    WithPrimary,
    /// Replicas of one primary share a host.
    Together,
}

/// How bad a layout is (0: perfect), and one replica of each group that is at fault.
pub fn score(places: &[Place<'_>]) -> (usize, Vec<usize>) {
    // (host, primary) -> is the primary there, its replicas there.
    let mut groups: BTreeMap<(&str, usize), (bool, Vec<usize>)> = BTreeMap::new();
    for (at, place) in places.iter().enumerate() {
        let group = groups.entry((place.host, place.primary.unwrap_or(at))).or_default();
        match place.primary {
            Some(_) => group.1.push(at),
            None => group.0 = true,
        }
    }
    let mut total = 0;
    let mut at_fault = Vec::new();
    for (with_primary, replicas) in groups.values() {
        let cost = match (with_primary, replicas.len()) {
            (true, count) => WITH_PRIMARY * count,
            (false, 1) => 0,
            (false, count) => count,
        };
        if cost > 0 {
            total += cost;
            at_fault.extend(replicas.first());
        }
    }
    (total, at_fault)
}

/// Swaps replicas until the score is 0 or the tries are used up.
pub fn improve(places: &mut [Place<'_>], random: &mut Random) -> Outcome {
    if score(places).0 == 0 {
        return Outcome::WasPerfect;
    }
    for _ in 0..TRIES_PER_NODE * places.len() {
        let (before, at_fault) = score(places);
        if at_fault.is_empty() {
            break;
        }
        let first = at_fault[random.below(at_fault.len() as u64) as usize];
        let others: Vec<usize> =
            (0..places.len()).filter(|&at| at != first && places[at].primary.is_some()).collect();
        if others.is_empty() {
            break;
        }
        let second = others[random.below(others.len() as u64) as usize];
        swap(places, first, second);
        if score(places).0 > before {
            swap(places, first, second);
        }
    }
    match score(places).0 {
        0 => Outcome::Perfect,
        cost if cost >= WITH_PRIMARY => Outcome::WithPrimary,
        _ => Outcome::Together,
    }
}

fn swap(places: &mut [Place<'_>], first: usize, second: usize) {
    let primary = places[first].primary;
    places[first].primary = places[second].primary;
    places[second].primary = primary;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places<'a>(list: &[(&'a str, Option<usize>)]) -> Vec<Place<'a>> {
        list.iter().map(|&(host, primary)| Place { host, primary }).collect()
    }

    #[test]
    fn the_score_counts_both_faults() {
        assert_eq!(score(&places(&[("a", None), ("b", Some(0)), ("c", Some(0))])), (0, vec![]));
        assert_eq!(score(&places(&[("a", None), ("b", Some(0)), ("b", Some(0))])), (2, vec![1]));
        assert_eq!(score(&places(&[("a", None), ("a", Some(0)), ("a", Some(0))])), (20_000, vec![1]));
    }

    #[test]
    fn swaps_find_a_perfect_layout() {
        let mut nodes =
            places(&[("a", None), ("b", None), ("c", None), ("a", Some(0)), ("b", Some(1)), ("c", Some(2))]);
        assert_eq!(improve(&mut nodes, &mut Random::new(1)), Outcome::Perfect);
        assert_eq!(score(&nodes).0, 0);
        let mut followed: Vec<usize> = nodes.iter().filter_map(|place| place.primary).collect();
        followed.sort_unstable();
        assert_eq!(followed, [0, 1, 2]);
    }

    #[test]
    fn one_host_cannot_be_perfect() {
        let mut nodes = places(&[("a", None), ("a", None), ("a", Some(0)), ("a", Some(1))]);
        assert_eq!(improve(&mut nodes, &mut Random::new(1)), Outcome::WithPrimary);
        let mut nodes = places(&[("a", None), ("b", Some(0)), ("b", Some(0))]);
        assert_eq!(improve(&mut nodes, &mut Random::new(1)), Outcome::Together);
        let mut nodes = places(&[("a", None), ("b", Some(0))]);
        assert_eq!(improve(&mut nodes, &mut Random::new(1)), Outcome::WasPerfect);
    }
}
