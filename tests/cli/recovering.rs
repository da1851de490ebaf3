//! `backup` and `recover`: an older copy, today's anchor and the keyring copy beside it give back what still lives.

use std::fs;

use serde_json::{Value, json};

use crate::home::{Home, SAMPLE, mode};
#[cfg(target_os = "linux")]
use crate::killed::Kept;

/// A vault with the sample whose anchor is in a file.
fn with_anchor() -> Home {
    let home = Home::new();
    let anchor = format!("file:{}", home.path("anchor").display());
    home.run(["init", "--unlock-cost", "minimum", "--anchor", &anchor]).expect(0);
    home.run(["import", SAMPLE, "--tag", "boat"]).expect(0);
    home
}

fn back_up(home: &Home, name: &str) -> String {
    let to = home.path("out").join(name).to_str().expect("text").to_owned();
    // Without a password: a timer can do it.
    home.finish(home.bare(["backup", &to])).expect(0);
    to
}

fn change_password(home: &Home, to: &str) {
    let new = home.secret("new", to);
    home.run(["credential", "passwd", "--unlock-cost", "minimum", "--new-password-file", &new]).expect(0);
    home.secret("password", to);
}

/// The vault file is lost.
fn lose(home: &Home) {
    for name in ["vault.db", "vault.db-journal", "vault.db.lock"] {
        let _ = fs::remove_file(home.vault().with_file_name(name));
    }
}

fn titles(home: &Home) -> Vec<Value> {
    let (_, list) = home.json(&["list"]);
    list["conversations"].as_array().expect("a list").iter().map(|one| one["title"].clone()).collect()
}

#[test]
fn a_copy_is_made_without_a_password_and_says_what_it_opens() {
    for is_file in [false, true] {
        let home = if is_file { with_anchor() } else { Home::with_sample() };
        let to = home.path("out/copy.db");
        let run = home.finish(home.bare(["backup", "../out/copy.db"])).expect(0);
        let text = home.masked(&run.text());
        assert!(text.contains("and read it back"), "{text}");
        let opens = if is_file { "opens nothing by itself" } else { "opens with the password alone" };
        assert!(text.contains(opens), "{text}");
        assert_eq!((fs::read(&to).expect("read"), mode(&to)), (fs::read(home.vault()).expect("read"), 0o600));
        home.run(["backup", "../out/copy.db"]).refused(1, "error: TEST/in/../out/copy.db exists already\nhint: a backup replaces nothing: name a file that does not exist, or a folder\n");
        let (_, document) = home.json(&["backup", "../out"]);
        let named = document["backup"].as_str().expect("a path");
        assert!(named.contains("/out/vault-20") && named.ends_with("Z.db"), "{named}");
        assert_eq!(document["class"], if is_file { "E2" } else { "E1" });
        assert!(home.path("out").read_dir().expect("readable").count() == 2, "nothing else is left");
    }
}

#[test]
fn what_still_lives_comes_back_under_todays_password_and_the_rest_is_named() {
    let home = with_anchor();
    let copy = back_up(&home, "old.db");
    let before = fs::read(&copy).expect("read");
    let bread = home.id("Bread for the supply boat");
    home.run(["erase", "title:bread", "--yes"]).expect(0);
    change_password(&home, "second");
    change_password(&home, "third");
    home.run(["tag", "title:cat", "--add", "later"]).expect(0);
    let text = fs::read_to_string(SAMPLE).expect("the sample");
    let input = home.input("new.json", text.replace("\"id\": \"", "\"id\": \"x").replace("_id\": \"", "_id\": \"x"));
    home.run(["import", &input]).expect(0);
    let came = home.json(&["list"]).1["total"].as_u64().expect("a number") - 3;
    assert!(came > 0);
    let receipt = home.vault().with_extension("db.receipts").join("000001.json");
    let receipt = receipt.to_str().expect("text").to_owned();
    lose(&home);

    home.run(["recover", &copy]).refused(
        12,
        "error: wrong password\nhint: when the password was changed after this copy was made, name the anchor: --anchor-file PATH\n",
    );
    let anchor = home.path("anchor").to_str().expect("text").to_owned();
    let (code, document) = home.json(&["recover", &copy, "--anchor-file", &anchor]);
    assert_eq!(code, 3, "{document}");
    assert_eq!((&document["conversations"], &document["missing"]), (&json!(3), &json!(came)));
    assert_eq!(document["destroyed"], json!({ "segments": 1, "conversations": [bread] }));
    assert_eq!(fs::read(&copy).expect("read"), before, "the older copy is only read");
    assert!(!home.files().iter().any(|path| path.to_string_lossy().contains("recovering")), "nothing is left beside");
    assert_eq!(mode(&home.vault()), 0o600);

    assert_eq!(titles(&home).len(), 3);
    assert!(!titles(&home).contains(&json!("Bread for the supply boat")));
    assert_eq!(home.json(&["list", "tag:boat"]).1["total"], 3);
    assert_eq!(home.json(&["search", "lighthouse"]).0, 0, "content opens");
    let (code, checked) = home.json(&["check"]);
    assert_eq!((code, &checked["damage"]), (0, &json!([])));
    assert_eq!(checked["log_gaps"].as_array().expect("a list").len(), 1);
    // The receipt is there again, and what it destroyed is destroyed here too.
    assert_eq!(home.json(&["receipt", "list"]).1["receipts"][0]["sequence"], 1);
    let vault = home.vault().to_str().expect("text").to_owned();
    let (code, document) =
        home.json(&["--vault", &vault, "receipt", "verify", &receipt, "--old-copy", &copy, "--anchor-file", &anchor]);
    let steps: Vec<_> = document["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .map(|step| step["result"].as_str().expect("text"))
        .collect();
    // The log of then is not in the copy, so nobody can compare it.
    assert_eq!((code, steps), (3, vec!["PASS", "PASS", "NOT RUN", "PASS"]), "{document}");
    assert_eq!(home.json(&["import", SAMPLE]).1["conversations"]["destroyed"], 1);

    // It goes on as any vault: another erasure, another receipt, another copy, another recovery.
    assert_eq!(home.json(&["erase", "title:cat", "--yes"]).0, 0);
    let second = back_up(&home, "second.db");
    change_password(&home, "fourth");
    lose(&home);
    let (code, document) = home.json(&["recover", &second, "--anchor-file", &anchor]);
    assert_eq!((code, &document["conversations"], &document["missing"]), (0, &json!(2), &json!(0)), "{document}");
    let (code, checked) = home.json(&["check"]);
    assert_eq!((code, checked["log_gaps"].as_array().expect("a list").len()), (0, 2), "{checked}");
    assert_eq!(home.json(&["receipt", "list"]).1["receipts"].as_array().expect("a list").len(), 2);
}

#[test]
fn a_later_copy_can_be_recovered_in_place_of_an_earlier_one() {
    let home = Home::new();
    let anchor = format!("file:{}", home.path("anchor").display());
    home.run(["init", "--unlock-cost", "minimum", "--anchor", &anchor]).expect(0);
    let early = back_up(&home, "early.db");
    home.run(["import", SAMPLE]).expect(0);
    let late = back_up(&home, "late.db");
    lose(&home);
    let (code, document) = home.json(&["recover", &early]);
    assert_eq!((code, &document["conversations"], &document["missing"]), (3, &json!(0), &json!(4)));
    // What is there is not replaced.
    let run = home.run(["recover", &late]);
    run.refused(
        1,
        "error: TEST/home/.local/share/convault/vault.db exists already\nhint: recover makes a new file: move this one away with its -journal, or name another with --vault PATH\n",
    );
    lose(&home);
    let (code, document) = home.json(&["recover", &late]);
    assert_eq!((code, &document["conversations"], &document["missing"]), (0, &json!(4), &json!(0)));
    assert_eq!(home.json(&["check"]).0, 0);
}

#[test]
fn nothing_is_made_where_the_three_files_do_not_belong_together() {
    let home = with_anchor();
    let copy = back_up(&home, "old.db");
    let anchor = home.path("anchor");
    let paths = [anchor.clone(), home.path("anchor.keyring0"), home.path("anchor.keyring1")];
    let early: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap_or_default()).collect();
    home.run(["erase", "title:bread", "--yes"]).expect(0);
    let late: Vec<_> = paths.iter().map(|path| fs::read(path).expect("read")).collect();
    let newer = back_up(&home, "newer.db");
    lose(&home);
    let put = |index: usize, bytes: &[u8]| fs::write(&paths[index], bytes).expect("written");
    let none = "error: there is no keyring copy of this vault beside the anchor\n";
    let other = "error: no keyring copy beside the anchor was sealed under it\n";
    // Yesterday's anchor beside today's copies of the keyring.
    put(0, &early[0]);
    home.run(["recover", &copy]).refused(1, other);
    // Today's anchor beside yesterday's.
    put(0, &late[0]);
    put(1, &early[1]);
    put(2, &early[2]);
    home.run(["recover", &copy]).refused(1, other);
    // A torn copy, and none at all.
    put(1, &late[1][..200]);
    put(2, &late[2][..200]);
    home.run(["recover", &copy]).refused(1, none);
    // A file from after all of this.
    for (index, bytes) in early.iter().enumerate() {
        put(index, bytes);
    }
    home.run(["recover", &newer]).refused(1, "error: this file is newer than the keyring copy beside the anchor\n");
    assert!(!home.vault().exists() && !home.vault().with_extension("db.recovering").exists());
    // Another vault's.
    let stranger = with_anchor();
    let foreign = stranger.path("anchor").to_str().expect("text").to_owned();
    let run = home.run(["recover", &copy, "--anchor-file", &foreign]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(1), none));
    // An embedded anchor needs no recovery.
    let embedded = Home::with_sample();
    let copy = back_up(&embedded, "copy.db");
    lose(&embedded);
    embedded.run(["recover", &copy]).refused(
        1,
        "error: TEST/out/copy.db has its anchor in itself and opens as it is\nhint: put a copy of it in the vault's place; --accept-rollback goes on from it\n",
    );
    for (index, bytes) in late.iter().enumerate() {
        put(index, bytes);
    }
    let old = home.path("out/old.db").to_str().expect("text").to_owned();
    assert_eq!(home.json(&["recover", &old]).1["conversations"], 3, "with what belongs together it works");
}

#[test]
#[cfg(target_os = "linux")]
fn of_two_anchors_that_a_killed_vault_left_one_stays_after_the_recovery() {
    let home = with_anchor();
    let copy = back_up(&home, "old.db");
    let kept = Kept::of(&home, true);
    let slots = || {
        let bytes = fs::read(home.path("anchor")).expect("an anchor");
        bytes.chunks(4096).filter(|slot| slot.iter().any(|byte| *byte != 0)).count()
    };
    let shim = crate::killed::built(&home, "kill.c");
    let mut met = std::collections::BTreeSet::new();
    for at in 1.. {
        lose(&home);
        kept.restore(&home);
        let mut command = home.command(["erase", "title:bread", "--yes"]);
        command.env("LD_PRELOAD", &shim).env("KILL_AT", at.to_string());
        if home.finish(command).code == Some(0) {
            break;
        }
        if slots() < 2 {
            continue;
        }
        // Before the transaction, or behind it: the vault file is lost, and the recovery goes forwards or backwards.
        lose(&home);
        let (code, document) = home.json(&["recover", &copy]);
        assert_eq!(code, 0, "at {at}: {document}");
        assert_eq!(slots(), 1, "at {at}");
        met.insert(document["conversations"].as_u64());
        assert_eq!(home.json(&["check"]).0, 0, "at {at}");
    }
    assert!(!met.is_empty() && met.iter().all(|count| matches!(count, Some(3 | 4))), "{met:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_copy_taken_in_the_middle_of_an_erasure_buries_nothing_twice() {
    let home = with_anchor();
    let kept = Kept::of(&home, true);
    let shim = crate::killed::built(&home, "kill.c");
    let middle = home.path("out/middle.db");
    let receipts = home.vault().with_extension("db.receipts");
    let (mut at, mut checked) = (2, 0);
    loop {
        lose(&home);
        kept.restore(&home);
        let mut command = home.command(["erase", "title:bread", "--yes"]);
        command.env("LD_PRELOAD", &shim).env("KILL_AT", at.to_string());
        if home.finish(command).code == Some(0) {
            break;
        }
        at += 5;
        fs::copy(home.vault(), &middle).expect("copied");
        home.run(["list"]).expect(0);
        let receipt = receipts.join("000001.json");
        if !receipt.exists() {
            continue;
        }
        lose(&home);
        // A copy in the middle of a transaction may be none at all.
        let (code, document) = home.json(&["recover", middle.to_str().expect("text")]);
        if !matches!(code, 0 | 3) {
            assert_eq!(code, 15, "{document}");
            continue;
        }
        let vault = home.vault().to_str().expect("text").to_owned();
        let run = home.run(["--vault", &vault, "receipt", "verify", receipt.to_str().expect("text")]);
        assert!(run.text().contains("PASS     vault"), "at {at}: {}", run.text());
        assert_eq!(home.json(&["check"]).0, 0, "at {at}");
        checked += 1;
    }
    assert!(checked > 3, "{checked}");
}

#[test]
fn damage_in_the_copy_costs_what_it_hit_and_is_named() {
    let home = with_anchor();
    let copy = back_up(&home, "old.db");
    let mut bytes = fs::read(&copy).expect("read");
    // Every sealed card begins with the marker; the salt of the first that is met is changed.
    let marker = b"\xc5cvseal\x01";
    let (_, list) = home.json(&["list"]);
    assert_eq!(list["total"], 4);
    let places: Vec<usize> = (0..bytes.len() - 8).filter(|at| bytes[*at..].starts_with(marker)).collect();
    let mut seen = 0;
    lose(&home);
    for at in places.iter().step_by(places.len() / 8) {
        bytes[at + 100] ^= 1;
        fs::write(&copy, &bytes).expect("written");
        bytes[at + 100] ^= 1;
        let run = home.run(["recover", &copy, "--json"]);
        if run.code == Some(0) || run.code == Some(3) {
            let document: Value = serde_json::from_slice(&run.stdout).expect("JSON");
            let damaged = document["damaged"].as_array().expect("a list").len() as u64;
            assert_eq!(document["conversations"].as_u64().expect("a number") + damaged, 4, "{document}");
            let (code, checked) = home.json(&["check"]);
            // What of the content was hit is found by the check.
            assert!(code == 0 || !checked["damage"].as_array().expect("a list").is_empty());
            seen += 1;
        } else {
            assert_eq!(run.code, Some(15), "{}", run.stderr);
            assert!(!home.vault().exists());
        }
        lose(&home);
    }
    assert!(seen > 0);
}

#[test]
fn nothing_that_is_there_is_written_over_or_removed() {
    let home = with_anchor();
    let copy = back_up(&home, "old.db");
    // A part that is somebody's, for a name that is free and for one that is not.
    fs::write(home.path("out/new.db.part"), b"somebody's").expect("written");
    fs::write(home.path("out/old.db.part"), b"somebody's").expect("written");
    for name in ["../out/new.db", "../out/old.db"] {
        let run = home.run(["backup", name]);
        assert!(run.code == Some(1) && run.stderr.contains("exists already"), "{}", run.stderr);
    }
    for name in ["out/new.db.part", "out/old.db.part"] {
        assert_eq!(fs::read(home.path(name)).expect("there"), b"somebody's");
    }
    // A vault whose name is that of a part.
    let odd = home.path("out/q.db.part");
    fs::copy(home.vault(), &odd).expect("copied");
    let before = fs::read(&odd).expect("read");
    let run = home.run(["--vault", odd.to_str().expect("text"), "backup", "../out/q.db"]);
    assert_eq!((run.code, fs::read(&odd).expect("there")), (Some(1), before));
    // A copy that has the name of a recovery's own file, with a password that does not open it.
    lose(&home);
    let only = home.vault().with_extension("db.recovering");
    fs::copy(&copy, &only).expect("copied");
    let kept = fs::read(&only).expect("read");
    home.secret("password", "wrong");
    let run = home.run([
        "recover",
        only.to_str().expect("text"),
        "--anchor-file",
        home.path("anchor").to_str().expect("text"),
    ]);
    assert!(run.code == Some(1) && run.stderr.contains("exists already"), "{}", run.stderr);
    assert_eq!(fs::read(&only).expect("there"), kept);
}

#[test]
fn a_journal_of_the_lost_vault_is_not_played_into_the_new_one() {
    let home = with_anchor();
    let copy = back_up(&home, "old.db");
    lose(&home);
    let journal = home.vault().with_extension("db-journal");
    fs::write(&journal, [0xd9; 4096]).expect("written");
    let run = home.run(["recover", &copy]);
    assert!(run.code == Some(1) && run.stderr.contains("vault.db-journal exists already"), "{}", run.stderr);
    assert!(!home.vault().exists() && !home.vault().with_extension("db.recovering").exists());
    fs::remove_file(&journal).expect("there");
    assert_eq!(home.json(&["recover", &copy]).0, 0);
}

#[test]
fn a_newer_anchor_than_the_keyring_copies_is_never_overwritten() {
    let home = with_anchor();
    let copy = back_up(&home, "old.db");
    let anchor = home.path("anchor");
    let before = fs::read(&anchor).expect("read");
    let old = fs::read(home.path("anchor.keyring0")).expect("read");
    home.run(["erase", "title:bread", "--yes"]).expect(0);
    lose(&home);
    // As after a crash behind the transaction, and the newest keyring copy is gone bad.
    let mut both = fs::read(&anchor).expect("read");
    let spare = if both[..4096].iter().all(|byte| *byte == 0) { 0..4096 } else { 4096..8192 };
    both[spare.clone()].copy_from_slice(&before[spare]);
    fs::write(&anchor, &both).expect("written");
    fs::write(home.path("anchor.keyring0"), old).expect("written");
    fs::write(home.path("anchor.keyring1"), b"bad").expect("written");
    let run = home.run(["recover", &copy]);
    assert!(run.code == Some(1) && run.stderr.contains("holds a newer anchor than any keyring copy"), "{}", run.stderr);
    assert_eq!(fs::read(&anchor).expect("read"), both);
}

#[test]
fn a_vault_recovered_where_a_later_state_was_seen_opens_without_a_word_of_older_copies() {
    let home = with_anchor();
    let copy = back_up(&home, "old.db");
    // Seen here at one moment; gone on elsewhere, where this machine did not see it.
    home.run(["tag", "title:cat", "--add", "one"]).expect(0);
    let state = home.path("home/.local/state");
    let kept = home.path("tmp/state");
    fs::rename(&state, &kept).expect("moved");
    home.run(["tag", "title:cat", "--add", "two"]).expect(0);
    fs::remove_dir_all(&state).expect("there");
    fs::rename(&kept, &state).expect("moved");
    lose(&home);
    let (code, document) = home.json(&["recover", &copy]);
    assert_eq!((code, &document["conversations"]), (0, &json!(4)), "{document}");
    assert_eq!(home.json(&["list"]).1["total"], 4);
}

#[test]
fn a_log_that_is_not_the_one_the_vault_signs_passes_nothing() {
    let home = Home::with_sample();
    home.run(["erase", "title:bread", "--yes"]).expect(0);
    home.run(["tag", "title:cat", "--add", "x"]).expect(0);
    let receipt = home.vault().with_extension("db.receipts").join("000001.json");
    let (receipt, vault) = (receipt.to_str().expect("text").to_owned(), home.vault());
    let verify = || {
        let run = home.run(["--vault", vault.to_str().expect("text"), "receipt", "verify", &receipt]);
        (run.code, run.text())
    };
    assert_eq!(verify().0, Some(0));
    // One byte of the last entry, behind all that the receipt speaks of. Its row ends with a signature.
    let whole = fs::read(&vault).expect("read");
    let (_, log) = home.json(&["check"]);
    assert_eq!(log["damage"], json!([]));
    let mut found = false;
    for page in (0..whole.len() / 4096).rev() {
        let mut bytes = whole.clone();
        // The end of a page of small rows is where the first of them were put; flip there and see whether it was the log.
        for at in [page * 4096 + 4000, page * 4096 + 3000, page * 4096 + 2000] {
            bytes[at] ^= 1;
        }
        fs::write(&vault, &bytes).expect("written");
        let (code, text) = verify();
        if text.contains("the log of the vault as it is does not go on") {
            assert_eq!(code, Some(15));
            found = true;
        }
    }
    fs::write(&vault, &whole).expect("written");
    assert!(found, "no page of the log was hit");
    assert_eq!(verify().0, Some(0));
}
