//! Zips and folders: shards, assets by every name an export gives them, and attachments that are absent.

use std::fs;

use serde_json::{Value, json};

use crate::exports::{conversation, conversation_of, export, zip};
use crate::home::{Home, contains};

/// A picture's bytes: enough to be recognised in a file that should not have them.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n picture bytes that are searched for \x00\x01\x02";

fn image(pointer: &str) -> Value {
    json!({
        "content_type": "multimodal_text",
        "parts": [{ "content_type": "image_asset_pointer", "asset_pointer": pointer, "size_bytes": PICTURE.len() }, "a gull"],
    })
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let first = export(&[
        conversation_of("a", "Gulls", &[image("file-service://file-AAAA1111")]),
        conversation("b", "Soup", &["salt?"]),
    ]);
    let second = export(&[
        conversation_of("c", "Boats", &[image("sediment://file_bbbb2222")]),
        conversation_of("d", "Lost", &[image("file-service://file-GONE0000")]),
    ]);
    let names = json!({ "file-AAAA1111.dat": "gull at noon.png" }).to_string();
    vec![
        ("conversations-000.json", first.into_bytes()),
        ("conversations-001.json", second.into_bytes()),
        ("conversation_asset_file_names.json", names.into_bytes()),
        ("file-AAAA1111.dat", PICTURE.to_vec()),
        ("file_bbbb2222-sanitized.png", PICTURE.repeat(3)),
        ("user.json", br#"{"id":"user-1","email":"someone@example.org"}"#.to_vec()),
        ("chat.html", b"<html></html>".to_vec()),
        ("strange.xyz", b"?".to_vec()),
    ]
}

fn expected(input: &str) -> String {
    format!(
        "{input} (chatgpt)\n  4 new, 0 updated, 0 unchanged; 4 messages, 2 attachments\n\
        \x20 by file:\n\
        \x20   conversations-000.json: 2 new, 0 updated, 0 unchanged; 2 messages\n\
        \x20   conversations-001.json: 2 new, 0 updated, 0 unchanged; 2 messages\n\
        \x20 1 attachment is named in the conversations, and not in the input: only their names are kept\n"
    )
}

#[test]
fn a_zip_of_shards_comes_in_with_its_files() {
    let home = Home::with_vault();
    let files = files();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    // The name says nothing: content decides.
    let input = home.input("download.bin", zip(&files));
    let run = home.run(["import", &input]).expect(0);
    let text = home.masked(&run.text());
    assert!(text.starts_with(&expected("TEST/in/download.bin")), "{text}");
    let (_, left_out) = text.split_once("  left out of the input:\n").expect("a list");
    assert!(left_out.contains("    1 file .xyz that this format does not know\n"), "{left_out}");
    assert!(!text.contains("strange") && !text.contains("gull at noon"), "{text}");

    let shown = home.run(["show", &home.id("Gulls")]).expect(0).text();
    assert!(shown.contains("[attachment: gull at noon.png, in the vault]"), "{shown}");
    let shown = home.run(["show", &home.id("Boats")]).expect(0).text();
    assert!(shown.contains(", in the vault]"), "{shown}");
    let shown = home.run(["show", &home.id("Lost")]).expect(0).text();
    assert!(shown.contains("[attachment: file-GONE0000, not in the export]"), "{shown}");
    let (_, show) = home.json(&["show", &home.id("Gulls")]);
    assert_eq!(
        (&show["attachments"][0]["name"], &show["attachments"][0]["size"]),
        (&json!("gull at noon.png"), &json!(PICTURE.len()))
    );
    assert_eq!(home.json(&["list", "has:attachment"]).1["total"], 3);
    assert_eq!(home.json(&["status"]).1["attachments"], 3);

    // The same as an unpacked folder, after a turn of the shards' numbers: nothing is new.
    for (name, bytes) in &files {
        let name = name.replace("-000", "-009").replace("-001", "-000").replace("-009", "-001");
        home.input(&format!("unpacked/{name}"), bytes);
    }
    let (code, document) = home.json(&["import", "unpacked"]);
    assert_eq!((code, &document["conversations"]["unchanged"]), (0, &json!(4)), "{document}");
    home.run(["check", "--quiet"]).expect(0);
    for path in home.files() {
        assert!(!contains(&fs::read(&path).expect("readable"), &PICTURE[8..40]), "{}", path.display());
    }
}

#[test]
fn a_damaged_or_hostile_zip_stores_nothing() {
    let home = Home::with_vault();
    let files = files();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    let whole = zip(&files);
    let cut = home.input("cut.zip", &whole[..whole.len() - 40]);
    let run = home.run(["import", &cut]).expect(1);
    assert!(run.stderr.starts_with("error: TEST/in/cut.zip: cannot read the zip"), "{}", run.stderr);
    let mut twice = zip(&[("x.json", b"[]"), ("y.json", b"[]")]);
    while let Some(at) = twice.windows(6).position(|window| window == b"y.json") {
        twice[at] = b'x';
    }
    let twice = home.input("twice.zip", twice);
    let run = home.run(["import", &twice]).expect(1);
    assert_eq!(run.stderr, "error: TEST/in/twice.zip: refused: the zip names a file twice\n");
    assert_eq!(home.json(&["list"]).1["total"], 0);
}
