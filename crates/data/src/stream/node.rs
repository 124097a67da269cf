//! Node: some entries in one listpack, laid out as RDB files have them.
//!
//! ```text
//!   live | deleted | fields F | field 1 .. field F | 0          the master entry: counts, and the first entry's fields
//!   flags | ms | seq | value 1 .. value F | F + 3               an entry with the master's fields (flag 2)
//!   flags | ms | seq | N | field 1 | value 1 .. | 2 N + 4       an entry with other fields
//! ```
//!
//! `ms` and `seq` are distances from the node's id. An entry that is removed stays, with flag 1: a tombstone. The
//! number at the end of an entry counts its elements before it, so that one can go backwards.
//!
//! Invariant: the listpack has this layout; bytes from outside are checked whole by [`Node::from_bytes`].

use super::StreamId;
use super::runs::Keyed;
use crate::listpack::{Listpack, Malformed};
use crate::memory::size_class;
use crate::value::{StrRef, integer_of};
use alloc::vec::Vec;

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

/// 16: about what flags, distances and counts of an entry take.
const ENTRY_ROOM: usize = 16;

/// Entries in one listpack.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// What the distances count from: the id of the entry with which the node began.
    id: StreamId,
    pack: Listpack,
}

impl Keyed for Node {
    fn id(&self) -> StreamId {
        self.id
    }
}

/// The master entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Master {
    /// Entries that are there.
    pub live: i64,
    /// Tombstones.
    pub deleted: i64,
    /// Fields.
    fields: usize,
    /// Offset of the first field.
    fields_at: usize,
}

/// What stands before the fields of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub id: StreamId,
    /// Offset of the entry.
    pub at: usize,
    flags: i64,
    fields: usize,
    /// Offset of its values, or fields and values.
    data_at: usize,
}

impl Head {
    /// True for a tombstone.
    pub fn is_deleted(&self) -> bool {
        self.flags & DELETED != 0
    }

    fn has_masters_fields(&self) -> bool {
        self.flags & SAME_FIELDS != 0
    }

    /// Elements from `data_at` on, without the closing number.
    fn data_len(&self) -> usize {
        if self.has_masters_fields() { self.fields } else { 2 * self.fields }
    }
}

/// An entry.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    id: StreamId,
    len: usize,
    /// The master's fields, unless fields stand beside values.
    names: Option<crate::listpack::Iter<'a>>,
    data: crate::listpack::Iter<'a>,
}

impl<'a> Entry<'a> {
    /// Its id.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// How many fields.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when it has no field, which only bytes from outside can bring.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fields and values.
    pub fn fields(self) -> impl Iterator<Item = (StrRef<'a>, StrRef<'a>)> {
        let Entry { len, mut names, mut data, .. } = self;
        (0..len).map_while(move |_| {
            let name = match &mut names {
                Some(names) => names.next()?,
                None => data.next()?,
            };
            Some((name, data.next()?))
        })
    }
}

/// A node as a dump has it.
#[derive(Clone, Copy, Debug)]
pub struct Pack<'a>(pub(super) &'a Node);

impl<'a> Pack<'a> {
    /// The node's id.
    pub fn id(self) -> StreamId {
        self.0.id
    }

    /// Its listpack.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0.as_bytes()
    }

    /// Visits its entries.
    pub fn visit(self, mut each: impl FnMut(Entry<'a>)) {
        let master = self.0.master();
        let mut next = self.0.first(&master);
        while let Some(head) = next {
            if !head.is_deleted() {
                each(self.0.entry(&head, &master));
            }
            next = self.0.after(&head, &master);
        }
    }
}

impl Node {
    /// A node that begins with an entry.
    pub fn new<'a>(
        id: StreamId,
        fields: usize,
        texts: impl Iterator<Item = &'a [u8]> + Clone,
        bytes: usize,
    ) -> Node {
        let mut pack = Listpack::new();
        pack.append(2 * ENTRY_ROOM + bytes + 4 * fields, |pack| {
            [1, 0, fields as i64].into_iter().for_each(|number| pack.integer(number));
            texts.clone().step_by(2).for_each(|field| pack.text(field));
            [0, SAME_FIELDS, 0, 0].into_iter().for_each(|number| pack.integer(number));
            texts.skip(1).step_by(2).for_each(|value| pack.text(value));
            pack.integer(fields as i64 + 3);
        });
        Node { id, pack }
    }

    /// Puts an entry at the end. `bytes`: all texts together.
    pub fn push<'a>(
        &mut self,
        id: StreamId,
        fields: usize,
        texts: impl Iterator<Item = &'a [u8]> + Clone,
        bytes: usize,
    ) {
        let master = self.master();
        let has_masters_fields = master.fields == fields && {
            let names = self.pack.iter_from(master.fields_at);
            names.zip(texts.clone().step_by(2)).all(|(name, field)| match name {
                StrRef::Bytes(name) => name == field,
                StrRef::Int(number) => integer_of(field) == Some(number),
            })
        };
        self.pack.set_integer(self.pack.first_offset(), master.live + 1);
        let ms = id.ms.wrapping_sub(self.id.ms) as i64;
        let seq = id.seq.wrapping_sub(self.id.seq) as i64;
        self.pack.append(ENTRY_ROOM + bytes + 4 * fields, |pack| {
            let flags = if has_masters_fields { SAME_FIELDS } else { 0 };
            [flags, ms, seq].into_iter().for_each(|number| pack.integer(number));
            if has_masters_fields {
                texts.skip(1).step_by(2).for_each(|value| pack.text(value));
                pack.integer(fields as i64 + 3);
            } else {
                pack.integer(fields as i64);
                texts.for_each(|text| pack.text(text));
                pack.integer(2 * fields as i64 + 4);
            }
        });
    }

    /// Takes bytes from outside, after a full check of listpack, layout and counts.
    pub fn from_bytes(id: StreamId, bytes: Vec<u8>) -> Result<Node, Malformed> {
        let node = Node { id, pack: Listpack::from_bytes(bytes)? };
        node.check()?;
        Ok(node)
    }

    /// The listpack's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.pack.as_bytes()
    }

    /// Memory of the listpack.
    pub fn pack_bytes(&self) -> usize {
        size_class(self.pack.capacity())
    }

    /// Length of the listpack.
    pub fn len_bytes(&self) -> usize {
        self.pack.as_bytes().len()
    }

    /// Nothing is put in any more: unused room is given back.
    pub fn close(&mut self) {
        self.pack.shrink();
    }

    fn integer_at(&self, offset: usize) -> Option<(i64, usize)> {
        let (element, next) = self.pack.at(offset)?;
        Some((element.integer()?, next))
    }

    fn read_master(&self) -> Option<Master> {
        let (live, at) = self.integer_at(self.pack.first_offset())?;
        let (deleted, at) = self.integer_at(at)?;
        let (fields, fields_at) = self.integer_at(at)?;
        let fields = usize::try_from(fields).ok()?;
        Some(Master { live, deleted, fields, fields_at })
    }

    /// The master entry.
    pub fn master(&self) -> Master {
        self.read_master().expect("the layout was checked")
    }

    /// The offset of the first entry, or the end.
    fn entries_at(&self, master: &Master) -> usize {
        self.pack.skip(master.fields_at, master.fields + 1).expect("the layout was checked")
    }

    fn read_head(&self, at: usize, master: &Master) -> Option<Head> {
        let (flags, next) = self.integer_at(at)?;
        let (ms, next) = self.integer_at(next)?;
        let (seq, mut data_at) = self.integer_at(next)?;
        let mut fields = master.fields;
        if flags & SAME_FIELDS == 0 {
            let (count, next) = self.integer_at(data_at)?;
            // An element takes two bytes at least: more fields than bytes can not be.
            fields = usize::try_from(count).ok().filter(|count| *count < self.len_bytes())?;
            data_at = next;
        }
        Some(Head { id: self.id.plus(ms, seq), at, flags, fields, data_at })
    }

    /// The first entry, a tombstone maybe.
    pub fn first(&self, master: &Master) -> Option<Head> {
        self.read_head(self.entries_at(master), master)
    }

    /// The entry behind one.
    pub fn after(&self, head: &Head, master: &Master) -> Option<Head> {
        let at = self.pack.skip(head.data_at, head.data_len() + 1)?;
        self.read_head(at, master)
    }

    /// The last entry, a tombstone maybe.
    pub fn last(&self, master: &Master) -> Option<Head> {
        self.ending_at(self.pack.end_offset(), master)
    }

    /// The entry before one.
    pub fn before(&self, head: &Head, master: &Master) -> Option<Head> {
        self.ending_at(head.at, master)
    }

    /// The entry whose closing number ends at an offset; none where it is the master's.
    fn ending_at(&self, end: usize, master: &Master) -> Option<Head> {
        let mut at = self.pack.before(end)?;
        let (elements, _) = self.integer_at(at)?;
        if elements == 0 {
            return None;
        }
        for _ in 0..elements {
            at = self.pack.before(at)?;
        }
        self.read_head(at, master)
    }

    /// The entry with its fields.
    pub fn entry(&self, head: &Head, master: &Master) -> Entry<'_> {
        let names = head.has_masters_fields().then(|| self.pack.iter_from(master.fields_at));
        Entry { id: head.id, len: head.fields, names, data: self.pack.iter_from(head.data_at) }
    }

    /// Makes a tombstone of an entry; the master's counts are for the caller.
    pub fn bury(&mut self, head: &Head) {
        // Flags stay below 128: the element keeps its length, and offsets hold.
        self.pack.set_integer(head.at, head.flags | DELETED);
    }

    /// Sets the counts of the master entry. Offsets move.
    pub fn set_counts(&mut self, live: i64, deleted: i64) {
        let first = self.pack.first_offset();
        let (_, second) = self.integer_at(first).expect("the layout was checked");
        self.pack.set_integer(second, deleted);
        self.pack.set_integer(first, live);
    }

    /// Checks the layout, and that counts are true and ids of live entries ascend.
    fn check(&self) -> Result<(), Malformed> {
        self.check_layout().filter(|sound| *sound).map(|_| ()).ok_or(Malformed)
    }

    fn check_layout(&self) -> Option<bool> {
        let master = self.read_master()?;
        if master.fields >= self.len_bytes() {
            return None;
        }
        let zero_at = self.pack.skip(master.fields_at, master.fields)?;
        let (zero, mut at) = self.integer_at(zero_at)?;
        let (mut live, mut deleted, mut last) = (0, 0, None);
        while at < self.pack.end_offset() {
            let head = self.read_head(at, &master)?;
            let closing_at = self.pack.skip(head.data_at, head.data_len())?;
            let (elements, end) = self.integer_at(closing_at)?;
            let before_data = if head.has_masters_fields() { 3 } else { 4 };
            // The flags take two bytes, so that `bury` moves nothing.
            let is_sound = elements == (head.data_len() + before_data) as i64
                && (0..=DELETED | SAME_FIELDS).contains(&head.flags)
                && self.pack.at(at).is_some_and(|(_, next)| next == at + 2);
            if !is_sound {
                return None;
            }
            if head.is_deleted() {
                deleted += 1;
            } else {
                if last.is_some_and(|last| last >= head.id) {
                    return None;
                }
                last = Some(head.id);
                live += 1;
            }
            at = end;
        }
        Some(zero == 0 && (live, deleted) == (master.live, master.deleted))
    }
}
