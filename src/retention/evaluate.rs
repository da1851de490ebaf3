//! The one function that says what stands for what: `docs/retention.md`, line by line.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::condition::{Test, all_hold};
use super::policy::LONGEST_GRACE_DAYS;
use super::{Action, Condition, Hold, Holds, Item, Policy, Rule};
use crate::clock::{Duration, Instant, Unit};

/// How an item stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Held: whatever the rules say.
    Held(Held),
    /// Kept, and nothing says when it would be due.
    Kept(Kept),
    /// Served, until then.
    Live {
        /// When it is due, as things are.
        due: Instant,
    },
    /// Not served any more.
    Due {
        /// Since when.
        since: Instant,
        /// When a purge may destroy it: then and later.
        destroyed_from: Instant,
    },
}

/// The holds on an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Their ids, in the order of the list.
    pub holds: Vec<[u8; 16]>,
}

/// Why something is kept without an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// No delete rule is about it.
    NoRule,
    /// It is among the newest of a rule, by its number.
    Newest(usize),
    /// Its content was not compiled under the policy or the holds of today.
    NotCompiled,
    /// Its day lies beyond the calendar.
    Never,
}

/// How an item stands, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How it stands.
    pub standing: Standing,
    /// The version of the policy in force.
    pub version: u64,
    /// The number of the rule by which it is due or will be; one behind the last is the default.
    pub rule: Option<usize>,
}

impl Verdict {
    /// Whether it may be read.
    pub fn is_served(&self) -> bool {
        !matches!(self.standing, Standing::Due { .. })
    }

    /// Since when it is due; none while it is not.
    pub fn due_since(&self) -> Option<Instant> {
        match self.standing {
            Standing::Due { since, .. } => Some(since),
            _ => None,
        }
    }

    /// Whether a purge may destroy it at this time.
    pub fn is_ripe(&self, now: Instant) -> bool {
        matches!(self.standing, Standing::Due { destroyed_from, .. } if destroyed_from <= now)
    }
}

/// A rule that matches an item, and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number; one behind the last is the default.
    pub rule: usize,
    /// The clock's reading.
    pub clock: Instant,
    /// Until when it keeps, or from when it deletes; none for the newest, and beyond the calendar.
    pub at: Option<Instant>,
    /// Whether the outcome is by this rule.
    pub wins: bool,
}

/// How a verdict came about: under the version in force, and under each that cools off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The version.
    pub version: u64,
    /// When it comes, or came, into force.
    pub effective: Instant,
    /// The rules that match.
    pub lines: Vec<Line>,
    /// When it is due by this version alone.
    pub due: Option<Instant>,
    /// Until when it is kept because it was restored.
    pub restored: Option<Instant>,
}

/// How every item stands at `now`. `policies` are all versions, ascending; the first has been in force from the start.
pub fn evaluate(policies: &[Policy], holds: &Holds, items: &[Item], now: Instant) -> Vec<Verdict> {
    let policies = recent(policies, now);
    let in_force = in_force(policies, now);
    let newest: Vec<Newest> = policies.iter().map(|policy| Newest::of(policy, items)).collect();
    // What is the same for all items is asked once.
    let spans = spans(policies);
    let reads: Vec<bool> = policies.iter().map(Policy::reads_content).collect();
    let active: Vec<&Hold> = holds.list.iter().filter(|hold| hold.released.is_none_or(|at| at > now)).collect();
    let hold_reads = active.iter().any(|hold| reads_content(&hold.conditions));
    // What names conversations may be about one that a deposit continues.
    let names =
        |conditions: &[Condition]| conditions.iter().any(|condition| matches!(condition.test, Test::Conversation(_)));
    let is_named = active.iter().any(|hold| names(&hold.conditions))
        || policies[in_force.min(policies.len())..]
            .iter()
            .any(|one| !one.restored.is_empty() || one.rules.iter().any(|rule| names(&rule.conditions)));
    let counts = |at: usize, one: &Policy| at == in_force || at > in_force && one.set <= now;
    let counting = policies.iter().enumerate().filter(|(at, one)| counts(*at, one)).map(|(_, one)| one);
    let graces: Vec<Duration> = counting.map(|one| one.grace).collect();
    let judge = |item: &Item| {
        let Some(policy) = policies.get(in_force) else {
            return Verdict { standing: Standing::Kept(Kept::NoRule), version: 0, rule: None };
        };
        let verdict = |standing, rule| Verdict { standing, version: policy.version, rule };
        let holding = active.iter().filter(|hold| all_hold(&hold.conditions, item)).map(|hold| hold.id);
        let holding: Vec<[u8; 16]> = holding.collect();
        if !holding.is_empty() {
            return verdict(Standing::Held(Held { holds: holding }), None);
        }
        let is_stale = |at: usize| reads[at] && item.policy_version < policies[at].version;
        let is_unread = item.holds_version < holds.version;
        let is_unknown = !item.is_adopted && is_named;
        if is_unknown || (in_force..policies.len()).any(is_stale) || hold_reads && is_unread {
            return verdict(Standing::Kept(Kept::NotCompiled), None);
        }
        let by: Vec<Single> =
            policies.iter().zip(&newest).map(|(policy, newest)| judge(policy, newest, item)).collect();
        let own = &by[in_force];
        // What asked for content that was never compiled kept it too, until it ended.
        let held = |hold: &&Hold| all_hold(&hold.conditions, item) || is_unread && reads_content(&hold.conditions);
        let released = holds.list.iter().filter(held).filter_map(|hold| hold.released);
        let ended = policies.iter().skip(1).enumerate().filter(|(before, _)| is_stale(*before));
        let ended = ended.map(|(_, next)| next.effective);
        match since(&spans, &by, now) {
            Timeline::Since(since) => {
                // Whatever made it due just now begins a grace: its import, a tag, a release, the end of a question.
                let changed = [item.imported, item.marked].into_iter().chain(released).chain(ended);
                let since = changed.filter(|at| *at <= now).fold(since, Instant::max);
                // Of versions that count together the longest grace does.
                let ends: Option<Vec<Instant>> = graces.iter().map(|grace| since.plus(*grace)).collect();
                match ends.and_then(|ends| ends.into_iter().max()) {
                    Some(destroyed_from) => verdict(Standing::Due { since, destroyed_from }, own.rule),
                    None => verdict(Standing::Kept(Kept::Never), None),
                }
            }
            Timeline::From(due) => verdict(Standing::Live { due }, own.rule),
            Timeline::Never => verdict(Standing::Kept(own.kept), None),
        }
    };
    items.iter().map(judge).collect()
}

fn reads_content(conditions: &[Condition]) -> bool {
    conditions.iter().any(Condition::reads_content)
}

impl Policy {
    /// Whether a rule of it asks for content.
    pub fn reads_content(&self) -> bool {
        self.rules.iter().any(|rule| reads_content(&rule.conditions))
    }

    /// How it judges one of `items`, rule by rule.
    pub fn explain(&self, item: &Item, items: &[Item]) -> Explanation {
        let newest = Newest::of(self, items);
        let single = judge(self, &newest, item);
        let restored = self.restored_until(&item.conversation);
        let line = |(number, rule): (usize, &Rule)| {
            let at = match rule.action {
                Action::Keep(length) | Action::Delete(length) => rule.clock.of(item).plus(length),
                Action::KeepLast(_) => None,
            };
            let wins = single.rule == Some(number)
                || single.keep_rule == Some(number)
                || single.kept == Kept::Newest(number) && single.due.is_none();
            Line { rule: number, clock: rule.clock.of(item), at, wins }
        };
        let matching = self.rules.iter().enumerate().filter(|(_, rule)| all_hold(&rule.conditions, item));
        let mut lines: Vec<Line> = matching.map(line).collect();
        let has_delete = lines.iter().any(|line| matches!(self.rules[line.rule].action, Action::Delete(_)));
        if let Some((length, clock)) = self.default.filter(|_| !has_delete) {
            let number = self.rules.len();
            let (clock, at) = (clock.of(item), clock.of(item).plus(length));
            lines.push(Line { rule: number, clock, at, wins: single.rule == Some(number) });
        }
        Explanation { version: self.version, effective: self.effective, lines, due: single.due, restored }
    }
}

/// Which of all versions is in force at `now`; those behind it cool off. The first has been from the start.
pub fn in_force(policies: &[Policy], now: Instant) -> usize {
    policies.iter().rposition(|policy| policy.effective <= now).unwrap_or(0)
}

/// The versions that can still matter: what ended longer ago than any grace says nothing any more.
fn recent(policies: &[Policy], now: Instant) -> &[Policy] {
    let grace = Duration::new(LONGEST_GRACE_DAYS, Unit::Day);
    let ended = |end: Instant| grace.and_then(|grace| end.plus(grace)).is_some_and(|end| end <= now);
    let first = policies.windows(2).take_while(|pair| ended(pair[1].effective)).count();
    &policies[first..]
}

/// How one version judges one item.
struct Single {
    /// When it is due; none for never.
    due: Option<Instant>,
    /// Why it is kept where it is never due.
    kept: Kept,
    /// The delete rule that counts.
    rule: Option<usize>,
    /// The keep rule that puts it off.
    keep_rule: Option<usize>,
}

fn judge(policy: &Policy, newest: &Newest, item: &Item) -> Single {
    let kept = |kept| Single { due: None, kept, rule: None, keep_rule: None };
    if let Some(rule) = newest.rule_of(item) {
        return kept(Kept::Newest(rule));
    }
    let matching: Vec<(usize, &Rule)> =
        policy.rules.iter().enumerate().filter(|(_, rule)| all_hold(&rule.conditions, item)).collect();
    let deletes = matching.iter().filter_map(|(number, rule)| match rule.action {
        Action::Delete(length) => Some((*number, rule.clock.of(item).plus(length))),
        _ => None,
    });
    let default = policy.default.map(|(length, clock)| (policy.rules.len(), clock.of(item).plus(length)));
    let deletes: Vec<(usize, Option<Instant>)> = deletes.collect();
    // A day beyond the calendar never comes; an earlier one of another rule may.
    let (rule, delete) = match deletes.iter().min_by_key(|(_, at)| at.map_or(i64::MAX, |at| at.0)).copied().or(default)
    {
        None => return kept(Kept::NoRule),
        Some((_, None)) => return kept(Kept::Never),
        Some((rule, Some(at))) => (rule, at),
    };
    let mut due = delete;
    let mut keep_rule = None;
    for (number, rule) in &matching {
        if let Action::Keep(length) = rule.action {
            let Some(until) = rule.clock.of(item).plus(length) else { return kept(Kept::Never) };
            if until > due {
                (due, keep_rule) = (until, Some(*number));
            }
        }
    }
    if let Some(until) = policy.restored_until(&item.conversation).filter(|until| *until > due) {
        (due, keep_rule) = (until, None);
    }
    // Until newer ones displaced it a rule kept it, in any version that counted then.
    if let Some(at) = newest.displaced(item).filter(|at| *at > due) {
        (due, keep_rule) = (at, None);
    }
    Single { due: Some(due), kept: Kept::NoRule, rule: Some(rule), keep_rule }
}

/// Each conversation of a keep-last rule, and since when as many newer ones are there; `None` while it is one of the newest.
type Displaced = BTreeMap<[u8; 16], Option<Instant>>;

/// The keep-last rules of a policy by their number, each with its conversations.
struct Newest(Vec<(usize, Displaced)>);

impl Newest {
    fn of(policy: &Policy, items: &[Item]) -> Self {
        let mut all = Vec::new();
        for (number, rule) in policy.rules.iter().enumerate() {
            let Action::KeepLast(count) = rule.action else { continue };
            // Of each conversation the latest reading of its clock, and when it last changed: older ones can have become newer.
            let mut latest: BTreeMap<[u8; 16], (i64, i64)> = BTreeMap::new();
            for item in items.iter().filter(|item| all_hold(&rule.conditions, item)) {
                let (at, changed) = latest.entry(item.conversation).or_insert((i64::MIN, i64::MIN));
                *at = (*at).max(rule.clock.of(item).0);
                *changed = (*changed).max(item.imported.0).max(item.marked.0);
            }
            let mut ranked: Vec<([u8; 16], (i64, i64))> = latest.into_iter().collect();
            ranked.sort_unstable_by(|a, b| b.1.0.cmp(&a.1.0).then(a.0.cmp(&b.0)));
            // The changes of as many newer ones as are kept, the earliest: the last of them displaced what follows.
            let mut first: BinaryHeap<i64> = BinaryHeap::new();
            let mut displaced = BTreeMap::new();
            for (conversation, (_, changed)) in ranked {
                let is_full = first.len() >= count as usize;
                displaced.insert(conversation, first.peek().filter(|_| is_full).map(|at| Instant(*at)));
                first.push(changed);
                if is_full {
                    first.pop();
                }
            }
            all.push((number, displaced));
        }
        Self(all)
    }

    /// The first rule that keeps an item so.
    fn rule_of(&self, item: &Item) -> Option<usize> {
        let keeps = |(_, all): &&(usize, Displaced)| all.get(&item.conversation) == Some(&None);
        self.0.iter().find(keeps).map(|(number, _)| *number)
    }

    /// When the last rule that kept it did so no more.
    fn displaced(&self, item: &Item) -> Option<Instant> {
        self.0.iter().filter_map(|(_, all)| *all.get(&item.conversation)?).max()
    }
}

/// When an item is due, over the versions that were and will be in force.
enum Timeline {
    /// It is, since then, without a break.
    Since(Instant),
    /// It will be then.
    From(Instant),
    /// Never, as things are.
    Never,
}

/// A time in which the same versions count.
struct Span {
    begin: i64,
    end: i64,
    counting: Vec<usize>,
}

/// A version that is set counts beside the one in force until it comes into force itself.
fn spans(policies: &[Policy]) -> Vec<Span> {
    let mut borders: BTreeSet<i64> = policies.iter().flat_map(|policy| [policy.set.0, policy.effective.0]).collect();
    borders.insert(i64::MIN);
    let ends = borders.iter().skip(1).copied().chain([i64::MAX]);
    let span = |(begin, end): (i64, i64)| {
        let in_force = in_force(policies, Instant(begin));
        let counts = |at: &usize| *at == in_force || *at > in_force && policies[*at].set.0 <= begin;
        Span { begin, end, counting: (0..policies.len()).filter(counts).collect() }
    };
    borders.iter().copied().zip(ends).map(span).collect()
}

/// An item is due where all versions that count say so.
fn since(spans: &[Span], by: &[Single], now: Instant) -> Timeline {
    let mut since = None;
    for Span { begin, end, counting } in spans {
        if *begin > now.0 && since.is_some() {
            break;
        }
        let dues = counting.iter().map(|at| by[*at].due);
        let due: Option<i64> =
            dues.map(|due| due.map(|due| due.0)).try_fold(i64::MIN, |latest, due| Some(latest.max(due?)));
        let start = due.map(|due| due.max(*begin)).filter(|start| start < end);
        since = match (start, since) {
            (None, _) => None,
            (Some(start), Some(before)) if start == *begin => Some(before),
            (Some(start), _) => Some(start),
        };
    }
    match since {
        Some(at) if at <= now.0 => Timeline::Since(Instant(at)),
        Some(at) => Timeline::From(Instant(at)),
        None => Timeline::Never,
    }
}
