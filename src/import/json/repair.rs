//! Rewrites JSON that strict parsers refuse into JSON they read, counting every change.
//!
//! Used only after the typed parse failed: the vault keeps the original bytes in any case, this
//! decides what is shown of them.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// Deepest nesting that is kept. serde_json refuses 128; LibreChat nests two levels a turn.
const MAX_DEPTH: usize = 100;

/// What stands for a value that was nested too deeply.
const PLACEHOLDER: &[u8] = b"\"[nested too deeply]\"";

/// Changes by kind, with how often.
pub type Repairs = BTreeMap<&'static str, u64>;

/// Rewrites `bytes` where needed; borrowed back when nothing was.
pub fn repair(bytes: &[u8]) -> (Cow<'_, [u8]>, Repairs) {
    let mut state = Repair { input: bytes, at: 0, out: Vec::with_capacity(bytes.len()), repairs: Repairs::new() };
    state.run();
    if state.repairs.is_empty() {
        (Cow::Borrowed(bytes), state.repairs)
    } else {
        (Cow::Owned(state.out), state.repairs)
    }
}

struct Repair<'a> {
    input: &'a [u8],
    at: usize,
    out: Vec<u8>,
    repairs: Repairs,
}

impl Repair<'_> {
    fn count(&mut self, kind: &'static str) {
        *self.repairs.entry(kind).or_default() += 1;
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.input.get(self.at + ahead).copied()
    }

    fn run(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'"' => self.string(),
                b'{' | b'[' if depth >= MAX_DEPTH => self.replace_nested(),
                b'{' | b'[' => {
                    depth += 1;
                    self.copy();
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    self.copy();
                }
                b'N' | b'I' | b'-' => self.word_for_no_number(),
                _ => self.copy(),
            }
        }
    }

    fn copy(&mut self) {
        self.out.extend(self.peek(0));
        self.at += 1;
    }

    /// Python writes `NaN`, `Infinity` and `-Infinity`, which JSON does not have.
    fn word_for_no_number(&mut self) {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let word = [&b"NaN"[..], b"Infinity", b"-Infinity"].into_iter().find(|word| rest.starts_with(word));
        if let Some(word) = word {
            self.out.extend_from_slice(b"null");
            self.at += word.len();
            self.count("not a number");
        } else {
            self.copy();
        }
    }

    /// Skips a value that is nested too deeply and leaves the placeholder.
    fn replace_nested(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                b'"' => {
                    while let Some(byte) = self.peek(0) {
                        self.at += if byte == b'\\' { 2 } else { 1 };
                        if byte == b'"' {
                            break;
                        }
                    }
                }
                _ => {}
            }
        }
        self.out.extend_from_slice(PLACEHOLDER);
        self.count("deep nesting");
    }

    fn string(&mut self) {
        self.copy();
        loop {
            let rest = self.input.get(self.at..).unwrap_or_default();
            let plain = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len());
            self.plain(plain);
            match self.peek(0) {
                None => return,
                Some(b'"') => return self.copy(),
                Some(b'\\') => self.escape(),
                Some(control) => {
                    self.at += 1;
                    self.out.extend_from_slice(format!("\\u{control:04x}").as_bytes());
                    self.count("raw control character");
                }
            }
        }
    }

    /// Copies the next `length` bytes, which hold no quote, escape or control character.
    fn plain(&mut self, length: usize) {
        let end = self.at + length;
        let piece = self.input.get(self.at..end).unwrap_or_default();
        self.at = end;
        for chunk in piece.utf8_chunks() {
            self.out.extend_from_slice(chunk.valid().as_bytes());
            if !chunk.invalid().is_empty() {
                self.out.extend_from_slice("\u{fffd}".as_bytes());
                *self.repairs.entry("invalid UTF-8").or_default() += 1;
            }
        }
    }

    /// The value of `width` hexadecimal digits that stand `ahead` bytes on.
    fn hex(&self, ahead: usize, width: usize) -> Option<u32> {
        let from = self.at + ahead;
        let digits = self.input.get(from..from + width)?;
        digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
    }

    fn escape(&mut self) {
        match self.peek(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.copy();
                self.copy();
            }
            Some(b'u') => match self.hex(2, 4) {
                Some(high @ 0xd800..0xdc00) => {
                    let paired = self.peek(6) == Some(b'\\')
                        && self.peek(7) == Some(b'u')
                        && matches!(self.hex(8, 4), Some(0xdc00..0xe000));
                    if paired {
                        for _ in 0..12 {
                            self.copy();
                        }
                    } else {
                        self.lone_surrogate(high);
                    }
                }
                Some(low @ 0xdc00..0xe000) => self.lone_surrogate(low),
                Some(_) => {
                    for _ in 0..6 {
                        self.copy();
                    }
                }
                None => self.invalid_escape(),
            },
            Some(b'x') => match self.hex(2, 2) {
                Some(value) => {
                    self.out.extend_from_slice(format!("\\u{value:04x}").as_bytes());
                    self.at += 4;
                    self.count("\\x escape");
                }
                None => self.invalid_escape(),
            },
            _ => self.invalid_escape(),
        }
    }

    fn lone_surrogate(&mut self, _value: u32) {
        self.out.extend_from_slice("\u{fffd}".as_bytes());
        self.at += 6;
        self.count("lone surrogate");
    }

    /// Keeps the backslash as a character of the text.
    fn invalid_escape(&mut self) {
        self.out.extend_from_slice(b"\\\\");
        self.at += 1;
        self.count("invalid escape");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(input: &[u8]) -> (String, Vec<(&'static str, u64)>) {
        let (bytes, repairs) = repair(input);
        let text = String::from_utf8(bytes.into_owned()).expect("repaired text is UTF-8");
        serde_json::from_str::<serde_json::Value>(&text).expect("repaired text parses");
        (text, repairs.into_iter().collect())
    }

    #[test]
    fn every_trap_comes_out_as_json() {
        type Case<'a> = (&'a [u8], &'a str, &'a [(&'a str, u64)]);
        let cases: [Case<'_>; 10] = [
            (br#"["a\x01b"]"#, r#"["a\u0001b"]"#, &[("\\x escape", 1)]),
            (br#"["\ud83d "]"#, "[\"\u{fffd} \"]", &[("lone surrogate", 1)]),
            (br#"["\ude00\ud83d\ude00"]"#, "[\"\u{fffd}\\ud83d\\ude00\"]", &[("lone surrogate", 1)]),
            (b"[\"a\x01\nb\"]", "[\"a\\u0001\\u000ab\"]", &[("raw control character", 2)]),
            (br#"["\q\u12G4\x9"]"#, r#"["\\q\\u12G4\\x9"]"#, &[("invalid escape", 3)]),
            (b"[\"a\xff\xc3(\"]", "[\"a\u{fffd}\u{fffd}(\"]", &[("invalid UTF-8", 2)]),
            (b"[NaN,-Infinity,-1]", "[null,null,-1]", &[("not a number", 2)]),
            (br#"{"a":"NaN"}"#, r#"{"a":"NaN"}"#, &[]),
            (br#"["\\x01"]"#, r#"["\\x01"]"#, &[]),
            (br#"["\u00e9 \" \\"]"#, r#"["\u00e9 \" \\"]"#, &[]),
        ];
        for (input, output, repairs) in cases {
            assert_eq!(repaired(input), (output.to_owned(), repairs.to_vec()));
        }
    }

    #[test]
    fn deep_nesting_is_cut_and_what_follows_survives() {
        for depth in [200, 100_000] {
            let input = format!("[{}\"]\"{},7]", "[".repeat(depth), "]".repeat(depth));
            let (text, repairs) = repaired(input.as_bytes());
            assert_eq!(text, format!("[{}\"[nested too deeply]\"{},7]", "[".repeat(99), "]".repeat(99)));
            assert_eq!(repairs, [("deep nesting", 1)]);
        }
    }

    #[test]
    fn input_that_ends_anywhere_does_no_harm() {
        let input = br#"{"a":"\ud83d\ude00\x01\u00e9","b":[[["#;
        for end in 0..input.len() {
            repair(&input[..end]);
        }
    }
}
