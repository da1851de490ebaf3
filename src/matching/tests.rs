//! Examples of what matches what, and a comparison with a matcher too simple to be wrong.

use proptest::prelude::*;

use super::*;

fn term(text: &str) -> TextTerm {
    TextTerm::parse(text).expect(text)
}

#[test]
fn words_match_whole_words_in_any_form() {
    for (query, text, expected) in [
        ("budget", "The Budget, again.", true),
        ("BUDGET", "budget", true),
        ("budget", "budgets", false),
        ("budget", "Q3_budget.xlsx", true),
        ("cafe", "un café noir", true),
        ("café", "CAFE\u{301}", true),
        ("strasse", "Die Straße.", true),
        ("οδός", "ΟΔΟΣ", true),
        ("don't", "I don’t", true),
        ("foo-bar", "foo_bar", true),
        ("foo_bar", "foo, bar", true),
        ("foo_bar", "foo baz bar", false),
        ("std::fs", "use std::fs;", true),
        ("bud*", "a budgerigar", true),
        ("bud*", "rosebud", false),
        ("bud*", "bud", true),
        ("foo.b*", "foo-bar", true),
        ("~udge", "budgets", true),
        ("~c++", "in C++ code", true),
        ("~part", "apart", true),
        ("予算", "来年の予算を決める", true),
        ("予算", "予備の算", false),
        ("予算", "予\n算", true),
        ("会議室", "会議", false),
        ("データ", "ﾃﾞｰﾀ", true),
        ("か", "が", false),
        ("예산", "예산을 세우다", true),
        ("งบ", "แผนงบประมาณ", true),
        ("iPhone手机", "新iphone手机壳", true),
        ("2026年", "在2026年底", true),
        ("2026", "20261", false),
        ("🎉", "party🎉!", true),
        ("🎉", "party", false),
        ("❤", "I ❤\u{fe0f} it", true),
    ] {
        assert_eq!(term(query).is_in(text), expected, "{query} in {text}");
    }
}

#[test]
fn phrases_match_words_in_a_row() {
    let phrase = TextTerm::phrase("quarterly report").expect("words");
    assert!(phrase.is_in("the Quarterly Report"));
    assert!(phrase.is_in("quarterly, quarterly\nreport"));
    assert!(!phrase.is_in("quarterly reports"));
    assert!(!phrase.is_in("report quarterly"));
    assert!(!phrase.is_in("quarterly the report"));
    assert_eq!(TextTerm::phrase("bud*"), TextTerm::parse("bud"));
}

#[test]
fn a_term_that_can_match_nothing_is_refused() {
    for (text, error) in [
        ("", TermError::Empty),
        ("~", TermError::Empty),
        ("\u{301}", TermError::Empty),
        ("*", TermError::StarPlace),
        ("**bold**", TermError::StarPlace),
        ("bud*get", TermError::StarPlace),
        ("foo-*", TermError::StarPlace),
        ("🎉*", TermError::StarPlace),
    ] {
        assert_eq!(TextTerm::parse(text), Err(error), "{text:?}");
    }
    assert_eq!(TextTerm::phrase(" \t"), Err(TermError::Empty));
}

#[test]
fn finds_places_in_the_text_as_written() {
    let found = |query: &[&str], text: &'static str| -> Vec<&'static str> {
        let folded = Folded::new(text);
        let each = query.iter().flat_map(|text| term(text).find_in(&folded, false).collect::<Vec<_>>());
        apart(each.collect()).into_iter().map(|range| &text[range]).collect()
    };
    assert_eq!(found(&["cafe"], "Un Cafe\u{301}, deux CAFÉ"), ["Cafe\u{301}", "CAFÉ"]);
    assert_eq!(found(&["bud*"], "\u{feff}Bud and Budgets"), ["Bud", "Budgets"]);
    assert_eq!(found(&["~ana"], "banana"), ["anana"]);
    assert_eq!(found(&["予算", "会議"], "予算会議"), ["予算", "会議"]);
    assert_eq!(found(&["foo-bar", "bar"], "Foo, bar bar"), ["Foo, bar", "bar"]);
    assert_eq!(found(&["strasse"], "in der STRAẞE"), ["STRAẞE"]);
    assert_eq!(found(&["none"], "nothing"), [""; 0]);
}

#[test]
fn with_case_a_match_is_as_it_was_typed() {
    let is_in = |query: &str, text: &str| {
        let term = query.strip_prefix('"').map_or_else(|| term(query), |text| TextTerm::phrase(text).unwrap());
        term.find_in(&Folded::new(text), true).next().is_some()
    };
    for (query, text, expected) in [
        ("Budget", "the Budget", true),
        ("Budget", "the budget", false),
        ("Bud*", "Budgets", true),
        ("Bud*", "budgets", false),
        ("~udG", "budGet", true),
        ("~udG", "budget", false),
        ("resume", "résumé", false),
        ("Cafe\u{301}", "Café", true),
        ("\"Quarterly report", "Quarterly-\nreport", true),
        ("\"Quarterly report", "Quarterly Report", false),
        ("in\u{ad}visible", "invisible", true),
        ("fine", "all is ﬁne", true),
        ("ABC", "ＡＢＣ", true),
        ("abc", "ＡＢＣ", false),
        ("~don't", "don’t", true),
        ("~stras", "Straße", false),
        ("予算", "来年の予算", true),
    ] {
        assert_eq!(is_in(query, text), expected, "{query:?} in {text:?}");
    }
}

/// The words of a folded text, by the specification read aloud: character for character.
fn naive_words(folded: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    let mut alone = false;
    for c in folded.chars() {
        if !is_word_char(c) {
            open = false;
        } else if open && (is_combining(c) || (!alone && !is_unspaced(c))) {
            words.last_mut().expect("one is open").push(c);
        } else {
            words.push(c.to_string());
            (open, alone) = (true, is_unspaced(c));
        }
    }
    words
}

fn naive_is_in(term: &TextTerm, text: &str) -> bool {
    let folded = fold(text);
    match &term.shape {
        Shape::Piece(piece) => folded.contains(piece.as_str()),
        Shape::Words { words, open_ended } => naive_words(&folded).windows(words.len()).any(|window| {
            let (last, head) = window.split_last().expect("a term has words");
            let (wanted, wanted_head) = words.split_last().expect("a term has words");
            head == wanted_head && if *open_ended { last.starts_with(wanted.as_str()) } else { last == wanted }
        }),
    }
}

/// Few letters of many kinds, so that terms and texts often meet.
fn text(longest: usize) -> impl Strategy<Value = String> {
    let letters = vec![
        "a", "A", "b", "á", "a\u{301}", "ß", "s", "1", " ", "-", "_", "\n", "予", "算", "か", "\u{3099}", "が", "ก",
        "ิ", "ำ", "가", "\u{11a8}", "न", "ि", "🎉", "\u{200d}", "\u{200b}", "\u{ad}", "’", "ﬁ", "é",
    ];
    prop::collection::vec(prop::sample::select(letters), 0..longest).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn agrees_with_the_naive_matcher(query in text(4), prefix in any::<bool>(), piece in any::<bool>(), text in text(16)) {
        let query = match (prefix, piece) {
            (_, true) => format!("~{query}"),
            (true, _) => format!("{query}*"),
            _ => query,
        };
        let Ok(term) = TextTerm::parse(&query) else { return Ok(()) };
        let expected = naive_is_in(&term, &text);
        prop_assert_eq!(term.is_in(&text), expected);
        let mut scratch = Scratch::default();
        prop_assert_eq!(term.is_in_folded(scratch.fold(&text)), expected);

        let folded = Folded::new(&text);
        // With case, less is found and never more.
        let exact: Vec<_> = term.find_in(&folded, true).collect();
        let all: Vec<_> = term.find_in(&folded, false).collect();
        prop_assert!(exact.iter().all(|range| all.contains(range)));
        let ranges = apart(all);
        prop_assert_eq!(!ranges.is_empty(), expected);
        for pair in ranges.windows(2) {
            prop_assert!(pair[0].end <= pair[1].start);
        }
        for range in ranges {
            prop_assert!(term.is_in(&text[range]));
        }
    }

    #[test]
    fn words_are_those_of_the_specification(text in text(16)) {
        let folded = fold(&text);
        let words: Vec<&str> = words(&folded).map(|range| &folded[range]).collect();
        let mut handed = Vec::new();
        each_word(&folded, |word| handed.push(word.text));
        prop_assert_eq!(&handed, &words);
        prop_assert_eq!(words, naive_words(&folded));
    }
}
