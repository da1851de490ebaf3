//! Fuzzes the `codex` importer: `scripts/fuzz codex`.

#![no_main]

#[path = "../target.rs"]
mod target;

target::fuzz_format!("codex");
