//! convault's own JSONL, which is the richest generic input too.
//!
//! `docs/formats/convault.md` is the specification.

mod line;
mod pieces;
mod split;

use serde::Deserialize;

use self::line::{AttachmentLine, Line, MessageLine, OriginalLine, PartLine};
use super::json::lines::{BadLine, Line as TextLine, lines, record};
use super::json::tolerant::{Fields, List, Raw, Recorder, Text, from_slice};
use super::{Context, Emit, Evidence, Importer, Notes, Parsed, Problem, Provenance, Sample, Unit, Unread, time};
use crate::bundle::{Bundle, BundleError};
use crate::conversation::{
    Attachment, Cast, Conversation, Kind, Message, Part, PartKind, Payload, Role, SourceTime, Visibility,
};
use crate::crypto::hash::labelled;

pub use self::pieces::Pieces;

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
            let is_ours = head.outline.as_ref()?.has("schema") && memchr::memmem::find(&head.bytes, SCHEMA.as_bytes()).is_some();
            is_ours.then_some(Evidence { member: head.member, shows: "lines of the schema `convault.conversation/1`" })
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
        let (conversation, mut provenance, sizes) = read
            .map_err(BadLine::reason)
            .and_then(|built| built)
            .map_err(|reason| Problem { place: unit.place.clone(), reason })?;
        let mut problems = Vec::new();
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

/// A conversation, what is told of it, and the sizes of its originals when it says that there are some or none.
type Built = (Conversation, Provenance, Option<Vec<u64>>);

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
    for participant in &line.participants.0 {
        // In their own places, even when two are alike: messages name them by index.
        conversation.participants.push(crate::conversation::Participant {
            role: word::<Role>(&participant.role, recorder),
            native_role: participant.native_role.owned(),
            name: participant.name.owned(),
        });
    }
    let attachments = line.attachments.0.iter().enumerate();
    conversation.attachments = attachments.map(|(index, file)| attachment(index, file, unit)).collect();
    let mut cast = Cast::default();
    for message in &line.messages.0 {
        push(&mut conversation, &mut cast, message, recorder);
    }
    let provenance = Provenance {
        source: source(line, recorder),
        originals: Vec::new(),
        tags: line.tags.0.iter().filter_map(Text::owned).collect(),
    };
    let sizes = line.originals.get().map(|_| {
        let originals = line.originals.parse::<List<OriginalLine<'_>>>(recorder);
        originals.0.iter().map(|original| number(original.size).unwrap_or(0)).collect()
    });
    Ok((conversation, provenance, sizes))
}

fn attachment(index: usize, file: &AttachmentLine<'_>, unit: &Unit) -> Attachment {
    let pieces = unit.pieces.iter().find(|(of, _)| *of == index).filter(|_| file.data.0);
    let payload = pieces.map(|(_, range)| Payload::Pieces { member: unit.member, start: range.start, end: range.end });
    Attachment {
        id: file.id.owned(),
        name: file.name.owned(),
        media_type: file.media_type.owned(),
        size: number(file.size),
        payload,
        ..Attachment::default()
    }
}

fn push(conversation: &mut Conversation, cast: &mut Cast, line: &MessageLine<'_>, recorder: &Recorder) {
    let known = |index: &u64, length: usize| usize::try_from(*index).is_ok_and(|index| index < length);
    let author = match number(line.author).filter(|author| known(author, conversation.participants.len())) {
        Some(author) => u32::try_from(author).unwrap_or(0),
        None => {
            if line.author.get().is_some() {
                recorder.repaired("author that is nowhere");
            }
            cast.find(conversation, word::<Role>(&line.role, recorder), None, line.name.get())
        }
    };
    let parent = number(line.parent);
    let stands_before = parent.filter(|parent| known(parent, conversation.messages.len()));
    if parent.is_some() && stands_before.is_none() {
        recorder.repaired("parent that does not stand before");
    }
    let mut parts = Vec::new();
    if let Some(text) = line.text.0.as_deref() {
        parts.push(Part { text: conversation.push_text(text), ..Part::default() });
    }
    for part in &line.parts.0 {
        parts.push(read_part(conversation, part, recorder));
    }
    conversation.messages.push(Message {
        id: line.id.owned(),
        parent: stands_before.and_then(|parent| u32::try_from(parent).ok()),
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

fn read_part(conversation: &mut Conversation, part: &PartLine<'_>, recorder: &Recorder) -> Part {
    let attachment = number(part.attachment);
    let known = attachment.filter(|at| usize::try_from(*at).is_ok_and(|at| at < conversation.attachments.len()));
    if attachment.is_some() && known.is_none() {
        recorder.repaired("attachment that is nowhere");
    }
    Part {
        kind: word::<PartKind>(&part.kind, recorder),
        text: conversation.push_text(part.text.0.as_deref().unwrap_or("")),
        name: part.name.owned(),
        url: part.url.owned(),
        attachment: known.and_then(|at| u32::try_from(at).ok()),
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
        let at = fields.get("at").get().and_then(|at| at.parse().ok()).map(crate::clock::Instant);
        return Some(SourceTime { text: fields.text("text", recorder).owned().unwrap_or_default(), at });
    }
    time::from_json(json)
}
