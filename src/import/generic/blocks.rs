//! Blocks of content: the kinds that OpenAI's, Anthropic's and Vercel's interfaces know, and what is in them.

use super::turns::Writer;
use super::{first, source_name};
use crate::conversation::{Attachment, PartKind, Payload};
use crate::crypto::hash::sha256;
use crate::import::base64;
use crate::import::hex_id;
use crate::import::json::tolerant::{Fields, Raw, Recorder, Text, from_slice};

/// Fields of blocks that are read, or that mean nothing here. Any other is counted.
const KNOWN: &[&str] = &[
    "type",
    "id",
    "index",
    "text",
    "value",
    "refusal",
    "reasoning",
    "reasoning_content",
    "thinking",
    "summary",
    "signature",
    "encrypted_content",
    "image_url",
    "video_url",
    "audio_url",
    "image",
    "video",
    "audio",
    "url",
    "source",
    "data",
    "mimeType",
    "mime_type",
    "media_type",
    "mediaType",
    "detail",
    "input_audio",
    "file",
    "file_id",
    "file_url",
    "file_data",
    "filename",
    "name",
    "title",
    "call_id",
    "tool_use_id",
    "tool_call_id",
    "toolCallId",
    "toolName",
    "tool_name",
    "input",
    "arguments",
    "args",
    "parameters",
    "function",
    "custom",
    "content",
    "output",
    "result",
    "is_error",
    "isError",
    "status",
    "annotations",
    "logprobs",
    "cache_control",
    "caller",
    "format",
];

impl Writer<'_> {
    /// One block.
    pub(super) fn block(&mut self, block: &Fields<'_>) {
        self.block_within(block, false);
    }

    /// A block, perhaps within the output of a tool: there is no output within an output.
    fn block_within(&mut self, block: &Fields<'_>, in_result: bool) {
        let recorder = self.recorder;
        let kind = block.text("type", recorder);
        let kind = kind.get().unwrap_or("");
        match kind {
            "text" | "input_text" | "output_text" => self.block_text(block),
            "" if block.get("text").get().is_some() => self.block_text(block),
            "refusal" => self.say(block.text("refusal", recorder).get().unwrap_or("")),
            "reasoning" | "reasoning_content" | "reasoning_text" | "thinking" | "summary_text" => {
                self.block_thinking(block);
            }
            "image_url" | "input_image" | "image" | "video_url" | "input_video" | "video" | "audio_url" | "audio"
            | "input_audio" | "file" | "input_file" | "document" => self.media(kind, block),
            "tool_use" | "tool_call" | "tool-call" | "toolCall" | "function_call" | "function" | "custom_tool_call"
            | "server_tool_use" | "mcp_tool_use"
                if !in_result =>
            {
                let written = block.text("value", recorder);
                match written.get() {
                    Some(text) => self.call_text(text),
                    None => self.call_object(block),
                }
            }
            "tool_result" | "tool-result" | "toolResult" | "function_call_output" | "custom_tool_call_output"
                if !in_result =>
            {
                self.output(block);
            }
            other => {
                let name = if other.is_empty() { "block" } else { other };
                recorder.unknown("message.content", name);
                self.push(PartKind::Unknown, Some(name), &block.to_json());
                return;
            }
        }
        for (key, _) in &block.0 {
            if !KNOWN.contains(&key.as_ref()) {
                recorder.unknown("message.content", key);
            }
        }
    }

    /// A text; the Assistants' interface wraps it, and data sets call it `value`.
    fn block_text(&mut self, block: &Fields<'_>) {
        let raw = first(&[block.get("text"), block.get("value")]).unwrap_or_default();
        if raw.get().is_some_and(|json| json.starts_with('{')) {
            let wrapped: Fields<'_> = raw.parse(self.recorder);
            self.say(wrapped.text("value", self.recorder).get().unwrap_or(""));
            self.annotations(wrapped.get("annotations"));
        } else {
            self.say(raw.parse::<Text<'_>>(self.recorder).get().unwrap_or(""));
        }
        self.annotations(block.get("annotations"));
    }

    fn block_thinking(&mut self, block: &Fields<'_>) {
        let keys = ["thinking", "reasoning", "reasoning_content", "text", "value"];
        let found = first(&keys.map(|key| block.get(key))).unwrap_or_default();
        self.think(found.parse::<Text<'_>>(self.recorder).get().unwrap_or(""));
        for key in ["summary", "content"] {
            for piece in block.get(key).list(self.recorder) {
                let text = match piece.get().is_some_and(|json| json.starts_with('{')) {
                    true => piece.parse::<Fields<'_>>(self.recorder).text("text", self.recorder),
                    false => piece.parse::<Text<'_>>(self.recorder),
                };
                self.think(text.get().unwrap_or(""));
            }
        }
    }

    /// What a tool gave back: a text, blocks, or any JSON.
    fn output(&mut self, block: &Fields<'_>) {
        let text = |key: &str| block.text(key, self.recorder);
        let call = ["tool_use_id", "tool_call_id", "call_id", "toolCallId"];
        let call = call.iter().map(|key| text(key)).find(|id| id.get().is_some()).unwrap_or_default();
        let tool = ["name", "toolName", "tool_name"].iter().map(|key| text(key)).find(|name| name.get().is_some());
        let tool = tool.unwrap_or_default();
        let given = first(&["content", "output", "result", "value"].map(|key| block.get(key)));
        let Some(raw) = given else { return self.result(call.get(), tool.get(), "") };
        let json = raw.get().unwrap_or("");
        let blocks: Vec<Raw<'_>> = match json.starts_with('[') {
            true => raw.list(self.recorder),
            false => Vec::new(),
        };
        let is_block = |raw: &Raw<'_>| raw.get().is_some_and(|json| json.starts_with('{') && json.contains("\"type\""));
        if json.starts_with('"') {
            self.result(call.get(), tool.get(), raw.parse::<Text<'_>>(self.recorder).get().unwrap_or(""));
        } else if !blocks.is_empty() && blocks.iter().all(is_block) {
            for block in blocks {
                let block: Fields<'_> = block.parse(self.recorder);
                let kind = block.text("type", self.recorder);
                match kind.get() {
                    Some("text" | "input_text" | "output_text") => {
                        let text = block.text("text", self.recorder);
                        self.result(call.get(), tool.get(), text.get().unwrap_or(""));
                    }
                    _ => self.block_within(&block, true),
                }
            }
        } else {
            self.result(call.get(), tool.get(), json);
        }
    }

    /// A file in whatever way the interfaces give one. Nothing is fetched: what stands elsewhere is cited.
    fn media(&mut self, kind: &str, block: &Fields<'_>) {
        let recorder = self.recorder;
        let inner = first(&[kind, "source", "file", "image_url", "input_audio"].map(|key| block.get(key)));
        let inner = inner.unwrap_or_default();
        let inside: Fields<'_> = match inner.get().is_some_and(|json| json.starts_with('{')) {
            true => inner.parse(recorder),
            false => Fields::default(),
        };
        let text = |keys: &[&str]| {
            let found = keys.iter().flat_map(|key| [inside.text(key, recorder), block.text(key, recorder)]);
            found.into_iter().find(|text| text.get().is_some()).unwrap_or_default()
        };
        let name = text(&["filename", "name", "title"]);
        let format = text(&["media_type", "mediaType", "mime_type", "mimeType"]);
        let short = text(&["format"]);
        let media_type = format.owned().or_else(|| Some(format!("audio/{}", short.get()?)));
        let is_address = inner.get().is_some_and(|json| json.starts_with('"'));
        let address = match is_address {
            true => inner.parse::<Text<'_>>(recorder),
            false => text(&["url", "file_url", "data", "file_data"]),
        };
        let id = text(&["file_id", "id"]);
        match address.get() {
            Some(written) if kind == "document" && media_type.as_deref() == Some("text/plain") => {
                self.push(PartKind::Document, name.get(), written);
            }
            Some(address) => {
                let told = Attachment { id: id.owned(), name: name.owned(), media_type, ..Attachment::default() };
                self.address(address, told);
            }
            None if id.get().is_some() || name.get().is_some() => {
                let file = Attachment { id: id.owned(), name: name.owned(), media_type, ..Attachment::default() };
                self.attach(file);
            }
            None => self.push(PartKind::Unknown, Some(kind), &block.to_json()),
        }
    }

    /// A file by its address: the bytes themselves, a place elsewhere, or a name.
    fn address(&mut self, address: &str, told: Attachment) {
        match self.place(address, told) {
            Ok(file) => self.attach(file),
            Err(url) => self.cite(None, url),
        }
    }

    /// The file an address means; the address itself when it is a place elsewhere.
    pub(super) fn place<'t>(&self, address: &'t str, mut told: Attachment) -> Result<Attachment, &'t str> {
        if address.starts_with("http://") || address.starts_with("https://") {
            return Err(address);
        }
        if let Some(rest) = address.strip_prefix("data:") {
            let (head, payload) = rest.split_once(',').unwrap_or((rest, ""));
            let media_type = head.split(';').next().filter(|media_type| !media_type.is_empty());
            told.media_type = media_type.map(str::to_owned).or(told.media_type);
            return Ok(self.with_bytes(payload, told));
        }
        if told.media_type.is_some() {
            // Bytes come with their media type, a name comes without.
            return Ok(self.with_bytes(address, told));
        }
        told.id = told.id.or_else(|| Some(address.to_owned()));
        told.name = told.name.or_else(|| source_name(address));
        Ok(told)
    }

    fn with_bytes(&self, payload: &str, mut told: Attachment) -> Attachment {
        match base64::decode(payload).filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => {
                // By its bytes, so that the next import knows it again.
                told.id = told.id.or_else(|| Some(hex_id(&sha256(&[&bytes]))));
                told.size = Some(bytes.len() as u64);
                told.payload = Some(Payload::Inside(bytes));
            }
            None => self.recorder.repaired("undecodable Base64"),
        }
        told
    }

    /// The answer as sound, and the words in it.
    pub(super) fn recording(&mut self, json: &str) {
        let audio: Fields<'_> = from_slice(json.as_bytes(), self.recorder).unwrap_or_default();
        let text = |key: &str| audio.text(key, self.recorder);
        let (id, transcript, data) = (text("id"), text("transcript"), text("data"));
        let media_type = text("format").get().map(|format| format!("audio/{format}"));
        self.say(transcript.get().unwrap_or(""));
        let told = Attachment { id: id.owned(), media_type, ..Attachment::default() };
        match data.get() {
            Some(data) => {
                let file = self.with_bytes(data, told);
                self.attach(file);
            }
            None if id.get().is_some() => self.attach(told),
            None => {}
        }
    }

    /// What is noted about a text.
    pub(super) fn annotations(&mut self, raw: Raw<'_>) {
        for annotation in raw.list(self.recorder) {
            match annotation.get() {
                Some(json) if json.starts_with('{') => self.annotation(&annotation.parse(self.recorder)),
                Some(json) => self.push(PartKind::Unknown, Some("annotation"), json),
                None => {}
            }
        }
    }

    /// A citation; anything else that is noted about a text is kept with its JSON.
    fn annotation(&mut self, annotation: &Fields<'_>) {
        let trial = Recorder::default();
        let inner: Fields<'_> = annotation.get("url_citation").parse(&trial);
        let text = |key: &str| Some(inner.text(key, &trial)).filter(|t| t.get().is_some());
        let url = text("url").unwrap_or_else(|| annotation.text("url", &trial));
        let title = text("title").unwrap_or_else(|| annotation.text("title", &trial));
        match url.get() {
            Some(url) => self.cite(title.get(), url),
            None => self.push(PartKind::Unknown, Some("annotation"), &annotation.to_json()),
        }
    }
}
