//! Exports published by others: the counts of their manifest come out. Passes without them.

use std::path::{Path, PathBuf};

use convault::bundle::Bundle;
use convault::import::{DetectError, detect};

use crate::reading::chatgpt;

fn folder() -> Option<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/fixtures"));
    folder.join("MANIFEST.tsv").exists().then(|| folder.to_owned())
}

#[test]
fn every_published_chatgpt_file_has_the_count_of_its_manifest() {
    let Some(folder) = folder() else { return };
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.tsv")).expect("the manifest can be read");
    for line in manifest.lines().skip(1) {
        let column: Vec<&str> = line.split('\t').collect();
        let (file, format) = (column[0], column[1]);
        let bundle = Bundle::open_path(&folder.join(file)).expect("the file can be read");
        let found = detect(&bundle);
        if format != "chatgpt" {
            assert!(!matches!(&found, Ok((format, _)) if format.name() == "chatgpt"), "{file} is no ChatGPT export");
            continue;
        }
        assert_eq!(found.map(|(format, _)| format.name()).ok(), Some("chatgpt"), "{file}");
        let imported = chatgpt(&bundle);
        // The manifest counts the entry without `mapping` as a conversation; it holds nothing to import.
        let whole = imported.conversations.len() + imported.problems.len();
        assert_eq!(
            (whole.to_string(), imported.messages().to_string()),
            (column[6].into(), column[7].into()),
            "{file}"
        );
        for (conversation, original) in imported.conversations.iter().zip(&imported.originals) {
            let entry: serde_json::Value = serde_json::from_slice(original).expect("an original is whole JSON");
            assert_eq!(entry["id"], conversation.native_id.as_str());
        }
    }
}

#[test]
fn the_malformed_entry_is_named_and_the_others_come() {
    let Some(folder) = folder() else { return };
    let bundle = Bundle::open_path(&folder.join("chatgpt/chatgpt-modern-export.json")).expect("readable");
    let imported = chatgpt(&bundle);
    assert_eq!(imported.conversations.len(), 2);
    assert_eq!(
        imported.reasons(),
        [("chatgpt-modern-export.json[1]", "no `mapping`: the export holds no messages for this entry")]
    );
    assert_eq!(imported.unknown(), []);
}

#[test]
fn what_is_no_export_is_refused() {
    let Some(folder) = folder() else { return };
    for file in ["negative/simple-invalid.json", "negative/invalid_unicode.json"] {
        let bundle = Bundle::open_path(&folder.join(file)).expect("readable");
        assert!(matches!(detect(&bundle), Err(DetectError::Unknown)), "{file}");
    }
}
