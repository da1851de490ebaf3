//! `receipt`: receipts of erasures listed, shown, and checked anywhere.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::arguments::{Receipt, ReceiptCommand, ReceiptVerify};
use super::erase::{known_copies, path_of};
use super::failure::{Failure, code};
use super::given;
use super::import::count;
use super::inspect::size;
use super::output::Outcome;
use super::session::Session;
use super::terminal::{Column, Table};
use crate::erasure::{self, Shown, Verdict};
use crate::vault::{AnchorKind, Unopened, VaultError};

/// Largest receipt that is read: one of a million segments.
const LARGEST: u64 = 1 << 30;

pub(super) fn run(session: &Session, options: &Receipt) -> Result<Outcome, Failure> {
    match &options.command {
        ReceiptCommand::List => list(session),
        ReceiptCommand::Show { sequence } => show(session, *sequence),
        ReceiptCommand::Verify(options) => verify(session, options),
    }
}

fn list(session: &Session) -> Result<Outcome, Failure> {
    let vault = session.open()?;
    let receipts = vault.receipts()?;
    let mut table = Table::new(vec![
        Column::right("NUMBER"),
        Column::left("VERIFIED"),
        Column::right("SEGMENTS"),
        Column::left("CLASS"),
        Column::flexible("FILE"),
    ]);
    let mut list: Vec<Value> = Vec::new();
    let mut warnings = Vec::new();
    for (sequence, bytes) in &receipts {
        match erasure::verify(bytes) {
            Ok(shown) => {
                let file = path_of(&vault, *sequence);
                table.row([
                    sequence.to_string(),
                    shown.verified_at.clone(),
                    shown.segments.to_string(),
                    shown.class.clone(),
                    file.to_string_lossy().into_owned(),
                ]);
                list.push(json!({
                    "sequence": sequence,
                    "verified_at": shown.verified_at,
                    "segments": shown.segments,
                    "class": shown.class,
                    "file": file.to_string_lossy(),
                }));
            }
            Err(refusal) => warnings.push(format!("receipt {sequence} does not hold: {refusal}")),
        }
    }
    let text = if list.is_empty() { String::new() } else { table.render(super::read::table_width()) };
    session.close(vault)?;
    let notes = vec![count(receipts.len() as u64, "receipt")];
    let code = if warnings.is_empty() { 0 } else { code::DAMAGE };
    let json = json!({ "schema": "convault.receipts/1", "receipts": list });
    Ok(Outcome { text, json, notes, warnings, code, ..Outcome::default() })
}

fn show(session: &Session, sequence: u64) -> Result<Outcome, Failure> {
    let vault = session.open()?;
    let receipts = vault.receipts()?;
    session.close(vault)?;
    let found = receipts.into_iter().find(|(number, _)| *number == sequence);
    let (_, bytes) = found.ok_or_else(|| Failure::failed(format!("there is no receipt {sequence}")))?;
    Ok(Outcome { bytes: Some(bytes), ..Outcome::default() })
}

/// What was done with a receipt beyond reading it, each with its result.
struct Step {
    name: &'static str,
    verdict: Verdict,
    says: String,
}

/// A receipt by itself.
fn begin(bytes: &[u8], path: &Path) -> Result<(Shown, Vec<Step>), Failure> {
    let shown = erasure::verify(bytes).map_err(|refusal| Failure {
        message: format!("{}: refused: {refusal}", path.display()),
        hint: None,
        code: code::DAMAGE,
    })?;
    let says =
        "signed by a credential that its owner key certifies, and its proof shows these tombstones and no other change";
    Ok((shown, vec![Step { name: "receipt", verdict: Verdict::Pass, says: says.to_owned() }]))
}

/// What a receipt shows without anything beside it.
pub(super) fn alone(bytes: &[u8], path: &Path) -> Result<Outcome, Failure> {
    let (shown, steps) = begin(bytes, path)?;
    Ok(outcome(&shown, &steps))
}

fn verify(session: &Session, options: &ReceiptVerify) -> Result<Outcome, Failure> {
    let (shown, mut steps) = begin(&read(&options.file)?, &options.file)?;
    if let Some(owner) = &options.owner {
        let is_same = owner.eq_ignore_ascii_case(&shown.owner);
        steps.push(Step {
            name: "owner",
            verdict: Verdict::of(is_same),
            says: if is_same { "the owner key is the one given" } else { "the owner key is another" }.to_owned(),
        });
    }
    if session.global.vault.is_some() {
        steps.extend(beside_vault(session, &shown)?);
    }
    for path in &options.scan {
        steps.push(scan(&shown, path)?);
    }
    for path in &options.old_copy {
        steps.push(old_copy(session, &shown, path)?);
    }
    Ok(outcome(&shown, &steps))
}

/// A receipt's bytes.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    given::read(path, LARGEST, "receipt")
}

/// Today's vault, without a password.
fn beside_vault(session: &Session, shown: &Shown) -> Result<Vec<Step>, Failure> {
    let step = |name, verdict, says: String| Step { name, verdict, says };
    let unopened = match session.unopened() {
        Ok(unopened) => unopened,
        Err(failure) => return Ok(vec![step("vault", Verdict::NotRun, format!("not asked: {}", failure.message))]),
    };
    let beside = match erasure::verify_with_vault(shown, &unopened)? {
        Ok(beside) => beside,
        Err(refusal) => return Ok(vec![step("vault", Verdict::Fail, refusal.to_string())]),
    };
    let signer = match beside.signer {
        Some("owner") => "the signer is an owner there".to_owned(),
        Some(role) => format!("the signer is {role} there"),
        None => "the signer is not known there any more".to_owned(),
    };
    let tree = format!("its segments are tombstones under the live root that the vault signs now; {signer}");
    let log = match beside.is_log_known {
        true => {
            step("log", Verdict::Pass, "the vault's log goes on from the one in which the erasure stands".to_owned())
        }
        false => {
            let says = "the entries to tell it by are not in this file, which was recovered from an older copy";
            step("log", Verdict::NotRun, says.to_owned())
        }
    };
    Ok(vec![step("vault", Verdict::Pass, tree), log])
}

/// Looks for remnants in a file, or in all files below a folder.
fn scan(shown: &Shown, path: &Path) -> Result<Step, Failure> {
    let mut files = Vec::new();
    let not_read = |error: String| Step { name: "scan", verdict: Verdict::NotRun, says: format!("not read: {error}") };
    if let Err(error) = list_files(path, &mut files) {
        return Ok(not_read(format!("{}: {error}", path.display())));
    }
    let finder = shown.finder();
    let found = match erasure::scan(&files, &finder) {
        Ok(found) => found,
        Err(error) => return Ok(not_read(error.to_string())),
    };
    let read = format!("{} in {}", size(found.bytes), count(found.files.len() as u64, "file"));
    let (verdict, says) = match (finder.count(), found.doomed) {
        (0, _) => (Verdict::NotRun, "the receipt carries no fingerprints".to_owned()),
        _ if found.bytes == 0 => (Verdict::NotRun, "there is nothing to read".to_owned()),
        (known, 0) => {
            (Verdict::Pass, format!("none of {} was found ({read} read)", count(known as u64, "fingerprint")))
        }
        (_, hits) => {
            let places: Vec<String> =
                found.places.iter().map(|(file, at)| format!("{} at byte {at}", file.display())).take(3).collect();
            (Verdict::Fail, format!("{} of destroyed bytes: {} …", count(hits, "fingerprint"), places.join(", ")))
        }
    };
    Ok(Step { name: "scan", verdict, says: format!("{}: {says}", path.display()) })
}

fn list_files(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    // A device is a file to a scan. Links inside a folder are passed over: what they lead to has a name of its own.
    if !std::fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list_files(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Tries to open what was erased from an older copy, with everything in reach now. Without an erase share nothing opens,
/// whatever passwords there are; with it, the password alone is missing.
fn old_copy(session: &Session, shown: &Shown, path: &Path) -> Result<Step, Failure> {
    let step = |verdict, says: &str| Step { name: "old copy", verdict, says: format!("{}: {says}", path.display()) };
    let copy = match Unopened::open_copy(path) {
        Ok(copy) => copy,
        Err(error) => return Ok(step(Verdict::NotRun, &format!("not opened: {error}"))),
    };
    if crate::vault::hex(&copy.id()) != shown.vault {
        return Ok(step(Verdict::NotRun, "a copy of another vault"));
    }
    let mut anchors: Vec<PathBuf> = session.global.anchor_file.clone().into_iter().collect();
    if anchors.is_empty() && copy.anchor_kind() == AnchorKind::File {
        // Where its anchors are, the copy says to its password.
        match copy.anchor_places(&session.sources().ask("Password")?) {
            Ok(places) => anchors = places,
            Err(VaultError::WrongPassword) => {
                let says = "the password given does not open this copy; name its anchor with --anchor-file";
                return Ok(step(Verdict::NotRun, says));
            }
            Err(error) => return Ok(step(Verdict::NotRun, &format!("not opened: {error}"))),
        }
    }
    let derived = match shown.derived_from(&copy, &anchors) {
        Ok(Some(derived)) => derived,
        Ok(None) => return Ok(step(Verdict::NotRun, "no anchor in reach opens a keyring to try, here or beside it")),
        Err(error) => return Ok(step(Verdict::NotRun, &format!("not tried: {error}"))),
    };
    let (there, away): (Vec<&PathBuf>, Vec<&PathBuf>) = anchors.iter().partition(|path| path.exists());
    let list = |paths: &[&PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    Ok(match derived {
        0 => {
            let tried = match there.is_empty() {
                false => format!("the anchor at {} and the keyrings in reach lead", list(&there)),
                true => "the anchor and the keyring in it lead".to_owned(),
            };
            let untried =
                if away.is_empty() { String::new() } else { format!("; not there to be tried: {}", list(&away)) };
            step(Verdict::Pass, &format!("{tried} to the key of none of the erased segments{untried}"))
        }
        some => {
            let segments = if shown.segments == 1 { "segment" } else { "segments" };
            let says = format!(
                "it opens {some} of {} erased {segments} to its password (class E1): destroy this copy",
                shown.segments
            );
            step(Verdict::Fail, &says)
        }
    })
}

fn outcome(shown: &Shown, steps: &[Step]) -> Outcome {
    let mut text = format!(
        "receipt {} of vault {}: {} destroyed, class {}, verified {} (the word of its signer, {})\nowner key {}\n",
        shown.sequence,
        shown.vault,
        count(shown.segments, "segment"),
        shown.class,
        shown.verified_at,
        if shown.role == "owner" { "an owner" } else { "a janitor" },
        shown.owner,
    );
    for step in steps {
        text.push_str(&format!("  {:8} {:9} {}\n", step.verdict.word(), step.name, step.says));
    }
    text.push_str("what the receipt says was checked then:\n");
    for (name, result) in &shown.checks {
        text.push_str(&format!("  {result:8} {name}\n"));
    }
    text.push_str("not covered:\n");
    for line in &shown.not_covered {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str(&known_copies(&shown.copies));
    let json = json!({
        "schema": "convault.receipt-verification/1",
        "sequence": shown.sequence,
        "vault": shown.vault,
        "owner": shown.owner,
        "class": shown.class,
        "segments": shown.segments,
        "verified_at": shown.verified_at,
        "signer_role": shown.role,
        "steps": steps.iter().map(|step| json!({
            "name": step.name, "result": step.verdict.word(), "says": step.says,
        })).collect::<Vec<_>>(),
        "checks": shown.checks.iter().map(|(name, result)| json!({ "name": name, "result": result })).collect::<Vec<_>>(),
        "not_covered": shown.not_covered,
        "copies": shown.copies,
    });
    let failed = steps.iter().any(|step| step.verdict == Verdict::Fail);
    let is_open = steps.iter().any(|step| step.verdict == Verdict::NotRun);
    // What was asked for and could not be done is no success.
    let code = match (failed, is_open) {
        (true, _) => code::DAMAGE,
        (false, true) => code::PARTIAL,
        (false, false) => 0,
    };
    let text = text.lines().map(|line| crate::inert::inert_line(line).into_owned() + "\n").collect();
    Outcome { text, json, code, ..Outcome::default() }
}
