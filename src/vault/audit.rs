//! The log read and checked: by an owner, or by an auditor, who holds nothing else.

use serde::Deserialize;

use super::access::{Auditor, CanJudge};
use super::check::{CheckReport, check_log};
use super::epoch::auditor_secrets;
use super::head::{StateHead, StaticHead};
use super::rollback::log_root_at;
use super::trim::Beginning;
use super::{Damage, StateEvidence, Unopened, Vault, VaultError, log, open};
use crate::clock::Instant;
use crate::crypto::{Digest, EnvelopeSecret, VerifyKey};
use crate::store::{Store, Table};

/// An entry of the log, opened.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    /// Its place, from 0.
    pub index: u64,
    /// When, by the clock of who wrote it.
    pub at: Instant,
    /// The credential that it names as its signer.
    pub signer: [u8; 16],
    /// Whether that signed it, as far as the head still knows it.
    pub is_signed: bool,
    /// What was done.
    pub action: String,
    /// In numbers.
    pub counts: serde_json::Map<String, serde_json::Value>,
    /// SHA-256 of the receipt that was written, in hexadecimal.
    pub receipt: Option<String>,
    /// The role and the id of a credential that was given out or taken back.
    pub credential: Option<(String, String)>,
    /// The conversations that were read or handed out, where they are named.
    pub conversations: Vec<String>,
    /// How what was handed out is protected.
    pub protection: Option<String>,
    /// The known copy that it is about.
    pub copy: Option<String>,
    /// What was asked for, as it was typed.
    pub query: Option<String>,
}

#[derive(Deserialize)]
struct EntryText {
    at: Instant,
    action: String,
    receipt: Option<String>,
    role: Option<String>,
    credential: Option<String>,
    conversation: Option<String>,
    #[serde(default)]
    conversations: Vec<String>,
    protection: Option<String>,
    copy: Option<String>,
    query: Option<String>,
    #[serde(default)]
    counts: serde_json::Map<String, serde_json::Value>,
}

/// The log of a vault, open to who may read it.
pub struct Log<'v> {
    store: &'v Store,
    head: &'v StaticHead,
    state: &'v StateHead,
    /// Today's first.
    keys: Vec<EnvelopeSecret>,
}

impl Log<'_> {
    /// The vault's id.
    pub fn vault(&self) -> [u8; 16] {
        self.head.vault
    }

    /// The owner key.
    pub fn owner_key(&self) -> VerifyKey {
        self.head.owner
    }

    /// Entries there are.
    pub fn size(&self) -> u64 {
        self.state.log.size()
    }

    /// Entries that went by the log's own retention: the first ones.
    pub fn trimmed(&self) -> Result<u64, VaultError> {
        Ok(Beginning::of(self.store, self.head)?.edge.size())
    }

    /// The entries that are in this file, ascending; those that do not open are left out, and [`Log::check`] names them.
    pub fn entries(&self) -> Result<Vec<LogEntry>, VaultError> {
        let mut entries = Vec::new();
        self.store.scan::<VaultError>(Table::Log, 1..i64::MAX as u64, |id, row| {
            let opened = self.keys.iter().find_map(|key| log::open(row, &self.head.vault, key));
            let is_signed = log::is_signed(row, id - 1, self.head);
            let read = opened.and_then(|(signer, json)| {
                let text: EntryText = serde_json::from_slice(&json).ok()?;
                let EntryText { at, action, receipt, role, credential, query, counts, protection, copy, .. } = text;
                let conversations = text.conversation.into_iter().chain(text.conversations).collect();
                let credential = role.zip(credential);
                let index = id - 1;
                Some(LogEntry {
                    index,
                    at,
                    signer,
                    is_signed,
                    action,
                    counts,
                    receipt,
                    credential,
                    conversations,
                    protection,
                    copy,
                    query,
                })
            });
            entries.extend(read);
            Ok(())
        })?;
        Ok(entries)
    }

    /// Checks every signature, the tree over the entries, and how the live tree came to its root.
    pub fn check(&self) -> Result<CheckReport, VaultError> {
        let mut report = CheckReport::default();
        check_log(self.store, self.head, self.state, &mut report)?;
        Ok(report)
    }

    /// The root when the log had so many entries; none when the entries to tell it by are not there.
    pub fn root_at(&self, size: u64) -> Result<Option<Digest>, VaultError> {
        log_root_at(self.store, self.head, self.state, size)
    }

    /// The role of a credential, in a word; none when the head does not know it any more.
    pub fn role_of(&self, credential: &[u8; 16]) -> Option<&'static str> {
        self.head.credential(credential).map(|credential| credential.role.word())
    }
}

/// A vault open to an auditor: neither keyring nor anchor, and no entry is made.
pub struct Auditing {
    store: Store,
    static_head: StaticHead,
    state: StateHead,
    keys: Auditor,
}

impl Unopened {
    /// Opens the log, and nothing else.
    pub fn audit_as(self, keys: Auditor) -> Auditing {
        let Self { store, static_head, state, .. } = self;
        Auditing { store, static_head, state, keys }
    }
}

impl Auditing {
    /// The log.
    pub fn log(&self) -> Log<'_> {
        let keys = auditor_secrets(&self.store, &self.static_head, &self.keys.auditor);
        Log { store: &self.store, head: &self.static_head, state: &self.state, keys }
    }

    /// Closes the vault.
    pub fn close(self) -> Result<(), VaultError> {
        Ok(self.store.close()?)
    }
}

impl Vault {
    /// The log.
    pub fn log(&self) -> Log<'_> {
        let keys = auditor_secrets(&self.store, &self.static_head, &self.keys.keys.auditor);
        Log { store: &self.store, head: &self.static_head, state: &self.state, keys }
    }
}

impl<A: CanJudge> Vault<A> {
    /// The signed state as it stands in the file.
    pub fn state_evidence(&self) -> Result<StateEvidence, VaultError> {
        let (_, bytes) = open::only(&self.store, Table::StateHead, "state head")?;
        Ok(StateEvidence::decode(&bytes).ok_or(Damage::Record("state head"))?)
    }
}
