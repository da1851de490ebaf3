//! Importers: source bytes in, conversations out; pure, bounded, and nothing dropped in silence.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use crate::conversation::Conversation;

/// One conversation's source bytes, cut out of a member of the bundle.
pub struct Unit {
    /// Index of the bundle member the bytes came from.
    pub member: usize,
    /// Where it stands, for reports: `conversations.json[12]`. Never content.
    pub place: String,
    /// The exact bytes, which the vault keeps and gives back.
    pub bytes: Vec<u8>,
}

/// What a unit says, and what of it this version did not understand.
pub struct Parsed {
    /// The conversation.
    pub conversation: Conversation,
    /// What was met and kept without being understood.
    pub notes: Notes,
}

/// Counted observations about the input that are no failure. Keys name structure, never content.
#[derive(Default)]
pub struct Notes {
    /// Fields and part types without a meaning here, by path (`message.content.foo`), with how often.
    pub unknown: BTreeMap<String, u64>,
    /// Repairs made to read on, by kind (`lone surrogate`), with how often.
    pub repaired: BTreeMap<&'static str, u64>,
}

/// Something that could not be read.
#[derive(Debug)]
pub struct Problem {
    /// Where: a path inside the input. Never content.
    pub place: String,
    /// Why, in one lower-case clause without content.
    pub reason: String,
}

/// What [`Importer::parse`] needs to know of the other members of the bundle.
#[derive(Default)]
pub struct Context {
    /// Member index by file name, without folders.
    pub members: HashMap<String, Vec<usize>>,
    /// The name a file had before the export renamed it, by the file name in the bundle.
    pub original_names: HashMap<String, String>,
}

/// A transcript format.
pub trait Importer: Sync {
    /// The word for `--format`.
    fn name(&self) -> &'static str;
    // The rest is laid by the importer work: probe, prepare, split, parse.
    // fn probe(&self, sample: &Sample) -> Option<Evidence>;
    // fn prepare(&self, bundle: &Bundle) -> Result<Context, Problem>;
    // fn split(&self, bundle: &Bundle, emit: &mut dyn FnMut(Result<Unit, Problem>) -> ControlFlow<()>) -> Result<(), Problem>;
    // fn parse(&self, context: &Context, unit: &Unit) -> Result<Parsed, Problem>;
}

#[expect(unused, reason = "named by the signatures above")]
type Flow = ControlFlow<()>;
