//! The bodies of bus frames, by kind.

use super::{
    Flags, FrameError, GOSSIP_BYTES, IP_BYTES, Kind, SlotSet, id_at, short_text, text, u16_at, u32_at, u64_at,
};
use alloc::string::String;
use alloc::vec::Vec;
use base::Id;

/// What a frame says beyond its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Ping, pong or meet: what the sender heard of others.
    Gossip {
        /// Which of the three.
        kind: Kind,
        /// Other nodes as the sender sees them.
        entries: Vec<Gossip>,
        /// What newer versions add.
        extensions: Extensions,
    },
    /// This node has failed.
    Fail(Id),
    /// A message for subscribers.
    Publish {
        /// True for SPUBLISH.
        is_sharded: bool,
        /// The channel.
        channel: &'a [u8],
        /// The message.
        message: &'a [u8],
    },
    /// Give me your vote for the header's current epoch.
    AuthRequest,
    /// You have my vote for the header's current epoch.
    AuthAck,
    /// Who really owns slots that the receiver claims.
    Update(Update),
    /// Pause your clients, I take over.
    ManualStart,
    /// For a module.
    Module(Module<'a>),
}

/// One node as another sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gossip {
    /// The node.
    pub id: Id,
    /// When a ping was sent to it that is not answered, in seconds since 1970; 0 when there is none.
    pub ping_sent: u32,
    /// When it last answered, in seconds since 1970.
    pub pong_received: u32,
    /// Its address.
    pub ip: String,
    /// Its client port (TLS when the cluster runs over TLS).
    pub port: u16,
    /// Its bus port.
    pub bus_port: u16,
    /// Its flags.
    pub flags: Flags,
    /// Its plain port, when `port` is for TLS.
    pub plain_port: u16,
}

/// What follows the gossip. An extension is a length (u32, a multiple of 8, itself included), a type (u16), two
/// unused bytes, and its data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Host name (type 0).
    pub hostname: Option<String>,
    /// Name for people (type 1).
    pub human_name: Option<String>,
    /// A node that was forgotten, and for how many seconds (type 2).
    pub forgotten: Vec<(Id, u64)>,
    /// Id of the shard (type 3).
    pub shard: Option<Id>,
    /// Availability zone (type 8, of Valkey 9).
    pub zone: Option<String>,
    /// How many extensions of other types there were; they are skipped.
    pub unknown: u16,
}

/// The types of extensions that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Extension {
    /// Host name.
    Hostname = 0,
    /// Name for people.
    HumanName = 1,
    /// A forgotten node.
    Forgotten = 2,
    /// Id of the shard.
    Shard = 3,
    /// Availability zone. (4 and 5 are the addresses that Valkey shows to clients alone, 6 and 7 such ports.)
    Zone = 8,
}

/// The body of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The owner's config epoch.
    pub config_epoch: u64,
    /// The owner.
    pub id: Id,
    /// All its slots.
    pub slots: SlotSet,
}

/// The body of a module's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Module<'a> {
    /// The module.
    pub module: u64,
    /// The module's own type.
    pub kind: u8,
    /// The payload.
    pub payload: &'a [u8],
}

/// Bytes of an extension before its data.
const EXTENSION_BYTES: usize = 8;
/// Longest host name, as the originals hold it.
const HOSTNAME_BYTES_MAX: usize = 255;

impl<'a> Body<'a> {
    /// The kind of frame that this is the body of.
    pub fn kind(&self) -> Kind {
        match self {
            Body::Gossip { kind, .. } => *kind,
            Body::Fail(_) => Kind::Fail,
            Body::Publish { is_sharded: false, .. } => Kind::Publish,
            Body::Publish { is_sharded: true, .. } => Kind::PublishShard,
            Body::AuthRequest => Kind::AuthRequest,
            Body::AuthAck => Kind::AuthAck,
            Body::Update(_) => Kind::Update,
            Body::ManualStart => Kind::ManualStart,
            Body::Module(_) => Kind::Module,
        }
    }

    pub(super) fn has_extensions(&self) -> bool {
        // Every ping says that its sender understands extensions, as the originals' do.
        matches!(self, Body::Gossip { .. })
    }

    pub(super) fn decode(
        kind: Kind,
        count: u16,
        extensions: u16,
        bytes: &'a [u8],
    ) -> Result<Body<'a>, FrameError> {
        let exactly = |len: usize| if bytes.len() == len { Ok(()) } else { Err(FrameError::Length) };
        match kind {
            Kind::Ping | Kind::Pong | Kind::Meet => {
                let gossip_bytes = usize::from(count) * GOSSIP_BYTES;
                let (gossip, rest) = bytes.split_at_checked(gossip_bytes).ok_or(FrameError::Length)?;
                let entries = gossip.chunks_exact(GOSSIP_BYTES).map(Gossip::decode);
                let entries = entries.collect::<Result<Vec<Gossip>, FrameError>>()?;
                let extensions = Extensions::decode(extensions, rest)?;
                Ok(Body::Gossip { kind, entries, extensions })
            }
            Kind::Fail => {
                exactly(Id::LEN)?;
                Ok(Body::Fail(id_at(bytes, 0)?))
            }
            Kind::Publish | Kind::PublishShard => {
                let (head, rest) = bytes.split_at_checked(8).ok_or(FrameError::Length)?;
                let (channel_len, message_len) = (u32_at(head, 0) as usize, u32_at(head, 4) as usize);
                if channel_len.checked_add(message_len) != Some(rest.len()) {
                    return Err(FrameError::Length);
                }
                let (channel, message) = rest.split_at(channel_len);
                Ok(Body::Publish { is_sharded: kind == Kind::PublishShard, channel, message })
            }
            Kind::AuthRequest => exactly(0).map(|()| Body::AuthRequest),
            Kind::AuthAck => exactly(0).map(|()| Body::AuthAck),
            Kind::ManualStart => exactly(0).map(|()| Body::ManualStart),
            Kind::Update => {
                exactly(8 + Id::LEN + SlotSet::BYTES)?;
                let slots = bytes[8 + Id::LEN..].try_into().expect("2048 bytes");
                Ok(Body::Update(Update {
                    config_epoch: u64_at(bytes, 0),
                    id: id_at(bytes, 8)?,
                    slots: SlotSet::from_bytes(slots),
                }))
            }
            Kind::Module => {
                let (head, payload) = bytes.split_at_checked(13).ok_or(FrameError::Length)?;
                if u32_at(head, 8) as usize != payload.len() {
                    return Err(FrameError::Length);
                }
                Ok(Body::Module(Module { module: u64_at(head, 0), kind: head[12], payload }))
            }
        }
    }

    /// Writes the body; returns the counts of gossip entries and of extensions for the header.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> (u16, u16) {
        match self {
            Body::Gossip { entries, extensions, .. } => {
                entries.iter().for_each(|entry| entry.encode(out));
                let count = u16::try_from(entries.len()).expect("gossip is about few nodes");
                return (count, extensions.encode(out));
            }
            Body::Fail(id) => out.extend_from_slice(id.as_bytes()),
            Body::Publish { channel, message, .. } => {
                out.extend_from_slice(&(channel.len() as u32).to_be_bytes());
                out.extend_from_slice(&(message.len() as u32).to_be_bytes());
                out.extend_from_slice(channel);
                out.extend_from_slice(message);
            }
            Body::AuthRequest | Body::AuthAck | Body::ManualStart => {}
            Body::Update(update) => {
                out.extend_from_slice(&update.config_epoch.to_be_bytes());
                out.extend_from_slice(update.id.as_bytes());
                out.extend_from_slice(update.slots.as_bytes());
            }
            Body::Module(module) => {
                out.extend_from_slice(&module.module.to_be_bytes());
                out.extend_from_slice(&(module.payload.len() as u32).to_be_bytes());
                out.push(module.kind);
                out.extend_from_slice(module.payload);
            }
        }
        (0, 0)
    }
}

impl Gossip {
    fn decode(bytes: &[u8]) -> Result<Gossip, FrameError> {
        Ok(Gossip {
            id: id_at(bytes, 0)?,
            ping_sent: u32_at(bytes, 40),
            pong_received: u32_at(bytes, 44),
            ip: String::from(text(&bytes[48..94])?),
            port: u16_at(bytes, 94),
            bus_port: u16_at(bytes, 96),
            flags: Flags(u16_at(bytes, 98)),
            plain_port: u16_at(bytes, 100),
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(&self.ping_sent.to_be_bytes());
        out.extend_from_slice(&self.pong_received.to_be_bytes());
        let mut ip = [0; IP_BYTES];
        let text = short_text(&self.ip);
        ip[..text.len()].copy_from_slice(text);
        out.extend_from_slice(&ip);
        for number in [self.port, self.bus_port, self.flags.0, self.plain_port, 0] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

impl Extensions {
    fn decode(count: u16, mut bytes: &[u8]) -> Result<Extensions, FrameError> {
        let mut extensions = Extensions::default();
        for _ in 0..count {
            let length = if bytes.len() < EXTENSION_BYTES { 0 } else { u32_at(bytes, 0) as usize };
            if length < EXTENSION_BYTES || !length.is_multiple_of(8) || length > bytes.len() {
                return Err(FrameError::Length);
            }
            extensions.take(u16_at(bytes, 4), &bytes[EXTENSION_BYTES..length])?;
            bytes = &bytes[length..];
        }
        if bytes.is_empty() { Ok(extensions) } else { Err(FrameError::Length) }
    }

    fn take(&mut self, number: u16, data: &[u8]) -> Result<(), FrameError> {
        match number {
            0 => self.hostname = Some(host_name(data)?),
            2 if data.len() == Id::LEN + 8 => self.forgotten.push((id_at(data, 0)?, u64_at(data, Id::LEN))),
            3 if data.len() == Id::LEN => self.shard = Some(id_at(data, 0)?),
            // These are for people: one that is no text is not worth the connection.
            1 if host_name(data).is_ok() => self.human_name = host_name(data).ok(),
            8 if host_name(data).is_ok() => self.zone = host_name(data).ok(),
            _ => self.unknown += 1,
        }
        Ok(())
    }

    fn encode(&self, out: &mut Vec<u8>) -> u16 {
        let mut count = 0;
        let texts = [
            (Extension::Hostname, &self.hostname),
            (Extension::HumanName, &self.human_name),
            (Extension::Zone, &self.zone),
        ];
        for (extension, text) in texts {
            let Some(text) = text else { continue };
            let text = &text.as_bytes()[..text.len().min(HOSTNAME_BYTES_MAX)];
            let padded = (text.len() + 1).next_multiple_of(8);
            put_extension(out, extension, text, padded);
            count += 1;
        }
        for (id, seconds) in &self.forgotten {
            let mut data = Vec::from(*id.as_bytes());
            data.extend_from_slice(&seconds.to_be_bytes());
            put_extension(out, Extension::Forgotten, &data, data.len());
            count += 1;
        }
        if let Some(shard) = &self.shard {
            put_extension(out, Extension::Shard, shard.as_bytes(), Id::LEN);
            count += 1;
        }
        count
    }
}

fn host_name(data: &[u8]) -> Result<String, FrameError> {
    let name = text(data)?;
    if name.len() > HOSTNAME_BYTES_MAX { Err(FrameError::Text) } else { Ok(String::from(name)) }
}

fn put_extension(out: &mut Vec<u8>, extension: Extension, data: &[u8], padded: usize) {
    let length = (EXTENSION_BYTES + padded) as u32;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&(extension as u16).to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    let end = out.len() + padded;
    out.extend_from_slice(data);
    out.resize(end, 0);
}
