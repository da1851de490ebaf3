//! Cuts a bundle into sessions: a file as it is, the lines of one session out of a file of several, and a session of
//! several files as one zip.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::scan;
use super::survey::{Group, Survey, folder};
use crate::bundle::{Bundle, BundleError, pack};
use crate::import::json::lines::lines;
use crate::import::members::{self, MAX_WHOLE};
use crate::import::{Context, Emit, Problem, Unit};

/// The lines of one session.
pub(super) struct Cut {
    pub(super) session: String,
    pub(super) bytes: Vec<u8>,
    /// The session its first record goes on from.
    pub(super) continues: Option<String>,
}

/// Emits every session of the bundle.
pub(super) fn split(bundle: &Bundle, context: &Context, survey: &Survey, emit: Emit<'_>) -> Result<(), BundleError> {
    for problem in &context.problems {
        if emit(Err(problem.clone())).is_break() {
            return Ok(());
        }
    }
    for group in &survey.groups {
        if each_session(bundle, survey, group, emit)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn each_session(
    bundle: &Bundle,
    survey: &Survey,
    group: &Group,
    emit: Emit<'_>,
) -> Result<ControlFlow<()>, BundleError> {
    let all: Vec<usize> = (0..group.sides.len()).collect();
    let Some(main) = group.main else {
        let member = group.sides.first().map_or(0, |side| side.member);
        let place = members::name(bundle, member);
        let of = Whole { member, place, folder: &group.folder, main: None, sides: all };
        return session(bundle, group, of, emit);
    };
    let place = members::name(bundle, main);
    let bytes = match members::whole(bundle, main)? {
        Ok(bytes) => bytes,
        Err(problem) => return Ok(emit(Err(problem))),
    };
    if !has_several(&bytes) {
        let file_name = place.rsplit('/').next().unwrap_or(&place).to_owned();
        let own = Some((file_name, bytes));
        let of = Whole { member: main, place, folder: &group.folder, main: own, sides: all };
        return session(bundle, group, of, emit);
    }
    let cuts = cut(&bytes);
    drop(bytes);
    let numbers: HashMap<&str, usize> = (0..).zip(&cuts).map(|(at, cut)| (cut.session.as_str(), at)).collect();
    let mut homes: HashMap<usize, Vec<usize>> = HashMap::new();
    for (side, named) in group.sides.iter().map(|side| side.session.as_deref()).enumerate() {
        let home = named.and_then(|named| numbers.get(named).copied()).unwrap_or(0);
        homes.entry(home).or_default().push(side);
    }
    drop(numbers);
    for (number, Cut { session: id, bytes, continues }) in cuts.into_iter().enumerate() {
        let place = format!("{place}[{number}]");
        if let (Some(from), Ok(mut known)) = (continues, survey.continues.lock()) {
            known.insert(place.clone(), from);
        }
        let sides = homes.remove(&number).unwrap_or_default();
        let folder = folder(&id);
        let own = Some((format!("{folder}.jsonl"), bytes));
        let of = Whole { member: main, place, folder: &folder, main: own, sides };
        if session(bundle, group, of, emit)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// The files that make one session.
struct Whole<'a> {
    member: usize,
    place: String,
    /// The folder of its files beside its own.
    folder: &'a str,
    /// Its own file, when it has one.
    main: Option<(String, Vec<u8>)>,
    /// Which of the group's other files are its.
    sides: Vec<usize>,
}

/// Emits one session.
fn session(bundle: &Bundle, group: &Group, of: Whole<'_>, emit: Emit<'_>) -> Result<ControlFlow<()>, BundleError> {
    let Whole { member, place, folder, main, sides } = of;
    let mut files: Vec<(String, Vec<u8>)> = main.into_iter().collect();
    let mut total: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    for side in sides.iter().filter_map(|side| group.sides.get(*side)) {
        let problem = match members::whole(bundle, side.member)? {
            Ok(bytes) if total + bytes.len() <= MAX_WHOLE => {
                total += bytes.len();
                files.push((side.name(folder), bytes));
                continue;
            }
            Ok(_) => {
                let reason = format!("the session and its agents are larger than {} MiB", MAX_WHOLE >> 20);
                Problem { place: members::name(bundle, side.member), reason }
            }
            Err(problem) => problem,
        };
        if emit(Err(problem)).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    let bytes = match files.as_mut_slice() {
        [] => return Ok(ControlFlow::Continue(())),
        [(_, only)] => std::mem::take(only),
        several => {
            let several: Vec<_> = several.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
            match pack(&several) {
                Ok(bytes) => bytes,
                Err(error) => return Ok(emit(Err(Problem { place, reason: error.to_string() }))),
            }
        }
    };
    Ok(emit(Ok(Unit { member, place, bytes, ..Unit::default() })))
}

/// Whether a log names more than one session: every value beside `"sessionId"` is compared with the first. A key
/// inside a result may say another; then the lines are looked at one by one.
fn has_several(bytes: &[u8]) -> bool {
    let mut first: Option<&[u8]> = None;
    for at in memchr::memmem::find_iter(bytes, b"\"sessionId\"") {
        let rest = bytes.get(at + 11..).unwrap_or_default().trim_ascii_start();
        let Some(value) = rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start) else { continue };
        match first {
            None => {
                let end = value.get(1..).and_then(|text| memchr::memchr(b'"', text));
                first = end.and_then(|end| value.get(..end + 2));
            }
            Some(first) if value.starts_with(first) => {}
            Some(_) => return lines(bytes).filter_map(|line| session_of(line.bytes)).any(|one| Some(one) != first.and_then(scan::string)),
        }
    }
    false
}

fn session_of(line: &[u8]) -> Option<&[u8]> {
    scan::fields(line).find(|(key, _)| *key == b"sessionId").and_then(|(_, value)| scan::string(value))
}

/// The lines of each session, in the order in which the sessions first appear. A line that names none goes with the
/// one before, the first ones with the first session.
fn cut(bytes: &[u8]) -> Vec<Cut> {
    let mut cuts: Vec<Cut> = Vec::new();
    let mut known: HashMap<&[u8], usize> = HashMap::new();
    let mut homes: HashMap<&[u8], usize> = HashMap::new();
    let mut began: Vec<bool> = Vec::new();
    let mut at = 0;
    let mut pending = 0;
    let mut starts = lines(bytes).peekable();
    while let Some(line) = starts.next() {
        let end = starts.peek().map_or(bytes.len(), |next| next.start);
        let (mut session, mut uuid, mut parent) = (None, None, None);
        for (key, value) in scan::fields(line.bytes) {
            match key {
                b"sessionId" => session = scan::string(value),
                b"uuid" => uuid = scan::string(value),
                b"parentUuid" => parent = scan::string(value),
                _ => {}
            }
        }
        let Some(home) = session.map(|id| {
            *known.entry(id).or_insert_with(|| {
                let session = String::from_utf8_lossy(id).into_owned();
                cuts.push(Cut { session, bytes: Vec::new(), continues: None });
                began.push(false);
                cuts.len() - 1
            })
        }).or_else(|| cuts.len().checked_sub(1).map(|_| at)) else {
            // Nothing is named yet: these lines wait at the front of the file.
            pending = end;
            continue;
        };
        at = home;
        if let (Some(parent), false) = (parent, began[home]) {
            let from = homes.get(parent).filter(|from| **from != home);
            let from = from.and_then(|from| cuts.get(*from)).map(|cut| cut.session.clone());
            cuts[home].continues = from;
            began[home] = true;
        }
        if let Some(uuid) = uuid {
            homes.entry(uuid).or_insert(home);
        }
        let start = if pending > 0 { 0 } else { line.start };
        pending = 0;
        cuts[home].bytes.extend_from_slice(bytes.get(start..end).unwrap_or_default());
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_with_their_session_and_the_rest_with_the_line_before() {
        let log = b"{\"x\":1}\n{\"sessionId\":\"a\",\"uuid\":\"1\"}\n\n42\n{\"sessionId\": \"b\",\"parentUuid\":\"1\"}\r\n{\"sessionId\":\"a\"}\nbad";
        assert!(has_several(log));
        let told: Vec<_> = cut(log).into_iter().map(|cut| (cut.session, cut.bytes, cut.continues)).collect();
        let a = b"{\"x\":1}\n{\"sessionId\":\"a\",\"uuid\":\"1\"}\n\n42\n{\"sessionId\":\"a\"}\nbad".to_vec();
        let b = b"{\"sessionId\": \"b\",\"parentUuid\":\"1\"}\r\n".to_vec();
        assert_eq!(told, [("a".to_owned(), a, None), ("b".to_owned(), b, Some("a".to_owned()))]);
    }

    #[test]
    fn a_session_named_inside_a_result_is_no_second_one() {
        let inside = b"{\"sessionId\":\"a\",\"toolUseResult\":{\"sessionId\":\"b\"}}\n{\"sessionId\":\"a\"}";
        assert!(!has_several(inside));
        assert!(!has_several(b"{\"sessionId\":\"a\",\"text\":\"\\\"sessionId\\\":\\\"b\\\"\"}"));
        assert!(!has_several(b"{\"sessionId\":null}\n{\"sessionId\":\"a"));
    }
}
