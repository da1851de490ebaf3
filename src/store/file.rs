//! A vault's database file: made, checked and opened under the outer lock, read, written, closed.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::schema::{self, Table};
use super::{Lock, StoreError, ballast, free, journal, lock};
use crate::sabotage::{self, Fault};

/// Pages given back in one transaction on a full disk: their journal has 256 KiB.
const PAGES_ON_FULL: u32 = 64;

/// An open database and the lock on it.
///
/// [`Store::close`] zeroes the journal and reports whether that worked; dropping does the same and
/// cannot report.
pub struct Store {
    // Field order is drop order: the connection goes before the lock.
    connection: Option<Connection>,
    lock: Option<Lock>,
    path: PathBuf,
    may_zero_journal: bool,
}

impl Store {
    /// Makes a new database with empty tables, mode 0600.
    pub fn create(lock: Lock) -> Result<Self, StoreError> {
        let path = lock.vault();
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        made.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => StoreError::Exists(path.to_owned()),
            _ => StoreError::io(path, error),
        })?;
        let path = path.to_owned();
        Self::fill(lock).inspect_err(|_| Self::remove(&path))
    }

    fn fill(lock: Lock) -> Result<Self, StoreError> {
        let connection = connect(lock.vault())?;
        connection.pragma_update(None, "page_size", 4096)?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        schema::harden(&connection)?;
        schema::configure(&connection)?;
        let path = lock.vault().to_owned();
        let store = Self { connection: Some(connection), lock: Some(lock), path, may_zero_journal: true };
        store.connection().execute_batch("BEGIN IMMEDIATE")?;
        schema::create(store.connection())?;
        store.connection().execute_batch("COMMIT")?;
        Ok(store)
    }

    /// Removes a database that was made and could not be filled.
    pub fn remove(vault: &Path) {
        let _ = std::fs::remove_file(vault);
        let _ = std::fs::remove_file(journal::path_of(vault));
    }

    /// Copies the database, which rests meanwhile, to a new file of mode 0600, and reads it back; the bytes.
    pub fn copy_to(&mut self, path: &Path) -> Result<u64, StoreError> {
        self.finish()?;
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let copied = self.copy_aside(&part, path);
        self.wake()?;
        copied
    }

    fn copy_aside(&self, part: &Path, path: &Path) -> Result<u64, StoreError> {
        let io = |error| StoreError::io(path, error);
        if path.symlink_metadata().is_ok() {
            return Err(StoreError::Exists(path.to_owned()));
        }
        let mut from = std::fs::File::open(&self.path).map_err(|error| StoreError::io(&self.path, error))?;
        let mut to =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(part).map_err(|error| {
                match error.kind() {
                    // Somebody's, or what an interrupted copy left: nothing is written over.
                    std::io::ErrorKind::AlreadyExists => StoreError::Exists(part.to_owned()),
                    _ => StoreError::io(part, error),
                }
            })?;
        let mut fill = || {
            let bytes =
                std::io::copy(&mut from, &mut to).and_then(|bytes| to.sync_all().map(|()| bytes)).map_err(io)?;
            if !same_bytes(&mut from, &mut to).map_err(io)? {
                return Err(StoreError::Database(format!("{} did not keep what was written to it", path.display())));
            }
            std::fs::rename(part, path).map_err(io)?;
            Ok(bytes)
        };
        let bytes = fill().inspect_err(|_| {
            let _ = std::fs::remove_file(part);
        })?;
        sync_folder_of(path).map_err(io)?;
        Ok(bytes)
    }

    /// Refuses a place where a database is, or where a journal waits that would be played into the next one.
    pub fn may_place_at(lock: &Lock) -> Result<(), StoreError> {
        let path = lock.vault();
        if path.symlink_metadata().is_ok() {
            return Err(StoreError::Exists(path.to_owned()));
        }
        if journal::is_hot(path) {
            return Err(StoreError::Exists(journal::path_of(path)));
        }
        Ok(())
    }

    /// Closes the database and gives it the name that `lock` is for, where nothing may be.
    pub fn place_at(mut self, lock: &Lock) -> Result<(), StoreError> {
        self.finish()?;
        let (from, to) = (self.path.clone(), lock.vault());
        let io = |error| StoreError::io(to, error);
        Self::may_place_at(lock)?;
        std::fs::rename(&from, to).map_err(io)?;
        Self::remove(&from);
        let _ = std::fs::remove_file(lock::path_of(&from));
        sync_folder_of(to).map_err(io)
    }

    /// Overwrites the database and its journal with zeros, and removes them, the ballast and the lock.
    pub fn destroy(mut self) -> Result<(), StoreError> {
        self.finish()?;
        ballast::remove(&self.path).map_err(|error| StoreError::io(&ballast::path_of(&self.path), error))?;
        for path in self.paths() {
            journal::zero_file(&path)?;
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(StoreError::io(&path, error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Opens a database after checking that it is one of ours, whole, and as we made it.
    ///
    /// A transaction that a crash interrupted is rolled back here.
    pub fn open(lock: Lock) -> Result<Self, StoreError> {
        check_header(lock.vault())?;
        let connection = open_checked(lock.vault())?;
        let path = lock.vault().to_owned();
        Ok(Self { connection: Some(connection), lock: Some(lock), path, may_zero_journal: true })
    }

    /// Opens a copy of a database to read it, and touches nothing: no lock, no journal. What a crash left in its
    /// journal is not played back.
    pub fn open_copy(path: &Path) -> Result<Self, StoreError> {
        check_header(path)?;
        let path = path.canonicalize().map_err(|error| StoreError::io(path, error))?;
        let mut name = String::from("file:");
        for byte in path.as_os_str().as_bytes() {
            match byte {
                b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => name.push(char::from(*byte)),
                other => name.push_str(&format!("%{other:02x}")),
            }
        }
        name.push_str("?immutable=1");
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(name, flags)?;
        schema::harden(&connection)?;
        schema::check(&connection)?;
        Ok(Self { connection: Some(connection), lock: None, path, may_zero_journal: false })
    }

    /// Whether it is a copy that was opened to be read.
    pub fn is_copy(&self) -> bool {
        self.lock.is_none()
    }

    /// Closes the database and zeroes its journal, with the lock still held: until [`Store::wake`] its files may be read.
    pub fn rest(&mut self) -> Result<(), StoreError> {
        self.finish()
    }

    /// Gives the room of the ballast up; whether there was any.
    pub fn free_ballast(&self) -> bool {
        !self.is_copy() && ballast::free(&self.path)
    }

    /// Whether the database is open.
    pub fn is_awake(&self) -> bool {
        self.connection.is_some()
    }

    /// Opens the database again after [`Store::rest`].
    pub fn wake(&mut self) -> Result<(), StoreError> {
        check_header(&self.path)?;
        self.connection = Some(open_checked(&self.path)?);
        Ok(())
    }

    /// The files that the store is made of: the database, its journal and its lock.
    pub fn paths(&self) -> Vec<PathBuf> {
        let vault = &self.path;
        vec![vault.to_owned(), journal::path_of(vault), lock::path_of(vault)]
    }

    /// Whether pages that come free are left as they are, until [`Store::shrink`] overwrites them all at once. What is
    /// removed inside a page that stays is overwritten either way.
    pub fn leave_free_pages(&self, are_left: bool) -> Result<(), StoreError> {
        schema::leave_free_pages(self.connection(), are_left)
    }

    /// Overwrites free pages and gives them back to the file system.
    ///
    /// The pages that the file ends with are overwritten first, since nobody can reach them once they are given back;
    /// those before them are overwritten by what moves there.
    pub fn shrink(&mut self) -> Result<(), StoreError> {
        if !self.is_awake() {
            self.wake()?;
        }
        if self.free_pages()? == 0 {
            return Ok(());
        }
        self.rest()?;
        free::zero(&self.path)?;
        self.wake()?;
        match schema::cut(self.connection()) {
            Err(StoreError::DiskFull) => {}
            done => return done.and_then(|()| self.have_shrunk()),
        }
        // The journal of all that moves has no room: a few pages at a time, each of which makes some.
        self.rest()?;
        self.wake()?;
        let mut free = self.free_pages()?;
        while free > 0 {
            self.give_back(PAGES_ON_FULL)?;
            let left = self.free_pages()?;
            if left >= free {
                break;
            }
            free = left;
        }
        self.have_shrunk()
    }

    fn have_shrunk(&self) -> Result<(), StoreError> {
        match self.free_pages()? {
            0 => Ok(()),
            _ => Err(StoreError::Database("free pages cannot be given back".to_owned())),
        }
    }

    fn free_pages(&self) -> Result<u64, StoreError> {
        let free: i64 = self.connection().pragma_query_value(None, "freelist_count", |row| row.get(0))?;
        Ok(free.unsigned_abs())
    }

    /// One transaction that gives back so many pages: the pragma gives one back for every row that is read.
    fn give_back(&self, pages: u32) -> Result<(), StoreError> {
        let mut statement = self.connection().prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    }

    /// Writes the whole database anew.
    pub fn rewrite(&mut self) -> Result<(), StoreError> {
        let connection = self.connection();
        // SQLite attaches the new database to itself while it copies.
        schema::allow_attaching(connection, true)?;
        let done = connection.execute_batch("VACUUM");
        schema::allow_attaching(connection, false)?;
        Ok(done?)
    }

    fn connection(&self) -> &Connection {
        self.connection.as_ref().expect("the connection is taken only by close and drop")
    }

    #[cfg(test)]
    pub(super) fn connection_for_tests(&self) -> &Connection {
        self.connection()
    }

    /// The vault's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves everything on disk as it is from here on: for a file that turned out to be an older copy.
    pub fn leave_untouched(&mut self) {
        self.may_zero_journal = false;
    }

    /// One row.
    pub fn get(&self, table: Table, id: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let mut statement = self.connection().prepare_cached(table.select())?;
        Ok(statement.query_row([number(id)?], |row| row.get(0)).optional()?)
    }

    /// The rows with ids in `ids`, ascending; `each` may stop with an error of its own.
    pub fn scan<E: From<StoreError>>(
        &self,
        table: Table,
        ids: Range<u64>,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut statement = self.connection().prepare_cached(table.scan()).map_err(StoreError::from)?;
        let range = [number(ids.start)?, number(ids.end)?];
        let mut rows = statement.query(range).map_err(StoreError::from)?;
        while let Some(row) = rows.next().map_err(StoreError::from)? {
            let id: i64 = row.get(0).map_err(StoreError::from)?;
            let bytes = row.get_ref(1).map_err(StoreError::from)?;
            let bytes = bytes.as_blob().map_err(|_| StoreError::Damaged(format!("a row of {}", table.name())))?;
            let id = u64::try_from(id).map_err(|_| StoreError::Damaged(format!("a row of {}", table.name())))?;
            each(id, bytes)?;
        }
        Ok(())
    }

    /// All rows, ascending.
    pub fn all(&self, table: Table) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let mut rows = Vec::new();
        self.scan::<StoreError>(table, 0..i64::MAX as u64, |id, bytes| {
            rows.push((id, bytes.to_vec()));
            Ok(())
        })?;
        Ok(rows)
    }

    /// The number of rows and the length of the longest, found without reading any.
    pub fn extent(&self, table: Table) -> Result<(u64, u64), StoreError> {
        let mut statement = self.connection().prepare_cached(table.extent())?;
        let (count, longest): (i64, i64) = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((count.unsigned_abs(), longest.unsigned_abs()))
    }

    /// The bytes of the rows with ids in `ids`, found without reading them.
    pub fn bytes(&self, table: Table, ids: Range<u64>) -> Result<u64, StoreError> {
        let mut statement = self.connection().prepare_cached(table.bytes())?;
        let bytes: i64 = statement.query_row([number(ids.start)?, number(ids.end)?], |row| row.get(0))?;
        Ok(bytes.unsigned_abs())
    }

    /// The ids in use, ascending.
    pub fn ids(&self, table: Table) -> Result<Vec<u64>, StoreError> {
        self.ids_in(table, 0..i64::MAX as u64)
    }

    /// Those of them in `ids`, ascending.
    pub fn ids_in(&self, table: Table, ids: Range<u64>) -> Result<Vec<u64>, StoreError> {
        let mut statement = self.connection().prepare_cached(table.ids())?;
        let range = [number(ids.start)?, number(ids.end)?];
        let ids = statement.query_map(range, |row| row.get::<_, i64>(0))?;
        ids.map(|id| u64::try_from(id?).map_err(|_| StoreError::Damaged(format!("a row of {}", table.name()))))
            .collect()
    }

    /// The highest id in use.
    pub fn last(&self, table: Table) -> Result<Option<u64>, StoreError> {
        let id: Option<i64> = self.connection().prepare_cached(table.last())?.query_row([], |row| row.get(0))?;
        id.map(|id| u64::try_from(id).map_err(|_| StoreError::Damaged(format!("a row of {}", table.name()))))
            .transpose()
    }

    /// The number of rows.
    pub fn count(&self, table: Table) -> Result<u64, StoreError> {
        let count: i64 = self.connection().prepare_cached(table.count())?.query_row([], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// The bytes of the database file that hold pages, free ones included.
    pub fn size(&self) -> Result<u64, StoreError> {
        let value = |name| self.connection().pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        Ok((value("page_count")? * value("page_size")?).unsigned_abs())
    }

    /// SQLite's own check of the file's structure; the list of what is wrong, empty when sound.
    pub fn structure(&self) -> Result<Vec<String>, StoreError> {
        let mut statement = self.connection().prepare("PRAGMA integrity_check(20)")?;
        let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
        let lines: Vec<String> = lines.collect::<Result<_, _>>()?;
        Ok(if lines == ["ok"] { Vec::new() } else { lines })
    }

    /// Starts a transaction. It is rolled back unless it is committed.
    pub fn begin(&mut self) -> Result<Transaction<'_>, StoreError> {
        self.connection().execute_batch("BEGIN IMMEDIATE")?;
        Ok(Transaction { store: self, open: true })
    }

    /// Closes the database and zeroes its journal; then the lock is released. Makes the ballast where it is missing.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.finish()?;
        if !self.is_copy() {
            ballast::make(&self.path);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        let Some(connection) = self.connection.take() else { return Ok(()) };
        connection.close().map_err(|(_, error)| StoreError::from(error))?;
        // Where a commit and the rollback after it failed, the journal holds the only copy of the pages as they were: the
        // next process that opens the vault plays it back.
        let may_zero = self.may_zero_journal && !sabotage::is(Fault::JournalKept) && !journal::is_hot(&self.path);
        if may_zero { journal::zero(&self.path) } else { Ok(()) }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // The next process that opens the vault zeroes what this one could not.
        let _ = self.finish();
    }
}

/// A transaction: reads see its writes, and dropping it undoes them.
pub struct Transaction<'store> {
    store: &'store mut Store,
    open: bool,
}

impl Transaction<'_> {
    /// The store, to read.
    pub fn store(&self) -> &Store {
        self.store
    }

    /// Adds a row; an id in use is an error.
    pub fn insert(&mut self, table: Table, id: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let mut statement = self.store.connection().prepare_cached(table.insert())?;
        statement.execute((number(id)?, bytes))?;
        Ok(())
    }

    /// Adds or overwrites a row that holds nothing sealed.
    pub fn overwrite(&mut self, table: Table, id: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let mut statement = self.store.connection().prepare_cached(table.overwrite())?;
        statement.execute((number(id)?, bytes))?;
        Ok(())
    }

    /// Removes the rows with ids in `ids`; the count.
    pub fn delete(&mut self, table: Table, ids: Range<u64>) -> Result<usize, StoreError> {
        let mut statement = self.store.connection().prepare_cached(table.delete())?;
        Ok(statement.execute([number(ids.start)?, number(ids.end)?])?)
    }

    /// Makes everything durable, or nothing.
    pub fn commit(mut self) -> Result<(), StoreError> {
        self.store.connection().execute_batch("COMMIT")?;
        self.open = false;
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.open {
            // After an error SQLite may have rolled back by itself; then this one fails harmlessly.
            let _ = self.store.connection().execute_batch("ROLLBACK");
        }
    }
}

/// Makes a name durable.
fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

/// Compares two files from their beginning.
fn same_bytes(one: &mut std::fs::File, other: &mut std::fs::File) -> std::io::Result<bool> {
    one.seek(SeekFrom::Start(0))?;
    other.seek(SeekFrom::Start(0))?;
    let (mut one, mut other) = (BufReader::with_capacity(1 << 20, one), BufReader::with_capacity(1 << 20, other));
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        let length = left.len().min(right.len());
        if left[..length] != right[..length] || (length == 0 && left.len() != right.len()) {
            return Ok(false);
        }
        if length == 0 {
            return Ok(true);
        }
        one.consume(length);
        other.consume(length);
    }
}

fn number(id: u64) -> Result<i64, StoreError> {
    i64::try_from(id).map_err(|_| StoreError::Damaged(format!("row number {id}")))
}

fn open_checked(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path)?;
    schema::harden(&connection)?;
    schema::check(&connection)?;
    schema::configure(&connection)?;
    Ok(connection)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    // No URI names, no shared cache. The lock has resolved links already; one that appears since is refused.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Reads the first bytes before SQLite does. No connection lives yet, so the file may be opened by path.
fn check_header(path: &Path) -> Result<(), StoreError> {
    let missing = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => StoreError::Missing(path.to_owned()),
        _ => StoreError::io(path, error),
    };
    let mut file = std::fs::File::open(path).map_err(missing)?;
    let about = file.metadata().map_err(|error| StoreError::io(path, error))?;
    if !about.is_file() {
        return Err(StoreError::Foreign("not a file"));
    }
    let mut header = [0; 100];
    file.read_exact(&mut header).map_err(|_| StoreError::Foreign("too short"))?;
    let field = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if &header[..16] != b"SQLite format 3\0" {
        return Err(StoreError::Foreign("not an SQLite file"));
    }
    if field(68) != schema::APPLICATION_ID {
        return Err(StoreError::Foreign("an SQLite file of another program"));
    }
    match field(60) {
        schema::FORMAT => {}
        newer if newer > schema::FORMAT => return Err(StoreError::TooNew(newer)),
        _ => return Err(StoreError::Foreign("its format number is none of ours")),
    }
    // Write version 2 would be WAL, in which deleted rows stay.
    if header[18] != 1 || header[19] != 1 {
        return Err(StoreError::Damaged("its journal mode was changed".to_owned()));
    }
    let hot = journal::is_hot(path);
    // The page count counts when SQLite wrote it last (its two counters agree). A crash can leave it
    // behind the file; the journal settles that.
    let whole = u64::from(field(28)) * 4096;
    if !hot && field(24) == field(92) && about.len() < whole {
        return Err(StoreError::Damaged(format!("cut off after {} of {whole} bytes", about.len())));
    }
    Ok(())
}
