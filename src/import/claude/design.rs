//! Design chats, which exports have since 2026 in files of their own and in a form of their own.
//!
//! A message's `content` is an object: the text of a person stands in its `content`, that of the model in
//! `contentBlocks`, files and notes in `attachments`.

use super::source::{Block, DesignMessage, Entry};
use super::{begin, source_time, tree};
use crate::conversation::{Attachment, Cast, Conversation, Message, Part, PartKind, Role, Visibility};
use crate::import::json::tolerant::{Fields, List, Raw, Recorder, Text};

/// Fields of a message's content that carry no meaning for a transcript.
const KNOWN: &[&str] = &[
    "id", "role", "kind", "content", "contentBlocks", "attachments", "authorAccountUuid", "authorName", "timestamp",
    "turnInputTokens", "turnChanges", "pill", "questionRecord", "questionReceipt", "model",
];

/// A design chat as a conversation.
pub(super) fn chat(entry: &Entry<'_>, id: String, recorder: &Recorder) -> Conversation {
    let mut conversation = begin(entry, id);
    let messages = &entry.messages.items;
    let (order, _) = tree::by_time(messages.iter().map(|message| (message.created_at, Raw::default())));
    let mut cast = Cast::default();
    for at in order {
        message(&mut conversation, &mut cast, &messages[at], recorder);
    }
    conversation
}

fn message(conversation: &mut Conversation, cast: &mut Cast, source: &DesignMessage<'_>, recorder: &Recorder) {
    let mut parts = Parts { conversation, recorder, list: Vec::new() };
    let mut name = None;
    let mut model = None;
    let mut own_role = None;
    match &source.content {
        Block::Text(text) => parts.say(PartKind::Text, None, text),
        Block::Fields(fields) => {
            name = fields.text("authorName", recorder).owned();
            model = fields.text("model", recorder).owned();
            own_role = fields.text("role", recorder).owned();
            parts.content(fields);
            for (key, _) in fields.0.iter().filter(|(key, _)| !KNOWN.contains(&key.as_ref())) {
                recorder.unknown("design.messages.content", key);
            }
        }
        Block::Nothing => {}
    }
    let parts = parts.list;
    let native = source.role.get().or(own_role.as_deref());
    let role = match native {
        Some("user" | "human") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        Some("tool") => Role::Tool,
        _ => Role::Other,
    };
    let author = cast.find(conversation, role, native.filter(|_| role == Role::Other), name.as_deref());
    let parent = conversation.messages.len().checked_sub(1).and_then(|last| u32::try_from(last).ok());
    conversation.messages.push(Message {
        id: source.uuid.owned(),
        parent,
        author,
        time: source_time(source.created_at),
        visibility: if role == Role::System { Visibility::Hidden } else { Visibility::Shown },
        model: model.filter(|_| role == Role::Assistant),
        parts,
        ..Message::default()
    });
}

/// The parts of one message.
struct Parts<'a> {
    conversation: &'a mut Conversation,
    recorder: &'a Recorder,
    list: Vec<Part>,
}

impl Parts<'_> {
    fn push(&mut self, kind: PartKind, name: Option<&str>, text: &str) {
        let text = self.conversation.push_text(text);
        self.list.push(Part { kind, text, name: name.map(str::to_owned), ..Part::default() });
    }

    /// Adds text; nothing for empty text.
    fn say(&mut self, kind: PartKind, name: Option<&str>, text: &str) {
        if !text.is_empty() {
            self.push(kind, name, text);
        }
    }

    fn content(&mut self, fields: &Fields<'_>) {
        let recorder = self.recorder;
        let text = fields.text("content", recorder);
        self.say(PartKind::Text, None, text.get().unwrap_or(""));
        for block in fields.get("contentBlocks").parse::<List<Block<'_>>>(recorder).0 {
            match block {
                Block::Text(text) => self.say(PartKind::Text, None, &text),
                Block::Fields(block) => self.block(&block),
                Block::Nothing => {}
            }
        }
        for key in ["questionRecord", "questionReceipt"] {
            if let Some(json) = fields.get(key).get() {
                self.push(PartKind::Unknown, Some(key), json);
            }
        }
        self.attachments(fields);
    }

    fn block(&mut self, block: &Fields<'_>) {
        let recorder = self.recorder;
        let kind = block.text("type", recorder);
        match kind.get().unwrap_or("") {
            "text" => self.say(PartKind::Text, None, block.text("text", recorder).get().unwrap_or("")),
            "thinking" => {
                let (thought, text) = (block.text("thinking", recorder), block.text("text", recorder));
                self.say(PartKind::Thinking, None, thought.get().or(text.get()).unwrap_or(""));
            }
            "error" => self.say(PartKind::Text, Some("error"), block.text("message", recorder).get().unwrap_or("")),
            "tool_call" if block.get("toolCall").get().is_some() => {
                let call: Fields<'_> = block.get("toolCall").parse(recorder);
                let name = call.text("name", recorder);
                self.push(PartKind::ToolCall, name.get(), call.get("input").get().unwrap_or(""));
                let output = call.get("output");
                let said: Text<'_>;
                let output = match output.get() {
                    Some(json) if json.starts_with('"') => {
                        said = output.parse(recorder);
                        said.get()
                    }
                    json => json,
                };
                self.say(PartKind::ToolResult, name.get(), output.unwrap_or(""));
            }
            other => {
                // Among them what a person threw in while the model was at work: a message inside a message.
                let name = if other.is_empty() { "block" } else { other };
                if name != "user_interjection" {
                    recorder.unknown("design.messages.content.contentBlocks", name);
                }
                self.push(PartKind::Unknown, Some(name), &block.to_json());
            }
        }
    }

    fn attachments(&mut self, fields: &Fields<'_>) {
        let recorder = self.recorder;
        for attachment in fields.get("attachments").parse::<List<Fields<'_>>>(recorder).0 {
            let (name, path) = (attachment.text("name", recorder), attachment.text("path", recorder));
            let text = attachment.text("content", recorder);
            if let Some(text) = text.get() {
                self.push(PartKind::Document, name.get(), text);
            } else if name.get().or(path.get()).is_some() {
                let index = u32::try_from(self.conversation.attachments.len()).unwrap_or(u32::MAX);
                let name = name.owned().or_else(|| path.owned());
                self.conversation.attachments.push(Attachment { id: path.owned(), name, ..Attachment::default() });
                self.push(PartKind::Attachment, None, "");
                if let Some(part) = self.list.last_mut() {
                    part.attachment = Some(index);
                }
            }
        }
    }
}
