//! Turns messages into parts: every content type, tool calls, canvas documents, files, citations.

use std::collections::HashMap;

use super::assets;
use super::node::{Content, MessageSource, PartSource};
use super::source_time;
use crate::conversation::{Attachment, Cast, Conversation, Message, Part, PartKind, Payload, Role, Visibility};
use crate::import::Context;
use crate::import::json::tolerant::{Fields, List, Raw, Recorder, Text, from_slice, tolerant};

tolerant! {
    /// The payload of a canvas call, JSON inside the text of a message.
    struct CanvasCall at "canvas" {
        "name" => name: Text<'de>,
        "content" => content: Text<'de>,
        "updates" => updates: List<CanvasUpdate<'de>>,
    }
    ignore { "type" "comments" }
}

tolerant! {
    /// One edit of a canvas.
    struct CanvasUpdate at "canvas.updates" {
        "pattern" => pattern: Text<'de>,
        "replacement" => replacement: Text<'de>,
    }
    ignore { "multiple" }
}

/// What the text of a message is, unless its content type says otherwise.
#[derive(Clone, Copy)]
enum Speech<'a> {
    Plain,
    Call(&'a str),
    Result(Option<&'a str>),
}

/// Writes messages into a conversation.
pub(super) struct Writer<'a> {
    conversation: &'a mut Conversation,
    context: &'a Context,
    recorder: &'a Recorder,
    custom_gpt: Option<&'a str>,
    /// Attachments by the id in their pointer.
    known: HashMap<String, u32>,
    /// Title of the canvas last created: edits name it by an id that only its result tells.
    canvas: Option<String>,
    cast: Cast,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        conversation: &'a mut Conversation,
        context: &'a Context,
        recorder: &'a Recorder,
        custom_gpt: Option<&'a str>,
    ) -> Self {
        Self { conversation, context, recorder, custom_gpt, known: HashMap::new(), canvas: None, cast: Cast::default() }
    }

    /// Adds a message; its index.
    pub(super) fn message(
        &mut self,
        key: &str,
        source: &MessageSource<'_>,
        parent: Option<u32>,
        abandoned: bool,
    ) -> Option<u32> {
        let native = source.author.role.get();
        let role = match native {
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            Some("system") => Role::System,
            Some("tool") => Role::Tool,
            _ => Role::Other,
        };
        let kept_role = native.filter(|_| role == Role::Other);
        let gpt = self.custom_gpt.filter(|_| role == Role::Assistant);
        let author = self.cast.find(self.conversation, role, kept_role, source.author.name.get().or(gpt));
        let recipient = source.recipient.get().filter(|recipient| *recipient != "all");
        let speech = match (role, recipient) {
            (Role::Assistant, Some(tool)) => Speech::Call(tool),
            (Role::Tool, _) => Speech::Result(source.author.name.get()),
            _ => Speech::Plain,
        };
        let kind = source.content.kind.get().unwrap_or("");
        let mut message = Message {
            id: Some(source.id.get().unwrap_or(key).to_owned()),
            parent,
            author,
            recipient: recipient.map(str::to_owned),
            time: source_time(source.create_time),
            edited: source_time(source.update_time),
            visibility: visibility(source, role, kind),
            abandoned,
            model: source.metadata.model.owned().filter(|_| role == Role::Assistant),
            ..Message::default()
        };
        self.content(kind, &source.content, speech, &mut message.parts);
        self.uploads(source, &mut message.parts);
        self.citations(source, &mut message.parts);
        self.conversation.messages.push(message);
        u32::try_from(self.conversation.messages.len() - 1).ok()
    }

    fn part(&mut self, kind: PartKind, name: Option<&str>, text: &str) -> Part {
        Part { kind, text: self.conversation.push_text(text), name: name.map(str::to_owned), ..Part::default() }
    }

    /// Adds text as what the message says; nothing for empty text.
    fn say(&mut self, speech: Speech<'_>, text: &str, parts: &mut Vec<Part>) {
        if text.is_empty() {
            return;
        }
        let part = match speech {
            Speech::Plain => self.part(PartKind::Text, None, text),
            Speech::Result(tool) => self.part(PartKind::ToolResult, tool, text),
            Speech::Call(tool) if tool.starts_with("canmore.") => return self.canvas_call(tool, text, parts),
            Speech::Call(tool) => self.part(PartKind::ToolCall, Some(tool), text),
        };
        parts.push(part);
    }

    /// Canvas text stands nowhere but in the calls: created whole, then edited by pattern. A whole text
    /// becomes a document; an edit stays the call it is, because only Python's patterns could apply it.
    fn canvas_call(&mut self, tool: &str, text: &str, parts: &mut Vec<Part>) {
        let call = from_slice::<CanvasCall<'_>>(text.as_bytes(), &Recorder::default()).unwrap_or_default();
        if let Some(content) = call.content.get() {
            let title = call.name.owned();
            parts.push(self.part(PartKind::Document, title.as_deref(), content));
            self.canvas = title;
            return;
        }
        match call.updates.0.as_slice() {
            [update] if matches!(update.pattern.get(), Some(".*" | "(?s).*" | "^.*$")) => {
                let title = self.canvas.clone();
                let replacement = update.replacement.get().unwrap_or("");
                parts.push(self.part(PartKind::Document, title.as_deref(), replacement));
            }
            _ => parts.push(self.part(PartKind::ToolCall, Some(tool), text)),
        }
    }

    fn content(&mut self, kind: &str, content: &Content<'_>, speech: Speech<'_>, parts: &mut Vec<Part>) {
        for source in &content.parts.0 {
            match source {
                PartSource::Text(text) => self.say(speech, text, parts),
                PartSource::Object(fields) => self.object_part(fields, speech, parts),
                PartSource::List(json) => {
                    self.recorder.unknown("message.content.parts", "list");
                    parts.push(self.part(PartKind::Unknown, Some("list"), json));
                }
                PartSource::Nothing => {}
            }
        }
        let fields = &content.fields;
        let recorder = self.recorder;
        let text = |key: &str| fields.text(key, recorder);
        let used: &[&str] = match kind {
            "text" | "multimodal_text" | "" => {
                self.say(speech, text("text").get().unwrap_or(""), parts);
                &["text"]
            }
            "code" => {
                let language = text("language").owned().filter(|language| language != "unknown");
                let code = text("text");
                match (speech, code.get()) {
                    (Speech::Plain, Some(code)) => parts.push(self.part(PartKind::Code, language.as_deref(), code)),
                    (_, code) => self.say(speech, code.unwrap_or(""), parts),
                }
                &["text", "language", "response_format_name"]
            }
            "execution_output" => {
                self.say(as_result(speech), text("text").get().unwrap_or(""), parts);
                &["text"]
            }
            "system_error" => {
                let name = text("name");
                self.say(Speech::Result(name.get()), text("text").get().unwrap_or(""), parts);
                &["text", "name"]
            }
            "thoughts" => {
                for thought in fields.get("thoughts").parse::<List<Fields<'_>>>(recorder).0 {
                    self.thought(&thought, parts);
                }
                &["thoughts", "source_analysis_msg_id"]
            }
            "reasoning_recap" => {
                if let Some(recap) = text("content").get() {
                    parts.push(self.part(PartKind::Thinking, None, recap));
                }
                &["content"]
            }
            "user_editable_context" => {
                self.say(speech, text("user_profile").get().unwrap_or(""), parts);
                self.say(speech, text("user_instructions").get().unwrap_or(""), parts);
                &["user_profile", "user_instructions"]
            }
            "model_editable_context" => {
                self.say(speech, text("model_set_context").get().unwrap_or(""), parts);
                self.say(speech, text("repo_summary").get().unwrap_or(""), parts);
                &["model_set_context", "repo_summary", "repository", "structured_context"]
            }
            "tether_browsing_display" => {
                self.say(as_result(speech), text("result").get().unwrap_or(""), parts);
                self.say(as_result(speech), text("summary").get().unwrap_or(""), parts);
                &["result", "summary", "assets", "tether_id"]
            }
            "tether_quote" | "sonic_webpage" => {
                self.say(as_result(speech), text("text").get().unwrap_or(""), parts);
                let (title, url) = (text("title"), text("url"));
                self.cite(title.get().or(text("domain").get()), url.get(), None, parts);
                &["text", "title", "url", "domain", "tether_id", "snippet", "pub_date", "crawl_date", "pub_timestamp", "ref_id"]
            }
            "computer_output" => {
                let screenshot: Fields<'_> = fields.get("screenshot").parse(recorder);
                self.file_part(&screenshot, parts);
                if let Some(state) = fields.get("state").get() {
                    parts.push(self.part(PartKind::Unknown, Some("state"), state));
                }
                &["screenshot", "state", "computer_id", "tether_id", "is_ephemeral"]
            }
            other => {
                recorder.unknown("message.content", other);
                parts.push(self.part(PartKind::Unknown, Some(other), &fields.to_json()));
                return;
            }
        };
        for (key, _) in &fields.0 {
            if !used.contains(&key.as_ref()) {
                recorder.unknown("message.content", key);
            }
        }
    }

    fn thought(&mut self, thought: &Fields<'_>, parts: &mut Vec<Part>) {
        let (summary, content) = (thought.text("summary", self.recorder), thought.text("content", self.recorder));
        let text = match (summary.get(), content.get()) {
            (Some(summary), Some(content)) => format!("{summary}\n\n{content}"),
            (Some(text), None) | (None, Some(text)) => text.to_owned(),
            (None, None) => return,
        };
        parts.push(self.part(PartKind::Thinking, None, &text));
    }

    fn object_part(&mut self, fields: &Fields<'_>, speech: Speech<'_>, parts: &mut Vec<Part>) {
        let kind = fields.text("content_type", self.recorder);
        match kind.get().unwrap_or("") {
            "audio_transcription" => {
                let text = fields.text("text", self.recorder);
                self.say(speech, text.get().unwrap_or(""), parts);
            }
            "image_asset_pointer" | "audio_asset_pointer" | "video_container_asset_pointer" => {
                self.file_part(fields, parts);
            }
            "real_time_user_audio_video_asset_pointer" => {
                for key in ["audio_asset_pointer", "video_container_asset_pointer"] {
                    self.pointer(fields.get(key), parts);
                }
                for frame in fields.get("frames_asset_pointers").list(self.recorder) {
                    self.pointer(frame, parts);
                }
            }
            other => {
                let name = if other.is_empty() { "part" } else { other };
                self.recorder.unknown("message.content.parts", name);
                parts.push(self.part(PartKind::Unknown, Some(name), &fields.to_json()));
                if fields.get("asset_pointer").get().is_some() {
                    self.file_part(fields, parts);
                }
            }
        }
    }

    /// A pointer that is either the address itself or an object that holds it.
    fn pointer(&mut self, raw: Raw<'_>, parts: &mut Vec<Part>) {
        let Some(json) = raw.get() else { return };
        if json.starts_with('{') {
            let fields: Fields<'_> = raw.parse(self.recorder);
            self.file_part(&fields, parts);
        } else {
            let address: Text<'_> = raw.parse(self.recorder);
            if let Some(address) = address.get() {
                let attachment = self.attach(assets::pointer_id(address), Attachment::default());
                self.show(attachment, "", parts);
            }
        }
    }

    /// A file named by an object with `asset_pointer`; its caption is the prompt it was drawn from.
    fn file_part(&mut self, fields: &Fields<'_>, parts: &mut Vec<Part>) {
        let pointer = fields.text("asset_pointer", self.recorder);
        let Some(pointer) = pointer.get() else { return };
        let size = size(fields.get("size_bytes"));
        let metadata: Fields<'_> = fields.get("metadata").parse(self.recorder);
        let drawn: Fields<'_> = metadata.get("dalle").parse(self.recorder);
        let prompt = drawn.text("prompt", self.recorder);
        let attachment = self.attach(assets::pointer_id(pointer), Attachment { size, ..Attachment::default() });
        self.show(attachment, prompt.get().unwrap_or(""), parts);
    }

    fn show(&mut self, attachment: u32, caption: &str, parts: &mut Vec<Part>) {
        let mut part = self.part(PartKind::Attachment, None, caption);
        part.attachment = Some(attachment);
        parts.push(part);
    }

    /// The attachment of this id, added when new; what `told` knows fills what was not known.
    fn attach(&mut self, id: &str, told: Attachment) -> u32 {
        let context = self.context;
        let list = &mut self.conversation.attachments;
        let index = *self.known.entry(id.to_owned()).or_insert_with(|| {
            let payload = assets::resolve(context, id).map(Payload::Member);
            list.push(Attachment { id: Some(id.to_owned()), payload, ..Attachment::default() });
            u32::try_from(list.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(known) = usize::try_from(index).ok().and_then(|at| list.get_mut(at)) {
            let from_file = known.member().and_then(|member| assets::original_name(context, member));
            // The message's own word for the name is better than what the file name shows.
            known.name = told.name.or_else(|| known.name.take()).or(from_file);
            known.media_type = known.media_type.take().or(told.media_type);
            known.size = known.size.or(told.size);
        }
        index
    }

    fn uploads(&mut self, source: &MessageSource<'_>, parts: &mut Vec<Part>) {
        for upload in &source.metadata.attachments.0 {
            let told = Attachment {
                name: upload.name.owned(),
                media_type: upload.mime_type.owned().or_else(|| upload.mime_type_2023.owned()),
                size: size(upload.size),
                ..Attachment::default()
            };
            let Some(id) = upload.id.get() else {
                if told.name.is_some() {
                    self.conversation.attachments.push(told);
                    let index = u32::try_from(self.conversation.attachments.len() - 1).unwrap_or(u32::MAX);
                    self.show(index, "", parts);
                }
                continue;
            };
            let index = self.attach(assets::pointer_id(id), told);
            if !parts.iter().any(|part| part.attachment == Some(index)) {
                self.show(index, "", parts);
            }
        }
    }

    /// Adds a citation once per message; the text it stands in is left as it is.
    fn cite(&mut self, title: Option<&str>, url: Option<&str>, marker: Option<&str>, parts: &mut Vec<Part>) {
        let Some(text) = title.or(url.and(marker)).or(url) else { return };
        let same = |part: &Part| {
            part.kind == PartKind::Citation && part.url.as_deref() == url && self.conversation.text_of(part) == text
        };
        if !parts.iter().any(same) {
            let mut part = self.part(PartKind::Citation, None, text);
            part.url = url.map(str::to_owned);
            parts.push(part);
        }
    }

    fn citations(&mut self, source: &MessageSource<'_>, parts: &mut Vec<Part>) {
        for reference in &source.metadata.references.0 {
            let marker = reference.matched_text.get();
            let title = reference.title.get().or(reference.name.get());
            if title.is_some() || reference.url.get().is_some() {
                self.cite(title, reference.url.get(), marker, parts);
            }
            for item in reference.items.0.iter().chain(&reference.sources.0) {
                self.cite(item.title.get(), item.url.get(), marker, parts);
            }
        }
        for citation in &source.metadata.citations.0 {
            if let Some(page) = &citation.metadata.0 {
                self.cite(page.title.get().or(page.name.get()), page.url.get(), None, parts);
            }
        }
    }
}

/// A number of bytes, written as a number or as a string.
fn size(raw: Raw<'_>) -> Option<u64> {
    raw.get()?.trim_matches('"').parse().ok()
}

/// What a tool puts out stays its output even where the author is not marked as a tool.
fn as_result(speech: Speech<'_>) -> Speech<'_> {
    match speech {
        Speech::Result(tool) => Speech::Result(tool),
        _ => Speech::Result(None),
    }
}

/// Whether ChatGPT shows the message: its flag and a weight of 0 hide it, and so does what it is.
fn visibility(source: &MessageSource<'_>, role: Role, kind: &str) -> Visibility {
    let weightless = source.weight.get().and_then(|weight| weight.parse::<f64>().ok()) == Some(0.0);
    let instruction = matches!(kind, "user_editable_context" | "model_editable_context")
        || (role == Role::System && kind != "system_error");
    if source.metadata.is_hidden.0 || weightless || instruction { Visibility::Hidden } else { Visibility::Shown }
}
