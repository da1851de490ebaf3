//! convault's own JSONL, which is the richest generic input too.
//!
//! `docs/formats/convault.md` is the specification.

mod line;
mod pieces;
mod split;

use std::collections::HashMap;
use std::ops::Range;

use serde::Deserialize;

use self::line::{AttachmentLine, Line, MessageLine, OriginalLine, PartLine};
use super::json::outline::Outline;
use super::json::lines::{BadLine, Line as TextLine, lines, record};
use super::json::tolerant::{Fields, List, Raw, Recorder, Text, from_slice};
use super::{Context, Emit, Evidence, Importer, Notes, Parsed, Problem, Provenance, Sample, Unit, Unread, time};
use crate::bundle::{Bundle, BundleError};
use crate::conversation::{
    Attachment, Cast, Conversation, Kind, Message, Part, PartKind, Payload, Role, SourceTime, Visibility,
};
use crate::crypto::hash::labelled;

pub use self::pieces::{Pieces, Stream};

/// The schema of a conversation's line.
const SCHEMA: &str = "convault.conversation/1";
/// Longest word for a source.
const MAX_SOURCE: usize = 32;

/// The format.
pub struct Format;

impl Importer for Format {
    fn name(&self) -> &'static str {
        "convault"
    }

    fn about(&self) -> &'static str {
        "convault's own JSONL, and what others write in it"
    }

    fn keeps(&self) -> &'static str {
        "everything: source, ids, branches, hidden and vanished messages, tags, files, the source's own bytes"
    }

    fn loses(&self) -> &'static str {
        "the vault's own ids and the time of the first import, which belong to a vault"
    }

    fn probe(&self, sample: &Sample) -> Option<Evidence> {
        sample.heads.iter().find_map(|head| {
            is_ours(head.outline.as_ref(), &head.bytes).then_some(Evidence { member: head.member, shows: "lines of the schema `convault.conversation/1`" })
        })
    }

    fn prepare(&self, bundle: &Bundle) -> Result<Context, BundleError> {
        split::survey(bundle)
    }

    fn split(&self, bundle: &Bundle, context: &Context, emit: Emit<'_>) -> Result<(), BundleError> {
        split::split(bundle, context, emit)
    }

    fn parse(&self, _: &Context, unit: &Unit) -> Result<Parsed, Unread> {
        let mut rest = lines(&unit.bytes);
        let Some(first) = rest.next() else {
            return Err(Problem { place: unit.place.clone(), reason: "an empty line".to_owned() }.into());
        };
        let mut notes = Notes::default();
        let read = record(&first, &mut notes, |json, recorder| {
            from_slice::<Line<'_>>(json, recorder).map(|line| build(&line, unit, first, recorder))
        });
        let Built { conversation, mut provenance, originals: sizes, problems } = read
            .map_err(BadLine::reason)
            .and_then(|built| built)
            .map_err(|reason| Problem { place: unit.place.clone(), reason })?;
        let at_unit = |reason| Problem { place: unit.place.clone(), reason };
        let mut problems: Vec<Problem> = problems.into_iter().map(at_unit).collect();
        // Without originals the line stands for them, without what follows it.
        provenance.originals = match sizes.map(|sizes| pieces::originals(rest, &sizes)) {
            Some(Ok(originals)) => originals,
            Some(Err(reason)) => {
                problems.push(Problem { place: unit.place.clone(), reason });
                vec![first.bytes.to_vec()]
            }
            None => vec![first.bytes.to_vec()],
        };
        Ok(Parsed { provenance: Some(provenance), ..Parsed::new(conversation, notes, problems) })
    }
}

/// Whether a beginning is that of our own lines; `messages` must not take one for its own.
pub(super) fn is_ours(outline: Option<&Outline>, head: &[u8]) -> bool {
    outline.is_some_and(|outline| outline.has("schema")) && memchr::memmem::find(head, SCHEMA.as_bytes()).is_some()
}

/// A source's word as it may be taken.
fn source(line: &Line<'_>, recorder: &Recorder) -> String {
    let is_word = |word: &str| {
        word.len() <= MAX_SOURCE && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    match line.source.get() {
        Some(word) if is_word(word) => word.to_owned(),
        Some(_) => {
            recorder.repaired("source that is no word");
            "convault".to_owned()
        }
        None => "convault".to_owned(),
    }
}

/// What a line comes to.
struct Built {
    conversation: Conversation,
    provenance: Provenance,
    /// The sizes of its originals, when it says that there are some, or that there need be none.
    originals: Option<Vec<u64>>,
    problems: Vec<String>,
}

fn build(line: &Line<'_>, unit: &Unit, text: TextLine<'_>, recorder: &Recorder) -> Result<Built, String> {
    if line.schema.get() != Some(SCHEMA) {
        return Err("not of the schema `convault.conversation/1`".to_owned());
    }
    let derived = || super::hex_id(&labelled("convault/convault/id", &[text.bytes]));
    let mut conversation = Conversation {
        native_id: line.native_id.owned().unwrap_or_else(derived),
        title: line.title.owned(),
        kind: word::<Kind>(&line.kind, recorder),
        created: moment(line.created, recorder),
        updated: moment(line.updated, recorder),
        model: line.model.owned(),
        project: line.project.owned(),
        continues: line.continues.owned(),
        flags: line.flags.0.iter().filter_map(Text::owned).collect(),
        ..Conversation::default()
    };
    let mut places = Places::default();
    for participant in &line.participants.0 {
        if places.participants.passes(participant.left_out) {
            continue;
        }
        places.participants.takes(conversation.participants.len());
        // In their own places, even when two are alike: messages name them by index.
        conversation.participants.push(crate::conversation::Participant {
            role: word::<Role>(&participant.role, recorder),
            native_role: participant.native_role.owned(),
            name: participant.name.owned(),
        });
    }
    let mut problems = Vec::new();
    let mut pieces = ranges(unit, &mut problems);
    for file in &line.attachments.0 {
        let index = places.attachments.0.len();
        if places.attachments.passes(file.left_out) {
            continue;
        }
        places.attachments.takes(conversation.attachments.len());
        let range = pieces.remove(&index);
        conversation.attachments.push(attachment(index, file, range, unit.member, &mut problems));
    }
    if !pieces.is_empty() {
        problems.push("pieces of an attachment that it does not have".to_owned());
    }
    let mut cast = Cast::default();
    for message in &line.messages.0 {
        if places.messages.passes(message.left_out) {
            continue;
        }
        places.messages.takes(conversation.messages.len());
        push(&mut conversation, &mut cast, message, &places, recorder);
    }
    for (kind, places) in [("message left out of an excerpt", &places.messages), ("file left out of an excerpt", &places.attachments)] {
        let count = places.0.iter().filter(|place| place.is_none()).count() as u64;
        if count > 0 {
            recorder.left_out(kind, count);
        }
    }
    let provenance = Provenance {
        is_part: places.messages.0.contains(&None),
        source: source(line, recorder),
        originals: Vec::new(),
        tags: line.tags.0.iter().filter_map(Text::owned).collect(),
    };
    let sizes = line.originals.get().map(|_| {
        let originals = line.originals.parse::<List<OriginalLine<'_>>>(recorder);
        let there = originals.0.iter().filter(|original| original.left_out.get().is_none());
        there.map(|original| number(original.size).unwrap_or(0)).collect()
    });
    // Only a file that was kept as it is needs none: its attachment is all there is.
    let originals = sizes.filter(|sizes: &Vec<u64>| !sizes.is_empty() || conversation.kind == Kind::Opaque);
    Ok(Built { conversation, provenance, originals, problems })
}

/// Where the pieces of each attachment stand, by its index; none where they do not stand together.
fn ranges(unit: &Unit, problems: &mut Vec<String>) -> HashMap<usize, Option<Range<u64>>> {
    let mut ranges: HashMap<usize, Option<Range<u64>>> = HashMap::new();
    for (index, range) in &unit.pieces {
        ranges.entry(*index).and_modify(|known| *known = None).or_insert_with(|| Some(range.clone()));
    }
    let mut apart: Vec<usize> = ranges.iter().filter(|(_, range)| range.is_none()).map(|(index, _)| *index).collect();
    apart.sort_unstable();
    problems.extend(apart.iter().map(|index| format!("the pieces of attachment {index} do not stand together")));
    ranges
}

fn attachment(
    index: usize,
    file: &AttachmentLine<'_>,
    range: Option<Option<Range<u64>>>,
    member: usize,
    problems: &mut Vec<String>,
) -> Attachment {
    let size = number(file.size);
    match (file.data.0, &range) {
        (true, None) => problems.push(format!("attachment {index} should have bytes, and no piece of it is there")),
        (false, Some(_)) => problems.push(format!("attachment {index} should have no bytes, and pieces of it are there")),
        _ => {}
    }
    let range = range.flatten().filter(|_| file.data.0);
    let payload = range.map(|range| Payload::Pieces { member, start: range.start, end: range.end, size });
    Attachment {
        id: file.id.owned(),
        name: file.name.owned(),
        media_type: file.media_type.owned(),
        size,
        payload,
        ..Attachment::default()
    }
}

/// Where the elements of a list are, by the place in which they were before an excerpt left some out.
#[derive(Default)]
struct Where(Vec<Option<u32>>);

impl Where {
    /// More elements than a list has.
    const MOST: u64 = 1 << 22;

    /// Whether an element stands for some that are left out.
    fn passes(&mut self, left_out: Raw<'_>) -> bool {
        let Some(count) = number(left_out).filter(|count| *count <= Self::MOST - self.0.len() as u64) else {
            return left_out.get().is_some();
        };
        self.0.extend(std::iter::repeat_n(None, usize::try_from(count).unwrap_or(0)));
        true
    }

    fn takes(&mut self, place: usize) {
        self.0.push(u32::try_from(place).ok());
    }

    fn of(&self, index: u64) -> Option<Option<u32>> {
        self.0.get(usize::try_from(index).ok()?).copied()
    }
}

#[derive(Default)]
struct Places {
    participants: Where,
    messages: Where,
    attachments: Where,
}

fn push(
    conversation: &mut Conversation,
    cast: &mut Cast,
    line: &MessageLine<'_>,
    places: &Places,
    recorder: &Recorder,
) {
    let author = match number(line.author).and_then(|author| places.participants.of(author)?) {
        Some(author) => author,
        None => {
            if line.author.get().is_some() {
                recorder.repaired("author that is nowhere");
            }
            cast.find(conversation, word::<Role>(&line.role, recorder), None, line.name.get())
        }
    };
    // One that was left out of an excerpt is known, and not here.
    let parent = number(line.parent).and_then(|parent| places.messages.of(parent));
    let stands_before = parent.flatten().filter(|parent| (*parent as usize) < conversation.messages.len());
    if line.parent.get().is_some() && parent.is_none_or(|parent| parent.is_some() && stands_before.is_none()) {
        recorder.repaired("parent that does not stand before");
    }
    let mut parts = Vec::new();
    if let Some(text) = line.text.0.as_deref() {
        parts.push(Part { text: conversation.push_text(text), ..Part::default() });
    }
    for part in &line.parts.0 {
        parts.push(read_part(conversation, part, places, recorder));
    }
    conversation.messages.push(Message {
        id: line.id.owned(),
        parent: stands_before,
        author,
        recipient: line.recipient.owned(),
        time: moment(line.time, recorder),
        edited: moment(line.edited, recorder),
        visibility: word::<Visibility>(&line.visibility, recorder),
        abandoned: line.abandoned.0,
        vanished: line.vanished.0,
        model: line.model.owned(),
        parts,
    });
}

fn read_part(conversation: &mut Conversation, part: &PartLine<'_>, places: &Places, recorder: &Recorder) -> Part {
    let known = number(part.attachment).and_then(|at| places.attachments.of(at)?);
    if part.attachment.get().is_some() && known.is_none() {
        recorder.repaired("attachment that is nowhere");
    }
    Part {
        kind: word::<PartKind>(&part.kind, recorder),
        text: conversation.push_text(part.text.0.as_deref().unwrap_or("")),
        name: part.name.owned(),
        url: part.url.owned(),
        attachment: known,
    }
}

/// One of the words of an enumeration; its default for none, and for a word that is not there.
fn word<T: Default + for<'de> Deserialize<'de>>(text: &Text<'_>, recorder: &Recorder) -> T {
    let Some(text) = text.get() else { return T::default() };
    let word = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text);
    T::deserialize(word).unwrap_or_else(|_| {
        recorder.repaired("unknown word");
        T::default()
    })
}

fn number(raw: Raw<'_>) -> Option<u64> {
    raw.get()?.parse().ok()
}

/// A time as it is stored: a text, or a text beside the instant it means.
fn moment(raw: Raw<'_>, recorder: &Recorder) -> Option<SourceTime> {
    let json = raw.get()?;
    if json.starts_with('{') {
        let fields: Fields<'_> = raw.parse(recorder);
        let told = fields.get("at").get();
        let at = told.and_then(|at| at.parse().ok()).map(crate::clock::Instant);
        if told.is_some() && at.is_none() {
            recorder.repaired("instant that is no number");
        }
        return Some(SourceTime { text: fields.text("text", recorder).owned().unwrap_or_default(), at });
    }
    time::from_json(json)
}
