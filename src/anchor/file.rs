//! An anchor in a file of two slots, overwritten in place, synced and read back.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::AnchorError;
use super::slot::{self, SLOT, Slot};
use crate::crypto::{Anchor, Digest};

/// An open anchor file of one vault.
pub struct FileAnchor {
    file: File,
    path: PathBuf,
    vault: [u8; 16],
}

impl FileAnchor {
    /// Makes an anchor file and writes the first anchor.
    pub fn create(path: &Path, vault: [u8; 16], generation: u64, anchor: &Anchor) -> Result<Self, AnchorError> {
        let made = Self::prepare(path, vault)?;
        made.fill(generation, anchor).inspect_err(|_| made.unmake())?;
        Ok(made)
    }

    /// Makes an anchor file without an anchor: mode 0600, both slots preallocated and blank.
    pub fn prepare(path: &Path, vault: [u8; 16]) -> Result<Self, AnchorError> {
        if let Ok(left) = Self::open(path, vault)
            && (left.read(0)?.iter()).chain(left.read(1)?.iter()).all(|byte| *byte == 0)
        {
            // What was prepared before something came between.
            return Ok(left);
        }
        let file = options().create_new(true).mode(0o600).open(path).map_err(|error| AnchorError::io(path, error))?;
        let made = Self { file, path: path.to_owned(), vault };
        made.allocate().inspect_err(|_| made.unmake())?;
        Ok(made)
    }

    /// Nothing half-made stays: the file did not exist before.
    fn unmake(&self) {
        let _ = std::fs::remove_file(&self.path);
    }

    fn allocate(&self) -> Result<(), AnchorError> {
        self.write(0, &[0; 2 * SLOT])?;
        // The new name must survive too.
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| self.io(error))
    }

    /// Writes the first anchor into a file that has none; false when it is not blank.
    pub fn fill(&self, generation: u64, anchor: &Anchor) -> Result<bool, AnchorError> {
        let is_blank = self.read(0)?.iter().chain(self.read(1)?.iter()).all(|byte| *byte == 0);
        if is_blank {
            self.write(0, &slot::encode(anchor, &self.vault, generation))?;
        }
        Ok(is_blank)
    }

    /// Overwrites both slots of a file that is not in force any more, when it holds the anchor of this hash, or one that
    /// is blank already; whether it did. A file with any other whole anchor, or with anything else, is left as it is.
    pub fn blank(&self, doomed: &Digest) -> Result<bool, AnchorError> {
        let mut is_ours = true;
        for index in 0..2 {
            is_ours &= match slot::decode(&self.read(index)?, &self.vault) {
                Slot::Blank => true,
                Slot::Anchor { hash, .. } => hash == *doomed,
                Slot::Other => false,
            };
        }
        if is_ours {
            self.write(0, &[0; 2 * SLOT])?;
        }
        Ok(is_ours)
    }

    /// Removes an anchor file and its keyring copies that were made for a vault that could not be made.
    pub fn remove(path: &Path) {
        for made in [path.to_owned(), super::copy::slot_path(path, 0), super::copy::slot_path(path, 1)] {
            let _ = std::fs::remove_file(made);
        }
    }

    /// Opens the anchor file of a vault.
    pub fn open(path: &Path, vault: [u8; 16]) -> Result<Self, AnchorError> {
        let file = options().open(path).map_err(|error| AnchorError::io(path, error))?;
        let about = file.metadata().map_err(|error| AnchorError::io(path, error))?;
        if about.permissions().mode() & 0o077 != 0 {
            return Err(AnchorError::Exposed(path.to_owned()));
        }
        if !about.is_file() || about.len() != 2 * SLOT as u64 {
            return Err(AnchorError::Damaged(path.to_owned()));
        }
        Ok(Self { file, path: path.to_owned(), vault })
    }

    /// The anchor whose hash the vault's state head names.
    pub fn load(&self, hash: &Digest) -> Result<Anchor, AnchorError> {
        self.find(hash)?.map(|(_, anchor)| anchor).ok_or_else(|| AnchorError::OlderCopy(self.path.clone()))
    }

    /// Writes the next anchor beside the one in force, which must be there.
    ///
    /// The other slot must be blank: what else it might hold, only [`FileAnchor::retire`] overwrites,
    /// for the intent that names it.
    pub fn stage(&self, in_force: &Digest, generation: u64, next: &Anchor) -> Result<(), AnchorError> {
        let (index, _) = self.find(in_force)?.ok_or_else(|| AnchorError::OlderCopy(self.path.clone()))?;
        let spare = 1 - index;
        if !matches!(slot::decode(&self.read(spare)?, &self.vault), Slot::Blank) {
            return Err(AnchorError::Damaged(self.path.clone()));
        }
        self.write(spare, &slot::encode(next, &self.vault, generation))
    }

    /// Overwrites the slot beside the one in force with zeros; nothing when it is blank already.
    ///
    /// `doomed` is the hash that the durable intent names. A slot that holds another whole anchor is
    /// left as it is. A torn write, which has no hash, is overwritten: only a stage that crashed left it.
    pub fn retire(&self, in_force: &Digest, doomed: &Digest) -> Result<(), AnchorError> {
        let (index, _) = self.find(in_force)?.ok_or_else(|| AnchorError::OlderCopy(self.path.clone()))?;
        match slot::decode(&self.read(1 - index)?, &self.vault) {
            Slot::Blank => Ok(()),
            Slot::Anchor { hash, .. } if hash != *doomed => Err(AnchorError::Damaged(self.path.clone())),
            Slot::Anchor { .. } | Slot::Other => self.write(1 - index, &[0; SLOT]),
        }
    }

    /// Writes the anchor in force beside the one before it, where that stands alone; whether the file holds the one in
    /// force then. A file that has neither is left as it is.
    pub fn follow(&self, anchor: &Anchor, generation: u64, before: &Digest) -> Result<bool, AnchorError> {
        let in_force = anchor.hash(&self.vault, generation);
        if self.find(&in_force)?.is_none() {
            let Some((index, _)) = self.find(before)? else { return Ok(false) };
            if let Slot::Anchor { .. } = slot::decode(&self.read(1 - index)?, &self.vault) {
                return Ok(false);
            }
            self.write(1 - index, &slot::encode(anchor, &self.vault, generation))?;
        }
        Ok(true)
    }

    /// Every whole anchor in the file.
    pub fn anchors(&self) -> Result<Vec<Anchor>, AnchorError> {
        let mut anchors = Vec::new();
        for index in 0..2 {
            if let Slot::Anchor { anchor, .. } = slot::decode(&self.read(index)?, &self.vault) {
                anchors.push(anchor);
            }
        }
        Ok(anchors)
    }

    /// The highest generation of an anchor in the file.
    pub fn newest(&self) -> Result<Option<u64>, AnchorError> {
        let mut newest = None;
        for index in 0..2 {
            if let Slot::Anchor { generation, .. } = slot::decode(&self.read(index)?, &self.vault) {
                newest = newest.max(Some(generation));
            }
        }
        Ok(newest)
    }

    fn find(&self, hash: &Digest) -> Result<Option<(usize, Anchor)>, AnchorError> {
        for index in 0..2 {
            if let Slot::Anchor { hash: found, anchor, .. } = slot::decode(&self.read(index)?, &self.vault)
                && found == *hash
            {
                return Ok(Some((index, anchor)));
            }
        }
        Ok(None)
    }

    fn read(&self, index: usize) -> Result<Zeroizing<Vec<u8>>, AnchorError> {
        let mut bytes = Zeroizing::new(vec![0; SLOT]);
        self.file.read_exact_at(&mut bytes, (index * SLOT) as u64).map_err(|error| self.io(error))?;
        Ok(bytes)
    }

    fn write(&self, index: usize, bytes: &[u8]) -> Result<(), AnchorError> {
        self.file.write_all_at(bytes, (index * SLOT) as u64).map_err(|error| self.io(error))?;
        self.file.sync_all().map_err(|error| self.io(error))?;
        // A disk can acknowledge and not keep: what was claimed is read back.
        let mut back = Zeroizing::new(vec![0; bytes.len()]);
        self.file.read_exact_at(&mut back, (index * SLOT) as u64).map_err(|error| self.io(error))?;
        if *back == bytes { Ok(()) } else { Err(AnchorError::NotKept(self.path.clone())) }
    }

    fn io(&self, source: std::io::Error) -> AnchorError {
        AnchorError::Io { path: self.path.clone(), source }
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    const VAULT: [u8; 16] = [4; 16];

    fn path() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.anchor");
        (folder, path)
    }

    #[test]
    fn a_rotation_leaves_one_anchor_in_a_file_of_the_same_inode() {
        use std::os::unix::fs::MetadataExt;
        let (_folder, path) = path();
        let (old, new) = (Anchor::generate(), Anchor::generate());
        let file = FileAnchor::create(&path, VAULT, 1, &old).unwrap();
        let before = std::fs::metadata(&path).unwrap();
        assert_eq!((before.len(), before.permissions().mode() & 0o777), (8192, 0o600));
        let (old_hash, new_hash) = (old.hash(&VAULT, 1), new.hash(&VAULT, 2));
        file.stage(&old_hash, 2, &new).unwrap();
        assert_eq!(file.load(&old_hash).unwrap().expose(), old.expose());
        assert_eq!(file.load(&new_hash).unwrap().expose(), new.expose());
        file.retire(&new_hash, &old_hash).unwrap();
        assert!(matches!(file.load(&old_hash), Err(AnchorError::OlderCopy(_))));
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(32).any(|window| window == old.expose()));
        assert_eq!(std::fs::metadata(&path).unwrap().ino(), before.ino());
    }

    #[test]
    fn only_the_anchor_named_is_overwritten_and_only_beside_the_one_in_force() {
        let (_folder, path) = path();
        let (first, second) = (Anchor::generate(), Anchor::generate());
        let file = FileAnchor::create(&path, VAULT, 1, &first).unwrap();
        let (first_hash, second_hash) = (first.hash(&VAULT, 1), second.hash(&VAULT, 2));
        file.stage(&first_hash, 2, &second).unwrap();
        let before = std::fs::read(&path).unwrap();
        let refusals = [
            file.stage(&[9; 32], 3, &Anchor::generate()),
            file.stage(&first_hash, 3, &Anchor::generate()),
            file.retire(&[9; 32], &first_hash),
            file.retire(&second_hash, &[9; 32]),
        ];
        assert!(refusals.iter().all(Result::is_err));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_torn_slot_is_no_anchor() {
        let (_folder, path) = path();
        let anchor = Anchor::generate();
        FileAnchor::create(&path, VAULT, 1, &anchor).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for at in [0, 9, 20, 30, 50, 90, 129, 3000] {
            let mut torn = whole.clone();
            torn[at] ^= 1;
            std::fs::write(&path, &torn).unwrap();
            let file = FileAnchor::open(&path, VAULT).unwrap();
            assert!(file.load(&anchor.hash(&VAULT, 1)).is_err(), "byte {at}");
        }
    }

    #[test]
    fn an_exposed_short_or_linked_file_is_refused() {
        let (folder, path) = path();
        FileAnchor::create(&path, VAULT, 1, &Anchor::generate()).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(FileAnchor::open(&link, VAULT).is_err());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(FileAnchor::open(&path, VAULT), Err(AnchorError::Exposed(_))));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(4096).unwrap();
        assert!(matches!(FileAnchor::open(&path, VAULT), Err(AnchorError::Damaged(_))));
        assert!(matches!(FileAnchor::open(&folder.path().join("none"), VAULT), Err(AnchorError::Missing(_))));
        let made = FileAnchor::create(&path, VAULT, 1, &Anchor::generate());
        assert!(matches!(made, Err(AnchorError::Exists(_))));
    }
}
