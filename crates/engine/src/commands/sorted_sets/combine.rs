//! Several sets made one: ZUNION, ZINTER, ZDIFF, their STORE forms, ZINTERCARD. Plain sets count as members of score 1.

use super::{growth, say_all, store};
use crate::call::Call;
use crate::commands::text;
use crate::keys::{self, Expiry, Keys};
use alloc::format;
use alloc::vec::Vec;
use base::number;
use data::sorted_set::Growth;
use data::value::IntText;
use data::{Kind, Set, SortedSet, SortedSetBuilder, SortedSetLimits, ValueRef};
use spec::Refusal;
use wire::batch::Args;

const WEIGHT_NO_FLOAT: Refusal = Refusal::Text("ERR weight value is not a float");
/// What a member of a plain set counts as.
const MEMBER_SCORE: f64 = 1.0;
const LIMIT_NEGATIVE: Refusal = Refusal::Text("ERR LIMIT can't be negative");

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Inter,
    Diff,
}

/// How scores of one member in several sets become one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn named(word: &[u8]) -> Result<Aggregate, Refusal> {
        match word {
            _ if word.eq_ignore_ascii_case(b"sum") => Ok(Aggregate::Sum),
            _ if word.eq_ignore_ascii_case(b"min") => Ok(Aggregate::Min),
            _ if word.eq_ignore_ascii_case(b"max") => Ok(Aggregate::Max),
            _ => Err(Refusal::Syntax),
        }
    }

    /// Infinities of both signs make zero, as in the original.
    fn join(self, one: f64, other: f64) -> f64 {
        match self {
            Aggregate::Sum => number_or_zero(one + other),
            Aggregate::Min if other < one => other,
            Aggregate::Max if other > one => other,
            Aggregate::Min | Aggregate::Max => one,
        }
    }
}

fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// What the result is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Reply,
    Store,
    Count,
}

/// A request, read.
struct Query<'a> {
    keys: Args<'a>,
    count: usize,
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// 0: none.
    limit: usize,
}

impl<'a> Query<'a> {
    /// Reads the arguments from the number of keys on. The keys are looked at before the options, as in the original.
    fn parse(
        call: &mut Call<'a>,
        args: Args<'a>,
        operation: Operation,
        purpose: Purpose,
    ) -> Result<Query<'a>, Refusal> {
        let count = number::parse_i64(args.at(0)).ok_or(Refusal::NotInteger)?;
        let Some(count) = usize::try_from(count).ok().filter(|count| *count > 0) else {
            let name = text(call.name().as_bytes());
            return Err(Refusal::Owned(
                format!("ERR at least 1 input key is needed for '{name}' command").into(),
            ));
        };
        if count > args.len() - 1 {
            return Err(Refusal::Syntax);
        }
        let mut query = Query {
            keys: args.from(1),
            count,
            weights: Vec::new(),
            aggregate: Aggregate::Sum,
            with_scores: false,
            limit: 0,
        };
        look(call, &query)?;
        query.options(args.from(1 + count), operation, purpose)?;
        Ok(query)
    }

    fn options(&mut self, args: Args<'a>, operation: Operation, purpose: Purpose) -> Result<(), Refusal> {
        let has_scores = operation != Operation::Diff && purpose != Purpose::Count;
        let mut at = 0;
        while let Some(word) = args.get(at) {
            let left = args.len() - at;
            if has_scores && left > self.count && word.eq_ignore_ascii_case(b"weights") {
                self.weights = (at + 1..=at + self.count)
                    .map(|at| number::parse_f64(args.at(at)).ok_or(WEIGHT_NO_FLOAT))
                    .collect::<Result<_, _>>()?;
                at += self.count;
            } else if has_scores && left > 1 && word.eq_ignore_ascii_case(b"aggregate") {
                self.aggregate = Aggregate::named(args.at(at + 1))?;
                at += 1;
            } else if purpose == Purpose::Reply && word.eq_ignore_ascii_case(b"withscores") {
                self.with_scores = true;
            } else if purpose == Purpose::Count && left > 1 && word.eq_ignore_ascii_case(b"limit") {
                let limit = number::parse_i64(args.at(at + 1)).and_then(|limit| usize::try_from(limit).ok());
                self.limit = limit.ok_or(LIMIT_NEGATIVE)?;
                at += 1;
            } else {
                return Err(Refusal::Syntax);
            }
            at += 1;
        }
        Ok(())
    }
}

/// One of the sets, with its weight.
#[derive(Clone, Copy)]
struct Input<'k> {
    source: Source<'k>,
    weight: f64,
}

#[derive(Clone, Copy)]
enum Source<'k> {
    None,
    SortedSet(&'k SortedSet),
    Set(&'k Set),
}

impl Input<'_> {
    fn len(&self) -> usize {
        match self.source {
            Source::None => 0,
            Source::SortedSet(set) => set.len(),
            Source::Set(set) => set.len(),
        }
    }

    fn weighted(&self, score: f64) -> f64 {
        number_or_zero(score * self.weight)
    }

    /// The weighted score of a member. Zero times infinity is a NaN here, which makes any sum zero: as in the original.
    fn score(&self, member: &[u8]) -> Option<f64> {
        match self.source {
            Source::None => None,
            Source::SortedSet(set) => set.score(member).map(|score| score * self.weight),
            Source::Set(set) => set.contains(member).then_some(MEMBER_SCORE * self.weight),
        }
    }

    /// Visits all members with their weighted scores, until `visit` says false.
    fn visit(&self, mut visit: impl FnMut(&[u8], f64) -> bool) {
        let mut room = IntText::default();
        match self.source {
            Source::None => {}
            Source::SortedSet(set) => {
                for (member, score) in set.iter() {
                    if !visit(member.bytes(&mut room), self.weighted(score)) {
                        return;
                    }
                }
            }
            Source::Set(set) => {
                for member in set.iter() {
                    if !visit(member.bytes(&mut room), self.weighted(MEMBER_SCORE)) {
                        return;
                    }
                }
            }
        }
    }
}

/// The sets of a request, which were looked at before: all are of a right type.
fn inputs<'k>(keys: &'k Keys<'_>, query: &Query<'_>) -> Vec<Input<'k>> {
    (0..query.count)
        .map(|at| {
            let key = query.keys.at(at);
            let weight = query.weights.get(at).copied().unwrap_or(1.0);
            let entry = keys
                .shared
                .keyspace
                .find(keys.db, key, keys.hash_of(key))
                .filter(|entry| keys.expiry == Expiry::Show || !keys::is_due(entry, keys.now_ms));
            let source = match entry.map(|entry| entry.value()) {
                Some(ValueRef::SortedSet(set)) => Source::SortedSet(set),
                Some(ValueRef::Set(set)) => Source::Set(set),
                _ => Source::None,
            };
            Input { source, weight }
        })
        .collect()
}

fn combined(
    mut inputs: Vec<Input<'_>>,
    operation: Operation,
    aggregate: Aggregate,
    mut builder: SortedSetBuilder,
) -> SortedSet {
    if operation != Operation::Diff {
        // The order of additions decides the last bit of a sum: the smallest set first, as in the original.
        inputs.sort_by_key(Input::len);
    }
    match (operation, inputs.split_first()) {
        (_, None) => {}
        (Operation::Union, Some(_)) => {
            for input in &inputs {
                input.visit(|member, score| {
                    builder.change(member, |before| {
                        before.map_or(score, |before| aggregate.join(before, score))
                    });
                    true
                });
            }
        }
        (Operation::Inter, Some((first, others))) => first.visit(|member, score| {
            let joined = others
                .iter()
                .try_fold(score, |sum, other| other.score(member).map(|score| aggregate.join(sum, score)));
            if let Some(score) = joined {
                builder.add(member, score);
            }
            true
        }),
        (Operation::Diff, Some((first, others))) => first.visit(|member, score| {
            if others.iter().all(|other| other.score(member).is_none()) {
                builder.add(member, score);
            }
            true
        }),
    }
    builder.finish()
}

/// Looks at all keys as a reader does: their types, and who of them is expired.
fn look(call: &mut Call<'_>, query: &Query<'_>) -> Result<(), Refusal> {
    for at in 0..query.count {
        if let Some(entry) = call.keys.read(query.keys.at(at))
            && !matches!(entry.kind(), Kind::SortedSet | Kind::Set)
        {
            return Err(Refusal::WrongType);
        }
    }
    Ok(())
}

fn result(call: &Call<'_>, query: &Query<'_>, operation: Operation, growth: Growth) -> SortedSet {
    let builder = SortedSetBuilder::new(growth);
    combined(inputs(&call.keys, query), operation, query.aggregate, builder)
}

fn reply(call: &mut Call<'_>, operation: Operation) -> Result<(), Refusal> {
    let query = Query::parse(call, call.args.from(1), operation, Purpose::Reply)?;
    // It is only shown: a small layout would be made for nothing.
    let growth = Growth { limits: SortedSetLimits { entries: 0, value_bytes: 0 }, ..growth(call) };
    let set = result(call, &query, operation, growth);
    say_all(&mut call.reply, set.len(), set.iter(), query.with_scores);
    Ok(())
}

fn store_result(call: &mut Call<'_>, operation: Operation) -> Result<(), Refusal> {
    let query = Query::parse(call, call.args.from(2), operation, Purpose::Store)?;
    let growth = growth(call);
    let set = result(call, &query, operation, growth);
    let name = call.name();
    store(call, call.args.at(1), set, name);
    Ok(())
}

pub(super) fn zunion(call: &mut Call<'_>) -> Result<(), Refusal> {
    reply(call, Operation::Union)
}

pub(super) fn zinter(call: &mut Call<'_>) -> Result<(), Refusal> {
    reply(call, Operation::Inter)
}

pub(super) fn zdiff(call: &mut Call<'_>) -> Result<(), Refusal> {
    reply(call, Operation::Diff)
}

pub(super) fn zunionstore(call: &mut Call<'_>) -> Result<(), Refusal> {
    store_result(call, Operation::Union)
}

pub(super) fn zinterstore(call: &mut Call<'_>) -> Result<(), Refusal> {
    store_result(call, Operation::Inter)
}

pub(super) fn zdiffstore(call: &mut Call<'_>) -> Result<(), Refusal> {
    store_result(call, Operation::Diff)
}

pub(super) fn zintercard(call: &mut Call<'_>) -> Result<(), Refusal> {
    let query = Query::parse(call, call.args.from(1), Operation::Inter, Purpose::Count)?;
    let mut inputs = inputs(&call.keys, &query);
    inputs.sort_by_key(Input::len);
    let mut count = 0;
    if let Some((first, others)) = inputs.split_first() {
        first.visit(|member, _| {
            count += usize::from(others.iter().all(|other| other.score(member).is_some()));
            query.limit == 0 || count < query.limit
        });
    }
    call.reply.integer(count as i64);
    Ok(())
}
