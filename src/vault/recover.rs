//! Recovery: a new vault file out of an older one, today's anchor, and the keyring copy beside it.
//!
//! `docs/format.md` §12 says what comes in. The new file is built under another name and takes its
//! place when it is whole; the older file is only read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::access::{FactsKeys, Owner, ReadKeys};
use super::commit::{self, Actor, change_tree, load_tile, write_entry};
use super::deposit::empty_inbox;
use super::epoch::{former_keys, rewrap_segment};
use super::erase::ERASURE;
use super::head::{AnchorKind, Class, StateHead, StaticHead};
use super::items::{at, facts_rows};
use super::log::Action;
use super::reach::rows_of_leaf;
use super::replicas::Files;
use super::rotate::ROTATION;
use super::segment::{Opener, SegmentRow, unwrap_read_share};
use super::{Damage, Place, Unopened, Vault, VaultError, copies, log, tags};
use crate::anchor::{AnchorError, FileAnchor, KeyringCopy};
use crate::bytes::{Malformed, Reader, put_var};
use crate::clock::Instant;
use crate::crypto::{Digest, Password, hash};
use crate::facts::TagId;
use crate::keyring::Walker;
use crate::log_tree::RightEdge;
use crate::store::{Lock, Store, StoreError, Table, Transaction};
use crate::tree;

const MAGIC: &[u8; 8] = b"cvrecovr";

/// What came of a recovery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Conversations that live again.
    pub conversations: u64,
    /// Their segments.
    pub segments: u64,
    /// Conversations of the older file that were destroyed since, as far as it says whose they were.
    pub destroyed: Vec<[u8; 16]>,
    /// Segments of the older file that were destroyed since, earlier versions among them.
    pub destroyed_segments: u64,
    /// What in the older file is not as it was written.
    pub damaged: Vec<Damage>,
    /// Leaf numbers whose keys exist and whose rows are not in the older file: stored after it, or never used.
    pub missing: u64,
    /// Deposits that waited in the older file, and whose keys are gone since.
    pub deposits: u64,
    /// The entries of the log that are not there: from, and up to before.
    pub log_gap: (u64, u64),
}

/// A receipt that was checked, to be taken back in: what it shows as destroyed stays so.
pub struct KnownReceipt {
    /// Its sequence.
    pub sequence: u64,
    /// The document.
    pub bytes: Vec<u8>,
    /// Leaves and their tombstones.
    pub tombstones: Vec<(u64, Digest)>,
}

/// The transition row of a `recover` entry: where the log went on, and how the live tree came to its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resumption {
    /// The right edge that the entry was appended to.
    pub(super) edge: RightEdge,
    /// Log rows from the beginning that are there.
    pub(super) kept: u64,
    /// The multiproof from the root after those rows to the root that the entry names; empty when it stayed.
    pub(super) proof: Vec<u8>,
}

impl Resumption {
    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put_var(&mut out, &self.edge.encode());
        out.extend_from_slice(&self.kept.to_be_bytes());
        put_var(&mut out, &self.proof);
        out
    }

    /// Reads a transition row; none when it is that of another entry.
    pub(super) fn decode(row: &[u8]) -> Result<Option<Self>, Malformed> {
        let mut reader = Reader::new(row);
        if !row.starts_with(MAGIC) {
            return Ok(None);
        }
        reader.take(MAGIC.len())?;
        let edge = RightEdge::decode(reader.var()?).map_err(|_| Malformed)?;
        let (kept, proof) = (reader.u64()?, reader.var()?.to_vec());
        reader.end()?;
        if kept > edge.size() { Err(Malformed) } else { Ok(Some(Self { edge, kept, proof })) }
    }

    /// All of a vault, ascending: each by an owner's entry, since a gap hides what stood in it.
    pub(super) fn all(store: &Store, head: &StaticHead) -> Result<Vec<Self>, VaultError> {
        let mut all: Vec<Self> = Vec::new();
        store.scan::<VaultError>(Table::Transition, 0..i64::MAX as u64, |id, row| {
            if let Some(one) = Self::decode(row).map_err(|_| Damage::Record("transition"))? {
                if one.edge.size() + 1 != id || all.last().is_some_and(|last| one.kept <= last.edge.size()) {
                    return Err(Damage::Record("transition").into());
                }
                let entry = store.get(Table::Log, id)?.unwrap_or_default();
                if !log::is_an_owners(&entry, id - 1, head) {
                    return Err(Damage::Record("transition").into());
                }
                all.push(one);
            }
            Ok(())
        })?;
        Ok(all)
    }
}

impl Unopened {
    /// Where this file says that its anchor and its replicas are, by its own password; none when the anchor is in the file.
    pub fn anchor_places(&self, password: &Password) -> Result<Vec<PathBuf>, VaultError> {
        if self.state.anchor_kind == AnchorKind::Embedded {
            return Ok(Vec::new());
        }
        let keys: Owner = self.find_keys(password)?;
        let (_, row) = super::open::only(&self.store, Table::Anchor, "anchor")?;
        Files::read(&row, &keys.facts)
    }

    /// The kind of anchor.
    pub fn anchor_kind(&self) -> AnchorKind {
        self.state.anchor_kind
    }

    /// The class that segments stored from now on have.
    pub fn class(&self) -> Class {
        self.state.class_at(self.state.next_leaf)
    }

    /// Copies the vault file to a place where nothing is, and checks the copy as it is checked on opening; the bytes.
    pub fn back_up(&mut self, to: &Path) -> Result<u64, VaultError> {
        if self.store.last(Table::Intent)?.is_some_and(|row| row >= ERASURE) {
            return Err(VaultError::Refused("an erasure is under way, and a copy would keep what goes"));
        }
        let bytes = self.store.copy_to(to)?;
        Self::open_copy(to)?;
        Ok(bytes)
    }
}

impl Vault {
    /// Makes the vault at the lock's path out of `older`, and closes it.
    pub fn recover(
        lock: &Lock,
        older: &Unopened,
        anchor: &Path,
        password: &Password,
        receipts: Vec<KnownReceipt>,
        now: Instant,
    ) -> Result<Recovered, VaultError> {
        Store::may_place_at(lock)?;
        let file = FileAnchor::open(anchor, older.id())?;
        let (copy, state) = copy_in_force(anchor, &file, &older.id())?;
        if older.state.generation > state.generation || older.state.log.size() > state.log.size() {
            return Err(VaultError::Refused("this file is newer than the keyring copy beside the anchor"));
        }
        let mut name = lock.vault().as_os_str().to_owned();
        name.push(".recovering");
        let aside = PathBuf::from(name);
        if aside.symlink_metadata().is_ok() {
            // What an interrupted recovery left, or somebody's only copy.
            return Err(StoreError::Exists(aside).into());
        }
        let aside = Lock::take(&aside)?;
        let path = aside.vault().to_owned();
        let placed =
            Self::build(aside, &copy, older, anchor, password, receipts, now).and_then(|(vault, recovered)| {
                let (place, rows) = (vault.place, commit::copied_rows(&vault.store)?);
                vault.store.place_at(lock)?;
                // Behind the file that it goes with.
                if let Place::File(files) = place {
                    files.renew_copies(&older.id(), &rows).map_err(VaultError::CopyNotRenewed)?;
                }
                Ok(recovered)
            });
        match placed {
            Err(VaultError::CopyNotRenewed(error)) => Err(VaultError::CopyNotRenewed(error)),
            Err(error) => {
                Store::remove(&path);
                Err(error)
            }
            Ok(recovered) => Ok(recovered),
        }
    }

    fn build(
        aside: Lock,
        copy: &KeyringCopy,
        older: &Unopened,
        anchor: &Path,
        password: &Password,
        receipts: Vec<KnownReceipt>,
        now: Instant,
    ) -> Result<(Self, Recovered), VaultError> {
        let mut store = Store::create(aside)?;
        let mut transaction = store.begin()?;
        let mut intent = None;
        for (name, id, bytes) in &copy.rows {
            match commit::COPIED.iter().find(|table| table.name() == name) {
                Some(table) => transaction.insert(*table, *id, bytes)?,
                None if name == Table::Intent.name() && *id == ROTATION => intent = Some(bytes.clone()),
                None => return Err(Damage::Record("keyring copy").into()),
            }
        }
        transaction.commit()?;
        let today = Unopened::check(store)?;
        if today.owner_key() != older.owner_key() {
            return Err(Damage::Record("owner key").into());
        }
        let mut vault: Self = today.unlock(password, Some(anchor))?;
        let recovered = vault.take_in(older, intent, receipts, now)?;
        Ok((vault, recovered))
    }

    /// Takes in what lives of an older file, in one transaction.
    fn take_in(
        &mut self,
        older: &Unopened,
        intent: Option<Vec<u8>>,
        receipts: Vec<KnownReceipt>,
        now: Instant,
    ) -> Result<Recovered, VaultError> {
        let former = former_keys(&self.store, &self.keys, older.static_head.key_epoch)?;
        let Self { store, keys, frontier, static_head, state, state_row, place, .. } = self;
        let Place::File(files) = place else { return Err(Damage::Record("keyring copy").into()) };
        let mut before = BTreeMap::new();
        let load = |key| load_tile(&older.store, key);
        tree::for_each_leaf::<VaultError>(&older.state.live_root, load, |leaf, hash| {
            before.insert(leaf, *hash);
            Ok(())
        })?;

        let mut transaction = store.begin()?;
        let mut segments = Segments {
            older,
            before: &before,
            former: &former,
            keys,
            recovered: Recovered::default(),
            changes: BTreeMap::new(),
            tags: BTreeSet::new(),
        };
        segments.copy(&mut transaction, &mut frontier.walker())?;
        let Segments { mut recovered, mut changes, tags, .. } = segments;
        copy_tags(&mut transaction, older, &former.read, keys, &tags, &mut recovered)?;
        for table in [Table::Tile, Table::Log, Table::Transition, Table::Receipt] {
            copy_rows(&mut transaction, older, table, 0..i64::MAX as u64)?;
        }
        let (copies, lost) = copies::rows(&older.store, &former.facts)?;
        copies::reseal(&mut transaction, copies, &keys.facts)?;
        recovered.damaged.extend((0..lost).map(|_| Damage::Record("known copy")));
        let mut last = transaction.store().last(Table::Receipt)?.unwrap_or(0);
        for KnownReceipt { sequence, bytes, tombstones } in receipts {
            // A receipt of what the keyring still derives would be of another course of this vault.
            let is_news = |(leaf, hash): &(u64, Digest)| before.get(leaf) != Some(hash) && !frontier.covers(*leaf);
            changes.extend(tombstones.into_iter().filter(is_news));
            if sequence > last {
                transaction.insert(Table::Receipt, sequence, &bytes)?;
                last = sequence;
            }
        }
        let stored: BTreeSet<u64> = transaction.store().ids(Table::Segment)?.into_iter().collect();

        let mut next = state.clone();
        next.live_root = older.state.live_root;
        next.inbox_digest = empty_inbox();
        if older.state.deposit_epoch == next.deposit_epoch {
            // They are sealed to the secret that is in force still.
            copy_rows(&mut transaction, older, Table::Inbox, 0..i64::MAX as u64)?;
            next.inbox_digest = older.state.inbox_digest;
        } else {
            recovered.deposits = older.store.count(Table::Inbox)?;
        }
        next.next_leaf = next.next_leaf.max(older.state.next_leaf);
        let is_missing = |leaf: &u64| !stored.contains(leaf) && frontier.covers(*leaf);
        recovered.missing = (0..next.next_leaf).filter(is_missing).count() as u64;
        recovered.log_gap = (older.state.log.size(), next.log.size());
        let proof = change_tree(&mut transaction, &mut next, &changes)?.unwrap_or_default();
        let resumption = Resumption { edge: next.log.clone(), kept: older.state.log.size(), proof };
        if let Some(intent) = intent {
            // The next open goes on with what was under way with the anchor's files.
            transaction.insert(Table::Intent, ROTATION, &intent)?;
        }
        transaction.delete(Table::Anchor, 0..next.generation + 1)?;
        let row = files.row(&keys.facts);
        next.anchor_row = hash::sha256(&[&row]);
        transaction.insert(Table::Anchor, next.generation, &row)?;
        let counts = vec![("segments", recovered.segments), ("destroyed", recovered.destroyed_segments)];
        let (action, actor) = (Action::counted("recover", counts), Actor::of(keys, static_head));
        write_entry(&mut transaction, &mut next, *state_row, Some(&resumption.encode()), &action, &actor, now)?;
        transaction.commit()?;
        *state = next;
        *state_row += 1;
        Ok(recovered)
    }
}

/// The newest keyring copy that was sealed under an anchor of this file, and its state head.
fn copy_in_force(anchor: &Path, file: &FileAnchor, vault: &[u8; 16]) -> Result<(KeyringCopy, StateHead), VaultError> {
    let copies = KeyringCopy::all(anchor, vault)?;
    if copies.is_empty() {
        return Err(VaultError::Refused("there is no keyring copy of this vault beside the anchor"));
    }
    for copy in copies {
        let head = copy.rows.iter().find(|(table, ..)| table == Table::StateHead.name());
        let (_, _, head) = head.ok_or(Damage::Record("keyring copy"))?;
        let (state, _) = StateHead::decode(head).map_err(|_| Damage::Record("keyring copy"))?;
        match file.load(&state.anchor_hash) {
            Ok(_) if file.newest()?.is_some_and(|newest| newest > state.generation) => {
                return Err(VaultError::Refused(
                    "the anchor file holds a newer anchor than any keyring copy beside it: the newest copy is damaged or gone",
                ));
            }
            Ok(_) => return Ok((copy, state)),
            // Written for a rotation whose anchor never came, or left from the one before.
            Err(AnchorError::OlderCopy(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Err(VaultError::Refused("no keyring copy beside the anchor was sealed under it"))
}

/// The segments of an older file on their way into a new one.
struct Segments<'a> {
    older: &'a Unopened,
    /// Its live tree.
    before: &'a BTreeMap<u64, Digest>,
    former: &'a Owner,
    keys: &'a Owner,
    recovered: Recovered,
    /// Leaves that become tombstones.
    changes: BTreeMap<u64, Digest>,
    /// Tags of what came in.
    tags: BTreeSet<TagId>,
}

impl Segments<'_> {
    fn copy(&mut self, transaction: &mut Transaction<'_>, walker: &mut Walker<'_>) -> Result<(), VaultError> {
        let superseded: BTreeSet<u64> = self.older.store.ids(Table::Superseded)?.into_iter().collect();
        let (mut living, mut destroyed) = (BTreeSet::new(), BTreeSet::new());
        let buried = self.older.buried()?;
        for leaf in self.older.store.ids(Table::Segment)? {
            let row = self.older.store.get(Table::Segment, leaf)?.ok_or(Damage::Record("segment"))?;
            let Ok(row) = SegmentRow::decode(&row) else {
                self.recovered.damaged.push(Damage::Segment(leaf, "segment"));
                continue;
            };
            let share = self.older.store.get(Table::ReadShare, leaf)?;
            let conversation = share.and_then(|share| unwrap_read_share(&self.former.read, row.segment, &share).ok());
            let conversation = conversation.map(|(_, conversation)| conversation);
            let deposit = self.older.store.get(Table::DepositShare, leaf)?;
            if !derives(walker, leaf, &row, &self.former.facts, deposit.as_deref()) {
                // A copy that was taken in the middle of an erasure has tombstones where rows still are.
                if let Some(hash) = self.before.get(&leaf).filter(|_| !buried.contains(&leaf)) {
                    self.changes.insert(leaf, tree::tombstone(hash));
                }
                self.recovered.destroyed_segments += 1;
                destroyed.extend(conversation);
                continue;
            }
            for (table, ids) in rows_of_leaf(leaf) {
                copy_rows(transaction, self.older, table, ids)?;
            }
            let is_superseded = superseded.contains(&leaf);
            let checked = match conversation.is_none() && !is_superseded {
                true => Err(Damage::Segment(leaf, "read share").into()),
                false => self.check_and_rewrap(transaction, walker, leaf, is_superseded),
            };
            match checked {
                Ok(()) => {
                    self.recovered.segments += u64::from(!is_superseded);
                    living.extend(conversation);
                }
                Err(VaultError::Damaged(damage)) => {
                    // It would stop every later change of keys; the older file has it still.
                    for (table, ids) in rows_of_leaf(leaf) {
                        transaction.delete(table, ids)?;
                    }
                    self.recovered.damaged.push(damage);
                }
                Err(other) => return Err(other),
            }
        }
        for leaf in self.before.keys() {
            let is_there = self.older.store.get(Table::Segment, *leaf)?.is_some();
            if !is_there && walker.erase_share(*leaf).is_some() {
                self.recovered.damaged.push(Damage::Segment(*leaf, "rows, which are gone"));
            }
        }
        self.recovered.conversations = living.len() as u64;
        self.recovered.destroyed = destroyed.difference(&living).copied().collect();
        Ok(())
    }

    /// A segment that came in has to be what the older live root says, and is sealed anew where its keys are former ones.
    fn check_and_rewrap(
        &mut self,
        transaction: &mut Transaction<'_>,
        walker: &mut Walker<'_>,
        leaf: u64,
        is_superseded: bool,
    ) -> Result<(), VaultError> {
        let mut work = || {
            let opener = Opener::at(transaction.store(), &self.former.facts, walker, leaf)?;
            let (version, facts) = facts_rows(transaction.store(), leaf)?.pop().ok_or(Damage::Record("facts"))?;
            let record = opener.facts(version, &facts)?;
            let live = opener.row.leaf(&record.hash());
            let expected = if is_superseded { tree::superseded_leaf(&live) } else { live };
            if self.before.get(&leaf) != Some(&expected) {
                return Err(Damage::Record("place in the live tree").into());
            }
            self.tags.extend(record.facts.tags);
            if self.former.facts.epoch != self.keys.facts.epoch {
                rewrap_segment(transaction, self.former, walker, self.keys, leaf)?;
            }
            Ok(())
        };
        work().map_err(|error| at(leaf, error))
    }
}

/// Whether the keyring derives the share that a segment's row commits to.
fn derives(walker: &mut Walker<'_>, leaf: u64, row: &SegmentRow, keys: &FactsKeys, deposit: Option<&[u8]>) -> bool {
    let share = walker.erase_share(leaf);
    let share = share.and_then(|share| match deposit {
        Some(wrapped) => share.unwrap_deposit(keys.vault, row.segment, wrapped).ok(),
        None => Some(share),
    });
    share.is_some_and(|share| share.commitment() == row.commitment)
}

fn copy_rows(
    transaction: &mut Transaction<'_>,
    older: &Unopened,
    table: Table,
    ids: std::ops::Range<u64>,
) -> Result<(), StoreError> {
    older.store.scan::<StoreError>(table, ids, |id, bytes| transaction.insert(table, id, bytes))
}

/// The names of these tags, sealed anew.
fn copy_tags(
    transaction: &mut Transaction<'_>,
    older: &Unopened,
    former: &ReadKeys,
    keys: &Owner,
    wanted: &BTreeSet<TagId>,
    recovered: &mut Recovered,
) -> Result<(), VaultError> {
    let names = tags::legible(&older.store, former, &older.static_head.owner)?;
    let lost = wanted.iter().filter(|id| !names.contains_key(*id)).count();
    recovered.damaged.extend((0..lost).map(|_| Damage::Record("name of a tag")));
    for (number, (id, name)) in (1..).zip(names.into_iter().filter(|(id, _)| wanted.contains(id))) {
        transaction.insert(Table::Tag, number, &tags::row(id, &name, keys))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resumption(kept: u64) -> Vec<u8> {
        let mut edge = RightEdge::new();
        (0..5).for_each(|number| edge.append(&[number; 32]));
        Resumption { edge, kept, proof: vec![7; 3] }.encode()
    }

    #[test]
    fn a_resumption_is_read_whole_or_not_at_all_and_told_from_a_multiproof() {
        let bytes = resumption(3);
        let read = Resumption::decode(&bytes).unwrap().unwrap();
        assert_eq!((read.edge.size(), read.kept, read.encode()), (5, 3, bytes.clone()));
        for length in 0..bytes.len() {
            let cut = Resumption::decode(&bytes[..length]);
            assert_eq!(cut, if length < MAGIC.len() { Ok(None) } else { Err(Malformed) });
        }
        assert_eq!(Resumption::decode(&[&bytes[..], &[0]].concat()), Err(Malformed));
        assert_eq!(Resumption::decode(&resumption(6)), Err(Malformed), "it keeps more than there was");
        let changes = [(3, [1; 32])];
        let proof = tree::update::<tree::Error>(&tree::empty_root(), |_| Ok(None), &changes).unwrap().proof.encode();
        assert_eq!(Resumption::decode(&proof), Ok(None));
    }
}
