//! Ingest: a bundle in, conversations stored; split on one thread, read and sealed on all, written in one transaction.
//!
//! What was stored before is recognised by the source's id. A conversation comes in whole or not at
//! all, and an import that breaks off leaves the vault as it was.

mod attach;
mod budget;
mod deposit;
mod files;
mod merge;
mod months;
mod pipeline;
mod report;
#[cfg(test)]
mod tests;
mod unite;
mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::bundle::{Bundle, BundleError};
use crate::clock::Instant;
use crate::import::{Context, Importer, Parsed, Problem, Unit, Unread};
use crate::vault::{Depositing, Entry, Vault, VaultError, check_tag_name};

pub use report::{Counts, FileReport, Months, Report};

use attach::Input;
use report::Told;

/// Why an import ended without storing anything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The input is hostile, or cannot be read at all.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// It was told to stop.
    #[error("interrupted; nothing was stored")]
    Interrupted,
}

/// How far an import is; written by the pipeline, read by whoever draws a bar.
#[derive(Default)]
pub struct Progress {
    /// Source bytes cut into units.
    pub bytes: AtomicU64,
    /// Conversations done with.
    pub conversations: AtomicU64,
    /// Set from outside to stop.
    pub stop: Arc<AtomicBool>,
}

/// How to import.
pub struct Options<'a> {
    /// The format.
    pub importer: &'a dyn Importer,
    /// Tags for conversations that are new.
    pub tags: &'a [String],
    /// The time.
    pub now: Instant,
    /// Bring in what was destroyed in this vault before.
    pub allow_resurrect: bool,
    /// What is stored and does not count as known: deposits that come in once more, to be united with what was there.
    pub besides: &'a [Entry],
}

/// Reads everything and stores nothing; needs no vault.
pub fn check(bundle: &Bundle, importer: &dyn Importer, progress: &Progress) -> Result<Report, IngestError> {
    let context = importer.prepare(bundle)?;
    let mut report = Report::of(importer, bundle, &context);
    for name in &context.tags {
        if let Err(error) = check_tag_name(name) {
            report.problem(Problem { place: "a tag in the input".to_owned(), reason: error.to_string() });
        }
    }
    let read = |input: &mut Input<'_>, unit: Unit| match importer.parse(&context, &unit) {
        Ok(Parsed { conversation, notes, mut problems, .. }) => {
            problems.extend(input.check(&conversation, &unit.place));
            let (messages, size) = (conversation.messages.len(), unit.bytes.len());
            Ok(Ok(Told { member: unit.member, messages, size, notes, problems }))
        }
        Err(Unread::Empty(reason)) => Ok(Err((unit.member, reason))),
        Err(Unread::Problem(problem)) => Err(problem),
    };
    pipeline::run(
        bundle,
        importer,
        &context,
        progress,
        |_| {
            let mut input = Input::of(bundle);
            move |unit| read(&mut input, unit)
        },
        |result| {
            match result {
                Ok(Ok(told)) => {
                    progress.conversations.fetch_add(1, Ordering::Relaxed);
                    report.count(told.member, |counts| counts.readable += 1);
                    report.add(told);
                }
                Ok(Err((member, reason))) => report.empty(member, reason),
                Err(problem) => report.skip(problem),
            }
            Ok(())
        },
    )?;
    report.name_files(bundle);
    Ok(report)
}

/// Imports a bundle. Problems inside it are reported and do not stop it; an error stores nothing.
pub fn import(
    vault: &mut Vault,
    bundle: &Bundle,
    options: &Options<'_>,
    progress: &Progress,
) -> Result<Report, IngestError> {
    reported(bundle, options, |context, report| write::import(vault, bundle, context, options, progress, report))
}

/// Seals a bundle into the inbox of a vault that is open to a depositor.
pub fn deposit(
    vault: &mut Depositing,
    bundle: &Bundle,
    options: &Options<'_>,
    progress: &Progress,
) -> Result<Report, IngestError> {
    reported(bundle, options, |context, report| deposit::deposit(vault, bundle, context, options, progress, report))
}

/// What came of a bundle that `work` stores.
fn reported(
    bundle: &Bundle,
    options: &Options<'_>,
    work: impl FnOnce(&Context, &mut Report) -> Result<(), IngestError>,
) -> Result<Report, IngestError> {
    let context = options.importer.prepare(bundle)?;
    let mut report = Report::of(options.importer, bundle, &context);
    work(&context, &mut report)?;
    report.name_files(bundle);
    Ok(report)
}
