//! `import`: files in, a report out that names everything left behind.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::Path;

use serde_json::{Value, json};

use super::arguments::{Import, Init};
use super::failure::{Failure, code};
use super::output::Outcome;
use super::session::Session;
use super::{confirm, init, process, progress};
use crate::bundle::{Bundle, BundleError};
use crate::import::{Importer, by_name, detect};
use crate::ingest::{self, Options, Report};
use crate::vault::Vault;

/// Places of a problem or a count shown to people; `--json` has more.
const SHOWN: usize = 20;

pub(super) fn run(session: &Session, options: &Import) -> Result<Outcome, Failure> {
    let mut reports = Vec::new();
    let mut failures = Vec::new();
    // Before a password is asked for, or a vault made for nothing.
    if let [path] = options.paths.as_slice()
        && let Err(error) = std::fs::metadata(path)
    {
        return Err(unreadable(path, &error.into()));
    }
    if options.check {
        for path in &options.paths {
            keep(path, read(session, options, path, None), &mut reports, &mut failures)?;
        }
    } else {
        let mut vault = open_or_make(session)?;
        for path in &options.paths {
            keep(path, read(session, options, path, Some(&mut vault)), &mut reports, &mut failures)?;
        }
        vault.close()?;
    }
    // A single input that failed is the command's failure, in full.
    if reports.is_empty()
        && failures.len() == 1
        && let Some((_, failure)) = failures.pop()
    {
        return Err(failure);
    }
    Ok(outcome(options.check, &reports, &failures))
}

type Failures = Vec<(String, Failure)>;

fn keep(
    path: &Path,
    result: Result<Report, Failure>,
    reports: &mut Vec<(String, Report)>,
    failures: &mut Failures,
) -> Result<(), Failure> {
    let name = path.to_string_lossy().into_owned();
    match result {
        Ok(report) => reports.push((name, report)),
        Err(failure) if failure.code == code::INTERRUPTED && !reports.is_empty() => {
            // Each input is a transaction of its own; those before this one are there.
            let message = format!("interrupted; {} before this one stored", count(reports.len() as u64, "input"));
            return Err(Failure { message, ..failure });
        }
        Err(failure) if failure.code == code::INTERRUPTED => return Err(failure),
        Err(failure) => failures.push((name, failure)),
    }
    Ok(())
}

fn unreadable(path: &Path, error: &BundleError) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}

fn open_or_make(session: &Session) -> Result<Vault, Failure> {
    if session.path.exists() || session.global.no_input || !std::io::stdin().is_terminal() {
        return session.open();
    }
    let question = format!("No vault at {}. Make one?", session.path.display());
    if !confirm::confirm(&question, false)? {
        return Err(Failure::failed("no vault was made, and nothing was imported"));
    }
    let (vault, code) = init::make(session, &Init::default())?;
    let said = init::describe(&vault, code.as_ref());
    eprint!("{}", said.text);
    Ok(vault)
}

fn read(session: &Session, options: &Import, path: &Path, vault: Option<&mut Vault>) -> Result<Report, Failure> {
    let bundle = Bundle::open_path(path).map_err(|error| unreadable(path, &error))?;
    let importer: &dyn Importer = match options.format.as_deref().and_then(by_name) {
        Some(importer) => importer,
        None => {
            let detected = detect(&bundle).map_err(|error| {
                let failure = Failure::from(error);
                Failure { message: format!("{}: {}", path.display(), failure.message), ..failure }
            })?;
            detected.0
        }
    };
    let meter = progress::Meter::start(session, &bundle, path);
    process::stop_on_signals(&meter.progress.stop);
    let report = match vault {
        None => ingest::check(&bundle, importer, &meter.progress),
        Some(vault) => {
            let options = Options { importer, tags: &options.tag, now: session.now };
            ingest::import(vault, &bundle, &options, &meter.progress)
        }
    };
    drop(meter);
    Ok(report?)
}

/// The report for people and programs.
pub(super) fn outcome(check: bool, reports: &[(String, Report)], failures: &Failures) -> Outcome {
    let mut text = String::new();
    let mut total = Report::default();
    for (name, report) in reports {
        write_report(&mut text, name, report, check);
        total.counts.new += report.counts.new;
        total.counts.updated += report.counts.updated;
        total.counts.unchanged += report.counts.unchanged;
        total.counts.skipped += report.counts.skipped;
        total.counts.readable += report.counts.readable;
        total.messages += report.messages;
        total.attachments += report.attachments;
    }
    let mut problems: Vec<Value> = Vec::new();
    for (name, report) in reports {
        problems.extend(
            report
                .problems
                .iter()
                .map(|problem| json!({ "input": name, "place": problem.place, "reason": problem.reason })),
        );
    }
    for (name, failure) in failures {
        // One kind of failure comes after everything is stored.
        let outcome = if failure.code == code::PARTIAL { "imported, but" } else { "not imported" };
        let _ = writeln!(text, "{}\n  {outcome}: {}", inert(name), inert(&failure.message));
        if let Some(hint) = &failure.hint {
            let _ = writeln!(text, "  hint: {}", inert(hint));
        }
        problems.push(json!({ "input": name, "place": null, "reason": failure.message }));
    }
    let json = json!({
        "schema": "convault.import/1",
        "stored": !check,
        "conversations": {
            "new": total.counts.new,
            "updated": total.counts.updated,
            "unchanged": total.counts.unchanged,
            "skipped": total.counts.skipped,
            "readable": if check { Some(total.counts.readable) } else { None },
        },
        "messages": total.messages,
        "attachments": total.attachments,
        "problems": problems,
        "inputs": reports.iter().map(|(name, report)| input_json(name, report)).collect::<Vec<_>>(),
    });
    let partial = !failures.is_empty() || reports.iter().any(|(_, report)| report.is_partial());
    let code = match partial {
        // Nothing came in; where all failed alike, a script can tell why.
        true if reports.is_empty() => match failures.split_first() {
            Some(((_, first), rest)) if rest.iter().all(|(_, other)| other.code == first.code) => first.code,
            _ => code::FAILED,
        },
        true => code::PARTIAL,
        false => 0,
    };
    Outcome { text, json, code, ..Outcome::default() }
}

fn inert(text: &str) -> std::borrow::Cow<'_, str> {
    super::terminal::inert_line(text)
}

fn input_json(name: &str, report: &Report) -> Value {
    json!({
        "input": name,
        "format": report.format,
        "bytes": report.bytes,
        "vanished_messages": report.vanished,
        "edited_messages": report.edited,
        "absent_attachments": report.absent,
        "unknown": report.notes.unknown,
        "repaired": report.notes.repaired,
        "left_out": report.ignored,
        "unknown_files": report.unknown_members,
        "passed_over": report.passed_over,
        "more_problems": report.more_problems,
    })
}

/// `1 message`, `2 messages`.
pub(super) fn count(number: u64, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

fn write_report(out: &mut String, name: &str, report: &Report, check: bool) {
    let counts = &report.counts;
    let _ = writeln!(out, "{} ({})", inert(name), report.format);
    let mut line = if check {
        format!("read {}", count(counts.readable, "conversation"))
    } else {
        format!("{} new, {} updated, {} unchanged", counts.new, counts.updated, counts.unchanged)
    };
    if counts.skipped > 0 {
        let _ = write!(line, ", {} skipped", counts.skipped);
    }
    if check || counts.new + counts.updated > 0 {
        let _ = write!(line, "; {}", count(report.messages, "message"));
    }
    if report.attachments > 0 {
        let _ = write!(line, ", {}", count(report.attachments, "attachment"));
    }
    let _ = writeln!(out, "  {line}{}", if check { "; nothing was stored" } else { "" });
    if report.vanished > 0 {
        let _ = writeln!(
            out,
            "  kept {} that the newer export no longer has (show --all and search --all)",
            count(report.vanished, "message")
        );
    }
    if report.edited > 0 {
        let _ = writeln!(
            out,
            "  kept the earlier text of {} that the newer export changed (export --earlier)",
            count(report.edited, "message")
        );
    }
    if report.absent > 0 {
        let _ = writeln!(
            out,
            "  {} in the conversations, and not in the input: only their names are kept",
            count(report.absent, "attachment is named").replace("is nameds", "s are named")
        );
    }
    list(out, "not read", report.problems.len() as u64 + report.more_problems, report.problems.len() as u64, {
        report.problems.iter().map(|problem| format!("{}: {}", problem.place, problem.reason))
    });
    let unknown = &report.notes.unknown;
    list(out, "kept without being understood", unknown.len() as u64, unknown.len() as u64, {
        unknown.iter().map(|(path, count)| format!("{path} ({count} times)"))
    });
    let repaired = &report.notes.repaired;
    list(out, "read in spite of", repaired.len() as u64, repaired.len() as u64, {
        repaired.iter().map(|(kind, count)| format!("{kind} ({count} times)"))
    });
    let left_out = report.ignored.iter().map(|(reason, count)| format!("{count} of: {reason}"));
    let unknown = report.unknown_members.iter().map(|(extension, files)| {
        let kind = if extension.is_empty() { "without extension".to_owned() } else { format!(".{extension}") };
        format!("{} {kind} that this format does not know", count(*files, "file"))
    });
    let passed = report.passed_over.iter().map(|(kind, count)| format!("{count} of: {kind}"));
    let lines: Vec<String> = left_out.chain(unknown).chain(passed).collect();
    list(out, "left out of the input", lines.len() as u64, lines.len() as u64, lines.into_iter());
}

/// Lists the first of `lines`; `--json` has the first `listed` of `total`.
fn list(out: &mut String, title: &str, total: u64, listed: u64, lines: impl Iterator<Item = String>) {
    if total == 0 {
        return;
    }
    let _ = writeln!(out, "  {title}:");
    let mut shown = 0;
    for line in lines.take(SHOWN) {
        let _ = writeln!(out, "    {}", inert(&line));
        shown += 1;
    }
    if total > shown {
        let which = if listed < total { format!("the first {listed}") } else { "them".to_owned() };
        let _ = writeln!(out, "    … and {} more (--json lists {which})", total - shown);
    }
}
