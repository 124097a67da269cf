//! Entry: one key with its value in one allocation.
//!
//! ```text
//!   0: meta u32 (8 bits type and flags, 24 bits access clock) | 4: key length (21 bits), value length (11 bits)
//!   8: deadline u64, where there is one | key | payload
//!   payload: integer: 8 bytes | inline: the bytes | buffer: a vector's three words | collection: its one word
//! ```
//!
//! The entry takes the whole size class of these bytes, so that a value of about the same size is written in
//! place. Nothing but the first eight bytes is aligned. The length of an uncommonly long key stands in four bytes of its
//! own behind them, before the deadline.
//!
//! Invariant: a `RawEntry` is only used while its entry lives. Tables own the entries; whoever holds a
//! `RawEntry` got it from a table that is borrowed meanwhile, or has just taken it out of one.

use crate::collection::Collection;
use crate::hash::Hash;
use crate::list::List;
use crate::memory::{give_back, prefetch, size_class, take};
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::stream::Stream;
use crate::texts::LONG_TEXT;
use crate::value::{Encoding, Kind, StrRef, Value, ValueRef};
use crate::watch::Watched;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem::{ManuallyDrop, size_of};
use core::ptr::{self, NonNull};

/// Bytes before the deadline or the key, where that is not long.
const HEADER: usize = 8;
/// 2 MiB: a longer key's length has four bytes more.
const KEY_LEN_MAX: usize = (1 << 21) - 1;
/// The bits of the value's length; the key's is above them.
const VALUE_LEN_BITS: u32 = 11;
const VALUE_LEN: u32 = (1 << VALUE_LEN_BITS) - 1;
/// A longer string lies in a buffer of its own: a kilobyte is copied about as fast as a second cache miss is paid.
pub(crate) const INLINE_MAX: usize = 1024;
/// Tags and flags need three free bits in an entry's address.
const ALIGN: usize = 8;
/// A longer string is not embstr any more, as in the original.
const EMBSTR_MAX: usize = 44;
/// A growing buffer is given at most this much room to spare, as in the original.
const SPARE_MAX: usize = 1 << 20;

const TYPE: u32 = 0b111;
const INTEGER: u32 = 0;
const INLINE: u32 = 1;
const BUFFER: u32 = 2;
const HASH: u32 = 3;
const LIST: u32 = 4;
const SET: u32 = 5;
const SORTED_SET: u32 = 6;
const STREAM: u32 = 7;
const DEADLINE: u32 = 1 << 3;
/// The string was changed in place: its encoding is raw, however short it is.
const CHANGED: u32 = 1 << 4;

/// The key is longer than `KEY_LEN_MAX`.
const LONG_KEY: u32 = 1 << 5;

/// The clock has so many bits.
pub(crate) const CLOCK_MAX: u32 = (1 << 24) - 1;

/// Two bits: which snapshot has the entry already, though its segment is still to be walked; see `snapshot`.
const STAMP_SHIFT: u32 = 6;
const STAMP: u32 = 0b11 << STAMP_SHIFT;

const _: () = assert!(INLINE_MAX <= VALUE_LEN as usize);

/// What lies in an entry of a collection: itself where it is of one word (`flat`), the box of a stream.
type Word = *mut ();

const _: () = assert!(size_of::<Hash>() == size_of::<Word>() && align_of::<Hash>() == 1);
const _: () = assert!(size_of::<List>() == size_of::<Word>() && align_of::<List>() == 1);
const _: () = assert!(size_of::<Set>() == size_of::<Word>() && align_of::<Set>() == 1);
const _: () = assert!(size_of::<SortedSet>() == size_of::<Word>() && align_of::<SortedSet>() == 1);

/// The three words of a vector, in the order that this module chooses.
type Parts = (*mut u8, usize, usize);

/// What an entry holds, on its way in.
pub(crate) enum Payload<'a> {
    Integer(i64),
    /// Inline, or in a buffer when it is longer than `INLINE_MAX`.
    Text(&'a [u8]),
    Buffer(Vec<u8>),
    /// A collection's word, given up: what kind it is, and the word.
    Word(u32, Word),
}

impl<'a> Payload<'a> {
    /// A string as SET stores it.
    #[inline]
    pub fn string(text: &'a [u8]) -> Payload<'a> {
        match crate::value::integer_of(text) {
            Some(number) => Payload::Integer(number),
            None => Payload::Text(text),
        }
    }

    /// As `string`, never in a buffer that is there already.
    pub fn string_apart(text: &'a [u8]) -> Payload<'a> {
        if text.len() > INLINE_MAX { Payload::Buffer(buffer_of(text)) } else { Payload::string(text) }
    }

    /// An owned value. A short string is copied into the entry from `value`, which stays with the caller.
    pub fn value(value: &'a mut Value) -> Payload<'a> {
        if let Value::String(text) = value
            && text.len() > INLINE_MAX
        {
            return Payload::Buffer(core::mem::take(text));
        }
        if matches!(value, Value::Integer(_) | Value::String(_)) {
            return match value {
                Value::String(text) => Payload::Text(text),
                Value::Integer(number) => Payload::Integer(*number),
                _ => unreachable!("collections were left out"),
            };
        }
        match core::mem::replace(value, Value::Integer(0)) {
            Value::Hash(hash) => Payload::Word(HASH, word_of(hash)),
            Value::List(list) => Payload::Word(LIST, word_of(list)),
            Value::Set(set) => Payload::Word(SET, word_of(set)),
            Value::SortedSet(set) => Payload::Word(SORTED_SET, word_of(set)),
            Value::Stream(stream) => Payload::Word(STREAM, word_of(stream)),
            Value::Integer(_) | Value::String(_) => unreachable!("strings were handled above"),
        }
    }

    fn type_bits(&self) -> u32 {
        match self {
            Payload::Integer(_) => INTEGER,
            Payload::Text(text) if text.len() <= INLINE_MAX => INLINE,
            Payload::Text(_) => BUFFER,
            Payload::Buffer(_) => BUFFER,
            Payload::Word(bits, _) => *bits,
        }
    }

    fn len(&self) -> usize {
        match self {
            Payload::Text(text) => payload_len(self.type_bits(), text.len()),
            other => payload_len(other.type_bits(), 0),
        }
    }
}

/// Bytes of a payload in its entry.
#[inline]
fn payload_len(type_bits: u32, value_len: usize) -> usize {
    match type_bits & TYPE {
        INLINE => value_len,
        BUFFER => size_of::<Parts>(),
        _ => 8,
    }
}

/// The address of a live entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawEntry(NonNull<u8>);

impl RawEntry {
    /// A new entry.
    pub fn new(key: &[u8], deadline: Option<u64>, payload: Payload<'_>) -> RawEntry {
        let key_len = u32::try_from(key.len()).expect("keys are far below 4 GiB");
        let is_long = key.len() > KEY_LEN_MAX;
        let start = HEADER + if is_long { 4 } else { 0 } + if deadline.is_some() { 8 } else { 0 };
        let entry = RawEntry(take(start + key.len() + payload.len(), ALIGN));
        if is_long {
            entry.write(0, LONG_KEY);
            entry.write(4, 0u32);
            entry.write(HEADER, key_len);
        } else {
            entry.write(0, 0u32);
            entry.write(4, key_len << VALUE_LEN_BITS);
        }
        entry.copy_in(start, key);
        entry.put(deadline, payload);
        entry
    }

    /// A copy of an entry with a string, without its deadline.
    pub fn duplicate(self) -> RawEntry {
        let payload = match self.string().expect("only strings are copied so") {
            StrRef::Bytes(text) => Payload::Text(text),
            StrRef::Int(number) => Payload::Integer(number),
        };
        RawEntry::new(self.key(), None, payload)
    }

    /// The entry that `from_address` was given away for.
    #[inline(always)]
    pub fn from_address(address: NonNull<u8>) -> RawEntry {
        RawEntry(address)
    }

    /// Where it lies.
    #[inline(always)]
    pub fn address(self) -> NonNull<u8> {
        self.0
    }

    /// Asks for the lines of header, key and the value's start.
    #[inline(always)]
    pub fn prefetch(self) {
        let address = self.0.as_ptr();
        prefetch(address);
        prefetch(address.wrapping_add(64));
    }

    /// Asks for the line of header and key alone.
    #[inline(always)]
    pub fn prefetch_key(self) {
        prefetch(self.0.as_ptr());
    }

    /// Asks for the first lines of what lies outside of the entry; its header is in the cache already.
    #[inline]
    pub fn prefetch_value(self) {
        if !matches!(self.meta() & TYPE, INTEGER | INLINE) {
            let address: *mut u8 = self.read(self.payload_start());
            prefetch(address);
            prefetch(address.wrapping_add(64));
        }
    }

    #[inline(always)]
    fn read<T: Copy>(self, offset: usize) -> T {
        // SAFETY: the entry lives (module invariant); callers pass offsets of fields within its size, of plain types.
        unsafe { self.0.as_ptr().add(offset).cast::<T>().read_unaligned() }
    }

    #[inline(always)]
    fn write<T: Copy>(self, offset: usize, value: T) {
        // SAFETY: as in `read`; the table that owns the entry is not shared between threads, and no reference to these
        // bytes is alive: fields are read by copy, and values are changed only through an exclusive borrow.
        unsafe { self.0.as_ptr().add(offset).cast::<T>().write_unaligned(value) }
    }

    #[inline(always)]
    fn slice<'a>(self, offset: usize, len: usize) -> &'a [u8] {
        // SAFETY: callers pass a range of initialised bytes of the live entry; the lifetime is bounded by the borrow of
        // the table (module invariant).
        unsafe { core::slice::from_raw_parts(self.0.as_ptr().add(offset), len) }
    }

    #[inline(always)]
    fn copy_in(self, offset: usize, bytes: &[u8]) {
        // SAFETY: callers made sure that the range is within the entry; `bytes` lies outside of it.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.0.as_ptr().add(offset), bytes.len()) }
    }

    #[inline(always)]
    fn meta(self) -> u32 {
        self.read(0)
    }

    #[inline(always)]
    fn key_len(self) -> usize {
        if self.meta() & LONG_KEY == 0 {
            (self.read::<u32>(4) >> VALUE_LEN_BITS) as usize
        } else {
            self.read::<u32>(HEADER) as usize
        }
    }

    /// Bytes before the deadline or the key.
    #[inline(always)]
    fn header(self) -> usize {
        if self.meta() & LONG_KEY == 0 { HEADER } else { HEADER + 4 }
    }

    #[inline(always)]
    fn inline_len(self) -> usize {
        (self.read::<u32>(4) & VALUE_LEN) as usize
    }

    #[inline(always)]
    fn set_inline_len(self, len: usize) {
        debug_assert!(len <= INLINE_MAX);
        self.write(4, self.read::<u32>(4) & !VALUE_LEN | len as u32);
    }

    #[inline(always)]
    fn key_start(self) -> usize {
        self.header() + if self.has_deadline() { 8 } else { 0 }
    }

    #[inline(always)]
    fn payload_start(self) -> usize {
        self.key_start() + self.key_len()
    }

    /// Bytes in use of the entry's allocation.
    #[inline]
    fn total(self) -> usize {
        self.payload_start() + payload_len(self.meta(), self.inline_len())
    }

    /// True when it has a deadline.
    #[inline(always)]
    pub fn has_deadline(self) -> bool {
        self.meta() & DEADLINE != 0
    }

    /// The deadline.
    #[inline(always)]
    pub fn deadline(self) -> Option<u64> {
        if self.has_deadline() { Some(self.read(self.header())) } else { None }
    }

    /// The access clock, 24 bits.
    #[inline(always)]
    pub fn clock(self) -> u32 {
        self.meta() >> 8
    }

    /// Sets the access clock. A line is only dirtied when it changes.
    #[inline(always)]
    pub fn set_clock(self, clock: u32) {
        let meta = self.meta();
        let new = (clock << 8) | (meta & 0xff);
        if new != meta {
            self.write(0, new);
        }
    }

    /// The stamp of a snapshot; 0: none.
    #[inline(always)]
    pub fn stamp(self) -> u8 {
        ((self.meta() & STAMP) >> STAMP_SHIFT) as u8
    }

    /// Sets the stamp.
    #[inline]
    pub fn set_stamp(self, stamp: u8) {
        debug_assert!(stamp <= 3);
        self.write(0, self.meta() & !STAMP | u32::from(stamp) << STAMP_SHIFT);
    }

    /// The value as a snapshot walks it; none of a string.
    pub fn watched_mut<'a>(self) -> Option<&'a mut dyn Watched> {
        match self.kind() {
            Kind::String => None,
            Kind::Hash => Some(self.collection_mut::<Hash>()?),
            Kind::List => Some(self.collection_mut::<List>()?),
            Kind::Set => Some(self.collection_mut::<Set>()?),
            Kind::SortedSet => Some(self.collection_mut::<SortedSet>()?),
            Kind::Stream => Some(self.collection_mut::<Stream>()?),
        }
    }

    /// The key.
    #[inline(always)]
    pub fn key<'a>(self) -> &'a [u8] {
        self.slice(self.key_start(), self.key_len())
    }

    fn parts(self) -> Parts {
        self.read(self.payload_start())
    }

    /// Where a collection's word lies: a collection of one word, or a `Box<Stream>`, not aligned.
    #[inline(always)]
    fn word<T>(self) -> *mut T {
        // SAFETY: the payload lies within the entry, whose size its header tells.
        unsafe { self.0.as_ptr().add(self.payload_start()).cast() }
    }

    /// The type.
    pub fn kind(self) -> Kind {
        match self.meta() & TYPE {
            HASH => Kind::Hash,
            LIST => Kind::List,
            SET => Kind::Set,
            SORTED_SET => Kind::SortedSet,
            STREAM => Kind::Stream,
            _ => Kind::String,
        }
    }

    /// The value.
    #[inline]
    pub fn value<'a>(self) -> ValueRef<'a> {
        match self.meta() & TYPE {
            INTEGER => ValueRef::Str(StrRef::Int(self.read(self.payload_start()))),
            INLINE => ValueRef::Str(StrRef::Bytes(self.slice(self.payload_start(), self.inline_len()))),
            BUFFER => {
                let (address, len, _) = self.parts();
                // SAFETY: the parts are those of a vector that the entry owns; it changes only through an exclusive borrow.
                ValueRef::Str(StrRef::Bytes(unsafe { core::slice::from_raw_parts(address, len) }))
            }
            // SAFETY: the word is a collection of the type that the bits name, of alignment 1, which the entry owns; it is changed
            // only through an exclusive borrow. So in the three arms below.
            HASH => ValueRef::Hash(unsafe { &*self.word() }),
            // SAFETY: see above.
            LIST => ValueRef::List(unsafe { &*self.word() }),
            // SAFETY: see above.
            SET => ValueRef::Set(unsafe { &*self.word() }),
            // SAFETY: see above.
            SORTED_SET => ValueRef::SortedSet(unsafe { &*self.word() }),
            // SAFETY: the word is a box of a stream, which the entry owns; as above else.
            _ => ValueRef::Stream(unsafe { &*self.word::<*mut Stream>().read_unaligned() }),
        }
    }

    /// The string; `None` for another type.
    #[inline]
    pub fn string<'a>(self) -> Option<StrRef<'a>> {
        match self.value() {
            ValueRef::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The string, where it is long enough to be walked in slices for a snapshot.
    #[inline]
    pub fn long_text<'a>(self) -> Option<&'a [u8]> {
        if self.meta() & TYPE != BUFFER {
            return None;
        }
        match self.value() {
            ValueRef::Str(StrRef::Bytes(text)) if text.len() >= LONG_TEXT => Some(text),
            _ => None,
        }
    }

    /// The collection, to change; `None` for another type. The caller holds the exclusive borrow of the table.
    pub fn collection_mut<'a, T: Collection>(self) -> Option<&'a mut T> {
        if self.kind() != T::KIND {
            return None;
        }
        let collection = match T::KIND {
            // SAFETY: the word is a box of a stream, as the kind says.
            Kind::Stream => unsafe { self.word::<*mut T>().read_unaligned() },
            _ => self.word(),
        };
        // SAFETY: it is a collection of this type, as its kind says, owned by the entry; the caller holds the exclusive borrow.
        Some(unsafe { &mut *collection })
    }

    /// The bound of the deadlines of the value's parts; see `Collection::bound`.
    #[inline]
    pub fn bound(self) -> Option<u32> {
        if self.meta() & TYPE != HASH {
            return None;
        }
        match self.value() {
            ValueRef::Hash(hash) => hash.bound(),
            _ => None,
        }
    }

    /// The layout's name.
    pub fn encoding(self) -> Encoding {
        match self.value() {
            ValueRef::Str(StrRef::Int(_)) => Encoding::Int,
            ValueRef::Str(StrRef::Bytes(text)) if text.len() <= EMBSTR_MAX && self.meta() & CHANGED == 0 => {
                Encoding::Embstr
            }
            collection => collection.collection_encoding().unwrap_or(Encoding::Raw),
        }
    }

    /// All memory of the entry and what it owns, in size classes.
    #[inline]
    pub fn memory(self) -> usize {
        let owned = match self.meta() & TYPE {
            INTEGER | INLINE => 0,
            BUFFER => size_class(self.parts().2),
            _ => self.value().collection_memory(),
        };
        size_class(self.total()) + owned
    }

    /// Writes deadline and payload where the key stands already at its place. The old payload is gone.
    fn put(self, deadline: Option<u64>, payload: Payload<'_>) {
        let start = self.header() + if deadline.is_some() { 8 } else { 0 } + self.key_len();
        let flags = payload.type_bits() | if deadline.is_some() { DEADLINE } else { 0 };
        self.write(0, (self.meta() & (!0xff | LONG_KEY | STAMP)) | flags);
        if let Some(deadline) = deadline {
            self.write(self.header(), deadline);
        }
        match payload {
            Payload::Integer(number) => self.write(start, number),
            Payload::Text(text) if text.len() <= INLINE_MAX => {
                self.set_inline_len(text.len());
                self.copy_in(start, text);
            }
            Payload::Text(text) => self.write(start, into_parts(buffer_of(text))),
            Payload::Buffer(buffer) => self.write(start, into_parts(buffer)),
            Payload::Word(_, word) => self.write(start, word),
        }
    }

    /// Takes the value out if it lies in an allocation of its own. The entry must be overwritten or freed next.
    #[inline]
    fn take_owned(self) -> Option<Value> {
        match self.meta() & TYPE {
            BUFFER => Some(Value::String(from_parts(self.parts()))),
            INTEGER | INLINE => None,
            // SAFETY: the word is of the type that the bits name; the entry gives it up here. So in the four arms below.
            HASH => Some(Value::Hash(unsafe { self.word::<Hash>().read_unaligned() })),
            // SAFETY: see above.
            LIST => Some(Value::List(unsafe { self.word::<List>().read_unaligned() })),
            // SAFETY: see above.
            SET => Some(Value::Set(unsafe { self.word::<Set>().read_unaligned() })),
            // SAFETY: see above.
            SORTED_SET => Some(Value::SortedSet(unsafe { self.word::<SortedSet>().read_unaligned() })),
            // SAFETY: see above.
            _ => Some(Value::Stream(unsafe { self.word::<Box<Stream>>().read_unaligned() })),
        }
    }

    /// Replaces value and deadline, in place where the size class stays. Returns the entry, perhaps at a new place, and
    /// the old value if it had an allocation of its own. `payload` does not lie in this entry.
    #[inline]
    pub fn replace(self, deadline: Option<u64>, payload: Payload<'_>) -> (RawEntry, Option<Value>) {
        let old_start = self.key_start();
        let new_start = self.header() + if deadline.is_some() { 8 } else { 0 };
        let old_total = self.total();
        let new_total = new_start + self.key_len() + payload.len();
        let (old_value, payload) = match (self.take_owned(), payload) {
            // A long string of about the same length goes into the same buffer.
            (Some(Value::String(mut buffer)), Payload::Text(text)) if is_room_for(&buffer, text) => {
                buffer.clear();
                buffer.extend_from_slice(text);
                (None, Payload::Buffer(buffer))
            }
            other => other,
        };
        if size_class(old_total) == size_class(new_total) {
            self.shift(old_start, new_start, self.key_len());
            self.put(deadline, payload);
            return (self, old_value);
        }
        let new = RawEntry::new(self.key(), deadline, payload);
        new.set_clock(self.clock());
        new.set_stamp(self.stamp());
        self.give_back(old_total);
        (new, old_value)
    }

    /// Sets or removes the deadline; returns the entry, perhaps at a new place.
    pub fn set_deadline(self, deadline: Option<u64>) -> RawEntry {
        if let (true, Some(deadline)) = (self.has_deadline(), deadline) {
            self.write(self.header(), deadline);
            return self;
        }
        if self.has_deadline() == deadline.is_some() {
            return self;
        }
        let old_total = self.total();
        let old_start = self.key_start();
        let new_start = self.header() + if deadline.is_some() { 8 } else { 0 };
        let rest = old_total - old_start;
        let entry = if size_class(old_total) == size_class(new_start + rest) {
            self.shift(old_start, new_start, rest);
            self
        } else {
            let new = RawEntry(take(new_start + rest, ALIGN));
            new.copy_in(0, self.slice(0, self.header()));
            new.copy_in(new_start, self.slice(old_start, rest));
            self.give_back(old_total);
            new
        };
        let meta = entry.meta() & !DEADLINE;
        entry.write(0, meta | if deadline.is_some() { DEADLINE } else { 0 });
        if let Some(deadline) = deadline {
            entry.write(entry.header(), deadline);
        }
        entry
    }

    /// Moves `len` bytes within the entry.
    fn shift(self, from: usize, to: usize, len: usize) {
        if from != to {
            let base = self.0.as_ptr();
            // SAFETY: both ranges lie within the entry's size class: the caller has compared the totals.
            unsafe { ptr::copy(base.add(from), base.add(to), len) }
        }
    }

    /// Makes a string `len` bytes long, filled up with zeros, and lets `change` write into it; the encoding becomes raw.
    /// Returns the entry, perhaps at a new place. The value is a string.
    pub fn edit(self, len: usize, change: impl FnOnce(&mut [u8])) -> RawEntry {
        let deadline = self.deadline();
        let entry = if self.meta() & TYPE == BUFFER {
            let mut buffer = from_parts(self.parts());
            lengthen(&mut buffer, len);
            change(&mut buffer);
            self.write(self.payload_start(), into_parts(buffer));
            self
        } else {
            let text = self.string().expect("the caller has checked for a string");
            let mut room = Default::default();
            let text = text.bytes(&mut room);
            let is_text_own = matches!(self.meta() & TYPE, INLINE);
            if is_text_own && len <= INLINE_MAX && self.grow_inline(len) {
                // SAFETY: the range was made part of the entry and initialised; the borrow is exclusive.
                change(unsafe {
                    core::slice::from_raw_parts_mut(self.0.as_ptr().add(self.payload_start()), len)
                });
                self
            } else {
                let mut buffer = Vec::with_capacity(size_class(len.max(text.len())));
                buffer.extend_from_slice(text);
                lengthen(&mut buffer, len);
                change(&mut buffer);
                if len <= INLINE_MAX {
                    self.replace(deadline, Payload::Text(&buffer)).0
                } else {
                    self.replace(deadline, Payload::Buffer(buffer)).0
                }
            }
        };
        entry.mark_changed();
        entry
    }

    /// A string's encoding is raw from now on.
    pub fn mark_changed(self) {
        if matches!(self.meta() & TYPE, INLINE | BUFFER) {
            self.write(0, self.meta() | CHANGED);
        }
    }

    /// Lengthens an inline string within its size class; false when it does not fit.
    fn grow_inline(self, len: usize) -> bool {
        let (old_len, old_total) = (self.inline_len(), self.total());
        let len = len.max(old_len);
        if size_class(old_total) != size_class(old_total - old_len + len) {
            return false;
        }
        // SAFETY: the range lies within the entry's size class, as was just compared.
        unsafe { ptr::write_bytes(self.0.as_ptr().add(old_total), 0, len - old_len) }
        self.set_inline_len(len);
        true
    }

    fn give_back(self, total: usize) {
        // SAFETY: the entry was taken with the class of `total` and `ALIGN`; its owner gives it up.
        unsafe { give_back(self.0, total, ALIGN) }
    }

    /// Frees the entry; returns the value if it has an allocation of its own.
    pub fn free_keeping_large(self) -> Option<Value> {
        let total = self.total();
        let owned = self.take_owned();
        self.give_back(total);
        owned
    }

    /// Frees the entry and returns its value.
    pub fn into_value(self) -> Value {
        let small = match self.string() {
            Some(StrRef::Int(number)) => Value::Integer(number),
            Some(StrRef::Bytes(text)) if self.meta() & TYPE == INLINE => Value::String(text.to_vec()),
            _ => Value::Integer(0),
        };
        self.free_keeping_large().unwrap_or(small)
    }

    /// Frees the entry with all that it owns.
    pub fn free(self) {
        drop(self.free_keeping_large());
    }
}

/// A collection's word, given up.
fn word_of<T>(collection: T) -> Word {
    const { assert!(size_of::<T>() == size_of::<Word>()) };
    let collection = ManuallyDrop::new(collection);
    // SAFETY: the collection is of one word, which is an address or null; it is not used here any more.
    unsafe { (&raw const collection).cast::<Word>().read_unaligned() }
}

fn into_parts(buffer: Vec<u8>) -> Parts {
    let mut buffer = ManuallyDrop::new(buffer);
    (buffer.as_mut_ptr(), buffer.len(), buffer.capacity())
}

fn from_parts((address, len, capacity): Parts) -> Vec<u8> {
    // SAFETY: the parts come from `into_parts`, once; the entry that held them gives them up.
    unsafe { Vec::from_raw_parts(address, len, capacity) }
}

/// A buffer with the text that fills its size class.
fn buffer_of(text: &[u8]) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(size_class(text.len()));
    buffer.extend_from_slice(text);
    buffer
}

/// True when a long text fits the buffer and would not get a smaller one of its own.
fn is_room_for(buffer: &Vec<u8>, text: &[u8]) -> bool {
    text.len() > INLINE_MAX
        && text.len() <= buffer.capacity()
        && size_class(text.len()) == size_class(buffer.capacity())
}

/// Lengthens with zeros; room to spare is bounded.
fn lengthen(buffer: &mut Vec<u8>, len: usize) {
    if len > buffer.capacity() {
        let spare = len.min(SPARE_MAX);
        buffer.reserve_exact(size_class(len + spare) - buffer.len());
    }
    if len > buffer.len() {
        buffer.resize(len, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_key_may_be_long() {
        for len in [1, 300, KEY_LEN_MAX, KEY_LEN_MAX + 1] {
            if cfg!(miri) && len > 300 && len != KEY_LEN_MAX + 1 {
                continue;
            }
            let key = vec![b'k'; len];
            let mut entry = RawEntry::new(&key, None, Payload::Text(b"value"));
            entry.set_clock(77);
            entry = entry.set_deadline(Some(9));
            let text = [b'x'; INLINE_MAX];
            entry = entry.replace(entry.deadline(), Payload::Text(&text)).0;
            assert_eq!(entry.string(), Some(StrRef::Bytes(&text)));
            entry = entry.set_deadline(None);
            entry = entry.replace(None, Payload::Integer(5)).0;
            entry = entry.edit(3, |text| text[2] = b'!');
            assert_eq!(entry.string(), Some(StrRef::Bytes(b"5\0!")));
            assert!(entry.key() == key && entry.clock() == 77 && entry.deadline().is_none());
            entry.free();
        }
    }
}
