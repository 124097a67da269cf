//! Users: the one line for the default user that stands for what `requirepass` says already.
//!
//! The originals write `user default on nopass ~* &* +@all`, or the password's hash, into every file
//! that they rewrite. Such a line asks for nothing new; any other does, and is refused.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base::sha256;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The rules of the default user under this password (empty: none), as the originals write them.
pub(super) fn default_rules(password: &[u8]) -> String {
    let secret = match password {
        [] => String::from("nopass"),
        password => format!("#{}", hash(password)),
    };
    format!("default on {secret} ~* &* +@all")
}

fn hash(password: &[u8]) -> String {
    let digits = sha256::digest(password).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(HEX[usize::from(digit)])).collect()
}

/// Accepts the rules that leave the default user what it is under `password`.
pub(super) fn check(rules: &[Vec<u8>], password: &[u8]) -> Result<(), String> {
    let mut is_on = false;
    let mut has_secret = false;
    for rule in rules {
        match rule.as_slice() {
            b"on" => is_on = true,
            b"nopass" if password.is_empty() => has_secret = true,
            [b'#', digits @ ..] if digits == hash(password).as_bytes() => has_secret = true,
            [b'>', secret @ ..] if secret == password => has_secret = true,
            b"sanitize-payload" | b"~*" | b"allkeys" | b"&*" | b"allchannels" | b"+@all" | b"allcommands" => {
            }
            other => {
                let other = String::from_utf8_lossy(other);
                return Err(format!(
                    "redan does not support users yet: 'user default' may not say '{other}'"
                ));
            }
        }
    }
    if is_on && has_secret {
        return Ok(());
    }
    Err("redan does not support users yet: 'user default' must be on, with the password of requirepass"
        .into())
}
