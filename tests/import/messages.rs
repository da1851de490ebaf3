//! OpenAI messages: what no small file shows.

use std::collections::HashSet;

use convault::bundle::Bundle;
use convault::conversation::{PartKind, Role, Visibility};
use convault::import::{MemberUse, by_name, detect};

use crate::bundles::zip;
use crate::reading::{Imported, import_with, parts, read_as};

fn read(file_name: &str, content: impl AsRef<[u8]>) -> Imported {
    read_as("messages", file_name, content)
}

fn found(content: &str) -> Option<&'static str> {
    let bundle = Bundle::from_bytes("x", content.as_bytes().to_vec()).expect("bytes are a bundle");
    detect(&bundle).ok().map(|(format, _)| format.name())
}

fn ids(imported: &Imported) -> Vec<&str> {
    imported.conversations.iter().map(|conversation| conversation.native_id.as_str()).collect()
}

fn line(turns: &[(&str, &str)]) -> String {
    let turns: Vec<String> = turns.iter().map(|(r, c)| format!(r#"{{"role":"{r}","content":"{c}"}}"#)).collect();
    format!(r#"{{"messages":[{}]}}"#, turns.join(","))
}

#[test]
fn the_shapes_are_known_by_content() {
    let one = r#"{"messages":[{"role":"user","content":"x"}]}"#;
    for content in [
        one.to_owned(),
        format!("[{one}]"),
        format!("\u{feff}{one}\r\n{one}\r\n"),
        r#"{"messages":[{"content":null,"role":"assistant","tool_calls":[{"id":"c"}]}]}"#.to_owned(),
        r#"{"role":"user","content":"x"}"#.to_owned(),
        r#"[{"role" : "developer","content":[]}]"#.to_owned(),
        r#"{"type":"tool_call"}"#.to_owned() + "\n" + r#"{"role":"user","content":"x"}"#,
    ] {
        assert_eq!(found(&content), Some("messages"), "{content}");
    }
}

#[test]
fn what_other_programs_write_is_not_claimed() {
    for content in [
        // Wrapped deeper, or not messages at all.
        r#"{"data":[{"messages":[{"role":"user","content":"x"}]}]}"#,
        r#"[[{"role":"user","content":"x"}]]"#,
        r#"{"role":"admin","content":"a page"}"#,
        r#"{"role":"user","name":"a member"}"#,
        r#"{"messages":[{"role":"admin","content":"x"}]}"#,
        // LibreChat, Open WebUI, chatbot-ui, Le Chat.
        r#"{"conversationId":"1","messages":[{"role":"user","content":"x","text":"x"}]}"#,
        r#"[{"id":"1","chat":{"messages":[{"role":"user","content":"x"}]}}]"#,
        r#"{"version":4,"history":[{"messages":[{"role":"user","content":"x"}]}]}"#,
        r#"[{"id":"1","chatId":"2","role":"user","content":"x","contentChunks":null}]"#,
        // Telegram, Meta.
        r#"{"type":"personal_chat","id":1,"messages":[{"id":1,"from":"A","text":"x"}]}"#,
        r#"{"messages":[{"sender_name":"A","timestamp_ms":1,"content":"x"}]}"#,
        // Agents: the role inside a message, under another name, or with parts.
        r#"{"type":"message","message":{"role":"user","content":"x"}}"#,
        r#"{"type":"user","uuid":"1","sessionId":"2","message":{"role":"user","content":"x"}}"#,
        r#"{"type":"message","role":"user","text":"x","session_id":"1"}"#,
        r#"{"type":"user","content":"x"}"#,
        r#"[{"role":"user","parts":[{"text":"x"}]}]"#,
        r#"{"record_type":"state","role":"user","content":"x"}"#,
        // Claude's design chats, convault's own: other formats.
        r#"{"uuid":"1","title":"d","messages":[{"uuid":"2","role":"user","content":{"authorAccountUuid":"a"}}]}"#,
        r#"{"schema":"convault.conversation/1","messages":[{"role":"user","content":"x"}]}"#,
    ] {
        assert!(!matches!(found(content), Some("messages" | "sharegpt")), "{content}");
    }
}

#[test]
fn a_conversation_that_went_on_keeps_its_id() {
    let opening = [("system", "be kind"), ("user", "hi"), ("assistant", "hello")];
    let short = line(&opening);
    let long = line(&[&opening[..], &[("user", "and?"), ("assistant", "so")]].concat());
    let (short, long) = (read("a.jsonl", short), read("b.json", format!("[\n{long}\n]")));
    assert_eq!(ids(&short), ids(&long));
    let messages = |imported: &Imported| -> Vec<_> {
        imported.conversations[0].messages.iter().map(|message| message.id.clone().expect("derived")).collect()
    };
    assert_eq!(messages(&short), messages(&long)[..3]);
    assert_eq!(messages(&long).iter().collect::<HashSet<_>>().len(), 5);
    // What does not belong to the beginning may change.
    let titled = line(&opening).replacen('{', r#"{"title":"t","tools":[1],"#, 1);
    assert_eq!(ids(&read("a.jsonl", titled)), ids(&short));
    for other in [[opening[0], opening[1], ("assistant", "good day")], [("system", "be brief"), opening[1], opening[2]]]
    {
        assert_ne!(ids(&read("a.jsonl", line(&other))), ids(&short));
    }
}

#[test]
fn a_time_makes_the_first_message_enough() {
    let log = |turns: usize, second: u32| {
        let turn = |n| format!("{{\"role\":\"user\",\"content\":\"hi\",\"timestamp\":{}}}\n", second + n);
        read("log.jsonl", (0..turns as u32).map(turn).collect::<String>())
    };
    assert_eq!(ids(&log(1, 1_767_812_640)), ids(&log(3, 1_767_812_640)));
    assert_ne!(ids(&log(1, 1_767_812_640)), ids(&log(1, 1_767_812_641)), "the same words at another time");
    let bare = |turns: usize| read("log.jsonl", "{\"role\":\"user\",\"content\":\"hi\"}\n".repeat(turns));
    assert_eq!(ids(&bare(2)), ids(&bare(3)));
    assert_ne!(ids(&bare(1)), ids(&bare(2)), "without a time a first word is not yet a beginning");
}

#[test]
fn two_that_begin_alike_are_two_wherever_they_stand() {
    let opening = [("user", "hi"), ("assistant", "hello")];
    let tea = line(&[&opening[..], &[("user", "tea")]].concat());
    let rain = line(&[&opening[..], &[("user", "rain")]].concat());
    let alone = read("a.jsonl", &tea);
    let together = read("a.jsonl", format!("{tea}\n{rain}\n{tea}\n"));
    let turned = read("a.json", format!("[{rain},{tea}]"));
    assert_eq!(ids(&together).len(), 3);
    assert!(ids(&together)[0] != ids(&together)[1] && ids(&together)[0] == ids(&together)[2]);
    assert_eq!([ids(&turned)[1], ids(&turned)[0]], ids(&together)[..2], "order decides nothing");
    assert!(!ids(&together).contains(&ids(&alone)[0]), "neither takes the id of the beginning");
    // In two files of a folder just the same.
    let files = zip(&[("a.json", tea.as_bytes()), ("b.json", rain.as_bytes())]);
    let bundle = Bundle::from_bytes("x.zip", files).expect("a zip");
    let apart = import_with(by_name("messages").expect("registered"), &bundle).expect("no bomb");
    assert_eq!(ids(&apart), ids(&together)[..2]);
}

#[test]
fn a_folder_is_judged_file_by_file() {
    let files = zip(&[
        ("a.jsonl", line(&[("user", "one")]).as_bytes()),
        ("b.jsonl", b"{\"role\":\"user\",\"content\":\"two\"}\n"),
        ("c.json", b"[{\"id\":\"1\",\"mapping\":{},\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}]"),
        ("d.txt", b"dear"),
    ]);
    let bundle = Bundle::from_bytes("x.zip", files).expect("a zip");
    let imported = import_with(by_name("messages").expect("registered"), &bundle).expect("no bomb");
    assert_eq!(imported.conversations.len(), 2);
    assert_eq!(imported.reasons(), []);
    let used: Vec<_> = imported.context.uses.iter().map(|used| *used == MemberUse::Conversations).collect();
    assert_eq!(used, [true, true, false, false]);
    assert_eq!(imported.context.unknown().len(), 2);
}

#[test]
fn originals_are_the_exact_bytes() {
    let lines = "{\"messages\" : [{\"role\":\"user\",\"content\":\"a\"}]} \r\n\n{\"messages\":[]}\n{\"messages\":[{\"role\":\"user\",\"content\":\"b\"}]}";
    let imported = read("a.jsonl", lines);
    let originals: Vec<_> =
        imported.originals.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
    assert_eq!(originals, [lines.split("\r\n").next().unwrap(), lines.rsplit('\n').next().unwrap()]);
    assert_eq!(imported.empty, ["no messages"]);
    let log = "\u{feff}{\"role\":\"user\",\"content\":\"a\"}\r\n\r\n{\"role\":\"user\",\"content\":\"b\"}\n";
    assert_eq!(read("log.jsonl", log).originals, [log.as_bytes()]);
}

#[test]
fn depth_costs_nothing() {
    for depth in [200, 100_000] {
        let nested = format!("{}7{}", "[".repeat(depth), "]".repeat(depth));
        let json = format!(
            r#"{{"id":"deep","extra":{nested},"messages":[{{"role":"user","content":[{{"type":"nest","twigs":{nested}}},{nested},{{"type":"tool_result","content":{nested}}}],"more":{nested},"tool_calls":[{{"function":{{"name":"f","arguments":{nested}}}}}],"annotations":{{"twigs":{nested}}}}}]}}"#
        );
        let imported = read("a.json", &json);
        assert_eq!(imported.reasons(), []);
        let conversation = &imported.conversations[0];
        let parts = parts(conversation, &conversation.messages[0]);
        let kinds: Vec<_> = parts.iter().map(|(kind, name, _)| (*kind, *name)).collect();
        let expected = [
            (PartKind::Unknown, Some("nest")),
            (PartKind::Unknown, Some("list")),
            (PartKind::ToolResult, None),
            (PartKind::ToolCall, Some("f")),
            (PartKind::Unknown, Some("annotation")),
        ];
        assert_eq!(kinds, expected);
        assert_eq!([parts[1].2, parts[2].2, parts[3].2], [nested.as_str(); 3]);
    }
}

#[test]
fn a_hundred_thousand_messages_are_read() {
    let turns = vec![r#"{"role":"user","content":"again"}"#; 100_000];
    for content in [format!("{{\"messages\":[{}]}}", turns.join(",")), turns.join("\n")] {
        let imported = read("a.json", content);
        let messages = &imported.conversations[0].messages;
        assert_eq!(messages.len(), 100_000);
        assert_eq!(messages[99_999].parent, Some(99_998));
        let ids: HashSet<_> = messages.iter().map(|message| message.id.as_deref()).collect();
        assert_eq!(ids.len(), 100_000);
    }
}

#[test]
fn an_input_may_stop_at_any_byte() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/import/messages");
    // Each reading of a file takes a megabyte of buffer, so the longer ones are not cut at every byte.
    for (file, step) in
        [("with-ids.jsonl", 1), ("log.jsonl", 1), ("data-set.json", 1), ("blocks.json", 13), ("tools.json", 7)]
    {
        let whole = std::fs::read(format!("{folder}/{file}")).expect("readable");
        for end in (0..whole.len()).step_by(step) {
            let imported = read(file, &whole[..end]);
            assert!(imported.conversations.iter().all(|conversation| !conversation.native_id.is_empty()));
        }
    }
}

#[test]
fn the_last_line_that_is_still_written_is_named() {
    let imported = read("a.jsonl", line(&[("user", "a")]) + "\n{\"messages\":[{\"ro");
    assert_eq!(imported.conversations.len(), 1);
    assert_eq!(imported.reasons(), [("a.jsonl line 2", "the last line stops early")]);
}

#[test]
fn instructions_are_hidden_and_nothing_else_is() {
    let imported = read("a.json", line(&[("system", "a"), ("developer", "b"), ("user", "c"), ("critic", "d")]));
    let conversation = &imported.conversations[0];
    let told: Vec<_> = conversation
        .messages
        .iter()
        .map(|m| (conversation.participants[m.author as usize].role, m.visibility == Visibility::Hidden))
        .collect();
    assert_eq!(told, [(Role::System, true), (Role::System, true), (Role::User, false), (Role::Other, false)]);
}
