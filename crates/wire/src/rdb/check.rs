//! Check: what a file holds and whether it can be loaded, without a keyspace.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Decoder, Item, RdbError, Value};

/// What is known of a file so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Version of the file; 0 before its header.
    pub version: u32,
    /// Notes of the writer, in their order.
    pub aux: Vec<(Vec<u8>, Vec<u8>)>,
    /// Libraries of functions.
    pub functions: u64,
    /// Modules that have data beside the keys, as often as they have.
    pub modules: Vec<String>,
    /// Keys per database.
    pub keys: BTreeMap<u32, u64>,
    /// Keys that hold a string.
    pub strings: u64,
    /// Keys that hold a hash.
    pub hashes: u64,
    /// Keys that hold a list.
    pub lists: u64,
    /// Keys that hold a set.
    pub sets: u64,
    /// Keys that hold a stream.
    pub streams: u64,
    /// Keys that hold a sorted set.
    pub sorted_sets: u64,
    /// Keys with a deadline.
    pub expires: u64,
    /// Keys whose deadline is over at the time of the check.
    pub expired: u64,
    /// Collections without elements, which no server loads.
    pub empty: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// The checksum in the file; `None` before the end, 0 when there is none.
    pub checksum: Option<u64>,
    /// The key that was read last.
    pub last_key: Option<Vec<u8>>,
}

/// Walks a file that is pushed piece by piece, and counts.
pub struct Checker {
    decoder: Decoder,
    report: Report,
    now_ms: u64,
}

impl Checker {
    /// A checker at the start of a file; `now_ms` decides which keys are expired.
    pub fn new(now_ms: u64) -> Checker {
        Checker { decoder: Decoder::new(), report: Report::default(), now_ms }
    }

    /// Reads the next bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), RdbError> {
        self.decoder.push(bytes);
        loop {
            let item = self.decoder.next_item();
            self.report.bytes = self.decoder.at();
            match item? {
                Some(item) => self.count(item),
                None => return Ok(()),
            }
        }
    }

    /// Says that the file is over: an error unless its end was read.
    pub fn finish(&self) -> Result<(), RdbError> {
        self.decoder.finish()
    }

    /// What is known so far, after an error too.
    pub fn report(&self) -> &Report {
        &self.report
    }

    fn count(&mut self, item: Item) {
        let report = &mut self.report;
        match item {
            Item::Header { version } => report.version = version,
            Item::Aux { key, value } => report.aux.push((key, value)),
            Item::Key { db, key, value, deadline_ms, .. } => {
                *report.keys.entry(db).or_default() += 1;
                match value {
                    Value::String(_) | Value::Integer(_) => report.strings += 1,
                    Value::HashListpack(_) | Value::Hash(_) => report.hashes += 1,
                    Value::Set(_) | Value::SetIntset(_) | Value::SetListpack(_) => report.sets += 1,
                    Value::List(_) | Value::ListNodes(_) => report.lists += 1,
                    Value::Stream(_) => report.streams += 1,
                    Value::SortedSet(_) | Value::SortedSetListpack(_) => report.sorted_sets += 1,
                }
                report.expires += u64::from(deadline_ms.is_some());
                report.expired += u64::from(deadline_ms.is_some_and(|deadline| deadline <= self.now_ms));
                report.last_key = Some(key);
            }
            Item::Empty { key, .. } => {
                report.empty += 1;
                report.last_key = Some(key);
            }
            Item::Eof { stored, .. } => report.checksum = Some(stored),
            Item::Function(_) => report.functions += 1,
            Item::ModuleData { module } => report.modules.push(module),
            Item::SelectDb(_) | Item::ResizeDb { .. } | Item::SlotImport { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::encoder::{self, Packing};
    use super::*;

    #[test]
    fn a_file_is_counted_and_its_damage_found() {
        let mut file = Vec::new();
        encoder::header(&mut file);
        encoder::aux(&mut file, b"redis-ver", b"7.2.4");
        encoder::select_db(&mut file, 3);
        encoder::deadline(&mut file, 1_000);
        encoder::entry(&mut file, b"a", &Value::String(b"text".to_vec()), Packing::Lzf);
        let mut pairs = crate::rdb::Pairs::default();
        pairs.push(b"field", b"value");
        encoder::entry(&mut file, b"b", &Value::Hash(pairs), Packing::Lzf);
        encoder::end(&mut file, Some(base::crc64::Crc64::new()));

        let mut checker = Checker::new(1_000);
        assert!(file.iter().all(|byte| checker.push(&[*byte]).is_ok()));
        assert_eq!(checker.finish(), Ok(()));
        let report = checker.report();
        assert_eq!((report.version, report.strings, report.hashes), (10, 1, 1));
        assert_eq!((report.expires, report.expired, report.keys[&3]), (1, 1, 2));
        assert_eq!(report.bytes, file.len() as u64);

        let checksum_at = file.len() as u64 - 8;
        *file.last_mut().unwrap() ^= 1;
        let mut checker = Checker::new(0);
        let damage = checker.push(&file);
        assert!(matches!(damage, Err(RdbError::BadChecksum { at, .. }) if at == checksum_at), "{damage:?}");
        assert_eq!(checker.report().last_key.as_deref(), Some(&b"b"[..]));
    }
}
