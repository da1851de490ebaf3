//! Where the anchor lies: a place that keeps copies lowers the class, and every command that names the class says why.

use std::fs;

use serde_json::{Value, json};

use crate::home::{Home, SAMPLE};

fn words(document: &Value) -> Vec<&str> {
    document["weaknesses"].as_array().expect("a list").iter().map(|one| one.as_str().expect("words")).collect()
}

#[test]
fn an_anchor_in_a_synced_folder_is_e1_and_every_command_says_why() {
    let home = Home::new();
    let synced = home.path("out/synced");
    fs::create_dir_all(synced.join(".stfolder")).expect("a folder");
    let why = format!("{} is synced: Syncthing has left .stfolder there", synced.display());
    let place = format!("file:{}", synced.join("anchor").display());
    let (code, made) = home.json(&["init", "--unlock-cost", "minimum", "--anchor", &place]);
    assert_eq!((code, &made["class"]), (0, &json!("E1")));
    assert!(words(&made).contains(&why.as_str()), "{made}");
    home.run(["import", SAMPLE]).expect(0);

    let warning = "warning: an old anchor may survive being overwritten: TEST/out/synced is synced: \
                   Syncthing has left .stfolder there; the class is E1\n";
    for command in [&["status"][..], &["anchor", "show"]] {
        let run = home.run(command).expect(0);
        assert!(run.stderr.contains(warning), "{}", run.stderr);
        assert!(run.text().contains("class       E1: ") || run.text().contains("E1: the password"), "{}", run.text());
        let (_, document) = home.json(command);
        assert_eq!(document["class"], "E1", "{command:?}");
        assert!(words(&document).contains(&why.as_str()), "{document}");
    }
    let (_, plan) = home.json(&["erase", "title:bread", "--dry-run"]);
    assert_eq!(plan["class"], "E1");

    // What comes under an anchor elsewhere has the class of that place; what was there keeps the weakest it had.
    let apart = format!("file:{}", home.path("out/apart").display());
    let (code, moved) = home.json(&["anchor", "move", &apart, "--yes"]);
    assert_eq!(code, 0, "{moved}");
    let best = if words(&moved).is_empty() { "E2" } else { "E1" };
    assert_eq!((&moved["class"], &moved["segments"]), (&json!(best), &json!({ "E1": 4 })));
    let newer = fs::read_to_string(SAMPLE).expect("the sample").replace("Bread for the supply boat", "Bread");
    home.run(["import", &home.input("newer.json", newer)]).expect(0);
    let (_, shown) = home.json(&["anchor", "show"]);
    let expected = if best == "E2" { json!({ "E1": 4, "E2": 1 }) } else { json!({ "E1": 5 }) };
    assert_eq!(shown["segments"], expected);
}

#[test]
fn a_folder_that_becomes_synced_lowers_the_class_and_stays_lowered() {
    let home = Home::new();
    let place = format!("file:{}", home.path("out/keys/anchor").display());
    fs::create_dir(home.path("out/keys")).expect("a folder");
    let (_, made) = home.json(&["init", "--unlock-cost", "minimum", "--anchor", &place]);
    let best = made["class"].clone();
    assert_eq!(words(&made).is_empty(), best == "E2");
    let mark = home.path("out/keys/.sync_0a1b2c3d4e5f.db");
    fs::write(&mark, b"").expect("written");
    assert_eq!(home.json(&["status"]).1["class"], "E1");
    home.run(["import", SAMPLE]).expect(0);
    fs::remove_file(&mark).expect("there");
    let (_, erased) = home.json(&["erase", "title:bread", "--yes"]);
    assert_eq!(erased["class"], "E1", "the anchor was where it may have been copied from");
    // And the erasure drew another.
    assert_eq!(home.json(&["status"]).1["class"], best);
}
