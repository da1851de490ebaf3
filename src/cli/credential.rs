//! `credential list` and `credential passwd`.

use serde_json::json;

use super::arguments::{Credential, CredentialCommand};
use super::failure::{Failure, code};
use super::import::count;
use super::output::Outcome;
use super::read::short;
use super::secrets::{Environment, Flags, SecretError, Sources};
use super::session::{Session, cost};
use super::terminal::{Column, Table};
use crate::vault::{CredentialKind, hex};

pub(super) fn run(session: &Session, options: &Credential) -> Result<Outcome, Failure> {
    match &options.command {
        CredentialCommand::List { check_recovery } => list(session, *check_recovery),
        CredentialCommand::Passwd { new_password_file, unlock_cost } => {
            let unopened = session.unopened()?;
            let password = session.sources().ask("Password")?;
            let mut vault = session.settled(unopened.unlock(&password, session.global.anchor_file.as_deref())?)?;
            // The new password never comes from where the old one came from.
            let sources = Sources {
                flags: Flags { file: new_password_file.clone(), ..Flags::default() },
                environment: Environment::default(),
                no_input: session.global.no_input,
            };
            let new = sources.ask_new("New password").map_err(|error| {
                let hint = matches!(error, SecretError::NoInput | SecretError::NoTerminal)
                    .then(|| "the new password comes from --new-password-file, or is asked for".to_owned());
                let failure = Failure::from(error);
                Failure { hint: hint.or(failure.hint), ..failure }
            })?;
            if new.matches(&password) {
                return Err(Failure::failed("the new password is the old one; nothing was changed"));
            }
            let done = vault.change_password(&new, cost(*unlock_cost), session.now)?;
            let class = vault.class();
            let warnings = super::anchor::not_overwritten(&vault)?;
            session.close(vault)?;
            let text = format!(
                "the password is changed: {} and {} were given new keys, no content was touched\n",
                count(done.segments, "segment"),
                count(done.credentials, "credential"),
            );
            let limit = match class {
                crate::vault::Class::E1 => "an older copy of the vault file still opens with the old password",
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
    }
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
        let words =
            state.cost.map_or_else(String::new, |cost| format!("{} MiB × {}", cost.memory_kib / 1024, cost.passes));
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
