//! The official ChatGPT export: one JSON file, numbered shards, or the zip with its assets.
//!
//! `docs/formats/chatgpt.md` describes the source and its traps.

mod assets;
mod content;
mod node;
mod tree;

use self::content::Writer;
use self::node::Entry;
use self::tree::Tree;
use super::json::reading;
use super::json::tolerant::{Raw, Recorder, from_slice};
use super::{Context, Emit, Evidence, Importer, Parsed, Sample, Unit, Unread, members, time};
use crate::bundle::{Bundle, BundleError};
use crate::conversation::{Conversation, Kind, SourceTime};
use crate::crypto::hash::labelled;

/// The format.
pub struct Format;

impl Importer for Format {
    fn name(&self) -> &'static str {
        "chatgpt"
    }

    fn about(&self) -> &'static str {
        "ChatGPT data export: conversations.json, its shards, or the zip with files"
    }

    fn keeps(&self) -> &'static str {
        "every branch and hidden message, reasoning, tool calls and results, canvas texts, citations, files, Project and custom GPT"
    }

    fn loses(&self) -> &'static str {
        "the patterns of a canvas edit are not applied; files that were deleted or expired are names only"
    }

    fn probe(&self, sample: &Sample) -> Option<Evidence> {
        sample.heads.iter().find_map(|head| {
            let shows = assets::evidence(head.outline.as_ref()?)?;
            Some(Evidence { member: head.member, shows })
        })
    }

    fn prepare(&self, bundle: &Bundle) -> Result<Context, BundleError> {
        assets::survey(bundle)
    }

    fn split(&self, bundle: &Bundle, context: &Context, emit: Emit<'_>) -> Result<(), BundleError> {
        for problem in &context.problems {
            if emit(Err(problem.clone())).is_break() {
                return Ok(());
            }
        }
        for &member in &context.sources {
            if members::each_element(bundle, member, emit)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn parse(&self, context: &Context, unit: &Unit) -> Result<Parsed, Unread> {
        let (conversation, notes) = reading::unit(unit, |json, recorder| {
            from_slice::<Entry<'_>>(json, recorder).map(|entry| build(&entry, context, unit, recorder))
        })?;
        Ok(Parsed::new(conversation, notes, Vec::new()))
    }
}

fn source_time(raw: Raw<'_>) -> Option<SourceTime> {
    time::from_json(raw.get()?)
}

fn build(entry: &Entry<'_>, context: &Context, unit: &Unit, recorder: &Recorder) -> Result<Conversation, String> {
    if !entry.mapping.given {
        return Err("no `mapping`: the export holds no messages for this entry".to_owned());
    }
    let derived = || super::hex_id(&labelled("convault/chatgpt/id", &[&unit.bytes]));
    let id = entry.id.get().or(entry.conversation_id.get());
    let mut conversation = Conversation {
        native_id: id.map_or_else(derived, str::to_owned),
        title: entry.title.owned(),
        kind: Kind::Assistant,
        created: source_time(entry.create_time),
        updated: source_time(entry.update_time),
        model: entry.model.owned(),
        ..Conversation::default()
    };
    let flags = [
        ("archived", entry.is_archived),
        ("starred", entry.is_starred),
        ("temporary", entry.is_do_not_remember),
        ("temporary", entry.is_temporary),
    ];
    for (word, flag) in flags {
        if flag.0 && !conversation.flags.iter().any(|known| known == word) {
            conversation.flags.push(word.to_owned());
        }
    }
    // `snorlax` is the export's word for a project; any other gizmo is a custom GPT, which speaks.
    let gizmo = entry.gizmo_id.get();
    let is_project = entry.gizmo_type.get() == Some("snorlax") || gizmo.is_some_and(|id| id.starts_with("g-p-"));
    let custom_gpt = if is_project { None } else { gizmo };
    conversation.project = gizmo.filter(|_| is_project).map(str::to_owned);

    let tree = Tree::of(entry, recorder);
    let mut writer = Writer::new(&mut conversation, context, recorder, custom_gpt);
    // Nodes without a message are joints: their children hang on the nearest message above.
    let mut nearest: Vec<Option<u32>> = vec![None; entry.mapping.entries.len()];
    for &at in &tree.order {
        let (key, node) = &entry.mapping.entries[at];
        let above = tree.parent[at].and_then(|parent| nearest[parent]);
        nearest[at] = match &node.message.0 {
            Some(source) => writer.message(key, source, above, !tree.active[at]),
            None => above,
        };
    }
    if conversation.model.is_none() {
        conversation.model = conversation.messages.iter().rev().find_map(|message| message.model.clone());
    }
    Ok(conversation)
}
