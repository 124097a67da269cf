//! Mutations: new inputs from old ones, seeded, without a look at coverage.
//!
//! Numbers in text and in binary are changed as numbers, so that lengths and counts get near their bounds.

use base::Random;

/// Inputs get no longer: above every line limit of the protocols (64 KiB).
const INPUT_BYTES_MAX: usize = 160 << 10;
/// Mutants that are kept to be mutated further.
const POOL_MAX: usize = 256;

/// Values at which decoders turn.
const NUMBERS: &[i64] = &[
    0,
    1,
    -1,
    2,
    9,
    10,
    11,
    12,
    13,
    63,
    64,
    99,
    100,
    127,
    128,
    254,
    255,
    256,
    999,
    1_000,
    1_024,
    4_095,
    4_096,
    8_191,
    16_383,
    16_384,
    16_385,
    32_767,
    32_768,
    65_535,
    65_536,
    65_537,
    1_048_576,
    1_048_577,
    16_777_216,
    33_554_432,
    536_870_912,
    536_870_913,
    i32::MAX as i64,
    i32::MAX as i64 + 1,
    u32::MAX as i64,
    u32::MAX as i64 + 1,
    i64::MAX,
    i64::MIN,
    -2,
];

/// Makes inputs.
pub struct Mutator {
    random: Random,
    seeds: Vec<Vec<u8>>,
    pool: Vec<Vec<u8>>,
    words: &'static [&'static [u8]],
}

impl Mutator {
    /// Inputs from `seeds` and the grammar's `words`; the sequence is fixed by `seed`.
    ///
    /// # Panics
    /// Without seeds.
    pub fn new(seed: u64, seeds: Vec<Vec<u8>>, words: &'static [&'static [u8]]) -> Mutator {
        assert!(!seeds.is_empty());
        Mutator { random: Random::new(seed), seeds, pool: Vec::new(), words }
    }

    /// The next input.
    pub fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.pick().to_vec();
        // One change in most cases, many in some.
        let power = self.random.below(5);
        let changes = 1 + self.random.below(1 << power);
        for _ in 0..changes {
            self.change(&mut input);
            input.truncate(INPUT_BYTES_MAX);
        }
        if self.random.chance(1, 8) {
            self.keep(input.clone());
        }
        input
    }

    fn pick(&mut self) -> &[u8] {
        let count = self.seeds.len() + self.pool.len();
        let index = self.random.below(count as u64) as usize;
        self.seeds.get(index).unwrap_or_else(|| &self.pool[index - self.seeds.len()])
    }

    fn keep(&mut self, input: Vec<u8>) {
        // Long inputs are slow: few of them stay.
        if input.len() > 8 << 10 && !self.random.chance(1, 16) {
            return;
        }
        if self.pool.len() < POOL_MAX {
            self.pool.push(input);
        } else {
            let index = self.random.below(POOL_MAX as u64) as usize;
            self.pool[index] = input;
        }
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        match self.random.below(13) {
            0 => self.flip(input),
            1 => self.set_byte(input),
            2..=4 => self.edit_number(input),
            5 => self.edit_binary(input),
            6 => {
                let range = self.range(input);
                input.drain(range);
            }
            7 => {
                let len = self.random.below(input.len() as u64 + 1) as usize;
                input.truncate(len);
            }
            8 => {
                let range = self.range(input);
                let copy = input[range.clone()].to_vec();
                input.splice(range.end..range.end, copy);
            }
            9 => self.repeat(input),
            10 => {
                let at = self.random.below(input.len() as u64 + 1) as usize;
                let word = self.words[self.random.below(self.words.len() as u64) as usize];
                input.splice(at..at, word.iter().copied());
            }
            _ => self.splice(input),
        }
    }

    /// A range of at most some hundred bytes, or now and then of any length.
    fn range(&mut self, input: &[u8]) -> std::ops::Range<usize> {
        let start = self.random.below(input.len() as u64 + 1) as usize;
        let left = input.len() - start;
        let len_max = if self.random.chance(3, 4) { left.min(32) } else { left };
        start..start + self.random.below(len_max as u64 + 1) as usize
    }

    fn flip(&mut self, input: &mut [u8]) {
        if !input.is_empty() {
            let at = self.random.below(input.len() as u64) as usize;
            input[at] ^= 1 << self.random.below(8);
        }
    }

    fn set_byte(&mut self, input: &mut [u8]) {
        if !input.is_empty() {
            let at = self.random.below(input.len() as u64) as usize;
            input[at] = self.random.word() as u8;
        }
    }

    /// Replaces a run of digits, with its sign.
    fn edit_number(&mut self, input: &mut Vec<u8>) {
        let from = self.random.below(input.len() as u64 + 1) as usize;
        let is_digit = |byte: &u8| byte.is_ascii_digit();
        let Some(start) = input[from..].iter().position(is_digit).map(|at| from + at) else { return };
        let len = input[start..].iter().take_while(|byte| is_digit(byte)).count();
        let old =
            std::str::from_utf8(&input[start..start + len]).ok().and_then(|text| text.parse::<i64>().ok());
        let new = match (self.random.below(3), old) {
            (0, Some(old)) => old.wrapping_add(self.random.between(0, 4) as i64 - 2),
            _ => self.number(),
        };
        input.splice(start..start + len, new.to_string().into_bytes());
    }

    fn number(&mut self) -> i64 {
        NUMBERS[self.random.below(NUMBERS.len() as u64) as usize]
    }

    /// Overwrites 1, 2, 4 or 8 bytes by a number in one of the two byte orders.
    fn edit_binary(&mut self, input: &mut [u8]) {
        let width = 1usize << self.random.below(4);
        if input.len() < width {
            return;
        }
        let at = self.random.below((input.len() - width) as u64 + 1) as usize;
        let number = if self.random.chance(1, 4) { self.random.below(512) as i64 } else { self.number() };
        let bytes = number.to_le_bytes();
        input[at..at + width].copy_from_slice(&bytes[..width]);
        if self.random.chance(1, 2) {
            input[at..at + width].reverse();
        }
    }

    /// Repeats a range often: long lines, many arguments, deep nesting.
    fn repeat(&mut self, input: &mut Vec<u8>) {
        let range = self.range(input);
        if range.is_empty() {
            return;
        }
        // One in sixteen passes the longest line limit.
        let bytes_max = if self.random.chance(1, 16) { 80 << 10 } else { 2 << 10 };
        let times = 1 + self.random.below((bytes_max / range.len()).max(1) as u64) as usize;
        let copies = input[range.clone()].repeat(times);
        input.splice(range.end..range.end, copies);
    }

    /// Puts a part of another input over or between.
    fn splice(&mut self, input: &mut Vec<u8>) {
        let other = self.pick().to_vec();
        let (target, source) = (self.range(input), self.range(&other));
        input.splice(target, other[source].iter().copied());
    }
}
