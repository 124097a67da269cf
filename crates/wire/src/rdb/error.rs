//! Why an RDB file can not be read on. Each error says where (offset in the file), what, and what next.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Display};

use super::{VALKEY_VERSION_READ, VERSION_READ_MAX};
use crate::listpack::FlatError;
use crate::lzf::LzfError;

/// The end of reading. `at` is always the offset of a byte from the start of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RdbError {
    /// The first nine bytes are not those of an RDB file.
    BadMagic {
        /// The bytes.
        found: [u8; 9],
    },
    /// A version that is not understood.
    Version {
        /// Number in the header.
        version: u32,
        /// True for `VALKEY` files, whose numbers are of their own.
        valkey: bool,
    },
    /// A value of a type that this program can not hold.
    UnknownType {
        /// The type byte.
        byte: u8,
        /// Its name.
        name: &'static str,
        /// The key that holds the value.
        key: Vec<u8>,
        /// Where the type byte is.
        at: u64,
    },
    /// A byte that is neither an opcode nor a type.
    UnknownOpcode {
        /// The byte.
        byte: u8,
        /// Where it is.
        at: u64,
    },
    /// Data of a module beside the keys that do not have the form that such data have.
    Module {
        /// The module's name.
        name: String,
        /// Where the part of them is that makes no sense.
        at: u64,
    },
    /// A library of functions in the form of a release candidate.
    Function {
        /// The first line of its code, which names engine and library.
        title: Vec<u8>,
        /// Where its opcode is.
        at: u64,
    },
    /// The checksum does not fit the data.
    BadChecksum {
        /// Where the checksum is.
        at: u64,
        /// What is there.
        stored: u64,
        /// What should be there.
        computed: u64,
    },
    /// A byte that opens no length.
    BadLength {
        /// The byte.
        byte: u8,
        /// Where it is.
        at: u64,
    },
    /// A string encoding that does not exist.
    BadStringEncoding {
        /// The byte.
        byte: u8,
        /// Where it is.
        at: u64,
    },
    /// A packed string that can not be unpacked.
    BadLzf {
        /// Where the string starts.
        at: u64,
        /// What is wrong with it.
        error: LzfError,
    },
    /// A hash in a flat encoding that is damaged.
    BadFlat {
        /// The key that holds it.
        key: Vec<u8>,
        /// Where the string that keeps the flat encoding starts.
        at: u64,
        /// What is wrong, and where in the flat encoding.
        error: FlatError,
    },
    /// A string that is longer than any that can be held.
    TooLong {
        /// Its length.
        len: u64,
        /// Where it starts.
        at: u64,
    },
    /// The score of a member is no number.
    BadScore {
        /// Where it starts.
        at: u64,
    },
    /// A database number above 2^31.
    BadDatabase {
        /// The number.
        number: u64,
        /// Where it is.
        at: u64,
    },
    /// The file ends before its EOF opcode and checksum.
    Truncated {
        /// Bytes that there are.
        at: u64,
    },
}

impl Display for RdbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RdbError::BadMagic { found } => {
                let found = found.escape_ascii();
                write!(f, "the data starts with \"{found}\" at byte 0, not with REDIS and a version")
            }
            RdbError::Version { version, valkey: false } => write!(
                f,
                "RDB version {version} at byte 5 is not understood, only 1 to {VERSION_READ_MAX}: \
                 write the file with an older server or synchronise from one"
            ),
            RdbError::Version { version, valkey: true } => write!(
                f,
                "RDB version {version} of Valkey at byte 6 is not understood, only {VALKEY_VERSION_READ}: \
                 write the file with an older server or synchronise from one"
            ),
            RdbError::UnknownType { byte, name, key, at } => write!(
                f,
                "key \"{}\" at byte {at} is of type {byte}, {name}, which is not supported yet: \
                 nothing is left out, so loading stops; remove such keys at the source",
                key.escape_ascii()
            ),
            RdbError::UnknownOpcode { byte, at } => {
                write!(f, "byte {at} is {byte}, neither an opcode nor a type: the file is damaged or too new")
            }
            RdbError::Module { name, at } => {
                write!(f, "data of the module \"{name}\" make no sense at byte {at}: the file is damaged")
            }
            RdbError::Function { title, at } => write!(
                f,
                "a function library at byte {at} (\"{}\") is in a form that is not supported; \
                 write the file with a newer server",
                title.escape_ascii()
            ),
            RdbError::BadChecksum { at, stored, computed } => write!(
                f,
                "RDB CRC error: the checksum at byte {at} is {stored:016x}, the data gives {computed:016x}: \
                 the file is damaged; load another copy"
            ),
            RdbError::Truncated { at } => {
                write!(
                    f,
                    "the data ends at byte {at}, before its end mark: the file is cut off; load another copy"
                )
            }
            damage => damage.say_damage(f),
        }
    }
}

impl RdbError {
    /// What is wrong within the data, in one place of it.
    fn say_damage(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RdbError::BadLength { byte, at } => {
                write!(
                    f,
                    "a length at byte {at} starts with {byte:#04x}, which opens none: the file is damaged"
                )
            }
            RdbError::BadStringEncoding { byte, at } => {
                write!(f, "a string at byte {at} has the unknown encoding {byte:#04x}: the file is damaged")
            }
            RdbError::BadLzf { at, error } => {
                write!(f, "packed string at byte {at}: {error}; the file is damaged")
            }
            RdbError::BadFlat { key, at, error } => {
                write!(
                    f,
                    "value of \"{}\" at byte {at}: integrity check failed, it is {error}: the file is damaged",
                    key.escape_ascii()
                )
            }
            RdbError::TooLong { len, at } => {
                write!(f, "a string at byte {at} is {len} bytes long, more than can be held")
            }
            RdbError::BadScore { at } => {
                write!(f, "a score at byte {at} is no number: the file is damaged")
            }
            RdbError::BadDatabase { number, at } => {
                write!(f, "database number {number} at byte {at} is impossible: the file is damaged")
            }
            // The others have more to say, and say it above.
            _ => f.write_str("the file is damaged"),
        }
    }
}

impl core::error::Error for RdbError {}
