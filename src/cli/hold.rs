//! `hold`: what is kept for a matter, whatever the policy says, until the matter is released.

use serde_json::json;

use super::arguments::{Hold, HoldCommand};
use super::failure::{Failure, code};
use super::import::count;
use super::output::Outcome;
use super::purge::compile_what_came;
use super::read::{choose, short};
use super::session::Session;
use super::terminal::{Column, Table};
use crate::crypto::random;
use crate::purge;
use crate::selector::Scope;
use crate::vault::{HoldNote, NotedHold, hex};

/// Longest reason, in bytes.
const LONGEST: usize = 1024;

pub(super) fn run(session: &Session, options: &Hold) -> Result<Outcome, Failure> {
    match &options.command {
        HoldCommand::Place { selector, reason } => place(session, selector, reason),
        HoldCommand::Release { id } => release(session, id),
        HoldCommand::List => list(session),
    }
}

fn place(session: &Session, words: &[String], reason: &str) -> Result<Outcome, Failure> {
    if reason.trim().is_empty() || reason.len() > LONGEST {
        return Err(Failure::usage(
            "a hold needs a reason of at most 1024 bytes",
            "name the matter: --reason \"case 12\"",
        ));
    }
    // As the same words are read in every other command; then kept in one line that reads the same.
    let selector = session.selector(words, Scope::Items)?;
    let lines = [words.join(" "), words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")];
    let same = |line: &&String| session.selector(&[(*line).clone()], Scope::Items).is_ok_and(|read| read == selector);
    let text = lines.iter().find(same).cloned().ok_or_else(|| {
        Failure::usage("this selector reads differently in one line", "quote its values: 'with:\"Alice Smith\" tag:x'")
    })?;
    let mut vault = session.open()?;
    let conditions = purge::holding(&vault, &text)?;
    let (id, mut holds) = (random::array(), vault.noted_holds()?);
    holds.push(NotedHold {
        hold: crate::retention::Hold { id, placed: session.now, released: None, conditions },
        note: HoldNote { reason: reason.to_owned(), selector: text },
    });
    vault.set_holds(&holds, session.now)?;
    compile_what_came(session, &mut vault)?;
    // Counted by what it came to, and not by what was typed.
    let (all, warnings) = choose(session, &vault, &session.selector(&[], Scope::Items)?)?;
    session.close(vault)?;
    let held_by_it = all.iter().filter(|named| named.holds().contains(&id)).count();
    let held = count(held_by_it as u64, "conversation");
    let text =
        format!("hold {} is placed; it holds {held}, and whatever comes that its selector selects\n", short(&id));
    let json = json!({ "schema": "convault.hold-place/1", "id": hex(&id), "held": held_by_it });
    Ok(Outcome { text, json, warnings, ..Outcome::default() })
}

/// A term as it has to be written in a line: a shell took its quotes.
fn quoted(word: &str) -> String {
    match word.split_once(':') {
        Some((key, value)) if value.contains(' ') && !value.contains('"') => format!("{key}:\"{value}\""),
        _ => word.to_owned(),
    }
}

fn release(session: &Session, id: &str) -> Result<Outcome, Failure> {
    let mut vault = session.open()?;
    let mut holds = vault.noted_holds()?;
    let wanted = id.to_ascii_lowercase();
    let found: Vec<usize> =
        (0..holds.len()).filter(|at| wanted.len() >= 4 && hex(&holds[*at].hold.id).starts_with(&wanted)).collect();
    let [at] = found.as_slice() else {
        session.close(vault)?;
        let message = if found.is_empty() { "no hold has this id" } else { "several holds have ids that begin so" };
        return Err(Failure::failed(message).with_hint("convault hold list shows them"));
    };
    let hold = &mut holds[*at].hold;
    if hold.released.is_some_and(|at| at <= session.now) {
        session.close(vault)?;
        return Err(Failure::failed("this hold is released already"));
    }
    hold.released = Some(session.now);
    let id = hold.id;
    vault.set_holds(&holds, session.now)?;
    compile_what_came(session, &mut vault)?;
    session.close(vault)?;
    let text = format!("hold {} is released; what is due and free of holds has its whole grace from now\n", short(&id));
    Ok(Outcome { text, json: json!({ "schema": "convault.hold-release/1", "id": hex(&id) }), ..Outcome::default() })
}

fn list(session: &Session) -> Result<Outcome, Failure> {
    let vault = session.open()?;
    let holds = vault.noted_holds()?;
    session.close(vault)?;
    let mut table = Table::new(vec![
        Column::left("ID"),
        Column::left("PLACED"),
        Column::left("RELEASED"),
        Column::flexible("REASON"),
        Column::flexible("SELECTOR"),
    ]);
    for NotedHold { hold, note } in &holds {
        let released = hold.released.map_or_else(String::new, |at| session.day(at));
        table.row([short(&hold.id), session.day(hold.placed), released, note.reason.clone(), note.selector.clone()]);
    }
    let text = if holds.is_empty() { String::new() } else { table.render(super::read::table_width()) };
    let json = json!({
        "schema": "convault.holds/1",
        "holds": holds.iter().map(|NotedHold { hold, note }| json!({
            "id": hex(&hold.id),
            "placed": hold.placed.to_string(),
            "released": hold.released.map(|at| at.to_string()),
            "reason": note.reason,
            "selector": note.selector,
        })).collect::<Vec<_>>(),
    });
    Ok(Outcome { text, json, notes: vec![count(holds.len() as u64, "hold")], ..Outcome::default() })
}

/// Nothing is left to do: all that was asked for is held.
pub(super) fn all_held(ids: &[[u8; 16]]) -> Failure {
    let words: Vec<String> = ids.iter().map(short).collect();
    Failure {
        message: format!("everything that matches is held: by {}", words.join(", ")),
        hint: Some("convault hold list says what for; hold release ID gives it free".to_owned()),
        code: code::HELD,
    }
}
