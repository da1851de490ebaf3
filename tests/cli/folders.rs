//! A folder is walked: every format in it is read, zips are opened, and the report says what came of each file.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::exports::{conversation, export, zip};
use crate::home::Home;

fn own(id: &str, title: &str) -> String {
    let line = json!({ "schema": "convault.conversation/1", "source": "boats", "native_id": id, "title": title,
        "messages": [{ "id": "1", "text": "ahoy" }] });
    format!("{line}\n")
}

#[test]
fn a_folder_of_several_formats_and_zips_comes_in_whole() {
    let home = Home::with_vault();
    home.input("all/chatgpt/conversations.json", export(&[conversation("a", "Soup", &["salt?"])]));
    home.input("all/boats.jsonl", own("1", "Boat"));
    let inner = export(&[conversation("b", "Nails", &["x"])]);
    home.input("all/old/export.zip", zip(&[("conversations.json", inner.as_bytes())]));
    home.input("all/notes.txt", "just words");
    let folder = home.path("in/all");
    let run = home.run(["import", folder.to_str().expect("text")]).expect(0);
    assert_eq!(
        home.masked(&run.text()),
        "TEST/in/all (chatgpt)
  1 new, 0 updated, 0 unchanged; 1 message
  left out of the input:
    1 file .txt that this format does not know
TEST/in/all (convault)
  1 new, 0 updated, 0 unchanged; 1 message
TEST/in/all/old/export.zip (chatgpt)
  1 new, 0 updated, 0 unchanged; 1 message
"
    );
    assert_eq!(home.json(&["list"]).1["total"], 3);
}

#[test]
fn few_files_are_reported_one_by_one_and_many_by_their_folder() {
    let home = Home::with_vault();
    home.input("few/x/1.jsonl", own("1", "One"));
    home.input("few/x/2.jsonl", own("2", "Two") + &own("3", "Three"));
    let folder = home.path("in/few").to_str().expect("text").to_owned();
    let run = home.run(["import", &folder]).expect(0);
    assert_eq!(
        home.masked(&run.text()),
        "TEST/in/few (convault)
  3 new, 0 updated, 0 unchanged; 3 messages
  by file:
    x/1.jsonl: 1 new, 0 updated, 0 unchanged; 1 message
    x/2.jsonl: 2 new, 0 updated, 0 unchanged; 2 messages
"
    );
    for n in 0..30 {
        let folder = if n < 10 { "b" } else { "c" };
        home.input(&format!("few/{folder}/{n}.jsonl"), own(&format!("n{n}"), "Many"));
    }
    let run = home.run(["import", &folder]).expect(0);
    assert_eq!(
        home.masked(&run.text()),
        "TEST/in/few (convault)
  30 new, 0 updated, 3 unchanged; 30 messages
  by folder:
    b: 10 new, 0 updated, 0 unchanged; 10 messages
    c: 20 new, 0 updated, 0 unchanged; 20 messages
    1 folder with nothing new
"
    );
    let (_, document) = home.json(&["import", &folder]);
    let files = document["inputs"][0]["files"].as_array().expect("a list");
    assert_eq!(files.len(), 32);
    let two = files.iter().find(|file| file["file"] == "x/2.jsonl").expect("it is there");
    assert_eq!((&two["new"], &two["unchanged"]), (&json!(0), &json!(2)));
}

#[test]
fn a_folder_without_anything_to_read_is_refused_by_name() {
    let home = Home::with_vault();
    home.input("odd/notes.txt", "just words");
    home.run(["import", home.path("in/odd").to_str().expect("text")]).refused(
        1,
        "error: TEST/in/odd: cannot tell the format: nothing here looks like a known export\nhint: --format opaque keeps the file sealed as it is\n",
    );
    // One bad zip among others is named, and the others come in.
    fs::create_dir(home.path("in/zips")).expect("a folder");
    home.input("zips/bad.zip", &zip(&[("notes.txt", b"just words")])[..]);
    home.input("zips/good.zip", zip(&[("c.json", export(&[conversation("a", "Soup", &["salt?"])]).as_bytes())]));
    let (code, document) = home.json(&["import", home.path("in/zips").to_str().expect("text")]);
    assert_eq!((code, &document["conversations"]["new"]), (3, &json!(1)));
    let places: Vec<&Value> = document["problems"].as_array().expect("a list").iter().collect();
    assert_eq!(places.len(), 1);
    assert!(places[0]["input"].as_str().is_some_and(|input| input.ends_with("zips/bad.zip")));
}

fn messages(text: &str) -> String {
    json!({ "messages": [{ "role": "user", "content": text }, { "role": "assistant", "content": "yes" }] }).to_string()
        + "\n"
}

#[test]
fn a_single_file_of_a_format_is_found_among_many_of_another() {
    let home = Home::with_vault();
    for n in 0..70 {
        // Talk about the program is not its format.
        home.input(
            &format!("all/{n}.jsonl"),
            messages(&format!("{n}: what is convault.conversation/1? {}", "long ".repeat(99))),
        );
    }
    home.input("all/deep/er/boat.jsonl", own("1", "Boat"));
    let folder = home.path("in/all").to_str().expect("text").to_owned();
    let (code, document) = home.json(&["import", &folder]);
    assert_eq!((code, &document["conversations"]["new"]), (0, &json!(71)), "{document}");
    let inputs = document["inputs"].as_array().expect("a list");
    assert_eq!([&inputs[0]["format"], &inputs[1]["format"]], ["messages", "convault"]);
    assert!(inputs.iter().all(|one| one["unknown_files"] == json!({})));
    // A schema that stands behind a long title.
    let late =
        json!({ "native_id": "2", "title": "x".repeat(9_000), "messages": [], "schema": "convault.conversation/1" });
    home.input("all/deep/er/late.jsonl", format!("{late}\n"));
    assert_eq!(home.json(&["import", &folder]).1["conversations"]["new"], 1);
}

#[test]
fn a_folder_of_zips_says_what_else_is_in_it() {
    let home = Home::with_vault();
    let inner = export(&[conversation("b", "Nails", &["x"])]);
    home.input("all/a.zip", zip(&[("conversations.json", inner.as_bytes())]));
    home.input("all/notes.txt", "just words");
    std::os::unix::fs::symlink(home.path("in/all/notes.txt"), home.path("in/all/link")).expect("a link");
    // A name that is no text, and opens all the same.
    let odd = std::ffi::OsStr::from_bytes(b"\xff.zip");
    fs::copy(home.path("in/all/a.zip"), home.path("in/all").join(odd)).expect("a copy");
    let run = home.run(["import", home.path("in/all").to_str().expect("text")]).expect(0);
    assert_eq!(
        home.masked(&run.text()),
        "TEST/in/all
  left out of the input:
    1 file .txt that this format does not know
    1 of: symbolic link
TEST/in/all/a.zip (chatgpt)
  1 new, 0 updated, 0 unchanged; 1 message
TEST/in/all/\u{fffd}.zip (chatgpt)
  0 new, 0 updated, 1 unchanged
"
    );
}

#[test]
fn the_vault_itself_is_in_no_import() {
    let home = Home::with_sample();
    let vault = home.vault();
    let folder = vault.parent().expect("a folder").to_str().expect("text").to_owned();
    fs::write(vault.with_file_name("boat.jsonl"), own("1", "Boat")).expect("written");
    let (_, document) = home.json(&["import", &folder, "--format", "opaque"]);
    assert_eq!(document["conversations"]["new"], 1, "the boat, and nothing of the vault");
    assert_eq!(document["inputs"][0]["passed_over"], json!({ "file of the vault itself": 4 }));
    home.run(["import", vault.to_str().expect("text"), "--format", "opaque"]).refused(
        1,
        "error: TEST/home/.local/share/convault/vault.db: cannot read the input: it is a file of the vault itself\n",
    );
    home.run(["check"]).expect(0);
}

#[test]
fn a_folder_that_cannot_be_read_costs_itself() {
    let home = Home::with_vault();
    home.input("all/boat.jsonl", own("1", "Boat"));
    home.input("all/locked/boat.jsonl", own("2", "Other"));
    let locked = home.path("in/all/locked");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).expect("allowed");
    let is_locked = fs::read_dir(&locked).is_err();
    let (code, document) = home.json(&["import", home.path("in/all").to_str().expect("text")]);
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).expect("allowed");
    // Nothing is locked to root.
    let expected = if is_locked { (3, json!(1), 1) } else { (0, json!(2), 0) };
    let problems = document["problems"].as_array().map_or(0, Vec::len);
    assert_eq!((code, document["conversations"]["new"].clone(), problems), expected, "{document}");
}
