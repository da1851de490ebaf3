//! A commit: rows, tiles, log entry, transition and the new state head, in one transaction.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::AtomicU64;

use super::access::{Access, CanErase, CanJudge, Identity, Owner};
use super::head::{Role, StateHead, StaticHead};
use super::log::{self, Action};
use super::rotate::ROTATION;
use super::segment::{By, Opener, Row, SealedSegment, Sealer, attachment_row, facts_row};
use super::{Body, Damage, Entry, Place, Vault, VaultError, items, tags};
use crate::clock::Instant;
use crate::crypto::{Digest, EnvelopeKey, Purpose, hash, padding};
use crate::facts::TagId;
use crate::keyring::Frontier;
use crate::log_tree;
use crate::store::{Store, StoreError, Table, Transaction};
use crate::tree::{self, TileKey};

/// Tables whose rows a keyring copy carries.
pub(super) const COPIED: &[Table] = &[
    Table::Header,
    Table::Frontier,
    Table::StaticHead,
    Table::StateHead,
    Table::Slot,
    Table::Anchor,
    Table::Policy,
    Table::Hold,
    Table::Fingerprint,
    Table::KeyHistory,
];

/// Who commits.
pub(super) struct Actor<'a> {
    identity: &'a Identity,
    role: Role,
    auditor: &'a EnvelopeKey,
}

impl<'a> Actor<'a> {
    pub(super) fn of<A: Access>(keys: &'a A, head: &'a StaticHead) -> Self {
        Self { identity: keys.identity(), role: A::ROLE, auditor: &head.auditor_key }
    }
}

/// Reads a tile.
pub(super) fn load_tile(store: &Store, key: TileKey) -> Result<Option<Vec<u8>>, VaultError> {
    Ok(store.get(Table::Tile, key.to_row().unsigned_abs())?)
}

/// Writes tiles, transition, log entry and state head for `changes` of the live tree; the caller commits.
pub(super) fn write_state(
    transaction: &mut Transaction<'_>,
    state: &mut StateHead,
    state_row: u64,
    changes: &BTreeMap<u64, Digest>,
    action: &Action,
    actor: &Actor<'_>,
    now: Instant,
) -> Result<(), VaultError> {
    let shown = change_tree(transaction, state, changes)?;
    write_entry(transaction, state, state_row, shown.as_deref(), action, actor, now)
}

/// Writes the tiles of a changed live tree; the multiproof of the change, if there is any.
pub(super) fn change_tree(
    transaction: &mut Transaction<'_>,
    state: &mut StateHead,
    changes: &BTreeMap<u64, Digest>,
) -> Result<Option<Vec<u8>>, VaultError> {
    if changes.is_empty() {
        return Ok(None);
    }
    let changes: Vec<(u64, Digest)> = changes.iter().map(|(leaf, hash)| (*leaf, *hash)).collect();
    let store = transaction.store();
    let update = tree::update(&state.live_root, |key| load_tile(store, key), &changes)?;
    for (key, tile) in &update.tiles {
        transaction.overwrite(Table::Tile, key.to_row().unsigned_abs(), tile)?;
    }
    state.live_root = update.root;
    Ok(Some(update.proof.encode()))
}

/// Writes the log entry, the transition row that goes with it, and the state head.
pub(super) fn write_entry(
    transaction: &mut Transaction<'_>,
    state: &mut StateHead,
    state_row: u64,
    shown: Option<&[u8]>,
    action: &Action,
    actor: &Actor<'_>,
    now: Instant,
) -> Result<(), VaultError> {
    let entry = state.log.size() + 1;
    if let Some(shown) = shown {
        transaction.insert(Table::Transition, entry, shown)?;
    }
    let row = log::row(
        action,
        now,
        &state.live_root,
        shown.map(|shown| hash::sha256(&[shown])),
        state.log.size(),
        actor.identity,
        actor.auditor,
    )
    .map_err(|_| Damage::Record("auditor key"))?;
    transaction.insert(Table::Log, entry, &row)?;
    state.log.append(&log_tree::leaf_hash(&row));
    transaction.delete(Table::StateHead, 0..state_row + 1)?;
    let Identity { credential, own, .. } = actor.identity;
    transaction.insert(Table::StateHead, state_row + 1, &state.sign(*credential, actor.role, &own.signer))?;
    Ok(())
}

impl<A: CanJudge> Vault<A> {
    /// Appends an entry to the log, durably, with whatever else `write` adds; what lives is not touched.
    pub(super) fn append_log(
        &mut self,
        action: &Action,
        now: Instant,
        write: impl FnOnce(&mut Transaction<'_>) -> Result<(), StoreError>,
    ) -> Result<(), VaultError> {
        let mut state = self.state.clone();
        if matches!(A::ROLE, Role::Owner | Role::Janitor) {
            state.lower(self.place.class());
        }
        let mut transaction = self.store.begin()?;
        write(&mut transaction)?;
        let actor = Actor::of(&self.keys, &self.static_head);
        write_state(&mut transaction, &mut state, self.state_row, &BTreeMap::new(), action, &actor, now)?;
        transaction.commit()?;
        self.state = state;
        self.state_row += 1;
        renew_copy(&self.store, &self.place, &self.static_head.vault)
    }
}

impl<A: CanErase> Vault<A> {
    /// Logs an action that changes no leaf, with the state it leads to; `write` adds rows to the same transaction.
    pub(super) fn commit_action(
        &mut self,
        state: StateHead,
        action: &Action,
        now: Instant,
        write: impl FnOnce(&mut Transaction<'_>) -> Result<(), StoreError>,
    ) -> Result<(), VaultError> {
        let before = std::mem::replace(&mut self.state, state);
        let done = self.append_log(action, now, write);
        if !matches!(done, Ok(()) | Err(VaultError::CopyNotRenewed(_))) {
            self.state = before;
        }
        done
    }
}

/// The rows of a keyring copy, as the store holds them now.
pub(super) fn copied_rows(store: &Store) -> Result<Vec<(String, u64, Vec<u8>)>, StoreError> {
    let mut rows = Vec::new();
    for table in COPIED {
        rows.extend(store.all(*table)?.into_iter().map(|(id, bytes)| (table.name().to_owned(), id, bytes)));
    }
    // What is under way with the anchor's files; an erasure is the vault file's own.
    let intent = store.get(Table::Intent, ROTATION)?;
    rows.extend(intent.map(|bytes| (Table::Intent.name().to_owned(), ROTATION, bytes)));
    Ok(rows)
}

/// Renews the keyring copy of a vault with a file anchor.
pub(super) fn renew_copy(store: &Store, place: &Place, vault: &[u8; 16]) -> Result<(), VaultError> {
    if let Place::File(files) = place {
        files.renew_copies(vault, &copied_rows(store)?).map_err(VaultError::CopyNotRenewed)?;
    }
    Ok(())
}

/// Removes the content of a segment that another replaced, and leaves a note of it.
pub(super) fn mark_superseded(
    transaction: &mut Transaction<'_>,
    opener: &Opener<'_>,
    old: u64,
    conversation: [u8; 16],
    by: u64,
    now: Instant,
) -> Result<(), StoreError> {
    let mut note = conversation.to_vec();
    note.extend_from_slice(&now.0.to_be_bytes());
    note.extend_from_slice(&by.to_be_bytes());
    let note = opener.facts_key().seal(&opener.place(Purpose::Superseded), &padding::bucket(&note));
    transaction.insert(Table::Superseded, old, &note)?;
    for table in [Table::ReadShare, Table::Card, Table::Body, Table::Sketch] {
        transaction.delete(table, old..old + 1)?;
    }
    transaction.delete(Table::Attachment, attachment_row(old, 0)..attachment_row(old + 1, 0)).map(drop)
}

/// One large transaction of an import: segments come in, and [`Writer::finish`] makes them durable.
///
/// Dropped without that, nothing has happened.
pub struct Writer<'v> {
    transaction: Transaction<'v>,
    keys: &'v Owner,
    frontier: &'v Frontier,
    static_head: &'v StaticHead,
    state: &'v mut StateHead,
    state_row: &'v mut u64,
    place: &'v Place,
    changes: BTreeMap<u64, Digest>,
    now: Instant,
}

impl Vault {
    /// Starts an import: a sealer for worker threads, and the writer that stores what they seal.
    pub fn session(&mut self, now: Instant) -> Result<(Sealer<'_>, Writer<'_>), VaultError> {
        self.refuse_while_promised()?;
        let destroyed = self.destroyed()?;
        let next_leaf = AtomicU64::new(self.state.next_leaf);
        let sealer = Sealer { by: By::Owner { keys: &self.keys, frontier: &self.frontier, next_leaf, destroyed }, now };
        let writer = Writer {
            transaction: self.store.begin()?,
            keys: &self.keys,
            frontier: &self.frontier,
            static_head: &self.static_head,
            state: &mut self.state,
            state_row: &mut self.state_row,
            place: &self.place,
            changes: BTreeMap::new(),
            now,
        };
        Ok((sealer, writer))
    }
}

impl Writer<'_> {
    /// Stores an attachment piece of a segment that is still open.
    pub fn piece(&mut self, row: &Row) -> Result<(), VaultError> {
        Ok(self.transaction.insert(row.table, row.id, &row.bytes)?)
    }

    /// Removes pieces of an attachment that broke off.
    pub fn drop_pieces(&mut self, rows: Range<u64>) -> Result<(), VaultError> {
        self.transaction.delete(Table::Attachment, rows)?;
        Ok(())
    }

    /// Stores a segment.
    pub fn put(&mut self, segment: &SealedSegment) -> Result<(), VaultError> {
        for row in &segment.rows {
            self.transaction.insert(row.table, row.id, &row.bytes)?;
        }
        self.changes.insert(segment.leaf, segment.leaf_hash);
        Ok(())
    }

    /// Stores a segment in the place of an older one, whose content goes and whose leaf is marked superseded.
    pub fn replace(&mut self, old: &Entry, segment: &SealedSegment) -> Result<(), VaultError> {
        self.put(segment)?;
        let (old, facts_version) = (old.leaf, old.facts_version);
        let damaged = |what| Damage::Segment(old, what);
        let keys = self.keys;
        let mut walker = self.frontier.walker();
        let store = self.transaction.store();
        let facts = store.get(Table::Facts, facts_row(old, facts_version))?.ok_or(damaged("facts"))?;
        let opener = Opener::at(store, &keys.facts, &mut walker, old)?;
        let record = opener.facts(facts_version, &facts)?;
        let live = opener.row.leaf(&record.hash());
        tree::check_leaves::<VaultError>(&self.state.live_root, |key| load_tile(store, key), &[(old, live)])?;
        let conversation = record.facts.conversation;
        mark_superseded(&mut self.transaction, &opener, old, conversation, segment.leaf, self.now)?;
        self.changes.insert(old, tree::superseded_leaf(&live));
        Ok(())
    }

    /// The ids of tag names, for segments of this import; new names are added.
    pub fn tags(&mut self, names: &[String]) -> Result<Vec<TagId>, VaultError> {
        tags::intern(&mut self.transaction, self.keys, names)
    }

    /// The body of a conversation that was stored before this import.
    pub fn body(&self, entry: &Entry) -> Result<Body, VaultError> {
        items::read_body(self.transaction.store(), self.keys, self.frontier, entry.leaf)
    }

    /// Reads attachments of a stored conversation as [`Vault::attachments`] does, and stores the rows that `each` makes.
    pub fn carry(
        &mut self,
        entry: &Entry,
        attachments: &[(u32, u32)],
        mut each: impl FnMut(usize, Option<&[u8]>) -> Result<Option<Row>, VaultError>,
    ) -> Result<(), VaultError> {
        let pieces = items::Pieces::open(self.transaction.store(), self.keys, self.frontier, entry.leaf)?;
        let pieces = pieces.content()?;
        for (number, attachment) in attachments.iter().enumerate() {
            for index in pieces.indices(*attachment)? {
                let piece = pieces.read(self.transaction.store(), index)?;
                if let Some(row) = each(number, Some(&piece))? {
                    self.transaction.insert(row.table, row.id, &row.bytes)?;
                }
            }
            each(number, None)?;
        }
        Ok(())
    }

    /// Makes everything durable, with an entry in the log. Without any change nothing is written.
    pub fn finish(
        self,
        sealer: Sealer<'_>,
        word: &'static str,
        counts: Vec<(&'static str, u64)>,
    ) -> Result<(), VaultError> {
        let mut transaction = self.transaction;
        if self.changes.is_empty() {
            return Ok(());
        }
        let mut state = self.state.clone();
        if let By::Owner { next_leaf, .. } = sealer.by {
            state.next_leaf = next_leaf.into_inner();
        }
        state.lower(self.place.class());
        let actor = Actor::of(self.keys, self.static_head);
        let action = Action::counted(word, counts);
        write_state(&mut transaction, &mut state, *self.state_row, &self.changes, &action, &actor, self.now)?;
        // Read before the commit gives the transaction away; written after it.
        let rows = match self.place {
            Place::File(files) => Some((files, copied_rows(transaction.store())?)),
            Place::Embedded => None,
        };
        transaction.commit()?;
        *self.state_row += 1;
        *self.state = state;
        if let Some((files, rows)) = rows {
            files.renew_copies(&self.keys.facts.vault, &rows).map_err(VaultError::CopyNotRenewed)?;
        }
        Ok(())
    }
}
