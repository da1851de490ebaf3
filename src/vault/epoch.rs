//! Key epochs: new read, deposit and facts keys, and everything wrapped anew under them; no content is touched.

use zeroize::Zeroizing;

use super::access::{FactsKeys, Identity, Owner, OwnerKeys, ReadKeys};
use super::credential::{OwnKeys, Slot, seal_bundle};
use super::document::{Document, Signed};
use super::head::{Credential, Role, StaticHead};
use super::items::{at, facts_rows};
use super::rotate::Before;
use super::segment::{DEPOSITED, Opener, facts_row, open_facts, seal_facts, unwrap_read_share, wrap_read_share};
use super::{Damage, VaultError, copies, reimport, tags};
use crate::bytes::{Reader, put_var};
use crate::crypto::{Digest, EnvelopeSecret, FactsKey, OwnerKey, Place, Purpose, ReadKey, Secret, Signer, hash};
use crate::keyring::Walker;
use crate::store::{Store, StoreError, Table, Transaction};

/// Retired credentials kept, so that what they signed can be checked.
pub(super) const MOST_RETIRED: usize = 64;

/// The keys that are drawn anew with every key epoch.
struct EpochKeys {
    facts: FactsKeys,
    read: ReadKeys,
    auditor: EnvelopeSecret,
}

impl EpochKeys {
    /// Takes keys out of records that were just opened.
    fn from_slices(vault: [u8; 16], epoch: u32, [read, secret, facts, auditor]: [&[u8]; 4]) -> Option<Self> {
        Some(Self {
            auditor: EnvelopeSecret::from_slice(auditor)?,
            facts: FactsKeys { vault, epoch, key: FactsKey::from_slice(facts)? },
            read: ReadKeys {
                vault,
                epoch,
                key: ReadKey::from_slice(read)?,
                secret: EnvelopeSecret::from_slice(secret)?,
            },
        })
    }

    fn generate(vault: [u8; 16], epoch: u32) -> Self {
        Self {
            facts: FactsKeys { vault, epoch, key: FactsKey::generate() },
            read: ReadKeys { vault, epoch, key: ReadKey::generate(), secret: EnvelopeSecret::generate() },
            auditor: EnvelopeSecret::generate(),
        }
    }
}

/// The same credential and owner with the keys of another epoch.
fn with_epoch(before: &Owner, EpochKeys { facts, read, auditor }: EpochKeys) -> Owner {
    let copy = |secret: &[u8; 32]| Secret::fill_with(|out| out.copy_from_slice(secret));
    let envelope = |secret: &EnvelopeSecret| EnvelopeSecret::from_slice(secret.expose()).expect("a key has 32 bytes");
    let Identity { vault, credential, own } = &before.identity;
    let own = OwnKeys { signer: Signer::from_seed(&copy(own.signer.expose_seed())), envelope: envelope(&own.envelope) };
    let keys = OwnerKeys {
        signer: Signer::from_seed(&copy(before.keys.signer.expose_seed())),
        key: OwnerKey::from_slice(before.keys.key.expose()).expect("a key has 32 bytes"),
        auditor,
    };
    Owner { identity: Identity { vault: *vault, credential: *credential, own }, facts, read, keys }
}

/// The keys of an earlier epoch, which the key history leads back to one by one.
pub(super) fn former_keys(store: &Store, today: &Owner, epoch: u32) -> Result<Owner, VaultError> {
    let damaged = || VaultError::from(Damage::Record("key history"));
    let vault = today.identity.vault;
    let (read, facts) = (&today.read, &today.facts.key);
    let all: [&[u8]; 4] = [read.key.expose(), read.secret.expose(), facts.expose(), today.keys.auditor.expose()];
    let same = EpochKeys::from_slices(vault, read.epoch, all);
    let mut keys = with_epoch(today, same.ok_or_else(damaged)?);
    while keys.facts.epoch > epoch {
        let of = keys.facts.epoch;
        let row = store.get(Table::KeyHistory, of.into())?.ok_or_else(damaged)?;
        let mut reader = Reader::new(&row);
        let mut part = |key: crate::crypto::VaultKey, purpose| {
            let sealed = reader.var().map_err(|_| damaged())?;
            key.open(&Place { vault, owner: [0; 16], purpose, index: of }, sealed).map_err(|_| damaged())
        };
        let read = part(keys.read.key.derive_history(&vault), Purpose::FormerReadKeys)?;
        let facts = part(keys.facts.key.derive_history(&vault), Purpose::FormerFactsKey)?;
        let auditor = part(keys.keys.auditor.derive_history(&vault), Purpose::FormerAuditor)?;
        let (key, secret) = read.split_at_checked(32).ok_or_else(damaged)?;
        let former = EpochKeys::from_slices(vault, of - 1, [key, secret, &facts, &auditor]).ok_or_else(damaged)?;
        keys = with_epoch(&keys, former);
    }
    if keys.facts.epoch == epoch { Ok(keys) } else { Err(damaged()) }
}

/// Today's auditor secret and the former ones, which the key history leads back to, as far as it does.
pub(super) fn auditor_secrets(store: &Store, head: &StaticHead, today: &EnvelopeSecret) -> Vec<EnvelopeSecret> {
    let (vault, mut epoch) = (head.vault, head.key_epoch);
    let mut all: Vec<EnvelopeSecret> = EnvelopeSecret::from_slice(today.expose()).into_iter().collect();
    while let (Some(key), Ok(Some(row))) = (all.last(), store.get(Table::KeyHistory, epoch.into())) {
        let mut reader = Reader::new(&row);
        let sealed = reader.var().and_then(|_| reader.var()).and_then(|_| reader.var());
        let place = Place { vault, owner: [0; 16], purpose: Purpose::FormerAuditor, index: epoch };
        let former = sealed.ok().and_then(|sealed| key.derive_history(&vault).open(&place, sealed).ok());
        let Some(former) = former.and_then(|former| EnvelopeSecret::from_slice(&former)) else { break };
        all.push(former);
        epoch -= 1;
    }
    all
}

/// Seals every read share and facts record under the new keys.
fn rewrap_segments(
    transaction: &mut Transaction<'_>,
    before: &Before<'_, Owner>,
    keys: &Owner,
) -> Result<(), VaultError> {
    let mut walker = before.frontier.walker();
    for leaf in transaction.store().ids(Table::Segment)? {
        rewrap_segment(transaction, before.keys, &mut walker, keys, leaf).map_err(|error| at(leaf, error))?;
    }
    Ok(())
}

/// Seals a segment's read share, facts and note under the new keys.
pub(super) fn rewrap_segment(
    transaction: &mut Transaction<'_>,
    former: &Owner,
    walker: &mut Walker<'_>,
    keys: &Owner,
    leaf: u64,
) -> Result<(), VaultError> {
    let opener = Opener::at(transaction.store(), &former.facts, walker, leaf)?;
    let segment = opener.row.segment;
    if let Some(share) = transaction.store().get(Table::ReadShare, leaf)? {
        match unwrap_read_share(&former.read, segment, &share) {
            Ok((read, conversation)) => {
                transaction.delete(Table::ReadShare, leaf..leaf + 1)?;
                let wrapped = wrap_read_share(&read, &keys.read, segment, conversation);
                transaction.insert(Table::ReadShare, leaf, &wrapped)?;
            }
            // What a depositor sealed wrongly stays as it is: it stops nobody from changing keys.
            Err(_) if share.starts_with(&DEPOSITED) => {}
            Err(error) => return Err(error),
        }
    }
    let new_key = opener.facts_key_under(&keys.facts.key);
    for (version, row) in facts_rows(transaction.store(), leaf)? {
        let record = open_facts(&opener.facts_key(), &former.facts, segment, version, &row)?;
        let id = facts_row(leaf, version);
        transaction.delete(Table::Facts, id..id + 1)?;
        transaction.insert(Table::Facts, id, &seal_facts(&record, &new_key, &keys.facts, segment))?;
    }
    if let Some(note) = transaction.store().get(Table::Superseded, leaf)? {
        let place = opener.place(Purpose::Superseded);
        let plain = opener.facts_key().open(&place, &note).map_err(|_| Damage::Record("superseded note"))?;
        transaction.delete(Table::Superseded, leaf..leaf + 1)?;
        transaction.insert(Table::Superseded, leaf, &new_key.seal(&place, &plain))?;
    }
    Ok(())
}

/// Seals tags, policies and hold lists under the new keys, and the former keys into the key history.
fn rewrap_records(
    transaction: &mut Transaction<'_>,
    before: &Before<'_, Owner>,
    keys: &Owner,
) -> Result<(), VaultError> {
    let vault = keys.facts.vault;
    let names = tags::names(transaction.store(), &before.keys.read, &before.static_head.owner)?;
    let next = transaction.store().last(Table::Tag)?.unwrap_or(0) + 1;
    transaction.delete(Table::Tag, 0..next)?;
    for (number, (id, name)) in (next..).zip(names) {
        transaction.insert(Table::Tag, number, &tags::row(id, &name, keys))?;
    }
    let (old, new) = (&before.keys.facts.key, &keys.facts.key);
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
    for (number, prints) in reimport::rows(transaction.store(), &before.keys.facts)? {
        transaction.delete(Table::Fingerprint, number..number + 1)?;
        transaction.insert(Table::Fingerprint, number, &reimport::row(&prints, &keys.facts))?;
    }
    let (copies, _) = copies::rows(transaction.store(), &before.keys.facts)?;
    copies::reseal(transaction, copies, &keys.facts)?;
    let epoch = keys.facts.epoch;
    let place = |purpose| Place { vault, owner: [0; 16], purpose, index: epoch };
    let former = &before.keys.read;
    let read_keys = Zeroizing::new([&former.key.expose()[..], former.secret.expose()].concat());
    let mut row = Vec::new();
    put_var(&mut row, &keys.read.key.derive_history(&vault).seal(&place(Purpose::FormerReadKeys), &read_keys));
    put_var(&mut row, &new.derive_history(&vault).seal(&place(Purpose::FormerFactsKey), old.expose()));
    let auditor = keys.keys.auditor.derive_history(&vault);
    put_var(&mut row, &auditor.seal(&place(Purpose::FormerAuditor), before.keys.keys.auditor.expose()));
    transaction.insert(Table::KeyHistory, epoch.into(), &row)?;
    Ok(())
}

/// Draws the keys of the next epoch and wraps everything under them; the keys, and the static head that goes with them,
/// to be completed with [`reseal`].
pub(super) fn rekey(
    transaction: &mut Transaction<'_>,
    before: &Before<'_, Owner>,
) -> Result<(Owner, StaticHead), VaultError> {
    let fresh = EpochKeys::generate(before.keys.identity.vault, before.keys.facts.epoch + 1);
    let keys = with_epoch(before.keys, fresh);
    rewrap_segments(transaction, before, &keys)?;
    rewrap_records(transaction, before, &keys)?;
    let mut head = before.static_head.clone();
    head.version += 1;
    head.key_epoch = keys.facts.epoch;
    head.read_key = keys.read.secret.public();
    head.auditor_key = keys.keys.auditor.public();
    head.key_history_hash = history_hash(transaction.store())?;
    Ok((keys, head))
}

/// Takes the slots and the capabilities of these credentials away.
pub(super) fn retire(
    transaction: &mut Transaction<'_>,
    head: &mut StaticHead,
    owner: &Signer,
    is_gone: impl Fn(&Credential) -> bool,
) -> Result<(), VaultError> {
    for (number, row) in transaction.store().all(Table::Slot)? {
        let slot = Slot::decode(&row).map_err(|_| Damage::Record("slot"))?;
        if head.credential(&slot.credential).is_none_or(&is_gone) {
            transaction.delete(Table::Slot, number..number + 1)?;
        }
    }
    let vault = head.vault;
    for credential in head.credentials.iter_mut().filter(|credential| is_gone(credential)) {
        credential.retire(&vault, owner);
    }
    let retired = head.credentials.iter().filter(|credential| credential.role == Role::Retired).count();
    let mut surplus = retired.saturating_sub(MOST_RETIRED);
    head.credentials.retain(|credential| {
        let drop = credential.role == Role::Retired && surplus > 0;
        surplus -= usize::from(drop);
        !drop
    });
    Ok(())
}

/// Gives every credential that is left the keys of today; how many there are.
pub(super) fn reseal(head: &mut StaticHead, keys: &Owner) -> Result<u64, VaultError> {
    let mut count = 0;
    for credential in head.credentials.iter_mut().filter(|credential| credential.role != Role::Retired) {
        let label = credential.kind.words();
        credential.bundle = seal_bundle(keys, credential, label).ok_or(Damage::Record("credential"))?;
        count += 1;
    }
    Ok(count)
}

/// Stores a new slot.
pub(super) fn add_slot(transaction: &mut Transaction<'_>, slot: &[u8]) -> Result<(), StoreError> {
    let number = transaction.store().last(Table::Slot)?.unwrap_or(0) + 1;
    transaction.insert(Table::Slot, number, slot)
}

/// The hash of all key-history rows.
pub(super) fn history_hash(store: &Store) -> Result<Digest, VaultError> {
    let mut all = Vec::new();
    for (_, row) in store.all(Table::KeyHistory)? {
        put_var(&mut all, &row);
    }
    Ok(hash::labelled("convault/1/key-history", &[&all]))
}
