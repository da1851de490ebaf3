//! A folder is walked: every format in it is read, zips are opened, and the report says what came of each file.

use std::fs;

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
