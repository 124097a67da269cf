//! The text of `--help`.

/// The version that the client calls itself: tools look at it.
pub const VERSION: &str = "7.0.15";

/// What `--help` says.
pub fn usage() -> String {
    format!("redis-cli {VERSION}\n\n{TEXT}")
}

const TEXT: &str = r#"Usage: redis-cli [OPTIONS] [cmd [arg [arg ...]]]

Connection
  -h <hostname>      Host of the server (127.0.0.1).
  -p <port>          Its port (6379).
  -s <socket>        A Unix socket instead of host and port.
  -a <password>      Password. REDISCLI_AUTH in the environment does the same and
                     is not seen in the list of processes; -a wins over it.
  --user <username>  User name for AUTH with two arguments. Needs a password.
  --pass <password>  The same as -a.
  --askpass          Asks for the password on the terminal; -a and REDISCLI_AUTH
                     do not count then.
  -u <uri>           redis://[[user:]password@][host[:port]][/database]
  -n <db>            Database.
  -2                 Speak RESP2.
  -3                 Speak RESP3.
  -c                 Follow the redirections of a cluster (MOVED and ASK).
  --no-auth-warning  Do not warn of a password among the arguments.

Commands
  -r <repeat>        Run the command so many times.
  -i <interval>      Seconds between two runs with -r, fractions allowed; also per
                     cycle of --scan and --stat, and per 100 cycles of --bigkeys,
                     --memkeys and --hotkeys.
  -x                 The last argument is what stdin gives.
  -X <tag>           The argument that equals <tag> is what stdin gives.
  --quoted-input     The arguments are quoted strings with escapes.
  -e                 Exit with an error when the command fails.

Output
  --raw              Replies as they are (the default when stdout is no terminal).
  --no-raw           Replies for the eye (the default on a terminal).
  -d <delimiter>     Between the items of a raw reply (\n).
  -D <delimiter>     Behind each raw reply (\n).
  --csv              Replies as CSV.
  --json             Replies as JSON (with RESP3 unless -2 is given).
  --quoted-json      As --json, strings in ASCII with escapes.
  --show-pushes <yn> Print RESP3 pushes (the default on a terminal), or not.
  --verbose          Say more.

Special modes
  --stat             A line of figures per interval: keys, memory, clients, requests.
  --latency          Round trips: on a terminal for ever, else for one second (or
                     -i) and then one line.
  --latency-history  As --latency, a new line every 15 seconds (or -i).
  --latency-dist     Round trips as a spectrum, for a terminal of 256 colours.
  --mono             The spectrum in grey.
  --intrinsic-latency <sec>
                     The longest pauses of this machine itself, without a server.
  --lru-test <keys>  A cache under an 80-20 load.
  --scan             All keys, a line each.
  --pattern <pat>    Only keys that match, in --scan, --bigkeys, --memkeys and
                     --hotkeys.
  --type <type>      Only keys of a type, in the same modes.
  --count <n>        How many keys the server looks at per step.
  --quoted-pattern <pat>
                     As --pattern, a quoted string with escapes.
  --bigkeys          Keys with many elements.
  --memkeys          Keys that take much memory.
  --memkeys-samples <n>
                     As --memkeys, looking at so many elements of each.
  --hotkeys          Keys that are used most; needs an LFU maxmemory-policy.
  --pipe             Sends stdin, which is RESP already, and counts the replies.
  --pipe-timeout <n> Gives up when nothing comes for so many seconds after
                     everything was sent (30; 0: never).
  --replica          Acts as a replica and shows what the primary sends.
  --rdb <filename>   Fetches an RDB file; "-" is stdout.
  --functions-rdb <filename>
                     As --rdb, the functions alone.
  --eval <file>      Runs a Lua script: keys, a comma, arguments.
  --ldb              With --eval: the Lua debugger.
  --ldb-sync-mode    The same, blocking the server.
  --cluster <command> [args...] [opts...]
                     The cluster manager; '--cluster help' says more.

  --test_hint <line> What would be hinted behind <line>.
  --test_hint_file <filename>
                     Checks a file of lines and their hints.
  --help             This text.
  --version          The version.

Examples
  cat /etc/passwd | redis-cli -x set mypasswd
  redis-cli -r 100 lpush mylist x
  redis-cli -r 100 -i 1 info | grep used_memory_human:
  redis-cli --quoted-input set '"null-\x00-separated"' value
  redis-cli --eval myscript.lua key1 key2 , arg1 arg2 arg3
  redis-cli --scan --pattern '*:12345*'

Without a command the client is interactive; 'help' there says more.
"#;
