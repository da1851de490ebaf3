//! What a rule or a hold asks of an item: of its facts, or of a mark that stands for its content.

use super::{Item, Mark};

/// One of the things that must all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// It must not hold.
    pub negated: bool,
    /// What is asked.
    pub test: Test,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// It came from this source.
    Source(String),
    /// It has this.
    Has(Feature),
    /// Its conversation is one of these.
    Conversation(Vec<[u8; 16]>),
    /// Its content has what this mark stands for.
    Content(Mark),
}

/// What an item can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// An attachment.
    Attachment,
}

impl Condition {
    /// Whether it reads content, and so knows nothing of what was not compiled.
    pub fn reads_content(&self) -> bool {
        matches!(self.test, Test::Content(_))
    }

    /// Whether it holds.
    pub fn holds(&self, item: &Item) -> bool {
        let answer = match &self.test {
            Test::Source(source) => item.source == *source,
            Test::Has(Feature::Attachment) => item.attachments > 0,
            Test::Conversation(ids) => ids.contains(&item.conversation),
            Test::Content(mark) => item.marks.binary_search(mark).is_ok(),
        };
        answer != self.negated
    }
}

/// Whether all of them hold.
pub(super) fn all_hold(conditions: &[Condition], item: &Item) -> bool {
    conditions.iter().all(|condition| condition.holds(item))
}
