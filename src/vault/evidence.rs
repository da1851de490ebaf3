//! What a receipt shows to someone without the vault: signed state heads, and credentials the owner certified.

use super::access::{CanJudge, CanRead};
use super::head::{Credential, CredentialKind, Role, StateHead};
use super::{Vault, hex, unhex};
use crate::clock::Instant;
use crate::crypto::{Digest, EnvelopeKey, SignatureBytes, VerifyKey};

/// What stands before a receipt where it is signed.
const RECEIPT: &str = "convault/receipt/1\n";

/// What stands before the statement of an export where it is signed.
const EXPORT: &str = "convault/export/1\n";

/// A signed state head, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateEvidence {
    /// The vault.
    pub vault: [u8; 16],
    /// Its anchor generation.
    pub generation: u64,
    /// The hash of the anchor in force.
    pub anchor_hash: Digest,
    /// The live root.
    pub live_root: Digest,
    /// Entries in the log.
    pub log_size: u64,
    /// The log's root.
    pub log_root: Digest,
    /// The credentials that say to have signed it: what lives, and the rest.
    pub signers: [[u8; 16]; 2],
    bytes: Vec<u8>,
    head: StateHead,
}

impl StateEvidence {
    /// Reads a head; none when it is none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, signers) = StateHead::decode(bytes).ok()?;
        Some(Self {
            vault: head.vault,
            generation: head.generation,
            anchor_hash: head.anchor_hash,
            live_root: head.live_root,
            log_size: head.log.size(),
            log_root: head.log.root(),
            signers: [signers.root, signers.head],
            bytes: bytes.to_vec(),
            head,
        })
    }

    /// Whether both signatures are those of the keys that `key` gives for their signers.
    pub fn is_signed_by(&self, key: impl Fn(&[u8; 16]) -> Option<VerifyKey>) -> bool {
        StateHead::is_signed_by(&self.bytes, key)
    }

    /// The weakest class of a leaf's generation, as the head says.
    pub fn class_at(&self, leaf: u64) -> super::Class {
        self.head.class_at(leaf)
    }
}

/// A credential as a receipt shows it, in words and hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialEvidence(Credential);

impl CredentialEvidence {
    /// Its id, role, kind, keys and certificate.
    pub fn fields(&self) -> [(&'static str, String); 6] {
        let Credential { id, role, kind, verify_key, envelope_key, certificate, .. } = &self.0;
        [
            ("id", hex(id)),
            ("role", role.word().to_owned()),
            ("kind", kind.words().to_owned()),
            ("verify_key", hex(&verify_key.0)),
            ("envelope_key", hex(&envelope_key.0)),
            ("certificate", hex(certificate)),
        ]
    }

    /// Reads the fields back.
    pub fn from_fields(field: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let word = |name: &str| field(name);
        let role = [Role::Owner, Role::Reader, Role::Depositor, Role::Janitor, Role::Auditor, Role::Retired];
        let kind = [CredentialKind::Password, CredentialKind::RecoveryCode, CredentialKind::KeyFile];
        let (role_word, kind_word) = (word("role")?, word("kind")?);
        Some(Self(Credential {
            id: unhex(&word("id")?)?,
            role: role.into_iter().find(|role| role.word() == role_word)?,
            kind: kind.into_iter().find(|kind| kind.words() == kind_word)?,
            verify_key: VerifyKey(unhex(&word("verify_key")?)?),
            envelope_key: EnvelopeKey(unhex(&word("envelope_key")?)?),
            created: Instant(0),
            certificate: unhex(&word("certificate")?)?,
            bundle: Vec::new(),
        }))
    }

    /// Its id.
    pub fn id(&self) -> [u8; 16] {
        self.0.id
    }

    /// What it may do.
    pub fn role(&self) -> Role {
        self.0.role
    }

    /// Its signing key.
    pub fn verify_key(&self) -> VerifyKey {
        self.0.verify_key
    }

    /// Whether the owner certified it for this vault.
    pub fn is_certified_by(&self, owner: &VerifyKey, vault: &[u8; 16]) -> bool {
        self.0.is_certified_by(owner, vault)
    }
}

/// Whether `signature` is this key's over a receipt.
pub fn receipt_is_signed_by(key: &VerifyKey, receipt: &[u8], signature: &SignatureBytes) -> bool {
    key.verifies_text(RECEIPT, receipt, signature)
}

/// Whether `signature` is this key's over the statement of an export.
pub fn export_is_signed_by(key: &VerifyKey, statement: &[u8], signature: &SignatureBytes) -> bool {
    key.verifies_text(EXPORT, statement, signature)
}

impl<A: CanRead> Vault<A> {
    /// Signs the statement of an export with the acting credential's key.
    pub fn sign_export(&self, statement: &[u8]) -> SignatureBytes {
        self.keys.identity().own.signer.sign_text(EXPORT, statement)
    }
}

impl<A: CanJudge> Vault<A> {
    /// The owner's key, pinned when the vault was made.
    pub fn owner_key(&self) -> VerifyKey {
        self.static_head.owner
    }

    /// The credentials of these ids that the head still knows.
    pub fn credentials_of(&self, ids: &[[u8; 16]]) -> Vec<CredentialEvidence> {
        let all = self.static_head.credentials.iter().filter(|credential| ids.contains(&credential.id));
        all.map(|credential| CredentialEvidence(credential.clone())).collect()
    }

    /// The credential that opened the vault.
    pub fn credential_id(&self) -> [u8; 16] {
        self.keys.identity().credential
    }

    /// Signs a receipt with the acting credential's key.
    pub fn sign_receipt(&self, receipt: &[u8]) -> SignatureBytes {
        self.keys.identity().own.signer.sign_text(RECEIPT, receipt)
    }

    /// The acting credential's key.
    pub fn credential_key(&self) -> VerifyKey {
        self.keys.identity().own.signer.public()
    }

    /// Signs the lines of a checkpoint with the acting credential's key, for a receipt of its own.
    pub fn sign_note(&self, text: &str) -> SignatureBytes {
        self.keys.identity().own.signer.sign_text("", text.as_bytes())
    }

    /// Version and hash of the policy in force at a time, and of the hold list.
    pub fn documents(&self, now: Instant) -> Result<[(u64, Digest); 2], super::VaultError> {
        let head = &self.static_head;
        Ok([self.policy_in_force(now)?, (head.holds_version, head.holds_hash)])
    }
}

impl Vault {
    /// Signs the lines of a checkpoint with the owner key, the one key of this log.
    pub fn sign_checkpoint(&self, text: &str) -> SignatureBytes {
        self.keys.keys.signer.sign_text("", text.as_bytes())
    }
}
