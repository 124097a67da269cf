//! Functions: libraries that come with the data. Nobody runs them here; they are kept, so that what is saved or sent later
//! has them again.

use alloc::vec::Vec;
use wire::rdb::{Decoder, Item};

/// Does to `libraries` what a FUNCTION command of a file or of a primary's stream says.
pub(crate) fn change(libraries: &mut Vec<Vec<u8>>, words: &[Vec<u8>]) {
    let Some((action, rest)) = words.get(1..).and_then(<[_]>::split_first) else { return };
    let is = |name: &str| action.eq_ignore_ascii_case(name.as_bytes());
    match rest {
        [.., code] if is("load") => put(libraries, code.clone()),
        [name, ..] if is("delete") => libraries.retain(|code| name_of(code) != Some(name)),
        [payload, policy @ ..] if is("restore") => {
            if policy.first().is_some_and(|word| word.eq_ignore_ascii_case(b"flush")) {
                libraries.clear();
            }
            restored(payload).into_iter().for_each(|code| put(libraries, code));
        }
        _ if is("flush") => libraries.clear(),
        // What it may be besides changes nothing.
        _ => {}
    }
}

/// One library of a name.
fn put(libraries: &mut Vec<Vec<u8>>, code: Vec<u8>) {
    libraries.retain(|other| name_of(other) != name_of(&code));
    libraries.push(code);
}

/// The name in a library's first line: `#!lua name=NAME`.
fn name_of(code: &[u8]) -> Option<&[u8]> {
    let line = code.split(|byte| *byte == b'\n').next()?;
    line.split(u8::is_ascii_whitespace).find_map(|word| word.strip_prefix(b"name="))
}

/// The libraries in what FUNCTION DUMP gives: a file's middle, and a version and a checksum of ten bytes, which whoever
/// sent the command has checked.
fn restored(payload: &[u8]) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::without_checksum();
    decoder.push(b"REDIS0011");
    decoder.push(&payload[..payload.len().saturating_sub(10)]);
    let mut found = Vec::new();
    while let Ok(Some(item)) = decoder.next_item() {
        if let Item::Function(code) = item {
            found.push(code);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn changed(commands: &[&[&str]]) -> Vec<Vec<u8>> {
        let mut libraries = vec![b"#!lua name=old\ncode".to_vec()];
        for words in commands {
            let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
            change(&mut libraries, &words);
        }
        libraries
    }

    #[test]
    fn a_library_takes_the_place_of_the_one_of_its_name() {
        let libraries =
            changed(&[&["FUNCTION", "LOAD", "REPLACE", "#!lua name=old\nnew"], &["function", "list"]]);
        assert_eq!(libraries, [b"#!lua name=old\nnew"]);
        assert_eq!(changed(&[&["FUNCTION", "LOAD", "#!lua name=other\n"]]).len(), 2);
    }

    #[test]
    fn libraries_go() {
        assert!(changed(&[&["FUNCTION", "DELETE", "old"]]).is_empty());
        assert!(changed(&[&["FUNCTION", "FLUSH", "ASYNC"]]).is_empty());
        assert_eq!(
            changed(&[&["FUNCTION", "DELETE", "none"], &["FUNCTION"], &["FUNCTION", "LOAD"]]).len(),
            1
        );
    }

    #[test]
    fn what_was_dumped_comes_back() {
        let mut payload = b"\xf5\x05#!lua".to_vec();
        payload.extend_from_slice(&[0; 10]);
        assert_eq!(restored(&payload), [b"#!lua"]);
        assert!(restored(b"\xf5\x40").is_empty());
    }
}
