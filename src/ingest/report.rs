//! What an import did, in counts and places; never content.

use std::collections::BTreeMap;

use crate::bundle::Bundle;
use crate::import::{Context, Importer, Notes, Problem};

/// Conversations by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Stored for the first time.
    pub new: u64,
    /// Stored before and changed since.
    pub updated: u64,
    /// Stored before as they are, or in a later state.
    pub unchanged: u64,
    /// Not read; each is a problem with a place.
    pub skipped: u64,
    /// Destroyed in this vault before, and not brought back.
    pub destroyed: u64,
    /// Read by a check, which stores nothing.
    pub readable: u64,
    /// Read, with nothing in them to keep.
    pub empty: u64,
}

/// Months of chats that never end, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Months {
    /// Stored for the first time.
    pub new: u64,
    /// Stored before and changed since.
    pub updated: u64,
    /// Stored before as they are, or in a later state.
    pub unchanged: u64,
    /// Destroyed in this vault before, and not brought back.
    pub destroyed: u64,
}

impl Months {
    /// Adds those of another chat or input.
    pub fn add(&mut self, other: Self) {
        self.new += other.new;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.destroyed += other.destroyed;
    }
}

/// What became of one file of an input that has several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileReport {
    /// Its name in the input.
    pub name: String,
    /// Its conversations.
    pub counts: Counts,
    /// Messages of those that were new or updated.
    pub messages: u64,
}

/// What reading a unit said beside its conversation.
pub(super) struct Told {
    pub(super) member: usize,
    pub(super) messages: usize,
    pub(super) size: usize,
    pub(super) notes: Notes,
    pub(super) problems: Vec<Problem>,
}

/// What an import did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The format's word.
    pub format: &'static str,
    /// Conversations.
    pub counts: Counts,
    /// Months of those that are kept month by month.
    pub months: Months,
    /// Messages of the conversations that were new or updated.
    pub messages: u64,
    /// Messages that a later export no longer had and that were kept.
    pub vanished: u64,
    /// Messages whose earlier text was kept beside the one that another export has for them.
    pub edited: u64,
    /// Attachments whose bytes were stored.
    pub attachments: u64,
    /// Attachments that conversations name and the input does not hold.
    pub absent: u64,
    /// Source bytes of the conversations that were read.
    pub bytes: u64,
    /// Conversations with nothing in them to keep, by the reason, with how many.
    pub empty: BTreeMap<&'static str, u64>,
    /// The files that hold conversations, when there are several.
    pub files: Vec<FileReport>,
    /// The same by their index, while the import runs.
    by_member: BTreeMap<usize, FileReport>,
    /// What was kept without being understood, and what had to be repaired.
    pub notes: Notes,
    /// Members of the input that the format knows and leaves out, by reason.
    pub ignored: BTreeMap<&'static str, u64>,
    /// Members of the input that the format does not know, by their index.
    pub unknown: Vec<usize>,
    /// Members that were passed over while listing: links, system files.
    pub passed_over: BTreeMap<&'static str, u64>,
    /// What could not be read, with its place.
    pub problems: Vec<Problem>,
    /// Problems beyond those listed.
    pub more_problems: u64,
}

/// Problems listed one by one; a hostile file could have millions.
const LISTED: usize = 1000;

impl Report {
    pub(super) fn of(importer: &dyn Importer, bundle: &Bundle, context: &Context) -> Self {
        Self {
            format: importer.name(),
            ignored: context.ignored(),
            unknown: context.unknown(),
            passed_over: bundle.passed_over().clone(),
            ..Self::default()
        }
    }

    /// Counts a conversation of a member.
    pub(super) fn count(&mut self, member: usize, count: impl Fn(&mut Counts)) {
        count(&mut self.counts);
        count(&mut self.by_member.entry(member).or_default().counts);
    }

    /// A conversation with nothing in it to keep.
    pub(super) fn empty(&mut self, member: usize, reason: &'static str) {
        self.count(member, |counts| counts.empty += 1);
        *self.empty.entry(reason).or_default() += 1;
    }

    /// What a conversation that was new or updated has.
    pub(super) fn add(&mut self, told: Told) {
        self.messages += told.messages as u64;
        self.by_member.entry(told.member).or_default().messages += told.messages as u64;
        self.bytes += told.size as u64;
        self.notes.add(told.notes);
        for problem in told.problems {
            self.problem(problem);
        }
    }

    /// Names the files, once all is counted; a single one says nothing that the totals do not.
    pub(super) fn name_files(&mut self, bundle: &Bundle) {
        let members = bundle.members();
        if members.len() > 1 {
            let named = std::mem::take(&mut self.by_member).into_iter().map(|(member, file)| {
                let name = members.get(member).map(|member| member.name.clone()).unwrap_or_default();
                FileReport { name, ..file }
            });
            self.files = named.collect();
        }
    }

    /// A conversation that could not be read.
    pub(super) fn skip(&mut self, problem: Problem) {
        self.counts.skipped += 1;
        self.problem(problem);
    }

    /// Something that could not be read.
    pub(super) fn problem(&mut self, problem: Problem) {
        if self.problems.len() < LISTED {
            self.problems.push(problem);
        } else {
            self.more_problems += 1;
        }
    }

    /// Whether anything was left out that should have been read.
    pub fn is_partial(&self) -> bool {
        !self.problems.is_empty()
    }
}
