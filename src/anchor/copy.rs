//! The keyring copy beside a file anchor: what, with today's anchor, opens what still lives of an old vault file.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::AnchorError;
use crate::bytes::{Malformed, Reader, put_var};
use crate::crypto::hash;

const MAGIC: &[u8; 8] = b"cvkeyrng";

/// The largest copy that is read: far above a frontier of 2^20 nodes.
const LIMIT: u64 = 256 << 20;

/// One row of the vault, by the name of its table.
pub type Row = (String, u64, Vec<u8>);

/// A keyring copy: rows of the vault as they were after one commit.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyringCopy {
    /// Rises with every renewal.
    pub sequence: u64,
    /// The rows.
    pub rows: Vec<Row>,
}

impl KeyringCopy {
    /// The whole copies of a vault beside the anchor at `anchor`, the newest first.
    pub fn all(anchor: &Path, vault: &[u8; 16]) -> Result<Vec<Self>, AnchorError> {
        let mut copies = Vec::new();
        for index in 0..2 {
            copies.extend(read(&slot_path(anchor, index), vault)?);
        }
        copies.sort_by_key(|copy| std::cmp::Reverse(copy.sequence));
        Ok(copies)
    }

    /// Writes a copy over the older slot, in place, synced and read back.
    pub fn renew(anchor: &Path, vault: &[u8; 16], rows: Vec<Row>) -> Result<(), AnchorError> {
        let (older, sequence) = slots(anchor, vault)?;
        let copy = Self { sequence: sequence + 1, rows };
        let path = slot_path(anchor, older);
        overwrite(&path, &copy.encode(vault))?;
        match read(&path, vault)? {
            Some(back) if back == copy => Ok(()),
            _ => Err(AnchorError::NotKept(path)),
        }
    }

    /// Overwrites the older slot with zeros, after a rotation made it worthless.
    pub fn retire(anchor: &Path, vault: &[u8; 16]) -> Result<(), AnchorError> {
        let (older, _) = slots(anchor, vault)?;
        let path = slot_path(anchor, older);
        if path.exists() { overwrite(&path, &[]) } else { Ok(()) }
    }

    fn encode(&self, vault: &[u8; 16]) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&1_u16.to_be_bytes());
        out.extend_from_slice(vault);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&u32::try_from(self.rows.len()).expect("rows are counted in memory").to_be_bytes());
        for (table, id, bytes) in &self.rows {
            out.push(u8::try_from(table.len()).expect("table names are short"));
            out.extend_from_slice(table.as_bytes());
            out.extend_from_slice(&id.to_be_bytes());
            put_var(&mut out, bytes);
        }
        let digest = hash::sha256(&[&out]);
        out.extend_from_slice(&digest);
        out
    }

    fn decode(bytes: &[u8], vault: &[u8; 16]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.take(8)? != MAGIC || reader.u16()? != 1 || reader.array()? != *vault {
            return Err(Malformed);
        }
        let sequence = reader.u64()?;
        let count = reader.u32()?;
        let mut rows = Vec::new();
        for _ in 0..count {
            let length = reader.u8()?;
            let table = std::str::from_utf8(reader.take(length.into())?).map_err(|_| Malformed)?;
            rows.push((table.to_owned(), reader.u64()?, reader.var()?.to_vec()));
        }
        let digest = reader.array()?;
        let filling = reader.rest();
        let end = bytes.len() - filling.len() - 32;
        let whole = hash::sha256(&[&bytes[..end]]) == digest && filling.iter().all(|byte| *byte == 0);
        if whole { Ok(Self { sequence, rows }) } else { Err(Malformed) }
    }
}

/// The files of the keyring copy beside an anchor.
pub fn copy_paths(anchor: &Path) -> [PathBuf; 2] {
    [slot_path(anchor, 0), slot_path(anchor, 1)]
}

/// Overwrites the keyring copies of this vault beside an anchor with zeros. Another vault's are left as they are.
pub fn copy_erase(anchor: &Path, vault: &[u8; 16]) -> Result<(), AnchorError> {
    for path in copy_paths(anchor) {
        let mut head = Vec::new();
        match std::fs::File::open(&path).and_then(|file| file.take(26).read_to_end(&mut head)) {
            Ok(_) if head.get(10..26) == Some(&vault[..]) || head.iter().all(|byte| *byte == 0) => {
                overwrite(&path, &[])?
            }
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn slot_path(anchor: &Path, index: u8) -> PathBuf {
    let mut name = anchor.as_os_str().to_owned();
    name.push(format!(".keyring{index}"));
    name.into()
}

/// The slot to overwrite next and the highest sequence in use.
fn slots(anchor: &Path, vault: &[u8; 16]) -> Result<(u8, u64), AnchorError> {
    let sequence = |index| read(&slot_path(anchor, index), vault).map(|copy| copy.map_or(0, |copy| copy.sequence));
    let (first, second) = (sequence(0)?, sequence(1)?);
    Ok(if first <= second { (0, second) } else { (1, first) })
}

fn read(path: &Path, vault: &[u8; 16]) -> Result<Option<KeyringCopy>, AnchorError> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(AnchorError::io(path, error)),
    };
    let mut bytes = Vec::new();
    file.take(LIMIT).read_to_end(&mut bytes).map_err(|error| AnchorError::io(path, error))?;
    // A torn or blank slot counts for nothing; the other one is whole.
    Ok(KeyringCopy::decode(&bytes, vault).ok())
}

/// Writes `bytes` and zeros after them to the end of the file, which never shrinks.
fn overwrite(path: &Path, bytes: &[u8]) -> Result<(), AnchorError> {
    let write = || {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)?;
        file.write_all_at(bytes, 0)?;
        let (mut at, end) = (bytes.len() as u64, file.metadata()?.len());
        let zeros = [0; 4096];
        while at < end {
            let count = usize::try_from(end - at).unwrap_or(zeros.len()).min(zeros.len());
            file.write_all_at(&zeros[..count], at)?;
            at += count as u64;
        }
        file.sync_all()
    };
    write().map_err(|error| AnchorError::io(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VAULT: [u8; 16] = [4; 16];

    fn rows(byte: u8, length: usize) -> Vec<Row> {
        vec![("frontier".to_owned(), 7, vec![byte; length])]
    }

    #[test]
    fn the_newest_whole_copy_counts_and_a_torn_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let anchor = folder.path().join("a");
        assert_eq!(KeyringCopy::all(&anchor, &VAULT).unwrap(), []);
        for (byte, length) in [(1, 9000), (2, 100), (3, 50)] {
            KeyringCopy::renew(&anchor, &VAULT, rows(byte, length)).unwrap();
            let copies = KeyringCopy::all(&anchor, &VAULT).unwrap();
            assert_eq!(copies[0], KeyringCopy { sequence: u64::from(byte), rows: rows(byte, length) });
        }
        // The third went over the first, in place, and nothing of the first is left behind it.
        let first = std::fs::read(slot_path(&anchor, 0)).unwrap();
        assert!(first.len() > 9000);
        assert!(!first.windows(16).any(|window| window == [1; 16]));
        let mut torn = first.clone();
        torn[30] ^= 1;
        std::fs::write(slot_path(&anchor, 0), &torn).unwrap();
        assert_eq!(
            KeyringCopy::all(&anchor, &VAULT).unwrap().iter().map(|copy| copy.sequence).collect::<Vec<_>>(),
            [2]
        );
        assert_eq!(KeyringCopy::all(&anchor, &[5; 16]).unwrap(), []);
    }

    #[test]
    fn retiring_blanks_the_older_copy_only() {
        let folder = tempfile::tempdir().unwrap();
        let anchor = folder.path().join("a");
        KeyringCopy::renew(&anchor, &VAULT, rows(1, 100)).unwrap();
        KeyringCopy::renew(&anchor, &VAULT, rows(2, 100)).unwrap();
        KeyringCopy::retire(&anchor, &VAULT).unwrap();
        assert!(std::fs::read(slot_path(&anchor, 0)).unwrap().iter().all(|byte| *byte == 0));
        assert_eq!(
            KeyringCopy::all(&anchor, &VAULT).unwrap().iter().map(|copy| copy.sequence).collect::<Vec<_>>(),
            [2]
        );
    }
}
