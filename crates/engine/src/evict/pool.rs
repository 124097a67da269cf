//! Pool: the best keys to evict among all that were drawn lately.

use alloc::vec::Vec;

/// 16: keys of the pool, as in the original.
const POOL_MAX: usize = 16;
/// 256: a longer key's memory is not kept for the next.
const KEPT_BYTES_MAX: usize = 256;

/// A key that may go.
#[derive(Debug, Default)]
pub struct Candidate {
    /// The higher the better it is gone.
    pub score: u64,
    /// Its database.
    pub db: u32,
    /// Its name.
    pub key: Vec<u8>,
}

/// The pool.
#[derive(Debug, Default)]
pub struct Pool {
    /// By score, the best last.
    candidates: Vec<Candidate>,
    /// Memory of keys that were taken.
    spare: Vec<Vec<u8>>,
}

impl Pool {
    /// Takes a key in if it is better than the worst of a full pool.
    pub fn offer(&mut self, score: u64, db: u32, key: &[u8]) {
        if self.candidates.len() == POOL_MAX && self.candidates[0].score >= score {
            return;
        }
        if self.candidates.iter().any(|other| other.db == db && other.key == key) {
            return;
        }
        if self.candidates.len() == POOL_MAX {
            let worst = self.candidates.remove(0);
            self.give_back(worst);
        }
        let mut own = self.spare.pop().unwrap_or_default();
        own.clear();
        own.extend_from_slice(key);
        let at = self.candidates.partition_point(|other| other.score <= score);
        self.candidates.insert(at, Candidate { score, db, key: own });
    }

    /// The best.
    pub fn take_best(&mut self) -> Option<Candidate> {
        self.candidates.pop()
    }

    /// A key that was taken is done with.
    pub fn give_back(&mut self, candidate: Candidate) {
        if self.spare.len() < POOL_MAX && candidate.key.capacity() <= KEPT_BYTES_MAX {
            self.spare.push(candidate.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_all_that_came_stay() {
        let mut pool = Pool::default();
        for score in [7, 3, 90, 41, 41, 5].into_iter().chain(10..30) {
            pool.offer(score, 0, &score.to_le_bytes());
        }
        let order: Vec<u64> = core::iter::from_fn(|| pool.take_best()).map(|best| best.score).collect();
        assert_eq!(order, [90, 41, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16]);
    }
}
