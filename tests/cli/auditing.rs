//! `audit`: the log read and checked, and a checkpoint that shows what was cut off or written anew.

use std::fs;

use serde_json::{Value, json};

use crate::home::{Home, SAMPLE};

fn words(document: &Value) -> Vec<&str> {
    document["entries"].as_array().expect("entries").iter().map(|one| one["action"].as_str().expect("text")).collect()
}

#[test]
fn the_log_says_what_was_done_in_numbers_and_never_what_was_said() {
    let home = Home::with_sample();
    home.run(["tag", "title:bread", "--add", "kitchen"]).expect(0);
    home.run(["erase", "title:bread", "--yes"]).expect(0);
    let (_, log) = home.json(&["audit", "log"]);
    assert_eq!((words(&log), &log["total"]), (vec!["init", "import", "tag", "erase", "receipt"], &json!(5)));
    let receipt = fs::read(home.vault().with_extension("db.receipts").join("000001.json")).expect("a receipt");
    assert_eq!(log["entries"][4]["receipt"].as_str().map(str::len), Some(64));
    assert!(!receipt.is_empty() && log["entries"][3]["counts"]["segments"] == 1);
    let run = home.run(["audit", "log", "--limit", "2"]).expect(0);
    assert!(run.text().contains("receipt") && !run.text().contains("import") && !run.text().contains("Bread"));
    assert_eq!(words(&home.json(&["audit", "log", "--limit", "2"]).1), ["erase", "receipt"]);
}

#[test]
fn a_checkpoint_kept_elsewhere_shows_an_end_cut_off_and_a_history_written_anew() {
    let home = Home::with_sample();
    let keep = |name: &str| home.input(name, home.run(["audit", "checkpoint"]).expect(0).text());
    let verify = |file: &str| {
        let (code, document) = home.json(&["audit", "verify", "--checkpoint", file]);
        (code, document["checkpoints"][0]["result"].as_str().expect("a result").to_owned())
    };
    let passes = (0, "PASS".to_owned());
    let fails = (15, "FAIL".to_owned());
    let early = keep("early");
    assert_eq!(verify(&early), passes);
    let state = home.path("home/.local/state");
    let copy = home.path("out/copy.db");
    fs::copy(home.vault(), &copy).expect("copied");
    home.run(["tag", "title:bread", "--add", "kitchen"]).expect(0);
    let late = keep("late");
    assert_eq!((verify(&early), verify(&late)), (passes.clone(), passes.clone()));
    // The older file put back, on a machine that has not seen the later one.
    fs::copy(&copy, home.vault()).expect("put back");
    fs::remove_dir_all(&state).expect("there");
    assert_eq!((verify(&early), verify(&late)), (passes.clone(), fails.clone()));
    // And another history from there on.
    home.run(["import", "--format", "opaque", SAMPLE]).expect(0);
    home.run(["tag", "title:cat", "--add", "other"]).expect(0);
    assert_eq!((verify(&early), verify(&late)), (passes, fails.clone()));
    // Of another vault, edited, cut; cosigned is as good.
    let text = fs::read_to_string(&early).expect("read");
    let stranger = Home::with_sample();
    let foreign = home.input("foreign", stranger.run(["audit", "checkpoint"]).expect(0).text());
    for bad in [
        text.replacen("\n2\n", "\n1\n", 1),
        text.replace("\n\n", "\n"),
        text[..text.len() - 9].to_owned(),
        String::new(),
    ] {
        assert_eq!(verify(&home.input("bad", bad)), fails);
    }
    assert_eq!(verify(&foreign), fails);
    let cosigned = home.input("cosigned", format!("{text}\u{2014} witness.example/w abcd\n"));
    assert_eq!(verify(&cosigned).0, 0);
    assert_eq!(home.run(["audit", "verify", "--checkpoint", "nowhere"]).code, Some(1));
}
