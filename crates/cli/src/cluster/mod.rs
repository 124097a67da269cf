//! The cluster manager: `--cluster SUBCOMMAND ...`, and redis-trib.rb's old syntax.

use crate::options::Options;

/// Runs `--cluster ARGS`; the result is the exit code.
pub fn run(_args: &[Vec<u8>], _options: &Options) -> u8 {
    eprintln!("redan: the cluster manager is not part of this version. Use the original tool for now.");
    1
}

/// Runs redis-trib.rb's syntax: `create --replicas 1 HOST:PORT ...`; the result is the exit code.
pub fn run_trib(_args: &[Vec<u8>]) -> u8 {
    eprintln!("redan: the cluster manager is not part of this version. Use the original tool for now.");
    1
}
