//! Traps of Claude.ai exports that no small file shows: depth, length, order, neighbours; and published files.

use std::collections::BTreeMap;
use std::path::Path;

use convault::bundle::Bundle;
use convault::conversation::{PartKind, Role, Visibility};
use convault::import::{Context, MemberUse, Unit, by_name, detect};

use crate::bundles::zip;
use crate::reading::{Imported, import_with, parts, read_as};

fn claude(json: impl AsRef<[u8]>) -> Imported {
    read_as("claude", "conversations.json", json)
}

fn found(json: &str) -> Option<&'static str> {
    let bundle = Bundle::from_bytes("conversations.json", json.as_bytes().to_vec()).expect("bytes are a bundle");
    detect(&bundle).ok().map(|(format, _)| format.name())
}

const CHAT: &str = r#"[{"uuid":"1","name":"n","chat_messages":[{"uuid":"2","sender":"human","text":"x"}]}]"#;
const CHATGPT: &str = r#"[{"id":"g","mapping":{},"current_node":null}]"#;

#[test]
fn content_decides_and_rivals_are_left_alone() {
    for ours in [
        CHAT,
        &CHAT[1..CHAT.len() - 1],
        r#"[{"chat_messages":[{"uuid":"2","sender":"human"}],"uuid":"1"}]"#,
        r#"{"conversations":[{"uuid":"1","chat_messages":[]}]}"#,
        r#"[{"uuid":"1","name":"p","docs":[],"prompt_template":""}]"#,
        r#"{"uuid":"1","name":"p","docs":[],"is_private":true}"#,
        r#"[{"conversations_memory":"m","account_uuid":"a"}]"#,
        r#"{"uuid":"1","title":"d","messages":[{"uuid":"2","role":"user","content":{"authorAccountUuid":"a"}}]}"#,
    ] {
        assert_eq!(found(ours), Some("claude"), "{ours}");
    }
    for other in [
        CHATGPT,
        r#"{"invalid":"This is not a conversation"}"#,
        r#"[{"title":"t","conversation_id":"c","chat_messages":[{"text":"a"}]}]"#,
        r#"{"code":0,"data":{"biz_data":{"chat_messages":[{"message_id":1}]}}}"#,
        r#"{"messages":[{"role":"user","content":"x"}]}"#,
        r#"{"conversations":[{"conversation":{"id":"1"},"responses":[]}]}"#,
        r#"{"type":"user","uuid":"1","sessionId":"s","message":{"role":"user","content":"x"}}"#,
        r#"[{"uuid":"1","full_name":"A","email_address":"a@example.invalid"}]"#,
        r#"{"uuid":"1","docs":[]}"#,
    ] {
        assert_ne!(found(other), Some("claude"), "{other}");
    }
}

#[test]
fn strangers_in_the_folder_stay_strangers() {
    let bytes = zip(&[
        ("claude/conversations.json", CHAT.as_bytes()),
        ("claude/conversations-000.json", b"[]"),
        ("claude/users.json", br#"[{"uuid":"a","full_name":"A","email_address":"a@example.invalid"}]"#),
        ("openai/conversations.json", CHATGPT.as_bytes()),
        ("slack/users.json", br#"[{"id":"U1","name":"a","profile":{"email":"x"}}]"#),
        ("artifacts/1/artifact.json", br#"{"owner_account":"a","versions":[{"id":"v"}]}"#),
        ("artifacts/1/versions/v.html", b"<html>"),
    ]);
    let bundle = Bundle::from_bytes("x.zip", bytes).expect("a zip");
    let imported = import_with(by_name("claude").expect("registered"), &bundle).expect("no bomb");
    assert_eq!(imported.reasons(), []);
    assert_eq!(imported.conversations.iter().map(|c| c.native_id.as_str()).collect::<Vec<_>>(), ["1"]);
    let ignored: Vec<_> = imported.context.ignored().into_iter().collect();
    assert_eq!(ignored, [("account data", 1), ("published artifacts, not read yet", 1)]);
    let unknown: Vec<_> = crate::reading::unknown_files(&imported.context, &bundle);
    assert_eq!(unknown, [("html".to_owned(), 1), ("json".to_owned(), 2)]);
    // Both vendors are there, so neither is chosen in silence.
    assert!(detect(&bundle).err().is_some_and(|error| error.to_string().contains("chatgpt (")));
    let other = import_with(by_name("chatgpt").expect("registered"), &bundle).expect("no bomb");
    assert_eq!(other.reasons(), [], "a file of that name is not taken for the other vendor's");
    assert_eq!(other.conversations.iter().map(|c| c.native_id.as_str()).collect::<Vec<_>>(), ["g"]);
}

#[test]
fn what_was_asked_for_and_is_none_is_named() {
    let reason = "no `chat_messages`: the export holds no messages for this entry";
    assert_eq!(claude(CHATGPT).reasons(), [("conversations.json[0]", reason)]);
    assert_eq!(claude("hello").reasons(), [("conversations.json[0]", "not a JSON array or object")]);
    let bytes = zip(&[("a.json", b"[{\"x\":1}]"), ("b.txt", b"dear")]);
    let bundle = Bundle::from_bytes("x.zip", bytes).expect("a zip");
    let imported = import_with(by_name("claude").expect("registered"), &bundle).expect("no bomb");
    assert_eq!(imported.reasons(), [("a.json[0]", reason)]);
}

#[test]
fn shards_come_in_the_order_of_their_numbers_and_before_projects() {
    let chat = |id: &str| CHAT.replace("\"uuid\":\"1\"", &format!("\"uuid\":\"{id}\""));
    let (nine, ten) = (chat("nine"), chat("ten"));
    let bytes = zip(&[
        ("a.json", br#"{"uuid":"p","docs":[],"prompt_template":"be kind"}"#),
        ("conversations-10.json", ten.as_bytes()),
        ("conversations-9.json", nine.as_bytes()),
    ]);
    let bundle = Bundle::from_bytes("x.zip", bytes).expect("a zip");
    let imported = import_with(by_name("claude").expect("registered"), &bundle).expect("no bomb");
    let ids: Vec<_> = imported.conversations.iter().map(|c| c.native_id.as_str()).collect();
    assert_eq!(ids, ["nine", "ten", "project:p"]);
    assert!(imported.context.uses.iter().all(|used| *used == MemberUse::Conversations));
}

#[test]
fn nesting_of_any_depth_costs_nothing() {
    for depth in [200, 100_000] {
        let nested = format!("{}7{}", "[".repeat(depth), "]".repeat(depth));
        let json = format!(
            "[{{\"uuid\":\"n\",\"name\":\"deep\",\"settings\":{nested},\"unheard_of\":{nested},\"chat_messages\":[\
             {{\"uuid\":\"m\",\"sender\":\"assistant\",\"metadata\":{nested},\"content\":[{{\"type\":\"text\",\"text\":\"said\"}},\
             {{\"type\":\"nest\",\"twigs\":{nested}}},{{\"type\":\"tool_use\",\"name\":\"t\",\"input\":{nested}}},\
             {{\"type\":\"tool_result\",\"name\":\"t\",\"content\":[{{\"type\":\"odd\",\"x\":{nested}}}]}}]}}]}}]"
        );
        let imported = claude(&json);
        assert_eq!(imported.reasons(), []);
        let conversation = &imported.conversations[0];
        let said = parts(conversation, &conversation.messages[0]);
        assert_eq!(said.len(), 4);
        assert_eq!(said[0], (PartKind::Text, None, "said"));
        assert_eq!(said[2], (PartKind::ToolCall, Some("t"), nested.as_str()));
        assert_eq!(said[3].2, format!("{{\"type\":\"odd\",\"x\":{nested}}}"));
        assert_eq!(imported.originals[0], json.as_bytes()[1..json.len() - 1]);
    }
}

#[test]
fn a_chain_and_a_fan_of_a_hundred_thousand_messages_are_read() {
    const ROOT: &str = "00000000-0000-4000-8000-000000000000";
    type Parent = fn(usize) -> String;
    let shapes: [(&str, Parent, usize); 3] = [
        ("chain", |n| if n == 0 { ROOT.to_owned() } else { (n - 1).to_string() }, 100_000),
        ("fan", |n| if n == 0 { ROOT.to_owned() } else { "0".to_owned() }, 2),
        ("ring", |n| ((n + 1) % 100_000).to_string(), 100_000),
    ];
    for (name, parent, active) in shapes {
        let message = |n: usize| {
            format!(
                "{{\"uuid\":\"{n}\",\"parent_message_uuid\":\"{}\",\"sender\":\"human\",\"text\":\"x\"}}",
                parent(n)
            )
        };
        let messages: Vec<String> = (0..100_000).map(message).collect();
        let imported = claude(format!("[{{\"uuid\":\"l\",\"chat_messages\":[{}]}}]", messages.join(",")));
        let messages = &imported.conversations[0].messages;
        assert_eq!(messages.len(), 100_000, "{name}");
        assert_eq!(messages.iter().filter(|message| !message.abandoned).count(), active, "{name}");
        assert!((0..).zip(messages).all(|(at, message)| message.parent.is_none_or(|parent| parent < at)), "{name}");
    }
}

#[test]
fn many_citations_and_files_in_one_message_cost_no_square() {
    let citation = |n: usize| format!("{{\"title\":\"t{n}\",\"url\":\"https://{n}.invalid/\"}}");
    let citations: Vec<String> = (0..100_000).map(citation).collect();
    let files: Vec<String> = (0..100_000).map(|n| format!("{{\"file_uuid\":\"{n}\",\"file_name\":\"f\"}}")).collect();
    let files = files.join(",");
    let imported = claude(format!(
        "[{{\"uuid\":\"c\",\"chat_messages\":[{{\"uuid\":\"m\",\"sender\":\"assistant\",\"content\":[{{\"type\":\"text\",\
         \"text\":\"x\",\"citations\":[{}]}}],\"files\":[{files}],\"files_v2\":[{files}]}}]}}]",
        citations.join(",")
    ));
    assert_eq!(imported.conversations[0].messages[0].parts.len(), 200_001);
}

#[test]
fn a_later_export_names_everything_alike() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/claude/whole");
    let first = import_with(by_name("claude").expect("registered"), &Bundle::open_path(&folder).expect("readable"));
    let names = |imported: &Imported| -> BTreeMap<String, Vec<Option<String>>> {
        let ids = |c: &convault::conversation::Conversation| c.messages.iter().map(|m| m.id.clone()).collect();
        imported.conversations.iter().map(|c| (c.native_id.clone(), ids(c))).collect()
    };
    let first = names(&first.expect("no bomb"));
    // The same account a year later: other file names, more said, a project's documents in another order.
    let project = std::fs::read_to_string(folder.join("projects/p1.json")).expect("readable");
    let memory = std::fs::read_to_string(folder.join("memories/acc.json")).expect("readable");
    let design = std::fs::read_to_string(folder.join("design_chats/d.json")).expect("readable");
    let project = format!("[{}]", project.replace("What grows", "What grew").replace("# Beds", "# More beds"));
    let bytes = zip(&[
        ("data/projects.json", project.as_bytes()),
        ("data/memories.json", format!("[{}]", memory.replace("Green.", "Black.")).as_bytes()),
        ("data/conversations-001.json", std::fs::read(folder.join("conversations.json")).expect("readable").as_slice()),
        ("data/drawn.json", design.as_bytes()),
    ]);
    let later = Bundle::from_bytes("x.zip", bytes).expect("a zip");
    let later = names(&import_with(by_name("claude").expect("registered"), &later).expect("no bomb"));
    for (id, messages) in &later {
        assert_eq!(first.get(id), Some(messages), "{id}");
    }
    assert_eq!(later.len(), 4);
}

#[test]
fn what_the_program_puts_into_a_turn_is_hidden_and_before_it() {
    let imported = claude(include_str!("claude/blocks.json"));
    let conversation = &imported.conversations[0];
    let roles: Vec<_> = conversation
        .messages
        .iter()
        .map(|m| (conversation.participants[m.author as usize].role, m.visibility, m.parent))
        .collect();
    assert_eq!(
        roles,
        [
            (Role::System, Visibility::Hidden, None),
            (Role::User, Visibility::Shown, Some(0)),
            (Role::Assistant, Visibility::Shown, Some(1)),
        ]
    );
}

#[test]
fn no_beginning_of_a_file_makes_it_panic() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/claude");
    let files = [
        ("shuffled-keys.json", 1),
        ("whole/memories/acc.json", 1),
        ("blocks.json", 17),
        ("rings.json", 17),
        ("whole/projects/p1.json", 17),
        ("whole/design_chats/d.json", 17),
    ];
    for (file, step) in files {
        let bytes = std::fs::read(folder.join(file)).expect("readable");
        for end in (0..bytes.trim_ascii_end().len()).step_by(step) {
            // Through the splitter, which holds back what is not whole, and into the parser itself.
            claude(&bytes[..end]);
            let unit = Unit { place: file.to_owned(), bytes: bytes[..end].to_vec(), ..Unit::default() };
            assert!(
                by_name("claude").expect("registered").parse(&Context::default(), &unit).is_err(),
                "{file} at {end}"
            );
        }
    }
}

fn fixtures() -> Option<std::path::PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/fixtures"));
    folder.join("MANIFEST.tsv").exists().then(|| folder.to_owned())
}

/// The file that says of itself that it is no conversation.
const NO_EXPORT: &str = "claude-ai/simple-invalid.json";

#[test]
fn every_published_claude_file_has_the_count_of_its_manifest() {
    let Some(folder) = fixtures() else { return };
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.tsv")).expect("the manifest can be read");
    let mut seen = 0;
    for line in manifest.lines().skip(1) {
        let column: Vec<&str> = line.split('\t').collect();
        let (file, format) = (column[0], column[1]);
        let Ok(bundle) = Bundle::open_path(&folder.join(file)) else { continue };
        let found = detect(&bundle).ok().map(|(format, _)| format.name());
        if format != "claude-ai" || file == NO_EXPORT {
            assert_ne!(found, Some("claude"), "{file} is no Claude export");
            continue;
        }
        seen += 1;
        assert_eq!(found, Some("claude"), "{file}");
        let imported = import_with(by_name("claude").expect("registered"), &bundle).expect("no bomb");
        let counts = (imported.conversations.len().to_string(), imported.messages().to_string());
        assert_eq!(counts, (column[6].into(), column[7].into()), "{file}");
        assert_eq!(imported.unknown().iter().filter(|(path, _)| !path.starts_with("message.content.")).count(), 0);
        for (conversation, original) in imported.conversations.iter().zip(&imported.originals) {
            let entry: serde_json::Value = serde_json::from_slice(original).expect("an original is whole JSON");
            assert_eq!(entry["uuid"], conversation.native_id.as_str());
            for (message, source) in
                conversation.messages.iter().zip(entry["chat_messages"].as_array().expect("a list"))
            {
                assert_eq!(source["uuid"].as_str(), message.id.as_deref());
                assert!(!message.parts.is_empty(), "every published message says something");
            }
        }
    }
    assert_eq!(seen, 15);
}

#[test]
fn the_entry_without_messages_is_named_and_the_others_come() {
    let Some(folder) = fixtures() else { return };
    let file = "conversations-multiple-errors.json";
    let bundle = Bundle::open_path(&folder.join("claude-ai").join(file)).expect("readable");
    let imported = import_with(by_name("claude").expect("registered"), &bundle).expect("no bomb");
    let reason = "no `chat_messages`: the export holds no messages for this entry";
    assert_eq!(imported.reasons(), [(format!("{file}[1]").as_str(), reason)]);
}
