//! Fuzz targets: one function for each decoder that reads bytes from outside.
//!
//! A target takes any bytes, drives the decoder with them and asserts what must hold; it fails by a panic.
//! The driver (`cargo run -p fuzz`) runs them on stable Rust with seeded mutations of hand-made inputs; the
//! package in `/fuzz` runs the same functions under cargo-fuzz.
//!
//! To add one: a function in `targets/`, a row in `TARGETS`, a folder of inputs in `corpus/`, and a file in
//! `/fuzz/fuzz_targets` (a test below names what is missing).

pub mod mutate;
pub mod targets;

/// A decoder under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and the name of its folder in `corpus`.
    pub name: &'static str,
    /// Drives the decoder; panics when something does not hold.
    pub run: fn(&[u8]),
    /// Pieces of the grammar, for mutations.
    pub words: &'static [&'static [u8]],
    /// Heap that one run may use at its peak, in bytes: a constant part ...
    pub heap_bytes_fixed: usize,
    /// ... and for each byte of input.
    pub heap_bytes_per_byte: usize,
}

/// Pieces of RESP.
const RESP: &[&[u8]] = &[
    b"\r\n",
    b"\r",
    b"\n",
    b"*",
    b"$",
    b"*1\r\n",
    b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
    b"*0\r\n",
    b"*-1\r\n",
    b"$0\r\n\r\n",
    b"PING\r\n",
    b"AUTH x\r\n",
    b"*1\r\n$5\r\nRESET\r\n",
    b"\"",
    b"'",
    b"\\x",
    b" ",
    b"\0",
    b"$100\r\n",
    b"$5000\r\n",
];

/// All targets.
pub const TARGETS: &[Target] = &[
    Target {
        name: "resp_requests",
        run: targets::resp::requests,
        words: RESP,
        heap_bytes_fixed: 8 << 20,
        heap_bytes_per_byte: 64,
    },
    Target {
        name: "resp_stream",
        run: targets::resp::stream,
        words: RESP,
        // An expected value takes up to 32 MiB of address space at once; one that is a little longer moves.
        heap_bytes_fixed: 104 << 20,
        heap_bytes_per_byte: 64,
    },
    Target {
        name: "resp_replies",
        run: targets::resp::replies,
        words: &[b"\r\n", b"\n", b"+FULLRESYNC ", b"+CONTINUE", b"$EOF:", b"$10\r\n", b"-", b":", b"+OK\r\n"],
        heap_bytes_fixed: 104 << 20,
        heap_bytes_per_byte: 64,
    },
    Target {
        name: "bus_framing",
        run: targets::bus::framing,
        words: &[b"RCmb", b"\0\0\0\x10", b"\0\0\x08\xd0", b"\x01\0\0\0", b"\xff\xff\xff\xff"],
        heap_bytes_fixed: 104 << 20,
        heap_bytes_per_byte: 64,
    },
    Target {
        name: "bus_packet",
        run: targets::bus::packet,
        words: &[
            b"RCmb",
            b"\0\0\x08\xd0",
            b"\0\x01",
            b"\0\x07",
            b"127.0.0.1\0",
            b"\xff\xff\xff\xff",
            b"redan\x01",
            b"\x80\x04",
            b"\0\0\0\x10\0\x08\0\0zone-1\0\0",
        ],
        heap_bytes_fixed: 1 << 20,
        heap_bytes_per_byte: 64,
    },
    Target {
        name: "nodes_conf",
        run: targets::bus::nodes_conf,
        words: &[
            b"\n",
            b" ",
            b"myself,",
            b"master",
            b"slave",
            b"fail?",
            b"noaddr",
            b":0@0",
            b",host",
            b",shard-id=",
            b" 0-16383",
            b"[5->-",
            b"[5-<-",
            b"]",
            b"vars currentEpoch 1 lastVoteEpoch 0\n",
            b"18446744073709551615",
        ],
        heap_bytes_fixed: 4 << 20,
        // A line of some 60 bytes is a node with a set of slots of 2 KiB, read twice.
        heap_bytes_per_byte: 256,
    },
    Target {
        name: "words",
        run: targets::text::words,
        words: &[b"\"", b"'", b"\\x", b"\\x4", b"\\\"", b"\\'", b" ", b"\t", b"\0", b"\\"],
        heap_bytes_fixed: 1 << 20,
        heap_bytes_per_byte: 128,
    },
    Target {
        name: "glob",
        run: targets::text::glob,
        words: &[
            b"*",
            b"?",
            b"[",
            b"[^",
            b"]",
            b"a-z",
            b"\\",
            b"**",
            b"*a*a*a*a*a*a*a*a*b",
            b"aaaaaaaaaaaaaaaa",
        ],
        heap_bytes_fixed: 1 << 20,
        heap_bytes_per_byte: 16,
    },
    Target {
        name: "numbers",
        run: targets::text::numbers,
        words: &[
            b"-",
            b"+",
            b"0",
            b"1",
            b"9223372036854775807",
            b".",
            b"e",
            b"e4932",
            b"e-4951",
            b"0x",
            b"p",
            b"inf",
            b"nan",
        ],
        heap_bytes_fixed: 1 << 20,
        heap_bytes_per_byte: 64,
    },
    Target {
        name: "directives",
        run: targets::text::directives,
        words: &[
            b"\n",
            b" ",
            b"\"",
            b"save ",
            b"include x\n",
            b"maxclients ",
            b"client-output-buffer-limit normal 1mb 2kb 3",
            b"replicaof a 1",
            b"bind * -::*",
            b"port 1",
            b"yes",
            b"no",
            b"1gb",
            b"user x",
            b"unixsocketperm 755",
            b"latency-tracking-info-percentiles 50 99.9",
            b"18446744073709551616",
        ],
        heap_bytes_fixed: 1 << 20,
        heap_bytes_per_byte: 1_024,
    },
    Target {
        name: "value",
        run: targets::resp::value,
        words: &[
            b"\r\n",
            b"*2\r\n",
            b"%1\r\n",
            b"~1\r\n",
            b">1\r\n",
            b"|1\r\n",
            b"_\r\n",
            b"#t\r\n",
            b",1.5\r\n",
            b"(12\r\n",
            b"$3\r\nabc\r\n",
            b"=7\r\ntxt:abc\r\n",
            b"!3\r\nERR\r\n",
            b":1\r\n",
            b"*0\r\n",
            b"*-1\r\n",
            b"$-1\r\n",
        ],
        heap_bytes_fixed: 1 << 20,
        heap_bytes_per_byte: 256,
    },
    Target {
        name: "rdb",
        run: targets::rdb::rdb,
        words: &[
            b"REDIS0010",
            b"VALKEY080",
            b"\xfa",
            b"\xfb\x01\x00",
            b"\xfc",
            b"\xfd",
            b"\xfe\x00",
            b"\xff",
            b"\xf4\x01\x01\x00",
            b"\xf5",
            b"\xf7",
            b"\xf8\x05",
            b"\xf9\x05",
            b"\xc0\x01",
            b"\xc3",
            b"\x80\xff\xff\xff\xff",
            b"\x81\x00\x00\x00\x01\x00\x00\x00\x00",
            b"\x00\x01a\x01b",
            b"\x04\x01h\x01\x01f\x01v",
            b"\x16\x01h\x02\x01f\x01v\x00\xd0\xf5\xd4\xa3\x03\x00\x00\x01g\x01w\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x09\x01h",
            b"\x0d\x01h",
            b"\x10\x01h",
            b"\x01\x01l\x02\x01a\x01b",
            b"\x0a\x01l\x0d\x0d\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\xf2\xff",
            b"\x0e\x01l\x01\x0d\x0d\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\xf2\xff",
            b"\x12\x01l\x02\x01\x01a\x02\x09\x09\x00\x00\x00\x01\x00\x05\x01\xff",
            b"\x02\x01s\x02\x01a\x01b",
            b"\x0b\x01s\x0a\x02\x00\x00\x00\x01\x00\x00\x00\x01\x00",
            b"\x14\x01s\x09\x09\x00\x00\x00\x01\x00\x05\x01\xff",
        ],
        heap_bytes_fixed: 1 << 20,
        // A reference of LZF makes 264 bytes out of 3, and a target keeps them a few times.
        heap_bytes_per_byte: 1_024,
    },
    Target {
        name: "payload",
        run: targets::rdb::payload,
        words: &[
            b"\x00\x05hello",
            b"\x00\xc0\x07",
            b"\xc3",
            b"\x04\x01\x01f\x01v",
            b"\x16\x02\x01f\x01v\x00\xd0\xf5\xd4\xa3\x03\x00\x00\x01g\x01w\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x09\x01",
            b"\x0d\x01",
            b"\x10\x01",
            b"\x01\x02\x01a\x01b",
            b"\x0a\x0d\x0d\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\xf2\xff",
            b"\x0e\x01\x0d\x0d\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\xf2\xff",
            b"\x12\x02\x01\x01a\x02\x09\x09\x00\x00\x00\x01\x00\x05\x01\xff",
            b"\x02\x02\x01a\x01b",
            b"\x0b\x0a\x02\x00\x00\x00\x01\x00\x00\x00\x01\x00",
            b"\x14\x09\x09\x00\x00\x00\x01\x00\x05\x01\xff",
            b"\x80\xff\xff\xff\xff",
        ],
        heap_bytes_fixed: 1 << 20,
        // A reference of LZF makes 264 bytes out of 3, and a target keeps them a few times.
        heap_bytes_per_byte: 1_024,
    },
    Target {
        name: "held",
        run: targets::held::held,
        words: &[
            b"\x83inf\x04",
            b"\x83nan\x04",
            b"\x812\x02",
            b"\x02\x01",
            b"\x03\x01",
            b"\x00\x01",
            b"\x01\x01",
            b"\xf4\xff\xff\xff\xff\xff\xff\xff\x7f\x09",
            b"\x80\x01",
            b"\xff\xff",
            b"\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x00\x00\x00\x00\x00\x00\xf0\x7f",
            b"\x81\xff\xff\xff\xff\xff\xff\xff\xff",
        ],
        heap_bytes_fixed: 4 << 20,
        // As for a payload, and the value is held several times.
        heap_bytes_per_byte: 4_096,
    },
    Target {
        name: "listpack",
        run: targets::rdb::listpack,
        words: &[
            b"\xf0\x05\x00\x00\x00",
            b"\xf1",
            b"\xf2",
            b"\xf3",
            b"\xf4",
            b"\xff",
            b"\x81a\x02",
            b"\xe0\x40",
            b"\xdf\xff\x02",
        ],
        heap_bytes_fixed: 1 << 20,
        // A reference of LZF makes 264 bytes out of 3, and a target keeps them a few times.
        heap_bytes_per_byte: 1_024,
    },
    Target {
        name: "ziplist",
        run: targets::rdb::ziplist,
        words: &[
            b"\xfe\xff\x00\x00\x00",
            b"\x80\x00\x00\x00\x05",
            b"\xc0",
            b"\xd0",
            b"\xe0",
            b"\xf0",
            b"\xf1",
            b"\xfe",
            b"\xff",
            b"\x40\x10",
        ],
        heap_bytes_fixed: 1 << 20,
        // A reference of LZF makes 264 bytes out of 3, and a target keeps them a few times.
        heap_bytes_per_byte: 1_024,
    },
    Target {
        name: "zipmap",
        run: targets::rdb::zipmap,
        words: &[b"\xfe\xff\x00\x00\x00", b"\xff", b"\x01a\x01\x00b", b"\x00\x00\x00"],
        heap_bytes_fixed: 1 << 20,
        // A reference of LZF makes 264 bytes out of 3, and a target keeps them a few times.
        heap_bytes_per_byte: 1_024,
    },
    Target {
        name: "lzf",
        run: targets::rdb::lzf,
        words: &[b"\xe0\xff\x00", b"\x20\x00", b"\x00a", b"\x1f", b"\xff\xff\xff"],
        heap_bytes_fixed: 1 << 20,
        // A reference of LZF makes 264 bytes out of 3, and a target keeps them a few times.
        heap_bytes_per_byte: 1_024,
    },
];

/// The target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// The hand-made inputs of a target.
///
/// # Errors
/// When its folder in `corpus` can not be read.
pub fn corpus(target: &Target) -> std::io::Result<Vec<Vec<u8>>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let mut paths: Vec<_> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    // The order of a folder is not fixed; a seed's run is.
    paths.sort();
    paths.into_iter().map(std::fs::read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_takes_its_corpus_and_some_mutations() {
        for target in TARGETS {
            let corpus = corpus(target).expect(target.name);
            assert!(!corpus.is_empty(), "{} has no corpus", target.name);
            corpus.iter().for_each(|input| (target.run)(input));
            let mut mutator = mutate::Mutator::new(1, corpus, target.words);
            for _ in 0..300 {
                let input = mutator.next_input();
                (target.run)(&input);
            }
        }
    }

    #[test]
    fn every_target_runs_under_cargo_fuzz() {
        let package = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
        let manifest = std::fs::read_to_string(package.join("Cargo.toml")).expect("the package is there");
        for target in TARGETS {
            let path = format!("fuzz_targets/{}.rs", target.name);
            assert!(package.join(&path).exists(), "{path} is missing");
            assert!(manifest.contains(&format!("path = \"{path}\"")), "{path} is not in fuzz/Cargo.toml");
        }
    }

    #[test]
    fn a_seed_gives_the_same_inputs() {
        let inputs = |seed| -> Vec<Vec<u8>> {
            let mut mutator = mutate::Mutator::new(seed, vec![b"*1\r\n$4\r\nPING\r\n".to_vec()], RESP);
            (0..200).map(|_| mutator.next_input()).collect()
        };
        assert_eq!(inputs(7), inputs(7));
        assert_ne!(inputs(7), inputs(8));
    }
}
