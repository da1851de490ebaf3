//! Fuzzes the Claude.ai importer: `cargo +nightly fuzz run claude`.

#![no_main]

#[path = "../replay.rs"]
mod replay;

libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::replay("claude", data));
