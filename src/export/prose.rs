//! Prose as pieces that are harmless to write: the one place that reads Markdown.
//!
//! A writer of a form gets [`Piece`]s. Their texts went through [`crate::inert`] after everything was decoded, so that no
//! entity brings a control character back; addresses are checked; pictures and raw HTML are texts already. What is left to a writer
//! is the escaping of its form. Nothing of the source is lost: definitions of links, which Markdown does not show, come as lines.

use std::borrow::Cow;
use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd, TextMergeWithOffset};

use crate::conversation::Role;
use crate::inert::{inert, inert_line};

/// Quotes, lists and emphases inside each other beyond this depth are written as if they were not there.
const DEEPEST: usize = 16;

/// A longer text is somebody's log and no prose; some of what Markdown does takes time with the square of the length.
const LONGEST_PROSE: usize = 256 << 10;

/// A longer address is text.
const LONGEST_ADDRESS: usize = 4096;

/// A piece of prose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Something begins.
    Start(Element),
    /// Something ends; starts and ends are balanced.
    End(Element),
    /// Text of one line.
    Text(String),
    /// Code within a line.
    Code(String),
    /// A line ends here inside a paragraph; whether the source insists on it.
    Break(bool),
    /// A rule.
    Rule,
    /// A block of code: the language, often empty, and the code.
    CodeBlock(String, String),
    /// Lines to be shown as they are, in no Markdown.
    Lines(String),
    /// The address of the link that has just ended, when its text says something else.
    Address(String),
}

/// What has a start and an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Paragraph,
    /// From 1 to 6.
    Heading(u8),
    Quote,
    /// The first number of a list that is numbered.
    List(Option<u64>),
    Item,
    /// How many columns.
    Table(usize),
    Head,
    Row,
    Cell,
    Emphasis,
    Strong,
    Struck,
    /// An address that may be followed, and the title.
    Link(String, String),
}

/// Whether a text of this author is to be read as Markdown. What people type is not, unless there is a fence in it:
/// their sources show it as they typed it, and pasted code would lose its indentation.
pub(super) fn is_markdown(role: Role, text: &str) -> bool {
    text.len() <= LONGEST_PROSE && (matches!(role, Role::Assistant | Role::System) || text.contains("```"))
}

/// The pieces of a text.
pub(super) fn pieces(role: Role, text: &str, sink: &mut dyn FnMut(Piece)) {
    let text = inert(text);
    if !is_markdown(role, &text) {
        lines(&text, sink);
        return;
    }
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        // Formulas stay as they are written, underscores and all.
        | Options::ENABLE_MATH;
    let mut reader = Reader {
        source: &text,
        sink,
        shown: 0,
        depth: 0,
        held: Vec::new(),
        picture: None,
        block: None,
        lists: Vec::new(),
        empty_cells: 0,
        row: Row::default(),
        in_empty_cell: false,
        in_head: false,
        text: String::new(),
    };
    let events = Parser::new_ext(&text, options).into_offset_iter();
    for (event, range) in TextMergeWithOffset::new(events) {
        reader.event(event, range);
    }
    reader.unshown(text.len());
    reader.flush();
}

/// Lines to be shown as they are.
pub(super) fn lines(text: &str, sink: &mut dyn FnMut(Piece)) {
    let text = inert(text);
    let text = text.trim_end().trim_start_matches('\n');
    if !text.is_empty() {
        sink(Piece::Lines(text.to_owned()));
    }
}

/// The address as it may stand in a link: of the web, to a host that it names openly.
pub(super) fn followed(address: &str) -> Option<String> {
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|scheme| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))?;
    let rest = &address[scheme.len()..];
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // Browsers take a backslash for a slash, and what stands before an `@` for a name: both show another host than they go to.
    let misleads = host.is_empty() || host.contains('@') || address.contains(|c: char| c == '\\' || c.is_whitespace());
    if misleads || address.len() > LONGEST_ADDRESS || inert_line(address) != address {
        return None;
    }
    let mut out = String::from(scheme);
    for c in rest.chars() {
        match c {
            '"' | '<' | '>' | '`' | '{' | '}' | '|' | '^' | '\'' => out.push_str(&format!("%{:02X}", u32::from(c))),
            c => out.push(c),
        }
    }
    Some(out)
}

/// What was begun and waits for its end.
enum Held {
    /// Passed on.
    Passed(Element),
    /// Left out, because it stands too deep; whether a line has to end in its place.
    Dropped(bool),
    /// A link: where it leads, whether it may be followed, and its text so far.
    Link(String, Option<Element>, String),
}

/// The row of a table that is being read.
#[derive(Default)]
struct Row {
    columns: usize,
    cells: usize,
    /// Where it ends in the source.
    end: usize,
}

struct Reader<'s> {
    source: &'s str,
    sink: &'s mut dyn FnMut(Piece),
    /// Up to where the source was shown.
    shown: usize,
    depth: usize,
    held: Vec<Held>,
    /// The address and the words of a picture, and how many pictures are open inside each other.
    picture: Option<(String, String, usize)>,
    /// Code or raw HTML that is being gathered: the language, none of HTML.
    block: Option<(Option<String>, String)>,
    /// Whether each open list is passed on.
    lists: Vec<bool>,
    /// Cells of the row that were empty so far, and whether one has begun: what is empty to the end of the row is not
    /// passed on, since a table can be told in few bytes to have very many.
    empty_cells: usize,
    row: Row,
    in_empty_cell: bool,
    in_head: bool,
    /// Text that was not passed on yet: what joins it decides how its end is to be escaped.
    text: String,
}

impl Reader<'_> {
    fn pass(&mut self, piece: Piece) {
        self.flush();
        self.begin_cell();
        (self.sink)(piece);
    }

    fn begin_cell(&mut self) {
        if std::mem::take(&mut self.in_empty_cell) {
            for _ in 0..std::mem::take(&mut self.empty_cells) {
                (self.sink)(Piece::Start(Element::Cell));
                (self.sink)(Piece::End(Element::Cell));
            }
            (self.sink)(Piece::Start(Element::Cell));
        }
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.begin_cell();
            (self.sink)(Piece::Text(std::mem::take(&mut self.text)));
        }
    }

    fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        // What lies between one thing shown and the next: marks, blank lines, and definitions.
        self.unshown(range.start);
        let is_container = matches!(&event, Event::Start(Tag::BlockQuote(_) | Tag::List(_) | Tag::Item));
        if matches!(event, Event::End(TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::Item)) {
            self.unshown(range.end);
        }
        self.shown = self.shown.max(if is_container { range.start } else { range.end });
        match &event {
            Event::Start(Tag::Table(columns)) => self.row.columns = columns.len(),
            Event::Start(Tag::TableHead | Tag::TableRow) => (self.row.cells, self.row.end) = (0, range.end),
            Event::End(TagEnd::TableCell) => self.excess(range.end),
            _ => {}
        }
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.text(&text),
            Event::Code(code) => self.code(&code),
            Event::InlineMath(math) => self.text(&format!("${math}$")),
            Event::DisplayMath(math) => self.text(&format!("$${math}$$")),
            Event::Html(text) => match &mut self.block {
                Some((_, gathered)) => gathered.push_str(&text),
                None => self.text(&text),
            },
            Event::InlineHtml(text) => self.text(&text),
            Event::FootnoteReference(label) => self.text(&format!("[^{label}]")),
            Event::SoftBreak => self.line_ends(false),
            Event::HardBreak => self.line_ends(true),
            Event::Rule => self.pass(Piece::Rule),
            Event::TaskListMarker(done) => self.text(if done { "☑ " } else { "☐ " }),
        }
    }

    /// Shows the definitions that stand between what was shown and `until`.
    fn unshown(&mut self, until: usize) {
        let between = self.source.get(self.shown..until).unwrap_or_default();
        if between.contains("]:") && self.block.is_none() {
            self.flush();
            lines(between.trim(), self.sink);
        }
        self.shown = self.shown.max(until);
    }

    /// Cells beyond the last column, which Markdown drops, are said in the last one.
    fn excess(&mut self, cell_end: usize) {
        self.row.cells += 1;
        let rest = self.source.get(cell_end..self.row.end).unwrap_or_default();
        let rest = rest.trim_matches(|c: char| c == '|' || c.is_whitespace());
        if self.row.cells == self.row.columns && !rest.is_empty() {
            self.text(&format!(" | {rest}"));
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        let element = match tag {
            Tag::Paragraph => Element::Paragraph,
            Tag::Heading { level, .. } => Element::Heading(number(level)),
            Tag::BlockQuote(_) => Element::Quote,
            Tag::List(first) => Element::List(first),
            Tag::Item => Element::Item,
            Tag::Table(columns) => Element::Table(columns.len()),
            Tag::TableHead => Element::Head,
            Tag::TableRow => Element::Row,
            Tag::TableCell => Element::Cell,
            Tag::Emphasis => Element::Emphasis,
            Tag::Strong => Element::Strong,
            Tag::Strikethrough => Element::Struck,
            Tag::Link { dest_url, title, .. } => return self.link(&dest_url, &title),
            Tag::Image { dest_url, .. } => {
                match &mut self.picture {
                    Some((_, _, open)) => *open += 1,
                    None => self.picture = Some((inert_line(&dest_url).into_owned(), String::new(), 1)),
                }
                return;
            }
            Tag::CodeBlock(kind) => {
                let language = match kind {
                    pulldown_cmark::CodeBlockKind::Fenced(info) => inert_line(&info).trim().to_owned(),
                    pulldown_cmark::CodeBlockKind::Indented => String::new(),
                };
                self.block = Some((Some(language), String::new()));
                return;
            }
            Tag::HtmlBlock => {
                self.block = Some((None, String::new()));
                return;
            }
            // Nothing that was asked for.
            _ => return self.held.push(Held::Dropped(true)),
        };
        let nests = matches!(
            element,
            Element::Quote | Element::List(_) | Element::Emphasis | Element::Strong | Element::Struck
        );
        let is_dropped = match element {
            Element::Item => !self.lists.last().copied().unwrap_or(false),
            _ => self.picture.is_some() || (nests && self.depth >= DEEPEST),
        };
        if matches!(element, Element::List(_)) {
            self.lists.push(!is_dropped);
        }
        self.depth += usize::from(nests);
        if is_dropped {
            self.held.push(Held::Dropped(matches!(element, Element::Item | Element::Quote)));
            return;
        }
        self.held.push(Held::Passed(element.clone()));
        if element == Element::Cell && !self.in_head {
            self.in_empty_cell = true;
            return;
        }
        self.in_head |= element == Element::Head;
        self.pass(Piece::Start(element));
    }

    fn link(&mut self, address: &str, title: &str) {
        let (address, title) = (inert_line(address).trim().to_owned(), inert_line(title).into_owned());
        // A picture's words are text, and so are links in them.
        let element =
            followed(&address).filter(|_| self.picture.is_none()).map(|address| Element::Link(address, title));
        if let Some(element) = &element {
            self.pass(Piece::Start(element.clone()));
        }
        self.held.push(Held::Link(address, element, String::new()));
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Image => return self.picture_ends(),
            TagEnd::CodeBlock | TagEnd::HtmlBlock => {
                match self.block.take() {
                    Some((Some(language), code)) => self.pass(Piece::CodeBlock(language, inert(&code).into_owned())),
                    Some((None, html)) => {
                        self.flush();
                        lines(&html, self.sink);
                    }
                    None => {}
                }
                return;
            }
            TagEnd::List(_) => {
                self.lists.pop();
                self.depth = self.depth.saturating_sub(1);
            }
            TagEnd::BlockQuote(_) | TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => {
                self.depth = self.depth.saturating_sub(1);
            }
            _ => {}
        }
        match self.held.pop() {
            Some(Held::Passed(element)) => {
                self.flush();
                if element == Element::Cell && std::mem::take(&mut self.in_empty_cell) {
                    self.empty_cells += 1;
                    return;
                }
                self.in_head &= element != Element::Head;
                if element == Element::Row {
                    self.empty_cells = 0;
                }
                self.pass(Piece::End(element));
            }
            Some(Held::Dropped(true)) => self.pass(Piece::Break(true)),
            Some(Held::Dropped(false)) | None => {}
            Some(Held::Link(address, element, words)) => self.link_ends(&address, element, &words),
        }
    }

    fn link_ends(&mut self, address: &str, element: Option<Element>, words: &str) {
        let says_it = words.trim() == address;
        let Some(element) = element else {
            if !says_it && !address.is_empty() {
                self.text(&format!(" ({address})"));
            }
            return;
        };
        // A link without a word could not be seen.
        if words.trim().is_empty() {
            self.text.push_str(address);
        }
        let shows = (!says_it && !words.trim().is_empty()).then(|| address.to_owned());
        self.pass(Piece::End(element));
        if let Some(address) = shows {
            self.pass(Piece::Address(address));
        }
    }

    fn picture_ends(&mut self) {
        let Some((address, words, open)) = self.picture.take() else { return };
        if open > 1 {
            self.picture = Some((address, words, open - 1));
            return;
        }
        let words = [words.trim(), address.trim()].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>();
        self.text(&format!("[picture: {}]", words.join(", ")));
    }

    fn text(&mut self, text: &str) {
        if let Some((_, gathered)) = &mut self.block {
            gathered.push_str(text);
            return;
        }
        let Some(text) = self.said(text) else { return };
        let text = text.into_owned();
        self.text.push_str(&text);
    }

    fn code(&mut self, code: &str) {
        let Some(code) = self.said(code) else { return };
        self.pass(Piece::Code(code.into_owned()));
    }

    /// The text, made harmless, unless it belongs to a picture; a link that is open hears of it.
    fn said<'t>(&mut self, text: &'t str) -> Option<Cow<'t, str>> {
        let text = inert_line(text);
        if let Some((_, words, _)) = &mut self.picture {
            words.push_str(&text);
            return None;
        }
        let link = self.held.iter_mut().rev().find_map(|held| match held {
            Held::Link(_, _, words) => Some(words),
            _ => None,
        });
        if let Some(words) = link {
            words.push_str(&text);
        }
        (!text.is_empty()).then_some(text)
    }

    fn line_ends(&mut self, insists: bool) {
        match &mut self.picture {
            Some((_, words, _)) => words.push(' '),
            None => self.pass(Piece::Break(insists)),
        }
    }
}

fn number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}
