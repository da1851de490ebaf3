//! Cuts the elements of a JSON array out of a stream, each as its exact bytes, in bounded memory.
//!
//! It finds boundaries and checks nothing else: what stands inside an element is the parser's matter,
//! so one damaged element costs that element and no other.

use std::io::{self, Read};
use std::ops::Range;

use memchr::{memchr2, memchr3};

/// Largest element taken. The largest conversation seen in an issue tracker had 18 MB. One of this size costs an
/// import two and a half times as much memory, so the bound is also what a bomb that passes the zip limits can cost.
pub const MAX_ELEMENT: usize = 128 << 20;

/// Bytes asked for at a time.
const READ_SIZE: usize = 1 << 20;

/// Why an element, or the rest of the stream, cannot be had. None carries content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// Reading failed.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// One element is too large; the ones after it still come.
    #[error("larger than {} MiB", MAX_ELEMENT >> 20)]
    TooLarge,
    /// The stream ends inside an element or before its array is closed.
    #[error("the file ends too early")]
    Truncated,
    /// The first character is neither `[` nor `{`.
    #[error("not a JSON array or object")]
    NotJson,
    /// Something stands where a comma or the end was due.
    #[error("not valid JSON between the entries")]
    Malformed,
    /// More text follows the end of the JSON.
    #[error("unexpected data after the end of the JSON")]
    TrailingData,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing read yet.
    Start,
    /// Between the elements of an array.
    Array,
    /// Between top-level values: one object, or several one after another.
    Sequence,
    /// After the closing bracket.
    Closed,
    /// Nothing more will come.
    Done,
}

/// A stream of elements. See the module.
pub struct Splitter<R> {
    reader: R,
    buffer: Vec<u8>,
    filled: usize,
    /// First byte still needed.
    start: usize,
    /// Next byte to look at.
    at: usize,
    state: State,
    /// The member of a top-level object whose array is wanted.
    wanted: Option<&'static str>,
    limit: usize,
}

impl<R: Read> Splitter<R> {
    /// The elements of a top-level array, or the top-level objects themselves.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            filled: 0,
            start: 0,
            at: 0,
            state: State::Start,
            wanted: None,
            limit: MAX_ELEMENT,
        }
    }

    /// The elements of the array that is the member `key` of a top-level object; a top-level array
    /// is taken as it is.
    pub fn within(reader: R, key: &'static str) -> Self {
        Self { wanted: Some(key), ..Self::new(reader) }
    }

    /// Takes elements up to `limit` bytes instead of [`MAX_ELEMENT`].
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// The next element's exact bytes. After [`SplitError::TooLarge`] the next call goes on behind it;
    /// after any other error nothing more comes.
    pub fn next_element(&mut self) -> Option<Result<&[u8], SplitError>> {
        match self.advance() {
            Ok(Some(range)) => Some(Ok(&self.buffer[range])),
            Ok(None) => {
                self.state = State::Done;
                None
            }
            Err(SplitError::TooLarge) => Some(Err(SplitError::TooLarge)),
            Err(error) => {
                self.state = State::Done;
                Some(Err(error))
            }
        }
    }

    fn advance(&mut self) -> Result<Option<Range<usize>>, SplitError> {
        if self.state == State::Start {
            self.skip_byte_order_mark()?;
            match self.peek()? {
                None => return Ok(None),
                Some(b'[') => {
                    self.at += 1;
                    self.state = State::Array;
                }
                Some(b'{') => match self.wanted {
                    Some(key) => {
                        if !self.enter_member(key)? {
                            return Ok(None);
                        }
                    }
                    None => self.state = State::Sequence,
                },
                Some(_) => return Err(SplitError::NotJson),
            }
        }
        match self.state {
            State::Array => self.array_element(),
            State::Sequence => match self.peek()? {
                None => Ok(None),
                Some(b'{' | b'[') => self.value(true).map(Some),
                Some(_) => Err(SplitError::TrailingData),
            },
            State::Closed => match self.peek()? {
                None => Ok(None),
                Some(_) => Err(SplitError::TrailingData),
            },
            State::Start | State::Done => Ok(None),
        }
    }

    fn array_element(&mut self) -> Result<Option<Range<usize>>, SplitError> {
        loop {
            match self.peek()? {
                None => return Err(SplitError::Truncated),
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    if self.wanted.is_some() {
                        // The object around the array may go on; what stands there belongs to no element.
                        return Ok(None);
                    }
                    self.state = State::Closed;
                    return match self.peek()? {
                        None => Ok(None),
                        Some(_) => Err(SplitError::TrailingData),
                    };
                }
                Some(b'}' | b':') => return Err(SplitError::Malformed),
                Some(_) => return self.value(true).map(Some),
            }
        }
    }

    /// Reads on to the array under `key` of the object at hand.
    fn enter_member(&mut self, key: &str) -> Result<bool, SplitError> {
        self.at += 1;
        loop {
            match self.peek()?.ok_or(SplitError::Truncated)? {
                b',' => self.at += 1,
                b'}' => return Ok(false),
                b'"' => {
                    let name = self.value(true)?;
                    let found = self.buffer.get(name.start + 1..name.end - 1) == Some(key.as_bytes());
                    if self.peek()?.ok_or(SplitError::Truncated)? != b':' {
                        return Err(SplitError::Malformed);
                    }
                    self.at += 1;
                    let first = self.peek()?.ok_or(SplitError::Truncated)?;
                    if found && first == b'[' {
                        self.at += 1;
                        self.state = State::Array;
                        return Ok(true);
                    }
                    self.value(false)?;
                }
                _ => return Err(SplitError::Malformed),
            }
        }
    }

    fn skip_byte_order_mark(&mut self) -> Result<(), SplitError> {
        while self.filled < 3 && self.fill()? {}
        if self.buffer[..self.filled].starts_with(b"\xef\xbb\xbf") {
            self.at = 3;
        }
        Ok(())
    }

    /// The next byte that is not white space, without taking it.
    fn peek(&mut self) -> Result<Option<u8>, SplitError> {
        loop {
            let rest = &self.buffer[self.at..self.filled];
            if let Some(skip) = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
                self.at += skip;
                return Ok(self.buffer.get(self.at).copied());
            }
            self.at = self.filled;
            self.start = self.at;
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Makes room behind `start` and reads more; false at the end of the stream.
    fn fill(&mut self) -> Result<bool, SplitError> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.filled, 0);
            self.filled -= self.start;
            self.at -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.filled < READ_SIZE / 2 {
            // By half at a time, but never past the largest element by more than a read.
            let grown = (self.buffer.len() + self.buffer.len() / 2).min(self.limit.saturating_add(2 * READ_SIZE));
            let grown = grown.max(self.filled + READ_SIZE);
            self.buffer.resize(grown, 0);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    self.filled += count;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads over the value that begins at `at`; its range, when it is kept.
    fn value(&mut self, keep: bool) -> Result<Range<usize>, SplitError> {
        self.start = self.at;
        let mut scan = Scan::of(self.buffer.get(self.at).copied().unwrap_or(0));
        let mut kept = keep;
        loop {
            let (at, ended) = scan.advance(&self.buffer[..self.filled], self.at);
            self.at = at;
            if kept && self.at - self.start > self.limit {
                kept = false;
            }
            if ended {
                break;
            }
            if !kept {
                self.start = self.at;
            }
            if !self.fill()? {
                // A number at the very end of the stream has no end mark of its own.
                return Err(SplitError::Truncated);
            }
        }
        let range = self.start..self.at;
        self.start = self.at;
        if keep && !kept {
            // Give the room back: one huge element must not stay for the rest of the import.
            self.buffer.copy_within(self.at..self.filled, 0);
            self.filled -= self.at;
            self.at = 0;
            self.start = 0;
            self.buffer.truncate(self.filled.max(2 * READ_SIZE));
            self.buffer.shrink_to_fit();
            return Err(SplitError::TooLarge);
        }
        Ok(range)
    }
}

/// Finds the end of one value, resumable at any byte.
///
/// Inside an object only braces and quotes matter, inside an array only brackets and quotes: the other
/// kind is balanced in between, or the element is broken and its parser says so.
struct Scan {
    kind: ValueKind,
    depth: usize,
    in_string: bool,
    skip_next: bool,
}

enum ValueKind {
    Nested { open: u8, close: u8 },
    String,
    Scalar,
}

impl Scan {
    fn of(first: u8) -> Self {
        let kind = match first {
            b'{' => ValueKind::Nested { open: b'{', close: b'}' },
            b'[' => ValueKind::Nested { open: b'[', close: b']' },
            b'"' => ValueKind::String,
            _ => ValueKind::Scalar,
        };
        Self { kind, depth: 0, in_string: false, skip_next: false }
    }

    /// Goes on from `at`; where it stopped, and whether the value ended there.
    fn advance(&mut self, bytes: &[u8], mut at: usize) -> (usize, bool) {
        let (open, close) = match self.kind {
            ValueKind::Nested { open, close } => (open, close),
            ValueKind::String => (b'"', b'"'),
            ValueKind::Scalar => {
                let end = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n');
                return match bytes.get(at..).and_then(|rest| rest.iter().position(end)) {
                    Some(end) => (at + end, true),
                    None => (bytes.len(), false),
                };
            }
        };
        let is_string = matches!(self.kind, ValueKind::String);
        while at < bytes.len() {
            if self.in_string {
                if self.skip_next {
                    self.skip_next = false;
                    at += 1;
                    continue;
                }
                let Some(found) = quote_or_backslash(bytes, at) else { return (bytes.len(), false) };
                at = found + 1;
                if bytes[at - 1] == b'"' {
                    self.in_string = false;
                    if is_string {
                        return (at, true);
                    }
                } else {
                    self.skip_next = true;
                }
            } else {
                let Some(found) = quote_or_bracket(bytes, at, open, close) else { return (bytes.len(), false) };
                at = found + 1;
                let byte = bytes[at - 1];
                if byte == b'"' {
                    self.in_string = true;
                } else if byte == open {
                    self.depth += 1;
                } else {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return (at, true);
                    }
                }
            }
        }
        (at, false)
    }
}

/// Words of eight bytes looked at before memchr is called: most strings and gaps of an export are
/// shorter than the call costs (1.97 GB/s with, 1.24 GB/s without, on a generated export of 100 MB).
const SHORT: usize = 4;

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);

/// Marks the bytes of `word` that equal `byte`; the lowest mark is exact (Mycroft's zero-byte test).
fn marks(word: u64, byte: u8) -> u64 {
    let zeroed = word ^ u64::from_le_bytes([byte; 8]);
    zeroed.wrapping_sub(ONES) & !zeroed & HIGHS
}

fn quote_or_backslash(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let (words, _) = rest.as_chunks::<8>();
    for (index, word) in words.iter().take(SHORT).enumerate() {
        let word = u64::from_le_bytes(*word);
        let marked = marks(word, b'"') | marks(word, b'\\');
        if marked != 0 {
            return Some(at + index * 8 + marked.trailing_zeros() as usize / 8);
        }
    }
    let skip = words.len().min(SHORT) * 8;
    memchr2(b'"', b'\\', &rest[skip..]).map(|found| at + skip + found)
}

fn quote_or_bracket(bytes: &[u8], at: usize, open: u8, close: u8) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let (words, _) = rest.as_chunks::<8>();
    for (index, word) in words.iter().take(SHORT).enumerate() {
        let word = u64::from_le_bytes(*word);
        let marked = marks(word, b'"') | marks(word, open) | marks(word, close);
        if marked != 0 {
            return Some(at + index * 8 + marked.trailing_zeros() as usize / 8);
        }
    }
    let skip = words.len().min(SHORT) * 8;
    memchr3(b'"', open, close, &rest[skip..]).map(|found| at + skip + found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time, so that every state is resumed at every byte.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let (Some(first), Some(slot)) = (self.0.first(), buffer.first_mut()) else { return Ok(0) };
            *slot = *first;
            self.0 = &self.0[1..];
            Ok(1)
        }
    }

    fn drain<R: Read>(mut splitter: Splitter<R>) -> Vec<String> {
        let mut out = Vec::new();
        while let Some(next) = splitter.next_element() {
            out.push(match next {
                Ok(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Err(error) => format!("error: {error}"),
            });
        }
        out
    }

    fn split(input: &str) -> Vec<String> {
        let whole = drain(Splitter::new(input.as_bytes()));
        assert_eq!(whole, drain(Splitter::new(Drip(input.as_bytes()))), "the chunking must not matter");
        whole
    }

    #[test]
    fn elements_come_out_byte_for_byte() {
        assert_eq!(
            split("\u{feff} [ {\"a\": \"}]\\\"{\"} ,\n[1, {}],\"x\\\\\", 12.50 ,null]\n"),
            ["{\"a\": \"}]\\\"{\"}", "[1, {}]", "\"x\\\\\"", "12.50", "null"]
        );
        assert_eq!(split("[]"), [""; 0]);
        assert_eq!(split(""), [""; 0]);
        assert_eq!(split("{\"a\":1}\n"), ["{\"a\":1}"]);
        assert_eq!(split("{\"a\":1}\n{\"b\":2}"), ["{\"a\":1}", "{\"b\":2}"]);
    }

    #[test]
    fn a_truncated_file_yields_its_complete_elements_first() {
        assert_eq!(split("[{\"a\":1},{\"b\":\"x"), ["{\"a\":1}", "error: the file ends too early"]);
        assert_eq!(split("[{\"a\":1}"), ["{\"a\":1}", "error: the file ends too early"]);
        assert_eq!(split("[{\"a\":\"\\"), ["error: the file ends too early"]);
    }

    #[test]
    fn what_is_no_json_is_said_to_be_none() {
        assert_eq!(split("hello"), ["error: not a JSON array or object"]);
        assert_eq!(split("[1] x"), ["1", "error: unexpected data after the end of the JSON"]);
        assert_eq!(split("[{}}"), ["{}", "error: not valid JSON between the entries"]);
    }

    #[test]
    fn an_element_above_the_limit_is_passed_over_and_the_next_one_comes() {
        let input = format!("[{{\"a\":1}},{{\"b\":\"{}\"}},{{\"c\":3}}]", "x".repeat(5_000_000));
        let found = drain(Splitter::new(input.as_bytes()).with_limit(1_000));
        assert_eq!(found, ["{\"a\":1}", "error: larger than 128 MiB", "{\"c\":3}"]);
    }

    #[test]
    fn the_array_inside_an_object_is_found() {
        let input = "{\"n\":{\"conversations\":[9]},\"t\":\"[\",\"conversations\": [ {\"a\":1},2 ],\"z\":[7]}";
        assert_eq!(drain(Splitter::within(input.as_bytes(), "conversations")), ["{\"a\":1}", "2"]);
        assert_eq!(drain(Splitter::within(Drip(input.as_bytes()), "conversations")), ["{\"a\":1}", "2"]);
        assert_eq!(drain(Splitter::within("{\"a\":1}".as_bytes(), "b")), [""; 0]);
    }
}
