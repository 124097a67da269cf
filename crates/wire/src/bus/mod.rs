//! Frames of the cluster bus: the binary messages between nodes, version 1, as Redis 7.0 sends them.
//!
//! Every frame starts with one header of 2256 bytes; numbers are big endian, texts are padded with zeros:
//!
//! ```text
//!      0 "RCmb"      4 length u32    8 version u16   10 port u16     12 kind u16     14 count u16
//!     16 current epoch u64          24 config epoch u64             32 offset u64
//!     40 sender [40]                80 slots [2048]               2128 primary [40]
//!   2168 ip [46]                  2214 extensions u16             2216 unused [30] (ours: the note)
//!   2246 plain port u16           2248 bus port u16               2250 flags u16
//!   2252 state u8                 2253 message flags [3]          2256 body
//! ```
//!
//! The 30 unused bytes are zero in the originals' frames and not looked at by them. A redan node writes its
//! [`Note`] there, which tells other redan nodes what the header has no field for.
//!
//! Valkey 8 has a light header as well: see [`Light`].

mod body;
mod light;
mod slots;

pub use body::{Body, Extension, Extensions, Gossip, Module, Update};
pub use light::{Light, is_light};
pub use slots::SlotSet;

use alloc::string::String;
use alloc::vec::Vec;
use base::Id;
use core::fmt;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 2256;
/// Bytes of one gossip entry.
pub const GOSSIP_BYTES: usize = 104;
/// A longer frame is not read: the framer's bound on the bus.
pub const FRAME_BYTES_MAX: usize = 16 << 20;
/// Bytes of an address text, its final zero included.
pub const IP_BYTES: usize = 46;

const SIGNATURE: &[u8; 4] = b"RCmb";
const VERSION: u16 = 1;

/// What a frame is for: the header's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    /// I am alive; tell me that you are.
    Ping = 0,
    /// The answer to a ping or a meet, or news sent unasked.
    Pong = 1,
    /// A ping that also asks to be taken into the cluster.
    Meet = 2,
    /// A node has failed.
    Fail = 3,
    /// A message of PUBLISH.
    Publish = 4,
    /// A replica asks for a vote.
    AuthRequest = 5,
    /// A vote.
    AuthAck = 6,
    /// The owner of slots that the receiver claims wrongly.
    Update = 7,
    /// A replica asks its primary to pause clients for a manual failover.
    ManualStart = 8,
    /// A message between modules.
    Module = 9,
    /// A message of SPUBLISH.
    PublishShard = 10,
}

impl Kind {
    /// Kinds there are; statistics have a counter for each.
    pub const COUNT: usize = 11;
    const ALL: [Kind; Kind::COUNT] = [
        Kind::Ping,
        Kind::Pong,
        Kind::Meet,
        Kind::Fail,
        Kind::Publish,
        Kind::AuthRequest,
        Kind::AuthAck,
        Kind::Update,
        Kind::ManualStart,
        Kind::Module,
        Kind::PublishShard,
    ];

    /// The kind with this number.
    pub fn from_number(number: u16) -> Option<Kind> {
        Kind::ALL.get(usize::from(number)).copied()
    }

    /// The name in CLUSTER INFO's counters.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Ping => "ping",
            Kind::Pong => "pong",
            Kind::Meet => "meet",
            Kind::Fail => "fail",
            Kind::Publish => "publish",
            Kind::AuthRequest => "auth-req",
            Kind::AuthAck => "auth-ack",
            Kind::Update => "update",
            Kind::ManualStart => "mfstart",
            Kind::Module => "module",
            Kind::PublishShard => "publishshard",
        }
    }
}

/// The flags of a node, as they stand in the header and in gossip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u16);

impl Flags {
    /// A primary.
    pub const PRIMARY: Flags = Flags(1);
    /// A replica.
    pub const REPLICA: Flags = Flags(2);
    /// Suspected by one node.
    pub const PFAIL: Flags = Flags(4);
    /// Failed by agreement.
    pub const FAIL: Flags = Flags(8);
    /// The node that speaks.
    pub const MYSELF: Flags = Flags(16);
    /// Not yet known by its true id.
    pub const HANDSHAKE: Flags = Flags(32);
    /// Its address is not known.
    pub const NO_ADDRESS: Flags = Flags(64);
    /// A meet is to be sent to it.
    pub const MEET: Flags = Flags(128);
    /// A primary that replicas may migrate to.
    pub const MIGRATE_TO: Flags = Flags(256);
    /// A replica that never takes over.
    pub const NO_FAILOVER: Flags = Flags(512);
    /// It takes messages of PUBLISH and SPUBLISH under the light header (Valkey 8).
    pub const LIGHT_PUBLISH: Flags = Flags(2_048);

    /// True when all of `other` is set.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// True when any of `other` is set.
    pub const fn has_any(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }

    /// Both sets.
    #[must_use]
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// This set without `other`.
    #[must_use]
    pub const fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    /// Sets `other`.
    pub fn set(&mut self, other: Flags) {
        self.0 |= other.0;
    }

    /// Clears `other`.
    pub fn clear(&mut self, other: Flags) {
        self.0 &= !other.0;
    }
}

/// Message flags (`mflags[0]`): the primary has paused its clients for a manual failover.
pub const PAUSED: u8 = 1;
/// Message flags: give the vote although the primary is not failed.
pub const FORCE_ACK: u8 = 2;
/// Message flags: extensions follow the gossip.
pub const HAS_EXTENSIONS: u8 = 4;

/// What a redan node tells other redan nodes in bytes that the originals leave unused:
/// `"redan"`, a version byte (1), a byte of bits, a zero byte, and the data offset as u64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// Journal offset of the end of the last real write that the sender holds.
    pub data_offset: u64,
    /// The sender is a primary that may lack data: it wants to know its replicas' data offsets.
    pub is_on_probation: bool,
    /// The sender asks the receiver, its replica, to take over: the receiver has data that the sender lacks.
    pub is_handing_over: bool,
}

impl Note {
    const SIGNATURE: &[u8; 6] = b"redan\x01";

    fn decode(bytes: &[u8]) -> Option<Note> {
        let rest = bytes.strip_prefix(Note::SIGNATURE)?;
        let data_offset = u64::from_be_bytes(rest.get(2..10)?.try_into().ok()?);
        Some(Note { data_offset, is_on_probation: rest[0] & 1 != 0, is_handing_over: rest[0] & 2 != 0 })
    }

    fn encode(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(Note::SIGNATURE);
        bytes[6] = u8::from(self.is_on_probation) | u8::from(self.is_handing_over) << 1;
        bytes[8..].copy_from_slice(&self.data_offset.to_be_bytes());
        bytes
    }
}

/// What every frame says of its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Client port: the TLS port when the cluster runs over TLS.
    pub port: u16,
    /// Plain client port when `port` is the TLS port; else 0.
    pub plain_port: u16,
    /// Bus port.
    pub bus_port: u16,
    /// The sender's current epoch.
    pub current_epoch: u64,
    /// The config epoch of the sender, or of its primary when it is a replica.
    pub config_epoch: u64,
    /// Replication offset.
    pub offset: u64,
    /// The sender's id.
    pub sender: Id,
    /// The slots of the sender, or of its primary when it is a replica.
    pub slots: SlotSet,
    /// The primary of a replica.
    pub primary: Option<Id>,
    /// The address that the sender wants to be known by; empty: the one that the connection shows.
    pub ip: String,
    /// The sender's flags.
    pub flags: Flags,
    /// The sender's view: the cluster is ok.
    pub is_ok: bool,
    /// `PAUSED`, `FORCE_ACK`; `HAS_EXTENSIONS` is set by the encoder.
    pub message_flags: u8,
    /// What redan nodes add.
    pub note: Option<Note>,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Of the sender.
    pub header: Header,
    /// Of the matter.
    pub body: Body<'a>,
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Shorter than a header, or without the signature.
    NoFrame,
    /// Another version of the protocol.
    Version(u16),
    /// A kind that this version does not have.
    Kind(u16),
    /// The lengths inside do not add up to the length of the frame.
    Length,
    /// An id that is no id.
    Id,
    /// An address or host name with bytes that no such text has.
    Text,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::NoFrame => f.write_str("no bus frame"),
            FrameError::Version(version) => write!(f, "bus protocol version {version} is not 1"),
            FrameError::Kind(kind) => write!(f, "unknown kind of frame {kind}"),
            FrameError::Length => f.write_str("lengths in the frame do not add up"),
            FrameError::Id => f.write_str("a node id in the frame is no id"),
            FrameError::Text => f.write_str("an address or host name in the frame is no text"),
        }
    }
}

impl<'a> Frame<'a> {
    /// Reads one whole frame, from its signature on.
    ///
    /// # Errors
    /// When the bytes are not exactly one valid frame.
    pub fn decode(bytes: &'a [u8]) -> Result<Frame<'a>, FrameError> {
        if bytes.len() < HEADER_BYTES || bytes.len() > FRAME_BYTES_MAX || !bytes.starts_with(SIGNATURE) {
            return Err(FrameError::NoFrame);
        }
        if u32_at(bytes, 4) as usize != bytes.len() {
            return Err(FrameError::Length);
        }
        if u16_at(bytes, 8) != VERSION {
            return Err(FrameError::Version(u16_at(bytes, 8)));
        }
        let number = u16_at(bytes, 12);
        let kind = Kind::from_number(number).ok_or(FrameError::Kind(number))?;
        let header = Header {
            port: u16_at(bytes, 10),
            plain_port: u16_at(bytes, 2246),
            bus_port: u16_at(bytes, 2248),
            current_epoch: u64_at(bytes, 16),
            config_epoch: u64_at(bytes, 24),
            offset: u64_at(bytes, 32),
            sender: id_at(bytes, 40)?,
            slots: SlotSet::from_bytes(bytes[80..2128].try_into().expect("2048 bytes")),
            primary: optional_id_at(bytes, 2128)?,
            ip: String::from(text(&bytes[2168..2214])?),
            flags: Flags(u16_at(bytes, 2250)),
            is_ok: bytes[2252] == 0,
            message_flags: bytes[2253],
            note: Note::decode(&bytes[2216..2246]),
        };
        let extensions = if header.message_flags & HAS_EXTENSIONS != 0 { u16_at(bytes, 2214) } else { 0 };
        let body = Body::decode(kind, u16_at(bytes, 14), extensions, &bytes[HEADER_BYTES..])?;
        Ok(Frame { header, body })
    }

    /// Writes the frame behind what `out` holds.
    ///
    /// # Panics
    /// When a message makes the frame longer than 4 GiB, which the limits on requests exclude.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + HEADER_BYTES, 0);
        let (count, extensions) = self.body.encode(out);
        let length = u32::try_from(out.len() - start).expect("a frame stays under 4 GiB");
        let header = &self.header;
        let bytes = &mut out[start..start + HEADER_BYTES];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, SIGNATURE);
        put(4, &length.to_be_bytes());
        put(8, &VERSION.to_be_bytes());
        put(10, &header.port.to_be_bytes());
        put(12, &(self.body.kind() as u16).to_be_bytes());
        put(14, &count.to_be_bytes());
        put(16, &header.current_epoch.to_be_bytes());
        put(24, &header.config_epoch.to_be_bytes());
        put(32, &header.offset.to_be_bytes());
        put(40, header.sender.as_bytes());
        put(80, header.slots.as_bytes());
        if let Some(primary) = &header.primary {
            put(2128, primary.as_bytes());
        }
        put(2168, short_text(&header.ip));
        put(2214, &extensions.to_be_bytes());
        if let Some(note) = &header.note {
            put(2216, &note.encode());
        }
        put(2246, &header.plain_port.to_be_bytes());
        put(2248, &header.bus_port.to_be_bytes());
        put(2250, &header.flags.0.to_be_bytes());
        let more = if self.body.has_extensions() { HAS_EXTENSIONS } else { 0 };
        put(2252, &[u8::from(!header.is_ok), header.message_flags | more, 0, 0]);
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

fn id_at(bytes: &[u8], at: usize) -> Result<Id, FrameError> {
    Id::parse(&bytes[at..at + Id::LEN]).ok_or(FrameError::Id)
}

fn optional_id_at(bytes: &[u8], at: usize) -> Result<Option<Id>, FrameError> {
    if bytes[at..at + Id::LEN].iter().all(|&byte| byte == 0) {
        return Ok(None);
    }
    id_at(bytes, at).map(Some)
}

/// A text padded with zeros: an address or a host name. Nothing in it may break a line of nodes.conf.
fn text(bytes: &[u8]) -> Result<&str, FrameError> {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let is_allowed =
        |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b',' | b'@' | b'"' | b'\'' | b'=');
    if end >= bytes.len().max(1) || !bytes[..end].iter().all(is_allowed) {
        return Err(FrameError::Text);
    }
    core::str::from_utf8(&bytes[..end]).map_err(|_| FrameError::Text)
}

/// As much of an address as the field holds with its final zero.
fn short_text(text: &str) -> &[u8] {
    &text.as_bytes()[..text.len().min(IP_BYTES - 1)]
}

#[cfg(test)]
mod tests;
