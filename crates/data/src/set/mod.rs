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
use crate::flat::{Body, Exact, Form as Held, Opened};
use crate::limits;
use crate::listpack::{self, Listpack, Malformed, Unfit, add_to};
use crate::node::Node;
use crate::scan::{Budget, Position};
use crate::table::{HashKey, Table};
use crate::value::{Encoding, IntText, Kind, StrRef, ValueRef, integer_of};
use crate::walk::{Found, Walk};
use crate::watch::{Allowance, BYTES_MIN, Elements, EncodePart, Part, Shape, Slot, Walked, Watched};
use alloc::vec::Vec;
use base::Random;
use base::distinct::Distinct;
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

/// What a set must know to grow.
pub type Growth = limits::Growth<SetLimits>;

/// A set value: one word.
#[derive(Debug)]
pub struct Set {
    body: Body<Exact, Large>,
}

/// A set with a table.
#[derive(Debug)]
struct Large {
    table: Table<Member>,
    key: HashKey,
    /// While it is being freed: the places of the table's directory that are left.
    dying: Option<usize>,
    watch: Slot<Elements>,
}

/// What a set is, to look at.
enum Form<'a> {
    Ints(intset::View<'a>),
    List(listpack::View<'a>),
    Table(&'a Large),
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

impl Default for Set {
    fn default() -> Set {
        Set::new()
    }
}

impl Set {
    /// A set without members.
    pub fn new() -> Set {
        Set { body: Body::EMPTY }
    }

    /// A set from the bytes of an intset (a dump's): checked. It becomes a table where `limits` ask for one. `key` is the
    /// keyspace's (`Keyspace::hash_key`).
    pub fn from_intset(key: HashKey, bytes: Vec<u8>, limits: SetLimits) -> Result<Set, Malformed> {
        let mut set = Set { body: Body::of(Intset::from_bytes(bytes)?) };
        if set.len() > limits.intset_entries {
            set.make_table(key);
        }
        Ok(set)
    }

    /// A set from a listpack of members (a dump's): checked, without repetitions. It becomes a table where `limits` ask
    /// for one.
    pub fn from_listpack(key: HashKey, bytes: Vec<u8>, limits: SetLimits) -> Result<Set, Unfit> {
        let list = Listpack::from_bytes(bytes)?;
        let (mut seen, mut longest) = (Distinct::default(), 0);
        for member in list.iter() {
            add_to(&mut seen, member);
            longest = longest.max(member.len());
        }
        let count = list.len();
        let is_small = count <= limits.listpack_entries && longest <= limits.value_bytes;
        let mut set = Set { body: Body::of(list) };
        if is_small && seen.is_sure() {
            return Ok(set);
        }
        // Members that are equal are one in a table.
        let large = set.to_large(key);
        if large.table.len() != count {
            return Err(Unfit::Repeated);
        }
        if !is_small {
            set.body = Body::large(large);
        }
        Ok(set)
    }

    #[inline(always)]
    fn form(&self) -> Form<'_> {
        match self.body.form() {
            Held::Large(large) => Form::Table(large),
            Held::Small(bytes) => match bytes.first_chunk() {
                Some(head) if !Exact::is_intset(*head) => Form::List(listpack::View::of_own(bytes)),
                _ => Form::Ints(intset::View { bytes }),
            },
        }
    }

    /// How many members.
    #[inline]
    pub fn len(&self) -> usize {
        match self.form() {
            Form::Ints(ints) => ints.len(),
            Form::List(list) => list.len(),
            Form::Table(large) => large.table.len(),
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
        match self.form() {
            Form::Ints(ints) => member.integer().is_some_and(|number| ints.contains(number)),
            Form::List(list) => list.find(member.bytes(&mut room), 1).is_some(),
            Form::Table(large) => {
                let text = member.bytes(&mut room);
                large.table.find(large.key.hash(text), text).is_some()
            }
        }
    }

    /// Adds a member; true when it is new.
    pub fn insert(&mut self, member: &[u8], growth: Growth) -> bool {
        self.put(member, growth, false)
    }

    /// Adds a member that is not in it, which is not checked: the members of another set, one after the other.
    pub fn insert_new(&mut self, member: &[u8], growth: Growth) {
        self.put(member, growth, true);
    }

    fn put(&mut self, member: &[u8], growth: Growth, is_known_new: bool) -> bool {
        let limits = growth.limits;
        if let Form::Ints(_) = self.form() {
            if let Some(number) = integer_of(member) {
                let mut ints: Opened<'_, Intset, _> = Opened::new(&mut self.body);
                let is_new = ints.insert(number);
                let is_small = ints.len() <= limits.intset_entries.min(FLAT_BYTES_MAX / size_of::<i64>());
                drop(ints);
                if is_new && !is_small {
                    self.make_table(growth.key);
                }
                return is_new;
            }
            if self.leaves_intset(member, growth) {
                return true;
            }
        }
        if let Form::List(_) = self.form() {
            let mut list: Opened<'_, Listpack, _> = Opened::new(&mut self.body);
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
            drop(list);
            self.make_table(growth.key);
        }
        let large = self.body.large_mut().expect("flat layouts were dealt with above");
        let hash = large.key.hash(member);
        if is_known_new {
            large.before(hash, None);
            large.table.insert(hash, Member::new(member), large.key, false);
            return true;
        }
        large.insert(hash, member)
    }

    /// Adds many members. To a large set in batches, so that memory is waited for once per batch.
    pub fn extend<'a>(&mut self, members: impl Iterator<Item = StrRef<'a>>, growth: Growth) {
        let mut members = members;
        let mut room = IntText::default();
        while !matches!(self.form(), Form::Table(_)) {
            let Some(member) = members.next() else { return };
            self.insert(member.bytes(&mut room), growth);
        }
        let large = self.body.large_mut().expect("the loop ends with a table");
        let mut batch = [(StrRef::Int(0), 0); BATCH];
        loop {
            let mut count = 0;
            for (place, member) in batch.iter_mut().zip(&mut members) {
                *place = (member, large.key.hash(member.bytes(&mut room)));
                large.table.prefetch_bucket(place.1);
                count += 1;
            }
            let batch = &batch[..count];
            batch.iter().for_each(|&(_, hash)| large.table.prefetch_entry(hash));
            for &(member, hash) in batch {
                large.insert(hash, member.bytes(&mut room));
            }
            if count < BATCH {
                return;
            }
        }
    }

    /// Removes a member; false when there is none.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        if let Some(large) = self.body.large_mut() {
            let hash = large.key.hash(member);
            let Some(place) = large.table.find(hash, member) else { return false };
            large.before(hash, Some(place.word().node()));
            large.table.remove(hash, place).free();
            return true;
        }
        if let Form::Ints(_) = self.form() {
            let mut ints: Opened<'_, Intset, _> = Opened::new(&mut self.body);
            return integer_of(member).is_some_and(|number| ints.remove(number));
        }
        let mut list: Opened<'_, Listpack, _> = Opened::new(&mut self.body);
        let found = list.find(member, 1);
        if let Some(at) = found {
            list.remove(at, 1);
        }
        found.is_some()
    }

    /// All members.
    #[inline]
    pub fn iter(&self) -> Members<'_> {
        Members(match self.form() {
            Form::Ints(ints) => Source::Ints(ints.iter()),
            Form::List(list) => Source::List(list.iter()),
            Form::Table(large) => Source::Table(Walk::new(&large.table)),
        })
    }

    /// Visits the members that are in all `others` (`is_shared`), or in none of them, until `visit` says false.
    pub fn compare<'a>(
        &'a self,
        others: &[&Set],
        is_shared: bool,
        mut visit: impl FnMut(StrRef<'a>) -> bool,
    ) {
        let Form::Table(Large { table, key, .. }) = self.form() else {
            let is_chosen = |member| others.iter().all(|other| other.has(member) == is_shared);
            for member in self.iter() {
                if is_chosen(member) && !visit(member) {
                    return;
                }
            }
            return;
        };
        for found in Walk::new(table) {
            let is_chosen = others.iter().all(|other| other.has_found(&found, *key) == is_shared);
            if is_chosen && !visit(StrRef::Bytes(found.node.key())) {
                return;
            }
        }
    }

    /// As `has`, for a member of a table of which a part of the hash is known.
    #[inline]
    fn has_found(&self, found: &Found<Member>, key: HashKey) -> bool {
        let member = found.node.key();
        if let Form::Table(Large { table, key: own_key, .. }) = self.form()
            && own_key.0 == key.0
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
        let Form::Table(large) = self.form() else {
            self.iter().for_each(visit);
            return 0;
        };
        let at = match Position::of_cursor(cursor) {
            Some((_, at)) => at,
            None if cursor == 0 => Position::START,
            None => return 0,
        };
        let mut visit = |member: Member| visit(StrRef::Bytes(member.key()));
        let next = large.table.scan(at, large.key, &mut Budget::new(count), &mut visit);
        next.map_or(0, |next| next.cursor(0))
    }

    /// A member, each with the same chance.
    pub fn random(&self, random: &mut Random) -> Option<StrRef<'_>> {
        if self.is_empty() {
            return None;
        }
        let mut index = || random.below(self.len() as u64) as usize;
        match self.form() {
            Form::Ints(ints) => ints.at(index()).map(StrRef::Int),
            Form::List(list) => list.iter().nth(index()),
            Form::Table(large) => large.table.random(random).map(|member| StrRef::Bytes(member.key())),
        }
    }

    /// Takes a member out, each with the same chance.
    pub fn take_random(&mut self, random: &mut Random) -> Option<Taken> {
        if self.is_empty() {
            return None;
        }
        if let Some(large) = self.body.large_mut() {
            let member = large.table.take_random(random)?;
            if large.watch.0.is_some() {
                large.before(large.key.hash(member.key()), Some(member));
            }
            return Some(Taken(TakenFrom::Table(member)));
        }
        let index = random.below(self.len() as u64) as usize;
        if let Form::Ints(ints) = self.form() {
            let number = ints.at(index).expect("a rank below the length");
            let mut ints: Opened<'_, Intset, _> = Opened::new(&mut self.body);
            ints.remove(number);
            return Some(Taken(TakenFrom::Ints(number)));
        }
        let mut list: Opened<'_, Listpack, _> = Opened::new(&mut self.body);
        let mut members = list.iter();
        members.by_ref().take(index).for_each(drop);
        let offset = members.offset();
        let text = members.next().expect("an index below the length").to_vec();
        list.remove(offset, 1);
        Some(Taken(TakenFrom::List(text)))
    }

    /// Some `count` different members, each choice of so many with the same chance; in no order.
    pub fn sample(&self, count: usize, random: &mut Random) -> Vec<StrRef<'_>> {
        let len = self.len();
        if let Form::Table(Large { table, .. }) = self.form()
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
        Set {
            body: match self.body.form() {
                Held::Small(bytes) => self.body.copy_of_small(bytes),
                Held::Large(large) => Body::large(Large {
                    table: large.table.copied(|_| (), Member::duplicate),
                    key: large.key,
                    dying: None,
                    watch: Slot(None),
                }),
            },
        }
    }

    /// The intset's bytes where it is one: a dump copies them.
    pub fn intset_bytes(&self) -> Option<&[u8]> {
        match self.form() {
            Form::Ints(ints) => Some(ints.bytes),
            _ => None,
        }
    }

    /// The listpack's bytes where it is one: a dump may copy them.
    pub fn listpack_bytes(&self) -> Option<&[u8]> {
        match self.form() {
            Form::List(list) => Some(list.as_bytes()),
            _ => None,
        }
    }

    /// Prefetches the bucket of a member in a large set. A hint.
    pub fn prefetch_bucket(&self, member: &[u8]) {
        if let Form::Table(large) = self.form() {
            large.table.prefetch_bucket(large.key.hash(member));
        }
    }

    /// Turns an intset into what has room for `member`, which is no integer; true when it is in it already.
    fn leaves_intset(&mut self, member: &[u8], growth: Growth) -> bool {
        let Form::Ints(ints) = self.form() else { return false };
        let limits = growth.limits;
        let longest = [ints.at(0), ints.len().checked_sub(1).and_then(|last| ints.at(last))]
            .map(|number| number.map_or(0, |number| StrRef::Int(number).len()));
        let is_small = ints.len() < limits.listpack_entries
            && member.len() <= limits.value_bytes
            && longest.into_iter().all(|len| len <= limits.value_bytes);
        if !is_small {
            self.make_table(growth.key);
            return false;
        }
        let mut list = Listpack::new();
        let mut room = IntText::default();
        ints.iter().for_each(|number| list.push(StrRef::Int(number).bytes(&mut room)));
        list.push(member);
        self.body = Body::of(list);
        true
    }

    fn make_table(&mut self, key: HashKey) {
        self.body = Body::large(self.to_large(key));
    }

    /// The members in a table, where equal ones are one.
    fn to_large(&self, key: HashKey) -> Large {
        let mut large = Large { table: Table::default(), key, dying: None, watch: Slot(None) };
        let mut room = IntText::default();
        for member in self.iter() {
            let text = member.bytes(&mut room);
            large.insert(key.hash(text), text);
        }
        large
    }
}

impl Large {
    /// Adds a member; true when it is new.
    #[inline]
    fn insert(&mut self, hash: u64, text: &[u8]) -> bool {
        if self.table.find(hash, text).is_some() {
            return false;
        }
        self.before(hash, None);
        self.table.insert(hash, Member::new(text), self.key, false);
        true
    }

    /// A member is about to go, or to come: a snapshot under way saves it.
    #[inline]
    fn before(&mut self, hash: u64, old: Option<Member>) {
        if let Some(watch) = &mut self.watch.0 {
            watch.before(hash, old.map(|member| Part::Member(member.key())));
        }
    }
}

impl Watched for Set {
    fn watch(&mut self, encode: EncodePart) -> Option<Shape> {
        let is_large = Collection::memory_bytes(self) >= BYTES_MIN;
        let large = self.body.large_mut().filter(|_| is_large)?;
        let len = large.table.len();
        large.watch = Slot(Some(Elements::new(encode, len)));
        Some(Shape::Set(len))
    }

    fn is_watched(&self) -> bool {
        matches!(self.form(), Form::Table(large) if large.watch.0.is_some())
    }

    fn walk(&mut self, out: &mut Vec<u8>, allowance: &mut Allowance) -> Walked {
        let Some(large) = self.body.large_mut() else { return Walked::Broken };
        let Some(watch) = &mut large.watch.0 else { return Walked::Broken };
        let part = |member: Member| Some(Part::Member(member.key()));
        watch.walk(&large.table, large.key, (out, allowance), part)
    }

    fn noted_bytes(&self) -> usize {
        match self.form() {
            Form::Table(large) => large.watch.0.as_ref().map_or(0, |watch| watch.noted_bytes()),
            _ => 0,
        }
    }

    fn unwatch(&mut self) {
        if let Some(large) = self.body.large_mut() {
            large.watch = Slot(None);
        }
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

    fn encoding(&self) -> Encoding {
        match self.form() {
            Form::Ints(_) => Encoding::Intset,
            Form::List(_) => Encoding::Listpack,
            Form::Table(_) => Encoding::Hashtable,
        }
    }

    #[inline]
    fn memory_bytes(&self) -> usize {
        match self.body.form() {
            Held::Small(_) => self.body.small_bytes(),
            Held::Large(large) => Body::<Exact, Large>::box_bytes() + large.table.memory(),
        }
    }

    fn free_effort(&self) -> usize {
        match self.body.form() {
            Held::Small(_) => 1,
            Held::Large(large) => large.table.len(),
        }
    }

    fn free_slice(&mut self, budget: &mut usize) -> bool {
        let Some(large) = self.body.large_mut() else { return false };
        let left = large.dying.get_or_insert_with(|| large.table.places());
        large.table.free_slice(left, budget)
    }
}

/// Up to one of so many members is drawn one by one; for more it is cheaper to go through all.
const SAMPLE_SHARE: usize = 4;

#[cfg(test)]
mod tests;
