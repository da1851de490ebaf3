//! The process ended at every operation that changes a file: nothing that lives is lost, nothing destroyed comes back,
//! and the next command finishes what was begun.
//!
//! Every ninth operation is tried, `CONVAULT_SWEEP=1` tries them all (`scripts/nightly`). The program's own file
//! operations and SQLite's go through the C library, where a small shim counts them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::home::{Home, PASSWORD, SAMPLE};

const NEW: &str = "another password";

/// A shim beside this file, built once for a test.
pub fn built(home: &Home, source: &str) -> PathBuf {
    let library = home.path(source).with_extension("so");
    if library.exists() {
        return library;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli").join(source);
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .status()
        .expect("a C compiler, which the build needs too");
    assert!(built.success());
    library
}

/// A vault with the sample, and one conversation that was updated.
pub fn vault(is_file: bool) -> Home {
    let home = Home::new();
    let anchor = format!("file:{}", home.path("anchor").display());
    let anchor = if is_file { anchor } else { "embedded".to_owned() };
    home.run(["init", "--unlock-cost", "minimum", "--anchor", &anchor]).expect(0);
    let text = fs::read_to_string(SAMPLE).expect("the sample");
    home.run(["import", SAMPLE]).expect(0);
    let newer = home.input("newer.json", text.replace("Bread for the supply boat", "Bread for the boat"));
    home.run(["import", &newer]).expect(0);
    home
}

/// Keeps the vault's files, to begin every round with the same.
pub struct Kept(Vec<(PathBuf, Vec<u8>)>);

impl Kept {
    pub fn of(home: &Home, is_file: bool) -> Self {
        let vault = home.vault();
        let mut paths = vec![vault.clone(), vault.with_extension("db-journal")];
        if is_file {
            let names = ["anchor", "anchor.keyring0", "anchor.keyring1", "moved", "moved.keyring0", "moved.keyring1"];
            paths.extend(names.map(|name| home.path(name)));
        }
        let read = |path: PathBuf| fs::read(&path).ok().map(|bytes| (path, bytes));
        Self(paths.into_iter().filter_map(read).collect())
    }

    pub fn restore(&self, home: &Home) {
        for name in ["moved", "anchor"]
            .into_iter()
            .flat_map(|name| [name.to_owned(), format!("{name}.keyring0"), format!("{name}.keyring1")])
        {
            let _ = fs::remove_file(home.path(&name));
        }
        for (path, bytes) in &self.0 {
            fs::write(path, bytes).expect("written");
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("allowed");
        }
        let _ = fs::remove_dir_all(home.vault().with_extension("db.receipts"));
        // Every round is a machine that has not seen a later state.
        let _ = fs::remove_dir_all(home.path("home/.local/state"));
    }
}

pub fn titles(document: &serde_json::Value) -> BTreeSet<String> {
    let conversations = document["conversations"].as_array().expect("a list");
    conversations.iter().map(|one| one["title"].as_str().expect("a title").to_owned()).collect()
}

/// Kills `words` at its operations, one round each, until it is through; `look` judges what is left.
fn sweep(home: &Home, kept: &Kept, words: &[&str], mut look: impl FnMut(u32)) {
    let shim = built(home, "kill.c");
    let (step, mut at) = if std::env::var_os("CONVAULT_SWEEP").is_some() { (1, 1) } else { (9, 3) };
    let mut killed = 0;
    loop {
        kept.restore(home);
        let mut command = home.command(words);
        command.env("LD_PRELOAD", &shim).env("KILL_AT", at.to_string());
        let run = home.finish(command);
        if run.code == Some(0) {
            break;
        }
        assert_eq!(run.code, Some(137), "at {at}: {}", run.stderr);
        killed += 1;
        look(at);
        at += step;
    }
    assert!(killed > 4, "the shim ended the process {killed} times only");
}

#[test]
#[cfg(target_os = "linux")]
fn an_erasure_that_is_killed_anywhere_is_finished_by_the_next_command() {
    for is_file in [false, true] {
        let home = vault(is_file);
        let kept = Kept::of(&home, is_file);
        let all = titles(&home.json(&["list"]).1);
        let bread = "Bread for the boat";
        let rest: BTreeSet<String> = all.iter().filter(|title| *title != bread).cloned().collect();
        assert_eq!((all.len(), rest.len()), (4, 3));
        let (mut before, mut after) = (0, 0);
        sweep(&home, &kept, &["erase", "title:bread", "--yes"], |at| {
            let (code, document) = home.json(&["list"]);
            assert_eq!(code, 0, "at {at}: {document}");
            let receipts = home.json(&["receipt", "list"]).1;
            let receipts = receipts["receipts"].as_array().expect("a list");
            if titles(&document) == all {
                assert_eq!(receipts.len(), 0, "at {at}: a receipt and nothing erased");
                before += 1;
            } else {
                assert_eq!((titles(&document), receipts.len()), (rest.clone(), 1), "at {at}");
                let file = receipts[0]["file"].as_str().expect("a path");
                home.run(["receipt", "verify", file]).expect(0);
                after += 1;
            }
            assert_eq!(home.json(&["check"]).0, 0, "at {at}");
        });
        assert!(before > 0 && after > 3, "killed {before} times before the intent and {after} times after");
        // The last round ran to its end.
        assert_eq!(titles(&home.json(&["list"]).1), rest);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn whatever_command_comes_after_a_killed_erasure_finishes_it_first() {
    let home = vault(true);
    let kept = Kept::of(&home, true);
    let all = titles(&home.json(&["list"]).1);
    let new = home.secret("new", NEW);
    let moved = format!("file:{}", home.path("moved").display());
    let passwd = ["credential", "passwd", "--unlock-cost", "minimum", "--new-password-file", &new];
    let nexts = [&["anchor", "move", &moved, "--yes"][..], &passwd, &["tag", "title:tide", "--add", "x"]];
    let (mut before, mut after) = (0, 0);
    sweep(&home, &kept, &["erase", "title:bread", "--yes"], |at| {
        let next = nexts[(at as usize / 9) % nexts.len()];
        let (code, document) = home.json(next);
        assert_eq!(code, 0, "at {at}, {next:?}: {document}");
        let password = if next[0] == "credential" { new.clone() } else { home.secret("old", PASSWORD) };
        let read = |words: &[&str]| home.json(&[words, &["--password-file", &password]].concat());
        let left = titles(&read(&["list"]).1);
        let receipts = read(&["receipt", "list"]).1["receipts"].as_array().expect("a list").len();
        if left == all {
            assert_eq!(receipts, 0, "at {at}");
            before += 1;
        } else {
            assert_eq!((left.len(), receipts), (3, 1), "at {at}, {next:?}");
            after += 1;
        }
        assert_eq!(read(&["check"]).0, 0, "at {at}, {next:?}");
    });
    assert!(before > 0 && after > 3, "{before} and {after}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_password_change_that_is_killed_anywhere_leaves_one_password_that_opens_everything() {
    for is_file in [false, true] {
        let home = vault(is_file);
        let kept = Kept::of(&home, is_file);
        let all = titles(&home.json(&["list"]).1);
        let (old, new) = (home.secret("old", PASSWORD), home.secret("new", NEW));
        let words = ["credential", "passwd", "--unlock-cost", "minimum", "--new-password-file", &new];
        sweep(&home, &kept, &words, |at| {
            let opens = |password: &str| {
                let (code, document) = home.json(&["list", "--password-file", password]);
                assert!(code == 0 || code == 12, "at {at}: {document}");
                if code == 0 {
                    assert_eq!(titles(&document), all, "at {at}");
                    assert_eq!(home.json(&["check", "--password-file", password]).0, 0, "at {at}");
                }
                code == 0
            };
            assert!(opens(&old) != opens(&new), "at {at}: exactly one of them opens it");
        });
        assert_eq!(home.json(&["list"]).1["error"]["code"], json!(12), "the new password is in force");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_move_of_the_anchor_that_is_killed_anywhere_leaves_one_place_that_opens_everything() {
    for is_file in [false, true] {
        let home = vault(is_file);
        let kept = Kept::of(&home, is_file);
        let all = titles(&home.json(&["list"]).1);
        let target = home.path("moved");
        let place = format!("file:{}", target.display());
        let words = ["anchor", "move", &place, "--yes"];
        sweep(&home, &kept, &words, |at| {
            let (code, document) = home.json(&["list"]);
            assert_eq!((code, titles(&document)), (0, all.clone()), "at {at}: {document}");
            assert_eq!(home.json(&["check"]).0, 0, "at {at}");
            let (_, shown) = home.json(&["anchor", "show"]);
            let is_moved = shown["anchor"] == json!(place);
            if is_moved {
                // Killed between the end of the intent and the removal, a file of zeros is left.
                let left = fs::read(home.path("anchor")).unwrap_or_default();
                assert!(left.iter().all(|byte| *byte == 0), "at {at}: the old anchor is there still");
            } else if is_file && target.exists() {
                // What was made there and never came into force opens nothing.
                let (code, document) = home.json(&["list", "--anchor-file", target.to_str().expect("a path")]);
                assert_eq!(code, 15, "at {at}: {document}");
            }
        });
        assert_eq!(home.json(&["anchor", "show"]).1["anchor"], json!(place));
        assert_eq!(titles(&home.json(&["list"]).1), all);
    }
}

/// Anchors of a vault that stand in a file, by its slots that are not blank.
fn slots(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap_or_default();
    bytes.chunks(4096).filter(|slot| slot.iter().any(|byte| *byte != 0)).map(<[u8]>::to_vec).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn a_replica_that_is_made_and_killed_is_known_or_holds_nothing() {
    let home = vault(true);
    let kept = Kept::of(&home, true);
    let all = titles(&home.json(&["list"]).1);
    let replica = format!("file:{}", home.path("moved").display());
    let mut ends = BTreeSet::new();
    sweep(&home, &kept, &["anchor", "replicate", &replica], |at| {
        assert_eq!(titles(&home.json(&["list"]).1), all, "at {at}");
        let (_, shown) = home.json(&["anchor", "show"]);
        let is_known = shown["replicas"].as_array().map(Vec::len) == Some(1);
        let holds = !slots(&home.path("moved")).is_empty();
        assert!(is_known || !holds, "at {at}: an anchor that nobody knows of");
        ends.insert((is_known, holds));
        // It can be made again, or dropped without a word on classes.
        match (is_known, holds) {
            (true, false) => drop(home.run(["anchor", "replicate", &replica]).expect(0)),
            (true, true) => drop(home.run(["anchor", "replicate", "--forget", &replica]).expect(0)),
            (false, _) => {}
        }
        assert_eq!(home.json(&["anchor", "show"]).1["class"], "E2", "at {at}");
        assert_eq!(home.json(&["check"]).0, 0, "at {at}");
    });
    assert!(ends.contains(&(false, false)) && ends.len() > 1, "{ends:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn an_erasure_with_a_replica_that_is_killed_anywhere_leaves_no_old_anchor_in_either_file() {
    let home = vault(true);
    home.run(["anchor", "replicate", &format!("file:{}", home.path("moved").display())]).expect(0);
    let kept = Kept::of(&home, true);
    let before = slots(&home.path("anchor"));
    let mut after = 0;
    sweep(&home, &kept, &["erase", "title:bread", "--yes"], |at| {
        let (_, list) = home.json(&["list"]);
        let (one, other) = (slots(&home.path("anchor")), slots(&home.path("moved")));
        assert_eq!((one.len(), &one), (1, &other), "at {at}");
        let is_erased = titles(&list).len() == 3;
        assert_eq!(one != before, is_erased, "at {at}");
        assert_eq!(
            home.json(&["receipt", "list"]).1["receipts"].as_array().map(Vec::len),
            Some(usize::from(is_erased))
        );
        after += u32::from(is_erased);
    });
    assert!(after > 3);
}

/// What was said or written of the sample by a process that was ended.
fn plaintext(home: &Home, run: &crate::home::Run) -> bool {
    let files =
        fs::read_dir(home.path("out")).map(|all| all.flatten().map(|one| one.path()).collect()).unwrap_or_default();
    let files: Vec<PathBuf> = files;
    let written = files.iter().any(|path| fs::read(path).is_ok_and(|bytes| !bytes.is_empty()));
    written || !run.stdout.is_empty()
}

#[test]
#[cfg(target_os = "linux")]
fn nothing_that_is_read_leaves_a_killed_process_without_its_entry_in_the_log() {
    for is_file in [false, true] {
        let home = vault(is_file);
        // By key files, with which no password is derived.
        let keys = ["reader", "auditor"].map(|role| {
            let key = home.path(role).to_str().expect("text").to_owned();
            home.run(["credential", "add", role, "--key-file", &key]).expect(0);
            key
        });
        let id = home.id("Bread for the boat");
        let kept = Kept::of(&home, is_file);
        let out = home.path("out/bread").to_str().expect("text").to_owned();
        let shim = built(&home, "kill.c");
        let export = ["export", &id, "--format", "jsonl", "--plaintext", "-o", &out];
        let commands: [(&str, &[&str]); 4] =
            [("list", &["list"]), ("search", &["search", "boat"]), ("show", &["show", &id]), ("export", &export)];
        for (action, words) in commands {
            let (mut left, mut killed) = (0, 0);
            for at in (1..).step_by(if std::env::var_os("CONVAULT_SWEEP").is_some() { 1 } else { 3 }) {
                kept.restore(&home);
                let _ = fs::remove_dir_all(home.path("out"));
                fs::create_dir(home.path("out")).expect("a folder");
                let mut command = home.bare(words);
                command.env("CONVAULT_CREDENTIAL", &keys[0]);
                command.env("LD_PRELOAD", &shim).env("KILL_AT", at.to_string());
                let run = home.finish(command);
                let has_left = plaintext(&home, &run);
                left += u32::from(has_left);
                let mut log = home.bare(["audit", "log", "--limit", "1", "--json"]);
                log.env("CONVAULT_CREDENTIAL", &keys[1]);
                let log: serde_json::Value = serde_json::from_slice(&home.finish(log).stdout).expect("JSON");
                let entry = log["entries"][0]["action"].as_str().unwrap_or_default().to_owned();
                assert!(!has_left || entry == action, "{action} killed at {at}: {entry}");
                if run.code == Some(0) {
                    break;
                }
                assert_eq!(run.code, Some(137), "{action} at {at}: {}", run.stderr);
                killed += 1;
            }
            assert!(killed > 4 && left > 0, "{action}: ended {killed} times, seen {left} times");
        }
    }
}
