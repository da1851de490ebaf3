//! Documents that are signed and checked by others: their one form, and the shape of their fields.
//!
//! They are written in the one form of RFC 8785, of which they use texts, whole numbers, lists, objects, `true`, `false` and
//! `null`. A field that a verifier does not know could say anything to a reader, so it is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// What a value has to be.
pub enum Kind {
    /// A text.
    Text,
    /// One of these texts.
    Word(&'static [&'static str]),
    /// So many bytes in lower-case hexadecimal.
    Hex(usize),
    /// Bytes in Base64, the one way to write them.
    Base64,
    /// A moment, RFC 3339 in UTC.
    Time,
    /// A whole number.
    Number,
    /// Nothing, or this.
    OrNull(&'static Kind),
    /// True or false.
    Flag,
    /// These fields and no others.
    Fields(Fields),
    /// These fields, and whole numbers of any name.
    Counted(Fields),
    /// At least and at most so many of a kind.
    List(&'static Kind, usize, usize),
}

/// Fields with what each has to be.
pub type Fields = &'static [(&'static str, Kind)];

/// A credential, as every document shows the one that signed it.
pub const CREDENTIAL: Kind = Kind::Fields(&[
    ("id", Kind::Hex(16)),
    ("role", Kind::Text),
    ("kind", Kind::Text),
    ("verify_key", Kind::Hex(32)),
    ("envelope_key", Kind::Hex(32)),
    ("certificate", Kind::Hex(64)),
]);

/// The form of RFC 8785. Keys here are ASCII, so their order by bytes is that by UTF-16; numbers are whole and below
/// 2^53; and the texts are escaped by serde_json as the RFC asks.
pub fn canonical(object: &Map<String, Value>) -> String {
    // serde_json's map is sorted, as long as nobody turns on its feature `preserve_order`: a test asserts it.
    serde_json::to_string(object).expect("texts and numbers are valid JSON")
}

/// Reads a document that may end in one line feed; none when it is not in its one form. A field twice, a space, another
/// order of keys: none of these has a meaning, so none is taken.
pub fn parse(bytes: &[u8]) -> Option<Map<String, Value>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let Ok(Value::Object(object)) = serde_json::from_str(text) else { return None };
    (canonical(&object) == text && is_plain_object(&object)).then_some(object)
}

/// Why an object has not its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misshapen {
    /// This field is missing or not of its kind.
    Field(&'static str),
    /// It has a field that it should not have.
    Unknown,
}

/// Checks that an object has exactly these fields, each of its kind.
pub fn check(object: &Map<String, Value>, fields: Fields) -> Result<(), Misshapen> {
    if let Some((name, _)) = fields.iter().find(|(name, kind)| !object.get(*name).is_some_and(|one| kind.is(one))) {
        return Err(Misshapen::Field(name));
    }
    // All of them are there; what is more is a stranger.
    if object.len() == fields.len() { Ok(()) } else { Err(Misshapen::Unknown) }
}

impl Kind {
    fn is(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Text => text.is_some(),
            Self::Word(words) => text.is_some_and(|text| words.contains(&text)),
            Self::Hex(bytes) => text.is_some_and(|text| {
                text.len() == 2 * bytes && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
            }),
            Self::Base64 => text.is_some_and(|text| STANDARD.decode(text).is_ok_and(|it| STANDARD.encode(it) == text)),
            Self::Time => text.is_some_and(is_time),
            Self::Number => value.is_u64(),
            Self::OrNull(kind) => value.is_null() || kind.is(value),
            Self::Flag => value.is_boolean(),
            Self::Fields(fields) => value.as_object().is_some_and(|object| {
                object.len() == fields.len()
                    && fields.iter().all(|(name, kind)| object.get(*name).is_some_and(|value| kind.is(value)))
            }),
            Self::Counted(fields) => value.as_object().is_some_and(|object| {
                let known = |key: &str| fields.iter().any(|(name, _)| *name == key);
                fields.iter().all(|(name, kind)| object.get(*name).is_some_and(|value| kind.is(value)))
                    && object.iter().all(|(key, value)| known(key) || value.is_u64())
            }),
            Self::List(kind, least, most) => value
                .as_array()
                .is_some_and(|list| (*least..=*most).contains(&list.len()) && list.iter().all(|one| kind.is(one))),
        }
    }
}

/// `YYYY-MM-DDThh:mm:ss`, a fraction of one to nine digits or none, `Z`; each number in its range.
fn is_time(text: &str) -> bool {
    let Some((whole, rest)) = text.split_at_checked(19) else { return false };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (Some(fraction), whole) = (rest.strip_suffix('Z'), whole.as_bytes()) else { return false };
    let field = |at: usize| match whole.get(at..at + 2) {
        Some([tens @ b'0'..=b'9', ones @ b'0'..=b'9']) => Some((tens - b'0') * 10 + ones - b'0'),
        _ => None,
    };
    let within = |at, least, most| field(at).is_some_and(|number| (least..=most).contains(&number));
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    (fraction.is_empty() || fraction.strip_prefix('.').is_some_and(|it| is_digits(it) && it.len() <= 9))
        && marks.iter().all(|(at, mark)| whole.get(*at) == Some(mark))
        && within(0, 0, 99)
        && within(2, 0, 99)
        && within(5, 1, 12)
        && within(8, 1, 31)
        && within(11, 0, 23)
        && within(14, 0, 59)
        && within(17, 0, 59)
}

/// Whether a value has nothing that could be read in two ways: no fraction, no number of 2^53 or more.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_u64().is_some_and(|number| number < 1 << 53),
        Value::Array(list) => list.iter().all(is_plain),
        Value::Object(object) => is_plain_object(object),
        _ => true,
    }
}

fn is_plain_object(object: &Map<String, Value>) -> bool {
    object.values().all(is_plain) && object.keys().all(|key| key.is_ascii())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_one_form_is_sorted_dense_and_escapes_as_little_as_it_may() {
        let value = json!({ "b": 1, "a": { "z": "\u{8}\t\n\u{c}\r\"\\\u{1f}\u{7f}é\u{2028}", "y": [true, null] } });
        let Value::Object(object) = value else { panic!("an object") };
        assert_eq!(
            canonical(&object),
            "{\"a\":{\"y\":[true,null],\"z\":\"\\b\\t\\n\\f\\r\\\"\\\\\\u001f\u{7f}é\u{2028}\"},\"b\":1}"
        );
    }

    #[test]
    fn a_moment_is_written_one_way() {
        for good in ["2026-11-26T20:47:38Z", "2026-01-31T00:00:00.5Z", "9999-12-31T23:59:59.123456789Z"] {
            assert!(is_time(good), "{good}");
        }
        for bad in [
            "",
            "2026-11-26",
            "2026-11-26T20:47:38",
            "2026-11-26T20:47:38+00:00",
            "2026-13-26T20:47:38Z",
            "2026-11-32T20:47:38Z",
            "2026-11-26T24:00:00Z",
            "2026-11-26T20:47:60Z",
            "2026-11-26T20:47:38.Z",
            "2026-11-26T20:47:38.1234567890Z",
            "2026-11-26 20:47:38Z",
            "20é6-11-26T20:47:38Z",
        ] {
            assert!(!is_time(bad), "{bad}");
        }
    }
}
