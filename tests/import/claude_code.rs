//! Sessions of Claude Code: what no small file shows, and the published ones.

use std::path::{Path, PathBuf};

use convault::bundle::Bundle;
use convault::conversation::Role;
use convault::import::{MemberUse, by_name, detect};

use crate::bundles::zip;
use crate::reading::{Imported, import_with, parts, read_as};

fn claude_code(bundle: &Bundle) -> Imported {
    import_with(by_name("claude-code").expect("registered"), bundle).expect("no bomb")
}

fn folder(files: &[(&str, &[u8])]) -> Bundle {
    Bundle::from_bytes("projects.zip", zip(files)).expect("a zip")
}

fn found(content: &str) -> Option<&'static str> {
    let bundle = Bundle::from_bytes("x", content.as_bytes().to_vec()).expect("bytes are a bundle");
    detect(&bundle).ok().map(|(format, _)| format.name())
}

fn user(uuid: &str, parent: &str, session: &str, text: &str) -> String {
    format!(
        "{{\"parentUuid\":{parent},\"isSidechain\":false,\"sessionId\":\"{session}\",\"type\":\"user\",\"message\":\
         {{\"role\":\"user\",\"content\":\"{text}\"}},\"uuid\":\"{uuid}\"}}\n"
    )
}

#[test]
fn it_is_known_by_its_records_and_rivals_are_not_claimed() {
    let own = [
        r#"{"type":"user","uuid":"1","sessionId":"s","message":{"role":"user","content":"x"}}"#,
        r#"{"type":"summary","summary":"x","leafUuid":"1"}"#,
        r#"{"type":"file-history-snapshot","messageId":"1","snapshot":{},"isSnapshotUpdate":false}"#,
        r#"{"type":"permission-mode","permissionMode":"plan","sessionId":"s"}"#,
        "not json\n{\"parentUuid\":null,\"isSidechain\":false,\"attachment\":{\"type\":\"x",
        "{\"loglines\": [\n {\"type\": \"user\", \"message\": {\"role\": \"user\", \"content\": \"x\"}}\n]}",
    ];
    for content in own {
        assert_eq!(found(content), Some("claude-code"), "{content}");
    }
    let others = [
        // Qwen Code; the printed stream of `claude -p`; droid and its kin; a record of nobody; another log.
        r#"{"uuid":"1","parentUuid":null,"sessionId":"s","timestamp":"t","type":"user","cwd":"/","message":{"role":"user","parts":[{"text":"x"}]}}"#,
        r#"{"uuid":"1","parentUuid":null,"sessionId":"s","type":"system","subtype":"ui_telemetry","systemPayload":{}}"#,
        r#"{"type":"assistant","message":{"role":"assistant","content":[]},"session_id":"s","uuid":"1"}"#,
        r#"{"type":"message","id":"1","timestamp":"t","message":{"role":"user","content":[]}}"#,
        r#"{"type":"user","message":{"role":"user","content":"x"}}"#,
        r#"{"role":"user","content":"sessionId isSidechain parentUuid"}"#,
        r#"{"loglines":["a","b"]}"#,
        r#"{"type":"mode","mode":"x"}"#,
    ];
    for content in others {
        assert_ne!(found(content), Some("claude-code"), "{content}");
    }
}

#[test]
fn foreign_files_stay_unknown_and_notes_belong_to_their_log() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/claude-code/agents");
    let bundle = Bundle::open_path(&path).expect("readable");
    let imported = claude_code(&bundle);
    let of = |end: &str| {
        let at = bundle.members().iter().position(|member| member.name.ends_with(end)).expect("it is there");
        imported.context.uses[at].clone()
    };
    assert_eq!(of("agent-bbb.jsonl"), MemberUse::Conversations);
    assert_eq!(of("agent-bbb.meta.json"), MemberUse::Index);
    assert_eq!(of("tool-results/b1.txt"), MemberUse::Index);
    assert_eq!(of("qwen.jsonl"), MemberUse::Unknown);
    assert_eq!(of("notes.md"), MemberUse::Unknown);
    assert_eq!(of("sessions-index.json"), MemberUse::Ignored("list of the sessions"));
    assert!(!imported.context.has_assets(), "stored bytes are known before they are parsed");
}

#[test]
fn a_file_is_kept_as_it_is_and_a_session_of_several_comes_in_again_as_the_same_bytes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/claude-code/agents");
    let first = claude_code(&Bundle::open_path(&path).expect("readable"));
    assert!(first.originals[0].starts_with(b"PK"));
    let alone = std::fs::read(path.join("-home-ada-bridge/agent-eee.jsonl")).expect("readable");
    assert_eq!(first.originals[1], alone);
    for (conversation, original) in first.conversations.iter().zip(&first.originals) {
        let again = claude_code(&Bundle::from_bytes("exported", original.clone()).expect("bytes are a bundle"));
        assert_eq!(again.originals, std::slice::from_ref(original));
        assert_eq!(again.conversations, std::slice::from_ref(conversation));
    }
    // The session's own file may be gone while its agents are there.
    let sub = path.join("-home-ada-bridge/5f0c1a52-0000-4000-8000-000000000001/subagents");
    let orphans = claude_code(&Bundle::open_path(&sub).expect("readable"));
    assert_eq!(orphans.conversations.len(), 1);
    assert_eq!(orphans.conversations[0].native_id, first.conversations[0].native_id);
    let again = claude_code(&Bundle::from_bytes("exported", orphans.originals[0].clone()).expect("a zip"));
    assert_eq!((again.originals, again.conversations), (orphans.originals, orphans.conversations));
}

#[test]
fn a_session_cut_out_of_a_file_keeps_its_own_lines_and_its_agents() {
    let (a, b) = (user("1", "null", "a", "first"), user("2", "\"1\"", "b", "second"));
    let agent = |session: &str| {
        format!(
            "{{\"parentUuid\":null,\"isSidechain\":true,\"agentId\":\"x\",\"sessionId\":\"{session}\",\"type\":\"assistant\",\
             \"message\":{{\"role\":\"assistant\",\"content\":\"found\"}},\"uuid\":\"{session}x\"}}\n"
        )
    };
    let (both, of_a, of_b) = (format!("{a}{b}"), agent("a"), agent("b"));
    let files = [
        ("p/log.jsonl", both.as_bytes()),
        ("p/log/subagents/agent-b.jsonl", of_b.as_bytes()),
        ("p/agent-a.jsonl", of_a.as_bytes()),
    ];
    let imported = claude_code(&folder(&files));
    let told: Vec<_> = imported.conversations.iter().map(|c| (c.native_id.as_str(), c.messages.len())).collect();
    assert_eq!(told, [("a", 2), ("b", 2)]);
    assert_eq!(imported.conversations[1].continues.as_deref(), Some("a"));
    for (original, lines, names) in
        [(0, &a, ["a.jsonl", "agent-a.jsonl"]), (1, &b, ["b.jsonl", "b/subagents/agent-b.jsonl"])]
    {
        let kept = Bundle::from_bytes("x", imported.originals[original].clone()).expect("a zip");
        assert_eq!(kept.members().iter().map(|member| member.name.as_str()).collect::<Vec<_>>(), names);
        assert_eq!(kept.head(0, 1_000).expect("readable"), lines.as_bytes());
        let again = claude_code(&kept);
        assert_eq!(again.originals, [imported.originals[original].clone()]);
    }
}

#[test]
fn a_log_that_grew_has_the_same_messages_first() {
    let all: String = (1..=20).map(|n| user(&n.to_string(), &format!("\"{}\"", n - 1), "s", "text")).collect();
    let whole = read_as("claude-code", "s.jsonl", &all);
    for (at, _) in all.match_indices('\n') {
        let part = read_as("claude-code", "s.jsonl", &all[..=at]);
        let count = part.conversations[0].messages.len();
        assert_eq!(part.conversations[0].native_id, "s");
        assert_eq!(part.conversations[0].messages[..], whole.conversations[0].messages[..count]);
    }
}

#[test]
fn a_session_without_an_id_is_known_again_by_its_first_line() {
    let line =
        r#"{"type":"user","uuid":"1","timestamp":"2026-03-01T10:00:00Z","message":{"role":"user","content":"x"}}"#;
    let short = read_as("claude-code", "log.jsonl", format!("{line}\n"));
    let long = read_as("claude-code", "log.jsonl", format!("{line}\n{}\n", line.replace("\"1\"", "\"2\"")));
    assert!(short.conversations[0].native_id.starts_with("derived:"));
    assert_eq!(short.conversations[0].native_id, long.conversations[0].native_id);
    let named = read_as("claude-code", "5f0c1a52-0000-4000-8000-00000000000a.jsonl", format!("{line}\n"));
    assert_eq!(named.conversations[0].native_id, "5f0c1a52-0000-4000-8000-00000000000a");
}

#[test]
fn stopping_at_any_byte_costs_the_last_line_alone() {
    let log = user("1", "null", "s", "one") + &user("2", "\"1\"", "s", "two \\ud83d\\ude00 é");
    let first = log.find('\n').expect("two lines");
    for end in 0..=log.len() {
        let imported = read_as("claude-code", "s.jsonl", &log.as_bytes()[..end]);
        let whole = log[..first].len();
        let expected = usize::from(end >= whole) + usize::from(end + 1 >= log.len());
        assert_eq!(imported.messages(), expected, "{end} bytes");
        let is_cut = end > first + 1 && end + 1 < log.len();
        let expected: &[(&str, u64)] = if is_cut { &[("truncated last line", 1)] } else { &[] };
        assert_eq!(imported.repaired(), expected, "{end} bytes");
        assert_eq!(imported.problems.is_empty(), end == 0 || end >= whole, "{end} bytes");
    }
}

#[test]
fn depth_and_length_cost_nothing() {
    let deep = format!("{}7{}", "[".repeat(100_000), "]".repeat(100_000));
    let log = format!(
        "{{\"type\":\"user\",\"uuid\":\"1\",\"sessionId\":\"s\",\"odd\":{deep},\"toolUseResult\":{deep},\"message\":{{\"role\":\
         \"user\",\"content\":[{{\"type\":\"text\",\"text\":\"said\"}},{{\"type\":\"nest\",\"twigs\":{deep}}},{deep}]}}}}\n"
    );
    let imported = read_as("claude-code", "s.jsonl", &log);
    assert_eq!(imported.reasons(), []);
    let conversation = &imported.conversations[0];
    let said = parts(conversation, &conversation.messages[0]);
    assert_eq!(said.len(), 3);
    assert_eq!(said[2].2, deep);

    let chain: String = (1..=100_000).map(|n| user(&n.to_string(), &format!("\"{}\"", n - 1), "s", "x")).collect();
    let imported = read_as("claude-code", "s.jsonl", &chain);
    assert_eq!(imported.messages(), 100_000);
    assert_eq!(imported.conversations[0].messages[99_999].parent, Some(99_998));
    assert_eq!(imported.repaired(), [("missing parent", 1)]);

    let answer = "{\"type\":\"assistant\",\"sessionId\":\"s\",\"message\":{\"id\":\"m\",\"role\":\"assistant\",\"content\":\"x\"}}\n";
    let imported = read_as("claude-code", "s.jsonl", answer.repeat(5_000));
    assert_eq!((imported.messages(), records(&imported)), (5, 5_000), "no answer grows without end");
}

#[test]
fn agents_that_call_each_other_in_a_ring_come_out_once() {
    let agent = |own: &str, other: &str, call: &str| {
        format!(
            "{{\"parentUuid\":null,\"isSidechain\":true,\"agentId\":\"{own}\",\"sessionId\":\"s\",\"type\":\"assistant\",\
             \"uuid\":\"{own}1\",\"message\":{{\"role\":\"assistant\",\"content\":[{{\"type\":\"tool_use\",\"id\":\"{call}\",\
             \"name\":\"Task\",\"input\":{{}}}}]}}}}\n{{\"parentUuid\":\"{own}1\",\"isSidechain\":true,\"sessionId\":\"s\",\
             \"agentId\":\"{own}\",\"type\":\"user\",\"uuid\":\"{own}2\",\"toolUseResult\":{{\"agentId\":\"{other}\"}},\
             \"message\":{{\"role\":\"user\",\"content\":[{{\"type\":\"tool_result\",\"tool_use_id\":\"{call}\",\
             \"content\":\"x\"}}]}}}}\n"
        )
    };
    let (a, b) = (agent("a", "b", "t1"), agent("b", "a", "t2"));
    let main = user("1", "null", "s", "go");
    let files = [
        ("p/s.jsonl", main.as_bytes()),
        ("p/s/subagents/agent-a.jsonl", a.as_bytes()),
        ("p/s/subagents/agent-b.jsonl", b.as_bytes()),
    ];
    let imported = claude_code(&folder(&files));
    let ids: Vec<_> = imported.conversations[0].messages.iter().map(|m| m.id.as_deref().unwrap_or("-")).collect();
    assert_eq!(ids, ["1", "a1", "b1", "b2", "a2"]);
    assert!(
        imported.conversations[0].messages.iter().enumerate().all(|(at, m)| m.parent.is_none_or(|p| (p as usize) < at))
    );
}

fn fixtures() -> Option<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/fixtures"));
    folder.join("MANIFEST.tsv").exists().then(|| folder.to_owned())
}

/// Records of user and assistant, found again: as messages, as parts of one, as repeats. What the program adds by
/// itself has the author System, which no such record has.
fn records(imported: &Imported) -> u64 {
    let said = imported
        .conversations
        .iter()
        .flat_map(|c| c.messages.iter().filter(|m| c.participants[m.author as usize].role != Role::System));
    let counted = |words| imported.notes.records.get(words).copied().unwrap_or(0);
    said.count() as u64 + counted("continues an answer") + counted("repeats an earlier line")
}

#[test]
fn every_published_session_has_the_counts_of_its_manifest() {
    let Some(folder) = fixtures() else { return };
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.tsv")).expect("the manifest can be read");
    let mut tree = 0;
    for line in manifest.lines().skip(1) {
        let column: Vec<&str> = line.split('\t').collect();
        let (file, format) = (column[0], column[1]);
        let bundle = Bundle::open_path(&folder.join(file)).expect("the file can be read");
        let found = detect(&bundle).map(|(format, _)| format.name()).ok();
        if format != "claude-code" {
            assert_ne!(found, Some("claude-code"), "{file}");
            continue;
        }
        let imported = claude_code(&bundle);
        let is_note = file.ends_with(".meta.json");
        let is_empty = std::fs::metadata(folder.join(file)).expect("it is there").len() == 0;
        // A file without a byte is of every format, and a note beside a log says nothing alone.
        let expected = (!is_note && !is_empty).then_some("claude-code");
        assert_eq!(found, expected, "{file}");
        // Logs of file history alone, and files without a line: read, and nothing to keep. The manifest counts the
        // first as a conversation of no messages.
        let nothing = imported.empty.iter().filter(|_| !is_empty).count();
        assert_eq!((imported.conversations.len() + nothing).to_string(), column[6], "{file}");
        assert_eq!(records(&imported).to_string(), column[7], "{file}");
        // The three lines of one file that are no objects, which the manifest counts as such.
        let strange = if file.ends_with("/edge_cases.jsonl") { 3 } else { 0 };
        assert_eq!(imported.problems.len(), strange, "{file}");
        if file.starts_with("claude-code/real_projects/") {
            tree += column[7].parse::<u64>().expect("a number");
        }
    }
    let imported = claude_code(&Bundle::open_path(&folder.join("claude-code/real_projects")).expect("readable"));
    assert_eq!(records(&imported), tree, "every record of the tree, agents included");
    // 11 logs of sessions; 1 has nothing but file history, and the agents of 2 empty ones speak.
    assert_eq!((imported.conversations.len(), imported.empty.len()), (9, 1));
    assert_eq!((imported.unknown(), imported.repaired(), imported.reasons()), (vec![], vec![], vec![]));
    let told = imported.conversations.iter().flat_map(|c| c.messages.iter().filter(|m| m.recipient.is_some()));
    let hangs: Vec<bool> = told.map(|message| message.parent.is_some()).collect();
    assert_eq!(hangs, [true; 8], "every agent that was told something hangs on its call");
    let rewound = |c: &convault::conversation::Conversation| c.messages.iter().any(|m| m.abandoned);
    assert_eq!(imported.conversations.iter().filter(|c| rewound(c)).count(), 1, "one session was rewound");
}
