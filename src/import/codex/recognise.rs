//! What a file is, from its first bytes: ten thousand logs are told apart without being read.

use memchr::memchr2;

use crate::bundle::{Bundle, BundleError};
use crate::import::detect::readable;
use crate::import::json::lines::lines;
use crate::import::json::outline::Outline;
use crate::import::{Context, MemberUse, Problem};

/// Bytes that tell nearly every log: its first line says `type` before its payload.
const FIRST: usize = 512;
/// Bytes looked at where the first do not decide: instructions stand in the first line of 2025.
const HEAD: usize = 64 << 10;
/// Lines looked at. The first record of a log is its header.
const LINES: usize = 20;

/// Types of records in an envelope.
const ENVELOPES: &[&[u8]] =
    &[b"session_meta", b"turn_context", b"response_item", b"event_msg", b"compacted", b"world_state"];
/// Types of bare records behind the first line of 2025.
const ITEMS: &[&[u8]] = &[
    b"message",
    b"reasoning",
    b"function_call",
    b"function_call_output",
    b"local_shell_call",
    b"custom_tool_call",
    b"custom_tool_call_output",
    b"web_search_call",
];

/// Files the program keeps beside its logs, with the reason why they are left out.
const KNOWN: &[(&str, &str)] = &[
    ("history.jsonl", "prompts, which the sessions hold"),
    ("session_index.jsonl", "list of sessions"),
    ("auth.json", "login"),
    (".credentials.json", "login"),
    ("config.toml", "settings"),
    ("config.json", "settings"),
    ("version.json", "settings"),
    ("models_cache.json", "settings"),
    ("internal_storage.json", "settings"),
    (".codex-global-state.json", "settings"),
    ("installation_id", "settings"),
    ("AGENTS.md", "instructions, which the sessions hold"),
    ("instructions.md", "instructions, which the sessions hold"),
];
/// Folders of the program beside its logs.
const FOLDERS: &[(&str, &str)] = &[
    ("log", "log of the program"),
    ("logs", "log of the program"),
    ("prompts", "settings"),
    ("rules", "settings"),
    ("skills", "settings"),
    ("plugins", "settings"),
    ("memories", "notes of the program"),
    ("shell_snapshots", "state of a shell"),
];

/// What the beginning of a file shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// Records of Codex, for this reason.
    Log(&'static str),
    /// One JSON document with `session` and `items`.
    Document,
    /// The first line of a log of 2025, and nothing behind it.
    Header,
    /// Nothing of the kind.
    Other,
}

impl Opening {
    /// Looks at the beginning of a file.
    pub(super) fn of(head: &[u8]) -> Self {
        let mut header = false;
        for line in lines(head).take(LINES).filter(|line| line.is_object()) {
            let seen = Glance::of(line.bytes);
            let is_one_of = |kinds: &[&[u8]]| seen.kind.is_some_and(|kind| kinds.contains(&kind));
            if seen.payload && is_one_of(ENVELOPES) {
                return Self::Log("records with `type` and `payload`");
            }
            if seen.state {
                return Self::Log("records of `record_type` state");
            }
            if header && is_one_of(ITEMS) {
                return Self::Log("a line of `id`, `timestamp` and `instructions`, and items behind it");
            }
            // What comes first decides: lines with a role and a text are many programs'.
            let is_header = seen.id && seen.timestamp && seen.instructions && seen.kind.is_none() && !seen.role;
            if header || !is_header {
                break;
            }
            header = true;
        }
        match header {
            true => Self::Header,
            false if is_document(head) => Self::Document,
            false => Self::Other,
        }
    }
}

fn is_document(head: &[u8]) -> bool {
    Outline::of(head).is_some_and(|outline| {
        outline.has("session/id") && outline.has("session/timestamp") && outline.has("items") && !outline.has("type")
    })
}

/// What the top level of one line shows, as far as the line is there.
#[derive(Default)]
struct Glance<'a> {
    kind: Option<&'a [u8]>,
    payload: bool,
    state: bool,
    id: bool,
    timestamp: bool,
    instructions: bool,
    role: bool,
}

impl<'a> Glance<'a> {
    fn of(line: &'a [u8]) -> Self {
        let mut glance = Self::default();
        let (mut at, mut depth, mut key) = (0, 0_usize, None);
        while let Some(byte) = line.get(at) {
            match byte {
                b'{' | b'[' => {
                    glance.payload |= depth == 1 && *byte == b'{' && key == Some(&b"payload"[..]);
                    depth += 1;
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                b',' if depth == 1 => key = None,
                b'"' => {
                    let rest = line.get(at + 1..).unwrap_or_default();
                    let Some(text) = string(rest) else { return glance };
                    match key {
                        _ if depth != 1 => {}
                        None => {
                            glance.note(text);
                            key = Some(text);
                        }
                        Some(b"type") => glance.kind = Some(text),
                        Some(b"record_type") => glance.state |= text == b"state",
                        Some(_) => {}
                    }
                    at += text.len() + 1;
                }
                _ => {}
            }
            at += 1;
        }
        glance
    }

    fn note(&mut self, key: &[u8]) {
        match key {
            b"id" => self.id = true,
            b"timestamp" => self.timestamp = true,
            b"instructions" => self.instructions = true,
            b"role" => self.role = true,
            _ => {}
        }
    }
}

/// The string up to its closing quote; none when it does not end here.
fn string(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return bytes.get(..at);
        }
        at += 2;
    }
}

/// Decides what every member is.
pub(super) fn survey(bundle: &Bundle) -> Result<Context, BundleError> {
    let mut context = Context::of(bundle);
    for (index, member) in bundle.members().iter().enumerate() {
        let used = match classify(bundle, index, &member.name, member.file_name()) {
            Ok(used) => used,
            Err(error) if error.is_refusal() => return Err(error),
            Err(error) => {
                context.problems.push(Problem { place: member.name.clone(), reason: error.to_string() });
                MemberUse::Ignored("could not be read")
            }
        };
        if used == MemberUse::Conversations {
            context.sources.push(index);
        }
        if let Some(slot) = context.uses.get_mut(index) {
            *slot = used;
        }
    }
    if context.sources.is_empty() {
        // The user said it is Codex and nothing proves it: read what may be. Lines of a role and a text are
        // such, and so is a log whose header is damaged.
        let alone = bundle.members().len() == 1 && context.problems.is_empty();
        for (index, used) in context.uses.iter_mut().enumerate() {
            if alone || (*used == MemberUse::Unknown && begins_like_an_object(bundle, index)?) {
                *used = MemberUse::Conversations;
                context.sources.push(index);
            }
        }
    }
    Ok(context)
}

fn begins_like_an_object(bundle: &Bundle, index: usize) -> Result<bool, BundleError> {
    let head = readable(bundle.head(index, FIRST))?.unwrap_or_default();
    Ok(lines(&head).next().is_some_and(|line| line.is_object()))
}

fn classify(bundle: &Bundle, index: usize, name: &str, file_name: &str) -> Result<MemberUse, BundleError> {
    let head = bundle.head(index, FIRST)?;
    let mut opening = Opening::of(&head);
    if matches!(opening, Opening::Other | Opening::Header)
        && head.len() >= FIRST
        && lines(&head).next().is_some_and(|line| line.is_object())
    {
        opening = Opening::of(&bundle.head(index, HEAD)?);
    }
    if opening != Opening::Other {
        return Ok(MemberUse::Conversations);
    }
    if head.is_empty() && file_name.ends_with(".jsonl") {
        return Ok(MemberUse::Ignored("empty"));
    }
    if head.starts_with(b"\x28\xb5\x2f\xfd") && file_name.ends_with(".jsonl.zst") {
        return Ok(MemberUse::Ignored("compressed session, not read yet"));
    }
    if head.starts_with(b"SQLite format 3\0") || file_name.ends_with("-wal") || file_name.ends_with("-shm") {
        return Ok(MemberUse::Ignored("database of the program"));
    }
    if let Some((_, reason)) = KNOWN.iter().find(|(known, _)| *known == file_name) {
        return Ok(MemberUse::Ignored(reason));
    }
    let folders = name.strip_suffix(file_name).unwrap_or_default();
    let in_folder = folders.split('/').find_map(|folder| FOLDERS.iter().find(|(known, _)| *known == folder));
    Ok(in_folder.map_or(MemberUse::Unknown, |(_, reason)| MemberUse::Ignored(reason)))
}
