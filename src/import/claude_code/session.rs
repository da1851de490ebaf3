//! A session read line by line, in the order of its files: every record becomes a message, a part of one, or a count.
//!
//! Records name their parent, and the names cannot be relied on: parents that were never written, chains that run
//! through records without words. So the order of the lines stands, and the chain is a note on it.

use std::collections::HashMap;
use std::ops::Range;

use super::agents::{Call, Thread};
use super::parts::{self, Files, Told, Writer};
use super::record::{Meta, Record, bookkeeping};
use super::scan;
use super::wrapped::{ASIDES, INTERRUPTED, command, is_wrapped, unwrapped};
use crate::import::title::cut;
use crate::conversation::{Conversation, Kind, Message, Part, PartKind, SourceTime, Visibility};
use crate::crypto::hash::labelled;
use crate::import::json::lines::{BadLine, Line, lines, record};
use crate::import::json::tolerant::{Fields, Recorder, from_slice};
use crate::import::{Notes, Problem, hex_id, time};

/// Most parts an answer grows to. One answer has a few dozen blocks; a log that names one id on every line must not
/// make a message of millions.
const MAX_PARTS: usize = 1_000;
/// Who says a message, until the names of agents are known.
pub(super) enum Speaker {
    User,
    Assistant,
    System,
    Tool(Option<String>),
    /// The agent of the message's thread.
    Agent,
    /// Whoever called the agent, speaking to it.
    ToAgent,
}

/// A message on its way.
pub(super) struct Draft {
    pub(super) message: Message,
    pub(super) speaker: Speaker,
    pub(super) thread: usize,
    /// The draft it follows, and whether the source says so.
    pub(super) parent: Option<usize>,
    pub(super) is_linked: bool,
}

/// Where a uuid stands.
pub(super) struct Place {
    /// The message that speaks for it: its own, or for a record without words the one before.
    pub(super) draft: Option<usize>,
    pub(super) file: usize,
    pub(super) line: Range<usize>,
    /// What the line says, once that was asked for.
    pub(super) said: Option<Range<usize>>,
}

/// A prompt that waited while the program was busy.
pub(super) struct Queued {
    pub(super) text: String,
    pub(super) time: Option<SourceTime>,
    pub(super) thread: usize,
    pub(super) behind: Option<usize>,
    pub(super) id: String,
}

/// See the module.
#[derive(Default)]
pub(super) struct Session<'a> {
    pub(super) conversation: Conversation,
    pub(super) notes: Notes,
    pub(super) problems: Vec<Problem>,
    pub(super) drafts: Vec<Draft>,
    pub(super) threads: Vec<Thread>,
    /// Prompts of the session itself by the parent they name.
    pub(super) prompts: HashMap<String, Vec<usize>>,
    pub(super) calls: Vec<Call>,
    pub(super) calls_by_id: HashMap<String, usize>,
    pub(super) calls_by_agent: HashMap<String, usize>,
    /// Calls that start an agent, the latest last; those that were taken are passed over.
    pub(super) tasks: Vec<usize>,
    pub(super) tasks_by_prompt: HashMap<String, Vec<usize>>,
    pub(super) files: Files,
    pub(super) sources: Vec<&'a [u8]>,
    pub(super) uuids: HashMap<String, Place>,
    /// The uuid of the record at hand has no place yet.
    is_new: bool,
    /// Answers by thread and the id the vendor gave them.
    pub(super) answers: HashMap<(usize, String), usize>,
    pub(super) dangling: Vec<String>,
    pub(super) queued: Vec<Queued>,
    pub(super) session: Option<String>,
    /// The id on the object around the records.
    pub(super) outer_id: Option<String>,
    pub(super) custom_title: Option<String>,
    pub(super) ai_title: Option<String>,
    /// Summaries, each with the record it is of.
    pub(super) summary: Option<(String, String)>,
    pub(super) own_summary: Option<String>,
    pub(super) command: Option<String>,
    pub(super) prompt: Option<String>,
}

impl<'a> Session<'a> {
    pub(super) fn new() -> Self {
        Self {
            conversation: Conversation { kind: Kind::AgentSession, ..Conversation::default() },
            threads: vec![Thread::default()],
            ..Self::default()
        }
    }

    /// Reads the session's own file.
    pub(super) fn main(&mut self, place: &str, bytes: &'a [u8]) {
        self.file(place, bytes, 0);
    }

    /// Reads the log of an agent.
    pub(super) fn agent(&mut self, place: &str, bytes: &'a [u8], meta: Option<&[u8]>) {
        let recorder = Recorder::default();
        // What cannot be read of the note beside it costs the agent its name and nothing else.
        let meta: Meta<'_> = meta.and_then(|json| from_slice(json, &recorder).ok()).unwrap_or_default();
        self.notes.add(recorder.finish());
        self.threads.push(Thread {
            is_file: true,
            name: meta.agent_type.owned(),
            description: meta.description.owned(),
            tool_use_id: meta.tool_use_id.owned().or_else(|| meta.tool_use_id_2.owned()),
            ..Thread::default()
        });
        self.file(place, bytes, self.threads.len() - 1);
    }

    fn file(&mut self, place: &str, bytes: &'a [u8], thread: usize) {
        self.sources.push(bytes);
        for line in lines(bytes) {
            self.line(&line, thread, || format!("{place} line {}", line.number));
        }
    }

    /// Reads a session of the web: one object with a list of records.
    pub(super) fn web(&mut self, place: &str, bytes: &'a [u8]) {
        self.sources.push(bytes);
        let recorder = Recorder::default();
        for (key, value) in scan::fields(bytes) {
            match key {
                b"loglines" => {
                    let offset = value.as_ptr() as usize - bytes.as_ptr() as usize;
                    for (number, element) in (0..).zip(scan::elements(value)) {
                        let (start, is_open) = (offset + element.start, element.is_open);
                        let line = Line { number, start, bytes: element.bytes, is_open };
                        self.line(&line, 0, || format!("{place}[{number}]"));
                    }
                }
                b"sessionId" | b"session_id" | b"id" | b"uuid" => {
                    let id = scan::string(value).and_then(|id| std::str::from_utf8(id).ok());
                    self.outer_id = id.map(str::to_owned).or(self.outer_id.take());
                }
                b"title" | b"name" => {
                    self.custom_title = serde_json::from_slice(value).ok().or(self.custom_title.take());
                }
                b"created_at" | b"updated_at" | b"cwd" | b"version" => {}
                key => recorder.unknown("session", &String::from_utf8_lossy(key)),
            }
        }
        self.notes.add(recorder.finish());
    }

    fn line(&mut self, line: &Line<'a>, thread: usize, place: impl Fn() -> String) {
        let mut notes = std::mem::take(&mut self.notes);
        let read = record(line, &mut notes, |json, recorder| {
            let record = from_slice::<Record<'_>>(json, recorder)?;
            self.record(&record, json, line, thread, recorder);
            Ok(())
        });
        notes.add(std::mem::take(&mut self.notes));
        self.notes = notes;
        match read {
            Ok(()) => {}
            Err(BadLine::Truncated) if !self.drafts.is_empty() => {
                *self.notes.repaired.entry("truncated last line").or_default() += 1;
            }
            Err(bad) => self.problems.push(Problem { place: place(), reason: bad.reason() }),
        }
    }

    pub(super) fn count(&mut self, record: &'static str) {
        *self.notes.records.entry(record).or_default() += 1;
    }

    fn record(&mut self, record: &Record<'_>, json: &[u8], line: &Line<'a>, thread: usize, recorder: &Recorder) {
        let kind = record.kind.get().unwrap_or("");
        let time = record.timestamp.get().and_then(time::from_json);
        self.note_session(record, time.as_ref(), recorder);
        let repeats = record.uuid.get().and_then(|uuid| self.repeats(uuid, line));
        self.is_new = repeats.is_none();
        if let Some(same) = repeats {
            if same {
                return self.count("repeats an earlier line");
            }
            recorder.repaired("uuid of an earlier line");
        }
        let thread = self.thread_of(record, thread);
        let before = self.drafts.len();
        match kind {
            "user" | "assistant" => self.say(record, kind == "user", time, line, thread, recorder),
            "system" if record.content.is_given() => {
                let told = self.told(recorder, |writer| writer.content(&record.content));
                self.hidden(told, record, time, line, thread, recorder);
            }
            "system" => self.count("system record"),
            "attachment" => self.added(record, time, line, thread, recorder),
            _ => match bookkeeping(kind) {
                Some(words) => {
                    self.count(words);
                    self.note(record, kind, time, line, thread);
                }
                None => {
                    recorder.unknown("record.type", if kind.is_empty() { "none" } else { kind });
                    if record.message.is_given || record.content.is_given() || record.attachment.get().is_some() {
                        let json = String::from_utf8_lossy(json);
                        let name = if kind.is_empty() { "record" } else { kind };
                        let told = self.told(recorder, |writer| writer.unknown(name, &json));
                        self.hidden(told, record, time, line, thread, recorder);
                    } else {
                        self.count("record of an unknown type");
                    }
                }
            },
        }
        // A record without words passes on the place it has in the chain.
        if let Some(uuid) = record.uuid.get().filter(|_| self.is_new) {
            let draft = match self.drafts.len() > before {
                true => Some(self.drafts.len() - 1),
                false => record.parent.get().and_then(|parent| self.uuids.get(parent)?.draft),
            };
            self.place(uuid, draft, line);
        }
    }

    /// What a record says of the session as a whole.
    fn note_session(&mut self, record: &Record<'_>, time: Option<&SourceTime>, recorder: &Recorder) {
        let earlier = |known: &Option<SourceTime>| known.as_ref().is_none_or(|known| time.is_some_and(|t| t.at < known.at));
        let later = |known: &Option<SourceTime>| known.as_ref().is_none_or(|known| time.is_some_and(|t| t.at >= known.at));
        if time.is_some_and(|time| time.at.is_some()) {
            if earlier(&self.conversation.created) {
                self.conversation.created = time.cloned();
            }
            if later(&self.conversation.updated) {
                self.conversation.updated = time.cloned();
            }
        }
        if self.session.is_none() {
            self.session = record.session.owned();
        }
        if self.conversation.project.is_none() {
            self.conversation.project = record.cwd.owned();
        }
        if self.conversation.continues.is_none() && record.forked_from.get().is_some() {
            let from: Fields<'_> = record.forked_from.parse(recorder);
            let from = from.text("sessionId", recorder);
            self.conversation.continues = from.owned().filter(|from| record.session.get() != Some(from));
        }
    }

    /// Titles, and prompts that wait.
    fn note(&mut self, record: &Record<'_>, kind: &str, time: Option<SourceTime>, line: &Line<'_>, thread: usize) {
        match kind {
            "custom-title" => self.custom_title = record.custom_title.owned().or(self.custom_title.take()),
            "ai-title" => self.ai_title = record.ai_title.owned().or(self.ai_title.take()),
            "summary" => {
                if let Some(summary) = record.summary.owned() {
                    self.summary = Some((record.leaf.get().unwrap_or("").to_owned(), summary.clone()));
                    if record.leaf.get().is_none_or(|leaf| self.uuids.contains_key(leaf)) {
                        self.own_summary = Some(summary);
                    }
                }
            }
            "queue-operation" if record.operation.get() == Some("enqueue") => {
                let recorder = Recorder::default();
                let start = self.conversation.text.len();
                let told = self.told(&recorder, |writer| writer.content(&record.content));
                let text = self.text_of(&told.parts);
                self.conversation.text.truncate(start);
                if !text.is_empty() && !is_wrapped(&text) {
                    let id = line_id(line);
                    self.queued.push(Queued { text, time, thread, behind: self.threads[thread].last, id });
                }
            }
            _ => {}
        }
    }

    pub(super) fn text_of(&self, parts: &[Part]) -> String {
        let texts = parts.iter().filter(|part| part.kind == PartKind::Text);
        let texts: Vec<&str> = texts.map(|part| self.conversation.text_of(part).trim()).collect();
        texts.join("\n")
    }

    /// Whether the uuid came already and, if so, with the same words.
    fn repeats(&mut self, uuid: &str, line: &Line<'_>) -> Option<bool> {
        let place = self.uuids.get_mut(uuid)?;
        let source = *self.sources.get(place.file)?;
        let earlier = source.get(place.line.clone())?;
        let words = place.said.get_or_insert_with(|| said(earlier)).clone();
        let earlier = earlier.get(words)?;
        Some(earlier == line.bytes.get(said(line.bytes))?)
    }

    fn place(&mut self, uuid: &str, draft: Option<usize>, line: &Line<'_>) {
        let file = self.sources.len() - 1;
        let range = line.start..line.start + line.bytes.len();
        self.uuids.insert(uuid.to_owned(), Place { draft, file, line: range, said: None });
        self.is_new = false;
    }

    /// Lets `write` write parts.
    fn told(&mut self, recorder: &Recorder, write: impl FnOnce(&mut Writer<'_>)) -> Told {
        let (calls, ids) = (&self.calls, &self.calls_by_id);
        let tools = |id: &str| ids.get(id).and_then(|at| calls.get(*at)).map(|call| call.name.clone());
        let mut writer = Writer {
            conversation: &mut self.conversation,
            files: &mut self.files,
            tools: &tools,
            recorder,
            told: Told::default(),
        };
        write(&mut writer);
        writer.told
    }

    /// A record that is no part of what was said, and went to the model all the same.
    fn hidden(
        &mut self,
        told: Told,
        record: &Record<'_>,
        time: Option<SourceTime>,
        line: &Line<'_>,
        thread: usize,
        recorder: &Recorder,
    ) {
        let message = Message { visibility: Visibility::Hidden, time, parts: told.parts, ..Message::default() };
        self.draft(message, Speaker::System, record, line, thread, recorder);
    }

    /// What the program adds to the conversation by itself; a prompt that was typed while it worked is the person's.
    fn added(
        &mut self,
        record: &Record<'_>,
        time: Option<SourceTime>,
        line: &Line<'_>,
        thread: usize,
        recorder: &Recorder,
    ) {
        let fields: Fields<'_> = record.attachment.parse(recorder);
        let text = |key: &str| fields.text(key, recorder);
        if text("type").get() == Some("queued_command") {
            let told = self.told(recorder, |writer| writer.content(&fields.get("prompt").parse(recorder)));
            let origin: Fields<'_> = fields.get("origin").parse(recorder);
            let is_prompt = text("commandMode").get().is_none_or(|mode| mode == "prompt")
                && origin.text("kind", recorder).get().is_none_or(|kind| kind == "human")
                && fields.get("isMeta").get() != Some("true")
                && !is_wrapped(&self.text_of(&told.parts));
            if is_prompt && thread == 0 && !record.is_meta.0 {
                self.prompt_said(&told.parts);
                let message = Message { time, parts: told.parts, ..Message::default() };
                self.draft(message, Speaker::User, record, line, thread, recorder);
            } else {
                self.hidden(told, record, time, line, thread, recorder);
            }
            return;
        }
        let json = record.attachment.get().unwrap_or("");
        let told = self.told(recorder, |writer| parts::added(writer, &fields, json));
        if told.parts.is_empty() {
            self.count("attachment record");
        } else {
            self.hidden(told, record, time, line, thread, recorder);
        }
    }

    fn say(
        &mut self,
        record: &Record<'_>,
        is_user: bool,
        time: Option<SourceTime>,
        line: &Line<'_>,
        thread: usize,
        recorder: &Recorder,
    ) {
        let source = &record.message.fields;
        // The oldest logs and some forks have the content on the record itself.
        let content = if record.message.is_given { &source.content } else { &record.content };
        let told = self.told(recorder, |writer| writer.content(content));
        let Told { parts, calls, result_of, is_result } = told;
        let result_call = result_of.as_deref().and_then(|id| self.calls_by_id.get(id).copied());
        if let Some(call) = result_call {
            self.note_agent(record, call, recorder);
        }
        let is_agent = thread > 0;
        let text = if is_user && !is_result { self.text_of(&parts) } else { String::new() };
        let is_aside = record.is_meta.0 || record.is_compact_summary.0 || record.is_transcript_only.0 || is_wrapped(&text);
        let is_hidden = is_agent || (is_user && !is_result && is_aside);
        let speaker = match (is_result, is_user, is_agent) {
            (true, true, _) => Speaker::Tool(result_call.and_then(|at| Some(self.calls.get(at)?.name.clone()))),
            (_, true, false) => Speaker::User,
            (_, true, true) => Speaker::ToAgent,
            (_, false, false) => Speaker::Assistant,
            (_, false, true) => Speaker::Agent,
        };
        let model = source.model.owned().filter(|model| !is_user && model != "<synthetic>");
        if let (Some(model), false) = (&model, is_agent) {
            self.conversation.model = Some(model.clone());
        }
        let answer = source.id.get().filter(|_| !is_user).map(|id| (thread, id.to_owned()));
        let continued = answer.as_ref().and_then(|key| self.answers.get(key).copied());
        let at = match continued.filter(|at| self.drafts[*at].message.parts.len() < MAX_PARTS) {
            Some(at) => {
                self.count("continues an answer");
                self.drafts[at].message.parts.extend(parts);
                if let Some(uuid) = record.uuid.get().filter(|_| self.is_new) {
                    self.place(uuid, Some(at), line);
                }
                at
            }
            None => {
                if is_agent && is_user && !is_result && self.threads[thread].last.is_none() {
                    self.threads[thread].prompt = Some(unwrapped(&text).to_owned());
                }
                if is_user && !is_agent && !is_result && !is_aside {
                    self.prompt_said(&parts);
                    if let Some(parent) = record.parent.get().filter(|_| !text.starts_with(INTERRUPTED)) {
                        self.prompts.entry(parent.to_owned()).or_default().push(self.drafts.len());
                    }
                } else if is_user && self.command.is_none() && !is_agent {
                    self.command = command(&text).as_deref().and_then(cut);
                }
                let visibility = if is_hidden { Visibility::Hidden } else { Visibility::Shown };
                let message = Message { time, visibility, model, parts, ..Message::default() };
                self.draft(message, speaker, record, line, thread, recorder)
            }
        };
        if let Some(key) = answer {
            self.answers.insert(key, at);
        }
        for call in calls {
            let index = self.calls.len();
            if let Some(id) = call.id {
                self.calls_by_id.insert(id, index);
            }
            if let Some(task) = &call.agent {
                self.tasks.push(index);
                if let Some(prompt) = &task.prompt {
                    self.tasks_by_prompt.entry(prompt.trim().to_owned()).or_default().push(index);
                }
            }
            self.calls.push(Call { draft: at, name: call.name, task: call.agent, is_taken: false });
        }
    }

    /// Takes the first line of the first prompt for a title.
    fn prompt_said(&mut self, parts: &[Part]) {
        if self.prompt.is_some() {
            return;
        }
        let texts = parts.iter().filter(|part| part.kind == PartKind::Text);
        let said = |text: &&str| !is_wrapped(text) && !ASIDES.iter().any(|aside| text.starts_with(aside));
        let first = texts.map(|part| self.conversation.text_of(part)).filter(said).find_map(|text| {
            text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(INTERRUPTED))
        });
        self.prompt = first.and_then(cut);
    }

    fn draft(
        &mut self,
        mut message: Message,
        speaker: Speaker,
        record: &Record<'_>,
        line: &Line<'_>,
        thread: usize,
        recorder: &Recorder,
    ) -> usize {
        let at = self.drafts.len();
        let uuid = record.uuid.get().filter(|_| self.is_new);
        message.id = Some(uuid.map_or_else(|| line_id(line), str::to_owned));
        if let Some(uuid) = uuid {
            self.place(uuid, Some(at), line);
        }
        let named = record.parent.get().or(record.logical_parent.get());
        let known = named.and_then(|parent| self.uuids.get(parent)).and_then(|place| place.draft);
        let known = known.filter(|parent| *parent != at);
        if let (Some(parent), true) = (record.parent.get(), known.is_none())
            && self.uuids.get(parent).is_none_or(|place| place.draft == Some(at))
        {
            if record.uuid.get() == Some(parent) {
                recorder.repaired("ring of parents");
            } else {
                self.dangling.push(parent.to_owned());
            }
        }
        if thread > 0 && !self.threads[thread].is_file && self.threads[thread].last.is_none() {
            self.start_inside(thread, &message);
        }
        let before = self.threads[thread].last;
        let call = self.threads[thread].call.and_then(|call| self.calls.get(call)).map(|call| call.draft);
        let parent = known.or(before).or(call);
        self.drafts.push(Draft { message, speaker, thread, parent, is_linked: known.is_some() });
        let file = if self.threads[thread].is_file { thread } else { 0 };
        self.threads[file].order.push(at);
        self.threads[thread].last = Some(at);
        at
    }

    /// The id of the session, when something names one.
    pub(super) fn id(&self) -> Option<String> {
        self.session.clone().or_else(|| self.outer_id.clone())
    }
}

/// What of a line says something: the content of its message, or what stands for it. The rest of a message may
/// change when a line is written again: the usage is counted while the answer still comes.
fn said(line: &[u8]) -> Range<usize> {
    let message = field(line, b"message");
    let said = message.and_then(|message| field(message, b"content")).or(message);
    match said.or_else(|| field(line, b"attachment")).or_else(|| field(line, b"content")) {
        Some(value) => {
            let start = value.as_ptr() as usize - line.as_ptr() as usize;
            start..start + value.len()
        }
        None => 0..line.len(),
    }
}

fn field<'a>(object: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    scan::fields(object).find(|(key, _)| *key == wanted).map(|(_, value)| value)
}

/// An id for a record that has none of its own.
fn line_id(line: &Line<'_>) -> String {
    hex_id(&labelled("convault/claude-code/line", &[line.bytes]))
}
