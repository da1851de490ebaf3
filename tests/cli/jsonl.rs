//! convault's own JSONL: out of one vault, into another, and out again.

use std::fs;

use serde_json::{Value, json};

use crate::exports::{conversation, conversation_of, export, zip};
use crate::home::{Home, unsigned};

/// Exports a conversation; the file's path and bytes.
fn exported(home: &Home, id: &str, name: &str) -> (String, Vec<u8>) {
    let out = home.path("out").join(name);
    let path = out.to_str().expect("text").to_owned();
    home.run(["export", id, "--format", "jsonl", "--plaintext", "-o", &path]).expect(0);
    let bytes = fs::read(&out).expect("written");
    (path, bytes)
}

/// An export with a picture, and a later one that lacks a message and edits another.
fn two_states() -> (Vec<u8>, String) {
    let picture = json!({ "content_type": "multimodal_text", "parts": [
        { "content_type": "image_asset_pointer", "asset_pointer": "file-service://file-Cat", "size_bytes": 3_000_000 },
        "Is this a cat?",
    ]});
    let text = |text: &str| json!({ "content_type": "text", "parts": [text] });
    let first = conversation_of("a", "Cat", &[picture, text("It is."), text("Thank you.")]);
    let mut second = first.clone();
    second["update_time"] = json!(1_800_000_000);
    second["mapping"]["a-1"]["message"]["content"] = text("It is a dog.");
    second["mapping"]["a-1"]["children"] = json!([]);
    second["mapping"].as_object_mut().expect("an object").remove("a-2");
    second["current_node"] = json!("a-1");
    // Larger than two pieces, and no multiple of one.
    let pixels: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let first = export(&[first]);
    (zip(&[("conversations.json", first.as_bytes()), ("file-Cat-cat.png", &pixels)]), export(&[second]))
}

#[test]
fn what_comes_back_is_what_went_out_byte_for_byte() {
    let home = Home::with_vault();
    let (archive, later) = two_states();
    let archive = home.input("archive.zip", archive);
    let later = home.input("later.json", later);
    home.run(["import", &archive, "--tag", "zoo", "--tag", "animals"]).expect(0);
    home.run(["import", &later]).expect(0);
    let (path, bytes) = exported(&home, &home.id("Cat"), "cat.jsonl");
    let line: Value = serde_json::from_slice(bytes.split(|b| *b == b'\n').next().expect("a line")).expect("JSON");
    assert_eq!((&line["schema"], &line["source"]), (&json!("convault.conversation/1"), &json!("chatgpt")));
    assert_eq!(line["tags"], json!(["animals", "zoo"]));
    assert_eq!(line["originals"].as_array().map(Vec::len), Some(2), "both states of the source's bytes");
    let mut file = line["attachments"][0].clone();
    let digest = file.as_object_mut().and_then(|file| file.remove("sha256")).expect("a hash of the bytes");
    assert_eq!(digest.as_str().map(str::len), Some(64));
    assert_eq!(file, json!({ "id": "file-Cat", "name": "cat.png", "size": 3_000_000, "data": true }));
    assert_eq!(line["messages"].as_array().expect("a list").iter().filter(|m| m["vanished"] == true).count(), 1);

    let other = Home::with_vault();
    let report = other.json(&["import", &path]).1;
    assert_eq!(report["conversations"]["new"], 1);
    assert_eq!(report["attachments"], 1);
    assert_eq!(report["problems"], json!([]));
    let (_, again) = exported(&other, &other.id("Cat"), "again.jsonl");
    assert!(unsigned(&bytes) == unsigned(&again), "the same bytes");

    // It is the source's conversation, not a copy of another kind.
    let listed = other.json(&["list", "source:chatgpt", "tag:zoo"]).1;
    assert_eq!(listed["conversations"].as_array().map(Vec::len), Some(1));
    for input in [&archive, &later, &path] {
        let report = other.json(&["import", input]).1;
        let counts = &report["conversations"];
        assert_eq!((&counts["new"], &counts["updated"], &counts["unchanged"]), (&json!(0), &json!(0), &json!(1)));
    }
}

#[test]
fn a_file_kept_as_it_is_comes_back_too() {
    let home = Home::with_vault();
    let input = home.input("notes.bin", [0, 255, 10, 13]);
    home.run(["import", "--format", "opaque", &input]).expect(0);
    let (path, bytes) = exported(&home, &home.id("notes.bin"), "notes.jsonl");
    let other = Home::with_vault();
    other.run(["import", &path]).expect(0);
    let (_, again) = exported(&other, &other.id("notes.bin"), "again.jsonl");
    assert_eq!(unsigned(&bytes), unsigned(&again));
    let report = other.json(&["import", "--format", "opaque", &input]).1;
    assert_eq!(report["conversations"]["unchanged"], 1);
}

#[test]
fn a_line_a_person_wrote_is_enough_and_grows() {
    let home = Home::with_vault();
    let line = |messages: Value| {
        format!(
            "{}\n",
            json!({ "schema": "convault.conversation/1", "source": "my-messenger", "native_id": "17",
            "title": "Boat", "tags": ["sea"], "messages": messages })
        )
    };
    let one =
        json!({ "id": "1", "role": "user", "name": "Alice", "time": "2026-01-02T03:04:05Z", "text": "Is it in?" });
    let two =
        json!({ "id": "2", "role": "user", "name": "Bob", "time": "2026-01-02T03:05:00Z", "text": "Since noon." });
    let first = home.input("1.jsonl", line(json!([one])));
    home.run(["import", &first]).expect(0);
    let report = home.json(&["import", &home.input("2.jsonl", line(json!([one, two])))]).1;
    assert_eq!((&report["conversations"]["updated"], &report["messages"]), (&json!(1), &json!(2)));
    let report = home.json(&["import", &first]).1;
    assert_eq!(report["conversations"]["unchanged"], 1, "an older state moves nothing back");
    let shown = home.json(&["show", &home.id("Boat")]).1;
    assert_eq!((&shown["source"], shown["messages"].as_array().map(Vec::len)), (&json!("my-messenger"), Some(2)));
    assert_eq!(home.json(&["list", "tag:sea"]).1["conversations"][0]["title"], "Boat");
}

#[test]
fn damaged_pieces_are_named_and_the_rest_comes_in() {
    let home = Home::with_vault();
    home.run(["import", &home.input("archive.zip", two_states().0)]).expect(0);
    let (_, bytes) = exported(&home, &home.id("Cat"), "cat.jsonl");
    let lines: Vec<&str> = std::str::from_utf8(&bytes).expect("text").lines().collect();
    let without = |left_out: usize| {
        let kept = lines.iter().enumerate().filter(|(index, _)| *index != left_out).map(|(_, line)| *line);
        kept.collect::<Vec<_>>().join("\n")
    };
    assert!(lines[1].contains("original") && lines[3].contains("attachment"));
    for (left_out, place, reason) in [
        (1, "damaged.jsonl line 1", "a piece of the source's bytes is missing"),
        (3, "damaged.jsonl line 1, attachment 0", "cannot read the input: a piece of it is damaged or missing"),
    ] {
        let other = Home::with_vault();
        let report = other.json(&["import", &other.input("damaged.jsonl", without(left_out))]).1;
        assert_eq!(report["conversations"]["new"], 1);
        assert_eq!(
            (&report["problems"][0]["place"], &report["problems"][0]["reason"]),
            (&json!(place), &json!(reason))
        );
    }
}

#[test]
fn earlier_states_belong_to_originals() {
    let home = Home::with_vault();
    home.run(["import", &home.input("one.json", export(&[conversation("a", "Soup", &["salt?"])]))]).expect(0);
    home.run(["export", &home.id("Soup"), "--format", "jsonl", "--plaintext", "--earlier", "1", "-o", "x"]).refused(
        2,
        "error: --earlier goes with --format original\nhint: JSONL has every state of the source's bytes in it\n",
    );
}
