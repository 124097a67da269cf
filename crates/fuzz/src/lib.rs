//! Fuzz targets and their driver on stable Rust.
