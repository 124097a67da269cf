//! Reads an RDB file and writes what it holds as a new one: `rdb_copy FROM TO`. For tests/peers/rdb_roundtrip.py.

use base::crc64::Crc64;
use std::error::Error;
use wire::rdb::encoder::{self, Packing};
use wire::rdb::{Decoder, Item};

fn main() -> Result<(), Box<dyn Error>> {
    let mut paths = std::env::args().skip(1);
    let (Some(from), Some(to)) = (paths.next(), paths.next()) else {
        return Err("usage: rdb_copy FROM TO".into());
    };
    let mut decoder = Decoder::new();
    let mut out = Vec::new();
    encoder::header(&mut out);
    // A small piece at a time, as a connection would give them.
    for piece in std::fs::read(from)?.chunks(1_000) {
        decoder.push(piece);
        while let Some(item) = decoder.next_item()? {
            copy(item, &mut out);
        }
    }
    decoder.finish()?;
    encoder::end(&mut out, Some(Crc64::new()));
    std::fs::write(to, out)?;
    Ok(())
}

fn copy(item: Item, out: &mut Vec<u8>) {
    match item {
        Item::Aux { key, value } => encoder::aux(out, &key, &value),
        Item::SelectDb(db) => encoder::select_db(out, db),
        Item::ResizeDb { keys, expires } => encoder::resize_db(out, keys, expires),
        Item::Key { key, value, deadline_ms, .. } => {
            if let Some(deadline_ms) = deadline_ms {
                encoder::deadline(out, deadline_ms);
            }
            encoder::entry(out, &key, &value, Packing::Lzf);
        }
        Item::Function(code) => encoder::function(out, &code),
        Item::ModuleData { .. } | Item::SlotImport { .. } => {}
        Item::Header { .. } | Item::Empty { .. } | Item::Eof { .. } => {}
    }
}
