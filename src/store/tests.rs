//! What the store promises: its pragmas, its refusals, its journal, its lock.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::*;

fn vault() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.db");
    (folder, path)
}

fn made(path: &Path) -> Store {
    Store::create(Lock::take(path).unwrap()).unwrap()
}

fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(Lock::take(path)?)
}

fn foreign(path: &Path, sql: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn the_bundled_library_keeps_the_settings_it_is_given() {
    // Its defaults are not ours: secure_delete is off, the journal is deleted, temporary files go to disk.
    let plain = rusqlite::Connection::open_in_memory().unwrap();
    let default: i64 = plain.pragma_query_value(None, "secure_delete", |row| row.get(0)).unwrap();
    assert_eq!(default, 0, "the bundled default changed; the pragma stays all the same");
    assert!(rusqlite::version_number() >= 3_054_001, "{}", rusqlite::version());

    let (_folder, path) = vault();
    made(&path).close().unwrap();
    let store = open(&path).unwrap();
    let text = |name: &str| -> String {
        let value: rusqlite::types::Value =
            store.connection_for_tests().pragma_query_value(None, name, |row| row.get(0)).unwrap();
        match value {
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => panic!("{other:?}"),
        }
    };
    let expected = [
        ("journal_mode", "persist"),
        ("secure_delete", "1"),
        ("synchronous", "2"),
        ("temp_store", "2"),
        ("auto_vacuum", "2"),
        ("cell_size_check", "1"),
        ("locking_mode", "exclusive"),
        ("page_size", "4096"),
        ("trusted_schema", "0"),
    ];
    for (name, value) in expected {
        assert_eq!(text(name), value, "{name}");
    }
}

#[test]
fn the_file_is_for_its_owner_alone() {
    let (_folder, path) = vault();
    let mut store = made(&path);
    let mut transaction = store.begin().unwrap();
    transaction.insert(Table::Header, 1, b"x").unwrap();
    transaction.commit().unwrap();
    store.close().unwrap();
    for suffix in ["", "-journal", ".lock"] {
        let name = format!("{}{suffix}", path.display());
        assert_eq!(std::fs::metadata(&name).unwrap().permissions().mode() & 0o777, 0o600, "{suffix}");
    }
}

#[test]
fn free_pages_that_were_left_are_overwritten_before_they_are_given_back() {
    let (_folder, path) = vault();
    let mut store = made(&path);
    let text = |id: u64| format!("marker {id:02} ").repeat(1_000).into_bytes();
    let mut transaction = store.begin().unwrap();
    for id in 0..40 {
        transaction.insert(Table::Body, id, &text(id)).unwrap();
    }
    transaction.commit().unwrap();
    store.leave_free_pages(true).unwrap();
    let mut transaction = store.begin().unwrap();
    transaction.delete(Table::Body, 5..10).unwrap();
    transaction.delete(Table::Body, 20..40).unwrap();
    transaction.commit().unwrap();
    store.rest().unwrap();
    let left = |ids: std::ops::Range<u64>| {
        let file = std::fs::read(&path).unwrap();
        let id = |digits: &[u8]| std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        let marks = file.windows(9).filter(|bytes| bytes.starts_with(b"marker "));
        marks.filter(|bytes| id(&bytes[7..]).is_some_and(|id: u64| ids.contains(&id))).count()
    };
    assert!(left(5..10) > 2_000 && left(20..40) > 8_000, "they are left where they were");
    let size = std::fs::metadata(&path).unwrap().len();
    free::zero(&path).unwrap();
    assert_eq!(
        (left(20..40), std::fs::metadata(&path).unwrap().len()),
        (0, size),
        "overwritten where the file will end"
    );
    store.wake().unwrap();
    store.shrink().unwrap();
    assert_eq!((left(5..10), left(20..40)), (0, 0), "and what was before it by what moved there");
    assert!(std::fs::metadata(&path).unwrap().len() < size * 2 / 3);
    for id in (0..5).chain(10..20) {
        assert_eq!(store.get(Table::Body, id).unwrap(), Some(text(id)));
    }
    assert_eq!(store.structure().unwrap(), [""; 0]);
    let pragma =
        |name| store.connection_for_tests().pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((pragma("auto_vacuum"), pragma("secure_delete"), pragma("freelist_count")), (2, 1, 0));
}

#[test]
fn a_list_of_free_pages_that_is_not_whole_is_followed_nowhere() {
    let (_folder, path) = vault();
    let mut store = made(&path);
    let mut transaction = store.begin().unwrap();
    transaction.insert(Table::Body, 1, &[7; 50_000]).unwrap();
    transaction.commit().unwrap();
    let mut transaction = store.begin().unwrap();
    transaction.delete(Table::Body, 0..9).unwrap();
    transaction.commit().unwrap();
    store.close().unwrap();
    let whole = std::fs::read(&path).unwrap();
    let list = u32::from_be_bytes(*whole[32..].first_chunk().unwrap()) as usize - 1;
    // The list itself again, a page behind the end, more than fit a page, and more or fewer than there are.
    for (at, value) in
        [(list * 4096, list + 1), (list * 4096 + 8, 1 << 20), (list * 4096 + 4, 1 << 30), (36, 99), (36, 3)]
    {
        let mut file = whole.clone();
        file[at..at + 4].copy_from_slice(&(value as u32).to_be_bytes());
        std::fs::write(&path, &file).unwrap();
        assert!(matches!(free::zero(&path), Err(StoreError::Damaged(_))), "{at}");
        assert_eq!(std::fs::read(&path).unwrap(), file, "{at}");
    }
}

#[test]
fn a_file_whose_shrinking_stopped_in_between_is_set_right_on_opening() {
    let (_folder, path) = vault();
    let store = made(&path);
    store.connection_for_tests().pragma_update(None, "auto_vacuum", "FULL").unwrap();
    store.close().unwrap();
    let store = open(&path).unwrap();
    let value: i64 = store.connection_for_tests().pragma_query_value(None, "auto_vacuum", |row| row.get(0)).unwrap();
    assert_eq!(value, 2);
}

#[test]
fn a_long_journal_is_cut_once_it_is_zero() {
    let (_folder, path) = vault();
    let journal = path.with_file_name("v.db-journal");
    made(&path).close().unwrap();
    std::fs::write(&journal, vec![0; 3 << 20]).unwrap();
    open(&path).unwrap().close().unwrap();
    let left = std::fs::read(&journal).unwrap();
    assert!(left.len() == 1 << 20 && left.iter().all(|byte| *byte == 0));
}

#[test]
fn the_journal_holds_old_pages_and_is_zeroed_on_close() {
    let (_folder, path) = vault();
    let mut store = made(&path);
    let mut transaction = store.begin().unwrap();
    transaction.insert(Table::Anchor, 1, b"an anchor that must die").unwrap();
    transaction.commit().unwrap();
    let mut transaction = store.begin().unwrap();
    transaction.delete(Table::Anchor, 1..2).unwrap();
    transaction.insert(Table::Anchor, 2, b"another").unwrap();
    transaction.commit().unwrap();
    let journal = journal::path_of(&path);
    let holds = |needle: &[u8]| std::fs::read(&journal).unwrap().windows(needle.len()).any(|window| window == needle);
    // Positive control: without it the test would pass on a journal that never held anything.
    assert!(holds(b"an anchor that must die"));
    store.close().unwrap();
    let bytes = std::fs::read(&journal).unwrap();
    assert!(!bytes.is_empty() && bytes.iter().all(|byte| *byte == 0));
}

#[test]
fn the_journal_is_zeroed_after_a_recovery_too() {
    let (folder, path) = vault();
    let mut store = made(&path);
    let mut transaction = store.begin().unwrap();
    transaction.insert(Table::Anchor, 1, b"the only anchor").unwrap();
    transaction.commit().unwrap();
    store.close().unwrap();
    // A crash inside a transaction: copy database and journal while it is open and spilled to disk.
    let crashed = folder.path().join("crashed.db");
    let mut store = open(&path).unwrap();
    store.connection_for_tests().pragma_update(None, "cache_size", 1).unwrap();
    let mut transaction = store.begin().unwrap();
    transaction.delete(Table::Anchor, 1..2).unwrap();
    for id in 1..200 {
        transaction.insert(Table::Body, id, &[7; 9000]).unwrap();
    }
    std::fs::copy(&path, &crashed).unwrap();
    std::fs::copy(journal::path_of(&path), journal::path_of(&crashed)).unwrap();
    drop(transaction);
    drop(store);
    assert!(journal::is_hot(&crashed), "the copy is of an open transaction");

    let store = open(&crashed).unwrap();
    assert_eq!(store.get(Table::Anchor, 1).unwrap().as_deref(), Some(&b"the only anchor"[..]));
    assert_eq!(store.count(Table::Body).unwrap(), 0);
    store.close().unwrap();
    assert!(std::fs::read(journal::path_of(&crashed)).unwrap().iter().all(|byte| *byte == 0));
}

#[test]
fn a_transaction_that_is_dropped_leaves_nothing() {
    let (_folder, path) = vault();
    let mut store = made(&path);
    let mut transaction = store.begin().unwrap();
    transaction.insert(Table::Card, 5, b"x").unwrap();
    assert_eq!(transaction.store().get(Table::Card, 5).unwrap().as_deref(), Some(&b"x"[..]));
    drop(transaction);
    assert_eq!(store.get(Table::Card, 5).unwrap(), None);
    let mut transaction = store.begin().unwrap();
    transaction.insert(Table::Card, 5, b"y").unwrap();
    assert!(transaction.insert(Table::Card, 5, b"z").is_err(), "rows are never replaced by accident");
    transaction.commit().unwrap();
    assert_eq!(store.all(Table::Card).unwrap(), [(5, b"y".to_vec())]);
    assert_eq!(store.last(Table::Card).unwrap(), Some(5));
    assert_eq!(store.last(Table::Body).unwrap(), None);
}

#[test]
fn one_process_at_a_time() {
    let (_folder, path) = vault();
    let store = made(&path);
    assert!(matches!(Lock::take(&path), Err(StoreError::Busy)));
    store.close().unwrap();
    assert!(Lock::take(&path).is_ok());
}

#[test]
fn what_is_not_a_vault_is_refused_and_left_alone() {
    let (folder, path) = vault();
    assert!(matches!(open(&path), Err(StoreError::Missing(_))));
    std::fs::write(&path, b"short").unwrap();
    assert!(matches!(open(&path), Err(StoreError::Foreign("too short"))));
    std::fs::write(&path, [7; 8192]).unwrap();
    assert!(matches!(open(&path), Err(StoreError::Foreign("not an SQLite file"))));
    assert!(matches!(Store::create(Lock::take(&path).unwrap()), Err(StoreError::Exists(_))));
    assert_eq!(std::fs::read(&path).unwrap(), [7; 8192]);
    let other = folder.path().join("other.db");
    foreign(&other, "CREATE TABLE t(x)");
    assert!(matches!(open(&other), Err(StoreError::Foreign("an SQLite file of another program"))));
    assert!(matches!(open(folder.path()), Err(StoreError::Foreign("not a file"))));
    let newer = folder.path().join("newer.db");
    made(&newer).close().unwrap();
    foreign(&newer, "PRAGMA user_version = 2");
    assert!(matches!(open(&newer), Err(StoreError::TooNew(2))));
}

#[test]
fn a_planted_trigger_view_table_or_index_is_refused() {
    let plants = [
        "CREATE TRIGGER keep AFTER DELETE ON body BEGIN INSERT INTO copy VALUES (old.id, old.bytes); END",
        "CREATE VIEW v AS SELECT * FROM body",
        "CREATE TABLE stash(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT",
        "CREATE INDEX i ON body(bytes)",
        "DROP TABLE hold",
        "DROP TABLE canary; CREATE TABLE canary(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL DEFAULT (randomblob(9))) STRICT",
        "PRAGMA writable_schema = on; UPDATE sqlite_schema SET sql = sql || ' ' WHERE name = 'body'",
        "DROP TABLE body; CREATE VIEW body AS WITH RECURSIVE r(id, bytes) AS (SELECT 1, x'00' UNION ALL SELECT id + 1, bytes FROM r) SELECT * FROM r",
    ];
    for plant in plants {
        let (_folder, path) = vault();
        made(&path).close().unwrap();
        foreign(&path, plant);
        let refused = open(&path).err();
        // The recursive view is beyond the limits of our connection, so it does not even parse.
        assert!(matches!(refused, Some(StoreError::Foreign(_) | StoreError::Damaged(_))), "{plant}: {refused:?}");
    }
}

#[test]
fn a_cut_file_is_refused() {
    let (_folder, path) = vault();
    let mut store = made(&path);
    let mut transaction = store.begin().unwrap();
    for id in 0..50 {
        transaction.insert(Table::Body, id, &[1; 5000]).unwrap();
    }
    transaction.commit().unwrap();
    store.close().unwrap();
    let whole = std::fs::metadata(&path).unwrap().len();
    for length in [whole - 1, whole - 4096, whole / 2, 4096, 100] {
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(length).unwrap();
        let refused = open(&path).err();
        assert!(matches!(refused, Some(StoreError::Damaged(_))), "{length}: {refused:?}");
    }
}

#[test]
fn a_file_in_wal_mode_is_refused() {
    let (_folder, path) = vault();
    made(&path).close().unwrap();
    foreign(&path, "PRAGMA journal_mode = WAL");
    assert!(matches!(open(&path), Err(StoreError::Damaged(_))));
}
