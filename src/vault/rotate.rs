//! Rotation: a fresh anchor, a cut keyring and a new deposit epoch, in the order of `docs/format.md` §12.

use std::collections::BTreeMap;
use std::path::Path;

use zeroize::Zeroizing;

use super::access::{CanErase, CanJudge};
use super::commit::{self, Actor, load_tile};
use super::erase::{AFTER, ERASURE};
use super::head::{AnchorKind, StateHead, StaticHead};
use super::log::Action;
use super::open::only;
use super::relocate::{Move, same};
use super::replicas::Files;
use super::trim::LogMarks;
use super::{Damage, Place, Vault, VaultError};
use crate::anchor::FileAnchor;
use crate::bytes::{Malformed, Reader, put_var};
use crate::clock::Instant;
use crate::crypto::{self, Anchor, Digest, EnvelopeSecret, Purpose, hash, padding};
use crate::keyring::Frontier;
use crate::sabotage::{self, Fault};
use crate::store::{Store, Table, Transaction};
use crate::tree;

/// The sealed row of the keyring.
pub(super) fn seal_frontier(
    frontier: &Frontier,
    deposit_secret: &EnvelopeSecret,
    marks: &LogMarks,
    anchor: &Anchor,
    vault: &[u8; 16],
    generation: u64,
) -> Vec<u8> {
    let mut plain = Zeroizing::new(vec![1]);
    plain.extend_from_slice(&generation.to_be_bytes());
    plain.extend_from_slice(deposit_secret.expose());
    marks.encode(&mut plain);
    plain.extend_from_slice(&frontier.encode());
    let place = crypto::Place::of_vault(*vault, Purpose::Frontier);
    anchor.derive_frontier_key(vault, generation).seal(&place, &padding::ledger(&plain))
}

/// Opens the keyring with its anchor.
pub(super) fn open_frontier(
    row: &[u8],
    anchor: &Anchor,
    vault: &[u8; 16],
    generation: u64,
) -> Result<(Frontier, EnvelopeSecret, LogMarks), VaultError> {
    let damaged = |_| VaultError::from(Damage::Keyring);
    let place = crypto::Place::of_vault(*vault, Purpose::Frontier);
    let plain = anchor
        .derive_frontier_key(vault, generation)
        .open(&place, row)
        .map_err(|_| VaultError::from(Damage::Keyring))?;
    let mut reader = Reader::new(padding::trimmed(&plain).ok_or(Damage::Keyring)?);
    reader.version(1).map_err(damaged)?;
    if reader.u64().map_err(damaged)? != generation {
        return Err(Damage::Keyring.into());
    }
    let secret = EnvelopeSecret::from_slice(reader.take(32).map_err(damaged)?).ok_or(Damage::Keyring)?;
    let marks = LogMarks::take(&mut reader).map_err(damaged)?;
    Ok((Frontier::decode(reader.rest())?, secret, marks))
}

/// The intent's row of a rotation; an erasure around it has another.
pub(super) const ROTATION: u64 = 1;

/// A rotation that is under way, as the store records it.
pub(super) struct Intent {
    pub(super) before: Digest,
    pub(super) after: Digest,
}

impl Intent {
    pub(super) fn encode(&self, generation: u64) -> Vec<u8> {
        let mut out = vec![1, 1];
        out.extend_from_slice(&generation.to_be_bytes());
        out.extend_from_slice(&(generation + 1).to_be_bytes());
        out.extend_from_slice(&self.before);
        out.extend_from_slice(&self.after);
        put_var(&mut out, b"");
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        reader.version(1)?;
        reader.take(16)?;
        let intent = Self { before: reader.array()?, after: reader.array()? };
        reader.var()?;
        reader.end()?;
        Ok(intent)
    }
}

/// Ends a rotation that was begun. Where a replica is out of reach the intent stays.
pub(super) fn settle(
    store: &mut Store,
    state: &StateHead,
    files: &Files,
    anchor: &Anchor,
    intent: &Intent,
) -> Result<(), VaultError> {
    if files.settle(store, state, anchor, intent)? {
        let mut transaction = store.begin()?;
        transaction.delete(Table::Intent, ROTATION..ROTATION + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

/// What a rotation puts in the place of what was.
pub(super) struct Successor<A> {
    pub(super) keys: Option<A>,
    /// With its bytes, which only an owner can have signed.
    pub(super) static_head: Option<(StaticHead, Vec<u8>)>,
}

impl<A: CanErase> Vault<A> {
    /// Rotates, with whatever else `change` writes in the same transaction.
    pub(super) fn rotate(
        &mut self,
        action: &Action,
        now: Instant,
        change: impl FnOnce(&mut Transaction<'_>, &Before<'_, A>) -> Result<Successor<A>, VaultError>,
    ) -> Result<(), VaultError> {
        self.rotate_with(action, now, Change::default(), change)
    }

    /// Fresh keys and nothing else, at the end of a purge that found nothing to destroy.
    pub fn end_run(&mut self, now: Instant) -> Result<(), VaultError> {
        let change = Change { ends_run: true, ..Change::default() };
        let action = Action::counted("purge", vec![("segments", 0)]);
        self.rotate_with(&action, now, change, |_, _| Ok(Successor { keys: None, static_head: None }))
    }

    /// The same, with more than fresh keys.
    pub(super) fn rotate_with(
        &mut self,
        action: &Action,
        now: Instant,
        Change { punctured, leaves, to, ends_intent, ends_run }: Change<'_>,
        change: impl FnOnce(&mut Transaction<'_>, &Before<'_, A>) -> Result<Successor<A>, VaultError>,
    ) -> Result<(), VaultError> {
        // What waits is sealed to the secret that goes.
        self.fold_deposits(now)?;
        self.may_rotate()?;
        if !ends_intent && self.store.get(Table::Intent, ERASURE)?.is_some() {
            return Err(VaultError::Refused("an erasure is under way; it has to be finished first"));
        }
        let vault = self.id();
        let generation = self.state.generation + 1;
        let anchor = Anchor::generate();
        let deposit_secret = EnvelopeSecret::generate();
        let mut frontier = Frontier::decode(&self.frontier.encode())?;
        frontier.puncture_all(&self.unused_leaves()?)?;
        if !sabotage::is(Fault::PunctureSkipped) {
            frontier.puncture_all(punctured)?;
        }
        frontier.rotate(self.state.next_leaf)?;
        let marks = self.marks.clone().with(self.state.log.size(), now);
        let sealed = seal_frontier(&frontier, &deposit_secret, &marks, &anchor, &vault, generation);

        let mut state = self.state.clone();
        state.generation = generation;
        if ends_run {
            state.purged = now;
        }
        state.anchor_hash = anchor.hash(&vault, generation);
        state.frontier_hash = hash::sha256(&[&sealed]);
        state.deposit_epoch += 1;
        state.deposit_key = deposit_secret.public();
        let place = to.as_ref().unwrap_or(&self.place);
        state.anchor_kind = match place {
            Place::Embedded => AnchorKind::Embedded,
            Place::File(_) => AnchorKind::File,
        };
        // What the old anchor opened is under a copy of it still, where its own place keeps one.
        state.lower(self.place.class());
        state.weaken(place.class());

        let intent = Intent { before: self.state.anchor_hash, after: state.anchor_hash };
        let moved = to.as_ref().and_then(|_| Move::new(intent.before, intent.after, &self.place));
        let written = match (&moved, &self.place) {
            (Some(moved), _) => Some(moved.encode(self.state.generation, self.keys.facts())),
            (None, Place::File(_)) => Some(intent.encode(self.state.generation)),
            (None, Place::Embedded) => None,
        };
        // Another's file is not touched: it is made new, or nothing is changed at all.
        let made = match &to {
            Some(Place::File(files)) => Some(Made::new(&files.used, vault, generation, &anchor)?),
            _ => None,
        };
        if let Some(written) = written {
            let mut transaction = self.store.begin()?;
            transaction.insert(Table::Intent, ROTATION, &written)?;
            transaction.commit()?;
        }
        let mut transaction = self.store.begin()?;
        let view = Before { keys: &self.keys, static_head: &self.static_head, frontier: &self.frontier };
        let successor = change(&mut transaction, &view)?;
        let keys = successor.keys.as_ref().unwrap_or(&self.keys);
        let static_head = successor.static_head.as_ref().map_or(&self.static_head, |(head, _)| head);
        if let Some((head, bytes)) = &successor.static_head {
            state.static_hash = hash::sha256(&[bytes]);
            transaction.delete(Table::StaticHead, 0..head.version)?;
            transaction.insert(Table::StaticHead, head.version, bytes)?;
        }
        transaction.delete(Table::Frontier, 0..generation)?;
        transaction.insert(Table::Frontier, generation, &sealed)?;
        transaction.delete(Table::Anchor, 0..generation)?;
        let anchor_row = match place {
            Place::Embedded => anchor.expose().to_vec(),
            Place::File(files) => files.row(keys.facts()),
        };
        state.anchor_row = hash::sha256(&[&anchor_row]);
        transaction.insert(Table::Anchor, generation, &anchor_row)?;
        let actor = Actor::of(keys, static_head);
        commit::write_state(&mut transaction, &mut state, self.state_row, &leaves, action, &actor, now)?;
        if ends_intent {
            let (_, after) = only(transaction.store(), Table::StateHead, "state head")?;
            transaction.insert(Table::Intent, AFTER, &after)?;
        }
        let staged = match place {
            Place::Embedded => None,
            Place::File(files) => {
                // A file that it moves to was made with its anchor.
                let next = to.is_none().then_some((&intent.before, generation, &anchor));
                files.stage(&vault, &commit::copied_rows(transaction.store())?, next)?;
                to.is_none().then(|| files.clone())
            }
        };
        transaction.commit()?;
        if let Some(made) = made {
            made.keep();
        }
        self.state = state;
        self.state_row += 1;
        self.frontier = frontier;
        self.deposit_secret = deposit_secret;
        self.marks = marks;
        if let Some(keys) = successor.keys {
            self.keys = keys;
        }
        if let Some((head, _)) = successor.static_head {
            self.static_head = head;
        }
        if let Some(to) = to {
            self.place = to;
        }
        if let Some(moved) = moved {
            let settled = moved.settle(&mut self.store, &self.state);
            settled.map_err(|error| VaultError::Unsettled(Box::new(error)))?;
        }
        if let Some(files) = staged {
            settle(&mut self.store, &self.state, &files, &anchor, &intent)
                .map_err(|error| VaultError::Unsettled(Box::new(error)))?;
        }
        Ok(())
    }
}

impl<A: CanJudge> Vault<A> {
    /// Everything that would stop a rotation, asked before anything is written.
    pub(super) fn may_rotate(&self) -> Result<(), VaultError> {
        let unused: Vec<(u64, Digest)> = self.unused_leaves()?.iter().map(|leaf| (*leaf, tree::empty_leaf())).collect();
        if !unused.is_empty() {
            let load = |key| load_tile(&self.store, key);
            match tree::check_leaves::<VaultError>(&self.state.live_root, load, &unused) {
                // Rotating would give up the keys of rows that may yet be brought back.
                Err(VaultError::Damaged(Damage::Tree(tree::Error::WrongLeaf(leaf)))) => {
                    return Err(Damage::Segment(leaf, "rows, which are gone").into());
                }
                other => other?,
            }
        }
        if self.store.get(Table::Intent, ROTATION)?.is_some() {
            return Err(VaultError::Refused(
                "a file of the anchor is out of reach and still holds the one before: bring it back, or drop a replica with anchor replicate --forget",
            ));
        }
        if let Place::File(files) = &self.place {
            // An anchor of this vault at the place it remembers would not die with the one that was given.
            let (_, row) = only(&self.store, Table::Anchor, "anchor")?;
            let mut remembered = Files::read(&row, self.keys.facts())?.into_iter();
            if remembered.any(|one| !files.all().any(|path| same(&one, path)) && one.symlink_metadata().is_ok()) {
                return Err(VaultError::Refused(
                    "the anchor was named with --anchor-file, and something stands where the vault remembers it too",
                ));
            }
        }
        Ok(())
    }

    /// Numbers that were handed out and never used. A rotation gives them up, so that the keyring covers what lives and no
    /// more; hence only numbers since the last one are looked at.
    fn unused_leaves(&self) -> Result<Vec<u64>, VaultError> {
        let handed_out = self.frontier.open_from()..self.state.next_leaf;
        let mut used = self.store.ids_in(Table::Segment, handed_out.clone())?.into_iter().peekable();
        Ok(handed_out.filter(|leaf| used.next_if_eq(leaf).is_none()).collect())
    }
}

/// A new anchor file that goes again unless its anchor comes into force.
struct Made(Option<std::path::PathBuf>);

impl Made {
    fn new(path: &Path, vault: [u8; 16], generation: u64, anchor: &Anchor) -> Result<Self, VaultError> {
        FileAnchor::create(path, vault, generation, anchor)?;
        Ok(Self(Some(path.to_owned())))
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            FileAnchor::remove(path);
        }
    }
}

/// What a rotation does beside drawing fresh keys.
#[derive(Default)]
pub(super) struct Change<'a> {
    /// Leaves that the keyring gives up.
    pub(super) punctured: &'a [u64],
    /// Leaves of the live tree that change.
    pub(super) leaves: BTreeMap<u64, Digest>,
    /// Where the anchor is from then on.
    pub(super) to: Option<Place>,
    /// It is the destruction that the intent of an erasure promises; the state it leads to is kept beside the intent.
    pub(super) ends_intent: bool,
    /// A purge ends with it.
    pub(super) ends_run: bool,
}

/// What a change within a rotation may look at.
pub(super) struct Before<'a, A> {
    pub(super) keys: &'a A,
    pub(super) static_head: &'a StaticHead,
    pub(super) frontier: &'a Frontier,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{KdfCost, Password};
    use crate::store::Lock;
    use crate::vault::{AnchorPlace, Class, NewVault};

    #[test]
    fn a_folder_that_becomes_a_sync_folder_lowers_the_class_for_good() {
        const NOW: Instant = Instant(1_800_000_000_000_000);
        let folder = crate::vault::sound_folder();
        let place = folder.path().join("keys");
        let mark = place.join(".stfolder");
        std::fs::create_dir(&place).unwrap();
        let anchor = AnchorPlace::File(place.join("anchor"));
        let password = Password::new(b"first".to_vec());
        let new = NewVault { password: &password, cost: KdfCost::FLOOR, anchor, recovery: false, now: NOW };
        let (mut vault, _) = Vault::create(Lock::take(&folder.path().join("v.db")).unwrap(), &new).unwrap();
        let best = vault.class();
        let rotate = |vault: &mut Vault| vault.change_password(&password, KdfCost::FLOOR, NOW).unwrap();
        rotate(&mut vault);
        assert_eq!(vault.state.classes, [(0, best)]);
        // Seen at once, and written down with the next rotation.
        vault.state.next_leaf = 3;
        std::fs::create_dir(&mark).unwrap();
        assert_eq!((vault.class(), vault.state.classes[0].1), (Class::E1, best));
        rotate(&mut vault);
        assert_eq!(vault.state.classes, [(0, Class::E1)]);
        // What comes under an anchor that no sync folder has seen is better again, and what was there is not.
        std::fs::remove_dir(&mark).unwrap();
        rotate(&mut vault);
        assert_eq!((vault.class(), vault.state.class_at(2)), (best, Class::E1));
        // Between two rotations any change of the vault remembers what the place was: this anchor has been copied.
        std::fs::create_dir(&mark).unwrap();
        vault.commit_action(vault.state.clone(), &Action::counted("receipt", Vec::new()), NOW, |_| Ok(())).unwrap();
        std::fs::remove_dir(&mark).unwrap();
        assert_eq!((vault.class(), vault.state.class_at(5)), (Class::E1, Class::E1));
    }
}
