//! Sessions of Claude Code: what the traps cannot show.

use std::path::{Path, PathBuf};

use convault::bundle::Bundle;
use convault::conversation::Role;
use convault::import::{by_name, detect};

use crate::reading::{Imported, import_with};

fn claude_code(bundle: &Bundle) -> Imported {
    import_with(by_name("claude-code").expect("registered"), bundle).expect("no bomb")
}

fn fixtures() -> Option<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/fixtures"));
    folder.join("MANIFEST.tsv").exists().then(|| folder.to_owned())
}

/// Records of user and assistant, found again: as messages, as parts of one, as repeats.
fn records(imported: &Imported) -> u64 {
    let said = imported.conversations.iter().flat_map(|c| {
        c.messages.iter().filter(|m| c.participants[m.author as usize].role != Role::System)
    });
    let counted = |words| imported.notes.records.get(words).copied().unwrap_or(0);
    said.count() as u64 + counted("continues an answer") + counted("repeats an earlier line")
}

#[test]
fn explore() {
    let Some(folder) = fixtures() else { return };
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.tsv")).expect("the manifest can be read");
    for line in manifest.lines().skip(1) {
        let column: Vec<&str> = line.split('\t').collect();
        let (file, format) = (column[0], column[1]);
        let bundle = Bundle::open_path(&folder.join(file)).expect("the file can be read");
        let found = detect(&bundle).map(|(format, _)| format.name()).ok();
        if format != "claude-code" {
            if found == Some("claude-code") { println!("CLAIMED {file}"); }
            continue;
        }
        let i = claude_code(&bundle);
        println!("{file} {found:?} conv {} ({}) rec {} ({}) unknown {:?} repaired {:?} records {:?} empty {:?} problems {:?}",
            i.conversations.len(), column[6], records(&i), column[7], i.unknown(), i.repaired(), i.notes.records, i.empty, i.reasons());
        for c in &i.conversations { println!("     {:?} {:?} {} model {:?} abandoned {}", c.native_id, c.title, c.messages.len(), c.model, c.messages.iter().filter(|m| m.abandoned).count()); }
    }
    for tree in ["real_projects", "teammates"] {
        let i = claude_code(&Bundle::open_path(&folder.join("claude-code").join(tree)).unwrap());
        println!("{tree} conv {} rec {} unknown {:?} repaired {:?} records {:?} empty {:?} problems {:?}", i.conversations.len(), records(&i), i.unknown(), i.repaired(), i.notes.records, i.empty, i.reasons());
        for c in &i.conversations { println!("     {:?} {:?} {} model {:?} parts {:?}", c.native_id, c.title, c.messages.len(), c.model, c.participants.iter().map(|p| (p.role, p.name.clone())).collect::<Vec<_>>()); }
    }
}
