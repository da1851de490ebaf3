//! The log read: every entry opened with the auditor's key, and what a signature or a hash says of it.

use serde::Deserialize;

use super::access::CanJudge;
use super::{Damage, StateEvidence, Vault, VaultError, log, open};
use crate::clock::Instant;
use crate::store::Table;

/// An entry of the log, opened.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    /// Its place, from 0.
    pub index: u64,
    /// When, by the clock of who wrote it.
    pub at: Instant,
    /// The credential that signed it.
    pub credential: [u8; 16],
    /// What was done.
    pub action: String,
    /// In numbers.
    pub counts: serde_json::Map<String, serde_json::Value>,
    /// SHA-256 of the receipt that was written, in hexadecimal.
    pub receipt: Option<String>,
}

#[derive(Deserialize)]
struct EntryText {
    at: Instant,
    action: String,
    receipt: Option<String>,
    #[serde(default)]
    counts: serde_json::Map<String, serde_json::Value>,
}

impl Vault {
    /// The entries that are in this file, ascending, opened with the auditor's key; those that do not open are left out
    /// and named by [`Vault::check`].
    pub fn log_entries(&self) -> Result<Vec<LogEntry>, VaultError> {
        let mut entries = Vec::new();
        self.store.scan::<VaultError>(Table::Log, 1..i64::MAX as u64, |id, row| {
            let opened = log::open(row, &self.static_head.vault, &self.keys.keys.auditor);
            let read = opened.and_then(|(credential, json)| {
                let text: EntryText = serde_json::from_slice(&json).ok()?;
                let EntryText { at, action, receipt, counts } = text;
                Some(LogEntry { index: id - 1, at, credential, action, counts, receipt })
            });
            entries.extend(read);
            Ok(())
        })?;
        Ok(entries)
    }
}

impl<A: CanJudge> Vault<A> {
    /// The signed state as it stands in the file.
    pub fn state_evidence(&self) -> Result<StateEvidence, VaultError> {
        let (_, bytes) = open::only(&self.store, Table::StateHead, "state head")?;
        Ok(StateEvidence::decode(&bytes).ok_or(Damage::Record("state head"))?)
    }
}
