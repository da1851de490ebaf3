//! `export`: chosen conversations handed out in one form, encrypted or plainly not.

pub(super) mod protection;
pub(super) mod target;

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use self::protection::Protection;
use self::target::{Interrupted, Target, refuse_existing};
use super::arguments::{Export, ExportFormat};
use super::failure::{Failure, code};
use super::import::count;
use super::output::Outcome;
use super::read::{Named, choose, short, table_width, title};
use super::session::{Session, absolute, reading};
use super::terminal::{Column, Table};
use crate::bundle::FileId;
use crate::disclosure::{Chosen, DisclosureError, Form, Part, Plan, Written};
use crate::export::html::Html;
use crate::export::markdown::Markdown;
use crate::inert::inert_line;
use crate::selector::{Scope, Selector, TermKind};
use crate::vault::{CanRead, Reading, Vault, VaultError, hex};

pub(super) fn run(session: &Session, options: &Export) -> Result<Outcome, Failure> {
    let selector = session.selector(&options.selector, Scope::Items)?;
    let part = part(options)?;
    if options.earlier > 0 && !matches!(options.format, ExportFormat::Original) {
        return Err(Failure::usage(
            "--earlier goes with --format original",
            "JSONL has every state of the source's bytes in it",
        ));
    }
    if options.dry_run {
        return reading!(session, vault => planned(session, vault, &selector, options, part));
    }
    let protection = Protection::of(session, options)?;
    if options.output.is_none() && (session.global.json || std::io::stdout().is_terminal()) {
        return Err(Failure::usage("the bytes would go to the terminal, or into the JSON", "name a file with -o FILE"));
    }
    if let Some(path) = &options.output {
        refuse_existing(path, options.force)?;
    }
    reading!(session, vault => exported(session, vault, &selector, options, (part, &protection)))
}

/// Which messages were asked for.
fn part(options: &Export) -> Result<Part, Failure> {
    let Some(typed) = &options.messages else {
        return Ok(if options.all { Part::All } else { Part::Visible });
    };
    if matches!(options.format, ExportFormat::Original) {
        return Err(Failure::usage(
            "--messages chooses among messages, and the source's own bytes are whole",
            "use jsonl, html or md",
        ));
    }
    Ok(Part::Messages(numbers(typed).ok_or_else(|| {
        Failure::usage(
            format!("not a list of messages: {typed}"),
            "write numbers and ranges from 1 on, as 3-7,12; show --numbers has them",
        )
    })?))
}

/// More messages than any conversation has.
const MOST_NUMBERS: usize = 1 << 22;

/// `3-7,12` as numbers from 0, ascending.
pub(super) fn numbers(typed: &str) -> Option<Vec<usize>> {
    let mut numbers = Vec::new();
    for range in typed.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number =
            |text: &str| text.trim().parse::<usize>().ok().filter(|number| (1..=MOST_NUMBERS).contains(number));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return None;
        }
        numbers.extend(first - 1..last);
    }
    numbers.sort_unstable();
    numbers.dedup();
    Some(numbers)
}

/// What a selector chooses of what may be read, and what is to be said of the rest.
struct Selected {
    named: Vec<Named>,
    notes: Vec<String>,
}

fn selected<A: CanRead>(session: &Session, vault: &Vault<A>, selector: &Selector) -> Result<Selected, Failure> {
    let (chosen, damaged) = choose(session, vault, selector)?;
    if let Some(first) = damaged.first() {
        return Err(Failure { code: code::DAMAGE, ..Failure::failed(format!("not everything can be read: {first}")) }
            .with_hint("convault check names all that is damaged"));
    }
    let (named, due): (Vec<Named>, Vec<Named>) = chosen.into_iter().partition(Named::is_served);
    // The beginning of an id means one conversation; of several none is meant.
    let prefix = selector.terms.iter().find_map(|term| match &term.kind {
        TermKind::Id(prefix) if !term.negated => Some(prefix.digits().to_owned()),
        _ => None,
    });
    if let (Some(prefix), true) = (prefix, named.len() > 1) {
        let ids = named.iter().map(|one| hex(&one.entry.conversation)).collect();
        return Err(VaultError::Ambiguous { prefix, ids }.into());
    }
    let mut notes = Vec::new();
    let months: usize = named.iter().map(|one| one.due.len()).sum();
    notes.extend(super::show::not_served(months));
    if !due.is_empty() {
        notes.push(format!(
            "{} due and in no export: convault restore ID brings it back",
            count(due.len() as u64, "conversation")
        ));
    }
    if let ([], [one]) = (&named[..], &due[..]) {
        // It says since when, and what brings it back.
        session.serve(vault, one.due.clone())?;
    }
    if named.is_empty() {
        let message = if due.is_empty() { "no conversation matches" } else { "everything that matches is due" };
        let failure = Failure::failed(message);
        return Err(match due.is_empty() {
            true => failure,
            false => failure.with_hint("convault restore ID brings a conversation back"),
        });
    }
    Ok(Selected { named, notes })
}

fn plan<'f>(named: &[Named], form: Form<'f>, part: Part) -> Result<Plan<'f>, Failure> {
    let chosen = named.iter().map(|one| Chosen { segments: one.served.clone(), tags: one.tags.clone() }).collect();
    Ok(Plan::of(chosen, form, part)?)
}

/// The form that was asked for.
fn form(options: &Export) -> Form<'static> {
    match options.format {
        ExportFormat::Html => Form::Document(&Html, "html"),
        ExportFormat::Md => Form::Document(&Markdown, "md"),
        ExportFormat::Jsonl => Form::Jsonl,
        ExportFormat::Original => Form::Original(options.earlier),
    }
}

/// What would go out, and nothing that does.
fn planned<A: CanRead>(
    session: &Session,
    mut vault: Vault<A>,
    selector: &Selector,
    options: &Export,
    part: Part,
) -> Result<Outcome, Failure> {
    let Selected { named, notes } = selected(session, &vault, selector)?;
    let messages = plan(&named, form(options), part)?.messages(&vault)?;
    let reading = Reading::List { query: &options.selector.join(" "), conversations: named.len() as u64 };
    session.log_reading(&mut vault, reading)?;
    session.close(vault)?;
    let mut table = Table::new(vec![
        Column::left("ID"),
        Column::left("LAST ACTIVITY"),
        Column::right("MESSAGES"),
        Column::right("FILES OF IT"),
        Column::flexible("TITLE"),
    ]);
    for (Named { entry, .. }, messages) in named.iter().zip(&messages) {
        let of = entry.card.messages;
        table.row([
            short(&entry.conversation),
            session.day(entry.facts.last_activity),
            if *messages == of { of.to_string() } else { format!("{messages} of {of}") },
            entry.card.attachments.to_string(),
            title(entry),
        ]);
    }
    let json = json!({
        "schema": "convault.export/1",
        "dry_run": true,
        "format": form(options).word(),
        "conversations": named.iter().zip(&messages).map(|(one, messages)| json!({
            "id": hex(&one.entry.conversation),
            "title": one.entry.card.title,
            "messages": messages,
            "attachments": one.entry.card.attachments,
        })).collect::<Vec<Value>>(),
    });
    let mut all = vec![format!("{} would go out; nothing was written", count(named.len() as u64, "conversation"))];
    all.extend(notes);
    Ok(Outcome { text: table.render(table_width()), json, notes: all, ..Outcome::default() })
}

fn exported<A: CanRead>(
    session: &Session,
    mut vault: Vault<A>,
    selector: &Selector,
    options: &Export,
    (part, protection): (Part, &Protection),
) -> Result<Outcome, Failure> {
    let Selected { named, mut notes } = selected(session, &vault, selector)?;
    let plan = plan(&named, form(options), part)?;
    let output = options.output.as_deref();
    let place = match output {
        Some(path) => absolute(path)?.to_string_lossy().into_owned(),
        None => "stdout".to_owned(),
    };
    let own = session.own_files(vault.anchor().1.map(Path::to_owned));
    let is_own = |path: &Path| FileId::at(path).is_some_and(|id| own.contains(&id));
    if let Some(path) = output.filter(|path| is_own(path) || is_own(&beside(path))) {
        session.close(vault)?;
        return Err(Failure::failed(format!("{} is, or lies beside, a file of the vault itself", path.display())));
    }
    let sidecar = output.filter(|_| matches!(options.format, ExportFormat::Original) && named.len() == 1).map(beside);
    if let Some(path) = &sidecar {
        refuse_existing(path, options.force)?;
    }
    let mut sink = protection.begin(Target::open(output, options.force)?)?;
    // Before anything goes out, since neither is worth anything without the other.
    let manifest = sidecar.as_deref().map(|path| protection.begin(Target::open(Some(path), options.force)?));
    let manifest = manifest.transpose()?;
    // Before the first byte goes out.
    let recorded = plan.record(&mut vault, &place, &protection.words(), &options.selector.join(" "), session.now)?;
    let warnings = recorded.behind.iter().map(ToString::to_string).collect();
    let copy = recorded.copy;
    let written = recorded.write(&vault, &mut sink);
    session.close(vault)?;
    let written = written?;
    let target = sink.finish()?;
    if let (Some(mut sink), Some(manifest)) = (manifest, &written.manifest) {
        writeln!(sink, "{manifest}").map_err(|error| unwritten(&error))?;
        sink.finish()?.finish()?;
    }
    let (digest, size) = target.finish()?;
    notes.extend(left_out(&written));
    let code = if written.without_original.is_empty() { 0 } else { code::PARTIAL };
    let Some(path) = output else {
        return Ok(Outcome { bytes: Some(Vec::new()), notes, warnings, code, ..Outcome::default() });
    };
    let json = json!({
        "schema": "convault.export/1",
        "id": match &named[..] { [one] => Some(hex(&one.entry.conversation)), _ => None },
        "dry_run": false,
        "conversations": named.iter().map(|one| json!({ "id": hex(&one.entry.conversation) })).collect::<Vec<Value>>(),
        "messages": written.messages,
        "left_out": written.left_out,
        "format": form(options).word(),
        "protection": protection.words(),
        "file": path.to_string_lossy(),
        "manifest": sidecar.as_ref().map(|path| path.to_string_lossy().into_owned()),
        "bytes": size,
        "sha256": hex(&digest),
        "copy": hex(&copy),
        "without_original": written.without_original.iter().map(|id| hex(id)).collect::<Vec<String>>(),
    });
    let how = if protection.is_plain() { "unencrypted".to_owned() } else { protection.words() };
    let mut text =
        format!("wrote {} ({size} bytes, {how})\nsha256 {}\n", inert_line(&path.to_string_lossy()), hex(&digest));
    if let Some(path) = &sidecar {
        text.push_str(&format!("manifest {}\n", inert_line(&path.to_string_lossy())));
    }
    Ok(Outcome { text, json, notes, warnings, code, ..Outcome::default() })
}

/// Where the manifest of one original stands.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".manifest");
    PathBuf::from(name)
}

/// What to say of what did not go out.
fn left_out(written: &Written) -> Vec<String> {
    let mut notes = Vec::new();
    if written.left_out > 0 {
        notes.push(format!("{} left out, and the export says where", count(written.left_out, "message")));
    }
    if !written.without_original.is_empty() {
        let ids: Vec<String> = written.without_original.iter().map(short).collect();
        notes.push(format!("left out, since the vault holds no source bytes of them: {}", ids.join(", ")));
    }
    notes
}

/// Why an output was not written, whatever stands between it and the file.
pub(super) fn unwritten(error: &std::io::Error) -> Failure {
    let is_interrupted = error.get_ref().is_some_and(|inner| inner.is::<Interrupted>());
    let code = match error.kind() {
        _ if is_interrupted => code::INTERRUPTED,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => code::DISK_FULL,
        _ => code::FAILED,
    };
    let message = if is_interrupted { error.to_string() } else { format!("cannot write the output: {error}") };
    Failure { code, ..Failure::failed(message) }
}

impl From<DisclosureError> for Failure {
    fn from(error: DisclosureError) -> Self {
        match error {
            DisclosureError::Vault(error) => error.into(),
            DisclosureError::Output(error) => unwritten(&error),
            DisclosureError::Months => {
                Self::failed(error.to_string()).with_hint("export what it holds with --format jsonl")
            }
            DisclosureError::NoMessage { .. } | DisclosureError::NotOne(_) | DisclosureError::LeftOut(_) => {
                Self::usage(error.to_string(), "convault show ID --numbers --all numbers the messages of one")
            }
            error => Self::failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_numbers_and_ranges_from_one_on() {
        assert_eq!(numbers("3-5,1, 4,9"), Some(vec![0, 2, 3, 4, 8]));
        for wrong in ["", "0", "5-3", "1-", "-2", "a", "1,,2", "99999999999999999999", "1-99999999999"] {
            assert_eq!(numbers(wrong), None, "{wrong}");
        }
    }
}
