//! Overwriting free pages in place: SQLite gives them back to the file system with what they held.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::StoreError;

const PAGE: u64 = 4096;
/// Zeros written at once.
const BLOCK: usize = 1 << 20;

/// Overwrites the free pages that giving all of them back cuts off, and what is left in those that list them; all of it
/// is on the disk when this returns.
///
/// Only while the database is closed: a list that SQLite changes must not be followed.
pub(super) fn zero(path: &Path) -> Result<(), StoreError> {
    let overwrite = || -> io::Result<bool> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)?;
        let whole = zero_in(&file)?;
        file.sync_data()?;
        Ok(whole)
    };
    match overwrite() {
        Ok(true) => Ok(()),
        Ok(false) => Err(StoreError::Damaged("the list of its free pages".to_owned())),
        Err(error) => Err(StoreError::io(path, error)),
    }
}

/// Whether the list was sound.
fn zero_in(file: &File) -> io::Result<bool> {
    let mut page = [0; PAGE as usize];
    file.read_exact_at(&mut page, 0)?;
    let field =
        |page: &[u8], at: usize| u64::from(page[at..].first_chunk().map_or(0, |word| u32::from_be_bytes(*word)));
    let (pages, mut list, count) = (file.metadata()?.len() / PAGE, field(&page, 32), field(&page, 36));
    let (mut free, mut lists) = (Vec::new(), Vec::new());
    let mut seen = 0;
    while list != 0 {
        if list > pages || seen >= count {
            return Ok(false);
        }
        file.read_exact_at(&mut page, (list - 1) * PAGE)?;
        let listed = field(&page, 4);
        seen += 1 + listed;
        if listed > PAGE / 4 - 2 || seen > count {
            return Ok(false);
        }
        let used = 8 + listed as usize * 4;
        free.extend(page[8..used].chunks_exact(4).map(|number| field(number, 0)));
        if page[used..].iter().any(|byte| *byte != 0) {
            lists.push(((list - 1) * PAGE + used as u64, page.len() - used));
        }
        list = field(&page, 0);
    }
    free.sort_unstable();
    // The first page is none that could be free.
    if seen != count || free.first().is_some_and(|first| *first < 2) || free.last().is_some_and(|last| *last > pages) {
        return Ok(false);
    }
    // What is kept ends here or later: of every 820 pages one says where the others belong.
    let kept = pages.saturating_sub(count + count / 819 + 4);
    free.retain(|number| *number > kept);
    let zeros = vec![0; BLOCK];
    for (at, length) in lists {
        file.write_all_at(&zeros[..length], at)?;
    }
    for run in free.chunk_by(|a, b| a + 1 == *b) {
        let mut at = (run[0] - 1) * PAGE;
        let end = at + run.len() as u64 * PAGE;
        while at < end {
            let length = BLOCK.min((end - at) as usize);
            file.write_all_at(&zeros[..length], at)?;
            at += length as u64;
        }
    }
    Ok(true)
}
