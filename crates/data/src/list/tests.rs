//! A list does what a `VecDeque` of texts does, whatever the sizes of its nodes.

use super::*;
use alloc::vec;
use base::Random;

fn texts(list: &List) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    list.range(0, usize::MAX, |element| texts.push(element.to_vec()));
    texts
}

fn backwards(list: &List) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    let _: ControlFlow<()> = list.visit(End::Back, 0, |element| {
        texts.push(element.to_vec());
        ControlFlow::Continue(())
    });
    texts.reverse();
    texts
}

/// The sums that a list keeps are those of its nodes, and no node is empty.
fn check_sums(list: &List) {
    if let Form::Large(row) = list.body.form() {
        assert_eq!(row.len, row.nodes.iter().map(Node::len).sum::<usize>());
        assert_eq!(row.memory, row.nodes.iter().map(Node::memory_bytes).sum::<usize>());
        assert!(row.nodes.iter().all(|node| node.len() > 0));
        assert!(row.nodes.front().is_none_or(|node| !node.is_squeezed()));
    }
}

fn text(random: &mut Random) -> Vec<u8> {
    match random.below(8) {
        0 => alloc::format!("{}", random.word() as i64 >> random.below(64)).into_bytes(),
        1 => vec![b'x'; random.below(300) as usize],
        2 => vec![b'y'; random.below(5_000) as usize],
        _ => alloc::format!("v{}", random.below(5)).into_bytes(),
    }
}

/// One step of a random history, on the list and its model.
fn step(random: &mut Random, list: &mut List, model: &mut VecDeque<Vec<u8>>, limits: &ListLimits) {
    let (value, len) = (text(random), model.len());
    let index = random.below(len as u64 + 1) as usize;
    let end = if random.below(2) == 0 { End::Front } else { End::Back };
    match random.below(16) {
        0..=5 => {
            list.push(end, &value, limits);
            if end == End::Front { model.push_front(value) } else { model.push_back(value) }
        }
        6 | 7 => {
            let expected = if end == End::Front { model.pop_front() } else { model.pop_back() };
            assert_eq!(list.pop(end, limits, |element| element.to_vec()), expected);
        }
        8 | 9 => {
            list.insert(index, &value, limits);
            model.insert(index, value);
        }
        10 | 11 if index < len => {
            list.set(index, &value, limits);
            model[index] = value;
        }
        12 => {
            let count = random.below(6) as usize;
            list.remove(index, count, limits);
            model.drain(index..(index + count).min(len));
        }
        13 => {
            let count = random.below(5) as usize;
            let removed = list.remove_equal(&value, end, count, limits);
            let mut found: Vec<usize> = (0..len).filter(|at| model[*at] == value).collect();
            if end == End::Back {
                found.reverse();
            }
            found.truncate(count);
            assert_eq!(removed, found.len());
            found.sort_unstable_by(|one, other| other.cmp(one));
            found.into_iter().for_each(|at| drop(model.remove(at)));
        }
        14 => assert_eq!(list.get(index, |element| element.to_vec()), model.get(index).cloned()),
        _ => {
            let mut found = Vec::new();
            list.find(&value, end, usize::MAX, |at| {
                found.push(at);
                ControlFlow::Continue(())
            });
            if end == End::Back {
                found.reverse();
            }
            assert_eq!(found, (0..len).filter(|at| model[*at] == value).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_list_does_what_a_deque_of_texts_does() {
    let usual = ListLimits::default();
    let forms = [
        usual,
        ListLimits { fill: 3, ..usual },
        ListLimits { fill: 0, ..usual },
        ListLimits { fill: 1, compress_depth: 1, ..usual },
        ListLimits { fill: 5, compress_depth: 2, ..usual },
        ListLimits { fill: -1, compress_depth: 1, ..usual },
        ListLimits { fill: 4, plain_bytes: 3, ..usual },
        ListLimits { fill: -5, plain_bytes: 200, compress_depth: 1 },
    ];
    for (seed, limits) in forms.into_iter().enumerate() {
        let mut random = Random::new(seed as u64 + 1);
        let (mut list, mut model) = (List::new(), VecDeque::new());
        for round in 0..3_000 {
            step(&mut random, &mut list, &mut model, &limits);
            assert_eq!(list.len(), model.len(), "seed {seed}, round {round}");
            check_sums(&list);
            if round % 16 == 0 {
                assert_eq!(texts(&list), Vec::from(model.clone()), "seed {seed}, round {round}");
                assert_eq!(backwards(&list), Vec::from(model.clone()), "seed {seed}, round {round}");
                let from = random.below(model.len() as u64 + 1) as usize;
                let mut seen = Vec::new();
                let _: ControlFlow<()> = list.visit(End::Back, from, |element| {
                    seen.push(element.to_vec());
                    ControlFlow::Continue(())
                });
                assert!(seen.iter().eq(model.iter().rev().skip(from)), "seed {seed}, round {round}");
            }
        }
        // What was made of its chunks is the same list.
        let mut copy = List::new();
        for chunk in list.chunks() {
            match chunk {
                Chunk::Plain(text) => copy.push(End::Back, text, &ListLimits { plain_bytes: 0, ..limits }),
                Chunk::Packed(elements, count) => {
                    let mut bytes = (elements.len() as u32 + 7).to_le_bytes().to_vec();
                    bytes.extend_from_slice(&(count as u16).to_le_bytes());
                    bytes.extend_from_slice(&elements);
                    bytes.push(0xff);
                    copy.push_listpack(bytes, &limits).unwrap();
                }
            }
        }
        assert_eq!(texts(&copy), texts(&list));
    }
}

#[test]
fn a_large_list_becomes_small_again_and_gives_its_memory_back() {
    let limits = ListLimits::default();
    let mut list = List::new();
    for number in 0..20_000 {
        list.push(End::Back, alloc::format!("element {number}").as_bytes(), &limits);
    }
    assert!(matches!(list.body.form(), Form::Large(row) if row.nodes.len() > 20));
    let full = list.memory_bytes();
    // 15 bytes of text and two more, in nodes that are nearly full.
    assert!(full < 20_000 * 18, "{full}");
    list.remove(10, 19_980, &limits);
    assert!(matches!(list.body.form(), Form::Small(_)));
    assert!(list.memory_bytes() <= 1024, "{}", list.memory_bytes());
    assert_eq!(list.get(10, |element| element.to_vec()), Some(b"element 19990".to_vec()));
}

#[test]
fn far_nodes_are_squeezed() {
    let limits = ListLimits { fill: 4, compress_depth: 1, ..ListLimits::default() };
    let mut list = List::new();
    for _ in 0..40 {
        list.push(End::Back, &[b'a'; 100], &limits);
    }
    let Form::Large(row) = list.body.form() else { panic!("it is a row") };
    let squeezed: Vec<bool> = row.nodes.iter().map(Node::is_squeezed).collect();
    assert_eq!(squeezed.len(), 10);
    assert!(squeezed[1..9].iter().all(|is| *is) && !squeezed[0] && !squeezed[9]);
}

#[test]
fn a_queue_moves_its_elements_seldom() {
    let limits = ListLimits::default();
    let mut list = List::new();
    for number in 0..200_u32 {
        list.push(End::Front, &number.to_le_bytes(), &limits);
    }
    for number in 0..10_000_u32 {
        list.push(End::Front, &(number + 200).to_le_bytes(), &limits);
        assert_eq!(
            list.pop(End::Back, &limits, |element| element.to_vec()),
            Some(number.to_le_bytes().to_vec())
        );
    }
    assert!(matches!(list.body.form(), Form::Small(_)));
    assert!(list.memory_bytes() <= 4_096, "{}", list.memory_bytes());
}
