//! One page: an index, every conversation in pages of 1,000 messages, a search, pictures inside.
//!
//! It opens with no network and runs nothing but its own script. Every text goes through `inert` and then through
//! one function that escapes it; what Markdown may become is a short list of elements. Without JavaScript the pages turn too, by `:target`.

mod escape;
mod files;
mod head;
mod message;
mod prose;
pub mod sealed;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use self::escape::line;
use self::files::Shown;
use super::words::{about, count, days, gap, loose_files, title};
use super::{Exporter, Files, Given, Listed};

pub use files::LARGEST_FILE;

/// Messages of a page.
pub const PAGE: usize = 1000;

/// Pages before and behind the one that is open that have a link of their own.
const NEIGHBOURS: usize = 3;

/// One page, for people.
#[derive(Clone, Copy, Debug, Default)]
pub struct Html;

impl Exporter for Html {
    fn begin(&self, listed: &[Listed], out: &mut dyn Write) -> io::Result<()> {
        let heading = count(listed.len() as u64, "conversation");
        let (name, class) = match listed {
            // There is nothing to choose from: it is open when the page is.
            [only] => (title(&only.title), "single"),
            _ => (heading.as_str(), "several"),
        };
        let mut page = head::begin(name, class);
        page.push_str("<header id=\"bar\"><a href=\"#index\">Index</a></header>\n<main>\n");
        page.push_str(&format!("<nav id=\"index\">\n<h1>{heading}</h1>\n<ol>\n"));
        for (place, entry) in listed.iter().enumerate() {
            page.push_str(&format!(
                "<li><a href=\"#c{}\"><span class=\"title\" dir=\"auto\">{}</span></a>\
                 <span class=\"about\">{} · {} · {}</span></li>\n",
                place + 1,
                line(title(&entry.title)),
                line(&entry.source),
                days(entry),
                count(entry.messages, "message")
            ));
        }
        page.push_str(
            "</ol>\n<p class=\"note\">Times are in UTC. This page loads nothing, runs only its own script and keeps nothing. \
             It is signed: <code>convault verify</code> checks the file.</p>\n</nav>\n",
        );
        out.write_all(page.as_bytes())
    }

    fn conversation(&self, given: &Given<'_>, files: &mut Files<'_>, out: &mut dyn Write) -> io::Result<()> {
        let conversation = given.conversation;
        let number = given.place + 1;
        let is_shown = |index: usize| given.shown.get(index).copied().unwrap_or(false);
        let shown = (0..conversation.messages.len()).filter(|&index| is_shown(index)).count();
        let pages = shown.div_ceil(PAGE).max(1);
        let mut files = Shown::new(conversation, number, files);
        let (mut written, mut missing, mut page) = (0, 0, 1);
        let mut text = beginning(given, page, pages);
        for (index, message) in conversation.messages.iter().enumerate() {
            if !is_shown(index) {
                missing += 1;
                continue;
            }
            if written == page * PAGE {
                text.push_str(&ending(number, page, pages));
                page += 1;
                text.push_str(&beginning(given, page, pages));
            }
            left_out(&mut missing, &mut text);
            message::write(conversation, number, index, message, &mut files, &mut text)?;
            written += 1;
            out.write_all(text.as_bytes())?;
            text.clear();
        }
        left_out(&mut missing, &mut text);
        let loose = loose_files(given);
        if !loose.is_empty() {
            text.push_str("<section class=\"files\">\n<h3>Files</h3>\n");
            for index in loose {
                files.write(conversation, Some(index), "", &mut text)?;
                out.write_all(text.as_bytes())?;
                text.clear();
            }
            text.push_str("</section>\n");
        }
        text.push_str(&ending(number, page, pages));
        out.write_all(text.as_bytes())
    }

    fn end(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b"</main>\n")
    }

    fn frame(&self) -> (&'static str, &'static str) {
        ("<template id=\"manifest\">", "</template></body></html>\n")
    }
}

/// The id of a page of a conversation.
fn page_id(number: usize, page: usize) -> String {
    if page == 1 { format!("c{number}") } else { format!("c{number}p{page}") }
}

fn beginning(given: &Given<'_>, page: usize, pages: usize) -> String {
    let number = given.place + 1;
    let about = line(&about(given).join(" · "));
    format!(
        "<section class=\"page\" id=\"{}\">\n<header><h2 dir=\"auto\">{}</h2>\n<p class=\"about\" dir=\"auto\">{about}</p>\n{}</header>\n",
        page_id(number, page),
        line(title(&given.listed.title)),
        pager(number, page, pages)
    )
}

fn ending(number: usize, page: usize, pages: usize) -> String {
    format!("{}</section>\n", pager(number, page, pages))
}

fn left_out(missing: &mut u64, text: &mut String) {
    if *missing > 0 {
        text.push_str(&format!("<p class=\"gap\">{}</p>\n", gap(*missing)));
        *missing = 0;
    }
}

/// Links to the other pages of a conversation; to all of them there could be a million.
fn pager(number: usize, page: usize, pages: usize) -> String {
    if pages == 1 {
        return String::new();
    }
    let link = |to: usize, word: &str| format!("<a href=\"#{}\">{word}</a>", page_id(number, to));
    let mut words = vec![format!("Page {page} of {pages}")];
    if page > 1 {
        words.push(link(page - 1, "Previous"));
    }
    let mut last = 0;
    for to in (1..=pages).filter(|&to| to == 1 || to == pages || to.abs_diff(page) <= NEIGHBOURS) {
        if to > last + 1 {
            words.push("…".to_owned());
        }
        words.push(if to == page { format!("<strong>{to}</strong>") } else { link(to, &to.to_string()) });
        last = to;
    }
    if page < pages {
        words.push(link(page + 1, "Next"));
    }
    format!("<nav class=\"pager\">{}</nav>\n", words.join(" "))
}
