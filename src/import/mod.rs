//! Importers: source bytes in, conversations out; pure, bounded, and nothing dropped in silence.
//!
//! A format is one file here and one word in the list of `formats!`. It says by content whether a
//! bundle is its own, cuts it into units of exact source bytes, and turns a unit into a conversation.
//! Splitting runs on one thread, parsing on many.

mod base64;
mod detect;
mod generic;
pub mod growth;
pub mod json;
pub mod members;
pub mod time;
mod title;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;

use crate::bundle::{Bundle, BundleError};
use crate::conversation::Conversation;

use growth::Growth;

pub use detect::{Candidate, DetectError, Evidence, Head, Sample, detect, detect_all, detect_among, detect_more};

/// One conversation's source bytes, cut out of a member of the bundle.
#[derive(Debug, Default)]
pub struct Unit {
    /// Index of the bundle member the bytes came from.
    pub member: usize,
    /// Where it stands, for reports: `conversations.json[12]`. Never content.
    pub place: String,
    /// The exact bytes, which the vault keeps and gives back. Empty when the unit is a whole member.
    pub bytes: Vec<u8>,
    /// Set when the unit is a whole member, whose bytes stream into an attachment instead.
    pub whole: Option<WholeMember>,
    /// Its place in the order in which the units of the input came, counted from 0 while they are split.
    pub number: u64,
    /// Where pieces of attachments stand behind the unit in its member, by the attachment's index.
    pub pieces: Vec<(usize, std::ops::Range<u64>)>,
}

/// A member kept as it is. Its conversation has one attachment, which names the member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WholeMember {
    /// Its name in the bundle.
    pub name: String,
    /// SHA-256 of its bytes.
    pub digest: [u8; 32],
    /// Its size as read.
    pub size: u64,
}

/// What a unit says, and what of it this version did not understand.
#[derive(Debug)]
pub struct Parsed {
    /// The conversation.
    pub conversation: Conversation,
    /// What was met and kept without being understood.
    pub notes: Notes,
    /// Pieces of the unit that could not be read, while the rest could: damaged lines of a log.
    pub problems: Vec<Problem>,
    /// Set when the unit tells of another source than the format's own.
    pub provenance: Option<Provenance>,
}

impl Parsed {
    /// What was read, with what was met on the way.
    pub fn new(conversation: Conversation, notes: Notes, problems: Vec<Problem>) -> Self {
        Self { conversation, notes, problems, provenance: None }
    }
}

/// What an export of this program tells of a conversation that came from elsewhere.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The word of the source it came from.
    pub source: String,
    /// The bytes to keep as that source's, newest first.
    pub originals: Vec<Vec<u8>>,
    /// Names of tags for it when it is new.
    pub tags: Vec<String>,
    /// It is an excerpt: that it lacks a message says nothing.
    pub is_part: bool,
}

/// Why nothing comes of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It could not be read.
    Problem(Problem),
    /// It was read, and there is nothing in it to keep, for this reason: a session without a message.
    Empty(&'static str),
}

impl From<Problem> for Unread {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Counted observations about the input that are no failure. Keys name structure, never content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Fields and part types without a meaning here, by path (`message.content.foo`), with how often.
    pub unknown: BTreeMap<String, u64>,
    /// Repairs made to read on, by kind (`lone surrogate`), with how often.
    pub repaired: BTreeMap<&'static str, u64>,
    /// Records of the source that are no message of their own, by what they are (`continues an answer`), with
    /// how often: nothing is wrong with them, and whoever counts records finds every one again.
    pub records: BTreeMap<&'static str, u64>,
}

impl Notes {
    /// Adds the counts of `other`.
    pub fn add(&mut self, other: Self) {
        for (path, count) in other.unknown {
            *self.unknown.entry(path).or_default() += count;
        }
        for (kind, count) in other.repaired {
            *self.repaired.entry(kind).or_default() += count;
        }
        for (kind, count) in other.records {
            *self.records.entry(kind).or_default() += count;
        }
    }
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: a path inside the input. Never content.
    pub place: String,
    /// Why, in one lower-case clause without content.
    pub reason: String,
}

/// What a member of a bundle is to a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberUse {
    /// Holds conversations.
    Conversations,
    /// A file that conversations may refer to.
    Asset,
    /// Known, read for what it says about other members.
    Index,
    /// Known and not imported, for this reason.
    Ignored(&'static str),
    /// Not known to the format.
    Unknown,
}

/// What [`Importer::split`] and [`Importer::parse`] need to know of the bundle as a whole.
#[derive(Default)]
pub struct Context {
    /// What each member is, by its index.
    pub uses: Vec<MemberUse>,
    /// The members to split, in order.
    pub sources: Vec<usize>,
    /// Member index by file name without folders, or by another key the format knows files by.
    pub members: HashMap<String, Vec<usize>>,
    /// File names of the members, by index.
    pub file_names: Vec<String>,
    /// The name a file had before the export renamed it, by the file name in the bundle.
    pub original_names: HashMap<String, String>,
    /// Members that could not be read while preparing; `split` reports them.
    pub problems: Vec<Problem>,
    /// Names of all tags that units tell of; each must be here for a unit to have it.
    pub tags: BTreeSet<String>,
    /// What one format alone needs, made in `prepare` and read in `parse`.
    pub own: Option<Box<dyn Any + Send + Sync>>,
}

impl Context {
    /// A context with every member's file name and no use decided.
    pub fn of(bundle: &Bundle) -> Self {
        let file_names: Vec<String> = bundle.members().iter().map(|member| member.file_name().to_owned()).collect();
        let mut members: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, name) in file_names.iter().enumerate() {
            members.entry(name.clone()).or_default().push(index);
        }
        Self { uses: vec![MemberUse::Unknown; file_names.len()], members, file_names, ..Self::default() }
    }

    /// Whether conversations may refer to members, so that a unit's own bytes do not say all that comes of it.
    pub fn has_assets(&self) -> bool {
        self.uses.contains(&MemberUse::Asset)
    }

    /// Members the format knows and leaves out, by reason, with how many.
    pub fn ignored(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for used in &self.uses {
            if let MemberUse::Ignored(reason) = used {
                *counts.entry(*reason).or_default() += 1;
            }
        }
        counts
    }

    /// Members the format does not know, by their index.
    pub fn unknown(&self) -> Vec<usize> {
        let uses = self.uses.iter().enumerate();
        uses.filter(|(_, used)| **used == MemberUse::Unknown).map(|(index, _)| index).collect()
    }
}

/// Takes what [`Importer::split`] finds; `Break` ends the splitting.
pub type Emit<'a> = &'a mut dyn FnMut(Result<Unit, Problem>) -> ControlFlow<()>;

/// A transcript format.
pub trait Importer: Sync + Send {
    /// The word for `--format`.
    fn name(&self) -> &'static str;

    /// One line for the list of formats: what it reads.
    fn about(&self) -> &'static str;

    /// One line for the list of formats: what of the source comes into the conversation.
    fn keeps(&self) -> &'static str;

    /// One line for the list of formats: what the source itself does not hold, or loses.
    fn loses(&self) -> &'static str;

    /// Whether an input is only ever a part of what there is: a log that grows, one file of several. A message
    /// that such an input lacks has not vanished.
    fn accumulates(&self) -> bool {
        false
    }

    /// How two originals of one conversation are related, for a source that [accumulates](Self::accumulates): what
    /// has all of both is read anew in the place of both. None when only their messages can tell.
    fn growth(&self, stored: &[u8], incoming: &[u8]) -> Option<Growth> {
        self.accumulates().then(|| growth::of_file(stored, incoming)).flatten()
    }

    /// Says why the bundle is of this format, or nothing. Judges content; a name alone is no evidence.
    fn probe(&self, sample: &Sample) -> Option<Evidence>;

    /// Looks over the whole bundle once: which members to split, which files they may refer to.
    fn prepare(&self, bundle: &Bundle) -> Result<Context, BundleError> {
        let mut context = Context::of(bundle);
        context.sources = (0..bundle.members().len()).collect();
        context.uses.fill(MemberUse::Conversations);
        Ok(context)
    }

    /// Cuts the sources into units, in order. What cannot be read is emitted as a problem and the rest
    /// goes on; an error is for a bundle of which nothing should be kept.
    fn split(&self, bundle: &Bundle, context: &Context, emit: Emit<'_>) -> Result<(), BundleError>;

    /// Reads one unit. Called from several threads at once, and not for a unit whose very bytes are stored.
    fn parse(&self, context: &Context, unit: &Unit) -> Result<Parsed, Unread>;
}

/// Declares a module and its place in the registry for each word.
macro_rules! formats {
    ($($name:ident),* $(,)?) => {
        $(pub mod $name;)*

        /// Every format, in the order of the lists.
        pub static FORMATS: &[&dyn Importer] = &[$(&$name::Format),*];
    };
}

formats! { chatgpt, claude, claude_code, codex, convault, messages, sharegpt, opaque }

/// The format of this name.
pub fn by_name(name: &str) -> Option<&'static dyn Importer> {
    FORMATS.iter().copied().find(|format| format.name() == name)
}

/// A derived id in words: the first 16 bytes of a hash in lower-case hex, marked as derived.
pub(crate) fn hex_id(hash: &[u8; 32]) -> String {
    let mut id = String::with_capacity(40);
    id.push_str("derived:");
    for byte in hash.iter().take(16) {
        for digit in [byte >> 4, byte & 15] {
            id.push(char::from_digit(u32::from(digit), 16).expect("four bits are a digit"));
        }
    }
    id
}
