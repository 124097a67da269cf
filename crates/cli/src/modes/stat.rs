//! `--stat`: a line of figures per interval.

use super::shown;
use crate::session::{Session, Tone};
use crate::{complain, say};
use std::time::Duration;
use wire::value::Value;

/// So many lines stand below a head line.
const LINES_PER_HEAD: u64 = 20;
/// Databases whose keys are counted.
const DATABASES: u32 = 20;
/// Between two attempts to connect again.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

const HEAD: &str = "\
------- data ------ --------------------- load -------------------- - child -
keys       mem      clients blocked requests            connections          
";

/// Prints lines until the program is stopped.
pub fn run(session: &mut Session) -> u8 {
    let interval = Some(session.options.interval).filter(|interval| !interval.is_zero());
    let interval = interval.unwrap_or(Duration::from_secs(1));
    let mut requests = 0;
    for line in 0u64.. {
        let info = match persistent(session, &["INFO"]) {
            Ok(Value::Error(text)) => {
                complain!("ERROR: {}", shown(&text));
                return 1;
            }
            Ok(value) => shown(value.text().unwrap_or_default()),
            Err(code) => return code,
        };
        if line.is_multiple_of(LINES_PER_HEAD) {
            say!("{HEAD}");
        }
        say!("{}\n", figures(&info, &mut requests));
        std::thread::sleep(interval);
    }
    0
}

fn figures(info: &str, requests: &mut i64) -> String {
    let field = |name: &str| field(info, name);
    let keys: i64 = (0..DATABASES).filter_map(|database| field(&format!("db{database}:keys"))).sum();
    let figure = |name: &str| field(name).unwrap_or(i64::MIN);
    let total = figure("total_commands_processed");
    let new = if *requests == 0 { 0 } else { total - *requests };
    *requests = total;
    let child = match (figure("bgsave_in_progress"), figure("aof_rewrite_in_progress"), figure("loading")) {
        (1, 0, 0) => "SAVE",
        (0, 1, 0) => "AOF",
        (1, 1, 0) => "SAVE+AOF",
        (0, 0, 1) => "LOAD",
        _ => "",
    };
    format!(
        "{:<11}{:<8} {:<8}{:<8}{:<19} {:<12}{child}",
        keys,
        human(figure("used_memory")),
        figure("connected_clients"),
        figure("blocked_clients"),
        format!("{total} (+{new})"),
        figure("total_connections_received"),
    )
}

/// The number behind the first place where `name` stands in `info`.
fn field(info: &str, name: &str) -> Option<i64> {
    let rest = info.get(info.find(name)? + name.len() + 1..)?;
    let end = rest.find(['\r', ',']).unwrap_or(rest.len());
    Some(crate::options::strtoll(&rest.as_bytes()[..end]))
}

fn human(bytes: i64) -> String {
    let sign = if bytes < 0 { "-" } else { "" };
    let bytes = bytes.unsigned_abs();
    let scaled = |shift: u32, unit: &str| format!("{sign}{:.2}{unit}", bytes as f64 / (1u64 << shift) as f64);
    match bytes {
        0..0x400 => format!("{sign}{bytes}B"),
        0x400..0x10_0000 => scaled(10, "K"),
        0x10_0000..0x4000_0000 => scaled(20, "M"),
        _ => scaled(30, "G"),
    }
}

/// One request; while the server is away, connects again once a second and says so.
pub fn persistent(session: &mut Session, words: &[&str]) -> Result<Value, u8> {
    let mut tries = 0;
    loop {
        let answer = session.connection().map(|connection| connection.command(words));
        if let Some(Ok(value)) = answer {
            if tries > 0 {
                say!("\r\x1b[0K");
            }
            return Ok(value);
        }
        tries += 1;
        say!("\r\x1b[0KReconnecting... {tries}\r");
        // What fails is tried again.
        let _ = session.connect_anew(Tone::Quiet);
        std::thread::sleep(RECONNECT_PAUSE);
    }
}
