//! Roles as types: what a credential may do follows from the keys that it holds, and from nothing else.
//!
//! A [`Vault`](super::Vault) is open *as* somebody. Methods that need a key stand in an `impl` for those
//! who hold it, so that a janitor's vault has no way to read, not even a wrong one:
//!
//! ```compile_fail
//! fn titles(vault: &convault::vault::Vault<convault::vault::Janitor>) {
//!     vault.listing();
//! }
//! ```
//!
//! ```compile_fail
//! fn policy(vault: &mut convault::vault::Vault<convault::vault::Reader>, policy: &convault::retention::Policy) {
//!     vault.set_policy(policy, "", convault::clock::Instant(0));
//! }
//! ```
//!
//! The traits are sealed: nobody adds a role elsewhere.

use super::credential::{Fields, OwnKeys};
use super::head::Role;
use super::segment::SegmentRow;
use crate::crypto::{EnvelopeSecret, FactsKey, OwnerKey, ReadKey, Secret, Signer};
use crate::facts::{Facts, FactsRecord};

/// Who opened the vault.
pub struct Identity {
    pub(super) vault: [u8; 16],
    pub(super) credential: [u8; 16],
    pub(super) own: OwnKeys,
}

impl Identity {
    /// Signs facts for a segment, with what its row says of its content.
    pub(super) fn sign_facts(&self, facts: Facts, version: u32, row: &SegmentRow) -> FactsRecord {
        FactsRecord::sign(facts, version, row.about(&self.vault), self.credential, &self.own.signer)
    }
}

/// J, of one key epoch: opens facts with an erase share, policies, hold lists and the anchor's place.
pub struct FactsKeys {
    pub(super) vault: [u8; 16],
    pub(super) epoch: u32,
    pub(super) key: FactsKey,
}

/// The read keys of one key epoch: one opens read shares and names of tags, the other what depositors sealed.
pub struct ReadKeys {
    pub(super) vault: [u8; 16],
    pub(super) epoch: u32,
    pub(super) key: ReadKey,
    pub(super) secret: EnvelopeSecret,
}

/// What only owners hold.
pub struct OwnerKeys {
    pub(super) signer: Signer,
    pub(super) key: OwnerKey,
    pub(super) auditor: EnvelopeSecret,
}

mod sealed {
    use super::{FactsKeys, Identity, ReadKeys, Role};
    use crate::vault::credential::Fields;

    /// What the vault itself asks of a role.
    pub trait Holds: Sized + Sync {
        const ROLE: Role;
        fn identity(&self) -> &Identity;
        /// Takes the keys out of an opened bundle; none when one is missing.
        fn from_fields(identity: Identity, epoch: u32, fields: &Fields<'_>) -> Option<Self>;
    }

    pub trait HoldsFacts: Holds {
        fn facts(&self) -> &FactsKeys;
    }

    pub trait HoldsRead: HoldsFacts {
        fn read(&self) -> &ReadKeys;
    }
}

pub(super) use sealed::{Holds, HoldsFacts, HoldsRead};

/// A role.
pub trait Access: Holds {}

/// Holds J: knows what the policy says of a segment.
pub trait CanJudge: Access + HoldsFacts {}

/// Holds the read key besides.
pub trait CanRead: CanJudge + HoldsRead {}

/// May give keys up and sign what lives: an owner at will, a janitor as the policy says.
pub trait CanErase: CanJudge {}

/// Everything.
pub struct Owner {
    pub(super) identity: Identity,
    pub(super) facts: FactsKeys,
    pub(super) read: ReadKeys,
    pub(super) keys: OwnerKeys,
}

/// Reads, and changes nothing but the log.
pub struct Reader {
    identity: Identity,
    facts: FactsKeys,
    read: ReadKeys,
}

/// Destroys what the owner's policy says is due, and reads nothing.
pub struct Janitor {
    identity: Identity,
    facts: FactsKeys,
}

/// Adds, and reads nothing, not even what it added.
pub struct Depositor {
    identity: Identity,
}

/// Reads the log, and nothing else.
pub struct Auditor {
    identity: Identity,
    pub(super) auditor: EnvelopeSecret,
}

impl Owner {
    /// Draws all keys of a new vault, whose first credential is yet to be issued.
    pub(super) fn generate(vault: [u8; 16]) -> Self {
        Self {
            identity: Identity { vault, credential: [0; 16], own: OwnKeys::generate() },
            facts: FactsKeys { vault, epoch: 1, key: FactsKey::generate() },
            read: ReadKeys { vault, epoch: 1, key: ReadKey::generate(), secret: EnvelopeSecret::generate() },
            keys: OwnerKeys {
                signer: Signer::generate(),
                key: OwnerKey::generate(),
                auditor: EnvelopeSecret::generate(),
            },
        }
    }
}

fn facts_keys(identity: &Identity, epoch: u32, fields: &Fields<'_>) -> Option<FactsKeys> {
    Some(FactsKeys { vault: identity.vault, epoch, key: FactsKey::from_slice(fields.facts?)? })
}

fn read_keys(identity: &Identity, epoch: u32, fields: &Fields<'_>) -> Option<ReadKeys> {
    let (key, secret) = (ReadKey::from_slice(fields.read?)?, EnvelopeSecret::from_slice(fields.read_secret?)?);
    Some(ReadKeys { vault: identity.vault, epoch, key, secret })
}

impl Holds for Owner {
    const ROLE: Role = Role::Owner;

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn from_fields(identity: Identity, epoch: u32, fields: &Fields<'_>) -> Option<Self> {
        let keys = OwnerKeys {
            signer: Signer::from_seed(&Secret::from_slice(fields.owner?)?),
            key: OwnerKey::from_slice(fields.owner_key?)?,
            auditor: EnvelopeSecret::from_slice(fields.auditor?)?,
        };
        let (facts, read) = (facts_keys(&identity, epoch, fields)?, read_keys(&identity, epoch, fields)?);
        Some(Self { identity, facts, read, keys })
    }
}

impl Holds for Reader {
    const ROLE: Role = Role::Reader;

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn from_fields(identity: Identity, epoch: u32, fields: &Fields<'_>) -> Option<Self> {
        let (facts, read) = (facts_keys(&identity, epoch, fields)?, read_keys(&identity, epoch, fields)?);
        Some(Self { identity, facts, read })
    }
}

impl Holds for Janitor {
    const ROLE: Role = Role::Janitor;

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn from_fields(identity: Identity, epoch: u32, fields: &Fields<'_>) -> Option<Self> {
        let facts = facts_keys(&identity, epoch, fields)?;
        Some(Self { identity, facts })
    }
}

impl Holds for Depositor {
    const ROLE: Role = Role::Depositor;

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn from_fields(identity: Identity, _: u32, _: &Fields<'_>) -> Option<Self> {
        Some(Self { identity })
    }
}

impl Holds for Auditor {
    const ROLE: Role = Role::Auditor;

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn from_fields(identity: Identity, _: u32, fields: &Fields<'_>) -> Option<Self> {
        Some(Self { identity, auditor: EnvelopeSecret::from_slice(fields.auditor?)? })
    }
}

macro_rules! holds_facts {
    ($($role:ident)*) => {$(
        impl HoldsFacts for $role {
            fn facts(&self) -> &FactsKeys {
                &self.facts
            }
        }
        impl CanJudge for $role {}
    )*};
}

macro_rules! holds_read {
    ($($role:ident)*) => {$(
        impl HoldsRead for $role {
            fn read(&self) -> &ReadKeys {
                &self.read
            }
        }
        impl CanRead for $role {}
    )*};
}

impl Access for Owner {}
impl Access for Reader {}
impl Access for Janitor {}
impl Access for Depositor {}
impl Access for Auditor {}
holds_facts! { Owner Reader Janitor }
holds_read! { Owner Reader }
impl CanErase for Owner {}
impl CanErase for Janitor {}
