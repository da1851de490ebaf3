//! Fuzzes the `claude-code` importer: `scripts/fuzz claude-code`.

#![no_main]

#[path = "../target.rs"]
mod target;

target::fuzz_format!("claude-code");
