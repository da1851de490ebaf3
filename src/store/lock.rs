//! The outer lock: one process at a time has a vault, and the lock dies with its process.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::StoreError;

/// An exclusive lock on a vault, held from before the database is opened until after its journal is zeroed.
///
/// It is a lock on a file of its own: POSIX drops a process's locks on a file when any descriptor
/// of that file is closed, so nothing else may ever open the database by path.
pub struct Lock {
    file: File,
    vault: PathBuf,
}

impl Lock {
    /// Takes the lock of the vault at `vault`, without waiting.
    pub fn take(vault: &Path) -> Result<Self, StoreError> {
        let mut name = vault.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| StoreError::io(&path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file, vault: vault.to_owned() }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Busy),
            Err(TryLockError::Error(error)) => Err(StoreError::io(&path, error)),
        }
    }

    /// The vault this lock is for.
    pub fn vault(&self) -> &Path {
        &self.vault
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file would release it too; an error here changes nothing.
        let _ = self.file.unlock();
    }
}
