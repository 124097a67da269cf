//! Names: a set of channels, patterns or prefixes that knows how much memory it takes.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use core::ops::Deref;

/// 112: what a name costs beside its bytes: its place in the client's own set and in the table of all clients.
pub const NAME_BYTES: usize = 112;

/// The set.
#[derive(Debug, Default)]
pub struct Names {
    names: BTreeSet<Box<[u8]>>,
    /// Bytes of all names.
    text_bytes: usize,
}

impl Names {
    /// Adds a name; false when it is there.
    pub fn insert(&mut self, name: Box<[u8]>) -> bool {
        let len = name.len();
        let is_new = self.names.insert(name);
        self.text_bytes += if is_new { len } else { 0 };
        is_new
    }

    /// Removes a name; false when it is not there.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let was_there = self.names.remove(name);
        self.text_bytes -= if was_there { name.len() } else { 0 };
        was_there
    }

    /// Its memory.
    pub fn memory_bytes(&self) -> usize {
        self.text_bytes + self.names.len() * NAME_BYTES
    }
}

impl Deref for Names {
    type Target = BTreeSet<Box<[u8]>>;
    fn deref(&self) -> &BTreeSet<Box<[u8]>> {
        &self.names
    }
}

impl Extend<Box<[u8]>> for Names {
    fn extend<I: IntoIterator<Item = Box<[u8]>>>(&mut self, names: I) {
        for name in names {
            self.insert(name);
        }
    }
}

impl FromIterator<Box<[u8]>> for Names {
    fn from_iter<I: IntoIterator<Item = Box<[u8]>>>(names: I) -> Names {
        let mut all = Names::default();
        all.extend(names);
        all
    }
}

impl<'a> IntoIterator for &'a Names {
    type Item = &'a Box<[u8]>;
    type IntoIter = alloc::collections::btree_set::Iter<'a, Box<[u8]>>;
    fn into_iter(self) -> Self::IntoIter {
        self.names.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_memory_follows_what_comes_and_goes() {
        let mut names: Names = [Box::from(*b"ab"), Box::from(*b"abc")].into_iter().collect();
        assert!(!names.insert(Box::from(*b"ab")) && names.remove(b"abc") && !names.remove(b"x"));
        assert_eq!(names.memory_bytes(), 2 + NAME_BYTES);
    }
}
