//! Pieces of prose as blocks and lines of Markdown.

use super::escape::{Place, escape, fence, is_entity, language};
use crate::export::prose::{Element, Piece};
use crate::inert::{inert, inert_line};

/// List numbers have at most nine digits.
const LARGEST_NUMBER: u64 = 999_999_999;

/// What the lines of a block are led in by.
enum Container {
    Quote,
    /// The next number, how many items were there, and whether blank lines stand between them.
    List(Option<u64>, u64, bool),
    /// The mark, and whether it was written.
    Item(String, bool),
}

/// Writes the blocks of one message.
pub(super) struct Writer<'o> {
    out: &'o mut String,
    containers: Vec<Container>,
    /// Whether a line has begun.
    is_open: bool,
    /// Whether nothing but marks stands in it.
    at_start: bool,
    /// Whether a block stands before the next in the same container.
    between: bool,
    has_written: bool,
    in_heading: bool,
    in_cell: bool,
    /// How many of each are open: strong, emphasis, struck. What is in itself is written once.
    emphases: [u32; 3],
    columns: usize,
}

impl<'o> Writer<'o> {
    pub(super) fn new(out: &'o mut String) -> Self {
        Self {
            out,
            containers: Vec::new(),
            is_open: false,
            at_start: false,
            between: true,
            has_written: false,
            in_heading: false,
            in_cell: false,
            emphases: [0; 3],
            columns: 0,
        }
    }

    /// Whether anything was written at all.
    pub(super) fn has_written(&self) -> bool {
        self.has_written
    }

    /// A heading that says what follows.
    pub(super) fn label(&mut self, words: &str) {
        self.block();
        self.start_line();
        self.out.push_str("#### ");
        escape(inert_line(words).trim(), Place::Heading, self.out);
        self.end_block();
    }

    /// A heading, and text as it is below it.
    pub(super) fn fenced(&mut self, words: &str, info: &str, text: &str) {
        self.label(words);
        let text = inert(text);
        if !text.trim().is_empty() {
            self.code_block(info, &text);
        }
    }

    /// A piece of prose.
    pub(super) fn piece(&mut self, piece: Piece) {
        match piece {
            Piece::Start(element) => self.start(element),
            Piece::End(element) => self.end(element),
            Piece::Text(text) => {
                let starts = self.begin();
                let place = if starts && !self.in_cell { Place::LineStart } else { Place::Line };
                let length = self.out.len();
                escape(if starts { text.trim_start() } else { &text }, place, self.out);
                self.at_start &= self.out.len() == length;
            }
            Piece::Code(code) => self.code(&code),
            Piece::Break(_) if !self.is_open => {}
            Piece::Break(_) if self.in_cell || self.in_heading => self.out.push(' '),
            Piece::Break(insists) => {
                // An empty line would end the paragraph.
                if self.at_start {
                    return;
                }
                if insists {
                    self.out.push_str("  ");
                }
                self.end_line();
                self.start_line();
            }
            Piece::Rule => {
                self.block();
                self.start_line();
                self.out.push_str("___");
                self.end_block();
            }
            Piece::CodeBlock(info, code) => self.code_block(&info, &code),
            Piece::Lines(text) => self.lines(&text),
            // It stands in the link.
            Piece::Address(_) => {}
        }
    }

    fn start(&mut self, element: Element) {
        match element {
            Element::Paragraph => {
                if let [.., Container::List(_, _, loose), Container::Item(..)] = &mut self.containers[..] {
                    *loose = true;
                }
                self.block();
                self.start_line();
            }
            Element::Heading(_) => {
                self.block();
                self.start_line();
                self.in_heading = true;
                self.emphases[0] += 1;
                self.out.push_str("**");
            }
            Element::Quote => {
                self.block();
                self.containers.push(Container::Quote);
                self.between = false;
            }
            Element::List(first) => {
                self.end_line();
                let interrupts = first.is_none_or(|first| first == 1);
                let is_tight = matches!(&self.containers[..], [.., Container::List(_, _, false), Container::Item(..)]);
                if !(is_tight && interrupts) {
                    self.block();
                }
                self.containers.push(Container::List(first, 0, false));
                self.between = false;
            }
            Element::Item => {
                self.end_line();
                let mark = match self.containers.last() {
                    Some(Container::List(_, items, true)) if *items > 0 => {
                        self.blank_line();
                        self.mark()
                    }
                    _ => self.mark(),
                };
                self.containers.push(Container::Item(mark, false));
                self.between = false;
            }
            Element::Table(columns) => {
                self.block();
                self.columns = columns;
            }
            Element::Head | Element::Row => {
                self.end_line();
                self.start_line();
                self.out.push('|');
            }
            Element::Cell => {
                self.in_cell = true;
                self.out.push(' ');
                self.at_start = true;
            }
            Element::Strong => self.emphasis(0, "**", true),
            Element::Emphasis => self.emphasis(1, "*", true),
            Element::Struck => self.emphasis(2, "~~", true),
            Element::Link(..) => {
                self.begin();
                self.out.push('[');
            }
        }
    }

    fn end(&mut self, element: Element) {
        match element {
            Element::Paragraph => self.end_block(),
            Element::Heading(_) => {
                // Nothing between four of them is a rule.
                if self.at_start {
                    self.out.push('\u{a0}');
                    self.at_start = false;
                }
                self.out.push_str("**");
                self.in_heading = false;
                self.emphases[0] -= 1;
                self.end_block();
            }
            Element::Quote | Element::List(_) => {
                self.end_line();
                self.containers.pop();
                self.between = true;
            }
            Element::Item => {
                if let Some(Container::Item(_, false)) = self.containers.last() {
                    self.start_line();
                }
                self.end_line();
                self.containers.pop();
                if let Some(Container::List(_, items, _)) = self.containers.last_mut() {
                    *items += 1;
                }
                self.between = true;
            }
            Element::Table(_) => self.end_block(),
            Element::Head => {
                self.end_line();
                self.start_line();
                self.out.push('|');
                self.out.push_str(&" --- |".repeat(self.columns));
                self.end_line();
            }
            Element::Row => self.end_line(),
            Element::Cell => {
                self.in_cell = false;
                self.out.push_str(" |");
                self.at_start = false;
            }
            Element::Strong => self.emphasis(0, "**", false),
            Element::Emphasis => self.emphasis(1, "*", false),
            Element::Struck => self.emphasis(2, "~~", false),
            Element::Link(address, title) => {
                self.out.push_str("](<");
                destination(&address, self.out);
                self.out.push('>');
                if !title.is_empty() {
                    self.out.push_str(" \"");
                    escape(&title.replace('"', "'"), Place::Heading, self.out);
                    self.out.push('"');
                }
                self.out.push(')');
                self.at_start = false;
            }
        }
    }

    fn emphasis(&mut self, which: usize, mark: &str, starts: bool) {
        if starts {
            self.begin();
            if self.emphases[which] == 0 {
                self.out.push_str(mark);
            }
            self.emphases[which] += 1;
        } else {
            self.emphases[which] -= 1;
            if self.emphases[which] == 0 {
                self.out.push_str(mark);
            }
        }
    }

    fn code(&mut self, code: &str) {
        self.begin();
        let fence = fence(code, 1);
        let pad = code.starts_with(['`', ' ']) || code.ends_with(['`', ' ']);
        let pad = if pad && !code.trim().is_empty() { " " } else { "" };
        self.out.push_str(&fence);
        self.out.push_str(pad);
        if self.in_cell {
            self.out.push_str(&code.replace('|', "\\|"));
        } else {
            self.out.push_str(code);
        }
        self.out.push_str(pad);
        self.out.push_str(&fence);
        self.at_start = false;
    }

    fn code_block(&mut self, info: &str, code: &str) {
        if !info.trim().is_empty() && !language(info).eq_ignore_ascii_case(info.trim()) {
            // What must not stand behind a fence stands above it.
            self.block();
            self.start_line();
            self.code(inert_line(info).trim());
            self.end_block();
        }
        self.block();
        let fence = fence(code, 3);
        self.start_line();
        self.out.push_str(&fence);
        self.out.push_str(language(info));
        self.end_line();
        for line in code.strip_suffix('\n').unwrap_or(code).split('\n') {
            if line.is_empty() {
                self.blank_line();
                continue;
            }
            self.start_line();
            self.out.push_str(line);
            self.end_line();
        }
        self.start_line();
        self.out.push_str(&fence);
        self.end_block();
    }

    fn lines(&mut self, text: &str) {
        let is_indented = |line: &str| line.starts_with('\t') || line.starts_with("  ");
        if text.contains('\n') && text.lines().any(is_indented) {
            return self.code_block("", text);
        }
        self.end_line();
        let mut lines = text.lines().map(str::trim).peekable();
        while let Some(line) = lines.next() {
            if line.is_empty() {
                continue;
            }
            if !self.is_open {
                self.block();
            }
            self.start_line();
            escape(line, Place::LineStart, self.out);
            match lines.peek() {
                Some(next) if !next.is_empty() => {
                    self.out.push_str("  ");
                    self.out.push('\n');
                }
                _ => self.end_block(),
            }
        }
    }

    /// The mark of the next item. Never a hyphen: below a line it would make a heading of it.
    fn mark(&mut self) -> String {
        let depth = self.containers.iter().filter(|container| matches!(container, Container::List(..))).count();
        match self.containers.last_mut() {
            Some(Container::List(Some(number), ..)) => {
                let mark = format!("{}. ", (*number).min(LARGEST_NUMBER));
                *number = number.saturating_add(1);
                mark
            }
            _ if depth % 2 == 1 => "* ".to_owned(),
            _ => "+ ".to_owned(),
        }
    }

    /// Makes sure that a line has begun; whether nothing stands in it yet.
    fn begin(&mut self) -> bool {
        if !self.is_open {
            self.block();
            self.start_line();
        }
        self.at_start
    }

    /// What stands before a block.
    fn block(&mut self) {
        self.end_line();
        if self.between {
            self.blank_line();
        }
        self.between = true;
    }

    fn end_block(&mut self) {
        self.end_line();
        self.between = true;
    }

    fn blank_line(&mut self) {
        let start = self.out.len();
        self.lead_in();
        let used = self.out[start..].trim_end_matches(' ').len();
        self.out.truncate(start + used);
        self.out.push('\n');
    }

    fn start_line(&mut self) {
        self.lead_in();
        self.is_open = true;
        self.at_start = true;
        self.has_written = true;
    }

    fn lead_in(&mut self) {
        for container in &mut self.containers {
            match container {
                Container::Quote => self.out.push_str("> "),
                Container::List(..) => {}
                Container::Item(mark, written) if *written => self.out.extend(mark.chars().map(|_| ' ')),
                Container::Item(mark, written) => {
                    self.out.push_str(mark);
                    *written = true;
                }
            }
        }
    }

    fn end_line(&mut self) {
        if self.is_open {
            if self.at_start {
                // Marks alone: what follows them would otherwise be a blank in the diff.
                let used = self.out.trim_end_matches(' ').len();
                self.out.truncate(used);
            }
            self.out.push('\n');
        }
        self.is_open = false;
        self.at_start = false;
    }
}

/// An address between `<` and `>`, where entities and backslashes still count.
fn destination(address: &str, out: &mut String) {
    for (at, c) in address.char_indices() {
        match c {
            '&' if is_entity(&address[at + 1..]) => out.push_str("&amp;"),
            '\\' | '<' | '>' => out.push_str(&format!("%{:02X}", u32::from(c))),
            c => out.push(c),
        }
    }
}
