//! `show`: one conversation to read, in the order it was had.

use serde_json::{Value, json};

use super::arguments::Show;
use super::failure::Failure;
use super::import::count;
use super::output::{OpenedAt, Outcome};
use super::read::{table_width, title};
use super::session::{Session, reading};
use super::terminal::wrap;
use crate::conversation::{Conversation, Message, Part, PartKind};
use crate::export::words::{author, role_word, states};
use crate::inert::{inert, inert_line};
use crate::selector::IdPrefix;
use crate::vault::{CanRead, Entry, Reading, Vault, VaultError, hex};

/// Wider lines are hard to read.
const WIDEST: usize = 100;

pub(super) fn run(session: &Session, options: &Show) -> Result<Outcome, Failure> {
    let (typed, message) = match options.id.split_once('#') {
        Some((typed, message)) => (typed, Some(message)),
        None => (options.id.as_str(), None),
    };
    let prefix = id(typed)?;
    reading!(session, vault => shown(session, vault, (&prefix, message), options))
}

fn shown<A: CanRead>(
    session: &Session,
    mut vault: Vault<A>,
    (prefix, message): (&IdPrefix, Option<&str>),
    options: &Show,
) -> Result<Outcome, Failure> {
    let segments = vault.segments(prefix.digits())?;
    let all = segments.len();
    let served = session.serve(&vault, segments)?;
    let id = served.first().map(|entry| entry.conversation).unwrap_or_default();
    // A refusal tells of the conversation too.
    session.log_reading(&mut vault, Reading::Show(id))?;
    let mut outcome =
        outcome(session, &vault, &served, &How { all: options.all, is_numbered: options.numbers, message })?;
    outcome.paged = !options.no_pager && !session.global.json;
    outcome.notes.extend(not_served(all - served.len()));
    session.close(vault)?;
    Ok(outcome)
}

/// What to say of months of a chat that are due.
pub(super) fn not_served(due: usize) -> Option<String> {
    let months = count(due as u64, "month");
    (due > 0).then(|| format!("{months} due and not read any more: convault restore ID brings them back"))
}

/// An id as it was typed.
pub(super) fn id(typed: &str) -> Result<IdPrefix, Failure> {
    let digits = typed.strip_prefix("id:").unwrap_or(typed);
    IdPrefix::parse(digits, true).ok_or_else(|| {
        Failure::usage(format!("not an id: {typed}"), "give 4 to 32 hexadecimal digits; convault list shows ids")
    })
}

/// How a conversation is shown.
#[derive(Default)]
pub(super) struct How<'a> {
    /// Hidden messages and abandoned branches too.
    pub(super) all: bool,
    /// With the numbers of the messages.
    pub(super) is_numbered: bool,
    /// The message to open it at: its number, or the source's id of it.
    pub(super) message: Option<&'a str>,
}

impl How<'_> {
    /// The number of the message to open it at, from 1.
    fn number(&self, conversation: &Conversation) -> Result<Option<usize>, Failure> {
        let Some(typed) = self.message else { return Ok(None) };
        let messages = &conversation.messages;
        let counted = typed.parse().ok().filter(|number| (1..=messages.len()).contains(number));
        let named = || messages.iter().position(|message| message.id.as_deref() == Some(typed)).map(|at| at + 1);
        let Some(number) = counted.or_else(named) else {
            let hint = format!("its messages are #1 to #{}; show --numbers shows them", messages.len());
            return Err(Failure::failed(format!("no message #{typed} in this conversation")).with_hint(hint));
        };
        match self.all || messages[number - 1].is_visible() {
            true => Ok(Some(number)),
            false => Err(Failure::failed(format!("message #{typed} is hidden or on an abandoned branch"))
                .with_hint("--all shows it")),
        }
    }
}

/// One conversation for people and programs, out of its segments.
pub(super) fn outcome<A: CanRead>(
    session: &Session,
    vault: &Vault<A>,
    segments: &[Entry],
    how: &How<'_>,
) -> Result<Outcome, Failure> {
    let bodies: Vec<Conversation> =
        segments.iter().map(|entry| Ok(vault.body(entry)?.conversation)).collect::<Result<_, VaultError>>()?;
    let conversation = Conversation::of_months(bodies);
    let entry = &Entry::whole(segments).ok_or_else(|| Failure::failed("there is nothing to show"))?;
    let names = vault.tag_names()?;
    let tags: Vec<&str> = entry.facts.tags.iter().filter_map(|tag| names.get(tag).map(String::as_str)).collect();
    let number = how.number(&conversation)?;
    let (text, opened_at) = text(session, entry, &conversation, &tags, (how, number));
    let hidden = conversation.messages.iter().filter(|message| !message.is_visible()).count() as u64;
    let mut notes = Vec::new();
    if hidden > 0 && !how.all {
        notes.push(format!("{} hidden or on abandoned branches: --all shows them", count(hidden, "message")));
    }
    let mut json = document(entry, &conversation, &tags, how.all);
    if let Some(number) = number {
        json["open"] = json!(number);
    }
    Ok(Outcome { text, json, notes, opened_at, ..Outcome::default() })
}

fn text(
    session: &Session,
    entry: &Entry,
    conversation: &Conversation,
    tags: &[&str],
    (how, opened): (&How<'_>, Option<usize>),
) -> (String, Option<OpenedAt>) {
    let columns = table_width().map(|columns| columns.min(WIDEST));
    let set = |text: &str| match columns {
        Some(columns) => wrap(text, columns),
        None => inert(text).into_owned(),
    };
    let mut out = set(&title(entry));
    out.push('\n');
    let mut about = vec![hex(&entry.conversation), entry.card.source.clone()];
    about.push(format!("{} to {}", session.minute(entry.facts.created), session.minute(entry.facts.last_activity)));
    about.push(count(entry.card.messages, "message"));
    let words =
        [("model", &conversation.model), ("project", &conversation.project), ("continues", &conversation.continues)];
    for (word, value) in words {
        about.extend(value.as_ref().map(|value| format!("{word} {value}")));
    }
    if !tags.is_empty() {
        about.push(format!("tags {}", tags.join(" ")));
    }
    out.push_str(&set(&about.join(" · ")));
    out.push('\n');
    let about_ends = out.len();
    let (mut opened_at, mut before) = (None, 0_u64);
    let shown = |(_, message): &(usize, &Message)| how.all || message.is_visible();
    for (number, message) in (1..).zip(&conversation.messages).filter(shown) {
        let body = message_text(conversation, message);
        // A message without a word, such as the empty start of a tree, would be a bare heading.
        if body.is_empty() {
            continue;
        }
        if opened.is_some_and(|opened| number >= opened) {
            opened_at.get_or_insert(out.len());
        }
        before += u64::from(opened_at.is_none());
        out.push('\n');
        let is_numbered = how.is_numbered || opened.is_some();
        out.push_str(&inert_line(&heading(session, conversation, message, is_numbered.then_some(number))));
        out.push('\n');
        out.push_str(set(&body).trim_end_matches('\n'));
        out.push('\n');
    }
    let opened_at = opened_at.map(|at| {
        let left_out = if before > 0 { format!("\n({} before)\n", count(before, "message")) } else { String::new() };
        // Behind the empty line stands the heading.
        let line = out[..at].matches('\n').count() + 2;
        OpenedAt { line, text: format!("{}{left_out}{}", &out[..about_ends], &out[at..]) }
    });
    (out, opened_at)
}

fn heading(session: &Session, conversation: &Conversation, message: &Message, number: Option<usize>) -> String {
    let number = number.map_or(String::new(), |number| format!("{number} · "));
    let mut words = vec![format!("── {number}{}", author(conversation, message))];
    if let Some(time) = &message.time {
        words.push(time.at.map_or_else(|| time.text.clone(), |at| session.minute(at)));
    }
    if let Some(model) = &message.model {
        words.push(model.clone());
    }
    words.extend(states(message).map(str::to_owned));
    words.join(" · ")
}

fn message_text(conversation: &Conversation, message: &Message) -> String {
    let parts: Vec<String> = message.parts.iter().map(|part| part_text(conversation, part)).collect();
    let parts: Vec<&str> = parts.iter().map(|part| part.trim_end()).filter(|part| !part.is_empty()).collect();
    parts.join("\n\n")
}

/// ` of NAME`; nothing for a tool that has none.
fn of(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" of {name}") }
}

fn part_text(conversation: &Conversation, part: &Part) -> String {
    let text = conversation.text_of(part);
    let name = part.name.as_deref().unwrap_or_default();
    match part.kind {
        PartKind::Text => text.to_owned(),
        PartKind::Thinking => format!("[thinking]\n{text}"),
        PartKind::Code => format!("```{name}\n{text}\n```"),
        PartKind::ToolCall => format!("[call{}]\n{text}", of(name)),
        PartKind::ToolResult => format!("[result{}]\n{text}", of(name)),
        PartKind::Document => format!("[document: {name}]\n{text}"),
        PartKind::Citation => {
            format!("[source: {text}{}]", part.url.as_ref().map_or(String::new(), |url| format!(" <{url}>")))
        }
        PartKind::Unknown => format!("[{name}, not understood by this version]\n{text}"),
        PartKind::Attachment => {
            let attachment = part.attachment.and_then(|index| conversation.attachments.get(index as usize));
            let name = attachment.and_then(|attachment| attachment.name.as_deref().or(attachment.id.as_deref()));
            let state = match attachment.and_then(|attachment| attachment.objects) {
                Some(_) => "in the vault",
                None => "not in the export",
            };
            let caption = if text.is_empty() { String::new() } else { format!("\n{text}") };
            format!("[attachment: {}, {state}]{caption}", name.unwrap_or("without a name"))
        }
    }
}

fn document(entry: &Entry, conversation: &Conversation, tags: &[&str], all: bool) -> Value {
    let participants: Vec<Value> = conversation
        .participants
        .iter()
        .map(|p| json!({ "role": role_word(p.role), "native_role": p.native_role, "name": p.name }))
        .collect();
    let messages = conversation.messages.iter().filter(|message| all || message.is_visible());
    let messages: Vec<Value> = messages.map(|message| message_json(conversation, message)).collect();
    json!({
        "schema": "convault.show/1",
        "id": hex(&entry.conversation),
        "title": entry.card.title,
        "source": entry.card.source,
        "native_id": entry.card.native_id,
        "kind": entry.card.kind,
        "created": entry.facts.created.to_string(),
        "last_activity": entry.facts.last_activity.to_string(),
        "source_created": conversation.created.as_ref().map(|time| &time.text),
        "source_updated": conversation.updated.as_ref().map(|time| &time.text),
        "model": conversation.model,
        "project": conversation.project,
        "continues": conversation.continues,
        "flags": conversation.flags,
        "tags": tags,
        "participants": participants,
        "messages": messages,
        "attachments": conversation.attachments.iter().map(|attachment| json!({
            "id": attachment.id,
            "name": attachment.name,
            "media_type": attachment.media_type,
            "size": attachment.size,
            "stored": attachment.objects.is_some(),
        })).collect::<Vec<_>>(),
    })
}

fn message_json(conversation: &Conversation, message: &Message) -> Value {
    let participant = conversation.participants.get(message.author as usize);
    let parent = message.parent.and_then(|parent| conversation.messages.get(parent as usize));
    let texts = message.parts.iter().filter(|part| part.kind == PartKind::Text).map(|part| conversation.text_of(part));
    let parts: Vec<Value> = message
        .parts
        .iter()
        .map(|part| {
            json!({
                "kind": part.kind,
                "text": conversation.text_of(part),
                "name": part.name,
                "url": part.url,
                "attachment": part.attachment,
            })
        })
        .collect();
    json!({
        "id": message.id,
        "parent": parent.and_then(|parent| parent.id.as_ref()),
        "role": participant.map_or("other", |participant| role_word(participant.role)),
        "author": author(conversation, message),
        "recipient": message.recipient,
        "time": message.time.as_ref().and_then(|time| time.at).map(|at| at.to_string()),
        "source_time": message.time.as_ref().map(|time| &time.text),
        "text": texts.collect::<Vec<_>>().join("\n\n"),
        "parts": parts,
        "branch": if message.vanished { "vanished" } else if message.abandoned { "abandoned" } else { "active" },
        "visibility": message.visibility,
        "model": message.model,
    })
}
