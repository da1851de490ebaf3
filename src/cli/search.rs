//! `search`: what was said, found in the order of relevance or time.

use std::io::IsTerminal;

use serde_json::{Value, json};

use super::arguments::{Search, SortBy};
use super::failure::{Failure, code};
use super::import::count;
use super::output::Outcome;
use super::read::{short, table_width, title, warnings};
use super::session::{Session, reading};
use super::terminal::{fit, width};
use crate::conversation::SourceTime;
use crate::inert::inert_line;
use crate::search::{self, Best, Found, Hit, Neighbour, Options, Order, Total};
use crate::selector::{self, Selector};
use crate::vault::{CanRead, Reading, Vault, hex};

/// Spaces before the snippet of a hit.
const INDENT: usize = 4;

pub(super) fn run(session: &Session, options: &Search) -> Result<Outcome, Failure> {
    let scope = match options.regex {
        true => selector::Scope::Patterns { case: options.case },
        false => selector::Scope::Text,
    };
    let selector = session.selector(&options.query, scope)?;
    reading!(session, vault => searched(session, vault, &selector, options))
}

fn searched<A: CanRead>(
    session: &Session,
    mut vault: Vault<A>,
    selector: &Selector,
    options: &Search,
) -> Result<Outcome, Failure> {
    let how = Options {
        scope: search::Scope { all: options.all, case: options.case },
        order: match options.sort {
            SortBy::Relevance => Order::Relevance,
            SortBy::Time => Order::Time,
        },
        limit: options.limit,
        context: options.context,
    };
    let found = search::search(&vault, selector, how, session.now)?;
    let conversations = found.total as u64;
    session.log_reading(&mut vault, Reading::Search { query: &asked(options), conversations })?;
    session.close(vault)?;
    Ok(Outcome { paged: !options.no_pager && !session.global.json, ..outcome(session, found) })
}

/// What was asked for, as the auditor reads it: the words, behind what makes them mean something else.
fn asked(options: &Search) -> String {
    let flags = [(options.all, "--all"), (options.case, "--case"), (options.regex, "--regex")];
    let flags = flags.iter().filter(|(is_given, _)| *is_given).map(|(_, flag)| *flag);
    flags.chain(options.query.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
}

/// What was found, for people and programs.
pub(super) fn outcome(session: &Session, found: Found) -> Outcome {
    let Found { hits, total, certainty, damaged } = found;
    let warnings = warnings(&damaged);
    let code = match (warnings.is_empty(), total) {
        (false, _) => code::DAMAGE,
        (true, 0) => code::FAILED,
        _ => 0,
    };
    let conversations = count(total as u64, "conversation");
    let note = match (total, certainty, hits.len()) {
        (0, ..) => "nothing found".to_owned(),
        (_, Total::AtLeast, shown) => format!("the best {shown} of {conversations} or more"),
        (_, Total::Exact, shown) if shown < total => format!("the first {shown} of {conversations}"),
        _ => format!("found in {conversations}"),
    };
    let json = json!({
        "schema": "convault.search/1",
        "total": total,
        "total_is": match certainty { Total::Exact => "exact", Total::AtLeast => "at least" },
        "hits": hits.iter().map(hit_json).collect::<Vec<_>>(),
    });
    let text = hits.iter().map(|hit| hit_text(session, hit)).collect();
    Outcome { text, json, notes: vec![note], warnings, code, ..Outcome::default() }
}

fn hit_text(session: &Session, hit: &Hit) -> String {
    let title = inert_line(&title(&hit.entry)).into_owned();
    let day = session.day(hit.time());
    let Some(best) = &hit.best else {
        let head = format!("{}  {day}  {title}", short(&hit.entry.conversation));
        let mut text = format!("{}\n", fit(&head, table_width().unwrap_or(usize::MAX)));
        if !hit.marks.is_empty() {
            text.push_str(&format!("{:INDENT$}{}\n", "", highlighted(hit, INDENT)));
        }
        return text;
    };
    let head = format!("{}  {day}  {}  {title}", place(hit, best), inert_line(&best.author));
    let mut text = format!("{}\n", fit(&head, table_width().unwrap_or(usize::MAX)));
    best.before.iter().for_each(|one| text.push_str(&neighbour_text(one)));
    let number =
        if best.before.is_empty() && best.after.is_empty() { String::new() } else { format!("#{} ", best.number) };
    let indent = INDENT + width(&number);
    text.push_str(&format!("{:INDENT$}{number}{}\n", "", highlighted(hit, indent)));
    best.after.iter().for_each(|one| text.push_str(&neighbour_text(one)));
    text
}

/// What `show` takes to open a conversation at a message.
fn place(hit: &Hit, best: &Best) -> String {
    format!("{}#{}", short(&hit.entry.conversation), best.number)
}

fn neighbour_text(one: &Neighbour) -> String {
    let line = inert_line(&format!("#{} {}: {}", one.number, one.author, one.text)).into_owned();
    let room = table_width().map_or(usize::MAX, |columns| columns.saturating_sub(INDENT));
    format!("{:INDENT$}{}\n", "", fit(&line, room))
}

/// The snippet, cut to the terminal's width and with its matches bold on one that shows it.
fn highlighted(hit: &Hit, indent: usize) -> String {
    let mut room = table_width().map_or(usize::MAX, |columns| columns.saturating_sub(indent));
    let bold = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut out = String::new();
    let mut at = 0;
    if let Some(first) = hit.marks.first().filter(|_| width(&hit.snippet) > room) {
        // What leads up to the first match gets a third at most, so that the match is seen.
        let lead = hit.snippet.get(..first.start).unwrap_or_default();
        let fits = |start: &usize| width(&lead[*start..]) < room / 3;
        at = lead.char_indices().map(|(start, _)| start).find(fits).unwrap_or(lead.len());
        if at > 0 {
            out.push('…');
            room = room.saturating_sub(1);
        }
    }
    let mut push = |text: &str, bold: bool| {
        let cut = fit(text, room);
        room = room.saturating_sub(width(text));
        match bold {
            true if !cut.is_empty() => out.push_str(&format!("\u{1b}[1m{cut}\u{1b}[0m")),
            _ => out.push_str(&cut),
        }
    };
    for mark in &hit.marks {
        let (before, word) = (hit.snippet.get(at..mark.start), hit.snippet.get(mark.clone()));
        let (Some(before), Some(word)) = (before, word) else { continue };
        push(before, false);
        push(word, bold);
        at = mark.end;
    }
    push(hit.snippet.get(at..).unwrap_or_default(), false);
    out
}

fn at(time: Option<&SourceTime>) -> Option<String> {
    time.and_then(|time| time.at).map(|at| at.to_string())
}

fn hit_json(hit: &Hit) -> Value {
    let best = hit.best.as_ref();
    let neighbours = |list: Option<&Vec<Neighbour>>| -> Vec<Value> {
        let one = |one: &Neighbour| {
            let time = at(one.time.as_ref());
            json!({ "number": one.number, "author": one.author, "time": time, "text": one.text })
        };
        list.into_iter().flatten().map(one).collect()
    };
    let characters = |to: usize| hit.snippet.get(..to).map_or(0, |before| before.chars().count());
    let marks: Vec<[usize; 2]> = hit.marks.iter().map(|mark| [characters(mark.start), characters(mark.end)]).collect();
    json!({
        "id": hex(&hit.entry.conversation),
        "title": hit.entry.card.title,
        "source": hit.entry.card.source,
        "message": best.and_then(|best| best.id.as_ref()),
        "number": best.map(|best| best.number),
        "open": best.map(|best| format!("{}#{}", hex(&hit.entry.conversation), best.number)),
        "author": best.map(|best| &best.author),
        "role": best.map(|best| best.role),
        "time": best.and_then(|best| at(best.time.as_ref())),
        "last_activity": hit.entry.facts.last_activity.to_string(),
        "snippet": hit.snippet,
        "marks": marks,
        "matches": hit.matches,
        // Beyond the fourth digit scores say nothing.
        "score": (hit.score * 10_000.0).round() / 10_000.0,
        "before": neighbours(best.map(|best| &best.before)),
        "after": neighbours(best.map(|best| &best.after)),
    })
}
