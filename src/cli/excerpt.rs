//! `excerpt`: less of a signed export, by whoever holds it.

use serde_json::json;

use super::arguments::Excerpt;
use super::export::numbers;
use super::export::target::{Target, refuse_existing};
use super::failure::{Failure, code};
use super::output::Outcome;
use super::session::Session;
use super::unsealing::Unsealer;
use crate::disclosure::{ExcerptError, excerpt};
use crate::inert::inert_line;
use crate::vault::hex;

pub(super) fn run(session: &Session, options: &Excerpt) -> Result<Outcome, Failure> {
    let messages = options.messages.as_ref().map(|typed| {
        numbers(typed).ok_or_else(|| {
            Failure::usage(format!("not a list of messages: {typed}"), "write numbers and ranges from 1 on, as 3-7,12")
        })
    });
    let messages = messages.transpose()?;
    refuse_existing(&options.output, options.force)?;
    let mut input = Unsealer::new(session, &options.unsealing).open(&options.file)?;
    let mut target = Target::open(Some(&options.output), options.force)?;
    excerpt(&mut input, options.conversation, messages.as_deref(), &mut target)?;
    let (digest, size) = target.finish()?;
    let path = options.output.to_string_lossy();
    let json = json!({
        "schema": "convault.excerpt/1",
        "file": path,
        "bytes": size,
        "sha256": hex(&digest),
    });
    let text = format!("wrote {} ({size} bytes, unencrypted)\nsha256 {}\n", inert_line(&path), hex(&digest));
    Ok(Outcome { text, json, ..Outcome::default() })
}

impl From<ExcerptError> for Failure {
    fn from(error: ExcerptError) -> Self {
        match error {
            ExcerptError::Verify(error) => Self { code: code::DAMAGE, ..Self::failed(error.to_string()) }
                .with_hint("an excerpt is made of an export of the format jsonl that verifies"),
            ExcerptError::Disclosure(error) => error.into(),
            ExcerptError::NoConversation { .. } => {
                Self::usage(error.to_string(), "convault verify FILE numbers the conversations")
            }
            error => Self::failed(error.to_string()),
        }
    }
}
