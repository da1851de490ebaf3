//! Runs an importer over a bundle and gathers what comes out.

use std::ops::ControlFlow;

use convault::bundle::{Bundle, BundleError};
use convault::conversation::{Conversation, Message, PartKind};
use convault::import::{Context, Importer, Notes, Problem, Unread, by_name};

/// All an import says.
pub struct Imported {
    pub context: Context,
    pub conversations: Vec<Conversation>,
    pub originals: Vec<Vec<u8>>,
    pub notes: Notes,
    pub problems: Vec<Problem>,
    /// Why nothing is kept of a unit that was read.
    pub empty: Vec<&'static str>,
}

impl Imported {
    pub fn reasons(&self) -> Vec<(&str, &str)> {
        self.problems.iter().map(|p| (p.place.as_str(), p.reason.as_str())).collect()
    }

    pub fn messages(&self) -> usize {
        self.conversations.iter().map(|conversation| conversation.messages.len()).sum()
    }

    pub fn unknown(&self) -> Vec<(&str, u64)> {
        self.notes.unknown.iter().map(|(path, count)| (path.as_str(), *count)).collect()
    }

    pub fn repaired(&self) -> Vec<(&str, u64)> {
        self.notes.repaired.iter().map(|(kind, count)| (*kind, *count)).collect()
    }
}

pub fn import_with(format: &dyn Importer, bundle: &Bundle) -> Result<Imported, BundleError> {
    let context = format.prepare(bundle)?;
    let mut out = Imported {
        context: Context::default(),
        conversations: vec![],
        originals: vec![],
        notes: Notes::default(),
        problems: vec![],
        empty: vec![],
    };
    format.split(bundle, &context, &mut |unit| {
        let unit = match unit {
            Ok(unit) => unit,
            Err(problem) => {
                out.problems.push(problem);
                return ControlFlow::Continue(());
            }
        };
        match format.parse(&context, &unit) {
            Ok(parsed) => {
                out.conversations.push(parsed.conversation);
                out.originals.push(unit.bytes);
                out.notes.add(parsed.notes);
                out.problems.extend(parsed.problems);
            }
            Err(Unread::Empty(reason)) => out.empty.push(reason),
            Err(Unread::Problem(problem)) => out.problems.push(problem),
        }
        ControlFlow::Continue(())
    })?;
    out.context = context;
    Ok(out)
}

/// Imports one file of this content with the format of this name.
pub fn read_as(format: &str, file_name: &str, content: impl AsRef<[u8]>) -> Imported {
    let bundle = Bundle::from_bytes(file_name, content.as_ref().to_vec()).expect("bytes are a bundle");
    import_with(by_name(format).expect("registered"), &bundle).expect("the bundle is no bomb")
}

pub fn chatgpt(bundle: &Bundle) -> Imported {
    import_with(by_name("chatgpt").expect("registered"), bundle).expect("the bundle is no bomb")
}

/// Imports one file of this content.
pub fn chatgpt_json(json: impl AsRef<[u8]>) -> Imported {
    chatgpt(&Bundle::from_bytes("conversations.json", json.as_ref().to_vec()).expect("bytes are a bundle"))
}

/// A message's parts as (kind, name, text).
pub fn parts<'a>(conversation: &'a Conversation, message: &'a Message) -> Vec<(PartKind, Option<&'a str>, &'a str)> {
    message.parts.iter().map(|part| (part.kind, part.name.as_deref(), conversation.text_of(part))).collect()
}

/// Files that the format does not know, by extension, with how many.
pub fn unknown_files(context: &Context, bundle: &Bundle) -> Vec<(String, u64)> {
    let mut counts = std::collections::BTreeMap::new();
    for member in context.unknown() {
        *counts.entry(bundle.members()[member].extension()).or_default() += 1;
    }
    counts.into_iter().collect()
}
