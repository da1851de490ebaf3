//! Exports that others publish as test data, where they are at hand.

use std::fs;
use std::path::Path;

use crate::home::Home;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/fixtures");

/// Entries that are no conversation, by file: documented in `docs/formats/chatgpt.md`.
fn unreadable(name: &str) -> u64 {
    // One entry without a mapping.
    if name == "chatgpt-modern-export.json" { 1 } else { 0 }
}

#[test]
fn published_exports_come_in_with_the_count_of_their_manifest() {
    // Absent in most checkouts; the other tests have samples of their own.
    let Ok(manifest) = fs::read_to_string(Path::new(FIXTURES).join("MANIFEST.tsv")) else { return };
    let mut files = 0;
    for line in manifest.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let [path, "chatgpt", _, _, _, _, conversations, ..] = columns.as_slice() else { continue };
        let path = Path::new(FIXTURES).join(path);
        let name = path.file_name().expect("a name").to_string_lossy();
        let skipped = unreadable(&name);
        let expected = conversations.parse::<u64>().expect("a number") - skipped;
        // A vault each: two of the files hold different states of one conversation.
        let home = Home::with_vault();
        let (code, document) = home.json(&["import", path.to_str().expect("text")]);
        assert_eq!((code, &document["conversations"]["skipped"]), (if skipped > 0 { 3 } else { 0 }, &skipped.into()));
        assert_eq!(document["conversations"]["new"], expected, "{name}: {document}");
        let (_, again) = home.json(&["import", path.to_str().expect("text")]);
        assert_eq!(again["conversations"]["unchanged"], expected, "{name}: {again}");
        home.run(["check", "--quiet"]).expect(0);
        files += 1;
    }
    assert!(files >= 4, "{files} files in the manifest");
}
