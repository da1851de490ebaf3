//! What an import says to people and to programs: everything that came in, and everything left behind.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::failure::{Failure, code};
use crate::cli::output::Outcome;
use crate::ingest::{Counts, FileReport, Months, Report};

/// Places of a problem or a count shown to people; `--json` has more.
const SHOWN: usize = 20;

/// What one format made of one input.
pub(in crate::cli) struct Input {
    /// Its path as it was given.
    pub(in crate::cli) name: String,
    pub(in crate::cli) report: Report,
    /// Files that no format here knows, by extension, with how many. Their names may be personal.
    pub(in crate::cli) unknown: BTreeMap<String, u64>,
}

impl Input {
    pub(in crate::cli) fn of(path: &Path, report: Report) -> Self {
        Self { name: path.to_string_lossy().into_owned(), report, unknown: BTreeMap::new() }
    }
}

/// The report for people and programs.
pub(in crate::cli) fn outcome(check: bool, inputs: &[Input], failures: &[(String, Failure)]) -> Outcome {
    let mut text = String::new();
    let mut total = Report::default();
    for input in inputs {
        write_report(&mut text, input, check);
        let report = &input.report;
        total.counts.new += report.counts.new;
        total.counts.updated += report.counts.updated;
        total.counts.unchanged += report.counts.unchanged;
        total.counts.skipped += report.counts.skipped;
        total.counts.readable += report.counts.readable;
        total.counts.destroyed += report.counts.destroyed;
        total.months.add(report.months);
        total.messages += report.messages;
        total.attachments += report.attachments;
    }
    let mut problems: Vec<Value> = Vec::new();
    for Input { name, report, .. } in inputs {
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
            "destroyed": total.counts.destroyed,
            "readable": if check { Some(total.counts.readable) } else { None },
        },
        "months": {
            "new": total.months.new,
            "updated": total.months.updated,
            "unchanged": total.months.unchanged,
            "destroyed": total.months.destroyed,
        },
        "messages": total.messages,
        "attachments": total.attachments,
        "problems": problems,
        "inputs": inputs.iter().map(input_json).collect::<Vec<_>>(),
    });
    let partial = !failures.is_empty() || inputs.iter().any(|input| input.report.is_partial());
    let code = match partial {
        // Nothing came in; where all failed alike, a script can tell why.
        true if inputs.is_empty() => match failures.split_first() {
            Some(((_, first), rest)) if rest.iter().all(|(_, other)| other.code == first.code) => first.code,
            _ => code::FAILED,
        },
        true => code::PARTIAL,
        false => 0,
    };
    Outcome { text, json, code, ..Outcome::default() }
}

fn inert(text: &str) -> std::borrow::Cow<'_, str> {
    crate::inert::inert_line(text)
}

fn input_json(Input { name, report, unknown }: &Input) -> Value {
    let files = report.files.iter().map(|FileReport { name, counts, messages }| {
        json!({
            "file": name,
            "new": counts.new,
            "updated": counts.updated,
            "unchanged": counts.unchanged,
            "readable": counts.readable,
            "empty": counts.empty,
            "messages": messages,
        })
    });
    json!({
        "input": name,
        "format": Some(report.format).filter(|format| !format.is_empty()),
        "bytes": report.bytes,
        "vanished_messages": report.vanished,
        "edited_messages": report.edited,
        "absent_attachments": report.absent,
        "unknown": report.notes.unknown,
        "repaired": report.notes.repaired,
        "left_out": report.ignored,
        "records": report.notes.records,
        "empty": report.empty,
        "files": files.collect::<Vec<_>>(),
        "unknown_files": unknown,
        "passed_over": report.passed_over,
        "more_problems": report.more_problems,
    })
}

/// `1 message`, `2 messages`.
pub(in crate::cli) fn count(number: u64, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

fn write_report(out: &mut String, Input { name, report, unknown }: &Input, check: bool) {
    let counts = &report.counts;
    if report.format.is_empty() {
        let _ = writeln!(out, "{}", inert(name));
        return write_left_out(out, report, unknown);
    }
    let _ = writeln!(out, "{} ({})", inert(name), report.format);
    let mut line = numbers(counts, report.messages, check);
    if report.attachments > 0 {
        let _ = write!(line, ", {}", count(report.attachments, "attachment"));
    }
    let _ = writeln!(out, "  {line}{}", if check { "; nothing was stored" } else { "" });
    write_files(out, &report.files, check);
    if counts.destroyed > 0 {
        let _ = writeln!(
            out,
            "  left out {} that {} erased from this vault (--allow-resurrect brings them in)",
            count(counts.destroyed, "conversation"),
            if counts.destroyed == 1 { "was" } else { "were" }
        );
    }
    write_months(out, report.months);
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
            "  {} named in the conversations, and not in the input: only their names are kept",
            if report.absent == 1 {
                "1 attachment is".to_owned()
            } else {
                format!("{} attachments are", report.absent)
            }
        );
    }
    list(out, "not read", report.problems.len() as u64 + report.more_problems, report.problems.len() as u64, {
        report.problems.iter().map(|problem| format!("{}: {}", problem.place, problem.reason))
    });
    let fields = &report.notes.unknown;
    list(out, "kept without being understood", fields.len() as u64, fields.len() as u64, {
        fields.iter().map(|(path, times)| format!("{path} ({})", count(*times, "time")))
    });
    let repaired = &report.notes.repaired;
    list(out, "read in spite of", repaired.len() as u64, repaired.len() as u64, {
        repaired.iter().map(|(kind, times)| format!("{kind} ({})", count(*times, "time")))
    });
    let records: u64 = report.notes.records.values().sum();
    if records > 0 {
        // Nothing is wrong with them: which ones there were is for whoever counts.
        let _ = writeln!(out, "  {} that are no message of their own (--json tells which)", count(records, "record"));
    }
    write_left_out(out, report, unknown);
}

/// What came of chats that never end, and what is not kept of them.
fn write_months(out: &mut String, months: Months) {
    let Months { new, updated, unchanged, destroyed } = months;
    if months == Months::default() {
        return;
    }
    let _ = writeln!(
        out,
        "  chats kept month by month: {} new, {updated} updated, {unchanged} unchanged; without the source's own bytes",
        count(new, "month")
    );
    if destroyed > 0 {
        let _ = writeln!(
            out,
            "  left out {} that {} erased from this vault (--allow-resurrect brings them in)",
            count(destroyed, "month"),
            if destroyed == 1 { "was" } else { "were" }
        );
    }
}

/// What was not read, and why nothing is wrong with that.
fn write_left_out(out: &mut String, report: &Report, unknown: &BTreeMap<String, u64>) {
    let empty = report.empty.iter().map(|(reason, count)| format!("{count} of: {reason}"));
    let left_out = report.ignored.iter().map(|(reason, count)| format!("{count} of: {reason}"));
    let unknown = unknown.iter().map(|(extension, files)| {
        let kind = if extension.is_empty() { "without extension".to_owned() } else { format!(".{extension}") };
        format!("{} {kind} that this format does not know", count(*files, "file"))
    });
    let passed = report.passed_over.iter().map(|(kind, count)| format!("{count} of: {kind}"));
    let lines: Vec<String> = empty.chain(left_out).chain(unknown).chain(passed).collect();
    list(out, "left out of the input", lines.len() as u64, lines.len() as u64, lines.into_iter());
}

/// Counts of conversations in words.
fn numbers(counts: &Counts, messages: u64, check: bool) -> String {
    let mut line = if check {
        format!("read {}", count(counts.readable, "conversation"))
    } else {
        format!("{} new, {} updated, {} unchanged", counts.new, counts.updated, counts.unchanged)
    };
    if counts.skipped > 0 {
        let _ = write!(line, ", {} skipped", counts.skipped);
    }
    if check || counts.new + counts.updated > 0 {
        let _ = write!(line, "; {}", count(messages, "message"));
    }
    line
}

/// What came of each file; of many files, of each folder.
fn write_files(out: &mut String, files: &[FileReport], check: bool) {
    let mut groups: Vec<FileReport> = Vec::new();
    let mut kinds = ("file", "files");
    if files.len() <= SHOWN {
        groups.extend(files.iter().cloned());
    } else {
        kinds = ("folder", "folders");
        let mut places: HashMap<&str, usize> = HashMap::new();
        for file in files {
            // The first folder tells projects apart; the file's own name tells nothing.
            let folder = file.name.split_once('/').map_or("(no folder)", |(folder, _)| folder);
            let next = groups.len();
            let at = *places.entry(folder).or_insert(next);
            match groups.get_mut(at) {
                Some(group) => {
                    group.counts.new += file.counts.new;
                    group.counts.updated += file.counts.updated;
                    group.counts.unchanged += file.counts.unchanged;
                    group.counts.readable += file.counts.readable;
                    group.counts.empty += file.counts.empty;
                    group.messages += file.messages;
                }
                None => groups.push(FileReport { name: folder.to_owned(), ..file.clone() }),
            }
        }
    }
    if groups.len() < 2 {
        return;
    }
    // Where nothing happened, nothing is said file by file.
    let (told, quiet): (Vec<_>, Vec<_>) =
        groups.iter().partition(|group| group.counts.new + group.counts.updated + group.counts.readable > 0);
    if told.is_empty() {
        return;
    }
    let _ = writeln!(out, "  by {}:", kinds.0);
    for FileReport { name, counts, messages } in told.iter().take(SHOWN) {
        let _ = writeln!(out, "    {}: {}", inert(name), numbers(counts, *messages, check));
    }
    if told.len() > SHOWN {
        let _ = writeln!(out, "    … and {} more {} (--json lists every file)", told.len() - SHOWN, kinds.1);
    }
    if !quiet.is_empty() {
        let _ = writeln!(out, "    {} with nothing new", count(quiet.len() as u64, kinds.0));
    }
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
