//! A sketch never misses: what it denies, a look at every text does not find either.

use proptest::prelude::*;

use super::*;
use crate::conversation::{Conversation, Message, Part, Visibility};

fn chat(title: &str, texts: &[&str]) -> Conversation {
    let mut made = Conversation { title: Some(title.to_owned()), ..Conversation::default() };
    for text in texts {
        let text = made.push_text(text);
        made.messages.push(Message { parts: vec![Part { text, ..Part::default() }], ..Message::default() });
    }
    made
}

fn most(conversation: &Conversation, term: &str) -> u32 {
    let mut builder = SketchBuilder::default();
    let term = term.strip_prefix('"').map_or_else(|| TextTerm::parse(term), TextTerm::phrase).unwrap();
    Sketch::read(builder.build(conversation)).unwrap().most(&Evidence::of(&term))
}

#[test]
fn words_are_there_or_not_and_counts_are_bounded_from_above() {
    let talk = chat("Budget", &["the budget of the Café", "来年の予算を、見る", "the"]);
    for (term, expected) in [
        ("THE", 3),
        ("cafe", 1),
        // Five for the title and one for the text: no more than seven.
        ("budget", 7),
        ("absent", 0),
        ("\"of the", 1),
        ("\"of absent", 0),
        ("来年", 1),
        ("予算を見", 1),
        // Both characters are there, and are no neighbours.
        ("年算", 0),
        // Of these nothing is known.
        ("absen*", u32::MAX),
        ("~bsent", u32::MAX),
        // Of this one the middle is.
        ("\"~x", 0),
        ("~the", u32::MAX),
    ] {
        assert_eq!(most(&talk, term), expected, "{term}");
    }
    let piece = |text: &str| {
        let mut builder = SketchBuilder::default();
        let evidence = Evidence::of(&TextTerm::piece(text).unwrap());
        (evidence.is_some(), Sketch::read(builder.build(&talk)).unwrap().most(&evidence) > 0)
    };
    assert_eq!(piece("udget of th"), (true, true));
    assert_eq!(piece("udget absent th"), (true, false));
    assert_eq!(piece("の予算"), (true, true));
    assert_eq!(piece("予年"), (true, true));
    // The last one may have marks that make it another.
    assert_eq!((piece("の予年"), piece("の予年見")), ((true, true), (true, false)));
    assert_eq!(piece("udget"), (false, true));
}

#[test]
fn words_are_counted_for_the_visible_and_for_all() {
    let mut talk = chat("two words", &["three more words", "one", "two here"]);
    talk.messages[1].visibility = Visibility::Hidden;
    talk.messages[2].abandoned = true;
    let mut builder = SketchBuilder::default();
    let sketch = Sketch::read(builder.build(&talk)).unwrap();
    assert_eq!((sketch.words(false), sketch.words(true)), (5, 8));
}

#[test]
fn names_of_files_documents_and_addresses_are_in_it() {
    let mut talk = chat("", &["caption"]);
    talk.attachments
        .push(crate::conversation::Attachment { name: Some("Report.PDF".to_owned()), ..Default::default() });
    let part = &mut talk.messages[0].parts[0];
    (part.kind, part.attachment) = (crate::conversation::PartKind::Attachment, Some(0));
    assert_eq!((most(&talk, "report.pdf"), most(&talk, "caption"), most(&talk, "absent")), (1, 1, 0));
}

#[test]
fn the_bytes_are_those_of_the_format() {
    // docs/format.md §4 has these as an example, with the versions of Unicode of this program in the second and third byte.
    let mut builder = SketchBuilder::default();
    let bytes = builder.build(&chat("", &["one two two"])).to_vec();
    assert_eq!((bytes[0], &bytes[1..3]), (VERSION, &TABLES[..]));
    let hex: String = bytes[3..].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "00000003000000030000000200000002d82200000001f500000001f900000000");
    // What was folded by other tables may have other words.
    let mut other = bytes.clone();
    other[1] += 1;
    assert!(Sketch::is_ours(&bytes) && !Sketch::is_ours(&other) && Sketch::read(&other).is_err());
}

#[test]
fn of_words_that_are_not_there_few_seem_to_be() {
    let text: Vec<String> = (0..2000).map(|number| format!("word{number}")).collect();
    let talk = chat("", &[&text.join(" ")]);
    let mut builder = SketchBuilder::default();
    let bytes = builder.build(&talk).to_vec();
    let sketch = Sketch::read(&bytes).unwrap();
    let seems = |number: &u32| sketch.most(&Evidence::of(&TextTerm::parse(&format!("absent{number}")).unwrap())) > 0;
    let wrong = (0..20_000).filter(seems).count();
    // One in 256 is 78; by chance between 50 and 110.
    assert!((50..110).contains(&wrong), "{wrong}");
    // Eight bits, two for the buckets, one for a count of one.
    assert!(bytes.len() < 2000 * 11 / 8 + 64, "{}", bytes.len());
}

#[test]
fn damaged_sketches_are_malformed_and_never_panic() {
    let talk = chat("Budget", &["the budget of the Café", "来年の予算を、見る"]);
    let mut builder = SketchBuilder::default();
    let bytes = builder.build(&talk).to_vec();
    let terms = ["the", "absent", "予算"].map(|term| Evidence::of(&TextTerm::parse(term).unwrap()));
    for at in 0..bytes.len() {
        assert!(Sketch::read(&bytes[..at]).is_err(), "cut at {at}");
        for bit in 0..8 {
            let mut copy = bytes.clone();
            copy[at] ^= 1 << bit;
            if let Ok(sketch) = Sketch::read(&copy) {
                let _: Vec<u32> = terms.iter().map(|term| sketch.most(term)).collect();
            }
        }
    }
    assert!(Sketch::read(&[]).is_err());
}

/// Texts in which words repeat, in several scripts, with marks and signs between them.
fn text() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "the",
        "Budget",
        "cafe\u{301}",
        "Straße",
        "予",
        "算",
        "か\u{3099}",
        "สวัสดี",
        "한국",
        "foo_bar",
        "🚀",
        "-",
        " ",
        "\n",
        "x²",
        "\u{301}",
        "ﬁne",
        "the ",
        "bud",
        "get ",
        "½",
        "İ",
        "हिन्दी ",
        "\u{200b}",
        "’",
        "q3",
    ]);
    prop::collection::vec(
        prop_oneof![4 => words.prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)],
        0..14,
    )
    .prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_a_text_has_its_sketch_does_not_deny(texts in prop::collection::vec(text(), 1..4), query in text(), form in 0..4) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let talk = chat(texts[0], &texts[1..]);
        // Cut out of a text, most queries match.
        let half = |text: &&str| { let mut cut = text.len() / 2; while !text.is_char_boundary(cut) { cut -= 1 }; text[cut..].to_owned() };
        let query = if form == 0 { query } else { texts.iter().map(half).max_by_key(String::len).unwrap_or_default() };
        let term = match form {
            0 | 1 => TextTerm::phrase(&query),
            2 => TextTerm::piece(&query),
            _ => TextTerm::parse(&format!("{}*", query.split('*').next().unwrap_or_default())),
        };
        let Ok(term) = term else { return Ok(()) };
        let mut builder = SketchBuilder::default();
        let sketch = Sketch::read(builder.build(&talk)).unwrap();
        let count = |text: &str| term.count_in_folded(&crate::fold::fold(text)) as u32;
        let found = TITLE_WEIGHT * count(texts[0]) + texts[1..].iter().map(|text| count(text)).sum::<u32>();
        prop_assert!(sketch.most(&Evidence::of(&term)) >= found, "{query:?} in {texts:?}");
    }
}
