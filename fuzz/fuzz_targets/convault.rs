//! Fuzzes the reader of our own JSONL: `cargo +nightly fuzz run convault`.

#![no_main]

#[path = "../replay.rs"]
mod replay;

libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::replay("convault", data));
