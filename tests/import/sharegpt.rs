//! ShareGPT: detection, identity and what no small file shows.

use convault::bundle::Bundle;
use convault::conversation::PartKind;
use convault::import::detect;

use crate::reading::{Imported, parts, read_as};

fn read(content: impl AsRef<[u8]>) -> Imported {
    read_as("sharegpt", "a.json", content)
}

fn found(content: &str) -> Option<&'static str> {
    let bundle = Bundle::from_bytes("x", content.as_bytes().to_vec()).expect("bytes are a bundle");
    detect(&bundle).ok().map(|(format, _)| format.name())
}

#[test]
fn the_shapes_are_known_by_content_and_rivals_are_not_claimed() {
    for content in [
        r#"[{"conversations":[{"from":"human","value":"x"}]}]"#,
        r#"{"conversations":[{"value":"x","from":"gpt"}]}"#,
        "{\"id\":\"1\",\"conversations\":[{\"from\":\"system\",\"value\":\"x\"}]}\n{\"conversations\":[]}\n",
        r#"[{"id":"1","items":[{"from":"human","value":"x"}]}]"#,
        r#"{"conversations":[{"role":"user","content":"x"}]}"#,
    ] {
        assert_eq!(found(content), Some("sharegpt"), "{content}");
    }
    // The same words in the shape of the other format.
    assert_eq!(found(r#"[{"messages":[{"role":"user","content":"x"}]}]"#), Some("messages"));
    for content in [
        r#"{"conversations":[{"conversation":{"conversation_id":"1"},"responses":[{"response":{"message":"x"}}]}]}"#,
        r#"{"conversations":[{"uuid":"1","query":"x","answer":"y"}]}"#,
        r#"{"conversations":[{"from":"Ada","text":"x"}]}"#,
        r#"{"items":[{"from":"2026","value":7}]}"#,
        r#"{"name":"A","messages":[{"from":"user","text":"x"}]}"#,
        r#"[[{"from":"human","value":"x"}]]"#,
    ] {
        assert_eq!(found(content), None, "{content}");
    }
}

#[test]
fn both_formats_read_the_same_words_alike() {
    let messages = r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#;
    let sharegpt = r#"{"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}]}"#;
    let (one, other) = (read_as("messages", "a", messages), read(sharegpt));
    assert_eq!(one.conversations, other.conversations);
}

#[test]
fn a_conversation_that_went_on_keeps_its_ids() {
    let turn =
        |n: usize| format!(r#"{{"from":"{}","value":"turn {n}"}}"#, if n.is_multiple_of(2) { "human" } else { "gpt" });
    let of = |count: usize| {
        read(format!(r#"[{{"conversations":[{}]}}]"#, (0..count).map(turn).collect::<Vec<_>>().join(",")))
    };
    let (short, long) = (of(2), of(6));
    assert_eq!(short.conversations[0].native_id, long.conversations[0].native_id);
    let ids = |imported: &Imported| -> Vec<_> {
        imported.conversations[0].messages.iter().map(|message| message.id.clone()).collect()
    };
    assert_eq!(ids(&short), ids(&long)[..2]);
}

#[test]
fn depth_costs_nothing() {
    let nested = format!("{}7{}", "[".repeat(100_000), "]".repeat(100_000));
    let call = nested.replace('7', "");
    let imported = read(format!(
        r#"[{{"id":"deep","x":{nested},"conversations":[{{"from":"human","value":{nested}}},{{"from":"function_call","value":"{call}"}}]}}]"#
    ));
    assert_eq!(imported.reasons(), []);
    let conversation = &imported.conversations[0];
    assert_eq!(parts(conversation, &conversation.messages[1])[0], (PartKind::ToolCall, None, call.as_str()));
}

#[test]
fn an_input_may_stop_at_any_byte() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/import/sharegpt");
    for file in ["with-ids.json", "tools.json", "old-dump.json", "damaged.jsonl"] {
        let whole = std::fs::read(format!("{folder}/{file}")).expect("readable");
        for end in 0..whole.len() {
            let imported = read_as("sharegpt", file, &whole[..end]);
            assert!(imported.conversations.iter().all(|conversation| !conversation.native_id.is_empty()));
        }
    }
}
