//! Writes messages of a generic transcript: who speaks, tool calls, and results named after their calls.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::source::TurnSource;
use super::{first, id_text, source_time};
use crate::conversation::{Attachment, Cast, Conversation, Message, Part, PartKind, Role, SourceTime, Visibility};
use crate::import::json::tolerant::{Fields, List, Raw, Recorder, Text, from_slice};

/// What the plain text of a message is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speech {
    Plain,
    Call,
    Result,
}

/// The role a word stands for, and what the text of such a message is.
fn role_of(word: &str) -> (Role, Speech) {
    let small = match word.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(word.to_ascii_lowercase()),
        false => Cow::Borrowed(word),
    };
    match small.as_ref() {
        "user" | "human" => (Role::User, Speech::Plain),
        "assistant" | "gpt" | "chatgpt" | "bing" | "bard" | "model" | "ai" | "bot" => (Role::Assistant, Speech::Plain),
        "system" | "developer" => (Role::System, Speech::Plain),
        "function_call" | "tool_call" => (Role::Assistant, Speech::Call),
        "tool" | "function" | "observation" | "tool_response" | "function_response" => (Role::Tool, Speech::Result),
        _ => (Role::Other, Speech::Plain),
    }
}

/// Whether a word is one for a role.
pub(super) fn is_role(word: &str) -> bool {
    word.len() <= 20 && role_of(word).0 != Role::Other
}

/// Who speaks a message, and when.
#[derive(Default)]
pub(super) struct Opening<'t> {
    /// The source's word for the role.
    pub(super) role: &'t str,
    pub(super) name: Option<&'t str>,
    pub(super) id: Option<String>,
    pub(super) time: Option<SourceTime>,
    pub(super) model: Option<String>,
}

/// What earlier messages of a conversation tell about later ones.
#[derive(Default)]
pub(super) struct Memory {
    /// Tools by the id of their call.
    calls: HashMap<String, String>,
    /// The tools that were called last, for results that name no call.
    called: Vec<String>,
    /// Attachments by id.
    files: HashMap<String, u32>,
    cast: Cast,
}

/// Writes messages into a conversation, one after the other.
pub(super) struct Writer<'a> {
    pub(super) conversation: &'a mut Conversation,
    pub(super) recorder: &'a Recorder,
    /// The message at hand; its parts are collected beside it.
    message: Message,
    parts: Vec<Part>,
    speech: Speech,
    /// The tool whose output the message at hand is.
    tool: Option<String>,
    has_called: bool,
    /// Sources that the message at hand has cited.
    cited: HashSet<String>,
    memory: Memory,
}

impl<'a> Writer<'a> {
    pub(super) fn new(conversation: &'a mut Conversation, recorder: &'a Recorder) -> Self {
        Self::recalling(conversation, recorder, Memory::default())
    }

    /// The same with what an earlier writer knew.
    pub(super) fn recalling(conversation: &'a mut Conversation, recorder: &'a Recorder, memory: Memory) -> Self {
        Self {
            conversation,
            recorder,
            message: Message::default(),
            parts: Vec::new(),
            speech: Speech::Plain,
            tool: None,
            has_called: false,
            cited: HashSet::new(),
            memory,
        }
    }

    /// What is known for the next one.
    pub(super) fn into_memory(self) -> Memory {
        self.memory
    }

    /// Begins a message.
    pub(super) fn open(&mut self, opening: Opening<'_>) {
        let (role, speech) = role_of(opening.role);
        let word = Some(opening.role).filter(|word| role == Role::Other && !word.is_empty());
        // The name of a tool is that of its results.
        let name = opening.name.filter(|_| role != Role::Tool);
        let visibility = if role == Role::System { Visibility::Hidden } else { Visibility::Shown };
        self.message = Message {
            id: opening.id,
            parent: u32::try_from(self.conversation.messages.len()).ok().and_then(|count| count.checked_sub(1)),
            author: self.memory.cast.find(self.conversation, role, word, name),
            time: opening.time,
            visibility,
            model: opening.model.filter(|_| role == Role::Assistant),
            ..Message::default()
        };
        self.speech = speech;
        self.tool = opening.name.filter(|_| role == Role::Tool).map(str::to_owned);
        self.has_called = false;
        self.cited.clear();
    }

    /// Ends the message.
    pub(super) fn close(&mut self) {
        let mut message = std::mem::take(&mut self.message);
        message.parts = std::mem::take(&mut self.parts);
        self.conversation.messages.push(message);
    }

    /// A whole message; false when there is nothing in it.
    pub(super) fn turn(&mut self, turn: &TurnSource<'_>) -> bool {
        let role = turn.role.get().or(turn.from.get());
        let contents = [
            ("content", turn.content),
            ("value", turn.value),
            ("text", turn.text),
            ("message", turn.message),
            ("parts", turn.parts),
        ];
        let given = contents.iter().filter(|(_, raw)| raw.get().is_some());
        if role.is_none() && given.clone().next().is_none() && turn.tool_calls.get().is_none() {
            return false;
        }
        let times = [turn.timestamp, turn.created_at, turn.time, turn.created, turn.create_time, turn.created_js];
        self.open(Opening {
            role: role.unwrap_or(""),
            name: turn.name.get().or(turn.tool_name.get()),
            id: id_text(turn.id),
            time: first(&times).and_then(source_time),
            model: turn.model.owned(),
        });
        if let Some(call) = turn.tool_call_id.get() {
            self.answers(call);
        }
        self.reasoning(turn);
        for (index, (key, raw)) in given.enumerate() {
            match index {
                0 => self.content(*raw),
                // One of them is what was said; a second word for it is another state of it.
                _ => self.recorder.unknown("message", key),
            }
        }
        if let Some(refusal) = turn.refusal.get() {
            self.say(refusal);
        }
        for call in turn.tool_calls.list(self.recorder).into_iter().chain([turn.function_call]) {
            match call.get() {
                Some(json) if json.starts_with('{') => self.call_object(&call.parse(self.recorder)),
                Some(json) => self.push(PartKind::Unknown, Some("tool_calls"), json),
                None => {}
            }
        }
        if let Some(json) = turn.audio.get().filter(|json| json.starts_with('{')) {
            self.recording(json);
        }
        self.annotations(turn.annotations);
        self.close();
        true
    }

    /// Reasoning beside the content; some programs write it under two names.
    fn reasoning(&mut self, turn: &TurnSource<'_>) {
        let mut last = None;
        for raw in [turn.reasoning_content, turn.reasoning, turn.thinking] {
            let Some(json) = raw.get().filter(|json| Some(*json) != last) else { continue };
            last = Some(json);
            if json.starts_with('"') {
                let text: Text<'_> = raw.parse(self.recorder);
                self.think(text.get().unwrap_or(""));
            } else if json.starts_with(['{', '[']) {
                self.push(PartKind::Unknown, Some("reasoning"), json);
            }
        }
    }

    /// What a message says: a text, or blocks.
    pub(super) fn content(&mut self, raw: Raw<'_>) {
        let Some(json) = raw.get() else { return };
        match json.as_bytes().first() {
            Some(b'[') => {
                for block in raw.list(self.recorder) {
                    match block.get() {
                        Some(json) if json.starts_with('{') => self.block(&block.parse(self.recorder)),
                        Some(json) if json.starts_with('[') => {
                            self.recorder.unknown("message.content", "list");
                            self.push(PartKind::Unknown, Some("list"), json);
                        }
                        _ => self.say(block.parse::<Text<'_>>(self.recorder).get().unwrap_or("")),
                    }
                }
            }
            Some(b'{') => self.block(&raw.parse(self.recorder)),
            _ => self.say(raw.parse::<Text<'_>>(self.recorder).get().unwrap_or("")),
        }
    }

    /// Adds a part to the message at hand.
    pub(super) fn push(&mut self, kind: PartKind, name: Option<&str>, text: &str) {
        let text = self.conversation.push_text(text);
        self.parts.push(Part { kind, text, name: name.map(str::to_owned), ..Part::default() });
    }

    /// Adds text as what the message is: prose, a call, or a result. Nothing for empty text.
    pub(super) fn say(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.speech {
            Speech::Plain => self.push(PartKind::Text, None, text),
            Speech::Call => self.call_text(text),
            Speech::Result => self.result(None, None, text),
        }
    }

    pub(super) fn think(&mut self, text: &str) {
        if !text.is_empty() {
            self.push(PartKind::Thinking, None, text);
        }
    }

    /// A source that is cited, once a message.
    pub(super) fn cite(&mut self, title: Option<&str>, url: &str) {
        let title = title.unwrap_or(url);
        if self.cited.insert(format!("{url}\n{title}")) {
            self.push(PartKind::Citation, None, title);
            if let Some(part) = self.parts.last_mut() {
                part.url = Some(url.to_owned());
            }
        }
    }

    /// Shows a file; the same id is the same file.
    pub(super) fn attach(&mut self, file: Attachment) {
        let index = self.file(file);
        self.push(PartKind::Attachment, None, "");
        if let Some(part) = self.parts.last_mut() {
            part.attachment = Some(index);
        }
    }

    /// Shows a file in a message that stands already.
    pub(super) fn attach_to(&mut self, message: usize, file: Attachment) {
        let attachment = Some(self.file(file));
        let text = self.conversation.push_text("");
        if let Some(message) = self.conversation.messages.get_mut(message) {
            message.parts.push(Part { kind: PartKind::Attachment, text, attachment, ..Part::default() });
        }
    }

    fn file(&mut self, file: Attachment) -> u32 {
        let list = &mut self.conversation.attachments;
        let next = u32::try_from(list.len()).unwrap_or(u32::MAX);
        let index = match &file.id {
            Some(id) => *self.memory.files.entry(id.clone()).or_insert(next),
            None => next,
        };
        if index == next {
            list.push(file);
        }
        index
    }

    /// Says which call the message at hand answers.
    pub(super) fn answers(&mut self, call: &str) {
        if let Some(tool) = self.memory.calls.get(call) {
            self.tool = Some(tool.clone());
        }
    }

    /// What a tool gave back: named by itself, by its call, or by the only tool that was called.
    pub(super) fn result(&mut self, call: Option<&str>, tool: Option<&str>, text: &str) {
        let named = tool
            .or_else(|| call.and_then(|call| self.memory.calls.get(call)).or(self.tool.as_ref()).map(|t| t.as_str()));
        let only = || self.memory.called.first().filter(|tool| self.memory.called.iter().all(|other| other == *tool));
        let tool = named.or_else(|| only().map(|tool| tool.as_str())).map(str::to_owned);
        self.push(PartKind::ToolResult, tool.as_deref(), text);
    }

    /// A call of a tool.
    pub(super) fn call(&mut self, id: Option<&str>, tool: Option<&str>, input: &str) {
        if !std::mem::replace(&mut self.has_called, true) {
            self.memory.called.clear();
        }
        if let Some(tool) = tool {
            self.memory.called.push(tool.to_owned());
            if let Some(id) = id {
                self.memory.calls.insert(id.to_owned(), tool.to_owned());
            }
        }
        self.push(PartKind::ToolCall, tool, input);
    }

    /// A call as an object: OpenAI's `{id, function: {name, arguments}}` and its relatives.
    pub(super) fn call_object(&mut self, call: &Fields<'_>) {
        let trial = Recorder::default();
        let inner: Fields<'_> = ["function", "custom"]
            .iter()
            .map(|key| call.get(key))
            .find(|raw| raw.get().is_some_and(|json| json.starts_with('{')))
            .map_or_else(Fields::default, |raw| raw.parse(&trial));
        let text = |key: &str| Some(call.text(key, &trial)).filter(|text| text.get().is_some());
        let id = text("id").or_else(|| text("call_id")).or_else(|| text("tool_call_id")).or_else(|| text("toolCallId"));
        let name = Some(inner.text("name", &trial)).filter(|name| name.get().is_some());
        let name = name.or_else(|| text("name")).or_else(|| text("toolName")).or_else(|| text("tool_name"));
        let input = ["arguments", "input", "args", "parameters"].iter().find_map(|key| {
            Some(inner.get(key)).filter(|raw| raw.get().is_some()).or(Some(call.get(key))).filter(|r| r.get().is_some())
        });
        let input = input.unwrap_or_default();
        let id = id.unwrap_or_default();
        let name = name.unwrap_or_default();
        match (name.get(), input.get()) {
            // A call of nothing with nothing: its own words are all that can be shown.
            (None, None) => self.call(id.get(), None, &call.to_json()),
            (name, Some(json)) if json.starts_with('"') => {
                let input: Text<'_> = input.parse(self.recorder);
                self.call(id.get(), name, input.get().unwrap_or(""));
            }
            (name, json) => self.call(id.get(), name, json.unwrap_or("")),
        }
    }

    /// Calls written as text: one JSON object with a name, several of them, or whatever stands there.
    pub(super) fn call_text(&mut self, text: &str) {
        let calls = match text.trim_start().starts_with(['{', '[']) {
            true => from_slice::<List<Fields<'_>>>(text.as_bytes(), &Recorder::default()).unwrap_or_default().0,
            false => Vec::new(),
        };
        let is_call = |call: &Fields<'_>| call.get("name").get().is_some() || call.get("function").get().is_some();
        if calls.is_empty() || !calls.iter().all(is_call) {
            return self.call(None, None, text);
        }
        for call in &calls {
            self.call_object(call);
        }
    }
}
