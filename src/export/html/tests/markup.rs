//! A strict reader of pages: what it does not know fails the test.

use super::super::head::{SCRIPT, STYLE};
use crate::export::tests::hostile::may_stand;

const VOID: &[&str] = &["br", "hr", "img", "input", "meta"];

/// May stand in a line of text.
const INLINE: &[&str] = &["a", "br", "code", "del", "em", "img", "span", "strong", "summary", "time"];

/// Elements and what each may say of itself.
const KNOWN: &[(&str, &[&str])] = &[
    ("a", &["class", "download", "href", "rel", "target", "title"]),
    ("article", &["class", "id"]),
    ("blockquote", &[]),
    ("body", &["class"]),
    ("br", &[]),
    ("code", &[]),
    ("del", &[]),
    ("details", &["class"]),
    ("div", &["class"]),
    ("em", &[]),
    ("figcaption", &["dir"]),
    ("figure", &["class", "id"]),
    ("h1", &[]),
    ("h2", &["dir"]),
    ("h3", &["dir"]),
    ("h4", &["dir"]),
    ("h5", &["dir"]),
    ("h6", &["dir"]),
    ("head", &[]),
    ("header", &["id"]),
    ("hr", &[]),
    ("html", &["lang"]),
    ("img", &["alt", "loading", "src"]),
    ("li", &["dir"]),
    ("main", &["id"]),
    ("meta", &["charset", "content", "http-equiv", "name"]),
    ("nav", &["class", "id"]),
    ("ol", &["start"]),
    ("p", &["class", "dir", "id"]),
    ("pre", &["dir"]),
    ("script", &[]),
    ("section", &["class", "id"]),
    ("span", &["class", "dir"]),
    ("strong", &[]),
    ("style", &[]),
    ("summary", &["dir"]),
    ("table", &[]),
    ("tbody", &[]),
    ("td", &["dir"]),
    ("template", &["id"]),
    ("th", &["dir"]),
    ("thead", &[]),
    ("time", &["datetime"]),
    ("title", &[]),
    ("tr", &[]),
    ("ul", &[]),
];

/// What a page turned out to hold.
pub(super) struct Page {
    tags: Vec<String>,
    pub(super) policy: String,
}

impl Page {
    pub(super) fn count(&self, tag: &str) -> usize {
        self.tags.iter().filter(|found| *found == tag).count()
    }
}

/// Reads a page and fails at everything that is not known to be harmless.
pub(super) fn checked(page: &str) -> Page {
    assert!(page.chars().all(may_stand), "a character that acts: {:?}", page.chars().find(|&c| !may_stand(c)));
    let mut rest = page.strip_prefix("<!doctype html>\n").expect("a page begins so");
    let (mut tags, mut open, mut policy, mut ids) = (Vec::new(), Vec::<String>::new(), None, Vec::new());
    while let Some(at) = rest.find('<') {
        text(&rest[..at]);
        rest = &rest[at + 1..];
        let end = tag_end(rest);
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closed in another order: {open:?}");
            continue;
        }
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let known = KNOWN.iter().find(|(known, _)| *known == name);
        let (_, may_have) = known.unwrap_or_else(|| panic!("an element that is not known: {tag}"));
        let attributes = attributes_of(attributes);
        for (key, value) in &attributes {
            assert!(may_have.contains(&key.as_str()), "{name} with {key}");
            attribute(name, key, value, &attributes);
            if key == "id" {
                assert!(!ids.contains(value), "twice: {value}");
                ids.push(value.clone());
            }
        }
        if attributes.iter().any(|(key, value)| key == "http-equiv" && value == "Content-Security-Policy") {
            policy = attributes.iter().find(|(key, _)| key == "content").map(|(_, value)| value.clone());
        }
        assert!(name != "a" || !open.iter().any(|open| open == "a"), "a link in a link");
        if open.iter().any(|open| matches!(open.as_str(), "p" | "h3" | "h4" | "h5" | "h6" | "pre" | "summary" | "span"))
        {
            assert!(INLINE.contains(&name), "{name} in {open:?}");
        }
        tags.push(name.to_owned());
        for (raw, content) in [("script", SCRIPT), ("style", STYLE)] {
            if name == raw {
                rest = rest.strip_prefix(content).expect("the very script and style");
                assert!(rest.starts_with(&format!("</{raw}>")));
            }
        }
        if !VOID.contains(&name) {
            open.push(name.to_owned());
        }
    }
    assert_eq!(rest, "\n");
    assert!(open.is_empty());
    let page = Page { tags, policy: policy.expect("a page has a policy") };
    assert_eq!((page.count("script"), page.count("style"), page.count("meta"), page.count("body")), (1, 1, 6, 1));
    page
}

/// Where a tag ends: at the first `>` outside of a value.
fn tag_end(rest: &str) -> usize {
    let mut quoted = false;
    for (at, c) in rest.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '>' if !quoted => return at,
            '<' if !quoted => panic!("a tag in a tag: {}", &rest[..at]),
            _ => {}
        }
    }
    panic!("a tag without an end")
}

fn attributes_of(mut rest: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    while !rest.is_empty() {
        let (key, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("an attribute without a value: {rest}"));
        let (value, after) = value.split_once('"').expect("the value ends");
        assert!(key.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{key}");
        assert!(found.iter().all(|(known, _)| known != key), "twice: {key}");
        found.push((key.to_owned(), decoded(value)));
        rest = after.strip_prefix(' ').unwrap_or(after);
        assert!(rest.is_empty() || after.starts_with(' '), "{after}");
    }
    found
}

fn attribute(name: &str, key: &str, value: &str, all: &[(String, String)]) {
    let has = |key: &str| all.iter().any(|(known, _)| known == key);
    match key {
        "href" if has("download") => assert!(value.starts_with("data:application/octet-stream;base64,"), "{value}"),
        "href" => {
            let web = value.starts_with("https://") || value.starts_with("http://");
            let here = value.strip_prefix("#c").is_some_and(|id| id.bytes().all(|b| b.is_ascii_alphanumeric()));
            assert!(web || here || value == "#index", "{value}");
            if web {
                assert!(has("rel") && has("target"));
                assert!(!value.contains(|c: char| c.is_whitespace() || "\"'<>`\\".contains(c)), "{value}");
                assert!(!value.split('/').nth(2).unwrap_or_default().contains('@'), "{value}");
            }
        }
        "src" => {
            let known = ["png", "jpeg", "gif", "webp"]
                .iter()
                .any(|kind| value.starts_with(&format!("data:image/{kind};base64,")));
            assert!(known && name == "img", "{value}");
        }
        "rel" => assert_eq!(value, "noreferrer noopener nofollow"),
        "target" => assert_eq!(value, "_blank"),
        "dir" => assert_eq!(value, "auto"),
        "class" => assert!(value.bytes().all(|b| b.is_ascii_lowercase() || b == b'-' || b == b' '), "{value}"),
        "id" | "lang" | "loading" => {
            assert!(value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{value}");
        }
        "download" => assert!(!value.is_empty() && !value.contains(['/', '\\', ':'])),
        "start" => assert!(value.bytes().all(|b| b.is_ascii_digit())),
        "http-equiv" => assert_eq!(value, "Content-Security-Policy"),
        _ => {}
    }
}

/// Text has no bare `&`, and entities of five kinds.
fn text(text: &str) {
    assert!(!text.contains('>'), "{text}");
    decoded(text);
}

fn decoded(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let entities = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"'), ("&#39;", '\'')];
        let (entity, c) =
            entities.iter().find(|(entity, _)| rest.starts_with(entity)).expect("an entity that is known");
        out.push(*c);
        rest = &rest[entity.len()..];
    }
    out + rest
}
