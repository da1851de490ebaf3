//! Where crypto, store and keyring meet: a vault that is made, opened, written and read.
//!
//! `docs/format.md` is the specification. The order of a commit is in `commit.rs`, of a rotation in
//! `rotate.rs`, and of opening in `open.rs`.

mod access;
mod adopt;
mod audit;
mod check;
mod commit;
mod content;
mod copies;
mod create;
mod credential;
mod deposit;
mod document;
mod epoch;
mod erase;
mod evidence;
mod grants;
mod head;
mod items;
mod key_file;
mod log;
mod older;
mod open;
mod opened;
mod original;
mod passwd;
mod policy;
mod policy_text;
mod reach;
mod reading;
mod recover;
mod recovery;
mod reimport;
mod relocate;
mod replicas;
mod rollback;
mod room;
mod rotate;
mod segment;
mod sketches;
mod spread;
mod standing;
mod tags;
#[cfg(test)]
mod tests;
mod trim;
mod whole;

use crate::clock::Instant;
use crate::crypto::{CostOutOfBounds, EnvelopeSecret};
use crate::keyring::{self, Frontier};
use crate::store::{Store, Table};
use crate::tree;

// What the layers above need of those below, which they may not name.
pub use crate::anchor::AnchorError;
pub use crate::anchor::place::{Weakness, file_system, weaknesses};
pub use crate::store::{Lock, StoreError};

pub use access::{Access, Auditor, CanErase, CanJudge, CanRead, Depositor, Janitor, Owner, Reader};
pub use audit::{Auditing, Log, LogEntry};
pub use check::{CheckReport, Finding};
pub use commit::Writer;
pub use content::{Body, Card, Spoken, hex, unhex};
pub use copies::{Copy, CopyKind, CopyNote, ExportNote, Holding};
pub use create::{AnchorPlace, NewVault};
pub use deposit::{Depositing, Folded};
pub use erase::{Doomed, DoomedLeaf, Target, UnderWay, canary};
pub use evidence::{CredentialEvidence, StateEvidence, export_is_signed_by, receipt_is_signed_by};
pub use grants::Secret;
pub use head::{AnchorKind, Class, Credential, CredentialKind, Role};
pub use items::{ByLeaf, Entry, Listing, LiveTree};
pub use key_file::KeyFile;
pub use open::{CredentialState, Unopened, Who};
pub use opened::Opened;
pub use passwd::Rewrapped;
pub use policy_text::{HoldNote, NotedHold};
pub use reading::Reading;
pub use recover::{KnownReceipt, Recovered};
pub use recovery::RecoveryCode;
pub use replicas::Replica;
pub use segment::{OpenSegment, Origin, PIECE, Row, SealedSegment, Sealer, SealerThread};
pub use sketches::Sketched;
pub use standing::Standings;
pub use tags::check_tag_name;
pub use whole::by_conversation;

use head::{StateHead, StaticHead};
use replicas::Files;

/// What is wrong in a vault file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// A record of the vault itself, by its name.
    #[error("{0}")]
    Record(&'static str),
    /// A record of one segment, by its leaf number.
    #[error("{1} of segment {0}")]
    Segment(u64, &'static str),
    /// The keyring does not derive what the live tree holds.
    #[error("keyring")]
    Keyring,
    /// The live tree does not agree with its signed root.
    #[error("live tree: {0}")]
    Tree(#[from] tree::Error),
}

/// Why the vault did not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The anchor failed.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// No slot opens with this password.
    #[error("wrong password")]
    WrongPassword,
    /// No slot opens with this key file.
    #[error("the key file is of no credential of this vault")]
    WrongKeyFile,
    /// The credential's role may not do this.
    #[error("a credential of role {} may not do this", .0.word())]
    NotAllowed(Role),
    /// Something in the file is not as it was written.
    #[error("the vault file is damaged: {0}")]
    Damaged(#[from] Damage),
    /// A slot asks for a cost outside the limits.
    #[error("refused: {0}")]
    Cost(#[from] CostOutOfBounds),
    /// A conversation or attachment exceeds the format's limits.
    #[error("too large for one segment")]
    TooLarge,
    /// No conversation has this id.
    #[error("no conversation has the id {0}")]
    NotFound(String),
    /// Several conversations have ids that begin so.
    #[error("several ids begin with {prefix}")]
    Ambiguous {
        /// What was typed.
        prefix: String,
        /// The ids, in hexadecimal.
        ids: Vec<String>,
    },
    /// A tag's name is empty, too long, or holds white space or control characters.
    #[error("not a tag name: {0}")]
    TagName(&'static str),
    /// Everything was stored; the copy beside a file anchor is the one from before.
    #[error("the change is stored, but the keyring copy beside the anchor was not renewed: {0}")]
    CopyNotRenewed(AnchorError),
    /// The rotation is made; the old anchor is not overwritten yet. The next open does it.
    #[error("the change is made, but the old anchor is not overwritten yet: {0}")]
    Unsettled(Box<VaultError>),
    /// The file does not hold what was asked for.
    #[error("{0}")]
    Refused(&'static str),
}

/// What kind of failure it is, for exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no vault.
    NoVault,
    /// Another process has it.
    Busy,
    /// The password is wrong.
    WrongPassword,
    /// The credential may not.
    NotAllowed,
    /// Damage was found, or the file is not what it should be.
    Damaged,
    /// The disk is full.
    DiskFull,
    /// The request names nothing, or too much.
    NotFound,
    /// What was asked for is done, and something that belongs to it is not.
    Partial,
    /// The request is at fault.
    Usage,
    /// Anything else.
    Failed,
}

impl VaultError {
    /// A record of the vault itself is not as it was written.
    pub fn damaged(record: &'static str) -> Self {
        Damage::Record(record).into()
    }

    /// Whether a full disk is at the bottom of it, whatever had been done before that.
    pub fn met_a_full_disk(&self) -> bool {
        match self {
            Self::Unsettled(error) => error.met_a_full_disk(),
            Self::CopyNotRenewed(error) => error.is_full(),
            other => other.kind() == ErrorKind::DiskFull,
        }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(StoreError::Missing(_)) => ErrorKind::NoVault,
            Self::Store(StoreError::Busy) => ErrorKind::Busy,
            Self::Store(StoreError::DiskFull) => ErrorKind::DiskFull,
            Self::Anchor(error) if error.is_full() => ErrorKind::DiskFull,
            Self::Store(StoreError::Foreign(_) | StoreError::Damaged(_) | StoreError::TooNew(_))
            | Self::Anchor(AnchorError::Damaged(_) | AnchorError::OlderCopy(_) | AnchorError::NotKept(_))
            | Self::Damaged(_)
            | Self::Cost(_) => ErrorKind::Damaged,
            Self::WrongPassword | Self::WrongKeyFile => ErrorKind::WrongPassword,
            Self::NotAllowed(_) => ErrorKind::NotAllowed,
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::CopyNotRenewed(_) | Self::Unsettled(_) => ErrorKind::Partial,
            Self::Ambiguous { .. } | Self::TagName(_) => ErrorKind::Usage,
            _ => ErrorKind::Failed,
        }
    }
}

impl From<keyring::Error> for VaultError {
    fn from(_: keyring::Error) -> Self {
        Damage::Keyring.into()
    }
}

impl From<tree::Error> for VaultError {
    fn from(error: tree::Error) -> Self {
        Damage::Tree(error).into()
    }
}

/// A folder for tests of what a sound place is worth.
#[cfg(test)]
pub(crate) fn sound_folder() -> tempfile::TempDir {
    crate::anchor::place::sound_folder()
}

/// A new vault for tests, whose password is `p`.
#[cfg(test)]
pub(crate) fn vault_for_tests(path: &std::path::Path, anchor: AnchorPlace, now: crate::clock::Instant) -> Vault {
    let password = crate::crypto::Password::new(b"p".to_vec());
    let cost = crate::crypto::KdfCost::FLOOR;
    let new = NewVault { password: &password, cost, anchor, recovery: false, now };
    Vault::create(Lock::take(path).unwrap(), &new).unwrap().0
}

/// Where this process found the anchor.
enum Place {
    Embedded,
    File(Files),
}

impl Place {
    /// The class that this place allows, as it is now.
    fn class(&self) -> Class {
        match self {
            Self::File(_) if self.weaknesses().is_empty() => Class::E2,
            _ => Class::E1,
        }
    }

    /// What speaks against it. Of a replica that is not there nothing can be told; it was looked at when it was.
    fn weaknesses(&self) -> Vec<Weakness> {
        let Self::File(files) = self else { return Vec::new() };
        let others = files.others.iter().filter(|path| path.symlink_metadata().is_ok());
        std::iter::once(&files.used).chain(others).flat_map(|path| weaknesses(path)).collect()
    }
}

/// A vault open as somebody: an owner, a reader or a janitor.
pub struct Vault<A: Access = Owner> {
    store: Store,
    static_head: StaticHead,
    state: StateHead,
    state_row: u64,
    keys: A,
    frontier: Frontier,
    deposit_secret: EnvelopeSecret,
    marks: trim::LogMarks,
    place: Place,
}

/// Counts of what a vault holds beside its conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VaultCounts {
    /// Leaves whose segment was replaced and whose keys still exist.
    pub superseded: u64,
    /// Deposits that wait to be folded in.
    pub deposits: u64,
    /// Credentials.
    pub credentials: u64,
}

impl<A: CanJudge> Vault<A> {
    /// The vault's id.
    pub fn id(&self) -> [u8; 16] {
        self.static_head.vault
    }

    /// Closes the vault; its journal is zeroed before the lock is released.
    pub fn close(self) -> Result<(), VaultError> {
        Ok(self.store.close()?)
    }

    /// Where the vault is.
    pub fn path(&self) -> &std::path::Path {
        self.store.path()
    }

    /// The anchor generation, which every rotation counts up.
    pub fn generation(&self) -> u64 {
        self.state.generation
    }

    /// The kind of anchor and, for a file, the one in use.
    pub fn anchor(&self) -> (AnchorKind, Option<&std::path::Path>) {
        match &self.place {
            Place::Embedded => (AnchorKind::Embedded, None),
            Place::File(files) => (AnchorKind::File, Some(&files.used)),
        }
    }

    /// What speaks against the anchor's place as it is now. The next change of the vault writes the lower class down.
    pub fn weaknesses(&self) -> Vec<Weakness> {
        self.place.weaknesses()
    }

    /// The class that segments stored from now on have.
    pub fn class(&self) -> Class {
        self.state.class_at(self.state.next_leaf).min(self.place.class())
    }

    /// The weakest class that a leaf's generation ever had.
    pub fn class_at(&self, leaf: u64) -> Class {
        self.state.class_at(leaf)
    }

    /// How many segments, earlier versions among them, have each class.
    pub fn classes(&self) -> Result<Vec<(Class, u64)>, VaultError> {
        let most = self.place.class();
        let mut counts = std::collections::BTreeMap::new();
        for leaf in self.store.ids(Table::Segment)? {
            *counts.entry(self.state.class_at(leaf).min(most)).or_default() += 1;
        }
        Ok(counts.into_iter().collect())
    }

    /// When the last purge ended; none when there was none.
    pub fn purged(&self) -> Option<Instant> {
        Some(self.state.purged).filter(|at| at.0 != i64::MIN)
    }

    /// When the first credential was given out that purges with nobody there; none when there is none.
    pub fn unattended_since(&self) -> Option<Instant> {
        let janitors = self.static_head.credentials.iter().filter(|one| one.role == Role::Janitor);
        janitors.map(|one| one.created).min()
    }

    /// Entries in the log.
    pub fn log_size(&self) -> u64 {
        self.state.log.size()
    }

    /// Counts that stand in the clear.
    pub fn counts(&self) -> Result<VaultCounts, VaultError> {
        Ok(VaultCounts {
            superseded: self.store.count(Table::Superseded)?,
            deposits: self.deposits_waiting()?,
            credentials: self.static_head.credentials.iter().filter(|it| it.role != Role::Retired).count() as u64,
        })
    }

    /// Bytes of the vault file.
    pub fn size(&self) -> Result<u64, VaultError> {
        Ok(self.store.size()?)
    }
}
