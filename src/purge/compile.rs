//! From selectors as they are written to conditions over facts, with marks for what asks for content.

use std::collections::HashMap;

use crate::clock::{Duration, Instant, Unit, Zone};
use crate::retention::{Condition, Feature, LONGEST_GRACE_DAYS, Mark, Policy, PolicyError, Rule, Test, Written};
use crate::selector::{self, Scope, Selector, SelectorError, Term, TermKind};
use crate::vault::{Entry, Vault, VaultError, by_conversation};

/// Why a rule or a hold cannot be stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The policy is not well written.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A selector.
    #[error("{place}: {error}")]
    Selector {
        /// Where.
        place: String,
        /// Why.
        error: SelectorError,
    },
    /// A selector that selects everything.
    #[error("{0}: it selects everything")]
    Everything(String),
    /// A selector with a time.
    #[error("{0}: it has a time, which neither a hold nor a rule's selector can have")]
    Time(String),
    /// No conversation has this id.
    #[error("{place}: no conversation has the id {id}")]
    NoSuchId {
        /// Where.
        place: String,
        /// As it was typed.
        id: String,
    },
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl CompileError {
    /// What to do about it, on a line of its own.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Policy(error) => Some(error.hint()),
            Self::Selector { error, .. } => Some(error.hint()),
            Self::Everything(_) => Some("what is for everything is [default]".to_owned()),
            Self::Time(_) => Some("a rule says it with keep or delete, and its clock".to_owned()),
            Self::NoSuchId { .. } => Some("ids are as list shows them".to_owned()),
            Self::Vault(_) => None,
        }
    }
}

/// Reads a selector whose times, if any, are those of a rule.
fn read(place: &str, text: &str) -> Result<Selector, CompileError> {
    let selector = Selector::parse(text, Scope::Items, Instant(0), &Zone::utc());
    let selector = selector.map_err(|error| CompileError::Selector { place: place.to_owned(), error })?;
    let is_time = |term: &Term| {
        use TermKind::{After, Before, Created, Imported, On};
        matches!(term.kind, Before(_) | After(_) | On(_) | Created(_) | Imported(_))
    };
    if selector.is_empty() {
        return Err(CompileError::Everything(place.to_owned()));
    }
    if selector.terms.iter().any(is_time) {
        return Err(CompileError::Time(place.to_owned()));
    }
    Ok(selector)
}

/// What facts do not tell: the terms for which a mark stands.
fn content_of(selector: &Selector) -> Selector {
    let is_content = |term: &&Term| {
        !matches!(term.kind, TermKind::Source(_) | TermKind::Id(_) | TermKind::Has(selector::Feature::Attachment))
    };
    Selector { terms: selector.terms.iter().filter(is_content).cloned().collect() }
}

fn conditions(vault: &Vault, place: &str, text: &str) -> Result<Vec<Condition>, CompileError> {
    let selector = read(place, text)?;
    let mut all = Vec::new();
    for Term { negated, kind } in &selector.terms {
        let test = match kind {
            TermKind::Source(source) => Test::Source(source.clone()),
            TermKind::Has(selector::Feature::Attachment) => Test::Has(Feature::Attachment),
            TermKind::Id(prefix) => {
                let found = vault.find(prefix.digits())?;
                if found.is_empty() {
                    let (place, id) = (place.to_owned(), prefix.digits().to_owned());
                    return Err(CompileError::NoSuchId { place, id });
                }
                let mut ids: Vec<[u8; 16]> = found.into_iter().map(|(conversation, _)| conversation).collect();
                // A chat has this id as often as it has months.
                ids.sort_unstable();
                ids.dedup();
                Test::Conversation(ids)
            }
            _ => continue,
        };
        all.push(Condition { negated: *negated, test });
    }
    if !content_of(&selector).is_empty() {
        all.push(Condition { negated: false, test: Test::Content(vault.mark_of(text)) });
    }
    Ok(all)
}

/// Compiles a policy as the next version, set `now` and in force from `effective`. What was restored stays.
pub fn policy(vault: &Vault, written: &Written, now: Instant, effective: Instant) -> Result<Policy, CompileError> {
    let before = vault.policies()?;
    let last = before.last();
    let mut rules = Vec::new();
    for rule in &written.rules {
        let conditions = conditions(vault, &format!("rule \"{}\": select", rule.name), &rule.select)?;
        rules.push(Rule { action: rule.action, clock: rule.clock, conditions });
    }
    let restored = last.map(|policy| policy.restored.clone()).unwrap_or_default();
    Ok(Policy {
        version: last.map_or(0, |policy| policy.version) + 1,
        set: now,
        effective,
        grace: written.grace,
        breaker: written.breaker,
        log: written.log,
        rules,
        default: written.default,
        restored: restored.into_iter().filter(|(_, until)| *until > now).collect(),
    })
}

/// Compiles what a hold holds.
pub fn holding(vault: &Vault, selector: &str) -> Result<Vec<Condition>, CompileError> {
    conditions(vault, "hold", selector)
}

/// A mark that stands for content, with the terms that it stands for.
struct Marked {
    mark: Mark,
    content: Selector,
    /// An unreleased hold asks for it: what it was given to keeps it, whatever becomes of its title or its tags.
    stays: bool,
}

/// The marks that count; none when a stored selector cannot be read, as by a program that is older than it. Then nothing
/// is compiled, and what is not compiled is kept.
fn marks(vault: &Vault, now: Instant) -> Result<Option<Vec<Marked>>, VaultError> {
    let mut texts = Vec::new();
    // What ended, or was released, begins a grace: it has to be known for as long as one can be.
    let grace = Duration::new(LONGEST_GRACE_DAYS, Unit::Day);
    let counts = |end: Instant| grace.and_then(|grace| end.plus(grace)).is_none_or(|end| end > now);
    let policies = vault.policies()?;
    for (at, policy) in policies.iter().enumerate().filter(|(_, policy)| policy.reads_content()) {
        if policies.get(at + 1).is_some_and(|next| !counts(next.effective)) {
            continue;
        }
        let written = vault.policy_written(policy.version)?.unwrap_or_default();
        let Ok(written) = Written::parse(&written) else { return Ok(None) };
        texts.extend(written.rules.into_iter().map(|rule| (rule.select, false)));
    }
    let holds = vault.noted_holds()?.into_iter().filter(|noted| noted.hold.released.is_none_or(counts));
    texts.extend(holds.map(|noted| (noted.note.selector, noted.hold.released.is_none_or(|at| at > now))));
    let mut marks: Vec<Marked> = Vec::new();
    for (text, stays) in texts {
        let Ok(selector) = read("a stored selector", &text) else { return Ok(None) };
        let (mark, content) = (vault.mark_of(&text), content_of(&selector));
        match marks.iter_mut().find(|known| known.mark == mark) {
            Some(known) => known.stays |= stays,
            None if content.is_empty() => {}
            None => marks.push(Marked { mark, content, stays }),
        }
    }
    Ok(Some(marks))
}

/// Compiles every conversation that was not compiled under the policy and the holds of today, where either reads content.
/// `holds` says whether a selector holds for a conversation with these tags.
pub fn compile(
    vault: &mut Vault,
    now: Instant,
    holds: impl Fn(&Selector, &Entry, &[String]) -> bool,
) -> Result<u64, CompileError> {
    let Some(marks) = marks(vault, now)?.filter(|marks| !marks.is_empty()) else { return Ok(0) };
    let names = vault.tag_names()?;
    let (mut entries, mut found) = (Vec::new(), HashMap::new());
    for segments in by_conversation(vault.listing()?.entries) {
        // What is asked of content is asked of a chat as a whole, and a new month may change the answer.
        if segments.iter().all(|one| vault.is_compiled(one)) {
            continue;
        }
        let Some(entry) = Entry::whole(&segments) else { continue };
        let tags: Vec<String> = entry.facts.tags.iter().filter_map(|tag| names.get(tag).cloned()).collect();
        let has =
            |one: &&Marked| one.stays && entry.facts.tags.contains(&one.mark) || holds(&one.content, &entry, &tags);
        let marks: Vec<Mark> = marks.iter().filter(has).map(|one| one.mark).collect();
        found.insert(entry.conversation, marks);
        entries.extend(segments);
    }
    let of = |entry: &Entry| found.get(&entry.conversation).cloned().unwrap_or_default();
    Ok(vault.compile(&entries, of, now)?)
}
