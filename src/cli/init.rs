//! `init`: a vault is made, with what each choice protects said before it is made.

use std::io::IsTerminal;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use serde_json::json;

use super::arguments::Init;
use super::confirm;
use super::failure::Failure;
use super::output::Outcome;
use super::session::{Session, absolute, cost};
use crate::inert::inert_line;
use crate::vault::{AnchorPlace, Lock, NewVault, RecoveryCode, StoreError, Vault, Weakness, hex};

const CHOICE: &str = "\
Where should the anchor be kept? It is a key that changes whenever something is
erased, and nothing in the vault opens without it.
  embedded   in the vault file: one file, nothing more to lose. What you erase
             is gone from this file; an older copy of the file and the password
             still open it (class E1).
  file:PATH  in a file of its own, on this machine, not in a folder that is
             backed up or synced. What you erase is gone from older copies too
             (class E2). Whoever loses the anchor loses the vault, password or
             not.
";

/// Makes a vault and says what was made.
pub(super) fn run(session: &Session, options: &Init) -> Result<Outcome, Failure> {
    let (vault, code) = make(session, options)?;
    let mut outcome = describe(&vault, code.as_ref());
    let mut path = session.path.as_os_str().to_owned();
    if session.global.vault.is_some() {
        path = std::ffi::OsString::from(" --vault ");
        path.push(&session.path);
    } else {
        path.clear();
    }
    outcome.notes.push(format!("next: convault{} import FILE", path.to_string_lossy()));
    session.close(vault)?;
    Ok(outcome)
}

/// Makes a vault where there is none.
pub(super) fn make(session: &Session, options: &Init) -> Result<(Vault, Option<RecoveryCode>), Failure> {
    if session.path.exists() {
        return Err(StoreError::Exists(session.path.clone()).into());
    }
    let anchor = anchor(session, options)?;
    let password = session.new_password()?;
    if let Some(folder) = session.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| Failure::io(folder, &error))?;
    }
    let new = NewVault {
        password: &password,
        cost: cost(options.unlock_cost),
        anchor,
        recovery: options.recovery_code,
        now: session.now,
    };
    Ok(Vault::create(Lock::take(&session.path)?, &new)?)
}

fn anchor(session: &Session, options: &Init) -> Result<AnchorPlace, Failure> {
    let typed = match &options.anchor {
        Some(place) => place.clone(),
        None if session.global.no_input || !std::io::stdin().is_terminal() => "embedded".into(),
        None => {
            eprint!("{CHOICE}");
            let answer = confirm::line("Anchor [embedded]: ", session.global.no_input)?;
            if answer.is_empty() { "embedded".into() } else { answer.into() }
        }
    };
    place(&typed)
}

/// A place for an anchor as it is typed: `embedded`, or `file:PATH`.
pub(super) fn place(typed: &std::ffi::OsStr) -> Result<AnchorPlace, Failure> {
    if typed == "embedded" {
        return Ok(AnchorPlace::Embedded);
    }
    match typed.as_bytes().strip_prefix(b"file:") {
        Some(path) if !path.is_empty() => {
            let path = PathBuf::from(std::ffi::OsString::from_vec(path.to_vec()));
            Ok(AnchorPlace::File(absolute(&path)?))
        }
        _ => Err(Failure::usage(
            format!("not a place for an anchor: {}", typed.to_string_lossy()),
            "write embedded, or file:PATH",
        )),
    }
}

/// What was made, for people and programs. The recovery code is in it, this once.
pub(super) fn describe(vault: &Vault, code: Option<&RecoveryCode>) -> Outcome {
    let (kind, path) = vault.anchor();
    let class = vault.class().word();
    let mut text = format!("made the vault {}\n", inert_line(&vault.path().to_string_lossy()));
    let anchor = match path {
        Some(path) => format!("file:{}", path.display()),
        None => "embedded".to_owned(),
    };
    text.push_str(&format!("anchor: {} (class {class})\n", inert_line(&anchor)));
    let weaknesses = vault.weaknesses();
    if path.is_some() {
        text.push_str("losing the anchor loses the vault; the vault file alone opens nothing\n");
    }
    if let Some(code) = code {
        text.push_str(&format!(
            "recovery code: {}\n  write it down; it opens the vault without the password and is not shown again\n",
            *code.show()
        ));
    } else {
        text.push_str("no recovery code: whoever forgets the password loses the vault\n");
    }
    let json = json!({
        "schema": "convault.init/1",
        "vault": vault.path().to_string_lossy(),
        "vault_id": hex(&vault.id()),
        "anchor": anchor,
        "anchor_kind": if kind == crate::vault::AnchorKind::File { "file" } else { "embedded" },
        "class": class,
        "weaknesses": weakness_words(&weaknesses),
        "recovery_code": code.map(|code| code.show().to_string()),
    });
    Outcome { text, json, warnings: survivals(&weaknesses), ..Outcome::default() }
}

/// A warning for each thing that speaks against the anchor's place.
pub(super) fn survivals(weaknesses: &[Weakness]) -> Vec<String> {
    let warn = |one: &Weakness| format!("an old anchor may survive being overwritten: {one}; the class is E1");
    weaknesses.iter().map(warn).collect()
}

/// The same for programs.
pub(super) fn weakness_words(weaknesses: &[Weakness]) -> Vec<&str> {
    weaknesses.iter().map(|one| one.says.as_str()).collect()
}
