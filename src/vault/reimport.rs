//! Fingerprints of destroyed source ids, by which an import knows what it must not bring back.
//!
//! An owner makes them when a segment is stored, and they stand in its facts: so whoever destroys it can hand them
//! on, and only an owner can tell of what they are.

use std::collections::HashSet;

use super::access::{FactsKeys, Owner};
use super::{Damage, Vault, VaultError};
use crate::crypto::{Digest, Place, Purpose, padding};
use crate::store::{Store, Table};

/// Fingerprints of source ids whose conversations were destroyed.
#[derive(Debug, Default)]
pub(super) struct Destroyed(HashSet<Digest>);

impl Destroyed {
    /// Whether a source id is among them.
    pub(super) fn has(&self, keys: &Owner, source: &str, native_id: &str, month: u32) -> bool {
        let fingerprint = || keys.keys.key.fingerprint(&keys.facts.vault, source, native_id, month);
        !self.0.is_empty() && self.0.contains(&fingerprint())
    }
}

/// The row of these fingerprints.
pub(super) fn row(prints: &[Digest], keys: &FactsKeys) -> Vec<u8> {
    let key = keys.key.derive_fingerprints(&keys.vault);
    key.seal(&Place::of_vault(keys.vault, Purpose::Fingerprints), &padding::bucket(prints.as_flattened()))
}

/// All rows, opened.
pub(super) fn rows(store: &Store, keys: &FactsKeys) -> Result<Vec<(u64, Vec<Digest>)>, VaultError> {
    let key = keys.key.derive_fingerprints(&keys.vault);
    let place = Place::of_vault(keys.vault, Purpose::Fingerprints);
    let damaged = || VaultError::from(Damage::Record("fingerprints"));
    let open = |row: &[u8]| {
        let plain = key.open(&place, row).map_err(|_| damaged())?;
        let (prints, rest) = padding::trimmed(&plain).ok_or_else(damaged)?.as_chunks::<32>();
        if rest.is_empty() { Ok(prints.to_vec()) } else { Err(damaged()) }
    };
    store.all(Table::Fingerprint)?.iter().map(|(number, row)| Ok((*number, open(row)?))).collect()
}

impl Vault {
    /// Source ids that an import must not bring back.
    pub(super) fn destroyed(&self) -> Result<Destroyed, VaultError> {
        let all = rows(&self.store, &self.keys.facts)?;
        Ok(Destroyed(all.into_iter().flat_map(|(_, prints)| prints).collect()))
    }
}
