//! Traps of ChatGPT exports that no small file shows: depth, length, order.

use crate::reading::{chatgpt, chatgpt_json};

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
