//! The only door to ciphers, key derivation, signatures and randomness.
//!
//! Nothing above this module names an algorithm, passes a nonce or sees an unchecked plaintext.

pub mod hash;
pub mod random;
mod secret;

pub use hash::Digest;
pub use secret::{Password, Secret};
