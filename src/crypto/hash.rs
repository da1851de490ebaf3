//! SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104), always under a domain label.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};

/// A SHA-256 value.
pub type Digest = [u8; 32];

/// SHA-256 over `parts` joined, without a label: for digests of source bytes and RFC 6962 nodes.
pub fn sha256(parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// SHA-256 over `label ‖ 0x00 ‖ parts`. Every part but the last must have a fixed length.
///
/// `label` is ASCII without a zero byte, so that no two domains share an input.
pub fn labelled(label: &str, parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(label.as_bytes());
    hasher.update([0]);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// HMAC-SHA-256 of `parts` joined, written to `out` so that secret results need no second copy.
pub(crate) fn hmac_into(key: &[u8; 32], parts: &[&[u8]], out: &mut [u8; 32]) {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes any key length");
    for part in parts {
        mac.update(part);
    }
    out.copy_from_slice(&mac.finalize().into_bytes());
}

/// A SHA-256 computed piece by piece; a clone goes on from the same bytes.
#[derive(Clone)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Starts an empty hash.
    #[expect(clippy::new_without_default, reason = "a hash is started on purpose")]
    pub fn new() -> Self {
        Self(Sha256::new())
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Ends the hash.
    pub fn finish(self) -> Digest {
        self.0.finalize().into()
    }
}
