//! `verify`: an export checked by anyone, with no vault and no password.

use std::io::{BufReader, Cursor, ErrorKind, Read, Seek, SeekFrom};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::arguments::Verify;
use super::export::beside;
use super::failure::{Failure, code};
use super::import::count;
use super::output::Outcome;
use super::session::Session;
use super::unsealing::Unsealer;
use crate::bundle::Bundle;
use crate::disclosure::verify::{self, Checked, Seen, VerifyError};
use crate::disclosure::{Content, Refusal};
use crate::export::html::Html;
use crate::export::markdown::Markdown;
use crate::inert::inert_line;
use crate::vault::{Lock, Unopened, hex};

/// Conversations that are listed; of more only what is left out.
const MOST_LISTED: usize = 20;

/// The longest manifest of one original.
const LONGEST_MANIFEST: u64 = 1 << 24;

/// How every page begins.
const PAGE: &[u8] = b"<!doctype html>";

pub(super) fn run(session: &Session, options: &Verify) -> Result<Outcome, Failure> {
    let (checked, is_shell_ours) = checked(&Unsealer::new(session, &options.unsealing), options)?;
    if let Some(owner) = options.owner.as_ref().filter(|owner| !owner.eq_ignore_ascii_case(&checked.statement.owner)) {
        return Err(refused(format!("its owner key is another one than {owner}")));
    }
    // The environment says which vault is one's own, and not whose exports may be checked.
    let of_environment = std::env::var_os("CONVAULT_VAULT").map(PathBuf::from);
    let is_named = session.global.vault.is_some() && session.global.vault != of_environment;
    let is_known = options.owner.is_some() || is_named && is_of(session, &checked)?;
    let mut outcome = outcome(&checked, &options.file.to_string_lossy(), is_known);
    if !is_shell_ours {
        outcome.warnings.push(
            "what stands around the sealed page, its script among it, is not what this version writes, and was not checked"
                .to_owned(),
        );
        outcome.code = code::PARTIAL;
    }
    Ok(outcome)
}

/// What holds, and whether what stands around a sealed page is ours.
fn checked(unsealer: &Unsealer<'_>, options: &Verify) -> Result<(Checked, bool), Failure> {
    let path = &options.file;
    let beside = beside(path);
    match inside(unsealer, options)? {
        // Of one original the manifest stands beside it, whatever it is; one that is left of another file says nothing.
        Err(VerifyError::Refused(inside)) if beside.is_file() => {
            let mut manifest = Vec::new();
            let read = unsealer.open(&beside)?.take(LONGEST_MANIFEST).read_to_end(&mut manifest);
            read.map_err(|error| Failure::io(&beside, &error))?;
            let checked = verify::original(&mut BufReader::new(unsealer.open(path)?), &manifest);
            checked.map(|checked| (checked, true)).map_err(|error| match inside {
                Refusal::NoManifest | Refusal::Line(..) => failure(options, error),
                inside => failure(options, inside.into()),
            })
        }
        checked => checked.map_err(|error| failure(options, error)),
    }
}

/// What a file says of itself.
fn inside(unsealer: &Unsealer<'_>, options: &Verify) -> Result<Result<(Checked, bool), VerifyError>, Failure> {
    let path = &options.file;
    let mut file = unsealer.open(path)?;
    let mut head = Vec::new();
    let read = (&mut file).take(64).read_to_end(&mut head).and_then(|_| file.seek(SeekFrom::Start(0)));
    read.map_err(|error| Failure::io(path, &error))?;
    let mut is_ours = true;
    let checked = if verify::is_lines(&head) {
        verify::lines(file)
    } else if head.starts_with(b"PK") {
        let bundle = Bundle::from_opened("export.zip", file);
        bundle
            .map_err(|error| std::io::Error::other(error.to_string()).into())
            .and_then(|bundle| verify::originals(&bundle))
    } else if head.starts_with(PAGE) {
        match unsealer.page(&mut file)? {
            Some(sealed) => {
                is_ours = sealed.is_ours;
                verify::document(&mut Cursor::new(sealed.page), &Html, "html")
            }
            None => verify::document(&mut file, &Html, "html"),
        }
    } else {
        verify::document(&mut file, &Markdown, "md")
    };
    Ok(checked.map(|checked| (checked, is_ours)))
}

fn refused(message: impl Into<String>) -> Failure {
    Failure { code: code::DAMAGE, ..Failure::failed(message) }
}

fn failure(options: &Verify, error: VerifyError) -> Failure {
    let path = options.file.display();
    match error {
        // Of an age file, what does not open any further.
        VerifyError::Io(error) if error.kind() == ErrorKind::InvalidData => refused(format!("{path}: {error}")),
        VerifyError::Io(error) => Failure::io(&options.file, &error),
        VerifyError::Refused(refusal @ Refusal::NoManifest) => refused(format!("{path}: {refusal}"))
            .with_hint("of one original the manifest is a file of its own, FILE.manifest, and has to lie beside it"),
        VerifyError::Refused(refusal) => refused(format!("{path} is refused: {refusal}")),
    }
}

/// Whether the vault is the one that the export says.
fn is_of(session: &Session, checked: &Checked) -> Result<bool, Failure> {
    let vault = Unopened::open(Lock::take(&session.path)?)?;
    let is = hex(&vault.id()) == checked.statement.vault && hex(&vault.owner_key().0) == checked.statement.owner;
    match is {
        true => Ok(true),
        false => Err(refused("it is an export of another vault, or under another owner key")),
    }
}

/// An export that holds, for people and programs; `is_known` says that its owner was compared with a known one.
pub(super) fn outcome(checked: &Checked, name: &str, is_known: bool) -> Outcome {
    let Checked { statement, seen } = checked;
    let taken_out = statement.left_out.iter().filter(|is| **is).count();
    let mut text = format!(
        "{}: it holds\n{} of {}, format {}\nsigned by a credential of role {} of the vault {}\n",
        inert_line(name),
        seen.len(),
        count(statement.conversations as u64, "conversation"),
        statement.format,
        statement.role,
        statement.vault,
    );
    text.push_str(&format!("owner key {}\n", statement.owner));
    text.push_str(&format!("exported at {} (the signer's word)\n", statement.exported_at));
    let listed = |(at, one): &(usize, &Seen)| *at < MOST_LISTED || !one.content.left_out.is_empty();
    for (at, one) in seen.iter().enumerate().filter(listed) {
        text.push_str(&format!("  {}  {}\n", at + 1, told(one)));
    }
    if seen.len() > MOST_LISTED {
        text.push_str("  and so on; --json lists all\n");
    }
    if taken_out > 0 {
        text.push_str(&format!("{} of the signed export not in this file\n", count(taken_out as u64, "conversation")));
    }
    if is_known {
        text.push_str("the owner is the one that was named\n");
    }
    let mut notes = vec!["it shows what the vault held, not what was said to or by the provider".to_owned()];
    if !is_known {
        notes.push(
            "anyone can make a vault and sign an export of it: compare the owner key with one you know (--owner)"
                .to_owned(),
        );
    }
    let json = json!({
        "schema": "convault.verification/1",
        "holds": true,
        "vault": statement.vault,
        "owner": statement.owner,
        "signer_role": statement.role,
        "exported_at": statement.exported_at,
        "format": statement.format,
        "signed_conversations": statement.conversations,
        "conversations": seen.iter().map(|one| json!({
            "title": one.title,
            "root": hex(&one.content.root),
            "messages": one.content.messages,
            "left_out": one.content.left_out.iter().map(|(first, count)| json!([first + 1, count])).collect::<Vec<Value>>(),
        })).collect::<Vec<Value>>(),
    });
    Outcome { text, json, notes, ..Outcome::default() }
}

/// One conversation in words: which of its messages are there.
fn told(one: &Seen) -> String {
    let Content { messages, left_out, .. } = &one.content;
    let gone: usize = left_out.iter().map(|(_, count)| count).sum();
    let mut words = match gone {
        0 => format!("all of {}", count(*messages as u64, "message")),
        _ => {
            let range = |(first, count): &(usize, usize)| match count {
                1 => format!("{}", first + 1),
                _ => format!("{}-{}", first + 1, first + count),
            };
            let ranges: Vec<String> = left_out.iter().map(range).collect();
            format!(
                "{} of {}, unaltered and in order; left out: {}",
                messages - gone,
                count(*messages as u64, "message"),
                ranges.join(", ")
            )
        }
    };
    if let Some(title) = &one.title {
        words.push_str(&format!("  {}", inert_line(title)));
    }
    words
}
