//! Deposits: conversations sealed by who reads nothing, so that nothing stored can be recognised or united.

use std::sync::atomic::Ordering;

use super::attach::{self, Input, Piece};
use super::pipeline;
use super::report::Told;
use super::write::{Incoming, borrowed, incoming, origin};
use super::{IngestError, Options, Progress, Report};
use crate::bundle::Bundle;
use crate::crypto::{hash, random};
use crate::import::{Context, Problem, Unit, Unread};
use crate::vault::{Depositing, Row, SealerThread, VaultError};

/// What came of a unit.
enum Sealed {
    Deposit { row: Vec<u8>, told: Told, attachments: attach::Sealed, absent: u64 },
    Empty(usize, &'static str),
    Failed(IngestError),
}

pub(super) fn deposit(
    vault: &mut Depositing,
    bundle: &Bundle,
    context: &Context,
    options: &Options<'_>,
    progress: &Progress,
    report: &mut Report,
) -> Result<(), IngestError> {
    let mut rows = Vec::new();
    let sealer = vault.sealer(options.now);
    pipeline::run(
        bundle,
        options.importer,
        context,
        progress,
        |_| {
            let (mut thread, mut input) = (sealer.thread(), Input::of(bundle));
            move |unit| seal(context, options, &mut thread, &mut input, unit)
        },
        |result| {
            match result {
                Ok(Sealed::Deposit { row, told, attachments, absent }) => {
                    rows.push(row);
                    report.count(told.member, |counts| counts.new += 1);
                    report.add(told);
                    report.take(attachments, absent);
                }
                Ok(Sealed::Empty(member, reason)) => report.empty(member, reason),
                Ok(Sealed::Failed(error)) => return Err(error),
                Err(problem) => report.skip(problem),
            }
            progress.conversations.fetch_add(1, Ordering::Relaxed);
            Ok(())
        },
    )?;
    drop(sealer);
    if !rows.is_empty() {
        vault.deposit(&rows, options.now)?;
    }
    Ok(())
}

fn seal(
    context: &Context,
    options: &Options<'_>,
    thread: &mut SealerThread<'_>,
    input: &mut Input<'_>,
    unit: Unit,
) -> Result<Sealed, Problem> {
    let (member, digest) = (unit.member, hash::sha256(&[&unit.bytes]));
    let parsed = match options.importer.parse(context, &unit) {
        Ok(parsed) => parsed,
        Err(Unread::Empty(reason)) => return Ok(Sealed::Empty(member, reason)),
        Err(Unread::Problem(problem)) => return Err(problem),
    };
    // Names of tags are nothing that a depositor can give.
    let (incoming, _) = incoming(options.importer, unit, digest, parsed);
    let place = incoming.place.clone();
    match seal_one(thread, input, incoming) {
        Ok(sealed) => Ok(sealed),
        Err(IngestError::Vault(VaultError::TooLarge)) => {
            Err(Problem { place, reason: "too large for a deposit; an owner can import it".to_owned() })
        }
        Err(error) => Ok(Sealed::Failed(error)),
    }
}

fn seal_one(thread: &mut SealerThread<'_>, input: &mut Input<'_>, incoming: Incoming) -> Result<Sealed, IngestError> {
    let Incoming { mut conversation, source, originals, told, place, .. } = incoming;
    let mut open = thread.begin()?;
    let mut pieces: Vec<Row> = Vec::new();
    let hand_over = |piece| {
        match piece {
            Piece::Add(row) => pieces.push(row),
            Piece::Drop(rows) => pieces.retain(|row| !row.is_in(&rows)),
        }
        Ok(())
    };
    let attachments = attach::seal_all(thread, &mut open, &mut conversation, input, &place, hand_over)?;
    let absent = attachments.absent(&conversation);
    let origin = origin(random::array(), &source, Vec::new(), &told.notes, None);
    let row = thread.finish_deposit(&open, &conversation, &borrowed(&originals), origin, &pieces)?;
    Ok(Sealed::Deposit { row, told, attachments, absent })
}
