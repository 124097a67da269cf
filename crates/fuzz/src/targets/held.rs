//! Decoded values as the keyspace holds them: what is taken is sound in every use.
//!
//! ```text
//!   bytes -> decoded -> held -> walked -> written -> read -> the same
//!                         \-> changed ------^
//! ```

use super::steering;
use base::Random;
use data::list::End;
use data::stream::{Pending, StreamId, Trim};
use data::{
    Collection, FieldDeadline, Growth, Hash, HashKey, Limits, List, SortedSet, Stream, Value, ValueRef,
};
use data::{hyperloglog, stream};
use std::ops::ControlFlow;
use wire::rdb::encoder::Packing;
use wire::rdb::payload::{self, Footer};

const KEY: HashKey = HashKey([7, 11]);
/// 2^44: a time in milliseconds some 500 years from now; some deadlines lie before, some behind it.
const NOW_MS: u64 = 1 << 44;
/// So many members, fields, elements or entries are looked at one by one, where each costs a walk.
const LOOKS_MAX: usize = 64;

type Parts = Vec<Vec<Vec<u8>>>;

/// The first byte says how large small collections may be; the second seeds changes; the rest is a type byte and its data.
pub fn held(input: &[u8]) {
    let Some((bits, mut random, body)) = steering(input) else { return };
    let limits = limits(bits);
    let Some(decoded) = payload::value(body) else { return };
    let Ok(mut value) = codec::held(decoded, KEY, &limits) else { return };
    check(&mut value, &limits);
    for _ in 0..4 {
        change(&mut value, &limits, &mut random);
        if is_empty(&value) {
            return;
        }
        check(&mut value, &limits);
    }
    let_go(value);
}

fn limits(bits: u8) -> Limits {
    let mut limits = Limits::default();
    if bits & 1 != 0 {
        (limits.hash.entries, limits.sorted_set.entries, limits.set.listpack_entries) = (2, 2, 2);
        (limits.set.intset_entries, limits.stream.node_entries) = (2, 2);
    }
    if bits & 2 != 0 {
        (limits.list.fill, limits.list.compress_depth) = (3, 1);
        limits.list.plain_bytes = 40;
    }
    limits
}

/// Walks a value, and sees that a copy and what is written and read again are the same.
fn check(value: &mut Value, limits: &Limits) {
    walk(value.as_ref());
    let parts = parts(value.as_ref());
    assert!(parts == self::parts(codec::copy(value.as_ref()).as_ref()), "a copy is the same");
    let mut out = Vec::new();
    codec::payload(&mut out, value.as_ref(), Packing::Lzf);
    let (decoded, _) = payload::read(&out, Footer::Whole).expect("what is written is read");
    let again = codec::held(decoded, KEY, limits).expect("what is written can be held");
    assert!(parts == self::parts(again.as_ref()), "what is written and read is the same");
}

/// The parts of a value, sorted where it has no order; with those that a digest leaves out.
fn parts(value: ValueRef<'_>) -> Parts {
    let mut parts = Parts::new();
    codec::parts(value, &mut |part| parts.push(part.iter().map(|text| text.to_vec()).collect()));
    match value {
        ValueRef::Hash(hash) => {
            let deadlines = hash.iter_with_deadlines();
            let deadline = |deadline: Option<u64>| format!("{deadline:?}").into_bytes();
            parts.extend(deadlines.map(|(field, _, due)| vec![field.to_vec(), deadline(due)]));
            parts.sort_unstable();
        }
        ValueRef::Set(_) => parts.sort_unstable(),
        // Small ones know one zero, trees two; those and what stands beside them differ in order alone.
        ValueRef::SortedSet(_) => {
            let zeros = parts.iter_mut().filter(|part| part[1] == b"-0");
            zeros.for_each(|part| part[1] = b"0".to_vec());
        }
        ValueRef::Stream(stream) => {
            let log = stream.log();
            let ids = [log.last_id(), log.max_deleted_id(), log.first_id()];
            parts.push(vec![format!("{ids:?} {} {}", log.len(), log.entries_added()).into_bytes()]);
            parts.extend(stream.groups().iter().map(|group| vec![group_text(group)]));
        }
        ValueRef::Str(_) | ValueRef::List(_) => {}
    }
    parts
}

fn group_text(group: &stream::Group) -> Vec<u8> {
    let mut text = format!("{:?} {} {:?}", group.name(), group.last_id, group.entries_read);
    for pending in group.pending().iter() {
        let owner = group.at(pending.consumer);
        assert!(owner.pending().by_id(pending.id).is_some(), "a consumer has what its group says");
        text += &format!(" {} {} {} {:?}", pending.id, pending.delivered_ms, pending.count, owner.name());
    }
    let owned: usize = group.consumers().map(|consumer| consumer.pending().len()).sum();
    assert_eq!(owned, group.pending().len(), "each entry has one owner");
    for consumer in group.consumers() {
        assert!(consumer.pending().iter().all(|id| group.pending().by_id(*id).is_some()));
        assert!(group.consumer(consumer.name()).is_some(), "a consumer is found by its name");
        text += &format!(" {:?} {}", consumer.name(), consumer.seen_ms);
    }
    text.into_bytes()
}

fn walk(value: ValueRef<'_>) {
    match value {
        ValueRef::Str(text) => {
            let text = text.to_vec();
            if hyperloglog::is_one(&text) {
                let _ = hyperloglog::count(&text);
            }
        }
        ValueRef::Hash(hash) => walk_hash(hash),
        ValueRef::List(list) => walk_list(list),
        ValueRef::Set(set) => {
            assert_eq!(set.iter().count(), set.len());
            assert!(set.iter().take(LOOKS_MAX).all(|member| set.contains(&member.to_vec())));
        }
        ValueRef::SortedSet(set) => walk_sorted_set(set),
        ValueRef::Stream(stream) => walk_stream(stream),
    }
}

fn walk_hash(hash: &Hash) {
    assert_eq!(hash.iter().count(), hash.len());
    for (field, value) in hash.iter().take(LOOKS_MAX) {
        assert_eq!(hash.field(&field.to_vec()).map(|value| value.to_vec()), Some(value.to_vec()));
    }
    let at = hash.at(NOW_MS);
    assert_eq!(at.iter().count(), at.len());
    let mut seen = 0;
    let mut cursor = 0;
    loop {
        cursor = hash.scan(cursor, 16, |_, _| seen += 1);
        if cursor == 0 {
            break;
        }
    }
    assert!(seen >= hash.len());
}

fn walk_list(list: &List) {
    let mut texts = Vec::new();
    list.range(0, list.len(), |element| texts.push(element.to_vec()));
    assert_eq!(texts.len(), list.len());
    let mut back = Vec::new();
    let _: ControlFlow<()> = list.visit(End::Back, 0, |element| {
        back.push(element.to_vec());
        ControlFlow::Continue(())
    });
    back.reverse();
    assert!(texts == back, "both ways lead past the same elements");
    for (index, text) in texts.iter().enumerate().take(LOOKS_MAX) {
        assert!(list.get(index, |element| element.to_vec()).as_ref() == Some(text));
    }
}

fn walk_sorted_set(set: &SortedSet) {
    let members: Vec<(Vec<u8>, f64)> = set.iter().map(|(member, score)| (member.to_vec(), score)).collect();
    assert_eq!(members.len(), set.len());
    assert!(members.is_sorted_by(|one, next| (one.1, &one.0) < (next.1, &next.0)), "members are in order");
    let mut back: Vec<_> =
        set.range_reversed(0..set.len()).map(|(member, score)| (member.to_vec(), score)).collect();
    back.reverse();
    assert!(members == back, "both ways lead past the same members");
    for (rank, (member, score)) in members.iter().enumerate().take(LOOKS_MAX) {
        assert_eq!(set.rank(member), Some((rank, *score)));
    }
}

fn walk_stream(stream: &Stream) {
    let log = stream.log();
    let ids: Vec<StreamId> = log.range(StreamId::ZERO, StreamId::MAX).map(|entry| entry.id()).collect();
    let mut back: Vec<StreamId> =
        log.range_back(StreamId::ZERO, StreamId::MAX).map(|entry| entry.id()).collect();
    back.reverse();
    assert!(ids == back, "both ways lead past the same entries");
    assert_eq!(ids.len() as u64, log.len());
    assert!(ids.is_sorted_by(|one, next| one < next), "entries are in order");
    assert!(ids.last().is_none_or(|last| *last <= log.last_id()));
    for id in ids.iter().take(LOOKS_MAX) {
        let entry = log.entry(*id).expect("an entry is found by its id");
        assert_eq!(entry.len(), entry.clone().fields().count());
    }
    assert!(stream.groups().iter().filter_map(|group| stream.lag(group)).count() <= stream.groups().len());
    stream.radix_nodes();
}

fn is_empty(value: &Value) -> bool {
    match value.as_ref() {
        ValueRef::Hash(hash) => hash.is_empty(),
        ValueRef::List(list) => list.is_empty(),
        ValueRef::Set(set) => set.is_empty(),
        ValueRef::SortedSet(set) => set.is_empty(),
        ValueRef::Str(_) | ValueRef::Stream(_) => false,
    }
}

/// One change of a kind that chance picks. What is empty afterwards would be no key any more.
fn change(value: &mut Value, limits: &Limits, random: &mut Random) {
    match value {
        Value::Integer(_) => {}
        Value::String(text) => {
            if hyperloglog::is_one(text) {
                let _ = hyperloglog::raise(text, random.below(1 << 14) as usize, 9, 3_000);
                let _ = hyperloglog::to_dense(text);
                let _ = hyperloglog::count(text);
            }
        }
        Value::Hash(hash) => change_hash(hash, limits, random),
        Value::List(list) => change_list(list, limits, random),
        Value::Set(set) => match random.below(4) {
            0 => drop(set.insert(b"new", grown(limits.set))),
            1 => drop(set.insert(b"123456789012", grown(limits.set))),
            2 => drop(set.take_random(random)),
            _ => {
                let first = set.iter().next().map(|member| member.to_vec());
                assert!(first.is_none_or(|member| set.remove(&member)));
            }
        },
        Value::SortedSet(set) => change_sorted_set(set, limits, random),
        Value::Stream(stream) => change_stream(stream, limits, random),
    }
}

fn grown<L>(limits: L) -> Growth<L> {
    Growth { key: KEY, limits }
}

fn change_hash(hash: &mut Hash, limits: &Limits, random: &mut Random) {
    let first = hash.iter().next().map(|(field, _)| field.to_vec()).unwrap_or_default();
    match random.below(5) {
        0 => drop(hash.set(b"new", b"value", grown(limits.hash))),
        1 => assert!(!hash.set(&first, b"changed", grown(limits.hash))),
        2 => assert!(hash.remove(&first)),
        3 => {
            let deadline = FieldDeadline::At(NOW_MS + random.below(9));
            assert!(!hash.set_with_deadline(&first, b"due", deadline, grown(limits.hash)));
        }
        _ => drop(hash.expire(NOW_MS, 2)),
    }
}

fn change_list(list: &mut List, limits: &Limits, random: &mut Random) {
    let index = random.below(list.len() as u64) as usize;
    let end = if random.chance(1, 2) { End::Front } else { End::Back };
    let len = list.len();
    match random.below(6) {
        0 => {
            list.push(end, b"new", &limits.list);
            assert_eq!(list.len(), len + 1);
        }
        1 => assert!(list.pop(end, &limits.list, |_| ()).is_some() && list.len() + 1 == len),
        2 => list.set(index, &[b'x'; 50], &limits.list),
        3 => list.insert(index, b"17", &limits.list),
        4 => list.remove(index, 2, &limits.list),
        _ => {
            let text = list.get(index, |element| element.to_vec()).expect("the index is below the length");
            let removed = list.remove_equal(&text, end, 1 + random.below(3) as usize, &limits.list);
            assert!(removed > 0 && list.len() + removed == len);
        }
    }
}

fn change_sorted_set(set: &mut SortedSet, limits: &Limits, random: &mut Random) {
    let growth = grown(limits.sorted_set);
    let rank = random.below(set.len() as u64) as usize;
    let member = set.range(rank..rank + 1).next().map(|(member, _)| member.to_vec()).unwrap_or_default();
    match random.below(4) {
        0 => set.change(b"new", growth, |_| Some(2.5)),
        1 => set.change(&member, growth, |score| score.map(|score| score + 1.0)),
        2 => assert!(set.remove(&member)),
        _ => set.remove_ranks(rank..rank + 1),
    }
}

fn change_stream(stream: &mut Stream, limits: &Limits, random: &mut Random) {
    let len = stream.len();
    let first = stream.log().range(StreamId::ZERO, StreamId::MAX).nth(random.below(3) as usize);
    let first = first.map(|entry| entry.id());
    match random.below(6) {
        0 => {
            if let Some(id) = stream.log().next_id(5) {
                let texts: [&[u8]; 2] = [b"field", b"value"];
                stream.log_mut().push(id, texts.into_iter(), limits.stream);
                assert_eq!((stream.len(), stream.log().last_live_id()), (len + 1, Some(id)));
            }
        }
        1 => {
            if let Some(id) = first {
                assert!(stream.log_mut().remove(id) && !stream.log().contains(id));
            }
        }
        2 => assert_eq!(stream.log_mut().trim(Trim::ToLen(2), false, 0) + stream.len(), len),
        3 => assert_eq!(
            stream.log_mut().trim(Trim::Below(first.unwrap_or_default()), true, 0) + stream.len(),
            len
        ),
        4 => drop(stream.groups_mut().create(b"new", StreamId::ZERO, None)),
        _ => change_groups(stream, random),
    }
}

fn change_groups(stream: &mut Stream, random: &mut Random) {
    let names: Vec<Vec<u8>> = stream.groups().iter().map(|group| group.name().to_vec()).collect();
    for name in names {
        let mut group = stream.groups_mut().group_mut(&name).expect("a group is found by its name");
        let first = group.pending().first().copied();
        let consumer = group.consumers().next().map(|consumer| consumer.name().to_vec());
        match random.below(4) {
            0 => {
                if let (Some(pending), Some(consumer)) =
                    (first, consumer.and_then(|name| group.consumer(&name)))
                {
                    group.assign(Pending { consumer, ..pending });
                }
            }
            1 => assert!(first.is_none_or(|pending| group.settle(pending.id))),
            2 => {
                let _ = consumer.and_then(|name| group.remove_consumer(&name));
            }
            _ => {
                let _ = group.create_consumer(b"new", 1);
            }
        }
    }
}

/// Frees a value in slices, as the keyspace does.
fn let_go(value: Value) {
    fn slices<T: Collection>(mut value: T) {
        let mut budget = 3;
        while value.free_slice(&mut budget) {
            budget = 3;
        }
    }
    match value {
        Value::Integer(_) | Value::String(_) => {}
        Value::Hash(hash) => slices(hash),
        Value::List(list) => slices(list),
        Value::Set(set) => slices(set),
        Value::SortedSet(set) => slices(set),
        Value::Stream(stream) => slices(*stream),
    }
}
