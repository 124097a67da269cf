//! Files through the lanes: order, durability steps, failures that stay.

use super::Scratch;
use crate::disk::Disks;
use crate::faults::Faults;
use crate::mailbox::Mailbox;
use crate::syscalls::Syscalls;
use machine::{Disk, DiskFault, DiskOp, FileId, Input, WriteId};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Carries `ops` out; the answers in the order in which they came.
fn answers(dir: &Path, faults: Option<Arc<Faults>>, ops: Vec<DiskOp>) -> Vec<Input> {
    let mailbox = Arc::new(Mailbox::new().unwrap());
    let mut disks = Disks::new(Syscalls { faults }, dir.to_owned(), Arc::clone(&mailbox));
    for op in ops {
        disks.submit(op);
    }
    assert!(disks.finish(Duration::from_secs(30)));
    let mut answers = Vec::new();
    mailbox.take(&mut answers);
    answers
}

fn append(write: u64, bytes: &[u8]) -> DiskOp {
    DiskOp::Append { file: FileId(1), write: WriteId(write), bytes: bytes.to_vec().into() }
}

#[test]
fn a_file_grows_and_gets_its_name() {
    let scratch = Scratch::new("grow");
    let ops = vec![
        DiskOp::Create { file: FileId(1), path: "temp".into() },
        append(1, b"one "),
        append(2, b"two"),
        DiskOp::Sync { file: FileId(1), write: WriteId(3) },
        DiskOp::Commit { file: FileId(1), write: WriteId(4), path: "final".into() },
    ];
    let answers = answers(scratch.path(), None, ops);
    let writes: Vec<u64> = answers
        .iter()
        .map(|input| match input {
            Input::Disk(Disk { write, result: Ok(()) }) => write.0,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(writes, [1, 2, 3, 4]);
    assert_eq!(std::fs::read(scratch.path().join("final")).unwrap(), b"one two");
    assert!(!scratch.path().join("temp").exists());
}

#[test]
fn a_file_is_read_to_its_end() {
    let scratch = Scratch::new("read");
    std::fs::write(scratch.path().join("data"), b"0123456789").unwrap();
    let read = || DiskOp::Read { file: FileId(2), bytes_max: 6, is_summed: false };
    let open = DiskOp::Open { file: FileId(2), path: "data".into() };
    let answers = answers(scratch.path(), None, vec![open, read(), read(), read()]);
    let parts: Vec<&[u8]> = answers
        .iter()
        .map(|input| match input {
            Input::FileRead { result: Ok(bytes), .. } => bytes.as_slice(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(parts, [b"012345".as_slice(), b"6789", b""]);
}

#[test]
fn a_missing_file_shows_at_the_first_read() {
    let scratch = Scratch::new("missing");
    let open = DiskOp::Open { file: FileId(2), path: "data".into() };
    let answers = answers(
        scratch.path(),
        None,
        vec![open, DiskOp::Read { file: FileId(2), bytes_max: 6, is_summed: false }],
    );
    let [Input::FileRead { result: Err(error), .. }] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!(error.fault, DiskFault::Missing);
    assert!(error.text.contains("data"));
}

#[test]
fn a_path_does_not_leave_the_directory() {
    let scratch = Scratch::new("paths");
    for path in ["../outside", "/etc/outside", "", "a/../../b"] {
        let ops = vec![DiskOp::Replace { write: WriteId(1), path: path.into(), bytes: vec![1] }];
        let answers = answers(scratch.path(), None, ops);
        assert!(matches!(answers.as_slice(), [Input::Disk(Disk { result: Err(_), .. })]), "{path}");
    }
}

#[test]
fn a_failed_append_fails_the_file_for_good() {
    // Some seed makes an append in the middle fail; from there on, nothing is answered well.
    let mut failed = 0;
    for seed in 0..20 {
        let scratch = Scratch::new(&format!("full-{seed}"));
        let mut ops = vec![DiskOp::Create { file: FileId(1), path: "temp".into() }];
        ops.extend((1..=6).map(|write| append(write, b"bytes")));
        ops.push(DiskOp::Commit { file: FileId(1), write: WriteId(7), path: "final".into() });
        let answers = answers(scratch.path(), Some(Arc::new(Faults::seeded(seed))), ops);
        let results: Vec<bool> = answers
            .iter()
            .map(|input| match input {
                Input::Disk(disk) => disk.result.is_ok(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(results.len(), 7);
        let good = results.iter().take_while(|is_good| **is_good).count();
        assert!(results[good..].iter().all(|is_good| !is_good), "seed {seed}: {results:?}");
        assert_eq!(scratch.path().join("final").exists(), good == 7, "seed {seed}");
        failed += u64::from(good < 7);
    }
    assert!(failed > 0);
}
