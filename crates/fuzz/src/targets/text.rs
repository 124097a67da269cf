//! Text rules: words of a line, patterns, numbers, configuration files.

use spec::config::{Config, Extent};
use spec::directive::{DirectiveId, Kind};

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

/// A pattern against a string: it ends in time, and an escaped string matches itself.
pub fn glob(input: &[u8]) {
    let Some((cut, rest)) = input.split_first() else { return };
    let (pattern, string) = rest.split_at(usize::from(*cut).min(rest.len()));
    base::glob::matches(pattern, string);
    base::glob::matches_any_case(pattern, string);
    let escaped: Vec<u8> = string.iter().flat_map(|byte| [b'\\', *byte]).collect();
    assert!(base::glob::matches(&escaped, string), "an escaped string matches itself");
    let any = [b"*", escaped.as_slice(), b"*"].concat();
    assert!(string.is_empty() || base::glob::matches(&any, string), "it also matches inside of stars");
}

/// Numbers: what is read is written back, and reads back.
pub fn numbers(input: &[u8]) {
    if let Some(number) = base::number::parse_i64(input) {
        assert_eq!(&*base::number::integer_text(number), input, "an integer has one text");
    }
    base::number::parse_cursor(input);
    if let Some(number) = base::number::parse_f64(input) {
        let short = base::number::parse_f64(&base::number::text_shortest(number));
        let long = base::number::parse_f64(&base::number::text_17g(number));
        assert_eq!((short, long), (Some(number), Some(number)), "a double reads back");
    }
    let Some(number) = base::number::Extended::parse(input) else { return };
    let text = number.text();
    let again = base::number::Extended::parse(&text);
    // 255: longer texts are not read.
    assert!(again.is_some() || text.len() > 255, "an extended double reads back");
    if let Some(sum) = number.checked_add(number) {
        assert!(!sum.text().is_empty());
    }
}

/// A configuration file: what was accepted is printed and accepted again.
pub fn directives(input: &[u8]) {
    let mut answers = 0;
    let loaded = Config::load(input, &[], &mut |name| {
        answers += 1;
        // 4: enough to include the input in itself, few enough to end.
        if answers > 4 { Err("no more".into()) } else { Ok(vec![name.to_vec(), input.to_vec()]) }
    });
    let Ok(config) = loaded else { return };
    if answers == 0 {
        // Lines of included files come a second time, and some add up.
        rewritten(&config, input);
    }
    for id in DirectiveId::all() {
        // Words and addresses lose their quotes in print.
        if matches!(id.row().kind, Kind::Words { .. } | Kind::PrimaryAddress) {
            continue;
        }
        let printed = config.printed(id);
        let mut line = id.row().name.as_bytes().to_vec();
        line.push(b' ');
        base::words::quote(&mut line, &printed);
        let again = Config::load(&line, &[], &mut |_| Ok(Vec::new())).expect("a printed value is accepted");
        assert_eq!(again.printed(id), printed, "{}", id.row().name);
    }
}

/// What CONFIG REWRITE makes of a file gives the same values.
fn rewritten(config: &Config, old: &[u8]) {
    let new = config.rewritten(old, Extent::Needed);
    let again = Config::load(&new, &[], &mut |_| Err("nothing was included".into()));
    let again = again.unwrap_or_else(|error| panic!("a rewritten file is accepted: {error}"));
    assert_eq!(again.renames(), config.renames());
    for id in DirectiveId::all() {
        assert_eq!(again.printed(id), config.printed(id), "{}", id.row().name);
    }
}
