//! Files, folders and zips: what they hand over, and what they refuse.

use std::io::{Cursor, Read, Write};

use convault::bundle::{Bundle, BundleError};
use convault::import::{MemberUse, by_name};
use zip::write::SimpleFileOptions;

use crate::reading::{chatgpt, import_with};

/// A deflated zip of these files.
pub fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, SimpleFileOptions::default()).expect("a new name");
        writer.write_all(bytes).expect("memory takes it");
    }
    writer.finish().expect("memory takes it").into_inner()
}

fn open(bytes: Vec<u8>) -> Result<Bundle, BundleError> {
    Bundle::from_bytes("export.zip", bytes)
}

fn refused(bytes: Vec<u8>) -> String {
    match open(bytes) {
        Ok(_) => "opened".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn names(bundle: &Bundle) -> Vec<&str> {
    bundle.members().iter().map(|member| member.name.as_str()).collect()
}

/// Every occurrence of `from` becomes `to`, of the same length.
fn replace(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

fn position(bytes: &[u8], signature: &[u8]) -> usize {
    (0..bytes.len()).rfind(|at| bytes[*at..].starts_with(signature)).expect("the record is there")
}

const ENTRY: &[u8] = br#"[{"id":"1","title":"t","mapping":{},"current_node":null}]"#;

#[test]
fn a_zip_is_known_by_its_bytes_and_one_enclosing_folder_is_dropped() {
    let bytes = zip(&[
        ("export/conversations.json", ENTRY),
        ("__MACOSX/export/._conversations.json", b"x"),
        ("export/.DS_Store", b"x"),
        ("export/a/b.txt", b"hello"),
    ]);
    let bundle = Bundle::from_bytes("named.json", bytes).expect("a zip");
    assert_eq!(names(&bundle), ["conversations.json", "a/b.txt"]);
    assert_eq!(bundle.passed_over().iter().map(|(k, n)| (*k, *n)).collect::<Vec<_>>(), [("system file", 2)]);
    assert_eq!(bundle.head(1, 3).expect("readable"), b"hel");
    assert_eq!(chatgpt(&bundle).conversations.len(), 1);
}

#[test]
fn members_are_read_at_once_from_several_threads() {
    let long = b"0123456789".repeat(50_000);
    let bundle = open(zip(&[("a", &long), ("b", ENTRY), ("c", &long)])).expect("a zip");
    let mut first = bundle.open(0).expect("opens");
    let mut start = [0; 5];
    first.read_exact(&mut start).expect("reads");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut all = Vec::new();
                bundle.open(2).expect("opens").read_to_end(&mut all).expect("reads");
                assert_eq!(all, long);
            });
        }
    });
    let mut rest = Vec::new();
    first.read_to_end(&mut rest).expect("reads on");
    assert_eq!([&start[..], &rest].concat(), long);
}

#[test]
fn two_entries_of_one_name_are_refused() {
    let bytes = replace(zip(&[("aa.json", b"1"), ("ab.json", b"2")]), b"ab.json", b"aa.json");
    assert_eq!(refused(bytes), "refused: the zip names a file twice");
}

#[test]
fn a_directory_that_hides_entries_is_refused() {
    let mut bytes = zip(&[("a", b"1"), ("b", b"2"), ("c", b"3")]);
    let end = position(&bytes, b"PK\x05\x06");
    bytes[end + 8] = 2;
    bytes[end + 10] = 2;
    assert_eq!(refused(bytes), "refused: the zip's directory does not hold the entries it declares");
}

#[test]
fn a_directory_that_declares_too_much_is_refused_before_it_is_read() {
    let mut bytes = zip(&[("a", b"1")]);
    let end = position(&bytes, b"PK\x05\x06");
    bytes[end + 12..end + 16].copy_from_slice(&[0xff, 0xff, 0xff, 0x7f]);
    assert_eq!(refused(bytes), "refused: the zip's directory is larger than 67108864 bytes");
}

#[test]
fn an_encrypted_entry_is_named() {
    let mut bytes = zip(&[("a", b"1"), ("b", b"2")]);
    let header = position(&bytes, b"PK\x01\x02");
    bytes[header + 8] |= 1;
    assert_eq!(refused(bytes), "cannot read the zip: entry 1 is encrypted");
}

#[test]
fn an_unknown_compression_is_an_error_of_that_member() {
    let mut bytes = zip(&[("a", b"1"), ("b", b"2")]);
    let header = position(&bytes, b"PK\x01\x02");
    bytes[header + 10] = 9;
    let bundle = open(bytes).expect("the directory is whole");
    assert!(bundle.open(0).is_ok());
    let error = bundle.open(1).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("cannot read the zip: entry 1 uses a compression other than deflate"));
}

#[test]
fn a_damaged_member_yields_its_whole_entries_and_then_a_problem() {
    let entries: Vec<String> =
        (0..200).map(|id| format!("{{\"id\":\"{id}\",\"mapping\":{{}},\"current_node\":null}}")).collect();
    let json = format!("[{}]", entries.join(","));
    let mut bytes = zip(&[("conversations.json", json.as_bytes())]);
    let header = position(&bytes, b"PK\x01\x02");
    bytes[header + 16] ^= 1;
    let imported = chatgpt(&open(bytes).expect("the directory is whole"));
    assert_eq!(imported.conversations.len(), 200);
    assert_eq!(imported.reasons(), [("conversations.json[200]", "cannot read the zip: entry 0 is damaged")]);
}

#[test]
fn what_is_no_zip_behind_its_first_bytes_is_an_error() {
    assert!(refused(b"PK\x03\x04 and nothing else".to_vec()).starts_with("cannot read the zip: "));
    let whole = zip(&[("a", ENTRY)]);
    for end in 4..whole.len() {
        assert_ne!(refused(whole[..end].to_vec()), "opened", "cut at {end}");
    }
}

/// Stands in for ten gigabytes: the refusal comes after 16 MiB whatever the size, so this costs as much.
fn bomb(inside: &str, bytes: usize) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("conversations.json", SimpleFileOptions::default()).expect("a new name");
    writer.write_all(inside.as_bytes()).expect("memory takes it");
    let block = vec![b' '; 1 << 20];
    for _ in 0..bytes >> 20 {
        writer.write_all(&block).expect("memory takes it");
    }
    writer.finish().expect("memory takes it").into_inner()
}

#[test]
fn a_bomb_is_refused_in_an_entry_and_between_entries() {
    let between = std::str::from_utf8(&ENTRY[..ENTRY.len() - 1]).expect("text").to_owned();
    for inside in ["[{\"id\":\"b\",\"mapping\":{},\"current_node\":\"", between.as_str()] {
        let bytes = bomb(inside, 64 << 20);
        assert!(bytes.len() < 100_000, "it is a bomb");
        let bundle = open(bytes).expect("the directory is whole");
        let error = import_with(by_name("chatgpt").expect("registered"), &bundle).err();
        assert_eq!(
            error.as_ref().map(ToString::to_string).as_deref(),
            Some("refused: the zip expands beyond 200 times its size")
        );
        assert!(error.is_some_and(|error| error.is_refusal()));
        let error = import_with(by_name("opaque").expect("registered"), &bundle).err();
        assert!(error.is_some_and(|error| error.is_refusal()), "sealing it as it is unpacks it too");
    }
}

#[test]
fn a_size_that_lies_is_damage() {
    let mut bytes = zip(&[("a", b"hello hello hello hello")]);
    let header = position(&bytes, b"PK\x01\x02");
    bytes[header + 24] = 1;
    let bundle = open(bytes).expect("the directory is whole");
    let mut all = Vec::new();
    let error = bundle.open(0).expect("opens").read_to_end(&mut all).map_err(BundleError::from_read);
    assert_eq!(error.map_err(|e| e.to_string()), Err("cannot read the zip: entry 0 is damaged".to_owned()));
    assert_eq!(all, b"hello hello hello hello");
}

#[test]
fn a_folder_is_walked_in_order_and_no_link_is_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    std::fs::create_dir_all(root.join("b/deep")).expect("made");
    for name in ["z.json", "b/deep/one.json", "a.json", "b/.DS_Store"] {
        std::fs::write(root.join(name), ENTRY).expect("written");
    }
    std::os::unix::fs::symlink("/etc/hostname", root.join("link.json")).expect("linked");
    std::os::unix::fs::symlink(root, root.join("b/loop")).expect("linked");
    let bundle = Bundle::open_path(root).expect("a folder");
    assert_eq!(names(&bundle), ["a.json", "b/deep/one.json", "z.json"]);
    let passed: Vec<_> = bundle.passed_over().iter().map(|(kind, count)| (*kind, *count)).collect();
    assert_eq!(passed, [("symbolic link", 2), ("system file", 1)]);
    assert_eq!(bundle.head(1, 100).expect("readable"), ENTRY);
    assert!(matches!(bundle.open(3), Err(BundleError::NoSuchMember(3))));
    assert!(matches!(Bundle::open_path(std::path::Path::new("/dev/null")), Err(BundleError::NotAFile)));
}

fn message(parts: &str, metadata: &str) -> String {
    format!(
        "{{\"message\":{{\"author\":{{\"role\":\"user\"}},\"content\":{{\"content_type\":\"multimodal_text\",\"parts\":[{parts}]}},\"metadata\":{{{metadata}}}}},\"parent\":null}}"
    )
}

fn image(pointer: &str) -> String {
    format!("{{\"content_type\":\"image_asset_pointer\",\"asset_pointer\":\"{pointer}\"}}")
}

#[test]
fn pointers_find_their_files_under_every_naming() {
    let pointers = [
        "file-service://file-Dat1",
        "sediment://file_00aa",
        "file-service://file-Old2",
        "sediment://9f#file_00bb#p_1.png",
        "file-service://file-Lost",
        "sediment://file_00cc",
    ];
    let parts = pointers.map(image).join(",");
    let upload =
        "\"attachments\":[{\"id\":\"file-Old2\",\"name\":\"my photo.png\",\"size\":4,\"mime_type\":\"image/png\"}]";
    let second = format!("[{{\"id\":\"2\",\"mapping\":{{\"a\":{}}},\"current_node\":\"a\"}}]", message(&parts, upload));
    let bytes = zip(&[
        ("conversations-10.json", br#"[{"id":"10","mapping":{},"current_node":null}]"#),
        ("conversations-2.json", second.as_bytes()),
        ("file-Dat1.dat", b"one"),
        ("conversation_asset_file_names.json", br#"{"file-Dat1.dat":"dalle-generations/bdd5.webp"}"#),
        ("file-Old2-my_photo.png", b"two"),
        ("dalle-generations/file_00aa-77.webp", b"three"),
        ("user-abc/file_00bb-88.png", b"four"),
        ("1f2e/audio/file_00cc-99.wav", b"five"),
        ("file-Nested-conversations.json", ENTRY),
        ("user.json", b"{\"email\":\"x\"}"),
        ("chat.html", b"<html>"),
        ("shared_conversations.json", b"[{\"id\":\"1\",\"conversation_id\":\"1\",\"title\":\"t\"}]"),
        ("inner.zip", &zip(&[("conversations.json", ENTRY)])),
        ("my diary.txt", b"dear"),
    ]);
    let bundle = open(bytes).expect("a zip");
    let imported = chatgpt(&bundle);
    assert_eq!(imported.reasons(), []);
    let ids: Vec<_> = imported.conversations.iter().map(|c| c.native_id.as_str()).collect();
    assert_eq!(ids, ["2", "10"], "shards in the order of their numbers, and no upload taken for one");
    let found: Vec<_> = imported.conversations[0]
        .attachments
        .iter()
        .map(|file| {
            (file.id.as_deref(), file.name.as_deref(), file.member().map(|at| bundle.members()[at].name.as_str()))
        })
        .collect();
    assert_eq!(
        found,
        [
            (Some("file-Dat1"), Some("bdd5.webp"), Some("file-Dat1.dat")),
            (Some("file_00aa"), Some("77.webp"), Some("dalle-generations/file_00aa-77.webp")),
            (Some("file-Old2"), Some("my photo.png"), Some("file-Old2-my_photo.png")),
            (Some("file_00bb"), Some("88.png"), Some("user-abc/file_00bb-88.png")),
            (Some("file-Lost"), None, None),
            (Some("file_00cc"), Some("99.wav"), Some("1f2e/audio/file_00cc-99.wav")),
        ]
    );
    assert_eq!(imported.conversations[0].messages[0].parts.len(), 6, "an upload that is shown is not listed again");
    let ignored: Vec<_> = imported.context.ignored().into_iter().collect();
    assert_eq!(ignored, [("account data", 1), ("list of shared links", 1), ("repeats the conversations as a page", 1)]);
    let unknown = crate::reading::unknown_files(&imported.context, &bundle);
    assert_eq!(unknown, [("txt".to_owned(), 1), ("zip".to_owned(), 1)]);
    let assets = imported.context.uses.iter().filter(|used| **used == MemberUse::Asset).count();
    assert_eq!(assets, 6);
}

#[test]
fn a_conversations_json_of_another_vendor_is_not_taken_for_a_shard() {
    let claude = br#"[{"uuid":"1","name":"n","chat_messages":[]}]"#;
    let deepseek = br#"[{"id":"1","mapping":{"1":{"message":{"fragments":[]}}}}]"#;
    let bytes = zip(&[
        ("claude/conversations.json", &claude[..]),
        ("deepseek/conversations.json", deepseek),
        ("openai/conversations.json", ENTRY),
        ("openai/conversations-001.json", b"[{\"damaged\":"),
    ]);
    let bundle = open(bytes).expect("a zip");
    let imported = chatgpt(&bundle);
    assert_eq!(imported.conversations.len(), 1);
    assert_eq!(imported.reasons(), [("openai/conversations-001.json[0]", "the file ends too early")]);
    let unknown: Vec<_> = crate::reading::unknown_files(&imported.context, &bundle);
    assert_eq!(unknown, [("json".to_owned(), 2)]);
}
