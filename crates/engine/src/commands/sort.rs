//! SORT: the elements of a list, a set or a sorted set in the order of their values, or of values at other keys.
//!
//! ```text
//!   elements copied out -> each with a weight of 64 bits that sorts as its number or its first bytes do
//!     -> (weight, index) pairs sorted; only where weights are equal the texts are looked at -> LIMIT -> GET -> reply or STORE
//! ```
//!
//! Texts are compared byte by byte, as the originals do in the C locale. Where they go to a client, a text ends at a zero
//! byte for the comparison, and what is equal so far stays as it came; a stored result is ordered by the whole texts.

use crate::call::{Call, Class};
use crate::keys::{Keys as View, Place};
use crate::table::Command;
use alloc::vec::Vec;
use base::crc16;
use base::number;
use core::cmp::Ordering;
use core::ops::ControlFlow;
use core::ops::Range;
use data::list::End;
use data::{Hash, List, StrRef, ValueRef};
use spec::command::{Access, Acl, Arity, Begin, Find, Flags, Group, KeySpec, Keys};
use spec::{Refusal, Spec};

/// The keys of SORT that its patterns name: no rule finds them.
const BY_PATTERN: KeySpec =
    KeySpec { notes: "", access: Access::READ, begin: Begin::Unknown, find: Find::Unknown };
const SOURCE: KeySpec = KeySpec {
    notes: "",
    access: Access::READ,
    begin: Begin::Index(1),
    find: Find::Range { last: 0, step: 1, limit: 0 },
};

pub static COMMANDS: &[Command] = &[
    Command {
        spec: Spec {
            name: "sort",
            summary: "Sorts a list, set or sorted set, and may store the result.",
            since: "1.0.0",
            group: Group::Generic,
            cost: "O(N+M*log(M))",
            syntax: "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA] [STORE destination]",
            arity: Arity::AtLeast(2),
            flags: Flags::WRITE.and(Flags::DENY_OOM).and(Flags::MOVABLE_KEYS),
            acl: Acl::SET.and(Acl::SORTED_SET).and(Acl::LIST).and(Acl::DANGEROUS),
            keys: Keys::Specs(&[SOURCE, BY_PATTERN, KeySpec { access: Access::OVERWRITE, ..BY_PATTERN }]),
            ..Spec::USUAL
        },
        run: sort,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            name: "sort_ro",
            summary: "Sorts a list, set or sorted set.",
            since: "7.0.0",
            group: Group::Generic,
            cost: "O(N+M*log(M))",
            syntax: "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]",
            arity: Arity::AtLeast(2),
            flags: Flags::READONLY.and(Flags::MOVABLE_KEYS),
            acl: Acl::SET.and(Acl::SORTED_SET).and(Acl::LIST).and(Acl::DANGEROUS),
            keys: Keys::Specs(&[SOURCE, BY_PATTERN]),
            ..Spec::USUAL
        },
        run: sort,
        subcommands: &[],
    },
];

/// What BY and GET name.
#[derive(Clone, Copy)]
enum Pattern<'a> {
    /// `#`: the element itself.
    Element,
    /// No `*` in it: it names nothing.
    Nothing,
    /// The element stands between these two; with `->` in the second the value is in that field of a hash.
    Key { before: &'a [u8], after: &'a [u8], field: Option<&'a [u8]> },
}

impl<'a> Pattern<'a> {
    fn parse(text: &'a [u8]) -> Pattern<'a> {
        if text == b"#" {
            return Pattern::Element;
        }
        let Some(star) = text.iter().position(|byte| *byte == b'*') else { return Pattern::Nothing };
        let (before, after) = (&text[..star], &text[star + 1..]);
        let arrow = after.windows(2).position(|pair| pair == b"->").filter(|arrow| arrow + 2 < after.len());
        match arrow {
            Some(arrow) => Pattern::Key { before, after: &after[..arrow], field: Some(&after[arrow + 2..]) },
            None => Pattern::Key { before, after, field: None },
        }
    }

    /// The value for an element, given to `look`; `name` is room for the key's name.
    fn value<R>(
        self,
        view: &mut View<'_>,
        element: &[u8],
        name: &mut Vec<u8>,
        look: impl FnOnce(Option<StrRef<'_>>) -> R,
    ) -> R {
        match self {
            Pattern::Element => look(Some(StrRef::Bytes(element))),
            Pattern::Nothing => look(None),
            Pattern::Key { before, after, field } => {
                name.clear();
                [before, element, after].iter().for_each(|part| name.extend_from_slice(part));
                let now = view.fields_now();
                let entry = view.read(name);
                look(entry.and_then(|entry| match field {
                    Some(field) => entry.of::<Hash>()?.at(now).field(field),
                    None => entry.string(),
                }))
            }
        }
    }
}

/// What a request asks for.
struct Wish<'a> {
    is_descending: bool,
    is_alpha: bool,
    by: Option<Pattern<'a>>,
    /// BY names no key: nothing is sorted.
    is_unsorted: bool,
    limit: (i64, i64),
    get: Vec<Pattern<'a>>,
    store: Option<&'a [u8]>,
}

impl<'a> Wish<'a> {
    fn parse(call: &Call<'a>) -> Result<Wish<'a>, Refusal> {
        const BY_DENIED: Refusal = Refusal::Text(
            "ERR BY option of SORT denied in Cluster mode when keys formed by the pattern may be in different slots.",
        );
        const GET_DENIED: Refusal = Refusal::Text(
            "ERR GET option of SORT denied in Cluster mode when keys formed by the pattern may be in different slots.",
        );
        let args = call.args;
        let may_store = call.name() == "sort";
        let is_near = |pattern: &[u8]| {
            !call.keys.shared.routes.enabled || slot_of(pattern) == Some(crc16::slot_of(args.at(1)))
        };
        let mut wish = Wish {
            is_descending: false,
            is_alpha: false,
            by: None,
            is_unsorted: false,
            limit: (0, -1),
            get: Vec::new(),
            store: None,
        };
        let mut at = 2;
        while let Some(word) = args.get(at) {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let (one, two) = (args.get(at + 1), args.get(at + 2));
            at += 1;
            match (one, two) {
                _ if is("asc") => wish.is_descending = false,
                _ if is("desc") => wish.is_descending = true,
                _ if is("alpha") => wish.is_alpha = true,
                (Some(offset), Some(count)) if is("limit") => {
                    let number = |text| number::parse_i64(text).ok_or(Refusal::NotInteger);
                    wish.limit = (number(offset)?, number(count)?);
                    at += 2;
                }
                (Some(key), _) if is("store") && may_store => {
                    wish.store = Some(key);
                    at += 1;
                }
                (Some(pattern), _) if is("by") => {
                    wish.is_unsorted |= !pattern.contains(&b'*');
                    if pattern.contains(&b'*') && !is_near(pattern) {
                        return Err(BY_DENIED);
                    }
                    wish.by = Some(Pattern::parse(pattern));
                    at += 1;
                }
                (Some(pattern), _) if is("get") => {
                    if pattern != b"#" && !is_near(pattern) {
                        return Err(GET_DENIED);
                    }
                    wish.get.push(Pattern::parse(pattern));
                    at += 1;
                }
                _ => return Err(Refusal::Syntax),
            }
        }
        Ok(wish)
    }

    /// True when texts count up to their first zero byte.
    fn ends_at_zero(&self) -> bool {
        self.is_alpha && self.store.is_none()
    }

    /// Which of `len` sorted elements are wanted.
    fn range(&self, len: usize) -> Range<usize> {
        let (offset, count) = self.limit;
        let start = usize::try_from(offset.max(0)).unwrap_or(usize::MAX).min(len);
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(len - start);
        start..start + count
    }
}

/// The slot of all keys that a pattern can name; none where they may differ.
fn slot_of(pattern: &[u8]) -> Option<u16> {
    let wild = pattern.iter().position(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'));
    let Some(wild) = wild else { return Some(crc16::slot_of(pattern)) };
    // A tag in braces that ends before the first wild character decides.
    let open = pattern[..wild].iter().position(|byte| *byte == b'{')?;
    let len = pattern[open + 1..wild].iter().position(|byte| *byte == b'}').filter(|len| *len > 0)?;
    Some(crc16::slot_of(&pattern[open + 1..][..len]))
}

/// Where a text lies among the texts.
type Span = Range<usize>;

/// The elements, and what they are sorted by.
#[derive(Default)]
struct Elements {
    bytes: Vec<u8>,
    texts: Vec<Span>,
    /// Texts found by BY, where they are compared as such; else empty.
    by: Vec<Option<Span>>,
    /// Weight and index.
    order: Vec<(u64, usize)>,
    /// Texts are compared up to the first zero byte.
    ends_at_zero: bool,
}

/// A text up to its first zero byte.
fn until_zero(text: &[u8]) -> &[u8] {
    text.iter().position(|byte| *byte == 0).map_or(text, |end| &text[..end])
}

impl Elements {
    fn put(&mut self, text: StrRef<'_>) -> Span {
        let start = self.bytes.len();
        text.write_to(&mut self.bytes);
        start..self.bytes.len()
    }

    fn add(&mut self, element: StrRef<'_>) {
        let span = self.put(element);
        self.order.push((0, self.texts.len()));
        self.texts.push(span);
    }

    fn text(&self, index: usize) -> &[u8] {
        &self.bytes[self.texts[index].clone()]
    }

    fn by(&self, index: usize) -> Option<&[u8]> {
        Some(&self.bytes[self.by[index].clone()?])
    }

    /// Orders the elements whose weights are equal.
    fn tie(&self, one: usize, other: usize) -> Ordering {
        match (self.by.is_empty(), self.ends_at_zero) {
            (true, false) => self.text(one).cmp(self.text(other)),
            (true, true) => until_zero(self.text(one)).cmp(until_zero(self.text(other))),
            (false, false) => self.by(one).cmp(&self.by(other)),
            (false, true) => self.by(one).map(until_zero).cmp(&self.by(other).map(until_zero)),
        }
    }

    /// Sorts; only what lies in `wanted` must be at its place afterwards.
    fn sort(&mut self, is_descending: bool, wanted: &Span) {
        let mut order = core::mem::take(&mut self.order);
        let compare = |one: &(u64, usize), other: &(u64, usize)| {
            let ordering = one.0.cmp(&other.0).then_with(|| self.tie(one.1, other.1));
            if is_descending { ordering.reverse() } else { ordering }
        };
        if !self.by.is_empty() || self.ends_at_zero {
            // Texts may be equal: then the elements stay as they came.
            order.sort_by(compare);
        } else if wanted.is_empty() {
            // Nothing is asked for.
        } else {
            if wanted.end < order.len() {
                order.select_nth_unstable_by(wanted.end, compare);
            }
            order[..wanted.end].sort_unstable_by(compare);
        }
        self.order = order;
    }
}

/// A weight that sorts as the number does.
fn weight_of_number(number: f64) -> u64 {
    // Adding a zero makes one of the two zeros.
    let bits = (number + 0.0).to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

/// A weight that sorts as the first eight bytes do.
fn weight_of_text(text: &[u8], wish: &Wish<'_>) -> u64 {
    let mut word = [0; 8];
    let mut head = &text[..text.len().min(8)];
    if wish.ends_at_zero() {
        head = until_zero(head);
    }
    word[..head.len()].copy_from_slice(head);
    u64::from_be_bytes(word)
}

/// The number that a text is to SORT: as C reads it, with blanks before it, up to a zero byte; nothing at all is 0.
fn number_of(value: StrRef<'_>) -> Option<f64> {
    let text = match value {
        StrRef::Int(number) => return Some(number as f64),
        StrRef::Bytes(text) => text,
    };
    if let Some(number) = value.integer() {
        return Some(number as f64);
    }
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let start = text.iter().position(|byte| !is_blank(byte))?;
    // C's strtod tells of what is too small for full precision as it tells of what is too big.
    number::parse_f64(&text[start..]).filter(|number| !number.is_subnormal())
}

fn sort(call: &mut Call<'_>) -> Result<(), Refusal> {
    let mut wish = Wish::parse(call)?;
    let mut elements = Elements::default();
    let wanted = gather(call, &mut wish, &mut elements)?;
    if !wish.is_unsorted {
        weigh(call, &wish, &mut elements)?;
        // Numbers that are equal are ordered by the whole elements.
        elements.ends_at_zero = wish.ends_at_zero() && elements.bytes.contains(&0);
        elements.sort(wish.is_descending, &wanted);
    }
    let chosen: Vec<usize> = elements.order[wanted].iter().map(|&(_, index)| index).collect();
    match wish.store {
        Some(key) => store(call, &wish, &elements, &chosen, key),
        None => answer(call, &wish, &elements, &chosen),
    }
    Ok(())
}

/// Copies the elements out; returns which of them are wanted once they are sorted.
fn gather(call: &mut Call<'_>, wish: &mut Wish<'_>, elements: &mut Elements) -> Result<Span, Refusal> {
    let value = call.keys.read(call.args.at(1)).map(|entry| entry.value());
    // Without an order of its own a stored set is sorted, so that it is the same on replicas.
    if wish.is_unsorted && wish.store.is_some() && matches!(value, Some(ValueRef::Set(_))) {
        (wish.is_unsorted, wish.is_alpha, wish.by) = (false, true, None);
    }
    let is_reversed = wish.is_unsorted && wish.is_descending;
    let range = |len: usize| if wish.is_unsorted { wish.range(len) } else { 0..len };
    let len = match value {
        None => 0,
        Some(ValueRef::Set(set)) => {
            set.iter().for_each(|member| elements.add(member));
            return Ok(wish.range(set.len()));
        }
        Some(ValueRef::List(list)) => {
            let wanted = range(list.len());
            let from = if is_reversed { End::Back } else { End::Front };
            let mut left = wanted.len();
            let _: ControlFlow<()> = list.visit(from, wanted.start, |element| {
                if left == 0 {
                    return ControlFlow::Break(());
                }
                left -= 1;
                elements.add(element);
                ControlFlow::Continue(())
            });
            list.len()
        }
        Some(ValueRef::SortedSet(set)) => {
            let (wanted, len) = (range(set.len()), set.len());
            if is_reversed {
                let ranks = len - wanted.end..len - wanted.start;
                set.range_reversed(ranks).for_each(|(member, _)| elements.add(member));
            } else {
                set.range(wanted).for_each(|(member, _)| elements.add(member));
            }
            len
        }
        Some(_) => return Err(Refusal::WrongType),
    };
    // What keeps its order was cut while it was copied.
    Ok(if wish.is_unsorted { 0..elements.texts.len() } else { wish.range(len) })
}

/// Gives each element its weight.
fn weigh(call: &mut Call<'_>, wish: &Wish<'_>, elements: &mut Elements) -> Result<(), Refusal> {
    const NOT_NUMBERS: Refusal = Refusal::Text("ERR One or more scores can't be converted into double");
    let mut order = core::mem::take(&mut elements.order);
    let mut is_sound = true;
    let (mut name, mut element) = (Vec::new(), Vec::new());
    for (weight, index) in &mut order {
        let Some(pattern) = wish.by else {
            let text = elements.text(*index);
            if wish.is_alpha {
                *weight = weight_of_text(text, wish);
                continue;
            }
            let number = number_of(StrRef::Bytes(text));
            is_sound &= number.is_some();
            *weight = weight_of_number(number.unwrap_or(0.0));
            continue;
        };
        element.clear();
        element.extend_from_slice(elements.text(*index));
        let (bytes, by) = (&mut elements.bytes, &mut elements.by);
        pattern.value(&mut call.keys, &element, &mut name, |value| {
            if wish.is_alpha {
                let start = bytes.len();
                by.push(value.map(|value| {
                    value.write_to(bytes);
                    start..bytes.len()
                }));
                // A missing text comes before all others, the empty one included: only whole comparisons tell.
                *weight = value.map_or(0, |_| weight_of_text(&bytes[start..], wish));
            } else if let Some(value) = value {
                let number = number_of(value);
                is_sound &= number.is_some();
                *weight = weight_of_number(number.unwrap_or(0.0));
            } else {
                *weight = weight_of_number(0.0);
            }
        });
    }
    elements.order = order;
    if is_sound { Ok(()) } else { Err(NOT_NUMBERS) }
}

fn answer(call: &mut Call<'_>, wish: &Wish<'_>, elements: &Elements, chosen: &[usize]) {
    let mut name = Vec::new();
    call.reply.array(chosen.len() * wish.get.len().max(1));
    for &index in chosen {
        let element = elements.text(index);
        if wish.get.is_empty() {
            call.reply.bulk(element);
        }
        for pattern in &wish.get {
            let reply = &mut call.reply;
            pattern.value(&mut call.keys, element, &mut name, |value| match value {
                Some(StrRef::Bytes(text)) => reply.bulk(text),
                Some(StrRef::Int(number)) => reply.bulk_integer(number),
                None => reply.null(),
            });
        }
    }
}

/// Puts the result as a list at `key`; an empty one removes the key.
fn store(call: &mut Call<'_>, wish: &Wish<'_>, elements: &Elements, chosen: &[usize], key: &[u8]) {
    let limits = call.core.settings.limits.list;
    let mut list = List::new();
    let (mut name, mut room) = (Vec::new(), Default::default());
    for &index in chosen {
        let element = elements.text(index);
        if wish.get.is_empty() {
            list.push(End::Back, element, &limits);
        }
        for pattern in &wish.get {
            pattern.value(&mut call.keys, element, &mut name, |value| {
                let text = value.unwrap_or(StrRef::Bytes(b"")).bytes(&mut room);
                list.push(End::Back, text, &limits);
            });
        }
    }
    let len = list.len();
    call.reply.integer(len as i64);
    match call.keys.entry(key) {
        Place::Taken(entry) if len == 0 => {
            entry.remove();
            call.as_requested();
            return call.changed(Class::GENERIC, "del", key);
        }
        Place::Free(_) if len == 0 => return,
        Place::Taken(mut entry) => {
            entry.set_value(list.into());
            entry.set_deadline(None);
        }
        Place::Free(free) => drop(free.insert(list.into(), None)),
    }
    call.as_requested();
    call.changed(Class::LIST, "sortstore", key);
}
