//! An anchor in several files: every change reaches all of them, and one out of reach is not passed over in silence.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::home::{Home, SAMPLE};

const LINE: &str =
    "an old anchor out of reach: a replica that was dropped, or a place that may keep what is overwritten";

/// A vault with the sample, and its anchor in two files: `anchor`, and `stick/second`.
fn with_two() -> Home {
    let home = Home::new();
    let anchor = format!("file:{}", home.path("anchor").display());
    home.run(["init", "--unlock-cost", "minimum", "--anchor", &anchor]).expect(0);
    fs::create_dir(home.path("stick")).expect("a folder");
    home.run(["import", SAMPLE]).expect(0);
    home.run(["anchor", "replicate", &second(&home)]).expect(0);
    home
}

fn second(home: &Home) -> String {
    format!("file:{}", home.path("stick/second").display())
}

/// The stick is pulled, or put back.
fn move_stick(home: &Home, from: &str, to: &str) {
    fs::rename(home.path(from), home.path(to)).expect("moved");
}

/// The one anchor in a file, which must hold one and no more.
fn held(path: PathBuf) -> Vec<u8> {
    let bytes = fs::read(path).expect("read");
    let (one, other) = bytes.split_at(4096);
    let slots: Vec<&[u8]> = [one, other].into_iter().filter(|slot| slot.iter().any(|byte| *byte != 0)).collect();
    assert_eq!(slots.len(), 1, "one slot is in use");
    slots[0].to_vec()
}

fn held_by_both(home: &Home) -> Vec<u8> {
    let (one, other) = (held(home.path("anchor")), held(home.path("stick/second")));
    assert!(one == other, "both files hold the same anchor");
    one
}

fn results(document: &Value) -> Vec<&str> {
    document["checks"].as_array().expect("checks").iter().map(|one| one["result"].as_str().expect("text")).collect()
}

#[test]
fn every_change_of_keys_reaches_every_file_and_any_of_them_opens_the_vault() {
    let home = with_two();
    let first = held_by_both(&home);
    let (code, document) = home.json(&["erase", "title:bread", "--yes"]);
    assert_eq!((code, &document["class"]), (0, &json!("E2")));
    assert_eq!(results(&document), ["PASS", "PASS", "PASS", "NOT RUN"]);
    let then = held_by_both(&home);
    assert_ne!(first, then);
    let new = home.secret("new", "another");
    home.run(["credential", "passwd", "--unlock-cost", "minimum", "--new-password-file", &new]).expect(0);
    home.secret("password", "another");
    assert_ne!(then, held_by_both(&home));
    for (gone, other) in [("anchor", "stick/second"), ("stick/second", "anchor")] {
        move_stick(&home, gone, "away");
        assert_eq!(home.json(&["list"]).1["total"], 3, "without {gone}");
        let named = home.path(other).to_str().expect("text").to_owned();
        assert_eq!(home.json(&["list", "--anchor-file", &named]).1["total"], 3);
        move_stick(&home, "away", gone);
    }
    let (_, shown) = home.json(&["anchor", "show"]);
    assert_eq!(shown["replicas"], json!([{ "place": second(&home), "out_of_step": null }]));
    assert_eq!(home.json(&["check"]).0, 0);
    // Both are overwritten and removed when the anchor moves.
    let third = format!("file:{}", home.path("third").display());
    home.run(["anchor", "move", &third, "--yes"]).expect(0);
    for name in ["anchor", "anchor.keyring0", "anchor.keyring1", "stick/second", "stick/second.keyring0"] {
        assert!(!home.path(name).exists(), "{name}");
    }
    assert_eq!(home.json(&["anchor", "show"]).1["replicas"], json!([]));
}

#[test]
fn a_receipt_waits_for_a_replica_that_is_out_of_reach() {
    let home = with_two();
    let before = held_by_both(&home);
    move_stick(&home, "stick", "pulled");
    let (code, document) = home.json(&["erase", "title:bread", "--yes"]);
    assert_eq!((code, &document["receipt"], &document["destroyed"]), (15, &Value::Null, &json!(1)));
    assert_eq!(document["class"], "E1", "until it is back");
    assert_eq!(results(&document), ["PASS", "PENDING", "PASS", "NOT RUN"]);
    assert!(held(home.path("pulled/second")) == before && held(home.path("anchor")) != before);
    // Every later command says so, and what lives is served.
    let run = home.run(["list"]).expect(0);
    assert!(run.stderr.contains("has no receipt yet: the old anchor stands in a replica"), "{}", run.stderr);
    assert_eq!(home.json(&["status"]).1["replicas_out_of_step"], 1);
    assert_eq!(home.json(&["receipt", "list"]).1["receipts"], json!([]));
    // No second change of keys can be outrun by the stick.
    let run = home.run(["erase", "title:cat", "--yes"]);
    let why = "error: an erasure is under way and has no receipt yet; it has to be finished first";
    assert!(run.code == Some(1) && run.stderr.contains(why), "{}", run.stderr);
    assert!(run.stderr.contains("the old anchor stands in a replica that is out of reach (TEST/stick/second)"));
    let new = home.secret("new", "another");
    let run = home.run(["credential", "passwd", "--unlock-cost", "minimum", "--new-password-file", &new]);
    assert!(run.code == Some(1) && run.stderr.contains("anchor replicate --forget"), "{}", run.stderr);
    move_stick(&home, "pulled", "stick");
    let run = home.run(["list"]).expect(0);
    assert!(run.stderr.contains("an erasure that was interrupted is finished"), "{}", run.stderr);
    assert_ne!(held_by_both(&home), before);
    let (_, list) = home.json(&["receipt", "list"]);
    assert_eq!((list["receipts"].as_array().map(Vec::len), &list["receipts"][0]["class"]), (Some(1), &json!("E2")));
    assert_eq!(home.json(&["erase", "title:cat", "--yes"]).0, 0);
    assert_eq!(home.json(&["check"]).0, 0);
}

#[test]
fn a_replica_dropped_out_of_reach_is_named_on_the_receipt_and_lowers_its_class() {
    let home = with_two();
    let copy = home.path("out/old.db").to_str().expect("text").to_owned();
    fs::copy(home.vault(), &copy).expect("copied");
    move_stick(&home, "stick", "pulled");
    home.run(["erase", "title:bread", "--yes"]).expect(15);
    let run = home.run(["anchor", "replicate", "--forget", &second(&home)]).expect(0);
    assert!(run.text().starts_with("the replica is dropped; it was out of reach"), "{}", run.text());
    home.run(["list"]).expect(0);
    let receipt = home.vault().with_extension("db.receipts").join("000001.json");
    let receipt = receipt.to_str().expect("text").to_owned();
    let (code, shown) = home.json(&["receipt", "verify", &receipt]);
    assert_eq!((code, &shown["class"]), (0, &json!("E1")));
    assert!(shown["not_covered"].as_array().expect("a list").contains(&json!(LINE)), "{shown}");
    // That is what it is: with the stick the copy opens.
    let stick = home.path("pulled/second").to_str().expect("text").to_owned();
    let (code, shown) = home.json(&["receipt", "verify", &receipt, "--old-copy", &copy, "--anchor-file", &stick]);
    assert_eq!((code, &shown["steps"][1]["result"]), (15, &json!("FAIL")), "{shown}");
    // What is there keeps the class; what comes does not have it.
    home.run(["import", SAMPLE, "--allow-resurrect"]).expect(0);
    assert_eq!(home.json(&["anchor", "show"]).1["segments"], json!({ "E1": 3, "E2": 1 }));
    assert_eq!(home.json(&["check"]).0, 0);
}

#[test]
fn a_replica_is_dropped_in_reach_and_out_of_it_when_nothing_is_under_way() {
    let home = with_two();
    let run = home.run(["anchor", "replicate", "--forget", &second(&home)]).expect(0);
    assert!(run.text().starts_with("the replica is overwritten and removed\n"), "{}", run.text());
    assert_eq!(fs::read_dir(home.path("stick")).expect("readable").count(), 0);
    let (_, shown) = home.json(&["anchor", "show"]);
    assert_eq!((&shown["class"], &shown["generation"], &shown["replicas"]), (&json!("E2"), &json!(1), &json!([])));

    home.run(["anchor", "replicate", &second(&home)]).expect(0);
    move_stick(&home, "stick", "pulled");
    home.run(["anchor", "replicate", "--forget", &second(&home)]).expect(0);
    let (_, shown) = home.json(&["anchor", "show"]);
    // The stick holds the anchor of what is there, and another one is in force.
    assert_eq!((&shown["class"], &shown["segments"]), (&json!("E2"), &json!({ "E1": 4 })));
    assert_eq!((&shown["generation"], &shown["replicas"]), (&json!(2), &json!([])));
    let stick = home.path("pulled/second").to_str().expect("text").to_owned();
    assert_eq!(home.run(["list", "--anchor-file", &stick]).code, Some(15));
    assert_eq!(home.json(&["check"]).0, 0);
}

#[test]
fn replicas_are_refused_where_they_would_do_harm() {
    let embedded = Home::with_sample();
    let run = embedded.run(["anchor", "replicate", &format!("file:{}", embedded.path("x").display())]);
    run.refused(1, "error: the anchor is in the vault file; move it into a file first\n");
    let home = with_two();
    let taken = home.input("taken", "somebody's");
    home.run(["anchor", "replicate", &format!("file:{taken}")]).refused(1, "error: TEST/in/taken exists already\n");
    assert_eq!(fs::read(&taken).expect("read"), b"somebody's");
    let nowhere = format!("file:{}", home.path("no/where").display());
    assert_eq!(home.run(["anchor", "replicate", &nowhere]).code, Some(1));
    assert_eq!(home.json(&["anchor", "show"]).1["replicas"].as_array().map(Vec::len), Some(1), "nothing is left of it");
    let unknown = "error: no replica of the anchor is known by this path\n";
    home.run(["anchor", "replicate", "--forget", &nowhere]).refused(1, unknown);
    let used = format!("file:{}", home.path("anchor").display());
    home.run(["anchor", "replicate", "--forget", &used]).refused(1, unknown);
    assert_eq!(home.run(["anchor", "replicate", "embedded"]).code, Some(2));
    move_stick(&home, "stick", "pulled");
    fs::create_dir(home.path("stick")).expect("a folder");
    home.run(["anchor", "replicate", &second(&home)])
        .refused(1, "error: this file is one of the anchor's already; drop it first where it is out of step\n");
    // With the vault go the files in reach; the other is named.
    let run = home.run(["destroy-vault", "--yes-destroy", "vault.db"]);
    assert_eq!(run.code, Some(15), "{}", run.stderr);
    home.run(["anchor", "replicate", "--forget", &second(&home)]).expect(0);
    home.run(["destroy-vault", "--yes-destroy", "vault.db"]).expect(0);
    assert!(!home.vault().exists() && !home.path("anchor").exists());
}

#[test]
fn a_lost_vault_is_recovered_with_a_replica_alone() {
    let home = with_two();
    let copy = home.path("out/old.db").to_str().expect("text").to_owned();
    home.run(["backup", &copy]).expect(0);
    home.run(["erase", "title:bread", "--yes"]).expect(0);
    fs::remove_file(home.vault()).expect("lost");
    for name in ["anchor", "anchor.keyring0", "anchor.keyring1"] {
        fs::rename(home.path(name), home.path("tmp").join(name)).expect("away");
    }
    let (code, document) = home.json(&["recover", &copy]);
    assert_eq!((code, &document["conversations"]), (0, &json!(3)), "{document}");
    // The file that was not there is known still, and nothing passes it over.
    let (_, shown) = home.json(&["anchor", "show"]);
    assert_eq!(shown["replicas"][0]["out_of_step"], "it is not there");
    assert_eq!(home.json(&["erase", "title:cat", "--yes"]).0, 15);
    for name in ["anchor", "anchor.keyring0", "anchor.keyring1"] {
        fs::rename(home.path("tmp").join(name), home.path(name)).expect("back");
    }
    home.run(["list"]).expect(0);
    held_by_both(&home);
    assert_eq!(home.json(&["receipt", "list"]).1["receipts"].as_array().map(Vec::len), Some(2));
    assert_eq!(home.json(&["check"]).0, 0);
}

#[test]
fn a_file_of_the_anchor_that_was_moved_by_hand_drops_no_replica() {
    let home = with_two();
    let before = held_by_both(&home);
    move_stick(&home, "stick", "pulled");
    fs::create_dir(home.path("other")).expect("a folder");
    for name in ["anchor", "anchor.keyring0", "anchor.keyring1"] {
        fs::rename(home.path(name), home.path("other").join(name)).expect("moved");
    }
    let moved = home.path("other/anchor").to_str().expect("text").to_owned();
    let (code, document) = home.json(&["erase", "title:bread", "--yes", "--anchor-file", &moved]);
    assert_eq!((code, &document["receipt"], &document["class"]), (15, &Value::Null, &json!("E1")), "{document}");
    // The stick comes back, and the old place is given up: then there is a receipt, and no old anchor anywhere.
    move_stick(&home, "pulled", "stick");
    let old = format!("file:{}", home.path("anchor").display());
    home.run(["anchor", "replicate", "--forget", &old, "--anchor-file", &moved]).expect(0);
    home.run(["list", "--anchor-file", &moved]).expect(0);
    assert!(held(home.path("stick/second")) == held(home.path("other/anchor")));
    assert!(held(home.path("stick/second")) != before);
    assert_eq!(
        home.json(&["receipt", "list", "--anchor-file", &moved]).1["receipts"].as_array().map(Vec::len),
        Some(1)
    );
}

#[test]
fn a_recovery_knows_the_files_that_came_after_the_copy_was_made() {
    // A replica that the copy does not know.
    let home = Home::new();
    let anchor = format!("file:{}", home.path("anchor").display());
    home.run(["init", "--unlock-cost", "minimum", "--anchor", &anchor]).expect(0);
    home.run(["import", SAMPLE]).expect(0);
    let copy = home.path("out/old.db").to_str().expect("text").to_owned();
    home.run(["backup", &copy]).expect(0);
    fs::create_dir(home.path("stick")).expect("a folder");
    home.run(["anchor", "replicate", &second(&home)]).expect(0);
    fs::remove_file(home.vault()).expect("lost");
    assert_eq!(home.json(&["recover", &copy]).0, 0);
    assert_eq!(home.json(&["anchor", "show"]).1["replicas"].as_array().map(Vec::len), Some(1));
    assert_eq!(home.json(&["erase", "title:bread", "--yes"]).0, 0);
    held_by_both(&home);

    // A move whose old file could not be overwritten.
    home.run(["backup", "../out/later.db"]).expect(0);
    let later = home.path("out/later.db").to_str().expect("text").to_owned();
    move_stick(&home, "stick", "pulled");
    let third = format!("file:{}", home.path("third").display());
    let run = home.run(["anchor", "move", &third, "--yes"]);
    assert!(run.code == Some(3) && run.stderr.contains("could not be overwritten"), "{:?} {}", run.code, run.stderr);
    fs::remove_file(home.vault()).expect("lost");
    let at = home.path("third").to_str().expect("text").to_owned();
    let run = home.run(["recover", &later, "--anchor-file", &at]);
    assert!(run.stderr.contains("is class E1 from now on"), "{}", run.stderr);
    assert_eq!(home.json(&["anchor", "show"]).1["segments"], json!({ "E1": 3 }));
}

#[test]
fn a_replica_that_was_away_gets_its_keyring_copy_when_it_is_back() {
    let home = with_two();
    let copy = home.path("out/old.db").to_str().expect("text").to_owned();
    move_stick(&home, "stick", "pulled");
    home.run(["import", "--format", "opaque", SAMPLE]).expect(0);
    home.run(["backup", &copy]).expect(0);
    move_stick(&home, "pulled", "stick");
    home.run(["list"]).expect(0);
    fs::remove_file(home.vault()).expect("lost");
    for name in ["anchor", "anchor.keyring0", "anchor.keyring1"] {
        fs::remove_file(home.path(name)).expect("lost");
    }
    let (code, document) = home.json(&["recover", &copy]);
    assert_eq!((code, &document["conversations"], &document["missing"]), (0, &json!(5), &json!(0)), "{document}");
}

#[test]
fn a_replica_in_whose_place_something_else_stands_does_not_close_the_vault() {
    for is_folder in [false, true] {
        let home = with_two();
        move_stick(&home, "stick", "pulled");
        fs::create_dir(home.path("stick")).expect("a folder");
        match is_folder {
            true => fs::create_dir(home.path("stick/second")).expect("a folder"),
            false => std::os::unix::fs::symlink(home.path("tmp"), home.path("stick/second")).expect("a link"),
        }
        let third = format!("file:{}", home.path("third").display());
        let run = home.run(["anchor", "move", &third, "--yes"]);
        assert!(
            run.code == Some(3) && run.stderr.contains("could not be overwritten"),
            "{:?} {}",
            run.code,
            run.stderr
        );
        assert_eq!(home.json(&["list"]).1["total"], 4);
        assert_eq!(home.json(&["anchor", "show"]).1["segments"], json!({ "E1": 4 }));
    }
}

#[test]
fn an_old_copy_is_tried_with_every_file_that_it_names() {
    let home = with_two();
    let copy = home.path("out/old.db").to_str().expect("text").to_owned();
    fs::copy(home.vault(), &copy).expect("copied");
    move_stick(&home, "stick", "pulled");
    home.run(["erase", "title:bread", "--yes"]).expect(15);
    home.run(["anchor", "replicate", "--forget", &second(&home)]).expect(0);
    home.run(["list"]).expect(0);
    let receipt = home.vault().with_extension("db.receipts").join("000001.json");
    let receipt = receipt.to_str().expect("text").to_owned();
    let verify = |more: &[&str]| {
        let words = [&["receipt", "verify", &receipt, "--old-copy", &copy][..], more].concat();
        let (code, document) = home.json(&words);
        (code, document["steps"][1]["result"].as_str().expect("text").to_owned())
    };
    assert_eq!(verify(&[]), (0, "PASS".to_owned()));
    // The dropped stick is back where the copy remembers it, and opens it.
    move_stick(&home, "pulled", "stick");
    assert_eq!(verify(&[]), (15, "FAIL".to_owned()));
    // A file that holds no anchor shows nothing.
    let blank = home.input("blank", vec![0; 8192]);
    fs::set_permissions(&blank, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("allowed");
    assert_eq!(verify(&["--anchor-file", &blank]), (3, "NOT RUN".to_owned()));
}
