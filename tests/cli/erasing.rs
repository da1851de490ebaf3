//! `erase` and `receipt` as a person and a program meet them, and a second verifier that shares no code.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::home::{Home, SAMPLE};

/// A vault whose anchor is in a file.
fn with_anchor() -> Home {
    let home = Home::new();
    let anchor = format!("file:{}", home.path("anchor").display());
    home.run(["init", "--unlock-cost", "minimum", "--anchor", &anchor]).expect(0);
    home.run(["import", SAMPLE]).expect(0);
    home
}

fn receipt(home: &Home) -> String {
    home.vault().with_extension("db.receipts").join("000001.json").to_str().expect("text").to_owned()
}

#[test]
fn the_plan_that_is_shown_is_the_plan_that_is_executed() {
    let home = Home::with_sample();
    let run = home.run(["erase", "title:bread", "--dry-run"]).expect(0);
    let shown = home.masked(&run.text());
    assert!(shown.contains("Bread for the supply boat") && shown.contains("1 conversation to destroy: 1 segment"));
    assert_eq!(run.stderr, "nothing was destroyed: this was --dry-run\n");
    assert_eq!(home.json(&["list"]).1["total"], 4);
    let (_, plan) = home.json(&["erase", "title:bread", "--dry-run"]);
    let (code, done) = home.json(&["erase", "title:bread", "--yes"]);
    assert_eq!(code, 0);
    assert_eq!(plan["planned"]["segments"], done["segments"].as_array().expect("a list").len());
    assert_eq!((&plan["class"], &plan["not_covered"]), (&done["class"], &done["not_covered"]));
    assert_eq!((&done["destroyed"], &done["class"]), (&json!(1), &json!("E1")));
    let results: Vec<_> = done["checks"].as_array().expect("a list").iter().map(|check| &check["result"]).collect();
    assert_eq!(results, ["PASS", "PASS", "PASS", "NOT RUN"]);
    assert_eq!(done["receipt"], receipt(&home));
    assert_eq!(home.json(&["list"]).1["total"], 3);
    assert_eq!(home.json(&["list", "title:bread"]).1["total"], 0);
    assert_eq!(home.json(&["search", "sourdough"]).1["total"], 0);
}

#[test]
fn without_a_yes_and_nobody_to_ask_nothing_is_destroyed() {
    let home = Home::with_sample();
    home.run(["erase", "title:bread"]).refused(
        1,
        "error: this needs an answer: there is no terminal to ask on\nhint: give --yes to go ahead without being asked\n",
    );
    home.run(["erase", "title:nothing-like-it", "--yes"]).said(&home, 1, "no conversations match\n", "");
    assert_eq!(home.run(["erase", "--yes"]).code, Some(2));
    assert_eq!(home.json(&["list"]).1["total"], 4);
    assert_eq!(home.json(&["receipt", "list"]).1["receipts"], json!([]));
}

#[test]
fn an_import_says_that_it_does_not_bring_back_what_was_erased() {
    let home = Home::with_sample();
    home.run(["erase", "title:bread", "--yes"]).expect(0);
    let run = home.run(["import", SAMPLE]).expect(0);
    assert_eq!(
        home.masked(&run.text()).replace(SAMPLE, "SAMPLE"),
        "SAMPLE (chatgpt)\n  0 new, 0 updated, 3 unchanged\n  left out 1 conversation that was erased from this vault (--allow-resurrect brings them in)\n"
    );
    let (_, document) = home.json(&["import", SAMPLE]);
    assert_eq!(document["conversations"]["destroyed"], 1);
    assert_eq!(home.json(&["import", SAMPLE, "--allow-resurrect"]).1["conversations"]["new"], 1);
    assert_eq!(home.json(&["list"]).1["total"], 4);
}

#[test]
fn a_receipt_is_checked_anywhere_beside_the_vault_and_against_copies() {
    for is_file in [false, true] {
        let home = if is_file { with_anchor() } else { Home::with_sample() };
        let old = home.path("out/old.db");
        fs::copy(home.vault(), &old).expect("copied");
        let before = fs::read(&old).expect("read");
        home.run(["erase", "title:bread", "title:cat", "--yes"]).expect(1);
        home.run(["erase", "title:bread", "--yes"]).expect(0);
        let (receipt, old) = (receipt(&home), old.to_str().expect("text").to_owned());
        // Somewhere else: no vault, no password, no home.
        let elsewhere = Home::new();
        let run = elsewhere.finish(elsewhere.bare(["receipt", "verify", &receipt])).expect(0);
        assert!(run.text().contains("PASS     receipt"), "{}", run.text());
        let vault = home.vault().to_str().expect("text").to_owned();
        let run = elsewhere.finish(elsewhere.bare(["--vault", &vault, "receipt", "verify", &receipt])).expect(0);
        assert!(run.text().contains("PASS     vault"), "{}", run.text());
        let clean = home.path("home").to_str().expect("text").to_owned();
        let (code, document) =
            home.json(&["receipt", "verify", &receipt, "--scan", &clean, "--scan", &old, "--old-copy", &old]);
        let steps = document["steps"].as_array().expect("a list");
        let steps: Vec<_> = steps.iter().map(|step| step["result"].as_str().expect("text")).collect();
        let opens = if is_file { "PASS" } else { "FAIL" };
        assert_eq!((code, steps), (15, vec!["PASS", "PASS", "FAIL", opens]), "{document}");
        assert_eq!(fs::read(&old).expect("read"), before, "an older copy is only read");
        assert!(!home.path("out/old.db.lock").exists() && !home.path("out/old.db-journal").exists());
        let shown = elsewhere.json(&["receipt", "verify", &receipt]).1;
        let owner = shown["owner"].as_str().expect("a key").to_owned();
        home.run(["receipt", "verify", &receipt, "--owner", &owner]).expect(0);
        home.run(["receipt", "verify", &receipt, "--owner", &owner.replace(['0', '1', '2'], "3")]).expect(15);
        // The older copy beside today's receipt.
        home.run(["--vault", &old, "receipt", "verify", &receipt]).expect(15);
        home.run(["receipt", "show", "1"]).expect(0);
        home.run(["receipt", "show", "2"]).refused(1, "error: there is no receipt 2\n");
    }
}

#[test]
fn what_was_asked_for_and_cannot_be_looked_at_is_no_success() {
    let home = with_anchor();
    let old = home.path("out/old.db");
    fs::copy(home.vault(), &old).expect("copied");
    home.run(["erase", "title:bread", "--yes"]).expect(0);
    let (receipt, old) = (receipt(&home), old.to_str().expect("text").to_owned());
    let empty = home.input("empty", "");
    let nowhere = home.path("nowhere").to_str().expect("text").to_owned();
    let verify = |more: &[&str]| {
        let words: Vec<&str> = ["receipt", "verify", &receipt].into_iter().chain(more.iter().copied()).collect();
        let (code, document) = home.json(&words);
        let steps = document["steps"].as_array().expect("steps");
        assert_eq!(steps[0]["result"], "PASS");
        (code, steps[1]["result"].as_str().expect("text").to_owned())
    };
    let not_run = (3, "NOT RUN".to_owned());
    assert_eq!(verify(&["--scan", &empty]), not_run);
    assert_eq!(verify(&["--scan", &nowhere]), not_run);
    assert_eq!(verify(&["--vault", &nowhere]), not_run);
    assert_eq!(verify(&["--old-copy", &empty]), not_run);
    assert_eq!(verify(&["--old-copy", &old, "--password-file", &home.secret("other", "another")]), not_run);
    // Without an anchor nobody can tell whether it would have opened the copy.
    assert_eq!(verify(&["--old-copy", &old, "--anchor-file", &nowhere]), not_run);
    assert_eq!(verify(&["--old-copy", &old]), (0, "PASS".to_owned()));
}

#[test]
fn a_receipt_of_the_vault_that_was_at_this_path_before_is_not_replaced() {
    let home = Home::with_sample();
    home.run(["destroy-vault", "--yes-destroy", "vault.db"]).expect(0);
    let first = fs::read(receipt(&home)).expect("a receipt");
    home.run(["init", "--unlock-cost", "minimum"]).expect(0);
    home.run(["import", SAMPLE]).expect(0);
    home.run(["erase", "title:bread", "--yes"]).expect(0);
    assert_eq!(fs::read(receipt(&home)).expect("still there"), first);
    let (_, list) = home.json(&["receipt", "list"]);
    let second = list["receipts"][0]["file"].as_str().expect("a path");
    assert_ne!(second, receipt(&home));
    home.run(["receipt", "verify", second]).expect(0);
}

#[test]
fn a_vault_is_destroyed_with_everything_but_its_receipts() {
    for is_file in [false, true] {
        let home = if is_file { with_anchor() } else { Home::with_sample() };
        let run = home.run(["destroy-vault", "--yes-destroy", "other.db"]);
        run.refused(1, "error: nothing was destroyed\nhint: the vault's file name is vault.db\n");
        assert_eq!(home.run(["destroy-vault"]).code, Some(1), "nobody can be asked");
        assert_eq!(home.json(&["list"]).1["total"], 4);
        let (code, document) = home.json(&["destroy-vault", "--yes-destroy", "vault.db"]);
        assert_eq!((code, &document["destroyed"]), (0, &json!(4)));
        let left: Vec<_> = home.files().iter().map(|path| path.file_name().expect("a name").to_owned()).collect();
        assert_eq!(left, ["000001.json"]);
        for name in ["anchor", "anchor.keyring0", "anchor.keyring1"] {
            assert!(!home.path(name).exists());
        }
        home.finish(home.bare(["receipt", "verify", &receipt(&home)])).expect(0);
        assert_eq!(home.run(["list"]).code, Some(10));
    }
}

/// A Python that has the package `cryptography`; CI brings one, elsewhere the test may lack it.
fn python() -> Option<String> {
    let python = std::env::var("CONVAULT_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has = Command::new(&python).args(["-c", "import cryptography"]).output();
    let has = has.is_ok_and(|output| output.status.success());
    assert!(has || std::env::var_os("CONVAULT_REQUIRE_TOOLS").is_none(), "{python} has no package `cryptography`");
    has.then_some(python)
}

/// The verdict of the verifier in Python, which was written from `docs/receipt.md`.
fn second(python: &str, file: &str) -> (i32, String) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/verify_receipt.py");
    let output = Command::new(python).args([script, file]).output().expect("it starts");
    (output.status.code().expect("it ended"), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn two_verifiers_that_share_no_code_agree_on_good_and_bad_receipts() {
    let Some(python) = python() else { return };
    let home = with_anchor();
    let new = home.secret("new", "another");
    home.run(["credential", "passwd", "--unlock-cost", "minimum", "--new-password-file", &new]).expect(0);
    home.secret("password", "another");
    let text = fs::read_to_string(SAMPLE).expect("the sample");
    let newer = home.input("newer.json", text.replace("Bread for the supply boat", "Bread for the boat"));
    home.run(["import", &newer]).expect(0);
    home.run(["erase", "title:bread", "--yes"]).expect(0);
    let good = fs::read_to_string(receipt(&home)).expect("a receipt");
    let value: BTreeMap<String, Value> = serde_json::from_str(&good).expect("JSON");
    let mut all = vec![("good".to_owned(), good.clone(), true)];
    // Every field changed by a character, dropped, or of another kind; and the whole in other forms.
    for (name, field) in &value {
        let written = format!("{}:{}", json!(name), field);
        assert!(good.contains(&written), "{name}");
        let turned = match field {
            Value::String(word) => {
                let last = if word.ends_with('0') { '1' } else { '0' };
                json!(format!("{}{last}", &word[..word.len() - 1])).to_string()
            }
            Value::Number(number) => (number.as_u64().expect("whole") + 1).to_string(),
            Value::Array(_) => "[]".to_owned(),
            _ => "null".to_owned(),
        };
        all.push((
            format!("{name} changed"),
            good.replace(&written, &format!("{}:{turned}", json!(name))),
            field.as_array().is_some_and(Vec::is_empty),
        ));
        let dropped: BTreeMap<_, _> = value.iter().filter(|(other, _)| *other != name).collect();
        all.push((format!("{name} dropped"), json!(dropped).to_string(), false));
        all.push((format!("{name} twice"), good.replace(&written, &format!("{written},{written}")), false));
    }
    for (name, bad) in [
        ("a space", good.replacen(',', ", ", 1)),
        ("cut", good[..good.len() / 2].to_owned()),
        ("two", good.clone() + &good),
        ("nothing", String::new()),
        ("a list", "[]\n".to_owned()),
        ("a fraction", good.replacen("\"sequence\":1", "\"sequence\":1.0", 1)),
        ("an escape", good.replacen("receipt", "\\u0072eceipt", 1)),
        ("without its line feed", good.trim_end().to_owned()),
    ] {
        all.push((name.to_owned(), bad, name == "without its line feed"));
    }
    assert!(all.len() > 60);
    for (name, text, is_good) in all {
        let file = home.input("receipt.json", &text);
        let (code, reason) = second(&python, &file);
        let ours = home.finish(home.bare(["receipt", "verify", &file]));
        let expected = if is_good { 0 } else { 15 };
        assert_eq!((code, ours.code), (expected, Some(expected)), "{name}: {reason} {}", ours.stderr);
    }
}

#[test]
fn an_older_copy_in_the_place_of_the_vault_is_noticed_and_what_was_erased_goes_again() {
    let home = Home::with_sample();
    let old = home.path("out/old.db");
    fs::copy(home.vault(), &old).expect("copied");
    home.run(["erase", "title:bread", "--yes"]).expect(0);
    home.run(["tag", "title:tide", "--add", "later"]).expect(0);
    fs::copy(&old, home.vault()).expect("put back");
    for words in [&["list"][..], &["import", SAMPLE], &["status"]] {
        home.run(words).refused(
            15,
            "error: TEST/home/.local/share/convault/vault.db is an older copy: this machine has seen a later state of this vault\n\
             hint: find the later one; or go on from this one with --accept-rollback, which is logged\n",
        );
    }
    let run = home.run(["list", "--accept-rollback"]).expect(0);
    assert!(run.stderr.contains("1 segment that had been erased before came back with this copy and is erased again"));
    assert!(!run.text().contains("Bread"), "{}", run.text());
    assert_eq!(home.json(&["list"]).1["total"], 3);
    assert_eq!(home.json(&["import", SAMPLE]).1["conversations"]["destroyed"], 1);
    home.run(["check"]).expect(0);
    // A vault that this machine has not seen, or has seen in this state, is opened as before.
    let elsewhere = Home::new();
    fs::copy(home.vault(), elsewhere.path("out/v.db")).expect("copied");
    let v = elsewhere.path("out/v.db").to_str().expect("text").to_owned();
    for _ in 0..2 {
        elsewhere.run(["--vault", &v, "list"]).expect(0);
    }
}
