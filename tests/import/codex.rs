//! Traps of Codex logs that no small file shows, how they are told from others, and the published ones.

use std::path::{Path, PathBuf};

use convault::bundle::Bundle;
use convault::conversation::{Conversation, PartKind, Role, Visibility};
use convault::import::{MemberUse, by_name, detect};

use crate::bundles::zip;
use crate::reading::{Imported, import_with, read_as};

const META: &str = r#"{"timestamp":"2026-01-01T00:00:00.000Z","type":"session_meta","payload":{"id":"s","timestamp":"2026-01-01T00:00:00.000Z","cwd":"/tmp"}}"#;

fn read(content: impl AsRef<[u8]>) -> Imported {
    read_as("codex", "rollout.jsonl", content)
}

fn user(text: &str) -> String {
    item(&format!(r#"{{"type":"message","role":"user","content":[{{"type":"input_text","text":"{text}"}}]}}"#))
}

fn assistant(text: &str) -> String {
    item(&format!(r#"{{"type":"message","role":"assistant","content":[{{"type":"output_text","text":"{text}"}}]}}"#))
}

fn item(payload: &str) -> String {
    format!(r#"{{"timestamp":"2026-01-01T00:00:01.000Z","type":"response_item","payload":{payload}}}"#)
}

fn event(payload: &str) -> String {
    format!(r#"{{"timestamp":"2026-01-01T00:00:01.000Z","type":"event_msg","payload":{payload}}}"#)
}

fn log(lines: &[String]) -> String {
    [META].into_iter().chain(lines.iter().map(String::as_str)).fold(String::new(), |log, line| log + line + "\n")
}

/// Each message as its role, its texts, and whether it is in force and shown.
fn told(conversation: &Conversation) -> Vec<(Role, String, bool)> {
    let texts = |index: usize| {
        let parts = &conversation.messages[index].parts;
        parts.iter().map(|part| conversation.text_of(part)).collect::<Vec<_>>().join("|")
    };
    let messages = conversation.messages.iter().enumerate();
    messages
        .map(|(index, message)| {
            let role = conversation.participants[message.author as usize].role;
            (role, texts(index), !message.abandoned && message.visibility == Visibility::Shown)
        })
        .collect()
}

fn found(name: &str, content: &[u8]) -> Option<&'static str> {
    let bundle = Bundle::from_bytes(name, content.to_vec()).expect("bytes are a bundle");
    detect(&bundle).ok().map(|(format, _)| format.name())
}

#[test]
fn a_log_is_known_by_its_first_record() {
    let bare = "{\"id\":\"x\",\"timestamp\":\"2025-07-01T09:00:00Z\",\"instructions\":null}\n";
    let message = "{\"type\":\"message\",\"role\":\"user\",\"content\":[]}\n";
    let known = [
        META.to_owned(),
        format!("\u{feff}{META}"),
        format!("a torn line\n{META}\n"),
        "{\"payload\":{\"a\":\"}\"},\"ordinal\":0,\"type\":\"turn_context\"}".to_owned(),
        "{\"record_type\":\"state\"}\n".to_owned(),
        format!("{bare}{message}"),
        format!("{bare}{{\"record_type\":\"state\"}}\n{message}"),
        "{\"session\":{\"timestamp\":\"t\",\"id\":\"x\",\"instructions\":\"\"},\"items\":[]}".to_owned(),
        "{\n  \"items\": [],\n  \"session\": {\n    \"id\": \"x\",\n    \"timestamp\": \"t\"\n  }\n}".to_owned(),
        format!("{}{}", bare.replace("null", &format!("\"{}\"", "w".repeat(5_000))), message),
    ];
    for content in &known {
        assert_eq!(found("x", content.as_bytes()), Some("codex"), "{content}");
    }
}

#[test]
fn what_other_programs_write_too_is_not_claimed() {
    let others = [
        // Lines of a role and a text.
        "{\"timestamp\":\"t\",\"role\":\"user\",\"content\":\"x\"}\n".to_owned(),
        // The same with a record of Codex further down.
        format!("{{\"role\":\"user\",\"content\":\"x\"}}\n{META}\n"),
        // Claude Code, Copilot CLI, Gemini CLI, OpenAI messages.
        "{\"parentUuid\":null,\"sessionId\":\"s\",\"type\":\"user\",\"message\":{\"role\":\"user\"},\"uuid\":\"u\",\"timestamp\":\"t\"}".to_owned(),
        "{\"type\":\"session.start\",\"data\":{},\"id\":\"i\",\"timestamp\":\"t\",\"parentId\":null}".to_owned(),
        "{\"sessionId\":\"s\",\"projectHash\":\"p\",\"startTime\":\"t\",\"kind\":\"main\"}".to_owned(),
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}".to_owned(),
        // An event of somebody else in the same envelope.
        "{\"type\":\"order_placed\",\"timestamp\":\"t\",\"payload\":{\"id\":1}}".to_owned(),
        "{\"type\":\"session_meta\",\"data\":{}}".to_owned(),
        // A header and nothing that shows what follows.
        "{\"id\":\"x\",\"timestamp\":\"t\",\"instructions\":null}\n{\"id\":2}\n".to_owned(),
        "{\"session\":{\"id\":\"x\"},\"items\":[]}".to_owned(),
        "{\"text\":\"\\\"type\\\":\\\"session_meta\\\",\\\"payload\\\":{\"}".to_owned(),
    ];
    for content in &others {
        assert_ne!(found("rollout-2026.jsonl", content.as_bytes()), Some("codex"), "{content}");
    }
}

#[test]
fn every_member_of_a_home_is_told_by_content() {
    let log = log(&[user("x")]);
    let files = zip(&[
        (".codex/sessions/2026/01/01/rollout-a.jsonl", log.as_bytes()),
        (".codex/archived_sessions/any-name.txt", log.as_bytes()),
        (".codex/sessions/2026/01/01/rollout-b.jsonl.zst", b"\x28\xb5\x2f\xfd\x00"),
        (".codex/sessions/2026/01/01/rollout-c.jsonl", b"{\"role\":\"user\",\"content\":\"x\"}"),
        (".codex/sessions/2026/01/01/rollout-d.jsonl", b""),
        (".codex/state_5.sqlite", b"SQLite format 3\0"),
        (".codex/auth.json", b"{\"tokens\":{}}"),
        (".codex/notes.md", b"mine"),
    ]);
    let bundle = Bundle::from_bytes("home.zip", files).expect("a zip");
    let imported = import_with(by_name("codex").expect("registered"), &bundle).expect("no bomb");
    let uses: Vec<_> = bundle.members().iter().map(|member| member.file_name()).zip(&imported.context.uses).collect();
    let used = |name: &str| uses.iter().find(|(file, _)| *file == name).map(|(_, used)| (*used).clone());
    assert_eq!(used("rollout-a.jsonl"), Some(MemberUse::Conversations));
    assert_eq!(used("any-name.txt"), Some(MemberUse::Conversations));
    assert_eq!(used("rollout-b.jsonl.zst"), Some(MemberUse::Ignored("compressed session, not read yet")));
    assert_eq!(used("rollout-c.jsonl"), Some(MemberUse::Unknown));
    assert_eq!(used("rollout-d.jsonl"), Some(MemberUse::Ignored("empty")));
    assert_eq!(used("state_5.sqlite"), Some(MemberUse::Ignored("database of the program")));
    assert_eq!(used("auth.json"), Some(MemberUse::Ignored("login")));
    assert_eq!(used("notes.md"), Some(MemberUse::Unknown));
    let flags: Vec<_> = imported.conversations.iter().map(|conversation| conversation.flags.clone()).collect();
    assert_eq!(flags, [vec![], vec!["archived".to_owned()]]);
    assert_eq!(imported.originals, [log.as_bytes(), log.as_bytes()], "a unit is the file, byte for byte");
}

#[test]
fn a_log_that_grew_says_all_it_said_under_the_same_id() {
    let lines = [
        user("one"),
        item(r#"{"type":"reasoning","summary":[{"type":"summary_text","text":"think"}]}"#),
        assistant("first"),
        item(r#"{"type":"function_call","name":"shell","arguments":"{}","call_id":"c"}"#),
        item(r#"{"type":"function_call_output","call_id":"c","output":"done"}"#),
        assistant("second"),
    ];
    let whole = read(log(&lines));
    let whole = &whole.conversations[0];
    for count in 1..lines.len() {
        let shorter = read(log(&lines[..count]));
        let shorter = &shorter.conversations[0];
        assert_eq!((&shorter.native_id, &shorter.title), (&whole.native_id, &whole.title));
        for (before, after) in shorter.messages.iter().zip(&whole.messages) {
            assert!(before.id.is_some());
            assert_eq!((&before.id, before.parent, &before.time), (&after.id, after.parent, &after.time));
            let texts = |conversation: &Conversation, message: &convault::conversation::Message| {
                message.parts.iter().map(|part| conversation.text_of(part).to_owned()).collect::<Vec<_>>()
            };
            assert!(texts(whole, after).starts_with(&texts(shorter, before)), "a message only grows at its end");
        }
    }
    // Without any id the first line gives one, which stays too.
    let nameless = |lines: &[String]| {
        let text = lines.iter().fold(String::new(), |log, line| log + line + "\n");
        read(text).conversations[0].native_id.clone()
    };
    assert!(nameless(&lines).starts_with("derived:"));
    assert_eq!(nameless(&lines), nameless(&lines[..2]));
    assert_ne!(nameless(&lines), nameless(&lines[1..]));
}

#[test]
fn a_text_told_twice_comes_once_and_a_text_told_by_an_event_alone_stays() {
    let shown = |payload: &str| event(payload);
    let (said, answered) =
        (r#"{"type":"user_message","message":"hi"}"#, r#"{"type":"agent_message","message":" ho\n"}"#);
    let completed =
        r#"{"type":"item_completed","item":{"type":"UserMessage","content":[{"type":"text","text":"hi"}]}}"#;
    // Before or behind the item, in one kind of event or both.
    for lines in [
        vec![shown(said), user("hi"), shown(answered), assistant("ho")],
        vec![user("hi"), shown(said), shown(completed), assistant("ho"), shown(answered)],
        vec![shown(completed), shown(said), shown(answered)],
        vec![shown(said), shown(completed), shown(answered)],
    ] {
        let imported = read(log(&lines));
        let texts: Vec<_> =
            told(&imported.conversations[0]).into_iter().map(|(_, text, _)| text.trim().to_owned()).collect();
        assert_eq!(texts, ["hi", "ho"], "{lines:?}");
        let count = |what: &str| imported.notes.records.get(what).copied().unwrap_or(0);
        let events = lines.iter().filter(|line| line.contains("event_msg")).count() as u64;
        assert_eq!(count("repeats a response item") + count("told by an event alone"), events, "{lines:?}");
    }
    // The same words from two mouths are two texts, and a word said twice is said twice.
    let imported = read(log(&[user("ho"), shown(answered), shown(answered)]));
    assert_eq!(imported.messages(), 3);
}

#[test]
fn what_the_program_says_in_the_users_name_is_hidden() {
    let hidden = [
        "<environment_context>\\n<cwd>/x</cwd></environment_context>",
        "<user_instructions>x",
        "# AGENTS.md instructions for /x",
        "<turn_aborted>x",
        "<skill>x",
        "<permissions instructions>x",
        "\\n <user_action>x",
    ];
    for text in hidden {
        let imported = read(log(&[user(text), user("said")]));
        let shown: Vec<_> = told(&imported.conversations[0]).into_iter().map(|(_, _, shown)| shown).collect();
        assert_eq!(shown, [false, true], "{text}");
        assert_eq!(imported.conversations[0].title.as_deref(), Some("said"));
    }
    // A word of the user's beside it makes the message the user's.
    let both = r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"<skill>x"},{"type":"input_text","text":"said"}]}"#;
    assert!(told(&read(log(&[item(both)])).conversations[0])[0].2);
    let asked = read(log(&[user("what is <environment_context>?")]));
    assert!(told(&asked.conversations[0])[0].2);
}

#[test]
fn turns_are_taken_back_and_never_more_than_there_are() {
    let back = |turns: u64| event(&format!(r#"{{"type":"thread_rolled_back","num_turns":{turns}}}"#));
    let lines = [user("a"), assistant("b"), user("c"), back(1), user("d"), back(2), user("e"), back(9), user("f")];
    let imported = read(log(&lines));
    let conversation = &imported.conversations[0];
    let live: Vec<_> = told(conversation).into_iter().filter(|(_, _, live)| *live).map(|(_, text, _)| text).collect();
    assert_eq!(live, ["f"]);
    let parents: Vec<_> = conversation.messages.iter().map(|message| message.parent).collect();
    assert_eq!(parents, [None, Some(0), Some(1), Some(1), None, None]);
}

#[test]
fn nesting_of_any_depth_costs_nothing() {
    let deep = format!("{}7{}", "[".repeat(100_000), "]".repeat(100_000));
    let lines = [
        item(&format!(r#"{{"type":"function_call","name":"f","call_id":"c","arguments":{deep},"twig":{deep}}}"#)),
        item(&format!(r#"{{"type":"function_call_output","call_id":"c","output":{{"a":{deep}}}}}"#)),
        item(&format!(r#"{{"type":"message","role":"user","content":{deep}}}"#)),
        item(&format!(r#"{{"type":"message","role":"assistant","content":[{{"type":"leaf","on":{deep}}}]}}"#)),
        format!(r#"{{"type":"weather","payload":{{"rain":{deep}}}}}"#),
        event(&format!(r#"{{"type":"song_played","tune":{deep}}}"#)),
        format!(r#"{{"type":"compacted","payload":{{"message":"m","replacement_history":[{deep}]}}}}"#),
    ];
    let imported = read(log(&lines));
    assert_eq!(imported.reasons(), []);
    let texts: Vec<_> = told(&imported.conversations[0]).into_iter().map(|(_, text, _)| text).collect();
    assert_eq!(texts[0], deep);
    assert_eq!(texts[1], format!("{{\"a\":{deep}}}"));
    assert!(texts[2].starts_with("[[["));
    assert_eq!(texts[3], format!("{{\"type\":\"leaf\",\"on\":{deep}}}"));
}

#[test]
fn a_log_of_a_hundred_thousand_turns_is_read() {
    let mut lines = Vec::new();
    for n in 0..100_000 {
        lines.push(user(&n.to_string()));
        lines.push(item(&format!(
            r#"{{"type":"function_call_output","call_id":"{n}","name":"tool {n}","output":"x"}}"#
        )));
        lines.push(event(r#"{"type":"thread_rolled_back","num_turns":1}"#));
    }
    let imported = read(log(&lines));
    let conversation = &imported.conversations[0];
    assert_eq!((conversation.messages.len(), conversation.participants.len()), (200_000, 100_001));
    assert!(conversation.messages.iter().all(|message| message.abandoned));
}

#[test]
fn steps_without_a_message_fill_several() {
    let lines: Vec<String> = (0..2_500)
        .map(|n| item(&format!(r#"{{"type":"function_call","name":"f","call_id":"{n}","arguments":"{{}}"}}"#)))
        .collect();
    let imported = read(log(&lines));
    let parts: Vec<usize> = imported.conversations[0].messages.iter().map(|message| message.parts.len()).collect();
    assert_eq!(parts, [1_000, 1_000, 500]);
}

#[test]
fn a_log_cut_at_any_byte_is_read_as_far_as_it_goes() {
    for name in ["tools-and-pictures.jsonl", "mirrored-events.jsonl", "ordinal-2026.jsonl", "document-2025.json"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/codex").join(name);
        let whole = std::fs::read(path).expect("readable");
        let whole_count = read_as("codex", name, &whole).messages();
        for end in 0..whole.len() {
            let cut = read_as("codex", name, &whole[..end]);
            assert!(cut.messages() <= whole_count, "{name} cut at {end}");
            if name.ends_with(".jsonl") {
                assert_eq!(cut.reasons(), [], "{name} cut at {end}: a last line that stops is no damage");
            }
        }
    }
}

#[test]
fn bad_lines_are_named_up_to_a_hundred() {
    let lines: Vec<String> = (0..1_000).map(|n| format!("bad {n}")).collect();
    let imported = read(log(&[vec![user("x")], lines].concat()));
    assert_eq!(imported.problems.len(), 101);
    assert_eq!(imported.reasons()[0], ("rollout.jsonl line 3", "not valid JSON at column 1"));
    assert_eq!(imported.reasons()[100], ("rollout.jsonl", "900 more lines are no records"));
    assert_eq!(imported.messages(), 1);
}

#[test]
fn nothing_said_is_empty_and_nothing_read_is_a_problem() {
    for content in ["", "\n\n", META, &log(&[event(r#"{"type":"token_count","info":null}"#)])] {
        assert_eq!(read(content).empty, ["session without a message"], "{content}");
    }
    assert_eq!(read("dear diary\n").reasons(), [("rollout.jsonl line 1", "not valid JSON at column 1")]);
    assert_eq!(read("[1]\n").reasons(), [("rollout.jsonl line 1", "not a JSON object")]);
}

fn fixtures() -> Option<(PathBuf, Vec<Vec<String>>)> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/fixtures"));
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.tsv")).ok()?;
    let rows = manifest.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    Some((folder.to_owned(), rows.filter(|row| row[1] == "codex").collect()))
}

#[test]
fn every_published_codex_file_has_the_count_of_its_manifest() {
    let Some((folder, rows)) = fixtures() else { return };
    assert!(!rows.is_empty());
    for row in rows {
        let file = &row[0];
        let bundle = Bundle::open_path(&folder.join(file)).expect("the file can be read");
        // These begin with a line of a role and a text, which many programs write: they are read when asked for.
        let is_bare = ["session_branch", "session_simple", "session_toolcall", "schema_drift"]
            .iter()
            .any(|name| file.contains(name));
        let claimed = detect(&bundle).is_ok_and(|(format, _)| format.name() == "codex");
        assert_eq!(claimed, !is_bare, "{file}");
        let imported = import_with(by_name("codex").expect("registered"), &bundle).expect("no bomb");
        assert_eq!(imported.reasons(), [], "{file}");
        if row[7] == "0" {
            // The manifest counts the file; nothing in it is said by anyone.
            assert_eq!(
                (imported.conversations.len(), &imported.empty[..]),
                (0, &["session without a message"][..]),
                "{file}"
            );
            continue;
        }
        assert_eq!(imported.conversations.len().to_string(), row[6], "{file}");
        let conversation = &imported.conversations[0];
        // The manifest counts items of the kind `message`. Beside them stand here: tools' answers, steps of the
        // model that no message follows, texts of the program, messages between agents, and what only an
        // event tells.
        let counted = conversation.messages.iter().filter(|message| {
            let author = &conversation.participants[message.author as usize];
            let native = author.native_role.as_deref();
            let is_program = author.role == Role::System && native != Some("developer");
            let is_agent = author.name.is_some();
            let speaks = message.parts.is_empty() || message.parts.iter().any(|part| part.kind == PartKind::Text);
            speaks && !is_program && !is_agent && matches!(author.role, Role::User | Role::Assistant | Role::System)
        });
        let alone = imported.notes.records.get("told by an event alone").copied().unwrap_or(0);
        assert_eq!((counted.count() as u64 - alone).to_string(), row[7], "{file}");
        assert!(!conversation.native_id.is_empty());
    }
}

#[test]
fn the_published_records_of_every_kind_are_all_known() {
    let Some((folder, _)) = fixtures() else { return };
    let bundle = Bundle::open_path(&folder.join("codex/stage0/small.jsonl")).expect("readable");
    let imported = import_with(by_name("codex").expect("registered"), &bundle).expect("no bomb");
    assert_eq!(imported.unknown(), []);
    assert_eq!(imported.notes.records.get("repeated header"), Some(&6));
}
