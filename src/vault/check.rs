//! Checking a whole vault: every signature, every hash, every object opened, nothing unexplained.

use std::collections::{BTreeMap, BTreeSet};

use super::commit::load_tile;
use super::deposit::inbox_digest;
use super::document::{Document, Signed};
use super::epoch::history_hash;
use super::head::{Credential, Role, StateHead, StaticHead};
use super::items::{at, facts_rows};
use super::recover::Resumption;
use super::segment::{Opener, attachment_row};
use super::trim::Beginning;
use super::{Damage, Vault, VaultError, log, tags};
use crate::crypto::{Digest, Purpose};
use crate::log_tree;
use crate::sketch::SketchBuilder;
use crate::store::{Store, Table};
use crate::tree::{self, Multiproof};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What, without content.
    pub what: String,
}

/// What a check looked at and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Live segments opened whole.
    pub segments: u64,
    /// Sealed objects opened.
    pub objects: u64,
    /// Sealed bytes opened.
    pub bytes: u64,
    /// Log entries whose signatures and tree were checked.
    pub log_entries: u64,
    /// Log entries whose signer the head does not know any more, so that their signature says nothing.
    pub log_unknown: u64,
    /// Entries of the log that went by its own retention: the first ones.
    pub log_trimmed: u64,
    /// Entries of the log, from and up to before, that a recovery left out.
    pub log_gaps: Vec<(u64, u64)>,
    /// What is wrong; empty when everything holds.
    pub findings: Vec<Finding>,
}

impl CheckReport {
    fn find(&mut self, what: impl Into<String>) {
        self.findings.push(Finding { what: what.into() });
    }

    /// Turns damage into a finding; other errors end the check.
    fn take(&mut self, result: Result<(), VaultError>) -> Result<(), VaultError> {
        match result {
            Err(VaultError::Damaged(damage)) => self.find(damage.to_string()),
            other => other?,
        }
        Ok(())
    }
}

/// Whether facts may be of this credential's signature; what a retired one was, nobody says any more.
fn signs_facts(credential: &Credential) -> bool {
    matches!(credential.role, Role::Owner | Role::Depositor | Role::Retired)
}

impl Vault {
    /// Checks everything that this vault's keys can check. `progress` is told of every segment done.
    pub fn check(&self, mut progress: impl FnMut(u64)) -> Result<CheckReport, VaultError> {
        let mut report = CheckReport::default();
        for line in self.store.structure()? {
            report.find(format!("database: {line}"));
        }
        let leaves = self.check_segments(&mut report, &mut progress)?;
        self.check_tree(&mut report, &leaves)?;
        self.check_strays(&mut report)?;
        check_log(&self.store, &self.static_head, &self.state, &mut report)?;
        self.check_records(&mut report)?;
        Ok(report)
    }

    /// Opens every segment; the hash that each leaf must have.
    fn check_segments(
        &self,
        report: &mut CheckReport,
        progress: &mut impl FnMut(u64),
    ) -> Result<BTreeMap<u64, Digest>, VaultError> {
        let superseded: BTreeSet<u64> = self.store.ids(Table::Superseded)?.into_iter().collect();
        let mut expected = BTreeMap::new();
        let mut walker = self.frontier.walker();
        let mut sketches = SketchBuilder::default();
        for leaf in self.store.ids(Table::Segment)? {
            let mut open = || -> Result<Digest, VaultError> {
                let row = self.store.get(Table::Segment, leaf)?.ok_or(Damage::Record("segment"))?;
                let deposit = self.store.get(Table::DepositShare, leaf)?;
                let opener = Opener::new(&self.keys.facts, &mut walker, leaf, &row, deposit.as_deref())?;
                let facts = facts_rows(&self.store, leaf)?;
                let [(version, facts)] = facts.as_slice() else { return Err(Damage::Record("facts").into()) };
                let record = opener.facts(*version, facts)?;
                let signer = self.static_head.credential(&record.signer);
                // A credential that a recovery replaced is gone from the head; its signature cannot be
                // checked any more and the signed live root speaks for the facts.
                if signer.is_some_and(|s| {
                    !signs_facts(s) || !record.is_signed_by(&s.verify_key, opener.row.about(&self.static_head.vault))
                }) {
                    return Err(Damage::Record("facts signature").into());
                }
                let live = opener.row.leaf(&record.hash());
                if superseded.contains(&leaf) {
                    return Ok(tree::superseded_leaf(&live));
                }
                let share = self.store.get(Table::ReadShare, leaf)?.ok_or(Damage::Record("read share"))?;
                let content = opener.content(&self.keys.read, &share)?;
                let mut conversation = None;
                for (purpose, index) in opener.row.manifest.objects() {
                    let (table, id, what) = match purpose {
                        p if p == Purpose::Card as u8 => (Table::Card, leaf, "card"),
                        p if p == Purpose::Body as u8 => (Table::Body, leaf, "body"),
                        p if p == Purpose::Attachment as u8 => {
                            (Table::Attachment, attachment_row(leaf, index), "attachment")
                        }
                        p if p == Purpose::Sketch as u8 => (Table::Sketch, leaf, "sketch"),
                        _ => return Err(Damage::Record("manifest").into()),
                    };
                    let sealed = self.store.get(table, id)?.ok_or(Damage::Record(what))?;
                    match table {
                        Table::Card => drop(content.card(&sealed)?),
                        Table::Body => {
                            let body = super::Body::decode(&content.body(&sealed)?);
                            conversation = Some(body.map_err(|_| Damage::Record("body"))?.conversation);
                        }
                        // Objects come by purpose, so the body was before it.
                        Table::Sketch => {
                            let conversation = conversation.as_ref().ok_or(Damage::Record("body"))?;
                            content.check_sketch(&sealed, conversation, &mut sketches)?;
                        }
                        _ => drop(content.piece(index, &sealed)?),
                    }
                    report.objects += 1;
                    report.bytes += sealed.len() as u64;
                }
                report.segments += 1;
                Ok(live)
            };
            match open().map_err(|error| at(leaf, error)) {
                Ok(hash) => {
                    expected.insert(leaf, hash);
                }
                Err(VaultError::Damaged(damage)) => report.find(damage.to_string()),
                Err(other) => return Err(other),
            }
            progress(leaf);
        }
        Ok(expected)
    }

    /// The live tree holds exactly the segments that are there, and the keyring covers exactly those.
    fn check_tree(&self, report: &mut CheckReport, expected: &BTreeMap<u64, Digest>) -> Result<(), VaultError> {
        let mut seen = BTreeSet::new();
        let mut wrong = Vec::new();
        let load = |key| load_tile(&self.store, key);
        let walked = tree::for_each_leaf::<VaultError>(&self.state.live_root, load, |leaf, hash| {
            seen.insert(leaf);
            // A segment that did not open is reported already.
            if expected.get(&leaf).is_some_and(|expected| expected != hash) {
                wrong.push(leaf);
            }
            Ok(())
        });
        report.take(walked)?;
        for leaf in wrong {
            report.find(Damage::Segment(leaf, "place in the live tree").to_string());
        }
        let stored: BTreeSet<u64> = self.store.ids(Table::Segment)?.into_iter().collect();
        for leaf in seen.difference(&stored).filter(|leaf| self.frontier.covers(**leaf)) {
            report.find(format!("segment {leaf} is in the live tree and its rows are gone"));
        }
        for leaf in stored.difference(&seen) {
            report.find(format!("segment {leaf} has rows and is not in the live tree"));
        }
        if stored.last().is_some_and(|last| *last >= self.state.next_leaf) {
            report.find("a segment has a number that was never given out");
        }
        Ok(())
    }

    /// Rows that belong to no segment.
    fn check_strays(&self, report: &mut CheckReport) -> Result<(), VaultError> {
        let stored: BTreeSet<u64> = self.store.ids(Table::Segment)?.into_iter().collect();
        let superseded: BTreeSet<u64> = self.store.ids(Table::Superseded)?.into_iter().collect();
        for (table, shift, content) in [
            (Table::ReadShare, 0, true),
            (Table::DepositShare, 0, false),
            (Table::Card, 0, true),
            (Table::Body, 0, true),
            (Table::Attachment, 20, true),
            (Table::Sketch, 0, true),
            (Table::Facts, 20, false),
            (Table::Superseded, 0, false),
        ] {
            for id in self.store.ids(table)? {
                let leaf = id >> shift;
                if !stored.contains(&leaf) || content && superseded.contains(&leaf) {
                    report.find(format!("a row of {} belongs to no live segment", table.name()));
                }
            }
        }
        let mut pieces: BTreeMap<u64, u64> = BTreeMap::new();
        for id in self.store.ids(Table::Attachment)? {
            *pieces.entry(id >> 20).or_default() += 1;
        }
        for (leaf, count) in pieces {
            let row =
                self.store.get(Table::Segment, leaf)?.and_then(|row| super::segment::SegmentRow::decode(&row).ok());
            let named = row.map_or(0, |row| {
                row.manifest.objects().filter(|(purpose, _)| *purpose == Purpose::Attachment as u8).count() as u64
            });
            if named != count {
                report.find(Damage::Segment(leaf, "attachments").to_string());
            }
        }
        Ok(())
    }

    /// Tags, policy, holds, key history, inbox.
    fn check_records(&self, report: &mut CheckReport) -> Result<(), VaultError> {
        report.take(tags::names(&self.store, &self.keys.read, &self.static_head.owner).map(drop))?;
        let vault = self.static_head.vault;
        let facts = &self.keys.facts.key;
        for (table, kind, key, version, hash, what) in [
            (
                Table::Policy,
                Document::Policy,
                facts.derive_policy(&vault),
                self.static_head.policy_version,
                self.static_head.policy_hash,
                "policy",
            ),
            (
                Table::Hold,
                Document::Holds,
                facts.derive_holds(&vault),
                self.static_head.holds_version,
                self.static_head.holds_hash,
                "hold list",
            ),
        ] {
            let row = self.store.get(table, version)?;
            let document = row.and_then(|row| Signed::open(kind, vault, &key, &self.static_head.owner, &row).ok());
            if document.is_none_or(|document| document.version() != version || document.hash(kind) != hash) {
                report.find(what);
            }
        }
        report.take(self.copies().map(drop))?;
        if history_hash(&self.store)? != self.static_head.key_history_hash {
            report.find("key history");
        }
        if inbox_digest(&self.store)? != self.state.inbox_digest {
            report.find("inbox");
        }
        Ok(())
    }
}

/// Every entry is signed, the tree over them is the signed one, and each change of the live root is shown.
pub(super) fn check_log(
    store: &Store,
    head: &StaticHead,
    state: &StateHead,
    report: &mut CheckReport,
) -> Result<(), VaultError> {
    let resumed = match Resumption::all(store, head) {
        Ok(resumed) => resumed,
        Err(error) => return report.take(Err(error)),
    };
    let (mut edge, mut root) = match Beginning::of(store, head) {
        Ok(Beginning { edge, live_root }) => (edge, live_root),
        Err(error) => return report.take(Err(error)),
    };
    report.log_trimmed = edge.size();
    while edge.size() < state.log.size() {
        let index = edge.size();
        if let Some(one) = resumed.iter().find(|one| one.kept == index && one.edge.size() > index) {
            // The entries between are not in this file; that the edge is the right one, the signed root confirms.
            report.log_gaps.push((index, one.edge.size()));
            edge = one.edge.clone();
            continue;
        }
        let Some(row) = store.get(Table::Log, index + 1)? else {
            report.find(format!("log entry {index} is gone"));
            return Ok(());
        };
        edge.append(&log_tree::leaf_hash(&row));
        report.log_unknown += u64::from(!log::signer_is_known(&row, head));
        if !log::is_signed(&row, index, head) && log::signer_is_known(&row, head) {
            report.find(format!("log entry {index} is not signed by its credential"));
        }
        let resumption = resumed.iter().find(|one| one.edge.size() == index);
        let proof = match resumption {
            Some(one) => Some(one.proof.clone()).filter(|proof| !proof.is_empty()),
            None => store.get(Table::Transition, index + 1)?,
        };
        if let Some(proof) = proof {
            match Multiproof::decode(&proof).and_then(|proof| proof.verify()) {
                Ok(roots) if roots.old == root => root = roots.new,
                _ => report.find(format!("log entry {index} does not show how the live tree changed")),
            }
        }
        report.log_entries += 1;
    }
    if edge.root() != state.log.root() || store.count(Table::Log)? != report.log_entries {
        report.find("the log is not the one that the state head signs");
    }
    if root != state.live_root {
        report.find("the log does not show how the live tree came to its root");
    }
    Ok(())
}
