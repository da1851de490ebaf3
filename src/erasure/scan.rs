//! Reading whole files for what must not be in them any more: fingerprints, the canary, sealed objects.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::windows::{Finder, Hit};
use crate::crypto::MARKER;
use crate::sabotage::{self, Fault};

/// Bytes looked at in one go, and how far the next reach into them: a sealed object's salt and commitment.
const BLOCK: usize = 1 << 20;
const OVERLAP: usize = 128;
/// Places named of what was found; the counts are whole.
const NAMED: usize = 20;

/// A sealed object met in a file: enough of it to ask a key whether it opens it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Carved {
    /// Its salt.
    pub salt: [u8; 32],
    /// Its key commitment.
    pub commitment: [u8; 32],
}

/// What a scan found.
#[derive(Debug, Default)]
pub struct Found {
    /// Files read.
    pub files: Vec<PathBuf>,
    /// Bytes read.
    pub bytes: u64,
    /// Windows of what should be gone.
    pub doomed: u64,
    /// The first places of them: file and byte.
    pub places: Vec<(PathBuf, u64)>,
    /// Windows of the canary.
    pub canary: u64,
    /// Sealed objects.
    pub carved: Vec<Carved>,
}

impl Found {
    fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.doomed += other.doomed;
        self.places.extend(other.places);
        self.canary += other.canary;
        self.carved.extend(other.carved);
    }
}

/// Scans files on all cores; those that are not there are passed over, because they hold nothing.
pub fn scan(paths: &[PathBuf], finder: &Finder) -> io::Result<Found> {
    let mut found = Found::default();
    if sabotage::is(Fault::BlindScanner) {
        return Ok(found);
    }
    for path in paths {
        match File::open(path) {
            Ok(file) => {
                let one = scan_file(path, &file, finder)
                    .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
                found.add(one);
                found.files.push(path.clone());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
        }
    }
    found.places.sort();
    found.places.truncate(NAMED);
    Ok(found)
}

fn scan_file(path: &Path, file: &File, finder: &Finder) -> io::Result<Found> {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(8));
    let next = AtomicU64::new(0);
    let found = Mutex::new(Found::default());
    let work = || -> io::Result<()> {
        let mut block = vec![0; BLOCK + OVERLAP];
        let mut own = Found::default();
        loop {
            let start = next.fetch_add(BLOCK as u64, Ordering::Relaxed);
            let length = read_full(file, &mut block, start)?;
            if length == 0 {
                break;
            }
            own.bytes += length.min(BLOCK) as u64;
            search(path, start, &block[..length], finder, &mut own);
        }
        found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(own);
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a scan does not panic"))
    })?;
    Ok(found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// Whether fingerprints and canary are found in a file; reads no more than it needs for a yes.
pub(super) fn sees(path: &Path, finder: &Finder) -> io::Result<bool> {
    if sabotage::is(Fault::BlindScanner) {
        return Ok(false);
    }
    let file = File::open(path)?;
    let mut block = vec![0; BLOCK + OVERLAP];
    let mut found = Found::default();
    let blocks = file.metadata()?.len().div_ceil(BLOCK as u64);
    // A small table's rows lie at the beginning of a database, and what was written last at its end.
    for step in 0..blocks {
        let number = if step % 2 == 0 { step / 2 } else { blocks - 1 - step / 2 };
        let start = number * BLOCK as u64;
        let length = read_full(&file, &mut block, start)?;
        search(path, start, &block[..length], finder, &mut found);
        if found.canary > 0 && found.doomed > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Looks through a block. What begins in its overlap belongs to the next.
fn search(path: &Path, start: u64, block: &[u8], finder: &Finder, found: &mut Found) {
    // A journal that was zeroed. No window is all zeros: what is looked for was sealed, or is random.
    if block.iter().all(|byte| *byte == 0) {
        return;
    }
    let own = block.len().min(BLOCK);
    let reach = block.len().min(BLOCK + super::windows::WINDOW - 1);
    finder.search(&block[..reach], |at, hit| match hit {
        Hit::Canary => found.canary += 1,
        Hit::Doomed => {
            found.doomed += 1;
            if found.places.len() < NAMED {
                found.places.push((path.to_owned(), start + at as u64));
            }
        }
    });
    for at in memchr::memmem::find_iter(block, &MARKER).take_while(|at| *at < own) {
        let field = |from: usize| block.get(at + from..at + from + 32).and_then(|field| field.try_into().ok());
        if let (Some(salt), Some(commitment)) = (field(8), field(40)) {
            found.carved.push(Carved { salt, commitment });
        }
    }
}

fn read_full(file: &File, block: &mut [u8], start: u64) -> io::Result<usize> {
    let mut length = 0;
    while length < block.len() {
        match file.read_at(&mut block[length..], start + length as u64) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::super::windows::{Key, Windows};
    use super::*;
    use crate::crypto::random;

    #[test]
    fn what_lies_across_blocks_is_found_once_and_named_by_its_place() {
        let mut file = vec![0; 2 * BLOCK + 5000];
        random::fill(&mut file);
        let mut row = vec![0; 900];
        random::fill(&mut row);
        let mut windows = Windows::new(Key::generate());
        windows.add(&row);
        let places = [3, BLOCK - 20, BLOCK - 500, 2 * BLOCK - 17];
        let folder = tempfile::tempdir().unwrap();
        for place in places {
            let mut file = file.clone();
            file[place..place + row.len()].copy_from_slice(&row);
            let sealed = [&MARKER[..], &[1; 32], &[2; 32]].concat();
            file[BLOCK - 3000..BLOCK - 3000 + 72].copy_from_slice(&sealed);
            file[2 * BLOCK + 1000..2 * BLOCK + 1072].copy_from_slice(&sealed);
            let path = folder.path().join("file");
            std::fs::write(&path, &file).unwrap();
            let found = scan(&[path.clone(), folder.path().join("none")], &windows.finder(b"")).unwrap();
            assert_eq!((found.doomed, found.bytes), (windows.count() as u64, file.len() as u64), "at {place}");
            assert_eq!((found.places[0].1, found.files.len()), ((place + 16) as u64, 1));
            assert_eq!(found.carved, vec![Carved { salt: [1; 32], commitment: [2; 32] }; 2]);
        }
    }
}
