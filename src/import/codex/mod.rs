//! Sessions of Codex CLI: `rollout-….jsonl` of every generation, alone, in a folder, or in all of `~/.codex`.
//!
//! `docs/formats/codex.md` describes the source and its traps.

mod event;
mod item;
mod recognise;
mod record;
mod session;

use self::recognise::Opening;
use self::item::Source;
use self::record::{Compacted, Document, Item, Loose, Meta, Payload, Record, TurnContext};
use self::session::{Session, source_time};
use super::json::lines::{self, BadLine, Line};
use super::json::reading;
use super::json::tolerant::{Recorder, from_slice};
use super::{Context, Emit, Evidence, Importer, Notes, Parsed, Problem, Sample, Unit, Unread, hex_id, members};
use crate::bundle::{Bundle, BundleError};
use crate::crypto::hash::labelled;

/// Bad lines of one log that are named one by one. More say that it is no log.
const MAX_PROBLEMS: usize = 100;
/// Bytes looked at to tell a document from a log.
const OPENING: usize = 64 << 10;

/// The format.
pub struct Format;

impl Importer for Format {
    fn name(&self) -> &'static str {
        "codex"
    }

    fn about(&self) -> &'static str {
        "Codex CLI sessions: rollout files, a folder of them, or all of ~/.codex"
    }

    fn keeps(&self) -> &'static str {
        "prompts and answers, readable reasoning, tool calls and outputs, pictures, hidden context, turns taken back"
    }

    fn loses(&self) -> &'static str {
        "reasoning and summaries that the log holds only encrypted; compressed logs (.jsonl.zst) are not read"
    }

    fn accumulates(&self) -> bool {
        true
    }

    fn probe(&self, sample: &Sample) -> Option<Evidence> {
        sample.heads.iter().find_map(|head| match Opening::of(&head.bytes) {
            Opening::Log(shows) => Some(Evidence { member: head.member, shows }),
            Opening::Document => Some(Evidence { member: head.member, shows: "a document of `session` and `items`" }),
            Opening::Header | Opening::Other => None,
        })
    }

    fn prepare(&self, bundle: &Bundle) -> Result<Context, BundleError> {
        recognise::survey(bundle)
    }

    fn split(&self, bundle: &Bundle, context: &Context, emit: Emit<'_>) -> Result<(), BundleError> {
        for problem in &context.problems {
            if emit(Err(problem.clone())).is_break() {
                return Ok(());
            }
        }
        for &member in &context.sources {
            let unit = members::whole(bundle, member)?.map(|bytes| {
                let place = members::name(bundle, member);
                Unit { member, place, bytes, ..Unit::default() }
            });
            if emit(unit).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn parse(&self, _: &Context, unit: &Unit) -> Result<Parsed, Unread> {
        let head = unit.bytes.get(..OPENING).unwrap_or(&unit.bytes);
        let (session, mut notes, problems) = match Opening::of(head) {
            Opening::Document => document(unit)?,
            _ => log(unit),
        };
        let (mut conversation, records) = session.finish(|| fallback_id(unit));
        notes.add(records);
        if unit.place.split('/').any(|folder| folder == "archived_sessions") {
            conversation.flags.push("archived".to_owned());
        }
        if session::is_empty(&conversation) {
            return Err(nothing(problems));
        }
        Ok(Parsed::new(conversation, notes, problems))
    }
}

/// Why a log without a message gives nothing.
fn nothing(problems: Vec<Problem>) -> Unread {
    match problems.into_iter().next() {
        Some(problem) => Unread::Problem(problem),
        None => Unread::Empty("session without a message"),
    }
}

/// An id for a session that names none: the one in its file's name, else one of its first line, which stays
/// when the log grows.
fn fallback_id(unit: &Unit) -> String {
    let file_name = unit.place.rsplit('/').next().unwrap_or_default();
    let stem = file_name.split('.').next().unwrap_or_default();
    let uuid = stem.len().checked_sub(36).and_then(|start| stem.get(start..)).filter(|uuid| is_uuid(uuid));
    uuid.map(str::to_owned).unwrap_or_else(|| {
        let first = lines::lines(&unit.bytes).next().map_or(&[][..], |line| line.bytes);
        hex_id(&labelled("convault/codex/id", &[first]))
    })
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// A session kept as one JSON document.
fn document(unit: &Unit) -> Result<(Session, Notes, Vec<Problem>), Problem> {
    let (session, notes) = reading::unit(unit, |json, recorder| {
        let document: Document<'_> = from_slice(json, recorder)?;
        let mut session = Session::new();
        let header = record::field(text_of(json), "session", recorder);
        session.meta(&document.session, header.get().unwrap_or_default(), recorder);
        if let Loose::List(items) = &document.items {
            for (index, raw) in items.iter().enumerate() {
                let read = from_slice::<Item<'_>>(raw.get().as_bytes(), recorder)?;
                item::read(&mut session, &read, Source::Item(raw.get()), || format!("item {index}"), None, recorder);
            }
        }
        Ok(Ok(session))
    })?;
    Ok((session, notes, Vec::new()))
}

/// A session kept as a log, one record a line.
fn log(unit: &Unit) -> (Session, Notes, Vec<Problem>) {
    let mut session = Session::new();
    let mut notes = Notes::default();
    let mut problems = Vec::new();
    let mut unnamed = 0_u64;
    for line in lines::lines(&unit.bytes) {
        let read = lines::record(&line, &mut notes, |json, recorder| record_line(&mut session, json, &line, recorder));
        match read {
            Ok(()) => {}
            Err(BadLine::Truncated) => *notes.repaired.entry("truncated last line").or_default() += 1,
            Err(_) if problems.len() >= MAX_PROBLEMS => unnamed += 1,
            Err(bad) => {
                let place = format!("{} line {}", unit.place, line.number);
                problems.push(Problem { place, reason: bad.reason() });
            }
        }
    }
    if unnamed > 0 {
        problems.push(Problem { place: unit.place.clone(), reason: format!("{unnamed} more lines are no records") });
    }
    (session, notes, problems)
}

fn record_line(
    session: &mut Session,
    json: &[u8],
    line: &Line<'_>,
    recorder: &Recorder,
) -> Result<(), serde_json::Error> {
    let record: Record<'_> = from_slice(json, recorder)?;
    let place = || format!("line {}", line.number);
    let is_envelope = match &record.payload {
        Payload::Nothing => false,
        Payload::Raw(raw) => raw.get().is_some_and(|payload| payload.starts_with('{')),
        // What is no object has no type and no role; the line says what stands there.
        Payload::Item(item) => item.kind.get().or(item.role.get()).is_some(),
        Payload::Turn(_) => true,
    };
    if !is_envelope {
        return bare(session, &record, text_of(json), place, recorder);
    }
    for key in &record.others {
        recorder.unknown("record", key);
    }
    let time = source_time(record.timestamp);
    let payload = match &record.payload {
        Payload::Item(item) => {
            item::read(session, item, Source::Payload(json), place, time, recorder);
            return Ok(());
        }
        Payload::Turn(turn) => {
            session.turn(turn);
            return Ok(());
        }
        Payload::Raw(raw) => raw.get().unwrap_or_default(),
        Payload::Nothing => "",
    };
    let bytes = payload.as_bytes();
    match record.kind.get() {
        Some("response_item") => {
            let item: Item<'_> = from_slice(bytes, recorder)?;
            item::read(session, &item, Source::Item(payload), place, time, recorder);
        }
        Some("event_msg") => event::read(session, payload, time, recorder),
        Some("turn_context") => session.turn(&from_slice::<TurnContext<'_>>(bytes, recorder)?),
        Some("session_meta") => session.meta(&from_slice::<Meta<'_>>(bytes, recorder)?, payload, recorder),
        Some("compacted") => session.compacted(&from_slice::<Compacted<'_>>(bytes, recorder)?, time),
        Some("world_state") => session.count("state of the surroundings", 1),
        Some("inter_agent_communication_metadata") => session.count("event of another agent", 1),
        Some("inter_agent_communication") => {
            let mut item: Item<'_> = from_slice(bytes, recorder)?;
            item.kind = record.kind;
            item::read(session, &item, Source::Item(payload), place, time, recorder);
        }
        other => session.unknown("record", other.unwrap_or("untyped"), text_of(json), time, recorder),
    }
    Ok(())
}

/// JSON that was read, which is text.
fn text_of(json: &[u8]) -> &str {
    std::str::from_utf8(json).unwrap_or_default()
}

/// A line without an envelope: the header, an item, or a mark of 2025.
fn bare(
    session: &mut Session,
    record: &Record<'_>,
    text: &str,
    place: impl FnOnce() -> String,
    recorder: &Recorder,
) -> Result<(), serde_json::Error> {
    if record.is_mark {
        session.count("mark of the program", 1);
        return Ok(());
    }
    let has = |name: &str| record.others.iter().any(|key| key == name);
    let is_header = record.kind.get().is_none() && has("id") && !has("role") && !has("content");
    if is_header && !session.has_meta() {
        session.meta(&from_slice::<Meta<'_>>(text.as_bytes(), recorder)?, text, recorder);
        return Ok(());
    }
    if let Some(kind @ ("world_state" | "turn_context" | "event_msg" | "compacted" | "session_meta" | "response_item")) = record.kind.get()
    {
        session.unknown("record", kind, text, source_time(record.timestamp), recorder);
        return Ok(());
    }
    let item: Item<'_> = from_slice(text.as_bytes(), recorder)?;
    item::read(session, &item, Source::Item(text), place, None, recorder);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_of(place: &str) -> String {
        fallback_id(&Unit { place: place.to_owned(), bytes: b"{\"a\":1}\n{}".to_vec(), ..Unit::default() })
    }

    #[test]
    fn the_file_name_gives_an_id_where_the_log_has_none() {
        let uuid = "5973b6c0-94b8-487b-a530-2aeb6098ae0e";
        assert_eq!(id_of(&format!("s/2025/rollout-2025-05-07T17-24-21-{uuid}.jsonl")), uuid);
        let derived = id_of("rollout-2025-05-07T17-24-21.jsonl");
        assert!(derived.starts_with("derived:"));
        assert_eq!(id_of("notes.jsonl"), derived, "of the first line alone");
        assert_eq!(id_of("ééééééééééééééééééé.jsonl"), derived);
    }
}
