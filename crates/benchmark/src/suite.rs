//! The tests, in the order in which they run.

use cli::connection::encode;

/// One test.
pub struct Test {
    /// Its name in the report.
    pub title: &'static str,
    /// The words of `-t` that choose it.
    names: &'static [&'static str],
    /// The words of the request, separated by spaces. `KEY`, `COUNTER`, `LIST`, `SET`, `HASH` and `ZSET` end with the
    /// tag of a cluster; `DATA` is the value, `SCORE` a random score where there are random keys.
    words: &'static str,
}

const fn test(title: &'static str, names: &'static [&'static str], words: &'static str) -> Test {
    Test { title, names, words }
}

/// All tests.
pub const TESTS: &[Test] = &[
    test("PING_INLINE", &["ping_inline", "ping"], ""),
    test("PING_MBULK", &["ping_mbulk", "ping"], "PING"),
    test("SET", &["set"], "SET KEY:__rand_int__ DATA"),
    test("GET", &["get"], "GET KEY:__rand_int__"),
    test("INCR", &["incr"], "INCR COUNTER:__rand_int__"),
    test("LPUSH", &["lpush"], "LPUSH MYLIST DATA"),
    test("RPUSH", &["rpush"], "RPUSH MYLIST DATA"),
    test("LPOP", &["lpop"], "LPOP MYLIST"),
    test("RPOP", &["rpop"], "RPOP MYLIST"),
    test("SADD", &["sadd"], "SADD MYSET element:__rand_int__"),
    test("HSET", &["hset"], "HSET MYHASH element:__rand_int__ DATA"),
    test("SPOP", &["spop"], "SPOP MYSET"),
    test("ZADD", &["zadd"], "ZADD MYZSET SCORE element:__rand_int__"),
    test("ZPOPMIN", &["zpopmin"], "ZPOPMIN MYZSET"),
    test(
        "LPUSH (needed to benchmark LRANGE)",
        &["lrange", "lrange_100", "lrange_300", "lrange_500", "lrange_600"],
        "LPUSH MYLIST DATA",
    ),
    test("LRANGE_100 (first 100 elements)", &["lrange", "lrange_100"], "LRANGE MYLIST 0 99"),
    test("LRANGE_300 (first 300 elements)", &["lrange", "lrange_300"], "LRANGE MYLIST 0 299"),
    test("LRANGE_500 (first 500 elements)", &["lrange", "lrange_500"], "LRANGE MYLIST 0 499"),
    test("LRANGE_600 (first 600 elements)", &["lrange", "lrange_600"], "LRANGE MYLIST 0 599"),
    test("MSET (10 keys)", &["mset"], "MSET"),
];

impl Test {
    /// Whether `-t` has chosen it.
    pub fn is_chosen(&self, tests: Option<&[String]>) -> bool {
        tests.is_none_or(|tests| tests.iter().any(|name| self.names.contains(&name.as_str())))
    }

    /// Whether this is the test that `name` means alone.
    pub fn is_called(&self, name: &str) -> bool {
        self.names.first() == Some(&name) && !self.title.starts_with("LPUSH (")
    }

    /// The encoded request.
    pub fn request(&self, data: &[u8], is_cluster: bool, is_random: bool) -> Vec<u8> {
        let mut out = Vec::new();
        if self.words.is_empty() {
            return b"PING\r\n".to_vec();
        }
        let tag = if is_cluster { ":{tag}" } else { "" };
        let mut words: Vec<Vec<u8>> = Vec::new();
        for word in self.words.split(' ') {
            words.push(match word {
                "DATA" => data.to_vec(),
                "SCORE" => if is_random { "__rand_int__" } else { "0" }.into(),
                "KEY:__rand_int__" => format!("key{tag}:__rand_int__").into_bytes(),
                "COUNTER:__rand_int__" => format!("counter{tag}:__rand_int__").into_bytes(),
                word if word.starts_with("MY") => format!("{}{tag}", word.to_lowercase()).into_bytes(),
                word => word.into(),
            });
        }
        if words == [b"MSET"] {
            let key = format!("key{tag}:__rand_int__").into_bytes();
            words.extend((0..20).map(|at| if at % 2 == 0 { key.clone() } else { data.to_vec() }));
        }
        encode(&mut out, &words);
        out
    }
}

/// The payload of the original: the same bytes in each run, which can be compressed a little.
pub fn payload(len: usize) -> Vec<u8> {
    let mut state: u32 = 1234;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(1_103_515_245).wrapping_add(12345);
            b'0' + ((state >> 16) & 63) as u8
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_the_originals() {
        let request = |title: &str, is_cluster| {
            let test = TESTS.iter().find(|test| test.title == title).unwrap();
            String::from_utf8(test.request(b"xyz", is_cluster, true)).unwrap().replace("\r\n", " ")
        };
        assert_eq!(request("SET", false), "*3 $3 SET $16 key:__rand_int__ $3 xyz ");
        assert_eq!(request("GET", true), "*2 $3 GET $22 key:{tag}:__rand_int__ ");
        assert_eq!(
            request("ZADD", true),
            "*4 $4 ZADD $12 myzset:{tag} $12 __rand_int__ $20 element:__rand_int__ "
        );
        assert_eq!(request("PING_INLINE", true), "PING ");
        assert_eq!(request("MSET (10 keys)", false).matches("key:").count(), 10);
    }

    #[test]
    fn names_choose_tests() {
        let chosen = |name: &str| {
            let names = [name.to_string()];
            TESTS.iter().filter(|test| test.is_chosen(Some(&names))).count()
        };
        assert_eq!((chosen("ping"), chosen("lrange"), chosen("lrange_500"), chosen("what")), (2, 5, 2, 0));
        assert_eq!(TESTS.iter().filter(|test| test.is_chosen(None)).count(), TESTS.len());
    }
}
