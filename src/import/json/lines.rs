//! JSON Lines: records of a log, one a line, with the number a person would look it up by.
//!
//! A log is written while it is read. So the last line may stop anywhere, and one line that is damaged
//! says nothing about the next.

use serde::de::IgnoredAny;

use super::reading;
use super::tolerant::Recorder;
use crate::import::Notes;

/// A line that is not blank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number in the file, from 1.
    pub number: u64,
    /// Where it begins in the file, in bytes.
    pub start: usize,
    /// Its bytes without the line feed, without a carriage return and without a byte order mark.
    pub bytes: &'a [u8],
    /// It is the last one and no line feed ends it: perhaps it is still being written.
    pub is_open: bool,
}

impl Line<'_> {
    /// Whether it begins like an object, as every record does.
    pub fn is_object(&self) -> bool {
        self.bytes.trim_ascii_start().first() == Some(&b'{')
    }
}

/// The lines of a file that are not blank.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mark = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut at = mark;
    let mut number = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let start = at;
            let rest = &bytes[start..];
            let feed = memchr::memchr(b'\n', rest);
            at = start + feed.map_or(rest.len(), |feed| feed + 1);
            number += 1;
            let line = &rest[..feed.unwrap_or(rest.len())];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.trim_ascii().is_empty() {
                return Some(Line { number, start, bytes: line, is_open: feed.is_none() });
            }
        }
        None
    })
}

/// Why a line is no record. The words carry no content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadLine {
    /// It is the last line and stops early: the program was still writing.
    Truncated,
    /// It is JSON of another kind than an object.
    NotAnObject,
    /// It is not JSON, from this column on (from 1, in bytes).
    NotJson(usize),
}

impl BadLine {
    /// What is wrong, in one lower-case clause.
    pub fn reason(self) -> String {
        match self {
            Self::Truncated => "the last line stops early".to_owned(),
            Self::NotAnObject => "not a JSON object".to_owned(),
            Self::NotJson(column) => format!("not valid JSON at column {column}"),
        }
    }
}

/// Reads a line as a record, and a second time repaired when it is not JSON as it stands.
///
/// `read` turns JSON into what it stands for; it must change nothing when it fails. Notes of the attempt
/// that succeeds are added to `notes`.
pub fn record<R>(
    line: &Line<'_>,
    notes: &mut Notes,
    mut read: impl FnMut(&[u8], &Recorder) -> Result<R, serde_json::Error>,
) -> Result<R, BadLine> {
    if !line.is_object() {
        let is_json = serde_json::from_slice::<IgnoredAny>(line.bytes).is_ok();
        return Err(match (is_json, line.is_open) {
            (true, _) => BadLine::NotAnObject,
            (false, true) => BadLine::Truncated,
            (false, false) => BadLine::NotJson(1),
        });
    }
    reading::attempt(line.bytes, notes, &mut read).map_err(|error| match error.is_eof() && line.is_open {
        true => BadLine::Truncated,
        false => BadLine::NotJson(error.column()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::json::tolerant::{Fields, from_slice};

    type Read = Vec<(u64, Result<String, BadLine>)>;

    fn read(bytes: &[u8]) -> (Read, Notes) {
        let mut notes = Notes::default();
        let read = |line: Line<'_>| {
            let said = record(&line, &mut notes, |json, recorder| {
                from_slice::<Fields<'_>>(json, recorder)
                    .map(|fields| fields.text("a", recorder).owned().unwrap_or_default())
            });
            (line.number, said)
        };
        (lines(bytes).map(read).collect(), notes)
    }

    #[test]
    fn lines_are_numbered_as_an_editor_does() {
        let (read, notes) = read(b"\xef\xbb\xbf{\"a\":\"1\"}\r\n\n  \n{\"a\":\"4\"}\n");
        assert_eq!(read, [(1, Ok("1".to_owned())), (4, Ok("4".to_owned()))]);
        assert_eq!(notes, Notes::default());
    }

    #[test]
    fn a_bad_line_costs_itself_alone() {
        let (read, _) = read(b"42\n\"a\"\n[1]\nhello\n{\"a\":}\n{\"a\":\"6\"}\n{\"a\":\"7");
        let expected = [
            (1, Err(BadLine::NotAnObject)),
            (2, Err(BadLine::NotAnObject)),
            (3, Err(BadLine::NotAnObject)),
            (4, Err(BadLine::NotJson(1))),
            (5, Err(BadLine::NotJson(6))),
            (6, Ok("6".to_owned())),
            (7, Err(BadLine::Truncated)),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn what_strict_readers_refuse_is_repaired_and_counted() {
        let (read, notes) = read(b"{\"a\":\"x\\ud83d\"}\n{\"a\":\"y\xff\"}\n{\"a\":\"z\\x41\"}\n");
        let texts: Vec<_> = read.into_iter().map(|(_, text)| text.unwrap()).collect();
        assert_eq!(texts, ["x\u{fffd}", "y\u{fffd}", "zA"]);
        let kinds: Vec<_> = notes.repaired.into_iter().collect();
        assert_eq!(kinds, [("\\x escape", 1), ("invalid UTF-8", 1), ("lone surrogate", 1)]);
    }
}
