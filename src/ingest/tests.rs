//! What an import promises, on real vaults.

use std::sync::atomic::Ordering;

mod growing;
mod months;

use super::*;
use crate::crypto::hash;
use crate::import::by_name;
use crate::vault::{AnchorPlace, hex, vault_for_tests};

const NOW: Instant = Instant(1_800_000_000_000_000);

fn vault() -> (tempfile::TempDir, Vault) {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault_for_tests(&folder.path().join("v.db"), AnchorPlace::Embedded, NOW);
    (folder, vault)
}

fn bring(vault: &mut Vault, json: &str) -> Report {
    let bundle = Bundle::from_bytes("conversations.json", json.as_bytes().to_vec()).unwrap();
    let options = Options {
        importer: by_name("chatgpt").unwrap(),
        tags: &["inbox".to_owned()],
        now: NOW,
        allow_resurrect: false,
        besides: &[],
    };
    import(vault, &bundle, &options, &Progress::default()).unwrap()
}

/// A ChatGPT conversation of a straight line of messages.
fn chat(id: &str, updated: u32, messages: &[&str]) -> String {
    let mut mapping = vec![r#""root": {"id": "root", "message": null, "parent": null, "children": []}"#.to_owned()];
    let mut parent = "root";
    for message in messages {
        mapping.push(format!(
            r#""{message}": {{"id": "{message}", "parent": "{parent}", "children": [], "message": {{"id": "{message}",
            "author": {{"role": "user"}}, "create_time": {updated}, "content": {{"content_type": "text", "parts": ["says {message}"]}}}}}}"#
        ));
        parent = message;
    }
    format!(
        r#"{{"id": "{id}", "title": "Chat {id}", "create_time": 1, "update_time": {updated}, "current_node": "{parent}", "mapping": {{{}}}}}"#,
        mapping.join(",")
    )
}

fn counts(report: &Report) -> (u64, u64, u64, u64) {
    (report.counts.new, report.counts.updated, report.counts.unchanged, report.counts.skipped)
}

fn texts(vault: &Vault, native: &str) -> Vec<(String, bool)> {
    let listing = vault.listing().unwrap();
    let entry = listing.entries.iter().find(|entry| entry.card.native_id == native).unwrap();
    let conversation = vault.body(entry).unwrap().conversation;
    let messages = conversation.messages.iter().filter(|message| !message.parts.is_empty());
    messages.map(|m| (conversation.text_of(&m.parts[0]).to_owned(), m.vanished)).collect()
}

#[test]
fn the_same_file_again_changes_nothing() {
    let (_folder, mut vault) = vault();
    let json = format!("[{},{}]", chat("a", 10, &["m1"]), chat("b", 10, &["m2"]));
    assert_eq!(counts(&bring(&mut vault, &json)), (2, 0, 0, 0));
    let log = vault.log_size();
    assert_eq!(counts(&bring(&mut vault, &json)), (0, 0, 2, 0));
    assert_eq!(vault.log_size(), log, "nothing changed, so nothing is written");
    assert!(vault.listing().unwrap().entries.iter().all(|entry| entry.facts.tags.len() == 1));
}

#[test]
fn next_months_export_brings_what_changed_and_an_older_one_moves_nothing_back() {
    let (_folder, mut vault) = vault();
    let january = format!("[{},{}]", chat("a", 10, &["m1"]), chat("b", 10, &["m2"]));
    let february = format!("[{},{},{}]", chat("a", 10, &["m1"]), chat("b", 20, &["m2", "m3"]), chat("c", 20, &["m4"]));
    bring(&mut vault, &january);
    let ids = |vault: &Vault| -> Vec<[u8; 16]> {
        let mut entries = vault.listing().unwrap().entries;
        entries.sort_by(|a, b| a.card.native_id.cmp(&b.card.native_id));
        entries.iter().map(|entry| entry.conversation).collect()
    };
    let before = ids(&vault);
    assert_eq!(counts(&bring(&mut vault, &february)), (1, 1, 1, 0));
    assert_eq!(ids(&vault)[..2], before, "a conversation keeps its id");
    assert_eq!(texts(&vault, "b"), [("says m2".to_owned(), false), ("says m3".to_owned(), false)]);
    assert_eq!(counts(&bring(&mut vault, &january)), (0, 0, 2, 0));
    assert_eq!(texts(&vault, "b").len(), 2);
    assert_eq!(vault.check(|_| ()).unwrap().findings, []);
}

#[test]
fn what_a_later_export_lacks_stays_and_is_marked() {
    let (_folder, mut vault) = vault();
    let older = format!("[{}]", chat("a", 10, &["m1", "m2"]));
    let newer = format!("[{}]", chat("a", 20, &["m1", "m3"]));
    // In either order the result is the same.
    for order in [[&older, &newer], [&newer, &older]] {
        let (_folder, mut vault) = self::vault();
        bring(&mut vault, order[0]);
        let report = bring(&mut vault, order[1]);
        assert_eq!((counts(&report), report.vanished), ((0, 1, 0, 0), 1));
        let mut texts = texts(&vault, "a");
        texts.sort();
        let expected = [("says m1", false), ("says m2", true), ("says m3", false)];
        assert!(texts.iter().map(|(text, vanished)| (text.as_str(), *vanished)).eq(expected));
        let entry = &vault.listing().unwrap().entries[0];
        let originals = vault.body(entry).unwrap().originals;
        let element = |export: &str| export.as_bytes()[1..export.len() - 1].to_vec();
        assert_eq!(*originals[0], element(&newer));
        assert_eq!(*originals[1], element(&older));
        for export in [&older, &newer] {
            assert_eq!(counts(&bring(&mut vault, export)), (0, 0, 1, 0));
        }
    }
    bring(&mut vault, &older);
}

#[test]
fn originals_come_back_byte_for_byte() {
    let (_folder, mut vault) = vault();
    let odd = "{ \"id\":\"x\",\n\t\"title\" : \"\\u00e9\\x01 \\ud83d\" , \"mapping\":{\"r\":{\"id\":\"r\",\"message\":{\"author\":{\"role\":\"user\"},\"create_time\": 1756000000.1234567890, \"content\":{\"content_type\":\"text\",\"parts\":[\"a\u{1}b\"]}},\"parent\":null,\"children\":[]}},\"current_node\":\"r\" }";
    let json = format!("\u{feff}[ {odd} ,{}]", chat("a", 1, &["m"]));
    let report = bring(&mut vault, &json);
    assert_eq!(counts(&report), (2, 0, 0, 0));
    assert!(!report.notes.repaired.is_empty());
    let listing = vault.listing().unwrap();
    let entry = listing.entries.iter().find(|entry| entry.card.native_id == "x").unwrap();
    let original = &vault.body(entry).unwrap().originals[0];
    assert_eq!(hex(&hash::sha256(&[original])), hex(&hash::sha256(&[odd.as_bytes()])));
}

#[test]
fn a_conversation_that_comes_twice_in_one_input_is_one() {
    let (_folder, mut vault) = vault();
    let (old, new) = (chat("a", 10, &["m1"]), chat("a", 20, &["m1", "m2"]));
    for json in [format!("[{old},{new},{old}]"), format!("[{new},{old},{new}]")] {
        bring(&mut vault, &json);
        let listing = vault.listing().unwrap();
        assert_eq!(listing.entries.len(), 1);
        assert_eq!(texts(&vault, "a").len(), 2);
        assert_eq!(vault.check(|_| ()).unwrap().findings, []);
    }
}

#[test]
fn without_clocks_what_comes_later_in_the_input_stands() {
    // Large and small in turn, so that the later one is read before the earlier.
    let line = |id: usize, text: &str| {
        format!(
            r#"{{"schema":"convault.conversation/1","source":"x","native_id":"{id}","messages":[{{"id":"1","text":"{text}"}}]}}"#
        )
    };
    for _ in 0..3 {
        let (_folder, mut vault) = vault();
        let lines: Vec<String> =
            (0..12).flat_map(|id| [line(id, &"old".repeat(60_000)), line(id, "between"), line(id, "new")]).collect();
        let bundle = Bundle::from_bytes("x.jsonl", lines.join("\n").into_bytes()).unwrap();
        let options = Options {
            importer: by_name("convault").unwrap(),
            tags: &[],
            now: NOW,
            allow_resurrect: false,
            besides: &[],
        };
        import(&mut vault, &bundle, &options, &Progress::default()).unwrap();
        for id in 0..12 {
            assert_eq!(texts(&vault, &id.to_string()), [("new".to_owned(), false)]);
        }
    }
}

#[test]
fn originals_stand_newest_first_whatever_order_they_came_in() {
    let state = |updated| format!("[{}]", chat("a", updated, &["m1"]).replace("says m1", &format!("says {updated}")));
    let (_folder, mut vault) = vault();
    for updated in [30, 10, 20, 40, 25] {
        bring(&mut vault, &state(updated));
    }
    let entry = &vault.listing().unwrap().entries[0];
    let kept: Vec<String> =
        vault.body(entry).unwrap().originals.iter().map(|one| String::from_utf8_lossy(one).into_owned()).collect();
    let expected = [40, 30, 25, 20, 10];
    assert!(kept.iter().zip(expected).all(|(one, updated)| one.contains(&format!("says {updated}"))), "{kept:#?}");
}

#[test]
fn every_state_of_a_conversation_in_one_input_comes_in_up_to_a_bound() {
    let states = |count: u32| -> String {
        let edited = (1..=count).map(|at| chat("a", at, &["m1"]).replace("says m1", &format!("says {at}")));
        format!("[{}]", edited.collect::<Vec<_>>().join(","))
    };
    let (_folder, mut vault) = vault();
    assert_eq!(counts(&bring(&mut vault, &states(4))), (1, 3, 0, 0));
    assert_eq!(originals(&vault).len(), 4);
    assert_eq!(counts(&bring(&mut vault, &states(4))), (0, 0, 4, 0));
    let (_folder, mut vault) = self::vault();
    let report = bring(&mut vault, &states(20));
    assert_eq!(counts(&report), (1, 16, 0, 3));
    // The next import goes on where this one ended.
    assert_eq!(counts(&bring(&mut vault, &states(20))), (0, 3, 17, 0));
    assert_eq!(originals(&vault).len(), 20);
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_comes_in() {
    let (_folder, mut vault) = vault();
    let json =
        format!("[{}, {{\"title\": \"SECRET\"}}, {}, {{\"id\": \"cut", chat("a", 1, &["m"]), chat("b", 1, &["m"]));
    let report = bring(&mut vault, &json);
    assert_eq!(counts(&report), (2, 0, 0, 2));
    let places: Vec<&str> = report.problems.iter().map(|problem| problem.place.as_str()).collect();
    assert!(places.iter().any(|place| place.contains("[1]")), "{places:?}");
    assert!(report.problems.iter().all(|p| !p.reason.contains("SECRET") && !p.place.contains("SECRET")));
    assert_eq!(vault.listing().unwrap().entries.len(), 2);
}

#[test]
fn an_import_that_is_stopped_stores_nothing_and_again_completes() {
    let (_folder, mut vault) = vault();
    let chats: Vec<String> = (0..50).map(|index| chat(&index.to_string(), 1, &["m"])).collect();
    let bundle = Bundle::from_bytes("c.json", format!("[{}]", chats.join(",")).into_bytes()).unwrap();
    let options =
        Options { importer: by_name("chatgpt").unwrap(), tags: &[], now: NOW, allow_resurrect: false, besides: &[] };
    let progress = Progress::default();
    progress.stop.store(true, Ordering::Relaxed);
    assert!(matches!(import(&mut vault, &bundle, &options, &progress), Err(IngestError::Interrupted)));
    assert!(vault.listing().unwrap().entries.is_empty());
    let report = import(&mut vault, &bundle, &options, &Progress::default()).unwrap();
    assert_eq!(report.counts.new, 50);
}

#[test]
fn whole_files_are_kept_and_come_back() {
    let (folder, mut vault) = vault();
    // Over one piece, and not compressible.
    let mut bytes = vec![0; crate::vault::PIECE + 1000];
    crate::crypto::random::fill(&mut bytes);
    let path = folder.path().join("film.bin");
    std::fs::write(&path, &bytes).unwrap();
    let bundle = Bundle::open_path(&path).unwrap();
    let options =
        Options { importer: by_name("opaque").unwrap(), tags: &[], now: NOW, allow_resurrect: false, besides: &[] };
    for expected in [(1, 0, 0, 0), (0, 0, 1, 0)] {
        let report = import(&mut vault, &bundle, &options, &Progress::default()).unwrap();
        assert_eq!(counts(&report), expected);
    }
    let entry = &vault.listing().unwrap().entries[0];
    let attachment = &vault.body(entry).unwrap().conversation.attachments[0];
    assert_eq!((attachment.objects, attachment.size), (Some((0, 2)), Some(bytes.len() as u64)));
    assert!(bytes_of(&vault, entry, attachment.objects.unwrap()) == bytes);
    assert_eq!(vault.check(|_| ()).unwrap().findings, []);
}

#[test]
fn a_check_reads_and_stores_nothing() {
    let json = format!("[{}, 7]", chat("a", 1, &["m1", "m2"]));
    let bundle = Bundle::from_bytes("c.json", json.into_bytes()).unwrap();
    let report = check(&bundle, by_name("chatgpt").unwrap(), &Progress::default()).unwrap();
    assert_eq!((report.counts.readable, report.counts.new, report.counts.skipped), (1, 0, 1));
    assert!(report.messages >= 2 && report.is_partial());
}

/// The checksum of zips.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// A zip of stored entries, written here byte by byte; the entry whose bytes are `spoiled` has a wrong checksum.
fn zip(files: &[(&str, &[u8])], spoiled: Option<&[u8]>) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let checksum = crc32(bytes) ^ u32::from(spoiled == Some(bytes));
        let size = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        let name_size = u16::try_from(name.len()).unwrap().to_le_bytes();
        // Version, flags, method, time, date; checksum; sizes; lengths of the name and of nothing more.
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        for field in [&checksum.to_le_bytes()[..], &size, &size, &name_size, &[0, 0]] {
            common.extend_from_slice(field);
        }
        let offset = u32::try_from(out.len()).unwrap().to_le_bytes();
        for field in [&b"PK\x01\x02\x14\0"[..], &common, &[0; 10], &offset, name.as_bytes()] {
            directory.extend_from_slice(field);
        }
        for field in [&b"PK\x03\x04"[..], &common, name.as_bytes(), bytes] {
            out.extend_from_slice(field);
        }
    }
    let count = u16::try_from(files.len()).unwrap().to_le_bytes();
    let [size, start] = [directory.len(), out.len()].map(|length| u32::try_from(length).unwrap().to_le_bytes());
    for field in [&directory[..], b"PK\x05\x06\0\0\0\0", &count, &count, &size, &start, &[0, 0]] {
        out.extend_from_slice(field);
    }
    out
}

fn bring_bytes(vault: &mut Vault, name: &str, bytes: Vec<u8>) -> Report {
    let bundle = Bundle::from_bytes(name, bytes).unwrap();
    let options =
        Options { importer: by_name("chatgpt").unwrap(), tags: &[], now: NOW, allow_resurrect: false, besides: &[] };
    import(vault, &bundle, &options, &Progress::default()).unwrap()
}

/// A conversation whose one message shows an uploaded image.
fn chat_with_image(id: &str, updated: u32, message: &str) -> String {
    chat(id, updated, &[message]).replace(
        &format!(r#""content_type": "text", "parts": ["says {message}"]"#),
        r#""content_type": "multimodal_text", "parts": [{"content_type": "image_asset_pointer",
            "asset_pointer": "file-service://file-AbCdEfGh1234", "size_bytes": 9, "width": 1, "height": 1}, "look"]"#,
    )
}

const IMAGE: (&str, &[u8]) = ("file-AbCdEfGh1234-image.png", b"the image");

/// The bytes of the only attachment of the only conversation, when they are stored.
fn image(vault: &Vault) -> Option<Vec<u8>> {
    let entry = &vault.listing().unwrap().entries[0];
    let [attachment] = vault.body(entry).unwrap().conversation.attachments.try_into().unwrap();
    Some(bytes_of(vault, entry, attachment.objects?))
}

fn bytes_of(vault: &Vault, entry: &crate::vault::Entry, pieces: (u32, u32)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let take = |_, piece: Option<&[u8]>| {
        bytes.extend_from_slice(piece.unwrap_or_default());
        Ok(())
    };
    vault.attachments(entry, &[pieces], take).unwrap();
    bytes
}

#[test]
fn a_damaged_attachment_of_a_newer_export_leaves_the_stored_one() {
    let (_folder, mut vault) = vault();
    let older = format!("[{}]", chat_with_image("a", 10, "m1"));
    let newer = format!("[{}]", chat_with_image("a", 20, "m1"));
    let report = bring_bytes(&mut vault, "a.zip", zip(&[("conversations.json", older.as_bytes()), IMAGE], None));
    assert_eq!((counts(&report), report.attachments, report.absent), ((1, 0, 0, 0), 1, 0));
    let spoiled = zip(&[("conversations.json", newer.as_bytes()), IMAGE], Some(IMAGE.1));
    let report = bring_bytes(&mut vault, "a.zip", spoiled);
    assert_eq!((counts(&report), report.attachments, report.absent), ((0, 1, 0, 0), 0, 0));
    assert!(report.is_partial());
    assert_eq!(image(&vault).as_deref(), Some(IMAGE.1));
    assert_eq!(vault.check(|_| ()).unwrap().findings, []);
}

#[test]
fn attachments_that_were_missing_arrive_with_a_later_input() {
    let (_folder, mut vault) = vault();
    let json = format!("[{}]", chat_with_image("a", 10, "m1"));
    let zipped = || zip(&[("conversations.json", json.as_bytes()), IMAGE], None);
    let report = bring(&mut vault, &json);
    assert_eq!((counts(&report), report.absent, image(&vault)), ((1, 0, 0, 0), 1, None));
    let spoiled = zip(&[("conversations.json", json.as_bytes()), IMAGE], Some(IMAGE.1));
    let report = bring_bytes(&mut vault, "a.zip", spoiled);
    assert_eq!((counts(&report), report.is_partial(), image(&vault)), ((0, 0, 1, 0), true, None));
    let report = bring_bytes(&mut vault, "a.zip", zipped());
    assert_eq!((counts(&report), report.attachments, report.vanished), ((0, 1, 0, 0), 1, 0));
    assert_eq!(image(&vault).as_deref(), Some(IMAGE.1));
    assert_eq!(counts(&bring_bytes(&mut vault, "a.zip", zipped())), (0, 0, 1, 0));
    assert_eq!(counts(&bring(&mut vault, &json)), (0, 0, 1, 0));
    let entry = &vault.listing().unwrap().entries[0];
    assert_eq!(vault.body(entry).unwrap().originals.len(), 1);
    // A newer state that came without its files gets them from an older export.
    bring(&mut vault, &format!("[{}]", chat_with_image("b", 20, "m1")));
    let older = format!("[{}]", chat_with_image("b", 10, "m1"));
    let older = || zip(&[("conversations.json", older.as_bytes()), IMAGE], None);
    assert_eq!(bring_bytes(&mut vault, "b.zip", older()).attachments, 1);
    assert_eq!(counts(&bring_bytes(&mut vault, "b.zip", older())), (0, 0, 1, 0));
    assert_eq!(vault.check(|_| ()).unwrap().findings, []);
}

fn originals(vault: &Vault) -> Vec<Vec<u8>> {
    let entry = &vault.listing().unwrap().entries[0];
    vault.body(entry).unwrap().originals.iter().map(|original| original.to_vec()).collect()
}

#[test]
fn the_earlier_text_of_an_edited_message_is_kept() {
    let first = chat("a", 10, &["m1", "m2"]);
    let edited = chat("a", 20, &["m1", "m2", "m3"]).replace("says m2", "says better");
    let grown = chat("a", 30, &["m1", "m2", "m3", "m4"]).replace("says m2", "says better");
    let (_folder, mut vault) = vault();
    bring(&mut vault, &format!("[{first}]"));
    let report = bring(&mut vault, &format!("[{edited}]"));
    assert_eq!((counts(&report), report.vanished, report.edited), ((0, 1, 0, 0), 0, 1));
    assert_eq!(originals(&vault), [edited.as_bytes(), first.as_bytes()]);
    // Growth takes the place of what it contains and keeps what it does not.
    let report = bring(&mut vault, &format!("[{grown}]"));
    assert_eq!((counts(&report), report.edited), ((0, 1, 0, 0), 0));
    assert_eq!(originals(&vault), [grown.as_bytes(), first.as_bytes()]);
    for known in [&first, &edited, &grown] {
        assert_eq!(counts(&bring(&mut vault, &format!("[{known}]"))), (0, 0, 1, 0));
    }
    // The other way round: an older export brings the text from before.
    let (_folder, mut vault) = self::vault();
    bring(&mut vault, &format!("[{edited}]"));
    let report = bring(&mut vault, &format!("[{first}]"));
    assert_eq!((counts(&report), report.edited), ((0, 1, 0, 0), 1));
    assert_eq!(originals(&vault), [edited.as_bytes(), first.as_bytes()]);
    assert_eq!(texts(&vault, "a")[1].0, "says better");
    assert_eq!(vault.check(|_| ()).unwrap().findings, []);
}

#[test]
fn a_blanked_message_and_plain_growth() {
    let (_folder, mut vault) = vault();
    let first = chat("a", 10, &["m1"]);
    let grown = chat("a", 20, &["m1", "m2"]);
    let blanked = chat("a", 30, &["m1", "m2"]).replace("[\"says m2\"]", "[]");
    bring(&mut vault, &format!("[{first}]"));
    assert_eq!(bring(&mut vault, &format!("[{grown}]")).edited, 0);
    assert_eq!(originals(&vault), [grown.as_bytes()]);
    assert_eq!(bring(&mut vault, &format!("[{blanked}]")).edited, 1);
    assert_eq!(originals(&vault), [blanked.as_bytes(), grown.as_bytes()]);
}
