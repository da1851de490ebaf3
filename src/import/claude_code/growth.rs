//! Two originals of one session made one: of every file the longer, and the files that one of them alone has.
//!
//! An original is a file as it was, or a zip of several. A single file has no name in it, so files are
//! known by what they are: the session's own, the log of an agent by the agent's id, the rest by name.

use super::look::{is_web, look};
use super::scan;
use super::survey::folder;
use super::{ZIP, survey::Where};
use crate::bundle::{Bundle, pack};
use crate::import::growth::{Growth, of_file};
use crate::import::json::lines::lines;
use crate::import::members::{self, MAX_WHOLE};

/// What a file of a session is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Identity {
    Main,
    Agent(String),
    Other(String),
}

struct File {
    identity: Identity,
    name: String,
    bytes: Vec<u8>,
}

/// How `stored` and `incoming` are related; none when a file of both is not one the beginning of the other.
pub(super) fn growth(stored: &[u8], incoming: &[u8]) -> Option<Growth> {
    if !stored.starts_with(ZIP) && !incoming.starts_with(ZIP) {
        let same_file = of_file(stored, incoming);
        if same_file.is_some() {
            return same_file;
        }
    }
    let mut united = files(stored)?;
    let (mut all_stored, mut all_incoming) = (true, true);
    let incoming = files(incoming)?;
    all_incoming &= united.iter().all(|file| incoming.iter().any(|other| other.identity == file.identity));
    for file in incoming {
        let Some(known) = united.iter_mut().find(|known| known.identity == file.identity) else {
            all_stored = false;
            united.push(file);
            continue;
        };
        match of_file(&known.bytes, &file.bytes)? {
            Growth::Stored => all_incoming &= known.bytes.len() == file.bytes.len(),
            _ => {
                all_stored = false;
                known.bytes = file.bytes;
            }
        }
    }
    if all_stored {
        return Some(Growth::Stored);
    }
    if all_incoming {
        return Some(Growth::Incoming);
    }
    if united.iter().map(|file| file.bytes.len()).sum::<usize>() > MAX_WHOLE {
        return None;
    }
    // As a tree with all of them gives them.
    united.sort_by(|one, other| {
        let key = |file: &File| (file.identity != Identity::Main, file.name.contains('/'));
        (key(one), &one.name).cmp(&(key(other), &other.name))
    });
    let united: Vec<_> = united.iter().map(|file| (file.name.as_str(), file.bytes.as_slice())).collect();
    pack(&united).ok().map(Growth::Both)
}

/// The files of an original; none when two of them are the same, and of a session of the web, which is written anew.
fn files(original: &[u8]) -> Option<Vec<File>> {
    if !original.starts_with(ZIP) {
        if is_web(original) {
            return None;
        }
        return Some(vec![alone(original)?]);
    }
    let bundle = Bundle::from_bytes("session", original.to_vec()).ok()?;
    let mut files: Vec<File> = Vec::new();
    for member in 0..bundle.members().len() {
        let bytes = members::whole(&bundle, member).ok()?.ok()?;
        let name = members::name(&bundle, member);
        let identity = identity(&name, &bytes);
        if files.iter().any(|other| other.identity == identity) {
            return None;
        }
        files.push(File { identity, name, bytes });
    }
    Some(files)
}

/// A file that stands alone, under the name a tree would give it.
fn alone(bytes: &[u8]) -> Option<File> {
    let session = folder(&look(bytes)?.session?);
    let identity = identity("", bytes);
    let name = match &identity {
        Identity::Agent(agent) => format!("{session}/subagents/agent-{}.jsonl", folder(agent)),
        _ => format!("{session}.jsonl"),
    };
    Some(File { identity, name, bytes: bytes.to_vec() })
}

fn identity(name: &str, bytes: &[u8]) -> Identity {
    let place = Where::of(name);
    let is_log = name.is_empty() || name.ends_with(".jsonl");
    let is_beside = place.is_in("tool-results") || !is_log;
    let seen = look(bytes).filter(|_| !is_beside);
    if seen.as_ref().is_some_and(|seen| seen.is_agent) || (is_log && place.is_in("subagents")) {
        let agent = lines(bytes).find_map(|line| {
            let (_, value) = scan::fields(line.bytes).find(|(key, _)| *key == b"agentId")?;
            scan::string(value)
        });
        let agent = agent.map(|agent| String::from_utf8_lossy(agent).into_owned());
        return Identity::Agent(agent.unwrap_or_else(|| name.to_owned()));
    }
    match is_beside {
        true => Identity::Other(name.to_owned()),
        false => Identity::Main,
    }
}
