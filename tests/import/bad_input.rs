//! What strict JSON readers refuse and exports hold all the same, in every format: the message is read, the source's
//! bytes are kept as they were.

use convault::import::FORMATS;

use crate::reading::read_as;

/// The smallest input of each format: `$T` is the text of its message, `$E` a field nobody knows.
fn template(format: &str) -> &'static str {
    match format {
        "chatgpt" => {
            r#"[{"id":"1","title":"t","odd":$E,"mapping":{"a":{"id":"a","message":{"id":"a","author":{"role":"user"},"content":{"content_type":"text","parts":["$T"]}},"parent":null,"children":[]}},"current_node":"a"}]"#
        }
        "claude" => {
            r#"[{"uuid":"1","name":"n","odd":$E,"chat_messages":[{"uuid":"2","sender":"human","text":"$T","created_at":"2025-01-01T00:00:00Z"}]}]"#
        }
        "claude-code" => concat!(
            r#"{"type":"user","sessionId":"s","uuid":"u","parentUuid":null,"odd":$E,"timestamp":"2026-01-01T00:00:00Z","message":{"role":"user","content":"$T"}}"#,
            "\n"
        ),
        "codex" => concat!(
            r#"{"timestamp":"2026-01-01T00:00:00Z","type":"session_meta","payload":{"id":"s"}}"#,
            "\n",
            r#"{"timestamp":"2026-01-01T00:00:01Z","type":"response_item","odd":$E,"payload":{"type":"message","role":"user","content":[{"type":"input_text","text":"$T"}]}}"#,
            "\n"
        ),
        "convault" => {
            concat!(r#"{"schema":"convault.conversation/1","native_id":"1","odd":$E,"messages":[{"text":"$T"}]}"#, "\n")
        }
        "messages" => concat!(r#"{"id":"1","odd":$E,"messages":[{"role":"user","content":"$T"}]}"#, "\n"),
        "sharegpt" => r#"[{"id":"1","odd":$E,"conversations":[{"from":"human","value":"$T"}]}]"#,
        other => panic!("no template for {other}"),
    }
}

fn filled(template: &str, text: &[u8], extra: &[u8]) -> Vec<u8> {
    let (before, rest) = template.split_once("$E").expect("a place for the field");
    let (between, after) = rest.split_once("$T").expect("a place for the text");
    [before.as_bytes(), extra, between.as_bytes(), text, after.as_bytes()].concat()
}

#[test]
fn every_format_reads_what_strict_readers_refuse() {
    let nested = [b"[".repeat(200), b"]".repeat(200)].concat();
    let very_nested = [b"{\"a\":".repeat(100_000), b"1".to_vec(), b"}".repeat(100_000)].concat();
    let cases: [(&str, &[u8], &[u8], &str); 10] = [
        ("an escape that is none", br"tide\x01table", b"0", "tide\u{1}table"),
        ("a lone surrogate", br"tide\ud83d table", b"0", "tide\u{fffd} table"),
        ("a raw control character", b"tide\x02table", b"0", "tide\u{2}table"),
        ("text that is not UTF-8", b"tide\xfftable", b"0", "tide\u{fffd}table"),
        ("nesting of 200", b"tide table", &nested, "tide table"),
        ("nesting of 100,000", b"tide table", &very_nested, "tide table"),
        ("nesting beside a bad escape", br"tide\x01table", &nested, "tide\u{1}table"),
        ("more digits than a float has", b"tide table", b"1756000000.1234567891234", "tide table"),
        ("a number beyond any float", b"tide table", b"1e999", "tide table"),
        ("duplicate keys", b"tide table", br#"{"k":1,"k":2}"#, "tide table"),
    ];
    for format in FORMATS.iter().map(|format| format.name()).filter(|format| *format != "opaque") {
        for (what, text, extra, expected) in cases {
            for mark in [&b""[..], b"\xef\xbb\xbf"] {
                let input = [mark, &filled(template(format), text, extra)].concat();
                let imported = read_as(format, "input", &input);
                let said = format!("{format}: {what}, {} bytes before", mark.len());
                assert_eq!(imported.reasons(), [], "{said}");
                let [conversation] = imported.conversations.as_slice() else { panic!("{said}: one conversation") };
                let [message] = conversation.messages.as_slice() else { panic!("{said}: one message") };
                assert_eq!(conversation.text_of(&message.parts[0]), expected, "{said}");
                let kept = &imported.originals[0];
                assert!(kept.windows(text.len()).any(|bytes| bytes == text), "{said}: the text as it was");
                assert!(kept.len() > extra.len() && kept.windows(extra.len()).any(|bytes| bytes == extra), "{said}");
            }
        }
    }
}

#[test]
fn a_file_cut_anywhere_costs_no_more_than_its_end() {
    for format in FORMATS.iter().map(|format| format.name()).filter(|format| *format != "opaque") {
        let whole = filled(template(format), b"tide table", b"0");
        for end in 0..whole.len() {
            let imported = read_as(format, "input", &whole[..end]);
            for reason in imported.reasons() {
                assert!(!reason.1.contains("tide"), "{format} at {end}: {}", reason.1);
            }
        }
    }
}
