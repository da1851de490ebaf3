//! The generic inputs together: the examples of their page, growing conversations in a vault, and the
//! published files of every format that they do or do not claim.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use convault::bundle::Bundle;
use convault::clock::Instant;
use convault::crypto::{KdfCost, Password};
use convault::import::{Sample, by_name, detect};
use convault::ingest::{Options, Progress, Report, import};
use convault::store::Lock;
use convault::vault::{AnchorPlace, NewVault, Vault};

use crate::reading::{Imported, import_with};

const PAGE: &str = include_str!("../../docs/formats/generic.md");

#[test]
fn every_example_of_the_page_is_found_and_read_whole() {
    let examples: Vec<&str> = PAGE
        .split("```json")
        .skip(1)
        .filter_map(|rest| Some(rest.split("\n```").next()?.split_once('\n')?.1))
        .collect();
    assert_eq!(examples.len(), 6);
    for example in examples {
        let bundle = Bundle::from_bytes("example", example.as_bytes().to_vec()).expect("bytes are a bundle");
        let (format, _) = detect(&bundle).unwrap_or_else(|error| panic!("{error}: {example}"));
        let imported = import_with(format, &bundle).expect("no bomb");
        assert!(!imported.conversations.is_empty() && imported.messages() >= 2, "{example}");
        assert_eq!(imported.reasons(), [], "{example}");
        assert_eq!((imported.unknown(), imported.repaired()), (vec![], vec![]), "{example}");
    }
}

const NOW: Instant = Instant(1_800_000_000_000_000);

fn vault() -> (tempfile::TempDir, Vault) {
    let folder = tempfile::tempdir().expect("a folder");
    let password = Password::new(b"p".to_vec());
    let new = NewVault {
        password: &password,
        cost: KdfCost::FLOOR,
        anchor: AnchorPlace::Embedded,
        recovery: false,
        now: NOW,
    };
    let lock = Lock::take(&folder.path().join("v.db")).expect("locked");
    let vault = Vault::create(lock, &new).expect("created").0;
    (folder, vault)
}

fn bring(vault: &mut Vault, content: &str) -> Report {
    let bundle = Bundle::from_bytes("a.jsonl", content.as_bytes().to_vec()).expect("bytes are a bundle");
    let importer = by_name("messages").expect("registered");
    import(
        vault,
        &bundle,
        &Options { importer, tags: &[], now: NOW, allow_resurrect: false, besides: &[] },
        &Progress::default(),
    )
    .expect("imported")
}

fn counts(report: &Report) -> [u64; 5] {
    [report.counts.new, report.counts.updated, report.counts.unchanged, report.counts.skipped, report.vanished]
}

#[test]
fn a_conversation_that_went_on_is_updated_and_nothing_comes_twice_or_vanishes() {
    let turns = [r#"{"role":"user","content":"ok"}"#, r#"{"role":"assistant","content":"ok"}"#].repeat(3);
    let object = |count: usize| format!("{{\"messages\":[{}]}}\n", turns[..count].join(","));
    let log = |count: usize| turns[..count].join("\n") + "\n";
    let file =
        r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,aGVsbG8="}}]},"#;
    let with_file = |count: usize| object(count).replacen('[', &format!("[{file}"), 1);
    for write in [&object as &dyn Fn(usize) -> String, &log, &with_file] {
        let (_folder, mut vault) = vault();
        assert_eq!(counts(&bring(&mut vault, &write(3))), [1, 0, 0, 0, 0]);
        assert_eq!(counts(&bring(&mut vault, &write(6))), [0, 1, 0, 0, 0]);
        assert_eq!(counts(&bring(&mut vault, &write(6))), [0, 0, 1, 0, 0]);
        let entries = vault.listing().expect("listed").entries;
        assert_eq!(entries.len(), 1);
        let stored = vault.body(&entries[0]).expect("read");
        let six = 6 + usize::from(write(1).contains("image_url"));
        assert_eq!(stored.conversation.messages.len(), six);
        assert!(stored.conversation.messages.iter().all(|message| !message.vanished));
        assert_eq!(stored.conversation.attachments.len(), six - 6);
        assert_eq!(stored.originals.len(), 1, "the longer original says all that the shorter said");
    }
}

#[test]
fn conversations_that_begin_alike_stay_apart_in_a_vault() {
    let (_folder, mut vault) = vault();
    let line = |end: &str| {
        format!(
            r#"{{"messages":[{{"role":"user","content":"hi"}},{{"role":"assistant","content":"hello"}},{{"role":"user","content":"{end}"}}]}}"#
        ) + "\n"
    };
    let set = line("tea") + &line("rain") + &line("tea") + &line("snow");
    assert_eq!(counts(&bring(&mut vault, &set)), [3, 0, 1, 0, 0]);
    assert_eq!(counts(&bring(&mut vault, &set)), [0, 0, 4, 0, 0]);
    assert_eq!(counts(&bring(&mut vault, &(line("sun") + &set))), [1, 0, 4, 0, 0]);
}

fn folder() -> Option<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/fixtures"));
    folder.join("MANIFEST.tsv").exists().then(|| folder.to_owned())
}

/// Published files of other formats, or filed under another, that are honestly plain messages.
const CLAIMED: &[(&str, &str)] = &[
    ("codex/session_branch.jsonl", "messages"),
    ("codex/session_simple.jsonl", "messages"),
    ("codex/session_toolcall.jsonl", "messages"),
    ("codex/stage0/schema_drift.jsonl", "messages"),
    ("openai-messages/reason_tool_use_demo_50.jsonl", "messages"),
    ("other-agents/hermes/large.json", "messages"),
    ("other-agents/hermes/schema_drift.json", "messages"),
    ("other-agents/hermes/small.json", "messages"),
    ("sharegpt/glaive_toolcall_en_demo.json", "sharegpt"),
    ("sharegpt/mllm_demo.json", "messages"),
];

fn is_claimed(bundle: &Bundle, format: &str) -> bool {
    let sample = Sample::of(bundle).expect("readable");
    by_name(format).expect("registered").probe(&sample).is_some()
}

#[test]
fn of_all_published_files_just_these_are_claimed() {
    let Some(folder) = folder() else { return };
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.tsv")).expect("the manifest can be read");
    let mut claimed = Vec::new();
    for line in manifest.lines().skip(1) {
        let file = line.split('\t').next().unwrap_or_default();
        let Ok(bundle) = Bundle::open_path(&folder.join(file)) else { continue };
        for format in ["messages", "sharegpt"] {
            if is_claimed(&bundle, format) {
                claimed.push((file, format));
            }
        }
    }
    claimed.sort_unstable();
    assert_eq!(claimed, CLAIMED);
}

/// What the manifest counts: messages less those that are no message in the source. It counts lines with a role
/// and the entries of `messages`; a system prompt is a field beside them.
fn counted(imported: &Imported) -> u64 {
    let lines = ["tool call or result on a line of its own", "line without a role", "instructions beside the messages"];
    let others: u64 = lines.iter().filter_map(|kind| imported.notes.records.get(kind)).sum();
    imported.messages() as u64 - others
}

#[test]
fn every_claimed_file_has_the_counts_of_its_manifest() {
    let Some(folder) = folder() else { return };
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.tsv")).expect("the manifest can be read");
    for (file, format) in CLAIMED {
        let line = manifest.lines().find(|line| line.split('\t').next() == Some(file)).expect("it is listed");
        let column: Vec<&str> = line.split('\t').collect();
        let bundle = Bundle::open_path(&folder.join(file)).expect("readable");
        let imported = import_with(by_name(format).expect("registered"), &bundle).expect("no bomb");
        assert_eq!(imported.reasons(), [], "{file}");
        assert_eq!(imported.conversations.len().to_string(), column[6], "{file}");
        assert_eq!(counted(&imported).to_string(), column[7], "{file}");
        let originals: HashSet<_> = imported.originals.iter().collect();
        let ids: HashSet<_> = imported.conversations.iter().map(|conversation| &conversation.native_id).collect();
        assert_eq!(ids.len(), originals.len(), "{file}: as many ids as different contents");
    }
}

#[test]
fn the_published_data_sets_have_the_measured_identities() {
    let Some(folder) = folder() else { return };
    let different = |file: &str, format: &str| {
        let bundle = Bundle::open_path(&folder.join(file)).expect("readable");
        let imported = import_with(by_name(format).expect("registered"), &bundle).expect("no bomb");
        let ids: HashSet<_> = imported.conversations.iter().map(|c| c.native_id.clone()).collect();
        (imported.conversations.len(), ids.len())
    };
    // 35 of the 300 are exact repeats.
    assert_eq!(different("sharegpt/glaive_toolcall_en_demo.json", "sharegpt"), (300, 265));
    assert_eq!(different("openai-messages/reason_tool_use_demo_50.jsonl", "messages"), (50, 50));
    assert_eq!(different("sharegpt/mllm_demo.json", "messages"), (6, 6));
}

#[test]
fn bare_role_lines_become_turns_with_their_tools() {
    let Some(folder) = folder() else { return };
    for (file, tools, others) in [
        ("codex/session_simple.jsonl", None, None),
        ("codex/session_branch.jsonl", Some(2), Some(1)),
        ("codex/session_toolcall.jsonl", Some(2), None),
        ("codex/stage0/schema_drift.jsonl", Some(2), Some(1)),
    ] {
        let bundle = Bundle::open_path(&folder.join(file)).expect("readable");
        let imported = import_with(by_name("messages").expect("registered"), &bundle).expect("no bomb");
        let records = &imported.notes.records;
        assert_eq!(records.get("tool call or result on a line of its own").copied(), tools, "{file}");
        assert_eq!(records.get("line without a role").copied(), others, "{file}");
    }
}
