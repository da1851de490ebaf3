//! `purge` and `restore`: what the policy says, executed and put off.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::arguments::{Purge, Restore};
use super::confirm;
use super::erase::{erased_outcome, progress};
use super::failure::{Failure, code};
use super::given;
use super::import::count;
use super::output::Outcome;
use super::policy::rule_name;
use super::read::short;
use super::seen::{self, Seen};
use super::session::Session;
use super::show::id;
use super::terminal::inert_line;
use crate::clock::{Duration, Instant, Unit, parse_date};
use crate::erasure;
use crate::purge::{self, Plan, Planned};
use crate::retention::Standing;
use crate::search::item;
use crate::vault::{Entry, Vault, hex};

/// Days that a restored conversation is kept, unless told.
const RESTORED_DAYS: u32 = 30;

/// Largest plan that is read.
const LARGEST: u64 = 1 << 30;

/// Compiles what was stored or changed since, where the policy or a hold reads content.
pub(super) fn compile_what_came(session: &Session, vault: &mut Vault) -> Result<(), Failure> {
    purge::compile(vault, session.now, |selector, entry, tags| selector.matches(&item(entry, tags)))?;
    Ok(())
}

pub(super) fn run(session: &Session, options: &Purge) -> Result<Outcome, Failure> {
    let at = match &options.at {
        Some(typed) if !options.dry_run => {
            return Err(Failure::usage(format!("--at {typed} is for looking ahead"), "add --dry-run"));
        }
        Some(typed) => day(session, typed)?,
        None => session.now,
    };
    let mut vault = session.open()?;
    compile_what_came(session, &mut vault)?;
    let mut plan = Plan::of(&vault, at)?;
    let in_force = vault.policy_in_force(session.now)?.0;
    if let Some(file) = &options.plan {
        let acknowledged = acknowledged(file, &vault, in_force, session.now)?;
        plan.ripe.retain(|planned| acknowledged.contains(&planned.entry.conversation));
    }
    let plan_json = |dry_run| plan_json(&plan, &vault, in_force, at, dry_run);
    let shown = describe(session, &vault, &plan, at)?;
    if options.dry_run {
        let json = plan_json(true);
        session.close(vault)?;
        let notes = vec!["nothing was destroyed: this was --dry-run".to_owned()];
        let (warnings, code) = left_out(&plan);
        return Ok(Outcome { text: shown, json, notes, warnings, code, ..Outcome::default() });
    }
    let seen = Seen::of(&vault).map(|seen| seen.clock());
    if plan.ripe.is_empty() {
        let json = plan_json(false);
        seen::look(&vault, session.now, false);
        session.close(vault)?;
        let (warnings, code) = left_out(&plan);
        return Ok(Outcome { text: shown, json, warnings, code, ..Outcome::default() });
    }
    let is_unattended = options.yes || options.plan.is_some();
    if !is_unattended && !agreed(session, &shown, &plan)? {
        session.close(vault)?;
        return Err(Failure::failed("nothing was destroyed"));
    }
    // Who answers a question sees the day; a plan in a file was made on another one.
    let clock = if is_unattended { purge::clock_is_sound(seen, session.now) } else { Ok(()) };
    let limits = match options.plan.is_none() && options.yes {
        true => plan.is_within_limits(&vault, session.now)?,
        false => Ok(()),
    };
    if let Err(tripped) = clock.and(limits) {
        session.close(vault)?;
        return Err(Failure {
            message: format!("nothing was destroyed: {tripped}"),
            hint: Some("look at it with --dry-run; then run it without --yes, or with --plan".to_owned()),
            code: code::BREAKER,
        });
    }
    let entries: Vec<Entry> = plan.ripe.iter().map(|planned| planned.entry.clone()).collect();
    let doomed = erasure::Plan::of(&vault, &entries)?.by_policy(plan.rules());
    let erased = erasure::erase(&mut vault, doomed, session.now, &progress(session))?;
    seen::remember(&vault, session.now, &erased.segments);
    seen::look(&vault, session.now, !is_unattended);
    let mut outcome = erased_outcome(&vault, &erased, Vec::new())?;
    outcome.json["schema"] = "convault.purge/1".into();
    outcome.json["in_grace"] = (plan.in_grace.len() as u64).into();
    let (warnings, code) = left_out(&plan);
    outcome.warnings.extend(warnings);
    outcome.code = outcome.code.max(code);
    session.close(vault)?;
    Ok(outcome)
}

/// A purge that leaves anything undone says so, also by its exit code.
fn left_out(plan: &Plan) -> (Vec<String>, u8) {
    match plan.damaged {
        0 => (Vec::new(), 0),
        some => (vec![format!("{} damaged and left out", count(some, "segment"))], code::PARTIAL),
    }
}

/// A moment as it is typed: a date or a time.
fn day(session: &Session, typed: &str) -> Result<Instant, Failure> {
    let period = parse_date(typed, session.now, &session.zone);
    Ok(period.map_err(|error| Failure::usage(format!("{typed}: {error}"), error.hint()))?.start)
}

/// The conversations of a plan that somebody looked at: of this vault, under the policy in force, of a day that has come.
fn acknowledged(file: &Path, vault: &Vault, in_force: u64, now: Instant) -> Result<BTreeSet<[u8; 16]>, Failure> {
    let bytes = given::read(file, LARGEST, "plan")?;
    let plan: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let list = plan["conversations"].as_array().filter(|_| plan["schema"] == "convault.purge/1");
    let ids = list.and_then(|list| list.iter().map(|one| crate::vault::unhex(one["id"].as_str()?)).collect());
    let at = plan["at"].as_str().and_then(|at| Instant::parse(at).ok());
    let refused = |why: &str| {
        Err(Failure::failed(format!("{}: {why}", file.display()))
            .with_hint("make it anew: convault purge --dry-run --json > FILE"))
    };
    match (ids, at) {
        (None, _) | (_, None) => refused("not a plan"),
        _ if plan["vault"] != hex(&vault.id()) => refused("a plan of another vault"),
        _ if plan["policy_version"] != in_force => refused("a plan under another version of the policy"),
        (_, Some(at)) if at > now => refused("a plan of a day that has not come"),
        (Some(ids), Some(_)) => Ok(ids),
    }
}

fn describe(session: &Session, vault: &Vault, plan: &Plan, at: Instant) -> Result<String, Failure> {
    let mut text = format!("at {}: ", session.minute(at));
    text.push_str(&match plan.ripe.len() as u64 {
        0 => "nothing to destroy\n".to_owned(),
        some => format!("{} to destroy\n", count(some, "conversation")),
    });
    for Planned { entry, verdict } in &plan.ripe {
        let since = verdict.due_since().map_or_else(String::new, |since| session.day(since));
        let rule = rule_name(vault, verdict.version, verdict.rule.unwrap_or(usize::MAX))?;
        // Nobody reads what is due, not here either.
        text.push_str(&format!("  {}  due since {since}, by {}\n", short(&entry.conversation), inert_line(&rule)));
    }
    if !plan.in_grace.is_empty() {
        text.push_str(&format!("{} due and in grace:\n", count(plan.in_grace.len() as u64, "conversation")));
    }
    for Planned { entry, verdict } in &plan.in_grace {
        if let Standing::Due { destroyed_from, .. } = verdict.standing {
            let id = short(&entry.conversation);
            text.push_str(&format!("  {id}  destroyed from {}\n", session.minute(destroyed_from)));
        }
    }
    Ok(text)
}

fn plan_json(plan: &Plan, vault: &Vault, in_force: u64, at: Instant, dry_run: bool) -> Value {
    let one = |planned: &Planned| {
        json!({
            "id": hex(&planned.entry.conversation),
            "due": planned.verdict.due_since().map(|since| since.to_string()),
            "rule": planned.verdict.rule.map(|rule| rule + 1),
        })
    };
    json!({
        "schema": "convault.purge/1",
        "vault": hex(&vault.id()),
        "policy_version": in_force,
        "at": at.to_string(),
        "dry_run": dry_run,
        "destroyed": 0,
        "segments": [],
        "conversations": plan.ripe.iter().map(one).collect::<Vec<_>>(),
        "in_grace": plan.in_grace.len(),
    })
}

fn agreed(session: &Session, shown: &str, plan: &Plan) -> Result<bool, Failure> {
    eprint!("{shown}");
    let number = plan.ripe.len() as u64;
    let question = format!("This cannot be taken back. Type {number} to destroy {}:", count(number, "conversation"));
    Ok(confirm::confirm_by_typing(&question, &number.to_string(), session.global.no_input)?)
}

pub(super) fn restore(session: &Session, options: &Restore) -> Result<Outcome, Failure> {
    let prefix = id(&options.id)?;
    let until = match &options.until {
        Some(typed) => day(session, typed)?,
        None => Duration::new(RESTORED_DAYS, Unit::Day)
            .and_then(|days| session.now.plus(days))
            .ok_or_else(|| Failure::failed("the clock stands at the end of the calendar"))?,
    };
    if until <= session.now {
        return Err(Failure::usage("--until lies in the past", "name a day to come"));
    }
    let mut vault = session.open()?;
    let entry = vault.entry(prefix.digits())?;
    let policy = vault.policies()?.pop().ok_or_else(|| Failure::failed("there is no policy"))?;
    let written = vault.policy_written(policy.version)?.unwrap_or_default();
    let policy = policy.restoring(entry.conversation, until, session.now);
    let until = policy.restored_until(&entry.conversation).unwrap_or(until);
    vault.set_policy(&policy, &written, session.now)?;
    compile_what_came(session, &mut vault)?;
    let text = format!("{} is kept until {}\n", short(&entry.conversation), session.minute(until));
    let json = json!({ "schema": "convault.restore/1", "id": hex(&entry.conversation), "until": until.to_string() });
    session.close(vault)?;
    Ok(Outcome { text, json, ..Outcome::default() })
}
