//! One command from the arguments, and `--eval`.

use crate::connection::reason;
use crate::options::{Options, unquote};
use crate::session::{Failure, Session, Tone};
use crate::{complain, say};
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;

/// Runs the command of the arguments; the result is the exit code.
pub fn run(options: Options) -> u8 {
    let mut session = Session::new(options);
    // What fails here is said by the command's own attempt.
    let _ = session.connect(Tone::Quiet);
    let mut words = session.options.command.clone();
    if session.options.quoted_input {
        match words.iter().map(|word| unquote(word)).collect() {
            Some(unquoted) => words = unquoted,
            None => {
                say!("Invalid quoted string\n");
                return 1;
            }
        }
    }
    if session.options.stdin_last {
        match stdin() {
            Some(text) => words.push(text),
            None => return 1,
        }
    } else if let Some(tag) = &session.options.stdin_tag {
        let Some(place) = words.iter().position(|word| word == tag) else {
            complain!("Using -X option but stdin tag not match.");
            return 1;
        };
        match stdin() {
            Some(text) => words[place] = text,
            None => return 1,
        }
    }
    code(session.issue(&words, session.options.repeat))
}

/// Runs the script of `--eval` with the arguments as keys, a comma, and arguments.
pub fn eval(options: Options, file: &[u8]) -> u8 {
    if options.debugs_script {
        complain!("redan: the Lua debugger is not part of this version.");
        return 1;
    }
    let mut session = Session::new(options);
    if session.connect(Tone::Aloud).is_err() {
        return 1;
    }
    let script = match std::fs::read(OsString::from_vec(file.to_vec())) {
        Ok(script) => script,
        Err(error) => {
            complain!("Can't open file '{}': {}", String::from_utf8_lossy(file), reason(&error));
            return 1;
        }
    };
    let mut args = session.options.command.clone();
    let comma = args.iter().position(|arg| arg == b",");
    let keys = comma.unwrap_or(args.len());
    if let Some(comma) = comma {
        args.remove(comma);
    }
    let mut words = vec![b"EVAL".to_vec(), script, keys.to_string().into_bytes()];
    words.append(&mut args);
    code(session.issue(&words, session.options.repeat))
}

fn code(result: Result<(), Failure>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(Failure::Lost) => 1,
        Err(Failure::Ended(code)) => code,
    }
}

fn stdin() -> Option<Vec<u8>> {
    let mut text = Vec::new();
    match std::io::stdin().lock().read_to_end(&mut text) {
        Ok(_) => Some(text),
        Err(error) => {
            complain!("Reading from standard input: {}", reason(&error));
            None
        }
    }
}
