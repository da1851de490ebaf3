//! Tags: names kept apart from the opaque ids that facts carry, so that a janitor reads no name.

use std::collections::{BTreeMap, BTreeSet};

use unicode_normalization::UnicodeNormalization;

use super::access::{CanRead, Owner, ReadKeys};
use super::commit::{Actor, write_state};
use super::items::{Entry, facts_at};
use super::log::Action;
use super::segment::{facts_row, seal_facts};
use super::{Damage, Vault, VaultError};
use crate::clock::Instant;
use crate::crypto::{Digest, Place, Purpose, SignatureBytes, VaultKey, VerifyKey, padding, random};
use crate::facts::{Facts, FactsRecord, TagId};
use crate::keyring::Frontier;
use crate::store::{Store, Table, Transaction};

const SIGNED: &str = "convault/1/tag";

/// Longest tag name, in bytes.
const MAX_NAME: usize = 128;

/// A name in its one form: NFC, no white space, no control characters.
fn checked(name: &str) -> Result<String, VaultError> {
    let name: String = name.nfc().collect();
    if name.is_empty() {
        return Err(VaultError::TagName("it is empty"));
    }
    if name.len() > MAX_NAME {
        return Err(VaultError::TagName("it is longer than 128 bytes"));
    }
    if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(VaultError::TagName("it holds white space or control characters"));
    }
    Ok(name)
}

/// Whether a tag may be called so, and why not.
pub fn check_tag_name(name: &str) -> Result<(), VaultError> {
    checked(name).map(drop)
}

fn place(vault: [u8; 16]) -> Place {
    Place::of_vault(vault, Purpose::Tag)
}

/// The tag names that can be read, as an owner signed them.
pub(super) fn legible(
    store: &Store,
    keys: &ReadKeys,
    owner: &VerifyKey,
) -> Result<BTreeMap<TagId, String>, VaultError> {
    let key = keys.key.derive_tags(&keys.vault);
    let rows = store.all(Table::Tag)?;
    Ok(rows.iter().filter_map(|(_, row)| read_row(row, &key, keys.vault, owner)).collect())
}

/// A name and its id belong together by the owner's word: who reads could call one tag by the name of another.
fn read_row(row: &[u8], key: &VaultKey, vault: [u8; 16], owner: &VerifyKey) -> Option<(TagId, String)> {
    let plain = key.open(&place(vault), row).ok()?;
    let (signed, signature): (&[u8], &SignatureBytes) = padding::trimmed(&plain)?.split_last_chunk()?;
    let (id, name) = signed.split_first_chunk()?;
    let is_signed = owner.verifies(SIGNED, &[&vault, signed], signature);
    is_signed.then_some((*id, std::str::from_utf8(name).ok()?.to_owned()))
}

/// All tag names.
pub(super) fn names(store: &Store, keys: &ReadKeys, owner: &VerifyKey) -> Result<BTreeMap<TagId, String>, VaultError> {
    let key = keys.key.derive_tags(&keys.vault);
    let mut names = BTreeMap::new();
    for (_, row) in store.all(Table::Tag)? {
        let (id, name) = read_row(&row, &key, keys.vault, owner).ok_or(Damage::Record("tag"))?;
        names.insert(id, name);
    }
    Ok(names)
}

/// The numbers of the rows of tags that `is_wanted`.
pub(super) fn rows(store: &Store, keys: &ReadKeys, is_wanted: impl Fn(&TagId) -> bool) -> Result<Vec<u64>, VaultError> {
    let key = keys.key.derive_tags(&keys.vault);
    let mut rows = Vec::new();
    for (number, row) in store.all(Table::Tag)? {
        let plain = key.open(&place(keys.vault), &row).map_err(|_| Damage::Record("tag"))?;
        let tag = padding::trimmed(&plain).and_then(|tag| tag.first_chunk()).ok_or(Damage::Record("tag"))?;
        if is_wanted(tag) {
            rows.push(number);
        }
    }
    Ok(rows)
}

/// The row of a tag's name.
pub(super) fn row(id: TagId, name: &str, keys: &Owner) -> Vec<u8> {
    let vault = keys.read.vault;
    let mut plain = [&id[..], name.as_bytes()].concat();
    let signature = keys.keys.signer.sign(SIGNED, &[&vault, &plain]);
    plain.extend_from_slice(&signature);
    keys.read.key.derive_tags(&vault).seal(&place(vault), &padding::bucket(&plain))
}

/// The ids of `wanted` names; names that are new are added.
pub(super) fn intern(
    transaction: &mut Transaction<'_>,
    keys: &Owner,
    wanted: &[String],
) -> Result<Vec<TagId>, VaultError> {
    let known = names(transaction.store(), &keys.read, &keys.keys.signer.public())?;
    let mut ids = Vec::new();
    for name in wanted {
        let name = checked(name)?;
        let id = match known.iter().find(|(_, other)| **other == name) {
            Some((id, _)) => *id,
            None => {
                let id: TagId = random::array();
                let number = transaction.store().last(Table::Tag)?.unwrap_or(0) + 1;
                transaction.insert(Table::Tag, number, &row(id, &name, keys))?;
                id
            }
        };
        ids.push(id);
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

impl<A: CanRead> Vault<A> {
    /// All tag names by id.
    pub fn tag_names(&self) -> Result<BTreeMap<TagId, String>, VaultError> {
        names(&self.store, self.keys.read(), &self.static_head.owner)
    }
}

impl Vault {
    /// Whether there is any tag.
    pub fn has_tags(&self) -> Result<bool, VaultError> {
        Ok(self.store.count(Table::Tag)? > 0)
    }

    /// Adds and removes tags on conversations; how many changed. Content is not touched.
    pub fn tag(
        &mut self,
        entries: &[Entry],
        add: &[String],
        remove: &[String],
        now: Instant,
    ) -> Result<u64, VaultError> {
        self.refuse_while_promised()?;
        let mut transaction = self.store.begin()?;
        let added = intern(&mut transaction, &self.keys, add)?;
        let known = names(transaction.store(), &self.keys.read, &self.static_head.owner)?;
        let removed = remove
            .iter()
            .map(|name| Ok(known.iter().find(|(_, other)| **other == *name).map(|(id, _)| *id)))
            .collect::<Result<Vec<Option<TagId>>, VaultError>>()?;
        let reads_tags = self.static_head.policy_version > 1 || self.static_head.holds_version > 1;
        let change = |_: &Entry, facts: &mut Facts| {
            let mut changed = false;
            for id in &added {
                changed |= facts.set_tag(*id, true);
            }
            for id in removed.iter().flatten() {
                changed |= facts.set_tag(*id, false);
            }
            if changed {
                facts.marked = now;
            }
            if changed && reads_tags {
                // A rule may ask for tags as it asks for content: until it is compiled anew it is kept.
                (facts.policy_version, facts.holds_version) = (0, 0);
            }
            changed
        };
        let changes = change_facts(&mut transaction, &self.keys, &self.frontier, entries, change)?;
        if changes.is_empty() {
            return Ok(0);
        }
        let changed = entries.iter().filter(|entry| changes.contains_key(&entry.leaf));
        let count = changed.map(|entry| entry.conversation).collect::<BTreeSet<_>>().len() as u64;
        let action = Action::counted("tag", vec![("conversations", count)]);
        let mut state = self.state.clone();
        let actor = Actor::of(&self.keys, &self.static_head);
        write_state(&mut transaction, &mut state, self.state_row, &changes, &action, &actor, now)?;
        transaction.commit()?;
        self.state = state;
        self.state_row += 1;
        super::commit::renew_copy(&self.store, &self.place, &self.keys.facts.vault)?;
        Ok(count)
    }
}

/// Replaces the facts of those of these conversations that `change` changes; their leaves.
pub(super) fn change_facts(
    transaction: &mut Transaction<'_>,
    keys: &Owner,
    frontier: &Frontier,
    entries: &[Entry],
    mut change: impl FnMut(&Entry, &mut Facts) -> bool,
) -> Result<BTreeMap<u64, Digest>, VaultError> {
    let mut changes = BTreeMap::new();
    let mut walker = frontier.walker();
    for entry in entries {
        let (record, segment, key) = facts_at(transaction.store(), &keys.facts, &mut walker, entry.leaf)?;
        let mut facts = record.facts;
        if !change(entry, &mut facts) {
            continue;
        }
        if record.version == FactsRecord::MAX_VERSION {
            return Err(VaultError::Refused("the facts of a conversation were changed too often for this format"));
        }
        let record = keys.identity.sign_facts(facts, record.version + 1, &segment);
        transaction.delete(Table::Facts, facts_row(entry.leaf, 0)..facts_row(entry.leaf + 1, 0))?;
        let row = seal_facts(&record, &key, &keys.facts, segment.segment);
        transaction.insert(Table::Facts, facts_row(entry.leaf, record.version), &row)?;
        changes.insert(entry.leaf, segment.leaf(&record.hash()));
    }
    Ok(changes)
}
