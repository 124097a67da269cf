//! How many slots go from which node to which, so that all have slots according to their weights.

use super::super::slots::SLOTS;

/// A primary that takes part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// The slots that it has.
    pub slots: usize,
    /// Its share, relative to the others'.
    pub weight: f32,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub struct Plan {
    /// Is any part further from its share than the threshold?
    pub needed: bool,
    /// The parts (positions) by what they have too much (positive) or lack (negative), the poorest first.
    pub balances: Vec<(usize, i64)>,
    /// Number of slots, from, to.
    pub moves: Vec<(usize, usize, usize)>,
}

/// Plans for `parts`; `threshold` is in per cent, 0 or less means that nothing is ever needed.
pub fn plan(parts: &[Part], threshold: f32) -> Plan {
    let total: f32 = parts.iter().map(|part| part.weight).sum();
    // Within bounds even for weights that make no sense.
    let expected = |part: &Part| ((f32::from(SLOTS) / total * part.weight) as i64).clamp(0, i64::from(SLOTS));
    let mut balances: Vec<(usize, i64)> =
        parts.iter().map(|part| part.slots as i64 - expected(part)).enumerate().collect();
    let needed = parts.iter().any(|part| is_over(part.slots, expected(part), threshold));
    even_out(&mut balances);
    balances.sort_by_key(|(_, balance)| *balance);
    let moves = if needed { pair_up(&balances) } else { Vec::new() };
    Plan { needed, balances, moves }
}

fn is_over(slots: usize, expected: i64, threshold: f32) -> bool {
    if threshold <= 0.0 {
        return false;
    }
    match slots {
        0 => expected > 1,
        _ => (100.0 - 100.0 * expected as f64 / slots as f64).abs() as f32 > threshold,
    }
}

/// Rounding may leave more to give than to get: those who get take one more each, until it is even.
fn even_out(balances: &mut [(usize, i64)]) {
    let mut total: i64 = balances.iter().map(|(_, balance)| *balance).sum();
    while total > 0 {
        let before = total;
        for (_, balance) in balances.iter_mut().filter(|(_, balance)| *balance <= 0) {
            if total > 0 {
                *balance -= 1;
                total -= 1;
            }
        }
        // Nobody can take any: only when no part has a share at all.
        if total == before {
            return;
        }
    }
}

/// The poorest takes from the richest, as much as one of the two needs.
fn pair_up(balances: &[(usize, i64)]) -> Vec<(usize, usize, usize)> {
    let mut moves = Vec::new();
    let mut open = balances.to_vec();
    let (mut to, mut from) = (0, open.len().saturating_sub(1));
    while to < from {
        let (lacks, has) = (-open[to].1, open[from].1);
        if lacks > 0 && has > 0 {
            let count = lacks.min(has);
            moves.push((count as usize, open[from].0, open[to].0));
            open[to].1 += count;
            open[from].1 -= count;
        } else if lacks != 0 && has != 0 {
            // Both are on the same side: nothing can move.
            break;
        }
        to += usize::from(open[to].1 == 0);
        from -= usize::from(open[from].1 == 0);
    }
    moves
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(list: &[(usize, f32)]) -> Vec<Part> {
        list.iter().map(|&(slots, weight)| Part { slots, weight }).collect()
    }

    #[test]
    fn equal_shares_need_nothing() {
        let plan = plan(&parts(&[(5461, 1.0), (5462, 1.0), (5461, 1.0)]), 2.0);
        assert!(!plan.needed && plan.moves.is_empty());
    }

    #[test]
    fn an_empty_primary_gets_its_share() {
        let plan = plan(&parts(&[(5461, 1.0), (5462, 1.0), (5461, 1.0), (0, 1.0)]), 2.0);
        assert_eq!(plan.moves, [(1366, 1, 3), (1365, 2, 3), (1365, 0, 3)]);
        assert_eq!(plan.balances[0], (3, -4096));
    }

    #[test]
    fn weights_decide() {
        let plan = plan(&parts(&[(8192, 3.0), (8192, 1.0)]), 2.0);
        assert_eq!(plan.moves, [(4096, 1, 0)]);
    }

    #[test]
    fn what_moves_adds_up() {
        for weights in [[1.0, 2.0, 3.0], [0.0, 0.1, 7.3], [5.0, 0.0, 0.0]] {
            let given: Vec<(usize, f32)> = [5461, 5462, 5461].into_iter().zip(weights).collect();
            let plan = plan(&parts(&given), 2.0);
            let mut slots = [5461i64, 5462, 5461];
            for (count, from, to) in &plan.moves {
                slots[*from] -= *count as i64;
                slots[*to] += *count as i64;
            }
            assert_eq!(slots.iter().sum::<i64>(), 16384);
            let sum: f32 = weights.iter().sum();
            for (slots, weight) in slots.iter().zip(weights) {
                assert!((*slots as f32 - 16384.0 / sum * weight).abs() < 3.0, "{weights:?} {plan:?}");
            }
        }
    }

    #[test]
    fn senseless_weights_end() {
        for weights in [[0.0, 0.0], [-1.0, 1.0], [f32::NAN, 1.0], [f32::INFINITY, 1.0], [-3.0, -5.0]] {
            plan(&parts(&[(16384, weights[0]), (0, weights[1])]), 2.0);
        }
        plan(&[], 2.0);
    }
}
