//! `erase`: chosen conversations destroyed now, checked, and a receipt written.

use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::arguments::{DestroyVault, Erase};
use super::confirm;
use super::failure::{Failure, code};
use super::import::count;
use super::inspect::size;
use super::output::Outcome;
use super::purge::compile_what_came;
use super::read::{Named, choose, short, table_width, title};
use super::seen;
use super::session::Session;
use super::terminal::{Column, Table};
use crate::erasure::{self, Erased, ErasureError, Plan, Verdict};
use crate::inert::inert_line;
use crate::retention::Standing;
use crate::selector::Scope;
use crate::vault::{CanErase, CanJudge, Class, CopyNote, Entry, Reading, Vault, VaultError, hex};

/// Conversations that a plan lists one by one; `--json` has all of them.
const SHOWN: usize = 40;

pub(super) fn run(session: &Session, options: &Erase) -> Result<Outcome, Failure> {
    let selector = session.selector(&options.selector, Scope::Items)?;
    if selector.is_empty() {
        return Err(Failure::usage("no conversations are chosen", "name them: convault erase tag:ex before:1y"));
    }
    let mut vault = session.open()?;
    // What was not compiled may be held: an import may have been stopped behind its storing.
    compile_what_came(session, &mut vault)?;
    let (mut chosen, mut warnings) = choose(session, &vault, &selector)?;
    let holds: std::collections::BTreeSet<[u8; 16]> = chosen.iter().flat_map(|named| named.holds()).copied().collect();
    let matched = chosen.len();
    chosen.retain(|named| named.holds().is_empty());
    let held = matched - chosen.len();
    if held > 0 && chosen.is_empty() {
        session.close(vault)?;
        return Err(super::hold::all_held(&holds.into_iter().collect::<Vec<_>>()));
    }
    if held > 0 {
        let words: Vec<String> = holds.iter().map(short).collect();
        warnings.push(format!("{} held and left out: by {}", count(held as u64, "conversation"), words.join(", ")));
    }
    if chosen.is_empty() {
        session.close(vault)?;
        let text = "no conversations match\n".to_owned();
        let json = json!({ "schema": "convault.erase/1", "destroyed": 0, "segments": [] });
        return Ok(Outcome { text, json, warnings, code: code::FAILED, ..Outcome::default() });
    }
    let entries: Vec<Entry> = chosen.iter().flat_map(Named::segments).cloned().collect();
    let plan = Plan::of(&vault, &entries)?;
    let shown = describe(session, &chosen, &plan);
    if options.dry_run || !options.yes {
        // Titles are shown, before anything is decided.
        let reading = Reading::List { query: &options.selector.join(" "), conversations: chosen.len() as u64 };
        session.log_reading(&mut vault, reading)?;
    }
    if options.dry_run {
        session.close(vault)?;
        let json = plan_json(&chosen, &plan);
        let notes = vec!["nothing was destroyed: this was --dry-run".to_owned()];
        return Ok(Outcome { text: shown, json, notes, warnings, ..Outcome::default() });
    }
    if !options.yes && !agreed(session, &shown, &plan)? {
        session.close(vault)?;
        return Err(Failure::failed("nothing was destroyed"));
    }
    let progress = progress(session);
    let erased = erasure::erase(&mut vault, plan, session.now, &progress)?;
    seen::remember(&vault, session.now, &erased.segments);
    let outcome = erased_outcome(&vault, &erased, warnings);
    session.close(vault)?;
    let mut outcome = outcome?;
    if held > 0 && outcome.code == 0 {
        outcome.code = code::PARTIAL;
    }
    Ok(outcome)
}

/// `destroy-vault`: everything erased, with a receipt where there was anything, and then the vault's own files.
pub(super) fn destroy_vault(session: &Session, options: &DestroyVault) -> Result<Outcome, Failure> {
    let mut vault = session.open()?;
    compile_what_came(session, &mut vault)?;
    let name = vault.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let entries = vault.listing()?.entries;
    let standings = vault.standings(&entries, session.now)?;
    let holds: std::collections::BTreeSet<[u8; 16]> = entries
        .iter()
        .filter_map(|entry| match standings.of(entry).map(|verdict| &verdict.standing) {
            Some(Standing::Held(held)) => Some(held.holds.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    if !holds.is_empty() {
        session.close(vault)?;
        let words: Vec<String> = holds.iter().map(short).collect();
        return Err(Failure {
            message: format!("nothing was destroyed: some of it is held, by {}", words.join(", ")),
            hint: Some("convault hold list says what for; hold release ID gives it free".to_owned()),
            code: code::HELD,
        });
    }
    let conversations: std::collections::BTreeSet<[u8; 16]> = entries.iter().map(|entry| entry.conversation).collect();
    let all = count(conversations.len() as u64, "conversation");
    let is_meant = match &options.yes_destroy {
        Some(typed) => typed.to_string_lossy() == name,
        None => {
            let path = inert_line(&vault.path().to_string_lossy()).into_owned();
            let question = format!(
                "This destroys {path} with {all}. It cannot be taken back. Type {} to destroy it:",
                inert_line(&name)
            );
            confirm::confirm_by_typing(&question, &name, session.global.no_input)?
        }
    };
    if !is_meant {
        session.close(vault)?;
        return Err(Failure::failed("nothing was destroyed").with_hint(format!("the vault's file name is {name}")));
    }
    let mut outcome = Outcome { json: json!({ "receipt": null, "destroyed": 0 }), ..Outcome::default() };
    // Also versions of conversations that cannot be listed have keys: what is left of them goes with the anchor.
    if !entries.is_empty() {
        let plan = Plan::of(&vault, &entries)?;
        let erased = erasure::erase(&mut vault, plan, session.now, &progress(session))?;
        outcome = erased_outcome(&vault, &erased, Vec::new())?;
        if outcome.code != 0 {
            session.close(vault)?;
            return Ok(outcome);
        }
    }
    let path = vault.path().to_owned();
    seen::forget(&vault);
    let left = vault.destroy_all()?;
    outcome.warnings.extend(left.iter().map(|path| {
        format!(
            "a replica of the anchor was out of reach and is left: {}; overwrite it when you have it",
            path.display()
        )
    }));
    outcome.text.push_str(&format!(
        "destroyed the vault {}; the files it had are overwritten and removed\n",
        inert_line(&path.to_string_lossy())
    ));
    outcome.json = json!({
        "schema": "convault.destroy-vault/1",
        "vault": path.to_string_lossy(),
        "destroyed": outcome.json["destroyed"],
        "receipt": outcome.json["receipt"],
    });
    Ok(outcome)
}

/// Says what is going on, to somebody who watches.
pub(super) fn progress(session: &Session) -> impl Fn(&'static str) {
    let is_watched = !session.global.quiet && !session.global.json && std::io::stderr().is_terminal();
    move |step| {
        if is_watched {
            eprintln!("{step} …");
        }
    }
}

/// Ends an erasure that an earlier command began; a warning for people, or none when there was nothing to end.
pub(super) fn resume<A: CanErase>(session: &Session, vault: &mut Vault<A>) -> Result<Option<String>, Failure> {
    let Some(erased) = erasure::resume(vault, session.now, &progress(session))? else {
        return write_last(vault).map(|()| None);
    };
    seen::remember(vault, session.now, &erased.segments);
    let outcome = erased_outcome(vault, &erased, Vec::new())?;
    Ok(Some(match outcome.code {
        0 => format!("an erasure that was interrupted is finished; {}", receipt_line(&erased, vault)),
        _ => {
            let open = erased.checks.iter().find(|one| !matches!(one.verdict, Verdict::Pass | Verdict::NotRun));
            let why = open.map_or("a check of it does not pass", |one| one.says.as_str());
            format!("an erasure is made and has no receipt yet: {why}. The next command checks again")
        }
    }))
}

/// A command that ended between the newest receipt and its file left the file out.
fn write_last<A: CanJudge>(vault: &Vault<A>) -> Result<(), Failure> {
    let Some(last) = vault.next_receipt()?.checked_sub(1).filter(|last| *last > 0) else { return Ok(()) };
    match (path_of(vault, last).exists(), vault.receipt(last)?) {
        // Where it cannot be written it is in the vault.
        (false, Some(receipt)) => write(vault, last, &receipt).map_or(Ok(()), |_| Ok(())),
        _ => Ok(()),
    }
}

/// Who can still open what was erased, by the class.
fn erased_words(class: Class) -> &'static str {
    match class {
        Class::E1 => "an older copy of this file opens it with the password",
        Class::E2 => "an older copy of this file opens it only with the anchor of that time",
        Class::E3 => "an older copy of this file opens it only with what hardware has dropped",
    }
}

/// The plan for people.
fn describe(session: &Session, chosen: &[Named], plan: &Plan) -> String {
    let mut table = Table::new(vec![
        Column::left("ID"),
        Column::left("LAST ACTIVITY"),
        Column::left("SOURCE"),
        Column::right("MESSAGES"),
        Column::flexible("TITLE"),
    ]);
    for named in chosen.iter().take(SHOWN) {
        let entry = &named.entry;
        table.row([
            short(&entry.conversation),
            session.day(entry.facts.last_activity),
            entry.card.source.clone(),
            entry.card.messages.to_string(),
            // What is due is read by nobody, its title neither.
            if named.is_served() { title(entry) } else { "(due)".to_owned() },
        ]);
    }
    let mut text = table.render(table_width());
    if chosen.len() > SHOWN {
        text.push_str(&format!("… and {} more\n", chosen.len() - SHOWN));
    }
    let earlier = match plan.superseded() {
        0 => String::new(),
        some => format!(", {some} of them earlier versions"),
    };
    text.push_str(&format!(
        "{} to destroy: {}{earlier}, {}\nclass {}: {}\nnot covered:\n",
        count(plan.conversations(), "conversation"),
        count(plan.segments(), "segment"),
        size(plan.bytes()),
        plan.class().word(),
        erased_words(plan.class()),
    ));
    for line in plan.not_covered() {
        text.push_str(&format!("  {line}\n"));
    }
    text
}

fn plan_json(chosen: &[Named], plan: &Plan) -> Value {
    json!({
        "schema": "convault.erase/1",
        "dry_run": true,
        "destroyed": 0,
        "conversations": chosen.iter().map(|named| json!({
            "id": hex(&named.entry.conversation),
            "title": named.is_served().then_some(&named.entry.card.title),
        })).collect::<Vec<_>>(),
        "planned": { "conversations": plan.conversations(), "segments": plan.segments(), "bytes": plan.bytes() },
        "class": plan.class().word(),
        "not_covered": plan.not_covered(),
    })
}

fn agreed(session: &Session, shown: &str, plan: &Plan) -> Result<bool, Failure> {
    // The plan is what is agreed to, so it is seen before the question wherever stdout leads.
    if !session.global.no_input && std::io::stdin().is_terminal() {
        eprint!("{shown}");
    }
    let question = format!(
        "This cannot be taken back. Type {} to destroy {}:",
        plan.conversations(),
        count(plan.conversations(), "conversation")
    );
    Ok(confirm::confirm_by_typing(&question, &plan.conversations().to_string(), session.global.no_input)?)
}

/// What came of it, with the receipt in a file of its own.
pub(super) fn erased_outcome<A: CanJudge>(
    vault: &Vault<A>,
    erased: &Erased,
    mut warnings: Vec<String>,
) -> Result<Outcome, Failure> {
    let mut path = None;
    if let Some((sequence, receipt)) = &erased.receipt {
        match write(vault, *sequence, receipt) {
            Ok(written) => path = Some(written),
            // It stands in the vault all the same.
            Err(failure) => warnings.push(format!("the receipt is in the vault only: {}", failure.message)),
        }
    }
    let mut text = format!(
        "destroyed {} ({})\nclass {}: {}\n",
        count(erased.conversations, "conversation"),
        count(erased.segments.len() as u64, "segment"),
        erased.class.word(),
        erased_words(erased.class),
    );
    for check in &erased.checks {
        let bytes = if check.bytes > 0 { format!(" ({} read)", size(check.bytes)) } else { String::new() };
        text.push_str(&format!("  {:8} {:13} {}{bytes}\n", check.verdict.word(), check.name, check.says));
    }
    text.push_str("not covered:\n");
    for line in &erased.not_covered {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str(&known_copies(&erased.copies));
    let code = match &erased.receipt {
        Some(_) => 0,
        None => code::DAMAGE,
    };
    match (&erased.receipt, &path) {
        (Some(_), Some(path)) => text.push_str(&format!("receipt: {}\n", path.display())),
        (Some(_), None) => text.push_str("receipt: in the vault (convault receipt show)\n"),
        (None, _) => text.push_str(
            "no receipt yet: the keys are gone, and a check has not passed. The next command on this vault checks again.\n",
        ),
    }
    let json = json!({
        "schema": "convault.erase/1",
        "dry_run": false,
        "destroyed": erased.conversations,
        "segments": erased.segments.iter().map(|one| json!({
            "leaf": one.leaf,
            "segment": hex(&one.segment),
            "superseded": one.is_superseded,
        })).collect::<Vec<_>>(),
        "class": erased.class.word(),
        "checks": erased.checks.iter().map(|check| json!({
            "name": check.name,
            "result": check.verdict.word(),
            "bytes": check.bytes,
            "says": check.says,
        })).collect::<Vec<_>>(),
        "not_covered": erased.not_covered,
        "copies": erased.copies,
        "receipt": path.as_ref().map(|path| path.to_string_lossy()),
    });
    Ok(Outcome { text, json, warnings, code, ..Outcome::default() })
}

/// The copies that a receipt names, for people.
pub(super) fn known_copies(copies: &[CopyNote]) -> String {
    let mut text = String::new();
    if !copies.is_empty() {
        text.push_str("known copies, which no check looked at:\n");
    }
    for CopyNote { id, kind, made, protection } in copies {
        let line = format!("{} {kind} of {made}, protection: {protection}", &id[..8.min(id.len())]);
        text.push_str(&format!("  {}\n", crate::inert::inert_line(&line)));
    }
    text
}

fn receipt_line<A: CanJudge>(erased: &Erased, vault: &Vault<A>) -> String {
    let sequence = erased.receipt.as_ref().map_or(0, |(sequence, _)| *sequence);
    format!("its receipt: {}", path_of(vault, sequence).display())
}

/// Where a receipt is written: under its number, unless that is a receipt of a vault that was at this path before.
pub(super) fn path_of<A: CanJudge>(vault: &Vault<A>, sequence: u64) -> PathBuf {
    let (folder, id) = (erasure::receipts_folder(vault.path()), hex(&vault.id()));
    let path = folder.join(format!("{sequence:06}.json"));
    let own = format!("\"vault\":\"{id}\"");
    match std::fs::read(&path) {
        Ok(other) if !String::from_utf8_lossy(&other).contains(&own) => {
            folder.join(format!("{sequence:06}-{}.json", &id[..8]))
        }
        _ => path,
    }
}

fn write<A: CanJudge>(vault: &Vault<A>, sequence: u64, receipt: &[u8]) -> Result<PathBuf, Failure> {
    let path = path_of(vault, sequence);
    let failed = |error: std::io::Error| Failure::io(&path, &error);
    let folder = erasure::receipts_folder(vault.path());
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part).map_err(failed)?;
    let written = file.write_all(receipt).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| std::fs::rename(&part, &path)) {
        let _ = std::fs::remove_file(&part);
        return Err(failed(error));
    }
    Ok(path)
}

impl From<ErasureError> for Failure {
    fn from(error: ErasureError) -> Self {
        match error {
            // Everything is done but the copy beside the anchor, and the receipt is in the vault.
            ErasureError::Vault(error @ VaultError::CopyNotRenewed(_)) => error.into(),
            ErasureError::Vault(error) if error.met_a_full_disk() => Self {
                message: error.to_string(),
                hint: Some(
                    "there is no receipt; make room, and the next command goes on with what was begun".to_owned(),
                ),
                code: code::DISK_FULL,
            },
            ErasureError::Vault(error) => error.into(),
            other => Self { message: other.to_string(), hint: None, code: code::DAMAGE },
        }
    }
}
