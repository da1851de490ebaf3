//! `purge` and `restore`: what the policy says, executed and put off.

use std::collections::BTreeSet;
use std::io::IsTerminal;
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
use crate::clock::{Duration, Instant, Unit, month_word, parse_date};
use crate::erasure;
use crate::inert::inert_line;
use crate::purge::{self, Plan, Planned};
use crate::retention::Standing;
use crate::search::item;
use crate::vault::{CanErase, CanJudge, Folded, Vault, VaultError, Who, hex};

/// Days that a restored conversation is kept, unless told.
const RESTORED_DAYS: u32 = 30;

/// Days that the keys of an earlier version are kept, so that backups stay useful.
const SUPERSEDED_DAYS: u32 = 90;

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
    let unopened = session.unopened()?;
    let run = |is_attended| Run { session, options, at, is_attended };
    match session.who(&unopened)? {
        Who::Owner(keys) => {
            let mut vault = session.settled(unopened.open_as(keys, session.anchor())?)?;
            compile_what_came(session, &mut vault)?;
            let is_attended = !options.yes && options.plan.is_none();
            run(is_attended).purge(vault, |vault, plan| plan.with_tags(vault), rule_name)
        }
        // Nobody is there to be asked, and no name can be told.
        Who::Janitor(keys) => {
            let vault = session.settled(unopened.open_as(keys, session.anchor())?)?;
            run(false).purge(vault, |_, plan| Ok(plan), |_, _, rule| Ok(rule_number(rule)))
        }
        other => Err(VaultError::NotAllowed(other.role()).into()),
    }
}

fn rule_number(rule: usize) -> String {
    if rule == usize::MAX { "the default".to_owned() } else { format!("rule {}", rule + 1) }
}

/// One purge.
struct Run<'a> {
    session: &'a Session,
    options: &'a Purge,
    at: Instant,
    is_attended: bool,
}

impl Run<'_> {
    fn purge<A: CanErase>(
        &self,
        mut vault: Vault<A>,
        complete: impl Fn(&Vault<A>, erasure::Plan) -> Result<erasure::Plan, VaultError>,
        rule: impl Fn(&Vault<A>, u64, usize) -> Result<String, Failure>,
    ) -> Result<Outcome, Failure> {
        let Self { session, options, at, is_attended } = *self;
        // What waits in the inbox may be due as well.
        let folded = if options.dry_run { Folded::default() } else { vault.fold_deposits(session.now)? };
        let mut plan = Plan::of(&vault, at)?;
        let in_force = vault.policy_in_force(session.now)?.0;
        let mut is_of_today = false;
        if let Some(file) = &options.plan {
            let (acknowledged, made) = acknowledged(file, &vault, in_force, session.now)?;
            let day = Duration::new(1, Unit::Day).and_then(|day| made.plus(day));
            is_of_today = day.is_some_and(|end| session.now < end);
            plan.ripe.retain(|planned| acknowledged.contains(&named(planned)));
        }
        let json = plan_json(&plan, &vault, in_force, at, options.dry_run);
        let shown = describe(session, &plan, at, |version, number| rule(&vault, version, number))?;
        let mut outcome = Outcome { text: shown.clone(), json, ..left_out(&plan, &folded) };
        if options.dry_run {
            session.close(vault)?;
            outcome.notes.push("nothing was destroyed: this was --dry-run".to_owned());
            return Ok(outcome);
        }
        // Who answers a question sees the day; a plan in a file was made on another one.
        let has_ripe = !plan.ripe.is_empty();
        // Where there is nothing to ask, somebody at a terminal sees it all the same.
        let is_asked = is_attended && (has_ripe || !session.global.no_input && std::io::stdin().is_terminal());
        if is_asked && has_ripe && !agreed(session, &shown, &plan)? {
            session.close(vault)?;
            return Err(Failure::failed("nothing was destroyed"));
        }
        let seen = Seen::of(&vault).map(|seen| seen.clock()).max(vault.purged());
        // A plan of today was made, and looked at, on this clock.
        let clock = match is_asked || is_of_today {
            true => Ok(()),
            false => purge::clock_is_sound(seen, session.now),
        };
        let limits = match options.plan.is_none() && !is_attended {
            true => plan.is_within_limits(&vault, session.now)?,
            false => Ok(()),
        };
        match clock.and(limits) {
            Ok(()) => {}
            // A run on a day that nobody acknowledged is none: its clock would count.
            Err(_) if is_attended => {
                session.close(vault)?;
                return Ok(outcome);
            }
            Err(tripped) => {
                session.close(vault)?;
                return Err(Failure {
                    message: format!("nothing was destroyed: {tripped}"),
                    hint: Some(
                        "look at it with --dry-run; then run it on a terminal without --yes, or with a --plan of today"
                            .to_owned(),
                    ),
                    code: code::BREAKER,
                });
            }
        }
        let old = Duration::new(SUPERSEDED_DAYS, Unit::Day).and_then(|days| session.now.minus(days));
        let old = old.unwrap_or(Instant(i64::MIN));
        let earlier = erasure::Plan::of_superseded(&vault, old, |id| plan.held.contains(id))?;
        let earlier = earlier.map(|plan| self.erase(&mut vault, plan)).transpose()?;
        if let Some(pending) = earlier.as_ref().filter(|done| done.json["receipt"].is_null()) {
            // Nothing else begins before that has its receipt.
            let (text, json, code) = (pending.text.clone(), pending.json.clone(), pending.code.max(outcome.code));
            session.close(vault)?;
            return Ok(Outcome { text, json, code, ..outcome });
        }
        if plan.ripe.is_empty() {
            vault.end_run(session.now)?;
        } else {
            let doomed = erasure::Plan::of_segments(&vault, &plan.targets())?;
            let doomed = complete(&vault, doomed)?.by_policy(plan.rules());
            let done = self.erase(&mut vault, doomed)?;
            outcome.warnings.extend(done.warnings);
            outcome.code = outcome.code.max(done.code);
            (outcome.text, outcome.json) = (done.text, done.json);
            outcome.json["schema"] = "convault.purge/1".into();
            outcome.json["in_grace"] = (plan.in_grace.len() as u64).into();
            if plan.wholes_and_months().1 > 0 {
                outcome.notes.push(format!("destroyed: {}; their other months stay", amount(&plan)));
            }
        }
        outcome.json["superseded"] = earlier.as_ref().map_or(Value::Null, |done| done.json.clone());
        if let Some(done) = earlier {
            outcome
                .text
                .push_str(&format!("keys of earlier versions, older than {SUPERSEDED_DAYS} days: {}", done.text));
            outcome.warnings.extend(done.warnings);
            outcome.code = outcome.code.max(done.code);
        }
        let trimmed = vault.trim_log(session.now)?;
        outcome.json["log_trimmed"] = trimmed.into();
        if trimmed > 0 {
            outcome.notes.push(format!("{trimmed} log entries removed: the policy keeps them no longer"));
        }
        seen::look(&vault, session.now, is_asked || is_of_today);
        outcome.warnings.extend(super::anchor::not_overwritten(&vault)?);
        session.close(vault)?;
        Ok(outcome)
    }

    fn erase<A: CanErase>(&self, vault: &mut Vault<A>, plan: erasure::Plan) -> Result<Outcome, Failure> {
        let erased = erasure::erase(vault, plan, self.session.now, &progress(self.session))?;
        seen::remember(vault, self.session.now, &erased.segments);
        erased_outcome(vault, &erased, Vec::new())
    }
}

/// A purge that leaves anything undone says so, also by its exit code.
fn left_out(plan: &Plan, folded: &Folded) -> Outcome {
    let mut warnings = Vec::new();
    if plan.damaged > 0 {
        warnings.push(format!("{} damaged and left out", count(plan.damaged, "segment")));
    }
    warnings.extend(folded_warnings(folded));
    let mut notes = Vec::new();
    if folded.segments > 0 {
        notes.push(format!("{} folded in", count(folded.segments, "deposit")));
    }
    if plan.uncompiled > 0 {
        let some = count(plan.uncompiled, "segment");
        notes.push(format!("{some} kept until an owner's next command says what the policy asks of their content"));
    }
    let code = if warnings.is_empty() { 0 } else { code::PARTIAL };
    Outcome { warnings, notes, code, ..Outcome::default() }
}

/// What is not as it should be with an inbox that was folded in.
pub(super) fn folded_warnings(folded: &Folded) -> Vec<String> {
    let mut warnings = Vec::new();
    if folded.is_tampered {
        warnings.push(
            "the inbox is not as its depositors left it: something in it was added, changed or removed".to_owned(),
        );
    }
    if folded.quarantined > 0 {
        warnings.push(format!(
            "{} in the inbox are no deposits of this vault, or sealed to keys of before: put aside",
            count(folded.quarantined, "row")
        ));
    }
    warnings
}

/// A moment as it is typed: a date or a time.
fn day(session: &Session, typed: &str) -> Result<Instant, Failure> {
    let period = parse_date(typed, session.now, &session.zone);
    Ok(period.map_err(|error| Failure::usage(format!("{typed}: {error}"), error.hint()))?.start)
}

/// The conversations of a plan that somebody looked at: of this vault, under the policy in force, of a day that has come.
fn acknowledged<A: CanJudge>(
    file: &Path,
    vault: &Vault<A>,
    in_force: u64,
    now: Instant,
) -> Result<(BTreeSet<Name>, Instant), Failure> {
    let bytes = given::read(file, LARGEST, "plan")?;
    let plan: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let list = plan["conversations"].as_array().filter(|_| plan["schema"] == "convault.purge/1");
    let name = |one: &Value| Some((one["id"].as_str()?.to_owned(), one["month"].as_str().map(str::to_owned)));
    let ids = list.and_then(|list| list.iter().map(name).collect());
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
        (Some(ids), Some(at)) => Ok((ids, at)),
    }
}

/// What a plan knows a segment by: the id of its conversation, and its month.
type Name = (String, Option<String>);

fn named(planned: &Planned) -> Name {
    (hex(&planned.item.conversation), month_word(planned.item.month))
}

/// What is destroyed: of a chat that never ends no more than its months.
fn amount(plan: &Plan) -> String {
    match plan.wholes_and_months() {
        (wholes, 0) => count(wholes, "conversation"),
        (0, months) => format!("{} of chats", count(months, "month")),
        (wholes, months) => format!("{} and {} of chats", count(wholes, "conversation"), count(months, "month")),
    }
}

fn words(planned: &Planned) -> String {
    let id = short(&planned.item.conversation);
    month_word(planned.item.month).map_or(id.clone(), |month| format!("{id} {month}"))
}

fn describe(
    session: &Session,
    plan: &Plan,
    at: Instant,
    rule: impl Fn(u64, usize) -> Result<String, Failure>,
) -> Result<String, Failure> {
    let mut text = format!("at {}: ", session.minute(at));
    text.push_str(&match plan.conversations() {
        0 => "nothing to destroy\n".to_owned(),
        _ => format!("{} to destroy\n", amount(plan)),
    });
    for planned in &plan.ripe {
        let verdict = &planned.verdict;
        let since = verdict.due_since().map_or_else(String::new, |since| session.day(since));
        let rule = rule(verdict.version, verdict.rule.unwrap_or(usize::MAX))?;
        // Nobody reads what is due, not here either.
        text.push_str(&format!("  {}  due since {since}, by {}\n", words(planned), inert_line(&rule)));
    }
    if !plan.in_grace.is_empty() {
        text.push_str(&format!("{} due and in grace:\n", count(plan.in_grace.len() as u64, "segment")));
    }
    for planned in &plan.in_grace {
        if let Standing::Due { destroyed_from, .. } = planned.verdict.standing {
            text.push_str(&format!("  {}  destroyed from {}\n", words(planned), session.minute(destroyed_from)));
        }
    }
    Ok(text)
}

fn plan_json<A: CanJudge>(plan: &Plan, vault: &Vault<A>, in_force: u64, at: Instant, dry_run: bool) -> Value {
    let one = |planned: &Planned| {
        let (id, month) = named(planned);
        json!({
            "id": id,
            "month": month,
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
        "uncompiled": plan.uncompiled,
    })
}

fn agreed(session: &Session, shown: &str, plan: &Plan) -> Result<bool, Failure> {
    eprint!("{shown}");
    let number = plan.ripe.len();
    let question = format!("This cannot be taken back. Type {number} to destroy {}:", amount(plan));
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
