//! Logs that grow: whatever pieces of them come in, and in whatever order, what is stored is what they say together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;
use crate::conversation::Conversation;
use crate::import::{Importer, Unit};

/// Larger published logs have no other kinds of records than smaller ones.
const MOST_BYTES: usize = 400 << 10;

/// What a conversation says, in a form that two of them can be compared in.
fn shape(conversation: &Conversation) -> Vec<String> {
    let head = format!(
        "{:?} {:?} {:?} {:?} {:?}",
        conversation.title, conversation.created, conversation.updated, conversation.model, conversation.project
    );
    let messages = conversation.messages.iter().map(|message| {
        let parts: Vec<_> = message
            .parts
            .iter()
            .map(|part| {
                let file = part.attachment.map(|at| conversation.attachments[at as usize].id.clone());
                (part.kind, conversation.text_of(part).to_owned(), part.name.clone(), part.url.clone(), file)
            })
            .collect();
        let author = &conversation.participants[message.author as usize];
        let marks = (message.abandoned, message.vanished, message.visibility, &message.model, &message.recipient);
        format!("{:?} {:?} {author:?} {:?} {marks:?} {parts:?}", message.id, message.parent, message.time)
    });
    std::iter::once(head).chain(messages).collect()
}

/// What a bundle says by itself.
fn said_by(importer: &dyn Importer, bundle: &Bundle) -> BTreeMap<String, Vec<String>> {
    let context = importer.prepare(bundle).unwrap();
    let mut said = BTreeMap::new();
    let mut take = |unit: Unit| {
        if let Ok(parsed) = importer.parse(&context, &unit) {
            said.insert(parsed.conversation.native_id.clone(), shape(&parsed.conversation));
        }
    };
    let mut emit = |unit: Result<Unit, _>| {
        let _ = unit.map(&mut take);
        std::ops::ControlFlow::Continue(())
    };
    importer.split(bundle, &context, &mut emit).unwrap();
    said
}

fn stored(vault: &Vault) -> BTreeMap<String, Vec<String>> {
    let entries = vault.listing().unwrap().entries;
    entries.iter().map(|e| (e.card.native_id.clone(), shape(&vault.body(e).unwrap().conversation))).collect()
}

fn bring_as(vault: &mut Vault, format: &str, bundle: &Bundle) -> Report {
    let options =
        Options { importer: by_name(format).unwrap(), tags: &[], now: NOW, allow_resurrect: false, besides: &[] };
    import(vault, bundle, &options, &Progress::default()).unwrap()
}

/// Logs of a format: those made up for the importer's tests, and the published ones where they are.
fn logs(format: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("tests/import").join(format), root.join("../shared/fixtures").join(format)];
    let mut logs = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "jsonl") {
                logs.push(path);
            }
        }
    }
    logs.sort();
    logs
}

/// Where to cut: ends of lines, and the middle of each second of these lines; at most about `most`.
fn cuts(bytes: &[u8], most: usize) -> Vec<usize> {
    let ends: Vec<usize> = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    let step = ends.len().div_ceil(most).max(1);
    let mut cuts = Vec::new();
    for (at, end) in ends.iter().enumerate().step_by(step) {
        cuts.push(*end);
        let next = ends.get(at + 1).copied().unwrap_or(bytes.len());
        if at % 2 == 0 {
            cuts.push((end + next) / 2);
        }
    }
    cuts.push(bytes.len());
    cuts
}

#[test]
fn a_log_that_grows_is_what_it_would_be_had_it_come_in_at_once() {
    for format in ["claude-code", "codex"] {
        let importer = by_name(format).unwrap();
        for path in logs(format) {
            let bytes = std::fs::read(&path).unwrap();
            if bytes.len() > MOST_BYTES {
                continue;
            }
            let (_folder, mut vault) = vault();
            let name = path.file_name().unwrap().to_str().unwrap();
            let mut shorter: Option<Bundle> = None;
            for cut in cuts(&bytes, 4) {
                let bundle = Bundle::from_bytes(name, bytes[..cut].to_vec()).unwrap();
                let expected = said_by(importer, &bundle);
                let report = bring_as(&mut vault, format, &bundle);
                assert_eq!(stored(&vault), expected, "{} cut at {cut}", path.display());
                assert_eq!((report.vanished, report.edited), (0, 0), "{} cut at {cut}", path.display());
                // Neither the same again nor an older state changes anything.
                for again in shorter.iter().chain([&bundle]) {
                    let report = bring_as(&mut vault, format, again);
                    assert_eq!((report.counts.new, report.counts.updated), (0, 0), "{} cut at {cut}", path.display());
                    assert_eq!(stored(&vault), expected, "{} cut at {cut}", path.display());
                }
                shorter = Some(bundle);
            }
            let entries = vault.listing().unwrap().entries;
            assert!(entries.iter().all(|entry| vault.body(entry).unwrap().originals.len() == 1), "{}", path.display());
        }
    }
}

fn line(uuid: &str, parent: Option<&str>, agent: Option<&str>, rest: &str) -> String {
    let parent = parent.map_or("null".to_owned(), |parent| format!("\"{parent}\""));
    let agent =
        agent.map_or("\"isSidechain\":false".to_owned(), |a| format!("\"isSidechain\":true,\"agentId\":\"{a}\""));
    format!(
        "{{\"parentUuid\":{parent},{agent},\"sessionId\":\"s\",\"uuid\":\"{uuid}\",\"timestamp\":\"2026-01-01T00:00:00Z\",{rest}}}\n"
    )
}

fn prompt(text: &str) -> String {
    format!("\"type\":\"user\",\"message\":{{\"role\":\"user\",\"content\":\"{text}\"}}")
}

fn answer(id: &str, block: &str) -> String {
    format!(
        "\"type\":\"assistant\",\"message\":{{\"id\":\"{id}\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[{block}]}}"
    )
}

fn call(id: &str) -> String {
    format!(
        "{{\"type\":\"tool_use\",\"id\":\"{id}\",\"name\":\"Task\",\"input\":{{\"description\":\"d {id}\",\"prompt\":\"do {id}\"}}}}"
    )
}

/// A session with two agents: its files, by the names they have in its folder.
fn session() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| format!("{{\"type\":\"text\",\"text\":\"{text}\"}}");
    let main = [
        line("u1", None, None, &prompt("begin")),
        line("a1", Some("u1"), None, &answer("m1", &call("one"))),
        line("a2", Some("a1"), None, &answer("m1", &call("two"))),
        "{\"type\":\"custom-title\",\"customTitle\":\"Named\",\"sessionId\":\"s\"}\n".to_owned(),
        line("a3", Some("a2"), None, &answer("m2", &text("both are done"))),
        line("u2", Some("a3"), None, &prompt("end")),
        line("a4", Some("u2"), None, &answer("m3", &text("ended"))),
    ];
    let agent = |name: &str| {
        let id = |at: u32| format!("{name}-{at}");
        let answer = |at| answer(&format!("{name}-m{at}"), &text(&format!("{name} works {at}")));
        [
            line(&id(1), None, Some(name), &prompt(&format!("do {name}"))),
            line(&id(2), Some(&id(1)), Some(name), &answer(2)),
            line(&id(3), Some(&id(2)), Some(name), &answer(3)),
        ]
        .concat()
    };
    vec![
        ("s.jsonl", main.concat().into_bytes()),
        ("s/subagents/agent-one.jsonl", agent("one").into_bytes()),
        ("s/subagents/agent-one.meta.json", b"{\"agentType\":\"digger\",\"toolUseId\":\"one\"}".to_vec()),
        ("s/subagents/agent-two.jsonl", agent("two").into_bytes()),
    ]
}

#[test]
fn the_files_of_a_session_come_in_in_any_order_and_any_length() {
    let importer = by_name("claude-code").unwrap();
    let files = session();
    let whole: Vec<_> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    let whole = Bundle::from_bytes("p.zip", zip(&whole, None)).unwrap();
    let expected = said_by(importer, &whole);
    assert_eq!(expected["s"].len(), 1 + 5 + 6);
    // Drawn from the number of the round, so that a failure is found again.
    let mut drawn = 0_u64;
    let mut draw = |below: usize| {
        drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(drawn >> 33).unwrap() % below
    };
    for round in 0..40 {
        let (_folder, mut vault) = vault();
        let mut told = Vec::new();
        for _ in 0..4 {
            let mut some = Vec::new();
            for (name, bytes) in &files {
                let cuts = cuts(bytes, 8);
                if draw(2) == 0 {
                    let cut = if name.ends_with(".json") { bytes.len() } else { cuts[draw(cuts.len())] };
                    some.push((*name, &bytes[..cut]));
                }
            }
            told.push(some.iter().map(|(name, bytes)| format!("{name} {}", bytes.len())).collect::<Vec<_>>());
            let bundle = match some.as_slice() {
                [] => continue,
                // A file by itself, as `import agent-one.jsonl` has it.
                [(name, bytes)] => Bundle::from_bytes(name.rsplit('/').next().unwrap(), bytes.to_vec()).unwrap(),
                some => Bundle::from_bytes("p.zip", zip(some, None)).unwrap(),
            };
            let report = bring_as(&mut vault, "claude-code", &bundle);
            assert_eq!((report.vanished, report.edited), (0, 0), "round {round}: {told:?}");
        }
        bring_as(&mut vault, "claude-code", &whole);
        assert_eq!(stored(&vault), expected, "round {round}: {told:?}");
        let again = bring_as(&mut vault, "claude-code", &whole);
        assert_eq!(counts(&again), (0, 0, 1, 0), "round {round}: {told:?}");
        for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".jsonl")) {
            let alone = Bundle::from_bytes(name.rsplit('/').next().unwrap(), bytes.clone()).unwrap();
            assert_eq!(counts(&bring_as(&mut vault, "claude-code", &alone)), (0, 0, 1, 0), "round {round}: {name}");
        }
        assert_eq!(stored(&vault), expected, "round {round}: {told:?}");
    }
}

#[test]
fn a_session_that_went_on_in_two_files_keeps_what_either_says() {
    let text = |text: &str| format!("{{\"type\":\"text\",\"text\":\"{text}\"}}");
    let begun = line("u1", None, None, &prompt("begin")) + &line("a1", Some("u1"), None, &answer("m1", &text("begun")));
    let one = begun.clone() + &line("u2", Some("a1"), None, &prompt("one way"));
    let other = begun.clone() + &line("u3", Some("a1"), None, &prompt("another way"));
    let grown = one.clone() + &line("a2", Some("u2"), None, &answer("m2", &text("one end")));
    let (_folder, mut vault) = vault();
    for log in [&one, &other, &grown, &begun, &other] {
        let bundle = Bundle::from_bytes("s.jsonl", log.clone().into_bytes()).unwrap();
        let report = bring_as(&mut vault, "claude-code", &bundle);
        assert_eq!((report.vanished, report.edited), (0, 0));
    }
    let entries = vault.listing().unwrap().entries;
    let body = vault.body(&entries[0]).unwrap();
    let mut texts: Vec<_> =
        body.conversation.messages.iter().map(|m| body.conversation.text_of(&m.parts[0]).to_owned()).collect();
    texts.sort();
    assert_eq!(texts, ["another way", "begin", "begun", "one end", "one way"]);
    assert_eq!(body.conversation.title.as_deref(), Some("begin"));
    let originals: Vec<&[u8]> = body.originals.iter().map(|original| original.as_slice()).collect();
    assert_eq!(originals.len(), 2);
    assert!(originals.contains(&grown.as_bytes()) && originals.contains(&other.as_bytes()));
}
