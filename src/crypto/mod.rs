//! The only door to ciphers, key derivation, signatures and randomness.
//!
//! Nothing above this module names an algorithm, passes a nonce or sees an unchecked plaintext.

pub mod age;
mod envelope;
pub mod hash;
mod keys;
pub mod padding;
pub mod page;
mod password;
pub mod random;
mod seal;
mod secret;
mod sign;

pub use envelope::{EnvelopeKey, EnvelopeSecret};
pub use hash::Digest;
pub use keys::{
    Anchor, ContentKey, EraseShare, FactsKey, FrontierKey, OwnerKey, ReadKey, ReadShare, SegmentFactsKey, SlotKey,
    VaultKey,
};
pub use password::{CostOutOfBounds, KdfCost, derive_slot_key};
pub use seal::{CHUNK, MARKER, OpenError, Place, Purpose, SealId, sealed_len};
pub use secret::{Password, Secret};
pub use sign::{SignatureBytes, Signer, VerifyKey};
