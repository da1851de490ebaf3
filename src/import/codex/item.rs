//! Response items made into messages and their parts.

use super::record::{Block, Item, Loose, ShellOutput, field};
use super::session::{Join, Session, Voice, source_time};
use crate::conversation::{Attachment, Message, Part, PartKind, Payload, Role, SourceTime, Visibility};
use crate::crypto::hash;
use crate::import::json::tolerant::{Fields, Raw, Recorder, Text, from_slice};
use crate::import::{base64, hex_id};

/// Beginnings of what the program says in the user's name.
const INJECTED: &[&str] = &[
    "<environment_context>",
    "<environments",
    "<user_instructions>",
    "<INSTRUCTIONS>",
    "# AGENTS.md instructions",
    "<permissions instructions>",
    "<turn_aborted>",
    "<skill>",
    "<skills_instructions>",
    "<plugins_instructions>",
    "<apps_instructions>",
    "<recommended_plugins>",
    "<collaboration_mode>",
    "<multi_agent_mode>",
    "<personality_spec>",
    "<model_switch>",
    "<subagent_notification>",
    "<realtime_conversation>",
    "<user_action>",
    "<goal_context>",
    "<hook_prompt",
    "<codex_internal_context",
    "<token_budget>",
    "Another language model started to solve this problem and produced a summary",
];

/// Whether all of a user's texts are the program's.
pub(super) fn is_injected<'t>(texts: impl Iterator<Item = &'t str>) -> bool {
    let mut given = false;
    for text in texts.map(str::trim_start).filter(|text| !text.is_empty()) {
        if !INJECTED.iter().any(|mark| text.starts_with(mark)) {
            return false;
        }
        given = true;
    }
    given
}

/// Where an item's own JSON stands. It is looked for in the rare case that it is needed.
#[derive(Clone, Copy)]
pub(super) enum Source<'de> {
    /// This is it.
    Item(&'de str),
    /// It is the `payload` of this record.
    Payload(&'de [u8]),
}

impl<'de> Source<'de> {
    fn json(self, recorder: &Recorder) -> &'de str {
        match self {
            Self::Item(json) => json,
            Self::Payload(record) => {
                let record = std::str::from_utf8(record).unwrap_or_default();
                field(record, "payload", recorder).get().unwrap_or_default()
            }
        }
    }
}

/// Reads one item. `place` is an id for one that has none.
pub(super) fn read(
    session: &mut Session,
    item: &Item<'_>,
    source: Source<'_>,
    place: impl FnOnce() -> String,
    time: Option<SourceTime>,
    recorder: &Recorder,
) {
    let time = time.or_else(|| source_time(item.timestamp)).or_else(|| source_time(item.created_at));
    let mut reader = Reader { session, item, source, time, recorder };
    let id = || Some(item.id.owned().unwrap_or_else(place));
    match item.kind.get() {
        Some("message") => reader.message(id()),
        None if item.role.get().is_some() => reader.message(id()),
        Some("reasoning") => reader.reasoning(id),
        Some("agent_message" | "inter_agent_communication") => reader.agent_message(id()),
        Some("function_call" | "tool_call" | "custom_tool_call") => reader.call(id()),
        Some("local_shell_call") => reader.call_of("local_shell", "action", id()),
        Some("web_search_call") => reader.call_of("web_search", "action", id()),
        Some("tool_search_call") => reader.call_of("tool_search", "arguments", id()),
        Some("function_call_output" | "custom_tool_call_output" | "tool_result" | "function_result") => {
            reader.output(id());
        }
        Some("tool_search_output") => reader.tools(id()),
        Some("image_generation_call") => reader.drawing(id()),
        Some("error") => {
            let text = item.message.text().or(item.text.text()).map(str::to_owned);
            match text {
                Some(text) => reader.session.system("error", &text, Visibility::Shown, reader.time),
                None => reader.session.unknown("response_item", "error", source.json(recorder), reader.time, recorder),
            }
        }
        Some("ghost_snapshot") => reader.session.count("snapshot of the files", 1),
        Some("compaction" | "compaction_summary" | "context_compaction") => reader.session.count("encrypted compaction", 1),
        Some("compaction_trigger") => reader.session.count("notice of the program", 1),
        Some("additional_tools") => reader.session.count("list of tools", 1),
        Some(other) => reader.session.unknown("response_item", other, source.json(recorder), reader.time, recorder),
        None => reader.session.unknown("response_item", "untyped", source.json(recorder), reader.time, recorder),
    }
}

struct Reader<'a, 'i, 'de> {
    session: &'a mut Session,
    item: &'i Item<'de>,
    source: Source<'de>,
    time: Option<SourceTime>,
    recorder: &'a Recorder,
}

impl<'de> Reader<'_, '_, 'de> {
    /// Adds a message of the model, or a step on the way to one.
    fn assistant(&mut self, id: Option<String>, parts: Vec<Part>, join: Join) {
        let author = self.session.author(Role::Assistant, None, None);
        let model = self.session.model(&self.item.model);
        let time = self.time.take();
        self.session.push(Message { id, author, time, model, parts, ..Message::default() }, join);
    }

    fn message(&mut self, id: Option<String>) {
        let native = self.item.role.get();
        let (role, native) = match native {
            Some("assistant" | "model") => (Role::Assistant, None),
            Some("user") => (Role::User, None),
            Some("system") => (Role::System, None),
            Some("developer") => (Role::System, Some("developer")),
            Some("tool") => (Role::Tool, None),
            other => (Role::Other, other),
        };
        let kind = if role == Role::Tool { PartKind::ToolResult } else { PartKind::Text };
        let said = [("content", &self.item.content), ("message", &self.item.message), ("text", &self.item.text)];
        let parts = match said.into_iter().find(|(_, value)| value.is_given()) {
            Some((key, value)) => self.blocks(key, value, kind, None),
            None => Vec::new(),
        };
        if role == Role::Assistant {
            self.tell(Voice::Assistant, &parts);
            return self.assistant(id, parts, Join::Message);
        }
        self.session.model(&self.item.model);
        let mut hidden = role == Role::System;
        if role == Role::User {
            hidden = is_injected(texts(self.session, &parts));
            if hidden && self.session.conversation.project.is_none() {
                let folder = texts(self.session, &parts).find_map(folder).map(str::to_owned);
                self.session.conversation.project = folder;
            }
            self.tell(Voice::User, &parts);
        }
        let visibility = if hidden { Visibility::Hidden } else { Visibility::Shown };
        let author = self.session.author(role, native, None);
        let time = self.time.take();
        self.session.push(Message { id, author, time, visibility, parts, ..Message::default() }, Join::Never);
    }

    /// Notes what a message says: each of its texts, all of them together, and its pictures.
    fn tell(&mut self, voice: Voice, parts: &[Part]) {
        let texts: Vec<String> = texts(self.session, parts).map(str::to_owned).collect();
        for text in &texts {
            self.session.tell(voice, text);
        }
        if texts.len() > 1 {
            self.session.tell(voice, &texts.concat());
        }
        for id in parts.iter().filter_map(|part| self.session.file_id(part)).collect::<Vec<_>>() {
            self.session.tell(voice, &id);
        }
    }

    fn reasoning(&mut self, id: impl FnOnce() -> Option<String>) {
        let mut parts = self.blocks("summary", &self.item.summary, PartKind::Thinking, None);
        parts.extend(self.blocks("content", &self.item.content, PartKind::Thinking, None));
        let texts: Vec<String> =
            parts.iter().map(|part| self.session.conversation.text_of(part).to_owned()).collect();
        for text in texts {
            self.session.tell(Voice::Reasoning, &text);
        }
        if self.item.encrypted.is_given() {
            self.session.count("encrypted reasoning", 1);
        }
        match parts.is_empty() {
            true => self.session.count("reasoning without a readable text", 1),
            false => self.assistant(id(), parts, Join::Step),
        }
    }

    /// What one agent writes to another.
    fn agent_message(&mut self, id: Option<String>) {
        let parts = self.blocks("content", &self.item.content, PartKind::Text, None);
        let author = self.session.author(Role::Assistant, None, self.item.author.get());
        let recipient = self.item.recipient.owned();
        let time = self.time.take();
        self.session.push(Message { id, author, recipient, time, parts, ..Message::default() }, Join::Never);
    }

    /// The tool's name: `name` in its `namespace`, or that of `function`.
    fn tool(&self) -> Option<String> {
        let name = match (self.item.name.get(), &self.item.function) {
            (Some(name), _) => name.to_owned(),
            (None, Loose::Text(name)) => name.clone().into_owned(),
            (None, Loose::Other) => {
                let function = field(self.source.json(self.recorder), "function", self.recorder).get()?;
                field(function, "name", self.recorder).parse::<Text<'_>>(self.recorder).owned()?
            }
            _ => return None,
        };
        Some(match self.item.namespace.get() {
            Some(namespace) => format!("{namespace}.{name}"),
            None => name,
        })
    }

    fn call(&mut self, id: Option<String>) {
        let tool = self.tool().unwrap_or_else(|| "tool".to_owned());
        let given = [("arguments", &self.item.arguments), ("input", &self.item.input)];
        let (key, value) = given.into_iter().find(|(_, value)| value.is_given()).unwrap_or(("", &Loose::Nothing));
        let part = self.value(PartKind::ToolCall, Some(&tool), key, value);
        self.called(tool, part, id);
    }

    /// A call of a tool that the item's kind names.
    fn call_of(&mut self, tool: &str, key: &str, id: Option<String>) {
        let value = if key == "action" { &self.item.action } else { &self.item.arguments };
        let part = self.value(PartKind::ToolCall, Some(tool), key, value);
        self.called(tool.to_owned(), part, id);
    }

    fn called(&mut self, tool: String, part: Part, id: Option<String>) {
        if let Some(call) = self.item.call_id.owned() {
            self.session.calls.insert(call, tool);
        }
        self.assistant(id, vec![part], Join::Step);
    }

    fn output(&mut self, id: Option<String>) {
        let known = self.item.call_id.get().and_then(|call| self.session.calls.get(call).cloned());
        let tool = known.or_else(|| self.tool());
        let given = [("output", &self.item.output), ("result", &self.item.result), ("content", &self.item.content)];
        let (key, value) = given.into_iter().find(|(_, value)| value.is_given()).unwrap_or(("", &Loose::Nothing));
        let parts = self.returned(key, value, tool.as_deref());
        self.result(id, tool.as_deref(), parts);
    }

    fn result(&mut self, id: Option<String>, tool: Option<&str>, parts: Vec<Part>) {
        let author = self.session.author(Role::Tool, None, tool);
        let time = self.time.take();
        self.session.push(Message { id, author, time, parts, ..Message::default() }, Join::Never);
    }

    fn tools(&mut self, id: Option<String>) {
        let part = self.value(PartKind::ToolResult, Some("tool_search"), "tools", &self.item.tools);
        self.result(id, Some("tool_search"), vec![part]);
    }

    /// A drawn picture: Base64 without a word on its type, and the prompt it was drawn from.
    fn drawing(&mut self, id: Option<String>) {
        let caption = self.item.revised_prompt.get().unwrap_or_default();
        let data = self.item.result.text().unwrap_or_default();
        let part = picture(self.session, data, data, caption, self.recorder);
        self.assistant(id, vec![part], Join::Step);
    }

    /// The output of a tool: a text, a list of blocks, or an object around one of them.
    fn returned(&mut self, key: &str, value: &Loose<'_>, tool: Option<&str>) -> Vec<Part> {
        let (session, recorder) = (&mut *self.session, self.recorder);
        match value {
            Loose::Text(text) => match unwrapped(text) {
                Some(inner) => {
                    session.count("wrapping of an output", 1);
                    vec![session.text_part(PartKind::ToolResult, tool, &inner)]
                }
                None => vec![session.text_part(PartKind::ToolResult, tool, text)],
            },
            Loose::Other => {
                let raw = field(self.source.json(self.recorder), key, recorder).get().unwrap_or_default();
                let fields: Fields<'_> = from_slice(raw.as_bytes(), recorder).unwrap_or_default();
                let (kind, content) = (fields.get("type"), fields.get("content"));
                if kind.get().is_some() {
                    return self.blocks(key, value, PartKind::ToolResult, tool);
                }
                // Until 2026 the log has the answer's own shape: a text and whether it went well.
                if fields.0.iter().all(|(name, _)| matches!(name.as_ref(), "content" | "success" | "content_items")) {
                    let items = fields.get("content_items");
                    let given = if items.get().is_some() { items } else { content };
                    let value: Loose<'_> = given.parse(recorder);
                    return content_of(session, &value, given, PartKind::ToolResult, tool, recorder);
                }
                vec![session.text_part(PartKind::ToolResult, tool, raw)]
            }
            other => content_of(session, other, Raw::default(), PartKind::ToolResult, tool, recorder),
        }
    }

    /// A value as one part: its text, or its JSON.
    fn value(&mut self, kind: PartKind, name: Option<&str>, key: &str, value: &Loose<'_>) -> Part {
        match value {
            Loose::Nothing => self.session.text_part(kind, name, ""),
            Loose::Text(text) => self.session.text_part(kind, name, text),
            Loose::List(_) | Loose::Other => {
                let raw = field(self.source.json(self.recorder), key, self.recorder);
                self.session.text_part(kind, name, raw.get().unwrap_or_default())
            }
        }
    }

    fn blocks(&mut self, key: &str, value: &Loose<'_>, kind: PartKind, name: Option<&str>) -> Vec<Part> {
        let raw = match value {
            Loose::Other => field(self.source.json(self.recorder), key, self.recorder),
            _ => Raw::default(),
        };
        content_of(self.session, value, raw, kind, name, self.recorder)
    }
}

/// The texts among parts.
fn texts<'s>(session: &'s Session, parts: &[Part]) -> impl Iterator<Item = &'s str> {
    let texts: Vec<&Part> = parts.iter().filter(|part| part.kind == PartKind::Text).collect();
    texts.into_iter().map(|part| session.conversation.text_of(part)).collect::<Vec<_>>().into_iter()
}

/// The folder in an environment context: until September 2025 nothing else says it.
fn folder(text: &str) -> Option<&str> {
    let tagged = text.split_once("<cwd>").and_then(|(_, rest)| rest.split_once("</cwd>")).map(|(folder, _)| folder);
    let told = || text.lines().find_map(|line| line.trim().strip_prefix("Current working directory:"));
    tagged.or_else(told).map(str::trim).filter(|folder| !folder.is_empty())
}

/// What an older shell output wraps: `{"output":"…","metadata":{…}}`.
fn unwrapped(text: &str) -> Option<String> {
    if !text.starts_with("{\"output\":") {
        return None;
    }
    let recorder = Recorder::default();
    let wrapped: ShellOutput<'_> = from_slice(text.as_bytes(), &recorder).ok()?;
    match (wrapped.output, wrapped.metadata) {
        (Loose::Text(inner), Loose::Other) if recorder.finish() == crate::import::Notes::default() => {
            Some(inner.into_owned())
        }
        _ => None,
    }
}

/// The parts of a text, a list of blocks, or a single block, which is `raw`.
fn content_of(
    session: &mut Session,
    value: &Loose<'_>,
    raw: Raw<'_>,
    kind: PartKind,
    name: Option<&str>,
    recorder: &Recorder,
) -> Vec<Part> {
    match value {
        Loose::Nothing => Vec::new(),
        Loose::Text(text) if text.is_empty() => Vec::new(),
        Loose::Text(text) => vec![session.text_part(kind, name, text)],
        Loose::List(items) => {
            let mut parts = Vec::with_capacity(items.len());
            for item in items {
                parts.extend(block(session, item.get(), kind, name, recorder));
            }
            parts
        }
        Loose::Other => block(session, raw.get().unwrap_or_default(), kind, name, recorder).into_iter().collect(),
    }
}

fn block(
    session: &mut Session,
    json: &str,
    kind: PartKind,
    name: Option<&str>,
    recorder: &Recorder,
) -> Option<Part> {
    if !json.starts_with('{') {
        let text = match json.starts_with('"') {
            true => from_slice::<Text<'_>>(json.as_bytes(), recorder).unwrap_or_default().owned()?,
            false => return Some(session.text_part(PartKind::Unknown, Some("value"), json)),
        };
        return Some(session.text_part(kind, name, &text));
    }
    let Ok(block) = from_slice::<Block<'_>>(json.as_bytes(), recorder) else {
        return Some(session.text_part(PartKind::Unknown, Some("block"), json));
    };
    let word = block.kind.get();
    match word {
        Some("input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" | "inputText" | "Text") | None
            if block.text.0.is_some() =>
        {
            block.text.get().map(|text| session.text_part(kind, name, text))
        }
        Some("refusal") if block.refusal.get().is_some() => {
            block.refusal.get().map(|text| session.text_part(kind, name, text))
        }
        Some("encrypted_content") => {
            session.count("encrypted text", 1);
            None
        }
        Some("input_image" | "inputImage" | "image") => {
            let url = match &block.image_url {
                Loose::Text(url) => Some(url.clone().into_owned()),
                Loose::Other => {
                    let object = field(json, "image_url", recorder).get().unwrap_or_default();
                    field(object, "url", recorder).parse::<Text<'_>>(recorder).owned()
                }
                _ => None,
            };
            match url {
                Some(url) => Some(picture_at(session, &url, recorder)),
                None => {
                    session.count("picture that the log does not hold", 1);
                    None
                }
            }
        }
        word => {
            recorder.unknown("response_item.content", word.unwrap_or("untyped"));
            Some(session.text_part(PartKind::Unknown, word.or(Some("block")), json))
        }
    }
}

/// A picture by its address, which may hold its bytes.
pub(super) fn picture_at(session: &mut Session, url: &str, recorder: &Recorder) -> Part {
    let embedded = url.strip_prefix("data:").and_then(|rest| rest.split_once(','));
    match embedded.and_then(|(head, data)| Some((head.strip_suffix(";base64")?, data))) {
        Some((_, data)) => picture(session, url, data, "", recorder),
        None => {
            let text = session.conversation.push_text("");
            let attachment = attach(session, Attachment { id: Some(url.to_owned()), ..Attachment::default() });
            let url = Some(url.to_owned()).filter(|url| !url.starts_with("data:"));
            Part { kind: PartKind::Attachment, text, url, attachment: Some(attachment), ..Part::default() }
        }
    }
}

/// A picture in Base64. `source` may say its type: `data:image/png;base64,…`.
fn picture(session: &mut Session, source: &str, data: &str, caption: &str, recorder: &Recorder) -> Part {
    let declared = source.strip_prefix("data:").and_then(|rest| rest.split([';', ',']).next());
    let data = base64::decode(data);
    if data.is_none() {
        recorder.repaired("picture that is no Base64");
    }
    let known = data.as_deref().and_then(media_type);
    let media_type = declared.filter(|word| word.contains('/')).or(known).map(str::to_owned);
    // Of its bytes, so that the same picture is the same in every log and import.
    let id = hex_id(&match &data {
        Some(data) => hash::sha256(&[data]),
        None => hash::sha256(&[source.as_bytes()]),
    });
    let size = data.as_ref().map(|data| data.len() as u64);
    let payload = data.map(Payload::Inside);
    let file = Attachment { id: Some(id), media_type, size, payload, ..Attachment::default() };
    let attachment = Some(attach(session, file));
    let text = session.conversation.push_text(caption);
    Part { kind: PartKind::Attachment, text, attachment, ..Part::default() }
}

fn attach(session: &mut Session, file: Attachment) -> u32 {
    let id = file.id.clone().unwrap_or_default();
    if let Some(known) = session.files.get(&id) {
        return *known;
    }
    let index = u32::try_from(session.conversation.attachments.len()).unwrap_or(u32::MAX);
    session.conversation.attachments.push(file);
    session.files.insert(id, index);
    index
}

/// The media type the first bytes of a picture show.
fn media_type(data: &[u8]) -> Option<&'static str> {
    match data {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}
