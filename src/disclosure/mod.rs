//! Handing out: chosen conversations written in one form, recorded before the first byte leaves, signed, and checked by
//! anyone.
//!
//! A [`Plan`] is shown, then [`Plan::record`] writes it into the log and among the known copies, and only what that gives
//! back can be written out. `docs/export.md` is the specification of what is written; [`verify`] needs no vault.

mod excerpt;
mod line;
mod originals;
mod statement;
pub mod tree;
pub mod verify;
mod write;

use std::io;

use crate::clock::Instant;
use crate::export::{Exporter, Listed};
use crate::vault::{CanRead, Entry, ExportNote, Vault, VaultError};

pub use excerpt::{ExcerptError, excerpt};
pub use statement::{Content, Refusal, Statement};
pub use write::{Written, unsigned};

/// Why an export was not made. Nothing is left of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DisclosureError {
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    /// A message was asked for that is not there.
    #[error("there is no message {number}: the conversation has {count}")]
    NoMessage {
        /// The number asked for, from 1.
        number: usize,
        /// How many there are.
        count: usize,
    },
    /// Messages were chosen, and conversations are not one.
    #[error("messages can be chosen of one conversation only, and {0} match")]
    NotOne(usize),
    /// The vault has no source bytes.
    #[error("the vault holds no source bytes of it")]
    NoOriginal,
    /// Of a chat that is kept month by month.
    #[error("of a chat that is kept month by month the vault holds no source bytes: they would outlive its months")]
    Months,
    /// No such earlier state.
    #[error("there is no state {asked}: {kept} state{} kept", if *kept == 1 { "" } else { "s" })]
    NoState {
        /// The one asked for.
        asked: usize,
        /// How many there are.
        kept: usize,
    },
    /// A message that is to stay is not in the file.
    #[error("message {0} is not in the file: it was left out before")]
    LeftOut(usize),
}

/// The form an export has.
#[derive(Clone, Copy)]
pub enum Form<'f> {
    /// Everything, in lines that `import` reads back.
    Jsonl,
    /// A document to read.
    Document(&'f dyn Exporter, &'static str),
    /// The source's own bytes: how many states back.
    Original(usize),
}

impl Form<'_> {
    /// The word of the format.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Document(_, word) => word,
            Self::Original(_) => "original",
        }
    }
}

/// Which messages go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Those that the source shows, on the branches that were not left.
    Visible,
    /// All.
    All,
    /// These, by number from 0, ascending.
    Messages(Vec<usize>),
}

/// A conversation that was chosen.
pub struct Chosen {
    /// Its segments that may be read, ascending by month; at least one.
    pub segments: Vec<Entry>,
    /// The names of its tags, by name.
    pub tags: Vec<String>,
}

/// What will go out: shown before, and written as it was shown.
pub struct Plan<'f> {
    chosen: Vec<Chosen>,
    listed: Vec<Listed>,
    form: Form<'f>,
    part: Part,
}

/// A plan that stands in the log and among the known copies.
pub struct Recorded<'f> {
    plan: Plan<'f>,
    /// The id of the known copy.
    pub copy: [u8; 16],
    /// What is not done yet: the copy of the keys beside the anchor is behind.
    pub behind: Option<VaultError>,
    now: Instant,
}

impl<'f> Plan<'f> {
    /// Everything that was chosen, of which nothing may be due: whoever chooses asks the policy first.
    pub fn of(chosen: Vec<Chosen>, form: Form<'f>, part: Part) -> Result<Self, DisclosureError> {
        let mut listed = Vec::with_capacity(chosen.len());
        for one in &chosen {
            let whole = Entry::whole(&one.segments).ok_or(DisclosureError::NoOriginal)?;
            listed.push(Listed {
                title: whole.card.title.clone(),
                source: whole.card.source.clone(),
                created: whole.facts.created,
                last_activity: whole.facts.last_activity,
                messages: whole.card.messages,
            });
        }
        if let Part::Messages(numbers) = &part {
            let [one] = &listed[..] else { return Err(DisclosureError::NotOne(listed.len())) };
            let count = usize::try_from(one.messages).unwrap_or(usize::MAX);
            if let Some(beyond) = numbers.iter().find(|number| **number >= count) {
                return Err(DisclosureError::NoMessage { number: beyond + 1, count });
            }
        }
        if matches!(form, Form::Original(_)) && matches!(&chosen[..], [one] if one.segments.iter().any(Entry::is_month))
        {
            return Err(DisclosureError::Months);
        }
        Ok(Self { chosen, listed, form, part })
    }

    /// Writes into the log and among the known copies that this goes out, in one commit.
    pub fn record<A: CanRead>(
        self,
        vault: &mut Vault<A>,
        place: &str,
        protection: &str,
        query: &str,
        now: Instant,
    ) -> Result<Recorded<'f>, DisclosureError> {
        let conversations = self.chosen.iter().filter_map(|one| Some(one.segments.first()?.conversation)).collect();
        let note = ExportNote {
            conversations,
            place: place.to_owned(),
            format: self.form.word(),
            protection: protection.to_owned(),
            query,
        };
        let (copy, behind) = vault.record_export(&note, now)?;
        Ok(Recorded { plan: self, copy, behind, now })
    }
}
