//! Deposits: segments sealed by who can read nothing, waiting in the inbox until they are folded in.
//!
//! `docs/format.md` §10. A depositor opens neither keyring nor anchor: it seals to public keys that the heads
//! name, and the heads are signed under the owner key that its own slot pins.

use std::collections::HashSet;

use zeroize::Zeroizing;

use super::access::{CanErase, CanJudge, Depositor, Holds, Identity};
use super::commit::{Actor, write_state};
use super::head::{Role, StateHead, StaticHead};
use super::log::Action;
use super::segment::{
    By, DEPOSIT_READ, DEPOSITED, Manifest, Sealer, SegmentRow, attachment_row, facts_row, seal_facts,
};
use super::{Unopened, Vault, VaultError};
use crate::bytes::{Malformed, Reader, put_var};
use crate::clock::{Duration, Instant, Unit};
use crate::crypto::{
    Digest, EnvelopeKey, EnvelopeSecret, EraseShare, Purpose, ReadShare, SegmentFactsKey, Signer, hash,
};
use crate::facts::{Facts, FactsRecord};
use crate::store::{Store, Table};

const DEPOSIT: &str = "convault/1/deposit";
const DEPOSIT_ERASE: &str = "convault/1/deposit-erase";
const DEPOSIT_FACTS: &str = "convault/1/deposit-facts";

/// Where deposits go that are none: row numbers from here on.
const QUARANTINE: u64 = 1 << 40;

/// Largest deposit: it is one row, and held in memory whole.
const LARGEST: usize = 1 << 30;

/// What a depositor seals with.
pub(super) struct PublicKeys {
    pub(super) vault: [u8; 16],
    credential: [u8; 16],
    signer: Signer,
    epoch: u64,
    read: EnvelopeKey,
    deposit: EnvelopeKey,
}

impl PublicKeys {
    /// A deposit's row for the inbox.
    pub(super) fn seal_deposit(
        &self,
        facts: Facts,
        row: &SegmentRow,
        (read, erase): (&ReadShare, &EraseShare),
        objects: &[(Purpose, u32, Vec<u8>)],
    ) -> Result<Vec<u8>, VaultError> {
        let conversation = facts.conversation;
        let record = FactsRecord::sign(facts, 1, row.about(&self.vault), self.credential, &self.signer);
        let plain = Zeroizing::new(record.encode());
        let sealed = [
            self.read.seal(DEPOSIT_READ, &self.vault, &read.deposited(conversation)),
            self.deposit.seal(DEPOSIT_ERASE, &self.vault, erase.expose()),
            self.deposit.seal(DEPOSIT_FACTS, &self.vault, &plain),
        ];
        let mut out = vec![1];
        out.extend_from_slice(&self.credential);
        out.extend_from_slice(&self.epoch.to_be_bytes());
        out.extend_from_slice(&row.segment);
        for sealed in sealed {
            put_var(&mut out, &sealed.ok_or_else(|| VaultError::damaged("public keys"))?);
        }
        out.extend_from_slice(&row.manifest.encode());
        out.extend_from_slice(&u32::try_from(objects.len()).expect("pieces are counted in 20 bits").to_be_bytes());
        for (purpose, index, sealed) in objects {
            out.push(*purpose as u8);
            out.extend_from_slice(&index.to_be_bytes());
            put_var(&mut out, sealed);
        }
        let signature = self.signer.sign(DEPOSIT, &[&self.vault, &out]);
        out.extend_from_slice(&signature);
        if out.len() > LARGEST { Err(VaultError::TooLarge) } else { Ok(out) }
    }
}

/// A deposit, read and found to be one.
struct Deposit {
    row: SegmentRow,
    segment: Vec<u8>,
    read_share: Vec<u8>,
    erase: EraseShare,
    record: FactsRecord,
    objects: Vec<(u8, u32, Vec<u8>)>,
}

impl Deposit {
    /// Reads a row of the inbox: signed by a depositor, sealed to this epoch, whole.
    fn open(bytes: &[u8], head: &StaticHead, state: &StateHead, secret: &EnvelopeSecret) -> Result<Self, Malformed> {
        let vault = head.vault;
        let (signed, signature) = bytes.split_last_chunk().ok_or(Malformed)?;
        if bytes.len() > LARGEST {
            return Err(Malformed);
        }
        let mut reader = Reader::new(signed);
        reader.version(1)?;
        let depositor: [u8; 16] = reader.array()?;
        let depositor = head.credential(&depositor).filter(|one| one.role == Role::Depositor).ok_or(Malformed)?;
        if !depositor.verify_key.verifies(DEPOSIT, &[&vault, signed], signature) {
            return Err(Malformed);
        }
        if reader.u64()? != state.deposit_epoch {
            return Err(Malformed);
        }
        let segment_id: [u8; 16] = reader.array()?;
        let read_share = reader.var()?.to_vec();
        let erase = secret.open(DEPOSIT_ERASE, &vault, reader.var()?).map_err(|_| Malformed)?;
        let erase = EraseShare::from_slice(&erase).ok_or(Malformed)?;
        let record = secret.open(DEPOSIT_FACTS, &vault, reader.var()?).map_err(|_| Malformed)?;
        let record = FactsRecord::decode(&record)?;
        let manifest = Manifest::take(&mut reader)?;
        let mut segment = segment_id.to_vec();
        segment.extend_from_slice(&erase.commitment());
        segment.extend_from_slice(&manifest.encode());
        let row = SegmentRow::decode(&segment)?;
        let count = reader.u32()? as usize;
        if !is_whole(&manifest) || record.facts.conversation != segment_id {
            return Err(Malformed);
        }
        if count != manifest.objects().count() || record.version != 1 || record.signer != depositor.id {
            return Err(Malformed);
        }
        if !record.is_signed_by(&depositor.verify_key, row.about(&vault)) || !is_plain(&record.facts) {
            return Err(Malformed);
        }
        let (mut objects, mut met) = (Vec::new(), HashSet::new());
        for _ in 0..count {
            let (purpose, index, sealed) = (reader.u8()?, reader.u32()?, reader.var()?);
            if !met.insert((purpose, index)) || !manifest.names_as(purpose, index, sealed) {
                return Err(Malformed);
            }
            objects.push((purpose, index, sealed.to_vec()));
        }
        reader.end()?;
        Ok(Self { row, segment, read_share, erase, record, objects })
    }
}

/// The commitment to the erase share of a deposit that waits, for who looks what an older copy still leads to.
pub(super) fn deposited_share(row: &[u8], vault: &[u8; 16], secret: &EnvelopeSecret) -> Option<Digest> {
    let mut reader = Reader::new(row);
    reader.take(1 + 16 + 8 + 16).ok()?;
    reader.var().ok()?;
    let erase = secret.open(DEPOSIT_ERASE, vault, reader.var().ok()?).ok()?;
    Some(EraseShare::from_slice(&erase)?.commitment())
}

/// One card, one body, at most one sketch, and attachment pieces counted from 0.
fn is_whole(manifest: &Manifest) -> bool {
    let (card, body, piece) = (Purpose::Card as u8, Purpose::Body as u8, Purpose::Attachment as u8);
    let mut pieces = 0;
    let (mut cards, mut bodies) = (0, 0);
    manifest.objects().all(|(purpose, index)| match index {
        0 if purpose == card => {
            cards += 1;
            true
        }
        0 if purpose == body => {
            bodies += 1;
            true
        }
        // A manifest names each object once.
        0 if purpose == Purpose::Sketch as u8 => true,
        _ => {
            pieces += 1;
            purpose == piece && index + 1 == pieces && pieces <= 1 << 20
        }
    }) && (cards, bodies) == (1, 1)
}

/// What a depositor may say of a segment: no tags, no marks, no month, and nothing compiled.
fn is_plain(facts: &Facts) -> bool {
    facts.tags.is_empty()
        && facts.month == 0
        && (facts.policy_version, facts.holds_version) == (0, 0)
        && facts.fingerprint == [0; 32]
        && facts.last_activity <= facts.imported
        && facts.created <= facts.imported
}

/// The digest of the inbox once one more deposit is in it.
fn chained(digest: &Digest, row: &[u8]) -> Digest {
    hash::labelled("convault/1/inbox", &[digest, &hash::sha256(&[row])])
}

/// The digest of an inbox with nothing in it.
pub(super) fn empty_inbox() -> Digest {
    hash::labelled("convault/1/inbox", &[])
}

/// The digest of the deposits as they stand in the store.
pub(super) fn inbox_digest(store: &Store) -> Result<Digest, VaultError> {
    let mut digest = empty_inbox();
    store.scan::<VaultError>(Table::Inbox, 0..QUARANTINE, |_, row| {
        digest = chained(&digest, row);
        Ok(())
    })?;
    Ok(digest)
}

/// A vault open to a depositor.
pub struct Depositing {
    store: Store,
    static_head: StaticHead,
    state: StateHead,
    state_row: u64,
    keys: Depositor,
    public: PublicKeys,
}

impl Unopened {
    /// Opens the vault for deposits: no keyring, no anchor, nothing that opens anything.
    pub fn deposit_as(self, keys: Depositor) -> Result<Depositing, VaultError> {
        if self.store.get(Table::Intent, super::erase::ERASURE)?.is_some() {
            return Err(VaultError::Refused("an erasure is under way; deposit when it is finished"));
        }
        let Identity { vault, credential, own } = keys.identity();
        let public = PublicKeys {
            vault: *vault,
            credential: *credential,
            signer: own.signer.copy(),
            epoch: self.state.deposit_epoch,
            read: self.static_head.read_key,
            deposit: self.state.deposit_key,
        };
        let Self { store, static_head, state, state_row, .. } = self;
        Ok(Depositing { store, static_head, state, state_row, keys, public })
    }
}

impl Depositing {
    /// What seals deposits.
    pub fn sealer(&self, now: Instant) -> Sealer<'_> {
        Sealer { by: By::Depositor(&self.public), now }
    }

    /// Puts deposits into the inbox, durably, with an entry in the log.
    pub fn deposit(&mut self, rows: &[Vec<u8>], now: Instant) -> Result<(), VaultError> {
        let mut state = self.state.clone();
        let mut transaction = self.store.begin()?;
        let taken = transaction.store().ids_in(Table::Inbox, 0..QUARANTINE)?;
        for (number, row) in (taken.last().unwrap_or(&0) + 1..).zip(rows) {
            transaction.insert(Table::Inbox, number, row)?;
            state.inbox_digest = chained(&state.inbox_digest, row);
        }
        let action = Action::counted("deposit", vec![("segments", rows.len() as u64)]);
        let actor = Actor::of(&self.keys, &self.static_head);
        write_state(&mut transaction, &mut state, self.state_row, &Default::default(), &action, &actor, now)?;
        transaction.commit()?;
        self.state = state;
        self.state_row += 1;
        Ok(())
    }

    /// As a depositor's program of its own might do it.
    #[cfg(test)]
    pub(super) fn public_to(&mut self, read: EnvelopeKey) {
        self.public.read = read;
    }

    /// Where the vault is.
    pub fn path(&self) -> &std::path::Path {
        self.store.path()
    }

    /// Closes the vault.
    pub fn close(self) -> Result<(), VaultError> {
        Ok(self.store.close()?)
    }
}

/// What came of the deposits that waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// Segments that came in.
    pub segments: u64,
    /// Rows of the inbox that are no deposit, kept aside.
    pub quarantined: u64,
    /// The inbox is not as the head says: something in it was changed, added or removed by who may not.
    pub is_tampered: bool,
}

impl<A: CanErase> Vault<A> {
    /// Gives every deposit its leaf, so that it lives like any other segment. What is none goes aside.
    pub fn fold_deposits(&mut self, now: Instant) -> Result<Folded, VaultError> {
        let waiting = self.store.ids_in(Table::Inbox, 0..QUARANTINE)?;
        if waiting.is_empty() && self.state.inbox_digest == empty_inbox() {
            return Ok(Folded::default());
        }
        self.refuse_while_promised()?;
        let mut folded =
            Folded { is_tampered: inbox_digest(&self.store)? != self.state.inbox_digest, ..Folded::default() };
        let mut known: HashSet<[u8; 16]> = HashSet::new();
        self.store.scan::<VaultError>(Table::Segment, 0..i64::MAX as u64, |_, row| {
            known.extend(row.first_chunk::<16>());
            Ok(())
        })?;
        let mut state = self.state.clone();
        let (keys, vault) = (self.keys.facts(), self.static_head.vault);
        let mut walker = self.frontier.walker();
        let latest = Duration::new(1, Unit::Day).and_then(|day| now.plus(day));
        let mut changes = std::collections::BTreeMap::new();
        let mut transaction = self.store.begin()?;
        for number in waiting {
            let bytes = transaction.store().get(Table::Inbox, number)?.unwrap_or_default();
            transaction.delete(Table::Inbox, number..number + 1)?;
            let opened = Deposit::open(&bytes, &self.static_head, &state, &self.deposit_secret);
            // A deposit that stands twice would be there twice.
            // One from a clock that is ahead would stay for ever, and displace what is newest.
            let opened = opened.ok().filter(|deposit| latest.is_none_or(|at| deposit.record.facts.imported <= at));
            let Some(deposit) = opened.filter(|deposit| known.insert(deposit.row.segment)) else {
                let aside = transaction.store().last(Table::Inbox)?.unwrap_or(0).max(QUARANTINE) + 1;
                transaction.insert(Table::Inbox, aside, &bytes)?;
                folded.quarantined += 1;
                continue;
            };
            let (leaf, segment) = (state.next_leaf, deposit.row.segment);
            state.next_leaf += 1;
            let share = walker.erase_share(leaf).ok_or(super::Damage::Keyring)?;
            transaction.insert(Table::Segment, leaf, &deposit.segment)?;
            transaction.insert(Table::DepositShare, leaf, &share.wrap_deposit(&deposit.erase, vault, segment))?;
            transaction.insert(Table::ReadShare, leaf, &[&DEPOSITED[..], &deposit.read_share].concat())?;
            let facts_key = SegmentFactsKey::derive(&deposit.erase, &keys.key, &vault, &segment);
            let row = seal_facts(&deposit.record, &facts_key, keys, segment);
            transaction.insert(Table::Facts, facts_row(leaf, deposit.record.version), &row)?;
            for (purpose, index, sealed) in &deposit.objects {
                let (table, id) = match *purpose {
                    purpose if purpose == Purpose::Card as u8 => (Table::Card, leaf),
                    purpose if purpose == Purpose::Body as u8 => (Table::Body, leaf),
                    purpose if purpose == Purpose::Sketch as u8 => (Table::Sketch, leaf),
                    _ => (Table::Attachment, attachment_row(leaf, *index)),
                };
                transaction.insert(table, id, sealed)?;
            }
            changes.insert(leaf, deposit.row.leaf(&deposit.record.hash()));
            folded.segments += 1;
        }
        state.inbox_digest = empty_inbox();
        state.lower(self.place.class());
        let counts = vec![("segments", folded.segments), ("quarantined", folded.quarantined)];
        let (action, actor) = (Action::counted("fold", counts), Actor::of(&self.keys, &self.static_head));
        write_state(&mut transaction, &mut state, self.state_row, &changes, &action, &actor, now)?;
        transaction.commit()?;
        self.state = state;
        self.state_row += 1;
        super::commit::renew_copy(&self.store, &self.place, &vault)?;
        Ok(folded)
    }
}

impl<A: CanJudge> Vault<A> {
    /// Deposits that wait.
    pub(super) fn deposits_waiting(&self) -> Result<u64, VaultError> {
        Ok(self.store.ids_in(Table::Inbox, 0..QUARANTINE)?.len() as u64)
    }
}

impl Vault {
    /// Removes what was put aside as no deposit; how many rows.
    pub fn drop_quarantined(&mut self, now: Instant) -> Result<u64, VaultError> {
        let count = self.store.ids_in(Table::Inbox, QUARANTINE..i64::MAX as u64)?.len() as u64;
        if count > 0 {
            self.append_log(&Action::counted("quarantine", vec![("dropped", count)]), now, |transaction| {
                transaction.delete(Table::Inbox, QUARANTINE..i64::MAX as u64).map(drop)
            })?;
        }
        Ok(count)
    }
}
