//! Hash: fields with values. Small ones are a listpack, larger ones a table with one allocation per field.

use crate::keyspace::HashKey;
use crate::listpack::Malformed;
use crate::value::{Encoding, StrRef};
use alloc::vec::Vec;
use base::Random;

/// Up to which size a hash stays a listpack (`hash-max-listpack-entries`, `hash-max-listpack-value`).
#[derive(Clone, Copy, Debug)]
pub struct HashLimits {
    /// Fields at most.
    pub entries: usize,
    /// Bytes of a field or a value at most.
    pub value_bytes: usize,
}

impl Default for HashLimits {
    /// 128 fields of 64 bytes: the defaults of Redis 7.
    fn default() -> HashLimits {
        HashLimits { entries: 128, value_bytes: 64 }
    }
}

/// A hash value.
#[derive(Debug)]
pub struct Hash {
    bytes: Vec<u8>,
}

impl Hash {
    /// A hash without fields. `key` is the keyspace's (`Keyspace::hash_key`); a large hash hashes its fields with it.
    pub fn new(key: HashKey) -> Hash {
        let _ = key;
        todo!()
    }

    /// A hash from a listpack of fields and values (a dump's): checked, without repeated fields. It is a table where `limits` ask for one.
    pub fn from_listpack(key: HashKey, bytes: Vec<u8>, limits: HashLimits) -> Result<Hash, Malformed> {
        let _ = (key, bytes, limits);
        todo!()
    }

    /// How many fields.
    pub fn len(&self) -> usize {
        todo!()
    }

    /// True when it has none (then the caller removes the key).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a field.
    pub fn field(&self, field: &[u8]) -> Option<StrRef<'_>> {
        let _ = field;
        todo!()
    }

    /// Sets a field; true when it is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: HashLimits) -> bool {
        let _ = (field, value, limits);
        todo!()
    }

    /// Removes a field; false when there is none.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        let _ = field;
        todo!()
    }

    /// All fields with their values.
    pub fn iter(&self) -> impl Iterator<Item = (StrRef<'_>, StrRef<'_>)> {
        let _ = &self.bytes;
        core::iter::empty()
    }

    /// Visits some fields after `cursor` (0: from the start); returns the next cursor, 0 at the end. A field that is there
    /// during the whole scan is visited at least once. A listpack is visited whole.
    pub fn scan(&self, cursor: u64, count: usize, visit: impl FnMut(StrRef<'_>, StrRef<'_>)) -> u64 {
        let _ = (cursor, count, visit);
        todo!()
    }

    /// A field with its value, each with the same chance.
    pub fn random(&self, random: &mut Random) -> Option<(StrRef<'_>, StrRef<'_>)> {
        let _ = random;
        todo!()
    }

    /// Its layout.
    pub fn encoding(&self) -> Encoding {
        todo!()
    }

    /// The listpack's bytes where it is one: a dump copies them.
    pub fn listpack_bytes(&self) -> Option<&[u8]> {
        todo!()
    }

    /// Its memory in size classes, without the key's entry.
    pub fn memory_bytes(&self) -> usize {
        todo!()
    }
}

/// A hash in the keyspace, to change. Its memory is counted anew when this is dropped.
///
/// The caller removes the key when the last field is gone.
#[derive(Debug)]
pub struct HashMut<'a> {
    hash: &'a mut Hash,
}

impl core::ops::Deref for HashMut<'_> {
    type Target = Hash;
    fn deref(&self) -> &Hash {
        self.hash
    }
}

impl core::ops::DerefMut for HashMut<'_> {
    fn deref_mut(&mut self) -> &mut Hash {
        self.hash
    }
}
