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
    ///
    /// Links are resolved here, once: two names of one vault must meet at one lock and one journal.
    pub fn take(vault: &Path) -> Result<Self, StoreError> {
        let vault = &resolved(vault)?;
        let path = path_of(vault);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
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

/// Where the lock of the database at `vault` is.
pub(super) fn path_of(vault: &Path) -> PathBuf {
    let mut name = vault.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// The path without links; of a vault that is yet to be made, its folder without links.
fn resolved(vault: &Path) -> Result<PathBuf, StoreError> {
    let io = |error| StoreError::io(vault, error);
    match vault.canonicalize() {
        Ok(path) => Ok(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let name = vault.file_name().ok_or(StoreError::Foreign("not a file"))?;
            let folder = vault.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Ok(folder.canonicalize().map_err(io)?.join(name))
        }
        Err(error) => Err(io(error)),
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file would release it too; an error here changes nothing.
        let _ = self.file.unlock();
    }
}
