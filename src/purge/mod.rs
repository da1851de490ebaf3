//! A policy applied to a vault: its rules compiled, what is due planned, and the plan executed.
//!
//! `docs/retention.md` is the rule book and `retention/` decides by it. What destroys is `erasure/`.

mod compile;
mod plan;

pub use compile::{CompileError, compile, holding, policy};
pub use plan::{Plan, Planned, Tripped, clock_is_sound, is_steady};
