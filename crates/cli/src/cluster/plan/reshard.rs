//! Which slots to take from which nodes, when a number of slots moves to one node.
//!
//! Each source gives in proportion to what it has. The biggest comes first and is rounded up, the others down: with slots
//! that do not divide evenly the biggest gives one more.

use super::super::slots::SlotSet;

/// One slot to move, and its source (a position in `sources`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The source that has it.
    pub source: usize,
    /// The slot.
    pub slot: u16,
}

/// Takes `wanted` slots in all from `sources`; single precision, as the originals.
pub fn moves(sources: &[&SlotSet], wanted: usize) -> Vec<Move> {
    let counts: Vec<usize> = sources.iter().map(|slots| slots.count()).collect();
    let total: usize = counts.iter().sum();
    let mut order: Vec<usize> = (0..sources.len()).collect();
    order.sort_by_key(|&source| std::cmp::Reverse(counts[source]));
    let mut moves = Vec::new();
    for (rank, &source) in order.iter().enumerate() {
        let share = wanted as f32 / total as f32 * counts[source] as f32;
        let share = if rank == 0 { share.ceil() } else { share.floor() };
        let room = wanted - moves.len();
        let taken = sources[source].iter().take((share as usize).min(room));
        moves.extend(taken.map(|slot| Move { source, slot }));
    }
    moves
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(slots: std::ops::Range<u16>) -> SlotSet {
        slots.collect()
    }

    #[test]
    fn the_biggest_gives_one_more() {
        let sources = [run(0..100), run(100..201), run(201..301)];
        let moves = moves(&[&sources[0], &sources[1], &sources[2]], 10);
        let count = |source| moves.iter().filter(|one| one.source == source).count();
        assert_eq!((count(0), count(1), count(2)), (3, 4, 3));
        assert_eq!(moves[0], Move { source: 1, slot: 100 });
    }

    #[test]
    fn a_source_gives_no_more_than_it_has() {
        assert_eq!(moves(&[&run(0..5)], 100).len(), 5);
        assert_eq!(moves(&[&run(0..0)], 100), []);
        assert_eq!(moves(&[&run(0..100)], 7).len(), 7);
    }
}
