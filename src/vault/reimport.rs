//! Fingerprints of destroyed source ids, by which an import knows what it must not bring back.

use std::collections::HashSet;

use super::items::Entry;
use super::{Damage, Keys, Vault, VaultError};
use crate::crypto::{self, Digest, Purpose, padding};
use crate::store::Table;

/// What a conversation is known by at its source, which an import must not bring back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    word: String,
    native_id: String,
    month: u32,
}

impl Source {
    /// The source of a conversation.
    pub fn of(entry: &Entry) -> Self {
        let (word, native_id) = (entry.card.source.clone(), entry.card.native_id.clone());
        Self { word, native_id, month: entry.facts.month }
    }
}

/// Source ids whose conversations were destroyed.
#[derive(Debug, Default)]
pub(super) struct Destroyed {
    known: HashSet<Digest>,
}

/// The row of these sources' fingerprints.
pub(super) fn row(sources: &[Source], keys: &Keys) -> Vec<u8> {
    let mut prints = Vec::with_capacity(32 * sources.len());
    for Source { word, native_id, month } in sources {
        prints.extend(keys.bundle.owner_key.fingerprint(&keys.vault, word, native_id, *month));
    }
    let key = keys.bundle.owner_key.derive_fingerprints(&keys.vault);
    key.seal(&fingerprints(keys.vault), &padding::bucket(&prints))
}

impl Vault {
    /// Source ids that an import must not bring back.
    pub(super) fn destroyed(&self) -> Result<Destroyed, VaultError> {
        let key = self.keys.bundle.owner_key.derive_fingerprints(&self.keys.vault);
        let mut destroyed = Destroyed::default();
        for (_, row) in self.store.all(Table::Fingerprint)? {
            let plain = key.open(&fingerprints(self.keys.vault), &row).map_err(|_| Damage::Record("fingerprints"))?;
            let plain = padding::trimmed(&plain).ok_or(Damage::Record("fingerprints"))?;
            let (prints, rest) = plain.as_chunks::<32>();
            if !rest.is_empty() {
                return Err(Damage::Record("fingerprints").into());
            }
            destroyed.known.extend(prints);
        }
        Ok(destroyed)
    }
}

fn fingerprints(vault: [u8; 16]) -> crypto::Place {
    crypto::Place::of_vault(vault, Purpose::Fingerprints)
}

pub(super) fn is_among(destroyed: &Destroyed, keys: &Keys, source: &str, native_id: &str) -> bool {
    // Monthly segments come with the messengers; a whole conversation has no month.
    !destroyed.known.is_empty()
        && destroyed.known.contains(&keys.bundle.owner_key.fingerprint(&keys.vault, source, native_id, 0))
}
