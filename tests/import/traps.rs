//! Every made-up trap in `tests/import/<format>` reads as the text beside it says, word for word.
//!
//! `CONVAULT_BLESS=1` writes the texts anew, to be read before they are committed.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use convault::bundle::Bundle;
use convault::conversation::{Conversation, Payload, Role, SourceTime, Visibility};
use convault::import::{FORMATS, by_name, detect, detect_all};

use crate::reading::{Imported, import_with, parts};

fn time(time: Option<&SourceTime>) -> String {
    time.map_or_else(
        || "-".into(),
        |time| format!("{} = {}", time.text, time.at.map_or("?".into(), |at| at.0.to_string())),
    )
}

fn describe(out: &mut String, conversation: &Conversation) {
    let c = conversation;
    writeln!(out, "conversation {}", c.native_id).unwrap();
    writeln!(out, "  title {:?}, model {:?}, project {:?}, flags {:?}", c.title, c.model, c.project, c.flags).unwrap();
    if let Some(from) = &c.continues {
        writeln!(out, "  continues {from}").unwrap();
    }
    writeln!(out, "  created {}, updated {}", time(c.created.as_ref()), time(c.updated.as_ref())).unwrap();
    for (index, message) in c.messages.iter().enumerate() {
        let author = &c.participants[message.author as usize];
        let mut line = format!("  {index} {} {:?}", message.id.as_deref().unwrap_or("-"), author.role);
        if author.role == Role::Other {
            write!(line, " {:?}", author.native_role).unwrap();
        }
        for (word, value) in [("named", &author.name), ("to", &message.recipient), ("by", &message.model)] {
            if let Some(value) = value {
                write!(line, ", {word} {value}").unwrap();
            }
        }
        if let Some(parent) = message.parent {
            write!(line, ", after {parent}").unwrap();
        }
        if message.visibility == Visibility::Hidden {
            line.push_str(", hidden");
        }
        if message.abandoned {
            line.push_str(", abandoned");
        }
        for (word, at) in [("at", &message.time), ("edited", &message.edited)] {
            if at.is_some() {
                write!(line, ", {word} {}", time(at.as_ref())).unwrap();
            }
        }
        writeln!(out, "{line}").unwrap();
        for ((kind, name, text), part) in parts(c, message).into_iter().zip(&message.parts) {
            let name = name.map(|name| format!(" {name}")).unwrap_or_default();
            let url = part.url.as_ref().map(|url| format!(" <{url}>")).unwrap_or_default();
            let file = part.attachment.map(|index| format!(" #{index}")).unwrap_or_default();
            writeln!(out, "      {kind:?}{name}{url}{file} {text:?}").unwrap();
        }
    }
    for (index, file) in c.attachments.iter().enumerate() {
        let (id, name) = (file.id.as_deref().unwrap_or("-"), file.name.as_deref().unwrap_or("-"));
        let data = match &file.payload {
            Some(Payload::Inside(data)) => format!(", {} bytes inside", data.len()),
            Some(Payload::Pieces { start, end, .. }) => format!(", pieces in {start}..{end}"),
            _ => String::new(),
        };
        writeln!(out, "  file #{index} {id} {name} {:?} {:?}{data}", file.media_type, file.size).unwrap();
    }
}

fn describe_all(imported: &Imported) -> String {
    let mut out = String::new();
    for conversation in &imported.conversations {
        describe(&mut out, conversation);
    }
    for (path, count) in imported.unknown() {
        writeln!(out, "unknown {path} {count}").unwrap();
    }
    for (kind, count) in imported.repaired() {
        writeln!(out, "repaired {kind} {count}").unwrap();
    }
    for (kind, count) in &imported.notes.records {
        writeln!(out, "record {kind} {count}").unwrap();
    }
    for reason in &imported.empty {
        writeln!(out, "empty: {reason}").unwrap();
    }
    for (place, reason) in imported.reasons() {
        writeln!(out, "problem {place}: {reason}").unwrap();
    }
    out
}

/// Inputs of a format: files, and folders for what comes in several files. `name.x` has `name.expected` beside it.
fn inputs(format: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(format);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|_| panic!("{} has no traps", folder.display()));
    let paths = entries.map(|entry| entry.expect("readable").path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_none_or(|end| end != "expected")).collect();
    paths.sort();
    paths
}

#[test]
fn every_trap_reads_as_written_beside_it() {
    for format in FORMATS.iter().map(|format| format.name()).filter(|format| *format != "opaque") {
        let inputs = inputs(format);
        assert!(inputs.len() >= 8, "{format} has {} traps", inputs.len());
        for input in inputs {
            let bundle = Bundle::open_path(&input).expect("readable");
            let told = describe_all(&import_with(by_name(format).expect("registered"), &bundle).expect("no bomb"));
            let beside = input.with_extension("expected");
            if std::env::var_os("CONVAULT_BLESS").is_some() {
                std::fs::write(&beside, &told).expect("writable");
            }
            let expected = std::fs::read_to_string(&beside).unwrap_or_default();
            assert_eq!(told, expected, "{}", input.display());
        }
    }
}

#[test]
fn no_trap_is_taken_for_another_format() {
    for format in FORMATS.iter().map(|format| format.name()).filter(|format| *format != "opaque") {
        for input in inputs(format) {
            let bundle = Bundle::open_path(&input).expect("readable");
            let found = match bundle.is_folder() {
                // A folder may hold a stranger's file beside, which is another format's to read.
                true => detect_all(&bundle),
                false => detect(&bundle).map(|(format, _)| vec![format]),
            };
            let found: Vec<_> = match found {
                Ok(found) => found.iter().map(|format| format.name()).collect(),
                // Some traps are too damaged to be known; then the format is asked for.
                Err(error) => {
                    let message = error.to_string();
                    assert!(message.contains("nothing here looks like"), "{}: {message}", input.display());
                    continue;
                }
            };
            // Nothing in these lines says which program wrote them.
            let expected = if input.ends_with("codex/bare-roles.jsonl") { "messages" } else { format };
            assert!(found.contains(&expected), "{}: {found:?}", input.display());
            assert!(bundle.is_folder() || found.len() == 1, "{}: {found:?}", input.display());
        }
    }
}
