//! Fuzzes the ChatGPT importer: `cargo +nightly fuzz run chatgpt -- -dict=fuzz/chatgpt.dict`.

#![no_main]

#[path = "../replay.rs"]
mod replay;

libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::replay("chatgpt", data));
