//! Fuzzes the Claude Code importer: `cargo +nightly fuzz run claude-code`.

#![no_main]

#[path = "../replay.rs"]
mod replay;

libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::replay("claude-code", data));
