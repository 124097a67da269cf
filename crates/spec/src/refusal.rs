//! Refusal: every error that a client can be told, each text once, as Redis 7.0 words it.
//!
//! The display text is the whole error line without the leading `-`: its first word is the code
//! (`ERR`, `WRONGTYPE`, `MOVED` ...) that clients and INFO errorstats go by.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use base::text::carried;
use core::fmt;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    // Requests that are no command, or no whole one.
    /// There is no such command. Holds the name and the arguments, cut to a preview by [`Refusal::unknown_command`].
    UnknownCommand(Box<(String, String)>),
    /// A container has no such subcommand: the subcommand's text, the container's name in upper case.
    UnknownSubcommand(Box<(String, String)>),
    /// A subcommand is unknown, or has a wrong number of arguments: its text, the container in upper case.
    UnknownSubcommandOrArity(Box<(String, String)>),
    /// The number of arguments is wrong for the command of this full name (`config|get`).
    Arity(String),
    /// The options make no sense.
    Syntax,

    // Values and arguments.
    /// The key holds another type.
    WrongType,
    /// Not a 64-bit integer.
    NotInteger,
    /// Not a float.
    NotFloat,
    /// A number outside of what is allowed there.
    OutOfRange,
    /// A number whose negative does not fit 64 bits.
    OutOfSymmetricRange,
    /// A number that does not fit 32 bits.
    OutOfIntRange,
    /// A number outside of what is allowed there, which must also be positive.
    NotPositive,
    /// A value is below zero where this can not be.
    Negative,
    /// An increment or decrement would leave 64 bits.
    Overflow,
    /// DECRBY by the smallest integer.
    DecrementOverflow,
    /// INCRBYFLOAT would give NaN or infinity.
    NotFinite,
    /// The increment itself is infinite.
    IncrementNotFinite,
    /// A field of a hash is no integer.
    HashNotInteger,
    /// A field of a hash is no float.
    HashNotFloat,
    /// A string would be over `proto-max-bulk-len`.
    StringTooLong,
    /// SETRANGE with a negative offset.
    OffsetOutOfRange,
    /// A deadline that can not be, in the command of this name.
    InvalidExpire(&'static str),
    /// RENAME of a key that is not there; also OBJECT and DEBUG OBJECT.
    NoSuchKey,
    /// SCAN with something that is no cursor.
    InvalidCursor,
    /// EXPIRE with options that exclude each other.
    ExpireNxWithOthers,
    /// EXPIRE with GT and LT.
    ExpireGtAndLt,
    /// EXPIRE with an unknown option.
    UnsupportedOption(String),
    /// SELECT outside of the databases.
    DbIndexOutOfRange,
    /// SELECT of another database in a cluster.
    SelectInCluster,
    /// A SELECT argument that is no number.
    InvalidDbIndex,
    /// OBJECT FREQ without an LFU policy.
    NoLfu,
    /// OBJECT IDLETIME with an LFU policy.
    LfuSelected,
    /// MSET with a key without a value.
    MsetArity,
    /// An unknown type of value in SCAN TYPE is no error; here for RESTORE-like commands.
    TimeoutNegative,
    /// A timeout that is no number.
    TimeoutNotInteger,
    /// A timeout that is too large.
    TimeoutOutOfRange,
    /// The number of replicas, or another count, out of range.
    CountOutOfRange,

    // Authentication and connection.
    /// Authentication is required first.
    NoAuth,
    /// Wrong user or password.
    WrongPass,
    /// AUTH with a password where none is set.
    AuthWithoutPassword,
    /// HELLO with a bad protocol version that is a number.
    NoProto,
    /// HELLO with something that is no version.
    ProtocolNotInteger,
    /// HELLO without authentication.
    HelloNoAuth,
    /// HELLO with an option that is none.
    HelloSyntax(String),
    /// A client name with spaces or other bytes that are not allowed.
    ClientNameInvalid,
    /// CLIENT SETINFO with such a value.
    ClientInfoInvalid(String),
    /// CLIENT SETINFO with an unknown attribute.
    ClientInfoUnknown(String),
    /// CLIENT KILL found nobody at that address.
    NoSuchClient,
    /// CLIENT KILL ID with something that is no id.
    ClientIdNotPositive,
    /// CLIENT LIST ID with something that is no id.
    InvalidClientId,
    /// CLIENT LIST TYPE or CLIENT KILL TYPE with an unknown type.
    UnknownClientType(String),
    /// CLIENT KILL USER with an unknown user.
    NoSuchUser(String),
    /// CLIENT PAUSE with an unknown mode is a syntax error; its timeout is not.
    PauseTimeout,

    // Transactions and publish/subscribe.
    /// EXEC after a request that could not be queued.
    ExecAborted,
    /// EXEC aborted by this refusal (its text without the code).
    ExecAbortedBy(Box<str>),
    /// EXEC without MULTI.
    ExecWithoutMulti,
    /// DISCARD without MULTI.
    DiscardWithoutMulti,
    /// MULTI in MULTI.
    NestedMulti,
    /// WATCH in MULTI.
    WatchInMulti,
    /// A command that may not stand in a transaction.
    NotInMulti,
    /// The same in Valkey's words: the command.
    CommandNotInMulti(String),
    /// A RESP2 client that is subscribed may run few commands; holds the command's full name.
    SubscribedContext(String),

    // The state of the server.
    /// Data is being loaded.
    Loading,
    /// The primary's link is down and stale data may not be served.
    PrimaryDown,
    /// A write on a read-only replica.
    ReadOnly,
    /// Writes are off because the last snapshot failed.
    MisconfRdb,
    /// The append-only file can not be written; why.
    MisconfAof(Box<str>),
    /// Too few good replicas.
    NoReplicas,
    /// Memory is full.
    OutOfMemory,
    /// Too many connections.
    MaxClients,
    /// A remote client of a server in protected mode.
    Protected,
    /// A connection to a node that just lost its role.
    Demoted,
    /// CLIENT UNBLOCK with ERROR.
    Unblocked,

    /// SCAN of a type that does not exist.
    UnknownType(String),
    /// A replica that is no node of a cluster sends the client to its primary.
    Redirect {
        /// The primary's host.
        host: Box<[u8]>,
        /// Its port.
        port: u16,
    },

    // Cluster.
    /// The slot is served by another node, at this endpoint.
    Moved {
        /// The slot.
        slot: u16,
        /// `host:port` of its owner.
        endpoint: Box<str>,
    },
    /// Ask the importing node once.
    Ask {
        /// The slot.
        slot: u16,
        /// `host:port` of the importing node.
        endpoint: Box<str>,
    },
    /// Some keys of the request are here and some are not, while the slot moves.
    TryAgain,
    /// The keys of the request are in different slots.
    CrossSlot,
    /// The cluster is down.
    ClusterDown,
    /// The cluster is down and reads alone are allowed.
    ClusterDownReadOnly,
    /// Nobody serves the slot.
    SlotNotServed,
    /// A cluster command on a server that is no cluster node.
    ClusterDisabled,
    /// A slot that is none.
    InvalidSlot,

    // Server commands.
    /// CONFIG SET failed for this directive; holds the reason.
    ConfigSet(Box<(String, String)>),
    /// CONFIG SET of an unknown directive.
    ConfigUnknown(String),
    /// CONFIG SET of a directive twice in one request.
    ConfigDuplicate(String),
    /// DEBUG is not enabled for this connection.
    DebugNotAllowed,
    /// COMMAND GETKEYS of an unknown command.
    InvalidCommand,
    /// COMMAND GETKEYS with a wrong number of arguments.
    InvalidCommandArity,
    /// COMMAND GETKEYS of a command without keys.
    NoKeyArguments,
    /// COMMAND GETKEYS found no keys.
    InvalidArguments,
    /// REPLICAOF in cluster mode.
    ReplicaofInCluster,
    /// SHUTDOWN ABORT with no shutdown under way.
    NoShutdown,
    /// WAIT on a replica.
    WaitOnReplica,
    /// HELP or another text that has no own variant. For texts of one place alone.
    Text(&'static str),
    /// A text of one place alone, made at run time.
    Owned(Box<str>),
}

/// 128: bytes of the name, and of all arguments together, that an unknown command's error shows.
const PREVIEW_BYTES_MAX: usize = 128;

impl Refusal {
    /// An unknown command with its arguments (those after the name), cut to what the error shows.
    pub fn unknown_command<'a>(name: &[u8], args: impl Iterator<Item = &'a [u8]>) -> Refusal {
        let mut shown = Vec::new();
        for arg in args {
            if shown.len() >= PREVIEW_BYTES_MAX {
                break;
            }
            let cut = before_zero(&arg[..arg.len().min(PREVIEW_BYTES_MAX - shown.len())]);
            shown.push(b'\'');
            shown.extend_from_slice(cut);
            shown.extend_from_slice(b"' ");
        }
        Refusal::UnknownCommand(Box::new((preview(name), carried(&shown))))
    }

    /// An unknown subcommand of `container` (any case).
    pub fn unknown_subcommand(container: &str, subcommand: &[u8]) -> Refusal {
        Refusal::UnknownSubcommand(Box::new((preview(subcommand), container.to_ascii_uppercase())))
    }

    /// An unknown subcommand of `container`, or one with a wrong number of arguments.
    pub fn subcommand_or_arity(container: &str, subcommand: &[u8]) -> Refusal {
        Refusal::UnknownSubcommandOrArity(Box::new((preview(subcommand), container.to_ascii_uppercase())))
    }
}

/// A client's bytes as text, cut to what an error shows.
fn preview(bytes: &[u8]) -> String {
    carried(before_zero(&bytes[..bytes.len().min(PREVIEW_BYTES_MAX)]))
}

/// The bytes up to a zero, where the texts of the original end.
fn before_zero(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::UnknownCommand(text) => {
                let (name, args) = &**text;
                write!(f, "ERR unknown command '{name}', with args beginning with: {args}")
            }
            Refusal::UnknownSubcommand(text) => {
                write!(f, "ERR unknown subcommand '{}'. Try {} HELP.", text.0, text.1)
            }
            Refusal::UnknownSubcommandOrArity(text) => {
                let (name, container) = &**text;
                write!(
                    f,
                    "ERR unknown subcommand or wrong number of arguments for '{name}'. Try {container} HELP."
                )
            }
            Refusal::Arity(name) => write!(f, "ERR wrong number of arguments for '{name}' command"),
            Refusal::InvalidExpire(name) => write!(f, "ERR invalid expire time in '{name}' command"),
            Refusal::UnsupportedOption(option) => write!(f, "ERR Unsupported option {option}"),
            Refusal::HelloSyntax(option) => write!(f, "ERR Syntax error in HELLO option '{option}'"),
            Refusal::ClientInfoInvalid(name) => {
                write!(f, "ERR {name} cannot contain spaces, newlines or special characters.")
            }
            Refusal::ClientInfoUnknown(name) => write!(f, "ERR Unrecognized option '{name}'"),
            Refusal::UnknownClientType(name) => write!(f, "ERR Unknown client type '{name}'"),
            Refusal::NoSuchUser(name) => write!(f, "ERR No such user '{name}'"),
            Refusal::ExecAbortedBy(text) => write!(f, "EXECABORT Transaction discarded because of: {text}"),
            Refusal::SubscribedContext(name) => write!(
                f,
                "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET \
                 are allowed in this context"
            ),
            Refusal::CommandNotInMulti(name) => {
                write!(f, "ERR Command '{name}' not allowed inside a transaction")
            }
            Refusal::UnknownType(name) => write!(f, "ERR unknown type name '{name}'"),
            Refusal::Redirect { host, port } => {
                write!(f, "REDIRECT {}:{port}", String::from_utf8_lossy(host))
            }
            Refusal::Moved { slot, endpoint } => write!(f, "MOVED {slot} {endpoint}"),
            Refusal::Ask { slot, endpoint } => write!(f, "ASK {slot} {endpoint}"),
            Refusal::ConfigSet(text) => {
                write!(f, "ERR CONFIG SET failed (possibly related to argument '{}') - {}", text.0, text.1)
            }
            Refusal::ConfigUnknown(name) => {
                write!(f, "ERR Unknown option or number of arguments for CONFIG SET - '{name}'")
            }
            Refusal::ConfigDuplicate(name) => {
                write!(
                    f,
                    "ERR CONFIG SET failed (possibly related to argument '{name}') - duplicate parameter"
                )
            }
            Refusal::Owned(text) => f.write_str(text),
            Refusal::MisconfAof(error) => write!(f, "MISCONF Errors writing to the AOF file: {error}"),
            Refusal::Text(text) => f.write_str(text),
            fixed => f.write_str(fixed.fixed_text()),
        }
    }
}

impl Refusal {
    /// The text of a refusal that always reads the same; empty for the others.
    fn fixed_text(&self) -> &'static str {
        match self {
            Refusal::Syntax => "ERR syntax error",
            Refusal::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            Refusal::NotInteger => "ERR value is not an integer or out of range",
            Refusal::NotFloat => "ERR value is not a valid float",
            Refusal::OutOfRange => "ERR value is out of range",
            Refusal::OutOfSymmetricRange => {
                "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
            }
            Refusal::IncrementNotFinite => "ERR value is NaN or Infinity",
            Refusal::OutOfIntRange => {
                "ERR value is out of range, value must between -2147483648 and 2147483647"
            }
            Refusal::NotPositive => "ERR value is out of range, must be positive",
            Refusal::Negative => "ERR value is negative",
            Refusal::Overflow => "ERR increment or decrement would overflow",
            Refusal::DecrementOverflow => "ERR decrement would overflow",
            Refusal::NotFinite => "ERR increment would produce NaN or Infinity",
            Refusal::HashNotInteger => "ERR hash value is not an integer",
            Refusal::HashNotFloat => "ERR hash value is not a float",
            Refusal::StringTooLong => "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
            Refusal::OffsetOutOfRange => "ERR offset is out of range",
            Refusal::NoSuchKey => "ERR no such key",
            Refusal::InvalidCursor => "ERR invalid cursor",
            Refusal::ExpireNxWithOthers => {
                "ERR NX and XX, GT or LT options at the same time are not compatible"
            }
            Refusal::ExpireGtAndLt => "ERR GT and LT options at the same time are not compatible",
            Refusal::DbIndexOutOfRange => "ERR DB index is out of range",
            Refusal::SelectInCluster => "ERR SELECT is not allowed in cluster mode",
            Refusal::InvalidDbIndex => "ERR invalid DB index",
            Refusal::NoLfu => {
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that \
                 when switching between policies at runtime LRU and LFU data will take some time to adjust."
            }
            Refusal::LfuSelected => {
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when \
                 switching between policies at runtime LRU and LFU data will take some time to adjust."
            }
            Refusal::MsetArity => "ERR wrong number of arguments for MSET",
            Refusal::TimeoutNegative => "ERR timeout is negative",
            Refusal::TimeoutNotInteger => "ERR timeout is not an integer or out of range",
            Refusal::TimeoutOutOfRange => "ERR timeout is out of range",
            Refusal::CountOutOfRange => "ERR value is out of range",
            Refusal::NoAuth => "NOAUTH Authentication required.",
            Refusal::WrongPass => "WRONGPASS invalid username-password pair or user is disabled.",
            Refusal::AuthWithoutPassword => {
                "ERR AUTH <password> called without any password configured for the default user. Are you \
                 sure your configuration is correct?"
            }
            Refusal::NoProto => "NOPROTO unsupported protocol version",
            Refusal::ProtocolNotInteger => "ERR Protocol version is not an integer or out of range",
            Refusal::HelloNoAuth => {
                "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> \
                 AUTH <user> <pass> option can be used to authenticate the client and select the RESP \
                 protocol version at the same time"
            }
            Refusal::ClientNameInvalid => {
                "ERR Client names cannot contain spaces, newlines or special characters."
            }
            Refusal::NoSuchClient => "ERR No such client",
            Refusal::ClientIdNotPositive => "ERR client-id should be greater than 0",
            Refusal::InvalidClientId => "ERR Invalid client ID",
            Refusal::PauseTimeout => "ERR timeout is not an integer or out of range",
            Refusal::ExecAborted => "EXECABORT Transaction discarded because of previous errors.",
            Refusal::ExecWithoutMulti => "ERR EXEC without MULTI",
            Refusal::DiscardWithoutMulti => "ERR DISCARD without MULTI",
            Refusal::NestedMulti => "ERR MULTI calls can not be nested",
            Refusal::WatchInMulti => "ERR WATCH inside MULTI is not allowed",
            Refusal::NotInMulti => "ERR Command not allowed inside a transaction",
            other => other.fixed_text_of_server(),
        }
    }

    fn fixed_text_of_server(&self) -> &'static str {
        match self {
            Refusal::Loading => "LOADING Redis is loading the dataset in memory",
            Refusal::PrimaryDown => {
                "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
            }
            Refusal::ReadOnly => "READONLY You can't write against a read only replica.",
            Refusal::MisconfRdb => {
                "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to \
                 disk. Commands that may modify the data set are disabled, because this instance is \
                 configured to report errors during writes if RDB snapshotting fails \
                 (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB \
                 error."
            }
            Refusal::NoReplicas => "NOREPLICAS Not enough good replicas to write.",
            Refusal::OutOfMemory => "OOM command not allowed when used memory > 'maxmemory'.",
            Refusal::MaxClients => "ERR max number of clients reached",
            Refusal::Protected => {
                "DENIED Redis is running in protected mode because protected mode is enabled and no password is \
                 set for the default user. In this mode connections are only accepted from the loopback \
                 interface. If you want to connect from external computers to Redis you may adopt one of the \
                 following solutions: 1) Just disable protected mode sending the command 'CONFIG SET \
                 protected-mode no' from the loopback interface by connecting to Redis from the same host the \
                 server is running, however MAKE SURE Redis is not publicly accessible from internet if you do \
                 so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable \
                 the protected mode by editing the Redis configuration file, and setting the protected mode \
                 option to 'no', and then restarting the server. 3) If you started the server manually just \
                 for testing, restart it with the '--protected-mode no' option. 4) Setup a an authentication \
                 password for the default user. NOTE: You only need to do one of the above things in order for \
                 the server to start accepting connections from the outside."
            }
            Refusal::Unblocked => "UNBLOCKED client unblocked via CLIENT UNBLOCK",
            Refusal::Demoted => {
                "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
            }
            Refusal::TryAgain => "TRYAGAIN Multiple keys request during rehashing of slot",
            Refusal::CrossSlot => "CROSSSLOT Keys in request don't hash to the same slot",
            Refusal::ClusterDown => "CLUSTERDOWN The cluster is down",
            Refusal::ClusterDownReadOnly => "CLUSTERDOWN The cluster is down and only accepts read commands",
            Refusal::SlotNotServed => "CLUSTERDOWN Hash slot not served",
            Refusal::ClusterDisabled => "ERR This instance has cluster support disabled",
            Refusal::InvalidSlot => "ERR Invalid slot",
            Refusal::DebugNotAllowed => {
                "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can \
                 run it from a local connection, otherwise you need to set this option in the configuration \
                 file, and then restart the server."
            }
            Refusal::InvalidCommand => "ERR Invalid command specified",
            Refusal::InvalidCommandArity => "ERR Invalid number of arguments specified for command",
            Refusal::NoKeyArguments => "ERR The command has no key arguments",
            Refusal::InvalidArguments => "ERR Invalid arguments specified for command",
            Refusal::ReplicaofInCluster => "ERR REPLICAOF not allowed in cluster mode.",
            Refusal::NoShutdown => "ERR No shutdown in progress.",
            Refusal::WaitOnReplica => {
                "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a \
                 replica is configured to be writable (which is not the default) writes to replicas are just \
                 local and are not propagated."
            }
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_unknown_command_shows_its_arguments() {
        let args: [&[u8]; 2] = [b"a", b"b c"];
        let refusal = Refusal::unknown_command(b"foo", args.into_iter());
        assert_eq!(refusal.to_string(), "ERR unknown command 'foo', with args beginning with: 'a' 'b c' ");
    }

    #[test]
    fn a_preview_ends_at_a_zero() {
        let refusal = Refusal::unknown_command(b"fo\0o", [&b"a\0b"[..], b"c"].into_iter());
        assert_eq!(refusal.to_string(), "ERR unknown command 'fo', with args beginning with: 'a' 'c' ");
    }

    #[test]
    fn a_long_preview_is_cut() {
        let long = [b'x'; 500];
        let refusal = Refusal::unknown_command(&long, [&long[..], b"y"].into_iter());
        assert!(refusal.to_string().len() < 330);
    }
}
