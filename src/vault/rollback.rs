//! An older state of the vault in the place of a later one: noticed by the log, and gone on from when that is accepted.

use std::collections::HashSet;

use super::access::{CanErase, CanJudge};
use super::erase::Target;
use super::head::{StateHead, StaticHead};
use super::log::Action;
use super::recover::Resumption;
use super::segment::SegmentRow;
use super::trim::Beginning;
use super::{Damage, Vault, VaultError};
use crate::clock::Instant;
use crate::crypto::Digest;
use crate::facts::FactsRecord;
use crate::log_tree;
use crate::store::{Store, StoreError, Table};

impl<A: CanErase> Vault<A> {
    /// The segments that live, whatever version, where these leaves and commitments are.
    pub fn targets_at(&self, leaves: &[(u64, Digest)]) -> Result<Vec<Target>, VaultError> {
        let wanted: HashSet<&(u64, Digest)> = leaves.iter().collect();
        let ask = |leaf, row: &SegmentRow, record: FactsRecord| {
            let is_wanted = wanted.contains(&(leaf, row.commitment));
            Ok((is_wanted, Target { conversation: record.facts.conversation, month: record.facts.month, leaf }))
        };
        let (found, damaged) = self.each_facts(&self.live_leaves()?, ask)?;
        let found: Vec<Target> =
            found.into_iter().filter(|(_, (is_wanted, _))| *is_wanted).map(|(_, (_, it))| it).collect();
        match damaged.into_iter().next() {
            Some(damage) if found.is_empty() => Err(damage.into()),
            _ => Ok(found),
        }
    }

    /// Goes on from a state that is older than one that was seen: leaf numbers that were given out since are not given
    /// out again, and the log says so.
    pub fn accept_rollback(&mut self, next_leaf: u64, now: Instant) -> Result<(), VaultError> {
        let mut state = self.state.clone();
        state.next_leaf = state.next_leaf.max(next_leaf);
        let action = Action::counted("rollback", vec![("next_leaf", state.next_leaf)]);
        self.commit_action(state, &action, now, |_| Ok(()))
    }
}

impl<A: CanJudge> Vault<A> {
    /// The next leaf number.
    pub fn next_leaf(&self) -> u64 {
        self.state.next_leaf
    }

    /// The root of the log when it had `size` entries; none when it had fewer, or when the entries around are not there.
    pub fn log_root_at(&self, size: u64) -> Result<Option<Digest>, VaultError> {
        log_root_at(&self.store, &self.static_head, &self.state, size)
    }
}

/// See [`Vault::log_root_at`]. Every row and every edge that a recovery kept has to lead to the root that the state signs,
/// or none of them says anything.
pub(super) fn log_root_at(
    store: &Store,
    head: &StaticHead,
    state: &StateHead,
    size: u64,
) -> Result<Option<Digest>, VaultError> {
    if size >= state.log.size() {
        return Ok((size == state.log.size()).then(|| state.log.root()));
    }
    let resumed = Resumption::all(store, head)?;
    let mut edge = Beginning::of(store, head)?.edge;
    let mut root = (size == edge.size()).then(|| edge.root());
    while edge.size() < state.log.size() {
        let at = edge.size();
        if let Some(one) = resumed.iter().find(|one| one.kept == at && one.edge.size() > at) {
            edge = one.edge.clone();
        } else {
            let end = resumed.iter().map(|one| one.kept).find(|kept| *kept > at).unwrap_or(state.log.size());
            store.scan::<StoreError>(Table::Log, at + 1..end + 1, |_, row| {
                edge.append(&log_tree::leaf_hash(row));
                if edge.size() == size {
                    root = Some(edge.root());
                }
                Ok(())
            })?;
            if edge.size() != end {
                return Err(Damage::Record("log").into());
            }
        }
        if edge.size() == size {
            root = Some(edge.root());
        }
    }
    if edge.root() == state.log.root() { Ok(root) } else { Err(Damage::Record("log").into()) }
}
