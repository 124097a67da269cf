//! A sorted set beside a plain model: an ordered list of pairs.

use super::*;
use alloc::format;
use alloc::string::String;

const KEY: HashKey = HashKey([3, 4]);

fn growth(entries: usize) -> Growth {
    Growth { key: KEY, limits: SortedSetLimits { entries, value_bytes: 64 } }
}

/// The model: in order.
type Model = Vec<(f64, Vec<u8>)>;

fn place(model: &Model, member: &[u8]) -> Option<usize> {
    model.iter().position(|(_, other)| other == member)
}

fn put(model: &mut Model, member: &[u8], score: f64) {
    if let Some(at) = place(model, member) {
        model.remove(at);
    }
    let at =
        model.partition_point(|(other, name)| *other < score || *other == score && name.as_slice() < member);
    model.insert(at, (score, member.to_vec()));
}

fn pairs(members: Members<'_>) -> Vec<(f64, Vec<u8>)> {
    let stepped: Vec<_> = members.clone().map(|(member, score)| (score, member.to_vec())).collect();
    let mut folded = Vec::new();
    members.for_each(|(member, score)| folded.push((score, member.to_vec())));
    assert_eq!(stepped, folded);
    folded
}

#[track_caller]
fn compare(set: &SortedSet, model: &Model, random: &mut Random) {
    assert_eq!(set.len(), model.len());
    assert_eq!(pairs(set.iter()), *model);
    if let Form::Large(large) = set.body.form() {
        large.check();
    }
    for _ in 0..4 {
        let start = random.below(model.len() as u64 + 1) as usize;
        let end = start + random.below((model.len() - start) as u64 + 1) as usize;
        assert_eq!(pairs(set.range(start..end)), model[start..end]);
        let mut reversed = pairs(set.range_reversed(start..end));
        reversed.reverse();
        assert_eq!(reversed, model[start..end]);
        let mut bound = || ScoreBound {
            score: (random.below(40) as f64 - 20.0) / 2.0,
            is_exclusive: random.chance(1, 2),
        };
        let range = ScoreRange { min: bound(), max: bound() };
        let expected: Vec<_> = model
            .iter()
            .filter(|(score, _)| !range.is_below(*score) && !range.is_above(*score))
            .cloned()
            .collect();
        assert_eq!(pairs(set.range(set.ranks_of_scores(&range))), expected);
    }
    for (at, (score, member)) in model.iter().enumerate().step_by(7) {
        assert_eq!(set.rank(member), Some((at, *score)));
        assert_eq!(set.score(member), Some(*score));
    }
    assert_eq!(set.score(b"not there"), None);
}

fn name(random: &mut Random, names: u64) -> String {
    match random.below(3) {
        0 => format!("{}", random.below(names)),
        1 => format!("member:{}", random.below(names)),
        _ => format!("a longer name of a member {}", random.below(names)),
    }
}

#[test]
fn it_is_what_the_model_is() {
    let rounds = if cfg!(miri) { 200 } else { 6_000 };
    for (seed, entries) in [(1, 0), (2, 16), (3, 0), (4, 0)] {
        let mut random = Random::new(seed);
        let mut model = Model::new();
        let mut set = SortedSet::new();
        let names = [20, 40, 400, 2_000][seed as usize - 1];
        for round in 0..rounds {
            let grows = (round / (rounds / 4)) % 2 == 0;
            let member = name(&mut random, names);
            let member = member.as_bytes();
            match random.below(20) {
                0 if !grows && !model.is_empty() => {
                    let start = random.below(model.len() as u64) as usize;
                    let end = (start + random.below(200) as usize).min(model.len());
                    set.remove_ranks(start..end);
                    model.drain(start..end);
                }
                1..12 if !grows => {
                    assert_eq!(set.remove(member), place(&model, member).is_some());
                    model.retain(|(_, other)| other != member);
                }
                _ => {
                    let score = match random.below(3) {
                        0 => random.below(10) as f64 - 5.0,
                        1 => (random.below(1_000) as f64) / 7.0,
                        _ => set.score(member).unwrap_or(0.0) + 0.25,
                    };
                    let before = set.score(member);
                    set.change(member, growth(entries), |found| {
                        assert_eq!(found, before);
                        Some(score)
                    });
                    put(&mut model, member, score);
                }
            }
            if round % (rounds / 50) == 0 {
                compare(&set, &model, &mut random);
            }
            if round % (rounds / 10) == 0 {
                compare(&set.duplicate(), &model, &mut random);
                compare(&set, &model, &mut random);
            }
        }
        compare(&set, &model, &mut random);
        let len = set.len();
        set.remove_ranks(0..len);
        model.clear();
        compare(&set, &model, &mut random);
        assert!(set.is_empty());
    }
}

#[test]
fn growth_at_either_end_keeps_the_order() {
    let count = if cfg!(miri) { 100 } else { 5_000 };
    for sign in [1.0, -1.0] {
        let mut set = SortedSet::new();
        for at in 0..count {
            set.change(format!("{at}").as_bytes(), growth(0), |_| Some(sign * f64::from(at)));
        }
        let Form::Large(large) = set.body.form() else { panic!("it is large") };
        large.check();
        let scores: Vec<f64> = set.iter().map(|(_, score)| score).collect();
        assert!(scores.is_sorted() && scores.len() == count as usize);
    }
}

#[test]
fn members_are_found_by_their_bytes() {
    for entries in [0, 128] {
        let mut set = SortedSet::new();
        for member in ["alpha", "bar", "cool", "down", "elephant", "foo"] {
            set.change(member.as_bytes(), growth(entries), |_| Some(0.0));
        }
        let ranks = |min, max| set.ranks_of_members(&MemberRange { min, max });
        assert_eq!(ranks(MemberBound::Including(b"bar"), MemberBound::Including(b"down")), 1..4);
        assert_eq!(ranks(MemberBound::Excluding(b"bar"), MemberBound::Excluding(b"down")), 2..3);
        assert_eq!(ranks(MemberBound::Lowest, MemberBound::Including(b"c")), 0..2);
        assert!(ranks(MemberBound::Highest, MemberBound::Lowest).is_empty());
        assert_eq!(ranks(MemberBound::Lowest, MemberBound::Highest), 0..6);
    }
}

#[test]
fn a_builder_sorts_once() {
    for count in [3, if cfg!(miri) { 40 } else { 3_000 }] {
        let growth = growth(8);
        let mut builder = SortedSetBuilder::new(growth);
        let mut model = Model::new();
        let mut random = Random::new(9);
        for at in 0..count {
            let (member, score) = (format!("{at}"), random.below(50) as f64);
            assert!(builder.add(member.as_bytes(), score));
            put(&mut model, member.as_bytes(), score);
        }
        let set = builder.finish();
        assert_eq!(set.encoding(), if count == 3 { Encoding::Listpack } else { Encoding::Skiplist });
        compare(&set, &model, &mut random);
        let mut set = set;
        set.remove(b"1");
        set.change(b"new", growth, |_| Some(7.5));
        model.retain(|(_, member)| member != b"1");
        put(&mut model, b"new", 7.5);
        compare(&set, &model, &mut random);
    }
}

#[test]
fn it_is_freed_in_slices() {
    let mut set = SortedSet::new();
    for at in 0..if cfg!(miri) { 1_000 } else { 5_000 } {
        set.change(format!("{at}").as_bytes(), growth(0), |_| Some(f64::from(at)));
    }
    let mut slices = 0;
    while set.free_slice(&mut 50) {
        slices += 1;
    }
    assert!(slices > 0);
}

#[test]
fn a_listpack_from_outside_is_checked() {
    let list = |elements: &[&str]| {
        let mut list = Listpack::new();
        elements.iter().for_each(|element| list.push(element.as_bytes()));
        SortedSet::from_listpack(list.as_bytes().to_vec(), growth(2))
    };
    for wrong in [&["a"][..], &["a", "x"], &["a", "1", "a", "2"], &["a", "nan"], &["a", ""]] {
        assert!(list(wrong).is_err(), "{wrong:?}");
    }
    let unsorted = list(&["b", "2", "a", "inf"]).unwrap();
    assert_eq!(pairs(unsorted.iter()), [(2.0, b"b".to_vec()), (f64::INFINITY, b"a".to_vec())]);
    let unsorted = list(&["b", "2", "a", "-1.5"]).unwrap();
    assert_eq!(pairs(unsorted.iter()), [(-1.5, b"a".to_vec()), (2.0, b"b".to_vec())]);
    assert_eq!(list(&["a", "1", "b", "2", "c", "3"]).unwrap().encoding(), Encoding::Skiplist);
}

#[test]
fn a_member_may_be_very_long() {
    let long = alloc::vec![b'x'; 70_000];
    let mut set = SortedSet::new();
    set.change(&long, growth(128), |_| Some(1.0));
    set.change(b"x", growth(128), |_| Some(1.0));
    assert_eq!(set.rank(&long), Some((1, 1.0)));
    assert!(set.remove(&long) && set.len() == 1);
}

#[test]
fn a_long_listpack_out_of_order_takes_no_quadratic_time() {
    const MANY: u32 = if cfg!(miri) { 50 } else { 60_000 };
    let mut list = Listpack::new();
    list.append(0, |list| {
        for number in (0..MANY).rev() {
            list.text(&number.to_be_bytes());
            list.integer(i64::from(number / 7));
        }
    });
    let growth = Growth { key: HashKey([1, 2]), limits: SortedSetLimits::default() };
    let set = SortedSet::from_listpack(list.as_bytes().to_vec(), growth).unwrap();
    let expected = (0..MANY).map(|number| (number.to_be_bytes().to_vec(), f64::from(number / 7)));
    assert!(set.iter().map(|(member, score)| (member.to_vec(), score)).eq(expected));
}
