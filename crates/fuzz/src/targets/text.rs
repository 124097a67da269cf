//! Text rules: words of a line.

/// Splitting a line: what is quoted reads back.
pub fn words(input: &[u8]) {
    let Some(words) = base::words::split(input) else { return };
    assert!(words.iter().map(Vec::len).sum::<usize>() <= input.len());
    let mut line = Vec::new();
    for word in &words {
        base::words::quote(&mut line, word);
        line.push(b' ');
    }
    assert_eq!(base::words::split(&line), Some(words), "quoted words read back");
}
