//! Attachments on their way into a segment: streamed in pieces, from the bundle or from an older segment.

use std::io::Read;

use zeroize::Zeroizing;

use super::IngestError;
use crate::bundle::{Bundle, BundleError};
use crate::conversation::{Conversation, Payload};
use crate::import::convault::{Pieces, Stream};
use crate::import::{Problem, members};
use crate::vault::{OpenSegment, PIECE, Row, SealerThread};

/// What sealing attachments came to.
#[derive(Default)]
pub(super) struct Sealed {
    pub(super) stored: u64,
    /// Indices of attachments whose bytes the bundle should have had, and that broke off.
    pub(super) broken: Vec<usize>,
    pub(super) problems: Vec<Problem>,
}

impl Sealed {
    /// How many attachments of the sealed conversation the bundle did not hold, and nothing stored either.
    pub(super) fn absent(&self, conversation: &Conversation) -> u64 {
        let attachments = conversation.attachments.iter().enumerate();
        attachments.filter(|(index, one)| one.objects.is_none() && !self.broken.contains(index)).count() as u64
    }
}

/// Where attachments come from; one for each thread.
pub(super) struct Input<'b> {
    bundle: &'b Bundle,
    stream: Stream,
}

impl<'b> Input<'b> {
    pub(super) fn of(bundle: &'b Bundle) -> Self {
        Self { bundle, stream: Stream::default() }
    }

    /// The bytes of an attachment.
    fn open<'a>(&'a mut self, payload: &'a Payload) -> Result<Box<dyn Read + 'a>, BundleError> {
        Ok(match payload {
            Payload::Member(member) => Box::new(self.bundle.open(*member)?),
            Payload::Inside(data) => Box::new(data.as_slice()),
            Payload::Pieces { member, start, end, size } => {
                Box::new(Pieces::open(&mut self.stream, self.bundle, *member, *start..*end, *size)?)
            }
        })
    }

    /// What is wrong with the attachments that stand in pieces; those that are members are read by nobody else.
    pub(super) fn check(&mut self, conversation: &Conversation, place: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (index, attachment) in conversation.attachments.iter().enumerate() {
            let Some(payload @ Payload::Pieces { .. }) = &attachment.payload else { continue };
            let read = self.open(payload).and_then(|mut reader| {
                std::io::copy(&mut reader, &mut std::io::sink()).map_err(BundleError::from_read)
            });
            if let Err(error) = read {
                problems.push(broken(self.bundle, payload, place, index, &error));
            }
        }
        problems
    }
}

fn broken(bundle: &Bundle, payload: &Payload, place: &str, index: usize, error: &BundleError) -> Problem {
    let place = match payload {
        Payload::Member(member) => format!("{place}, attachment in {}", members::name(bundle, *member)),
        _ => format!("{place}, attachment {index}"),
    };
    Problem { place, reason: error.to_string() }
}

/// What to do with sealed pieces.
pub(super) enum Piece {
    /// Store this row.
    Add(Row),
    /// Remove these rows: the attachment broke off.
    Drop(std::ops::Range<u64>),
}

/// Seals every attachment that the bundle holds. One that breaks off is a problem of its own.
pub(super) fn seal_all(
    thread: &SealerThread<'_>,
    open: &mut OpenSegment,
    conversation: &mut Conversation,
    input: &mut Input<'_>,
    place: &str,
    mut hand_over: impl FnMut(Piece) -> Result<(), IngestError>,
) -> Result<Sealed, IngestError> {
    let mut sealed = Sealed::default();
    for (index, attachment) in conversation.attachments.iter_mut().enumerate() {
        let first = open.pieces();
        let Some(payload) = attachment.payload.take() else { continue };
        match stream(thread, open, input, &payload, &mut hand_over)? {
            Ok(size) => {
                attachment.size = Some(size);
                attachment.objects = Some((first, open.pieces() - first));
                sealed.stored += 1;
            }
            Err(error) if error.is_refusal() => return Err(error.into()),
            Err(error) => {
                hand_over(Piece::Drop(open.rows_from(first)))?;
                open.forget_from(first);
                sealed.broken.push(index);
                sealed.problems.push(broken(input.bundle, &payload, place, index, &error));
            }
        }
    }
    Ok(sealed)
}

/// Seals one payload in pieces; its size, or why it broke off.
fn stream(
    thread: &SealerThread<'_>,
    open: &mut OpenSegment,
    input: &mut Input<'_>,
    payload: &Payload,
    hand_over: &mut impl FnMut(Piece) -> Result<(), IngestError>,
) -> Result<Result<u64, BundleError>, IngestError> {
    let mut reader = match input.open(payload) {
        Ok(reader) => reader,
        Err(error) => return Ok(Err(error)),
    };
    let mut size = 0;
    let mut buffer = Zeroizing::new(Vec::new());
    loop {
        buffer.clear();
        if let Err(error) = (&mut reader).take(PIECE as u64).read_to_end(&mut buffer) {
            return Ok(Err(BundleError::from_read(error)));
        }
        // An empty file is one empty piece, so that it is there.
        if buffer.is_empty() && size > 0 {
            return Ok(Ok(size));
        }
        size += buffer.len() as u64;
        hand_over(Piece::Add(thread.piece(open, &buffer)?))?;
        if buffer.len() < PIECE {
            return Ok(Ok(size));
        }
    }
}
