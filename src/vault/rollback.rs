//! An older state of the vault in the place of a later one: noticed by the log, and gone on from when that is accepted.

use std::collections::{BTreeSet, HashSet};

use super::head::StateHead;
use super::log::Action;
use super::recover::Resumption;
use super::segment::{SegmentRow, unwrap_read_share};
use super::{Damage, Vault, VaultError};
use crate::clock::Instant;
use crate::crypto::Digest;
use crate::log_tree::{self, RightEdge};
use crate::store::{Store, StoreError, Table};

impl Vault {
    /// The conversations of segments that are there under these leaves and commitments.
    pub fn conversations_at(&self, leaves: &[(u64, Digest)]) -> Result<BTreeSet<[u8; 16]>, VaultError> {
        let wanted: HashSet<&(u64, Digest)> = leaves.iter().collect();
        let mut conversations = BTreeSet::new();
        for leaf in self.store.ids(Table::Segment)? {
            let row = self.store.get(Table::Segment, leaf)?.ok_or(Damage::Segment(leaf, "segment"))?;
            let row = SegmentRow::decode(&row).map_err(|_| Damage::Segment(leaf, "segment"))?;
            if wanted.contains(&(leaf, row.commitment))
                && let Some(share) = self.store.get(Table::ReadShare, leaf)?
            {
                conversations.insert(unwrap_read_share(&self.keys, row.segment, &share)?.1);
            }
        }
        Ok(conversations)
    }

    /// Goes on from a state that is older than one that was seen: leaf numbers that were given out since are not given
    /// out again, and the log says so.
    pub fn accept_rollback(&mut self, next_leaf: u64, now: Instant) -> Result<(), VaultError> {
        let mut state = self.state.clone();
        state.next_leaf = state.next_leaf.max(next_leaf);
        let action = Action::counted("rollback", vec![("next_leaf", state.next_leaf)]);
        self.commit_action(state, &action, now, |_| Ok(()))
    }

    /// The next leaf number.
    pub fn next_leaf(&self) -> u64 {
        self.state.next_leaf
    }

    /// The root of the log when it had `size` entries; none when it had fewer, or when the entries around are not there.
    pub fn log_root_at(&self, size: u64) -> Result<Option<Digest>, VaultError> {
        log_root_at(&self.store, &self.state, size)
    }
}

/// See [`Vault::log_root_at`]. Every row and every edge that a recovery kept has to lead to the root that the state signs,
/// or none of them says anything.
pub(super) fn log_root_at(store: &Store, state: &StateHead, size: u64) -> Result<Option<Digest>, VaultError> {
    if size >= state.log.size() {
        return Ok((size == state.log.size()).then(|| state.log.root()));
    }
    let resumed = Resumption::all(store)?;
    let mut edge = RightEdge::new();
    let mut root = (size == 0).then(|| edge.root());
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
