//! What is kept and what is destroyed: a policy, holds, facts and now in, a standing out. Pure.
//!
//! `docs/retention.md` is the rule book. Nothing here reads a clock, a vault or a text: what a rule
//! asks of content stands in the facts as an opaque mark.

mod condition;
mod evaluate;
mod policy;
#[cfg(test)]
mod tests;

use crate::clock::{Duration, Instant};

pub use condition::{Condition, Feature, Test};
pub use evaluate::{Explanation, Held, Kept, Line, Standing, Verdict, evaluate, in_force};
pub use policy::{Breaker, LONGEST_GRACE_DAYS, PolicyError, Written, WrittenRule};

/// A tag or a mark by its opaque id.
pub type Mark = [u8; 16];

/// What a policy needs to know of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The conversation that it belongs to.
    pub conversation: [u8; 16],
    /// Its leaf, which tells segments of one conversation apart.
    pub leaf: u64,
    /// Year · 12 + month of a segment of a chat that never ends, else 0.
    pub month: u32,
    /// When the conversation began.
    pub created: Instant,
    /// When anything last happened in it.
    pub last_activity: Instant,
    /// When it was stored.
    pub imported: Instant,
    /// When its tags and marks last changed.
    pub marked: Instant,
    /// The format it came from.
    pub source: String,
    /// Tags and marks, ascending.
    pub marks: Vec<Mark>,
    /// Number of attachments.
    pub attachments: u32,
    /// The policy version its marks were compiled under.
    pub policy_version: u64,
    /// The hold-list version its marks were compiled under.
    pub holds_version: u64,
    /// An owner knows which conversation it belongs to. A deposit may continue one until an owner has looked.
    pub is_adopted: bool,
}

/// What a rule counts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The last activity.
    #[default]
    LastActivity,
    /// The beginning.
    Created,
    /// The first import.
    Imported,
}

impl Clock {
    const ALL: [Self; 3] = [Self::LastActivity, Self::Created, Self::Imported];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::LastActivity => "last-activity",
            Self::Created => "created",
            Self::Imported => "imported",
        }
    }

    /// The clock of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|clock| clock.word() == word)
    }

    /// What it shows for an item.
    pub fn of(self, item: &Item) -> Instant {
        match self {
            Self::LastActivity => item.last_activity,
            Self::Created => item.created,
            Self::Imported => item.imported,
        }
    }
}

/// What a rule does with what it selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Keeps it at least so long.
    Keep(Duration),
    /// Makes it due then.
    Delete(Duration),
    /// Keeps the newest so many.
    KeepLast(u32),
}

/// A rule, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it does.
    pub action: Action,
    /// What it counts from.
    pub clock: Clock,
    /// What it is about: all of these hold.
    pub conditions: Vec<Condition>,
}

/// One version of a policy, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its version.
    pub version: u64,
    /// When it was set.
    pub set: Instant,
    /// When it comes into force.
    pub effective: Instant,
    /// Between due and destroyed.
    pub grace: Duration,
    /// What a purge that nobody acknowledged may destroy.
    pub breaker: Breaker,
    /// How long entries of the log are kept; none for ever.
    pub log: Option<Duration>,
    /// The rules.
    pub rules: Vec<Rule>,
    /// The rule for what no delete rule is about.
    pub default: Option<(Duration, Clock)>,
    /// Conversations that are kept until then, whatever the rules say.
    pub restored: Vec<([u8; 16], Instant)>,
}

impl Policy {
    /// The next version, that keeps a conversation until then. A day that was promised is not taken back.
    pub fn restoring(mut self, conversation: [u8; 16], until: Instant, now: Instant) -> Self {
        self.version += 1;
        // Being kept longer needs no cooling off; what cools off goes on doing so.
        self.set = now;
        self.effective = self.effective.max(now);
        match self.restored.iter_mut().find(|(restored, _)| *restored == conversation) {
            Some((_, promised)) => *promised = until.max(*promised),
            None => self.restored.push((conversation, until)),
        }
        self
    }

    /// Whether anything is ever due by it.
    pub fn destroys(&self) -> bool {
        self.default.is_some() || self.rules.iter().any(|rule| matches!(rule.action, Action::Delete(_)))
    }

    /// Until when a conversation is kept because it was restored.
    pub fn restored_until(&self, conversation: &[u8; 16]) -> Option<Instant> {
        self.restored.iter().filter(|(restored, _)| restored == conversation).map(|(_, until)| *until).max()
    }
}

/// A matter for which something is held, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its id.
    pub id: [u8; 16],
    /// When it was placed.
    pub placed: Instant,
    /// When it was released; none while it holds.
    pub released: Option<Instant>,
    /// What it holds: all of these hold. Empty: everything.
    pub conditions: Vec<Condition>,
}

/// The hold list, compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// Its version.
    pub version: u64,
    /// The holds, released ones too.
    pub list: Vec<Hold>,
}
