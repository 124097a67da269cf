use super::*;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

const KEY: HashKey = HashKey([1, 2]);
const GROWTH: Growth<HashLimits> = Growth { key: KEY, limits: HashLimits { entries: 128, value_bytes: 64 } };

#[test]
fn a_lowered_limit_holds_from_the_next_write_on() {
    let narrow = Growth { limits: HashLimits { entries: 1, ..GROWTH.limits }, ..GROWTH };
    let mut hash = Hash::new();
    assert!(hash.set(b"a", b"1", GROWTH) && hash.set(b"b", b"2", GROWTH));
    assert_eq!(hash.encoding(), crate::Encoding::Listpack);
    assert!(!hash.set(b"a", b"3", narrow));
    assert_eq!(hash.encoding(), crate::Encoding::Hashtable);
    assert_eq!(hash.len(), 2);
}

type Held = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

fn put(out: &mut Vec<u8>, part: Part<'_>) {
    let Part::Field(field, value, deadline) = part else { unreachable!("a hash has fields alone") };
    for text in [field.to_vec(), value.to_vec()] {
        out.extend_from_slice(&(text.len() as u32).to_le_bytes());
        out.extend_from_slice(&text);
    }
    out.extend_from_slice(&deadline.flatten().unwrap_or(0).to_le_bytes());
}

/// What was written; no field twice.
fn written(mut bytes: &[u8]) -> Held {
    let mut held = Held::new();
    let mut take = |len: usize| {
        let (taken, rest) = bytes.split_at(len.min(bytes.len()));
        bytes = rest;
        taken
    };
    while let Some(len) = take(4).first_chunk() {
        let field = take(u32::from_le_bytes(*len) as usize).to_vec();
        let len = u32::from_le_bytes(*take(4).first_chunk().unwrap());
        let value = take(len as usize).to_vec();
        let deadline = u64::from_le_bytes(*take(8).first_chunk().unwrap());
        assert!(held.insert(field, (value, (deadline > 0).then_some(deadline))).is_none());
    }
    held
}

fn held(hash: &Hash) -> Held {
    let fields = hash.iter_with_deadlines();
    fields.map(|(field, value, deadline)| (field.to_vec(), (value.to_vec(), deadline))).collect()
}

/// Changes a field. With `growth` of 10 most come, with 0 most go.
fn change(hash: &mut Hash, growth: u64, random: &mut Random) {
    let field = format!("field {}", random.below(if cfg!(miri) { 900 } else { 9_000 }));
    let field = field.as_bytes();
    // Of many lengths: some entries get another place.
    let value = String::from("v").repeat(random.below(90) as usize);
    let deadline = 1 + random.below(1_000_000);
    if random.below(10) >= growth {
        hash.remove(field);
        return;
    }
    match random.below(8) {
        0 => drop(hash.set_field_deadline(field, Some(deadline), KEY)),
        1 => drop(hash.set_field_deadline(field, None, KEY)),
        2 => drop(hash.expire(deadline, 3)),
        3 => drop(hash.set_with_deadline(field, value.as_bytes(), FieldDeadline::At(deadline), GROWTH)),
        4 => {
            // It goes, and comes again.
            hash.remove(field);
            hash.set(field, value.as_bytes(), GROWTH);
        }
        5 => drop(hash.set_with_deadline(field, value.as_bytes(), FieldDeadline::Keep, GROWTH)),
        _ => drop(hash.set(field, value.as_bytes(), GROWTH)),
    }
}

#[test]
fn a_walk_writes_the_fields_of_its_moment() {
    let (seeds, changes) = if cfg!(miri) { (1, 1_500) } else { (8, 20_000) };
    for seed in 0..seeds {
        let (mut random, mut hash) = (Random::new(seed), Hash::new());
        (0..changes).for_each(|_| change(&mut hash, 10, &mut random));
        if seed % 2 == 0 {
            // The numbers of the watches begin anew meanwhile.
            hash.body.large_mut().unwrap().watches = CLOCK_MAX - 2;
        }
        let mut whole = 0;
        while whole < 3 {
            let (expected, is_given_up) = (held(&hash), random.chance(1, 2));
            hash.watch(put).unwrap();
            let (mut out, growth) = (Vec::new(), [1, 5, 10][random.below(3) as usize]);
            let rate = 1 + random.below(900);
            loop {
                (0..random.below(rate)).for_each(|_| change(&mut hash, growth, &mut random));
                let mut allowance = Allowance::new(1 + random.below(60_000) as usize);
                let walked = hash.walk(&mut out, &mut allowance);
                assert!(walked != Walked::Broken, "seed {seed}");
                if walked == Walked::Whole {
                    hash.unwatch();
                    assert!(written(&out) == expected, "seed {seed}");
                    whole += 1;
                    break;
                }
                if is_given_up && random.chance(1, 9) {
                    hash.unwatch();
                    break;
                }
            }
            (0..changes / 2).for_each(|_| change(&mut hash, 9, &mut random));
        }
    }
}
