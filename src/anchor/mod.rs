//! The anchor outside the vault: a small file written in place, and the keyring copy beside it.
//!
//! `docs/format.md` §7 gives the bytes and §12 the order. Nothing here is ever renamed: a temporary
//! file and a rename left every old anchor on the device (39 of 39), overwriting in place none.

mod copy;
mod device;
mod file;
mod folders;
mod mounts;
pub mod place;
mod slot;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub use copy::{KeyringCopy, Row, copy_erase, copy_paths};
pub use file::FileAnchor;

/// Why an anchor could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// No slot holds the anchor that the vault names. Nothing was changed.
    #[error(
        "the anchor at {0} is not the one this vault file was sealed under: the vault file is an older copy, or the anchor is another vault's"
    )]
    OlderCopy(PathBuf),
    /// There is no anchor file.
    #[error("no anchor at {0}")]
    Missing(PathBuf),
    /// A file is in the way.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// Others than its owner may read or change it.
    #[error("{0} can be read or changed by others (mode must be 0600)")]
    Exposed(PathBuf),
    /// The file is no anchor, or both slots are in use and neither may be overwritten.
    #[error("the anchor at {0} is damaged")]
    Damaged(PathBuf),
    /// What was written is not what is read back.
    #[error("{0} did not keep what was written to it")]
    NotKept(PathBuf),
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
}

impl AnchorError {
    /// Whether no space was left.
    pub fn is_full(&self) -> bool {
        let full = |source: &std::io::Error| matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        matches!(self, Self::Io { source, .. } if full(source))
    }

    fn io(path: &Path, source: std::io::Error) -> Self {
        match source.kind() {
            ErrorKind::NotFound => Self::Missing(path.to_owned()),
            ErrorKind::AlreadyExists => Self::Exists(path.to_owned()),
            _ => Self::Io { path: path.to_owned(), source },
        }
    }
}
