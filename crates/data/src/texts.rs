//! Texts: long strings at the moment of a snapshot, while they are changed.
//!
//! ```text
//!   looking --is it worth it?--> packing, block by block --> (length known) --> written, packed
//!      `--------no----------------------------------------> (length known) --> written as it is, block by block
//! ```
//!
//! A string may be 512 MiB: packed or copied in one piece it would hold everything up. Whoever changes bytes that are still to be
//! read first saves the blocks that they lie in. Blocks that were packed one by one are together a packed string (`base::lzf`).
//!
//! The account of a string is kept under the address of its buffer, which stays the same under whatever name or owner the string
//! is. The address is never followed: the walker comes with the string, as it finds it by its key.
//!
//! Invariant: a buffer with an account changes only after `before`, and is freed only when the account is closed.

use crate::pieces::Pieces;
use crate::watch::{Allowance, Shape, Walked};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use base::lzf;
use core::ops::Range;

/// 128 KiB: a shorter string is encoded whole, in a third of a millisecond.
pub(crate) const LONG_TEXT: usize = 128 << 10;
/// 32 KiB: what is packed, copied or saved at once.
const BLOCK: usize = 32 << 10;
/// 8: blocks that are packed to see whether it is worth it.
const LOOKS: usize = 8;
/// 3/4: it is where they become so much smaller. The original packs for the sake of 4 bytes; here what was packed waits in memory.
const WORTH: (usize, usize) = (3, 4);
/// 1 ns: what a byte takes that is copied into a new buffer, and summed up there.
const BYTES_PER_NS: usize = 1;

/// The accounts, by the addresses of the buffers.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    accounts: BTreeMap<usize, Account>,
}

#[derive(Debug)]
struct Account {
    /// Bytes at the moment. There may be more by now.
    len: usize,
    state: State,
    /// Blocks that were changed before they were read.
    saved: BTreeMap<usize, Box<[u8]>>,
}

#[derive(Debug)]
enum State {
    /// So many blocks were looked at, and so many bytes they have become.
    Looking { looks: usize, packed: usize },
    /// Blocks before this one are packed.
    Packing { next: usize, packed: Pieces },
    /// All are, and may be on their way out.
    Packed(Pieces),
    /// Blocks before this one are on their way out.
    Plain { next: usize },
}

fn address(text: &[u8]) -> usize {
    text.as_ptr().addr()
}

impl Texts {
    /// Marks the moment of a string.
    pub fn watch(&mut self, text: &[u8], packs: bool) -> Shape {
        let state = if packs { State::Looking { looks: 0, packed: 0 } } else { State::Plain { next: 0 } };
        let account = Account { len: text.len(), state, saved: BTreeMap::new() };
        self.accounts.insert(address(text), account);
        Shape::Text(text.len(), None)
    }

    /// The moment of this string is marked, and it is not all written.
    pub fn has(&self, text: &[u8]) -> bool {
        self.accounts.contains_key(&address(text))
    }

    /// Bytes of a string are about to change.
    pub fn before(&mut self, text: &[u8], touched: impl Iterator<Item = Range<usize>>) {
        if let Some(account) = self.accounts.get_mut(&address(text)) {
            touched.for_each(|range| account.before(text, range));
        }
    }

    /// A string has a new buffer.
    pub fn has_moved(&mut self, before: usize, text: &[u8]) {
        if before != address(text)
            && let Some(account) = self.accounts.remove(&before)
        {
            self.accounts.insert(address(text), account);
        }
    }

    /// About how much memory the saved and packed blocks take.
    pub fn noted_bytes(&self) -> usize {
        let of = |account: &Account| match &account.state {
            State::Packing { packed, .. } | State::Packed(packed) => packed.len(),
            State::Looking { .. } | State::Plain { .. } => 0,
        };
        self.accounts.values().map(|account| account.saved.len() * BLOCK + of(account)).sum()
    }

    /// Finds out how a string will be written, for as long as it is allowed; tells its shape then.
    pub fn prepare(&mut self, text: &[u8], allowance: &mut Allowance) -> Option<Shape> {
        // Without an account the walk finds that something is wrong.
        let Some(account) = self.accounts.get_mut(&address(text)).filter(|account| account.len <= text.len())
        else {
            return Some(Shape::Text(0, None));
        };
        loop {
            match &account.state {
                State::Packed(packed) => return Some(Shape::Text(account.len, Some(packed.len()))),
                State::Plain { .. } => return Some(Shape::Text(account.len, None)),
                State::Looking { .. } | State::Packing { .. } if allowance.is_spent() => return None,
                State::Looking { .. } => account.look(text, allowance),
                State::Packing { .. } => account.pack(text, allowance),
            }
        }
    }

    /// Writes more of a string that is prepared, for as long as it is allowed. At its end the account is closed.
    pub fn walk(&mut self, text: &[u8], out: &mut Vec<u8>, allowance: &mut Allowance) -> Walked {
        let Some(account) = self.accounts.get_mut(&address(text)).filter(|account| account.len <= text.len())
        else {
            return Walked::Broken;
        };
        if account.write(text, out, allowance) {
            self.accounts.remove(&address(text));
            return Walked::Whole;
        }
        Walked::On
    }
}

impl Account {
    fn blocks(&self) -> usize {
        self.len.div_ceil(BLOCK)
    }

    /// Where a block lies.
    fn range(&self, block: usize) -> Range<usize> {
        block * BLOCK..((block + 1) * BLOCK).min(self.len)
    }

    fn before(&mut self, text: &[u8], touched: Range<usize>) {
        let next = match &self.state {
            State::Looking { .. } => 0,
            State::Packing { next, .. } | State::Plain { next } => *next,
            State::Packed(_) => return,
        };
        let first = next.max(touched.start / BLOCK);
        for block in first..touched.end.min(self.len).div_ceil(BLOCK) {
            let range = self.range(block);
            self.saved.entry(block).or_insert_with(|| text[range].into());
        }
    }

    fn look(&mut self, text: &[u8], allowance: &mut Allowance) {
        let State::Looking { looks, packed } = &self.state else { return };
        let (looks, packed) = (*looks, *packed);
        // What it says now is enough to go by.
        let block = looks * self.blocks() / LOOKS;
        let (plain, mut out) = (&text[self.range(block)], Vec::new());
        lzf::pack_part(plain, &mut out);
        allowance.spend_node(plain.len(), out.len());
        let (looks, packed) = (looks + 1, packed + out.len());
        self.state = match looks {
            LOOKS if packed * WORTH.1 <= LOOKS * BLOCK * WORTH.0 => {
                State::Packing { next: 0, packed: Pieces::default() }
            }
            LOOKS => State::Plain { next: 0 },
            _ => State::Looking { looks, packed },
        };
    }

    fn pack(&mut self, text: &[u8], allowance: &mut Allowance) {
        let blocks = self.blocks();
        let State::Packing { next, packed } = &mut self.state else { return };
        if *next == blocks {
            self.state = State::Packed(core::mem::take(packed));
            return;
        }
        let before = packed.len();
        let plain = match self.saved.remove(next) {
            Some(saved) => {
                lzf::pack_part(&saved, packed.end());
                saved.len()
            }
            None => {
                let range = *next * BLOCK..((*next + 1) * BLOCK).min(self.len);
                lzf::pack_part(&text[range.clone()], packed.end());
                range.len()
            }
        };
        *next += 1;
        allowance.spend_node(plain, packed.len() - before);
    }

    /// True when all is written.
    fn write(&mut self, text: &[u8], out: &mut Vec<u8>, allowance: &mut Allowance) -> bool {
        let blocks = self.blocks();
        match &mut self.state {
            State::Packed(packed) => {
                let before = out.len();
                let until = before.saturating_add(allowance.left().saturating_mul(BYTES_PER_NS).max(1));
                let is_all = packed.move_to(out, until);
                allowance.spend((out.len() - before) / BYTES_PER_NS);
                is_all
            }
            State::Plain { next } => {
                let left = self.len - *next * BLOCK;
                out.reserve(left.min(allowance.left().saturating_mul(BYTES_PER_NS).saturating_add(BLOCK)));
                while *next < blocks && !allowance.is_spent() {
                    let range = *next * BLOCK..((*next + 1) * BLOCK).min(self.len);
                    allowance.spend(range.len() / BYTES_PER_NS);
                    match self.saved.remove(next) {
                        Some(saved) => out.extend_from_slice(&saved),
                        None => out.extend_from_slice(&text[range]),
                    }
                    *next += 1;
                }
                *next == blocks
            }
            State::Looking { .. } | State::Packing { .. } => false,
        }
    }
}
