//! Text as HTML: the one function through which every text of a page goes.

use crate::inert::{inert, inert_line};

/// Text in which nothing begins or ends a tag, an entity or an attribute's value.
pub(super) fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

/// One line of text, made harmless.
pub(super) fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(&inert_line(text), &mut out);
    out
}

/// Text of several lines, made harmless.
pub(super) fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(&inert(text), &mut out);
    out
}
