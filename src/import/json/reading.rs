//! JSON read as it stands, and a second time repaired where strict parsers refuse it.

use std::borrow::Cow;

use super::repair::{Repairs, repair};
use super::tolerant::Recorder;
use crate::import::{Notes, Problem, Unit};

/// Reads a unit that is one JSON value.
///
/// `build` parses and builds; it may be called twice, and only what the last call returns counts. Its
/// own refusals are the inner error, in one lower-case clause without content.
pub fn unit<R>(
    unit: &Unit,
    mut build: impl FnMut(&[u8], &Recorder) -> Result<Result<R, String>, serde_json::Error>,
) -> Result<(R, Notes), Problem> {
    let mut notes = Notes::default();
    let problem = |reason: String| Problem { place: unit.place.clone(), reason };
    match attempt(&unit.bytes, &mut notes, &mut build) {
        Ok(Ok(built)) => Ok((built, notes)),
        Ok(Err(reason)) => Err(problem(reason)),
        // Only the place: serde's own words may quote the text.
        Err(error) => {
            Err(problem(format!("not valid JSON at line {}, column {} of the entry", error.line(), error.column())))
        }
    }
}

/// Reads JSON as it stands when that is sound, else repaired; notes of the attempt that succeeds are kept.
pub(super) fn attempt<R>(
    json: &[u8],
    notes: &mut Notes,
    read: &mut impl FnMut(&[u8], &Recorder) -> Result<R, serde_json::Error>,
) -> Result<R, serde_json::Error> {
    let (mut sound, mut repairs) = match may_hide_damage(json) {
        true => repair(json),
        false => (Cow::Borrowed(json), Repairs::new()),
    };
    let mut recorder = Recorder::default();
    let mut result = read(&sound, &recorder);
    if result.is_err() && repairs.is_empty() {
        (sound, repairs) = repair(json);
        if !repairs.is_empty() {
            recorder = Recorder::default();
            result = read(&sound, &recorder);
        }
    }
    let read = result?;
    for (kind, count) in repairs {
        recorder.repaired_times(kind, count);
    }
    if recorder.is_damaged() {
        recorder.repaired("field left out");
    }
    let own = recorder.finish();
    if own != Notes::default() {
        notes.add(own);
    }
    Ok(read)
}

/// Whether values that are skipped at first may fail to decode later: text that is not UTF-8, and surrogates, of
/// which one may stand alone. Everything else that is no JSON fails at once.
fn may_hide_damage(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(at) = memchr::memmem::find(rest, b"\\u") {
        rest = rest.get(at + 2..).unwrap_or_default();
        match rest {
            [
                b'd' | b'D',
                b'8' | b'9' | b'a' | b'b' | b'A' | b'B',
                _,
                _,
                b'\\',
                b'u',
                b'd' | b'D',
                b'c'..=b'f' | b'C'..=b'F',
                ..,
            ] => {
                rest = rest.get(10..).unwrap_or_default();
            }
            [b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..] => return true,
            _ => {}
        }
    }
    std::str::from_utf8(json).is_err()
}
