//! Questions about members: ZSCORE, ZRANK, ZCOUNT, ZRANDMEMBER, ZSCAN ...

use super::range::{Selector, member_range, score_range};
use super::{read, say, say_all};
use crate::call::Call;
use crate::commands::{ScanOptions, arity, cursor};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use base::{Random, number};
use data::{SortedSet, StrRef};
use spec::Refusal;
use wire::reply::Reply;

pub(super) fn zcard(call: &mut Call<'_>) -> Result<(), Refusal> {
    let set = read(&mut call.keys, call.args.at(1))?;
    call.reply.integer(set.map_or(0, SortedSet::len) as i64);
    Ok(())
}

pub(super) fn zscore(call: &mut Call<'_>) -> Result<(), Refusal> {
    let set = read(&mut call.keys, call.args.at(1))?;
    say_score(&mut call.reply, set.and_then(|set| set.score(call.args.at(2))));
    Ok(())
}

pub(super) fn zmscore(call: &mut Call<'_>) -> Result<(), Refusal> {
    let set = read(&mut call.keys, call.args.at(1))?;
    let members = call.args.from(2);
    call.reply.array(members.len());
    for member in members.iter() {
        say_score(&mut call.reply, set.and_then(|set| set.score(member)));
    }
    Ok(())
}

fn say_score(reply: &mut Reply<'_>, score: Option<f64>) {
    match score {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
}

pub(super) fn zrank(call: &mut Call<'_>) -> Result<(), Refusal> {
    reply_rank(call, |rank, _| rank)
}

pub(super) fn zrevrank(call: &mut Call<'_>) -> Result<(), Refusal> {
    reply_rank(call, |rank, len| len - 1 - rank)
}

fn reply_rank(call: &mut Call<'_>, place: impl Fn(usize, usize) -> usize) -> Result<(), Refusal> {
    let with_score = match call.args.get(3) {
        _ if call.args.len() > 4 => return Err(arity(call)),
        Some(word) if word.eq_ignore_ascii_case(b"withscore") => true,
        Some(_) => return Err(Refusal::Syntax),
        None => false,
    };
    let set = read(&mut call.keys, call.args.at(1))?;
    let found = set.and_then(|set| {
        let (rank, score) = set.rank(call.args.at(2))?;
        Some((place(rank, set.len()) as i64, score))
    });
    match found {
        Some((rank, score)) if with_score => {
            call.reply.array(2);
            call.reply.integer(rank);
            call.reply.double(score);
        }
        Some((rank, _)) => call.reply.integer(rank),
        None if with_score => call.reply.null_array(),
        None => call.reply.null(),
    }
    Ok(())
}

pub(super) fn zcount(call: &mut Call<'_>) -> Result<(), Refusal> {
    let range = score_range(call.args.at(2), call.args.at(3))?;
    reply_count(call, Selector::Scores(range))
}

pub(super) fn zlexcount(call: &mut Call<'_>) -> Result<(), Refusal> {
    let range = member_range(call.args.at(2), call.args.at(3))?;
    reply_count(call, Selector::Members(range))
}

fn reply_count(call: &mut Call<'_>, selector: Selector<'_>) -> Result<(), Refusal> {
    let set = read(&mut call.keys, call.args.at(1))?;
    call.reply.integer(set.map_or(0, |set| selector.ranks(set).len()) as i64);
    Ok(())
}

/// 16 Mi: members that one ZRANDMEMBER with repetitions returns at most; the original has no bound but its memory.
const RANDOM_MEMBERS_MAX: u64 = 16 << 20;
/// So many times the wanted number must be there for members to be drawn one by one.
const DRAWN_SHARE: usize = 8;

pub(super) fn zrandmember(call: &mut Call<'_>) -> Result<(), Refusal> {
    let key = call.args.at(1);
    let Some(count) = call.args.get(2) else {
        let found = read(&mut call.keys, key)?.and_then(|set| set.random(&mut call.core.random));
        match found {
            Some((member, _)) => say(&mut call.reply, member),
            None => call.reply.null(),
        }
        return Ok(());
    };
    let count = number::parse_i64(count).ok_or(Refusal::NotInteger)?;
    if count == i64::MIN {
        return Err(Refusal::OutOfSymmetricRange);
    }
    let with_scores = match call.args.get(3) {
        Some(word) if call.args.len() == 4 && word.eq_ignore_ascii_case(b"withscores") => true,
        Some(_) => return Err(Refusal::Syntax),
        None => false,
    };
    if with_scores && count.unsigned_abs() > (i64::MAX / 2) as u64
        || count < 0 && count.unsigned_abs() > RANDOM_MEMBERS_MAX && call.reply_bytes_max().is_none()
    {
        return Err(Refusal::OutOfRange);
    }
    // 6: bytes that a member takes in a reply, at least.
    let readable = call.reply_bytes_max().map_or(u64::MAX, |bytes| bytes as u64 / 6 + 1);
    let random = &mut call.core.random;
    let chosen = match read(&mut call.keys, key)? {
        Some(set) if count < 0 => {
            (0..count.unsigned_abs().min(readable)).filter_map(|_| set.random(random)).collect()
        }
        Some(set) => distinct(set, usize::try_from(count).unwrap_or(usize::MAX), random),
        None => Vec::new(),
    };
    say_all(&mut call.reply, chosen.len(), chosen.iter().copied(), with_scores);
    Ok(())
}

/// Members that differ, every choice with the same chance.
fn distinct<'s>(set: &'s SortedSet, count: usize, random: &mut Random) -> Vec<(StrRef<'s>, f64)> {
    let len = set.len();
    if count.saturating_mul(DRAWN_SHARE) < len {
        // Floyd's sampling of ranks (Bentley, More Programming Pearls).
        let mut ranks = BTreeSet::new();
        for last in len - count..len {
            let rank = random.below(last as u64 + 1) as usize;
            if !ranks.insert(rank) {
                ranks.insert(last);
            }
        }
        return ranks.into_iter().filter_map(|rank| set.range(rank..rank + 1).next()).collect();
    }
    // Selection sampling (Knuth, 3.4.2 S).
    let mut wanted = count.min(len) as u64;
    let mut chosen = Vec::with_capacity(wanted as usize);
    for (left, pair) in (1..=len as u64).rev().zip(set.iter()) {
        if random.below(left) < wanted {
            chosen.push(pair);
            wanted -= 1;
        }
    }
    chosen
}

pub(super) fn zscan(call: &mut Call<'_>) -> Result<(), Refusal> {
    let from = cursor(call.args.at(2))?;
    let args = call.args.from(3);
    let Some(set) = read(&mut call.keys, call.args.at(1))? else {
        call.reply.array(2);
        call.reply.bulk(b"0");
        call.reply.array(0);
        return Ok(());
    };
    let (options, no_scores) = ScanOptions::parse_with(args, b"noscores")?;
    let (mut found, mut count, mut room) = (Vec::new(), 0, [0; 20]);
    let mut list = Reply::new(&mut found, call.reply.is_resp3());
    let next = set.scan(from, options.count, |member, score| {
        if options.matches(member.bytes(&mut room)) {
            say(&mut list, member);
            count += 1;
            if !no_scores {
                // A text in RESP3 too, as in the original.
                list.bulk(&number::text_17g(score));
                count += 1;
            }
        }
    });
    call.reply.array(2);
    call.reply.bulk_display(next);
    call.reply.array(count);
    call.reply.raw(&found);
    Ok(())
}
