//! Pieces of prose as HTML: the elements of a short list, everything else as text.

use super::escape::{escape, line, lines};
use crate::export::prose::{Element, Piece, followed};

/// Characters of an address behind its host that are shown on a screen; all of them are printed.
const SHOWN_OF_ADDRESS: usize = 32;

/// Writes the prose of one message.
pub(super) struct Writer<'o> {
    out: &'o mut String,
    in_link: bool,
    in_head: bool,
}

impl<'o> Writer<'o> {
    pub(super) fn new(out: &'o mut String) -> Self {
        Self { out, in_link: false, in_head: false }
    }

    /// A piece of prose.
    pub(super) fn piece(&mut self, piece: Piece) {
        match piece {
            Piece::Start(element) => self.start(&element),
            Piece::End(element) => self.end(&element),
            Piece::Text(text) if self.in_link => escape(&text, self.out),
            Piece::Text(text) => linked(&text, self.out),
            Piece::Code(code) => self.out.push_str(&format!("<code>{}</code>", line(&code))),
            Piece::Break(_) => self.out.push_str("<br>\n"),
            Piece::Rule => self.out.push_str("<hr>\n"),
            Piece::CodeBlock(language, code) => code_block(&language, &code, self.out),
            Piece::Lines(text) => {
                self.out.push_str("<p class=\"plain\" dir=\"auto\">");
                linked(&text, self.out);
                self.out.push_str("</p>\n");
            }
            Piece::Address(address) => shown_address(&address, self.out),
        }
    }

    fn start(&mut self, element: &Element) {
        let tag = match element {
            Element::Paragraph => "<p dir=\"auto\">",
            Element::Heading(level) => return self.out.push_str(&format!("<h{} dir=\"auto\">", shifted(*level))),
            Element::Quote => "<blockquote>\n",
            Element::List(None) => "<ul>\n",
            Element::List(Some(1)) => "<ol>\n",
            Element::List(Some(first)) => return self.out.push_str(&format!("<ol start=\"{first}\">\n")),
            Element::Item => "<li dir=\"auto\">",
            Element::Table(_) => "<div class=\"table\"><table>\n",
            Element::Head => {
                self.in_head = true;
                "<thead><tr>"
            }
            Element::Row => "<tr>",
            Element::Cell if self.in_head => "<th dir=\"auto\">",
            Element::Cell => "<td dir=\"auto\">",
            Element::Emphasis => "<em>",
            Element::Strong => "<strong>",
            Element::Struck => "<del>",
            Element::Link(address, title) => {
                self.in_link = true;
                return open_link(address, title, self.out);
            }
        };
        self.out.push_str(tag);
    }

    fn end(&mut self, element: &Element) {
        let tag = match element {
            Element::Paragraph => "</p>\n",
            Element::Heading(level) => return self.out.push_str(&format!("</h{}>\n", shifted(*level))),
            Element::Quote => "</blockquote>\n",
            Element::List(None) => "</ul>\n",
            Element::List(_) => "</ol>\n",
            Element::Item => "</li>\n",
            Element::Table(_) => "</tbody></table></div>\n",
            Element::Head => {
                self.in_head = false;
                "</tr></thead>\n<tbody>\n"
            }
            Element::Row => "</tr>\n",
            Element::Cell if self.in_head => "</th>\n",
            Element::Cell => "</td>\n",
            Element::Emphasis => "</em>",
            Element::Strong => "</strong>",
            Element::Struck => "</del>",
            Element::Link(..) => {
                self.in_link = false;
                "</a>"
            }
        };
        self.out.push_str(tag);
    }
}

/// Headings of a text stand below those of the page.
fn shifted(level: u8) -> u8 {
    (level + 2).min(6)
}

/// A block of code below the word of its language.
pub(super) fn code_block(language: &str, code: &str, out: &mut String) {
    out.push_str("<figure class=\"code\">");
    if !language.is_empty() {
        out.push_str(&format!("<figcaption>{}</figcaption>\n", line(language)));
    }
    // The parser drops one line feed behind the tag.
    out.push_str("<pre dir=\"auto\">\n<code>");
    out.push_str(&lines(code.strip_suffix('\n').unwrap_or(code)));
    out.push_str("</code></pre></figure>\n");
}

fn open_link(address: &str, title: &str, out: &mut String) {
    out.push_str("<a href=\"");
    escape(address, out);
    out.push_str("\" rel=\"noreferrer noopener nofollow\" target=\"_blank\"");
    if !title.is_empty() {
        out.push_str(&format!(" title=\"{}\"", line(title)));
    }
    out.push('>');
}

/// A link whose text is given, and its address behind it; the address as text when it may not be followed.
pub(super) fn link(text: &str, address: &str, out: &mut String) {
    match followed(address) {
        Some(safe) => {
            open_link(&safe, "", out);
            out.push_str(&line(if text.trim().is_empty() { address } else { text }));
            out.push_str("</a>");
            if text.trim() != address && !text.trim().is_empty() {
                shown_address(address, out);
            }
        }
        None => {
            out.push_str(&line(text));
            if !address.is_empty() {
                out.push_str(&format!(" <span class=\"address\">({})</span>", line(address)));
            }
        }
    }
}

/// Where a link leads, for whoever reads its text: the host always, a long rest on paper.
fn shown_address(address: &str, out: &mut String) {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let end = rest[host..].char_indices().nth(SHOWN_OF_ADDRESS).map_or(rest.len(), |(at, _)| host + at);
    let scheme = if scheme.eq_ignore_ascii_case("https") { String::new() } else { format!("{scheme}://") };
    out.push_str(&format!(" <span class=\"address\">({}{}", line(&scheme), line(&rest[..end])));
    if end < rest.len() {
        out.push_str(&format!("<span class=\"rest\">{}</span>", line(&rest[end..])));
    }
    out.push_str(")</span>");
}

/// Text of which addresses are links.
pub(super) fn linked(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(start) = next_address(rest) {
        let address = &rest[start..start + address_length(&rest[start..])];
        escape(&rest[..start], out);
        match followed(address) {
            Some(safe) => {
                open_link(&safe, "", out);
                escape(address, out);
                out.push_str("</a>");
            }
            None => escape(address, out),
        }
        rest = &rest[start + address.len()..];
    }
    escape(rest, out);
}

fn next_address(text: &str) -> Option<usize> {
    let begins = |rest: &str| rest.starts_with("://") || rest.starts_with("s://");
    text.match_indices("http").find(|(at, word)| begins(&text[at + word.len()..])).map(|(at, _)| at)
}

/// How long the address is that begins here: without what closes a sentence, and without a bracket that was not opened in it.
fn address_length(text: &str) -> usize {
    let end = text.find(|c: char| c.is_whitespace() || "<>\"'`|{}^\\".contains(c)).unwrap_or(text.len());
    let mut address = &text[..end];
    loop {
        let shorter = address.trim_end_matches(['.', ',', ';', ':', '!', '?', '*', '_', ']', '…', '。', '，']);
        let shorter = match shorter.strip_suffix(')') {
            Some(without) if !without.contains('(') => without,
            _ => shorter,
        };
        if shorter.len() == address.len() {
            // Never nothing, so that whoever looks on gets further.
            return address.len().max("http://".len());
        }
        address = shorter;
    }
}
