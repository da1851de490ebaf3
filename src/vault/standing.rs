//! How every conversation stands under the policy and the holds, as the facts tell it.

use std::collections::BTreeMap;

use super::commit::{Actor, load_tile, renew_copy, write_state};
use super::items::{Entry, at, facts_rows};
use super::log::Action;
use super::segment::Opener;
use super::tags::change_facts;
use super::{Damage, Vault, VaultError};
use crate::clock::Instant;
use crate::facts::{Facts, TagId};
use crate::retention::{self, Action as RuleAction, Holds, Item, Mark, Policy, Verdict};
use crate::store::Table;
use crate::tree;

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

/// What a policy needs to know of a conversation.
fn item(leaf: u64, facts: &Facts) -> Item {
    Item {
        conversation: facts.conversation,
        leaf,
        created: facts.created,
        last_activity: facts.last_activity,
        imported: facts.imported,
        marked: facts.marked,
        source: facts.source.clone(),
        marks: facts.tags.clone(),
        attachments: facts.attachments,
        policy_version: facts.policy_version,
        holds_version: facts.holds_version,
    }
}

impl Vault {
    /// What the policy needs to know of every segment that lives, ascending by leaf, each checked against the live tree.
    /// Opens facts and nothing else.
    pub fn policy_items(&self) -> Result<Vec<Item>, VaultError> {
        let mut walker = self.frontier.walker();
        let (mut items, mut leaves) = (Vec::new(), Vec::new());
        for leaf in self.live_leaves()? {
            let mut read = || {
                let row = self.store.get(Table::Segment, leaf)?.ok_or(Damage::Record("segment"))?;
                let opener = Opener::new(&self.keys, &mut walker, leaf, &row)?;
                let (version, facts) = facts_rows(&self.store, leaf)?.pop().ok_or(Damage::Record("facts"))?;
                let record = opener.facts(version, &facts)?;
                leaves.push((leaf, opener.row.leaf(&record.hash())));
                items.push(item(leaf, &record.facts));
                Ok(())
            };
            read().map_err(|error: VaultError| at(leaf, error))?;
        }
        if !leaves.is_empty() {
            tree::check_leaves::<VaultError>(&self.state.live_root, |key| load_tile(&self.store, key), &leaves)?;
        }
        Ok(items)
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

    /// How one conversation stands at `now`.
    pub fn standing(&self, entry: &Entry, now: Instant) -> Result<Standings, VaultError> {
        let (policies, holds) = (self.policies()?, self.holds()?);
        let counts = |policy: &Policy| policy.rules.iter().any(|rule| matches!(rule.action, RuleAction::KeepLast(_)));
        let items = match policies.iter().any(counts) {
            true => self.policy_items()?,
            false => vec![item(entry.leaf, &entry.facts)],
        };
        Ok(Self::judged(&policies, &holds, &items, now))
    }

    fn judged(policies: &[Policy], holds: &Holds, items: &[Item], now: Instant) -> Standings {
        let verdicts = retention::evaluate(policies, holds, items, now);
        Standings(items.iter().map(|item| item.leaf).zip(verdicts).collect())
    }

    /// How a conversation came to stand so, under the policy in force and those that cool off.
    pub fn explain(&self, entry: &Entry, now: Instant) -> Result<Vec<retention::Explanation>, VaultError> {
        let (policies, items) = (self.policies()?, self.policy_items()?);
        let Some(item) = items.iter().find(|item| item.leaf == entry.leaf) else { return Ok(Vec::new()) };
        let counting = &policies[retention::in_force(&policies, now)..];
        Ok(counting.iter().map(|policy| policy.explain(item, &items)).collect())
    }

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
        let mut transaction = self.store.begin()?;
        let change = |entry: &Entry, facts: &mut Facts| {
            let mut tags: Vec<TagId> = facts.tags.iter().filter(|tag| names.contains_key(*tag)).copied().collect();
            tags.extend(marks(entry));
            tags.sort_unstable();
            tags.dedup();
            let changed = tags != facts.tags || (facts.policy_version, facts.holds_version) != versions;
            if tags != facts.tags {
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
        renew_copy(&self.store, &self.place, &self.keys.vault)?;
        Ok(count)
    }

    /// Whether a conversation was compiled under the policy and the holds of today.
    pub fn is_compiled(&self, entry: &Entry) -> bool {
        let versions = (self.static_head.policy_version, self.static_head.holds_version);
        (entry.facts.policy_version, entry.facts.holds_version) == versions
    }
}
