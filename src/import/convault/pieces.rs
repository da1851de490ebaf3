//! Bytes that stand behind a conversation as lines of Base64: read whole for originals, as a stream for files.

use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;

use super::line::PieceLine;
use crate::bundle::{Bundle, BundleError, MemberReader};
use crate::import::base64::decode;
use crate::import::json::lines::Line;
use crate::import::json::tolerant::{Recorder, from_slice};

/// The schema of a piece's line.
const SCHEMA: &str = "convault.piece/1";
/// Longest line of a piece: 768 KiB in Base64, with room for whoever cuts otherwise.
const MAX_LINE: u64 = 16 << 20;

/// A piece: what it is of, and its bytes.
pub(super) struct Piece {
    pub(super) of: String,
    pub(super) index: u64,
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
}

/// Reads a line as a piece; nothing when it is none, or damaged.
pub(super) fn piece(line: &[u8]) -> Option<Piece> {
    let line = from_slice::<PieceLine<'_>>(line, &Recorder::default()).ok()?;
    if line.schema.get() != Some(SCHEMA) {
        return None;
    }
    Some(Piece {
        of: line.of.owned()?,
        index: super::number(line.index)?,
        number: super::number(line.piece)?,
        bytes: decode(line.data.0.as_deref()?)?,
    })
}

/// Bytes at either end of a line in which its schema is looked for. The data of a piece stands between.
const ENDS: usize = 4 << 10;

/// What a line is a piece of, when it is one: whether of an attachment, and of which by index.
pub(super) fn belongs_to(line: &[u8]) -> Option<(bool, usize)> {
    // As convault writes it, it is told without reading the data.
    let head = line.get(..line.len().min(160))?;
    let after = |key: &[u8]| head.get(memchr::memmem::find(head, key)? + key.len()..);
    let quick = || {
        after(b"{\"schema\":\"convault.piece/1\",")?;
        let of = after(b"\"of\":\"")?;
        let digits = after(b"\"index\":")?;
        let digits = digits.get(..digits.iter().take_while(|digit| digit.is_ascii_digit()).count())?;
        Some((of.starts_with(b"attachment\""), std::str::from_utf8(digits).ok()?.parse().ok()?))
    };
    quick().or_else(|| {
        let ends = [line.get(..line.len().min(ENDS))?, line.get(line.len().saturating_sub(ENDS)..)?];
        let names_it = |end: &&[u8]| memchr::memmem::find(end, SCHEMA.as_bytes()).is_some();
        ends.iter().find(|end| names_it(end))?;
        let piece = from_slice::<PieceLine<'_>>(line, &Recorder::default()).ok()?;
        let is_piece = piece.schema.get() == Some(SCHEMA);
        let index = usize::try_from(super::number(piece.index)?).ok()?;
        is_piece.then_some((piece.of.get() == Some("attachment"), index))
    })
}

/// Puts originals together. All of them, each of the size it should have, or the reason why not.
pub(super) fn originals<'a>(lines: impl Iterator<Item = Line<'a>>, sizes: &[u64]) -> Result<Vec<Vec<u8>>, String> {
    let mut originals: Vec<(Vec<u8>, u64)> = sizes.iter().map(|_| (Vec::new(), 0)).collect();
    for line in lines {
        let Some(piece) = piece(line.bytes).filter(|piece| piece.of == "original") else {
            return Err("a piece of the source's bytes is damaged".to_owned());
        };
        let place = usize::try_from(piece.index).ok().and_then(|index| originals.get_mut(index));
        let Some((bytes, next)) = place.filter(|(_, next)| *next == piece.number) else {
            return Err("a piece of the source's bytes is missing or out of order".to_owned());
        };
        bytes.extend_from_slice(&piece.bytes);
        *next += 1;
    }
    if originals.iter().zip(sizes).any(|((bytes, pieces), size)| bytes.len() as u64 != *size || *pieces == 0) {
        return Err("a piece of the source's bytes is missing".to_owned());
    }
    Ok(originals.into_iter().map(|(bytes, _)| bytes).collect())
}

/// A member that is read on from where the last attachment ended: in a zip, going back means beginning again.
#[derive(Default)]
pub struct Stream(Option<Opened>);

struct Opened {
    member: usize,
    at: u64,
    reader: BufReader<MemberReader>,
}

/// How far ahead is read over instead of opening the member anew.
const NEAR: u64 = 1 << 20;

impl Stream {
    fn at(&mut self, bundle: &Bundle, member: usize, place: u64) -> Result<&mut Opened, BundleError> {
        let far = |open: &Opened| !bundle.is_stream() && place - open.at > NEAR;
        let kept = self.0.take().filter(|open| open.member == member && open.at <= place && !far(open));
        let mut open = match kept {
            Some(open) => open,
            None => Opened { member, at: place, reader: BufReader::new(bundle.open_at(member, place)?) },
        };
        let between = place - open.at;
        io::copy(&mut (&mut open.reader).take(between), &mut io::sink()).map_err(BundleError::from_read)?;
        open.at = place;
        Ok(self.0.insert(open))
    }
}

/// The bytes of an attachment, out of its lines.
pub struct Pieces<'s> {
    stream: &'s mut Opened,
    end: u64,
    line: Vec<u8>,
    bytes: Vec<u8>,
    at: usize,
    next: u64,
    /// Bytes that are still to come, where the attachment's size is told.
    missing: Option<u64>,
}

impl<'s> Pieces<'s> {
    /// Opens the lines that stand at `range` of a member and together have `size` bytes, where that is told.
    pub fn open(
        stream: &'s mut Stream,
        bundle: &Bundle,
        member: usize,
        range: Range<u64>,
        size: Option<u64>,
    ) -> Result<Self, BundleError> {
        let stream = stream.at(bundle, member, range.start)?;
        Ok(Self { stream, end: range.end, line: Vec::new(), bytes: Vec::new(), at: 0, next: 0, missing: size })
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let damaged = || io::Error::other("a piece of it is damaged or missing");
        while self.at == self.bytes.len() {
            self.line.clear();
            let most = MAX_LINE.min(self.end.saturating_sub(self.stream.at));
            let count = (&mut self.stream.reader).take(most).read_until(b'\n', &mut self.line)?;
            self.stream.at += count as u64;
            if count == 0 {
                return if self.missing.is_none_or(|missing| missing == 0) { Ok(0) } else { Err(damaged()) };
            }
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            let piece = piece(&self.line).filter(|piece| piece.number == self.next).ok_or_else(damaged)?;
            if let Some(missing) = &mut self.missing {
                *missing = missing.checked_sub(piece.bytes.len() as u64).ok_or_else(damaged)?;
            }
            (self.bytes, self.at) = (piece.bytes, 0);
            self.next += 1;
        }
        let count = buffer.len().min(self.bytes.len() - self.at);
        buffer[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
