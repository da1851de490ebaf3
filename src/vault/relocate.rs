//! Moving the anchor: into a file, out of one, or from one file to another, and the way on after a crash.
//!
//! A rotation whose new anchor is kept at another place. The new file is made before the transaction
//! that names it; the old one is overwritten and removed after it. An intent names both.

use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::create::AnchorPlace;
use super::head::{AnchorKind, StateHead};
use super::log::Action;
use super::rotate::{Change, ROTATION, Successor};
use super::{Damage, Keys, Place, Vault, VaultError};
use crate::anchor::FileAnchor;
use crate::bytes::{Malformed, Reader, put_var};
use crate::clock::Instant;
use crate::crypto::{self, Digest, Purpose, padding};
use crate::store::{Store, Table};

/// A move that is under way.
pub(super) struct Move {
    before: Digest,
    after: Digest,
    from: Option<PathBuf>,
    to: Option<PathBuf>,
}

impl Move {
    pub(super) fn new(before: Digest, after: Digest, from: &Place, to: &Place) -> Self {
        let path = |place: &Place| match place {
            Place::Embedded => None,
            Place::File(path) => Some(path.clone()),
        };
        Self { before, after, from: path(from), to: path(to) }
    }

    pub(super) fn encode(&self, generation: u64, keys: &Keys) -> Vec<u8> {
        let mut out = vec![1, 3];
        out.extend_from_slice(&generation.to_be_bytes());
        out.extend_from_slice(&(generation + 1).to_be_bytes());
        out.extend_from_slice(&self.before);
        out.extend_from_slice(&self.after);
        let mut paths = Vec::new();
        for path in [&self.from, &self.to] {
            put_var(&mut paths, path.as_ref().map_or(&[][..], |path| path.as_os_str().as_bytes()));
        }
        let key = keys.bundle.facts_key.derive_anchor_place(&keys.vault);
        let place = crypto::Place::of_vault(keys.vault, Purpose::AnchorPlace);
        put_var(&mut out, &key.seal(&place, &padding::bucket(&paths)));
        out
    }

    /// Reads an intent; none when it is of another kind.
    pub(super) fn decode(bytes: &[u8], keys: &Keys) -> Result<Option<Self>, VaultError> {
        let damaged = |_: Malformed| VaultError::from(Damage::Record("intent"));
        let mut reader = Reader::new(bytes);
        reader.version(1).map_err(damaged)?;
        if reader.u8().map_err(damaged)? != 3 {
            return Ok(None);
        }
        reader.take(16).map_err(damaged)?;
        let (before, after) = (reader.array().map_err(damaged)?, reader.array().map_err(damaged)?);
        let sealed = reader.var().map_err(damaged)?;
        let key = keys.bundle.facts_key.derive_anchor_place(&keys.vault);
        let place = crypto::Place::of_vault(keys.vault, Purpose::AnchorPlace);
        let plain = key.open(&place, sealed).map_err(|_| Damage::Record("intent"))?;
        let mut paths = Reader::new(padding::trimmed(&plain).ok_or(Damage::Record("intent"))?);
        let mut path = || {
            let bytes = paths.var().map_err(damaged)?.to_vec();
            Ok::<_, VaultError>(
                Some(bytes)
                    .filter(|bytes| !bytes.is_empty())
                    .map(|bytes| PathBuf::from(std::ffi::OsString::from_vec(bytes))),
            )
        };
        Ok(Some(Self { before, after, from: path()?, to: path()? }))
    }

    /// Ends the move: the old file goes when the new place is in force, else the new one.
    pub(super) fn settle(&self, store: &mut Store, state: &StateHead) -> Result<(), VaultError> {
        let (doomed, hash) = match state.anchor_hash {
            hash if hash == self.after => (&self.from, self.before),
            hash if hash == self.before => (&self.to, self.after),
            _ => return Err(Damage::Record("intent").into()),
        };
        if let Some(path) = doomed {
            FileAnchor::erase(path, state.vault, &hash)?;
        }
        let mut transaction = store.begin()?;
        transaction.delete(Table::Intent, ROTATION..ROTATION + 1)?;
        Ok(transaction.commit()?)
    }
}

impl Vault {
    /// Moves the anchor. What is stored from then on has the class of the new place; what is there keeps the weakest
    /// class it ever had.
    pub fn move_anchor(&mut self, to: &AnchorPlace, now: Instant) -> Result<(), VaultError> {
        let to = match to {
            AnchorPlace::Embedded => Place::Embedded,
            AnchorPlace::File(path) => Place::File(path.clone()),
        };
        match (&self.place, &to) {
            (Place::Embedded, Place::Embedded) => {
                return Err(VaultError::Refused("the anchor is in the vault already"));
            }
            (Place::File(from), Place::File(to)) if same(from, to) => {
                return Err(VaultError::Refused("the anchor is in this file already"));
            }
            (_, Place::File(path)) if path.symlink_metadata().is_ok() => {
                return Err(crate::anchor::AnchorError::Exists(path.clone()).into());
            }
            _ => {}
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
        self.rotate_with(&action, now, change, |_, _| Ok(Successor { keys: None, static_head: Some(head) }))
    }
}

fn same(one: &Path, other: &Path) -> bool {
    one == other || one.canonicalize().ok().is_some_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}
