//! Sealing a segment and opening it again: both shares, the content, the facts, the manifest.
//!
//! `docs/format.md` §4. A [`Sealer`] is shared by the workers of an import; each keeps its own
//! keyring walker and buffers in a [`SealerThread`].

use std::sync::atomic::{AtomicU64, Ordering};

use zeroize::Zeroizing;

use super::access::{FactsKeys, Owner, ReadKeys};
use super::content::{BodyEncoder, Card, MAX_CARD};
use super::deposit::PublicKeys;
use super::reimport::Destroyed;
use super::{Damage, VaultError};
use crate::bytes::{Malformed, Reader};
use crate::clock::Instant;
use crate::conversation::Conversation;
use crate::crypto::{
    ContentKey, Digest, EraseShare, FactsKey, OpenError, Place, Purpose, ReadShare, SealId, SegmentFactsKey, hash,
    padding, random,
};
use crate::facts::{About, Facts, FactsRecord, TagId};
use crate::keyring::{Frontier, Walker};
use crate::sketch::{Sketch, SketchBuilder};
use crate::store::{Store, Table};
use crate::tree;

/// Bytes of an attachment sealed as one object.
pub const PIECE: usize = 4 << 20;

/// Attachment pieces of one segment: their rows' numbers have 20 bits for them.
const MAX_PIECES: u32 = 1 << 20;

const MAX_MANIFEST: u32 = (1 << 20) + 3;

/// What a depositor's read share is sealed with.
pub(super) const DEPOSIT_READ: &str = "convault/1/deposit-read";

/// The key epoch of a read share that is still as its depositor sealed it.
pub(super) const DEPOSITED: [u8; 4] = [0; 4];

/// A row to be stored.
pub struct Row {
    pub(super) table: Table,
    pub(super) id: u64,
    pub(super) bytes: Vec<u8>,
}

impl Row {
    /// Whether it is one of these rows.
    pub fn is_in(&self, rows: &std::ops::Range<u64>) -> bool {
        rows.contains(&self.id)
    }

    /// The row's size in bytes, for bounding what waits to be stored.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

/// A segment ready to be stored; attachment pieces are stored before it.
pub struct SealedSegment {
    pub(super) leaf: u64,
    pub(super) leaf_hash: Digest,
    pub(super) rows: Vec<Row>,
}

impl SealedSegment {
    /// The sealed bytes, for bounding what waits to be stored.
    pub fn size(&self) -> usize {
        self.rows.iter().map(Row::size).sum()
    }
}

/// The objects of a segment, ascending by purpose and index, each with the identity of its sealing. One list and no map:
/// every look at a segment's facts reads it.
#[derive(Clone, Default)]
pub(super) struct Manifest(Vec<((u8, u32), SealId)>);

impl Manifest {
    fn add(&mut self, purpose: Purpose, index: u32, sealed: &[u8]) {
        let id = SealId::of(sealed).expect("we just sealed it");
        let object = (purpose as u8, index);
        match self.place_of(object) {
            Ok(place) => self.0[place].1 = id,
            Err(place) => self.0.insert(place, (object, id)),
        }
    }

    fn place_of(&self, object: (u8, u32)) -> Result<usize, usize> {
        self.0.binary_search_by_key(&object, |(object, _)| *object)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let count = u32::try_from(self.0.len()).expect("pieces are counted in 20 bits");
        let mut out = count.to_be_bytes().to_vec();
        for ((purpose, index), id) in &self.0 {
            out.push(*purpose);
            out.extend_from_slice(&index.to_be_bytes());
            out.extend_from_slice(&id.salt);
            out.extend_from_slice(&id.commitment);
            out.extend_from_slice(&id.tag);
        }
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let manifest = Self::take(&mut reader)?;
        reader.end()?;
        Ok(manifest)
    }

    /// Reads a manifest that something follows.
    pub(super) fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = reader.u32()?;
        if count > MAX_MANIFEST {
            return Err(Malformed);
        }
        let mut objects: Vec<((u8, u32), SealId)> = Vec::new();
        for _ in 0..count {
            let key = (reader.u8()?, reader.u32()?);
            let id = SealId { salt: reader.array()?, commitment: reader.array()?, tag: reader.array()? };
            if objects.last().is_some_and(|(last, _)| *last >= key) {
                return Err(Malformed);
            }
            objects.push((key, id));
        }
        Ok(Self(objects))
    }

    fn names(&self, purpose: Purpose, index: u32, sealed: &[u8]) -> bool {
        self.names_as(purpose as u8, index, sealed)
    }

    /// The same of a purpose as it is stored.
    pub(super) fn names_as(&self, purpose: u8, index: u32, sealed: &[u8]) -> bool {
        let found = self.place_of((purpose, index)).ok().map(|place| self.0[place].1);
        found.is_some() && found == SealId::of(sealed)
    }

    /// The salts of the objects.
    pub(super) fn salts(&self) -> impl Iterator<Item = [u8; 32]> {
        self.0.iter().map(|(_, id)| id.salt)
    }

    pub(super) fn objects(&self) -> impl Iterator<Item = (u8, u32)> {
        self.0.iter().map(|(object, _)| *object)
    }
}

/// The clear row of a segment.
pub(super) struct SegmentRow {
    pub(super) segment: [u8; 16],
    pub(super) commitment: Digest,
    pub(super) manifest: Manifest,
    manifest_hash: Digest,
}

impl SegmentRow {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let (segment, commitment) = (reader.array()?, reader.array()?);
        let manifest = reader.rest();
        let manifest_hash = hash::labelled("convault/1/manifest", &[manifest]);
        Ok(Self { segment, commitment, manifest: Manifest::decode(manifest)?, manifest_hash })
    }

    /// What its facts are signed for.
    pub(super) fn about<'a>(&'a self, vault: &'a [u8; 16]) -> About<'a> {
        About { vault, segment: &self.segment, manifest: &self.manifest_hash }
    }

    /// The hash of the manifest.
    pub(super) fn manifest_hash(&self) -> Digest {
        self.manifest_hash
    }

    /// The hash that must stand at the segment's leaf while it lives.
    pub(super) fn leaf(&self, facts: &Digest) -> Digest {
        tree::live_leaf(&self.segment, &self.manifest_hash, facts, &self.commitment)
    }
}

/// The number of a facts row.
pub(super) fn facts_row(leaf: u64, version: u32) -> u64 {
    leaf << 20 | u64::from(version)
}

/// The number of an attachment row.
pub(super) fn attachment_row(leaf: u64, index: u32) -> u64 {
    leaf << 20 | u64::from(index)
}

/// What is said of a segment besides its content.
pub struct Origin<'a> {
    /// The conversation it belongs to.
    pub conversation: [u8; 16],
    /// The format's word.
    pub source: &'a str,
    /// Tags of the new segment, ascending.
    pub tags: Vec<TagId>,
    /// Fields and parts kept without being understood.
    pub unknown: u64,
    /// When the conversation was first imported; `None` for now.
    pub imported: Option<Instant>,
    /// Year · 12 + month, where it is a month of a chat that never ends; else 0.
    pub month: u32,
}

/// Seals segments, from several threads at once.
pub struct Sealer<'v> {
    pub(super) by: By<'v>,
    pub(super) now: Instant,
}

/// Who seals.
pub(super) enum By<'v> {
    /// An owner, whose segments take their leaves at once.
    Owner { keys: &'v Owner, frontier: &'v Frontier, next_leaf: AtomicU64, destroyed: Destroyed },
    /// A depositor, who has public keys and nothing else.
    Depositor(&'v PublicKeys),
}

impl<'v> Sealer<'v> {
    /// Whether a conversation of this source id, or a month of it, was destroyed in this vault, as far as who seals can
    /// tell.
    pub fn was_destroyed(&self, source: &str, native_id: &str, month: u32) -> bool {
        match &self.by {
            By::Owner { keys, destroyed, .. } => destroyed.has(keys, source, native_id, month),
            By::Depositor(_) => false,
        }
    }

    /// What one thread needs to seal.
    pub fn thread(&self) -> SealerThread<'_> {
        let walker = match &self.by {
            By::Owner { frontier, .. } => Some(frontier.walker()),
            By::Depositor(_) => None,
        };
        SealerThread { sealer: self, walker, encoder: BodyEncoder::new(), sketches: SketchBuilder::default() }
    }

    fn vault(&self) -> [u8; 16] {
        match &self.by {
            By::Owner { keys, .. } => keys.facts.vault,
            By::Depositor(keys) => keys.vault,
        }
    }
}

/// One thread's end of a [`Sealer`].
pub struct SealerThread<'v> {
    sealer: &'v Sealer<'v>,
    walker: Option<Walker<'v>>,
    encoder: BodyEncoder,
    sketches: SketchBuilder,
}

/// A segment that has its keys and waits for its content.
pub struct OpenSegment {
    leaf: u64,
    segment: [u8; 16],
    read: ReadShare,
    erase: EraseShare,
    content: ContentKey,
    manifest: Manifest,
    pieces: u32,
}

impl OpenSegment {
    fn place(&self, vault: [u8; 16], purpose: Purpose, index: u32) -> Place {
        Place { vault, owner: self.segment, purpose, index }
    }

    /// How many attachment pieces were sealed so far.
    pub fn pieces(&self) -> u32 {
        self.pieces
    }

    /// The rows of the pieces from number `from` on, to remove when an attachment broke off.
    pub fn rows_from(&self, from: u32) -> std::ops::Range<u64> {
        attachment_row(self.leaf, from)..attachment_row(self.leaf + 1, 0)
    }

    /// Forgets the pieces from number `from` on; their rows must go too.
    pub fn forget_from(&mut self, from: u32) {
        self.manifest.0.retain(|((purpose, index), _)| *purpose != Purpose::Attachment as u8 || *index < from);
        self.pieces = from;
    }
}

impl SealerThread<'_> {
    /// Takes the next leaf and draws the keys of a new segment.
    pub fn begin(&mut self) -> Result<OpenSegment, VaultError> {
        let (leaf, erase) = match (&self.sealer.by, &mut self.walker) {
            (By::Owner { next_leaf, .. }, Some(walker)) => {
                let leaf = next_leaf.fetch_add(1, Ordering::Relaxed);
                (leaf, walker.erase_share(leaf).ok_or(Damage::Keyring)?)
            }
            // Its leaf is given to it when it is folded in.
            _ => (0, EraseShare::generate()),
        };
        let (read, segment) = (ReadShare::generate(), random::array());
        let content = ContentKey::derive(&read, &erase, &self.sealer.vault(), &segment);
        Ok(OpenSegment { leaf, segment, read, erase, content, manifest: Manifest::default(), pieces: 0 })
    }

    /// Seals the next piece of an attachment, at most [`PIECE`] bytes.
    pub fn piece(&self, open: &mut OpenSegment, bytes: &[u8]) -> Result<Row, VaultError> {
        let index = open.pieces;
        if index >= MAX_PIECES {
            return Err(VaultError::TooLarge);
        }
        // Compressed only when that saves a tenth: pictures do not shrink.
        let small = zstd::bulk::compress(bytes, 1).ok().filter(|small| small.len() < bytes.len() / 10 * 9);
        let mut plain = Zeroizing::new(Vec::with_capacity(1 + bytes.len()));
        plain.push(u8::from(small.is_some()));
        plain.extend_from_slice(small.as_deref().unwrap_or(bytes));
        let place = open.place(self.sealer.vault(), Purpose::Attachment, index);
        let sealed = open.content.seal(&place, &padding::stretch(&plain));
        open.manifest.add(Purpose::Attachment, index, &sealed);
        open.pieces += 1;
        Ok(Row { table: Table::Attachment, id: attachment_row(open.leaf, index), bytes: sealed })
    }

    /// Seals the content of a segment. Originals come with their SHA-256, newest first.
    pub fn finish(
        &mut self,
        open: &OpenSegment,
        conversation: &Conversation,
        originals: &[(&[u8], Digest)],
        origin: Origin<'_>,
    ) -> Result<SealedSegment, VaultError> {
        let By::Owner { keys, .. } = &self.sealer.by else {
            return Err(VaultError::NotAllowed(super::Role::Depositor));
        };
        let vault = keys.facts.vault;
        let source = origin.source.to_owned();
        let sealed = self.seal_content(open, conversation, originals, &origin)?;
        let mut facts = self.facts(conversation, originals, origin);
        facts.fingerprint = keys.keys.key.fingerprint(&vault, &source, &conversation.native_id, facts.month);
        let conversation = facts.conversation;
        let record = keys.identity.sign_facts(facts, 1, &sealed.row);
        let facts_key = SegmentFactsKey::derive(&open.erase, &keys.facts.key, &vault, &open.segment);
        let leaf_hash = sealed.row.leaf(&record.hash());
        let rows = vec![
            Row { table: Table::Segment, id: open.leaf, bytes: sealed.segment },
            Row {
                table: Table::ReadShare,
                id: open.leaf,
                bytes: wrap_read_share(&open.read, &keys.read, open.segment, conversation),
            },
            Row {
                table: Table::Facts,
                id: facts_row(open.leaf, record.version),
                bytes: seal_facts(&record, &facts_key, &keys.facts, open.segment),
            },
            Row { table: Table::Card, id: open.leaf, bytes: sealed.card },
            Row { table: Table::Body, id: open.leaf, bytes: sealed.body },
            Row { table: Table::Sketch, id: open.leaf, bytes: sealed.sketch },
        ];
        Ok(SealedSegment { leaf: open.leaf, leaf_hash, rows })
    }

    /// Seals the content of a deposit, whose attachments are these rows: what goes into the inbox.
    pub fn finish_deposit(
        &mut self,
        open: &OpenSegment,
        conversation: &Conversation,
        originals: &[(&[u8], Digest)],
        origin: Origin<'_>,
        pieces: &[Row],
    ) -> Result<Vec<u8>, VaultError> {
        let By::Depositor(keys) = &self.sealer.by else { return Err(VaultError::NotAllowed(super::Role::Owner)) };
        let sealed = self.seal_content(open, conversation, originals, &origin)?;
        // A deposit's conversation is named as its segment is, so that it is nobody else's.
        let origin = Origin { conversation: open.segment, ..origin };
        let facts = self.facts(conversation, originals, origin);
        let mut objects =
            vec![(Purpose::Card, 0, sealed.card), (Purpose::Body, 0, sealed.body), (Purpose::Sketch, 0, sealed.sketch)];
        let piece = |row: &Row| (Purpose::Attachment, (row.id & 0xf_ffff) as u32, row.bytes.clone());
        objects.extend(pieces.iter().map(piece));
        keys.seal_deposit(facts, &sealed.row, (&open.read, &open.erase), &objects)
    }

    fn seal_content(
        &mut self,
        open: &OpenSegment,
        conversation: &Conversation,
        originals: &[(&[u8], Digest)],
        origin: &Origin<'_>,
    ) -> Result<SealedContent, VaultError> {
        let vault = self.sealer.vault();
        let card = Card::of(conversation, origin.source, originals, origin.unknown).encode();
        if card.len() > MAX_CARD {
            return Err(VaultError::TooLarge);
        }
        let card = open.content.seal(&open.place(vault, Purpose::Card, 0), &card);
        let body = self.encoder.encode(conversation, originals).ok_or(VaultError::TooLarge)?;
        let body = open.content.seal(&open.place(vault, Purpose::Body, 0), &body);
        let sketch = padding::close(self.sketches.build(conversation));
        let sketch = open.content.seal(&open.place(vault, Purpose::Sketch, 0), &sketch);
        let mut manifest = open.manifest.clone();
        manifest.add(Purpose::Card, 0, &card);
        manifest.add(Purpose::Body, 0, &body);
        manifest.add(Purpose::Sketch, 0, &sketch);
        let mut segment = open.segment.to_vec();
        segment.extend_from_slice(&open.erase.commitment());
        segment.extend_from_slice(&manifest.encode());
        let row = SegmentRow::decode(&segment).map_err(|_| Damage::Record("segment"))?;
        Ok(SealedContent { segment, row, card, body, sketch })
    }

    /// The facts of a new segment. What comes is compiled after it is stored; until then nothing that reads content makes
    /// it due.
    fn facts(&self, conversation: &Conversation, originals: &[(&[u8], Digest)], origin: Origin<'_>) -> Facts {
        let now = self.sealer.now;
        let (first, last) = match origin.month {
            0 => (conversation.first_activity(), conversation.last_activity()),
            // A month is as old as its own messages, whatever the source says of the chat.
            _ => conversation.span_of_messages(),
        };
        // A clock of the source is never later than the moment its file was read.
        let (created, created_clamped) = Facts::clamp(now, first);
        let (last_activity, last_activity_clamped) = Facts::clamp(now, last);
        let size: u64 = originals.iter().map(|(original, _)| original.len() as u64).sum();
        Facts {
            conversation: origin.conversation,
            created,
            last_activity,
            imported: origin.imported.unwrap_or(now),
            created_clamped,
            last_activity_clamped,
            size: if origin.month == 0 { size } else { conversation.text.len() as u64 },
            attachments: u32::try_from(conversation.attachments.len()).unwrap_or(u32::MAX),
            month: origin.month,
            policy_version: 0,
            holds_version: 0,
            marked: now,
            fingerprint: [0; 32],
            source: origin.source.to_owned(),
            tags: origin.tags,
        }
    }
}

/// Card, body and sketch sealed, and the row that names them.
struct SealedContent {
    segment: Vec<u8>,
    row: SegmentRow,
    card: Vec<u8>,
    body: Vec<u8>,
    sketch: Vec<u8>,
}

pub(super) fn wrap_read_share(read: &ReadShare, keys: &ReadKeys, segment: [u8; 16], conversation: [u8; 16]) -> Vec<u8> {
    let mut out = keys.epoch.to_be_bytes().to_vec();
    out.extend_from_slice(&read.wrap(&keys.key, keys.vault, segment, conversation));
    out
}

pub(super) fn seal_facts(record: &FactsRecord, key: &SegmentFactsKey, keys: &FactsKeys, segment: [u8; 16]) -> Vec<u8> {
    let place = Place { vault: keys.vault, owner: segment, purpose: Purpose::Facts, index: record.version };
    let mut out = keys.epoch.to_be_bytes().to_vec();
    out.extend_from_slice(&key.seal(&place, &padding::bucket(&record.encode())));
    out
}

/// What a seal says when it does not open: the place is named, the content never.
fn unsealed(what: &'static str) -> impl Fn(OpenError) -> VaultError {
    move |_| Damage::Record(what).into()
}

/// Opens what belongs to one segment.
pub(super) struct Opener<'v> {
    keys: &'v FactsKeys,
    pub(super) row: SegmentRow,
    erase: EraseShare,
}

impl<'v> Opener<'v> {
    /// Derives the erase share of a leaf and checks it against the segment's commitment. Where the segment was deposited,
    /// `deposit` is its share, wrapped under that of the leaf.
    pub(super) fn new(
        keys: &'v FactsKeys,
        walker: &mut Walker<'_>,
        leaf: u64,
        row: &[u8],
        deposit: Option<&[u8]>,
    ) -> Result<Self, VaultError> {
        let row = SegmentRow::decode(row).map_err(|_| Damage::Record("segment"))?;
        let erase = erase_share(walker, leaf, (keys.vault, row.segment), deposit)?;
        if erase.commitment() != row.commitment {
            return Err(Damage::Record("segment").into());
        }
        Ok(Self { keys, row, erase })
    }

    /// The same of what stands in a store.
    pub(super) fn at(
        store: &Store,
        keys: &'v FactsKeys,
        walker: &mut Walker<'_>,
        leaf: u64,
    ) -> Result<Self, VaultError> {
        let row = store.get(Table::Segment, leaf)?.ok_or(Damage::Record("segment"))?;
        let deposit = store.get(Table::DepositShare, leaf)?;
        Self::new(keys, walker, leaf, &row, deposit.as_deref())
    }

    /// Where something of this segment that has no number is sealed for.
    pub(super) fn place(&self, purpose: Purpose) -> Place {
        Place { vault: self.keys.vault, owner: self.row.segment, purpose, index: 0 }
    }

    /// The key of this segment's facts.
    pub(super) fn facts_key(&self) -> SegmentFactsKey {
        SegmentFactsKey::derive(&self.erase, &self.keys.key, &self.keys.vault, &self.row.segment)
    }

    /// The key of this segment's facts under another facts key, to seal them anew.
    pub(super) fn facts_key_under(&self, facts: &FactsKey) -> SegmentFactsKey {
        SegmentFactsKey::derive(&self.erase, facts, &self.keys.vault, &self.row.segment)
    }

    /// Opens a facts row.
    pub(super) fn facts(&self, version: u32, row: &[u8]) -> Result<FactsRecord, VaultError> {
        open_facts(&self.facts_key(), self.keys, self.row.segment, version, row)
    }

    /// The content key, from the wrapped read share; the conversation's id beside it.
    pub(super) fn content(&self, keys: &ReadKeys, read_share: &[u8]) -> Result<Content<'_>, VaultError> {
        let (read, conversation) = unwrap_read_share(keys, self.row.segment, read_share)?;
        let key = ContentKey::derive(&read, &self.erase, &self.keys.vault, &self.row.segment);
        Ok(Content { vault: self.keys.vault, row: &self.row, key, conversation })
    }
}

/// Derives the erase share of a leaf. Where the segment was deposited, `deposit` is its own, wrapped under that of the leaf.
pub(super) fn erase_share(
    walker: &mut Walker<'_>,
    leaf: u64,
    (vault, segment): ([u8; 16], [u8; 16]),
    deposit: Option<&[u8]>,
) -> Result<EraseShare, VaultError> {
    let share = walker.erase_share(leaf).ok_or(Damage::Keyring)?;
    match deposit {
        Some(wrapped) => share.unwrap_deposit(vault, segment, wrapped).map_err(unsealed("deposit share")),
        None => Ok(share),
    }
}

/// Unwraps a read share and the id of its conversation.
pub(super) fn unwrap_read_share(
    keys: &ReadKeys,
    segment: [u8; 16],
    row: &[u8],
) -> Result<(ReadShare, [u8; 16]), VaultError> {
    if let Some(deposited) = row.strip_prefix(&DEPOSITED) {
        let plain = keys.secret.open(DEPOSIT_READ, &keys.vault, deposited).map_err(unsealed("read share"))?;
        return Ok(ReadShare::from_plain(&plain).ok_or(Damage::Record("read share"))?);
    }
    let sealed = at_epoch(keys.epoch, row, "read share")?;
    ReadShare::unwrap(&keys.key, keys.vault, segment, sealed).map_err(unsealed("read share"))
}

/// Opens a facts row.
pub(super) fn open_facts(
    key: &SegmentFactsKey,
    keys: &FactsKeys,
    segment: [u8; 16],
    version: u32,
    row: &[u8],
) -> Result<FactsRecord, VaultError> {
    let place = Place { vault: keys.vault, owner: segment, purpose: Purpose::Facts, index: version };
    let plain = key.open(&place, at_epoch(keys.epoch, row, "facts")?).map_err(unsealed("facts"))?;
    let record = padding::trimmed(&plain).and_then(|record| FactsRecord::decode(record).ok());
    record.filter(|record| record.version == version).ok_or(Damage::Record("facts").into())
}

fn at_epoch<'a>(of_keys: u32, row: &'a [u8], what: &'static str) -> Result<&'a [u8], VaultError> {
    let (epoch, sealed) = row.split_first_chunk().ok_or(Damage::Record(what))?;
    if u32::from_be_bytes(*epoch) == of_keys { Ok(sealed) } else { Err(Damage::Record(what).into()) }
}

/// The content of one segment, opened object by object and checked against the manifest.
pub(super) struct Content<'a> {
    vault: [u8; 16],
    row: &'a SegmentRow,
    key: ContentKey,
    pub(super) conversation: [u8; 16],
}

impl Content<'_> {
    fn open(
        &self,
        purpose: Purpose,
        index: u32,
        sealed: &[u8],
        what: &'static str,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let mut plain = Zeroizing::default();
        self.open_into((purpose, index), sealed, what, &mut plain)?;
        Ok(plain)
    }

    fn open_into(
        &self,
        (purpose, index): (Purpose, u32),
        sealed: &[u8],
        what: &'static str,
        plain: &mut Zeroizing<Vec<u8>>,
    ) -> Result<(), VaultError> {
        if !self.row.manifest.names(purpose, index, sealed) {
            return Err(Damage::Record(what).into());
        }
        let place = Place { vault: self.vault, owner: self.row.segment, purpose, index };
        self.key.open_into(&place, sealed, plain).map_err(unsealed(what))
    }

    pub(super) fn card(&self, sealed: &[u8]) -> Result<Card, VaultError> {
        let plain = self.open(Purpose::Card, 0, sealed, "card")?;
        Card::decode(&plain).map_err(|_| Damage::Record("card").into())
    }

    /// From which the salts of the segment's messages follow.
    pub(super) fn disclosure(&self) -> Digest {
        self.key.derive_disclosure(&self.vault)
    }

    pub(super) fn body(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let mut plain = Zeroizing::default();
        self.body_into(sealed, &mut plain)?;
        Ok(plain)
    }

    /// The body into a buffer that is used again and again.
    pub(super) fn body_into(&self, sealed: &[u8], plain: &mut Zeroizing<Vec<u8>>) -> Result<(), VaultError> {
        self.open_into((Purpose::Body, 0), sealed, "body", plain)
    }

    /// The search sketch, which is that of this conversation.
    pub(super) fn check_sketch(
        &self,
        sealed: &[u8],
        conversation: &Conversation,
        builder: &mut SketchBuilder,
    ) -> Result<(), VaultError> {
        let plain = self.open(Purpose::Sketch, 0, sealed, "sketch")?;
        match padding::trimmed(&plain) {
            // One that another version made says something else, and is not used.
            Some(sketch) if !Sketch::is_ours(sketch) || sketch == builder.build(conversation) => Ok(()),
            _ => Err(Damage::Record("sketch").into()),
        }
    }

    /// An attachment piece, decoded.
    pub(super) fn piece(&self, index: u32, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let damaged = || VaultError::from(Damage::Record("attachment"));
        let plain = self.open(Purpose::Attachment, index, sealed, "attachment")?;
        let (coding, piece) = padding::unstretched(&plain).and_then(|piece| piece.split_first()).ok_or_else(damaged)?;
        match coding {
            0 => Ok(Zeroizing::new(piece.to_vec())),
            1 => zstd::bulk::decompress(piece, PIECE).map(Zeroizing::new).map_err(|_| damaged()),
            _ => Err(damaged()),
        }
    }
}
