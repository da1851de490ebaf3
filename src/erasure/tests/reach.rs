//! The reach list, entry by entry: what must be in no file after an erasure, by a search that knows nothing of fingerprints.

use super::*;

/// All bytes of all files of a home.
fn every_file(home: &Home) -> Vec<(PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(home.folder.path()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Erases a conversation, and asserts that no 32 bytes of these tables' rows are in any file afterwards, by a search
/// that knows nothing of fingerprints.
fn assert_reaches(tables: &[Table]) {
    for is_file in [false, true] {
        let (home, mut vault) = filled(is_file);
        // A tag of its own.
        let entries = vault.listing().unwrap().entries;
        let one: Vec<Entry> = entries.into_iter().filter(|entry| entry.card.native_id == "1").collect();
        vault.tag(&one, &["only-here".to_owned()], &[], NOW).unwrap();
        let leaves: Vec<u64> = plan(&vault, &["1"]).doomed.leaves.iter().map(|one| one.leaf).collect();
        vault.close().unwrap();
        let store = Store::open(Lock::take(&home.path()).unwrap()).unwrap();
        let mut rows = Vec::new();
        for table in tables {
            for (id, bytes) in store.all(*table).unwrap() {
                let leaf = if matches!(table, Table::Facts | Table::Attachment) { id >> 20 } else { id };
                let is_last_tag = *table == Table::Tag && Some(id) == store.last(Table::Tag).unwrap();
                let is_key = matches!(table, Table::Frontier | Table::Anchor);
                if leaves.contains(&leaf) && *table != Table::Tag || is_last_tag || is_key {
                    // The id and the commitment of a segment are no secret.
                    let public = if *table == Table::Segment { 48 } else { 0 };
                    rows.push((*table, bytes[public..].to_vec()));
                }
            }
        }
        store.close().unwrap();
        let present = |chunk: &[u8]| {
            let files = every_file(&home);
            files.iter().find(|(_, file)| memchr::memmem::find(file, chunk).is_some()).map(|(path, _)| path.clone())
        };
        let chunks = |row: &[u8]| row.chunks_exact(32).map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert!(!rows.is_empty());
        for (table, row) in &rows {
            assert!(chunks(row).iter().any(|chunk| present(chunk).is_some()), "{table:?} is there before");
        }
        let mut vault = home.open();
        let erased = erase_now(&mut vault, &["1"]).unwrap();
        assert_eq!(verdicts(&erased), PASSED);
        vault.close().unwrap();
        let files = every_file(&home);
        for (table, row) in &rows {
            for chunk in chunks(row) {
                let left = files.iter().find(|(_, file)| memchr::memmem::find(file, &chunk).is_some());
                // Where the anchor lies in a file the row holds its sealed path, which stays what it was.
                let is_place = is_file && *table == Table::Anchor;
                assert!(left.is_none() || is_place, "{table:?} is left in {:?}", left.map(|(path, _)| path));
            }
        }
    }
}

macro_rules! reach {
    ($($name:ident: $tables:expr;)*) => {$(
        #[test]
        fn $name() {
            assert_reaches(&$tables);
        }
    )*};
}

reach! {
    erasure_reaches_the_card: [Table::Card];
    erasure_reaches_the_body_with_the_originals: [Table::Body];
    erasure_reaches_attachments: [Table::Attachment];
    erasure_reaches_the_search_sketch: [Table::Sketch];
    erasure_reaches_the_facts_of_all_versions: [Table::Facts];
    erasure_reaches_tags_that_nothing_else_has: [Table::Tag];
    erasure_reaches_earlier_versions: [Table::Superseded, Table::Segment];
    erasure_reaches_the_wrapped_shares: [Table::ReadShare];
    erasure_reaches_the_keyring_and_its_copies: [Table::Frontier];
    erasure_reaches_the_anchor: [Table::Anchor];
}

#[test]
fn erasure_leaves_no_canary_no_journal_and_no_other_file() {
    for is_file in [false, true] {
        let (home, mut vault) = filled(is_file);
        let before: BTreeSet<PathBuf> = every_file(&home).into_iter().map(|(path, _)| path).collect();
        erase_now(&mut vault, &["1", "4"]).unwrap();
        vault.close().unwrap();
        let files = every_file(&home);
        let mut after: BTreeSet<PathBuf> = files.iter().map(|(path, _)| path.clone()).collect();
        assert!(after.remove(&home.folder.path().join("v.db.ballast")), "closing makes it");
        assert_eq!(after, before);
        let journal = files.iter().find(|(path, _)| path.to_string_lossy().ends_with("-journal")).unwrap();
        assert!(journal.1.iter().all(|byte| *byte == 0));
        let store = Store::open(Lock::take(&home.path()).unwrap()).unwrap();
        for table in [Table::Canary, Table::Intent] {
            assert_eq!(store.count(table).unwrap(), 0, "{table:?}");
        }
    }
}
