//! The options of both commands.

use crate::Failure;
use crate::target::Login;
use cli::connection::Address;
use cli::say;
use std::ffi::OsString;

/// What `redan backup --help` prints.
const BACKUP: &str = "\
usage: redan backup --from HOST:PORT --to DIR [OPTIONS]

Copies the data of a running node, or of the whole cluster that it belongs to, into a directory or an object store: an
RDB file for each primary and a manifest. Works with redan, Redis and Valkey.

  --from HOST:PORT   a node; of a cluster any one. Also unix:PATH
  --to DIR           a directory that is empty or does not exist yet, or s3://BUCKET/PREFIX
                     (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION,
                     AWS_ENDPOINT_URL)
  --user NAME        user for AUTH
  --pass PASSWORD    password for AUTH; else the variable REDISCLI_AUTH
  --attempts N       so often it begins again when slots move meanwhile (5)
  --quiet            no progress on stderr

example:
  redan backup --from 127.0.0.1:7001 --to /backup/2026-11-21
";
/// What `redan restore --help` prints.
const RESTORE: &str = "\
usage: redan restore --from DIR --to HOST:PORT [OPTIONS]

Checks the checksums of a backup, then brings its keys into a running node or cluster, whatever its number of nodes.

  --from DIR           the backup, or s3://BUCKET/PREFIX
  --to HOST:PORT       a node; of a cluster any one. Also unix:PATH
  --user, --pass       as for backup
  --force              the target may hold data already
  --replace            overwrite keys that are there (implies --force); else they end the restore
  --without-functions  leave out libraries of functions
  --check              only check the backup; needs no --to
  --quiet              no progress on stderr

examples:
  redan restore --from /backup/2026-11-21 --check
  redan restore --from /backup/2026-11-21 --to 127.0.0.1:9001
";
/// 5: attempts at a cluster whose slots move (chosen here; each waits a second longer than the one before).
const ATTEMPTS: u32 = 5;

/// The options of `redan backup`.
pub struct Backup {
    /// A node.
    pub from: Address,
    /// The place for the files.
    pub to: OsString,
    /// As whom.
    pub login: Login,
    /// How often it begins again.
    pub attempts: u32,
    /// No progress.
    pub is_quiet: bool,
}

/// The options of `redan restore`.
pub struct Restore {
    /// The place of the files.
    pub from: OsString,
    /// A node; none: only check.
    pub to: Option<Address>,
    /// As whom.
    pub login: Login,
    /// The target may hold data.
    pub is_forced: bool,
    /// Keys may be overwritten.
    pub replaces: bool,
    /// Libraries are left out.
    pub drops_functions: bool,
    /// No progress.
    pub is_quiet: bool,
}

/// Words and values of one command line.
struct Words<'a> {
    args: std::slice::Iter<'a, OsString>,
    tool: &'static str,
}

impl<'a> Words<'a> {
    fn value(&mut self, word: &str) -> Result<&'a OsString, Failure> {
        self.args
            .next()
            .ok_or_else(|| format!("{word} needs a value; 'redan {} --help' says more", self.tool))
    }

    fn unknown(&self, word: &str) -> Failure {
        format!("there is no option '{word}'; 'redan {} --help' lists all", self.tool)
    }

    fn missing(&self, word: &str) -> Failure {
        format!("{word} is missing; 'redan {} --help' says more", self.tool)
    }
}

impl Backup {
    /// Reads the arguments; nothing for `--help`.
    pub fn parse(args: &[OsString]) -> Result<Option<Backup>, Failure> {
        let mut words = Words { args: args.iter(), tool: "backup" };
        let (mut from, mut to, mut login) = (None, None, Login::from_environment());
        let (mut attempts, mut is_quiet) = (ATTEMPTS, false);
        while let Some(word) = words.args.next() {
            let word = word.to_string_lossy();
            match word.as_ref() {
                "--help" | "-h" => {
                    say!("{BACKUP}");
                    return Ok(None);
                }
                "--from" => from = Some(address(words.value(&word)?)?),
                "--to" => to = Some(words.value(&word)?.clone()),
                "--user" => login.user = Some(text(words.value(&word)?)),
                "--pass" => login.password = Some(text(words.value(&word)?)),
                "--attempts" => {
                    let value = text(words.value(&word)?);
                    attempts = value.parse().map_err(|_| format!("--attempts: '{value}' is no number"))?;
                }
                "--quiet" => is_quiet = true,
                other => return Err(words.unknown(other)),
            }
        }
        let from = from.ok_or_else(|| words.missing("--from"))?;
        let to = to.ok_or_else(|| words.missing("--to"))?;
        Ok(Some(Backup { from, to, login, attempts: attempts.max(1), is_quiet }))
    }
}

impl Restore {
    /// Reads the arguments; nothing for `--help`.
    pub fn parse(args: &[OsString]) -> Result<Option<Restore>, Failure> {
        let mut words = Words { args: args.iter(), tool: "restore" };
        let (mut from, mut only_checks) = (None, false);
        let mut options = Restore {
            from: OsString::new(),
            to: None,
            login: Login::from_environment(),
            is_forced: false,
            replaces: false,
            drops_functions: false,
            is_quiet: false,
        };
        while let Some(word) = words.args.next() {
            let word = word.to_string_lossy();
            match word.as_ref() {
                "--help" | "-h" => {
                    say!("{RESTORE}");
                    return Ok(None);
                }
                "--from" => from = Some(words.value(&word)?.clone()),
                "--to" => options.to = Some(address(words.value(&word)?)?),
                "--user" => options.login.user = Some(text(words.value(&word)?)),
                "--pass" => options.login.password = Some(text(words.value(&word)?)),
                "--force" => options.is_forced = true,
                "--replace" => (options.replaces, options.is_forced) = (true, true),
                "--without-functions" => options.drops_functions = true,
                "--check" => only_checks = true,
                "--quiet" => options.is_quiet = true,
                other => return Err(words.unknown(other)),
            }
        }
        options.from = from.ok_or_else(|| words.missing("--from"))?;
        match (&options.to, only_checks) {
            (None, false) => Err(words.missing("--to")),
            (Some(_), true) => Err("--check and --to do not go together".into()),
            _ => Ok(Some(options)),
        }
    }
}

fn text(word: &OsString) -> String {
    word.to_string_lossy().into_owned()
}

/// `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`.
fn address(word: &OsString) -> Result<Address, Failure> {
    let text = text(word);
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Address::Unix(path.into()));
    }
    let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    match parts {
        Some((host, port)) if !host.is_empty() => {
            Ok(Address::tcp(host.trim_start_matches('[').trim_end_matches(']'), port))
        }
        _ => Err(format!("'{text}' is no address; HOST:PORT is one")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        let read = |text: &str| address(&OsString::from(text)).ok();
        assert_eq!(read("a:1"), Some(Address::tcp("a", 1)));
        assert_eq!(read("[::1]:7"), Some(Address::tcp("::1", 7)));
        assert_eq!(read("unix:/x"), Some(Address::Unix("/x".into())));
        assert_eq!((read("a"), read(":1"), read("a:x")), (None, None, None));
    }

    #[test]
    fn what_is_missing_or_unknown_is_said() {
        let parse = |line: &str| {
            let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            Restore::parse(&args).err().unwrap_or_default()
        };
        assert!(parse("--to a:1").contains("--from is missing"));
        assert!(parse("--from d").contains("--to is missing"));
        assert!(parse("--from").contains("needs a value"));
        assert!(parse("--frob").contains("no option '--frob'"));
        assert_eq!(parse("--from d --check"), "");
    }
}
