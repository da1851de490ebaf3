//! The files of one anchor: where they are, what is done to all of them, and replicas added and dropped.
//!
//! One file is in use, the one that the vault was opened with. A replica out of reach stops nothing but
//! the next rotation: until it is in step, the intent of the last one stays (`docs/format.md` §7).

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::access::{CanJudge, FactsKeys};
use super::erase::ERASURE;
use super::head::{Class, StateHead};
use super::log::Action;
use super::rotate::{Intent, ROTATION, Successor};
use super::{Damage, Place, Vault, VaultError, commit, relocate};
use crate::anchor::{AnchorError, FileAnchor, KeyringCopy, copy_erase, copy_paths};
use crate::clock::Instant;
use crate::crypto::{self, Anchor, Digest, Purpose, padding};
use crate::sabotage::{self, Fault};
use crate::store::{Store, Table};

/// The files that an anchor is kept in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Files {
    /// The one in use.
    pub(super) used: PathBuf,
    /// Its replicas.
    pub(super) others: Vec<PathBuf>,
}

/// A replica of the anchor and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Where it is.
    pub path: PathBuf,
    /// Why it does not hold the anchor in force; none when it does.
    pub out_of_step: Option<String>,
}

impl Files {
    /// An anchor in one file.
    pub(super) fn one(path: PathBuf) -> Self {
        Self { used: path, others: Vec::new() }
    }

    /// The one in use first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.used).chain(&self.others).map(PathBuf::as_path)
    }

    /// The row of table `anchor`.
    pub(super) fn row(&self, keys: &FactsKeys) -> Vec<u8> {
        let place = crypto::Place::of_vault(keys.vault, Purpose::AnchorPlace);
        let paths: Vec<&[u8]> = self.all().map(|path| path.as_os_str().as_bytes()).collect();
        // No path holds a zero byte.
        keys.key.derive_anchor_place(&keys.vault).seal(&place, &padding::bucket(&paths.join(&0)))
    }

    /// Reads the row: at least one path.
    pub(super) fn read(row: &[u8], keys: &FactsKeys) -> Result<Vec<PathBuf>, VaultError> {
        let place = crypto::Place::of_vault(keys.vault, Purpose::AnchorPlace);
        let plain = keys.key.derive_anchor_place(&keys.vault).open(&place, row);
        let plain = plain.map_err(|_| Damage::Record("anchor"))?;
        let paths = padding::trimmed(&plain).ok_or(Damage::Record("anchor"))?;
        Ok(paths.split(|byte| *byte == 0).map(|path| PathBuf::from(std::ffi::OsStr::from_bytes(path))).collect())
    }

    /// Renews the keyring copies beside every file in reach; beside the one in use it has to work.
    pub(super) fn renew_copies(&self, vault: &[u8; 16], rows: &[crate::anchor::Row]) -> Result<(), AnchorError> {
        KeyringCopy::renew(&self.used, vault, rows.to_vec())?;
        for path in &self.others {
            // One that is out of reach is brought into step when it is back.
            let _ = FileAnchor::open(path, *vault).and_then(|_| KeyringCopy::renew(path, vault, rows.to_vec()));
        }
        Ok(())
    }

    /// Renews the keyring copies of replicas that are in step and were away while the vault changed.
    pub(super) fn catch_up(&self, vault: &[u8; 16], in_force: &Digest) {
        let newest = |path: &Path| KeyringCopy::all(path, vault).ok()?.into_iter().next().map(|copy| copy.rows);
        for path in &self.others {
            let is_in_step = FileAnchor::open(path, *vault).and_then(|file| file.load(in_force)).is_ok();
            if let Some(rows) = newest(&self.used).filter(|rows| is_in_step && newest(path).as_ref() != Some(rows)) {
                // Where it cannot be written it is tried again the next time.
                let _ = KeyringCopy::renew(path, vault, rows);
            }
        }
    }

    /// Writes the keyring copy and the anchor of a rotation into every file in reach, beside those in force. `next` gives
    /// the hash in force, the generation and the anchor; none for a file that was made with it.
    pub(super) fn stage(
        &self,
        vault: &[u8; 16],
        rows: &[crate::anchor::Row],
        next: Option<(&Digest, u64, &Anchor)>,
    ) -> Result<(), AnchorError> {
        let stage = |path: &Path| {
            let file = FileAnchor::open(path, *vault)?;
            KeyringCopy::renew(path, vault, rows.to_vec())?;
            next.map_or(Ok(()), |(in_force, generation, anchor)| file.stage(in_force, generation, anchor))
        };
        stage(&self.used)?;
        for path in &self.others {
            // One that is out of reach is brought into step when it is back.
            let _ = stage(path);
        }
        Ok(())
    }

    /// Ends a rotation that was begun, in every file in reach: steps 4 and 5 of the table, or the way back when its
    /// transaction never came. Whether all are in step.
    pub(super) fn settle(
        &self,
        store: &Store,
        state: &StateHead,
        anchor: &Anchor,
        intent: &Intent,
    ) -> Result<bool, VaultError> {
        let (vault, in_force) = (state.vault, state.anchor_hash);
        let is_made = in_force == intent.after;
        if !is_made && in_force != intent.before {
            return Err(Damage::Record("intent").into());
        }
        let doomed = if is_made { intent.before } else { intent.after };
        let rows = commit::copied_rows(store)?;
        let settle = |path: &Path, is_used: bool| -> Result<bool, AnchorError> {
            let file = FileAnchor::open(path, vault)?;
            if !file.follow(anchor, state.generation, &doomed)? {
                return Ok(false);
            }
            if !sabotage::is(Fault::OldSlotKept) {
                file.retire(&in_force, &doomed)?;
            }
            if !is_made || !is_used {
                KeyringCopy::renew(path, &vault, rows.clone())?;
            }
            if is_made {
                KeyringCopy::retire(path, &vault)?;
            }
            Ok(true)
        };
        if !settle(&self.used, true)? {
            return Err(AnchorError::OlderCopy(self.used.clone()).into());
        }
        Ok(self.others.iter().filter(|path| !settle(path, false).unwrap_or(false)).count() == 0)
    }
}

impl<A: CanJudge> Vault<A> {
    /// The replicas of the anchor.
    pub fn replicas(&self) -> Vec<Replica> {
        let Place::File(files) = &self.place else { return Vec::new() };
        let state = |path: &PathBuf| {
            let held =
                FileAnchor::open(path, self.static_head.vault).and_then(|file| file.load(&self.state.anchor_hash));
            let out_of_step = held.err().map(|error| match error {
                AnchorError::OlderCopy(_) => "it does not hold the anchor in force".to_owned(),
                AnchorError::Missing(_) => "it is not there".to_owned(),
                other => other.to_string(),
            });
            Replica { path: path.clone(), out_of_step }
        };
        files.others.iter().map(state).collect()
    }

    /// Replicas that may still hold the anchor from before the last rotation; none when that is gone everywhere.
    pub fn outstanding(&self) -> Result<Vec<PathBuf>, VaultError> {
        let intent = self.store.get(Table::Intent, ROTATION)?;
        let is_open = intent.is_some_and(|intent| Intent::decode(&intent).is_ok());
        let all = self.replicas().into_iter();
        Ok(all.filter(|one| is_open && one.out_of_step.is_some()).map(|one| one.path).collect())
    }
}

impl Vault {
    /// Keeps the anchor in one more file.
    pub fn replicate_anchor(&mut self, path: &Path, now: Instant) -> Result<(), VaultError> {
        let Place::File(files) = &self.place else {
            return Err(VaultError::Refused("the anchor is in the vault file; move it into a file first"));
        };
        if self.store.get(Table::Intent, ROTATION)?.is_some() {
            return Err(VaultError::Refused("an anchor from before the last change of keys is not overwritten yet"));
        }
        let (vault, anchor) = (self.static_head.vault, self.anchor_in_force()?);
        let (without, mut with) = (files.clone(), files.clone());
        let known = files.all().any(|other| relocate::same(other, path));
        let file = match known {
            // Entered before, and then something came between.
            true => FileAnchor::open(path, vault).ok(),
            false => {
                if let Some(taken) = copy_paths(path).into_iter().find(|path| path.symlink_metadata().is_ok()) {
                    return Err(AnchorError::Exists(taken).into());
                }
                // Blank, then entered, then written: a copy of the anchor that nobody knows of would outlive every erasure.
                let file = FileAnchor::prepare(path, vault)?;
                with.others.push(path.to_owned());
                self.enter(with, self.state.clone(), now).inspect_err(|_| FileAnchor::remove(path))?;
                Some(file)
            }
        };
        let fill = || file.map_or(Ok(false), |file| file.fill(self.state.generation, &anchor));
        let filled = fill().map_err(VaultError::from).and_then(|is_filled| {
            if is_filled {
                KeyringCopy::renew(path, &vault, commit::copied_rows(&self.store)?)?;
            }
            Ok(is_filled)
        });
        match filled {
            Ok(true) => Ok(()),
            Ok(false) => Err(VaultError::Refused(
                "this file is one of the anchor's already; drop it first where it is out of step",
            )),
            Err(error) if known => Err(error),
            Err(error) => {
                FileAnchor::remove(path);
                self.enter(without, self.state.clone(), now)?;
                Err(error)
            }
        }
    }

    /// Drops a replica: overwritten where it is in reach, and whether it was. Else what it opens is class E1.
    pub fn drop_replica(&mut self, path: &Path, now: Instant) -> Result<bool, VaultError> {
        let unknown = || VaultError::Refused("no replica of the anchor is known by this path");
        let Place::File(files) = &self.place else { return Err(unknown()) };
        let mut without = files.clone();
        let at = files.others.iter().position(|other| relocate::same(other, path)).ok_or_else(unknown)?;
        let dropped = without.others.remove(at);
        let is_outstanding = self.outstanding()?.contains(&dropped);
        let file = FileAnchor::open(&dropped, self.static_head.vault);
        let is_blank = file.and_then(|file| file.blank(&self.state.anchor_hash)).unwrap_or(false);
        if is_blank {
            copy_erase(&dropped, &self.static_head.vault)?;
            self.enter(without, self.state.clone(), now)?;
            FileAnchor::remove(&dropped);
            return Ok(true);
        }
        if !is_outstanding {
            self.may_rotate()?;
            if self.store.get(Table::Intent, ERASURE)?.is_some() {
                return Err(VaultError::Refused("an erasure is under way; it has to be finished first"));
            }
        }
        let mut state = self.state.clone();
        let class = state.class_at(state.next_leaf);
        state.lower(Class::E1);
        if is_outstanding {
            // It holds the anchor from before, which does not open what comes.
            state.raise_next(class);
        }
        self.enter(without, state, now)?;
        match is_outstanding {
            true if self.outstanding()?.is_empty() => {
                let mut transaction = self.store.begin()?;
                transaction.delete(Table::Intent, ROTATION..ROTATION + 1)?;
                transaction.commit()?;
            }
            true => {}
            false => {
                let action = Action::counted("rotate", Vec::new());
                self.rotate(&action, now, |_, _| Ok(Successor { keys: None, static_head: None }))?;
            }
        }
        Ok(false)
    }

    /// Writes down where the anchor is from now on.
    fn enter(&mut self, files: Files, state: StateHead, now: Instant) -> Result<(), VaultError> {
        let (row, generation) = (files.row(&self.keys.facts), state.generation);
        let state = StateHead { anchor_row: crypto::hash::sha256(&[&row]), ..state };
        let action = Action::counted("anchor", vec![("replicas", files.others.len() as u64)]);
        let before = std::mem::replace(&mut self.place, Place::File(files));
        let entered = self.commit_action(state, &action, now, |transaction| {
            transaction.delete(Table::Anchor, 0..generation + 1)?;
            transaction.insert(Table::Anchor, generation, &row)
        });
        // What is stored is stored, also where a keyring copy is behind.
        if !matches!(entered, Ok(()) | Err(VaultError::CopyNotRenewed(_))) {
            self.place = before;
        }
        entered
    }
}
