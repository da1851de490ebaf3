//! `anchor`: where the anchor is, what that is worth, moving it, and keeping it in several files.

use serde_json::json;

use super::arguments::{Anchor, AnchorCommand};
use super::confirm;
use super::failure::{Failure, code};
use super::import::count;
use super::init::{place, survivals, weakness_words};
use super::inspect::class_words;
use super::output::Outcome;
use super::session::Session;
use crate::inert::inert_line;
use crate::vault::{AnchorPlace, CanJudge, Class, Vault, VaultError, weaknesses};

pub(super) fn run(session: &Session, options: &Anchor) -> Result<Outcome, Failure> {
    match &options.command {
        AnchorCommand::Show => {
            let vault = session.open()?;
            let outcome = describe(&vault)?;
            session.close(vault)?;
            Ok(outcome)
        }
        AnchorCommand::Replicate { place: typed, forget } => {
            let AnchorPlace::File(path) = place(typed)? else {
                return Err(Failure::usage("a replica is a file", "write file:PATH"));
            };
            let mut vault = session.open()?;
            let said = match forget {
                false => {
                    vault.replicate_anchor(&path, session.now)?;
                    "the anchor is in one file more: with any of them the password opens the vault\n"
                }
                true if vault.drop_replica(&path, session.now)? => "the replica is overwritten and removed\n",
                true => {
                    "the replica is dropped; it was out of reach, so what it opens is class E1. Overwrite it when you have it\n"
                }
            };
            // What waited for it need not wait for the next command.
            let finished = super::erase::resume(session, &mut vault)?;
            let mut outcome = describe(&vault)?;
            session.close(vault)?;
            outcome.text.insert_str(0, said);
            outcome.notes.extend(finished);
            Ok(outcome)
        }
        AnchorCommand::Move { place: typed, yes } => {
            let to = place(typed)?;
            let mut vault = session.open()?;
            if !yes && !agreed(session, &vault, &to)? {
                session.close(vault)?;
                return Err(Failure::failed("the anchor was not moved"));
            }
            vault.move_anchor(&to, session.now)?;
            let mut outcome = describe(&vault)?;
            if !not_overwritten(&vault)?.is_empty() {
                outcome.code = code::PARTIAL;
            }
            session.close(vault)?;
            outcome.text = format!("moved the anchor\n{}", outcome.text);
            Ok(outcome)
        }
    }
}

fn agreed(session: &Session, vault: &Vault, to: &AnchorPlace) -> Result<bool, Failure> {
    let consequence = match to {
        AnchorPlace::File(path) => {
            let worth = match weaknesses(path).first() {
                None => "What is stored from then on is class E2.".to_owned(),
                Some(weakness) => format!("It is no better than class E1: {weakness}."),
            };
            format!(
                "From then on the vault opens only with {}: whoever loses it loses the vault, password or not. Keep it on this\nmachine and out of backups and synced folders. {worth}",
                path.display()
            )
        }
        AnchorPlace::Embedded if vault.class() > Class::E1 => {
            "From then on an older copy of the vault file opens with its password what is erased later, and that is so for\neverything in it: class E1.".to_owned()
        }
        AnchorPlace::Embedded => String::new(),
    };
    let lines: Vec<String> = consequence.lines().map(|line| inert_line(line).into_owned()).collect();
    let question = format!("{}\nMove the anchor?", lines.join("\n"));
    Ok(confirm::confirm(&question, session.global.no_input)?)
}

/// Old anchors that could not be overwritten yet, and what that means.
pub(super) fn not_overwritten<A: CanJudge>(vault: &Vault<A>) -> Result<Vec<String>, VaultError> {
    let moved = vault.left_behind()?.unwrap_or_default().into_iter().map(|path| {
        format!(
            "the old anchor at {} could not be overwritten: what it opens is no better than class E1",
            path.display()
        )
    });
    let outstanding = vault.outstanding()?.into_iter().map(|path| {
        format!(
            "the replica of the anchor at {} is out of reach and may hold the one before: until it is back, or dropped with anchor replicate --forget, nothing that it opens is better than class E1, and no key changes again",
            path.display()
        )
    });
    Ok(moved.chain(outstanding).collect())
}

/// Where the anchor is, for people and programs.
fn describe(vault: &Vault) -> Result<Outcome, VaultError> {
    let (kind, path) = vault.anchor();
    let class = vault.class();
    let place = match path {
        Some(path) => format!("file:{}", path.display()),
        None => "embedded".to_owned(),
    };
    let mut text = format!(
        "anchor      {}, generation {}\nclass       {}: {}\n",
        inert_line(&place),
        vault.generation(),
        class.word(),
        class_words(class)
    );
    let replicas = vault.replicas();
    for replica in &replicas {
        let state = replica.out_of_step.as_deref().map_or(String::new(), |why| format!(" ({why})"));
        text.push_str(&format!(
            "replica     {}{}\n",
            inert_line(&format!("file:{}", replica.path.display())),
            inert_line(&state)
        ));
    }
    let classes = vault.classes()?;
    for (class, segments) in &classes {
        text.push_str(&format!("{}          {}\n", class.word(), count(*segments, "segment")));
    }
    let weaknesses = vault.weaknesses();
    let notes = match path {
        None => vec!["to raise the class of what is stored from now on: convault anchor move file:PATH".to_owned()],
        Some(_) => Vec::new(),
    };
    let json = json!({
        "schema": "convault.anchor/1",
        "anchor": place,
        "anchor_kind": kind.word(),
        "generation": vault.generation(),
        "replicas": replicas.iter().map(|one| json!({
            "place": format!("file:{}", one.path.display()),
            "out_of_step": one.out_of_step,
        })).collect::<Vec<_>>(),
        "class": class.word(),
        "weaknesses": weakness_words(&weaknesses),
        "segments": classes.iter().map(|(class, count)| (class.word().to_owned(), (*count).into())).collect::<serde_json::Map<_, _>>(),
    });
    let warnings = survivals(&weaknesses).into_iter().chain(not_overwritten(vault)?).collect();
    Ok(Outcome { text, json, warnings, notes, ..Outcome::default() })
}
