//! Chats that never end: each month is a segment, and what is destroyed of them stays so.

use super::*;
use crate::vault::{Entry, Target};

/// A line of a group chat; each message with its id (empty for none), time (empty for none) and text.
fn group(title: &str, messages: &[(&str, &str, &str)]) -> String {
    let message = |(id, time, text): &(&str, &str, &str)| {
        let field = |name: &str, value: &str| match value {
            "" => String::new(),
            value => format!(r#""{name}":"{value}","#),
        };
        format!(r#"{{{}{}"author":0,"text":"{text}"}}"#, field("id", id), field("time", time))
    };
    let messages: Vec<String> = messages.iter().map(message).collect();
    format!(
        r#"{{"schema":"convault.conversation/1","source":"my-messenger","native_id":"g","title":"{title}","kind":"group","participants":[{{"name":"Ann"}}],"messages":[{}]}}"#,
        messages.join(",")
    )
}

fn bring(vault: &mut Vault, lines: &str) -> Report {
    let bundle = Bundle::from_bytes("chats.jsonl", lines.as_bytes().to_vec()).unwrap();
    let importer = by_name("convault").unwrap();
    let options = Options { importer, tags: &[], now: NOW, allow_resurrect: false, besides: &[] };
    import(vault, &bundle, &options, &Progress::default()).unwrap()
}

fn months(vault: &Vault) -> Vec<Entry> {
    let mut entries = vault.listing().unwrap().entries;
    entries.sort_by_key(|entry| entry.facts.month);
    entries
}

fn said(vault: &Vault, entry: &Entry) -> Vec<(String, bool)> {
    let body = vault.body(entry).unwrap();
    assert!(body.originals.is_empty(), "the whole chat would outlive its months");
    let talk = body.conversation;
    talk.messages.iter().map(|one| (talk.text_of(&one.parts[0]).to_owned(), one.vanished)).collect()
}

const JANUARY: (&str, &str, &str) = ("1", "2026-01-31T23:30:00-05:00", "of January");
const FEBRUARY: (&str, &str, &str) = ("2", "2026-02-02T00:00:00Z", "of February");
const MARCH: (&str, &str, &str) = ("3", "2026-03-02T00:00:00Z", "of March");

#[test]
fn each_month_is_a_segment_with_clocks_of_its_own() {
    let (_folder, mut vault) = vault();
    let report = bring(&mut vault, &group("Boat", &[JANUARY, FEBRUARY]));
    assert_eq!((counts(&report), report.months.new, report.messages), ((1, 0, 0, 0), 2, 2));
    let entries = months(&vault);
    assert_eq!(entries.iter().map(|one| one.facts.month % 12).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(entries[0].conversation, entries[1].conversation);
    for (entry, (_, time, text)) in entries.iter().zip([JANUARY, FEBRUARY]) {
        let at = Instant::parse(time).unwrap();
        assert_eq!((entry.facts.created, entry.facts.last_activity), (at, at));
        assert_eq!(said(&vault, entry), [(text.to_owned(), false)]);
    }
    let digits = hex(&entries[0].conversation);
    assert_eq!(vault.segments(&digits[..8]).unwrap().len(), 2);
    let whole = Entry::whole(&entries).unwrap();
    assert_eq!((whole.card.messages, whole.facts.created), (2, entries[0].facts.created));
    // Months that did not change stay as they are, grown ones are united, new ones added.
    let report = bring(&mut vault, &group("Boat", &[JANUARY, FEBRUARY]));
    assert_eq!((counts(&report), report.months.unchanged), ((0, 0, 1, 0), 2));
    let more = ("4", "2026-02-03T00:00:00Z", "more");
    let report = bring(&mut vault, &group("Boat", &[JANUARY, FEBRUARY, more, MARCH]));
    let of = report.months;
    assert_eq!((counts(&report), of.new, of.updated, of.unchanged), ((0, 1, 0, 0), 1, 1, 1));
    let after = months(&vault);
    assert!(after.len() == 3 && after[0].is_same_as(&entries[0]) && !after[1].is_same_as(&entries[1]));
    assert!(after.iter().all(|one| one.conversation == entries[0].conversation));
    // An older export takes nothing back, and a title is that of the last month.
    let report = bring(&mut vault, &group("Old", &[JANUARY, FEBRUARY]));
    assert_eq!((counts(&report), report.months.unchanged), ((0, 0, 1, 0), 2));
    let report = bring(&mut vault, &group("New", &[JANUARY, FEBRUARY, more, MARCH]));
    assert_eq!((report.months.updated, report.months.unchanged), (1, 2));
    assert_eq!(Entry::whole(&months(&vault)).unwrap().card.title, "New");
    assert_eq!(vault.check(|_| ()).unwrap().findings, []);
}

#[test]
fn what_a_later_export_lacks_or_says_otherwise_stays_without_an_original() {
    let (_folder, mut vault) = vault();
    let no_id = ("", "2026-02-02T00:00:00Z", "ok");
    bring(&mut vault, &group("Boat", &[FEBRUARY, no_id, no_id, ("5", "2026-02-02T00:00:00Z", "gone")]));
    let newer = group("Boat", &[("2", "2026-02-02T00:00:00Z", "edited"), no_id, MARCH]);
    let report = bring(&mut vault, &newer);
    assert_eq!((report.months.updated, report.months.new, report.vanished), (1, 1, 3));
    let february = months(&vault).swap_remove(0);
    let expected = [("edited", false), ("ok", false), ("of February", true), ("ok", true), ("gone", true)];
    assert_eq!(said(&vault, &february), expected.map(|(text, gone)| (text.to_owned(), gone)));
    let report = bring(&mut vault, &newer);
    assert_eq!((report.months.unchanged, report.vanished), (2, 0));
    assert!(months(&vault)[0].is_same_as(&february));
}

#[test]
fn a_month_that_was_destroyed_does_not_come_back_and_the_others_are_known() {
    let (_folder, mut vault) = vault();
    let chat = group("Boat", &[JANUARY, FEBRUARY]);
    bring(&mut vault, &chat);
    let purge = |vault: &mut Vault, at: usize| {
        let doomed = vault.doom(&[Target::of_entry(&months(vault)[at])]).unwrap();
        let mut under_way = vault.intend(doomed, Vec::new(), &[], &[1; 64]).unwrap();
        vault.destroy(&mut under_way, "purge", NOW).unwrap();
        vault.remove_rows(&under_way).unwrap();
        vault.store_receipt(vault.next_receipt().unwrap(), b"{}", true, NOW).unwrap();
    };
    purge(&mut vault, 0);
    let kept = months(&vault);
    assert_eq!(kept.len(), 1);
    let report = bring(&mut vault, &chat);
    assert_eq!((counts(&report), report.months.unchanged, report.months.destroyed), ((0, 0, 1, 0), 1, 1));
    let late = ("9", "2026-01-15T00:00:00Z", "of January too");
    let report = bring(&mut vault, &group("Boat", &[late, JANUARY, FEBRUARY, MARCH]));
    assert_eq!((report.months.new, report.months.destroyed), (1, 1));
    assert!(months(&vault)[0].is_same_as(&kept[0]) && months(&vault).len() == 2);
    purge(&mut vault, 0);
    purge(&mut vault, 0);
    let report = bring(&mut vault, &chat);
    assert_eq!((report.counts.destroyed, report.months.destroyed, months(&vault).len()), (1, 2, 0));
    // Nothing tells of what month these are: what came before may be any of them.
    let report = bring(&mut vault, &group("Boat", &[("1", "", "without a time")]));
    assert_eq!((report.counts.destroyed, months(&vault).len()), (1, 0));
}

#[test]
fn a_chat_that_comes_twice_in_one_input_is_one_and_without_times_it_is_of_the_month_of_its_import() {
    let (_folder, mut vault) = vault();
    let lines = [group("Boat", &[JANUARY]), group("Boat", &[JANUARY, FEBRUARY])].join("\n");
    let report = bring(&mut vault, &lines);
    assert_eq!((report.counts.new, report.counts.updated, report.months.new), (1, 1, 2));
    assert_eq!(months(&vault).len(), 2);
    let other = group("Boat", &[("1", "", "one")]).replace(r#""native_id":"g""#, r#""native_id":"h""#);
    bring(&mut vault, &other);
    assert_eq!(months(&vault).last().map(|one| one.facts.month), Some(NOW.month()));
    let report = bring(&mut vault, &other);
    assert_eq!((report.counts.unchanged, months(&vault).len()), (1, 3));
}
