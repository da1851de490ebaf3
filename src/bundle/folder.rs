//! Walks a folder: sorted, bounded, no symbolic link followed.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::{BundleError, FileId, Member, is_system_name};

/// Most files in one folder import. Slack archives of ten years hold about 100,000 day files.
pub(super) const MAX_FILES: usize = 1_000_000;
/// Deepest nesting of folders. Real exports stay below 10.
const MAX_DEPTH: usize = 64;

pub(super) struct Listing {
    pub(super) members: Vec<Member>,
    pub(super) paths: Vec<PathBuf>,
    pub(super) passed_over: BTreeMap<&'static str, u64>,
    pub(super) unreadable: Vec<(String, BundleError)>,
}

/// Lists a folder. Files of `own` are passed over, and folders inside that cannot be read are named.
pub(super) fn list(root: &Path, own: &[FileId]) -> Result<Listing, BundleError> {
    let mut found: Vec<(String, PathBuf, u64)> = Vec::new();
    let mut passed_over = BTreeMap::new();
    let mut unreadable = Vec::new();
    let mut folders = vec![(root.to_owned(), String::new(), 0)];
    while let Some((folder, prefix, depth)) = folders.pop() {
        if depth > MAX_DEPTH {
            return Err(BundleError::TooDeep { limit: MAX_DEPTH });
        }
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if depth == 0 => return Err(error.into()),
            Err(error) => {
                unreadable.push((prefix.trim_end_matches('/').to_owned(), error.into()));
                continue;
            }
        };
        for entry in entries {
            let entry = entry?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            // The entry's own type: a link is never resolved, so a link to a folder cannot loop.
            let about = match entry.metadata() {
                Ok(about) => about,
                // It went while the folder was read.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => {
                    unreadable.push((name, error.into()));
                    continue;
                }
            };
            let kind = about.file_type();
            if kind.is_symlink() {
                *passed_over.entry("symbolic link").or_default() += 1;
            } else if is_system_name(&name) {
                *passed_over.entry("system file").or_default() += 1;
            } else if kind.is_dir() {
                folders.push((entry.path(), format!("{name}/"), depth + 1));
            } else if kind.is_file() && own.contains(&FileId::of(&about)) {
                *passed_over.entry("file of the vault itself").or_default() += 1;
            } else if kind.is_file() {
                if found.len() >= MAX_FILES {
                    return Err(BundleError::TooManyMembers { limit: MAX_FILES });
                }
                found.push((name, entry.path(), about.len()));
            } else {
                *passed_over.entry("special file").or_default() += 1;
            }
        }
    }
    found.sort();
    let mut listing = Listing { members: Vec::with_capacity(found.len()), paths: Vec::new(), passed_over, unreadable };
    for (name, path, size) in found {
        listing.members.push(Member { name, size_declared: Some(size) });
        listing.paths.push(path);
    }
    Ok(listing)
}

/// Opens a regular file. Whatever else has come to stand at the path since it was listed is refused:
/// a link by `NOFOLLOW`, and `NONBLOCK` keeps a pipe put there from holding the import for ever.
pub(super) fn open_plain(path: &Path) -> Result<File, BundleError> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(BundleError::NotAFile);
    }
    Ok(file)
}
