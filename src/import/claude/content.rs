//! Turns messages into parts: blocks of every type, artifacts, extracted texts, files.

use std::collections::{HashMap, HashSet};

use super::citation::Cited;
use super::source::{Block, FileSource, MessageSource};
use super::{edit_time, source_time};
use crate::conversation::{Attachment, Cast, Conversation, Message, Part, PartKind, Role, Visibility};
use crate::import::json::tolerant::{Fields, List, Raw, Recorder, Text};

/// Fields that any block may have and that carry no meaning for a transcript.
const OF_ANY_BLOCK: &[&str] = &["type", "start_timestamp", "stop_timestamp", "flags", "uuid", "id", "index"];

/// What the plain text of a message says where it cannot say a block.
const PLACEHOLDER: &str = "This block is not supported on your current device yet.";

/// Fields of a tool's call beside its name and input: how the window draws it, and what it asks before.
const OF_A_CALL: &[&str] = &[
    "name", "input", "message", "integration_name", "integration_icon_url", "icon_name", "context", "display_content",
    "approval_options", "approval_key", "is_mcp_app", "mcp_server_url", "server_name", "partial_json", "caller",
];

/// Fields of a tool's result beside what it says.
const OF_A_RESULT: &[&str] = &[
    "tool_use_id", "name", "content", "is_error", "structured_content", "display_content", "message", "meta",
    "integration_name", "integration_icon_url", "icon_name", "is_mcp_app", "mcp_server_url",
];

/// Fields of a page that a search found.
const OF_A_PAGE: &[&str] = &[
    "title", "url", "uri", "text", "metadata", "is_missing", "is_citable", "prompt_context_metadata", "doc_uuid",
    "start", "end", "extras", "ingestion_date", "mime_type", "favicon_url", "source",
];

/// Fields of a call that writes a document, beside the text and the title of it.
const OF_A_DOCUMENT: &[&str] = &[
    "id", "type", "title", "command", "content", "language", "version_uuid", "md_citations", "source", "path",
    "file_text", "description",
];

/// Writes messages into a conversation.
pub(super) struct Writer<'a> {
    conversation: &'a mut Conversation,
    recorder: &'a Recorder,
    /// Attachments by the source's id of the file.
    files: HashMap<String, u32>,
    /// Titles of artifacts by their id: a later version need not repeat it.
    titles: HashMap<String, String>,
    /// Names of tools by the id of the call: a result need not repeat it.
    calls: HashMap<String, String>,
    cited: Cited,
    cast: Cast,
    token_budgets: u64,
}

impl<'a> Writer<'a> {
    pub(super) fn new(conversation: &'a mut Conversation, recorder: &'a Recorder) -> Self {
        Self {
            conversation,
            recorder,
            files: HashMap::new(),
            titles: HashMap::new(),
            calls: HashMap::new(),
            cited: Cited::default(),
            cast: Cast::default(),
            token_budgets: 0,
        }
    }

    /// How many blocks were token budgets.
    pub(super) fn finish(self) -> u64 {
        self.token_budgets
    }

    /// Adds a message; its index.
    pub(super) fn message(
        &mut self,
        source: &MessageSource<'_>,
        parent: Option<u32>,
        abandoned: bool,
    ) -> Option<u32> {
        self.cited.clear();
        let mut parts = Vec::new();
        let mut injected = Vec::new();
        for block in &source.content.0 {
            match block {
                Block::Text(text) => self.say(PartKind::Text, None, text, &mut parts),
                Block::Fields(fields) => self.block(fields, &mut parts, &mut injected),
                Block::Nothing => {}
            }
        }
        let says_nothing = |part: &Part| matches!(part.kind, PartKind::Thinking | PartKind::Unknown);
        if parts.iter().all(says_nothing) {
            // The same again as plain text, with placeholders for what is no text: only where no block says it.
            let text: Text<'_> = source.text.parse(self.recorder);
            let text = text.get().filter(|text| !is_placeholder(text)).unwrap_or("");
            self.say(PartKind::Text, None, text, &mut parts);
        }
        self.uploads(source, &mut parts);

        let sender = source.sender.get();
        let role = match sender {
            Some("human" | "user") => Role::User,
            Some("assistant") => Role::Assistant,
            Some("system") => Role::System,
            Some("tool") => Role::Tool,
            _ => Role::Other,
        };
        let mut message = Message {
            id: source.uuid.owned(),
            parent,
            time: source_time(source.created_at),
            edited: edit_time(source.created_at, source.updated_at),
            abandoned,
            ..Message::default()
        };
        if !injected.is_empty() {
            let author = self.cast.find(self.conversation, Role::System, None, None);
            message.parent = self.push(Message {
                id: source.uuid.get().map(|id| format!("{id}:injected")),
                author,
                edited: None,
                visibility: Visibility::Hidden,
                parts: injected,
                ..message.clone()
            });
        }
        message.author = self.cast.find(self.conversation, role, sender.filter(|_| role == Role::Other), None);
        message.model = source.model.owned().filter(|_| role == Role::Assistant);
        message.parts = parts;
        self.push(message)
    }

    fn push(&mut self, message: Message) -> Option<u32> {
        self.conversation.messages.push(message);
        u32::try_from(self.conversation.messages.len() - 1).ok()
    }

    fn part(&mut self, kind: PartKind, name: Option<&str>, text: &str) -> Part {
        Part { kind, text: self.conversation.push_text(text), name: name.map(str::to_owned), ..Part::default() }
    }

    /// Adds text; nothing for empty text.
    fn say(&mut self, kind: PartKind, name: Option<&str>, text: &str, parts: &mut Vec<Part>) {
        if !text.is_empty() {
            parts.push(self.part(kind, name, text));
        }
    }

    /// Counts the fields of a block that are in neither list.
    fn count_unknown(&self, path: &str, fields: &Fields<'_>, known: &[&str]) {
        for (key, _) in &fields.0 {
            if !OF_ANY_BLOCK.contains(&key.as_ref()) && !known.contains(&key.as_ref()) {
                self.recorder.unknown(path, key);
            }
        }
    }

    fn unknown(&mut self, kind: &str, fields: &Fields<'_>, parts: &mut Vec<Part>) {
        let name = if kind.is_empty() { "block" } else { kind };
        self.recorder.unknown("message.content", name);
        parts.push(self.part(PartKind::Unknown, Some(name), &fields.to_json()));
    }

    fn block(&mut self, fields: &Fields<'_>, parts: &mut Vec<Part>, injected: &mut Vec<Part>) {
        let recorder = self.recorder;
        let text = |key: &str| fields.text(key, recorder);
        let kind = text("type");
        let known: &[&str] = match kind.get().unwrap_or("") {
            "text" => {
                self.say(PartKind::Text, None, text("text").get().unwrap_or(""), parts);
                let citations = fields.get("citations").parse(recorder);
                self.cited.add_all(self.conversation, &citations, parts);
                &["text", "citations"]
            }
            "thinking" => {
                self.thinking(fields, parts);
                &["thinking", "summaries", "cut_off", "truncated", "signature", "alternative_display_type"]
            }
            "tool_use" => {
                self.call(fields, parts);
                OF_A_CALL
            }
            "tool_result" => {
                self.result(fields, parts);
                OF_A_RESULT
            }
            "voice_note" => {
                let title = text("title");
                self.say(PartKind::Text, title.get(), text("text").get().unwrap_or(""), parts);
                &["title", "text"]
            }
            "image" => {
                self.picture(fields, parts);
                &["file_uuid", "file_name", "source", "media_type"]
            }
            "document" if fields.get("file_uuid").get().is_some() => {
                let told = Attachment { name: text("title").owned(), ..Attachment::default() };
                self.file(text("file_uuid").owned(), told, parts);
                &["file_uuid", "title", "source", "media_type"]
            }
            "injected_prompt_block" => {
                let source = text("injection_source");
                self.say(PartKind::Text, source.get(), text("prompt").get().unwrap_or(""), injected);
                &["prompt", "injection_source", "initial_turn_only", "skip_on_truncated_continuation"]
            }
            "token_budget" => {
                self.token_budgets += 1;
                return;
            }
            "flag" => {
                // A notice of the vendor's that is shown beside the answer; its form is its own.
                parts.push(self.part(PartKind::Unknown, Some("flag"), &fields.to_json()));
                return;
            }
            other => return self.unknown(other, fields, parts),
        };
        self.count_unknown("message.content", fields, known);
    }

    fn thinking(&mut self, fields: &Fields<'_>, parts: &mut Vec<Part>) {
        let thought = fields.text("thinking", self.recorder);
        let is_cut = fields.get("cut_off").get() == Some("true");
        self.say(PartKind::Thinking, is_cut.then_some("cut off"), thought.get().unwrap_or(""), parts);
        // What the window shows in place of the thought, line by line.
        let summaries: List<Fields<'_>> = fields.get("summaries").parse(self.recorder);
        let lines: Vec<_> = summaries.0.iter().map(|summary| summary.text("summary", self.recorder)).collect();
        let lines: Vec<&str> = lines.iter().filter_map(Text::get).collect();
        self.say(PartKind::Thinking, Some("summary"), &lines.join("\n"), parts);
    }

    fn call(&mut self, fields: &Fields<'_>, parts: &mut Vec<Part>) {
        let name = fields.text("name", self.recorder);
        if let (Some(id), Some(name)) = (fields.text("id", self.recorder).owned(), name.get()) {
            self.calls.insert(id, name.to_owned());
        }
        let input = fields.get("input");
        if matches!(name.get(), Some("artifacts" | "create_artifact" | "create_file")) && self.document(input, parts) {
            return;
        }
        let decoded: Text<'_>;
        let input = match input.get() {
            Some(json) if json.starts_with('"') => {
                decoded = input.parse(self.recorder);
                decoded.get()
            }
            json => json,
        };
        parts.push(self.part(PartKind::ToolCall, name.get(), input.unwrap_or("")));
    }

    /// A call that writes a whole text is that document. A call that changes a piece stays the call it is:
    /// whether and how the piece was found, only its result tells.
    fn document(&mut self, input: Raw<'_>, parts: &mut Vec<Part>) -> bool {
        let Some('{') = input.get().and_then(|json| json.chars().next()) else { return false };
        let recorder = self.recorder;
        let fields: Fields<'_> = input.parse(recorder);
        let text = |key: &str| fields.text(key, recorder);
        let command = text("command");
        if !matches!(command.get(), None | Some("create" | "rewrite")) {
            return false;
        }
        // Looked at before it is read: a list or an object is no text, and stays the call's.
        let whole = ["content", "file_text"].map(|key| fields.get(key));
        let Some(whole) = whole.into_iter().find(|raw| raw.get().is_some_and(|json| json.starts_with('"'))) else {
            return false;
        };
        let whole: Text<'_> = whole.parse(recorder);
        let Some(whole) = whole.get() else { return false };
        let (id, title) = (text("id").owned().or_else(|| text("path").owned()), text("title").owned());
        let title = title.or_else(|| self.titles.get(id.as_ref()?).cloned()).or_else(|| id.clone());
        parts.push(self.part(PartKind::Document, title.as_deref(), whole));
        if let (Some(id), Some(title)) = (id, title) {
            self.titles.insert(id, title);
        }
        let citations = fields.get("md_citations").parse(recorder);
        self.cited.add_all(self.conversation, &citations, parts);
        for (key, _) in fields.0.iter().filter(|(key, _)| !OF_A_DOCUMENT.contains(&key.as_ref())) {
            recorder.unknown("message.content.input", key);
        }
        true
    }

    fn result(&mut self, fields: &Fields<'_>, parts: &mut Vec<Part>) {
        let recorder = self.recorder;
        let name = fields.text("name", recorder).owned().or_else(|| {
            let call = fields.text("tool_use_id", recorder);
            self.calls.get(call.get()?).cloned()
        });
        let before = parts.len();
        let content = fields.get("content");
        match content.get() {
            Some(json) if json.starts_with('"') => {
                let text: Text<'_> = content.parse(recorder);
                self.say(PartKind::ToolResult, name.as_deref(), text.get().unwrap_or(""), parts);
            }
            _ => {
                for item in content.parse::<List<Block<'_>>>(recorder).0 {
                    match item {
                        Block::Text(text) => self.say(PartKind::ToolResult, name.as_deref(), &text, parts),
                        Block::Fields(item) => self.result_item(&item, name.as_deref(), parts),
                        Block::Nothing => {}
                    }
                }
            }
        }
        if parts.len() == before {
            // Some tools answer in a form for the window alone.
            let other = ["structured_content", "display_content"].into_iter().find_map(|key| fields.get(key).get());
            self.say(PartKind::ToolResult, name.as_deref(), other.unwrap_or(""), parts);
        }
    }

    fn result_item(&mut self, item: &Fields<'_>, tool: Option<&str>, parts: &mut Vec<Part>) {
        let recorder = self.recorder;
        let text = |key: &str| item.text(key, recorder);
        let kind = text("type");
        let known: &[&str] = match kind.get().unwrap_or("") {
            "text" => {
                self.say(PartKind::ToolResult, tool, text("text").get().unwrap_or(""), parts);
                let citations = item.get("citations").parse(recorder);
                self.cited.add_all(self.conversation, &citations, parts);
                &["text", "citations", "annotations"]
            }
            "knowledge" => {
                self.say(PartKind::ToolResult, tool, text("text").get().unwrap_or(""), parts);
                let (title, url, uri) = (text("title"), text("url"), text("uri"));
                self.cited.add(self.conversation, title.get(), url.get().or(uri.get()), parts);
                OF_A_PAGE
            }
            "image" => {
                self.picture(item, parts);
                &["file_uuid", "file_name", "source", "media_type"]
            }
            "local_resource" => {
                let told = Attachment {
                    name: text("name").owned(),
                    media_type: text("mime_type").owned(),
                    ..Attachment::default()
                };
                self.file(text("file_path").owned(), told, parts);
                &["name", "mime_type", "file_path"]
            }
            other => return self.unknown(other, item, parts),
        };
        self.count_unknown("message.content.content", item, known);
    }

    /// A picture named by its file, or held in the block; the bytes then stay in the original alone.
    fn picture(&mut self, fields: &Fields<'_>, parts: &mut Vec<Part>) {
        let recorder = self.recorder;
        let source: Fields<'_> = fields.get("source").parse(recorder);
        let id = fields.text("file_uuid", recorder).owned().or_else(|| source.text("file_uuid", recorder).owned());
        let media_type = source.text("media_type", recorder).owned();
        if id.is_none() && source.get("data").get().is_some() {
            recorder.unknown("message.content.source", "data");
        }
        let told = Attachment {
            name: fields.text("file_name", recorder).owned(),
            media_type: media_type.or_else(|| fields.text("media_type", recorder).owned()),
            ..Attachment::default()
        };
        self.file(id, told, parts);
    }

    /// Adds a file of which the export has the name. One with an id is one attachment however often it is shown.
    fn file(&mut self, id: Option<String>, told: Attachment, parts: &mut Vec<Part>) {
        let list = &mut self.conversation.attachments;
        let next = u32::try_from(list.len()).unwrap_or(u32::MAX);
        let index = match &id {
            Some(id) => *self.files.entry(id.clone()).or_insert(next),
            None => next,
        };
        match usize::try_from(index).ok().and_then(|at| list.get_mut(at)) {
            Some(known) => {
                known.name = known.name.take().or(told.name);
                known.media_type = known.media_type.take().or(told.media_type);
                known.size = known.size.or(told.size);
            }
            None => list.push(Attachment { id, ..told }),
        }
        let mut part = self.part(PartKind::Attachment, None, "");
        part.attachment = Some(index);
        parts.push(part);
    }

    fn uploads(&mut self, source: &MessageSource<'_>, parts: &mut Vec<Part>) {
        for upload in &source.attachments.0 {
            let told = Attachment {
                name: upload.file_name.owned(),
                media_type: upload.file_type.owned().filter(|kind| kind.contains('/')),
                size: size(upload.file_size),
                ..Attachment::default()
            };
            match upload.extracted_content.get() {
                Some(text) => parts.push(self.part(PartKind::Document, told.name.as_deref(), text)),
                None if told.name.is_none() && upload.id.get().is_none() && upload.file_uuid.get().is_none() => {}
                None => self.file(upload.file_uuid.owned().or_else(|| upload.id.owned()), told, parts),
            }
        }
        // The two lists mostly name the same files: the second adds what the first has not.
        let shown: HashSet<u32> = parts.iter().filter_map(|part| part.attachment).collect();
        let mut ids: HashSet<&str> = HashSet::new();
        let mut names: HashSet<&str> = HashSet::new();
        for (file, is_again) in
            source.files.0.iter().map(|file| (file, false)).chain(source.files_v2.0.iter().map(|file| (file, true)))
        {
            let (id, name) = (file.file_uuid.get().or(file.uuid.get()), file.file_name.get());
            let is_known = match id {
                Some(id) => !ids.insert(id) || self.files.get(id).is_some_and(|index| shown.contains(index)),
                None => is_again && name.is_some_and(|name| names.contains(name)),
            };
            names.extend(name);
            if (id.is_some() || name.is_some()) && !is_known {
                self.file(id.map(str::to_owned), upload(file), parts);
            }
        }
    }
}

/// What the source tells of an uploaded file.
fn upload(file: &FileSource<'_>) -> Attachment {
    Attachment {
        name: file.file_name.owned(),
        media_type: file.file_type.owned().filter(|kind| kind.contains('/')),
        size: size(file.file_size).or_else(|| size(file.size_bytes)),
        ..Attachment::default()
    }
}

/// A number of bytes, written as a number or as a string.
fn size(raw: Raw<'_>) -> Option<u64> {
    raw.get()?.trim_matches('"').parse().ok()
}

/// Whether a plain text says nothing but that it cannot say it.
fn is_placeholder(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line == "```" || line == PLACEHOLDER)
}
