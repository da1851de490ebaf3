//! Moving the anchor: into a file, out of one, or from one file to another, and the way on after a crash.
//!
//! A rotation whose new anchor is kept at another place. The new file is made before anything else, so
//! that a place which cannot be written changes nothing; a crash leaves at most a file there that was
//! never in force. The old file is overwritten after the transaction, and an intent names it until it
//! is. Where it is not found then, it is left behind: what it opens is not counted as gone any more.

use std::path::{Path, PathBuf};

use super::access::{CanErase, CanJudge, FactsKeys};
use super::create::AnchorPlace;
use super::head::{AnchorKind, Class, StateHead};
use super::log::Action;
use super::replicas::Files;
use super::rotate::{Change, ROTATION, Successor};
use super::{Damage, Place, Vault, VaultError};
use crate::anchor::{AnchorError, FileAnchor, copy_erase, copy_paths};
use crate::bytes::{Malformed, Reader, put_var};
use crate::clock::Instant;
use crate::crypto::Digest;
use crate::store::{Store, Table};

/// A move out of a file that is under way.
pub(super) struct Move {
    before: Digest,
    after: Digest,
    from: Files,
}

impl Move {
    pub(super) fn new(before: Digest, after: Digest, from: &Place) -> Option<Self> {
        match from {
            Place::Embedded => None,
            Place::File(files) => Some(Self { before, after, from: files.clone() }),
        }
    }

    pub(super) fn encode(&self, generation: u64, keys: &FactsKeys) -> Vec<u8> {
        let mut out = vec![1, 3];
        out.extend_from_slice(&generation.to_be_bytes());
        out.extend_from_slice(&(generation + 1).to_be_bytes());
        out.extend_from_slice(&self.before);
        out.extend_from_slice(&self.after);
        put_var(&mut out, &self.from.row(keys));
        out
    }

    /// Reads an intent; none when it is of another kind.
    pub(super) fn decode(bytes: &[u8], keys: &FactsKeys) -> Result<Option<Self>, VaultError> {
        let damaged = |_: Malformed| VaultError::from(Damage::Record("intent"));
        let mut reader = Reader::new(bytes);
        reader.version(1).map_err(damaged)?;
        if reader.u8().map_err(damaged)? != 3 {
            return Ok(None);
        }
        reader.take(16).map_err(damaged)?;
        let (before, after) = (reader.array().map_err(damaged)?, reader.array().map_err(damaged)?);
        let mut paths = Files::read(reader.var().map_err(damaged)?, keys)?;
        reader.end().map_err(damaged)?;
        Ok(Some(Self { before, after, from: Files { used: paths.remove(0), others: paths } }))
    }

    /// Ends the move, when it was made, by overwriting the old files. Where one is not found the intent stays.
    pub(super) fn settle(&self, store: &mut Store, state: &StateHead) -> Result<(), VaultError> {
        let is_made = state.anchor_hash == self.after;
        if is_made {
            let mut are_blank = true;
            for path in self.from.all() {
                are_blank &= self.overwrite(path, state)?;
            }
            if !are_blank {
                return Ok(());
            }
        }
        let mut transaction = store.begin()?;
        transaction.delete(Table::Intent, ROTATION..ROTATION + 1)?;
        transaction.commit()?;
        if is_made {
            // They hold zeros now, whether or not they can be removed.
            self.from.all().for_each(FileAnchor::remove);
        }
        Ok(())
    }

    /// Whether a file was overwritten already.
    fn is_blank(&self, path: &Path, vault: &[u8; 16]) -> bool {
        FileAnchor::open(path, *vault).and_then(|file| file.anchors()).is_ok_and(|anchors| anchors.is_empty())
    }

    /// Overwrites one old file; false where it is not there, or not this vault's old anchor.
    fn overwrite(&self, path: &Path, state: &StateHead) -> Result<bool, VaultError> {
        match FileAnchor::open(path, state.vault).and_then(|file| file.blank(&self.before)) {
            Ok(true) => copy_erase(path, &state.vault)?,
            Err(error @ AnchorError::NotKept(_)) => return Err(error.into()),
            // Not there, not an anchor, not to be reached: nothing of it may stop the vault from opening.
            Ok(false) | Err(_) => return Ok(false),
        }
        Ok(true)
    }
}

impl Vault {
    /// Moves the anchor. What is stored from then on has the class of the new place; what is there keeps the weakest
    /// class it ever had.
    pub fn move_anchor(&mut self, to: &AnchorPlace, now: Instant) -> Result<(), VaultError> {
        let to = match to {
            AnchorPlace::Embedded => Place::Embedded,
            AnchorPlace::File(path) => Place::File(Files::one(path.clone())),
        };
        match (&self.place, &to) {
            (Place::Embedded, Place::Embedded) => {
                return Err(VaultError::Refused("the anchor is in the vault already"));
            }
            (Place::File(from), Place::File(to)) if from.all().any(|from| same(from, &to.used)) => {
                return Err(VaultError::Refused("the anchor is in this file already"));
            }
            _ => {}
        }
        if let Place::File(files) = &to {
            for path in std::iter::once(files.used.clone()).chain(copy_paths(&files.used)) {
                if path.symlink_metadata().is_ok() {
                    return Err(AnchorError::Exists(path).into());
                }
            }
        }
        let kind = match &to {
            Place::Embedded => AnchorKind::Embedded,
            Place::File(_) => AnchorKind::File,
        };
        let mut head = self.static_head.clone();
        head.version += 1;
        head.anchor_kind = kind;
        let action = Action::counted("anchor", vec![("moved", 1)]);
        let change = Change { to: Some(to), ..Change::default() };
        let signed = head.sign(&self.keys.keys.signer);
        self.rotate_with(&action, now, change, |_, _| Ok(Successor { keys: None, static_head: Some((head, signed)) }))
    }
}

impl<A: CanJudge> Vault<A> {
    /// The old anchors of a move that was made, where they could not be overwritten because one is not there.
    pub fn left_behind(&self) -> Result<Option<Vec<PathBuf>>, VaultError> {
        let Some(intent) = self.store.get(Table::Intent, ROTATION)? else { return Ok(None) };
        let moved = Move::decode(&intent, self.keys.facts())?;
        Ok(moved.map(|moved| {
            moved.from.all().filter(|path| !moved.is_blank(path, &self.static_head.vault)).map(Path::to_owned).collect()
        }))
    }
}

impl<A: CanErase> Vault<A> {
    /// Goes on without having overwritten it: what it opens is class E1 from now on, and the log says so.
    pub fn leave_behind(&mut self, now: Instant) -> Result<(), VaultError> {
        let mut state = self.state.clone();
        let class = state.class_at(state.next_leaf);
        state.weaken(Class::E1);
        state.raise_next(class);
        let action = Action::counted("anchor", vec![("left_behind", 1)]);
        self.commit_action(state, &action, now, |transaction| {
            transaction.delete(Table::Intent, ROTATION..ROTATION + 1).map(drop)
        })
    }
}

/// Whether two paths name one file.
pub(super) fn same(one: &Path, other: &Path) -> bool {
    one == other || one.canonicalize().ok().is_some_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}
