//! Changes JSON where JSON changes: values copied, swapped, doubled and dropped whole.
//!
//! Flipping bytes alone seldom makes an id that stands elsewhere too, a member twice or a line again, and those
//! are what parsers of transcripts stumble over.

use std::ops::Range;

/// Most values looked at in one input.
const MAX_VALUES: usize = 4096;

/// What is put in the place of a value.
const ODD: [&str; 14] = [
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "18446744073709551616",
    "\"\"",
    "[]",
    "{}",
    "[[[[[[[[]]]]]]]]",
    "\"\\ud83d\"",
    "\"\\x41\"",
    "\"\\u0000\"",
    "{\"a\":1,\"a\":2}",
];

/// A small generator, so that an input comes again with the same seed.
pub struct Sequence(pub u64);

impl Sequence {
    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }
}

/// The input with one to three changes; the same when it holds no value.
pub fn mutate(input: &[u8], sequence: &mut Sequence) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=sequence.below(3) {
        let values = values(&bytes);
        if values.is_empty() {
            break;
        }
        let one = values[sequence.below(values.len())].clone();
        let has_lines = bytes.iter().filter(|byte| **byte == b'\n').count() > 1;
        bytes = match sequence.below(if has_lines { 8 } else { 6 }) {
            0 | 1 => {
                // Of its own kind, so that an id takes the place of an id.
                let alike: Vec<_> = values.iter().filter(|other| bytes[other.start] == bytes[one.start]).collect();
                let other = alike[sequence.below(alike.len())].clone();
                let copy = bytes[other].to_vec();
                spliced(&bytes, one, &copy)
            }
            2 => {
                let other = values[sequence.below(values.len())].clone();
                let copy = bytes[other].to_vec();
                spliced(&bytes, one, &copy)
            }
            3 => {
                let odd = ODD[sequence.below(ODD.len())];
                spliced(&bytes, one, odd.as_bytes())
            }
            4 => {
                let whole = member(&bytes, &one);
                let again = [&b","[..], &bytes[whole.clone()]].concat();
                spliced(&bytes, whole.end..whole.end, &again)
            }
            5 => {
                let mut whole = member(&bytes, &one);
                // With the comma behind it, or before the last one.
                match bytes.get(whole.end) {
                    Some(b',') => whole.end += 1,
                    _ => whole.start -= usize::from(bytes[..whole.start].ends_with(b",")),
                }
                spliced(&bytes, whole, b"")
            }
            6 => {
                let line = line(&bytes, one.start);
                let again = bytes[line].to_vec();
                let at = self::line(&bytes, sequence.below(bytes.len())).start;
                spliced(&bytes, at..at, &again)
            }
            _ => {
                let line = line(&bytes, one.start);
                spliced(&bytes, line, b"")
            }
        };
    }
    bytes
}

fn spliced(bytes: &[u8], range: Range<usize>, with: &[u8]) -> Vec<u8> {
    [&bytes[..range.start], with, &bytes[range.end..]].concat()
}

/// The line around a place, with its line feed.
fn line(bytes: &[u8], at: usize) -> Range<usize> {
    let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |feed| feed + 1);
    let end = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |feed| at + feed + 1);
    start..end
}

/// The value with its key, when it has one.
fn member(bytes: &[u8], value: &Range<usize>) -> Range<usize> {
    let before = bytes[..value.start].trim_ascii_end();
    let Some(key) = before.strip_suffix(b":").map(<[u8]>::trim_ascii_end).filter(|key| key.ends_with(b"\"")) else {
        return value.clone();
    };
    let quote = key[..key.len() - 1].iter().rposition(|byte| *byte == b'"').unwrap_or(0);
    quote..value.end
}

/// Where values begin and end, nested ones too; keys are no values.
fn values(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < bytes.len() && found.len() < MAX_VALUES {
        match bytes[at] {
            b'{' | b'[' => open.push(at),
            b'}' | b']' => found.extend(open.pop().map(|start| start..at + 1)),
            b'"' => {
                let start = at;
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += 1 + usize::from(bytes[at] == b'\\');
                }
                let end = (at + 1).min(bytes.len());
                if bytes[end..].trim_ascii_start().first() != Some(&b':') {
                    found.push(start..end);
                }
            }
            b'-' | b'0'..=b'9' | b'a'..=b'z' => {
                let length =
                    bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
                let end = at + length.count().max(1);
                found.push(at..end);
                at = end - 1;
            }
            _ => {}
        }
        at += 1;
    }
    found
}
