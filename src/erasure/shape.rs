//! The shape of a receipt: exactly these fields, each of its kind; `docs/receipt.md` lists them.

use serde_json::{Map, Value};

use super::verify::Refusal;
use crate::signed_json::{self, CREDENTIAL, Fields, Kind, Misshapen};

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
    ("credentials", Kind::List(&CREDENTIAL, 1, 4)),
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
    (
        "copies",
        Kind::List(
            &Kind::Fields(&[
                ("id", Kind::Hex(16)),
                ("kind", Kind::Word(&["export", "named"])),
                ("made", Kind::Time),
                ("protection", Kind::Text),
            ]),
            0,
            MANY,
        ),
    ),
];

/// Checks a receipt without its signature.
pub(super) fn check(receipt: &Map<String, Value>) -> Result<(), Refusal> {
    signed_json::check(receipt, RECEIPT).map_err(|misshapen| match misshapen {
        Misshapen::Field(name) => Refusal::Field(name),
        Misshapen::Unknown => Refusal::Unknown,
    })
}
