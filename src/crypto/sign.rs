//! Ed25519 signatures (RFC 8032) under a label, verified strictly.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::secret::Secret;

/// A signature's bytes.
pub type SignatureBytes = [u8; 64];

/// A signing key of one credential, or of the vault's owner. Wiped on drop.
pub struct Signer(SigningKey);

impl Signer {
    /// Draws a fresh key.
    pub fn generate() -> Self {
        Self::from_seed(&Secret::generate())
    }

    pub(crate) fn from_seed(seed: &Secret<32>) -> Self {
        Self(SigningKey::from_bytes(seed.expose()))
    }

    /// The seed, to seal it into a slot or a bundle.
    pub(crate) fn expose_seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The same key once more, for who signs beside its holder.
    pub(crate) fn copy(&self) -> Self {
        Self(SigningKey::from_bytes(self.0.as_bytes()))
    }

    /// The public key.
    pub fn public(&self) -> VerifyKey {
        VerifyKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `prefix ‖ text`, for documents that other programs check: their first line is text that no label begins with.
    pub fn sign_text(&self, prefix: &str, text: &[u8]) -> SignatureBytes {
        self.0.sign(&[prefix.as_bytes(), text].concat()).to_bytes()
    }

    /// Signs `label ‖ 0x00 ‖ parts`.
    pub fn sign(&self, label: &str, parts: &[&[u8]]) -> SignatureBytes {
        self.0.sign(&message(label, parts)).to_bytes()
    }
}

/// A public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyKey(pub [u8; 32]);

impl VerifyKey {
    /// Whether `signature` is this key's over `label ‖ 0x00 ‖ parts`. Weak keys verify nothing.
    pub fn verifies(&self, label: &str, parts: &[&[u8]], signature: &SignatureBytes) -> bool {
        self.verifies_bytes(&message(label, parts), signature)
    }

    /// Whether `signature` is this key's over `prefix ‖ text`; see [`Signer::sign_text`].
    pub fn verifies_text(&self, prefix: &str, text: &[u8], signature: &SignatureBytes) -> bool {
        self.verifies_bytes(&[prefix.as_bytes(), text].concat(), signature)
    }

    fn verifies_bytes(&self, bytes: &[u8], signature: &SignatureBytes) -> bool {
        let key = VerifyingKey::from_bytes(&self.0);
        key.and_then(|key| key.verify_strict(bytes, &Signature::from_bytes(signature))).is_ok()
    }
}

fn message(label: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut message = Vec::with_capacity(label.len() + 1 + parts.iter().map(|part| part.len()).sum::<usize>());
    message.extend_from_slice(label.as_bytes());
    message.push(0);
    for part in parts {
        message.extend_from_slice(part);
    }
    message
}
