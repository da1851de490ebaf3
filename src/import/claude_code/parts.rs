//! Blocks of a message made parts: text, reasoning, calls, results, pictures, documents, citations.

use std::collections::HashMap;

use super::record::{AgentCall, Block, Citation, Content, Source};
use crate::conversation::{Attachment, Conversation, Part, PartKind, Payload};
use crate::crypto::hash::labelled;
use crate::import::{base64, hex_id};
use crate::import::json::tolerant::{Fields, List, Raw, Recorder, Text};

/// Longest name of a file that a result points to.
const MAX_FILE_NAME: usize = 200;

/// What the text of a block is.
#[derive(Clone, Copy)]
enum Speech<'a> {
    Plain,
    Result(Option<&'a str>),
}

/// A call of a tool as a block names it.
pub(super) struct CallBlock {
    pub(super) id: Option<String>,
    pub(super) name: String,
    /// Set when the tool starts an agent.
    pub(super) agent: Option<AgentTask>,
}

/// What an agent was told.
pub(super) struct AgentTask {
    pub(super) kind: Option<String>,
    pub(super) description: Option<String>,
    pub(super) prompt: Option<String>,
}

/// What the content of one message turned out to hold, beside its parts.
#[derive(Default)]
pub(super) struct Told {
    pub(super) parts: Vec<Part>,
    pub(super) calls: Vec<CallBlock>,
    /// The id of the call whose result comes first, and whether there is a result at all.
    pub(super) result_of: Option<String>,
    pub(super) is_result: bool,
}

/// Files that belong to the session: results too long for the log, pictures.
#[derive(Default)]
pub(super) struct Files {
    /// Attachments by their id.
    known: HashMap<String, u32>,
    /// Bytes of the files beside the log, by name, until a result points to them.
    pub(super) beside: HashMap<String, Vec<u8>>,
}

/// Writes the parts of one message.
pub(super) struct Writer<'a> {
    pub(super) conversation: &'a mut Conversation,
    pub(super) files: &'a mut Files,
    /// Names of tools by the id of their call.
    pub(super) tools: &'a dyn Fn(&str) -> Option<String>,
    pub(super) recorder: &'a Recorder,
    pub(super) told: Told,
}

impl Writer<'_> {
    /// Adds content as it stands on a message.
    pub(super) fn content(&mut self, content: &Content<'_>) {
        if let Some(text) = content.text.as_deref() {
            self.text(text);
        }
        for block in &content.blocks {
            self.block(*block, Speech::Plain);
        }
        if let Some(block) = content.single.as_deref().and_then(|json| serde_json::from_str(json).ok()) {
            self.block(Raw(Some(block)), Speech::Plain);
        }
    }

    /// Adds a text; nothing for an empty one.
    pub(super) fn text(&mut self, text: &str) {
        self.say(Speech::Plain, text);
    }

    /// Adds what this version has no word for.
    pub(super) fn unknown(&mut self, name: &str, json: &str) {
        self.push(PartKind::Unknown, Some(name), json);
    }

    fn push(&mut self, kind: PartKind, name: Option<&str>, text: &str) {
        let text = self.conversation.push_text(text);
        self.told.parts.push(Part { kind, text, name: name.map(str::to_owned), ..Part::default() });
    }

    fn say(&mut self, speech: Speech<'_>, text: &str) {
        match speech {
            _ if text.is_empty() => {}
            Speech::Plain => self.push(PartKind::Text, None, text),
            Speech::Result(tool) => {
                self.push(PartKind::ToolResult, tool, text);
                self.files_beside(text);
            }
        }
    }

    fn block(&mut self, raw: Raw<'_>, speech: Speech<'_>) {
        let Some(json) = raw.get() else { return };
        match json.as_bytes().first() {
            Some(b'"') => {
                let text: Text<'_> = raw.parse(self.recorder);
                return self.say(speech, text.get().unwrap_or(""));
            }
            Some(b'{') => {}
            _ => {
                self.recorder.unknown("message.content", "value");
                return self.unknown("value", json);
            }
        }
        let block: Block<'_> = raw.parse(self.recorder);
        let kind = block.kind.get().unwrap_or("");
        match kind {
            "text" => {
                self.say(speech, block.text.get().unwrap_or(""));
                self.citations(block.citations);
            }
            "thinking" => {
                if let Some(thinking) = block.thinking.get() {
                    self.push(PartKind::Thinking, None, thinking);
                }
            }
            // Encrypted for the vendor: that it was there is all there is to say.
            "redacted_thinking" => self.push(PartKind::Thinking, Some("redacted"), ""),
            "tool_reference" => self.say(speech, block.tool_name.get().unwrap_or("")),
            "image" | "document" => self.file(&block, json),
            "search_result" => self.found(&block, json),
            _ if kind == "tool_use" || kind.ends_with("_tool_use") => self.call(&block),
            // A result inside a result is nobody's: it stays what it is.
            _ if (kind == "tool_result" || kind.ends_with("_tool_result")) && matches!(speech, Speech::Plain) => {
                self.result(&block);
            }
            other => {
                let name = if other.is_empty() { "block" } else { other };
                self.recorder.unknown("message.content.type", name);
                self.unknown(name, json);
            }
        }
    }

    fn call(&mut self, block: &Block<'_>) {
        let name = block.name.get().unwrap_or("tool").to_owned();
        self.push(PartKind::ToolCall, Some(&name), block.input.get().unwrap_or(""));
        let agent = matches!(name.as_str(), "Task" | "Agent").then(|| {
            // Its fields are the tool's own and no business of this format.
            let task: AgentCall<'_> = block.input.parse(&Recorder::default());
            AgentTask { kind: task.subagent_type.owned(), description: task.description.owned(), prompt: task.prompt.owned() }
        });
        self.told.calls.push(CallBlock { id: block.id.owned(), name, agent });
    }

    fn result(&mut self, block: &Block<'_>) {
        let id = block.tool_use_id.owned();
        let tool = id.as_deref().and_then(|id| (self.tools)(id));
        let speech = Speech::Result(tool.as_deref());
        let before = self.told.parts.len();
        match block.content.get().and_then(|json| json.as_bytes().first()) {
            None => {}
            Some(b'[') => {
                for inner in block.content.list(self.recorder) {
                    if inner.get().is_some_and(|json| json.contains("_search_result\"") || json.contains("\"web_fetch_result\"")) {
                        let found: Block<'_> = inner.parse(self.recorder);
                        self.found(&found, inner.get().unwrap_or(""));
                    } else {
                        self.block(inner, speech);
                    }
                }
            }
            Some(b'"') => {
                let text: Text<'_> = block.content.parse(self.recorder);
                self.say(speech, text.get().unwrap_or(""));
            }
            Some(_) => self.say(speech, block.content.get().unwrap_or("")),
        }
        if self.told.parts.len() == before {
            // That the tool came back with nothing is something it says.
            self.push(PartKind::ToolResult, tool.as_deref(), "");
        }
        if !self.told.is_result {
            (self.told.is_result, self.told.result_of) = (true, id);
        }
    }

    /// A page that a search found; its text is encrypted for the vendor or stands elsewhere.
    fn found(&mut self, block: &Block<'_>, json: &str) {
        match (block.title.get().or(block.url.get()), block.url.get().or(block.source.get())) {
            (Some(title), url) => {
                self.push(PartKind::Citation, None, title);
                if let Some(part) = self.told.parts.last_mut() {
                    part.url = url.map(|url| url.trim_matches('"').to_owned());
                }
            }
            (None, _) => self.unknown(block.kind.get().unwrap_or("block"), json),
        }
    }

    fn citations(&mut self, raw: Raw<'_>) {
        if raw.get().is_none() {
            return;
        }
        let list: List<Citation<'_>> = raw.parse(self.recorder);
        for citation in list.0 {
            let title = citation.title.get().or(citation.document_title.get()).or(citation.url.get());
            let Some(text) = title.or(citation.cited_text.get()) else { continue };
            let url = citation.url.get();
            self.push(PartKind::Citation, None, text);
            if let Some(part) = self.told.parts.last_mut() {
                part.url = url.map(str::to_owned);
            }
        }
    }

    fn file(&mut self, block: &Block<'_>, json: &str) {
        let source: Source<'_> = block.source.parse(self.recorder);
        let (title, media_type) = (block.title.owned(), source.media_type.owned());
        match source.kind.get().unwrap_or("") {
            "base64" => self.picture(source.data.get().unwrap_or(""), media_type, title),
            "text" => {
                let text = source.data.get().unwrap_or("");
                self.push(PartKind::Document, title.as_deref(), text);
            }
            "url" | "file" => {
                let id = source.file_id.owned();
                let index = self.attach(Attachment { id, name: title, media_type, ..Attachment::default() });
                self.show(index, source.url.owned());
            }
            "content" => {
                for inner in source.content.list(self.recorder) {
                    let inner: Block<'_> = inner.parse(self.recorder);
                    self.push(PartKind::Document, title.as_deref(), inner.text.get().unwrap_or(""));
                }
            }
            _ => self.unknown(block.kind.get().unwrap_or("block"), json),
        }
        if let Some(context) = block.context.get() {
            self.text(context);
        }
    }

    /// A picture or a document whose bytes stand in the log.
    pub(super) fn picture(&mut self, data: &str, media_type: Option<String>, name: Option<String>) {
        let data = base64::decode(data);
        if data.is_none() {
            self.recorder.repaired("picture that is not Base64");
        }
        let id = data.as_ref().map(|data| file_id(data));
        let size = data.as_ref().map(|data| data.len() as u64);
        let payload = data.map(Payload::Inside);
        let index = self.attach(Attachment { id, name, media_type, size, payload, ..Attachment::default() });
        self.show(index, None);
    }

    fn show(&mut self, index: u32, url: Option<String>) {
        let text = self.conversation.push_text("");
        let part = Part { kind: PartKind::Attachment, text, url, attachment: Some(index), ..Part::default() };
        self.told.parts.push(part);
    }

    fn attach(&mut self, attachment: Attachment) -> u32 {
        attach(self.conversation, self.files, attachment)
    }

    /// A result too long for the log names the file it was written to instead.
    fn files_beside(&mut self, text: &str) {
        const FOLDER: &str = "tool-results";
        if self.files.beside.is_empty() || !text.contains(FOLDER) {
            return;
        }
        for (at, _) in text.match_indices(FOLDER) {
            let rest = text.get(at + FOLDER.len() + 1..).unwrap_or("");
            let name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            let end = rest.find(|c| !name(c)).unwrap_or(rest.len()).min(MAX_FILE_NAME);
            let name = rest.get(..end).unwrap_or("").trim_end_matches('.');
            if let Some(bytes) = self.files.beside.remove(name) {
                let index = attach_file(self.conversation, self.files, name, bytes);
                self.show(index, None);
            }
        }
    }
}

/// The attachment with this id, added when new.
fn attach(conversation: &mut Conversation, files: &mut Files, attachment: Attachment) -> u32 {
    let list = &mut conversation.attachments;
    let next = u32::try_from(list.len()).unwrap_or(u32::MAX);
    let index = match &attachment.id {
        Some(id) => *files.known.entry(id.clone()).or_insert(next),
        None => next,
    };
    if index == next {
        list.push(attachment);
    }
    index
}

/// Adds a file that stood beside the log.
pub(super) fn attach_file(conversation: &mut Conversation, files: &mut Files, name: &str, bytes: Vec<u8>) -> u32 {
    let media_type = match name.rsplit_once('.') {
        Some((_, "txt")) => Some("text/plain".to_owned()),
        Some((_, "json")) => Some("application/json".to_owned()),
        _ => None,
    };
    let attachment = Attachment {
        id: Some(file_id(&bytes)),
        name: Some(name.to_owned()),
        media_type,
        size: Some(bytes.len() as u64),
        payload: Some(Payload::Inside(bytes)),
        ..Attachment::default()
    };
    attach(conversation, files, attachment)
}

fn file_id(bytes: &[u8]) -> String {
    hex_id(&labelled("convault/claude-code/file", &[bytes]))
}

/// The text of an `attachment` record, which the program adds to what a person typed: strings as they are, other
/// shapes as their JSON.
pub(super) fn added(writer: &mut Writer<'_>, attachment: &Fields<'_>, json: &str) {
    let recorder = writer.recorder;
    let kind = attachment.text("type", recorder);
    let content = attachment.get("content");
    let before = writer.told.parts.len();
    match content.get().and_then(|json| json.as_bytes().first()) {
        Some(b'"') => {
            let text: Text<'_> = content.parse(recorder);
            writer.text(text.get().unwrap_or(""));
        }
        Some(b'[') => {
            let list = content.list(recorder);
            if list.iter().all(|item| item.get().is_some_and(|json| json.starts_with('"'))) {
                for item in list {
                    writer.block(item, Speech::Plain);
                }
            }
        }
        Some(b'{') => {
            // A picture that was read from the disk.
            let inner: Fields<'_> = content.parse(recorder);
            let file: Fields<'_> = if inner.text("type", recorder).get() == Some("image") {
                inner.get("file").parse(recorder)
            } else {
                Fields::default()
            };
            if let Some(data) = file.text("base64", recorder).get() {
                writer.picture(data, file.text("type", recorder).owned(), attachment.text("filename", recorder).owned());
            }
        }
        _ => {}
    }
    if writer.told.parts.len() == before {
        for key in ["stdout", "stderr", "snippet", "planContent"] {
            let text = attachment.get(key);
            if text.get().is_some_and(|json| json.starts_with('"')) {
                let text: Text<'_> = text.parse(recorder);
                writer.text(text.get().unwrap_or(""));
            }
        }
    }
    // A hook that ran and said nothing adds nothing.
    let is_silent = kind.get().is_some_and(|kind| kind.starts_with("hook_"));
    if writer.told.parts.len() == before && !is_silent {
        writer.unknown(kind.get().unwrap_or("attachment"), json);
    }
}
