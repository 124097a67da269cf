//! What stands beside the keys and means nothing here: it is walked over, so that the keys behind it are found.
//!
//! ```text
//!   module:  id | 2 | when | (opcode | number, or a string)* | 0
//!   import:  name | count | (first | last)*
//! ```

use super::{Cursor, Decoder, Item, RdbError, State, Stop};
use alloc::string::String;
use alloc::vec::Vec;

/// 1,024: so many ranges of slots are told; a file may claim any number.
pub const SLOT_RANGES_MAX: usize = 1_024;

/// What such data are made of.
mod part {
    pub(super) const END: u64 = 0;
    pub(super) const SIGNED: u64 = 1;
    pub(super) const UNSIGNED: u64 = 2;
    pub(super) const FLOAT: u64 = 3;
    pub(super) const DOUBLE: u64 = 4;
    pub(super) const STRING: u64 = 5;
}

/// Where the walk is.
pub(super) enum Beside {
    /// Before the next opcode of a module's data.
    Module { name: String },
    /// Before a string of a module's data.
    ModuleText { name: String },
    /// Before the name of an import.
    ImportName,
    /// Before the number of its ranges.
    ImportCount { name: Vec<u8> },
    /// Before the next of its ranges.
    Import { name: Vec<u8>, left: u64, ranges: Vec<(u64, u64)> },
}

impl Beside {
    /// The head of a module's data.
    pub(super) fn module(cursor: &mut Cursor<'_>) -> Result<Beside, Stop> {
        let name = module_name(cursor.length()?);
        let at = cursor.at();
        let opcode = cursor.length()?;
        cursor.length()?;
        if opcode == part::UNSIGNED {
            Ok(Beside::Module { name })
        } else {
            Err(RdbError::Module { name, at }.into())
        }
    }
}

impl Decoder {
    /// One piece of it; the item once it is over.
    pub(super) fn beside(&mut self) -> Result<Option<Item>, Stop> {
        let State::Beside(mut beside) = core::mem::replace(&mut self.state, State::Opcode) else {
            unreachable!("the caller passes only this state");
        };
        let result = self.step_beside(&mut beside);
        if !matches!(result, Ok(Some(_))) {
            self.state = State::Beside(beside);
        }
        result
    }

    fn step_beside(&mut self, beside: &mut Beside) -> Result<Option<Item>, Stop> {
        match beside {
            Beside::Module { name } => match self.module_part(name)? {
                Next::Over => return Ok(Some(Item::ModuleData { module: core::mem::take(name) })),
                Next::Text => *beside = Beside::ModuleText { name: core::mem::take(name) },
                Next::Part => {}
            },
            Beside::ModuleText { name } => {
                self.text()?;
                *beside = Beside::Module { name: core::mem::take(name) };
            }
            Beside::ImportName => *beside = Beside::ImportCount { name: self.text()?.into_bytes() },
            Beside::ImportCount { name } => {
                let mut cursor = self.cursor();
                let left = cursor.length()?;
                self.read += cursor.used();
                *beside = Beside::Import { name: core::mem::take(name), left, ranges: Vec::new() };
            }
            Beside::Import { name, left: 0, ranges } => {
                let (name, ranges) = (core::mem::take(name), core::mem::take(ranges));
                return Ok(Some(Item::SlotImport { name, ranges }));
            }
            Beside::Import { left, ranges, .. } => {
                let mut cursor = self.cursor();
                let range = (cursor.length()?, cursor.length()?);
                self.read += cursor.used();
                *left -= 1;
                if ranges.len() < SLOT_RANGES_MAX {
                    ranges.push(range);
                }
            }
        }
        Ok(None)
    }

    fn module_part(&mut self, name: &str) -> Result<Next, Stop> {
        let mut cursor = self.cursor();
        let at = cursor.at();
        let next = match cursor.length()? {
            part::END => Next::Over,
            part::SIGNED | part::UNSIGNED => {
                cursor.length()?;
                Next::Part
            }
            part::FLOAT => {
                cursor.bytes(size_of::<f32>())?;
                Next::Part
            }
            part::DOUBLE => {
                cursor.bytes(size_of::<f64>())?;
                Next::Part
            }
            part::STRING => Next::Text,
            _ => return Err(RdbError::Module { name: name.into(), at }.into()),
        };
        self.read += cursor.used();
        Ok(next)
    }
}

/// What follows a part of a module's data.
enum Next {
    Part,
    Text,
    Over,
}

/// The name in a module's id: nine characters of six bits, then ten bits of a version.
fn module_name(id: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9).map(|index| char::from(LETTERS[(id >> (58 - 6 * index)) as usize & 63])).collect()
}
