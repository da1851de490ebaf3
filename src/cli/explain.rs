//! `explain`: how a conversation stands, by which rules, and since when.

use serde_json::{Value, json};

use super::arguments::Explain;
use super::failure::Failure;
use super::output::Outcome;
use super::policy::rule_name;
use super::purge::compile_what_came;
use super::read::short;
use super::session::Session;
use super::show::id;
use crate::clock::month_word;
use crate::inert::inert_line;
use crate::retention::{Action, Explanation, Held, Kept, Line, Policy, Standing};
use crate::vault::{Entry, Vault, hex};

pub(super) fn run(session: &Session, options: &Explain) -> Result<Outcome, Failure> {
    let prefix = id(&options.id)?;
    let mut vault = session.open()?;
    compile_what_came(session, &mut vault)?;
    let segments = vault.segments(prefix.digits())?;
    let standings = vault.standing(&segments, session.now)?;
    let explanations = vault.explain(&segments, session.now)?;
    let (mut text, mut said) = (String::new(), Vec::new());
    for (entry, explanations) in segments.iter().zip(&explanations) {
        if let Some(month) = month_word(entry.facts.month) {
            text.push_str(&format!("{month}: "));
        }
        let standing = standings.of(entry).map(|verdict| &verdict.standing);
        let (words, one) = segment_words(session, &vault, entry, standing, explanations)?;
        text.push_str(&words);
        said.push(one);
    }
    // What is newest of a chat stands for it; each month is told beside.
    let last = said.last().cloned().unwrap_or_default();
    let mut json = json!({
        "schema": "convault.explain/1",
        "id": segments.last().map(|entry| hex(&entry.conversation)),
        "state": last["state"],
        "versions": last["versions"],
    });
    if segments.iter().any(Entry::is_month) {
        json["months"] = said.into();
    }
    session.close(vault)?;
    Ok(Outcome { text, json, ..Outcome::default() })
}

/// How one segment stands, and why.
fn segment_words(
    session: &Session,
    vault: &Vault,
    entry: &Entry,
    standing: Option<&Standing>,
    explanations: &[Explanation],
) -> Result<(String, Value), Failure> {
    let (mut text, state) = standing_words(session, vault, standing)?;
    text.push_str(&format!(
        "clocks: created {}, last activity {}, imported {}\n",
        entry.facts.created, entry.facts.last_activity, entry.facts.imported
    ));
    let policies = vault.policies()?;
    let mut versions = Vec::new();
    for explained in explanations {
        let policy = policies.iter().find(|policy| policy.version == explained.version);
        let (said, json) = version_words(session, vault, policy, explained)?;
        text.push_str(&said);
        versions.push(json);
    }
    let json = json!({ "month": month_word(entry.facts.month), "state": state, "versions": versions });
    Ok((text, json))
}

/// How it stands, in words and in one.
fn standing_words(
    session: &Session,
    vault: &Vault,
    standing: Option<&Standing>,
) -> Result<(String, &'static str), Failure> {
    Ok(match standing {
        None => ("kept: there is no policy and no hold\n".to_owned(), "kept"),
        Some(Standing::Held(held)) => (held_words(session, vault, held)?, "held"),
        Some(Standing::Kept(kept)) => {
            let why = match kept {
                Kept::NoRule => "no delete rule is about it",
                Kept::Newest(_) => "it is among the newest of a keep-last rule",
                Kept::NotCompiled => "it is not compiled under the policy of today",
                Kept::Never => "its day lies beyond the calendar",
            };
            (format!("kept: {why}\n"), "kept")
        }
        Some(Standing::Live { due }) => (format!("due at {due}\n"), "live"),
        Some(Standing::Due { since, destroyed_from }) => {
            (format!("due since {since}; a purge destroys it from {destroyed_from} on\n"), "due")
        }
    })
}

fn held_words(session: &Session, vault: &Vault, held: &Held) -> Result<String, Failure> {
    let mut text = String::from("held, whatever the policy says:\n");
    for noted in vault.noted_holds()?.iter().filter(|noted| held.holds.contains(&noted.hold.id)) {
        let (id, reason) = (short(&noted.hold.id), inert_line(&noted.note.reason));
        text.push_str(&format!("  hold {id} since {}: {reason}\n", session.day(noted.hold.placed)));
    }
    Ok(text)
}

/// What one version of the policy says of it, in words and for programs.
fn version_words(
    session: &Session,
    vault: &Vault,
    policy: Option<&Policy>,
    explained: &Explanation,
) -> Result<(String, Value), Failure> {
    let force = match explained.effective > session.now {
        true => format!(", in force from {}", explained.effective),
        false => String::new(),
    };
    let mut text = format!("policy version {}{force}:\n", explained.version);
    let mut rules = Vec::new();
    for line in &explained.lines {
        let name = rule_name(vault, explained.version, line.rule)?;
        let says = rule_words(policy.and_then(|policy| policy.rules.get(line.rule)).map(|rule| rule.action), line);
        let wins = if line.wins { "  ← this one counts" } else { "" };
        text.push_str(&format!("  {}: {says}{wins}\n", inert_line(&name)));
        rules.push(
            json!({ "rule": line.rule + 1, "says": says, "at": line.at.map(|at| at.to_string()), "counts": line.wins }),
        );
    }
    if explained.lines.is_empty() {
        text.push_str("  no rule is about it\n");
    }
    if let Some(until) = explained.restored {
        text.push_str(&format!("  restored: kept until {until}\n"));
    }
    let due = explained.due.map(|due| due.to_string());
    Ok((text, json!({ "version": explained.version, "due": due, "rules": rules })))
}

/// What a rule says; without an action it is the default one.
fn rule_words(action: Option<Action>, line: &Line) -> String {
    match (action, line.at) {
        (Some(Action::Keep(length)), Some(at)) => format!("keep {length}, until {at}"),
        (Some(Action::KeepLast(number)), _) => format!("keep the newest {number}"),
        (Some(Action::Delete(length)), Some(at)) => format!("delete {length}, from {at}"),
        (None, Some(at)) => format!("delete, from {at}"),
        (_, None) => "never: beyond the calendar".to_owned(),
    }
}
