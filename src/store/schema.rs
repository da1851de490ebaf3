//! The tables, the pragmas, and the checks that make a hostile file harmless before it is used.

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;

use super::StoreError;

/// "CVLT", in the SQLite header at byte 68.
pub(super) const APPLICATION_ID: u32 = 0x4356_4C54;

/// The format, in the SQLite header at byte 60.
pub(super) const FORMAT: u32 = 1;

/// 8 MiB of page cache, in KiB: an import appends, it needs no more.
const CACHE: i64 = -8192;

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// A table; what its rows hold is in `docs/format.md` §2.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "each is a line of the table in docs/format.md §2")]
        pub enum Table { $($name,)* }

        impl Table {
            /// All tables, in the order of the schema.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The table's name in the file.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            pub(super) fn select(self) -> &'static str {
                match self { $(Self::$name => concat!("SELECT bytes FROM ", $word, " WHERE id = ?1"),)* }
            }

            pub(super) fn scan(self) -> &'static str {
                match self {
                    $(Self::$name =>
                        concat!("SELECT id, bytes FROM ", $word, " WHERE id >= ?1 AND id < ?2 ORDER BY id"),)*
                }
            }

            pub(super) fn ids(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("SELECT id FROM ", $word, " WHERE id >= ?1 AND id < ?2 ORDER BY id"),)*
                }
            }

            pub(super) fn last(self) -> &'static str {
                match self { $(Self::$name => concat!("SELECT max(id) FROM ", $word),)* }
            }

            pub(super) fn count(self) -> &'static str {
                match self { $(Self::$name => concat!("SELECT count(*) FROM ", $word),)* }
            }

            pub(super) fn extent(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("SELECT count(*), coalesce(max(length(bytes)), 0) FROM ", $word),)*
                }
            }

            pub(super) fn bytes(self) -> &'static str {
                match self {
                    $(Self::$name =>
                        concat!("SELECT coalesce(sum(length(bytes)), 0) FROM ", $word, " WHERE id >= ?1 AND id < ?2"),)*
                }
            }

            pub(super) fn insert(self) -> &'static str {
                match self { $(Self::$name => concat!("INSERT INTO ", $word, "(id, bytes) VALUES (?1, ?2)"),)* }
            }

            pub(super) fn overwrite(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("INSERT OR REPLACE INTO ", $word, "(id, bytes) VALUES (?1, ?2)"),)*
                }
            }

            pub(super) fn delete(self) -> &'static str {
                match self { $(Self::$name => concat!("DELETE FROM ", $word, " WHERE id >= ?1 AND id < ?2"),)* }
            }

            fn definition(self) -> &'static str {
                match self {
                    $(Self::$name =>
                        concat!("CREATE TABLE ", $word, "(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT"),)*
                }
            }
        }
    };
}

tables! {
    Header = "header",
    StaticHead = "static_head",
    StateHead = "state_head",
    Slot = "slot",
    Anchor = "anchor",
    Frontier = "frontier",
    KeyHistory = "key_history",
    Segment = "segment",
    ReadShare = "read_share",
    DepositShare = "deposit_share",
    Facts = "facts",
    Card = "card",
    Body = "body",
    Attachment = "attachment",
    Sketch = "sketch",
    Superseded = "superseded",
    Tile = "tile",
    Tag = "tag",
    Inbox = "inbox",
    Log = "log",
    Transition = "transition",
    Policy = "policy",
    Hold = "hold",
    Intent = "intent",
    Receipt = "receipt",
    Fingerprint = "fingerprint",
    Copy = "copy",
    Canary = "canary",
}

/// What a connection is held to before its first statement reads the schema.
pub(super) fn harden(connection: &Connection) -> Result<(), StoreError> {
    // A planted trigger kept what was deleted, a planted view hung the reader (measured).
    for (option, value) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ] {
        if connection.set_db_config(option, value)? != value {
            return Err(StoreError::Database("the SQLite library refuses a safety setting".to_owned()));
        }
    }
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        // The largest body with its padding and seal.
        (Limit::SQLITE_LIMIT_LENGTH, 1_300_000_000),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 4096),
        (Limit::SQLITE_LIMIT_COLUMN, 8),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 8),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 1),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
    ] {
        connection.set_limit(limit, value)?;
    }
    // Before the first read: with the default mode, SQLite deletes the journal of a crashed
    // transaction once it has played it back, and the old pages stay behind in freed blocks.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    Ok(())
}

/// Attaching another database, which only a rewrite of this one needs.
pub(super) fn allow_attaching(connection: &Connection, allowed: bool) -> Result<(), StoreError> {
    for option in [DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE] {
        connection.set_db_config(option, allowed)?;
    }
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, i32::from(allowed))?;
    Ok(())
}

/// Whether pages that come free keep what they held, which spares reading, journaling and writing every one of them.
pub(super) fn leave_free_pages(connection: &Connection, are_left: bool) -> Result<(), StoreError> {
    let (value, expected) = if are_left { ("FAST", 2) } else { ("ON", 1) };
    connection.pragma_update(None, "secure_delete", value)?;
    match connection.pragma_query_value(None, "secure_delete", |row| row.get::<_, i64>(0))? {
        is if is == expected => Ok(()),
        _ => Err(StoreError::Database("SQLite does not change how it removes".to_owned())),
    }
}

/// Gives all free pages back in one transaction. One by one SQLite looks for each in the list of all of them.
pub(super) fn cut(connection: &Connection) -> Result<(), StoreError> {
    connection.pragma_update(None, "cache_size", -32_768)?;
    connection.pragma_update(None, "auto_vacuum", "FULL")?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "cache_size", CACHE)?;
    Ok(())
}

/// The pragmas of every connection; each is read back, because SQLite ignores what it cannot do.
pub(super) fn configure(connection: &Connection) -> Result<(), StoreError> {
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Off in the bundled library.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "cache_size", CACHE)?;
    // Never WAL: it kept every deleted row until a checkpoint, and a full disk is a SIGBUS.
    connection.pragma_update(None, "journal_mode", "PERSIST")?;
    // A crash between the two steps of `cut` leaves a file that gives back its pages by itself.
    if connection.pragma_query_value(None, "auto_vacuum", |row| row.get::<_, i64>(0))? == 1 {
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    for (name, expected) in
        [("secure_delete", 1), ("synchronous", 2), ("temp_store", 2), ("cell_size_check", 1), ("auto_vacuum", 2)]
    {
        let value: i64 = connection.pragma_query_value(None, name, |row| row.get(0))?;
        if value != expected {
            return Err(StoreError::Damaged(format!("{name} is {value} and must be {expected}")));
        }
    }
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode != "persist" {
        return Err(StoreError::Damaged(format!("journal_mode is {mode} and must be persist")));
    }
    Ok(())
}

/// Makes the tables of a new file.
pub(super) fn create(connection: &Connection) -> Result<(), StoreError> {
    for table in Table::ALL {
        connection.execute(table.definition(), [])?;
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", FORMAT)?;
    Ok(())
}

/// Compares the schema with ours, byte for byte.
pub(super) fn check(connection: &Connection) -> Result<(), StoreError> {
    let mut statement = connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid")?;
    let mut rows = statement.query([])?;
    let mut expected = Table::ALL.iter();
    while let Some(row) = rows.next()? {
        let known = expected.next().is_some_and(|table| {
            let text = |index| row.get_ref(index).ok().and_then(|value| value.as_str().ok());
            text(0) == Some("table")
                && text(1) == Some(table.name())
                && text(2) == Some(table.name())
                && text(3) == Some(table.definition())
        });
        if !known {
            return Err(StoreError::Foreign("its tables are not those of a vault"));
        }
    }
    if expected.next().is_some() {
        return Err(StoreError::Foreign("tables of a vault are missing"));
    }
    Ok(())
}
