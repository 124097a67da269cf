//! Members in a range: ZRANGE in all its forms, and ZRANGESTORE.

use super::{growth, read, say_all, store};
use crate::call::Call;
use base::number;
use core::ops::Range;
use data::sorted_set::{MemberBound, MemberRange, ScoreBound, ScoreRange};
use data::{SortedSet, SortedSetBuilder};
use spec::Refusal;
use wire::batch::Args;

const BAD_SCORES: Refusal = Refusal::Text("ERR min or max is not a float");
const BAD_MEMBERS: Refusal = Refusal::Text("ERR min or max not valid string range item");
const LIMIT_OF_RANKS: Refusal =
    Refusal::Text("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
const SCORES_OF_NAMES: Refusal =
    Refusal::Text("ERR syntax error, WITHSCORES not supported in combination with BYLEX");

/// Which members are meant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Selector<'a> {
    /// From one rank to another, both included; negative ones count from the end.
    Ranks(i64, i64),
    /// By score.
    Scores(ScoreRange),
    /// By name.
    Members(MemberRange<'a>),
}

impl Selector<'_> {
    /// Their ranks, all of which are there.
    pub fn ranks(&self, set: &SortedSet) -> Range<usize> {
        match self {
            Selector::Ranks(start, end) => ranks_between(*start, *end, set.len()),
            Selector::Scores(range) => set.ranks_of_scores(range),
            Selector::Members(range) => set.ranks_of_members(range),
        }
    }
}

fn ranks_between(start: i64, end: i64, len: usize) -> Range<usize> {
    let len = len as i64;
    let from_start = |rank: i64| if rank < 0 { rank.saturating_add(len) } else { rank };
    let start = from_start(start).max(0);
    let end = from_start(end).min(len - 1);
    if start > end { 0..0 } else { start as usize..end as usize + 1 }
}

/// A number as C's `strtod` reads it whole: blanks before it, and results out of range, are allowed here.
fn bound_score(text: &[u8]) -> Option<f64> {
    let text = text.trim_ascii_start();
    if text.is_empty() {
        return Some(0.0);
    }
    number::parse_f64(text).or_else(|| {
        let value: f64 = core::str::from_utf8(text).ok()?.parse().ok()?;
        (!value.is_nan()).then_some(value)
    })
}

fn score_bound(text: &[u8]) -> Option<ScoreBound> {
    let exclusive = text.strip_prefix(b"(");
    let score = bound_score(exclusive.unwrap_or(text))?;
    Some(ScoreBound { score, is_exclusive: exclusive.is_some() })
}

/// A range of scores.
pub(super) fn score_range(min: &[u8], max: &[u8]) -> Result<ScoreRange, Refusal> {
    match (score_bound(min), score_bound(max)) {
        (Some(min), Some(max)) => Ok(ScoreRange { min, max }),
        _ => Err(BAD_SCORES),
    }
}

fn member_bound(text: &[u8]) -> Option<MemberBound<'_>> {
    match text {
        b"-" => Some(MemberBound::Lowest),
        b"+" => Some(MemberBound::Highest),
        [b'[', member @ ..] => Some(MemberBound::Including(member)),
        [b'(', member @ ..] => Some(MemberBound::Excluding(member)),
        _ => None,
    }
}

/// A range of members.
pub(super) fn member_range<'a>(min: &'a [u8], max: &'a [u8]) -> Result<MemberRange<'a>, Refusal> {
    match (member_bound(min), member_bound(max)) {
        (Some(min), Some(max)) => Ok(MemberRange { min, max }),
        _ => Err(BAD_MEMBERS),
    }
}

/// A range of ranks.
pub(super) fn rank_range(start: &[u8], end: &[u8]) -> Result<Selector<'static>, Refusal> {
    let rank = |text| number::parse_i64(text).ok_or(Refusal::NotInteger);
    Ok(Selector::Ranks(rank(start)?, rank(end)?))
}

/// By what ZRANGE selects.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Member,
}

/// What a form of ZRANGE asks for.
struct Query<'a> {
    selector: Selector<'a>,
    is_reversed: bool,
    /// LIMIT: how many are left out, and how many are taken after them (negative: all).
    limit: Option<(i64, i64)>,
    with_scores: bool,
}

/// What a command's name has decided before its options are read.
#[derive(Clone, Copy)]
struct Form {
    by: Option<By>,
    is_reversed: Option<bool>,
    is_store: bool,
}

impl<'a> Query<'a> {
    /// Reads start, end and options.
    fn parse(args: Args<'a>, form: Form) -> Result<Query<'a>, Refusal> {
        let (mut by, mut is_reversed) = (form.by, form.is_reversed);
        let (mut limit, mut with_scores) = (None, false);
        let mut at = 2;
        while let Some(word) = args.get(at) {
            if !form.is_store && word.eq_ignore_ascii_case(b"withscores") {
                with_scores = true;
            } else if word.eq_ignore_ascii_case(b"limit") && args.len() - at > 2 {
                let number = |at| number::parse_i64(args.at(at)).ok_or(Refusal::NotInteger);
                limit = Some((number(at + 1)?, number(at + 2)?));
                at += 2;
            } else if is_reversed.is_none() && word.eq_ignore_ascii_case(b"rev") {
                is_reversed = Some(true);
            } else if by.is_none() && word.eq_ignore_ascii_case(b"bylex") {
                by = Some(By::Member);
            } else if by.is_none() && word.eq_ignore_ascii_case(b"byscore") {
                by = Some(By::Score);
            } else {
                return Err(Refusal::Syntax);
            }
            at += 1;
        }
        let (by, is_reversed) = (by.unwrap_or(By::Rank), is_reversed.unwrap_or(false));
        // A count of -1 is what no LIMIT means.
        if by == By::Rank && limit.is_some_and(|(_, count)| count != -1) {
            return Err(LIMIT_OF_RANKS);
        }
        if by == By::Member && with_scores {
            return Err(SCORES_OF_NAMES);
        }
        let (first, second) = (args.at(0), args.at(1));
        let (min, max) = if is_reversed { (second, first) } else { (first, second) };
        let selector = match by {
            By::Rank => rank_range(first, second)?,
            By::Score => Selector::Scores(score_range(min, max)?),
            By::Member => Selector::Members(member_range(min, max)?),
        };
        let limit = limit.filter(|_| by != By::Rank);
        Ok(Query { selector, is_reversed, limit, with_scores })
    }

    /// The ranks that it selects.
    fn ranks(&self, set: &SortedSet) -> Range<usize> {
        let all = match (&self.selector, self.is_reversed) {
            (Selector::Ranks(..), true) => {
                let ranks = self.selector.ranks(set);
                set.len() - ranks.end..set.len() - ranks.start
            }
            _ => self.selector.ranks(set),
        };
        let Some((offset, count)) = self.limit else { return all };
        let Some(offset) = usize::try_from(offset).ok().filter(|offset| *offset < all.len()) else {
            return 0..0;
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(all.len() - offset);
        if self.is_reversed {
            let end = all.end - offset;
            end - count..end
        } else {
            let start = all.start + offset;
            start..start + count
        }
    }
}

/// Replies with what the arguments after the key select.
fn reply_range(call: &mut Call<'_>, by: Option<By>, is_reversed: Option<bool>) -> Result<(), Refusal> {
    let query = Query::parse(call.args.from(2), Form { by, is_reversed, is_store: false })?;
    let Some(set) = read(&mut call.keys, call.args.at(1))? else {
        call.reply.array(0);
        return Ok(());
    };
    let ranks = query.ranks(set);
    let count = ranks.len();
    if query.is_reversed {
        say_all(&mut call.reply, count, set.range_reversed(ranks), query.with_scores);
    } else {
        say_all(&mut call.reply, count, set.range(ranks), query.with_scores);
    }
    Ok(())
}

pub(super) fn zrange(call: &mut Call<'_>) -> Result<(), Refusal> {
    reply_range(call, None, None)
}

pub(super) fn zrevrange(call: &mut Call<'_>) -> Result<(), Refusal> {
    reply_range(call, Some(By::Rank), Some(true))
}

pub(super) fn zrangebyscore(call: &mut Call<'_>) -> Result<(), Refusal> {
    reply_range(call, Some(By::Score), Some(false))
}

pub(super) fn zrevrangebyscore(call: &mut Call<'_>) -> Result<(), Refusal> {
    reply_range(call, Some(By::Score), Some(true))
}

pub(super) fn zrangebylex(call: &mut Call<'_>) -> Result<(), Refusal> {
    reply_range(call, Some(By::Member), Some(false))
}

pub(super) fn zrevrangebylex(call: &mut Call<'_>) -> Result<(), Refusal> {
    reply_range(call, Some(By::Member), Some(true))
}

pub(super) fn zrangestore(call: &mut Call<'_>) -> Result<(), Refusal> {
    let query = Query::parse(call.args.from(3), Form { by: None, is_reversed: None, is_store: true })?;
    let mut builder = SortedSetBuilder::new(growth(call));
    let mut room = data::value::IntText::default();
    if let Some(set) = read(&mut call.keys, call.args.at(2))? {
        for (member, score) in set.range(query.ranks(set)) {
            builder.add(member.bytes(&mut room), score);
        }
    }
    store(call, call.args.at(1), builder.finish(), "zrangestore");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_as_c_reads_them() {
        let bound = |text: &[u8]| score_bound(text).map(|bound| (bound.score, bound.is_exclusive));
        assert_eq!(bound(b"1.5"), Some((1.5, false)));
        assert_eq!(bound(b"(-inf"), Some((f64::NEG_INFINITY, true)));
        assert_eq!(bound(b"1e400"), Some((f64::INFINITY, false)));
        assert_eq!(bound(b""), Some((0.0, false)));
        for wrong in [&b"str"[..], b"NaN", b"(nan", b"1 ", b"[1"] {
            assert_eq!(bound(wrong), None);
        }
    }

    #[test]
    fn ranks_from_the_end_are_cut_to_what_is_there() {
        assert_eq!(ranks_between(0, -1, 3), 0..3);
        assert_eq!(ranks_between(-2, 10, 3), 1..3);
        assert_eq!(ranks_between(2, 1, 3), 0..0);
        assert_eq!(ranks_between(5, 9, 3), 0..0);
        assert_eq!(ranks_between(i64::MIN, i64::MAX, 3), 0..3);
    }
}
