//! What an older copy of a vault and the anchors in reach still lead to, which needs no password to be tried.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::deposit::deposited_share;
use super::head::AnchorKind;
use super::open::only;
use super::rollback::log_root_at;
use super::rotate::open_frontier;
use super::segment::SegmentRow;
use super::{Damage, StateEvidence, Unopened, VaultError};
use crate::anchor::{FileAnchor, KeyringCopy};
use crate::crypto::{Anchor, Digest};
use crate::store::Table;

impl Unopened {
    /// How many of these leaves and commitments an erase share can be derived of: from the keyring in this file and those
    /// beside the anchors at `anchors`, with every anchor that stands in this file or in those. None when there is no
    /// anchor at all to try, or no keyring that one of them opens: then nothing was shown.
    pub fn derives(&self, anchors: &[PathBuf], leaves: &[(u64, Digest)]) -> Result<Option<u64>, VaultError> {
        let vault = self.id();
        let mut deposits = Vec::new();
        for (leaf, _) in leaves {
            let share = self.store.get(Table::DepositShare, *leaf)?;
            let row = self.store.get(Table::Segment, *leaf)?.and_then(|row| SegmentRow::decode(&row).ok());
            deposits.extend(share.zip(row).map(|(share, row)| (*leaf, share, row.segment)));
        }
        let mut inbox = Vec::new();
        self.store.scan::<VaultError>(Table::Inbox, 0..i64::MAX as u64, |_, row| {
            inbox.push(row.to_vec());
            Ok(())
        })?;
        let mut keyrings = vec![only(&self.store, Table::Frontier, "keyring")?];
        let mut keys = Vec::new();
        if self.state.anchor_kind == AnchorKind::Embedded {
            let (_, row) = only(&self.store, Table::Anchor, "anchor")?;
            keys.push(Anchor::from_slice(&row).ok_or(Damage::Record("anchor"))?);
        }
        for path in anchors {
            let Ok(found) = FileAnchor::open(path, vault).and_then(|file| file.anchors()) else { continue };
            keys.extend(found);
            for copy in KeyringCopy::all(path, &vault).unwrap_or_default() {
                let rows = copy.rows.into_iter().filter(|(table, ..)| table == Table::Frontier.name());
                keyrings.extend(rows.map(|(_, generation, row)| (generation, row)));
            }
        }
        let (mut opened, mut derived) = (0, BTreeSet::new());
        for (generation, row) in &keyrings {
            for anchor in &keys {
                let Ok((frontier, secret, _)) = open_frontier(row, anchor, &vault, *generation) else { continue };
                opened += 1;
                let share = |leaf: u64| frontier.covers(leaf).then(|| frontier.erase_share(leaf)).flatten();
                // A deposit's share is wrapped under that of its leaf, and before that it is sealed in the inbox.
                let unwrapped = |(leaf, wrapped, segment): &(u64, Vec<u8>, [u8; 16])| {
                    Some(share(*leaf)?.unwrap_deposit(vault, *segment, wrapped).ok()?.commitment())
                };
                let mut found: BTreeSet<Digest> = deposits.iter().filter_map(unwrapped).collect();
                found.extend(inbox.iter().filter_map(|row| deposited_share(row, &vault, &secret)));
                let derives = |(leaf, commitment): &&(u64, Digest)| {
                    found.contains(commitment) || share(*leaf).is_some_and(|share| share.commitment() == *commitment)
                };
                derived.extend(leaves.iter().filter(derives).map(|(leaf, _)| *leaf));
            }
        }
        Ok((opened > 0).then_some(derived.len() as u64))
    }

    /// Whether the log goes on from the one of a signed state: none when the entries to tell it by are not in the file.
    pub fn continues(&self, earlier: &StateEvidence) -> Result<Option<bool>, VaultError> {
        if earlier.log_size > self.state.log.size() {
            return Ok(Some(false));
        }
        match log_root_at(&self.store, &self.static_head, &self.state, earlier.log_size) {
            Ok(root) => Ok(root.map(|root| root == earlier.log_root)),
            // The rows are not those of the log that the state signs.
            Err(VaultError::Damaged(_)) => Ok(Some(false)),
            Err(other) => Err(other),
        }
    }

    /// What the head says of a credential: its role's word, or nothing when it is not there any more.
    pub fn role_of(&self, credential: &[u8; 16]) -> Option<&'static str> {
        self.static_head.credential(credential).map(|credential| credential.role.word())
    }
}
