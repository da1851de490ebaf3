//! Fuzzes the `claude` importer: `scripts/fuzz claude`.

#![no_main]

#[path = "../target.rs"]
mod target;

target::fuzz_format!("claude");
