//! What the generic formats share: one schema, one way to know a conversation again, one way to cut files.
//!
//! `docs/formats/generic.md` describes it for people who write such files.

mod blocks;
mod derived;
pub(super) mod files;
mod log;
mod source;
mod turns;

use self::source::{Entry, TurnSource};
use self::turns::{Opening, Writer};
use super::json::reading;
use super::json::tolerant::{List, Raw, Recorder, Text, from_slice};
use super::{Context, Notes, Parsed, Problem, Unit, Unread, time, title};
use crate::clock::Instant;
use crate::conversation::{Attachment, Conversation, Kind, PartKind, SourceTime};
use crate::crypto::hash::Digest;

/// The fields that hold the messages of a conversation.
const LISTS: &[&str] = &["messages", "conversations", "conversation", "items"];

/// Where a data set says that a picture stands.
const MEDIA_MARKS: [&str; 3] = ["<image>", "<video>", "<audio>"];

/// Digits of a number of milliseconds, and of microseconds, since 1970 that means a time of our days.
const MILLISECOND_DIGITS: usize = 13;
const MICROSECOND_DIGITS: usize = 16;

/// What one reading of a unit gives.
struct Built {
    conversation: Conversation,
    beginning: Digest,
    /// Definitions of tools stand beside the messages.
    has_tools: bool,
    /// Messages that are a field of the conversation in the source.
    instructions: u64,
}

/// Reads a unit.
pub(super) fn parse(context: &Context, unit: &Unit) -> Result<Parsed, Unread> {
    let (mut built, mut notes, problems) = read(unit, false)?;
    let conversation = &mut built.conversation;
    if conversation.messages.is_empty() {
        return Err(match problems.into_iter().next() {
            Some(problem) => problem.into(),
            None => Unread::Empty("no messages"),
        });
    }
    if conversation.native_id.is_empty() {
        let none = derived::Beginnings::default();
        let beginnings = files::beginnings(context).unwrap_or(&none);
        conversation.native_id = derived::native_id(&built.beginning, &unit.bytes, beginnings);
    }
    if conversation.model.is_none() {
        conversation.model = conversation.messages.iter().rev().find_map(|message| message.model.clone());
    }
    if built.has_tools {
        notes.records.insert("definitions of tools", 1);
    }
    if built.instructions > 0 {
        notes.records.insert("instructions beside the messages", built.instructions);
    }
    Ok(Parsed::new(built.conversation, notes, problems))
}

/// How a unit begins, when only that says which conversation it is.
fn beginning_of(unit: &Unit) -> Option<Digest> {
    let (built, _, _) = read(unit, true).ok()?;
    let conversation = built.conversation;
    (conversation.native_id.is_empty() && !conversation.messages.is_empty()).then_some(built.beginning)
}

fn read(unit: &Unit, only_beginning: bool) -> Result<(Built, Notes, Vec<Problem>), Problem> {
    if log::is_log(&unit.bytes) {
        let mut conversation = Conversation { kind: Kind::Assistant, ..Conversation::default() };
        let mut notes = Notes::default();
        let problems = log::read(&unit.bytes, &unit.place, &mut conversation, &mut notes, only_beginning);
        let beginning = derived::identify(&mut conversation, only_beginning);
        return Ok((Built { conversation, beginning, has_tools: false, instructions: 0 }, notes, problems));
    }
    let (built, notes) = reading::unit(unit, |json, recorder| {
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
        match json.trim_ascii_start().first() {
            Some(b'[') => from_slice::<List<TurnSource<'_>>>(json, recorder)
                .map(|list| Ok(build(&Entry::default(), &list.0, recorder, only_beginning))),
            Some(b'{') => from_slice::<Entry<'_>>(json, recorder).map(|entry| {
                let lists = [&entry.messages, &entry.conversations, &entry.conversation, &entry.items];
                let given: Vec<_> = lists.into_iter().filter_map(|list| list.0.as_deref()).collect();
                let said = given.iter().find(|list| !list.is_empty()).or(given.first());
                let turns = said.ok_or_else(|| "no `messages` and no `conversations`".to_owned())?;
                Ok(build(&entry, turns, recorder, only_beginning))
            }),
            _ => serde_json::from_slice::<serde::de::IgnoredAny>(json).map(|_| Err("not a JSON object".to_owned())),
        }
    })?;
    Ok((built, notes, Vec::new()))
}

fn build(entry: &Entry<'_>, turns: &[TurnSource<'_>], recorder: &Recorder, only_beginning: bool) -> Built {
    let ids = [entry.id, entry.conversation_id, entry.session_id];
    let created =
        [entry.created, entry.created_at, entry.create_time, entry.created_js, entry.session_start, entry.timestamp];
    let updated = [entry.updated, entry.updated_at, entry.update_time, entry.updated_js, entry.last_updated];
    let mut conversation = Conversation {
        // A number counts the rows of a file and says nothing about which conversation it is.
        native_id: ids.iter().find_map(|id| id_text(*id).filter(|_| is_string(*id))).unwrap_or_default(),
        title: entry.title.owned().or_else(|| entry.name.owned()),
        kind: Kind::Assistant,
        created: first(&created).and_then(source_time),
        updated: first(&updated).and_then(source_time),
        model: entry.model.owned(),
        ..Conversation::default()
    };
    let mut writer = Writer::new(&mut conversation, recorder);
    let mut instructions = 0;
    for system in [entry.system, entry.system_prompt] {
        if system.get().is_some_and(|json| json != "\"\"") {
            writer.open(Opening { role: "system", ..Opening::default() });
            writer.content(system);
            writer.close();
            instructions += 1;
        }
    }
    for turn in turns {
        if only_beginning && derived::has_begun(writer.conversation) {
            break;
        }
        if !writer.turn(turn) {
            recorder.repaired("message without a role and a content");
        }
    }
    // Before anything is hung on messages from elsewhere, which would change what they are known by.
    let beginning = derived::identify(writer.conversation, only_beginning);
    if !only_beginning {
        for (mark, list) in MEDIA_MARKS.iter().zip([&entry.images, &entry.videos, &entry.audios]) {
            hang(&mut writer, mark, &list.list(recorder), recorder);
        }
    }
    if !only_beginning && conversation.title.is_none() {
        conversation.title = title::of_first_prompt(&conversation);
    }
    let has_tools = entry.tools.get().is_some() || entry.functions.get().is_some();
    Built { conversation, beginning, has_tools, instructions }
}

/// Hangs the files of a data set's column on the messages whose text has the marks for them, in order; what
/// has no mark on the first message.
fn hang(writer: &mut Writer<'_>, mark: &str, files: &[Raw<'_>], recorder: &Recorder) {
    if files.is_empty() {
        return;
    }
    let mut places = Vec::new();
    for (index, message) in writer.conversation.messages.iter().enumerate() {
        for part in message.parts.iter().filter(|part| part.kind != PartKind::Attachment) {
            let text = writer.conversation.text_of(part);
            let room = files.len() - places.len();
            places.extend(memchr::memmem::find_iter(text.as_bytes(), mark).take(room).map(|_| index));
        }
    }
    for (at, file) in files.iter().enumerate() {
        let address = match file.get().is_some_and(|json| json.starts_with('"')) {
            true => file.parse::<Text<'_>>(recorder),
            false => Text::default(),
        };
        let Some(address) = address.get() else {
            recorder.unknown("conversation", "images");
            continue;
        };
        let message = places.get(at).copied().unwrap_or(0);
        let file = writer.place(address, Attachment::default()).unwrap_or_else(|url| Attachment {
            id: Some(url.to_owned()),
            name: source_name(url),
            ..Attachment::default()
        });
        writer.attach_to(message, file);
    }
}

/// Whether a field of this name has a word for a role somewhere in these bytes.
pub(super) fn has_role(json: &[u8], field: &str) -> bool {
    let key = format!("\"{field}\"");
    memchr::memmem::find_iter(json, &key).any(|at| {
        let rest = json.get(at + key.len()..).unwrap_or_default().trim_ascii_start();
        let rest = rest.strip_prefix(b":").unwrap_or_default().trim_ascii_start();
        let word = rest.strip_prefix(b"\"").and_then(|rest| rest.split(|byte| *byte == b'"').next());
        word.and_then(|word| std::str::from_utf8(word).ok()).is_some_and(turns::is_role)
    })
}

/// The first of these that is given.
fn first<'de>(raws: &[Raw<'de>]) -> Option<Raw<'de>> {
    raws.iter().find(|raw| raw.get().is_some()).copied()
}

fn is_string(raw: Raw<'_>) -> bool {
    raw.get().is_some_and(|json| json.starts_with('"'))
}

/// An id: a string, or a number as it stands.
fn id_text(raw: Raw<'_>) -> Option<String> {
    let json = raw.get()?;
    match json.as_bytes().first()? {
        b'"' => raw.parse::<Text<'_>>(&Recorder::default()).owned(),
        b'0'..=b'9' | b'-' => Some(json.to_owned()),
        _ => None,
    }
}

/// The last piece of a path or address.
fn source_name(address: &str) -> Option<String> {
    let path = address.split(['?', '#']).next().unwrap_or(address);
    path.rsplit(['/', '\\']).next().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// A time: seconds, milliseconds or microseconds since 1970, or a date.
fn source_time(raw: Raw<'_>) -> Option<SourceTime> {
    let mut told = time::from_json(raw.get()?)?;
    if told.at.is_none() && told.text.bytes().all(|byte| byte.is_ascii_digit()) {
        let factor = match told.text.len() {
            MILLISECOND_DIGITS => Some(1_000),
            MICROSECOND_DIGITS => Some(1),
            _ => None,
        };
        told.at = factor.and_then(|factor| Some(Instant(told.text.parse::<i64>().ok()?.checked_mul(factor)?)));
    }
    Some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_fineness_are_times() {
        let at = |json: &str| {
            let list: List<Raw<'_>> = from_slice(json.as_bytes(), &Recorder::default()).unwrap();
            source_time(list.0[0]).and_then(|time| time.at).map(|at| at.0)
        };
        let expected = Some(1_767_812_640_310_000);
        assert_eq!(at("[1767812640.310]"), expected);
        assert_eq!(at("[1767812640310]"), expected);
        assert_eq!(at("[\"1767812640310000\"]"), expected);
        assert_eq!(at("[\"2026-01-07T19:04:00.310Z\"]"), expected);
        assert_eq!(at("[\"2026-01-07T19:04:00\"]"), None, "no zone, no instant");
        assert_eq!(at("[123456789012345678901]"), None);
    }

    #[test]
    fn a_file_name_is_the_end_of_its_path() {
        assert_eq!(source_name("a/b/1.jpg").as_deref(), Some("1.jpg"));
        assert_eq!(source_name("https://x.test/p.png?size=2#a").as_deref(), Some("p.png"));
        assert_eq!(source_name("C:\\pictures\\p.png").as_deref(), Some("p.png"));
        assert_eq!(source_name("https://x.test/"), None);
    }
}
