//! A session as its records come in, and the conversation made of them in the end.
//!
//! Codex tells most texts twice: as an item of the model's history and as an event for its own window.
//! Which event repeats an item is known only when all items are, so pieces are gathered first.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::item::is_injected;
use super::record::{Compacted, Loose, Meta, TurnContext, field};
use crate::conversation::{Cast, Conversation, Kind, Message, Part, PartKind, Role, SourceTime, Visibility};
use crate::import::json::tolerant::{Raw, Recorder, Text};
use crate::import::title::cut;
use crate::import::{Notes, time};

/// What the editor extensions write above what the user typed.
const REQUEST: &str = "## My request for Codex:";
/// Native role of the instructions a session began with.
const INSTRUCTIONS: &str = "instructions";
/// Native role of the summary that took the place of a history.
const COMPACTED: &str = "compacted";

/// Most parts an answer grows to: a log without a prompt must not become one message of millions.
const MAX_PARTS: usize = 1_000;

/// Blocks of an answer that the program cuts out before it shows the text.
const CUT_BLOCKS: &[(&str, &str)] =
    &[("<proposed_plan>", "</proposed_plan>"), ("<oai-mem-citation>", "</oai-mem-citation>")];

/// How a piece joins the message before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// It stands alone.
    Never,
    /// It is a message of the model: what follows may join it, and it joins what leads up to it.
    Message,
    /// It is reasoning or a call of the model.
    Step,
}

/// Who says a text that may be told twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Voice {
    User,
    Assistant,
    Reasoning,
}

/// Which of the two kinds of events tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Teller {
    /// `user_message`, `agent_message`, `agent_reasoning`.
    Event,
    /// `item_completed`, which repeats both.
    Completed,
}

/// One step of the log that matters to the transcript.
enum Draft {
    Piece(Box<Message>, Join),
    Event { voice: Voice, teller: Teller, texts: Vec<String>, files: Vec<Part>, time: Option<SourceTime> },
    /// The last turns were taken back.
    Rollback(u64),
}

/// How often a text was told, for each teller to repeat it as often.
#[derive(Default)]
struct Told {
    event: u32,
    completed: u32,
}

/// A session being read.
pub(super) struct Session {
    pub(super) conversation: Conversation,
    records: Notes,
    drafts: Vec<Draft>,
    told: HashMap<(Voice, u64), Told>,
    hasher: RandomState,
    cast: Cast,
    pub(super) files: HashMap<String, u32>,
    /// Tool by the id of its call.
    pub(super) calls: HashMap<String, String>,
    model: Option<String>,
    id: Option<String>,
    has_meta: bool,
    names: Vec<(Option<String>, String)>,
}

impl Session {
    pub(super) fn new() -> Self {
        Self {
            conversation: Conversation { kind: Kind::AgentSession, ..Conversation::default() },
            records: Notes::default(),
            drafts: Vec::new(),
            told: HashMap::new(),
            hasher: RandomState::new(),
            cast: Cast::default(),
            files: HashMap::new(),
            calls: HashMap::new(),
            model: None,
            id: None,
            has_meta: false,
            names: Vec::new(),
        }
    }

    /// Counts records that make no message of their own.
    pub(super) fn count(&mut self, what: &'static str, times: u64) {
        if times > 0 {
            *self.records.records.entry(what).or_default() += times;
        }
    }

    /// What the source calls the session.
    pub(super) fn name(&mut self, thread: Option<String>, name: String) {
        self.names.push((thread, name));
    }

    /// Whether a header was read, so that a line like one is not another.
    pub(super) fn has_meta(&self) -> bool {
        self.has_meta
    }

    /// The first header is the session's own; those behind it were copied with a parent's history.
    pub(super) fn meta(&mut self, meta: &Meta<'_>, json: &str, recorder: &Recorder) {
        if std::mem::replace(&mut self.has_meta, true) {
            self.count("repeated header", 1);
            return;
        }
        self.id = meta.id.owned().or_else(|| meta.session_id.owned());
        self.conversation.created = source_time(meta.timestamp);
        self.conversation.project = meta.cwd.owned();
        self.conversation.model = meta.model.owned();
        // A copy of itself is no parent.
        self.conversation.continues = meta.forked_from.owned().filter(|from| Some(from) != self.id.as_ref());
        let source = match meta.source {
            Loose::Other => field(json, "source", recorder),
            _ => Raw::default(),
        };
        let is_subagent = source.get().is_some_and(|source| source.contains("\"subagent\""));
        if is_subagent || meta.thread_source.get() == Some("subagent") {
            self.conversation.flags.push("subagent".to_owned());
        }
        let base = match &meta.base_instructions {
            Loose::Other => {
                let raw = field(json, "base_instructions", recorder);
                field(raw.get().unwrap_or_default(), "text", recorder).parse::<Text<'_>>(recorder).owned()
            }
            other => other.text().map(str::to_owned),
        };
        let own = meta.instructions.text().map(str::to_owned);
        for text in [base, own].into_iter().flatten().filter(|text| !text.trim().is_empty()) {
            self.system(INSTRUCTIONS, &text, Visibility::Hidden, self.conversation.created.clone());
        }
    }

    /// The settings of a turn: the model that answers, and the folder where the header names none.
    pub(super) fn turn(&mut self, turn: &TurnContext<'_>) {
        self.count("settings of a turn", 1);
        self.model = turn.model.owned().or(self.model.take());
        if self.conversation.project.is_none() {
            self.conversation.project = turn.cwd.owned();
        }
    }

    /// The history made shorter. What it repeats is not shown again.
    pub(super) fn compacted(&mut self, compacted: &Compacted<'_>, time: Option<SourceTime>) {
        self.count("compaction", 1);
        self.count("history repeated by a compaction", compacted.history.0.len() as u64);
        if let Some(text) = compacted.message.get().filter(|text| !text.trim().is_empty()) {
            self.system(COMPACTED, text, Visibility::Hidden, time);
        }
    }

    /// A text of the program.
    pub(super) fn system(&mut self, native: &str, text: &str, visibility: Visibility, time: Option<SourceTime>) {
        let part = self.text_part(PartKind::Text, None, text);
        let author = self.author(Role::System, Some(native), None);
        let message = Message { author, visibility, time, parts: vec![part], ..Message::default() };
        self.push(message, Join::Never);
    }

    /// Something of a kind nobody here knows: kept, and not shown.
    pub(super) fn unknown(&mut self, path: &str, kind: &str, json: &str, time: Option<SourceTime>, recorder: &Recorder) {
        recorder.unknown(path, kind);
        let part = self.text_part(PartKind::Unknown, Some(kind), json);
        let author = self.author(Role::Other, None, None);
        let message =
            Message { author, visibility: Visibility::Hidden, time, parts: vec![part], ..Message::default() };
        self.push(message, Join::Never);
    }

    pub(super) fn push(&mut self, message: Message, join: Join) {
        self.drafts.push(Draft::Piece(Box::new(message), join));
    }

    pub(super) fn rollback(&mut self, turns: u64) {
        self.count("turn taken back", turns);
        self.drafts.push(Draft::Rollback(turns));
    }

    /// A text as an event tells it, with the files that stand beside it.
    pub(super) fn event(
        &mut self,
        voice: Voice,
        teller: Teller,
        texts: Vec<String>,
        files: Vec<Part>,
        time: Option<SourceTime>,
    ) {
        self.drafts.push(Draft::Event { voice, teller, texts, files, time });
    }

    /// The model that answers at this point; bare lines of a role and a text name it themselves.
    pub(super) fn model(&mut self, own: &Text<'_>) -> Option<String> {
        if let Some(model) = own.owned() {
            self.model = Some(model);
        }
        self.model.clone()
    }

    pub(super) fn author(&mut self, role: Role, native: Option<&str>, name: Option<&str>) -> u32 {
        self.cast.find(&mut self.conversation, role, native, name)
    }

    pub(super) fn text_part(&mut self, kind: PartKind, name: Option<&str>, text: &str) -> Part {
        let text = self.conversation.push_text(text);
        Part { kind, text, name: name.map(str::to_owned), ..Part::default() }
    }

    /// The id of the file a part shows.
    pub(super) fn file_id(&self, part: &Part) -> Option<String> {
        self.conversation.attachments.get(part.attachment? as usize)?.id.clone()
    }

    fn key(&self, voice: Voice, text: &str) -> (Voice, u64) {
        (voice, self.hasher.hash_one(text.trim()))
    }

    /// Notes that an item says this, so that an event which says it too is known for a repetition.
    pub(super) fn tell(&mut self, voice: Voice, text: &str) {
        let mut note = |text: &str| {
            if !text.trim().is_empty() {
                let key = self.key(voice, text);
                let told = self.told.entry(key).or_default();
                (told.event, told.completed) = (told.event.saturating_add(1), told.completed.saturating_add(1));
            }
        };
        note(text);
        if voice != Voice::Assistant {
            return;
        }
        // The window shows an answer without these blocks, and a plan by itself.
        for (open, close) in CUT_BLOCKS {
            if let Some((before, rest)) = text.split_once(open) {
                let (inside, after) = rest.split_once(close).unwrap_or((rest, ""));
                note(inside);
                note(&format!("{before}{after}"));
            }
        }
    }

    /// Whether an item, or the other kind of event, said this; used up by asking.
    fn is_repeated(&mut self, voice: Voice, teller: Teller, text: &str) -> bool {
        let key = self.key(voice, text);
        let told = self.told.entry(key).or_default();
        let (own, other) = match teller {
            Teller::Event => (&mut told.event, &mut told.completed),
            Teller::Completed => (&mut told.completed, &mut told.event),
        };
        match own.checked_sub(1) {
            Some(left) => {
                *own = left;
                true
            }
            None => {
                *other = other.saturating_add(1);
                false
            }
        }
    }

    /// The conversation, and what of the log is no message. `named` is an id for a log that has none.
    pub(super) fn finish(mut self, named: impl FnOnce() -> String) -> (Conversation, Notes) {
        let mut messages = Messages::default();
        for draft in std::mem::take(&mut self.drafts) {
            match draft {
                Draft::Piece(message, join) => {
                    if messages.add(*message, join, &self.conversation) {
                        self.count("part of the message before", 1);
                    }
                }
                Draft::Rollback(turns) => messages.take_back(turns, &self.conversation),
                Draft::Event { voice, teller, texts, files, time } => {
                    let has_no_text = texts.is_empty();
                    let alone: Vec<String> =
                        texts.into_iter().filter(|text| !self.is_repeated(voice, teller, text)).collect();
                    // A prompt may be a picture and no word.
                    let shows = |file: &Part| self.file_id(file).filter(|_| has_no_text);
                    let shown: Vec<String> = files.iter().filter_map(shows).collect();
                    let shown = shown.into_iter().filter(|id| !self.is_repeated(voice, teller, id)).count();
                    if alone.is_empty() && shown == 0 {
                        self.count("repeats a response item", 1);
                        continue;
                    }
                    let (role, kind, what) = match voice {
                        Voice::User => (Role::User, PartKind::Text, "told by an event alone"),
                        Voice::Assistant => (Role::Assistant, PartKind::Text, "told by an event alone"),
                        Voice::Reasoning => (Role::Assistant, PartKind::Thinking, "reasoning told by an event alone"),
                    };
                    self.count(what, 1);
                    let visibility = match voice == Voice::User && is_injected(alone.iter().map(String::as_str)) {
                        true => Visibility::Hidden,
                        false => Visibility::Shown,
                    };
                    let mut parts: Vec<Part> = alone.iter().map(|text| self.text_part(kind, None, text)).collect();
                    parts.extend(files);
                    let author = self.author(role, None, None);
                    let message = Message { author, visibility, time, parts, ..Message::default() };
                    messages.add(message, Join::Never, &self.conversation);
                }
            }
        }
        let Self { mut conversation, id, names, model, records, .. } = self;
        conversation.messages = messages.all;
        conversation.native_id = id.unwrap_or_else(named);
        let spoken = conversation.messages.iter().rev().find_map(|message| message.model.clone());
        conversation.model = spoken.or(model).or(conversation.model.take());
        // A fork brings the names of its parent along.
        let own = |thread: &Option<String>| thread.as_ref().is_none_or(|thread| *thread == conversation.native_id);
        let name = names.into_iter().rev().find(|(thread, _)| own(thread)).map(|(_, name)| name);
        conversation.title = name.or_else(|| title(&conversation));
        (conversation, records)
    }
}

/// Whether anybody says anything: instructions and notices of the program, which have no id, are no session yet.
pub(super) fn is_empty(conversation: &Conversation) -> bool {
    let role = |message: &Message| conversation.participants.get(message.author as usize).map(|author| author.role);
    conversation.messages.iter().all(|message| role(message) == Some(Role::System) && message.id.is_none())
}

/// The messages so far, and which of them are in force.
#[derive(Default)]
struct Messages {
    all: Vec<Message>,
    live: Vec<u32>,
    /// Prompts among those in force.
    prompts: u64,
    /// How the last message may be joined; none when it may not.
    open: Option<Join>,
}

impl Messages {
    /// Adds a piece; whether it went into the message before.
    fn add(&mut self, mut piece: Message, join: Join, conversation: &Conversation) -> bool {
        if let (Some(open), Some(last)) = (self.open, self.all.last_mut())
            && join != Join::Never
            && !(open == Join::Message && join == Join::Message)
            && last.author == piece.author
            && last.model == piece.model
            && last.parts.len() < MAX_PARTS
        {
            last.parts.append(&mut piece.parts);
            if join == Join::Message {
                self.open = Some(join);
            }
            return true;
        }
        piece.parent = self.live.last().copied();
        self.prompts += u64::from(is_prompt(&piece, conversation));
        self.live.push(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        self.all.push(piece);
        self.open = Some(join).filter(|join| *join != Join::Never);
        false
    }

    /// Leaves the last turns: from the prompt on that began the first of them.
    fn take_back(&mut self, turns: u64, conversation: &Conversation) {
        self.open = None;
        let mut left = turns.min(self.prompts);
        while left > 0 {
            let Some(message) = self.live.pop().and_then(|at| self.all.get_mut(at as usize)) else { return };
            message.abandoned = true;
            if is_prompt(message, conversation) {
                left -= 1;
                self.prompts -= 1;
            }
        }
    }
}

/// Whether a person's prompt, which begins a turn.
fn is_prompt(message: &Message, conversation: &Conversation) -> bool {
    let author = conversation.participants.get(message.author as usize);
    message.visibility == Visibility::Shown && author.is_some_and(|author| author.role == Role::User)
}

pub(super) fn source_time(raw: Raw<'_>) -> Option<SourceTime> {
    time::from_json(raw.get()?)
}

/// The first line of the first prompt that is shown.
fn title(conversation: &Conversation) -> Option<String> {
    let prompts = conversation.messages.iter().filter(|message| is_prompt(message, conversation));
    let texts = prompts.flat_map(|message| &message.parts).filter(|part| part.kind == PartKind::Text);
    let mut lines = texts.filter_map(|part| {
        let text = conversation.text_of(part);
        let text = text.split_once(REQUEST).map_or(text, |(_, request)| request);
        // The marks around a picture are not what was typed.
        text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("<image") && *line != "</image>")
    });
    lines.next().and_then(cut)
}
