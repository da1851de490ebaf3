//! `status`, `check` and `doctor`: what the vault holds, whether it is whole, what around it is weak.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::failure::{Failure, code};
use super::import::count;
use super::init::{survivals, weakness_words};
use super::output::Outcome;
use super::read::{short, warnings};
use super::session::{Session, reading};
use crate::clock::{Duration, Unit};
use crate::inert::inert_line;
use crate::retention::Standing;
use crate::vault::{AnchorKind, CanRead, Class, Entry, Vault, hex, weaknesses};

/// `1.2 MB`, in powers of ten.
pub(super) fn size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

pub(super) fn status(session: &Session) -> Result<Outcome, Failure> {
    reading!(session, vault => {
        let outcome = status_outcome(session, &vault)?;
        session.close(vault)?;
        Ok(outcome)
    })
}

/// The state of a vault for people and programs.
pub(super) fn status_outcome<A: CanRead>(session: &Session, vault: &Vault<A>) -> Result<Outcome, Failure> {
    let listing = vault.listing()?;
    let entries = &listing.entries;
    let conversations = of_conversations(entries);
    let messages: u64 = entries.iter().map(|entry| entry.card.messages).sum();
    let attachments: u64 = entries.iter().map(|entry| entry.card.attachments).sum();
    let oldest = entries.iter().map(|entry| entry.facts.created).min();
    let newest = entries.iter().map(|entry| entry.facts.last_activity).max();
    let counts = vault.counts()?;
    let (kind, anchor) = vault.anchor();
    let (class, weak) = (vault.class(), vault.weaknesses());
    let bytes = vault.size()?;
    let mut lines = vec![
        ("vault", vault.path().to_string_lossy().into_owned()),
        ("id", hex(&vault.id())),
        ("conversations", conversations.to_string()),
        ("messages", messages.to_string()),
        ("attachments", attachments.to_string()),
    ];
    if let (Some(oldest), Some(newest)) = (oldest, newest) {
        lines.push(("from, to", format!("{} to {}", session.day(oldest), session.day(newest))));
    }
    lines.push(("size", size(bytes)));
    lines.push((
        "earlier states",
        match counts.superseded {
            0 => "0".to_owned(),
            some => format!("{some}, their content gone from this file, their keys kept"),
        },
    ));
    let place = match anchor {
        Some(path) => format!("file:{}", path.display()),
        None => "embedded".to_owned(),
    };
    lines.push(("anchor", format!("{place}, generation {}", vault.generation())));
    let replicas = vault.replicas();
    if !replicas.is_empty() {
        let out = replicas.iter().filter(|one| one.out_of_step.is_some()).count();
        let state = if out == 0 { String::new() } else { format!(", {out} out of step (convault anchor show)") };
        lines.push(("replicas", format!("{}{state}", replicas.len())));
    }
    lines.push(("class", format!("{}: {}", class.word(), class_words(class))));
    lines.push(("credentials", counts.credentials.to_string()));
    lines.push(("log entries", vault.log_size().to_string()));
    if counts.deposits > 0 {
        lines.push(("deposits", format!("{} waiting, class E1 until they are taken in", counts.deposits)));
    }
    let standings = vault.standings(entries, session.now)?;
    let stand = |entry: &Entry| standings.of(entry).map(|verdict| &verdict.standing);
    let held = of_conversations(entries.iter().filter(|entry| matches!(stand(entry), Some(Standing::Held(_)))));
    let due_in = [7, 30].map(|days| {
        let end = Duration::new(days, Unit::Day).and_then(|days| session.now.plus(days)).unwrap_or(session.now);
        let is_due = |entry: &&Entry| match stand(entry) {
            Some(Standing::Due { .. }) => true,
            Some(Standing::Live { due }) => *due <= end,
            _ => false,
        };
        of_conversations(entries.iter().filter(is_due))
    });
    let last_purge = vault.purged();
    let overdue = session.overdue(vault)?;
    if vault.policies()?.len() > 1 {
        lines.push((
            "due",
            format!("{} within 7 days, {} within 30 (those that are due among them)", due_in[0], due_in[1]),
        ));
        let last = last_purge.map_or_else(|| "none".to_owned(), |at| session.minute(at));
        lines.push(("last purge", if overdue.is_some() { format!("{last}: overdue") } else { last }));
    }
    if held > 0 {
        lines.push(("held", count(held as u64, "conversation")));
    }
    if class == Class::E1 {
        let place = if kind == AnchorKind::File { " in a place that keeps no copies" } else { "" };
        lines.push(("raise it", format!("convault anchor move file:PATH{place}, for what is stored from then on")));
    }
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let text = lines.iter().map(|(name, value)| format!("{name:width$}  {}\n", inert_line(value))).collect();
    let json = json!({
        "schema": "convault.status/1",
        "vault": vault.path().to_string_lossy(),
        "vault_id": hex(&vault.id()),
        "conversations": conversations,
        "messages": messages,
        "attachments": attachments,
        "oldest": oldest.map(|at| at.to_string()),
        "newest": newest.map(|at| at.to_string()),
        "bytes": bytes,
        "superseded": counts.superseded,
        "deposits": counts.deposits,
        "credentials": counts.credentials,
        "anchor": { "kind": if kind == AnchorKind::File { "file" } else { "embedded" }, "place": anchor.map(|path| path.to_string_lossy().into_owned()) },
        "replicas": replicas.len(),
        "replicas_out_of_step": replicas.iter().filter(|one| one.out_of_step.is_some()).count(),
        "generation": vault.generation(),
        "class": class.word(),
        "weaknesses": weakness_words(&weak),
        "log_entries": vault.log_size(),
        "due_in_7_days": due_in[0],
        "due_in_30_days": due_in[1],
        "held": held,
        "last_purge": last_purge.map(|at| at.to_string()),
        "purge_overdue": overdue.is_some(),
    });
    let mut warnings = warnings(&listing.damaged);
    let code = if warnings.is_empty() { 0 } else { code::DAMAGE };
    warnings.extend(survivals(&weak));
    warnings.extend(super::anchor::not_overwritten(vault)?);
    Ok(Outcome { text, json, warnings, code, ..Outcome::default() })
}

/// Of how many conversations these are segments.
fn of_conversations<'e>(entries: impl IntoIterator<Item = &'e Entry>) -> usize {
    entries.into_iter().map(|entry| entry.conversation).collect::<BTreeSet<_>>().len()
}

pub(super) fn class_words(class: Class) -> &'static str {
    match class {
        Class::E1 => "the password opens an older copy of this file",
        Class::E2 => "older copies need today's anchor as well",
        Class::E3 => "older copies need today's anchor, which hardware keeps",
    }
}

pub(super) fn check(session: &Session) -> Result<Outcome, Failure> {
    let vault = session.open()?;
    let report = vault.check(|_| ())?;
    session.close(vault)?;
    let mut text = format!(
        "checked {} ({}, {}) and {}\n",
        count(report.segments, "segment"),
        count(report.objects, "sealed object"),
        size(report.bytes),
        count(report.log_entries, "log entry").replace("entrys", "entries"),
    );
    if report.log_trimmed > 0 {
        text.push_str(&format!(
            "the first {} log entries are gone: the policy keeps them no longer\n",
            report.log_trimmed
        ));
    }
    for (from, to) in &report.log_gaps {
        text.push_str(&format!(
            "log entries {from} to {} are not here: the vault was recovered from an older copy\n",
            to - 1
        ));
    }
    for finding in &report.findings {
        text.push_str(&format!("damaged: {}\n", inert_line(&finding.what)));
    }
    text.push_str(if report.findings.is_empty() { "no damage found\n" } else { "the rest can be read\n" });
    let json = json!({
        "schema": "convault.check/1",
        "segments": report.segments,
        "objects": report.objects,
        "bytes": report.bytes,
        "log_entries": report.log_entries,
        "log_trimmed": report.log_trimmed,
        "log_gaps": report.log_gaps,
        "damage": report.findings.iter().map(|finding| finding.what.as_str()).collect::<Vec<_>>(),
    });
    let code = if report.findings.is_empty() { 0 } else { code::DAMAGE };
    Ok(Outcome { text, json, code, ..Outcome::default() })
}

/// One thing the doctor looked at.
struct Look {
    subject: String,
    weak: bool,
    says: String,
}

pub(super) fn doctor(session: &Session) -> Result<Outcome, Failure> {
    let mut looks = Vec::new();
    let mut look = |subject: &str, weak: bool, says: String| {
        looks.push(Look { subject: subject.to_owned(), weak, says });
    };
    look("version", false, format!("convault {}", env!("CARGO_PKG_VERSION")));
    let core = rustix::process::getrlimit(rustix::process::Resource::Core).current;
    look("core dumps", core != Some(0), if core == Some(0) { "off".into() } else { "on for this process".into() });
    let swap = std::fs::read_to_string("/proc/swaps").map(|text| text.lines().count() > 1);
    match swap {
        Ok(true) => look("swap", true, "on: memory may reach the disk; encrypt the swap".into()),
        Ok(false) => look("swap", false, "off".into()),
        Err(_) => look("swap", false, "not looked at on this system".into()),
    }
    if std::env::var_os("CONVAULT_PASSWORD").is_some() {
        look("password", true, "CONVAULT_PASSWORD is readable by your programs".into());
    }
    let mut made = session.path.exists();
    if made {
        files(&session.path, &mut look);
        match session.unopened() {
            Ok(unopened) => {
                look("vault", false, "structure and signatures hold; check looks deeper".into());
                for state in unopened.credentials() {
                    let Some(cost) = state.cost else { continue };
                    let says = format!("{} MiB, {} passes, {} lanes", cost.memory_kib / 1024, cost.passes, cost.lanes);
                    let subject = format!("cost of {} {}", state.credential.kind.words(), short(&state.credential.id));
                    look(&subject, !cost.is_enough(), says);
                }
            }
            Err(failure) => {
                look("vault", true, failure.message);
                made = false;
            }
        }
    } else {
        look("vault", false, format!("none at {}", session.path.display()));
    }
    let weak = looks.iter().filter(|look| look.weak).count();
    let width = looks.iter().map(|look| look.subject.len()).max().unwrap_or(0);
    let mut text = String::new();
    for look in &looks {
        let mark = if look.weak { "weak" } else { "  ok" };
        text.push_str(&format!("{mark}  {:width$}  {}\n", look.subject, inert_line(&look.says)));
    }
    text.push_str("not looked at: backups, snapshots that the system does not tell of, other copies, malware\n");
    let json = json!({
        "schema": "convault.doctor/1",
        "weak": weak,
        "vault": made,
        "looks": looks.iter().map(|look| json!({ "subject": look.subject, "weak": look.weak, "says": look.says })).collect::<Vec<Value>>(),
    });
    Ok(Outcome { text, json, code: if weak > 0 { code::FAILED } else { 0 }, ..Outcome::default() })
}

/// Permissions and place of the vault's files.
fn files(path: &Path, look: &mut impl FnMut(&str, bool, String)) {
    let mode = |path: &Path| std::fs::metadata(path).map(|about| about.permissions().mode() & 0o777);
    if let Ok(mode) = mode(path) {
        look("vault file", mode & 0o077 != 0, format!("{} (mode {mode:04o})", path.display()));
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
        && let Ok(mode) = mode(folder)
    {
        // Others may list a folder; they must not be able to replace what is in it.
        let weak = mode & 0o022 != 0 && mode & 0o1000 == 0;
        look("vault folder", weak, format!("{} (mode {mode:04o})", folder.display()));
    }
    let weaknesses = weaknesses(path);
    if weaknesses.is_empty() {
        look("file system", false, "nothing known against overwriting in place".into());
    }
    for weakness in weaknesses {
        look(weakness.subject, true, format!("{weakness}: erased bytes may stay"));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_short() {
        let cases = [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_234_567, "1.2 MB"), (999_999_999, "1.0 GB")];
        for (bytes, words) in cases {
            assert_eq!(super::size(bytes), words);
        }
    }
}
