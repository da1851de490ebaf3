//! `credential`: given out, taken back, listed, and a password changed.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde_json::json;

use super::arguments::{Credential, CredentialCommand, GrantedRole, UnlockCost};
use super::failure::{Failure, code};
use super::import::count;
use super::output::Outcome;
use super::read::short;
use super::secrets::{SecretError, Sources};
use super::session::{Session, cost};
use super::terminal::{Column, Table};
use crate::crypto::Password;
use crate::inert::inert_line;
use crate::vault::{Class, CredentialKind, KeyFile, Role, Secret, Vault, VaultError, Who, hex};

pub(super) fn run(session: &Session, options: &Credential) -> Result<Outcome, Failure> {
    match &options.command {
        CredentialCommand::List { check_recovery } => list(session, *check_recovery),
        CredentialCommand::Add { role, key_file, new_password_file, unlock_cost } => {
            add(session, *role, key_file.as_deref(), new_password_file.as_deref(), *unlock_cost)
        }
        CredentialCommand::Revoke { id } => revoke(session, id),
        CredentialCommand::Passwd { new_password_file, unlock_cost } => {
            passwd(session, new_password_file.as_deref(), *unlock_cost)
        }
    }
}

/// A new password, which never comes from where the old one came from.
fn new_password(session: &Session, file: Option<&Path>) -> Result<Password, Failure> {
    let sources = Sources::beside_the_vaults(file, session.global.no_input);
    sources.ask_new("New password").map_err(|error| {
        let hint = matches!(error, SecretError::NoInput | SecretError::NoTerminal)
            .then(|| "the new password comes from --new-password-file, or is asked for".to_owned());
        let failure = Failure::from(error);
        Failure { hint: hint.or(failure.hint), ..failure }
    })
}

fn add(
    session: &Session,
    role: GrantedRole,
    key_file: Option<&Path>,
    password_file: Option<&Path>,
    unlock_cost: UnlockCost,
) -> Result<Outcome, Failure> {
    let role = match role {
        GrantedRole::Owner => Role::Owner,
        GrantedRole::Reader => Role::Reader,
        GrantedRole::Depositor => Role::Depositor,
        GrantedRole::Janitor => Role::Janitor,
        GrantedRole::Auditor => Role::Auditor,
    };
    if key_file.is_some() && password_file.is_some() {
        return Err(Failure::usage("a credential has a key file or a password", "give one of them"));
    }
    let mut vault = session.open()?;
    let id = match key_file {
        Some(path) => grant_key_file(session, &mut vault, role, path)?,
        None => {
            let password = new_password(session, password_file)?;
            vault.grant(role, &Secret::Password(&password, cost(unlock_cost)), session.now)?
        }
    };
    session.close(vault)?;
    let shown = key_file.map(|path| path.to_string_lossy().into_owned());
    let mut text = format!(
        "credential {}: {}, by {}\n",
        short(&id),
        role.word(),
        if shown.is_some() { "key file" } else { "password" }
    );
    if let Some(path) = &shown {
        text.push_str(&format!("key file: {}\n", inert_line(path)));
    }
    text.push_str(&format!("{}\n", role_words(role)));
    let json = json!({
        "schema": "convault.credential-add/1",
        "id": hex(&id),
        "role": role.word(),
        "kind": if shown.is_some() { "key file" } else { "password" },
        "key_file": shown,
    });
    Ok(Outcome { text, json, ..Outcome::default() })
}

/// What a role can, for who gives it out.
fn role_words(role: Role) -> &'static str {
    match role {
        Role::Owner => "it can do everything, and revoke you",
        Role::Reader => "it lists, shows, searches and exports; every read is in the log",
        Role::Depositor => {
            "it adds conversations, and reads nothing; they are there after the next purge or command of an owner"
        }
        Role::Janitor => {
            "it destroys what the policy says is due, and reads nothing: convault schedule install --credential FILE"
        }
        Role::Auditor => "it reads and checks the log, and nothing else",
        Role::Retired => "it can do nothing",
    }
}

/// Issues a credential into a key file, which is durable before anything in the vault counts on it.
pub(super) fn grant_key_file(
    session: &Session,
    vault: &mut Vault,
    role: Role,
    path: &Path,
) -> Result<[u8; 16], Failure> {
    let key = KeyFile::generate();
    let about = format!("convault {} key, vault {}, {}", role.word(), hex(&vault.id()), session.day(session.now));
    let failed = |error: std::io::Error| Failure::io(path, &error);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let written = file.write_all(key.show(&about).as_bytes()).and_then(|()| file.sync_all()).map_err(failed);
    let granted = written.and_then(|()| Ok(vault.grant(role, &Secret::KeyFile(&key), session.now)?));
    // A key of nothing is only in the way.
    granted.inspect_err(|failure| {
        if failure.code != code::PARTIAL {
            let _ = std::fs::remove_file(path);
        }
    })
}

fn revoke(session: &Session, id: &str) -> Result<Outcome, Failure> {
    let mut vault = session.open()?;
    let digits = id.to_ascii_lowercase();
    let found: Vec<([u8; 16], Role)> = match digits.len() >= 4 {
        true => vault.credentials_with(&digits).iter().map(|one| (one.id, one.role)).collect(),
        false => Vec::new(),
    };
    let [(id, role)] = found.as_slice() else {
        let message =
            if found.is_empty() { "no credential has this id" } else { "several credentials have ids that begin so" };
        session.close(vault)?;
        return Err(Failure::failed(message).with_hint("convault credential list shows them"));
    };
    let done = vault.revoke(id, session.now)?;
    let class = vault.class();
    let warnings = super::anchor::not_overwritten(&vault)?;
    session.close(vault)?;
    let limits = not_undone(*role, class);
    let mut text = format!(
        "credential {} ({}) is revoked: {} and {} were given new keys, no content was touched\nnot undone:\n",
        short(id),
        role.word(),
        count(done.segments, "segment"),
        count(done.credentials, "credential"),
    );
    for line in &limits {
        text.push_str(&format!("  {line}\n"));
    }
    let json = json!({
        "schema": "convault.credential-revoke/1",
        "id": hex(id),
        "role": role.word(),
        "segments": done.segments,
        "credentials": done.credentials,
        "not_undone": limits,
    });
    Ok(Outcome { text, json, warnings, ..Outcome::default() })
}

/// What revoking a credential cannot take back.
fn not_undone(role: Role, class: Class) -> Vec<&'static str> {
    let copy = match class {
        Class::E1 => "an older copy of the vault file still opens with it",
        _ => "an older copy of the vault file still opens with it as long as the anchor of its time exists",
    };
    match role {
        Role::Owner => vec![
            "what it read, exported or kept",
            copy,
            "the owner key, which it knew: whoever kept it can sign policies, holds and grants; to be safe of an owner, import everything into a new vault",
        ],
        Role::Reader => vec!["what it read, exported or kept", copy],
        Role::Janitor => vec!["what it destroyed", copy, "what it knows of clocks, sources and sizes"],
        Role::Depositor => vec!["what it deposited, which stays", "what it kept of that"],
        _ => vec!["what it read of the log", "the log up to today, which it can still open"],
    }
}

fn passwd(session: &Session, password_file: Option<&Path>, unlock_cost: UnlockCost) -> Result<Outcome, Failure> {
    let unopened = session.unopened()?;
    let password = session.sources().ask("Password")?;
    match unopened.who(&password)? {
        Who::Owner(keys) => {
            let mut vault = session.settled(unopened.open_as(keys, session.anchor())?)?;
            let new = other_password(session, password_file, &password)?;
            let done = vault.change_password(&new, cost(unlock_cost), session.now)?;
            let class = vault.class();
            let warnings = super::anchor::not_overwritten(&vault)?;
            session.close(vault)?;
            let text = format!(
                "the password is changed: {} and {} were given new keys, no content was touched\n",
                count(done.segments, "segment"),
                count(done.credentials, "credential"),
            );
            let limit = match class {
                Class::E1 => "an older copy of the vault file still opens with the old password",
                _ => {
                    "an older copy of the vault file opens with the old password as long as the anchor of its time exists"
                }
            };
            let json = json!({
                "schema": "convault.passwd/1",
                "segments": done.segments,
                "credentials": done.credentials,
                "not_undone": limit,
            });
            Ok(Outcome { text: format!("{text}{limit}\n"), json, warnings, ..Outcome::default() })
        }
        Who::Reader(keys) => {
            let mut vault = session.looked_at(unopened.open_as(keys, session.anchor())?)?;
            let new = other_password(session, password_file, &password)?;
            vault.change_own_password(&new, cost(unlock_cost), session.now)?;
            session.close(vault)?;
            let limit = "older copies of the vault file still open with the old password, also to what came since: the keys \
                         are the same; an owner can revoke this credential and give out another";
            let json = json!({ "schema": "convault.passwd/1", "segments": 0, "credentials": 1, "not_undone": limit });
            Ok(Outcome { text: format!("your password is changed\n{limit}\n"), json, ..Outcome::default() })
        }
        other => Err(VaultError::NotAllowed(other.role()).into()),
    }
}

fn other_password(session: &Session, file: Option<&Path>, old: &Password) -> Result<Password, Failure> {
    let new = new_password(session, file)?;
    if new.matches(old) {
        return Err(Failure::failed("the new password is the old one; nothing was changed"));
    }
    Ok(new)
}

fn list(session: &Session, check_recovery: bool) -> Result<Outcome, Failure> {
    let unopened = session.unopened()?;
    let states = unopened.credentials();
    let mut table = Table::new(vec![
        Column::left("ID"),
        Column::left("ROLE"),
        Column::left("KIND"),
        Column::left("MADE"),
        Column::left("COST"),
        Column::left("SIGNATURES"),
    ]);
    let mut credentials = Vec::new();
    for state in &states {
        let credential = &state.credential;
        let words = state
            .cost
            .filter(|cost| cost.memory_kib > 0)
            .map_or_else(String::new, |cost| format!("{} MiB × {}", cost.memory_kib / 1024, cost.passes));
        let made = session.day(credential.created);
        // Opening the file checked them: a certificate or slot that does not hold is refused there.
        table.row([
            short(&credential.id).as_str(),
            credential.role.word(),
            credential.kind.words(),
            &made,
            &words,
            "valid",
        ]);
        credentials.push(json!({
            "id": hex(&credential.id),
            "role": credential.role.word(),
            "kind": credential.kind.words(),
            "created": credential.created.to_string(),
            "cost": state.cost.map(|cost| json!({
                "memory_kib": cost.memory_kib, "passes": cost.passes, "lanes": cost.lanes
            })),
        }));
    }
    let mut text = table.render(super::read::table_width());
    let has_code = states.iter().any(|state| state.credential.kind == CredentialKind::RecoveryCode);
    let mut checked = None;
    if check_recovery {
        if !has_code {
            return Err(Failure::failed("this vault has no recovery code"));
        }
        let accepted = unopened.accepts_recovery(&session.sources().ask("Recovery code")?)?;
        checked = Some(accepted);
        text.push_str(match accepted {
            true => "the recovery code opens this vault\n",
            false => "this is not the recovery code of this vault\n",
        });
    } else if has_code {
        text.push_str("to see whether a recovery code is written down right: credential list --check-recovery\n");
    }
    let json = json!({
        "schema": "convault.credentials/1",
        "credentials": credentials,
        "recovery_code_accepted": checked,
    });
    let code = if checked == Some(false) { code::WRONG_PASSWORD } else { 0 };
    Ok(Outcome { text, json, code, ..Outcome::default() })
}
