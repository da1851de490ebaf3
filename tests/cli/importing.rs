//! Importing: the same again, newer, older, in part, not at all.

use std::fs;

use serde_json::{Value, json};

use crate::exports::{conversation, conversation_of, export};
use crate::home::{Home, SAMPLE};

/// Stands in titles and texts that must never be in a report.
const CANARY: &str = "canarytext";

fn counts(document: &Value) -> [u64; 4] {
    ["new", "updated", "unchanged", "skipped"].map(|name| document["conversations"][name].as_u64().expect("a number"))
}

#[test]
fn a_newer_export_adds_what_is_new_and_an_older_one_changes_nothing() {
    let home = Home::with_vault();
    let march = export(&[conversation("a", "Soup", &["salt?"]), conversation("b", "Nails", &["long ones"])]);
    let april = export(&[
        conversation("b", "Nails", &["long ones", "the longest"]),
        conversation("c", "Paint", &["green"]),
        conversation("a", "Soup", &["salt?"]),
    ]);
    let march = home.input("march.json", march);
    let april = home.input("april.json", april);
    assert_eq!(counts(&home.json(&["import", &march]).1), [2, 0, 0, 0]);
    assert_eq!(counts(&home.json(&["import", &march]).1), [0, 0, 2, 0]);
    home.run(["import", &april]).said(
        &home,
        0,
        "TEST/in/april.json (chatgpt)\n  1 new, 1 updated, 1 unchanged; 3 messages\n",
        "",
    );
    let id = home.id("Nails");
    let shown = home.run(["show", &id]).expect(0).text();
    assert!(shown.contains("the longest"), "{shown}");
    // An older export never moves a conversation backwards.
    assert_eq!(counts(&home.json(&["import", &march]).1), [0, 0, 2, 0]);
    assert_eq!(home.run(["show", &id]).expect(0).text(), shown);
    assert_eq!(home.json(&["list"]).1["total"], 3);
    assert_eq!(home.json(&["status"]).1["superseded"], 1);
    home.run(["check", "--quiet"]).expect(0);
}

#[test]
fn messages_a_newer_export_lacks_are_kept() {
    let home = Home::with_vault();
    let long = home.input("long.json", export(&[conversation("a", "Soup", &["salt?", "more", "enough"])]));
    let mut short = conversation("a", "Soup", &["salt?"]);
    short["update_time"] = json!(1_800_000_000);
    let short = home.input("short.json", export(&[short]));
    home.run(["import", &long]).expect(0);
    home.run(["import", &short]).said(
        &home,
        0,
        "TEST/in/short.json (chatgpt)\n  0 new, 1 updated, 0 unchanged; 3 messages\n\
        \x20 kept 2 messages that the newer export no longer has (show --all and search --all)\n",
        "",
    );
    let shown = home.run(["show", &home.id("Soup"), "--all"]).expect(0).text();
    assert!(shown.contains("gone from a later export") && shown.contains("enough"), "{shown}");
}

#[test]
fn the_earlier_text_of_edited_messages_is_kept_and_told() {
    let home = Home::with_vault();
    let first = home.input("first.json", export(&[conversation("a", "Soup", &["salt?", "a little"])]));
    let mut edited = conversation("a", "Soup", &["salt?", "none at all"]);
    edited["update_time"] = json!(1_800_000_000);
    let edited = home.input("edited.json", export(&[edited]));
    home.run(["import", &first]).expect(0);
    home.run(["import", &edited]).said(
        &home,
        0,
        "TEST/in/edited.json (chatgpt)\n  0 new, 1 updated, 0 unchanged; 2 messages\n\
        \x20 kept the earlier text of 1 message that the newer export changed (export --earlier)\n",
        "",
    );
    assert_eq!(home.json(&["import", &edited]).1["inputs"][0]["edited_messages"], 0);
}

#[test]
fn a_check_needs_no_vault_and_writes_nothing() {
    let home = Home::new();
    let input = home.input("a.json", export(&[conversation("a", CANARY, &[CANARY])]));
    let run = home.finish(home.bare(["import", "--check", "--no-input", &input]));
    run.said(&home, 0, "TEST/in/a.json (chatgpt)\n  read 1 conversation; 1 message; nothing was stored\n", "");
    let run = home.finish(home.bare(["import", "--check", "--json", &input])).expect(0);
    let document: Value = serde_json::from_slice(&run.stdout).expect("json");
    assert_eq!((&document["stored"], &document["conversations"]["readable"]), (&json!(false), &json!(1)));
    assert_eq!(home.files(), [] as [std::path::PathBuf; 0]);
}

#[test]
fn a_partial_read_is_named_by_place_and_never_by_content() {
    let home = Home::with_vault();
    let whole = conversation("a", "Soup", &["salt?"]).to_string();
    let bare = json!({ "id": "b", "title": CANARY, "note": CANARY }).to_string();
    let strange = conversation_of(
        "c",
        "Strange",
        &[json!({ "content_type": "hologram", "beam": CANARY }), json!({ "content_type": "text", "parts": ["ok"] })],
    );
    let broken = format!("{{\"id\":\"d\",\"title\":\"{CANARY}\",\"mapping\":{{\"x\":{{{CANARY}}}}}}}");
    let input = home.input("mixed.json", format!("[{whole},\n{bare},\n{strange},\n{broken},\n{{\"id\":\"{CANARY}"));
    let run = home.run(["import", &input]).expect(3);
    let text = home.masked(&run.text());
    assert!(
        text.starts_with(
            "TEST/in/mixed.json (chatgpt)\n  2 new, 0 updated, 0 unchanged, 3 skipped; 3 messages\n  not read:\n"
        ),
        "{text}"
    );
    for place in ["    mixed.json[1]: ", "    mixed.json[3]: "] {
        assert!(text.contains(place), "{place} in {text}");
    }
    assert!(text.contains("the file ends too early"), "{text}");
    assert!(text.contains("  kept without being understood:\n    "), "{text}");
    assert!(!text.contains(CANARY) && !run.stderr.contains(CANARY), "{text}{}", run.stderr);

    let (code, document) = home.json(&["import", &input]);
    assert_eq!((code, counts(&document)), (3, [0, 0, 2, 3]));
    let problems = document["problems"].as_array().expect("a list");
    assert_eq!(problems.len(), 3);
    assert!(problems.iter().all(|one| one["input"] == input.as_str() && one["reason"].is_string()), "{problems:?}");
    assert!(!document.to_string().contains(CANARY));
    // What could not be understood is kept all the same.
    let shown = home.run(["show", &home.id("Strange")]).expect(0).text();
    assert!(shown.contains("[hologram, not understood by this version]") && shown.contains(CANARY), "{shown}");
}

#[test]
fn what_no_format_reads_is_refused_unless_it_is_kept_as_it_is() {
    let home = Home::with_vault();
    let bytes = b"\x00\xff not a known thing \r\n".repeat(1000);
    let input = home.input("thing.bin", &bytes);
    home.run(["import", &input]).refused(
        1,
        "error: TEST/in/thing.bin: cannot tell the format: nothing here looks like a known export\n\
         hint: --format opaque keeps the file sealed as it is\n",
    );
    // Where another format is asked for, its reasons are named.
    let run = home.run(["import", "--format", "chatgpt", &input]);
    assert_eq!(run.code, Some(3), "{}{}", run.text(), run.stderr);
    assert_eq!(home.json(&["list"]).1["total"], 0);

    let (code, document) = home.json(&["import", "--format", "opaque", "--tag", "odd", &input]);
    assert_eq!((code, counts(&document), &document["attachments"]), (0, [1, 0, 0, 0], &json!(1)));
    assert_eq!(counts(&home.json(&["import", "--format", "opaque", &input]).1), [0, 0, 1, 0]);
    let id = home.id("thing.bin");
    let out = home.path("out/thing.bin");
    home.run(["export", &id, "--format", "original", "--plaintext", "-o", out.to_str().expect("text")]).expect(0);
    assert_eq!(fs::read(out).expect("written"), bytes);
    assert_eq!(home.json(&["list", "kind:opaque", "tag:odd", "has:attachment"]).1["total"], 1);
    let run = home.run(["import", "--format", "nonsense", &input]).expect(2);
    let words: Vec<_> = convault::import::FORMATS.iter().map(|format| format.name()).collect();
    let stderr = run.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(stderr.contains(&format!("[possible values: {}]", words.join(", "))), "{stderr}");
}

#[test]
fn one_bad_input_among_several_is_named_and_the_others_come_in() {
    let home = Home::with_vault();
    let good = home.input("good.json", export(&[conversation("a", "Soup", &["salt?"])]));
    let bad = home.input("bad.txt", "just words");
    home.run(["import", &good, &bad, "absent.json", SAMPLE]).said(
        &home,
        3,
        &format!(
            "TEST/in/good.json (chatgpt)\n  1 new, 0 updated, 0 unchanged; 1 message\n\
             {SAMPLE} (chatgpt)\n  4 new, 0 updated, 0 unchanged; 30 messages\n\
             TEST/in/bad.txt\n  not imported: TEST/in/bad.txt: cannot tell the format: nothing here looks like a known export\n\
            \x20 hint: --format opaque keeps the file sealed as it is\n\
             absent.json\n  not imported: absent.json: cannot read the input: No such file or directory (os error 2)\n"
        ),
        "",
    );
    assert_eq!(home.json(&["list"]).1["total"], 5);
    // Nothing at all came in: that is a failure, not a part.
    home.run(["import", &bad, "absent.json"]).expect(1);
    home.run(["import", "absent.json"])
        .refused(1, "error: absent.json: cannot read the input: No such file or directory (os error 2)\n");
}

#[test]
fn pipes_devices_and_folders_without_an_export_are_refused() {
    let home = Home::with_vault();
    home.run(["import", "/dev/null"]).refused(1, "error: /dev/null: cannot read the input: not a file or a folder\n");
    let empty = home.path("in/empty");
    fs::create_dir(&empty).expect("made");
    home.run(["import", "empty"]).refused(
        1,
        "error: empty: cannot tell the format: nothing here looks like a known export\n\
         hint: --format opaque keeps the file sealed as it is\n",
    );
    home.run(["import"]).expect(2);
}

#[test]
fn tags_that_cannot_be_typed_back_are_refused_before_anything_is_stored() {
    let home = Home::with_vault();
    let run = home.run(["import", SAMPLE, "--tag", "two words"]).expect(2);
    assert!(run.stderr.starts_with("error: not a tag name: "), "{}", run.stderr);
    assert_eq!(home.json(&["list"]).1["total"], 0);
}

#[test]
fn a_damaged_stored_conversation_does_not_keep_the_others_out() {
    let home = Home::with_vault();
    let first = home.input("first.json", export(&[conversation("a", "Soup", &["salt?"])]));
    home.run(["import", &first]).expect(0);
    let plain = rusqlite::Connection::open(home.vault()).expect("opens");
    plain.execute("UPDATE body SET bytes = zeroblob(length(bytes))", []).expect("damaged");
    drop(plain);
    let next = [conversation("a", "Soup", &["salt?", "more"]), conversation("b", "Nails", &["long ones"])];
    let (code, document) = home.json(&["import", &home.input("next.json", export(&next))]);
    assert_eq!((code, counts(&document)), (3, [1, 0, 0, 1]));
    let reason = document["problems"][0]["reason"].as_str().expect("text");
    assert!(reason.starts_with("the stored state cannot be read: "), "{reason}");
}
