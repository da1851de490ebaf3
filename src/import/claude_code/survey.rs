//! Which files of a bundle make which session: by what their first lines say, and by where they stand.

use std::collections::HashMap;
use std::sync::Mutex;

use super::look::{Look, is_web, look};
use crate::bundle::{Bundle, BundleError};
use crate::import::detect::readable;
use crate::import::{Context, MemberUse, Problem, hex_id};
use crate::crypto::hash::labelled;

/// Bytes of a file looked at. The first record of a session has said what it is well before.
const FIRST: usize = 4 << 10;
/// Bytes looked at where those say nothing, and of an agent's log that names its session late.
const MORE: [usize; 2] = [64 << 10, 8 << 20];
/// Longest id that is taken for the name of a folder.
const MAX_FOLDER: usize = 100;

/// The files of one session.
#[derive(Default)]
pub(super) struct Group {
    /// Its own file; none when only logs of its agents are there.
    pub(super) main: Option<usize>,
    /// The folder its other files are filed under.
    pub(super) folder: String,
    pub(super) sides: Vec<Side>,
}

/// A file that belongs to a session.
pub(super) struct Side {
    pub(super) member: usize,
    pub(super) kind: SideKind,
    /// Its name: below the session's folder, or beside the session's own file.
    rest: String,
    is_inside: bool,
    /// The session it names.
    pub(super) session: Option<String>,
}

impl Side {
    /// Its name in what is stored of the session. It follows from the session and not from the folders of this
    /// import, so that what was exported comes in again as the same bytes.
    pub(super) fn name(&self, folder: &str) -> String {
        if self.is_inside { format!("{folder}/{}", self.rest) } else { self.rest.clone() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SideKind {
    /// The log of an agent.
    Agent,
    /// The note beside such a log.
    Meta,
    /// The result of a tool, too long for the log.
    Result,
}

/// What `prepare` found out.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) groups: Vec<Group>,
    /// Which session a unit goes on from, by the unit's place. Only the file it was cut from says so, so `split`
    /// writes it and `parse` reads it.
    pub(super) continues: Mutex<HashMap<String, String>>,
}

/// Where a file stands: `project/session/subagents/name`, or `project/name`.
pub(super) struct Where<'a> {
    project: &'a str,
    session: Option<&'a str>,
    /// The name below the session's folder.
    rest: Option<&'a str>,
    file_name: &'a str,
}

impl<'a> Where<'a> {
    pub(super) fn of(name: &'a str) -> Self {
        let file_name = name.rsplit('/').next().unwrap_or(name);
        for folder in ["subagents/", "tool-results/"] {
            let inside = name.match_indices(folder).find(|(at, _)| *at == 0 || name.as_bytes().get(at - 1) == Some(&b'/'));
            let Some((at, _)) = inside else { continue };
            let (above, rest) = (name.get(..at).unwrap_or(""), name.get(at..));
            let above = above.strip_suffix('/').unwrap_or(above);
            let (project, session) = above.rsplit_once('/').unwrap_or(("", above));
            return Self { project, session: Some(session).filter(|id| !id.is_empty()), rest, file_name };
        }
        let project = name.strip_suffix(file_name).unwrap_or("");
        Self { project: project.strip_suffix('/').unwrap_or(project), session: None, rest: None, file_name }
    }

    pub(super) fn is_in(&self, folder: &str) -> bool {
        self.rest.is_some_and(|rest| rest.starts_with(folder))
    }
}

fn stem(file_name: &str) -> &str {
    file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem)
}

/// An id as the name of a folder: as it is, unless it could be more than a name.
pub(super) fn folder(id: &str) -> String {
    let is_plain = !id.is_empty()
        && id.len() <= MAX_FOLDER
        && !id.starts_with('.')
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    match is_plain {
        true => id.to_owned(),
        false => hex_id(&labelled("convault/claude-code/folder", &[id.as_bytes()])).replace(':', "-"),
    }
}

/// What a member turned out to be, before it has a session.
enum Found {
    Main(Option<String>),
    Agent(Option<String>),
    Beside(SideKind),
    Other(MemberUse),
}

/// Decides what every member is, and which belong together.
pub(super) fn survey(bundle: &Bundle) -> Result<(Context, Survey), BundleError> {
    let mut context = Context::of(bundle);
    let mut found = Vec::with_capacity(bundle.members().len());
    for (index, member) in bundle.members().iter().enumerate() {
        let one = match classify(bundle, index, &Where::of(&member.name)) {
            Ok(one) => one,
            Err(error) if error.is_refusal() => return Err(error),
            Err(error) => {
                context.problems.push(Problem { place: member.name.clone(), reason: error.to_string() });
                Found::Other(MemberUse::Ignored("could not be read"))
            }
        };
        found.push(one);
    }
    if !found.iter().any(|one| matches!(one, Found::Main(_) | Found::Agent(_))) {
        // The user said it is one and nothing looks like it: read what may be, so that it is named as a problem.
        for (index, one) in found.iter_mut().enumerate() {
            let unknown = matches!(one, Found::Other(MemberUse::Unknown));
            if unknown && (bundle.members().len() == 1 || readable(bundle.head(index, 1))?.is_some_and(|head| head == b"{")) {
                *one = Found::Main(None);
            }
        }
    }
    let survey = group(bundle, &mut context, found);
    Ok((context, survey))
}

fn classify(bundle: &Bundle, index: usize, place: &Where<'_>) -> Result<Found, BundleError> {
    if place.is_in("tool-results") {
        return Ok(Found::Beside(SideKind::Result));
    }
    if place.file_name.ends_with(".meta.json") && (place.is_in("subagents") || place.file_name.starts_with("agent-")) {
        return Ok(Found::Beside(SideKind::Meta));
    }
    let mut head = bundle.head(index, FIRST)?;
    if head.is_empty() {
        // The program makes the file before it has anything to say.
        let is_log = place.file_name.ends_with(".jsonl");
        return Ok(if is_log { Found::Main(None) } else { Found::Other(MemberUse::Unknown) });
    }
    if head.contains(&0) {
        return Ok(Found::Other(MemberUse::Unknown));
    }
    let mut seen = look(&head);
    if seen.is_none() && head.len() == FIRST && head.trim_ascii_start().starts_with(b"{") {
        head = bundle.head(index, MORE[0])?;
        seen = look(&head);
    }
    let Some(mut seen) = seen else {
        return Ok(Found::Other(match place.file_name {
            "sessions-index.json" => MemberUse::Ignored("list of the sessions"),
            "history.jsonl" => MemberUse::Ignored("list of the prompts"),
            _ => MemberUse::Unknown,
        }));
    };
    let is_agent = seen.is_agent || place.is_in("subagents");
    for limit in MORE {
        if seen.session.is_some() || head.len() < FIRST || is_web(&head) || (is_agent && place.session.is_some()) {
            break;
        }
        head = bundle.head(index, limit)?;
        seen = look(&head).unwrap_or(Look { is_agent, ..Look::default() });
        if !is_agent {
            break;
        }
    }
    Ok(if is_agent { Found::Agent(seen.session) } else { Found::Main(seen.session) })
}

/// Brings the files of each session together.
fn group(bundle: &Bundle, context: &mut Context, found: Vec<Found>) -> Survey {
    let members = bundle.members();
    let mut groups: Vec<Group> = Vec::new();
    // Groups by project and by the name of the file, or the session that stands in it.
    let mut by_stem: HashMap<(&str, &str), usize> = HashMap::new();
    let mut by_session: HashMap<(&str, String), usize> = HashMap::new();
    for ((index, member), one) in members.iter().enumerate().zip(&found) {
        let Found::Main(session) = one else { continue };
        let place = Where::of(&member.name);
        by_stem.insert((place.project, stem(place.file_name)), groups.len());
        if let Some(session) = session {
            by_session.entry((place.project, session.clone())).or_insert(groups.len());
        }
        context.uses[index] = MemberUse::Conversations;
        context.sources.push(index);
        groups.push(Group { main: Some(index), folder: folder(stem(place.file_name)), sides: Vec::new() });
    }
    // Agents before what stands beside them: a note belongs where its log went.
    let mut by_log: HashMap<&str, (usize, Option<String>)> = HashMap::new();
    for ((index, member), one) in members.iter().enumerate().zip(&found) {
        let Found::Agent(session) = one else { continue };
        let place = Where::of(&member.name);
        let named = [place.session, session.as_deref()];
        let named = || named.iter().flatten().copied();
        let known = named().find_map(|id| by_stem.get(&(place.project, id)).copied());
        let known = known.or_else(|| named().find_map(|id| by_session.get(&(place.project, id.to_owned())).copied()));
        let at = known.unwrap_or_else(|| {
            // Without the session's own file the agents of one session keep together.
            let id = session.as_deref().or(place.session).unwrap_or(stem(place.file_name)).to_owned();
            groups.push(Group { main: None, folder: folder(&id), sides: Vec::new() });
            by_session.insert((place.project, id), groups.len() - 1);
            context.sources.push(index);
            groups.len() - 1
        });
        context.uses[index] = MemberUse::Conversations;
        by_log.insert(&member.name, (at, session.clone()));
        let session = session.clone();
        groups[at].sides.push(side(index, SideKind::Agent, &place, session));
    }
    for ((index, member), one) in members.iter().enumerate().zip(found) {
        let kind = match one {
            Found::Beside(kind) => kind,
            Found::Other(used) => {
                context.uses[index] = used;
                continue;
            }
            Found::Main(_) | Found::Agent(_) => continue,
        };
        let place = Where::of(&member.name);
        let home = match kind {
            SideKind::Meta => {
                let log = member.name.strip_suffix(".meta.json").map(|name| format!("{name}.jsonl"));
                log.and_then(|log| by_log.get(log.as_str()).cloned())
            }
            _ => place.session.and_then(|id| {
                let own = by_stem.get(&(place.project, id)).copied();
                Some((own.or_else(|| by_session.get(&(place.project, id.to_owned())).copied())?, Some(id.to_owned())))
            }),
        };
        let Some((at, session)) = home else { continue };
        context.uses[index] = MemberUse::Index;
        groups[at].sides.push(side(index, kind, &place, session));
    }
    for group in &mut groups {
        group.sides.sort_by(|one, other| (one.is_inside, &one.rest).cmp(&(other.is_inside, &other.rest)));
    }
    Survey { groups, ..Survey::default() }
}

fn side(member: usize, kind: SideKind, place: &Where<'_>, session: Option<String>) -> Side {
    let rest = place.rest.unwrap_or(place.file_name).to_owned();
    Side { member, kind, rest, is_inside: place.rest.is_some(), session }
}
