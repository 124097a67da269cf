//! `--scan`: all keys, a line each; and the steps of SCAN for the other modes.

use super::{ask, cancelled, shown};
use crate::options::Format;
use crate::session::Session;
use crate::{complain, print};
use std::sync::atomic::Ordering;
use wire::value::Value;

/// One step of SCAN: the keys, and the cursor of the next step ("0": there is none).
pub fn step(session: &mut Session, cursor: &[u8]) -> Result<(Vec<u8>, Vec<Vec<u8>>), u8> {
    let mut words = vec![b"SCAN".to_vec(), cursor.to_vec()];
    let options = &session.options;
    if let Some(pattern) = &options.pattern {
        words.extend([b"MATCH".to_vec(), pattern.clone()]);
    }
    if let Some(kind) = &options.scan_type {
        words.extend([b"TYPE".to_vec(), kind.clone()]);
    }
    if let Some(count) = options.scan_count {
        words.extend([b"COUNT".to_vec(), count.to_string().into_bytes()]);
    }
    match ask(session, &words)? {
        Value::Error(text) => complain!("SCAN error: {}", shown(&text)),
        Value::Array(mut parts) if parts.len() == 2 => {
            if let (Some(Value::Array(keys)), Some(Value::Bulk(next))) = (parts.pop(), parts.pop()) {
                let keys = keys.into_iter().map(|key| match key {
                    Value::Bulk(key) => key,
                    other => other.text().unwrap_or_default().to_vec(),
                });
                return Ok((next, keys.collect()));
            }
            complain!("Invalid reply from SCAN!");
        }
        Value::Array(_) => complain!("Invalid element count from SCAN!"),
        _ => complain!("Non ARRAY response from SCAN!"),
    }
    Err(1)
}

/// Prints all keys.
pub fn run(session: &mut Session) -> u8 {
    let cancelled = cancelled();
    let mut cursor = b"0".to_vec();
    loop {
        let keys = match step(session, &cursor) {
            Ok((next, keys)) => {
                cursor = next;
                keys
            }
            Err(code) => return code,
        };
        let mut out = Vec::new();
        for key in keys {
            if session.format == Format::Standard {
                base::words::quote(&mut out, &key);
            } else {
                out.extend_from_slice(&key);
            }
            out.push(b'\n');
        }
        print::bytes(&out);
        std::thread::sleep(session.options.interval);
        if cursor == b"0" || cancelled.load(Ordering::Relaxed) {
            return 0;
        }
    }
}
