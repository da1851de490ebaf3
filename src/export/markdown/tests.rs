//! Tests of the Markdown form: what a reader of CommonMark makes of it, whatever stands in a conversation.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::Markdown;
use crate::conversation::PartKind;
use crate::export::tests::hostile::{VECTORS, characters, heavy, may_stand};
use crate::export::tests::{Case, MANIFEST, empty, everywhere, exported, say};

/// Reads an export and fails at everything that is not known to be harmless. Returns its headings.
fn checked(text: &str) -> Vec<(HeadingLevel, String)> {
    assert!(text.chars().all(may_stand));
    let extensions = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_DEFINITION_LIST
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS
        | Options::ENABLE_WIKILINKS
        | Options::ENABLE_GFM;
    let headings = read(text, Options::empty());
    assert_eq!(read(text, extensions), headings);
    headings
}

fn read(text: &str, options: Options) -> Vec<(HeadingLevel, String)> {
    let mut headings: Vec<(HeadingLevel, String)> = Vec::new();
    let (mut in_heading, mut last) = (false, String::new());
    let parser = Parser::new_ext(text, options);
    assert_eq!(parser.reference_definitions().iter().count(), 0);
    for event in parser {
        match event {
            Event::Html(html) | Event::InlineHtml(html) => panic!("HTML: {html}"),
            Event::FootnoteReference(label) => panic!("a footnote: {label}"),
            Event::Start(Tag::Image { dest_url, .. }) => panic!("a picture: {dest_url}"),
            Event::Start(Tag::HtmlBlock | Tag::MetadataBlock(_) | Tag::FootnoteDefinition(_) | Tag::DefinitionList) => {
                panic!("a block that nobody wrote")
            }
            Event::Start(Tag::Link { dest_url, .. }) => {
                assert!(dest_url.starts_with("https://") || dest_url.starts_with("http://"), "{dest_url}");
                assert!(!dest_url.contains('\\') && !dest_url.contains(char::is_whitespace), "{dest_url}");
            }
            Event::Start(Tag::Heading { level, id, classes, .. }) => {
                assert!(id.is_none() && classes.is_empty());
                headings.push((level, String::new()));
                in_heading = true;
            }
            Event::End(TagEnd::Heading(_)) => in_heading = false,
            Event::Start(Tag::CodeBlock(_)) => last.clear(),
            Event::Text(text) => {
                if let (true, Some((_, heading))) = (in_heading, headings.last_mut()) {
                    heading.push_str(&text);
                }
                last.push_str(&text);
            }
            Event::Code(code) if in_heading => panic!("code in a heading: {code}"),
            _ => {}
        }
    }
    assert_eq!(headings.last().map(|(_, heading)| heading.as_str()), Some("Manifest"));
    assert_eq!(last.trim_end(), MANIFEST);
    headings
}

fn of_text(author: u32, text: &str) -> String {
    let mut conversation = empty("Title");
    say(&mut conversation, author, &[(PartKind::Text, None, text)]);
    let written = Case::of(conversation).exported(&Markdown);
    checked(&written);
    let body = written.as_str();
    let body = body.split_once("13:40 UTC\n\n").unwrap().1;
    body.split_once("\n\n## Manifest").unwrap().0.to_owned()
}

fn levels(headings: &[(HeadingLevel, String)]) -> Vec<HeadingLevel> {
    headings.iter().map(|(level, _)| *level).collect()
}

#[test]
fn nothing_but_text_comes_of_hostile_text_in_any_field() {
    let expected = levels(&checked(&everywhere("harmless").exported(&Markdown)));
    for vector in VECTORS.iter().map(|vector| (*vector).to_owned()).chain(characters()) {
        let text = everywhere(&vector).exported(&Markdown);
        let found = std::panic::catch_unwind(|| levels(&checked(&text)));
        let found = found.unwrap_or_else(|_| panic!("{vector:?}"));
        // A text of nothing has no label.
        if !vector.trim().is_empty() {
            assert_eq!(found, expected, "{vector:?}");
        }
    }
}

#[test]
fn hostile_texts_joined_are_no_worse() {
    let expected = levels(&checked(&everywhere("harmless").exported(&Markdown)));
    let all: Vec<String> = VECTORS.iter().map(|vector| (*vector).to_owned()).collect();
    for glue in ["", " ", "\n", "\n\n", "\n> ", "\n  * ", "|"] {
        assert_eq!(levels(&checked(&everywhere(&all.join(glue)).exported(&Markdown))), expected);
        let backwards: Vec<String> = all.iter().rev().cloned().collect();
        assert_eq!(levels(&checked(&everywhere(&backwards.join(glue)).exported(&Markdown))), expected);
    }
}

#[test]
fn heavy_texts_take_no_more_than_their_share() {
    for text in heavy() {
        let began = std::time::Instant::now();
        let mut conversation = empty("Title");
        say(&mut conversation, 1, &[(PartKind::Text, None, &text)]);
        let written = Case::of(conversation).exported(&Markdown);
        let took = began.elapsed();
        assert!(took.as_secs() < 20, "{took:?} for {:?}", &text[..20]);
        assert!(written.len() < 60 * text.len() + 10_000, "{} for {:?}", written.len(), &text[..20]);
    }
}

#[test]
fn prose_stays_markdown_that_reads_well() {
    for text in [
        "a *b* **c** ~~d~~ `e`",
        "one\n\ntwo\nthree",
        "* a\n* b\n  + c\n  + d\n* e",
        "* a\n\n  b\n\n* c",
        "1. a\n2. b",
        "> a\n>\n> > b",
        "```rust\nlet a = 1;\n\n  b\n```",
        "````\n```\n````",
        "| a | b |\n| --- | --- |\n| +1 | `d` |",
        "___",
        "[a](<https://b.example/c>)",
        "snake_case and C# and a - b, 1.5 and AT&T!",
        "`` ` ``",
    ] {
        assert_eq!(of_text(1, text), text);
    }
    for (text, expected) in [
        ("# a\n\nb", "**a**\n\nb"),
        ("# a **b** c", "**a b c**"),
        ("a <b>c</b>", "a &lt;b>c&lt;/b>"),
        ("![a](https://b.example)", "\\[picture: a, https://b.example\\]"),
        ("[a](javascript:b)", "a (javascript:b)"),
        ("```{=html}\nx", "`{=html}`\n\n```\nx\n```"),
        ("```dataviewjs\nx", "`dataviewjs`\n\n```\nx\n```"),
        ("- a\n- b", "* a\n* b"),
        ("\\# a", "\\# a"),
        ("- a\n  -", "* a\n  -"),
    ] {
        let expected = if text == "- a\n  -" { "**a**".to_owned() } else { expected.to_owned() };
        let written = of_text(1, text);
        assert!(written == expected || written == format!("* {expected}"), "{text:?}: {written}");
    }
}

#[test]
fn what_a_person_typed_keeps_its_lines() {
    assert_eq!(of_text(0, "a\nb *c*\n\n# d"), "a  \nb \\*c\\*\n\n\\# d");
    assert_eq!(of_text(0, "def f():\n    return `1`"), "```\ndef f():\n    return `1`\n```");
}

#[test]
fn the_document_has_an_index_headings_and_gaps() {
    let mut conversation = empty("A *title*");
    for text in ["one", "two", "three", "four"] {
        say(&mut conversation, 0, &[(PartKind::Text, None, text)]);
    }
    say(
        &mut conversation,
        1,
        &[(PartKind::Thinking, None, "hm"), (PartKind::ToolCall, Some("bash"), "ls"), (PartKind::Text, None, "five")],
    );
    conversation.messages[4].model = Some("gpt-5".to_owned());
    let mut case = Case::of(conversation);
    case.shown = vec![true, false, false, true, true];
    let other = Case::of(empty(""));
    let text = exported(&Markdown, &[&case, &other]);
    let headings: Vec<String> = checked(&text).into_iter().map(|(_, heading)| heading).collect();
    let expected = [
        "2 conversations",
        "1. A *title*",
        "1. user · 2025-10-11 13:40 UTC",
        "(2 messages left out)",
        "4. user · 2025-10-11 13:40 UTC",
        "5. assistant · 2025-10-11 13:40 UTC · gpt-5",
        "Thinking",
        "Call of bash",
        "Text",
        "2. (no title)",
        "Manifest",
    ];
    assert_eq!(headings, expected);
    assert!(text.contains("\n1. **A \\*title\\*** · chatgpt · 2025-10-11 to 2025-10-12 · 5 messages\n"));
    assert!(!text.contains("three"));
    assert!(text.ends_with(&format!("\n## Manifest\n\n```json\n{MANIFEST}\n```\n")));
}

#[test]
fn no_word_of_a_text_is_lost() {
    for text in VECTORS {
        let written = of_text(1, &format!("x\n\n{text}\n\nx"));
        for word in ["hidden", "alert", "Manifest", "evil", "title", "lazy", "definition"] {
            // Titles of definitions and of links may stand beside what they belong to, more than once.
            assert!(
                written.matches(word).count() >= text.matches(word).count().min(1),
                "{word} of {text:?}: {written}"
            );
        }
    }
}
