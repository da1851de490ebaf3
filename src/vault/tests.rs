//! What a vault promises, on real files.

use std::path::{Path, PathBuf};

use super::*;
use crate::clock::Instant;
use crate::conversation::{Conversation, Message, Part, Role as Author};
use crate::crypto::{KdfCost, Password};
use crate::facts::TagId;
use crate::store::{Lock, Table};

mod roles;

const NOW: Instant = Instant(1_800_000_000_000_000);

struct Bench {
    _folder: tempfile::TempDir,
    path: PathBuf,
    anchor: PathBuf,
}

fn bench() -> Bench {
    let folder = crate::vault::sound_folder();
    let (path, anchor) = (folder.path().join("v.db"), folder.path().join("v.anchor"));
    Bench { _folder: folder, path, anchor }
}

fn password(text: &str) -> Password {
    Password::new(text.as_bytes().to_vec())
}

impl Bench {
    fn create(&self, anchor: AnchorPlace, recovery: bool) -> (Vault, Option<RecoveryCode>) {
        let password = password("first");
        let new = NewVault { password: &password, cost: KdfCost::FLOOR, anchor, recovery, now: NOW };
        Vault::create(Lock::take(&self.path).unwrap(), &new).unwrap()
    }

    fn made(&self, anchor: AnchorPlace) -> Vault {
        self.create(anchor, false).0
    }

    fn open(&self, text: &str) -> Result<Vault, VaultError> {
        Unopened::open(Lock::take(&self.path)?)?.unlock(&password(text), None)
    }

    /// Every file beside the vault but the lock, with its bytes.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> = std::fs::read_dir(self.path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_none_or(|e| e != "lock"))
            .map(|path| (path.clone(), std::fs::read(&path).unwrap()))
            .collect();
        files.sort();
        files
    }
}

fn conversation(id: &str, text: &str) -> Conversation {
    let mut made = Conversation { native_id: id.to_owned(), title: Some(format!("Title {id}")), ..Default::default() };
    let author = made.participant(Author::User, None, None);
    let text = made.push_text(text);
    made.messages.push(Message { author, parts: vec![Part { text, ..Part::default() }], ..Message::default() });
    made
}

fn store(vault: &mut Vault, conversations: &[(Conversation, &[u8])], tags: &[String]) -> Vec<[u8; 16]> {
    let (sealer, mut writer) = vault.session(NOW).unwrap();
    let tags: Vec<TagId> = writer.tags(tags).unwrap();
    let mut ids = Vec::new();
    for (conversation, original) in conversations {
        let mut thread = sealer.thread();
        let open = thread.begin().unwrap();
        let id = crate::crypto::random::array();
        ids.push(id);
        let origin =
            Origin { conversation: id, source: "chatgpt", tags: tags.clone(), unknown: 0, imported: None, month: 0 };
        writer.put(&thread.finish(&open, conversation, &[(original, [7; 32])], origin).unwrap()).unwrap();
    }
    writer.finish(sealer, "import", vec![("new", ids.len() as u64)]).unwrap();
    ids
}

fn store_two(vault: &mut Vault) -> Vec<[u8; 16]> {
    store(vault, &[(conversation("a", "alpha"), b"A"), (conversation("b", "beta"), b"B")], &["work".to_owned()])
}

#[test]
fn what_is_stored_is_listed_found_and_read_after_reopening() {
    for anchored in [false, true] {
        let bench = bench();
        let place = if anchored { AnchorPlace::File(bench.anchor.clone()) } else { AnchorPlace::Embedded };
        let mut vault = bench.made(place);
        let ids = store_two(&mut vault);
        vault.close().unwrap();
        let vault = bench.open("first").unwrap();
        let listing = vault.listing().unwrap();
        assert!(listing.damaged.is_empty());
        let mut titles: Vec<&str> = listing.entries.iter().map(|entry| entry.card.title.as_str()).collect();
        titles.sort_unstable();
        assert_eq!(titles, ["Title a", "Title b"]);
        let names = vault.tag_names().unwrap();
        assert!(listing.entries.iter().all(|e| e.facts.tags.iter().map(|tag| &names[tag]).eq(["work"])));
        let entry = vault.entry(&hex(&ids[1])[..8]).unwrap();
        let body = vault.body(&entry).unwrap();
        assert_eq!(body.conversation.text, "beta\n");
        assert_eq!(**body.originals[0], *b"B");
        assert!(matches!(vault.entry("zz"), Err(VaultError::NotFound(_))));
        assert!(matches!(vault.entry(""), Err(VaultError::Ambiguous { ids, .. }) if ids.len() == 2));
        assert_eq!(vault.check(|_| ()).unwrap().findings, []);
    }
}

#[test]
fn a_wrong_password_is_told_apart_from_nothing_else() {
    let bench = bench();
    bench.made(AnchorPlace::Embedded).close().unwrap();
    let error = bench.open("second").err().unwrap();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::WrongPassword, "wrong password"));
    // A damaged slot says so whatever the password is.
    let mut store = crate::store::Store::open(Lock::take(&bench.path).unwrap()).unwrap();
    let mut slot = store.get(Table::Slot, 1).unwrap().unwrap();
    slot[100] ^= 1;
    let mut transaction = store.begin().unwrap();
    transaction.delete(Table::Slot, 1..2).unwrap();
    transaction.insert(Table::Slot, 1, &slot).unwrap();
    transaction.commit().unwrap();
    store.close().unwrap();
    for text in ["first", "second"] {
        assert_eq!(bench.open(text).err().unwrap().to_string(), "the vault file is damaged: slot");
    }
}

#[test]
fn a_hostile_cost_is_refused_before_a_password_is_tried() {
    let bench = bench();
    bench.made(AnchorPlace::Embedded).close().unwrap();
    let mut store = crate::store::Store::open(Lock::take(&bench.path).unwrap()).unwrap();
    let mut slot = store.get(Table::Slot, 1).unwrap().unwrap();
    // Memory in KiB, after version, id and kind: 4 TiB.
    slot[18..22].copy_from_slice(&u32::MAX.to_be_bytes());
    let mut transaction = store.begin().unwrap();
    transaction.delete(Table::Slot, 1..2).unwrap();
    transaction.insert(Table::Slot, 1, &slot).unwrap();
    transaction.commit().unwrap();
    store.close().unwrap();
    let error = bench.open("first").err().unwrap();
    assert!(matches!(error, VaultError::Cost(_)), "{error}");
}

#[test]
fn no_plaintext_is_in_any_file() {
    let bench = bench();
    let mut vault = bench.made(AnchorPlace::File(bench.anchor.clone()));
    let mut canary = conversation("CANARY-native", "CANARY-text");
    canary.title = Some("CANARY-title".to_owned());
    canary.participant(Author::User, None, Some("CANARY-name"));
    canary
        .attachments
        .push(crate::conversation::Attachment { name: Some("CANARY-file".to_owned()), ..Default::default() });
    store(&mut vault, &[(canary, b"CANARY-original")], &["CANARY-tag".to_owned()]);
    vault.close().unwrap();
    for (path, bytes) in bench.files() {
        assert!(!bytes.windows(6).any(|window| window == b"CANARY"), "{}", path.display());
    }
}

#[test]
fn an_update_supersedes_and_takes_the_old_content_away() {
    let bench = bench();
    let mut vault = bench.made(AnchorPlace::Embedded);
    let ids = store_two(&mut vault);
    let old = vault.entry(&hex(&ids[0])).unwrap();
    let (sealer, mut writer) = vault.session(NOW).unwrap();
    let mut thread = sealer.thread();
    let open = thread.begin().unwrap();
    let origin = Origin { conversation: ids[0], source: "chatgpt", tags: vec![], unknown: 0, imported: None, month: 0 };
    let sealed = thread.finish(&open, &conversation("a", "alpha two"), &[(b"A2", [8; 32])], origin).unwrap();
    writer.replace(&old, &sealed).unwrap();
    drop(thread);
    writer.finish(sealer, "import", vec![("updated", 1)]).unwrap();
    let new = vault.entry(&hex(&ids[0])).unwrap();
    assert_ne!(new.leaf, old.leaf);
    assert_eq!(vault.body(&new).unwrap().conversation.text, "alpha two\n");
    assert_eq!(vault.listing().unwrap().entries.len(), 2);
    for table in [Table::Body, Table::Card, Table::ReadShare] {
        assert_eq!(vault.store.get(table, old.leaf).unwrap(), None);
    }
    assert_eq!(vault.store.ids(Table::Superseded).unwrap(), [old.leaf]);
    assert_eq!(vault.check(|_| ()).unwrap().findings, []);
}

#[test]
fn an_import_that_is_dropped_leaves_nothing() {
    let bench = bench();
    let mut vault = bench.made(AnchorPlace::Embedded);
    {
        let (sealer, mut writer) = vault.session(NOW).unwrap();
        let mut thread = sealer.thread();
        let open = thread.begin().unwrap();
        let origin =
            Origin { conversation: [1; 16], source: "chatgpt", tags: vec![], unknown: 0, imported: None, month: 0 };
        let sealed = thread.finish(&open, &conversation("a", "alpha"), &[(b"A", [7; 32])], origin).unwrap();
        writer.put(&sealed).unwrap();
    }
    assert!(vault.listing().unwrap().entries.is_empty());
    assert_eq!(vault.check(|_| ()).unwrap().findings, []);
}

#[test]
fn tags_change_facts_and_leave_content_alone() {
    let bench = bench();
    let mut vault = bench.made(AnchorPlace::File(bench.anchor.clone()));
    let ids = store_two(&mut vault);
    let entry = vault.entry(&hex(&ids[0])).unwrap();
    let body = vault.store.get(Table::Body, entry.leaf).unwrap();
    let changed = vault.tag(std::slice::from_ref(&entry), &["home".to_owned()], &["work".to_owned()], NOW).unwrap();
    assert_eq!(changed, 1);
    let after = vault.entry(&hex(&ids[0])).unwrap();
    let names = vault.tag_names().unwrap();
    assert_eq!(after.facts.tags.iter().map(|tag| names[tag].as_str()).collect::<Vec<_>>(), ["home"]);
    assert_eq!((after.leaf, vault.store.get(Table::Body, entry.leaf).unwrap()), (entry.leaf, body));
    assert_eq!(vault.tag(&[after], &["home".to_owned()], &[], NOW).unwrap(), 0);
    assert!(matches!(vault.tag(&[], &["two words".to_owned()], &[], NOW), Err(VaultError::TagName(_))));
    assert_eq!(vault.check(|_| ()).unwrap().findings, []);
}

#[test]
fn a_password_change_rewraps_everything_and_touches_no_content() {
    for anchored in [false, true] {
        let bench = bench();
        let place = if anchored { AnchorPlace::File(bench.anchor.clone()) } else { AnchorPlace::Embedded };
        let (mut vault, code) = bench.create(place, true);
        let ids = store_two(&mut vault);
        let before: Vec<_> = [Table::Body, Table::Card].map(|table| vault.store.all(table).unwrap()).into();
        let shares = vault.store.all(Table::ReadShare).unwrap();
        let generation = vault.generation();
        let done = vault.change_password(&password("second"), KdfCost::FLOOR, NOW).unwrap();
        assert_eq!(done, Rewrapped { segments: 2, credentials: 2 });
        assert_eq!(vault.generation(), generation + 1);
        let after: Vec<_> = [Table::Body, Table::Card].map(|table| vault.store.all(table).unwrap()).into();
        assert_eq!(before, after);
        let old: Vec<Vec<u8>> = shares.into_iter().map(|(_, share)| share).collect();
        assert!(vault.store.all(Table::ReadShare).unwrap().iter().all(|(_, share)| !old.contains(share)));
        assert_eq!(vault.check(|_| ()).unwrap().findings, []);
        vault.close().unwrap();
        assert!(matches!(bench.open("first"), Err(VaultError::WrongPassword)));
        // The recovery code was given the new keys without being typed.
        let shown = code.unwrap().show();
        let mut vault = bench.open(&shown).unwrap();
        assert_eq!(vault.body(&vault.entry(&hex(&ids[0])).unwrap()).unwrap().conversation.text, "alpha\n");
        // Through it, a forgotten password is replaced.
        vault.change_password(&password("third"), KdfCost::FLOOR, NOW).unwrap();
        vault.close().unwrap();
        assert!(matches!(bench.open("second"), Err(VaultError::WrongPassword)));
        let vault = bench.open("third").unwrap();
        assert_eq!(vault.listing().unwrap().entries.len(), 2);
        assert_eq!(vault.check(|_| ()).unwrap().findings, []);
        vault.close().unwrap();
        assert!(bench.open(&shown).is_ok());
    }
}

#[test]
fn an_older_vault_file_beside_a_newer_anchor_changes_nothing_on_disk() {
    let bench = bench();
    let mut vault = bench.made(AnchorPlace::File(bench.anchor.clone()));
    store_two(&mut vault);
    vault.close().unwrap();
    let old = std::fs::read(&bench.path).unwrap();
    let mut vault = bench.open("first").unwrap();
    vault.change_password(&password("second"), KdfCost::FLOOR, NOW).unwrap();
    vault.close().unwrap();
    std::fs::write(&bench.path, old).unwrap();
    let before = bench.files();
    for text in ["first", "second"] {
        let error = bench.open(text).err().unwrap();
        if text == "first" {
            assert!(matches!(&error, VaultError::Anchor(crate::anchor::AnchorError::OlderCopy(_))), "{error}");
        }
        assert!(bench.files() == before, "{text}");
    }
}

#[test]
fn an_older_copy_with_its_embedded_anchor_still_opens_and_that_is_class_e1() {
    let bench = bench();
    let mut vault = bench.made(AnchorPlace::Embedded);
    store_two(&mut vault);
    assert_eq!(vault.class(), Class::E1);
    vault.close().unwrap();
    let old = std::fs::read(&bench.path).unwrap();
    let mut vault = bench.open("first").unwrap();
    vault.change_password(&password("second"), KdfCost::FLOOR, NOW).unwrap();
    vault.close().unwrap();
    std::fs::write(&bench.path, old).unwrap();
    assert_eq!(bench.open("first").unwrap().listing().unwrap().entries.len(), 2);
}

/// Each state that a crash in a rotation can leave, from copies taken between its steps.
#[test]
fn a_rotation_that_stopped_anywhere_is_settled_on_the_next_open() {
    let bench = bench();
    let mut vault = bench.made(AnchorPlace::File(bench.anchor.clone()));
    store_two(&mut vault);
    vault.close().unwrap();
    let (old_vault, old_anchor) = (std::fs::read(&bench.path).unwrap(), std::fs::read(&bench.anchor).unwrap());
    let mut vault = bench.open("first").unwrap();
    vault.change_password(&password("second"), KdfCost::FLOOR, NOW).unwrap();
    vault.close().unwrap();
    let (new_vault, new_anchor) = (std::fs::read(&bench.path).unwrap(), std::fs::read(&bench.anchor).unwrap());
    // Both anchors at once, as between steps 2 and 4.
    let both = [&old_anchor[..4096], &new_anchor[4096..]].concat();
    assert!(both[4096..].iter().any(|byte| *byte != 0) && both[..8] == *b"cvanchor");
    let hashes = |bytes: &[u8]| -> [u8; 32] { bytes[66..98].try_into().unwrap() };
    let intent = |vault: &Path| {
        let mut store = crate::store::Store::open(Lock::take(vault).unwrap()).unwrap();
        let mut row = vec![1, 1];
        row.extend_from_slice(&1_u64.to_be_bytes());
        row.extend_from_slice(&2_u64.to_be_bytes());
        row.extend_from_slice(&hashes(&both[..4096]));
        row.extend_from_slice(&hashes(&both[4096..]));
        row.extend_from_slice(&[0; 4]);
        let mut transaction = store.begin().unwrap();
        transaction.insert(Table::Intent, 1, &row).unwrap();
        transaction.commit().unwrap();
        store.close().unwrap();
    };
    let mut torn = both.clone();
    torn[4200] ^= 1;
    torn[4300] ^= 1;
    let before_commit = [("nothing staged", old_anchor.clone()), ("torn", torn), ("staged", both.clone())];
    for (name, anchor) in before_commit {
        std::fs::write(&bench.path, &old_vault).unwrap();
        std::fs::write(&bench.anchor, &anchor).unwrap();
        intent(&bench.path);
        let vault = bench.open("first").unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(vault.listing().unwrap().entries.len(), 2, "{name}");
        assert_eq!(vault.store.count(Table::Intent).unwrap(), 0, "{name}");
        vault.close().unwrap();
        assert_eq!(std::fs::read(&bench.anchor).unwrap(), old_anchor, "{name}");
    }
    for (name, anchor) in [("committed", both.clone()), ("old anchor gone", new_anchor.clone())] {
        std::fs::write(&bench.path, &new_vault).unwrap();
        std::fs::write(&bench.anchor, &anchor).unwrap();
        intent(&bench.path);
        for _ in 0..2 {
            let vault = bench.open("second").unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(vault.listing().unwrap().entries.len(), 2, "{name}");
            vault.close().unwrap();
            assert_eq!(std::fs::read(&bench.anchor).unwrap(), new_anchor, "{name}");
        }
    }
}

#[test]
fn a_recovery_code_is_checked_without_opening_anything() {
    let bench = bench();
    let (vault, code) = bench.create(AnchorPlace::Embedded, true);
    vault.close().unwrap();
    let unopened = Unopened::open(Lock::take(&bench.path).unwrap()).unwrap();
    assert_eq!(unopened.credentials().len(), 2);
    assert!(unopened.accepts_recovery(&password(&code.unwrap().show())).unwrap());
    assert!(!unopened.accepts_recovery(&password("0000-0000-0000-0000-0000-0000-0000")).unwrap());
    assert!(!unopened.accepts_recovery(&password("first")).unwrap());
}

/// Edits a closed vault behind the program's back.
fn edit(bench: &Bench, change: impl FnOnce(&mut crate::store::Transaction<'_>)) {
    let mut store = crate::store::Store::open(Lock::take(&bench.path).unwrap()).unwrap();
    let mut transaction = store.begin().unwrap();
    change(&mut transaction);
    transaction.commit().unwrap();
    store.close().unwrap();
}

#[test]
fn rows_that_are_swapped_dropped_or_rolled_back_are_found_and_the_rest_is_read() {
    let bench = bench();
    let mut vault = bench.made(AnchorPlace::Embedded);
    store_two(&mut vault);
    let facts_before = vault.store.all(Table::Facts).unwrap();
    let entry = vault.listing().unwrap().entries.into_iter().find(|entry| entry.leaf == 0).unwrap();
    vault.tag(&[entry], &["later".to_owned()], &[], NOW).unwrap();
    vault.close().unwrap();
    let whole = std::fs::read(&bench.path).unwrap();
    let swap = |table: Table| {
        move |t: &mut crate::store::Transaction<'_>| {
            let rows = t.store().all(table).unwrap();
            t.delete(table, 0..1 << 40).unwrap();
            for ((id, _), (_, bytes)) in rows.iter().zip(rows.iter().rev()) {
                t.insert(table, *id, bytes).unwrap();
            }
        }
    };
    let drop_row = |table: Table, id: u64| {
        move |t: &mut crate::store::Transaction<'_>| {
            assert_eq!(t.delete(table, id..id + 1).unwrap(), 1);
        }
    };
    type Edit = Box<dyn Fn(&mut crate::store::Transaction<'_>)>;
    let edits: Vec<(&str, usize, Edit)> = vec![
        ("cards swapped", 0, Box::new(swap(Table::Card))),
        ("segments swapped", 0, Box::new(swap(Table::Segment))),
        ("shares swapped", 0, Box::new(swap(Table::ReadShare))),
        ("card gone", 1, Box::new(drop_row(Table::Card, 1))),
        ("facts gone", 1, Box::new(drop_row(Table::Facts, 1 << 20 | 1))),
        (
            "facts rolled back",
            1,
            Box::new(move |t| {
                t.delete(Table::Facts, 0..1 << 20).unwrap();
                t.insert(Table::Facts, facts_before[0].0, &facts_before[0].1).unwrap();
            }),
        ),
    ];
    for (name, readable, change) in edits {
        std::fs::write(&bench.path, &whole).unwrap();
        edit(&bench, |transaction| change(transaction));
        let vault = bench.open("first").unwrap();
        let listing = vault.listing().unwrap();
        assert_eq!((listing.entries.len(), listing.damaged.len()), (readable, 2 - readable), "{name}");
        assert!(!vault.check(|_| ()).unwrap().findings.is_empty(), "{name}");
    }
    // A whole segment taken out, a body dropped, a log entry gone: the list may not see it, the check must.
    for (name, table, id) in [
        ("body", Table::Body, 0),
        ("sketch", Table::Sketch, 0),
        ("log", Table::Log, 2),
        ("transition", Table::Transition, 2),
        ("tag", Table::Policy, 1),
    ] {
        std::fs::write(&bench.path, &whole).unwrap();
        edit(&bench, drop_row(table, id));
        let findings = bench.open("first").unwrap().check(|_| ()).unwrap().findings;
        assert!(!findings.is_empty(), "{name}");
    }
    std::fs::write(&bench.path, &whole).unwrap();
    edit(&bench, |t| {
        for table in [Table::Segment, Table::Card, Table::Body, Table::Sketch, Table::ReadShare] {
            t.delete(table, 0..1).unwrap();
        }
        t.delete(Table::Facts, 0..1 << 20).unwrap();
    });
    let findings = bench.open("first").unwrap().check(|_| ()).unwrap().findings;
    assert_eq!(findings, [Finding { what: "segment 0 is in the live tree and its rows are gone".to_owned() }]);
}

#[test]
fn every_flipped_byte_of_the_heads_is_refused() {
    let bench = bench();
    bench.made(AnchorPlace::Embedded).close().unwrap();
    let whole = std::fs::read(&bench.path).unwrap();
    for table in [Table::Header, Table::StaticHead, Table::StateHead, Table::Slot, Table::Frontier] {
        let store = crate::store::Store::open(Lock::take(&bench.path).unwrap()).unwrap();
        let (id, bytes) = store.all(table).unwrap().remove(0);
        store.close().unwrap();
        // Every seventh byte: the records have up to a few thousand.
        for at in (0..bytes.len()).step_by(if bytes.len() > 2000 { 97 } else { 7 }) {
            std::fs::write(&bench.path, &whole).unwrap();
            let mut changed = bytes.clone();
            changed[at] ^= 0x41;
            edit(&bench, |t| {
                t.delete(table, id..id + 1).unwrap();
                t.insert(table, id, &changed).unwrap();
            });
            let refused = Unopened::open(Lock::take(&bench.path).unwrap()).err();
            assert!(matches!(refused, Some(VaultError::Damaged(_) | VaultError::Cost(_))), "{table:?} byte {at}");
        }
    }
}

#[test]
fn a_keyring_copy_that_cannot_be_renewed_is_said_and_loses_nothing() {
    let bench = bench();
    let mut vault = bench.made(AnchorPlace::File(bench.anchor.clone()));
    let in_the_way = |index: u8| PathBuf::from(format!("{}.keyring{index}", bench.anchor.display()));
    let copies = [0, 1].map(|index| std::fs::read(in_the_way(index)).ok());
    for index in [0, 1] {
        let _ = std::fs::remove_file(in_the_way(index));
        std::fs::create_dir(in_the_way(index)).unwrap();
    }
    let (sealer, mut writer) = vault.session(NOW).unwrap();
    let mut thread = sealer.thread();
    let open = thread.begin().unwrap();
    let origin =
        Origin { conversation: [1; 16], source: "chatgpt", tags: vec![], unknown: 0, imported: None, month: 0 };
    writer.put(&thread.finish(&open, &conversation("a", "alpha"), &[(b"A", [7; 32])], origin).unwrap()).unwrap();
    drop(thread);
    let error = writer.finish(sealer, "import", vec![]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Partial, "{error}");
    vault.close().unwrap();
    for (index, copy) in (0..).zip(copies) {
        std::fs::remove_dir(in_the_way(index)).unwrap();
        if let Some(copy) = copy {
            std::fs::write(in_the_way(index), copy).unwrap();
        }
    }
    let vault = bench.open("first").unwrap();
    assert_eq!(vault.listing().unwrap().entries.len(), 1);
    assert_eq!(vault.check(|_| ()).unwrap().findings, []);
}

#[test]
fn the_old_slot_and_the_old_password_open_nothing_stored_after_a_change() {
    let bench = bench();
    let mut vault = bench.made(AnchorPlace::Embedded);
    let old_slot = vault.store.get(Table::Slot, 1).unwrap().unwrap();
    vault.change_password(&password("second"), KdfCost::FLOOR, NOW).unwrap();
    store_two(&mut vault);
    vault.close().unwrap();
    let whole = std::fs::read(&bench.path).unwrap();
    // Beside the new slot, and in its place.
    for replace in [false, true] {
        std::fs::write(&bench.path, &whole).unwrap();
        edit(&bench, |t| {
            if replace {
                t.delete(Table::Slot, 0..1000).unwrap();
            }
            t.insert(Table::Slot, 900, &old_slot).unwrap();
        });
        let error = bench.open("first").err().unwrap();
        assert!(
            matches!(error, VaultError::WrongPassword | VaultError::Damaged(_) | VaultError::Refused(_)),
            "{error}"
        );
    }
    // The retired credential's own keys open no bundle of today's.
    let slot = credential::Slot::decode(&old_slot).unwrap();
    std::fs::write(&bench.path, &whole).unwrap();
    let vault = bench.open("second").unwrap();
    for other in &vault.static_head.credentials {
        let again = slot.open(&password("first"), vault.id()).unwrap().0;
        assert!(credential::open_bundle::<Owner>(again, other, vault.id(), 2).is_err());
    }
}

/// Whoever can write the file signs all of it anew, under keys of their own.
#[test]
fn another_owner_is_refused_before_anything_is_sealed_to_them() {
    let bench = bench();
    let vault = bench.made(AnchorPlace::File(bench.anchor.clone()));
    let (mut head, mut state, id) = (vault.static_head.clone(), vault.state.clone(), vault.id());
    vault.close().unwrap();
    let thief = Owner::generate(id);
    let thiefs_password = password("thief");
    let kind = CredentialKind::Password;
    let proof = credential::Proof { kind, secret: &thiefs_password, cost: KdfCost::FLOOR };
    let (theirs, own, slot) = credential::issue(&thief, Role::Owner, "password", &proof, NOW).unwrap();
    head.owner = thief.keys.signer.public();
    head.version += 1;
    head.read_key = thief.read.secret.public();
    for victim in &mut head.credentials {
        victim.certify(&id, &thief.keys.signer);
        victim.bundle = credential::seal_bundle(&thief, victim, "password").unwrap();
    }
    let thiefs_id = theirs.id;
    head.credentials.push(theirs);
    let head_bytes = head.sign(&thief.keys.signer);
    state.static_hash = crate::crypto::hash::sha256(&[&head_bytes]);
    edit(&bench, |t| {
        t.delete(Table::StaticHead, 0..100).unwrap();
        t.insert(Table::StaticHead, head.version, &head_bytes).unwrap();
        t.delete(Table::StateHead, 0..100).unwrap();
        t.insert(Table::StateHead, 50, &state.sign(thiefs_id, Role::Owner, &own.signer)).unwrap();
        t.insert(Table::Slot, 2, &slot).unwrap();
    });
    // Every signature in the file holds; the password knows better.
    assert!(Unopened::open(Lock::take(&bench.path).unwrap()).is_ok());
    assert_eq!(bench.open("first").err().unwrap().to_string(), "the vault file is damaged: owner key");
}

#[test]
fn a_row_that_is_gone_is_reported_and_its_keys_are_kept() {
    let bench = bench();
    let mut vault = bench.made(AnchorPlace::Embedded);
    let ids = store_two(&mut vault);
    vault.close().unwrap();
    let whole = std::fs::read(&bench.path).unwrap();
    edit(&bench, |t| assert_eq!(t.delete(Table::Segment, 0..1).unwrap(), 1));
    let mut vault = bench.open("first").unwrap();
    let listing = vault.listing().unwrap();
    assert_eq!(listing.damaged, [Damage::Segment(0, "rows, which are gone")]);
    assert!(matches!(
        vault.change_password(&password("second"), KdfCost::FLOOR, NOW),
        Err(VaultError::Damaged(Damage::Segment(0, _)))
    ));
    vault.close().unwrap();
    // A damaged read share is damage, not an unknown id.
    std::fs::write(&bench.path, whole).unwrap();
    edit(&bench, |t| {
        let mut share = t.store().get(Table::ReadShare, 0).unwrap().unwrap();
        share[100] ^= 1;
        t.delete(Table::ReadShare, 0..1).unwrap();
        t.insert(Table::ReadShare, 0, &share).unwrap();
    });
    let vault = bench.open("first").unwrap();
    assert_eq!(vault.entry(&hex(&ids[0])).err().unwrap().kind(), ErrorKind::Damaged);
}

#[test]
fn slots_that_stand_twice_and_rows_too_long_are_refused() {
    let bench = bench();
    bench.made(AnchorPlace::Embedded).close().unwrap();
    let whole = std::fs::read(&bench.path).unwrap();
    edit(&bench, |t| {
        let slot = t.store().get(Table::Slot, 1).unwrap().unwrap();
        t.insert(Table::Slot, 2, &slot).unwrap();
    });
    assert_eq!(bench.open("first").err().unwrap().to_string(), "the vault file is damaged: slot");
    for (table, length) in [(Table::Header, 2 << 20), (Table::Slot, 5000), (Table::StaticHead, 2 << 20)] {
        std::fs::write(&bench.path, &whole).unwrap();
        edit(&bench, |t| t.insert(table, 77, &vec![0; length]).unwrap());
        assert!(matches!(bench.open("first"), Err(VaultError::Damaged(_))), "{table:?}");
    }
}

#[test]
fn two_names_of_one_vault_have_one_lock_and_one_journal() {
    let bench = bench();
    bench.made(AnchorPlace::Embedded).close().unwrap();
    let link = bench.path.with_file_name("link.db");
    std::os::unix::fs::symlink(&bench.path, &link).unwrap();
    let held = Lock::take(&bench.path).unwrap();
    assert!(matches!(Lock::take(&link), Err(StoreError::Busy)));
    drop(held);
    let unopened = Unopened::open(Lock::take(&link).unwrap()).unwrap();
    let mut vault = unopened.unlock(&password("first"), None).unwrap();
    vault.change_password(&password("second"), KdfCost::FLOOR, NOW).unwrap();
    vault.close().unwrap();
    let journal = std::fs::read(format!("{}-journal", bench.path.display())).unwrap();
    assert!(!journal.is_empty() && journal.iter().all(|byte| *byte == 0));
}

#[test]
fn an_anchor_that_moved_to_a_weaker_place_lowers_the_class() {
    let bench = bench();
    let mut vault = bench.made(AnchorPlace::File(bench.anchor.clone()));
    store_two(&mut vault);
    if vault.class() == Class::E2 {
        // As if the place had been judged stronger at first.
        vault.state.classes = vec![(0, Class::E3)];
        vault.change_password(&password("second"), KdfCost::FLOOR, NOW).unwrap();
        // All of it is under the anchor at the weaker place now, whatever it was under before.
        assert_eq!(vault.state.classes, [(0, Class::E2)]);
    }
}

#[test]
fn a_vault_that_cannot_be_made_leaves_no_file() {
    let bench = bench();
    std::fs::write(&bench.anchor, b"in the way").unwrap();
    let password = password("first");
    let anchor = AnchorPlace::File(bench.anchor.clone());
    let new = NewVault { password: &password, cost: KdfCost::FLOOR, anchor, recovery: false, now: NOW };
    assert!(Vault::create(Lock::take(&bench.path).unwrap(), &new).is_err());
    assert_eq!(bench.files(), [(bench.anchor.clone(), b"in the way".to_vec())]);
    let weak = KdfCost { memory_kib: 19456, passes: 2, lanes: 1 };
    let new = NewVault { cost: weak, anchor: AnchorPlace::Embedded, ..new };
    assert!(matches!(Vault::create(Lock::take(&bench.path).unwrap(), &new), Err(VaultError::Cost(_))));
}
