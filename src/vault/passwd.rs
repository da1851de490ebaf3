//! Changing the owner's password: new read, deposit and facts keys, everything wrapped anew, no content touched.

use super::credential::{OwnerBundle, Slot, issue_owner};
use super::document::{Document, Signed};
use super::head::{Credential, Role, StaticHead};
use super::items::{at, facts_rows};
use super::log::Action;
use super::rotate::{Before, Successor};
use super::segment::{Opener, facts_row, open_facts, seal_facts, unwrap_read_share, wrap_read_share};
use super::{CredentialKind, Damage, Keys, Vault, VaultError, tags};
use crate::bytes::{Reader, put_var};
use crate::clock::Instant;
use crate::crypto::{
    Digest, EnvelopeSecret, FactsKey, KdfCost, OwnerKey, Password, Place, Purpose, ReadKey, Secret, Signer, hash,
};
use crate::keyring::Walker;
use crate::store::{Store, Table, Transaction};

/// Retired credentials kept, so that what they signed can be checked.
const MOST_RETIRED: usize = 64;

/// What a password change wrapped anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrapped {
    /// Segments whose read share and facts were sealed under the new keys.
    pub segments: u64,
    /// Credentials, this one included, that were given the new keys.
    pub credentials: u64,
}

impl Vault {
    /// Gives the credential that opened the vault a new password, and the vault new keys.
    ///
    /// An older copy of the vault with the old password still opens what it holds, as long as its
    /// anchor exists.
    pub fn change_password(
        &mut self,
        password: &Password,
        cost: KdfCost,
        now: Instant,
    ) -> Result<Rewrapped, VaultError> {
        if !cost.is_enough() {
            return Err(crate::crypto::CostOutOfBounds(cost).into());
        }
        let segments = self.store.count(Table::ReadShare)?;
        let owners = self.static_head.credentials.iter().filter(|credential| credential.role == Role::Owner);
        let credentials = owners.count() as u64;
        let action = Action::counted("passwd", vec![("segments", segments)]);
        self.rotate(&action, now, |transaction, before| {
            let fresh = EpochKeys {
                epoch: before.keys.epoch + 1,
                read_key: ReadKey::generate(),
                read_secret: EnvelopeSecret::generate(),
                facts_key: FactsKey::generate(),
            };
            let mut keys = with_epoch(before.keys, fresh);
            rewrap_segments(transaction, before, &keys)?;
            rewrap_records(transaction, before, &keys)?;
            let head = new_head(transaction, before, &mut keys, password, cost, now)?;
            Ok(Successor { keys: Some(keys), static_head: Some(head) })
        })?;
        Ok(Rewrapped { segments, credentials })
    }
}

/// The keys that are drawn anew with every key epoch.
struct EpochKeys {
    epoch: u32,
    read_key: ReadKey,
    read_secret: EnvelopeSecret,
    facts_key: FactsKey,
}

/// The same credential and owner with the keys of another epoch.
fn with_epoch(before: &Keys, EpochKeys { epoch, read_key, read_secret, facts_key }: EpochKeys) -> Keys {
    let copy = |secret: &[u8; 32]| Secret::fill_with(|out| out.copy_from_slice(secret));
    let bundle = OwnerBundle {
        owner: Signer::from_seed(&copy(before.bundle.owner.expose_seed())),
        owner_key: OwnerKey::from_slice(before.bundle.owner_key.expose()).expect("a key has 32 bytes"),
        read_key,
        read_secret,
        facts_key,
        auditor_secret: EnvelopeSecret::from_slice(before.bundle.auditor_secret.expose()).expect("a key has 32 bytes"),
    };
    Keys {
        vault: before.vault,
        epoch,
        credential: before.credential,
        own: super::OwnKeys {
            signer: Signer::from_seed(&copy(before.own.signer.expose_seed())),
            envelope: EnvelopeSecret::from_slice(before.own.envelope.expose()).expect("a key has 32 bytes"),
        },
        bundle,
    }
}

/// The keys of an earlier epoch, which the key history leads back to one by one.
pub(super) fn former_keys(store: &Store, today: &Keys, epoch: u32) -> Result<Keys, VaultError> {
    let damaged = || VaultError::from(Damage::Record("key history"));
    let mut keys = with_epoch(
        today,
        EpochKeys {
            epoch: today.epoch,
            read_key: ReadKey::from_slice(today.bundle.read_key.expose()).ok_or_else(damaged)?,
            read_secret: EnvelopeSecret::from_slice(today.bundle.read_secret.expose()).ok_or_else(damaged)?,
            facts_key: FactsKey::from_slice(today.bundle.facts_key.expose()).ok_or_else(damaged)?,
        },
    );
    while keys.epoch > epoch {
        let row = store.get(Table::KeyHistory, keys.epoch.into())?.ok_or_else(damaged)?;
        let mut reader = Reader::new(&row);
        let place = |purpose| Place { vault: keys.vault, owner: [0; 16], purpose, index: keys.epoch };
        let mut part = |key: crate::crypto::VaultKey, purpose| {
            let sealed = reader.var().map_err(|_| damaged())?;
            key.open(&place(purpose), sealed).map_err(|_| damaged())
        };
        let read = part(keys.bundle.read_key.derive_history(&keys.vault), Purpose::FormerReadKeys)?;
        let facts = part(keys.bundle.facts_key.derive_history(&keys.vault), Purpose::FormerFactsKey)?;
        let (key, secret) = read.split_at_checked(32).ok_or_else(damaged)?;
        let former = EpochKeys {
            epoch: keys.epoch - 1,
            read_key: ReadKey::from_slice(key).ok_or_else(damaged)?,
            read_secret: EnvelopeSecret::from_slice(secret).ok_or_else(damaged)?,
            facts_key: FactsKey::from_slice(&facts).ok_or_else(damaged)?,
        };
        keys = with_epoch(&keys, former);
    }
    if keys.epoch == epoch { Ok(keys) } else { Err(damaged()) }
}

/// Seals every read share and facts record under the new keys.
fn rewrap_segments(transaction: &mut Transaction<'_>, before: &Before<'_>, keys: &Keys) -> Result<(), VaultError> {
    let mut walker = before.frontier.walker();
    for leaf in transaction.store().ids(Table::Segment)? {
        rewrap_segment(transaction, before.keys, &mut walker, keys, leaf).map_err(|error| at(leaf, error))?;
    }
    Ok(())
}

/// Seals a segment's read share, facts and note under the new keys.
pub(super) fn rewrap_segment(
    transaction: &mut Transaction<'_>,
    former: &Keys,
    walker: &mut Walker<'_>,
    keys: &Keys,
    leaf: u64,
) -> Result<(), VaultError> {
    let row = transaction.store().get(Table::Segment, leaf)?.ok_or(Damage::Record("segment"))?;
    let opener = Opener::new(former, walker, leaf, &row)?;
    let segment = opener.row.segment;
    if let Some(share) = transaction.store().get(Table::ReadShare, leaf)? {
        let (read, conversation) = unwrap_read_share(former, segment, &share)?;
        transaction.delete(Table::ReadShare, leaf..leaf + 1)?;
        transaction.insert(Table::ReadShare, leaf, &wrap_read_share(&read, keys, segment, conversation))?;
    }
    let new_key = opener.facts_key_under(&keys.bundle.facts_key);
    for (version, row) in facts_rows(transaction.store(), leaf)? {
        let record = open_facts(&opener.facts_key(), former, segment, version, &row)?;
        let id = facts_row(leaf, version);
        transaction.delete(Table::Facts, id..id + 1)?;
        transaction.insert(Table::Facts, id, &seal_facts(&record, &new_key, keys, segment))?;
    }
    if let Some(note) = transaction.store().get(Table::Superseded, leaf)? {
        let place = Place { vault: keys.vault, owner: segment, purpose: Purpose::Superseded, index: 0 };
        let plain = opener.facts_key().open(&place, &note).map_err(|_| Damage::Record("superseded note"))?;
        transaction.delete(Table::Superseded, leaf..leaf + 1)?;
        transaction.insert(Table::Superseded, leaf, &new_key.seal(&place, &plain))?;
    }
    Ok(())
}

/// Seals tags, policies and hold lists under the new keys, and the former keys into the key history.
fn rewrap_records(transaction: &mut Transaction<'_>, before: &Before<'_>, keys: &Keys) -> Result<(), VaultError> {
    let vault = keys.vault;
    let names = tags::names(transaction.store(), before.keys)?;
    let next = transaction.store().last(Table::Tag)?.unwrap_or(0) + 1;
    transaction.delete(Table::Tag, 0..next)?;
    for (number, (id, name)) in (next..).zip(names) {
        transaction.insert(Table::Tag, number, &tags::row(id, &name, keys))?;
    }
    let (old, new) = (&before.keys.bundle.facts_key, &keys.bundle.facts_key);
    let owner = &before.static_head.owner;
    for (table, kind, old, new) in [
        (Table::Policy, Document::Policy, old.derive_policy(&vault), new.derive_policy(&vault)),
        (Table::Hold, Document::Holds, old.derive_holds(&vault), new.derive_holds(&vault)),
    ] {
        for (version, row) in transaction.store().all(table)? {
            let document =
                Signed::open(kind, vault, &old, owner, &row).map_err(|_| Damage::Record("policy or hold list"))?;
            transaction.delete(table, version..version + 1)?;
            transaction.insert(table, version, &document.seal(kind, vault, &new))?;
        }
    }
    let place = |purpose| Place { vault, owner: [0; 16], purpose, index: keys.epoch };
    let former = &before.keys.bundle;
    let read_keys = zeroize::Zeroizing::new([&former.read_key.expose()[..], former.read_secret.expose()].concat());
    let mut row = Vec::new();
    let read_history = keys.bundle.read_key.derive_history(&vault);
    put_var(&mut row, &read_history.seal(&place(Purpose::FormerReadKeys), &read_keys));
    let facts_history = keys.bundle.facts_key.derive_history(&vault);
    put_var(&mut row, &facts_history.seal(&place(Purpose::FormerFactsKey), former.facts_key.expose()));
    transaction.insert(Table::KeyHistory, keys.epoch.into(), &row)?;
    // Nothing of this version writes rows that only the owner key opens; they need no new seal.
    Ok(())
}

/// The next static head: the new public keys, every credential's bundle with the new secrets, and the
/// password's slot.
///
/// The credential that opened the vault is retired and a new one comes in its place. Opened by a recovery
/// code, that one stays, the passwords are lost, and their credentials are retired.
fn new_head(
    transaction: &mut Transaction<'_>,
    before: &Before<'_>,
    keys: &mut Keys,
    password: &Password,
    cost: KdfCost,
    now: Instant,
) -> Result<StaticHead, VaultError> {
    let vault = keys.vault;
    let mut head = before.static_head.clone();
    head.version += 1;
    head.key_epoch = keys.epoch;
    head.read_key = keys.bundle.read_secret.public();
    head.key_history_hash = history_hash(transaction.store())?;
    let own = head.credential(&keys.credential).ok_or(Damage::Record("credential"))?.kind;
    let gone = |credential: &Credential| match own {
        CredentialKind::RecoveryCode => credential.role == Role::Owner && credential.kind == CredentialKind::Password,
        _ => credential.id == keys.credential,
    };
    for (number, row) in transaction.store().all(Table::Slot)? {
        let slot = Slot::decode(&row).map_err(|_| Damage::Record("slot"))?;
        if head.credential(&slot.credential).is_none_or(gone) {
            transaction.delete(Table::Slot, number..number + 1)?;
        }
    }
    for credential in head.credentials.iter_mut().filter(|credential| gone(credential)) {
        credential.retire(&vault, &keys.bundle.owner);
    }
    let retired = head.credentials.iter().filter(|credential| credential.role == Role::Retired).count();
    let mut surplus = retired.saturating_sub(MOST_RETIRED);
    head.credentials.retain(|credential| {
        let drop = credential.role == Role::Retired && surplus > 0;
        surplus -= usize::from(drop);
        !drop
    });
    // A new key pair too: with the old one, the old slot and the old password would open the new bundle.
    let kind = CredentialKind::Password;
    let (credential, new_own, slot) = issue_owner(&keys.bundle, kind, kind.words(), password, cost, vault, now)?;
    if own != CredentialKind::RecoveryCode {
        (keys.credential, keys.own) = (credential.id, new_own);
    }
    head.credentials.push(credential);
    let number = transaction.store().last(Table::Slot)?.unwrap_or(0) + 1;
    transaction.insert(Table::Slot, number, &slot)?;
    for credential in head.credentials.iter_mut().filter(|credential| credential.role == Role::Owner) {
        let label = credential.kind.words();
        credential.bundle = keys.bundle.seal(credential, label, &vault).ok_or(Damage::Record("credential"))?;
    }
    Ok(head)
}

/// The hash of all key-history rows.
pub(super) fn history_hash(store: &Store) -> Result<Digest, VaultError> {
    let mut all = Vec::new();
    for (_, row) in store.all(Table::KeyHistory)? {
        put_var(&mut all, &row);
    }
    Ok(hash::labelled("convault/1/key-history", &[&all]))
}
