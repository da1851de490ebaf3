//! Fuzzes the `sharegpt` importer: `scripts/fuzz sharegpt`.

#![no_main]

#[path = "../target.rs"]
mod target;

target::fuzz_format!("sharegpt");
