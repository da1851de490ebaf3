//! Examples of the language, of its errors word for word, and of what it selects.

use proptest::prelude::*;

use super::*;
use crate::clock::Zone;

fn at(text: &str) -> Instant {
    Instant::parse(text).expect("valid")
}

fn parse_in(scope: Scope, arguments: &[&str]) -> Result<Selector, SelectorError> {
    Selector::parse_args(arguments, scope, at("2026-11-24T02:00:00Z"), &Zone::utc())
}

fn items(arguments: &[&str]) -> Result<Selector, SelectorError> {
    parse_in(Scope::Items, arguments)
}

const ID: [u8; 16] = [0x3f, 0xa2, 0x10, 0xff, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

fn matches(selector: &str) -> bool {
    let item = Item {
        id: &ID,
        source: "chatgpt",
        title: Some("Budget für die Küche"),
        kind: Kind::Assistant,
        tags: &["Work".to_owned(), "Größe XL".to_owned()],
        participants: &["Alice Smith".to_owned(), "ChatGPT".to_owned()],
        created: Some(at("2026-01-31T23:30:00Z")),
        last_activity: Some(at("2026-02-01T00:00:00Z")),
        imported: at("2026-11-24T01:00:00Z"),
        attachments: 1,
    };
    items(&[selector]).expect(selector).matches(&item)
}

#[test]
fn selects_by_every_key() {
    for (selector, expected) in [
        ("", true),
        ("source:chatgpt", true),
        ("SOURCE:ChatGPT", true),
        ("source:claude", false),
        ("tag:work", true),
        ("tag:wor", false),
        ("tag:\"grosse xl\"", true),
        ("tag:work tag:private", false),
        ("-tag:private", true),
        ("-tag:work", false),
        ("title:budget", true),
        ("title:kuche", true),
        ("title:bud*", true),
        ("title:~udge", true),
        ("title:~\"get f\"", true),
        ("title:\"budget fur\"", true),
        ("title:\"fur budget\"", false),
        ("with:alice", true),
        ("with:\"alice smith\"", true),
        ("with:\"smith chatgpt\"", false),
        ("with:al", false),
        ("before:2026-02", false),
        ("before:2026-03", true),
        ("after:2026-02", true),
        ("after:2026-01 before:2026-02-02", true),
        ("after:2026-03", false),
        ("on:2026-02-01", true),
        ("on:2026-01", false),
        ("created:2026-01", true),
        ("created:2026-02", false),
        ("imported:today", true),
        ("imported:yesterday", false),
        ("before:90d", true),
        ("-before:90d", false),
        ("after:1y", true),
        ("has:attachment has:tag has:title", true),
        ("-has:attachment", false),
        ("kind:assistant", true),
        ("kind:group", false),
        ("id:3fa2", true),
        ("3FA2", true),
        ("id:3fa210ff000102030405060708090a0b", true),
        ("id:3fa3", false),
        ("-id:3fa2", false),
    ] {
        assert_eq!(matches(selector), expected, "{selector}");
    }
}

#[test]
fn without_an_activity_the_import_counts() {
    let item = Item {
        id: &ID,
        source: "opaque",
        title: None,
        kind: Kind::Opaque,
        tags: &[],
        participants: &[],
        created: None,
        last_activity: None,
        imported: at("2026-11-24T01:00:00Z"),
        attachments: 0,
    };
    for (selector, expected) in [
        ("after:today", true),
        ("before:today", false),
        ("created:2026", false),
        ("-created:2026", true),
        ("title:~a", false),
        ("-title:~a", true),
        ("-has:title", true),
    ] {
        assert_eq!(items(&[selector]).expect(selector).matches(&item), expected, "{selector}");
    }
}

#[test]
fn a_shell_may_have_removed_the_quotes() {
    let quoted = items(&["with:\"Alice Smith\"", "tag:work"]);
    assert_eq!(items(&["with:Alice Smith", "tag:work"]), quoted);
    assert_eq!(items(&["with:\"Alice Smith\" tag:work"]), quoted);
    // Were it read as one value, the id would be lost and the selector broader.
    assert_eq!(items(&["-tag:keep 3fa2"]), items(&["-tag:keep", "3fa2"]));
    assert!(items(&["-with:Alice Smith"]).is_err());
    // Nothing is swallowed: what looks like a term is one, and a word that is none is refused.
    assert_eq!(items(&["tag:work before:90d"]).map(|s| s.terms.len()), Ok(2));
    assert_eq!(items(&["-tag:keep source:x"]).map(|s| s.terms.len()), Ok(2));
    assert!(items(&["title:quarterly -draft"]).is_err());
    // In a search, one argument is a query as typed.
    let query = parse_in(Scope::Text, &["tag:work budget"]).expect("valid");
    assert_eq!(texts(&query, false), [TextTerm::parse("budget")]);
    assert_eq!(parse_in(Scope::Text, &["with:Alice Smith", "budget"]).map(|s| s.terms.len()), Ok(2));
}

/// The text terms, negated ones or the others.
fn texts(query: &Selector, negated: bool) -> Vec<Result<TextTerm, TermError>> {
    let text = |term: &Term| match &term.kind {
        TermKind::Text(text) if term.negated == negated => Some(Ok(text.clone())),
        _ => None,
    };
    query.terms.iter().filter_map(text).collect()
}

#[test]
fn what_is_asked_of_messages_is_for_search() {
    let query = parse_in(Scope::Text, &["from:\"Alice Smith\" -role:tool has:code has:tag"]).expect("valid");
    let is_message = |term: &&Term| matches!(term.kind, TermKind::Message(_));
    assert_eq!(query.terms.iter().filter(is_message).count(), 3);
    assert!(query.has_item_terms());
    assert!(!parse_in(Scope::Text, &["budget role:user"]).expect("valid").has_item_terms());
    for word in ["from:alice", "role:user", "has:code"] {
        let error = items(&[word]).expect_err("conversations have no such thing");
        assert!(matches!(error.kind, SelectorErrorKind::OnlyInSearch(_)), "{word}");
    }
    let error = parse_in(Scope::Text, &["role:robot"]).expect_err("no role");
    assert_eq!(error.hint(), "role: knows user, assistant, system, tool, other");
    let error = parse_in(Scope::Text, &["has:cheese"]).expect_err("no feature");
    assert_eq!(error.hint(), "has: knows attachment, tag, title, code");
    assert_eq!(items(&["has:cheese"]).expect_err("none").hint(), "has: knows attachment, tag, title");
}

#[test]
fn operators_of_other_languages_are_told_and_not_looked_for() {
    for word in ["OR", "AND", "NOT", "|", "&&"] {
        let error = parse_in(Scope::Text, &[&format!("budget {word} report")]).expect_err("no operator");
        assert_eq!((error.at, error.to_string()), (7, format!("{word} is no word of this language")));
    }
    let error = parse_in(Scope::Text, &["budget\"only this\""]).expect_err("no phrase");
    assert_eq!(error.kind, SelectorErrorKind::QuoteInside);
    assert!(parse_in(Scope::Text, &["\"5\\\"\" wide"]).is_ok());
    let error = parse_in(Scope::Patterns { case: false }, &["~\"a b\""]).expect_err("no piece");
    assert_eq!(error.kind, SelectorErrorKind::PieceOfPattern);
    assert!(parse_in(Scope::Text, &["this or that, and \"OR\""]).is_ok());
}

#[test]
fn bare_words_may_be_expressions() {
    let parse = |text: &str| parse_in(Scope::Patterns { case: false }, &[text]);
    let query = parse(r#"err(or)?s? "a b+" -dra.t source:slack"#).expect("valid");
    let is_pattern = |term: &&Term| matches!(term.kind, TermKind::Pattern(_));
    assert_eq!(query.terms.iter().filter(is_pattern).count(), 3);
    let error = parse("fine (open").expect_err("no expression");
    assert_eq!((error.at, error.to_string().as_str()), (5, "not a regular expression: unclosed group"));
}

#[test]
fn text_terms_are_for_search() {
    let query =
        parse_in(Scope::Text, &["budget \"Quarterly Report\" -draft bud* ~part ~\"c d\" std::fs 10:30 tag:work"]);
    let query = query.expect("valid");
    let wanted = [
        TextTerm::parse("budget"),
        TextTerm::phrase("quarterly report"),
        TextTerm::parse("bud*"),
        TextTerm::parse("~part"),
        TextTerm::piece("c d"),
        TextTerm::phrase("std fs"),
        TextTerm::phrase("10 30"),
    ];
    assert_eq!(texts(&query, false), wanted);
    assert_eq!(texts(&query, true), [TextTerm::parse("draft")]);
    assert_eq!(query.terms.len(), 9);
    // A word that could be an id is a word here.
    assert_eq!(parse_in(Scope::Text, &["cafe"]).map(|s| s.ids().count()), Ok(0));
}

#[test]
fn bare_ids_are_told_apart() {
    let selector = items(&["3fa2", "id:3fa2", "-id:ffff"]).expect("valid");
    let ids: Vec<_> = selector.ids().map(|id| (id.digits(), id.is_bare)).collect();
    assert_eq!(ids, [("3fa2", true), ("3fa2", false)]);
}

#[test]
fn quotes_may_hold_quotes() {
    assert_eq!(items(&[r#"tag:"a \"b\" \\ c""#]), Ok(tag("a \"b\" \\ c")));
    assert_eq!(items(&[r#"tag:"C:\dir""#]), Ok(tag(r"c:\dir")));
}

fn tag(text: &str) -> Selector {
    Selector { terms: vec![Term { negated: false, kind: TermKind::Tag(text.to_owned()) }] }
}

#[test]
fn errors_say_what_where_and_how() {
    const KEYS: &str = "keys are source, tag, title, with, before, after, on, created, imported, has, kind, id; \
                        put text that has a colon in quotes";
    for (text, at, message, hint) in [
        ("tag:a sorce:b", 6, "unknown key \"sorce\"", KEYS),
        ("http://example.org", 0, "unknown key \"http\"", KEYS),
        ("has:cheese", 0, "has: does not know \"cheese\"", "has: knows attachment, tag, title"),
        (
            "kind:\u{1b}[31m",
            0,
            "kind: does not know \"\\u{1b}[31m\"",
            "kind: knows assistant, agent, direct, group, channel, opaque",
        ),
        ("tag:", 0, "tag: has no value", "write tag:value or tag:\"a value with spaces\""),
        ("tag:\" \"", 0, "tag: has no value", "write tag:value or tag:\"a value with spaces\""),
        ("tag: work", 0, "tag: has no value", "write tag:value or tag:\"a value with spaces\""),
        ("a1b2 with:\"Alice", 5, "a quote is not closed", "close it with \"; write \\\" for a quote inside"),
        ("tag:\"a\"b", 0, "text follows a closing quote without a space", "put a space after the quote"),
        ("tag:a - tag:b", 6, "nothing follows the minus sign", "write -tag:draft, without a space"),
        (
            "budget",
            0,
            "\"budget\" is neither a key with a value nor the beginning of an id",
            "write title:word for a word of the title; to look in the text, use search",
        ),
        (
            "3fa",
            0,
            "\"3fa\" is neither a key with a value nor the beginning of an id",
            "write title:word for a word of the title; to look in the text, use search",
        ),
        (
            "id:3fa",
            0,
            "\"3fa\" is not the beginning of an id",
            "an id is 4 to 32 hexadecimal digits, as list shows them",
        ),
        (
            "before:90m",
            0,
            "before: the unit m can mean minutes or months",
            "write mo for months; minutes are not offered",
        ),
        (
            "after:1/2/2026",
            0,
            "after: a date with slashes can be read in two ways",
            "write year-month-day with hyphens, such as 2026-01-31",
        ),
        ("on:90d", 0, "on: a duration names no day", "write a day, month or year such as 2026-01, or after:90d"),
        (
            "title:~",
            0,
            "nothing to look for",
            "write a word, a \"phrase in quotes\", the beginning of a word as bud*, or ~part",
        ),
    ] {
        let error = items(&[text]).expect_err(text);
        let said = (error.at, error.to_string(), error.hint());
        assert_eq!(said, (at, message.to_owned(), hint.to_owned()), "{text}");
    }
    assert_eq!(items(&["tag:a", "tag:b x:y"]).map_err(|e| (e.argument, e.at)), Err((1, 6)));
}

#[test]
fn an_unknown_key_in_a_value_with_spaces_is_not_swallowed() {
    assert!(items(&["tag:work sorce:chatgpt"]).is_err());
    assert_eq!(items(&["title:meeting at 10:30"]).map(|s| s.terms.len()), Ok(1));
}

proptest! {
    #[test]
    fn no_input_panics(text in "[-~:\"\\\\a-f0-9* ]{0,24}|\\PC{0,24}|(source|tag|on|before|title|id):\\PC{0,12}") {
        for scope in [Scope::Items, Scope::Text] {
            if let Err(error) = parse_in(scope, &[&text]) {
                prop_assert!(error.at <= text.len() && text.is_char_boundary(error.at));
                prop_assert!(!error.to_string().is_empty() && !error.hint().is_empty());
            }
        }
    }

    #[test]
    fn negation_is_the_opposite(which in 0_usize..8) {
        let term = ["tag:work", "before:90d", "after:2026-03", "title:x", "has:title", "kind:group", "id:3fa2", "created:2026"][which];
        prop_assert_ne!(matches(term), matches(&format!("-{term}")));
    }
}
