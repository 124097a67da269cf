//! Words of the command line and of replies: addresses, and numbers read as C reads them.

/// A number as `atoi` reads it: leading blanks and a sign, then digits up to something else; else 0.
pub fn number(text: &str) -> i64 {
    let text = text.trim_start();
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    let value = digits[..end]
        .bytes()
        .fold(0i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    if negative { -value } else { value }
}

/// A number as `atof` reads it, narrowed as the originals narrow it: the longest prefix that is a number, else 0.
pub fn fraction(text: &str) -> f32 {
    let text = text.trim_start();
    let numeric = |letter: char| letter.is_ascii_digit() || "+-.eE".contains(letter);
    let end = text.find(|letter| !numeric(letter)).unwrap_or(text.len());
    (0..=end).rev().find_map(|end| text[..end].parse::<f64>().ok()).unwrap_or(0.0) as f32
}

/// Host, port and bus port (0: not given) of `host:port[@bus]`; a host of IPv6 has no brackets here.
pub fn address(text: &str) -> Option<(String, u16, u16)> {
    let (text, bus) = match text.rsplit_once('@') {
        Some((text, bus)) => (text, port(bus)),
        None => (text, 0),
    };
    let (host, after) = text.rsplit_once(':')?;
    Some((host.to_string(), port(after), bus))
}

/// A port, or 0 for what is none.
fn port(text: &str) -> u16 {
    u16::try_from(number(text)).unwrap_or(0)
}

/// The node that the arguments name: `host:port`, or host and port as two words.
pub fn host_of(args: &[String]) -> Option<(String, u16)> {
    let (host, port) = match args {
        [] => return None,
        [one] => address(one).map(|(host, port, _)| (host, port))?,
        [host, text, ..] => (host.clone(), port(text)),
    };
    (port != 0).then_some((host, port))
}

/// The number of an INFO field.
pub fn info_field(info: &str, name: &str) -> Option<i64> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        let values: Vec<i64> = ["12", " -3x", "+7", "x", "", "99999999999999999999"].map(number).into();
        assert_eq!(values, [12, -3, 7, 0, 0, i64::MAX]);
        assert_eq!(["2", "0.5x", "x", "1e1", "-"].map(fraction), [2.0, 0.5, 0.0, 10.0, 0.0]);
    }

    #[test]
    fn addresses_come_in_three_forms() {
        let given = |words: &[&str]| host_of(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(given(&["10.0.0.1:7000"]), Some(("10.0.0.1".into(), 7000)));
        assert_eq!(given(&["10.0.0.1:7000@17000"]), Some(("10.0.0.1".into(), 7000)));
        assert_eq!(given(&["::1", "7000"]), Some(("::1".into(), 7000)));
        assert_eq!(address("::1:7000@17000,name"), Some(("::1".into(), 7000, 17000)));
        assert_eq!((given(&["host"]), given(&["host:0"]), given(&[])), (None, None, None));
    }

    #[test]
    fn info_fields_are_whole_names() {
        let info = "# Cluster\r\ncluster_enabled:1\r\nxcluster_enabled:5\r\n";
        assert_eq!(info_field(info, "cluster_enabled"), Some(1));
        assert_eq!(info_field(info, "enabled"), None);
    }
}
