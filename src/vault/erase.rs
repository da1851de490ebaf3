//! Destroying segments: the intent, the rotation that gives their keys up, and the removal of their rows.
//!
//! The order is that of `docs/format.md` §12. What is verified afterwards, and the receipt, belong to
//! `erasure/`, which is the only caller; every path that destroys goes through here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::access::{CanErase, CanJudge};
use super::commit::{load_tile, renew_copy};
use super::head::{Class, StateHead};
use super::items::{ByLeaf, Entry, at, facts_rows};
use super::log::Action;
use super::open::only;
use super::reimport;
use super::rotate::{Change, Successor};
use super::segment::{Opener, SegmentRow};
use super::{Damage, Place, Unopened, Vault, VaultError};
use crate::anchor::{FileAnchor, copy_erase, copy_paths};
use crate::bytes::{Malformed, Reader, put_var};
use crate::clock::Instant;
use crate::crypto::{self, Anchor, Digest, FrontierKey, Purpose, padding, random};
use crate::facts::{Facts, FactsRecord, TagId};
use crate::retention::Item;
use crate::sabotage::{self, Fault};
use crate::store::{StoreError, Table};
use crate::tree;

/// Rows of the intent table beside that of a rotation: the erasure, the state head that destroyed, and from there on
/// what the erasure has to keep.
pub(super) const ERASURE: u64 = 2;
pub(super) const AFTER: u64 = 3;
const KEPT: u64 = 4;
/// Most segments of one erasure: what has to be known of them is in one row of the store.
const MOST: u32 = 1 << 20;
/// A segment to be destroyed, with what its leaf is a hash of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoomedLeaf {
    /// Its leaf number.
    pub leaf: u64,
    /// It was replaced by a later version of its conversation.
    pub is_superseded: bool,
    /// Its id.
    pub segment: [u8; 16],
    /// Hash of its manifest.
    pub manifest: Digest,
    /// Hash of its facts record.
    pub facts: Digest,
    /// Commitment to its erase share.
    pub commitment: Digest,
    /// The weakest class its generation ever had.
    pub class: Class,
}

impl DoomedLeaf {
    /// What stands at its leaf before it is destroyed.
    pub fn leaf_hash(&self) -> Digest {
        let live = tree::live_leaf(&self.segment, &self.manifest, &self.facts, &self.commitment);
        if self.is_superseded { tree::superseded_leaf(&live) } else { live }
    }

    /// Whether the other is its neighbour: runs of these are read and removed by one statement for each table.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        self.leaf + 1 == other.leaf
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.leaf.to_be_bytes());
        out.push(u8::from(self.is_superseded));
        out.extend_from_slice(&self.segment);
        for hash in [&self.manifest, &self.facts, &self.commitment] {
            out.extend_from_slice(hash);
        }
        out.push(self.class as u8);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            leaf: reader.u64()?,
            is_superseded: match reader.u8()? {
                0 => false,
                1 => true,
                _ => return Err(Malformed),
            },
            segment: reader.array()?,
            manifest: reader.array()?,
            facts: reader.array()?,
            commitment: reader.array()?,
            class: Class::decode(reader.u8()?)?,
        })
    }
}

/// A segment by what it belongs to: its conversation, and the month of one that never ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The conversation.
    pub conversation: [u8; 16],
    /// Year · 12 + month, or 0.
    pub month: u32,
    /// The leaf of the version that lives.
    pub leaf: u64,
}

impl Target {
    /// The segment that an entry shows.
    pub fn of_entry(entry: &Entry) -> Self {
        Self::of(&entry.facts, entry.leaf)
    }

    /// The segment that an item tells of.
    pub fn of_item(item: &Item) -> Self {
        Self { conversation: item.conversation, month: item.month, leaf: item.leaf }
    }

    fn of(facts: &Facts, leaf: u64) -> Self {
        Self { conversation: facts.conversation, month: facts.month, leaf }
    }

    fn key(&self) -> ([u8; 16], u32) {
        (self.conversation, self.month)
    }
}

/// All versions of some segments, ascending by leaf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doomed {
    /// The segments.
    pub leaves: Vec<DoomedLeaf>,
    /// Bytes of their rows.
    pub bytes: u64,
    /// Fingerprints of their source ids, ascending.
    pub(super) prints: Vec<Digest>,
    /// Rows of tag names that no other conversation has, with their hashes.
    pub(super) tags: Vec<(u64, Digest)>,
}

fn doomed_leaf(
    state: &StateHead,
    leaf: u64,
    is_superseded: bool,
    row: &SegmentRow,
    record: &FactsRecord,
) -> DoomedLeaf {
    DoomedLeaf {
        leaf,
        is_superseded,
        segment: row.segment,
        manifest: row.manifest_hash(),
        facts: record.hash(),
        commitment: row.commitment,
        class: state.class_at(leaf),
    }
}

/// An erasure that was begun and has no receipt yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// The segments.
    pub leaves: Vec<DoomedLeaf>,
    /// The state head before, signed.
    pub before: Vec<u8>,
    /// What `erasure/` has to know of it.
    pub detail: Vec<u8>,
    /// Their keys are given up: nothing leads back.
    pub is_destroyed: bool,
    generation: u64,
    /// The row of re-import fingerprints that came with it.
    fingerprints: u64,
    /// Rows of tag names that go too, with their hashes.
    pub(super) tags: Vec<(u64, Digest)>,
}

impl UnderWay {
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![1, 2];
        out.extend_from_slice(&self.generation.to_be_bytes());
        out.extend_from_slice(&self.fingerprints.to_be_bytes());
        out.extend_from_slice(&u32::try_from(self.leaves.len()).expect("at most 2^20").to_be_bytes());
        for leaf in &self.leaves {
            leaf.encode(&mut out);
        }
        put_var(&mut out, &self.before);
        put_var(&mut out, &self.detail);
        let tags = self.tags.iter().map(|(row, hash)| [&row.to_be_bytes()[..], hash].concat());
        put_var(&mut out, &tags.collect::<Vec<_>>().concat());
        out
    }

    fn decode(bytes: &[u8], is_destroyed: bool) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        reader.version(2)?;
        let (generation, fingerprints) = (reader.u64()?, reader.u64()?);
        let count = reader.u32()?;
        if count == 0 || count > MOST {
            return Err(Malformed);
        }
        let leaves: Vec<DoomedLeaf> = (0..count).map(|_| DoomedLeaf::decode(&mut reader)).collect::<Result<_, _>>()?;
        let (before, detail) = (reader.var()?.to_vec(), reader.var()?.to_vec());
        let (listed, rest) = reader.var()?.as_chunks::<40>();
        if !rest.is_empty() {
            return Err(Malformed);
        }
        let tag = |bytes: &[u8; 40]| {
            let mut reader = Reader::new(bytes);
            Ok((reader.u64()?, reader.array()?))
        };
        let tags = listed.iter().map(tag).collect::<Result<_, Malformed>>()?;
        reader.end()?;
        if !leaves.is_sorted_by(|a, b| a.leaf < b.leaf) {
            return Err(Malformed);
        }
        Ok(Self { leaves, before, detail, is_destroyed, generation, fingerprints, tags })
    }
}

impl Unopened {
    /// Leaves that an erasure which this file was copied in the middle of had made tombstones already.
    pub(super) fn buried(&self) -> Result<BTreeSet<u64>, VaultError> {
        let (row, after) = (self.store.get(Table::Intent, ERASURE)?, self.store.get(Table::Intent, AFTER)?);
        let (Some(row), Some(_)) = (row, after) else { return Ok(BTreeSet::new()) };
        let under_way = UnderWay::decode(&row, true).map_err(|_| Damage::Record("intent"))?;
        Ok(under_way.leaves.iter().map(|one| one.leaf).collect())
    }
}

impl<A: CanJudge> Vault<A> {
    /// All versions of these segments: those that live, and the earlier ones whose keys still exist. Asked is no segment
    /// but these and every earlier version there is.
    pub fn doom(&self, targets: &[Target]) -> Result<Doomed, VaultError> {
        let chosen: BTreeSet<([u8; 16], u32)> = targets.iter().map(Target::key).collect();
        let mut superseded = self.store.ids(Table::Superseded)?;
        let mut live: Vec<u64> = targets.iter().map(|target| target.leaf).collect();
        live.sort_unstable();
        superseded.retain(|leaf| live.binary_search(leaf).is_err());
        let state = &self.state;
        let of = |is_superseded| {
            move |leaf, row: &SegmentRow, record: FactsRecord| {
                let one = doomed_leaf(state, leaf, is_superseded, row, &record);
                Ok((Target::of(&record.facts, leaf), record.facts.fingerprint, one))
            }
        };
        let whole = |(found, damaged): (ByLeaf<_>, Vec<Damage>)| match damaged.into_iter().next() {
            // An earlier version that cannot be read may be one of these: then nothing is destroyed.
            Some(damage) => Err(VaultError::from(damage)),
            None => Ok(found),
        };
        let mut found = whole(self.each_facts(&live, of(false))?)?;
        if found.len() != live.len() || found.iter().any(|(_, (target, ..))| !chosen.contains(&target.key())) {
            return Err(Damage::Record("facts").into());
        }
        if !sabotage::is(Fault::SupersededForgotten) {
            let earlier = whole(self.each_facts(&superseded, of(true))?)?;
            // A chat that came as one deposit was all its months: its keys go with the first of them.
            let chats: BTreeSet<[u8; 16]> = targets.iter().map(|target| target.conversation).collect();
            let is_of = |target: &Target| {
                chosen.contains(&target.key()) || target.month == 0 && chats.contains(&target.conversation)
            };
            found.extend(earlier.into_iter().filter(|(_, (target, ..))| is_of(target)));
        }
        found.sort_unstable_by_key(|(leaf, _)| *leaf);
        let mut doomed = Doomed::default();
        for (_, (_, print, leaf)) in found {
            doomed.leaves.push(leaf);
            if print != [0; 32] {
                doomed.prints.push(print);
            }
        }
        doomed.prints.sort_unstable();
        doomed.prints.dedup();
        self.complete(&mut doomed)?;
        Ok(doomed)
    }

    /// Earlier versions that were replaced before a time, but of conversations that `is_kept` keeps; and of which
    /// conversations they are.
    pub fn doom_superseded(
        &self,
        before: Instant,
        is_kept: impl Fn(&[u8; 16]) -> bool,
    ) -> Result<(Doomed, BTreeSet<[u8; 16]>), VaultError> {
        let mut walker = self.frontier.walker();
        let (mut doomed, mut conversations) = (Doomed::default(), BTreeSet::new());
        for leaf in self.store.ids(Table::Superseded)? {
            let mut read = || -> Result<Option<DoomedLeaf>, VaultError> {
                let opener = Opener::at(&self.store, self.keys.facts(), &mut walker, leaf)?;
                let note = self.store.get(Table::Superseded, leaf)?.ok_or(Damage::Record("superseded note"))?;
                let plain = opener
                    .facts_key()
                    .open(&opener.place(Purpose::Superseded), &note)
                    .map_err(|_| Damage::Record("superseded note"))?;
                let note = padding::trimmed(&plain).ok_or(Damage::Record("superseded note"))?;
                let mut reader = Reader::new(note);
                let mut at = || Ok((reader.array()?, Instant(reader.i64()?)));
                let (conversation, at) = at().map_err(|_: Malformed| Damage::Record("superseded note"))?;
                if at > before || is_kept(&conversation) {
                    return Ok(None);
                }
                let (version, facts) = facts_rows(&self.store, leaf)?.pop().ok_or(Damage::Record("facts"))?;
                let record = opener.facts(version, &facts)?;
                conversations.insert(conversation);
                Ok(Some(doomed_leaf(&self.state, leaf, true, &opener.row, &record)))
            };
            match read() {
                Ok(one) => doomed.leaves.extend(one),
                // What cannot be read stays, and stops nothing else.
                Err(VaultError::Damaged(_)) => {}
                Err(other) => return Err(at(leaf, other)),
            }
        }
        self.complete(&mut doomed)?;
        Ok((doomed, conversations))
    }

    /// Checks doomed leaves against the signed tree, and counts their bytes.
    fn complete(&self, doomed: &mut Doomed) -> Result<(), VaultError> {
        let leaves: Vec<(u64, Digest)> = doomed.leaves.iter().map(|one| (one.leaf, one.leaf_hash())).collect();
        if !leaves.is_empty() {
            // Destroyed is what the signed tree says they are, and nothing else.
            tree::check_leaves::<VaultError>(&self.state.live_root, |key| load_tile(&self.store, key), &leaves)?;
        }
        doomed.bytes = self.bytes_of(&doomed.leaves)?;
        Ok(())
    }

    /// Segments that are chosen and still stand, and earlier versions of them whose keys still exist: every one there is
    /// gets asked by its facts, whatever [`Vault::doom`] found.
    pub fn versions_of(&self, is_chosen: impl Fn(&[u8; 16], u32) -> bool + Sync) -> Result<u64, VaultError> {
        let ask =
            |_, _: &SegmentRow, record: FactsRecord| Ok(is_chosen(&record.facts.conversation, record.facts.month));
        // What cannot be read is in no list that anything could be chosen from.
        let (asked, _) = self.each_facts(&self.store.ids(Table::Segment)?, ask)?;
        Ok(asked.iter().filter(|(_, is_chosen)| *is_chosen).count() as u64)
    }
}

impl Vault {
    /// Dooms the names of tags that no segment has but the chosen ones; also those that none has any more. None where
    /// anything cannot be read, which may have any tag.
    pub fn doom_tags(&self, doomed: &mut Doomed, is_chosen: impl Fn(&[u8; 16], u32) -> bool) -> Result<(), VaultError> {
        let (items, damaged) = self.policy_items()?;
        let is_whole = damaged.is_empty() && self.missing(&self.live_tree()?)?.is_empty();
        if !is_whole {
            return Ok(());
        }
        let kept = items.iter().filter(|item| !is_chosen(&item.conversation, item.month));
        let kept: BTreeSet<TagId> = kept.flat_map(|item| item.marks.iter().copied()).collect();
        let rows = super::tags::rows(&self.store, &self.keys.read, |tag| !kept.contains(tag))?;
        doomed.tags = rows
            .into_iter()
            .map(|row| Ok((row, self.tag_hash(row)?.ok_or(Damage::Record("tag"))?)))
            .collect::<Result<_, VaultError>>()?;
        Ok(())
    }
}

impl<A: CanJudge> Vault<A> {
    /// Names a row of a tag's name, whose number may be another's once it is gone.
    pub(super) fn tag_hash(&self, row: u64) -> Result<Option<Digest>, StoreError> {
        Ok(self.store.get(Table::Tag, row)?.map(|bytes| crypto::hash::sha256(&[&bytes])))
    }
}

impl<A: CanErase> Vault<A> {
    /// Writes the intent down: from here on the erasure will be finished, whatever happens between. `kept` is what
    /// `erasure/` wants back afterwards, and `canary` bytes that a scan must be able to find.
    pub fn intend(
        &mut self,
        doomed: Doomed,
        detail: Vec<u8>,
        kept: &[Vec<u8>],
        canary: &[u8],
    ) -> Result<UnderWay, VaultError> {
        if self.store.get(Table::Intent, ERASURE)?.is_some() {
            return Err(VaultError::Refused(
                "an erasure is under way and has no receipt yet; it has to be finished first",
            ));
        }
        if doomed.leaves.len() > MOST as usize {
            return Err(VaultError::Refused("these are more than a million segments; erase them in parts"));
        }
        // What would stop the destruction stops it before it is promised.
        self.may_rotate()?;
        let (_, before) = only(&self.store, Table::StateHead, "state head")?;
        let prints = reimport::row(&doomed.prints, self.keys.facts());
        let number = self.store.last(Table::Fingerprint)?.unwrap_or(0) + 1;
        let Doomed { leaves, tags, .. } = doomed;
        let under_way = UnderWay {
            leaves,
            tags,
            before,
            detail,
            is_destroyed: false,
            generation: self.state.generation,
            fingerprints: number,
        };
        let mut transaction = self.store.begin()?;
        transaction.insert(Table::Intent, ERASURE, &under_way.encode())?;
        for (number, bytes) in (KEPT..).zip(kept) {
            transaction.insert(Table::Intent, number, bytes)?;
        }
        transaction.insert(Table::Canary, 1, canary)?;
        transaction.insert(Table::Fingerprint, number, &prints)?;
        transaction.commit()?;
        Ok(under_way)
    }
}

impl<A: CanJudge> Vault<A> {
    /// The erasure that has no receipt yet.
    pub fn under_way(&self) -> Result<Option<UnderWay>, VaultError> {
        let row = self.store.get(Table::Intent, ERASURE)?;
        // Written in the very transaction that gives the keys up.
        let is_destroyed = self.store.get(Table::Intent, AFTER)?.is_some();
        let decode = |row: Vec<u8>| UnderWay::decode(&row, is_destroyed);
        Ok(row.map(decode).transpose().map_err(|_| Damage::Record("intent"))?)
    }

    /// Between the promise of an erasure and its keeping nothing may change what was promised.
    pub(super) fn refuse_while_promised(&self) -> Result<(), VaultError> {
        match self.under_way()? {
            Some(under_way) if !under_way.is_destroyed => {
                Err(VaultError::Refused("an erasure is under way; it has to be finished first"))
            }
            _ => Ok(()),
        }
    }

    /// What [`Vault::intend`] kept.
    pub fn kept(&self) -> Result<Vec<Vec<u8>>, VaultError> {
        let mut kept = Vec::new();
        self.store.scan::<StoreError>(Table::Intent, KEPT..i64::MAX as u64, |_, bytes| {
            kept.push(bytes.to_vec());
            Ok(())
        })?;
        Ok(kept)
    }
}

impl<A: CanErase> Vault<A> {
    /// Takes an intent back. Only while nothing is destroyed.
    pub fn forsake(&mut self, under_way: &UnderWay) -> Result<(), VaultError> {
        if under_way.is_destroyed {
            return Err(VaultError::Refused("an erasure cannot be taken back"));
        }
        let mut transaction = self.store.begin()?;
        transaction.delete(Table::Intent, ERASURE..i64::MAX as u64)?;
        transaction.delete(Table::Canary, 0..i64::MAX as u64)?;
        transaction.delete(Table::Fingerprint, under_way.fingerprints..under_way.fingerprints + 1)?;
        Ok(transaction.commit()?)
    }

    /// Gives the keys up: tombstones, a punctured keyring under a fresh anchor, and the old anchor overwritten.
    pub fn destroy(&mut self, under_way: &mut UnderWay, word: &'static str, now: Instant) -> Result<(), VaultError> {
        // A rotation that met a full disk half-way is ended before there is another.
        self.settle_rotation()?;
        under_way.is_destroyed |= self.store.get(Table::Intent, AFTER)?.is_some();
        if under_way.is_destroyed {
            return Ok(());
        }
        let skipped = usize::from(sabotage::is(Fault::TombstoneSkipped));
        let changes: BTreeMap<u64, Digest> =
            under_way.leaves.iter().skip(skipped).map(|one| (one.leaf, tree::tombstone(&one.leaf_hash()))).collect();
        let leaves: Vec<(u64, Digest)> = under_way.leaves.iter().map(|one| (one.leaf, one.leaf_hash())).collect();
        tree::check_leaves::<VaultError>(&self.state.live_root, |key| load_tile(&self.store, key), &leaves)?;
        let punctured: Vec<u64> = under_way.leaves.iter().map(|one| one.leaf).collect();
        let action = Action::counted(word, vec![("segments", punctured.len() as u64)]);
        let change = Change { punctured: &punctured, leaves: changes, ends_intent: true, ..Change::default() };
        self.rotate_with(&action, now, change, |_, _| Ok(Successor { keys: None, static_head: None }))?;
        under_way.is_destroyed = true;
        Ok(())
    }
}

impl<A: CanJudge> Vault<A> {
    /// Whether the keys of this erasure are given up by what stands on disk: then its rows may go.
    pub(super) fn is_given_up(&self, under_way: &UnderWay) -> Result<bool, VaultError> {
        Ok(self.are_tombstones(under_way)? && self.derives_none_of(&under_way.leaves)?)
    }

    /// The signed state head after the destruction, and the multiproof of the change.
    pub fn shown_change(&self) -> Result<(Vec<u8>, Vec<u8>), VaultError> {
        let damaged = || VaultError::from(Damage::Record("intent"));
        let after = self.store.get(Table::Intent, AFTER)?.ok_or_else(damaged)?;
        let (head, _) = StateHead::decode(&after).map_err(|_| damaged())?;
        // Others may have written in the log since.
        let proof = self.store.get(Table::Transition, head.signed_at())?.ok_or_else(damaged)?;
        Ok((after, proof))
    }

    /// The salts of every sealed object that stands where it belongs, ascending.
    pub fn known_salts(&self) -> Result<Vec<[u8; 32]>, VaultError> {
        let mut salts = Vec::new();
        self.store.scan::<VaultError>(Table::Segment, 0..i64::MAX as u64, |leaf, row| {
            let row = super::segment::SegmentRow::decode(row).map_err(|_| Damage::Segment(leaf, "segment"))?;
            salts.extend(row.manifest.salts());
            Ok(())
        })?;
        for table in SMALL {
            self.store.scan::<StoreError>(*table, 0..i64::MAX as u64, |_, row| {
                let places = memchr::memmem::find_iter(row, &crypto::MARKER);
                salts.extend(places.filter_map(|at| <[u8; 32]>::try_from(row.get(at + 8..at + 40)?).ok()));
                Ok(())
            })?;
        }
        salts.sort_unstable();
        Ok(salts)
    }

    /// The key that the anchor in force opens the keyring with.
    pub fn keyring_key(&self) -> Result<FrontierKey, VaultError> {
        Ok(self.anchor_in_force()?.derive_frontier_key(&self.static_head.vault, self.state.generation))
    }

    pub(super) fn anchor_in_force(&self) -> Result<Anchor, VaultError> {
        match &self.place {
            Place::Embedded => {
                let (_, row) = only(&self.store, Table::Anchor, "anchor")?;
                Ok(Anchor::from_slice(&row).ok_or(Damage::Record("anchor"))?)
            }
            Place::File(files) => {
                Ok(FileAnchor::open(&files.used, self.static_head.vault)?.load(&self.state.anchor_hash)?)
            }
        }
    }

    /// Whether every one of these leaves is a tombstone under the signed live root.
    pub fn are_tombstones(&self, under_way: &UnderWay) -> Result<bool, VaultError> {
        let leaves: Vec<(u64, Digest)> =
            under_way.leaves.iter().map(|one| (one.leaf, tree::tombstone(&one.leaf_hash()))).collect();
        match tree::check_leaves::<VaultError>(&self.state.live_root, |key| load_tile(&self.store, key), &leaves) {
            Ok(()) => Ok(true),
            Err(VaultError::Damaged(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Whether the keyring that stands on disk, opened with the anchor that stands on disk, derives the erase share of
    /// none of these leaves.
    pub fn derives_none_of(&self, leaves: &[DoomedLeaf]) -> Result<bool, VaultError> {
        let (_, row) = only(&self.store, Table::Frontier, "keyring")?;
        let (frontier, ..) = super::rotate::open_frontier(
            &row,
            &self.anchor_in_force()?,
            &self.static_head.vault,
            self.state.generation,
        )?;
        // A deposit's share is wrapped under that of its leaf, so no leaf of these may be covered at all.
        Ok(!leaves.iter().any(|one| frontier.covers(one.leaf)))
    }
}

impl Vault {
    /// Destroys the vault itself: its anchor first, without which nothing in it opens, then its files. Receipts that were
    /// written beside it stay. Replicas of the anchor that were out of reach, or hold another, are left, and returned.
    pub fn destroy_all(self) -> Result<Vec<PathBuf>, VaultError> {
        let mut out_of_reach = Vec::new();
        if let Place::File(files) = &self.place {
            for path in files.all() {
                let file = FileAnchor::open(path, self.static_head.vault);
                match file.and_then(|file| file.blank(&self.state.anchor_hash)) {
                    Ok(true) => copy_erase(path, &self.static_head.vault)?,
                    Err(error) if *path == files.used => return Err(error.into()),
                    Ok(false) | Err(_) => {
                        out_of_reach.push(path.to_owned());
                        continue;
                    }
                }
                FileAnchor::remove(path);
            }
        }
        self.store.destroy()?;
        Ok(out_of_reach)
    }
}

impl<A: CanErase> Vault<A> {
    /// Returns free pages to the file system.
    pub fn shrink(&mut self) -> Result<(), VaultError> {
        Ok(self.store.shrink()?)
    }

    /// Writes the whole database anew, so that no page holds what was moved away.
    pub fn rewrite(&mut self) -> Result<(), VaultError> {
        Ok(self.store.rewrite()?)
    }

    /// Runs `work` while the database is closed and its journal zeroed, with the paths of all files of this vault.
    pub fn at_rest<T>(&mut self, work: impl FnOnce(&[PathBuf]) -> T) -> Result<T, VaultError> {
        let mut paths = self.store.paths();
        if let Place::File(files) = &self.place {
            for path in files.all() {
                paths.push(path.to_owned());
                paths.extend(copy_paths(path));
            }
        }
        if let Err(error) = self.store.rest() {
            self.store.wake()?;
            return Err(error.into());
        }
        let done = work(&paths);
        self.store.wake()?;
        Ok(done)
    }

    /// Whether the database is open: after [`Vault::at_rest`] could not open it again, nothing can be asked of it.
    pub fn is_awake(&self) -> bool {
        self.store.is_awake()
    }

    /// Stores a receipt, by its sequence, and ends the erasure; the log names the receipt by its hash.
    /// What was stored already has only its keyring copy renewed.
    /// `ran` says that a purge ends with it.
    pub fn store_receipt(&mut self, sequence: u64, receipt: &[u8], ran: bool, now: Instant) -> Result<(), VaultError> {
        if self.receipt(sequence)?.is_some_and(|stored| stored == receipt) {
            return renew_copy(&self.store, &self.place, &self.static_head.vault);
        }
        let action = Action {
            receipt: Some(crypto::hash::sha256(&[receipt])),
            ..Action::counted("receipt", vec![("sequence", sequence)])
        };
        let mut state = self.state.clone();
        if ran {
            state.purged = now;
        }
        self.commit_action(state, &action, now, |transaction| {
            transaction.delete(Table::Intent, ERASURE..i64::MAX as u64)?;
            transaction.delete(Table::Canary, 0..i64::MAX as u64)?;
            transaction.insert(Table::Receipt, sequence, receipt)
        })
    }
}

impl<A: CanJudge> Vault<A> {
    /// The next receipt's sequence.
    pub fn next_receipt(&self) -> Result<u64, VaultError> {
        Ok(self.store.last(Table::Receipt)?.unwrap_or(0) + 1)
    }

    /// One receipt.
    pub fn receipt(&self, sequence: u64) -> Result<Option<Vec<u8>>, VaultError> {
        Ok(self.store.get(Table::Receipt, sequence)?)
    }

    /// All receipts, ascending by sequence.
    pub fn receipts(&self) -> Result<Vec<(u64, Vec<u8>)>, VaultError> {
        Ok(self.store.all(Table::Receipt)?)
    }
}

/// Tables of small rows, in which every sealed object is found by its marker.
const SMALL: &[Table] = &[
    Table::ReadShare,
    Table::DepositShare,
    Table::Facts,
    Table::Superseded,
    Table::Slot,
    Table::Anchor,
    Table::Frontier,
    Table::KeyHistory,
    Table::Tag,
    Table::Policy,
    Table::Hold,
    Table::Fingerprint,
    Table::Copy,
];

/// Random bytes that a scan must be able to find.
pub fn canary() -> Vec<u8> {
    let mut bytes = vec![0; 2048];
    random::fill(&mut bytes);
    bytes
}
