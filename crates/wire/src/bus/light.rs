//! Light frames: messages under a header of 16 bytes, as Valkey 8 sends them to nodes that announce
//! [`super::Flags::LIGHT_PUBLISH`].
//!
//! ```text
//!      0 "RCmb"      4 length u32    8 version u16   10 unused u16   12 kind u16, with the bit 0x8000
//!     14 unused u16 16 body, as under the full header
//! ```
//!
//! They do not name their sender: it is known from the other frames of the connection.

use super::{Body, FRAME_BYTES_MAX, FrameError, Kind, SIGNATURE, VERSION, u16_at, u32_at};
use alloc::vec::Vec;

/// Bytes of the light header.
const LIGHT_BYTES: usize = 16;
/// The bit of the kind that tells a light header.
const LIGHT_BIT: u16 = 0x8000;

/// A frame without a sender: a message for subscribers or between modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Light<'a> {
    /// Of the matter.
    pub body: Body<'a>,
}

/// True when the frame says that its header is a light one.
pub fn is_light(bytes: &[u8]) -> bool {
    bytes.len() >= LIGHT_BYTES && u16_at(bytes, 12) & LIGHT_BIT != 0
}

impl<'a> Light<'a> {
    /// Reads one whole light frame, from its signature on.
    ///
    /// # Errors
    /// When the bytes are not exactly one valid light frame.
    pub fn decode(bytes: &'a [u8]) -> Result<Light<'a>, FrameError> {
        let is_framed = is_light(bytes) && bytes.len() <= FRAME_BYTES_MAX && bytes.starts_with(SIGNATURE);
        if !is_framed {
            return Err(FrameError::NoFrame);
        }
        if u32_at(bytes, 4) as usize != bytes.len() {
            return Err(FrameError::Length);
        }
        if u16_at(bytes, 8) != VERSION {
            return Err(FrameError::Version(u16_at(bytes, 8)));
        }
        let number = u16_at(bytes, 12);
        let kind = Kind::from_number(number & !LIGHT_BIT);
        let allowed = kind.filter(|kind| matches!(kind, Kind::Publish | Kind::PublishShard | Kind::Module));
        let kind = allowed.ok_or(FrameError::Kind(number))?;
        Ok(Light { body: Body::decode(kind, 0, 0, &bytes[LIGHT_BYTES..])? })
    }

    /// Writes the frame behind what `out` holds.
    ///
    /// # Panics
    /// When a message makes the frame longer than 4 GiB, which the limits on requests exclude.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + LIGHT_BYTES, 0);
        self.body.encode(out);
        let length = u32::try_from(out.len() - start).expect("a frame stays under 4 GiB");
        let kind = self.body.kind() as u16 | LIGHT_BIT;
        let bytes = &mut out[start..start + LIGHT_BYTES];
        bytes[..4].copy_from_slice(SIGNATURE);
        bytes[4..8].copy_from_slice(&length.to_be_bytes());
        bytes[8..10].copy_from_slice(&VERSION.to_be_bytes());
        bytes[12..14].copy_from_slice(&kind.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_light_frame_reads_back_and_damage_is_an_error() {
        let body = Body::Publish { is_sharded: true, channel: b"news", message: b"hello" };
        let mut bytes = Vec::new();
        Light { body: body.clone() }.encode(&mut bytes);
        assert_eq!(bytes.len(), 16 + 8 + 9);
        assert!(is_light(&bytes));
        assert_eq!(Light::decode(&bytes), Ok(Light { body }));
        for (at, value) in [(0, b'X'), (7, 1), (9, 2), (13, 0), (19, 200), (12, 0)] {
            let mut bad = bytes.clone();
            bad[at] = value;
            assert!(Light::decode(&bad).is_err(), "byte {at}");
        }
        (0..bytes.len()).for_each(|len| assert!(Light::decode(&bytes[..len]).is_err(), "{len} bytes"));
    }
}
