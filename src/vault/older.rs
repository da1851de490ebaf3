//! What an older copy of a vault and the anchors in reach still lead to, which needs no password to be tried.

use std::collections::BTreeSet;
use std::path::Path;

use super::head::AnchorKind;
use super::open::only;
use super::rollback::log_root_at;
use super::rotate::open_frontier;
use super::{Damage, StateEvidence, Unopened, VaultError};
use crate::anchor::{FileAnchor, KeyringCopy};
use crate::crypto::{Anchor, Digest};
use crate::store::Table;

impl Unopened {
    /// How many of these leaves and commitments an erase share can be derived of: from the keyring in this file and those
    /// beside the anchor at `anchor`, with every anchor that stands in this file or in that one.
    pub fn derives(&self, anchor: Option<&Path>, leaves: &[(u64, Digest)]) -> Result<u64, VaultError> {
        let vault = self.id();
        let mut keyrings = vec![only(&self.store, Table::Frontier, "keyring")?];
        let mut anchors = Vec::new();
        if self.state.anchor_kind == AnchorKind::Embedded {
            let (_, row) = only(&self.store, Table::Anchor, "anchor")?;
            anchors.push(Anchor::from_slice(&row).ok_or(Damage::Record("anchor"))?);
        }
        if let Some(path) = anchor {
            anchors.extend(FileAnchor::open(path, vault)?.anchors()?);
            for copy in KeyringCopy::all(path, &vault)? {
                let rows = copy.rows.into_iter().filter(|(table, ..)| table == Table::Frontier.name());
                keyrings.extend(rows.map(|(_, generation, row)| (generation, row)));
            }
        }
        let mut derived = BTreeSet::new();
        for (generation, row) in &keyrings {
            for anchor in &anchors {
                let Ok((frontier, _)) = open_frontier(row, anchor, &vault, *generation) else { continue };
                let derives = |(leaf, commitment): &&(u64, Digest)| {
                    frontier.covers(*leaf)
                        && frontier.erase_share(*leaf).is_some_and(|share| share.commitment() == *commitment)
                };
                derived.extend(leaves.iter().filter(derives).map(|(leaf, _)| *leaf));
            }
        }
        Ok(derived.len() as u64)
    }

    /// Whether the log goes on from the one of a signed state: none when the entries to tell it by are not in the file.
    pub fn continues(&self, earlier: &StateEvidence) -> Result<Option<bool>, VaultError> {
        if earlier.log_size > self.state.log.size() {
            return Ok(Some(false));
        }
        let root = log_root_at(&self.store, &self.state, earlier.log_size)?;
        Ok(root.map(|root| root == earlier.log_root))
    }

    /// What the head says of a credential: its role's word, or nothing when it is not there any more.
    pub fn role_of(&self, credential: &[u8; 16]) -> Option<&'static str> {
        self.static_head.credential(credential).map(|credential| credential.role.word())
    }
}
