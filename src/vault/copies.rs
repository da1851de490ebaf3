//! Known copies: where conversations were handed out to, and what else is said to hold them.
//!
//! Rows are sealed under a key from J, so that whoever destroys can say on the receipt which copies were known, and
//! whoever reads can record an export. `docs/format.md` §9 gives the bytes.

use serde::{Deserialize, Serialize};

use super::access::{CanJudge, CanRead, FactsKeys};
use super::log::Action;
use super::{Damage, Owner, Vault, VaultError, hex, unhex};
use crate::clock::Instant;
use crate::crypto::{Place, Purpose, padding, random};
use crate::store::{Store, Table, Transaction};

/// What sort of copy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CopyKind {
    /// Written by `export`.
    Export,
    /// A copy that somebody said there is: a backup, a disk, a person.
    Named,
}

impl CopyKind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::Named => "named",
        }
    }
}

/// What a copy holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    /// These conversations, ascending.
    These(Vec<[u8; 16]>),
    /// Whatever the vault held then: every segment with a leaf below this one.
    Below(u64),
}

/// A known copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Its id.
    pub id: [u8; 16],
    /// What sort it is.
    pub kind: CopyKind,
    /// When it was made, or said to be there.
    pub made: Instant,
    /// Where it is: a path, or a name that somebody gave it.
    pub place: String,
    /// The format of an export.
    pub format: Option<String>,
    /// How an export is protected.
    pub protection: Option<String>,
    /// What it holds.
    pub holding: Holding,
    /// Since when it is said to be no more.
    pub gone: Option<Instant>,
}

/// What a receipt says of a copy: nothing about where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyNote {
    /// Its id, in hexadecimal.
    pub id: String,
    /// The word of its kind.
    pub kind: String,
    /// When it was made, RFC 3339.
    pub made: String,
    /// How it is protected; `unknown` of what somebody named.
    pub protection: String,
}

#[derive(Serialize, Deserialize)]
struct Text {
    id: String,
    kind: CopyKind,
    made: Instant,
    place: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protection: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversations: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    below: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gone: Option<Instant>,
}

impl Copy {
    /// A copy that is there from now on.
    pub fn new(kind: CopyKind, place: String, holding: Holding, made: Instant) -> Self {
        Self { id: random::array(), kind, made, place, format: None, protection: None, holding, gone: None }
    }

    /// Whether it may hold any of these conversations, or of these segments.
    fn may_hold(&self, conversations: &[[u8; 16]], leaves: &[u64]) -> bool {
        match &self.holding {
            Holding::These(held) => conversations.iter().any(|id| held.binary_search(id).is_ok()),
            Holding::Below(end) => leaves.iter().any(|leaf| leaf < end),
        }
    }

    fn note(&self) -> CopyNote {
        CopyNote {
            id: hex(&self.id),
            kind: self.kind.word().to_owned(),
            made: self.made.to_string(),
            protection: self.protection.clone().unwrap_or_else(|| "unknown".to_owned()),
        }
    }

    fn seal(&self, keys: &FactsKeys) -> Vec<u8> {
        let (conversations, below) = match &self.holding {
            Holding::These(ids) => (Some(ids.iter().map(|id| hex(id)).collect()), None),
            Holding::Below(end) => (None, Some(*end)),
        };
        let text = Text {
            id: hex(&self.id),
            kind: self.kind,
            made: self.made,
            place: self.place.clone(),
            format: self.format.clone(),
            protection: self.protection.clone(),
            conversations,
            below,
            gone: self.gone,
        };
        let json = serde_json::to_vec(&text).expect("texts and numbers are valid JSON");
        keys.key.derive_copies(&keys.vault).seal(&place(keys), &padding::bucket(&json))
    }

    fn open(row: &[u8], keys: &FactsKeys) -> Option<Self> {
        let plain = keys.key.derive_copies(&keys.vault).open(&place(keys), row).ok()?;
        let text: Text = serde_json::from_slice(padding::trimmed(&plain)?).ok()?;
        let holding = match (text.conversations, text.below) {
            (Some(ids), None) => {
                let mut ids: Vec<[u8; 16]> = ids.iter().map(|id| unhex(id)).collect::<Option<_>>()?;
                ids.sort_unstable();
                Holding::These(ids)
            }
            (None, Some(end)) => Holding::Below(end),
            _ => return None,
        };
        Some(Self {
            id: unhex(&text.id)?,
            kind: text.kind,
            made: text.made,
            place: text.place,
            format: text.format,
            protection: text.protection,
            holding,
            gone: text.gone,
        })
    }
}

fn place(keys: &FactsKeys) -> Place {
    Place::of_vault(keys.vault, Purpose::Copy)
}

/// All rows that open, with their numbers, and how many do not.
pub(super) fn rows(store: &Store, keys: &FactsKeys) -> Result<(Vec<(u64, Copy)>, usize), VaultError> {
    let all = store.all(Table::Copy)?;
    let opened: Vec<(u64, Copy)> =
        all.iter().filter_map(|(number, row)| Some((*number, Copy::open(row, keys)?))).collect();
    let damaged = all.len() - opened.len();
    Ok((opened, damaged))
}

/// Puts these under other keys, each in its place.
pub(super) fn reseal(
    transaction: &mut Transaction<'_>,
    copies: Vec<(u64, Copy)>,
    keys: &FactsKeys,
) -> Result<(), VaultError> {
    for (number, copy) in copies {
        transaction.delete(Table::Copy, number..number + 1)?;
        transaction.insert(Table::Copy, number, &copy.seal(keys))?;
    }
    Ok(())
}

/// What an export is recorded with, before its first byte is written.
pub struct ExportNote<'a> {
    /// The conversations.
    pub conversations: Vec<[u8; 16]>,
    /// Where it goes: a path, or `stdout`.
    pub place: String,
    /// The word of its format.
    pub format: &'static str,
    /// How it is protected, in words.
    pub protection: String,
    /// The selector as it was typed.
    pub query: &'a str,
}

impl<A: CanJudge> Vault<A> {
    /// All known copies, in the order in which they came to be known.
    pub fn copies(&self) -> Result<Vec<Copy>, VaultError> {
        let (copies, damaged) = rows(&self.store, self.keys.facts())?;
        match damaged {
            0 => Ok(copies.into_iter().map(|(_, copy)| copy).collect()),
            _ => Err(Damage::Record("known copy").into()),
        }
    }

    /// What a receipt says of the copies that may hold any of these, those left out that are said to be no more. Of a row
    /// that does not open nothing can be said; a check finds it.
    pub fn copies_of(&self, conversations: &[[u8; 16]], leaves: &[u64]) -> Result<Vec<CopyNote>, VaultError> {
        let (copies, _) = rows(&self.store, self.keys.facts())?;
        let known = copies.iter().map(|(_, copy)| copy).filter(|copy| copy.gone.is_none());
        Ok(known.filter(|copy| copy.may_hold(conversations, leaves)).map(Copy::note).collect())
    }

    fn next_copy(&self) -> Result<u64, VaultError> {
        Ok(self.store.last(Table::Copy)?.unwrap_or(0) + 1)
    }
}

impl<A: CanRead> Vault<A> {
    /// Writes down that these conversations are handed out, in the log and among the known copies, in one commit. Only
    /// when that is durable may the first byte leave.
    ///
    /// The second of what comes back is what is not done yet where the entry stands.
    pub fn record_export(
        &mut self,
        note: &ExportNote<'_>,
        now: Instant,
    ) -> Result<([u8; 16], Option<VaultError>), VaultError> {
        let mut held = note.conversations.clone();
        held.sort_unstable();
        held.dedup();
        let action = Action {
            query: Some(note.query.to_owned()).filter(|query| !query.is_empty()),
            conversations: held.clone(),
            protection: Some(note.protection.clone()),
            ..Action::counted("export", vec![("conversations", held.len() as u64)])
        };
        let copy = Copy {
            format: Some(note.format.to_owned()),
            protection: Some(note.protection.clone()),
            ..Copy::new(CopyKind::Export, note.place.clone(), Holding::These(held), now)
        };
        match self.put_copy(None, &copy, action, now) {
            // The entry stands; what is behind is the copy beside the anchor.
            Err(error @ VaultError::CopyNotRenewed(_)) => Ok((copy.id, Some(error))),
            done => done.map(|()| (copy.id, None)),
        }
    }

    fn put_copy(&mut self, before: Option<u64>, copy: &Copy, action: Action, now: Instant) -> Result<(), VaultError> {
        let (number, row) = (self.next_copy()?, copy.seal(self.keys.facts()));
        let action = Action { copy: Some(copy.id), ..action };
        self.append_log(&action, now, |transaction| {
            if let Some(before) = before {
                transaction.delete(Table::Copy, before..before + 1)?;
            }
            transaction.insert(Table::Copy, number, &row)
        })
    }
}

impl Vault<Owner> {
    /// Records a copy that somebody says there is.
    pub fn add_copy(&mut self, copy: &Copy, now: Instant) -> Result<(), VaultError> {
        self.put_copy(None, copy, Action::counted("copy", Vec::new()), now)
    }

    /// What the vault holds today, as a copy of it would.
    pub fn everything_now(&self) -> Holding {
        Holding::Below(self.state.next_leaf)
    }

    /// Writes down that a copy is said to be no more.
    pub fn forget_copy(&mut self, id: &[u8; 16], now: Instant) -> Result<(), VaultError> {
        let (copies, _) = rows(&self.store, &self.keys.facts)?;
        let found = copies.into_iter().find(|(_, copy)| copy.id == *id);
        let (number, copy) = found.ok_or_else(|| VaultError::NotFound(hex(id)))?;
        let copy = Copy { gone: Some(now), ..copy };
        self.put_copy(Some(number), &copy, Action::counted("copy-gone", Vec::new()), now)
    }
}
