//! The official ChatGPT export: one JSON file, numbered shards, or the zip with its assets.
//!
//! `docs/formats/chatgpt.md` describes the source and its traps.

mod assets;
mod content;
mod node;
mod tree;

use std::ops::ControlFlow;

use self::content::Writer;
use self::node::Entry;
use self::tree::Tree;
use super::json::repair::repair;
use super::json::split::{SplitError, Splitter};
use super::json::tolerant::{Raw, Recorder, from_slice};
use super::{Context, Emit, Evidence, Importer, Parsed, Problem, Sample, Unit, time};
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
            if split_member(bundle, member, emit)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn parse(&self, context: &Context, unit: &Unit) -> Result<Parsed, Problem> {
        let problem = |reason: String| Problem { place: unit.place.clone(), reason };
        let recorder = Recorder::default();
        if let Ok(entry) = from_slice::<Entry<'_>>(&unit.bytes, &recorder) {
            let parsed = build(&entry, context, unit, &recorder).map_err(problem)?;
            if !recorder.is_damaged() {
                return Ok(Parsed { conversation: parsed, notes: recorder.finish() });
            }
        }
        let (repaired, repairs) = repair(&unit.bytes);
        let recorder = Recorder::default();
        for (kind, count) in repairs {
            recorder.repaired_times(kind, count);
        }
        match from_slice::<Entry<'_>>(&repaired, &recorder) {
            Ok(entry) => {
                let conversation = build(&entry, context, unit, &recorder).map_err(problem)?;
                if recorder.is_damaged() {
                    recorder.repaired("field left out");
                }
                Ok(Parsed { conversation, notes: recorder.finish() })
            }
            // Only the place: serde's own words may quote the text.
            Err(error) => Err(problem(format!(
                "not valid JSON at line {}, column {} of the entry",
                error.line(),
                error.column()
            ))),
        }
    }
}

fn split_member(bundle: &Bundle, member: usize, emit: Emit<'_>) -> Result<ControlFlow<()>, BundleError> {
    let name = bundle.members().get(member).map(|listed| listed.name.clone()).unwrap_or_default();
    let reader = match bundle.open(member) {
        Ok(reader) => reader,
        Err(error) if error.is_refusal() => return Err(error),
        Err(error) => return Ok(emit(Err(Problem { place: name, reason: error.to_string() }))),
    };
    let mut splitter = Splitter::new(reader);
    let mut index = 0_u64;
    while let Some(next) = splitter.next_element() {
        let place = format!("{name}[{index}]");
        index += 1;
        let result = match next {
            Ok(bytes) => Ok(Unit { member, place, bytes: bytes.to_vec(), whole: None }),
            Err(SplitError::Read(error)) => match BundleError::from_read(error) {
                refusal if refusal.is_refusal() => return Err(refusal),
                error => Err(Problem { place, reason: error.to_string() }),
            },
            Err(error) => Err(Problem { place, reason: error.to_string() }),
        };
        if emit(result).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
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
