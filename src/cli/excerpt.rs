//! `excerpt`: less of a signed export, by whoever holds it.

use serde_json::json;

use super::arguments::Excerpt;
use super::export::numbers;
use super::export::protection::Protection;
use super::export::target::{Target, refuse_existing};
use super::failure::{Failure, code};
use super::output::Outcome;
use super::session::Session;
use super::unsealing::Unsealer;
use crate::bundle::FileId;
use crate::disclosure::{DisclosureError, ExcerptError, excerpt};
use crate::inert::inert_line;
use crate::vault::hex;

pub(super) fn run(session: &Session, options: &Excerpt) -> Result<Outcome, Failure> {
    let messages = options.messages.as_ref().map(|typed| {
        numbers(typed).ok_or_else(|| {
            Failure::usage(format!("not a list of messages: {typed}"), "write numbers and ranges from 1 on, as 3-7,12")
        })
    });
    let messages = messages.transpose()?;
    let protection = match (options.plaintext, options.to.is_empty()) {
        (true, _) => Protection::Plain,
        (false, false) => Protection::to(&options.to)?,
        (false, true) => {
            return Err(Failure::usage(
                "it is not said how the excerpt is protected",
                "encrypt it with --to age1…, or agree to --plaintext",
            ));
        }
    };
    refuse_existing(&options.output, options.force)?;
    if FileId::at(&options.output).is_some_and(|id| FileId::at(&options.file) == Some(id)) {
        return Err(Failure::failed("the excerpt would replace the file that it is made of"));
    }
    let mut input = Unsealer::new(session, &options.unsealing).open(&options.file)?;
    let mut sink = protection.begin(Target::open(Some(&options.output), options.force)?)?;
    excerpt(&mut input, options.conversation, messages.as_deref(), &mut sink)?;
    let (digest, size) = sink.finish()?.finish()?;
    let path = options.output.to_string_lossy();
    let json = json!({
        "schema": "convault.excerpt/1",
        "file": path,
        "bytes": size,
        "sha256": hex(&digest),
    });
    let how = if protection.is_plain() { "unencrypted".to_owned() } else { protection.words() };
    let text = format!("wrote {} ({size} bytes, {how})\nsha256 {}\n", inert_line(&path), hex(&digest));
    Ok(Outcome { text, json, ..Outcome::default() })
}

impl From<ExcerptError> for Failure {
    fn from(error: ExcerptError) -> Self {
        match error {
            ExcerptError::Verify(error) => Self { code: code::DAMAGE, ..Self::failed(error.to_string()) }
                .with_hint("an excerpt is made of an export of the format jsonl that verifies"),
            ExcerptError::Disclosure(DisclosureError::NoMessage { .. } | DisclosureError::LeftOut(_)) => {
                Self::usage(error.to_string(), "convault verify FILE says which messages are there")
            }
            ExcerptError::Disclosure(error) => error.into(),
            ExcerptError::NoConversation { .. } => {
                Self::usage(error.to_string(), "convault verify FILE numbers the conversations")
            }
            error => Self::failed(error.to_string()),
        }
    }
}
