//! A conversation as a log: one message a line, and lines for what tools did in between.

use super::source::TurnSource;
use super::turns::{Opening, Writer};
use super::{first, id_text, source_time};
use crate::conversation::{Conversation, PartKind};
use crate::import::json::lines::{Line, lines, record};
use crate::import::json::tolerant::{Fields, Recorder, from_slice};
use crate::import::{Notes, Problem};

/// Bytes that tell a log from a conversation in nearly every case.
const HEAD: usize = 4 << 10;

/// Lines that are no messages in the source, by what becomes of them.
pub(super) const TOOL_LINE: &str = "tool call or result on a line of its own";
/// The same for lines of any other kind.
pub(super) const OTHER_LINE: &str = "line without a role";

/// Fields of a line without a role that are read.
const KNOWN: &[&str] = &[
    "type",
    "id",
    "call_id",
    "tool_call_id",
    "timestamp",
    "created_at",
    "time",
    "function",
    "name",
    "arguments",
    "input",
    "result",
    "output",
    "content",
];

/// Whether these bytes are a log, and no conversation in one JSON value.
pub(super) fn is_log(bytes: &[u8]) -> bool {
    match first_key_of(bytes.get(..HEAD).unwrap_or(bytes), |key| key == b"role" || is_list(key)) {
        Some(key) => return !is_list(key),
        None if bytes.trim_ascii_start().first() == Some(&b'[') => return false,
        None => {}
    }
    // A first line of another kind, as long as it is whole and not the only one.
    let mut lines = lines(bytes);
    let (Some(line), Some(_)) = (lines.next(), lines.next()) else { return false };
    line.is_object() && serde_json::from_slice::<serde::de::IgnoredAny>(line.bytes).is_ok()
}

fn is_list(key: &[u8]) -> bool {
    super::LISTS.iter().any(|list| key == list.as_bytes())
}

/// The first key of an outermost object that is wanted. Looked for in every unit, so nothing is built.
fn first_key_of(bytes: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Option<&[u8]> {
    let (mut depth, mut in_list, mut at) = (0_i64, false, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => {
                in_list |= depth == 0 && *byte == b'[';
                depth += 1;
            }
            b'}' | b']' => depth -= 1,
            b'"' => {
                let text = bytes.get(at + 1..)?;
                let mut end = 0;
                while *text.get(end)? != b'"' {
                    end += if text[end] == b'\\' { 2 } else { 1 };
                }
                let (text, behind) = (text.get(..end)?, text.get(end + 1..)?);
                let is_key = depth == 1 && !in_list && behind.trim_ascii_start().first() == Some(&b':');
                if is_key && wanted(text) {
                    return Some(text);
                }
                at += end + 1;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Reads every line into the conversation.
pub(super) fn read(
    bytes: &[u8],
    place: &str,
    conversation: &mut Conversation,
    notes: &mut Notes,
    only_beginning: bool,
) -> Vec<Problem> {
    // What calls were made is known across lines, so one writer's memory goes from line to line.
    let mut memory = super::turns::Memory::default();
    let mut problems = Vec::new();
    for line in lines(bytes) {
        if only_beginning && super::derived::has_begun(conversation) {
            break;
        }
        let written = record(&line, notes, |json, recorder| {
            let mut writer = Writer::recalling(conversation, recorder, std::mem::take(&mut memory));
            let written = read_line(&mut writer, json, recorder);
            memory = writer.into_memory();
            written
        });
        match written {
            Ok(None) => {}
            Ok(Some(kind)) => *notes.records.entry(kind).or_default() += 1,
            Err(bad) => problems.push(Problem { place: place_of(place, &line), reason: bad.reason() }),
        }
    }
    problems
}

fn place_of(file: &str, line: &Line<'_>) -> String {
    format!("{file} line {}", line.number)
}

/// Writes one line; what it is, when it is no message in the source.
fn read_line(
    writer: &mut Writer<'_>,
    json: &[u8],
    recorder: &Recorder,
) -> Result<Option<&'static str>, serde_json::Error> {
    // Anywhere in it; whether it is the line's own shows when it is read.
    if memchr::memmem::find(json, b"\"role\"").is_some() {
        let turn: TurnSource<'_> = from_slice(json, recorder)?;
        if turn.role.get().is_some() {
            writer.turn(&turn);
            return Ok(None);
        }
    }
    let fields: Fields<'_> = from_slice(json, recorder)?;
    Ok(Some(other_line(writer, &fields, recorder)))
}

fn other_line(writer: &mut Writer<'_>, fields: &Fields<'_>, recorder: &Recorder) -> &'static str {
    let kind = fields.text("type", recorder);
    let kind = kind.get().unwrap_or("");
    let is_call = matches!(kind, "tool_call" | "function_call" | "tool_use" | "custom_tool_call");
    let is_result = matches!(
        kind,
        "tool_result" | "function_result" | "function_call_output" | "tool_response" | "custom_tool_call_output"
    );
    let name = fields.text("name", recorder);
    writer.open(Opening {
        role: if is_call {
            "assistant"
        } else if is_result {
            "tool"
        } else {
            kind
        },
        name: name.get().filter(|_| is_result),
        // A line about a call may have the call's id, which its result has too.
        id: id_text(fields.get("id")).filter(|_| !is_call && !is_result),
        time: first(&["timestamp", "created_at", "time"].map(|key| fields.get(key))).and_then(source_time),
        model: None,
    });
    if is_call {
        writer.call_object(fields);
    } else if is_result {
        let ids = ["tool_call_id", "call_id", "id"].map(|key| fields.text(key, recorder));
        if let Some(call) = ids.iter().find_map(|id| id.get()) {
            writer.answers(call);
        }
        writer.content(first(&["result", "output", "content"].map(|key| fields.get(key))).unwrap_or_default());
    } else {
        writer.push(PartKind::Unknown, Some(if kind.is_empty() { "line" } else { kind }), &fields.to_json());
    }
    writer.close();
    if !is_call && !is_result {
        return OTHER_LINE;
    }
    for (key, _) in &fields.0 {
        if !KNOWN.contains(&key.as_ref()) {
            recorder.unknown("line", key);
        }
    }
    TOOL_LINE
}

#[cfg(test)]
mod tests {
    use super::is_log;

    #[test]
    fn logs_are_told_from_conversations() {
        for log in [
            r#"{"role":"user"}"#,
            "\u{feff} {\"a\":{\"messages\":[]},\"t\":\"messages\",\"role\" : 1}",
            "{\"type\":\"tool_call\"}\n{\"role\":\"user\"}\n",
            "{\"a\":1}\n{\"b\":2}\n",
        ] {
            assert!(is_log(log.as_bytes()), "{log}");
        }
        for other in [
            r#"{"messages":[{"role":"user"}]}"#,
            r#"{"id":"\"role\"","conversations":[{"role":"user"}],"role":1}"#,
            r#"[{"role":"user"}]"#,
            "{\n\"a\":1,\n\"messages\":[]}",
            r#"{"a":1}"#,
            "{\"a\":\"cut",
            "",
        ] {
            assert!(!is_log(other.as_bytes()), "{other}");
        }
    }
}
