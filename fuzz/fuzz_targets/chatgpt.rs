//! Fuzzes the `chatgpt` importer: `scripts/fuzz chatgpt`.

#![no_main]

#[path = "../target.rs"]
mod target;

target::fuzz_format!("chatgpt");
