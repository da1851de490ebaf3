//! The shape of a receipt: exactly these fields, each of its kind; `docs/receipt.md` lists them.
//!
//! A field that a verifier does not know could say anything to a reader, so it is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::verify::Refusal;

/// What a value has to be.
enum Kind {
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
    /// True or false.
    Flag,
    /// These fields and no others.
    Fields(Fields),
    /// These fields, and whole numbers of any name.
    Counted(Fields),
    /// At least and at most so many of a kind.
    List(&'static Kind, usize, usize),
}

type Fields = &'static [(&'static str, Kind)];

const MANY: usize = usize::MAX;
const CLASS: Kind = Kind::Word(&["E1", "E2", "E3"]);
const DOCUMENT: Kind = Kind::Fields(&[("version", Kind::Number), ("hash", Kind::Hex(32))]);

/// A receipt without its signature.
const RECEIPT: Fields = &[
    ("schema", Kind::Text),
    ("vault", Kind::Hex(16)),
    ("sequence", Kind::Number),
    ("id", Kind::Hex(16)),
    ("reason", Kind::Word(&["request", "policy", "superseded"])),
    ("rules", Kind::List(&Kind::Number, 0, MANY)),
    ("requested_at", Kind::Time),
    ("verified_at", Kind::Time),
    ("tool", Kind::Fields(&[("name", Kind::Text), ("version", Kind::Text)])),
    (
        "environment",
        Kind::Fields(&[
            ("anchor", Kind::Word(&["embedded", "file"])),
            ("file_system", Kind::Text),
            ("journal", Kind::Text),
            ("secure_delete", Kind::Flag),
        ]),
    ),
    ("class", CLASS),
    ("conversations", Kind::Number),
    ("bytes", Kind::Number),
    (
        "segments",
        Kind::List(
            &Kind::Fields(&[
                ("leaf", Kind::Number),
                ("superseded", Kind::Flag),
                ("segment", Kind::Hex(16)),
                ("manifest", Kind::Hex(32)),
                ("facts", Kind::Hex(32)),
                ("commitment", Kind::Hex(32)),
                ("class", CLASS),
                ("fingerprints", Kind::List(&Kind::Hex(8), 0, super::SAMPLES)),
            ]),
            1,
            MANY,
        ),
    ),
    ("fingerprint_key", Kind::Hex(24)),
    ("storage_time", Kind::Word(&["signer's word"])),
    ("before", Kind::Base64),
    ("after", Kind::Base64),
    ("multiproof", Kind::Base64),
    ("checkpoint", Kind::Text),
    ("owner", Kind::Hex(32)),
    (
        "credentials",
        Kind::List(
            &Kind::Fields(&[
                ("id", Kind::Hex(16)),
                ("role", Kind::Text),
                ("kind", Kind::Text),
                ("verify_key", Kind::Hex(32)),
                ("envelope_key", Kind::Hex(32)),
                ("certificate", Kind::Hex(64)),
            ]),
            1,
            4,
        ),
    ),
    ("signer", Kind::Hex(16)),
    ("policy", DOCUMENT),
    ("holds", DOCUMENT),
    (
        "checks",
        Kind::List(
            &Kind::Counted(&[
                ("name", Kind::Text),
                ("result", Kind::Text),
                ("says", Kind::Text),
                ("bytes", Kind::Number),
            ]),
            3,
            16,
        ),
    ),
    ("not_covered", Kind::List(&Kind::Text, 1, 64)),
    // Nobody knows copies in this version.
    ("copies", Kind::List(&Kind::Text, 0, 0)),
];

/// Checks a receipt without its signature.
pub(super) fn check(receipt: &Map<String, Value>) -> Result<(), Refusal> {
    if let Some((name, _)) = RECEIPT.iter().find(|(name, kind)| !receipt.get(*name).is_some_and(|one| kind.is(one))) {
        return Err(Refusal::Field(name));
    }
    // All of them are there; what is more is a stranger.
    if receipt.len() == RECEIPT.len() { Ok(()) } else { Err(Refusal::Unknown) }
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

#[cfg(test)]
mod tests {
    use super::*;

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
