//! Originals folded over the text section: a JSON string that holds a part's text is not stored a second time.
//!
//! `docs/format.md` §4 gives the bytes. Folding is exact or does not happen: a string is left out only
//! when escaping the part's text in the original's own style gives back its very bytes.

use std::collections::HashMap;

use memchr::{memchr, memchr2};

use crate::bytes::{Malformed, Reader};
use crate::conversation::{Conversation, Span};

/// Shorter strings cost less than what would stand in their place.
const SHORTEST: usize = 32;

/// Bytes by which a string finds its part.
const KEY: usize = 16;

/// Parts that begin alike and are tried, at most.
const ALIKE: usize = 8;

/// How an original writes strings; learned from the strings themselves.
#[derive(Clone, Copy, Default)]
struct Style {
    /// Characters beyond ASCII are written `\uXXXX`.
    ascii: Option<bool>,
    /// The hexadecimal digits of `\uXXXX` are capitals.
    upper: Option<bool>,
    /// `/` is written `\/`.
    slash: Option<bool>,
}

impl Style {
    fn encode(self) -> u8 {
        let bit = |option: Option<bool>| u8::from(option.unwrap_or(false));
        bit(self.ascii) | bit(self.upper) << 1 | bit(self.slash) << 2
    }

    fn decode(byte: u8) -> Result<Self, Malformed> {
        if byte > 7 {
            return Err(Malformed);
        }
        Ok(Self { ascii: Some(byte & 1 != 0), upper: Some(byte & 2 != 0), slash: Some(byte & 4 != 0) })
    }
}

/// Sets what is open and refuses what differs.
fn settle(option: &mut Option<bool>, value: bool) -> Option<()> {
    (*option.get_or_insert(value) == value).then_some(())
}

/// The texts of all parts, in order.
fn parts(conversation: &Conversation) -> impl Iterator<Item = &str> {
    let spans = conversation.messages.iter().flat_map(|message| message.parts.iter().map(|part| part.text));
    spans.map(|Span { start, len }| {
        start.checked_add(len).and_then(|end| conversation.text.get(start..end)).unwrap_or_default()
    })
}

/// Finds parts by how they begin; made once for all originals of a conversation.
pub(super) struct Folder<'a> {
    parts: Vec<&'a str>,
    by_key: HashMap<[u8; KEY], Vec<u32>>,
}

impl<'a> Folder<'a> {
    pub(super) fn of(conversation: &'a Conversation) -> Self {
        let parts: Vec<&str> = parts(conversation).collect();
        let mut by_key: HashMap<[u8; KEY], Vec<u32>> = HashMap::new();
        for (index, part) in (0..).zip(&parts) {
            if let Some(key) = part.as_bytes().first_chunk().filter(|_| part.len() >= SHORTEST) {
                by_key.entry(*key).or_default().push(index);
            }
        }
        Self { parts, by_key }
    }

    /// Appends the folded form of `original`.
    pub(super) fn fold(&self, original: &[u8], out: &mut Vec<u8>) {
        let mut style = Style::default();
        let mut cuts: Vec<(usize, usize, u32)> = Vec::new();
        let mut at = 0;
        while let Some(quote) = memchr(b'"', &original[at..]) {
            let start = at + quote + 1;
            let Some(end) = string_end(original, start) else { break };
            if end - start >= SHORTEST
                && let Some(part) = self.find(&original[start..end], &mut style)
            {
                cuts.push((start, end, part));
            }
            at = end + 1;
        }
        out.push(style.encode());
        out.extend_from_slice(&u32::try_from(cuts.len()).expect("strings are counted in memory").to_be_bytes());
        let (mut from, mut expected) = (0, 0);
        for (start, end, part) in &cuts {
            put_number(out, (start - from) as u64);
            // Parts mostly come in order, so that the distance is mostly zero.
            let distance = i64::from(*part) - expected;
            put_number(out, ((distance << 1) ^ (distance >> 63)).cast_unsigned());
            (from, expected) = (*end, i64::from(*part) + 1);
        }
        from = 0;
        for (start, end, _) in &cuts {
            out.extend_from_slice(&original[from..*start]);
            from = *end;
        }
        out.extend_from_slice(&original[from..]);
    }

    fn find(&self, string: &[u8], style: &mut Style) -> Option<u32> {
        let candidates = self.by_key.get(&beginning(string)?)?;
        candidates.iter().take(ALIKE).copied().find(|index| {
            let mut learned = *style;
            let same = is_written(string, self.parts[*index as usize].as_bytes(), &mut learned).is_some();
            if same {
                *style = learned;
            }
            same
        })
    }
}

/// Gives back an original from its folded form, of at most `limit` bytes.
pub(super) fn unfold(folded: &[u8], conversation: &Conversation, limit: usize) -> Result<Vec<u8>, Malformed> {
    let mut reader = Reader::new(folded);
    let style = Style::decode(reader.u8()?)?;
    let count = reader.u32()?;
    let parts: Vec<&str> = parts(conversation).collect();
    let mut cuts = Vec::new();
    let mut expected = 0_i64;
    for _ in 0..count {
        let literal = usize::try_from(take_number(&mut reader)?).map_err(|_| Malformed)?;
        let zigzag = take_number(&mut reader)?;
        let distance = (zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed());
        let index = expected.checked_add(distance).ok_or(Malformed)?;
        let part = usize::try_from(index).ok().and_then(|index| parts.get(index)).ok_or(Malformed)?;
        cuts.push((literal, *part));
        expected = index + 1;
    }
    let mut out = Vec::with_capacity(folded.len());
    for (literal, part) in cuts {
        out.extend_from_slice(reader.take(literal)?);
        write_string(part, style, &mut out);
        if out.len() > limit {
            return Err(Malformed);
        }
    }
    out.extend_from_slice(reader.rest());
    if out.len() > limit { Err(Malformed) } else { Ok(out) }
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_number(reader: &mut Reader<'_>) -> Result<u64, Malformed> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let byte = reader.u8()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Malformed)
}

/// Where the string that begins at `at` ends: the place of its closing quote.
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// The first bytes of what a string says.
fn beginning(string: &[u8]) -> Option<[u8; KEY]> {
    let mut key = [0; KEY];
    let (mut at, mut filled) = (0, 0);
    while filled < KEY {
        let mut utf8 = [0; 4];
        let said: &[u8] = match *string.get(at)? {
            b'\\' => {
                let (c, length) = escape(&string[at..])?;
                at += length;
                c.encode_utf8(&mut utf8).as_bytes()
            }
            _ => {
                at += 1;
                &string[at - 1..at]
            }
        };
        let count = said.len().min(KEY - filled);
        key[filled..filled + count].copy_from_slice(&said[..count]);
        filled += count;
    }
    Some(key)
}

/// The character of an escape at the beginning of `bytes`, and how long the escape is.
fn escape(bytes: &[u8]) -> Option<(char, usize)> {
    let short = match *bytes.get(1)? {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        c @ (b'"' | b'\\' | b'/') => char::from(c),
        b'u' => {
            let first = unit(bytes.get(2..6)?)?;
            if !(0xd800..0xdc00).contains(&first) {
                return Some((char::from_u32(first)?, 6));
            }
            let second = unit(bytes.get(6..12).filter(|next| next.starts_with(b"\\u"))?.get(2..)?)?;
            let c = 0x10000 + ((first - 0xd800) << 10) + second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
            return Some((char::from_u32(c)?, 12));
        }
        _ => return None,
    };
    Some((short, 2))
}

fn unit(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum, digit| Some(sum << 4 | char::from(*digit).to_digit(16)?))
}

/// Whether `string` is how `text` is written in a style that agrees with `style`, which learns from it.
fn is_written(string: &[u8], text: &[u8], style: &mut Style) -> Option<()> {
    let (mut at, mut said) = (0, 0);
    while at < string.len() {
        let run = memchr(b'\\', &string[at..]).unwrap_or(string.len() - at);
        let plain = &string[at..at + run];
        if text.get(said..said + run)? != plain || plain.iter().any(|byte| *byte < 0x20) {
            return None;
        }
        if !plain.is_ascii() {
            settle(&mut style.ascii, false)?;
        }
        if memchr(b'/', plain).is_some() {
            settle(&mut style.slash, false)?;
        }
        (at, said) = (at + run, said + run);
        if at == string.len() {
            break;
        }
        let (c, length) = escape(&string[at..])?;
        match (length, c) {
            (2, '/') => settle(&mut style.slash, true)?,
            (2, _) => {}
            // Only what has no short form, and what is beyond ASCII, is written in numbers.
            (_, '\n' | '\t' | '\r' | '\u{8}' | '\u{c}' | ' '..='\u{7f}') => return None,
            (_, c) => {
                if !c.is_ascii() {
                    settle(&mut style.ascii, true)?;
                }
                let digits = string[at..at + length].iter().filter(|byte| byte.is_ascii_hexdigit());
                for digit in digits.filter(|byte| byte.is_ascii_alphabetic()) {
                    settle(&mut style.upper, digit.is_ascii_uppercase())?;
                }
            }
        }
        let mut utf8 = [0; 4];
        let utf8 = c.encode_utf8(&mut utf8).as_bytes();
        if text.get(said..said + utf8.len())? != utf8 {
            return None;
        }
        (at, said) = (at + length, said + utf8.len());
    }
    (said == text.len()).then_some(())
}

/// Writes `text` as the inside of a JSON string.
fn write_string(text: &str, style: Style, out: &mut Vec<u8>) {
    let (ascii, upper, slash) =
        (style.ascii.unwrap_or(false), style.upper.unwrap_or(false), style.slash.unwrap_or(false));
    let numbers = |unit: u16, out: &mut Vec<u8>| {
        let digits = if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") };
        out.extend_from_slice(digits.as_bytes());
    };
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            '/' if slash => out.extend_from_slice(b"\\/"),
            '\0'..='\u{1f}' => numbers(c as u16, out),
            c if c.is_ascii() => out.push(c as u8),
            c if ascii => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    numbers(*unit, out);
                }
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conversation::{Message, Part};

    fn chat(texts: &[String]) -> Conversation {
        let mut made = Conversation::default();
        for text in texts {
            let text = made.push_text(text);
            made.messages.push(Message { parts: vec![Part { text, ..Part::default() }], ..Message::default() });
        }
        made
    }

    fn folded(original: &[u8], conversation: &Conversation) -> Vec<u8> {
        let mut out = Vec::new();
        Folder::of(conversation).fold(original, &mut out);
        out
    }

    const TEXT: &str = "Grüße aus \u{1F680}/Wien:\n\t\"so\" \\ weit \u{1} und noch etwas mehr dahinter";

    #[test]
    fn a_text_is_not_stored_twice_whatever_the_style() {
        let conversation = chat(&["another text that is long enough to be found".to_owned(), TEXT.to_owned()]);
        for bits in 0..8 {
            let mut string = Vec::new();
            write_string(TEXT, Style::decode(bits).unwrap(), &mut string);
            let original = [b"{\"a\": \"", &string[..], b"\", \"b\": [\"", &string[..], b"\"]}"].concat();
            let folded = folded(&original, &conversation);
            assert!(folded.len() < 40, "style {bits}: {} bytes", folded.len());
            assert_eq!(unfold(&folded, &conversation, 1 << 20).unwrap(), original);
        }
    }

    #[test]
    fn what_is_written_otherwise_stays_as_it_is() {
        let text = "a text that is long enough to be found / here".to_owned();
        let conversation = chat(std::slice::from_ref(&text));
        let odd =
            ["\\u0061 text that is long enough to be found / here", "a text that is long enough to be found / here "];
        for string in odd {
            let original = format!("[\"{string}\"]").into_bytes();
            let folded = folded(&original, &conversation);
            assert!(folded.len() > original.len());
            assert_eq!(unfold(&folded, &conversation, 1 << 20).unwrap(), original);
        }
        // Two styles in one original: the second string is kept.
        let original = format!("[\"{text}\", \"{}\"]", text.replace('/', "\\/")).into_bytes();
        assert_eq!(unfold(&folded(&original, &conversation), &conversation, 1 << 20).unwrap(), original);
    }

    #[test]
    fn damage_is_malformed_and_bounded() {
        let conversation = chat(&[TEXT.to_owned()]);
        let original = serde_json::to_vec(&vec![TEXT; 50]).unwrap();
        let folded = folded(&original, &conversation);
        assert_eq!(unfold(&folded, &conversation, original.len()).unwrap(), original);
        assert!(unfold(&folded, &conversation, original.len() - 1).is_err());
        for at in 0..folded.len() {
            let _ = unfold(&folded[..at], &conversation, 1 << 20);
            let mut changed = folded.clone();
            changed[at] ^= 0x55;
            let _ = unfold(&changed, &conversation, 1 << 20);
        }
        assert!(unfold(&[8, 0, 0, 0, 0], &conversation, 10).is_err());
        assert!(unfold(&[0, 255, 255, 255, 255], &conversation, 10).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            texts in prop::collection::vec("(\\PC|[\\n\"\\\\/\u{1}]){0,80}", 0..4),
            ascii in any::<bool>(),
        ) {
            let conversation = chat(&texts);
            let mut original = bytes.clone();
            let style = Style { ascii: Some(ascii), ..Style::default() };
            for text in texts.iter().rev() {
                original.push(b'"');
                write_string(text, style, &mut original);
                original.extend_from_slice(b"\" ");
            }
            original.extend_from_slice(&bytes);
            prop_assert_eq!(unfold(&folded(&original, &conversation), &conversation, 1 << 20).unwrap(), original);
        }

        #[test]
        fn strings_are_what_a_json_reader_reads(text in "(\\PC|[\\n\"\\\\/\u{1}]){0,80}", bits in 0_u8..8) {
            let mut string = vec![b'"'];
            write_string(&text, Style::decode(bits).unwrap(), &mut string);
            string.push(b'"');
            prop_assert_eq!(serde_json::from_slice::<String>(&string).unwrap(), text);
        }
    }
}
