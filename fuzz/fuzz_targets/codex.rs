//! Fuzzes the Codex importer: `cargo +nightly fuzz run codex`.

#![no_main]

#[path = "../replay.rs"]
mod replay;

libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::replay("codex", data));
