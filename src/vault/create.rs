//! Making a vault: keys drawn, the first heads signed, every table's first rows written.

use std::path::PathBuf;

use super::access::{Identity, Owner};
use super::commit::{self, Actor};
use super::credential::{Proof, issue};
use super::deposit::empty_inbox;
use super::document::{Document, Signed};
use super::head::{AnchorKind, Credential, CredentialKind, Role, SUITE, SignedRoots, StateHead, StaticHead};
use super::log::Action;
use super::recovery::RecoveryCode;
use super::replicas::Files;
use super::rotate::seal_frontier;
use super::trim::LogMarks;
use super::{Place, Vault, VaultError};
use crate::anchor::FileAnchor;
use crate::clock::Instant;
use crate::crypto::{self, Anchor, EnvelopeSecret, KdfCost, Password, hash, random};
use crate::keyring::Frontier;
use crate::log_tree::RightEdge;
use crate::store::{Lock, Store, Table};
use crate::tree;

/// Where the anchor is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnchorPlace {
    /// In the vault file.
    Embedded,
    /// In a file of its own, by absolute path.
    File(PathBuf),
}

/// What a new vault is made with.
pub struct NewVault<'a> {
    /// The first owner's password.
    pub password: &'a Password,
    /// What deriving a key from it costs.
    pub cost: KdfCost,
    /// Where the anchor is to be.
    pub anchor: AnchorPlace,
    /// Whether to make a recovery code.
    pub recovery: bool,
    /// The time.
    pub now: Instant,
}

/// Bytes that name a vault file and its format; row 1 of table `header`.
pub(super) fn header(vault: &[u8; 16]) -> Vec<u8> {
    let mut out = b"convault".to_vec();
    out.extend_from_slice(&1_u16.to_be_bytes());
    out.extend_from_slice(&SUITE.to_be_bytes());
    out.extend_from_slice(vault);
    out
}

impl Vault {
    /// Makes a vault at the lock's path. A recovery code is returned once and kept nowhere.
    pub fn create(lock: Lock, new: &NewVault<'_>) -> Result<(Self, Option<RecoveryCode>), VaultError> {
        if !new.cost.is_enough() {
            return Err(crypto::CostOutOfBounds(new.cost).into());
        }
        // The slow part comes before any file: whoever stops it leaves nothing behind.
        let vault: [u8; 16] = random::array();
        let mut keys = Owner::generate(vault);
        let issue = |kind: CredentialKind, secret: &Password| {
            issue(&keys, Role::Owner, kind.words(), &Proof { kind, secret, cost: new.cost }, new.now)
        };
        let (first, own, slot) = issue(CredentialKind::Password, new.password)?;
        let mut credentials = vec![first];
        let mut slots = vec![slot];
        let code = new.recovery.then(RecoveryCode::generate);
        if let Some(code) = &code {
            let (second, _, slot) = issue(CredentialKind::RecoveryCode, &code.password())?;
            credentials.push(second);
            slots.push(slot);
        }
        keys.identity = Identity { vault, credential: credentials[0].id, own };

        let path = lock.vault().to_owned();
        let store = Store::create(lock)?;
        let made = Self::fill(store, new, keys, credentials, &slots);
        if made.is_err() {
            // Nothing half-made stays: these files did not exist before this call.
            Store::remove(&path);
        }
        Ok((made?, code))
    }

    fn fill(
        mut store: Store,
        new: &NewVault<'_>,
        keys: Owner,
        credentials: Vec<Credential>,
        slots: &[Vec<u8>],
    ) -> Result<Self, VaultError> {
        let vault = keys.identity.vault;
        let policy = Signed::first(Document::Policy, &vault, &keys.keys.signer);
        let holds = Signed::first(Document::Holds, &vault, &keys.keys.signer);
        let static_head = StaticHead {
            vault,
            version: 1,
            owner: keys.keys.signer.public(),
            key_epoch: 1,
            read_key: keys.read.secret.public(),
            auditor_key: keys.keys.auditor.public(),
            policy_version: policy.version(),
            policy_hash: policy.hash(Document::Policy),
            holds_version: holds.version(),
            holds_hash: holds.hash(Document::Holds),
            key_history_hash: hash::labelled("convault/1/key-history", &[]),
            anchor_kind: match &new.anchor {
                AnchorPlace::Embedded => AnchorKind::Embedded,
                AnchorPlace::File(_) => AnchorKind::File,
            },
            credentials,
        };
        let static_bytes = static_head.sign(&keys.keys.signer);

        let anchor = Anchor::generate();
        let frontier = Frontier::plant();
        let deposit_secret = EnvelopeSecret::generate();
        let generation = 1;
        let marks = LogMarks::default();
        let sealed = seal_frontier(&frontier, &deposit_secret, &marks, &anchor, &vault, generation);
        let place = match &new.anchor {
            AnchorPlace::Embedded => Place::Embedded,
            AnchorPlace::File(path) => Place::File(Files::one(path.clone())),
        };
        let anchor_row = match &place {
            Place::Embedded => anchor.expose().to_vec(),
            Place::File(files) => files.row(&keys.facts),
        };
        let mut state = StateHead {
            vault,
            anchor_row: hash::sha256(&[&anchor_row]),
            generation,
            anchor_kind: static_head.anchor_kind,
            anchor_hash: anchor.hash(&vault, generation),
            frontier_hash: hash::sha256(&[&sealed]),
            next_leaf: 0,
            live_root: tree::empty_root(),
            log: RightEdge::new(),
            inbox_digest: empty_inbox(),
            deposit_epoch: 1,
            deposit_key: deposit_secret.public(),
            static_hash: hash::sha256(&[&static_bytes]),
            purged: Instant(i64::MIN),
            classes: vec![(0, place.class())],
            signed: SignedRoots::default(),
        };

        let mut transaction = store.begin()?;
        transaction.insert(Table::Header, 1, &header(&vault))?;
        transaction.insert(Table::StaticHead, 1, &static_bytes)?;
        for (number, slot) in (1..).zip(slots) {
            transaction.insert(Table::Slot, number, slot)?;
        }
        transaction.insert(Table::Frontier, generation, &sealed)?;
        let policy_key = keys.facts.key.derive_policy(&vault);
        transaction.insert(Table::Policy, 1, &policy.seal(Document::Policy, vault, &policy_key))?;
        let holds_key = keys.facts.key.derive_holds(&vault);
        transaction.insert(Table::Hold, 1, &holds.seal(Document::Holds, vault, &holds_key))?;
        transaction.insert(Table::Anchor, generation, &anchor_row)?;
        let action = Action::counted("init", vec![("credentials", slots.len() as u64)]);
        let actor = Actor::of(&keys, &static_head);
        commit::write_state(&mut transaction, &mut state, 0, &Default::default(), &action, &actor, new.now)?;
        // The anchor is durable before the vault that cannot be opened without it.
        if let Place::File(files) = &place {
            FileAnchor::create(&files.used, vault, generation, &anchor)?;
        }
        let committed = transaction.commit().map_err(VaultError::from);
        if let Err(error) = committed.and_then(|()| commit::renew_copy(&store, &place, &vault)) {
            if let Place::File(files) = &place {
                // Made above; an anchor that was there before stopped us earlier.
                FileAnchor::remove(&files.used);
            }
            return Err(error);
        }
        Ok(Self { store, static_head, state, state_row: 1, keys, frontier, deposit_secret, marks, place })
    }
}
