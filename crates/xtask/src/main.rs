//! Checks and chores of the repository: `cargo xtask tidy`, `cargo xtask fuzz`.

mod tidy;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

const HELP: &str = "usage: cargo xtask COMMAND

  tidy [--update]     layers, bans and sizes; --update writes the smaller sizes to crates/xtask/sizes.txt
  fuzz [SECONDS]      every fuzz target for so long each (300 when not given)
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["tidy"] => tidy::run(&root(), tidy::Sizes::Check),
        ["tidy", "--update"] => tidy::run(&root(), tidy::Sizes::Update),
        ["fuzz"] => fuzz("300"),
        ["fuzz", seconds] => fuzz(seconds),
        _ => {
            eprint!("{HELP}");
            ExitCode::from(2)
        }
    }
}

/// The repository's folder.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this crate lies in crates/xtask").to_path_buf()
}

fn fuzz(seconds: &str) -> ExitCode {
    let status = Command::new("cargo")
        .args(["run", "--release", "--package", "fuzz", "--", "all", "--seconds", seconds])
        .current_dir(root())
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: cargo can not be run: {error}");
            ExitCode::FAILURE
        }
    }
}
