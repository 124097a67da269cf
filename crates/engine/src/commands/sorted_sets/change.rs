//! Members added, changed and removed: ZADD, ZINCRBY, ZREM, ZREMRANGEBY*.

use super::growth;
use super::range::{Selector, member_range, rank_range, score_range};
use crate::call::{Call, Class};
use crate::keys::{self, Place};
use alloc::vec::Vec;
use base::number;
use data::SortedSet;
use spec::Refusal;

const NX_WITH_XX: Refusal = Refusal::Text("ERR XX and NX options at the same time are not compatible");
const GT_WITH_LT: Refusal =
    Refusal::Text("ERR GT, LT, and/or NX options at the same time are not compatible");
const INCR_OF_MANY: Refusal = Refusal::Text("ERR INCR option supports a single increment-element pair");
const SCORE_NAN: Refusal = Refusal::Text("ERR resulting score is not a number (NaN)");

/// Which scores ZADD may set.
#[derive(Clone, Copy, Default)]
pub(in crate::commands) struct Options {
    /// NX: new members alone.
    only_new: bool,
    /// XX: members that are there alone.
    only_present: bool,
    /// GT: a score that is there may only rise.
    only_up: bool,
    /// LT: a score that is there may only fall.
    only_down: bool,
    /// CH: the reply counts changed scores too.
    counts_changes: bool,
    /// INCR: the score is added to the one that is there.
    adds: bool,
}

impl Options {
    /// Takes one option; false when it is none.
    fn take(&mut self, word: &[u8]) -> bool {
        let option = match word {
            _ if word.eq_ignore_ascii_case(b"nx") => &mut self.only_new,
            _ if word.eq_ignore_ascii_case(b"xx") => &mut self.only_present,
            _ if word.eq_ignore_ascii_case(b"gt") => &mut self.only_up,
            _ if word.eq_ignore_ascii_case(b"lt") => &mut self.only_down,
            _ if word.eq_ignore_ascii_case(b"ch") => &mut self.counts_changes,
            _ if word.eq_ignore_ascii_case(b"incr") => &mut self.adds,
            _ => return false,
        };
        *option = true;
        true
    }

    /// Takes one option of GEOADD; false when it is none.
    pub fn take_of_geo(&mut self, word: &[u8]) -> bool {
        let is_one = [&b"nx"[..], b"xx", b"ch"].iter().any(|option| word.eq_ignore_ascii_case(option));
        is_one && self.take(word)
    }

    /// NX with XX.
    pub fn is_contradictory(self) -> bool {
        self.only_new && self.only_present
    }

    fn check(self, pairs: usize) -> Result<(), Refusal> {
        if self.is_contradictory() {
            return Err(NX_WITH_XX);
        }
        if (self.only_up || self.only_down) && self.only_new || self.only_up && self.only_down {
            return Err(GT_WITH_LT);
        }
        if self.adds && pairs > 1 { Err(INCR_OF_MANY) } else { Ok(()) }
    }

    /// The score of a member that has `before` and is given `score`; `None` leaves it alone.
    #[inline]
    fn choose(self, before: Option<f64>, score: f64) -> Option<f64> {
        let Some(before) = before else {
            return Some(score).filter(|_| !self.only_present);
        };
        let after = if self.adds { before + score } else { score };
        let is_wanted =
            !(self.only_new || self.only_up && after <= before || self.only_down && after >= before);
        Some(after).filter(|_| is_wanted)
    }
}

/// What came of a ZADD.
#[derive(Default)]
struct Outcome {
    added: i64,
    updated: i64,
    /// The score of the last member that was not left alone.
    score: Option<f64>,
}

pub(super) fn zadd(call: &mut Call<'_>) -> Result<(), Refusal> {
    let mut options = Options::default();
    let mut first = 2;
    while first < call.args.len() && options.take(call.args.at(first)) {
        first += 1;
    }
    add(call, options, first)
}

pub(super) fn zincrby(call: &mut Call<'_>) -> Result<(), Refusal> {
    add(call, Options { adds: true, ..Options::default() }, 2)
}

fn add(call: &mut Call<'_>, options: Options, first: usize) -> Result<(), Refusal> {
    let pairs = call.args.from(first);
    if pairs.is_empty() || pairs.len() % 2 == 1 {
        return Err(Refusal::Syntax);
    }
    options.check(pairs.len() / 2)?;
    // Nothing is changed where one of the scores is none. The usual request has one pair: it allocates nothing.
    let score_at = |at: usize| number::parse_f64(pairs.at(at)).ok_or(Refusal::NotFloat);
    let first_score = score_at(0)?;
    let others: Vec<f64> = (2..pairs.len()).step_by(2).map(score_at).collect::<Result<_, _>>()?;

    let scores = core::iter::once(first_score).chain(others).enumerate();
    let scored = scores.map(|(at, score)| (score, pairs.at(at * 2 + 1)));
    put(call, options, scored, Call::as_requested)
}

/// Gives members of the set at argument 1 scores, and replies; `pass_on` gives replicas what was changed.
pub(in crate::commands) fn put<'a>(
    call: &mut Call<'a>,
    options: Options,
    scored: impl Iterator<Item = (f64, &'a [u8])>,
    pass_on: impl FnOnce(&mut Call<'a>),
) -> Result<(), Refusal> {
    let growth = growth(call);
    let key = call.args.at(1);
    let mut entry = match call.keys.entry(key) {
        Place::Taken(entry) => entry,
        Place::Free(_) if options.only_present => {
            if options.adds {
                call.reply.null();
            } else {
                call.reply.integer(0);
            }
            return Ok(());
        }
        Place::Free(free) => free.insert(SortedSet::new().into(), None),
    };
    let mut set = keys::change_in::<SortedSet>(&mut entry)?;
    let mut outcome = Outcome::default();
    for (score, member) in scored {
        let mut is_nan = false;
        set.change(member, growth, |before| {
            let after = options.choose(before, score)?;
            is_nan = after.is_nan();
            if is_nan {
                return None;
            }
            outcome.score = Some(after);
            match before {
                None => outcome.added += 1,
                Some(before) if before != after => outcome.updated += 1,
                Some(_) => return None,
            }
            Some(after)
        });
        if is_nan {
            return Err(SCORE_NAN);
        }
    }
    drop(set);
    if outcome.added + outcome.updated > 0 {
        pass_on(call);
        call.changed(Class::SORTED_SET, if options.adds { "zincr" } else { "zadd" }, key);
    }
    match outcome.score {
        Some(score) if options.adds => call.reply.double(score),
        None if options.adds => call.reply.null(),
        _ if options.counts_changes => call.reply.integer(outcome.added + outcome.updated),
        _ => call.reply.integer(outcome.added),
    }
    Ok(())
}

pub(super) fn zrem(call: &mut Call<'_>) -> Result<(), Refusal> {
    let members = call.args.from(2);
    remove(call, "zrem", |set| members.iter().filter(|member| set.remove(member)).count())
}

pub(super) fn zremrangebyrank(call: &mut Call<'_>) -> Result<(), Refusal> {
    let range = rank_range(call.args.at(2), call.args.at(3))?;
    remove_range(call, "zremrangebyrank", range)
}

pub(super) fn zremrangebyscore(call: &mut Call<'_>) -> Result<(), Refusal> {
    let range = score_range(call.args.at(2), call.args.at(3))?;
    remove_range(call, "zremrangebyscore", Selector::Scores(range))
}

pub(super) fn zremrangebylex(call: &mut Call<'_>) -> Result<(), Refusal> {
    let range = member_range(call.args.at(2), call.args.at(3))?;
    remove_range(call, "zremrangebylex", Selector::Members(range))
}

fn remove_range(call: &mut Call<'_>, event: &str, selector: Selector<'_>) -> Result<(), Refusal> {
    remove(call, event, |set| {
        let ranks = selector.ranks(set);
        let count = ranks.len();
        set.remove_ranks(ranks);
        count
    })
}

/// Lets `take` remove members of the set at argument 1, and replies with their number. The last one takes the key with it.
fn remove(
    call: &mut Call<'_>,
    event: &str,
    take: impl FnOnce(&mut SortedSet) -> usize,
) -> Result<(), Refusal> {
    let key = call.args.at(1);
    let Some(mut entry) = call.keys.taken(key) else {
        call.reply.integer(0);
        return Ok(());
    };
    let mut set = keys::change_in::<SortedSet>(&mut entry)?;
    let removed = take(&mut set);
    let is_empty = set.is_empty();
    drop(set);
    if is_empty {
        entry.remove();
    }
    if removed > 0 {
        call.as_requested();
        call.changed(Class::SORTED_SET, event, key);
        if is_empty {
            call.notify(Class::GENERIC, "del", key);
        }
    }
    call.reply.integer(removed as i64);
    Ok(())
}
