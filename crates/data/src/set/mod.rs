//! Set: members without an order, each once. Integers alone are an intset, few short members a listpack, all others a table.
//!
//! ```text
//!   Intset --another text--> Listpack --too many, or too long--> Table
//!      |                                                           ^
//!      +-----------------------too many---------------------------+
//! ```
//!
//! A set never goes back by itself, as in the original.

mod intset;
mod member;
mod members;

pub use intset::Intset;
pub use members::Members;

use crate::collection::Collection;
use crate::listpack::{Listpack, Malformed};
use crate::memory::size_class;
use crate::node::Node;
use crate::scan::{Budget, Position};
use crate::table::{HashKey, Table};
use crate::value::{Encoding, IntText, Kind, StrRef, Value, ValueRef, integer_of};
use crate::walk::{Found, Walk};
use alloc::boxed::Box;
use alloc::vec::Vec;
use base::Random;
use member::Member;
use members::Source;

/// Up to which size a set stays in a small layout.
#[derive(Clone, Copy, Debug)]
pub struct SetLimits {
    /// Integers in an intset at most (`set-max-intset-entries`).
    pub intset_entries: usize,
    /// Members in a listpack at most (`set-max-listpack-entries`).
    pub listpack_entries: usize,
    /// Bytes of a member in a listpack at most (`set-max-listpack-value`).
    pub value_bytes: usize,
}

impl Default for SetLimits {
    /// 512 integers, 128 members of 64 bytes: the defaults of Redis 7.2.
    fn default() -> SetLimits {
        SetLimits { intset_entries: 512, listpack_entries: 128, value_bytes: 64 }
    }
}

/// No listpack and no intset grows beyond this, whatever the limits say. As the original.
const FLAT_BYTES_MAX: usize = 1 << 30;
/// Members whose buckets, then whose nodes are asked for before the first of them is looked up.
const BATCH: usize = 16;

/// A set value.
#[derive(Debug)]
pub struct Set {
    body: Body,
    key: HashKey,
}

#[derive(Debug)]
enum Body {
    Ints(Intset),
    List(Listpack),
    Table(Box<Table<Member>>),
    /// Being freed: what is left of the table, and of the places of its directory.
    Dying(Box<Table<Member>>, usize),
}

/// A member that was taken out.
#[derive(Debug)]
pub struct Taken(TakenFrom);

#[derive(Debug)]
enum TakenFrom {
    Ints(i64),
    List(Vec<u8>),
    Table(Member),
}

impl Taken {
    /// Its text.
    pub fn text(&self) -> StrRef<'_> {
        match &self.0 {
            TakenFrom::Ints(number) => StrRef::Int(*number),
            TakenFrom::List(text) => StrRef::Bytes(text),
            TakenFrom::Table(member) => StrRef::Bytes(member.key()),
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let TakenFrom::Table(member) = self.0 {
            member.free();
        }
    }
}

impl Set {
    /// A set without members. `key` is the keyspace's (`Keyspace::hash_key`): a large set hashes its members with it.
    pub fn new(key: HashKey) -> Set {
        Set { body: Body::Ints(Intset::default()), key }
    }

    /// A set from the bytes of an intset (a dump's): checked. It becomes a table where `limits` ask for one.
    pub fn from_intset(key: HashKey, bytes: Vec<u8>, limits: SetLimits) -> Result<Set, Malformed> {
        let set = Set { body: Body::Ints(Intset::from_bytes(bytes)?), key };
        let is_small = set.len() <= limits.intset_entries;
        Ok(if is_small { set } else { Set { body: Body::Table(Box::new(set.to_table())), key } })
    }

    /// A set from a listpack of members (a dump's): checked, without repetitions. It becomes a table where `limits` ask
    /// for one.
    pub fn from_listpack(key: HashKey, bytes: Vec<u8>, limits: SetLimits) -> Result<Set, Malformed> {
        let list = Listpack::from_bytes(bytes)?;
        let is_small = list.len() <= limits.listpack_entries
            && list.iter().all(|member| member.len() <= limits.value_bytes);
        let count = list.len();
        let set = Set { body: Body::List(list), key };
        // Members that are equal are one in a table.
        let table = set.to_table();
        if table.len() != count {
            return Err(Malformed);
        }
        Ok(if is_small { set } else { Set { body: Body::Table(Box::new(table)), key } })
    }

    /// How many members.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.body {
            Body::Ints(ints) => ints.len(),
            Body::List(list) => list.len(),
            Body::Table(table) | Body::Dying(table, _) => table.len(),
        }
    }

    /// True when it has none (then the caller removes the key).
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True when `member` is in it.
    pub fn contains(&self, member: &[u8]) -> bool {
        self.has(StrRef::Bytes(member))
    }

    /// As `contains`, for a member of another set.
    #[inline]
    pub fn has(&self, member: StrRef<'_>) -> bool {
        let mut room = IntText::default();
        match &self.body {
            Body::Ints(ints) => member.integer().is_some_and(|number| ints.contains(number)),
            Body::List(list) => list.find(member.bytes(&mut room), 1).is_some(),
            Body::Table(table) | Body::Dying(table, _) => {
                let text = member.bytes(&mut room);
                table.find(self.key.hash(text), text).is_some()
            }
        }
    }

    /// Adds a member; true when it is new.
    pub fn insert(&mut self, member: &[u8], limits: SetLimits) -> bool {
        self.put(member, limits, false)
    }

    /// Adds a member that is not in it, which is not checked: the members of another set, one after the other.
    pub fn insert_new(&mut self, member: &[u8], limits: SetLimits) {
        self.put(member, limits, true);
    }

    fn put(&mut self, member: &[u8], limits: SetLimits, is_known_new: bool) -> bool {
        if let Body::Ints(ints) = &mut self.body {
            if let Some(number) = integer_of(member) {
                let is_new = ints.insert(number);
                if is_new && ints.len() > limits.intset_entries.min(FLAT_BYTES_MAX / size_of::<i64>()) {
                    self.make_table();
                }
                return is_new;
            }
            self.leave_intset(member, limits);
        }
        if let Body::List(list) = &mut self.body {
            if !is_known_new && list.find(member, 1).is_some() {
                return false;
            }
            let is_small = list.len() < limits.listpack_entries
                && member.len() <= limits.value_bytes
                && list.as_bytes().len() + member.len() < FLAT_BYTES_MAX;
            if is_small {
                list.push(member);
                return true;
            }
            self.make_table();
        }
        let Body::Table(table) = &mut self.body else { unreachable!("flat layouts were dealt with above") };
        let hash = self.key.hash(member);
        if is_known_new {
            table.insert(hash, Member::new(member), self.key, false);
            return true;
        }
        insert_in_table(table, self.key, hash, member)
    }

    /// Adds many members. To a large set in batches, so that memory is waited for once per batch.
    pub fn extend<'a>(&mut self, members: impl Iterator<Item = StrRef<'a>>, limits: SetLimits) {
        let mut members = members;
        let mut room = IntText::default();
        while !matches!(self.body, Body::Table(_)) {
            let Some(member) = members.next() else { return };
            self.insert(member.bytes(&mut room), limits);
        }
        let Body::Table(table) = &mut self.body else { unreachable!("the loop ends with a table") };
        let mut batch = [(StrRef::Int(0), 0); BATCH];
        loop {
            let mut count = 0;
            for (place, member) in batch.iter_mut().zip(&mut members) {
                *place = (member, self.key.hash(member.bytes(&mut room)));
                table.prefetch_bucket(place.1);
                count += 1;
            }
            let batch = &batch[..count];
            batch.iter().for_each(|&(_, hash)| table.prefetch_entry(hash));
            for &(member, hash) in batch {
                insert_in_table(table, self.key, hash, member.bytes(&mut room));
            }
            if count < BATCH {
                return;
            }
        }
    }

    /// Removes a member; false when there is none.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.body {
            Body::Ints(ints) => integer_of(member).is_some_and(|number| ints.remove(number)),
            Body::List(list) => match list.find(member, 1) {
                Some(at) => {
                    list.remove(at, 1);
                    true
                }
                None => false,
            },
            Body::Table(table) | Body::Dying(table, _) => {
                let hash = self.key.hash(member);
                match table.find(hash, member) {
                    Some(place) => {
                        table.remove(hash, place).free();
                        true
                    }
                    None => false,
                }
            }
        }
    }

    /// All members.
    #[inline]
    pub fn iter(&self) -> Members<'_> {
        Members(match &self.body {
            Body::Ints(ints) => Source::Ints(ints.iter()),
            Body::List(list) => Source::List(list.iter()),
            Body::Table(table) | Body::Dying(table, _) => Source::Table(Walk::new(table)),
        })
    }

    /// Visits the members that are in all `others` (`is_shared`), or in none of them, until `visit` says false.
    pub fn compare<'a>(
        &'a self,
        others: &[&Set],
        is_shared: bool,
        mut visit: impl FnMut(StrRef<'a>) -> bool,
    ) {
        let Body::Table(table) = &self.body else {
            let is_chosen = |member| others.iter().all(|other| other.has(member) == is_shared);
            for member in self.iter() {
                if is_chosen(member) && !visit(member) {
                    return;
                }
            }
            return;
        };
        for found in Walk::new(table) {
            let is_chosen = others.iter().all(|other| other.has_found(&found, self.key) == is_shared);
            if is_chosen && !visit(StrRef::Bytes(found.node.key())) {
                return;
            }
        }
    }

    /// As `has`, for a member of a table of which a part of the hash is known.
    #[inline]
    fn has_found(&self, found: &Found<Member>, key: HashKey) -> bool {
        let member = found.node.key();
        if let Body::Table(table) = &self.body
            && self.key.0 == key.0
        {
            return match table.segment(found.hash).depth_or_none() {
                None => false,
                Some(depth) if depth <= found.depth => table.find(found.hash, member).is_some(),
                Some(_) => table.find(key.hash(member), member).is_some(),
            };
        }
        self.has(StrRef::Bytes(member))
    }

    /// Visits some members after `cursor` (0: from the start); returns the next cursor, 0 at the end. A member that is there
    /// during the whole scan is visited at least once. A flat set is visited whole.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(StrRef<'_>)) -> u64 {
        let Body::Table(table) = &self.body else {
            self.iter().for_each(visit);
            return 0;
        };
        let at = match Position::of_cursor(cursor) {
            Some((_, at)) => at,
            None if cursor == 0 => Position::START,
            None => return 0,
        };
        let mut visit = |member: Member| visit(StrRef::Bytes(member.key()));
        table.scan(at, self.key, &mut Budget::new(count), &mut visit).map_or(0, |next| next.cursor(0))
    }

    /// A member, each with the same chance.
    pub fn random(&self, random: &mut Random) -> Option<StrRef<'_>> {
        if self.is_empty() {
            return None;
        }
        let mut index = || random.below(self.len() as u64) as usize;
        match &self.body {
            Body::Ints(ints) => ints.at(index()).map(StrRef::Int),
            Body::List(list) => list.iter().nth(index()),
            Body::Table(table) | Body::Dying(table, _) => {
                table.random(random).map(|member| StrRef::Bytes(member.key()))
            }
        }
    }

    /// Takes a member out, each with the same chance.
    pub fn take_random(&mut self, random: &mut Random) -> Option<Taken> {
        if self.is_empty() {
            return None;
        }
        let len = self.len() as u64;
        let mut index = || random.below(len) as usize;
        match &mut self.body {
            Body::Ints(ints) => {
                let number = ints.at(index()).expect("a rank below the length");
                ints.remove(number);
                Some(Taken(TakenFrom::Ints(number)))
            }
            Body::List(list) => {
                let mut members = list.iter();
                let index = index();
                members.by_ref().take(index).for_each(drop);
                let offset = members.offset();
                let text = members.next().expect("an index below the length").to_vec();
                list.remove(offset, 1);
                Some(Taken(TakenFrom::List(text)))
            }
            Body::Table(table) | Body::Dying(table, _) => {
                table.take_random(random).map(|member| Taken(TakenFrom::Table(member)))
            }
        }
    }

    /// Some `count` different members, each choice of so many with the same chance; in no order.
    pub fn sample(&self, count: usize, random: &mut Random) -> Vec<StrRef<'_>> {
        let len = self.len();
        if let Body::Table(table) = &self.body
            && count < len / SAMPLE_SHARE
        {
            // Few of many: drawn until there are enough different ones, told apart by where they lie.
            let mut seen = alloc::collections::BTreeSet::new();
            let mut chosen = Vec::with_capacity(count);
            while chosen.len() < count
                && let Some(member) = table.random(random)
            {
                if seen.insert(member.address().as_ptr().addr()) {
                    chosen.push(StrRef::Bytes(member.key()));
                }
            }
            return chosen;
        }
        // Selection sampling (Knuth, 3.4.2 S): each member in order, with the chance that keeps all choices equal.
        let mut wanted = count.min(len);
        let mut chosen = Vec::with_capacity(wanted);
        for (left, member) in (1..=len as u64).rev().zip(self.iter()) {
            if wanted == 0 {
                break;
            }
            if random.below(left) < wanted as u64 {
                chosen.push(member);
                wanted -= 1;
            }
        }
        chosen
    }

    /// A copy with memory of its own. A large one costs no hashing.
    pub fn duplicate(&self) -> Set {
        let body = match &self.body {
            Body::Ints(ints) => Body::Ints(ints.clone()),
            Body::List(list) => Body::List(list.clone()),
            Body::Table(table) | Body::Dying(table, _) => {
                Body::Table(Box::new(table.copied(Member::duplicate)))
            }
        };
        Set { body, key: self.key }
    }

    /// The intset's bytes where it is one: a dump copies them.
    pub fn intset_bytes(&self) -> Option<&[u8]> {
        match &self.body {
            Body::Ints(ints) => Some(ints.as_bytes()),
            _ => None,
        }
    }

    /// The listpack's bytes where it is one: a dump may copy them.
    pub fn listpack_bytes(&self) -> Option<&[u8]> {
        match &self.body {
            Body::List(list) => Some(list.as_bytes()),
            _ => None,
        }
    }

    /// Prefetches the bucket of a member in a large set. A hint.
    pub fn prefetch_bucket(&self, member: &[u8]) {
        if let Body::Table(table) = &self.body {
            table.prefetch_bucket(self.key.hash(member));
        }
    }

    /// Turns an intset into what has room for `member`, which is no integer.
    fn leave_intset(&mut self, member: &[u8], limits: SetLimits) {
        let Body::Ints(ints) = &self.body else { return };
        let longest = [ints.at(0), ints.len().checked_sub(1).and_then(|last| ints.at(last))]
            .map(|number| number.map_or(0, |number| StrRef::Int(number).len()));
        let is_small = ints.len() < limits.listpack_entries
            && member.len() <= limits.value_bytes
            && longest.into_iter().all(|len| len <= limits.value_bytes);
        if !is_small {
            return self.make_table();
        }
        let mut list = Listpack::new();
        let mut room = IntText::default();
        ints.iter().for_each(|number| list.push(StrRef::Int(number).bytes(&mut room)));
        self.body = Body::List(list);
    }

    fn make_table(&mut self) {
        self.body = Body::Table(Box::new(self.to_table()));
    }

    /// The members as a table, where equal ones are one.
    fn to_table(&self) -> Table<Member> {
        let mut table = Table::default();
        let mut room = IntText::default();
        for member in self.iter() {
            let text = member.bytes(&mut room);
            insert_in_table(&mut table, self.key, self.key.hash(text), text);
        }
        table
    }
}

impl Collection for Set {
    const KIND: Kind = Kind::Set;

    fn of(value: ValueRef<'_>) -> Option<&Set> {
        match value {
            ValueRef::Set(set) => Some(set),
            _ => None,
        }
    }

    fn into_value(self: Box<Self>) -> Value {
        Value::Set(self)
    }

    fn encoding(&self) -> Encoding {
        match self.body {
            Body::Ints(_) => Encoding::Intset,
            Body::List(_) => Encoding::Listpack,
            Body::Table(_) | Body::Dying(..) => Encoding::Hashtable,
        }
    }

    #[inline]
    fn memory_bytes(&self) -> usize {
        match &self.body {
            Body::Ints(ints) => size_class(ints.capacity()),
            Body::List(list) => size_class(list.capacity()),
            Body::Table(table) | Body::Dying(table, _) => size_class(size_of::<Table>()) + table.memory(),
        }
    }

    fn free_effort(&self) -> usize {
        match &self.body {
            Body::Ints(_) | Body::List(_) => 1,
            Body::Table(table) | Body::Dying(table, _) => table.len(),
        }
    }

    fn free_slice(&mut self, budget: &mut usize) -> bool {
        if let Body::Table(table) = &mut self.body {
            let places = table.places();
            self.body = Body::Dying(core::mem::take(table), places);
        }
        match &mut self.body {
            Body::Dying(table, left) => table.free_slice(left, budget),
            Body::Ints(_) | Body::List(_) | Body::Table(_) => false,
        }
    }
}

/// Up to one of so many members is drawn one by one; for more it is cheaper to go through all.
const SAMPLE_SHARE: usize = 4;

/// Adds a member to a table; true when it is new.
#[inline]
fn insert_in_table(table: &mut Table<Member>, key: HashKey, hash: u64, text: &[u8]) -> bool {
    if table.find(hash, text).is_some() {
        return false;
    }
    table.insert(hash, Member::new(text), key, false);
    true
}

#[cfg(test)]
mod tests;
