//! The ballast: room that is taken while there is some, and given up when the disk is full and something has to be
//! destroyed.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Bytes of a ballast; `docs/format.md` §2 says what they are enough for.
pub(super) const SIZE: u64 = 8 << 20;
/// Room that is left to others when a ballast is made.
const SPARED: u64 = 4 * SIZE;
const BLOCK: usize = 64 * 1024;

/// Where the ballast of the database at `vault` is.
pub(super) fn path_of(vault: &Path) -> PathBuf {
    let mut name = vault.as_os_str().to_owned();
    name.push(".ballast");
    name.into()
}

/// Makes the ballast where there is none and room for it. What cannot be made now is made the next time.
///
/// Zeros are written, for a file that was only made longer takes no room.
pub(super) fn make(vault: &Path) {
    let path = path_of(vault);
    match path.symlink_metadata() {
        Ok(about) if !about.is_file() || about.len() >= SIZE => return,
        _ => {}
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let has_room =
        rustix::fs::statvfs(folder).is_ok_and(|about| about.f_bavail.saturating_mul(about.f_frsize) >= SIZE + SPARED);
    if !has_room || fill(&path).is_err() {
        let _ = std::fs::remove_file(&path);
    }
}

fn fill(path: &Path) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)?;
    let zeros = vec![0; BLOCK];
    for _ in 0..SIZE / BLOCK as u64 {
        file.write_all(&zeros)?;
    }
    // On a disk that allocates late it would take no room before.
    file.sync_data()
}

/// Gives the room of the ballast up; whether there was any.
pub(super) fn free(vault: &Path) -> bool {
    let path = path_of(vault);
    let is_there = path.symlink_metadata().is_ok_and(|about| about.is_file() && about.len() > 0);
    is_there && std::fs::remove_file(&path).is_ok()
}

/// Removes it with the vault.
pub(super) fn remove(vault: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path_of(vault)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
