//! Fuzzes the `messages` importer: `scripts/fuzz messages`.

#![no_main]

#[path = "../target.rs"]
mod target;

target::fuzz_format!("messages");
