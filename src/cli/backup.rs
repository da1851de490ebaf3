//! `backup` and `recover`: the vault file copied, and made anew out of an older copy.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::arguments::{Backup, Recover};
use super::failure::{Failure, code};
use super::import::count;
use super::inspect::size;
use super::output::Outcome;
use super::receipt::read;
use super::session::{Session, absolute};
use crate::clock::Instant;
use crate::crypto::Password;
use crate::erasure;
use crate::inert::inert_line;
use crate::vault::{AnchorKind, KnownReceipt, Lock, StoreError, Unopened, Vault, VaultError, hex};

pub(super) fn run(session: &Session, options: &Backup) -> Result<Outcome, Failure> {
    let mut vault = session.unopened()?;
    let to = match absolute(&options.to)? {
        // A name for each second: a timer's copies stand beside each other.
        folder if folder.is_dir() => folder.join(format!("{}-{}.db", stem(&session.path), compact(session.now))),
        file => file,
    };
    let bytes = vault.back_up(&to).map_err(|error| match error {
        VaultError::Store(StoreError::Exists(_)) => {
            Failure::from(error).with_hint("a backup replaces nothing: name a file that does not exist, or a folder")
        }
        other => other.into(),
    })?;
    let (kind, class) = (vault.anchor_kind(), vault.class());
    let words = match kind {
        AnchorKind::Embedded => {
            "opens with the password alone, also what is erased from the vault later: destroy it when you erase (class E1)"
        }
        AnchorKind::File => {
            "opens nothing by itself: convault recover makes a vault of it with the anchor and the keyring copy beside that,\nwithout what was erased by then. Keep those two where this copy is not"
        }
    };
    let text = format!(
        "copied the vault to {} ({}) and read it back\nthis copy {words}\n",
        inert_line(&to.to_string_lossy()),
        size(bytes)
    );
    let json = json!({
        "schema": "convault.backup/1",
        "backup": to.to_string_lossy(),
        "bytes": bytes,
        "vault_id": hex(&vault.id()),
        "anchor_kind": kind.word(),
        "class": class.word(),
    });
    Ok(Outcome { text, json, ..Outcome::default() })
}

/// `20261126T215100Z`.
fn compact(now: Instant) -> String {
    let digits = now.to_string().chars().filter(char::is_ascii_alphanumeric).take(15).collect::<String>();
    digits + "Z"
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

pub(super) fn recover(session: &Session, options: &Recover) -> Result<Outcome, Failure> {
    if session.path.symlink_metadata().is_ok() {
        let exists = Failure::from(StoreError::Exists(session.path.clone()));
        return Err(exists.with_hint(
            "recover makes a new file: move this one away with its -journal, or name another with --vault PATH",
        ));
    }
    let older = Unopened::open_copy(&options.copy)?;
    if older.anchor_kind() == AnchorKind::Embedded && session.global.anchor_file.is_none() {
        return Err(Failure::failed(format!("{} has its anchor in itself and opens as it is", options.copy.display()))
            .with_hint("put a copy of it in the vault's place; --accept-rollback goes on from it"));
    }
    let password = session.sources().ask("Password")?;
    let anchor = anchor(session, &older, &password)?;
    if let Some(folder) = session.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| Failure::io(folder, &error))?;
    }
    let receipts = receipts(session, &older);
    let lock = Lock::take(&session.path)?;
    let recovered = Vault::recover(&lock, &older, &anchor, &password, receipts, session.now).map_err(|error| {
        match error {
        VaultError::Store(StoreError::Exists(_)) => Failure::from(error).with_hint(
            "it belongs to a vault file that was here, or was left by a recovery that was interrupted: move it away",
        ),
        other => other.into(),
    }
    })?;
    drop(lock);
    // It is opened as every command opens it: what was begun is finished, and an older state than was seen is noticed.
    let vault = session.settled(session.unopened()?.unlock(&password, Some(&anchor))?)?;
    session.close(vault)?;

    let mut text = format!(
        "recovered {} from {} into {}\n",
        count(recovered.conversations, "conversation"),
        inert_line(&options.copy.to_string_lossy()),
        inert_line(&session.path.to_string_lossy()),
    );
    if recovered.destroyed_segments > 0 {
        text.push_str(&format!(
            "destroyed since this copy was made: {}\n",
            count(recovered.destroyed_segments, "segment")
        ));
        for conversation in &recovered.destroyed {
            text.push_str(&format!("  conversation {}\n", hex(conversation)));
        }
    }
    if recovered.missing > 0 {
        text.push_str(&format!(
            "not in this copy: {} that came later, at most\n  until keys change (erase, credential passwd, anchor move) a later copy can still be recovered in place of this one\n",
            count(recovered.missing, "segment"),
        ));
    }
    let (from, to) = recovered.log_gap;
    if from < to {
        text.push_str(&format!(
            "the log goes on at entry {to}; {} before it are not in this copy\n",
            count(to - from, "entry").replace("entrys", "entries")
        ));
    }
    let mut warnings: Vec<String> =
        recovered.damaged.iter().map(|damage| format!("damaged in the copy: {damage}")).collect();
    if recovered.deposits > 0 {
        let some = count(recovered.deposits, "deposit");
        warnings
            .push(format!("{some} that waited in the copy: sealed to keys that are gone, and taken in or lost since"));
    }
    let json = json!({
        "schema": "convault.recover/1",
        "vault": session.path.to_string_lossy(),
        "conversations": recovered.conversations,
        "segments": recovered.segments,
        "destroyed": { "segments": recovered.destroyed_segments, "conversations": recovered.destroyed.iter().map(|id| hex(id)).collect::<Vec<_>>() },
        "missing": recovered.missing,
        "log_gap": if from < to { json!({ "from": from, "to": to }) } else { json!(null) },
        "deposits_left_out": recovered.deposits,
        "damaged": recovered.damaged.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    let is_whole = recovered.missing == 0 && recovered.damaged.is_empty() && recovered.deposits == 0;
    Ok(Outcome { text, json, warnings, code: if is_whole { 0 } else { code::PARTIAL }, ..Outcome::default() })
}

/// Where the anchor is: as it was said, or as the copy says it to its own password. Of replicas any does.
fn anchor(session: &Session, older: &Unopened, password: &Password) -> Result<PathBuf, Failure> {
    if let Some(path) = &session.global.anchor_file {
        return Ok(path.clone());
    }
    match older.anchor_places(password) {
        Ok(places) => places
            .iter()
            .find(|path| path.exists())
            .or(places.first())
            .cloned()
            .ok_or_else(|| Failure::failed("this copy has its anchor in itself")),
        Err(VaultError::WrongPassword) => Err(Failure::from(VaultError::WrongPassword)
            .with_hint("when the password was changed after this copy was made, name the anchor: --anchor-file PATH")),
        Err(other) => Err(other.into()),
    }
}

/// Receipts beside the vault's place that hold and are of this vault, ascending.
fn receipts(session: &Session, older: &Unopened) -> Vec<KnownReceipt> {
    let Ok(folder) = std::fs::read_dir(erasure::receipts_folder(&session.path)) else { return Vec::new() };
    let paths = folder.filter_map(|entry| Some(entry.ok()?.path()));
    let known = |path: PathBuf| {
        let bytes = read(&path).ok()?;
        erasure::verify(&bytes).ok()?.known_to(older, bytes)
    };
    let mut receipts: Vec<KnownReceipt> = paths.filter_map(known).collect();
    receipts.sort_by_key(|receipt| receipt.sequence);
    receipts
}
