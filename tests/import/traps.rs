//! Every made-up trap in `tests/import/chatgpt` reads as the text beside it says, word for word.
//!
//! `CONVAULT_BLESS=1` writes the texts anew, to be read before they are committed.

use std::fmt::Write;
use std::path::Path;

use convault::conversation::{Conversation, Role, SourceTime, Visibility};

use crate::reading::{Imported, chatgpt, chatgpt_json, parts};

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
        writeln!(out, "  file #{index} {id} {name} {:?} {:?}", file.media_type, file.size).unwrap();
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
    for (place, reason) in imported.reasons() {
        writeln!(out, "problem {place}: {reason}").unwrap();
    }
    out
}

#[test]
fn every_trap_reads_as_written_beside_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/chatgpt");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let input = entry.expect("readable").path();
        if input.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let told = describe_all(&chatgpt_json(std::fs::read(&input).expect("readable")));
        let beside = input.with_extension("expected");
        if std::env::var_os("CONVAULT_BLESS").is_some() {
            std::fs::write(&beside, &told).expect("writable");
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        assert_eq!(told, expected, "{}", input.display());
        seen += 1;
    }
    assert_eq!(seen, 15, "every trap was read");
}

#[test]
fn nesting_of_any_depth_costs_nothing() {
    for depth in [200, 100_000] {
        let nested = format!("{}7{}", "[".repeat(depth), "]".repeat(depth));
        let json = format!(
            "[{{\"id\":\"n\",\"title\":\"deep\",\"owner\":{nested},\"unheard_of\":{nested},\"mapping\":{{\"a\":{{\"message\":\
             {{\"author\":{{\"role\":\"user\"}},\"content\":{{\"content_type\":\"text\",\"parts\":[\"said\",{{\"content_type\":\
             \"nest\",\"twigs\":{nested}}}],\"extra\":{nested}}}}}}}}},\"current_node\":\"a\"}}]"
        );
        let imported = chatgpt_json(&json);
        assert_eq!(imported.reasons(), []);
        let conversation = &imported.conversations[0];
        let message = &conversation.messages[0];
        assert_eq!(conversation.title.as_deref(), Some("deep"));
        assert_eq!(conversation.text_of(&message.parts[0]), "said");
        assert_eq!(
            conversation.text_of(&message.parts[1]),
            format!("{{\"content_type\":\"nest\",\"twigs\":{nested}}}")
        );
        assert_eq!(imported.originals[0], json.as_bytes()[1..json.len() - 1]);
    }
}

#[test]
fn a_deep_file_with_a_bad_escape_is_repaired_all_the_same() {
    let nested = format!("{}{}", "{\"a\":".repeat(100_000), "1".to_owned() + &"}".repeat(100_000));
    let json =
        format!("[{{\"id\":\"n\",\"title\":\"\\x41\",\"owner\":{nested},\"mapping\":{{}},\"current_node\":null}}]");
    let imported = chatgpt_json(&json);
    assert_eq!(imported.conversations[0].title.as_deref(), Some("A"));
    assert_eq!(imported.repaired(), [("\\x escape", 1), ("deep nesting", 1)]);
}

#[test]
fn a_chain_of_a_hundred_thousand_messages_is_read() {
    let node = |n: usize| {
        let parent = if n == 0 { "null".into() } else { format!("\"{}\"", n - 1) };
        format!(
            "\"{n}\":{{\"message\":{{\"author\":{{\"role\":\"user\"}},\"content\":{{\"content_type\":\"text\",\"parts\":[\"x\"]}}}},\"parent\":{parent}}}"
        )
    };
    let nodes: Vec<String> = (0..100_000).map(node).collect();
    let imported =
        chatgpt_json(format!("[{{\"id\":\"l\",\"mapping\":{{{}}},\"current_node\":\"99999\"}}]", nodes.join(",")));
    let messages = &imported.conversations[0].messages;
    assert_eq!(messages.len(), 100_000);
    assert!(messages.iter().all(|message| !message.abandoned));
    assert_eq!(messages[99_999].parent, Some(99_998));
}

#[test]
fn the_active_branch_reads_in_order_and_parents_stand_before_children() {
    let imported = chatgpt_json(include_str!("chatgpt/branches.json"));
    let messages = &imported.conversations[0].messages;
    let active: Vec<_> = messages.iter().filter(|m| !m.abandoned).filter_map(|m| m.id.as_deref()).collect();
    assert_eq!(active, ["q", "z", "q3"]);
    for (index, message) in messages.iter().enumerate() {
        assert!(message.parent.is_none_or(|parent| (parent as usize) < index));
    }
}

#[test]
fn the_sample_export_reads_whole() {
    let bundle =
        convault::bundle::Bundle::from_bytes("sample", include_bytes!("../../examples/chatgpt-export.json").to_vec());
    let imported = chatgpt(&bundle.expect("bytes are a bundle"));
    assert_eq!((imported.conversations.len(), imported.messages()), (4, 30));
    assert_eq!((imported.reasons(), imported.unknown(), imported.repaired()), (vec![], vec![], vec![]));
    let titles: Vec<_> = imported.conversations.iter().filter_map(|c| c.title.as_deref()).collect();
    assert_eq!(
        titles,
        [
            "A name for the lighthouse cat",
            "Why does my tide table drift?",
            "Bread for the supply boat",
            "Night train to the north"
        ]
    );
}

#[test]
fn no_beginning_of_the_sample_makes_it_panic() {
    let sample = include_bytes!("../../examples/chatgpt-export.json");
    for end in (0..sample.len()).step_by(97) {
        chatgpt_json(&sample[..end]);
    }
}
