//! Tests of the page: what may stand in it, whatever stands in a conversation.

mod markup;
mod sealing;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::markup::{Page, checked};
use super::files::{harmless, picture};
use super::head::{SCRIPT, STYLE};
use super::{Html, LARGEST_FILE};
use crate::conversation::{Attachment, Conversation, Part, PartKind, SourceTime};
use crate::crypto::hash::sha256;
use crate::export::tests::hostile::{VECTORS, characters, heavy};
use crate::export::tests::{Case, MANIFEST, PNG, empty, everywhere, exported, say};

fn page_of(case: &Case) -> Page {
    checked(&case.exported(&Html))
}

fn of_text(author: u32, text: &str) -> String {
    let mut conversation = empty("Title");
    say(&mut conversation, author, &[(PartKind::Text, None, text)]);
    let page = Case::of(conversation).exported(&Html);
    checked(&page);
    let body = page.split_once("<div class=\"body\">\n").unwrap().1;
    body.split_once("</div>\n</article>").unwrap().0.to_owned()
}

#[test]
fn nothing_but_text_comes_of_hostile_text_in_any_field() {
    assert!(VECTORS.len() >= 120);
    let count = page_of(&everywhere("harmless")).count("article");
    for vector in VECTORS.iter().map(|vector| (*vector).to_owned()).chain(characters()) {
        let page = page_of(&everywhere(&vector));
        assert_eq!(page.count("article"), count, "{vector:?}");
        assert_eq!((page.count("section"), page.count("template"), page.count("script")), (2, 1, 1), "{vector:?}");
        assert_eq!((page.count("input"), page.count("form"), page.count("img")), (0, 0, 1), "{vector:?}");
    }
}

#[test]
fn hostile_texts_joined_are_no_worse() {
    let all: Vec<String> = VECTORS.iter().map(|vector| (*vector).to_owned()).collect();
    for glue in ["", " ", "\n", "\n\n", "\n> ", "|"] {
        page_of(&everywhere(&all.join(glue)));
        let backwards: Vec<String> = all.iter().rev().cloned().collect();
        page_of(&everywhere(&backwards.join(glue)));
    }
}

#[test]
fn heavy_texts_take_no_more_than_their_share() {
    for text in heavy() {
        let began = std::time::Instant::now();
        let written = of_text(1, &text);
        let took = began.elapsed();
        assert!(took.as_secs() < 20, "{took:?} for {:?}", &text[..20]);
        assert!(written.len() < 60 * text.len() + 10_000, "{} for {:?}", written.len(), &text[..20]);
    }
}

#[test]
fn prose_becomes_the_elements_of_the_list() {
    for (text, expected) in [
        ("a *b* **c** ~~d~~ `e`", "<p dir=\"auto\">a <em>b</em> <strong>c</strong> <del>d</del> <code>e</code></p>\n"),
        ("# a\n#### b", "<h3 dir=\"auto\">a</h3>\n<h6 dir=\"auto\">b</h6>\n"),
        ("a\nb", "<p dir=\"auto\">a<br>\nb</p>\n"),
        ("3. a\n4. b", "<ol start=\"3\">\n<li dir=\"auto\">a</li>\n<li dir=\"auto\">b</li>\n</ol>\n"),
        ("> a", "<blockquote>\n<p dir=\"auto\">a</p>\n</blockquote>\n"),
        ("- [x] a", "<ul>\n<li dir=\"auto\">☑ a</li>\n</ul>\n"),
        (
            "|a|\n|-|\n|b|",
            "<div class=\"table\"><table>\n<thead><tr><th dir=\"auto\">a</th>\n</tr></thead>\n<tbody>\n\
             <tr><td dir=\"auto\">b</td>\n</tr>\n</tbody></table></div>\n",
        ),
        (
            "```rust\nlet a = 1 < 2;\n```",
            "<figure class=\"code\"><figcaption>rust</figcaption>\n<pre dir=\"auto\">\n<code>let a = 1 &lt; 2;</code></pre></figure>\n",
        ),
        (
            "[a](https://b.example/c)",
            "<p dir=\"auto\"><a href=\"https://b.example/c\" rel=\"noreferrer noopener nofollow\" target=\"_blank\">a</a> \
             <span class=\"address\">(b.example/c)</span></p>\n",
        ),
        ("[a](javascript:b)", "<p dir=\"auto\">a (javascript:b)</p>\n"),
        (
            "![a](https://b.example)",
            "<p dir=\"auto\">[picture: a, <a href=\"https://b.example\" rel=\"noreferrer noopener nofollow\" target=\"_blank\">https://b.example</a>]</p>\n",
        ),
        ("$a_1 * b_1 * c$", "<p dir=\"auto\">$a_1 * b_1 * c$</p>\n"),
        ("<b>x</b>", "<p dir=\"auto\">&lt;b&gt;x&lt;/b&gt;</p>\n"),
        ("<div>\nx", "<p class=\"plain\" dir=\"auto\">&lt;div&gt;\nx</p>\n"),
    ] {
        assert_eq!(of_text(1, text), expected, "{text:?}");
    }
}

#[test]
fn a_definition_that_markdown_hides_is_shown() {
    for text in [
        "a\n\n[hidden]: words \"more\"",
        "[hidden]: words\n[hidden]: words",
        "> [hidden]: words\n\nb",
        "* [hidden]: words",
    ] {
        let written = of_text(1, text);
        assert_eq!(written.matches("[hidden]: words").count(), text.matches("[hidden]: words").count(), "{written}");
    }
}

#[test]
fn what_a_person_typed_stays_as_it_was_typed() {
    let typed = "def f(**k):\n    return k['a_b']\n\n\n# no heading";
    let written = of_text(0, typed);
    assert_eq!(
        written,
        "<p class=\"plain\" dir=\"auto\">def f(**k):\n    return k[&#39;a_b&#39;]\n\n\n# no heading</p>\n"
    );
    assert!(of_text(0, "see\n```\nx\n```").contains("<pre"));
}

#[test]
fn an_address_in_a_text_is_a_link_without_what_closes_the_sentence() {
    for (text, address) in [
        ("see https://a.example/b.", "https://a.example/b"),
        ("(https://a.example/b)", "https://a.example/b"),
        ("https://a.example/b_(c)", "https://a.example/b_(c)"),
        ("<https://a.example/b>", "https://a.example/b"),
        ("**https://a.example/b_c_d**", "https://a.example/b_c_d"),
    ] {
        for author in [0, 1] {
            let written = of_text(author, text);
            assert!(written.contains(&format!("href=\"{address}\"")), "{text:?}: {written}");
            assert!(!written.contains("class=\"address\""), "{written}");
        }
    }
    for text in ["https://a.example@b.example", "https://a.example\\@b.example", "https://", "HTTP:a"] {
        assert!(!of_text(0, text).contains("<a ") || text.contains('\\'), "{text:?}");
    }
}

#[test]
fn a_long_address_keeps_its_host_on_the_screen() {
    let host = "very-long.".repeat(12);
    let written = of_text(1, &format!("[x](https://{host}example/{})", "p".repeat(99)));
    let shown = written.split_once("class=\"address\">(").unwrap().1.split_once('<').unwrap().0;
    assert!(shown.starts_with(&format!("{host}example/ppp")), "{shown}");
    assert!(written.contains("<span class=\"rest\">ppp"), "{written}");
}

fn long(messages: usize) -> Case {
    let mut conversation = empty("Long");
    for number in 1..=messages {
        say(&mut conversation, number as u32 % 2, &[(PartKind::Text, None, &format!("message {number}"))]);
    }
    Case::of(conversation)
}

#[test]
fn a_page_has_a_thousand_messages() {
    for (messages, pages) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (2000, 2), (2500, 3)] {
        let text = long(messages).exported(&Html);
        let page = checked(&text);
        assert_eq!((page.count("article"), page.count("section")), (messages, pages));
        assert_eq!(text.matches("<nav class=\"pager\">").count(), if pages == 1 { 0 } else { 2 * pages });
    }
    let text = long(2500).exported(&Html);
    let (first, rest) = text.split_once("<section class=\"page\" id=\"c1p2\">").unwrap();
    assert!(first.contains("id=\"c1m1000\"") && !first.contains("id=\"c1m1001\""));
    assert!(rest.contains(
        "Page 2 of 3 <a href=\"#c1\">Previous</a> <a href=\"#c1\">1</a> <strong>2</strong> <a href=\"#c1p3\">3</a>"
    ));
}

#[test]
fn a_conversation_of_many_pages_links_to_few() {
    let text = super::pager(7, 500, 1000);
    assert!(text.len() < 1000);
    assert!(
        text.contains(">1</a> … <a href=\"#c7p497\">497</a>") && text.contains("503</a> … <a href=\"#c7p1000\">"),
        "{text}"
    );
}

#[test]
fn what_is_left_out_is_counted_where_it_was() {
    let mut case = long(8);
    case.shown = vec![false, true, false, false, false, true, true, false];
    let text = case.exported(&Html);
    checked(&text);
    let flow: Vec<&str> = text
        .lines()
        .filter_map(|line| match line {
            _ if line.starts_with("<p class=\"gap\">") => line.split(['(', ')']).nth(1),
            _ => line.strip_prefix("<article id=\"").and_then(|rest| rest.split('"').next()),
        })
        .collect();
    let expected = ["1 message left out", "c1m2", "3 messages left out", "c1m6", "c1m7", "1 message left out"];
    assert_eq!(flow, expected);
    assert!(!text.contains("message 4"));
    case.shown = vec![false; 8];
    assert!(case.exported(&Html).contains("<p class=\"gap\">(8 messages left out)</p>"));
}

#[test]
fn the_index_lists_what_is_in_the_page() {
    let (mut one, two) = (long(1), long(2));
    one.listed.title = String::new();
    let text = exported(&Html, &[&one, &two]);
    checked(&text);
    assert!(text.contains("<h1>2 conversations</h1>") && text.contains("<body class=\"several\">"));
    assert!(text.contains(
        "<li><a href=\"#c1\"><span class=\"title\" dir=\"auto\">(no title)</span></a><span class=\"about\">chatgpt · 2025-10-11 to 2025-10-12 · 1 message</span></li>"
    ));
    assert!(text.contains("<li><a href=\"#c2\"><span class=\"title\" dir=\"auto\">Long</span></a>"));
    assert!(text.contains("id=\"c2m2\""));
    assert!(one.exported(&Html).contains("<body class=\"single\">"));
    assert!(exported(&Html, &[]).contains("<h1>0 conversations</h1>"));
}

#[test]
fn messages_say_who_when_and_what_sets_them_apart() {
    let mut case = long(2);
    let messages = &mut case.conversation.messages;
    messages[0].model = Some("gpt-5".to_owned());
    messages[0].abandoned = true;
    messages[1].time = Some(SourceTime { text: "yesterday".to_owned(), at: None });
    messages[1].parts.clear();
    let text = case.exported(&Html);
    checked(&text);
    for expected in [
        "<article id=\"c1m1\" class=\"role-assistant\">",
        "<time datetime=\"2025-10-11T13:40:00Z\">2025-10-11 13:40 UTC</time>",
        "<span class=\"model\" dir=\"auto\">gpt-5</span>",
        "<span class=\"state\" dir=\"auto\">abandoned branch</span>",
        "<a class=\"number\" href=\"#c1m2\">2</a>",
        "<span class=\"time\" dir=\"auto\">yesterday</span>",
        "<p class=\"empty\">(no text)</p>",
    ] {
        assert!(text.contains(expected), "{expected}");
    }
}

#[test]
fn what_most_readers_pass_over_is_folded() {
    let mut conversation = empty("Title");
    let parts = [
        (PartKind::Thinking, None, "*Hm*"),
        (PartKind::ToolCall, Some("bash"), "{\"a\": \"<b>\"}"),
        (PartKind::ToolResult, None, "ok"),
        (PartKind::Unknown, Some("new"), "{}"),
        (PartKind::Document, Some("Plan"), "# as\n  it is"),
    ];
    say(&mut conversation, 1, &parts);
    let text = Case::of(conversation).exported(&Html);
    checked(&text);
    for expected in [
        "<details class=\"thinking\"><summary>Thinking</summary>\n<p dir=\"auto\"><em>Hm</em></p>\n</details>",
        "<details class=\"call\"><summary dir=\"auto\">Call of bash</summary>\n<pre dir=\"auto\">\n{&quot;a&quot;: &quot;&lt;b&gt;&quot;}</pre></details>",
        "<summary dir=\"auto\">Result</summary>",
        "<summary dir=\"auto\">new, not understood by this version</summary>",
        "<figure class=\"document\"><figcaption dir=\"auto\">Plan</figcaption>\n<pre dir=\"auto\">\n# as\n  it is</pre></figure>",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

fn with_file(name: &str, bytes: Vec<u8>, size: Option<u64>, stored: bool) -> String {
    let mut conversation: Conversation = empty("Files");
    say(&mut conversation, 0, &[(PartKind::Attachment, None, "caption"), (PartKind::Attachment, None, "")]);
    for part in &mut conversation.messages[0].parts {
        *part = Part { attachment: Some(0), ..part.clone() };
    }
    let objects = stored.then_some((0, 1));
    let media_type = Some("image/png".to_owned());
    conversation.attachments.push(Attachment {
        name: Some(name.to_owned()),
        media_type,
        size,
        objects,
        ..Attachment::default()
    });
    let mut case = Case::of(conversation);
    case.files.push(bytes);
    let text = case.exported(&Html);
    checked(&text);
    text
}

#[test]
fn pictures_are_told_by_their_bytes() {
    let png = with_file("a.png", PNG.to_vec(), None, true);
    assert!(png.contains(&format!("src=\"data:image/png;base64,{}\"", STANDARD.encode(PNG))));
    assert_eq!(png.matches("base64,").count(), 1, "a file is held once");
    assert!(png.contains("<p class=\"file\"><a href=\"#c1f1\">a.png</a></p>") && png.contains(">caption</p>"));
    for (bytes, expected) in [
        (&b"\xff\xd8\xff\xe0"[..], Some("jpeg")),
        (b"GIF89a", Some("gif")),
        (b"RIFF\0\0\0\0WEBPVP8 ", Some("webp")),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", None),
        (b"\x89PNG", None),
        (b"", None),
    ] {
        assert_eq!(picture(bytes), expected);
    }
    let svg = with_file("a.svg", b"<svg onload=alert(1)>".to_vec(), None, true);
    assert!(
        !svg.contains("<img") && svg.contains("<a download=\"a.svg\" href=\"data:application/octet-stream;base64,")
    );
}

#[test]
fn files_that_are_too_large_or_missing_are_named() {
    let largest = with_file("a.bin", vec![0; LARGEST_FILE], Some(LARGEST_FILE as u64), true);
    assert!(largest.contains("download=\"a.bin\""));
    let larger = "a.bin · image/png · 16.8 MB · larger than 16 MiB, so not in this page";
    assert!(with_file("a.bin", Vec::new(), Some(LARGEST_FILE as u64 + 1), true).contains(larger));
    let liar = with_file("a.bin", vec![0; LARGEST_FILE + 1], Some(5), true);
    assert!(liar.contains("larger than 16 MiB") && !liar.contains("base64,AAAA"));
    assert!(with_file("a.bin", Vec::new(), Some(5), false).contains("a.bin · image/png · 5 B · not in the vault"));
}

#[test]
fn files_that_no_message_names_come_last_and_of_an_excerpt_not_at_all() {
    let mut case = everywhere("x");
    let text = case.exported(&Html);
    let files = text.split_once("<section class=\"files\">").unwrap().1;
    assert!(files.contains(&STANDARD.encode("text")));
    case.shown[0] = false;
    let text = case.exported(&Html);
    assert!(!text.contains("class=\"files\"") && !text.contains(&STANDARD.encode("text")));
}

#[test]
fn a_file_of_a_message_that_is_left_out_is_left_out() {
    let mut conversation = empty("Files");
    say(&mut conversation, 0, &[(PartKind::Attachment, None, "")]);
    conversation.messages[0].parts[0].attachment = Some(0);
    conversation.messages[0].abandoned = true;
    conversation.attachments.push(Attachment {
        name: Some("secret.png".to_owned()),
        objects: Some((0, 1)),
        ..Attachment::default()
    });
    let mut case = Case::of(conversation);
    case.files.push(PNG.to_vec());
    case.shown[0] = false;
    let text = case.exported(&Html);
    assert!(!text.contains("secret.png") && !text.contains("<img"));
}

#[test]
fn saved_files_have_harmless_names() {
    for (name, expected) in [
        ("a.txt", "a.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\a.doc", "a.doc"),
        (".bashrc", "bashrc"),
        ("..", "file"),
        ("", "file"),
        ("a/", "a"),
        ("con.txt", "_con.txt"),
        ("LPT1", "_LPT1"),
        ("a\u{202e}gpj.exe", "agpj.exe"),
        ("a:b|c?.txt", "a_b_c_.txt"),
        ("a\nb", "a b"),
        ("x. . ", "x"),
    ] {
        assert_eq!(harmless(name), expected, "{name:?}");
    }
    assert!(harmless(&"é".repeat(999)).chars().count() <= 120);
}

#[test]
fn the_policy_lets_nothing_run_but_the_script_and_the_style_that_are_there() {
    let page = checked(&long(1).exported(&Html));
    let hash = |text: &str| STANDARD.encode(sha256(&[text.as_bytes()]));
    assert_eq!(
        page.policy,
        format!(
            "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'",
            hash(SCRIPT),
            hash(STYLE)
        )
    );
    for text in [SCRIPT, STYLE] {
        // A parser would end it early, or read the rest as a comment.
        let lower = text.to_ascii_lowercase();
        assert!(!lower.contains("</s") && !lower.contains("<!--") && !text.contains('\r') && !text.contains('\0'));
    }
    for word in [
        "fetch(",
        "XMLHttpRequest",
        "WebSocket",
        "localStorage",
        "sessionStorage",
        "indexedDB",
        "cookie",
        "innerHTML",
        "eval(",
        "http:",
        "import(",
    ] {
        assert!(!SCRIPT.contains(word), "{word}");
    }
    assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
}

#[test]
fn the_manifest_is_the_last_thing() {
    let text = long(1).exported(&Html);
    assert!(text.ends_with(&format!("</main>\n<template id=\"manifest\">{MANIFEST}</template></body></html>\n")));
}
