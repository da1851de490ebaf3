//! The key hierarchy: one type for each role, and the derivations between them.
//!
//! `docs/format.md` §4, §5 and §7 draw it. `derive_` is deterministic, `generate` is random.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::envelope::EnvelopeSecret;
use super::hash::{self, Digest};
use super::seal::{self, OpenError, Place, Purpose};
use super::secret::{Password, Secret};

/// HKDF-SHA-256 (RFC 5869) with salt and info given in pieces, 32 bytes out.
pub(super) fn derive(salt: &[&[u8]], ikm: &[&[u8]], info: &[&[u8]]) -> Secret<32> {
    let ikm = Zeroizing::new(ikm.concat());
    let hkdf = Hkdf::<Sha256>::new(Some(&salt.concat()), &ikm);
    Secret::fill_with(|out| hkdf.expand_multi_info(info, out).expect("32 bytes are less than HKDF's limit"))
}

macro_rules! key_roles {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        pub struct $name(Secret<32>);

        impl $name {
            /// Seals `plain` for `place`.
            pub fn seal(&self, place: &Place, plain: &[u8]) -> Vec<u8> {
                seal::seal(self.0.expose(), place, plain)
            }

            /// Whether an object with this salt and key commitment was sealed under this key.
            pub fn seals(&self, salt: &[u8; 32], commitment: &[u8; 32]) -> bool {
                seal::is_sealed_under(self.0.expose(), salt, commitment)
            }

            /// Opens what was sealed under this key for `place`.
            pub fn open(&self, place: &Place, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
                seal::open(self.0.expose(), place, sealed)
            }

            /// The same into a buffer that is used again and again, in the place of what was in it.
            pub fn open_into(
                &self,
                place: &Place,
                sealed: &[u8],
                plain: &mut Zeroizing<Vec<u8>>,
            ) -> Result<(), OpenError> {
                seal::open_into(self.0.expose(), place, sealed, plain)
            }
        }
    )*};
}

key_roles! {
    /// Opens a credential's own key pairs; from a password by Argon2id.
    SlotKey,
    /// Unwraps every read share.
    ReadKey,
    /// Opens facts together with an erase share. In the design: J.
    FactsKey,
    /// Opens what only the owner may see: reasons, fingerprints.
    OwnerKey,
    /// Opens a segment's content. Exists only from both shares.
    ContentKey,
    /// Opens a segment's facts. Exists only from the erase share and the facts key.
    SegmentFactsKey,
    /// Seals the keyring under an anchor.
    FrontierKey,
    /// Seals names and documents of the vault itself.
    VaultKey,
}

macro_rules! random_keys {
    ($($name:ident),*) => {$(
        impl $name {
            /// Draws a fresh key.
            pub fn generate() -> Self {
                Self(Secret::generate())
            }

            /// Takes a key out of a record that was just opened, or from its place.
            pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
                Secret::from_slice(bytes).map(Self)
            }

            /// The key's bytes, to seal them into a record or write them to their place.
            pub(crate) fn expose(&self) -> &[u8; 32] {
                self.0.expose()
            }
        }
    )*};
}

random_keys!(ReadKey, FactsKey, OwnerKey, Anchor);

impl OwnerKey {
    /// The fingerprint of a destroyed source id, by which only the owner's key knows it again.
    pub fn fingerprint(&self, vault: &[u8; 16], source: &str, native_id: &str, month: u32) -> Digest {
        let key = derive(&[vault], &[self.0.expose()], &[b"convault/1/fingerprint-key"]);
        let mut fingerprint = [0; 32];
        let parts: [&[u8]; 5] = [source.as_bytes(), &[0], native_id.as_bytes(), &[0], &month.to_be_bytes()];
        hash::hmac_into(key.expose(), &parts, &mut fingerprint);
        fingerprint
    }

    /// The mark that stands in facts for what a selector asks of content.
    pub fn mark(&self, vault: &[u8; 16], selector: &str) -> [u8; 16] {
        let key = derive(&[vault], &[self.0.expose()], &[b"convault/1/mark-key"]);
        let mut mark = [0; 32];
        hash::hmac_into(key.expose(), &[selector.as_bytes()], &mut mark);
        *mark.first_chunk().expect("32 bytes have 16")
    }
}

impl SlotKey {
    pub(super) fn new(secret: Secret<32>) -> Self {
        Self(secret)
    }

    /// The key of a slot that a key file opens.
    pub fn of_key_file(secret: &Password, salt: &[u8; 32]) -> Self {
        Self(derive(&[salt], &[secret.expose()], &[b"convault/1/key-file"]))
    }
}

macro_rules! vault_keys {
    ($($(#[$doc:meta])* $name:ident of $owner:ident = $info:literal,)*) => {$(
        impl $owner {
            $(#[$doc])*
            pub fn $name(&self, vault: &[u8; 16]) -> VaultKey {
                VaultKey(derive(&[vault], &[self.0.expose()], &[$info]))
            }
        }
    )*};
}

vault_keys! {
    /// The key of the re-import fingerprints.
    derive_fingerprints of FactsKey = b"convault/1/fingerprints",
    /// The key of hold reasons and of policies as their owner wrote them.
    derive_reasons of OwnerKey = b"convault/1/reasons",
    /// The key of tag names.
    derive_tags of ReadKey = b"convault/1/tags",
    /// The key of the former read keys.
    derive_history of ReadKey = b"convault/1/key-history",
    /// The key of policies.
    derive_policy of FactsKey = b"convault/1/policy",
    /// The key of hold lists.
    derive_holds of FactsKey = b"convault/1/holds",
    /// The key of known copies.
    derive_copies of FactsKey = b"convault/1/copies",
    /// The key of the place of a file anchor.
    derive_anchor_place of FactsKey = b"convault/1/anchor-place",
    /// The key of the former facts keys.
    derive_history of FactsKey = b"convault/1/key-history",
}

impl EnvelopeSecret {
    /// The key of the former auditor secrets.
    pub fn derive_history(&self, vault: &[u8; 16]) -> VaultKey {
        VaultKey(derive(&[vault], &[self.expose()], &[b"convault/1/key-history"]))
    }
}

/// Half of a content key, in the password's domain: one of 32 random bytes for each segment.
pub struct ReadShare(Secret<32>);

impl ReadShare {
    /// Draws a fresh share.
    pub fn generate() -> Self {
        Self(Secret::generate())
    }

    /// Wraps the share for a segment, with the id of the conversation it belongs to.
    pub fn wrap(&self, key: &ReadKey, vault: [u8; 16], segment: [u8; 16], conversation: [u8; 16]) -> Vec<u8> {
        key.seal(&Self::place(vault, segment), &self.deposited(conversation))
    }

    /// Unwraps a share and the conversation's id.
    pub fn unwrap(
        key: &ReadKey,
        vault: [u8; 16],
        segment: [u8; 16],
        wrapped: &[u8],
    ) -> Result<(Self, [u8; 16]), OpenError> {
        let plain = key.open(&Self::place(vault, segment), wrapped)?;
        Self::from_plain(&plain).ok_or(OpenError::Damaged)
    }

    /// The share as a depositor seals it to the readers, with the id of the conversation.
    pub(crate) fn deposited(&self, conversation: [u8; 16]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([&self.0.expose()[..], &conversation].concat())
    }

    /// Takes a share out of what was wrapped or deposited.
    pub(crate) fn from_plain(plain: &[u8]) -> Option<(Self, [u8; 16])> {
        let (share, conversation) = plain.split_first_chunk::<32>()?;
        Some((Self(Secret::from_slice(share)?), conversation.try_into().ok()?))
    }

    fn place(vault: [u8; 16], segment: [u8; 16]) -> Place {
        Place { vault, owner: segment, purpose: Purpose::ReadShare, index: 0 }
    }
}

/// Half of a content key, in the anchor's domain: derived from the keyring until it is punctured.
///
/// ```compile_fail
/// fn copy(share: &convault::crypto::EraseShare) -> convault::crypto::EraseShare {
///     share.clone()
/// }
/// ```
pub struct EraseShare(Secret<32>);

impl EraseShare {
    /// Takes the share that the keyring derived from a leaf's seed.
    pub(crate) fn new(secret: Secret<32>) -> Self {
        Self(secret)
    }

    /// What the live tree keeps of the share: it names the share and tells nothing of it.
    pub fn commitment(&self) -> Digest {
        hash::labelled("convault/1/erase-commitment", &[self.0.expose()])
    }

    /// Draws a share for a deposit, whose depositor has no keyring to derive one from.
    pub fn generate() -> Self {
        Self(Secret::generate())
    }

    /// Wraps a deposit's share under that of its leaf, with which it dies.
    pub fn wrap_deposit(&self, deposit: &Self, vault: [u8; 16], segment: [u8; 16]) -> Vec<u8> {
        seal::seal(self.0.expose(), &Self::place(vault, segment), deposit.0.expose())
    }

    /// Unwraps a deposit's share.
    pub fn unwrap_deposit(&self, vault: [u8; 16], segment: [u8; 16], wrapped: &[u8]) -> Result<Self, OpenError> {
        let plain = seal::open(self.0.expose(), &Self::place(vault, segment), wrapped)?;
        Self::from_slice(&plain).ok_or(OpenError::Damaged)
    }

    fn place(vault: [u8; 16], segment: [u8; 16]) -> Place {
        Place { vault, owner: segment, purpose: Purpose::DepositShare, index: 0 }
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        Secret::from_slice(bytes).map(Self)
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

impl ContentKey {
    /// The key of a segment's content, from both shares.
    ///
    /// There is no other way to one:
    ///
    /// ```compile_fail
    /// let key = convault::crypto::ContentKey::generate();
    /// ```
    pub fn derive(read: &ReadShare, erase: &EraseShare, vault: &[u8; 16], segment: &[u8; 16]) -> Self {
        Self(derive(&[b"convault/1/content", vault], &[read.0.expose(), erase.0.expose()], &[segment]))
    }
}

impl ContentKey {
    /// From which the salts follow with which the segment's messages are shown in exports (`docs/export.md`). It is shown
    /// to whoever is given all of the segment, and opens nothing.
    pub fn derive_disclosure(&self, vault: &[u8; 16]) -> Digest {
        *derive(&[vault], &[self.0.expose()], &[b"convault/1/disclosure"]).expose()
    }
}

impl SegmentFactsKey {
    /// The key of a segment's facts, from the erase share and the facts key.
    pub fn derive(erase: &EraseShare, facts: &FactsKey, vault: &[u8; 16], segment: &[u8; 16]) -> Self {
        Self(derive(&[b"convault/1/facts", vault], &[erase.0.expose(), facts.0.expose()], &[segment]))
    }
}

/// 32 bytes without which nothing in the vault opens; replaced by every purge.
pub struct Anchor(Secret<32>);

impl Anchor {
    /// What the state head names the anchor by.
    pub fn hash(&self, vault: &[u8; 16], generation: u64) -> Digest {
        hash::labelled("convault/1/anchor", &[vault, &generation.to_be_bytes(), self.0.expose()])
    }

    /// The key that seals the keyring of this generation.
    pub fn derive_frontier_key(&self, vault: &[u8; 16], generation: u64) -> FrontierKey {
        FrontierKey(derive(&[b"convault/1/frontier", vault], &[self.0.expose()], &[&generation.to_be_bytes()]))
    }

    /// The MAC of an anchor slot, under a key from the anchor itself: it tells a torn write from a whole one.
    pub(crate) fn mac(&self, vault: &[u8; 16], bytes: &[u8]) -> Digest {
        let key = derive(&[b"convault/1/anchor-mac"], &[self.0.expose()], &[vault]);
        let mut mac = [0; 32];
        hash::hmac_into(key.expose(), &[bytes], &mut mac);
        mac
    }
}
