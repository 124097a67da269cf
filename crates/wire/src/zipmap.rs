//! Zipmap: the flat hash of RDB files before Redis 2.6, read with every byte checked.
//!
//!   pairs u8 (254 and more: count them) | field length | field | value length | unused u8 | value | unused bytes ... | 0xff
//!   length = 1 byte below 254, or 0xfe and u32 little-endian

use crate::listpack::{FlatError, flaw};

/// The byte after the last pair.
const END: u8 = 0xff;
/// The mark of a length of five bytes, and the count that says "more than fit here".
const LONG: u8 = 0xfe;

/// A zipmap. Iterating it checks each pair.
#[derive(Clone, Debug)]
pub struct Zipmap<'a> {
    bytes: &'a [u8],
    at: usize,
    seen: u64,
    over: bool,
}

/// A field and its value.
type Pair<'a> = (&'a [u8], &'a [u8]);

impl<'a> Zipmap<'a> {
    /// Reads the end mark of `bytes`, which must be the whole zipmap and no more.
    pub fn new(bytes: &'a [u8]) -> Result<Zipmap<'a>, FlatError> {
        match bytes {
            [_, .., END] => Ok(Zipmap { bytes, at: 1, seen: 0, over: false }),
            _ => flaw(bytes.len().saturating_sub(1), "a zipmap without its end mark"),
        }
    }

    fn step(&mut self) -> Result<Option<Pair<'a>>, FlatError> {
        if self.at == self.bytes.len() - 1 {
            let count = self.bytes[0];
            return if count < LONG && u64::from(count) != self.seen {
                flaw(0, "a zipmap with another number of pairs than its header says")
            } else {
                Ok(None)
            };
        }
        let field_len = self.length()?;
        let field = self.take(field_len)?;
        let value_len = self.length()?;
        let unused = usize::from(self.take(1)?[0]);
        let value = self.take(value_len)?;
        self.take(unused)?;
        self.seen += 1;
        Ok(Some((field, value)))
    }

    fn length(&mut self) -> Result<usize, FlatError> {
        let start = self.at;
        match self.take(1)?[0] {
            END => flaw(start, "a zipmap that ends within a pair"),
            LONG => {
                let raw = self.take(4)?;
                Ok(u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]) as usize)
            }
            byte => Ok(usize::from(byte)),
        }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], FlatError> {
        // The end mark is not data: a pair must end before it.
        let data = &self.bytes[self.at..self.bytes.len() - 1];
        let Some(taken) = data.get(..len) else {
            return flaw(self.at, "a zipmap pair that is cut off");
        };
        self.at += len;
        Ok(taken)
    }
}

impl<'a> Iterator for Zipmap<'a> {
    type Item = Result<Pair<'a>, FlatError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let step = self.step();
        self.over = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use base::Random;

    /// A zipmap of `pairs`, with `unused` bytes after each value.
    pub(crate) fn build(pairs: &[(&[u8], &[u8])], unused: u8) -> Vec<u8> {
        fn push_len(len: usize, out: &mut Vec<u8>) {
            if len < 254 {
                out.push(len as u8);
            } else {
                out.push(LONG);
                out.extend((len as u32).to_le_bytes());
            }
        }
        let mut out = vec![pairs.len().min(254) as u8];
        for (field, value) in pairs {
            push_len(field.len(), &mut out);
            out.extend_from_slice(field);
            push_len(value.len(), &mut out);
            out.push(unused);
            out.extend_from_slice(value);
            out.extend(core::iter::repeat_n(0xaa, usize::from(unused)));
        }
        out.push(END);
        out
    }

    type Pairs<'a> = Vec<Pair<'a>>;

    fn read(bytes: &[u8]) -> Result<Pairs<'_>, FlatError> {
        Zipmap::new(bytes)?.collect()
    }

    #[test]
    fn pairs_are_read_over_unused_bytes() {
        let long = [b'v'; 300];
        let pairs: Pairs<'_> = vec![(b"a", b"1"), (b"", b""), (b"long", &long)];
        assert_eq!(read(&build(&pairs, 0)), Ok(pairs.clone()));
        assert_eq!(read(&build(&pairs, 3)), Ok(pairs.clone()));
        let many = vec![pairs[0]; 300];
        assert_eq!(read(&build(&many, 0)), Ok(many));
    }

    #[test]
    fn damage_is_refused_and_never_panics() {
        let good = build(&[(b"field", b"value"), (b"b", &[7; 300])], 2);
        for cut in 0..good.len() {
            assert!(read(&good[..cut]).is_err());
        }
        assert!(read(&[1, END]).is_err());
        let mut random = Random::new(3);
        for _ in 0..20_000 {
            let mut bad = good.clone();
            let index = random.below(bad.len() as u64) as usize;
            bad[index] = random.word() as u8;
            let _: Result<Pairs<'_>, FlatError> = read(&bad);
        }
    }
}
