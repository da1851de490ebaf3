//! Text in columns: measured as a terminal shows it, cut, wrapped, aligned in tables.

use std::fmt::Write;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::inert::{inert, inert_line};

/// Stands where text was cut off.
const ELLIPSIS: &str = "…";

/// Spaces between the columns of a table.
const GAP: usize = 2;

/// A flexible column is not made narrower than this.
const NARROWEST: usize = 8;

/// How many columns the text takes on one line.
pub fn width(text: &str) -> usize {
    inert_line(text).width()
}

/// The text made harmless, on one line and at most so wide; `…` shows that something is missing.
pub fn fit(text: &str, columns: usize) -> String {
    let text = inert_line(text);
    if text.width() <= columns {
        return text.into_owned();
    }
    if columns == 0 {
        return String::new();
    }
    let (head, _) = split_at_width(&text, columns - 1);
    format!("{}{ELLIPSIS}", head.trim_end())
}

/// Splits where the first part is as wide as possible and at most so wide. Never inside what a
/// reader sees as one character.
fn split_at_width(text: &str, columns: usize) -> (&str, &str) {
    let mut used = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        used += grapheme.width();
        if used > columns {
            return text.split_at(at);
        }
    }
    (text, "")
}

/// The width piece by piece, so that cutting pieces off leaves the rest without measuring it again.
fn summed_width(text: &str) -> usize {
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// Wraps text for reading: harmless, lines kept, longer ones broken between words; what follows a
/// break is indented like the line it belongs to.
pub fn wrap(text: &str, columns: usize) -> String {
    let columns = columns.max(1);
    let text = inert(text).replace('\t', "    ");
    let mut out = String::with_capacity(text.len() + text.len() / 32);
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        wrap_line(line, columns, &mut out);
    }
    out
}

fn wrap_line(line: &str, columns: usize, out: &mut String) {
    if line.width() <= columns {
        out.push_str(line.trim_end());
        return;
    }
    let body = line.trim_start_matches(' ');
    // A deep indentation would leave no room.
    let indent = (line.len() - body.len()).min(columns / 2).min(columns.saturating_sub(2));
    let _ = write!(out, "{:indent$}", "");
    let mut used = indent;
    let mut spaces = 0;
    for mut word in body.split(' ') {
        if word.is_empty() {
            spaces += 1;
            continue;
        }
        let mut wide = summed_width(word);
        let is_first = used == indent;
        let may_break_inside = !word.is_ascii() && word.graphemes(true).any(|g| g.width() > 1);
        if used + spaces + wide <= columns || (may_break_inside && used + spaces + 2 <= columns) {
            let _ = write!(out, "{:spaces$}", "");
            used += spaces;
        } else if !is_first {
            let _ = write!(out, "\n{:indent$}", "");
            used = indent;
        }
        // Too long for a line of its own, or of a script that breaks anywhere: filled up.
        while used + wide > columns {
            let (head, rest) = split_at_width(word, columns - used);
            // At least one character a line, or a narrow terminal would never end.
            let first = word.graphemes(true).next().map_or(word.len(), str::len);
            let at = if head.is_empty() && used == indent { first } else { head.len() };
            out.push_str(&word[..at]);
            wide = wide.saturating_sub(summed_width(&word[..at]));
            word = if at == head.len() { rest } else { &word[at..] };
            if word.is_empty() {
                break;
            }
            let _ = write!(out, "\n{:indent$}", "");
            used = indent;
        }
        out.push_str(word);
        used += wide;
        spaces = 1;
    }
}

/// On which side the text of a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A column of a [`Table`].
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// What stands above it.
    pub title: &'static str,
    /// The side its text stands on.
    pub align: Align,
    /// Whether it may be cut when the terminal is too narrow.
    pub flexible: bool,
}

impl Column {
    /// A column of words, shown whole.
    pub const fn left(title: &'static str) -> Self {
        Self { title, align: Align::Left, flexible: false }
    }

    /// A column of numbers, shown whole.
    pub const fn right(title: &'static str) -> Self {
        Self { title, align: Align::Right, flexible: false }
    }

    /// A column of words that is cut when there is no room.
    pub const fn flexible(title: &'static str) -> Self {
        Self { title, align: Align::Left, flexible: true }
    }
}

/// Rows in aligned columns. Every cell is made harmless.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row. Cells beyond the columns are left out, missing ones are empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl AsRef<str>>) {
        let cells = cells.into_iter().take(self.columns.len());
        self.rows.push(cells.map(|cell| inert_line(cell.as_ref()).into_owned()).collect());
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text, each line ended by a newline; `columns` is the room there is, none for
    /// a file or pipe, where nothing is cut.
    pub fn render(&self, columns: Option<usize>) -> String {
        let widths = self.widths(columns);
        let mut out = String::new();
        if self.columns.iter().any(|column| !column.title.is_empty()) {
            let titles: Vec<&str> = self.columns.iter().map(|column| column.title).collect();
            self.render_row(&titles, &widths, &mut out);
        }
        for row in &self.rows {
            self.render_row(row, &widths, &mut out);
        }
        out
    }

    fn widths(&self, room: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = self.columns.iter().map(|column| column.title.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let Some(room) = room else { return widths };
        let total = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        let mut excess = total.saturating_sub(room);
        while excess > 0 {
            // The widest gives first, so that no column suffers for another.
            let candidates = self.columns.iter().zip(&mut widths).filter(|(column, _)| column.flexible);
            let widest = candidates.map(|(_, width)| width).filter(|width| **width > NARROWEST).max();
            let Some(widest) = widest else { break };
            *widest -= 1;
            excess -= 1;
        }
        widths
    }

    fn render_row(&self, cells: &[impl AsRef<str>], widths: &[usize], out: &mut String) {
        let start = out.len();
        for (index, (column, &width)) in self.columns.iter().zip(widths).enumerate() {
            let text = cells.get(index).map_or("", AsRef::as_ref);
            let text = if column.flexible { fit(text, width) } else { text.to_owned() };
            let padding = width.saturating_sub(text.width());
            let gap = if index == 0 { 0 } else { GAP };
            let _ = match column.align {
                Align::Left => write!(out, "{:gap$}{text}{:padding$}", "", ""),
                Align::Right => write!(out, "{:gap$}{:padding$}{text}", "", ""),
            };
        }
        out.truncate(start + out[start..].trim_end().len());
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn measures_and_cuts_as_shown() {
        assert_eq!(width("Größe"), 5);
        assert_eq!(width("予算"), 4);
        assert_eq!(width("e\u{301}\u{202e}"), 1);
        for (text, columns, expected) in [
            ("budget", 6, "budget"),
            ("budget", 5, "budg…"),
            ("budget", 1, "…"),
            ("budget", 0, ""),
            ("the budget", 5, "the…"),
            ("予算会議", 7, "予算会…"),
            ("予算会議", 6, "予算…"),
            ("cafe\u{301} noir", 5, "cafe\u{301}…"),
            ("\u{1b}[31mred\nline", 8, "red line"),
        ] {
            assert_eq!(fit(text, columns), expected, "{text} in {columns}");
        }
    }

    #[test]
    fn wraps_between_words() {
        for (text, columns, expected) in [
            ("one two three", 7, "one two\nthree"),
            ("one two three", 13, "one two three"),
            ("  one two three", 9, "  one two\n  three"),
            ("one\n\ntwo", 3, "one\n\ntwo"),
            ("abcdefgh ij", 4, "abcd\nefgh\nij"),
            ("a abcdefgh", 4, "a\nabcd\nefgh"),
            ("ab  cd", 4, "ab\ncd"),
            ("来年の予算", 4, "来年\nの予\n算"),
            ("ab 来年", 5, "ab 来\n年"),
            ("予", 1, "予"),
            ("\tone two", 8, "    one\n    two"),
            ("one  ", 9, "one"),
            ("", 5, ""),
        ] {
            assert_eq!(wrap(text, columns), expected, "{text:?} in {columns}");
        }
    }

    #[test]
    fn a_table_is_aligned_and_cut_where_it_may_be() {
        let mut table = Table::new([Column::left("id"), Column::flexible("title"), Column::right("messages")]);
        table.row(["3fa2", "来年の\u{1b}[31m予算について", "12"]);
        table.row(["77c0", "Budget", "3"]);
        table.row(["88"]);
        assert_eq!(
            table.render(None),
            "id    title               messages\n\
             3fa2  来年の予算について        12\n\
             77c0  Budget                     3\n\
             88\n"
        );
        assert_eq!(
            table.render(Some(26)),
            "id    title       messages\n\
             3fa2  来年の予…         12\n\
             77c0  Budget             3\n\
             88\n"
        );
        assert!(Table::new([Column::left("")]).render(None).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_asked(text in "[a-z é予🎉\u{301}]{0,40}", columns in 2_usize..20) {
            prop_assert!(width(&fit(&text, columns)) <= columns);
            let wrapped = wrap(&text, columns);
            for line in wrapped.split('\n') {
                prop_assert!(width(line) <= columns, "{wrapped:?}");
            }
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&wrapped), letters(&inert(&text)));
        }
    }
}
