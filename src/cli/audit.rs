//! `audit`: the log read, checked, and compared with what was kept of it elsewhere.

use std::path::Path;

use serde_json::{Value, json};

use super::arguments::{Audit, AuditCommand};
use super::failure::{Failure, code};
use super::given;
use super::import::count;
use super::output::Outcome;
use super::read::short;
use super::session::Session;
use super::terminal::{Column, Table};
use crate::erasure::{self, Compared};
use crate::inert::inert_line;
use crate::vault::{LogEntry, hex};

/// Largest checkpoint that is read.
const LARGEST: u64 = 1 << 16;

pub(super) fn run(session: &Session, options: &Audit) -> Result<Outcome, Failure> {
    match &options.command {
        AuditCommand::Log { limit } => log(session, *limit),
        AuditCommand::Verify { checkpoint } => verify(session, checkpoint),
        AuditCommand::Checkpoint => checkpoint(session),
    }
}

fn log(session: &Session, limit: Option<usize>) -> Result<Outcome, Failure> {
    let vault = session.open_log()?;
    let log = vault.log();
    let (mut entries, total, trimmed) = (log.entries()?, log.size(), log.trimmed()?);
    let role = |id: &[u8; 16]| log.role_of(id).unwrap_or("unknown");
    let roles: Vec<&str> = entries.iter().map(|entry| role(&entry.signer)).collect();
    let mut rows: Vec<(LogEntry, &str)> = entries.drain(..).zip(roles).collect();
    let opened = rows.len() as u64;
    rows.drain(..rows.len().saturating_sub(limit.unwrap_or(usize::MAX)));
    let mut table = Table::new(vec![
        Column::right("ENTRY"),
        Column::left("TIME"),
        Column::left("BY"),
        Column::left("ACTION"),
        Column::flexible("WHAT"),
    ]);
    for (entry, role) in &rows {
        table.row([
            entry.index.to_string(),
            session.minute(entry.at),
            format!("{} {role}{}", short(&entry.signer), if entry.is_signed { "" } else { " (not checked)" }),
            entry.action.clone(),
            what(entry),
        ]);
    }
    let text = if rows.is_empty() { String::new() } else { table.render(super::read::table_width()) };
    let json = json!({
        "schema": "convault.audit-log/1",
        "total": total,
        "trimmed": trimmed,
        "entries": rows.iter().map(|(entry, role)| json!({
            "entry": entry.index,
            "time": entry.at.to_string(),
            "signer": hex(&entry.signer),
            "signer_role": role,
            "signed": entry.is_signed,
            "action": entry.action,
            "counts": entry.counts,
            "receipt": entry.receipt,
            "conversation": <&[String; 1]>::try_from(&entry.conversations[..]).ok().map(|[one]| one),
            "conversations": entry.conversations,
            "protection": entry.protection,
            "copy": entry.copy,
            "query": entry.query,
            "credential": entry.credential.as_ref().map(|(role, id)| json!({ "role": role, "id": id })),
        })).collect::<Vec<Value>>(),
    });
    let mut notes = vec![format!("{} in the log", count(total, "entry").replace("entrys", "entries"))];
    if trimmed > 0 {
        notes.push(format!("the first {trimmed} are gone: the policy keeps them no longer"));
    }
    let warnings = match total.saturating_sub(opened + trimmed) {
        0 => Vec::new(),
        some => vec![format!("{some} of them are not here or do not open: audit verify says which")],
    };
    drop(rows);
    vault.close(session)?;
    Ok(Outcome { text, json, notes, warnings, ..Outcome::default() })
}

fn what(entry: &LogEntry) -> String {
    let mut words: Vec<String> = entry.credential.iter().map(|(role, id)| format!("{role} {}", &id[..8])).collect();
    if let [one] = &entry.conversations[..] {
        words.push(one[..8].to_owned());
    }
    words.extend(entry.query.as_ref().map(|query| format!("\u{201c}{query}\u{201d}")));
    words.extend(entry.protection.clone());
    words.extend(entry.copy.as_ref().map(|id| format!("copy {}", &id[..8])));
    words.extend(entry.counts.iter().map(|(name, count)| format!("{name} {count}")));
    words.join(", ")
}

fn verify(session: &Session, checkpoints: &[std::path::PathBuf]) -> Result<Outcome, Failure> {
    let vault = session.open_log()?;
    let log = vault.log();
    let report = log.check()?;
    let mut text = format!(
        "checked {}: {}\n",
        count(report.log_entries, "log entry").replace("entrys", "entries"),
        if report.findings.is_empty() {
            "signed, and their tree is the signed one"
        } else {
            "not as they were written"
        }
    );
    if report.log_unknown > 0 {
        text.push_str(&format!(
            "of these {} by credentials that are not known any more: not checked\n",
            report.log_unknown
        ));
    }
    if report.log_trimmed > 0 {
        text.push_str(&format!("the first {} are gone: the policy keeps them no longer\n", report.log_trimmed));
    }
    for (from, to) in &report.log_gaps {
        text.push_str(&format!(
            "entries {from} to {} are not here: the vault was recovered from an older copy\n",
            to - 1
        ));
    }
    for finding in &report.findings {
        text.push_str(&format!("damaged: {}\n", inert_line(&finding.what)));
    }
    let mut compared = Vec::new();
    let (mut failed, mut open) = (!report.findings.is_empty(), false);
    for path in checkpoints {
        let (word, says) = match erasure::compare(&read(path)?, &log)? {
            Compared::Continued { size } => ("PASS", format!("the log goes on from its {size} entries")),
            Compared::Truncated { size } => {
                ("FAIL", format!("it has {size} entries, and the log is shorter: its end was cut off"))
            }
            Compared::Forked { size } => {
                ("FAIL", format!("the log's first {size} entries are others: it was written anew"))
            }
            Compared::Unknown { size } => ("NOT RUN", format!("the entries up to its {size} are not all in this file")),
            Compared::NotOurs => ("FAIL", "no checkpoint of this vault signed by its owner key".to_owned()),
        };
        failed |= word == "FAIL";
        open |= word == "NOT RUN";
        let name = path.to_string_lossy().into_owned();
        text.push_str(&format!("  {word:8} {}: {says}\n", inert_line(&name)));
        compared.push(json!({ "file": name, "result": word, "says": says }));
    }
    vault.close(session)?;
    let json = json!({
        "schema": "convault.audit-verify/1",
        "log_entries": report.log_entries,
        "log_trimmed": report.log_trimmed,
        "log_gaps": report.log_gaps,
        "damage": report.findings.iter().map(|finding| finding.what.as_str()).collect::<Vec<_>>(),
        "checkpoints": compared,
    });
    let notes = match checkpoints.is_empty() {
        true => vec!["an end that was cut off shows only against a checkpoint that was kept elsewhere".to_owned()],
        false => Vec::new(),
    };
    let code = match (failed, open) {
        (true, _) => code::DAMAGE,
        (false, true) => code::PARTIAL,
        _ => 0,
    };
    Ok(Outcome { text, json, notes, code, ..Outcome::default() })
}

fn read(path: &Path) -> Result<String, Failure> {
    Ok(String::from_utf8_lossy(&given::read(path, LARGEST, "checkpoint")?).into_owned())
}

fn checkpoint(session: &Session) -> Result<Outcome, Failure> {
    let vault = session.open()?;
    let note = erasure::checkpoint(&vault)?;
    let json = json!({ "schema": "convault.audit-checkpoint/1", "size": vault.log_size(), "checkpoint": note });
    session.close(vault)?;
    Ok(Outcome { text: note, json, ..Outcome::default() })
}
