//! Exporters: conversations in, bytes out; pure.
//!
//! One format so far. The interface for several comes with the second.

pub mod jsonl;
