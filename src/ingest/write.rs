//! The import itself: known conversations recognised, new ones sealed by the workers, changed ones united.

use std::collections::{HashMap, HashSet, hash_map};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use super::attach::{self, Input, Piece};
use super::files::Files;
use super::pipeline::{self, Results};
use super::report::{Months, Told};
use super::unite::{Original, Source, Standing, State};
use super::{IngestError, Options, Progress, Report};
use crate::bundle::Bundle;
use crate::clock::Instant;
use crate::conversation::{Attachment, Conversation, Payload};
use crate::crypto::{Digest, hash, random};
use crate::facts::TagId;
use crate::import::{Context, Importer, Notes, Parsed, Problem, Provenance, Unit, Unread, by_name};
use crate::vault::{Entry, Origin, Row, SealedSegment, Sealer, SealerThread, Vault, VaultError, Writer, hex, unhex};

/// Conversations that come twice in one input, held until the first is stored.
const MOST_REPEATED_BYTES: usize = 64 << 20;

/// Transactions for conversations that come more than once; each brings one more state of each.
const MOST_ROUNDS: usize = 16;

/// A parsed conversation with its source bytes.
pub(super) struct Incoming {
    pub(super) conversation: Conversation,
    pub(super) source: String,
    /// None when the unit is a whole file, whose bytes are its attachment's.
    pub(super) originals: Vec<Original>,
    pub(super) tags: Vec<TagId>,
    pub(super) told: Told,
    pub(super) place: String,
    number: u64,
    /// Another state of it, which came later in this input, was taken first.
    pub(super) stood_before: bool,
    /// It is an excerpt: that it lacks a message says nothing.
    pub(super) is_part: bool,
}

impl Incoming {
    /// Under what it is known.
    pub(super) fn key(&self) -> String {
        key(&self.source, &self.conversation.native_id)
    }

    /// Whether a stored conversation has all its source bytes. A whole file has its digest in its id.
    fn is_stored_as(&self, entry: &Entry) -> bool {
        self.originals.iter().all(|(_, digest)| entry.card.digests.contains(&hex(digest)))
    }

    /// Whether this input has bytes of attachments for it beside its own.
    fn brings_files(&self) -> bool {
        let beside = |payload: &Payload| matches!(payload, Payload::Member(_) | Payload::Pieces { .. });
        self.conversation.attachments.iter().filter_map(|attachment| attachment.payload.as_ref()).any(beside)
    }

    fn size(&self) -> usize {
        self.originals.iter().map(|(original, _)| original.len()).sum()
    }
}

/// Under what a conversation is known: its source's word and id.
fn key(source: &str, native_id: &str) -> String {
    format!("{source}\n{native_id}")
}

/// A state to store in the place of an older one.
struct United {
    stored: Stored,
    told: Told,
    vanished: u64,
    edited: u64,
}

/// What was sealed of a conversation, or of a month of one.
pub(super) struct Stored {
    pub(super) segment: SealedSegment,
    pub(super) attachments: attach::Sealed,
    pub(super) absent: u64,
    /// The rows of its attachments.
    pieces: std::ops::Range<u64>,
}

/// The stored segment in whose place another is sealed, and what is said of that besides its content.
#[derive(Clone, Copy)]
pub(super) struct Seat<'a> {
    pub(super) entry: &'a Entry,
    pub(super) files: &'a [Attachment],
    pub(super) source: &'a str,
    pub(super) notes: &'a Notes,
    pub(super) place: &'a str,
}

/// What a worker hands over.
pub(super) enum Outcome {
    Piece(Row),
    DropPieces(std::ops::Range<u64>),
    /// A conversation for the first time: its segments, and of how many months they are, with those left out.
    New(Vec<Stored>, Told, Months),
    /// Stored as it is: the member, and the size of the unit.
    Unchanged(usize, usize),
    /// Nothing to keep: the member, and why.
    Empty(usize, &'static str),
    /// Destroyed in this vault before: the member, and how many months it had.
    Destroyed(usize, Months),
    /// Stored before in another state.
    Changed(Box<Incoming>),
    /// A second time in this input, and different.
    Repeated(Box<Incoming>),
    Failed(IngestError),
}

pub(super) fn import(
    vault: &mut Vault,
    bundle: &Bundle,
    context: &Context,
    options: &Options<'_>,
    progress: &Progress,
    report: &mut Report,
) -> Result<(), IngestError> {
    let repeated = pass(vault, context, options, report, |sealer, writer, known, tags, report| {
        let seen = Mutex::default();
        let stored = if context.has_assets() { HashSet::new() } else { digests(known) };
        let shared = Shared { sealer, known, stored, seen: &seen, tags, bundle, context, options };
        let mut repeated = Vec::new();
        let mut changed: HashMap<String, u64> = HashMap::new();
        let mut held = 0;
        let work = |results: Results<Outcome>| {
            let (shared, mut thread, mut input) = (&shared, sealer.thread(), Input::of(bundle));
            move |unit: Unit| shared.work(&mut thread, &mut input, unit, &results)
        };
        pipeline::run(bundle, options.importer, context, progress, work, |result| {
            match result {
                Ok(Outcome::Piece(row)) => return Ok(writer.piece(&row)?),
                Ok(Outcome::DropPieces(rows)) => return Ok(writer.drop_pieces(rows)?),
                Ok(Outcome::New(stored, told, months)) => {
                    report.count(told.member, |counts| counts.new += 1);
                    report.add(told);
                    report.months.add(months);
                    for Stored { segment, attachments, absent, .. } in stored {
                        writer.put(&segment)?;
                        report.take(attachments, absent);
                    }
                }
                Ok(Outcome::Unchanged(member, size)) => {
                    report.count(member, |counts| counts.unchanged += 1);
                    report.bytes += size as u64;
                }
                Ok(Outcome::Empty(member, reason)) => report.empty(member, reason),
                Ok(Outcome::Destroyed(member, months)) => {
                    report.count(member, |counts| counts.destroyed += 1);
                    report.months.add(months);
                }
                // Once in a transaction: then the entry that is known has been replaced.
                Ok(Outcome::Changed(incoming)) if !changed.contains_key(&incoming.key()) => {
                    changed.insert(incoming.key(), incoming.number);
                    shared.change(writer, *incoming, report)?;
                }
                Ok(Outcome::Changed(mut incoming) | Outcome::Repeated(mut incoming)) => {
                    incoming.stood_before |= changed.get(&incoming.key()).is_some_and(|first| incoming.number < *first);
                    held += incoming.size() + incoming.conversation.text.len();
                    if held > MOST_REPEATED_BYTES {
                        report.skip(Problem {
                            place: incoming.place,
                            reason: "repeats a conversation of this input in another state".to_owned(),
                        });
                    } else {
                        repeated.push(*incoming);
                    }
                }
                Ok(Outcome::Failed(error)) => return Err(error),
                Err(problem) => report.skip(problem),
            }
            progress.conversations.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })?;
        Ok(repeated)
    })?;
    again(vault, bundle, context, options, report, repeated)
}

/// Brings in what the first pass met a second time, a state of each conversation in every round.
fn again(
    vault: &mut Vault,
    bundle: &Bundle,
    context: &Context,
    options: &Options<'_>,
    report: &mut Report,
    mut repeated: Vec<Incoming>,
) -> Result<(), IngestError> {
    // They come from several threads; what stands depends on their order in the input alone.
    repeated.sort_by_key(|incoming| incoming.number);
    for _ in 0..MOST_ROUNDS {
        if repeated.is_empty() {
            return Ok(());
        }
        let mut met = HashSet::new();
        let (now, later): (Vec<_>, Vec<_>) = repeated.into_iter().partition(|incoming| met.insert(incoming.key()));
        let places: Vec<String> = now.iter().chain(&later).map(|incoming| incoming.place.clone()).collect();
        let before = report.clone();
        let done = pass(vault, context, options, report, |sealer, writer, known, tags, report| {
            let seen = Mutex::default();
            let stored = HashSet::new();
            let shared = Shared { sealer, known, stored, seen: &seen, tags, bundle, context, options };
            now.into_iter().try_for_each(|incoming| shared.change(writer, incoming, report))
        });
        match done {
            Ok(()) => {}
            // This round is stored, and only something beside the vault is not as it should be.
            Err(error @ IngestError::Vault(VaultError::CopyNotRenewed(_)) | error @ IngestError::Interrupted) => {
                return Err(error);
            }
            Err(error) => {
                // What came before this round is stored, so the import has not failed.
                *report = before;
                for place in places {
                    let reason =
                        format!("a conversation that this input repeats in another state could not be stored: {error}");
                    report.skip(Problem { place, reason });
                }
                return Ok(());
            }
        }
        repeated = later;
    }
    for incoming in repeated {
        let reason = format!("repeats a conversation of this input in more than {} states", MOST_ROUNDS + 1);
        report.skip(Problem { place: incoming.place, reason });
    }
    Ok(())
}

/// What came of a unit, with the bytes to keep for it, and the names of tags that it tells of.
pub(super) fn incoming(importer: &dyn Importer, unit: Unit, digest: Digest, parsed: Parsed) -> (Incoming, Vec<String>) {
    let Parsed { conversation, notes, problems, provenance } = parsed;
    let (member, size, number) = (unit.member, unit.bytes.len(), unit.number);
    let own = vec![(Zeroizing::new(unit.bytes), digest)];
    let is_part = provenance.as_ref().is_some_and(|provenance| provenance.is_part);
    let (source, originals, names) = match provenance {
        Some(Provenance { source, originals, tags, .. }) => {
            let originals = originals.into_iter().map(|bytes| {
                let digest = hash::sha256(&[&bytes]);
                (Zeroizing::new(bytes), digest)
            });
            (source, originals.collect(), tags)
        }
        None if unit.whole.is_some() => (importer.name().to_owned(), Vec::new(), Vec::new()),
        None => (importer.name().to_owned(), own, Vec::new()),
    };
    let told = Told { member, messages: conversation.messages.len(), size, notes, problems };
    let (place, tags) = (unit.place, Vec::new());
    (Incoming { conversation, source, originals, tags, told, place, number, stood_before: false, is_part }, names)
}

/// The segments of known conversations by their key: months ascending.
type Known = HashMap<String, Vec<Entry>>;

/// Tags for all that is new, and those that units may tell of by name.
struct Tags {
    all: Vec<TagId>,
    named: HashMap<String, TagId>,
}

pub(super) fn origin<'a>(
    conversation: [u8; 16],
    source: &'a str,
    tags: Vec<TagId>,
    notes: &Notes,
    imported: Option<Instant>,
) -> Origin<'a> {
    Origin { conversation, source, tags, unknown: notes.unknown.values().sum(), imported, month: 0 }
}

pub(super) fn borrowed(originals: &[Original]) -> Vec<(&[u8], Digest)> {
    originals.iter().map(|(original, digest)| (original.as_slice(), *digest)).collect()
}

/// The digests of all originals that are stored.
fn digests(known: &Known) -> HashSet<Digest> {
    known.values().flatten().flat_map(|entry| &entry.card.digests).filter_map(|digest| unhex(digest)).collect()
}

/// One transaction: what is known is listed, `work` runs, and everything becomes durable.
fn pass<T>(
    vault: &mut Vault,
    context: &Context,
    options: &Options<'_>,
    report: &mut Report,
    work: impl FnOnce(&Sealer<'_>, &mut Writer<'_>, &Known, &Tags, &mut Report) -> Result<T, IngestError>,
) -> Result<T, IngestError> {
    let listing = vault.listing()?;
    if !listing.damaged.is_empty() {
        report.problem(Problem {
            place: "the vault".to_owned(),
            reason: format!(
                "{} stored conversations cannot be opened and may come in again; run: convault check",
                listing.damaged.len()
            ),
        });
    }
    let entries = listing.entries.into_iter().filter(|entry| !options.besides.iter().any(|one| one.is_same_as(entry)));
    let mut known = Known::new();
    for entry in entries {
        known.entry(key(&entry.card.source, &entry.card.native_id)).or_default().push(entry);
    }
    for segments in known.values_mut() {
        segments.sort_by_key(|entry| entry.facts.month);
    }
    let before = report.counts;
    let (sealer, mut writer) = vault.session(options.now)?;
    let mut tags = Tags { all: writer.tags(options.tags)?, named: HashMap::new() };
    for name in &context.tags {
        match writer.tags(std::slice::from_ref(name)) {
            Ok(ids) => tags.named.extend(ids.first().map(|id| (name.clone(), *id))),
            Err(VaultError::TagName(why)) => {
                report.problem(Problem { place: "a tag in the input".to_owned(), reason: format!("left out: {why}") });
            }
            Err(error) => return Err(error.into()),
        }
    }
    let result = work(&sealer, &mut writer, &known, &tags, report)?;
    let after = report.counts;
    let counts = vec![
        ("new", after.new - before.new),
        ("updated", after.updated - before.updated),
        ("unchanged", after.unchanged - before.unchanged),
        ("destroyed", after.destroyed - before.destroyed),
        ("skipped", after.skipped - before.skipped),
    ];
    writer.finish(sealer, "import", counts)?;
    Ok(result)
}

pub(super) struct Shared<'a> {
    pub(super) sealer: &'a Sealer<'a>,
    pub(super) known: &'a Known,
    /// Digests of units that are stored as they are; none where other members of the bundle add to a unit.
    stored: HashSet<Digest>,
    /// Keys met in this input, with the number and the digests of what was met first.
    seen: &'a Mutex<HashMap<String, (u64, Vec<Digest>)>>,
    tags: &'a Tags,
    pub(super) bundle: &'a Bundle,
    context: &'a Context,
    pub(super) options: &'a Options<'a>,
}

impl Shared<'_> {
    /// Reads a unit and, when it is new, seals it.
    fn work(
        &self,
        thread: &mut SealerThread<'_>,
        input: &mut Input<'_>,
        unit: Unit,
        results: &Results<Outcome>,
    ) -> Result<Outcome, Problem> {
        let (member, size) = (unit.member, unit.bytes.len());
        let digest = hash::sha256(&[&unit.bytes]);
        if unit.whole.is_none() && self.stored.contains(&digest) {
            return Ok(Outcome::Unchanged(member, size));
        }
        let parsed = match self.options.importer.parse(self.context, &unit) {
            Ok(parsed) => parsed,
            Err(Unread::Empty(reason)) => return Ok(Outcome::Empty(member, reason)),
            Err(Unread::Problem(problem)) => return Err(problem),
        };
        let mut incoming = Box::new(self.incoming(unit, digest, parsed));
        let is_monthly = self.is_monthly(&incoming);
        if let Some(known) = self.known.get(&incoming.key()).and_then(|known| known.last()) {
            // Only the stored body tells whether it lacks the bytes of an attachment that this input has.
            if !is_monthly && incoming.is_stored_as(known) && !incoming.brings_files() {
                return Ok(Outcome::Unchanged(member, size));
            }
            return Ok(Outcome::Changed(incoming));
        }
        let mut months = Months::default();
        let mut parts = if is_monthly { self.cut(&incoming, &mut months) } else { Vec::new() };
        if is_monthly && parts.is_empty() || !is_monthly && self.was_destroyed(&incoming, 0) {
            return Ok(Outcome::Destroyed(member, months));
        }
        let digests: Vec<Digest> = incoming.originals.iter().map(|(_, digest)| *digest).collect();
        match self.seen.lock().unwrap_or_else(PoisonError::into_inner).entry(incoming.key()) {
            hash_map::Entry::Occupied(first) => {
                let (number, stored) = first.get();
                if *stored == digests && !incoming.brings_files() {
                    return Ok(Outcome::Unchanged(member, size));
                }
                incoming.stood_before = incoming.number < *number;
                return Ok(Outcome::Repeated(incoming));
            }
            hash_map::Entry::Vacant(first) => drop(first.insert((incoming.number, digests))),
        }
        let place = incoming.place.clone();
        let whole = std::mem::take(&mut incoming.conversation);
        if !is_monthly {
            parts.push((0, whole));
        }
        match self.seal_new(thread, input, *incoming, (parts, months), results) {
            Ok(outcome) => Ok(outcome),
            Err(IngestError::Vault(VaultError::TooLarge)) => {
                Err(Problem { place, reason: VaultError::TooLarge.to_string() })
            }
            Err(error) => Ok(Outcome::Failed(error)),
        }
    }

    /// What came of a unit, with the tags that it is to have.
    fn incoming(&self, unit: Unit, digest: Digest, parsed: Parsed) -> Incoming {
        let (incoming, names) = incoming(self.options.importer, unit, digest, parsed);
        let mut tags = self.tags.all.clone();
        tags.extend(names.iter().filter_map(|name| self.tags.named.get(name)));
        tags.sort_unstable();
        tags.dedup();
        Incoming { tags, ..incoming }
    }

    fn seal_new(
        &self,
        thread: &mut SealerThread<'_>,
        input: &mut Input<'_>,
        incoming: Incoming,
        (parts, months): (Vec<(u32, Conversation)>, Months),
        results: &Results<Outcome>,
    ) -> Result<Outcome, IngestError> {
        let Incoming { source, originals, tags, told, place, .. } = incoming;
        let mut hand_over = |piece| {
            let outcome = match piece {
                Piece::Add(row) => Outcome::Piece(row),
                Piece::Drop(rows) => Outcome::DropPieces(rows),
            };
            results.send(vec![Ok(outcome)]).map_err(|_| IngestError::Interrupted)
        };
        let id = random::array();
        let told = Told { messages: parts.iter().map(|(_, part)| part.messages.len()).sum(), ..told };
        let mut sealed: Vec<Stored> = Vec::new();
        for (month, part) in parts {
            let origin = Origin { month, ..origin(id, &source, tags.clone(), &told.notes, None) };
            // The source's bytes of a chat are those of all its months, and would outlive each of them.
            let originals = if month == 0 { borrowed(&originals) } else { Vec::new() };
            match seal_part(thread, input, part, (&originals, origin), &place, &mut hand_over) {
                Ok(part) => sealed.push(part),
                Err(error) => {
                    for part in sealed {
                        hand_over(Piece::Drop(part.pieces))?;
                    }
                    return Err(error);
                }
            }
        }
        Ok(Outcome::New(sealed, told, months))
    }

    /// Unites a conversation with the state that is stored.
    fn change(&self, writer: &mut Writer<'_>, incoming: Incoming, report: &mut Report) -> Result<(), IngestError> {
        let place = incoming.place.clone();
        let (member, size) = (incoming.told.member, incoming.told.size);
        let Some(known) = self.known.get(&incoming.key()) else {
            // The first of two in this input could not be stored, and is reported; so is this one.
            report.skip(Problem { place, reason: "repeats a conversation of this input that was not read".to_owned() });
            return Ok(());
        };
        let entry = match known.last() {
            Some(entry) if !entry.is_month() => entry,
            _ => return self.change_chat(writer, known, incoming, report),
        };
        let reason = match self.unite_with_stored(writer, entry, incoming, report) {
            Ok(Some(united)) => {
                // Its errors end the import: a segment half in the place of another must not stay.
                writer.replace(entry, &united.stored.segment)?;
                report.count(member, |counts| counts.updated += 1);
                report.vanished += united.vanished;
                report.edited += united.edited;
                report.add(united.told);
                report.take(united.stored.attachments, united.stored.absent);
                return Ok(());
            }
            Ok(None) => {
                report.count(member, |counts| counts.unchanged += 1);
                report.bytes += size as u64;
                return Ok(());
            }
            Err(error) => left_as_it_is(error)?,
        };
        report.skip(Problem { place, reason });
        Ok(())
    }

    /// The segment that takes the place of the stored one; none when that has everything already.
    fn unite_with_stored(
        &self,
        writer: &mut Writer<'_>,
        entry: &Entry,
        incoming: Incoming,
        report: &mut Report,
    ) -> Result<Option<United>, IngestError> {
        let is_stored = incoming.is_stored_as(entry);
        let Incoming { conversation, source, originals, told, place, stood_before, is_part, .. } = incoming;
        let stored = writer.body(entry)?;
        let stored_files = stored.conversation.attachments.clone();
        let with_digest = |original: Zeroizing<Vec<u8>>| {
            let digest = hash::sha256(&[&original]);
            (original, digest)
        };
        let stored = State {
            conversation: stored.conversation,
            originals: stored.originals.into_iter().map(with_digest).collect(),
            stood_before: false,
            is_part: false,
        };
        let read = |original: &[u8]| self.parse_again(&source, original);
        let both = Source { importer: by_name(&source).unwrap_or(self.options.importer), read: &read };
        let Standing { state, changed, vanished, edited } =
            both.unite(stored, State { conversation, originals, stood_before, is_part }, is_stored);
        let messages = state.conversation.messages.len();
        let seat = Seat { entry, files: &stored_files, source: &source, notes: &told.notes, place: &place };
        let stored = self.reseal(writer, &seat, state, changed, report)?;
        let told = Told { messages, ..told };
        Ok(stored.map(|stored| United { stored, told, vanished, edited }))
    }

    /// Seals what is to stand in the place of a stored segment; none when that has everything already.
    pub(super) fn reseal(
        &self,
        writer: &mut Writer<'_>,
        seat: &Seat<'_>,
        state: State,
        changed: bool,
        report: &mut Report,
    ) -> Result<Option<Stored>, IngestError> {
        let Seat { entry, files, source, notes, place } = *seat;
        let State { conversation: mut united, originals, .. } = state;
        if !changed && united.attachments.iter().all(|attachment| attachment.payload.is_none()) {
            return Ok(None);
        }
        let mut thread = self.sealer.thread();
        let mut open = thread.begin()?;
        let pieces = open.rows_from(0);
        let mut seal = || {
            // These count the pieces of the older segment, which goes.
            let before: Vec<_> = united.attachments.iter_mut().map(|attachment| attachment.objects.take()).collect();
            let mut input = Input::of(self.bundle);
            let hand_over = |piece| store(writer, piece);
            let sealed = attach::seal_all(&thread, &mut open, &mut united, &mut input, place, hand_over)?;
            // After the input, so that what breaks off there is kept as it was stored.
            let carried = carried(&united, files, &before);
            carry(writer, entry, &carried, &mut thread, &mut open, &mut united)?;
            let tags = entry.facts.tags.clone();
            let origin = origin(entry.conversation, source, tags, notes, Some(entry.facts.imported));
            let origin = Origin { month: entry.facts.month, ..origin };
            Ok::<_, IngestError>((thread.finish(&open, &united, &borrowed(&originals), origin)?, sealed))
        };
        let (segment, attachments) = match seal() {
            Ok(done) => done,
            Err(error) => {
                writer.drop_pieces(pieces)?;
                return Err(error);
            }
        };
        if !changed && attachments.stored == 0 {
            // All that was new in it broke off; the next import may try again.
            writer.drop_pieces(pieces)?;
            report.take(attachments, 0);
            return Ok(None);
        }
        let absent = attachments.absent(&united);
        Ok(Some(Stored { segment, attachments, absent, pieces }))
    }

    /// Reads a stored original as this version reads it.
    fn parse_again(&self, source: &str, original: &[u8]) -> Option<Conversation> {
        let unit = Unit { bytes: original.to_vec(), ..Unit::default() };
        let parsed = if source == self.options.importer.name() {
            self.options.importer.parse(self.context, &unit)
        } else {
            // A word that no format has was told by a line of our own, which then is the original.
            by_name(source).or_else(|| by_name("convault"))?.parse(&Context::default(), &unit)
        };
        // Wiped like every copy of a source's bytes.
        drop(Zeroizing::new(unit.bytes));
        parsed.ok().map(|parsed| parsed.conversation)
    }
}

/// Why one conversation cannot be changed, where that must not keep all others out: it stays as it is.
pub(super) fn left_as_it_is(error: IngestError) -> Result<String, IngestError> {
    match error {
        IngestError::Vault(error @ VaultError::TooLarge) => Ok(error.to_string()),
        IngestError::Vault(VaultError::Damaged(damage)) => Ok(format!("the stored state cannot be read: {damage}")),
        error => Err(error),
    }
}

/// Stores or removes what was sealed of an attachment.
pub(super) fn store(writer: &mut Writer<'_>, piece: Piece) -> Result<(), IngestError> {
    match piece {
        Piece::Add(row) => Ok(writer.piece(&row)?),
        Piece::Drop(rows) => Ok(writer.drop_pieces(rows)?),
    }
}

/// Seals a conversation, or a month of one, that was not stored before.
pub(super) fn seal_part(
    thread: &mut SealerThread<'_>,
    input: &mut Input<'_>,
    mut part: Conversation,
    (originals, origin): (&[(&[u8], Digest)], Origin<'_>),
    place: &str,
    hand_over: &mut dyn FnMut(Piece) -> Result<(), IngestError>,
) -> Result<Stored, IngestError> {
    let mut open = thread.begin()?;
    let pieces = open.rows_from(0);
    let seal = || {
        let attachments = attach::seal_all(thread, &mut open, &mut part, input, place, &mut *hand_over)?;
        Ok((thread.finish(&open, &part, originals, origin)?, attachments))
    };
    match seal() {
        Ok((segment, attachments)) => {
            let absent = attachments.absent(&part);
            Ok(Stored { segment, attachments, absent, pieces })
        }
        Err(error) => {
            // Its pieces may be stored already; without a segment they would belong to nothing.
            hand_over(Piece::Drop(pieces))?;
            Err(error)
        }
    }
}

/// Attachments whose bytes the older segment has and this input did not give: the index of each, its pieces there, and
/// its size.
fn carried(
    united: &Conversation,
    stored_files: &[Attachment],
    before: &[Option<(u32, u32)>],
) -> Vec<(usize, (u32, u32), Option<u64>)> {
    let mut files = Files::of(stored_files, |_| true);
    let mut carried = Vec::new();
    for (index, (attachment, own)) in united.attachments.iter().zip(before).enumerate() {
        let like = files.take(attachment).and_then(|index| stored_files.get(index));
        let stored = match own {
            Some(pieces) => Some((*pieces, attachment.size)),
            None => like.and_then(|like| Some((like.objects?, like.size))),
        };
        if let (None, Some((pieces, size))) = (attachment.objects, stored) {
            carried.push((index, pieces, size));
        }
    }
    carried
}

/// Seals these attachments of the older segment anew.
fn carry(
    writer: &mut Writer<'_>,
    entry: &Entry,
    carried: &[(usize, (u32, u32), Option<u64>)],
    thread: &mut SealerThread<'_>,
    open: &mut crate::vault::OpenSegment,
    united: &mut Conversation,
) -> Result<(), IngestError> {
    let mut first = open.pieces();
    let pieces: Vec<(u32, u32)> = carried.iter().map(|(_, pieces, _)| *pieces).collect();
    writer.carry(entry, &pieces, |at, piece| {
        if let Some(piece) = piece {
            // One piece at a time, so that a long film takes no memory.
            return Ok(Some(thread.piece(open, piece)?));
        }
        if let Some((index, _, size)) = carried.get(at)
            && let Some(attachment) = united.attachments.get_mut(*index)
        {
            attachment.size = *size;
            attachment.objects = Some((first, open.pieces() - first));
        }
        first = open.pieces();
        Ok(None)
    })?;
    Ok(())
}

impl Report {
    pub(super) fn take(&mut self, sealed: attach::Sealed, absent: u64) {
        self.attachments += sealed.stored;
        self.absent += absent;
        for problem in sealed.problems {
            self.problem(problem);
        }
    }
}
