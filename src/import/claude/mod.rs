//! The data export of Claude.ai, and single conversations as the web API and browser extensions save them.
//!
//! `docs/formats/claude.md` describes the source and its traps.

mod citation;
mod content;
mod design;
mod library;
mod source;
mod survey;
mod tree;

use self::content::Writer;
use self::source::Entry;
use self::tree::Tree;
use super::json::reading;
use super::json::split::Splitter;
use super::json::tolerant::{Raw, Recorder, from_slice};
use super::{Context, Emit, Evidence, Importer, Parsed, Sample, Unit, Unread, members, time};
use crate::bundle::{Bundle, BundleError};
use crate::conversation::{Conversation, Kind, SourceTime};
use crate::crypto::hash::labelled;

/// Blocks that say how many tokens a model had left. They are machinery and nobody's words.
const TOKEN_BUDGET: &str = "token budget";

/// The format.
pub struct Format;

impl Importer for Format {
    fn name(&self) -> &'static str {
        "claude"
    }

    fn about(&self) -> &'static str {
        "Claude.ai data export: conversations.json, projects, memories, or the zip; one saved conversation"
    }

    fn keeps(&self) -> &'static str {
        "every branch, reasoning, tool calls and results, artifacts, pasted and extracted texts, citations, projects with their documents, memories, design chats"
    }

    fn loses(&self) -> &'static str {
        "the export has no files, only their names and extracted text, and does not say which project a conversation stands in"
    }

    fn probe(&self, sample: &Sample) -> Option<Evidence> {
        sample.heads.iter().find_map(|head| {
            let (_, shows) = survey::evidence(head.outline.as_ref()?)?;
            Some(Evidence { member: head.member, shows })
        })
    }

    fn prepare(&self, bundle: &Bundle) -> Result<Context, BundleError> {
        survey::survey(bundle)
    }

    fn split(&self, bundle: &Bundle, context: &Context, emit: Emit<'_>) -> Result<(), BundleError> {
        for problem in &context.problems {
            if emit(Err(problem.clone())).is_break() {
                return Ok(());
            }
        }
        for &member in &context.sources {
            let flow = match survey::is_wrapped(context, member) {
                true => members::each_element_of(
                    |reader| Splitter::within(reader, survey::WRAPPER),
                    bundle,
                    member,
                    emit,
                )?,
                false => members::each_element(bundle, member, emit)?,
            };
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn parse(&self, _: &Context, unit: &Unit) -> Result<Parsed, Unread> {
        let (built, mut notes) = reading::unit(unit, |json, recorder| {
            from_slice::<Entry<'_>>(json, recorder).map(|entry| build(&entry, unit, recorder))
        })?;
        let Built { conversation, token_budgets } = built;
        if token_budgets > 0 {
            notes.records.insert(TOKEN_BUDGET, token_budgets);
        }
        let conversation = conversation.ok_or(Unread::Empty("a memory without text"))?;
        Ok(Parsed::new(conversation, notes, Vec::new()))
    }
}

/// What comes of an entry.
struct Built {
    /// None when there is nothing in it to keep.
    conversation: Option<Conversation>,
    /// Blocks of it that are no part of a message.
    token_budgets: u64,
}

impl From<Conversation> for Built {
    fn from(conversation: Conversation) -> Self {
        Self { conversation: Some(conversation), token_budgets: 0 }
    }
}

fn source_time(raw: Raw<'_>) -> Option<SourceTime> {
    time::from_json(raw.get()?)
}

/// When something was edited: the source repeats the time of writing where it never was.
fn edit_time(written: Raw<'_>, updated: Raw<'_>) -> Option<SourceTime> {
    source_time(updated).filter(|time| source_time(written).is_none_or(|written| written != *time))
}

/// Tells by its fields what an entry is, and builds it. A refusal is one lower-case clause without content.
fn build(entry: &Entry<'_>, unit: &Unit, recorder: &Recorder) -> Result<Built, String> {
    if entry.chat_messages.given {
        return Ok(chat(entry, unit, recorder));
    }
    if entry.docs.given || entry.prompt_template.0.is_some() {
        return Ok(library::project(entry, id(entry, unit)).into());
    }
    if entry.conversations_memory.0.is_some() || entry.project_memories.given || entry.memory_files.given {
        return Ok(Built { conversation: library::memory(entry, unit), token_budgets: 0 });
    }
    if entry.messages.given {
        return Ok(design::chat(entry, id(entry, unit), recorder).into());
    }
    Err("no `chat_messages`: the export holds no messages for this entry".to_owned())
}

/// The source's id of an entry; without one a stable one from its bytes.
fn id(entry: &Entry<'_>, unit: &Unit) -> String {
    let known = entry.uuid.get().or(entry.conversation_id.get()).or(entry.id.get());
    known.map_or_else(|| super::hex_id(&labelled("convault/claude/id", &[&unit.bytes])), str::to_owned)
}

/// What every kind of entry has.
fn begin(entry: &Entry<'_>, native_id: String) -> Conversation {
    let mut conversation = Conversation {
        native_id,
        title: entry.name.owned().or_else(|| entry.title.owned()),
        kind: Kind::Assistant,
        created: source_time(entry.created_at),
        updated: source_time(entry.updated_at),
        model: entry.model.owned(),
        project: entry.project.name.owned().or_else(|| entry.project.uuid.owned()).or_else(|| entry.project_uuid.owned()),
        ..Conversation::default()
    };
    let is_archived = entry.is_archived.0 || entry.archived_at.get().is_some();
    for (word, is_set) in
        [("archived", is_archived), ("starred", entry.is_starred.0), ("temporary", entry.is_temporary.0)]
    {
        if is_set {
            conversation.flags.push(word.to_owned());
        }
    }
    conversation
}

fn chat(entry: &Entry<'_>, unit: &Unit, recorder: &Recorder) -> Built {
    let mut conversation = begin(entry, id(entry, unit));
    let messages = &entry.chat_messages.items;
    let tree = Tree::of(messages, entry.current_leaf.get(), recorder);
    let mut writer = Writer::new(&mut conversation, recorder);
    let mut places: Vec<Option<u32>> = vec![None; messages.len()];
    for &at in &tree.order {
        let above = tree.parent[at].and_then(|parent| places[parent]);
        places[at] = writer.message(&messages[at], above, !tree.active[at]);
    }
    let token_budgets = writer.finish();
    if conversation.model.is_none() {
        conversation.model = conversation.messages.iter().rev().find_map(|message| message.model.clone());
    }
    Built { conversation: Some(conversation), token_budgets }
}
