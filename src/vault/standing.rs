//! How every conversation stands under the policy and the holds, as the facts tell it.

use std::collections::BTreeMap;

use super::access::CanJudge;
use super::commit::{Actor, renew_copy, write_state};
use super::head::{Role, StateHead, StaticHead};
use super::items::Entry;
use super::log::Action;
use super::segment::SegmentRow;
use super::tags::change_facts;
use super::{Damage, Vault, VaultError};
use crate::clock::Instant;
use crate::crypto::Digest;
use crate::facts::{Facts, FactsRecord, TagId};
use crate::retention::{self, Action as RuleAction, Holds, Item, Mark, Policy, Verdict};
use crate::store::Table;

/// How the conversations of a vault stand at one moment.
pub struct Standings(BTreeMap<u64, Verdict>);

impl Standings {
    /// How one stands. One that was not asked about is served.
    pub fn of(&self, entry: &Entry) -> Option<&Verdict> {
        self.0.get(&entry.leaf)
    }

    /// Whether it may be read.
    pub fn serves(&self, entry: &Entry) -> bool {
        self.of(entry).is_none_or(Verdict::is_served)
    }
}

/// Facts that came in since an owner last signed what lives have to be a depositor's. Before that the owner's signature
/// speaks for them.
pub(super) fn check_signer(
    state: &StateHead,
    head: &StaticHead,
    leaf: u64,
    row: &SegmentRow,
    record: &FactsRecord,
) -> Result<(), VaultError> {
    if state.base().is_none_or(|base| leaf < base.next_leaf) {
        return Ok(());
    }
    let signer = head.credential(&record.signer).filter(|one| one.role == Role::Depositor);
    match signer.is_some_and(|one| record.is_signed_by(&one.verify_key, row.about(&head.vault))) {
        true => Ok(()),
        false => Err(Damage::Record("facts signature").into()),
    }
}

/// What a policy needs to know of a conversation.
fn item(leaf: u64, facts: &Facts) -> Item {
    Item {
        conversation: facts.conversation,
        leaf,
        month: facts.month,
        created: facts.created,
        last_activity: facts.last_activity,
        imported: facts.imported,
        marked: facts.marked,
        source: facts.source.clone(),
        marks: facts.tags.clone(),
        attachments: facts.attachments,
        policy_version: facts.policy_version,
        holds_version: facts.holds_version,
        is_adopted: facts.fingerprint != [0; 32],
    }
}

impl<A: CanJudge> Vault<A> {
    /// What the policy needs to know of every segment that lives, ascending by leaf, each checked against the live tree,
    /// and what could not be read. Opens facts and nothing else.
    pub fn policy_items(&self) -> Result<(Vec<Item>, Vec<Damage>), VaultError> {
        let read =
            |leaf, row: &SegmentRow, record: FactsRecord| Ok((row.leaf(&record.hash()), item(leaf, &record.facts)));
        let (found, mut damaged) = self.each_facts(&self.live_leaves()?, read)?;
        let hashes: Vec<(u64, Digest)> = found.iter().map(|(leaf, (hash, _))| (*leaf, *hash)).collect();
        let untrue = self.untrue(&hashes)?;
        damaged.extend(untrue.iter().map(|leaf| Damage::Segment(*leaf, "place in the live tree")));
        let found = found.into_iter().filter(|(leaf, _)| untrue.binary_search(leaf).is_err());
        Ok((found.map(|(_, (_, item))| item).collect(), damaged))
    }

    /// Refuses a vault in which something lives by a janitor's word that no depositor made.
    pub(super) fn check_what_came(&self) -> Result<(), VaultError> {
        let Some(base) = self.state.base() else { return Ok(()) };
        let (state, head) = (&self.state, &self.static_head);
        let mut leaves = self.store.ids_in(Table::Segment, base.next_leaf..i64::MAX as u64)?;
        // What was destroyed since may still have rows.
        leaves.retain(|leaf| self.frontier.covers(*leaf));
        let check = |leaf, row: &SegmentRow, record: FactsRecord| check_signer(state, head, leaf, row, &record);
        match self.each_facts(&leaves, check)?.1.into_iter().next() {
            Some(damage) => Err(damage.into()),
            None => Ok(()),
        }
    }

    /// How these items stand at `now`, each beside its verdict.
    pub fn judge(&self, items: &[Item], now: Instant) -> Result<Vec<Verdict>, VaultError> {
        Ok(retention::evaluate(&self.policies()?, &self.holds()?, items, now))
    }

    /// How these conversations stand at `now`. Where a rule keeps the newest, all that there are have to be among them.
    pub fn standings(&self, all: &[Entry], now: Instant) -> Result<Standings, VaultError> {
        let (policies, holds) = (self.policies()?, self.holds()?);
        if policies.iter().all(|policy| policy.rules.is_empty() && policy.default.is_none()) && holds.list.is_empty() {
            return Ok(Standings(BTreeMap::new()));
        }
        let items: Vec<Item> = all.iter().map(|entry| item(entry.leaf, &entry.facts)).collect();
        Ok(Self::judged(&policies, &holds, &items, now))
    }

    /// The leaves of what is due at `now`, ascending. Opens all facts where a policy destroys anything, and none
    /// otherwise. Facts that cannot be opened make nothing due; what they belong to is damaged.
    pub fn due_leaves(&self, now: Instant) -> Result<Vec<u64>, VaultError> {
        let (policies, holds) = (self.policies()?, self.holds()?);
        if !policies.iter().any(Policy::destroys) {
            return Ok(Vec::new());
        }
        let items = self.policy_items()?.0;
        let verdicts = retention::evaluate(&policies, &holds, &items, now);
        let due = items.iter().zip(verdicts).filter(|(_, verdict)| !verdict.is_served());
        Ok(due.map(|(item, _)| item.leaf).collect())
    }

    /// How the segments of one conversation stand at `now`.
    pub fn standing(&self, segments: &[Entry], now: Instant) -> Result<Standings, VaultError> {
        let (policies, holds) = (self.policies()?, self.holds()?);
        let counts = |policy: &Policy| policy.rules.iter().any(|rule| matches!(rule.action, RuleAction::KeepLast(_)));
        let items = match policies.iter().any(counts) {
            true => self.policy_items()?.0,
            false => segments.iter().map(|entry| item(entry.leaf, &entry.facts)).collect(),
        };
        Ok(Self::judged(&policies, &holds, &items, now))
    }

    fn judged(policies: &[Policy], holds: &Holds, items: &[Item], now: Instant) -> Standings {
        let verdicts = retention::evaluate(policies, holds, items, now);
        Standings(items.iter().map(|item| item.leaf).zip(verdicts).collect())
    }

    /// How each of these segments came to stand so, under the policy in force and those that cool off.
    pub fn explain(&self, segments: &[Entry], now: Instant) -> Result<Vec<Vec<retention::Explanation>>, VaultError> {
        let (policies, items) = (self.policies()?, self.policy_items()?.0);
        let counting = &policies[retention::in_force(&policies, now)..];
        let explain = |entry: &Entry| {
            let item = items.iter().find(|item| item.leaf == entry.leaf);
            let item = item.into_iter().flat_map(|item| counting.iter().map(|policy| policy.explain(item, &items)));
            item.collect()
        };
        Ok(segments.iter().map(explain).collect())
    }
}

impl Vault {
    /// Writes down which marks these conversations have, under the policy and the holds of today; how many changed.
    /// What is among their tags and has no name is a mark.
    pub fn compile(
        &mut self,
        entries: &[Entry],
        marks: impl Fn(&Entry) -> Vec<Mark>,
        now: Instant,
    ) -> Result<u64, VaultError> {
        self.refuse_while_promised()?;
        let names = self.tag_names()?;
        let versions = (self.static_head.policy_version, self.static_head.holds_version);
        let policy = self.policies()?.last().map(|policy| policy.set);
        let holds = self.holds()?.list.into_iter().map(|hold| hold.released.unwrap_or(hold.placed)).max();
        let asked = policy.max(holds);
        let mut transaction = self.store.begin()?;
        let change = |entry: &Entry, facts: &mut Facts| {
            let mut tags: Vec<TagId> = facts.tags.iter().filter(|tag| names.contains_key(*tag)).copied().collect();
            tags.extend(marks(entry));
            tags.sort_unstable();
            tags.dedup();
            let changed = tags != facts.tags || (facts.policy_version, facts.holds_version) != versions;
            // What was kept since, because nobody had looked, has its grace from now on.
            let waited = (facts.policy_version, facts.holds_version) != versions && asked.is_some_and(|at| at < now);
            if tags != facts.tags || waited {
                facts.marked = now;
            }
            facts.tags = tags;
            (facts.policy_version, facts.holds_version) = versions;
            changed
        };
        let changes = change_facts(&mut transaction, &self.keys, &self.frontier, entries, change)?;
        if changes.is_empty() {
            return Ok(0);
        }
        let count = changes.len() as u64;
        let (mut state, action) = (self.state.clone(), Action::counted("compile", vec![("conversations", count)]));
        let actor = Actor::of(&self.keys, &self.static_head);
        write_state(&mut transaction, &mut state, self.state_row, &changes, &action, &actor, now)?;
        transaction.commit()?;
        self.state = state;
        self.state_row += 1;
        renew_copy(&self.store, &self.place, &self.static_head.vault)?;
        Ok(count)
    }

    /// Whether a conversation was compiled under the policy and the holds of today.
    pub fn is_compiled(&self, entry: &Entry) -> bool {
        let versions = (self.static_head.policy_version, self.static_head.holds_version);
        (entry.facts.policy_version, entry.facts.holds_version) == versions
    }
}
