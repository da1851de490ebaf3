//! One format, found from content; two claims or none are refused.

use convault::bundle::{Bundle, BundleError};
use convault::conversation::Kind;
use convault::import::{
    Context, Emit, Evidence, FORMATS, Importer, Parsed, Problem, Sample, Unit, Unread, by_name, detect, detect_among,
};

use crate::bundles::zip;
use crate::reading::{chatgpt, chatgpt_json, import_with};

fn bundle(name: &str, content: &[u8]) -> Bundle {
    Bundle::from_bytes(name, content.to_vec()).expect("bytes are a bundle")
}

fn found(name: &str, content: &[u8]) -> Result<&'static str, String> {
    detect(&bundle(name, content)).map(|(format, _)| format.name()).map_err(|error| error.to_string())
}

const UNKNOWN: &str = "cannot tell the format: nothing here looks like a known export";

#[test]
fn content_decides_and_the_name_does_not() {
    let export = br#"[{"title":"t","mapping":{"a":{"id":"a","message":{"id":"a","author":{"role":"user"},"content":{"content_type":"text","parts":["x"]}}}}}]"#;
    assert_eq!(found("holiday.txt", export), Ok("chatgpt"));
    assert_eq!(found("conversations.json", &export[1..export.len() - 1]), Ok("chatgpt"), "a single conversation");
    let with_mark = [&b"\xef\xbb\xbf"[..], export].concat();
    assert_eq!(found("x", &with_mark), Ok("chatgpt"));
    assert_eq!(found("x.json", br#"[{"id":"1","mapping":{},"current_node":null}]"#), Ok("chatgpt"));
}

#[test]
fn other_vendors_files_of_the_same_name_are_not_claimed() {
    let deepseek = br#"[{"id":"1","title":"t","inserted_at":"2025","mapping":{"1":{"id":"1","message":{"fragments":[{"type":"REQUEST","content":"x"}]}}}}]"#;
    for content in [&deepseek[..], b"[]", b"{}", b"", b"hello", b"[1,2]", b"{\"mapping\":[1]}"] {
        assert_eq!(found("conversations.json", content), Err(UNKNOWN.to_owned()));
    }
}

#[test]
fn what_no_format_knows_gets_a_way_out() {
    let error = detect(&bundle("x", b"hello")).err().and_then(|error| error.hint());
    assert_eq!(error.as_deref(), Some("--format opaque keeps the file sealed as it is"));
}

/// A second format, which claims whatever has a `mapping`.
struct Mapper;

impl Importer for Mapper {
    fn name(&self) -> &'static str {
        "mapper"
    }
    fn about(&self) -> &'static str {
        "a rival for the tests"
    }
    fn keeps(&self) -> &'static str {
        "nothing"
    }
    fn loses(&self) -> &'static str {
        "everything"
    }
    fn probe(&self, sample: &Sample) -> Option<Evidence> {
        let head =
            sample.heads.iter().find(|head| head.outline.as_ref().is_some_and(|outline| outline.has("[]/mapping")))?;
        Some(Evidence { member: head.member, shows: "entries with a `mapping`" })
    }
    fn split(&self, _: &Bundle, _: &Context, _: Emit<'_>) -> Result<(), BundleError> {
        Ok(())
    }
    fn parse(&self, _: &Context, unit: &Unit) -> Result<Parsed, Unread> {
        Err(Problem { place: unit.place.clone(), reason: "never read".to_owned() }.into())
    }
}

#[test]
fn two_candidates_are_refused_and_both_are_shown() {
    let formats: Vec<&dyn Importer> = FORMATS.iter().copied().chain([&Mapper as &dyn Importer]).collect();
    let bundle = bundle("export.json", br#"[{"id":"1","mapping":{},"current_node":null}]"#);
    let error = detect_among(&formats, &bundle).err().expect("two claims");
    assert_eq!(
        error.to_string(),
        "cannot tell the format: chatgpt (export.json: entries with `mapping` and `current_node`), mapper (export.json: entries with a `mapping`)"
    );
    assert_eq!(error.hint().as_deref(), Some("say which: --format chatgpt or --format mapper"));
}

#[test]
fn every_format_is_found_by_its_name() {
    for format in FORMATS {
        assert_eq!(by_name(format.name()).map(|found| found.name()), Some(format.name()));
        assert!(!format.about().is_empty() && !format.about().ends_with('.'));
    }
    assert!(by_name("nothing").is_none());
}

#[test]
fn foreign_json_given_to_the_wrong_importer_is_named_and_not_fatal() {
    let imported = chatgpt_json(br#"[{"uuid":"1","chat_messages":[]},{"id":"2","mapping":{},"current_node":null}]"#);
    assert_eq!(imported.conversations.len(), 1);
    assert_eq!(
        imported.reasons(),
        [("conversations.json[0]", "no `mapping`: the export holds no messages for this entry")]
    );
    assert_eq!(chatgpt_json(b"hello").reasons(), [("conversations.json[0]", "not a JSON array or object")]);
}

#[test]
fn an_export_behind_hundreds_of_uploads_is_found() {
    let nodes: Vec<String> = (0..20).map(|n| format!("\"{n}\":{{\"message\":null}}")).collect();
    let export = format!("[{{\"id\":\"1\",\"current_node\":null,\"mapping\":{{{}}}}}]", nodes.join(","));
    let names: Vec<String> = (0..300).map(|n| format!("file-{n}-upload.json")).collect();
    let mut files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"{\"x\":1}"[..])).collect();
    files.push(("conversations.json", export.as_bytes()));
    assert_eq!(found("export.zip", &zip(&files)), Ok("chatgpt"));
}

#[test]
fn a_format_that_was_asked_for_says_what_it_could_not_read() {
    let imported = chatgpt(&bundle("letter.txt", b"dear diary"));
    assert_eq!(imported.reasons(), [("letter.txt[0]", "not a JSON array or object")]);
    let files = zip(&[("a.json", b"[{\"x\":1}]"), ("b.txt", b"dear")]);
    let imported = chatgpt(&bundle("x.zip", &files));
    assert_eq!(imported.reasons(), [("a.json[0]", "no `mapping`: the export holds no messages for this entry")]);
}

#[test]
fn opaque_keeps_every_member_as_an_attachment_without_holding_it() {
    let format = by_name("opaque").expect("registered");
    let bundle =
        Bundle::from_bytes("x", zip(&[("a/notes.txt", b"one"), ("b/notes.txt", b"one"), ("c.bin", b"\0\x01")]))
            .expect("a zip");
    assert!(detect(&bundle).is_err(), "it never claims anything by itself");
    let imported = import_with(format, &bundle).expect("no bomb");
    assert_eq!(imported.originals, [b""; 3], "the bytes stay in the bundle");
    let told: Vec<_> = imported
        .conversations
        .iter()
        .map(|c| (c.kind, c.title.as_deref(), c.messages.len(), c.attachments[0].member(), c.attachments[0].size))
        .collect();
    assert_eq!(
        told,
        [
            (Kind::Opaque, Some("notes.txt"), 0, Some(0), Some(3)),
            (Kind::Opaque, Some("notes.txt"), 0, Some(1), Some(3)),
            (Kind::Opaque, Some("c.bin"), 0, Some(2), Some(2)),
        ]
    );
    let mut ids: Vec<_> = imported.conversations.iter().map(|c| c.native_id.clone()).collect();
    let again = import_with(format, &bundle).expect("no bomb");
    assert_eq!(ids, again.conversations.iter().map(|c| c.native_id.clone()).collect::<Vec<_>>());
    ids.dedup();
    assert_eq!(ids.len(), 3, "two files of one content under two names are two");
}
