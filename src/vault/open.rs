//! Opening a vault: structure and signatures first, then the password, then the anchor.

use std::path::{Path, PathBuf};

use super::access::{Auditor, CanJudge, Depositor, Janitor, Owner, Reader};
use super::create::header;
use super::credential::{OwnKeys, Slot, SlotError, open_bundle};
use super::head::{AnchorKind, Credential, CredentialKind, Role, StateHead, StaticHead};
use super::key_file::KeyFile;
use super::recovery::RecoveryCode;
use super::relocate::{Move, same};
use super::replicas::Files;
use super::room::with_room;
use super::rotate::{self, Intent, open_frontier};
use super::{Damage, Place, Vault, VaultError};
use crate::anchor::FileAnchor;
use crate::bytes::{Malformed, Reader as Bytes};
use crate::crypto::{Anchor, KdfCost, OpenError, Password, hash};
use crate::store::{Lock, Store, Table};
use crate::tree::{self, Multiproof};

/// The most slots that are looked at.
const MOST_SLOTS: u64 = 256;

/// The most that trying one password may cost, in KiB times passes: about a minute.
pub(super) const MOST_COST: u64 = 64 << 20;

/// A vault file whose structure and signatures hold, and which no password has opened yet.
pub struct Unopened {
    pub(super) store: Store,
    pub(super) static_head: StaticHead,
    pub(super) state: StateHead,
    pub(super) state_row: u64,
    slots: Vec<Slot>,
}

/// A credential as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialState {
    /// As the owner certified it.
    pub credential: Credential,
    /// What its slot's key derivation costs; `None` without a slot.
    pub cost: Option<KdfCost>,
}

/// The one row of a table, looked at only when it is one and not longer than it can be.
pub(super) fn only(store: &Store, table: Table, what: &'static str) -> Result<(u64, Vec<u8>), VaultError> {
    let longest = match table {
        Table::Frontier => 1 << 30,
        _ => 1 << 20,
    };
    let (count, length) = store.extent(table)?;
    if count != 1 || length > longest {
        return Err(Damage::Record(what).into());
    }
    let mut rows = store.all(table)?;
    match (rows.pop(), rows.is_empty()) {
        (Some(row), true) => Ok(row),
        _ => Err(Damage::Record(what).into()),
    }
}

impl Unopened {
    /// Checks all of a vault that needs no key.
    pub fn open(lock: Lock) -> Result<Self, VaultError> {
        Self::check(Store::open(lock)?)?.follows_its_base()
    }

    /// The same of a copy that is only read: nothing of it is changed, whatever state it is in.
    pub fn open_copy(path: &Path) -> Result<Self, VaultError> {
        Self::check(Store::open_copy(path)?)?.follows_its_base()
    }

    /// What lives by a janitor's word has to come from what an owner signed by nothing but what a janitor may do: leaves
    /// that became tombstones, and deposits that came in behind.
    fn follows_its_base(self) -> Result<Self, VaultError> {
        let refused = || VaultError::from(Damage::Record("state head"));
        // Owners and janitors sign what lives anew with every entry: one of theirs behind it shows that it is an older one.
        let (signed_at, owners_at) = (self.state.signed_at(), self.state.base().map(|base| base.log_size));
        let first = owners_at.unwrap_or(signed_at);
        self.store.scan::<VaultError>(Table::Log, first + 1..i64::MAX as u64, |row, bytes| {
            let signer = bytes.first_chunk().and_then(|id| self.static_head.credential(id));
            match signer.map(|signer| signer.role) {
                Some(Role::Reader | Role::Depositor) => Ok(()),
                Some(Role::Janitor) if row <= signed_at => Ok(()),
                _ => Err(refused()),
            }
        })?;
        let Some(base) = self.state.base() else { return Ok(self) };
        let mut root = base.live_root;
        self.store.scan::<VaultError>(Table::Transition, base.log_size + 1..self.state.log.size() + 1, |_, row| {
            let proof = Multiproof::decode(row).map_err(|_| refused())?;
            let roots = proof.verify().map_err(|_| refused())?;
            let may = proof.leaves.iter().all(|one| match one.old == tree::empty_leaf() {
                true => one.leaf >= base.next_leaf,
                false => one.new == tree::tombstone(&one.old),
            });
            if !may || roots.old != root {
                return Err(refused());
            }
            root = roots.new;
            Ok(())
        })?;
        if root == self.state.live_root { Ok(self) } else { Err(refused()) }
    }

    pub(super) fn check(store: Store) -> Result<Self, VaultError> {
        let (_, bytes) = only(&store, Table::Header, "header")?;
        let mut reader = Bytes::new(bytes.get(12..).ok_or(Damage::Record("header"))?);
        let vault: [u8; 16] = reader.array().map_err(|_| Damage::Record("header"))?;
        if bytes != header(&vault) {
            return Err(Damage::Record("header").into());
        }
        let (version, static_bytes) = only(&store, Table::StaticHead, "static head")?;
        let static_head = StaticHead::verify(&static_bytes, &vault).ok().filter(|head| head.version == version);
        let static_head = static_head.ok_or(Damage::Record("static head"))?;
        let (count, length) = store.extent(Table::Slot)?;
        if count > MOST_SLOTS || length > 4096 {
            return Err(Damage::Record("slot").into());
        }
        let mut slots: Vec<Slot> = Vec::new();
        for (_, row) in store.all(Table::Slot)? {
            let slot = Slot::decode(&row).map_err(|error| match error {
                SlotError::Cost(cost) => VaultError::Cost(cost),
                SlotError::Malformed(_) => Damage::Record("slot").into(),
            })?;
            let owner = static_head.credential(&slot.credential).filter(|owner| owner.kind == slot.kind);
            if !owner.is_some_and(|owner| slot.is_signed_by(&owner.verify_key, &vault)) {
                return Err(Damage::Record("slot").into());
            }
            // A row that stands twice would make every wrong password cost twice.
            if slots.iter().any(|other| other.credential == slot.credential) {
                return Err(Damage::Record("slot").into());
            }
            slots.push(slot);
        }
        let cost = slots.iter().map(|slot| slot.cost.times());
        if cost.sum::<u64>() > MOST_COST {
            return Err(VaultError::Refused("the password slots together cost more than any honest vault's"));
        }
        let (state_row, state_bytes) = only(&store, Table::StateHead, "state head")?;
        let state =
            StateHead::verify(&state_bytes, &static_head, &static_bytes).map_err(|_| Damage::Record("state head"))?;
        let (generation, frontier) = only(&store, Table::Frontier, "keyring")?;
        let (_, anchor) = only(&store, Table::Anchor, "anchor")?;
        if hash::sha256(&[&anchor]) != state.anchor_row {
            return Err(Damage::Record("anchor").into());
        }
        if generation != state.generation || hash::sha256(&[&frontier]) != state.frontier_hash {
            return Err(Damage::Keyring.into());
        }
        Ok(Self { store, static_head, state, state_row, slots })
    }

    /// The vault's id.
    pub fn id(&self) -> [u8; 16] {
        self.static_head.vault
    }

    /// The owner's key, as the file gives it.
    pub fn owner_key(&self) -> crate::crypto::VerifyKey {
        self.static_head.owner
    }

    /// The anchor generation.
    pub fn generation(&self) -> u64 {
        self.state.generation
    }

    /// Whether the signed live tree has exactly these hashes at these leaves (ascending).
    pub fn has_leaves(&self, leaves: &[(u64, crate::crypto::Digest)]) -> Result<bool, VaultError> {
        let load = |key| super::commit::load_tile(&self.store, key);
        match crate::tree::check_leaves::<VaultError>(&self.state.live_root, load, leaves) {
            Ok(()) => Ok(true),
            Err(VaultError::Damaged(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// The credentials.
    pub fn credentials(&self) -> Vec<CredentialState> {
        let state = |credential: &Credential| CredentialState {
            credential: credential.clone(),
            cost: self.slots.iter().find(|slot| slot.credential == credential.id).map(|slot| slot.cost),
        };
        let all = self.static_head.credentials.iter();
        all.filter(|credential| credential.role != Role::Retired).map(state).collect()
    }

    /// Opens the vault with an owner's password or recovery code. `anchor` overrides where the vault says its anchor is.
    pub fn unlock(self, password: &Password, anchor: Option<&Path>) -> Result<Vault, VaultError> {
        let keys = self.find_keys(password)?;
        self.open_as(keys, anchor)
    }

    /// Opens the vault as who was found by [`Unopened::who`].
    pub fn open_as<A: CanJudge>(self, keys: A, anchor: Option<&Path>) -> Result<Vault<A>, VaultError> {
        let Self { mut store, static_head, state, state_row, .. } = self;
        let vault = static_head.vault;
        let (generation, row) = only(&store, Table::Anchor, "anchor")?;
        if generation != state.generation {
            return Err(Damage::Record("anchor").into());
        }
        let (anchor, place) = match state.anchor_kind {
            AnchorKind::Embedded => {
                let found =
                    Anchor::from_slice(&row).filter(|found| found.hash(&vault, generation) == state.anchor_hash);
                let found = found.ok_or(Damage::Record("anchor"))?;
                if let Some(intent) = store.get(Table::Intent, rotate::ROTATION)?.filter(|_| !store.is_copy()) {
                    let moved = Move::decode(&intent, keys.facts())?.ok_or(Damage::Record("intent"))?;
                    // What was left behind stays noted in the intent.
                    with_room(&mut store, |store| moved.settle(store, &state))?;
                }
                (found, Place::Embedded)
            }
            AnchorKind::File => {
                let files = Files::read(&row, keys.facts());
                let mut paths = match anchor {
                    // Named, it is one of those that are known, or the only one that was moved by hand. Of several nobody
                    // can tell which one that was, so all of them stay known until they are dropped.
                    Some(path) => {
                        let mut known = files?;
                        let is_known = known.iter().any(|one| same(one, path));
                        known.retain(|one| !same(one, path));
                        if !is_known && known.len() == 1 {
                            known.clear();
                        }
                        [vec![path.to_owned()], known].concat()
                    }
                    None => files?,
                };
                let load = |path: &PathBuf| FileAnchor::open(path, vault)?.load(&state.anchor_hash);
                let at = match anchor {
                    Some(_) => 0,
                    None => paths.iter().position(|path| load(path).is_ok()).unwrap_or(0),
                };
                let found = load(&paths[at]).inspect_err(|_| {
                    // Yesterday's file beside today's anchor: whatever is written now could only destroy.
                    store.leave_untouched();
                })?;
                let files = Files { used: paths.remove(at), others: paths };
                let (_, frontier) = only(&store, Table::Frontier, "keyring")?;
                // Before an intent is acted on, the anchor has to open what it says it opens.
                open_frontier(&frontier, &found, &vault, generation)?;
                if let Some(intent) = store.get(Table::Intent, rotate::ROTATION)?.filter(|_| !store.is_copy()) {
                    match Move::decode(&intent, keys.facts())? {
                        Some(moved) => with_room(&mut store, |store| moved.settle(store, &state))?,
                        None => {
                            let intent = Intent::decode(&intent).map_err(|_| Damage::Record("intent"))?;
                            with_room(&mut store, |store| rotate::settle(store, &state, &files, &found, &intent))?;
                        }
                    }
                }
                if !store.is_copy() {
                    files.catch_up(&vault, &state.anchor_hash);
                }
                (found, Place::File(files))
            }
        };
        let (_, frontier) = only(&store, Table::Frontier, "keyring")?;
        let (frontier, deposit_secret, marks) = open_frontier(&frontier, &anchor, &vault, generation)?;
        if deposit_secret.public() != state.deposit_key {
            return Err(Damage::Keyring.into());
        }
        let mut vault = Vault { store, static_head, state, state_row, keys, frontier, deposit_secret, marks, place };
        // Before this credential signs anything that would speak for it.
        vault.check_what_came()?;
        let under_way = vault.under_way()?.filter(|under_way| under_way.is_destroyed);
        if let Some(under_way) = under_way.filter(|_| !vault.store.is_copy()) {
            if !vault.is_given_up(&under_way)? {
                return Err(Damage::Record("intent").into());
            }
            // Their keys are gone, so nothing may come upon their rows.
            vault.remove_rows_with_room(&under_way)?;
        }
        Ok(vault)
    }

    /// Whether `code` is a recovery code of this vault.
    pub fn accepts_recovery(&self, code: &Password) -> Result<bool, VaultError> {
        let Some(code) = RecoveryCode::parse(code) else { return Ok(false) };
        Ok(self.try_slots(CredentialKind::RecoveryCode, &code.password())?.is_some())
    }

    /// The owner that a password or recovery code is of.
    pub(super) fn find_keys(&self, password: &Password) -> Result<Owner, VaultError> {
        match self.who(password)? {
            Who::Owner(keys) => Ok(keys),
            other => Err(VaultError::NotAllowed(other.role())),
        }
    }

    /// Who a password, a recovery code or the text of a key file is of.
    pub fn who(&self, secret: &Password) -> Result<Who, VaultError> {
        if let Some(key) = KeyFile::parse(secret) {
            return self.try_slots(CredentialKind::KeyFile, &key.password())?.ok_or(VaultError::WrongKeyFile);
        }
        if let Some(code) = RecoveryCode::parse(secret)
            && let Some(who) = self.try_slots(CredentialKind::RecoveryCode, &code.password())?
        {
            return Ok(who);
        }
        self.try_slots(CredentialKind::Password, secret)?.ok_or(VaultError::WrongPassword)
    }

    /// Tries every slot of a kind. Another's slot is passed over; a slot that opens and then disagrees is damage.
    fn try_slots(&self, kind: CredentialKind, secret: &Password) -> Result<Option<Who>, VaultError> {
        for slot in self.slots.iter().filter(|slot| slot.kind == kind) {
            let vault = self.static_head.vault;
            let (own, pinned) = match slot.open(secret, vault) {
                Ok(own) => own,
                Err(OpenError::WrongKey) => continue,
                Err(OpenError::Damaged) => return Err(Damage::Record("slot").into()),
            };
            if pinned != self.static_head.owner {
                // Everything in the file is signed, by somebody else than the owner this secret was given under.
                return Err(Damage::Record("owner key").into());
            }
            let credential = self.static_head.credential(&slot.credential).ok_or(Damage::Record("slot"))?;
            let who = self.keys_of(own, credential).map_err(|_| Damage::Record("credential"))?;
            if let Who::Owner(keys) = &who
                && keys.keys.signer.public() != self.static_head.owner
            {
                return Err(Damage::Record("credential").into());
            }
            return Ok(Some(who));
        }
        Ok(None)
    }

    fn keys_of(&self, own: OwnKeys, credential: &Credential) -> Result<Who, Malformed> {
        let (vault, epoch) = (self.static_head.vault, self.static_head.key_epoch);
        Ok(match credential.role {
            Role::Owner => Who::Owner(open_bundle(own, credential, vault, epoch)?),
            Role::Reader => Who::Reader(open_bundle(own, credential, vault, epoch)?),
            Role::Janitor => Who::Janitor(open_bundle(own, credential, vault, epoch)?),
            Role::Depositor => Who::Depositor(open_bundle(own, credential, vault, epoch)?),
            Role::Auditor => Who::Auditor(open_bundle(own, credential, vault, epoch)?),
            Role::Retired => return Err(Malformed),
        })
    }
}

/// A credential whose secret was given, with its keys.
#[expect(clippy::large_enum_variant, reason = "there is one of them")]
pub enum Who {
    /// An owner.
    Owner(Owner),
    /// A reader.
    Reader(Reader),
    /// A janitor.
    Janitor(Janitor),
    /// A depositor.
    Depositor(Depositor),
    /// An auditor.
    Auditor(Auditor),
}

impl Who {
    /// The role.
    pub fn role(&self) -> Role {
        match self {
            Self::Owner(_) => Role::Owner,
            Self::Reader(_) => Role::Reader,
            Self::Janitor(_) => Role::Janitor,
            Self::Depositor(_) => Role::Depositor,
            Self::Auditor(_) => Role::Auditor,
        }
    }
}
