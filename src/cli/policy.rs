//! `policy`: what is kept and destroyed, checked, set, shown, and its history.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::arguments::{Policy, PolicyCommand};
use super::failure::Failure;
use super::given;
use super::import::count;
use super::output::Outcome;
use super::purge::compile_what_came;
use super::read::short;
use super::session::Session;
use crate::clock::{Duration, Instant, Unit, month_word};
use crate::inert::{inert, inert_line};
use crate::purge::{self, CompileError};
use crate::retention::{self, Standing, Written};
use crate::vault::{Entry, Reading, Vault, hex};

/// Largest policy that is read.
const LARGEST: u64 = 1 << 20;
/// Hours between a version's setting and its coming into force.
const COOLING_OFF_HOURS: u32 = 72;
/// Conversations that are listed one by one; `--json` has all of them.
const SHOWN: usize = 40;

pub(super) fn run(session: &Session, options: &Policy) -> Result<Outcome, Failure> {
    match &options.command {
        PolicyCommand::Check { file } => check(file),
        PolicyCommand::Set { file } => set(session, file),
        PolicyCommand::Show { version } => show(session, *version),
        PolicyCommand::History => history(session),
    }
}

fn read(file: &Path) -> Result<(String, Written), Failure> {
    let text = String::from_utf8(given::read(file, LARGEST, "policy")?)
        .map_err(|_| Failure::failed(format!("{}: not text in UTF-8", file.display())))?;
    let written =
        Written::parse(&text).map_err(|error| Failure::usage(format!("{}: {error}", file.display()), error.hint()))?;
    Ok((text, written))
}

fn check(file: &Path) -> Result<Outcome, Failure> {
    let (_, written) = read(file)?;
    let text = format!("{}: {}\n", inert_line(&file.to_string_lossy()), summary(&written));
    let json = json!({ "schema": "convault.policy-check/1", "rules": written.rules.len(), "default": written.default.is_some() });
    let notes = vec!["selectors are read when the policy is set".to_owned()];
    Ok(Outcome { text, json, notes, ..Outcome::default() })
}

fn summary(written: &Written) -> String {
    let default = match written.default {
        Some((length, clock)) => format!("what no other rule is about is due {length} after {}", clock.word()),
        None => "what no rule is about is kept".to_owned(),
    };
    format!("{}, grace {}; {default}", count(written.rules.len() as u64, "rule"), written.grace)
}

fn set(session: &Session, file: &Path) -> Result<Outcome, Failure> {
    let (text, written) = read(file)?;
    let mut vault = session.open()?;
    let effective = Duration::new(COOLING_OFF_HOURS, Unit::Hour).and_then(|hours| session.now.plus(hours));
    let effective = effective.ok_or_else(|| Failure::failed("the clock stands at the end of the calendar"))?;
    let policy = purge::policy(&vault, &written, session.now, effective)?;
    vault.set_policy(&policy, &text, session.now)?;
    compile_what_came(session, &mut vault)?;
    let entries = vault.listing()?.entries;
    // What it makes due by the time it is in force.
    let standings = vault.standings(&entries, session.now)?;
    let due_by = |entry: &Entry, at: Instant| match standings.of(entry).map(|verdict| &verdict.standing) {
        Some(Standing::Due { since, .. }) => Some(*since),
        Some(Standing::Live { due }) if *due <= at => Some(*due),
        _ => None,
    };
    let mut due: Vec<(Instant, &Entry)> =
        entries.iter().filter_map(|entry| Some((due_by(entry, effective)?, entry))).collect();
    due.sort_by_key(|(at, entry)| (*at, entry.conversation));
    let mut out = format!(
        "policy version {}: {}\nin force from {}; until then both it and the one before have to say so\n",
        policy.version,
        summary(&written),
        session.minute(effective),
    );
    out.push_str(&match due.len() as u64 {
        0 => "nothing is due by then\n".to_owned(),
        _ => {
            let conversations: BTreeSet<[u8; 16]> = due.iter().map(|(_, entry)| entry.conversation).collect();
            format!("{} due by then:\n", count(conversations.len() as u64, "conversation"))
        }
    });
    for (at, entry) in due.iter().take(SHOWN) {
        let id = month_word(entry.facts.month)
            .map_or_else(|| short(&entry.conversation), |month| format!("{} {month}", short(&entry.conversation)));
        // What is due already is read by nobody.
        let title = if *at <= session.now { "(due)".to_owned() } else { super::read::title(entry) };
        out.push_str(&format!("  {id}  {}  {}\n", session.minute(*at), inert_line(&title)));
    }
    if due.len() > SHOWN {
        out.push_str(&format!("  … and {} more\n", due.len() - SHOWN));
    }
    if !due.is_empty() {
        let reading = Reading::List { query: "", conversations: due.len().min(SHOWN) as u64 };
        session.log_reading(&mut vault, reading)?;
    }
    let json = json!({
        "schema": "convault.policy-set/1",
        "version": policy.version,
        "effective": effective.to_string(),
        "due": due.iter().map(|(at, entry)| json!({
            "id": hex(&entry.conversation),
            "month": month_word(entry.facts.month),
            "due": at.to_string(),
        })).collect::<Vec<_>>(),
    });
    session.close(vault)?;
    let notes =
        vec!["nothing is destroyed by setting a policy: purge does that, and --dry-run shows what it would".to_owned()];
    Ok(Outcome { text: out, json, notes, ..Outcome::default() })
}

fn show(session: &Session, version: Option<u64>) -> Result<Outcome, Failure> {
    let vault = session.open()?;
    let policies = vault.policies()?;
    let version = version.or(policies.last().map(|policy| policy.version)).unwrap_or(1);
    let found = policies.iter().find(|policy| policy.version == version).zip(vault.policy_written(version)?);
    session.close(vault)?;
    let (policy, written) =
        found.ok_or_else(|| Failure::failed(format!("there is no version {version} of the policy")))?;
    let text =
        if written.is_empty() { "# no policy: everything is kept\n".to_owned() } else { inert(&written).into_owned() };
    let json = json!({
        "schema": "convault.policy/1",
        "version": version,
        "set": moment(policy.set),
        "effective": moment(policy.effective),
        "written": written,
    });
    Ok(Outcome { text, json, ..Outcome::default() })
}

/// When something was, unless that is since ever.
fn moment(at: Instant) -> Value {
    if at.0 == i64::MIN { Value::Null } else { at.to_string().into() }
}

fn history(session: &Session) -> Result<Outcome, Failure> {
    let vault = session.open()?;
    let policies = vault.policies()?;
    session.close(vault)?;
    let state = |policy: &retention::Policy| match policy.effective > session.now {
        true => format!("in force from {}", session.minute(policy.effective)),
        false if policy.effective.0 == i64::MIN => "from the beginning".to_owned(),
        false => format!("in force since {}", session.minute(policy.effective)),
    };
    let line = |policy: &retention::Policy| {
        format!("{:>3}  {}  {}\n", policy.version, count(policy.rules.len() as u64, "rule"), state(policy))
    };
    let json = json!({
        "schema": "convault.policy-history/1",
        "versions": policies.iter().map(|policy| json!({
            "version": policy.version,
            "rules": policy.rules.len(),
            "set": moment(policy.set),
            "effective": moment(policy.effective),
        })).collect::<Vec<_>>(),
    });
    Ok(Outcome { text: policies.iter().map(line).collect(), json, ..Outcome::default() })
}

impl From<CompileError> for Failure {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Vault(error) => error.into(),
            other => {
                let hint = other.hint();
                Self { message: other.to_string(), hint, code: super::failure::code::USAGE }
            }
        }
    }
}

/// The names of a vault's rules in the version in force, for people.
pub(super) fn rule_name(vault: &Vault, version: u64, rule: usize) -> Result<String, Failure> {
    let written = vault.policy_written(version)?.and_then(|text| Written::parse(&text).ok());
    let name = written.and_then(|written| written.rules.into_iter().nth(rule)).map(|rule| rule.name);
    Ok(name.map_or_else(|| "the default".to_owned(), |name| format!("\"{name}\"")))
}
