//! XPENDING: what a group's consumers have and have not acknowledged.

use super::{Late, end_of_range, no_group, now_ms, read, say_id, start_of_range};
use crate::call::Call;
use base::number;
use data::Stream;
use data::stream::{Group, Pending, StreamId};
use spec::Refusal;
use wire::reply::Reply;

/// Which entries are asked for.
struct Wanted<'a> {
    start: StreamId,
    end: StreamId,
    count: usize,
    idle_ms_min: i64,
    consumer: Option<&'a [u8]>,
}

impl<'a> Wanted<'a> {
    fn parse(args: wire::batch::Args<'a>) -> Result<Wanted<'a>, Refusal> {
        let mut idle_ms_min = 0;
        let mut rest = args.from(3);
        if rest.at(0).eq_ignore_ascii_case(b"idle") {
            idle_ms_min = number::parse_i64(rest.at(1)).ok_or(Refusal::NotInteger)?;
            rest = rest.from(2);
            if rest.len() < 3 {
                return Err(Refusal::Syntax);
            }
        }
        let count = number::parse_i64(rest.at(2)).ok_or(Refusal::NotInteger)?.max(0) as usize;
        let (start, end) = (start_of_range(rest.at(0))?, end_of_range(rest.at(1))?);
        Ok(Wanted { start, end, count, idle_ms_min, consumer: rest.get(3) })
    }
}

pub fn xpending(call: &mut Call<'_>) -> Result<(), Refusal> {
    let (key, name) = (call.args.at(1), call.args.at(2));
    let wanted = match call.args.len() {
        3 => None,
        6..=9 => Some(Wanted::parse(call.args)?),
        _ => return Err(Refusal::Syntax),
    };
    let now = now_ms(call);
    let stream: Option<&Stream> = read(&mut call.keys, key)?;
    let group = stream.and_then(|stream| stream.groups().group(name)).ok_or_else(|| no_group(key, name))?;
    match wanted {
        None => say_summary(&mut call.reply, group),
        Some(wanted) => say_wanted(&mut call.reply, group, &wanted, now),
    }
    Ok(())
}

/// How many, the first and the last, and how many each consumer has.
fn say_summary(reply: &mut Reply<'_>, group: &Group) {
    reply.array(4);
    reply.integer(group.pending().len() as i64);
    let (Some(first), Some(last)) = (group.pending().first(), group.pending().last()) else {
        reply.null();
        reply.null();
        return reply.null_array();
    };
    say_id(reply, first.id);
    say_id(reply, last.id);
    let owners = || group.consumers().filter(|consumer| !consumer.pending().is_empty());
    reply.array(owners().count());
    for consumer in owners() {
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk_integer(consumer.pending().len() as i64);
    }
}

fn say_wanted(reply: &mut Reply<'_>, group: &Group, wanted: &Wanted<'_>, now: i64) {
    let list = Late::open(reply);
    let mut said = 0;
    let mut say = |pending: &Pending| {
        if pending.id > wanted.end || said == wanted.count {
            return false;
        }
        let idle = now.saturating_sub(pending.delivered_ms);
        if wanted.idle_ms_min == 0 || idle >= wanted.idle_ms_min {
            said += 1;
            reply.array(4);
            say_id(reply, pending.id);
            reply.bulk(group.at(pending.consumer).name());
            reply.integer(idle.max(0));
            reply.integer(pending.count as i64);
        }
        true
    };
    match wanted.consumer {
        None => {
            let _ = group.pending().iter_from(wanted.start).all(&mut say);
        }
        Some(name) => {
            let own = group.consumer(name).map(|number| group.at(number).pending());
            let mut ids = own.into_iter().flat_map(|own| own.iter_from(wanted.start));
            let _ = ids.all(|id| group.pending().by_id(*id).is_none_or(&mut say));
        }
    }
    list.close(reply, |reply| reply.array(said));
}
