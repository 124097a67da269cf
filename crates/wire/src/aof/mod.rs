//! The append-only file: its manifest, and the commands and notes in its parts.

pub mod manifest;
pub mod scan;
pub mod sums;

pub use manifest::{Kind, Manifest, ManifestError, Part};
pub use scan::{Flaw, Record, Scanner};
pub use sums::{Sum, SumCheck};
