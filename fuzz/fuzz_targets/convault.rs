//! Fuzzes the `convault` importer: `scripts/fuzz convault`.

#![no_main]

#[path = "../target.rs"]
mod target;

target::fuzz_format!("convault");
