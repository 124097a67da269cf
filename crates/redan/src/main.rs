//! The program: the name that it is called by, or the first argument, chooses the applet.
//!
//! ```text
//!   redis-server x.conf      --\
//!   redan server x.conf      ---+--> server::run
//!   valkey-server x.conf     --/
//!   redan up                 -----> up::run
//!   redan cli, redis-cli     -----> cli::run
//!   redan links DIR          -----> links::run
//!   redan benchmark          -----> benchmark::run
//!   redan backup, restore    -----> backup::backup, backup::restore
//!   redan check-rdb FILE     -----> check_rdb::run
//! ```
//!
//! Called by an original's name, the arguments, files, exit codes and the shape of the output are those
//! of the original. A name whose job is not built yet says so and exits with 1: it never pretends.

mod check_aof;
mod check_rdb;
mod links;
mod names;
mod server;
mod up;

use std::ffi::OsString;
use std::process::ExitCode;

/// jemalloc, as in the originals: its size classes are what the keyspace counts in.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What jemalloc reads before anything else runs; `_RJEM_MALLOC_CONF` in the environment has the last word.
///
/// - `thp:always`: memory is asked for on huge pages, where the system leaves that to programs (`madvise`). Random access to
///   a large keyspace misses the TLB at nearly every key; bench/RESULTS.md has the figures, and what it costs in memory.
/// - `background_thread`: unused memory goes back to the system on a thread of the allocator, as in Redis; within an
///   allocation it would take up to some milliseconds.
/// - `oversize_threshold:0`: pages of large values are kept for a while as others are, so that the next large value need
///   not wait for the system to clear new ones. `server::allocator` says the same for the first arena.
/// - `slab_sizes`: the slabs that would have one or three pages have four or six (the classes between have five or seven
///   anyway). A slab of 16 KiB or more is put together with its free neighbours when it is freed. Smaller ones are left
///   lying, and tens of thousands of them are put together at once, under the arena's lock: after millions of elements had
///   been freed, one allocation took up to 5 ms.
// SAFETY: the name is the one that jemalloc looks for, and nothing else in the program has it; a slice's first word is the
// address of its bytes, which end with a zero: the pointer that jemalloc reads there.
#[unsafe(export_name = "_rjem_malloc_conf")]
static ALLOCATOR_SETTINGS: &[u8] = b"thp:always,metadata_thp:auto,background_thread:true,oversize_threshold:0,\
slab_sizes:16-16:2|32-32:4|48-48:6|64-64:4|96-96:6|128-128:4|192-192:6|256-256:4|384-384:6|512-512:4|768-768:6|\
1024-1024:4|1536-1536:6|2048-2048:4|3072-3072:6|4096-4096:4|6144-6144:6|8192-8192:4|12288-12288:6\0";

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let called_as = args.next().unwrap_or_else(|| OsString::from("redan"));
    let args: Vec<OsString> = args.collect();
    match names::applet(&called_as, &args) {
        names::Choice::Applet(names::Applet::Server, rest) => server::run(&called_as, rest),
        names::Choice::Applet(names::Applet::Up, rest) => up::run(rest),
        names::Choice::Applet(names::Applet::Links, rest) => links::run(rest),
        names::Choice::Applet(names::Applet::Cli, rest) => {
            ExitCode::from(cli::run(rest.to_vec(), names::dialect(&called_as)))
        }
        names::Choice::Applet(names::Applet::Benchmark, rest) => {
            ExitCode::from(benchmark::run(rest.to_vec()))
        }
        names::Choice::Applet(names::Applet::Backup, rest) => ExitCode::from(backup::backup(rest)),
        names::Choice::Applet(names::Applet::Restore, rest) => ExitCode::from(backup::restore(rest)),
        names::Choice::Applet(names::Applet::CheckAof, rest) => check_aof::run(&called_as, rest),
        names::Choice::Applet(names::Applet::CheckRdb, rest) => check_rdb::run(&called_as, rest),
        names::Choice::Applet(names::Applet::Cluster, rest) => ExitCode::from(cli::run_trib(rest.to_vec())),
        names::Choice::Applet(names::Applet::NotYet(job), _) => {
            eprintln!("redan: {job} is not part of this version. Use the original tool for now.");
            ExitCode::FAILURE
        }
        names::Choice::Help => {
            print!("{}", names::help());
            ExitCode::SUCCESS
        }
        names::Choice::Version => {
            println!("redan {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        names::Choice::Unknown(word) => {
            eprintln!("redan: there is no '{word}'. 'redan --help' lists what there is.");
            ExitCode::from(2)
        }
    }
}
