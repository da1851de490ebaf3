//! JSON as exporters really write it: streamed element by element or line by line, repaired, read with tolerance.

pub mod lines;
pub mod outline;
pub mod reading;
pub mod repair;
pub mod split;
pub mod tolerant;
