//! Sessions of Claude Code: the logs below `~/.claude/projects`, with those of their agents, and sessions of the web.
//!
//! `docs/formats/claude-code.md` describes the source and its traps.

mod agents;
mod closing;
mod growth;
mod look;
mod order;
mod parts;
mod record;
mod scan;
mod session;
mod survey;
mod units;
mod wrapped;

use std::collections::HashMap;

use self::session::Session;
use self::survey::{SideKind, Survey};
use super::growth::Growth;
use super::members::{self, MAX_WHOLE};
use super::{Context, Emit, Evidence, Importer, Parsed, Problem, Sample, Unit, Unread};
use crate::bundle::{Bundle, BundleError};
use crate::crypto::hash::labelled;

/// How the zip begins that a session of several files is kept as.
const ZIP: &[u8] = b"PK\x03\x04";

/// The format.
pub struct Format;

impl Importer for Format {
    fn name(&self) -> &'static str {
        "claude-code"
    }

    fn about(&self) -> &'static str {
        "Claude Code sessions: ~/.claude/projects, one of its folders, a .jsonl file, or a session of the web"
    }

    fn keeps(&self) -> &'static str {
        "prompts, answers, reasoning, tool calls and results, agents and what they said, hidden context, rewound branches, pictures, long results beside the log"
    }

    fn loses(&self) -> &'static str {
        "the source deletes old logs, encrypts some reasoning and keeps files it changed elsewhere; usage and cost stay in the original only"
    }

    fn accumulates(&self) -> bool {
        true
    }

    fn growth(&self, stored: &[u8], incoming: &[u8]) -> Option<Growth> {
        growth::growth(stored, incoming)
    }

    fn probe(&self, sample: &Sample) -> Option<Evidence> {
        sample.heads.iter().find_map(|head| {
            let shows = look::look(&head.bytes)?.shows;
            Some(Evidence { member: head.member, shows })
        })
    }

    fn prepare(&self, bundle: &Bundle) -> Result<Context, BundleError> {
        let (mut context, survey) = survey::survey(bundle)?;
        context.own = Some(Box::new(survey));
        Ok(context)
    }

    fn split(&self, bundle: &Bundle, context: &Context, emit: Emit<'_>) -> Result<(), BundleError> {
        match known(context) {
            Some(survey) => units::split(bundle, context, survey, emit),
            None => {
                let (context, survey) = survey::survey(bundle)?;
                units::split(bundle, &context, &survey, emit)
            }
        }
    }

    fn parse(&self, context: &Context, unit: &Unit) -> Result<Parsed, Unread> {
        let problem = |error: BundleError| Problem { place: unit.place.clone(), reason: error.to_string() };
        let mut session = Session::new();
        let files = match unit.bytes.starts_with(ZIP) {
            true => unpack(unit).map_err(problem)??,
            false => Vec::new(),
        };
        if unit.bytes.starts_with(ZIP) {
            read_all(&mut session, &files);
        } else if look::is_web(&unit.bytes) {
            session.web(&unit.place, &unit.bytes);
        } else {
            session.main(&unit.place, &unit.bytes);
        }
        session.link_agents();
        session.close();
        session.arrange();
        if session.conversation.messages.is_empty() {
            return Err(match session.problems.into_iter().next() {
                Some(problem) => Unread::Problem(problem),
                None => Unread::Empty("session without a message"),
            });
        }
        session.conversation.native_id = session.id().unwrap_or_else(|| derived_id(context, unit));
        if session.conversation.continues.is_none() {
            let continues = known(context).and_then(|survey| survey.continues.lock().ok()?.get(&unit.place).cloned());
            session.conversation.continues = continues;
        }
        Ok(Parsed::new(session.conversation, session.notes, session.problems))
    }
}

fn known(context: &Context) -> Option<&Survey> {
    context.own.as_ref()?.downcast_ref::<Survey>()
}

/// A file of a session.
struct SessionFile {
    /// None for the session's own.
    kind: Option<SideKind>,
    name: String,
    bytes: Vec<u8>,
}

/// The files of a session that is kept as a zip.
fn unpack(unit: &Unit) -> Result<Result<Vec<SessionFile>, Problem>, BundleError> {
    let bundle = Bundle::from_bytes("session", unit.bytes.clone())?;
    let (_, survey) = survey::survey(&bundle)?;
    let mut files = Vec::new();
    let mut total = 0;
    for group in &survey.groups {
        let main = group.main.map(|member| (member, None, members::name(&bundle, member)));
        let sides = group.sides.iter().map(|side| (side.member, Some(side.kind), side.name(&group.folder)));
        for (member, kind, name) in main.into_iter().chain(sides) {
            let bytes = match members::whole(&bundle, member)? {
                Ok(bytes) => bytes,
                Err(problem) => return Ok(Err(problem)),
            };
            total += bytes.len();
            if total > MAX_WHOLE {
                let reason = format!("larger than {} MiB", MAX_WHOLE >> 20);
                return Ok(Err(Problem { place: unit.place.clone(), reason }));
            }
            files.push(SessionFile { kind, name, bytes });
        }
    }
    Ok(Ok(files))
}

fn read_all<'a>(session: &mut Session<'a>, files: &'a [SessionFile]) {
    for file in files.iter().filter(|file| file.kind == Some(SideKind::Result)) {
        let name = file.name.rsplit('/').next().unwrap_or(&file.name);
        session.files.beside.insert(name.to_owned(), file.bytes.clone());
    }
    for file in files.iter().filter(|file| file.kind.is_none()) {
        session.main(&file.name, &file.bytes);
    }
    let notes = files.iter().filter(|file| file.kind == Some(SideKind::Meta));
    let notes: HashMap<&str, &[u8]> = notes.map(|note| (note.name.as_str(), note.bytes.as_slice())).collect();
    for file in files.iter().filter(|file| file.kind == Some(SideKind::Agent)) {
        let note = file.name.strip_suffix(".jsonl").map(|name| format!("{name}.meta.json"));
        session.agent(&file.name, &file.bytes, note.and_then(|note| notes.get(note.as_str()).copied()));
    }
}

/// An id for a session that names none: the name of its file where that is one, else made of its first line, which
/// stays when the log grows.
fn derived_id(context: &Context, unit: &Unit) -> String {
    let stem = context.file_names.get(unit.member).and_then(|name| name.strip_suffix(".jsonl"));
    let is_uuid = |id: &&str| id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let first = super::json::lines::lines(&unit.bytes).next().map_or(&unit.bytes[..], |line| line.bytes);
    let made = || super::hex_id(&labelled("convault/claude-code/id", &[first]));
    stem.filter(is_uuid).map_or_else(made, str::to_owned)
}
