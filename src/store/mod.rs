//! The only door to the database: named tables of sealed bytes, transactions, and the journal's end.
//!
//! A store maps (table, number) to bytes and knows no plaintext type, so that another engine with
//! transactions can take its place. `docs/format.md` §2 gives the file.

mod ballast;
mod file;
mod free;
mod journal;
mod lock;
mod schema;
#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::path::PathBuf;

pub use file::{Store, Transaction};
pub use lock::Lock;
pub use schema::Table;

/// Why the store did not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no file.
    #[error("no vault at {0}")]
    Missing(PathBuf),
    /// There is a file already where one was to be made.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// Another process has the vault.
    #[error("the vault is in use by another process")]
    Busy,
    /// The file is something else.
    #[error("not a convault vault: {0}")]
    Foreign(&'static str),
    /// The file was made by a later version.
    #[error("vault format {0} is newer than this program reads")]
    TooNew(u32),
    /// The file is a vault and something in it is wrong.
    #[error("the vault file is damaged: {0}")]
    Damaged(String),
    /// No space is left. Nothing was changed.
    #[error("the disk is full")]
    DiskFull,
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// Anything else the database reports.
    #[error("database: {0}")]
    Database(String),
}

impl StoreError {
    fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
            return Self::DiskFull;
        }
        Self::Io { path: path.to_owned(), source }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged("the database's own structure".to_owned()),
            Some(ErrorCode::NotADatabase) => Self::Foreign("not an SQLite file"),
            // The message of an SQLite error names tables and codes; no row's bytes are in it.
            _ => Self::Database(error.to_string()),
        }
    }
}
