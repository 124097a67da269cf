//! Glob patterns as KEYS, SCAN, PSUBSCRIBE and CONFIG GET use them.
//!
//! ```text
//!   *        any bytes, also none          [abc] [a-z] [^a]   one byte of a set
//!   ?        one byte                      \x                 the byte x itself
//! ```
//!
//! The corners are the originals': a set that is not closed ends with the pattern, a range may be given in
//! either order, `]` closes a set even as its first member, and no pattern but the empty one matches
//! the empty string.
//!
//! Only the last `*` is ever tried again at another place: what stands between two stars matches as early as it
//! can, and an earlier match never hurts. So time is bounded by pattern times string, whatever the pattern.

/// True when the whole of `string` matches `pattern`.
pub fn matches(pattern: &[u8], string: &[u8]) -> bool {
    run::<false>(pattern, string)
}

/// As [`matches()`], with the letters of ASCII equal in both cases.
pub fn matches_any_case(pattern: &[u8], string: &[u8]) -> bool {
    run::<true>(pattern, string)
}

/// True when `pattern` has no special character and so matches at most the string that is equal to it.
pub fn is_literal(pattern: &[u8]) -> bool {
    !pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'))
}

fn run<const ANY_CASE: bool>(pattern: &[u8], string: &[u8]) -> bool {
    if string.is_empty() {
        return pattern.is_empty();
    }
    let (mut pattern_at, mut string_at) = (0, 0);
    // Where the pattern goes on after the last star, and where in the string that was tried last.
    let mut retry: Option<(usize, usize)> = None;
    while string_at < string.len() {
        if pattern.get(pattern_at) == Some(&b'*') {
            pattern_at += 1;
            if pattern_at == pattern.len() {
                return true;
            }
            retry = Some((pattern_at, string_at));
            continue;
        }
        let step = pattern.get(pattern_at..).filter(|rest| !rest.is_empty());
        match step.map(|rest| element::<ANY_CASE>(rest, string[string_at])) {
            Some((true, len)) => {
                pattern_at += len;
                string_at += 1;
            }
            Some((false, _)) | None => {
                let Some((after_star, tried)) = retry else { return false };
                retry = Some((after_star, tried + 1));
                (pattern_at, string_at) = (after_star, tried + 1);
            }
        }
    }
    pattern[pattern_at..].iter().all(|byte| *byte == b'*')
}

/// Whether `byte` matches the first element of `pattern` (not a star), and the length of that element.
fn element<const ANY_CASE: bool>(pattern: &[u8], byte: u8) -> (bool, usize) {
    match pattern[0] {
        b'?' => (true, 1),
        b'[' => set::<ANY_CASE>(pattern, byte),
        b'\\' if pattern.len() >= 2 => (fold::<ANY_CASE>(pattern[1]) == fold::<ANY_CASE>(byte), 2),
        literal => (fold::<ANY_CASE>(literal) == fold::<ANY_CASE>(byte), 1),
    }
}

fn set<const ANY_CASE: bool>(pattern: &[u8], byte: u8) -> (bool, usize) {
    let inverted = pattern.get(1) == Some(&b'^');
    let mut at = if inverted { 2 } else { 1 };
    let mut found = false;
    loop {
        match pattern.get(at..).unwrap_or_default() {
            [] => return (found != inverted, at.min(pattern.len())),
            // An escaped member is compared with its case, in the originals too.
            [b'\\', escaped, ..] => {
                found |= *escaped == byte;
                at += 2;
            }
            [b']', ..] => return (found != inverted, at + 1),
            [start, b'-', end, ..] => {
                let (low, high) = if start <= end { (*start, *end) } else { (*end, *start) };
                found |= (fold::<ANY_CASE>(low)..=fold::<ANY_CASE>(high)).contains(&fold::<ANY_CASE>(byte));
                at += 3;
            }
            [member, ..] => {
                found |= fold::<ANY_CASE>(*member) == fold::<ANY_CASE>(byte);
                at += 1;
            }
        }
    }
}

const fn fold<const ANY_CASE: bool>(byte: u8) -> u8 {
    if ANY_CASE { byte.to_ascii_lowercase() } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        for string in yes {
            assert!(matches(pattern.as_bytes(), string.as_bytes()), "{pattern} should match {string}");
        }
        for string in no {
            assert!(!matches(pattern.as_bytes(), string.as_bytes()), "{pattern} should not match {string}");
        }
    }

    #[test]
    fn stars_and_questions() {
        check("*", &["a", "abc"], &[""]);
        check("", &[""], &["a"]);
        check("a*", &["a", "ab"], &["", "ba"]);
        check("*a", &["a", "ba", "aa"], &["ab"]);
        check("a**b***c", &["abc", "axbxc"], &["ab", "acb"]);
        check("*ab*ab", &["abab", "xabxabyab"], &["ab", "aab"]);
        check("h?llo", &["hello", "hallo"], &["hllo", "heello"]);
        check("?", &["a"], &["", "ab"]);
    }

    #[test]
    fn sets() {
        check("h[ae]llo", &["hello", "hallo"], &["hillo"]);
        check("h[^e]llo", &["hallo"], &["hello", "hllo"]);
        check("[a-c]", &["a", "b", "c"], &["d", "-"]);
        check("[c-a]", &["a", "b", "c"], &["d"]);
        check("[a-]", &["a", "]", "^"], &["-", "b"]);
        check("[]", &[], &["]", "a"]);
        check("[^]", &["a"], &["ab"]);
        check("[ab", &["a", "b"], &["c", "ab"]);
        check("[\\]]", &["]"], &["\\"]);
        check("[\\", &["\\"], &["a"]);
        check("[", &[], &["[", "a"]);
        check("[^", &["a"], &[]);
    }

    #[test]
    fn escapes() {
        check("\\*", &["*"], &["a"]);
        check("a\\", &["a\\"], &["a"]);
        check("\\\\", &["\\"], &["\\\\"]);
    }

    #[test]
    fn case_is_ignored_on_demand() {
        assert!(matches_any_case(b"MAX[A-C]*", b"maxcLients"));
        assert!(matches_any_case(b"\\M", b"m"));
        assert!(!matches(b"MAX*", b"maxclients"));
    }

    #[test]
    fn a_hostile_pattern_ends_in_time() {
        let pattern = b"*a".repeat(2_000);
        let string = b"a".repeat(1_999);
        assert!(!matches(&[pattern.as_slice(), b"b"].concat(), &string));
        assert!(!matches(&pattern, &string));
        assert!(matches(&pattern, &b"a".repeat(2_000)));
    }
}
