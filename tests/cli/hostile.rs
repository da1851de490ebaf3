//! Transcripts as an enemy would write them: nothing that acts on a terminal, and nothing in the clear on disk.

use std::fs;

use serde_json::{Value, json};

use crate::exports::{conversation, conversation_of, export, zip};
use crate::home::{Home, Run, contains};

/// Clears a screen, sets a title, writes the clipboard, links elsewhere, reorders, hides.
const HOSTILE: &str = "a\u{1b}[2J\u{1b}]0;owned\u{7}\u{1b}]52;c;aGk=\u{7}\u{1b}]8;;http://evil\u{1b}\\b\u{9b}31m\u{9d}0;x\u{9c}\r\u{8}\u{7f}\u{202e}c\u{2066}d\u{200b}e\u{feff}f\u{e0041}g\u{0}";

/// Fails when a character that acts or hides is among what was said.
#[track_caller]
fn assert_inert(run: &Run) {
    let all = format!("{}{}", String::from_utf8(run.stdout.clone()).expect("text"), run.stderr);
    let acts = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    let found: Vec<char> = all.chars().filter(|&c| acts(c)).collect();
    assert!(found.is_empty(), "{found:?} in {all:?}");
}

#[test]
fn no_archived_character_reaches_the_output_raw() {
    let home = Home::with_vault();
    let mut thinking = conversation(&format!("h{HOSTILE}"), HOSTILE, &[HOSTILE, &format!("needle {HOSTILE} after")]);
    thinking["default_model_slug"] = json!(HOSTILE);
    thinking["gizmo_id"] = json!(format!("g-p-{HOSTILE}"));
    let parts = [
        json!({ "content_type": "code", "language": HOSTILE, "text": HOSTILE }),
        json!({ "content_type": HOSTILE, HOSTILE: HOSTILE }),
        json!({ "content_type": "multimodal_text", "parts": [{ "content_type": "image_asset_pointer", "asset_pointer": format!("file-service://file-{HOSTILE}") }] }),
    ];
    let mut strange = conversation_of("s", &format!("strange {HOSTILE}"), &parts);
    strange[HOSTILE] = json!(1);
    for node in strange["mapping"].as_object_mut().expect("nodes").values_mut() {
        if node["message"].is_object() {
            node["message"]["author"]["name"] = json!(HOSTILE);
            node["message"]["metadata"] = json!({ "attachments": [{ "id": HOSTILE, "name": HOSTILE }] });
        }
    }
    let inner = "conversations-000.json";
    let names: Vec<(String, Vec<u8>)> = vec![
        (inner.to_owned(), export(&[thinking, strange, json!({ "title": HOSTILE })]).into_bytes()),
        (format!("x{}.e\u{1b}[31mt", HOSTILE.replace(['\0', '/'], "")), b"?".to_vec()),
    ];
    let files: Vec<(&str, &[u8])> = names.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let file_name = format!("evil{}.zip", HOSTILE.replace(['\0', '/'], ""));
    let input = home.input(&file_name, zip(&files));
    let words = home.input(&format!("words{}.txt", HOSTILE.replace(['\0', '/'], "")), "words");

    let import = home.run(["import", &input]).expect(3);
    assert!(import.text().contains("2 new, 0 updated, 0 unchanged, 1 skipped"), "{}", import.text());
    assert_inert(&import);
    home.run(["import", "--format", "opaque", &words]).expect(0);
    let ids: Vec<String> = home.json(&["list"]).1["conversations"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["id"].as_str().expect("text").to_owned())
        .collect();
    assert_eq!(ids.len(), 3);
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["list"],
        vec!["search", "needle"],
        vec!["search", "--all", "~a"],
        vec!["status"],
        vec!["import", &words],
        vec!["import", &input, &words],
        vec!["import", "--check", &input],
        vec!["show", HOSTILE_ARGUMENT],
        vec!["list", HOSTILE_ARGUMENT],
        vec!["list", "--limit", HOSTILE_ARGUMENT],
        vec![HOSTILE_ARGUMENT],
        vec!["--vault", HOSTILE_ARGUMENT, "list"],
        vec!["--vault", HOSTILE_ARGUMENT, "doctor"],
        vec!["man", HOSTILE_ARGUMENT],
        vec!["init", "--anchor", HOSTILE_ARGUMENT],
        vec!["tag", "source:chatgpt", "--add", HOSTILE_ARGUMENT],
        vec!["export", &ids[0], "--format", "original", "--plaintext", "-o", HOSTILE_ARGUMENT],
    ];
    commands.extend(ids.iter().map(|id| vec!["show", id, "--all"]));
    for mut arguments in commands {
        assert_inert(&home.run(&arguments));
        if ["list", "show", "search", "import"].contains(&arguments[0]) {
            arguments.push("--json");
            assert_inert(&home.run(&arguments));
        }
    }
    // JSON carries the characters all the same.
    let (_, list) = home.json(&["list"]);
    let titles: Vec<&Value> =
        list["conversations"].as_array().expect("a list").iter().map(|one| &one["title"]).collect();
    assert!(titles.contains(&&json!(HOSTILE)), "{titles:?}");
}

/// What a shell's pattern could put among the arguments.
const HOSTILE_ARGUMENT: &str = "x\u{1b}[2J\u{1b}]52;c;aGk=\u{7}\u{202e}\u{9b}31m\u{200b}";

#[test]
fn nothing_that_was_said_is_in_any_file_afterwards() {
    let home = Home::new();
    let (title, text, tag) = ("quokkatitle", "quokkatext quokkaagain", "quokkatag");
    let anchor = format!("file:{}", home.path("home/anchor").display());
    home.run(["init", "--unlock-cost", "minimum", "--anchor", &anchor]).expect(0);
    let picture = b"quokkabytes in a file".as_slice();
    let image = json!({ "content_type": "multimodal_text", "parts": [{ "content_type": "image_asset_pointer", "asset_pointer": "file-service://file-C1" }] });
    let export = export(&[conversation(title, title, &[text]), conversation_of("b", title, &[image])]);
    let input = home.input(
        "quokkaname.zip",
        zip(&[("conversations.json", export.as_bytes()), ("file-C1-quokkafile.png", picture)]),
    );
    home.run(["import", &input, "--tag", tag]).expect(0);
    home.run(["import", "--format", "opaque", &input]).expect(0);
    let (_, list) = home.json(&["list", "source:chatgpt"]);
    let id = list["conversations"][0]["id"].as_str().expect("text").to_owned();
    home.run(["show", &id]).expect(0);
    home.run(["search", "quokkaagain"]).expect(0);
    home.run(["tag", "source:chatgpt", "--remove", tag, "--add", "quokkatwo"]).expect(0);
    home.run(["import", &input]).expect(0);
    let new = home.secret("new", "quokkapassword");
    home.run(["credential", "passwd", "--new-password-file", &new, "--unlock-cost", "minimum"]).expect(0);
    home.run(["status", "--password-file", &new]).expect(0);
    home.run(["list"]).expect(12);
    home.run(["check", "--quiet", "--password-file", &new]).expect(0);
    let files = home.files();
    let names: Vec<_> = files.iter().map(|path| path.file_name().expect("a name").to_string_lossy()).collect();
    // Beside these the state of what this machine has seen, which is called after the vault's id.
    let states = names.iter().filter(|name| name.len() == 37 && name.ends_with(".json")).count();
    assert_eq!(states, 1);
    let names: Vec<_> = names.into_iter().filter(|name| !name.ends_with(".json")).collect();
    assert_eq!(
        names,
        [
            "vault.db",
            "vault.db-journal",
            "vault.db.ballast",
            "vault.db.lock",
            "anchor",
            "anchor.keyring0",
            "anchor.keyring1"
        ]
    );
    for path in &files {
        let bytes = fs::read(path).expect("readable");
        for word in ["quokka", "chatgpt", "correct horse"] {
            let wide: Vec<u8> = word.bytes().flat_map(|byte| [byte, 0]).collect();
            assert!(!contains(&bytes, word.as_bytes()) && !contains(&bytes, &wide), "{word} in {}", path.display());
        }
    }
    let journal = fs::read(&files[1]).expect("readable");
    assert!(journal.iter().all(|&byte| byte == 0), "the journal is zeroed");
}
