//! Deposits taken over by an owner, after they were folded in: sealed as everything else is, and united with what they continue.

use super::commit::{Actor, mark_superseded, renew_copy, write_state};
use super::content::Body;
use super::erase::Target;
use super::items::{Depth, Entry, at, facts_at, rows_of};
use super::log::Action;
use super::segment::{DEPOSITED, Opener, unwrap_read_share, wrap_read_share};
use super::tags::change_facts;
use super::{Damage, Vault, VaultError};
use crate::clock::Instant;
use crate::sketch::SketchBuilder;
use crate::store::Table;
use crate::tree;

impl Vault {
    /// Whether anything came in by a deposit that no owner has looked at yet.
    pub fn has_deposited(&self) -> Result<bool, VaultError> {
        Ok(!self.deposited_leaves()?.is_empty())
    }

    /// Of these entries, those that came in so.
    pub fn deposited<'e>(&self, entries: &'e [Entry]) -> Result<Vec<&'e Entry>, VaultError> {
        let leaves = self.deposited_leaves()?;
        Ok(entries.iter().filter(|entry| leaves.binary_search(&entry.leaf).is_ok()).collect())
    }

    fn deposited_leaves(&self) -> Result<Vec<u64>, VaultError> {
        let mut leaves = Vec::new();
        for leaf in self.store.ids(Table::DepositShare)? {
            let share = self.store.get(Table::ReadShare, leaf)?;
            if share.is_some_and(|share| share.starts_with(&DEPOSITED)) {
                leaves.push(leaf);
            }
        }
        Ok(leaves)
    }

    /// Whether the body of a deposit opens, and its sketch, where it has one, is that of what it says.
    fn is_as_it_says(&self, leaf: u64) -> Result<bool, VaultError> {
        let rows = rows_of(&self.store, leaf, Depth::Body)?;
        let sketch = self.store.get(Table::Sketch, leaf)?;
        let look = || -> Result<(), VaultError> {
            let opener = rows.opener(&self.keys.facts, &mut self.frontier.walker())?;
            let content = opener.content(&self.keys.read, &rows.read_share)?;
            let body = Body::decode(&content.body(&rows.body)?).map_err(|_| Damage::Record("body"))?;
            let mut sketches = SketchBuilder::default();
            sketch.map_or(Ok(()), |sketch| content.check_sketch(&sketch, &body.conversation, &mut sketches))
        };
        match look() {
            Ok(()) => Ok(true),
            Err(VaultError::Damaged(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Deposits whose content does not open, or whose sketch says what they do not: their depositor sealed them wrongly, so
    /// that nobody can ever read them, or find them.
    pub fn spoiled_deposits(&self) -> Result<Vec<Target>, VaultError> {
        let (mut spoiled, mut walker) = (Vec::new(), self.frontier.walker());
        for leaf in self.deposited_leaves()? {
            if self.is_as_it_says(leaf)? && self.has_card(leaf) {
                continue;
            }
            let (record, ..) = facts_at(&self.store, &self.keys.facts, &mut walker, leaf)?;
            spoiled.push(Target { conversation: record.facts.conversation, month: record.facts.month, leaf });
        }
        Ok(spoiled)
    }

    /// Whether a conversation of this source id was destroyed in this vault before.
    pub fn was_destroyed(&self, entry: &Entry) -> Result<bool, VaultError> {
        Ok(self.destroyed()?.has(&self.keys, &entry.card.source, &entry.card.native_id, entry.facts.month))
    }

    /// Wraps the read shares of deposits under the read key, and writes into their facts what only an owner can.
    pub fn adopt(&mut self, deposits: &[Entry], now: Instant) -> Result<(), VaultError> {
        self.refuse_while_promised()?;
        let (keys, vault) = (&self.keys, self.static_head.vault);
        let mut transaction = self.store.begin()?;
        let mut walker = self.frontier.walker();
        for entry in deposits {
            let leaf = entry.leaf;
            let mut wrap = || -> Result<(), VaultError> {
                let segment = Opener::at(transaction.store(), &keys.facts, &mut walker, leaf)?.row.segment;
                let share = transaction.store().get(Table::ReadShare, leaf)?.ok_or(Damage::Record("read share"))?;
                let (read, conversation) = unwrap_read_share(&keys.read, segment, &share)?;
                transaction.delete(Table::ReadShare, leaf..leaf + 1)?;
                let wrapped = wrap_read_share(&read, &keys.read, segment, conversation);
                Ok(transaction.insert(Table::ReadShare, leaf, &wrapped)?)
            };
            wrap().map_err(|error| at(leaf, error))?;
        }
        let changes = change_facts(&mut transaction, keys, &self.frontier, deposits, |entry, facts| {
            let (source, id) = (&entry.card.source, &entry.card.native_id);
            facts.fingerprint = keys.keys.key.fingerprint(&vault, source, id, facts.month);
            true
        })?;
        let (mut state, action) =
            (self.state.clone(), Action::counted("adopt", vec![("segments", deposits.len() as u64)]));
        let actor = Actor::of(keys, &self.static_head);
        write_state(&mut transaction, &mut state, self.state_row, &changes, &action, &actor, now)?;
        transaction.commit()?;
        self.state = state;
        self.state_row += 1;
        renew_copy(&self.store, &self.place, &vault)
    }

    /// Makes a deposit an earlier version of the conversation that has all of it now: its content goes, and its keys go
    /// with the conversation's.
    pub fn supersede(&mut self, deposit: &Entry, by: &Entry, now: Instant) -> Result<(), VaultError> {
        self.refuse_while_promised()?;
        let vault = self.static_head.vault;
        let mut transaction = self.store.begin()?;
        let mut changes =
            change_facts(&mut transaction, &self.keys, &self.frontier, std::slice::from_ref(deposit), |_, facts| {
                facts.conversation = by.conversation;
                true
            })?;
        let opener = Opener::at(transaction.store(), &self.keys.facts, &mut self.frontier.walker(), deposit.leaf)?;
        mark_superseded(&mut transaction, &opener, deposit.leaf, by.conversation, by.leaf, now)?;
        for live in changes.values_mut() {
            *live = tree::superseded_leaf(live);
        }
        let (mut state, action) = (self.state.clone(), Action::counted("adopt", vec![("united", 1)]));
        let actor = Actor::of(&self.keys, &self.static_head);
        write_state(&mut transaction, &mut state, self.state_row, &changes, &action, &actor, now)?;
        transaction.commit()?;
        self.state = state;
        self.state_row += 1;
        renew_copy(&self.store, &self.place, &vault)
    }
}
