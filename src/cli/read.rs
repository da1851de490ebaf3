//! `list`: conversations chosen by a selector, in a table or as JSON.

use std::cmp::Reverse;
use std::io::IsTerminal;

use serde_json::{Value, json};

use super::arguments::List;
use super::failure::{Failure, code};
use super::import::count;
use super::output::Outcome;
use super::session::{Session, reading};
use super::terminal::{Column, Table, columns};
use crate::retention::{Held, Standing, Verdict};
use crate::search::{item, tag_words};
use crate::selector::{Item, Scope, Selector};
use crate::vault::{CanRead, Entry, Listing, Reading, Vault, by_conversation, hex};

/// How many characters of an id a table shows.
const SHORT: usize = 8;

/// An id as people see it.
pub(super) fn short(id: &[u8; 16]) -> String {
    hex(id)[..SHORT].to_owned()
}

/// A conversation with its tags by name: of a chat that never ends, what its months are together.
pub(super) struct Named {
    /// The whole of what may be read, and where nothing may, of everything.
    pub(super) entry: Entry,
    /// Its segments that may be read, and those that are due, ascending by month.
    pub(super) served: Vec<Entry>,
    pub(super) due: Vec<Entry>,
    pub(super) tags: Vec<String>,
    pub(super) verdict: Option<Verdict>,
}

impl Named {
    /// Whether it may be read.
    pub(super) fn is_served(&self) -> bool {
        self.verdict.as_ref().is_none_or(Verdict::is_served)
    }

    /// All its segments.
    pub(super) fn segments(&self) -> impl Iterator<Item = &Entry> {
        self.due.iter().chain(&self.served)
    }

    /// The holds on it.
    pub(super) fn holds(&self) -> &[[u8; 16]] {
        match self.verdict.as_ref().map(|verdict| &verdict.standing) {
            Some(Standing::Held(held)) => &held.holds,
            _ => &[],
        }
    }
}

/// The conversations a selector chooses, and what was damaged.
pub(super) fn choose<A: CanRead>(
    session: &Session,
    vault: &Vault<A>,
    selector: &Selector,
) -> Result<(Vec<Named>, Vec<String>), Failure> {
    let Listing { entries, damaged } = vault.listing()?;
    let names = vault.tag_names()?;
    let standings = vault.standings(&entries, session.now)?;
    let named = by_conversation(entries).into_iter().filter_map(|segments| {
        let (served, due): (Vec<Entry>, Vec<Entry>) = segments.into_iter().partition(|entry| standings.serves(entry));
        let shown = if served.is_empty() { &due } else { &served };
        let entry = Entry::whole(shown)?;
        let tags = tag_words(&entry, &names);
        let verdicts: Vec<&Verdict> = shown.iter().filter_map(|entry| standings.of(entry)).collect();
        let verdict = whole_verdict(&verdicts);
        Some(Named { entry, served, due, tags, verdict })
    });
    let matches = |named: &Named| {
        let whole = item(&named.entry, &named.tags);
        // What is due answers no question about its content.
        let bare = Item { title: None, tags: &[], participants: &[], ..whole };
        selector.matches(if named.is_served() { &whole } else { &bare })
    };
    let mut chosen: Vec<Named> = named.filter(matches).collect();
    // Of a chat the months that may be read say when it was last active.
    chosen.sort_by_key(|named| Reverse(named.entry.facts.last_activity));
    Ok((chosen, warnings(&damaged)))
}

/// How a chat stands as a whole: held when any month is, else as the month that is due first; where all are due it is so
/// until the last is destroyed.
fn whole_verdict(verdicts: &[&Verdict]) -> Option<Verdict> {
    let order = |verdict: &&&Verdict| match verdict.standing {
        Standing::Live { due } => (0, due.0),
        Standing::Kept(_) | Standing::Held(_) => (1, 0),
        Standing::Due { destroyed_from, .. } => (2, destroyed_from.0.saturating_neg()),
    };
    let mut whole = Verdict::clone(verdicts.iter().min_by_key(order)?);
    let mut holds: Vec<[u8; 16]> = Vec::new();
    for verdict in verdicts {
        if let Standing::Held(held) = &verdict.standing {
            holds.extend(held.holds.iter().filter(|hold| !holds.contains(hold)).copied().collect::<Vec<_>>());
        }
    }
    if !holds.is_empty() {
        whole = Verdict { standing: Standing::Held(Held { holds }), rule: None, ..whole };
    }
    Some(whole)
}

/// What to say of damage met while reading.
pub(super) fn warnings(damaged: &[crate::vault::Damage]) -> Vec<String> {
    damaged.iter().map(|damage| format!("damaged and left out: {damage}")).collect()
}

/// The terminal's width, for tables that people see.
pub(super) fn table_width() -> Option<usize> {
    let stdout = std::io::stdout();
    if stdout.is_terminal() { columns(&stdout) } else { None }
}

pub(super) fn list(session: &Session, options: &List) -> Result<Outcome, Failure> {
    let selector = session.selector(&options.selector, Scope::Items)?;
    let (mut chosen, warnings) = reading!(session, vault => listed(session, vault, &selector, &options.selector))?;
    let total = chosen.len();
    chosen.truncate(options.limit.unwrap_or(usize::MAX));
    let mut outcome = list_outcome(session, &chosen, total);
    if !warnings.is_empty() {
        outcome.code = code::DAMAGE;
    } else if total == 0 && !selector.is_empty() {
        outcome.code = code::FAILED;
    }
    outcome.warnings = warnings;
    Ok(outcome)
}

/// What a selector chooses, with the entry in the log that has to stand before it is shown.
fn listed<A: CanRead>(
    session: &Session,
    mut vault: Vault<A>,
    selector: &Selector,
    typed: &[String],
) -> Result<(Vec<Named>, Vec<String>), Failure> {
    let (chosen, warnings) = choose(session, &vault, selector)?;
    let conversations = chosen.len() as u64;
    session.log_reading(&mut vault, Reading::List { query: &typed.join(" "), conversations })?;
    session.close(vault)?;
    Ok((chosen, warnings))
}

/// The list for people and programs.
pub(super) fn list_outcome(session: &Session, chosen: &[Named], total: usize) -> Outcome {
    // One of the two is printed; for 15,000 conversations the other one took longer than opening them.
    if session.global.json {
        let conversations: Vec<Value> = chosen.iter().map(entry_json).collect();
        let json = json!({ "schema": "convault.list/1", "total": total, "conversations": conversations });
        return Outcome { json, ..Outcome::default() };
    }
    let mut table = Table::new(vec![
        Column::left("ID"),
        Column::left("LAST ACTIVITY"),
        Column::left("SOURCE"),
        Column::right("MESSAGES"),
        Column::flexible("TAGS"),
        Column::flexible("TITLE"),
    ]);
    for named in chosen {
        let Named { entry, tags, verdict, .. } = named;
        if let Some(Standing::Due { destroyed_from, .. }) = verdict.as_ref().map(|verdict| &verdict.standing) {
            // What is due is read by nobody, its title neither.
            let until = format!("(due; destroyed from {})", session.day(*destroyed_from));
            let source = entry.card.source.clone();
            table.row([short(&entry.conversation), String::new(), source, String::new(), String::new(), until]);
            continue;
        }
        table.row([
            short(&entry.conversation),
            session.day(entry.facts.last_activity),
            entry.card.source.clone(),
            entry.card.messages.to_string(),
            tags.join(" "),
            title(entry),
        ]);
    }
    let text = if table.is_empty() { String::new() } else { table.render(table_width()) };
    let note = match (total, chosen.len()) {
        (0, _) => "no conversations".to_owned(),
        (total, shown) if shown < total => format!("{shown} of {}", count(total as u64, "conversation")),
        (total, _) => count(total as u64, "conversation"),
    };
    Outcome { text, notes: vec![note], ..Outcome::default() }
}

/// A title that is never empty.
pub(super) fn title(entry: &Entry) -> String {
    if entry.card.title.is_empty() { "(no title)".to_owned() } else { entry.card.title.clone() }
}

fn entry_json(named: &Named) -> Value {
    let Named { entry, tags, verdict, .. } = named;
    let due = match verdict.as_ref().map(|verdict| &verdict.standing) {
        Some(Standing::Due { since, .. }) => Some(since.to_string()),
        Some(Standing::Live { due }) => Some(due.to_string()),
        _ => None,
    };
    if !named.is_served() {
        return json!({
            "id": hex(&entry.conversation),
            "title": null,
            "source": entry.card.source,
            "held": false,
            "state": "due",
            "due": due,
        });
    }
    json!({
        "id": hex(&entry.conversation),
        "title": entry.card.title,
        "source": entry.card.source,
        "kind": entry.card.kind,
        "created": entry.facts.created.to_string(),
        "last_activity": entry.facts.last_activity.to_string(),
        "imported": entry.facts.imported.to_string(),
        "clamped": { "created": entry.facts.created_clamped, "last_activity": entry.facts.last_activity_clamped },
        "messages": entry.card.messages,
        "attachments": entry.card.attachments,
        "participants": entry.card.participants,
        "tags": tags,
        "flags": entry.card.flags,
        "model": entry.card.model,
        "project": entry.card.project,
        "held": !named.holds().is_empty(),
        "state": "live",
        "due": due,
    })
}
