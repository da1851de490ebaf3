//! JSON as exporters really write it: streamed element by element, repaired, read with tolerance.

pub mod outline;
pub mod repair;
pub mod split;
pub mod tolerant;
